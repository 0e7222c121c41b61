//! A believable flow of payments that goes on until the demo ends: the same round again and again, each time with other
//! accounts and amounts, so that within a minute there is one of everything.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::callers::{Office, Shop, Stagehand, Terminal};
use super::houses::{HOUSES, House, Played};
use crate::cli::Failure;
use crate::kiosk::Command;

/// One thing happens in this time, more or less: some forty payments a minute.
const PAUSE: Duration = Duration::from_millis(900);
/// Payments of terminals that a registry of their network holds at most.
const REGISTRY_ROWS: usize = 20;
/// The network writes its moments so far ahead of UTC, in hours.
const MOSCOW_HOURS: i64 = 3;
/// Requests that come at once, more than a connection's limit lets in.
const BURST: usize = 8;

pub struct Surroundings {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub sandbox: SocketAddr,
    pub token: SecretString,
    pub networks: Vec<Played>,
}

/// What happens in one round, in this order.
const ROUND: [Happening; 18] = [
    Happening::Sale,
    Happening::CardDeclined,
    Happening::CardPaid,
    Happening::UnknownAccount,
    Happening::Sale,
    Happening::Refund,
    Happening::LostAnswer,
    Happening::TooMuch,
    Happening::Sale,
    Happening::CardLater,
    Happening::Payout,
    Happening::Blocked,
    Happening::Hold,
    Happening::Sale,
    Happening::Burst,
    Happening::HostedPage,
    Happening::BrokenRule,
    Happening::Registry,
];

#[derive(Clone, Copy)]
enum Happening {
    /// A terminal asks and pays.
    Sale,
    UnknownAccount,
    TooMuch,
    Blocked,
    BrokenRule,
    /// More requests at once than the limit allows.
    Burst,
    CardPaid,
    CardDeclined,
    /// Paid three seconds after it was asked for.
    CardLater,
    /// The network executes it, and its answer is lost: in doubt until it is asked.
    LostAnswer,
    /// Held, then captured or released.
    Hold,
    Refund,
    Payout,
    /// Nobody opens the page.
    HostedPage,
    /// A network's registry comes, and differs in one row.
    Registry,
}

/// A house with those that call for it.
struct Resident {
    house: &'static House,
    terminal: Terminal,
    shop: Shop,
    connection: Option<&'static str>,
}

/// A payment of a terminal, as its network's registry will tell it.
struct Sold {
    txn_id: i64,
    at: DateTime<Utc>,
    account: String,
    kopecks: u64,
}

pub struct Traffic {
    residents: Vec<Resident>,
    office: Office,
    stagehand: Stagehand,
    round: usize,
    /// Of the first house.
    sold: Vec<Sold>,
    /// Payments by card that can be given back: whose, and which.
    paid: Vec<(usize, String)>,
}

impl Traffic {
    /// Makes the merchants and their keys.
    pub async fn prepare(around: Surroundings, folder: &Path) -> Result<Self, Failure> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let office = Office::new(client.clone(), around.admin, around.token);
        let hooks = format!("http://{}/demo", around.admin);
        let mut residents = Vec::new();
        for house in &HOUSES {
            let connection = house.open(&office, &around.networks, &hooks).await?;
            let key = key(&office, house, folder).await?;
            residents.push(Resident {
                house,
                terminal: Terminal::new(around.public, house.slug)?,
                shop: Shop::new(client.clone(), around.public, key),
                connection,
            });
        }
        Ok(Self {
            residents,
            office,
            stagehand: Stagehand::new(client, around.sandbox),
            round: 0,
            sold: Vec::new(),
            paid: Vec::new(),
        })
    }

    /// Until it is dropped. Nothing that goes wrong ends it: a demo's gateway may be stopped at any moment.
    pub async fn run(mut self) {
        loop {
            for happening in ROUND {
                if let Err(error) = self.happen(happening).await {
                    tracing::warn!(%error, "the demo's traffic stumbled");
                }
                tokio::time::sleep(PAUSE.mul_f32(rand::random_range(0.6..1.4))).await;
            }
            self.round = self.round.wrapping_add(1);
        }
    }

    async fn happen(&mut self, happening: Happening) -> Result<(), Failure> {
        match happening {
            Happening::Sale => self.sale().await,
            Happening::UnknownAccount => self.asked("12345", "100.00").await,
            Happening::TooMuch => self.refused("20000.00").await,
            Happening::Blocked => self.at_the_last("9000000666").await,
            Happening::BrokenRule => self.at_the_last("9000000077").await,
            Happening::Burst => self.burst().await,
            Happening::CardPaid => self.card(12, "automatic").await.map(|_| ()),
            Happening::CardDeclined => self.card(2, "automatic").await.map(|_| ()),
            Happening::CardLater => self.card(3, "automatic").await.map(|_| ()),
            Happening::LostAnswer => {
                self.stagehand.lose_an_answer().await?;
                self.card_at(0, 12, "automatic").await.map(|_| ())
            }
            Happening::Hold => self.hold().await,
            Happening::Refund => self.refund().await,
            Happening::Payout => self.payout().await,
            Happening::HostedPage => self.hosted_page().await,
            Happening::Registry => self.registry().await,
        }
    }

    /// Those that fit take turns.
    fn turn(&self, fits: impl Fn(&House) -> bool) -> Option<(usize, &Resident)> {
        let fitting: Vec<_> = self
            .residents
            .iter()
            .enumerate()
            .filter(|(_, one)| fits(one.house))
            .collect();
        let at = (self.round + rand::random_range(0..fitting.len().max(1))).checked_rem(fitting.len())?;
        fitting.get(at).copied()
    }

    async fn sale(&mut self) -> Result<(), Failure> {
        let Some((at, resident)) = self.turn(|house| house.terminal) else {
            return Ok(());
        };
        let (txn_id, account, kopecks) = (Utc::now().timestamp_millis(), account(), kopecks());
        let sum = decimal(kopecks);
        resident.terminal.ask(Command::Check, txn_id, &account, &sum).await?;
        let paid = resident.terminal.ask(Command::Pay, txn_id, &account, &sum).await?;
        if at == 0 && paid.result() == Some(0) {
            self.sold.push(Sold {
                txn_id,
                at: Utc::now(),
                account,
                kopecks,
            });
        }
        Ok(())
    }

    async fn asked(&self, account: &str, sum: &str) -> Result<(), Failure> {
        let Some((_, resident)) = self.turn(|house| house.terminal) else {
            return Ok(());
        };
        let txn_id = Utc::now().timestamp_millis();
        resident.terminal.ask(Command::Check, txn_id, account, sum).await?;
        Ok(())
    }

    /// A pay of the first house that its rule declines for ever.
    async fn refused(&self, sum: &str) -> Result<(), Failure> {
        let Some(first) = self.residents.first() else {
            return Ok(());
        };
        let txn_id = Utc::now().timestamp_millis();
        first.terminal.ask(Command::Pay, txn_id, &account(), sum).await?;
        Ok(())
    }

    /// A check at the house whose rule brakes, blocks and has a flaw.
    async fn at_the_last(&self, account: &str) -> Result<(), Failure> {
        let Some(last) = self.residents.last() else {
            return Ok(());
        };
        let txn_id = Utc::now().timestamp_millis();
        last.terminal.ask(Command::Check, txn_id, account, "50.00").await?;
        Ok(())
    }

    async fn burst(&self) -> Result<(), Failure> {
        let Some(last) = self.residents.last() else {
            return Ok(());
        };
        let first = Utc::now().timestamp_millis();
        let asking = (first..).take(BURST).map(async |txn_id| {
            let account = account();
            last.terminal.ask(Command::Check, txn_id, &account, "10.00").await
        });
        for answer in futures_util::future::join_all(asking).await {
            answer?;
        }
        Ok(())
    }

    /// The payment's id, if it was made. The month of the card's expiry says how the networks' test modes end it.
    async fn card(&mut self, month: u8, capture: &str) -> Result<Option<(usize, String)>, Failure> {
        match self.turn(|house| house.cards) {
            Some((at, _)) => self.card_at(at, month, capture).await,
            None => Ok(None),
        }
    }

    async fn card_at(&mut self, at: usize, month: u8, capture: &str) -> Result<Option<(usize, String)>, Failure> {
        let Some(resident) = self.residents.get(at) else {
            return Ok(None);
        };
        let card = json!({ "type": "card", "pan": "4256000000000003", "expiry_month": month, "expiry_year": 2030,
            "cvv": "123", "holder": "CARD HOLDER" });
        let order = json!({ "amount": rub(kopecks()), "method": card, "capture": capture,
            "connection": resident.connection, "order_id": order_id(), "description": "An order of the demo" });
        let made = resident.shop.post("/payments", &order).await?;
        let Some(id) = made.get("id").and_then(Value::as_str).map(str::to_owned) else {
            tracing::debug!(answer = %made, "the demo's payment was not made");
            return Ok(None);
        };
        if made.get("status").and_then(Value::as_str) == Some("succeeded") {
            self.paid.push((at, id.clone()));
        }
        Ok(Some((at, id)))
    }

    async fn hold(&mut self) -> Result<(), Failure> {
        let Some((at, id)) = self.card(12, "manual").await? else {
            return Ok(());
        };
        let Some(resident) = self.residents.get(at) else {
            return Ok(());
        };
        let end = if self.round.is_multiple_of(2) {
            "capture"
        } else {
            "reverse"
        };
        resident.shop.post(&format!("/payments/{id}/{end}"), &json!({})).await?;
        Ok(())
    }

    /// In part, or all of it.
    async fn refund(&mut self) -> Result<(), Failure> {
        let Some((at, id)) = self.paid.pop() else { return Ok(()) };
        let Some(resident) = self.residents.get(at) else {
            return Ok(());
        };
        let body = if self.round.is_multiple_of(2) {
            json!({ "amount": rub(500) })
        } else {
            json!({})
        };
        resident.shop.post(&format!("/payments/{id}/refunds"), &body).await?;
        Ok(())
    }

    async fn payout(&self) -> Result<(), Failure> {
        let Some((_, resident)) = self.turn(|house| house.payouts) else {
            return Ok(());
        };
        let body = json!({ "amount": rub(10_000 + 100 * rand::random_range(0..50_u64)), "connection": resident.connection,
            "recipient": { "type": "wallet", "account": "+79110000002" }, "order_id": order_id() });
        resident.shop.post("/payouts", &body).await?;
        Ok(())
    }

    async fn hosted_page(&self) -> Result<(), Failure> {
        let Some(first) = self.residents.first() else {
            return Ok(());
        };
        let body = json!({ "amount": rub(kopecks()), "method": { "type": "hosted_page" },
            "connection": first.connection, "order_id": order_id() });
        first.shop.post("/payments", &body).await?;
        Ok(())
    }

    /// The registry of what was sold since the last one, a kopeck more in its last row.
    async fn registry(&mut self) -> Result<(), Failure> {
        let Some(first) = self.residents.first() else {
            return Ok(());
        };
        let today = moscow(Utc::now()).date();
        let mut rows: Vec<_> = std::mem::take(&mut self.sold);
        rows.retain(|sold| moscow(sold.at).date() == today);
        rows.truncate(REGISTRY_ROWS);
        let Some(last) = rows.last_mut() else { return Ok(()) };
        last.kopecks += 1;
        let mut file = String::new();
        for sold in &rows {
            let at = moscow(sold.at).format("%d.%m.%Y\t%H:%M:%S");
            file.push_str(&format!(
                "{}\t{at}\t{}\t{}\r\n",
                sold.txn_id,
                sold.account,
                decimal(sold.kopecks)
            ));
        }
        let total: u64 = rows.iter().map(|sold| sold.kopecks).sum();
        file.push_str(&format!("Total:\t{}\t{}\r\n", rows.len(), decimal(total)));
        let name = format!("registry-{}.csv", Utc::now().format("%Y%m%d-%H%M%S"));
        let connection = super::CONNECTION;
        let path = format!(
            "/merchants/{}/connections/{connection}/settlements?file_name={name}",
            first.house.slug
        );
        self.office.upload(&path, file).await?;
        Ok(())
    }
}

/// Kept in the demo's folder, as a merchant's system would keep it.
async fn key(office: &Office, house: &House, folder: &Path) -> Result<SecretString, Failure> {
    let path = folder.join(format!("api-key-{}", house.slug));
    if let Ok(known) = std::fs::read_to_string(&path) {
        return Ok(known.trim().into());
    }
    let body = json!({ "name": "The shop's own system", "scopes": ["*"] });
    let made = office
        .post(&format!("/merchants/{}/api_keys", house.slug), &body)
        .await?;
    let key: SecretString = made
        .get("key")
        .and_then(Value::as_str)
        .ok_or("the gateway gave no key")?
        .into();
    super::keep_secret(&path, &key)?;
    Ok(key)
}

/// A phone that the demo's rule knows.
fn account() -> String {
    format!("9{:09}", rand::random_range(100_000_000..400_000_000_u32))
}

fn kopecks() -> u64 {
    // Most payments are round.
    match rand::random_range(0..3) {
        0 => 5_000 * rand::random_range(1..20_u64),
        1 => 10_000 * rand::random_range(1..30_u64),
        _ => rand::random_range(1_000..250_000_u64),
    }
}

fn decimal(kopecks: u64) -> String {
    format!("{}.{:02}", kopecks / 100, kopecks % 100)
}

fn rub(kopecks: u64) -> Value {
    json!({ "amount": decimal(kopecks), "currency": "RUB" })
}

fn order_id() -> String {
    format!("A-{}", Utc::now().timestamp_millis() % 10_000_000)
}

fn moscow(at: DateTime<Utc>) -> chrono::NaiveDateTime {
    (at + TimeDelta::hours(MOSCOW_HOURS)).naive_utc()
}
