//! Flight data (§9): what an airline's sale tells of its tickets.

use plugin_sdk::ConfigError;
use plugin_sdk::connector::ConnectorError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::parameters::{raw, raw_number};

/// Tickets of one booking: all of them, each with all of its segments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndustryData {
    /// Code of the booking, at most 6 characters.
    #[schemars(title = "Booking", length(max = 6), example = &"6Q32R2")]
    pub pnr: Option<String>,
    #[schemars(title = "Tickets", length(min = 1, max = 100))]
    pub tickets: Vec<Ticket>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    #[schemars(title = "Number", length(min = 1, max = 14))]
    pub number: String,
    #[schemars(title = "Passenger", length(min = 1, max = 20), example = &"Ivan Ivanov")]
    pub passenger_name: String,
    /// Fare without fees, as a decimal text.
    #[schemars(title = "Fare", example = &"500.00")]
    pub amount: String,
    /// With fees.
    #[schemars(title = "Total", example = &"700.00")]
    pub amount_total: String,
    /// The ticket cannot be changed or returned.
    #[schemars(title = "Restricted")]
    pub restricted: bool,
    #[schemars(title = "Code of the agency", length(min = 1, max = 8))]
    pub agency_code: String,
    #[schemars(title = "Name of the agency", length(min = 1, max = 25))]
    pub agency_name: String,
    /// IATA code.
    #[schemars(title = "Departure airport", length(min = 3, max = 3), example = &"SVO")]
    pub airport_code: String,
    #[schemars(title = "Segments", length(min = 1, max = 20))]
    pub segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    #[schemars(title = "Price", example = &"500.00")]
    pub amount: String,
    #[schemars(title = "Class of service", length(min = 1, max = 1), example = &"Y")]
    pub service_class: String,
    #[schemars(title = "Fare basis", length(min = 1, max = 6))]
    pub fare_basis_code: String,
    /// IATA code.
    #[schemars(title = "Destination", length(min = 3, max = 3), example = &"LED")]
    pub dest_city: String,
    #[schemars(title = "Carrier", length(min = 2, max = 2), example = &"SU")]
    pub carrier_code: String,
    #[schemars(title = "Stopover", length(min = 1, max = 1), example = &"X")]
    pub stopover_code: String,
    /// With its zone.
    #[schemars(title = "Departure", example = &"2026-12-30T02:45:00Z")]
    pub departure_date: String,
    /// Digits only.
    #[schemars(title = "Flight", regex(pattern = "^[0-9]{1,5}$"), example = &"12545")]
    pub flight_number: String,
}

const TICKETS_MAX: usize = 100;
const SEGMENTS_MAX: usize = 20;

impl IndustryData {
    /// Names the first key that the network would not take.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(pnr) = &self.pnr {
            length("pnr", pnr, 1..=6)?;
        }
        count("tickets", self.tickets.len(), TICKETS_MAX)?;
        for (at, ticket) in self.tickets.iter().enumerate() {
            ticket.check(&format!("tickets[{at}]"))?;
        }
        Ok(())
    }

    /// The document as it is sent; amounts become numbers with the digits that were given.
    pub fn json(&self) -> Result<Box<RawValue>, ConnectorError> {
        self.check()
            .map_err(|error| ConnectorError::invalid(format!("industry_data: {error}")))?;
        let tickets = self.tickets.iter().map(Ticket::json);
        raw(&wire::Data {
            r#type: "avia",
            pnr: self.pnr.as_deref(),
            tickets: tickets.collect::<Result<_, _>>()?,
        })
    }
}

impl Ticket {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let key = |name: &str| format!("{at}.{name}");
        length(&key("number"), &self.number, 1..=14)?;
        length(&key("passenger_name"), &self.passenger_name, 1..=20)?;
        decimal(&key("amount"), &self.amount)?;
        decimal(&key("amount_total"), &self.amount_total)?;
        length(&key("agency_code"), &self.agency_code, 1..=8)?;
        length(&key("agency_name"), &self.agency_name, 1..=25)?;
        length(&key("airport_code"), &self.airport_code, 3..=3)?;
        count(&key("segments"), self.segments.len(), SEGMENTS_MAX)?;
        for (number, segment) in self.segments.iter().enumerate() {
            segment.check(&key(&format!("segments[{number}]")))?;
        }
        Ok(())
    }

    fn json(&self) -> Result<wire::Ticket<'_>, ConnectorError> {
        let segments = self.segments.iter().map(Segment::json);
        Ok(wire::Ticket {
            number: &self.number,
            passenger_name: &self.passenger_name,
            amount: raw_number(&self.amount)?,
            amount_total: raw_number(&self.amount_total)?,
            restricted: self.restricted,
            agency_code: &self.agency_code,
            agency_name: &self.agency_name,
            airport_code: &self.airport_code,
            segments: segments.collect::<Result<_, _>>()?,
        })
    }
}

impl Segment {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let key = |name: &str| format!("{at}.{name}");
        decimal(&key("amount"), &self.amount)?;
        length(&key("service_class"), &self.service_class, 1..=1)?;
        length(&key("fare_basis_code"), &self.fare_basis_code, 1..=6)?;
        length(&key("dest_city"), &self.dest_city, 3..=3)?;
        length(&key("carrier_code"), &self.carrier_code, 2..=2)?;
        length(&key("stopover_code"), &self.stopover_code, 1..=1)?;
        length(&key("flight_number"), &self.flight_number, 1..=5)?;
        if !self.flight_number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ConfigError::new(key("flight_number"), "has digits only"));
        }
        chrono::DateTime::parse_from_rfc3339(&self.departure_date)
            .map(|_| ())
            .map_err(|_| {
                ConfigError::new(
                    key("departure_date"),
                    "must be a time with its zone: 2026-12-30T02:45:00Z",
                )
            })
    }

    fn json(&self) -> Result<wire::Segment<'_>, ConnectorError> {
        Ok(wire::Segment {
            amount: raw_number(&self.amount)?,
            service_class: &self.service_class,
            fare_basis_code: &self.fare_basis_code,
            dest_city: &self.dest_city,
            carrier_code: &self.carrier_code,
            stopover_code: &self.stopover_code,
            departure_date: &self.departure_date,
            flight_number: &self.flight_number,
        })
    }
}

fn length(key: &str, value: &str, allowed: std::ops::RangeInclusive<usize>) -> Result<(), ConfigError> {
    if allowed.contains(&value.chars().count()) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    Err(ConfigError::new(key, format!("must have {least} to {most} characters")))
}

fn count(key: &str, count: usize, most: usize) -> Result<(), ConfigError> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(ConfigError::new(key, format!("must have 1 to {most} entries")))
}

/// Digits with at most two after a dot, and no leading zeros: the same text is a JSON number.
fn decimal(key: &str, value: &str) -> Result<(), ConfigError> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = whole == "0" || !whole.starts_with('0');
    if digits(whole) && plain && whole.len() <= 15 && digits(fraction) && fraction.len() <= 2 {
        return Ok(());
    }
    Err(ConfigError::new(key, "must be a decimal text such as 500.00"))
}

/// As it is written.
mod wire {
    use serde::Serialize;
    use serde_json::value::RawValue;

    #[derive(Serialize)]
    pub struct Data<'a> {
        pub r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pnr: Option<&'a str>,
        pub tickets: Vec<Ticket<'a>>,
    }

    #[derive(Serialize)]
    pub struct Ticket<'a> {
        pub number: &'a str,
        pub passenger_name: &'a str,
        pub amount: Box<RawValue>,
        pub amount_total: Box<RawValue>,
        pub restricted: bool,
        pub agency_code: &'a str,
        pub agency_name: &'a str,
        pub airport_code: &'a str,
        pub segments: Vec<Segment<'a>>,
    }

    #[derive(Serialize)]
    pub struct Segment<'a> {
        pub amount: Box<RawValue>,
        pub service_class: &'a str,
        pub fare_basis_code: &'a str,
        pub dest_city: &'a str,
        pub carrier_code: &'a str,
        pub stopover_code: &'a str,
        pub departure_date: &'a str,
        pub flight_number: &'a str,
    }
}
