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
use crate::{
    ErrorKind, RowStream, TablePath, WarehouseError,
    engines::{
        staging::{self, Staging},
        texts::Texts,
    },
};
use arrow::{array::RecordBatch, datatypes::Schema};
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
    let (name, staging) = create_staging(session, table, &names).await?;
    let append = format!("INSERT INTO {name} VALUES ({})", vec!["?"; names.len()].join(", "));
    let mut pending = Pending::new(names.len());
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let mut next = 0;
        while next < batch.num_rows() {
            next = pending.fill(session.place(), &batch, next)?;
            if pending.is_full() {
                session.run(&append, Some(pending.take())).await?;
            }
        }
    }
    if pending.rows > 0 {
        session.run(&append, Some(pending.take())).await?;
    }
    let values: Vec<String> = names.iter().zip(&types).map(|(name, ty)| value(name, ty)).collect();
    let sql = format!("INSERT INTO {} ({columns})\nSELECT {} FROM {}", quoted(table), values.join(", "), name);
    let loaded = session.run(&sql, None).await?.stats.rows();
    staging.remove().await;
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

/// A table of text, beside the one that is loaded, and its name. It is not TEMPORARY: each request has a session of its
/// own.
async fn create_staging(
    session: &Arc<Session>,
    table: TablePath<'_>,
    names: &[String],
) -> Result<(String, Staging), WarehouseError> {
    let mut path = table.to_vec();
    path.pop();
    path.push(staging::name());
    let name = quoted(&path);
    let columns: Vec<String> = names.iter().map(|name| format!("{name} VARCHAR")).collect();
    let create = format!("CREATE TRANSIENT TABLE {name} ({})", columns.join(", "));
    let (dropping, drop) = (Arc::clone(session), format!("DROP TABLE IF EXISTS {name}"));
    let removal = async move { dropping.run(&drop, None).await.map(|_| ()) };
    Ok((name, Staging::create(session.run(&create, None), removal).await?))
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
                let text = column.text(row).map_err(|reason| wrong(name, reason))?;
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
