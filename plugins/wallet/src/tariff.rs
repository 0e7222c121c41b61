//! The standard tariff of a provider (§7.2), which nobody has to log in for. What one payment really costs is the
//! quote's to say.

use plugin_sdk::connector::{ConnectorError, Context, HttpMethod, HttpRequest};
use plugin_sdk::{Currency, Money};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::unreadable;
use crate::network::Network;
use crate::reading::wrong;
use crate::wire::Word;

/// Ranges of one tariff that are looked at.
const RANGES_MAX: usize = 100;
const PLACES: u32 = 2;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Range {
    bound: Word,
    rate: Word,
    fixed: Word,
    min: Word,
    max: Word,
}

#[derive(Deserialize)]
struct Form {
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    terms: Terms,
}

#[derive(Deserialize)]
struct Terms {
    commission: Commission,
}

#[derive(Deserialize)]
struct Commission {
    ranges: Vec<Box<RawValue>>,
}

impl Network {
    /// The provider's standard commission on an amount in rubles.
    pub async fn ask_tariff(
        &self,
        context: &Context<'_>,
        provider: &str,
        amount: Money,
    ) -> Result<Money, ConnectorError> {
        let is_number = (1..=6).contains(&provider.len()) && provider.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(wrong("provider", "must be a provider's number"));
        }
        let url = format!("{}/sinap/providers/{provider}/form", self.profile.edge_base);
        let request = HttpRequest::new(HttpMethod::Get, url).header("accept", "application/json");
        let response = self.ask_anyone(context, request).await?;
        let form: Form = serde_json::from_slice(&response.body).map_err(|_| unreadable("tariff"))?;
        let ranges = form.content.terms.commission.ranges.iter().take(RANGES_MAX);
        let ranges: Result<Vec<Range>, _> = ranges.map(|range| serde_json::from_str(range.get())).collect();
        commission(&ranges.map_err(|_| unreadable("tariff"))?, amount).ok_or_else(|| unreadable("tariff"))
    }
}

/// The last range that the amount reaches: a share of it and a fixed sum, within the range's limits.
fn commission(ranges: &[Range], amount: Money) -> Option<Money> {
    let number = |word: &Word| {
        let text = word.text()?;
        Decimal::from_str_exact(text)
            .or_else(|_| Decimal::from_scientific(text))
            .ok()
    };
    let asked = Decimal::from_str_exact(&amount.decimal()).ok()?;
    let reached = |range: &&Range| number(&range.bound).is_some_and(|bound| bound <= asked);
    let range = ranges.iter().rev().find(reached)?;
    let share = asked.checked_mul(number(&range.rate).unwrap_or_default())?;
    let mut fee = share.checked_add(number(&range.fixed).unwrap_or_default())?;
    if let Some(min) = number(&range.min) {
        fee = fee.max(min);
    }
    if let Some(max) = number(&range.max) {
        fee = fee.min(max);
    }
    let fee = fee.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero);
    Money::parse(&fee.normalize().to_string(), Currency::RUB).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::the_pages_sample(r#"[{"bound":0,"fixed":50.0,"rate":0.02}]"#, 1_000, Some(5_020))]
    #[case::free(r#"[{"bound":0,"rate":0}]"#, 1_000, Some(0))]
    #[case::at_least(r#"[{"bound":0,"rate":0.01,"min":30}]"#, 1_000, Some(3_000))]
    #[case::at_most(r#"[{"bound":0,"rate":0.5,"max":3}]"#, 1_000, Some(300))]
    #[case::last_that_is_reached(
        r#"[{"bound":0,"fixed":1},{"bound":10,"fixed":2},{"bound":11,"fixed":3}]"#,
        1_000,
        Some(200)
    )]
    #[case::none_is_reached(r#"[{"bound":100,"fixed":1}]"#, 1_000, None)]
    #[case::rounded(r#"[{"bound":0,"rate":0.005}]"#, 101, Some(1))]
    fn a_commission_is_computed_exactly(#[case] ranges: &str, #[case] minor: i64, #[case] fee: Option<i64>) {
        let ranges: Vec<Range> = serde_json::from_str(ranges).unwrap();
        let money = |minor| Money::from_minor(minor, Currency::RUB);
        assert_eq!(commission(&ranges, money(minor)), fee.map(money));
    }
}
