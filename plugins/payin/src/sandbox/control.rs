//! The simulator's own paths below `/sandbox/payin`: what it holds, as a page and as JSON; its switches; what a payer's
//! bank would do; the issuer's page.

use std::collections::BTreeMap;

use plugin_sdk::{SandboxAnswer, SandboxRequest};
use serde_json::{Value, json};

use super::desk::Desk;
use super::form::fields;
use super::pages::{self, escape};
use super::site::Site;
use super::{sbp, till};

const BODY_BYTES_MAX: usize = 64 * 1_024;
/// Rows of each table of the page.
const ROWS_MAX: usize = 100;
/// Sites that may be made.
const SITES_MAX: usize = 1_000;

pub fn answer(
    sites: &mut BTreeMap<String, Site>,
    desk: &mut Desk,
    request: &SandboxRequest,
    path: &str,
) -> SandboxAnswer {
    if request.body.len() > BODY_BYTES_MAX {
        return problem(413, "the body is too long");
    }
    let mut posted = fields(request.query.as_bytes());
    posted.extend(fields(&request.body));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", []) => overview(sites, desk),
        ("GET", ["objects"]) => SandboxAnswer::json(200, &objects(sites, desk)),
        ("GET", ["notifications"]) => SandboxAnswer::json(200, &desk.outbox.json()),
        ("POST", ["notifications", id, "resend"]) => {
            noted(number(id).is_some_and(|id| desk.outbox.again(id, desk.now)))
        }
        ("POST", ["notifications", id, "drop"]) => noted(number(id).is_some_and(|id| desk.outbox.drop(id))),
        ("GET" | "POST", ["acs"]) => issuer(&posted),
        ("POST", ["acs", "decide"]) => decided(&posted),
        ("PUT" | "POST", ["sites", id]) => put_site(sites, id, &posted),
        ("POST", ["sites", id, rest @ ..]) => match sites.get_mut(*id) {
            Some(site) => of_site(site, desk, rest, &posted),
            None => problem(404, "there is no such site"),
        },
        _ => problem(
            404,
            "the simulator has no such path; GET /sandbox/payin shows what it has",
        ),
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn problem(status: u16, message: &str) -> SandboxAnswer {
    SandboxAnswer::json(status, &json!({ "error": message }))
}

fn noted(done: bool) -> SandboxAnswer {
    if done {
        SandboxAnswer::json(200, &json!({ "done": true }))
    } else {
        problem(404, "there is nothing of this id, or nothing to decide about it")
    }
}

fn issuer(posted: &BTreeMap<String, String>) -> SandboxAnswer {
    let field = |name: &str| posted.get(name).map(String::as_str).unwrap_or_default();
    let term_url = field("TermUrl");
    if field("PaReq").is_empty() || !is_address(term_url) {
        return pages::message(
            400,
            "3-D Secure",
            "Post PaReq, MD and TermUrl here, as the protocol says.",
        );
    }
    pages::three_ds(field("PaReq"), field("MD"), term_url)
}

fn decided(posted: &BTreeMap<String, String>) -> SandboxAnswer {
    let field = |name: &str| posted.get(name).map(String::as_str).unwrap_or_default();
    if !is_address(field("TermUrl")) {
        return pages::message(400, "3-D Secure", "TermUrl is not an address.");
    }
    let pares = till::pares(field("PaReq"), field("decision") == "confirm");
    pages::three_ds_back(&pares, field("MD"), field("TermUrl"))
}

/// Of a shop, or of a form of the simulator.
fn is_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/')
}

/// A new site, or new keys of one that is there.
fn put_site(sites: &mut BTreeMap<String, Site>, id: &str, posted: &BTreeMap<String, String>) -> SandboxAnswer {
    let text = |name: &str, other: String| posted.get(name).cloned().unwrap_or(other);
    if !sites.contains_key(id) {
        if sites.len() >= SITES_MAX {
            return problem(409, "there are too many sites");
        }
        let made = Site::new(
            id,
            &format!("{id}-api-key"),
            &format!("{id}-notification-key"),
            &format!("{id}-public"),
            false,
        );
        sites.insert(id.to_owned(), made);
    }
    let Some(site) = sites.get_mut(id) else {
        return problem(404, "there is no such site");
    };
    site.api_key = text("api_key", site.api_key.clone());
    site.notification_key = text("notification_key", site.notification_key.clone());
    site.payout_key = text("payout_public_key", site.payout_key.clone());
    if let Some(url) = posted.get("notification_url") {
        site.notification_url = Some(url.clone()).filter(|url| !url.is_empty());
    }
    SandboxAnswer::json(200, &shown_site(site))
}

fn of_site(site: &mut Site, desk: &mut Desk, path: &[&str], posted: &BTreeMap<String, String>) -> SandboxAnswer {
    match path {
        ["switches"] => {
            for (name, value) in posted {
                if let Err(message) = site.switches.set(name, value) {
                    return problem(400, &format!("{name}: {message}"));
                }
            }
            SandboxAnswer::json(200, &shown_site(site))
        }
        ["next-decline"] => {
            site.next_reason = posted.get("reason").filter(|reason| !reason.is_empty()).cloned();
            SandboxAnswer::json(200, &json!({ "next_decline": site.next_reason }))
        }
        ["qr", id, "pay"] => noted(sbp::decide(site, desk, id, true)),
        ["qr", id, "decline"] => noted(sbp::decide(site, desk, id, false)),
        _ => problem(404, "the simulator has no such path"),
    }
}

fn shown_site(site: &Site) -> Value {
    json!({
        "site_id": site.id,
        "api_key": site.api_key,
        "notification_key": site.notification_key,
        "public_key": site.public_key,
        "notification_url": site.notification_url,
        "switches": site.switches.json(),
    })
}

fn objects(sites: &BTreeMap<String, Site>, desk: &Desk) -> Value {
    let sites = sites.values().map(|site| {
        let (base, test) = (desk.base_url.as_str(), site.switches.test_mode);
        let mut shown = shown_site(site);
        let payments = site.payments.all().map(|payment| {
            let mut one = payment.json(base, test);
            let captures = payment.captures.values().map(|step| step.json("captureId", test));
            let refunds = payment.refunds.iter().map(|step| step.json("refundId", test));
            super::model::add(&mut one, "captures", Some(captures.collect::<Vec<_>>()));
            super::model::add(&mut one, "refunds", Some(refunds.collect::<Vec<_>>()));
            let payouts = payment.payouts.values().map(|payout| payout.json(test));
            super::model::add(&mut one, "payouts", Some(payouts.collect::<Vec<_>>()));
            one
        });
        super::model::add(&mut shown, "payments", Some(payments.collect::<Vec<_>>()));
        let bills = site.bills.values().map(|bill| bill.json(base, test));
        super::model::add(&mut shown, "bills", Some(bills.collect::<Vec<_>>()));
        let qrs = site.qrs.values().map(|qr| qr.json(false));
        super::model::add(&mut shown, "qr_codes", Some(qrs.collect::<Vec<_>>()));
        let checks = site.checks.values().map(|check| check.json(base));
        super::model::add(&mut shown, "card_checks", Some(checks.collect::<Vec<_>>()));
        shown
    });
    json!({ "sites": sites.collect::<Vec<_>>(), "warnings": desk.journal })
}

fn overview(sites: &BTreeMap<String, Site>, desk: &Desk) -> SandboxAnswer {
    let mut inner = "<h1>QIWI Payin</h1><p class=\"dim\">As JSON: <a href=\"/sandbox/payin/objects\">objects</a>, \
                     <a href=\"/sandbox/payin/notifications\">notifications</a>.</p>"
        .to_owned();
    for site in sites.values() {
        inner.push_str(&site_section(site));
    }
    if !desk.journal.is_empty() {
        let rows = desk.journal.iter().rev().take(ROWS_MAX);
        let rows: String = rows.map(|line| format!("<li>{}</li>", escape(line))).collect();
        inner.push_str(&format!("<h2>Warnings</h2><ul>{rows}</ul>"));
    }
    pages::page(200, "QIWI Payin simulator", "wide", &inner)
}

fn site_section(site: &Site) -> String {
    let mode = if site.switches.test_mode {
        "test mode"
    } else {
        "as in production"
    };
    let bills: String = (site.bills.values().rev().take(ROWS_MAX))
        .map(|bill| {
            let sum = bill.amount.as_ref().map_or_else(|| "card check".to_owned(), |sum| super::money::two_decimals(sum.cents));
            format!(
                "<tr><td><code>{}</code></td><td>{sum}</td><td>{}</td><td><a href=\"/form?invoiceUid={}\">form</a></td></tr>",
                escape(&bill.id),
                bill.state.as_str(),
                bill.invoice
            )
        })
        .collect();
    let payments: String = (site.payments.all().rev().take(ROWS_MAX))
        .map(|payment| {
            let status = payment.state.json(payment.changed);
            let status = status
                .get("value")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{status}</td><td>{}</td><td>{}</td></tr>",
                escape(&payment.id),
                super::money::two_decimals(payment.amount.cents),
                super::money::two_decimals(payment.captured),
                super::money::two_decimals(payment.refunded),
            )
        })
        .collect();
    let qrs: String = (site.qrs.values().rev().take(ROWS_MAX))
        .map(|qr| qr_row(site, qr))
        .collect();
    format!(
        "<h2>Site <code>{}</code>, {mode}</h2>\
         <p class=\"dim\">API key <code>{}</code>, notification key <code>{}</code>, link key <code>{}</code></p>\
         <table><tr><th>Bill</th><th>Amount</th><th>Status</th><th></th></tr>{bills}</table>\
         <table><tr><th>Payment</th><th>Amount</th><th>Status</th><th>Captured</th><th>Given back</th></tr>{payments}</table>\
         <table><tr><th>QR code</th><th>Status</th><th></th></tr>{qrs}</table>",
        escape(&site.id),
        escape(&site.api_key),
        escape(&site.notification_key),
        escape(&site.public_key),
    )
}

fn qr_row(site: &Site, qr: &super::model::Qr) -> String {
    let path = format!("/sandbox/payin/sites/{}/qr/{}", escape(&site.id), escape(&qr.id));
    format!(
        "<tr><td><code>{}</code></td><td>{}</td><td><form method=\"post\" action=\"{path}/pay\">\
         <button class=\"plain\">Pay</button></form></td></tr>",
        escape(&qr.id),
        qr.state.as_str()
    )
}
