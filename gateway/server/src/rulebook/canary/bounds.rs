use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::payments::{ArmCounts, CanaryCounts};
use crate::rulebook::RulebookError;
use crate::tenancy::WHOLE_BP;

/// Decisions that a merchant may wait for before it judges, at most.
const SAMPLE_MAX: u32 = 1_000_000;

/// When the gateway withdraws a canary. Rates are in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CanaryBounds {
    /// Decisions of the canary before it is judged; where it is compared, of the published revision too. 1 to 1000000.
    pub sample_min: u32,
    /// Of the canary's decisions, so many may fail.
    pub error_bp: u32,
    /// So far its share of refusals may be from that of the published revision, either way.
    pub refusal_diff_bp: u32,
    /// Such a part of its payments may go another way than with the published revision.
    pub route_mix_diff_bp: u32,
}

impl Default for CanaryBounds {
    fn default() -> Self {
        Self {
            sample_min: 100,
            error_bp: 100,
            refusal_diff_bp: 500,
            route_mix_diff_bp: 2_000,
        }
    }
}

/// What a canary is withdrawn for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutOfBounds {
    /// Name of the bound.
    pub bound: &'static str,
    pub limit: u32,
    pub measured: u32,
}

impl CanaryBounds {
    pub fn checked(self) -> Result<Self, RulebookError> {
        let rates = [self.error_bp, self.refusal_diff_bp, self.route_mix_diff_bp];
        if !(1..=SAMPLE_MAX).contains(&self.sample_min) || rates.iter().any(|rate| *rate > WHOLE_BP) {
            let message = format!(
                "sample_min is from 1 to {SAMPLE_MAX} decisions, the others from 0 to {WHOLE_BP} (hundredths of a percent)"
            );
            return Err(RulebookError::field("bounds", message));
        }
        Ok(self)
    }

    /// The first bound that the counts leave.
    #[must_use]
    pub fn judge(&self, counts: &CanaryCounts) -> Option<OutOfBounds> {
        let CanaryCounts { canary, published } = counts;
        let enough = |count: u64| count >= u64::from(self.sample_min);
        let routed = |arm: &ArmCounts| arm.routes.values().sum::<u64>();
        let compared = enough(canary.decisions) && enough(published.decisions);
        let judged = [
            (
                "error_bp",
                self.error_bp,
                enough(canary.decisions).then(|| rate(canary.errors, canary.decisions)),
            ),
            (
                "refusal_diff_bp",
                self.refusal_diff_bp,
                compared.then(|| {
                    let refused = |arm: &ArmCounts| rate(arm.refusals, arm.decisions);
                    refused(canary).abs_diff(refused(published))
                }),
            ),
            (
                "route_mix_diff_bp",
                self.route_mix_diff_bp,
                (enough(routed(canary)) && enough(routed(published))).then(|| mix_difference(canary, published)),
            ),
        ];
        judged.into_iter().find_map(|(bound, limit, measured)| {
            let measured = measured?;
            (measured > limit).then_some(OutOfBounds { bound, limit, measured })
        })
    }
}

/// In hundredths of a percent, rounded down.
fn rate(part: u64, whole: u64) -> u32 {
    let rate = u128::from(part) * u128::from(WHOLE_BP) / u128::from(whole.max(1));
    u32::try_from(rate).unwrap_or(WHOLE_BP)
}

/// The part of the payments that goes another way: half of all that one revision has more or less of each route.
fn mix_difference(one: &ArmCounts, other: &ArmCounts) -> u32 {
    let whole = |arm: &ArmCounts| arm.routes.values().sum::<u64>();
    let share = |arm: &ArmCounts, route: &str| rate(arm.routes.get(route).copied().unwrap_or(0), whole(arm));
    let routes: BTreeSet<&String> = one.routes.keys().chain(other.routes.keys()).collect();
    let differences = routes
        .into_iter()
        .map(|route| share(one, route).abs_diff(share(other, route)));
    differences.sum::<u32>() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(decisions: u64, errors: u64, refusals: u64, routes: &[(&str, u64)]) -> ArmCounts {
        ArmCounts {
            decisions,
            errors,
            refusals,
            routes: routes
                .iter()
                .map(|(route, count)| ((*route).to_owned(), *count))
                .collect(),
        }
    }

    fn left(canary: ArmCounts, published: ArmCounts) -> Option<(&'static str, u32)> {
        let out = CanaryBounds::default().judge(&CanaryCounts { canary, published });
        out.map(|out| (out.bound, out.measured))
    }

    #[test]
    fn a_canary_is_judged_by_errors_refusals_and_routes() {
        let quiet = || arm(10_000, 0, 500, &[]);
        assert_eq!(left(arm(100, 1, 5, &[]), quiet()), None, "at the bound is within it");
        assert_eq!(left(arm(100, 2, 5, &[]), quiet()), Some(("error_bp", 200)));
        assert_eq!(left(arm(100, 0, 11, &[]), quiet()), Some(("refusal_diff_bp", 600)));
        assert_eq!(
            left(arm(200, 0, 0, &[]), arm(200, 0, 20, &[])),
            Some(("refusal_diff_bp", 1_000)),
            "too few refusals are as strange as too many"
        );
        let (mixed, other) = ([("a", 60), ("b", 40)], [("a", 100), ("b", 0)]);
        assert_eq!(
            left(arm(100, 0, 0, &mixed), arm(100, 0, 0, &other)),
            Some(("route_mix_diff_bp", 4_000))
        );
    }

    #[test]
    fn nobody_is_judged_by_a_handful() {
        assert_eq!(left(arm(99, 99, 0, &[]), arm(10_000, 0, 0, &[])), None);
        assert_eq!(
            left(arm(100, 0, 100, &[]), arm(99, 0, 0, &[])),
            None,
            "nothing to compare with"
        );
        assert_eq!(
            left(arm(100, 100, 0, &[]), arm(0, 0, 0, &[])),
            Some(("error_bp", 10_000))
        );
        assert_eq!(left(arm(100, 0, 0, &[("a", 99)]), arm(100, 0, 0, &[("b", 100)])), None);
    }

    #[test]
    fn bounds_have_units_that_make_sense() {
        let rate = |error_bp| CanaryBounds {
            error_bp,
            ..CanaryBounds::default()
        };
        assert!(rate(10_000).checked().is_ok() && rate(10_001).checked().is_err());
        let sample = |sample_min| CanaryBounds {
            sample_min,
            ..CanaryBounds::default()
        };
        assert!(sample(1).checked().is_ok() && sample(0).checked().is_err());
    }
}
