//! What a seed decides: the world, who calls how, and which fault begins and ends when.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// For how long clients bring operations while faults come and go.
const LOAD: Duration = Duration::from_secs(10);
/// No fault begins in the first and the last moments of the load.
const QUIET: Duration = Duration::from_millis(800);
const FAULTS: std::ops::RangeInclusive<usize> = 4..=8;
const LASTS_MS: std::ops::Range<u64> = 200..3_000;

pub const MERCHANTS: usize = 3;

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// One node on SQLite.
    Alone,
    /// Several nodes on PostgreSQL and Redis.
    Together(usize),
}

/// A way over which bytes go; all of them lead through [`crate::link::Link`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Clients to a node.
    Clients(usize),
    /// A node to PostgreSQL.
    Database(usize),
    /// A node to Redis.
    Cache(usize),
    /// Nodes to the networks.
    Networks,
    /// Networks to nodes.
    Notices,
    /// Nodes to merchants' endpoints.
    Hooks,
}

/// What a way does to what goes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Clear,
    /// Each piece comes later by up to this, on each connection by its own, so that connections overtake each other.
    Late(Duration),
    /// Connections are reset, and new ones too.
    Cut,
    /// Half open: what is asked arrives, what is answered is lost, and nobody is told.
    Deaf,
    /// Half open: what is asked is lost.
    Mute,
    /// Of so many commits in a hundred it is not learnt whether they happened.
    LosesCommits(u32),
    /// Of so many requests in a hundred a copy arrives once more, later.
    Repeats(u32),
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Way(Way, Weather),
    /// `kill -9`, and a start when the fault ends.
    NodeDies(usize),
    /// Its processor is taken away from it.
    NodeHangs(usize),
    DatabaseDies,
    DatabaseHangs,
    CacheDies,
    CacheHangs,
    /// The node's clock is wrong by so many seconds.
    Clock(usize, i64),
    /// No byte more can be written where the database is.
    DiskFull,
    /// Some requests meet this at the networks.
    Network(&'static str, usize),
    /// Notifications come twice, in the wrong order or not at all.
    Notifications(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub begins: Duration,
    pub lasts: Duration,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub world: World,
    pub load: Duration,
    pub terminals: usize,
    pub shops: usize,
    pub faults: Vec<Moment>,
}

/// A stream of chance of one actor: the same in every run of a seed, whatever the others do.
#[must_use]
pub fn chance(seed: u64, actor: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ actor)
}

impl Plan {
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = chance(seed, u64::MAX);
        let world = match seed % 4 {
            0 => World::Alone,
            1 => World::Together(3),
            _ => World::Together(2),
        };
        let count = chance.random_range(FAULTS);
        let last = u64::try_from((LOAD - QUIET).as_millis()).unwrap();
        let first = u64::try_from(QUIET.as_millis()).unwrap();
        let mut faults: Vec<Moment> = (0..count)
            .map(|_| Moment {
                begins: Duration::from_millis(chance.random_range(first..last)),
                lasts: Duration::from_millis(chance.random_range(LASTS_MS)),
                fault: fault(&mut chance, world),
            })
            .collect();
        faults.sort_by_key(|moment| moment.begins);
        Self {
            seed,
            world,
            load: LOAD,
            terminals: chance.random_range(4..=9),
            shops: chance.random_range(3..=6),
            faults,
        }
    }
}

impl World {
    #[must_use]
    pub fn nodes(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Together(nodes) => nodes,
        }
    }
}

fn fault(chance: &mut StdRng, world: World) -> Fault {
    let node = chance.random_range(0..world.nodes());
    let shared = world != World::Alone;
    loop {
        return match chance.random_range(0..20) {
            0..=2 => Fault::NodeDies(node),
            3 => Fault::NodeHangs(node),
            4 => Fault::Clock(node, chance.random_range(-15..=15)),
            5 if chance.random_bool(0.5) => Fault::DiskFull,
            6 if shared => Fault::DatabaseDies,
            7 if shared => Fault::DatabaseHangs,
            8 if shared => Fault::CacheDies,
            9 if shared => Fault::CacheHangs,
            10..=11 if shared => {
                let percent = chance.random_range(10..60);
                Fault::Way(Way::Database(node), Weather::LosesCommits(percent))
            }
            12 if shared => Fault::Way(Way::Database(node), any_weather(chance)),
            13 if shared => Fault::Way(Way::Cache(node), any_weather(chance)),
            14 => Fault::Way(Way::Clients(node), http_weather(chance)),
            15 => Fault::Way(Way::Notices, http_weather(chance)),
            16 => Fault::Way(Way::Hooks, any_weather(chance)),
            17 => Fault::Way(Way::Networks, any_weather(chance)),
            18 => {
                let faults = [
                    "drop_before",
                    "drop_after",
                    "error_before",
                    "error_after",
                    "garbage_after",
                    "delay:900",
                ];
                Fault::Network(faults[chance.random_range(0..faults.len())], chance.random_range(1..12))
            }
            19 => Fault::Notifications(["duplicate", "reverse", "drop"][chance.random_range(0..3)]),
            _ => continue,
        };
    }
}

fn any_weather(chance: &mut StdRng) -> Weather {
    match chance.random_range(0..4) {
        0 => Weather::Late(Duration::from_millis(chance.random_range(20..600))),
        1 => Weather::Cut,
        2 => Weather::Deaf,
        _ => Weather::Mute,
    }
}

/// Requests that carry what makes them happen once may also come twice.
fn http_weather(chance: &mut StdRng) -> Weather {
    match chance.random_range(0..2) {
        0 => Weather::Repeats(chance.random_range(20..90)),
        _ => any_weather(chance),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {:?}, {} terminals and {} shops for {:?}",
            self.seed, self.world, self.terminals, self.shops, self.load
        )?;
        for moment in &self.faults {
            writeln!(
                f,
                "  {:>6} ms, for {:>4} ms: {:?}",
                moment.begins.as_millis(),
                moment.lasts.as_millis(),
                moment.fault
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_plan() {
        for seed in 0..200 {
            assert_eq!(Plan::of(seed), Plan::of(seed));
        }
        assert_ne!(Plan::of(2).faults, Plan::of(6).faults);
    }

    /// What SQLite alone has not cannot break there.
    #[test]
    fn plans_break_what_is_there() {
        for seed in (0..400).step_by(4) {
            let plan = Plan::of(seed);
            assert_eq!(plan.world, World::Alone);
            let shared = plan.faults.iter().any(|moment| {
                matches!(
                    moment.fault,
                    Fault::DatabaseDies
                        | Fault::DatabaseHangs
                        | Fault::CacheDies
                        | Fault::CacheHangs
                        | Fault::Way(Way::Database(_) | Way::Cache(_), _)
                )
            });
            assert!(!shared, "{plan}");
        }
    }
}
