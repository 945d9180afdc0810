//! The conditions that a text writes like calls, though they are no functions: `member(vip)` and
//! `any(household where size >= 2)`. Whether there is such a segment or relationship is not known here.

use crate::syntax::Spanned;
use crate::{Code, Diagnostic};

use super::ast::{AstKind, Call, Name, Quantifier, Related};
use super::convert::Result;

/// Membership of a segment.
pub(crate) const MEMBER: &str = "member";

/// What a call stands for: itself, unless it has the name of one of these forms.
pub(super) fn form(call: Call) -> Result<AstKind> {
    let word = call.name.text.to_lowercase();
    if call.name.quoted {
        return Ok(AstKind::Call(Box::new(call)));
    }
    if word == MEMBER {
        return member(call);
    }
    match Quantifier::WORDS.iter().find(|(own, _)| *own == word) {
        Some((_, quantifier)) => related(call, *quantifier),
        None => Ok(AstKind::Call(Box::new(call))),
    }
}

fn member(mut call: Call) -> Result<AstKind> {
    match path(&mut call).filter(|path| path.len() == 1 && call.filter.is_none() && call.within.is_none()) {
        Some(path) => {
            let span = path[0].span;
            Ok(AstKind::Segment(Spanned { value: path.into_iter().map(|name| name.text).collect(), span }))
        }
        None => refuse(&call.name, "the name of a segment and nothing else", "write `member(vip)`"),
    }
}

fn related(mut call: Call, quantifier: Quantifier) -> Result<AstKind> {
    match path(&mut call) {
        Some(path) => {
            let Call { filter, within, .. } = call;
            Ok(AstKind::Related(Box::new(Related { quantifier, path, filter, within })))
        }
        None => {
            let hint = "write it as in `any(household where size >= 2)`";
            refuse(&call.name, "a relationship, an event or a path of them", hint)
        }
    }
}

/// The one argument, if it is a path and there is no `over`.
fn path(call: &mut Call) -> Option<Vec<Name>> {
    if call.over.is_some() || call.args.len() != 1 {
        return None;
    }
    match call.args.pop()?.kind {
        AstKind::Path(names) => Some(names),
        _ => None,
    }
}

fn refuse<T>(name: &Name, what: &str, hint: &str) -> Result<T> {
    let message = format!("`{}` takes {what}", name.text);
    Err(Box::new(Diagnostic::error(Code::InvalidArguments, name.span, message).hint(hint)))
}
