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
use crate::{
    ErrorKind, RowStream, TablePath, WarehouseError,
    engines::{
        staging::{self, Staging},
        texts::Texts,
    },
};
use arrow::{array::RecordBatch, datatypes::Schema};
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
    let mut staging: Option<(String, Staging)> = None;
    let (mut piece, mut count) = (String::new(), 0);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows() as u64;
        for full in write_batch(&batch, &mut piece).map_err(|failed| failed.at(api))? {
            let (name, _) = match &mut staging {
                Some(staging) => staging,
                None => staging.insert(create_staging(api, table, schema).await?),
            };
            insert(api, name, schema, &types, &full).await?;
        }
    }
    let Some((name, staging)) = staging else {
        if count > 0 {
            insert(api, &quoted(table), schema, &types, &piece).await?;
        }
        return Ok(count);
    };
    if !piece.is_empty() {
        insert(api, &name, schema, &types, &piece).await?;
    }
    let columns = names(schema);
    let sql = format!("INSERT INTO {} ({columns}) SELECT {columns} FROM {name}", quoted(table));
    api.run(&sql, &[], Form::Inline).await?;
    staging.remove().await;
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

/// A table like the one that is loaded, beside it, and its name.
async fn create_staging(
    api: &Arc<Api>,
    table: TablePath<'_>,
    schema: &Schema,
) -> Result<(String, Staging), WarehouseError> {
    let mut path = table.to_vec();
    path.pop();
    path.push(staging::name());
    let name = quoted(&path);
    let create = format!("CREATE TABLE {name} AS SELECT {} FROM {} LIMIT 0", names(schema), quoted(table));
    let (dropping, drop) = (Arc::clone(api), format!("DROP TABLE IF EXISTS {name}"));
    let removal = async move { dropping.run(&drop, &[], Form::Inline).await.map(|_| ()) };
    Ok((name, Staging::create(api.run(&create, &[], Form::Inline), removal).await?))
}

/// Why a value cannot be written; the value itself is not told.
struct Failed {
    column: String,
    reason: String,
}

impl Failed {
    fn new(column: &str, reason: String) -> Self {
        Self { column: column.to_owned(), reason }
    }

    fn at(self, api: &Api) -> WarehouseError {
        let message = format!("column `{}` cannot be written: {}", self.column, self.reason);
        api.place().error(ErrorKind::Type, message).with_column(self.column)
    }
}

fn columns(batch: &RecordBatch) -> Result<Vec<(&str, Texts<'_>)>, Failed> {
    let columns = batch.columns().iter().zip(batch.schema_ref().fields());
    columns
        .map(|(array, field)| {
            let texts = Texts::new(array.as_ref()).map_err(|reason| Failed::new(field.name(), reason))?;
            Ok((field.name().as_str(), texts))
        })
        .collect()
}

/// Adds the rows to the piece in the making, and gives those that are full.
fn write_batch(batch: &RecordBatch, piece: &mut String) -> Result<Vec<String>, Failed> {
    let (columns, mut full) = (columns(batch)?, Vec::new());
    for row in 0..batch.num_rows() {
        let text = |(name, column): &(&str, Texts<'_>)| column.text(row).map_err(|reason| Failed::new(name, reason));
        let texts = columns.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        piece.push_str(&Value::from_iter(texts).to_string());
        piece.push(',');
        if piece.len() >= PIECE_BYTES {
            full.push(std::mem::take(piece));
        }
    }
    Ok(full)
}
