//! The rows of a result as Arrow, from text or from Arrow streams. It must not know requests.
//!
//! Types: <https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-datatypes>.

use super::errors::Place;
use crate::{ErrorKind, WarehouseError, columns::by_place};
use arrow::{
    array::{ArrayRef, BinaryArray, ListBuilder, RecordBatch, StringArray, StringBuilder},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, SchemaRef, TimeUnit},
    error::ArrowError,
    record_batch::RecordBatchOptions,
};
use arrow_ipc::reader::StreamReader;
use std::sync::Arc;

/// A value that could not be read; the value itself is not told.
pub(super) struct Failed {
    column: Option<String>,
    reason: String,
}

impl Failed {
    pub(super) fn at(self, place: &Place) -> WarehouseError {
        match self.column {
            Some(column) => {
                let message = format!("a value of column `{column}` cannot be read: {}", self.reason);
                place.error(ErrorKind::Type, message).with_column(column)
            }
            None => place.error(ErrorKind::Connection, format!("a chunk of rows cannot be read: {}", self.reason)),
        }
    }
}

/// The Arrow type of a type as SQL has it; `None` for one without a counterpart here.
pub(super) fn arrow_type(native: &str) -> Option<DataType> {
    let native = native.trim();
    let (word, rest) = match native.find(['(', '<']) {
        Some(at) => native.split_at(at),
        None => (native, ""),
    };
    Some(match word.trim().to_ascii_uppercase().as_str() {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" | "BYTE" => DataType::Int8,
        "SMALLINT" | "SHORT" => DataType::Int16,
        "INT" | "INTEGER" => DataType::Int32,
        "BIGINT" | "LONG" => DataType::Int64,
        "FLOAT" | "REAL" => DataType::Float32,
        "DOUBLE" => DataType::Float64,
        "DECIMAL" | "DEC" | "NUMERIC" => {
            let (precision, scale) = rest.trim_matches(['(', ')']).split_once(',').unwrap_or(("10", "0"));
            DataType::Decimal128(precision.trim().parse().ok()?, scale.trim().parse().ok()?)
        }
        "STRING" | "VARCHAR" | "CHAR" | "VOID" => DataType::Utf8,
        "BINARY" => DataType::Binary,
        "DATE" => DataType::Date32,
        "TIMESTAMP" | "TIMESTAMP_LTZ" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "TIMESTAMP_NTZ" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "ARRAY" => {
            let item = arrow_type(rest.strip_prefix('<')?.strip_suffix('>')?)?;
            DataType::List(Arc::new(Field::new_list_field(item, true)))
        }
        _ => return None,
    })
}

/// The rows of a chunk in text.
pub(super) fn from_text(schema: &SchemaRef, rows: &[Vec<Option<String>>]) -> Result<RecordBatch, Failed> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (place, field) in schema.fields().iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(place).and_then(Option::as_deref));
        let column = text_column(field.data_type(), cells);
        columns.push(column.map_err(|reason| Failed { column: Some(field.name().clone()), reason })?);
    }
    let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &count)
        .map_err(|_| Failed { column: None, reason: "its columns are not those of the result".to_owned() })
}

fn text_column<'a>(data_type: &DataType, cells: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef, String> {
    match data_type {
        DataType::Binary => {
            let bytes = cells.map(|cell| cell.map(base64).transpose()).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(BinaryArray::from_iter(bytes)))
        }
        DataType::List(_) => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells {
                match cell {
                    None => lists.append_null(),
                    Some(text) => lists.append_value(items(text)?),
                }
            }
            strict(&(Arc::new(lists.finish()) as ArrayRef), data_type)
        }
        _ => strict(&(Arc::new(cells.collect::<StringArray>()) as ArrayRef), data_type),
    }
}

fn strict(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    // The text of the error would quote the value.
    cast_with_options(column, data_type, &options).map_err(|_| format!("it is no {data_type}"))
}

/// The items of a list in JSON, as text.
fn items(text: &str) -> Result<Vec<Option<String>>, String> {
    let items: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|_| "it is no list in JSON".to_owned())?;
    let item = |item| match item {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(items.into_iter().map(item).collect())
}

/// The bytes of a text in base 64 (RFC 4648, 4).
fn base64(text: &str) -> Result<Vec<u8>, String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|d| *d == digit).ok_or_else(|| "it is not in base 64".to_owned())?;
        held = (held << 6 | u32::try_from(value).unwrap_or(0)) & 0x00ff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.extend((held >> bits).to_be_bytes().last());
        }
    }
    Ok(bytes)
}

/// The batches of an Arrow stream, brought to the result's schema.
pub(super) fn from_arrow(schema: &SchemaRef, bytes: &[u8]) -> Result<Vec<RecordBatch>, Failed> {
    let failed = |error: ArrowError| {
        // Errors of a cast quote the value.
        let reason = if matches!(error, ArrowError::CastError(_)) {
            "a value does not fit".to_owned()
        } else {
            error.to_string()
        };
        Failed { column: None, reason }
    };
    let reader = StreamReader::try_new(bytes, None).map_err(failed)?;
    reader.map(|batch| batch.and_then(|batch| by_place(&batch, schema)).map_err(failed)).collect()
}
