//! Card verification without a payment (§5.16). The gateway has no word for it yet, so these are methods of the
//! connection.

use plugin_sdk::connector::{CardData, ConnectorError, Context, Facts, IssuedToken};
use serde::Deserialize;
use serde_json::json;

use crate::api::{Call, segment};
use crate::connection::PayinConnection;
use crate::payments::issued;
use crate::wire::{self, CardInfo, Text, Token, owned, put};

/// What the network found out about a card.
#[derive(Clone)]
pub struct CardCheck {
    pub state: CheckState,
    pub facts: Facts,
    /// When it was asked for and the card is valid.
    pub token: Option<IssuedToken>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckState {
    Pending,
    /// The payer has to pass 3-D Secure; what the page posts goes to
    /// [`PayinConnection::finish_card_check`].
    ThreeDSecure {
        acs_url: String,
        pareq: String,
    },
    Valid,
    NotValid,
    /// It could not be checked.
    Failed,
    NotFound,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Check {
    status: Option<Text>,
    is_valid_card: Option<bool>,
    card_info: Option<CardInfo>,
    created_token: Option<Token>,
    requirements: Option<crate::payments::ThreeDs>,
}

impl PayinConnection {
    /// Checks a card; with `account` a valid one is stored for that customer. `request` is the merchant's own id of the
    /// check: the same id again repeats nothing.
    pub async fn check_card(
        &self,
        context: &Context<'_>,
        request: &str,
        card: &CardData,
        account: Option<&str>,
    ) -> Result<CardCheck, ConnectorError> {
        let mut data = json!({
            "pan": card.pan.expose(),
            "expiryDate": format!("{:02}/{:02}", card.expiry_month, card.expiry_year % 100),
        });
        put(&mut data, "cvv2", card.cvv.as_ref().map(plugin_sdk::Secret::expose));
        put(&mut data, "holderName", card.holder.as_deref());
        let mut body = json!({ "cardData": data });
        put(
            &mut body,
            "tokenizationData",
            account.map(|account| json!({ "account": account })),
        );
        let check: Check = Call::put(&self.site, path(request), &body).ask(context).await?;
        Ok(read(&check))
    }

    /// What became of a check; of a bill that checks a card, `request` is the bill's id.
    pub async fn card_check(&self, context: &Context<'_>, request: &str) -> Result<CardCheck, ConnectorError> {
        let check: Option<Check> = Call::get(&self.site, path(request)).find(context).await?;
        Ok(check.as_ref().map_or_else(not_found, read))
    }

    /// Ends 3-D Secure of a check with the page's `PaRes`.
    pub async fn finish_card_check(
        &self,
        context: &Context<'_>,
        request: &str,
        pares: &str,
    ) -> Result<CardCheck, ConnectorError> {
        let path = format!("{}/complete", path(request));
        let check: Check = Call::post(&self.site, path, &json!({ "pares": pares }))
            .ask(context)
            .await?;
        Ok(read(&check))
    }
}

fn path(request: &str) -> String {
    format!("/validation/card/requests/{}", segment(request))
}

fn read(check: &Check) -> CardCheck {
    let wanted = check.requirements.as_ref();
    let three_ds = wanted.and_then(|wanted| {
        Some(CheckState::ThreeDSecure {
            acs_url: owned(wanted.acs_url.as_ref())?,
            pareq: owned(wanted.pareq.as_ref())?,
        })
    });
    let state = match check.status.as_ref().map_or("", Text::as_str) {
        "SUCCESS" if check.is_valid_card == Some(true) => CheckState::Valid,
        "SUCCESS" => CheckState::NotValid,
        "ERROR" => CheckState::Failed,
        "WAITING_3DS" => three_ds.unwrap_or(CheckState::Pending),
        _ => CheckState::Pending,
    };
    CardCheck {
        state,
        facts: wire::facts(None, check.card_info.as_ref(), None),
        token: check.created_token.as_ref().and_then(issued),
    }
}

fn not_found() -> CardCheck {
    CardCheck {
        state: CheckState::NotFound,
        facts: Facts::default(),
        token: None,
    }
}
