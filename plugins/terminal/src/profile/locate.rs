//! Finds the key that a config's reader stumbled over. serde says what is wrong, but not where.

use plugin_sdk::ConfigError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Path of the config as a whole.
const WHOLE: &str = "config";

#[derive(Clone)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Reads a config. Relies on every key having a default: then a config of one key is wrong only by that key.
pub fn read_config<T: DeserializeOwned + Serialize>(config: &Value) -> Result<T, ConfigError> {
    let read = T::deserialize(config).map_err(|error| {
        let (path, error) = narrow::<T>(config, error);
        ConfigError::new(path, error.to_string())
    })?;
    let understood = serde_json::to_value(&read).map_err(|error| ConfigError::new(WHOLE, error.to_string()))?;
    let mut path = Vec::new();
    if is_misshapen(config, &understood, &mut path) {
        return Err(ConfigError::new(
            text_of(&path),
            "must be an object; write its keys with their values in { }",
        ));
    }
    Ok(read)
}

/// serde also reads an object from a bare list of its values, which nobody means. `path` leads to the first one.
fn is_misshapen<'a>(config: &'a Value, understood: &Value, path: &mut Vec<Step<'a>>) -> bool {
    if config.is_array() && understood.is_object() {
        return true;
    }
    children(config).into_iter().any(|(step, child)| {
        let counterpart = match &step {
            Step::Key(key) => understood.get(*key),
            Step::Index(index) => understood.get(*index),
        };
        path.push(step);
        let found = counterpart.is_some_and(|counterpart| is_misshapen(child, counterpart, path));
        if !found {
            path.pop();
        }
        found
    })
}

/// Follows the error inwards for as long as one child alone reproduces it.
fn narrow<T: DeserializeOwned>(config: &Value, mut error: serde_json::Error) -> (String, serde_json::Error) {
    let mut path = Vec::new();
    let mut at = config;
    while let Some((step, child, inner)) = children(at).into_iter().find_map(|(step, child)| {
        let mut longer = path.clone();
        longer.push(step.clone());
        let inner = T::deserialize(nest(&longer, child)).err()?;
        Some((step, child, inner))
    }) {
        path.push(step);
        at = child;
        error = inner;
    }
    (text_of(&path), error)
}

fn children(value: &Value) -> Vec<(Step<'_>, &Value)> {
    match value {
        Value::Object(map) => map.iter().map(|(key, child)| (Step::Key(key), child)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, child)| (Step::Index(index), child))
            .collect(),
        _ => Vec::new(),
    }
}

/// A config that holds nothing but `leaf` at `path`.
fn nest(path: &[Step<'_>], leaf: &Value) -> Value {
    path.iter().rev().fold(leaf.clone(), |inner, step| match step {
        Step::Key(key) => Value::Object(Map::from_iter([((*key).to_owned(), inner)])),
        Step::Index(_) => Value::Array(vec![inner]),
    })
}

fn text_of(path: &[Step<'_>]) -> String {
    let text = path.iter().fold(String::new(), |text, step| match step {
        Step::Key(key) if text.is_empty() => (*key).to_owned(),
        Step::Key(key) => format!("{text}.{key}"),
        Step::Index(index) => format!("{text}[{index}]"),
    });
    if text.is_empty() { WHOLE.to_owned() } else { text }
}
