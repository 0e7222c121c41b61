//! Load shedding: when the node cannot keep up, the least important goes first.
//!
//! In the manner of CoDel it is queueing that counts, not load: the node is behind when a queue's delay has not once
//! fallen to [`SheddingOptions::delay`] within [`SheddingOptions::after`]. While it is behind it sheds one more class
//! each step of that time; when it is not any more, it takes them back one by one.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::{PaymentWriter, Store};

/// How often the event loops are asked how late they are.
const LOOP_PAUSE: Duration = Duration::from_millis(20);
/// How often the database's queue is measured.
const DATABASE_PAUSE: Duration = Duration::from_millis(100);
/// A question that takes longer is late enough.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the level is looked at.
const LEVEL_PAUSE: Duration = Duration::from_millis(100);

/// What a request is for, the least important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Exports and lists of people.
    People,
    /// Lists of merchants' systems.
    Lists,
    /// Checks of terminals: the payer has paid nothing yet.
    Check,
    NewPayment,
    /// Pays, states of payments, notifications, and what ends a payment that began.
    Vital,
}

impl Class {
    /// Shed from this level on.
    const fn level(self) -> u8 {
        match self {
            Self::People => 1,
            Self::Lists => 2,
            Self::Check => 3,
            Self::NewPayment => 4,
            Self::Vital => 5,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Lists => "lists",
            Self::Check => "check",
            Self::NewPayment => "new_payment",
            Self::Vital => "vital",
        }
    }
}

const LEVEL_MAX: u8 = Class::Vital.level();
/// A slow database alone never sheds what it has already been asked to finish.
const DATABASE_LEVEL_MAX: u8 = Class::NewPayment.level();

#[derive(Debug, Clone, Copy)]
pub struct SheddingOptions {
    /// A queue may be this late.
    pub delay: Duration,
    /// For this long, before anything is shed.
    pub after: Duration,
}

/// One for each node; cheap to clone.
#[derive(Clone)]
pub struct Shedding {
    state: Arc<State>,
}

struct State {
    options: SheddingOptions,
    started: Instant,
    level: AtomicU8,
    loops: Mutex<Vec<Arc<Queue>>>,
    database: Queue,
    writer: Queue,
}

/// When a queue was last seen not to be late, in milliseconds since the start.
#[derive(Default)]
struct Queue {
    well_at_ms: AtomicU64,
}

impl Queue {
    fn sample(&self, state: &State, delay: Duration) {
        if delay <= state.options.delay {
            self.well_at_ms.store(state.now_ms(), Ordering::Relaxed);
        }
    }

    fn is_late(&self, state: &State) -> bool {
        let silent = state.now_ms().saturating_sub(self.well_at_ms.load(Ordering::Relaxed));
        Duration::from_millis(silent) > state.options.after
    }
}

impl State {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Shedding {
    #[must_use]
    pub fn new(options: SheddingOptions) -> Self {
        Self {
            state: Arc::new(State {
                options,
                started: Instant::now(),
                level: AtomicU8::new(0),
                loops: Mutex::default(),
                database: Queue::default(),
                writer: Queue::default(),
            }),
        }
    }

    /// Whether a request of this class is to be refused now.
    #[must_use]
    pub fn sheds(&self, class: Class) -> bool {
        let sheds = class.level() <= self.level();
        if sheds {
            metrics::counter!("tollgate_shed_total", "class" => class.as_str()).increment(1);
        }
        sheds
    }

    /// 0: nothing is shed.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.state.level.load(Ordering::Relaxed)
    }

    /// What is shed now.
    #[must_use]
    pub fn shed_now(&self) -> Vec<&'static str> {
        let all = [
            Class::People,
            Class::Lists,
            Class::Check,
            Class::NewPayment,
            Class::Vital,
        ];
        let level = self.level();
        all.into_iter()
            .filter(|class| class.level() <= level)
            .map(Class::as_str)
            .collect()
    }

    /// Watches over the event loop that runs this; to be started once on each.
    pub fn watch_this_loop(&self) {
        let (state, queue) = (Arc::clone(&self.state), Arc::new(Queue::default()));
        queue.sample(&state, Duration::ZERO);
        let mut loops = state.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.push(Arc::clone(&queue));
        drop(loops);
        actix_web::rt::spawn(async move {
            loop {
                let asked = Instant::now();
                tokio::time::sleep(LOOP_PAUSE).await;
                queue.sample(&state, asked.elapsed().saturating_sub(LOOP_PAUSE));
            }
        });
    }

    /// Measures the database's queue and sets the level, for as long as the node runs.
    pub async fn keep(self, store: Store, writer: PaymentWriter) {
        let measured = async {
            loop {
                let asked = Instant::now();
                // One that refuses has no queue; each request finds that out by itself.
                drop(tokio::time::timeout(PING_TIMEOUT, store.ping()).await);
                self.state.database.sample(&self.state, asked.elapsed());
                self.state.writer.sample(&self.state, writer.delay());
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
        };
        let levelled = async {
            let mut changed = Instant::now();
            loop {
                tokio::time::sleep(LEVEL_PAUSE).await;
                if changed.elapsed() >= self.state.options.after && self.step() {
                    changed = Instant::now();
                }
            }
        };
        let ((), ()) = tokio::join!(measured, levelled);
    }

    /// One step up or down, if there is one to take.
    fn step(&self) -> bool {
        let (state, level) = (&self.state, self.level());
        let loops = state.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let loop_late = loops.iter().any(|queue| queue.is_late(state));
        drop(loops);
        let database_late = state.database.is_late(state) || state.writer.is_late(state);
        let highest = match (loop_late, database_late) {
            (true, _) => LEVEL_MAX,
            (false, true) => DATABASE_LEVEL_MAX,
            (false, false) => 0,
        };
        let next = if level < highest {
            level + 1
        } else if level > highest {
            level - 1
        } else {
            return false;
        };
        state.level.store(next, Ordering::Relaxed);
        metrics::gauge!("tollgate_shedding_level").set(next);
        match (level, next) {
            (0, _) => tracing::warn!(
                loop_late,
                database_late,
                "the node is behind; the least important is refused"
            ),
            (_, 0) => tracing::info!("the node keeps up again; nothing is refused any more"),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_millis(40);

    fn shedding() -> Shedding {
        Shedding::new(SheddingOptions {
            delay: Duration::from_millis(50),
            after: AFTER,
        })
    }

    fn well(shedding: &Shedding) {
        for queue in [&shedding.state.database, &shedding.state.writer] {
            queue.sample(&shedding.state, Duration::ZERO);
        }
    }

    #[test]
    fn the_least_important_goes_first_and_comes_back_last() {
        let shedding = shedding();
        std::thread::sleep(2 * AFTER);
        shedding.state.database.sample(&shedding.state, Duration::from_secs(1));
        let mut orders = Vec::new();
        while shedding.step() {
            orders.push(shedding.shed_now());
        }
        assert_eq!(orders.len(), usize::from(DATABASE_LEVEL_MAX));
        assert_eq!(orders[0], ["people"]);
        assert_eq!(orders[3], ["people", "lists", "check", "new_payment"]);
        assert!(!shedding.sheds(Class::Vital), "a slow database does not shed a pay");
        let mut back = Vec::new();
        for _ in 0..DATABASE_LEVEL_MAX {
            well(&shedding);
            assert!(shedding.step());
            back.push(shedding.level());
        }
        assert_eq!(back, [3, 2, 1, 0]);
        well(&shedding);
        assert!(!shedding.step());
    }

    #[test]
    fn one_moment_without_a_queue_is_enough() {
        let shedding = shedding();
        std::thread::sleep(2 * AFTER);
        well(&shedding);
        shedding.state.database.sample(&shedding.state, Duration::from_secs(1));
        assert!(!shedding.step());
    }
}
