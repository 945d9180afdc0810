//! What the history of segments tells: sizes over time, who came and went, one member's segments.

use jiff::Timestamp;
use serde::Serialize;
use springline_model::{EntityId, SegmentId};
use springline_plan::MembershipTables;

use crate::records::{instants, numbers, texts};
use crate::{RunError, Session};

/// A segment over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentHistory {
    /// The segment.
    pub segment: String,
    /// Whose rows.
    pub entity: String,
    /// Its size at each run.
    pub sizes: Vec<SizeAt>,
    /// Who came and went from the first of two instants to the second; none where no run is between them.
    pub between: Option<Between>,
}

/// A segment's size at a run, and how many came and went since the run before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeAt {
    /// The instant of the run.
    pub as_of: String,
    /// The members.
    pub members: u64,
    /// Those who are members and were not.
    pub entered: u64,
    /// Those who were members and are not.
    pub exited: u64,
}

/// The members of a segment at one instant beside those at a later one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Between {
    /// The first instant.
    pub from: String,
    /// The second.
    pub to: String,
    /// In at the second and not at the first.
    pub entered: u64,
    /// In at the first and not at the second.
    pub exited: u64,
    /// In at both, and at every run between.
    pub stayed: u64,
    /// In at both, and out in between.
    pub returned: u64,
}

/// A time that one member was in a segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stay {
    /// The entity.
    pub entity: String,
    /// The segment.
    pub segment: String,
    /// The first run with it in.
    pub entered_at: String,
    /// The first run without it; none while it is in.
    pub exited_at: Option<String>,
}

/// The sizes of a segment at the runs between two instants, and who came and went: from the first of these
/// runs to the last where an instant is not given.
///
/// # Errors
/// There was no run yet, or what the warehouse reports.
pub async fn segment_history(
    session: &Session,
    segment: SegmentId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<SegmentHistory, RunError> {
    let segment = session.project.segment(segment);
    let entity = &session.project.entity(segment.entity).name;
    require(session, entity).await?;
    let context = session.context();
    let (mut sizes, mut runs) = (Vec::new(), Vec::new());
    let query = springline_plan::segment_sizes(context, entity, &segment.name, from, to);
    for batch in session.small(query).await? {
        let (members, entered) = (numbers(&batch, "members")?, numbers(&batch, "entered")?);
        let counts = members.into_iter().zip(entered).zip(numbers(&batch, "exited")?);
        for (as_of, ((members, entered), exited)) in instants(&batch, "as_of")?.into_iter().zip(counts) {
            runs.extend(as_of);
            sizes.push(SizeAt { as_of: shown(as_of), members, entered, exited });
        }
    }
    let ends = from.or(runs.first().copied()).zip(to.or(runs.last().copied()));
    let between = match ends.filter(|(from, to)| from < to) {
        Some((from, to)) => Some(between(session, entity, &segment.name, from, to).await?),
        None => None,
    };
    Ok(SegmentHistory { segment: segment.name.clone(), entity: entity.clone(), sizes, between })
}

async fn between(
    session: &Session,
    entity: &str,
    segment: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Between, RunError> {
    let mut counts = [0; 4];
    let query = springline_plan::between(session.context(), entity, segment, from, to);
    for batch in session.small(query).await? {
        for (count, name) in counts.iter_mut().zip(["entered", "exited", "stayed", "returned"]) {
            *count += numbers(&batch, name)?.into_iter().sum::<u64>();
        }
    }
    let [entered, exited, stayed, returned] = counts;
    Ok(Between { from: from.to_string(), to: to.to_string(), entered, exited, stayed, returned })
}

/// The times that the row of a primary key was in segments of its entity. With instants, only those that
/// have a moment between them.
///
/// # Errors
/// There was no run yet, or what the warehouse reports.
pub async fn key_history(
    session: &Session,
    entity: EntityId,
    key: &str,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Vec<Stay>, RunError> {
    let entity = &session.project.entity(entity).name;
    require(session, entity).await?;
    let mut stays = Vec::new();
    for batch in session.small(springline_plan::stays(session.context(), entity, key, from, to)).await? {
        let times = instants(&batch, "entered_at")?.into_iter().zip(instants(&batch, "exited_at")?);
        for (segment, (entered_at, exited_at)) in texts(&batch, "segment")?.into_iter().zip(times) {
            stays.push(Stay {
                entity: entity.clone(),
                segment: segment.unwrap_or_default(),
                entered_at: shown(entered_at),
                exited_at: exited_at.map(|at| at.to_string()),
            });
        }
    }
    Ok(stays)
}

/// There is a history only after a run.
async fn require(session: &Session, entity: &str) -> Result<(), RunError> {
    let tables = MembershipTables::of(&session.state_schema, entity);
    for table in [&tables.membership, &tables.sizes] {
        if session.warehouse.describe(&table.parts).await?.is_none() {
            return Err(RunError::NoHistory { entity: entity.to_owned(), target: session.target.clone() });
        }
    }
    Ok(())
}

fn shown(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}
