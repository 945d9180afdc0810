//! Runs SQL on a warehouse and streams the rows back as Arrow: one engine a file, all behind [`Warehouse`].
//! It must not know models, segments, syncs or how SQL text is made: it is handed finished SQL and table paths.
//!
//! Text columns of a result are `Utf8` on every engine, whatever the engine uses inside; timestamps with a zone are
//! `Timestamp(Microsecond, "UTC")`.

mod about;
mod cancel;
mod columns;
mod config;
mod discovery;
mod engines;
mod error;
#[cfg(feature = "datafusion")]
mod sandbox;

pub use about::{About, Estimate};
pub use cancel::cancellations;
pub use config::{EngineSpec, OptionSpec, TargetConfig};
pub use discovery::{Discover, FoundColumn, FoundTable};
#[cfg(feature = "datafusion")]
pub use engines::EMBEDDED;
pub use engines::{connect, engines};
pub use error::{ErrorKind, WarehouseError};
#[cfg(feature = "datafusion")]
pub use sandbox::sandbox;

use arrow::{
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
use async_trait::async_trait;

/// A column of a table as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, in the engine's own case.
    pub name: String,
    /// The Arrow type rows of it arrive in; `Null` for a type of the engine that has no Arrow counterpart here (such a
    /// column can be described, and must be cast to be read).
    pub data_type: DataType,
    /// Whether it may hold null.
    pub nullable: bool,
}

/// One to three parts, outermost first (`catalog.schema.table`), in the engine's own case and without quotes.
pub type TablePath<'a> = &'a [String];

/// Batches of rows, in no promised order unless the SQL orders them. Dropping it ends the query.
pub type RowStream = futures::stream::BoxStream<'static, Result<RecordBatch, WarehouseError>>;

/// A result: its columns are known before its first row.
pub struct Rows {
    /// The columns; every batch has exactly these.
    pub schema: SchemaRef,
    /// The rows.
    pub stream: RowStream,
}

/// A connection to a warehouse. All calls may run at the same time on one value.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Checks that the warehouse answers and that the credentials are good.
    ///
    /// # Errors
    /// `Connection` or `Permission`, naming the place and the user but never the password.
    async fn check(&self) -> Result<(), WarehouseError>;

    /// What the warehouse is, who we are there and what its clock shows.
    ///
    /// # Errors
    /// As for [`Warehouse::check`].
    async fn about(&self) -> Result<About, WarehouseError>;

    /// The columns of a table or view; `None` when there is no such table.
    ///
    /// # Errors
    /// Anything but the table's absence.
    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError>;

    /// The tables and views that there are, in no promised order.
    ///
    /// # Errors
    /// Anything that keeps one of them from being read.
    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError>;

    /// Runs one statement (or one script, where the engine takes scripts) and gives the rows it affected where the
    /// engine tells, else 0.
    ///
    /// # Errors
    /// As the engine has them; nothing of a failed statement is kept.
    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError>;

    /// Runs a query and streams its rows. Several may be open at once, also while [`Warehouse::execute`] runs.
    ///
    /// # Errors
    /// Here what planning finds; later failures arrive as the stream's last item.
    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError>;

    /// Appends rows to an existing table, all or none, and gives their number. Columns are matched by name; a column
    /// of the table that the rows lack takes its default, else null.
    ///
    /// # Errors
    /// `MissingTable`, `MissingColumn`, `Type`, or the error that the stream itself gave.
    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError>;

    /// What a query would read. It is not run.
    ///
    /// # Errors
    /// What planning finds.
    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError>;

    /// The engine's plan for a statement, as text for a person. The statement is not run.
    ///
    /// # Errors
    /// What planning finds.
    async fn explain(&self, sql: &str) -> Result<String, WarehouseError>;
}
