//! A private Redis on a free loopback port, which a test may hurt.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::ports;
use crate::watchdog::Watched;

const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a server that works takes to answer at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

pub struct RedisServer {
    directory: PathBuf,
    port: u16,
    running: Option<Watched>,
}

impl RedisServer {
    /// An empty server that is gone when it is dropped. It writes nothing to disk.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("tollgate-redis-").tempdir().unwrap();
        let mut server = Self {
            directory: directory.keep(),
            port: ports::free(),
            running: None,
        };
        server.start_again();
        server
    }

    /// A port where no Redis listens yet.
    #[must_use]
    pub fn absent() -> Self {
        let directory = tempfile::Builder::new().prefix("tollgate-redis-").tempdir().unwrap();
        Self {
            directory: directory.keep(),
            port: ports::free(),
            running: None,
        }
    }

    /// Starts on the same port, empty.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "Redis still runs");
        let mut command = Watched::command(&self.directory, Path::new("redis-server"));
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&self.directory);
        self.running = Some(Watched::start(&mut command));
        let end = Instant::now() + START_DEADLINE;
        while self.try_ask("PING").is_none() {
            let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(
                Instant::now() < end,
                "Redis did not start (`make test` installs it): {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server answers to a command that is written in one line, as it comes over the wire.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).expect("Redis answers")
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).ok()?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        // The server answers everything before it closes.
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer);
        Some(answer.strip_suffix("+OK\r\n")?.to_owned())
    }

    /// Whether it was started and not ended by the test.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends at once and forgets everything.
    pub fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        kill(running.server, Signal::SIGKILL).unwrap();
        running.leave_data();
    }

    /// Holds the server, so that it neither answers nor refuses.
    pub fn freeze(&self) {
        kill(self.running.as_ref().unwrap().server, Signal::SIGSTOP).unwrap();
    }

    pub fn thaw(&self) {
        kill(self.running.as_ref().unwrap().server, Signal::SIGCONT).unwrap();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        match self.running.take() {
            Some(running) => {
                // It has nothing to write, and need not say good-bye to its clients.
                let _ = kill(running.server, Signal::SIGKILL);
                running.end();
            }
            None => drop(std::fs::remove_dir_all(&self.directory)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_dies_and_returns_empty() {
        let mut server = RedisServer::start();
        assert_eq!(server.ask("SET a 1"), "+OK\r\n");
        server.freeze();
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        stream.write_all(b"GET a\r\n").unwrap();
        assert!(stream.read(&mut [0]).is_err(), "a held server answered");
        server.thaw();
        assert_eq!(server.ask("GET a"), "$1\r\n1\r\n");
        server.crash();
        assert!(TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).is_err());
        server.start_again();
        assert_eq!(server.ask("GET a"), "$-1\r\n");
    }
}
