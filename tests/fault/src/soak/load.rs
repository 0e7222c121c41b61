//! Terminals that check and pay at a constant rate, and an endpoint that takes every webhook and forgets it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::link::Requests;
use crate::wire;

const CLIENTS: usize = 32;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What was called, and how it was answered.
#[derive(Default)]
pub struct Counts {
    next: AtomicU64,
    pub answered: AtomicU64,
    /// Neither "credited" nor "come again", or nothing at all.
    pub failed: AtomicU64,
    pub later: AtomicU64,
    pub hooks: AtomicU64,
}

/// Calls the nodes in turn until then; `rate` a second together, or as fast as they answer.
pub async fn call(urls: &[String], until: Instant, rate: Option<f64>, counts: &Arc<Counts>) {
    let mut clients = JoinSet::new();
    let started = Instant::now();
    let first = counts.next.load(Ordering::Relaxed);
    for client in 0..CLIENTS {
        let (counts, url) = (Arc::clone(counts), urls[client % urls.len()].clone());
        clients.spawn(async move {
            let http = wire::client();
            while Instant::now() < until {
                let number = counts.next.fetch_add(1, Ordering::Relaxed);
                if let Some(rate) = rate {
                    let due = started + Duration::from_secs_f64((number - first) as f64 / rate);
                    tokio::time::sleep_until(due.into()).await;
                }
                one(&http, &url, number, &counts).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

/// Every second call is a pay.
async fn one(http: &reqwest::Client, url: &str, number: u64, counts: &Counts) {
    let command = if number.is_multiple_of(2) { "check" } else { "pay" };
    let query = format!(
        "command={command}&txn_id={}&txn_date=20260615143000&account=4957835959&ccy=RUB&sum=10.45",
        number / 2 + 1
    );
    let heard = wire::send(http.get(format!("{url}?{query}"))).await;
    let count = match heard.as_ref().map(|heard| heard.body.as_str()) {
        Some(body) if body.contains("<result>0</result>") => &counts.answered,
        Some(body) if body.contains("<result>1</result>") || body.contains("<result>90</result>") => &counts.later,
        _ => &counts.failed,
    };
    count.fetch_add(1, Ordering::Relaxed);
}

/// Takes everything.
pub async fn endpoint(counts: &Arc<Counts>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::clone(counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, Arc::clone(&counts)));
        }
    });
    address
}

async fn take(mut stream: TcpStream, counts: Arc<Counts>) {
    let (mut requests, mut chunk) = (Requests::default(), vec![0; 16 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        for _ in requests.take(&chunk[..length]) {
            counts.hooks.fetch_add(1, Ordering::Relaxed);
            if stream.write_all(OK).await.is_err() {
                return;
            }
        }
    }
}
