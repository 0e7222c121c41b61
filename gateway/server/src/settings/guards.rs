//! What the guards go by: limits that hold for all, and shedding.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use store::LimitLevel;

use super::{Settings, SettingsError};
use crate::edge::guards::GuardOptions;
use crate::edge::guards::shedding::SheddingOptions;
use crate::edge::guards::strict::StrictRates;
use crate::tenancy::{RateWindow, Traffic, TrafficDefaults, TrafficLimits, read_windows};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    merchant_rates: String,
    merchant_peer_rates: String,
    merchant_in_flight: u32,
    merchant_sockets: u32,
    connection_rates: String,
    connection_in_flight: u32,
    connection_sockets: u32,
    key_rates: String,
    key_in_flight: u32,
    wait_ms: u64,
    pub(super) peer_sockets: u32,
    stranger_rates: String,
    log_in_rates: String,
    key_creation_rates: String,
    certificate_issue_rates: String,
    pkcs12_import_rates: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheddingSettings {
    pub(super) delay_ms: u64,
    pub(super) after_ms: u64,
}

impl Settings {
    /// Limits of merchants, connections and keys that have none of their own.
    pub fn traffic_defaults(&self) -> Result<TrafficDefaults, SettingsError> {
        let limits = &self.limits;
        let merchant = traffic(
            LimitLevel::Merchant,
            [
                ("limits.merchant_rates", &limits.merchant_rates),
                ("limits.merchant_peer_rates", &limits.merchant_peer_rates),
            ],
            ("limits.merchant_in_flight", limits.merchant_in_flight),
            ("limits.merchant_sockets", limits.merchant_sockets),
        )?;
        let none = String::new();
        let connection = traffic(
            LimitLevel::Connection,
            [("limits.connection_rates", &limits.connection_rates), ("", &none)],
            ("limits.connection_in_flight", limits.connection_in_flight),
            ("limits.connection_sockets", limits.connection_sockets),
        )?;
        let in_flight = ("limits.key_in_flight", limits.key_in_flight);
        let rates = [("limits.key_rates", &limits.key_rates), ("", &none)];
        let api_key = traffic(LimitLevel::ApiKey, rates, in_flight, in_flight)?;
        Ok(TrafficDefaults {
            merchant,
            connection,
            api_key,
        })
    }

    pub fn guard_options(&self) -> Result<GuardOptions, SettingsError> {
        let limits = &self.limits;
        let windows = |key, text| windows(key, text).map(Into::into);
        Ok(GuardOptions {
            defaults: self.traffic_defaults()?,
            stranger_rates: windows("limits.stranger_rates", &limits.stranger_rates)?,
            strict: StrictRates {
                log_in: windows("limits.log_in_rates", &limits.log_in_rates)?,
                key_creation: windows("limits.key_creation_rates", &limits.key_creation_rates)?,
                certificate_issue: windows("limits.certificate_issue_rates", &limits.certificate_issue_rates)?,
                pkcs12_import: windows("limits.pkcs12_import_rates", &limits.pkcs12_import_rates)?,
            },
            wait: Duration::from_millis(limits.wait_ms),
            sockets_max: self.public.connections_max,
            peer_sockets_max: limits.peer_sockets,
            trusted_proxies: self.public.trusted_proxies.clone(),
            shedding: SheddingOptions {
                delay: Duration::from_millis(self.shedding.delay_ms),
                after: Duration::from_millis(self.shedding.after_ms),
            },
        })
    }
}

type Given<T> = (&'static str, T);

fn traffic(
    level: LimitLevel,
    [rates, peer_rates]: [Given<&String>; 2],
    in_flight: Given<u32>,
    sockets: Given<u32>,
) -> Result<Arc<Traffic>, SettingsError> {
    for (key, at_once) in [in_flight, sockets] {
        let limits = TrafficLimits {
            in_flight: Some(at_once),
            ..TrafficLimits::default()
        };
        let checked = limits.checked(level, 0);
        checked.map_err(|error| SettingsError::value(key, error.message))?;
    }
    Ok(Arc::new(Traffic {
        rates: windows(rates.0, rates.1)?.into(),
        peer_rates: windows(peer_rates.0, peer_rates.1)?.into(),
        in_flight: in_flight.1,
        sockets: sockets.1,
    }))
}

fn windows(key: &'static str, text: &str) -> Result<Vec<RateWindow>, SettingsError> {
    read_windows(key, text).map_err(|error| SettingsError::value(key, error.message))
}
