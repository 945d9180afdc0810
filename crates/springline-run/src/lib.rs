//! One run: execute the plan's statements, diff, deliver, acknowledge, report.
//!
//! It prints nothing and parses no YAML: a [`Session`] is handed in, results and [`Event`]s go out.

mod arrow_types;
mod cells;
mod error;
mod history;
mod journal;
mod keys;
mod materialize;
mod preflight;
mod preview;
mod records;
mod session;
mod sync;

pub use arrow_types::declared_columns;
pub use cells::{cell, mask, redact, rows_to_json};
pub use error::RunError;
pub use history::{Between, SegmentHistory, SizeAt, Stay, key_history, segment_history};
pub use materialize::{EntityRun, SegmentSize, run_entity};
pub use preview::{Preview, preview};
pub use session::{Event, Session};
pub use sync::{
    RejectedRow, SyncCounts, SyncReport, SyncStatus, Tripped, apply_sync, plan_sync, retry_sync, sync_status,
};
