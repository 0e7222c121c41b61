//! Scripts that are no scripts: refused with a reason, and nothing of them is stored.

use e2e::Backend::{self, Postgres, Sqlite};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const DRAFT: &str = "/admin/v1/merchants/acme/rules/draft";
const RULES: &str = "/admin/v1/merchants/acme/rules";
const PUBLISH: &str = "/admin/v1/merchants/acme/rules/publish";
const RUN: &str = "/admin/v1/merchants/acme/rules/run";
const GOOD: &str = "return { check = function() return accept() end }";

/// What Luau's own compiler makes of `return 1`, as far as a text can carry it.
const BYTECODE: &str = "\u{6}\u{3}\0\u{1}\u{2}\0\0\u{1}\u{3}A\0\0\0\u{4}\0\u{1}\0\u{16}\0\u{2}\0\0\0\u{1}\0\0\0\0\0";

fn wrong_sources() -> Vec<(&'static str, String, &'static str)> {
    vec![
        (
            "a byte too much",
            format!("{GOOD}{}", " ".repeat(65_537 - GOOD.len())),
            "65536",
        ),
        ("a million lines", "\n".repeat(1_000_000), "65536"),
        ("bytecode of Luau", BYTECODE.to_owned(), ""),
        ("bytecode of Lua", "\u{1b}LuaR\0\u{1}".to_owned(), ""),
        ("nothing but zeros", "\0".repeat(1_000), ""),
        ("a broken script", "return {".to_owned(), "Expected"),
        ("endless nesting", format!("return {}", "(".repeat(20_000)), ""),
        (
            "endless tables",
            format!("return {}{}", "{".repeat(20_000), "}".repeat(20_000)),
            "",
        ),
    ]
}

#[rstest]
#[tokio::test]
async fn what_is_no_script_is_refused_and_not_stored(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    stage.publish(GOOD).await;
    admin.put(DRAFT, &json!({"source": GOOD, "message": "stays"})).await;
    let input =
        json!({"handler": "check", "request": {"command": "check", "account": "1", "at": "2026-11-22T00:00:00Z"}});
    for (what, source, reason) in wrong_sources() {
        for (method, path, body) in [
            (Method::PUT, DRAFT, json!({ "source": source })),
            (Method::PUT, RULES, json!({ "source": source })),
            (Method::POST, RUN, json!({ "source": source, "input": input })),
        ] {
            let refused = admin.send(method, path, Some(&body)).await;
            let detail = refused.body["detail"].as_str().unwrap_or_default();
            assert_eq!(refused.status, 422, "{what} to {path}: {refused:?}");
            assert!(
                detail.contains(reason) && detail.len() < 4_000,
                "{what} to {path}: {detail}"
            );
        }
    }
    let message = "m".repeat(1_001);
    for path in [DRAFT, RULES] {
        let refused = admin
            .send(Method::PUT, path, Some(&json!({"source": GOOD, "message": message})))
            .await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("message")),
            "{path}"
        );
    }
    assert_nothing_stored(&stage).await;
}

#[rstest]
#[tokio::test]
async fn bodies_that_are_no_json_are_refused_before_anything_is_looked_at(
    #[values(Sqlite, Postgres)] backend: Backend,
) {
    let settings = [("TOLLGATE_ADMIN__BODY_BYTES_MAX", "2000000")];
    let stage = Stage::with_settings(backend, &settings).await;
    let admin = stage.admin();
    stage.publish(GOOD).await;
    admin.put(DRAFT, &json!({"source": GOOD, "message": "stays"})).await;
    let not_utf8 = [b"{\"source\": \"return ".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    for (what, body, status) in [
        ("not UTF-8", not_utf8, 400),
        ("half a surrogate", b"{\"source\": \"\\ud800\"}".to_vec(), 400),
        ("no JSON", GOOD.as_bytes().to_vec(), 400),
        ("half of it", b"{\"source\": \"return".to_vec(), 400),
        ("nothing", Vec::new(), 400),
        (
            "another field",
            b"{\"source\": \"return {}\", \"force\": true}".to_vec(),
            400,
        ),
        ("too much", vec![b' '; 2_000_001], 400),
        ("a number", b"{\"source\": 1}".to_vec(), 400),
    ] {
        for path in [DRAFT, RULES] {
            let refused = admin.send_json_bytes(Method::PUT, path, body.clone()).await;
            assert_eq!(refused.status, status, "{what} to {path}: {refused:?}");
        }
    }
    assert_nothing_stored(&stage).await;
}

/// Tests are part of the script: what is wrong with them keeps it from being published, whatever its size.
#[rstest]
#[tokio::test]
async fn tests_without_end_are_not_published(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    stage.publish(GOOD).await;
    let with_tests = |tests: &str| format!("{tests}\nreturn {{ check = function() return accept() end }}");
    let case = "{ check = { account = '1' }, expect = accept() }";
    for (what, tests) in [
        ("tests in a loop", format!("for i = 1, 10000 do test('t' .. i, {case}) end")),
        ("a test that never ends", "while true do end".to_owned()),
        ("a long name", format!("test(('n'):rep(5000), {case})")),
        ("a case that is no table", "test('t', 5)".to_owned()),
        ("a table within itself", "local t = {} t.check = t test('t', t)".to_owned()),
        ("a misspelt entry", "test('t', { chekc = {}, expect = accept() })".to_owned()),
        ("a million rows", "local t = {} for i = 1, 1000000 do t[i] = 'x' end test('t', { check = { account = '1' }, lists = { l = t }, expect = accept() })".to_owned()),
    ] {
        let refused = admin.send(Method::PUT, RULES, Some(&json!({"source": with_tests(&tests)}))).await;
        assert_eq!((refused.status, &refused.body["code"]), (409, &json!("rules_red")), "{what}: {refused:?}");
        let saved = admin.put(DRAFT, &json!({"source": with_tests(&tests)})).await;
        assert!(saved["checks"].to_string().len() < 100_000, "{what}");
        for path in [PUBLISH, "/admin/v1/merchants/acme/rules/canary"] {
            let (method, body) = if path == PUBLISH {
                (Method::POST, json!({}))
            } else {
                (Method::PUT, json!({"share_bp": 100}))
            };
            assert_eq!(admin.send(method, path, Some(&body)).await.status, 409, "{what} to {path}");
        }
    }
    assert_eq!(
        (stage.count("rule_revisions").await, stage.count("rule_canaries").await),
        (1, 0)
    );
}

async fn assert_nothing_stored(stage: &Stage) {
    let draft: Value = stage.admin().get(DRAFT).await;
    assert_eq!((&draft["message"], &draft["version"]), (&json!("stays"), &json!(1)));
    assert_eq!(
        (stage.count("rule_revisions").await, stage.count("rule_drafts").await),
        (1, 1)
    );
    assert_eq!(
        stage.kiosk().check("1", "1", "1.00").await.result(),
        0,
        "it still serves"
    );
}
