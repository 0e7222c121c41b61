//! The one state machine of payments that merchants' systems make. Facts go in, whatever told them: an answer, a
//! notification, a status query. What a state does not allow is refused, and the amounts are checked at each step.
//!
//! `docs/payments.md` shows the table below as a diagram; a test keeps the two alike.

use plugin_sdk::{Money, MoneyError};
use store::PaymentStatus;

use PaymentStatus as S;

/// What is held, taken and given back of one payment. `reversed + captured ≤ authorized` and `refunded ≤ captured`
/// always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    pub authorized: Money,
    pub captured: Money,
    pub reversed: Money,
    pub refunded: Money,
}

/// What happened to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    RequiresAction,
    Processing,
    InDoubt,
    Authorized(Money),
    /// Paid in one step.
    Succeeded(Money),
    Declined,
    Expired,
    Failed,
    Captured(Money),
    /// Held money was released.
    Reversed(Money),
    /// Captured money was given back.
    Refunded(Money),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    RequiresAction,
    Processing,
    InDoubt,
    Authorized,
    Succeeded,
    Declined,
    Expired,
    Failed,
    Captured,
    Reversed,
    Refunded,
}

impl FactKind {
    pub const ALL: [Self; 11] = [
        Self::RequiresAction,
        Self::Processing,
        Self::InDoubt,
        Self::Authorized,
        Self::Succeeded,
        Self::Declined,
        Self::Expired,
        Self::Failed,
        Self::Captured,
        Self::Reversed,
        Self::Refunded,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::InDoubt => "in_doubt",
            Self::Authorized => "authorized",
            Self::Succeeded => "succeeded",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Captured => "captured",
            Self::Reversed => "reversed",
            Self::Refunded => "refunded",
        }
    }
}

impl Fact {
    #[must_use]
    pub const fn kind(self) -> FactKind {
        match self {
            Self::RequiresAction => FactKind::RequiresAction,
            Self::Processing => FactKind::Processing,
            Self::InDoubt => FactKind::InDoubt,
            Self::Authorized(_) => FactKind::Authorized,
            Self::Succeeded(_) => FactKind::Succeeded,
            Self::Declined => FactKind::Declined,
            Self::Expired => FactKind::Expired,
            Self::Failed => FactKind::Failed,
            Self::Captured(_) => FactKind::Captured,
            Self::Reversed(_) => FactKind::Reversed,
            Self::Refunded(_) => FactKind::Refunded,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a payment that is {} cannot be {}", .from.as_str(), .fact.as_str())]
    Transition { from: PaymentStatus, fact: FactKind },
    #[error("{0}")]
    Amount(String),
}

impl From<MoneyError> for Refused {
    fn from(error: MoneyError) -> Self {
        Self::Amount(error.to_string())
    }
}

/// States in which nobody knows yet whether the payment comes to be.
const OPEN: [S; 4] = [S::Created, S::RequiresAction, S::Processing, S::InDoubt];
/// Ends without money. The network's truth wins: a payer may be late, or our own side gave up too early.
const ENDED_EMPTY: [S; 3] = [S::Declined, S::Expired, S::Failed];

/// Whether a payment in this state may meet this fact. Where it leads is then a question of amounts.
#[must_use]
pub fn allows(from: PaymentStatus, fact: FactKind) -> bool {
    match fact {
        FactKind::RequiresAction | FactKind::Processing | FactKind::InDoubt => OPEN.contains(&from),
        FactKind::Declined | FactKind::Expired | FactKind::Failed => OPEN.contains(&from),
        FactKind::Authorized | FactKind::Succeeded => OPEN.contains(&from) || ENDED_EMPTY.contains(&from),
        FactKind::Captured | FactKind::Reversed => {
            matches!(from, S::Authorized | S::PartiallyCaptured | S::PartiallyRefunded)
        }
        FactKind::Refunded => matches!(from, S::Succeeded | S::PartiallyCaptured | S::PartiallyRefunded),
    }
}

/// States that a fact can lead to, depending on the amounts.
#[must_use]
pub const fn leads_to(fact: FactKind) -> &'static [PaymentStatus] {
    match fact {
        FactKind::RequiresAction => &[S::RequiresAction],
        FactKind::Processing => &[S::Processing],
        FactKind::InDoubt => &[S::InDoubt],
        FactKind::Authorized => &[S::Authorized],
        FactKind::Succeeded => &[S::Succeeded],
        FactKind::Declined => &[S::Declined],
        FactKind::Expired => &[S::Expired],
        FactKind::Failed => &[S::Failed],
        FactKind::Captured => &[S::PartiallyCaptured, S::Succeeded, S::PartiallyRefunded],
        FactKind::Reversed => &[
            S::Authorized,
            S::PartiallyCaptured,
            S::Reversed,
            S::Succeeded,
            S::PartiallyRefunded,
            S::Refunded,
        ],
        FactKind::Refunded => &[S::PartiallyRefunded, S::Refunded],
    }
}

impl Amounts {
    /// Of a payment of this amount, before anything happened.
    #[must_use]
    pub fn none(of: Money) -> Self {
        let zero = Money::from_minor(0, of.currency());
        Self {
            authorized: zero,
            captured: zero,
            reversed: zero,
            refunded: zero,
        }
    }

    /// What is still held.
    pub fn capturable(&self) -> Result<Money, MoneyError> {
        self.authorized.checked_sub(self.captured)?.checked_sub(self.reversed)
    }

    /// What was taken and not given back.
    pub fn refundable(&self) -> Result<Money, MoneyError> {
        self.captured.checked_sub(self.refunded)
    }

    fn check(&self, amount: Money) -> Result<(), Refused> {
        let whole = [self.authorized, self.captured, self.reversed, self.refunded];
        if whole.iter().any(|money| money.minor() < 0)
            || self.capturable()?.minor() < 0
            || self.refundable()?.minor() < 0
        {
            let message = "more would be captured, released or given back than there is";
            return Err(Refused::Amount(message.to_owned()));
        }
        if self.authorized.checked_sub(amount)?.minor() > 0 {
            return Err(Refused::Amount("more would be taken than was asked for".to_owned()));
        }
        Ok(())
    }
}

/// The state after a fact, with the amounts that belong to it.
pub fn apply(
    amount: Money,
    from: PaymentStatus,
    amounts: Amounts,
    fact: Fact,
) -> Result<(PaymentStatus, Amounts), Refused> {
    if !allows(from, fact.kind()) {
        return Err(Refused::Transition {
            from,
            fact: fact.kind(),
        });
    }
    let mut after = amounts;
    match fact {
        Fact::RequiresAction => return Ok((S::RequiresAction, amounts)),
        Fact::Processing => return Ok((S::Processing, amounts)),
        Fact::InDoubt => return Ok((S::InDoubt, amounts)),
        Fact::Declined => return Ok((S::Declined, amounts)),
        Fact::Expired => return Ok((S::Expired, amounts)),
        Fact::Failed => return Ok((S::Failed, amounts)),
        Fact::Authorized(money) => after.authorized = positive(money)?,
        Fact::Succeeded(money) => {
            after.authorized = positive(money)?;
            after.captured = money;
        }
        Fact::Captured(money) => after.captured = after.captured.checked_add(positive(money)?)?,
        Fact::Reversed(money) => after.reversed = after.reversed.checked_add(positive(money)?)?,
        Fact::Refunded(money) => after.refunded = after.refunded.checked_add(positive(money)?)?,
    }
    after.check(amount)?;
    Ok((standing(&after)?, after))
}

fn positive(money: Money) -> Result<Money, Refused> {
    if money.minor() > 0 {
        return Ok(money);
    }
    Err(Refused::Amount("an amount that moves is more than nothing".to_owned()))
}

/// Where a payment with money in it stands.
fn standing(amounts: &Amounts) -> Result<PaymentStatus, Refused> {
    let held = amounts.capturable()?.minor() > 0;
    let kept = amounts.refundable()?.minor() > 0;
    let given_back = amounts.refunded.minor() > 0;
    Ok(match (amounts.captured.minor() > 0, held) {
        (false, true) => S::Authorized,
        (false, false) => S::Reversed,
        (true, _) if given_back && (kept || held) => S::PartiallyRefunded,
        (true, _) if given_back => S::Refunded,
        (true, true) => S::PartiallyCaptured,
        (true, false) => S::Succeeded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_sdk::Currency;
    use proptest::prelude::*;

    fn rub(minor: i64) -> Money {
        Money::from_minor(minor, Currency::RUB)
    }

    fn fact(kind: FactKind, minor: i64) -> Fact {
        match kind {
            FactKind::RequiresAction => Fact::RequiresAction,
            FactKind::Processing => Fact::Processing,
            FactKind::InDoubt => Fact::InDoubt,
            FactKind::Authorized => Fact::Authorized(rub(minor)),
            FactKind::Succeeded => Fact::Succeeded(rub(minor)),
            FactKind::Declined => Fact::Declined,
            FactKind::Expired => Fact::Expired,
            FactKind::Failed => Fact::Failed,
            FactKind::Captured => Fact::Captured(rub(minor)),
            FactKind::Reversed => Fact::Reversed(rub(minor)),
            FactKind::Refunded => Fact::Refunded(rub(minor)),
        }
    }

    /// Amounts with which a payment of 100.00 stands in each state.
    fn amounts(status: PaymentStatus) -> Amounts {
        let of = |authorized, captured, reversed, refunded| Amounts {
            authorized: rub(authorized),
            captured: rub(captured),
            reversed: rub(reversed),
            refunded: rub(refunded),
        };
        match status {
            S::Created | S::RequiresAction | S::Processing | S::InDoubt => of(0, 0, 0, 0),
            S::Declined | S::Expired | S::Failed => of(0, 0, 0, 0),
            S::Authorized => of(10_000, 0, 0, 0),
            S::PartiallyCaptured => of(10_000, 4_000, 0, 0),
            S::Succeeded => of(10_000, 10_000, 0, 0),
            S::PartiallyRefunded => of(10_000, 6_000, 0, 2_000),
            S::Refunded => of(10_000, 10_000, 0, 10_000),
            S::Reversed => of(10_000, 0, 10_000, 0),
        }
    }

    #[test]
    fn every_transition_of_the_table_happens_and_no_other() {
        for from in PaymentStatus::ALL {
            for kind in FactKind::ALL {
                let whole = apply(rub(10_000), from, amounts(from), fact(kind, 10_000));
                let part = apply(rub(10_000), from, amounts(from), fact(kind, 1_000));
                if !allows(from, kind) {
                    let refused = Err(Refused::Transition { from, fact: kind });
                    assert_eq!((&whole, &part), (&refused, &refused), "{from:?} {kind:?}");
                    continue;
                }
                let (to, _) = part.unwrap_or_else(|error| panic!("{from:?} {kind:?}: {error}"));
                assert!(leads_to(kind).contains(&to), "{from:?} {kind:?} → {to:?}");
            }
        }
    }

    #[test]
    fn every_state_that_a_fact_leads_to_is_reached() {
        for kind in FactKind::ALL {
            let mut reached = std::collections::HashSet::new();
            for from in PaymentStatus::ALL {
                for minor in [1_000, 4_000, 6_000, 10_000] {
                    if let Ok((to, _)) = apply(rub(10_000), from, amounts(from), fact(kind, minor)) {
                        reached.insert(to);
                    }
                }
            }
            // Two more ways to have something held: all captured money given back, the rest of the hold still there.
            let half = Amounts {
                refunded: rub(6_000),
                ..amounts(S::PartiallyRefunded)
            };
            if let Ok((to, _)) = apply(rub(10_000), S::PartiallyRefunded, half, fact(kind, 4_000)) {
                reached.insert(to);
            }
            let expected: std::collections::HashSet<_> = leads_to(kind).iter().copied().collect();
            let missing: Vec<_> = expected.difference(&reached).collect();
            assert!(reached.is_subset(&expected), "{kind:?}: {reached:?}");
            assert!(
                missing.is_empty(),
                "{kind:?}: {missing:?} is in the table and nothing leads there"
            );
        }
    }

    #[test]
    fn a_payment_goes_its_usual_ways() {
        let amount = rub(10_000);
        let walk = |facts: &[Fact]| {
            facts
                .iter()
                .try_fold((S::Created, Amounts::none(amount)), |(status, amounts), fact| {
                    apply(amount, status, amounts, *fact)
                })
        };
        let ends = |facts: &[Fact]| walk(facts).map(|(status, _)| status);
        assert_eq!(ends(&[Fact::Succeeded(amount)]), Ok(S::Succeeded));
        assert_eq!(
            ends(&[Fact::RequiresAction, Fact::Authorized(amount), Fact::Captured(amount)]),
            Ok(S::Succeeded)
        );
        assert_eq!(
            ends(&[
                Fact::Authorized(amount),
                Fact::Captured(rub(3_000)),
                Fact::Captured(rub(7_000)),
                Fact::Refunded(rub(1))
            ]),
            Ok(S::PartiallyRefunded)
        );
        assert_eq!(
            ends(&[Fact::Authorized(amount), Fact::Reversed(rub(4_000))]),
            Ok(S::Authorized)
        );
        assert_eq!(
            ends(&[
                Fact::Authorized(amount),
                Fact::Reversed(rub(4_000)),
                Fact::Captured(rub(6_000))
            ]),
            Ok(S::Succeeded)
        );
        assert_eq!(
            ends(&[Fact::Authorized(amount), Fact::Reversed(amount)]),
            Ok(S::Reversed)
        );
        assert_eq!(
            ends(&[Fact::Succeeded(amount), Fact::Refunded(amount)]),
            Ok(S::Refunded)
        );
        assert_eq!(
            ends(&[Fact::InDoubt, Fact::Failed, Fact::Succeeded(amount)]),
            Ok(S::Succeeded),
            "the network is right"
        );
        assert!(walk(&[Fact::Authorized(amount), Fact::Captured(rub(10_001))]).is_err());
        assert!(walk(&[Fact::Succeeded(amount), Fact::Refunded(amount), Fact::Refunded(rub(1))]).is_err());
        assert!(walk(&[Fact::Authorized(rub(10_001))]).is_err());
        assert!(walk(&[Fact::Authorized(rub(0))]).is_err());
        assert!(walk(&[Fact::Authorized(Money::from_minor(10_000, Currency::USD))]).is_err());
    }

    /// The table as a diagram: an arrow for each fact that leads from one state to another with some amounts.
    fn diagram() -> String {
        let mut lines = vec!["stateDiagram-v2".to_owned(), "    [*] --> created".to_owned()];
        for from in PaymentStatus::ALL {
            for kind in FactKind::ALL {
                let mut reached = Vec::new();
                for minor in [1_000, 4_000, 6_000, 10_000] {
                    if let Ok((to, _)) = apply(rub(10_000), from, amounts(from), fact(kind, minor))
                        && !reached.contains(&to)
                    {
                        reached.push(to);
                    }
                }
                for to in reached {
                    let (from, to) = (from.as_str(), to.as_str());
                    let label = if from == to {
                        format!("{} (a part)", kind.as_str())
                    } else {
                        kind.as_str().to_owned()
                    };
                    let opens =
                        kind == FactKind::RequiresAction || kind == FactKind::Processing || kind == FactKind::InDoubt;
                    if from != to || !opens {
                        lines.push(format!("    {from} --> {to}: {label}"));
                    }
                }
            }
        }
        lines.join("\n")
    }

    #[test]
    fn the_diagram_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/payments.md");
        let page = std::fs::read_to_string(path).unwrap();
        let drawn = page
            .split("```mermaid\n")
            .nth(1)
            .and_then(|rest| rest.split("\n```").next());
        assert_eq!(
            drawn,
            Some(diagram().as_str()),
            "docs/payments.md wants this diagram:\n{}",
            diagram()
        );
    }

    proptest! {
        #[test]
        fn whatever_is_told_the_amounts_add_up(facts in prop::collection::vec((0..11_usize, 1..12_000_i64), 0..30)) {
            let amount = rub(10_000);
            let (mut status, mut now) = (S::Created, Amounts::none(amount));
            for (kind, minor) in facts {
                if let Ok((next, after)) = apply(amount, status, now, fact(FactKind::ALL[kind], minor)) {
                    (status, now) = (next, after);
                }
                prop_assert!(now.capturable().unwrap().minor() >= 0);
                prop_assert!(now.refundable().unwrap().minor() >= 0);
                prop_assert!(now.authorized.minor() <= amount.minor());
            }
        }
    }
}
