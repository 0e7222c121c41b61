//! SBP, the fast payment system (§5.14, §5.15): a QR code that is paid in a bank's application, or with a stored account.
//! Always one step.

use chrono::{DateTime, Utc};
use plugin_sdk::Secret;
use plugin_sdk::connector::{
    ConnectorError, Context, Decline, DeclineReason, IssuedToken, NextAction, PaymentOrder, Report, State, StepKind,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Call, segment};
use crate::config::Site;
use crate::connection::is_two_step;
use crate::kept::{Kept, Via};
use crate::options::PayinOptions;
use crate::payments::issued;
use crate::wire::{self, Amount, Outcome, Status, Text, Token, amount, cut, owned, put};

/// §5.14: characters of the purposes, and of the address to return to.
const PURPOSE_MAX: usize = 140;
const REDIRECT_MAX: usize = 1_000;
/// Stored accounts are told from stored cards by this, within the gateway only.
const SBP_TOKEN: &str = "sbp:";

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Qr {
    pub amount: Option<Amount>,
    pub qr_code: Option<Code>,
    pub token: Option<Token>,
    pub payment: Option<Paid>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Code {
    payload: Option<Text>,
    status: Option<Text>,
    image: Option<Image>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Image {
    media_type: Option<Text>,
    content: Option<Text>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Paid {
    payment_uid: Option<Text>,
    payment_status: Option<Text>,
}

/// The stored account, if the token is one.
pub fn sbp_token(token: &Secret) -> Option<&str> {
    token.expose().strip_prefix(SBP_TOKEN)
}

pub async fn create(site: &Site, context: &Context<'_>, order: &PaymentOrder) -> Result<Report, ConnectorError> {
    if !site.config.sbp {
        return Err(ConnectorError::unsupported("SBP"));
    }
    if is_two_step(order) {
        return Err(ConnectorError::invalid(
            "capture: SBP takes the money at once; use automatic",
        ));
    }
    if order.receipt.is_some() {
        return Err(ConnectorError::invalid(
            "receipt: Payin makes receipts of card payments only",
        ));
    }
    if !order.splits.is_empty() {
        return Err(ConnectorError::invalid("splits: Payin splits card payments only"));
    }
    let body = request(site, order, context.clock.now())?;
    let qr: Qr = Call::put(site, path(&order.payment.to_string()), &body)
        .ask(context)
        .await?;
    Ok(report(&qr, &kept(), order.customer.id.as_deref()))
}

/// Shows the code to nobody: the stored account pays it.
pub async fn by_token(
    site: &Site,
    context: &Context<'_>,
    order: &PaymentOrder,
    token: &str,
) -> Result<Report, ConnectorError> {
    let account = order.customer.id.as_deref();
    let account = account.ok_or_else(|| ConnectorError::invalid("customer.id: a stored account belongs to one"))?;
    create(site, context, order).await?;
    let path = format!("{}/payments", path(&order.payment.to_string()));
    let body = json!({ "tokenizationAccount": account, "token": token });
    let qr: Qr = Call::post(site, path, &body).ask(context).await?;
    Ok(report(&qr, &kept(), Some(account)))
}

fn kept() -> Kept {
    Kept {
        via: Some(Via::Qr),
        two_step: Some(false),
        ..Kept::default()
    }
}

fn path(id: &str) -> String {
    format!("/sbp/qrCodes/{}", segment(id))
}

fn request(site: &Site, order: &PaymentOrder, now: DateTime<Utc>) -> Result<Value, ConnectorError> {
    let options = PayinOptions::of(&order.options)?;
    let mut code = json!({ "type": "DYNAMIC" });
    // Whole minutes, the started one included.
    let minutes = order.expires_at.map(|at| ((at - now).num_seconds() + 59) / 60);
    if minutes.is_some_and(|minutes| minutes < 1) {
        return Err(ConnectorError::invalid("expires_at: is over"));
    }
    put(&mut code, "ttl", minutes);
    if let Some(pixels) = site.config.qr_image_px {
        let image = json!({ "mediaType": "image/png", "width": pixels, "height": pixels });
        put(&mut code, "image", Some(image));
    }
    let mut body = json!({ "amount": amount(order.amount)?, "qrCode": code });
    put(
        &mut body,
        "paymentPurpose",
        order.description.as_deref().map(|text| cut(text, PURPOSE_MAX)),
    );
    let redirect = order
        .success_url
        .as_deref()
        .filter(|url| url.chars().count() <= REDIRECT_MAX);
    put(&mut body, "redirectUrl", redirect);
    if order.save_method {
        let account = order.customer.id.as_deref();
        let account = account.ok_or_else(|| ConnectorError::invalid("customer.id: an account is stored for one"))?;
        let purpose = options.tokenization_purpose.as_deref().or(order.description.as_deref());
        put(&mut body, "tokenizationAccount", Some(account));
        put(
            &mut body,
            "tokenizationPurpose",
            Some(cut(purpose.unwrap_or("Payments"), PURPOSE_MAX)),
        );
        put(&mut body, "flags", Some(vec!["CREATE_TOKEN"]));
    }
    Ok(body)
}

pub fn report(qr: &Qr, kept: &Kept, account: Option<&str>) -> Report {
    let mut kept = kept.clone();
    let code = qr.qr_code.clone().unwrap_or_default();
    let mut report = Report::new(StepKind::Create, state(qr, &code));
    report.amount = wire::money(qr.amount.as_ref());
    report.network_id = qr.payment.as_ref().and_then(|paid| owned(paid.payment_uid.as_ref()));
    report.facts.more.insert("method".to_owned(), "SBP".to_owned());
    if !kept.token_told && report.state == State::Succeeded {
        report.token = qr.token.as_ref().and_then(issued).map(|token| IssuedToken {
            token: Secret::new(format!("{SBP_TOKEN}{}", token.token.expose())),
            customer: token.customer.or_else(|| account.map(str::to_owned)),
            ..token
        });
        kept.token_told = report.token.is_some();
    }
    report.keep = Some(kept.value());
    report
}

fn state(qr: &Qr, code: &Code) -> State {
    match code.status.as_ref().map_or("", Text::as_str) {
        "PAYED" => {
            let paid = qr.payment.as_ref().and_then(|paid| paid.payment_status.clone());
            let status = Status {
                value: paid,
                ..Status::default()
            };
            match status.outcome() {
                Outcome::Waiting | Outcome::Init => State::Pending,
                _ => State::Succeeded,
            }
        }
        "DECLINED" => State::Declined(Decline {
            reason: DeclineReason::Other,
            code: Some("DECLINED".to_owned()),
            message: "SBP declined it".to_owned(),
            try_elsewhere: false,
        }),
        "EXPIRED" => State::Expired,
        "CREATED" => match owned(code.payload.as_ref()) {
            Some(payload) => State::RequiresAction(NextAction::ShowQr {
                payload,
                image: code.image.as_ref().and_then(picture),
            }),
            None => State::Pending,
        },
        // INIT_PAYMENT_BY_TOKEN, and words that are new.
        _ => State::Pending,
    }
}

fn picture(image: &Image) -> Option<String> {
    let kind = owned(image.media_type.as_ref()).unwrap_or_else(|| "image/png".to_owned());
    Some(format!("data:{kind};base64,{}", owned(image.content.as_ref())?))
}

pub async fn find(site: &Site, context: &Context<'_>, id: &str) -> Result<Option<Qr>, ConnectorError> {
    Call::get(site, path(id)).find(context).await
}
