//! What the tests of engines share: targets, rows as text, streams made of batches.

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch, util::pretty::pretty_format_batches};
use futures::{StreamExt, TryStreamExt};
use springline_warehouse::{Column, RowStream, TargetConfig, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

/// A project folder with an empty `data/`.
pub fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    dir
}

/// Writes a file below the project's `data/`.
pub fn write(project: &Path, file: &str, text: &str) {
    let path = project.join("data").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A target of the embedded engine on the project.
pub fn local(project: &Path) -> TargetConfig {
    TargetConfig {
        name: "local".to_owned(),
        engine: "datafusion".to_owned(),
        tag: "springline-test".to_owned(),
        options: BTreeMap::new(),
        project_dir: project.to_owned(),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    }
}

/// The embedded engine on the project.
pub async fn open(project: &Path) -> Arc<dyn Warehouse> {
    connect(local(project)).await.unwrap()
}

/// The same with declared columns for tables.
pub async fn open_declared(project: &Path, declared: Vec<(&str, Vec<Column>)>) -> Arc<dyn Warehouse> {
    let path = |table: &str| table.split('.').map(str::to_owned).collect();
    let declared = declared.into_iter().map(|(table, columns)| (path(table), columns)).collect();
    connect(TargetConfig { declared, ..local(project) }).await.unwrap()
}

pub fn column(name: &str, data_type: arrow::datatypes::DataType) -> Column {
    Column { name: name.to_owned(), data_type, nullable: true }
}

pub fn path(table: &str) -> Vec<String> {
    table.split('.').map(str::to_owned).collect()
}

/// All batches of a query.
pub async fn batches(warehouse: &dyn Warehouse, sql: &str) -> Result<Vec<RecordBatch>, WarehouseError> {
    warehouse.query(sql).await?.stream.try_collect().await
}

/// The rows of a query as lines of text, header first.
pub async fn rows(warehouse: &dyn Warehouse, sql: &str) -> Vec<String> {
    let answer = warehouse.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = answer.schema;
    let mut batches: Vec<RecordBatch> = answer.stream.try_collect().await.unwrap();
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|");
    table.lines().filter(|line| line.starts_with('|')).map(cells).collect()
}

/// The error a statement must fail with, at the start or on the way.
pub async fn failure(warehouse: &dyn Warehouse, sql: &str) -> WarehouseError {
    match batches(warehouse, sql).await {
        Ok(_) => panic!("`{sql}` should fail"),
        Err(error) => error,
    }
}

/// Batches as a stream.
pub fn stream(batches: Vec<RecordBatch>) -> (SchemaRef, RowStream) {
    let schema = batches.first().unwrap().schema();
    (schema, futures::stream::iter(batches.into_iter().map(Ok)).boxed())
}
