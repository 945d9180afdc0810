//! The keys of the rules that link records.

use crate::{Code, Diagnostic, Link, Method};

use super::decl::decl;
use super::decode::{Decode, Shape, wrong_shape};
use super::language::Word;
use super::node::{Node, NodeKind, Scalar, Spanned};

decl! {
    /// What links records.
    IdentityRuleDecl {
        /// Its name.
        name: Spanned<String>,
        /// `deterministic`: records with the same value of an identifier are the same; `probabilistic`: records that
        /// agree in so much that they are one with a probability of `threshold`.
        r#type: Spanned<RuleType>,
        /// Which records a probabilistic rule compares: those that have the same value in all columns of one of these
        /// lists. Columns have the names that the identity has for them.
        blocking: Vec<Vec<Spanned<String>>>,
        /// What it compares of them.
        comparisons: Vec<ComparisonDecl>,
        /// Where it never links, however much agrees.
        veto: Vec<VetoDecl>,
        /// How probable a link must be, between 0 and 1; with `labels` the one that does best on them if it is left out.
        threshold: Option<Spanned<Probability>>,
        /// Which links it makes: `many_to_many` (if it is left out: all, also within a source), `many_to_one` (each record's
        /// best match in each source that is listed before its own) or `one_to_one` (those that are the best of both).
        link: Option<Spanned<Link>>,
        /// Pairs of records of which somebody has said whether they are one.
        labels: Option<LabelsDecl>,
        /// The most pairs to compare; 100,000,000 if it is left out. A run that would compare more says so and ends.
        max_pairs: Option<Spanned<u64>>,
    }

    /// One thing that is compared. Texts are compared in lower case and without spaces at their ends; a blank one is none.
    ComparisonDecl {
        /// The column.
        column: Spanned<String>,
        /// How: `exact`, `jaro_winkler` (from 0 to 1, 1 for equal texts), `levenshtein` (characters to change, add or take
        /// out), `numeric_distance` or `date_distance` (days).
        method: Spanned<Method>,
        /// The bounds of the levels below equality, the closest first: at least so similar, or at most so distant.
        thresholds: Vec<Spanned<Bound>>,
        /// Rare values that agree count for more than frequent ones.
        term_frequency: Option<Spanned<bool>>,
        /// A second column: that the two have each other's values is a level of its own, just below equality.
        swapped_with: Option<Spanned<String>>,
        /// What is done where the warehouse lacks the method. Without it the rule does not compile there.
        fallback: Option<FallbackDecl>,
    }

    /// Another way to compare.
    FallbackDecl {
        /// How.
        method: Spanned<Method>,
        /// The bounds of the levels below equality.
        thresholds: Vec<Spanned<Bound>>,
    }

    /// Where a rule never links.
    VetoDecl {
        /// The column.
        column: Spanned<String>,
        /// `conflict`: both records have a value, and they differ.
        when: Spanned<VetoWhen>,
    }

    /// Pairs with a known answer.
    LabelsDecl {
        /// A source with the text columns `source`, `record`, `other_source` and `other_record` and the boolean column
        /// `same`.
        source: Spanned<String>,
    }
}

/// A probability, between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Probability(pub f64);

/// A number of 0 or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound(pub f64);

impl Decode for Spanned<Probability> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let value = number(node, out)?;
        if value > 0.0 && value < 1.0 {
            return Some(Spanned { value: Probability(value), span: node.span });
        }
        let message = format!("{value} is no probability to ask for");
        let hint = "write a number between 0 and 1, such as `0.95`";
        out.push(Diagnostic::error(Code::InvalidValue, node.span, message).hint(hint));
        None
    }

    fn shape() -> Shape {
        Shape::Text
    }
}

impl Decode for Spanned<Bound> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        number(node, out).map(|value| Spanned { value: Bound(value), span: node.span })
    }

    fn shape() -> Shape {
        Shape::Text
    }
}

fn number(node: &Node, out: &mut Vec<Diagnostic>) -> Option<f64> {
    let number = match &node.kind {
        NodeKind::Scalar(Scalar { text, plain: true }) => text.parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    if number.is_none() {
        out.push(wrong_shape(node, "a number of 0 or more"));
    }
    number
}

/// What kind of rule it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleType {
    Deterministic,
    Probabilistic,
}

/// When a rule never links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VetoWhen {
    Conflict,
}

impl Word for RuleType {
    const WHAT: &'static str = "type of rule";
    const WORDS: &'static [&'static str] = &["deterministic", "probabilistic"];
    const VALUES: &'static [Self] = &[RuleType::Deterministic, RuleType::Probabilistic];
}

impl Word for VetoWhen {
    const WHAT: &'static str = "veto";
    const WORDS: &'static [&'static str] = &["conflict"];
    const VALUES: &'static [Self] = &[VetoWhen::Conflict];
}

impl Word for Link {
    const WHAT: &'static str = "kind of link";
    const WORDS: &'static [&'static str] = &["one_to_one", "many_to_one", "many_to_many"];
    const VALUES: &'static [Self] = &[Link::OneToOne, Link::ManyToOne, Link::ManyToMany];
}

impl Word for Method {
    const WHAT: &'static str = "method";
    const WORDS: &'static [&'static str] =
        &["exact", "jaro_winkler", "levenshtein", "numeric_distance", "date_distance"];
    const VALUES: &'static [Self] =
        &[Method::Exact, Method::JaroWinkler, Method::Levenshtein, Method::NumericDistance, Method::DateDistance];
}
