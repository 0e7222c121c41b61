use chrono::{DateTime, Utc};
use plugin_sdk::{Currency, Money};
use serde::Serialize;
use store::{PaymentStatus, TrafficSpan, TrafficSum};
use utoipa::ToSchema;

/// Payments of a span by what became of them.
#[derive(Debug, Default, Clone, PartialEq, Serialize, ToSchema)]
pub struct Figures {
    pub payments: u64,
    pub succeeded: u64,
    pub declined: u64,
    /// Neither the one nor the other yet.
    pub processing: u64,
    pub doubtful: u64,
    /// Given back, wholly or in part.
    pub refunded: u64,
    /// How many of a thousand that came to an end succeeded; null when none did.
    #[schema(example = 970)]
    pub success_per_mille: Option<u64>,
    /// What succeeded, one sum for each currency.
    pub amounts: Vec<Sum>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sum {
    #[schema(example = "1500.00")]
    pub amount: String,
    #[schema(example = "RUB")]
    pub currency: String,
}

/// How long networks waited for us, of the newest exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnswerTimes {
    /// How many were looked at.
    pub exchanges: u64,
    pub p50_us: i64,
    pub p99_us: i64,
}

/// Payments over time, in pieces of the same length, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Series {
    pub piece_s: i64,
    /// When each piece begins.
    pub at: Vec<DateTime<Utc>>,
    pub succeeded: Vec<u64>,
    pub declined: Vec<u64>,
    pub processing: Vec<u64>,
    pub doubtful: Vec<u64>,
    pub refunded: Vec<u64>,
}

/// What people tell apart: five, for more cannot be told apart in a chart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Succeeded,
    Declined,
    Processing,
    Doubtful,
    Refunded,
}

fn fate(status: &str) -> Fate {
    use PaymentStatus as Is;
    match PaymentStatus::read(status) {
        Ok(Is::Succeeded | Is::PartiallyCaptured) => Fate::Succeeded,
        Ok(Is::Declined | Is::Failed | Is::Expired) => Fate::Declined,
        Ok(Is::InDoubt) => Fate::Doubtful,
        Ok(Is::Refunded | Is::PartiallyRefunded | Is::Reversed) => Fate::Refunded,
        Ok(Is::Created | Is::Processing | Is::RequiresAction | Is::Authorized) | Err(_) => Fate::Processing,
    }
}

pub fn is_refused(sum: &TrafficSum) -> bool {
    fate(&sum.status) == Fate::Declined
}

impl Figures {
    #[must_use]
    pub fn of(sums: &[TrafficSum]) -> Self {
        let count = |wanted| {
            let of_fate = sums.iter().filter(|sum| fate(&sum.status) == wanted);
            of_fate.map(|sum| sum.payments).sum::<u64>()
        };
        let (succeeded, declined) = (count(Fate::Succeeded), count(Fate::Declined));
        let ended = succeeded + declined;
        Self {
            payments: sums.iter().map(|sum| sum.payments).sum(),
            succeeded,
            declined,
            processing: count(Fate::Processing),
            doubtful: count(Fate::Doubtful),
            refunded: count(Fate::Refunded),
            success_per_mille: (succeeded * 1_000).checked_div(ended),
            amounts: amounts(sums),
        }
    }
}

/// The currency with most payments first.
fn amounts(sums: &[TrafficSum]) -> Vec<Sum> {
    let mut totals: Vec<(&str, u64, i128)> = Vec::new();
    for sum in sums.iter().filter(|sum| fate(&sum.status) == Fate::Succeeded) {
        match totals.iter_mut().find(|(currency, ..)| *currency == sum.currency) {
            Some((_, payments, minor)) => {
                *payments += sum.payments;
                *minor += sum.minor;
            }
            None => totals.push((&sum.currency, sum.payments, sum.minor)),
        }
    }
    totals.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let sums = totals.into_iter().map(|(currency, _, minor)| Sum {
        amount: decimal(minor, places(currency)),
        currency: currency.to_owned(),
    });
    sums.collect()
}

fn places(currency: &str) -> usize {
    let exponent = Currency::from_code(currency).map_or(0, |currency| Money::from_minor(0, currency).exponent());
    usize::try_from(exponent).unwrap_or(0)
}

/// A sum may be more than one amount can be.
fn decimal(minor: i128, places: usize) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    match digits.split_at_checked(digits.len() - places) {
        Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{digits}"),
    }
}

impl AnswerTimes {
    pub fn of(durations: impl Iterator<Item = i64>) -> Option<Self> {
        let mut durations: Vec<_> = durations.collect();
        durations.sort_unstable();
        // The value that so many of a hundred are at most.
        let at = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100).max(1);
            durations.get(rank - 1).copied()
        };
        Some(Self {
            exchanges: u64::try_from(durations.len()).unwrap_or(u64::MAX),
            p50_us: at(50)?,
            p99_us: at(99)?,
        })
    }
}

pub fn by_piece(sums: &[TrafficSum], pieces: usize, wanted: impl Fn(&TrafficSum) -> bool) -> Vec<u64> {
    let mut counts = vec![0; pieces];
    for sum in sums.iter().filter(|sum| wanted(sum)) {
        // The last moment of a span may round up to a piece that is not there.
        if let Some(count) = counts.get_mut(sum.piece.min(pieces.saturating_sub(1))) {
            *count += sum.payments;
        }
    }
    counts
}

impl Series {
    #[must_use]
    pub fn of(sums: &[TrafficSum], span: TrafficSpan, pieces: usize) -> Self {
        let of = |wanted| by_piece(sums, pieces, |sum| fate(&sum.status) == wanted);
        let starts = (0..pieces).map(|piece| span.from + span.piece * i32::try_from(piece).unwrap_or(i32::MAX));
        Self {
            piece_s: span.piece.num_seconds(),
            at: starts.collect(),
            succeeded: of(Fate::Succeeded),
            declined: of(Fate::Declined),
            processing: of(Fate::Processing),
            doubtful: of(Fate::Doubtful),
            refunded: of(Fate::Refunded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use rstest::rstest;

    fn sum(currency: &str, status: PaymentStatus, piece: usize, payments: u64, minor: i128) -> TrafficSum {
        TrafficSum {
            owner: "con".to_owned(),
            currency: currency.to_owned(),
            status: status.as_str().to_owned(),
            piece,
            payments,
            minor,
            oldest: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn figures_are_exact_and_by_currency() {
        let most = i128::from(i64::MAX);
        let sums = [
            sum("RUB", PaymentStatus::Succeeded, 0, 2, most),
            sum("RUB", PaymentStatus::Succeeded, 1, 1, 1),
            sum("JPY", PaymentStatus::PartiallyCaptured, 1, 1, 200),
            sum("RUB", PaymentStatus::Declined, 1, 1, 5),
            sum("RUB", PaymentStatus::InDoubt, 1, 1, 7),
        ];
        let figures = Figures::of(&sums);
        assert_eq!((figures.payments, figures.succeeded, figures.doubtful), (6, 4, 1));
        assert_eq!(figures.success_per_mille, Some(800));
        let told: Vec<_> = figures
            .amounts
            .iter()
            .map(|sum| (sum.amount.as_str(), &*sum.currency))
            .collect();
        assert_eq!(told, [("92233720368547758.08", "RUB"), ("200", "JPY")]);
        assert_eq!(Figures::of(&[]), Figures::default());
    }

    #[rstest]
    #[case(5, 2, "0.05")]
    #[case(-1234, 2, "-12.34")]
    #[case(7, 0, "7")]
    #[case(0, 3, "0.000")]
    fn decimals_are_written_whole(#[case] minor: i128, #[case] places: usize, #[case] told: &str) {
        assert_eq!(decimal(minor, places), told);
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let times = AnswerTimes::of((1..=100).rev()).unwrap();
        assert_eq!((times.exchanges, times.p50_us, times.p99_us), (100, 50, 99));
        assert_eq!(AnswerTimes::of([7].into_iter()).unwrap().p99_us, 7);
        assert_eq!(AnswerTimes::of(std::iter::empty()), None);
    }

    #[test]
    fn a_series_keeps_what_rounds_past_its_end() {
        let span = TrafficSpan {
            from: DateTime::UNIX_EPOCH,
            until: DateTime::UNIX_EPOCH + TimeDelta::seconds(20),
            piece: TimeDelta::seconds(10),
        };
        let sums = [
            sum("RUB", PaymentStatus::Succeeded, 0, 1, 1),
            sum("RUB", PaymentStatus::Succeeded, 2, 3, 1),
        ];
        let series = Series::of(&sums, span, 2);
        assert_eq!((series.succeeded, series.at.len(), series.piece_s), (vec![1, 3], 2, 10));
    }
}
