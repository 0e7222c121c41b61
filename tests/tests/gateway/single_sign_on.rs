//! Signing in by an OpenID provider, which vouches for an e-mail address and for nothing else.

use chrono::Utc;
use e2e::Backend::{self, Postgres, Sqlite};
use e2e::gateway::BOOTSTRAP_TOKEN;
use e2e::identity_provider::{CLIENT_ID, CLIENT_SECRET};
use e2e::people::PASSWORD;
use e2e::{AdminAnswer, Authenticator, Browser, Gateway, IdentityProvider, Login, TestDatabase};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

const OWNER: &str = "owner@example.com";
const BEGIN: &str = "/session/single-sign-on";

struct House {
    provider: IdentityProvider,
    gateway: Gateway,
    _database: TestDatabase,
    owner: Browser,
    authenticator: Authenticator,
}

impl House {
    async fn new(backend: Backend, more: &[(&str, &str)]) -> Self {
        let (provider, database) = (IdentityProvider::start().await, TestDatabase::new(backend).await);
        let issuer = provider.issuer();
        let mut settings = vec![
            ("TOLLGATE_SINGLE_SIGN_ON__ISSUER", issuer.as_str()),
            ("TOLLGATE_SINGLE_SIGN_ON__CLIENT_ID", CLIENT_ID),
            ("TOLLGATE_SINGLE_SIGN_ON__CLIENT_SECRET", CLIENT_SECRET),
            ("TOLLGATE_SINGLE_SIGN_ON__NAME", "Example ID"),
            ("TOLLGATE_ADMIN__URL", "http://127.0.0.1:8081"),
        ];
        settings.extend_from_slice(more);
        let gateway = Gateway::start_with(&database, &settings).await;
        let mut owner = Browser::new(gateway.admin_address);
        let authenticator = owner.set_up(BOOTSTRAP_TOKEN, OWNER).await;
        let _ = owner
            .post("/merchants", json!({"slug": "acme", "name": "Acme"}))
            .await
            .success();
        Self {
            provider,
            gateway,
            _database: database,
            owner,
            authenticator,
        }
    }

    fn browser(&self) -> Browser {
        Browser::new(self.gateway.admin_address)
    }

    async fn invite(&mut self, people: &str, email: &str, role: &str) -> String {
        let body = json!({"email": email, "role": role});
        let invited = self.owner.post(&format!("{people}/invitations"), body).await.success();
        let url = invited["url"].as_str().unwrap();
        url.rsplit('/').next().unwrap().to_owned()
    }

    /// To the provider and back, as a browser goes.
    async fn come(&self, browser: &mut Browser, login: Login) -> AdminAnswer {
        let begun = browser.post(BEGIN, json!({})).await.success();
        let back = self.provider.log_in(begun["url"].as_str().unwrap(), login);
        assert!(back.as_str().starts_with("http://127.0.0.1:8081/sign-in?"), "{back}");
        browser.post(&format!("{BEGIN}/finish"), query(&back)).await
    }
}

fn query(back: &url::Url) -> Value {
    back.query_pairs()
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn code(answer: &AdminAnswer) -> (u16, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_invited_comes_by_the_provider(#[values(Sqlite, Postgres)] backend: Backend) {
    let mut house = House::new(backend, &[]).await;
    assert_eq!(
        house.browser().get("/setup").await["single_sign_on"],
        json!("Example ID")
    );
    let nobody = house.come(&mut house.browser(), Login::of("dev@example.com")).await;
    assert_eq!(code(&nobody), (403, "not_invited"), "{nobody:?}");

    house
        .invite("/merchants/acme/people", "dev@example.com", "developer")
        .await;
    let mut browser = house.browser();
    let opened = house.come(&mut browser, Login::of("Dev@Example.com")).await.success();
    assert_eq!(
        (&opened["me"]["email"], &opened["me"]["name"]),
        (&json!("dev@example.com"), &json!("Ann Example"))
    );
    browser.get("/merchants/acme/payments").await;
    // The session is one as any other: it is refreshed, and it ends.
    let _ = browser.post("/session/refresh", json!({})).await.success();
    let _ = browser.send(Method::DELETE, "/session", None).await.success();
    assert_eq!(browser.post("/session/refresh", json!({})).await.status, 401);
    // Again, without an invitation; and by no password, for there is none.
    let mut browser = house.browser();
    let _ = house.come(&mut browser, Login::of("dev@example.com")).await.success();
    assert_eq!(
        code(&house.browser().sign_in("dev@example.com", None).await),
        (401, "wrong_credentials")
    );
    let trail = house.owner.get("/audit").await;
    let came = |entry: &&Value| entry["actor"] == "dev@example.com" && entry["action"] == "session.create";
    let entries: Vec<_> = trail["data"].as_array().unwrap().iter().filter(came).collect();
    assert_eq!(entries.len(), 2, "{trail}");
    assert_eq!(entries[0]["subject"], json!("single sign-on"));
}

/// Whoever invites somebody holds the link. It must not open what the provider alone opens.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_no_account_of_the_providers() {
    let mut house = House::new(Sqlite, &[]).await;
    house.invite("/people", "chief@example.com", "auditor").await;
    let mut chief = house.browser();
    let opened = house.come(&mut chief, Login::of("chief@example.com")).await.success();
    assert_eq!(opened["me"]["operator_role"], json!("auditor"));
    let token = house
        .invite("/merchants/acme/people", "chief@example.com", "viewer")
        .await;
    let body = json!({"name": "The Inviter", "password": PASSWORD});
    let taken = house.browser().post(&format!("/invitations/{token}"), body).await;
    assert_eq!(
        (taken.status, &taken.body["field"]),
        (422, &json!("password")),
        "{taken:?}"
    );
    let opened = house
        .come(&mut house.browser(), Login::of("chief@example.com"))
        .await
        .success();
    assert_eq!(opened["me"]["memberships"][0]["role"], json!("viewer"), "{opened}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_second_factor_is_asked_for_here(#[values(Sqlite, Postgres)] backend: Backend) {
    let house = House::new(backend, &[]).await;
    let login = || Login::with(json!({"email": OWNER, "email_verified": true, "amr": ["pwd", "mfa"]}));
    let mut browser = house.browser();
    let wanted = house.come(&mut browser, login()).await;
    assert_eq!(code(&wanted), (401, "second_factor_required"), "{wanted:?}");
    let factor = format!("{BEGIN}/second-factor");
    let wrong = browser.post(&factor, json!({"code": "000000"})).await;
    assert_eq!(code(&wrong), (401, "wrong_credentials"));
    // Another browser, in which nobody was vouched for.
    let right = json!({"code": house.authenticator.next_code()});
    let other = house.browser().post(&factor, right.clone()).await;
    assert_eq!(code(&other), (401, "single_sign_on_refused"));
    let opened = browser.post(&factor, right).await.success();
    assert_eq!(opened["me"]["operator_role"], json!("owner"));
    browser.get("/merchants").await;
}

#[rstest]
#[case(&["pwd", "otp", "mfa"], true)]
#[case(&["pwd"], false)]
#[tokio::test(flavor = "multi_thread")]
async fn the_providers_second_factor_counts_where_it_is_trusted(#[case] amr: &[&str], #[case] counts: bool) {
    let trusted = [("TOLLGATE_SINGLE_SIGN_ON__SECOND_FACTOR_AMR", "mfa, hwk")];
    let mut house = House::new(Sqlite, &trusted).await;
    house.invite("/people", "op@example.com", "operator").await;
    let login = |email: &str| Login::with(json!({"email": email, "email_verified": true, "amr": amr}));
    // The owner has a factor here, the operator has none and must have one.
    let owner = house.come(&mut house.browser(), login(OWNER)).await;
    assert_eq!(owner.status, if counts { 200 } else { 401 }, "{owner:?}");
    let mut browser = house.browser();
    let _ = house.come(&mut browser, login("op@example.com")).await.success();
    let asked = browser.send(Method::GET, "/merchants", None).await;
    assert_eq!(asked.status, if counts { 200 } else { 403 }, "{asked:?}");
    let refreshed = browser.post("/session/refresh", json!({})).await.success();
    assert_eq!(refreshed["me"]["must_set_second_factor"], json!(!counts));
}

fn with(name: &str, value: Value) -> Login {
    let mut login = Login::of(OWNER);
    login.claims[name] = value;
    login
}

#[rstest]
#[case::another_issuer(with("iss", json!("https://evil.example")))]
#[case::for_another_client(with("aud", json!("somebody else")))]
#[case::given_to_another_client(with("azp", json!("somebody else")))]
#[case::expired(with("exp", json!(Utc::now().timestamp() - 300)))]
#[case::of_the_future(with("iat", json!(Utc::now().timestamp() + 3_600)))]
#[case::of_another_question(with("nonce", json!("another")))]
#[case::without_a_nonce(with("nonce", Value::Null))]
#[case::unverified(with("email_verified", json!(false)))]
#[case::unverified_in_words(with("email_verified", json!("false")))]
#[case::not_said_whether_verified(with("email_verified", Value::Null))]
#[case::not_signed(Login { head: json!({"alg": "none"}), ..Login::of(OWNER) })]
#[case::signed_by_the_clients_secret(Login { head: json!({"alg": "HS256"}), ..Login::of(OWNER) })]
#[case::signed_by_an_unknown_key(Login { head: json!({"kid": "unknown"}), ..Login::of(OWNER) })]
#[case::without_an_address(with("email", Value::Null))]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_opens_nothing(#[case] login: Login) {
    let house = House::new(Sqlite, &[]).await;
    let refused = house.come(&mut house.browser(), login).await;
    let known = [(401, "single_sign_on_refused"), (503, "unavailable")];
    assert!(known.contains(&code(&refused)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_browser_or_was_used_opens_nothing() {
    let mut house = House::new(Sqlite, &[]).await;
    house
        .invite("/merchants/acme/people", "dev@example.com", "developer")
        .await;
    let finish = format!("{BEGIN}/finish");
    let (mut ours, mut other) = (house.browser(), house.browser());
    let begun = ours.post(BEGIN, json!({})).await.success();
    let theirs = other.post(BEGIN, json!({})).await.success();
    let login = || Login::of("dev@example.com");
    let back = query(&house.provider.log_in(begun["url"].as_str().unwrap(), login()));
    // Somebody else's browser, with its own question and with none.
    assert_eq!(
        code(&other.post(&finish, back.clone()).await),
        (401, "single_sign_on_refused")
    );
    assert_eq!(
        code(&house.browser().post(&finish, back.clone()).await),
        (401, "single_sign_on_refused")
    );
    // A code of theirs under our state: the challenge is another.
    let crossed = query(&house.provider.log_in(theirs["url"].as_str().unwrap(), login()));
    let mixed = json!({"state": back["state"], "code": crossed["code"]});
    assert_eq!(code(&ours.post(&finish, mixed).await), (401, "single_sign_on_refused"));
    // The right code under another state; it is not even tried.
    let begun = ours.post(BEGIN, json!({})).await.success();
    let back = query(&house.provider.log_in(begun["url"].as_str().unwrap(), login()));
    let strange = json!({"state": "another", "code": back["code"]});
    assert_eq!(
        code(&ours.post(&finish, strange).await),
        (401, "single_sign_on_refused")
    );
    let cookies = ours.cookies.clone();
    let _ = ours.post(&finish, back.clone()).await.success();
    // The same once more, even with the cookie that was taken away.
    ours.cookies = cookies;
    assert_eq!(code(&ours.post(&finish, back).await), (401, "single_sign_on_refused"));
    // No other site's page begins it.
    let url = format!("http://{}/admin/v1{BEGIN}", house.gateway.admin_address);
    let bare = reqwest::Client::new().post(url).send().await.unwrap();
    assert_eq!(bare.status(), 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_and_the_address_may_come_by_user_info() {
    let house = House::new(Sqlite, &[("TOLLGATE_ACCESS__SECOND_FACTOR", "nobody")]).await;
    let come = async |login| code(&house.come(&mut house.browser(), login).await).0;
    let vouched = 401; // The owner's own factor is wanted, so the provider was believed.
    assert_eq!(come(Login::of(OWNER)).await, vouched);
    for rsa in [true, false] {
        house.provider.change_key(rsa);
        let answer = house.come(&mut house.browser(), Login::of(OWNER)).await;
        assert_eq!(code(&answer), (vouched, "second_factor_required"), "{answer:?}");
    }
    let bare = || Login::with(json!({}));
    let told = json!({"sub": "248289761001", "email": OWNER, "email_verified": "true"});
    let by_user_info = Login {
        user_info: Some(told.clone()),
        ..bare()
    };
    let answer = house.come(&mut house.browser(), by_user_info).await;
    assert_eq!(code(&answer), (vouched, "second_factor_required"), "{answer:?}");
    let mut of_another = told;
    of_another["sub"] = json!("another");
    let of_another = Login {
        user_info: Some(of_another),
        ..bare()
    };
    let answer = house.come(&mut house.browser(), of_another).await;
    assert_eq!(code(&answer), (401, "single_sign_on_refused"), "{answer:?}");
    house.provider.lose_key();
    let answer = house.come(&mut house.browser(), Login::of(OWNER)).await;
    assert_eq!(code(&answer), (401, "single_sign_on_refused"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_there_is_none_and_one_that_is_down_is_told() {
    let database = TestDatabase::new(Sqlite).await;
    let plain = Gateway::start(&database).await;
    let mut browser = Browser::new(plain.admin_address);
    assert_eq!(browser.get("/setup").await["single_sign_on"], Value::Null);
    assert_eq!(browser.post(BEGIN, json!({})).await.status, 404);
    let nowhere = format!("http://127.0.0.1:{}", e2e::ports::free());
    let settings = [
        ("TOLLGATE_SINGLE_SIGN_ON__ISSUER", nowhere.as_str()),
        ("TOLLGATE_SINGLE_SIGN_ON__CLIENT_ID", CLIENT_ID),
    ];
    let down = Gateway::start_with(&database, &settings).await;
    let answer = Browser::new(down.admin_address).post(BEGIN, json!({})).await;
    assert_eq!(code(&answer), (503, "unavailable"), "{answer:?}");
}
