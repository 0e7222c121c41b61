//! Secrets that rules send to their merchant's hosts: they arrive there, and nowhere else is anything of them.

use std::path::Path;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Admin, Inspector, Reply, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, open};

const VALUE: &str = "k3y-that-nobody-may-read";
const SECRETS: &str = "/admin/v1/merchants/acme/rules/secrets";

/// Asks the merchant's own host about each account, by a secret.
fn rules(url: &str, secret: &str) -> String {
    format!(
        r#"
local rules = {{}}

function rules.check(request, ctx)
    local reply = ctx.http.post("{url}", {{ json = {{ account = request.account }}, credential = "{secret}" }})
    ctx.log(reply.body)
    return accept {{ comment = reply.body }}
end

return rules
"#
    )
}

struct Scene {
    stage: Stage,
    crm: Inspector,
    /// As `http_hosts` names it.
    host: String,
}

impl Scene {
    /// A merchant's host that sends back what it got, as bad ones do.
    async fn on(backend: Backend) -> Self {
        let crm = Inspector::answering(|request| Reply::Answer {
            status: 200,
            headers: vec![(
                "x-request-id".to_owned(),
                request.header("authorization").unwrap_or("none").to_owned(),
            )],
            body: format!(
                "got {:?} {:?}",
                request.header("authorization"),
                request.header("x-api-key")
            ),
        })
        .await;
        let stage = Stage::with_settings(backend, &[("TOLLGATE_LOG__FILTER", "debug")]).await;
        let host = crm.url("").strip_prefix("http://").unwrap().to_owned();
        allow(&stage, "acme", &host).await;
        Self { stage, crm, host }
    }

    fn secret(&self, more: &[(&str, Value)]) -> Value {
        let mut secret = json!({"value": VALUE, "form": "bearer", "hosts": [format!("http://{}", self.host)]});
        for (name, value) in more {
            secret[*name] = value.clone();
        }
        secret
    }

    async fn keep(&self, name: &str, more: &[(&str, Value)]) -> Value {
        let body = self.secret(more);
        self.stage.admin().put(&format!("{SECRETS}/{name}"), &body).await
    }

    async fn publish(&self, secret: &str) {
        self.stage.publish(&rules(&self.crm.url("/accounts"), secret)).await;
    }

    /// Checks until the merchant's host was asked, and gives what it got.
    async fn asked(&self, header: &str) -> String {
        let before = self.crm.received().len();
        soon("a question to the merchant's host", async || {
            self.stage.kiosk().check("1", "42", "1.00").await;
            let received = self.crm.received();
            received
                .get(before..)?
                .iter()
                .find_map(|request| Some(request.header(header)?.to_owned()))
        })
        .await
    }
}

async fn allow(stage: &Stage, merchant: &str, host: &str) {
    let settings = format!("/admin/v1/merchants/{merchant}/rules/settings");
    stage.admin().put(&settings, &json!({"http_hosts": [host]})).await;
}

async fn refused(admin: &Admin, path: &str, body: &Value, field: &str) {
    let answer = admin.send(Method::PUT, path, Some(body)).await;
    assert_eq!((answer.status, &answer.body["field"]), (422, &json!(field)), "{body}");
    assert!(!answer.body.to_string().contains(VALUE), "{answer:?}");
}

/// Whether any file of the folder holds the bytes.
fn is_in_files_of(folder: &Path, needle: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files
        .map(|file| std::fs::read(file.path()).unwrap_or_default())
        .any(|content| content.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_merchant_s_host_gets_it_and_nothing_else_holds_it(#[values(Sqlite, Postgres)] backend: Backend) {
    let scene = Scene::on(backend).await;
    let kept = scene.keep("crm", &[]).await;
    assert_eq!(kept["header"], "authorization");
    assert!(kept.get("value").is_none(), "{kept}");
    scene.publish("crm").await;
    assert_eq!(scene.asked("authorization").await, format!("Bearer {VALUE}"));
    // The host sends it back; the script, the payer and the records see that it did, not what.
    let kiosk = scene.stage.kiosk();
    let checked = kiosk.check("2", "42", "1.00").await;
    assert!(checked.body.contains("Bearer [secret]"), "{checked:?}");
    let paid = kiosk.pay("3", "42", "1.00").await;
    assert_eq!(paid.result(), 0);
    let (admin, mut seen) = (scene.stage.admin(), vec![checked.body, paid.body]);
    let decisions = soon("the decisions", async || {
        let decisions = scene.stage.list("decisions").await;
        (decisions.len() >= 3).then_some(decisions)
    })
    .await;
    for decision in &decisions {
        let id = decision["id"].as_str().unwrap();
        for path in [format!("decisions/{id}"), format!("decisions/{id}/test")] {
            seen.push(admin.get(&format!("/admin/v1/merchants/acme/{path}")).await.to_string());
        }
    }
    assert!(seen.iter().any(|text| text.contains("credential")), "{seen:#?}");
    for path in ["rules/secrets", "audit", "exchanges", "events", "rules"] {
        seen.push(admin.get(&format!("/admin/v1/merchants/acme/{path}")).await.to_string());
    }
    let run = json!({"source": rules(&scene.crm.url("/accounts"), "crm"),
        "input": {"handler": "check", "request": {"command": "check", "account": "42", "at": "2026-01-01T00:00:00Z"}}});
    let decision = admin.post("/admin/v1/merchants/acme/rules/run", &run).await;
    assert!(decision.to_string().contains("[secret]"), "{decision}");
    seen.push(decision.to_string());
    for text in &seen {
        assert!(!text.contains(VALUE), "{text}");
    }
    assert!(!scene.stage.gateway.log().contains(VALUE));
    match backend {
        Sqlite => {
            let file = scene.stage.database.name();
            let folder = Path::new(&file).parent().unwrap();
            assert!(is_in_files_of(folder, "rule_secret.set"), "nothing was looked at");
            assert!(!is_in_files_of(folder, VALUE));
        }
        Postgres => {
            let tables = scene
                .stage
                .database
                .texts("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'");
            for table in tables.await {
                let sql = format!("SELECT count(*) FROM \"{table}\" t WHERE t::text LIKE '%{VALUE}%'");
                assert_eq!(scene.stage.database.number(&sql).await, 0, "{table}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_has_its_header_and_a_change_is_seen_at_once() {
    let scene = Scene::on(Sqlite).await;
    scene
        .keep("crm", &[("form", json!("basic")), ("value", json!("shop:password"))])
        .await;
    scene.publish("crm").await;
    assert_eq!(scene.asked("authorization").await, "Basic c2hvcDpwYXNzd29yZA==");
    scene
        .keep("crm", &[("form", json!("plain")), ("header", json!("X-Api-Key"))])
        .await;
    assert_eq!(scene.asked("x-api-key").await, VALUE);
    // Forgotten, it is a name like any other that is not there: a broken rule, which never accepts.
    scene.stage.admin().delete(&format!("{SECRETS}/crm")).await;
    soon("the secret is gone", async || {
        (scene.stage.kiosk().check("1", "42", "1.00").await.result() == 1).then_some(())
    })
    .await;
    let gone = scene
        .stage
        .admin()
        .send(Method::DELETE, &format!("{SECRETS}/crm"), None)
        .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_to_no_other_host_and_serves_no_other_merchant() {
    let scene = Scene::on(Sqlite).await;
    let elsewhere = Inspector::start().await;
    let other_host = elsewhere.url("").strip_prefix("http://").unwrap().to_owned();
    let both = json!({"http_hosts": [scene.host, other_host]});
    scene
        .stage
        .admin()
        .put("/admin/v1/merchants/acme/rules/settings", &both)
        .await;
    scene.keep("crm", &[]).await;
    scene.publish("crm").await;
    scene.asked("authorization").await;
    // A host that rules may call, and this secret may not go to.
    scene.stage.publish(&rules(&elsewhere.url("/"), "crm")).await;
    let kiosk = scene.stage.kiosk();
    soon("the rule is refused", async || {
        (kiosk.check("1", "42", "1.00").await.result() == 1).then_some(())
    })
    .await;
    assert!(elsewhere.received().is_empty(), "{:?}", elsewhere.received());
    // TLS was meant: the same host without it gets nothing.
    let asked = scene.crm.received().len();
    scene.keep("crm", &[("hosts", json!([scene.host]))]).await;
    scene.publish("crm").await;
    soon("the rule is refused", async || {
        let check = kiosk.check("1", "42", "1.00").await;
        let trouble = scene.stage.admin().get("/admin/v1/merchants/acme/rules").await["trouble"].to_string();
        (check.result() == 1 && trouble.contains("may not be sent")).then_some(())
    })
    .await;
    assert!(scene.crm.received()[asked..].iter().all(|request| request.path != "/"));

    let admin = scene.stage.admin();
    admin
        .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
        .await;
    let connection = json!({"slug": "terminal", "plugin": "terminal", "config": open(json!({}))});
    admin.post("/admin/v1/merchants/other/connections", &connection).await;
    allow(&scene.stage, "other", &scene.host).await;
    let script = json!({"source": rules(&scene.crm.url("/accounts"), "crm"), "message": ""});
    let red = admin
        .send(Method::PUT, "/admin/v1/merchants/other/rules", Some(&script))
        .await;
    assert_eq!((red.status, &red.body["code"]), (409, &json!("rules_red")));
    assert!(red.body.to_string().contains("unknown_credential"), "{red:?}");
    // Nor does a name that the check cannot see help.
    let hidden = script["source"].as_str().unwrap().replace("\"crm\"", "\"c\" .. \"rm\"");
    admin
        .put("/admin/v1/merchants/other/rules", &json!({"source": hidden}))
        .await;
    let stranger = scene.stage.gateway.kiosk("other", "terminal");
    soon("the other's rule fails", async || {
        (stranger.check("1", "42", "1.00").await.result() == 1).then_some(())
    })
    .await;
    let asked = scene.crm.received();
    let theirs = asked.iter().filter(|request| request.header("authorization").is_none());
    assert_eq!(theirs.count(), 0, "{asked:?}");
    assert_eq!(scene.stage.count("rule_secrets").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused_by_field() {
    let scene = Scene::on(Sqlite).await;
    let admin = scene.stage.admin();
    let path = format!("{SECRETS}/crm");
    for (more, field) in [
        (vec![("value", json!(""))], "value"),
        (vec![("form", json!("basic"))], "value"),
        (vec![("hosts", json!([]))], "hosts"),
        (vec![("hosts", json!(["evil.example"]))], "hosts"),
        (vec![("header", json!("x-api-key"))], "header"),
        (vec![("form", json!("plain"))], "header"),
        (vec![("form", json!("plain")), ("header", json!("host"))], "header"),
    ] {
        refused(&admin, &path, &scene.secret(&more), field).await;
    }
    refused(&admin, &format!("{SECRETS}/a%20b"), &scene.secret(&[]), "name").await;
    for n in 0..32 {
        scene.keep(&format!("s{n}"), &[]).await;
    }
    refused(&admin, &path, &scene.secret(&[]), "name").await;
    scene.keep("s0", &[]).await;
    let kept = admin.get(SECRETS).await;
    assert_eq!(kept["data"].as_array().unwrap().len(), 32);
    assert!(kept["data"][0]["created_at"].as_str() < kept["data"][0]["changed_at"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_command_line_it_comes_from_a_file_or_the_input() {
    let scene = Scene::on(Sqlite).await;
    let cli = e2e::Cli::on(&scene.stage.database);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{VALUE}\n")).unwrap();
    let host = format!("http://{}", scene.host);
    let set = ["rules", "secret", "set", "acme", "crm", "--host", &host];
    let printed = cli
        .print(&[&set[..], &["--file", file.to_str().unwrap()]].concat())
        .await;
    assert!(
        printed.contains("authorization") && !printed.contains(VALUE),
        "{printed}"
    );
    scene.publish("crm").await;
    assert_eq!(scene.asked("authorization").await, format!("Bearer {VALUE}"));
    let printed = cli
        .feed(&[&set[..], &["--header", "X-Api-Key"]].concat(), "from-the-input\n")
        .await;
    assert!(
        printed.contains("x-api-key") && !printed.contains("from-the-input"),
        "{printed}"
    );
    assert_eq!(scene.asked("x-api-key").await, "from-the-input");
    let listed = cli.print(&["rules", "secret", "list", "acme"]).await;
    assert!(
        listed.contains("\"crm\"") && !listed.contains("from-the-input"),
        "{listed}"
    );
    assert!(cli.complaint(&set).await.contains("value"), "no input is no secret");
    cli.print(&["rules", "secret", "remove", "acme", "crm"]).await;
    assert!(
        cli.complaint(&["rules", "secret", "remove", "acme", "crm"])
            .await
            .contains("this secret")
    );
}
