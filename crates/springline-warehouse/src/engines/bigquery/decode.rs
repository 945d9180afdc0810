//! BigQuery's rows of JSON as Arrow columns. It must not know requests.
//!
//! Forms: <https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list>; timestamps are asked for as whole
//! microseconds.

use super::{
    client::{FieldJson, RowJson},
    errors::Place,
};
use crate::{ErrorKind, WarehouseError};
use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
        Float64Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
    },
    compute::kernels::cast_utils::parse_decimal,
    datatypes::{DataType, Decimal128Type, Decimal256Type, Field, Schema, SchemaRef, TimeUnit},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::sync::Arc;

/// Digits and scale of what declares none, as the result of every expression: all that the type holds. A BIGNUMERIC has
/// 38 digits on either side of the point (and a little more, which is refused).
/// <https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types>
const NUMERIC: DataType = DataType::Decimal128(38, 9);
const BIGNUMERIC: DataType = DataType::Decimal256(76, 38);

/// The Arrow type a column is read as, or `None` when it must be cast in the SQL first.
pub(super) fn arrow_type(field: &FieldJson) -> Option<DataType> {
    let item = match field.kind.as_str() {
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "INTEGER" | "INT64" => DataType::Int64,
        "FLOAT" | "FLOAT64" => DataType::Float64,
        "STRING" | "JSON" | "TIME" | "GEOGRAPHY" => DataType::Utf8,
        "BYTES" => DataType::Binary,
        "DATE" => DataType::Date32,
        "DATETIME" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "NUMERIC" | "BIGNUMERIC" => decimal_type(field),
        _ => return None,
    };
    if field.mode != "REPEATED" {
        return Some(item);
    }
    let readable = matches!(item, DataType::Utf8 | DataType::Int64 | DataType::Float64 | DataType::Boolean);
    readable.then(|| DataType::List(Arc::new(Field::new_list_field(item, true))))
}

fn decimal_type(field: &FieldJson) -> DataType {
    let digits = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<u8>().ok());
    match (digits(&field.precision), digits(&field.scale).map_or(0, u8::cast_signed)) {
        (Some(precision), scale) if precision <= 38 => DataType::Decimal128(precision, scale),
        (Some(precision), scale) => DataType::Decimal256(precision.min(76), scale),
        (None, _) if field.kind == "NUMERIC" => NUMERIC,
        (None, _) => BIGNUMERIC,
    }
}

/// The columns of a result.
pub(super) fn schema(place: &Place, fields: &[FieldJson]) -> Result<SchemaRef, WarehouseError> {
    let field = |field: &FieldJson| match arrow_type(field) {
        Some(data_type) => Ok(Field::new(&field.name, data_type, true)),
        None => {
            let repeated = if field.mode == "REPEATED" { "repeated " } else { "" };
            let message =
                format!("column `{}` has the type {repeated}{}, which cannot be read", field.name, field.kind);
            Err(place
                .new_error(ErrorKind::Type, message)
                .with_column(&field.name)
                .with_hint(format!("make text of it, for example `TO_JSON_STRING({})`", field.name)))
        }
    };
    Ok(Arc::new(Schema::new(fields.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
}

/// A page as a batch.
pub(super) fn batch(place: &Place, schema: &SchemaRef, rows: Vec<RowJson>) -> Result<RecordBatch, WarehouseError> {
    let mut columns: Vec<Builder> = schema.fields().iter().map(|field| Builder::new(field.data_type())).collect();
    for row in rows {
        if row.f.len() != columns.len() {
            return Err(place.new_error(ErrorKind::Connection, "a row has another number of values than columns"));
        }
        for ((cell, column), field) in row.f.into_iter().zip(&mut columns).zip(schema.fields()) {
            column.push(&cell.v).map_err(|reason| {
                let message = format!("a value of column `{}` cannot be read: {reason}", field.name());
                place
                    .new_error(ErrorKind::Type, message)
                    .with_column(field.name())
                    .with_hint("round or cast it in the query")
            })?;
        }
    }
    let columns = columns.into_iter().map(Builder::finish).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| place.new_error(ErrorKind::Type, error))
}

enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Wide(Decimal256Builder, u8, i8),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder, Option<Arc<str>>),
    List(Box<ListBuilder<Box<dyn ArrayBuilder>>>),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()), *precision, *scale)
            }
            DataType::Decimal256(precision, scale) => {
                Self::Wide(Decimal256Builder::new().with_data_type(data_type.clone()), *precision, *scale)
            }
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(_, zone) => Self::Timestamp(TimestampMicrosecondBuilder::new(), zone.clone()),
            DataType::List(item) => {
                let items: Box<dyn ArrayBuilder> = match item.data_type() {
                    DataType::Int64 => Box::new(Int64Builder::new()),
                    DataType::Float64 => Box::new(Float64Builder::new()),
                    DataType::Boolean => Box::new(BooleanBuilder::new()),
                    _ => Box::new(StringBuilder::new()),
                };
                Self::List(Box::new(ListBuilder::new(items)))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value; the reason of a failure never holds it.
    fn push(&mut self, value: &Value) -> Result<(), String> {
        match self {
            Self::List(builder) => {
                for item in value.as_array().into_iter().flatten() {
                    push_item(builder.values().as_any_mut(), &item["v"])?;
                }
                // There is no null array: an empty one stands for it.
                builder.append(value.as_array().is_some_and(|items| !items.is_empty()));
            }
            Self::Bool(builder) => builder.append_option(text(value)?.map(parse).transpose()?),
            Self::Int(builder) => builder.append_option(text(value)?.map(parse).transpose()?),
            Self::Float(builder) => builder.append_option(text(value)?.map(parse).transpose()?),
            Self::Decimal(builder, precision, scale) => {
                let number = text(value)?.map(|text| parse_decimal::<Decimal128Type>(text, *precision, *scale));
                builder.append_option(number.transpose().map_err(|_| too_long(*precision, *scale))?);
            }
            Self::Wide(builder, precision, scale) => {
                let number = text(value)?.map(|text| parse_decimal::<Decimal256Type>(text, *precision, *scale));
                builder.append_option(number.transpose().map_err(|_| too_long(*precision, *scale))?);
            }
            Self::Text(builder) => builder.append_option(text(value)?),
            Self::Binary(builder) => {
                let bytes = text(value)?.map(|text| BASE64_STANDARD.decode(text).map_err(|_| "it is no Base64"));
                builder.append_option(bytes.transpose()?);
            }
            Self::Date(builder) => builder.append_option(text(value)?.map(date).transpose()?),
            Self::Timestamp(builder, zone) => {
                let read = |text| if zone.is_some() { parse(text) } else { instant(text) };
                builder.append_option(text(value)?.map(read).transpose()?);
            }
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Float(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Decimal(mut builder, ..) => ArrayBuilder::finish(&mut builder),
            Self::Wide(mut builder, ..) => ArrayBuilder::finish(&mut builder),
            Self::Text(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Binary(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Date(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Timestamp(mut builder, zone) => Arc::new(builder.finish().with_timezone_opt(zone)),
            Self::List(mut builder) => ArrayBuilder::finish(builder.as_mut()),
        }
    }
}

fn push_item(items: &mut dyn std::any::Any, value: &Value) -> Result<(), String> {
    if let Some(builder) = items.downcast_mut::<Int64Builder>() {
        builder.append_option(text(value)?.map(parse).transpose()?);
    } else if let Some(builder) = items.downcast_mut::<Float64Builder>() {
        builder.append_option(text(value)?.map(parse).transpose()?);
    } else if let Some(builder) = items.downcast_mut::<BooleanBuilder>() {
        builder.append_option(text(value)?.map(parse).transpose()?);
    } else if let Some(builder) = items.downcast_mut::<StringBuilder>() {
        builder.append_option(text(value)?);
    }
    Ok(())
}

fn too_long(precision: u8, scale: i8) -> String {
    format!("it has more digits than decimal({precision}, {scale})")
}

fn text(value: &Value) -> Result<Option<&str>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err("it is no text in the answer".to_owned()),
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("it is no {}", std::any::type_name::<T>()))
}

/// Days since 1970 of `YYYY-MM-DD`.
fn date(text: &str) -> Result<i32, String> {
    let bad = || "it is no date".to_owned();
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day))) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad());
    };
    // Days from a civil date, by Howard Hinnant (https://howardhinnant.github.io/date_algorithms.html).
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let in_era = shifted.rem_euclid(400);
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + of_year - 719_468;
    i32::try_from(days).map_err(|_| bad())
}

/// Microseconds since 1970 of `YYYY-MM-DDTHH:MM:SS.ffffff`.
fn instant(text: &str) -> Result<i64, String> {
    let bad = || "it is no date and time".to_owned();
    let (day, time) = text.split_once('T').ok_or_else(bad)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut seconds = i64::from(date(day)?) * 24;
    let parts: Vec<i64> = clock.split(':').map(parse).collect::<Result<_, _>>()?;
    let [hours, minutes, rest] = parts.as_slice() else { return Err(bad()) };
    seconds = ((seconds + hours) * 60 + minutes) * 60 + rest;
    let micros: i64 = if fraction.is_empty() { 0 } else { parse(&format!("{fraction:0<6}"))? };
    Ok(seconds * 1_000_000 + micros)
}
