//! Arrow types at the edge of this crate: one plain spelling of each type, and batches brought to a wanted schema.
//! It must not know where the rows come from or go to.

#![cfg_attr(not(feature = "datafusion"), allow(dead_code, reason = "not every engine needs all of it"))]

use arrow::{
    array::{ArrayRef, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use std::sync::Arc;

/// Errors instead of nulls when a value does not fit: a lost value must be noticed.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// The plain spelling of a type: views, large and dictionary encodings are an engine's inner matter.
pub(crate) fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::List(item) | DataType::LargeList(item) => {
            let plain = item.as_ref().clone().with_data_type(plain_type(item.data_type()));
            DataType::List(Arc::new(plain))
        }
        other => other.clone(),
    }
}

/// The schema with plain types and without metadata.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    let plain = |field: &Arc<Field>| Field::new(field.name(), plain_type(field.data_type()), field.is_nullable());
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

/// Brings a batch to `schema`, column by column in order; types that differ are cast, strictly.
pub(crate) fn by_place(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let places: Vec<Option<usize>> = (0..schema.fields().len()).map(Some).collect();
    arrange(batch, schema, &places)
}

/// For each column of `wanted`, its place in `given`; the name of a column of `given` that `wanted` lacks is an error.
pub(crate) fn places_by_name(given: &Schema, wanted: &Schema) -> Result<Vec<Option<usize>>, String> {
    if let Some(extra) = given.fields().iter().find(|field| wanted.index_of(field.name()).is_err()) {
        return Err(extra.name().clone());
    }
    Ok(wanted.fields().iter().map(|field| given.index_of(field.name()).ok()).collect())
}

/// Builds a batch of `schema` from the columns at `places`; `None` gives a column of nulls.
pub(crate) fn arrange(
    batch: &RecordBatch,
    schema: &SchemaRef,
    places: &[Option<usize>],
) -> Result<RecordBatch, ArrowError> {
    let column = |(field, place): (&Arc<Field>, &Option<usize>)| -> Result<ArrayRef, ArrowError> {
        match place {
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            Some(place) if batch.column(*place).data_type() == field.data_type() => {
                Ok(Arc::clone(batch.column(*place)))
            }
            Some(place) => cast_with_options(batch.column(*place), field.data_type(), &STRICT),
        }
    };
    let columns = schema.fields().iter().zip(places).map(column).collect::<Result<Vec<_>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}
