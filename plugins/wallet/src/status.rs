//! What became of our payments (§6.4): the history is searched for their numbers. One search serves all that ask within
//! a second, because the network counts searches (§14).

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::connector::{
    ConnectorError, Context, KnownStep, NetworkFault, Report, State, StatusQuestion, StepKind,
};
use tokio::sync::Mutex;

use crate::fault::decline;
use crate::network::{Ask, Network};
use crate::wire::{Page, Transaction, date, encoded};

/// A payment is searched from so long before its intent was stored, for the network's clock may be slow …
const BEFORE: Duration = Duration::minutes(5);
/// … and until so long after now, for it may be fast.
const AHEAD: Duration = Duration::minutes(5);
/// What the history does not know after so long was never made.
const ABSENT_AFTER: Duration = Duration::minutes(10);
/// §5.1: the longest span of one search.
pub const SPAN_MAX: Duration = Duration::days(90);
/// A search serves every question that comes within this time.
const SHARED_FOR: Duration = Duration::seconds(1);
const ROWS: u16 = 50;
/// Pages of one search: a thousand payments. What lies beyond is not known, rather than absent.
const PAGES_MAX: usize = 20;

/// The newest search of this wallet's payments. Its lock makes those who ask at the same time wait for one search.
#[derive(Default)]
pub struct LastSearch(Mutex<Option<Search>>);

struct Search {
    at: DateTime<Utc>,
    from: DateTime<Utc>,
    found: Vec<Transaction>,
    /// Whether everything since `from` was seen.
    is_complete: bool,
}

impl Search {
    fn serves(&self, from: DateTime<Utc>, now: DateTime<Utc>, wanted: &[u64]) -> bool {
        let is_fresh = self.at <= now && now - self.at < SHARED_FOR;
        is_fresh && (self.is_complete && self.from <= from || wanted.iter().all(|number| self.find(*number).is_some()))
    }

    fn find(&self, number: u64) -> Option<&Transaction> {
        self.found.iter().find(|known| known.number() == Some(number))
    }
}

impl Network {
    pub async fn ask_status(
        &self,
        context: &Context<'_>,
        last: &LastSearch,
        question: &StatusQuestion,
    ) -> Result<Vec<Report>, ConnectorError> {
        let now = context.clock.now();
        let payouts = || question.steps.iter().filter(|known| known.kind == StepKind::Payout);
        let Some(from) = payouts().map(|known| known.step.at - BEFORE).min() else {
            return Ok(Vec::new());
        };
        let wanted: Vec<u64> = payouts().map(|known| known.step.number).collect();
        let mut last = last.0.lock().await;
        if !last.as_ref().is_some_and(|search| search.serves(from, now, &wanted)) {
            *last = Some(self.search(context, from, &wanted).await?);
        }
        let Some(search) = last.as_ref() else {
            return Ok(Vec::new());
        };
        let mut reports = Vec::new();
        let mut lost = false;
        for known in payouts() {
            match search.find(known.step.number) {
                Some(transaction) => reports.push(report(known, transaction)),
                None if known.is_final => {}
                None if !search.is_complete => lost = true,
                None if now - known.step.at >= ABSENT_AFTER => {
                    reports.push(Report::new(StepKind::Payout, State::NotFound).of(known.step.operation));
                }
                // It may still be on its way: nothing is said, and the gateway asks again.
                None => {}
            }
        }
        if reports.is_empty() && lost {
            return Err(ConnectorError::Unavailable(NetworkFault::new(
                "the wallet has too many payments since then for its history to be searched; look for it by hand",
            )));
        }
        Ok(reports)
    }

    async fn search(
        &self,
        context: &Context<'_>,
        from: DateTime<Utc>,
        wanted: &[u64],
    ) -> Result<Search, ConnectorError> {
        let at = context.clock.now();
        let until = (at + AHEAD).min(from + SPAN_MAX);
        let mut search = Search {
            at,
            from,
            found: Vec::new(),
            is_complete: false,
        };
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .payments_page(context, ROWS, "OUT", &[], Some((from, until)), cursor)
                .await?;
            cursor = next_of(&page);
            // The window is not carried by the cursor (§15 D13).
            let older = page.data.iter().any(|item| item.at().is_some_and(|at| at < from));
            search.found.extend(page.data);
            if cursor.is_none() || older {
                search.is_complete = true;
                break;
            }
            if wanted.iter().all(|number| search.find(*number).is_some()) {
                break;
            }
        }
        Ok(search)
    }

    /// One page of §5.1. A list that the network does not find is empty (D14).
    pub async fn payments_page(
        &self,
        context: &Context<'_>,
        rows: u16,
        operation: &str,
        sources: &[String],
        span: Option<(DateTime<Utc>, DateTime<Utc>)>,
        cursor: Option<(String, String)>,
    ) -> Result<Page, ConnectorError> {
        let mut path = format!("{}/payments?rows={rows}&operation={operation}", self.history_base());
        for (index, source) in sources.iter().enumerate() {
            path.push_str(&format!("&sources%5B{index}%5D={}", encoded(source)));
        }
        if let Some((from, until)) = span {
            path.push_str(&format!("&startDate={}&endDate={}", date(from), date(until)));
        }
        if let Some((id, at)) = cursor {
            path.push_str(&format!("&nextTxnId={}&nextTxnDate={}", encoded(&id), encoded(&at)));
        }
        let response = self
            .edge(context, &Ask::history(path), |failure| crate::fault::unasked(&failure))
            .await?;
        match response.status {
            404 => Ok(Page::default()),
            200..=299 => serde_json::from_slice(&response.body).map_err(|_| crate::fault::unreadable("history")),
            _ => Err(crate::fault::of_question(&response)),
        }
    }

    /// §5.1: history and statistics of this wallet, in the dialect's version.
    pub fn history_base(&self) -> String {
        let version = if self.profile.is_cas() { "v1" } else { "v2" };
        format!("/payment-history/{version}/persons/{}", self.profile.wallet)
    }
}

/// Where the next page begins.
pub fn next_of(page: &Page) -> Option<(String, String)> {
    Some((page.next_txn_id.told()?, page.next_txn_date.told()?))
}

fn report(known: &KnownStep, transaction: &Transaction) -> Report {
    let mut report = Report::new(StepKind::Payout, state(transaction)).of(known.step.operation);
    report.network_id = transaction.txn_id.told();
    report.amount = transaction.sum.as_ref().and_then(crate::wire::Amount::money);
    report.at = transaction.at();
    let fee = transaction.commission.as_ref().and_then(crate::wire::Amount::money);
    if let Some(fee) = fee {
        report.facts.more.insert("fee".to_owned(), fee.to_string());
    }
    report
}

/// §8, §9.1. A word that nobody knows is not an end.
pub fn state(transaction: &Transaction) -> State {
    match transaction.status.or_empty() {
        "SUCCESS" => State::Succeeded,
        "ERROR" => {
            let code = transaction.error_code.told();
            let number = code.as_deref().and_then(|code| code.parse().ok());
            let text = transaction.error.told().or_else(|| transaction.status_text.told());
            State::Declined(decline(number, code, text))
        }
        _ => State::Pending,
    }
}
