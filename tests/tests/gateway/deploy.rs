//! What lies in `deploy/`, as far as it can be tried without the machines it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::Backend::Postgres;
use e2e::gateway::{BOOTSTRAP_TOKEN, MASTER_KEY};
use e2e::{Cli, RedisServer, TestDatabase, soon};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use regex::Regex;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Variables with our prefix that are not settings.
const NOT_SETTINGS: [&str; 1] = ["TOLLGATE_SETTINGS"];
/// Whom the container runs as.
const CONTAINER_USER: u32 = 10_001;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap()
}

/// `public.listen` and the like, from what `tollgate settings` prints.
async fn settings(database: &TestDatabase) -> BTreeSet<String> {
    let printed = Cli::on(database).print(&["settings"]).await;
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in printed.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with('#')) {
            keys.insert(format!("{section}{key}"));
        }
    }
    keys
}

#[tokio::test]
async fn every_variable_is_a_setting() {
    let database = TestDatabase::new(Postgres).await;
    let settings = settings(&database).await;
    let variable = Regex::new("TOLLGATE_[A-Z0-9_]+").unwrap();
    for file in ["Containerfile", "compose.yaml", "kubernetes.yaml", "tollgate.service"] {
        let text = text(file);
        let names: BTreeSet<_> = variable.find_iter(&text).map(|found| found.as_str()).collect();
        assert!(!names.is_empty(), "{file}");
        for name in names.into_iter().filter(|name| !NOT_SETTINGS.contains(name)) {
            let key = name
                .strip_prefix("TOLLGATE_")
                .unwrap()
                .to_lowercase()
                .replace("__", ".");
            assert!(settings.contains(&key), "{file}: {name} is no setting");
        }
    }
}

/// `NAME=value` of the container file's `ENV`.
fn of_container() -> BTreeMap<String, String> {
    let pair = Regex::new(r"(TOLLGATE_[A-Z0-9_]+)=(\S+)").unwrap();
    let text = text("Containerfile");
    let found = pair
        .captures_iter(&text)
        .map(|pair| (pair[1].to_owned(), pair[2].to_owned()));
    found.collect()
}

/// Names of the secrets that the manifest mounts.
fn of_kubernetes() -> BTreeMap<String, String> {
    let pair = Regex::new(r"name: (TOLLGATE_[A-Z0-9_]+_FILE), value: /secrets/(\S+) \}").unwrap();
    let text = text("kubernetes.yaml");
    let found = pair
        .captures_iter(&text)
        .map(|pair| (pair[1].to_owned(), pair[2].to_owned()));
    found.collect()
}

/// The container's command with its variables and the manifest's secrets, in an empty folder, as a user who may write nowhere
/// else: it serves, takes its secrets from their files, and ends in good order.
#[tokio::test(flavor = "multi_thread")]
async fn the_containers_command_runs_as_the_files_say() {
    let (database, redis) = (TestDatabase::new(Postgres).await, RedisServer::start());
    let (home, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = home.path().join("tollgate");
    if std::fs::hard_link(e2e::gateway::binary(), &program).is_err() {
        std::fs::copy(e2e::gateway::binary(), &program).unwrap();
    }
    let mut variables = of_container();
    let (url, redis_url) = (database.url().to_owned(), redis.url());
    for (name, file) in of_kubernetes() {
        let secret = match file.as_str() {
            "master-key" => MASTER_KEY,
            "bootstrap-token" => BOOTSTRAP_TOKEN,
            "database-url" => url.as_str(),
            "redis-url" => redis_url.as_str(),
            other => panic!("a secret that no test knows: {other}"),
        };
        let path = secrets.path().join(file);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
        variables.insert(name, path.display().to_string());
    }
    assert_eq!(variables.len(), 7, "{variables:?}");
    std::fs::set_permissions(secrets.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // A test may not take the real ports.
    for name in ["TOLLGATE_PUBLIC__LISTEN", "TOLLGATE_ADMIN__LISTEN"] {
        assert!(variables.insert(name.to_owned(), "127.0.0.1:0".to_owned()).is_some());
    }
    let mut command = Command::new(&program);
    command
        .arg("serve")
        .current_dir(home.path())
        .env_clear()
        .envs(&variables);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if geteuid().is_root() {
        chown(home.path(), Some(CONTAINER_USER), Some(CONTAINER_USER)).unwrap();
        command.uid(CONTAINER_USER).gid(CONTAINER_USER);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut admin = None;
    while admin.is_none() {
        let line = tokio::time::timeout(std::time::Duration::from_secs(60), lines.next_line()).await;
        let line = line.expect("it starts").unwrap().expect("it listens");
        admin = line.strip_prefix("listening admin ").map(str::to_owned);
    }
    let admin = admin.unwrap();
    // As the probes ask.
    for path in ["healthz", "readyz"] {
        soon(path, async || {
            let answer = reqwest::get(format!("http://{admin}/{path}")).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }
    soon("Redis is in use", async || {
        let metrics = reqwest::get(format!("http://{admin}/metrics"))
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        metrics.contains("tollgate_limits_together 1").then_some(())
    })
    .await;
    kill(
        Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait_with_output()).await;
    let ended = ended.expect("it ends").unwrap();
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{log}");
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(log.lines().all(is_json), "{log}");
    // It left nothing: what it keeps is in the database.
    let left: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["tollgate"]);
}
