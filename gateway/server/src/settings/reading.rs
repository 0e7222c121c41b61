//! Values as people write them in a file or in an environment variable.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// Empty text means "not set".
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A list from a file, or one text with commas from the environment.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        List(Vec<String>),
        Text(String),
    }
    let items = match Given::deserialize(deserializer)? {
        Given::List(items) => items,
        Given::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    let items = items.iter().map(|item| item.trim().to_owned());
    Ok(items.filter(|item| !item.is_empty()).collect())
}

/// The same of subnets.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let items = texts(deserializer)?;
    let items = items.iter().map(|item| {
        item.parse().map_err(|_| {
            serde::de::Error::custom(format!("'{item}' is not a subnet; write it as 10.0.0.0/8 or fd00::/8"))
        })
    });
    items.collect()
}
