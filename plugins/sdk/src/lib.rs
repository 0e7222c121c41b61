//! What every Tollgate plugin is written against: the vocabulary (money, ids, payments, reasons) and the traits.
//!
//! This crate depends on nothing of ours. A plugin depends on this crate alone; the gateway sees plugins only through
//! [`Plugin`] and the capabilities it offers. Parsing and rendering are pure functions of bytes, so that they can be
//! tested without a gateway and fuzzed without a network.

mod access;
mod clock;
pub mod connector;
mod ids;
mod inbound;
mod money;
mod plugin;
mod reason;
mod sandbox;
mod secret;
mod settlement;
#[cfg(feature = "testing")]
pub mod testing;

pub use access::{Access, AuthMode};
pub use clock::{Clock, SystemClock, TestClock};
pub use connector::Connector;
pub use ids::{
    ApiKeyId, AuditId, CanaryId, ClientCertificateId, ConnectionId, DecisionId, DeliveryId, EndpointId, EventId,
    ExportId, IdError, InvitationId, ListImportId, MembershipId, MerchantId, OperationId, PaymentId, PersonId,
    ReplayId, ServerCertificateId, SessionId, SettlementId, ShadowId, TokenId,
};
pub use inbound::{
    Booking, Command, Field, InboundConnection, InboundProtocol, NetworkAnswer, NetworkRequest, Objections, PaymentKey,
    RawAnswer, RawRequest, Refusal,
};
pub use iso_currency::Currency;
pub use money::{Money, MoneyError};
pub use plugin::{ConfigError, Manifest, Plugin};
pub use reason::{Reason, UnknownReason};
pub use sandbox::{Sandbox, SandboxAnswer, SandboxNotification, SandboxRequest};
pub use secret::Secret;
pub use settlement::{Settlement, SettlementError, SettlementPeriod, SettlementRow};

/// The guide for authors of plugins; its connector is compiled and run.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../../docs/plugins.md")]
struct Guide;
