//! Secrets that rules send without holding them: what may be kept, and where it may go.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use plugin_sdk::MerchantId;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use store::{NewRuleSecret, RULE_SECRETS_MAX, RuleSecret, RuleSecretForm};
use url::Url;
use zeroize::Zeroizing;

use super::{Rulebook, RulebookError};
use crate::access::sealing::{Sealer, SealingError};
use crate::tenancy::is_http_host;

/// Longest name of a secret, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest secret, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;
/// Longest name of a header, in bytes.
const HEADER_BYTES_MAX: usize = 64;
/// Hosts that one secret may be sent to.
const HOSTS_MAX: usize = 16;
/// What stands before a host that a secret may be sent to without TLS.
const WITHOUT_TLS: &str = "http://";
const AUTHORIZATION: &str = "authorization";
/// They shape the request itself.
const FORBIDDEN_HEADERS: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// A secret as somebody gives it.
pub struct SecretDraft {
    pub name: String,
    pub form: RuleSecretForm,
    /// For [`RuleSecretForm::Plain`]; the others have their own.
    pub header: Option<String>,
    pub hosts: Vec<String>,
    pub value: SecretString,
}

impl Rulebook {
    pub async fn secrets(&self, merchant: MerchantId) -> Result<Vec<RuleSecret>, RulebookError> {
        Ok(self.store.rule_secrets(merchant).await?)
    }

    /// Makes a secret or replaces all of it: who changes where it goes must know it.
    pub async fn set_secret(
        &self,
        merchant: MerchantId,
        draft: SecretDraft,
        actor: &str,
    ) -> Result<RuleSecret, RulebookError> {
        check_name(&draft.name)?;
        check_value(draft.form, draft.value.expose_secret())?;
        let header = check_header(draft.form, draft.header)?;
        let allowed = self.settings(merchant).await?.http_hosts;
        let hosts = check_hosts(draft.hosts, &allowed)?;
        let place = secret_place(merchant, &draft.name);
        let new = NewRuleSecret {
            value_sealed: self.sealer.seal(&place, &draft.value)?,
            name: draft.name,
            header,
            form: draft.form,
            hosts,
        };
        let kept = (self.store.set_rule_secret(merchant, new, actor, self.clock.now())).await?;
        kept.ok_or_else(|| RulebookError::field("name", format!("a merchant has at most {RULE_SECRETS_MAX} secrets")))
    }

    pub async fn remove_secret(&self, merchant: MerchantId, name: &str, actor: &str) -> Result<(), RulebookError> {
        Ok((self.store.remove_rule_secret(merchant, name, actor, self.clock.now())).await?)
    }
}

/// What a sealed secret is bound to.
fn secret_place(merchant: MerchantId, name: &str) -> String {
    format!("rule_secret/{merchant}/{name}")
}

/// Whether a secret may be sent to this URL.
#[must_use]
pub fn may_go_to(secret: &RuleSecret, url: &Url) -> bool {
    secret.hosts.iter().any(|host| match host.strip_prefix(WITHOUT_TLS) {
        Some(host) => url.scheme() == "http" && is_http_host(host, url),
        None => url.scheme() == "https" && is_http_host(host, url),
    })
}

/// A secret, opened for one request.
pub struct OpenedSecret {
    pub header: HeaderName,
    pub value: HeaderValue,
    /// Texts by which an answer could give it away.
    traces: Vec<SecretString>,
}

impl OpenedSecret {
    /// Opens a merchant's secret. `None` when it cannot be a header, which was checked when it was kept.
    pub fn open(sealer: &Sealer, merchant: MerchantId, secret: &RuleSecret) -> Result<Option<Self>, SealingError> {
        let opened = sealer.open(&secret_place(merchant, &secret.name), &secret.value_sealed)?;
        let mut traces = vec![opened.clone()];
        let text = Zeroizing::new(match secret.form {
            RuleSecretForm::Bearer => format!("Bearer {}", opened.expose_secret()),
            RuleSecretForm::Plain => opened.expose_secret().to_owned(),
            RuleSecretForm::Basic => {
                let encoded = Zeroizing::new(BASE64.encode(opened.expose_secret()));
                traces.push(encoded.as_str().into());
                // The password alone is as secret as both.
                let password = opened.expose_secret().split_once(':').map(|(_, password)| password);
                traces.extend(password.filter(|password| !password.is_empty()).map(Into::into));
                format!("Basic {}", *encoded)
            }
        });
        let header = HeaderName::from_bytes(secret.header.as_bytes()).ok();
        Ok(header
            .zip(HeaderValue::from_str(&text).ok())
            .map(|(header, mut value)| {
                value.set_sensitive(true);
                Self { header, value, traces }
            }))
    }

    /// A text of the answer without the secret, if a host sends it back.
    #[must_use]
    pub fn taken_out_of(&self, text: String) -> String {
        self.traces.iter().fold(text, |text, trace| {
            if text.contains(trace.expose_secret()) {
                text.replace(trace.expose_secret(), "[secret]")
            } else {
                text
            }
        })
    }
}

fn check_name(name: &str) -> Result<(), RulebookError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && (name.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits {
        return Ok(());
    }
    let message = format!("has 1 to {NAME_BYTES_MAX} letters, digits, hyphens, underscores and dots");
    Err(RulebookError::field("name", message))
}

/// The message never holds the value.
fn check_value(form: RuleSecretForm, value: &str) -> Result<(), RulebookError> {
    let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !(1..=VALUE_BYTES_MAX).contains(&value.len()) || !visible || value.trim() != value {
        let message = format!("has 1 to {VALUE_BYTES_MAX} visible ASCII characters, and no blank at either end");
        return Err(RulebookError::field("value", message));
    }
    if form == RuleSecretForm::Basic && !value.contains(':') {
        return Err(RulebookError::field("value", "is login:password for the form basic"));
    }
    Ok(())
}

fn check_header(form: RuleSecretForm, header: Option<String>) -> Result<String, RulebookError> {
    let refused = |message: String| Err(RulebookError::field("header", message));
    match (form, header) {
        (RuleSecretForm::Bearer | RuleSecretForm::Basic, None) => Ok(AUTHORIZATION.to_owned()),
        (RuleSecretForm::Bearer | RuleSecretForm::Basic, Some(_)) => {
            refused("is Authorization for this form; use the form plain for another header".to_owned())
        }
        (RuleSecretForm::Plain, None) => refused("is needed for the form plain, such as X-Api-Key".to_owned()),
        (RuleSecretForm::Plain, Some(header)) => {
            let header = header.to_ascii_lowercase();
            if header.len() > HEADER_BYTES_MAX || HeaderName::from_bytes(header.as_bytes()).is_err() {
                return refused("is not the name of a header, such as X-Api-Key".to_owned());
            }
            if FORBIDDEN_HEADERS.contains(&header.as_str()) || header.starts_with("proxy-") {
                return refused(format!("'{header}' shapes the request and cannot carry a secret"));
            }
            Ok(header)
        }
    }
}

/// Each must be on the merchant's list of hosts that rules may call: the operator's word comes first.
fn check_hosts(hosts: Vec<String>, allowed: &[String]) -> Result<Vec<String>, RulebookError> {
    if !(1..=HOSTS_MAX).contains(&hosts.len()) {
        let message = format!("are 1 to {HOSTS_MAX}: the only ones that the secret is sent to");
        return Err(RulebookError::field("hosts", message));
    }
    let checked = hosts.into_iter().map(|host| {
        let host = host.trim().to_ascii_lowercase();
        if allowed.iter().any(|allowed| *allowed == *host.trim_start_matches(WITHOUT_TLS)) {
            return Ok(host);
        }
        let message = format!(
            "'{host}' is none of the hosts that the merchant's rules may call ({}); the operator adds it to http_hosts. \
             Without TLS, write {WITHOUT_TLS} before it",
            if allowed.is_empty() { "none yet".to_owned() } else { allowed.join(", ") }
        );
        Err(RulebookError::field("hosts", message))
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::access::sealing::generate_master_key;

    fn kept(hosts: &[&str]) -> RuleSecret {
        RuleSecret {
            name: "crm".to_owned(),
            header: AUTHORIZATION.to_owned(),
            form: RuleSecretForm::Basic,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            value_sealed: String::new(),
            created_at: Utc::now(),
            changed_at: Utc::now(),
        }
    }

    #[test]
    fn a_secret_goes_where_it_was_meant_to_go_and_nowhere_else() {
        let goes = |host: &str, url: &str| may_go_to(&kept(&[host]), &Url::parse(url).unwrap());
        for (host, url) in [
            ("crm.example", "https://crm.example/x"),
            ("crm.example:443", "https://crm.example/x"),
            ("crm.example:8443", "https://crm.example:8443/"),
            ("http://crm.example:8080", "http://crm.example:8080/"),
        ] {
            assert!(goes(host, url), "{host} {url}");
        }
        for (host, url) in [
            ("crm.example", "http://crm.example/"),
            ("crm.example", "https://crm.example:8443/"),
            ("crm.example", "https://other.example/"),
            ("crm.example", "https://crm.example.evil.example/"),
            ("http://crm.example:8080", "https://crm.example:8080/"),
        ] {
            assert!(!goes(host, url), "{host} {url}");
        }
    }

    #[test]
    fn a_sealed_secret_opens_for_its_merchant_and_name_alone() {
        let sealer = Sealer::from_hex(&generate_master_key().unwrap()).unwrap();
        let merchant = MerchantId::generate();
        let value = SecretString::from("shop:p4ss:word");
        let sealed = sealer.seal(&secret_place(merchant, "crm"), &value).unwrap();
        let secret = RuleSecret {
            value_sealed: sealed,
            ..kept(&["crm.example"])
        };
        let opened = OpenedSecret::open(&sealer, merchant, &secret).unwrap().unwrap();
        assert_eq!(opened.value.to_str().unwrap(), "Basic c2hvcDpwNHNzOndvcmQ=");
        assert!(!format!("{:?}", opened.value).contains("c2hvc"));
        let echoed = opened.taken_out_of("c2hvcDpwNHNzOndvcmQ= is shop:p4ss:word, or p4ss:word".to_owned());
        assert_eq!(echoed, "[secret] is [secret], or [secret]");
        assert!(OpenedSecret::open(&sealer, MerchantId::generate(), &secret).is_err());
        let renamed = RuleSecret {
            name: "other".to_owned(),
            ..secret
        };
        assert!(OpenedSecret::open(&sealer, merchant, &renamed).is_err());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_never_told() {
        for value in ["", " secret", "sec\nret", "sécret", &"secret".repeat(1_000)] {
            let error = check_value(RuleSecretForm::Bearer, value).unwrap_err().to_string();
            assert!(!error.contains("secret") && error.starts_with("value"), "{error}");
        }
        assert!(check_value(RuleSecretForm::Basic, "secret").is_err());
        assert!(check_value(RuleSecretForm::Basic, "login:secret").is_ok());
        let header = |header: &str| check_header(RuleSecretForm::Plain, Some(header.to_owned()));
        assert_eq!(header("X-Api-Key").unwrap(), "x-api-key");
        for wrong in ["", "a b", "Host", "Content-Length", "Proxy-Authorization", "x:y"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
        assert!(check_header(RuleSecretForm::Bearer, Some("x".to_owned())).is_err());
        assert!(check_header(RuleSecretForm::Plain, None).is_err());
    }

    #[test]
    fn hosts_are_among_those_that_rules_may_call() {
        let allowed = ["crm.example".to_owned(), "10.0.0.1:80".to_owned()];
        let hosts = |hosts: &[&str]| check_hosts(hosts.iter().map(|host| (*host).to_owned()).collect(), &allowed);
        assert_eq!(
            hosts(&[" CRM.example", "http://10.0.0.1:80"]).unwrap(),
            ["crm.example", "http://10.0.0.1:80"]
        );
        for wrong in [
            &[][..],
            &["evil.example"],
            &["https://crm.example"],
            &["crm.example/x"],
            &["*"],
        ] {
            assert!(hosts(wrong).is_err(), "{wrong:?}");
        }
    }
}
