//! Keys: there must be one per row, and none twice.

use springline_ir::Query;
use springline_model::{Leaf, RowId, Sync};
use springline_plan::KEY;

use crate::records::{numbers, texts};
use crate::{RunError, Session};

/// Refuses null and repeated keys, with examples, before anything is built upon them. `personal` keys
/// are masked.
pub(crate) async fn check(
    session: &Session,
    owner: String,
    key: &str,
    duplicates: Query,
    personal: bool,
) -> Result<(), RunError> {
    let mut problems = Vec::new();
    for batch in session.small(duplicates).await? {
        for (key, rows) in texts(&batch, KEY)?.into_iter().zip(numbers(&batch, "rows")?) {
            problems.push(match key {
                None => format!("it is null in {rows} rows"),
                Some(key) if personal => format!("{} stands in {rows} rows", crate::mask(&key)),
                Some(key) => format!("`{key}` stands in {rows} rows"),
            });
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    // The engine gives them in any order; an error should read the same twice.
    problems.sort();
    Err(RunError::Keys {
        owner,
        problem: format!("the key `{key}` does not tell its rows apart: {}", problems.join("; ")),
    })
}

/// Whether the key of a sync tells who somebody is.
pub(crate) fn are_personal(session: &Session, sync: &Sync) -> bool {
    let mut found = false;
    sync.key.each_leaf(&mut |leaf: &Leaf| {
        found |= springline_plan::leaf_pii(&session.project, RowId::Entity(sync.entity), leaf).is_some();
    });
    found
}
