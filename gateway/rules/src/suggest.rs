//! "Did you mean": the known name nearest to a misspelt one.

/// Longest name that is compared; a longer one is no misspelling of ours.
const NAME_BYTES: usize = 40;

/// Edits by which a misspelling may differ.
const EDITS_MAX: usize = 3;

pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > NAME_BYTES {
        return None;
    }
    let allowed = EDITS_MAX.min(wrong.chars().count().div_ceil(2));
    known
        .into_iter()
        .map(|name| (distance(&wrong.to_lowercase(), name), name))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// ` (did you mean 'account'?)`, or nothing.
pub(crate) fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map_or_else(String::new, |name| format!(" (did you mean '{name}'?)"))
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (other, pair) in right.iter().zip(previous.windows(2)) {
            if let ([diagonal, above], Some(&before)) = (pair, current.last()) {
                let replaced = diagonal + usize::from(*other != letter);
                current.push(replaced.min(above + 1).min(before + 1));
            }
        }
        previous = current;
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_nearest() {
        let known = ["account", "amount", "at"];
        assert_eq!(nearest("acount", known), Some("account"));
        assert_eq!(nearest("Amount", known), Some("amount"));
        assert_eq!(nearest("amont", known), Some("amount"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"a".repeat(5000), known), None);
    }
}
