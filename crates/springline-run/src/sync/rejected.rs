//! The rows that a destination has refused: listing them, and forgetting that it did.

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use springline_model::Sync;
use springline_plan::KEY;

use super::{SyncRequest, acknowledge, exclusively, records};
use crate::records::{instants, numbers, texts, truths};
use crate::{RunError, Session, keys};

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
    /// Whether it is sent again though it has not changed, after a while that grows with the attempts.
    pub retryable: bool,
    /// How often it was refused.
    pub attempts: u64,
    /// When it was refused for the first time, in ISO 8601.
    pub first_seen_at: String,
    /// When it was refused for the last time, in ISO 8601.
    pub last_seen_at: String,
}

/// How a sync stands: acknowledged and refused rows.
///
/// # Errors
/// What the warehouse reports.
pub async fn sync_status(session: &Session, sync: &Sync, show_pii: bool) -> Result<SyncStatus, RunError> {
    let state = session.state();
    let plan = state.sync_plan(sync, false)?;
    session.warehouse.check().await?;
    records::prepare(state, &plan).await?;
    let mut acknowledged = 0;
    for batch in state.small(plan.ledger_rows.clone()).await? {
        acknowledged += numbers(&batch, "rows")?.into_iter().sum::<u64>();
    }
    let mut rejected = Vec::new();
    let hidden = keys::are_personal(session, sync) && !show_pii;
    let mut rows = state.query(plan.rejected.clone()).await?.stream;
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
    exclusively(session, sync, &SyncRequest::default(), async |plan, journal, _| {
        acknowledge::take_in(session.state(), plan, journal).await?;
        let forgotten = sync_status(session, sync, false).await?.rejected.len() as u64;
        session.state().execute(&plan.forget_rejected).await?;
        Ok(forgotten)
    })
    .await
}

fn rejected_rows(batch: &RecordBatch, hidden: bool, show_pii: bool) -> Result<Vec<RejectedRow>, RunError> {
    let (keys, operations) = (texts(batch, KEY)?, texts(batch, "operation")?);
    let (codes, messages) = (texts(batch, "code")?, texts(batch, "message")?);
    let (retryable, attempts) = (truths(batch, "retryable")?, numbers(batch, "attempts")?);
    let (first, last) = (instants(batch, "first_seen_at")?, instants(batch, "last_seen_at")?);
    let text = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
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
            first_seen_at: text(first[i]),
            last_seen_at: text(last[i]),
        }
    };
    Ok((0..batch.num_rows()).map(row).collect())
}
