//! The BigQuery engine: jobs over the REST API, results page by page, bulk loads by load jobs.
//! It must not know what the SQL is for.
//!
//! Requests go through the HTTP client that the engines share: the crates for BigQuery bring a second HTTP stack
//! (tonic, another reqwest), and their addresses cannot be those of a test.

mod auth;
mod client;
mod decode;
mod discovery;
mod errors;
mod load;

use super::Engine;
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError,
    config::{option, secret},
};
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use client::{Client, FieldJson, Job, Page};
use discovery::TableJson;
use futures::{StreamExt, stream};
use std::sync::Arc;

/// What the engine is called and takes.
pub(super) const ENGINE: Engine = Engine { spec: SPEC, connect: |config| Ok(Arc::new(BigQuery::connect(&config)?)) };

const SPEC: EngineSpec = EngineSpec {
    name: "bigquery",
    meaning: "Google BigQuery, over its REST API.",
    options: &[
        option("project", true, "Project that the jobs run in and are billed to.", None),
        option("dataset", true, "Dataset of the tables that are named without one.", None),
        option("location", false, "Location of the datasets, such as `EU`; left out, BigQuery finds it out.", None),
        secret(
            "credentials",
            "A service account's key file (or its text); left out, the application default credentials: `GOOGLE_APPLICATION_CREDENTIALS`, `gcloud auth application-default login`, or the machine's own account.",
        ),
        secret("token", "An OAuth access token, instead of `credentials`; it is not renewed."),
        option(
            "maximum_bytes_billed",
            false,
            "Bytes that a statement may bill at most; one that would bill more fails and costs nothing.",
            None,
        ),
        option(
            "statement_timeout_secs",
            false,
            "Seconds after which BigQuery stops a job; 0: its own limit.",
            Some("0"),
        ),
        option("endpoint", false, "Address of the API.", Some("https://bigquery.googleapis.com")),
    ],
};

/// One project of BigQuery.
pub(crate) struct BigQuery {
    client: Arc<Client>,
}

impl BigQuery {
    /// Checks the options and reads the credentials; nothing is sent.
    fn connect(config: &TargetConfig) -> Result<Self, WarehouseError> {
        Ok(Self { client: Arc::new(Client::new(config)?) })
    }

    /// Project, dataset and name of a table.
    fn full(&self, table: TablePath<'_>) -> [String; 3] {
        let mut parts = table.iter().rev().cloned();
        let name = parts.next().unwrap_or_default();
        let dataset = parts.next().unwrap_or_else(|| self.client.dataset.clone());
        [parts.next().unwrap_or_else(|| self.client.project.clone()), dataset, name]
    }

    /// The columns of a table, `None` where there is none.
    async fn fields(&self, table: TablePath<'_>) -> Result<Option<Vec<FieldJson>>, WarehouseError> {
        let [project, dataset, name] = self.full(table);
        let url = self.client.dataset_url(&project, &dataset, &format!("tables/{name}"));
        Ok(self.client.get::<TableJson>(&url).await?.map(|table| table.schema.fields))
    }
}

#[async_trait]
impl Warehouse for BigQuery {
    async fn check(&self) -> Result<(), WarehouseError> {
        self.client.dry_run("SELECT 1").await.map(|_| ())
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        let (_, page) = self.client.first_page("SELECT SESSION_USER(), UNIX_MICROS(CURRENT_TIMESTAMP())").await?;
        let text = |at: usize| page.rows.first()?.f.get(at)?.v.as_str().map(str::to_owned);
        Ok(About {
            version: "BigQuery".to_owned(),
            user: text(0).or_else(|| self.client.user().map(str::to_owned)),
            now: text(1).and_then(|micros| micros.parse().ok()),
        })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let column = |field: &FieldJson| Column {
            name: field.name.clone(),
            data_type: decode::arrow_type(field).unwrap_or(DataType::Null),
            nullable: field.mode != "REQUIRED",
        };
        Ok(self.fields(table).await?.map(|fields| fields.iter().map(column).collect()))
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        self.find_tables(discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        self.client.run(sql).await
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let (job, page) = self.client.first_page(sql).await?;
        if page.schema.fields.is_empty() {
            let error = self.client.place.new_error(ErrorKind::Sql, "this statement is not a query");
            return Err(error.with_hint("a query starts with SELECT or WITH"));
        }
        let schema = decode::schema(&self.client.place, &page.schema.fields)?;
        let reading = Reading { client: Arc::clone(&self.client), job, schema: Arc::clone(&schema), page: Some(page) };
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|batch| (batch, reading)))
        });
        Ok(Rows { schema, stream: stream.boxed() })
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        self.load_rows(table, schema, rows).await
    }

    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        let (bytes, _) = self.client.dry_run(sql).await?;
        Ok(Estimate { bytes: Some(bytes), ..Estimate::default() })
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        let (bytes, schema) = self.client.dry_run(sql).await?;
        let column = |field: &FieldJson| format!("\n  {} {}", field.name, field.kind);
        let columns: String = schema.fields.iter().map(column).collect();
        Ok(format!("BigQuery tells no plan before a statement has run.\nbytes read: {bytes}\ncolumns:{columns}"))
    }
}

/// An open query: the page that was read last.
struct Reading {
    client: Arc<Client>,
    job: Job,
    schema: SchemaRef,
    page: Option<Page>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<arrow::record_batch::RecordBatch>, WarehouseError> {
        loop {
            let Some(page) = self.page.take() else { return Ok(None) };
            let batch = decode::batch(&self.client.place, &self.schema, page.rows)?;
            if let Some(token) = page.page_token {
                if batch.num_rows() > 0 {
                    self.page = Some(Page { page_token: Some(token), ..Page::default() });
                    return Ok(Some(batch));
                }
                self.page = Some(self.job.page(&token).await?);
                continue;
            }
            return Ok(Some(batch).filter(|batch| batch.num_rows() > 0));
        }
    }
}

/// A name as GoogleSQL quotes it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}
