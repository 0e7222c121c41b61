//! A key that is not known is most likely a known one, misspelt.

use config::Config;

use super::SettingsError;

pub(super) fn refuse_unknown_keys(defaults: &Config, overrides: &Config) -> Result<(), SettingsError> {
    let known = keys_of(defaults);
    for key in keys_of(overrides) {
        if !known.contains(&key) {
            let hint = nearest(&key, &known)
                .map(|near| format!(" (did you mean '{near}'?)"))
                .unwrap_or_default();
            return Err(SettingsError::UnknownKey { key, hint });
        }
    }
    Ok(())
}

fn keys_of(config: &Config) -> Vec<String> {
    fn walk(prefix: &str, kind: &config::ValueKind, keys: &mut Vec<String>) {
        match kind {
            config::ValueKind::Table(table) => {
                for (name, value) in table {
                    let path = if prefix.is_empty() {
                        name.clone()
                    } else {
                        format!("{prefix}.{name}")
                    };
                    walk(&path, &value.kind, keys);
                }
            }
            _ => keys.push(prefix.to_owned()),
        }
    }
    let mut keys = Vec::new();
    walk("", &config.cache.kind, &mut keys);
    keys.sort();
    keys
}

/// The known key that shares the longest beginning or end with the wrong one.
fn nearest<'a>(wrong: &str, known: &'a [String]) -> Option<&'a String> {
    let likeness = |candidate: &str| {
        let front = wrong.chars().zip(candidate.chars()).take_while(|(a, b)| a == b).count();
        let back = wrong
            .chars()
            .rev()
            .zip(candidate.chars().rev())
            .take_while(|(a, b)| a == b)
            .count();
        front + back
    };
    let best = known.iter().max_by_key(|candidate| likeness(candidate))?;
    (likeness(best) * 2 > wrong.chars().count()).then_some(best)
}
