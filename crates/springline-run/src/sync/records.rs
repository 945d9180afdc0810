//! What is kept of a run: its counts and steps, and the version of the state tables.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use jiff::Timestamp;
use springline_destination::Resources;
use springline_model::Sync;
use springline_plan::{ENDED_BY_ERROR, STATE_VERSION, SyncPlan};
use tracing::Instrument;

use super::{SyncCounts, SyncReport};
use crate::definition::definition_hash;
use crate::journal::records_lock;
use crate::records::{instants_of, numbers, numbers_of, texts, texts_of};
use crate::{RunError, Session};

/// A run while it goes on: what is known of it if it ends here.
pub(super) struct RunLog {
    pub(super) run_id: String,
    started: Timestamp,
    steps: Vec<StepRecord>,
}

struct StepRecord {
    step: &'static str,
    started: Timestamp,
    ended: Timestamp,
    rows: u64,
    error: String,
}

impl RunLog {
    pub(super) fn new(run_id: &str) -> Self {
        RunLog { run_id: run_id.to_owned(), started: Timestamp::now(), steps: Vec::new() }
    }

    /// Does a step and keeps how long it took, how many rows it was about and how it ended.
    pub(super) async fn step<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Result<T, RunError>>,
        rows: impl FnOnce(&T) -> u64,
    ) -> Result<T, RunError> {
        let started = Timestamp::now();
        let done = work.instrument(tracing::info_span!("step", step)).await;
        let (rows, error) = match &done {
            Ok(value) => (rows(value), String::new()),
            Err(error) => (0, crate::redact(&error.to_string())),
        };
        self.steps.push(StepRecord { step, started, ended: Timestamp::now(), rows, error });
        done
    }

    /// Writes the run down, and forgets what is older than the project keeps.
    pub(super) async fn record(
        &self,
        session: &Session,
        sync: &Sync,
        result: &Result<SyncReport, RunError>,
    ) -> Result<(), RunError> {
        let schema = &session.state_schema;
        // A table without a DELETE is forgotten from by writing it anew: nothing may be added to it meanwhile.
        let _alone = records_lock(&session.project_dir, &session.target).await?;
        let steps = self.step_columns(sync);
        session.append(&springline_plan::run_steps_table(schema), &springline_plan::run_steps_columns(), steps).await?;
        let mut run = self.run_columns(session, sync, result);
        run.push(texts_of([definition_hash(session, sync)?.as_str()]));
        session.append(&springline_plan::runs_table(schema), &springline_plan::runs_columns(), run).await?;
        session.execute_all(&springline_plan::forget(session.context(), &sync.name)?).await
    }

    fn run_columns(&self, session: &Session, sync: &Sync, result: &Result<SyncReport, RunError>) -> Vec<ArrayRef> {
        let (outcome, error) = match result {
            Ok(report) => (report.outcome(), report.stopped.clone().unwrap_or_default()),
            Err(error) => (ENDED_BY_ERROR, crate::redact(&error.to_string())),
        };
        let nothing = SyncCounts::new(session, sync);
        let report = result.as_ref().ok();
        let counts = report.map_or(&nothing, |report| &report.counts);
        let text = |text: &str| texts_of([text]);
        let instant = |at: Timestamp| instants_of([at]);
        let mut values = vec![text(&self.run_id), text(&sync.name), instant(session.as_of), instant(self.started)];
        values.extend([instant(Timestamp::now()), text(outcome), text(&error)]);
        let of = |number: fn(&SyncReport) -> u64| report.map_or(0, number);
        values.extend([counts.added, counts.changed, counts.removed, counts.unchanged].map(|n| numbers_of([n])));
        values.extend(
            [of(|r| r.delivered), of(|r| r.rejected), of(|r| r.unknown), of(|r| r.unsent)].map(|n| numbers_of([n])),
        );
        values.extend([counts.held, counts.skipped, counts.repeated, of(|r| r.requests)].map(|n| numbers_of([n])));
        values.push(numbers_of([counts.desired]));
        values
    }

    fn step_columns(&self, sync: &Sync) -> Vec<ArrayRef> {
        let steps = || self.steps.iter();
        vec![
            texts_of(steps().map(|_| self.run_id.as_str())),
            texts_of(steps().map(|_| sync.name.as_str())),
            texts_of(steps().map(|s| s.step)),
            instants_of(steps().map(|s| s.started)),
            instants_of(steps().map(|s| s.ended)),
            numbers_of(steps().map(|s| s.rows)),
            texts_of(steps().map(|s| s.error.as_str())),
        ]
    }
}

/// What earlier runs have prepared at the destination.
pub(super) async fn resources(session: &Session, sync: &Sync) -> Result<Resources, RunError> {
    let destination = &session.project.destination(sync.destination).name;
    let mut kept = Resources::new();
    for batch in session.small(springline_plan::resources(&session.state_schema, &sync.name, destination)).await? {
        let (names, values) = (texts(&batch, "name")?, texts(&batch, "value")?);
        kept.extend(names.into_iter().flatten().zip(values.into_iter().flatten()));
    }
    Ok(kept)
}

/// Keeps what has been prepared now and was not before.
pub(super) async fn keep_resources(
    session: &Session,
    sync: &Sync,
    before: &Resources,
    now: &Resources,
) -> Result<(), RunError> {
    let new: Vec<_> = now.iter().filter(|(name, value)| before.get(*name) != Some(*value)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let destination = &session.project.destination(sync.destination).name;
    let _alone = records_lock(&session.project_dir, &session.target).await?;
    let values = vec![
        texts_of(new.iter().map(|_| sync.name.as_str())),
        texts_of(new.iter().map(|_| destination.as_str())),
        texts_of(new.iter().map(|(name, _)| name.as_str())),
        texts_of(new.iter().map(|(_, value)| value.as_str())),
        instants_of(new.iter().map(|_| Timestamp::now())),
    ];
    let table = springline_plan::resources_table(&session.state_schema);
    session.append(&table, &springline_plan::resources_columns(), values).await
}

/// Makes the tables that last. Syncs share some of them, and many an engine fails where two make one table at the same
/// time, though each only asks for it if it does not exist.
pub(super) async fn prepare(session: &Session, plan: &SyncPlan) -> Result<(), RunError> {
    let _alone = records_lock(&session.project_dir, &session.target).await?;
    session.execute_all(&plan.prepare).await
}

/// Gives tables that an earlier version made the columns that this one writes. Refuses the tables of a later one.
pub(super) async fn upgrade(session: &Session, sync: &Sync, plan: &SyncPlan) -> Result<(), RunError> {
    let _alone = records_lock(&session.project_dir, &session.target).await?;
    let mut known = BTreeMap::new();
    for batch in session.small(springline_plan::versions(&session.state_schema)).await? {
        let names = texts(&batch, "name")?.into_iter().map(Option::unwrap_or_default);
        known.extend(names.zip(numbers(&batch, "version")?));
    }
    let names = ["records".to_owned(), format!("sync.{}", sync.name)];
    for (name, tables) in names.iter().zip(&plan.lasting) {
        let version = known.get(name).copied().unwrap_or_default();
        if version > STATE_VERSION {
            return Err(RunError::NewerState {
                schema: session.state_schema.clone(),
                found: version,
                ours: STATE_VERSION,
            });
        }
        if version == STATE_VERSION {
            continue;
        }
        for (table, columns) in tables {
            let found = session.warehouse.describe(&table.parts).await?.unwrap_or_default();
            let found: Vec<String> = found.into_iter().map(|column| column.name).collect();
            if let Some(step) = springline_plan::add_columns(table, columns, &found) {
                session.execute(&step).await?;
            }
        }
        let values = vec![texts_of([name.as_str()]), numbers_of([STATE_VERSION]), instants_of([Timestamp::now()])];
        let table = springline_plan::versions_table(&session.state_schema);
        session.append(&table, &springline_plan::versions_columns(), values).await?;
    }
    Ok(())
}
