use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {kind} id; it starts with '{prefix}_' and has 26 characters after that")]
pub struct IdError {
    kind: &'static str,
    prefix: &'static str,
    text: String,
}

/// Ids are prefixed and sort by the time they were made. The prefix makes a stray id recognisable in a log, the type
/// keeps a merchant's id out of a connection's place.
macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Ulid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[must_use]
            pub fn generate() -> Self {
                Self(Ulid::generate())
            }

            /// One that sorts as if it had been made at this moment, to the millisecond.
            #[must_use]
            pub fn generate_at(moment: DateTime<Utc>) -> Self {
                Self(Ulid::from_datetime(moment.into()))
            }

            /// The smallest id of a moment, in milliseconds since 1970: whatever is below it was made before.
            #[must_use]
            pub const fn first_at(milliseconds: u64) -> Self {
                Self(Ulid::from_parts(milliseconds, 0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(Self::PREFIX)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .and_then(|ulid| Ulid::from_string(ulid).ok())
                    .map(Self)
                    .ok_or_else(|| IdError {
                        kind: $kind,
                        prefix: $prefix,
                        text: text.chars().take(40).collect(),
                    })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(MerchantId, "mer", "merchant");
typed_id!(ConnectionId, "con", "connection");
typed_id!(PaymentId, "pay", "payment");
typed_id!(OperationId, "op", "operation");
typed_id!(EventId, "evt", "event");
typed_id!(EndpointId, "whe", "webhook endpoint");
typed_id!(DeliveryId, "dlv", "delivery");
typed_id!(SettlementId, "stl", "settlement file");
typed_id!(ListImportId, "lim", "list import");
typed_id!(DecisionId, "dec", "decision");
typed_id!(ReplayId, "rpl", "replay");
typed_id!(ShadowId, "shd", "shadow");
typed_id!(CanaryId, "can", "canary");
typed_id!(AuditId, "aud", "audit entry");
typed_id!(TokenId, "tok", "payment token");
typed_id!(ApiKeyId, "key", "API key");
typed_id!(PersonId, "per", "person");
typed_id!(MembershipId, "mem", "membership");
typed_id!(InvitationId, "inv", "invitation");
typed_id!(SessionId, "ses", "session");
typed_id!(ClientCertificateId, "ccr", "client certificate");
typed_id!(ServerCertificateId, "scr", "server certificate");
typed_id!(ExportId, "exp", "export");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = PaymentId::generate();
        assert_eq!(id.to_string().parse::<PaymentId>(), Ok(id));
        assert!(id.to_string().starts_with("pay_"));
    }

    #[test]
    fn ids_sort_by_their_moments() {
        let moment = Utc::now();
        let (earlier, later) = (moment, moment + chrono::Duration::milliseconds(1));
        assert!(EventId::generate_at(earlier) < EventId::generate_at(later));
    }

    #[test]
    fn ids_sort_by_their_moment() {
        let now = PaymentId::generate();
        let (before, after) = (PaymentId::first_at(1_000), PaymentId::first_at(u64::MAX >> 16));
        assert!(before < now && now < after);
        assert!(before.to_string() < now.to_string() && now.to_string() < after.to_string());
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let merchant = MerchantId::generate().to_string();
        assert!(merchant.parse::<PaymentId>().is_err());
        assert!("pay_".parse::<PaymentId>().is_err());
        assert!("pay_01J".parse::<PaymentId>().is_err());
    }
}
