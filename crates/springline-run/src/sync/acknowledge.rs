//! From the journal to the ledger: in bulk, at the end of a run, or at the start of the next one where
//! a run died; and while it goes on, what was taken by then. Taking the same journal in twice changes nothing. A row
//! that left and has no outcome becomes one in doubt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, BooleanArray, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use springline_destination::{Destination, JobState, Operation, Outcome, SyncContext};
use springline_ir::TableName;
use springline_plan::SyncPlan;
use springline_warehouse::{ErrorKind, WarehouseError};
use tokio_util::sync::CancellationToken;

use crate::journal::{Ended, Journal, RowLine};
use crate::records::{numbers, texts};
use crate::{RunError, Session};

/// Rows of the journal that go into one batch.
const BATCH_ROWS: usize = 8192;
/// The pause between two checkpoints is at least so many times as long as one took.
const LEAST_PAUSE: u32 = 10;

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
    if journal.is_empty() {
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
    Ok(acknowledge(session, plan, journal, writer(session, plan, journal).await?).await?.rows())
}

/// Whose journal it is that a run finds.
async fn writer(session: &Session, plan: &SyncPlan, journal: &Journal) -> Result<Writer, RunError> {
    let mut last = None;
    for batch in session.small(plan.last_run.clone()).await? {
        last = texts(&batch, "run_id")?.into_iter().flatten().max().or(last);
    }
    let theirs = journal.run()?;
    Ok(if last > theirs { Writer::Overtaken } else { Writer::Earlier })
}

/// Takes in what a run that died has left as far as it can be known without the destination. Gives the
/// number of rows that only the destination can tell of; where there are any, nothing is taken in yet.
pub(super) async fn take_in(session: &Session, plan: &SyncPlan, journal: &mut Journal) -> Result<u64, RunError> {
    if journal.is_empty() {
        return Ok(0);
    }
    let waiting = journal.waiting()?;
    if waiting == 0 {
        let writer = writer(session, plan, journal).await?;
        acknowledge(session, plan, journal, writer).await?;
    }
    Ok(waiting)
}

/// Who wrote a journal that is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// The run that goes on.
    ThisRun,
    /// The last run, which died.
    Earlier,
    /// A run that died, after which another one came on another machine. What it tells of the destination is no longer
    /// sure.
    Overtaken,
}

/// Loads the journal, takes it into the ledger and the rejected rows, and clears it.
pub(super) async fn acknowledge(
    session: &Session,
    plan: &SyncPlan,
    journal: &mut Journal,
    writer: Writer,
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
    let in_doubt = journal.in_doubt()?;
    let doubts = !in_doubt.is_empty();
    let in_doubt = in_doubt.into_iter().map(|row| Ok(OutcomeRow::new(row, true)));
    if writer == Writer::Overtaken {
        let settled = journal.settled()?.map(|row| row.map(|row| OutcomeRow::new(row, true)));
        load(session, &plan.tables.outcomes, settled.chain(in_doubt), outcome_batch).await?;
    } else {
        let is_refused = |row: &RowLine| matches!(row.outcome, Outcome::Rejected { .. });
        if settled.delivered + settled.unknown > 0 || doubts {
            let taken = only(journal.settled()?, move |row| !is_refused(row) && !row.checkpointed);
            let taken = taken.map(|row| row.map(|row| OutcomeRow::new(row, false)));
            load(session, &plan.tables.outcomes, taken.chain(in_doubt), outcome_batch).await?;
        }
        if settled.rejected > 0 {
            load(session, &plan.tables.refusals, only(journal.settled()?, is_refused), refusal_batch).await?;
        }
    }
    if writer != Writer::ThisRun || doubts {
        session.execute(&plan.reconcile).await?;
    }
    session.execute_all(&plan.acknowledge).await?;
    // Rows of a job that has not ended yet are known by the journal alone: it is kept until they are known.
    if journal.jobs()?.values().all(Option::is_some) {
        journal.clear()?;
    }
    Ok(settled)
}

/// Writes what the destination has taken into the ledger every so often until the delivery has ended: a machine that dies
/// for good takes its journal with it. The refusals, and what is not known yet, are left for the end of the run.
pub(super) async fn checkpoints(
    session: &Session,
    plan: &SyncPlan,
    journal: &Mutex<&mut Journal>,
    every: Duration,
    delivered: &CancellationToken,
) {
    let mut pause = every;
    while tokio::time::timeout(pause, delivered.cancelled()).await.is_err() {
        let began = Instant::now();
        match checkpoint(session, plan, journal).await {
            Ok(()) => tracing::debug!("checkpoint"),
            // The journal still has it all, and the end of the run tells whether the ledger can be written.
            Err(error) => tracing::warn!(error = crate::redact(&error.to_string()), "the checkpoint failed"),
        }
        // Where the ledger is written anew each time, a checkpoint may take longer than the pause.
        pause = every.max(began.elapsed() * LEAST_PAUSE);
    }
}

async fn checkpoint(session: &Session, plan: &SyncPlan, journal: &Mutex<&mut Journal>) -> Result<(), RunError> {
    let (part, rows) = {
        let journal = lock(journal);
        let Some(part) = journal.since_checkpoint() else { return Ok(()) };
        (part, journal.taken(part)?)
    };
    session.execute_all(&plan.stage).await?;
    let rows = rows.map(|row| row.map(|row| OutcomeRow::new(row, false)));
    load(session, &plan.tables.outcomes, rows, outcome_batch).await?;
    session.execute_all(&plan.checkpoint).await?;
    lock(journal).set_checkpointed(part);
    Ok(())
}

/// The journal, for a moment. It is never held over a step that could panic half-way through a change of it.
pub(super) fn lock<'a, 'b>(journal: &'a Mutex<&'b mut Journal>) -> MutexGuard<'a, &'b mut Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
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

fn only(
    rows: impl Iterator<Item = Result<RowLine, RunError>>,
    wanted: impl Fn(&RowLine) -> bool,
) -> impl Iterator<Item = Result<RowLine, RunError>> {
    rows.filter(move |row| row.as_ref().map_or(true, &wanted))
}

/// Streams rows into a table.
async fn load<R: Send + 'static>(
    session: &Session,
    table: &TableName,
    rows: impl Iterator<Item = Result<R, RunError>> + Send + 'static,
    to_batch: fn(&[R]) -> Result<RecordBatch, arrow::error::ArrowError>,
) -> Result<(), RunError> {
    let schema = to_batch(&[]).map_err(|e| RunError::Result(e.to_string()))?.schema();
    let target = session.target.clone();
    let failed = move |error: String| WarehouseError::new(ErrorKind::Io, &target, error);
    let chunks = futures::stream::iter(rows).chunks(BATCH_ROWS).map(move |chunk| {
        let rows = chunk.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
        to_batch(&rows).map_err(|e| failed(e.to_string()))
    });
    session.warehouse.load(&table.parts, schema, chunks.boxed()).await?;
    Ok(())
}

/// A row on its way to the ledger.
struct OutcomeRow {
    row: RowLine,
    /// The change that the destination may or may not have.
    in_doubt: Option<String>,
}

impl OutcomeRow {
    fn new(row: RowLine, is_in_doubt: bool) -> Self {
        let in_doubt = is_in_doubt.then(|| format!("{}:{}", row.operation.as_str(), row.hash));
        OutcomeRow { row, in_doubt }
    }

    /// What the row tells of the ledger, unless it is in doubt.
    fn sure<'a>(&'a self, text: Option<&'a str>) -> Option<&'a str> {
        text.filter(|_| self.in_doubt.is_none())
    }
}

fn strings<'a, R>(rows: &'a [R], text: impl Fn(&'a R) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(text).collect::<StringArray>())
}

fn instants<'a>(rows: impl Iterator<Item = &'a RowLine>) -> ArrayRef {
    Arc::new(rows.map(|row| Some(row.at)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn outcome_batch(rows: &[OutcomeRow]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let is_removed = |row: &OutcomeRow| row.in_doubt.is_none() && row.row.operation == Operation::Delete;
    let removed: BooleanArray = rows.iter().map(|row| Some(is_removed(row))).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("_key", strings(rows, |r| Some(&r.row.key)), true),
        ("_hash", strings(rows, |r| r.sure(Some(&r.row.hash))), true),
        ("run_id", strings(rows, |r| Some(&r.row.run)), true),
        ("sent_at", instants(rows.iter().map(|r| &r.row)), true),
        ("receipt", strings(rows, |r| r.sure(r.row.receipt.as_deref())), true),
        ("in_doubt", strings(rows, |r| r.in_doubt.as_deref()), true),
        ("in_doubt_request", strings(rows, |r| r.in_doubt.is_some().then_some(r.row.request.as_str())), true),
        ("removed", Arc::new(removed) as ArrayRef, true),
    ])
}

fn refusal_batch(rows: &[RowLine]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let retryable: BooleanArray =
        rows.iter().map(|row| Some(matches!(row.outcome, Outcome::Rejected { retryable: true, .. }))).collect();
    RecordBatch::try_from_iter([
        ("_key", strings(rows, |r| Some(&r.key))),
        ("_hash", strings(rows, |r| Some(&r.hash))),
        ("operation", strings(rows, |r| Some(r.operation.as_str()))),
        ("code", strings(rows, |r| Some(refusal(r).0))),
        ("message", strings(rows, |r| Some(refusal(r).1))),
        ("retryable", Arc::new(retryable) as ArrayRef),
        ("run_id", strings(rows, |r| Some(&r.run))),
        ("seen_at", instants(rows.iter())),
    ])
}

fn refusal(row: &RowLine) -> (&str, &str) {
    match &row.outcome {
        Outcome::Rejected { code, message, .. } => (code, message),
        _ => ("", ""),
    }
}
