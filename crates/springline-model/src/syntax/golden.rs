//! The keys of the golden record and of households.

use crate::Diagnostic;

use super::decl::decl;
use super::decode::{Decode, Shape};
use super::language::Word;
use super::node::{Node, NodeKind, Spanned};

decl! {
    /// Fields that one record gives together, so that no two records are mixed: of those with the most of them the one that
    /// the rules choose.
    GoldenGroupDecl {
        /// The fields.
        group: Vec<Spanned<String>>,
        /// Which record: one rule, or a list of which each decides where those before leave several.
        rule: SurvivorshipDecl,
    }

    /// A value of all records.
    GoldenAggregateDecl {
        /// `sum`, `min`, `max`, `avg` or `count`.
        aggregate: Spanned<GoldenAggregate>,
    }

    /// Which source is to be believed first.
    SourcePriorityDecl {
        /// Sources of the identity, the first one first; others come after them.
        source_priority: Vec<Spanned<String>>,
    }

    /// Which customers live together.
    HouseholdsDecl {
        /// Fields of the golden record: customers in whom all of them are equal, and none is null or blank, are one household.
        keys: Vec<Spanned<String>>,
        /// More customers than this are no household; any number may be one if it is left out.
        limit: Option<Spanned<u64>>,
    }
}

/// How a golden field gets its value.
#[derive(Debug, Clone)]
pub(crate) enum GoldenFieldDecl {
    Rules(SurvivorshipDecl),
    Aggregate(GoldenAggregateDecl),
    Group(GoldenGroupDecl),
}

/// Rules, each of which decides where those before leave several records.
#[derive(Debug, Clone)]
pub(crate) struct SurvivorshipDecl(pub Vec<RuleDecl>);

/// One rule.
#[derive(Debug, Clone)]
pub(crate) enum RuleDecl {
    Word(Spanned<SurvivorWord>),
    Priority(SourcePriorityDecl),
}

/// A rule without anything further to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SurvivorWord {
    MostRecent,
    FirstSeen,
    MostFrequent,
    Longest,
}

/// An aggregate of all records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoldenAggregate {
    Sum,
    Min,
    Max,
    Avg,
    Count,
}

impl Decode for GoldenFieldDecl {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        if node.get("aggregate").is_some() {
            return GoldenAggregateDecl::decode(node, out).map(GoldenFieldDecl::Aggregate);
        }
        if node.get("group").is_some() {
            return GoldenGroupDecl::decode(node, out).map(GoldenFieldDecl::Group);
        }
        SurvivorshipDecl::decode(node, out).map(GoldenFieldDecl::Rules)
    }

    fn shape() -> Shape {
        Shape::Either(SurvivorshipDecl::shape, || Shape::Either(GoldenAggregateDecl::shape, GoldenGroupDecl::shape))
    }
}

impl Decode for SurvivorshipDecl {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Sequence(_) => Vec::decode(node, out).map(SurvivorshipDecl),
            _ => RuleDecl::decode(node, out).map(|rule| SurvivorshipDecl(vec![rule])),
        }
    }

    fn shape() -> Shape {
        Shape::Either(RuleDecl::shape, <Vec<RuleDecl>>::shape)
    }
}

impl Decode for RuleDecl {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Mapping(_) => SourcePriorityDecl::decode(node, out).map(RuleDecl::Priority),
            _ => Spanned::decode(node, out).map(RuleDecl::Word),
        }
    }

    fn shape() -> Shape {
        Shape::Either(<Spanned<SurvivorWord>>::shape, SourcePriorityDecl::shape)
    }
}

impl Word for SurvivorWord {
    const WHAT: &'static str = "rule of survivorship";
    const WORDS: &'static [&'static str] = &["most_recent", "first_seen", "most_frequent", "longest"];
    const VALUES: &'static [Self] =
        &[SurvivorWord::MostRecent, SurvivorWord::FirstSeen, SurvivorWord::MostFrequent, SurvivorWord::Longest];
}

impl Word for GoldenAggregate {
    const WHAT: &'static str = "aggregate of a golden record";
    const WORDS: &'static [&'static str] = &["sum", "min", "max", "avg", "count"];
    const VALUES: &'static [Self] = &[
        GoldenAggregate::Sum,
        GoldenAggregate::Min,
        GoldenAggregate::Max,
        GoldenAggregate::Avg,
        GoldenAggregate::Count,
    ];
}
