//! The way of one request: authorized as the dialect wants it (§3), under the rate limit (§4.2), repeated once after a
//! 401 (§2.8).

use std::time::Duration;

use plugin_sdk::Secret;
use plugin_sdk::connector::{ConnectorError, Context, HttpMethod, HttpRequest, HttpResponse, NetworkFault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::config::{Access, Profile};
use crate::fault::{is_throttled, of_question, unasked, unreadable};
use crate::session::{EDGE_SERVICE, LogIn, Session};
use crate::throttle::Throttle;

const JSON: &str = "application/json";
/// §1.2: what the site answers payments and commissions in.
const SITE_JSON: &str = "application/vnd.qiwi.v2+json";
/// §14: a payment is waited for so long.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// What no log may show, of requests and of answers. Card numbers are masked without being named.
pub const SENSITIVE: &[&str] = &[
    "pan",
    "cvv",
    "fullPan",
    "cardNumber",
    "key",
    "ticket",
    "token",
    "password",
];

/// One wallet at the network: its config, its session and how much of its rate is used.
pub struct Network {
    pub profile: Profile,
    pub throttle: Throttle,
    session: Mutex<Session>,
}

/// A request to be authorized.
pub struct Ask {
    method: HttpMethod,
    path: String,
    body: Option<Vec<u8>>,
    accept: &'static str,
    /// Counts against the rate of reading.
    is_history: bool,
    timeout: Duration,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(HttpMethod::Get, path)
    }

    pub fn new(method: HttpMethod, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            accept: JSON,
            is_history: false,
            timeout: READ_TIMEOUT,
        }
    }

    pub fn history(path: impl Into<String>) -> Self {
        Self {
            is_history: true,
            ..Self::get(path)
        }
    }

    pub fn counted(self) -> Self {
        Self {
            is_history: true,
            ..self
        }
    }

    pub fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// A change waits longer for its answer.
    pub fn change(self) -> Self {
        Self {
            timeout: CHANGE_TIMEOUT,
            ..self
        }
    }

    pub fn json(self, body: &impl Serialize) -> Result<Self, ConnectorError> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| ConnectorError::invalid(format!("the request cannot be written: {error}")))?;
        Ok(Self {
            body: Some(body),
            ..self
        })
    }

    fn request(&self, base: &str) -> HttpRequest {
        let request = HttpRequest::new(self.method, format!("{base}{}", self.path))
            .header("accept", self.accept)
            .timeout(self.timeout)
            .sensitive(SENSITIVE);
        match &self.body {
            Some(body) => request.body(JSON, body.clone()),
            None => request,
        }
    }
}

impl Network {
    pub fn new(profile: Profile) -> Self {
        Self {
            throttle: Throttle::new(profile.requests_per_minute),
            session: Mutex::default(),
            profile,
        }
    }

    /// A question to the API; its answer is a 2xx.
    pub async fn read(&self, context: &Context<'_>, ask: Ask) -> Result<HttpResponse, ConnectorError> {
        let response = self.edge(context, &ask, unasked_question).await?;
        if response.is_success() {
            Ok(response)
        } else {
            Err(of_question(&response))
        }
    }

    pub async fn read_json<T: DeserializeOwned>(
        &self,
        context: &Context<'_>,
        ask: Ask,
        what: &str,
    ) -> Result<T, ConnectorError> {
        let response = self.read(context, ask).await?;
        serde_json::from_slice(&response.body).map_err(|_| unreadable(what))
    }

    /// A request to the API, whatever its status. `failed` says what a lost answer means.
    pub async fn edge(
        &self,
        context: &Context<'_>,
        ask: &Ask,
        failed: fn(plugin_sdk::connector::HttpFailure) -> ConnectorError,
    ) -> Result<HttpResponse, ConnectorError> {
        let first = self.edge_once(context, ask, failed).await?;
        // §2.8: a token stays what it is; a service ticket may just have died.
        if first.status == 401 && self.profile.is_cas() {
            return self.edge_once(context, ask, failed).await;
        }
        Ok(first)
    }

    async fn edge_once(
        &self,
        context: &Context<'_>,
        ask: &Ask,
        failed: fn(plugin_sdk::connector::HttpFailure) -> ConnectorError,
    ) -> Result<HttpResponse, ConnectorError> {
        let now = context.clock.now();
        if ask.is_history {
            self.throttle.admit(now)?;
        } else {
            self.throttle.open(now)?;
        }
        let authorization = match &self.profile.access {
            Access::Token(token) => format!("Bearer {}", token.expose()),
            Access::Cas { password } => {
                let log_in = self.log_in(context, password);
                let ticket = self.session.lock().await.service_ticket(log_in, EDGE_SERVICE).await?;
                format!("Token {}", ticket.expose())
            }
        };
        let request = ask
            .request(&self.profile.edge_base)
            .header("authorization", authorization);
        let response = context.http.send(request).await.map_err(failed)?;
        self.heed(context, &response);
        Ok(response)
    }

    /// A request to the site within the web session (`cas`), whatever its status. After a 401, which §6.4 says was not
    /// accepted, the session is opened anew and the same bytes go out once more.
    pub async fn site(&self, context: &Context<'_>, ask: Ask) -> Result<HttpResponse, ConnectorError> {
        let Access::Cas { password } = &self.profile.access else {
            return Err(ConnectorError::unsupported("web session"));
        };
        let ask = ask.accepting(SITE_JSON);
        let mut stale = None;
        loop {
            let log_in = self.log_in(context, password);
            let web = self.session.lock().await.web(log_in, stale).await?;
            self.throttle.open(context.clock.now())?;
            let request = ask.request(&self.profile.site_base).header("cookie", web.cookies);
            let response = context.http.send(request).await.map_err(ConnectorError::from)?;
            self.heed(context, &response);
            if stale.is_none() && is_unauthorized(&response) {
                stale = Some(web.opened);
                continue;
            }
            return Ok(response);
        }
    }

    /// A question that needs no authorization.
    pub async fn ask_anyone(
        &self,
        context: &Context<'_>,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        self.throttle.open(context.clock.now())?;
        let request = request.timeout(READ_TIMEOUT).sensitive(SENSITIVE);
        let response = context.http.send(request).await;
        let response = response.map_err(|failure| unasked(&failure))?;
        self.heed(context, &response);
        if response.is_success() {
            Ok(response)
        } else {
            Err(of_question(&response))
        }
    }

    pub async fn log_out(&self, context: &Context<'_>) -> Result<(), ConnectorError> {
        let Access::Cas { password } = &self.profile.access else {
            return Ok(());
        };
        let log_in = self.log_in(context, password);
        self.session.lock().await.end(log_in).await
    }

    pub async fn is_logged_in(&self, context: &Context<'_>) -> Result<bool, ConnectorError> {
        let Access::Cas { password } = &self.profile.access else {
            return Ok(true);
        };
        let log_in = self.log_in(context, password);
        self.session.lock().await.is_alive(log_in).await
    }

    /// For what only one dialect has.
    pub fn needs_token(&self, what: &str) -> Result<(), ConnectorError> {
        if self.profile.is_cas() {
            let message = format!("{what} need dialect \"token\"; this connection has \"cas\"");
            return Err(ConnectorError::Invalid(NetworkFault::new(message)));
        }
        Ok(())
    }

    fn heed(&self, context: &Context<'_>, response: &HttpResponse) {
        if is_throttled(response.status) {
            self.throttle.shut(context.clock.now());
        }
    }

    fn log_in<'a>(&'a self, context: &'a Context<'a>, password: &'a Secret) -> LogIn<'a> {
        LogIn {
            profile: &self.profile,
            password,
            throttle: &self.throttle,
            context,
        }
    }
}

/// §6.3: the site may wrap the inner service's status.
fn is_unauthorized(response: &HttpResponse) -> bool {
    response.status == 401
        || response.is_success() && crate::fault::Said::read(&response.body).inner_status == Some(401)
}

fn unasked_question(failure: plugin_sdk::connector::HttpFailure) -> ConnectorError {
    unasked(&failure)
}
