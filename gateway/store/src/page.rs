use crate::StoreError;

/// Rows of one page at most.
pub const PAGE_SIZE_MAX: u64 = 200;

/// Where a page starts: after this id, newest first.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    pub after: Option<String>,
    pub limit: u64,
}

impl Cursor {
    #[must_use]
    pub fn new(after: Option<String>, limit: Option<u64>) -> Self {
        Self {
            after,
            limit: limit.unwrap_or(50).clamp(1, PAGE_SIZE_MAX),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// From rows that were asked for with one more than the page holds.
    pub(crate) fn of<R>(
        mut rows: Vec<R>,
        limit: u64,
        id: impl Fn(&R) -> String,
        read: impl Fn(R) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(id) } else { None };
        Ok(Self {
            items: rows.into_iter().map(read).collect::<Result<_, _>>()?,
            next,
        })
    }
}
