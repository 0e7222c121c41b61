//! What is missing before a merchant goes live, and the checks that prove it.

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Admin;
use crate::api::problem::Problem;
use crate::office::golive::{CheckOptions, CheckResult, Checking, Checklist};

/// Longest text of a field, in bytes.
const TEXT_BYTES_MAX: usize = 200;

pub fn configure(config: &mut ServiceConfig) {
    config.service(get_checklist).service(run_checklist);
}

/// What is there, and what is missing until the merchant can go live.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(("merchant" = String, Path)),
    responses((status = 200, body = Checklist), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/checklist")]
pub async fn get_checklist(admin: Data<Admin>, path: Path<String>) -> Result<Json<Checklist>, Problem> {
    let merchant = admin.merchant(&path).await?;
    Ok(Json(admin.golive.checklist(&merchant).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecklistBody {
    /// An account that the rules accept.
    #[schema(example = "9123456789")]
    account: String,
    #[schema(example = "1.00")]
    amount: String,
    #[schema(example = "RUB")]
    currency: Option<String>,
    /// Whether the terminal pays, too: a payment like any other, with its webhook. Else it only asks.
    #[serde(default)]
    pay: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChecklistRun {
    /// Whether nothing failed.
    passed: bool,
    results: Vec<CheckResult>,
    checklist: Checklist,
}

/// Makes the checks: runs the tests of the published rules, asks (and pays) as a terminal at each connection that networks
/// call, shakes hands with each network that we call, and sends each active endpoint a test event.
#[utoipa::path(context_path = "/admin/v1", tag = "merchants", params(("merchant" = String, Path)),
    request_body = ChecklistBody,
    responses((status = 200, body = ChecklistRun), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/checklist/run")]
pub async fn run_checklist(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<ChecklistBody>,
) -> Result<Json<ChecklistRun>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let options = read(body.into_inner())?;
    let checking = Checking {
        golive: &admin.golive,
        rulebook: &admin.rulebook,
        upstream: &admin.upstream,
        front_door: admin.public_address.get().copied(),
        nudge: &|| admin.new_deliveries.notify_one(),
    };
    let results = checking.run(&merchant, &options).await?;
    Ok(Json(ChecklistRun {
        passed: results.iter().all(CheckResult::is_well),
        results,
        checklist: admin.golive.checklist(&merchant).await?,
    }))
}

fn read(body: ChecklistBody) -> Result<CheckOptions, Problem> {
    let texts = [
        ("account", Some(body.account.as_str())),
        ("amount", Some(body.amount.as_str())),
        ("currency", body.currency.as_deref()),
    ];
    for (field, text) in texts {
        // Whatever else is wrong is for the front door to say.
        if text.is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            let detail = format!("{field}: has at most {TEXT_BYTES_MAX} bytes");
            return Err(Problem::invalid(field, detail));
        }
    }
    Ok(CheckOptions {
        account: body.account,
        amount: body.amount,
        currency: body.currency,
        pay: body.pay,
    })
}
