//! One run: execute the plan's statements, diff, deliver, acknowledge, report.
//!
//! It prints nothing and parses no YAML: a [`Session`] is handed in, results and [`Event`]s go out.

mod arrow_types;
mod catalog;
mod cells;
mod cost;
mod definition;
mod doctor;
mod error;
mod given;
mod history;
mod identity;
mod journal;
mod keys;
mod lease;
mod materialize;
mod model_tests;
mod preflight;
mod preview;
mod profile;
mod records;
mod session;
mod sync;
mod warehouse_table;

pub use arrow_types::declared_columns;
pub use catalog::{Broken, Drift, drift, guess_pii, read_catalog, schemas_of};
pub use cells::{cell, mask, redact, rows_to_json};
pub use cost::{Forecast, amount, forecast_preview, forecast_run, forecast_sync};
pub use definition::modified_syncs;
pub use doctor::{Check, Checkup, Health, checkup};
pub use error::RunError;
pub use given::Bench;
pub use history::{Between, SegmentHistory, SizeAt, Stay, key_history, segment_history};
pub use identity::{
    ChainLink, ClusterAudit, ComponentsRun, DroppedRecords, Evidence, Explanation, Holding, IdentifierCount,
    IdentifierFigures, IdentityReport, IdentityTrial, MergedCluster, RecordName, RejectedLinks, RuleFigures,
    SegmentTouched, Sizes, UnlinkedValue, audit_cluster, connected_components, explain_records, identity_report,
    run_identity, try_identity,
};
pub use materialize::{EntityRun, SegmentSize, run_entity};
pub use model_tests::{Part, Problem, TestReport, run_test};
pub use preview::{Preview, preview};
pub use profile::{ColumnProfile, Profile, Profiler};
pub use session::{Event, Session};
pub use sync::{
    PlannedSync, RejectedRow, SyncCounts, SyncForecast, SyncReport, SyncRequest, SyncSizes, SyncStatus, Tripped,
    apply_sync, last_start, last_success, plan_sync, recent_sizes, retry_sync, sync_sizes, sync_status,
};
pub use warehouse_table::warehouse_table;
