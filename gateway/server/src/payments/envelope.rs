use plugin_sdk::{NetworkAnswer, PaymentId, RawAnswer};
use store::NewExchange;

/// What the payment core must be able to do with the wire: the answer's bytes and the exchange are stored in the
/// payment's own transaction, so they have to exist before the answer leaves.
pub trait Envelope {
    fn render(&self, answer: &NetworkAnswer) -> RawAnswer;

    /// The record of this request with that answer.
    fn exchange(&self, answer: &RawAnswer, payment: Option<PaymentId>) -> NewExchange;
}
