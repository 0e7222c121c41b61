//! Payments from the merchant's own form (§5.4 to §5.6): cards, stored cards, 3-D Secure.

use plugin_sdk::Secret;
use plugin_sdk::connector::{
    CardData, ConnectorError, Context, Customer, FinishOrder, Hold, HoldEnd, IssuedToken, NextAction, PaymentOrder,
    Report, State, StepKind, StoredCredential,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Call, segment};
use crate::bills::callback;
use crate::cheque::cheque;
use crate::config::{HoldEnds, Site};
use crate::connection::is_two_step;
use crate::kept::{Kept, Via};
use crate::options::PayinOptions;
use crate::reasons;
use crate::wire::{
    self, Amount, CardInfo, ChequeData, Flags, Method, Outcome, Status, Text, Token, amount, cut, owned, put,
};

/// §5.4: characters of a comment.
const COMMENT_MAX: usize = 255;
/// §4.6: characters of a card holder's name.
const HOLDER_MAX: usize = 26;

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Payment {
    pub payment_id: Option<Text>,
    pub bill_id: Option<Text>,
    pub created_date_time: Option<Text>,
    pub amount: Option<Amount>,
    pub captured_amount: Option<Amount>,
    pub refunded_amount: Option<Amount>,
    pub payment_method: Option<Method>,
    pub status: Option<Status>,
    pub requirements: Option<Requirements>,
    /// Notifications call it otherwise.
    #[serde(alias = "tokenData")]
    pub created_token: Option<Token>,
    pub payment_card_info: Option<CardInfo>,
    pub flags: Flags,
    pub custom_fields: Option<Marks>,
    pub cheque_data: Option<ChequeData>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Requirements {
    #[serde(rename = "threeDS")]
    pub three_ds: Option<ThreeDs>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ThreeDs {
    pub pareq: Option<Text>,
    pub acs_url: Option<Text>,
}

/// What the server adds to custom fields by itself (§4.5).
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Marks {
    auto_capture: Option<Text>,
}

impl Payment {
    pub fn is_one_step(&self) -> bool {
        let marked = self
            .custom_fields
            .as_ref()
            .and_then(|marks| marks.auto_capture.as_ref());
        wire::has_flag(&self.flags, "SALE") || marked.is_some_and(|marked| marked.as_str() == "true")
    }

    pub fn captured_minor(&self) -> i64 {
        wire::money(self.captured_amount.as_ref()).map_or(0, plugin_sdk::Money::minor)
    }
}

pub async fn by_card(
    site: &Site,
    context: &Context<'_>,
    order: &PaymentOrder,
    card: &CardData,
) -> Result<Report, ConnectorError> {
    if !site.config.card_data {
        return Err(ConnectorError::unsupported("cards from the merchant's form"));
    }
    let mut method = json!({
        "type": "CARD",
        "pan": card.pan.expose(),
        "expiryDate": format!("{:02}/{:02}", card.expiry_month, card.expiry_year % 100),
    });
    put(&mut method, "cvv2", card.cvv.as_ref().map(Secret::expose));
    put(
        &mut method,
        "holderName",
        card.holder.as_deref().map(|name| cut(name, HOLDER_MAX)),
    );
    put(
        &mut method,
        "cardTokenPaymentType",
        token_payment(order.stored_credential),
    );
    create(site, context, order, method).await
}

pub async fn by_token(
    site: &Site,
    context: &Context<'_>,
    order: &PaymentOrder,
    token: &Secret,
) -> Result<Report, ConnectorError> {
    if !site.config.tokens {
        return Err(ConnectorError::unsupported("stored cards"));
    }
    if order.customer.id.is_none() {
        return Err(ConnectorError::invalid(
            "customer.id: a stored card is paid with for its customer's id",
        ));
    }
    let mut method = json!({ "type": "TOKEN", "paymentToken": token.expose() });
    let by_whom = token_payment(order.stored_credential).filter(|by_whom| *by_whom != "FIRST_PAYMENT");
    put(&mut method, "cardTokenPaymentType", by_whom);
    create(site, context, order, method).await
}

const fn token_payment(credential: StoredCredential) -> Option<&'static str> {
    match credential {
        StoredCredential::None => None,
        StoredCredential::First => Some("FIRST_PAYMENT"),
        StoredCredential::ByCustomer => Some("INITIATED_BY_CLIENT"),
        StoredCredential::ByMerchant => Some("INITIATED_BY_MERCHANT"),
        StoredCredential::Recurring => Some("RECURRING_PAYMENT"),
        StoredCredential::Installment => Some("INSTALLMENT"),
    }
}

async fn create(
    site: &Site,
    context: &Context<'_>,
    order: &PaymentOrder,
    mut method: Value,
) -> Result<Report, ConnectorError> {
    let options = PayinOptions::of(&order.options)?;
    let callback = callback(site, order.notify_url.as_deref());
    if let Some(first) = &options.first_transaction {
        let first = json!({ "paymentId": first.payment_id, "trnId": first.trn_id });
        put(&mut method, "firstTransaction", Some(first));
    }
    let mut body = json!({ "amount": amount(order.amount)?, "paymentMethod": method });
    put(&mut body, "callbackUrl", callback.as_deref());
    put(
        &mut body,
        "comment",
        order.description.as_deref().map(|text| cut(text, COMMENT_MAX)),
    );
    put(&mut body, "flags", flags(order)?);
    let (customer, address) = customer(&order.customer);
    put(&mut body, "customer", with_address(customer, address));
    put(&mut body, "deviceData", device(order, &options));
    put(&mut body, "receiverData", options.receiver());
    put(&mut body, "customFields", options.custom_fields(None));
    put(&mut body, "cheque", order.receipt.as_ref().map(cheque).transpose()?);
    if !order.splits.is_empty() {
        put(
            &mut body,
            "paymentSplits",
            Some(wire::splits(&order.splits, order.amount)?),
        );
    }
    let path = format!("/payments/{}", segment(&order.payment.to_string()));
    let payment: Payment = Call::put(site, path, &body).ask(context).await?;
    let kept = Kept {
        via: Some(Via::Payment),
        two_step: Some(is_two_step(order)),
        callback,
        ..Kept::default()
    };
    told(report(site, &payment, &kept))
}

/// A no of QIWI's own side goes as an error, which lets the gateway try elsewhere; an issuer's no is a report, with the
/// card's facts.
fn told(report: Report) -> Result<Report, ConnectorError> {
    match report.state {
        State::Declined(decline) if decline.try_elsewhere => Err(ConnectorError::Declined(decline)),
        _ => Ok(report),
    }
}

/// §5.6. The page of 3-D Secure 1 posts `PaRes`, that of 3-D Secure 2 `cres`.
pub async fn finish(site: &Site, context: &Context<'_>, order: &FinishOrder) -> Result<Report, ConnectorError> {
    let named = |wanted: &str| {
        let found = order.posted.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    };
    let pares = named("PaRes").or_else(|| named("cres"));
    let pares =
        pares.ok_or_else(|| ConnectorError::invalid("posted: there is no PaRes; pass on what the page posted"))?;
    let id = order
        .payment
        .network_id
        .clone()
        .unwrap_or_else(|| order.payment.id.to_string());
    let body = json!({ "threeDS": { "pares": pares } });
    let path = format!("/payments/{}/complete", segment(&id));
    let payment: Payment = Call::post(site, path, &body).ask(context).await?;
    Ok(report(site, &payment, &Kept::of(&order.payment)))
}

/// §4.10. A token belongs to a customer.
pub fn flags(order: &PaymentOrder) -> Result<Option<Vec<&'static str>>, ConnectorError> {
    let mut flags = Vec::new();
    if !is_two_step(order) {
        flags.push("SALE");
    }
    if order.save_method {
        if order.customer.id.is_none() {
            return Err(ConnectorError::invalid(
                "customer.id: a card is stored for a customer's id",
            ));
        }
        flags.push("BIND_PAYMENT_TOKEN");
    }
    Ok((!flags.is_empty()).then_some(flags))
}

/// `customer` and `address` (§4.1, §4.2), where there is something to say.
pub fn customer(customer: &Customer) -> (Option<Value>, Option<Value>) {
    let mut who = json!({});
    put(&mut who, "account", customer.id.as_deref());
    put(&mut who, "email", customer.email.as_deref());
    put(&mut who, "phone", customer.phone.as_deref());
    let mut place = json!({});
    put(&mut place, "country", customer.country.as_deref());
    put(&mut place, "city", customer.city.as_deref());
    put(&mut place, "region", customer.region.as_deref());
    put(&mut place, "details", customer.address.as_deref());
    let said =
        |object: Value| Some(object).filter(|object| object.as_object().is_some_and(|object| !object.is_empty()));
    (said(who), said(place))
}

fn with_address(customer: Option<Value>, address: Option<Value>) -> Option<Value> {
    if customer.is_none() && address.is_none() {
        return None;
    }
    let mut customer = customer.unwrap_or_else(|| json!({}));
    put(&mut customer, "address", address);
    Some(customer)
}

fn device(order: &PaymentOrder, options: &PayinOptions) -> Option<Value> {
    let mut data = json!({});
    put(&mut data, "ip", order.customer.ip.map(|ip| ip.to_string()));
    put(&mut data, "userAgent", order.customer.user_agent.as_deref());
    if let Some(device) = &options.device {
        put(&mut data, "fingerprint", device.fingerprint.as_deref());
        put(&mut data, "screenResolution", device.screen_resolution.as_deref());
        put(&mut data, "timeOnPage", device.time_on_page);
        put(&mut data, "datetime", device.datetime.as_deref());
    }
    data.as_object().is_some_and(|data| !data.is_empty()).then_some(data)
}

/// A payment's own state: money that is held, or taken, or not.
pub fn report(site: &Site, payment: &Payment, kept: &Kept) -> Report {
    let mut kept = kept.clone();
    let two_step = *kept.two_step.get_or_insert(!payment.is_one_step());
    let status = payment.status.as_ref();
    let state = match wire::outcome(status) {
        // §5.4: COMPLETED means that the authorization succeeded.
        Outcome::Done if two_step => State::Authorized,
        Outcome::Done => State::Succeeded,
        Outcome::Refused => State::Declined(reasons::decline(status)),
        Outcome::Waiting | Outcome::Init | Outcome::Unknown => three_ds(payment).unwrap_or(State::Pending),
    };
    let mut report = Report::new(StepKind::Create, state);
    report.amount = wire::money(payment.amount.as_ref());
    report.network_id = owned(payment.payment_id.as_ref());
    report.at = wire::time(status.and_then(|status| status.changed_date_time.as_ref()));
    report.facts = wire::facts(
        payment.payment_method.as_ref(),
        payment.payment_card_info.as_ref(),
        payment.cheque_data.as_ref(),
    );
    if report.state == State::Authorized {
        report.hold = report.at.map(|at| Hold {
            until: at + site.hold_life,
            then: match site.config.hold_ends {
                HoldEnds::Captured => HoldEnd::Captured,
                HoldEnds::Released => HoldEnd::Released,
            },
        });
    }
    if !kept.token_told && wire::outcome(status) == Outcome::Done {
        report.token = payment.created_token.as_ref().and_then(issued);
        kept.token_told = report.token.is_some();
    }
    report.keep = Some(kept.value());
    report
}

pub fn issued(token: &Token) -> Option<IssuedToken> {
    Some(IssuedToken {
        token: Secret::new(owned(token.token.as_ref())?),
        customer: owned(token.account.as_ref()),
        masked_pan: owned(token.name.as_ref()),
        expires_at: wire::time(token.expired_date.as_ref()),
    })
}

fn three_ds(payment: &Payment) -> Option<State> {
    let wanted = payment.requirements.as_ref()?.three_ds.as_ref()?;
    Some(State::RequiresAction(NextAction::ThreeDSecure {
        acs_url: owned(wanted.acs_url.as_ref())?,
        pareq: owned(wanted.pareq.as_ref())?,
        md: owned(payment.payment_id.as_ref()),
    }))
}

pub async fn find(site: &Site, context: &Context<'_>, id: &str) -> Result<Option<Payment>, ConnectorError> {
    Call::get(site, format!("/payments/{}", segment(id)))
        .find(context)
        .await
}
