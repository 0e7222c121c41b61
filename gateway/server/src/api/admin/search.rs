//! Finds things by any identifier.

use std::collections::HashMap;

use actix_web::get;
use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use plugin_sdk::MerchantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Found, Merchant, Reach};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::{Admin, read_search};
use crate::api::problem::Problem;
use crate::events::payment_object;

/// Kinds of things, and what it takes to see them.
const KINDS: [(&str, &str); 10] = [
    ("merchant", "merchants:read"),
    ("payment", "payments:read"),
    ("connection", "connections:read"),
    ("event", "events:read"),
    ("delivery", "webhooks:read"),
    ("endpoint", "webhooks:read"),
    ("decision", "decisions:read"),
    ("settlement", "settlements:read"),
    ("api_key", "api_keys:read"),
    ("list", "lists:read"),
];

pub fn configure(config: &mut ServiceConfig) {
    config.service(search).service(search_merchant);
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    /// An id of ours, a network's id, an account, a number, an order, a bill; the beginning of a merchant's slug. But for
    /// slugs, the whole of it.
    q: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SearchView {
    /// One group for each kind of thing that was found, in a fixed order.
    groups: Vec<HitGroup>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HitGroup {
    /// `merchant`, `payment`, `connection`, `event`, `delivery`, `endpoint`, `decision`, `settlement`, `api_key` or `list`.
    kind: &'static str,
    /// At most ten.
    hits: Vec<Hit>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Hit {
    id: String,
    /// What people call it: a slug, a type, a name.
    name: String,
    /// Slug.
    merchant: String,
    merchant_name: String,
    /// The payment that it is about.
    payment_id: Option<String>,
    /// Of payments: as in the list of payments.
    #[schema(value_type = Option<Object>)]
    payment: Option<Value>,
}

/// Finds things in all merchants that the caller may see. Whatever the size of the ledger, only indexes are asked.
#[utoipa::path(context_path = "/admin/v1", tag = "overview", params(SearchQuery),
    responses((status = 200, body = SearchView), (status = "4XX", body = Problem)))]
#[get("/search")]
pub async fn search(
    admin: Data<Admin>,
    caller: Caller,
    query: Query<SearchQuery>,
) -> Result<Json<SearchView>, Problem> {
    let reach = match &caller {
        Caller::Token => Reach::Installation,
        Caller::Person(who) if who.operator_role().is_some() => Reach::Installation,
        Caller::Person(who) => Reach::Merchants(who.memberships.iter().map(|known| known.merchant_id).collect()),
        Caller::Key { .. } => Reach::Merchants(Vec::new()),
    };
    look(&admin, &caller, &reach, &query.q).await
}

/// Finds things of one merchant.
#[utoipa::path(context_path = "/admin/v1", tag = "overview", params(("merchant" = String, Path), SearchQuery),
    responses((status = 200, body = SearchView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/search")]
pub async fn search_merchant(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    query: Query<SearchQuery>,
) -> Result<Json<SearchView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    look(&admin, &caller, &Reach::Merchants(vec![merchant.id]), &query.q).await
}

async fn look(admin: &Admin, caller: &Caller, reach: &Reach, text: &str) -> Result<Json<SearchView>, Problem> {
    let text = text.trim();
    read_search("q", Some(text))?;
    if text.is_empty() {
        return Err(Problem::invalid("q", "q: says what is looked for"));
    }
    let payments = admin.store.payments_called(reach, text).await?;
    let things = admin.store.things_called(reach, text).await?;
    let called = admin.store.merchants_called(reach, text).await?;
    let mut ids: Vec<_> = payments.iter().map(|payment| payment.merchant_id).collect();
    ids.extend(things.iter().map(|found| found.merchant_id));
    ids.sort();
    ids.dedup();
    let known: HashMap<MerchantId, Merchant> = (admin.store.merchants_by_ids(&ids).await?.into_iter())
        .filter(|merchant| merchant.status != store::MerchantStatus::Deleted)
        .map(|merchant| (merchant.id, merchant))
        .collect();
    let mut hits: Vec<(&str, Hit)> = Vec::new();
    hits.extend(called.iter().map(|merchant| ("merchant", of_merchant(merchant))));
    hits.extend(payments.iter().filter_map(|payment| {
        let object = payment_object(payment);
        let hit = Hit {
            payment_id: Some(payment.id.to_string()),
            payment: Some(object),
            ..hit(
                known.get(&payment.merchant_id)?,
                payment.id.to_string(),
                payment.key.to_string(),
            )
        };
        Some(("payment", hit))
    }));
    hits.extend(things.into_iter().filter_map(|found| of_found(&known, found)));
    let groups = KINDS.iter().filter_map(|(kind, permission)| {
        let mine = |(of, hit): &(&str, Hit)| of == kind && caller.may(permission, &hit.merchant);
        let (kept, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut hits).into_iter().partition(mine);
        hits = rest;
        let hits: Vec<_> = kept.into_iter().map(|(_, hit)| hit).collect();
        (!hits.is_empty()).then_some(HitGroup { kind, hits })
    });
    Ok(Json(SearchView {
        groups: groups.collect(),
    }))
}

fn hit(merchant: &Merchant, id: String, name: String) -> Hit {
    Hit {
        id,
        name,
        merchant: merchant.slug.clone(),
        merchant_name: merchant.name.clone(),
        payment_id: None,
        payment: None,
    }
}

fn of_merchant(merchant: &Merchant) -> Hit {
    hit(merchant, merchant.id.to_string(), merchant.slug.clone())
}

fn of_found(known: &HashMap<MerchantId, Merchant>, found: Found) -> Option<(&'static str, Hit)> {
    let merchant = known.get(&found.merchant_id)?;
    let hit = Hit {
        payment_id: found.payment_id,
        ..hit(merchant, found.id, found.name)
    };
    Some((found.kind, hit))
}
