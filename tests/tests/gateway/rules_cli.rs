//! `tollgate rules`, as a pipeline calls it.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Cli, soon};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const SCRIPT: &str = r#"--!api 1
local rules = {}

function rules.check(request)
  if request.account == "13" then
    return reject("forbidden")
  end
  return accept()
end

test("bad luck", { check = { account = "13" }, expect = reject("forbidden") })

return rules
"#;

struct Desk {
    cli: Cli,
    folder: tempfile::TempDir,
}

impl Desk {
    fn file(&self, name: &str, source: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, source).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Exit code, and what it printed; what it could not do is told on the other stream.
    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.cli.run(&[&["rules"], arguments].concat()).await;
        assert!(!(output.stdout.is_empty() && output.stderr.is_empty() && !output.status.success()));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, printed) = self.run(&[arguments, &["--json"]].concat()).await;
        (
            code,
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}")),
        )
    }
}

#[rstest]
#[tokio::test]
async fn rules_go_from_a_file_into_service_and_back(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let desk = Desk {
        cli: Cli::on(&stage.database),
        folder: tempfile::tempdir().unwrap(),
    };
    let good = desk.file("good.lua", SCRIPT);
    let red = desk.file("red.lua", &SCRIPT.replace("== \"13\"", "== \"14\""));
    let wrong = desk.file("wrong.lua", &SCRIPT.replace("request.account ==", "request.acount =="));
    let broken = desk.file("broken.lua", "return {");
    for (arguments, code) in [
        (vec!["check", &good], 0),
        (vec!["check", &wrong], 1),
        (vec!["check", &broken], 1),
        (vec!["check", "/does/not/exist.lua"], 2),
        (vec!["check"], 2),
        (vec!["test", &good], 0),
        (vec!["test", &red], 1),
        (vec!["test", &broken], 1),
        (vec!["diff", "acme", &good], 1),
        (vec!["publish", "acme"], 2),
        (vec!["publish", "nobody", &good], 2),
        (vec!["publish", "acme", &red], 1),
        (vec!["publish", "acme", &wrong], 1),
        (vec!["publish", "acme", &broken], 1),
        (vec!["push", "acme", &red], 1),
        (vec!["rollback", "acme", "1"], 2),
    ] {
        let (got, printed) = desk.run(&arguments).await;
        assert_eq!(got, code, "{arguments:?}: {printed}");
        assert_eq!(printed.is_empty(), code == 2, "{arguments:?}: what is found is printed");
    }
    assert_eq!(stage.count("rule_revisions").await, 0);
    assert_eq!(desk.json(&["check", &wrong]).await.1["findings"][0]["line"], 5);
    assert_eq!(
        desk.json(&["test", &red]).await.1["tests"]["failed"][0]["name"],
        "bad luck"
    );
    assert_eq!(desk.json(&["push", "acme", &good]).await.0, 0);
    assert_eq!(
        desk.json(&["publish", "acme", "--message", "First"]).await,
        (0, json!({"published": 1}))
    );
    assert_eq!(desk.run(&["diff", "acme", &good]).await, (0, String::new()));

    let kiosk = stage.kiosk();
    soon("the published rules", async || {
        let txn_id = rand::random::<u32>().to_string();
        (kiosk.check(&txn_id, "13", "1.00").await.result() == 7).then_some(())
    })
    .await;
    soon("a stored decision", async || {
        (stage.count("decisions").await > 0).then_some(())
    })
    .await;
    let other = SCRIPT.replace("13", "14");
    let other = desk.file("other.lua", &other);
    assert_eq!(desk.run(&["replay", "acme", "--revision", "1"]).await.0, 0);
    let (code, report) = desk.json(&["replay", "acme", &other]).await;
    assert_eq!((code, &report["groups"][0]["change"]), (1, &json!("reject → accept")));
    assert_eq!(desk.run(&["publish", "acme", &other, "-m", "Second"]).await.0, 0);
    assert_eq!(desk.run(&["rollback", "acme", "1"]).await.0, 0);
    let (_, log) = desk.json(&["log", "acme"]).await;
    assert_eq!(
        (&log[0]["message"], &log[0]["published"], &log[1]["published"]),
        (&json!("Second"), &json!(false), &json!(true))
    );
    let (_, log) = desk.run(&["log", "acme"]).await;
    assert!(log.contains("* r1\t") && log.contains("  r2\t"), "{log}");
}

#[rstest]
#[tokio::test]
async fn settings_are_shown_and_changed(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let cli = Cli::on(&stage.database);
    let settings = async |more: &[&str]| -> Value {
        let printed = cli.print(&[&["rules", "settings", "acme"], more].concat()).await;
        serde_json::from_str(&printed).unwrap()
    };
    assert_eq!(settings(&[]).await["on_broken_rule"], "retry");
    assert!(stage.rule_changes().await.is_empty(), "looking changes nothing");
    let changed = settings(&[
        "--limit",
        "steps=50000",
        "--http-host",
        "crm.example",
        "--lower",
        "steps=900",
    ])
    .await;
    assert_eq!(
        (&changed["limits"]["steps"], &changed["lowered"]["steps"]),
        (&json!(50_000), &json!(900))
    );
    let changed = settings(&[
        "--on-broken-rule",
        "reject",
        "--lower",
        "steps=default",
        "--http-host",
        "",
    ])
    .await;
    assert_eq!(
        (
            &changed["on_broken_rule"],
            &changed["limits"]["steps"],
            &changed["lowered"]["steps"]
        ),
        (&json!("reject"), &json!(50_000), &Value::Null)
    );
    assert_eq!(changed["http_hosts"], json!([]));
    for wrong in ["steps", "steps=many", "stops=1", "steps=200001"] {
        cli.complaint(&["rules", "settings", "acme", "--limit", wrong]).await;
    }
    cli.complaint(&["rules", "settings", "acme", "--lower", "steps=50001"])
        .await;
}
