//! The terminal lab: a request of a terminal by the gateway's own front door, through the same guards, rules and ledger as
//! one from the street. What is paid here is a payment like any other.

use actix_web::post;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::{Connection, Cursor, Merchant, PaymentFilter};
use utoipa::ToSchema;

use super::{Admin, now};
use crate::api::problem::Problem;
use crate::kiosk::{Command, Move};
use crate::office::conformance::{Conformance, ConformanceReport};
use crate::office::front_door::{FrontDoor, Unheard};

/// Longest text of a field, in bytes.
const TEXT_BYTES_MAX: usize = 200;

pub fn configure(config: &mut ServiceConfig) {
    config.service(play_terminal).service(run_conformance);
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
    let door = admin.front_door(&merchant, &connection, body.password)?;
    let heard = door.ask(&asked, now(&admin)).await.map_err(unheard)?;
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
            url: heard.url,
        },
        response: PlayedResponse {
            status: heard.status,
            body: heard.body,
        },
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
        check_length(field, text)?;
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConformanceBody {
    /// An account that the rules accept.
    #[schema(example = "9123456789")]
    account: String,
    /// Of the one payment that is made; 1.00 when absent.
    #[schema(example = "1.00")]
    amount: Option<String>,
    /// Of the connection's Basic login, if it has one.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

/// Plays what goes wrong in the street: repeats, another amount under the same number, unknown accounts, wrong data. Makes
/// one small payment.
#[utoipa::path(context_path = "/admin/v1", tag = "connections",
    params(("merchant" = String, Path), ("connection" = String, Path)), request_body = ConformanceBody,
    responses((status = 200, body = ConformanceReport), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/connections/{connection}/conformance")]
pub async fn run_conformance(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<ConformanceBody>,
) -> Result<Json<ConformanceReport>, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let connection = admin.onboarding.connection(merchant.id, &path.1).await?;
    let ConformanceBody {
        account,
        amount,
        password,
    } = body.into_inner();
    for (field, text) in [("account", Some(account.as_str())), ("amount", amount.as_deref())] {
        check_length(field, text)?;
    }
    let door = admin.front_door(&merchant, &connection, password)?;
    let conformance = Conformance {
        door: &door,
        clock: &*admin.clock,
        account: &account,
        amount: amount.as_deref().unwrap_or("1.00"),
    };
    let report = conformance.run(&merchant.slug, &connection.slug).await;
    report.map(Json).map_err(unheard)
}

/// Whatever else is wrong is for the front door to say.
fn check_length(field: &str, text: Option<&str>) -> Result<(), Problem> {
    match text {
        Some(text) if text.len() > TEXT_BYTES_MAX => {
            let detail = format!("{field}: has at most {TEXT_BYTES_MAX} bytes");
            Err(Problem::invalid(field, detail))
        }
        _ => Ok(()),
    }
}

fn unheard(error: Unheard) -> Problem {
    Problem::unavailable(error.to_string())
}

impl Admin {
    /// The door of a connection, where this node's plain listener is reached from this machine.
    fn front_door(
        &self,
        merchant: &Merchant,
        connection: &Connection,
        password: Option<SecretString>,
    ) -> Result<FrontDoor, Problem> {
        let address = self.public_address.get().copied();
        let address = address.ok_or_else(|| Problem::unavailable("the public listener is not open yet"))?;
        let login = connection.basic_login.clone().zip(password);
        FrontDoor::new(address, &merchant.slug, &connection.slug, login).map_err(unheard)
    }
}
