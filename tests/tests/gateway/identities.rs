//! What a connection shows its network: a certificate that is imported, and handshakes that are tried with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{Duration, Utc};
use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::BOOTSTRAP_TOKEN;
use e2e::{Authority, Browser, Cli, Paper, TestDatabase, TlsNetwork};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const CONNECTION: &str = "/admin/v1/merchants/acme/connections/terminal";
const PASSWORD: &str = "pä$$w0rd";
const CALLED: [(&str, &str); 1] = [("TOLLGATE_CONNECTORS__ALLOW_NETWORKS", "127.0.0.0/8")];

/// A gateway with a connection, a network that it calls, and who issues for both.
struct Upstream {
    stage: Stage,
    servers: Authority,
    clients: Authority,
    network: TlsNetwork,
}

impl Upstream {
    async fn new(backend: Backend, paper: impl Fn(&Authority) -> Paper) -> Self {
        let stage = Stage::on(TestDatabase::new(backend).await, json!({}), &CALLED).await;
        let servers = Authority::new("authority of the network");
        let clients = Authority::new("authority of the network's clients");
        let network = TlsNetwork::start(&paper(&servers), &clients.pem()).await;
        let upstream = Self {
            stage,
            servers,
            clients,
            network,
        };
        upstream.believe(&upstream.servers).await;
        upstream.show(&upstream.clients.client("acme")).await;
        upstream
    }

    async fn believe(&self, authority: &Authority) {
        let roots = json!({"roots": authority.pem()});
        self.stage.admin().put(&format!("{CONNECTION}/roots"), &roots).await;
    }

    async fn show(&self, paper: &Paper) {
        let file = json!({"pkcs12": BASE64.encode(paper.pkcs12(PASSWORD).await), "password": PASSWORD});
        self.stage.admin().put(&format!("{CONNECTION}/identity"), &file).await;
    }

    fn url(&self, port: u16) -> String {
        format!("https://localhost:{port}/api")
    }

    /// What REST and command line both say.
    async fn tried(&self, port: u16) -> Value {
        let url = self.url(port);
        let path = format!("{CONNECTION}/test-handshake");
        let mut by_rest = self.stage.admin().post(&path, &json!({"url": url})).await;
        let mut variables = e2e::gateway::settings_of(self.stage.database.url());
        variables.extend(CALLED.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let command = ["cert", "test", "upstream", "acme", "terminal", &url];
        let output = Cli::new(variables).run(&command).await;
        let mut by_cli: Value = serde_json::from_slice(&output.stdout).unwrap();
        let good = by_rest["established"] == json!(true) && by_rest["trusted"] == json!(true);
        assert_eq!(output.status.code(), Some(i32::from(!good)), "{by_cli}");
        for told in [&mut by_rest, &mut by_cli] {
            told.as_object_mut().unwrap().remove("took_ms");
            // The moment at which it was looked at stands in it.
            if let Some(distrust) = told["distrust"].as_str() {
                told["distrust"] = json!(distrust.replace(|char: char| char.is_ascii_digit(), ""));
            }
        }
        assert_eq!(by_rest, by_cli);
        by_rest
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_with_a_network_is_tried_and_told(#[values(Sqlite, Postgres)] backend: Backend) {
    let upstream = Upstream::new(backend, |servers| servers.server(&["localhost"])).await;
    let port = upstream.network.address.port();
    let good = upstream.tried(port).await;
    for field in ["established", "trusted", "wants_certificate", "showed_certificate"] {
        assert_eq!(good[field], json!(true), "{field}: {good}");
    }
    assert_eq!(good["certificate"]["names"], json!(["localhost"]));

    upstream.show(&Authority::new("a stranger").client("acme")).await;
    let unknown = upstream.tried(port).await;
    assert_eq!(
        (&unknown["established"], &unknown["trusted"]),
        (&json!(false), &json!(true))
    );
    assert!(
        unknown["reason"]
            .as_str()
            .unwrap()
            .contains("who issued our certificate"),
        "{unknown}"
    );

    upstream.stage.admin().delete(&format!("{CONNECTION}/identity")).await;
    let none = upstream.tried(port).await;
    assert_eq!(
        (&none["wants_certificate"], &none["showed_certificate"]),
        (&json!(true), &json!(false))
    );
    assert!(
        none["reason"].as_str().unwrap().contains("wants a client certificate"),
        "{none}"
    );

    upstream.show(&upstream.clients.client("acme")).await;
    upstream.believe(&Authority::new("somebody else's")).await;
    let distrusted = upstream.tried(port).await;
    assert_eq!(
        (&distrusted["established"], &distrusted["trusted"]),
        (&json!(true), &json!(false))
    );
    assert!(
        distrusted["distrust"].as_str().unwrap().contains("UnknownIssuer"),
        "{distrusted}"
    );

    // Nobody listens there: the port was free a moment ago.
    let closed = upstream.tried(e2e::ports::free()).await;
    assert!(
        closed["reason"].as_str().unwrap().to_lowercase().contains("refused"),
        "{closed}"
    );
    // What listens there does not speak TLS.
    let plain = upstream.tried(upstream.stage.gateway.public.port()).await;
    assert!(
        plain["reason"].as_str().unwrap().contains("does not speak TLS"),
        "{plain}"
    );
}

#[rstest]
#[case::another_name("other.example.test", 30, "not valid for name")]
#[case::expired("localhost", -1, "xpired")]
#[tokio::test(flavor = "multi_thread")]
async fn a_networks_wrong_certificate_is_named(#[case] name: &str, #[case] days: i64, #[case] words: &str) {
    let until = Utc::now() + Duration::days(days);
    // It began a day before today, so one that ended must have begun earlier.
    let paper = |servers: &Authority| match days {
        ..0 => servers.server_between(&[name], until - Duration::days(9), until),
        _ => servers.server_until(&[name], until),
    };
    let upstream = Upstream::new(Sqlite, paper).await;
    let told = upstream.tried(upstream.network.address.port()).await;
    assert_eq!(
        (&told["established"], &told["trusted"]),
        (&json!(true), &json!(false)),
        "{told}"
    );
    assert!(told["distrust"].as_str().unwrap().contains(words), "{told}");
}

/// Made by keytool, as a bank's Java shop would send it.
#[rstest]
#[case(include_bytes!("../../fixtures/pkcs12/java-17.p12").as_slice())]
#[case(include_bytes!("../../fixtures/pkcs12/java-8.p12").as_slice())]
#[tokio::test]
async fn a_file_of_java_is_imported(#[case] file: &[u8]) {
    let stage = Stage::new(Sqlite).await;
    let file = json!({"pkcs12": BASE64.encode(file), "password": "of-fixtures"});
    let view = stage.admin().put(&format!("{CONNECTION}/identity"), &file).await;
    assert_eq!(view["identity"]["subject"], json!("CN=client of acme"));
    assert_eq!(view["identity"]["chain"][0]["subject"], json!("CN=an authority"));
    let wrong = json!({"pkcs12": file["pkcs12"], "password": "other"});
    let refused = stage
        .admin()
        .send(Method::PUT, &format!("{CONNECTION}/identity"), Some(&wrong))
        .await;
    assert!(
        refused.body["detail"].as_str().unwrap().contains("password is wrong"),
        "{refused:?}"
    );
}

/// A file whose password is tried costs processor time: so many a minute, each person for itself.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_imports_so_many_files(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [("TOLLGATE_LIMITS__PKCS12_IMPORT_RATES", "hour=2/3600")];
    let stage = Stage::with_settings(backend, &settings).await;
    let mut ann = Browser::new(stage.gateway.admin_address);
    ann.set_up(BOOTSTRAP_TOKEN, "ann@example.com").await;
    let mut bob = ann.staff("/merchants/acme/people", "bob@example.com", "admin").await;
    let file = Authority::new("an authority").client("acme").pkcs12(PASSWORD).await;
    let file = json!({"pkcs12": BASE64.encode(file), "password": PASSWORD});
    let wrong = json!({"pkcs12": BASE64.encode("x"), "password": "x"});
    let identity = "/merchants/acme/connections/terminal/identity";
    // Right or wrong, it is charged; and a server's certificate counts like a connection's.
    assert_eq!(ann.send(Method::PUT, identity, Some(&wrong)).await.status, 422);
    let server = ann.send(Method::POST, "/certificates/server", Some(&wrong)).await;
    assert_eq!(server.status, 422, "{server:?}");
    for path in [(Method::PUT, identity), (Method::POST, "/certificates/server")] {
        let refused = ann.send(path.0, path.1, Some(&file)).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (429, &json!("rate_limited")),
            "{refused:?}"
        );
    }
    let _ = bob.send(Method::PUT, identity, Some(&file)).await.success();
}
