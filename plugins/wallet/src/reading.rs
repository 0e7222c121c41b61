//! Questions about the wallet: history, statistics, balances, receipts (§5), and what a payment would cost (§7).

use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    Balance, ConnectorError, Context, Direction, Document, EntryState, HistoryEntry, HistoryPage, HistoryQuery,
    HttpMethod, NetworkFault, PayoutTarget, Quote, Statistics,
};
use plugin_sdk::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::fault::unreadable;
use crate::network::{Ask, Network};
use crate::payments::{FROM_RUBLES, PaymentMethod, only_rubles};
use crate::status::{SPAN_MAX, next_of};
use crate::wire::{Amount, Sum, Transaction, Word, currency, date, encoded, moment};

/// §5.1: rows of one page.
const ROWS_MAX: u16 = 50;
/// Accounts whose balance is asked for once more, alone.
const ASKED_ALONE_MAX: usize = 10;
/// Between the two halves of a cursor; neither holds one.
const CURSOR_SEPARATOR: char = '@';
const PDF: &str = "application/pdf";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    incoming_total: Vec<Amount>,
    outgoing_total: Vec<Amount>,
}

#[derive(Deserialize)]
struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Account {
    alias: Word,
    fs_alias: Word,
    title: Word,
    has_balance: Word,
    balance: Option<Amount>,
    #[serde(alias = "currencyId")]
    currency: Word,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommissionQuestion<'a> {
    account: &'a str,
    payment_method: PaymentMethod,
    purchase_totals: PurchaseTotals,
}

#[derive(Serialize)]
struct PurchaseTotals {
    total: Sum,
}

/// §7.1, bare or in the site's envelope.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Commission {
    withdraw_sum: Option<Amount>,
    qw_commission: Option<Amount>,
    data: Option<CommissionEnvelope>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CommissionEnvelope {
    body: Option<Box<Commission>>,
}

impl Network {
    pub async fn read_history(
        &self,
        context: &Context<'_>,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, ConnectorError> {
        if !(1..=ROWS_MAX).contains(&query.limit) {
            return Err(wrong("limit", "must be from 1 to 50"));
        }
        let now = context.clock.now();
        let span = match (query.from, query.until) {
            (None, None) => None,
            (from, until) => {
                let until = until.unwrap_or(now);
                Some(span(from.unwrap_or(until - SPAN_MAX), until)?)
            }
        };
        let operation = query.direction.map_or("ALL", operation);
        let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
        let page = self
            .payments_page(context, query.limit, operation, &query.accounts, span, cursor)
            .await?;
        let mut next = next_of(&page).map(|(id, at)| format!("{id}{CURSOR_SEPARATOR}{at}"));
        let mut entries = Vec::new();
        for transaction in &page.data {
            let Some(entry) = entry(transaction)? else { continue };
            if span.is_some_and(|(from, _)| entry.at < from) {
                // The cursor does not carry the window (D13).
                next = None;
                break;
            }
            entries.push(entry);
        }
        Ok(HistoryPage { entries, next })
    }

    /// §5.4: one transaction, from our side of it.
    pub async fn read_transaction(&self, context: &Context<'_>, txn_id: &str) -> Result<HistoryEntry, ConnectorError> {
        self.needs_token("single transactions")?;
        let path = format!("/payment-history/v2/transactions/{}", number(txn_id)?);
        let transaction: Transaction = self.read_json(context, Ask::history(path), "transaction").await?;
        entry(&transaction)?.ok_or_else(|| unreadable("transaction"))
    }

    pub async fn read_statistics(
        &self,
        context: &Context<'_>,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Statistics, ConnectorError> {
        let (from, until) = span(from, until)?;
        let path = format!(
            "{}/payments/total?startDate={}&endDate={}",
            self.history_base(),
            date(from),
            date(until)
        );
        let totals: Totals = self.read_json(context, Ask::history(path), "statistics").await?;
        let sums = |amounts: &[Amount]| -> Result<Vec<Money>, ConnectorError> {
            let sums = amounts
                .iter()
                .map(|amount| amount.money().ok_or_else(|| unreadable("statistics")));
            sums.collect()
        };
        Ok(Statistics {
            incoming: sums(&totals.incoming_total)?,
            outgoing: sums(&totals.outgoing_total)?,
        })
    }

    pub async fn read_balances(&self, context: &Context<'_>) -> Result<Vec<Balance>, ConnectorError> {
        let is_cas = self.profile.is_cas();
        let path = if is_cas {
            format!("/funding-sources/v1/accounts/{}", self.profile.wallet)
        } else {
            format!("/funding-sources/v2/persons/{}/accounts", self.profile.wallet)
        };
        let accounts: Accounts = self.read_json(context, Ask::get(path.as_str()), "balance").await?;
        let mut balances = Vec::new();
        let mut asked_alone = 0;
        for account in accounts.accounts {
            let mut amount = account.balance.clone();
            // §5.3: a balance that takes its time is asked for alone.
            if amount.is_none() && account.has_balance.is_true() && asked_alone < ASKED_ALONE_MAX {
                asked_alone += 1;
                let path = format!("{path}?timeout=1000&alias={}", encoded(account.alias.or_empty()));
                let again: Accounts = self.read_json(context, Ask::get(path), "balance").await?;
                let same = again.accounts.into_iter().find(|other| other.alias == account.alias);
                amount = same.and_then(|account| account.balance);
            }
            let Some(mut amount) = amount else { continue };
            if amount.currency.text().is_none() {
                amount.currency = account.currency.clone();
            }
            let money = amount.money().ok_or_else(|| unreadable("balance"))?;
            balances.push(Balance {
                account: account
                    .alias
                    .told()
                    .or_else(|| account.fs_alias.told())
                    .unwrap_or_default(),
                title: account.title.told().unwrap_or_default(),
                amount: money,
            });
        }
        Ok(balances)
    }

    /// §7.1.
    pub async fn ask_quote(
        &self,
        context: &Context<'_>,
        target: &PayoutTarget,
        amount: Money,
    ) -> Result<Quote, ConnectorError> {
        let recipient = self.recipient(context, target, None).await?;
        let question = CommissionQuestion {
            account: &recipient.account,
            payment_method: FROM_RUBLES,
            purchase_totals: PurchaseTotals {
                total: Sum::of(amount).ok_or_else(|| only_rubles(amount))?,
            },
        };
        let provider = &recipient.provider;
        let commission: Commission = if self.profile.is_cas() {
            let path = format!("/user/sinap/api/providers/{provider}/onlineCommission/proxy.action");
            let ask = Ask::new(HttpMethod::Post, path).json(&question)?;
            // A question: without an answer nothing happened.
            let response = self.site(context, ask).await.map_err(|error| match error {
                ConnectorError::Uncertain(fault) => ConnectorError::Unavailable(fault),
                other => other,
            })?;
            if !response.is_success() {
                return Err(crate::fault::of_question(&response));
            }
            serde_json::from_slice(&response.body).map_err(|_| unreadable("commission"))?
        } else {
            let path = format!("/sinap/providers/{provider}/onlineCommission");
            let ask = Ask::new(HttpMethod::Post, path).json(&question)?;
            self.read_json(context, ask, "commission").await?
        };
        let commission = match commission.data {
            Some(CommissionEnvelope { body: Some(body) }) => *body,
            _ => commission,
        };
        let money = |amount: Option<Amount>| amount.and_then(|amount| amount.money());
        let fee = money(commission.qw_commission).ok_or_else(|| unreadable("commission"))?;
        let total = match money(commission.withdraw_sum) {
            Some(total) => total,
            None => amount.checked_add(fee).map_err(|_| unreadable("commission"))?,
        };
        Ok(Quote { amount, fee, total })
    }

    /// §5.5.
    pub async fn read_receipt(&self, context: &Context<'_>, txn_id: &str) -> Result<Document, ConnectorError> {
        self.needs_token("receipts")?;
        let txn_id = number(txn_id)?;
        let path = format!("/payment-history/v1/transactions/{txn_id}/cheque/file?type=OUT&format=PDF");
        self.read_document(context, Ask::history(path)).await
    }

    /// §5.5: the network sends the receipt by mail.
    pub async fn mail_receipt(&self, context: &Context<'_>, txn_id: &str, email: &str) -> Result<(), ConnectorError> {
        self.needs_token("receipts")?;
        let path = format!(
            "/payment-history/v1/transactions/{}/cheque/send?type=OUT",
            number(txn_id)?
        );
        let ask = Ask::new(HttpMethod::Post, path)
            .counted()
            .json(&json!({ "email": email }))?;
        self.read(context, ask).await.map(|_| ())
    }

    pub async fn read_document(&self, context: &Context<'_>, ask: Ask) -> Result<Document, ConnectorError> {
        let response = self.read(context, ask).await?;
        Ok(Document {
            content_type: response.header("content-type").unwrap_or(PDF).to_owned(),
            bytes: response.body,
        })
    }
}

const fn operation(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "IN",
        Direction::Out => "OUT",
        Direction::Card => "QIWI_CARD",
    }
}

/// §5.1, §5.2: at most 90 days, and forwards.
pub fn span(from: DateTime<Utc>, until: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), ConnectorError> {
    if until < from {
        return Err(wrong("until", "must not be before from"));
    }
    if until - from > SPAN_MAX {
        return Err(wrong(
            "from",
            "must not be more than 90 days before until; ask span by span",
        ));
    }
    Ok((from, until))
}

fn read_cursor(text: &str) -> Result<(String, String), ConnectorError> {
    let parts = text.split_once(CURSOR_SEPARATOR);
    let parts = parts.filter(|(id, at)| id.parse::<u64>().is_ok() && moment(at).is_some());
    let (id, at) = parts.ok_or_else(|| wrong("cursor", "must be one that this history gave out"))?;
    Ok((id.to_owned(), at.to_owned()))
}

/// It becomes a part of a path.
pub fn number(txn_id: &str) -> Result<u64, ConnectorError> {
    txn_id
        .parse()
        .map_err(|_| wrong("network_id", "must be a transaction's number"))
}

pub fn wrong(field: &str, message: &str) -> ConnectorError {
    ConnectorError::Invalid(NetworkFault {
        field: Some(field.to_owned()),
        ..NetworkFault::new(format!("{field} {message}"))
    })
}

/// `None` for a kind of transaction that nobody knows yet.
fn entry(transaction: &Transaction) -> Result<Option<HistoryEntry>, ConnectorError> {
    let direction = match transaction.kind.or_empty() {
        "IN" => Direction::In,
        "OUT" => Direction::Out,
        "QIWI_CARD" => Direction::Card,
        _ => return Ok(None),
    };
    let money = |amount: &Option<Amount>| amount.as_ref().and_then(Amount::money);
    let broken = || unreadable(&format!("transaction {}", transaction.txn_id.or_empty()));
    let amount = money(&transaction.sum).ok_or_else(broken)?;
    let same = |word: &Option<Amount>| word.as_ref().and_then(|amount| currency(amount.currency.or_empty()));
    let fee_currency = same(&transaction.commission).unwrap_or_else(|| amount.currency());
    let state = match transaction.status.or_empty() {
        "SUCCESS" => EntryState::Succeeded,
        "ERROR" => EntryState::Failed,
        _ => EntryState::Pending,
    };
    Ok(Some(HistoryEntry {
        network_id: transaction.txn_id.told().ok_or_else(broken)?,
        number: (direction != Direction::In).then(|| transaction.number()).flatten(),
        direction,
        state,
        code: transaction.error_code.told().filter(|code| code != "0"),
        message: transaction.error.told().or_else(|| transaction.status_text.told()),
        account: transaction.account.told().unwrap_or_default(),
        amount,
        fee: money(&transaction.commission).unwrap_or_else(|| zero(fee_currency)),
        total: money(&transaction.total).unwrap_or(amount),
        comment: transaction.comment.told(),
        at: transaction.at().ok_or_else(broken)?,
    }))
}

const fn zero(currency: Currency) -> Money {
    Money::from_minor(0, currency)
}
