//! Every script in `attacks/` tries to hurt the host. Each must end in time, in the way its header says, and leave
//! the VM as it was for the next.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rules::{Decision, Engine, Input, Outcome, Surroundings};
use support::hosts::Gateway;
use support::{ask, context, engine, handler, is_plain_accept, program, request, wait};

/// An attack ends within this; a debug build on a busy machine gets a multiple.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

const ATTEMPTS: usize = 5;

const STACK_BYTES: usize = 2 * 1024 * 1024;

struct Attack {
    name: String,
    source: String,
    /// The handler that is asked: `check`, unless the script says another.
    asked: Arc<Input>,
    expected: Vec<String>,
}

fn corpus() -> Vec<Attack> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let mut attacks: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lua"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let header = text.lines().next().unwrap_or_default();
            let expected = header
                .strip_prefix("-- expect: ")
                .unwrap_or_else(|| panic!("{path:?} expects nothing"));
            let expected = expected.split('|').map(|word| word.trim().to_owned()).collect();
            Attack {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                source: expand(&text),
                asked: asked(&text),
                expected,
            }
        })
        .collect();
    attacks.sort_by(|left, right| left.name.cmp(&right.name));
    attacks
}

fn asked(text: &str) -> Arc<Input> {
    let name = text.lines().find_map(|line| line.strip_prefix("-- ask: "));
    Arc::new(match name.unwrap_or("check") {
        "check" => Input::Check(request()),
        "route" => Input::Route(support::payment()),
        "fee" => Input::Fee(support::payment()),
        "event" => Input::Event(support::event()),
        other => panic!("there is no handler {other}"),
    })
}

fn decide(engine: &Engine, program: &Arc<rules::Program>, attack: &Attack) -> Decision {
    let gateway = Gateway::default();
    wait(engine.run(program, &attack.asked, &context(), &Surroundings::of(&gateway)))
}

/// Long sources are written short: `NEST(3)`, `TABLES(3)`, `LOCALS(3)`, `NUMBERS(3)`, `REPEAT(3, statement)`.
fn expand(text: &str) -> String {
    let mut text = text.to_owned();
    for (marker, make) in [
        (
            "NEST(",
            (|count: usize, _: &str| format!("{}1{}", "(".repeat(count), ")".repeat(count)))
                as fn(usize, &str) -> String,
        ),
        ("TABLES(", |count, _| {
            format!("{}{}", "{".repeat(count), "}".repeat(count))
        }),
        ("LOCALS(", |count, _| {
            (0..count).map(|i| format!("local v{i} = type ")).collect()
        }),
        ("NUMBERS(", |count, _| (0..count).map(|i| format!("{i},")).collect()),
        ("REPEAT(", |count, statement| statement.repeat(count)),
    ] {
        if let Some(start) = text.find(marker) {
            let length = text[start..]
                .find(";)")
                .map_or_else(|| text[start..].find(')').unwrap() + 1, |end| end + 2);
            let inside = &text[start + marker.len()..start + length - 1];
            let (count, statement) = inside.split_once(',').unwrap_or((inside, ""));
            let made = make(count.trim().parse().unwrap(), statement);
            text.replace_range(start..start + length, &made);
        }
    }
    text
}

/// Counts the time that this thread ran. A machine that is busy with something else says nothing of an attack.
struct Watch {
    wall: Instant,
    ran: Option<Duration>,
}

impl Watch {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            ran: ran(),
        }
    }

    fn elapsed(&self) -> Duration {
        let wall = self.wall.elapsed();
        match (self.ran, ran()) {
            (Some(before), Some(now)) => now.saturating_sub(before).min(wall),
            _ => wall,
        }
    }
}

/// What Linux says that this thread took of a processor.
fn ran() -> Option<Duration> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(schedule.split_whitespace().next()?.parse().ok()?))
}

fn outcome_name(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Failed(error) => error.kind.as_str().to_owned(),
        outcome => outcome.as_str().to_owned(),
    }
}

fn assault(engine: &Engine, attack: &Attack) -> Result<(String, Duration, u64), String> {
    let started = Watch::start();
    let (actual, steps) = match engine.compile("r17", attack.source.as_bytes()) {
        Err(error) if error.message.len() > 4096 => return Err("a long compile error".to_owned()),
        Err(_) => ("compile_error".to_owned(), 0),
        Ok(program) => {
            let decision = decide(engine, &program, attack);
            bounded(&decision)?;
            (outcome_name(&decision), decision.steps)
        }
    };
    let took = started.elapsed();
    // A slow machine reaches the clock's limit before the steps' or the memory's.
    let slow =
        cfg!(debug_assertions) && actual == "time_limit" && attack.expected.iter().any(|kind| kind.ends_with("_limit"));
    if !slow && !attack.expected.contains(&actual) {
        return Err(format!("ended as {actual}, expected {:?}", attack.expected));
    }
    if took > LIMIT {
        return Err(format!("took {took:?}"));
    }
    Ok((actual, took, steps))
}

/// What leaves the engine is short and clean, however it was provoked.
fn bounded(decision: &Decision) -> Result<(), String> {
    let clean = |text: &str, bytes: usize| text.len() <= bytes && !text.chars().any(char::is_control);
    if decision.log.len() > 20 || decision.log.iter().any(|line| !clean(&line.text, 200)) {
        return Err("an unbounded log".to_owned());
    }
    if let Outcome::Failed(error) = &decision.outcome
        && (!clean(&error.message, 2100) || error.traceback.len() > 16 || error.message.contains("0x"))
    {
        return Err(format!("an unbounded message: {:.300}", error.message));
    }
    Ok(())
}

#[test]
fn every_attack_fails() {
    let attacks = corpus();
    assert!(attacks.len() >= 60, "only {} attacks", attacks.len());
    let run = move || {
        let engine = Engine::new(rules::Limits::default()).unwrap();
        let honest = program(&engine, &handler("return accept()"));
        let mut failures = Vec::new();
        for attack in &attacks {
            // What the machine did to the clock does not repeat; what an attack does, does.
            let ended = (1..ATTEMPTS).fold(assault(&engine, attack), |ended, _| {
                ended.or_else(|_| assault(&engine, attack))
            });
            match ended {
                Ok((actual, took, steps)) => println!("{:32} {actual:14} {steps:6} steps {took:?}", attack.name),
                Err(problem) => failures.push(format!("{}: {problem}", attack.name)),
            }
            let next = ask(&engine, &honest, &request(), &context());
            if !is_plain_accept(&next) {
                failures.push(format!("{}: the next call gave {next:?}", attack.name));
            }
        }
        assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    };
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn every_attack_fails_at_the_hard_caps() {
    // No expectations here: other limits are reached first. All that counts is that each ends and the host lives.
    let limits = rules::Limits {
        call: rules::CallLimits {
            steps: rules::hard_caps::STEPS,
            own_cpu: rules::hard_caps::OWN_CPU,
            memory_bytes: rules::hard_caps::MEMORY_BYTES,
            ..rules::CallLimits::default()
        },
        ..rules::Limits::default()
    };
    let run = move || {
        let engine = Engine::new(limits).unwrap();
        for attack in corpus() {
            if let Ok(program) = engine.compile("r17", attack.source.as_bytes()) {
                let decision = decide(&engine, &program, &attack);
                bounded(&decision).unwrap();
            }
        }
    };
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn bytecode_is_not_a_source() {
    let bytecode = mlua::chunk::Compiler::new().compile("return {}").unwrap();
    assert!(engine().compile("r17", &bytecode).is_err());
    for version in 0..=8_u8 {
        let mut forged = vec![version];
        forged.extend_from_slice(b"local x = 1 return {}");
        assert!(engine().compile("r17", &forged).is_err(), "{version}");
    }
}

#[test]
fn a_source_that_compiles_large_is_refused() {
    let statement = "f{a=1,b=2,c=f'x',[f]=f(f,f,f)}";
    let source = format!("local f = type {}", statement.repeat(65_000 / statement.len() - 1));
    assert!(source.len() <= 64 * 1024);
    let started = Watch::start();
    let error = engine().compile("r17", source.as_bytes());
    let took = started.elapsed();
    println!("{took:?} {:?}", error.as_ref().map(|program| program.size()));
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn the_optimize_comment_is_not_honoured() {
    // Inlining would make this many times larger.
    let body = "local function a(x) return x + 1 + x + 2 + x + 3 end local function b(x) return a(x) + a(x) + a(x) + a(x) end ";
    let calls = "local function c(x) return b(x) + b(x) + b(x) + b(x) end local y = c(1) + c(2) + c(3) return {}";
    let engine = engine();
    let plain = engine.compile("r17", format!("--\n{body}{calls}").as_bytes()).unwrap();
    for comment in [
        "--!optimize 2",
        "--!strict\n--!optimize 2",
        " --!optimize 2",
        "--!native\n\n--!optimize 2\n",
    ] {
        let marked = engine
            .compile("r17", format!("{comment}\n{body}{calls}").as_bytes())
            .unwrap();
        assert!(
            marked.size() < plain.size() + 16,
            "{comment}: {} against {}",
            marked.size(),
            plain.size()
        );
    }
}
