//! How records of several sources become one canonical row: the part of a checked project that is about identities. It
//! does not know how they are resolved.

use springline_ir::Type;

use crate::project::{EntityId, SourceId, ValueExpr};
use crate::{GoldenRecord, Leaf, Matching, Pii, Span};

/// Which records are the same thing, and the id that it has.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// What its canonical rows are.
    pub entity: EntityId,
    /// The id that records of one cluster share.
    pub canonical_id: CanonicalId,
    /// What records are linked by, the most important first.
    pub identifiers: Vec<Identifier>,
    /// Where the records are.
    pub sources: Vec<IdentitySource>,
    /// What links them.
    pub rules: Vec<IdentityRule>,
    /// The most records of one cluster.
    pub max_cluster_size: Option<u64>,
    /// What becomes of a run in which a cluster would exceed a limit.
    pub on_violation: OnViolation,
    /// The table of the links that are set and forbidden by hand; its columns are [`OVERRIDE_COLUMNS`].
    pub overrides: Option<SourceId>,
    /// What a canonical row has beside its id.
    pub golden: Option<GoldenRecord>,
    /// Where it is declared.
    pub span: Span,
}

/// The columns of a table of overrides: `include` or `exclude`, and two records by source and primary key, as text.
pub const OVERRIDE_COLUMNS: [&str; 5] = ["action", "source", "record", "other_source", "other_record"];

/// The id of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalId {
    /// Its column.
    pub name: String,
    /// Which of several ids a cluster keeps.
    pub merge_winner: Winner,
    /// Which of several clusters keeps an id.
    pub split_winner: Winner,
}

/// What becomes of a run in which a cluster would exceed a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnViolation {
    /// The values that bring together too much are left out.
    Quarantine,
    /// The run fails, and changes nothing.
    Fail,
}

/// What wins over the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Winner {
    /// The one that there was first.
    Oldest,
    /// The one with the most records.
    Largest,
}

/// A value by which records are known to be the same.
#[derive(Debug, Clone)]
pub struct Identifier {
    /// Its name.
    pub name: String,
    /// How many different values one cluster may have.
    pub limit: Option<u64>,
    /// A value that more records have links none of them.
    pub max_records_per_value: Option<u64>,
    /// What is compared, as text, from the column's text ([`Identifier::given`]); null where that is no such value.
    pub value: ValueExpr,
    /// Why a value links nothing, beside null: a word and a condition over the column's text and the compared value
    /// ([`Identifier::compared`]), the first that holds.
    pub dropped: Vec<(&'static str, ValueExpr)>,
    /// Where it is declared.
    pub span: Span,
}

impl Identifier {
    /// The leaf that stands for the text of the column.
    pub fn given() -> Leaf {
        Leaf::Column("given".to_owned())
    }

    /// The leaf that stands for the value that is compared.
    pub fn compared() -> Leaf {
        Leaf::Column("value".to_owned())
    }
}

/// A table of records.
#[derive(Debug, Clone)]
pub struct IdentitySource {
    /// The table.
    pub source: SourceId,
    /// The column that tells its records apart.
    pub primary_key: String,
    /// The column with the instant or day at which a record was last written.
    pub updated_at: Option<String>,
    /// The columns with identifiers: the place in [`Identity::identifiers`], and the column.
    pub identifiers: Vec<(usize, String)>,
    /// Columns by the name that the identity has for them.
    pub columns: Vec<(String, String)>,
}

/// What records of several sources have under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The type that the columns have or that holds them all.
    pub ty: Type,
    /// What person-related data it holds.
    pub pii: Option<Pii>,
    /// By the place in [`Identity::sources`]: the column, with its type; `None` where a source has none.
    pub columns: Vec<Option<(String, Type)>>,
}

/// A source that nobody has written: what an identity makes, or a source as an identity sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Made {
    /// The place in [`crate::Project::identities`].
    pub identity: usize,
    /// The rows of a source with the canonical id of the record that each is of; none: the golden records.
    pub records: Option<Records>,
}

/// Which record a row of a source is of. Rows of no record are left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Records {
    /// The name of the source whose rows they are.
    pub of: String,
    /// The name of the source of the records.
    pub source: String,
    /// The column with the primary key of the record.
    pub column: String,
    /// The further column: the canonical id.
    pub id: String,
}

/// What links records.
#[derive(Debug, Clone)]
pub struct IdentityRule {
    /// Its name.
    pub name: String,
    /// How it links.
    pub kind: RuleKind,
}

/// How a rule links records.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// Records with the same value of an identifier are the same.
    Deterministic,
    /// Records that agree in so much that they are probably the same.
    Probabilistic(Matching),
}
