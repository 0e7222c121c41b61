//! The protocol's conformance vectors (`protocols/terminal.md §14`) and processing rules (§9), over the wire.

use e2e::Backend::{self, Postgres, Sqlite};
use e2e::kiosk::{check, pay, with, without};
use e2e::{Answer, Kiosk, soon, within};
use rstest::rstest;
use serde_json::json;

use crate::stage::{CHANGE_IS_SEEN, RULES, Stage};

const KNOWN: &str = "4957835959";

#[derive(Debug, Clone, Copy)]
enum Method {
    Get,
    Post,
}

impl Method {
    async fn call(self, kiosk: &Kiosk, parameters: &[(&str, &str)]) -> Answer {
        match self {
            Self::Get => kiosk.get(parameters).await,
            Self::Post => kiosk.post(parameters).await,
        }
    }
}

#[rstest]
#[tokio::test]
async fn vectors_1_to_8_and_11_to_12(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Method::Get, Method::Post)] method: Method,
) {
    let stage = Stage::with_rules(backend, json!({"account_regex": "[0-9]{10}"}), RULES).await;
    let kiosk = stage.kiosk();
    let unknown = "1111111111";

    let checked = method.call(&kiosk, &check("1", KNOWN, "1.00")).await;
    assert_eq!((checked.result(), checked.tag("osmp_txn_id")), (0, Some("1")));
    let vectors = [
        ("2: unknown account", check("2", unknown, "1.00"), 5),
        ("3: check without sum", without(check("3", KNOWN, "1.00"), "sum"), 300),
        ("4: account off the regex", check("4", "abcdefgh", "1.00"), 4),
        ("7: pay, unknown account", pay("7", unknown, "1.00"), 5),
        ("8: pay without sum", without(pay("8", KNOWN, "1.00"), "sum"), 300),
        ("11: pay without txn_id", without(pay("", KNOWN, "1.00"), "txn_id"), 300),
    ];
    for (vector, parameters, code) in vectors {
        let answer = method.call(&kiosk, &parameters).await;
        assert_eq!(
            (answer.status, answer.result()),
            (200, code),
            "vector {vector}: {answer:?}"
        );
    }
    let paid = method.call(&kiosk, &pay("5", KNOWN, "1.00")).await;
    assert_eq!((paid.result(), paid.sum()), (0, Some("1.00")));
    let again = method.call(&kiosk, &pay("5", KNOWN, "1.00")).await;
    assert_eq!((again.prv_txn(), &again.body), (paid.prv_txn(), &paid.body), "vector 6");
    for sum in ["0", "-100", "0.00", "1", "1.0", "1,00", "1.000", " 1.00x"] {
        let code = method.call(&kiosk, &pay("12", KNOWN, sum)).await.result();
        assert!([300, 241].contains(&code), "vector 12, sum {sum}: {code}");
    }
    assert_eq!(stage.list("payments?status=succeeded").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn vector_9_a_pay_that_could_not_be_judged_is_judged_anew(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Method::Get, Method::Post)] method: Method,
) {
    let later = "return { check = function() return retry_later() end }";
    let stage = Stage::with_rules(backend, json!({}), later).await;
    let kiosk = stage.kiosk();
    assert_eq!(method.call(&kiosk, &pay("9", KNOWN, "1.00")).await.result(), 1);
    assert_eq!(stage.count("payments").await, 0);
    stage.publish(RULES).await;
    let paid = within(CHANGE_IS_SEEN, "the rules that accept", async || {
        Some(method.call(&kiosk, &pay("9", KNOWN, "1.00")).await).filter(|answer| answer.result() == 0)
    })
    .await;
    // From now on nobody is asked.
    stage
        .publish("return { check = function() return reject('forbidden') end }")
        .await;
    soon("rules that refuse", async || {
        (kiosk.check("99", KNOWN, "1.00").await.result() == 7).then_some(())
    })
    .await;
    assert_eq!(method.call(&kiosk, &pay("9", KNOWN, "1.00")).await.body, paid.body);
}

#[rstest]
#[tokio::test]
async fn vector_10_a_fatal_refusal_stays(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Method::Get, Method::Post)] method: Method,
) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    let kiosk = stage.kiosk();
    let refused = method.call(&kiosk, &pay("10", "refuse-account_inactive", "1.00")).await;
    assert_eq!(refused.result(), 79);
    stage.publish("return { check = function() return accept() end }").await;
    let account = "refuse-account_inactive";
    soon("rules that accept", async || {
        (kiosk.check("11", account, "1.00").await.result() == 0).then_some(())
    })
    .await;
    assert_eq!(
        method
            .call(&kiosk, &pay("10", "refuse-account_inactive", "1.00"))
            .await
            .body,
        refused.body
    );
    assert_eq!(stage.list("payments").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn vector_19_unknown_parameters_are_stored(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Method::Get, Method::Post)] method: Method,
) {
    let stage = Stage::new(backend).await;
    let parameters = with(pay("19", KNOWN, "1.00"), "custom_field", "Иван & Co");
    assert_eq!(method.call(&stage.kiosk(), &parameters).await.result(), 0);
    let payment = stage.list("payments").await.remove(0);
    assert_eq!(payment["extras"]["custom_field"], "Иван & Co");
    assert_eq!(payment["network_id"], "19");
    assert_eq!(payment["amount"], json!({"amount": "1.00", "currency": "RUB"}));
}

/// The sample that QIWI prints (§6.3); compared by tag, as their order and white space are free.
#[rstest]
#[tokio::test]
async fn vector_20_the_printed_error(
    #[values(Sqlite, Postgres)] backend: Backend,
    #[values(Method::Get, Method::Post)] method: Method,
) {
    let comment = "Subscriber not found or incorrect phone number";
    let rules = format!("return {{ check = function() return reject('account_not_found', '{comment}') end }}");
    let stage = Stage::with_rules(backend, json!({}), &rules).await;
    let answer = method.call(&stage.kiosk(), &check("1234567890", KNOWN, "200.00")).await;
    assert_eq!(
        (answer.result(), answer.comment(), answer.tag("osmp_txn_id")),
        (5, Some(comment), Some("1234567890"))
    );
}

#[rstest]
#[tokio::test]
async fn other_data_under_a_paid_id_is_refused(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let parameters = || with(pay("1", KNOWN, "10.45"), "prv_id", "101");
    let paid = kiosk.get(&parameters()).await;
    for (name, value) in [("sum", "10.46"), ("account", "1"), ("ccy", "USD"), ("prv_id", "102")] {
        assert_eq!(
            kiosk.get(&with(parameters(), name, value)).await.result(),
            300,
            "{name}={value}"
        );
    }
    // The accounting moment may differ, and what was not said the first time may be left out.
    for same in [
        with(parameters(), "txn_date", "20230616000000"),
        without(parameters(), "prv_id"),
    ] {
        assert_eq!(kiosk.get(&same).await.body, paid.body);
    }
    // A person needs to hear it once, however often the network repeats it.
    let told = async || {
        stage
            .list("events")
            .await
            .iter()
            .filter(|event| event["type"] == "payment.contradicted")
            .count()
    };
    soon("the event", async || (told().await > 0).then_some(())).await;
    assert_eq!(told().await, 1);
    assert_eq!(stage.list("payments").await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_check_of_a_paid_payment_tells_its_number(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_rules(backend, json!({}), RULES).await;
    let kiosk = stage.kiosk();
    let paid = kiosk.pay("1", KNOWN, "10.45").await;
    stage
        .publish("return { check = function() return reject('forbidden') end }")
        .await;
    soon("rules that refuse", async || {
        (kiosk.check("2", KNOWN, "1.00").await.result() == 7).then_some(())
    })
    .await;
    let checked = kiosk.check("1", KNOWN, "1.00").await;
    assert_eq!((checked.result(), checked.prv_txn()), (0, paid.prv_txn()));
}

#[rstest]
#[tokio::test]
async fn a_check_registers_and_binds_the_account(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.check("1", KNOWN, "1.00").await.result(), 0);
    soon("the registration", async || {
        (stage.count("registrations").await == 1).then_some(())
    })
    .await;
    assert_eq!(stage.list("payments").await, Vec::<serde_json::Value>::new());
    assert_eq!(
        kiosk.pay("1", "other", "1.00").await.result(),
        300,
        "another account than in check"
    );
    assert_eq!(kiosk.check("2", KNOWN, "1.00").await.result(), 0);
    soon("the registration", async || {
        (stage.count("registrations").await == 2).then_some(())
    })
    .await;
    assert_eq!(
        kiosk.pay("2", KNOWN, "500.00").await.result(),
        0,
        "another sum than in check is normal"
    );
}

#[rstest]
#[tokio::test]
async fn a_pay_may_be_required_to_have_a_check(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_config(backend, json!({"require_check": true})).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.pay("1", KNOWN, "1.00").await.result(), 300);
    // The pay follows at once, at another node: it must find its check.
    let other = match backend {
        Sqlite => None,
        Postgres => Some(stage.another_node().await),
    };
    let elsewhere = other
        .as_ref()
        .map_or_else(|| stage.kiosk(), |node| node.kiosk("acme", "terminal"));
    for txn_id in ["2", "3", "4", "5"] {
        assert_eq!(kiosk.check(txn_id, KNOWN, "1.00").await.result(), 0);
        assert_eq!(elsewhere.pay(txn_id, KNOWN, "1.00").await.result(), 0);
    }
}

#[rstest]
#[tokio::test]
async fn variant_a_has_no_currency_and_registers_nothing(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_config(backend, json!({"variant": "A"})).await;
    let kiosk = stage.kiosk();
    let checked = kiosk.get(&without(check("1", KNOWN, "1.00"), "ccy")).await;
    assert_eq!((checked.result(), checked.comment()), (0, Some("")));
    let paid = kiosk.get(&without(pay("1", "another", "1.00"), "ccy")).await;
    assert_eq!((paid.result(), paid.tag("ccy")), (0, None));
    assert_eq!(
        kiosk
            .get(&[("command", "getInfo"), ("account", KNOWN), ("sum", "1.00")])
            .await
            .result(),
        300
    );
    assert_eq!(stage.count("registrations").await, 0);
}

#[rstest]
#[tokio::test]
async fn limits_count_in_pay_and_in_check_only_on_demand(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::with_config(backend, json!({"min": "10.00", "max": "15000.00"})).await;
    let kiosk = stage.kiosk();
    assert_eq!(kiosk.check("1", KNOWN, "0.01").await.result(), 0);
    assert_eq!(kiosk.pay("1", KNOWN, "9.99").await.result(), 241);
    assert_eq!(kiosk.pay("2", KNOWN, "15000.01").await.result(), 242);
    assert_eq!(kiosk.pay("3", KNOWN, "10.00").await.result(), 0);
    stage
        .set_config(json!({"min": "10.00", "max": "15000.00", "check_amount": "enforce"}))
        .await;
    within(CHANGE_IS_SEEN, "limits in check", async || {
        (kiosk.check("4", KNOWN, "0.01").await.result() == 241).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_suspended_merchant_takes_nothing_new_and_keeps_what_was_paid(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let kiosk = stage.kiosk();
    let paid = kiosk.pay("1", KNOWN, "1.00").await;
    stage.set_status("suspended").await;
    within(CHANGE_IS_SEEN, "code 7", async || {
        (kiosk.check("2", KNOWN, "1.00").await.result() == 7).then_some(())
    })
    .await;
    assert_eq!(kiosk.pay("3", KNOWN, "1.00").await.result(), 7);
    assert_eq!(kiosk.pay("1", KNOWN, "1.00").await.body, paid.body);
    stage.set_status("active").await;
    within(CHANGE_IS_SEEN, "code 0", async || {
        (kiosk.check("4", KNOWN, "1.00").await.result() == 0).then_some(())
    })
    .await;
    assert_eq!(
        kiosk.pay("3", KNOWN, "1.00").await.result(),
        7,
        "what was refused for ever stays refused"
    );
}

#[rstest]
#[tokio::test]
async fn the_check_url_is_asked_for_checks_only(#[values(Sqlite, Postgres)] backend: Backend) {
    let inspector = e2e::Inspector::answering(|request| {
        e2e::Reply::status(match request.path.as_str() {
            "/accounts?v=1&account=known+%26+%D1%8F" => 200,
            "/accounts?v=1&account=broken" => 503,
            "/accounts?v=1&account=moved" => 204,
            _ => 404,
        })
    })
    .await;
    let stage = Stage::with_config(backend, json!({"check_url": inspector.url("/accounts?v=1")})).await;
    let kiosk = stage.kiosk();
    for (account, code) in [("known & я", 0), ("unknown", 5), ("broken", 1), ("moved", 1)] {
        assert_eq!(kiosk.check("1", account, "1.00").await.result(), code, "{account}");
    }
    let asked = inspector.received().len();
    assert_eq!(kiosk.pay("2", "unknown", "1.00").await.result(), 0);
    assert_eq!(inspector.received().len(), asked);
}
