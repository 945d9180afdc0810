//! Bulk loads: batches go as arrays of bound text into a table of their own, of text too, and from there into the table
//! by one statement, so that all rows arrive or none. It must not know where the rows come from.
//!
//! The SQL API has no PUT; bound arrays are its way for many rows.
//! <https://docs.snowflake.com/en/developer-guide/sql-api/submitting-requests#using-bind-variables-in-a-statement>

use super::{
    errors::Place,
    quoted,
    session::{ColumnType, Session},
};
use crate::{ErrorKind, RowStream, TablePath, WarehouseError};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Schema},
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request is sent when it holds this much.
const REQUEST_VALUES: usize = 60_000;
const REQUEST_BYTES: usize = 4 << 20;

/// Appends the rows to a table, all or none, and gives their number.
pub(crate) async fn load(
    session: &Arc<Session>,
    table: TablePath<'_>,
    schema: &Schema,
    mut rows: RowStream,
) -> Result<u64, WarehouseError> {
    let names: Vec<String> = schema.fields().iter().map(|field| quoted(&[field.name().clone()])).collect();
    let columns = names.join(", ");
    // Says what is missing before anything is sent, and which types the columns have.
    let target = format!("SELECT {columns} FROM {} LIMIT 0", quoted(table));
    let types = session.run(&target, None).await?.result_set_meta_data.row_type;
    let stage = Stage::create(session, table, &names).await?;
    let mut pending = Pending::new(names.len());
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            pending.push(session.place(), &batch, row)?;
            if pending.is_full() {
                stage.insert(session, &mut pending).await?;
            }
        }
    }
    stage.insert(session, &mut pending).await?;
    let values: Vec<String> = names.iter().zip(&types).map(|(name, ty)| value(name, ty)).collect();
    let sql = format!("INSERT INTO {} ({columns})\nSELECT {} FROM {}", quoted(table), values.join(", "), stage.name);
    let loaded = session.run(&sql, None).await?.stats.rows();
    stage.remove().await?;
    Ok(loaded)
}

/// A staged text as a value of the column's type.
fn value(name: &str, ty: &ColumnType) -> String {
    match ty.kind.to_lowercase().as_str() {
        "fixed" => {
            format!("CAST({name} AS NUMBER({}, {}))", ty.precision.unwrap_or(38), ty.scale.unwrap_or(0))
        }
        "real" => format!("CAST({name} AS DOUBLE)"),
        "boolean" => format!("CAST({name} AS BOOLEAN)"),
        "date" => format!("CAST({name} AS DATE)"),
        "timestamp_ntz" => format!("CAST({name} AS TIMESTAMP_NTZ)"),
        "timestamp_ltz" | "timestamp_tz" => format!("CAST({name} AS TIMESTAMP_TZ)"),
        "binary" => format!("TO_BINARY({name}, 'HEX')"),
        "variant" | "object" | "array" => format!("PARSE_JSON({name})"),
        _ => name.to_owned(),
    }
}

/// A table of text, beside the one that is loaded. It is not TEMPORARY: each request has a session of its own.
struct Stage<'s> {
    session: &'s Arc<Session>,
    name: String,
    columns: usize,
    is_there: bool,
}

impl<'s> Stage<'s> {
    async fn create(session: &'s Arc<Session>, table: TablePath<'_>, names: &[String]) -> Result<Self, WarehouseError> {
        let mut path = table.to_vec();
        path.pop();
        path.push(format!("springline_load_{}", uuid::Uuid::now_v7().simple()));
        let stage = Stage { session, name: quoted(&path), columns: names.len(), is_there: true };
        let columns: Vec<String> = names.iter().map(|name| format!("{name} VARCHAR")).collect();
        session.run(&format!("CREATE TRANSIENT TABLE {} ({})", stage.name, columns.join(", ")), None).await?;
        Ok(stage)
    }

    async fn insert(&self, session: &Arc<Session>, pending: &mut Pending) -> Result<(), WarehouseError> {
        if pending.rows == 0 {
            return Ok(());
        }
        let marks = vec!["?"; self.columns].join(", ");
        let bindings = pending.take();
        session.run(&format!("INSERT INTO {} VALUES ({marks})", self.name), Some(bindings)).await?;
        Ok(())
    }

    async fn remove(mut self) -> Result<(), WarehouseError> {
        self.is_there = false;
        self.session.run(&format!("DROP TABLE IF EXISTS {}", self.name), None).await?;
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_there {
            let (session, sql) = (Arc::clone(self.session), format!("DROP TABLE IF EXISTS {}", self.name));
            runtime.spawn(async move {
                if let Err(error) = session.run(&sql, None).await {
                    tracing::warn!("a table that was only for loading is left: {error}");
                }
            });
        }
    }
}

/// The rows of the next request, column by column.
struct Pending {
    columns: Vec<Vec<Value>>,
    rows: usize,
    bytes: usize,
}

impl Pending {
    fn new(columns: usize) -> Self {
        Self { columns: vec![Vec::new(); columns], rows: 0, bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.rows * self.columns.len().max(1) >= REQUEST_VALUES || self.bytes >= REQUEST_BYTES
    }

    fn push(&mut self, place: &Place, batch: &RecordBatch, row: usize) -> Result<(), WarehouseError> {
        for ((values, column), field) in self.columns.iter_mut().zip(batch.columns()).zip(batch.schema_ref().fields()) {
            let text = text(column.as_ref(), row).map_err(|reason| {
                let message = format!("a value of column `{}` cannot be loaded: {reason}", field.name());
                place.new_error(ErrorKind::Type, message).with_column(field.name())
            })?;
            self.bytes += text.as_ref().map_or(4, String::len);
            values.push(text.map_or(Value::Null, Value::String));
        }
        self.rows += 1;
        Ok(())
    }

    fn take(&mut self) -> Value {
        let columns = std::mem::take(&mut self.columns);
        let empty = columns.len();
        let bindings: serde_json::Map<String, Value> = columns
            .into_iter()
            .enumerate()
            .map(|(i, values)| ((i + 1).to_string(), json!({ "type": "TEXT", "value": values })))
            .collect();
        *self = Self::new(empty);
        bindings.into()
    }
}

/// A value as text that Snowflake reads; null as none.
fn text(array: &dyn Array, row: usize) -> Result<Option<String>, String> {
    if array.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|i| item(items.as_ref(), i)).collect::<Result<Vec<_>, _>>()?;
            Value::from(items).to_string()
        }
        other if other.is_nested() => return Err(format!("{other} has no counterpart in Snowflake")),
        _ => shown(array, row)?,
    }))
}

fn item(array: &dyn Array, row: usize) -> Result<Value, String> {
    let Some(text) = text(array, row)? else { return Ok(Value::Null) };
    let plain = array.data_type().is_numeric() || *array.data_type() == DataType::Boolean;
    Ok(if plain { serde_json::from_str(&text).unwrap_or(Value::String(text)) } else { Value::String(text) })
}

fn shown(array: &dyn Array, row: usize) -> Result<String, String> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::new()).map_err(|error| error.to_string())?;
    formatter.value(row).try_to_string().map_err(|_| "it has no text form".to_owned())
}
