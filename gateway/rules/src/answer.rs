//! The verbs of a handler: what a script says its answer with.

use mlua::{
    AnyUserData, Lua, MetaMethod, Result as LuaResult, Table, UserData, UserDataFields, UserDataMethods, Value,
    Variadic,
};

use crate::blame;
use crate::budget::unlimited;
use crate::call::CallState;
use crate::limits::{ANSWERS_PER_CALL, ROUTE_CONNECTIONS};
use crate::outcome::Outcome;
use crate::reading::{self, Meter};

/// What a verb gives; a handler returns exactly one.
#[derive(Debug, Clone)]
pub(crate) struct Answer(Outcome);

type Verb = fn(&mut Meter, &CallState, &[Value]) -> Result<Outcome, String>;

/// Each verb with the number of its arguments.
const VERBS: [(&str, usize, Verb); 9] = [
    ("accept", 1, |meter, _, given| reading::accept(meter, first(given))),
    ("reject", 2, |meter, _, given| {
        reading::reject(meter, first(given), second(given))
    }),
    ("retry_later", 1, |meter, _, given| {
        Ok(Outcome::RetryLater {
            comment: meter.comment("retry_later", first(given))?,
        })
    }),
    ("route", 1, |meter, _, given| {
        Ok(Outcome::Route {
            connection: meter.name("route", "connection", first(given))?,
            fallbacks: Vec::new(),
        })
    }),
    ("fee", 1, |meter, call, given| {
        let currency = call.input().and_then(|input| input.currency());
        reading::fee(meter, first(given), currency)
    }),
    ("no_fee", 0, |_, _, _| Ok(Outcome::NoFee)),
    ("deliver", 0, |_, _, _| Ok(Outcome::Deliver)),
    ("drop", 0, |_, _, _| Ok(Outcome::Drop)),
    ("annotate", 1, |meter, _, given| reading::annotate(meter, first(given))),
];

fn first(given: &[Value]) -> &Value {
    given.first().unwrap_or(&Value::Nil)
}

fn second(given: &[Value]) -> &Value {
    given.get(1).unwrap_or(&Value::Nil)
}

impl Answer {
    /// For the setting up of the type.
    pub(crate) const fn plain() -> Self {
        Self(Outcome::Deliver)
    }

    pub(crate) fn of(value: &Value) -> Option<Outcome> {
        match value {
            Value::UserData(data) => AnyUserData::borrow::<Self>(data).ok().map(|answer| answer.0.clone()),
            _ => None,
        }
    }
}

impl UserData for Answer {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "answer");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("fallback", |lua, this, (name, more): (Value, Value)| {
            answer(lua, more.is_nil(), |meter, _| fallback(meter, &this.0, &name))
        });
        methods.add_meta_function(MetaMethod::Index, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, "an answer has no fields; return it from the handler"))
        });
        methods.add_meta_function(MetaMethod::NewIndex, |lua, _: Value| {
            Err::<(), _>(blame::error(lua, "an answer cannot be changed"))
        });
        methods.add_meta_function(MetaMethod::ToString, |_, _: Value| Ok("answer"));
    }
}

pub(crate) fn register(lua: &Lua, globals: &Table) -> LuaResult<()> {
    for (name, arguments, verb) in VERBS {
        let function = lua.create_function(move |lua, given: Variadic<Value>| {
            let fits = given.iter().skip(arguments).all(Value::is_nil);
            answer(lua, fits, |meter, call| verb(meter, call, &given))
        })?;
        globals.raw_set(name, function)?;
    }
    Ok(())
}

fn answer(
    lua: &Lua,
    fits: bool,
    read: impl FnOnce(&mut Meter, &CallState) -> Result<Outcome, String>,
) -> LuaResult<AnyUserData> {
    let refuse = |text: String| blame::error(lua, text);
    if !fits {
        return Err(refuse(String::from("too many arguments for an answer")));
    }
    let call = CallState::of(lua)?;
    let made = call.answers.get() + 1;
    if made > ANSWERS_PER_CALL {
        return Err(refuse(format!(
            "more than {ANSWERS_PER_CALL} answers were made in one call; make one and return it"
        )));
    }
    call.answers.set(made);
    let outcome = read(&mut Meter::default(), &call).map_err(refuse)?;
    unlimited(lua, || lua.create_userdata(Answer(outcome)))
}

/// `route("a"):fallback("b")` is a new answer; the old one stays as it was.
fn fallback(meter: &mut Meter, route: &Outcome, name: &Value) -> Result<Outcome, String> {
    let Outcome::Route { connection, fallbacks } = route else {
        return Err(String::from("only route(…) has a fallback"));
    };
    let name = meter.name("fallback", "connection", name)?;
    if *connection == name || fallbacks.contains(&name) {
        return Err(format!("fallback: '{name}' is in this route already"));
    }
    let mut fallbacks = fallbacks.clone();
    fallbacks.push(name);
    if fallbacks.len() >= ROUTE_CONNECTIONS {
        let most = ROUTE_CONNECTIONS - 1;
        return Err(format!("fallback: a route has at most {most} fallbacks"));
    }
    Ok(Outcome::Route {
        connection: connection.clone(),
        fallbacks,
    })
}
