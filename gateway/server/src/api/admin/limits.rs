//! How much traffic merchants, their connections and API keys may bring, and what was refused to them.

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{get, put};
use chrono::{DateTime, Duration, Utc};
use plugin_sdk::{ApiKeyId, MerchantId};
use serde::{Deserialize, Serialize};
use store::{GuardRefusals, LimitSetter};
use utoipa::ToSchema;

use super::caller::Caller;
use super::{Admin, now, read_id};
use crate::api::problem::Problem;
use crate::edge::guards::gate::GateName;
use crate::tenancy::{RateWindow, Setting, Traffic, TrafficLimits, TrafficOf, TrafficSet};

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(get_usage)
        .service(get_merchant_limits)
        .service(set_merchant_limits)
        .service(get_connection_limits)
        .service(set_connection_limits)
        .service(get_key_limits)
        .service(set_key_limits)
        .service(lower_merchant_limits)
        .service(lower_connection_limits)
        .service(lower_key_limits)
        .service(get_status);
}

/// Limits of one merchant, connection or key.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrafficView {
    /// What the operator set; what is absent was not.
    set: TrafficLimits,
    /// What the merchant allows itself below that; its windows stand beside the operator's.
    own: TrafficLimits,
    /// What the operator gave: what was set, else what holds for all.
    granted: Traffic,
    /// What holds.
    effective: Traffic,
}

impl From<TrafficSet> for TrafficView {
    fn from(kept: TrafficSet) -> Self {
        Self {
            set: kept.set,
            own: kept.own,
            granted: kept.granted,
            effective: kept.effective,
        }
    }
}

/// What is absent is the installation's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficBody {
    /// Requests; all windows must have room. An empty list: no limit.
    rates: Option<Vec<RateWindow>>,
    /// Requests of one address (of one /64 for IPv6) to the merchant. Of merchants only.
    peer_rates: Option<Vec<RateWindow>>,
    /// Requests that are at work at once.
    in_flight: Option<u32>,
    /// TCP connections that are in use at once. Of merchants and connections only.
    sockets: Option<u32>,
    /// Set the limits even if they are below what the network itself opens.
    #[serde(default)]
    below_network_minimum: bool,
}

impl TrafficBody {
    fn limits(self) -> (TrafficLimits, bool) {
        let limits = TrafficLimits {
            rates: self.rates,
            peer_rates: self.peer_rates,
            in_flight: self.in_flight,
            sockets: self.sockets,
        };
        (limits, self.below_network_minimum)
    }
}

async fn view(admin: &Admin, merchant: MerchantId, of: &TrafficOf) -> Result<Json<TrafficView>, Problem> {
    Ok(Json(admin.traffic.get(merchant, of).await?.into()))
}

async fn set(
    admin: &Admin,
    merchant: MerchantId,
    of: &TrafficOf,
    body: TrafficBody,
    (setter, caller): (LimitSetter, &Caller),
) -> Result<Json<TrafficView>, Problem> {
    let (limits, below_network_minimum) = body.limits();
    let setting = Setting {
        setter,
        below_network_minimum,
        actor: caller.name(),
    };
    Ok(Json(admin.traffic.set(merchant, of, limits, setting).await?.into()))
}

/// The connection that a path names, with its merchant.
async fn connection_of(admin: &Admin, path: &(String, String)) -> Result<(MerchantId, TrafficOf), Problem> {
    let merchant = admin.merchant(&path.0).await?;
    Ok((merchant.id, admin.traffic.connection(merchant.id, &path.1).await?))
}

/// The API key that a path names, with its merchant.
async fn key_of(admin: &Admin, path: &(String, String)) -> Result<(MerchantId, TrafficOf), Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: ApiKeyId = read_id(&path.1, "this API key")?;
    Ok((merchant.id, admin.traffic.api_key(merchant.id, id).await?))
}

/// How much the merchant may bring.
#[utoipa::path(context_path = "/admin/v1", tag = "limits", params(("merchant" = String, Path)),
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/limits")]
pub async fn get_merchant_limits(admin: Data<Admin>, path: Path<String>) -> Result<Json<TrafficView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    view(&admin, merchant.id, &TrafficOf::Merchant).await
}

/// Replaces what the operator set for the merchant; all nodes go by it within a second.
#[utoipa::path(context_path = "/admin/v1", tag = "limits", params(("merchant" = String, Path)),
    request_body = TrafficBody,
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/limits")]
pub async fn set_merchant_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<TrafficBody>,
) -> Result<Json<TrafficView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let of = TrafficOf::Merchant;
    let operator = (LimitSetter::Operator, &caller);
    set(&admin, merchant.id, &of, body.into_inner(), operator).await
}

/// How much the connection's network may bring.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    params(("merchant" = String, Path), ("connection" = String, Path)),
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/connections/{connection}/limits")]
pub async fn get_connection_limits(
    admin: Data<Admin>,
    path: Path<(String, String)>,
) -> Result<Json<TrafficView>, Problem> {
    let (merchant, of) = connection_of(&admin, &path).await?;
    view(&admin, merchant, &of).await
}

/// Replaces what the operator set for the connection.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = TrafficBody,
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/connections/{connection}/limits")]
pub async fn set_connection_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<TrafficBody>,
) -> Result<Json<TrafficView>, Problem> {
    let (merchant, of) = connection_of(&admin, &path).await?;
    let operator = (LimitSetter::Operator, &caller);
    set(&admin, merchant, &of, body.into_inner(), operator).await
}

/// How much may come under the API key.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    params(("merchant" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/api_keys/{key}/limits")]
pub async fn get_key_limits(admin: Data<Admin>, path: Path<(String, String)>) -> Result<Json<TrafficView>, Problem> {
    let (merchant, of) = key_of(&admin, &path).await?;
    view(&admin, merchant, &of).await
}

/// Replaces what the operator set for the API key.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    params(("merchant" = String, Path), ("key" = String, Path)), request_body = TrafficBody,
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/api_keys/{key}/limits")]
pub async fn set_key_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<TrafficBody>,
) -> Result<Json<TrafficView>, Problem> {
    let (merchant, of) = key_of(&admin, &path).await?;
    let operator = (LimitSetter::Operator, &caller);
    set(&admin, merchant, &of, body.into_inner(), operator).await
}

/// Replaces what the merchant allows itself below what the operator gave; never more.
#[utoipa::path(context_path = "/admin/v1", tag = "limits", params(("merchant" = String, Path)),
    request_body = TrafficBody,
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/limits/own")]
pub async fn lower_merchant_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<TrafficBody>,
) -> Result<Json<TrafficView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let of = TrafficOf::Merchant;
    let own = (LimitSetter::Merchant, &caller);
    set(&admin, merchant.id, &of, body.into_inner(), own).await
}

/// The same of a connection.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = TrafficBody,
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/connections/{connection}/limits/own")]
pub async fn lower_connection_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<TrafficBody>,
) -> Result<Json<TrafficView>, Problem> {
    let (merchant, of) = connection_of(&admin, &path).await?;
    let own = (LimitSetter::Merchant, &caller);
    set(&admin, merchant, &of, body.into_inner(), own).await
}

/// The same of an API key.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    params(("merchant" = String, Path), ("key" = String, Path)), request_body = TrafficBody,
    responses((status = 200, body = TrafficView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/api_keys/{key}/limits/own")]
pub async fn lower_key_limits(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<TrafficBody>,
) -> Result<Json<TrafficView>, Problem> {
    let (merchant, of) = key_of(&admin, &path).await?;
    let own = (LimitSetter::Merchant, &caller);
    set(&admin, merchant, &of, body.into_inner(), own).await
}

/// What of the caps is in use, and what was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    merchant: GatesView,
    connections: Vec<NamedGatesView>,
    /// What was refused, by whose limit it was and why, the most refused first.
    refused: Vec<RefusedView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct GatesView {
    in_flight: GateView,
    sockets: GateView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NamedGatesView {
    #[schema(example = "terminal")]
    connection: String,
    #[serde(flatten)]
    gates: GatesView,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct GateView {
    /// In use on the node that answers.
    in_use: u32,
    /// What all nodes together hold, a little more than is in use; null when nodes do not share Redis.
    held_by_all_nodes: Option<u32>,
    cap: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedView {
    /// `merchant`, `connection`, `api_key`, `peer` (one address) or `node` (overload).
    level: String,
    /// Name of the connection or id of the key; empty for the merchant itself.
    subject: String,
    /// `rate`, `in_flight`, `sockets`, `shed`, `address`, `login` or `login_busy`.
    reason: String,
    last_hour: i64,
    last_day: i64,
    /// In which minute it was refused last.
    last_at: DateTime<Utc>,
}

fn gate(admin: &Admin, name: GateName, cap: u32) -> GateView {
    let used = admin.guards.usage(name);
    GateView {
        in_use: used.taken,
        held_by_all_nodes: used.held_by_all,
        cap,
    }
}

/// How much of the merchant's caps is in use, and what guards refused in the last hour and day.
#[utoipa::path(context_path = "/admin/v1", tag = "limits", params(("merchant" = String, Path)),
    responses((status = 200, body = UsageView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/limits/usage")]
pub async fn get_usage(admin: Data<Admin>, path: Path<String>) -> Result<Json<UsageView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let own = admin.traffic.get(merchant.id, &TrafficOf::Merchant).await?.effective;
    let mut connections = Vec::new();
    for row in admin.store.connections(merchant.id).await? {
        let of = TrafficOf::Connection {
            id: row.id,
            slug: row.slug.clone(),
            plugin: row.plugin,
        };
        let traffic = admin.traffic.get(merchant.id, &of).await?.effective;
        connections.push(NamedGatesView {
            connection: row.slug,
            gates: GatesView {
                in_flight: gate(&admin, GateName::ConnectionAtWork(row.id), traffic.in_flight),
                sockets: gate(&admin, GateName::ConnectionSockets(row.id), traffic.sockets),
            },
        });
    }
    let at = now(&admin);
    let day = admin.guards.refused_since(merchant.id, at - Duration::days(1)).await?;
    let hour = admin.guards.refused_since(merchant.id, at - Duration::hours(1)).await?;
    Ok(Json(UsageView {
        merchant: GatesView {
            in_flight: gate(&admin, GateName::MerchantAtWork(merchant.id), own.in_flight),
            sockets: gate(&admin, GateName::MerchantSockets(merchant.id), own.sockets),
        },
        connections,
        refused: refused(day, &hour),
    }))
}

fn refused(day: Vec<GuardRefusals>, hour: &[GuardRefusals]) -> Vec<RefusedView> {
    let in_hour = |of: &GuardRefusals| {
        let same = |other: &&GuardRefusals| {
            (&other.level, &other.subject, &other.reason) == (&of.level, &of.subject, &of.reason)
        };
        hour.iter().find(same).map_or(0, |same| same.count)
    };
    let mut views: Vec<_> = day
        .into_iter()
        .map(|of| RefusedView {
            last_hour: in_hour(&of),
            last_day: of.count,
            last_at: DateTime::from_timestamp(of.minute.saturating_mul(60), 0).unwrap_or_default(),
            level: of.level,
            subject: of.subject,
            reason: of.reason,
        })
        .collect();
    views.sort_by_key(|view| std::cmp::Reverse(view.last_day));
    views
}

/// How the node that answers is.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeStatusView {
    /// What people should know; empty when all is well.
    banners: Vec<Banner>,
    /// Nodes that are alive; null without Redis.
    nodes: Option<u32>,
    /// `together` (all nodes count), `alone` (each its share, while Redis is away) or `node` (no Redis).
    #[schema(example = "together")]
    rates: &'static str,
    /// Classes of requests that are refused because the node is behind.
    shedding: Vec<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Banner {
    /// Stable; programs decide by it: `redis_away`, `overloaded`.
    code: &'static str,
    message: String,
}

/// How the node that answers is: banners for the admin UI, and what they are about.
#[utoipa::path(context_path = "/admin/v1", tag = "limits",
    responses((status = 200, body = NodeStatusView), (status = "4XX", body = Problem)))]
#[get("/status")]
pub async fn get_status(admin: Data<Admin>) -> Json<NodeStatusView> {
    let (together, shedding) = (admin.guards.together(), admin.guards.shedding().shed_now());
    let mut banners = Vec::new();
    if together == Some(false) {
        banners.push(Banner {
            code: "redis_away",
            message: "Redis is away: each node counts rates and caps on its own, and nobody may log in or make keys \
                      and certificates"
                .to_owned(),
        });
    }
    if !shedding.is_empty() {
        banners.push(Banner {
            code: "overloaded",
            message: format!("this node is behind with its work and refuses: {}", shedding.join(", ")),
        });
    }
    Json(NodeStatusView {
        banners,
        nodes: admin.guards.nodes(),
        rates: match together {
            Some(true) => "together",
            Some(false) => "alone",
            None => "node",
        },
        shedding,
    })
}
