//! What a merchant's rules run under: the operator sets it, the merchant may lower its own limits.

use plugin_sdk::MerchantId;
use rules::CallLimits;
use serde_json::Value;
use store::StoreError;

use super::{Rulebook, RulebookError, json_of};
use crate::tenancy::{LimitSettings, RuleSettings};

impl Rulebook {
    pub async fn settings(&self, merchant: MerchantId) -> Result<RuleSettings, RulebookError> {
        read(self.store.rule_settings(merchant).await?)
    }

    /// Replaces what the merchant's rules run under, and gives it as it is kept. What the merchant lowered stays.
    pub async fn set_settings(
        &self,
        merchant: MerchantId,
        settings: RuleSettings,
        actor: &str,
    ) -> Result<RuleSettings, RulebookError> {
        let installation = self.engine.limits().call;
        self.change(merchant, actor, |before| {
            if settings.lowered != LimitSettings::default() && settings.lowered != before.lowered {
                let message = "is the merchant's own; it is changed as rules/limits";
                return Err(RulebookError::field("lowered", message));
            }
            let lowered = before.lowered;
            RuleSettings { lowered, ..settings }.checked(&installation)
        })
        .await
    }

    /// Replaces what the merchant itself lowers of its limits.
    pub async fn lower_limits(
        &self,
        merchant: MerchantId,
        lowered: LimitSettings,
        actor: &str,
    ) -> Result<RuleSettings, RulebookError> {
        let installation = self.engine.limits().call;
        let change = |before: RuleSettings| before.lowered_by(lowered, &installation);
        self.change(merchant, actor, change).await
    }

    async fn change(
        &self,
        merchant: MerchantId,
        actor: &str,
        change: impl FnOnce(RuleSettings) -> Result<RuleSettings, RulebookError> + Send,
    ) -> Result<RuleSettings, RulebookError> {
        let change = |before| -> Result<Value, RulebookError> { Ok(json_of(&change(read(before)?)?)?) };
        let kept = (self
            .store
            .change_rule_settings(merchant, actor, self.clock.now(), change))
        .await?;
        read(Some(kept))
    }

    /// What one call of the merchant's scripts may use.
    pub async fn limits(&self, merchant: MerchantId) -> Result<CallLimits, RulebookError> {
        let settings = self.settings(merchant).await?;
        Ok(settings.call_limits(&self.engine.limits().call))
    }
}

fn read(stored: Option<Value>) -> Result<RuleSettings, RulebookError> {
    let settings = stored.map(serde_json::from_value).transpose();
    let settings = settings.map_err(|error| StoreError::Corrupt(format!("settings of the rules: {error}")))?;
    Ok(settings.unwrap_or_default())
}
