//! What is delivered where, under which guards, and what is kept of it: the part of a checked project that is about
//! syncs. It does not know how rows are found.

use std::time::Duration;

use crate::project::{DestinationId, EntityId, Pii, SegmentId, Setting, ValueExpr, Within};
use crate::{Schedule, Span};

/// A place that rows are delivered to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Its type's name.
    pub kind: String,
    /// Its options, templates not yet rendered.
    pub settings: Vec<Setting>,
    /// Where it is declared.
    pub span: Span,
}

/// What is delivered where.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Its name.
    pub name: String,
    /// Whose rows.
    pub entity: EntityId,
    /// Only those of this segment; all where there is none.
    pub segment: Option<SegmentId>,
    /// Where to.
    pub destination: DestinationId,
    /// What is done there.
    pub mode: Mode,
    /// The name of the sync key: what the destination's rows are told apart by.
    pub key_name: String,
    /// The sync key's value.
    pub key: ValueExpr,
    /// The destination's fields.
    pub map: Vec<Mapping>,
    /// What stops a run before anything is sent.
    pub guards: Guards,
    /// What becomes of records that are no longer wanted, where the sync says it.
    pub removal: Option<Removal>,
    /// What is recorded of its runs.
    pub audit: Audit,
    /// Words by which it is chosen.
    pub tags: Vec<String>,
    /// When the scheduler runs it; never where there is none.
    pub schedule: Option<Schedule>,
    /// A row that was acknowledged longer ago is sent again.
    pub refresh_after: Option<Within>,
    /// How often a run writes into the ledger what has been acknowledged so far.
    pub checkpoint_every: Duration,
    /// Where it is declared.
    pub span: Span,
}

/// One field of a destination and what fills it.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The destination's field.
    pub field: String,
    /// Its value.
    pub expr: ValueExpr,
    /// The value is PII of this kind, as it is or inside an expression.
    pub pii: Option<Pii>,
    /// What an empty value does at the destination, where the mapping says it.
    pub nulls: Option<Nulls>,
    /// Where it is declared.
    pub span: Span,
}

/// What a sync does at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Rows are created or updated; none is removed.
    Upsert,
    /// Rows that exist are updated; none is created or removed.
    Update,
    /// Rows are created; none is changed or removed.
    Insert,
    /// The destination is made equal to the sync: rows are created, updated and removed.
    Mirror,
    /// Every new or changed row is added; nothing is changed or removed.
    Append,
}

impl Mode {
    /// Every mode.
    pub const ALL: &'static [Mode] = &[Mode::Upsert, Mode::Update, Mode::Insert, Mode::Mirror, Mode::Append];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Upsert => "upsert",
            Mode::Update => "update",
            Mode::Insert => "insert",
            Mode::Mirror => "mirror",
            Mode::Append => "append",
        }
    }
}

/// What becomes of a record that is no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Removal {
    /// It is deleted.
    Delete,
    /// It leaves the list or audience and stays at the destination.
    LeaveList,
    /// It is put away and can be brought back.
    Archive,
    /// The destination forgets the person for good.
    Erase,
}

impl Removal {
    /// Every one.
    pub const ALL: &'static [Removal] = &[Removal::Delete, Removal::LeaveList, Removal::Archive, Removal::Erase];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Removal::Delete => "delete",
            Removal::LeaveList => "leave_list",
            Removal::Archive => "archive",
            Removal::Erase => "erase",
        }
    }
}

/// What an empty value does at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// It is sent as it is.
    Send,
    /// The field is left out, and the record keeps what it has.
    Skip,
    /// The record's field becomes empty.
    Clear,
}

impl Nulls {
    /// Every one.
    pub const ALL: &'static [Nulls] = &[Nulls::Send, Nulls::Skip, Nulls::Clear];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Nulls::Send => "send",
            Nulls::Skip => "skip",
            Nulls::Clear => "clear",
        }
    }
}

/// What stops a run before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Guards {
    /// More rows to remove than this.
    pub max_removed: Option<Limit>,
    /// More rows to add than this.
    pub max_added: Option<Limit>,
    /// More rows to change than this.
    pub max_changed: Option<Limit>,
    /// Fewer rows than this in the sync.
    pub min_rows: Option<Limit>,
    /// A table that the sync reads has no row as young as this.
    pub freshness: Option<Within>,
}

/// Where the state of syncs is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatePlace {
    /// In the state schema of the warehouse.
    #[default]
    Warehouse,
    /// In a folder below the project's.
    Local,
}

/// What is recorded of the runs of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audit {
    /// Their counts and steps.
    #[default]
    Runs,
    /// Which row went where and when, too.
    Rows,
}

/// For how long records are kept; for ever where there is no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Of the runs of syncs and their steps.
    pub runs: Option<Within>,
    /// Of the rows delivered.
    pub deliveries: Option<Within>,
}

/// Whom a run of a sync tells of what is wrong with it.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its type's name.
    pub kind: String,
    /// What it is sent for.
    pub on: Vec<AlertReason>,
    /// The share of the rows sent, in percent, beyond which refusals are told.
    pub rejected_share: f64,
    /// The share of the usual number of rows, in percent, by which a run must differ from it to be told.
    pub size_change: f64,
    /// Its options, templates not yet rendered.
    pub settings: Vec<Setting>,
    /// Where it is declared.
    pub span: Span,
}

/// What an alert is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertReason {
    /// A run ended by an error, or before all rows were sent.
    Failure,
    /// The destination has refused rows.
    Rejected,
    /// A guard other than `freshness` stopped a run.
    Guard,
    /// A table that the sync reads was too old.
    Freshness,
    /// The sync has far more or fewer rows than usual.
    Size,
}

impl AlertReason {
    /// Every reason.
    pub const ALL: &'static [AlertReason] =
        &[AlertReason::Failure, AlertReason::Rejected, AlertReason::Guard, AlertReason::Freshness, AlertReason::Size];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            AlertReason::Failure => "failure",
            AlertReason::Rejected => "rejected",
            AlertReason::Guard => "guard",
            AlertReason::Freshness => "freshness",
            AlertReason::Size => "size",
        }
    }
}

/// A number of rows, or a share of those acknowledged before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// So many.
    Rows(u64),
    /// So many percent, 0 to 100, of the rows acknowledged before.
    Percent(f64),
}
