//! What a destination declares about itself: plain data from which checks, documentation and the shared stack work.
//!
//! Must not know: any particular destination.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::normalise::Normaliser;

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
    /// The option that may be given in its place, and not beside it.
    pub or: Option<&'static str>,
    /// Whether its value is the name of a target of the project.
    pub names_target: bool,
}

/// An option that may be left out and shown.
pub(crate) const fn option(name: &'static str, meaning: &'static str, default: Option<&'static str>) -> OptionSpec {
    OptionSpec { name, required: false, secret: false, meaning, default, or: None, names_target: false }
}

impl OptionSpec {
    /// The option, which must be given.
    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The option, whose value must never be shown.
    pub(crate) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The option, in whose place another one may be given.
    pub(crate) const fn or(self, other: &'static str) -> Self {
        Self { or: Some(other), ..self }
    }

    /// The option, whose value is the name of a target.
    pub(crate) const fn names_target(self) -> Self {
        Self { names_target: true, ..self }
    }
}

/// One field that a destination takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Name at the destination.
    pub name: &'static str,
    /// Whether a sync must map it.
    pub required: bool,
    /// Whether the destination finds a record by it. Where a type has identifiers, a sync maps at least one.
    pub identifier: bool,
    /// The form its values are brought to before they leave.
    pub normaliser: Normaliser,
    /// Whether the destination is fed the value or its hash.
    pub hashing: Hashing,
    /// What it holds, for documentation and errors.
    pub meaning: &'static str,
}

impl FieldSpec {
    /// A field that is sent as it is and finds no record.
    pub const fn plain(name: &'static str, meaning: &'static str) -> Self {
        let (normaliser, hashing) = (Normaliser::AsIs, Hashing::Plain);
        Self { name, required: false, identifier: false, normaliser, hashing, meaning }
    }

    /// A field that records are found by.
    pub const fn identifier(name: &'static str, normaliser: Normaliser, meaning: &'static str) -> Self {
        Self { identifier: true, normaliser, ..Self::plain(name, meaning) }
    }

    /// The same field, fed as the hash of its normalised value.
    #[must_use]
    pub const fn hashed(self) -> Self {
        Self { hashing: Hashing::Sha256, ..self }
    }
}

/// Whether a destination is fed a value or its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashing {
    /// The normalised value itself.
    Plain,
    /// The SHA-256 of the normalised value as 64 lower-case hexadecimal digits.
    Sha256,
    /// The warehouse holds such hashes already: they pass as they are, and anything else is taken for absent.
    Done,
}

/// Which fields a sync may map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldRule {
    /// Any name.
    Any,
    /// These names alone.
    Listed(&'static [FieldSpec]),
    /// These names, and any other for what the destination's users have defined there.
    Open(&'static [FieldSpec]),
}

impl FieldRule {
    /// The fields known by name.
    pub const fn known(&self) -> &'static [FieldSpec] {
        match self {
            Self::Any => &[],
            Self::Listed(fields) | Self::Open(fields) => fields,
        }
    }
}

/// What is wrong with the fields that a sync maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingProblem {
    /// The type has no field of this name.
    Unknown(String),
    /// This field must be mapped.
    Missing(&'static str),
    /// One of these must be mapped: records are found by them.
    NoIdentifier(Vec<&'static str>),
}

impl std::fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "there is no field `{name}`"),
            Self::Missing(name) => write!(f, "the field `{name}` must be mapped"),
            Self::NoIdentifier(names) => {
                write!(f, "none of the fields that records are found by is mapped; map one of: {}", names.join(", "))
            }
        }
    }
}

/// How large one request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most rows of one request; at least 1.
    pub rows: usize,
    /// Most rows of one request that takes records away; `None` means as many as of any other.
    pub removals: Option<usize>,
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
        Self { rows, removals: None, bytes: None, objects: None, identifiers: None }
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
    /// The receipt is needed that the destination gave when it took the row: see [`crate::Batch::receipts`].
    ByReceipt,
}

/// What becomes of a record that is no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalKind {
    /// The record of the key is deleted.
    Delete,
    /// The record leaves the list or audience and stays at the destination.
    LeaveList,
    /// The record is put away and can be brought back.
    Archive,
    /// The destination forgets the person for good.
    Erase,
}

impl RemovalKind {
    /// The word used in files: `delete`, `leave_list`, `archive` or `erase`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::LeaveList => "leave_list",
            Self::Archive => "archive",
            Self::Erase => "erase",
        }
    }
}

/// What an empty value does at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// It is sent as it is.
    Send,
    /// The field is left out, and the record keeps what it has.
    Skip,
    /// The record's field becomes empty.
    Clear,
}

impl Nulls {
    /// The word used in files: `send`, `skip` or `clear`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Skip => "skip",
            Self::Clear => "clear",
        }
    }
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
    /// What a removal can mean; the first is taken where a sync does not choose. Empty where it cannot remove.
    pub removals: &'static [RemovalKind],
    /// What an empty value can do, as a mapping may choose.
    pub nulls: &'static [Nulls],
    /// How long the destination keeps a member that is not sent again; `None` means for good.
    pub members_expire: Option<Duration>,
}

impl DestinationSpec {
    /// What is wrong with mapping `fields`: names that do not exist, that are missing, no identifier.
    pub fn check_mapping<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Vec<MappingProblem> {
        let mapped: Vec<&str> = fields.into_iter().collect();
        let known = self.fields.known();
        let mut problems = Vec::new();
        if let FieldRule::Listed(listed) = self.fields {
            let unknown = mapped.iter().filter(|name| !listed.iter().any(|field| field.name == **name));
            problems.extend(unknown.map(|name| MappingProblem::Unknown((*name).to_owned())));
        }
        let missing = known.iter().filter(|field| field.required && !mapped.contains(&field.name));
        problems.extend(missing.map(|field| MappingProblem::Missing(field.name)));
        let identifiers: Vec<_> = known.iter().filter(|field| field.identifier).map(|field| field.name).collect();
        if !identifiers.is_empty() && !identifiers.iter().any(|name| mapped.contains(name)) {
            problems.push(MappingProblem::NoIdentifier(identifiers));
        }
        problems
    }
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

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    fn told(kind: &str, fields: &[&str]) -> Vec<String> {
        let spec = crate::specs().iter().find(|spec| spec.name == kind).unwrap();
        spec.check_mapping(fields.iter().copied()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mapping_is_checked_against_the_fields() {
        assert_eq!(told("webhook", &["anything"]), [] as [&str; 0]);
        assert_eq!(told("meta_custom_audiences", &["EMAIL", "FN"]), [] as [&str; 0]);
        assert_eq!(
            told("meta_custom_audiences", &["FN", "EMIAL"]),
            [
                "there is no field `EMIAL`",
                "none of the fields that records are found by is mapped; map one of: EXTERN_ID, EMAIL, PHONE, MADID",
            ]
        );
        assert_eq!(told("mailchimp", &["FNAME"])[0], "the field `email_address` must be mapped");
        assert_eq!(told("klaviyo", &["external_id", "tier"]), [] as [&str; 0]);
    }
}
