//! The documents of `protocols/terminal.md §6`, byte for byte, and who is let in at all.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::kiosk::{check, pay, with, without};
use rstest::rstest;
use serde_json::json;

use crate::stage::{CHANGE_IS_SEEN, RULES, Stage};

const KNOWN: &str = "4957835959";
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n";

fn document(inner: &str) -> String {
    format!("{HEAD}{inner}\n</response>")
}

#[rstest]
#[tokio::test]
async fn answers_of_variants_b_and_c(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    let kiosk = stage.kiosk();
    let info = [
        ("command", "getInfo"),
        ("account", KNOWN),
        ("ccy", "RUB"),
        ("prv_id", "101"),
        ("sum", "200.00"),
    ];
    let found = document(
        "<result>0</result>\n<comment>OK</comment>\n<fields>\n<field1 name=\"fio\">Ivanov I. P.</field1>\n\
         <field2 name=\"balance\">152.17</field2>\n</fields>",
    );
    assert_eq!(found.len(), 201);
    assert_eq!(kiosk.get(&info).await.body, found);
    let posted = kiosk.post(&[info.as_slice(), &[("data1", "123456")]].concat()).await;
    assert_eq!(
        (posted.body, posted.content_type.as_deref()),
        (found, Some("text/xml; charset=utf-8"))
    );

    let check = with(
        with(check("1234567890", KNOWN, "200.00"), "prv_id", "101"),
        "data1",
        "123456",
    );
    let checked = document(
        "<osmp_txn_id>1234567890</osmp_txn_id>\n<result>0</result>\n<comment>OK</comment>\n<fields>\n\
         <field1 name=\"fio\">Ivanov I. P.</field1>\n</fields>",
    );
    assert_eq!(checked.len(), 200);
    assert_eq!(kiosk.get(&check).await.body, checked);
    assert_eq!(kiosk.post(&check).await.body, checked);

    let pay = with(
        with(pay("1234567890", KNOWN, "200.00"), "prv_id", "101"),
        "data1",
        "123456",
    );
    let paid = kiosk.get(&pay).await;
    let expected = format!(
        "<osmp_txn_id>1234567890</osmp_txn_id>\n<prv_txn>{}</prv_txn>\n<sum>200.00</sum>\n<ccy>RUB</ccy>\n\
         <result>0</result>\n<comment>OK</comment>",
        paid.prv_txn()
    );
    assert_eq!(paid.body, document(&expected));
    assert_eq!(kiosk.post(&pay).await, paid);
}

#[rstest]
#[tokio::test]
async fn answers_of_variant_a(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_config(backend, json!({"variant": "A"})).await;
    let kiosk = stage.kiosk();
    let check = without(check("1234567", KNOWN, "10.45"), "ccy");
    let checked = document("<osmp_txn_id>1234567</osmp_txn_id>\n<result>0</result>\n<comment></comment>");
    assert_eq!(checked.len(), 135);
    assert_eq!(kiosk.get(&check).await.body, checked);
    assert_eq!(kiosk.post(&check).await.body, checked);
    let pay = with(
        without(pay("1234567", KNOWN, "10.45"), "ccy"),
        "txn_date",
        "20090815120133",
    );
    let paid = kiosk.get(&pay).await;
    let expected = format!(
        "<osmp_txn_id>1234567</osmp_txn_id>\n<prv_txn>{}</prv_txn>\n<sum>10.45</sum>\n<result>0</result>\n\
         <comment>OK</comment>",
        paid.prv_txn()
    );
    assert_eq!(paid.body, document(&expected));
    assert_eq!(kiosk.post(&pay).await, paid);
}

#[rstest]
#[tokio::test]
async fn every_error_answer(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({"account_regex": ".*[a-z_-].*"}), RULES).await;
    let kiosk = stage.kiosk();
    let errors = [
        ("8", 4, "Wrong account format", 158),
        ("refuse-account_not_found", 5, "Account not found", 155),
        ("refuse-forbidden", 7, "Payments are not accepted", 163),
        ("refuse-extra_invalid", 31, "Wrong additional parameter", 165),
        ("refuse-rate_changed", 32, "Exchange rate changed", 160),
        ("refuse-account_inactive", 79, "Account is not active", 160),
        ("refuse-amount_too_small", 241, "Amount is too small", 159),
        ("refuse-amount_too_large", 242, "Amount is too large", 159),
        (
            "refuse-account_unverifiable",
            243,
            "Account state cannot be checked",
            171,
        ),
        ("refuse-invalid_request", 300, "Provider error", 154),
        // A script that fails is "try later", never an answer of its own.
        ("refuse-nonsense", 1, "Temporary error, repeat later", 167),
    ];
    for (account, code, comment, length) in errors {
        let tail = format!("<result>{code}</result>\n<comment>{comment}</comment>");
        let expected = document(&format!("<osmp_txn_id>1234567890</osmp_txn_id>\n{tail}"));
        assert_eq!(expected.len(), length);
        let answer = kiosk.get(&check("1234567890", account, "1.00")).await;
        assert_eq!((answer.status, answer.body), (200, expected));
        let info = [("command", "getInfo"), ("account", account), ("ccy", "RUB")];
        assert_eq!(kiosk.post(&info).await.body, document(&tail));
    }
}

#[rstest]
#[tokio::test]
async fn a_wrong_txn_id_is_echoed_harmlessly(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let refused = |echo: &str| {
        document(&format!(
            "<osmp_txn_id>{echo}</osmp_txn_id>\n<result>300</result>\n<comment>Provider error</comment>"
        ))
    };
    assert_eq!(
        kiosk.get(&without(pay("", KNOWN, "1.00"), "txn_id")).await.body,
        refused("")
    );
    assert_eq!(
        kiosk.pay("<b>&\"", KNOWN, "1.00").await.body,
        refused("&lt;b&gt;&amp;\"")
    );
    let long = "123456789012345678901";
    assert_eq!(
        kiosk.pay(long, KNOWN, "1.00").await.body,
        refused("12345678901234567890")
    );
    assert_eq!(
        kiosk.pay("00123", KNOWN, "1.00").await.tag("osmp_txn_id"),
        Some("00123")
    );
    assert_eq!(stage.list("payments").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn without_the_login_there_is_no_answer(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let body = json!({"config": {"subnets": ["127.0.0.0/8"]}, "basic": {"login": "Login", "password": "Password"}});
    stage
        .admin()
        .patch("/admin/v1/merchants/acme/connections/terminal", &body)
        .await;
    let kiosk = stage.kiosk();
    let stranger = e2e::within(CHANGE_IS_SEEN, "401", async || {
        Some(kiosk.check("1", KNOWN, "1.00").await).filter(|answer| answer.status == 401)
    })
    .await;
    assert_eq!(
        (stranger.www_authenticate.as_deref(), stranger.body.as_str()),
        (Some("Basic realm=\"terminal\""), "")
    );
    for (login, password) in [("Login", "password"), ("login", "Password"), ("Login", ""), ("", "")] {
        let refused = kiosk.clone().with_login(login, password).pay("1", KNOWN, "1.00").await;
        assert_eq!((refused.status, refused.body.as_str()), (401, ""), "{login}:{password}");
    }
    let paid = kiosk.with_login("Login", "Password").pay("1", KNOWN, "1.00").await;
    assert_eq!(paid.result(), 0);
    assert!(!stage.gateway.log().contains("Password"));
    assert_eq!(stage.list("payments").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_foreign_address_is_refused(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    // The four subnets that QIWI publishes; loopback is none of them.
    let subnets = [
        "79.142.16.0/20",
        "195.189.100.0/22",
        "91.232.230.0/23",
        "91.213.51.0/24",
    ];
    stage.set_config(json!({"subnets": subnets})).await;
    let refused = e2e::within(CHANGE_IS_SEEN, "403", async || {
        Some(kiosk.pay("1", KNOWN, "1.00").await).filter(|answer| answer.status == 403)
    })
    .await;
    assert_eq!(refused.tag("result"), None);
    let unknown = stage.gateway.kiosk("acme", "nothing").pay("1", KNOWN, "1.00").await;
    assert_eq!((unknown.status, unknown.tag("result")), (404, None));
    assert_eq!(
        stage
            .gateway
            .kiosk("nobody", "terminal")
            .pay("1", KNOWN, "1.00")
            .await
            .status,
        404
    );
}
