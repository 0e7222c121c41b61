//! What the notifications say (§11.3 to §11.8).

use serde_json::{Value, json};

use super::desk::Desk;
use super::model::{
    Check, CheckState, How, Payment, Payout, PayoutState, Split, State, Step, TOKEN_EXPIRES, add, splits,
};
use super::money::{Sum, two_decimals};
use super::site::Site;
use super::stamp;
use chrono::{DateTime, Utc};

fn status(state: &State, changed: DateTime<Utc>) -> Value {
    let mut status = json!({ "changedDateTime": stamp::date(changed) });
    let value = match state {
        State::Waiting => "WAITING",
        State::Completed => "SUCCESS",
        State::Declined { reason, ps_code } => {
            add(&mut status, "reasonCode", Some(reason.clone()));
            add(&mut status, "psErrorCode", ps_code.clone());
            "DECLINE"
        }
    };
    add(&mut status, "value", Some(value));
    status
}

fn method(payment: &Payment, test_mode: bool) -> Value {
    match &payment.how {
        How::Card { card, token } => {
            let mut method = json!({
                "type": if token.is_some() { "TOKEN" } else { "CARD" },
                "maskedPan": card.masked(),
                "cardHolder": card.holder,
                "cardExpireDate": format!("{}/{}", card.month, card.year),
            });
            add(&mut method, "paymentToken", token.clone());
            if payment.state == State::Completed {
                let (rrn, auth_code) = payment.references(test_mode);
                add(&mut method, "rrn", Some(rrn));
                add(&mut method, "authCode", Some(auth_code));
            }
            method
        }
        How::Sbp { phone, .. } => json!({ "type": "SBP", "phone": phone }),
    }
}

/// The account's address, unless the object says otherwise.
fn url_of(own: Option<&String>, site: &Site, else_of: Option<&String>) -> Option<String> {
    own.or(site.notification_url.as_ref()).or(else_of).cloned()
}

fn customer(payment: &Payment) -> Value {
    let mut flat = payment.customer.clone();
    if let Some(flat) = flat.as_object_mut() {
        flat.remove("address");
    }
    flat
}

pub fn payment(site: &Site, payment: &Payment, desk: &mut Desk) {
    let created = stamp::date(payment.created);
    let mut told = json!({
        "type": "PAYMENT",
        "paymentId": payment.id,
        "createdDateTime": created,
        "billId": payment.bill_id,
        "amount": payment.amount.in_notification(),
        "status": status(&payment.state, payment.changed),
        "paymentMethod": method(payment, site.switches.test_mode),
        "merchantSiteUid": site.id,
        "customer": customer(payment),
        "customFields": payment.custom,
        "flags": payment.flags.iter().filter(|flag| *flag == "SALE").collect::<Vec<_>>(),
    });
    add(&mut told, "paymentCardInfo", payment.card_info());
    if let How::Card { .. } = payment.how {
        let (rrn, auth_code) = payment.references(site.switches.test_mode);
        let gateway = json!({ "type": "ACQUIRING", "eci": "2", "authCode": auth_code, "rrn": rrn });
        add(&mut told, "gatewayData", Some(gateway));
    }
    if let How::Sbp { qr, .. } = &payment.how {
        add(&mut told, "qrCodeUid", Some(qr.clone()));
    }
    if let Some(token) = &payment.token {
        let token = json!({ "paymentToken": token.token, "expiredDate": TOKEN_EXPIRES });
        add(&mut told, "tokenData", Some(token));
    }
    add(&mut told, "chequeData", payment.cheque.map(super::model::cheque));
    add_splits(&mut told, "paymentSplits", &payment.splits, Sum::in_notification);
    let body = json!({ "payment": told, "type": "PAYMENT", "version": "1" });
    let amount = two_decimals(payment.amount.cents);
    let url = url_of(payment.callback.as_ref(), site, None);
    let signed = [payment.id.as_str(), &created, &amount];
    desk.outbox
        .add("PAYMENT", url, &site.notification_key, &signed, &body, desk.now);
}

fn add_splits(object: &mut Value, name: &str, items: &[Split], write: fn(&Sum) -> Value) {
    if !items.is_empty() {
        add(object, name, Some(splits(items, write)));
    }
}

/// CAPTURE and REFUND differ in names only.
pub fn step(site: &Site, payment: &Payment, step: &Step, is_capture: bool, desk: &mut Desk) {
    let (kind, object, id) = if is_capture {
        ("CAPTURE", "capture", "captureId")
    } else {
        ("REFUND", "refund", "refundId")
    };
    let created = stamp::date(step.created);
    let flags: &[&str] = if step.reversal { &["REVERSAL"] } else { &[] };
    let mut told = json!({
        "type": kind,
        "paymentId": payment.id,
        id: step.id,
        "createdDateTime": created,
        "billId": payment.bill_id,
        "amount": step.amount.in_notification(),
        "status": status(&step.state, step.changed),
        "paymentMethod": method(payment, site.switches.test_mode),
        "merchantSiteUid": site.id,
        "customer": customer(payment),
        "customFields": payment.custom,
        "flags": flags,
    });
    add_splits(&mut told, "refundSplits", &step.splits, Sum::in_notification);
    add(&mut told, "chequeData", step.cheque.map(super::model::cheque));
    let body = json!({ object: told, "type": kind, "version": "1" });
    let amount = two_decimals(step.amount.cents);
    let url = url_of(step.callback.as_ref(), site, payment.callback.as_ref());
    let signed = [step.id.as_str(), &created, &amount];
    desk.outbox
        .add(kind, url, &site.notification_key, &signed, &body, desk.now);
}

pub fn payout(site: &Site, payout: &Payout, desk: &mut Desk) {
    let created = stamp::date(payout.created);
    let value = match payout.state {
        PayoutState::Completed => "SUCCESS",
        other => other.as_str(),
    };
    let flags: &[&str] = if site.switches.test_mode { &["TEST"] } else { &[] };
    let mut told = json!({
        "type": "PAYOUT",
        "payoutId": payout.id,
        "createdDateTime": created,
        "amount": payout.amount.in_notification(),
        "status": { "value": value, "changedDateTime": stamp::date(payout.changed) },
        "receiverData": payout.receiver,
        "merchantSiteUid": site.id,
        "flags": flags,
    });
    // §11.8: amounts of these are texts.
    add_splits(&mut told, "payoutSplits", &payout.splits, Sum::in_answer);
    let body = json!({ "payout": told, "type": "PAYOUT", "version": "1" });
    let amount = two_decimals(payout.amount.cents);
    let url = url_of(payout.callback.as_ref(), site, None);
    let signed = [payout.id.as_str(), &created, &amount];
    desk.outbox
        .add("PAYOUT", url, &site.notification_key, &signed, &body, desk.now);
}

pub fn check(site: &Site, check: &Check, desk: &mut Desk) {
    let at = stamp::date(check.at);
    let mut told = json!({
        "requestUid": check.id,
        "status": if check.state == CheckState::Success { "SUCCESS" } else { "ERROR" },
        "isValidCard": check.valid,
        "threeDsStatus": check.with_three_ds,
        "checkOperationDate": at,
        "merchantSiteUid": site.id,
        "cardInfo": super::model::card_info(&check.card, "RUS"),
        "paymentMethod": {
            "type": "CARD",
            "maskedPan": check.card.masked(),
            "cardHolder": check.card.holder,
            "cardExpireDate": format!("{}/{}", check.card.month, check.card.year),
        },
    });
    add(
        &mut told,
        "createdToken",
        check.token.as_ref().map(super::model::StoredCard::json),
    );
    let body = json!({ "checkPaymentMethod": told, "type": "CHECK_CARD", "version": "1" });
    let url = site.notification_url.clone();
    desk.outbox.add(
        "CHECK_CARD",
        url,
        &site.notification_key,
        &[&check.id, &at],
        &body,
        desk.now,
    );
}

pub fn sbp_token(site: &Site, account: &str, token: &str, qr: &str, desk: &mut Desk) {
    let changed = stamp::date(desk.now);
    let body = json!({
        "token": {
            "status": { "value": "CREATED", "changedDateTime": changed },
            "merchantSiteUid": site.id,
            "account": account,
            "value": token,
            "expiredDate": TOKEN_EXPIRES,
            "bankMemberId": "100000000009",
            "tokenizationSource": { "type": "QR_CODE", "uid": qr },
        },
        "type": "TOKEN",
        "version": "1",
    });
    let signed = [site.id.as_str(), account, "CREATED", &changed];
    let url = site.notification_url.clone();
    desk.outbox
        .add("TOKEN", url, &site.notification_key, &signed, &body, desk.now);
}
