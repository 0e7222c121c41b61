//! What needs to look inside a VM.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{CheckRequest, Command, Engine, NoHost};

/// Everything among a script's globals. Compared with the list that scripts see in `tests/surface.rs`.
const GLOBALS: &str = "_VERSION accept annotate assert bit32 deliver drop error fee getmetatable ipairs math money next \
    no_fee pairs pcall rawequal rawget rawlen rawset reject retry_later route select setmetatable string table test tonumber \
    tostring type typeof unpack utf8 xpcall";

/// Longest time between two steps over the attack corpus: on an idle machine, and in a debug build that shares one.
const GAP: Duration = Duration::from_millis(if cfg!(debug_assertions) { 100 } else { 2 });

/// The same for scripts that run straight on over the longest texts, through as many operators as a function may have.
const STRAIGHT_GAP: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 40 });

const ATTEMPTS: usize = 10;

fn vm() -> Vm {
    Engine::new(Limits::default()).unwrap().shared().build_vm().unwrap()
}

/// A slow machine must not change what a test sees.
fn patient() -> Limits {
    within(CallLimits {
        own_cpu: crate::hard_caps::OWN_CPU,
        ..CallLimits::default()
    })
}

fn within(call: CallLimits) -> Limits {
    Limits {
        call,
        ..Limits::default()
    }
}

fn program(source: &str) -> Arc<Program> {
    Engine::new(Limits::default())
        .unwrap()
        .compile("r1", source.as_bytes())
        .unwrap()
}

fn ask(vm: &mut Vm, source: &str) -> Call {
    ask_within(vm, &patient(), &program(source))
}

fn ask_within(vm: &mut Vm, limits: &Limits, program: &Arc<Program>) -> Call {
    let input = Arc::new(Input::Check(CheckRequest {
        command: Command::Check,
        account: "1".into(),
        amount: None,
        txn_id: None,
        service: None,
        at: chrono::DateTime::UNIX_EPOCH,
        extras: [("data1".to_owned(), "x".to_owned())].into(),
    }));
    let context = CallContext {
        now: chrono::DateTime::UNIX_EPOCH,
        seed: 0,
    };
    let mut once = || {
        let terms = Terms {
            program,
            input: &input,
            context: &context,
            limits: &limits.call,
            host: &NoHost,
            deadline: Instant::now() + limits.call.decision,
        };
        let call = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(vm.call(&terms));
        (call, vm.is_fit(limits))
    };
    let mut called = once();
    for _ in 0..ATTEMPTS {
        if kind(&called.0) != Some(ErrorKind::TimeLimit) || !called.1 {
            break;
        }
        called = once();
    }
    called.0
}

fn kind(call: &Call) -> Option<ErrorKind> {
    match &call.outcome {
        Outcome::Failed(error) => Some(error.kind),
        _ => None,
    }
}

#[test]
fn the_globals_are_the_listed_ones() {
    let vm = vm();
    let globals: Table = vm.environment_meta.raw_get("__index").unwrap();
    let mut names = BTreeSet::new();
    for pair in globals.pairs::<String, Value>() {
        names.insert(pair.unwrap().0);
    }
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        GLOBALS.split_whitespace().collect::<Vec<_>>()
    );
    assert_eq!(
        GLOBALS.split_whitespace().collect::<Vec<_>>(),
        crate::lint::surface::GLOBALS
    );
    assert!(globals.is_readonly() && !globals.has_metatable() && vm.environment_meta.is_readonly());
}

#[test]
fn outside_a_call_nothing_of_a_script_runs() {
    let mut vm = vm();
    assert_eq!(
        kind(&ask(&mut vm, "return { check = function() return accept() end }")),
        None
    );
    for source in ["while true do end", "return pcall(error)", "for i = 1, 2 do end"] {
        assert!(
            vm.lua.load(source).set_mode(ChunkMode::Text).exec().is_err(),
            "{source}"
        );
    }
}

#[test]
fn a_panic_costs_the_vm_and_nothing_else() {
    let mut vm = vm();
    let globals: Table = vm.environment_meta.raw_get("__index").unwrap();
    let panics = vm
        .lua
        .create_function(|_, ()| -> LuaResult<()> { panic!("a bug of ours") })
        .unwrap();
    globals.set_readonly(false);
    globals.raw_set("panics", panics).unwrap();
    for body in [
        "panics()",
        "pcall(panics)",
        "pcall(panics) pcall(error)",
        "table.sort({1, 2}, panics)",
    ] {
        let call = ask(
            &mut vm,
            &format!("return {{ check = function() {body} return accept() end }}"),
        );
        assert_ne!(kind(&call), None, "{body}");
    }
    assert!(!vm.is_fit(&Limits::default()));
}

#[test]
fn a_memory_error_costs_the_vm() {
    for source in [
        "local s = 'x' while true do s ..= s end",
        "return { check = function() pcall(function() local s = 'x' while true do s ..= s end end) return accept() end }",
        "return { check = function() local t = {} while true do t[#t + 1] = table.create(5000, 1) end end }",
    ] {
        let mut vm = vm();
        assert_eq!(kind(&ask(&mut vm, source)), Some(ErrorKind::MemoryLimit));
        assert!(!vm.is_fit(&Limits::default()));
    }
}

#[test]
fn other_errors_keep_the_vm_until_it_is_worn() {
    let limits = Limits {
        calls_per_vm: 3,
        ..Limits::default()
    };
    let mut vm = vm();
    for source in ["error('x')", "while true do end", "return 1"] {
        assert!(vm.is_fit(&limits));
        assert_ne!(kind(&ask(&mut vm, source)), None);
    }
    assert!(!vm.is_fit(&limits) && vm.is_fit(&Limits::default()));
}

#[test]
fn garbage_does_not_pile_up() {
    let mut vm = vm();
    let program = program(
        "return { check = function(r) local t = {} for i = 1, 40 do t[i] = ('x'):rep(6000) .. i end local e = r.extras return accept{comment = e.data1} end }",
    );
    // The clock must not matter here, however slow the machine.
    let limits = patient();
    for _ in 0..200 {
        assert_eq!(kind(&ask_within(&mut vm, &limits, &program)), None);
        assert!(vm.lua.used_memory() < vm.memory_at_birth + 2 * GARBAGE_BYTES);
        assert!(vm.call.input().is_none());
    }
    vm.lua.gc_collect().unwrap();
    let left = vm.lua.used_memory() - vm.memory_at_birth;
    assert!(left < 32 * 1024, "{left} bytes are left");
}

#[test]
fn between_two_steps_little_time_passes() {
    // Straight-line scripts are bounded by the operators of one function, a tenth of a millisecond each at the worst.
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let mut slow = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let Ok(program) = Engine::new(Limits::default()).unwrap().compile("r1", source.as_bytes()) else {
            continue;
        };
        let mut vm = vm();
        // A pause that comes from the machine does not come again at the same place.
        let mut gap = Duration::MAX;
        for _ in 0..ATTEMPTS {
            vm.budget.forget_gaps();
            ask_within(&mut vm, &Limits::default(), &program);
            gap = gap.min(vm.budget.longest_gap());
            if gap <= GAP {
                break;
            }
        }
        println!("{name:32} {gap:?}");
        let most = if name.starts_with("straight_line_") {
            STRAIGHT_GAP
        } else {
            GAP
        };
        if gap > most {
            slow.push(format!("{name}: {gap:?}"));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
