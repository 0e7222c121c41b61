//! Whatever arrives is answered or refused, and the node goes on serving.

use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::Kiosk;
use e2e::kiosk::{check, pay};
use rstest::rstest;

use crate::stage::Stage;

const KNOWN: &str = "4957835959";
const BODY_BYTES: usize = 20 * 1024 * 1024;
/// What remains of a request that turns out not to be HTTP while its handler waits for something: neither is an answer
/// that a network could take for one.
const CLOSED: &str = "closed without an answer";
/// Short limits, so that slowness shows soon.
const QUICK: [(&str, &str); 2] = [
    ("TOLLGATE_PUBLIC__HEAD_TIMEOUT_MS", "1000"),
    ("TOLLGATE_PUBLIC__BODY_TIMEOUT_MS", "1000"),
];
const SLOWNESS_IS_REFUSED: Duration = Duration::from_secs(10);

async fn assert_serves(stage: &Stage, after: &str) {
    let answer = stage.kiosk().check("999999", KNOWN, "1.00").await;
    assert_eq!((answer.status, answer.result()), (200, 0), "after: {after}");
}

/// Raw bytes in; the status line out.
async fn status_of(kiosk: &Kiosk, bytes: &[u8]) -> String {
    let mut wire = kiosk.connect().await;
    wire.write(bytes).await;
    wire.read_answer().await.lines().next().unwrap_or(CLOSED).to_owned()
}

fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{method} {target} HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

#[rstest]
#[tokio::test]
async fn what_is_http_but_not_a_payment_is_answered_by_code(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    // As many as fit into a body that is not too large.
    let many: String = (0..10_000).map(|n| format!("{n:x}=&")).collect();
    let table = [
        ("no command", "txn_id=1&account=1&sum=1.00&ccy=RUB".to_owned(), 300),
        ("nothing at all", String::new(), 300),
        (
            "unknown command",
            "command=cancel&txn_id=1&account=1&sum=1.00&ccy=RUB".to_owned(),
            300,
        ),
        (
            "doubled parameter",
            "command=check&txn_id=1&txn_id=2&account=1&sum=1.00&ccy=RUB".to_owned(),
            300,
        ),
        (
            "account not UTF-8",
            "command=check&txn_id=1&account=%C8%E2%E0%ED&sum=1.00&ccy=RUB".to_owned(),
            4,
        ),
        (
            "broken escape",
            "command=check&txn_id=1&account=%4&sum=1.00&ccy=R%zzB".to_owned(),
            300,
        ),
        (
            "empty account",
            "command=check&txn_id=1&account=&sum=1.00&ccy=RUB".to_owned(),
            4,
        ),
        (
            "account of spaces",
            "command=check&txn_id=1&account=+++&sum=1.00&ccy=RUB".to_owned(),
            4,
        ),
        (
            "endless account",
            format!("command=check&txn_id=1&account={}&sum=1.00&ccy=RUB", "1".repeat(201)),
            4,
        ),
        (
            "endless sum",
            format!("command=check&txn_id=1&account=1&sum={}.00&ccy=RUB", "9".repeat(40)),
            300,
        ),
        (
            "unknown currency",
            "command=check&txn_id=1&account=1&sum=1.00&ccy=XXX".to_owned(),
            300,
        ),
    ];
    for (what, query, code) in &table {
        let got = kiosk.get_raw(query).await;
        assert_eq!((got.status, got.result()), (200, *code), "{what}, by GET");
        let posted = kiosk.post_raw("", query.clone().into_bytes()).await;
        assert_eq!((posted.status, posted.result()), (200, *code), "{what}, by POST");
    }
    let crowded = kiosk
        .post_raw(
            "",
            format!("{many}command=check&txn_id=1&account=1&sum=1.00&ccy=RUB").into_bytes(),
        )
        .await;
    assert_eq!((crowded.status, crowded.result()), (200, 300), "10,000 parameters");
    assert_serves(&stage, "the table").await;
    assert_eq!(stage.count("payments").await, 0);
}

#[rstest]
#[tokio::test]
async fn the_body_wins_over_the_query(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let body = b"command=check&txn_id=2&account=1&sum=1.00&ccy=RUB".to_vec();
    let answer = stage.kiosk().post_raw("command=pay&txn_id=1&sum=9.00", body).await;
    assert_eq!(
        (answer.result(), answer.tag("osmp_txn_id"), answer.tag("prv_txn")),
        (0, Some("2"), None)
    );
}

#[rstest]
#[tokio::test]
async fn nul_and_control_characters_do_no_harm(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    for (n, odd) in [
        "a%00b",
        "%01%02%0A%0D",
        "%EF%BF%BF%F0%9F%98%80",
        "%27%3B--",
        "]]%3E%3C!--",
    ]
    .iter()
    .enumerate()
    {
        let query =
            format!("command=pay&txn_id={n}&txn_date=20230615143000&account={odd}&sum=1.00&ccy=RUB&data1={odd}");
        let answer = kiosk.get_raw(&query).await;
        assert!([0, 4, 31, 300].contains(&answer.result()), "{odd}: {answer:?}");
        assert_eq!(kiosk.get_raw(&query).await.body, answer.body, "the repeat of {odd}");
    }
    assert_serves(&stage, "odd characters").await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_http_is_refused(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let target = "/in/acme/terminal";
    let chunked = "content-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n";
    let both = format!("{chunked}content-length: 5\r\n");
    let crowd: String = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let table: [(&str, Vec<u8>, &[&str]); 8] = [
        (
            "chunked garbage",
            request("POST", target, chunked, b"this is no chunk\r\n"),
            &["400", CLOSED],
        ),
        (
            "huge chunk",
            request("POST", target, chunked, b"FFFFFFFFFFFFFFFFFF\r\nx"),
            &["400", CLOSED],
        ),
        (
            "length and chunks",
            request("POST", target, &both, b"0\r\n\r\n"),
            &["400"],
        ),
        (
            "two lengths",
            request("POST", target, "content-length: 5\r\ncontent-length: 6\r\n", b"hello!"),
            &["400"],
        ),
        (
            "NUL in the request line",
            b"GET /in/acme/term\0inal HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
            &["400"],
        ),
        (
            "not HTTP at all",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec(),
            &["400"],
        ),
        (
            "huge URI",
            request("GET", &format!("{target}?account={}", "1".repeat(300_000)), "", b""),
            &["400", "414", "431"],
        ),
        ("1,000 headers", request("GET", target, &crowd, b""), &["400", "431"]),
    ];
    for (what, bytes, expected) in table {
        let line = status_of(&kiosk, &bytes).await;
        assert!(expected.iter().any(|status| line.contains(status)), "{what}: {line}");
        assert_serves(&stage, what).await;
    }
}

#[rstest]
#[case("PUT")]
#[case("DELETE")]
#[case("HEAD")]
#[case("OPTIONS")]
#[case("TRACE")]
#[tokio::test]
async fn other_methods_are_told_which_are_served(#[case] method: &str) {
    let stage = Stage::new(Sqlite).await;
    let mut wire = stage.kiosk().connect().await;
    let query = "command=pay&txn_id=1&txn_date=20230615143000&account=1&sum=1.00&ccy=RUB";
    wire.write(&request(
        method,
        &format!("/in/acme/terminal?{query}"),
        "connection: close\r\n",
        b"",
    ))
    .await;
    let answer = wire.read_to_end(SLOWNESS_IS_REFUSED).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("allow: get, post"), "{answer}");
    assert_eq!(stage.count("payments").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_huge_body_is_refused_before_it_is_read(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let head = format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {BODY_BYTES}\r\n");
    let mut wire = kiosk.connect().await;
    wire.write(&request("POST", "/in/acme/terminal", &head, &vec![b'a'; 200_000]))
        .await;
    let answer = wire.read_answer().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // The same without telling its length first.
    let chunk = [b"10000\r\n".as_slice(), &vec![b'a'; 65_536], b"\r\n"].concat();
    let mut wire = kiosk.connect().await;
    wire.write(&request(
        "POST",
        "/in/acme/terminal",
        "transfer-encoding: chunked\r\n",
        b"",
    ))
    .await;
    for _ in 0..BODY_BYTES / 65_536 {
        if !wire.write(&chunk).await {
            break;
        }
    }
    let answer = wire.read_answer().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_serves(&stage, "20 MB").await;
}

#[rstest]
#[tokio::test]
async fn slowness_is_refused(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &QUICK).await;
    let kiosk = stage.kiosk();
    let mut slow_head = kiosk.connect().await;
    slow_head
        .write(b"GET /in/acme/terminal?command=check HTTP/1.1\r\nhost: gate")
        .await;
    let mut silent = kiosk.connect().await;
    let mut slow_body = kiosk.connect().await;
    let head = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n";
    slow_body
        .write(&request("POST", "/in/acme/terminal", head, b"command=check"))
        .await;
    assert_serves(&stage, "three that dawdle").await;

    let answer = slow_head
        .read_to_end(SLOWNESS_IS_REFUSED)
        .await
        .expect("the slow head's connection ends");
    assert!(answer.starts_with("HTTP/1.1 408"), "slow head: {answer}");
    let answer = slow_body.read_answer().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "slow body: {answer}");
    silent
        .read_to_end(SLOWNESS_IS_REFUSED)
        .await
        .expect("a connection that says nothing ends");
    assert_serves(&stage, "slowness").await;
}

/// A caller that goes away in the middle of a pay may have paid; it asks again and is told the same.
#[rstest]
#[tokio::test]
async fn who_hangs_up_is_answered_the_next_time(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    for n in 0..20 {
        let target =
            format!("/in/acme/terminal?command=pay&txn_id={n}&txn_date=20230615143000&account=1&sum=1.00&ccy=RUB");
        let mut wire = kiosk.connect().await;
        wire.write(&request("GET", &target, "", b"")).await;
    }
    for n in 0..20 {
        assert_eq!(kiosk.pay(&n.to_string(), "1", "1.00").await.result(), 0);
    }
    assert_eq!(stage.count("payments").await, 20);
}

#[rstest]
#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_answered_in_order(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let mut wire = kiosk.connect().await;
    let line = |n: u32, last: &str| {
        let query = format!("command=check&txn_id={n}&account=1&sum=1.00&ccy=RUB");
        request("GET", &format!("/in/acme/terminal?{query}"), last, b"")
    };
    wire.write(&[line(1, ""), line(2, ""), line(3, "connection: close\r\n")].concat())
        .await;
    let answers = wire.read_to_end(SLOWNESS_IS_REFUSED).await.unwrap();
    let echoes: Vec<&str> = answers.split("<osmp_txn_id>").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(echoes, ["1", "2", "3"]);
    // What the kiosk sends and what is sent here are one and the same.
    assert_eq!(kiosk.get(&check("4", "1", "1.00")).await.result(), 0);
    assert_eq!(kiosk.get(&pay("4", "1", "1.00")).await.result(), 0);
}
