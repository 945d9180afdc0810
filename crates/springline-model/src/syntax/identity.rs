//! The keys of identities: which records are the same thing.

use crate::{Diagnostic, OnViolation, Winner};

use super::decl::decl;
use super::decode::{Decode, Entries, Item, Shape};
use super::golden::{GoldenFieldDecl, HouseholdsDecl};
use super::language::Word;
use super::matching::IdentityRuleDecl;
use super::node::{Node, NodeKind, Spanned};

decl! {
    /// Which records of several sources are the same thing, and the id that they then share.
    IdentityDecl {
        /// Its name, of at most 36 characters.
        name: Spanned<String>,
        /// The entity that the records are of.
        entity: Spanned<String>,
        /// The id that records of one cluster share.
        canonical_id: CanonicalIdDecl,
        /// What records are linked by, the most important first.
        identifiers: Vec<Item<IdentifierDecl>>,
        /// Where the records are.
        sources: Vec<IdentitySourceDecl>,
        /// What links them: one `deterministic` rule, which is also what holds if they are left out, and `probabilistic`
        /// ones.
        rules: Vec<Item<IdentityRuleDecl>>,
        /// What no cluster may exceed.
        limits: Option<IdentityLimitsDecl>,
        /// Links that are set and forbidden by hand. They win over everything else.
        overrides: Option<OverridesDecl>,
        /// What a canonical row has of its records, by the name of a column: an identifier's, one of `columns:` of the
        /// sources, or one that the sources have. The value is the rule that chooses the record whose value it is, a
        /// list of rules of which each decides where those before leave several, an aggregate, or a group of fields that
        /// one record gives together. `most_recent`: the record that was written last, by `updated_at`; `first_seen`: the
        /// one that has been there for most runs; `most_frequent`: the value that most records have; `longest`: the
        /// longest text; `source_priority`. Null and blank values are never chosen.
        golden_record: Option<Entries<GoldenFieldDecl>>,
        /// Which customers live together. It needs a golden record.
        households: Option<HouseholdsDecl>,
    }

    /// The id of a cluster, which stays from run to run.
    CanonicalIdDecl {
        /// The column that holds it.
        name: Spanned<String>,
        /// Which id stays where clusters become one: the `oldest` (if it is left out) or that of the `largest`.
        merge_winner: Option<Spanned<Winner>>,
        /// Which part keeps the id of a cluster that falls apart: the `largest` (if it is left out) or that of the `oldest`
        /// record.
        split_winner: Option<Spanned<Winner>>,
    }

    /// A value by which records are known to be the same.
    IdentifierDecl {
        /// Its name.
        name: Spanned<String>,
        /// How many different values one cluster may have; any number if it is left out.
        limit: Option<Spanned<u64>>,
        /// What is done to a value before it is compared, in this order: `trim`, `lower`, `upper`, `email`, `nfkc` (the
        /// Unicode normal form, where the warehouse has it) or `{ e164: { region: FR } }`.
        normalize: Vec<NormalizeStep>,
        /// A value that more records have links none of them; any number may if it is left out.
        max_records_per_value: Option<Spanned<u64>>,
        /// Values that link nothing, beside those that are blank, `null`, `n/a`, `-1` or made of zeros and hyphens alone.
        blocked: Option<BlockedDecl>,
    }

    /// Values that link nothing. They are compared once they are normalized.
    BlockedDecl {
        /// Values, written as they may be found: they are normalized too.
        exact: Vec<Spanned<String>>,
        /// Patterns that some part of a value matches, as for `regex_match`.
        regex: Vec<Spanned<String>>,
    }

    /// A telephone number in the form E.164.
    E164Decl {
        /// How it is dialled.
        e164: RegionDecl,
    }

    /// Where a telephone number without a country is dialled.
    RegionDecl {
        /// The country, by ISO 3166, such as `FR`.
        region: Spanned<String>,
    }

    /// A table of records.
    IdentitySourceDecl {
        /// The source.
        source: Spanned<String>,
        /// The column that tells its records apart.
        primary_key: Spanned<String>,
        /// The column with the instant or day at which a record was last written.
        updated_at: Option<Spanned<String>>,
        /// The columns with identifiers, by the identifier's name.
        identifiers: Entries<Spanned<String>>,
        /// Columns by the name that the identity has for them, where the source calls them otherwise.
        columns: Option<Entries<Spanned<String>>>,
    }

    /// What no cluster may exceed. A link that would make one do so is not made.
    IdentityLimitsDecl {
        /// The most records of one cluster.
        max_cluster_size: Option<Spanned<u64>>,
        /// What a run does where a cluster would exceed this or the `limit` of an identifier: `quarantine` leaves out the
        /// values that bring together too much (also if it is left out), `fail` ends the run and changes nothing.
        on_violation: Option<Spanned<OnViolation>>,
    }

    /// Links by hand.
    OverridesDecl {
        /// A source with the columns `action` (`include` or `exclude`), `source`, `record`, `other_source` and
        /// `other_record`, all text: the names of two sources and the primary keys of two records.
        source: Spanned<String>,
    }
}

/// Something that is done to a value before it is compared.
#[derive(Debug, Clone)]
pub(crate) enum NormalizeStep {
    Word(Spanned<Normalize>),
    E164(Spanned<String>),
}

/// What is done to a value without anything further to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalize {
    Trim,
    Lower,
    Upper,
    Email,
    Nfkc,
}

impl Decode for NormalizeStep {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Mapping(_) => E164Decl::decode(node, out).map(|decl| NormalizeStep::E164(decl.e164.region)),
            _ => Spanned::decode(node, out).map(NormalizeStep::Word),
        }
    }

    fn shape() -> Shape {
        Shape::Either(<Spanned<Normalize>>::shape, E164Decl::shape)
    }
}

impl Word for Normalize {
    const WHAT: &'static str = "step of a normalization";
    const WORDS: &'static [&'static str] = &["trim", "lower", "upper", "email", "nfkc"];
    const VALUES: &'static [Self] =
        &[Normalize::Trim, Normalize::Lower, Normalize::Upper, Normalize::Email, Normalize::Nfkc];
}

impl Word for OnViolation {
    const WHAT: &'static str = "end of a run with a violation";
    const WORDS: &'static [&'static str] = &["quarantine", "fail"];
    const VALUES: &'static [Self] = &[OnViolation::Quarantine, OnViolation::Fail];
}

impl Word for Winner {
    const WHAT: &'static str = "winner";
    const WORDS: &'static [&'static str] = &["oldest", "largest"];
    const VALUES: &'static [Self] = &[Winner::Oldest, Winner::Largest];
}
