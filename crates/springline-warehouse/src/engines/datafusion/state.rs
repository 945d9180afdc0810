//! Tables that Springline writes, kept as Parquet files and one small manifest a table.
//!
//! The manifest names the files that are the table. A change writes new files aside, flushes them, and then replaces
//! the manifest by a rename, so that a crash at any moment leaves the old table or the new one. Two file locks a table
//! keep processes apart: writers exclude each other, and files that are no longer named by the manifest are deleted
//! only while nobody reads. It must not know SQL nor the query engine.

use super::{folder::is_plain_name, parquet_file};
use crate::{ErrorKind, WarehouseError};
use arrow::{
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use futures::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::NamedTempFile;

const MANIFEST: &str = "manifest.json";
const READ_LOCK: &str = "read.lock";
const WRITE_LOCK: &str = "write.lock";
/// A table of this many files has its small ones rewritten into one by the next append: each file read costs a little,
/// and a table that gets a row a run would come to thousands.
const MANY_FILES: usize = 32;
/// Files of fewer rows are small.
const SMALL_FILE_ROWS: u64 = 64 * 1024;
/// Raised when an older build could not read what this one writes.
const LAYOUT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    layout: u32,
    version: u64,
    columns: Vec<ManifestColumn>,
    files: Vec<ManifestFile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ManifestColumn {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ManifestFile {
    name: String,
    rows: u64,
}

/// The state tables of one target.
#[derive(Debug, Clone)]
pub(crate) struct StateStore {
    target: String,
    schema: String,
    root: PathBuf,
}

/// A table as it was at one moment. Its files stay on disk while it lives.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) schema: SchemaRef,
    pub(crate) files: Vec<PathBuf>,
    lock: File,
}

impl Snapshot {
    /// The lock that keeps the files, for whoever reads them.
    pub(crate) fn into_lock(self) -> File {
        self.lock
    }
}

/// The right to change one table; other writers wait until it is dropped.
#[derive(Debug)]
pub(crate) struct TableWriter {
    store: StateStore,
    table: String,
    folder: PathBuf,
    current: Option<(Manifest, SchemaRef)>,
    /// Held for its lifetime only.
    _lock: File,
}

impl StateStore {
    /// The tables below `root`; `schema` is the name they go by in SQL.
    pub(crate) fn new(target: impl Into<String>, schema: impl Into<String>, root: PathBuf) -> Self {
        Self { target: target.into(), schema: schema.into(), root }
    }

    pub(crate) fn schema_name(&self) -> &str {
        &self.schema
    }

    /// Makes the folder of the tables.
    pub(crate) fn create(&self) -> Result<(), WarehouseError> {
        fs::create_dir_all(&self.root).map_err(|error| self.io("", "create the folder of", &error))
    }

    /// The names of the tables.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let tables = entries.filter(|entry| entry.path().join(MANIFEST).is_file());
        let mut names: Vec<String> = tables.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The table as it is now, or `None` when there is no such table.
    pub(crate) fn read(&self, table: &str) -> Result<Option<Snapshot>, WarehouseError> {
        let folder = self.root.join(table);
        if !is_plain_name(table) || !folder.join(MANIFEST).is_file() {
            return Ok(None);
        }
        // The lock comes before the manifest is read, so that no file it names is deleted in between.
        let lock = File::open(folder.join(READ_LOCK))
            .and_then(|file| file.lock_shared().map(|()| file))
            .map_err(|error| self.io(table, "lock", &error))?;
        let Some((manifest, schema)) = self.manifest(table, &folder)? else { return Ok(None) };
        let files = manifest.files.iter().map(|file| folder.join(&file.name)).collect();
        Ok(Some(Snapshot { schema, files, lock }))
    }

    /// Takes the right to change `table`, waiting for another writer, in this process or another, to end.
    pub(crate) async fn write(&self, table: &str) -> Result<TableWriter, WarehouseError> {
        let (store, table) = (self.clone(), table.to_owned());
        let target = self.target.clone();
        tokio::task::spawn_blocking(move || store.write_blocking(table))
            .await
            .unwrap_or_else(|_| Err(WarehouseError::new(ErrorKind::Io, target, "the writer of a table was stopped")))
    }

    fn write_blocking(self, table: String) -> Result<TableWriter, WarehouseError> {
        if !is_plain_name(&table) {
            let message = format!("`{table}` cannot be the name of a table: it is used as a folder's name");
            return Err(WarehouseError::new(ErrorKind::Sql, &self.target, message).with_table(table));
        }
        let folder = self.root.join(&table);
        let lock = fs::create_dir_all(&folder)
            // Keys of customers must not slip into the project's history.
            .and_then(|()| fs::write(self.root.join(".gitignore"), "*\n"))
            .and_then(|()| File::create(folder.join(READ_LOCK)).map(drop))
            .and_then(|()| File::create(folder.join(WRITE_LOCK)))
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| self.io(&table, "lock", &error))?;
        let current = self.manifest(&table, &folder)?;
        let writer = TableWriter { store: self, table, folder, current, _lock: lock };
        writer.collect_garbage()?;
        Ok(writer)
    }

    fn manifest(&self, table: &str, folder: &Path) -> Result<Option<(Manifest, SchemaRef)>, WarehouseError> {
        let text = match fs::read(folder.join(MANIFEST)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(table, "read the manifest of", &error)),
        };
        let damaged = |why: String| {
            let message = format!("the manifest of table `{}` cannot be used: {why}", self.full_name(table));
            WarehouseError::new(ErrorKind::Io, &self.target, message)
                .with_table(self.full_name(table))
                .with_hint(format!("restore or delete the folder `{}`", folder.display()))
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if manifest.layout != LAYOUT {
            return Err(damaged(format!("its layout {} is not {LAYOUT}", manifest.layout)));
        }
        let mut fields = Vec::with_capacity(manifest.columns.len());
        for column in &manifest.columns {
            let data_type: DataType = column
                .data_type
                .parse()
                .map_err(|_| damaged(format!("column `{}` has an unknown type", column.name)))?;
            fields.push(Field::new(&column.name, data_type, column.nullable));
        }
        Ok(Some((manifest, Arc::new(Schema::new(fields)))))
    }

    pub(crate) fn full_name(&self, table: &str) -> String {
        format!("{}.{table}", self.schema)
    }

    /// The error for a state table that is not there.
    pub(crate) fn missing(&self, table: &str) -> WarehouseError {
        let name = self.full_name(table);
        let message = format!("table `{name}` does not exist: `{}` has no such table", self.root.display());
        WarehouseError::new(ErrorKind::MissingTable, &self.target, message)
            .with_table(name)
            .with_hint("state tables are made by the first run")
    }

    fn io(&self, table: &str, what: &str, error: &io::Error) -> WarehouseError {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Resources,
            _ => ErrorKind::Io,
        };
        let name = self.full_name(table);
        let message = format!("cannot {what} table `{name}` in `{}`: {error}", self.root.display());
        WarehouseError::new(kind, &self.target, message)
            .with_table(name)
            .with_hint(format!("the folder `{}` must be writable and have room", self.root.display()))
    }
}

impl TableWriter {
    /// The columns of the table as it stands, or `None` when it does not exist.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        self.current.as_ref().map(|(_, schema)| Arc::clone(schema))
    }

    /// Makes the table hold exactly `rows`, which all have `schema`. Gives their number.
    pub(crate) async fn replace(&mut self, schema: SchemaRef, rows: Batches) -> Result<u64, WarehouseError> {
        let columns = self.columns(&schema)?;
        let written = self.write_rows(&schema, rows).await?;
        let version = self.current.as_ref().map_or(1, |(manifest, _)| manifest.version + 1);
        let manifest = Manifest { layout: LAYOUT, version, columns, files: Vec::new() };
        self.commit(manifest, schema, written)
    }

    /// Adds `rows`, which all have the table's schema, to the table. Gives their number.
    pub(crate) async fn append(&mut self, rows: Batches) -> Result<u64, WarehouseError> {
        let Some((manifest, schema)) = self.current.clone() else { return Err(self.store.missing(&self.table)) };
        let (small, kept) = match manifest.files.len() {
            ..MANY_FILES => (Vec::new(), manifest.files),
            _ => manifest.files.into_iter().partition(|file| file.rows < SMALL_FILE_ROWS),
        };
        let old_rows: u64 = small.iter().map(|file| file.rows).sum();
        let paths: Vec<PathBuf> = small.iter().map(|file| self.folder.join(&file.name)).collect();
        let old = parquet_file::read(paths, &self.store.target);
        let written = self.write_rows(&schema, old.chain(rows).boxed()).await?;
        let manifest = Manifest { version: manifest.version + 1, files: kept, ..manifest };
        Ok(self.commit(manifest, schema, written)?.saturating_sub(old_rows))
    }

    /// Removes the table; gives whether it was there.
    pub(crate) fn drop_table(&mut self) -> Result<bool, WarehouseError> {
        if self.current.take().is_none() {
            return Ok(false);
        }
        fs::remove_file(self.folder.join(MANIFEST))
            .and_then(|()| sync_folder(&self.folder))
            .map_err(|error| self.store.io(&self.table, "drop", &error))?;
        Ok(true)
    }

    /// Deletes files that are not part of the table: what a crash left, and what a change superseded. Does nothing
    /// while anyone, in any process, reads the table; the next change then does it.
    pub(crate) fn collect_garbage(&self) -> Result<(), WarehouseError> {
        let io = |error: io::Error| self.store.io(&self.table, "tidy", &error);
        let readers = File::open(self.folder.join(READ_LOCK)).map_err(io)?;
        match readers.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let kept = |name: &str| {
            let files = self.current.iter().flat_map(|(manifest, _)| &manifest.files);
            [MANIFEST, READ_LOCK, WRITE_LOCK].contains(&name) || files.into_iter().any(|file| file.name == name)
        };
        for entry in fs::read_dir(&self.folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            if !entry.file_name().to_str().is_some_and(kept) && entry.path().is_file() {
                fs::remove_file(entry.path()).map_err(io)?;
            }
        }
        Ok(())
    }

    async fn write_rows(&self, schema: &SchemaRef, rows: Batches) -> Result<Option<Written>, WarehouseError> {
        let io = |error: io::Error| self.store.io(&self.table, "write", &error);
        let file = tempfile::Builder::new().prefix("rows-").suffix(".parquet").tempfile_in(&self.folder).map_err(io)?;
        let handle = file.reopen().map_err(io)?;
        let rows = parquet_file::write(handle, Arc::clone(schema), rows, &self.store.target).await?;
        Ok((rows > 0).then_some(Written { file, rows }))
    }

    fn commit(
        &mut self,
        mut manifest: Manifest,
        schema: SchemaRef,
        written: Option<Written>,
    ) -> Result<u64, WarehouseError> {
        let io = |error: io::Error| self.store.io(&self.table, "write", &error);
        let mut rows = 0;
        if let Some(written) = written {
            let (_, path) = written.file.keep().map_err(|error| io(error.error))?;
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            manifest.files.push(ManifestFile { name, rows: written.rows });
            rows = written.rows;
        }
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| io(error.into()))?;
        replace_file(&self.folder, &text).map_err(io)?;
        self.current = Some((manifest, schema));
        Ok(rows)
    }

    fn columns(&self, schema: &Schema) -> Result<Vec<ManifestColumn>, WarehouseError> {
        let column = |field: &Arc<Field>| {
            let data_type = field.data_type().to_string();
            let same = data_type.parse::<DataType>().is_ok_and(|parsed| parsed == *field.data_type());
            if !same || field.data_type().is_null() {
                let table = self.store.full_name(&self.table);
                let message = format!("column `{}` of table `{table}` has type {data_type}", field.name());
                return Err(WarehouseError::new(ErrorKind::Type, &self.store.target, message)
                    .with_table(table)
                    .with_column(field.name())
                    .with_hint("cast it to a type that a table can hold"));
            }
            Ok(ManifestColumn { name: field.name().clone(), data_type, nullable: field.is_nullable() })
        };
        schema.fields().iter().map(column).collect()
    }
}

/// Rows on their way into a table.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch, WarehouseError>>;

struct Written {
    file: NamedTempFile,
    rows: u64,
}

/// Everything the manifest names is on disk before the manifest is, and the manifest before its rename.
fn replace_file(folder: &Path, text: &[u8]) -> io::Result<()> {
    sync_folder(folder)?;
    let mut file = tempfile::Builder::new().prefix("manifest-").tempfile_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(MANIFEST)).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A rename lasts only when the folder itself is flushed.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
