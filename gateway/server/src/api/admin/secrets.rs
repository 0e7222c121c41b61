use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, put};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::{RuleSecret, RuleSecretForm};
use utoipa::ToSchema;

use super::Admin;
use super::caller::Caller;
use crate::api::problem::Problem;
use crate::rulebook::SecretDraft;

pub fn configure(config: &mut ServiceConfig) {
    config.service(list_secrets).service(set_secret).service(remove_secret);
}

/// How a secret stands in its header.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretForm {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: Basic …`; the secret is `login:password`.
    Basic,
    /// As it is, in a header of your choice.
    Plain,
}

impl From<SecretForm> for RuleSecretForm {
    fn from(form: SecretForm) -> Self {
        match form {
            SecretForm::Bearer => Self::Bearer,
            SecretForm::Basic => Self::Basic,
            SecretForm::Plain => Self::Plain,
        }
    }
}

impl From<RuleSecretForm> for SecretForm {
    fn from(form: RuleSecretForm) -> Self {
        match form {
            RuleSecretForm::Bearer => Self::Bearer,
            RuleSecretForm::Basic => Self::Basic,
            RuleSecretForm::Plain => Self::Plain,
        }
    }
}

/// A secret that rules name by `credential`. What it is, is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretView {
    name: String,
    form: SecretForm,
    /// The header that carries it.
    header: String,
    /// The only hosts that it is sent to.
    hosts: Vec<String>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl From<RuleSecret> for SecretView {
    fn from(secret: RuleSecret) -> Self {
        Self {
            name: secret.name,
            form: secret.form.into(),
            header: secret.header,
            hosts: secret.hosts,
            created_at: secret.created_at,
            changed_at: secret.changed_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SecretList {
    data: Vec<SecretView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretBody {
    /// The secret, at most 4096 visible ASCII characters; `login:password` for the form `basic`. Never shown again.
    #[schema(value_type = String, write_only)]
    value: SecretString,
    form: SecretForm,
    /// The header, for the form `plain`.
    header: Option<String>,
    /// Among the hosts that the merchant's rules may call. Sent over TLS only, unless `http://` stands before the host.
    hosts: Vec<String>,
}

/// The secrets that the merchant's rules may name.
#[utoipa::path(context_path = "/admin/v1", tag = "rules", params(("merchant" = String, Path)),
    responses((status = 200, body = SecretList), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/rules/secrets")]
pub async fn list_secrets(admin: Data<Admin>, path: Path<String>) -> Result<Json<SecretList>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let secrets = admin.rulebook.secrets(merchant.id).await?;
    Ok(Json(SecretList {
        data: secrets.into_iter().map(Into::into).collect(),
    }))
}

/// Makes a secret, or replaces all of it.
#[utoipa::path(context_path = "/admin/v1", tag = "rules",
    params(("merchant" = String, Path), ("name" = String, Path)),
    request_body = SecretBody,
    responses((status = 200, body = SecretView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/rules/secrets/{name}")]
pub async fn set_secret(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
    body: Json<SecretBody>,
) -> Result<Json<SecretView>, Problem> {
    let (merchant, name) = path.into_inner();
    let merchant = admin.merchant(&merchant).await?;
    let body = body.into_inner();
    let draft = SecretDraft {
        name,
        form: body.form.into(),
        header: body.header,
        hosts: body.hosts,
        value: body.value,
    };
    let kept = admin.rulebook.set_secret(merchant.id, draft, caller.name()).await?;
    Ok(Json(kept.into()))
}

/// Forgets a secret. Rules that name it fail from then on.
#[utoipa::path(context_path = "/admin/v1", tag = "rules",
    params(("merchant" = String, Path), ("name" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/rules/secrets/{name}")]
pub async fn remove_secret(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (merchant, name) = path.into_inner();
    let merchant = admin.merchant(&merchant).await?;
    admin.rulebook.remove_secret(merchant.id, &name, caller.name()).await?;
    Ok(HttpResponse::NoContent().finish())
}
