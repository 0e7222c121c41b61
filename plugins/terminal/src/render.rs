//! From an answer to bytes (`protocols/terminal.md` §5, §6).

mod document;
#[cfg(test)]
mod tests;

use plugin_sdk::{Command, Field, Money, NetworkAnswer, NetworkRequest, RawAnswer, Reason};

use crate::profile::{Service, Variant};
use document::Document;

/// Characters of a comment (§5.1).
const COMMENT_MAX: usize = 255;

const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// §2: 200 for every answer that carries a `<result>`, success or not.
const STATUS_ANSWERED: u16 = 200;
const STATUS_UNAUTHORIZED: u16 = 401;

pub fn render(service: &Service, request: &NetworkRequest, answer: &NetworkAnswer) -> RawAnswer {
    let mut document = Document::new();
    // §5.1: the request of getInfo has no txn_id, so its answer has none either.
    if request.command != Command::Info {
        document.tag("osmp_txn_id", &request.key_echo);
    }
    match refusal_of(request, answer) {
        Some((reason, comment)) => refuse(&mut document, service, reason, comment),
        None => accept(&mut document, service, request, answer),
    }
    RawAnswer {
        status: STATUS_ANSWERED,
        content_type: Some(CONTENT_TYPE),
        headers: Vec::new(),
        body: document.finish(),
    }
}

/// §2: nothing but the challenge.
pub fn render_unauthorized() -> RawAnswer {
    RawAnswer {
        status: STATUS_UNAUTHORIZED,
        content_type: None,
        headers: vec![("WWW-Authenticate", "Basic realm=\"terminal\"".to_owned())],
        body: String::new(),
    }
}

/// Why the answer is a refusal. An acceptance that cannot be written in full is one too: an unknown command is never
/// accepted, and a success of pay must carry number and sum (§5.3); without them it is "ask again", which claims
/// neither that money was credited nor that it was not.
fn refusal_of<'a>(request: &NetworkRequest, answer: &'a NetworkAnswer) -> Option<(Reason, Option<&'a str>)> {
    if let Some(refusal) = &answer.refusal {
        return Some((refusal.reason, refusal.comment.as_deref()));
    }
    match request.command {
        Command::Unknown => Some((Reason::InvalidRequest, None)),
        Command::Pay if answer.number.is_none() || request.amount.is_none() => Some((Reason::Temporary, None)),
        Command::Info | Command::Check | Command::Pay => None,
    }
}

fn refuse(document: &mut Document, service: &Service, reason: Reason, comment: Option<&str>) {
    let (code, usual_comment) = result_of(reason_on_the_wire(service, reason));
    document.tag("result", code);
    document.tag("comment", &cut(comment.unwrap_or(usual_comment)));
}

fn accept(document: &mut Document, service: &Service, request: &NetworkRequest, answer: &NetworkAnswer) {
    if let Some(number) = answer.number.filter(|_| request.command != Command::Info) {
        document.tag("prv_txn", &number.to_string());
    }
    if let Some(amount) = request.amount.filter(|_| request.command == Command::Pay) {
        document.tag("sum", &two_decimals(amount));
        if let Some(currency) = currency_echo(service, request) {
            document.tag("ccy", currency);
        }
    }
    // §6.2: the success of A's check has an empty comment.
    let silent = service.variant == Variant::A && request.command == Command::Check;
    let usual_comment = if silent { "" } else { "OK" };
    document.tag("result", "0");
    document.tag("comment", &cut(answer.comment.as_deref().unwrap_or(usual_comment)));
    document.fields(&shown_fields(service, &answer.fields));
}

/// The code of a reason and the comment that goes with it (§6.6).
const fn result_of(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::Temporary => ("1", "Temporary error, repeat later"),
        Reason::AccountFormat => ("4", "Wrong account format"),
        Reason::AccountNotFound => ("5", "Account not found"),
        Reason::Forbidden => ("7", "Payments are not accepted"),
        Reason::ExtraInvalid => ("31", "Wrong additional parameter"),
        Reason::RateChanged => ("32", "Exchange rate changed"),
        Reason::AccountInactive => ("79", "Account is not active"),
        Reason::InProgress => ("90", "Payment is being processed"),
        Reason::AmountTooSmall => ("241", "Amount is too small"),
        Reason::AmountTooLarge => ("242", "Amount is too large"),
        Reason::AccountUnverifiable => ("243", "Account state cannot be checked"),
        Reason::InvalidRequest => ("300", "Provider error"),
    }
}

/// The nearest reason that this service's side of the wire knows: code 90 can be switched off (§9.2), and A's table
/// has neither 31 nor 32 (§7.2), where a code outside the table must never be sent.
fn reason_on_the_wire(service: &Service, reason: Reason) -> Reason {
    match reason {
        Reason::InProgress if !service.use_90 => Reason::Temporary,
        Reason::ExtraInvalid | Reason::RateChanged if service.variant == Variant::A => Reason::InvalidRequest,
        other => other,
    }
}

/// §5.3. A has no ccy of its own; where the profile asks for the echo all the same, it is the one that came along.
fn currency_echo<'a>(service: &Service, request: &'a NetworkRequest) -> Option<&'a str> {
    let sent = request.currency_text.as_ref().or_else(|| request.extras.get("ccy"));
    sent.map(String::as_str).filter(|_| service.echo_ccy)
}

/// §5.3: two places and a dot, whatever the currency's own places are.
fn two_decimals(amount: Money) -> String {
    let decimal = amount.decimal();
    let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
    format!("{whole}.{:0<2}", fraction.trim_end_matches('0'))
}

fn shown_fields(service: &Service, returned: &[Field]) -> Vec<Field> {
    let Some(mappings) = &service.fields else {
        return returned.to_vec();
    };
    let shown = mappings.iter().filter_map(|mapping| {
        let source = mapping.source.as_ref().unwrap_or(&mapping.name);
        let field = returned.iter().find(|field| field.name == *source)?;
        Some(Field {
            name: mapping.name.clone(),
            value: field.value.clone(),
        })
    });
    shown.collect()
}

fn cut(comment: &str) -> String {
    comment
        .chars()
        .filter(|character| document::is_allowed(*character))
        .take(COMMENT_MAX)
        .collect()
}
