//! The tables of a database, from `pg_catalog` (<https://www.postgresql.org/docs/current/catalogs.html>). It must not
//! read a row of them, except to count those of a table that was never analysed.

use super::{Postgres, errors::Doing, quoted};
use crate::{Discover, FoundColumn, FoundTable, WarehouseError};
use tokio_postgres::{Client, Row};

/// One row per column of every table, view, materialised view and foreign table that the user may read. A domain is
/// told as the type under it.
const COLUMNS: &str = "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::float8, a.attname::text, \
    a.attnotnull, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) \
    ELSE format_type(a.atttypid, a.atttypmod) END, t.typtype::text = 'e', \
    COALESCE((SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_catalog.pg_index i \
      WHERE i.indrelid = c.oid AND i.indisprimary), -1)::int4, \
    n.nspname = current_schema(), current_database()::text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname <> 'information_schema' \
      AND n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
    ORDER BY n.nspname, c.relname, a.attnum";

/// A table while its columns are read.
struct Reading {
    schema: String,
    is_own: bool,
    database: String,
    kind: String,
    estimate: f64,
    keys: Vec<(i32, String)>,
    table: FoundTable,
}

impl Postgres {
    pub(super) async fn find_tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        let lent = self.connections.take().await?;
        let error = |error| self.place().error(error, Doing::Reading);
        let rows = lent.client().query(COLUMNS, &[]).await.map_err(error)?;
        let mut all: Vec<Reading> = Vec::new();
        for row in &rows {
            read(row, &mut all).map_err(error)?;
        }
        let mut found = Vec::new();
        for reading in all.into_iter().filter(|reading| reading.schema != discover.state_schema) {
            for path in reading.paths(discover) {
                let rows = self.count(lent.client(), &reading).await?;
                found.push(FoundTable { path, rows, ..reading.table.clone() });
            }
        }
        self.connections.give_back(lent);
        Ok(found)
    }

    /// The server's estimate; a table that was never analysed is counted, a view is not.
    async fn count(&self, client: &Client, reading: &Reading) -> Result<Option<u64>, WarehouseError> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a row count, checked not to be negative"
        )]
        if reading.estimate >= 0.0 && reading.kind != "v" {
            return Ok(Some(reading.estimate.round() as u64));
        }
        if reading.kind == "v" || reading.kind == "f" {
            return Ok(None);
        }
        let table = quoted(&[reading.schema.clone(), reading.table.path.last().cloned().unwrap_or_default()]);
        let row = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await;
        let count = row.and_then(|row| row.try_get::<_, i64>(0));
        let count = count.map_err(|error| self.place().error(error, Doing::Reading))?;
        Ok(u64::try_from(count).ok())
    }
}

impl Reading {
    /// The names that the table is wanted under; none where its schema is not looked at.
    fn paths(&self, discover: &Discover) -> Vec<Vec<String>> {
        let Some(name) = self.table.path.last() else { return Vec::new() };
        paths(name, &self.schema, self.is_own.then_some(&self.schema), &self.database, discover)
    }
}

/// The names that the table `name` of a schema is wanted under, `own` being the schema of names without one.
pub(in crate::engines) fn paths(
    name: &str,
    of: &str,
    own: Option<&String>,
    database: &str,
    discover: &Discover,
) -> Vec<Vec<String>> {
    let is_own = own.is_some_and(|own| own == of);
    let with = |schema: &[String]| schema.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
    let is_named = |schema: &&Vec<String>| match schema.as_slice() {
        [] => is_own,
        [schema] => schema == of,
        [first, schema] => schema == of && first == database,
        _ => false,
    };
    let named: Vec<_> = discover.schemas.iter().filter(is_named).map(|schema| with(schema)).collect();
    match (named.is_empty(), is_own) {
        (false, _) => named,
        (true, true) if discover.all || discover.schemas.is_empty() => vec![with(&[])],
        (true, false) if discover.all => vec![with(&[of.to_owned()])],
        _ => Vec::new(),
    }
}

fn read(row: &Row, all: &mut Vec<Reading>) -> Result<(), tokio_postgres::Error> {
    let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let is_last = all.last().is_some_and(|last| last.schema == schema && last.table.path.last() == Some(&name));
    if !is_last {
        let table = FoundTable { path: vec![name], columns: Vec::new(), primary_key: Vec::new(), rows: None };
        let (kind, estimate) = (row.try_get(2)?, row.try_get(3)?);
        let (is_own, database) = (row.try_get::<_, Option<bool>>(9)?.unwrap_or(false), row.try_get(10)?);
        all.push(Reading { schema, is_own, database, kind, estimate, keys: Vec::new(), table });
    }
    let Some(reading) = all.last_mut() else { return Ok(()) };
    let (column, not_null): (String, bool) = (row.try_get(4)?, row.try_get(5)?);
    let (native, is_enum): (String, bool) = (row.try_get(6)?, row.try_get(7)?);
    let key: i32 = row.try_get(8)?;
    if key >= 0 {
        reading.keys.push((key, column.clone()));
        reading.keys.sort();
        reading.table.primary_key = reading.keys.iter().map(|(_, name)| name.clone()).collect();
    }
    let ty = if is_enum { Some("string".to_owned()) } else { language_type(&native) };
    reading.table.columns.push(FoundColumn { name: column, ty, native, nullable: !not_null });
    Ok(())
}

/// The word of the model language for a type as `format_type` writes it; the same types that rows are read in.
pub(in crate::engines) fn language_type(native: &str) -> Option<String> {
    if let Some(item) = native.strip_suffix("[]") {
        let item = match item {
            "text" | "name" => "string",
            "integer" | "bigint" => "integer",
            "double precision" => "float",
            item if item.starts_with("character") => "string",
            _ => return None,
        };
        return Some(format!("array<{item}>"));
    }
    let (word, digits) = match native.split_once('(') {
        Some((word, rest)) => (word, rest.split_once(')').map(|(digits, _)| digits)),
        None => (native, None),
    };
    Some(match word.trim() {
        "boolean" => "boolean".to_owned(),
        "smallint" | "integer" | "bigint" | "oid" => "integer".to_owned(),
        "real" | "double precision" => "float".to_owned(),
        "numeric" => decimal(digits),
        "text" | "character varying" | "character" | "\"char\"" | "name" | "uuid" | "xml" | "citext" => {
            "string".to_owned()
        }
        "json" | "jsonb" => "json".to_owned(),
        "date" => "date".to_owned(),
        word if word.starts_with("timestamp") => "timestamp".to_owned(),
        _ => return None,
    })
}

/// A `numeric` without digits is read with 38 of them, 9 behind the point, as its rows are.
fn decimal(digits: Option<&str>) -> String {
    let parts = digits.and_then(|digits| digits.split_once(','));
    let read = parts.and_then(|(p, s)| Some((p.trim().parse::<u8>().ok()?, s.trim().parse::<u8>().ok()?)));
    match read {
        Some((precision, scale)) if precision <= 38 && scale <= precision => format!("decimal({precision},{scale})"),
        _ => "decimal(38,9)".to_owned(),
    }
}
