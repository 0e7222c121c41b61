//! A fiscal receipt (Federal Law 54-FZ) in the words of its format's tags; each network writes it in its own way.

use serde::{Deserialize, Serialize};

use crate::Money;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Taxpayer number of the seller, 10 or 12 digits.
    pub seller_inn: String,
    /// Tag 1054.
    pub kind: ReceiptKind,
    /// Phone or e-mail, tag 1008; at most 64 characters.
    pub customer_contact: String,
    /// Tag 1055.
    pub tax_system: TaxSystem,
    pub positions: Vec<ReceiptPosition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptPosition {
    /// At most 128 characters.
    pub description: String,
    /// Decimal text, tag 1023: `1`, `0.250`.
    pub quantity: String,
    /// Of one unit, discounts included; tag 1079.
    pub price: Money,
    /// Tag 1199.
    pub vat: Vat,
    /// Tag 1214.
    pub payment_method: ReceiptPaymentMethod,
    /// Tag 1212.
    pub payment_subject: ReceiptSubject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    Income,
    IncomeReturn,
    Expense,
    ExpenseReturn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxSystem {
    Osn,
    UsnIncome,
    UsnIncomeMinusExpense,
    Envd,
    Esn,
    Patent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Vat {
    #[serde(rename = "18/118")]
    Included18,
    #[serde(rename = "10/110")]
    Included10,
    #[serde(rename = "20/120")]
    Included20,
    #[serde(rename = "0")]
    Zero,
    #[serde(rename = "none")]
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptPaymentMethod {
    FullPrepayment,
    PartialPrepayment,
    Advance,
    FullPayment,
    PartialPayment,
    Credit,
    CreditPayment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptSubject {
    Goods,
    ExciseGoods,
    Work,
    Service,
    GamblingStake,
    GamblingPrize,
    LotteryTicket,
    LotteryPrize,
    IntellectualProperty,
    Payment,
    AgencyFee,
    Composite,
    Other,
}
