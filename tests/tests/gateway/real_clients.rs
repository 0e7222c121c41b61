//! The programs that operators try a listener with: what `openssl s_client` and `curl` print, and how they end. The table in
//! docs/tls.md is made of this.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chrono::Utc;
use e2e::Backend::Sqlite;
use e2e::{Authority, Paper, soon};
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::certificates::{CHECK, Doors, NAME};

/// A merchant's own name, and one under which nobody gets in without a certificate.
const OWN: &str = "acme.example.test";
const STRICT: &str = "strict.example.test";
/// A client that hangs has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Said {
    code: i32,
    /// What it printed, on both ways.
    text: String,
}

/// The files that clients are given.
struct Files {
    folder: tempfile::TempDir,
    port: u16,
}

impl Files {
    fn of(doors: &Doors) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("roots.pem"), doors.servers.pem()).unwrap();
        Self {
            folder,
            port: doors.stage.gateway.tls[0].port(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keep(&self, paper: Option<&Paper>) {
        if let Some(paper) = paper {
            std::fs::write(self.file("client.pem"), &paper.certificate).unwrap();
            std::fs::write(self.file("client.key"), &paper.key).unwrap();
        }
    }

    fn s_client(&self, name: &str, version: &str, paper: Option<&Paper>) -> Command {
        self.keep(paper);
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-quiet", "-nocommands", "-verify_return_error", "-CAfile"])
            .arg(self.file("roots.pem"))
            .args(["-connect", &format!("127.0.0.1:{}", self.port), "-servername", name])
            .arg(if version == "1.2" { "-tls1_2" } else { "-tls1_3" });
        if paper.is_some() {
            command.arg("-cert").arg(self.file("client.pem"));
            command.arg("-key").arg(self.file("client.key"));
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// One request by `openssl s_client`.
    async fn openssl(&self, name: &str, version: &str, paper: Option<&Paper>) -> Said {
        let mut child = self.s_client(name, version, paper).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Whoever is turned away may be gone before it is written.
        let _ = stdin.write_all(request(name, "close").as_bytes()).await;
        ended(child).await
    }

    /// The same by `curl`.
    async fn curl(&self, name: &str, version: &str, paper: Option<&Paper>) -> Said {
        self.keep(paper);
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--include", "--max-time", "30", "--cacert"])
            .arg(self.file("roots.pem"))
            .args(["--resolve", &format!("{name}:{}:127.0.0.1", self.port)])
            .args([&format!("--tlsv{version}"), "--tls-max", version]);
        if paper.is_some() {
            command.arg("--cert").arg(self.file("client.pem"));
            command.arg("--key").arg(self.file("client.key"));
        }
        command.arg(format!("https://{name}:{}/in/acme/terminal?{CHECK}", self.port));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        ended(command.kill_on_drop(true).spawn().unwrap()).await
    }
}

fn request(name: &str, connection: &str) -> String {
    format!("GET /in/acme/terminal?{CHECK} HTTP/1.1\r\nHost: {name}\r\nConnection: {connection}\r\n\r\n")
}

async fn ended(child: Child) -> Said {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("the client ends").unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Said {
        code: output.status.code().unwrap_or(-1),
        text: format!("{out}\n{errors}"),
    }
}

struct Who {
    what: &'static str,
    name: &'static str,
    paper: Option<Paper>,
    /// What both clients show: an answer's status, or words of an alert.
    words: &'static str,
    /// How curl ends when the handshake itself fails, which TLS 1.2 does and TLS 1.3 does not.
    curl: i32,
}

/// curl's "the peer closed": in TLS 1.3 the server objects after the client's part is done.
const CURL_RECEIVES_NOTHING: i32 = 56;
/// curl tells this one by its exit code alone.
const CURL_VERIFICATION_FAILED: i32 = 60;

impl Who {
    fn is_answered(&self) -> bool {
        self.words.starts_with("HTTP")
    }
}

/// Everybody who may come to this door, right and wrong.
async fn callers(doors: &Doors) -> Vec<Who> {
    let (_, right) = doors.issue("acme").await;
    let (_, others) = doors.issue("other").await;
    let (revoked_id, revoked) = doors.issue("acme").await;
    let own = Authority::new("authority of acme");
    let body = json!({"name": "own", "authority": own.pem()});
    let trusted = format!("{}/trusted", Doors::path("acme"));
    doors.stage.admin().post(&trusted, &body).await;
    let day = chrono::Duration::days(1);
    let expired = own.client_between("ended", Utc::now() - day * 9, Utc::now() - day);
    let stranger = Authority::new("authority of a stranger").client("stranger");
    doors.answered(&doors.caller(&revoked), "/in/acme/terminal", 200).await;
    doors.revoke("acme", &revoked_id).await;
    let said = doors.refused(&doors.caller(&revoked)).await;
    assert!(!said.is_empty());
    doors
        .answered(&doors.caller(&own.client("right")), "/in/acme/terminal", 200)
        .await;
    let who = |what, name, paper, words, curl| Who {
        what,
        name,
        paper,
        words,
        curl,
    };
    vec![
        who("right", NAME, Some(right), "HTTP/* 200", 0),
        who("none", NAME, None, "HTTP/* 403", 0),
        who("none where one is demanded", STRICT, None, "certificate required", 98),
        who(
            "expired",
            NAME,
            Some(expired),
            "certificate expired",
            CURL_VERIFICATION_FAILED,
        ),
        who("another merchant's", NAME, Some(others.clone()), "HTTP/* 403", 0),
        who(
            "another merchant's under a merchant's own name",
            OWN,
            Some(others),
            "unknown ca",
            35,
        ),
        who("revoked", NAME, Some(revoked), "certificate revoked", 35),
        who("of an unknown authority", NAME, Some(stranger), "unknown ca", 35),
    ]
}

async fn doors() -> Doors {
    let doors = Doors::new(Sqlite).await;
    doors
        .show(&doors.servers.server(&[OWN]), json!({"merchant": "acme"}))
        .await;
    let strict = json!({"client_certificates": "required"});
    doors.show(&doors.servers.server(&[STRICT]), strict).await;
    doors.reachable(&doors.stage.gateway, OWN).await;
    doors
}

/// What stands on one line of text, whatever HTTP it is.
fn has(said: &Said, words: &str) -> bool {
    match words.strip_prefix("HTTP/* ") {
        Some(status) => said
            .text
            .lines()
            .any(|line| line.starts_with("HTTP/") && line.contains(status)),
        None => said.text.to_lowercase().contains(words),
    }
}

#[rstest]
#[case("1.3")]
#[case("1.2")]
#[tokio::test(flavor = "multi_thread")]
async fn right_and_wrong_certificates(#[case] version: &str) {
    let doors = doors().await;
    let files = Files::of(&doors);
    for who in callers(&doors).await {
        let openssl = files.openssl(who.name, version, who.paper.as_ref()).await;
        let curl = files.curl(who.name, version, who.paper.as_ref()).await;
        println!("TLS {version}, {}:", who.what);
        for (program, said) in [("openssl", &openssl), ("curl", &curl)] {
            println!(
                "  {program} {}: {}",
                said.code,
                said.text.lines().last().unwrap_or_default()
            );
            let told = has(said, who.words) || said.code == CURL_VERIFICATION_FAILED;
            assert!(told, "{program}, TLS {version}, {}: {}", who.what, said.text);
        }
        let (by_openssl, by_curl) = match (who.is_answered(), version) {
            (true, _) => (0, 0),
            (false, "1.3") => (1, CURL_RECEIVES_NOTHING),
            (false, _) => (1, who.curl),
        };
        assert_eq!(
            (openssl.code, curl.code),
            (by_openssl, by_curl),
            "{}: {}",
            who.what,
            curl.text
        );
    }
}

/// Clients that do not believe us, and that call us by a name that is nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_believe_us() {
    let doors = doors().await;
    let files = Files::of(&doors);
    let nobodys = files.curl("unknown.example.test", "1.3", None).await;
    assert_eq!(
        (nobodys.code, has(&nobodys, "unrecognized name")),
        (35, true),
        "{}",
        nobodys.text
    );
    let nobodys = files.openssl("unknown.example.test", "1.3", None).await;
    assert_eq!(
        (nobodys.code, has(&nobodys, "unrecognized name")),
        (1, true),
        "{}",
        nobodys.text
    );
    std::fs::write(files.file("roots.pem"), Authority::new("another").pem()).unwrap();
    let curl = files.curl(NAME, "1.3", None).await;
    assert_eq!(curl.code, 60, "{}", curl.text);
    let openssl = files.openssl(NAME, "1.3", None).await;
    assert_eq!(
        (openssl.code, has(&openssl, "verify error")),
        (1, true),
        "{}",
        openssl.text
    );
}

/// `openssl s_client` with a certificate that is revoked while it is connected: its connection is closed, and it ends.
#[rstest]
#[case("1.3")]
#[case("1.2")]
#[tokio::test(flavor = "multi_thread")]
async fn revoked_while_connected(#[case] version: &str) {
    let doors = doors().await;
    let files = Files::of(&doors);
    let (id, paper) = doors.issue("acme").await;
    doors.answered(&doors.caller(&paper), "/in/acme/terminal", 200).await;
    let mut child = files.s_client(NAME, version, Some(&paper)).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(request(NAME, "keep-alive").as_bytes()).await.unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut answer = String::new();
    soon("it is answered", async || {
        let mut chunk = [0; 4096];
        let read = tokio::time::timeout(Duration::from_millis(100), stdout.read(&mut chunk)).await;
        if let Ok(Ok(count)) = read {
            answer.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
        answer.contains("</response>").then_some(())
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    doors.revoke("acme", &id).await;
    // Nothing is sent: the gateway hangs up, and the client sees the end.
    let said = ended(child).await;
    assert_eq!(said.code, 0, "{}", said.text);
    drop(stdin);
    let again = files.openssl(NAME, version, Some(&paper)).await;
    assert!(has(&again, "certificate revoked"), "{}", again.text);
    assert_eq!(again.code, 1);
}
