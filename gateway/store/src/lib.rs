//! Entities and repositories: the only place that holds SQL.
//!
//! Every question about tenant data takes the merchant's id, so a query without its merchant does not compile.
//! Payments are written in groups ([`PaymentWriter`]) and looked up in groups ([`PaymentLookup`]): throughput grows
//! with load instead of collapsing on round trips and fsync.

mod addressing;
mod api_keys;
mod arrays;
mod audit;
mod bigint;
mod bulk;
mod canaries;
mod certificate_warnings;
mod chunks;
mod client_certificates;
mod connect;
mod decision_share;
mod decisions;
mod deliveries;
mod endpoints;
mod entities;
mod error;
mod events;
mod exchanges;
mod exports;
mod guard_refusals;
mod idempotency;
mod invitations;
mod limits;
mod link;
mod list_imports;
mod lists;
mod log_writer;
mod lookup;
mod merchants;
mod milestones;
mod moment;
mod numbers;
mod orders;
mod overview;
mod page;
mod payment_writer;
mod payments;
mod people;
mod replays;
mod rule_secrets;
mod rule_settings;
mod rule_troubles;
mod rules;
mod sealed;
mod search;
mod server_certificates;
mod sessions;
mod settlement_notes;
mod settlements;
mod shadows;
mod supervise;
mod tokens;
mod velocity;

pub use api_keys::ApiKey;
pub use audit::{AuditEntry, ChainReport, NewAuditEntry, Origin};
pub use canaries::{CanaryOf, CanaryStatus, NewCanary, RuleCanary};
pub use certificate_warnings::{CertificateWarning, ShownIdentity};
pub use chunks::delete_in_chunks;
pub use client_certificates::{BoundCertificate, ClientCertificate, ClientCertificateKind, NewClientCertificate};
pub use connect::{DatabaseOptions, Store};
pub use decision_share::DecisionShare;
pub use decisions::{Behaviour, DecisionFilter, NewDecision, Record, StoredDecision};
pub use deliveries::{
    AttemptRecord, Claim, ClaimedDelivery, Delivery, DeliveryAttempt, DeliveryFilter, DeliveryStatus, NextStep,
    WaitingEndpoint,
};
pub use endpoints::{Endpoint, EndpointChange, EndpointFormat, EndpointStatus, NewEndpoint, RetrySchedule};
pub use error::StoreError;
pub use events::{Event, NewEvent};
pub use exchanges::{Exchange, ExchangeFilter, NewExchange};
pub use exports::{Export, ExportStatus, NewExport, TakenExport};
pub use guard_refusals::GuardRefusals;
pub use idempotency::{IdempotencyKey, KeyAnswer, KeyClaim};
pub use invitations::Invitation;
pub use limits::{LimitLevel, LimitSetter, LimitSubject, StoredLimits};
pub use list_imports::{DropCursor, ListImport, ListImportError, ListImportProgress, ListImportStatus, NewListImport};
pub use lists::{List, ListAnswer, ListChange, ListEntry, ListError, ListQuota};
pub use log_writer::{LogWriter, Registration};
pub use lookup::{KnownPayment, PaymentLookup, Wanted};
pub use merchants::{
    Connection, ConnectionChange, ConnectionStatus, Merchant, MerchantChange, MerchantStatus, NewConnection,
    NewMerchant, Tenant,
};
pub use milestones::Milestones;
pub use numbers::PaymentNumbers;
pub use orders::{
    DueOperation, NewOrder, OperationStatus, Order, OrderChange, OrderDirection, OrderOperation, OrderState,
    OrderWritten,
};
pub use overview::{Backlog, COUNTED_MAX, Doubts, PublishedTrouble, RefusalSum, Scope, TrafficSpan, TrafficSum};
pub use page::{Cursor, PAGE_SIZE_MAX, Page};
pub use payment_writer::{PaymentWrite, PaymentWriter, WriteOutcome};
pub use payments::{NewDelivery, NewOperation, NewPayment, Operation, Payment, PaymentFilter, PaymentStatus};
pub use people::{Membership, NewPerson, Person, PersonChange};
pub use replays::{NewReplay, Replay, ReplaySpan, ReplayStatus};
pub use rule_secrets::{NewRuleSecret, RULE_SECRETS_MAX, RuleSecret, RuleSecretForm};
pub use rule_troubles::{RuleFailure, RuleTrouble};
pub use rules::{NewDraft, NewRevision, RuleDraft, RuleRevision};
pub use sealed::{OwnedConfig, SEALED_COLUMNS, SealedColumn, SealedRow, SealingKey};
pub use search::{Found, Reach};
pub use server_certificates::{CertificateAuthority, ClientCertificates, ServerCertificate};
pub use sessions::{Session, SignInFailures};
pub use settlement_notes::SettlementNote;
pub use settlements::{NewSettlement, Outcome, SettlementFile, SettlementFilter, SettlementRecord, SettlementSummary};
pub use shadows::{NewShadow, RuleShadow, ShadowCounts, ShadowGroup};
pub use tokens::{NewPaymentToken, PaymentToken};
pub use velocity::{VelocityKey, VelocityMark, VelocitySpan, VelocityTotals, velocity_totals, window_edge};
