//! Columns of small results, read by name, and columns of small tables, made of values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;

use crate::RunError;

/// A column of text.
pub(crate) fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<Option<String>>, RunError> {
    let array = cast(column(batch, name)?, &DataType::Utf8).map_err(|e| RunError::Result(e.to_string()))?;
    Ok(array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
}

/// A column of whole numbers; null becomes zero.
pub(crate) fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<u64>, RunError> {
    let array = cast(column(batch, name)?, &DataType::Int64).map_err(|e| RunError::Result(e.to_string()))?;
    let numbers = array.as_primitive::<Int64Type>();
    Ok(numbers.iter().map(|n| u64::try_from(n.unwrap_or(0)).unwrap_or_default()).collect())
}

/// A column of truth values; null becomes false.
pub(crate) fn truths(batch: &RecordBatch, name: &str) -> Result<Vec<bool>, RunError> {
    let array = column(batch, name)?;
    let Some(truths) = array.as_boolean_opt() else {
        return Err(RunError::Result(format!("column `{name}` is {}, not boolean", array.data_type())));
    };
    Ok(truths.iter().map(|t| t.unwrap_or(false)).collect())
}

/// A column of instants.
pub(crate) fn instants(batch: &RecordBatch, name: &str) -> Result<Vec<Option<Timestamp>>, RunError> {
    let ty = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let array = cast(column(batch, name)?, &ty).map_err(|e| RunError::Result(e.to_string()))?;
    let read = |micros| Timestamp::from_microsecond(micros).map_err(|e| RunError::Result(e.to_string()));
    array.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| micros.map(read).transpose()).collect()
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, RunError> {
    batch.column_by_name(name).ok_or_else(|| RunError::Result(format!("there is no column `{name}`")))
}

/// A column of these texts.
pub(crate) fn texts_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(texts.into_iter().map(Some).collect::<StringArray>())
}

/// A column of these instants.
pub(crate) fn instants_of(instants: impl IntoIterator<Item = Timestamp>) -> ArrayRef {
    let micros = instants.into_iter().map(|at| Some(at.as_microsecond()));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// A column of these numbers.
pub(crate) fn numbers_of(numbers: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(numbers.into_iter().map(|n| Some(i64::try_from(n).unwrap_or(i64::MAX))).collect::<Int64Array>())
}
