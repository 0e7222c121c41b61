//! From bytes to named texts (`protocols/terminal.md` §2.1).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use encoding_rs::WINDOWS_1251;
use percent_encoding::percent_decode;
use plugin_sdk::RawRequest;

use crate::profile::is_data_name;

/// Parameters in one place (query or body). The published set has about a dozen.
pub const PARAMETERS_MAX: usize = 100;
/// Characters of a name.
pub const NAME_MAX: usize = 64;
/// Characters of a value.
pub const VALUE_MAX: usize = 1_000;
/// Bytes of all names and values that are kept as extras.
pub const EXTRAS_MAX: usize = 16 * 1024;

/// Bytes that one character takes at most: four in UTF-8, three for each when percent-encoded.
const BYTES_PER_CHARACTER: usize = 12;

const FORM: &str = "application/x-www-form-urlencoded";

/// Stands in for what could not be read, and for NUL, which no database column holds.
const UNREADABLE: &str = "\u{FFFD}";

/// What a request's query and form body say.
#[derive(Debug, Default)]
pub struct Parameters {
    values: BTreeMap<String, Value>,
    /// Something is wrong that no parameter of the protocol is to blame for: a name twice, too many or too long
    /// parameters, or unreadable text where no rule of its own applies.
    malformed: bool,
}

#[derive(Debug)]
struct Value {
    text: String,
    /// Text in the expected encoding and without NUL.
    readable: bool,
    /// Not contradicted by a second value of the same name in the same place.
    certain: bool,
}

impl Parameters {
    pub fn collect(raw: &RawRequest<'_>, windows_1251: bool) -> Self {
        let mut all = Self::of_place(raw.query.as_bytes(), windows_1251);
        if raw.method == "POST" && is_form(raw.content_type) {
            let body = Self::of_place(raw.body, windows_1251);
            all.malformed |= body.malformed;
            // §2.1.1: the body wins.
            all.values.extend(body.values);
        }
        all.malformed |= all
            .values
            .iter()
            .any(|(name, value)| !value.readable && !has_own_rule(name));
        all
    }

    /// Reads one place. An empty value is an absent one (§2.1.6), so it never overrides the other place's.
    fn of_place(encoded: &[u8], windows_1251: bool) -> Self {
        let mut place = Self::default();
        let pairs = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (count, pair) in pairs.enumerate() {
            if count == PARAMETERS_MAX {
                place.malformed = true;
                break;
            }
            place.add(pair, windows_1251);
        }
        place.values.retain(|_, value| !value.text.is_empty());
        place
    }

    fn add(&mut self, pair: &[u8], windows_1251: bool) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let (name, name_is_whole) = decode(name, NAME_MAX, false);
        if !name_is_whole.all() {
            self.malformed = true;
            return;
        }
        let (text, soundness) = decode(value, VALUE_MAX, windows_1251 && has_own_rule(&name));
        self.malformed |= !soundness.short;
        match self.values.entry(name) {
            Entry::Vacant(free) => {
                free.insert(Value {
                    text,
                    readable: soundness.readable,
                    certain: true,
                });
            }
            Entry::Occupied(mut taken) => {
                // §2.1.1: the same name twice in one place. Of two different values neither can be believed.
                self.malformed = true;
                let first = taken.get_mut();
                first.certain &= first.text == text;
            }
        }
    }

    /// The value as received, even if a second one contradicts it: good for an echo, not for a decision.
    pub fn received(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.as_str())
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        self.values
            .remove(name)
            .filter(|value| value.certain)
            .map(|value| value.text)
    }

    pub fn is_readable(&self, name: &str) -> bool {
        self.values.get(name).is_none_or(|value| value.readable)
    }

    pub fn data_is_readable(&self) -> bool {
        self.values
            .iter()
            .all(|(name, value)| value.readable || !is_data_name(name))
    }

    /// Everything that was not taken, within bounds, and whether the whole was malformed.
    pub fn into_extras(self) -> (BTreeMap<String, String>, bool) {
        let (mut extras, mut malformed, mut bytes) = (BTreeMap::new(), self.malformed, 0_usize);
        for (name, value) in self.values {
            bytes = bytes.saturating_add(name.len()).saturating_add(value.text.len());
            if bytes > EXTRAS_MAX {
                malformed = true;
                break;
            }
            if value.certain {
                extras.insert(name, value.text);
            }
        }
        (extras, malformed)
    }
}

/// Unreadable text has an answer of its own here (§2.1.2): code 4 for the account, 31 for additional parameters.
fn has_own_rule(name: &str) -> bool {
    name == "account" || is_data_name(name)
}

/// A POST without a content type is read as a form too: QIWI's header set is not published.
fn is_form(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.is_empty() || essence.eq_ignore_ascii_case(FORM)
    })
}

struct Soundness {
    readable: bool,
    short: bool,
}

impl Soundness {
    fn all(&self) -> bool {
        self.readable && self.short
    }
}

/// Percent-decodes, `+` being a space (§2.1.2), and cuts what is beyond `max` characters.
fn decode(encoded: &[u8], max: usize, windows_1251: bool) -> (String, Soundness) {
    let bounded = encoded.get(..max * BYTES_PER_CHARACTER).unwrap_or(encoded);
    let spaced: Vec<u8> = bounded
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let bytes: Cow<'_, [u8]> = percent_decode(&spaced).into();
    let (text, is_text) = match std::str::from_utf8(&bytes) {
        Ok(text) => (text.to_owned(), true),
        Err(_) if windows_1251 => (WINDOWS_1251.decode_without_bom_handling(&bytes).0.into_owned(), true),
        Err(_) => (String::from_utf8_lossy(&bytes).into_owned(), false),
    };
    let short = bounded.len() == encoded.len() && text.chars().count() <= max;
    let readable = is_text && !text.contains('\0');
    let text: String = text.chars().take(max).collect();
    (text.replace('\0', UNREADABLE), Soundness { readable, short })
}
