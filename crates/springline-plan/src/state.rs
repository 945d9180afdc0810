//! The names and columns of Springline's own tables in the state schema.

use springline_ir::{ColumnDef, TableName, Type};

/// The tables of one sync.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTables {
    /// What should be at the destination; lives as long as a run.
    pub desired: TableName,
    /// What of it differs from the ledger; lives as long as a run.
    pub difference: TableName,
    /// One row per sync key that the destination has acknowledged.
    pub ledger: TableName,
    /// One row per sync key that the destination has refused.
    pub rejected: TableName,
    /// Acknowledged rows on their way from the journal to the ledger.
    pub outcomes: TableName,
    /// Refused rows on their way from the journal to `rejected`.
    pub refusals: TableName,
}

impl StateTables {
    /// The tables of the sync of that name.
    pub fn of(schema: &str, sync: &str) -> Self {
        let table = |kind: &str| TableName::in_schema(schema, &format!("{kind}_{sync}"));
        StateTables {
            desired: table("desired"),
            difference: table("difference"),
            ledger: table("ledger"),
            rejected: table("rejected"),
            outcomes: table("outcomes"),
            refusals: table("refusals"),
        }
    }
}

pub(crate) fn define(name: &str, ty: Type) -> ColumnDef {
    ColumnDef { name: name.to_owned(), ty }
}

/// The columns of a ledger. `_hash` is null where nothing was acknowledged yet. `receipt` is what the destination gave
/// for the row. A row of which a request may or may not have reached the destination is in doubt: `in_doubt` is that
/// change, the operation and the payload hash with a colon between, and `in_doubt_request` the name of the request.
pub(crate) fn ledger_columns() -> Vec<ColumnDef> {
    vec![
        define("_key", Type::String),
        define("_hash", Type::String),
        define("run_id", Type::String),
        define("sent_at", Type::Timestamp),
        define(RECEIPT, Type::String),
        define(IN_DOUBT, Type::String),
        define(IN_DOUBT_REQUEST, Type::String),
    ]
}

/// The column of what a destination gave for a row.
pub(crate) const RECEIPT: &str = "receipt";
/// The column of the change that a destination may or may not have.
pub(crate) const IN_DOUBT: &str = "in_doubt";
/// The column of the request that such a change was in.
pub(crate) const IN_DOUBT_REQUEST: &str = "in_doubt_request";

/// The columns of the outcomes: a ledger row, and whether the row is gone.
pub(crate) fn outcome_columns() -> Vec<ColumnDef> {
    let mut columns = ledger_columns();
    columns.push(define("removed", Type::Boolean));
    columns
}

/// The columns of the refusals of one run.
pub(crate) fn refusal_columns() -> Vec<ColumnDef> {
    vec![
        define("_key", Type::String),
        define("_hash", Type::String),
        define("operation", Type::String),
        define("code", Type::String),
        define("message", Type::String),
        define("retryable", Type::Boolean),
        define("run_id", Type::String),
        define("seen_at", Type::Timestamp),
    ]
}

/// The columns of the rejected rows.
pub(crate) fn rejected_columns() -> Vec<ColumnDef> {
    vec![
        define("_key", Type::String),
        define("_hash", Type::String),
        define("operation", Type::String),
        define("code", Type::String),
        define("message", Type::String),
        define("retryable", Type::Boolean),
        define("run_id", Type::String),
        define("first_seen_at", Type::Timestamp),
        define("last_seen_at", Type::Timestamp),
        define("attempts", Type::Integer),
    ]
}

/// The tables of the history of one entity's segments.
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipTables {
    /// Who was in which segment from when to when.
    pub membership: TableName,
    /// The size of each segment at each run.
    pub sizes: TableName,
    /// The members that a backfill changes; lives as long as the run.
    pub changed: TableName,
    /// The intervals that a run changes; lives as long as the run.
    pub moves: TableName,
    /// The sizes that a run found, on their way into `sizes`; lives as long as the run.
    pub new_sizes: TableName,
}

impl MembershipTables {
    /// The tables of the entity of that name.
    pub fn of(schema: &str, entity: &str) -> Self {
        let table = |kind: &str| TableName::in_schema(schema, &format!("{kind}_{entity}"));
        MembershipTables {
            membership: table("membership"),
            sizes: table("sizes"),
            changed: table("changed"),
            moves: table("moves"),
            new_sizes: table("new_sizes"),
        }
    }
}

/// The columns of a membership: the members of `segment` at an instant `t` are those with
/// `entered_at <= t` and (`exited_at` null or `t < exited_at`). Two intervals of one member in one segment
/// neither overlap nor touch.
pub(crate) fn interval_columns() -> Vec<ColumnDef> {
    vec![
        define("segment", Type::String),
        define("entity_id", Type::String),
        define("entered_at", Type::Timestamp),
        define("exited_at", Type::Timestamp),
    ]
}

/// The columns of the sizes: one row per segment and instant of a run; those who entered and exited did so
/// between the run before and this one.
pub(crate) fn size_columns() -> Vec<ColumnDef> {
    let counts = ["members", "entered", "exited"].map(|name| define(name, Type::Integer));
    [define("segment", Type::String), define("as_of", Type::Timestamp)].into_iter().chain(counts).collect()
}

/// The columns of the sizes on their way: those of the sizes, and the mark of rows that go.
pub fn new_size_columns() -> Vec<ColumnDef> {
    let mut columns = size_columns();
    columns.push(define(REMOVED, Type::Boolean));
    columns
}

/// The column of a change that is true where the row of that key goes.
pub(crate) const REMOVED: &str = "removed";
