//! A checked project in, an ordered plan of statements out.
//!
//! The plan has never heard of a dialect, an engine or a destination: what an engine's dialect can do
//! comes in as [`springline_ir::Capabilities`]. It reads no clock either: everything is as of
//! [`Context::as_of`], which becomes literals.

mod absent;
mod apart;
mod build;
mod clock;
mod entity;
mod explain;
mod freshness;
mod gather;
mod history;
mod identity;
mod intervals;
mod lease;
mod members;
mod ordered;
mod past;
mod preview;
mod reads;
mod recent;
mod records;
mod rows;
mod sequence;
mod sizes;
mod state;
mod sync;
mod wanted;
mod warehouse_table;

use jiff::Timestamp;
use springline_ir::{Capabilities, Statement};
use springline_model::{Project, SourceMap};

pub use clock::PlanError;
pub use explain::{
    Explained, ExplainedRun, ExplainedStep, ExplainedTable, Scan, SharedValue, explain_run, explain_segment,
};
pub use freshness::freshness;
pub use history::{between, segment_sizes, stays};
pub use identity::{
    Components, Hashing, IdentityPlan, MatchingPlan, Rejecting, SCORE_UNIT, Scoring, level_name, resolution_columns,
};
pub use intervals::MembershipPlan;
pub use lease::{end_holds, holds, lease_columns, lease_table};
pub use members::{Ground, Position, RunPlan, ground, run};
pub use ordered::ORDERED;
pub use preview::{COUNT_COLUMN, PreviewColumn, leaf_pii, members_query, preview};
pub use reads::tables_read;
pub use records::{
    DEFINITION, STATE_VERSION, add_columns, deliveries_columns, deliveries_table, forget, last_definitions, latest_run,
    long_ago, recent_sizes, resources, resources_columns, resources_table, run_steps_columns, run_steps_table,
    runs_columns, runs_table, versions, versions_columns, versions_table,
};
pub use rows::{ROW_KEY, entity_rows, repeated_values};
pub use state::{MembershipTables, StateTables, new_size_columns};
pub use sync::{
    CHANGE, DESIRED, DesiredColumn, ENDED_BY_ERROR, HASH, KEY, RECEIPT, REPEAT_OF, SyncOptions, SyncPlan, sync,
};
pub use warehouse_table::{
    CHANGE_ID, Kept, REMOVED_ROW, SYNCED_AT, TablePlan, keepers, keepers_columns, keepers_table, table_plan,
};

/// What every plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The checked project.
    pub project: &'a Project,
    /// Its texts, for the comments that lead from the SQL back to the model.
    pub sources: &'a SourceMap,
    /// The one clock: events at or after it do not exist.
    pub as_of: Timestamp,
    /// The schema of Springline's own tables.
    pub state_schema: &'a str,
    /// What the target's dialect can do.
    pub capabilities: Capabilities,
}

/// One statement of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is known by, such as `segment.lapsing_vip`.
    pub name: String,
    /// What it does.
    pub statement: Statement,
}

impl Step {
    fn new(name: impl Into<String>, statement: Statement) -> Self {
        Step { name: name.into(), statement }
    }
}
