//! Field by field (§5, §6): what a request must have and how long its values may be.

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;

use super::wire::{Fields, Refusal, kopecks, unpack};

type Errors = Vec<(String, String)>;

/// Longest value of each field, in characters.
const LENGTHS: [(&str, usize); 38] = [
    ("sign", 64),
    ("amount", 20),
    ("pan", 19),
    ("expiry", 4),
    ("cvv2", 4),
    ("card_token", 40),
    ("card_name", 64),
    ("order_id", 256),
    ("ip", 15),
    ("email", 64),
    ("country", 3),
    ("user_device_id", 64),
    ("city", 64),
    ("region", 6),
    ("address", 64),
    ("phone", 15),
    ("user_screen_res", 64),
    ("user_agent", 256),
    ("cf1", 256),
    ("cf2", 256),
    ("cf3", 256),
    ("cf4", 256),
    ("cf5", 256),
    ("product_name", 25),
    ("merchant_uid", 64),
    ("callback_url", 256),
    ("success_url", 256),
    ("decline_url", 256),
    ("wallet_type", 50),
    ("account_id", 50),
    ("receiver_name", 30),
    ("receiver_pan", 19),
    ("receiver_bank_account", 20),
    ("receiver_bic", 9),
    ("receiver_wallet", 64),
    ("receiver_inn", 12),
    ("receiver_phone", 15),
    ("merchant_cheque", 4096),
];

/// Everything that is wrong at once, as 8019 lists it.
pub fn check(fields: &Fields, opcode: i64, page: bool, now: DateTime<Utc>) -> Result<(), Refusal> {
    let mut errors = Errors::new();
    let mut wrong = |field: &str, message: String| errors.push((field.to_owned(), message));
    let mandatory: &[&str] = match opcode {
        1 | 3 if page => &["currency"],
        1 | 3 | 20 => &["amount", "currency"],
        2 => &["pares", "txn_id"],
        5..=7 => &["txn_id"],
        _ => &[],
    };
    for name in mandatory.iter().chain(&["sign"]) {
        if fields.get(name).is_none() {
            wrong(name, format!("[{name}] is mandatory"));
        }
    }
    if opcode == 30 && fields.get("txn_id").or(fields.get("order_id")).is_none() {
        wrong("txn_id", "[txn_id] or [order_id] is mandatory".to_owned());
    }
    for (name, max) in LENGTHS {
        if fields.get(name).is_some_and(|value| value.chars().count() > max) {
            wrong(name, format!("length of [{name}] cannot be greater than {max}"));
        }
    }
    for name in ["currency", "txn_id", "account_id"] {
        let digits = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
        if fields.get(name).is_some_and(|value| !digits(value)) {
            wrong(name, format!("[{name}] must be a number"));
        }
    }
    if fields
        .get("amount")
        .is_some_and(|text| kopecks(text).is_none_or(|sum| sum == 0))
    {
        wrong("amount", "[amount] must be a positive decimal".to_owned());
    }
    if matches!(opcode, 1 | 3 | 20) && !page {
        instrument(fields, opcode, now, &mut errors);
    }
    documents(fields, &mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    Err(Refusal { code: 8019, errors })
}

fn instrument(fields: &Fields, opcode: i64, now: DateTime<Utc>, errors: &mut Errors) {
    let mut wrong = |field: &str, message: &str| errors.push((field.to_owned(), message.to_owned()));
    for name in ["apple_pay_encoded_payment_token", "google_pay_encoded_payment_token"] {
        if let Some(token) = fields.get(name) {
            let object = unpack(token).and_then(|json| serde_json::from_str::<Value>(&json).ok());
            if opcode == 20 || !object.is_some_and(|object| object.is_object()) {
                wrong(name, "payment token cannot be read");
            }
            return;
        }
    }
    if fields.get("card_token").is_some() {
        return;
    }
    let Some(pan) = fields.get("pan") else {
        return wrong("pan", "[pan] is mandatory");
    };
    card(pan, fields.get("expiry"), fields.get("cvv2"), opcode == 20, now)
        .into_iter()
        .for_each(|(field, message)| wrong(field, message));
}

/// What is wrong with a card as it was typed.
pub fn card(
    pan: &str,
    expiry: Option<&str>,
    cvv: Option<&str>,
    number_only: bool,
    now: DateTime<Utc>,
) -> Vec<(&'static str, &'static str)> {
    let mut errors = Vec::new();
    if pan.len() < 13 {
        errors.push(("pan", "length of [pan] cannot be less than 13"));
    } else if !is_luhn(pan) {
        errors.push(("pan", "[pan] is not a card number"));
    }
    if number_only {
        return errors;
    }
    match expiry.map(month_and_year) {
        None | Some(None) => errors.push(("expiry", "[expiry] must be MMYY")),
        Some(Some(until)) if until < (now.year(), now.month()) => errors.push(("expiry", "card expired")),
        _ => {}
    }
    match cvv {
        Some(cvv) if cvv.len() < 3 => errors.push(("cvv2", "length of [cvv2] cannot be less than 3")),
        Some(cvv) if !cvv.bytes().all(|byte| byte.is_ascii_digit()) => errors.push(("cvv2", "[cvv2] has digits only")),
        _ => {}
    }
    errors
}

fn month_and_year(text: &str) -> Option<(i32, u32)> {
    let (month, year) = text.split_at_checked(2).filter(|_| text.len() == 4)?;
    let (month, year): (u32, i32) = (month.parse().ok()?, year.parse().ok()?);
    (1..=12).contains(&month).then_some((2000 + year, month))
}

fn is_luhn(pan: &str) -> bool {
    let digits: Option<Vec<u32>> = pan.chars().rev().map(|digit| digit.to_digit(10)).collect();
    let sum = |digits: Vec<u32>| {
        let doubled = digits.iter().enumerate().map(|(at, digit)| match at % 2 {
            0 => *digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        });
        doubled.sum::<u32>()
    };
    digits.is_some_and(|digits| sum(digits) % 10 == 0)
}

fn documents(fields: &Fields, errors: &mut Errors) {
    for name in ["cheque", "merchant_cheque"] {
        let Some(packed) = fields.get(name) else { continue };
        let cheque = unpack(packed).and_then(|json| serde_json::from_str::<Value>(&json).ok());
        if !cheque.is_some_and(|cheque| is_cheque(&cheque)) {
            errors.push((name.to_owned(), "cheque cannot be read".to_owned()));
        }
    }
    if let Some(data) = fields.nested.get("industry_data") {
        let data = serde_json::from_str(data).unwrap_or(Value::Null);
        if let Err(field) = flight(&data) {
            errors.push((
                format!("industry_data.{field}"),
                format!("[{field}] is wrong or missing"),
            ));
        }
    }
    if fields.get("receiver_name").is_some_and(|name| !name.contains(", ")) {
        errors.push((
            "receiver_name".to_owned(),
            "[receiver_name] must be 'Last, First'".to_owned(),
        ));
    }
}

/// §11.
fn is_cheque(cheque: &Value) -> bool {
    let within = |value: &Value, name: &str, least: u64, most: u64| {
        let number = value.get(name).and_then(Value::as_u64);
        number.is_some_and(|number| (least..=most).contains(&number))
    };
    let text = |value: &Value, name: &str, most: usize| {
        let text = value.get(name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
    };
    let position = |position: &Value| {
        position.get("quantity").is_some_and(Value::is_number)
            && position.get("price").is_some_and(Value::is_number)
            && within(position, "tax", 1, 7)
            && text(position, "description", 128)
            && within(position, "payment_method", 1, 7)
            && within(position, "payment_subject", 1, 13)
    };
    let positions = cheque.get("positions").and_then(Value::as_array);
    within(cheque, "seller_id", 1_000_000, 999_999_999_999)
        && within(cheque, "cheque_type", 1, 4)
        && text(cheque, "customer_contact", 64)
        && within(cheque, "tax_system", 0, 5)
        && positions.is_some_and(|positions| !positions.is_empty() && positions.iter().all(position))
}

/// §9; the first field that is wrong.
fn flight(data: &Value) -> Result<(), &'static str> {
    let text = |value: &Value, name: &'static str, least: usize, most: usize| {
        let length = value.get(name).and_then(Value::as_str).map(|text| text.chars().count());
        length
            .filter(|length| (least..=most).contains(length))
            .map(|_| ())
            .ok_or(name)
    };
    let number = |value: &Value, name: &'static str| {
        let is = value.get(name).is_some_and(Value::is_number);
        is.then_some(()).ok_or(name)
    };
    let list = |value: &Value, name: &'static str| {
        let list = value
            .get(name)
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty());
        list.cloned().ok_or(name)
    };
    if data.get("type").and_then(Value::as_str) != Some("avia") {
        return Err("type");
    }
    if data.get("pnr").is_some() {
        text(data, "pnr", 1, 6)?;
    }
    for ticket in list(data, "tickets")? {
        text(&ticket, "number", 1, 14)?;
        text(&ticket, "passenger_name", 1, 20)?;
        number(&ticket, "amount")?;
        number(&ticket, "amount_total")?;
        ticket.get("restricted").and_then(Value::as_bool).ok_or("restricted")?;
        text(&ticket, "agency_code", 1, 8)?;
        text(&ticket, "agency_name", 1, 25)?;
        text(&ticket, "airport_code", 3, 3)?;
        for segment in list(&ticket, "segments")? {
            number(&segment, "amount")?;
            text(&segment, "service_class", 1, 1)?;
            text(&segment, "fare_basis_code", 1, 6)?;
            text(&segment, "dest_city", 3, 3)?;
            text(&segment, "carrier_code", 2, 2)?;
            text(&segment, "stopover_code", 1, 1)?;
            text(&segment, "flight_number", 1, 5)?;
            let departs = segment
                .get("departure_date")
                .and_then(Value::as_str)
                .unwrap_or_default();
            DateTime::parse_from_rfc3339(departs).map_err(|_| "departure_date")?;
        }
    }
    Ok(())
}
