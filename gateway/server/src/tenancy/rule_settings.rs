//! What a merchant's rules run under: set by the operator, stored as JSON, read once when a node binds the merchant.

use std::time::Duration;

use rules::CallLimits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rulebook::RulebookError;

/// Hosts that the scripts of one merchant may call.
const HTTP_HOSTS_MAX: usize = 32;
/// Longest name of a host, in bytes, with its port.
const HTTP_HOST_BYTES_MAX: usize = 260;

/// Absent means the installation's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSettings {
    pub on_broken_rule: OnBrokenRule,
    pub limits: LimitSettings,
    /// Hosts that `ctx.http` may call, such as `crm.acme.example` or `crm.acme.example:8443`. Without a port, the
    /// scheme's own is meant.
    pub http_hosts: Vec<String>,
    /// What the merchant itself lowers of its limits: it only counts where it is lower. Changed as `rules/limits`.
    pub lowered: LimitSettings,
}

/// What the network hears when a rule is broken: raised an error, ran out of a limit, or answered nonsense. What its
/// surroundings did to it (a database that does not answer, a used up allowance) is always `retry`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBrokenRule {
    /// "Try later".
    #[default]
    Retry,
    /// The account may be paid, without a fee.
    Accept,
    /// "We do not take this", for ever.
    Reject,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Steps of one call, at most 200000.
    pub steps: Option<u32>,
    /// Processor time of one call, in milliseconds, at most 100.
    pub own_cpu_ms: Option<u64>,
    /// Time of one call, waiting included, in milliseconds, at most 5000.
    pub decision_ms: Option<u64>,
    /// Memory of one call, in bytes, 1 MiB to 64 MiB.
    pub memory_bytes: Option<usize>,
    /// Questions to the gateway of one call, at most 64.
    pub host_calls: Option<u32>,
    /// Those among them that go over HTTP, at most 16.
    pub http_calls: Option<u32>,
}

impl LimitSettings {
    /// All limits by number.
    #[must_use]
    pub fn of(limits: &CallLimits) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).ok();
        Self {
            steps: Some(limits.steps),
            own_cpu_ms: millis(limits.own_cpu),
            decision_ms: millis(limits.decision),
            memory_bytes: Some(limits.memory_bytes),
            host_calls: Some(limits.host_calls),
            http_calls: Some(limits.http_calls),
        }
    }

    #[must_use]
    pub fn over(self, installation: &CallLimits) -> CallLimits {
        let millis = |ms: Option<u64>, otherwise| ms.map_or(otherwise, Duration::from_millis);
        CallLimits {
            steps: self.steps.unwrap_or(installation.steps),
            own_cpu: millis(self.own_cpu_ms, installation.own_cpu),
            decision: millis(self.decision_ms, installation.decision),
            memory_bytes: self.memory_bytes.unwrap_or(installation.memory_bytes),
            host_calls: self.host_calls.unwrap_or(installation.host_calls),
            http_calls: self.http_calls.unwrap_or(installation.http_calls),
        }
    }
}

impl RuleSettings {
    /// What one call may use: what the operator allows, or less where the merchant wants less.
    #[must_use]
    pub fn call_limits(&self, installation: &CallLimits) -> CallLimits {
        let allowed = self.limits.over(installation);
        allowed.lowered_to(self.lowered.over(&allowed))
    }

    /// With other limits of the merchant's own, none of which is above what the operator allows.
    pub fn lowered_by(self, lowered: LimitSettings, installation: &CallLimits) -> Result<Self, RulebookError> {
        let allowed = self.limits.over(installation);
        let wanted = lowered.over(&allowed);
        (wanted.validate()).map_err(|error| RulebookError::field("limits", error.to_string()))?;
        if allowed.lowered_to(wanted) != wanted {
            let LimitSettings {
                steps,
                own_cpu_ms,
                decision_ms,
                memory_bytes,
                host_calls,
                http_calls,
            } = LimitSettings::of(&allowed);
            let message = format!(
                "can be lowered only; the operator allows steps {}, own_cpu_ms {}, decision_ms {}, memory_bytes {}, \
                 host_calls {}, http_calls {}",
                steps.unwrap_or_default(),
                own_cpu_ms.unwrap_or_default(),
                decision_ms.unwrap_or_default(),
                memory_bytes.unwrap_or_default(),
                host_calls.unwrap_or_default(),
                http_calls.unwrap_or_default(),
            );
            return Err(RulebookError::field("limits", message));
        }
        Ok(Self { lowered, ..self })
    }

    /// Checks what was typed; hosts are kept in lower case.
    pub fn checked(mut self, installation: &CallLimits) -> Result<Self, RulebookError> {
        (self.limits.over(installation).validate())
            .map_err(|error| RulebookError::field("limits", error.to_string()))?;
        if self.http_hosts.len() > HTTP_HOSTS_MAX {
            return Err(RulebookError::field(
                "http_hosts",
                format!("are at most {HTTP_HOSTS_MAX}"),
            ));
        }
        for host in &mut self.http_hosts {
            *host = host.trim().to_ascii_lowercase();
            if !is_host(host) {
                let message = format!("'{host}' is not a host; write it as crm.acme.example or crm.acme.example:8443");
                return Err(RulebookError::field("http_hosts", message));
            }
        }
        Ok(self)
    }
}

/// Whether a URL's host is the one that stands on a list: without a port there, the scheme's own is meant.
#[must_use]
pub fn is_http_host(host: &str, url: &url::Url) -> bool {
    let name = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    host == format!("{name}:{port}") || (url.port().is_none() && host == name)
}

/// A name or an address with or without a port, as it stands in a URL.
fn is_host(text: &str) -> bool {
    let url = url::Url::parse(&format!("https://{text}/"));
    text.len() <= HTTP_HOST_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
        && url.is_ok_and(|url| {
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            // What is read back is what was written: no path, no login, no other spelling. 443 is the scheme's own.
            let written = format!("{}{port}", url.host_str().unwrap_or_default());
            written == text || format!("{written}:443") == text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(host: &str) -> Result<RuleSettings, RulebookError> {
        let settings = RuleSettings {
            http_hosts: vec![host.to_owned()],
            ..RuleSettings::default()
        };
        settings.checked(&CallLimits::default())
    }

    #[test]
    fn hosts_are_hosts_and_nothing_else() {
        for (host, kept) in [
            ("crm.acme.example", "crm.acme.example"),
            (" CRM.acme.example:8443", "crm.acme.example:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(hosts(host).unwrap().http_hosts, [kept]);
        }
        for host in [
            "",
            "a/b",
            "user@host",
            "http://a.example",
            "a b",
            "a:99999",
            "a?x",
            "*",
            "0x7f.1",
        ] {
            assert!(hosts(host).is_err(), "{host}");
        }
    }

    #[test]
    fn limits_stay_under_the_hard_caps() {
        let limits = |limits| {
            RuleSettings {
                limits,
                ..RuleSettings::default()
            }
            .checked(&CallLimits::default())
        };
        let raised = LimitSettings {
            steps: Some(200_000),
            own_cpu_ms: Some(100),
            ..LimitSettings::default()
        };
        assert!(limits(raised).is_ok());
        let beyond = LimitSettings {
            steps: Some(200_001),
            ..LimitSettings::default()
        };
        assert!(limits(beyond).unwrap_err().to_string().contains("steps"));
    }

    #[test]
    fn a_merchant_lowers_and_the_operator_raises() {
        let installation = CallLimits::default();
        let steps = |steps| LimitSettings {
            steps: Some(steps),
            ..LimitSettings::default()
        };
        let settings = RuleSettings {
            limits: steps(50_000),
            ..RuleSettings::default()
        };
        let refused = settings.clone().lowered_by(steps(50_001), &installation).unwrap_err();
        assert!(refused.to_string().contains("steps 50000"), "{refused}");
        let settings = settings.lowered_by(steps(5_000), &installation).unwrap();
        assert_eq!(settings.call_limits(&installation).steps, 5_000);
        let taken_back = RuleSettings {
            limits: steps(1_000),
            ..settings
        };
        assert_eq!(
            taken_back.call_limits(&installation).steps,
            1_000,
            "the lower one of both"
        );
    }
}
