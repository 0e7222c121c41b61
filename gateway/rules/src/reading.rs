//! The reading of what a script gives to the gateway. It may be hostile: tables are read raw, with caps, and nothing in
//! them is called.

use std::collections::BTreeMap;

use mlua::{LuaString, Table, Value};
use plugin_sdk::{Currency, Field, Reason};

use crate::fields::{key_text, shorten};
use crate::limits::{ANSWER_BYTES, ANSWER_NODES, NAME_BYTES, NOTE_BYTES, NOTES};
use crate::money::{kind_of, money_of, whole};
use crate::outcome::{Note, Outcome};
use crate::suggest;

/// What the tables of `accept` and `fee` may hold.
pub(crate) const ACCEPT_FIELDS: [&str; 2] = ["comment", "fields"];
pub(crate) const FEE_FIELDS: [&str; 2] = ["amount", "text"];

pub(crate) fn accept(meter: &mut Meter, given: &Value) -> Result<Outcome, String> {
    let table = match given {
        Value::Nil => {
            return Ok(Outcome::Accept {
                comment: None,
                fields: Vec::new(),
            });
        }
        Value::Table(table) => table,
        other => {
            return Err(format!(
                "accept takes a table such as accept{{comment = \"OK\"}}, got {}",
                kind_of(other)
            ));
        }
    };
    let (mut comment, mut fields) = (None, Vec::new());
    meter.each(table, "accept", |meter, key, value| {
        match key_text(key).as_deref() {
            Some("comment") => comment = meter.comment("accept", value)?,
            Some("fields") => fields = meter.fields(value)?,
            Some(other) => {
                return Err(format!(
                    "accept has no '{}'{}",
                    shorten(other),
                    suggest::hint(other, ACCEPT_FIELDS)
                ));
            }
            None => return Err(String::from("accept takes only 'comment' and 'fields'")),
        }
        Ok(())
    })?;
    Ok(Outcome::Accept { comment, fields })
}

pub(crate) fn reject(meter: &mut Meter, reason: &Value, text: &Value) -> Result<Outcome, String> {
    let finals = || Reason::ALL.into_iter().filter(|reason| reason.is_final());
    let Some(name) = key_text(reason) else {
        return Err(format!(
            "reject takes a reason such as \"account_not_found\", got {}",
            kind_of(reason)
        ));
    };
    match name.parse::<Reason>() {
        Ok(reason) if reason.is_final() => Ok(Outcome::Reject {
            reason,
            comment: meter.comment("reject", text)?,
        }),
        Ok(_) => Err(format!(
            "reject: '{name}' is not final; use retry_later() for what may succeed later"
        )),
        Err(_) => {
            let hint = match suggest::nearest(&name, finals().map(Reason::as_str)) {
                Some(nearest) => format!("did you mean '{nearest}'?"),
                None => format!(
                    "use one of {}",
                    finals().map(Reason::as_str).collect::<Vec<_>>().join(", ")
                ),
            };
            Err(format!("reject: '{}' is not a reason; {hint}", shorten(&name)))
        }
    }
}

/// `fee(money)` or `fee{amount = money, text = "…"}`, in the currency of the payment.
pub(crate) fn fee(meter: &mut Meter, given: &Value, currency: Option<Currency>) -> Result<Outcome, String> {
    const FORM: &str = "write fee(money(\"5.00 RUB\")) or fee{amount = …, text = \"…\"}";
    let (mut amount, mut text) = (money_of(given), None);
    if let Value::Table(table) = given {
        meter.each(table, "fee", |meter, key, value| {
            match key_text(key).as_deref() {
                Some("amount") => {
                    let kind = kind_of(value);
                    let money = money_of(value).ok_or_else(|| format!("fee: the amount must be money, got {kind}"))?;
                    amount = Some(money);
                }
                Some("text") => text = meter.comment("fee", value)?,
                Some(other) => {
                    let hint = suggest::hint(other, FEE_FIELDS);
                    return Err(format!("fee has no '{}'{hint}", shorten(other)));
                }
                None => return Err(String::from("fee takes only 'amount' and 'text'")),
            }
            Ok(())
        })?;
    }
    let Some(amount) = amount else {
        return Err(match given {
            Value::Table(_) => format!("fee has no amount; {FORM}"),
            other => format!("fee takes money, got {}; {FORM}", kind_of(other)),
        });
    };
    match currency {
        _ if amount.minor() < 0 => Err(format!("fee: {amount} is negative; a fee is never less than nothing")),
        Some(currency) if currency != amount.currency() => Err(format!(
            "fee: {amount} is not in the payment's currency, {}",
            currency.code()
        )),
        _ => Ok(Outcome::Fee { amount, text }),
    }
}

/// `annotate{ key = value }`.
pub(crate) fn annotate(meter: &mut Meter, given: &Value) -> Result<Outcome, String> {
    let Value::Table(table) = given else {
        return Err(format!(
            "annotate takes a table such as annotate{{segment = \"new\"}}, got {}",
            kind_of(given)
        ));
    };
    let mut notes = BTreeMap::new();
    meter.each(table, "annotate", |meter, key, value| {
        let key = meter.name("annotate", "note", key)?;
        let note = match value {
            Value::Boolean(flag) => Note::Flag(*flag),
            Value::String(_) => Note::Text(meter.text(&format!("annotate: '{key}'"), value)?),
            other => match (whole(other), money_of(other)) {
                (Some(number), _) => Note::Whole(number),
                (None, Some(money)) => Note::Money(money),
                (None, None) => {
                    let kind = kind_of(other);
                    return Err(format!(
                        "annotate: '{key}' must be text, a whole number, true or false, or money, got {kind}"
                    ));
                }
            },
        };
        notes.insert(key, note);
        if notes.len() > NOTES {
            return Err(format!("annotate: at most {NOTES} notes"));
        }
        if meter.bytes > NOTE_BYTES {
            return Err(format!("annotate: the notes are longer than {NOTE_BYTES} bytes"));
        }
        Ok(())
    })?;
    if notes.is_empty() {
        return Err(String::from(
            "annotate: there is no note; write deliver() to send the event as it is",
        ));
    }
    Ok(Outcome::Annotate { notes })
}

/// Counts what an answer holds while it is read.
pub(crate) struct Meter {
    bytes: usize,
    nodes: usize,
    bytes_max: usize,
    nodes_max: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self::of(ANSWER_BYTES, ANSWER_NODES)
    }
}

impl Meter {
    pub(crate) const fn of(bytes_max: usize, nodes_max: usize) -> Self {
        Self {
            bytes: 0,
            nodes: 0,
            bytes_max,
            nodes_max,
        }
    }

    /// Any UTF-8 text, for places where its characters do no harm.
    pub(crate) fn plain(&mut self, what: &str, text: &LuaString) -> Result<String, String> {
        let text = text
            .to_str()
            .map_err(|_| format!("{what} is not UTF-8 text"))?
            .to_owned();
        self.count(text.len())?;
        Ok(text)
    }

    fn count(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > self.bytes_max {
            return Err(format!("the answer is longer than {} bytes", self.bytes_max));
        }
        Ok(())
    }

    /// A short name without blanks or controls: of a connection, a list, a note.
    pub(crate) fn name(&mut self, verb: &str, kind: &str, value: &Value) -> Result<String, String> {
        let Value::String(_) = value else {
            return Err(format!(
                "{verb}: expected the name of a {kind} as text, got {}",
                kind_of(value)
            ));
        };
        let name = self.text(&format!("{verb}: the name of the {kind}"), value)?;
        if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(|letter| letter.is_whitespace()) {
            return Err(format!(
                "{verb}: '{}' is not the name of a {kind}; 1 to {NAME_BYTES} bytes without blanks",
                shorten(&name)
            ));
        }
        Ok(name)
    }

    pub(crate) fn comment(&mut self, verb: &str, value: &Value) -> Result<Option<String>, String> {
        match value {
            Value::Nil => Ok(None),
            Value::String(_) => self.text(&format!("{verb}: the comment"), value).map(Some),
            other => Err(format!("{verb}: the comment must be text, got {}", kind_of(other))),
        }
    }

    fn fields(&mut self, value: &Value) -> Result<Vec<Field>, String> {
        let Value::Table(table) = value else {
            return Err(format!("accept: fields must be a table, got {}", kind_of(value)));
        };
        if table.raw_len() > 0 {
            self.field_list(table)
        } else {
            self.field_map(table)
        }
    }

    /// `{ {name = "fio", value = "…"}, … }`, in the author's order.
    fn field_list(&mut self, table: &Table) -> Result<Vec<Field>, String> {
        let mut listed = Vec::new();
        self.each(table, "accept: fields", |meter, key, entry| {
            let position = whole(key).ok_or("accept: fields must be a list or a map of names, not both")?;
            let Value::Table(entry) = entry else {
                return Err(format!(
                    "accept: field {position} must be {{name = …, value = …}}, got {}",
                    kind_of(entry)
                ));
            };
            listed.push((position, meter.field(entry, position)?));
            Ok(())
        })?;
        listed.sort_by_key(|(position, _)| *position);
        Ok(listed.into_iter().map(|(_, field)| field).collect())
    }

    fn field(&mut self, entry: &Table, position: i64) -> Result<Field, String> {
        let (mut name, mut value) = (None, None);
        let what = format!("accept: field {position}");
        self.each(entry, &what, |meter, key, given| {
            match key_text(key).as_deref() {
                Some("name") if matches!(given, Value::String(_)) => name = Some(meter.text(&what, given)?),
                Some("name") => return Err(format!("{what}: the name must be text, got {}", kind_of(given))),
                Some("value") => value = Some(meter.text(&what, given)?),
                Some(other) => {
                    let hint = suggest::hint(other, ["name", "value"]);
                    return Err(format!("{what} has no '{}'{hint}", shorten(other)));
                }
                None => return Err(format!("{what} takes only 'name' and 'value'")),
            }
            Ok(())
        })?;
        match (name, value) {
            (Some(name), Some(value)) if !name.is_empty() => Ok(Field { name, value }),
            (Some(_), Some(_)) => Err(format!("{what} has an empty name")),
            (None, _) => Err(format!("{what} has no name")),
            (_, None) => Err(format!("{what} has no value")),
        }
    }

    /// `{ fio = "…" }`: a Lua map has no order, so the names give one.
    fn field_map(&mut self, table: &Table) -> Result<Vec<Field>, String> {
        let mut fields = Vec::new();
        self.each(table, "accept: fields", |meter, key, value| {
            if !matches!(key, Value::String(_)) {
                return Err(format!(
                    "accept: the name of a field must be text, got {}",
                    kind_of(key)
                ));
            }
            let name = meter.text("accept: the name of a field", key)?;
            if name.is_empty() {
                return Err(String::from("accept: a field has an empty name"));
            }
            let value = meter.text(&format!("accept: field '{}'", shorten(&name)), value)?;
            fields.push(Field { name, value });
            Ok(())
        })?;
        fields.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(fields)
    }

    /// Texts, whole numbers and money have one exact form each; nothing else has.
    pub(crate) fn text(&mut self, what: &str, value: &Value) -> Result<String, String> {
        let text = match value {
            Value::String(text) => text
                .to_str()
                .map_err(|_| format!("{what} is not UTF-8 text"))?
                .to_owned(),
            other => match (whole(other), money_of(other)) {
                (Some(number), _) => number.to_string(),
                (None, Some(money)) => money.to_string(),
                (None, None) if matches!(other, Value::Integer(_) | Value::Number(_)) => {
                    return Err(format!(
                        "{what} is a number that is not whole or not exact; give it as text"
                    ));
                }
                (None, None) => {
                    return Err(format!(
                        "{what} must be text, a whole number or money, got {}",
                        kind_of(other)
                    ));
                }
            },
        };
        if let Some(control) = text
            .chars()
            .find(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'))
        {
            return Err(format!(
                "{what} contains the control character {}",
                control.escape_default()
            ));
        }
        self.count(text.len())?;
        Ok(text)
    }

    /// Reads a table's own entries, and counts them before looking at them.
    pub(crate) fn each(
        &mut self,
        table: &Table,
        what: &str,
        mut read: impl FnMut(&mut Self, &Value, &Value) -> Result<(), String>,
    ) -> Result<(), String> {
        if table.has_metatable() {
            return Err(format!("{what}: tables with a metatable are not read; give plain ones"));
        }
        let mut problem = None;
        let walked = table.for_each(|key: Value, value: Value| {
            self.nodes += 1;
            let result = if self.nodes > self.nodes_max {
                Err(format!("the answer has more than {} entries", self.nodes_max))
            } else {
                read(self, &key, &value)
            };
            result.map_err(|text| {
                problem = Some(text);
                mlua::Error::RuntimeError(String::new())
            })
        });
        match (problem, walked) {
            (Some(text), _) => Err(text),
            (None, Err(error)) => Err(error.to_string()),
            (None, Ok(())) => Ok(()),
        }
    }
}
