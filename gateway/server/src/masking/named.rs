//! Messages of networks, in which the plugin knows by name what nobody may read.

use serde_json::Value;

use super::{CARD_PARAMETERS, MASK, is_card_number, text};

/// Of a body or a URL this much is kept, in bytes.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// A body without the values of these names, at any depth of JSON or among the fields of a form, and without cards.
#[must_use]
pub fn named(body: &[u8], names: &[&str]) -> String {
    let Ok(mut document) = serde_json::from_slice::<Value>(body) else {
        return kept(text(&fields(&String::from_utf8_lossy(body), names)));
    };
    hide(&mut document, names);
    kept(document.to_string())
}

/// A URL without the values of these names among its parameters, and without cards.
#[must_use]
pub fn named_url(url: &str, names: &[&str]) -> String {
    kept(match url.split_once('?') {
        Some((path, query)) => format!("{}?{}", text(path), text(&fields(query, names))),
        None => text(url),
    })
}

fn is_named(name: &str, names: &[&str]) -> bool {
    names
        .iter()
        .chain(&CARD_PARAMETERS)
        .any(|known| known.eq_ignore_ascii_case(name))
}

fn hide(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            for (name, mut member) in std::mem::take(members) {
                if is_named(&name, names) && !member.is_null() {
                    member = Value::String(MASK.to_owned());
                } else {
                    hide(&mut member, names);
                }
                members.insert(text(&name), member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, names)),
        Value::String(string) => *string = text(string),
        Value::Number(number) => {
            let plain = number.to_string();
            if is_card_number(&plain) {
                *value = Value::String(text(&plain));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn fields(form: &str, names: &[&str]) -> String {
    let fields = form.split('&').map(|field| match field.split_once('=') {
        Some((name, _)) if is_named(name, names) => format!("{name}={MASK}"),
        _ => field.to_owned(),
    });
    fields.collect::<Vec<_>>().join("&")
}

fn kept(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(KEPT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_hidden_wherever_it_stands() {
        let body =
            br#"{"paymentMethod":{"pan":"4111111111111111","cvv2":"123","holder":"A"},"list":[{"Token":"t"}],"n":1}"#;
        let hidden = named(body, &["token"]);
        let expected = r#"{"paymentMethod":{"pan":"***","cvv2":"***","holder":"A"},"list":[{"Token":"***"}],"n":1}"#;
        assert_eq!(
            serde_json::from_str::<Value>(&hidden).unwrap(),
            serde_json::from_str::<Value>(expected).unwrap()
        );
        assert_eq!(
            named(br#"{"card":4111111111111111,"5500005555555559":[1]}"#, &[]),
            r#"{"card":"411111******1111","550000******5559":[1]}"#
        );
        assert_eq!(
            named(b"a=1&password=x&note=4111111111111111", &["password"]),
            "a=1&password=***&note=411111******1111"
        );
        assert_eq!(
            named_url("https://h/p?ticket=ST-1&x=2", &["ticket"]),
            "https://h/p?ticket=***&x=2"
        );
    }

    #[test]
    fn other_bytes_are_kept_as_text() {
        assert_eq!(named(b"<html>no</html>", &[]), "<html>no</html>");
        assert_eq!(named(&[0xff, b'x'], &[]), "\u{fffd}x");
        assert_eq!(named(&vec![b'a'; 100_000], &[]).len(), KEPT_BYTES_MAX);
    }
}
