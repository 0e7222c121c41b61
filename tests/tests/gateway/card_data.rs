//! Card numbers and codes are brought in by every door, and are found nowhere afterwards.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Inspector, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::orders::{Market, rub};

/// Card numbers of nobody, each brought in by doors of its own.
const PANS: [&str; 5] = [
    "4929120000000006",
    "5555341244441115",
    "4000056655665556",
    "2200770212727079",
    "4917610000000000",
];
const CVV: &str = "739";

fn card(pan: &str) -> Value {
    json!({ "type": "card", "pan": pan, "expiry_month": 12, "expiry_year": 2030, "cvv": CVV, "holder": "CARD HOLDER" })
}

/// Everything that is stored, as text.
async fn all_that_is_stored(market: &Market, backend: Backend) -> String {
    let tables = match backend {
        Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Postgres => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
    };
    let mut text = String::new();
    for table in market.database.texts(tables).await {
        let columns = match backend {
            Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
            Postgres => format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
            ),
        };
        for column in market.database.texts(&columns).await {
            let values = format!("SELECT CAST({column} AS text) FROM {table} WHERE {column} IS NOT NULL");
            for value in market.database.texts(&values).await {
                text.push_str(&format!("{table}.{column}: {value}\n"));
            }
        }
    }
    text
}

fn assert_clean(place: &str, text: &str) {
    for pan in PANS {
        let found = text.lines().find(|line| line.contains(pan));
        assert!(found.is_none(), "{pan} in {place}: {found:?}");
    }
    for named in ["\"cvv\":\"739\"", "\"cvv2\":\"739\"", "cvv=739", "cvv2=739"] {
        assert!(!text.contains(named), "{named} in {place}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn card_numbers_and_codes_are_kept_nowhere(#[values(Sqlite, Postgres)] backend: Backend) {
    let market = Market::open(backend).await;
    let hooks: Inspector = market.inspector().await;
    let admin = market.gateway.admin();
    let mut answers = String::new();
    // A payment by card, to both networks; one that is refused for its shape; a text that holds one.
    let sale =
        |connection: &str, pan: &str| json!({ "amount": rub("9.00"), "connection": connection, "method": card(pan) });
    for (connection, pan) in [("payin", PANS[0]), ("qiwi-pay", PANS[1])] {
        let paid = market.shop.post("/payments", &sale(connection, pan)).await;
        assert_eq!(paid.status, 201, "{paid:?}");
        answers.push_str(&paid.body.to_string());
    }
    let mut wrong = sale("payin", PANS[2]);
    wrong["method"]["expiry_month"] = json!(13);
    answers.push_str(&market.shop.post("/payments", &wrong).await.body.to_string());
    let mut told = sale("payin", PANS[0]);
    told["description"] = json!(format!("paid by {}", PANS[2]));
    told["customer"] = json!({ "id": "c-1", "name": PANS[2] });
    let told = market.shop.post("/payments", &told).await;
    answers.push_str(&told.body.to_string());
    // A terminal's account and data, a notification of a stranger, a merchant's name.
    let terminal =
        json!({"slug": "terminal", "plugin": "terminal", "config": {"auth": "none", "subnets": ["127.0.0.0/8"]}});
    admin.post("/admin/v1/merchants/acme/connections", &terminal).await;
    let kiosk = market.gateway.kiosk("acme", "terminal");
    soon("the connection", async || {
        (kiosk.check("1", "42", "1.00").await.status == 200).then_some(())
    })
    .await;
    let query = format!(
        "command=pay&txn_id=7&txn_date=20260615143000&account=42&ccy=RUB&sum=1.00&data1={}",
        PANS[3]
    );
    answers.push_str(&kiosk.get_raw(&query).await.body);
    let public = market.gateway.public;
    let notified = reqwest::Client::new().post(format!("http://{public}/in/acme/payin"));
    let notified = notified
        .header("signature", "00")
        .json(&json!({ "payment": { "paymentMethod": card(PANS[4]) } }));
    answers.push_str(&notified.send().await.unwrap().text().await.unwrap());
    let lost = admin
        .send(
            Method::POST,
            "/admin/v1/merchants",
            Some(&json!({ "slug": PANS[4], "pan": PANS[4] })),
        )
        .await;
    answers.push_str(&lost.body.to_string());
    hooks
        .wait_until("webhooks of the payments", |received| received.len() >= 4)
        .await;

    assert_clean("the answers", &answers);
    for hook in hooks.received() {
        assert_clean("a webhook", &hook.body);
    }
    // The wire log is written a moment later.
    soon("the wire log", async || {
        let count = "SELECT count(*) FROM exchanges WHERE url LIKE '%data1%' OR url LIKE '%/in/acme/payin%'";
        (market.database.number(count).await >= 2).then_some(())
    })
    .await;
    assert_clean("the database", &all_that_is_stored(&market, backend).await);
    assert_clean("the log", &market.gateway.log());
}
