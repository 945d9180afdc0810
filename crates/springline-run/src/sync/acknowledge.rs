//! From the journal to the ledger: in bulk, at the end of a run, or at the start of the next one where
//! a run died. Taking the same journal in twice changes nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use springline_destination::{Destination, JobState, Operation, Outcome, SyncContext};
use springline_ir::TableName;
use springline_plan::SyncPlan;
use springline_warehouse::{ErrorKind, WarehouseError};

use crate::journal::{Ended, Journal, RowLine};
use crate::records::numbers;
use crate::{RunError, Session};

/// Rows of the journal that go into one batch.
const BATCH_ROWS: usize = 8192;

/// How many rows had which end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) delivered: u64,
    pub(super) rejected: u64,
    pub(super) unknown: u64,
}

impl Settled {
    /// All of them.
    pub(super) fn rows(&self) -> u64 {
        self.delivered + self.rejected + self.unknown
    }
}

/// Takes in what a run that died has left: asks the destination about its jobs first.
pub(super) async fn recover(
    session: &Session,
    plan: &SyncPlan,
    journal: &mut Journal,
    context: &SyncContext,
    destination: &dyn Destination,
) -> Result<u64, RunError> {
    if journal.is_empty()? {
        return Ok(0);
    }
    let open = journal.jobs()?.into_iter().filter(|(_, ended)| ended.is_none());
    for (job, _) in open {
        match destination.poll(context, &job).await? {
            JobState::Done(end) => journal.job(&job, Ended::Done(end))?,
            JobState::Lost => journal.job(&job, Ended::Lost)?,
            JobState::Pending => return Err(RunError::Pending { sync: context.sync.clone(), job }),
        }
    }
    Ok(acknowledge(session, plan, journal, true).await?.rows())
}

/// Takes in what a run that died has left as far as it can be known without the destination. Gives the
/// number of rows that only the destination can tell of; where there are any, nothing is taken in yet.
pub(super) async fn take_in(session: &Session, plan: &SyncPlan, journal: &mut Journal) -> Result<u64, RunError> {
    if journal.is_empty()? {
        return Ok(0);
    }
    let waiting = journal.waiting()?;
    if waiting == 0 {
        acknowledge(session, plan, journal, true).await?;
    }
    Ok(waiting)
}

/// Loads the journal, takes it into the ledger and the rejected rows, and clears it. The journal of an `earlier` run
/// may be older than what another machine has put into the ledger since.
pub(super) async fn acknowledge(
    session: &Session,
    plan: &SyncPlan,
    journal: &mut Journal,
    earlier: bool,
) -> Result<Settled, RunError> {
    session.execute_all(&plan.stage).await?;
    let mut settled = Settled::default();
    for row in journal.settled()? {
        match row?.outcome {
            Outcome::Delivered => settled.delivered += 1,
            Outcome::Rejected { .. } => settled.rejected += 1,
            // A destination that only counts has taken the row: sending it again and again would not
            // tell more.
            Outcome::Unknown | Outcome::Accepted { .. } => settled.unknown += 1,
        }
    }
    let is_refused = |row: &RowLine| matches!(row.outcome, Outcome::Rejected { .. });
    load(
        session,
        &plan.tables.outcomes,
        journal,
        settled.delivered + settled.unknown,
        move |r| !is_refused(r),
        outcome_batch,
    )
    .await?;
    load(session, &plan.tables.refusals, journal, settled.rejected, is_refused, refusal_batch).await?;
    if earlier {
        session.execute(&plan.newest).await?;
    }
    session.execute_all(&plan.acknowledge).await?;
    // Rows of a job that has not ended yet are known by the journal alone: it is kept until they are known.
    if journal.jobs()?.values().all(Option::is_some) {
        journal.clear()?;
    }
    Ok(settled)
}

/// Forgets the refusals of rows that have changed since, or that are not to be sent any more.
pub(super) async fn clear_rejected(session: &Session, plan: &SyncPlan) -> Result<(), RunError> {
    let mut refusals = 0;
    for batch in session.small(plan.rejected_rows.clone()).await? {
        refusals += numbers(&batch, "rows")?.into_iter().sum::<u64>();
    }
    if refusals > 0 {
        session.execute(&plan.clear_rejected).await?;
    }
    Ok(())
}

/// Streams the rows of the journal that are `wanted` into a table.
async fn load(
    session: &Session,
    table: &TableName,
    journal: &Journal,
    rows: u64,
    wanted: impl Fn(&RowLine) -> bool + Send + 'static,
    to_batch: fn(&[RowLine]) -> Result<RecordBatch, arrow::error::ArrowError>,
) -> Result<(), RunError> {
    if rows == 0 {
        return Ok(());
    }
    let schema = to_batch(&[]).map_err(|e| RunError::Result(e.to_string()))?.schema();
    let target = session.target.clone();
    let failed = move |error: String| WarehouseError::new(ErrorKind::Io, &target, error);
    let lines = journal.settled()?.filter(move |row| row.as_ref().map_or(true, &wanted));
    let chunks = futures::stream::iter(lines).chunks(BATCH_ROWS).map(move |chunk| {
        let rows = chunk.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
        to_batch(&rows).map_err(|e| failed(e.to_string()))
    });
    session.warehouse.load(&table.parts, schema, chunks.boxed()).await?;
    Ok(())
}

fn strings<'a>(rows: &'a [RowLine], text: impl Fn(&'a RowLine) -> &'a str) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(text(row))).collect::<StringArray>())
}

fn instants(rows: &[RowLine]) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(row.at)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn outcome_batch(rows: &[RowLine]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let removed: BooleanArray = rows.iter().map(|row| Some(row.operation == Operation::Delete)).collect();
    RecordBatch::try_from_iter([
        ("_key", strings(rows, |r| &r.key)),
        ("_hash", strings(rows, |r| &r.hash)),
        ("run_id", strings(rows, |r| &r.run)),
        ("sent_at", instants(rows)),
        ("removed", Arc::new(removed) as ArrayRef),
    ])
}

fn refusal_batch(rows: &[RowLine]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let retryable: BooleanArray =
        rows.iter().map(|row| Some(matches!(row.outcome, Outcome::Rejected { retryable: true, .. }))).collect();
    RecordBatch::try_from_iter([
        ("_key", strings(rows, |r| &r.key)),
        ("_hash", strings(rows, |r| &r.hash)),
        ("operation", strings(rows, |r| r.operation.as_str())),
        ("code", strings(rows, |r| refusal(r).0)),
        ("message", strings(rows, |r| refusal(r).1)),
        ("retryable", Arc::new(retryable) as ArrayRef),
        ("run_id", strings(rows, |r| &r.run)),
        ("seen_at", instants(rows)),
    ])
}

fn refusal(row: &RowLine) -> (&str, &str) {
    match &row.outcome {
        Outcome::Rejected { code, message, .. } => (code, message),
        _ => ("", ""),
    }
}
