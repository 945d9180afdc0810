//! Bulk loads: rows flow through a bounded channel into a temporary table, and from there into the table in one
//! statement, so that all of them are taken or none, and DuckDB matches columns by name and casts. It must not know what
//! the rows are.

use super::{
    database::{Answer, execute, text},
    quoted_name,
};
use crate::{RowStream, WarehouseError};
use adbc_core::{
    Connection, Optionable, Statement,
    options::{IngestMode, OptionStatement, OptionValue},
};
use adbc_driver_manager::ManagedConnection;
use arrow::{array::RecordBatchReader, datatypes::SchemaRef, error::ArrowError, record_batch::RecordBatch};
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender};

/// The temporary table; a connection of its own holds it.
const STAGE: &str = "springline_load";

/// Batches as the library asks for them, on its own thread.
pub(super) struct Incoming {
    schema: SchemaRef,
    rows: Receiver<RecordBatch>,
    /// Whether all rows came: a channel that is closed early says no.
    whole: tokio::sync::watch::Receiver<bool>,
}

impl Incoming {
    pub(super) fn new(
        schema: SchemaRef,
        rows: Receiver<RecordBatch>,
        whole: tokio::sync::watch::Receiver<bool>,
    ) -> Self {
        Self { schema, rows, whole }
    }
}

impl Iterator for Incoming {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.blocking_recv() {
            Some(batch) => Some(Ok(batch)),
            None if *self.whole.borrow() => None,
            None => Some(Err(ArrowError::ExternalError("the rows broke off".into()))),
        }
    }
}

impl RecordBatchReader for Incoming {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

/// Sends the rows on; the stream's own error ends it.
pub(super) async fn feed(
    mut rows: RowStream,
    into: Sender<RecordBatch>,
    whole: tokio::sync::watch::Sender<bool>,
) -> Result<(), WarehouseError> {
    while let Some(batch) = rows.next().await {
        // Who reads has failed and says why.
        if into.send(batch?).await.is_err() {
            return Ok(());
        }
    }
    whole.send_replace(true);
    Ok(())
}

/// Takes all rows in, or none. Blocks.
pub(super) fn load(connection: &mut ManagedConnection, table: &str, rows: Incoming) -> Answer<u64> {
    let columns: Vec<String> = rows.schema.fields().iter().map(|field| quoted_name(field.name())).collect();
    let (columns, whole) = (columns.join(", "), rows.whole.clone());
    // What fails here fails before a row is read: a missing table or column.
    execute(connection, &format!("EXPLAIN INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE false"))?;
    let mut statement = connection.new_statement().map_err(text)?;
    let options = [
        (OptionStatement::TargetTable, OptionValue::from(STAGE)),
        (OptionStatement::IngestMode, IngestMode::Create.into()),
        (OptionStatement::Temporary, OptionValue::from(true)),
    ];
    for (option, value) in options {
        statement.set_option(option, value).map_err(text)?;
    }
    statement.bind_stream(Box::new(rows)).map_err(text)?;
    statement.execute_update().map_err(text)?;
    drop(statement);
    // The library takes a stream that fails for one that ends.
    if !*whole.borrow() {
        return Err("the rows broke off".to_owned());
    }
    execute(connection, &format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM temp.{STAGE}"))
}
