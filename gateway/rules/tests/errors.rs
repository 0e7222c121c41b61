//! What the author of a failing script reads. Every message names the line and, where there is one, the cure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fmt::Write;

use support::{check, engine, failure, run};

/// One line per body: kind, message, and the author's functions if any.
fn shown(bodies: &[&str]) -> String {
    let mut text = String::new();
    for body in bodies {
        let error = failure(check(body));
        writeln!(text, "{body}\n  {}: {}", error.kind, error.message).unwrap();
        if error.line.is_some() != error.message.starts_with("rules r17:") {
            writeln!(text, "  ! line {:?}", error.line).unwrap();
        }
    }
    text
}

#[test]
fn misspelt_names() {
    insta::assert_snapshot!(shown(&[
        "return request.acount",
        "return request.zzz",
        "return request[1]",
        "request.account = 'x'",
        "return ctx.rnadom(2)",
        "return ctx:lgo('x')",
        "ctx.x = 1",
        "return request.amount.curency",
        "return request.amount:precent('1', 'up')",
        "request.amount.amount = 1",
        "request.extras.data1 = 'x'",
        "return reject('acount_not_found')",
        "return reject('nonsense_and_more')",
        "return accept{coment = 'x'}",
        "return accept{fields = {{nam = 'x', value = 1}}}",
        "return aceppt()",
    ]));
}

#[test]
fn money_names_the_cure() {
    insta::assert_snapshot!(shown(&[
        "return request.amount > 100",
        "return request.amount + 1",
        "return 1 - request.amount",
        "return request.amount + '5.00 RUB'",
        "return request.amount + nil",
        "return request.amount < money('1 USD')",
        "return request.amount == money('1 USD')",
        "return request.amount + money('1 USD')",
        "return request.amount * 2",
        "return request.amount / 2",
        "return -request.amount",
        "return #request.amount",
        "return request.amount:times(1.5)",
        "return request.amount:times('2')",
        "return request.amount:times(9007199254740992)",
        "return request.amount:percent(2.5, 'half_up')",
        "return request.amount:percent('2.5')",
        "return request.amount:percent('2.5', 'round')",
        "return request.amount:percent('2.5%', 'up')",
        "return money(50)",
        "return money('50')",
        "return money('50 RUR')",
        "return money('50.555 RUB')",
        "return money('5e3 RUB')",
        "return money()",
        "return money('999999999999999999 RUB')",
        "return money('50', 'RUB', 'x') + {}",
    ]));
}

#[test]
fn bad_answers() {
    insta::assert_snapshot!(shown(&[
        "return",
        "return nil",
        "return true",
        "return 0",
        "return 'accept'",
        "return accept",
        "return {comment = 'x'}",
        "return accept(), accept()",
        "return request",
        "return money('1 RUB')",
        "return accept('OK')",
        "return accept({}, {})",
        "return accept{comment = 5}",
        "return accept{comment = 'a\\0b'}",
        "return accept{comment = '\\xff'}",
        "return accept{fields = 5}",
        "return accept{fields = {'x'}}",
        "return accept{fields = {{name = 'x'}}}",
        "return accept{fields = {{value = 'x'}}}",
        "return accept{fields = {{name = '', value = 'x'}}}",
        "return accept{fields = {a = 1.5}}",
        "return accept{fields = {a = 0/0}}",
        "return accept{fields = {a = math.huge}}",
        "return accept{fields = {a = 2^60}}",
        "return accept{fields = {a = {}}}",
        "return accept{fields = {a = true}}",
        "return accept{fields = {{name = 'a', value = 1}, b = 2}}",
        "return accept(setmetatable({}, {}))",
        "return accept{comment = ('x'):rep(20000)}",
        "return reject()",
        "return reject(1)",
        "return reject('temporary')",
        "return reject('forbidden', {})",
        "return retry_later(1)",
        "return accept().comment",
    ]));
}

#[test]
fn runtime_errors() {
    insta::assert_snapshot!(shown(&[
        "error('mine')",
        "error('mine', 0)",
        "error({code = 1})",
        "error()",
        "error(setmetatable({}, {__tostring = function() return 'told' end}))",
        "local x = nil\n\nreturn x.y",
        "local x = 1 + {}",
        "return ('x'):find(('y'):rep(65))",
        "return string.find(('x'):rep(4097), 'y')",
        "return ('x'):rep(65537)",
        "return ('x'):gsub('(', '')",
        "return string.find()",
        "return ('x'):bad()",
        "return math.random(6)",
        "math.randomseed(1)",
        "return table.create(70000)",
        "return table.concat({{}})",
        "return string.format('%d', 'x')",
        "return tostring()",
        "string.rep = nil",
        "return print('x')",
        "return os.time()",
        "return require('x')",
        "assert(false, 'told')",
        "assert(nil)",
        "error('rules r17:999: not really')",
    ]));
}

#[test]
fn limits() {
    insta::assert_snapshot!(shown(&[
        "while true do end",
        "while true do pcall(error) end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(60000) .. #t end",
        "local s = 'x' while true do s ..= s end",
    ]));
}

#[test]
fn main_part_errors() {
    let mut text = String::new();
    for source in [
        "",
        "return",
        "return 1",
        "return {}, {}",
        "return setmetatable({}, {})",
        "return {check = 1}",
        "local x = nil; x.y = 1",
        "while true do end",
        "return request",
    ] {
        let decision = run(source);
        match decision.outcome {
            rules::Outcome::Failed(error) => writeln!(text, "{source}\n  {}: {}", error.kind, error.message).unwrap(),
            other => writeln!(text, "{source}\n  {other:?}").unwrap(),
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_stack_names_the_authors_functions_alone() {
    let source = "local rules = {}\nlocal function inner(x)\n  return (x:gsub('.', function() error('deep') end))\nend\nlocal function middle(x)\n  local ok = inner(x)\n  return ok\nend\nfunction rules.check(request)\n  local r = middle(request.account)\n  return r\nend\nreturn rules";
    let error = failure(run(source));
    let stack: Vec<_> = error.traceback.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n{}", error.message, stack.join("\n")));
    let error = failure(run(&source.replace("error('deep')", "while true do end")));
    let stack: Vec<_> = error.traceback.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n{}", error.message, stack.join("\n")));
    let error = failure(run(&source.replace("error('deep')", "money(1)")));
    let stack: Vec<_> = error.traceback.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n{}", error.message, stack.join("\n")));
}

#[test]
fn sources_that_do_not_compile() {
    let engine = engine();
    let mut text = String::new();
    let long = "x".repeat(64 * 1024 + 1);
    let sources: [&[u8]; 17] = [
        b"local x = = 1",
        b"\n\nreturn {",
        b"return 'unfinished",
        b"x = 1 +",
        b"goto out",
        b"for",
        b"end",
        b"--!api 2\nreturn {}",
        b"--!strict\n-- hello\n\n--!api one\nreturn {}",
        b"--!api\nreturn {}",
        b"return {}\n--!api 2",
        b"return '\xff\xfe'",
        b"\xef\xbb\xbfreturn {}",
        b"\n\x00",
        b"\x1bLua",
        &[6, 3, 0, 0, 0],
        long.as_bytes(),
    ];
    for source in sources {
        let start = String::from_utf8_lossy(&source[..source.len().min(40)])
            .escape_debug()
            .to_string();
        match engine.compile("r17", source) {
            Ok(_) => writeln!(text, "{start}\n  compiles").unwrap(),
            Err(error) => writeln!(text, "{start}\n  {} ({:?})", error.message, error.line).unwrap(),
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_label_cannot_forge_places() {
    let engine = engine();
    let error = engine.compile("r1\n\u{1b}[31m", b"=").unwrap_err();
    assert!(!error.message.contains(['\n', '\u{1b}']), "{error}");
}
