//! What the check finds in a script without running it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fmt::Write;

use proptest::prelude::*;
use rules::{Known, Severity, lint};
use support::handler;

fn known() -> Known {
    Known {
        connections: Some(vec![String::from("card-main"), String::from("payin")]),
        lists: Some(vec![String::from("contracts")]),
        credentials: Some(vec![String::from("backend")]),
    }
}

/// Each source with its findings, places included.
fn shown(sources: &[String]) -> String {
    let mut text = String::new();
    for source in sources {
        writeln!(text, "{:.400}", source.trim_end()).unwrap();
        for finding in lint(source.as_bytes(), &known()) {
            assert!(finding.line <= finding.end_line, "{finding}");
            writeln!(text, "    {finding}").unwrap();
        }
    }
    text
}

/// Bodies of `check`, without the lines around them.
fn bodies(bodies: &[&str]) -> String {
    let mut text = String::new();
    for body in bodies {
        writeln!(text, "{body}").unwrap();
        let source = format!("--!api 1 {}", handler(body));
        let findings = lint(source.replacen("--!api 1 ", "--!api 1\n", 1).as_bytes(), &known());
        assert!(!findings.is_empty(), "nothing found in {body}");
        for finding in findings {
            writeln!(text, "    {finding}").unwrap();
        }
    }
    text
}

#[test]
fn names_that_do_not_exist() {
    insta::assert_snapshot!(bodies(&[
        "return aceppt()",
        "return reqest.account",
        "print('x') return accept()",
        "return os.time()",
        "return math.random(6)",
        "return string.fnd('x', 'y')",
        "return request.acount",
        "return request.amount.curency",
        "return request.amount:precent('1', 'up')",
        "local r = request return r.acount",
        "return ctx.lst('contracts')",
        "return ctx.velocity(request.account, '1h').cuont",
        "return ctx.http.gett('https://a.example/')",
        "return ctx.http.get('https://a.example/').staus",
        "return ctx.http.get('https://a.example/', { timout = '1s' })",
        "return ctx.http.get('https://a.example/', { credential = 'bakend' })",
        "return ctx.list('contrcts'):has(request.account)",
        "return ctx.list('contracts'):hsa(request.account)",
        "return ctx.list 'x':has(request.account)",
        "return reject('acount_not_found')",
        "return reject('temporary')",
        "return reject('nonsense_and_more')",
        "count = 1 return accept()",
    ]));
}

#[test]
fn money_beside_numbers() {
    insta::assert_snapshot!(bodies(&[
        "if request.amount > 100 then return accept() end return retry_later()",
        "if 100 <= request.amount then return accept() end return retry_later()",
        "if request.amount == 100 then return accept() end return retry_later()",
        "if request.amount ~= '100 RUB' then return accept() end return retry_later()",
        "local sum = request.amount + 5 return accept{comment = sum}",
        "local sum = request.amount * 2 return accept{comment = sum}",
        "local most = money('5 RUB') if request.amount - most > 3 then return accept() end return retry_later()",
        "return accept{comment = money(50)}",
        "if ctx.velocity('k', '1h').sum > 5000 then return retry_later() end return accept()",
        "if request.amount:times(2) > 100 then return accept() end return retry_later()",
    ]));
}

#[test]
fn ways_that_end_wrong() {
    insta::assert_snapshot!(bodies(&[
        "if request.amount then return accept() end",
        "do return accept() end local x = 1 return x",
        "if request.amount then return accept() else return retry_later() end return accept()",
        "error('x') return accept()",
        "while true do ctx.log('x') end return accept()",
        "for name in pairs(request.extras) do return reject('forbidden', name) end return accept()",
        "for name in next, request.extras do if name == 'x' then break end end return accept()",
        "local unused = 1 return accept()",
        "local function helper() return 1 end return accept()",
    ]));
}

#[test]
fn whole_scripts() {
    insta::assert_snapshot!(shown(&[
        String::from("local x = = 1"),
        String::from("--!api 1\nlocal rules = {}\nfunction rules.check(request)\n  return {\nend\nreturn rules"),
        String::from("return {}"),
        String::from("--!api 1\nlocal rules = {}\nfunction rules.check() return accept() end\n"),
        String::from("--!api 1\nlocal rules = {}\nfunction rules.chekc() return accept() end\nreturn rules\n"),
        String::from("--!api 1\nlocal rules = {}\nrules.rout = function() return retry_later() end\nreturn rules\n"),
        String::from("--!api 1\nreturn { fe = function() return no_fee() end }\n"),
        String::from("--!api 1\nreturn { route = function(payment) return route(payment.methd) end }\n"),
        String::from("--!api 1\nlocal rules = {}\nfunction rules.normalise(x) return x end\nreturn rules\n"),
        String::from(
            "--!api 1\nlocal rules = {}\nfunction rules.route(payment, ctx)\n  if payment.amount > 5 then return \
             route('card-mian'):fallback('payn') end\n  return route('payin')\nend\nfunction rules.event(event)\n  if \
             event.paymet then return drop() end\n  return event.payment.acount\nend\nreturn rules\n"
        ),
        "x ".repeat(35_000),
    ]));
}

/// What honest scripts do is not found fault with.
#[test]
fn honest_scripts_are_left_alone() {
    for source in [
        include_str!("../../../scripts/demo.lua").to_owned(),
        format!(
            "--!api 1\n{}",
            handler(
                "if request.amount and request.amount > money('5 RUB') then return reject('forbidden', `x {ctx.now}`) end return accept()"
            )
        ),
        format!(
            "--!api 1\n{}",
            handler("local sum = 0 for i = 1, #request.account do sum += i end return accept{comment = tostring(sum)}")
        ),
        format!(
            "--!api 1\n{}",
            handler(
                "local names = {} for name in pairs(request.extras) do table.insert(names, name) end table.sort(names) return accept{comment = names[1]}"
            )
        ),
        format!(
            "--!api 1\n{}",
            handler(
                "local list = ctx.list('contracts') local row = list:get(request.account) if row and row.anything then return accept() end return reject('account_not_found')"
            )
        ),
        format!(
            "--!api 1\n{}",
            handler(
                "local v = ctx.velocity('k', {'1h', '1d'}) if v['1h'].count > 3 then return retry_later() end return accept()"
            )
        ),
        format!("--!api 1\n{}", handler("local x = request x = {} return x.anything")),
        format!(
            "--!api 1\n{}",
            handler("local _, second = request.account:find('x') return second and accept() or retry_later()")
        ),
        format!(
            "--!api 1\n{}",
            handler(
                "local kind = if request.amount then 'a' else 'b' repeat local done = kind until done return accept()"
            )
        ),
        format!(
            "--!api 1\ntype Row = {{ name: string }}\nlocal function f(x: number): number return x end\n{}",
            handler("return accept{comment = tostring(f(1))}")
        ),
        String::from(
            "--!api 1\nlocal function check(request, ctx)\n  return ctx.hash(request.account, 2) == 1 and accept() or retry_later()\nend\nreturn { check = check }\n",
        ),
        String::from("--!api 1\ntotal = 0\nreturn { check = function(request) total += 1 return accept() end }\n")
            .replace("total = 0\n", "local total = 0\n"),
    ] {
        let findings = lint(source.as_bytes(), &known());
        assert!(findings.is_empty(), "{source}\n{findings:#?}");
    }
}

#[test]
fn what_is_not_known_is_not_checked() {
    let source = "--!api 1\nreturn { route = function() return route('anything') end }\n";
    assert!(lint(source.as_bytes(), &Known::default()).is_empty());
    assert_eq!(lint(source.as_bytes(), &known()).len(), 1);
}

#[test]
fn findings_are_few_and_the_deepest_scripts_are_walked() {
    let many = format!("--!api 1\nreturn {{{}}}", "a,".repeat(5_000));
    assert_eq!(lint(many.as_bytes(), &known()).len(), 100);
    for deep in [
        format!("local x = {}1{} return {{}}", "(".repeat(900), ")".repeat(900)),
        format!("local x = {}1 return {{}}", "1 == ".repeat(900)),
        format!("local x = 1{} return {{}}", " and 1".repeat(10_000)),
        format!("local x = {}{} return {{}}", "{".repeat(900), "}".repeat(900)),
        format!("{} {} return {{}}", "do ".repeat(150), "end ".repeat(150)),
        format!("local x = string{} return {{}}", ".rep".repeat(15_000)),
        format!("if x then {} end return {{}}", "elseif x then ".repeat(4_000)),
        format!("local x = {}1 return {{}}", "not ".repeat(15_000)),
    ] {
        assert!(!lint(deep.as_bytes(), &known()).is_empty());
    }
}

/// Luau takes a form feed for a space, and the parser of the check panics at it behind a type.
#[test]
fn what_only_luau_reads_is_told_with_its_line() {
    for source in [
        "--!api 1\nlocal x: number\u{c} \nreturn {}",
        "--!api 1\nlocal x\u{c} = 1\nreturn {}",
    ] {
        let findings = lint(source.as_bytes(), &known());
        let told: Vec<_> = findings
            .iter()
            .map(|finding| (finding.line, finding.code.as_str()))
            .collect();
        assert_eq!(told, [(2, "unchecked")]);
    }
}

#[test]
fn errors_and_warnings_are_told_apart() {
    let source = "--!api 1\nlocal unused = 1\nreturn { check = function(r) return acept() end }";
    let severities: Vec<_> = lint(source.as_bytes(), &known())
        .iter()
        .map(|finding| finding.severity)
        .collect();
    assert_eq!(severities, [Severity::Warning, Severity::Error]);
}

const WORDS: &[&str] = &[
    "local",
    "x",
    "rules",
    "=",
    "function",
    "(",
    ")",
    "end",
    "return",
    "{",
    "}",
    "if",
    "then",
    "else",
    "while",
    "do",
    "for",
    "i",
    "1",
    ",",
    "in",
    "pairs",
    "'a'",
    "..",
    "+",
    "<",
    "==",
    "nil",
    "not",
    "and",
    "[",
    "]",
    ".",
    ":",
    "\n",
    "money",
    "route",
    "request",
    "amount",
    "ctx",
    "list",
    "check",
    "repeat",
    "until",
    "break",
    "...",
    "`{x}`",
    "type",
    "+=",
    "::",
    "const",
    "export",
    "continue",
    "goto",
    "@native",
    "?",
    "|",
    "->",
    "--[[",
    "]]",
    "\\",
    "\u{feff}",
    "local rules = {} function rules.check(request, ctx)",
    "return accept() end return rules",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(source in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(lint(&source, &known()).len() <= 100);
    }

    #[test]
    fn any_text(source in ".{0,200}") {
        prop_assert!(lint(source.as_bytes(), &known()).len() <= 100);
    }

    #[test]
    fn any_words(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..60)) {
        prop_assert!(lint(words.join(" ").as_bytes(), &known()).len() <= 100);
    }

    #[test]
    fn any_words_in_a_handler(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..25)) {
        let findings = lint(handler(&words.join(" ")).as_bytes(), &known());
        prop_assert!(findings.len() <= 100);
    }
}
