//! A handful of plans; `make fault` runs hundreds.

use std::path::Path;

use fault::run;
use rstest::rstest;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_books_agree_after_a_plan_of_faults(#[values(1, 2, 3, 4)] seed: u64) {
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let outcome = run::seed(seed, keep).await;
    assert!(outcome.is_green(), "{}", outcome.complaint());
}
