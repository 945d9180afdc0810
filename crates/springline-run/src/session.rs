//! What a run works with, and what it tells while it works.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use springline_ir::{ColumnDef, Query, Statement, TableName};
use springline_model::{Project, SourceMap};
use springline_plan::{Context, Step};
use springline_sql::Dialect;
use springline_warehouse::{Rows, Warehouse};
use tokio_util::sync::CancellationToken;

use crate::RunError;
use crate::arrow_types::schema_of;

/// A project on a target, at an instant.
pub struct Session {
    /// The checked project.
    pub project: Arc<Project>,
    /// Its texts.
    pub sources: Arc<SourceMap>,
    /// The warehouse of the target.
    pub warehouse: Arc<dyn Warehouse>,
    /// The target's name, for messages.
    pub target: String,
    /// The target's dialect.
    pub dialect: Arc<Dialect>,
    /// The schema of Springline's own tables.
    pub state_schema: String,
    /// What reading a TiB of the warehouse costs, where it charges for that.
    pub price_per_tib: Option<f64>,
    /// The one clock.
    pub as_of: Timestamp,
    /// The folder of the project; the journal is below it.
    pub project_dir: PathBuf,
    /// The session of the embedded engine where the state of syncs is kept, where that is not the warehouse.
    pub local_state: Option<Box<Session>>,
    /// Asks the syncs to send nothing more: requests that are on their way are heard out.
    pub stop: CancellationToken,
    /// Told what goes on.
    pub observer: Arc<dyn Fn(Event<'_>) + Send + Sync>,
}

/// Something that happened in a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A statement begins.
    Started {
        /// The step's name.
        step: &'a str,
    },
    /// A statement is done.
    Finished {
        /// The step's name.
        step: &'a str,
        /// How long it took.
        elapsed: Duration,
    },
    /// Rows have got an outcome from the destination.
    Delivered {
        /// The rows so far.
        rows: u64,
        /// The rows to send in all.
        of: u64,
    },
}

impl Session {
    /// Where the state of syncs is kept.
    pub fn state(&self) -> &Session {
        self.local_state.as_deref().unwrap_or(self)
    }

    /// What plans are made from.
    pub fn context(&self) -> Context<'_> {
        Context {
            project: &self.project,
            sources: &self.sources,
            as_of: self.as_of,
            state_schema: &self.state_schema,
            capabilities: self.dialect.capabilities(),
        }
    }

    /// Adds rows to a table: `values` are the `columns`, all of one length.
    pub(crate) async fn append(
        &self,
        table: &TableName,
        columns: &[ColumnDef],
        values: Vec<ArrayRef>,
    ) -> Result<(), RunError> {
        let schema = schema_of(columns);
        let batch = RecordBatch::try_new(schema.clone(), values).map_err(|e| RunError::Result(e.to_string()))?;
        let rows = futures::stream::once(async { Ok(batch) }).boxed();
        self.warehouse.load(&table.parts, schema, rows).await?;
        Ok(())
    }

    /// Runs a step that gives no rows.
    pub(crate) async fn execute(&self, step: &Step) -> Result<u64, RunError> {
        let sql = springline_sql::print(&self.dialect, &step.statement)?;
        (self.observer)(Event::Started { step: &step.name });
        let started = Instant::now();
        let rows = self.warehouse.execute(&sql).await?;
        let elapsed = started.elapsed();
        tracing::debug!(statement = step.name, rows, elapsed_ms = elapsed.as_millis(), "executed");
        (self.observer)(Event::Finished { step: &step.name, elapsed });
        Ok(rows)
    }

    /// Runs steps that give no rows, in order.
    pub(crate) async fn execute_all(&self, steps: &[Step]) -> Result<(), RunError> {
        for step in steps {
            self.execute(step).await?;
        }
        Ok(())
    }

    /// Runs a query and streams its rows.
    pub(crate) async fn query(&self, query: Query) -> Result<Rows, RunError> {
        let sql = springline_sql::print(&self.dialect, &Statement::Query(query))?;
        Ok(self.warehouse.query(&sql).await?)
    }

    /// Runs a query whose result is small by construction: an aggregate or a limited one.
    pub(crate) async fn small(&self, query: Query) -> Result<Vec<RecordBatch>, RunError> {
        Ok(self.query(query).await?.stream.try_collect().await?)
    }
}
