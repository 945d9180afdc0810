//! One run of a sync: what should be there, what differs, the guards, the delivery, the ledger.

mod acknowledge;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use springline_destination::{Batch, ChangeKind, DeliveryReport, Destination, Outcome, Policy, SyncContext, deliver};
use springline_model::{Limit, Mode, Sync};
use springline_plan::{CHANGE, HASH, KEY, SyncPlan};

use crate::arrow_types::arrow_type;
use crate::cells::exact_cast;
use crate::journal::{Ended, Journal};
use crate::keys;
use crate::records::{numbers, texts, truths};
use crate::{Event, RunError, Session};

/// What a sync would send.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SyncCounts {
    /// The sync's name.
    pub sync: String,
    /// As of when.
    pub as_of: String,
    /// Rows that the destination has not acknowledged yet.
    pub added: u64,
    /// Rows whose payload differs from the acknowledged one.
    pub changed: u64,
    /// Acknowledged rows that are no longer wanted.
    pub removed: u64,
    /// Acknowledged rows whose payload is the same.
    pub unchanged: u64,
    /// Rows that differ but that the sync's mode does not send.
    pub skipped: u64,
    /// Rows that the destination has refused for good and that have not changed since: not sent again.
    pub held: u64,
    /// Rows the ledger had before.
    pub acknowledged: u64,
    /// Rows of a run that died whose end only the destination knows; the next apply asks it.
    pub waiting: u64,
    /// The guards that would stop the run.
    pub tripped: Vec<Tripped>,
}

/// A guard that stops a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Tripped {
    /// `max_removed`, `max_added` or `min_rows`.
    pub guard: String,
    /// What it allows, as the model says.
    pub allowed: String,
    /// What the run would do, in rows.
    pub found: u64,
}

/// What a run of a sync did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SyncReport {
    /// What there was to send.
    #[serde(flatten)]
    pub counts: SyncCounts,
    /// Rows the destination acknowledged.
    pub delivered: u64,
    /// Rows it refused.
    pub rejected: u64,
    /// Rows of which it only told the number.
    pub unknown: u64,
    /// Rows that were not sent, or whose end is not known yet; the next run sends or asks again.
    pub unsent: u64,
    /// Requests made, tries counted.
    pub requests: u64,
    /// The run's id.
    pub run_id: String,
    /// Why the delivery ended early, if it did.
    pub stopped: Option<String>,
    /// Rows of an earlier run that died, taken from its journal.
    pub recovered: u64,
}

/// How a sync stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SyncStatus {
    /// The sync's name.
    pub sync: String,
    /// Rows the destination has acknowledged.
    pub acknowledged: u64,
    /// Rows it has refused, latest first.
    pub rejected: Vec<RejectedRow>,
}

/// A row that a destination has refused.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RejectedRow {
    /// Its key; masked where it is personal.
    pub key: String,
    /// `upsert` or `delete`.
    pub operation: String,
    /// The destination's reason in one word.
    pub code: String,
    /// The destination's reason in its words.
    pub message: String,
    /// Whether the next run sends it again though it has not changed.
    pub retryable: bool,
    /// How often it was refused.
    pub attempts: u64,
}

/// Computes what a sync would send, and sends nothing.
///
/// # Errors
/// A source that is not as the model says, keys that are null or not unique, or what the warehouse
/// reports.
pub async fn plan_sync(session: &Session, sync: &Sync) -> Result<SyncCounts, RunError> {
    let mut journal = Journal::open(&session.project_dir, &session.target, &sync.name)?;
    let plan = springline_plan::sync(session.context(), sync)?;
    session.warehouse.check().await?;
    session.execute_all(&plan.prepare).await?;
    let waiting = acknowledge::take_in(session, &plan, &mut journal).await?;
    let counts = compare(session, sync, &plan).await;
    cleaned(session, &plan, counts).await.map(|counts| SyncCounts { waiting, ..counts })
}

/// Sends what differs from the ledger and takes the outcomes into it. A run that trips a guard sends
/// nothing: [`SyncCounts::tripped`] says why.
///
/// # Errors
/// As [`plan_sync`]; what the destination reports before the first row. Failures of the delivery itself
/// are in the report: what was acknowledged by then is in the ledger.
pub async fn apply_sync(
    session: &Session,
    sync: &Sync,
    destination: Arc<dyn Destination>,
) -> Result<SyncReport, RunError> {
    let started = Timestamp::now();
    let mut journal = Journal::open(&session.project_dir, &session.target, &sync.name)?;
    let plan = springline_plan::sync(session.context(), sync)?;
    session.warehouse.check().await?;
    session.execute_all(&plan.prepare).await?;
    let context = sync_context(session, sync, &plan).await?;
    let recovered = acknowledge::recover(session, &plan, &mut journal, &context, destination.as_ref()).await?;
    let report = run(session, sync, &plan, &mut journal, context, destination.as_ref()).await;
    let report = SyncReport { recovered, ..cleaned(session, &plan, report).await? };
    acknowledge::record_run(session, sync, &report, started).await?;
    Ok(report)
}

/// Removes what only lives as long as a run, however the run ended: it holds customers' values.
async fn cleaned<T>(session: &Session, plan: &SyncPlan, result: Result<T, RunError>) -> Result<T, RunError> {
    let cleanup = session.execute_all(&plan.cleanup).await;
    let value = result?;
    cleanup.map(|()| value)
}

/// The run itself: compare, guard, deliver, acknowledge.
async fn run(
    session: &Session,
    sync: &Sync,
    plan: &SyncPlan,
    journal: &mut Journal,
    mut context: SyncContext,
    destination: &dyn Destination,
) -> Result<SyncReport, RunError> {
    let counts = compare(session, sync, plan).await?;
    let to_send = counts.added + counts.changed + counts.removed;
    let mut report = SyncReport {
        delivered: 0,
        rejected: 0,
        unknown: 0,
        unsent: 0,
        requests: 0,
        run_id: context.run_id.clone(),
        stopped: None,
        recovered: 0,
        counts,
    };
    if !report.counts.tripped.is_empty() || to_send == 0 {
        return Ok(report);
    }
    context.resources = destination.prepare(&context).await?;
    let delivery = send(session, plan, journal, &context, destination, to_send).await?;
    report.requests = delivery.requests;
    report.stopped = delivery.stopped.map(|reason| crate::redact(&reason));
    let settled = acknowledge::acknowledge(session, plan, journal).await?;
    (report.delivered, report.rejected, report.unknown) = (settled.delivered, settled.rejected, settled.unknown);
    report.unsent = to_send.saturating_sub(settled.delivered + settled.rejected + settled.unknown);
    Ok(report)
}

/// How a sync stands: acknowledged and refused rows.
///
/// # Errors
/// What the warehouse reports.
pub async fn sync_status(session: &Session, sync: &Sync, show_pii: bool) -> Result<SyncStatus, RunError> {
    let plan = springline_plan::sync(session.context(), sync)?;
    session.warehouse.check().await?;
    session.execute_all(&plan.prepare).await?;
    let mut acknowledged = 0;
    for batch in session.small(plan.ledger_rows.clone()).await? {
        acknowledged += numbers(&batch, "rows")?.into_iter().sum::<u64>();
    }
    let mut rejected = Vec::new();
    let hidden = keys::are_personal(session, sync) && !show_pii;
    let mut rows = session.query(plan.rejected.clone()).await?.stream;
    while let Some(batch) = rows.try_next().await? {
        rejected.extend(rejected_rows(&batch, hidden, show_pii)?);
    }
    Ok(SyncStatus { sync: sync.name.clone(), acknowledged, rejected })
}

/// Forgets the refusals of a sync, so that its next run sends those rows again. Gives their number.
///
/// # Errors
/// Another run of the sync goes on, or what the warehouse reports.
pub async fn retry_sync(session: &Session, sync: &Sync) -> Result<u64, RunError> {
    let mut journal = Journal::open(&session.project_dir, &session.target, &sync.name)?;
    let plan = springline_plan::sync(session.context(), sync)?;
    session.warehouse.check().await?;
    session.execute_all(&plan.prepare).await?;
    acknowledge::take_in(session, &plan, &mut journal).await?;
    let forgotten = sync_status(session, sync, false).await?.rejected.len() as u64;
    session.execute(&plan.forget_rejected).await?;
    Ok(forgotten)
}

fn rejected_rows(batch: &RecordBatch, hidden: bool, show_pii: bool) -> Result<Vec<RejectedRow>, RunError> {
    let (keys, operations) = (texts(batch, KEY)?, texts(batch, "operation")?);
    let (codes, messages) = (texts(batch, "code")?, texts(batch, "message")?);
    let (retryable, attempts) = (truths(batch, "retryable")?, numbers(batch, "attempts")?);
    let row = |i: usize| {
        let key = keys[i].clone().unwrap_or_default();
        // A destination may quote the row in its reason.
        let message = messages[i].clone().unwrap_or_default();
        RejectedRow {
            key: if hidden { crate::mask(&key) } else { key },
            operation: operations[i].clone().unwrap_or_default(),
            code: codes[i].clone().unwrap_or_default(),
            message: if show_pii { message } else { crate::redact(&message) },
            retryable: retryable[i],
            attempts: attempts[i],
        }
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Computes what should be at the destination and compares it with the ledger.
async fn compare(session: &Session, sync: &Sync, plan: &SyncPlan) -> Result<SyncCounts, RunError> {
    session.preflight(&plan.desired.statement).await?;
    let budget = sync.segment.map(|segment| session.project.segment(segment).budget).unwrap_or_default();
    let budgets = [session.project.budget, budget];
    session.keep_within(&format!("sync `{}`", sync.name), &budgets, &[&plan.desired]).await?;
    session.execute(&plan.desired).await?;
    let (owner, personal) = (format!("sync `{}`", sync.name), keys::are_personal(session, sync));
    keys::check(session, owner, &sync.key_name, plan.duplicates.clone(), personal).await?;
    let mut counts = SyncCounts {
        sync: sync.name.clone(),
        as_of: session.as_of.to_string(),
        added: 0,
        changed: 0,
        removed: 0,
        unchanged: 0,
        skipped: 0,
        held: 0,
        acknowledged: 0,
        waiting: 0,
        tripped: Vec::new(),
    };
    let mut desired = 0;
    for batch in session.small(plan.counts.clone()).await? {
        let (changes, held, rows) = (texts(&batch, CHANGE)?, truths(&batch, "held")?, numbers(&batch, "rows")?);
        for ((change, held), rows) in changes.iter().flatten().zip(held).zip(rows) {
            count(&mut counts, change, held, rows, sync.mode);
            desired += if change == "removed" { 0 } else { rows };
        }
    }
    counts.tripped = tripped(sync, &counts, desired);
    Ok(counts)
}

fn count(counts: &mut SyncCounts, change: &str, held: bool, rows: u64, mode: Mode) {
    if change != "added" {
        counts.acknowledged += rows;
    }
    let sent = SyncPlan::sends(mode, change);
    let place = match change {
        _ if held && sent => &mut counts.held,
        "added" if sent => &mut counts.added,
        "changed" if sent => &mut counts.changed,
        "removed" if sent => &mut counts.removed,
        "unchanged" => &mut counts.unchanged,
        _ => &mut counts.skipped,
    };
    *place += rows;
}

fn tripped(sync: &Sync, counts: &SyncCounts, desired: u64) -> Vec<Tripped> {
    let mut all = Vec::new();
    let mut check = |guard: &str, limit: Option<Limit>, found: u64| {
        let Some(limit) = limit else { return };
        let (most, allowed) = match limit {
            Limit::Rows(rows) => (rows as f64, format!("{rows} rows")),
            Limit::Percent(share) => (counts.acknowledged as f64 * share / 100.0, format!("{share} %")),
        };
        // The first run has nothing to take a share of.
        let first = counts.acknowledged == 0 && matches!(limit, Limit::Percent(_));
        if !first && found as f64 > most {
            all.push(Tripped { guard: guard.to_owned(), allowed, found });
        }
    };
    check("max_removed", sync.guards.max_removed, counts.removed);
    check("max_added", sync.guards.max_added, counts.added);
    if let Some(least) = sync.guards.min_rows.filter(|least| desired < *least) {
        all.push(Tripped { guard: "min_rows".to_owned(), allowed: format!("{least} rows or more"), found: desired });
    }
    all
}

async fn sync_context(session: &Session, sync: &Sync, plan: &SyncPlan) -> Result<SyncContext, RunError> {
    let fields: Vec<_> =
        plan.columns.iter().map(|c| arrow::datatypes::Field::new(&c.name, arrow_type(&c.ty), true)).collect();
    let mut previous_run = None;
    for batch in session.small(plan.last_run.clone()).await? {
        previous_run = texts(&batch, "run_id")?.into_iter().flatten().next().or(previous_run);
    }
    Ok(SyncContext {
        sync: sync.name.clone(),
        run_id: uuid::Uuid::now_v7().simple().to_string(),
        previous_run,
        mode: destination_mode(sync.mode),
        key_field: sync.key_name.clone(),
        fields: Arc::new(arrow::datatypes::Schema::new(fields)),
        as_of: session.as_of.to_string(),
        resources: Default::default(),
        removal: None,
        replaces: None,
    })
}

fn destination_mode(mode: Mode) -> springline_destination::Mode {
    match mode {
        Mode::Upsert => springline_destination::Mode::Upsert,
        Mode::Update => springline_destination::Mode::Update,
        Mode::Insert => springline_destination::Mode::Insert,
        Mode::Mirror => springline_destination::Mode::Mirror,
        Mode::Append => springline_destination::Mode::Append,
    }
}

/// Streams the changes to the destination; every outcome is in the journal before the next request.
async fn send(
    session: &Session,
    plan: &SyncPlan,
    journal: &mut Journal,
    context: &SyncContext,
    destination: &dyn Destination,
    to_send: u64,
) -> Result<DeliveryReport, RunError> {
    let rows = session.query(plan.changes.clone()).await?;
    let schema = context.fields.clone();
    let changes = rows.stream.map(move |batch| to_changes(&batch?, &schema));
    let mut done = 0;
    let report =
        deliver(destination, context, changes, &Policy::default(), async |batch: &Batch, outcomes: &[Outcome]| {
            journal.rows(batch, outcomes, &context.run_id, Timestamp::now().as_microsecond())?;
            done += outcomes.len() as u64;
            (session.observer)(Event::Delivered { rows: done, of: to_send });
            Ok::<(), RunError>(())
        })
        .await?;
    for (job, end) in destination.finish(context).await? {
        journal.job(&job, Ended::Done(end))?;
    }
    Ok(report)
}

/// A batch of the changes query as the destination takes it.
fn to_changes(batch: &RecordBatch, fields: &arrow::datatypes::SchemaRef) -> Result<Batch, RunError> {
    let required = |name: &str| -> Result<Vec<String>, RunError> {
        let values: Option<Vec<String>> = texts(batch, name)?.into_iter().collect();
        values.ok_or_else(|| RunError::Result(format!("column `{name}` holds null")))
    };
    let kinds = required(CHANGE)?.iter().map(|change| kind(change)).collect::<Result<Vec<_>, _>>()?;
    let columns = fields
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column_by_name(field.name());
            let column = column.ok_or_else(|| RunError::Result(format!("there is no column `{}`", field.name())))?;
            exact_cast(column, field.data_type())
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let rows = RecordBatch::try_new_with_options(fields.clone(), columns, &options);
    let rows = rows.map_err(|e| RunError::Result(e.to_string()))?;
    Ok(Batch::new(required(KEY)?, kinds, required(HASH)?, rows)?)
}

fn kind(change: &str) -> Result<ChangeKind, RunError> {
    match change {
        "added" => Ok(ChangeKind::Added),
        "changed" => Ok(ChangeKind::Changed),
        "removed" => Ok(ChangeKind::Removed),
        other => Err(RunError::Result(format!("`{other}` is no change"))),
    }
}
