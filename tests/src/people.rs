//! People at the admin REST: a browser with its cookies, and an authenticator.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::{AdminAnswer, read};

/// Good enough for the password policy.
pub const PASSWORD: &str = "copper walrus under seven tents";

/// One browser: keeps cookies, shows the access token of its last session.
#[derive(Clone)]
pub struct Browser {
    client: reqwest::Client,
    base: String,
    pub cookies: BTreeMap<String, String>,
    pub token: String,
    /// Where it comes from, as a proxy tells it.
    pub address: Option<String>,
}

impl Browser {
    #[must_use]
    pub fn new(admin: SocketAddr) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: format!("http://{admin}/admin/v1"),
            cookies: BTreeMap::new(),
            token: String::new(),
            address: None,
        }
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> AdminAnswer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if path.starts_with("/session") {
            request = request.header("x-tollgate-session", "refresh");
        }
        if let Some(address) = &self.address {
            request = request.header("x-forwarded-for", address);
        }
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        request = request.header("cookie", cookies.join("; "));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
            assert!(rest.contains("HttpOnly") || rest.contains("Max-Age=0"), "{rest}");
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let answer = read(answer).await;
        if let Some(token) = answer.body["access_token"].as_str() {
            self.token = token.to_owned();
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.success()
    }

    pub async fn post(&mut self, path: &str, body: Value) -> AdminAnswer {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub async fn sign_in(&mut self, email: &str, code: Option<&str>) -> AdminAnswer {
        let body = json!({"email": email, "password": PASSWORD, "code": code});
        self.post("/session", body).await
    }

    /// Makes the first owner and sets a second factor up; the authenticator.
    pub async fn set_up(&mut self, token: &str, email: &str) -> Authenticator {
        let body = json!({"token": token, "email": email, "name": "The Owner", "password": PASSWORD});
        let _ = self.post("/setup", body).await.success();
        self.enrol().await
    }

    pub async fn enrol(&mut self) -> Authenticator {
        let waiting = self.post("/me/second-factor", json!({})).await.success();
        let authenticator = Authenticator::new(waiting["secret"].as_str().unwrap());
        let body = json!({"code": authenticator.code(Utc::now())});
        let confirmed = self.send(Method::PUT, "/me/second-factor", Some(&body)).await.success();
        Authenticator {
            recovery: confirmed["recovery_codes"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
            ..authenticator
        }
    }

    /// Invites somebody and accepts as them; their browser.
    pub async fn staff(&mut self, people: &str, email: &str, role: &str) -> Self {
        let body = json!({"email": email, "role": role});
        let invited = self.post(&format!("{people}/invitations"), body).await.success();
        let url = invited["url"].as_str().unwrap();
        let token = url.rsplit('/').next().unwrap();
        let mut theirs = Self {
            cookies: BTreeMap::new(),
            token: String::new(),
            ..self.clone()
        };
        let body = json!({"name": format!("The {role}"), "password": PASSWORD});
        let _ = theirs.post(&format!("/invitations/{token}"), body).await.success();
        theirs
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// RFC 6238 with SHA-1, six digits, 30 seconds.
#[derive(Debug, Clone)]
pub struct Authenticator {
    key: Vec<u8>,
    pub recovery: Vec<String>,
}

impl Authenticator {
    #[must_use]
    pub fn new(base32: &str) -> Self {
        let mut bits = 0_u64;
        let mut held = 0;
        let mut key = Vec::new();
        for digit in base32.bytes().filter(|digit| *digit != b'=') {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'2'..=b'7' => digit - b'2' + 26,
                other => panic!("{other} is no digit of Base32"),
            };
            bits = (bits << 5) | u64::from(value);
            held += 5;
            if held >= 8 {
                held -= 8;
                key.push(u8::try_from((bits >> held) & 0xff).unwrap());
            }
        }
        Self {
            key,
            recovery: Vec::new(),
        }
    }

    #[must_use]
    pub fn code(&self, at: DateTime<Utc>) -> String {
        let step = u64::try_from(at.timestamp()).unwrap() / 30;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.key);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag[tag.len() - 1] & 0xf);
        let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// The code of the next step, which a gateway takes already: each code opens once.
    #[must_use]
    pub fn next_code(&self) -> String {
        self.code(Utc::now() + chrono::Duration::seconds(30))
    }
}
