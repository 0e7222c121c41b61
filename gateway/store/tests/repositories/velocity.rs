use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use e2e::Backend::{self, Postgres, Sqlite};
use plugin_sdk::{Currency, MerchantId, Money};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rstest::rstest;
use store::{PaymentStatus, PaymentWriter, VelocityKey, VelocityMark, VelocityTotals, WriteOutcome};

use crate::world::{World, merchant, moscow_noon, rubles};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// Rows that one step of a roll-up takes in these tests: so few that it stops half-way through spans.
const STEP: u64 = 7;

impl World {
    fn key(&self, key: &str) -> VelocityKey {
        VelocityKey::new(self.merchant.id, key)
    }

    /// A payment that was credited at this moment and counts under these keys.
    async fn mark(&self, writer: &PaymentWriter, keys: &[&str], at: DateTime<Utc>, amount: Money) {
        let mut write = self.payment(&format!("{}", rand::random::<u64>()), &[]).await;
        write.payment.created_at = at;
        write.payment.amount = amount;
        write.velocity = keys.iter().map(|key| VelocityMark { key: self.key(key) }).collect();
        self.write(writer, write).await;
    }

    async fn totals(&self, key: &str, windows: &[u64], now: DateTime<Utc>) -> Vec<VelocityTotals> {
        let windows: Vec<_> = windows.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
        let key = self.key(key);
        let totals = self
            .store
            .velocity(self.merchant.id, &key, &windows, now)
            .await
            .unwrap();
        // Whoever keeps the spans elsewhere comes to the same.
        let spans = self.store.velocity_spans(self.merchant.id, &key, now, 1_000);
        let spans = spans.await.unwrap().unwrap();
        assert_eq!(store::velocity_totals(&spans, &windows, now).unwrap(), totals);
        totals
    }

    async fn roll_up(&self, now: DateTime<Utc>) {
        while self.store.roll_up_velocity(now, STEP).await.unwrap() {}
    }
}

fn totals(count: u64, kopecks: i64) -> VelocityTotals {
    VelocityTotals {
        count,
        sums: if count == 0 { Vec::new() } else { vec![rubles(kopecks)] },
    }
}

#[rstest]
#[tokio::test]
async fn a_window_slides_to_the_microsecond(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let at = moscow_noon();
    world.mark(&writer, &["a", "b", "a"], at, rubles(100)).await;
    world
        .mark(&writer, &["a"], at + TimeDelta::seconds(30), rubles(20))
        .await;
    let (edge, tick) = (at + TimeDelta::seconds(60), TimeDelta::microseconds(1));
    let asked = world.totals("a", &[MINUTE, 2 * MINUTE], edge - tick).await;
    assert_eq!(asked, [totals(2, 120), totals(2, 120)]);
    assert_eq!(
        world.totals("a", &[MINUTE, 2 * MINUTE], edge).await,
        [totals(1, 20), totals(2, 120)]
    );
    assert_eq!(world.totals("b", &[MINUTE], edge - tick).await, [totals(1, 100)]);
    assert_eq!(world.totals("b", &[MINUTE], edge).await, [totals(0, 0)]);
    assert_eq!(
        world.totals("c", &[MINUTE, 30 * DAY], edge).await,
        [totals(0, 0), totals(0, 0)]
    );
    assert_eq!(world.totals("a", &[], edge).await, []);
}

#[rstest]
#[tokio::test]
async fn currencies_are_counted_together_and_summed_apart(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let at = moscow_noon();
    world.mark(&writer, &["a"], at, rubles(100)).await;
    world
        .mark(&writer, &["a"], at, Money::from_minor(7, Currency::USD))
        .await;
    let expected = VelocityTotals {
        count: 2,
        sums: vec![rubles(100), Money::from_minor(7, Currency::USD)],
    };
    for later in [TimeDelta::seconds(1), TimeDelta::days(20)] {
        world.roll_up(at + later).await;
        let found = world.totals("a", &[30 * DAY], at + later).await;
        assert_eq!(found, std::slice::from_ref(&expected));
    }
}

#[rstest]
#[tokio::test]
async fn a_mark_is_stored_with_its_payment_or_not_at_all(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let marked = async |txn_id: &str| {
        let mut write = world.payment(txn_id, &[]).await;
        write.velocity = vec![VelocityMark { key: world.key("a") }];
        write
    };
    world.write(&writer, marked("1").await).await;
    // A repeat beside a first one, in one group.
    let (repeat, first) = (marked("1").await, marked("2").await);
    let (repeat, first) = tokio::join!(writer.write(repeat), writer.write(first));
    assert!(matches!(repeat.unwrap(), WriteOutcome::Existing(_)));
    assert_eq!(first.unwrap(), WriteOutcome::Stored);
    let mut declined = marked("3").await;
    declined.payment.status = PaymentStatus::Declined;
    world.write(&writer, declined).await;
    // The database refuses this one: neither the payment nor its mark is there.
    let mut refused = marked("4").await;
    refused.payment.id = first_id(&world).await;
    assert!(!matches!(writer.write(refused).await, Ok(WriteOutcome::Stored)));
    assert_eq!(world.count("velocity_marks").await, 2);
    let counted =
        "SELECT count(*) FROM velocity_marks m JOIN payments p ON p.id = m.payment_id AND p.status = 'succeeded'";
    assert_eq!(world.database.number(counted).await, 2);
    assert_eq!(world.totals("a", &[MINUTE], Utc::now()).await[0].count, 2);
    // The key itself is nowhere.
    assert_eq!(
        world
            .database
            .number("SELECT count(*) FROM velocity_marks WHERE length(key_hash) = 43")
            .await,
        2
    );
}

async fn first_id(world: &World) -> plugin_sdk::PaymentId {
    let ids = world
        .database
        .texts("SELECT id FROM payments ORDER BY id LIMIT 1")
        .await;
    ids[0].parse().unwrap()
}

#[rstest]
#[tokio::test]
async fn a_merchant_s_key_counts_for_that_merchant_alone(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    world.mark(&writer, &["a"], moscow_noon(), rubles(100)).await;
    let stranger: MerchantId = merchant(&world.store, "stranger").await.id;
    let windows = [Duration::from_secs(DAY)];
    for key in [VelocityKey::new(stranger, "a"), world.key("a")] {
        let asked = world
            .store
            .velocity(stranger, &key, &windows, moscow_noon())
            .await
            .unwrap();
        assert_eq!(asked, [totals(0, 0)]);
    }
    assert_ne!(VelocityKey::new(stranger, "a"), world.key("a"));
}

/// What a window may count beyond itself, as the documentation says.
fn resolution(window: u64) -> u64 {
    match window {
        0..=120 => 0,
        121..=900 => 10,
        901..=10_800 => MINUTE,
        10_801..=691_200 => HOUR,
        _ => DAY,
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A pay of so many kopecks, so many microseconds later.
    Pay(i64, i64),
    RollUp,
    /// One step of a roll-up, which leaves spans half done.
    RollUpALittle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Pauses from microseconds to weeks, all magnitudes alike.
    let pause = (0.0_f64..12.2).prop_map(|magnitude| 10_f64.powf(magnitude) as i64);
    let step = prop_oneof![
        6 => (1_i64..1_000, pause).prop_map(|(kopecks, pause)| Step::Pay(kopecks, pause)),
        1 => Just(Step::RollUp),
        1 => Just(Step::RollUpALittle),
    ];
    prop::collection::vec(step, 1..30)
}

/// Against a list of pays: nothing that passed is left out, and nothing is counted from beyond the resolution.
#[rstest]
#[tokio::test]
async fn summing_up_changes_no_answer_beyond_the_resolution(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let windows =
        [1, 2, 5, 15, 60, 180, 24 * 60, 7 * 24 * 60, 8 * 24 * 60, 30 * 24 * 60].map(|minutes| minutes * MINUTE);
    let mut runner = TestRunner::new(ProptestConfig::default());
    let mut now = moscow_noon();
    for case in 0..12 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let key = format!("case-{case}");
        let mut pays = Vec::new();
        for step in steps {
            match step {
                Step::Pay(kopecks, pause) => {
                    now += TimeDelta::microseconds(pause);
                    world.mark(&writer, &[&key], now, rubles(kopecks)).await;
                    pays.push((now, kopecks));
                }
                Step::RollUp => world.roll_up(now).await,
                Step::RollUpALittle => drop(world.store.roll_up_velocity(now, 1).await.unwrap()),
            }
        }
        for later in [0, 1, 61, 3_601, 90_000] {
            now += TimeDelta::seconds(later);
            world.roll_up(now).await;
            let within = |seconds: u64| {
                let edge = now - TimeDelta::seconds(seconds as i64);
                let counted = pays.iter().filter(|(at, _)| *at > edge);
                counted.fold((0, 0), |(count, sum), (_, kopecks)| (count + 1, sum + kopecks))
            };
            for (window, found) in windows.iter().zip(world.totals(&key, &windows, now).await) {
                let (least, most) = (within(*window), within(*window + resolution(*window)));
                let sum = found.sums.first().map_or(0, |sum| sum.minor());
                let fits = least.0 <= found.count && found.count <= most.0 && least.1 <= sum && sum <= most.1;
                assert!(
                    fits,
                    "{window} s at {now}: {found:?} is not from {least:?} to {most:?}; {pays:?}"
                );
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_busy_key_is_read_in_a_few_rows_and_forgotten_in_time(#[values(Sqlite, Postgres)] backend: Backend) {
    let world = World::new(backend).await;
    let writer = PaymentWriter::start(&world.store);
    let from = moscow_noon();
    // As many pays as there are of other tests' patience, spread as widely as spans are.
    for n in 0..60_i64 {
        for seconds in [n, n * 20, n * 120, n * 7_200, n * 40_000] {
            world
                .mark(&writer, &["a"], from + TimeDelta::seconds(seconds), rubles(1))
                .await;
        }
    }
    let now = from + TimeDelta::seconds(60 * 40_000);
    world.roll_up(now).await;
    assert_eq!(world.totals("a", &[30 * DAY], now).await, [totals(300, 300)]);
    let rows = world.count("velocity_marks").await;
    assert!(rows < 80, "{rows} rows");
    let spans = async |limit| {
        let key = world.key("a");
        let spans = world.store.velocity_spans(world.merchant.id, &key, now, limit);
        spans.await.unwrap().map(|spans| spans.len())
    };
    let rows = usize::try_from(rows).unwrap();
    assert_eq!((spans(rows).await, spans(rows - 1).await), (Some(rows), None));
    assert_eq!(
        world.totals("a", &[MINUTE, HOUR], now).await,
        [totals(0, 0), totals(0, 0)]
    );
    world.roll_up(now + TimeDelta::days(33)).await;
    assert_eq!(world.count("velocity_marks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_sum_up_at_once_count_nothing_twice() {
    let world = World::new(Postgres).await;
    let writer = PaymentWriter::start(&world.store);
    let other = world.another_node().await;
    for n in 0..50 {
        world
            .mark(&writer, &["a"], moscow_noon() + TimeDelta::seconds(n * 7), rubles(1))
            .await;
    }
    let now = moscow_noon() + TimeDelta::days(9);
    for _ in 0..20 {
        let (one, two) = tokio::join!(
            world.store.roll_up_velocity(now, STEP),
            other.roll_up_velocity(now, STEP)
        );
        one.and(two).unwrap();
        assert_eq!(world.totals("a", &[30 * DAY], now).await, [totals(50, 50)]);
    }
    world.roll_up(now).await;
    assert_eq!(world.count("velocity_marks").await, 1);
}
