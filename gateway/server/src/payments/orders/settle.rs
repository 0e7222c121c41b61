//! What a network's word changes: pure, so that every order of coming can be tried. An operation comes to its end once;
//! whatever tells of it again changes nothing.

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::connector::{ConnectorError, IssuedToken, NetworkFault, Report, State, StepKind};
use plugin_sdk::{Money, OperationId};
use store::{OperationStatus, OrderDirection, OrderOperation, OrderState, PaymentStatus, StoreError};

use super::progress::{self, OperationFault, Progress, RouteStep};
use crate::events;
use crate::payments::machine::{self, Amounts, Fact};

/// When a network is asked what became of an operation, in seconds after the time before; the last one repeats.
const CHECK_AFTER_S: [i64; 11] = [2, 5, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600];

/// What one word of a network changed.
#[derive(Default)]
pub struct Settled {
    /// Types of the events that tell of it.
    pub events: Vec<(&'static str, Option<OperationId>)>,
    pub tokens: Vec<IssuedToken>,
    pub changed: bool,
}

impl Settled {
    pub fn merge(&mut self, other: Self) {
        self.events.extend(other.events);
        self.tokens.extend(other.tokens);
        self.changed |= other.changed;
    }
}

/// Now, or just after `before` when the clock of the node that came before was ahead: the events of a payment are told in
/// the order of these moments, which ids keep to the millisecond.
pub fn later_than(before: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now.max(before + Duration::milliseconds(1))
}

/// A payment while it is changed, with its documents read.
pub struct Settling {
    pub state: OrderState,
    pub progress: Progress,
    now: DateTime<Utc>,
    /// What the network does not know may still be on its way to it for so long.
    on_its_way: Duration,
}

impl Settling {
    pub fn of(state: OrderState, now: DateTime<Utc>, on_its_way: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            progress: progress::read(&state.order.progress)?,
            state,
            now,
            on_its_way,
        })
    }

    /// The payment as it is to be stored.
    #[must_use]
    pub fn done(mut self) -> OrderState {
        self.state.order.progress = progress::write(&self.progress);
        let before = self.state.order.updated_at;
        self.state.order.updated_at = later_than(before, self.now);
        self.state
    }

    /// An answer, a status or a notification about one step.
    pub fn report(&mut self, report: Report) -> Settled {
        let place = self.operation_of(&report);
        let known = place.is_some();
        let at = match place {
            Some(at) => at,
            None if is_create(report.kind) => return Settled::default(),
            None => match self.made_by_the_network(&report) {
                Some(at) => at,
                None => return Settled::default(),
            },
        };
        if self.is_final(at) && !matches!(report.state, State::Authorized | State::Succeeded) {
            // It has come to its end; only money that moved after all is news.
            return Settled::default();
        }
        let creates = is_create(report.kind);
        let before = (self.progress.clone(), self.state.order.network_id.clone());
        if report.state != State::NotFound {
            self.take_facts(&report, creates);
        }
        let mut settled = if creates {
            self.created(at, report)
        } else {
            self.stepped(at, report)
        };
        settled.changed |= before != (self.progress.clone(), self.state.order.network_id.clone());
        if !known && !self.is_final(at) {
            // What contradicts the payment is nobody's operation.
            self.state.operations.truncate(at);
        }
        settled
    }

    /// Why there is no answer to one step. Changes nothing when its end was told meanwhile.
    pub fn failure(&mut self, operation: OperationId, error: &ConnectorError) -> Settled {
        let Some(at) = self.position(operation).filter(|at| !self.is_final(*at)) else {
            return Settled::default();
        };
        match error {
            ConnectorError::Declined(decline) => {
                let kind = self.kind(at);
                self.end(at, OperationStatus::Declined, Some(OperationFault::declined(decline)));
                if is_create(kind) {
                    self.progress.decline = Some(decline.clone());
                }
                self.step_ended(at, Fact::Declined)
            }
            ConnectorError::Invalid(fault) => self.failed(at, "invalid", fault),
            ConnectorError::Unavailable(fault) => self.failed(at, "unavailable", fault),
            ConnectorError::Uncertain(fault) => self.in_doubt(at, fault),
        }
    }

    fn failed(&mut self, at: usize, reason: &str, fault: &NetworkFault) -> Settled {
        self.end(at, OperationStatus::Failed, Some(OperationFault::of(reason, fault)));
        if is_create(self.kind(at)) {
            self.progress.fault = Some(fault.clone());
        }
        self.step_ended(at, Fact::Failed)
    }

    /// Nobody knows whether it was executed; the network will be asked.
    pub fn in_doubt(&mut self, at: usize, fault: &NetworkFault) -> Settled {
        let fault = OperationFault::of("uncertain", fault);
        let Some(operation) = self.state.operations.get_mut(at) else {
            return Settled::default();
        };
        if operation.status.is_final() || operation.status == OperationStatus::InDoubt {
            return Settled::default();
        }
        let create = is_create(operation.kind);
        operation.status = OperationStatus::InDoubt;
        operation.fault = Some(fault.json());
        operation.updated_at = self.now;
        operation.check_at = Some(self.now + check_pause(operation.tries));
        self.route_outcome(at, "in_doubt");
        let mut settled = if create {
            self.fact(Fact::InDoubt)
        } else {
            Settled::default()
        };
        settled.changed = true;
        settled
    }

    /// The failing try was one of several: the payment goes on elsewhere with `next`. Not when its end was told meanwhile.
    pub fn fail_over(&mut self, failed: OperationId, error: &ConnectorError, next: OrderOperation, connection: &str) {
        let Some(at) = self.position(failed).filter(|at| !self.is_final(*at)) else {
            return;
        };
        let (status, fault) = match error {
            ConnectorError::Declined(decline) => (OperationStatus::Declined, OperationFault::declined(decline)),
            ConnectorError::Invalid(fault) => (OperationStatus::Failed, OperationFault::of("invalid", fault)),
            ConnectorError::Unavailable(fault) | ConnectorError::Uncertain(fault) => {
                (OperationStatus::Failed, OperationFault::of("unavailable", fault))
            }
        };
        self.end(at, status, Some(fault));
        self.state.order.payment.connection_id = next.connection_id;
        self.add_route_step(connection, next.id);
        self.state.operations.push(next);
    }

    pub fn add_route_step(&mut self, connection: &str, operation: OperationId) {
        let mut route: Vec<RouteStep> = progress::read(&self.state.order.route).unwrap_or_default();
        route.push(RouteStep {
            connection: connection.to_owned(),
            operation,
            at: self.now,
            outcome: "tried".to_owned(),
        });
        self.state.order.route = progress::write(&route);
    }

    /// The network was asked and could not say: it is asked again later.
    pub fn ask_again(&mut self, operation: OperationId) {
        let now = self.now;
        if let Some(operation) = self.state.operations.iter_mut().find(|known| known.id == operation)
            && !operation.status.is_final()
        {
            operation.tries = operation.tries.saturating_add(1);
            operation.check_at = Some(now + check_pause(operation.tries));
            operation.updated_at = now;
        }
    }

    pub fn position(&self, operation: OperationId) -> Option<usize> {
        self.state.operations.iter().position(|known| known.id == operation)
    }

    fn is_final(&self, at: usize) -> bool {
        self.state
            .operations
            .get(at)
            .is_some_and(|known| known.status.is_final())
    }

    fn kind(&self, at: usize) -> StepKind {
        self.state
            .operations
            .get(at)
            .map_or(StepKind::Create, |operation| operation.kind)
    }

    /// The operation that a report is about: by our id, by the network's, or the one that made the payment.
    fn operation_of(&self, report: &Report) -> Option<usize> {
        let operations = || self.state.operations.iter().enumerate().rev();
        if let Some(id) = report.operation {
            return self.position(id);
        }
        if is_create(report.kind) {
            // The one that is not known to have failed; of several, the newest.
            let creates = || operations().filter(|(_, known)| is_create(known.kind));
            let living = creates().find(|(_, known)| known.status != OperationStatus::Failed);
            return living.or_else(|| creates().next()).map(|(at, _)| at);
        }
        let network_id = report.network_id.as_deref()?;
        // Who asked before the step was stored did not know it, and yet its own id is what the network echoes.
        let same = operations().find(|(_, known)| {
            let told = known.kind == report.kind && known.network_id.as_deref() == Some(network_id);
            told || known.id.to_string() == network_id
        });
        same.map(|(at, _)| at)
    }

    /// A step that nobody here ordered: a hold that was captured when its time was over, or a refund that a person made
    /// at the network.
    fn made_by_the_network(&mut self, report: &Report) -> Option<usize> {
        // While a step of ours is open, this may be that very step, seen by who did not know of it: it will be asked for.
        let open = |known: &OrderOperation| !is_create(known.kind) && !known.status.is_final();
        if !matches!(report.state, State::Succeeded) || self.state.operations.iter().any(open) {
            return None;
        }
        let amounts = self.amounts();
        let rest = match report.kind {
            StepKind::Capture | StepKind::Reversal => amounts.capturable().ok()?,
            _ => amounts.refundable().ok()?,
        };
        let amount = progress::told_or(report.amount, rest);
        if amount.minor() <= 0 || report.network_id.is_none() && amount != rest {
            return None;
        }
        let order = &self.state.order;
        self.state.operations.push(OrderOperation {
            id: OperationId::generate(),
            kind: report.kind,
            status: OperationStatus::Pending,
            connection_id: order.payment.connection_id,
            number: 0,
            amount,
            network_id: report.network_id.clone(),
            fault: None,
            rule_revision: None,
            tries: 0,
            check_at: None,
            created_at: self.now,
            updated_at: self.now,
        });
        Some(self.state.operations.len() - 1)
    }

    fn take_facts(&mut self, report: &Report, creates: bool) {
        let facts = &mut self.progress.facts;
        let told = &report.facts;
        for (known, told) in [
            (&mut facts.masked_pan, &told.masked_pan),
            (&mut facts.card_scheme, &told.card_scheme),
            (&mut facts.card_issuer, &told.card_issuer),
            (&mut facts.card_country, &told.card_country),
            (&mut facts.rrn, &told.rrn),
            (&mut facts.auth_code, &told.auth_code),
            (&mut facts.receipt_url, &told.receipt_url),
        ] {
            if told.is_some() && (creates || known.is_none()) {
                known.clone_from(told);
            }
        }
        facts.more.extend(told.more.clone());
        if let Some(kept) = &report.keep {
            self.progress.kept = kept.clone();
        }
        if creates && report.network_id.is_some() {
            self.state.order.network_id.clone_from(&report.network_id);
        }
        if report.hold.is_some() {
            self.progress.hold = report.hold;
        }
    }

    fn created(&mut self, at: usize, report: Report) -> Settled {
        if let (Some(operation), Some(id)) = (self.state.operations.get_mut(at), &report.network_id) {
            operation.network_id = Some(id.clone());
        }
        let asked = self.state.order.payment.amount;
        let amount = progress::told_or(report.amount, asked);
        let mut settled = match report.state {
            State::Pending => self.goes_on(at, Fact::Processing),
            State::RequiresAction(action) => {
                self.progress.action = Some(action);
                self.goes_on(at, Fact::RequiresAction)
            }
            State::Authorized => self.came_to(at, Fact::Authorized(amount)),
            State::Succeeded => self.paid(at, amount),
            State::Declined(decline) => {
                self.progress.decline = Some(decline.clone());
                self.end(at, OperationStatus::Declined, Some(OperationFault::declined(&decline)));
                self.step_ended(at, Fact::Declined)
            }
            State::Expired => {
                let fault = NetworkFault::new("nobody paid in time");
                self.end(
                    at,
                    OperationStatus::Declined,
                    Some(OperationFault::of("expired", &fault)),
                );
                self.step_ended(at, Fact::Expired)
            }
            State::NotFound => self.not_found(at),
        };
        settled.tokens.extend(report.token);
        settled
    }

    /// Paid in one step; or, when it was known as held, captured meanwhile.
    fn paid(&mut self, at: usize, amount: Money) -> Settled {
        let status = self.state.order.payment.status;
        if machine::allows(status, machine::FactKind::Succeeded) {
            return self.came_to(at, Fact::Succeeded(amount));
        }
        let amounts = self.amounts();
        let (Ok(held), true) = (amounts.capturable(), status == PaymentStatus::Authorized) else {
            return Settled::default();
        };
        let captured = Report::new(StepKind::Capture, State::Succeeded).with_amount(held);
        // The capture that is in doubt, if there is one, is what the network tells of.
        let open = self.state.operations.iter().find(|operation| {
            operation.kind == StepKind::Capture && !operation.status.is_final() && operation.amount == held
        });
        let captured = match open {
            Some(operation) => captured.of(operation.id),
            None => captured,
        };
        self.report(captured)
    }

    fn stepped(&mut self, at: usize, report: Report) -> Settled {
        let Some(operation) = self.state.operations.get_mut(at) else {
            return Settled::default();
        };
        if let Some(id) = &report.network_id {
            operation.network_id = Some(id.clone());
        }
        let late = operation.status == OperationStatus::Failed;
        if operation.status.is_final() && !(late && matches!(report.state, State::Succeeded)) {
            return Settled::default();
        }
        match report.state {
            State::Succeeded | State::Authorized => {
                let amount = progress::told_or(report.amount, operation.amount);
                operation.amount = amount;
                let fact = self.moved(report.kind, amount);
                self.came_to(at, fact)
            }
            State::Declined(decline) => {
                self.end(at, OperationStatus::Declined, Some(OperationFault::declined(&decline)));
                self.step_ended(at, Fact::Declined)
            }
            State::Expired => {
                let fault = NetworkFault::new("its time was over");
                self.end(
                    at,
                    OperationStatus::Declined,
                    Some(OperationFault::of("expired", &fault)),
                );
                self.step_ended(at, Fact::Declined)
            }
            State::Pending | State::RequiresAction(_) => self.goes_on(at, Fact::Processing),
            State::NotFound => self.not_found(at),
        }
    }

    /// A reversal of what was captured already gives money back, whatever its network calls it.
    fn moved(&self, kind: StepKind, amount: Money) -> Fact {
        let held = self.amounts().capturable().map_or(0, Money::minor);
        match kind {
            StepKind::Capture => Fact::Captured(amount),
            StepKind::Reversal if held >= amount.minor() => Fact::Reversed(amount),
            _ => Fact::Refunded(amount),
        }
    }

    fn not_found(&mut self, at: usize) -> Settled {
        let Some(operation) = self.state.operations.get(at) else {
            return Settled::default();
        };
        if operation.status.is_final() || self.now - operation.created_at < self.on_its_way {
            return Settled::default();
        }
        self.failed(at, "not_found", &NetworkFault::new("the network has never seen it"))
    }

    /// The step is with the network; it will be asked, should no notification come.
    fn goes_on(&mut self, at: usize, fact: Fact) -> Settled {
        let now = self.now;
        let Some(operation) = self.state.operations.get_mut(at) else {
            return Settled::default();
        };
        if operation.status.is_final() {
            return Settled::default();
        }
        let changed = operation.status != OperationStatus::Processing;
        if changed {
            operation.status = OperationStatus::Processing;
            operation.updated_at = now;
            operation.tries = 0;
            operation.check_at = Some(now + check_pause(0));
        }
        let create = is_create(operation.kind);
        // A payer who has something to do is still there while the network waits.
        let waits = fact == Fact::Processing && self.state.order.payment.status == PaymentStatus::RequiresAction;
        let mut settled = if create && !waits {
            self.fact(fact)
        } else {
            Settled::default()
        };
        settled.changed |= changed;
        settled
    }

    /// Money moved. A fact that the payment's state does not allow is not applied; it is told and left to a person.
    fn came_to(&mut self, at: usize, fact: Fact) -> Settled {
        let kind = self.kind(at);
        if self
            .state
            .operations
            .get(at)
            .is_some_and(|known| known.status == OperationStatus::Succeeded)
        {
            return Settled::default();
        }
        let order = &self.state.order;
        let applied = machine::apply(order.payment.amount, order.payment.status, self.amounts(), fact);
        if let Err(refused) = applied {
            tracing::error!(payment = %order.payment.id, ?fact, %refused, "a network's word contradicts what is known");
            metrics::counter!("tollgate_contradictions_total").increment(1);
            return Settled::default();
        }
        self.end(at, OperationStatus::Succeeded, None);
        if is_create(kind) {
            (self.progress.decline, self.progress.fault) = (None, None);
        }
        self.step_ended(at, fact)
    }

    /// Applies the fact when it is about the payment, and says which events tell of it.
    fn step_ended(&mut self, at: usize, fact: Fact) -> Settled {
        let Some(operation) = self.state.operations.get(at) else {
            return Settled::default();
        };
        let (id, kind, status) = (operation.id, operation.kind, operation.status);
        let about_payment = is_create(kind) || status == OperationStatus::Succeeded;
        let mut settled = if about_payment {
            self.fact(fact)
        } else {
            Settled::default()
        };
        settled.changed = true;
        if let Some(event) = events::of_step(kind, status) {
            settled.events.push((event, Some(id)));
        }
        self.route_outcome(at, status.as_str());
        settled
    }

    fn fact(&mut self, fact: Fact) -> Settled {
        let (order, amounts) = (&self.state.order, self.amounts());
        let before = order.payment.status;
        let Ok((status, after)) = machine::apply(order.payment.amount, before, amounts, fact) else {
            return Settled::default();
        };
        let order = &mut self.state.order;
        order.payment.status = status;
        (order.authorized, order.captured) = (after.authorized, after.captured);
        (order.reversed, order.refunded) = (after.reversed, after.refunded);
        if status != PaymentStatus::RequiresAction {
            self.progress.action = None;
        }
        if !matches!(status, PaymentStatus::Authorized | PaymentStatus::PartiallyCaptured) {
            self.progress.hold = None;
        }
        let mut settled = Settled {
            changed: before != status || after != amounts,
            ..Settled::default()
        };
        if before != status {
            let outgoing = self.state.order.direction == OrderDirection::Out;
            settled
                .events
                .extend(events::of_status(status, outgoing).map(|event| (event, None)));
        }
        settled
    }

    fn end(&mut self, at: usize, status: OperationStatus, fault: Option<OperationFault>) {
        let now = self.now;
        if let Some(operation) = self.state.operations.get_mut(at) {
            operation.status = status;
            operation.fault = fault.map(|fault| fault.json());
            operation.check_at = None;
            operation.updated_at = now;
        }
        self.route_outcome(at, status.as_str());
    }

    fn route_outcome(&mut self, at: usize, outcome: &str) {
        let Some(operation) = self.state.operations.get(at).map(|operation| operation.id) else {
            return;
        };
        let mut route: Vec<RouteStep> = progress::read(&self.state.order.route).unwrap_or_default();
        if let Some(step) = route.iter_mut().find(|step| step.operation == operation) {
            step.outcome = outcome.to_owned();
            self.state.order.route = progress::write(&route);
        }
    }

    #[must_use]
    pub fn amounts(&self) -> Amounts {
        amounts(&self.state)
    }
}

#[must_use]
pub fn amounts(state: &OrderState) -> Amounts {
    let order = &state.order;
    Amounts {
        authorized: order.authorized,
        captured: order.captured,
        reversed: order.reversed,
        refunded: order.refunded,
    }
}

const fn is_create(kind: StepKind) -> bool {
    matches!(kind, StepKind::Create | StepKind::Payout)
}

/// How long until the network is asked for the next time.
#[must_use]
pub fn check_pause(tries: i32) -> Duration {
    let at = usize::try_from(tries).unwrap_or(0).min(CHECK_AFTER_S.len() - 1);
    Duration::seconds(CHECK_AFTER_S.get(at).copied().unwrap_or(3_600))
}
