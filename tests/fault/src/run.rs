//! One seed: a stage is set, clients work while faults come and go, everything is mended and settles, the books are
//! compared.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::{FromQueryResult, JsonValue};
use tokio::task::JoinSet;

use crate::plan::{MERCHANTS, Plan, chance};
use crate::shop::Shops;
use crate::stage::Stage;
use crate::terminal::Terminals;
use crate::witness::Witness;
use crate::{books, settle, trouble};

/// What is kept of a failing run's database, and of its networks.
const TABLES: [&str; 7] = [
    "payments",
    "orders",
    "operations",
    "events",
    "deliveries",
    "idempotency_keys",
    "exchanges",
];
const NETWORKS: [&str; 3] = [
    "/sandbox/payin/objects",
    "/sandbox/qiwi-pay/state",
    "/sandbox/wallet/state.json",
];
/// A client ends its last request, with all tries, within this.
const CLIENTS_END_WITHIN: Duration = Duration::from_secs(60);

pub struct Outcome {
    pub seed: u64,
    pub witness: Arc<Witness>,
    pub took: Duration,
    /// Where logs, plan and story of a failing run are.
    pub kept: Option<PathBuf>,
}

/// Runs one seed; what a failing one leaves goes to a folder of `keep`.
pub async fn seed(seed: u64, keep: &Path) -> Outcome {
    let plan = Plan::of(seed);
    let started = Instant::now();
    let witness = Arc::new(Witness::default());
    let mut stage = Stage::set(&plan, Arc::clone(&witness)).await;
    let (terminals, shops) = (Terminals::new(Arc::clone(&witness)), Shops::new(Arc::clone(&witness)));
    load(&plan, &mut stage, &terminals, &shops).await;
    trouble::mend(&mut stage).await;
    settle::everything(&stage, &terminals, &shops).await;
    terminals.repeat_all(&stage.ways).await;
    shops.repeat_all(&stage.ways).await;
    books::compare(&stage, &terminals, &shops).await;
    let mut kept = None;
    if !witness.violations().is_empty() {
        kept = Some(keep_all(&plan, &stage, &witness, &keep.join(format!("seed-{seed}"))).await);
    }
    Outcome {
        seed,
        witness,
        took: started.elapsed(),
        kept,
    }
}

async fn load(plan: &Plan, stage: &mut Stage, terminals: &Terminals, shops: &Shops) {
    let started = Instant::now();
    stage.witness.note("the load begins");
    let until = started + plan.load;
    let mut clients = JoinSet::new();
    for number in 0..plan.terminals {
        let merchant = &stage.merchants[number % MERCHANTS].slug;
        let chance = chance(plan.seed, 10_000 + u64::try_from(number).unwrap());
        let terminal = terminals.terminal(number / MERCHANTS, merchant, stage.ways.clone(), chance);
        clients.spawn(terminal.work(until));
    }
    for number in 0..plan.shops {
        let chance = chance(plan.seed, 20_000 + u64::try_from(number).unwrap());
        let merchant = &stage.merchants[number % MERCHANTS];
        let keeper = shops.keeper(number, merchant, stage.ways.clone(), chance);
        clients.spawn(keeper.work(until));
    }
    trouble::make(plan, stage, started).await;
    let ended = tokio::time::timeout(CLIENTS_END_WITHIN, async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    });
    stage
        .witness
        .expect(ended.await.is_ok(), || "clients wait for ever".to_owned());
    stage.witness.note("the load ends");
}

async fn keep_all(plan: &Plan, stage: &Stage, witness: &Witness, folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("plan.txt", plan.to_string());
    write("story.txt", witness.story());
    write("violations.txt", witness.violations().join("\n"));
    for table in TABLES {
        write(&format!("{table}.txt"), rows_of(stage, table).await);
    }
    for network in NETWORKS {
        let told = reqwest::get(stage.sandbox.url(network))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        write(&format!("network{}.json", network.replace('/', "-")), told);
    }
    for (number, node) in stage.nodes.iter().enumerate() {
        write(&format!("node-{number}.log"), node.lock().await.gateway.log());
    }
    folder.to_owned()
}

/// A table, a row a line.
async fn rows_of(stage: &Stage, table: &str) -> String {
    let rows = stage.database.rows(&format!("SELECT * FROM {table}")).await;
    let rows = rows
        .iter()
        .map(|row| JsonValue::from_query_result(row, "").unwrap().to_string());
    rows.collect::<Vec<_>>().join("\n")
}

impl Outcome {
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.witness.violations().is_empty()
    }

    /// Which seed failed, how, and how it is run again.
    #[must_use]
    pub fn complaint(&self) -> String {
        let seed = self.seed;
        let kept = self.kept.as_deref().unwrap_or(Path::new("")).display();
        format!(
            "seed {seed} failed; again: make fault SEED={seed}\nlogs, plan and story: {kept}\n{}",
            self.witness.complaint()
        )
    }
}
