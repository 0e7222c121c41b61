//! A private PostgreSQL on a free loopback port.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

use crate::ports;
use crate::watchdog::Watched;

/// Names the server that a whole run of tests shares: `postgres://user@host:port`.
pub const SHARED_SERVER_VARIABLE: &str = "TOLLGATE_TEST_POSTGRES";
const SUPERUSER: &str = "tollgate";
/// A child of a server that died ends by itself within this, or is ended.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
const START_DEADLINE: Duration = Duration::from_secs(30);

pub struct PostgresServer {
    directory: PathBuf,
    programs: PathBuf,
    port: u16,
    running: Option<Watched>,
}

/// Base URL of the server of this run; without one, of a server of this process's own.
pub fn shared() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var(SHARED_SERVER_VARIABLE).unwrap_or_else(|_| own_server().base_url()))
}

/// Lives as long as the process: a static is never dropped, so the watchdog ends it.
fn own_server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(PostgresServer::start)
}

impl PostgresServer {
    /// A fresh server that forgets its data when it is dropped.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(&std::env::temp_dir())
    }

    /// The same with its data in a folder of this one, which everybody may enter.
    #[must_use]
    pub fn start_in(parent: &Path) -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new()
            .prefix("tollgate-postgres-")
            .tempdir_in(parent)
            .unwrap()
            .keep();
        if let Some(user) = unprivileged() {
            chown(&directory, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let made = as_unprivileged(Command::new(programs.join("initdb")).current_dir(&directory))
            .args([
                "--username",
                SUPERUSER,
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--no-sync",
            ])
            .arg("--pgdata")
            .arg(directory.join("data"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut server = Self {
            directory,
            programs,
            port: ports::free(),
            running: None,
        };
        server.start_again();
        server
    }

    /// Starts on the same data and port.
    pub fn start_again(&mut self) {
        let mut command = Watched::command(&self.directory, &self.programs.join("postgres"));
        as_unprivileged(command.current_dir(&self.directory))
            .arg("-D")
            .arg(self.directory.join("data"))
            .args(["-p", &self.port.to_string(), "-k", ""])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "max_connections=200",
                "-c",
                "fsync=off",
            ])
            .args(["-c", "full_page_writes=off", "-c", "shared_buffers=64MB"]);
        self.running = Some(Watched::start(&mut command));
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let end = Instant::now() + START_DEADLINE;
        while !self.is_ready() {
            let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "PostgreSQL did not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it takes connections.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let asked = Command::new(self.programs.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .status();
        match asked {
            Ok(status) => status.success(),
            // Not every packaging has it.
            Err(_) => TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port))).is_ok(),
        }
    }

    /// `postgres://user@host:port`, to which a database's name is added.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it was started and not ended by the test.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends at once and keeps the data: what a crash of the database leaves.
    pub fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        // Held first, so that it makes no further children meanwhile.
        kill(running.server, Signal::SIGSTOP).unwrap();
        let children = children_of(running.server);
        kill(running.server, Signal::SIGKILL).unwrap();
        running.leave_data();
        // The children notice by themselves, unless they were frozen before or are deep in their work. Until the last is
        // gone, the data cannot be opened again.
        let to_all = |signal| {
            let ours = children.iter().filter(|child| is_postgres(**child));
            ours.for_each(|child| {
                let _ = kill(*child, signal);
            });
        };
        to_all(Signal::SIGCONT);
        let started = Instant::now();
        while children.iter().any(|child| is_running(*child)) {
            assert!(started.elapsed() < START_DEADLINE, "PostgreSQL's processes did not end");
            if started.elapsed() > NOTICED_WITHIN {
                to_all(Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Holds every process of the server, so that it neither answers nor refuses.
    pub fn freeze(&self) {
        self.signal_all(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    fn signal_all(&self, signal: Signal) {
        let server = self.running.as_ref().unwrap().server;
        // The parent first, so that it makes no further children meanwhile.
        kill(server, signal).unwrap();
        for child in children_of(server) {
            let _ = kill(child, signal);
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // A frozen process ends no sooner than it is thawed.
        for child in children_of(running.server) {
            let _ = kill(child, Signal::SIGCONT);
        }
        running.end();
    }
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid.map(Pid::from_raw) else { continue };
        if state_and_parent(pid).is_some_and(|(_, its_parent)| its_parent == parent.to_string()) {
            children.push(pid);
        }
    }
    children
}

/// A process that ended and was not yet asked how is no longer running.
/// Its number may be another program's by now.
fn is_postgres(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "postgres")
}

fn is_running(pid: Pid) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != "Z")
}

fn state_and_parent(pid: Pid) -> Option<(String, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent …`; the name may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// PostgreSQL refuses to run as root.
fn unprivileged() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let user = ["postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).unwrap());
    Some(user.expect("a user that PostgreSQL can run as: postgres or nobody"))
}

fn as_unprivileged(command: &mut Command) -> &mut Command {
    match unprivileged() {
        Some(user) => command.uid(user.uid.as_raw()).gid(user.gid.as_raw()),
        None => command,
    }
}

/// The folder of `initdb` and `postgres`: the newest Debian one, or one of `PATH`.
fn programs() -> PathBuf {
    let whole = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(|folder| whole(folder)) {
        return folder;
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| whole(folder))
        .collect();
    found.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    found
        .pop()
        .expect("PostgreSQL is not installed; `make test` installs it")
}
