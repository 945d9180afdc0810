//! The tables of a database, from DuckDB's own table functions
//! (<https://duckdb.org/docs/stable/sql/meta/duckdb_table_functions>). It must not read a row of them.

use super::{Duckdb, types::language_type};
use crate::{Discover, FoundColumn, FoundTable, WarehouseError};
use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
    record_batch::RecordBatch,
};
use futures::TryStreamExt;

/// One row per column of every table and view of the attached databases, in the columns' order.
const COLUMNS: &str = "SELECT c.database_name, c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable, \
    CAST(t.estimated_size AS BIGINT), COALESCE(LIST_POSITION(k.constraint_column_names, c.column_name), 0)::BIGINT, \
    c.database_name = current_database() AND c.schema_name = current_schema(), c.database_name = current_database() \
    FROM duckdb_columns() c \
    LEFT JOIN duckdb_tables() t ON t.database_oid = c.database_oid AND t.table_oid = c.table_oid \
    LEFT JOIN duckdb_constraints() k ON k.database_oid = c.database_oid AND k.table_oid = c.table_oid \
      AND k.constraint_type = 'PRIMARY KEY' \
    WHERE NOT c.internal AND c.database_name <> 'temp' \
    ORDER BY c.database_name, c.schema_name, c.table_name, c.column_index";

/// A table while its columns are read.
struct Reading {
    database: String,
    schema: String,
    is_own: bool,
    is_own_database: bool,
    keys: Vec<(i64, String)>,
    table: FoundTable,
}

impl Duckdb {
    pub(super) async fn find_tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        let batches: Vec<RecordBatch> = self.rows(COLUMNS).await?.stream.try_collect().await?;
        let mut all: Vec<Reading> = Vec::new();
        for batch in &batches {
            (0..batch.num_rows()).for_each(|row| read(batch, row, &mut all));
        }
        let mut found = Vec::new();
        for reading in all.into_iter().filter(|reading| reading.schema != discover.state_schema) {
            for path in reading.paths(discover) {
                found.push(FoundTable { path, ..reading.table.clone() });
            }
        }
        Ok(found)
    }
}

impl Reading {
    /// The names that the table is wanted under; none where its schema is not looked at.
    fn paths(&self, discover: &Discover) -> Vec<Vec<String>> {
        let Some(name) = self.table.path.last() else { return Vec::new() };
        let with = |schema: &[String]| schema.iter().chain([name]).cloned().collect::<Vec<_>>();
        let is_named = |schema: &&Vec<String>| match schema.as_slice() {
            [] => self.is_own,
            [schema] => *schema == self.schema && self.is_own_database,
            [database, schema] => *schema == self.schema && *database == self.database,
            _ => false,
        };
        let named: Vec<_> = discover.schemas.iter().filter(is_named).map(|schema| with(schema)).collect();
        match (named.is_empty(), self.is_own) {
            (false, _) => named,
            (true, true) if discover.all || discover.schemas.is_empty() => vec![with(&[])],
            (true, false) if discover.all && self.is_own_database => vec![with(std::slice::from_ref(&self.schema))],
            (true, false) if discover.all => vec![with(&[self.database.clone(), self.schema.clone()])],
            _ => Vec::new(),
        }
    }
}

fn read(batch: &RecordBatch, row: usize, all: &mut Vec<Reading>) {
    let text = |column: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
    let truth = |column: usize| batch.column(column).as_boolean().value(row);
    let number = |column: usize| {
        let column = batch.column(column).as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let (database, schema, name) = (text(0), text(1), text(2));
    let is_same =
        |last: &Reading| last.database == database && last.schema == schema && last.table.path.last() == Some(&name);
    if !all.last().is_some_and(is_same) {
        let rows = number(6).and_then(|rows| u64::try_from(rows).ok());
        let table = FoundTable { path: vec![name], columns: Vec::new(), primary_key: Vec::new(), rows };
        all.push(Reading { database, schema, is_own: truth(8), is_own_database: truth(9), keys: Vec::new(), table });
    }
    let Some(reading) = all.last_mut() else { return };
    let (column, native) = (text(3), text(4));
    if let Some(place) = number(7).filter(|place| *place > 0) {
        reading.keys.push((place, column.clone()));
        reading.keys.sort();
        reading.table.primary_key = reading.keys.iter().map(|(_, name)| name.clone()).collect();
    }
    reading.table.columns.push(FoundColumn { name: column, ty: language_type(&native), native, nullable: truth(5) });
}
