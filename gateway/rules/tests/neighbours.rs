//! One merchant at its limits, and what its neighbours notice of it: nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use rules::{
    Allowance, AllowanceLimits, Breaker, BreakerSettings, CallLimits, Engine, EngineError, ErrorKind, Limits, Outcome,
    Surroundings,
};
use support::hosts::{Gateway, Silent};
use support::{context, failure, handler, input, is_plain_accept, program, wait};

/// A attacks with everything that it has, a second of the clock's long: calls that spin, and calls that never come back
/// and hold their VMs. B is asked in between, on the same worker, and always decides.
#[test]
fn a_merchant_at_its_limits_is_refused_and_its_neighbour_is_not() {
    let engine = Engine::new(Limits::default()).unwrap();
    let spins = program(&engine, &handler("while true do end"));
    let hangs = program(&engine, &handler("ctx.list('x'):has('y') return accept()"));
    let honest = program(
        &engine,
        &handler("if ctx.list('contracts'):has('4') then return accept() end"),
    );
    let (attacker, neighbour) = (
        Allowance::new(AllowanceLimits {
            cpu_per_second: Duration::from_millis(5),
            ..AllowanceLimits::default()
        }),
        Allowance::new(AllowanceLimits::default()),
    );
    let (silent, gateway) = (Silent, Gateway::default());
    let attack = Surroundings {
        allowance: Some(&attacker),
        ..Surroundings::of(&silent)
    };
    let honestly = Surroundings {
        allowance: Some(&neighbour),
        ..Surroundings::of(&gateway)
    };
    let (input, context) = (input(), context());
    wait(async {
        // More than there are VMs on a worker.
        let hanging: Vec<_> = (0..64)
            .map(|_| Box::pin(engine.run(&hangs, &input, &context, &attack)))
            .collect();
        let (first, _, hanging) = futures_util::future::select_all(hanging).await;
        assert_eq!(failure(first).kind, ErrorKind::Busy, "the calls in flight are bounded");
        assert_eq!(attacker.in_flight(), attacker.limits().in_flight);
        drop(hanging);
        assert_eq!(attacker.in_flight(), 0);

        let mut refused = 0;
        for _ in 0..200 {
            let attacked = engine.run(&spins, &input, &context, &attack).await;
            refused += u32::from(failure(attacked).kind == ErrorKind::Busy);
            let served = engine.run(&honest, &input, &context, &honestly).await;
            assert!(is_plain_accept(&served), "{served:?}");
        }
        assert!(refused > 0, "the attacker's processor time is bounded");
    });
}

#[test]
fn calls_that_hang_leave_vms_for_others() {
    let engine = Engine::new(Limits::default()).unwrap();
    let hangs = program(&engine, &handler("ctx.list('x'):has('y') return accept()"));
    let honest = program(&engine, &handler("return accept()"));
    let attacker = Allowance::new(AllowanceLimits::default());
    let silent = Silent;
    let attack = Surroundings {
        allowance: Some(&attacker),
        ..Surroundings::of(&silent)
    };
    let (input, context) = (input(), context());
    wait(async {
        let hanging = futures_util::future::join_all((0..100).map(|_| engine.run(&hangs, &input, &context, &attack)));
        let honest = async {
            tokio::task::yield_now().await;
            assert_eq!(attacker.in_flight(), attacker.limits().in_flight);
            for _ in 0..50 {
                let served = engine.run(&honest, &input, &context, &Surroundings::default()).await;
                assert!(is_plain_accept(&served), "{served:?}");
            }
        };
        let hanging = tokio::select! {
            _ = hanging => panic!("they hang"),
            () = honest => true,
        };
        assert!(hanging);
    });
}

/// Many times what makes a call long, and it asks its host before and after.
const LONG: &str = "local known = ctx.list('contracts'):has('4')
    local text = ('a'):rep(60000)
    for i = 1, 60 do text:upper() end
    local total = ctx.velocity('k', '1h').count
    return accept { comment = `{known} {total}` }";

/// So many in a row are a habit.
const LONG_CALLS: usize = 3;

/// Notes the threads that it is asked on.
#[derive(Default)]
struct Watched {
    gateway: Gateway,
    asked_on: std::cell::RefCell<Vec<std::thread::ThreadId>>,
}

impl rules::Host for Watched {
    fn ask<'a>(&'a self, question: &'a rules::HostQuestion) -> rules::HostFuture<'a> {
        self.asked_on.borrow_mut().push(std::thread::current().id());
        self.gateway.ask(question)
    }
}

/// Whatever of them is collected, and when.
#[test]
fn what_earlier_calls_left_in_the_vm_changes_no_decision() {
    let engine = support::engine();
    let long = program(&engine, &handler(LONG));
    let host = Gateway::default();
    let around = Surroundings::of(&host);
    let (input, context) = (input(), context());
    let first = wait(engine.run(&long, &input, &context, &around));
    assert!(matches!(first.outcome, Outcome::Accept { .. }), "{first:?}");
    for number in 1..50 {
        let later = wait(engine.run(&long, &input, &context, &around));
        assert!(later.is_same_as(&first), "call {number}: {later:?}");
    }
}

#[test]
fn a_merchant_whose_calls_take_long_decides_the_same_aside() {
    let engine = support::engine();
    let long = program(&engine, &handler(LONG));
    let allowance = Allowance::new(AllowanceLimits {
        cpu_per_second: Duration::from_secs(60),
        ..AllowanceLimits::default()
    });
    let host = Watched::default();
    let around = Surroundings {
        allowance: Some(&allowance),
        ..Surroundings::of(&host)
    };
    let (input, context) = (input(), context());
    assert!(!allowance.is_aside());
    let here = wait(engine.run(&long, &input, &context, &around));
    assert!(matches!(here.outcome, Outcome::Accept { .. }), "{here:?}");
    for _ in 1..LONG_CALLS {
        assert!(!allowance.is_aside(), "once may be the machine's doing");
        let again = wait(engine.run(&long, &input, &context, &around));
        assert!(again.is_same_as(&here), "{again:?} {here:?}");
    }
    assert!(allowance.is_aside(), "{here:?}");
    let aside = wait(engine.run(&long, &input, &context, &around));
    assert!(aside.is_same_as(&here), "{aside:?} {here:?}");
    assert_eq!(aside.calls.len(), 2);
    let this = std::thread::current().id();
    let asked_on = host.asked_on.borrow();
    assert_eq!(asked_on.len(), 2 * (LONG_CALLS + 1));
    assert!(
        asked_on.iter().all(|thread| *thread == this),
        "a host is asked where it lives"
    );
}

#[test]
fn long_calls_leave_their_worker_to_others_but_for_the_first_times() {
    use futures_util::FutureExt;

    let engine = support::engine();
    let long = program(
        &engine,
        &handler("local text = ('a'):rep(60000) for i = 1, 60 do text:upper() end return accept()"),
    );
    let allowance = Allowance::new(AllowanceLimits {
        cpu_per_second: Duration::from_secs(60),
        ..AllowanceLimits::default()
    });
    let around = Surroundings {
        allowance: Some(&allowance),
        ..Surroundings::default()
    };
    let (input, context) = (input(), context());
    wait(async {
        for _ in 0..LONG_CALLS {
            let at_once = engine.run(&long, &input, &context, &around).now_or_never();
            assert!(at_once.is_some(), "it runs where it was called");
        }
        let mut aside = Box::pin(engine.run(&long, &input, &context, &around));
        assert!((&mut aside).now_or_never().is_none(), "it runs elsewhere");
        assert!(is_plain_accept(&aside.await));
    });
}

#[test]
fn what_waits_for_its_host_aside_is_in_nobodys_way_and_ends_when_it_is_dropped() {
    let engine = support::engine();
    let long = program(&engine, &handler(LONG));
    let hangs = program(&engine, &handler("ctx.list('x'):has('y') return accept()"));
    let allowance = Allowance::new(AllowanceLimits {
        cpu_per_second: Duration::from_secs(60),
        ..AllowanceLimits::default()
    });
    let (gateway, silent) = (Gateway::default(), Silent);
    let around = |host| Surroundings {
        allowance: Some(&allowance),
        ..Surroundings::of(host)
    };
    let (input, context) = (input(), context());
    wait(async {
        for _ in 0..LONG_CALLS {
            engine.run(&long, &input, &context, &around(&gateway)).await;
        }
        assert!(allowance.is_aside());
        let (hanging, answered) = (around(&silent), around(&gateway));
        let hanging = Box::pin(engine.run(&hangs, &input, &context, &hanging));
        let served = Box::pin(engine.run(&long, &input, &context, &answered));
        let either = futures_util::future::select(hanging, served).await;
        let futures_util::future::Either::Right((served, hanging)) = either else {
            panic!("it hangs");
        };
        assert!(matches!(served.outcome, Outcome::Accept { .. }), "{served:?}");
        drop(hanging);
        assert_eq!(allowance.in_flight(), 0);
    });
}

#[test]
fn a_revision_that_always_fails_is_suspended_and_named() {
    let engine = support::engine();
    let broken = program(&engine, &handler("error('broken')"));
    let breaker = Breaker::new(BreakerSettings {
        in_a_row: 3,
        pause: Duration::from_secs(3600),
        ..BreakerSettings::default()
    });
    let around = Surroundings {
        breaker: Some(&breaker),
        ..Surroundings::default()
    };
    let (input, context) = (input(), context());
    let kinds: Vec<_> = (0..5)
        .map(|_| failure(wait(engine.run(&broken, &input, &context, &around))))
        .collect();
    let expected = [
        ErrorKind::Runtime,
        ErrorKind::Runtime,
        ErrorKind::Runtime,
        ErrorKind::Suspended,
        ErrorKind::Suspended,
    ];
    assert_eq!(kinds.iter().map(|error| error.kind).collect::<Vec<_>>(), expected);
    assert!(kinds[4].message.starts_with("rules r17: "), "{}", kinds[4]);
}

#[test]
fn failures_of_the_surroundings_suspend_nothing() {
    let engine = support::engine();
    let script = program(&engine, &handler("ctx.list('contracts'):has('x') return accept()"));
    let breaker = Breaker::new(BreakerSettings {
        in_a_row: 2,
        ..BreakerSettings::default()
    });
    let gateway = Gateway::default();
    gateway.failing.set(true);
    let around = Surroundings {
        breaker: Some(&breaker),
        ..Surroundings::of(&gateway)
    };
    for _ in 0..10 {
        let failed = wait(engine.run(&script, &input(), &context(), &around));
        assert_eq!(failure(failed).kind, ErrorKind::HostUnavailable);
    }
    assert!(!breaker.is_open());
}

#[test]
fn a_merchants_own_limits_hold_for_its_calls_alone() {
    let engine = support::engine();
    let script = program(&engine, &handler("for i = 1, 500 do end return accept()"));
    let low = CallLimits {
        steps: 100,
        ..engine.limits().call
    };
    let around = Surroundings {
        limits: Some(&low),
        ..Surroundings::default()
    };
    let (input, context) = (input(), context());
    let failed = wait(engine.run(&script, &input, &context, &around));
    assert_eq!(failure(failed).kind, ErrorKind::StepLimit);
    let served = wait(engine.run(&script, &input, &context, &Surroundings::default()));
    assert!(matches!(served.outcome, Outcome::Accept { .. }));
}

#[test]
fn limits_are_lowered_by_the_merchant_and_capped_for_all() {
    let raised = CallLimits {
        steps: rules::hard_caps::STEPS,
        host_calls: 64,
        ..CallLimits::default()
    };
    assert!(raised.validate().is_ok());
    let wish = CallLimits {
        steps: 1_000,
        host_calls: 1_000,
        ..raised
    };
    let left = raised.lowered_to(wish);
    assert_eq!((left.steps, left.host_calls), (1_000, 64));
    assert!(matches!(
        wish.validate(),
        Err(EngineError::Limit { name: "host_calls", .. })
    ));
}
