//! `kill -9` at any moment loses nothing and doubles nothing.

use std::sync::Arc;
use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use rstest::rstest;

use crate::ledger::Ledger;
use crate::stage::Stage;

/// Ten thousand pays of a debug build on a busy machine.
const LOAD_TIME_MAX: Duration = Duration::from_secs(300);

/// How often the node is killed, and how many payments are on their way each time. `make test` has minutes; the full
/// proof is TOLLGATE_TEST_KILLS=20 TOLLGATE_TEST_PAYS=10000.
fn from_environment(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let kills = from_environment("TOLLGATE_TEST_KILLS", 5);
    let pays = from_environment("TOLLGATE_TEST_PAYS", 2_000);
    let mut stage = Stage::new(backend).await;
    let ledger = Arc::new(Ledger::default());
    for round in 0..kills {
        let numbers = round * pays..(round + 1) * pays;
        let already = ledger.acknowledged();
        // The moment is counted in answers, so that it falls into the load however fast the machine is.
        let moment = already + rand::random_range(1..pays);
        let load = {
            let (ledger, kiosk, numbers) = (Arc::clone(&ledger), stage.kiosk(), numbers.clone());
            tokio::spawn(async move { ledger.send(&kiosk, numbers).await })
        };
        // On a busy machine some of the first answers may be "come again", so the load may end before the moment.
        e2e::within(LOAD_TIME_MAX, "the moment of the kill", async || {
            (ledger.acknowledged() >= moment || load.is_finished()).then_some(())
        })
        .await;
        stage.gateway.kill().await;
        load.await.unwrap();
        stage.gateway.start_again().await;
        // Everything once more, whether it was acknowledged or not.
        ledger.send(&stage.kiosk(), numbers.clone()).await;
        ledger.assert_books_agree(&stage, 0..numbers.end).await;
    }
}
