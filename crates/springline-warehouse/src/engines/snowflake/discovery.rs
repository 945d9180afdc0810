//! The tables of a database, from its information schema. It must not read a row of them.
//!
//! <https://docs.snowflake.com/en/sql-reference/info-schema>

use super::{Snowflake, quoted};
use crate::{Discover, FoundColumn, FoundTable, WarehouseError};
use std::collections::BTreeSet;

/// One table while its columns are read.
struct Reading {
    database: String,
    schema: String,
    table: FoundTable,
}

impl Snowflake {
    pub(super) async fn find_tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        let own = self.own_schema().await?;
        let mut databases: BTreeSet<String> = BTreeSet::from([own.0.clone()]);
        databases.extend(discover.schemas.iter().filter_map(|schema| match schema.as_slice() {
            [database, _] => Some(database.clone()),
            _ => None,
        }));
        let mut found = Vec::new();
        for database in databases {
            for reading in self.read_database(&database).await? {
                if reading.schema != discover.state_schema {
                    let paths = reading.paths(discover, &own);
                    found.extend(paths.into_iter().map(|path| FoundTable { path, ..reading.table.clone() }));
                }
            }
        }
        Ok(found)
    }

    async fn own_schema(&self) -> Result<(String, String), WarehouseError> {
        let row = self.first_row("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()").await?;
        let mut parts = row.into_iter().map(Option::unwrap_or_default);
        Ok((parts.next().unwrap_or_default(), parts.next().unwrap_or_default()))
    }

    async fn read_database(&self, database: &str) -> Result<Vec<Reading>, WarehouseError> {
        let schema = quoted(&[database.to_owned(), "INFORMATION_SCHEMA".to_owned()]);
        let sql = format!(
            "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.NUMERIC_PRECISION, c.NUMERIC_SCALE, \
             c.IS_NULLABLE, t.ROW_COUNT FROM {schema}.COLUMNS AS c JOIN {schema}.TABLES AS t \
             ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME \
             WHERE c.TABLE_SCHEMA <> 'INFORMATION_SCHEMA' ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION"
        );
        let mut all: Vec<Reading> = Vec::new();
        for row in self.table(&sql).await?.1 {
            read(database, row, &mut all);
        }
        for (schema, table, column) in self.primary_keys(database).await? {
            let is_it = |reading: &&mut Reading| reading.schema == schema && reading.table.path.last() == Some(&table);
            if let Some(reading) = all.iter_mut().find(is_it) {
                reading.table.primary_key.push(column);
            }
        }
        Ok(all)
    }

    /// Schema, table and column of each declared key, in the keys' order.
    /// <https://docs.snowflake.com/en/sql-reference/sql/show-primary-keys>
    async fn primary_keys(&self, database: &str) -> Result<Vec<(String, String, String)>, WarehouseError> {
        let sql = format!("SHOW PRIMARY KEYS IN DATABASE {}", quoted(&[database.to_owned()]));
        let (columns, rows) = self.table(&sql).await?;
        let place = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let places = ["schema_name", "table_name", "column_name", "key_sequence"].map(place);
        let mut keys: Vec<_> = rows
            .into_iter()
            .map(|row| {
                places.map(|place| place.and_then(|place| row.get(place).cloned().flatten()).unwrap_or_default())
            })
            .map(|[schema, table, column, number]| (number.parse::<u32>().unwrap_or(0), (schema, table, column)))
            .collect();
        keys.sort();
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }
}

impl Reading {
    /// The names that the table is wanted under; none where its schema is not looked at.
    fn paths(&self, discover: &Discover, own: &(String, String)) -> Vec<Vec<String>> {
        let Some(name) = self.table.path.last() else { return Vec::new() };
        let is_own = (&self.database, &self.schema) == (&own.0, &own.1);
        let with = |schema: &[String]| schema.iter().chain([name]).cloned().collect::<Vec<_>>();
        let is_named = |schema: &&Vec<String>| match schema.as_slice() {
            [] => is_own,
            [schema] => *schema == self.schema && self.database == own.0,
            [database, schema] => *schema == self.schema && *database == self.database,
            _ => false,
        };
        let named: Vec<_> = discover.schemas.iter().filter(is_named).map(|schema| with(schema)).collect();
        match (named.is_empty(), is_own) {
            (false, _) => named,
            (true, true) if discover.all || discover.schemas.is_empty() => vec![with(&[])],
            (true, false) if discover.all && self.database == own.0 => vec![with(std::slice::from_ref(&self.schema))],
            _ => Vec::new(),
        }
    }
}

fn read(database: &str, row: Vec<Option<String>>, all: &mut Vec<Reading>) {
    let mut row = row.into_iter();
    let mut next = || row.next().flatten();
    let (schema, name) = (next().unwrap_or_default(), next().unwrap_or_default());
    let column = next().unwrap_or_default();
    let native = next().unwrap_or_default();
    let (precision, scale) = (next().and_then(|text| text.parse().ok()), next().and_then(|text| text.parse().ok()));
    let nullable = next().is_none_or(|word| word != "NO");
    let rows = next().and_then(|text| text.parse().ok());
    let is_last = all.last().is_some_and(|last| last.schema == schema && last.table.path.last() == Some(&name));
    if !is_last {
        let table = FoundTable { path: vec![name], columns: Vec::new(), primary_key: Vec::new(), rows };
        all.push(Reading { database: database.to_owned(), schema, table });
    }
    let Some(reading) = all.last_mut() else { return };
    let ty = language_type(&native, precision, scale);
    reading.table.columns.push(FoundColumn { name: column, ty, native, nullable });
}

/// The word of the model language for a type; the same types that rows are read in.
fn language_type(native: &str, precision: Option<u8>, scale: Option<u8>) -> Option<String> {
    Some(match native.split('(').next().unwrap_or_default().trim() {
        "NUMBER" | "DECIMAL" | "NUMERIC" => match scale.unwrap_or(0) {
            0 => "integer".to_owned(),
            scale => format!("decimal({},{scale})", precision.unwrap_or(38)),
        },
        "BIGINT" | "INTEGER" | "INT" => "integer".to_owned(),
        "FLOAT" | "DOUBLE" | "REAL" => "float".to_owned(),
        "TEXT" | "VARCHAR" | "STRING" | "CHAR" => "string".to_owned(),
        "BOOLEAN" => "boolean".to_owned(),
        "DATE" => "date".to_owned(),
        "VARIANT" | "OBJECT" => "json".to_owned(),
        "ARRAY" => "array<string>".to_owned(),
        word if word.starts_with("TIMESTAMP") => "timestamp".to_owned(),
        _ => return None,
    })
}
