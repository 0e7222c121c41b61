//! `tollgate demo`: from nothing to a first payment.

use std::process::Stdio;
use std::time::Duration;

use e2e::gateway::binary;
use e2e::{Admin, Kiosk, ports, soon, within};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const START_DEADLINE: Duration = Duration::from_secs(60);
/// The last line that the demo prints before it waits to be used.
const LAST_LINE: &str = "Ctrl-C";

struct Demo {
    printed: String,
    _child: tokio::process::Child,
}

async fn demo(folder: &std::path::Path, ports: (u16, u16)) -> Demo {
    demo_with(folder, ports, &[]).await
}

async fn demo_with(folder: &std::path::Path, ports: (u16, u16), further: &[&str]) -> Demo {
    let mut child = Command::new(binary())
        .arg("demo")
        .arg("--folder")
        .arg(folder)
        .args(["--sandbox", "127.0.0.1:0"])
        .args(further)
        .env_clear()
        .env("TOLLGATE_PUBLIC__LISTEN", format!("127.0.0.1:{}", ports.0))
        .env("TOLLGATE_ADMIN__LISTEN", format!("127.0.0.1:{}", ports.1))
        // A machine that tests is behind by nature.
        .env("TOLLGATE_SHEDDING__DELAY_MS", "5000")
        .env("TOLLGATE_SHEDDING__AFTER_MS", "60000")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            printed.push_str(&line);
            printed.push('\n');
            if line.contains(LAST_LINE) {
                return;
            }
        }
    };
    let read = tokio::time::timeout(START_DEADLINE, reading).await;
    assert!(read.is_ok() && printed.contains(LAST_LINE), "{printed}");
    Demo { printed, _child: child }
}

impl Demo {
    /// The address in the first `http://…` behind this text.
    fn address_after(&self, text: &str) -> std::net::SocketAddr {
        let (_, behind) = self.printed.split_once(text).expect("the text");
        let (_, behind) = behind.split_once("http://").expect("a URL");
        behind.split(['/', ' ']).next().unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_plays_a_check_and_a_pay_and_keeps_its_books() {
    let folder = tempfile::tempdir().unwrap();
    let demo_folder = folder.path().join("demo");
    // The same ports twice: the demo's webhook goes to the address that it was made with.
    let ports = (ports::free(), ports::free());
    let first = demo(&demo_folder, ports).await;
    assert_eq!(
        first.printed.matches("<result>0</result>").count(),
        2,
        "{}",
        first.printed
    );
    assert!(first.printed.contains("command=check") && first.printed.contains("command=pay"));
    assert!(
        first.printed.contains("The merchant's webhook arrived."),
        "{}",
        first.printed
    );
    let kiosk = Kiosk::new(first.address_after("The same with curl"), "/in/demo/terminal");
    let paid = kiosk.pay("1234567", "9123456789", "10.45").await;
    assert_eq!(paid.result(), 0);
    assert_eq!(
        kiosk.check("1", "1", "1.00").await.result(),
        5,
        "an account that the rule does not know"
    );
    drop(first);

    let again = demo(&demo_folder, ports).await;
    let kiosk = Kiosk::new(again.address_after("The same with curl"), "/in/demo/terminal");
    assert_eq!(kiosk.pay("1234567", "9123456789", "10.45").await.body, paid.body);
    assert_eq!(kiosk.pay("1234567", "9123456789", "10.46").await.result(), 300);
    let inspector = again.address_after("Webhooks as they come");
    let inspector = format!("http://{inspector}/demo");
    assert_eq!(reqwest::get(&inspector).await.unwrap().status().as_u16(), 200);
    soon("the second start's webhook in the inspector", async || {
        let shown = reqwest::get(format!("{inspector}/webhooks")).await.unwrap();
        shown.text().await.unwrap().contains("payment.succeeded").then_some(())
    })
    .await;
}

/// A round of the traffic takes half a minute on a machine that has nothing else to do.
const EVERYTHING_HAPPENED: Duration = Duration::from_secs(240);

struct Books {
    admin: Admin,
}

impl Books {
    async fn list(&self, merchant: &str, what: &str) -> Vec<Value> {
        let path = format!("/admin/v1/merchants/{merchant}/{what}");
        self.admin.get(&path).await["data"].as_array().unwrap().clone()
    }

    /// Waits until a merchant's list has such a row.
    async fn have(&self, merchant: &str, what: &str, told: &str, is: impl Fn(&Value) -> bool) -> Value {
        within(EVERYTHING_HAPPENED, told, async || {
            self.list(merchant, what).await.into_iter().find(&is)
        })
        .await
    }

    /// Waits until any merchant has a payment of this status.
    async fn paid(&self, status: &str) -> (String, Value) {
        within(EVERYTHING_HAPPENED, status, async || {
            for merchant in MERCHANTS {
                let rows = self.list(merchant, &format!("payments?status={status}")).await;
                if let Some(row) = rows.into_iter().next() {
                    return Some((merchant.to_owned(), row));
                }
            }
            None
        })
        .await
    }
}

const MERCHANTS: [&str; 4] = ["demo", "northwind", "harbour", "metro"];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_s_traffic_has_one_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let demo_folder = folder.path().join("demo");
    let running = demo_with(&demo_folder, (ports::free(), ports::free()), &["--traffic"]).await;
    let token = std::fs::read_to_string(demo_folder.join("admin-token")).unwrap();
    let address = running.address_after("All of it in a browser");
    let books = Books {
        admin: Admin::new(address, token.trim()),
    };
    within(EVERYTHING_HAPPENED, "the merchants", async || {
        let merchants = books.admin.get("/admin/v1/merchants").await;
        (merchants["data"].as_array().unwrap().len() == MERCHANTS.len()).then_some(())
    })
    .await;
    for status in ["succeeded", "declined", "requires_action", "reversed"] {
        books.paid(status).await;
    }
    let given_back = within(EVERYTHING_HAPPENED, "a refund", async || {
        for status in ["refunded", "partially_refunded"] {
            for merchant in ["demo", "northwind"] {
                let rows = books.list(merchant, &format!("payments?status={status}")).await;
                if !rows.is_empty() {
                    return Some(rows);
                }
            }
        }
        None
    })
    .await;
    assert!(!given_back.is_empty());
    // In doubt, and settled since.
    let events = |row: &Value, kind: &str| row["type"] == kind;
    let doubtful = books
        .have("demo", "events?limit=200", "a payment in doubt", |row| {
            events(row, "payment.in_doubt")
        })
        .await;
    let payment = doubtful["payment_id"].as_str().unwrap();
    within(EVERYTHING_HAPPENED, "the doubt is settled", async || {
        let detail = books
            .admin
            .get(&format!("/admin/v1/merchants/demo/payments/{payment}"))
            .await;
        (detail["payment"]["status"] != "in_doubt").then_some(())
    })
    .await;
    books
        .have("harbour", "payments", "a payout", |row| row["channel"] == "wallet")
        .await;
    let failed_first = |row: &Value| row["status"] == "delivered" && row["attempts"].as_i64() > Some(1);
    books
        .have(
            "harbour",
            "deliveries?limit=200",
            "a webhook that recovered",
            failed_first,
        )
        .await;
    books
        .have("demo", "settlements", "a registry", |row| {
            row["counts"]["amount_mismatch"] == 1
        })
        .await;
    books
        .have("metro", "decisions?limit=200", "a blocked phone", |row| {
            row["reason"] == "forbidden"
        })
        .await;
    within(EVERYTHING_HAPPENED, "refusals and a rule that fails", async || {
        let overview = books.admin.get("/admin/v1/merchants/metro/overview").await;
        let refused = overview["refused"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["reason"] == "rate");
        (refused && overview["rule_troubles"][0]["revision"] == 1).then_some(())
    })
    .await;
    let all = books.admin.get("/admin/v1/overview").await;
    assert_eq!(all["owners"].as_array().unwrap().len(), MERCHANTS.len());
}
