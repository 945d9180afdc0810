//! A warehouse that holds given rows and nothing else: the embedded engine on a folder that is made for them.
//! It must not know what the rows are for.

use crate::{ErrorKind, TargetConfig, Warehouse, WarehouseError, connect, engines::EMBEDDED};
use arrow::record_batch::RecordBatch;
use parquet::{arrow::ArrowWriter, errors::ParquetError};
use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

/// Writes each table into `folder`, which should be empty, and opens the embedded engine on it. Tables are named by
/// one part. The folder must live as long as the warehouse.
///
/// # Errors
/// `Io` when the folder cannot be written, or a table's name is none that a file can have.
pub async fn sandbox(
    target: &str,
    folder: &Path,
    tables: &[(String, RecordBatch)],
) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    for (name, rows) in tables {
        let failed = |error: &dyn std::fmt::Display| {
            WarehouseError::new(ErrorKind::Io, target, format!("cannot write the given rows of `{name}`: {error}"))
        };
        let file = File::create(folder.join(format!("{name}.parquet"))).map_err(|error| failed(&error))?;
        write(file, rows).map_err(|error| failed(&error))?;
    }
    let config = TargetConfig {
        name: target.to_owned(),
        engine: EMBEDDED.to_owned(),
        tag: String::new(),
        options: BTreeMap::from([("path".to_owned(), ".".to_owned()), ("threads".to_owned(), "1".to_owned())]),
        project_dir: folder.to_owned(),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    };
    connect(config).await
}

fn write(file: File, rows: &RecordBatch) -> Result<(), ParquetError> {
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None)?;
    writer.write(rows)?;
    writer.close().map(|_| ())
}
