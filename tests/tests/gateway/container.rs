//! With the seed container's variables, `tollgate serve` is that container (`protocols/terminal.md §12`).

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::{Gateway, Inspector, Kiosk, PostgresServer, Reply, TestDatabase, within};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};

struct Container {
    gateway: Gateway,
    merchant: Inspector,
    variables: BTreeMap<String, String>,
    // Last, so that the gateway ends before its database.
    database: DatabaseConnection,
    _server: PostgresServer,
}

const SCHEMA: &str = "billing";

fn variables(server: &PostgresServer, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let port = server.port().to_string();
    let common = [
        ("PG_HOST", "127.0.0.1"),
        ("PG_REAL_HOST", "127.0.0.1"),
        ("PG_PORT", port.as_str()),
        ("PG_DATABASE", "qiwi"),
        ("PG_SCHEMA", SCHEMA),
        ("PG_USER", "tollgate"),
        ("PG_PASSWORD", "secret"),
        ("PHP_PM_MAX_CHILDREN", "30"),
        // The image listens on port 80; a test may not.
        ("TOLLGATE_PUBLIC__LISTEN", "127.0.0.1:0"),
        ("TOLLGATE_ADMIN__LISTEN", "127.0.0.1:0"),
    ];
    common
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

async fn start() -> Container {
    let server = PostgresServer::start();
    let merchant = Inspector::answering(|request| match request.path.as_str() {
        "/check?account=unknown" => Reply::status(404),
        "/check?account=broken" => Reply::status(500),
        _ => Reply::status(200),
    })
    .await;
    let (check, hook) = (merchant.url("/check"), merchant.url("/hook"));
    let own = [
        ("QIWI_CHECK_URL", check.as_str()),
        ("QIWI_WEBHOOK_URL", hook.as_str()),
        ("HTTP_AUTH_USERNAME", "qiwi"),
        ("HTTP_AUTH_PASSWORD", "pass"),
        ("MS_TIMEZONE", "Asia/Almaty"),
    ];
    let variables = variables(&server, &own);
    let gateway = Gateway::start_from(variables.clone()).await;
    let database = Database::connect(format!("{}/qiwi", server.base_url())).await.unwrap();
    Container {
        gateway,
        merchant,
        variables,
        database,
        _server: server,
    }
}

impl Container {
    fn kiosk(&self) -> Kiosk {
        Kiosk::new(self.gateway.public, "/payment").with_login("qiwi", "pass")
    }

    async fn one(&self, sql: &str) -> sea_orm::QueryResult {
        let statement = Statement::from_string(self.database.get_database_backend(), sql);
        self.database.query_one_raw(statement).await.unwrap().expect("a row")
    }

    fn hooks(&self) -> usize {
        self.merchant
            .received()
            .iter()
            .filter(|request| request.path == "/hook")
            .count()
    }
}

fn check<'a>(txn_id: &'a str, account: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("command", "check"),
        ("txn_id", txn_id),
        ("account", account),
        ("sum", "45.00"),
    ]
}

fn pay<'a>(txn_id: &'a str, account: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("command", "pay"),
        ("txn_id", txn_id),
        ("txn_date", "20220210120000"),
        ("account", account),
        ("sum", "45.00"),
    ]
}

#[tokio::test]
async fn it_replaces_the_image_as_it_is() {
    let container = start().await;
    let kiosk = container.kiosk();
    assert_eq!(
        Kiosk::new(container.gateway.public, "/payment")
            .get(&check("1", "123456"))
            .await
            .status,
        401
    );
    for (account, code) in [("123456", 0), ("unknown", 5), ("broken", 1)] {
        assert_eq!(kiosk.get(&check("1", account)).await.result(), code, "{account}");
    }
    // The backend is not asked about a pay.
    let paid = kiosk.post(&pay("563456456745", "unknown")).await;
    assert_eq!(paid.result(), 0);

    let hook = container
        .merchant
        .wait_until("the webhook", |all| all.iter().any(|request| request.path == "/hook"))
        .await;
    let hook = hook.into_iter().find(|request| request.path == "/hook").unwrap();
    let row = container.one("SELECT to_char(created_at AT TIME ZONE 'Asia/Almaty', 'YYYY-MM-DD HH24:MI:SS') AS at FROM billing.qiwi_transaction").await;
    let expected = format!(
        r#"{{"id":"{}","account":"unknown","code":"563456456745","sum":45.0,"created_at":"{}"}}"#,
        paid.prv_txn(),
        row.try_get::<String>("", "at").unwrap()
    );
    assert_eq!((hook.method.as_str(), hook.body), ("POST", expected));
    assert!(
        hook.headers
            .iter()
            .all(|(name, _)| !name.starts_with("webhook-") && name != "authorization")
    );
    assert_eq!(
        hook.headers.iter().find(|(name, _)| name == "content-type").unwrap().1,
        "application/json"
    );
}

#[tokio::test]
async fn the_merchants_own_sql_keeps_working() {
    let container = start().await;
    container.merchant.answer(|_| Reply::status(500));
    let paid = container.kiosk().get(&pay("7", "123456")).await;
    container.merchant.wait_for(1).await;
    let sql = "SELECT id, account, code, sum::text AS sum, status, created_at IS NOT NULL AS at FROM billing.qiwi_transaction";
    let row = container.one(sql).await;
    assert_eq!(
        u64::try_from(row.try_get::<i64>("", "id").unwrap()).unwrap(),
        paid.prv_txn()
    );
    let text = |column: &str| row.try_get::<String>("", column).unwrap();
    assert_eq!(
        (text("account"), text("code"), text("sum")),
        ("123456".into(), "7".into(), "45.00".into())
    );
    assert_eq!(row.try_get::<i32>("", "status").unwrap(), 0);

    container.merchant.answer(|_| Reply::status(201));
    within(Duration::from_secs(30), "status 1", async || {
        let status: i32 = container.one(sql).await.try_get("", "status").unwrap();
        (status == 1).then_some(())
    })
    .await;
    let log = container
        .one("SELECT ip, url, method, headers ->> 'authorization' AS secret, body FROM billing.qiwi_http_log")
        .await;
    let text = |column: &str| log.try_get::<String>("", column).unwrap();
    assert_eq!(
        (text("ip"), text("method"), text("secret")),
        ("127.0.0.1".into(), "GET".into(), "***".into())
    );
    assert!(
        text("url").starts_with("/payment?command=pay&txn_id=7&"),
        "{}",
        text("url")
    );
}

/// Only 200 and 201 count, and there is no last attempt.
#[tokio::test]
async fn its_webhook_is_repeated_until_it_is_taken() {
    let container = start().await;
    let mut answers = [Reply::status(204)].into_iter();
    container
        .merchant
        .answer(move |_| answers.next().unwrap_or(Reply::status(200)));
    container.kiosk().get(&pay("7", "123456")).await;
    container
        .merchant
        .wait_until("the second attempt", |all| all.len() >= 2)
        .await;
    let bodies: Vec<_> = container
        .merchant
        .received()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn a_restart_changes_what_the_variables_say() {
    let mut container = start().await;
    container.kiosk().get(&pay("1", "123456")).await;
    container
        .merchant
        .wait_until("the webhook", |all| !all.is_empty())
        .await;
    container.gateway.stop().await;

    let elsewhere = Inspector::start().await;
    let mut variables = container.variables.clone();
    variables.insert("QIWI_WEBHOOK_URL".to_owned(), elsewhere.url("/new"));
    variables.insert("HTTP_AUTH_PASSWORD".to_owned(), "changed".to_owned());
    variables.remove("QIWI_CHECK_URL");
    container.gateway = Gateway::start_from(variables).await;
    let before = container.hooks();
    assert_eq!(container.kiosk().get(&check("2", "unknown")).await.status, 401);
    let kiosk = Kiosk::new(container.gateway.public, "/payment").with_login("qiwi", "changed");
    assert_eq!(
        kiosk.get(&check("2", "unknown")).await.result(),
        0,
        "nobody is asked any more"
    );
    kiosk.get(&pay("2", "123456")).await;
    assert_eq!(elsewhere.wait_for(1).await[0].json()["code"], "2");
    assert_eq!(container.hooks(), before);
}

#[tokio::test]
async fn without_a_login_it_is_open_as_the_image_is() {
    let server = PostgresServer::start();
    let gateway = Gateway::start_from(variables(&server, &[])).await;
    let kiosk = Kiosk::new(gateway.public, "/payment");
    assert_eq!(kiosk.get(&check("1", "anything")).await.result(), 0);
    let paid = kiosk.get(&pay("1", "anything")).await;
    assert_eq!(kiosk.get(&pay("1", "anything")).await.body, paid.body);
}

/// A database that exists already, and what else is in it, stays.
#[tokio::test]
async fn an_existing_database_is_used() {
    let server = PostgresServer::start();
    let existing = TestDatabase::on_server(&server.base_url()).await;
    existing.execute("CREATE TABLE keep_me (id int)").await;
    let name = existing.name();
    let gateway = Gateway::start_from(variables(&server, &[("PG_DATABASE", &name)])).await;
    assert_eq!(
        Kiosk::new(gateway.public, "/payment")
            .get(&pay("1", "1"))
            .await
            .result(),
        0
    );
    assert_eq!(
        existing.number("SELECT count(*) FROM billing.qiwi_transaction").await,
        1
    );
    assert_eq!(existing.number("SELECT count(*) FROM keep_me").await, 0);
}
