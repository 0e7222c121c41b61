//! CAS and who calls: tickets, the site's session, tokens.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::SandboxAnswer;
use serde_json::{Value, json};

use super::answers::{forbidden, site_says, unauthorized};
use super::call::Call;
use super::state::State;

const SITE: &str = "https://qiwi.com/j_spring_cas_security_check";
const EDGE: &str = "http://t.qiwi.com/j_spring_cas_security_check";
const LOG_INS_A_MINUTE: usize = 5;

#[derive(Default)]
pub struct Cas {
    grants: BTreeMap<String, Grant>,
    tickets: BTreeMap<String, Ticket>,
    sessions: BTreeMap<String, WebSession>,
}

struct Grant {
    wallet: String,
    made: DateTime<Utc>,
    used: DateTime<Utc>,
}

struct Ticket {
    grant: String,
    service: String,
    made: DateTime<Utc>,
}

struct WebSession {
    grant: String,
    used: DateTime<Utc>,
}

/// Who calls the API.
pub struct Caller {
    pub wallet: String,
    pub is_cas: bool,
    permissions: BTreeSet<String>,
}

impl Caller {
    pub fn lacks(&self, permission: &str, now: DateTime<Utc>) -> Option<SandboxAnswer> {
        let has = self.is_cas || self.permissions.contains(permission);
        (!has).then(|| forbidden(permission, now))
    }

    /// Nobody reads another's wallet.
    pub fn is_not(&self, wallet: &str, now: DateTime<Utc>) -> Option<SandboxAnswer> {
        (self.wallet != wallet).then(|| forbidden("edge", now))
    }
}

impl Cas {
    fn grant(&self, ticket: &str, now: DateTime<Utc>) -> Option<&Grant> {
        let grant = self.grants.get(ticket)?;
        let lives = now < grant.made + Duration::hours(8) && now < grant.used + Duration::hours(2);
        lives.then_some(grant)
    }

    /// Ends it with all that came of it.
    fn end(&mut self, grant: &str) -> bool {
        self.tickets.retain(|_, ticket| ticket.grant != grant);
        self.sessions.retain(|_, session| session.grant != grant);
        self.grants.remove(grant).is_some()
    }
}

pub fn tickets(state: &mut State, call: &Call<'_>, path: &[&str]) -> SandboxAnswer {
    match (call.method, path) {
        ("POST", ["cas", "tgts"]) => log_in(state, call),
        ("GET", ["cas", "tgts"]) => match call.cookie("CASTGC").map(str::to_owned) {
            Some(ticket) => match state.cas.grant(&ticket, call.now).map(|grant| grant.wallet.clone()) {
                Some(wallet) => granted(call, &wallet, &ticket),
                None => unauthorized(),
            },
            None => unauthorized(),
        },
        ("DELETE", ["cas", "tgts"]) => log_out(state, call),
        ("POST", ["cas", "sts"]) => service_ticket(state, call),
        _ => failure(404, "Not found"),
    }
}

fn text(body: &Option<Value>, name: &str) -> Option<String> {
    body.as_ref()?.get(name)?.as_str().map(str::to_owned)
}

fn log_in(state: &mut State, call: &Call<'_>) -> SandboxAnswer {
    let body = call.json();
    let (Some(login), Some(password)) = (text(&body, "login"), text(&body, "password")) else {
        return failure(400, "login and password are required");
    };
    let number = login.trim_start_matches('+').to_owned();
    let Some(wallet) = state.wallets.get_mut(&number) else {
        return failure(401, "Неверный логин или пароль");
    };
    while (wallet.log_ins.front()).is_some_and(|oldest| *oldest + Duration::minutes(1) <= call.now) {
        wallet.log_ins.pop_front();
    }
    if wallet.log_ins.len() >= LOG_INS_A_MINUTE {
        return failure(423, "Слишком много попыток входа");
    }
    wallet.log_ins.push_back(call.now);
    if wallet.password != password {
        return failure(401, "Неверный логин или пароль");
    }
    let ticket = format!("TGT-{}-{}", state.counter + 1, state.secret_hex("tgt"));
    let grant = Grant {
        wallet: number.clone(),
        made: call.now,
        used: call.now,
    };
    state.cas.grants.insert(ticket.clone(), grant);
    granted(call, &number, &ticket)
}

fn granted(call: &Call<'_>, wallet: &str, ticket: &str) -> SandboxAnswer {
    let href = format!("{}/cas/sts", call.request.base_url);
    SandboxAnswer::json(
        201,
        &json!({ "entity": { "user": wallet, "ticket": ticket }, "links": [{ "rel": "sts", "href": href }] }),
    )
    .header("set-cookie", format!("CASTGC={ticket}; Path=/cas; Secure; HttpOnly"))
}

fn log_out(state: &mut State, call: &Call<'_>) -> SandboxAnswer {
    let ticket = text(&call.json(), "ticket").or_else(|| call.cookie("CASTGC").map(str::to_owned));
    match ticket {
        Some(ticket) if state.cas.end(&ticket) => {
            SandboxAnswer::empty(200).header("set-cookie", "CASTGC=; Path=/cas; Max-Age=0")
        }
        _ => failure(404, "No such ticket"),
    }
}

fn service_ticket(state: &mut State, call: &Call<'_>) -> SandboxAnswer {
    let body = call.json();
    let (Some(service), Some(grant)) = (text(&body, "service"), text(&body, "ticket")) else {
        return failure(400, "service and ticket are required");
    };
    if state.cas.grant(&grant, call.now).is_none() {
        return failure(401, "The ticket is unknown or has expired");
    }
    if service != SITE && service != EDGE {
        return failure(400, "Unknown service");
    }
    if let Some(grant) = state.cas.grants.get_mut(&grant) {
        grant.used = call.now;
    }
    let ticket = format!("ST-{}-{}", state.counter + 1, state.secret_hex("st"));
    let made = Ticket {
        grant,
        service,
        made: call.now,
    };
    state.cas.tickets.insert(ticket.clone(), made);
    SandboxAnswer::json(200, &json!({ "entity": { "ticket": ticket }, "links": [] }))
}

/// A service ticket is for one use. The wallet and the grant that it stands for.
fn redeem(state: &mut State, ticket: &str, service: &str, now: DateTime<Utc>) -> Option<(String, String)> {
    let used = state.cas.tickets.remove(ticket)?;
    let life = Duration::seconds(state.settings.get("ticket_seconds"));
    let is_good = used.service == service && now < used.made + life;
    let wallet = state.cas.grant(&used.grant, now)?.wallet.clone();
    is_good.then_some((wallet, used.grant))
}

pub fn open_session(state: &mut State, call: &Call<'_>) -> SandboxAnswer {
    if state.settings.is_on("auth_limit") {
        return site_says(200, "3", Some("Слишком много входов"));
    }
    let posted = call.fields();
    let ticket = call
        .query("ticket")
        .or_else(|| posted.get("ticket").map(String::as_str));
    let Some((_, grant)) = ticket.and_then(|ticket| redeem(state, ticket, SITE, call.now)) else {
        return site_says(401, "2", Some("Недействительный тикет"));
    };
    let id = state.secret_hex("session");
    let session = WebSession { grant, used: call.now };
    state.cas.sessions.insert(id.clone(), session);
    site_says(200, "0", None).header("set-cookie", format!("JSESSIONID={id}; Path=/; Secure; HttpOnly"))
}

/// The wallet whose web session the caller's cookie opens.
pub fn web_caller(state: &mut State, call: &Call<'_>) -> Option<String> {
    let id = call.cookie("JSESSIONID")?;
    let session = state.cas.sessions.get_mut(id)?;
    if session.used + Duration::hours(2) <= call.now {
        return None;
    }
    session.used = call.now;
    let grant = session.grant.clone();
    Some(state.cas.grant(&grant, call.now)?.wallet.clone())
}

pub fn edge_caller(state: &mut State, call: &Call<'_>) -> Result<Caller, SandboxAnswer> {
    let authorization = call.request.header("authorization").unwrap_or_default();
    if let Some(ticket) = authorization.strip_prefix("Token ") {
        let (wallet, _) = redeem(state, ticket.trim(), EDGE, call.now).ok_or_else(unauthorized)?;
        return Ok(Caller {
            wallet,
            is_cas: true,
            permissions: BTreeSet::new(),
        });
    }
    let token = authorization.strip_prefix("Bearer ").ok_or_else(unauthorized)?.trim();
    let found = state.wallets.iter().find_map(|(number, wallet)| {
        let token = wallet.tokens.get(token)?;
        let lives = token.ends.is_none_or(|ends| call.now < ends);
        lives.then(|| (number.clone(), token.permissions.clone()))
    });
    let (wallet, permissions) = found.ok_or_else(unauthorized)?;
    Ok(Caller {
        wallet,
        is_cas: false,
        permissions,
    })
}

fn failure(status: u16, text: &str) -> SandboxAnswer {
    let body = json!({ "entity": { "error": { "message": text, "code": status.to_string() } }, "links": [] });
    SandboxAnswer::json(status, &body)
}
