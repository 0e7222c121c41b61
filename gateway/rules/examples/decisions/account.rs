//! The 35-line account check: as a decision, and as the bare function on a VM that has it loaded.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use chrono::Utc;
use mlua::{Function, Lua, MetaMethod, Table, UserData, UserDataMethods, UserDataRef, Value};
use plugin_sdk::{Currency, Money};
use rules::{CallContext, CheckRequest, Command, Engine, Input, Outcome, Program, Surroundings};

pub const RULE: &str = include_str!("account.lua");

const ACCOUNT: &str = "4561261212345467";
const AMOUNT: Money = Money::from_minor(15_050, Currency::RUB);

/// What a call is made with.
pub struct Question {
    pub input: Arc<Input>,
    pub context: CallContext,
}

impl Question {
    pub fn of(input: Input) -> Self {
        Self {
            input: Arc::new(input),
            context: CallContext {
                now: Utc::now(),
                seed: 7,
            },
        }
    }

    pub fn account() -> Self {
        Self::of(Input::Check(CheckRequest {
            command: Command::Check,
            account: String::from(ACCOUNT),
            amount: Some(AMOUNT),
            txn_id: Some(String::from("12345678901234567890")),
            service: None,
            at: Utc::now(),
            extras: BTreeMap::new(),
        }))
    }

    pub async fn ask(&self, engine: &Engine, program: &Arc<Program>) -> Outcome {
        let surroundings = Surroundings::default();
        let decision = engine.run(program, &self.input, &self.context, &surroundings).await;
        black_box(decision).outcome
    }
}

/// The least that the rule needs around it: nothing is bounded, checked or recorded, and the environment stays.
pub struct Warm {
    _lua: Lua,
    check: Function,
    request: Table,
}

struct Amount(i64);

impl UserData for Amount {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_function(
            MetaMethod::Lt,
            |_, (left, right): (UserDataRef<Self>, UserDataRef<Self>)| Ok(left.0 < right.0),
        );
    }
}

impl Warm {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let lua = Lua::new();
        lua.sandbox(true)?;
        let globals = lua.globals();
        let construct = |_: &Lua, text: String| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            Ok(Amount(digits.parse().unwrap_or_default()))
        };
        globals.set("money", lua.create_function(construct)?)?;
        globals.set("accept", lua.create_function(|_, _: Value| Ok(true))?)?;
        globals.set("reject", lua.create_function(|_, _: (Value, Value)| Ok(false))?)?;
        let rules: Table = lua.load(RULE).eval()?;
        let request = lua.create_table()?;
        request.set("account", ACCOUNT)?;
        request.set("amount", lua.create_userdata(Amount(AMOUNT.minor()))?)?;
        let check = rules.get("check")?;
        Ok(Self {
            _lua: lua,
            check,
            request,
        })
    }

    pub fn accepts(&self) -> bool {
        black_box(self.check.call::<bool>((&self.request, Value::Nil)).unwrap_or_default())
    }
}
