//! The keys that cut segments: samples, splits, limits and sets. A share is kept as a whole number of
//! hundredths of a percent, so that no rounding moves a bound.

use crate::{Code, Diagnostic};

use super::decl::decl;
use super::decode::{Decode, Entries, Shape, wrong_shape};
use super::language::Word;
use super::node::{Node, NodeKind, Spanned};

/// All rows, in hundredths of a percent.
pub(crate) const WHOLE: u32 = 10_000;

/// A share of the rows, in hundredths of a percent: 0 to [`WHOLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(pub u32);

decl! {
    /// A sample: a share of the rows, always the same ones.
    SampleCondition {
        /// The share, such as `10%`, or `{ from: 10%, to: 50% }`.
        sample: SampleRange,
        /// Any text: samples with one seed overlap as their ranges do, those with another are drawn anew.
        seed: Spanned<String>,
    }

    /// A range of shares.
    RangeDecl {
        /// Where it begins; part of it.
        from: Spanned<Share>,
        /// Where it ends; not part of it.
        to: Spanned<Share>,
    }

    /// Disjoint parts of a segment, each a segment named `<segment>_<part>`.
    SplitDecl {
        /// Any text: another seed splits anew.
        seed: Spanned<String>,
        /// The parts and their shares, together at most 100%. Parts that are added at the end leave the others as
        /// they are.
        parts: Entries<Spanned<Share>>,
    }

    /// Only the first members in an order.
    LimitDecl {
        /// How many.
        top: Spanned<u64>,
        /// What they are ordered by: a column, a field or an expression. Nulls are last, equals go by primary key.
        by: Spanned<String>,
        /// `desc`, from large to small (if it is left out), or `asc`.
        order: Option<Spanned<Direction>>,
    }

    /// Segments of which each row is in at most one: the first of the list that it belongs to.
    SegmentSetDecl {
        /// The name of the set, and of the computed field with the name of each row's segment.
        name: Spanned<String>,
        /// What a marketer calls it.
        label: Option<Spanned<String>>,
        /// Who answers for it.
        owner: Option<Spanned<String>>,
        /// Whose rows.
        entity: Spanned<String>,
        /// The segments, the most important first. Each gives a segment `<set>_<segment>`.
        priority: Vec<Spanned<String>>,
    }
}

/// From where to where a sample reaches.
#[derive(Debug, Clone)]
pub(crate) struct SampleRange {
    pub from: Share,
    pub to: Share,
}

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Word for Direction {
    const WHAT: &'static str = "order";
    const WORDS: &'static [&'static str] = &["asc", "desc"];
    const VALUES: &'static [Self] = &[Direction::Ascending, Direction::Descending];
}

impl Share {
    /// Reads a percentage without its sign, such as `10` or `0.25`: two digits behind the point at most.
    pub fn percent(text: &str) -> Option<Share> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let fits = !whole.is_empty() && whole.len() <= 3 && digits(whole);
        let fits = fits && fraction.len() <= 2 && digits(fraction) && (text.contains('.') != fraction.is_empty());
        let hundredths: u32 = format!("{whole}{fraction:0<2}").parse().ok().filter(|_| fits)?;
        (hundredths <= WHOLE).then_some(Share(hundredths))
    }
}

impl Decode for Spanned<Share> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else {
            out.push(wrong_shape(node, "a percentage").hint("write it as in `10%`"));
            return None;
        };
        let text = scalar.text.trim();
        match text.strip_suffix('%').and_then(|text| Share::percent(text.trim())) {
            Some(value) => Some(Spanned { value, span: node.span }),
            None => {
                out.push(
                    Diagnostic::error(Code::InvalidValue, node.span, format!("`{text}` is no share of the rows"))
                        .hint("write a percentage from 0% to 100% with at most two decimals, such as `10%` or `0.25%`"),
                );
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Text
    }
}

impl Decode for SampleRange {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let (from, to) = match &node.kind {
            NodeKind::Mapping(_) => {
                let range = RangeDecl::decode(node, out)?;
                (range.from.value, range.to.value)
            }
            _ => (Share(0), Spanned::<Share>::decode(node, out)?.value),
        };
        if from >= to {
            let message = "a sample of no rows: it ends where it begins, or before";
            let hint = "let `from` be smaller than `to`, as in `{ from: 10%, to: 50% }`";
            out.push(Diagnostic::error(Code::InvalidValue, node.span, message).hint(hint));
            return None;
        }
        Some(SampleRange { from, to })
    }

    fn shape() -> Shape {
        Shape::Either(Spanned::<Share>::shape, RangeDecl::shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_decimals() {
        let read = |text: &str| Share::percent(text).map(|share| share.0);
        assert_eq!(read("10"), Some(1_000));
        assert_eq!(read("0.25"), Some(25));
        assert_eq!(read("12.5"), Some(1_250));
        assert_eq!(read("100"), Some(WHOLE));
        for text in ["", ".", "5.", ".5", "-1", "100.01", "101", "1.234", "1e1", "١", "+5", "10 %"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
