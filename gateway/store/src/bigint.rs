//! Counts as the databases take them: both know signed numbers of 64 bits only.

/// A length, limit or count; what is beyond a `BIGINT` is the greatest one.
pub fn bigint(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
