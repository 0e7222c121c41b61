//! A client of the admin REST interface.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};

#[derive(Clone)]
pub struct Admin {
    client: reqwest::Client,
    base: String,
    token: String,
}

#[derive(Debug, Clone)]
pub struct AdminAnswer {
    pub status: u16,
    /// `Null` when there was no body, a string when it was not JSON.
    pub body: Value,
}

impl Admin {
    #[must_use]
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: format!("http://{address}"),
            token: token.to_owned(),
        }
    }

    /// The same place with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> AdminAnswer {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request.send().await.unwrap()).await
    }

    pub async fn post_bytes(&self, path: &str, bytes: Vec<u8>) -> AdminAnswer {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        read(
            request
                .header("content-type", "text/csv")
                .body(bytes)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Bytes that claim to be JSON.
    pub async fn send_json_bytes(&self, method: Method, path: &str, bytes: Vec<u8>) -> AdminAnswer {
        let request = (self.client.request(method, format!("{}{path}", self.base))).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(bytes);
        read(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.success()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.send(Method::POST, path, Some(body)).await.success()
    }

    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.send(Method::PUT, path, Some(body)).await.success()
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Value {
        self.send(Method::PATCH, path, Some(body)).await.success()
    }

    pub async fn delete(&self, path: &str) -> Value {
        self.send(Method::DELETE, path, None).await.success()
    }
}

pub(crate) async fn read(answer: reqwest::Response) -> AdminAnswer {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    };
    AdminAnswer { status, body }
}

impl AdminAnswer {
    #[track_caller]
    #[must_use]
    pub fn success(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}
