//! Compares `scripts/types/tollgate.d.luau` with what scripts really get: what the engine knows is declared there, and
//! nothing else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use full_moon::LuaVersion;
use full_moon::ast::Stmt;
use full_moon::ast::luau::{TypeFieldKey, TypeInfo};
use plugin_sdk::Reason;

use crate::context::CONTEXT_FIELDS;
use crate::input::{Command, Handler};
use crate::lint::surface;
use crate::money::MONEY_FIELDS;
use crate::questions::health::HEALTH_FIELDS;
use crate::questions::http::{HTTP_FIELDS, OPTIONS, RESPONSE_FIELDS};
use crate::questions::lists::LIST_FIELDS;
use crate::questions::velocity::TOTALS_FIELDS;
use crate::reading::{ACCEPT_FIELDS, FEE_FIELDS};
use crate::views::{EVENT_FIELDS, PAYMENT_FIELDS, REQUEST_FIELDS};
use crate::{CallContext, CheckRequest, Engine, Input, Limits, NoHost, Outcome, Surroundings};

const DEFINITIONS: &str = include_str!("../../../scripts/types/tollgate.d.luau");

/// What Luau brings along under its own types: an editor knows it without us, better than a declaration could tell.
const LUAU: [&str; 24] = [
    "_VERSION",
    "assert",
    "bit32",
    "error",
    "getmetatable",
    "ipairs",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "xpcall",
];

type Names = BTreeSet<String>;

fn names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Names {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}

/// What the file declares. A definition file is Luau with statements of its own, which are told here as types.
struct Definitions {
    /// Globals, with whether they are declared to be absent.
    globals: BTreeMap<String, bool>,
    /// The members of each type that is a table or an object.
    members: BTreeMap<String, Names>,
    /// The texts of each type that is a choice of texts.
    choices: BTreeMap<String, Names>,
}

impl Definitions {
    fn read() -> Self {
        let (source, globals) = as_types(DEFINITIONS);
        let tree = full_moon::parse_fallible(&source, LuaVersion::luau())
            .into_result()
            .unwrap_or_else(|errors| panic!("{errors:?}"));
        let mut definitions = Self {
            globals,
            members: BTreeMap::new(),
            choices: BTreeMap::new(),
        };
        for statement in tree.nodes().stmts() {
            let declared = match statement {
                Stmt::TypeDeclaration(declared) => declared,
                Stmt::ExportedTypeDeclaration(exported) => exported.type_declaration(),
                other => panic!("what is this doing among definitions? {other}"),
            };
            let name = declared.type_name().token().to_string();
            let known = match declared.type_definition() {
                TypeInfo::Table { fields, .. } => {
                    let keys = fields.iter().filter_map(|field| match field.key() {
                        TypeFieldKey::Name(key) => Some(key.token().to_string()),
                        _ => None,
                    });
                    definitions.members.insert(name.clone(), keys.collect()).is_some()
                }
                TypeInfo::Union(union) if union.types().iter().all(|choice| matches!(choice, TypeInfo::String(_))) => {
                    let texts = union
                        .types()
                        .iter()
                        .map(|choice| choice.to_string().trim().trim_matches('"').to_owned());
                    definitions.choices.insert(name.clone(), texts.collect()).is_some()
                }
                _ => false,
            };
            assert!(!known, "{name} is declared twice");
        }
        definitions
    }

    /// The members, but for those that stand for operators.
    fn members(&self, name: &str) -> Names {
        let members = self
            .members
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not declared"));
        members
            .iter()
            .filter(|member| !member.starts_with("__"))
            .cloned()
            .collect()
    }
}

/// Writes `declare` statements as types, and tells which globals they declare.
fn as_types(definitions: &str) -> (String, BTreeMap<String, bool>) {
    let (mut source, mut globals, mut object) = (String::new(), BTreeMap::new(), None::<String>);
    for line in definitions.lines() {
        let text = line.split(" -- ").next().unwrap_or_default().trim();
        let told = if let Some(name) = text.strip_prefix("declare extern type ") {
            let name = name.strip_suffix(" with").unwrap_or_else(|| panic!("{line}"));
            object = Some(name.to_owned());
            format!("type {name} = {{")
        } else if let Some(name) = &object {
            match text.strip_prefix("function ") {
                Some(function) => format!("{},", function_type(function, &format!("self: {name}"))),
                None if text == "end" => {
                    object = None;
                    String::from("}")
                }
                None if text.is_empty() || text.starts_with("--") => String::new(),
                None => format!("{text},"),
            }
        } else if let Some(function) = text.strip_prefix("declare function ") {
            let (name, _) = function.split_once('(').unwrap();
            assert!(
                globals.insert(name.to_owned(), false).is_none(),
                "{name} is declared twice"
            );
            format!("type global_{}", function_type(function, "").replacen(": ", " = ", 1))
        } else if let Some(global) = text.strip_prefix("declare ") {
            let (name, kind) = global.split_once(": ").unwrap();
            assert!(
                globals.insert(name.to_owned(), kind == "nil").is_none(),
                "{name} is declared twice"
            );
            format!("type global_{name} = {kind}")
        } else {
            line.to_owned()
        };
        source.push_str(&told);
        source.push('\n');
    }
    assert!(object.is_none(), "a type without an end");
    (source, globals)
}

/// `has(self, key: string): boolean` is `has: (self: List, key: string) -> boolean`.
fn function_type(function: &str, this: &str) -> String {
    let (name, rest) = function.split_once('(').unwrap();
    let (given, gives) = rest.rsplit_once("): ").unwrap();
    let given = match given.strip_prefix("self") {
        Some(others) => format!("{this}{others}"),
        None => given.to_owned(),
    };
    format!("{name}: ({given}) -> {gives}")
}

#[test]
fn views_and_the_context_are_declared_as_they_are() {
    let definitions = Definitions::read();
    let views: [(&str, &[&str]); 10] = [
        ("Request", &REQUEST_FIELDS),
        ("Payment", &PAYMENT_FIELDS),
        ("Event", &EVENT_FIELDS),
        ("Context", &CONTEXT_FIELDS),
        ("Money", &MONEY_FIELDS),
        ("List", &LIST_FIELDS),
        ("Totals", &TOTALS_FIELDS),
        ("Health", &HEALTH_FIELDS),
        ("Http", &HTTP_FIELDS),
        ("Response", &RESPONSE_FIELDS),
    ];
    for (name, fields) in views {
        assert_eq!(definitions.members(name), names(fields), "{name}");
    }
    assert_eq!(definitions.members("HttpOptions"), names(OPTIONS));
    assert_eq!(definitions.members("Answer"), names(["fallback"]));
    assert_eq!(definitions.members("Rules"), names(Handler::ALL.map(Handler::as_str)));
}

#[test]
fn choices_are_declared_as_they_are() {
    let definitions = Definitions::read();
    let finals = Reason::ALL.into_iter().filter(|reason| reason.is_final());
    assert_eq!(definitions.choices["Reason"], names(finals.map(Reason::as_str)));
    let commands = [Command::Info, Command::Check, Command::Pay].map(Command::as_str);
    assert_eq!(definitions.choices["Command"], names(commands));
    let problem = told("return accept{comment = select(2, pcall(request.amount.percent, request.amount, '1', 'x'))}");
    assert_eq!(definitions.choices["Rounding"], listed(&problem, "use one of "));
}

#[test]
fn globals_are_declared_as_they_are() {
    let definitions = Definitions::read();
    let (absent, present): (Vec<_>, Vec<_>) = definitions.globals.iter().partition(|(_, absent)| **absent);
    let ours = names(surface::GLOBALS)
        .difference(&names(LUAU))
        .cloned()
        .collect::<Names>();
    assert_eq!(names(present.iter().map(|(name, _)| name)), ours);
    assert_eq!(
        names(absent.iter().map(|(name, _)| name)),
        names(surface::ELSEWHERE.map(|(name, _)| name))
    );
    assert_eq!(
        definitions.members("global_math"),
        names(surface::library("math").unwrap())
    );
}

#[test]
fn tables_of_the_engine_are_declared_as_they_are() {
    let definitions = Definitions::read();
    let parts = told(
        "local t = {} for name in ctx.time() do t[#t + 1] = name end return accept{comment = table.concat(t, ', ')}",
    );
    assert_eq!(definitions.members("Time"), listed(&parts, ""));
    assert_eq!(definitions.members("Accepted"), names(ACCEPT_FIELDS));
    assert_eq!(definitions.members("Charged"), names(FEE_FIELDS));
}

#[test]
fn test_cases_are_declared_as_they_are() {
    let definitions = Definitions::read();
    let mut case = definitions.members("Case");
    assert!(case.remove("expect"), "a case expects something");
    for (name, table, members) in [
        ("Case", "{ nope = 1, expect = accept() }", case),
        (
            "CheckCase",
            "{ check = { nope = 1 }, expect = accept() }",
            definitions.members("CheckCase"),
        ),
        (
            "PaymentCase",
            "{ route = { nope = 1 }, expect = accept() }",
            definitions.members("PaymentCase"),
        ),
        (
            "EventCase",
            "{ event = { nope = 1 }, expect = accept() }",
            definitions.members("EventCase"),
        ),
        (
            "TotalsCase",
            "{ check = { account = '1' }, velocity = { k = { ['1h'] = { nope = 1 } } }, expect = accept() }",
            definitions.members("TotalsCase"),
        ),
        (
            "HealthCase",
            "{ check = { account = '1' }, health = { c = { nope = 1 } }, expect = accept() }",
            definitions.members("HealthCase"),
        ),
        (
            "ResponseCase",
            "{ check = { account = '1' }, http = { u = { nope = 1 } }, expect = accept() }",
            definitions.members("ResponseCase"),
        ),
    ] {
        let source = format!("--!api 1\nlocal rules = {{}}\ntest('x', {table})\nreturn rules\n");
        let engine = Engine::new(Limits::default()).unwrap();
        let tests = engine.compile_tests("types", source.as_bytes()).unwrap();
        let report = wait(engine.test(&tests, None)).unwrap();
        let problem = report.cases[0].problem.clone().unwrap();
        let expected = problem.split(['`']).skip(3).step_by(2);
        assert_eq!(names(expected), members, "{name}: {problem}");
    }
}

/// The names behind `start` in a message, to the end of its line.
fn listed(message: &str, start: &str) -> Names {
    let (_, list) = message.split_once(start).unwrap_or_else(|| panic!("{message}"));
    names(list.split(", "))
}

fn wait<R>(future: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// The comment that a body of `check` accepts with.
fn told(body: &str) -> String {
    let engine = Engine::new(Limits::default()).unwrap();
    let source = format!("return {{ check = function(request, ctx)\n{body}\nend }}");
    let program = engine.compile("types", source.as_bytes()).unwrap();
    let context = CallContext {
        now: chrono::DateTime::UNIX_EPOCH,
        seed: 1,
    };
    let input = std::sync::Arc::new(Input::Check(CheckRequest {
        command: Command::Check,
        account: String::from("1"),
        amount: Some(plugin_sdk::Money::from_minor(100, plugin_sdk::Currency::RUB)),
        txn_id: None,
        service: None,
        at: chrono::DateTime::UNIX_EPOCH,
        extras: BTreeMap::new(),
    }));
    match wait(engine.run(&program, &input, &context, &Surroundings::of(&NoHost))).outcome {
        Outcome::Accept { comment, .. } => comment.unwrap_or_default(),
        other => panic!("{other:?}\n{body}"),
    }
}
