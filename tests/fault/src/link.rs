//! A way between two processes, whose weather can be changed at any moment.

mod postgres;
mod requests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::plan::Weather;
use requests::Requests;

const CHUNK_BYTES: usize = 16 * 1024;
/// A copy of a request arrives up to this later.
const REPEATED_WITHIN_MS: u64 = 1_500;

/// What is understood of what goes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    Http,
    Postgres,
    Other,
}

/// Forwards TCP connections to one of its servers, in turn.
pub struct Link {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    speech: Speech,
    servers: Mutex<(Vec<SocketAddr>, usize)>,
    weather: Mutex<Weather>,
    chance: Mutex<StdRng>,
    /// Counts the cuts: whoever was connected before is not any more.
    cuts: watch::Sender<u64>,
}

impl Link {
    pub async fn open(speech: Speech, chance: StdRng) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            speech,
            servers: Mutex::default(),
            weather: Mutex::new(Weather::Clear),
            chance: Mutex::new(chance),
            cuts: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where it leads from now on.
    pub fn lead_to(&self, servers: Vec<SocketAddr>) {
        *lock(&self.shared.servers) = (servers, 0);
    }

    pub fn set(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
        if weather == Weather::Cut {
            self.shared.cuts.send_modify(|cuts| *cuts += 1);
        }
    }

    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Shared {
    fn weather(&self) -> Weather {
        *lock(&self.weather)
    }

    fn percent(&self, percent: u32) -> bool {
        lock(&self.chance).random_range(0..100) < percent
    }

    fn up_to_ms(&self, most: u64) -> Duration {
        Duration::from_millis(lock(&self.chance).random_range(0..=most))
    }

    fn next_server(&self) -> Option<SocketAddr> {
        let (servers, turn) = &mut *lock(&self.servers);
        *turn += 1;
        servers.get(*turn % servers.len().max(1)).copied()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if shared.weather() == Weather::Cut {
            reset(client);
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { forward(client, &shared).await });
    }
}

/// Closes as a peer does that died.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn forward(client: TcpStream, shared: &Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let Some(address) = shared.next_server() else {
        return reset(client);
    };
    let Ok(server) = TcpStream::connect(address).await else {
        return reset(client);
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((asked, to_client), (answered, to_server)) = (client.into_split(), server.into_split());
    let end = tokio::select! {
        end = ask(asked, to_server, shared, address) => end,
        end = answer(answered, to_client, shared) => end,
        _ = cuts.changed() => End::Reset,
    };
    if end == End::HalfOpen {
        // Nobody is told; who has patience waits until it is over.
        let _ = cuts.changed().await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    HalfOpen,
}

/// The way there.
async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Arc<Shared>, server: SocketAddr) -> End {
    let mut requests = Requests::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut lost = false;
    loop {
        let length = match from.read(&mut chunk).await {
            Ok(0) => return End::Closed,
            Err(_) => return End::Reset,
            Ok(length) => length,
        };
        let bytes = &chunk[..length];
        let whole = match shared.speech {
            Speech::Http => requests.take(bytes),
            Speech::Postgres | Speech::Other => Vec::new(),
        };
        match shared.weather() {
            Weather::Mute => lost = true,
            Weather::Late(most) => {
                let most = u64::try_from(most.as_millis()).unwrap();
                tokio::time::sleep(shared.up_to_ms(most)).await;
            }
            Weather::Repeats(percent) => {
                for request in whole {
                    if shared.percent(percent) {
                        tokio::spawn(repeat(request, server, shared.up_to_ms(REPEATED_WITHIN_MS)));
                    }
                }
            }
            Weather::LosesCommits(percent) if postgres::asks_to_commit(bytes) && shared.percent(percent / 2) => {
                // Whether the server still hears it is a coin's word.
                if shared.percent(50) {
                    let _ = to.write_all(bytes).await;
                }
                return End::Reset;
            }
            _ => {}
        }
        // A stream that lost a byte would be nonsense from there on.
        if !lost && to.write_all(bytes).await.is_err() {
            return End::Reset;
        }
    }
}

/// The way back.
async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Arc<Shared>) -> End {
    let mut words = postgres::Words::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut lost = false;
    loop {
        let length = match from.read(&mut chunk).await {
            Ok(0) => return End::Closed,
            Err(_) => return End::Reset,
            Ok(length) => length,
        };
        let bytes = &chunk[..length];
        let commits = shared.speech == Speech::Postgres && words.tell_of_commit(bytes);
        match shared.weather() {
            Weather::Deaf => lost = true,
            Weather::Late(most) => {
                let most = u64::try_from(most.as_millis()).unwrap();
                tokio::time::sleep(shared.up_to_ms(most)).await;
            }
            Weather::LosesCommits(percent) if commits && shared.percent(percent) => {
                return if shared.percent(30) { End::HalfOpen } else { End::Reset };
            }
            _ => {}
        }
        if !lost && to.write_all(bytes).await.is_err() {
            return End::Reset;
        }
    }
}

/// The request once more, on a connection of its own; nobody hears the answer.
async fn repeat(request: Vec<u8>, server: SocketAddr, later: Duration) {
    const PATIENCE: Duration = Duration::from_secs(10);
    tokio::time::sleep(later).await;
    let Ok(mut stream) = TcpStream::connect(server).await else {
        return;
    };
    if stream.write_all(&request).await.is_ok() {
        let mut answer = [0; 1_024];
        let _ = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
    }
}
