//! Safe deal (§10): an amount of two sub-sums, one for the performer and one for the platform and QIWI.

use plugin_sdk::Money;
use plugin_sdk::connector::{ConnectorError, Split};
use serde::{Deserialize, Serialize};

use crate::config::{DealField, SafeDeal};
use crate::parameters::{Parameters, decimal, wrong};

/// What is kept with the payment, for the steps that name the sub-sums again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deal {
    pub payout: Money,
    pub commission: Money,
    /// Number of the performer's wallet, when the deal pays to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<String>,
}

impl Deal {
    /// One part names the performer and what is theirs; the rest is the commission.
    pub fn of(kind: SafeDeal, splits: &[Split], amount: Money) -> Result<Option<Self>, ConnectorError> {
        let performer = match (kind, splits) {
            (SafeDeal::Off, []) => return Ok(None),
            (SafeDeal::Off, _) => return Err(wrong("splits", "the connection's config has no safe deal")),
            (_, [performer]) => performer,
            _ => return Err(wrong("splits", "a safe deal has exactly one part: the performer's")),
        };
        let commission = amount.checked_sub(performer.amount).ok();
        let commission = commission.filter(|rest| rest.minor() >= 0 && performer.amount.minor() >= 0);
        let commission = commission.ok_or_else(|| wrong("splits", "the performer's part is more than the amount"))?;
        let wallet = &performer.destination;
        let is_number = (10..=15).contains(&wallet.len()) && wallet.bytes().all(|byte| byte.is_ascii_digit());
        if kind == SafeDeal::Wallet && !is_number {
            let message = "the destination must be the number of the performer's wallet: 79111111111";
            return Err(wrong("splits", message));
        }
        Ok(Some(Self {
            payout: performer.amount,
            commission,
            wallet: (kind == SafeDeal::Wallet).then(|| wallet.clone()),
        }))
    }

    /// The part of this deal that a return gives back: as it was told, or all when all is given back.
    pub fn returned(&self, kind: SafeDeal, splits: &[Split], amount: Money) -> Result<Self, ConnectorError> {
        let whole = self.payout.checked_add(self.commission).ok();
        if splits.is_empty() && whole == Some(amount) {
            return Ok(self.clone());
        }
        let told = match splits {
            [performer] => Deal::of(SafeDeal::Card, std::slice::from_ref(performer), amount)?,
            _ => None,
        };
        let told =
            told.ok_or_else(|| wrong("splits", "a part of a safe deal is returned with the performer's part"))?;
        let kept = if kind == SafeDeal::Wallet {
            self.wallet.clone()
        } else {
            None
        };
        Ok(Self { wallet: kept, ..told })
    }

    /// What is left after some of it was returned.
    pub fn less(&self, returned: &[(Money, Money)]) -> Result<Self, ConnectorError> {
        let mut rest = self.clone();
        for (payout, commission) in returned {
            let left = rest
                .payout
                .checked_sub(*payout)
                .ok()
                .zip(rest.commission.checked_sub(*commission).ok());
            let left = left.filter(|(payout, commission)| payout.minor() >= 0 && commission.minor() >= 0);
            (rest.payout, rest.commission) =
                left.ok_or_else(|| wrong("splits", "more was returned of the safe deal than there was"))?;
        }
        Ok(rest)
    }

    pub fn put(&self, parameters: &mut Parameters, field: DealField) -> Result<(), ConnectorError> {
        let sums = format!("{};{}", decimal(self.payout)?, decimal(self.commission)?);
        parameters.put(field.as_str(), sums);
        parameters.put("cf1", self.wallet.as_deref().unwrap_or_default());
        Ok(())
    }
}

/// Sub-sums as the network echoes them; a space after the semicolon is seen.
pub fn sums(text: &str, like: Money) -> Option<(Money, Money)> {
    let (payout, commission) = text.split_once(';')?;
    let read = |part: &str| Money::parse(part.trim(), like.currency()).ok();
    Some((read(payout)?, read(commission)?))
}
