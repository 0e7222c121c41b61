//! Sends checks at a constant rate, whatever the answers do, and times each from the moment when it was due:
//! `pace PORT PATH RATE CONNECTIONS SECONDS`. Prints one line of JSON.
//!
//! One thread for each connection, which sleeps between its turns: it takes almost nothing of the cores that the
//! gateway under test runs on, and the kernel wakes it within some 60 µs.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// An answer that takes longer ends the measurement.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for all threads to connect before the first request is due.
const HEAD_START: Duration = Duration::from_millis(300);

struct Load {
    port: u16,
    path: String,
    rate: f64,
    connections: u32,
    seconds: f64,
}

#[derive(Default)]
struct Told {
    delays: Vec<Duration>,
    failed: usize,
    sample: String,
}

fn argument<T: FromStr>(arguments: &mut impl Iterator<Item = String>) -> io::Result<T> {
    let value = arguments.next().and_then(|argument| argument.parse().ok());
    value.ok_or_else(|| io::Error::other("usage: pace PORT PATH RATE CONNECTIONS SECONDS"))
}

fn load() -> io::Result<Load> {
    let mut arguments = std::env::args().skip(1);
    Ok(Load {
        port: argument(&mut arguments)?,
        path: argument(&mut arguments)?,
        rate: argument(&mut arguments)?,
        connections: argument(&mut arguments)?,
        seconds: argument(&mut arguments)?,
    })
}

fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> io::Result<String> {
    let txn_id = rand::random_range(10_u64.pow(17)..10_u64.pow(18));
    let request = format!(
        "GET {path}?command=check&txn_id={txn_id}&account=42&sum=10.00&ccy=RUB HTTP/1.1\r\nHost: bench\r\n\r\n"
    );
    stream.get_mut().write_all(request.as_bytes())?;
    let mut size = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            size = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; size];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Takes each of the moments that are this connection's: the `number`th, and every `connections`th after it.
fn drive(load: &Load, number: u32, start: Instant) -> io::Result<Told> {
    let stream = TcpStream::connect(("127.0.0.1", load.port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut stream = BufReader::new(stream);
    let mut told = Told::default();
    let mut turn = f64::from(number);
    while turn / load.rate < load.seconds {
        let due = start + Duration::from_secs_f64(turn / load.rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let body = ask(&mut stream, &load.path)?;
        told.delays.push(due.elapsed());
        if !body.contains("<result>0</result>") {
            told.failed += 1;
            told.sample = body.chars().take(300).collect();
        }
        turn += f64::from(load.connections);
    }
    Ok(told)
}

fn milliseconds(delays: &[Duration], part: f64) -> f64 {
    // Fewer than 2⁵³ requests, and a share of them: exact enough.
    let at = (delays.len() as f64 * part) as usize;
    let delay = delays.get(at.min(delays.len().saturating_sub(1)));
    delay.map_or(0.0, |delay| 1_000.0 * delay.as_secs_f64())
}

fn main() -> io::Result<()> {
    let load = load()?;
    let start = Instant::now() + HEAD_START;
    let told: Vec<Told> = std::thread::scope(|scope| {
        let load = &load;
        let threads: Vec<_> = (0..load.connections)
            .map(|number| scope.spawn(move || drive(load, number, start)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        ended.collect::<io::Result<_>>()
    })?;
    let mut delays: Vec<Duration> = told.iter().flat_map(|one| one.delays.iter().copied()).collect();
    delays.sort_unstable();
    let sample = told.iter().find(|one| one.failed > 0).map_or("", |one| &one.sample);
    let report = serde_json::json!({
        "sent": delays.len(), "failed": told.iter().map(|one| one.failed).sum::<usize>(), "sample": sample,
        "p50": milliseconds(&delays, 0.5), "p99": milliseconds(&delays, 0.99),
        "p999": milliseconds(&delays, 0.999), "most": milliseconds(&delays, 1.0),
    });
    println!("{report}");
    Ok(())
}
