//! What merchants' systems do beside payments: their rules and lists by API key, keys that rotate, tokens that they sign
//! themselves, and requests that happen once.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use e2e::Backend::{self, Postgres, Sqlite};
use e2e::{AdminAnswer, Inspector, Shop, soon};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::Stage;

const ACCEPTS: &str = "return { check = function() return accept() end }";

async fn shop(stage: &Stage, scopes: &[&str]) -> Shop {
    Shop::of(&stage.admin(), stage.gateway.public, "acme", scopes).await
}

async fn ask(shop: &Shop, method: Method, path: &str, body: Option<Value>) -> AdminAnswer {
    shop.send(method, path, None, body.as_ref()).await.1
}

#[rstest]
#[tokio::test]
async fn rules_and_lists_are_reached_by_key(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    stage
        .admin()
        .post("/admin/v1/merchants", &json!({"slug": "other", "name": "Other"}))
        .await;
    let all = shop(&stage, &["*"]).await;
    let draft = ask(
        &all,
        Method::PUT,
        "/rules/draft",
        Some(json!({"source": ACCEPTS, "message": "by CI"})),
    )
    .await;
    assert_eq!(
        draft.success()["author"].as_str().unwrap().split(' ').next_back(),
        Some("acme")
    );
    let published = ask(&all, Method::POST, "/rules/publish", Some(json!({})))
        .await
        .success();
    assert_eq!(published["revision"], 1);
    crate::rules::sees(&stage, "42", 0).await;
    let run = json!({"input": {"check": {"command": "check", "account": "1", "at": "2026-11-28T00:00:00Z"}}});
    let ran = ask(&all, Method::POST, "/rules/run", Some(run)).await;
    assert!(ran.status == 200 || ran.status == 400, "{ran:?}");
    assert_eq!(
        ask(&all, Method::PUT, "/lists/blocked", Some(json!({}))).await.status / 100,
        2
    );
    let entry = ask(&all, Method::PUT, "/lists/blocked/entries/79161234567", Some(json!({}))).await;
    assert_eq!(entry.status / 100, 2, "{entry:?}");
    let known = ask(&all, Method::GET, "/lists/blocked/entries?limit=10", None)
        .await
        .success();
    assert_eq!(known["data"][0]["key"], "79161234567");
    let decisions = ask(&all, Method::GET, "/decisions?limit=1", None).await;
    assert_eq!(decisions.status, 200);

    for path in [
        "/merchants/acme/rules",
        "/merchants/other/rules",
        "/merchants/acme",
        "/merchants",
        "/rules/../merchants/other/rules",
        "/rules/settings",
        "/list-quota",
        "/rulesx",
        "/rules/nothing",
    ] {
        let asked = ask(&all, Method::PUT, path, Some(json!({}))).await;
        assert_eq!(asked.status, 404, "{path}: {asked:?}");
    }
    let reader = shop(&stage, &["rules:read"]).await;
    assert_eq!(ask(&reader, Method::GET, "/rules", None).await.status, 200);
    for (method, path) in [
        (Method::PUT, "/rules/draft"),
        (Method::GET, "/lists"),
        (Method::GET, "/decisions"),
    ] {
        let refused = ask(&reader, method, path, Some(json!({"source": ACCEPTS}))).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("scope_missing")),
            "{path}"
        );
        assert_eq!(
            refused.body["request_id"].as_str().map(str::len),
            Some(26),
            "problems name the request"
        );
    }
    let trail = stage.list("audit").await;
    let actors: Vec<&str> = trail.iter().filter_map(|entry| entry["actor"].as_str()).collect();
    assert!(
        actors
            .iter()
            .any(|actor| actor.starts_with("key_") && actor.ends_with(" of acme")),
        "{actors:?}"
    );
}

#[rstest]
#[tokio::test]
async fn a_key_rotates_with_an_overlap(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let keys = "/admin/v1/merchants/acme/api_keys";
    let made = stage
        .admin()
        .post(keys, &json!({"name": "shop", "scopes": ["payments:read"]}))
        .await;
    let rotate = format!("{keys}/{}/rotate?overlap_s=3600", made["id"].as_str().unwrap());
    let next = stage.admin().post(&rotate, &json!({})).await;
    assert_eq!((&next["name"], &next["scopes"]), (&made["name"], &made["scopes"]));
    for key in [&made["key"], &next["key"]] {
        let shop = Shop::with_key(stage.gateway.public, key.as_str().unwrap());
        assert_eq!(ask(&shop, Method::GET, "/payments", None).await.status, 200);
    }
    let now = format!("{keys}/{}/rotate", next["id"].as_str().unwrap());
    let last = stage.admin().post(&now, &json!({})).await;
    let old = Shop::with_key(stage.gateway.public, next["key"].as_str().unwrap());
    soon("the old key opens nothing", async || {
        (ask(&old, Method::GET, "/payments", None).await.status == 401).then_some(())
    })
    .await;
    let shop = Shop::with_key(stage.gateway.public, last["key"].as_str().unwrap());
    assert_eq!(ask(&shop, Method::GET, "/payments", None).await.status, 200);
    assert_eq!(
        stage.admin().send(Method::POST, &now, Some(&json!({}))).await.status,
        422,
        "it is over"
    );
}

/// A merchant's own key pair, and what it signs.
struct Signer {
    pair: Ed25519KeyPair,
    kid: String,
}

impl Signer {
    fn pem(pair: &Ed25519KeyPair) -> String {
        let mut info = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        info.extend_from_slice(pair.public_key().as_ref());
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(info)
        )
    }

    async fn registered(stage: &Stage, scopes: &[&str]) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let body = json!({"name": "signer", "scopes": scopes, "public_key": Self::pem(&pair)});
        let made = stage.admin().post("/admin/v1/merchants/acme/api_keys", &body).await;
        assert!(made.get("key").is_none());
        Self {
            pair,
            kid: made["id"].as_str().unwrap().to_owned(),
        }
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({"alg": "EdDSA", "typ": "JWT", "kid": self.kid});
        let text = format!("{}.{}", part(&head), part(claims));
        let signature = self.pair.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

#[rstest]
#[tokio::test]
async fn a_token_that_the_merchant_signed_opens_what_its_key_may(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let signer = Signer::registered(&stage, &["payments:read", "events:read"]).await;
    let at = Utc::now().timestamp();
    let ask = async |token: &str, path: &str| {
        let shop = Shop::with_key(stage.gateway.public, token);
        shop.send(Method::GET, path, None, None).await.1.status
    };
    let right = signer.token(&json!({"aud": "tollgate", "iat": at, "exp": at + 300}));
    assert_eq!(ask(&right, "/payments").await, 200);
    assert_eq!(ask(&right, "/payment_tokens").await, 403);
    let narrow =
        signer.token(&json!({"aud": "tollgate", "iat": at, "exp": at + 300, "scope": "events:read tokens:read"}));
    assert_eq!(
        (ask(&narrow, "/events").await, ask(&narrow, "/payments").await),
        (200, 403)
    );
    assert_eq!(
        ask(&narrow, "/payment_tokens").await,
        403,
        "a token asks for no more than its key may"
    );
    let stale = signer.token(&json!({"aud": "tollgate", "iat": at - 900, "exp": at - 600}));
    let long = signer.token(&json!({"aud": "tollgate", "iat": at, "exp": at + 86_400}));
    let foreign = signer.token(&json!({"aud": "elsewhere", "iat": at, "exp": at + 300}));
    let broken = format!("{}x", &right[..right.len() - 4]);
    for wrong in [stale, long, foreign, broken] {
        assert_eq!(ask(&wrong, "/payments").await, 401);
    }
    let path = format!("/admin/v1/merchants/acme/api_keys/{}", signer.kid);
    stage.admin().delete(&path).await;
    soon("the key is revoked", async || {
        (ask(&right, "/payments").await == 401).then_some(())
    })
    .await;
    for wrong in ["x", "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"] {
        let body = json!({"name": "signer", "scopes": ["*"], "public_key": wrong});
        let refused = stage
            .admin()
            .send(Method::POST, "/admin/v1/merchants/acme/api_keys", Some(&body))
            .await;
        assert_eq!((refused.status, &refused.body["field"]), (422, &json!("public_key")));
    }
}

#[rstest]
#[tokio::test]
async fn a_request_with_a_key_happens_once_even_without_money(#[values(Sqlite, Postgres)] backend: Backend) {
    let stage = Stage::new(backend).await;
    let inspector = Inspector::start().await;
    let shop = shop(&stage, &["*"]).await;
    let body = json!({"url": inspector.url("/hook")});
    let send = async |key: &str, body: &Value| {
        let (repeated, answer) = shop
            .send(Method::POST, "/webhook_endpoints", Some(key), Some(body))
            .await;
        (repeated, answer.status, answer.body)
    };
    let first = send("k-1", &body).await;
    assert_eq!((first.0, first.1), (false, 201), "{first:?}");
    assert!(first.2["secret"].is_string());
    let again = send("k-1", &body).await;
    assert_eq!(
        (again.0, again.1, &again.2),
        (true, 201, &first.2),
        "the same answer, secret and all"
    );
    let other = send("k-1", &json!({"url": inspector.url("/other")})).await;
    assert_eq!((other.1, &other.2["code"]), (409, &json!("idempotency_key_reused")));
    let endpoints = stage.list("webhook-endpoints").await;
    assert_eq!(endpoints.len(), 1);
    let kept = stage.database.texts("SELECT answer FROM idempotency_keys").await;
    assert!(
        kept.iter().all(|kept| !kept.contains("whsec_")),
        "what is kept is sealed"
    );
    let refused = send("k-2", &json!({"url": "nonsense"})).await;
    assert_eq!(refused.1, 422);
    assert_eq!(
        send("k-2", &json!({"url": "nonsense"})).await,
        (true, 422, refused.2),
        "a refusal is an answer"
    );
    // Rules and lists come by the same door.
    let published = json!({});
    let source = json!({"source": ACCEPTS});
    assert_eq!(ask(&shop, Method::PUT, "/rules/draft", Some(source)).await.status, 200);
    let (_, done) = shop
        .send(Method::POST, "/rules/publish", Some("k-3"), Some(&published))
        .await;
    let (repeated, same) = shop
        .send(Method::POST, "/rules/publish", Some("k-3"), Some(&published))
        .await;
    assert_eq!((repeated, same.status, &same.body), (true, 200, &done.body));
    assert_eq!(stage.list("rules/revisions").await.len(), 1);
}
