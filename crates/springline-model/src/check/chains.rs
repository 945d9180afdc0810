//! Definitions that need one another, or build upon too many: segments, and the fields that are made from segments.

use std::collections::{HashMap, HashSet};

use crate::syntax::Spanned;
use crate::{Diagnostic, EntityId, FieldId, Leaf, Over, RowId, SegmentId, Span, ValueExpr};

use super::catalogue::{Catalogue, FieldState};
use super::fields::{chain_fits, cycle_diagnostic, done};

/// What a definition builds upon.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// The segments that it refers to.
    pub segments: Vec<SegmentId>,
    /// How many fields the longest chain of fields has.
    pub fields: usize,
}

/// A segment, or a field that is made from segments.
struct Definition {
    what: &'static str,
    name: Spanned<String>,
    /// The definitions that it needs.
    needs: Vec<usize>,
    /// How many fields the longest chain has that it needs.
    fields: usize,
}

/// Finds segments that need themselves, each cycle once, and those upon too long a chain. `needs` are in the order
/// of the catalogue's segments.
pub(super) fn report_chains(needs: &[Needs], catalogue: &Catalogue, out: &mut Vec<Diagnostic>) {
    let places = made_fields(catalogue);
    let definitions = definitions(needs, &places, catalogue);
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; definitions.len()];
    // The longest chain that begins with a definition; `None` where one upon it is reported.
    let mut depths: Vec<Option<usize>> = vec![Some(0); definitions.len()];
    for start in 0..definitions.len() {
        // Each entry is a definition and how many of its needs have been followed. Not recursive, so that a chain of
        // any length is fine here.
        let mut open = vec![(start, 0)];
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        while let Some((place, followed)) = open.last_mut() {
            let definition = &definitions[*place];
            let Some(next) = definition.needs.get(*followed).copied() else {
                states[*place] = State::Done;
                let Definition { what, name, .. } = definition;
                depths[*place] = depth(definition, &definitions, &depths)
                    .filter(|depth| chain_fits(what, &name.value, name.span, *depth, out));
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
                    let from = open.iter().position(|(place, _)| *place == next).unwrap_or(0);
                    let cycle: Vec<&Definition> = open[from..].iter().map(|(place, _)| &definitions[*place]).collect();
                    let all_segments = cycle.iter().all(|definition| definition.what == "segment");
                    let names: Vec<Spanned<String>> = cycle.iter().map(|definition| definition.name.clone()).collect();
                    out.push(cycle_diagnostic(if all_segments { "segment" } else { "definition" }, &names));
                }
            }
        }
    }
    if !places.is_empty() {
        report_fields(&depths, &places, catalogue, out);
    }
}

/// Reports fields upon a field made from segments where the two chains together are too long.
fn report_fields(
    depths: &[Option<usize>],
    places: &HashMap<Place, usize>,
    catalogue: &Catalogue,
    out: &mut Vec<Diagnostic>,
) {
    for (e, entity) in catalogue.entities.iter().enumerate() {
        for field in &entity.fields {
            let FieldState::Done { expr, depth, .. } = &field.state else { continue };
            let below = reached(RowId::Entity(EntityId(e)), expr, places, catalogue);
            // What is reported with another definition is not reported here.
            let deepest: Option<usize> =
                below.into_iter().try_fold(0, |deepest, place| Some(deepest.max(depths[place]?)));
            let Some(deepest @ 1..) = deepest else { continue };
            // The lowest of the fields is in both chains. One report is enough, for all above it are too far up too.
            if !chain_fits("field", &field.name, field.span, depth + deepest - 1, out) {
                return;
            }
        }
    }
}

/// The longest chain that begins with a definition, once that of each that it needs is known. Fields may stand upon a
/// field that is made from segments: then the two chains are one.
fn depth(definition: &Definition, all: &[Definition], depths: &[Option<usize>]) -> Option<usize> {
    let deepest = definition.needs.iter().try_fold(definition.fields, |deepest, place| {
        let below = depths[*place]?;
        let upon_fields = if all[*place].what == "field" { definition.fields.saturating_sub(1) } else { 0 };
        Some(deepest.max(below + upon_fields))
    });
    deepest.map(|below| below + 1)
}

/// The segments in the order of the catalogue, then the fields that are made from segments.
fn definitions(needs: &[Needs], places: &HashMap<Place, usize>, catalogue: &Catalogue) -> Vec<Definition> {
    let segments = catalogue.segments.iter().zip(needs);
    let mut all: Vec<Definition> = segments
        .map(|(info, needs)| Definition {
            what: "segment",
            name: named(&info.name, info.span),
            needs: needs.segments.iter().map(|id| id.0).collect(),
            fields: needs.fields,
        })
        .collect();
    if places.is_empty() {
        return all;
    }
    for (definition, info) in all.iter_mut().zip(&catalogue.segments) {
        if let (Some(entity), Some(condition)) = (info.entity, &info.condition) {
            definition.needs.extend(reached(RowId::Entity(entity), condition, places, catalogue));
        }
    }
    let mut made: Vec<(Place, usize)> = places.iter().map(|(field, place)| (*field, *place)).collect();
    made.sort_unstable_by_key(|(_, place)| *place);
    for ((entity, field), _) in made {
        let info = &catalogue.entities[entity.0].fields[field.0];
        let FieldState::Done { expr, depth, .. } = &info.state else { continue };
        let mut needs = reached(RowId::Entity(entity), expr, places, catalogue);
        expr.each_leaf(&mut |leaf| {
            if let Leaf::Segment(segment) = leaf {
                needs.push(segment.0);
            }
        });
        let fields = depth.saturating_sub(1);
        all.push(Definition { what: "field", name: named(&info.name, info.span), needs, fields });
    }
    all
}

fn named(name: &str, span: Span) -> Spanned<String> {
    Spanned { value: name.to_owned(), span }
}

/// A field of an entity.
type Place = (EntityId, FieldId);

/// The fields made from segments that an expression leads to, by their places among the definitions.
fn reached(row: RowId, expr: &ValueExpr, places: &HashMap<Place, usize>, catalogue: &Catalogue) -> Vec<usize> {
    let mut reach = Reach { catalogue, seen: HashSet::new(), found: Vec::new() };
    reach.expr(row, expr);
    reach.found.into_iter().filter_map(|field| places.get(&field).copied()).collect()
}

/// The fields that refer to a segment themselves, and their places among the definitions: behind the segments.
fn made_fields(catalogue: &Catalogue) -> HashMap<Place, usize> {
    let mut made = HashMap::new();
    for (e, entity) in catalogue.entities.iter().enumerate() {
        for (f, field) in entity.fields.iter().enumerate() {
            let mut refers = false;
            let expr = done(&field.state);
            expr.iter().for_each(|expr| expr.each_leaf(&mut |leaf| refers |= matches!(leaf, Leaf::Segment(_))));
            if refers {
                made.insert((EntityId(e), FieldId(f)), catalogue.segments.len() + made.len());
            }
        }
    }
    made
}

/// The fields that an expression leads to, over any number of other fields and of related rows.
struct Reach<'a> {
    catalogue: &'a Catalogue,
    seen: HashSet<Place>,
    found: Vec<Place>,
}

impl Reach<'_> {
    fn expr(&mut self, row: RowId, expr: &ValueExpr) {
        expr.each_leaf(&mut |leaf| self.leaf(row, leaf));
    }

    fn leaf(&mut self, row: RowId, leaf: &Leaf) {
        match (leaf, row) {
            (Leaf::Field(field), RowId::Entity(entity)) => {
                let place = (entity, *field);
                let catalogue = self.catalogue;
                let info = catalogue.entities[entity.0].fields.get(field.0);
                if let Some(expr) = info.and_then(|info| done(&info.state)).filter(|_| self.seen.insert(place)) {
                    self.found.push(place);
                    self.expr(row, expr);
                }
            }
            (Leaf::Related { relationship, leaf }, _) => {
                if let Some(to) = self.catalogue.relationship(row, relationship.0).to {
                    self.leaf(RowId::Entity(to), leaf);
                }
            }
            (Leaf::Aggregate(gather), RowId::Entity(entity)) => {
                let gathered = match gather.over {
                    Over::Event(event) => Some(RowId::Event(entity, event)),
                    Over::Relationship(id) => self.catalogue.relationship(row, id.0).to.map(RowId::Entity),
                };
                let Some(gathered) = gathered else { return };
                gather.args.iter().chain(&gather.filter).for_each(|expr| self.expr(gathered, expr));
            }
            (Leaf::Sequence(sequence), RowId::Entity(entity)) => {
                for step in sequence.steps().chain(&sequence.without) {
                    let row = RowId::Event(entity, step.event);
                    step.filter.iter().chain([&step.at]).chain(&step.deadline).for_each(|expr| self.expr(row, expr));
                }
            }
            // What the runs have kept needs nothing of this run.
            (Leaf::Column(_) | Leaf::Segment(_) | Leaf::AsOf | Leaf::PeriodEdge(..) | Leaf::History(_), _)
            | (Leaf::Field(_) | Leaf::Aggregate(_) | Leaf::Sequence(_), _) => {}
        }
    }
}
