//! The verbs of a handler, and the reading of what they are given. Everything here may be hostile: tables are read
//! raw, with caps, and nothing in them is called.

use std::rc::Rc;

use mlua::{Lua, MetaMethod, Result as LuaResult, Table, UserData, UserDataFields, UserDataMethods, Value};
use plugin_sdk::{Field, Reason};

use crate::blame;
use crate::call::CallState;
use crate::error::ScriptError;
use crate::limits::{ANSWER_BYTES, ANSWER_NODES, ANSWERS_PER_CALL};
use crate::money::{kind_of, money_of, whole};
use crate::suggest;
use crate::view::{key_text, shorten};

/// How a check ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The script has no `check`: it does not object, and it has not looked.
    NoHandler,
    Accept {
        comment: Option<String>,
        fields: Vec<Field>,
    },
    Reject {
        reason: Reason,
        comment: Option<String>,
    },
    RetryLater {
        comment: Option<String>,
    },
    /// No decision. Never an acceptance.
    Failed(ScriptError),
}

/// What a verb gives; a handler returns exactly one.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Accept {
        comment: Option<String>,
        fields: Vec<Field>,
    },
    Reject {
        reason: Reason,
        comment: Option<String>,
    },
    RetryLater {
        comment: Option<String>,
    },
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accept { comment, fields } => Self::Accept { comment, fields },
            Answer::Reject { reason, comment } => Self::Reject { reason, comment },
            Answer::RetryLater { comment } => Self::RetryLater { comment },
        }
    }
}

impl UserData for Answer {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "answer");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_function(MetaMethod::Index, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, "an answer has no fields; return it from the handler"))
        });
        methods.add_meta_function(MetaMethod::NewIndex, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, "an answer cannot be changed"))
        });
        methods.add_meta_function(MetaMethod::ToString, |_, _: Value| Ok("answer"));
    }
}

pub(crate) fn register(lua: &Lua, globals: &Table, call: &Rc<CallState>) -> LuaResult<()> {
    let state = Rc::clone(call);
    let accept = lua.create_function(move |lua, (given, more): (Value, Value)| {
        answer(lua, &state, &more, |meter| accept(meter, &given))
    })?;
    let state = Rc::clone(call);
    let reject = lua.create_function(move |lua, (reason, text, more): (Value, Value, Value)| {
        answer(lua, &state, &more, |meter| reject(meter, &reason, &text))
    })?;
    let state = Rc::clone(call);
    let retry_later = lua.create_function(move |lua, (text, more): (Value, Value)| {
        answer(lua, &state, &more, |meter| {
            Ok(Answer::RetryLater {
                comment: meter.comment("retry_later", &text)?,
            })
        })
    })?;
    globals.raw_set("accept", accept)?;
    globals.raw_set("reject", reject)?;
    globals.raw_set("retry_later", retry_later)
}

fn answer(
    lua: &Lua,
    call: &CallState,
    more: &Value,
    read: impl FnOnce(&mut Meter) -> Result<Answer, String>,
) -> LuaResult<Answer> {
    let refuse = |text: String| blame::error(lua, text);
    if !more.is_nil() {
        return Err(refuse(String::from("too many arguments for an answer")));
    }
    let made = call.answers.get() + 1;
    if made > ANSWERS_PER_CALL {
        return Err(refuse(format!(
            "more than {ANSWERS_PER_CALL} answers were made in one call; make one and return it"
        )));
    }
    call.answers.set(made);
    read(&mut Meter::default()).map_err(refuse)
}

fn accept(meter: &mut Meter, given: &Value) -> Result<Answer, String> {
    const NAMES: [&str; 2] = ["comment", "fields"];
    let table = match given {
        Value::Nil => {
            return Ok(Answer::Accept {
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
                    suggest::hint(other, NAMES)
                ));
            }
            None => return Err(String::from("accept takes only 'comment' and 'fields'")),
        }
        Ok(())
    })?;
    Ok(Answer::Accept { comment, fields })
}

fn reject(meter: &mut Meter, reason: &Value, text: &Value) -> Result<Answer, String> {
    let finals = || Reason::ALL.into_iter().filter(|reason| reason.is_final());
    let Some(name) = key_text(reason) else {
        return Err(format!(
            "reject takes a reason such as \"account_not_found\", got {}",
            kind_of(reason)
        ));
    };
    match name.parse::<Reason>() {
        Ok(reason) if reason.is_final() => Ok(Answer::Reject {
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

/// Counts what an answer holds while it is read.
#[derive(Default)]
struct Meter {
    bytes: usize,
    nodes: usize,
}

impl Meter {
    fn comment(&mut self, verb: &str, value: &Value) -> Result<Option<String>, String> {
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
    fn text(&mut self, what: &str, value: &Value) -> Result<String, String> {
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
        self.bytes += text.len();
        if self.bytes > ANSWER_BYTES {
            return Err(format!("the answer is longer than {ANSWER_BYTES} bytes"));
        }
        Ok(text)
    }

    /// Reads a table's own entries, and counts them before looking at them.
    fn each(
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
            let result = if self.nodes > ANSWER_NODES {
                Err(format!("the answer has more than {ANSWER_NODES} entries"))
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
