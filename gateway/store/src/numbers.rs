use std::sync::{Mutex, PoisonError};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};

use crate::StoreError;

/// Numbers that a node takes from the database at once. What is left of a block when the node stops is lost: numbers
/// are unique and never reused, not gapless.
const BLOCK_SIZE: i64 = 1_000;

/// Hands out the decimal numbers of payments, unique over all nodes of one database.
pub struct PaymentNumbers {
    connection: DatabaseConnection,
    block: Mutex<Block>,
    refill: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Block {
    next: i64,
    last: i64,
}

impl Block {
    fn take(&mut self) -> Option<i64> {
        (self.next < self.last).then(|| {
            self.next += 1;
            self.next
        })
    }
}

impl PaymentNumbers {
    pub(crate) fn new(connection: DatabaseConnection) -> Self {
        Self {
            connection,
            block: Mutex::default(),
            refill: tokio::sync::Mutex::default(),
        }
    }

    pub async fn next(&self) -> Result<i64, StoreError> {
        if let Some(number) = self.take() {
            return Ok(number);
        }
        let _one_at_a_time = self.refill.lock().await;
        if let Some(number) = self.take() {
            return Ok(number);
        }
        let last = self.reserve().await?;
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        *block = Block {
            next: last - BLOCK_SIZE,
            last,
        };
        block
            .take()
            .ok_or(StoreError::Corrupt("counter payment_number".to_owned()))
    }

    fn take(&self) -> Option<i64> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn reserve(&self) -> Result<i64, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.connection.get_database_backend(),
            "UPDATE counters SET value = value + $1 WHERE name = 'payment_number' RETURNING value",
            [BLOCK_SIZE.into()],
        );
        // An explicit transaction: only its commit says that the block is really ours.
        let transaction = self.connection.begin().await?;
        let row = transaction.query_one_raw(statement).await?;
        let last = row
            .ok_or(StoreError::NotFound("counter payment_number"))?
            .try_get_by_index(0)?;
        transaction.commit().await?;
        Ok(last)
    }
}
