//! The walk of `docs/rules.md` is walked: each command of its `console` blocks is run in a shell, in a fresh folder,
//! against a real gateway, and prints what the page says. `TOLLGATE_DOCS_WRITE=1` writes what is printed into the page.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::{BOOTSTRAP_TOKEN, binary, settings_of};
use e2e::soon;
use regex::Regex;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::Stage;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rules.md");
const SECTION: &str = "## A walk, from the first line to a rollback\n";
const WRITE: &str = "TOLLGATE_DOCS_WRITE";
/// What differs from run to run, and what stands for it.
const VARIES: [(&str, &str); 7] = [
    (r"\b(dec|pay|can|shd|mer|aud)_[0-9A-Z]{26}\b", "${1}_ID"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"\b\d+ decisions, \d+ failed, \d+ refused", "COUNTS"),
    (r"\b\d+ steps\b", "STEPS"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
];
/// Commands that only look: what the gateway counts behind the answers may take a moment.
const LOOKS: [&str; 3] = [" show ", " why ", "-s $ADMIN"];

struct Step {
    /// Of the page, from 1.
    line: usize,
    command: String,
    printed: String,
}

/// The page in pieces: text as it is, and the steps of its `console` blocks.
enum Piece {
    Text(String),
    Step(Step),
}

fn pieces(guide: &str) -> Vec<Piece> {
    let start = guide.find(SECTION).expect("the walk");
    let end = guide[start + SECTION.len()..]
        .find("\n## ")
        .map_or(guide.len(), |at| start + SECTION.len() + at);
    let mut pieces = vec![Piece::Text(guide[..start].to_owned())];
    let (mut open, first) = (false, guide[..start].lines().count() + 1);
    for (line, text) in guide[start..end].split_inclusive('\n').enumerate() {
        match (open, text.strip_prefix("$ "), pieces.last_mut()) {
            (true, Some(command), _) => pieces.push(Piece::Step(Step {
                line: first + line,
                command: command.to_owned(),
                printed: String::new(),
            })),
            (true, None, Some(Piece::Step(step))) if text != "```\n" => match text.strip_prefix("> ") {
                Some(more) if step.printed.is_empty() => step.command.push_str(more),
                _ => step.printed.push_str(text),
            },
            (_, _, Some(Piece::Text(before))) => before.push_str(text),
            _ => pieces.push(Piece::Text(text.to_owned())),
        }
        open = if open { text != "```\n" } else { text == "```console\n" };
    }
    pieces.push(Piece::Text(guide[end..].to_owned()));
    pieces
}

struct Desk {
    stage: Stage,
    folder: TempDir,
    programs: TempDir,
    variables: BTreeMap<String, String>,
    varies: Vec<(Regex, &'static str)>,
}

impl Desk {
    async fn new(backend: Backend) -> Self {
        let stage = Stage::new(backend).await;
        let programs = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(binary(), programs.path().join("tollgate")).unwrap();
        let mut variables = settings_of(stage.database.url());
        let path = std::env::var("PATH").unwrap();
        for (name, value) in [
            ("PATH", format!("{}:{path}", programs.path().display())),
            ("USER", "ann".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TOLLGATE_LOG__FILTER", "error".to_owned()),
            ("GATEWAY", format!("http://{}", stage.gateway.public)),
            (
                "ADMIN",
                format!("http://{}/admin/v1/merchants/acme", stage.gateway.admin_address),
            ),
            ("TOKEN", format!("Authorization: Bearer {BOOTSTRAP_TOKEN}")),
        ] {
            variables.insert(name.to_owned(), value);
        }
        let varies = VARIES.iter().map(|(varies, name)| (Regex::new(varies).unwrap(), *name));
        Self {
            stage,
            folder: tempfile::tempdir().unwrap(),
            variables,
            varies: varies.collect(),
            programs,
        }
    }

    /// What a command prints on both streams, in a shell of its own.
    async fn run(&self, command: &str) -> String {
        assert!(self.programs.path().exists());
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(120), output).await;
        let mut printed = String::from_utf8(output.expect("the command ends").unwrap().stdout).unwrap();
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        self.wait_for_the_node().await;
        printed
    }

    /// The page promises a second; a step begins when the node has heard of the one before.
    async fn wait_for_the_node(&self) {
        let metrics = format!("http://{}/metrics", self.stage.gateway.admin_address);
        let version = "SELECT value FROM counters WHERE name = 'config_version'";
        let version = self.stage.database.number(version).await;
        soon("the change on the node", async || {
            let told = reqwest::get(&metrics).await.ok()?.text().await.ok()?;
            let told = told
                .lines()
                .find_map(|line| line.strip_prefix("tollgate_config_version "))?;
            (told.parse::<f64>().ok()? >= version as f64).then_some(())
        })
        .await;
    }

    fn without_what_varies(&self, text: &str) -> String {
        let text = text.to_owned();
        (self.varies.iter()).fold(text, |text, (varies, name)| {
            varies.replace_all(&text, *name).into_owned()
        })
    }

    async fn walk(&self, step: &Step) {
        let expected = self.without_what_varies(&step.printed);
        let looks = LOOKS.iter().any(|look| step.command.contains(look));
        let patience = Duration::from_secs(if looks { 20 } else { 0 });
        let end = std::time::Instant::now() + patience;
        loop {
            let printed = self.without_what_varies(&self.run(&step.command).await);
            if printed == expected {
                return;
            }
            assert!(
                std::time::Instant::now() < end,
                "docs/rules.md:{}: `{}` prints\n{printed}\nand the page says\n{expected}",
                step.line,
                step.command.trim_end()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn the_walk_prints_what_the_page_says(#[values(Sqlite, Postgres)] backend: Backend) {
    let guide = std::fs::read_to_string(Path::new(GUIDE)).unwrap();
    let desk = Desk::new(backend).await;
    if std::env::var_os(WRITE).is_some() {
        return write(&desk, &guide).await;
    }
    let mut steps = 0;
    for piece in pieces(&guide) {
        if let Piece::Step(step) = piece {
            steps += 1;
            desk.walk(&step).await;
        }
    }
    assert!(steps > 20, "{steps} steps: the walk was not found");
    let trace: Vec<_> = (desk.stage.list("audit?limit=200").await.iter())
        .map(|entry| entry["action"].clone())
        .collect();
    for action in [
        "publish",
        "draft_save",
        "shadow_start",
        "canary_start",
        "canary_promote",
        "rollback",
    ] {
        assert!(trace.contains(&json!(format!("rules.{action}"))), "{action}: {trace:?}");
    }
}

/// Pieces as they were, with what the commands print now.
async fn write(desk: &Desk, guide: &str) {
    let mut page = String::new();
    for piece in pieces(guide) {
        match piece {
            Piece::Text(text) => page.push_str(&text),
            Piece::Step(step) => {
                if LOOKS.iter().any(|look| step.command.contains(look)) {
                    // Whatever is counted behind the answers is there after this.
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
                page.push_str("$ ");
                page.push_str(step.command.replace('\n', "\n> ").trim_end_matches("> "));
                page.push_str(&desk.run(&step.command).await);
            }
        }
    }
    std::fs::write(Path::new(GUIDE), page).unwrap();
}

#[test]
fn a_page_in_pieces_is_the_page() {
    let guide = std::fs::read_to_string(Path::new(GUIDE)).unwrap();
    let mut again = String::new();
    for piece in pieces(&guide) {
        match piece {
            Piece::Text(text) => again.push_str(&text),
            Piece::Step(step) => {
                again.push_str("$ ");
                again.push_str(step.command.replace('\n', "\n> ").trim_end_matches("> "));
                again.push_str(&step.printed);
            }
        }
    }
    assert!(again == guide, "pieces are lost");
}
