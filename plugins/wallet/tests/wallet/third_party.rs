//! The simulator as foreign clients use it: the page's samples byte by byte, its rules and its error bodies.

use plugin_sdk::SandboxAnswer;
use rstest::rstest;

use crate::*;

const JSON: (&str, &str) = ("content-type", "application/json");
const BEARER: (&str, &str) = ("authorization", "Bearer demo-wallet-token-1");

fn ask(wire: &Wire, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> SandboxAnswer {
    wire.visit(method, &format!("{BASE_URL}{path}"), headers, body.as_bytes())
}

fn json_of(answer: &SandboxAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn cookie(answer: &SandboxAnswer) -> String {
    let (_, value) = answer.headers.iter().find(|(name, _)| *name == "set-cookie").unwrap();
    value.split(';').next().unwrap().to_owned()
}

const S1: &str = "https://qiwi.com/j_spring_cas_security_check";
const S2: &str = "http://t.qiwi.com/j_spring_cas_security_check";

fn log_in(wire: &Wire) -> (String, String) {
    let body = r#"{"login":"+79110000001","password":"demo-password-1","captcha":"x"}"#;
    let answer = ask(wire, "POST", "/cas/tgts", &[JSON], body);
    assert_eq!(answer.status, 201);
    assert_eq!(json_of(&answer)["links"][0]["href"], format!("{BASE_URL}/cas/sts"));
    (
        json_of(&answer)["entity"]["ticket"].as_str().unwrap().to_owned(),
        cookie(&answer),
    )
}

fn ticket(wire: &Wire, tgt: &str, service: &str) -> SandboxAnswer {
    let body = json!({ "service": service, "ticket": tgt }).to_string();
    ask(wire, "POST", "/cas/sts", &[JSON], &body)
}

fn st(wire: &Wire, tgt: &str, service: &str) -> String {
    json_of(&ticket(wire, tgt, service))["entity"]["ticket"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// §2 from the first step to the last, as the page writes it.
#[test]
fn a_cas_client_walks_the_whole_page() {
    let wire = wire();
    let (tgt, castgc) = log_in(&wire);
    assert!(tgt.starts_with("TGT-") && castgc == format!("CASTGC={tgt}"));
    assert_eq!(ask(&wire, "GET", "/cas/tgts", &[("cookie", &castgc)], "").status, 201);
    assert_eq!(ask(&wire, "GET", "/cas/tgts", &[], "").status, 401);
    let first = st(&wire, &tgt, S1);
    let opened = ask(
        &wire,
        "GET",
        &format!("/j_spring_cas_security_check?ticket={first}"),
        &[],
        "",
    );
    assert_eq!(
        (opened.status, json_of(&opened)["code"]["value"].clone()),
        (200, json!("0"))
    );
    let again = ask(
        &wire,
        "GET",
        &format!("/j_spring_cas_security_check?ticket={first}"),
        &[],
        "",
    );
    assert_eq!(
        (again.status, json_of(&again)["code"]["value"].clone()),
        (401, json!("2"))
    );

    let session = cookie(&opened);
    let sample = r#"{"id":"11111111111111","sum":{"amount":100,"currency":"643"},"source":"account_643",
        "paymentMethod":{"type":"Account","accountId":"643"},
        "comment":"test","fields":{"account":"9110000002"}}"#;
    let path = "/user/sinap/api/terms/99/payments/proxy.action";
    let headers = [
        ("cookie", session.as_str()),
        JSON,
        ("accept", "application/vnd.qiwi.v2+json"),
    ];
    let paid = ask(&wire, "POST", path, &headers, sample);
    let expected = json!({ "id": "11111111111111", "fields": { "account": "9110000002" },
        "sum": { "amount": 100, "currency": "643" }, "source": "account_643",
        "transaction": { "id": "13353941550", "state": { "code": "Accepted" } }, "comment": "test" });
    assert_eq!((paid.status, json_of(&paid)), (200, expected));
    let wrong = "/user/sinap/api/providers/99/onlineCommission/proxy.action";
    assert_eq!(
        ask(&wire, "POST", wrong, &headers, sample).status,
        400,
        "a transfer is no question of commission"
    );
    assert_eq!(ask(&wire, "POST", path, &headers[1..], sample).status, 401);

    wire.advance(seconds(2));
    let second = st(&wire, &tgt, S2);
    let history = format!(
        "/payment-history/v1/persons/{WALLET}/payments?rows=10&operation=OUT&sources[0]=QW_RUB&sources[1]=CARD"
    );
    let authorization = format!("Token {second}");
    let listed = ask(&wire, "GET", &history, &[("authorization", &authorization)], "");
    let item = &json_of(&listed)["data"][0];
    assert_eq!(
        (item["txnId"].clone(), item["trmTxnId"].clone()),
        (json!(13_353_941_550_i64), json!("11111111111111"))
    );
    assert_eq!(
        (item["status"].clone(), item["sum"].clone()),
        (json!("SUCCESS"), json!({ "amount": 100, "currency": "RUB" }))
    );
    assert_eq!(
        ask(&wire, "GET", &history, &[("authorization", &authorization)], "").status,
        401,
        "one use"
    );

    let third = st(&wire, &tgt, S2);
    let goodbye = json!({ "service": S1, "ticket": tgt }).to_string();
    assert_eq!(ask(&wire, "DELETE", "/cas/tgts", &[JSON], &goodbye).status, 200);
    assert_eq!(ask(&wire, "DELETE", "/cas/tgts", &[JSON], &goodbye).status, 404);
    let authorization = format!("Token {third}");
    assert_eq!(
        ask(&wire, "GET", &history, &[("authorization", &authorization)], "").status,
        401
    );
    assert_eq!(
        ask(&wire, "POST", path, &headers, sample).status,
        401,
        "its sessions are dead too"
    );
}

#[test]
fn cas_refuses_as_decided() {
    let wire = wire();
    let wrong = r#"{"login":"79110000001","password":"wrong"}"#;
    let refused = ask(&wire, "POST", "/cas/tgts", &[JSON], wrong);
    let body = json!({ "entity": { "error": { "message": "Неверный логин или пароль", "code": "401" } }, "links": [] });
    assert_eq!((refused.status, json_of(&refused)), (401, body));
    assert_eq!(ask(&wire, "POST", "/cas/tgts", &[JSON], "{}").status, 400);
    assert_eq!(ticket(&wire, "TGT-1", S1).status, 401);
    let (tgt, _) = log_in(&wire);
    assert_eq!(ticket(&wire, &tgt, "https://evil.test").status, 400);
    let site = st(&wire, &tgt, S1);
    let authorization = format!("Token {site}");
    let balance = format!("/funding-sources/v1/accounts/{WALLET}");
    let other_service = ask(&wire, "GET", &balance, &[("authorization", &authorization)], "");
    assert_eq!(other_service.status, 401, "a ticket of another service");
    let late = st(&wire, &tgt, S2);
    wire.advance(seconds(300));
    let authorization = format!("Token {late}");
    assert_eq!(
        ask(&wire, "GET", &balance, &[("authorization", &authorization)], "").status,
        401,
        "unused too long"
    );
    for _ in 0..5 {
        ask(&wire, "POST", "/cas/tgts", &[JSON], wrong);
    }
    assert_eq!(ask(&wire, "POST", "/cas/tgts", &[JSON], wrong).status, 423);
    wire.advance(chrono::Duration::hours(8));
    assert_eq!(ticket(&wire, &tgt, S1).status, 401);
}

fn pay(wire: &Wire, body: &Value) -> SandboxAnswer {
    let headers = [BEARER, JSON, ("accept", "application/json")];
    ask(
        wire,
        "POST",
        "/sinap/api/v2/terms/99/payments",
        &headers,
        &body.to_string(),
    )
}

fn transfer(id: &str) -> Value {
    json!({ "id": id, "sum": { "amount": 100, "currency": "643" },
        "paymentMethod": { "type": "Account", "accountId": "643" }, "fields": { "account": "+79110000002" } })
}

#[rstest]
#[case("/id", json!(1))]
#[case("/id", json!("12x"))]
#[case("/id", json!("123456789012345678901"))]
#[case("/sum/amount", json!(0))]
#[case("/sum/amount", json!(-5))]
#[case("/sum/amount", json!("100"))]
#[case("/sum/currency", json!("840"))]
#[case("/sum/currency", json!(643))]
#[case("/paymentMethod/type", json!("Card"))]
#[case("/paymentMethod/accountId", json!("840"))]
#[case("/fields/account", json!(null))]
fn a_malformed_payment_is_400_and_takes_nothing(#[case] pointer: &str, #[case] value: Value) {
    let wire = wire();
    let mut body = transfer("1");
    *body.pointer_mut(pointer).unwrap() = value;
    let refused = pay(&wire, &body);
    assert_eq!(
        (refused.status, json_of(&refused)["errorCode"].clone()),
        (400, json!("validation.error"))
    );
    assert_eq!(balance(&wire, WALLET), "100000");
}

#[test]
fn ids_are_kept_as_decided() {
    let wire = wire();
    let first = pay(&wire, &transfer("20"));
    assert_eq!(json_of(&first)["terms"], "99");
    assert_eq!(pay(&wire, &transfer("20")).body, first.body, "the first answer again");
    let mut other = transfer("20");
    other["sum"]["amount"] = json!(101);
    let refused = pay(&wire, &other);
    assert_eq!(
        (refused.status, json_of(&refused)["code"].clone()),
        (400, json!("QWPRC-408"))
    );
    assert_eq!(pay(&wire, &transfer("19")).status, 200, "growth is advice");
    let mut fine = transfer("21");
    fine["sum"]["amount"] = json!(1.739);
    assert_eq!(
        json_of(&pay(&wire, &fine))["sum"]["amount"],
        json!(1.73),
        "finer than kopecks is cut off"
    );
    assert_eq!(balance(&wire, WALLET), "99798.27");
}

#[rstest]
#[case("", 400)]
#[case("rows=0", 400)]
#[case("rows=51", 400)]
#[case("rows=x", 400)]
#[case("rows=1&operation=SIDEWAYS", 400)]
#[case("rows=1&sources%5B0%5D=PURSE", 400)]
#[case("rows=1&startDate=2026-03-01T00%3A00%3A00%2B03%3A00", 400)]
#[case("rows=1&nextTxnId=1", 400)]
#[case("rows=1&startDate=x&endDate=y", 400)]
#[case(
    "rows=1&startDate=2026-03-02T00:00:00%2B03:00&endDate=2026-03-01T00:00:00%2B03:00",
    400
)]
#[case(
    "rows=1&startDate=2025-11-01T00:00:00%2B03:00&endDate=2026-03-01T00:00:00%2B03:00",
    400
)]
#[case("rows=1&startDate=2026-03-01T00:00:00&endDate=2026-03-02T00:00:00Z", 200)]
#[case("rows=50", 200)]
fn history_is_validated(#[case] query: &str, #[case] status: u16) {
    let wire = wire();
    let path = format!("/payment-history/v2/persons/{WALLET}/payments?{query}");
    let answer = ask(&wire, "GET", &path, &[BEARER], "");
    assert_eq!(answer.status, status);
    if status == 400 {
        assert_eq!(json_of(&answer)["errorCode"], "validation.error");
    }
}

#[test]
fn the_hundred_and_first_request_shuts_the_history_for_five_minutes() {
    let wire = wire();
    let path = format!("/payment-history/v2/persons/{WALLET}/payments?rows=1");
    let get = |path: &str| ask(&wire, "GET", path, &[BEARER], "");
    for _ in 0..100 {
        assert_eq!(get(&path).status, 200);
    }
    let blocked = get(&path);
    assert_eq!(
        (blocked.status, json_of(&blocked)["errorCode"].clone()),
        (423, json!("request.blocked"))
    );
    wire.advance(seconds(299));
    assert_eq!(get("/payment-history/v2/transactions/1").status, 423, "all of history");
    wire.advance(seconds(1));
    assert_eq!(get(&path).status, 200);
}

#[test]
fn empty_lists_foreign_wallets_and_bad_tokens_answer_as_the_page_says() {
    let wire = wire();
    let list = |wallet: &str, token: (&str, &str)| {
        let path = format!("/payment-history/v2/persons/{wallet}/payments?rows=1");
        ask(&wire, "GET", &path, &[token], "")
    };
    let empty = json!({ "data": [], "nextTxnId": null, "nextTxnDate": null });
    assert_eq!(json_of(&list(WALLET, BEARER)), empty);
    let foreign = list(OTHER, BEARER);
    assert_eq!(
        (foreign.status, json_of(&foreign)["errorCode"].clone()),
        (403, json!("auth.forbidden"))
    );
    let unknown = list(WALLET, ("authorization", "Bearer nobody"));
    assert_eq!((unknown.status, unknown.body.len()), (401, 0));
    let (tgt, _) = log_in(&wire);
    let authorization = format!("Token {}", st(&wire, &tgt, S2));
    let path = format!("/payment-history/v1/persons/{WALLET}/payments?rows=1");
    let old = ask(&wire, "GET", &path, &[("authorization", &authorization)], "");
    assert_eq!(
        (old.status, json_of(&old)["errorCode"].clone()),
        (404, json!("payment.history.not.found"))
    );
    let minted = control(&wire, "tokens", &json!({ "wallet": WALLET }));
    assert_eq!(list(WALLET, BEARER).status, 401, "a new token kills the old");
    let fresh = format!("Bearer {}", minted["token"].as_str().unwrap());
    assert_eq!(list(WALLET, ("authorization", &fresh)).status, 200);
    wire.advance(chrono::Duration::days(180));
    assert_eq!(list(WALLET, ("authorization", &fresh)).status, 401, "it lives 180 days");
}

#[test]
fn neighbouring_calls_of_libraries_are_there() {
    let wire = wire();
    let profile = ask(
        &wire,
        "GET",
        "/person-profile/v1/profile/current?authInfoEnabled=false",
        &[BEARER],
        "",
    );
    assert_eq!(json_of(&profile)["contractInfo"]["contractId"], 79_110_000_001_i64);
    assert_eq!(json_of(&profile)["authInfo"], Value::Null);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let found = ask(&wire, "POST", "/mobile/detect.action", &form, "phone=%2B79651238341");
    assert_eq!(
        (
            json_of(&found)["code"]["value"].clone(),
            json_of(&found)["message"].clone()
        ),
        (json!("0"), json!("2"))
    );
    let nobody = ask(&wire, "POST", "/card/detect.action", &form, "cardNumber=1");
    assert_eq!(
        (nobody.status, json_of(&nobody)["code"]["_name"].clone()),
        (200, json!("ERROR"))
    );
    let tariff = ask(&wire, "GET", "/sinap/providers/99/form", &[], "");
    assert_eq!(
        json_of(&tariff)["content"]["terms"]["commission"]["ranges"][0]["bound"],
        0
    );
}

#[test]
fn a_person_reads_and_clicks_the_page() {
    let wire = wire();
    pay(&wire, &{
        let mut waits = transfer("1");
        waits["sum"]["amount"] = json!(100.99);
        waits
    });
    let page = String::from_utf8(ask(&wire, "GET", "/sandbox/wallet", &[], "").body).unwrap();
    assert!(page.contains("13353941550") && page.contains("WAITING") && !page.contains("{{"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let clicked = ask(
        &wire,
        "POST",
        "/sandbox/wallet/transactions/13353941550",
        &form,
        "outcome=error",
    );
    assert_eq!(clicked.status, 303);
    assert_eq!(
        (transactions(&wire)[0]["status"].clone(), balance(&wire, WALLET)),
        (json!("ERROR"), "100000".to_owned())
    );
    control(
        &wire,
        "wallets",
        &json!({ "wallet": "79110000003", "balance": "12.34" }),
    );
    assert_eq!(balance(&wire, "79110000003"), "12.34");
    let hostile = json!({ "id": "2", "sum": { "amount": 1, "currency": "643" },
        "paymentMethod": { "type": "Account", "accountId": "643" }, "fields": { "account": "<script>" } });
    assert_eq!(pay(&wire, &hostile).status, 200);
    let page = String::from_utf8(ask(&wire, "GET", "/sandbox/wallet", &[], "").body).unwrap();
    assert!(!page.contains("<script>"));
}
