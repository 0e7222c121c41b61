//! People: the first owner, second factors, sessions, invitations, and what slows guesses down.

use chrono::{Duration, Utc};
use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::BOOTSTRAP_TOKEN;
use e2e::people::PASSWORD;
use e2e::{Browser, Gateway, TestDatabase, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

const OWNER: &str = "owner@example.com";

struct House {
    gateway: Gateway,
    database: TestDatabase,
}

impl House {
    async fn new(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::new(backend).await;
        let gateway = Gateway::start_with(&database, settings).await;
        Self { gateway, database }
    }

    fn browser(&self) -> Browser {
        Browser::new(self.gateway.admin_address)
    }
}

fn code(answer: &e2e::AdminAnswer) -> (u16, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default())
}

#[rstest]
#[tokio::test]
async fn the_first_owner_is_made_once_and_needs_a_second_factor(#[values(Sqlite, Postgres)] backend: Backend) {
    let house = House::new(backend, &[]).await;
    let mut browser = house.browser();
    assert_eq!(browser.get("/setup").await["needed"], true);
    let asked =
        |token: &str, password: &str| json!({"token": token, "email": OWNER, "name": "Ann", "password": password});
    let refused = browser.post("/setup", asked("wrong", PASSWORD)).await;
    assert_eq!(code(&refused), (401, "wrong_credentials"));
    for weak in ["short", "password1234", "owner@example.com"] {
        let refused = browser.post("/setup", asked(BOOTSTRAP_TOKEN, weak)).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("password")),
            "{weak}"
        );
    }
    let made = browser.post("/setup", asked(BOOTSTRAP_TOKEN, PASSWORD)).await.success();
    assert_eq!(made["me"]["operator_role"], "owner");
    assert_eq!(made["me"]["must_set_second_factor"], true);
    let refused = browser.send(Method::GET, "/merchants", None).await;
    assert_eq!(code(&refused), (403, "second_factor_missing"));
    let authenticator = browser.enrol().await;
    assert_eq!(authenticator.recovery.len(), 10);
    let me = browser.get("/me").await;
    assert_eq!(
        (&me["second_factor"], &me["must_set_second_factor"]),
        (&json!(true), &json!(false))
    );
    assert!(
        me["permissions"]["*"]
            .as_array()
            .unwrap()
            .contains(&json!("operators:write"))
    );
    browser.get("/merchants").await;
    assert_eq!(browser.get("/setup").await["needed"], false);
    let again = house.browser().post("/setup", asked(BOOTSTRAP_TOKEN, PASSWORD)).await;
    assert_eq!(again.status, 409);
}

#[rstest]
#[tokio::test]
async fn a_code_opens_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let house = House::new(backend, &[]).await;
    let authenticator = house.browser().set_up(BOOTSTRAP_TOKEN, OWNER).await;
    let mut browser = house.browser();
    assert_eq!(
        code(&browser.sign_in(OWNER, None).await),
        (401, "second_factor_required")
    );
    assert_eq!(
        code(&browser.sign_in(OWNER, Some("000000")).await),
        (401, "wrong_credentials")
    );
    let next = authenticator.next_code();
    assert_eq!(browser.sign_in("OWNER@example.com ", Some(&next)).await.status, 200);
    assert_eq!(
        code(&browser.sign_in(OWNER, Some(&next)).await),
        (401, "wrong_credentials")
    );
    let recovery = authenticator.recovery.first().unwrap();
    assert_eq!(browser.sign_in(OWNER, Some(recovery)).await.status, 200);
    assert_eq!(browser.get("/me").await["recovery_codes_left"], 9);
    assert_eq!(
        code(&browser.sign_in(OWNER, Some(recovery)).await),
        (401, "wrong_credentials")
    );
    for (email, password) in [("nobody@example.com", PASSWORD), (OWNER, "wrong"), ("", ""), ("x", "y")] {
        let refused = browser
            .post("/session", json!({"email": email, "password": password}))
            .await;
        assert_eq!(code(&refused), (401, "wrong_credentials"), "{email}");
    }
}

#[rstest]
#[tokio::test]
async fn a_refresh_token_works_once_and_its_theft_ends_the_session(#[values(Sqlite, Postgres)] backend: Backend) {
    let house = House::new(backend, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let mut browser = house.browser();
    let asked = json!({"token": BOOTSTRAP_TOKEN, "email": OWNER, "name": "Ann", "password": PASSWORD});
    let _ = browser.post("/setup", asked).await.success();
    let mut bare = browser.clone();
    let request = reqwest::Client::new()
        .post(format!(
            "http://{}/admin/v1/session/refresh",
            house.gateway.admin_address
        ))
        .header(
            "cookie",
            format!("tollgate_refresh={}", browser.cookies["tollgate_refresh"]),
        );
    assert_eq!(request.send().await.unwrap().status(), 422, "no other site can refresh");
    let _ = browser.post("/session/refresh", json!({})).await.success();
    browser.get("/me").await;
    // An answer that got lost: the token before is taken for a moment.
    let _ = bare.post("/session/refresh", json!({})).await.success();
    let long_ago = (Utc::now() - Duration::minutes(5)).to_rfc3339();
    let stale = browser.clone();
    house
        .database
        .execute(&format!("UPDATE sessions SET refreshed_at = '{long_ago}'"))
        .await;
    let mut thief = stale.clone();
    assert_eq!(
        code(&thief.post("/session/refresh", json!({})).await),
        (401, "session_over")
    );
    assert_eq!(
        code(&bare.post("/session/refresh", json!({})).await),
        (401, "session_over"),
        "for its owner too"
    );
    soon("the access token opens nothing", async || {
        let mut held = bare.clone();
        (held.send(Method::GET, "/me", None).await.status == 401).then_some(())
    })
    .await;
    let why = house.database.texts("SELECT ended_why FROM sessions").await;
    assert_eq!(why, ["a refresh token was used twice"]);
    let forged = ["", "x", "ses_x.y", "ses_01JB2M7K3V4Q5R6S7T8V9WAXBY.00"];
    for token in forged {
        let mut browser = house.browser();
        browser.cookies.insert("tollgate_refresh".to_owned(), token.to_owned());
        assert_eq!(browser.post("/session/refresh", json!({})).await.status, 401, "{token}");
    }
}

#[rstest]
#[tokio::test]
async fn sessions_are_seen_and_ended(#[values(Sqlite, Postgres)] backend: Backend) {
    let house = House::new(backend, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let other = Gateway::start_with(&house.database, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let mut first = house.browser();
    let asked = json!({"token": BOOTSTRAP_TOKEN, "email": OWNER, "name": "Ann", "password": PASSWORD});
    let _ = first.post("/setup", asked).await.success();
    let mut second = Browser::new(other.admin_address);
    let _ = second.sign_in(OWNER, None).await.success();
    let open = first.get("/me/sessions").await;
    let open = open["data"].as_array().unwrap();
    assert_eq!(open.len(), 2);
    let others = open.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/me/sessions/{}", others["id"].as_str().unwrap());
    assert_eq!(first.send(Method::DELETE, &path, None).await.status, 204);
    soon("the other node knows", async || {
        let mut held = second.clone();
        (held.send(Method::GET, "/me", None).await.status == 401).then_some(())
    })
    .await;
    // A new password ends the others and keeps the one that set it.
    let mut third = house.browser();
    let _ = third.sign_in(OWNER, None).await.success();
    let new = "nine purple ladders sing";
    let wrong = first
        .post("/me/password", json!({"current": "wrong", "new": new}))
        .await;
    assert_eq!((wrong.status, &wrong.body["field"]), (422, &json!("password")));
    assert_eq!(
        first
            .post("/me/password", json!({"current": PASSWORD, "new": new}))
            .await
            .status,
        204
    );
    soon("the others are out", async || {
        let mut held = third.clone();
        (held.send(Method::GET, "/me", None).await.status == 401).then_some(())
    })
    .await;
    first.get("/me").await;
    assert_eq!(third.sign_in(OWNER, None).await.status, 401);
    assert_eq!(first.send(Method::DELETE, "/session", None).await.status, 204);
    assert_eq!(first.post("/session/refresh", json!({})).await.status, 401);
}

#[rstest]
#[tokio::test]
async fn nobody_is_locked_out_by_a_stranger(#[values(Sqlite, Postgres)] backend: Backend) {
    let settings = [
        ("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody"),
        ("TOLLGATE_PUBLIC__TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    let house = House::new(backend, &settings).await;
    let mut owner = house.browser();
    let asked = json!({"token": BOOTSTRAP_TOKEN, "email": OWNER, "name": "Ann", "password": PASSWORD});
    let _ = owner.post("/setup", asked).await.success();
    let mut stranger = house.browser();
    stranger.address = Some("198.51.100.7".to_owned());
    let mut refused = Value::Null;
    for _ in 0..12 {
        let answer = stranger
            .post("/session", json!({"email": OWNER, "password": "guess"}))
            .await;
        refused = json!([answer.status, answer.body["code"]]);
        if answer.status == 429 {
            break;
        }
    }
    assert_eq!(refused, json!([429, "too_many_attempts"]));
    let right = stranger.sign_in(OWNER, None).await;
    assert_eq!(right.status, 429, "even the right password waits there");
    let mut elsewhere = house.browser();
    elsewhere.address = Some("203.0.113.9".to_owned());
    assert_eq!(
        elsewhere.sign_in(OWNER, None).await.status,
        200,
        "another network is not kept waiting"
    );
    let mut known = house.browser();
    known.address = Some("198.51.100.8".to_owned());
    let device = owner.cookies["tollgate_device"].clone();
    known.cookies.insert("tollgate_device".to_owned(), device.clone());
    assert_eq!(
        known.sign_in(OWNER, None).await.status,
        200,
        "a known browser is counted alone"
    );
    let mut forged = known.clone();
    forged
        .cookies
        .insert("tollgate_device".to_owned(), device.replace("per_", "pre_"));
    assert_eq!(forged.sign_in(OWNER, None).await.status, 429);
}

#[rstest]
#[tokio::test]
async fn an_invitation_opens_once(#[values(Sqlite, Postgres)] backend: Backend) {
    let house = House::new(backend, &[]).await;
    let mut owner = house.browser();
    owner.set_up(BOOTSTRAP_TOKEN, OWNER).await;
    let _ = owner
        .post("/merchants", json!({"slug": "acme", "name": "Acme Telecom"}))
        .await
        .success();
    let people = "/merchants/acme/people";
    let wrong = owner
        .post(
            &format!("{people}/invitations"),
            json!({"email": "a@b.example", "role": "owner"}),
        )
        .await;
    assert_eq!((wrong.status, &wrong.body["field"]), (422, &json!("role")));
    let body = json!({"email": "Dev@Acme.example", "role": "developer"});
    let first = owner
        .post(&format!("{people}/invitations"), body.clone())
        .await
        .success();
    let second = owner.post(&format!("{people}/invitations"), body).await.success();
    let token = |invited: &Value| invited["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut browser = house.browser();
    let gone = browser
        .send(Method::GET, &format!("/invitations/{}", token(&first)), None)
        .await;
    assert_eq!(gone.status, 404, "the newer link replaces the older");
    let seen = browser.get(&format!("/invitations/{}", token(&second))).await;
    assert_eq!(
        (&seen["email"], &seen["role"], &seen["merchant"], &seen["known"]),
        (
            &json!("dev@acme.example"),
            &json!("developer"),
            &json!("Acme Telecom"),
            &json!(false)
        )
    );
    let path = format!("/invitations/{}", token(&second));
    let accepted = browser
        .post(&path, json!({"name": "Dan", "password": PASSWORD}))
        .await
        .success();
    assert_eq!(accepted["me"]["memberships"][0]["merchant"]["slug"], "acme");
    let again = house
        .browser()
        .post(&path, json!({"name": "Dan", "password": PASSWORD}))
        .await;
    assert_eq!(again.status, 404);
    browser.get("/merchants/acme/rules/revisions").await;
    assert_eq!(browser.send(Method::GET, "/merchants", None).await.status, 403);
    let staff = owner.get(people).await;
    let person = staff["data"][0]["id"].as_str().unwrap().to_owned();
    let change = json!({"role": "viewer"});
    assert_eq!(
        owner
            .send(Method::PATCH, &format!("{people}/{person}"), Some(&change))
            .await
            .status,
        204
    );
    assert_eq!(
        owner
            .send(Method::DELETE, &format!("{people}/{person}"), None)
            .await
            .status,
        204
    );
    soon("the membership is over", async || {
        let mut held = browser.clone();
        (held.send(Method::GET, "/merchants/acme", None).await.status == 404).then_some(())
    })
    .await;
    let me = owner.get("/me").await["id"].as_str().unwrap().to_owned();
    let last = owner.send(Method::DELETE, &format!("/people/{me}"), None).await;
    assert_eq!(code(&last), (409, "last_owner"));
}
