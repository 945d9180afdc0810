//! Bulk loads: rows as lines of JSON, sent in pieces of bounded size by load jobs. It must not know where rows come from.
//!
//! <https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json>. What fits into one piece is appended by one
//! job, which takes all rows or none. More goes into a table of its own first, and from there in one statement.

use super::{BigQuery, client::FieldJson, errors::Place};
use crate::{
    ErrorKind, RowStream, TablePath, WarehouseError,
    engines::staging::{self, Staging},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float32Type, Float64Type, SchemaRef, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::TryStreamExt;
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A piece is sent when it has grown to this many bytes.
const PIECE: usize = 16 << 20;
/// A table on the way lives so long, should nobody be left to delete it.
const STAGING_LIVES: Duration = Duration::from_secs(24 * 60 * 60);

/// The columns that are loaded, in the order of the batches.
struct Wanted<'t> {
    table: String,
    fields: Vec<&'t FieldJson>,
}

impl BigQuery {
    pub(super) async fn load_rows(
        &self,
        table: TablePath<'_>,
        schema: SchemaRef,
        mut rows: RowStream,
    ) -> Result<u64, WarehouseError> {
        let [project, dataset, name] = self.full(table);
        let place = &self.client.place;
        let Some(found) = self.fields(table).await? else {
            let shown = table.join(".");
            return Err(place
                .new_error(ErrorKind::MissingTable, format!("table `{shown}` does not exist"))
                .with_table(shown)
                .with_hint("rows are loaded into a table that is there"));
        };
        let wanted = wanted(place, &table.join("."), &schema, &found)?;
        let place = [project.as_str(), &dataset, &name];
        let (mut piece, mut count, mut staging) = (Vec::new(), 0, None::<(String, Staging)>);
        while let Some(batch) = rows.try_next().await? {
            count += batch.num_rows() as u64;
            for part in parts(&batch) {
                lines(&self.client.place, &wanted, &part, &mut piece)?;
                if piece.len() < PIECE {
                    continue;
                }
                let (name, _) = match &mut staging {
                    Some(staging) => staging,
                    none => none.insert(self.create_staging(place, &wanted).await?),
                };
                self.send([place[0], place[1], name], &wanted, &piece).await?;
                piece.clear();
            }
        }
        let Some((name, staging)) = staging else {
            if count > 0 {
                self.send(place, &wanted, &piece).await?;
            }
            return Ok(count);
        };
        let on_the_way = [place[0], place[1], &name];
        if !piece.is_empty() {
            self.send(on_the_way, &wanted, &piece).await?;
        }
        let columns: Vec<String> = wanted.fields.iter().map(|field| super::quoted(&field.name)).collect();
        let columns = columns.join(", ");
        let path = |table: [&str; 3]| table.map(super::quoted).join(".");
        let sql = format!("INSERT INTO {} ({columns})\nSELECT {columns} FROM {}", path(place), path(on_the_way));
        self.client.run(&sql).await?;
        staging.remove().await;
        Ok(count)
    }

    /// A table with the columns that are loaded, and its name.
    async fn create_staging(
        &self,
        [project, dataset, _]: [&str; 3],
        wanted: &Wanted<'_>,
    ) -> Result<(String, Staging), WarehouseError> {
        let name = staging::name();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let body = json!({
            "tableReference": { "projectId": project, "datasetId": dataset, "tableId": name },
            "schema": wanted.schema(),
            "expirationTime": (now + STAGING_LIVES).as_millis().to_string(),
        });
        let tables = self.client.dataset_url(project, dataset, "tables");
        let url = self.client.dataset_url(project, dataset, &format!("tables/{name}"));
        let client = Arc::clone(&self.client);
        let removal = async move { client.delete(&url).await };
        Ok((name, Staging::create(self.client.post(&tables, &body), removal).await?))
    }

    async fn send(
        &self,
        [project, dataset, table]: [&str; 3],
        wanted: &Wanted<'_>,
        piece: &[u8],
    ) -> Result<(), WarehouseError> {
        let load = json!({
            "destinationTable": { "projectId": project, "datasetId": dataset, "tableId": table },
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "writeDisposition": "WRITE_APPEND",
            "createDisposition": "CREATE_NEVER",
            "maxBadRecords": 0,
        });
        self.client.load_lines(&load, piece).await.map_err(|error| error.with_table(&wanted.table))
    }
}

impl Wanted<'_> {
    fn schema(&self) -> Value {
        let field = |field: &&FieldJson| {
            let mode = if field.mode == "REPEATED" { "REPEATED" } else { "NULLABLE" };
            json!({ "name": field.name, "type": field.kind, "mode": mode, "precision": field.precision, "scale": field.scale })
        };
        json!({ "fields": self.fields.iter().map(field).collect::<Vec<_>>() })
    }
}

fn wanted<'t>(
    place: &Place,
    table: &str,
    schema: &SchemaRef,
    found: &'t [FieldJson],
) -> Result<Wanted<'t>, WarehouseError> {
    let field = |name: &String| {
        // Names of columns do not differ by case.
        found.iter().find(|field| field.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let message = format!("table `{table}` has no column `{name}`");
            place.new_error(ErrorKind::MissingColumn, message).with_table(table).with_column(name)
        })
    };
    let fields = schema.fields().iter().map(|column| field(column.name())).collect::<Result<_, _>>()?;
    Ok(Wanted { table: table.to_owned(), fields })
}

/// A batch in slices, so that a piece does not outgrow its size by much.
fn parts(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    const ROWS: usize = 4096;
    (0..batch.num_rows()).step_by(ROWS).map(|from| batch.slice(from, ROWS.min(batch.num_rows() - from)))
}

/// Writes the rows as lines of JSON.
fn lines(place: &Place, wanted: &Wanted<'_>, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), WarehouseError> {
    let failed = |column: &str, reason: &dyn std::fmt::Display| {
        place
            .new_error(ErrorKind::Type, format!("column `{column}` cannot be loaded: {reason}"))
            .with_table(&wanted.table)
            .with_column(column)
    };
    // Not every build of Arrow shows an instant in a zone with a name; a DATETIME takes none.
    let micros = |column: &ArrayRef, field: &FieldJson| match column.data_type() {
        DataType::Timestamp(..) => {
            let zone = (field.kind != "DATETIME").then(|| "+00:00".into());
            cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone))
        }
        _ => Ok(ArrayRef::clone(column)),
    };
    let mut columns = Vec::with_capacity(wanted.fields.len());
    for (column, field) in batch.columns().iter().zip(&wanted.fields) {
        columns.push(micros(column, field).map_err(|error| failed(&field.name, &error))?);
    }
    let names = wanted.fields.iter().map(|field| serde_json::to_string(&field.name));
    let names = names.collect::<Result<Vec<_>, _>>().map_err(|error| failed("", &error))?;
    let options = FormatOptions::new();
    let mut cells = Vec::with_capacity(columns.len());
    for (column, field) in columns.iter().zip(&wanted.fields) {
        cells.push(Cells::new(column, &options, field.kind == "JSON").map_err(|error| failed(&field.name, &error))?);
    }
    for row in 0..batch.num_rows() {
        out.push(b'{');
        let mut first = true;
        for ((cells, name), field) in cells.iter().zip(&names).zip(&wanted.fields) {
            if cells.column.is_null(row) {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            cells.write(row, out).map_err(|reason| failed(&field.name, &reason))?;
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(())
}

/// A column and how its values are written.
struct Cells<'a> {
    column: &'a dyn Array,
    formatter: ArrayFormatter<'a>,
    is_json: bool,
    /// Of a list: its items, and their own form.
    items: Option<Box<Cells<'a>>>,
}

impl<'a> Cells<'a> {
    fn new(column: &'a dyn Array, options: &'a FormatOptions<'a>, is_json: bool) -> Result<Self, String> {
        let items = match column.data_type() {
            DataType::List(_) => Some(Box::new(Cells::new(column.as_list::<i32>().values(), options, is_json)?)),
            _ => None,
        };
        let formatter = ArrayFormatter::try_new(column, options).map_err(|error| error.to_string())?;
        Ok(Self { column, formatter, is_json, items })
    }

    /// Writes a value that is not null; the reason of a failure never holds it.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if let Some(items) = &self.items {
            return self.write_list(items, row, out);
        }
        match self.column.data_type() {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64 => write!(out, "{}", self.formatter.value(row)).map_err(|error| error.to_string()),
            DataType::Float64 => float(self.column.as_primitive::<Float64Type>().value(row), out),
            DataType::Float32 => float(f64::from(self.column.as_primitive::<Float32Type>().value(row)), out),
            DataType::Binary => text(&BASE64_STANDARD.encode(self.column.as_binary::<i32>().value(row)), out),
            DataType::Utf8 if self.is_json => json_text(self.column.as_string::<i32>().value(row), out),
            DataType::Utf8 => text(self.column.as_string::<i32>().value(row), out),
            _ => text(&self.formatter.value(row).to_string(), out),
        }
    }

    fn write_list(&self, items: &Cells<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let offsets = self.column.as_list::<i32>().value_offsets();
        let place = |at: usize| usize::try_from(offsets[at]).map_err(|error| error.to_string());
        out.push(b'[');
        for (i, item) in (place(row)?..place(row + 1)?).enumerate() {
            if items.column.is_null(item) {
                return Err("an array of BigQuery holds no null".to_owned());
            }
            if i > 0 {
                out.push(b',');
            }
            items.write(item, out)?;
        }
        out.push(b']');
        Ok(())
    }
}

fn text(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    serde_json::to_writer(out, text).map_err(|error| error.to_string())
}

/// A value of a JSON column: what the text says, not the text.
fn json_text(value: &str, out: &mut Vec<u8>) -> Result<(), String> {
    // A line break inside would end the line.
    let parsed: Value = serde_json::from_str(value).map_err(|_| "a value is no JSON".to_owned())?;
    serde_json::to_writer(out, &parsed).map_err(|error| error.to_string())
}

fn float(value: f64, out: &mut Vec<u8>) -> Result<(), String> {
    if value.is_finite() {
        return write!(out, "{value:?}").map_err(|error| error.to_string());
    }
    let word = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    text(word, out)
}
