//! How things are: figures of a span of time, and what needs somebody. Summed up from the newest rows by the store; kept for
//! a moment, since many people look at the same page.

mod certificates;
mod figures;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration as Time;

use chrono::{DateTime, Duration, Utc};
use moka::sync::Cache;
use plugin_sdk::{Clock, MerchantId};
use serde::Serialize;
use store::{Backlog, COUNTED_MAX, RefusalSum, Scope, Store, StoreError, TrafficSpan, TrafficSum};
use utoipa::ToSchema;

pub use certificates::EndingCertificate;
pub use figures::{AnswerTimes, Figures, Series, Sum};

/// Spans that may be asked for, in seconds, and the one when nobody says.
pub const SPAN_S_MIN: u32 = 600;
pub const SPAN_S_MAX: u32 = 7 * 86_400;
pub const SPAN_S: u32 = 86_400;
/// Pieces of a span in the chart.
const PIECES: i32 = 48;
/// The same hours, a week before.
const A_WEEK: Duration = Duration::days(7);
/// An answer serves all who ask within this time.
const KEPT: Time = Time::from_secs(2);
const KEPT_MAX: u64 = 1_000;
/// Owners (connections, or merchants) that are told one by one, those with most payments first.
const OWNERS_MAX: usize = 50;
/// Endpoints that are told one by one, those with the longest wait first.
const ENDPOINTS_TOLD: usize = 20;

/// How things are at a merchant, or in the whole installation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// Whether all payments of the span are counted. If not, those since `counted_from` are.
    complete: bool,
    counted_from: DateTime<Utc>,
    #[serde(flatten)]
    figures: Figures,
    /// The same span a week before.
    week_before: Figures,
    answer_times: Option<AnswerTimes>,
    series: Series,
    /// Of each connection; over the whole installation, of each merchant.
    owners: Vec<OwnerView>,
    webhooks: WebhookView,
    in_doubt: DoubtView,
    /// What guards refused in the span.
    refused: Vec<RefusalView>,
    /// Published rules that fail.
    rule_troubles: Vec<RuleTroubleView>,
    /// Certificates that end within 30 days.
    certificates: Vec<EndingCertificate>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OwnerView {
    id: String,
    #[schema(example = "terminal")]
    slug: String,
    name: String,
    /// `active`, `suspended` or `deleted`.
    status: &'static str,
    #[serde(flatten)]
    figures: Figures,
    answer_times: Option<AnswerTimes>,
    /// Payments of each piece of the series, and how many of them were refused.
    payments_by_piece: Vec<u64>,
    refused_by_piece: Vec<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookView {
    /// Deliveries that wait; of each endpoint at most a thousand are counted.
    waiting: u64,
    /// Age of the one that has waited longest, in seconds; 0 when nothing waits.
    lag_s: i64,
    /// Endpoints that something waits for, the longest wait first.
    endpoints: Vec<BacklogView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BacklogView {
    id: String,
    merchant: String,
    url: String,
    #[schema(example = "active")]
    status: String,
    waiting: u64,
    oldest: DateTime<Utc>,
    /// The most that one of them was tried.
    attempts: i32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DoubtView {
    /// Of all times, not of the span; at most a thousand are counted.
    payments: u64,
    oldest: Option<DateTime<Utc>>,
    /// Merchants with payments in doubt.
    merchants: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalView {
    merchant: String,
    /// `merchant`, `connection`, `api_key`, `peer` or `node`.
    level: String,
    /// `rate`, `in_flight`, `sockets`, `shed`, `address`, `login` or `login_busy`.
    reason: String,
    count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RuleTroubleView {
    merchant: String,
    revision: i32,
    failures: u64,
    message: String,
    last_at: DateTime<Utc>,
}

/// Slug, name and status of connections or merchants.
type Names = HashMap<String, (String, String, &'static str)>;

#[derive(Clone)]
pub struct Overviews {
    store: Store,
    clock: Arc<dyn Clock>,
    kept: Cache<(Scope, u32), Arc<Overview>>,
}

impl Overviews {
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            kept: Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT).build(),
        }
    }

    pub async fn of(&self, scope: Scope, span_s: u32) -> Result<Arc<Overview>, StoreError> {
        let key = (scope, span_s);
        if let Some(kept) = self.kept.get(&key) {
            return Ok(kept);
        }
        let made = Arc::new(self.look(scope, span_s).await?);
        self.kept.insert(key, Arc::clone(&made));
        Ok(made)
    }

    async fn look(&self, scope: Scope, span_s: u32) -> Result<Overview, StoreError> {
        let until = self.clock.now();
        let length = Duration::seconds(i64::from(span_s));
        let from = until - length;
        let piece = length / PIECES;
        let span = TrafficSpan { from, until, piece };
        let sums = self.store.traffic(scope, span).await?;
        let before = TrafficSpan {
            from: from - A_WEEK,
            until: until - A_WEEK,
            piece: length,
        };
        let before = self.store.traffic(scope, before).await?;
        let times = self.store.answer_times(scope, from).await?;
        let backlogs = self.store.backlogs(scope).await?;
        let doubts = self.store.doubts(scope).await?;
        let refusals = self.store.refusals(scope, from.timestamp().div_euclid(60)).await?;
        let troubles = self.store.published_troubles(scope).await?;
        let certificates = certificates::ending(&self.store, scope, until).await?;

        let mut merchants: HashSet<MerchantId> = backlogs.iter().map(|backlog| backlog.merchant_id).collect();
        merchants.extend(doubts.iter().map(|doubt| doubt.merchant_id));
        merchants.extend(refusals.iter().map(|refusal| refusal.merchant_id));
        merchants.extend(troubles.iter().map(|trouble| trouble.merchant_id));
        merchants.extend(certificates.iter().filter_map(|ending| ending.merchant_id));
        let owners = match scope {
            Scope::Merchant(merchant) => self.connections(merchant).await?,
            Scope::Installation => {
                merchants.extend(sums.iter().filter_map(|sum| sum.owner.parse::<MerchantId>().ok()));
                HashMap::new()
            }
        };
        let merchants = self.merchants(merchants).await?;
        let slug = |id: MerchantId| {
            let known = merchants.get(&id.to_string());
            known.map_or_else(|| id.to_string(), |(slug, ..)| slug.clone())
        };
        let names = match scope {
            Scope::Merchant(_) => &owners,
            Scope::Installation => &merchants,
        };
        let counted: u64 = sums.iter().map(|sum| sum.payments).sum();
        let complete = counted < COUNTED_MAX;
        let oldest = sums.iter().map(|sum| sum.oldest).min().unwrap_or(from);
        Ok(Overview {
            from,
            until,
            complete,
            counted_from: if complete { from } else { oldest },
            figures: Figures::of(&sums),
            week_before: Figures::of(&before),
            answer_times: AnswerTimes::of(times.iter().map(|(_, duration)| *duration)),
            series: Series::of(&sums, span, pieces()),
            owners: owners_of(&sums, &times, names),
            webhooks: webhooks(backlogs, until, slug),
            in_doubt: DoubtView {
                payments: doubts.iter().map(|doubt| doubt.count).sum(),
                oldest: doubts.iter().map(|doubt| doubt.oldest).min(),
                merchants: doubts
                    .iter()
                    .take(OWNERS_MAX)
                    .map(|doubt| slug(doubt.merchant_id))
                    .collect(),
            },
            refused: refused(refusals, slug),
            rule_troubles: (troubles.into_iter())
                .map(|trouble| RuleTroubleView {
                    merchant: slug(trouble.merchant_id),
                    revision: trouble.revision,
                    failures: trouble.failures,
                    message: trouble.message,
                    last_at: trouble.last_at,
                })
                .collect(),
            certificates: (certificates.into_iter())
                .map(|ending| EndingCertificate {
                    merchant: ending.merchant_id.map(slug),
                    ..ending
                })
                .collect(),
        })
    }

    async fn connections(&self, merchant: MerchantId) -> Result<Names, StoreError> {
        let connections = self.store.connections(merchant).await?;
        let names = connections.into_iter().map(|connection| {
            let name = (connection.slug.clone(), connection.slug, connection.status.as_str());
            (connection.id.to_string(), name)
        });
        Ok(names.collect())
    }

    async fn merchants(&self, ids: HashSet<MerchantId>) -> Result<Names, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<_> = ids.into_iter().collect();
        let merchants = self.store.merchants_by_ids(&ids).await?;
        let names = merchants.into_iter().map(|merchant| {
            (
                merchant.id.to_string(),
                (merchant.slug, merchant.name, merchant.status.as_str()),
            )
        });
        Ok(names.collect())
    }
}

fn pieces() -> usize {
    usize::try_from(PIECES).unwrap_or(1)
}

/// Those with most payments first; connections without any stand at the end, so that they are seen to be quiet.
fn owners_of(sums: &[TrafficSum], times: &[(Option<String>, i64)], names: &Names) -> Vec<OwnerView> {
    let mut ids: HashSet<&str> = names.keys().map(String::as_str).collect();
    ids.extend(sums.iter().map(|sum| sum.owner.as_str()));
    let mut owners: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let own: Vec<_> = sums.iter().filter(|sum| sum.owner == id).cloned().collect();
            let answered = times.iter().filter(|(owner, _)| owner.as_deref() == Some(id));
            let (slug, name, status) = names
                .get(id)
                .cloned()
                .unwrap_or_else(|| (id.to_owned(), id.to_owned(), "deleted"));
            OwnerView {
                id: id.to_owned(),
                slug,
                name,
                status,
                figures: Figures::of(&own),
                answer_times: AnswerTimes::of(answered.map(|(_, duration)| *duration)),
                payments_by_piece: figures::by_piece(&own, pieces(), |_| true),
                refused_by_piece: figures::by_piece(&own, pieces(), figures::is_refused),
            }
        })
        .collect();
    owners.sort_by(|a, b| {
        b.figures
            .payments
            .cmp(&a.figures.payments)
            .then_with(|| a.slug.cmp(&b.slug))
    });
    owners.truncate(OWNERS_MAX);
    owners
}

fn webhooks(mut backlogs: Vec<Backlog>, now: DateTime<Utc>, slug: impl Fn(MerchantId) -> String) -> WebhookView {
    backlogs.sort_by_key(|backlog| backlog.oldest);
    let oldest = backlogs.first().map(|backlog| backlog.oldest);
    WebhookView {
        waiting: backlogs.iter().map(|backlog| backlog.waiting).sum(),
        lag_s: oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0)),
        endpoints: (backlogs.into_iter().take(ENDPOINTS_TOLD))
            .map(|backlog| BacklogView {
                id: backlog.endpoint_id.to_string(),
                merchant: slug(backlog.merchant_id),
                url: backlog.url,
                status: backlog.status,
                waiting: backlog.waiting,
                oldest: backlog.oldest,
                attempts: backlog.attempts,
            })
            .collect(),
    }
}

fn refused(refusals: Vec<RefusalSum>, slug: impl Fn(MerchantId) -> String) -> Vec<RefusalView> {
    let mut views: Vec<_> = refusals
        .into_iter()
        .map(|refusal| RefusalView {
            merchant: slug(refusal.merchant_id),
            level: refusal.level,
            reason: refusal.reason,
            count: refusal.count,
        })
        .collect();
    views.sort_by_key(|view| std::cmp::Reverse(view.count));
    views.truncate(OWNERS_MAX);
    views
}
