//! What became of our payments (§6.4): the history is searched for their numbers. One search serves all that ask within
//! a second, because the network counts searches (§14).

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::connector::{
    ConnectorError, Context, KnownStep, NetworkFault, Report, State, StatusQuestion, StepKind,
};
use tokio::sync::Mutex;

use crate::fault::{Said, decline};
use crate::network::{Ask, Network};
use crate::wire::{Page, Transaction, date, encoded};

/// A payment is searched from so long before its intent was stored, for the network's clock may be slow …
const BEFORE: Duration = Duration::minutes(5);
/// … until so long after it, when it was made if it ever was …
const AFTER: Duration = Duration::days(1);
/// … and at most until so long after now, for the network's clock may be fast.
const AHEAD: Duration = Duration::minutes(5);
/// What the history does not know after so long was never made.
const ABSENT_AFTER: Duration = Duration::minutes(10);
/// §5.1: the longest span of one search.
pub const SPAN_MAX: Duration = Duration::days(90);
/// A search serves every question that comes within this time.
const SHARED_FOR: Duration = Duration::seconds(1);
const ROWS: u16 = 50;
/// §4.1: what a list without rows is answered with.
const NOTHING_FOUND: &str = "payment.history.not.found";
/// Pages of one search: a thousand payments. What lies beyond is not known, rather than absent.
const PAGES_MAX: usize = 20;

/// The newest search of this wallet's payments. Its lock makes those who ask at the same time wait for one search.
#[derive(Default)]
pub struct LastSearch(Mutex<Option<Search>>);

struct Search {
    at: DateTime<Utc>,
    span: (DateTime<Utc>, DateTime<Utc>),
    found: Vec<Transaction>,
    /// Whether everything of the span was seen.
    is_complete: bool,
}

impl Search {
    fn serves(&self, span: (DateTime<Utc>, DateTime<Utc>), now: DateTime<Utc>, wanted: &[&KnownStep]) -> bool {
        let is_fresh = self.at <= now && now - self.at < SHARED_FOR;
        // A search until now sees all that there is, even if its end is a moment before that of the next one.
        let reaches = self.span.1 >= span.1 || self.span.1 == self.at + AHEAD;
        let covers = self.is_complete && self.span.0 <= span.0 && reaches;
        is_fresh && (covers || self.has_all(wanted))
    }

    /// By our number, or by the network's when it told one.
    fn find(&self, known: &KnownStep) -> Option<&Transaction> {
        let is_it = |transaction: &&Transaction| {
            let named = known.network_id.is_some() && transaction.txn_id.text() == known.network_id.as_deref();
            named || transaction.number() == Some(known.step.number)
        };
        self.found.iter().find(is_it)
    }

    fn has_all(&self, wanted: &[&KnownStep]) -> bool {
        wanted.iter().all(|known| self.find(known).is_some())
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
        let payouts = question.steps.iter().filter(|known| known.kind == StepKind::Payout);
        let wanted: Vec<&KnownStep> = payouts.collect();
        let times = || wanted.iter().map(|known| known.step.at);
        let (Some(first), Some(newest)) = (times().min(), times().max()) else {
            return Ok(Vec::new());
        };
        let from = first - BEFORE;
        let span = (from, (newest + AFTER).min(now + AHEAD).min(from + SPAN_MAX));
        let mut last = last.0.lock().await;
        if !last.as_ref().is_some_and(|search| search.serves(span, now, &wanted)) {
            *last = Some(self.search(context, span, &wanted).await?);
        }
        let Some(search) = last.as_ref() else {
            return Ok(Vec::new());
        };
        let mut reports = Vec::new();
        for known in wanted {
            match search.find(known) {
                Some(transaction) => reports.push(report(known, transaction)),
                None if known.is_final => {}
                None if !search.is_complete => reports.push(self.beyond(context, known).await?),
                None if now - known.step.at >= ABSENT_AFTER => {
                    reports.push(Report::new(StepKind::Payout, State::NotFound).of(known.step.operation));
                }
                // It may still be on its way: nothing is said, and the gateway asks again.
                None => {}
            }
        }
        Ok(reports)
    }

    async fn search(
        &self,
        context: &Context<'_>,
        span: (DateTime<Utc>, DateTime<Utc>),
        wanted: &[&KnownStep],
    ) -> Result<Search, ConnectorError> {
        let mut search = Search {
            at: context.clock.now(),
            span,
            found: Vec::new(),
            is_complete: false,
        };
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .payments_page(context, ROWS, "OUT", &[], Some(span), cursor)
                .await?;
            cursor = next_of(&page);
            // The window is not carried by the cursor (§15 D13).
            let older = page.data.iter().any(|item| item.at().is_some_and(|at| at < span.0));
            search.found.extend(page.data);
            if cursor.is_none() || older {
                search.is_complete = true;
                break;
            }
            if search.has_all(wanted) {
                break;
            }
        }
        Ok(search)
    }

    /// A payment that was not among so many: with a token it is asked for by the network's number (§5.4).
    async fn beyond(&self, context: &Context<'_>, known: &KnownStep) -> Result<Report, ConnectorError> {
        let number = known.network_id.as_deref().and_then(|id| id.parse::<u64>().ok());
        let Some(number) = number.filter(|_| !self.profile.is_cas()) else {
            return Err(ConnectorError::Unavailable(NetworkFault::new(
                "the wallet made too many payments that day for its history to be searched; look for it by hand",
            )));
        };
        let path = format!("/payment-history/v2/transactions/{number}?type=OUT");
        let transaction: Transaction = self.read_json(context, Ask::history(path), "transaction").await?;
        Ok(report(known, &transaction))
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
            404 if is_empty_list(&response.body) => Ok(Page::default()),
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

/// A page that somebody in between does not find says nothing of payments.
fn is_empty_list(body: &[u8]) -> bool {
    body.is_empty() || Said::read(body).code.as_deref() == Some(NOTHING_FOUND)
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
