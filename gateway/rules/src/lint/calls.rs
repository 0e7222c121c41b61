//! Names that a script writes out: of connections, lists, credentials and reasons.

use full_moon::ast::{Expression, Field, FunctionArgs, TableConstructor};
use full_moon::tokenizer::{TokenReference, TokenType};
use plugin_sdk::Reason;

use super::kinds::{Kind, Made};
use super::walk::{Walk, name_of};
use crate::questions::http::OPTIONS;
use crate::suggest;

pub(super) fn check(walk: &mut Walk<'_>, called: Kind, args: &FunctionArgs) {
    let Kind::Makes(made) = called else { return };
    match made {
        Made::Route | Made::Fallback | Made::Health => {
            let known = walk.known.connections.clone();
            name(walk, first(args), known.as_deref(), "connection");
        }
        Made::List => {
            let known = walk.known.lists.clone();
            name(walk, first(args), known.as_deref(), "list");
        }
        Made::Response => options(walk, args),
        Made::Reject => reason(walk, first(args)),
        Made::Money => number_for_money(walk, args),
        Made::Scaled | Made::Velocity | Made::Answer | Made::MathRandom => {}
    }
}

fn first(args: &FunctionArgs) -> Option<&TokenReference> {
    match args {
        FunctionArgs::String(text) => Some(text),
        FunctionArgs::Parentheses { arguments, .. } => match arguments.iter().next() {
            Some(Expression::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// A text as it is written; nothing of one with escapes in it.
fn literal(token: &TokenReference) -> Option<String> {
    match token.token().token_type() {
        TokenType::StringLiteral { literal, .. } if !literal.contains('\\') => Some(literal.to_string()),
        _ => None,
    }
}

fn name(walk: &mut Walk<'_>, token: Option<&TokenReference>, known: Option<&[String]>, kind: &str) {
    let (Some(token), Some(known)) = (token, known) else {
        return;
    };
    let Some(name) = literal(token) else { return };
    if known.contains(&name) {
        return;
    }
    let hint = match suggest::nearest(&name, known.iter().map(String::as_str)) {
        Some(near) => Some(format!("did you mean '{near}'?")),
        None if known.is_empty() => Some(format!("the merchant has no {kind} yet")),
        None => Some(format!("there is {}", known.join(", "))),
    };
    walk.error(
        token,
        &format!("unknown_{kind}"),
        format!("there is no {kind} '{name}'"),
        hint,
    );
}

fn reason(walk: &mut Walk<'_>, token: Option<&TokenReference>) {
    let Some(token) = token else { return };
    let Some(name) = literal(token) else { return };
    let finals = || {
        Reason::ALL
            .into_iter()
            .filter(|reason| reason.is_final())
            .map(Reason::as_str)
    };
    match name.parse::<Reason>() {
        Ok(reason) if reason.is_final() => {}
        Ok(_) => {
            let hint = Some(String::from("write retry_later()"));
            walk.error(token, "unknown_reason", format!("'{name}' is not final"), hint);
        }
        Err(_) => {
            let hint = match suggest::nearest(&name, finals()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("use one of {}", finals().collect::<Vec<_>>().join(", ")),
            };
            walk.error(token, "unknown_reason", format!("'{name}' is not a reason"), Some(hint));
        }
    }
}

/// `money(50)`.
fn number_for_money(walk: &mut Walk<'_>, args: &FunctionArgs) {
    if let FunctionArgs::Parentheses { arguments, .. } = args
        && let Some(Expression::Number(number)) = arguments.iter().next()
    {
        let message = String::from("a number cannot be exact money");
        let hint = Some(String::from("write money(\"50.00 RUB\"), with the amount as text"));
        walk.error(number, "money_number", message, hint);
    }
}

fn options(walk: &mut Walk<'_>, args: &FunctionArgs) {
    let FunctionArgs::Parentheses { arguments, .. } = args else {
        return;
    };
    let Some(Expression::TableConstructor(table)) = arguments.iter().nth(1) else {
        return;
    };
    for (key, value) in named(table) {
        let option = name_of(key);
        if !OPTIONS.contains(&option.as_str()) {
            let hint = suggest::nearest(&option, OPTIONS).map(|near| format!("did you mean '{near}'?"));
            walk.error(key, "unknown_option", format!("there is no option '{option}'"), hint);
        }
        if let ("credential", Expression::String(token)) = (option.as_str(), value) {
            let known = walk.known.credentials.clone();
            name(walk, Some(token), known.as_deref(), "credential");
        }
    }
}

fn named(table: &TableConstructor) -> impl Iterator<Item = (&TokenReference, &Expression)> {
    table.fields().iter().filter_map(|field| match field {
        Field::NameKey { key, value, .. } => Some((key, &**value)),
        _ => None,
    })
}
