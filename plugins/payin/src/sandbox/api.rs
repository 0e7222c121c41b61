//! The API's routes (§3), and who may use them (§16.1, §16.2).

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use plugin_sdk::{SandboxAnswer, SandboxRequest};
use serde_json::Value;

use super::desk::Desk;
use super::json::Node;
use super::refusal::{Refusal, invalid};
use super::site::Site;
use super::{bills, checks, payments, payouts, sbp, steps};

/// D-2: bytes of an id.
const ID_MAX: usize = 200;
/// Bodies are a few KiB.
const BODY_BYTES_MAX: usize = 256 * 1_024;
/// Objects that one site may hold.
const OBJECTS_MAX: usize = 100_000;

pub fn answer(
    sites: &mut BTreeMap<String, Site>,
    desk: &mut Desk,
    request: &SandboxRequest,
    path: &str,
) -> SandboxAnswer {
    match serve(sites, desk, request, path) {
        Ok(Some(body)) => SandboxAnswer::json(200, &body),
        Ok(None) => SandboxAnswer::empty(204),
        Err(refusal) => {
            let trace = desk.number();
            refusal.answer(trace, desk.now)
        }
    }
}

fn serve(
    sites: &mut BTreeMap<String, Site>,
    desk: &mut Desk,
    request: &SandboxRequest,
    path: &str,
) -> Result<Option<Value>, Refusal> {
    let key = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let key = key.map(str::trim).ok_or(Refusal::Unauthorized)?;
    let owner = sites
        .values()
        .find(|site| site.api_key == key)
        .map(|site| site.id.clone());
    let owner = owner.ok_or(Refusal::Unauthorized)?;
    let decoded: Option<Vec<String>> = path
        .split('/')
        .map(|part| {
            percent_decode_str(part)
                .decode_utf8()
                .ok()
                .map(|part| part.into_owned())
        })
        .collect();
    let decoded = decoded.ok_or(Refusal::NotFound)?;
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let ["sites", site, rest @ ..] = parts.as_slice() else {
        return Err(Refusal::NotFound);
    };
    if owner != *site {
        return Err(Refusal::Forbidden);
    }
    let accepts = request
        .header("accept")
        .is_none_or(|accept| accept.contains("json") || accept.contains("*/*"));
    if !accepts {
        return Err(Refusal::NotAcceptable);
    }
    let site = sites.get_mut(*site).ok_or(Refusal::Forbidden)?;
    if rest.iter().any(|part| part.is_empty() || part.len() > ID_MAX) {
        return Err(Refusal::NotFound);
    }
    if site.objects() >= OBJECTS_MAX {
        return Err(Refusal::Full);
    }
    warn_of_ids(desk, rest);
    route(site, desk, request, rest)
}

/// D-2: other characters are taken, with a warning.
fn warn_of_ids(desk: &mut Desk, parts: &[&str]) {
    let usual = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if let Some(part) = parts.iter().find(|part| !usual(part)) {
        desk.warn(format!("'{part}' has characters beyond letters, digits, '-' and '_'"));
    }
}

fn body_of(request: &SandboxRequest) -> Result<Node, Refusal> {
    if request.body.len() > BODY_BYTES_MAX {
        return Err(Refusal::Unreadable);
    }
    let body = Node::parse(&request.body).filter(Node::is_object);
    body.ok_or(Refusal::Unreadable)
}

/// A body that may be left out.
fn body_if_any(request: &SandboxRequest) -> Result<Node, Refusal> {
    if request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Node::Object(BTreeMap::new()));
    }
    body_of(request)
}

fn route(site: &mut Site, desk: &mut Desk, request: &SandboxRequest, parts: &[&str]) -> Result<Option<Value>, Refusal> {
    let raw = request.body.as_slice();
    let shown = match (request.method.as_str(), parts) {
        ("PUT", ["bills", id]) => bills::put(site, desk, id, &body_of(request)?, raw),
        ("GET", ["bills", id, "details"]) => bills::details(site, desk, id),
        ("GET", ["bills", id]) => bills::payments(site, desk, id),
        ("PUT", ["payments", id]) => payments::put(site, desk, id, &body_of(request)?, raw),
        ("GET", ["payments", id]) => payments::get(site, desk, id),
        ("POST", ["payments", id, "complete"]) => payments::complete(site, desk, id, &body_of(request)?),
        ("DELETE", ["tokens"]) => return payments::delete_token(site, &body_of(request)?).map(|()| None),
        ("PUT", ["sbp", "qrCodes", id]) => sbp::put(site, desk, id, &body_of(request)?, raw),
        ("POST", ["sbp", "qrCodes"]) => {
            let body = body_of(request)?;
            let id = body
                .at("qrCodeUid")
                .text()
                .filter(|id| !id.is_empty() && id.len() <= ID_MAX);
            sbp::put(
                site,
                desk,
                id.ok_or_else(|| invalid("qrCodeUid", "must not be empty"))?,
                &body,
                raw,
            )
        }
        ("GET", ["sbp", "qrCodes", id]) => sbp::get(site, id),
        ("POST", ["sbp", "qrCodes", id, "payments"]) => sbp::pay_by_token(site, desk, id, &body_of(request)?),
        ("PUT", ["validation", "card", "requests", id]) => checks::put(site, desk, id, &body_of(request)?),
        ("GET", ["validation", "card", "requests", id]) => checks::get(site, desk, id),
        ("POST", ["validation", "card", "requests", id, "complete"]) => {
            checks::complete(site, desk, id, &body_of(request)?)
        }
        (_, ["payments", payment, rest @ ..]) if !rest.is_empty() => step(site, desk, request, payment, rest),
        (_, parts) => Err(unknown(parts)),
    };
    shown.map(Some)
}

/// What hangs on a payment.
fn step(
    site: &mut Site,
    desk: &mut Desk,
    request: &SandboxRequest,
    payment: &str,
    parts: &[&str],
) -> Result<Value, Refusal> {
    let raw = request.body.as_slice();
    match (request.method.as_str(), parts) {
        ("PUT", ["captures", id]) => steps::capture(site, desk, (payment, id), &body_if_any(request)?, raw),
        ("GET", ["captures", id]) => steps::get_capture(site, payment, id),
        ("PUT", ["refunds", id]) => steps::refund(site, desk, (payment, id), &body_of(request)?, raw),
        ("GET", ["refunds", id]) => steps::get_refund(site, payment, id),
        ("GET", ["refunds"]) => steps::refunds(site, payment),
        ("POST", ["refunds", id, "decline"]) => steps::decline_refund(site, desk, payment, id),
        ("PUT", ["payouts", id]) => {
            let signature = request.header("x-digital-sign");
            payouts::put(site, desk, (payment, id), &body_of(request)?, raw, signature)
        }
        ("GET", ["payouts", id]) => payouts::get(site, payment, id),
        ("PUT", ["payouts", id, "complete"]) => payouts::complete(site, desk, payment, id),
        (_, ["complete"]) => Err(Refusal::WrongVerb),
        (_, ["captures" | "refunds" | "payouts", _] | ["refunds"]) => Err(Refusal::WrongVerb),
        (_, ["refunds", _, "decline"] | ["payouts", _, "complete"]) => Err(Refusal::WrongVerb),
        _ => Err(Refusal::NotFound),
    }
}

/// §16.2: a known path with a wrong verb, or no path at all.
fn unknown(parts: &[&str]) -> Refusal {
    match parts {
        ["bills" | "payments", _] | ["bills", _, "details"] | ["tokens"] => Refusal::WrongVerb,
        ["sbp", "qrCodes"] | ["sbp", "qrCodes", _] | ["sbp", "qrCodes", _, "payments"] => Refusal::WrongVerb,
        ["validation", "card", "requests", _] | ["validation", "card", "requests", _, "complete"] => Refusal::WrongVerb,
        _ => Refusal::NotFound,
    }
}
