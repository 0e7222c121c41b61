//! The admin REST, `/admin/v1`: everything that operators do.

pub mod api_keys;
pub mod audit;
pub(in crate::api) mod caller;
pub mod canary;
pub mod certificates;
pub mod connections;
pub mod decisions;
pub mod exports;
pub mod golive;
pub mod hosts;
pub mod ledger;
pub mod limits;
pub mod lists;
pub mod me;
pub mod merchants;
pub mod orders;
pub mod overview;
pub mod people;
pub(in crate::api) mod permits;
pub mod replays;
pub mod revisions;
pub mod rules;
pub mod search;
pub mod secrets;
pub mod session;
pub mod settlements;
pub mod shadow;
pub mod single_sign_on;
pub mod terminal_lab;
pub mod webhooks;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{ResponseError, web};
use chrono::{DateTime, Utc};
use plugin_sdk::Clock;
use serde::{Deserialize, Serialize};
use store::{Cursor, Merchant, NewAuditEntry, Page, Store};
use tokio::sync::{Notify, mpsc};
use utoipa::{IntoParams, ToSchema};

use crate::access::api_keys::ApiKeys;
use crate::access::bootstrap::BootstrapToken;
use crate::access::people::People;
use crate::access::single_sign_on::SingleSignOn;
use crate::api::deadline::bound_reads;
use crate::api::problem::Problem;
use crate::api::request_id::identify;
use crate::edge::certificates::CertificateDesk;
use crate::edge::guards::shedding::Class;
use crate::edge::guards::{Guards, shed_wait};
use crate::edge::outbound::Outbound;
use crate::edge::peer::Proxies;
use crate::edge::tls::Terminator;
use crate::edge::upstream_health::UpstreamHealth;
use crate::lists::{ImportJob, Imports, ListBook, Lists};
use crate::office::{ExportDesk, GoLive, Overviews};
use crate::payments::Hosts;
use crate::payments::orders::Orders;
use crate::rulebook::Rulebook;
use crate::tenancy::{Directory, Onboarding, TrafficBook};

/// What routes are called that read many rows.
const LISTS: [&str; 24] = [
    "api_keys",
    "attempts",
    "audit",
    "behaviour",
    "connections",
    "decisions",
    "deliveries",
    "entries",
    "events",
    "exchanges",
    "export",
    "exports",
    "file",
    "imports",
    "lists",
    "merchants",
    "overview",
    "payments",
    "replays",
    "revisions",
    "rows",
    "search",
    "settlements",
    "webhook-endpoints",
];
/// Longest text that is looked for, in bytes: no identifier is longer.
const SEARCH_BYTES_MAX: usize = 256;
/// Uploads are settlement files; they may take this long to arrive.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// What the handlers need; one for each node.
pub struct Admin {
    pub store: Store,
    pub onboarding: Onboarding,
    pub certificates: CertificateDesk,
    /// TLS of this node.
    pub terminator: Arc<Terminator>,
    /// The way to the networks that connections call.
    pub upstream: Outbound,
    pub lists: ListBook,
    pub imports: Imports,
    /// Announced imports go here to be worked on.
    pub import_queue: mpsc::Sender<ImportJob>,
    /// Lists as rules on this node ask them.
    pub lookups: Lists,
    pub rulebook: Rulebook,
    pub traffic: TrafficBook,
    pub guards: Guards,
    pub hosts: Hosts,
    pub directory: Directory,
    pub orders: Orders,
    pub health: UpstreamHealth,
    pub keys: ApiKeys,
    pub clock: Arc<dyn Clock>,
    pub new_deliveries: Arc<Notify>,
    pub bootstrap: Option<Arc<BootstrapToken>>,
    pub people: People,
    /// `None` where the settings name no OpenID provider.
    pub single_sign_on: Option<Arc<SingleSignOn>>,
    pub overviews: Overviews,
    pub golive: GoLive,
    pub exports: ExportDesk,
    pub proxies: Proxies,
    /// Where people reach the admin UI, without a slash at the end.
    pub url: String,
    /// Of the plain public listener, once it is open.
    pub public_address: Arc<OnceLock<SocketAddr>>,
    pub body_bytes_max: usize,
}

pub fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/admin/v1")
            .wrap(from_fn(shed))
            .wrap(from_fn(caller::admit))
            .wrap(from_fn(bound_reads))
            .wrap(from_fn(identify))
            .configure(session::configure)
            .configure(single_sign_on::configure)
            .configure(me::configure)
            .configure(people::configure)
            .configure(audit::configure)
            .configure(overview::configure)
            .configure(search::configure)
            .configure(merchants::configure)
            .configure(golive::configure)
            .configure(exports::configure)
            .configure(connections::configure)
            .configure(hosts::configure)
            .configure(api_keys::configure)
            .configure(certificates::configure)
            .configure(limits::configure)
            .configure(rules::configure)
            .configure(secrets::configure)
            .configure(revisions::configure)
            .configure(decisions::configure)
            .configure(replays::configure)
            .configure(shadow::configure)
            .configure(canary::configure)
            .configure(webhooks::configure)
            .configure(ledger::configure)
            .configure(orders::configure)
            .configure(terminal_lab::configure)
            .configure(settlements::configure)
            .configure(lists::configure)
            .default_service(web::route().to(nowhere)),
    );
}

async fn nowhere() -> Result<&'static str, Problem> {
    Err(Problem::not_found("this path"))
}

/// What people look at waits first when the node is behind.
async fn shed<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let guards = request.app_data::<Data<Admin>>().map(|admin| &admin.guards);
    let behind = is_list(&request) && guards.is_some_and(|guards| guards.shedding().sheds(Class::People));
    if behind {
        let response = Problem::overloaded(shed_wait()).error_response();
        return Ok(request.into_response(response).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// Whether a request reads many rows: an export, or a page of a list.
fn is_list(request: &ServiceRequest) -> bool {
    let last = request.path().rsplit('/').next().unwrap_or_default();
    request.method() == Method::GET && LISTS.contains(&last)
}

impl Admin {
    /// By slug or by id.
    pub async fn merchant(&self, name: &str) -> Result<Merchant, Problem> {
        let merchant = match name.parse() {
            Ok(id) => self.store.merchant(id).await?,
            Err(_) => self.store.merchant_by_slug(name).await?,
        };
        if merchant.status == store::MerchantStatus::Deleted {
            return Err(Problem::not_found("this merchant"));
        }
        Ok(merchant)
    }

    /// Adds to the audit trail what somebody did who is known by more than the request.
    async fn note_person(&self, email: &str, action: &str, subject: &str) {
        let entry = NewAuditEntry {
            merchant: None,
            actor: email.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            before: None,
            after: None,
        };
        if let Err(error) = self.store.add_audit(entry, self.clock.now()).await {
            tracing::error!(%error, actor = email, action, "it could not be added to the audit trail");
        }
    }
}

/// Where a page of a list starts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the page before; absent for the first page.
    pub cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 by default.
    pub limit: Option<u64>,
}

impl From<PageQuery> for Cursor {
    fn from(query: PageQuery) -> Self {
        Self::new(query.cursor, query.limit)
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub data: Vec<T>,
    /// `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

impl<T> List<T> {
    pub fn of<S>(page: Page<S>, view: impl Fn(S) -> T) -> Self {
        Self {
            data: page.items.into_iter().map(view).collect(),
            next: page.next,
        }
    }

    pub fn whole(data: Vec<T>) -> Self {
        Self { data, next: None }
    }
}

/// A list's status filter and the like, read from text by a function of the store.
pub fn read_filter<T>(
    field: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<T, store::StoreError>,
) -> Result<Option<T>, Problem> {
    text.map(|text| read(text).map_err(|_| Problem::invalid(field, format!("{field}: '{text}' is not known"))))
        .transpose()
}

/// A text that is looked for.
pub fn read_search(field: &str, text: Option<&str>) -> Result<(), Problem> {
    match text {
        Some(text) if text.len() > SEARCH_BYTES_MAX || text.chars().any(char::is_control) => {
            let detail = format!("{field}: has at most {SEARCH_BYTES_MAX} bytes, and none that cannot be seen");
            Err(Problem::invalid(field, detail))
        }
        _ => Ok(()),
    }
}

/// An id in a path. What is not an id of this kind names nothing.
pub fn read_id<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

pub fn now(admin: &Admin) -> DateTime<Utc> {
    admin.clock.now()
}
