//! A payment terminal's network, as the protocol document describes it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// QIWI waits 60 s; nothing of ours may come near that.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection's URL, called as the network calls it.
#[derive(Clone)]
pub struct Kiosk {
    client: reqwest::Client,
    url: String,
    address: SocketAddr,
    login: Option<(String, String)>,
}

/// The parameters of one call, in order.
pub type Parameters<'a> = Vec<(&'a str, &'a str)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    pub www_authenticate: Option<String>,
    pub body: String,
}

impl Kiosk {
    #[must_use]
    pub fn new(address: SocketAddr, path: &str) -> Self {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self {
            client,
            url: format!("http://{address}{path}"),
            address,
            login: None,
        }
    }

    #[must_use]
    pub fn with_login(mut self, login: &str, password: &str) -> Self {
        self.login = Some((login.to_owned(), password.to_owned()));
        self
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The check of variants B and C.
    pub async fn check(&self, txn_id: &str, account: &str, sum: &str) -> Answer {
        self.get(&check(txn_id, account, sum)).await
    }

    /// The pay of variants B and C.
    pub async fn pay(&self, txn_id: &str, account: &str, sum: &str) -> Answer {
        self.get(&pay(txn_id, account, sum)).await
    }

    /// A pay whose answer may never come.
    pub async fn try_pay(&self, txn_id: &str, account: &str, sum: &str) -> Option<Answer> {
        self.send(
            self.client
                .get(format!("{}?{}", self.url, encode(&pay(txn_id, account, sum)))),
        )
        .await
        .ok()
    }

    pub async fn get(&self, parameters: &[(&str, &str)]) -> Answer {
        self.get_raw(&encode(parameters)).await
    }

    pub async fn post(&self, parameters: &[(&str, &str)]) -> Answer {
        self.post_raw("", encode(parameters).into_bytes()).await
    }

    /// With a query string that is already encoded, or wrongly so.
    pub async fn get_raw(&self, query: &str) -> Answer {
        self.send(self.client.get(format!("{}?{query}", self.url)))
            .await
            .unwrap()
    }

    pub async fn post_raw(&self, query: &str, body: Vec<u8>) -> Answer {
        let url = if query.is_empty() {
            self.url.clone()
        } else {
            format!("{}?{query}", self.url)
        };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(request).await.unwrap()
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        if let Some((login, password)) = &self.login {
            request = request.basic_auth(login, Some(password));
        }
        let answer = request.send().await?;
        let header = |name| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        Ok(Answer {
            status: answer.status().as_u16(),
            content_type: header("content-type"),
            www_authenticate: header("www-authenticate"),
            body: answer.text().await?,
        })
    }

    /// A connection to write bytes of one's own on.
    pub async fn connect(&self) -> Wire {
        Wire {
            stream: TcpStream::connect(self.address).await.unwrap(),
        }
    }
}

/// A raw connection, for what no well-behaved client would send.
pub struct Wire {
    stream: TcpStream,
}

impl Wire {
    /// Writes as much as the other side takes.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Everything until the other side closes; `None` when it does not within the deadline.
    pub async fn read_to_end(&mut self, deadline: Duration) -> Option<String> {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(deadline, self.stream.read_to_end(&mut bytes))
            .await
            .ok()?;
        // A reset after the answer is as good as an end.
        let _ = read;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// One whole answer, by its `Content-Length`.
    pub async fn read_answer(&mut self) -> String {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")
                        .map(|rest| rest.trim().to_owned())
                });
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    return text;
                }
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut bytes))
                .await
                .expect("an answer");
            if read.unwrap_or(0) == 0 {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
    }
}

#[must_use]
pub fn check<'a>(txn_id: &'a str, account: &'a str, sum: &'a str) -> Parameters<'a> {
    vec![
        ("command", "check"),
        ("txn_id", txn_id),
        ("account", account),
        ("ccy", "RUB"),
        ("sum", sum),
    ]
}

#[must_use]
pub fn pay<'a>(txn_id: &'a str, account: &'a str, sum: &'a str) -> Parameters<'a> {
    vec![
        ("command", "pay"),
        ("txn_id", txn_id),
        ("txn_date", "20230615143000"),
        ("account", account),
        ("ccy", "RUB"),
        ("sum", sum),
    ]
}

/// The same call without one parameter.
#[must_use]
pub fn without<'a>(mut parameters: Parameters<'a>, name: &str) -> Parameters<'a> {
    parameters.retain(|(known, _)| *known != name);
    parameters
}

/// The same call with one parameter changed or added.
#[must_use]
pub fn with<'a>(parameters: Parameters<'a>, name: &'a str, value: &'a str) -> Parameters<'a> {
    let mut parameters = without(parameters, name);
    parameters.push((name, value));
    parameters
}

fn encode(parameters: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://kiosk.test").unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    url.query().unwrap_or_default().to_owned()
}

impl Answer {
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
    }

    /// The result code; fails the test when there is none.
    #[must_use]
    #[track_caller]
    pub fn result(&self) -> u32 {
        let code = self.tag("result").and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no result in {self:?}"))
    }

    #[must_use]
    #[track_caller]
    pub fn prv_txn(&self) -> u64 {
        let number = self.tag("prv_txn").and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no prv_txn in {self:?}"))
    }

    #[must_use]
    pub fn sum(&self) -> Option<&str> {
        self.tag("sum")
    }

    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.tag("comment")
    }

    /// Name and text of `field1`, `field2`, …
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        let mut rest = self.body.as_str();
        while let Some((_, after)) = rest.split_once(&format!("<field{} name=\"", fields.len() + 1)) {
            let (name, after) = after.split_once("\">").unwrap();
            let (text, after) = after.split_once("</").unwrap();
            fields.push((name.to_owned(), text.to_owned()));
            rest = after;
        }
        fields
    }
}
