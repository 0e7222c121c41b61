use std::time::Duration;

use similar::TextDiff;

/// Texts that have nothing in common take long to compare; beyond this the diff is right, but longer than it could be.
const TIME_MAX: Duration = Duration::from_millis(200);
/// Lines that are shown around a change.
const CONTEXT_LINES: usize = 3;

/// What changed between two named texts, as `diff -u` tells it; empty when nothing did.
#[must_use]
pub fn unified(old: (&str, &str), new: (&str, &str)) -> String {
    let diff = TextDiff::configure().timeout(TIME_MAX).diff_lines(old.1, new.1);
    diff.unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(old.0, new.0)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_reads_like_any_other() {
        let told = unified(("r1", "a\nb\n"), ("r2", "a\nc\n"));
        assert_eq!(told, "--- r1\n+++ r2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert_eq!(unified(("r1", "a\n"), ("r2", "a\n")), "");
    }
}
