//! From the changes in the warehouse to the destination: the rows as it takes them, each outcome in the journal before
//! the next request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use springline_destination::{
    Batch, ChangeKind, DeliveryReport, Destination, Policy, Progress, RemovalKind, SyncContext, deliver_once_noted,
};
use springline_model::{Mode, Nulls, Removal, Sync};
use springline_plan::{CHANGE, HASH, KEY, RECEIPT, REPEAT_OF, SyncPlan};
use tokio_util::sync::CancellationToken;

use super::SyncCounts;
use super::acknowledge::{checkpoints, lock};
use crate::arrow_types::arrow_type;
use crate::cells::exact_cast;
use crate::journal::{Ended, Journal};
use crate::records::texts;
use crate::{Event, RunError, Session};

pub(super) fn sync_context(session: &Session, sync: &Sync, plan: &SyncPlan) -> SyncContext {
    let fields: Vec<_> =
        plan.columns.iter().map(|c| arrow::datatypes::Field::new(&c.name, arrow_type(&c.ty), true)).collect();
    SyncContext {
        sync: sync.name.clone(),
        run_id: uuid::Uuid::now_v7().simple().to_string(),
        mode: destination_mode(sync.mode),
        key_field: sync.key_name.clone(),
        fields: Arc::new(arrow::datatypes::Schema::new(fields)),
        as_of: session.as_of.to_string(),
        resources: Default::default(),
        removal: sync.removal.map(removal_kind),
        nulls: sync.map.iter().filter_map(|m| Some((m.field.clone(), destination_nulls(m.nulls?)))).collect(),
        replaces: None,
    }
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

fn removal_kind(removal: Removal) -> RemovalKind {
    match removal {
        Removal::Delete => RemovalKind::Delete,
        Removal::LeaveList => RemovalKind::LeaveList,
        Removal::Archive => RemovalKind::Archive,
        Removal::Erase => RemovalKind::Erase,
    }
}

fn destination_nulls(nulls: Nulls) -> springline_destination::Nulls {
    match nulls {
        Nulls::Send => springline_destination::Nulls::Send,
        Nulls::Skip => springline_destination::Nulls::Skip,
        Nulls::Clear => springline_destination::Nulls::Clear,
    }
}

/// Streams the changes to the destination, those in doubt first; every request is in the journal before it leaves, and
/// every outcome before the next request.
pub(super) async fn send(
    session: &Session,
    plan: &SyncPlan,
    journal: &mut Journal,
    context: &SyncContext,
    destination: &dyn Destination,
    counts: &SyncCounts,
    checkpoint_every: Duration,
) -> Result<DeliveryReport, RunError> {
    let queries = [(counts.in_doubt > 0).then(|| plan.doubtful.clone()), Some(plan.changes.clone())];
    // One after the other: a connection may know of one result at a time.
    let results = futures::stream::iter(queries.into_iter().flatten()).then(|query| session.query(query));
    let rows = results.map_ok(|rows| rows.stream.map_err(RunError::from)).try_flatten();
    let schema = context.fields.clone();
    let changes = rows.map(move |batch| to_changes(&batch?, &schema));
    let (mut done, of) = (0, counts.to_send());
    // Keys that stand twice have ended the run before, and the difference holds each of them once.
    let policy = Policy { stop: session.stop.clone(), distinct_keys: true, ..Policy::default() };
    let shared = Mutex::new(&mut *journal);
    let note = |progress: Progress<'_>| {
        lock(&shared).note(progress, &context.run_id, Timestamp::now().as_microsecond())?;
        if let Progress::Settled { outcomes, .. } = progress {
            done += outcomes.len() as u64;
            (session.observer)(Event::Delivered { rows: done, of });
        }
        Ok::<(), RunError>(())
    };
    let delivery = deliver_once_noted(destination, context, changes, &policy, note, || lock(&shared).on_disk());
    let delivered = CancellationToken::new();
    let delivery = async {
        let report = delivery.await;
        delivered.cancel();
        report
    };
    // A checkpoint that is on its way is not broken off.
    let (report, ()) = tokio::join!(delivery, checkpoints(session, plan, &shared, checkpoint_every, &delivered));
    let report = report?;
    journal.flush()?;
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
    let changes = Batch::new(required(KEY)?, kinds, required(HASH)?, rows)?;
    Ok(changes.with_receipts(texts(batch, RECEIPT)?)?.with_repeats(texts(batch, REPEAT_OF)?)?)
}

fn kind(change: &str) -> Result<ChangeKind, RunError> {
    match change {
        "added" => Ok(ChangeKind::Added),
        "changed" | "repeated" => Ok(ChangeKind::Changed),
        "removed" => Ok(ChangeKind::Removed),
        other => Err(RunError::Result(format!("`{other}` is no change"))),
    }
}
