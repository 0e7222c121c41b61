//! TLS on the public listeners: names, protocols, handshakes that take too long, and certificates that change.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use e2e::Backend::{Postgres, Sqlite};
use e2e::{Authority, Backend, Paper, TestDatabase, TlsCaller, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::stage::Stage;

const NAME: &str = "pay.example.test";
const CHECK: &str = "/in/acme/terminal?command=check&txn_id=1&account=4957835959&sum=10.00&ccy=RUB";

async fn stage_with(backend: Backend, settings: &[(&str, &str)]) -> Stage {
    let mut all = vec![("TOLLGATE_PUBLIC__TLS_LISTEN", "127.0.0.1:0, 127.0.0.1:0")];
    all.extend_from_slice(settings);
    Stage::on(TestDatabase::new(backend).await, json!({}), &all).await
}

async fn show(stage: &Stage, paper: &Paper) -> Value {
    let body = json!({"pem": paper.both()});
    stage.admin().post("/admin/v1/certificates/server", &body).await
}

/// Waits until a name is served with this certificate.
async fn served(stage: &Stage, servers: &Authority, name: &str, paper: &Paper) {
    let caller = TlsCaller::new(&servers.pem());
    soon("the certificate is shown", async || {
        let line = caller.call(stage.gateway.tls[0], name).await.ok()?;
        (line.certificate() == paper.der).then_some(())
    })
    .await;
}

async fn curl(stage: &Stage, roots: &Path, further: &[&str]) -> Output {
    let address = stage.gateway.tls[0];
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30", "--cacert"])
        .arg(roots)
        .args(["--resolve", &format!("{NAME}:{}:127.0.0.1", address.port())])
        .args(further)
        .arg(format!("https://{NAME}:{}{CHECK}", address.port()))
        .output()
        .await
        .unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn each_name_has_its_certificate_and_an_unknown_one_has_none(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = stage_with(backend, &[]).await;
    let servers = Authority::new("authority of servers");
    let (first, second) = (servers.server(&[NAME]), servers.server(&["*.wild.example.test"]));
    show(&stage, &first).await;
    show(&stage, &second).await;
    served(&stage, &servers, NAME, &first).await;
    served(&stage, &servers, "a.wild.example.test", &second).await;
    let caller = TlsCaller::new(&servers.pem());
    for address in &stage.gateway.tls {
        let answer = caller.get(*address, NAME, CHECK).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("<result>0</result>"), "{answer:?}");
        let said = caller.call(*address, "unknown.example.test").await.err().unwrap();
        assert!(said.contains("UnrecognisedName"), "{said}");
    }
    // OpenSSL, as a caller that asks for no name.
    let address = stage.gateway.tls[0].to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-noservername", "-connect", &address])
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("unrecognized name"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_speaks_every_version_of_both() {
    let stage = stage_with(Sqlite, &[("TOLLGATE_PUBLIC__TLS_DEFAULT_NAME", NAME)]).await;
    let servers = Authority::new("authority of servers");
    let paper = servers.server(&[NAME]);
    show(&stage, &paper).await;
    served(&stage, &servers, NAME, &paper).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, servers.pem()).unwrap();
    for (protocol, http) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for (least, most) in [("--tlsv1.2", "1.2"), ("--tlsv1.3", "1.3")] {
            let output = curl(
                &stage,
                &roots,
                &[protocol, least, "--tls-max", most, "--write-out", "\n%{http_version}"],
            )
            .await;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                said.contains("<result>0</result>") && said.ends_with(&format!("\n{http}")),
                "{said} {errors}"
            );
        }
    }
    let old = curl(&stage, &roots, &["--tlsv1.0", "--tls-max", "1.1"]).await;
    assert!(!old.status.success());
    // Nobody's name is asked for: the settings say which one is meant.
    let address = stage.gateway.tls[0].to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-noservername", "-connect", &address])
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("CN = {NAME}")));
}

/// New connections and old ones, while the certificate changes again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_rotated_under_load_without_a_failed_request() {
    let stage = stage_with(Sqlite, &[]).await;
    let servers = Authority::new("authority of servers");
    let first = servers.server(&[NAME]);
    show(&stage, &first).await;
    served(&stage, &servers, NAME, &first).await;
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let address = stage.gateway.tls[0];
    let callers: Vec<_> = (0..4)
        .map(|number| {
            let (done, asked) = (Arc::clone(&done), Arc::clone(&asked));
            let caller = TlsCaller::new(&servers.pem());
            tokio::spawn(async move {
                let mut kept = caller.call(address, NAME).await.unwrap();
                while !done.load(Ordering::Relaxed) {
                    // Half of them keep one connection through all changes.
                    let answer = match number % 2 {
                        0 => kept.get(CHECK).await,
                        _ => caller.get(address, NAME, CHECK).await,
                    };
                    assert_eq!(answer.unwrap().status, 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut newest = show(&stage, &first).await;
    for _ in 0..4 {
        let paper = servers.server(&[NAME]);
        let before = newest;
        newest = show(&stage, &paper).await;
        served(&stage, &servers, NAME, &paper).await;
        let path = format!("/admin/v1/certificates/server/{}", before["id"].as_str().unwrap());
        stage.admin().delete(&path).await;
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) > 20, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_is_cut() {
    let stage = stage_with(Sqlite, &[("TOLLGATE_PUBLIC__HANDSHAKE_TIMEOUT_MS", "1000")]).await;
    // The beginning of a hello, and then a byte now and then.
    let mut slow = TcpStream::connect(stage.gateway.tls[0]).await.unwrap();
    slow.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    let mut byte = [0; 1];
    let closed = async {
        loop {
            match tokio::time::timeout(Duration::from_millis(200), slow.read(&mut byte)).await {
                Ok(_) => return,
                Err(_) => {
                    if slow.write_all(&[1]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed)
        .await
        .expect("it is cut");
    let metrics = reqwest::get(format!("http://{}/metrics", stage.gateway.admin_address))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("tollgate_handshakes_total{outcome=\"timeout\"} 1"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_files_are_taken_over_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Authority::new("authority of servers");
    let (first, second) = (servers.server(&[NAME]), servers.server(&[NAME]));
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let write = |paper: &Paper| {
        std::fs::write(&chain, &paper.certificate).unwrap();
        std::fs::write(&key, &paper.key).unwrap();
    };
    write(&first);
    let files = format!("{}+{}", chain.display(), key.display());
    let stage = stage_with(Sqlite, &[("TOLLGATE_PUBLIC__CERTIFICATE_FILES", &files)]).await;
    served(&stage, &servers, NAME, &first).await;
    write(&second);
    served(&stage, &servers, NAME, &second).await;
    // What stands in the database counts more.
    let third = servers.server(&[NAME]);
    show(&stage, &third).await;
    served(&stage, &servers, NAME, &third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_is_refused_with_the_reason() {
    let stage = stage_with(Sqlite, &[]).await;
    let servers = Authority::new("authority of servers");
    let (paper, other) = (servers.server(&[NAME]), servers.server(&[NAME]));
    let ended = servers.server_until(&[NAME], chrono::Utc::now() - chrono::Duration::hours(1));
    for (body, words) in [
        (json!({"pem": "nothing"}), "not a certificate in PEM"),
        (json!({"pem": paper.certificate}), "no private key"),
        (
            json!({"pem": format!("{}{}", paper.certificate, other.key)}),
            "do not belong together",
        ),
        (
            json!({"pem": format!("{}{}", paper.both(), other.key)}),
            "several private keys",
        ),
        (json!({"pem": ended.both()}), "ended at"),
        (
            json!({"pem": paper.both(), "names": ["other.example.test"]}),
            "does not have the name",
        ),
        (json!({"pem": servers.server(&["127.0.0.1"]).both()}), "names of hosts"),
    ] {
        let answer = stage
            .admin()
            .send(Method::POST, "/admin/v1/certificates/server", Some(&body))
            .await;
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(answer.status == 422 && detail.contains(words), "{words}: {answer:?}");
    }
    show(&stage, &paper).await;
    let body = json!({"pem": paper.both(), "merchant": "acme"});
    let answer = stage
        .admin()
        .send(Method::POST, "/admin/v1/certificates/server", Some(&body))
        .await;
    assert!(
        answer.body["detail"].as_str().unwrap().contains("somebody else"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_with_ourselves_is_tried_and_told() {
    let stage = stage_with(Sqlite, &[]).await;
    let servers = Authority::new("authority of servers");
    let paper = servers.server(&[NAME]);
    show(&stage, &paper).await;
    served(&stage, &servers, NAME, &paper).await;
    let path = "/admin/v1/certificates/test-handshake";
    let told = stage.admin().post(path, &json!({"name": NAME})).await;
    assert_eq!(told["established"], json!(true), "{told}");
    assert_eq!(told["protocol"], json!("TLSv1_3"), "{told}");
    assert_eq!(told["application"], json!("h2"), "{told}");
    assert_eq!(told["wants_certificate"], json!(true), "{told}");
    assert_eq!(told["certificate"]["names"], json!([NAME]), "{told}");
    // The system does not know our authority.
    assert_eq!(told["trusted"], json!(false), "{told}");
    assert!(told["distrust"].as_str().unwrap().contains("UnknownIssuer"), "{told}");
    let told = stage.admin().post(path, &json!({"name": "unknown.example.test"})).await;
    assert!(
        told["reason"].as_str().unwrap().contains("nothing under this name"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_says_who_calls_and_a_stranger_does_not_get_in() {
    let proxied = [
        ("TOLLGATE_PUBLIC__PROXY_PROTOCOL", "true"),
        ("TOLLGATE_PUBLIC__TRUSTED_PROXIES", "127.0.0.1/32"),
    ];
    let stage = stage_with(Sqlite, &proxied).await;
    stage.set_config(json!({"subnets": ["79.142.16.0/20"]})).await;
    let servers = Authority::new("authority of servers");
    let ask = async |from: Option<[u8; 4]>| {
        let mut stream = TcpStream::connect(stage.gateway.public).await.unwrap();
        if let Some(from) = from {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
            header.extend_from_slice(&from);
            header.extend_from_slice(&[127, 0, 0, 1, 0x13, 0x88, 0x1f, 0x90]);
            stream.write_all(&header).await.unwrap();
        }
        let request = format!("GET {CHECK} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(request.as_bytes()).await;
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    };
    soon("the network's address counts", async || {
        ask(Some([79, 142, 16, 7])).await.contains("<result>").then_some(())
    })
    .await;
    assert!(ask(Some([9, 9, 9, 9])).await.contains("forbidden_address"));
    assert_eq!(ask(None).await, "", "without a header there is no connection");
    drop(servers);
    let strange = [("TOLLGATE_PUBLIC__PROXY_PROTOCOL", "true")];
    let stage = stage_with(Sqlite, &strange).await;
    let mut stream = TcpStream::connect(stage.gateway.public).await.unwrap();
    let _ = stream.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00").await;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    assert_eq!(text, "", "nobody is trusted here");
}

#[rstest]
#[case("forwarded", "for=79.142.16.7;proto=https", 200)]
#[case("x-forwarded-for", "79.142.16.7", 403)]
#[tokio::test(flavor = "multi_thread")]
async fn the_proxys_own_header_counts_and_the_other_is_a_strangers(
    #[case] header: &str,
    #[case] value: &str,
    #[case] status: u16,
) {
    let settings = [
        ("TOLLGATE_PUBLIC__FORWARDED_HEADER", "forwarded"),
        ("TOLLGATE_PUBLIC__TRUSTED_PROXIES", "127.0.0.1/32"),
    ];
    let stage = stage_with(Sqlite, &settings).await;
    stage.set_config(json!({"subnets": ["79.142.16.0/20"]})).await;
    let client = reqwest::Client::new();
    let url = format!("http://{}{CHECK}", stage.gateway.public);
    soon("the address counts", async || {
        let answer = client.get(&url).header(header, value).send().await.unwrap();
        (answer.status().as_u16() == status).then_some(())
    })
    .await;
}
