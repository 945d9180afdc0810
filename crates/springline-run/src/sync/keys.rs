//! The sync key: there must be one per row, and none twice.

use springline_model::{Leaf, Pii, RowId, Sync};
use springline_plan::{KEY, SyncPlan};

use crate::records::{numbers, texts};
use crate::{RunError, Session};

/// Refuses null and repeated keys, with examples, before anything is sent.
pub(super) async fn check(session: &Session, sync: &Sync, plan: &SyncPlan) -> Result<(), RunError> {
    let mut problems = Vec::new();
    let hidden = are_personal(session, sync);
    for batch in session.small(plan.duplicates.clone()).await? {
        for (key, rows) in texts(&batch, KEY)?.into_iter().zip(numbers(&batch, "rows")?) {
            problems.push(match key {
                None => format!("the key is null in {rows} rows"),
                Some(key) if hidden => format!("key {} stands in {rows} rows", crate::mask(&key)),
                Some(key) => format!("key `{key}` stands in {rows} rows"),
            });
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let problem = format!("the key `{}` does not tell its rows apart: {}", sync.key_name, problems.join("; "));
    Err(RunError::Keys { sync: sync.name.clone(), problem })
}

/// Whether the key tells who somebody is.
pub(super) fn are_personal(session: &Session, sync: &Sync) -> bool {
    let mut found = false;
    sync.key.each_leaf(&mut |leaf: &Leaf| found |= pii(session, RowId::Entity(sync.entity), leaf).is_some());
    found
}

fn pii(session: &Session, row: RowId, leaf: &Leaf) -> Option<Pii> {
    springline_plan::leaf_pii(&session.project, row, leaf)
}
