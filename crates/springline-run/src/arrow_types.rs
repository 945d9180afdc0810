//! How the language's types appear as Arrow types.

use arrow::datatypes::{DataType, TimeUnit};
use springline_ir::{ColumnDef, Type};
use springline_model::Source;
use springline_warehouse::Column;

/// The Arrow type that rows of a type are written with.
pub(crate) fn arrow_type(ty: &Type) -> DataType {
    match ty {
        Type::Boolean => DataType::Boolean,
        Type::Integer => DataType::Int64,
        Type::Decimal { precision, scale } => DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX)),
        Type::Float => DataType::Float64,
        Type::String | Type::Json => DataType::Utf8,
        Type::Date => DataType::Date32,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Array(item) => DataType::new_list(arrow_type(item), true),
    }
}

/// The type whose rows arrive as this Arrow type; text where it could be several. `None` where there is none.
pub(crate) fn language_type(physical: &DataType) -> Option<Type> {
    Some(match physical {
        DataType::Dictionary(_, value) => language_type(value)?,
        DataType::Boolean => Type::Boolean,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Type::decimal(*precision, u8::try_from(*scale).ok()?)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::String,
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Timestamp(..) => Type::Timestamp,
        DataType::List(item) | DataType::LargeList(item) => Type::Array(Box::new(language_type(item.data_type())?)),
        other if other.is_integer() => Type::Integer,
        other if other.is_floating() => Type::Float,
        _ => return None,
    })
}

/// Whether a column of this Arrow type can be read as this type.
pub(crate) fn fits(physical: &DataType, ty: &Type) -> bool {
    match (physical, ty) {
        (DataType::Dictionary(_, value), ty) => fits(value, ty),
        (physical, Type::Integer) => physical.is_integer(),
        (physical, Type::Decimal { .. }) => physical.is_decimal() || physical.is_integer(),
        (physical, Type::Float) => physical.is_floating(),
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, Type::String | Type::Json) => true,
        (DataType::Date32 | DataType::Date64, Type::Date) => true,
        (DataType::Timestamp(..), Type::Timestamp) => true,
        (DataType::Boolean, Type::Boolean) => true,
        (DataType::List(item) | DataType::LargeList(item), Type::Array(of)) => fits(item.data_type(), of),
        _ => false,
    }
}

/// What an Arrow type is called in the language, for messages.
pub(crate) fn type_name(physical: &DataType) -> String {
    match physical {
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        other if other.is_integer() => "integer".to_owned(),
        other if other.is_floating() => "float".to_owned(),
        other => format!("{other}"),
    }
}

/// The Arrow schema of a state table.
pub(crate) fn schema_of(columns: &[ColumnDef]) -> arrow::datatypes::SchemaRef {
    let fields: Vec<_> =
        columns.iter().map(|c| arrow::datatypes::Field::new(&c.name, arrow_type(&c.ty), true)).collect();
    std::sync::Arc::new(arrow::datatypes::Schema::new(fields))
}

/// Tables as the sources of a model declare them, for engines whose files carry no types. A table
/// that several sources declare has the columns of all.
pub fn declared_columns(sources: &[Source]) -> Vec<(Vec<String>, Vec<Column>)> {
    let mut tables: Vec<(Vec<String>, Vec<Column>)> = Vec::new();
    for source in sources {
        let place = tables.iter().position(|(parts, _)| *parts == source.table.parts).unwrap_or_else(|| {
            tables.push((source.table.parts.clone(), Vec::new()));
            tables.len() - 1
        });
        for column in &source.columns {
            if !tables[place].1.iter().any(|known| known.name == column.name) {
                let data_type = arrow_type(&column.ty);
                tables[place].1.push(Column { name: column.name.clone(), data_type, nullable: true });
            }
        }
    }
    tables
}
