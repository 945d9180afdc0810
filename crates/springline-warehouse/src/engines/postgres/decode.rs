//! Postgres' binary rows as Arrow columns. It must not know connections nor statements.
//!
//! Formats: <https://www.postgresql.org/docs/current/protocol.html> and the `*_send` functions of the server.

use super::{
    errors::Place,
    wire::{Date, Instant, Numeric, Text},
};
use crate::{ErrorKind, WarehouseError};
use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
        Float64Builder, Int16Builder, Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
        TimestampMicrosecondBuilder, UInt32Builder,
    },
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, SchemaRef, TimeUnit},
};
use std::{error::Error, sync::Arc};
use tokio_postgres::{
    Column, Row,
    types::{FromSql, Kind, Type},
};

/// Scale of a `numeric` that declares none: what is finer is rounded half away from zero, as Postgres itself does.
const FREE_SCALE: i8 = 9;
/// The Arrow type a column is read as, or `None` when it must be cast in the SQL first.
pub(crate) fn arrow_type(column: &Column) -> Option<DataType> {
    scalar_type(column.type_(), column.type_modifier())
}

fn scalar_type(ty: &Type, modifier: i32) -> Option<DataType> {
    Some(match *ty {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::OID => DataType::UInt32,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => decimal_type(modifier),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => DataType::Utf8,
        Type::UUID | Type::JSON | Type::JSONB | Type::XML => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY => list(DataType::Utf8),
        Type::INT4_ARRAY => list(DataType::Int32),
        Type::INT8_ARRAY => list(DataType::Int64),
        Type::FLOAT8_ARRAY => list(DataType::Float64),
        _ => match ty.kind() {
            Kind::Enum(_) => DataType::Utf8,
            Kind::Domain(base) => scalar_type(base, modifier)?,
            // These travel as text, citext under no fixed number, and super under one of Redshift's own.
            Kind::Simple if matches!(ty.name(), "citext" | "super") => DataType::Utf8,
            _ => return None,
        },
    })
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// `numeric(p, s)` keeps p and s; the modifier holds them as `((p << 16) | (s & 0x7ff)) + 4`, s signed.
fn decimal_type(modifier: i32) -> DataType {
    if modifier < 4 {
        return DataType::Decimal128(DECIMAL128_MAX_PRECISION, FREE_SCALE);
    }
    let packed = modifier - 4;
    let precision = packed >> 16;
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    // A negative scale means trailing zeros before the point: they count as digits here.
    let (digits, scale) = if scale < 0 { (precision - scale, 0) } else { (precision.max(scale), scale) };
    let max = i32::from(DECIMAL128_MAX_PRECISION);
    let (digits, scale) = (digits.clamp(1, max), scale.min(max));
    DataType::Decimal128(u8::try_from(digits).unwrap_or(DECIMAL128_MAX_PRECISION), i8::try_from(scale).unwrap_or(0))
}

/// A value that cannot be read: which column, why, and never the value.
#[derive(Debug)]
pub(crate) struct Unreadable {
    column: String,
    reason: String,
}

impl Unreadable {
    pub(crate) fn at(self, place: &Place) -> WarehouseError {
        let message = format!("a value of column `{}` cannot be read: {}", self.column, self.reason);
        place
            .new_error(ErrorKind::Type, message)
            .with_column(&self.column)
            .with_hint(format!("cast or filter it in the query, for example `CAST({} AS text)`", self.column))
    }
}

/// Collects rows into one batch.
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt32(UInt32Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder, Option<Arc<str>>),
    TextList(ListBuilder<StringBuilder>),
    Int32List(ListBuilder<Int32Builder>),
    Int64List(ListBuilder<Int64Builder>),
    Float64List(ListBuilder<Float64Builder>),
}

impl BatchBuilder {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| Builder::new(field.data_type())).collect();
        Self { schema, columns, rows: 0 }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn push(&mut self, row: &Row) -> Result<(), Unreadable> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            column
                .push(row, index)
                .map_err(|reason| Unreadable { column: self.schema.field(index).name().clone(), reason })?;
        }
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<RecordBatch, Unreadable> {
        let columns = self.columns.into_iter().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema, columns)
            .map_err(|error| Unreadable { column: String::new(), reason: error.to_string() })
    }
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::UInt32 => Self::UInt32(UInt32Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()), *precision, *scale)
            }
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(_, zone) => Self::Timestamp(TimestampMicrosecondBuilder::new(), zone.clone()),
            DataType::List(item) => match item.data_type() {
                DataType::Int32 => Self::Int32List(ListBuilder::new(Int32Builder::new())),
                DataType::Int64 => Self::Int64List(ListBuilder::new(Int64Builder::new())),
                DataType::Float64 => Self::Float64List(ListBuilder::new(Float64Builder::new())),
                _ => Self::TextList(ListBuilder::new(StringBuilder::new())),
            },
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, row: &Row, index: usize) -> Result<(), String> {
        match self {
            Self::Bool(builder) => builder.append_option(value(row, index)?),
            Self::Int16(builder) => builder.append_option(value(row, index)?),
            Self::Int32(builder) => builder.append_option(value(row, index)?),
            Self::Int64(builder) => builder.append_option(value(row, index)?),
            Self::UInt32(builder) => builder.append_option(value(row, index)?),
            Self::Float32(builder) => builder.append_option(value(row, index)?),
            Self::Float64(builder) => builder.append_option(value(row, index)?),
            Self::Decimal(builder, precision, scale) => {
                let number = value::<Numeric>(row, index)?;
                builder.append_option(number.map(|number| number.scaled(*precision, *scale)).transpose()?);
            }
            Self::Text(builder) => builder.append_option(value::<Text>(row, index)?.as_ref().map(Text::as_str)),
            Self::Binary(builder) => builder.append_option(value::<&[u8]>(row, index)?),
            Self::Date(builder) => builder.append_option(value::<Date>(row, index)?.map(|date| date.0)),
            Self::Timestamp(builder, _) => {
                builder.append_option(value::<Instant>(row, index)?.map(|instant| instant.0));
            }
            Self::TextList(builder) => builder.append_option(value::<Vec<Option<String>>>(row, index)?),
            Self::Int32List(builder) => builder.append_option(value::<Vec<Option<i32>>>(row, index)?),
            Self::Int64List(builder) => builder.append_option(value::<Vec<Option<i64>>>(row, index)?),
            Self::Float64List(builder) => builder.append_option(value::<Vec<Option<f64>>>(row, index)?),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int16(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int32(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int64(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::UInt32(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Float32(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Float64(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Decimal(mut builder, ..) => ArrayBuilder::finish(&mut builder),
            Self::Text(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Binary(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Date(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Timestamp(mut builder, zone) => Arc::new(builder.finish().with_timezone_opt(zone)),
            Self::TextList(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int32List(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Int64List(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Float64List(mut builder) => ArrayBuilder::finish(&mut builder),
        }
    }
}

/// One value; the reason of a failure never holds the value.
fn value<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<Option<T>, String> {
    row.try_get(index).map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}
