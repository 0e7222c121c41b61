//! Payouts of a safe deal (§5.17).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::desk::Desk;
use super::input::Input;
use super::json::Node;
use super::model::{Payout, PayoutState, State, add};
use super::notices;
use super::refusal::{Refusal, invalid};
use super::site::Site;
use super::till;

const WRONG_SUM: &str = "Incorrect payout amount";

pub fn put(
    site: &mut Site,
    desk: &mut Desk,
    (payment, payout): (&str, &str),
    body: &Node,
    raw: &[u8],
    signature: Option<&str>,
) -> Result<Value, Refusal> {
    if !site.switches.payouts {
        return Err(Refusal::Forbidden);
    }
    if !is_signed(&site.payout_key, raw, signature.unwrap_or_default()) {
        return Err(invalid("X-Digital-Sign", "the signature is wrong or missing"));
    }
    if let Some(known) = site
        .payments
        .get(payment)
        .and_then(|payment| payment.payouts.get(payout))
    {
        desk.compare(&format!("payout {payout}"), &known.body, raw);
        return Ok(known.json(site.switches.test_mode));
    }
    let mut made = new_payout(site, desk, (payment, payout), body, raw)?;
    if !site.switches.two_stage_payouts {
        till::payout_start(&mut made, desk.now);
    }
    notices::payout(site, &made, desk);
    let shown = made.json(site.switches.test_mode);
    site.payments
        .change(payment, |payment| payment.payouts.insert(payout.to_owned(), made));
    Ok(shown)
}

fn new_payout(
    site: &Site,
    desk: &Desk,
    (payment, payout): (&str, &str),
    body: &Node,
    raw: &[u8],
) -> Result<Payout, Refusal> {
    let from = site.payments.get(payment).ok_or(Refusal::NotFound)?;
    let input = Input {
        body,
        switches: &site.switches,
    };
    let amount = input.sum("amount")?;
    let receiver = receiver(body.at("receiverData"))?;
    let paid = from
        .payouts
        .values()
        .filter(|payout| payout.state != PayoutState::Declined);
    let left = from.amount.cents - from.refunded - paid.map(|payout| payout.amount.cents).sum::<i64>();
    let fits = from.state == State::Completed && amount.cents <= left && amount.currency == from.amount.currency;
    if !fits {
        return Err(invalid("amount", WRONG_SUM));
    }
    Ok(Payout {
        id: payout.to_owned(),
        created: desk.now,
        changed: desk.now,
        state: PayoutState::Init,
        receiver,
        comment: input.text("comment", 255)?,
        callback: input.callback(body.at("callbackUrl"), "callbackUrl")?,
        splits: input.splits("payoutSplits", &amount)?,
        amount,
        decided_at: None,
        body: raw.to_vec(),
    })
}

/// As it is shown: with a mask instead of the card.
fn receiver(node: &Node) -> Result<Value, Refusal> {
    let text = |name: &str| node.at(name).text();
    match text("type") {
        Some("CARD") => {
            let pan =
                text("pan").filter(|pan| (12..=19).contains(&pan.len()) && pan.bytes().all(|b| b.is_ascii_digit()));
            let pan = pan.ok_or_else(|| invalid("receiverData.pan", "Invalid card number"))?;
            let (head, tail) = pan.split_at_checked(6).unwrap_or((pan, ""));
            let (_, tail) = tail.split_at_checked(tail.len().saturating_sub(4)).unwrap_or(("", ""));
            let mut shown = json!({ "type": "CARD", "maskedPan": format!("{head}******{tail}") });
            add(&mut shown, "receiverFirstName", text("receiverFirstName"));
            add(&mut shown, "receiverLastName", text("receiverLastName"));
            Ok(shown)
        }
        Some("SBP") => {
            let phone = text("phone")
                .filter(|phone| (11..=13).contains(&phone.len()) && phone.bytes().all(|byte| byte.is_ascii_digit()));
            let phone = phone.ok_or_else(|| invalid("receiverData.phone", "must have 11 to 13 digits"))?;
            let bank = text("bankMemberId").filter(|bank| (1..=12).contains(&bank.len()));
            let bank = bank.ok_or_else(|| invalid("receiverData.bankMemberId", "must not be empty"))?;
            Ok(json!({ "type": "SBP", "phone": phone, "bankMemberId": bank }))
        }
        _ => Err(invalid("receiverData.type", "must be CARD or SBP")),
    }
}

pub fn get(site: &Site, payment: &str, payout: &str) -> Result<Value, Refusal> {
    let payment = site.payments.get(payment).ok_or(Refusal::NotFound)?;
    let payout = payment.payouts.get(payout).ok_or(Refusal::NotFound)?;
    Ok(payout.json(site.switches.test_mode))
}

/// The second stage. Repeated, it shows the payout.
pub fn complete(site: &mut Site, desk: &mut Desk, payment: &str, payout: &str) -> Result<Value, Refusal> {
    let starts = site.payments.change(payment, |from| {
        let known = from.payouts.get_mut(payout)?;
        let starts = known.state == PayoutState::Init;
        if starts {
            till::payout_start(known, desk.now);
        }
        Some(starts)
    });
    let starts = starts.flatten().ok_or(Refusal::NotFound)?;
    let from = site.payments.get(payment).ok_or(Refusal::NotFound)?;
    let known = from.payouts.get(payout).ok_or(Refusal::NotFound)?;
    if starts {
        notices::payout(site, known, desk);
    }
    Ok(known.json(site.switches.test_mode))
}

/// SHA256withRSA over the body's very bytes.
pub fn is_signed(pem: &str, body: &[u8], signature: &str) -> bool {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let base64: String = lines.map(str::trim).collect();
    let (Ok(der), Ok(signature)) = (BASE64.decode(base64), BASE64.decode(signature.trim())) else {
        return false;
    };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
    key.verify(body, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §5.17, the vector.
    const BODY: &[u8] =
        br#"{"amount":{"value":"40.00","currency":"RUB"},"receiverData":{"type":"CARD","pan":"8600330000000000"}}"#;
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyMbMNaLRxxi6JyAwDn4w
lM9NqwBfGlOxcUY7It8uck2WtTOZEjAB8gz2MWOizh6F+DWxTW4ybPeAw9G25xcJ
W/h3lE0Rk1FQGfqjt1G9Px/5yl0zEZ/gu8+EC8Ou7dhUhJYzEB1fV7bJuTyqTdAf
3UFVO2LjqyVpAUVPDuf2VtNeIgEN1DEg9lD2eI7iIoOvS3GUncbCOC6oXEKtGkPF
Q2Qca38u9TCR+v4ZWLs4+b4O8UB+65mPjNqox4HbgY4gZGZi1uZcPIDW9MnLyej5
v4CDKnjlIjaymeoHtqBFVJ6jFVf/IflT2gTvvM+WZ/yMmlU7K81U0veCBt3ghCrx
EQIDAQAB
-----END PUBLIC KEY-----";
    const SIGNATURE: &str = "x7WMXQ1BWHTpicYLTO+zj6IHG5B6cUEb4QoLRY2Xkbsnofu1bgsEUKBwEYhYN82eAi2KturUft/YOEeZnsOlZB0hoJVPGDCjgfzq4wlX7XY6GrOcdSHPfydZPoG5lNSYmMSI84lyR1HPBPJhqsoq5uDq68bkcCKGp5AIw7CtyHBhXY5ixROB5hfjxuhe7bg8U5EetEobv709W4te1a1TdjU9Pb/tDsWUp/quBuUEbAXuPH6gv/OoURQka2ZvI02jNcDfO4pb7PX8RzGTvOLSCIK3W2FXrCvlK5haA7CtppXwznSE5cKnfclRRZL9jU3ZJEIV/j5ZSt/l1A7jUXuR2Q==";

    #[test]
    fn the_printed_payout_verifies() {
        assert_eq!(BODY.len(), 101);
        assert!(is_signed(PUBLIC, BODY, SIGNATURE));
        assert!(!is_signed(PUBLIC, b"{}", SIGNATURE));
        assert!(!is_signed(PUBLIC, BODY, ""));
    }
}
