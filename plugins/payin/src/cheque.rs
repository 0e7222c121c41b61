//! A fiscal receipt in Payin's words (§14).

use plugin_sdk::connector::{
    ConnectorError, Receipt, ReceiptKind, ReceiptPaymentMethod, ReceiptPosition, ReceiptSubject, TaxSystem, Vat,
};
use serde_json::{Number, Value, json};

use crate::wire::{amount, cut};

const CONTACT_MAX: usize = 64;
const DESCRIPTION_MAX: usize = 128;
/// Decimal places of a quantity, tag 1023.
const QUANTITY_PLACES: usize = 3;

pub fn cheque(receipt: &Receipt) -> Result<Value, ConnectorError> {
    let inn: u64 = receipt
        .seller_inn
        .parse()
        .map_err(|_| ConnectorError::invalid("receipt.seller_inn: write 10 or 12 digits"))?;
    let contact = &receipt.customer_contact;
    if contact.chars().count() > CONTACT_MAX {
        let message = format!("receipt.customer_contact: at most {CONTACT_MAX} characters");
        return Err(ConnectorError::invalid(message));
    }
    let positions: Result<Vec<Value>, ConnectorError> = receipt.positions.iter().map(position).collect();
    Ok(json!({
        "sellerId": inn,
        "chequeType": kind(receipt.kind),
        "customerContact": contact,
        "taxSystem": tax_system(receipt.tax_system),
        "positions": positions?,
    }))
}

fn position(position: &ReceiptPosition) -> Result<Value, ConnectorError> {
    Ok(json!({
        "quantity": quantity(&position.quantity)?,
        "price": amount(position.price)?,
        "tax": vat(position.vat),
        "description": cut(&position.description, DESCRIPTION_MAX),
        "paymentMethod": payment_method(position.payment_method),
        "paymentSubject": subject(position.payment_subject),
    }))
}

/// A number of JSON whose text is the decimal: short enough that it comes back as the same digits.
fn quantity(text: &str) -> Result<Number, ConnectorError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let usable = (1..=6).contains(&whole.len()) && digits(whole) && digits(fraction) && !text.ends_with('.');
    let fraction = fraction.trim_end_matches('0');
    let number = (usable && fraction.len() <= QUANTITY_PLACES).then(|| match fraction {
        "" => serde_json::from_str(strip_zeros(whole)).ok(),
        _ => serde_json::from_str(&format!("{}.{fraction}", strip_zeros(whole))).ok(),
    });
    number
        .flatten()
        .ok_or_else(|| ConnectorError::invalid(format!("receipt: '{text}' is not a quantity such as 1 or 0.250")))
}

fn strip_zeros(whole: &str) -> &str {
    match whole.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    }
}

const fn kind(kind: ReceiptKind) -> &'static str {
    match kind {
        ReceiptKind::Income => "COLLECT",
        ReceiptKind::IncomeReturn => "COLLECT_RETURN",
        ReceiptKind::Expense => "CONSUME",
        ReceiptKind::ExpenseReturn => "CONSUME_RETURN",
    }
}

const fn tax_system(system: TaxSystem) -> &'static str {
    match system {
        TaxSystem::Osn => "OSN",
        TaxSystem::UsnIncome => "USN",
        TaxSystem::UsnIncomeMinusExpense => "USN_MINUS_CONSUM",
        TaxSystem::Envd => "ENVD",
        TaxSystem::Esn => "ESN",
        TaxSystem::Patent => "PATENT",
    }
}

const fn vat(vat: Vat) -> &'static str {
    match vat {
        Vat::Included18 => "NDS_CALC_18_118",
        Vat::Included10 => "NDS_CALC_10_110",
        Vat::Included20 => "NDS_CALC_20_120",
        Vat::Zero => "NDS_0",
        Vat::None => "NO_NDS",
    }
}

const fn payment_method(method: ReceiptPaymentMethod) -> &'static str {
    match method {
        ReceiptPaymentMethod::FullPrepayment => "ADVANCED_FULL_PAYMENT",
        ReceiptPaymentMethod::PartialPrepayment => "PARTIAL_ADVANCE_PAYMENT",
        ReceiptPaymentMethod::Advance => "ADVANCE",
        ReceiptPaymentMethod::FullPayment => "FULL_PAYMENT",
        ReceiptPaymentMethod::PartialPayment => "PARTIAL_PAYMENT",
        ReceiptPaymentMethod::Credit => "CREDIT",
        ReceiptPaymentMethod::CreditPayment => "CREDIT_PAYMENT",
    }
}

const fn subject(subject: ReceiptSubject) -> &'static str {
    match subject {
        ReceiptSubject::Goods => "COMMODITY",
        ReceiptSubject::ExciseGoods => "EXCISE_COMMODITY",
        ReceiptSubject::Work => "WORK",
        ReceiptSubject::Service => "SERVICE",
        ReceiptSubject::GamblingStake => "GAMBLING_RATE",
        ReceiptSubject::GamblingPrize => "GAMBLING_PRIZE",
        ReceiptSubject::LotteryTicket => "LOTTERY_TICKET",
        ReceiptSubject::LotteryPrize => "LOTTERY_PRIZE",
        ReceiptSubject::IntellectualProperty => "GRANTING_RESULTS_OF_INTELLECTUAL_ACTIVITY",
        ReceiptSubject::Payment => "PAYMENT",
        ReceiptSubject::AgencyFee => "AGENCY_FEE",
        // Their spelling.
        ReceiptSubject::Composite => "COMPAUND_PAYMENT_SUBJECT",
        ReceiptSubject::Other => "OTHER_PAYMENT_SUBJECT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_sdk::{Currency, Money};
    use rstest::rstest;

    /// The sample of §14.
    #[test]
    fn the_printed_cheque_is_made() {
        let receipt = Receipt {
            seller_inn: "3123011520".to_owned(),
            kind: ReceiptKind::Income,
            customer_contact: "Test customer contact".to_owned(),
            tax_system: TaxSystem::Osn,
            positions: vec![ReceiptPosition {
                description: "Test description".to_owned(),
                quantity: "1".to_owned(),
                price: Money::from_minor(782, Currency::RUB),
                vat: Vat::Zero,
                payment_method: ReceiptPaymentMethod::FullPayment,
                payment_subject: ReceiptSubject::Payment,
            }],
        };
        let expected = json!({"sellerId": 3_123_011_520_u64, "customerContact": "Test customer contact",
            "chequeType": "COLLECT", "taxSystem": "OSN", "positions": [{"quantity": 1,
            "price": {"value": "7.82", "currency": "RUB"}, "tax": "NDS_0", "paymentSubject": "PAYMENT",
            "paymentMethod": "FULL_PAYMENT", "description": "Test description"}]});
        assert_eq!(cheque(&receipt).unwrap(), expected);
    }

    #[rstest]
    #[case("1", "1")]
    #[case("0.250", "0.25")]
    #[case("12.345", "12.345")]
    #[case("007", "7")]
    fn a_quantity_keeps_its_digits(#[case] text: &str, #[case] json: &str) {
        assert_eq!(quantity(text).unwrap().to_string(), json);
    }

    #[rstest]
    fn what_is_no_quantity_is_refused(#[values("", "1.", ".5", "1,5", "1e3", "-1", "0.0005", "1234567")] text: &str) {
        assert!(quantity(text).is_err());
    }
}
