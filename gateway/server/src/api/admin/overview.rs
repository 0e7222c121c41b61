//! How things are, at one merchant and in the whole installation.

use std::sync::Arc;

use actix_web::get;
use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use serde::Deserialize;
use store::Scope;
use utoipa::IntoParams;

use super::Admin;
use crate::api::problem::Problem;
use crate::office::overview::{Overview, SPAN_S, SPAN_S_MAX, SPAN_S_MIN};

pub fn configure(config: &mut ServiceConfig) {
    config.service(get_overview).service(get_merchant_overview);
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SpanQuery {
    /// How far it looks back, in seconds: 600 to 604800; a day when absent.
    span_s: Option<u32>,
}

impl SpanQuery {
    fn read(&self) -> Result<u32, Problem> {
        let span = self.span_s.unwrap_or(SPAN_S);
        if (SPAN_S_MIN..=SPAN_S_MAX).contains(&span) {
            return Ok(span);
        }
        Err(Problem::invalid(
            "span_s",
            format!("span_s: is from {SPAN_S_MIN} to {SPAN_S_MAX}"),
        ))
    }
}

/// How things are in the whole installation: figures, the merchants with most payments, and what needs somebody. An answer
/// may be two seconds old.
#[utoipa::path(context_path = "/admin/v1", tag = "overview", params(SpanQuery),
    responses((status = 200, body = Overview), (status = "4XX", body = Problem)))]
#[get("/overview")]
pub async fn get_overview(admin: Data<Admin>, query: Query<SpanQuery>) -> Result<Json<Arc<Overview>>, Problem> {
    Ok(Json(admin.overviews.of(Scope::Installation, query.read()?).await?))
}

/// How things are at a merchant: figures, its connections, and what needs somebody. An answer may be two seconds old.
#[utoipa::path(context_path = "/admin/v1", tag = "overview", params(("merchant" = String, Path), SpanQuery),
    responses((status = 200, body = Overview), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/overview")]
pub async fn get_merchant_overview(
    admin: Data<Admin>,
    path: Path<String>,
    query: Query<SpanQuery>,
) -> Result<Json<Arc<Overview>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    Ok(Json(
        admin.overviews.of(Scope::Merchant(merchant.id), query.read()?).await?,
    ))
}
