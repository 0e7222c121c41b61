//! At the end the books must agree: what clients were told, what is stored, what the networks did, what merchants heard.

mod events;
mod networks;
mod orders;
mod rows;
mod terminals;

use sea_orm::{QueryResult, TryGetable};

use crate::shop::Shops;
use crate::stage::Stage;
use crate::terminal::Terminals;

pub async fn compare(stage: &Stage, terminals: &Terminals, shops: &Shops) {
    rows::are_whole(stage).await;
    terminals::agree(stage, terminals).await;
    let orders = orders::read(stage).await;
    orders::agree(stage, shops, &orders);
    networks::agree(stage, &orders).await;
    events::agree(stage, &orders).await;
    rows::audit_holds(stage).await;
}

/// A column of a row, by its place.
fn column<T: TryGetable>(row: &QueryResult, at: usize) -> T {
    row.try_get_by_index(at).unwrap()
}

/// Kopecks of `12.30`, whatever number of digits follows the point.
fn kopecks(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<2}");
    whole.parse::<i64>().unwrap() * 100 + part[..2].parse::<i64>().unwrap()
}

/// The same elements, each as often.
fn sorted<T: Ord>(elements: impl Iterator<Item = T>) -> Vec<T> {
    let mut elements: Vec<T> = elements.collect();
    elements.sort();
    elements
}
