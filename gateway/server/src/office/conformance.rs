//! What goes wrong in the street, played one after the other at a terminal connection, and a report of it.

use chrono::{DateTime, Utc};
use plugin_sdk::Clock;
use serde::Serialize;
use utoipa::ToSchema;

use super::front_door::{FrontDoor, Heard, Unheard};
use crate::kiosk::{Command, Move};

/// An account that nobody has.
const UNKNOWN_ACCOUNT: &str = "000000000000";
/// The network asks again after so long.
const PATIENCE_MS: u64 = 60_000;

/// What an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Result 0.
    Accepted,
    /// The same answer as before, byte for byte.
    Same,
    /// A result that is not 0.
    Refused,
}

/// One case, as it went.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConformanceCase {
    /// `check`, `pay`, `repeat`, `other_amount`, `unknown`, `empty`, `negative` or `words`.
    #[schema(example = "repeat")]
    pub case: &'static str,
    pub expected: Expectation,
    pub passed: bool,
    /// The code in the answer; null when there was none.
    pub result: Option<i64>,
    pub status: u16,
    pub request: String,
    pub response: String,
    pub took_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConformanceReport {
    #[schema(example = "acme")]
    pub merchant: String,
    #[schema(example = "terminal")]
    pub connection: String,
    pub account: String,
    pub at: DateTime<Utc>,
    pub passed: usize,
    pub cases: Vec<ConformanceCase>,
    /// The longest answer took so long; a network gives up after 60,000 ms.
    pub slowest_ms: u64,
    pub in_time: bool,
}

/// A case, and what is wrong with its request.
type Spoiled = (&'static str, fn(&mut Move));

/// Plays at one connection.
pub struct Conformance<'a> {
    pub door: &'a FrontDoor,
    pub clock: &'a dyn Clock,
    pub account: &'a str,
    pub amount: &'a str,
}

impl Conformance<'_> {
    /// Makes one small payment, and tries to make it once more.
    pub async fn run(&self, merchant: &str, connection: &str) -> Result<ConformanceReport, Unheard> {
        let at = self.clock.now();
        let first = at.timestamp_millis();
        let mut cases = Vec::new();
        let accepted = |heard: &Heard| heard.result() == Some(0);
        let refused = |heard: &Heard| heard.result() != Some(0);

        let check = self.play(Command::Check, first, |_| {}).await?;
        cases.push(case("check", Expectation::Accepted, accepted(&check), &check));
        let pay = self.play(Command::Pay, first, |_| {}).await?;
        cases.push(case("pay", Expectation::Accepted, accepted(&pay), &pay));
        let again = self.play(Command::Pay, first, |_| {}).await?;
        cases.push(case("repeat", Expectation::Same, again.body == pay.body, &again));
        let other = self
            .play(Command::Pay, first, |asked| asked.sum = "2.00".to_owned())
            .await?;
        cases.push(case("other_amount", Expectation::Refused, refused(&other), &other));
        let wrong: [Spoiled; 4] = [
            ("unknown", |asked| asked.account = UNKNOWN_ACCOUNT.to_owned()),
            ("empty", |asked| asked.account.clear()),
            ("negative", |asked| asked.sum = "-1.00".to_owned()),
            ("words", |asked| asked.sum = "ten".to_owned()),
        ];
        for (at, (name, spoil)) in wrong.into_iter().enumerate() {
            let number = first + 1 + i64::try_from(at).unwrap_or(0);
            let answer = self.play(Command::Check, number, spoil).await?;
            cases.push(case(name, Expectation::Refused, refused(&answer), &answer));
        }
        let slowest_ms = cases.iter().map(|case| case.took_ms).max().unwrap_or(0);
        Ok(ConformanceReport {
            merchant: merchant.to_owned(),
            connection: connection.to_owned(),
            account: self.account.to_owned(),
            at,
            passed: cases.iter().filter(|case| case.passed).count(),
            cases,
            slowest_ms,
            in_time: slowest_ms < PATIENCE_MS,
        })
    }

    async fn play(&self, command: Command, txn_id: i64, spoil: impl FnOnce(&mut Move)) -> Result<Heard, Unheard> {
        let mut asked = Move {
            command,
            txn_id: Some(txn_id.to_string()),
            account: self.account.to_owned(),
            sum: self.amount.to_owned(),
            currency: Some("RUB".to_owned()),
            more: Vec::new(),
        };
        spoil(&mut asked);
        self.door.ask(&asked, self.clock.now()).await
    }
}

fn case(case: &'static str, expected: Expectation, passed: bool, heard: &Heard) -> ConformanceCase {
    ConformanceCase {
        case,
        expected,
        passed,
        result: heard.result(),
        status: heard.status,
        request: heard.url.clone(),
        response: heard.body.clone(),
        took_ms: heard.took_ms(),
    }
}
