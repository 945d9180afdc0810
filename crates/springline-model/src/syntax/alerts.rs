//! The keys of alerts. How one is sent is not known here.

use crate::{AlertReason, Code, Diagnostic};

use super::decl::decl;
use super::decode::{Decode, Shape, wrong_shape};
use super::language::Word;
use super::node::{Node, NodeKind, Spanned};

decl! {
    /// Whom the runs of syncs tell of what is wrong with them. Its other keys are its type's options.
    AlertDecl (settings) {
        /// How: `email`, `slack` or `webhook`.
        r#type: Spanned<String>,
        /// What for: `failure` (a run ended by an error, or before all rows were sent), `rejected` (rows were refused),
        /// `guard`, `freshness` (a guard stopped a run), `size` (far more or fewer rows than usual); all of them if it is
        /// left out.
        on: Vec<Spanned<AlertReason>>,
        /// Refused rows are told where they are more than this share of those that were sent; `0%` if it is left out.
        rejected_share: Option<Spanned<Percent>>,
        /// The number of rows is told where it differs from the median of the last 10 runs by more than this share of it;
        /// `50%` if it is left out.
        size_change: Option<Spanned<Percent>>,
    }
}

/// A share in percent: not below zero, and above 100 where something can more than double.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(pub f64);

impl Decode for Spanned<Percent> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else {
            out.push(wrong_shape(node, "a percentage").hint("write it as in `10%`"));
            return None;
        };
        let text = scalar.text.trim();
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        let Some(value) = number.filter(|n: &f64| n.is_finite() && *n >= 0.0).map(Percent) else {
            let message = format!("`{text}` is no percentage");
            out.push(Diagnostic::error(Code::InvalidValue, node.span, message).hint("write it as in `10%`"));
            return None;
        };
        Some(Spanned { value, span: node.span })
    }

    fn shape() -> Shape {
        Shape::Text
    }
}

impl Word for AlertReason {
    const WHAT: &'static str = "reason of an alert";
    const WORDS: &'static [&'static str] = &["failure", "rejected", "guard", "freshness", "size"];
    const VALUES: &'static [Self] = AlertReason::ALL;
}
