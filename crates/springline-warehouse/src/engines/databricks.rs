//! The Databricks engine: SQL over the Statement Execution API, rows from links to Arrow streams or inside the answers.
//! It must not know what the SQL is for.
//!
//! The API: <https://docs.databricks.com/api/workspace/statementexecution>. Every statement is a session of its own, so
//! nothing can be set for the next one: catalog and schema go with each, and the time zone has to be that of the SQL
//! warehouse, which `check` compares with UTC.

mod api;
mod decode;
mod discovery;
mod errors;
mod load;
mod token;

use super::Engine;
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError,
    config::{option, secret},
};
use api::{Api, Done, Form};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use std::sync::Arc;

/// What the engine is called and takes.
pub(super) const ENGINE: Engine = Engine { spec: SPEC, connect: |config| Ok(Arc::new(Databricks::connect(config)?)) };

const SPEC: EngineSpec = EngineSpec {
    name: "databricks",
    meaning: "Databricks: a SQL warehouse, by the SQL Statement Execution API.",
    options: &[
        option("host", true, "Host of the workspace, such as `dbc-a1b2c3d4-e5f6.cloud.databricks.com`.", None),
        option("warehouse_id", true, "Id of the SQL warehouse, the last part of its HTTP path.", None),
        secret("token", "Personal access token; or `client_id` and `client_secret`."),
        option("client_id", false, "Application id of a service principal, for OAuth.", None),
        secret("client_secret", "OAuth secret of the service principal."),
        option("catalog", false, "Catalog that names without one are in; left out, the workspace's default.", None),
        option("schema", false, "Schema that names without one are in.", Some("default")),
        option(
            "results",
            false,
            "`links`: rows are fetched as Arrow from the workspace's storage, which must be reachable from here; `inline`: rows come with the answers, at most 25 MiB a query.",
            Some("links"),
        ),
        option("statement_timeout_secs", false, "Seconds after which a statement is cancelled; 0: never.", Some("0")),
    ],
};

/// What is asked to know the place: its version, the user, the clock in microseconds and the time zone.
const ABOUT: &str =
    "SELECT VERSION(), CURRENT_USER(), CAST(UNIX_MICROS(CURRENT_TIMESTAMP()) AS STRING), CURRENT_TIMEZONE()";

/// One SQL warehouse, with a catalog and a schema to begin in.
pub(crate) struct Databricks {
    api: Arc<Api>,
    form: Form,
}

impl Databricks {
    /// Checks the options; the first call connects.
    pub(crate) fn connect(config: TargetConfig) -> Result<Self, WarehouseError> {
        let form = match config.text("results").unwrap_or("links") {
            "links" => Form::Links,
            "inline" => Form::Inline,
            _ => {
                return Err(config
                    .error("option `results` has an unknown value")
                    .with_hint("it is one of links, inline"));
            }
        };
        Ok(Self { api: Arc::new(Api::new(&config)?), form })
    }

    /// The first row of a query of text columns.
    async fn first_row(&self, sql: &str) -> Result<Vec<Option<String>>, WarehouseError> {
        let done = self.api.run(sql, &[], Form::Inline).await?;
        Ok(done.rows().into_iter().next().unwrap_or_default())
    }

    /// The lines of an EXPLAIN. A statement that cannot be planned is an error in its text, not of the request.
    async fn plan(&self, how: &str, sql: &str) -> Result<String, WarehouseError> {
        let done = self.api.run(&format!("EXPLAIN {how} {sql}"), &[], Form::Inline).await?;
        let lines: Vec<String> = done.rows().into_iter().flatten().flatten().collect();
        let text = lines.join("\n");
        match refused(&text) {
            Some(message) => Err(self.api.place().failed(message, None)),
            None => Ok(text),
        }
    }
}

#[async_trait]
impl Warehouse for Databricks {
    async fn check(&self) -> Result<(), WarehouseError> {
        let row = self.first_row(ABOUT).await?;
        let zone = row.get(3).cloned().flatten().unwrap_or_default();
        if matches!(zone.as_str(), "UTC" | "Etc/UTC" | "Z" | "GMT" | "Etc/GMT" | "+00:00" | "Zulu" | "Universal") {
            return Ok(());
        }
        let message = format!("the time zone of the SQL warehouse is `{zone}`; UTC is needed");
        Err(self.api.place().error(ErrorKind::Config, message).with_hint(
            "set it for the warehouse: Settings, Compute, SQL warehouses, SQL configuration parameters: TIMEZONE UTC",
        ))
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        let row = self.first_row(ABOUT).await?;
        let text = |index: usize| row.get(index).cloned().flatten();
        let version = text(0).unwrap_or_default();
        Ok(About {
            version: format!("Databricks SQL (Spark {})", version.split(' ').next().unwrap_or_default()),
            user: text(1),
            now: text(2).and_then(|micros| micros.parse().ok()),
        })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let sql = format!("SELECT * FROM {} LIMIT 0", quoted(table));
        let done = match self.api.run(&sql, &[], Form::Inline).await {
            Ok(done) => done,
            Err(error) if error.kind() == ErrorKind::MissingTable => return Ok(None),
            Err(error) => return Err(error),
        };
        let column = |column: &api::ColumnInfo| Column {
            name: column.name.clone(),
            data_type: decode::arrow_type(&column.type_text).unwrap_or(arrow::datatypes::DataType::Null),
            // The answer does not tell.
            nullable: true,
        };
        Ok(Some(done.columns().iter().map(column).collect()))
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        discovery::tables(&self.api, discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        let done = self.api.run(sql, &[], Form::Inline).await?;
        let place = done.columns().iter().position(|column| column.name == "num_affected_rows");
        let count = place.and_then(|place| done.rows().first()?.get(place)?.as_ref()?.parse().ok());
        Ok(count.unwrap_or(0))
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let done = self.api.run(sql, &[], self.form).await?;
        if done.columns().is_empty() {
            let error = self.api.place().error(ErrorKind::Sql, "this statement is not a query");
            return Err(error.with_hint("a query starts with SELECT, WITH or VALUES"));
        }
        let schema = result_schema(&self.api, &done)?;
        let reading = Reading {
            api: Arc::clone(&self.api),
            schema: Arc::clone(&schema),
            form: self.form,
            id: done.id().to_owned(),
            next: Some(Next::Here(done.into_chunk())),
        };
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next_batches().await?.map(|batches| (stream::iter(batches.into_iter().map(Ok)), reading)))
        });
        Ok(Rows { schema, stream: futures::TryStreamExt::try_flatten(stream).boxed() })
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        load::load(&self.api, table, &schema, rows).await
    }

    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        Ok(discovery::scanned(&self.plan("COST", sql).await?))
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        self.plan("FORMATTED", sql).await
    }
}

/// The message of an error that EXPLAIN gives in the place of a plan, which begins with `== `:
/// `Error occurred during query planning:` or the name of an exception, and `[CONDITION] text`.
fn refused(explained: &str) -> Option<&str> {
    let text = explained.strip_prefix("Error occurred during query planning:").unwrap_or(explained).trim_start();
    let text = text.split_once("Exception: ").filter(|(name, _)| !name.contains('\n')).map_or(text, |(_, text)| text);
    text.starts_with('[').then_some(text)
}

/// The columns of a result, as they are streamed.
fn result_schema(api: &Api, done: &Done) -> Result<SchemaRef, WarehouseError> {
    let mut fields = Vec::with_capacity(done.columns().len());
    for column in done.columns() {
        let Some(data_type) = decode::arrow_type(&column.type_text) else {
            let name = &column.name;
            let message = format!("column `{name}` has the Databricks type {}, which cannot be read", column.type_text);
            let error = api.place().error(ErrorKind::Type, message).with_column(name);
            return Err(error.with_hint(format!("turn it into text, for example `TO_JSON({name})`")));
        };
        fields.push(Field::new(&column.name, data_type, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The chunk that is read next.
enum Next {
    /// It came with an answer.
    Here(api::Chunk),
    /// It is still to be asked for.
    There(u64),
}

/// A result that is read chunk by chunk.
struct Reading {
    api: Arc<Api>,
    schema: SchemaRef,
    form: Form,
    id: String,
    next: Option<Next>,
}

impl Reading {
    async fn next_batches(&mut self) -> Result<Option<Vec<arrow::record_batch::RecordBatch>>, WarehouseError> {
        let chunk = match self.next.take() {
            None => return Ok(None),
            Some(Next::Here(chunk)) => chunk,
            Some(Next::There(index)) => self.api.chunk(&self.id, index).await?,
        };
        self.next = chunk.next().map(Next::There);
        let failed = |failed: decode::Failed| failed.at(self.api.place());
        let batches = match self.form {
            Form::Inline => vec![decode::from_text(&self.schema, &chunk.data_array).map_err(failed)?],
            Form::Links => {
                let mut batches = Vec::new();
                for link in &chunk.external_links {
                    let bytes = self.api.fetch(link).await?;
                    batches.extend(decode::from_arrow(&self.schema, &bytes).map_err(failed)?);
                }
                batches
            }
        };
        Ok(Some(batches.into_iter().filter(|batch| batch.num_rows() > 0).collect()))
    }
}

fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn quoted(table: TablePath<'_>) -> String {
    table.iter().map(|part| quoted_name(part)).collect::<Vec<_>>().join(".")
}
