//! A run of an entity: its wide table, its segments' membership, their sizes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use jiff::Timestamp;
use springline_model::EntityId;
use springline_plan::{MembershipPlan, Position, RunPlan};

use crate::arrow_types::schema_of;
use crate::keys;
use crate::records::{instants, numbers, texts};
use crate::{RunError, Session};

/// What a run of an entity made.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct EntityRun {
    /// The entity.
    pub entity: String,
    /// As of when.
    pub as_of: String,
    /// The tables with a row per primary key; together they have a column per field and a boolean per
    /// segment. One, unless there are more columns than the warehouse takes.
    pub tables: Vec<String>,
    /// Whether the run mended the history at an instant before that of the last run. Then the tables are
    /// gone, for they are those of the last run.
    pub backfill: bool,
    /// Every segment of the entity, in the order of the project.
    pub segments: Vec<SegmentSize>,
}

/// How many members a segment has, and how many came and went since the run before.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SegmentSize {
    /// The segment.
    pub segment: String,
    /// Its members.
    pub members: u64,
    /// Those who are members and were not.
    pub entered: u64,
    /// Those who were members and are not.
    pub exited: u64,
}

/// The size of a segment at an instant.
struct Size {
    size: SegmentSize,
    as_of: Timestamp,
}

/// Computes all fields and segments of an entity and takes their members into the history.
///
/// # Errors
/// A source that is not as the model says, primary keys that are null or stand twice, an `as_of` before
/// that of the last run where it is no `backfill`, or what the warehouse reports.
pub async fn run_entity(session: &Session, entity: EntityId, backfill: bool) -> Result<EntityRun, RunError> {
    let name = session.project.entity(entity).name.clone();
    session.warehouse.check().await?;
    let ground = springline_plan::ground(session.context(), entity);
    session.execute_all(&ground.prepare).await?;
    let position = match latest(session, ground.latest).await? {
        None => Position::First,
        Some(last) if last <= session.as_of => Position::Forward,
        Some(_) if backfill => Position::Backfill,
        Some(last) => {
            let (last, as_of) = (last.to_string(), session.as_of.to_string());
            return Err(RunError::Backwards { entity: name, last, as_of });
        }
    };
    let plan = springline_plan::run(session.context(), entity, position)?;
    let done = carry_out(session, entity, &plan).await;
    // What is there for the run alone goes, however the run ends; why it ended matters more.
    let cleaned = session.execute_all(&plan.cleanup).await;
    let segments = done?;
    cleaned?;
    Ok(EntityRun {
        entity: name,
        as_of: session.as_of.to_string(),
        segments,
        backfill: position == Position::Backfill,
        tables: plan.tables.iter().map(ToString::to_string).collect(),
    })
}

async fn carry_out(session: &Session, entity: EntityId, plan: &RunPlan) -> Result<Vec<SegmentSize>, RunError> {
    for step in &plan.rows {
        session.preflight(&step.statement).await?;
    }
    let declared = session.project.entity(entity);
    let what = format!("run of entity `{}`", declared.name);
    session.keep_within(&what, &[session.project.budget], &plan.rows.iter().collect::<Vec<_>>()).await?;
    session.execute_all(&plan.rows).await?;
    let personal =
        session.project.source(declared.source).column(&declared.primary_key).is_some_and(|c| c.pii.is_some());
    let owner = format!("entity `{}`", declared.name);
    keys::check(session, owner, &declared.primary_key, plan.duplicates.clone(), personal).await?;
    match &plan.membership {
        Some(membership) => keep(session, plan, membership).await,
        None => Ok(Vec::new()),
    }
}

/// Takes the members into the history, and records the sizes of all segments.
async fn keep(session: &Session, plan: &RunPlan, membership: &MembershipPlan) -> Result<Vec<SegmentSize>, RunError> {
    session.execute_all(&membership.moves).await?;
    // The first run writes everything.
    let mut changes = u64::from(membership.moves.is_empty());
    if !membership.moves.is_empty() {
        for batch in session.small(membership.count.clone()).await? {
            changes += numbers(&batch, "rows")?.into_iter().sum::<u64>();
        }
    }
    // A table that nothing changes is not written.
    if changes > 0 {
        session.execute(&membership.apply).await?;
    }
    let (mut now, following) = sizes(session, membership).await?;
    let segments = plan.segments.iter().map(|id| {
        let segment = session.project.segment(*id).name.clone();
        let none = SegmentSize { segment: segment.clone(), members: 0, entered: 0, exited: 0 };
        now.remove(&segment).unwrap_or(none)
    });
    let segments: Vec<SegmentSize> = segments.collect();
    let mut records: Vec<Size> =
        segments.iter().map(|size| Size { size: size.clone(), as_of: session.as_of }).collect();
    records.extend(following.into_iter().filter(|f| segments.iter().any(|s| s.segment == f.size.segment)));
    session.execute_all(&membership.stage_sizes).await?;
    let batch = size_batch(&records)?;
    let rows = futures::stream::once(async move { Ok(batch) }).boxed();
    let schema = schema_of(&springline_plan::new_size_columns());
    session.warehouse.load(&membership.new_sizes.parts, schema, rows).await?;
    session.execute(&membership.apply_sizes).await?;
    Ok(segments)
}

/// The sizes of now by segment, and those of the next known instants.
async fn sizes(
    session: &Session,
    plan: &MembershipPlan,
) -> Result<(HashMap<String, SegmentSize>, Vec<Size>), RunError> {
    let (mut now, mut following) = (HashMap::new(), Vec::new());
    for batch in session.small(plan.sizes.clone()).await? {
        let names: Vec<String> = texts(&batch, "segment")?.into_iter().map(Option::unwrap_or_default).collect();
        for (segment, size) in names.iter().zip(read_sizes(&batch, &names, "")?) {
            now.insert(segment.clone(), size);
        }
        let next = instants(&batch, "next_at")?;
        if next.iter().any(Option::is_some) {
            let next = next.into_iter().zip(read_sizes(&batch, &names, "next_")?);
            following.extend(next.filter_map(|(as_of, size)| Some(Size { size, as_of: as_of? })));
        }
    }
    Ok((now, following))
}

fn read_sizes(batch: &RecordBatch, names: &[String], prefix: &str) -> Result<Vec<SegmentSize>, RunError> {
    let column = |name: &str| numbers(batch, &format!("{prefix}{name}"));
    let (members, entered, exited) = (column("members")?, column("entered")?, column("exited")?);
    let counts = members.into_iter().zip(entered).zip(exited);
    let size = |(segment, ((members, entered), exited)): (&String, ((u64, u64), u64))| SegmentSize {
        segment: segment.clone(),
        members,
        entered,
        exited,
    };
    Ok(names.iter().zip(counts).map(size).collect())
}

fn size_batch(records: &[Size]) -> Result<RecordBatch, RunError> {
    let count = |get: fn(&SegmentSize) -> u64| {
        let counts = records.iter().map(|record| i64::try_from(get(&record.size)).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from_iter_values(counts)) as ArrayRef
    };
    let as_of = TimestampMicrosecondArray::from_iter_values(records.iter().map(|r| r.as_of.as_microsecond()));
    let values: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(records.iter().map(|r| &r.size.segment))),
        Arc::new(as_of.with_timezone("UTC")),
        count(|s| s.members),
        count(|s| s.entered),
        count(|s| s.exited),
        Arc::new(BooleanArray::from(vec![false; records.len()])),
    ];
    let schema = schema_of(&springline_plan::new_size_columns());
    RecordBatch::try_new(schema, values).map_err(|e| RunError::Result(e.to_string()))
}

/// The latest instant in the history.
async fn latest(session: &Session, query: springline_ir::Query) -> Result<Option<Timestamp>, RunError> {
    for batch in session.small(query).await? {
        if let Some(latest) = instants(&batch, "latest")?.into_iter().flatten().max() {
            return Ok(Some(latest));
        }
    }
    Ok(None)
}
