//! A file of changes in one of three formats: `_op` (I, U or D), the sync key, then the mapped fields.
//!
//! The key is text. A mapped field of the key's name stands in its place, with its own type.
//!
//! Must not know: what the file is called, or when it is complete.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{CastOptions, can_cast_types, cast_with_options, is_null};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::encode::{in_utc, json_column, json_objects};
use crate::{Batch, ChangeKind, DestinationError};

/// Name of the column that says what happened to a row.
pub(super) const OPERATION_COLUMN: &str = "_op";

/// Where the key's column stands.
const KEY_AT: usize = 1;

/// Bytes of Parquet data held back before a row group is closed: bounds memory.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// How rows are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 4180: UTF-8, a header line, CRLF.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Parquet with snappy.
    Parquet,
}

impl Format {
    /// The format an option or a file's extension names.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Rows(#[from] DestinationError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
}

/// An open file of changes.
pub(super) struct DeltaWriter {
    sink: Sink,
    schema: SchemaRef,
}

enum Sink {
    Csv { out: BufWriter<File>, null: String },
    Jsonl { out: BufWriter<File> },
    Parquet { out: Box<ArrowWriter<File>> },
}

impl DeltaWriter {
    /// Begins `file`; the columns are those of `first`, under the key's name `key_field`. A mapped key that some removed
    /// row of `first` cannot be spelled in becomes text for the whole file.
    pub(super) fn new(
        file: File,
        format: Format,
        null: &str,
        key_field: &str,
        first: &Batch,
    ) -> Result<Self, WriteError> {
        let fields = in_utc(&first.fields)?;
        let mapped = fields.column_by_name(key_field).and_then(|column| typed_keys(first, column).transpose());
        let key_type = mapped.transpose()?.map_or(DataType::Utf8, |keys| keys.data_type().clone());
        let schema = table(first, key_field, &key_type)?.schema();
        let sink = match format {
            Format::Csv => {
                let mut out = BufWriter::new(file);
                let names: Vec<_> = schema.fields().iter().map(|field| quoted(field.name(), null)).collect();
                write!(out, "{}\r\n", names.join(","))?;
                Sink::Csv { out, null: null.to_owned() }
            }
            Format::Jsonl => Sink::Jsonl { out: BufWriter::new(file) },
            Format::Parquet => {
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                Sink::Parquet { out: Box::new(ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?) }
            }
        };
        Ok(Self { sink, schema })
    }

    /// Appends the rows of `batch`.
    pub(super) fn write(&mut self, batch: &Batch, key_field: &str) -> Result<(), WriteError> {
        let table = table(batch, key_field, self.schema.field(KEY_AT).data_type())?;
        if table.schema().fields() != self.schema.fields() {
            let message = "its columns differ from those the file began with".to_owned();
            return Err(DestinationError::Batch { message }.into());
        }
        match &mut self.sink {
            Sink::Csv { out, null } => write_csv(out, &table, null),
            Sink::Jsonl { out } => write_jsonl(out, &table),
            Sink::Parquet { out } => {
                out.write(&table)?;
                if out.in_progress_size() > ROW_GROUP_BYTES {
                    out.flush()?;
                }
                Ok(())
            }
        }
    }

    /// Writes what is held back and gives the file for its last flush to disk.
    pub(super) fn finish(self) -> Result<File, WriteError> {
        match self.sink {
            Sink::Csv { out, .. } | Sink::Jsonl { out } => {
                Ok(out.into_inner().map_err(std::io::IntoInnerError::into_error)?)
            }
            Sink::Parquet { out } => Ok(out.into_inner()?),
        }
    }
}

/// The rows as they stand in the file, with the key as `key_type`.
fn table(batch: &Batch, key_field: &str, key_type: &DataType) -> Result<RecordBatch, DestinationError> {
    let fields = in_utc(&batch.fields)?;
    let keys: ArrayRef = match fields.column_by_name(key_field) {
        Some(column) if column.data_type() == key_type => {
            typed_keys(batch, column)?.ok_or_else(|| DestinationError::Batch {
                message: format!(
                    "the key of a removed row is not of the type of the mapped field `{key_field}`; map that field under \
                     another name than the key's"
                ),
            })?
        }
        _ => Arc::new(StringArray::from_iter_values(&batch.keys)),
    };
    let operations = StringArray::from_iter_values(batch.kinds.iter().map(|kind| letter(*kind)));
    let never_null = |name: &str, data_type: &DataType| Arc::new(Field::new(name, data_type.clone(), false));
    let mut columns: Vec<ArrayRef> = vec![Arc::new(operations), keys];
    let mut names: Vec<FieldRef> =
        vec![never_null(OPERATION_COLUMN, &DataType::Utf8), never_null(key_field, columns[KEY_AT].data_type())];
    for (field, column) in fields.schema().fields().iter().zip(fields.columns()) {
        if field.name() != key_field {
            names.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(Fields::from(names))), columns)?)
}

/// `mapped` with the key in place of nulls, which removed rows have; `None` when a key is not of its type.
fn typed_keys(batch: &Batch, mapped: &ArrayRef) -> Result<Option<ArrayRef>, DestinationError> {
    let data_type = mapped.data_type();
    // A text is cast to any of these without complaint, and becomes something else than the value it was made from.
    let disguised = data_type.is_nested() || data_type.is_binary();
    if disguised || !can_cast_types(&DataType::Utf8, data_type) {
        return Ok(None);
    }
    let missing = is_null(mapped)?;
    let texts = batch.keys.iter().zip(missing.values()).map(|(key, missing)| missing.then_some(key));
    // Safe: what cannot be cast becomes null.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let keys = cast_with_options(&StringArray::from_iter(texts), data_type, &options)?;
    let keys = zip(&missing, &keys, mapped)?;
    Ok((keys.null_count() == 0).then_some(keys))
}

const fn letter(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "I",
        ChangeKind::Changed => "U",
        ChangeKind::Removed => "D",
    }
}

fn write_jsonl(out: &mut BufWriter<File>, table: &RecordBatch) -> Result<(), WriteError> {
    let mut written = Ok(());
    json_objects(
        table,
        |_| false,
        |_, object| {
            if written.is_ok() {
                written = out.write_all(object).and_then(|()| out.write_all(b"\n"));
            }
            Ok(())
        },
    )?;
    Ok(written?)
}

/// The well-known CSV writers spell null and the empty text alike, or quote both; only the quotes are put here.
fn write_csv(out: &mut BufWriter<File>, table: &RecordBatch, null: &str) -> Result<(), WriteError> {
    let schema = table.schema();
    let options = FormatOptions::new();
    let cells: Vec<Cells<'_>> = schema
        .fields()
        .iter()
        .zip(table.columns())
        .map(|(field, column)| Cells::new(field, column, &options))
        .collect::<Result<_, _>>()?;
    for row in 0..table.num_rows() {
        for (at, cells) in cells.iter().enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            match cells.text(row)? {
                Some(text) => out.write_all(quoted(&text, null).as_bytes())?,
                None => out.write_all(null.as_bytes())?,
            }
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

/// The texts of one column; nested values are JSON.
enum Cells<'a> {
    Plain { column: &'a ArrayRef, formatter: Box<ArrayFormatter<'a>> },
    Nested(Vec<Option<String>>),
}

impl<'a> Cells<'a> {
    fn new(field: &FieldRef, column: &'a ArrayRef, options: &FormatOptions<'a>) -> Result<Self, DestinationError> {
        if column.data_type().is_nested() {
            return Ok(Self::Nested(json_column(field, column)?));
        }
        Ok(Self::Plain { column, formatter: Box::new(ArrayFormatter::try_new(column, options)?) })
    }

    fn text(&self, row: usize) -> Result<Option<String>, DestinationError> {
        match self {
            Self::Nested(texts) => Ok(texts.get(row).cloned().flatten()),
            Self::Plain { column, .. } if column.is_null(row) => Ok(None),
            Self::Plain { formatter, .. } => Ok(Some(formatter.value(row).try_to_string()?)),
        }
    }
}

/// `text` as a CSV field. Quoted when RFC 4180 asks for it, and when it would otherwise read as null.
fn quoted(text: &str, null: &str) -> String {
    let special = |c: char| matches!(c, ',' | '"' | '\r' | '\n');
    let padded = text.starts_with(' ') || text.ends_with(' ');
    if text.is_empty() || text == null || padded || text.contains(special) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
