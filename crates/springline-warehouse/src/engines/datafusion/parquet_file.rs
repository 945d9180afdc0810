//! Streams rows into one Parquet file, and back, with flat memory. It must not know tables, manifests or SQL.

use super::state::Batches;
use crate::{ErrorKind, WarehouseError};
use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use futures::{StreamExt, stream};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::Compression,
    errors::ParquetError,
    file::properties::WriterProperties,
};
use std::{fs::File, path::PathBuf};
use tokio::sync::mpsc;

/// A row group is held in memory while it is made; this keeps a wide table's in tens of megabytes and still gives
/// readers groups to share out.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Batches waiting for the writer: enough that the query and the writer overlap.
const WAITING: usize = 4;

enum Message {
    Rows(RecordBatch),
    /// The stream ended well: without it the file is abandoned.
    End,
}

/// Writes the rows to `file`, flushed to disk, and gives their number. On an error of the stream or of the disk the
/// file's content is worthless and the caller removes it.
///
/// # Errors
/// The stream's own error, or `Io`.
pub(crate) async fn write(
    file: File,
    schema: SchemaRef,
    mut rows: Batches,
    target: &str,
) -> Result<u64, WarehouseError> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let writer = tokio::task::spawn_blocking(move || write_all(file, schema, receiver));
    let mut failure = None;
    while let Some(batch) = rows.next().await {
        match batch {
            // A closed channel means that the writer failed: its own error says why.
            Ok(batch) => {
                if sender.send(Message::Rows(batch)).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if failure.is_none() {
        // As above: the writer's own error is reported below.
        let _ = sender.send(Message::End).await;
    }
    drop(sender);
    let written = writer.await;
    if let Some(failure) = failure {
        return Err(failure);
    }
    match written {
        Ok(Ok(Some(rows))) => Ok(rows),
        Ok(Ok(None)) => Err(WarehouseError::new(ErrorKind::Io, target, "writing a table was interrupted")),
        Ok(Err(error)) => Err(WarehouseError::new(ErrorKind::Io, target, format!("cannot write a table: {error}"))),
        Err(error) => Err(WarehouseError::new(ErrorKind::Io, target, format!("writing a table failed: {error}"))),
    }
}

/// The rows of files that [`write`] made, one file after the other.
pub(crate) fn read(files: Vec<PathBuf>, target: &str) -> Batches {
    let target = target.to_owned();
    let failed = move |error: ParquetError| {
        WarehouseError::new(ErrorKind::Io, &target, format!("cannot read back a file of a table: {error}"))
    };
    let batches = move |file: PathBuf| {
        let reader = File::open(file)
            .map_err(ParquetError::from)
            .and_then(|file| ParquetRecordBatchReaderBuilder::try_new(file)?.build());
        let batches: Box<dyn Iterator<Item = Result<RecordBatch, ParquetError>> + Send> = match reader {
            Ok(reader) => Box::new(reader.map(|batch| batch.map_err(ParquetError::from))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        let failed = failed.clone();
        batches.map(move |batch| batch.map_err(&failed))
    };
    stream::iter(files.into_iter().flat_map(batches)).boxed()
}

fn write_all(file: File, schema: SchemaRef, mut rows: mpsc::Receiver<Message>) -> Result<Option<u64>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
    let mut count = 0;
    while let Some(message) = rows.blocking_recv() {
        match message {
            Message::Rows(batch) => {
                count += batch.num_rows() as u64;
                writer.write(&batch)?;
            }
            Message::End => {
                writer.into_inner()?.sync_all()?;
                return Ok(Some(count));
            }
        }
    }
    Ok(None)
}
