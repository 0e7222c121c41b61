//! Whatever a script writes, the next one reads nothing of it: neither another merchant's nor its own next call.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use rules::{Engine, Input, Limits};
use support::hosts::Gateway;
use support::{ask, ask_host, ask_input, context, engine, handler, is_plain_accept, program, request};

/// Every way a script can try to leave something behind: in its main part, in a handler, before a failure.
const WRITES: &[(&str, &str)] = &[
    ("global", "leaked = 'leak'"),
    ("global function", "function leaked() return 'leak' end"),
    (
        "global that covers a library",
        "string = { leaked = 'leak' } math = string leaked = 'leak'",
    ),
    (
        "global that covers a verb",
        "accept = function() return reject('forbidden') end",
    ),
    (
        "global that covers money",
        "money = nil money = function() return 'leak' end",
    ),
    ("library field", "string.leaked = 'leak'"),
    (
        "library field of each",
        "for _, l in {string, table, math, utf8, bit32} do pcall(function() l.leaked = 'leak' end) end",
    ),
    ("rawset on a library", "rawset(table, 'leaked', 'leak')"),
    (
        "rawset on each",
        "for _, l in {string, table, math, utf8, bit32} do pcall(rawset, l, 'leaked', 'leak') end",
    ),
    (
        "table.clear on each",
        "for _, l in {string, table, math, utf8, bit32} do pcall(table.clear, l) end",
    ),
    ("table.insert into a library", "table.insert(utf8, 'leak')"),
    (
        "setmetatable on each",
        "for _, l in {string, table, math, utf8, bit32} do pcall(setmetatable, l, {__index = {leaked = 'leak'}}) end",
    ),
    (
        "metatable of texts",
        "local m = getmetatable('') if m then m.__index = function() return 'leak' end end",
    ),
    (
        "setmetatable on a text",
        "setmetatable('', {__index = {leaked = 'leak'}})",
    ),
    ("metatable of nil", "setmetatable(nil, {__index = {leaked = 'leak'}})"),
    (
        "metatable of a function",
        "setmetatable(type, {__index = {leaked = 'leak'}})",
    ),
    (
        "metatable of money",
        "local m = getmetatable(money('1 RUB')) if m then m.__index = nil end",
    ),
    ("money itself", "money('1 RUB').leaked = 'leak'"),
    ("an answer", "accept().leaked = 'leak'"),
    ("verbs as tables", "accept.leaked = 'leak'"),
    ("loadstring and _G", "_G.leaked = 'leak'"),
    ("getfenv", "getfenv(0).leaked = 'leak'"),
    ("upvalue", "counter = (counter or 0) + 1 assert(counter == 1)"),
    ("frozen library", "pcall(table.freeze, string)"),
    (
        "weak table",
        "leaked = setmetatable({}, {__mode = 'kv'}) leaked.leaked = 'leak'",
    ),
    ("an error value", "error({leaked = 'leak'})"),
    (
        "a caught error",
        "pcall(error, 'leak') leaked = select(2, pcall(error, 'leak'))",
    ),
    ("an unfinished call", "leaked = 'leak' while true do end"),
    (
        "a call that filled the memory",
        "leaked = 'leak' local s = 'x' while true do s ..= s end",
    ),
    (
        "a deep recursion",
        "leaked = 'leak' local function f() return 1 + f() end f()",
    ),
];

/// The same, for what only a handler is given.
const HANDLER_WRITES: &[(&str, &str)] = &[
    ("request", "request.leaked = 'leak'"),
    ("request, raw", "rawset(request, 'leaked', 'leak')"),
    ("extras", "request.extras.leaked = 'leak'"),
    ("extras, raw", "rawset(request.extras, 'leaked', 'leak')"),
    ("extras, cleared", "table.clear(request.extras)"),
    (
        "extras, metatable",
        "setmetatable(request.extras, {__index = {leaked = 'leak'}})",
    ),
    ("amount", "request.amount.leaked = 'leak'"),
    ("ctx", "ctx.leaked = 'leak'"),
    ("ctx, raw", "rawset(ctx, 'leaked', 'leak')"),
    ("ctx functions", "setmetatable(ctx.log, {__index = {leaked = 'leak'}})"),
    ("ctx.time", "ctx.time().leaked = 'leak'"),
    ("kept request", "leaked = request"),
    ("kept ctx", "leaked = ctx.random"),
    ("drawn numbers", "for i = 1, 7 do ctx.random(6) end"),
    ("log", "ctx.log('leak')"),
    ("answers made", "for i = 1, 60 do accept() end"),
    ("ctx.list", "ctx.list('contracts').leaked = 'leak'"),
    ("ctx.list, kept", "leaked = ctx.list('contracts')"),
    (
        "ctx.list's function",
        "setmetatable(ctx.list('contracts').has, {__index = {leaked = 'leak'}})",
    ),
    ("a list's row", "ctx.list('contracts'):get('4').leaked = 'leak'"),
    (
        "a list's row, raw",
        "rawset(ctx.list('contracts'):get('4'), 'leaked', 'leak')",
    ),
    ("ctx.velocity", "ctx.velocity('k', '1h').leaked = 'leak'"),
    ("a velocity's sums", "ctx.velocity('k', '1h').sums.leaked = 'leak'"),
    ("a velocity's table", "ctx.velocity('k', {'1h'}).leaked = 'leak'"),
    ("ctx.http", "ctx.http.leaked = 'leak' "),
    ("ctx.http, raw", "rawset(ctx.http, 'get', 'leak')"),
    ("a response", "ctx.http.get('https://a.example/').leaked = 'leak'"),
    (
        "a response's headers",
        "ctx.http.get('https://a.example/').headers.leaked = 'leak'",
    ),
    (
        "a response's json",
        "leaked = ctx.http.get('https://a.example/').json leaked().leaked = 'leak'",
    ),
    ("questions asked", "for i = 1, 16 do ctx.list('contracts'):has('4') end"),
    ("a question caught", "pcall(function() ctx.list('nope'):has('4') end)"),
    (
        "a question without an answer",
        "pcall(ctx.http.get, 'https://slow.example/')",
    ),
    (
        "a route",
        "route('a').leaked = 'leak' leaked = route('a'):fallback('b')",
    ),
    ("a fee", "leaked = fee(money('1 RUB'))"),
    ("tests", "test('leak', {check = {account = 'leak'}, expect = accept()})"),
    (
        "pcalls not come back from",
        "local function f() pcall(f) while true do end end f()",
    ),
];

/// Accepts only if nothing of the above is to be seen.
const VICTIM: &str = r#"
    assert(leaked == nil, "a global")
    for name, library in { string = string, table = table, math = math, utf8 = utf8, bit32 = bit32 } do
        assert(library.leaked == nil and rawget(library, "leaked") == nil, name)
        assert(rawlen(library) == 0 and next(library) ~= nil, name)
        assert(getmetatable(library) == nil, name)
    end
    assert(not pcall(function() return ("x").leaked.x end))
    assert(("x"):rep(3) == "xxx" and ("abc"):sub(2) == "bc" and ("x").rep == string.rep, "texts")
    assert(getmetatable("") == false)
    assert(math.floor(1.5) == 1 and table.concat({1, 2}) == "12" and bit32.band(3, 1) == 1)
    assert(not pcall(function() return (nil).leaked end))
    assert(not pcall(function() return type.leaked end))
    assert(tostring(money("1 RUB") + money("2 RUB")) == "3.00 RUB", "money")
    assert(not pcall(function() return money("1 RUB").leaked end))
    assert(_G == nil and getfenv == nil and counter == nil)
    assert(request.extras.leaked == nil and request.extras.data1 == "one", "extras")
    assert(getmetatable(request.extras) == nil and getmetatable(request) == false and getmetatable(ctx) == false)
    assert(not pcall(function() return request.leaked end))
    assert(not pcall(function() return ctx.leaked end))
    assert(ctx.random(1000000) == ctx_first, "randomness")
    assert(ctx.time().leaked == nil)
    for i = 1, 14 do assert(ctx.list("contracts"):has("x") == false) end
    assert(getmetatable(ctx.list("x")) == false and getmetatable(ctx.http) == false)
    assert(not pcall(function() return ctx.http.leaked end))
    assert(ctx.list("contracts"):get("4").leaked == nil and ctx.velocity("k", "1h").sums.leaked == nil)
    local function deep(n) return n == 0 or (pcall(deep, n - 1)) end
    assert(deep(140), "pcalls")
    for i = 1, 60 do accept() end
    return accept()
"#;

fn victim(engine: &Engine) -> String {
    // What an untouched VM draws first.
    let source = handler("return accept{comment = tostring(ctx.random(1000000))}");
    let drawn = support::told(ask(engine, &program(engine, &source), &request(), &context()));
    handler(&VICTIM.replace("ctx_first", &drawn))
}

fn attackers() -> Vec<(String, String)> {
    let mut attackers = Vec::new();
    for (name, write) in WRITES {
        attackers.push((
            format!("{name}, main part"),
            format!("{write}\nreturn {{ check = function() return accept() end }}"),
        ));
        attackers.push((
            format!("{name}, handler"),
            handler(&format!("{write}\nreturn accept()")),
        ));
        attackers.push((
            format!("{name}, caught"),
            handler(&format!("pcall(function() {write} end)\nreturn accept()")),
        ));
        attackers.push((
            format!("{name}, before a failure"),
            handler(&format!("pcall(function() {write} end)\nerror('x')")),
        ));
    }
    for (name, write) in HANDLER_WRITES {
        attackers.push((
            format!("{name}, handler"),
            handler(&format!("{write}\nreturn accept()")),
        ));
        attackers.push((
            format!("{name}, before a failure"),
            handler(&format!("{write}\nerror('x')")),
        ));
    }
    attackers
}

/// One VM, so that attacker and victim certainly meet in it.
fn lone_vm() -> Engine {
    Engine::new(Limits {
        vms_per_worker: 1,
        ..Limits::default()
    })
    .unwrap()
}

#[test]
fn another_script_reads_nothing() {
    let engine = lone_vm();
    let victim = program(&engine, &victim(&engine));
    let mut failures = Vec::new();
    for (name, source) in attackers() {
        let attacker = program(&engine, &source);
        ask_host(&engine, &attacker, &Gateway::default());
        let seen = ask_host(&engine, &victim, &Gateway::default());
        if !is_plain_accept(&seen) || !seen.log.is_empty() {
            failures.push(format!("{name}: {:?} {:?}", seen.outcome, seen.log));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_same_script_reads_nothing_of_its_last_call() {
    let mut failures = Vec::new();
    let engine = lone_vm();
    let look = victim(&engine);
    let look = look
        .strip_prefix("local rules = {}\nfunction rules.check(request, ctx)\n")
        .unwrap();
    for (name, write) in WRITES.iter().chain(HANDLER_WRITES) {
        // The account tells the script which of the two it is to be.
        let source = format!(
            "local rules = {{}}\nlocal function attack(request, ctx)\n{write}\nend\nfunction rules.check(request, ctx)\nif request.account == 'attack' then pcall(attack, request, ctx) return accept() end\n{look}"
        );
        let program = program(&engine, &source);
        let attack = rules::CheckRequest {
            account: "attack".into(),
            ..request()
        };
        ask_input(&engine, &program, &Arc::new(Input::Check(attack)), &Gateway::default());
        let seen = ask_host(&engine, &program, &Gateway::default());
        if !is_plain_accept(&seen) {
            failures.push(format!("{name}: {:?}", seen.outcome));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn handlers_do_not_share_upvalues_between_calls() {
    let engine = engine();
    let source = "local calls = 0\nlocal seen = {}\nreturn { check = function(request)\ncalls += 1\nseen[#seen + 1] = request.account\nassert(calls == 1 and #seen == 1)\nreturn accept()\nend }";
    let program = program(&engine, source);
    for _ in 0..5 {
        assert!(is_plain_accept(&ask(&engine, &program, &request(), &context())));
    }
}
