//! The Postgres engine: SQL over tokio-postgres, rows read as a binary stream, bulk loads by COPY. What another server
//! of its protocol has in common with it is taken from here. It must not know what the SQL is for.

pub(super) mod connection;
mod copy;
mod decode;
pub(super) mod discovery;
pub(super) mod errors;
mod wire;

use super::Engine;
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError,
    config::{option, secret},
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use connection::{Connections, Flavor, Lent};
use errors::{Doing, Place};
use futures::{StreamExt, TryStreamExt, stream};
use std::{collections::HashMap, sync::Arc};
use tokio_postgres::{Client, SimpleQueryMessage, types::ToSql};

/// The oldest version whose dialect we speak, as the server tells it.
const OLDEST: u32 = 150_000;

/// What the engine is called and takes.
pub(super) const ENGINE: Engine =
    Engine { spec: SPEC, connect: |config| Ok(Arc::new(Postgres::connect(&config, &FLAVOR)?)) };

const FLAVOR: Flavor = Flavor {
    product: "Postgres",
    port: 5432,
    sslmode: "prefer",
    settings: "SET TIME ZONE 'UTC'; SET extra_float_digits TO 3; SET standard_conforming_strings TO on",
    further: &[],
    login: "check `user` and `password`, and the server's pg_hba.conf",
};

const SPEC: EngineSpec = EngineSpec {
    name: "postgres",
    meaning: "PostgreSQL 15 or newer, or a server that speaks its protocol.",
    options: &[
        option("host", true, "Host name, address, or the folder of a Unix socket.", None),
        option("port", false, "TCP port.", Some("5432")),
        option("user", true, "User to log in as.", None),
        secret("password", "The user's password; left out where the server trusts the client."),
        option("database", true, "Database to connect to.", None),
        option("sslmode", false, SSLMODE, Some(FLAVOR.sslmode)),
        option(
            "application_name",
            false,
            "Name shown in `pg_stat_activity`; left out, `springline-` and the id of the run.",
            None,
        ),
        option(
            "statement_timeout_secs",
            false,
            "Seconds after which the server stops a statement; 0: never.",
            Some("0"),
        ),
        option("connect_timeout_secs", false, "Seconds to wait for a connection.", Some("15")),
    ],
};

pub(super) const SSLMODE: &str = "`disable`: no TLS; `prefer`: TLS when the server offers it; `require`: TLS always, certificate not checked; `verify-full`: TLS always, certificate and host name checked against the system's authorities.";

/// A batch ends at this many rows or bytes, whichever comes first.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;

/// One Postgres database.
pub(crate) struct Postgres {
    connections: Arc<Connections>,
    /// Statements run one after the other on one connection, so that scripts never overlap.
    statements: tokio::sync::Mutex<Option<Lent>>,
}

impl Postgres {
    /// Checks the options; the first call connects.
    pub(super) fn connect(config: &TargetConfig, flavor: &'static Flavor) -> Result<Self, WarehouseError> {
        let connections = Arc::new(Connections::new(config, flavor)?);
        Ok(Self { connections, statements: tokio::sync::Mutex::new(None) })
    }

    pub(super) fn place(&self) -> &Place {
        self.connections.place()
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The types of a table's columns as its rows are read, and which cannot be read; `None` where there is no such table.
    pub(super) async fn columns_on(
        &self,
        client: &Client,
        table: TablePath<'_>,
    ) -> Result<Option<Vec<Column>>, WarehouseError> {
        let sql = format!("SELECT * FROM {} WHERE false", quoted(table));
        let statement = match client.prepare(&sql).await {
            Ok(statement) => statement,
            Err(failed) if errors::is_missing_table(&failed) => return Ok(None),
            Err(failed) => return Err(self.place().error(failed, Doing::Reading)),
        };
        let column = |column: &tokio_postgres::Column| Column {
            name: column.name().to_owned(),
            data_type: decode::arrow_type(column).unwrap_or(arrow::datatypes::DataType::Null),
            nullable: true,
        };
        Ok(Some(statement.columns().iter().map(column).collect()))
    }

    async fn describe_on(&self, client: &Client, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let Some(mut columns) = self.columns_on(client, table).await? else { return Ok(None) };
        let error = |error| self.place().error(error, Doing::Reading);
        let sql = "SELECT attname::text, attnotnull FROM pg_catalog.pg_attribute \
                   WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped";
        let rows = client.query(sql, &[&quoted(table)]).await.map_err(error)?;
        let mut not_null = HashMap::new();
        for row in rows {
            let name: String = row.try_get(0).map_err(error)?;
            not_null.insert(name, row.try_get::<_, bool>(1).map_err(error)?);
        }
        for column in &mut columns {
            column.nullable = !not_null.get(&column.name).copied().unwrap_or(false);
        }
        Ok(Some(columns))
    }
}

#[async_trait]
impl Warehouse for Postgres {
    async fn check(&self) -> Result<(), WarehouseError> {
        let lent = self.connections.take().await?;
        let answer = lent.client().simple_query("SHOW server_version_num").await;
        let messages = answer.map_err(|error| self.place().error(error, Doing::Reading))?;
        self.connections.give_back(lent);
        let version = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).and_then(|text| text.parse::<u32>().ok()),
            _ => None,
        });
        // A server that does not tell a version in numbers is none of Postgres' own: it is taken as it is.
        match version.filter(|version| *version < OLDEST) {
            None => Ok(()),
            Some(version) => {
                let message = format!("the server is PostgreSQL {}; 15 or newer is needed", version / 10_000);
                Err(self
                    .place()
                    .new_error(ErrorKind::Connection, message)
                    .with_hint("acknowledged rows are taken in by MERGE, which came with 15"))
            }
        }
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        let lent = self.connections.take().await?;
        let error = |error| self.place().error(error, Doing::Reading);
        let sql =
            "SELECT version(), current_user::text, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)";
        let row = lent.client().query_one(sql, &[]).await.map_err(error)?;
        let version: String = row.try_get(0).map_err(error)?;
        self.connections.give_back(lent);
        Ok(About {
            version: version.split(" on ").next().unwrap_or_default().to_owned(),
            user: Some(row.try_get(1).map_err(error)?),
            now: Some(row.try_get(2).map_err(error)?),
        })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let lent = self.connections.take().await?;
        let columns = self.describe_on(lent.client(), table).await?;
        self.connections.give_back(lent);
        Ok(columns)
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        self.find_tables(discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        let mut held = self.statements.lock().await;
        // Taken out while it works: a call that is dropped half way takes its connection, and the server's open
        // transaction, with it.
        let lent = match held.take().filter(|lent| !lent.client().is_closed()) {
            Some(lent) => lent,
            None => self.connections.take().await?,
        };
        let lent = lent.in_use();
        match run_script(lent.client(), sql).await {
            Ok(rows) => {
                *held = Some(lent.at_rest());
                Ok(rows)
            }
            Err(failed) => {
                let failure = self.place().error(failed, Doing::Writing);
                // A script may have failed inside its own BEGIN. Where this fails too the connection is not kept.
                if lent.client().batch_execute("ROLLBACK").await.is_ok() {
                    *held = Some(lent.at_rest());
                }
                Err(failure)
            }
        }
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let lent = self.connections.take().await?;
        let error = |error| self.place().error(error, Doing::Reading);
        let statement = lent.client().prepare(sql).await.map_err(error)?;
        if statement.columns().is_empty() {
            let error = WarehouseError::new(ErrorKind::Sql, self.place().target(), "this statement is not a query");
            return Err(error.with_hint("a query starts with SELECT, WITH or VALUES"));
        }
        let mut fields = Vec::with_capacity(statement.columns().len());
        for column in statement.columns() {
            let data_type = decode::arrow_type(column).ok_or_else(|| unsupported(self.place(), column))?;
            fields.push(Field::new(column.name(), data_type, true));
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let no_parameters: [&(dyn ToSql + Sync); 0] = [];
        let rows = lent.client().query_raw(&statement, no_parameters).await.map_err(error)?;
        let reading = Reading {
            rows: Box::pin(rows),
            schema: Arc::clone(&schema),
            lent: Some(lent),
            connections: Arc::clone(&self.connections),
        };
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next_batch().await?.map(|batch| (batch, reading)))
        });
        Ok(Rows { schema, stream: stream.boxed() })
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        let mut lent = self.connections.take().await?;
        let count = copy::load(lent.client_mut(), self.place(), &quoted(table), &schema, rows).await?;
        self.connections.give_back(lent);
        Ok(count)
    }

    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        let lent = self.connections.take().await?;
        let error = |error| self.place().error(error, Doing::Reading);
        let row = lent.client().query_one(&format!("EXPLAIN (FORMAT JSON) {sql}"), &[]).await.map_err(error)?;
        let plan: serde_json::Value = row.try_get(0).map_err(error)?;
        self.connections.give_back(lent);
        Ok(Estimate { rows: Some(scanned_rows(&plan[0]["Plan"])), ..Estimate::default() })
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        let lent = self.connections.take().await?;
        let error = |error| self.place().error(error, Doing::Reading);
        // The extended protocol takes one statement only, so that nothing after a semicolon is run.
        let rows = lent.client().query(&format!("EXPLAIN {sql}"), &[]).await.map_err(error)?;
        let lines = rows.iter().map(|row| row.try_get::<_, String>(0)).collect::<Result<Vec<_>, _>>().map_err(error)?;
        self.connections.give_back(lent);
        Ok(lines.join("\n"))
    }
}

/// The rows that the scans of a plan are expected to give.
fn scanned_rows(node: &serde_json::Value) -> u64 {
    match node["Plans"].as_array() {
        Some(below) => below.iter().map(scanned_rows).fold(0, u64::saturating_add),
        None => node["Plan Rows"].as_u64().unwrap_or(0),
    }
}

/// An open query: the connection goes back when the last row was read, and is closed when it is dropped before.
struct Reading {
    rows: std::pin::Pin<Box<tokio_postgres::RowStream>>,
    schema: SchemaRef,
    lent: Option<Lent>,
    connections: Arc<Connections>,
}

impl Reading {
    async fn next_batch(&mut self) -> Result<Option<arrow::record_batch::RecordBatch>, WarehouseError> {
        if self.lent.is_none() {
            return Ok(None);
        }
        let mut builder = decode::BatchBuilder::new(Arc::clone(&self.schema));
        let mut bytes = 0;
        while builder.rows() < BATCH_ROWS && bytes < BATCH_BYTES {
            let row = self.rows.try_next().await.map_err(|e| self.connections.place().error(e, Doing::Reading))?;
            let Some(row) = row else {
                if let Some(lent) = self.lent.take() {
                    self.connections.give_back(lent);
                }
                break;
            };
            bytes += row.raw_size_bytes();
            builder.push(&row).map_err(|failed| failed.at(self.connections.place()))?;
        }
        if builder.rows() == 0 {
            return Ok(None);
        }
        builder.finish().map(Some).map_err(|failed| failed.at(self.connections.place()))
    }
}

async fn run_script(client: &Client, sql: &str) -> Result<u64, tokio_postgres::Error> {
    let messages = client.simple_query_raw(sql).await?;
    let mut messages = Box::pin(messages);
    let mut rows = 0;
    while let Some(message) = messages.try_next().await? {
        if let SimpleQueryMessage::CommandComplete(count) = message {
            rows += count;
        }
    }
    Ok(rows)
}

fn unsupported(place: &Place, column: &tokio_postgres::Column) -> WarehouseError {
    let (name, ty, product) = (column.name(), column.type_(), place.product());
    let message = format!("column `{name}` has the {product} type {ty}, which cannot be read");
    WarehouseError::new(ErrorKind::Type, place.target(), message)
        .with_column(column.name())
        .with_hint(format!("cast it, for example `CAST({} AS text)`", column.name()))
}

pub(super) fn quoted(table: TablePath<'_>) -> String {
    let part = |part: &String| format!("\"{}\"", part.replace('"', "\"\""));
    table.iter().map(part).collect::<Vec<_>>().join(".")
}
