//! QIWI Master (§10): the package, virtual cards ordered in steps, their requisites.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use plugin_sdk::connector::{
    CardOrder, CardRequisites, ConnectorError, Context, Decline, DeclineReason, Document, HttpMethod, HttpResponse,
    NetworkFault, Report, State, Step, VirtualCard,
};
use plugin_sdk::{Money, Secret};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;

use crate::fault::{of_change, of_question};
use crate::network::{Ask, Network};
use crate::reading::{number, span, wrong};
use crate::wire::{Amount, Word, currency, date, encoded, moment};

/// §10.1, §10.4.
const PACKAGE_PROVIDER: &str = "28004";
const CARD_PROVIDER: &str = "32064";
const PACKAGE: &str = "qvc-master";
/// Orders that are remembered, so that a repeat goes on where it stopped.
const ORDERS_MAX: usize = 1_000;

/// How far each step's order has come. In this process only: an order that was never submitted costs nothing, and one
/// that was paid is refused by the number of its payment.
#[derive(Default)]
pub struct CardOrders(Mutex<BTreeMap<u64, Progress>>);

#[derive(Clone)]
struct Progress {
    order_id: String,
    /// The cards that were there before.
    before: Vec<String>,
    card: Option<String>,
    is_paid: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Order {
    id: Word,
    status: Word,
    price: Option<Amount>,
    card_id: Word,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    qvx: Qvx,
    balance: Option<Amount>,
    info: Info,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Qvx {
    id: Word,
    masked_pan: Word,
    status: Word,
    card_expire: Word,
    card_alias: Word,
    activated: Word,
    card_expire_month: Word,
    card_expire_year: Word,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    price: Option<Amount>,
}

/// Of requisites, of a rename and of an unblocking.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Done {
    status: Word,
    error: Word,
    error_code: Word,
}

/// Has no `Debug`: it is a card.
#[derive(Deserialize)]
struct Details {
    pan: Secret,
    cvv: Secret,
}

impl Network {
    /// §10.1: the package that a wallet needs before it may order cards. The step makes it happen once.
    pub async fn buy_master(&self, context: &Context<'_>, step: &Step) -> Result<Report, ConnectorError> {
        self.needs_token("virtual cards")?;
        let fields = BTreeMap::from([
            ("account".to_owned(), self.profile.wallet.clone()),
            ("vas_alias".to_owned(), PACKAGE.to_owned()),
        ]);
        self.transfer(
            context,
            step,
            PACKAGE_PROVIDER,
            self.profile.master_price,
            None,
            &fields,
        )
        .await
    }

    pub async fn issue_card(
        &self,
        context: &Context<'_>,
        orders: &CardOrders,
        order: &CardOrder,
    ) -> Result<VirtualCard, ConnectorError> {
        self.needs_token("virtual cards")?;
        // Held to the end: of two new cards nobody could say whose is whose.
        let mut orders = orders.0.lock().await;
        let mut progress = match orders.get(&order.step.number) {
            Some(known) => known.clone(),
            None => {
                let progress = self.order_card(context, &order.product).await?;
                if orders.len() >= ORDERS_MAX {
                    orders.pop_first();
                }
                orders.insert(order.step.number, progress.clone());
                progress
            }
        };
        if progress.card.is_none() && !progress.is_paid {
            self.confirm_card(context, &order.step, &mut progress).await?;
            orders.insert(order.step.number, progress.clone());
        }
        let card = self.new_card(context, &progress).await?;
        progress.card = Some(card.id.clone());
        orders.insert(order.step.number, progress);
        if let Some(alias) = &order.alias {
            self.rename_card(context, &card.id, alias).await?;
        }
        Ok(VirtualCard {
            alias: order.alias.clone().or(card.alias.clone()),
            ..card
        })
    }

    /// §10.2: a draft. It costs nothing, so a lost answer leaves nothing to settle.
    async fn order_card(&self, context: &Context<'_>, product: &str) -> Result<Progress, ConnectorError> {
        let before = self
            .read_cards(context)
            .await?
            .into_iter()
            .map(|card| card.id)
            .collect();
        let path = format!("/cards/v2/persons/{}/orders", self.profile.wallet);
        let ask = Ask::new(HttpMethod::Post, path).json(&json!({ "cardAlias": product }))?;
        let order: Order = self.read_json(context, ask, "card order").await?;
        let order_id = order.id.told().ok_or_else(|| crate::fault::unreadable("card order"))?;
        Ok(Progress {
            order_id,
            before,
            card: None,
            is_paid: false,
        })
    }

    /// §10.3, §10.4: confirmed, and paid when it is not free. A second confirmation gives the same answer.
    async fn confirm_card(
        &self,
        context: &Context<'_>,
        step: &Step,
        progress: &mut Progress,
    ) -> Result<(), ConnectorError> {
        let path = format!(
            "/cards/v2/persons/{}/orders/{}/submit",
            self.profile.wallet,
            encoded(&progress.order_id)
        );
        let order: Order = self.change(context, Ask::new(HttpMethod::Put, path)).await?;
        match order.status.or_empty() {
            "COMPLETED" => {
                progress.card = order.card_id.told();
                // Without an id it is found as the one that was not there before.
                progress.is_paid = true;
                Ok(())
            }
            "PAYMENT_REQUIRED" => {
                let price = order.price.as_ref().and_then(Amount::money);
                let price = price.filter(|price| price.minor() > 0).ok_or_else(|| {
                    ConnectorError::Invalid(NetworkFault::new("the network wants the card paid and names no price"))
                })?;
                self.pay_card(context, step, price, progress).await
            }
            other => Err(ConnectorError::Uncertain(NetworkFault::coded(
                other,
                "the network gave the card's order a state that nobody knows",
            ))),
        }
    }

    async fn pay_card(
        &self,
        context: &Context<'_>,
        step: &Step,
        price: Money,
        progress: &mut Progress,
    ) -> Result<(), ConnectorError> {
        let fields = BTreeMap::from([
            ("account".to_owned(), self.profile.wallet.clone()),
            ("order_id".to_owned(), progress.order_id.clone()),
        ]);
        let paid = self
            .transfer(context, step, CARD_PROVIDER, price, None, &fields)
            .await?;
        match paid.state {
            State::Declined(decline) => Err(ConnectorError::Declined(decline)),
            _ => {
                progress.is_paid = true;
                Ok(())
            }
        }
    }

    /// By its id, or the newest that was not there before.
    async fn new_card(&self, context: &Context<'_>, progress: &Progress) -> Result<VirtualCard, ConnectorError> {
        let listed = self.list_cards(context).await?;
        let mut new: Vec<_> = (listed.iter())
            .filter(|card| match (&progress.card, card.qvx.id.told()) {
                (Some(wanted), Some(id)) => *wanted == id,
                (None, Some(id)) => !progress.before.contains(&id),
                (_, None) => false,
            })
            .collect();
        new.sort_by_key(|card| moment(card.qvx.activated.or_empty()));
        let newest = new.last().and_then(|card| virtual_card(card));
        newest.ok_or_else(|| {
            ConnectorError::Uncertain(NetworkFault::new(
                "the card is ordered and is not in the list yet; list the cards in a minute",
            ))
        })
    }

    pub async fn read_cards(&self, context: &Context<'_>) -> Result<Vec<VirtualCard>, ConnectorError> {
        self.needs_token("virtual cards")?;
        Ok(self
            .list_cards(context)
            .await?
            .iter()
            .filter_map(virtual_card)
            .collect())
    }

    /// §10.5.
    async fn list_cards(&self, context: &Context<'_>) -> Result<Vec<Listed>, ConnectorError> {
        let ask = Ask::get(format!("/cards/v1/cards?vas-alias={PACKAGE}"));
        self.read_json(context, ask, "list of cards").await
    }

    /// §10.6: the expiry is in the list alone.
    pub async fn card_details(
        &self,
        context: &Context<'_>,
        card: &str,
        step: &Step,
    ) -> Result<CardRequisites, ConnectorError> {
        self.needs_token("virtual cards")?;
        let card = card_id(card)?;
        let listed = self.list_cards(context).await?;
        let listed = listed.into_iter().find(|known| known.qvx.id.text() == Some(card));
        let qvx = listed.ok_or_else(|| wrong("card", "is not one of this wallet"))?.qvx;
        let (month, year) = expiry(&qvx).ok_or_else(|| crate::fault::unreadable("expiry of the card"))?;
        let ask = Ask::new(HttpMethod::Put, format!("/cards/v1/cards/{card}/details"))
            .json(&json!({ "operationId": uuid_of(step) }))?;
        let response = self.read(context, ask).await?;
        is_done(&response)?;
        let details: Details =
            serde_json::from_slice(&response.body).map_err(|_| crate::fault::unreadable("requisites"))?;
        Ok(CardRequisites {
            pan: details.pan,
            cvv: details.cvv,
            expiry_month: month,
            expiry_year: year,
        })
    }

    pub async fn set_card_blocked(
        &self,
        context: &Context<'_>,
        card: &str,
        is_blocked: bool,
    ) -> Result<(), ConnectorError> {
        self.needs_token("virtual cards")?;
        let verb = if is_blocked { "block" } else { "unblock" };
        let path = format!(
            "/cards/v2/persons/{}/cards/{}/{verb}",
            self.profile.wallet,
            card_id(card)?
        );
        let response = self.read(context, Ask::new(HttpMethod::Put, path)).await?;
        if is_blocked { Ok(()) } else { is_done(&response) }
    }

    pub async fn rename_card(&self, context: &Context<'_>, card: &str, alias: &str) -> Result<(), ConnectorError> {
        self.needs_token("virtual cards")?;
        let path = format!("/cards/v1/cards/{}/alias", card_id(card)?);
        let ask = Ask::new(HttpMethod::Put, path).json(&json!({ "alias": alias }))?;
        is_done(&self.read(context, ask).await?)
    }

    /// §10.6.
    pub async fn read_card_statement(
        &self,
        context: &Context<'_>,
        card: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Document, ConnectorError> {
        self.needs_token("virtual cards")?;
        let (from, until) = span(from, until)?;
        let path = format!(
            "/payment-history/v1/persons/{}/cards/{}/statement?from={}&till={}",
            self.profile.wallet,
            card_id(card)?,
            date(from),
            date(until)
        );
        self.read_document(context, Ask::history(path)).await
    }

    async fn change<T: DeserializeOwned>(&self, context: &Context<'_>, ask: Ask) -> Result<T, ConnectorError> {
        let response = self.edge(context, &ask.change(), ConnectorError::from).await?;
        if !response.is_success() {
            return Err(of_change(&response));
        }
        serde_json::from_slice(&response.body)
            .map_err(|_| ConnectorError::Uncertain(NetworkFault::new("the network's answer cannot be read")))
    }
}

/// `OK`, or why not (§10.6).
fn is_done(response: &HttpResponse) -> Result<(), ConnectorError> {
    let done: Done = serde_json::from_slice(&response.body).map_err(|_| of_question(response))?;
    let reason = match done.status.or_empty() {
        "OK" => return Ok(()),
        "CONFIRMATION_REQUIRED" => DeclineReason::NotPermitted,
        "CONFIRMATION_LIMIT_EXCEED" => DeclineReason::LimitExceeded,
        _ => DeclineReason::Other,
    };
    Err(ConnectorError::Declined(Decline {
        reason,
        message: done
            .error
            .told()
            .unwrap_or_else(|| "the network did not do it".to_owned()),
        code: done
            .error_code
            .told()
            .filter(|code| code != "0")
            .or_else(|| done.status.told()),
        try_elsewhere: false,
    }))
}

/// It becomes a part of a path.
fn card_id(card: &str) -> Result<&str, ConnectorError> {
    number(card).map_err(|_| wrong("card", "must be a card's number at the network"))?;
    Ok(card)
}

/// The network wants a UUID for each look; a repeated step looks with the same.
fn uuid_of(step: &Step) -> String {
    let hash = digest(&SHA256, step.operation.to_string().as_bytes());
    let mut hex = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}"));
    let mut part = |bytes: usize| hex.by_ref().take(bytes).collect::<String>();
    format!("{}-{}-{}-{}-{}", part(4), part(2), part(2), part(2), part(6))
}

fn expiry(qvx: &Qvx) -> Option<(u8, u16)> {
    let month: u8 = qvx.card_expire_month.text()?.parse().ok()?;
    let year = qvx.card_expire_year.text()?.parse().ok()?;
    (1..=12).contains(&month).then_some((month, year))
}

fn virtual_card(card: &Listed) -> Option<VirtualCard> {
    let qvx = &card.qvx;
    let money = card.balance.as_ref().or(card.info.price.as_ref());
    Some(VirtualCard {
        id: qvx.id.told()?,
        alias: qvx.card_alias.told(),
        masked_pan: qvx.masked_pan.told(),
        status: qvx.status.told().unwrap_or_default(),
        is_active: qvx.status.text() == Some("ACTIVE"),
        expires_at: moment(qvx.card_expire.or_empty()),
        currency: money.and_then(|amount| currency(amount.currency.or_empty())),
    })
}
