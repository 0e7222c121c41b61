//! The real binary, as a process of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::{Admin, Kiosk, TestDatabase};

pub const BOOTSTRAP_TOKEN: &str = "bootstrap-token-of-the-tests";
pub const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// A debug build on a busy machine, with all migrations ahead.
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(40);

pub struct Gateway {
    variables: BTreeMap<String, String>,
    folder: TempDir,
    running: Option<Running>,
    pub public: SocketAddr,
    /// Listeners with TLS.
    pub tls: Vec<SocketAddr>,
    pub admin_address: SocketAddr,
}

struct Running {
    child: Child,
    /// Kept open, so that the gateway can always print.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Gateway {
    pub async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, &[]).await
    }

    /// With further settings, as environment variables.
    pub async fn start_with(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let mut variables = settings_of(database.url());
        variables.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Self::start_from(variables).await
    }

    /// With these variables and no others.
    pub async fn start_from(variables: BTreeMap<String, String>) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let folder = tempfile::Builder::new().prefix("tollgate-node-").tempdir().unwrap();
        let mut gateway = Self {
            variables,
            folder,
            running: None,
            public: nowhere,
            tls: Vec::new(),
            admin_address: nowhere,
        };
        gateway.launch().await;
        // So that a restart is found where the gateway was before.
        gateway
            .variables
            .insert("TOLLGATE_PUBLIC__LISTEN".to_owned(), gateway.public.to_string());
        gateway
            .variables
            .insert("TOLLGATE_ADMIN__LISTEN".to_owned(), gateway.admin_address.to_string());
        gateway
    }

    async fn launch(&mut self) {
        if !self.try_launch().await {
            panic!("the gateway did not start:\n{}", self.log())
        }
    }

    async fn try_launch(&mut self) -> bool {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut child = Command::new(binary())
            .arg("serve")
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = tokio::time::timeout(START_DEADLINE, read_addresses(&mut lines)).await;
        let Ok(Some((public, tls, admin))) = told else {
            let _ = child.kill().await;
            return false;
        };
        (self.public, self.tls, self.admin_address) = (public, tls, admin);
        self.running = Some(Running { child, _stdout: lines });
        true
    }

    #[must_use]
    pub fn kiosk(&self, merchant: &str, connection: &str) -> Kiosk {
        Kiosk::new(self.public, &format!("/in/{merchant}/{connection}"))
    }

    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.admin_address, BOOTSTRAP_TOKEN)
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        let id = self
            .running
            .as_ref()
            .and_then(|running| running.child.id())
            .expect("a running gateway");
        Pid::from_raw(i32::try_from(id).unwrap())
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
    }

    /// Waits until it ended by itself; fails the test when that was not in good order.
    pub async fn wait_for_end(&mut self) {
        let mut running = self.running.take().expect("a running gateway");
        let ended = tokio::time::timeout(STOP_DEADLINE, running.child.wait()).await;
        let status = ended.expect("the gateway ends in time").unwrap();
        assert!(status.success(), "the gateway ended with {status}");
    }

    pub async fn stop(&mut self) {
        self.terminate();
        self.wait_for_end().await;
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        kill(self.pid(), Signal::SIGKILL).unwrap();
        let mut running = self.running.take().expect("a running gateway");
        running.child.wait().await.unwrap();
    }

    /// Starts on the same database and ports.
    pub async fn start_again(&mut self) {
        assert!(self.running.is_none(), "the gateway still runs");
        self.launch().await;
    }

    /// The same, when it may be that it cannot.
    pub async fn try_start_again(&mut self) -> bool {
        assert!(self.running.is_none(), "the gateway still runs");
        self.try_launch().await
    }

    /// Whether it was started and not ended by the test.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Everything that it logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("stderr.log")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(20_000).map_or(0, |(at, _)| at);
            eprintln!("--- log of the gateway at {} ---\n{}", self.public, &log[tail..]);
        }
    }
}

type Addresses = (SocketAddr, Vec<SocketAddr>, SocketAddr);

async fn read_addresses(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Addresses> {
    let (mut public, mut tls, mut admin) = (None, Vec::new(), None);
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["listening", "public", address] => public = address.parse().ok(),
            ["listening", "tls", address] => tls.extend(address.parse::<SocketAddr>().ok()),
            ["listening", "admin", address] => admin = address.parse().ok(),
            _ => {}
        }
        if let Some((public, admin)) = public.zip(admin) {
            return Some((public, tls, admin));
        }
    }
    None
}

/// What a gateway of the tests is started with.
#[must_use]
pub fn settings_of(database_url: &str) -> BTreeMap<String, String> {
    [
        ("TOLLGATE_DATABASE__URL", database_url),
        ("TOLLGATE_MASTER_KEY", MASTER_KEY),
        ("TOLLGATE_ADMIN__BOOTSTRAP_TOKEN", BOOTSTRAP_TOKEN),
        ("TOLLGATE_PUBLIC__LISTEN", "127.0.0.1:0"),
        ("TOLLGATE_ADMIN__LISTEN", "127.0.0.1:0"),
        ("TOLLGATE_LOG__FORMAT", "json"),
        ("TOLLGATE_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8"),
        // Tests bring more than one network may, from one address, on machines that are behind by nature. Those of the
        // guards set their own.
        ("TOLLGATE_LIMITS__MERCHANT_RATES", ""),
        ("TOLLGATE_LIMITS__CONNECTION_IN_FLIGHT", "500"),
        ("TOLLGATE_LIMITS__CONNECTION_SOCKETS", "500"),
        ("TOLLGATE_LIMITS__MERCHANT_IN_FLIGHT", "500"),
        ("TOLLGATE_LIMITS__KEY_IN_FLIGHT", "500"),
        ("TOLLGATE_LIMITS__KEY_RATES", ""),
        ("TOLLGATE_LIMITS__STRANGER_RATES", ""),
        ("TOLLGATE_LIMITS__LOG_IN_RATES", ""),
        ("TOLLGATE_LIMITS__KEY_CREATION_RATES", ""),
        ("TOLLGATE_LIMITS__CERTIFICATE_ISSUE_RATES", ""),
        ("TOLLGATE_LIMITS__PKCS12_IMPORT_RATES", ""),
        ("TOLLGATE_LIMITS__WAIT_MS", "5000"),
        ("TOLLGATE_SHEDDING__DELAY_MS", "5000"),
        ("TOLLGATE_SHEDDING__AFTER_MS", "60000"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// The binary, run for one command.
pub struct Cli {
    variables: BTreeMap<String, String>,
}

impl Cli {
    #[must_use]
    pub fn new(variables: BTreeMap<String, String>) -> Self {
        Self { variables }
    }

    #[must_use]
    pub fn on(database: &TestDatabase) -> Self {
        Self::new(settings_of(database.url()))
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new(binary())
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        tokio::time::timeout(START_DEADLINE, command)
            .await
            .expect("the command ends")
            .unwrap()
    }

    /// What a command that succeeds prints.
    pub async fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tollgate {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command prints that reads from its input.
    pub async fn feed(&self, arguments: &[&str], input: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let ended = tokio::time::timeout(START_DEADLINE, child.wait_with_output()).await;
        let output = ended.expect("the command ends").unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tollgate {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails complains of.
    pub async fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "tollgate {arguments:?} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Beside the test's own executable, where cargo puts both.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("tollgate"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map(|target| Path::new(&target).join("debug/tollgate"));
    let found = beside.chain(target).find(|path| path.is_file());
    found.expect("the binary `tollgate`; build it with `cargo build --workspace --bins`")
}
