//! Between the repeat lookup and the credit: what objects to a request, and what the merchant's rules say of it.

use plugin_sdk::{Command, Money, Reason, Refusal};
use serde_json::Value;
use store::{NewEvent, NewPayment};

use super::{Acceptance, Call};
use crate::payments::account::Verdict;
use crate::payments::decision::{self, Asked, Fee, Ruling};
use crate::payments::shadow::Behind;

/// How an account was judged, with the record of the rules if they were asked.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) ruling: Option<(i32, Value)>,
    /// What the rules decided on the way, as far as anybody looks at it later.
    pub(super) behind: Behind,
    /// What the payer pays on top, if the account may be paid.
    pub(super) fee: Option<Money>,
    /// Keys under which velocities count the payment.
    pub(super) velocity_keys: Vec<String>,
}

impl Judged {
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self {
            verdict: Verdict::Refused(refusal),
            ruling: None,
            behind: Behind::default(),
            fee: None,
            velocity_keys: Vec::new(),
        }
    }
}

impl Acceptance {
    /// How the account is judged; what the rules decided is stored behind the answer.
    pub(super) async fn verdict(&self, call: &Call<'_>) -> Verdict {
        let judged = self.judge(call).await;
        self.keep(judged.behind);
        judged.verdict
    }

    /// Decisions of requests that make no payment. When too much waits they are dropped, not the answers.
    pub(super) fn keep(&self, behind: Behind) {
        self.shadows.hand_over(behind.shadowed);
        for decision in behind.decisions {
            if self.log.decision(decision).is_err() {
                metrics::counter!("tollgate_decisions_dropped_total").increment(1);
            }
        }
    }

    /// Everything between the repeat lookup and the credit.
    pub(super) async fn judge(&self, call: &Call<'_>) -> Judged {
        let objections = &call.request.objections;
        let closed = || (!call.tenant.takes_payments(call.connection)).then(|| Reason::Forbidden.into());
        let early = objections
            .syntax
            .clone()
            .or_else(closed)
            .or_else(|| objections.account.clone());
        if let Some(refusal) = early {
            return Judged::refused(refusal);
        }
        let asked = self.asked(call);
        let (mut behind, mut counted) = (Behind::default(), Vec::new());
        let (said, ruling) = match self.rules.check(&asked, &mut behind).await {
            Some(Ruling {
                verdict,
                summary,
                revision,
                velocity_keys,
            }) => {
                counted = velocity_keys;
                (verdict, Some((revision, summary)))
            }
            None => (None, None),
        };
        let verdict = match (said, call.protocol.account_check_url()) {
            (Some(verdict), _) => verdict,
            // The check URL is for checks: a pay is taken without asking (`protocols/terminal.md §12.4`).
            (None, Some(url)) if call.request.command != Command::Pay => {
                self.account_check.ask(url, call.request).await
            }
            (None, _) => Verdict::yes(),
        };
        let verdict = match (verdict, &objections.terms) {
            (Verdict::Accepted { .. }, Some(refusal)) => Verdict::Refused(refusal.clone()),
            (verdict, _) => verdict,
        };
        let (verdict, fee) = self.with_fee(&asked, verdict, &mut behind).await;
        Judged {
            verdict,
            ruling,
            behind,
            fee,
            velocity_keys: counted,
        }
    }

    fn asked<'a>(&self, call: &Call<'a>) -> Asked<'a> {
        Asked {
            tenant: call.tenant,
            connection: call.connection,
            request: call.request,
            now: self.clock.now(),
        }
    }

    /// An acceptance with what it costs, which the payer is shown before the money is in the machine.
    async fn with_fee(&self, asked: &Asked<'_>, verdict: Verdict, behind: &mut Behind) -> (Verdict, Option<Money>) {
        let Verdict::Accepted { comment, mut fields } = verdict else {
            return (verdict, None);
        };
        let fee = match self.rules.fee(asked, behind).await {
            Fee::None => None,
            Fee::Refused(refusal) => return (Verdict::Refused(refusal), None),
            Fee::Of { amount, text } => {
                if asked.request.command != Command::Pay {
                    decision::show_fee(&mut fields, amount, text);
                }
                Some(amount)
            }
        };
        (Verdict::Accepted { comment, fields }, fee)
    }

    /// The merchant's rules see the event of a payment before anybody else does.
    pub(super) async fn shape_event(&self, call: &Call<'_>, payment: &NewPayment, event: &mut NewEvent) {
        let asked = self.asked(call);
        if self.rules.shapes_event(&asked, event) {
            let view = rules::Payment {
                id: Some(payment.id.to_string()),
                status: Some(payment.status.as_str().to_owned()),
                ..decision::payment(&asked, payment.amount)
            };
            self.rules.shape_event(&asked, event, view).await;
        }
    }
}
