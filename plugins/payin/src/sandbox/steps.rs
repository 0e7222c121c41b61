//! Captures (§5.7, §5.8), refunds and reversals (§5.9 to §5.12).

use chrono::Duration;
use serde_json::Value;

use super::desk::Desk;
use super::input::Input;
use super::json::Node;
use super::model::{Payment, State, Step};
use super::notices;
use super::refusal::{Refusal, invalid};
use super::site::{Site, Switches};

const CAPTURED: Refusal = Refusal::WrongCall("Successful capture already done for this payment");

/// Works on one payment of the site; it is put back whatever comes of it.
fn with_payment<T>(
    site: &mut Site,
    id: &str,
    work: impl FnOnce(&mut Site, &mut Payment) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut payment = site.payments.take(id).ok_or(Refusal::NotFound)?;
    let done = work(site, &mut payment);
    site.payments.insert(payment);
    done
}

pub fn capture(
    site: &mut Site,
    desk: &mut Desk,
    (payment, capture): (&str, &str),
    body: &Node,
    raw: &[u8],
) -> Result<Value, Refusal> {
    with_payment(site, payment, |site, payment| {
        if !payment.captures.contains_key(capture) {
            let step = new_capture(&site.switches, desk, payment, capture, body, raw)?;
            if step.state == State::Completed {
                payment.captured = step.amount.cents;
                payment.hold_until = None;
            }
            notices::step(site, payment, &step, true, desk);
            payment.captures.insert(capture.to_owned(), step);
        }
        let step = payment.captures.get(capture).ok_or(Refusal::NotFound)?;
        desk.compare(&format!("capture {capture}"), &step.body, raw);
        Ok(step.json("captureId", site.switches.test_mode))
    })
}

/// D-7: what is captured is what was not released before.
fn new_capture(
    switches: &Switches,
    desk: &Desk,
    payment: &Payment,
    id: &str,
    body: &Node,
    raw: &[u8],
) -> Result<Step, Refusal> {
    if payment.captured_already() || payment.one_step && payment.state == State::Completed {
        return Err(CAPTURED);
    }
    let input = Input { body, switches };
    let rest = payment.amount.cents - payment.refunded;
    let state = if payment.is_held() && rest > 0 {
        State::Completed
    } else {
        State::declined("INVALID_STATE")
    };
    input.text("comment", 255)?;
    Ok(Step {
        id: id.to_owned(),
        created: desk.now,
        changed: desk.now,
        amount: payment.amount.of(rest),
        state,
        reversal: false,
        executed_at: None,
        callback: input.callback(body.at("callbackUrl"), "callbackUrl")?,
        splits: Vec::new(),
        cheque: None,
        body: raw.to_vec(),
    })
}

pub fn get_capture(site: &Site, payment: &str, capture: &str) -> Result<Value, Refusal> {
    let payment = site.payments.get(payment).ok_or(Refusal::NotFound)?;
    let step = payment.captures.get(capture).ok_or(Refusal::NotFound)?;
    Ok(step.json("captureId", site.switches.test_mode))
}

pub fn refund(
    site: &mut Site,
    desk: &mut Desk,
    (payment, refund): (&str, &str),
    body: &Node,
    raw: &[u8],
) -> Result<Value, Refusal> {
    with_payment(site, payment, |site, payment| {
        if let Some(known) = payment.refunds.iter().find(|known| known.id == refund) {
            desk.compare(&format!("refund {refund}"), &known.body, raw);
            return Ok(known.json("refundId", site.switches.test_mode));
        }
        let step = new_refund(&site.switches, desk, payment, refund, body, raw)?;
        if step.state == State::Completed {
            payment.refunded += step.amount.cents;
        }
        notices::step(site, payment, &step, false, desk);
        let shown = step.json("refundId", site.switches.test_mode);
        payment.refunds.push(step);
        Ok(shown)
    })
}

fn new_refund(
    switches: &Switches,
    desk: &mut Desk,
    payment: &Payment,
    id: &str,
    body: &Node,
    raw: &[u8],
) -> Result<Step, Refusal> {
    let input = Input { body, switches };
    let amount = input.sum("amount")?;
    if amount.currency != payment.amount.currency {
        return Err(invalid("amount.currency", "must be the currency of the payment"));
    }
    let splits = input.splits("refundSplits", &amount)?;
    if !payment.splits.is_empty() && splits.is_empty() {
        return Err(invalid("refundSplits", "must not be empty"));
    }
    input.text("comment", 255)?;
    let cheque = input.cheque()?;
    // D-21.
    let state = if payment.state != State::Completed {
        State::declined("INVALID_STATE")
    } else if amount.cents > payment.amount.cents - payment.refunded {
        State::declined("INVALID_AMOUNT")
    } else {
        State::Completed
    };
    let reversal = payment.is_held();
    let waits = switches.postponed_refund_minutes > 0 && !reversal && state == State::Completed;
    Ok(Step {
        id: id.to_owned(),
        created: desk.now,
        changed: desk.now,
        amount,
        reversal,
        executed_at: waits.then(|| desk.now + Duration::minutes(switches.postponed_refund_minutes)),
        callback: input.callback(body.at("callbackUrl"), "callbackUrl")?,
        splits,
        cheque: (cheque && state == State::Completed).then(|| desk.number()),
        state,
        body: raw.to_vec(),
    })
}

pub fn get_refund(site: &Site, payment: &str, refund: &str) -> Result<Value, Refusal> {
    let payment = site.payments.get(payment).ok_or(Refusal::NotFound)?;
    let step = payment.refunds.iter().find(|known| known.id == refund);
    Ok(step.ok_or(Refusal::NotFound)?.json("refundId", site.switches.test_mode))
}

pub fn refunds(site: &Site, payment: &str) -> Result<Value, Refusal> {
    let payment = site.payments.get(payment).ok_or(Refusal::NotFound)?;
    let refunds = payment
        .refunds
        .iter()
        .map(|refund| refund.json("refundId", site.switches.test_mode));
    Ok(Value::Array(refunds.collect()))
}

/// D-8.
pub fn decline_refund(site: &mut Site, desk: &mut Desk, payment: &str, refund: &str) -> Result<Value, Refusal> {
    with_payment(site, payment, |site, payment| {
        let at = payment.refunds.iter().position(|known| known.id == refund);
        let at = at.ok_or(Refusal::NotFound)?;
        let step = payment.refunds.get_mut(at).ok_or(Refusal::NotFound)?;
        if step.executed_at.take().is_none() {
            return Err(Refusal::WrongCall("The refund cannot be declined"));
        }
        step.state = State::declined("INVALID_STATE");
        step.changed = desk.now;
        payment.refunded -= step.amount.cents;
        let step = payment.refunds.get(at).ok_or(Refusal::NotFound)?;
        notices::step(site, payment, step, false, desk);
        Ok(step.json("refundId", site.switches.test_mode))
    })
}
