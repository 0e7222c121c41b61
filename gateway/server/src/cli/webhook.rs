//! `tollgate webhook`

use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use plugin_sdk::{DeliveryId, EndpointId};
use secrecy::ExposeSecret;
use store::{EndpointFormat, EndpointStatus};

use super::{Failure, find_merchant, say};
use crate::node::Core;
use crate::tenancy::{EndpointDraft, EndpointPatch};

#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// Standard Webhooks, signed
    Standard,
    /// The body of the seed container, unsigned
    Container,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make an endpoint and print its secret, this once
    Add {
        merchant: String,
        url: String,
        #[arg(long, value_enum, default_value = "standard")]
        format: Format,
        /// Event type that is wanted; all when absent
        #[arg(long = "event")]
        events: Vec<String>,
    },
    List {
        merchant: String,
    },
    Pause {
        merchant: String,
        endpoint: EndpointId,
    },
    Resume {
        merchant: String,
        endpoint: EndpointId,
    },
    /// Delete an endpoint and cancel what waits for it
    Remove {
        merchant: String,
        endpoint: EndpointId,
    },
    /// Give the endpoint a new secret; the old one signs too for a day
    RotateSecret {
        merchant: String,
        endpoint: EndpointId,
    },
    /// Send one delivery once more
    Resend {
        merchant: String,
        delivery: DeliveryId,
    },
    /// Send everything since a moment (RFC 3339) once more
    ResendSince {
        merchant: String,
        endpoint: EndpointId,
        since: DateTime<Utc>,
    },
}

pub async fn run(core: Core, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add {
            merchant,
            url,
            format,
            events,
        } => add(&core, &merchant, url, format, events).await,
        Command::List { merchant } => {
            let merchant = find_merchant(&core, &merchant).await?;
            for endpoint in core.store.endpoints(merchant.id).await? {
                let (format, status) = (endpoint.format.as_str(), endpoint.status.as_str());
                say(&format!("{}\t{format}\t{status}\t{}", endpoint.id, endpoint.url));
            }
            Ok(())
        }
        Command::Pause { merchant, endpoint } => set(&core, &merchant, endpoint, EndpointStatus::Paused).await,
        Command::Resume { merchant, endpoint } => set(&core, &merchant, endpoint, EndpointStatus::Active).await,
        Command::Remove { merchant, endpoint } => set(&core, &merchant, endpoint, EndpointStatus::Deleted).await,
        Command::RotateSecret { merchant, endpoint } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let (_, secret, until) = core.onboarding.rotate_secret(merchant.id, endpoint, None).await?;
            say(&format!(
                "{}\nthe old secret signs too until {until}",
                secret.expose_secret()
            ));
            Ok(())
        }
        Command::Resend { merchant, delivery } => {
            let merchant = find_merchant(&core, &merchant).await?;
            core.store
                .resend_delivery(merchant.id, delivery, core.clock.now())
                .await?;
            say(&format!("{delivery} is due now"));
            Ok(())
        }
        Command::ResendSince {
            merchant,
            endpoint,
            since,
        } => {
            let merchant = find_merchant(&core, &merchant).await?;
            let endpoint = core.store.endpoint(merchant.id, endpoint).await?;
            let due = core.store.resend_since(&endpoint, since, core.clock.now()).await?;
            say(&format!("{due} deliveries are due now"));
            Ok(())
        }
    }
}

async fn add(
    core: &Core,
    merchant: &str,
    url: String,
    format: Format,
    event_types: Vec<String>,
) -> Result<(), Failure> {
    let merchant = find_merchant(core, merchant).await?;
    let draft = EndpointDraft {
        url,
        format: match format {
            Format::Standard => EndpointFormat::Standard,
            Format::Container => EndpointFormat::Container,
        },
        time_zone: None,
        secret: None,
        event_types,
        max_in_flight: None,
        retry_schedule: None,
    };
    let (endpoint, secret) = core.onboarding.create_endpoint(merchant.id, draft).await?;
    say(&format!(
        "{}\nsecret, shown this once: {}",
        endpoint.id,
        secret.expose_secret()
    ));
    Ok(())
}

async fn set(core: &Core, merchant: &str, endpoint: EndpointId, status: EndpointStatus) -> Result<(), Failure> {
    let merchant = find_merchant(core, merchant).await?;
    let patch = EndpointPatch {
        status: Some(status),
        ..EndpointPatch::default()
    };
    core.onboarding.change_endpoint(merchant.id, endpoint, patch).await?;
    say(&format!("{endpoint} is {}", status.as_str()));
    Ok(())
}
