//! The conditions that a text writes like calls, though they are no functions: `member(vip)` and
//! `any(household where size >= 2)`. Whether there is such a segment or relationship is not known here.

use crate::syntax::Spanned;
use crate::{Code, Diagnostic};

use super::ast::{AstKind, Call, Name, Related};
use super::convert::Result;

/// Membership of a segment.
pub(crate) const MEMBER: &str = "member";
/// That there is a related row.
pub(crate) const ANY: &str = "any";

/// What a call stands for: itself, unless it has the name of one of these forms.
pub(super) fn form(call: Call) -> Result<AstKind> {
    let lower = call.name.text.to_lowercase();
    match (lower.as_str(), call.name.quoted) {
        (MEMBER, false) => member(call),
        (ANY, false) => any(call),
        _ => Ok(AstKind::Call(Box::new(call))),
    }
}

fn member(call: Call) -> Result<AstKind> {
    match one_name(&call).filter(|_| call.filter.is_none() && call.within.is_none()) {
        Some(segment) => Ok(AstKind::Segment(Spanned { value: segment.text, span: segment.span })),
        None => refuse(&call.name, "the name of a segment and nothing else", "write `member(vip)`"),
    }
}

fn any(call: Call) -> Result<AstKind> {
    match one_name(&call) {
        Some(name) => {
            let related = Related { name, filter: call.filter, within: call.within, count: None };
            Ok(AstKind::Related(Box::new(related)))
        }
        None => refuse(&call.name, "the name of a relationship", "write `any(household where size >= 2)`"),
    }
}

/// The one argument, if it is a single name and there is no `over`.
fn one_name(call: &Call) -> Option<Name> {
    match call.args.as_slice() {
        [arg] if call.over.is_none() => match &arg.kind {
            AstKind::Path(names) if names.len() == 1 => names.first().cloned(),
            _ => None,
        },
        _ => None,
    }
}

fn refuse<T>(name: &Name, what: &str, hint: &str) -> Result<T> {
    let message = format!("`{}` takes {what}", name.text);
    Err(Box::new(Diagnostic::error(Code::InvalidArguments, name.span, message).hint(hint)))
}
