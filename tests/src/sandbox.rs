//! `tollgate sandbox` as a process of its own, and a merchant's back end that calls `/v1`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::gateway::binary;
use crate::{Admin, AdminAnswer};

const START_DEADLINE: Duration = Duration::from_secs(60);

/// The networks, played.
pub struct Sandbox {
    pub address: SocketAddr,
    client: reqwest::Client,
    _child: Child,
    /// Kept open, so that it can always print.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Sandbox {
    pub async fn start() -> Self {
        let mut child = Command::new(binary())
            .args(["sandbox", "--listen", "127.0.0.1:0"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = tokio::time::timeout(START_DEADLINE, lines.next_line()).await;
        let line = told.expect("the sandbox starts").unwrap().unwrap();
        let address = line.strip_prefix("listening sandbox ").unwrap().parse().unwrap();
        Self {
            address,
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            _child: child,
            _stdout: lines,
        }
    }

    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// As a browser posts a form; status, `location` and body.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> (u16, Option<String>, String) {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.unwrap();
        let location = answer
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location, answer.text().await.unwrap())
    }

    pub async fn page(&self, url: &str) -> (u16, String) {
        let answer = self.client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.client.post(self.url(path)).json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Moves the networks' clock forward.
    pub async fn advance(&self, seconds: i64) {
        let (status, _) = self.post("/sandbox/clock", &json!({ "seconds": seconds })).await;
        assert_eq!(status, 200);
    }

    /// The next PUT whose path contains `path` meets this fault; questions pass.
    pub async fn fault(&self, path: &str, fault: &str) {
        self.fault_at("PUT", path, fault).await;
    }

    /// The same for another method.
    pub async fn fault_at(&self, method: &str, path: &str, fault: &str) {
        let order = json!({ "method": method, "path": path, "fault": fault });
        assert_eq!(self.post("/sandbox/faults", &order).await.0, 204);
    }

    /// Waits until every ordered fault has met its request: the network is at work on it.
    pub async fn faults_are_met(&self) {
        crate::soon("the request at the network", async || {
            let answer = self.client.get(self.url("/sandbox/faults")).send().await.unwrap();
            let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            (told["waiting"] == 0).then_some(())
        })
        .await;
    }

    /// `none`, `duplicate`, `reverse` or `drop`.
    pub async fn notifications(&self, fault: &str) {
        let order = json!({ "notifications": fault });
        assert_eq!(self.post("/sandbox/faults", &order).await.0, 204);
    }

    /// What was sent, newest first.
    pub async fn sent(&self) -> Vec<Value> {
        let answer = self
            .client
            .get(self.url("/sandbox/notifications"))
            .send()
            .await
            .unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

/// A merchant's back end with an API key.
pub struct Shop {
    client: reqwest::Client,
    base: String,
    key: String,
}

/// Distinct over all tests of a process; each test has a database of its own.
static KEYS: AtomicU64 = AtomicU64::new(1);

impl Shop {
    /// With a key that the operator makes for it.
    pub async fn of(admin: &Admin, public: SocketAddr, merchant: &str, scopes: &[&str]) -> Self {
        let made = admin
            .post(
                &format!("/admin/v1/merchants/{merchant}/api_keys"),
                &json!({ "name": "shop", "scopes": scopes }),
            )
            .await;
        Self::with_key(public, made["key"].as_str().unwrap())
    }

    #[must_use]
    pub fn with_key(public: SocketAddr, key: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: format!("http://{public}/v1"),
            key: key.to_owned(),
        }
    }

    /// Whether the answer is a repeat, and the answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> (bool, AdminAnswer) {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let repeated = answer.headers().contains_key("idempotency-replayed");
        (repeated, crate::admin::read(answer).await)
    }

    /// A request whose answer nobody waits for.
    #[must_use]
    pub fn in_background(&self, method: &str, path: &str, key: &str, body: &Value) -> JoinHandle<()> {
        let request = (self.client)
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .header("idempotency-key", key)
            .json(body);
        tokio::spawn(async move {
            let _ = request.send().await;
        })
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None, None).await.1.success()
    }

    /// A new request with a key of its own.
    pub async fn post(&self, path: &str, body: &Value) -> AdminAnswer {
        let key = format!("key-{}", KEYS.fetch_add(1, Ordering::SeqCst));
        self.send(Method::POST, path, Some(&key), Some(body)).await.1
    }

    /// The payment once it has this status.
    pub async fn until(&self, payment: &str, status: &str) -> Value {
        let path = format!("/payments/{payment}");
        crate::soon(&format!("{payment} is {status}"), async || {
            let seen = self.get(&path).await;
            (seen["status"] == status).then_some(seen)
        })
        .await
    }
}
