//! Who calls the demo's gateway: an operator's program, merchants' systems, terminals; and whoever plays the networks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::kiosk::{Command, Move};
use crate::office::front_door::{FrontDoor, Heard};

/// The admin REST, with the operator's token.
#[derive(Clone)]
pub struct Office {
    client: Client,
    root: String,
    token: SecretString,
}

impl Office {
    pub fn new(client: Client, admin: SocketAddr, token: SecretString) -> Self {
        Self {
            client,
            root: format!("http://{admin}/admin/v1"),
            token,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value), Failure> {
        let mut call = self.client.request(method, format!("{}{path}", self.root));
        call = call.bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            call = call.json(body);
        }
        read(call).await
    }

    /// `false` when it is there already.
    pub async fn make(&self, path: &str, body: &Value) -> Result<bool, Failure> {
        match self.send(Method::POST, path, Some(body)).await? {
            (StatusCode::CONFLICT, _) => Ok(false),
            (status, answer) => well(path, status, answer).map(|_| true),
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let (status, answer) = self.send(Method::POST, path, Some(body)).await?;
        well(path, status, answer)
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let (status, answer) = self.send(Method::PUT, path, Some(body)).await?;
        well(path, status, answer)
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let (status, answer) = self.send(Method::PATCH, path, Some(body)).await?;
        well(path, status, answer)
    }

    /// `None` when it is not there.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.send(Method::GET, path, None).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, answer) => well(path, status, answer).map(Some),
        }
    }

    /// A registry of a network.
    pub async fn upload(&self, path: &str, file: String) -> Result<Value, Failure> {
        let call = self
            .client
            .post(format!("{}{path}", self.root))
            .bearer_auth(self.token.expose_secret());
        let (status, answer) = read(call.body(file)).await?;
        well(path, status, answer)
    }
}

/// A merchant's system, with its API key.
pub struct Shop {
    client: Client,
    root: String,
    key: SecretString,
    asked: AtomicU64,
    started: i64,
}

impl Shop {
    pub fn new(client: Client, public: SocketAddr, key: SecretString) -> Self {
        Self {
            client,
            root: format!("http://{public}/v1"),
            key,
            asked: AtomicU64::new(0),
            started: chrono::Utc::now().timestamp_millis(),
        }
    }

    /// What the gateway answered, whatever it was.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let call = self
            .client
            .post(format!("{}{path}", self.root))
            .bearer_auth(self.key.expose_secret());
        let call = call
            .header("idempotency-key", format!("demo-{}-{number}", self.started))
            .json(body);
        Ok(read(call).await?.1)
    }
}

/// A terminal of one merchant.
pub struct Terminal {
    door: FrontDoor,
}

impl Terminal {
    pub fn new(public: SocketAddr, merchant: &str) -> Result<Self, Failure> {
        let door = FrontDoor::new(public, merchant, super::CONNECTION, None)?;
        Ok(Self { door })
    }

    pub async fn ask(&self, command: Command, txn_id: i64, account: &str, sum: &str) -> Result<Heard, Failure> {
        let asked = Move {
            command,
            txn_id: Some(txn_id.to_string()),
            account: account.to_owned(),
            sum: sum.to_owned(),
            currency: Some("RUB".to_owned()),
            more: Vec::new(),
        };
        Ok(self.door.ask(&asked, chrono::Utc::now()).await?)
    }
}

/// Whoever plays the networks.
pub struct Stagehand {
    client: Client,
    root: String,
}

impl Stagehand {
    pub fn new(client: Client, sandbox: SocketAddr) -> Self {
        Self {
            client,
            root: format!("http://{sandbox}"),
        }
    }

    /// The next payment that is sent to a network is executed, and its answer is lost.
    pub async fn lose_an_answer(&self) -> Result<(), Failure> {
        let order = json!({ "method": "PUT", "path": "", "fault": "drop_after" });
        let call = self.client.post(format!("{}/sandbox/faults", self.root)).json(&order);
        read(call).await.map(|_| ())
    }
}

async fn read(call: reqwest::RequestBuilder) -> Result<(StatusCode, Value), Failure> {
    let answer = call.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

fn well(path: &str, status: StatusCode, answer: Value) -> Result<Value, Failure> {
    if status.is_success() {
        return Ok(answer);
    }
    Err(format!("{path}: {status}: {answer}").into())
}
