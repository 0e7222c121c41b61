//! Deleting much without standing in the way of those who pay.

use std::time::{Duration, Instant};

use crate::StoreError;

/// How long a rest is, in parts of what the chunk before it took. Without rests, deletes take a core for a minute where
/// a merchant brings thousands of requests a second, and every answer waits for what is left of the database. A third of
/// one connection's time still deletes more than a merchant can bring.
const RESTS: u32 = 2;

/// Deletes chunk after chunk, with a rest behind each, until one has less than the `rows` that it may have. Returns how
/// many went.
pub async fn delete_in_chunks<F>(rows: u64, chunk: impl Fn(u64) -> F) -> Result<u64, StoreError>
where
    F: Future<Output = Result<u64, StoreError>>,
{
    let mut deleted = 0_u64;
    loop {
        let began = Instant::now();
        let gone = chunk(rows).await?;
        deleted = deleted.saturating_add(gone);
        if gone < rows {
            return Ok(deleted);
        }
        rest(began.elapsed()).await;
    }
}

/// Lets the others have the database after a chunk that took so long.
pub(crate) async fn rest(taken: Duration) {
    tokio::time::sleep(taken.saturating_mul(RESTS)).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn all_chunks_go_and_each_full_one_is_rested_from() {
        let left = Cell::new(25_u64);
        let working = Duration::from_millis(20);
        let began = Instant::now();
        let delete = async |rows: u64| {
            tokio::time::sleep(working).await;
            let gone = rows.min(left.get());
            left.set(left.get() - gone);
            Ok(gone)
        };
        assert_eq!(delete_in_chunks(10, delete).await.unwrap(), 25);
        assert_eq!(left.get(), 0);
        // Three chunks, two rests: only too short a time tells something, since a busy machine makes any time longer.
        assert!(began.elapsed() >= working * 3 + working * 2 * RESTS);
    }
}
