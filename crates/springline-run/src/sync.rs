//! One run of a sync: what should be there, what differs, the guards, the delivery, the ledger.

mod acknowledge;
mod guards;
mod past;
mod records;
mod rejected;
mod send;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use springline_destination::{Destination, SyncContext};
use springline_ir::Statement;
use springline_model::{Mode, Sync};
use springline_plan::{CHANGE, DESIRED, ENDED_BY_ERROR, KEY, Step, SyncOptions, SyncPlan};
use tracing::Instrument;

pub use self::guards::Tripped;
pub use self::past::{SyncSizes, last_start, last_success, recent_sizes, sync_sizes};
use self::records::RunLog;
pub use self::rejected::{RejectedRow, SyncStatus, retry_sync, sync_status};
use crate::cells::rows_to_json;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::records::{numbers, texts, truths};
use crate::{RunError, Session, keys};

/// How a sync is to be planned or applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncRequest {
    /// What was acknowledged, and what was refused, is sent again too.
    pub full_resync: bool,
    /// Wait for another run of the sync to end; if not, it is an error.
    pub wait: bool,
    /// The plan that the rows must still be those of.
    pub planned: Option<PlannedSync>,
    /// They need not be.
    pub allow_drift: bool,
    /// Personal values of samples are shown as they are.
    pub show_pii: bool,
}

/// What a later apply can be held to. It holds no value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedSync {
    /// The sync's name.
    pub sync: String,
    /// The target's name.
    pub target: String,
    /// As of when.
    pub as_of: String,
    /// Whether what was acknowledged is sent again too.
    pub full_resync: bool,
    /// How many rows are to be sent.
    pub rows: u64,
    /// What tells these rows from any others.
    pub fingerprint: String,
}

/// What a sync would send.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SyncCounts {
    /// The sync's name.
    pub sync: String,
    /// Where the state is kept: `schema …` of the warehouse, or `folder …`.
    pub state: String,
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
    /// Acknowledged rows whose payload is the same, and that a full resync sends again.
    pub repeated: u64,
    /// Rows that differ but that the sync's mode does not send.
    pub skipped: u64,
    /// Rows that the destination has refused, that have not changed since and that are not due to be tried again.
    pub held: u64,
    /// Rows that should be at the destination.
    pub desired: u64,
    /// Rows the ledger had before.
    pub acknowledged: u64,
    /// Rows to send of which an earlier request may or may not have reached the destination.
    pub in_doubt: u64,
    /// Rows of a run that died whose end only the destination knows; the next apply asks it.
    pub waiting: u64,
    /// A run has died on another machine since the last one: what it sent last is known to its journal there alone.
    pub abandoned: bool,
    /// The guards that would stop the run.
    pub tripped: Vec<Tripped>,
}

impl SyncCounts {
    fn new(session: &Session, sync: &Sync) -> Self {
        SyncCounts {
            sync: sync.name.clone(),
            state: session.state_place(),
            as_of: session.as_of.to_string(),
            added: 0,
            changed: 0,
            removed: 0,
            unchanged: 0,
            repeated: 0,
            skipped: 0,
            held: 0,
            desired: 0,
            acknowledged: 0,
            in_doubt: 0,
            waiting: 0,
            abandoned: false,
            tripped: Vec::new(),
        }
    }

    /// How many rows would be sent.
    pub fn to_send(&self) -> u64 {
        self.added + self.changed + self.removed + self.repeated
    }

    fn count(&mut self, change: &str, held: bool, rows: u64, mode: Mode) {
        if change != "added" {
            self.acknowledged += rows;
        }
        if change != "removed" {
            self.desired += rows;
        }
        let sent = SyncPlan::sends(mode, change);
        let place = match change {
            _ if held && sent => &mut self.held,
            "added" if sent => &mut self.added,
            "changed" if sent => &mut self.changed,
            "removed" if sent => &mut self.removed,
            "repeated" if sent => &mut self.repeated,
            "unchanged" => &mut self.unchanged,
            _ => &mut self.skipped,
        };
        *place += rows;
    }
}

/// What a sync would send, with examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SyncForecast {
    /// How much.
    #[serde(flatten)]
    pub counts: SyncCounts,
    /// Some rows of each change: `_key`, `_change` and the mapped fields, which a removed row does not have. Personal
    /// values are masked.
    pub samples: Vec<Map<String, Value>>,
    /// What a later apply can be held to.
    pub planned: PlannedSync,
}

/// What a run of a sync did.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// Those of them that were a second or later try.
    pub retries: u64,
    /// The run's id.
    pub run_id: String,
    /// Why the delivery ended early, if it did.
    pub stopped: Option<String>,
    /// Rows of an earlier run that died, taken from its journal.
    pub recovered: u64,
}

impl SyncReport {
    /// The end of the run in one word: `guarded`, `failed` (nothing got through), `partial` or `done`.
    pub fn outcome(&self) -> &'static str {
        match self {
            _ if !self.counts.tripped.is_empty() => "guarded",
            _ if self.stopped.is_some() && self.delivered + self.rejected + self.unknown == 0 => "failed",
            _ if self.stopped.is_some() || self.rejected > 0 || self.unsent > 0 => "partial",
            _ => "done",
        }
    }
}

impl Session {
    /// Where the state of syncs is kept, in words.
    fn state_place(&self) -> String {
        match &self.local_state {
            Some(state) => format!("folder .springline/state.{}", state.state_schema),
            None => format!("schema {}", self.state_schema),
        }
    }

    /// The plan of a sync. The clock tells which refused rows are due again.
    pub(crate) fn sync_plan(&self, sync: &Sync, full_resync: bool) -> Result<SyncPlan, RunError> {
        let now = jiff::Timestamp::now();
        let now = jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Ok(springline_plan::sync(self.context(), sync, &SyncOptions { full_resync, now })?)
    }
}

/// Computes what a sync would send, and sends nothing.
///
/// # Errors
/// A source that is not as the model says, keys that are null or not unique, another run that goes on, or what the
/// warehouse reports.
pub async fn plan_sync(session: &Session, sync: &Sync, request: &SyncRequest) -> Result<SyncForecast, RunError> {
    exclusively(session, sync, request, async |plan, journal, abandoned| {
        let waiting = acknowledge::take_in(session.state(), plan, journal).await?;
        let forecast = forecast(session, sync, plan, request).await;
        let mut forecast = cleaned(session.state(), plan, forecast).await?;
        forecast.counts.waiting = waiting;
        forecast.counts.abandoned = abandoned;
        Ok(forecast)
    })
    .await
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
    request: &SyncRequest,
) -> Result<SyncReport, RunError> {
    exclusively(session, sync, request, async |plan, journal, abandoned| {
        let state = session.state();
        let context = send::sync_context(state, sync, plan);
        let mut log = RunLog::new(&context.run_id);
        let run = Run { session, sync, plan, request, destination: destination.as_ref() };
        let to = session.project.destination(sync.destination);
        let span = tracing::info_span!("run", run_id = log.run_id, sync = sync.name, destination = to.name);
        let work = async {
            let report = run.apply(journal, context, &mut log).await;
            let mut report = cleaned(state, plan, report).await?;
            report.counts.abandoned = abandoned;
            Ok(report)
        };
        let report = work.instrument(span.clone()).await;
        span.in_scope(|| log_end(&report));
        let recorded = log.record(state, sync, &report).await;
        match (report, recorded) {
            (Err(error), recorded) => {
                // What ended the run is what there is to tell.
                if let Err(second) = recorded {
                    tracing::warn!(error = %second, "the run was not recorded");
                }
                Err(error)
            }
            (report, recorded) => recorded.and(report),
        }
    })
    .await
}

/// The end of a run, for logs: numbers and reasons without what may be personal.
fn log_end(report: &Result<SyncReport, RunError>) {
    match report {
        Ok(report) => tracing::info!(
            outcome = report.outcome(),
            delivered = report.delivered,
            rejected = report.rejected,
            unknown = report.unknown,
            unsent = report.unsent,
            requests = report.requests,
            retries = report.retries,
            stopped = report.stopped,
            "run ended"
        ),
        Err(error) => tracing::error!(outcome = ENDED_BY_ERROR, error = crate::redact(&error.to_string()), "run ended"),
    }
}

/// Does something that no other run of the sync may do at the same time, on this machine or another.
async fn exclusively<T>(
    session: &Session,
    sync: &Sync,
    request: &SyncRequest,
    work: impl AsyncFnOnce(&SyncPlan, &mut Journal, bool) -> Result<T, RunError>,
) -> Result<T, RunError> {
    let mut journal = Journal::open(&session.project_dir, &session.target, &sync.name, request.wait).await?;
    let state = session.state();
    let plan = state.sync_plan(sync, request.full_resync)?;
    session.warehouse.check().await?;
    records::prepare(state, &plan).await?;
    let table = springline_plan::lease_table(&state.state_schema, &sync.name);
    let owner = format!("sync `{}`", sync.name);
    let lease = Lease::take(state, owner, table, journal.last_holder(), request.wait).await?;
    let abandoned = lease.abandoned;
    let (value, lease) = lease
        .hold(async {
            records::upgrade(state, sync, &plan).await?;
            work(&plan, &mut journal, abandoned).await
        })
        .await?;
    lease.release().await?;
    Ok(value)
}

/// Removes what only lives as long as a run, however the run ended: it holds customers' values.
async fn cleaned<T>(session: &Session, plan: &SyncPlan, result: Result<T, RunError>) -> Result<T, RunError> {
    let cleanup = session.execute_all(&plan.cleanup).await;
    let value = result?;
    cleanup.map(|()| value)
}

/// A run on its way.
struct Run<'a> {
    session: &'a Session,
    sync: &'a Sync,
    plan: &'a SyncPlan,
    request: &'a SyncRequest,
    destination: &'a dyn Destination,
}

impl Run<'_> {
    /// The run itself: recover, compare, guard, deliver, acknowledge.
    async fn apply(
        &self,
        journal: &mut Journal,
        mut context: SyncContext,
        log: &mut RunLog,
    ) -> Result<SyncReport, RunError> {
        let Run { session, plan, destination, .. } = *self;
        let state = session.state();
        context.resources = records::resources(state, self.sync).await?;
        let kept = context.resources.clone();
        let recovered = acknowledge::recover(state, plan, journal, &context, destination);
        let recovered = log.step("recover", recovered, |rows| *rows).await?;
        let counts = compare(session, self.sync, plan, self.request);
        let counts = log.step("compare", counts, |counts| counts.desired).await?;
        let to_send = counts.to_send();
        let mut report = SyncReport {
            delivered: 0,
            rejected: 0,
            unknown: 0,
            unsent: 0,
            requests: 0,
            retries: 0,
            run_id: context.run_id.clone(),
            stopped: None,
            recovered,
            counts,
        };
        if !report.counts.tripped.is_empty() {
            return Ok(report);
        }
        acknowledge::clear_rejected(state, plan).await?;
        if to_send == 0 {
            return Ok(report);
        }
        if self.request.full_resync {
            // The list may have been deleted, or the account may be another one.
            context.resources.clear();
        }
        let prepared = destination.prepare(&context).await?;
        // Before anything is sent: a list that was made is then known, whatever happens next.
        records::keep_resources(state, self.sync, &kept, &prepared).await?;
        context.resources = prepared;
        let every = self.sync.checkpoint_every;
        let delivery = send::send(state, plan, journal, &context, destination, &report.counts, every);
        let delivery = log.step("deliver", delivery, |_| to_send).await?;
        (report.requests, report.retries) = (delivery.requests, delivery.retries);
        report.stopped = delivery.stopped.map(|reason| crate::redact(&reason));
        let settled = acknowledge::acknowledge(state, plan, journal, acknowledge::Writer::ThisRun);
        let settled = log.step("acknowledge", settled, acknowledge::Settled::rows).await?;
        (report.delivered, report.rejected, report.unknown) = (settled.delivered, settled.rejected, settled.unknown);
        report.unsent = to_send.saturating_sub(settled.rows());
        // A share of the rows that the engine's own upkeep would take for a change too.
        if let Some(step) = plan.analyze.as_ref().filter(|_| settled.rows() > report.counts.acknowledged / 10) {
            state.execute(step).await?;
        }
        Ok(report)
    }
}

/// Computes what should be at the destination and compares it with the ledger.
async fn compare(
    session: &Session,
    sync: &Sync,
    plan: &SyncPlan,
    request: &SyncRequest,
) -> Result<SyncCounts, RunError> {
    // The rows come from the warehouse, whatever keeps the state.
    let desired = session.sync_plan(sync, request.full_resync)?.desired;
    session.preflight(&desired.statement).await?;
    let budget = sync.segment.map(|segment| session.project.segment(segment).budget).unwrap_or_default();
    let budgets = [session.project.budget, budget];
    session.keep_within(&format!("sync `{}`", sync.name), &budgets, &[&desired]).await?;
    let state = session.state();
    if session.local_state.is_some() {
        carry_desired(session, desired, plan).await?;
    } else {
        session.execute(&desired).await?;
    }
    let (owner, personal) = (format!("sync `{}`", sync.name), keys::are_personal(session, sync));
    keys::check(state, owner, &sync.key_name, plan.duplicates.clone(), personal).await?;
    state.execute(&plan.difference).await?;
    let mut counts = SyncCounts::new(session, sync);
    let mut desired = 0;
    for batch in state.small(plan.counts.clone()).await? {
        let (changes, rows) = (texts(&batch, CHANGE)?, numbers(&batch, "rows")?);
        let marks = truths(&batch, "held")?.into_iter().zip(truths(&batch, "in_doubt")?);
        for ((change, (held, in_doubt)), rows) in changes.iter().flatten().zip(marks).zip(rows) {
            if change == DESIRED {
                desired = rows;
                continue;
            }
            counts.count(change, held, rows, sync.mode);
            if in_doubt && !held && SyncPlan::sends(sync.mode, change) {
                counts.in_doubt += rows;
            }
        }
    }
    // Those that are the same do not stand in the difference.
    counts.count("unchanged", false, desired.saturating_sub(counts.desired), sync.mode);
    counts.tripped = guards::tripped(session, sync, plan, request, &counts).await?;
    Ok(counts)
}

/// Streams what should be at the destination from the warehouse to where the state is kept.
async fn carry_desired(session: &Session, desired: Step, plan: &SyncPlan) -> Result<(), RunError> {
    let state = session.state();
    state.execute_all(&plan.empty_desired).await?;
    if let Statement::ReplaceTable { query, .. } = desired.statement {
        let rows = session.query(query).await?;
        state.warehouse.load(&plan.tables.desired.parts, rows.schema, rows.stream).await?;
    }
    Ok(())
}

/// What would be sent, with examples of each change.
async fn forecast(
    session: &Session,
    sync: &Sync,
    plan: &SyncPlan,
    request: &SyncRequest,
) -> Result<SyncForecast, RunError> {
    let counts = compare(session, sync, plan, request).await?;
    let has = |change: &str| match change {
        "added" => counts.added > 0,
        "changed" => counts.changed > 0,
        "removed" => counts.removed > 0,
        _ => counts.repeated > 0,
    };
    let mut samples = Vec::new();
    for (_, query) in plan.samples.iter().filter(|(change, _)| has(change)) {
        for batch in session.state().small(query.clone()).await? {
            samples.extend(sample_rows(session, sync, plan, request, &batch)?);
        }
    }
    let planned = PlannedSync {
        sync: sync.name.clone(),
        target: session.target.clone(),
        as_of: counts.as_of.clone(),
        full_resync: request.full_resync,
        rows: counts.to_send(),
        fingerprint: guards::fingerprint(session.state(), plan).await?,
    };
    Ok(SyncForecast { counts, samples, planned })
}

fn sample_rows(
    session: &Session,
    sync: &Sync,
    plan: &SyncPlan,
    request: &SyncRequest,
    batch: &arrow::record_batch::RecordBatch,
) -> Result<Vec<Map<String, Value>>, RunError> {
    let personal_key = keys::are_personal(session, sync);
    let is_personal = |name: &str| match name {
        KEY => personal_key,
        _ => plan.columns.iter().any(|column| column.name == name && column.pii.is_some()),
    };
    let hidden: Vec<bool> =
        batch.schema().fields().iter().map(|field| !request.show_pii && is_personal(field.name())).collect();
    let mut rows = rows_to_json(batch, batch.num_columns(), &hidden)?;
    for row in &mut rows {
        row.shift_remove(springline_plan::HASH);
        // A removed row has no values any more: nulls would say that it has them.
        if row.get(CHANGE).is_some_and(|change| change == "removed") {
            row.retain(|name, _| name == KEY || name == CHANGE);
        }
    }
    Ok(rows)
}
