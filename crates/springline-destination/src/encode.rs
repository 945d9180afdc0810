//! Field values as text: JSON objects and instants in UTC, exact and alike for every destination.
//!
//! Must not know: requests, files, or what a field means.
//!
//! Integers and decimals are JSON numbers with all their digits, instants are ISO 8601 in UTC with `Z`, dates ISO 8601,
//! binary values hexadecimal text, nulls explicit. A floating-point value that JSON cannot spell (NaN, infinity) is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::json::writer::{EncoderOptions, make_encoder};

use crate::DestinationError;

/// The zone of every instant that leaves. An offset and not a name, so that no zone database is needed to print it.
const UTC: &str = "+00:00";

/// The same rows with every instant in UTC, dictionaries unpacked and every column nullable.
///
/// An instant without zone is taken to be UTC already.
pub(crate) fn in_utc(batch: &RecordBatch) -> Result<RecordBatch, DestinationError> {
    let schema = batch.schema();
    let fields: Fields = schema.fields().iter().map(utc_field).collect();
    let columns =
        batch.columns().iter().zip(&fields).map(|(column, field)| in_type(column, field)).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn in_type(column: &ArrayRef, field: &FieldRef) -> Result<ArrayRef, DestinationError> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    Ok(cast(column, field.data_type())?)
}

fn utc_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), utc_type(field.data_type()), true))
}

fn utc_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, Some(UTC.into())),
        DataType::Dictionary(_, value) => utc_type(value),
        DataType::List(item) => DataType::List(utc_field(item)),
        DataType::LargeList(item) => DataType::LargeList(utc_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(utc_field).collect()),
        other => other.clone(),
    }
}

/// Calls `each` with the row's ordinal and its JSON object, in row order. `batch` should come from [`in_utc`]. Fields
/// that `skips` names stand last, and only where they have a value.
pub(crate) fn json_objects(
    batch: &RecordBatch,
    skips: impl Fn(&str) -> bool,
    mut each: impl FnMut(usize, &[u8]) -> Result<(), DestinationError>,
) -> Result<(), DestinationError> {
    let schema = batch.schema();
    let (last, first): (Vec<usize>, Vec<usize>) =
        (0..batch.num_columns()).partition(|place| skips(schema.field(*place).name()));
    let mut parts = Vec::new();
    for (places, explicit) in [(first, true), (last, false)] {
        if !places.is_empty() {
            let rows = StructArray::from(batch.project(&places)?);
            parts.push((Arc::new(Field::new("row", rows.data_type().clone(), false)), rows, explicit));
        }
    }
    let options = [true, false].map(|explicit| EncoderOptions::default().with_explicit_nulls(explicit));
    let mut encoders = Vec::new();
    for (field, rows, explicit) in &parts {
        encoders.push(make_encoder(field, rows, &options[usize::from(!explicit)])?);
    }
    let (mut text, mut part) = (Vec::new(), Vec::new());
    for row in 0..batch.num_rows() {
        text.clear();
        text.push(b'{');
        for encoder in &mut encoders {
            part.clear();
            encoder.encode(row, &mut part);
            let inner = part.get(1..part.len().saturating_sub(1)).unwrap_or_default();
            if text.len() > 1 && !inner.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(inner);
        }
        text.push(b'}');
        each(row, &text)?;
    }
    Ok(())
}

/// One nested column as JSON text per row; `None` where it is null.
pub(crate) fn json_column(field: &FieldRef, column: &ArrayRef) -> Result<Vec<Option<String>>, DestinationError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column, &options)?;
    let texts = (0..column.len()).map(|row| {
        if column.is_null(row) {
            return None;
        }
        let mut text = Vec::new();
        encoder.encode(row, &mut text);
        Some(String::from_utf8_lossy(&text).into_owned())
    });
    Ok(texts.collect())
}

/// Appends `text` as a JSON string.
pub(crate) fn json_string(text: &str, out: &mut Vec<u8>) -> Result<(), DestinationError> {
    serde_json::to_writer(out, text).map_err(|error| DestinationError::Batch { message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
        StringViewArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;
    use pretty_assertions::assert_eq;

    use super::*;

    fn objects(columns: Vec<(&str, ArrayRef)>) -> Vec<String> {
        let batch = in_utc(
            &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
                .unwrap(),
        )
        .unwrap();
        let mut all = Vec::new();
        json_objects(
            &batch,
            |_| false,
            |_, text| {
                all.push(String::from_utf8(text.to_vec()).unwrap());
                Ok(())
            },
        )
        .unwrap();
        all
    }

    #[test]
    fn numbers_keep_every_digit() {
        let decimal =
            Decimal128Array::from(vec![Some(1_234_567_890_123_456_789_012_345_678_901_234_567), Some(-5), None])
                .with_precision_and_scale(38, 2)
                .unwrap();
        let integer = Int64Array::from(vec![Some(i64::MAX), Some(9_007_199_254_740_993), None]);
        assert_eq!(
            objects(vec![("d", Arc::new(decimal)), ("i", Arc::new(integer))]),
            [
                r#"{"d":12345678901234567890123456789012345.67,"i":9223372036854775807}"#,
                r#"{"d":-0.05,"i":9007199254740993}"#,
                r#"{"d":null,"i":null}"#,
            ]
        );
    }

    #[test]
    fn instants_are_in_utc_whatever_their_zone() {
        let instants = |zone: Option<&str>| -> ArrayRef {
            let array = TimestampMicrosecondArray::from(vec![Some(1_719_705_600_000_000), Some(1_719_705_600_123_000)]);
            match zone {
                Some(zone) => Arc::new(array.with_timezone(zone)),
                None => Arc::new(array),
            }
        };
        let expected = [r#"{"t":"2024-06-30T00:00:00Z"}"#, r#"{"t":"2024-06-30T00:00:00.123Z"}"#];
        for zone in [None, Some("UTC"), Some("Europe/Paris"), Some("+05:30")] {
            assert_eq!(objects(vec![("t", instants(zone))]), expected, "{zone:?}");
        }
    }

    #[test]
    fn other_types_have_their_usual_spelling() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        assert_eq!(
            objects(vec![
                ("s", Arc::new(StringArray::from(vec![Some("quote \" and \u{1}"), Some("")])) as ArrayRef),
                ("v", Arc::new(StringViewArray::from(vec![Some("é"), None]))),
                ("b", Arc::new(BooleanArray::from(vec![true, false]))),
                ("f", Arc::new(Float64Array::from(vec![1.5, f64::NAN]))),
                ("d", Arc::new(Date32Array::from(vec![19_904, 0]))),
                ("l", Arc::new(lists)),
                ("x", Arc::new(BinaryArray::from_vec(vec![b"\x00\xff", b""]))),
            ]),
            [
                r#"{"s":"quote \" and \u0001","v":"é","b":true,"f":1.5,"d":"2024-06-30","l":[1,null],"x":"00ff"}"#,
                r#"{"s":"","v":null,"b":false,"f":null,"d":"1970-01-01","l":null,"x":""}"#,
            ]
        );
    }

    #[test]
    fn fields_that_are_skipped_stand_only_where_they_have_a_value() {
        let text = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("a", text([None, Some("1"), None]), true),
            ("b", text([None, Some("2"), Some("3")]), true),
            ("c", text([Some("4"), None, None]), true),
        ])
        .unwrap();
        let written = |skips: &[&str]| {
            let mut all = Vec::new();
            json_objects(
                &batch,
                |field| skips.contains(&field),
                |_, text| {
                    all.push(String::from_utf8_lossy(text).into_owned());
                    Ok(())
                },
            )
            .unwrap();
            all
        };
        assert_eq!(
            written(&["a"]),
            [r#"{"b":null,"c":"4"}"#, r#"{"b":"2","c":null,"a":"1"}"#, r#"{"b":"3","c":null}"#]
        );
        assert_eq!(written(&["a", "b", "c"]), [r#"{"c":"4"}"#, r#"{"a":"1","b":"2"}"#, r#"{"b":"3"}"#]);
    }

    #[test]
    fn rows_without_fields_are_empty_objects() {
        let options = RecordBatchOptions::new().with_row_count(Some(2));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
        let mut count = 0;
        json_objects(
            &in_utc(&batch).unwrap(),
            |_| false,
            |_, text| {
                assert_eq!(text, b"{}");
                count += 1;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(count, 2);
    }
}
