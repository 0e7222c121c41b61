//! A plain HTTP client loop: posts a body of 1,200 bytes to a URL, again and again, and prints how many a second were
//! answered: `post URL CONNECTIONS SECONDS`. The same client library as the gateway's; nothing signed, nothing stored.

use std::time::{Duration, Instant};

const BODY_BYTES: usize = 1_200;

async fn drive(client: reqwest::Client, url: String, until: Instant) -> u64 {
    let mut sent = 0;
    while Instant::now() < until {
        let request = client.post(&url).header("content-type", "application/json");
        let answer = request.body("x".repeat(BODY_BYTES)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        sent += 1;
    }
    sent
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, connections, seconds] = arguments.as_slice() else {
        eprintln!("usage: post URL CONNECTIONS SECONDS");
        std::process::exit(2);
    };
    let connections: usize = connections.parse().expect("CONNECTIONS is a number");
    let length = Duration::from_secs_f64(seconds.parse().expect("SECONDS is a number"));
    let client = reqwest::Client::new();
    let until = Instant::now() + length;
    let clients = (0..connections).map(|_| tokio::spawn(drive(client.clone(), url.clone(), until)));
    let mut sent = 0;
    for client in clients.collect::<Vec<_>>() {
        sent += client.await.expect("no panic");
    }
    println!("{:.0}", sent as f64 / length.as_secs_f64());
}
