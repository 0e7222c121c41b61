//! How merchants, connections and endpoints are made and changed: the one set of checks behind the admin REST
//! and the CLI.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use plugin_sdk::{Clock, ConfigError, EndpointId, MerchantId, Plugin};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use store::{
    Connection, ConnectionChange, ConnectionStatus, Endpoint, EndpointChange, EndpointFormat, EndpointStatus, Merchant,
    MerchantChange, MerchantStatus, NewConnection, NewEndpoint, NewMerchant, NewSettlement, RetrySchedule,
    SettlementSummary, Store, StoreError,
};
use url::Url;

use crate::access::passwords::{self, PasswordError};
use crate::access::sealing::{Sealer, SealingError, hex};
use crate::edge::certificates::pkcs12::{self, Pkcs12Policy};
use crate::edge::identity;
use crate::edge::outbound::{Outbound, OutboundError};
use crate::edge::upstream::identity_place;
use crate::events::{self, SecretError, Signer, secret_place};
use crate::plugins::Plugins;
use crate::tenancy::config_secrets::{self, Owner};
use crate::tenancy::is_slug;

/// Longest name of a merchant, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// Longest URL of an endpoint, in bytes.
const URL_BYTES_MAX: usize = 2_000;
/// Longest name of a settlement file, in bytes.
const FILE_NAME_BYTES_MAX: usize = 200;
/// Deliveries on their way to one endpoint at once, at most.
const IN_FLIGHT_MAX: u32 = 64;
/// Pauses between attempts are not longer than this, in seconds.
const RETRY_PAUSE_S_MAX: u32 = 86_400;
/// The old webhook secret signs beside a new one for this long unless the caller says otherwise.
const SECRET_OVERLAP: Duration = Duration::hours(24);

#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    #[error("{field}: {message}")]
    Field { field: String, message: String },
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OnboardingError {
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl From<ConfigError> for OnboardingError {
    fn from(error: ConfigError) -> Self {
        Self::field(format!("config.{}", error.key), error.message)
    }
}

impl From<PasswordError> for OnboardingError {
    fn from(error: PasswordError) -> Self {
        Self::field("basic", error.to_string())
    }
}

impl From<SecretError> for OnboardingError {
    fn from(error: SecretError) -> Self {
        Self::field("secret", error.to_string())
    }
}

impl From<OutboundError> for OnboardingError {
    fn from(error: OutboundError) -> Self {
        Self::field("url", error.to_string())
    }
}

/// Login and password of a connection, as typed.
pub struct BasicCredentials {
    pub login: String,
    pub password: SecretString,
}

pub struct ConnectionDraft {
    pub slug: String,
    pub plugin: String,
    pub config: Value,
    pub basic: Option<BasicCredentials>,
}

/// Absent means unchanged; `basic: Some(None)` takes the login away.
#[derive(Default)]
pub struct ConnectionPatch {
    pub status: Option<ConnectionStatus>,
    pub config: Option<Value>,
    pub basic: Option<Option<BasicCredentials>>,
}

pub struct EndpointDraft {
    pub url: String,
    pub format: EndpointFormat,
    pub time_zone: Option<String>,
    /// Generated when absent.
    pub secret: Option<SecretString>,
    pub event_types: Vec<String>,
    pub max_in_flight: Option<u32>,
    pub retry_schedule: Option<RetrySchedule>,
}

/// Absent means unchanged.
#[derive(Default)]
pub struct EndpointPatch {
    pub url: Option<String>,
    pub time_zone: Option<String>,
    pub event_types: Option<Vec<String>>,
    pub status: Option<EndpointStatus>,
    pub max_in_flight: Option<u32>,
    pub retry_schedule: Option<RetrySchedule>,
}

#[derive(Clone)]
pub struct Onboarding {
    pub store: Store,
    pub plugins: Plugins,
    pub sealer: Arc<Sealer>,
    pub outbound: Outbound,
    pub clock: Arc<dyn Clock>,
    /// Which PKCS12 files are read.
    pub pkcs12: Pkcs12Policy,
}

impl Onboarding {
    pub async fn create_merchant(&self, slug: String, name: String) -> Result<Merchant, OnboardingError> {
        check_slug(&slug)?;
        check_name(&name)?;
        Ok(self
            .store
            .create_merchant(NewMerchant { slug, name }, self.clock.now())
            .await?)
    }

    pub async fn change_merchant(
        &self,
        id: MerchantId,
        name: Option<String>,
        status: Option<MerchantStatus>,
    ) -> Result<Merchant, OnboardingError> {
        if let Some(name) = &name {
            check_name(name)?;
        }
        Ok(self
            .store
            .change_merchant(id, MerchantChange { name, status }, self.clock.now())
            .await?)
    }

    pub async fn create_connection(
        &self,
        merchant: MerchantId,
        draft: ConnectionDraft,
    ) -> Result<Connection, OnboardingError> {
        check_slug(&draft.slug)?;
        let owner = Owner {
            merchant,
            connection: &draft.slug,
        };
        let config = self.sealed(owner, &draft.plugin, draft.config, None, draft.basic.is_some())?;
        let basic = hashed(draft.basic).await?;
        let new = NewConnection {
            slug: draft.slug,
            plugin: draft.plugin,
            status: ConnectionStatus::Active,
            config,
            basic,
        };
        Ok(self.store.create_connection(merchant, new, self.clock.now()).await?)
    }

    pub async fn change_connection(
        &self,
        merchant: MerchantId,
        connection: &Connection,
        patch: ConnectionPatch,
    ) -> Result<Connection, OnboardingError> {
        let has_login = match &patch.basic {
            Some(basic) => basic.is_some(),
            None => connection.basic_login.is_some(),
        };
        let owner = Owner {
            merchant,
            connection: &connection.slug,
        };
        // Suspending must be possible whatever became of the config.
        let resumes = patch.status == Some(ConnectionStatus::Active);
        let config = match patch.config {
            Some(config) => {
                let stored = Some(&connection.config);
                Some(self.sealed(owner, &connection.plugin, config, stored, has_login)?)
            }
            None if resumes || patch.basic.is_some() => {
                let config = config_secrets::open(&self.sealer, owner, &connection.config)?;
                self.check_config(&connection.plugin, &config, has_login)?;
                None
            }
            None => None,
        };
        let basic = match patch.basic {
            Some(basic) => Some(hashed(basic).await?),
            None => None,
        };
        let change = ConnectionChange {
            status: patch.status,
            config,
            basic,
            ..ConnectionChange::default()
        };
        Ok(self
            .store
            .change_connection(merchant, connection.id, change, self.clock.now())
            .await?)
    }

    pub(super) fn plugin(&self, name: &str) -> Result<&dyn Plugin, OnboardingError> {
        self.plugins.find(name).ok_or_else(|| {
            let known: Vec<_> = self.plugins.iter().map(|plugin| plugin.manifest().name).collect();
            OnboardingError::field("plugin", format!("is not one of: {}", known.join(", ")))
        })
    }

    /// A config as it is stored, checked. A mask in it stands for the secret that is stored already.
    fn sealed(
        &self,
        owner: Owner<'_>,
        plugin: &str,
        config: Value,
        stored: Option<&Value>,
        has_login: bool,
    ) -> Result<Value, OnboardingError> {
        let schema = self.plugin(plugin)?.manifest().config_schema.as_value();
        let sealed = config_secrets::seal(&self.sealer, owner, schema, config, stored)?;
        let opened = config_secrets::open(&self.sealer, owner, &sealed)?;
        self.check_config(plugin, &opened, has_login)?;
        Ok(sealed)
    }

    /// Gives a connection the client certificate of a PKCS12 file, to show to its network.
    pub async fn set_identity(
        &self,
        merchant: MerchantId,
        connection: &Connection,
        file: Vec<u8>,
        password: SecretString,
    ) -> Result<Connection, OnboardingError> {
        let (policy, now) = (self.pkcs12, self.clock.now());
        // Old files ask for thousands of rounds of hashing: not for an I/O thread.
        let reading = tokio::task::spawn_blocking(move || pkcs12::read(&file, &password, policy, now));
        let read = reading.await.map_err(|error| StoreError::Refused(error.to_string()))?;
        let read = read.map_err(|error| OnboardingError::field("pkcs12", error.to_string()))?;
        identity::client_identity(&read.pem).map_err(|error| OnboardingError::field("pkcs12", error.to_string()))?;
        let sealed = self
            .sealer
            .seal(&identity_place(merchant, &connection.slug), &read.pem)?;
        let shown = serde_json::to_value(&read.info).unwrap_or_default();
        let change = ConnectionChange {
            identity: Some(Some((sealed, shown))),
            ..ConnectionChange::default()
        };
        Ok(self
            .store
            .change_connection(merchant, connection.id, change, now)
            .await?)
    }

    pub async fn remove_identity(
        &self,
        merchant: MerchantId,
        connection: &Connection,
    ) -> Result<Connection, OnboardingError> {
        let change = ConnectionChange {
            identity: Some(None),
            ..ConnectionChange::default()
        };
        Ok(self
            .store
            .change_connection(merchant, connection.id, change, self.clock.now())
            .await?)
    }

    /// Sets which roots a connection believes beside the system's; `None` for none.
    pub async fn set_roots(
        &self,
        merchant: MerchantId,
        connection: &Connection,
        pem: Option<String>,
    ) -> Result<Connection, OnboardingError> {
        if let Some(pem) = &pem {
            identity::roots(pem).map_err(|error| OnboardingError::field("roots", error.to_string()))?;
        }
        let change = ConnectionChange {
            roots: Some(pem),
            ..ConnectionChange::default()
        };
        Ok(self
            .store
            .change_connection(merchant, connection.id, change, self.clock.now())
            .await?)
    }

    /// A connection that nobody could use, or anybody could, is not stored.
    fn check_config(&self, plugin: &str, config: &Value, has_login: bool) -> Result<(), OnboardingError> {
        let plugin = self.plugin(plugin)?;
        plugin.check_config(config)?;
        let Some(inbound) = plugin.inbound() else { return Ok(()) };
        let bound = inbound.bind(config)?;
        let auth = bound.access().auth;
        if auth.wants_basic() && !has_login {
            return Err(OnboardingError::field(
                "basic",
                "this connection wants a login: give login and password",
            ));
        }
        if let Some(url) = bound.account_check_url() {
            self.check_url("config.check_url", url)?;
        }
        Ok(())
    }

    /// The new endpoint with its secret, which is shown this once.
    pub async fn create_endpoint(
        &self,
        merchant: MerchantId,
        draft: EndpointDraft,
    ) -> Result<(Endpoint, SecretString), OnboardingError> {
        self.check_url("url", &draft.url)?;
        check_event_types(&draft.event_types)?;
        let time_zone = check_time_zone(draft.time_zone.unwrap_or_else(|| "UTC".to_owned()))?;
        let secret = match draft.secret {
            Some(secret) => secret,
            None => events::generate_secret()?,
        };
        Signer::new([&secret])?;
        let new = NewEndpoint {
            url: draft.url,
            format: draft.format,
            time_zone,
            secret_sealed: self.sealer.seal(&secret_place(merchant), &secret)?,
            event_types: draft.event_types,
            max_in_flight: check_in_flight(draft.max_in_flight.unwrap_or(8))?,
            retry_schedule: check_schedule(draft.retry_schedule.unwrap_or_default())?,
        };
        Ok((
            self.store.create_endpoint(merchant, new, self.clock.now()).await?,
            secret,
        ))
    }

    pub async fn change_endpoint(
        &self,
        merchant: MerchantId,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, OnboardingError> {
        if let Some(url) = &patch.url {
            self.check_url("url", url)?;
        }
        check_event_types(patch.event_types.as_deref().unwrap_or_default())?;
        let change = EndpointChange {
            url: patch.url,
            time_zone: patch.time_zone.map(check_time_zone).transpose()?,
            event_types: patch.event_types,
            status: patch.status,
            max_in_flight: patch.max_in_flight.map(check_in_flight).transpose()?,
            retry_schedule: patch.retry_schedule.map(check_schedule).transpose()?,
            rotate_secret: None,
        };
        Ok(self
            .store
            .change_endpoint(merchant, id, change, self.clock.now())
            .await?)
    }

    /// The new secret; the present one signs beside it for a while.
    pub async fn rotate_secret(
        &self,
        merchant: MerchantId,
        id: EndpointId,
        overlap: Option<Duration>,
    ) -> Result<(Endpoint, SecretString, DateTime<Utc>), OnboardingError> {
        let secret = events::generate_secret()?;
        let sealed = self.sealer.seal(&secret_place(merchant), &secret)?;
        let until = self.clock.now() + overlap.unwrap_or(SECRET_OVERLAP);
        let change = EndpointChange {
            rotate_secret: Some((sealed, until)),
            ..EndpointChange::default()
        };
        Ok((
            self.store
                .change_endpoint(merchant, id, change, self.clock.now())
                .await?,
            secret,
            until,
        ))
    }

    pub async fn connection(&self, merchant: MerchantId, slug: &str) -> Result<Connection, OnboardingError> {
        Ok(self.store.connection_by_slug(merchant, slug).await?)
    }

    /// Reads the file as the connection's plugin does, compares it with our payments, and stores the outcomes.
    pub async fn import_settlement(
        &self,
        connection: &Connection,
        file_name: String,
        file: Vec<u8>,
    ) -> Result<SettlementSummary, OnboardingError> {
        if file_name.is_empty() || file_name.len() > FILE_NAME_BYTES_MAX || file_name.contains(['/', '\\', '\0']) {
            let message = format!("is a plain name of 1 to {FILE_NAME_BYTES_MAX} bytes");
            return Err(OnboardingError::field("file_name", message));
        }
        let plugins = self.plugins.clone();
        let (plugin, config, name) = (connection.plugin.clone(), connection.config.clone(), file_name.clone());
        // A file may have a million rows: not for an I/O thread.
        let reading = tokio::task::spawn_blocking(move || {
            let inbound = plugins.find(&plugin).and_then(|plugin| plugin.inbound());
            let inbound =
                inbound.ok_or_else(|| OnboardingError::field("connection", "its plugin is not in this build"))?;
            let settlement = inbound.bind(&config)?.read_settlement(&name, &file);
            let settlement = settlement.map_err(|error| OnboardingError::field("file", error.to_string()))?;
            Ok::<_, OnboardingError>((settlement, hex(digest(&SHA256, &file).as_ref())))
        });
        let (settlement, sha256) = reading
            .await
            .map_err(|error| StoreError::Refused(error.to_string()))??;
        let new = NewSettlement {
            merchant_id: connection.merchant_id,
            connection_id: connection.id,
            file_name,
            sha256,
            settlement,
        };
        Ok(self.store.import_settlement(&new, self.clock.now()).await?)
    }

    fn check_url(&self, field: &str, text: &str) -> Result<(), OnboardingError> {
        if text.len() > URL_BYTES_MAX {
            return Err(OnboardingError::field(
                field,
                format!("is longer than {URL_BYTES_MAX} bytes"),
            ));
        }
        let url = Url::parse(text).map_err(|error| OnboardingError::field(field, error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            let message = "must not hold a login: URLs are stored and shown as they are";
            return Err(OnboardingError::field(field, message));
        }
        self.outbound
            .check(&url)
            .map_err(|error| OnboardingError::field(field, error.to_string()))
    }
}

/// Hashing takes tens of milliseconds of processor time.
async fn hashed(basic: Option<BasicCredentials>) -> Result<Option<(String, String)>, OnboardingError> {
    let Some(BasicCredentials { login, password }) = basic else {
        return Ok(None);
    };
    let hashing = tokio::task::spawn_blocking(move || {
        passwords::hash(&login, password.expose_secret()).map(|hash| (login, hash))
    });
    let hashed = hashing.await.map_err(|error| StoreError::Refused(error.to_string()))?;
    Ok(Some(hashed?))
}

fn check_slug(slug: &str) -> Result<(), OnboardingError> {
    if is_slug(slug) {
        return Ok(());
    }
    let message = "has 1 to 40 lower-case letters, digits and hyphens, and neither starts nor ends with a hyphen";
    Err(OnboardingError::field("slug", message))
}

fn check_name(name: &str) -> Result<(), OnboardingError> {
    let length = name.trim().chars().count();
    if (1..=NAME_LENGTH_MAX).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(OnboardingError::field(
        "name",
        format!("has 1 to {NAME_LENGTH_MAX} printable characters"),
    ))
}

fn check_event_types(event_types: &[String]) -> Result<(), OnboardingError> {
    match event_types
        .iter()
        .find(|wanted| !events::TYPES.contains(&wanted.as_str()))
    {
        None => Ok(()),
        Some(unknown) => {
            let message = format!("'{unknown}' is not one of: {}", events::TYPES.join(", "));
            Err(OnboardingError::field("event_types", message))
        }
    }
}

fn check_time_zone(time_zone: String) -> Result<String, OnboardingError> {
    match time_zone.parse::<Tz>() {
        Ok(_) => Ok(time_zone),
        Err(_) => Err(OnboardingError::field(
            "time_zone",
            "is not an IANA zone such as Europe/Moscow",
        )),
    }
}

fn check_in_flight(count: u32) -> Result<u32, OnboardingError> {
    if (1..=IN_FLIGHT_MAX).contains(&count) {
        return Ok(count);
    }
    Err(OnboardingError::field(
        "max_in_flight",
        format!("is from 1 to {IN_FLIGHT_MAX}"),
    ))
}

fn check_schedule(schedule: RetrySchedule) -> Result<RetrySchedule, OnboardingError> {
    let whole = (1..=RETRY_PAUSE_S_MAX).contains(&schedule.first_s)
        && (schedule.first_s..=RETRY_PAUSE_S_MAX).contains(&schedule.max_s)
        && (1..=10).contains(&schedule.factor)
        && schedule.jitter_percent <= 100;
    if whole {
        return Ok(schedule);
    }
    let message = format!(
        "first_s is from 1 to {RETRY_PAUSE_S_MAX}, max_s from first_s to {RETRY_PAUSE_S_MAX}, factor from 1 to 10, \
         jitter_percent from 0 to 100"
    );
    Err(OnboardingError::field("retry_schedule", message))
}
