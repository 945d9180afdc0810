//! Computed fields, in the order in which they need one another.

use springline_ir::Expr;

use crate::syntax::Spanned;
use crate::{Code, Diagnostic, EntityId, FieldId, SourceMap, Span};

use super::catalogue::{Catalogue, FieldState};
use super::conditions::Conditions;
use super::scope::Scope;
use super::typing::Typer;
use super::unify::Typed;

/// The most fields and segments that build upon one another: they are computed one inside the other.
const MAX_CHAIN: usize = 200;

/// A field of an entity.
type Place = (EntityId, FieldId);

/// What came of one look at a field.
struct Attempt {
    typed: Option<Typed>,
    /// How many fields the longest chain has that begins with this one.
    depth: usize,
    needs: Vec<Place>,
    problems: Vec<Diagnostic>,
}

/// Checks all fields. One that needs others waits until they are done; a field that waits for itself
/// is a cycle. The waiting is kept in a list and not in recursion, so that a long chain of fields is fine.
pub(super) fn check_fields(catalogue: &mut Catalogue, sources: &SourceMap, out: &mut Vec<Diagnostic>) {
    let all: Vec<Place> = catalogue
        .entities
        .iter()
        .enumerate()
        .flat_map(|(e, entity)| (0..entity.fields.len()).map(move |f| (EntityId(e), FieldId(f))))
        .collect();
    for field in all {
        let mut open = vec![field];
        while let Some(place) = open.last().copied() {
            if !matches!(state(catalogue, place), FieldState::Unchecked | FieldState::Waiting) {
                open.pop();
                continue;
            }
            let attempt = attempt(catalogue, sources, place);
            if attempt.needs.is_empty() {
                out.extend(attempt.problems);
                let depth = attempt.depth;
                let (name, span) = named(catalogue, place);
                let typed = attempt.typed.filter(|_| chain_fits("field", &name, span, depth, out));
                let done = |Typed { expr, pii, .. }| FieldState::Done { expr, pii, depth };
                set(catalogue, place, typed.map_or(FieldState::Failed, done));
                continue;
            }
            set(catalogue, place, FieldState::Waiting);
            match attempt.needs.iter().find(|need| matches!(state(catalogue, **need), FieldState::Waiting)) {
                Some(need) => report_cycle(catalogue, &open, *need, out),
                None => open.extend(attempt.needs),
            }
        }
    }
}

fn state(catalogue: &Catalogue, (entity, field): Place) -> &FieldState {
    &catalogue.entities[entity.0].fields[field.0].state
}

fn named(catalogue: &Catalogue, (entity, field): Place) -> (String, Span) {
    let field = &catalogue.entities[entity.0].fields[field.0];
    (field.name.clone(), field.span)
}

fn set(catalogue: &mut Catalogue, (entity, field): Place, state: FieldState) {
    catalogue.entities[entity.0].fields[field.0].state = state;
}

fn attempt(catalogue: &Catalogue, sources: &SourceMap, (entity, id): Place) -> Attempt {
    let field = &catalogue.entities[entity.0].fields[id.0];
    let mut problems = Vec::new();
    let subject = format!("field `{}`", field.name);
    if field.ast.is_none() && field.native.is_none() {
        return Attempt { typed: None, depth: 0, needs: Vec::new(), problems };
    }
    let mut typer = Typer::new(catalogue, sources, &subject, &mut problems);
    typer.within = field.within.clone();
    typer.is_field = true;
    let mut typed = match (&field.ast, &field.native) {
        (Some(ast), _) => typer.check(ast, &Scope { windows: true, ..Scope::of(entity) }),
        (None, Some(native)) => typer.native(native, entity),
        (None, None) => None,
    };
    if let (Some((_, text)), true, false) = (&field.within, typed.is_some(), typer.within_used) {
        let message = format!("{subject} has a window, but no aggregate over an event");
        let hint = "remove `within`, or use an aggregate over an event, such as `count(purchase)`";
        typer.out.push(Diagnostic::error(Code::InvalidWindow, text.span, message).hint(hint));
        typed = None;
    }
    if let (Some(value), Some(_)) = (&field.default, &typed) {
        let default = Conditions { sources, out: typer.out }.value(&value.0);
        typed = typed.take().zip(default).and_then(|(typed, default)| {
            let (span, pii) = (typed.span, typed.pii);
            let mut operands = [typed, typer.check(&default, &Scope::of(entity))?];
            typer.unify(&mut operands, "has a default that mixes")?;
            let [value, default] = operands.map(|o| o.expr);
            Some(Typed { expr: value.or_else(default), span, declared: None, pii })
        });
    }
    if let Some(null) = typed.take_if(|t| t.is_null()) {
        let message = format!("{subject} is always null");
        typer.out.push(Diagnostic::error(Code::TypeMismatch, null.span, message).hint("give it a value"));
    }
    let (needs, depth) = (std::mem::take(&mut typer.needs), typer.depth + 1);
    Attempt { typed, depth, needs, problems }
}

/// Whether a chain of definitions that begins with this one is short enough; a longer one is reported.
pub(super) fn chain_fits(what: &str, name: &str, span: Span, depth: usize, out: &mut Vec<Diagnostic>) -> bool {
    if depth <= MAX_CHAIN {
        return true;
    }
    let message = format!("{what} `{name}` builds upon a chain of more than {MAX_CHAIN} definitions");
    let hint = "compute some of them in one expression, or build upon an earlier one directly";
    out.push(Diagnostic::error(Code::LongChain, span, message).label("one too many").hint(hint));
    false
}

/// Reports the fields from `need` to the one that needs it again, and takes them out of the check.
fn report_cycle(catalogue: &mut Catalogue, open: &[Place], need: Place, out: &mut Vec<Diagnostic>) {
    let waiting = |place: &&Place| matches!(state(catalogue, **place), FieldState::Waiting);
    let start = open.iter().position(|place| *place == need).unwrap_or(0);
    let mut cycle: Vec<Place> = Vec::new();
    for place in open[start..].iter().filter(waiting) {
        if !cycle.contains(place) {
            cycle.push(*place);
        }
    }
    let names: Vec<Spanned<String>> =
        cycle.iter().map(|place| named(catalogue, *place)).map(|(value, span)| Spanned { value, span }).collect();
    out.push(cycle_diagnostic("field", &names));
    cycle.into_iter().for_each(|place| set(catalogue, place, FieldState::Failed));
}

/// Definitions that need one another, in that order.
pub(super) fn cycle_diagnostic(what: &str, names: &[Spanned<String>]) -> Diagnostic {
    let mut chain: Vec<String> = names.iter().map(|n| format!("`{}`", n.value)).collect();
    let span = names.first().map_or(crate::syntax::file_start(crate::FileId(0)), |n| n.span);
    let mut diagnostic = if let [only] = names {
        Diagnostic::error(Code::Cycle, span, format!("{what} `{}` needs itself", only.value))
    } else {
        chain.extend(chain.first().cloned());
        Diagnostic::error(Code::Cycle, span, format!("{what}s need one another: {}", chain.join(" → ")))
    };
    for (name, next) in
        names.iter().zip(names.iter().skip(1).chain(names.first())).take(if names.len() > 1 { 20 } else { 0 })
    {
        let text = format!("needs `{}`", next.value);
        if name.span == span {
            diagnostic = diagnostic.label(text);
        } else {
            diagnostic = diagnostic.also(name.span, text);
        }
    }
    diagnostic.hint("define one of them without the others")
}

/// The value of a field, once all are checked.
pub(super) fn done(state: &FieldState) -> Option<&Expr<crate::Leaf>> {
    match state {
        FieldState::Done { expr, .. } => Some(expr),
        _ => None,
    }
}
