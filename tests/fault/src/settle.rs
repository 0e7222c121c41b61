//! The end of a run: clients are told what they were never told, everything in doubt is settled, every webhook arrives.
//! What the gateway waits for by its clock (questions to networks, leases of the dead, retries) is waited for by moving
//! the clocks of all nodes forward.

use std::time::{Duration, Instant};

use crate::node::OPERATION_TIMEOUT;
use crate::shop::Shops;
use crate::stage::Stage;
use crate::terminal::Terminals;

/// Real time in which clients are answered.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// The clocks are moved by this each time, and each time by so much more …
const STEP_S: i64 = 20;
const STEP_PAUSE: Duration = Duration::from_millis(1_200);
/// … so often at most: about an hour of the gateway's time.
const STEPS_MAX: usize = 26;
/// Steps without moving before the clocks are moved: most is settled by then.
const PATIENT_STEPS: usize = 6;

/// Operations without an end, and deliveries that wait.
async fn open(stage: &Stage) -> (i64, i64) {
    let operations = "SELECT count(*) FROM operations WHERE status IN ('pending', 'processing', 'in_doubt')";
    let deliveries = "SELECT count(*) FROM deliveries WHERE status = 'pending'";
    (
        stage.database.number(operations).await,
        stage.database.number(deliveries).await,
    )
}

pub async fn everything(stage: &Stage, terminals: &Terminals, shops: &Shops) {
    futures_util::future::join(
        terminals.settle(&stage.ways, ANSWERED_WITHIN),
        shops.settle(&stage.ways, ANSWERED_WITHIN),
    )
    .await;
    // What is still on its way arrives before time flies.
    tokio::time::sleep(OPERATION_TIMEOUT).await;
    let started = Instant::now();
    let mut moved_s = 0;
    for step in 0..STEPS_MAX {
        let (operations, deliveries) = open(stage).await;
        if (operations, deliveries) == (0, 0) {
            stage.witness.note(format!(
                "settled after {:?} and {moved_s} s of moved clocks",
                started.elapsed()
            ));
            return;
        }
        stage
            .witness
            .note(format!("{operations} operations and {deliveries} deliveries are open"));
        if step >= PATIENT_STEPS {
            let further = STEP_S * i64::try_from(step + 1 - PATIENT_STEPS).unwrap();
            moved_s += further;
            for node in &stage.nodes {
                node.lock().await.clock.shift(further);
            }
        }
        tokio::time::sleep(STEP_PAUSE).await;
    }
    let (operations, deliveries) = open(stage).await;
    let message = format!("after {moved_s} s, {operations} operations and {deliveries} deliveries are still open");
    stage.witness.violation(message);
}
