//! Whether a target can serve: it answers, its clock is right, every source can be read, and the state can be kept.
//!
//! Each check does what a run would do, on a table of its own, so that what the warehouse says is what a run would be
//! told. It must not know how any engine words its grants: the engines' errors carry that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use springline_ir::{
    Body, ColumnDef, ColumnRef, Expr, From, OutputColumn, Query, Relation, Select, Statement, TableName, Type,
};
use springline_model::Source;
use springline_plan::Step;
use springline_warehouse::{About, Estimate};

use crate::{RunError, Session};

/// A clock that differs by more makes `as_of` mean another instant than events' times do.
const SKEW: Duration = Duration::from_secs(5);

/// The table that a checkup makes in the state schema and removes again.
const TABLE: &str = "checkup";

/// What a checkup found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Checkup {
    /// The target.
    pub target: String,
    /// What the warehouse says it is.
    pub version: Option<String>,
    /// The user that statements run as.
    pub user: Option<String>,
    /// What was looked at, in order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// What: `connection`, `clock`, `source <name>`, `state`.
    pub check: String,
    /// How it stands.
    pub status: Health,
    /// What was found.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Works, and may surprise.
    Doubtful,
    /// A run would fail.
    Bad,
}

/// What went well, in words, or why not.
type Finding = Result<(Health, String, Option<String>), RunError>;

/// Looks at everything that runs and syncs on this target need. What fails is told, not returned.
pub async fn checkup(session: &Session) -> Checkup {
    let mut checks = Vec::new();
    let started = Instant::now();
    let about = session.warehouse.about().await;
    let connection = match &about {
        Ok(about) => Ok((Health::Good, described(about), None)),
        Err(error) => Err(RunError::from(error.clone())),
    };
    checks.push(check("connection".to_owned(), started, connection));
    let Ok(about) = about else {
        return Checkup { target: session.target.clone(), version: None, user: None, checks };
    };
    let elapsed = started.elapsed();
    if let Some(now) = about.now {
        checks.push(check("clock".to_owned(), started, Ok(clock(now, elapsed))));
    }
    for source in &session.project.sources {
        let started = Instant::now();
        let found = session.readable(source).await;
        checks.push(check(format!("source {}", source.name), started, found));
    }
    let started = Instant::now();
    let kept = session.state().state_is_kept().await;
    checks.push(check("state".to_owned(), started, kept));
    Checkup { target: session.target.clone(), version: Some(about.version), user: about.user, checks }
}

fn check(name: String, started: Instant, finding: Finding) -> Check {
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, message, hint) = match finding {
        Ok(found) => found,
        Err(error) => {
            let hint = error.hint();
            (Health::Bad, error.to_string(), hint)
        }
    };
    Check { check: name, status, message, hint, elapsed_ms }
}

fn described(about: &About) -> String {
    match &about.user {
        Some(user) => format!("{} as {user}", about.version),
        None => about.version.clone(),
    }
}

/// Compares the warehouse's clock with ours; the answer took `elapsed` at most, which is no skew.
fn clock(now: i64, elapsed: Duration) -> (Health, String, Option<String>) {
    let ours = Timestamp::now().as_microsecond();
    let apart = Duration::from_micros(ours.abs_diff(now)).saturating_sub(elapsed);
    if apart <= SKEW {
        return (Health::Good, "the same as here".to_owned(), None);
    }
    let direction = if now > ours { "ahead of" } else { "behind" };
    let message = format!("the warehouse is {:.0} s {direction} this machine", apart.as_secs_f64());
    let hint = "set this machine's clock, or give --as-of: events at or after it do not exist for a run";
    (Health::Doubtful, message, Some(hint.to_owned()))
}

impl Session {
    /// That a source is as the model says and may be read. Nothing is read: the warehouse plans it.
    async fn readable(&self, source: &Source) -> Finding {
        let column = |name: &str| ColumnRef { relation: "t".to_owned(), column: name.to_owned() };
        let columns = source
            .columns
            .iter()
            .map(|c| OutputColumn { name: c.name.clone(), expr: Expr::leaf(column(&c.name), c.ty.clone()) });
        let query = select(&source.table, columns.collect());
        let statement = Statement::Query(query);
        self.preflight(&statement).await?;
        let sql = springline_sql::print(&self.dialect, &statement)?;
        let estimate = self.warehouse.estimate(&sql).await?;
        Ok((Health::Good, format!("readable{}", size(estimate)), None))
    }

    /// That tables can be made, filled, read and removed in the schema of the state.
    async fn state_is_kept(&self) -> Finding {
        let table = TableName::in_schema(&self.state_schema, TABLE);
        let drop = step("checkup.drop", Statement::DropTable { table: table.clone() });
        let done = self.use_state(&table, &drop).await;
        // Whatever happened, nothing is left behind.
        let dropped = self.execute(&drop).await;
        done?;
        dropped?;
        Ok((Health::Good, format!("tables can be made, filled, read and removed in `{}`", self.state_schema), None))
    }

    async fn use_state(&self, table: &TableName, drop: &Step) -> Result<(), RunError> {
        self.execute(&step("checkup.schema", Statement::CreateSchema { schema: self.state_schema.clone() })).await?;
        self.execute(drop).await?;
        let columns = vec![ColumnDef { name: "id".to_owned(), ty: Type::Integer }];
        self.execute(&step("checkup.create", Statement::CreateTable { table: table.clone(), columns })).await?;
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1_i64]));
        let batch = RecordBatch::try_from_iter([("id", id)]).map_err(|error| RunError::Result(error.to_string()))?;
        let schema = batch.schema();
        self.warehouse.load(&table.parts, schema, futures::stream::iter([Ok(batch)]).boxed()).await?;
        let id = ColumnRef { relation: "t".to_owned(), column: "id".to_owned() };
        let output = OutputColumn { name: "id".to_owned(), expr: Expr::leaf(id, Type::Integer) };
        let rows: Vec<RecordBatch> = self.query(select(table, vec![output])).await?.stream.try_collect().await?;
        match rows.iter().map(RecordBatch::num_rows).sum::<usize>() {
            1 => Ok(()),
            other => Err(RunError::Result(format!("one row was written into `{table}`, {other} were read"))),
        }
    }
}

fn step(name: &str, statement: Statement) -> Step {
    Step { name: name.to_owned(), statement }
}

fn select(table: &TableName, columns: Vec<OutputColumn>) -> Query {
    let from = From { relation: Relation::Table(table.clone()), alias: "t".to_owned() };
    Query { ctes: Vec::new(), body: Body::Select(Box::new(Select::new(from, columns))) }
}

/// What is known of a table's size.
fn size(estimate: Estimate) -> String {
    match (estimate.rows, estimate.bytes) {
        (Some(rows), _) => format!(", about {rows} rows"),
        (None, Some(bytes)) => format!(", {bytes} bytes"),
        (None, None) => String::new(),
    }
}
