//! Who calls, by a client certificate: real handshakes with right and wrong ones.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{Duration, Utc};
use e2e::Backend::{Postgres, Sqlite};
use e2e::{Authority, Backend, Gateway, Inspector, Paper, TestDatabase, TlsCaller, soon, within};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{CHANGE_IS_SEEN, Stage, open};

pub const NAME: &str = "pay.example.test";
pub const CHECK: &str = "command=check&txn_id=1&account=4957835959&sum=10.00&ccy=RUB";

/// A gateway with a TLS listener, and two merchants whose terminals want a client certificate.
pub struct Doors {
    pub stage: Stage,
    pub servers: Authority,
}

impl Doors {
    pub async fn new(backend: Backend) -> Self {
        Self::on(TestDatabase::new(backend).await).await
    }

    pub async fn on(database: TestDatabase) -> Self {
        let settings = [("TOLLGATE_PUBLIC__TLS_LISTEN", "127.0.0.1:0")];
        let stage = Stage::on(database, json!({"auth": "mtls"}), &settings).await;
        let admin = stage.admin();
        admin
            .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
            .await;
        let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({"auth": "mtls"}))});
        admin.post("/admin/v1/merchants/other/connections", &connection).await;
        let servers = Authority::new("authority of servers");
        let doors = Self { stage, servers };
        doors.show(&doors.servers.server(&[NAME]), json!({})).await;
        doors.reachable(&doors.stage.gateway, NAME).await;
        doors
    }

    pub async fn show(&self, paper: &Paper, more: Value) -> Value {
        let mut body = json!({"pem": paper.both()});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.stage.admin().post("/admin/v1/certificates/server", &body).await
    }

    pub async fn reachable(&self, gateway: &Gateway, name: &str) {
        let caller = TlsCaller::new(&self.servers.pem());
        soon("the name is served", async || {
            caller.call(gateway.tls[0], name).await.ok()
        })
        .await;
    }

    pub fn path(merchant: &str) -> String {
        format!("/admin/v1/merchants/{merchant}/connections/terminal/client-certificates")
    }

    pub async fn issue(&self, merchant: &str) -> (String, Paper) {
        let handout = self
            .stage
            .admin()
            .post(&Self::path(merchant), &json!({"name": "network"}))
            .await;
        let id = handout["certificate"]["id"].as_str().unwrap().to_owned();
        (id, unpack(&handout).await)
    }

    pub async fn revoke(&self, merchant: &str, id: &str) {
        self.stage
            .admin()
            .delete(&format!("{}/{id}", Self::path(merchant)))
            .await;
    }

    pub fn caller(&self, paper: &Paper) -> TlsCaller {
        TlsCaller::showing(&self.servers.pem(), paper)
    }

    /// What a caller is answered, once the nodes had time to hear of the latest change.
    pub async fn answered(&self, caller: &TlsCaller, path: &str, status: u16) {
        let address = self.stage.gateway.tls[0];
        within(
            std::time::Duration::from_secs(20),
            &format!("{status} at {path}"),
            async || {
                let answer = caller.get(address, NAME, &format!("{path}?{CHECK}")).await.ok()?;
                (answer.status == status).then_some(())
            },
        )
        .await;
    }

    /// Why a caller does not get through.
    pub async fn refused(&self, caller: &TlsCaller) -> String {
        let address = self.stage.gateway.tls[0];
        let path = format!("/in/acme/terminal?{CHECK}");
        soon("the caller is refused", async || {
            caller.get(address, NAME, &path).await.err()
        })
        .await
    }
}

/// The file of a handout, as OpenSSL reads it.
async fn unpack(handout: &Value) -> Paper {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.p12");
    let bytes = BASE64.decode(handout["pkcs12"].as_str().unwrap()).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let password = format!("pass:{}", handout["password"].as_str().unwrap());
    let part = async |further: &[&str]| {
        let output = tokio::process::Command::new("openssl")
            .args(["pkcs12", "-in"])
            .arg(&file)
            .args(["-passin", &password])
            .args(further)
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    Paper {
        certificate: part(&["-nokeys", "-clcerts"]).await,
        key: part(&["-nocerts", "-nodes"]).await,
        der: Vec::new(),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_opens_its_own_connection_and_no_other(#[values(Sqlite, Postgres)] backend: Backend) {
    let doors = Doors::new(backend).await;
    let (_, acme) = doors.issue("acme").await;
    let (_, other) = doors.issue("other").await;
    let nobody = TlsCaller::new(&doors.servers.pem());
    doors.answered(&doors.caller(&acme), "/in/acme/terminal", 200).await;
    doors.answered(&doors.caller(&other), "/in/other/terminal", 200).await;
    // Another merchant's, and none.
    doors.answered(&doors.caller(&other), "/in/acme/terminal", 403).await;
    doors.answered(&nobody, "/in/acme/terminal", 403).await;
    // On the shared path the certificate is the name.
    doors.answered(&doors.caller(&other), "/payment", 200).await;
    doors.answered(&nobody, "/payment", 404).await;
    soon("the exchange is the other merchant's", async || {
        let exchanges = doors.stage.admin().get("/admin/v1/merchants/other/exchanges").await;
        let all = exchanges["data"].as_array().unwrap();
        let found = all
            .iter()
            .any(|exchange| exchange["url"].as_str().unwrap().starts_with("/payment"));
        found.then_some(())
    })
    .await;
    // Without TLS nobody can have shown anything.
    assert_eq!(doors.stage.kiosk().check("1", "4957835959", "10.00").await.status, 403);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn revoked_means_closed_on_every_node_within_a_second(#[values(Sqlite, Postgres)] backend: Backend) {
    let doors = Doors::new(backend).await;
    let settings = [("TOLLGATE_PUBLIC__TLS_LISTEN", "127.0.0.1:0")];
    let second = Gateway::start_with(&doors.stage.database, &settings).await;
    let (id, paper) = doors.issue("acme").await;
    let (_, successor) = doors.issue("acme").await;
    doors.answered(&doors.caller(&paper), "/in/acme/terminal", 200).await;
    doors.reachable(&second, NAME).await;
    let path = format!("/in/acme/terminal?{CHECK}");
    let (first, second) = (doors.stage.gateway.tls[0], second.tls[0]);
    let caller = doors.caller(&paper);
    let line = async |address| {
        let call = async || {
            let mut line = caller.call(address, NAME).await.ok()?;
            (line.get(&path).await.ok()?.status == 200).then_some(line)
        };
        soon("an open connection", call).await
    };
    let (mut here, mut there) = (line(first).await, line(second).await);
    let (mut busy, mut idle) = (line(first).await, caller.call(second, NAME).await.unwrap());

    doors.revoke("acme", &id).await;
    let closed = async {
        tokio::join!(here.closed(), there.closed(), idle.closed());
    };
    // A busy machine gets time on top of the second that is promised.
    tokio::time::timeout(CHANGE_IS_SEEN * 10, closed).await.expect("closed");
    assert!(busy.get(&path).await.is_err());
    // Nor does anybody get in again: by a new handshake, or by resuming the session.
    for address in [first, second] {
        let said = caller.get(address, NAME, &path).await.unwrap_err();
        assert!(!said.is_empty());
        let fresh = doors.caller(&paper).get(address, NAME, &path).await.unwrap_err();
        assert!(fresh.contains("CertificateRevoked"), "{fresh}");
    }
    // The other certificate of the connection, issued meanwhile, goes on.
    doors
        .answered(&doors.caller(&successor), "/in/acme/terminal", 200)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_not_resumed_past_a_revocation() {
    let doors = Doors::new(Sqlite).await;
    let (id, paper) = doors.issue("acme").await;
    doors.answered(&doors.caller(&paper), "/in/acme/terminal", 200).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let caller = TlsCaller::with(&doors.servers.pem(), Some(&paper), &[version]);
        let address = doors.stage.gateway.tls[0];
        let path = format!("/in/acme/terminal?{CHECK}");
        caller.get(address, NAME, &path).await.unwrap();
        let mut line = caller.call(address, NAME).await.unwrap();
        assert!(line.was_resumed(), "{version:?}");
        assert_eq!(line.get(&path).await.unwrap().status, 200);
    }
    let caller = doors.caller(&paper);
    doors.answered(&caller, "/in/acme/terminal", 200).await;
    doors.revoke("acme", &id).await;
    let said = doors.refused(&caller).await;
    // The session is resumed, and closed before anything is answered.
    let closed = ["closed", "reset", "eof", "Broken pipe"];
    assert!(closed.iter().any(|word| said.contains(word)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchants_own_authority_and_dates_are_checked() {
    let doors = Doors::new(Sqlite).await;
    let (own, stranger) = (
        Authority::new("authority of acme"),
        Authority::new("authority of a stranger"),
    );
    let body = json!({"name": "own", "authority": own.pem()});
    let trusted = format!("{}/trusted", Doors::path("acme"));
    let kept = doors.stage.admin().post(&trusted, &body).await;
    let now = Utc::now();
    let day = Duration::days(1);
    let right = doors.caller(&own.client("right"));
    doors.answered(&right, "/in/acme/terminal", 200).await;
    doors.answered(&right, "/payment", 200).await;
    doors.answered(&right, "/in/other/terminal", 403).await;
    for (paper, why) in [
        (
            own.client_between("ended", now - day * 9, now - day),
            "CertificateExpired",
        ),
        (
            own.client_between("early", now + day, now + day * 9),
            "CertificateExpired",
        ),
        (stranger.client("stranger"), "UnknownCA"),
        (own.server(&["client.example.test"]), "UnknownCA"),
    ] {
        let said = doors.refused(&doors.caller(&paper)).await;
        assert!(said.contains(why), "{said}");
    }
    // An authority that is believed no more takes all that it issued with it.
    let mut line = right.call(doors.stage.gateway.tls[0], NAME).await.unwrap();
    doors.revoke("acme", kept["id"].as_str().unwrap()).await;
    line.closed().await;
    let said = doors.refused(&doors.caller(&own.client("right"))).await;
    assert!(said.contains("UnknownCA"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_is_known_by_its_digest() {
    let doors = Doors::new(Sqlite).await;
    let stranger = Authority::new("authority of a stranger");
    let paper = stranger.client("network");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &paper.der);
    let digest: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let trusted = format!("{}/trusted", Doors::path("acme"));
    let body = json!({"name": "pinned", "sha256": digest.join(":")});
    doors.stage.admin().post(&trusted, &body).await;
    doors.answered(&doors.caller(&paper), "/in/acme/terminal", 200).await;
    assert!(
        doors
            .refused(&doors.caller(&stranger.client("its neighbour")))
            .await
            .contains("UnknownCA")
    );
    // A certificate names one connection: the same is not taken for another.
    let trusted = format!("{}/trusted", Doors::path("other"));
    let again = doors
        .stage
        .admin()
        .send(
            Method::POST,
            &trusted,
            Some(&json!({"name": "x", "leaf": paper.certificate})),
        )
        .await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (409, &json!("conflict")),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_verified_for_one_name_does_not_speak_to_another() {
    let doors = Doors::new(Sqlite).await;
    let own = "acme.example.test";
    doors
        .show(&doors.servers.server(&[own]), json!({"merchant": "acme"}))
        .await;
    doors.reachable(&doors.stage.gateway, own).await;
    let (_, acme) = doors.issue("acme").await;
    let (_, other) = doors.issue("other").await;
    doors.answered(&doors.caller(&acme), "/in/acme/terminal", 200).await;
    doors.answered(&doors.caller(&other), "/in/other/terminal", 200).await;
    let address = doors.stage.gateway.tls[0];
    let path = format!("/in/acme/terminal?{CHECK}");
    // Under a merchant's own name the certificates of others are nothing.
    let said = doors.caller(&other).get(address, own, &path).await.unwrap_err();
    assert!(said.contains("UnknownCA"), "{said}");
    let mut line = doors.caller(&acme).call(address, own).await.unwrap();
    assert_eq!(line.get(&path).await.unwrap().status, 200);
    assert_eq!(
        line.get_of_host(&path, &format!("{own}:8443")).await.unwrap().status,
        200
    );
    let crossed = line.get_of_host(&path, NAME).await.unwrap();
    assert_eq!(crossed.status, 421, "{crossed:?}");
    assert!(crossed.body.contains("\"misdirected\""), "{crossed:?}");
    // Nobody showed a certificate here: another host is only another name.
    let mut open = TlsCaller::new(&doors.servers.pem()).call(address, own).await.unwrap();
    assert_eq!(open.get_of_host(&path, NAME).await.unwrap().status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_may_demand_a_certificate_and_a_connection_may_take_either() {
    let doors = Doors::new(Sqlite).await;
    let strict = "strict.example.test";
    doors
        .show(
            &doors.servers.server(&[strict]),
            json!({"client_certificates": "required"}),
        )
        .await;
    let (_, paper) = doors.issue("acme").await;
    let config = json!({"config": open(json!({"auth": "either"})), "basic": {"login": "qiwi", "password": "a password of qiwi"}});
    doors
        .stage
        .admin()
        .patch("/admin/v1/merchants/acme/connections/terminal", &config)
        .await;
    doors.answered(&doors.caller(&paper), "/in/acme/terminal", 200).await;
    let address = doors.stage.gateway.tls[0];
    let path = format!("/in/acme/terminal?{CHECK}");
    let nobody = TlsCaller::new(&doors.servers.pem());
    let said = soon("the name is served", async || {
        let said = nobody.get(address, strict, &path).await.unwrap_err();
        (!said.contains("UnrecognisedName")).then_some(said)
    });
    assert!(said.await.contains("CertificateRequired"));
    assert_eq!(
        doors.caller(&paper).get(address, strict, &path).await.unwrap().status,
        200
    );
    // Either: with a certificate no login, without one the login.
    doors.answered(&nobody, "/in/acme/terminal", 401).await;
    let kiosk = doors.stage.kiosk().with_login("qiwi", "a password of qiwi");
    assert_eq!(kiosk.check("2", "4957835959", "10.00").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_with_an_overlap_and_listed_with_their_use() {
    let doors = Doors::new(Sqlite).await;
    let (id, old) = doors.issue("acme").await;
    let renew = format!("{}/{id}/renew", Doors::path("acme"));
    let handout = doors
        .stage
        .admin()
        .post(&renew, &json!({"days": 5, "compatible": true}))
        .await;
    assert_eq!(handout["certificate"]["name"], json!("network"));
    assert_eq!(handout["certificate"]["days_left"], json!(4));
    assert_eq!(handout["file_name"], json!("acme-terminal.p12"));
    doors.answered(&doors.caller(&old), "/in/acme/terminal", 200).await;
    let listed = doors.stage.list("certificates").await;
    let ends: Vec<_> = listed.iter().map(|used| used["days_left"].as_i64().unwrap()).collect();
    assert_eq!(ends, [4, 89], "{listed:?}");
    assert_eq!(listed[0]["role"], json!("client"));
    assert_eq!(listed[0]["connection"], json!("terminal"));
    assert!(
        listed[0]["certificate"]["subject"]
            .as_str()
            .unwrap()
            .contains("acme/terminal")
    );
    assert_eq!(listed[0]["certificate"]["chain"].as_array().unwrap().len(), 1);
    let audit = doors.stage.list("audit").await;
    assert_eq!(
        audit
            .iter()
            .filter(|entry| entry["action"] == "client_certificate.add")
            .count(),
        2
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_soon_is_told_once_by_all_nodes_together(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [("TOLLGATE_CERTIFICATES__EXPIRY_CHECK_S", "1")];
    let stage = Stage::with_settings(backend, &settings).await;
    let _second = Gateway::start_with(&stage.database, &settings).await;
    let inspector = Inspector::start().await;
    stage.endpoint(&inspector, json!({})).await;
    for days in [1, 6, 13, 29, 90] {
        stage
            .admin()
            .post(&Doors::path("acme"), &json!({"name": format!("{days}"), "days": days}))
            .await;
    }
    let told = async || {
        let events = stage.list("events").await;
        let warnings = events.iter().filter(|event| event["type"] == "certificate.expiring");
        let mut told: Vec<_> = warnings
            .map(|event| {
                (
                    event["data"]["within_days"].as_i64().unwrap(),
                    event["data"]["name"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        told.sort();
        told
    };
    let expected: Vec<_> = [(1, "1"), (7, "6"), (14, "13"), (30, "29")]
        .map(|(days, name)| (days, name.to_owned()))
        .into();
    soon("all are told", async || (told().await.len() == 4).then_some(())).await;
    assert_eq!(told().await, expected);
    inspector.wait_for(4).await;
    // Both nodes look again, and more than once.
    let looks = Utc::now() + Duration::seconds(3);
    soon("the nodes looked again", async || (Utc::now() > looks).then_some(())).await;
    assert_eq!(told().await, expected);
}

#[rstest]
#[case(json!({"name": ""}), "name")]
#[case(json!({"name": "x", "days": 0}), "days")]
#[case(json!({"name": "x", "days": 826}), "days")]
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_issued_is_said(#[case] body: Value, #[case] field: &str) {
    let stage = Stage::new(Sqlite).await;
    let answer = stage
        .admin()
        .send(Method::POST, &Doors::path("acme"), Some(&body))
        .await;
    assert_eq!(
        (answer.status, &answer.body["field"]),
        (422, &json!(field)),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_twenty_certificates_in_force_at_most() {
    let stage = Stage::new(Sqlite).await;
    let trusted = format!("{}/trusted", Doors::path("acme"));
    // Such requests are limited in their rate; who is told to come again comes again.
    let trust = async |number: u32| {
        let body = json!({"name": "x", "sha256": format!("{number:064x}")});
        let asked = async || {
            let answer = stage.admin().send(Method::POST, &trusted, Some(&body)).await;
            (answer.status != 429).then_some(answer)
        };
        soon("it is answered", asked).await
    };
    for number in 0..20 {
        assert_eq!(trust(number).await.status, 201);
    }
    let answer = trust(20).await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (422, &json!("over_quota")),
        "{answer:?}"
    );
}
