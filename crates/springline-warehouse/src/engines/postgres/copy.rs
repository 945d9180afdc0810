//! Bulk loads: Arrow batches as the text form of COPY, inside one transaction. The text form lets the server parse
//! each value into whatever type the column has. It must not know where the rows come from.
//!
//! Text form: <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2>.

use super::errors::{Doing, Place};
use crate::{ErrorKind, RowStream, WarehouseError, engines::texts::Texts};
use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use std::ops::Range;
use tokio_postgres::Client;

/// Sent to the server in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;

/// Appends the rows to `table` (already quoted), all or none, and gives their number.
pub(crate) async fn load(
    client: &mut Client,
    place: &Place,
    table: &str,
    schema: &Schema,
    mut rows: RowStream,
) -> Result<u64, WarehouseError> {
    let failed = |error| place.error(error, Doing::Loading);
    // Dropped without a commit, by an error or by the caller, the transaction rolls back.
    let transaction = client.transaction().await.map_err(failed)?;
    let sink = transaction.copy_in::<_, Bytes>(&statement(table, schema)).await.map_err(failed)?;
    let mut sink = Box::pin(sink);
    let mut piece = BytesMut::with_capacity(PIECE_BYTES * 2);
    while let Some(batch) = rows.next().await {
        write_batch(&batch?, &mut piece).map_err(|reason| place.new_error(ErrorKind::Type, reason))?;
        while piece.len() >= PIECE_BYTES {
            let full = piece.split_to(PIECE_BYTES.min(piece.len())).freeze();
            if let Err(error) = sink.send(full).await {
                return Err(failed(error));
            }
        }
    }
    if !piece.is_empty() {
        sink.send(piece.freeze()).await.map_err(failed)?;
    }
    let count = sink.as_mut().finish().await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(count)
}

fn statement(table: &str, schema: &Schema) -> String {
    let names: Vec<String> =
        schema.fields().iter().map(|field| format!("\"{}\"", field.name().replace('"', "\"\""))).collect();
    format!("COPY {table} ({}) FROM STDIN (FORMAT text)", names.join(", "))
}

fn write_batch(batch: &RecordBatch, out: &mut BytesMut) -> Result<(), String> {
    let columns = batch
        .columns()
        .iter()
        .zip(batch.schema_ref().fields())
        .map(|(column, field)| {
            Texts::new(column.as_ref()).map_err(|reason| format!("column `{}`: {reason}", field.name()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.put_u8(b'\t');
            }
            if column.is_null(row) {
                out.put_slice(b"\\N");
                continue;
            }
            text.clear();
            write(column, row, &mut text).map_err(|reason| {
                format!("a value of column `{}` cannot be written: {reason}", batch.schema_ref().field(index).name())
            })?;
            escape(&text, out);
        }
        out.put_u8(b'\n');
    }
    Ok(())
}

/// Appends a value that is not null as Postgres reads it.
fn write(column: &Texts<'_>, row: usize, out: &mut String) -> Result<(), String> {
    if let Some((items, range)) = column.items(row) {
        return write_list(items, range, out);
    }
    if let DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) =
        column.data_type()
    {
        out.push_str("\\x");
    }
    column.write(row, out)
}

/// An array literal; every item is quoted, so that `NULL` as text stays text.
fn write_list(items: &Texts<'_>, range: Range<usize>, out: &mut String) -> Result<(), String> {
    out.push('{');
    for (place, item) in range.enumerate() {
        if place > 0 {
            out.push(',');
        }
        if items.is_null(item) {
            out.push_str("NULL");
            continue;
        }
        let mut text = String::new();
        write(items, item, &mut text)?;
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    }
    out.push('}');
    Ok(())
}

fn escape(text: &str, out: &mut BytesMut) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            b'\t' => out.put_slice(b"\\t"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            other => out.put_u8(other),
        }
    }
}
