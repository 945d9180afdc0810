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
use crate::{ErrorKind, RowStream, TablePath, WarehouseError, cancel};
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
        let mut next = 0;
        while next < batch.num_rows() {
            next = pending.fill(session.place(), &batch, next)?;
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
        if self.is_there {
            let (session, sql) = (Arc::clone(self.session), format!("DROP TABLE IF EXISTS {}", self.name));
            cancel::send(async move {
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

    /// Takes the rows of a batch from one on until it is full, and gives the one that is next.
    fn fill(&mut self, place: &Place, batch: &RecordBatch, from: usize) -> Result<usize, WarehouseError> {
        let wrong = |column: &str, reason: String| {
            let message = format!("a value of column `{column}` cannot be loaded: {reason}");
            place.new_error(ErrorKind::Type, message).with_column(column)
        };
        let schema = batch.schema_ref();
        let mut columns = Vec::new();
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            columns.push((field.name(), Texts::new(column.as_ref()).map_err(|reason| wrong(field.name(), reason))?));
        }
        for row in from..batch.num_rows() {
            if self.is_full() {
                return Ok(row);
            }
            for (values, (name, column)) in self.columns.iter_mut().zip(&columns) {
                let text = column.at(row).map_err(|reason| wrong(name, reason))?;
                self.bytes += text.as_ref().map_or(4, String::len);
                values.push(text.map_or(Value::Null, Value::String));
            }
            self.rows += 1;
        }
        Ok(batch.num_rows())
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

/// The values of a column as text that Snowflake reads.
struct Texts<'a> {
    array: &'a dyn Array,
    /// Absent where the values are text or lists.
    formatter: Option<ArrayFormatter<'a>>,
}

impl<'a> Texts<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, String> {
        let formatter = match array.data_type() {
            DataType::Utf8 | DataType::Utf8View | DataType::List(_) => None,
            other if other.is_nested() => return Err(format!("{other} has no counterpart in Snowflake")),
            _ => Some(ArrayFormatter::try_new(array, &FormatOptions::new()).map_err(|error| error.to_string())?),
        };
        Ok(Self { array, formatter })
    }

    /// The text of a row; null as none.
    fn at(&self, row: usize) -> Result<Option<String>, String> {
        if self.array.is_null(row) {
            return Ok(None);
        }
        Ok(Some(match (&self.formatter, self.array.data_type()) {
            (Some(formatter), _) => {
                formatter.value(row).try_to_string().map_err(|_| "it has no text form".to_owned())?
            }
            (None, DataType::Utf8) => self.array.as_string::<i32>().value(row).to_owned(),
            (None, DataType::Utf8View) => self.array.as_string_view().value(row).to_owned(),
            (None, _) => {
                let items = self.array.as_list::<i32>().value(row);
                let texts = Texts::new(items.as_ref())?;
                let items = (0..items.len()).map(|i| texts.item(i)).collect::<Result<Vec<_>, _>>()?;
                Value::from(items).to_string()
            }
        }))
    }

    /// An item of a list.
    fn item(&self, row: usize) -> Result<Value, String> {
        let Some(text) = self.at(row)? else { return Ok(Value::Null) };
        let plain = self.array.data_type().is_numeric() || *self.array.data_type() == DataType::Boolean;
        Ok(if plain { serde_json::from_str(&text).unwrap_or(Value::String(text)) } else { Value::String(text) })
    }
}
