//! Payout to a card (§6.5), of a purchase or of the merchant's own money.

use plugin_sdk::connector::{
    ConnectorError, Context, DeclineReason, PayoutOrder, PayoutTarget, Report, State, StepKind,
};

use crate::callback;
use crate::config::SafeDeal;
use crate::connection::{QiwiPayConnection, is_repeat, read};
use crate::parameters::{Opcode, Parameters, wrong};
use crate::purchase::{self, CARD_NAME_MAX, CARD_TOKEN_MAX};

const PRODUCT_NAME_MAX: usize = 25;

impl QiwiPayConnection {
    pub(crate) async fn pay_out(&self, context: &Context<'_>, order: &PayoutOrder) -> Result<Report, ConnectorError> {
        let config = self.config();
        let options = self.options(&order.options);
        let options = options.map_err(|error| wrong(&error.key, error.message.clone()))?;
        if !order.splits.is_empty() {
            return Err(wrong("splits", "a payout has no parts"));
        }
        let mut parameters = Parameters::new(Opcode::Payout, config.merchant_site);
        parameters.put_amount(order.amount)?;
        parameters.put_currency(order.amount);
        parameters.put("order_id", order.payment.to_string());
        match &order.target {
            PayoutTarget::Token(token) => {
                parameters.put_within("card_token", Some(token.expose()), CARD_TOKEN_MAX)?;
            }
            PayoutTarget::Card { pan, holder } => {
                parameters.put("pan", pan.expose());
                parameters.put_within("card_name", holder.as_deref(), CARD_NAME_MAX)?;
            }
            PayoutTarget::Wallet(_) | PayoutTarget::Phone { .. } => {
                return Err(ConnectorError::unsupported("payouts to this kind of recipient"));
            }
        }
        match &order.source {
            Some(purchase) => parameters.put_txn(purchase.network_id.as_deref())?,
            None if config.safe_deal == SafeDeal::Card => {
                return Err(wrong(
                    "source_payment",
                    "a safe deal is paid out of its purchase; name it",
                ));
            }
            None => {}
        }
        parameters.put_cut("product_name", order.description.as_deref(), PRODUCT_NAME_MAX);
        options.put_common(&mut parameters);
        let notify = order.notify_url.as_deref();
        if let Some(url) = notify.and_then(|url| callback::url(self, url, order.payment, false)) {
            parameters.put("callback_url", url);
        }
        if is_repeat(context, &order.step)
            && let Some(known) = self.created_before(context, order.payment, StepKind::Payout).await?
        {
            return Ok(known.of(order.step.operation));
        }
        let response = self.ask(context, &parameters).await?;
        let (answer, code) = read(&response)?;
        let mut report = purchase::created(&answer, code, StepKind::Payout, order.amount)?.of(order.step.operation);
        if let State::Declined(decline) = &mut report.state
            && decline.reason == DeclineReason::CardInvalid
        {
            decline.reason = DeclineReason::RecipientInvalid;
        }
        Ok(report)
    }
}
