//! Why a run ended early, in the words of whoever has to mend it.

use std::path::PathBuf;

use springline_destination::DestinationError;
use springline_plan::PlanError;
use springline_sql::PrintError;
use springline_warehouse::WarehouseError;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan could not be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The dialect cannot say what the plan asks for.
    #[error(transparent)]
    Print(#[from] PrintError),
    /// The warehouse refused or failed.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The destination refused or failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The tables of the warehouse are not what the model says.
    #[error("{0}")]
    Source(String),
    /// A key stands more than once or is null.
    #[error("{owner}: {problem}")]
    Keys {
        /// The sync or entity.
        owner: String,
        /// Which keys, masked where they are personal.
        problem: String,
    },
    /// Another run of the same sync or identity goes on.
    #[error("{0} is being run by another process; wait for it to end")]
    Locked(String),
    /// A run of the same sync or identity goes on elsewhere.
    #[error("{owner} is being run elsewhere, and has it until {until} unless it renews its lease")]
    Leased {
        /// The sync or identity.
        owner: String,
        /// When the lease ends if it is not renewed.
        until: String,
    },
    /// The lease could not be renewed in time: another run may have begun.
    #[error("{0}: the lease could not be renewed in time, so the run was stopped; another one may have begun")]
    LeaseLost(String),
    /// The state tables are of a later version.
    #[error("the tables of schema `{schema}` have version {found}, this program writes version {ours}")]
    NewerState {
        /// The state schema.
        schema: String,
        /// The version of the tables.
        found: u64,
        /// The version that this program knows.
        ours: u64,
    },
    /// A job of an earlier run has not ended yet.
    #[error(
        "sync `{sync}`: the destination is still at work on job `{job}` of an earlier run; run the sync again later"
    )]
    Pending {
        /// The sync.
        sync: String,
        /// The destination's id of the job.
        job: String,
    },
    /// It would read or cost more than the model allows.
    #[error("{what} is beyond its budget: {problem}")]
    Budget {
        /// The preview, run or sync.
        what: String,
        /// What it would read or cost, and what is allowed.
        problem: String,
    },
    /// A run for an earlier instant than the last one.
    #[error("entity `{entity}` was last run as of {last}; a run as of {as_of} would rewrite its history")]
    Backwards {
        /// The entity.
        entity: String,
        /// The latest instant in its membership.
        last: String,
        /// The instant asked for.
        as_of: String,
    },
    /// There was no run yet, so nothing is known of who was in which segment when.
    #[error("entity `{entity}` has no history in target `{target}`: it was not run yet")]
    NoHistory {
        /// The entity.
        entity: String,
        /// The target.
        target: String,
    },
    /// The records of an identity, or what is said by hand of them, cannot be taken.
    #[error("identity `{identity}`: {problem}")]
    Identity {
        /// The identity.
        identity: String,
        /// What is wrong, and how to mend it.
        problem: String,
    },
    /// There was no run of an identity yet.
    #[error("identity `{identity}` has nothing in target `{target}`: it was not run yet")]
    NotResolved {
        /// The identity.
        identity: String,
        /// The target.
        target: String,
    },
    /// Connected components that no number of rounds settles: a defect of ours.
    #[error("the components of the links are not settled after {rounds} rounds")]
    Endless {
        /// The rounds.
        rounds: u32,
    },
    /// A local file could not be read or written.
    #[error("cannot use {path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A result that does not have the columns the statement names: a defect of an engine or of ours.
    #[error("the warehouse gave an unexpected result: {0}")]
    Result(String),
}

impl RunError {
    /// How to mend it, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            RunError::Warehouse(error) => error.hint().map(str::to_owned),
            RunError::Keys { .. } => Some("choose another `key:`, or make the rows of the source unique".to_owned()),
            RunError::Backwards { last, .. } => Some(format!(
                "use an `--as-of` of {last} or later, or `--backfill` to mend the history at that instant from the data of today"
            )),
            RunError::NoHistory { entity, .. } => Some(format!("run it: `springline run {entity}`")),
            RunError::NotResolved { identity, .. } => Some(format!("run it: `springline identity run {identity}`")),
            RunError::Budget { .. } => Some(
                "narrow its windows, raise `budget:` in the model, or see what it reads with `compile --explain`"
                    .to_owned(),
            ),
            RunError::Locked(_) | RunError::Leased { .. } => {
                Some("wait for it with `--wait`, or try again later".to_owned())
            }
            RunError::LeaseLost(_) => Some("run it again: what a sync has delivered is in its journal".to_owned()),
            RunError::NewerState { .. } => Some("use a newer springline".to_owned()),
            RunError::Source(_) => Some("mend `sources:` in the model, or the table".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn file(path: &std::path::Path, error: std::io::Error) -> Self {
        RunError::File { path: path.to_owned(), error }
    }
}
