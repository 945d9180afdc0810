//! What the tests of engines share: targets, rows as text, streams made of batches.

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
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
    let batches: Vec<RecordBatch> = answer.stream.try_collect().await.unwrap();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut lines = vec![names.join("|")];
    let options = FormatOptions::new();
    for batch in &batches {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(shown).collect();
        let cells: Vec<ArrayFormatter<'_>> =
            columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
        let line = |row| cells.iter().map(|cell| cell.value(row).to_string().trim().to_owned()).collect::<Vec<_>>();
        lines.extend((0..batch.num_rows()).map(|row| line(row).join("|")));
    }
    lines
}

/// Not every build of Arrow knows the name of a zone when it shows an instant.
fn shown(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(unit, Some(zone)) if &**zone == "UTC" => {
            arrow::compute::cast(column, &DataType::Timestamp(*unit, Some("+00:00".into()))).unwrap()
        }
        _ => Arc::clone(column),
    }
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
