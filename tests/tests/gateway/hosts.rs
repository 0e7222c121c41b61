//! `/payment` by the name of a host: who is meant, and that being meant proves nothing.

use std::net::SocketAddr;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, TestDatabase, TlsCaller, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::certificates::{CHECK, Doors, NAME};
use crate::stage::{Stage, open};

const OWN: &str = "acme.example.test";
const HOST: &str = "/admin/v1/merchants/acme/connections/terminal/host";

/// What a caller of the plain listener is answered who asks for this host.
async fn ask(address: SocketAddr, host: &str) -> (u16, String) {
    let url = format!("http://{address}/payment?{CHECK}");
    let answer = reqwest::Client::new()
        .get(url)
        .header("host", host)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn two_merchants(backend: Backend) -> Stage {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let other = json!({"slug": "other", "name": "Other"});
    admin.post("/admin/v1/merchants", &other).await;
    let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    admin.post("/admin/v1/merchants/other/connections", &connection).await;
    stage
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_host_means_one_connection(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = two_merchants(backend).await;
    let (admin, public) = (stage.admin(), stage.gateway.public);
    assert_eq!(ask(public, OWN).await.0, 404);
    let view = admin.put(HOST, &json!({"host": "Acme.Example.Test"})).await;
    assert_eq!(view["host"], json!(OWN));
    admin
        .put(
            "/admin/v1/merchants/other/connections/terminal/host",
            &json!({"host": "other.example.test"}),
        )
        .await;
    for (host, merchant) in [(OWN, "acme"), ("OTHER.example.test:8443", "other")] {
        soon("the host is known", async || {
            let (status, body) = ask(public, host).await;
            (status == 200 && body.contains("<result>0</result>")).then_some(())
        })
        .await;
        soon("the exchange is the merchant's", async || {
            let exchanges = admin.get(&format!("/admin/v1/merchants/{merchant}/exchanges")).await;
            (!exchanges["data"].as_array().unwrap().is_empty()).then_some(())
        })
        .await;
    }
    for host in ["nobody.example.test", "x.acme.example.test", "127.0.0.1", "-"] {
        assert_eq!(ask(public, host).await.0, 404, "{host}");
    }
    // It is a name, and no key: whose subnets do not hold the address, or who wants a login, still does.
    stage.set_config(json!({"subnets": ["79.142.16.0/20"]})).await;
    soon("the subnets", async || (ask(public, OWN).await.0 == 403).then_some(())).await;

    admin.delete("/admin/v1/merchants/other").await;
    soon("who is gone is meant no more", async || {
        (ask(public, "other.example.test").await.0 == 404).then_some(())
    })
    .await;
    // The name is free again, and the command line does the same.
    let cli = Cli::on(&stage.database);
    cli.print(&["connection", "host", "acme", "terminal", "other.example.test"])
        .await;
    soon("the new host", async || {
        (ask(public, "other.example.test").await.0 == 403).then_some(())
    })
    .await;
    cli.print(&["connection", "host", "acme", "terminal", "--remove"]).await;
    soon("no host", async || {
        (ask(public, "other.example.test").await.0 == 404).then_some(())
    })
    .await;
    let trail = stage.list("audit").await;
    assert!(trail.iter().any(|entry| entry["action"] == "hosts.change"), "{trail:?}");
}

#[tokio::test]
async fn a_wrong_host_is_refused() {
    let stage = two_merchants(Sqlite).await;
    let admin = stage.admin();
    for wrong in ["", "*.example.test", "127.0.0.1", "a b", "пай.рф"] {
        let refused = admin.send(Method::PUT, HOST, Some(&json!({"host": wrong}))).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("host")),
            "{refused:?}"
        );
    }
    admin.put(HOST, &json!({"host": OWN})).await;
    let theirs = "/admin/v1/merchants/other/connections/terminal/host";
    let taken = admin.send(Method::PUT, theirs, Some(&json!({"host": OWN}))).await;
    assert_eq!(taken.status, 409, "{taken:?}");
}

/// Over TLS the name of the handshake is the host: under it the client's certificate was asked for.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_handshake_names_the_host(#[values(Sqlite, Postgres)] backend: Backend) {
    let doors = Doors::on(TestDatabase::new(backend).await).await;
    let paper = doors.servers.server(&[OWN]);
    doors.show(&paper, json!({"merchant": "acme"})).await;
    doors.reachable(&doors.stage.gateway, OWN).await;
    doors.stage.admin().put(HOST, &json!({"host": OWN})).await;
    let (_, acme) = doors.issue("acme").await;
    let (_, other) = doors.issue("other").await;
    let address = doors.stage.gateway.tls[0];
    let path = format!("/payment?{CHECK}");
    let caller = doors.caller(&acme);
    soon("the certificate of who is meant opens", async || {
        let answer = caller.get(address, OWN, &path).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    let nobody = TlsCaller::new(&doors.servers.pem());
    let bare = nobody.get(address, OWN, &path).await.unwrap();
    assert_eq!(bare.status, 403, "a name alone opens nothing: {bare:?}");
    // The host of the one, and the handshake of the other.
    for (handshake, host) in [(OWN, NAME), (NAME, OWN)] {
        let mut line = nobody.call(address, handshake).await.unwrap();
        let crossed = line.get_of_host(&path, host).await.unwrap();
        assert_eq!(crossed.status, 421, "{handshake} {host}: {crossed:?}");
        assert!(crossed.body.contains("\"misdirected\""), "{crossed:?}");
    }
    // Where the host means nobody, the certificate still does.
    doors.answered(&doors.caller(&other), "/payment", 200).await;
    // Another merchant cannot be called by acme's own name.
    let theirs = "/admin/v1/merchants/other/connections/terminal/host";
    let admin = doors.stage.admin();
    admin.put(HOST, &json!({"host": null})).await;
    let refused = admin.send(Method::PUT, theirs, Some(&json!({"host": OWN}))).await;
    assert_eq!(refused.status, 422, "{refused:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_login_still_counts_where_the_host_means_nobody(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = two_merchants(backend).await;
    let admin = stage.admin();
    let basic = json!({"config": open(json!({"auth": "basic"})), "basic": {"login": "qiwi", "password": "secret"}});
    admin
        .patch("/admin/v1/merchants/acme/connections/terminal", &basic)
        .await;
    let theirs = "/admin/v1/merchants/other/connections/terminal/host";
    admin.put(theirs, &json!({"host": "other.example.test"})).await;
    let url = format!("http://{}/payment?{CHECK}", stage.gateway.public);
    let client = reqwest::Client::new();
    let asked = async |host: &str| {
        let request = client.get(&url).header("host", host).basic_auth("qiwi", Some("secret"));
        request.send().await.unwrap().status().as_u16()
    };
    soon("the login", async || {
        (asked("pay.example.test").await == 200).then_some(())
    })
    .await;
    // Its connection asks for no login: the host alone says who is meant, whatever else is shown.
    soon("the host", async || {
        (asked("other.example.test").await == 200).then_some(())
    })
    .await;
    soon("the exchange is theirs", async || {
        let exchanges = admin.get("/admin/v1/merchants/other/exchanges").await;
        (!exchanges["data"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
}
