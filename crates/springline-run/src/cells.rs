//! Arrow values as JSON, for samples that people and scripts read; and their masking.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value};

use crate::RunError;

/// One value. Whole numbers, decimals and floats become numbers, truth values booleans, all else text.
///
/// # Errors
/// A type that has no text form.
pub fn cell(array: &ArrayRef, row: usize) -> Result<Value, RunError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        ty if ty.is_integer() => {
            let wide = cast(&array.slice(row, 1), &DataType::Int64).map_err(|e| RunError::Result(e.to_string()))?;
            wide.as_primitive::<Int64Type>().value(0).into()
        }
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Decimal128(..) => {
            let text = text(array, row)?;
            text.parse::<serde_json::Number>().map_or(Value::String(text), Value::Number)
        }
        _ => Value::String(text(array, row)?),
    })
}

fn text(array: &ArrayRef, row: usize) -> Result<String, RunError> {
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let formatter = ArrayFormatter::try_new(array, &options).map_err(|e| RunError::Result(e.to_string()))?;
    formatter.value(row).try_to_string().map_err(|e| RunError::Result(e.to_string()))
}

/// The rows of a batch as JSON objects. Columns whose place is true in `hidden` are masked.
///
/// # Errors
/// As [`cell`].
pub fn rows_to_json(batch: &RecordBatch, columns: usize, hidden: &[bool]) -> Result<Vec<Map<String, Value>>, RunError> {
    let schema = batch.schema();
    (0..batch.num_rows())
        .map(|row| {
            schema
                .fields()
                .iter()
                .zip(batch.columns())
                .take(columns)
                .enumerate()
                .map(|(i, (field, array))| {
                    let value = cell(array, row)?;
                    let value = if hidden.get(i).copied().unwrap_or(false) { masked(value) } else { value };
                    Ok((field.name().clone(), value))
                })
                .collect()
        })
        .collect()
}

fn masked(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(text) => Value::String(mask(&text)),
        other => Value::String(mask(&other.to_string())),
    }
}

/// A value that tells who somebody is, made unreadable: its first character, and for an email address
/// that it is one.
pub fn mask(text: &str) -> String {
    let first = text.chars().next().map(String::from).unwrap_or_default();
    if text.contains('@') { format!("{first}***@***") } else { format!("{first}***") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_one_character() {
        assert_eq!(mask("ann@example.com"), "a***@***");
        assert_eq!(mask("Élodie"), "É***");
        assert_eq!(mask(""), "***");
    }
}
