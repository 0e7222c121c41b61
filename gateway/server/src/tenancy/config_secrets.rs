//! Secrets in a connection's config. Its plugin's schema marks them `writeOnly`; they are stored sealed, shown as a mask,
//! and in clear only where the plugin reads the config.

use plugin_sdk::MerchantId;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::access::sealing::{Sealer, SealingError, key_id_of};

/// What stands for a secret that is there. Sent back unchanged, it keeps the secret.
pub const MASK: &str = "********";
/// Name of the one member of an object that stands for a secret in a stored config.
const SEALED: &str = "$sealed";
/// How deep a schema is followed; none of ours refers to itself.
const DEPTH_MAX: usize = 16;

/// Where a config's secrets belong: a sealed text that is copied to another connection does not open.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    pub merchant: MerchantId,
    pub connection: &'a str,
}

impl Owner<'_> {
    fn place(&self, pointer: &str) -> String {
        format!("connection_config/{}/{}{pointer}", self.merchant, self.connection)
    }
}

/// The config as it is stored. A mask stands for the secret of `stored`.
pub fn seal(
    sealer: &Sealer,
    owner: Owner<'_>,
    schema: &Value,
    config: Value,
    stored: Option<&Value>,
) -> Result<Value, SealingError> {
    let mut config = config;
    for pointer in secrets_of(schema, &config) {
        let Some(place) = config.pointer_mut(&pointer) else {
            continue;
        };
        match place.as_str() {
            Some(MASK) => {
                let kept = stored.and_then(|stored| stored.pointer(&pointer));
                *place = kept.cloned().unwrap_or(Value::Null);
            }
            Some(text) => {
                let sealed = sealer.seal(&owner.place(&pointer), &SecretString::from(text))?;
                *place = json!({ SEALED: sealed });
            }
            None => {}
        }
    }
    Ok(config)
}

/// The config as its plugin reads it.
pub fn open(sealer: &Sealer, owner: Owner<'_>, stored: &Value) -> Result<Value, SealingError> {
    let mut config = stored.clone();
    open_below(sealer, owner, String::new(), &mut config, DEPTH_MAX)?;
    Ok(config)
}

fn open_below(
    sealer: &Sealer,
    owner: Owner<'_>,
    pointer: String,
    value: &mut Value,
    depth: usize,
) -> Result<(), SealingError> {
    if let Some(sealed) = sealed_text(value) {
        let secret = sealer.open(&owner.place(&pointer), sealed)?;
        *value = Value::String(secret.expose_secret().to_owned());
        return Ok(());
    }
    let (Value::Object(members), Some(depth)) = (value, depth.checked_sub(1)) else {
        return Ok(());
    };
    for (name, member) in members {
        open_below(sealer, owner, format!("{pointer}/{}", escaped(name)), member, depth)?;
    }
    Ok(())
}

/// The config with every secret sealed under the present key; `None` when all are already.
pub fn resealed(sealer: &Sealer, owner: Owner<'_>, stored: &Value) -> Result<Option<Value>, SealingError> {
    let mut config = stored.clone();
    let changed = reseal_below(sealer, owner, String::new(), &mut config, DEPTH_MAX)?;
    Ok(changed.then_some(config))
}

fn reseal_below(
    sealer: &Sealer,
    owner: Owner<'_>,
    pointer: String,
    value: &mut Value,
    depth: usize,
) -> Result<bool, SealingError> {
    if let Some(sealed) = sealed_text(value) {
        if sealed.starts_with(&sealer.prefix()) {
            return Ok(false);
        }
        let place = owner.place(&pointer);
        let secret = sealer.open(&place, sealed)?;
        *value = json!({ SEALED: sealer.seal(&place, &secret)? });
        return Ok(true);
    }
    let (Value::Object(members), Some(depth)) = (value, depth.checked_sub(1)) else {
        return Ok(false);
    };
    let mut changed = false;
    for (name, member) in members {
        changed |= reseal_below(sealer, owner, format!("{pointer}/{}", escaped(name)), member, depth)?;
    }
    Ok(changed)
}

/// The ids of the keys that a config's secrets are sealed under, one for each secret.
#[must_use]
pub fn keys_of(stored: &Value) -> Vec<String> {
    if let Some(sealed) = sealed_text(stored) {
        return vec![key_id_of(sealed).unwrap_or("unreadable").to_owned()];
    }
    let members = stored.as_object().into_iter().flat_map(Map::values);
    members.flat_map(keys_of).collect()
}

/// The config as people see it.
#[must_use]
pub fn masked(stored: &Value) -> Value {
    if sealed_text(stored).is_some() {
        return Value::String(MASK.to_owned());
    }
    match stored {
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), masked(member)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// The config without any of its secrets, for another connection to begin with.
#[must_use]
pub fn without_secrets(stored: &Value) -> Value {
    match stored {
        Value::Object(members) => {
            let open = members.iter().filter(|(_, member)| sealed_text(member).is_none());
            Value::Object(
                open.map(|(name, member)| (name.clone(), without_secrets(member)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn sealed_text(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get(SEALED)?.as_str()
}

/// Pointers to the secrets that this config holds.
fn secrets_of(schema: &Value, config: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(schema, schema, config, String::new(), DEPTH_MAX, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(root: &Value, schema: &Value, value: &Value, pointer: String, depth: usize, found: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if schema.get("writeOnly").and_then(Value::as_bool) == Some(true) {
        if value.is_string() {
            found.push(pointer);
        }
        return;
    }
    if let Some(referred) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = referred.strip_prefix('#').and_then(|place| root.pointer(place))
    {
        collect(root, target, value, pointer.clone(), depth, found);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for branch in schema.get(choice).and_then(Value::as_array).into_iter().flatten() {
            collect(root, branch, value, pointer.clone(), depth, found);
        }
    }
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (name, property) in properties {
        if let Some(member) = value.get(name) {
            collect(
                root,
                property,
                member,
                format!("{pointer}/{}", escaped(name)),
                depth,
                found,
            );
        }
    }
}

/// A name in a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::sealing::generate_master_key;

    fn schema() -> Value {
        json!({
            "properties": {
                "site": { "type": "string" },
                "key": { "anyOf": [{ "type": "string", "writeOnly": true }, { "type": "null" }] },
                "login": { "$ref": "#/$defs/Login" },
            },
            "$defs": { "Login": { "oneOf": [
                { "properties": { "kind": { "const": "token" }, "token": { "writeOnly": true } } },
                { "properties": { "kind": { "const": "password" }, "pass/word": { "writeOnly": true } } },
            ] } },
        })
    }

    #[test]
    fn secrets_are_sealed_masked_and_opened() {
        let sealer = Sealer::from_hex(&generate_master_key().unwrap()).unwrap();
        let owner = Owner {
            merchant: MerchantId::generate(),
            connection: "payin",
        };
        let config =
            json!({ "site": "s", "key": "K3Y", "login": { "kind": "password", "pass/word": "PW", "token": "T" } });
        let stored = seal(&sealer, owner, &schema(), config.clone(), None).unwrap();
        let text = stored.to_string();
        assert!(
            !text.contains("K3Y") && !text.contains("PW") && !text.contains("\"T\""),
            "{text}"
        );
        assert_eq!(open(&sealer, owner, &stored).unwrap(), config);
        let kept = without_secrets(&stored);
        assert_eq!(kept, json!({ "site": "s", "login": { "kind": "password" } }));
        let shown = masked(&stored);
        assert_eq!(shown["key"], MASK);
        assert_eq!(shown["site"], "s");

        // What is shown can be sent back, and one secret changed beside it.
        let mut sent = shown;
        sent["login"]["token"] = json!("NEW");
        let changed = seal(&sealer, owner, &schema(), sent, Some(&stored)).unwrap();
        let opened = open(&sealer, owner, &changed).unwrap();
        assert_eq!(
            (&opened["key"], &opened["login"]["token"]),
            (&json!("K3Y"), &json!("NEW"))
        );

        let other = Owner {
            connection: "other",
            ..owner
        };
        assert!(matches!(open(&sealer, other, &stored), Err(SealingError::Damaged)));
    }

    #[test]
    fn a_mask_without_a_secret_is_nothing() {
        let sealer = Sealer::from_hex(&generate_master_key().unwrap()).unwrap();
        let owner = Owner {
            merchant: MerchantId::generate(),
            connection: "payin",
        };
        let sealed = seal(&sealer, owner, &schema(), json!({ "key": MASK }), None).unwrap();
        assert_eq!(sealed, json!({ "key": null }));
    }
}
