//! What a destination declares about itself: plain data from which checks, documentation and the shared stack work.
//!
//! Must not know: any particular destination.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a sync treats the destination's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Create and update; never remove.
    Upsert,
    /// Update what is there; create nothing.
    Update,
    /// Create; never touch what is there.
    Insert,
    /// Create, update and remove, until the destination holds exactly the desired rows.
    Mirror,
    /// Every change is a new record.
    Append,
}

/// All modes, for destinations that take any of them.
pub const ALL_MODES: &[Mode] = &[Mode::Upsert, Mode::Update, Mode::Insert, Mode::Mirror, Mode::Append];

/// One option of a destination's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Name in the project file.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// What it does, for documentation and errors.
    pub meaning: &'static str,
    /// The value used when it is left out, as text.
    pub default: Option<&'static str>,
}

/// One field that a destination takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Name at the destination.
    pub name: &'static str,
    /// Whether a sync must map it.
    pub required: bool,
    /// What it holds, for documentation and errors.
    pub meaning: &'static str,
}

/// Which fields a sync may map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldRule {
    /// Any name.
    Any,
    /// These names alone.
    Listed(&'static [FieldSpec]),
}

/// How large one request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most rows of one request; at least 1.
    pub rows: usize,
    /// Most bytes of one request's body. The shared stack estimates a row's size, so an answer that says
    /// "too large" must still be classified as [`crate::Answer::Split`].
    pub bytes: Option<usize>,
    /// Most objects of one request, as [`crate::Destination::weight`] counts them.
    pub objects: Option<usize>,
    /// Most identifiers of one request, as [`crate::Destination::weight`] counts them.
    pub identifiers: Option<usize>,
}

impl BatchLimits {
    /// A limit on rows alone.
    pub const fn rows(rows: usize) -> Self {
        Self { rows, bytes: None, objects: None, identifiers: None }
    }
}

/// What a repeated delivery of the same change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A repeat leaves the same record: harmless.
    IdempotentByKey,
    /// The destination drops a repeat that carries the same id.
    Deduplicated {
        /// What carries the id.
        by: &'static str,
        /// How long the destination remembers it.
        window: Duration,
    },
    /// A crash can make a change arrive twice.
    AtLeastOnce {
        /// When that can happen, in words.
        when: &'static str,
    },
}

/// What taking a record away needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The destination cannot remove.
    Unsupported,
    /// The key is enough.
    ByKey,
    /// The identifiers that were sent last are needed.
    ByIdentifiers,
}

/// All that a destination type declares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DestinationSpec {
    /// The `type` in the project file.
    pub name: &'static str,
    /// One sentence for documentation and `doctor`.
    pub meaning: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// The sync modes it can honour.
    pub modes: &'static [Mode],
    /// The fields it takes.
    pub fields: FieldRule,
    /// Size of a request unless the configuration lowers it.
    pub batch: BatchLimits,
    /// Whether all rows of a request must ask for the same [`crate::Operation`].
    pub homogeneous: bool,
    /// Requests per second unless the configuration lowers it; `None` means as fast as answers come.
    pub rate: Option<f64>,
    /// Requests in flight at once; at least 1.
    pub concurrency: usize,
    /// What a repeat does.
    pub effect: Effect,
    /// What a removal needs.
    pub removal: Removal,
}

/// The pace of one configured destination: its spec, as its options have changed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Size of a request.
    pub batch: BatchLimits,
    /// Whether all rows of a request must ask for the same operation.
    pub homogeneous: bool,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Time for one request; `None` leaves it to the policy.
    pub timeout: Option<Duration>,
}

impl From<&DestinationSpec> for Limits {
    fn from(spec: &DestinationSpec) -> Self {
        Self {
            batch: spec.batch,
            homogeneous: spec.homogeneous,
            rate: spec.rate,
            concurrency: spec.concurrency,
            timeout: None,
        }
    }
}
