use actix_web::web::{Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, delete, get, post};
use chrono::{DateTime, Duration, Utc};
use plugin_sdk::ApiKeyId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::ApiKey;
use utoipa::{IntoParams, ToSchema};

use super::{Admin, List, now, read_id};
use crate::access::api_keys::{KeyError, shown_prefix};
use crate::api::problem::Problem;
use crate::edge::guards::strict::StrictAction;

/// A revoked key may work on for so long, in seconds (30 days).
const OVERLAP_S_MAX: u32 = 2_592_000;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(create_api_key)
        .service(list_api_keys)
        .service(rotate_api_key)
        .service(revoke_api_key);
}

/// A key of a merchant's systems.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    #[schema(example = "key_01JB2M7K3V4Q5R6S7T8V9WAXBY")]
    id: String,
    name: String,
    /// How the key starts.
    #[schema(example = "tg_01JB2M7K3V4Q5R6S7T8V9WAXBY_")]
    prefix: String,
    scopes: Vec<String>,
    /// The registered key in PEM, whose private half signs tokens; null for a key that is shown itself.
    public_key: Option<String>,
    /// Shown once: when the key is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl ApiKeyView {
    /// A new key, with its text.
    #[must_use]
    pub fn with_text((key, text): (ApiKey, SecretString)) -> Self {
        Self {
            key: Some(text.expose_secret().to_owned()),
            ..Self::of(key)
        }
    }

    #[must_use]
    pub fn of(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            prefix: shown_prefix(key.id),
            scopes: key.scopes,
            public_key: key.public_key,
            key: None,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            used_at: key.used_at,
            created_at: key.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKeyBody {
    name: String,
    /// What it may do: `payments:write`, `events:read`, or `*`.
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    /// A public key in PEM (RSA, P-256 or Ed25519): its owner signs JWTs with the private half instead of showing a key.
    public_key: Option<String>,
}

/// Makes a key for `/v1`. Its text is in this answer and nowhere else.
#[utoipa::path(context_path = "/admin/v1", tag = "API keys", params(("merchant" = String, Path)),
    request_body = NewApiKeyBody,
    responses((status = 201, body = ApiKeyView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/api_keys")]
pub async fn create_api_key(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<NewApiKeyBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    let body = body.into_inner();
    let subject = merchant.id.to_string();
    admin.guards.strict(StrictAction::KeyCreation, &subject).await?;
    let view = match body.public_key {
        Some(public_key) => {
            let registered = (admin.keys)
                .register(merchant.id, body.name, body.scopes, body.expires_at, public_key)
                .await?;
            ApiKeyView::of(registered)
        }
        None => {
            let made = (admin.keys)
                .create(merchant.id, body.name, body.scopes, body.expires_at)
                .await?;
            ApiKeyView::with_text(made)
        }
    };
    Ok(HttpResponse::Created().json(view))
}

#[utoipa::path(context_path = "/admin/v1", tag = "API keys", params(("merchant" = String, Path)),
    responses((status = 200, body = List<ApiKeyView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/api_keys")]
pub async fn list_api_keys(admin: Data<Admin>, path: Path<String>) -> Result<Json<List<ApiKeyView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let keys = admin.store.api_keys(merchant.id).await?;
    Ok(Json(List::whole(keys.into_iter().map(ApiKeyView::of).collect())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RevokeQuery {
    /// Let it work for so many seconds more, until its successor has taken over; 0 by default.
    overlap_s: Option<u32>,
}

/// Makes a successor with the same name and scopes; the key itself works on for `overlap_s`.
#[utoipa::path(context_path = "/admin/v1", tag = "API keys",
    params(("merchant" = String, Path), ("key" = String, Path), RevokeQuery),
    responses((status = 201, body = ApiKeyView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/api_keys/{key}/rotate")]
pub async fn rotate_api_key(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<RevokeQuery>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: ApiKeyId = read_id(&path.1, "this API key")?;
    let subject = merchant.id.to_string();
    admin.guards.strict(StrictAction::KeyCreation, &subject).await?;
    let made = admin.keys.rotate(merchant.id, id, query.overlap()?).await?;
    Ok(HttpResponse::Created().json(ApiKeyView::with_text(made)))
}

/// Revokes a key: it opens nothing within a second, on every node.
#[utoipa::path(context_path = "/admin/v1", tag = "API keys",
    params(("merchant" = String, Path), ("key" = String, Path), RevokeQuery),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/api_keys/{key}")]
pub async fn revoke_api_key(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    query: Query<RevokeQuery>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: ApiKeyId = read_id(&path.1, "this API key")?;
    let at = now(&admin) + query.overlap()?;
    admin.store.revoke_api_key(merchant.id, id, at).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl RevokeQuery {
    fn overlap(&self) -> Result<Duration, Problem> {
        let overlap = self.overlap_s.unwrap_or(0);
        if overlap > OVERLAP_S_MAX {
            return Err(Problem::invalid("overlap_s", format!("is at most {OVERLAP_S_MAX}")));
        }
        Ok(Duration::seconds(overlap.into()))
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Field { field, message } => Self::invalid(field, format!("{field}: {message}")),
            KeyError::Store(error) => error.into(),
            KeyError::Sealing(error) => Self::internal(error.to_string()),
        }
    }
}
