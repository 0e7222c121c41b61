//! How a payment goes: attempts, 3-D Secure, the bank's word, holds; and what the clock does (§8.2, §12, §13).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Duration, Utc};

use super::bank::Verdict;
use super::desk::Desk;
use super::model::{BillState, CheckState, How, Payment, Payout, PayoutState, QrState, State, Step, StoredCard};
use super::notices;
use super::site::Site;
use super::stamp;

/// D-18: how long the payer may take on the issuer's page.
const THREE_DS: Duration = Duration::minutes(15);
/// How long payouts and payments by stored accounts take.
const SLOW: Duration = Duration::seconds(3);
/// §12: hundredths of a rouble, and operations of a day.
const TEST_CENTS_MAX: i64 = 1_000;
const TEST_COUNT_MAX: u32 = 100;

/// Takes a new payment with the bank's verdict on its card, as far as it goes by itself.
pub fn start(site: &mut Site, desk: &mut Desk, mut payment: Payment, verdict: Verdict) {
    let id = payment.id.clone();
    payment.refused = site
        .next_reason
        .take()
        .map(|reason| (reason, String::new()))
        .or_else(|| {
            verdict
                .refused
                .map(|(reason, code)| (reason.to_owned(), code.to_owned()))
        })
        .or_else(|| test_refusal(site, &payment, desk.now));
    if let Some(bill) = site.bills.get_mut(&payment.bill_id) {
        bill.attempts.push(id.clone());
    }
    let paid = is_paid(site, &payment.bill_id);
    if verdict.three_ds && !paid {
        payment.three_ds = Some((pareq(desk), desk.now + THREE_DS));
    }
    payment.decided_at = Some(desk.now + verdict.after.unwrap_or_default());
    site.payments.insert(payment);
    go_on(site, desk, &id);
}

/// A text that the issuer's page recognises.
pub fn pareq(desk: &mut Desk) -> String {
    BASE64.encode(format!("pareq {}", desk.uuid()))
}

/// What the page sends back, when the payer passed or did not.
pub fn pares(pareq: &str, passed: bool) -> String {
    BASE64.encode(format!("{}|{pareq}", if passed { 'Y' } else { 'N' }))
}

/// Whether this is the page's yes to this request.
pub fn has_passed(pares: &str, pareq: &str) -> bool {
    pares == self::pares(pareq, true)
}

fn is_paid(site: &Site, bill: &str) -> bool {
    site.bills.get(bill).is_some_and(|bill| bill.state == BillState::Paid)
}

/// §12: the limits of test mode. How QIWI refuses is not written; a declined payment fits all clients.
fn test_refusal(site: &mut Site, payment: &Payment, now: DateTime<Utc>) -> Option<(String, String)> {
    if !site.switches.test_mode {
        return None;
    }
    if payment.amount.currency != "RUB" || payment.amount.cents > TEST_CENTS_MAX {
        return Some(("INVALID_AMOUNT".to_owned(), String::new()));
    }
    let today = stamp::day(now);
    if site.counted.0 != today {
        site.counted = (today, 0);
    }
    site.counted.1 += 1;
    (site.counted.1 > TEST_COUNT_MAX).then(|| ("TRY_AGAIN_LATER".to_owned(), String::new()))
}

/// Lets the bank speak, when nothing has to be waited for.
fn go_on(site: &mut Site, desk: &mut Desk, id: &str) {
    let Some(mut payment) = site.payments.take(id) else {
        return;
    };
    let waits = payment.three_ds.is_some() || payment.decided_at.is_some_and(|at| at > desk.now);
    if payment.state == State::Waiting && !waits {
        payment.changed = payment.decided_at.unwrap_or(desk.now);
        payment.decided_at = None;
        match payment.refused.take() {
            _ if is_paid(site, &payment.bill_id) => payment.state = State::declined("BILL_ALREADY_PAID"),
            Some((reason, code)) => {
                payment.state = State::Declined {
                    reason,
                    ps_code: Some(code).filter(|code| !code.is_empty()),
                }
            }
            None => authorize(site, desk, &mut payment),
        }
        notices::payment(site, &payment, desk);
    }
    site.payments.insert(payment);
}

fn authorize(site: &mut Site, desk: &mut Desk, payment: &mut Payment) {
    payment.state = State::Completed;
    if payment.one_step {
        payment.captured = payment.amount.cents;
    } else {
        payment.hold_until = Some(payment.changed + Duration::hours(site.switches.hold_hours));
    }
    if let Some(bill) = site.bills.get_mut(&payment.bill_id) {
        bill.state = BillState::Paid;
        bill.changed = payment.changed;
    }
    if let (Some(account), How::Card { card, .. }) = (&payment.bind, &payment.how) {
        let stored = StoredCard {
            token: desk.uuid(),
            account: account.clone(),
            card: super::bank::Card {
                cvv: None,
                ..card.clone()
            },
            alive: true,
        };
        site.cards.insert(stored.token.clone(), stored.clone());
        payment.token = Some(stored);
    }
}

/// §5.6: what the issuer's page posted. A payment that does not wait for it stays as it is.
pub fn complete(site: &mut Site, desk: &mut Desk, id: &str, pares: &str) {
    site.payments.change(id, |payment| {
        let Some((pareq, _)) = payment.three_ds.take() else {
            return;
        };
        if !has_passed(pares, &pareq) {
            payment.refused = Some(("DECLINED_BY_MPI".to_owned(), String::new()));
        }
        payment.decided_at = payment.decided_at.map(|at| at.max(desk.now));
    });
    go_on(site, desk, id);
}

/// Everything of a site that the clock does by now.
pub fn tick(site: &mut Site, desk: &mut Desk) {
    let now = desk.now;
    for id in site.payments.due(now) {
        too_late(site, now, &id);
        go_on(site, desk, &id);
        by_the_clock(site, desk, &id);
    }
    for bill in site.bills.values_mut() {
        if bill.state == BillState::Created && bill.expires <= now {
            bill.state = BillState::Expired;
            bill.changed = bill.expires;
        }
    }
    super::sbp::tick(site, desk);
    super::checks::tick(site, desk);
}

fn too_late(site: &mut Site, now: DateTime<Utc>, id: &str) {
    site.payments.change(id, |payment| {
        if let Some((_, until)) = payment.three_ds.take_if(|(_, until)| *until <= now) {
            payment.decided_at = Some(until);
            payment.refused = Some(("PAYMENT_EXPIRED_3DS".to_owned(), String::new()));
        }
    });
}

/// Holds that end, refunds that waited, payouts on their way.
fn by_the_clock(site: &mut Site, desk: &mut Desk, id: &str) {
    let Some(mut payment) = site.payments.take(id) else {
        return;
    };
    if let Some(until) = payment.hold_until.filter(|until| *until <= desk.now) {
        payment.hold_until = None;
        end_hold(site, desk, &mut payment, until);
    }
    for refund in &mut payment.refunds {
        if refund.executed_at.is_some_and(|at| at <= desk.now) {
            refund.executed_at = None;
        }
    }
    let now = desk.now;
    let mut done = Vec::new();
    for payout in payment.payouts.values_mut() {
        if let Some(at) = payout.decided_at.filter(|at| *at <= now) {
            payout.decided_at = None;
            payout.changed = at;
            payout.state = payout_end(payout);
            done.push(payout.id.clone());
        }
    }
    for payout in done {
        if let Some(payout) = payment.payouts.get(&payout) {
            notices::payout(site, payout, desk);
        }
    }
    site.payments.insert(payment);
}

/// §12.3.
pub fn payout_start(payout: &mut Payout, now: DateTime<Utc>) {
    payout.changed = now;
    if matches!(payout.amount.cents, 50_000 | 500) {
        payout.state = PayoutState::Declined;
    } else {
        payout.state = PayoutState::Waiting;
        payout.decided_at = Some(now + SLOW);
    }
}

fn payout_end(payout: &Payout) -> PayoutState {
    if matches!(payout.amount.cents, 51_000 | 510) {
        PayoutState::Declined
    } else {
        PayoutState::Completed
    }
}

/// §13, D-16: nobody captured in time.
fn end_hold(site: &Site, desk: &mut Desk, payment: &mut Payment, at: DateTime<Utc>) {
    let rest = payment.amount.cents - payment.refunded;
    if !payment.is_held() || rest <= 0 {
        return;
    }
    let step = Step {
        id: desk.uuid(),
        created: at,
        changed: at,
        amount: payment.amount.of(rest),
        state: State::Completed,
        reversal: site.switches.auto_reverse,
        executed_at: None,
        callback: None,
        splits: Vec::new(),
        cheque: None,
        body: Vec::new(),
    };
    notices::step(site, payment, &step, !site.switches.auto_reverse, desk);
    if site.switches.auto_reverse {
        payment.refunded += rest;
        payment.refunds.push(step);
    } else {
        payment.captured = rest;
        payment.captures.insert(step.id.clone(), step);
    }
}

/// When the clock has something to do at this site.
pub fn next(site: &Site) -> Option<DateTime<Utc>> {
    let bills = site.bills.values().filter(|bill| bill.state == BillState::Created);
    let qrs = site.qrs.values().filter_map(|qr| match qr.state {
        QrState::Created => Some(qr.created + Duration::minutes(qr.ttl)),
        _ => qr.decided_at,
    });
    let checks = site.checks.values().filter_map(|check| match check.state {
        CheckState::Waiting3ds => check.three_ds.as_ref().map(|(_, until)| *until),
        _ => check.decided_at,
    });
    let moments = bills.map(|bill| bill.expires).chain(qrs).chain(checks);
    moments.chain(site.payments.next()).min()
}

/// When payments by a stored account are done.
pub fn soon(now: DateTime<Utc>) -> DateTime<Utc> {
    now + SLOW
}

/// Until when a payer may be on the issuer's page.
pub fn three_ds_until(now: DateTime<Utc>) -> DateTime<Utc> {
    now + THREE_DS
}
