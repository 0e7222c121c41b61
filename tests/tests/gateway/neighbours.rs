//! One merchant attacks with its scripts; its neighbour's payments do not notice.

use std::path::Path;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::Kiosk;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokio::task::JoinSet;

use crate::stage::{Stage, open};

const ACCEPTS: &str = "return { check = function() return accept() end }";

/// Of each kind in the engine's corpus so many, so that all kinds have their turn within a minute.
const OF_EACH_KIND: usize = 2;
/// More at once than a merchant may have in flight.
const ATTACKERS: usize = 32;

/// The corpus's scripts that are written out, by kind: the word before the first `_`.
fn attacks() -> Vec<(String, String)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/rules/tests/attacks");
    let mut paths: Vec<_> = (std::fs::read_dir(corpus).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let (mut chosen, mut last, mut count) = (Vec::new(), String::new(), 0);
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let kind = name.split('_').next().unwrap().to_owned();
        if source.contains("-- ask: ") || source.contains("REPEAT(") || source.contains("NEST(") {
            continue;
        }
        count = if kind == last { count + 1 } else { 1 };
        last = kind;
        if count <= OF_EACH_KIND {
            chosen.push((name, source));
        }
    }
    // What fails is soon suspended; these go to the edge of a limit and then accept.
    for body in [
        "for i = 1, 19900 do end",
        "local text = ('a'):rep(60000) for i = 1, 200 do text:upper() end",
        "local t = {} for i = 1, 500 do t[i] = i * 7919 % 997 end table.sort(t, function(a, b) return a < b end)",
    ] {
        let source = format!("return {{ check = function() {body} return accept() end }}");
        chosen.push((body.to_owned(), source));
    }
    chosen
}

fn attack(kiosk: &Kiosk, round: usize) -> JoinSet<()> {
    let mut under_way = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let kiosk = kiosk.clone();
        under_way.spawn(async move {
            let answer = kiosk.check(&format!("{round}{attacker:03}"), "42", "10.00").await;
            assert_eq!(answer.status, 200, "an attacker is answered too: {}", answer.body);
        });
    }
    under_way
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_beside_a_neighbour_that_attacks(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), ACCEPTS).await;
    let admin = stage.admin();
    let rules = "/admin/v1/merchants/mallory/rules";
    let terminal = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    admin
        .post("/admin/v1/merchants", &json!({"slug": "mallory", "name": "Mallory"}))
        .await;
    admin.post("/admin/v1/merchants/mallory/connections", &terminal).await;
    crate::rules::sees(&stage, "42", 0).await;
    let (mine, theirs) = (stage.kiosk(), stage.gateway.kiosk("mallory", "terminal"));
    let mut ran = 0;
    for (round, (name, source)) in attacks().into_iter().enumerate() {
        let body = json!({"source": source, "message": name});
        // Some are refused when they are saved; the one before goes on then.
        let saved = admin.send(Method::PUT, rules, Some(&body)).await;
        ran += u32::from((200..300).contains(&saved.status));
        let mut under_way = attack(&theirs, round);
        let mut turn = 0;
        while !under_way.is_empty() {
            turn += 1;
            let txn_id = format!("{round}{turn:04}");
            let answer = mine.check(&txn_id, "42", "10.00").await;
            assert_eq!(answer.result(), 0, "{name}: {}", answer.body);
            let answer = mine.pay(&txn_id, "42", "10.00").await;
            assert_eq!(answer.result(), 0, "{name}: {}", answer.body);
            while let Some(attacker) = under_way.try_join_next() {
                attacker.unwrap();
            }
        }
    }
    assert!(ran >= 20, "only {ran} attacks ran");
}
