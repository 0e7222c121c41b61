//! Merchants' lists: files that replace them, single keys, and what rules hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{Admin, Cli, Gateway, soon, within};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{CHANGE_IS_SEEN, Stage};

const LISTS: &str = "/admin/v1/merchants/acme/lists";
/// An import of them is over by then, however busy the machine is.
const IMPORT_TIME_MAX: Duration = Duration::from_secs(180);
/// Enough to be caught in the act.
const MANY: usize = 200_000;

/// Keys of a phone list, one on a line.
fn phones(count: usize) -> Vec<u8> {
    let keys: Vec<String> = (0..count)
        .map(|n| format!("79{:09}", n * 7_919 % 1_000_000_007))
        .collect();
    keys.join("\n").into_bytes()
}

async fn upload(admin: &Admin, list: &str, format: &str, file: Vec<u8>) -> Value {
    let path = format!("{LISTS}/{list}/imports?format={format}");
    let answer = admin.post_bytes(&path, file).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body
}

async fn read_import(admin: &Admin, import: &Value) -> Value {
    let (list, id) = (import["list"].as_str().unwrap(), import["id"].as_str().unwrap());
    admin.get(&format!("{LISTS}/{list}/imports/{id}")).await
}

/// Waits until the import is over.
async fn ended(admin: &Admin, import: &Value) -> Value {
    within(IMPORT_TIME_MAX, "the import has ended", async || {
        let import = read_import(admin, import).await;
        (import["status"] != "active").then_some(import)
    })
    .await
}

async fn import(admin: &Admin, list: &str, format: &str, file: Vec<u8>) -> Value {
    let import = upload(admin, list, format, file).await;
    ended(admin, &import).await
}

async fn look_up(admin: &Admin, list: &str, key: &str) -> Value {
    admin.get(&format!("{LISTS}/{list}/lookup?key={key}")).await
}

async fn entries(admin: &Admin, list: &str) -> i64 {
    admin.get(&format!("{LISTS}/{list}")).await["entries"].as_i64().unwrap()
}

#[rstest]
#[tokio::test]
async fn files_become_lists_with_their_values(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let csv = "key,value\r\n\"a,b\",\"{\"\"limit\"\": 1.10}\"\r\nc,\r\na,1\r\na,2\r\n".as_bytes();
    let done = import(&admin, "contracts", "csv", csv.to_vec()).await;
    assert_eq!(done["status"], "done", "{done}");
    let counts = ["rows_read", "rows_repeated", "rows_stored", "bytes_read"].map(|name| done[name].as_u64().unwrap());
    assert_eq!(counts, [4, 1, 3, csv.len() as u64]);
    assert_eq!(
        look_up(&admin, "contracts", "a").await,
        json!({"present": true, "value": 2})
    );
    assert_eq!(
        look_up(&admin, "contracts", "c").await,
        json!({"present": true, "value": null})
    );
    assert_eq!(
        look_up(&admin, "contracts", "d").await,
        json!({"present": false, "value": null})
    );
    // An export is a file that makes the same list, digits and all.
    for format in ["csv", "jsonl"] {
        let path = format!("{LISTS}/contracts/export?format={format}");
        let file = admin.get(&path).await;
        let file = file.as_str().map_or_else(|| file.to_string(), str::to_owned);
        assert!(file.contains("1.10"), "{file}");
        let copy = import(&admin, "copy", format, file.clone().into_bytes()).await;
        assert_eq!(
            (&copy["status"], &copy["rows_stored"]),
            (&json!("done"), &json!(3)),
            "{copy}"
        );
        let again = admin.get(&format!("{LISTS}/copy/export?format={format}")).await;
        assert_eq!(again.as_str().unwrap(), file);
    }
    let page = stage.list("lists/contracts/entries?prefix=a&limit=1").await;
    assert_eq!(page[0]["key"], "a");
    let names: Vec<_> = stage
        .list("lists")
        .await
        .iter()
        .map(|list| list["name"].clone())
        .collect();
    assert_eq!(names, ["contracts", "copy"]);
    assert_eq!(stage.list("lists/copy/imports").await.len(), 2);
}

/// While a list is replaced, a key that is in the old and in the new content is never absent.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_replaced_under_the_eyes_of_its_readers(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let admin = stage.admin();
    let common = ["79000000000", "79000007919"];
    let old = format!("{}\n{}\nold", common[0], common[1]).into_bytes();
    assert_eq!(import(&admin, "phones", "csv", old).await["status"], "done");
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reader = {
        let (admin, stop, asked) = (admin.clone(), Arc::clone(&stop), Arc::clone(&asked));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                for key in common {
                    assert_eq!(look_up(&admin, "phones", key).await["present"], true);
                    let entry = admin
                        .send(Method::GET, &format!("{LISTS}/phones/entries/{key}"), None)
                        .await;
                    assert_eq!(entry.status, 200, "{entry:?}");
                }
                asked.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let started = upload(&admin, "phones", "csv", phones(MANY)).await;
    assert_eq!(
        (&started["status"], &started["rows_stored"]),
        (&json!("active"), &json!(0))
    );
    let second = admin
        .post_bytes(&format!("{LISTS}/phones/imports?format=csv"), b"a".to_vec())
        .await;
    assert_eq!(second.status, 409, "{second:?}");
    let (mut steps, mut last) = (0, (0, 0));
    let done = within(IMPORT_TIME_MAX, "the import has ended", async || {
        let import = read_import(&admin, &started).await;
        let number = |name: &str| import[name].as_u64().unwrap();
        let now = (number("bytes_read"), number("rows_stored"));
        assert!(now >= last, "progress goes back: {last:?} {now:?}");
        steps += u32::from(now > last);
        last = now;
        if import["status"] == "active" {
            assert_eq!(entries(&admin, "phones").await.min(3), 3);
        }
        (import["status"] != "active").then_some(import)
    })
    .await;
    assert_eq!(
        (&done["status"], done["rows_stored"].as_u64()),
        (&json!("done"), Some(MANY as u64)),
        "{done}"
    );
    assert!(steps >= 3, "the progress was told {steps} times only");
    let asked_before = asked.load(Ordering::SeqCst);
    soon("readers go on", async || {
        (asked.load(Ordering::SeqCst) > asked_before + 2).then_some(())
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    assert_eq!(entries(&admin, "phones").await, MANY as i64);
    within(CHANGE_IS_SEEN, "the old content is gone", async || {
        (look_up(&admin, "phones", "old").await["present"] == false).then_some(())
    })
    .await;
    soon("the old rows are deleted", async || {
        (stage.count("list_entries").await == MANY as i64).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_dies_with_its_gateway_leaves_the_list_whole(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let admin = stage.admin();
    assert_eq!(import(&admin, "phones", "csv", b"old".to_vec()).await["status"], "done");
    let started = upload(&admin, "phones", "csv", phones(MANY)).await;
    soon("rows are stored", async || {
        let import = read_import(&admin, &started).await;
        assert_eq!(
            import["status"], "active",
            "the import was over before it could be killed"
        );
        (import["rows_stored"].as_u64() > Some(0)).then_some(())
    })
    .await;
    stage.gateway.kill().await;
    assert!(stage.count("list_entries").await > 1);
    stage.gateway.start_again().await;
    assert_eq!(look_up(&admin, "phones", "old").await["present"], true);
    assert_eq!(entries(&admin, "phones").await, 1);
    let failed = ended(&admin, &started).await;
    assert_eq!(failed["status"], "failed");
    assert!(
        failed["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("upload the file again"),
        "{failed}"
    );
    soon("nothing half-stored is left", async || {
        (stage.count("list_entries").await == 1 && stage.count("list_generations").await == 1).then_some(())
    })
    .await;
    let done = import(&admin, "phones", "csv", phones(1_000)).await;
    assert_eq!(
        (&done["status"], entries(&admin, "phones").await),
        (&json!("done"), 1_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_ends_in_good_order_with_its_gateway() {
    let mut stage = Stage::new(Sqlite).await;
    let started = upload(&stage.admin(), "phones", "csv", phones(MANY)).await;
    stage.gateway.stop().await;
    stage.gateway.start_again().await;
    let import = read_import(&stage.admin(), &started).await;
    assert_eq!(import["status"], "failed", "{import}");
    assert!(
        import["errors"][0]["message"].as_str().unwrap().contains("was stopped"),
        "{import}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_files_are_refused_with_line_and_reason() {
    let stage = Stage::with_settings(Sqlite, &[("TOLLGATE_LISTS__UPLOAD_BYTES_MAX", "3000000")]).await;
    let admin = stage.admin();
    assert_eq!(import(&admin, "keys", "csv", b"stays".to_vec()).await["status"], "done");
    let deep = format!("a,{}1{}", "[".repeat(9), "]".repeat(9)).into_bytes();
    let long_value = format!("{{\"key\":\"a\",\"value\":\"{}\"}}", "v".repeat(1_023)).into_bytes();
    for (what, format, file, line, reason) in [
        ("not UTF-8", "csv", b"a\nb\n\xff\xfe\n".to_vec(), 3, "UTF-8"),
        ("not UTF-8", "jsonl", b"{\"key\":\"\xff\"}".to_vec(), 1, "UTF-8"),
        (
            "a byte too much",
            "csv",
            [b"a\n".to_vec(), vec![b'k'; 129]].concat(),
            2,
            "129 bytes",
        ),
        ("a long value", "jsonl", long_value, 1, "1025 bytes"),
        ("a long line", "csv", vec![b'x'; 2_000_000], 1, "16384"),
        ("a deep value", "csv", deep, 1, "deeper"),
        (
            "bad JSON",
            "jsonl",
            b"{\"key\":\"a\"}\n{\"key\":".to_vec(),
            2,
            "the line is not",
        ),
        ("an unclosed quote", "csv", b"a\n\"b\nc\n".to_vec(), 2, "quotation mark"),
        ("zeros", "csv", vec![0; 100], 1, "control"),
    ] {
        let failed = import(&admin, "keys", format, file).await;
        assert_eq!(failed["status"], "failed", "{what}: {failed}");
        assert_eq!(failed["errors"][0]["line"], line, "{what}: {failed}");
        assert!(
            failed["errors"][0]["message"].as_str().unwrap().contains(reason),
            "{what}: {failed}"
        );
        assert_eq!(failed["rows_stored"], 0);
    }
    // A million lines of garbage are not read to the end.
    let failed = import(&admin, "keys", "jsonl", b"?\n".repeat(1_000_000)).await;
    assert_eq!(
        (failed["errors"].as_array().unwrap().len(), &failed["rows_read"]),
        (21, &json!(20)),
        "{failed}"
    );
    let too_large = admin
        .post_bytes(&format!("{LISTS}/keys/imports?format=csv"), vec![b'\n'; 3_000_001])
        .await;
    assert_eq!(
        (too_large.status, &too_large.body["code"]),
        (413, &json!("body_too_large"))
    );
    for (path, status) in [
        ("keys/imports?format=xml", 422),
        ("keys/imports", 400),
        ("Keys/imports?format=csv", 422),
    ] {
        assert_eq!(
            admin.post_bytes(&format!("{LISTS}/{path}"), b"a".to_vec()).await.status,
            status,
            "{path}"
        );
    }
    assert_eq!(look_up(&admin, "keys", "stays").await["present"], true);
    assert_eq!(
        (entries(&admin, "keys").await, stage.count("list_entries").await),
        (1, 1)
    );
    // An empty file is an empty list, not a mistake.
    assert_eq!(import(&admin, "keys", "csv", b"key\n".to_vec()).await["status"], "done");
    assert_eq!(entries(&admin, "keys").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_merchant_s_quota_is_kept(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_settings(backend, &[("TOLLGATE_LISTS__ENTRIES_MAX", "1000")]).await;
    let admin = stage.admin();
    assert_eq!(import(&admin, "phones", "csv", phones(600)).await["status"], "done");
    let failed = import(&admin, "more", "csv", phones(401)).await;
    let message = failed["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("1000 entries") && message.contains("1001"), "{failed}");
    // The new content takes the place of the old one, not a place beside it.
    assert_eq!(import(&admin, "phones", "csv", phones(1_000)).await["status"], "done");
    let put = admin
        .send(
            Method::PUT,
            &format!("{LISTS}/phones/entries/one-more"),
            Some(&json!({})),
        )
        .await;
    assert_eq!((put.status, &put.body["code"]), (422, &json!("over_quota")), "{put:?}");

    let quota = "/admin/v1/merchants/acme/list-quota";
    assert_eq!(admin.get(quota).await["entries_max"], 1_000);
    let raised = admin
        .put(quota, &json!({"entries_max": 1_001, "bytes_max": 11_100}))
        .await;
    assert_eq!(raised, json!({"entries_max": 1_001, "bytes_max": 11_100}));
    admin.put(&format!("{LISTS}/phones/entries/one-more"), &json!({})).await;
    let failed = import(
        &admin,
        "phones",
        "jsonl",
        format!("{{\"key\":\"{}\"}}\n", "k".repeat(100))
            .repeat(200)
            .into_bytes(),
    )
    .await;
    assert!(
        failed["errors"][0]["message"].as_str().unwrap().contains("11100 bytes"),
        "{failed}"
    );
    assert_eq!(
        admin
            .send(Method::PUT, quota, Some(&json!({"entries_max": -1, "bytes_max": 1})))
            .await
            .status,
        422
    );
    assert_eq!(admin.delete(quota).await["entries_max"], 1_000);
}

#[rstest]
#[tokio::test]
async fn a_single_key_is_heard_of_on_every_node_within_a_second(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    // SQLite has one node.
    let other = if backend == Postgres {
        Some(stage.another_node().await)
    } else {
        None
    };
    let (admin, other) = (
        stage.admin(),
        other.as_ref().map_or_else(|| stage.admin(), Gateway::admin),
    );
    let unknown = other
        .send(Method::GET, &format!("{LISTS}/blocked/lookup?key=a"), None)
        .await;
    assert_eq!(unknown.status, 404);
    admin.put(&format!("{LISTS}/blocked"), &json!({})).await;
    let heard = async |key: &str, expected: Value| {
        within(CHANGE_IS_SEEN, "the change is heard of", async || {
            let answer = other
                .send(Method::GET, &format!("{LISTS}/blocked/lookup?key={key}"), None)
                .await;
            (answer.body == expected).then_some(())
        })
        .await;
        // From memory now.
        assert_eq!(look_up(&other, "blocked", key).await, expected);
    };
    let (absent, present) = (
        json!({"present": false, "value": null}),
        json!({"present": true, "value": {"until": 5}}),
    );
    for round in 0..3 {
        for key in ["a", "%D0%96/%20b"] {
            let path = format!("{LISTS}/blocked/entries/{}", key.replace('/', "%2F"));
            heard(key, absent.clone()).await;
            let put = admin.put(&path, &json!({"value": {"until": 5}})).await;
            assert_eq!(
                put,
                admin.put(&path, &json!({"value": {"until": 5}})).await,
                "round {round}"
            );
            assert_eq!(admin.get(&path).await, put);
            heard(key, present.clone()).await;
            admin.delete(&path).await;
            admin.delete(&path).await;
            assert_eq!(admin.send(Method::GET, &path, None).await.status, 404);
        }
    }
    admin.delete(&format!("{LISTS}/blocked")).await;
    within(CHANGE_IS_SEEN, "the list is gone", async || {
        let answer = other
            .send(Method::GET, &format!("{LISTS}/blocked/lookup?key=a"), None)
            .await;
        (answer.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn lists_are_kept_by_the_command_line() {
    let stage = Stage::new(Sqlite).await;
    let cli = Cli::on(&stage.database);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("contracts.csv", "key,name\n1,Ivan\n2,Anna\n");
    let done: Value = serde_json::from_str(&cli.print(&["list", "import", "acme", "contracts", &good]).await).unwrap();
    assert_eq!((&done["status"], &done["rows_stored"]), (&json!("done"), &json!(2)));
    let bad = file("bad.jsonl", "{\"key\":\"1\"}\n{}\n");
    let complaint = cli.complaint(&["list", "import", "acme", "contracts", &bad]).await;
    assert!(
        complaint.contains("as it was") && complaint.contains("line 2"),
        "{complaint}"
    );

    cli.print(&["list", "add", "acme", "contracts", "3", "--value", "[1.10]"])
        .await;
    let got = cli.print(&["list", "get", "acme", "contracts", "3"]).await;
    assert!(got.contains("1.10"), "{got}");
    assert!(
        cli.complaint(&["list", "get", "acme", "contracts", "4"])
            .await
            .contains("'4' is not in list")
    );
    assert_eq!(
        cli.print(&["list", "remove", "acme", "contracts", "1"]).await,
        "removed\n"
    );
    assert_eq!(
        cli.print(&["list", "remove", "acme", "contracts", "1"]).await,
        "was not there\n"
    );
    let exported = cli
        .print(&["list", "export", "acme", "contracts", "--format", "jsonl"])
        .await;
    assert_eq!(
        exported,
        "{\"key\":\"2\",\"value\":{\"name\":\"Anna\"}}\n{\"key\":\"3\",\"value\":[1.10]}\n"
    );
    let shown = cli.print(&["list", "show", "acme"]).await;
    assert!(shown.starts_with("contracts\t2 entries"), "{shown}");
    let quota = cli
        .print(&["list", "quota", "acme", "--entries", "2", "--bytes", "1000"])
        .await;
    assert!(quota.contains("\"entries_max\": 2"), "{quota}");
    assert!(
        cli.complaint(&["list", "add", "acme", "contracts", "5"])
            .await
            .contains("2 entries")
    );
    cli.print(&["list", "delete", "acme", "contracts"]).await;
    assert_eq!(cli.print(&["list", "show", "acme"]).await, "");
}
