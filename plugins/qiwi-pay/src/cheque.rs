//! The fiscal receipt (§11) in QIWI PAY's own form.

use plugin_sdk::connector::{
    ConnectorError, Receipt, ReceiptKind, ReceiptPaymentMethod, ReceiptSubject, TaxSystem, Vat,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::packing::pack;
use crate::parameters::{Parameters, raw_number, wrong};

/// Longest packed receipt that the payment page takes, in characters.
const PAGE_CHEQUE_MAX: usize = 4096;
const CONTACT_MAX: usize = 64;
const DESCRIPTION_MAX: usize = 128;

#[derive(Serialize)]
struct Cheque<'a> {
    seller_id: u64,
    cheque_type: u8,
    customer_contact: &'a str,
    tax_system: u8,
    positions: Vec<Position<'a>>,
}

#[derive(Serialize)]
struct Position<'a> {
    quantity: Box<RawValue>,
    price: Box<RawValue>,
    tax: u8,
    description: &'a str,
    payment_method: u8,
    payment_subject: u8,
}

/// Where a receipt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    Page,
    Api,
}

pub fn put(parameters: &mut Parameters, receipt: Option<&Receipt>, entrance: Entrance) -> Result<(), ConnectorError> {
    let Some(receipt) = receipt else { return Ok(()) };
    let name = match entrance {
        Entrance::Page => "merchant_cheque",
        Entrance::Api => "cheque",
    };
    let packed = pack(&json(receipt)?).map_err(|error| wrong(name, error.to_string()))?;
    if entrance == Entrance::Page && packed.len() > PAGE_CHEQUE_MAX {
        return Err(wrong(
            name,
            format!("is longer than {PAGE_CHEQUE_MAX} characters; use fewer positions"),
        ));
    }
    parameters.put(name, packed);
    Ok(())
}

/// The receipt as compact JSON, numbers with the digits that they have.
pub fn json(receipt: &Receipt) -> Result<String, ConnectorError> {
    let inn = &receipt.seller_inn;
    let seller_id = inn.parse().ok().filter(|_| matches!(inn.len(), 10 | 12));
    if receipt.customer_contact.chars().count() > CONTACT_MAX {
        return Err(wrong(
            "customer_contact",
            format!("is longer than {CONTACT_MAX} characters"),
        ));
    }
    let positions = receipt.positions.iter().map(|position| {
        if position.description.chars().count() > DESCRIPTION_MAX {
            return Err(wrong(
                "description",
                format!("is longer than {DESCRIPTION_MAX} characters"),
            ));
        }
        Ok(Position {
            quantity: raw_number(shortest(&position.quantity))?,
            price: raw_number(shortest(&position.price.decimal()))?,
            tax: tax(position.vat),
            description: &position.description,
            payment_method: payment_method(position.payment_method),
            payment_subject: payment_subject(position.payment_subject),
        })
    });
    let cheque = Cheque {
        seller_id: seller_id.ok_or_else(|| wrong("seller_inn", "must have 10 or 12 digits"))?,
        cheque_type: match receipt.kind {
            ReceiptKind::Income => 1,
            ReceiptKind::IncomeReturn => 2,
            ReceiptKind::Expense => 3,
            ReceiptKind::ExpenseReturn => 4,
        },
        customer_contact: &receipt.customer_contact,
        tax_system: match receipt.tax_system {
            TaxSystem::Osn => 0,
            TaxSystem::UsnIncome => 1,
            TaxSystem::UsnIncomeMinusExpense => 2,
            TaxSystem::Envd => 3,
            TaxSystem::Esn => 4,
            TaxSystem::Patent => 5,
        },
        positions: positions.collect::<Result<_, _>>()?,
    };
    serde_json::to_string(&cheque).map_err(|error| ConnectorError::invalid(error.to_string()))
}

/// `500.00` is 500.
fn shortest(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}

const fn tax(vat: Vat) -> u8 {
    match vat {
        Vat::Included18 => 3,
        Vat::Included10 => 4,
        Vat::Zero => 5,
        Vat::None => 6,
        Vat::Included20 => 7,
    }
}

const fn payment_method(method: ReceiptPaymentMethod) -> u8 {
    match method {
        ReceiptPaymentMethod::FullPrepayment => 1,
        ReceiptPaymentMethod::PartialPrepayment => 2,
        ReceiptPaymentMethod::Advance => 3,
        ReceiptPaymentMethod::FullPayment => 4,
        ReceiptPaymentMethod::PartialPayment => 5,
        ReceiptPaymentMethod::Credit => 6,
        ReceiptPaymentMethod::CreditPayment => 7,
    }
}

const fn payment_subject(subject: ReceiptSubject) -> u8 {
    match subject {
        ReceiptSubject::Goods => 1,
        ReceiptSubject::ExciseGoods => 2,
        ReceiptSubject::Work => 3,
        ReceiptSubject::Service => 4,
        ReceiptSubject::GamblingStake => 5,
        ReceiptSubject::GamblingPrize => 6,
        ReceiptSubject::LotteryTicket => 7,
        ReceiptSubject::LotteryPrize => 8,
        ReceiptSubject::IntellectualProperty => 9,
        ReceiptSubject::Payment => 10,
        ReceiptSubject::AgencyFee => 11,
        ReceiptSubject::Composite => 12,
        ReceiptSubject::Other => 13,
    }
}
