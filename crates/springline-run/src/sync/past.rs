//! What the records tell of a sync before a run of it: when it ran, how many rows it had, what its ledger holds.

use jiff::Timestamp;
use springline_ir::Query;
use springline_model::Sync;

use crate::records::{instants, numbers};
use crate::{RunError, Session};

/// How many rows a destination has acknowledged and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncSizes {
    /// Rows of the ledger.
    pub acknowledged: u64,
    /// Rows that it has refused and that are still to be sent.
    pub rejected: u64,
}

/// When the last run of a sync began; `None` where none is recorded.
///
/// # Errors
/// What the warehouse reports.
pub async fn last_start(session: &Session, sync: &Sync) -> Result<Option<Timestamp>, RunError> {
    latest(session, sync, "started_at", None).await
}

/// When the last run of a sync ended that delivered everything; `None` where none is recorded.
///
/// # Errors
/// What the warehouse reports.
pub async fn last_success(session: &Session, sync: &Sync) -> Result<Option<Timestamp>, RunError> {
    latest(session, sync, "ended_at", Some("done")).await
}

async fn latest(
    session: &Session,
    sync: &Sync,
    instant: &str,
    outcome: Option<&str>,
) -> Result<Option<Timestamp>, RunError> {
    let state = session.state();
    if !is_recorded(state).await? {
        return Ok(None);
    }
    let query = springline_plan::latest_run(&state.state_schema, &sync.name, instant, outcome);
    let mut latest = None;
    for batch in state.small(query).await? {
        latest = latest.max(instants(&batch, instant)?.into_iter().flatten().max());
    }
    Ok(latest)
}

/// How many rows a sync had in its last runs, the latest first; at most as many as asked for.
///
/// # Errors
/// What the warehouse reports.
pub async fn recent_sizes(session: &Session, sync: &Sync, runs: u64) -> Result<Vec<u64>, RunError> {
    let state = session.state();
    if !is_recorded(state).await? {
        return Ok(Vec::new());
    }
    counted(state, springline_plan::recent_sizes(&state.state_schema, &sync.name, runs), "desired").await
}

/// How many rows the destination of a sync has acknowledged and refused.
///
/// # Errors
/// The sync has not run yet, or what the warehouse reports.
pub async fn sync_sizes(session: &Session, sync: &Sync) -> Result<SyncSizes, RunError> {
    let state = session.state();
    let plan = state.sync_plan(sync, false)?;
    Ok(SyncSizes {
        acknowledged: counted(state, plan.ledger_rows, "rows").await?.into_iter().sum(),
        rejected: counted(state, plan.rejected_rows, "rows").await?.into_iter().sum(),
    })
}

async fn counted(state: &Session, query: Query, column: &str) -> Result<Vec<u64>, RunError> {
    let mut all = Vec::new();
    for batch in state.small(query).await? {
        all.extend(numbers(&batch, column)?);
    }
    Ok(all)
}

/// Before the first run of any sync there is no table of runs, and one of an earlier version lacks columns until the
/// next run.
async fn is_recorded(state: &Session) -> Result<bool, RunError> {
    let found = state.warehouse.describe(&springline_plan::runs_table(&state.state_schema).parts).await?;
    let found: Vec<String> = found.into_iter().flatten().map(|column| column.name).collect();
    Ok(springline_plan::runs_columns().iter().all(|column| found.contains(&column.name)))
}
