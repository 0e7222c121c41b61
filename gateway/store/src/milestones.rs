//! How far a merchant came: asked before it goes live, and answered by its newest rows alone.

use plugin_sdk::MerchantId;
use sea_orm::Value;

use crate::{Store, StoreError};

/// Rows that are looked at, the newest.
const NEWEST: i64 = 1_000;

/// What happened at least once, as far as the newest rows tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milestones {
    /// A payment succeeded.
    pub paid: bool,
    /// An endpoint that is there took a webhook.
    pub told: bool,
}

impl Store {
    pub async fn milestones(&self, merchant: MerchantId) -> Result<Milestones, StoreError> {
        let paid =
            "SELECT 1 AS one FROM (SELECT status FROM payments WHERE merchant_id = $1 ORDER BY id DESC LIMIT $2) p
                    WHERE status = 'succeeded' LIMIT 1";
        let told = "SELECT 1 AS one FROM (SELECT endpoint_id, status FROM deliveries WHERE merchant_id = $1
                                          ORDER BY id DESC LIMIT $2) d
                    JOIN webhook_endpoints e ON e.id = d.endpoint_id AND e.status <> 'deleted'
                    WHERE d.status = 'delivered' LIMIT 1";
        Ok(Milestones {
            paid: self.is_any(paid, merchant).await?,
            told: self.is_any(told, merchant).await?,
        })
    }

    async fn is_any(&self, sql: &str, merchant: MerchantId) -> Result<bool, StoreError> {
        let values: Vec<Value> = vec![merchant.to_string().into(), NEWEST.into()];
        Ok(!self.ask(sql.to_owned(), values).await?.is_empty())
    }
}
