//! A node that is told to stop finishes what it has begun.

use std::sync::Arc;

use e2e::Backend::{self, Postgres, Sqlite};
use rstest::rstest;

use crate::ledger::Ledger;
use crate::stage::Stage;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_and_nothing_is_half_written(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let ledger = Arc::new(Ledger::default());
    let load = {
        let (ledger, kiosk) = (Arc::clone(&ledger), stage.kiosk());
        tokio::spawn(async move { ledger.send(&kiosk, 0..3_000).await })
    };
    e2e::soon("load", async || (ledger.acknowledged() >= 300).then_some(())).await;
    stage.gateway.terminate();
    stage.gateway.wait_for_end().await;
    load.await.unwrap();
    // What was begun was finished and told: the books hold what the clients know, and not one payment more.
    let acknowledged = i64::try_from(ledger.acknowledged()).unwrap();
    assert_eq!(stage.count("payments").await, acknowledged);
    assert_eq!(stage.count("events").await, acknowledged);
    assert_eq!(
        stage
            .database
            .number("SELECT count(*) FROM exchanges WHERE status <> 200")
            .await,
        0
    );
    stage.gateway.start_again().await;
    ledger.send(&stage.kiosk(), 0..3_000).await;
    ledger.assert_books_agree(&stage, 0..3_000).await;
}

#[rstest]
#[tokio::test]
async fn the_wire_log_is_whole_after_a_stop(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    for n in 0..50 {
        assert_eq!(kiosk.check(&n.to_string(), "4957835959", "1.00").await.result(), 0);
    }
    stage.gateway.stop().await;
    assert_eq!(
        (stage.count("exchanges").await, stage.count("registrations").await),
        (50, 50)
    );
}
