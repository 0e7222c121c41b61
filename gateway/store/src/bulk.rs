//! Many rows of one table in one statement with one parameter: the statement's text never changes with the number of
//! rows, so it is prepared once, and a batch costs one round trip.

use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, Iden, Iterable, Statement, Value};
use serde::Serialize;

use crate::StoreError;

/// What to do with a row whose key exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    Fail,
    Skip,
    /// `(columns) DO UPDATE SET …`
    Update(&'static str),
}

/// Inserts `rows` and returns the ids of those that were inserted, if the caller names the id's column.
pub async fn insert<E, R>(
    connection: &impl ConnectionTrait,
    rows: &[R],
    on_conflict: OnConflict,
    returning: Option<E::Column>,
) -> Result<Vec<String>, StoreError>
where
    E: EntityTrait,
    R: Serialize,
{
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let backend = connection.get_database_backend();
    let sql = insert_sql::<E>(backend, on_conflict, returning);
    let statement = Statement::from_sql_and_values(backend, sql, [json_parameter(rows)?]);
    match returning {
        None => {
            connection.execute_raw(statement).await?;
            Ok(Vec::new())
        }
        Some(_) => {
            let inserted = connection.query_all_raw(statement).await?;
            inserted
                .iter()
                .map(|row| row.try_get_by_index(0).map_err(StoreError::from))
                .collect()
        }
    }
}

/// A list of rows as one bound value. PostgreSQL's texts cannot hold NUL, so it is dropped here for all databases.
pub fn json_parameter<R: Serialize>(rows: &[R]) -> Result<Value, StoreError> {
    let text = serde_json::to_string(rows).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(storable_json(text).into())
}

pub fn storable_json(json: String) -> String {
    if json.contains(NUL) { without_nul(&json) } else { json }
}

/// NUL as JSON spells it.
const NUL: &str = "\\u0000";

/// Drops each escaped NUL, but not the same characters after an escaped backslash.
fn without_nul(json: &str) -> String {
    let mut kept = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        kept.push_str(before);
        let length = if escape.starts_with(NUL) { NUL.len() } else { 2 };
        let (escape, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        if escape != NUL {
            kept.push_str(escape);
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

fn insert_sql<E: EntityTrait>(
    backend: DatabaseBackend,
    on_conflict: OnConflict,
    returning: Option<E::Column>,
) -> String {
    let table = E::default().table_name().to_owned();
    let columns = given_columns::<E>();
    let names = columns.join(", ");
    let source = match backend {
        DatabaseBackend::Postgres => postgres_rows::<E>(),
        _ => {
            let values: Vec<String> = columns
                .iter()
                .map(|column| format!("json_extract(value, '$.{column}')"))
                .collect();
            // `WHERE true` keeps SQLite from reading ON as the start of a join.
            format!("SELECT {} FROM json_each($1) WHERE true", values.join(", "))
        }
    };
    let conflict = match on_conflict {
        OnConflict::Fail => String::new(),
        OnConflict::Skip => " ON CONFLICT DO NOTHING".to_owned(),
        OnConflict::Update(update) => format!(" ON CONFLICT {update}"),
    };
    let returning = returning
        .map(|column| format!(" RETURNING {}", column.to_string()))
        .unwrap_or_default();
    format!("INSERT INTO {table} ({names}) {source}{conflict}{returning}")
}

fn postgres_rows<E: EntityTrait>() -> String {
    let table = E::default().table_name().to_owned();
    let names: Vec<String> = given_columns::<E>()
        .iter()
        .map(|column| format!("new.{column}"))
        .collect();
    let names = names.join(", ");
    format!("SELECT {names} FROM json_populate_recordset(NULL::{table}, CAST($1 AS json)) AS new")
}

fn given_columns<E: EntityTrait>() -> Vec<String> {
    let counted = counted_columns::<E>();
    E::Column::iter()
        .map(|column| column.to_string())
        .filter(|column| !counted.contains(column))
        .collect()
}

/// Columns that the database fills itself.
pub fn counted_columns<E: EntityTrait>() -> Vec<String> {
    use sea_orm::PrimaryKeyTrait;
    if <E::PrimaryKey as PrimaryKeyTrait>::auto_increment() {
        E::PrimaryKey::iter().map(|key| key.to_string()).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_dropped_and_nothing_else() {
        let texts = ["a\0b", "\\u0000", "\0", "plain", "\\\0", "\"\0\""];
        let json = serde_json::to_string(&texts).unwrap();
        let kept: Vec<String> = serde_json::from_str(&without_nul(&json)).unwrap();
        let expected: Vec<String> = texts.iter().map(|text| text.replace('\0', "")).collect();
        assert_eq!(kept, expected);
    }
}
