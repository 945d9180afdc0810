//! The condition tree: a text expression, or a mapping with one of the keys `all any not field event
//! related segment sample`.

use springline_ir::FunctionId;

use crate::expr::Quantifier;
use crate::{Code, Diagnostic, Span};

use super::decl::decl;
use super::decode::{Decode, Shape, Value, listed, unknown_key, wrong_shape};
use super::language::Word;
use super::node::{Node, NodeKind, Spanned};
use super::shares::SampleCondition;

/// A condition and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct ConditionDecl {
    pub kind: ConditionKind,
    pub span: Span,
}

/// The forms of a condition.
#[derive(Debug, Clone)]
pub(crate) enum ConditionKind {
    Text(Spanned<String>),
    All(Vec<ConditionDecl>),
    Any(Vec<ConditionDecl>),
    Not(Box<ConditionDecl>),
    Field(Box<FieldCondition>),
    Event(Box<EventCondition>),
    Related(Box<RelatedCondition>),
    Segment(Box<SegmentCondition>),
    Sample(SampleCondition),
}

impl Word for Quantifier {
    const WHAT: &'static str = "`match`";
    const WORDS: &'static [&'static str] = &["any", "all", "none"];
    const VALUES: &'static [Self] = &[Quantifier::Any, Quantifier::All, Quantifier::None];
}

decl! {
    /// All of these conditions.
    AllCondition {
        /// The conditions.
        all: Vec<ConditionDecl>,
    }

    /// At least one of these conditions.
    AnyCondition {
        /// The conditions.
        any: Vec<ConditionDecl>,
    }

    /// The opposite of a condition.
    NotCondition {
        /// The condition.
        not: Box<ConditionDecl>,
    }

    /// Membership of another segment of the same entity, now or as the runs before `as_of` have kept it.
    SegmentCondition {
        /// The segment.
        segment: Spanned<String>,
        /// It was entered in this window, such as `7 days`.
        entered: Option<Spanned<String>>,
        /// It was left in this window.
        exited: Option<Spanned<String>>,
        /// It was entered at any time.
        ever: Option<Spanned<bool>>,
        /// It has lasted for this length of time, such as `30 days`.
        stayed: Option<Spanned<String>>,
    }

    /// A comparison of a column or field.
    FieldCondition {
        /// The column or field, or a path such as `household.size`.
        field: Spanned<String>,
        /// It equals this.
        eq: Option<Value>,
        /// It differs from this.
        ne: Option<Value>,
        /// It is larger.
        gt: Option<Value>,
        /// It is larger or equal.
        gte: Option<Value>,
        /// It is smaller.
        lt: Option<Value>,
        /// It is smaller or equal.
        lte: Option<Value>,
        /// It is one of these.
        r#in: Option<Vec<Value>>,
        /// It is none of these.
        not_in: Option<Vec<Value>>,
        /// It is between these two, both included.
        between: Option<Vec<Value>>,
        /// It matches: `%` is any text, `_` any character.
        like: Option<Value>,
        /// It begins with this.
        starts_with: Option<Value>,
        /// It ends with this.
        ends_with: Option<Value>,
        /// It contains this.
        contains: Option<Value>,
        /// It has a part that this regular expression matches.
        matches: Option<Value>,
        /// It lies in this window, such as `30 days`, `last month` or `next 30 days`.
        within: Option<Spanned<String>>,
        /// Its next anniversary is at most so many days away.
        birthday_within: Option<Value>,
        /// Whether it is null.
        is_null: Option<Spanned<bool>>,
    }

    /// Something about the events: that there is one, how many, or an aggregate.
    EventCondition {
        /// The event.
        event: Spanned<String>,
        /// How many there are.
        count: Option<CompareDecl>,
        /// The sum of a column.
        sum: Option<AggregateDecl>,
        /// The mean of a column.
        avg: Option<AggregateDecl>,
        /// The smallest value of a column.
        min: Option<AggregateDecl>,
        /// The largest value of a column.
        max: Option<AggregateDecl>,
        /// How many different values a column has.
        count_distinct: Option<AggregateDecl>,
        /// The value of the earliest event.
        first: Option<AggregateDecl>,
        /// The value of the latest event.
        last: Option<AggregateDecl>,
        /// The most frequent value of a column.
        most_frequent: Option<AggregateDecl>,
        /// The median of a column.
        median: Option<AggregateDecl>,
        /// Whether one event, all of them or none must meet `where`; one if not said.
        r#match: Option<Spanned<Quantifier>>,
        /// Only events that meet this; its names are the event's columns.
        r#where: Option<ConditionDecl>,
        /// Only events of this window, such as `90 days`.
        within: Option<Spanned<String>>,
        /// Events that follow, each after the one before it.
        then: Vec<StepDecl>,
        /// What must not follow afterwards.
        without: Option<StepDecl>,
    }

    /// An event that follows another.
    StepDecl {
        /// The event.
        event: Spanned<String>,
        /// Only events that meet this; its names are the event's columns.
        r#where: Option<ConditionDecl>,
        /// How long after the one before it, such as `7 days`; at any later time if not said.
        within: Option<Spanned<String>>,
    }

    /// Something about a related entity: that there is one, or how many.
    RelatedCondition {
        /// The relationship, or a path of them such as `household.members`.
        related: Spanned<String>,
        /// Whether one row, all of them or none must meet `where`; one if not said.
        r#match: Option<Spanned<Quantifier>>,
        /// How many there are; over a one-to-many relationship only.
        count: Option<CompareDecl>,
        /// Only those that meet this; its names are the related entity's.
        r#where: Option<ConditionDecl>,
        /// Not possible: a relationship has no time.
        within: Option<Spanned<String>>,
    }

    /// A comparison of a number.
    CompareDecl {
        /// It equals this.
        eq: Option<Value>,
        /// It differs from this.
        ne: Option<Value>,
        /// It is larger.
        gt: Option<Value>,
        /// It is larger or equal.
        gte: Option<Value>,
        /// It is smaller.
        lt: Option<Value>,
        /// It is smaller or equal.
        lte: Option<Value>,
        /// It is between these two, both included.
        between: Option<Vec<Value>>,
    }

    /// An aggregate of a column and a comparison.
    AggregateDecl {
        /// The column of the event, or a path such as `product.price`.
        of: Spanned<String>,
        /// It equals this.
        eq: Option<Value>,
        /// It differs from this.
        ne: Option<Value>,
        /// It is larger.
        gt: Option<Value>,
        /// It is larger or equal.
        gte: Option<Value>,
        /// It is smaller.
        lt: Option<Value>,
        /// It is smaller or equal.
        lte: Option<Value>,
        /// It is between these two, both included.
        between: Option<Vec<Value>>,
        /// It is one of these.
        r#in: Option<Vec<Value>>,
        /// It is none of these.
        not_in: Option<Vec<Value>>,
    }
}

/// The comparisons that are written of something.
pub(crate) struct Comparators<'a> {
    /// The operator and the value, if the key is there.
    pub values: [(FunctionId, &'a Option<Value>); 6],
    pub between: Option<&'a [Value]>,
}

macro_rules! comparators {
    ($($decl:ty),*) => {$(
        impl $decl {
            /// The comparisons, in the order in which they are checked.
            pub fn comparators(&self) -> Comparators<'_> {
                let values = [
                    (FunctionId::EQ, &self.eq),
                    (FunctionId::NE, &self.ne),
                    (FunctionId::GT, &self.gt),
                    (FunctionId::GE, &self.gte),
                    (FunctionId::LT, &self.lt),
                    (FunctionId::LE, &self.lte),
                ];
                Comparators { values, between: self.between.as_deref() }
            }
        }
    )*};
}

impl SegmentCondition {
    /// Membership of a segment, in the run that is computed.
    pub fn member_of(name: &str, span: Span) -> Self {
        let segment = Spanned { value: name.to_owned(), span };
        SegmentCondition { segment, entered: None, exited: None, ever: None, stayed: None }
    }
}

impl EventCondition {
    /// The aggregates that are asked for, with the functions' names.
    pub fn aggregates(&self) -> [(&'static str, &Option<AggregateDecl>); 9] {
        [
            ("sum", &self.sum),
            ("avg", &self.avg),
            ("min", &self.min),
            ("max", &self.max),
            ("count_distinct", &self.count_distinct),
            ("first", &self.first),
            ("last", &self.last),
            ("most_frequent", &self.most_frequent),
            ("median", &self.median),
        ]
    }
}

comparators!(FieldCondition, CompareDecl, AggregateDecl);

/// The keys that say what a condition is.
const HEADS: &[&str] = &["all", "any", "not", "field", "event", "related", "segment", "sample"];

/// What a condition may be besides a text, each with the key that tells it first: the keys of [`HEADS`].
pub(crate) fn condition_shapes() -> Vec<Shape> {
    vec![
        AllCondition::shape(),
        AnyCondition::shape(),
        NotCondition::shape(),
        FieldCondition::shape(),
        EventCondition::shape(),
        RelatedCondition::shape(),
        SegmentCondition::shape(),
        SampleCondition::shape(),
    ]
}

impl Decode for ConditionDecl {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let kind = match &node.kind {
            NodeKind::Scalar(scalar) if !scalar.is_null() => {
                ConditionKind::Text(Spanned { value: scalar.text.clone(), span: node.span })
            }
            NodeKind::Mapping(entries) => decode_tree(node, entries, out)?,
            NodeKind::Sequence(_) => {
                let hint = "put the list under `all:` or `any:`";
                out.push(wrong_shape(node, "a condition").hint(hint));
                return None;
            }
            NodeKind::Scalar(_) => {
                out.push(wrong_shape(node, "a condition"));
                return None;
            }
        };
        Some(ConditionDecl { kind, span: node.span })
    }

    fn shape() -> Shape {
        Shape::Condition
    }
}

fn decode_tree(node: &Node, entries: &[(Spanned<String>, Node)], out: &mut Vec<Diagnostic>) -> Option<ConditionKind> {
    let mut heads = entries.iter().map(|(key, _)| key).filter(|key| HEADS.contains(&key.value.as_str()));
    let Some(head) = heads.next() else {
        match entries.first() {
            Some((key, _)) => out.push(unknown_key(key, HEADS)),
            None => out.push(
                Diagnostic::error(Code::MissingKey, node.span, "a condition without a key")
                    .hint(format!("write one of {}", listed(HEADS))),
            ),
        }
        return None;
    };
    if let Some(other) = heads.next() {
        let message = format!("a condition is either `{}` or `{}`", head.value, other.value);
        out.push(
            Diagnostic::error(Code::WrongShape, other.span, message)
                .also(head.span, "the first")
                .hint("put the two into a list under `all:` or `any:`"),
        );
        return None;
    }
    let is_empty = |n: &Node| match &n.kind {
        NodeKind::Sequence(items) => items.is_empty(),
        _ => n.is_null() && matches!(head.value.as_str(), "all" | "any"),
    };
    if node.get(&head.value).is_some_and(is_empty) {
        let message = format!("`{}` has no conditions", head.value);
        out.push(Diagnostic::error(Code::InvalidValue, head.span, message).hint("list at least one condition"));
        return None;
    }
    Some(match head.value.as_str() {
        "all" => ConditionKind::All(AllCondition::decode(node, out)?.all),
        "any" => ConditionKind::Any(AnyCondition::decode(node, out)?.any),
        "not" => ConditionKind::Not(NotCondition::decode(node, out)?.not),
        "field" => ConditionKind::Field(Box::new(FieldCondition::decode(node, out)?)),
        "event" => ConditionKind::Event(Box::new(EventCondition::decode(node, out)?)),
        "related" => ConditionKind::Related(Box::new(RelatedCondition::decode(node, out)?)),
        "sample" => ConditionKind::Sample(SampleCondition::decode(node, out)?),
        _ => ConditionKind::Segment(Box::new(SegmentCondition::decode(node, out)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_condition_is_described() {
        let first = |shape: Shape| match shape {
            Shape::Mapping(mapping) => mapping.keys.first().map(|key| key.name),
            _ => None,
        };
        let described: Vec<_> = condition_shapes().into_iter().filter_map(first).collect();
        assert_eq!(described, HEADS);
    }
}
