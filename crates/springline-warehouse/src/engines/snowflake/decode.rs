//! The JSON rows of the SQL API as Arrow columns. It must not know requests.
//!
//! <https://docs.snowflake.com/en/developer-guide/sql-api/handling-responses#getting-the-data-from-the-results>

use super::{errors::Place, session::ColumnType};
use crate::{Column, ErrorKind, WarehouseError};
use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder,
        Int64Builder, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, i256},
};
use std::sync::Arc;

/// The Arrow type a column is read as. Each kind of timestamp is an instant: one without a zone is in UTC.
pub(crate) fn arrow_type(column: &ColumnType) -> DataType {
    match column.kind.to_lowercase().as_str() {
        "fixed" => match column.scale.unwrap_or(0) {
            0 => DataType::Int64,
            scale => DataType::Decimal128(column.precision.unwrap_or(38).clamp(1, 38), scale),
        },
        "real" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz" => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        "binary" => DataType::Binary,
        // A list holds what it likes: its items are read as text.
        "array" => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        _ => DataType::Utf8,
    }
}

/// The columns of a result.
pub(crate) fn schema(columns: &[ColumnType]) -> SchemaRef {
    let field = |column: &ColumnType| Field::new(&column.name, arrow_type(column), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A column as [`crate::Warehouse::describe`] gives it.
pub(crate) fn described(column: &ColumnType) -> Column {
    Column { name: column.name.clone(), data_type: arrow_type(column), nullable: column.nullable }
}

/// Rows as a batch.
pub(crate) fn batch(
    place: &Place,
    schema: &SchemaRef,
    rows: Vec<Vec<Option<String>>>,
) -> Result<RecordBatch, WarehouseError> {
    let mut columns: Vec<Builder> = schema.fields().iter().map(|field| Builder::new(field.data_type())).collect();
    for row in rows {
        if row.len() != columns.len() {
            return Err(place.new_error(ErrorKind::Connection, "a row of the result has another number of columns"));
        }
        for ((value, builder), field) in row.into_iter().zip(&mut columns).zip(schema.fields()) {
            builder.push(value.as_deref()).map_err(|reason| unreadable(place, field.name(), &reason))?;
        }
    }
    let columns = columns.into_iter().map(Builder::finish).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| unreadable(place, "", &error.to_string()))
}

fn unreadable(place: &Place, column: &str, reason: &str) -> WarehouseError {
    place
        .new_error(ErrorKind::Type, format!("a value of column `{column}` cannot be read: {reason}"))
        .with_column(column)
        .with_hint(format!("cast or filter it in the query, for example `CAST(\"{column}\" AS VARCHAR)`"))
}

enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    List(ListBuilder<StringBuilder>),
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
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            DataType::List(_) => Self::List(ListBuilder::new(StringBuilder::new())),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// The reason of a failure never holds the value.
    fn push(&mut self, value: Option<&str>) -> Result<(), String> {
        match self {
            Self::Bool(builder) => builder.append_option(value.map(boolean).transpose()?),
            Self::Int(builder) => {
                let number = value.map(|text| text.parse().map_err(|_| "it is no whole number of 64 bits".to_owned()));
                builder.append_option(number.transpose()?);
            }
            Self::Float(builder) => {
                let number = value.map(|text| text.parse().map_err(|_| "it is no number".to_owned()));
                builder.append_option(number.transpose()?);
            }
            Self::Decimal(builder, precision, scale) => {
                builder.append_option(value.map(|text| decimal(text, *precision, *scale)).transpose()?);
            }
            Self::Text(builder) => builder.append_option(value),
            Self::Binary(builder) => builder.append_option(value.map(bytes).transpose()?),
            Self::Date(builder) => {
                let days = value.map(|text| text.parse().map_err(|_| "it is no number of days".to_owned()));
                builder.append_option(days.transpose()?);
            }
            Self::Timestamp(builder) => builder.append_option(value.map(microseconds).transpose()?),
            Self::List(builder) => match value {
                None => builder.append_null(),
                Some(text) => {
                    for item in items(text)? {
                        builder.values().append_option(item);
                    }
                    builder.append(true);
                }
            },
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Float(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Decimal(mut builder, ..) => ArrayBuilder::finish(&mut builder),
            Self::Text(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Binary(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Date(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Timestamp(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::List(mut builder) => ArrayBuilder::finish(&mut builder),
        }
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("it is neither true nor false".to_owned()),
    }
}

fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, String> {
    let parsed =
        arrow::compute::kernels::cast_utils::parse_decimal::<arrow::datatypes::Decimal256Type>(text, 76, scale);
    let value: i256 = parsed.map_err(|_| "it is no number".to_owned())?;
    let value = value.to_i128().ok_or_else(|| "it has too many digits".to_owned())?;
    if value.unsigned_abs() >= 10_u128.saturating_pow(u32::from(precision)) {
        return Err(format!("it has more than {precision} digits"));
    }
    Ok(value)
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || "it is not in hexadecimal digits".to_owned();
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            u8::from_str_radix(pair, 16).map_err(|_| wrong())
        })
        .collect()
}

/// `1614778083.123456789`, seconds since 1970 with nine digits behind the point; of a time with a zone its offset
/// follows. What is finer than a microsecond is cut, towards the past.
fn microseconds(text: &str) -> Result<i64, String> {
    let wrong = || "it is no instant".to_owned();
    let seconds = text.split(' ').next().unwrap_or_default();
    let nanos: i128 = {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let is_negative = whole.starts_with('-');
        let whole: i128 = whole.parse().map_err(|_| wrong())?;
        let fraction = fraction.get(..9).unwrap_or(fraction);
        let padded = format!("{fraction:0<9}");
        let fraction: i128 = padded.parse().map_err(|_| wrong())?;
        whole * 1_000_000_000 + if is_negative { -fraction } else { fraction }
    };
    i64::try_from(nanos.div_euclid(1000)).map_err(|_| "it is too far from 1970".to_owned())
}

fn items(text: &str) -> Result<Vec<Option<String>>, String> {
    let items: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|_| "it is no list".to_owned())?;
    let item = |item| match item {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(items.into_iter().map(item).collect())
}
