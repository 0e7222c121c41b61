//! JSON whose numbers keep their text: `3.0` and `3.00` are not the same request (§2, D-3).

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Deeper documents are not read.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(BTreeMap<String, Node>),
}

static NULL: Node = Node::Null;

impl Node {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let raw: Box<RawValue> = serde_json::from_slice(bytes).ok()?;
        Self::of(raw.get(), DEPTH_MAX)
    }

    fn of(text: &str, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        Some(match text.trim_start().chars().next()? {
            '{' => {
                let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
                let members = members
                    .into_iter()
                    .map(|(name, raw)| Some((name, Self::of(raw.get(), depth)?)));
                Self::Object(members.collect::<Option<_>>()?)
            }
            '[' => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
                Self::List(
                    items
                        .iter()
                        .map(|raw| Self::of(raw.get(), depth))
                        .collect::<Option<_>>()?,
                )
            }
            '"' => Self::Text(serde_json::from_str(text).ok()?),
            't' => Self::Bool(true),
            'f' => Self::Bool(false),
            'n' => Self::Null,
            _ => Self::Number(text.trim().to_owned()),
        })
    }

    /// The member of this name, or null.
    pub fn at(&self, name: &str) -> &Self {
        match self {
            Self::Object(members) => members.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub fn members(&self) -> impl Iterator<Item = (&String, &Self)> {
        let members = match self {
            Self::Object(members) => Some(members.iter()),
            _ => None,
        };
        members.into_iter().flatten()
    }

    /// To be echoed.
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(is) => Value::Bool(*is),
            Self::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Object(members) => {
                let members = members.iter().map(|(name, node)| (name.clone(), node.value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}
