use sea_orm::{DbErr, RuntimeErr, SqlErr};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much waits to be written or read already; nothing was started.
    #[error("the database cannot keep up; nothing was stored")]
    Busy,
    /// Whether the change was made is not known: ask before you repeat it.
    #[error("the database did not answer in time")]
    TimedOut,
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row with this name or key is there already.
    #[error("{0} exists already")]
    Exists(&'static str),
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// A row holds what this program could not have written.
    #[error("the database holds a row that cannot be read: {0}")]
    Corrupt(String),
    #[error("the database refused the statement: {0}")]
    Refused(String),
}

impl StoreError {
    /// A unique index was hit: says in the caller's words what exists.
    pub(crate) fn or_exists(error: DbErr, what: &'static str) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Exists(what),
            _ => error.into(),
        }
    }

    /// Whether the same question may be answered in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::TimedOut | Self::Unavailable(_))
    }

    /// Whether the same rows could be refused again however often they are sent.
    pub(crate) fn is_about_the_rows(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Corrupt(_))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let text = error.to_string();
        if code_of(&error).is_some_and(|code| blames_the_rows(&code)) {
            Self::Refused(text)
        } else {
            Self::Unavailable(text)
        }
    }
}

/// SQLSTATE on PostgreSQL, the extended result code on SQLite; `None` when the database itself did not answer.
fn code_of(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error else {
        return None;
    };
    inner.as_database_error()?.code().map(|code| code.into_owned())
}

/// Everything else passes by itself: a full disk, a lock, a shutdown, a statement that took too long.
fn blames_the_rows(code: &str) -> bool {
    // Only SQLSTATE has five characters. Its classes: cardinality, data, integrity, syntax or access, limits, feature.
    if code.len() == 5 {
        return ["21", "22", "23", "42", "54", "0A"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // SQLite's primary codes: ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE.
    code.parse::<u32>()
        .is_ok_and(|code| [1, 18, 19, 20, 25].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_blamed_for_what_they_did() {
        for code in ["23505", "22021", "54000", "42703", "2067", "1555", "19"] {
            assert!(blames_the_rows(code), "{code}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_not_the_rows_fault() {
        for code in [
            "57014", "57P01", "53100", "40001", "40P01", "25006", "5", "517", "13", "10", "8",
        ] {
            assert!(!blames_the_rows(code), "{code}");
        }
    }
}
