//! For PostgreSQL: many rows as one bound array for each column. The statement's text never changes with the number of
//! rows, so it is prepared once, and the server neither plans nor parses text for each row.

use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::{Arguments, Encode, Postgres, Type};
use sea_orm::{ColumnTrait, ColumnType, EntityTrait, Iden, Iterable, ModelTrait, Value};

use crate::StoreError;
use crate::bulk;
use crate::link::Lane;

/// Inserts into several tables as one statement, which is its own transaction. Tables without rows take no part in it.
#[derive(Default)]
pub(crate) struct Inserts {
    parts: Vec<String>,
    parameters: usize,
    arguments: PgArguments,
}

impl Inserts {
    /// `rest` follows the source, where a row is called `new`: a condition, what to do on conflict.
    pub(crate) fn add<E>(&mut self, rows: &[E::Model], rest: &str) -> Result<(), StoreError>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        let name = format!("p{}", self.parts.len());
        self.add_as::<E>(&name, rows, rest)
    }

    /// The same; other parts know what it returns by this name.
    pub(crate) fn add_as<E>(&mut self, name: &str, rows: &[E::Model], rest: &str) -> Result<(), StoreError>
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let mut next = self.parameters + 1;
        let insert = insert_part::<E>(&mut next, rest);
        self.parts.push(format!("{name} AS ({insert})"));
        self.parameters = next - 1;
        bind::<E>(&mut self.arguments, rows)
    }

    /// Gives what `select` finds among that which the parts returned.
    pub(crate) async fn run(self, lane: &mut Lane, select: &str) -> Result<Vec<PgRow>, StoreError> {
        if self.parts.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("WITH {} {select}", self.parts.join(", "));
        lane.fetch(sql, self.arguments).await
    }
}

/// How a column is sent, and what it becomes.
#[derive(Clone, Copy)]
struct Kind {
    array: &'static str,
    cast: Option<&'static str>,
}

/// Writes an insert of rows whose columns are the parameters from `*parameter` on, to be a part of a greater statement,
/// and counts them up. `rest` follows the source, where a row is called `new`: a condition, what to do on conflict.
fn insert_part<E: EntityTrait>(parameter: &mut usize, rest: &str) -> String {
    let table = E::default().table_name().to_owned();
    let (mut names, mut values, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    for column in given_columns::<E>() {
        let (name, kind) = (column.to_string(), kind_of(&column));
        arrays.push(format!("CAST(${parameter} AS {}[])", kind.array));
        values.push(match kind.cast {
            Some(cast) => format!("CAST(new.{name} AS {cast})"),
            None => format!("new.{name}"),
        });
        names.push(name);
        *parameter += 1;
    }
    let (names, values, arrays) = (names.join(", "), values.join(", "), arrays.join(", "));
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM unnest({arrays}) AS new({names}) {rest}")
}

/// Binds what [`insert_part`] asks for.
fn bind<E>(arguments: &mut PgArguments, rows: &[E::Model]) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    for column in given_columns::<E>() {
        let values = rows.iter().map(|row| row.get(column));
        match kind_of(&column).array {
            "bool" => bind_array(arguments, values, |value| match value {
                Value::Bool(value) => Some(value),
                _ => None,
            }),
            "int4" => bind_array(arguments, values, |value| match value {
                Value::Int(value) => Some(value),
                _ => None,
            }),
            "int8" => bind_array(arguments, values, |value| match value {
                Value::BigInt(value) => Some(value),
                _ => None,
            }),
            "timestamptz" => bind_array(arguments, values, |value| match value {
                Value::ChronoDateTimeUtc(value) => Some(value),
                _ => None,
            }),
            _ => bind_array(arguments, values, |value| match value {
                Value::String(value) => Some(value.map(storable)),
                Value::Json(value) => Some(value.map(|json| bulk::storable_json(json.to_string()))),
                _ => None,
            }),
        }?;
    }
    Ok(())
}

/// Binds the values of one column. `read` gives `None` for a value of another type than the column's.
fn bind_array<T>(
    arguments: &mut PgArguments,
    values: impl Iterator<Item = Value>,
    read: impl Fn(Value) -> Option<Option<T>>,
) -> Result<(), StoreError>
where
    Vec<Option<T>>: for<'q> Encode<'q, Postgres> + Type<Postgres>,
{
    let values: Option<Vec<Option<T>>> = values.map(read).collect();
    let values = values.ok_or_else(|| StoreError::Corrupt("a value of another type than its column".to_owned()))?;
    add(arguments, values)
}

/// Binds one array.
pub(crate) fn add<T>(arguments: &mut PgArguments, values: T) -> Result<(), StoreError>
where
    T: for<'q> Encode<'q, Postgres> + Type<Postgres>,
{
    arguments
        .add(values)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// PostgreSQL's texts cannot hold NUL; [`bulk`] drops it for SQLite too.
pub(crate) fn storable(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}

fn kind_of<C: ColumnTrait>(column: &C) -> Kind {
    let (array, cast) = match column.def().get_column_type() {
        ColumnType::Boolean => ("bool", None),
        ColumnType::Integer => ("int4", None),
        ColumnType::BigInteger => ("int8", None),
        ColumnType::TimestampWithTimeZone => ("timestamptz", None),
        ColumnType::Json | ColumnType::JsonBinary => ("text", Some("jsonb")),
        _ => ("text", None),
    };
    Kind { array, cast }
}

/// All but those that the database fills itself.
fn given_columns<E: EntityTrait>() -> Vec<E::Column> {
    let counted = bulk::counted_columns::<E>();
    E::Column::iter()
        .filter(|column| !counted.contains(&column.to_string()))
        .collect()
}
