//! The command line, and what `serve` refuses to start with.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::settings_of;
use e2e::{Cli, Gateway, TestDatabase};
use rstest::rstest;
use serde_json::Value;

use crate::stage::Stage;

fn without(database: &TestDatabase, name: &str) -> Cli {
    let mut variables = settings_of(database.url());
    variables.remove(name);
    Cli::new(variables)
}

fn with(database: &TestDatabase, name: &str, value: &str) -> Cli {
    let mut variables = settings_of(database.url());
    variables.insert(name.to_owned(), value.to_owned());
    Cli::new(variables)
}

#[rstest]
#[tokio::test]
async fn a_merchant_is_onboarded_by_the_command_line_alone(#[values(Sqlite, Postgres)] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let cli = Cli::on(&database);
    let made: Value =
        serde_json::from_str(&cli.print(&["merchant", "create", "acme", "--name", "Acme"]).await).unwrap();
    assert_eq!((&made["slug"], &made["status"]), (&"acme".into(), &"active".into()));
    let folder = tempfile::tempdir().unwrap();
    let (password, rules) = (folder.path().join("password"), folder.path().join("rules.lua"));
    std::fs::write(&password, "pass word\n").unwrap();
    std::fs::write(
        &rules,
        "return { check = function(request) return accept { comment = request.account } end }",
    )
    .unwrap();
    let config = r#"{"subnets": ["127.0.0.0/8"]}"#;
    let password = password.to_str().unwrap();
    let connection = [
        "connection",
        "create",
        "acme",
        "terminal",
        "--config",
        config,
        "--login",
        "qiwi",
        "--password-file",
        password,
    ];
    cli.print(&connection).await;
    cli.print(&["rules", "check", rules.to_str().unwrap()]).await;
    cli.print(&["rules", "publish", "acme", rules.to_str().unwrap()]).await;
    assert!(cli.print(&["merchant", "list"]).await.contains("\tacme\tactive\tAcme"));
    assert!(
        cli.print(&["connection", "list", "acme"])
            .await
            .contains("acme/terminal")
    );

    let gateway = Gateway::start(&database).await;
    let kiosk = gateway.kiosk("acme", "terminal").with_login("qiwi", "pass word");
    assert_eq!(
        kiosk.check("1", "my account", "1.00").await.comment(),
        Some("my account")
    );
}

#[rstest]
#[tokio::test]
async fn the_command_line_plays_the_kiosk(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let url = format!("http://{}", stage.gateway.public);
    let cli = Cli::on(&stage.database);
    let call = |command: &'static str, more: &'static [&'static str]| {
        let common = [
            "terminal",
            command,
            "--url",
            &url,
            "--merchant",
            "acme",
            "--account",
            "9123456789",
            "--sum",
            "10.45",
        ];
        let arguments: Vec<String> = common.iter().chain(more).map(|text| (*text).to_owned()).collect();
        let cli = &cli;
        async move {
            cli.print(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        }
    };
    let checked = call("check", &["--txn-id", "1"]).await;
    assert!(
        checked.contains("> GET") && checked.contains("< <result>0</result>"),
        "{checked}"
    );
    let paid = call("pay", &["--txn-id", "1", "--post"]).await;
    assert!(paid.contains("> POST") && paid.contains("<sum>10.45</sum>"), "{paid}");
    let again = call("pay", &["--txn-id", "1"]).await;
    let number = |text: &str| text.split("prv_txn>").nth(1).unwrap().trim_end_matches("</").to_owned();
    assert_eq!(number(&again), number(&paid));
    assert!(call("info", &[]).await.contains("<result>0</result>"));
    assert_eq!(stage.list("payments").await.len(), 1);
}

#[tokio::test]
async fn keygen_makes_a_key_that_serve_takes() {
    let database = TestDatabase::new(Sqlite).await;
    let keys = [
        Cli::on(&database).print(&["keygen"]).await,
        Cli::on(&database).print(&["keygen"]).await,
    ];
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0].trim().len(), 64);
    let mut variables = settings_of(database.url());
    variables.insert("TOLLGATE_MASTER_KEY".to_owned(), keys[0].trim().to_owned());
    Gateway::start_from(variables).await.stop().await;
}

#[tokio::test]
async fn serve_needs_a_master_key_and_says_how_to_make_one() {
    let database = TestDatabase::new(Sqlite).await;
    let complaint = without(&database, "TOLLGATE_MASTER_KEY").complaint(&["serve"]).await;
    assert!(complaint.contains("tollgate keygen"), "{complaint}");
    let complaint = with(&database, "TOLLGATE_MASTER_KEY", "0123")
        .complaint(&["serve"])
        .await;
    assert!(complaint.contains("master_key"), "{complaint}");
    assert!(!complaint.contains("0123"), "a secret is repeated: {complaint}");
}

#[rstest]
#[case("TOLLGATE_PUBLIC__LISEN", "127.0.0.1:1", "public.lisen")]
#[case("TOLLGATE_PUBLIC__LISTEN", "nowhere", "nowhere")]
#[case("TOLLGATE_PUBLIC__WORKERS", "many", "public.workers")]
#[case("TOLLGATE_WEBHOOKS__ALLOW_NETWORKS", "loopback", "webhooks.allow_networks")]
#[case("TOLLGATE_DATABASE__URL", "mysql://localhost/x", "database.url")]
#[case("TOLLGATE_LOG__FORMAT", "xml", "log.format")]
#[case("TOLLGATE_MASTER_KEY_FILE", "/does/not/exist", "/does/not/exist")]
#[tokio::test]
async fn serve_refuses_wrong_settings_by_name(#[case] name: &str, #[case] value: &str, #[case] named: &str) {
    let database = TestDatabase::new(Sqlite).await;
    let mut variables = settings_of(database.url());
    if name == "TOLLGATE_MASTER_KEY_FILE" {
        variables.remove("TOLLGATE_MASTER_KEY");
    }
    variables.insert(name.to_owned(), value.to_owned());
    let complaint = Cli::new(variables).complaint(&["serve"]).await;
    assert!(complaint.contains(named), "{complaint}");
}

#[tokio::test]
async fn secrets_may_come_from_files() {
    let database = TestDatabase::new(Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let mut variables = settings_of(database.url());
    for (name, file) in [
        ("TOLLGATE_MASTER_KEY", "TOLLGATE_MASTER_KEY_FILE"),
        (
            "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN",
            "TOLLGATE_ADMIN__BOOTSTRAP_TOKEN_FILE",
        ),
        ("TOLLGATE_DATABASE__URL", "TOLLGATE_DATABASE__URL_FILE"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{}\n", variables.remove(name).unwrap())).unwrap();
        variables.insert(file.to_owned(), path.display().to_string());
    }
    let gateway = Gateway::start_from(variables).await;
    assert_eq!(
        gateway.admin().get("/admin/v1/merchants").await["data"],
        serde_json::json!([])
    );
    assert_eq!(database.number("SELECT count(*) FROM merchants").await, 0);
}

#[rstest]
#[tokio::test]
async fn migrations_run_from_the_binary(#[values(Sqlite, Postgres)] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let cli = Cli::on(&database);
    assert!(!cli.print(&["migrate", "status"]).await.starts_with("0 "));
    cli.print(&["migrate"]).await;
    assert!(cli.print(&["migrate", "status"]).await.starts_with("0 "));
    cli.print(&["migrate", "down", "--steps", "1"]).await;
    assert!(cli.print(&["migrate", "status"]).await.starts_with("1 "));
}
