//! A run of an entity: its wide table, its segments' membership, their sizes.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use jiff::Timestamp;
use springline_model::EntityId;

use crate::keys;
use crate::records::texts;
use crate::{RunError, Session};

/// What a run of an entity made.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct EntityRun {
    /// The entity.
    pub entity: String,
    /// As of when.
    pub as_of: String,
    /// The table with a row per primary key, a column per field and a boolean per segment.
    pub table: String,
    /// Every segment of the entity, in the order of the project.
    pub segments: Vec<SegmentSize>,
}

/// How many members a segment has.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SegmentSize {
    /// The segment.
    pub segment: String,
    /// Its members.
    pub members: u64,
}

/// Computes all fields and segments of an entity and takes their members into the history.
///
/// # Errors
/// A source that is not as the model says, primary keys that are null or stand twice, an `as_of` before that of the last run, or what the
/// warehouse reports.
pub async fn run_entity(session: &Session, entity: EntityId) -> Result<EntityRun, RunError> {
    let plan = springline_plan::run(session.context(), entity)?;
    let name = session.project.entity(entity).name.clone();
    session.warehouse.check().await?;
    session.execute_all(&plan.prepare).await?;
    if let Some(last) = latest(session, plan.latest.clone()).await?.filter(|last| *last > session.as_of) {
        return Err(RunError::Backwards { entity: name, last: last.to_string(), as_of: session.as_of.to_string() });
    }
    session.preflight(&plan.rows.statement).await?;
    session.execute(&plan.rows).await?;
    let declared = session.project.entity(entity);
    let personal =
        session.project.source(declared.source).column(&declared.primary_key).is_some_and(|c| c.pii.is_some());
    let owner = format!("entity `{name}`");
    keys::check(session, owner, &declared.primary_key, plan.duplicates.clone(), personal).await?;
    if let Some(step) = &plan.membership {
        session.execute(step).await?;
    }
    let mut members = sizes(session, plan.sizes.clone()).await?;
    let segments = plan.segments.iter().map(|id| {
        let segment = session.project.segment(*id).name.clone();
        let members = members.remove(&segment).unwrap_or(0);
        SegmentSize { segment, members }
    });
    Ok(EntityRun {
        entity: name,
        as_of: session.as_of.to_string(),
        segments: segments.collect(),
        table: plan.table.to_string(),
    })
}

/// The latest instant in the membership.
async fn latest(session: &Session, query: springline_ir::Query) -> Result<Option<Timestamp>, RunError> {
    for batch in session.small(query).await? {
        let Some(instants) = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>() else {
            return Err(RunError::Result("the latest membership is not an instant".to_owned()));
        };
        if let Some(micros) = instants.iter().flatten().next() {
            let instant = Timestamp::from_microsecond(micros).map_err(|e| RunError::Result(e.to_string()))?;
            return Ok(Some(instant));
        }
    }
    Ok(None)
}

async fn sizes(session: &Session, query: springline_ir::Query) -> Result<HashMap<String, u64>, RunError> {
    let mut sizes = HashMap::new();
    for batch in session.small(query).await? {
        let names = texts(&batch, "segment")?;
        let Some(counts) = batch.column(1).as_primitive_opt::<Int64Type>() else {
            return Err(RunError::Result("a segment's size is not a whole number".to_owned()));
        };
        for (row, name) in names.into_iter().enumerate().filter(|(row, _)| !counts.is_null(*row)) {
            sizes.insert(name.unwrap_or_default(), u64::try_from(counts.value(row)).unwrap_or_default());
        }
    }
    Ok(sizes)
}
