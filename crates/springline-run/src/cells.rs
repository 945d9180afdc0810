//! Arrow values as JSON, for samples that people and scripts read; and their masking.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
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
            let wide = exact_cast(&array.slice(row, 1), &DataType::Int64)?;
            wide.as_primitive::<Int64Type>().value(0).into()
        }
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        ty if ty.is_decimal() => {
            let mut text = text(array, row)?;
            // So wide a type is that of a column without a scale of its own.
            if let DataType::Decimal256(..) = ty {
                text.truncate(significant(&text).len());
            }
            // A number of JSON is a float to most readers: more digits than one holds stay text.
            let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            let same = |n: &serde_json::Number| significant(&n.to_string()) == significant(&text);
            number.filter(same).map_or(Value::String(text), Value::Number)
        }
        _ => Value::String(text(array, row)?),
    })
}

/// A decimal's text without the zeros that say nothing.
fn significant(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A conversion in which a value that does not fit is an error and not a null.
pub(crate) fn exact_cast(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, RunError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, ty, &options).map_err(|e| RunError::Result(e.to_string()))
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

/// A text of somebody else's making without what may be personal in it: words with an `@` and words
/// with six digits or more.
pub fn redact(text: &str) -> String {
    let is_personal = |word: &str| word.contains('@') || word.chars().filter(char::is_ascii_digit).count() >= 6;
    let words = text.split(' ').map(|word| if is_personal(word) { "***" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_loses_what_is_personal() {
        assert_eq!(redact("ann@example.com is unknown, call +33612345678"), "*** is unknown, call ***");
        assert_eq!(redact("422: blocked by the receiver"), "422: blocked by the receiver");
    }

    #[test]
    fn decimals_keep_their_digits() {
        let decimals = |value: i128| {
            let array = arrow::array::Decimal128Array::from(vec![value]).with_precision_and_scale(38, 2).unwrap();
            cell(&(std::sync::Arc::new(array) as ArrayRef), 0).unwrap()
        };
        assert_eq!(decimals(1250), serde_json::json!(12.5));
        assert_eq!(decimals(1200), serde_json::json!(12.0));
        assert_eq!(decimals(12_345_678_901_234_567_890), serde_json::json!("123456789012345678.90"));
    }

    #[test]
    fn a_mask_keeps_one_character() {
        assert_eq!(mask("ann@example.com"), "a***@***");
        assert_eq!(mask("Élodie"), "É***");
        assert_eq!(mask(""), "***");
    }
}
