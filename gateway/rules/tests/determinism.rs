//! The same inputs give the same decision and the same number of steps, in any VM, new or used.
#![allow(clippy::unwrap_used)]

mod support;

use rules::{CallLimits, Engine, Limits, Outcome};
use support::{ask, context, engine, handler, program, request};

const RULE: &str = r#"
    local seen, parts = {}, {}
    for name, value in request.extras do seen[name] = value:upper() end
    for i = 1, 40 do
        local key = `k{ctx.random(1000)}`
        seen[key] = (seen[key] or 0) + i
        if ctx.hash(key, 2) == 1 then ctx.log(key) end
    end
    for key, value in seen do parts[#parts + 1] = `{key}={value}` end
    table.sort(parts, function(a, b) return a < b end)
    local ok, problem = pcall(function() return request.nothing end)
    parts[#parts + 1] = problem
    parts[#parts + 1] = `{seen} {ctx.log} {request} {request.amount:percent("2.5", "half_even")} {ctx.now}`
    return accept { comment = table.concat(parts, " "):sub(1, 4000) }
"#;

fn fingerprint(engine: &Engine, source: &str) -> String {
    let program = program(engine, source);
    let decision = ask(engine, &program, &request(), &context());
    format!("{:?} {} {:?}", decision.outcome, decision.steps, decision.log)
}

#[test]
fn new_and_used_vms_agree() {
    let source = handler(RULE);
    let first = fingerprint(&engine(), &source);
    assert!(first.starts_with("Accept"), "{first}");
    for _ in 0..20 {
        assert_eq!(fingerprint(&engine(), &source), first);
    }
    let used = engine();
    let noise = program(
        &used,
        &handler("local t = {} for i = 1, 900 do t['x' .. i] = {} end return accept()"),
    );
    for _ in 0..200 {
        ask(&used, &noise, &request(), &context());
        assert_eq!(fingerprint(&used, &source), first);
    }
}

#[test]
fn threads_agree() {
    let engine = engine();
    let source = handler(RULE);
    let first = fingerprint(&engine, &source);
    let others: Vec<_> = (0..4)
        .map(|_| {
            let (engine, source) = (engine.clone(), source.clone());
            std::thread::spawn(move || fingerprint(&engine, &source))
        })
        .collect();
    for other in others {
        assert_eq!(other.join().unwrap(), first);
    }
}

#[test]
fn the_step_limit_is_exact() {
    let source = handler("for i = 1, 500 do end return accept()");
    let engine = engine();
    let needed = ask(&engine, &program(&engine, &source), &request(), &context()).steps;
    assert!(needed > 500);
    for (steps, enough) in [(needed, true), (needed - 1, false)] {
        let limits = Limits {
            call: CallLimits {
                steps: u32::try_from(steps).unwrap(),
                ..CallLimits::default()
            },
            ..Limits::default()
        };
        let engine = Engine::new(limits).unwrap();
        let decision = ask(&engine, &program(&engine, &source), &request(), &context());
        assert_eq!(
            matches!(decision.outcome, Outcome::Accept { .. }),
            enough,
            "{steps}: {decision:?}"
        );
        assert_eq!(decision.steps, steps);
    }
}

/// The compiler has shortcuts for some built-ins, which count nothing; a script's own globals must not bring back one
/// for a built-in that takes longer the more it is given.
#[test]
fn what_may_take_long_counts_its_steps_whatever_a_scripts_globals_are_called() {
    let engine = engine();
    for (name, call) in [
        ("sub", "local x = string.sub('abc', 2)"),
        ("char", "local x = string.char(65, 66)"),
        ("insert", "table.insert(t, 1)"),
        ("unpack", "local x = table.unpack(t)"),
    ] {
        for head in [String::new(), format!("{name} = 1"), format!("function {name}() end")] {
            let body = format!("local t = {{}} {} return accept()", format!("{call} ").repeat(50));
            let source = format!("{head}\n{}", handler(&body));
            let decision = ask(&engine, &program(&engine, &source), &request(), &context());
            assert!(decision.steps >= 50, "{head} {call}: {decision:?}");
        }
    }
}
