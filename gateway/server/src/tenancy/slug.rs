/// Longest slug, in characters.
const LENGTH_MAX: usize = 40;

/// Whether a text can name a merchant or a connection in a URL: lower-case letters, digits and inner hyphens.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_slug;

    #[test]
    fn names_what_fits_a_url() {
        for good in ["a", "demo", "shop-24", &"a".repeat(40)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a b", "ä", "a/b", &"a".repeat(41)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
