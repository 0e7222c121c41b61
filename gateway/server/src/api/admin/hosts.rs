//! Which host means a connection on the path that all share, `/payment`.

use actix_web::put;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Admin;
use super::connections::ConnectionView;
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config.service(set_host);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostBody {
    /// The name by which this connection's network calls `/payment`; null for none. A name means one connection.
    #[schema(example = "acme.pay.example.com")]
    host: Option<String>,
}

/// Sets by which host's name the connection is called on `/payment`. It says who is meant and proves nothing: subnets,
/// login and certificate of the connection are asked for as ever.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = HostBody,
    responses((status = 200, body = ConnectionView), (status = "4XX", body = Problem)))]
#[put("/merchants/{merchant}/connections/{connection}/host")]
pub async fn set_host(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<HostBody>,
) -> Result<Json<ConnectionView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let host = body.into_inner().host;
    let connection = admin.onboarding.set_host(merchant.id, &connection, host).await?;
    Ok(Json(ConnectionView::of(&merchant.slug, connection)))
}
