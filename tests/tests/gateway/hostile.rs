//! Callers that mean harm: endless heads and bodies, smuggled requests, a crowd that says nothing. What they cost is
//! bounded, and everybody else is served.

use std::time::Duration;

use e2e::Backend::Sqlite;
use e2e::{Authority, Gateway, Kiosk, TlsCaller, soon};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::Stage;

/// An endless body is; wide, for busy machines.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(30);
/// The gateway's own files, and room for the test's.
const FILES_ELSEWHERE: u64 = 500;
/// More than a connection that says nothing may cost, in bytes.
const IDLE_BYTES_MAX: u64 = 32 * 1024;
/// The same of one that stops in its handshake.
const HANDSHAKE_BYTES_MAX: u64 = 64 * 1024;
const NAME: &str = "pay.example.test";

async fn assert_serves(stage: &Stage, after: &str) {
    let answer = stage.kiosk().check("999999", "42", "1.00").await;
    assert_eq!((answer.status, answer.result()), (200, 0), "after: {after}");
}

/// Resident memory of the gateway, in bytes.
fn memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib * 1024
}

fn post(headers: &str) -> Vec<u8> {
    let form = "content-type: application/x-www-form-urlencoded";
    format!("POST /in/acme/terminal HTTP/1.1\r\nhost: gateway\r\n{form}\r\n{headers}\r\n").into_bytes()
}

/// The status line of what comes back first.
async fn status_of(kiosk: &Kiosk, bytes: &[u8]) -> String {
    let mut wire = kiosk.connect().await;
    wire.write(bytes).await;
    wire.read_answer().await.lines().next().unwrap_or_default().to_owned()
}

/// Two readings of where a request ends: neither is served.
#[rstest]
#[case::length_and_chunks(
    "content-length: 4\r\ntransfer-encoding: chunked\r\n",
    "1e\r\nGET /smuggled HTTP/1.1\r\n\r\n0\r\n\r\n"
)]
#[case::chunks_and_length(
    "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
)]
#[case::two_lengths("content-length: 4\r\ncontent-length: 30\r\n", "abcdGET /smuggled HTTP/1.1\r\n\r\n")]
#[case::a_list_of_lengths("content-length: 4, 30\r\n", "abcdGET /smuggled HTTP/1.1\r\n\r\n")]
#[case::a_signed_length("content-length: +4\r\n", "abcdGET /smuggled HTTP/1.1\r\n\r\n")]
#[case::a_folded_header("x-fold: a\r\n transfer-encoding: chunked\r\ncontent-length: 4\r\n", "abcd")]
#[case::a_space_before_the_colon("transfer-encoding : chunked\r\ncontent-length: 4\r\n", "abcd")]
#[case::an_unknown_encoding("transfer-encoding: xchunked\r\n", "abcd")]
#[case::chunked_twice("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n")]
#[tokio::test]
async fn a_request_that_ends_in_two_places_is_refused(#[case] headers: &str, #[case] body: &str) {
    let stage = Stage::new(Sqlite).await;
    let mut wire = stage.kiosk().connect().await;
    wire.write(&[post(headers), body.as_bytes().to_vec()].concat()).await;
    let answers = wire
        .read_to_end(Duration::from_secs(20))
        .await
        .expect("the connection ends");
    assert!(answers.starts_with("HTTP/1.1 400"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    assert_serves(&stage, headers).await;
}

#[tokio::test]
async fn a_head_of_100_000_bytes_is_refused() {
    let stage = Stage::new(Sqlite).await;
    let kiosk = stage.kiosk();
    let before = memory(&stage.gateway);
    for _ in 0..50 {
        let head = post(&format!("x-long: {}\r\n", "a".repeat(100_000)));
        let line = status_of(&kiosk, &head).await;
        assert!(["400", "431"].iter().any(|status| line.contains(status)), "{line}");
        let many: String = (0..10_000).map(|n| format!("x{n}: 1\r\n")).collect();
        let line = status_of(&kiosk, &post(&many)).await;
        assert!(["400", "431"].iter().any(|status| line.contains(status)), "{line}");
    }
    let grown = memory(&stage.gateway).saturating_sub(before);
    println!("100 heads of 100,000 bytes: {} KiB more", grown / 1024);
    assert!(grown < 64 << 20, "{grown} bytes");
    assert_serves(&stage, "long heads").await;
}

/// It is cut off after the bytes that a body may have, and never held in memory. A caller who sends on is not listened to
/// for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_of_a_gigabyte_is_cut_off() {
    let stage = Stage::new(Sqlite).await;
    let before = memory(&stage.gateway);
    let chunk = [b"10000\r\n".as_slice(), &[b'a'; 65_536], b"\r\n"].concat();
    for path in ["/in/acme/terminal", "/v1/payments"] {
        let mut stream = TcpStream::connect(stage.gateway.public).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut sent = 0;
        let started = std::time::Instant::now();
        while started.elapsed() < CUT_OFF_WITHIN {
            let written = tokio::time::timeout(Duration::from_secs(60), stream.write_all(&chunk)).await;
            if !matches!(written, Ok(Ok(()))) {
                break;
            }
            sent += chunk.len();
        }
        assert!(
            started.elapsed() < CUT_OFF_WITHIN,
            "{path} still takes after {sent} bytes"
        );
    }
    let grown = memory(&stage.gateway).saturating_sub(before);
    println!("endless bodies: {} KiB more", grown / 1024);
    assert!(grown < 64 << 20, "{grown} bytes");
    assert_serves(&stage, "endless bodies").await;
}

/// One byte at a time, in the head or in the body: cut off in time, however many there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_sends_slowly_is_cut_off() {
    let settings = [
        ("TOLLGATE_PUBLIC__HEAD_TIMEOUT_MS", "1000"),
        ("TOLLGATE_PUBLIC__BODY_TIMEOUT_MS", "1000"),
    ];
    let stage = Stage::with_settings(Sqlite, &settings).await;
    let mut slow = Vec::new();
    for n in 0..400 {
        let start = if n % 2 == 0 {
            b"GET /in/acme/terminal HTTP/1.1\r\nhost: ".to_vec()
        } else {
            post("content-length: 1000\r\n")
        };
        let address = stage.gateway.public;
        slow.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&start).await.unwrap();
            for _ in 0..600 {
                if stream.write_all(b"a").await.is_err() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        }));
    }
    // Who holds no seat keeps nobody from one, even where a connection has few.
    assert_serves(&stage, "while 400 dawdle").await;
    for slow in slow {
        assert!(slow.await.unwrap(), "one was not cut off");
    }
    assert_serves(&stage, "400 that dawdled").await;
}

/// JSON is read to a depth, and no deeper.
#[tokio::test]
async fn deep_json_is_refused() {
    let stage = Stage::new(Sqlite).await;
    let made = serde_json::json!({"name": "shop", "scopes": ["*"]});
    let made = stage.admin().post("/admin/v1/merchants/acme/api_keys", &made).await;
    let shop = e2e::Admin::new(stage.gateway.public, made["key"].as_str().unwrap());
    let deep = format!("{{\"amount\": {}{}}}", "[".repeat(30_000), "]".repeat(30_000)).into_bytes();
    for (client, path) in [
        (&shop, "/v1/webhook_endpoints"),
        (&stage.admin(), "/admin/v1/merchants"),
    ] {
        let refused = client.send_json_bytes(reqwest::Method::POST, path, deep.clone()).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
    }
    assert_serves(&stage, "deep JSON").await;
}

/// As many as this machine lets us open, 10,000 at most.
fn as_many_as_this_machine_opens() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    hard.saturating_sub(FILES_ELSEWHERE).min(10_000)
}

/// Each costs the gateway little.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_cost_little() {
    let count = as_many_as_this_machine_opens();
    let stage = Stage::with_settings(Sqlite, &[("TOLLGATE_LIMITS__PEER_SOCKETS", "20000")]).await;
    assert_serves(&stage, "nothing").await;
    let before = memory(&stage.gateway);
    let mut idle = Vec::new();
    for _ in 0..count {
        idle.push(TcpStream::connect(stage.gateway.public).await.unwrap());
    }
    soon("the gateway has taken them all", async || {
        let metrics = stage.admin().get("/metrics").await;
        let line = metrics
            .as_str()
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix("tollgate_sockets_open "));
        (line?.parse::<u64>().unwrap() >= count.min(9_000)).then_some(())
    })
    .await;
    let grown = memory(&stage.gateway).saturating_sub(before);
    println!(
        "{count} idle connections: {} KiB more, {} bytes each",
        grown / 1024,
        grown / count.max(1)
    );
    assert_serves(&stage, "10,000 that say nothing").await;
    assert!(grown / count.max(1) < IDLE_BYTES_MAX, "{grown} bytes for {count}");
}

/// Half of them stop in the middle of their hello, the others when the gateway has done its part and waits for theirs. Neither
/// keeps anybody from a handshake.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_handshakes_that_stop_keep_nobody_out() {
    let count = as_many_as_this_machine_opens();
    let settings = [
        ("TOLLGATE_LIMITS__PEER_SOCKETS", "20000"),
        ("TOLLGATE_PUBLIC__TLS_LISTEN", "127.0.0.1:0"),
        // They would be cut before all have come, on a busy machine.
        ("TOLLGATE_PUBLIC__HANDSHAKE_TIMEOUT_MS", "600000"),
    ];
    let stage = Stage::with_settings(Sqlite, &settings).await;
    let servers = Authority::new("authority of servers");
    let paper = servers.server(&[NAME]);
    let body = serde_json::json!({"pem": paper.both()});
    stage.admin().post("/admin/v1/certificates/server", &body).await;
    let caller = TlsCaller::new(&servers.pem());
    let address = stage.gateway.tls[0];
    soon("the name is served", async || caller.call(address, NAME).await.ok()).await;
    let before = memory(&stage.gateway);
    let hello = e2e::tls::hello(NAME);
    let mut stopped = Vec::new();
    for n in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let sent = if n % 2 == 0 {
            &hello[..hello.len() / 2]
        } else {
            &hello[..]
        };
        stream.write_all(sent).await.unwrap();
        stopped.push(stream);
    }
    // The gateway's part is done when it has answered.
    for stream in stopped.iter_mut().skip(1).step_by(2) {
        let answered = tokio::time::timeout(CUT_OFF_WITHIN, stream.read_u8()).await;
        answered.expect("the hello is answered").unwrap();
    }
    let grown = memory(&stage.gateway).saturating_sub(before);
    println!(
        "{count} handshakes that stop: {} KiB more, {} bytes each",
        grown / 1024,
        grown / count.max(1)
    );
    let path = "/in/acme/terminal?command=check&txn_id=1&account=42&sum=1.00&ccy=RUB";
    for _ in 0..20 {
        let answer = caller.get(address, NAME, path).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_serves(&stage, "10,000 handshakes that stop").await;
    assert!(grown / count.max(1) < HANDSHAKE_BYTES_MAX, "{grown} bytes for {count}");
}

/// One address has so many connections and no more; a refused one costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_opens_so_many_connections() {
    let stage = Stage::with_settings(Sqlite, &[("TOLLGATE_LIMITS__PEER_SOCKETS", "20")]).await;
    let mut open = Vec::new();
    soon("the address has all it may have", async || {
        open.push(stage.kiosk().connect().await);
        let metrics = stage.admin().get("/metrics").await;
        metrics
            .as_str()
            .unwrap()
            .contains("guard=\"sockets_peer\"")
            .then_some(())
    })
    .await;
    open.clear();
    soon("there is room again", async || {
        let mut wire = stage.kiosk().connect().await;
        wire.write(b"GET /nowhere HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
        wire.read_answer().await.starts_with("HTTP/1.1 404").then_some(())
    })
    .await;
}

/// Nothing that is sent here as XML is read as XML, so nothing in it is expanded.
#[tokio::test]
async fn entities_are_never_expanded() {
    let stage = Stage::new(Sqlite).await;
    let before = memory(&stage.gateway);
    let levels: String = (1..10)
        .map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10)))
        .collect();
    let bomb = format!("<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY e0 \"boom\">{levels}]><r>&e9;</r>");
    let file = "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>&x;</r>";
    for xml in [bomb.as_str(), file] {
        let head = format!(
            "POST /in/acme/terminal HTTP/1.1\r\nhost: gateway\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
            xml.len()
        );
        let mut wire = stage.kiosk().connect().await;
        wire.write(&[head.as_bytes(), xml.as_bytes()].concat()).await;
        let answer = wire.read_answer().await;
        assert!(
            answer.contains("<result>300</result>") && !answer.contains("root:"),
            "{answer}"
        );
    }
    let grown = memory(&stage.gateway).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    assert_serves(&stage, "entity bombs").await;
}
