//! What a sync is made of, as a hash: which syncs are no longer what they were when they last delivered.
//!
//! It must not know what a run does, nor any value of an option that is secret.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use springline_ir::Statement;
use springline_model::{Destination, Sync};
use springline_plan::{Context, DEFINITION, SyncOptions, last_definitions, runs_table};

use crate::records::texts;
use crate::{RunError, Session};

/// SHA-256, as lower-case hexadecimal digits, of the SQL of the rows that should be at the destination, the sync's
/// settings and those of its destination. Of a secret option it knows that it is set. When a run is as of, and where in
/// the files the model stands, are no part of it.
pub(crate) fn definition_hash(session: &Session, sync: &Sync) -> Result<String, RunError> {
    let as_of = Timestamp::UNIX_EPOCH;
    let context = Context { as_of, ..session.context() };
    let plan = springline_plan::sync(context, sync, &SyncOptions { full_resync: false, now: as_of })?;
    let mut desired = plan.desired.statement;
    if let Statement::ReplaceTable { query, .. } = &mut desired {
        query.ctes.iter_mut().for_each(|cte| cte.comment = None);
    }
    let destination = session.project.destination(sync.destination);
    let mut parts = vec![
        springline_sql::print(&session.dialect, &desired)?,
        sync.mode.name().to_owned(),
        sync.key_name.clone(),
        format!("{:?} {:?}", sync.guards, sync.audit),
        destination.name.clone(),
        destination.kind.clone(),
    ];
    parts.extend(options(destination));
    let mut hash = Sha256::new();
    for part in parts {
        // The length first: no two lists of texts may run into the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The options of a destination in the order of their names, templates as they are written; of secret ones the names.
fn options(destination: &Destination) -> Vec<String> {
    let specs = springline_destination::specs();
    let spec = specs.iter().find(|spec| spec.name == destination.kind);
    let is_shown =
        |name: &str| spec.is_some_and(|spec| spec.options.iter().any(|option| option.name == name && !option.secret));
    let mut options: Vec<String> = destination
        .settings
        .iter()
        .map(|setting| match is_shown(&setting.name) {
            true => format!("{}={}", setting.name, setting.template),
            false => setting.name.clone(),
        })
        .collect();
    options.sort();
    options
}

/// For each sync of the project, whether it is another than when it last delivered: by the rows and values that it
/// compiles to, by its settings or by those of its destination. One that has not delivered yet is.
///
/// # Errors
/// What the warehouse reports.
pub async fn modified_syncs(session: &Session) -> Result<Vec<bool>, RunError> {
    let state = session.state();
    let mut known = BTreeMap::new();
    let runs = state.warehouse.describe(&runs_table(&state.state_schema).parts).await?;
    // An earlier version of the program has not kept it, and then every sync counts as modified.
    if runs.is_some_and(|columns| columns.iter().any(|column| column.name == DEFINITION)) {
        for batch in state.small(last_definitions(&state.state_schema)).await? {
            known.extend(texts(&batch, "sync")?.into_iter().zip(texts(&batch, DEFINITION)?));
        }
    }
    let is_modified = |sync: &Sync| -> Result<bool, RunError> {
        let definition = Some(definition_hash(state, sync)?);
        Ok(known.get(&Some(sync.name.clone())) != Some(&definition))
    };
    session.project.syncs.iter().map(is_modified).collect()
}
