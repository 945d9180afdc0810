//! The types of DuckDB as Arrow has them and as the model language calls them. It must not know tables.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// The type that rows are given in; `None` where there is none.
/// <https://duckdb.org/docs/stable/sql/data_types/overview>
pub(super) fn readable(given: &DataType) -> Option<DataType> {
    Some(match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => readable(value)?,
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| Arc::from("UTC")))
        }
        DataType::Boolean
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(_, _)
        | DataType::Date32 => given.clone(),
        DataType::List(item) | DataType::LargeList(item) => {
            DataType::List(Arc::new(Field::new_list_field(readable(item.data_type())?, true)))
        }
        _ => return None,
    })
}

/// The schema that rows are given in, or the name and type of the first column that has none.
pub(super) fn readable_schema(given: &Schema) -> Result<SchemaRef, (String, DataType)> {
    let field = |field: &Arc<Field>| match readable(field.data_type()) {
        Some(data_type) => Ok(Field::new(field.name(), data_type, true)),
        None => Err((field.name().clone(), field.data_type().clone())),
    };
    let fields = given.fields().iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// The word of the model language for a type as DuckDB writes it; the same types that rows are read in.
pub(super) fn language_type(native: &str) -> Option<String> {
    if let Some(item) = native.strip_suffix("[]") {
        return Some(format!("array<{}>", language_type(item)?));
    }
    Some(match native.split_once('(').map_or(native, |(word, _)| word) {
        "BOOLEAN" => "boolean".to_owned(),
        "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "UTINYINT" | "USMALLINT" | "UINTEGER" => "integer".to_owned(),
        "UBIGINT" => "decimal(20,0)".to_owned(),
        "HUGEINT" => "decimal(38,0)".to_owned(),
        "FLOAT" | "DOUBLE" => "float".to_owned(),
        "DECIMAL" => native.to_lowercase(),
        "VARCHAR" | "ENUM" | "UUID" => "string".to_owned(),
        "JSON" => "json".to_owned(),
        "DATE" => "date".to_owned(),
        word if word.starts_with("TIMESTAMP") => "timestamp".to_owned(),
        _ => return None,
    })
}
