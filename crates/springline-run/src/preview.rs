//! The size of a segment and a few of its members.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde_json::{Map, Value};
use springline_model::SegmentId;
use springline_plan::COUNT_COLUMN;

use crate::{Event, RunError, Session, rows_to_json};

/// The size of a segment and a few of its members.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Preview {
    /// The segment's name.
    pub segment: String,
    /// Whose rows.
    pub entity: String,
    /// As of when.
    pub as_of: String,
    /// How many members.
    pub count: u64,
    /// The first members by primary key, with the values the segment's condition refers to.
    pub sample: Vec<Map<String, Value>>,
}

/// Computes a preview. Personal values are masked unless `show_pii`.
///
/// # Errors
/// A source that is not as the model says, or what the warehouse reports.
pub async fn preview(session: &Session, segment: SegmentId, limit: u64, show_pii: bool) -> Result<Preview, RunError> {
    // A limit of nothing would hide the size, which stands in the rows.
    let (step, columns) = springline_plan::preview(session.context(), segment, limit.max(1))?;
    session.preflight(&step.statement).await?;
    let declared = session.project.segment(segment);
    let what = format!("preview of segment `{}`", declared.name);
    session.keep_within(&what, &[session.project.budget, declared.budget], &[&step]).await?;
    (session.observer)(Event::Started { step: &step.name });
    let started = std::time::Instant::now();
    let sql = springline_sql::print(&session.dialect, &step.statement)?;
    let rows = session.warehouse.query(&sql).await?;
    let batches: Vec<_> = futures::TryStreamExt::try_collect(rows.stream).await?;
    (session.observer)(Event::Finished { step: &step.name, elapsed: started.elapsed() });

    let hidden: Vec<bool> = columns.iter().map(|c| c.pii.is_some() && !show_pii).collect();
    let mut count = 0;
    let mut sample = Vec::new();
    for batch in &batches {
        let sizes = batch.column_by_name(COUNT_COLUMN).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let sizes = sizes.ok_or_else(|| RunError::Result(format!("no whole number in `{COUNT_COLUMN}`")))?;
        if let Some(size) = sizes.iter().flatten().next() {
            count = u64::try_from(size).unwrap_or_default();
        }
        sample.extend(rows_to_json(batch, columns.len(), &hidden)?);
    }
    sample.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let segment = session.project.segment(segment);
    Ok(Preview {
        segment: segment.name.clone(),
        entity: session.project.entity(segment.entity).name.clone(),
        as_of: session.as_of.to_string(),
        count,
        sample,
    })
}
