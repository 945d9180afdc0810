//! The keys of `rfm:`: recency, frequency and monetary value of an entity's event.

use crate::{Code, Diagnostic};

use super::decl::decl;
use super::decode::{Decode, Entries, Shape, Value, wrong_shape};
use super::node::{Node, NodeKind, Scalar, Spanned};

decl! {
    /// Recency, frequency and monetary value: the computed fields rfm_recency (whole days since the last event),
    /// rfm_frequency (how many), rfm_monetary (their value), the scores rfm_r, rfm_f and rfm_m (1 is the worst),
    /// rfm_score (the three as text) and rfm_segment.
    RfmDecl {
        /// The event.
        event: Spanned<String>,
        /// The column of the event that is summed up, or a path such as `product.price`.
        value: Spanned<String>,
        /// Only events of this window, such as `365 days`.
        within: Option<Spanned<String>>,
        /// Into how many parts of equal size those with events are cut for the scores, 2 to 9; 5 if neither this nor
        /// `thresholds` is there.
        quantiles: Option<Spanned<u64>>,
        /// The bounds of the scores, instead of parts of equal size.
        thresholds: Option<ThresholdsDecl>,
        /// The values of rfm_segment, the first that fits counts; the field is left out where there are none.
        segments: Option<Entries<RfmSegmentDecl>>,
    }

    /// The bounds of the scores; a value equal to a bound belongs to the range above it.
    ThresholdsDecl {
        /// Days, rising: fewer than the first of them score best.
        recency: Vec<Value>,
        /// Numbers of events, rising: fewer than the first of them score 1.
        frequency: Vec<Value>,
        /// Values, rising: less than the first of them scores 1.
        monetary: Vec<Value>,
    }

    /// The scores that a value of rfm_segment asks for; those left out may be any.
    RfmSegmentDecl {
        /// The score of the recency: `5`, or from and to such as `[4, 5]`.
        r: Option<ScoreRange>,
        /// The score of the frequency.
        f: Option<ScoreRange>,
        /// The score of the monetary value.
        m: Option<ScoreRange>,
    }
}

/// The scores from the first to the last, both included.
#[derive(Debug, Clone)]
pub(crate) struct ScoreRange {
    pub from: Spanned<u64>,
    pub to: Spanned<u64>,
}

impl Decode for ScoreRange {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let score = |node: &Node| match &node.kind {
            NodeKind::Scalar(Scalar { text, plain: true }) => {
                text.parse().ok().map(|value| Spanned { value, span: node.span })
            }
            _ => None,
        };
        let range = match &node.kind {
            NodeKind::Sequence(items) => match items.as_slice() {
                [from, to] => score(from).zip(score(to)),
                _ => None,
            },
            _ => score(node).map(|one| (one.clone(), one)),
        };
        match range {
            Some((from, to)) if from.value <= to.value => Some(ScoreRange { from, to }),
            Some(_) => {
                let message = "the range of scores ends before it begins";
                out.push(
                    Diagnostic::error(Code::InvalidValue, node.span, message)
                        .hint("write the smaller score first: `[4, 5]`"),
                );
                None
            }
            None => {
                out.push(wrong_shape(node, "a score or two").hint("write `5`, or from and to: `[4, 5]`"));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Either(Spanned::<u64>::shape, <Vec<Spanned<u64>>>::shape)
    }
}
