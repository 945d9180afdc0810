//! Segments: their conditions, and that they do not need themselves.

use springline_ir::FunctionId;

use crate::expr::Ast;
use crate::syntax::{SegmentDecl, Spanned};
use crate::{Code, Column, Diagnostic, EntityId, RowId, SourceMap, ValueExpr};

use super::catalogue::{Catalogue, EntityInfo, SegmentInfo};
use super::chains::{Needs, report_chains};
use super::conditions::{Conditions, joined};
use super::limit::limited;
use super::names::Taken;
use super::read::{side_by_side, threads};
use super::scope::Scope;
use super::settings;
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
        budget: settings::budget(decl.budget.as_ref()),
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
    check_names(catalogue, out);
    // A condition needs the names of other segments and nothing of their conditions, so that all can be checked at once.
    let known = &*catalogue;
    let checked = side_by_side(decls.iter().enumerate().collect(), threads(sources), |(id, decl)| {
        let mut problems = Vec::new();
        (condition(decl, id, known, sources, &mut problems), problems)
    });
    let mut needs = Vec::new();
    for (id, (condition, problems)) in checked.into_iter().enumerate() {
        let (condition, needed) = condition.unzip();
        needs.push(needed.unwrap_or_default());
        catalogue.segments[id].condition = condition;
        out.extend(problems);
    }
    report_chains(&needs, catalogue, out);
}

/// Reports segments named like a field or the primary key of their entity: all are columns of its table.
fn check_names(catalogue: &Catalogue, out: &mut Vec<Diagnostic>) {
    let fields: Vec<Taken> = catalogue.entities.iter().map(field_names).collect();
    for segment in &catalogue.segments {
        let Some(entity) = segment.entity else { continue };
        let (described, what, other, place) = if let Some(field) = fields[entity.0].find(&segment.name) {
            ("a field", "field", &field.value, field.span)
        } else if let Some(column) =
            primary_key(catalogue, entity).filter(|c| c.name.eq_ignore_ascii_case(&segment.name))
        {
            ("the primary key", "primary key", &column.name, column.span)
        } else {
            continue;
        };
        let owner = catalogue.describe(RowId::Entity(entity));
        let message = if *other == segment.name {
            format!("segment `{}` has the name of {described} of {owner}", segment.name)
        } else {
            format!(
                "segment `{}` differs from {what} `{other}` of {owner} only in case, which some engines ignore",
                segment.name
            )
        };
        let hint = "segments, fields and the primary key are columns of one table: rename one of the two";
        let diagnostic = Diagnostic::error(Code::DuplicateName, segment.span, message);
        out.push(diagnostic.also(place, what).hint(hint));
    }
}

fn primary_key(catalogue: &Catalogue, entity: EntityId) -> Option<&Column> {
    catalogue.column(RowId::Entity(entity), &catalogue.entities[entity.0].primary_key)
}

fn field_names(entity: &EntityInfo) -> Taken {
    let mut taken = Taken::default();
    for field in &entity.fields {
        // A name that is there twice is reported with the entity.
        let _ = taken.take(&Spanned { value: field.name.clone(), span: field.span });
    }
    taken
}

fn condition(
    decl: &SegmentDecl,
    id: usize,
    catalogue: &Catalogue,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Option<(ValueExpr, Needs)> {
    let tree = Conditions { sources, out: &mut *out }.read(&decl.r#where);
    let entity = catalogue.segments[id].entity?;
    let span = decl.r#where.span;
    let excluded = decl.exclude.iter().map(|name| {
        let segment = Ast { kind: crate::expr::AstKind::Segment(name.clone()), span: name.span };
        Ast::not(segment, name.span)
    });
    let all = joined(FunctionId::AND, tree.into_iter().chain(excluded).collect(), span);
    let subject = format!("segment `{}`", decl.name.value);
    let mut typer = Typer::new(catalogue, sources, &subject, out);
    let what = format!("the condition of {subject}");
    let condition = all.and_then(|all| typer.condition(&all, &Scope::of(entity), &what)).map(|typed| typed.expr);
    let condition = match &decl.limit {
        Some(limit) => limited(&mut typer, limit, entity, condition),
        None => condition,
    };
    Some((condition?, Needs { segments: typer.segments, fields: typer.depth }))
}
