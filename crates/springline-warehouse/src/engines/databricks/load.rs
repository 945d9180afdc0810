//! Bulk loads: rows travel as one text parameter of an INSERT, a list of lists in JSON, and are cast to the types of
//! the table's columns by the server. It must not know where the rows come from.
//!
//! A parameter instead of VALUES, because a text of megabytes is read at once while every literal is parsed and
//! planned, and because no value has to be quoted; instead of files of a volume, because that needs a volume, a grant
//! on it and a second interface. The text of a statement and its parameters may have 16 MiB.
//!
//! What does not fit into one statement goes to a table of its own and is inserted from there by one statement, so
//! that all rows arrive or none.

use super::{
    api::{Api, Form},
    quoted, quoted_name,
};
use crate::{ErrorKind, RowStream, TablePath, WarehouseError, cancel};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Schema},
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::StreamExt;
use serde_json::Value;
use std::sync::Arc;

/// A statement carries rows of about so many bytes.
const PIECE_BYTES: usize = 4 << 20;

/// Appends the rows, all or none, and gives their number.
pub(super) async fn load(
    api: &Arc<Api>,
    table: TablePath<'_>,
    schema: &Schema,
    mut rows: RowStream,
) -> Result<u64, WarehouseError> {
    let types = types(api, table, schema).await?;
    let mut staging: Option<Staging> = None;
    let (mut piece, mut count) = (String::new(), 0);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows() as u64;
        for full in write_batch(&batch, &mut piece).map_err(|failed| failed.at(api))? {
            let staging = match &mut staging {
                Some(staging) => staging,
                None => staging.insert(Staging::create(api, table, schema).await?),
            };
            insert(api, &staging.name, schema, &types, &full).await?;
        }
    }
    let Some(staging) = staging else {
        if count > 0 {
            insert(api, &quoted(table), schema, &types, &piece).await?;
        }
        return Ok(count);
    };
    if !piece.is_empty() {
        insert(api, &staging.name, schema, &types, &piece).await?;
    }
    let columns = names(schema);
    let sql = format!("INSERT INTO {} ({columns}) SELECT {columns} FROM {}", quoted(table), staging.name);
    api.run(&sql, &[], Form::Inline).await?;
    staging.remove().await?;
    Ok(count)
}

/// The table's types of the columns that are loaded, as SQL has them.
async fn types(api: &Arc<Api>, table: TablePath<'_>, schema: &Schema) -> Result<Vec<String>, WarehouseError> {
    let sql = format!("SELECT {} FROM {} LIMIT 0", names(schema), quoted(table));
    let done = api.run(&sql, &[], Form::Inline).await?;
    Ok(done.columns().iter().map(|column| column.type_text.clone()).collect())
}

async fn insert(
    api: &Arc<Api>,
    table: &str,
    schema: &Schema,
    types: &[String],
    rows: &str,
) -> Result<(), WarehouseError> {
    let cell = |(place, native): (usize, &String)| match native.to_ascii_uppercase().as_str() {
        "STRING" => format!("r[{place}]"),
        "BINARY" => format!("UNHEX(r[{place}])"),
        list if list.starts_with("ARRAY") => format!("FROM_JSON(r[{place}], '{native}')"),
        _ => format!("CAST(r[{place}] AS {native})"),
    };
    let cells: Vec<String> = types.iter().enumerate().map(cell).collect();
    // The text is a column's value, because a constant would be read while the statement is planned, and the rows
    // would become a part of the plan: that takes three times as long.
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM \
         (SELECT EXPLODE(FROM_JSON(v, 'ARRAY<ARRAY<STRING>>')) AS r FROM VALUES (:rows) AS t(v))",
        names(schema),
        cells.join(", ")
    );
    api.run(&sql, &[("rows", &format!("[{}]", rows.trim_end_matches(',')))], Form::Inline).await?;
    Ok(())
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|field| quoted_name(field.name())).collect::<Vec<_>>().join(", ")
}

/// The table that rows wait in. It is dropped with this value.
struct Staging {
    api: Arc<Api>,
    name: String,
    is_there: bool,
}

impl Staging {
    async fn create(api: &Arc<Api>, table: TablePath<'_>, schema: &Schema) -> Result<Self, WarehouseError> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut path = table.to_vec();
        if let Some(last) = path.last_mut() {
            last.push_str(&format!("__load_{:x}_{now:x}", std::process::id()));
        }
        let name = quoted(&path);
        let mut staging = Self { api: Arc::clone(api), name, is_there: true };
        let sql = format!("CREATE TABLE {} AS SELECT {} FROM {} LIMIT 0", staging.name, names(schema), quoted(table));
        if let Err(error) = api.run(&sql, &[], Form::Inline).await {
            staging.is_there = false;
            return Err(error);
        }
        Ok(staging)
    }

    async fn remove(mut self) -> Result<(), WarehouseError> {
        self.is_there = false;
        self.api.run(&format!("DROP TABLE IF EXISTS {}", self.name), &[], Form::Inline).await.map(|_| ())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_there {
            return;
        }
        let (api, sql) = (Arc::clone(&self.api), format!("DROP TABLE IF EXISTS {}", self.name));
        cancel::send(async move {
            if let Err(error) = api.run(&sql, &[], Form::Inline).await {
                tracing::warn!(%error, "a table of a load that failed is left over");
            }
        });
    }
}

/// Why a value cannot be written; the value itself is not told.
struct Failed {
    column: String,
    reason: String,
}

impl Failed {
    fn at(self, api: &Api) -> WarehouseError {
        let message = format!("column `{}` cannot be written: {}", self.column, self.reason);
        api.place().error(ErrorKind::Type, message).with_column(self.column)
    }
}

/// One column's values as text.
struct Cells<'a> {
    name: &'a str,
    array: &'a ArrayRef,
    shown: ArrayFormatter<'a>,
    items: Option<Box<Cells<'a>>>,
}

const OPTIONS: FormatOptions<'static> = FormatOptions::new();

impl<'a> Cells<'a> {
    fn of_batch(batch: &'a RecordBatch) -> Result<Vec<Self>, Failed> {
        let columns = batch.columns().iter().zip(batch.schema_ref().fields());
        columns.map(|(array, field)| Self::new(field.name(), array)).collect()
    }

    fn new(name: &'a str, array: &'a ArrayRef) -> Result<Self, Failed> {
        let failed = |reason: String| Failed { column: name.to_owned(), reason };
        let items = match array.data_type() {
            DataType::List(_) => Some(Box::new(Self::new(name, array.as_list::<i32>().values())?)),
            nested if nested.is_nested() => return Err(failed(format!("{nested} cannot be loaded"))),
            _ => None,
        };
        let shown = ArrayFormatter::try_new(array.as_ref(), &OPTIONS).map_err(|error| failed(error.to_string()))?;
        Ok(Self { name, array, shown, items })
    }

    /// The text of a value; of a list its JSON.
    fn text(&self, row: usize) -> Result<Option<String>, Failed> {
        if self.array.is_null(row) {
            return Ok(None);
        }
        let failed = |_| Failed { column: self.name.to_owned(), reason: "a value has no text form".to_owned() };
        let Some(items) = &self.items else {
            return self.shown.value(row).try_to_string().map(Some).map_err(failed);
        };
        let offsets = self.array.as_list::<i32>().value_offsets();
        let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
        let list = (from..to).map(|item| items.item(item)).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Value::Array(list).to_string()))
    }

    /// An item of a list as JSON: whole numbers and truth values bare, everything else as text.
    fn item(&self, row: usize) -> Result<Value, Failed> {
        let Some(text) = self.text(row)? else { return Ok(Value::Null) };
        let data_type = self.array.data_type();
        let is_bare = data_type.is_integer() || *data_type == DataType::Boolean || self.items.is_some();
        Ok(match serde_json::from_str(&text) {
            Ok(value) if is_bare => value,
            _ => Value::String(text),
        })
    }
}

/// Adds the rows to the piece in the making, and gives those that are full.
fn write_batch(batch: &RecordBatch, piece: &mut String) -> Result<Vec<String>, Failed> {
    let (cells, mut full) = (Cells::of_batch(batch)?, Vec::new());
    for row in 0..batch.num_rows() {
        let texts = cells.iter().map(|cells| cells.text(row)).collect::<Result<Vec<_>, _>>()?;
        piece.push_str(&Value::from_iter(texts).to_string());
        piece.push(',');
        if piece.len() >= PIECE_BYTES {
            full.push(std::mem::take(piece));
        }
    }
    Ok(full)
}
