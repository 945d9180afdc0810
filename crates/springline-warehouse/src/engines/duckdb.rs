//! The DuckDB engine: a database file that DuckDB's own library, loaded at run time through ADBC, reads and writes inside
//! this process. It must not know what the SQL is for.

mod database;
mod discovery;
mod errors;
mod load;
mod types;

use super::Engine;
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError, columns, config::option,
};
use adbc_core::{Connection, Statement};
use arrow::{
    array::{AsArray, RecordBatchReader},
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use database::{Answer, Interrupt, Opener, execute, run_through, text, until_told};
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio::sync::{mpsc, oneshot, watch};

/// What the engine is called and takes.
pub(super) const ENGINE: Engine = Engine { spec: SPEC, connect: |config| Ok(Arc::new(Duckdb::connect(&config)?)) };

const SPEC: EngineSpec = EngineSpec {
    name: "duckdb",
    meaning: "A DuckDB database file, read and written by DuckDB's own library (1.4 or newer), which is loaded when it is needed.",
    options: &[
        option(
            "path",
            true,
            "The database file, from the project's folder; made if it is not there. One process at a time can have it open.",
            None,
        ),
        option(
            "library",
            false,
            "The file of DuckDB's library (`libduckdb.so`, `libduckdb.dylib`, `duckdb.dll`), from the project's folder; left out, the system looks for `duckdb`.",
            None,
        ),
        option("threads", false, "Threads that a statement may use; left out, one a core.", None),
        option(
            "memory_limit",
            false,
            "Memory that DuckDB may use, such as `4GB`; left out, four fifths of the machine's.",
            None,
        ),
        option("statement_timeout_secs", false, "Seconds after which a statement is interrupted; 0: never.", Some("0")),
    ],
};

/// Batches that may wait between DuckDB and a reader or writer.
const WAITING: usize = 4;

/// One DuckDB file.
pub(crate) struct Duckdb {
    opener: Opener,
}

impl Duckdb {
    /// Checks the options; the first call opens the file.
    pub(crate) fn connect(config: &TargetConfig) -> Result<Self, WarehouseError> {
        Ok(Self { opener: Opener::new(config)? })
    }

    /// Runs a query on a connection of its own. What DuckDB computes is handed over batch by batch.
    async fn rows(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let opener = &self.opener;
        let mut connection = opener.connection().await?;
        let interrupt = Interrupt::new(&connection);
        let ended = interrupt.ended();
        let until = opener.timeout().and_then(|limit| Instant::now().checked_add(limit));
        let (planned, schema) = oneshot::channel();
        let (batches, waiting) = mpsc::channel(WAITING);
        let sql = sql.to_owned();
        tokio::task::spawn_blocking(move || {
            let answer = until_told(&ended, || {
                let mut statement = connection.new_statement().map_err(text)?;
                statement.set_sql_query(&sql).map_err(text)?;
                statement.execute().map(|rows| (rows, statement)).map_err(text)
            });
            let handed = match answer {
                Err(error) => return drop(planned.send(Err(error))),
                Ok((rows, _statement)) if planned.send(Ok(rows.schema())).is_ok() => hand_over(rows, &batches),
                Ok(_) => return,
            };
            if let Err(error) = handed {
                // What nobody waits for any more was stopped by us, and is not begun again.
                let withheld = errors::is_interrupted(&error) && !ended.load(Ordering::Acquire);
                let told = match withheld {
                    true => until_told(&ended, || run_through(&mut connection, &sql)).err().unwrap_or(error),
                    false => error,
                };
                // Nobody listens any more: nobody is to be told.
                let _ = batches.blocking_send(Err(told));
            }
        });
        let answer = match opener.timeout() {
            None => schema.await,
            Some(limit) => tokio::time::timeout(limit, schema).await.map_err(|_| opener.too_long())?,
        };
        let given = answer.map_err(|_| opener.broken())?.map_err(|message| opener.place.error(&message))?;
        let schema = types::readable_schema(&given).map_err(|(name, data_type)| self.unreadable(&name, &data_type))?;
        let reading = Reading {
            waiting,
            interrupt: Some(interrupt),
            place: opener.place.clone(),
            schema: SchemaRef::clone(&schema),
            until: until.map(tokio::time::Instant::from_std),
        };
        let stream = stream::unfold(reading, |mut reading| async move { Some((reading.next().await?, reading)) });
        Ok(Rows { schema, stream: stream.boxed() })
    }

    fn unreadable(&self, name: &str, data_type: &DataType) -> WarehouseError {
        let message = format!("column `{name}` has a type that cannot be read ({data_type} in Arrow)");
        let error = self.opener.place.new_error(ErrorKind::Type, message).with_column(name);
        error.with_hint(format!("cast it, for example `CAST({} AS VARCHAR)`", quoted_name(name)))
    }

    /// All values of a column of text.
    async fn texts(&self, sql: &str, column: usize) -> Result<Vec<String>, WarehouseError> {
        let batches: Vec<RecordBatch> = self.rows(sql).await?.stream.try_collect().await?;
        let values = batches.iter().filter_map(|batch| batch.columns().get(column)).flat_map(|column| {
            let values: Vec<String> = column.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
            values
        });
        Ok(values.collect())
    }

    async fn explained(&self, explain: &str, sql: &str) -> Result<String, WarehouseError> {
        // Of a script all but the last statement would be run.
        let count = format!("SELECT JSON_SERIALIZE_SQL({})", literal(sql));
        let parsed = self.texts(&count, 0).await?.concat();
        let parsed: serde_json::Value = serde_json::from_str(&parsed).unwrap_or_default();
        match parsed["statements"].as_array().map(Vec::len) {
            Some(1) => Ok(self.texts(&format!("{explain} {sql}"), 1).await?.join("\n")),
            Some(_) => Err(self.opener.place.new_error(ErrorKind::Sql, "only one statement can be explained")),
            None => {
                let reason = parsed["error_message"].as_str().unwrap_or("it is not a query");
                Err(self.opener.place.error(&format!("Parser Error: {reason}")))
            }
        }
    }
}

#[async_trait]
impl Warehouse for Duckdb {
    async fn check(&self) -> Result<(), WarehouseError> {
        self.opener.run(|connection, _| execute(connection, "SELECT 1").map(|_| ())).await
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        let version = self.texts("SELECT 'DuckDB ' || version()", 0).await?;
        Ok(About { version: version.concat(), user: None, now: None })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let name = quoted(table);
        let sql = format!("SELECT * FROM {name} LIMIT 0");
        let schema = self.opener.run(move |connection, _| {
            let mut statement = connection.new_statement().map_err(text)?;
            let answer = statement.set_sql_query(&sql).and_then(|()| statement.execute());
            match answer {
                Ok(rows) => Ok(Some(rows.schema())),
                Err(failed) if errors::is_missing_table(&failed.message) => Ok(None),
                Err(failed) => Err(text(failed)),
            }
        });
        let Some(schema) = schema.await? else { return Ok(None) };
        let described: Vec<RecordBatch> = self.rows(&format!("DESCRIBE {name}")).await?.stream.try_collect().await?;
        let mut nullable = HashMap::new();
        for batch in &described {
            let (names, nulls) = (batch.column(0).as_string::<i32>(), batch.column(2).as_string::<i32>());
            nullable.extend((0..batch.num_rows()).map(|row| (names.value(row).to_owned(), nulls.value(row) != "NO")));
        }
        let column = |field: &Arc<arrow::datatypes::Field>| Column {
            name: field.name().clone(),
            data_type: types::readable(field.data_type()).unwrap_or(DataType::Null),
            nullable: nullable.get(field.name()).copied().unwrap_or(true),
        };
        Ok(Some(schema.fields().iter().map(column).collect()))
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        self.find_tables(discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        let sql = sql.to_owned();
        self.opener.run(move |connection, ended| until_told(ended, || execute(connection, &sql))).await
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        self.rows(sql).await
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (whole, all_came) = watch::channel(false);
        let incoming = load::Incoming::new(schema, receiver, all_came);
        let table = quoted(table);
        let loading = self.opener.run(move |connection, _| load::load(connection, &table, incoming));
        let (fed, loaded) = tokio::join!(load::feed(rows, sender, whole), loading);
        fed?;
        loaded
    }

    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        let plan = self.explained("EXPLAIN (FORMAT JSON)", sql).await?;
        let plan: serde_json::Value = serde_json::from_str(&plan)
            .map_err(|_| self.opener.place.new_error(ErrorKind::Sql, "DuckDB's plan cannot be read"))?;
        Ok(Estimate { rows: Some(scanned_rows(&plan)), ..Estimate::default() })
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        self.explained("EXPLAIN", sql).await
    }
}

/// The rows that the scans of a plan are expected to give.
fn scanned_rows(node: &serde_json::Value) -> u64 {
    let below = node.as_array().or_else(|| node["children"].as_array()).filter(|below| !below.is_empty());
    match below {
        Some(below) => below.iter().map(scanned_rows).fold(0, u64::saturating_add),
        None => node["extra_info"]["Estimated Cardinality"].as_str().and_then(|rows| rows.parse().ok()).unwrap_or(0),
    }
}

/// Hands the rows of a result on until they end, fail, or nobody wants them any more. Blocks.
fn hand_over(rows: Box<dyn RecordBatchReader + Send + '_>, to: &mpsc::Sender<Answer<RecordBatch>>) -> Answer<()> {
    for batch in rows {
        let batch = batch.map_err(|error| error.to_string())?;
        if to.blocking_send(Ok(batch)).is_err() {
            break;
        }
    }
    Ok(())
}

/// An open query: it is interrupted when it is dropped before its last row.
struct Reading {
    waiting: mpsc::Receiver<Answer<RecordBatch>>,
    interrupt: Option<Interrupt>,
    place: errors::Place,
    schema: SchemaRef,
    until: Option<tokio::time::Instant>,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<RecordBatch, WarehouseError>> {
        self.interrupt.as_ref()?;
        let next = match self.until {
            None => self.waiting.recv().await,
            Some(until) => match tokio::time::timeout_at(until, self.waiting.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    self.interrupt = None;
                    let error = self.place.new_error(ErrorKind::Timeout, "the query took longer than it may");
                    return Some(Err(error.with_hint("raise the target's `statement_timeout_secs`")));
                }
            },
        };
        let answer = match next {
            Some(Ok(batch)) => return Some(self.readable(&batch)),
            Some(Err(message)) => Some(Err(self.place.error(&message))),
            None => None,
        };
        if let Some(interrupt) = self.interrupt.take() {
            interrupt.done();
        }
        answer
    }

    fn readable(&self, batch: &RecordBatch) -> Result<RecordBatch, WarehouseError> {
        columns::by_place(batch, &self.schema).map_err(|_| {
            let message = "a value lies beyond what its column's type can hold";
            self.place.new_error(ErrorKind::Type, message)
        })
    }
}

fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted(table: TablePath<'_>) -> String {
    table.iter().map(|part| quoted_name(part)).collect::<Vec<_>>().join(".")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
