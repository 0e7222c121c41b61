//! Values as the author of a script would write them.

use std::fmt::Write;

use plugin_sdk::{Field, Money};

use crate::outcome::{Note, Outcome};

pub(super) const NO_HANDLER: &str = "no_handler";

/// A quoted text that reads back as it was.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn money(amount: Money) -> String {
    format!("money({})", quoted(&amount.to_string()))
}

/// An outcome by its verb; a failure by its kind and message.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NoHandler => quoted(NO_HANDLER),
        Outcome::Accept { comment, fields } => {
            let comment = comment.iter().map(|text| format!("comment = {}", quoted(text)));
            let listed = (!fields.is_empty()).then(|| format!("fields = {{ {} }}", list(fields)));
            verb("accept", comment.chain(listed).collect())
        }
        Outcome::Reject { reason, comment } => arguments("reject", Some(reason.as_str()), comment.as_deref()),
        Outcome::RetryLater { comment } => arguments("retry_later", None, comment.as_deref()),
        Outcome::Route { connection, fallbacks } => {
            let others = fallbacks.iter().map(|name| format!(":fallback({})", quoted(name)));
            format!("route({}){}", quoted(connection), others.collect::<String>())
        }
        Outcome::Fee { amount, text } => {
            let text = text.iter().map(|text| format!("text = {}", quoted(text)));
            let amount = format!("amount = {}", money(*amount));
            verb("fee", [amount].into_iter().chain(text).collect())
        }
        Outcome::NoFee => String::from("no_fee()"),
        Outcome::Deliver => String::from("deliver()"),
        Outcome::Drop => String::from("drop()"),
        Outcome::Annotate { notes } => {
            let notes = notes
                .iter()
                .map(|(name, value)| format!("[{}] = {}", quoted(name), note(value)));
            verb("annotate", notes.collect())
        }
        Outcome::Failed(error) => format!("{} ({})", quoted(error.kind.as_str()), error.message),
    }
}

fn note(note: &Note) -> String {
    match note {
        Note::Flag(flag) => flag.to_string(),
        Note::Whole(number) => number.to_string(),
        Note::Text(text) => quoted(text),
        Note::Money(amount) => money(*amount),
    }
}

fn list(fields: &[Field]) -> String {
    let entries = fields.iter().map(|field| {
        let (name, value) = (quoted(&field.name), quoted(&field.value));
        format!("{{ name = {name}, value = {value} }}")
    });
    entries.collect::<Vec<_>>().join(", ")
}

fn verb(name: &str, entries: Vec<String>) -> String {
    if entries.is_empty() {
        return format!("{name}()");
    }
    format!("{name} {{ {} }}", entries.join(", "))
}

fn arguments(name: &str, first: Option<&str>, second: Option<&str>) -> String {
    let given: Vec<_> = first.into_iter().chain(second).map(quoted).collect();
    format!("{name}({})", given.join(", "))
}
