//! Which accounts a canary decides for.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use plugin_sdk::{CanaryId, MerchantId};

use crate::tenancy::BoundRevision;

/// Shares are counted in hundredths of a percent.
pub const WHOLE_BP: u32 = 10_000;
/// What the places of accounts are made under. It never changes: the same account keeps its revision.
const SCHEME: &[u8] = b"tollgate canary 1";

/// A revision that decides for a part of the accounts, as a node runs it.
pub struct BoundCanary {
    pub id: CanaryId,
    pub merchant: MerchantId,
    pub revision: Arc<BoundRevision>,
    /// Of the accounts, in hundredths of a percent.
    pub share_bp: u32,
}

impl BoundCanary {
    /// The same for the same account on every node, for as long as the canary runs. A larger share has all accounts of
    /// a smaller one. Who names no account is decided for by the published revision.
    #[must_use]
    pub fn takes(&self, account: Option<&str>) -> bool {
        account.is_some_and(|account| place(self.merchant, self.id, account) < self.share_bp)
    }
}

/// From 0 to 9999. Another canary finds other accounts first.
fn place(merchant: MerchantId, canary: CanaryId, account: &str) -> u32 {
    let mut hash = Context::new(&SHA256);
    hash.update(SCHEME);
    // Ids have one length, so no two accounts make the same text.
    hash.update(merchant.to_string().as_bytes());
    hash.update(canary.to_string().as_bytes());
    hash.update(account.as_bytes());
    let first = hash.finish().as_ref().first_chunk().copied();
    let place = u64::from_be_bytes(first.unwrap_or_default()) % u64::from(WHOLE_BP);
    u32::try_from(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_share_only_adds_accounts() {
        let (merchant, canary) = (MerchantId::generate(), CanaryId::generate());
        let accounts: Vec<_> = (0..20_000).map(|n| n.to_string()).collect();
        let taken = |share_bp| {
            let accounts = accounts
                .iter()
                .filter(|account| place(merchant, canary, account) < share_bp);
            accounts.collect::<Vec<_>>()
        };
        let (few, many) = (taken(500), taken(2_000));
        assert!(few.iter().all(|account| many.contains(account)));
        // Five and twenty per cent of 20,000, give or take eight standard deviations.
        assert!((750..1_250).contains(&few.len()), "{}", few.len());
        assert!((3_500..4_500).contains(&many.len()), "{}", many.len());
    }

    /// A node of another version must not decide by another revision.
    #[test]
    fn the_place_of_an_account_never_changes() {
        let merchant = "mer_01J00000000000000000000000".parse().unwrap();
        let canary = "can_01J00000000000000000000000".parse().unwrap();
        let places = ["42", "4957835959", ""].map(|account| place(merchant, canary, account));
        assert_eq!(places, [6_056, 9_572, 1_727]);
    }
}
