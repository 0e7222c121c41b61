//! The seed container's two tables, as views (`protocols/terminal.md §12.3`).

use e2e::Backend::{self, Postgres, Sqlite};
use rstest::rstest;
use store::{AttemptRecord, Claim, LogWriter, NextStep, PaymentStatus, PaymentWriter};

use crate::world::{World, now, seconds};

async fn columns(world: &World, view: &str) -> Vec<String> {
    let sql = match world.database.backend() {
        Sqlite => format!("SELECT name FROM pragma_table_info('{view}') ORDER BY cid"),
        Postgres => format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{view}' ORDER BY ordinal_position"
        ),
    };
    world.database.texts(&sql).await
}

#[rstest]
#[tokio::test]
async fn the_views_have_the_containers_columns(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = ["id", "ip", "url", "method", "headers", "body", "created_at"];
    assert_eq!(columns(&world, "qiwi_http_log").await, log);
    let transaction = ["id", "account", "code", "sum", "status", "created_at"];
    assert_eq!(columns(&world, "qiwi_transaction").await, transaction);
}

#[rstest]
#[tokio::test]
async fn the_log_shows_what_came_in(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let log = LogWriter::start(&world.store);
    let mut incoming = world.exchange("/payment?command=check");
    incoming.request_body = "account=1".to_owned();
    log.exchange(incoming).unwrap();
    let mut outgoing = world.exchange("https://elsewhere.example");
    outgoing.direction = "out";
    log.exchange(outgoing).unwrap();
    log.flush().await;
    let rows = world
        .database
        .rows("SELECT ip, url, method, headers, body FROM qiwi_http_log")
        .await;
    assert_eq!(rows.len(), 1);
    let text = |column: &str| rows[0].try_get::<String>("", column).unwrap();
    assert_eq!(
        (text("ip"), text("url")),
        ("79.142.16.7".to_owned(), "/payment?command=check".to_owned())
    );
    assert_eq!(
        (text("method"), text("body")),
        ("GET".to_owned(), "account=1".to_owned())
    );
    let headers: serde_json::Value = rows[0].try_get("", "headers").unwrap();
    assert_eq!(headers["host"], "service.someprv.ru");
}

#[rstest]
#[tokio::test]
async fn a_transaction_is_completed_when_the_merchant_was_told(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let endpoint = world.endpoint(1).await;
    let writer = PaymentWriter::start(&world.store);
    let write = world.payment("563456456745", &[&endpoint]).await;
    world.write(&writer, write.clone()).await;
    let mut declined = world.payment("2", &[]).await;
    declined.payment.status = PaymentStatus::Declined;
    world.write(&writer, declined).await;

    let sum = match backend {
        Sqlite => "printf('%.2f', sum)",
        Postgres => "CAST(sum AS text)",
    };
    let sql = format!("SELECT id, account, code, {sum} AS sum, status FROM qiwi_transaction");
    let rows = world.database.rows(&sql).await;
    assert_eq!(rows.len(), 1, "declined payments are not in the container's table");
    assert_eq!(rows[0].try_get::<i64>("", "id").unwrap(), write.payment.number);
    assert_eq!(rows[0].try_get::<String>("", "account").unwrap(), "4957835959");
    assert_eq!(rows[0].try_get::<String>("", "code").unwrap(), "563456456745");
    assert_eq!(rows[0].try_get::<String>("", "sum").unwrap(), "10.45");
    let status = "SELECT CAST(status AS bigint) FROM qiwi_transaction";
    assert_eq!(world.database.number(status).await, 0);

    let claim = Claim {
        node: "node",
        now: now(),
        lease_until: now() + seconds(30),
        ahead: 1,
    };
    let claimed = world
        .store
        .claim_deliveries(&endpoint, &claim)
        .await
        .unwrap()
        .remove(0)
        .delivery;
    let told = AttemptRecord {
        delivery: claimed.id,
        merchant: claimed.merchant_id,
        number: 1,
        status: Some(201),
        error: None,
        answer: String::new(),
        duration_ms: 1,
        at: now(),
        next: NextStep::Delivered,
    };
    world.store.record_attempts(&[told]).await.unwrap();
    assert_eq!(world.database.number(status).await, 1);
}
