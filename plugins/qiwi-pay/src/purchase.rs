//! A payment's beginning: on the network's page (§4), or over the server API by card, stored card or phone (§5, §8).

use std::net::IpAddr;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use plugin_sdk::connector::{
    CaptureMode, CardData, ConnectorError, Context, Customer, DeviceWallet, Hold, HoldEnd, NetworkFault, NextAction,
    PaymentMethod, PaymentOrder, Report, State, StepKind,
};
use url::form_urlencoded;

use crate::answer::{Answer, TxnStatus, TxnType};
use crate::cheque::{self, Entrance};
use crate::config::PageBy;
use crate::connection::{Kept, QiwiPayConnection, is_repeat, read};
use crate::deal::Deal;
use crate::options::Options;
use crate::packing::pack;
use crate::parameters::{Opcode, Parameters, wrong};
use crate::{callback, errors, status};

/// §4, §5: longest URL, in characters.
pub const URL_MAX: usize = 256;
const PRODUCT_NAME_MAX: usize = 25;
const USER_AGENT_MAX: usize = 256;
/// §4, §5: longest token of a stored card.
pub const CARD_TOKEN_MAX: usize = 40;
pub const CARD_NAME_MAX: usize = 64;
/// Codes of countries have three letters here.
const COUNTRY_LENGTH: usize = 3;
/// §6.2: a hold is captured by itself after this.
const HOLD: Duration = Duration::hours(72);

pub async fn create(
    connection: &QiwiPayConnection,
    context: &Context<'_>,
    order: &PaymentOrder,
) -> Result<Report, ConnectorError> {
    let config = connection.config();
    let options = connection.options(&order.options);
    let options = options.map_err(|error| wrong(&error.key, error.message.clone()))?;
    let kept = Kept {
        deal: Deal::of(config.safe_deal, &order.splits, order.amount)?,
        save: order.save_method,
        customer: order.customer.id.clone().filter(|_| order.save_method),
        ..Kept::default()
    };
    let opcode = match order.capture {
        CaptureMode::Automatic => Opcode::Sale,
        CaptureMode::Manual if config.api => Opcode::Auth,
        CaptureMode::Manual => return Err(ConnectorError::unsupported("captures without the server API")),
    };
    let mut parameters = Parameters::new(opcode, config.merchant_site);
    let by_page = match &order.method {
        PaymentMethod::HostedPage { .. } => true,
        PaymentMethod::Token(token) => {
            parameters.put_within("card_token", Some(token.expose()), CARD_TOKEN_MAX)?;
            !config.api
        }
        _ => false,
    };
    put_order(connection, &mut parameters, order, &options)?;
    if let Some(deal) = &kept.deal {
        deal.put(&mut parameters, config.safe_deal_field)?;
    }
    if by_page {
        return on_page(connection, parameters, order, &options, kept);
    }
    put_method(&mut parameters, &order.method)?;
    put_device(&mut parameters, &order.customer);
    options.put_purchase(&mut parameters)?;
    cheque::put(&mut parameters, order.receipt.as_ref(), Entrance::Api)?;
    if is_repeat(context, &order.step)
        && let Some(known) = connection
            .created_before(context, order.payment, StepKind::Create)
            .await?
    {
        return Ok(Report {
            keep: kept.write(),
            ..known.of(order.step.operation)
        });
    }
    let response = connection.ask(context, &parameters).await?;
    let (answer, code) = read(&response)?;
    answered(&answer, code, order, &kept)
}

/// What the page and the server API both take.
fn put_order(
    connection: &QiwiPayConnection,
    parameters: &mut Parameters,
    order: &PaymentOrder,
    options: &Options,
) -> Result<(), ConnectorError> {
    parameters.put_amount(order.amount)?;
    parameters.put_currency(order.amount);
    // Unique at the network: a second purchase under it is refused while the first lives.
    parameters.put("order_id", order.payment.to_string());
    parameters.put_cut("product_name", order.description.as_deref(), PRODUCT_NAME_MAX);
    options.put_common(parameters);
    let customer = &order.customer;
    parameters.put_within("merchant_uid", customer.id.as_deref(), 64)?;
    parameters.put_within("email", customer.email.as_deref(), 64)?;
    parameters.put_within("city", customer.city.as_deref(), 64)?;
    parameters.put_within("address", customer.address.as_deref(), 64)?;
    parameters.put_within("region", customer.region.as_deref(), 6)?;
    let phone = customer.phone.as_deref().map(|phone| phone.trim_start_matches('+'));
    parameters.put_within("phone", phone, 15)?;
    let country = customer.country.as_deref();
    parameters.put(
        "country",
        country.filter(|code| code.len() == COUNTRY_LENGTH).unwrap_or_default(),
    );
    if let Some(until) = order.expires_at {
        parameters.put("order_expire", iso(until));
    }
    let notify = order.notify_url.as_deref();
    if let Some(url) = notify.and_then(|url| callback::url(connection, url, order.payment, order.save_method)) {
        parameters.put("callback_url", url);
    }
    Ok(())
}

fn put_method(parameters: &mut Parameters, method: &PaymentMethod) -> Result<(), ConnectorError> {
    match method {
        PaymentMethod::Card(card) => put_card(parameters, card),
        PaymentMethod::DeviceWallet { kind, payload } => {
            let name = match kind {
                DeviceWallet::ApplePay => "apple_pay_encoded_payment_token",
                DeviceWallet::GooglePay => "google_pay_encoded_payment_token",
                DeviceWallet::MirPay | DeviceWallet::YandexPay => {
                    return Err(ConnectorError::unsupported("payments by this phone wallet"));
                }
            };
            let packed = pack(payload.expose()).map_err(|error| wrong(name, error.to_string()))?;
            parameters.put(name, packed);
            Ok(())
        }
        PaymentMethod::Qr => Err(ConnectorError::unsupported("QR payments")),
        PaymentMethod::Token(_) | PaymentMethod::HostedPage { .. } => Ok(()),
    }
}

fn put_card(parameters: &mut Parameters, card: &CardData) -> Result<(), ConnectorError> {
    let pan = card.pan.expose();
    if !(13..=19).contains(&pan.len()) || !pan.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("pan", "must have 13 to 19 digits"));
    }
    parameters.put("pan", pan);
    parameters.put(
        "expiry",
        format!("{:02}{:02}", card.expiry_month, card.expiry_year % 100),
    );
    parameters.put(
        "cvv2",
        card.cvv.as_ref().map(plugin_sdk::Secret::expose).unwrap_or_default(),
    );
    parameters.put_within("card_name", card.holder.as_deref(), CARD_NAME_MAX)
}

fn put_device(parameters: &mut Parameters, customer: &Customer) {
    if let Some(IpAddr::V4(ip)) = customer.ip {
        parameters.put("ip", ip.to_string());
    }
    parameters.put_cut("user_agent", customer.user_agent.as_deref(), USER_AGENT_MAX);
}

/// Nothing is asked: the payer's browser carries the signed order to the page.
fn on_page(
    connection: &QiwiPayConnection,
    mut parameters: Parameters,
    order: &PaymentOrder,
    options: &Options,
    kept: Kept,
) -> Result<Report, ConnectorError> {
    let config = connection.config();
    parameters.put("modifiers", options.modifiers.as_deref().unwrap_or_default());
    parameters.put_within("success_url", order.success_url.as_deref(), URL_MAX)?;
    parameters.put_within("decline_url", order.failure_url.as_deref(), URL_MAX)?;
    cheque::put(&mut parameters, order.receipt.as_ref(), Entrance::Page)?;
    let fields = parameters.form(connection.secret());
    let url = config.page_url.clone();
    let action = match config.page_by {
        PageBy::Form => NextAction::PostForm { url, fields },
        PageBy::Link => {
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&fields)
                .finish();
            NextAction::Redirect {
                url: format!("{url}?{query}"),
            }
        }
    };
    let kept = Kept {
        on_page: true,
        expires_at: order.expires_at,
        ..kept
    };
    Ok(Report {
        keep: kept.write(),
        ..Report::new(StepKind::Create, State::RequiresAction(action)).of(order.step.operation)
    })
}

fn answered(answer: &Answer<'_>, code: i64, order: &PaymentOrder, kept: &Kept) -> Result<Report, ConnectorError> {
    let mut report = created(answer, code, StepKind::Create, order.amount)?.of(order.step.operation);
    if let State::Declined(decline) = &report.state
        && decline.try_elsewhere
    {
        return Err(ConnectorError::Declined(decline.clone()));
    }
    report.token = kept.token(answer);
    report.keep = kept.write();
    if kept.deal.as_ref().is_some_and(|deal| deal.wallet.is_some()) {
        // §10: after 5 days the server captures or cancels, and does not say which.
        report.hold = None;
    }
    Ok(report)
}

/// What an answer of the server API says of a purchase or a payout.
pub fn created(
    answer: &Answer<'_>,
    code: i64,
    kind: StepKind,
    asked: plugin_sdk::Money,
) -> Result<Report, ConnectorError> {
    let Some(txn_id) = answer.txn_id() else {
        return Err(match code {
            0 => ConnectorError::Uncertain(NetworkFault::new("the answer names no transaction")),
            code => errors::of_code(answer, code),
        });
    };
    let state = match answer.txn_status() {
        TxnStatus::Declined => State::Declined(errors::decline(answer, code)),
        _ if code != 0 => return Err(errors::of_code(answer, code)),
        TxnStatus::Init => waiting(answer),
        TxnStatus::Authorized => State::Authorized,
        TxnStatus::Completed => State::Succeeded,
        TxnStatus::Unknown => {
            let fault = NetworkFault::new("the answer's txn_status is not known");
            return Err(ConnectorError::Uncertain(fault));
        }
    };
    let hold = status::hold(&state, answer.at());
    // A hold that was captured already was held before; its capture is told beside it.
    let state = match (answer.txn_type(), state) {
        (TxnType::Auth, State::Succeeded) => State::Authorized,
        (_, state) => state,
    };
    Ok(Report {
        network_id: Some(txn_id),
        at: answer.at(),
        amount: answer.amount(Some(asked.currency())),
        facts: answer.facts(),
        hold,
        ..Report::new(kind, state)
    })
}

/// §5.2: `acs_url` is what tells that 3-D Secure is asked for.
fn waiting(answer: &Answer<'_>) -> State {
    match answer.text("acs_url").zip(answer.text("pareq")) {
        Some((acs_url, pareq)) => State::RequiresAction(NextAction::ThreeDSecure {
            acs_url: acs_url.into_owned(),
            pareq: pareq.into_owned(),
            md: answer.txn_id(),
        }),
        None => State::Pending,
    }
}

/// §6.2.
pub fn hold_until(at: DateTime<Utc>) -> Hold {
    Hold {
        until: at + HOLD,
        then: HoldEnd::Captured,
    }
}

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, false)
}
