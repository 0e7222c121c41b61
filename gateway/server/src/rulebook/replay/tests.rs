use std::sync::Arc;

use plugin_sdk::{ConnectionId, Currency, DecisionId, MerchantId, Money, SystemClock};
use rules::{
    CallContext, CheckRequest, Command, Host, HostAnswer, HostError, HostFuture, HostQuestion, Input, Limits, Payment,
    Surroundings, Totals,
};
use store::{DatabaseOptions, LogWriter, NewDecision, NewMerchant, ReplayStatus, Store};
use tokio::sync::Semaphore;

use super::*;
use crate::access::sealing::{Sealer, generate_master_key};
use crate::rulebook::Script;

/// Asks for everything there is to ask for, and fails in every way that may come again.
const SCRIPT: &str = "local rules = {}

function rules.check(request, ctx)
  local n = tonumber(request.account)
  ctx.log('account ' .. request.account)
  if n % 10 == 1 then return reject('forbidden', tostring(ctx.random(1000))) end
  if n % 10 == 2 and not ctx.list('contracts'):has(request.account) then return reject('account_not_found') end
  if n % 10 == 3 then return retry_later(ctx.velocity(request.account, '1h').sum.amount) end
  if n % 10 == 4 then return accept { comment = ctx.http.get('https://a.example/' .. n).body } end
  if n % 10 == 5 then local t = nil; return t.x end
  if n % 10 == 6 then while true do end end
  if n % 10 == 7 then return ctx.list('down'):has('x') and accept() end
  for i = 1, n % 50 do ctx.log(i) end
  return accept { comment = ctx.now, fields = { lot = ctx.hash(request.account, 100) } }
end

function rules.fee(payment) return fee(payment.amount:percent('1.5', 'half_up')) end

return rules
";

struct World {
    rulebook: Rulebook,
    merchant: MerchantId,
    log: LogWriter,
    _folder: tempfile::TempDir,
}

/// What a host says depends on when it is asked: only a record can repeat it.
struct Moody(std::cell::Cell<u64>);

impl Host for Moody {
    fn ask<'a>(&'a self, question: &'a HostQuestion) -> HostFuture<'a> {
        let mood = self.0.get() + 1;
        self.0.set(mood);
        let answer = match question {
            HostQuestion::ListGet { list, .. } if list == "down" => Err(HostError::Unavailable {
                message: "the database does not answer".to_owned(),
            }),
            HostQuestion::ListGet { .. } => Ok(HostAnswer::List {
                present: mood.is_multiple_of(2),
                value: Some(json!({"mood": mood})),
            }),
            HostQuestion::Velocity { windows, .. } => Ok(HostAnswer::Velocity {
                totals: vec![
                    Totals {
                        count: mood,
                        sums: vec![rubles(i64::try_from(mood).unwrap())],
                    };
                    windows.len()
                ],
            }),
            HostQuestion::Health { .. } => Ok(HostAnswer::Health {
                up: true,
                requests: 0,
                success_percent: None,
                latency_ms: None,
            }),
            HostQuestion::Http(_) => Ok(HostAnswer::Http {
                status: 200,
                headers: std::collections::BTreeMap::new(),
                body: format!("mood {mood}"),
            }),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn rubles(minor: i64) -> Money {
    Money::from_minor(minor, Currency::RUB)
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let options = DatabaseOptions {
        url: format!("sqlite://{}", folder.path().join("tollgate.db").display()),
        schema: None,
        connections_max: 4,
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(30),
    };
    let store = Store::connect(&options).await.unwrap();
    store.migrate().await.unwrap();
    let new = NewMerchant {
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
    };
    let merchant = store.create_merchant(new, Utc::now()).await.unwrap().id;
    // The script names them; what is in them comes from the host of the test.
    for list in ["contracts", "down"] {
        store.create_list(merchant, list, 10, Utc::now()).await.unwrap();
    }
    let log = LogWriter::start(&store);
    let rulebook = Rulebook {
        store,
        engine: Engine::new(Limits::default()).unwrap(),
        sealer: Arc::new(Sealer::from_hex(&generate_master_key().unwrap()).unwrap()),
        clock: Arc::new(SystemClock),
        replay_turns: Arc::new(Semaphore::new(1)),
    };
    World {
        rulebook,
        merchant,
        log,
        _folder: folder,
    }
}

impl World {
    async fn publish(&self, source: &str) -> i32 {
        let script = Script {
            source: source.to_owned(),
            message: String::new(),
            author: "test".to_owned(),
        };
        self.rulebook.publish(self.merchant, script).await.unwrap().number
    }

    /// Decides for so many accounts as traffic would, and stores what was decided.
    async fn decide(&self, revision: i32, count: u64) {
        let source = self
            .rulebook
            .store
            .rule_revision(self.merchant, revision)
            .await
            .unwrap()
            .source;
        let program = self.rulebook.compile(format!("r{revision}"), source).await.unwrap();
        let host = Moody(std::cell::Cell::new(0));
        for n in 0..count {
            let input = Arc::new(input(n));
            let context = CallContext {
                now: Utc::now(),
                seed: n.wrapping_mul(u64::MAX / 7),
            };
            let engine = &self.rulebook.engine;
            let decision = engine.run(&program, &input, &context, &Surroundings::of(&host)).await;
            let record = DecisionRecord {
                input,
                context,
                decision,
                masked: false,
            };
            self.log.decision(row(self.merchant, revision, n, record)).unwrap();
            if n % 2_000 == 0 {
                self.log.flush().await;
            }
        }
        self.log.flush().await;
    }

    async fn replay(&self, request: ReplayRequest) -> ReplayReport {
        let prepared = self.rulebook.prepare_replay(self.merchant, request).await.unwrap();
        let replay = self.rulebook.run_replay(prepared).await.unwrap();
        assert_eq!(
            (replay.status, replay.done),
            (ReplayStatus::Done, replay.total),
            "{replay:?}"
        );
        serde_json::from_value(replay.report.unwrap()).unwrap()
    }
}

fn input(n: u64) -> Input {
    let amount = rubles(100 * i64::try_from(n % 1_000).unwrap());
    if n % 10 == 9 {
        return Input::Fee(Payment::new(amount, Utc::now()));
    }
    Input::Check(CheckRequest {
        command: Command::Check,
        account: n.to_string(),
        amount: Some(amount),
        txn_id: Some(n.to_string()),
        service: None,
        at: Utc::now(),
        extras: [("data1".to_owned(), "Žofie \"&\" 😀".to_owned())].into(),
    })
}

fn row(merchant: MerchantId, revision: i32, n: u64, record: DecisionRecord) -> NewDecision {
    NewDecision {
        id: DecisionId::generate(),
        merchant_id: merchant,
        connection_id: ConnectionId::generate(),
        payment_id: None,
        revision,
        handler: record.input.handler().as_str(),
        command: "check",
        account: n.to_string(),
        outcome: record.decision.outcome.as_str(),
        reason: None,
        steps: record.decision.steps,
        duration_us: 0,
        created_at: record.context.now,
        record: Arc::new(record),
    }
}

#[tokio::test]
async fn replaying_a_revision_over_its_own_ten_thousand_decisions_changes_none() {
    let world = world().await;
    let revision = world.publish(SCRIPT).await;
    world.decide(revision, 10_000).await;
    let report = world
        .replay(ReplayRequest {
            revision: Some(revision),
            ..ReplayRequest::default()
        })
        .await;
    assert_eq!((report.decided, report.changed, report.groups), (10_000, 0, vec![]));
    // A busy machine's clock may stop some of the endless loops, a tenth of all, before their steps do.
    assert!(report.same > 8_000, "{}", report.same);
}

#[tokio::test]
async fn changes_are_grouped_with_their_amounts_and_examples() {
    let world = world().await;
    let revision = world.publish(SCRIPT).await;
    world.decide(revision, 1_000).await;
    let changed = SCRIPT
        .replace("reject('forbidden', tostring(ctx.random(1000)))", "accept()")
        .replace("reject('account_not_found')", "reject('account_inactive')")
        .replace("https://a.example/' .. n", "https://b.example/' .. n")
        .replace("'1.5', 'half_up'", "'2', 'half_up'")
        .replace("return retry_later(ctx", "return retry_later('x' .. ctx");
    let report = world
        .replay(ReplayRequest {
            source: Some(changed),
            ..ReplayRequest::default()
        })
        .await;
    let group = |name: &str| {
        let found = report.groups.iter().find(|group| group.change == name);
        found.unwrap_or_else(|| panic!("no group '{name}' in {:?}", report.groups))
    };
    let accepted = group("reject → accept");
    assert_eq!((accepted.count, accepted.examples.len()), (100, 20));
    // Accounts 1, 11, …, 991 pay as many roubles.
    assert_eq!(accepted.amounts, [rubles(100 * (1..1_000).step_by(10).sum::<i64>())]);
    assert_eq!(group("unanswered").count, 100);
    assert_eq!(group("text").count, 100);
    // A fee of nothing stays nothing; the least amount here is 9 roubles.
    assert_eq!(group("fee").count, 100);
    assert!(group("reason: account_not_found → account_inactive").count > 0);
    assert_eq!(
        report.groups.iter().map(|group| group.count).sum::<u64>(),
        report.changed
    );
    let bounded = ReplayRequest {
        revision: Some(revision),
        last: Some(250),
        ..ReplayRequest::default()
    };
    assert_eq!(world.replay(bounded).await.decided, 250);
    let before = ReplayRequest {
        revision: Some(revision),
        until: Some(Utc::now() - chrono::Duration::hours(1)),
        ..ReplayRequest::default()
    };
    assert_eq!(world.replay(before).await, ReplayReport::default());
}

/// Taken out of a record, each thing that a decision depends on shows.
#[tokio::test]
async fn a_decision_depends_on_all_that_its_record_holds() {
    let world = world().await;
    let revision = world.publish(SCRIPT).await;
    let request = || ReplayRequest {
        revision: Some(revision),
        ..ReplayRequest::default()
    };
    let decided = [(1, "seed"), (4, "calls"), (8, "now")];
    world.decide(revision, 9).await;
    let (filter, cursor) = (store::DecisionFilter::default(), store::Cursor::new(None, None));
    let page = world
        .rulebook
        .store
        .decisions(world.merchant, &filter, &cursor)
        .await
        .unwrap();
    for (account, what) in decided {
        let stored = page
            .items
            .iter()
            .find(|stored| stored.account == account.to_string())
            .unwrap();
        let mut record = read_record(stored).unwrap();
        match what {
            "seed" => record.context.seed += 1,
            "now" => record.context.now += chrono::Duration::days(1),
            _ => record.decision.calls.clear(),
        }
        world.log.decision(row(world.merchant, revision, 90, record)).unwrap();
    }
    world.log.flush().await;
    let report = world.replay(request()).await;
    assert_eq!((report.changed, report.decided), (3, 12), "{:?}", report.groups);
}

#[tokio::test]
async fn one_replay_of_a_merchant_runs_at_a_time() {
    let world = world().await;
    let revision = world.publish(SCRIPT).await;
    let request = || ReplayRequest {
        revision: Some(revision),
        ..ReplayRequest::default()
    };
    let first = world.rulebook.prepare_replay(world.merchant, request()).await.unwrap();
    let second = world.rulebook.prepare_replay(world.merchant, request()).await;
    assert!(matches!(second, Err(RulebookError::Store(StoreError::Exists(_)))));
    world.rulebook.run_replay(first).await.unwrap();
    world.rulebook.prepare_replay(world.merchant, request()).await.unwrap();
    for (request, field) in [
        (
            ReplayRequest {
                last: Some(0),
                ..request()
            },
            "last",
        ),
        (
            ReplayRequest {
                last: Some(100_001),
                ..request()
            },
            "last",
        ),
        (
            ReplayRequest {
                source: Some(String::new()),
                ..request()
            },
            "source",
        ),
    ] {
        let refused = world.rulebook.prepare_replay(world.merchant, request).await;
        assert!(matches!(refused, Err(RulebookError::Field { field: named, .. }) if named == field));
    }
}
