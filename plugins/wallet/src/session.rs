//! Log-in through CAS (§2): a ticket-granting ticket, service tickets made from it, and the site's web session. Who holds
//! the session's lock logs in; so log-ins of one wallet never run in parallel.

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::Secret;
use plugin_sdk::connector::{ConnectorError, Context, HttpMethod, HttpRequest, HttpResponse, NetworkFault};
use serde_json::{Value, json};

use crate::config::Profile;
use crate::fault::{Said, is_throttled, throttled, unasked};
use crate::throttle::Throttle;

/// §2: names of the two services; opaque, never rewritten to the configured addresses.
pub const SITE_SERVICE: &str = "https://qiwi.com/j_spring_cas_security_check";
pub const EDGE_SERVICE: &str = "http://t.qiwi.com/j_spring_cas_security_check";

const SSO_JSON: &str = "application/vnd.qiwi.sso-v1+json";
const JSON: &str = "application/json";
/// §2.6: a ticket-granting ticket lives for 8 hours at most, and dies after 2 hours without a request.
const TGT_AGE: Duration = Duration::hours(8);
const TGT_IDLE: Duration = Duration::hours(2);
/// Cookies that one host may leave us.
const COOKIES_MAX: usize = 20;
/// How long each step of a log-in may take; a payment behind it needs its own minute.
const LOG_IN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// What no log may show. Links carry no secrets; the ticket does, in bodies and in the query.
const SENSITIVE: &[&str] = &["password", "ticket", "login", "castgc", "jsessionid"];
/// §2.5: too many log-ins of this wallet.
const AUTH_LIMIT: &str = "3";

/// What one wallet's log-in left behind. It never leaves this process and is never written.
#[derive(Default)]
pub struct Session {
    tgt: Option<Tgt>,
    auth_cookies: Cookies,
    site_cookies: Cookies,
    is_open: bool,
    /// How often the web session was opened.
    opened: u64,
    /// Wrong credentials are never tried again; a changed config makes a new session.
    refused: Option<NetworkFault>,
}

struct Tgt {
    ticket: Secret,
    made_at: DateTime<Utc>,
    used_at: DateTime<Utc>,
}

/// The web session that a payment went out with.
pub struct WebSession {
    pub cookies: String,
    pub opened: u64,
}

/// What a log-in needs beside the session itself.
#[derive(Clone, Copy)]
pub struct LogIn<'a> {
    pub profile: &'a Profile,
    pub password: &'a Secret,
    pub throttle: &'a Throttle,
    pub context: &'a Context<'a>,
}

impl Session {
    /// A new service ticket, for one use, now.
    pub async fn service_ticket(&mut self, log_in: LogIn<'_>, service: &str) -> Result<Secret, ConnectorError> {
        let fresh = self.ensure_tgt(log_in).await?;
        match self.ask_ticket(log_in, service).await? {
            Some(ticket) => Ok(ticket),
            // §2.8: the ticket-granting ticket died early; once more with a new one.
            None if !fresh => {
                self.forget();
                self.ensure_tgt(log_in).await?;
                let ticket = self.ask_ticket(log_in, service).await?;
                ticket.ok_or_else(refused_ticket)
            }
            None => Err(refused_ticket()),
        }
    }

    /// The cookies that payments go out with. `stale` is the session that the network no longer took.
    pub async fn web(&mut self, log_in: LogIn<'_>, stale: Option<u64>) -> Result<WebSession, ConnectorError> {
        let is_stale = stale == Some(self.opened);
        // The web session ends with its ticket (§2.6).
        if self.tgt_is_dead(log_in.context.clock.now()) {
            self.forget();
        }
        if !self.is_open || is_stale {
            self.is_open = false;
            let ticket = self.service_ticket(log_in, SITE_SERVICE).await?;
            self.open(log_in, &ticket).await?;
        }
        Ok(WebSession {
            cookies: self.site_cookies.header(),
            opened: self.opened,
        })
    }

    /// §2.3: ends the session at the network, if there is one.
    pub async fn end(&mut self, log_in: LogIn<'_>) -> Result<(), ConnectorError> {
        let Some(tgt) = self.tgt.take() else { return Ok(()) };
        let body = json!({ "service": SITE_SERVICE, "ticket": tgt.ticket.expose() });
        let request = self.sso(log_in, HttpMethod::Delete, "/cas/tgts", &body);
        self.forget();
        let response = send(log_in, request).await?;
        match response.status {
            200..=299 | 401 | 404 => Ok(()),
            status => Err(ConnectorError::Unavailable(Said::read(&response.body).fault(status))),
        }
    }

    /// §2.2: whether the ticket-granting ticket still lives at the network.
    pub async fn is_alive(&mut self, log_in: LogIn<'_>) -> Result<bool, ConnectorError> {
        if self.tgt.is_none() {
            return Ok(false);
        }
        let mut request = HttpRequest::new(HttpMethod::Get, format!("{}/cas/tgts", log_in.profile.auth_base));
        request = request
            .header("accept", SSO_JSON)
            .header("cookie", self.auth_cookies.header());
        let response = send(log_in, request).await?;
        self.auth_cookies.take(&response);
        if response.status == 401 {
            self.forget();
        }
        Ok(response.is_success())
    }

    fn tgt_is_dead(&self, now: DateTime<Utc>) -> bool {
        let lives = |tgt: &Tgt| now < tgt.made_at + TGT_AGE && now < tgt.used_at + TGT_IDLE;
        !self.tgt.as_ref().is_some_and(lives)
    }

    fn forget(&mut self) {
        self.tgt = None;
        self.is_open = false;
        self.auth_cookies = Cookies::default();
        self.site_cookies = Cookies::default();
    }

    /// §2.1. Says whether it is a new one.
    async fn ensure_tgt(&mut self, log_in: LogIn<'_>) -> Result<bool, ConnectorError> {
        let now = log_in.context.clock.now();
        if !self.tgt_is_dead(now) {
            return Ok(false);
        }
        if let Some(fault) = &self.refused {
            return Err(ConnectorError::Invalid(fault.clone()));
        }
        self.forget();
        let body = json!({ "login": log_in.profile.wallet, "password": log_in.password.expose() });
        let request = self.sso(log_in, HttpMethod::Post, "/cas/tgts", &body);
        let response = send(log_in, request).await?;
        let Some(ticket) = ticket(&response, "TGT-") else {
            return Err(self.log_in_failed(&response));
        };
        self.auth_cookies.take(&response);
        self.tgt = Some(Tgt {
            ticket,
            made_at: now,
            used_at: now,
        });
        Ok(true)
    }

    fn log_in_failed(&mut self, response: &HttpResponse) -> ConnectorError {
        let fault = Said::read(&response.body).fault(response.status);
        match response.status {
            401 => {
                let fault = NetworkFault::coded(
                    "401",
                    format!(
                        "{}; correct the wallet or its password in the connection",
                        fault.message
                    ),
                );
                self.refused = Some(fault.clone());
                ConnectorError::Invalid(fault)
            }
            400 => ConnectorError::Invalid(fault),
            _ => ConnectorError::Unavailable(fault),
        }
    }

    /// §2.4. `None` when the ticket-granting ticket is not known any more.
    async fn ask_ticket(&mut self, log_in: LogIn<'_>, service: &str) -> Result<Option<Secret>, ConnectorError> {
        let Some(tgt) = &mut self.tgt else { return Ok(None) };
        tgt.used_at = log_in.context.clock.now();
        let body = json!({ "service": service, "ticket": tgt.ticket.expose() });
        let request = self.sso(log_in, HttpMethod::Post, "/cas/sts", &body);
        let response = send(log_in, request).await?;
        self.auth_cookies.take(&response);
        if let Some(ticket) = ticket(&response, "ST-") {
            return Ok(Some(ticket));
        }
        match response.status {
            401 | 404 => Ok(None),
            status => Err(ConnectorError::Unavailable(Said::read(&response.body).fault(status))),
        }
    }

    /// §2.5.
    async fn open(&mut self, log_in: LogIn<'_>, ticket: &Secret) -> Result<(), ConnectorError> {
        let url = format!(
            "{}/j_spring_cas_security_check?ticket={}",
            log_in.profile.site_base,
            crate::wire::encoded(ticket.expose())
        );
        self.site_cookies = Cookies::default();
        let response = send(log_in, HttpRequest::new(HttpMethod::Get, url).header("accept", JSON)).await?;
        let said = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        let code = said.pointer("/code/value").and_then(Value::as_str);
        if code == Some(AUTH_LIMIT) {
            log_in.throttle.shut(log_in.context.clock.now());
            let message = "auth limit: too many log-ins of this wallet";
            return Err(throttled(
                Said {
                    code: Some(AUTH_LIMIT.to_owned()),
                    message: Some(message.to_owned()),
                    inner_status: None,
                },
                response.status,
            ));
        }
        if response.status != 200 || code.is_some_and(|code| code != "0") {
            return Err(ConnectorError::Unavailable(
                Said::read(&response.body).fault(response.status),
            ));
        }
        self.site_cookies.take(&response);
        self.is_open = true;
        self.opened += 1;
        Ok(())
    }

    fn sso(&self, log_in: LogIn<'_>, method: HttpMethod, path: &str, body: &Value) -> HttpRequest {
        let mut request = HttpRequest::new(method, format!("{}{path}", log_in.profile.auth_base))
            .header("accept", SSO_JSON)
            .body(JSON, body.to_string());
        if !self.auth_cookies.is_empty() {
            request = request.header("cookie", self.auth_cookies.header());
        }
        request
    }
}

/// A log-in moves no money: without an answer it is as good as not asked.
async fn send(log_in: LogIn<'_>, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let now = log_in.context.clock.now();
    log_in.throttle.open(now)?;
    let request = request.timeout(LOG_IN_TIMEOUT).sensitive(SENSITIVE);
    let response = log_in.context.http.send(request).await;
    let response = response.map_err(|failure| unasked(&failure))?;
    if is_throttled(response.status) {
        log_in.throttle.shut(now);
        return Err(throttled(Said::read(&response.body), response.status));
    }
    Ok(response)
}

/// §2.1, D3: any 2xx that carries a ticket of the right kind.
fn ticket(response: &HttpResponse, prefix: &str) -> Option<Secret> {
    let body = serde_json::from_slice::<Value>(&response.body).ok()?;
    let ticket = body.pointer("/entity/ticket").and_then(Value::as_str)?;
    (response.is_success() && ticket.starts_with(prefix)).then(|| Secret::new(ticket))
}

fn refused_ticket() -> ConnectorError {
    ConnectorError::Unavailable(NetworkFault::coded(
        "401",
        "the network gives no ticket right after a log-in",
    ))
}

/// Cookies of one host. Paths and ages are not looked at: a host's cookies die with its session.
#[derive(Default)]
struct Cookies(Vec<(String, Secret)>);

impl Cookies {
    fn take(&mut self, response: &HttpResponse) {
        for (_, cookie) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            self.0.retain(|(known, _)| known != name);
            if !name.is_empty() && !value.is_empty() && self.0.len() < COOKIES_MAX {
                self.0.push((name.to_owned(), Secret::new(value)));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn header(&self) -> String {
        let pairs: Vec<_> = (self.0.iter())
            .map(|(name, value)| format!("{name}={}", value.expose()))
            .collect();
        pairs.join("; ")
    }
}
