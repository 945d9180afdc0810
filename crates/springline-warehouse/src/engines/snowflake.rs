//! The Snowflake engine: SQL over the SQL API, rows read partition by partition, loads by bound arrays. It must not know
//! what the SQL is for.

mod decode;
mod discovery;
mod errors;
mod load;
mod login;
mod session;

use super::Engine;
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError,
    config::{option, secret},
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use session::{ResultSet, Session};
use std::sync::Arc;

/// What the engine is called and takes.
pub(super) const ENGINE: Engine = Engine { spec: SPEC, connect: |config| Ok(Arc::new(Snowflake::connect(&config)?)) };

const SPEC: EngineSpec = EngineSpec {
    name: "snowflake",
    meaning: "Snowflake, over its SQL API.",
    options: &[
        option("account", true, "Account identifier, as `myorg-myaccount`.", None),
        option(
            "host",
            false,
            "Host name, for private links; left out, the account's `.snowflakecomputing.com`. One that begins with `http://` is talked to without TLS, as a test server on this machine is.",
            None,
        ),
        option("user", false, "User that the private key belongs to.", None),
        secret("private_key", "The user's RSA key as unencrypted PEM of PKCS#8."),
        option("private_key_path", false, "File that holds the key, instead of `private_key`.", None),
        secret("token", "OAuth or programmatic access token, instead of a key."),
        option("token_type", false, "What `token` is: `oauth` or `programmatic`.", Some("oauth")),
        option("role", false, "Role to run as; left out, the user's default role.", None),
        option("warehouse", false, "Warehouse to run on; left out, the user's default warehouse.", None),
        option("database", true, "Database of the tables, in the case that Snowflake shows.", None),
        option(
            "schema",
            false,
            "Schema of tables that are named without one, in the case that Snowflake shows.",
            Some("PUBLIC"),
        ),
        option(
            "statement_timeout_secs",
            false,
            "Seconds after which Snowflake stops a statement; left out, its STATEMENT_TIMEOUT_IN_SECONDS.",
            None,
        ),
    ],
};

/// One Snowflake database.
pub(crate) struct Snowflake {
    session: Arc<Session>,
}

impl Snowflake {
    /// Checks the options; nothing is sent.
    fn connect(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let mut config = config.clone();
        if config.text("schema").is_none() {
            config.options.insert("schema".to_owned(), "PUBLIC".to_owned());
        }
        Ok(Self { session: Arc::new(Session::new(&config)?) })
    }

    async fn first_row(&self, sql: &str) -> Result<Vec<Option<String>>, WarehouseError> {
        let rows = self.session.run(sql, None).await?.data;
        let none = || self.session.place().new_error(ErrorKind::Sql, "a query that gives one row gave none");
        rows.into_iter().next().ok_or_else(none)
    }

    /// The names of the columns and the rows of a result that is known to be small.
    async fn table(&self, sql: &str) -> Result<(Vec<String>, Vec<Vec<Option<String>>>), WarehouseError> {
        let result = self.session.run(sql, None).await?;
        let mut rows = result.data;
        for number in 1..result.result_set_meta_data.partition_info.len() {
            rows.extend(self.session.partition(&result.statement_handle, number).await?);
        }
        let names = result.result_set_meta_data.row_type.into_iter().map(|column| column.name);
        Ok((names.collect(), rows))
    }
}

#[async_trait]
impl Warehouse for Snowflake {
    async fn check(&self) -> Result<(), WarehouseError> {
        self.first_row("SELECT 1").await.map(|_| ())
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        let result = self.session.run("SELECT CURRENT_VERSION(), CURRENT_USER(), CURRENT_TIMESTAMP()", None).await?;
        let schema = decode::schema(&result.result_set_meta_data.row_type);
        let row = result.data.first().cloned().unwrap_or_default();
        let batch = decode::batch(self.session.place(), &schema, result.data)?;
        let instants = batch.columns().get(2).map(|column| {
            arrow::array::AsArray::as_primitive_opt::<arrow::datatypes::TimestampMicrosecondType>(column.as_ref())
        });
        let text = |place: usize| row.get(place).cloned().flatten();
        Ok(About {
            version: format!("Snowflake {}", text(0).unwrap_or_default()),
            user: text(1),
            now: instants.flatten().and_then(|instants| instants.iter().next().flatten()),
        })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        match self.session.run(&format!("SELECT * FROM {} LIMIT 0", quoted(table)), None).await {
            Ok(result) => Ok(Some(result.result_set_meta_data.row_type.iter().map(decode::described).collect())),
            Err(error) if errors::is_missing_table(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        self.find_tables(discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        Ok(self.session.run(sql, None).await?.stats.rows())
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let result = self.session.run(sql, None).await?;
        let schema = decode::schema(&result.result_set_meta_data.row_type);
        let reading = Reading { session: Arc::clone(&self.session), schema: Arc::clone(&schema), result, next: 0 };
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next_batch().await?.map(|batch| (batch, reading)))
        });
        Ok(Rows { schema, stream: stream.boxed() })
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        load::load(&self.session, table, &schema, rows).await
    }

    /// <https://docs.snowflake.com/en/sql-reference/sql/explain>
    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        let row = self.first_row(&format!("EXPLAIN USING JSON {sql}")).await?;
        let text = row.into_iter().next().flatten().unwrap_or_default();
        let plan: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let total = &plan["GlobalStats"];
        Ok(Estimate {
            bytes: total["bytesAssigned"].as_u64(),
            partitions: total["partitionsAssigned"].as_u64(),
            rows: None,
        })
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        let (_, rows) = self.table(&format!("EXPLAIN USING TEXT {sql}")).await?;
        let lines: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        Ok(lines.join("\n"))
    }
}

/// A result that is read: one partition is held at a time.
struct Reading {
    session: Arc<Session>,
    schema: SchemaRef,
    result: ResultSet,
    next: usize,
}

impl Reading {
    async fn next_batch(&mut self) -> Result<Option<arrow::record_batch::RecordBatch>, WarehouseError> {
        loop {
            let number = self.next;
            self.next += 1;
            let rows = match number {
                0 => std::mem::take(&mut self.result.data),
                _ if number < self.result.result_set_meta_data.partition_info.len() => {
                    self.session.partition(&self.result.statement_handle, number).await?
                }
                _ => return Ok(None),
            };
            if !rows.is_empty() {
                return decode::batch(self.session.place(), &self.schema, rows).map(Some);
            }
        }
    }
}

/// A name as SQL; a quoted name keeps its case.
fn quoted(table: TablePath<'_>) -> String {
    let part = |part: &String| format!("\"{}\"", part.replace('"', "\"\""));
    table.iter().map(part).collect::<Vec<_>>().join(".")
}
