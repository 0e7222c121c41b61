//! Being the seed container: with its variables set, `tollgate serve` alone is that image
//! (`protocols/terminal.md §12`), one merchant with one connection.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use store::{Connection, Endpoint, EndpointFormat, EndpointStatus, Merchant, Store, StoreError};
use url::Url;

use crate::access::passwords;
use crate::events;
use crate::node::{Core, NodeError};
use crate::settings::{Settings, SettingsError};
use crate::tenancy::{
    BasicCredentials, ConnectionDraft, ConnectionPatch, EndpointDraft, EndpointPatch, OnboardingError,
};

pub const MERCHANT: &str = "container";
pub const CONNECTION: &str = "terminal";
/// Its presence says that the process was started as the container.
const MARK: &str = "PG_HOST";
/// Variables of the image that have no meaning here: its PHP and its read replicas.
const IGNORED: [&str; 5] = [
    "PG_SLAVES",
    "PHP_PM_MAX_CHILDREN",
    "PHP_PM_MAX_REQUESTS",
    "PHP_MAX_EXECUTION_TIME",
    "PHP_MEMORY_LIMIT",
];

#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("{name} is not set; the container needs it beside {MARK}")]
    Missing { name: &'static str },
    #[error("{name}: {message}")]
    Wrong { name: &'static str, message: String },
    #[error("the container's connection: {0}")]
    Onboarding(#[from] OnboardingError),
    #[error("database: {0}")]
    Store(#[from] StoreError),
}

impl From<ContainerError> for NodeError {
    fn from(error: ContainerError) -> Self {
        SettingsError::value("container", error.to_string()).into()
    }
}

/// The container's variables, read.
pub struct Container {
    database: String,
    real_url: Url,
    url: Url,
    schema: String,
    check_url: Option<String>,
    webhook_url: Option<String>,
    basic: Option<(String, SecretString)>,
    time_zone: String,
    debug: bool,
}

impl Container {
    /// `None` when the process was not started as the container.
    pub fn from_environment(variables: &HashMap<String, String>) -> Result<Option<Self>, ContainerError> {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let required = |name: &'static str| set(name).ok_or(ContainerError::Missing { name });
        let Some(host) = set(MARK) else { return Ok(None) };
        let real_host = set("PG_REAL_HOST").unwrap_or_else(|| host.clone());
        let database = required("PG_DATABASE")?;
        let user = required("PG_USER")?;
        let password = required("PG_PASSWORD")?;
        let port = set("PG_PORT").unwrap_or_else(|| "5432".to_owned());
        let url = |host: &str| postgres_url(host, &port, &user, &password, &database);
        let basic = match (set("HTTP_AUTH_USERNAME"), set("HTTP_AUTH_PASSWORD")) {
            (Some(login), Some(password)) => Some((login, password.into())),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ContainerError::Missing {
                    name: "HTTP_AUTH_PASSWORD",
                });
            }
            (None, Some(_)) => {
                return Err(ContainerError::Missing {
                    name: "HTTP_AUTH_USERNAME",
                });
            }
        };
        for name in IGNORED.into_iter().filter(|name| set(name).is_some()) {
            tracing::info!(name, "this variable of the seed container has no meaning here");
        }
        Ok(Some(Self {
            real_url: url(&real_host)?,
            url: url(&host)?,
            database,
            schema: set("PG_SCHEMA").unwrap_or_else(|| "public".to_owned()),
            check_url: set("QIWI_CHECK_URL"),
            webhook_url: set("QIWI_WEBHOOK_URL"),
            basic,
            time_zone: set("MS_TIMEZONE").unwrap_or_else(|| "UTC".to_owned()),
            debug: set("DEBUG").is_some_and(|value| value == "true"),
        }))
    }

    /// What the variables mean in our settings. What is set as `TOLLGATE_…` wins.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            ("TOLLGATE_DATABASE__URL", self.url.to_string()),
            ("TOLLGATE_DATABASE__SCHEMA", self.schema.clone()),
            ("TOLLGATE_PUBLIC__LISTEN", "0.0.0.0:80".to_owned()),
            // The two URLs are the operator's own, usually in a private network.
            ("TOLLGATE_WEBHOOKS__ALLOW_NETWORKS", "0.0.0.0/0,::/0".to_owned()),
        ];
        if self.debug {
            settings.push(("TOLLGATE_LOG__FILTER", "debug".to_owned()));
        }
        settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Makes database and schema when missing, as the image does, past the pooler.
    pub async fn prepare_database(&self, settings: &Settings) -> Result<(), NodeError> {
        let mut options = settings.database.options()?;
        options.url = self.real_url.to_string();
        Store::create_database(&options, &self.database).await?;
        let store = Store::connect(&options).await?;
        store.migrate().await?;
        store.close().await?;
        Ok(())
    }

    /// Brings merchant, connection and endpoint to what the variables say.
    pub async fn provision(&self, core: &Core) -> Result<(), ContainerError> {
        let merchant = match core.store.merchant_by_slug(MERCHANT).await {
            Ok(merchant) => merchant,
            Err(StoreError::NotFound(_)) => {
                core.onboarding
                    .create_merchant(MERCHANT.to_owned(), "Seed container".to_owned())
                    .await?
            }
            Err(error) => return Err(error.into()),
        };
        self.provision_connection(core, &merchant).await?;
        self.provision_endpoint(core, &merchant).await
    }

    async fn provision_connection(&self, core: &Core, merchant: &Merchant) -> Result<(), ContainerError> {
        if self.basic.is_none() {
            tracing::warn!("HTTP_AUTH_USERNAME is not set: anybody who reaches this port can report payments");
        }
        let config = self.connection_config();
        let existing = core.store.connections(merchant.id).await?;
        let Some(existing) = existing.into_iter().find(|connection| connection.slug == CONNECTION) else {
            let draft = ConnectionDraft {
                slug: CONNECTION.to_owned(),
                plugin: "terminal".to_owned(),
                config,
                basic: self.credentials(),
            };
            core.onboarding.create_connection(merchant.id, draft).await?;
            return Ok(());
        };
        let basic = if self.login_is_unchanged(&existing) {
            None
        } else {
            Some(self.credentials())
        };
        if basic.is_none() && existing.config == config {
            return Ok(());
        }
        let patch = ConnectionPatch {
            config: Some(config),
            basic,
            ..ConnectionPatch::default()
        };
        core.onboarding.change_connection(merchant.id, &existing, patch).await?;
        Ok(())
    }

    fn credentials(&self) -> Option<BasicCredentials> {
        let (login, password) = self.basic.as_ref()?;
        Some(BasicCredentials {
            login: login.clone(),
            password: password.clone(),
        })
    }

    fn login_is_unchanged(&self, existing: &Connection) -> bool {
        match (&self.basic, &existing.basic_login, &existing.basic_password_hash) {
            (None, None, _) => true,
            (Some((login, password)), Some(stored), Some(hash)) => {
                login == stored && passwords::verify(password.expose_secret(), hash)
            }
            _ => false,
        }
    }

    /// Variant A without limits of its own; the image checks no source addresses, its proxy does.
    fn connection_config(&self) -> Value {
        let mut config = json!({
            "variant": "A",
            "account_max": 200,
            "subnets": ["0.0.0.0/0", "::/0"],
            "auth": if self.basic.is_some() { "basic" } else { "none" },
        });
        if let Some(fields) = config.as_object_mut() {
            if self.basic.is_none() {
                fields.insert("allow_any_source".to_owned(), true.into());
            }
            if let Some(url) = &self.check_url {
                fields.insert("check_url".to_owned(), url.clone().into());
            }
        }
        config
    }

    /// The endpoint is changed in place: what waits for it follows. Replicas that start together leave one.
    async fn provision_endpoint(&self, core: &Core, merchant: &Merchant) -> Result<(), ContainerError> {
        let endpoints = core.store.endpoints(merchant.id).await?;
        let mut ours = endpoints
            .iter()
            .filter(|endpoint| endpoint.format == EndpointFormat::Container);
        match (ours.next(), &self.webhook_url) {
            (Some(endpoint), Some(url)) if endpoint.url != *url || endpoint.time_zone != self.time_zone => {
                let time_zone = Some(self.time_zone.clone());
                let patch = EndpointPatch {
                    url: Some(url.clone()),
                    time_zone,
                    ..EndpointPatch::default()
                };
                core.onboarding.change_endpoint(merchant.id, endpoint.id, patch).await?;
            }
            (Some(_), Some(_)) => {}
            (None, Some(url)) => return self.create_endpoint(core, merchant, url).await,
            (Some(endpoint), None) => delete_endpoint(core, endpoint).await?,
            (None, None) => {}
        }
        for surplus in ours {
            delete_endpoint(core, surplus).await?;
        }
        Ok(())
    }

    async fn create_endpoint(&self, core: &Core, merchant: &Merchant, url: &str) -> Result<(), ContainerError> {
        let draft = EndpointDraft {
            url: url.to_owned(),
            format: EndpointFormat::Container,
            time_zone: Some(self.time_zone.clone()),
            secret: None,
            event_types: vec![events::PAYMENT_SUCCEEDED.to_owned()],
            max_in_flight: None,
            retry_schedule: None,
        };
        core.onboarding.create_endpoint(merchant.id, draft).await?;
        let endpoints = core.store.endpoints(merchant.id).await?;
        for surplus in endpoints
            .iter()
            .filter(|endpoint| endpoint.format == EndpointFormat::Container)
            .skip(1)
        {
            delete_endpoint(core, surplus).await?;
        }
        Ok(())
    }
}

async fn delete_endpoint(core: &Core, endpoint: &Endpoint) -> Result<(), ContainerError> {
    let patch = EndpointPatch {
        status: Some(EndpointStatus::Deleted),
        ..EndpointPatch::default()
    };
    core.onboarding
        .change_endpoint(endpoint.merchant_id, endpoint.id, patch)
        .await?;
    Ok(())
}

fn postgres_url(host: &str, port: &str, user: &str, password: &str, database: &str) -> Result<Url, ContainerError> {
    let wrong = |name: &'static str, message: &str| ContainerError::Wrong {
        name,
        message: message.to_owned(),
    };
    let mut url = Url::parse("postgres://host/").map_err(|error| wrong(MARK, &error.to_string()))?;
    url.set_host(Some(host))
        .map_err(|error| wrong(MARK, &error.to_string()))?;
    let port = port.parse().map_err(|_| wrong("PG_PORT", "is not a port number"))?;
    url.set_port(Some(port))
        .map_err(|()| wrong("PG_PORT", "is not a port number"))?;
    // `%` first: the URL would take it for an escape of its own.
    let plain = |text: &str| text.replace('%', "%25");
    url.set_username(&plain(user))
        .map_err(|()| wrong("PG_USER", "cannot be used"))?;
    url.set_password(Some(&plain(password)))
        .map_err(|()| wrong("PG_PASSWORD", "cannot be used"))?;
    url.set_path(&plain(database));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const MINIMAL: [(&str, &str); 5] = [
        ("PG_HOST", "pooler"),
        ("PG_REAL_HOST", "db"),
        ("PG_DATABASE", "qiwi"),
        ("PG_USER", "u"),
        ("PG_PASSWORD", "p@ss/w%41rd"),
    ];

    #[test]
    fn without_its_variables_it_is_not_the_container() {
        assert!(Container::from_environment(&variables(&[])).unwrap().is_none());
    }

    #[test]
    fn its_variables_become_settings() {
        let container = Container::from_environment(&variables(&MINIMAL)).unwrap().unwrap();
        assert_eq!(
            container.url.as_str(),
            "postgres://u:p%40ss%2Fw%2541rd@pooler:5432/qiwi"
        );
        assert_eq!(container.real_url.host_str(), Some("db"));
        let settings: HashMap<String, String> = container.settings().into_iter().collect();
        assert_eq!(settings["TOLLGATE_DATABASE__SCHEMA"], "public");
        assert!(Settings::from_sources(None, settings).is_ok());
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["PG_DATABASE", "PG_USER", "PG_PASSWORD"] {
            let mut variables = variables(&MINIMAL);
            variables.remove(name);
            let error = Container::from_environment(&variables).err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
        }
        let mut half = variables(&MINIMAL);
        half.insert("HTTP_AUTH_USERNAME".to_owned(), "u".to_owned());
        assert!(
            Container::from_environment(&half)
                .err()
                .unwrap()
                .to_string()
                .contains("HTTP_AUTH_PASSWORD")
        );
    }
}
