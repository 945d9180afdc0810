//! Segments: their conditions, and that they do not need themselves.

use springline_ir::{Expr, FunctionId};

use crate::expr::Ast;
use crate::syntax::{SegmentDecl, Spanned};
use crate::{Diagnostic, EntityId, SegmentId, SourceMap};

use super::catalogue::{Catalogue, SegmentInfo};
use super::conditions::{Conditions, joined};
use super::fields::cycle_diagnostic;
use super::scope::Scope;
use super::typing::Typer;

/// A segment without its condition, which may refer to all others.
pub(super) fn segment(decl: &SegmentDecl, catalogue: &Catalogue, out: &mut Vec<Diagnostic>) -> SegmentInfo {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|t| t.value.clone());
    SegmentInfo {
        name: decl.name.value.clone(),
        label: text(&decl.label),
        description: text(&decl.description),
        owner: text(&decl.owner),
        entity: catalogue.entity_names.find(&decl.entity, catalogue.incomplete, out).map(EntityId),
        condition: None,
        span: decl.name.span,
    }
}

/// Checks the conditions of all segments. `decls` are in the order of the catalogue's segments.
pub(super) fn check_segments(
    decls: &[SegmentDecl],
    catalogue: &mut Catalogue,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) {
    let mut needs = Vec::new();
    for (id, decl) in decls.iter().enumerate() {
        let (condition, segments) = match condition(decl, id, catalogue, sources, out) {
            Some((condition, segments)) => (Some(condition), segments),
            None => (None, Vec::new()),
        };
        needs.push(segments);
        catalogue.segments[id].condition = condition;
    }
    report_cycles(&needs, catalogue, out);
}

fn condition(
    decl: &SegmentDecl,
    id: usize,
    catalogue: &Catalogue,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Option<(Expr<crate::Leaf>, Vec<SegmentId>)> {
    let tree = Conditions { sources, out: &mut *out }.read(&decl.r#where);
    let entity = catalogue.segments[id].entity?;
    let span = decl.r#where.span;
    let excluded = decl.exclude.iter().map(|name| {
        let segment = Ast { kind: crate::expr::AstKind::Segment(name.clone()), span: name.span };
        Ast::not(segment, name.span)
    });
    let all = joined(FunctionId::AND, tree.into_iter().chain(excluded).collect(), span)?;
    let subject = format!("segment `{}`", decl.name.value);
    let mut typer = Typer::new(catalogue, sources, &subject, out);
    let what = format!("the condition of {subject}");
    let typed = typer.condition(&all, &Scope::of(entity), &what)?;
    Some((typed.expr, typer.segments))
}

/// Finds segments that need themselves, each cycle once.
fn report_cycles(needs: &[Vec<SegmentId>], catalogue: &Catalogue, out: &mut Vec<Diagnostic>) {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; needs.len()];
    for start in 0..needs.len() {
        // Each entry is a segment and how many of its needs have been followed.
        let mut open = vec![(start, 0)];
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        while let Some((segment, followed)) = open.last_mut() {
            let Some(next) = needs[*segment].get(*followed).map(|id| id.0) else {
                states[*segment] = State::Done;
                open.pop();
                continue;
            };
            *followed += 1;
            match states[next] {
                State::Done => {}
                State::New => {
                    states[next] = State::Open;
                    open.push((next, 0));
                }
                State::Open => {
                    let from = open.iter().position(|(s, _)| *s == next).unwrap_or(0);
                    let names: Vec<Spanned<String>> = open[from..]
                        .iter()
                        .map(|(s, _)| &catalogue.segments[*s])
                        .map(|s| Spanned { value: s.name.clone(), span: s.span })
                        .collect();
                    out.push(cycle_diagnostic("segment", &names));
                }
            }
        }
    }
}
