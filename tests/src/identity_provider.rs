//! An OpenID provider on loopback, written from OpenID Connect Core and Discovery, RFC 6749 and RFC 7636. It checks what a
//! client sends as they say, and may be told to answer wrongly.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::inspector::{Inspector, Received, Reply};

pub const CLIENT_ID: &str = "tollgate of the tests";
pub const CLIENT_SECRET: &str = "s3cret:with/odd+letters";

/// What a login at the provider ends with.
#[derive(Clone)]
pub struct Login {
    /// Beside those that every token has; they replace these, and null takes one away.
    pub claims: Value,
    /// Of the token's head.
    pub head: Value,
    /// Told by the UserInfo endpoint alone.
    pub user_info: Option<Value>,
}

impl Login {
    #[must_use]
    pub fn of(email: &str) -> Self {
        let claims = json!({"email": email, "email_verified": true, "name": "Ann Example"});
        Self::with(claims)
    }

    #[must_use]
    pub fn with(claims: Value) -> Self {
        Self {
            claims,
            head: json!({}),
            user_info: None,
        }
    }
}

enum SigningKey {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

struct Issued {
    login: Login,
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

struct State {
    issuer: String,
    key: SigningKey,
    key_name: String,
    codes: HashMap<String, Issued>,
    user_info: HashMap<String, Value>,
    count: u32,
}

pub struct IdentityProvider {
    inspector: Inspector,
    state: Arc<Mutex<State>>,
}

impl IdentityProvider {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            issuer: String::new(),
            key: p256(),
            key_name: "first".to_owned(),
            codes: HashMap::new(),
            user_info: HashMap::new(),
            count: 0,
        }));
        let serving = Arc::clone(&state);
        let inspector = Inspector::answering(move |request| serving.lock().unwrap().serve(request)).await;
        state.lock().unwrap().issuer = inspector.url("");
        Self { inspector, state }
    }

    #[must_use]
    pub fn issuer(&self) -> String {
        self.inspector.url("")
    }

    /// Signs by another key from now on, and publishes that one alone.
    pub fn change_key(&self, rsa: bool) {
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        state.key_name = format!("key {}", state.count);
        state.key = if rsa {
            SigningKey::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
        } else {
            p256()
        };
    }

    /// Signs by a key that it does not publish.
    pub fn lose_key(&self) {
        self.state.lock().unwrap().key = p256();
    }

    /// Somebody logs in where the browser was sent; the address that it is sent back to.
    #[must_use]
    pub fn log_in(&self, at: &str, login: Login) -> Url {
        let url = Url::parse(at).unwrap();
        assert!(at.starts_with(&format!("{}/authorize?", self.issuer())), "{at}");
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let asked = |name: &str| asked.get(name).unwrap_or_else(|| panic!("no {name} in {at}")).clone();
        assert_eq!(asked("response_type"), "code");
        assert_eq!(asked("client_id"), CLIENT_ID);
        assert_eq!(asked("code_challenge_method"), "S256");
        assert!(asked("scope").split(' ').any(|scope| scope == "openid"));
        let redirect_uri = asked("redirect_uri");
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let code = format!("code-{}", state.count);
        state.codes.insert(
            code.clone(),
            Issued {
                login,
                nonce: asked("nonce"),
                challenge: asked("code_challenge"),
                redirect_uri: redirect_uri.clone(),
            },
        );
        let mut back = Url::parse(&redirect_uri).unwrap();
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &asked("state"));
        back
    }
}

impl State {
    fn serve(&mut self, request: &Received) -> Reply {
        let issuer = &self.issuer;
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => answer(
                200,
                &json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/keys"),
                    "userinfo_endpoint": format!("{issuer}/userinfo"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                }),
            ),
            ("GET", "/keys") => answer(200, &json!({"keys": [self.jwk()]})),
            ("POST", "/token") => match self.exchange(request) {
                Ok(tokens) => answer(200, &tokens),
                Err((status, error)) => answer(status, &json!({"error": error})),
            },
            ("GET", "/userinfo") => {
                let token = request
                    .header("authorization")
                    .and_then(|value| value.strip_prefix("Bearer "));
                match token.and_then(|token| self.user_info.get(token)) {
                    Some(told) => answer(200, told),
                    None => answer(401, &json!({"error": "invalid_token"})),
                }
            }
            _ => answer(404, &json!({})),
        }
    }

    fn exchange(&mut self, request: &Received) -> Result<Value, (u16, &'static str)> {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let client = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
        if request.header("authorization") != Some(&format!("Basic {client}")) {
            return Err((401, "invalid_client"));
        }
        let form: BTreeMap<String, String> = form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        let given = |name: &str| form.get(name).cloned().unwrap_or_default();
        if given("grant_type") != "authorization_code" {
            return Err((400, "unsupported_grant_type"));
        }
        // A code is good once, whatever comes of it.
        let issued = self.codes.remove(&given("code")).ok_or((400, "invalid_grant"))?;
        let verifier = given("code_verifier");
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        if challenge != issued.challenge || given("redirect_uri") != issued.redirect_uri || verifier.len() < 43 {
            return Err((400, "invalid_grant"));
        }
        self.count += 1;
        let access_token = format!("access-{}", self.count);
        if let Some(told) = &issued.login.user_info {
            self.user_info.insert(access_token.clone(), told.clone());
        }
        Ok(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(&issued),
        }))
    }

    fn id_token(&self, issued: &Issued) -> String {
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": issued.nonce,
        });
        merge(&mut claims, &issued.login.claims);
        let alg = match self.key {
            SigningKey::P256(_) => "ES256",
            SigningKey::Rsa(_) => "RS256",
        };
        let mut head = json!({"alg": alg, "kid": self.key_name, "typ": "JWT"});
        merge(&mut head, &issued.login.head);
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", part(&head), part(&claims));
        let signature = match head["alg"].as_str() {
            Some("none") => Vec::new(),
            // With the secret that the client knows, too.
            Some("HS256") => {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
                aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            _ => self.key.sign(text.as_bytes()),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwk(&self) -> Value {
        let mut key = self.key.public();
        merge(&mut key, &json!({"kid": self.key_name, "use": "sig"}));
        key
    }
}

impl SigningKey {
    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }

    fn public(&self) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256(key) => {
                // Uncompressed: 4, x, y.
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..65])})
            }
            Self::Rsa(key) => {
                // A sequence of two numbers (RFC 8017, A.1.1); those of 2,048 bits stand where they stand.
                let der = key.public_key().as_ref();
                json!({"kty": "RSA", "n": encoded(&der[9..265]), "e": encoded(&der[267..270])})
            }
        }
    }
}

fn p256() -> SigningKey {
    SigningKey::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

fn merge(into: &mut Value, more: &Value) {
    let into = into.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(into.remove(name)),
            value => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

fn answer(status: u16, body: &Value) -> Reply {
    Reply::Answer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    }
}
