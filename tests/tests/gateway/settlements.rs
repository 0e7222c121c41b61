//! The network's daily file against our books (`protocols/terminal.md §9.9`).

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::Cli;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const FILE: &str = "QIWI_101_202306151.csv";
const IMPORT: &str = "/admin/v1/merchants/acme/connections/terminal/settlements?file_name=QIWI_101_202306151.csv";

/// Four payments of 2023-06-15, of which the file will know three, and those not all the same.
async fn stage_with_payments(backend: Backend) -> Stage {
    let stage = Stage::new(backend).await;
    for (txn_id, account, sum) in [
        ("1", "4957835959", "200.00"),
        ("2", "4957835960", "50.50"),
        ("3", "4957835961", "1.00"),
        ("4", "42", "7.00"),
    ] {
        assert_eq!(stage.kiosk().pay(txn_id, account, sum).await.result(), 0);
    }
    stage
}

fn file(line_end: &str) -> String {
    [
        "1\t15.06.2023\t14:30:00\t4957835959\t200.00",
        "2\t2023-06-15\t14:30:00\t4957835960\t50.51",
        "3\t15.06.2023\t14:30:00\t4957835962\t1.00",
        "9\t15.06.2023\t23:59:59\t4957835959\t8.00",
        "Total:\t4\t259.51",
    ]
    .join(line_end)
}

fn assert_counts(summary: &Value) {
    let expected = json!({"matched": 1, "ours_only": 1, "theirs_only": 1, "amount_mismatch": 1, "account_mismatch": 1});
    assert_eq!(summary["counts"], expected);
    assert_eq!(summary["total"], json!({"amount": "259.51", "currency": "RUB"}));
}

#[rstest]
#[tokio::test]
async fn a_file_is_imported_by_rest_and_listed(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = stage_with_payments(backend).await;
    let mailed = format!("To: accounting\r\n\r\n{}\r\n", file("\r\n"));
    let summary = stage
        .admin()
        .post_bytes(IMPORT, mailed.clone().into_bytes())
        .await
        .success();
    assert_counts(&summary);
    assert_eq!(
        (&summary["repeated"], &summary["file_name"]),
        (&json!(false), &json!(FILE))
    );
    let id = summary["id"].as_str().unwrap();

    let rows = stage.list(&format!("settlements/{id}/rows")).await;
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(
        outcomes,
        [
            "matched",
            "amount_mismatch",
            "account_mismatch",
            "theirs_only",
            "ours_only"
        ]
    );
    assert_eq!(
        stage
            .list(&format!("settlements/{id}/rows?outcome=ours_only"))
            .await
            .len(),
        1
    );
    assert_eq!(stage.list("settlements").await.len(), 1);

    let again = stage.admin().post_bytes(IMPORT, mailed.into_bytes()).await.success();
    assert_eq!((&again["repeated"], &again["id"]), (&json!(true), &summary["id"]));
    assert_counts(&again);
    assert_eq!(
        (
            stage.count("settlement_files").await,
            stage.count("settlement_rows").await
        ),
        (1, 5)
    );
}

#[rstest]
#[tokio::test]
async fn a_file_is_imported_by_the_command_line(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values("\n", "\r\n", "\r")] line_end: &str,
) {
    let stage = stage_with_payments(backend).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(&path, file(line_end)).unwrap();
    let cli = Cli::on(&stage.database);
    let import = [
        "registry",
        "import",
        path.to_str().unwrap(),
        "--merchant",
        "acme",
        "--connection",
        "terminal",
    ];
    let summary: Value = serde_json::from_str(&cli.print(&import).await).unwrap();
    assert_counts(&summary);
    let again: Value = serde_json::from_str(&cli.print(&import).await).unwrap();
    assert_eq!((&again["repeated"], &again["id"]), (&json!(true), &summary["id"]));
    let id = summary["id"].as_str().unwrap();
    let lonely = cli
        .print(&["registry", "rows", id, "--merchant", "acme", "--outcome", "ours_only"])
        .await;
    assert_eq!(lonely.lines().count(), 1);
    assert!(
        cli.print(&["registry", "list", "--merchant", "acme"])
            .await
            .contains(FILE)
    );
}

#[rstest]
#[tokio::test]
async fn a_wrong_file_is_refused_whole(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = stage_with_payments(backend).await;
    let wrong = [
        ("sum of the total", file("\n").replace("259.51", "259.52")),
        ("count of the total", file("\n").replace("Total:\t4", "Total:\t5")),
        ("no total", file("\n").replace("Total:\t4\t259.51", "")),
        ("a field is missing", file("\n").replace("\t14:30:00", "")),
        ("not a sum", file("\n").replace("50.51", "50,51")),
        ("not a file", "\u{0}\u{1}\u{2}".to_owned()),
    ];
    for (what, content) in wrong {
        let refused = stage.admin().post_bytes(IMPORT, content.into_bytes()).await;
        assert_eq!(refused.status, 422, "{what}: {refused:?}");
    }
    let nowhere = "/admin/v1/merchants/acme/connections/nothing/settlements?file_name=x.csv";
    assert_eq!(
        stage.admin().post_bytes(nowhere, file("\n").into_bytes()).await.status,
        404
    );
    let unnamed = "/admin/v1/merchants/acme/connections/terminal/settlements";
    assert_eq!(stage.admin().send(Method::POST, unnamed, None).await.status, 400);
    assert_eq!(stage.count("settlement_files").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_difference_is_settled_with_a_note(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = stage_with_payments(backend).await;
    let admin = stage.admin();
    let summary = admin.post_bytes(IMPORT, file("\r\n").into_bytes()).await.success();
    let rows = format!(
        "/admin/v1/merchants/acme/settlements/{}/rows",
        summary["id"].as_str().unwrap()
    );
    let open = async || {
        let open = admin.get(&format!("{rows}?resolved=false")).await;
        open["data"].as_array().unwrap().clone()
    };
    let differences = open().await;
    assert_eq!(differences.len(), 4);
    let row = differences.iter().find(|row| row["outcome"] == "ours_only").unwrap();
    let note = format!("{rows}/{}/note", row["id"].as_str().unwrap());
    let said = admin
        .put(&note, &json!({"note": "asked the network", "resolved": false}))
        .await;
    assert_eq!(
        (&said["note"]["note"], &said["note"]["author"]),
        (&json!("asked the network"), &json!("operator"))
    );
    assert_eq!(open().await.len(), 4, "a note alone settles nothing");
    admin
        .put(&note, &json!({"note": "it came with the next file", "resolved": true}))
        .await;
    assert_eq!(open().await.len(), 3);
    let settled = admin.get(&format!("{rows}?resolved=true")).await;
    assert_eq!(settled["data"][0]["note"]["note"], "it came with the next file");
    let told = admin.get(rows.strip_suffix("/rows").unwrap()).await;
    assert_eq!(told["resolved"], 1);

    // A second file of the day writes what only we have anew; what was said of it stays.
    let second = file("\n").replace("8.00", "9.00").replace("259.51", "260.51");
    let second = admin
        .post_bytes(&IMPORT.replace("1.csv", "2.csv"), second.into_bytes())
        .await
        .success();
    let rows = format!(
        "/admin/v1/merchants/acme/settlements/{}/rows",
        second["id"].as_str().unwrap()
    );
    let again = admin.get(&format!("{rows}?outcome=ours_only")).await;
    assert_eq!(again["data"][0]["note"]["resolved"], true, "{again}");

    let trail = stage.list("audit").await;
    let entry = trail
        .iter()
        .find(|entry| entry["action"] == "settlements.note")
        .unwrap();
    assert_eq!(entry["before"]["note"], "asked the network");
    assert_eq!(entry["after"]["resolved"], true);
    for (path, body, status) in [
        (note.as_str(), json!({"note": "x".repeat(2_001), "resolved": true}), 422),
        (note.as_str(), json!({"note": "x"}), 400),
        (
            &format!("{rows}/999999/note"),
            json!({"note": "x", "resolved": true}),
            404,
        ),
        (&format!("{rows}/x/note"), json!({"note": "x", "resolved": true}), 404),
    ] {
        assert_eq!(
            admin.send(Method::PUT, path, Some(&body)).await.status,
            status,
            "{path}"
        );
    }
}
