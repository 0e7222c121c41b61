use std::collections::HashMap;
use std::sync::Arc;

use plugin_sdk::MerchantId;
use rustls::ServerConfig;

/// Longest name of a host, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// How connections under one certificate are made.
pub struct Shown {
    /// Of what it was made; the same is not made twice.
    pub source: String,
    pub config: Arc<ServerConfig>,
    pub merchant: Option<MerchantId>,
}

/// What is shown under which name.
#[derive(Default)]
pub struct Names {
    exact: HashMap<String, Arc<Shown>>,
    /// Without the `*.` that stands for one label.
    wild: HashMap<String, Arc<Shown>>,
}

impl Names {
    /// Keeps what was there before under a name: the better ones come first.
    pub fn add(&mut self, names: &[String], shown: &Arc<Shown>) {
        for name in names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(rest) => (&mut self.wild, rest),
                None => (&mut self.exact, name.as_str()),
            };
            map.entry(name.to_owned()).or_insert_with(|| Arc::clone(shown));
        }
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Shown>> {
        let wild = || self.wild.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wild)
    }

    #[must_use]
    pub fn made_of(&self, source: &str) -> Option<&Arc<Shown>> {
        let all = self.exact.values().chain(self.wild.values());
        all.into_iter().find(|shown| shown.source == source)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.wild.len()
    }
}

/// Whether a certificate's name covers this one; `*.` stands for one label.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    if pattern == name {
        return true;
    }
    let below = |name: &str| name.split_once('.').map(|(_, rest)| rest.to_owned());
    match (pattern.strip_prefix("*."), name.strip_prefix("*.")) {
        (Some(rest), None) => below(name).as_deref() == Some(rest),
        _ => false,
    }
}

/// A name in lower case as it stands in a handshake, with or without `*.` before it.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && (label.bytes())
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
    };
    bare.len() <= NAME_BYTES_MAX
        && bare.split('.').all(label)
        && bare.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        for (pattern, name, covered) in [
            ("pay.example.com", "pay.example.com", true),
            ("Pay.Example.com", "pay.example.com", true),
            ("*.example.com", "pay.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("pay.example.com", "example.com", false),
        ] {
            assert_eq!(matches(pattern, name), covered, "{pattern} {name}");
        }
    }

    #[test]
    fn names_of_hosts_are_told_from_addresses_and_nonsense() {
        for good in [
            "pay.example.com",
            "*.example.com",
            "localhost",
            "a-1.b_c.example",
            "xn--80a.example",
        ] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "127.0.0.1",
            "Pay.example",
            "a..b",
            "-a.example",
            "a.example.",
            "*.*.example",
            "пай.рф",
        ] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
