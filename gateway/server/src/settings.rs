//! Typed settings: the embedded defaults, then `tollgate.toml`, then `TOLLGATE_…`.

mod guards;
mod reading;
mod secret_sources;
mod single_sign_on;
mod spelling;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::access::people::{FactorPolicy, SessionLimits};
use crate::edge::certificates::pkcs12::Pkcs12Policy;
use store::ListQuota;

use crate::edge::peer::{ForwardedHeader, Proxies};
use crate::edge::tls::{CertificateFile, TerminatorOptions};
use crate::lists::ListLimits;
use crate::neighbours::{Redis, RedisOptions};
use crate::payments::DecisionsKept;

pub use guards::{LimitSettings, SheddingSettings};
use reading::{given, list, texts};
use secret_sources::{read_from_command, secret};
pub use single_sign_on::SignOnSettings;
use spelling::refuse_unknown_keys;

/// Every key, documented, with its default.
pub const DEFAULTS: &str = include_str!("defaults.toml");
/// Read when it exists and no other file is named.
pub const DEFAULT_FILE: &str = "tollgate.toml";
const ENVIRONMENT_PREFIX: &str = "TOLLGATE_";
/// Variables with our prefix that are not settings.
const NOT_SETTINGS: [&str; 2] = ["TOLLGATE_SETTINGS", "TOLLGATE_TERMINAL_LOGIN"];
/// A hundred years.
const RETENTION_DAYS_MAX: u32 = 36_500;
/// A request may be repeated for a week, whatever else is forgotten.
const KEY_DAYS_MIN: u32 = 7;
/// Longest beginning of Redis's keys, in bytes.
const REDIS_PREFIX_LENGTH_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("unknown setting '{key}'{hint}; `tollgate settings` prints all of them")]
    UnknownKey { key: String, hint: String },
    #[error("{0}")]
    Wrong(#[from] config::ConfigError),
    #[error("setting '{key}': {message}")]
    Value { key: &'static str, message: String },
}

impl SettingsError {
    pub fn value(key: &'static str, message: impl Into<String>) -> Self {
        Self::Value {
            key,
            message: message.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    master_key: SecretString,
    master_key_file: String,
    master_key_command: String,
    master_key_previous: SecretString,
    master_key_previous_file: String,
    pub public: PublicSettings,
    pub admin: AdminSettings,
    pub access: AccessSettings,
    pub single_sign_on: SignOnSettings,
    pub database: DatabaseSettings,
    pub redis: RedisSettings,
    pub payments: PaymentSettings,
    pub rules: RuleSettings,
    pub lists: ListSettings,
    pub exchanges: ExchangeSettings,
    pub exports: ExportSettings,
    pub webhooks: WebhookSettings,
    pub connectors: ConnectorSettings,
    pub certificates: CertificateSettings,
    pub limits: LimitSettings,
    pub shedding: SheddingSettings,
    pub log: LogSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicSettings {
    pub listen: String,
    #[serde(deserialize_with = "texts")]
    pub tls_listen: Vec<String>,
    #[serde(deserialize_with = "texts")]
    certificate_files: Vec<String>,
    #[serde(deserialize_with = "given")]
    tls_default_name: Option<String>,
    pub handshake_timeout_ms: u64,
    handshakes_at_once: usize,
    #[serde(deserialize_with = "given")]
    pub url: Option<String>,
    pub workers: usize,
    #[serde(deserialize_with = "list")]
    pub trusted_proxies: Vec<IpNet>,
    pub forwarded_header: ForwardedHeader,
    pub proxy_protocol: bool,
    pub body_bytes_max: usize,
    pub head_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub keep_alive_s: u64,
    pub connections_max: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSettings {
    pub operation_timeout_ms: u64,
    #[serde(deserialize_with = "list")]
    pub allow_networks: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    pub listen: String,
    #[serde(deserialize_with = "given")]
    pub url: Option<String>,
    bootstrap_token: SecretString,
    bootstrap_token_file: String,
    pub body_bytes_max: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    pub second_factor: FactorPolicy,
    pub session_hours: u32,
    pub idle_minutes: u32,
}

impl AccessSettings {
    #[must_use]
    pub fn limits(&self) -> SessionLimits {
        SessionLimits {
            life: chrono::Duration::hours(self.session_hours.into()),
            idle: chrono::Duration::minutes(self.idle_minutes.into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// May hold a password.
    url: SecretString,
    url_file: String,
    schema: String,
    connections_max: u32,
    acquire_timeout_ms: u64,
    statement_timeout_ms: u64,
    pub read_timeout_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// May hold a password.
    url: SecretString,
    url_file: String,
    prefix: String,
    timeout_ms: u64,
    connect_timeout_ms: u64,
    failures_max: u32,
    probe_ms: u64,
    pub velocity_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentSettings {
    pub answer_timeout_ms: u64,
    pub check_url_timeout_ms: u64,
    pub registration_retention_days: u32,
    pub idempotency_key_retention_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    pub steps: u32,
    pub own_cpu_ms: u64,
    pub memory_bytes: usize,
    pub decision_ms: u64,
    pub host_calls: u32,
    pub http_calls: u32,
    pub http_timeout_ms: u64,
    pub merchant_cpu_ms_per_second: u64,
    pub merchant_calls_in_flight: u32,
    pub decisions_kept: DecisionsKept,
    pub decision_retention_days: u32,
    pub decision_rows_per_merchant: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSettings {
    pub entries_max: u32,
    pub bytes_max: u64,
    pub upload_bytes_max: u64,
    pub imports_at_once: usize,
    spool_directory: String,
    pub cache_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeSettings {
    pub retention_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportSettings {
    pub rows_max: u64,
    pub keep_hours: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    pub timeout_ms: u64,
    pub poll_ms: u64,
    pub in_flight_max: usize,
    #[serde(deserialize_with = "list")]
    pub allow_networks: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSettings {
    pub client_days: u32,
    pub expiry_check_s: u64,
    pkcs12_rounds_max: u32,
    pkcs12_allow_unprotected: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Pretty,
    Json,
}

impl Settings {
    /// Reads the defaults, then `file` (or `tollgate.toml` when it exists), then the process's environment.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::from_sources(
            file,
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// The same with an environment of the caller's choice.
    pub fn from_sources(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let defaults = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()?;
        let variables: HashMap<String, String> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX) && !NOT_SETTINGS.contains(&name.as_str()))
            .collect();
        let given = match file {
            Some(path) => File::from(path).format(FileFormat::Toml).required(true),
            None => File::new(DEFAULT_FILE, FileFormat::Toml).required(false),
        };
        let variables = Environment::with_prefix("TOLLGATE")
            .prefix_separator("_")
            .separator("__")
            .source(Some(variables));
        let overrides = Config::builder().add_source(given).add_source(variables).build()?;
        refuse_unknown_keys(&defaults, &overrides)?;
        let merged = Config::builder().add_source(defaults).add_source(overrides).build()?;
        let settings: Self = merged.try_deserialize()?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        let positive = [
            ("public.body_bytes_max", self.public.body_bytes_max as u64),
            ("public.head_timeout_ms", self.public.head_timeout_ms),
            ("public.body_timeout_ms", self.public.body_timeout_ms),
            ("public.handshake_timeout_ms", self.public.handshake_timeout_ms),
            ("public.handshakes_at_once", self.public.handshakes_at_once as u64),
            ("public.connections_max", self.public.connections_max as u64),
            ("database.connections_max", u64::from(self.database.connections_max)),
            ("database.acquire_timeout_ms", self.database.acquire_timeout_ms),
            ("database.read_timeout_ms", self.database.read_timeout_ms),
            ("access.session_hours", self.access.session_hours.into()),
            ("access.idle_minutes", self.access.idle_minutes.into()),
            ("redis.timeout_ms", self.redis.timeout_ms),
            ("redis.connect_timeout_ms", self.redis.connect_timeout_ms),
            ("redis.failures_max", u64::from(self.redis.failures_max)),
            ("redis.probe_ms", self.redis.probe_ms),
            ("redis.velocity_s", self.redis.velocity_s),
            ("payments.answer_timeout_ms", self.payments.answer_timeout_ms),
            ("payments.check_url_timeout_ms", self.payments.check_url_timeout_ms),
            ("rules.steps", u64::from(self.rules.steps)),
            ("lists.upload_bytes_max", self.lists.upload_bytes_max),
            ("lists.imports_at_once", self.lists.imports_at_once as u64),
            ("rules.http_timeout_ms", self.rules.http_timeout_ms),
            (
                "rules.merchant_cpu_ms_per_second",
                self.rules.merchant_cpu_ms_per_second,
            ),
            (
                "rules.merchant_calls_in_flight",
                u64::from(self.rules.merchant_calls_in_flight),
            ),
            ("connectors.operation_timeout_ms", self.connectors.operation_timeout_ms),
            ("certificates.client_days", u64::from(self.certificates.client_days)),
            ("certificates.expiry_check_s", self.certificates.expiry_check_s),
            (
                "certificates.pkcs12_rounds_max",
                u64::from(self.certificates.pkcs12_rounds_max),
            ),
            ("limits.peer_sockets", u64::from(self.limits.peer_sockets)),
            ("shedding.delay_ms", self.shedding.delay_ms),
            ("shedding.after_ms", self.shedding.after_ms),
            ("exports.rows_max", self.exports.rows_max),
            ("exports.keep_hours", u64::from(self.exports.keep_hours)),
            ("webhooks.timeout_ms", self.webhooks.timeout_ms),
            ("webhooks.poll_ms", self.webhooks.poll_ms),
            ("webhooks.in_flight_max", self.webhooks.in_flight_max as u64),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(SettingsError::value(key, "must be greater than zero"));
            }
        }
        let days = [
            ("exchanges.retention_days", self.exchanges.retention_days),
            ("rules.decision_retention_days", self.rules.decision_retention_days),
            (
                "payments.registration_retention_days",
                self.payments.registration_retention_days,
            ),
        ];
        for (key, value) in days {
            if !(1..=RETENTION_DAYS_MAX).contains(&value) {
                return Err(SettingsError::value(key, format!("is from 1 to {RETENTION_DAYS_MAX}")));
            }
        }
        let keys = self.payments.idempotency_key_retention_days;
        if !(KEY_DAYS_MIN..=RETENTION_DAYS_MAX).contains(&keys) {
            let message = format!("is from {KEY_DAYS_MIN} to {RETENTION_DAYS_MAX}");
            return Err(SettingsError::value("payments.idempotency_key_retention_days", message));
        }
        let url = self.database.url()?;
        let url = url.expose_secret();
        if !["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            let message = "must start with sqlite: or postgres:, such as sqlite:///var/lib/tollgate/tollgate.db";
            return Err(SettingsError::value("database.url", message));
        }
        if !is_prefix(&self.redis.prefix) {
            let message =
                format!("has 1 to {REDIS_PREFIX_LENGTH_MAX} letters, digits, hyphens, underscores and colons");
            return Err(SettingsError::value("redis.prefix", message));
        }
        self.single_sign_on.options(String::new())?;
        self.traffic_defaults()?;
        self.guard_options()?;
        if let Some(options) = self.redis.options()? {
            Redis::new(options).map_err(|error| SettingsError::value("redis.url", error.to_string()))?;
        }
        Ok(())
    }

    /// The master key's text; `None` when none is set.
    pub fn master_key(&self) -> Result<Option<SecretString>, SettingsError> {
        let given = secret("master_key", &self.master_key, &self.master_key_file)?;
        match (given, self.master_key_command.as_str()) {
            (given, "") => Ok(given),
            (None, command) => read_from_command("master_key_command", command).map(Some),
            (Some(_), _) => Err(SettingsError::value(
                "master_key_command",
                "give the key, its file or the command that prints it, not several of them",
            )),
        }
    }

    /// Master keys of before.
    pub fn previous_master_keys(&self) -> Result<Vec<SecretString>, SettingsError> {
        let given = secret(
            "master_key_previous",
            &self.master_key_previous,
            &self.master_key_previous_file,
        )?;
        let given = given.unwrap_or_default();
        let keys = given
            .expose_secret()
            .split(|letter: char| letter == ',' || letter.is_whitespace());
        Ok(keys.filter(|key| !key.is_empty()).map(Into::into).collect())
    }
}

impl PublicSettings {
    pub fn proxies(&self) -> Proxies {
        Proxies {
            trusted: self.trusted_proxies.clone(),
            header: self.forwarded_header,
        }
    }

    pub fn certificate_files(&self) -> Vec<CertificateFile> {
        self.certificate_files
            .iter()
            .map(|text| CertificateFile::of(text))
            .collect()
    }

    pub fn tls(&self) -> TerminatorOptions {
        TerminatorOptions {
            at_once: self.handshakes_at_once,
            default_name: self.tls_default_name.as_deref().map(str::to_ascii_lowercase),
        }
    }
}

impl CertificateSettings {
    pub const fn pkcs12(&self) -> Pkcs12Policy {
        Pkcs12Policy {
            rounds_max: self.pkcs12_rounds_max,
            allow_unprotected: self.pkcs12_allow_unprotected,
        }
    }
}

impl AdminSettings {
    pub fn bootstrap_token(&self) -> Result<Option<SecretString>, SettingsError> {
        secret(
            "admin.bootstrap_token",
            &self.bootstrap_token,
            &self.bootstrap_token_file,
        )
    }
}

impl ListSettings {
    pub fn limits(&self) -> ListLimits {
        let spool = &self.spool_directory;
        ListLimits {
            quota: ListQuota {
                entries_max: i64::from(self.entries_max),
                bytes_max: i64::try_from(self.bytes_max).unwrap_or(i64::MAX),
            },
            upload_bytes_max: self.upload_bytes_max,
            imports_at_once: self.imports_at_once,
            spool: if spool.is_empty() {
                std::env::temp_dir()
            } else {
                spool.into()
            },
        }
    }
}

impl DatabaseSettings {
    fn url(&self) -> Result<SecretString, SettingsError> {
        let from_file = secret("database.url", &SecretString::default(), &self.url_file)?;
        Ok(from_file.unwrap_or_else(|| self.url.clone()))
    }

    pub fn options(&self) -> Result<store::DatabaseOptions, SettingsError> {
        Ok(store::DatabaseOptions {
            url: self.url()?.expose_secret().to_owned(),
            schema: (!self.schema.is_empty()).then(|| self.schema.clone()),
            connections_max: self.connections_max,
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms),
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
        })
    }
}

impl RedisSettings {
    /// `None` when there is no Redis.
    pub fn options(&self) -> Result<Option<RedisOptions>, SettingsError> {
        let url = secret("redis.url", &self.url, &self.url_file)?;
        Ok(url.map(|url| RedisOptions {
            url,
            prefix: self.prefix.clone(),
            timeout: Duration::from_millis(self.timeout_ms),
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            failures_max: self.failures_max,
            probe_pause: Duration::from_millis(self.probe_ms),
        }))
    }
}

/// Braces would name the slot of a cluster, which is ours to do.
fn is_prefix(text: &str) -> bool {
    (1..=REDIS_PREFIX_LENGTH_MAX).contains(&text.len())
        && (text.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte))
}

#[cfg(test)]
mod tests;
