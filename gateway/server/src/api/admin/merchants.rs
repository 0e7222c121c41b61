use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, delete, get, patch, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{Merchant, MerchantStatus};
use utoipa::ToSchema;

use super::caller::Caller;
use super::{Admin, List, PageQuery};
use crate::api::problem::Problem;
use crate::office::clone::Cloning;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_merchant)
        .service(list_merchants)
        .service(get_merchant)
        .service(change_merchant)
        .service(delete_merchant)
        .service(clone_merchant)
        .service(list_plugins);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MerchantView {
    #[schema(example = "mer_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    pub id: String,
    #[schema(example = "acme")]
    pub slug: String,
    pub name: String,
    pub status: StatusView,
    /// Number of the published rule revision.
    pub published_rules: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusView {
    Active,
    Suspended,
}

impl StatusView {
    pub fn of(status: MerchantStatus) -> Self {
        match status {
            MerchantStatus::Active => Self::Active,
            MerchantStatus::Suspended | MerchantStatus::Deleted => Self::Suspended,
        }
    }
}

impl From<StatusView> for MerchantStatus {
    fn from(view: StatusView) -> Self {
        match view {
            StatusView::Active => Self::Active,
            StatusView::Suspended => Self::Suspended,
        }
    }
}

impl From<Merchant> for MerchantView {
    fn from(merchant: Merchant) -> Self {
        Self {
            id: merchant.id.to_string(),
            slug: merchant.slug,
            name: merchant.name,
            status: StatusView::of(merchant.status),
            published_rules: merchant.published_rules,
            created_at: merchant.created_at,
            updated_at: merchant.updated_at,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMerchantBody {
    /// Name in URLs: lower-case letters, digits and hyphens.
    #[schema(example = "acme")]
    slug: String,
    #[schema(example = "Acme Telecom")]
    name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MerchantPatchBody {
    name: Option<String>,
    /// A suspended merchant takes no new payments; what was paid stays answered.
    status: Option<StatusView>,
}

/// Makes a merchant.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", request_body = NewMerchantBody,
    responses((status = 201, body = MerchantView), (status = "4XX", body = Problem)))]
#[post("/merchants")]
pub async fn create_merchant(admin: Data<Admin>, body: Json<NewMerchantBody>) -> Result<HttpResponse, Problem> {
    let NewMerchantBody { slug, name } = body.into_inner();
    let merchant = admin.onboarding.create_merchant(slug, name).await?;
    Ok(HttpResponse::Created().json(MerchantView::from(merchant)))
}

/// Merchants, newest first.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(PageQuery),
    responses((status = 200, body = List<MerchantView>), (status = "4XX", body = Problem)))]
#[get("/merchants")]
pub async fn list_merchants(admin: Data<Admin>, query: Query<PageQuery>) -> Result<Json<List<MerchantView>>, Problem> {
    let page = admin.store.merchants(&query.into_inner().into()).await?;
    Ok(Json(List::of(page, MerchantView::from)))
}

/// One merchant, by slug or id.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(("merchant" = String, Path)),
    responses((status = 200, body = MerchantView), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}")]
pub async fn get_merchant(admin: Data<Admin>, path: Path<String>) -> Result<Json<MerchantView>, Problem> {
    Ok(Json(admin.merchant(&path).await?.into()))
}

/// Renames, suspends or resumes a merchant.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(("merchant" = String, Path)),
    request_body = MerchantPatchBody,
    responses((status = 200, body = MerchantView), (status = "4XX", body = Problem)))]
#[patch("/merchants/{merchant}")]
pub async fn change_merchant(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<MerchantPatchBody>,
) -> Result<Json<MerchantView>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let MerchantPatchBody { name, status } = body.into_inner();
    let merchant = admin
        .onboarding
        .change_merchant(merchant.id, name, status.map(Into::into))
        .await?;
    Ok(Json(merchant.into()))
}

/// Deletes a merchant: its URLs stop answering, its slug is free again, its payments stay in the ledger.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(("merchant" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}")]
pub async fn delete_merchant(admin: Data<Admin>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin
        .onboarding
        .change_merchant(merchant.id, None, Some(MerchantStatus::Deleted))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes a merchant like this one: connections without their secrets and certificates (suspended), limits, rules as a draft,
/// webhook endpoints with new secrets (paused). No payments, lists, keys or people.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(("merchant" = String, Path)),
    request_body = NewMerchantBody,
    responses((status = 201, body = MerchantView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/clone")]
pub async fn clone_merchant(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<NewMerchantBody>,
) -> Result<HttpResponse, Problem> {
    let source = admin.merchant(&path).await?;
    let NewMerchantBody { slug, name } = body.into_inner();
    let cloning = Cloning {
        store: &admin.store,
        onboarding: &admin.onboarding,
        rulebook: &admin.rulebook,
        traffic: &admin.traffic,
        actor: caller.name(),
    };
    let merchant = cloning.run(&source, slug, name).await?;
    Ok(HttpResponse::Created().json(MerchantView::from(merchant)))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PluginView {
    #[schema(example = "terminal")]
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    /// JSON Schema of a connection's config.
    config_schema: serde_json::Value,
}

/// The networks that this build speaks.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    responses((status = 200, body = List<PluginView>), (status = "4XX", body = Problem)))]
#[get("/plugins")]
pub async fn list_plugins(admin: Data<Admin>) -> Json<List<PluginView>> {
    let views = admin.onboarding.plugins.iter().map(|plugin| {
        let manifest = plugin.manifest();
        PluginView {
            name: manifest.name,
            title: manifest.title,
            summary: manifest.summary,
            config_schema: manifest.config_schema.clone().to_value(),
        }
    });
    Json(List::whole(views.collect()))
}
