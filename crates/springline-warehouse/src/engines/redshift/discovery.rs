//! The tables of a database, from Redshift's own views of it. It must not read a row of them.
//!
//! <https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_COLUMNS.html>: every table and view, also of an external
//! schema or a datashare; the views that are bound late have their own function,
//! <https://docs.aws.amazon.com/redshift/latest/dg/PG_GET_LATE_BINDING_VIEW_COLS.html>.

use super::{Redshift, cell, literal};
use crate::{
    Column, Discover, ErrorKind, FoundColumn, FoundTable, TablePath, WarehouseError,
    engines::postgres::discovery::{language_type, paths},
};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::{Client, SimpleQueryRow};

/// Schema, table, place, column, type with its digits, whether it may be null. In the order of their places.
const COLUMNS: &str = "SELECT schema_name, table_name, ordinal_position, column_name, \
    CASE WHEN data_type = 'numeric' AND numeric_precision IS NOT NULL \
    THEN 'numeric(' || CAST(numeric_precision AS VARCHAR) || ',' || CAST(numeric_scale AS VARCHAR) || ')' \
    ELSE data_type END, is_nullable \
    FROM svv_all_columns WHERE database_name = current_database() \
    AND schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_internal', 'pg_automv')";
const LATE: &str = "SELECT view_schema, view_name, col_num, col_name, col_type, 'YES' \
    FROM pg_get_late_binding_view_cols() \
    cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)";
/// They are not enforced, but tell what a row is known by.
const KEYS: &str = "SELECT k.table_schema, k.table_name, k.column_name FROM information_schema.table_constraints c \
    JOIN information_schema.key_column_usage k ON k.constraint_schema = c.constraint_schema \
    AND k.constraint_name = c.constraint_name AND k.table_name = c.table_name \
    WHERE c.constraint_type = 'PRIMARY KEY' ORDER BY k.ordinal_position";
/// Tables without a row are not in it, and only who may see it sees it.
const ROWS: &str = "SELECT \"schema\", \"table\", CAST(tbl_rows AS BIGINT) FROM svv_table_info";

/// Schema and name.
type Name = (String, String);

impl Redshift {
    pub(super) async fn find_tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        let lent = self.wire.connections().take().await?;
        let client = lent.client();
        let here = self.rows(client, "SELECT current_schema(), current_database()").await?;
        let (own, database) = here.first().map(|row| (cell(row, 0), cell(row, 1))).unwrap_or_default();
        let mut columns = self.rows(client, COLUMNS).await?;
        columns.extend(self.rows(client, LATE).await?);
        let keys = self.rows(client, KEYS).await?;
        let counts = match self.rows(client, ROWS).await {
            Err(error) if error.kind() == ErrorKind::Permission => None,
            rows => Some(rows?),
        };
        self.wire.connections().give_back(lent);
        let counts = counts.map(|rows| rows.iter().map(|row| (name(row), cell(row, 2).parse().ok())).collect());
        let mut found = Vec::new();
        for ((schema, table), columns) in gathered(&columns) {
            if schema == discover.state_schema {
                continue;
            }
            let is_this = |row: &&SimpleQueryRow| name(row) == (schema.clone(), table.clone());
            let primary_key: Vec<String> = keys.iter().filter(is_this).map(|row| cell(row, 2)).collect();
            let rows = rows_of(counts.as_ref(), &(schema.clone(), table.clone()));
            for path in paths(&table, &schema, Some(&own), &database, discover) {
                let (columns, primary_key) = (columns.clone(), primary_key.clone());
                found.push(FoundTable { path, columns, primary_key, rows });
            }
        }
        Ok(found)
    }

    /// The columns, with what is known of whether they may be null.
    pub(super) async fn with_nulls(
        &self,
        client: &Client,
        table: TablePath<'_>,
        mut columns: Vec<Column>,
    ) -> Result<Vec<Column>, WarehouseError> {
        let (schema, name) = match table {
            [.., schema, name] => (literal(schema), name),
            // A function that only the leader node has stands in a statement of its own.
            [name] => {
                let here = self.rows(client, "SELECT current_schema()").await?;
                (literal(&here.first().map(|row| cell(row, 0)).unwrap_or_default()), name)
            }
            [] => return Ok(columns),
        };
        let sql = format!(
            "SELECT column_name FROM svv_all_columns WHERE database_name = current_database() \
             AND schema_name = {schema} AND table_name = {} AND is_nullable = 'NO'",
            literal(name)
        );
        for row in self.rows(client, &sql).await? {
            let name = cell(&row, 0);
            columns.iter_mut().filter(|column| column.name == name).for_each(|column| column.nullable = false);
        }
        Ok(columns)
    }
}

fn name(row: &SimpleQueryRow) -> Name {
    (cell(row, 0), cell(row, 1))
}

/// The rows of a table, where they are known; a table that is not counted has none, or is a view.
fn rows_of(counts: Option<&HashMap<Name, Option<u64>>>, name: &Name) -> Option<u64> {
    counts?.get(name).copied().flatten()
}

/// The columns of each table, in their order.
fn gathered(rows: &[SimpleQueryRow]) -> BTreeMap<Name, Vec<FoundColumn>> {
    let mut tables: BTreeMap<Name, Vec<(u32, FoundColumn)>> = BTreeMap::new();
    for row in rows {
        let native = cell(row, 4);
        let ty = if native == "super" { Some("json".to_owned()) } else { language_type(&native) };
        let column = FoundColumn { name: cell(row, 3), ty, native, nullable: cell(row, 5) != "NO" };
        tables.entry(name(row)).or_default().push((cell(row, 2).parse().unwrap_or(u32::MAX), column));
    }
    let in_order = |mut columns: Vec<(u32, FoundColumn)>| {
        columns.sort_by_key(|(place, _)| *place);
        columns.into_iter().map(|(_, column)| column).collect()
    };
    tables.into_iter().map(|(name, columns)| (name, in_order(columns))).collect()
}
