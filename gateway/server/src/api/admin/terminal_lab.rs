//! The terminal lab: a request of a terminal by the gateway's own front door, through the same guards, rules and ledger as
//! one from the street. What is paid here is a payment like any other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use actix_web::post;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::{Cursor, PaymentFilter};
use url::Url;
use utoipa::ToSchema;

use super::{Admin, now};
use crate::api::problem::Problem;
use crate::kiosk::{Command, Move};

/// A network waits so long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest text of a field, in bytes.
const TEXT_BYTES_MAX: usize = 200;

pub fn configure(config: &mut ServiceConfig) {
    config.service(play_terminal);
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabCommand {
    Info,
    Check,
    Pay,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabBody {
    command: LabCommand,
    /// The network's id of the payment; drawn from the clock when absent.
    txn_id: Option<String>,
    #[schema(example = "9123456789")]
    account: String,
    #[schema(example = "100.00")]
    amount: String,
    #[schema(example = "RUB")]
    currency: Option<String>,
    /// The service, where a connection has several.
    service: Option<String>,
    /// Of the connection's Basic login, if it has one.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PlayedRequest {
    method: &'static str,
    url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PlayedResponse {
    status: u16,
    body: String,
}

/// What went over the wire, both ways.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlayedView {
    request: PlayedRequest,
    response: PlayedResponse,
    /// The payment that the network's id means in the ledger, if there is one.
    payment_id: Option<String>,
}

/// Plays a terminal. The connection must let this machine's own address in; with TLS or certificates alone it does not.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = LabBody,
    responses((status = 200, body = PlayedView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/terminal-lab")]
pub async fn play_terminal(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<LabBody>,
) -> Result<Json<PlayedView>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let body = body.into_inner();
    let asked = asked(&body, now(&admin).timestamp_millis())?;
    let mut url = admin.front_door()?;
    url.set_path(&format!("/in/{}/{}", merchant.slug, connection.slug));
    url.query_pairs_mut().extend_pairs(asked.parameters(now(&admin)));
    let mut call = client()?.get(url.clone());
    if let (Some(login), Some(password)) = (&connection.basic_login, &body.password) {
        call = call.basic_auth(login, Some(password.expose_secret()));
    }
    let unheard = |error: reqwest::Error| Problem::unavailable(format!("the front door did not answer: {error}"));
    let answer = call.send().await.map_err(unheard)?;
    let response = PlayedResponse {
        status: answer.status().as_u16(),
        body: answer.text().await.map_err(unheard)?,
    };
    let known = PaymentFilter {
        connection_id: Some(connection.id),
        search: asked.txn_id,
        ..PaymentFilter::default()
    };
    let known = admin
        .store
        .payments(merchant.id, &known, &Cursor::new(None, Some(1)))
        .await?;
    Ok(Json(PlayedView {
        request: PlayedRequest {
            method: "GET",
            url: url.to_string(),
        },
        response,
        payment_id: known.items.first().map(|payment| payment.id.to_string()),
    }))
}

fn asked(body: &LabBody, clock: i64) -> Result<Move, Problem> {
    let given = [
        ("txn_id", body.txn_id.as_deref()),
        ("account", Some(body.account.as_str())),
        ("amount", Some(body.amount.as_str())),
        ("currency", body.currency.as_deref()),
        ("service", body.service.as_deref()),
    ];
    for (field, text) in given {
        // Whatever else is wrong is for the front door to say.
        if text.is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(Problem::invalid(
                field,
                format!("{field}: has at most {TEXT_BYTES_MAX} bytes"),
            ));
        }
    }
    Ok(Move {
        command: match body.command {
            LabCommand::Info => Command::Info,
            LabCommand::Check => Command::Check,
            LabCommand::Pay => Command::Pay,
        },
        txn_id: Some(body.txn_id.clone().unwrap_or_else(|| clock.to_string())),
        account: body.account.clone(),
        sum: body.amount.clone(),
        currency: body.currency.clone(),
        more: body
            .service
            .iter()
            .map(|service| ("service".to_owned(), service.clone()))
            .collect(),
    })
}

fn client() -> Result<reqwest::Client, Problem> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
    client.map_err(|error| Problem::internal(error.to_string()))
}

impl Admin {
    /// Where this node's plain listener is reached from this machine.
    pub(super) fn front_door(&self) -> Result<Url, Problem> {
        let address = self.public_address.get().copied();
        let address = address.ok_or_else(|| Problem::unavailable("the public listener is not open yet"))?;
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let url = format!("http://{}/", SocketAddr::new(ip, address.port()));
        Url::parse(&url).map_err(|error| Problem::internal(error.to_string()))
    }
}
