//! What a project uses a column for, directly and by way of other definitions: what breaks when it changes.

use std::collections::{BTreeSet, HashSet};

use springline_ir::TableName;

use crate::{
    Entity, EntityId, Event, FieldId, Gather, Leaf, Project, Relationship, RelationshipKind, RowId, SegmentId,
    SourceId, Span, ValueExpr,
};

/// A definition that uses a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// What it is: `source`, `entity`, `event`, `relationship`, `field`, `segment` or `sync`.
    pub kind: &'static str,
    /// Its name; of what belongs to an entity, with the entity's before it: `customer.lifetime_value`.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
}

/// Everything that uses a column of a table, or the whole table where there is no column: in the order of
/// sources, entities, events, relationships, fields, segments, syncs.
pub fn uses_of_column(project: &Project, table: &TableName, column: Option<&str>) -> Vec<Use> {
    let all = 0..project.sources.len() + project.made.len();
    let sources: HashSet<usize> = all.filter(|i| project.source(SourceId(*i)).table == *table).collect();
    let mut finder = Finder { project, sources, column, broken: HashSet::new(), uses: Vec::new() };
    finder.sources();
    finder.rows();
    // What is computed may be used by what is computed: until nothing is added.
    while finder.computed() {}
    finder.syncs();
    finder.in_order()
}

/// Everything that uses a segment, directly and by way of other definitions: fields, segments, syncs.
pub fn uses_of_segment(project: &Project, segment: SegmentId) -> Vec<Use> {
    let broken = HashSet::from([Part::Segment(segment)]);
    let mut finder = Finder { project, sources: HashSet::new(), column: None, broken, uses: Vec::new() };
    while finder.computed() {}
    finder.syncs();
    finder.in_order()
}

/// Something computed that others may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    /// The rows themselves: without them nothing of the entity or event is left.
    Row(RowId),
    Relationship(RowId, usize),
    Field(EntityId, FieldId),
    Segment(SegmentId),
}

struct Finder<'a> {
    project: &'a Project,
    sources: HashSet<usize>,
    column: Option<&'a str>,
    broken: HashSet<Part>,
    uses: Vec<Use>,
}

impl Finder<'_> {
    fn add(&mut self, kind: &'static str, name: String, span: Span) {
        self.uses.push(Use { kind, name, span });
    }

    /// Whether this is the column.
    fn is_column(&self, source: usize, name: &str) -> bool {
        self.sources.contains(&source) && self.column.is_none_or(|column| column == name)
    }

    fn sources(&mut self) {
        let project = self.project;
        for (_, source) in project.sources.iter().enumerate().filter(|(i, _)| self.sources.contains(i)) {
            let has = |column: &str| source.column(column).is_some() || source.primary_key.as_deref() == Some(column);
            if self.column.is_none_or(has) {
                self.uses.push(Use { kind: "source", name: source.name.clone(), span: source.span });
            }
        }
    }

    /// Entities, events and relationships whose keys or instants are the column.
    fn rows(&mut self) {
        let project = self.project;
        for (i, entity) in project.entities.iter().enumerate() {
            let row = RowId::Entity(EntityId(i));
            if self.is_column(entity.source.0, &entity.primary_key) {
                self.broken.insert(Part::Row(row));
                self.add("entity", entity.name.clone(), entity.span);
            }
            self.relationships(row, &entity.name, &entity.relationships);
            for (j, event) in entity.events.iter().enumerate() {
                self.event(EntityId(i), j, entity, event);
            }
        }
    }

    fn event(&mut self, id: EntityId, place: usize, entity: &Entity, event: &Event) {
        let row = RowId::Event(id, crate::EventId(place));
        let name = format!("{}.{}", entity.name, event.name);
        let record = self.project.made(event.source).and_then(|made| Some(made.records.as_ref()?.column.as_str()));
        let columns = [event.key.as_str(), event.at.as_str()].into_iter().chain(record);
        if columns.into_iter().any(|column| self.is_column(event.source.0, column)) {
            self.broken.insert(Part::Row(row));
            self.add("event", name.clone(), event.span);
        }
        self.relationships(row, &name, &event.relationships);
    }

    fn relationships(&mut self, row: RowId, owner: &str, relationships: &[Relationship]) {
        for (i, relationship) in relationships.iter().enumerate() {
            let many = match relationship.kind {
                RelationshipKind::OneToMany => RowId::Entity(relationship.to),
                RelationshipKind::ManyToOne => row,
            };
            let source = match many {
                RowId::Entity(entity) => self.project.entity(entity).source,
                RowId::Event(entity, event) => self.project.entity(entity).events[event.0].source,
            };
            if self.is_column(source.0, &relationship.key) {
                self.broken.insert(Part::Relationship(row, i));
                self.add("relationship", format!("{owner}.{}", relationship.name), relationship.span);
            }
        }
    }

    /// Fields and segments that use the column or something that does; whether any was added.
    fn computed(&mut self) -> bool {
        let project = self.project;
        let before = self.broken.len();
        for (i, entity) in project.entities.iter().enumerate() {
            let row = RowId::Entity(EntityId(i));
            for (j, field) in entity.fields.iter().enumerate() {
                let part = Part::Field(EntityId(i), FieldId(j));
                if !self.broken.contains(&part) && self.is_used(row, &field.expr) {
                    self.broken.insert(part);
                    self.add("field", format!("{}.{}", entity.name, field.name), field.span);
                }
            }
        }
        for (i, segment) in project.segments.iter().enumerate() {
            let part = Part::Segment(SegmentId(i));
            if !self.broken.contains(&part) && self.is_used(RowId::Entity(segment.entity), &segment.condition) {
                self.broken.insert(part);
                self.add("segment", segment.name.clone(), segment.span);
            }
        }
        self.broken.len() > before
    }

    fn syncs(&mut self) {
        for sync in &self.project.syncs {
            let row = RowId::Entity(sync.entity);
            let by_segment = sync.segment.is_some_and(|segment| self.broken.contains(&Part::Segment(segment)));
            let values = std::iter::once(&sync.key).chain(sync.map.iter().map(|m| &m.expr));
            if by_segment || values.into_iter().any(|expr| self.is_used(row, expr)) {
                self.uses.push(Use { kind: "sync", name: sync.name.clone(), span: sync.span });
            }
        }
    }

    /// Whether an expression over a row needs the column.
    fn is_used(&self, row: RowId, expr: &ValueExpr) -> bool {
        let mut used = self.broken.contains(&Part::Row(row));
        expr.each_leaf(&mut |leaf| used = used || self.is_used_by(row, leaf));
        used
    }

    fn is_used_by(&self, row: RowId, leaf: &Leaf) -> bool {
        match leaf {
            Leaf::Column(name) => {
                let source = match row {
                    RowId::Entity(entity) => self.project.entity(entity).source,
                    RowId::Event(entity, event) => self.project.entity(entity).events[event.0].source,
                };
                self.is_column(source.0, name)
            }
            Leaf::Field(field) => {
                matches!(row, RowId::Entity(entity) if self.broken.contains(&Part::Field(entity, *field)))
            }
            Leaf::Segment(segment) => self.broken.contains(&Part::Segment(*segment)),
            Leaf::Related { relationship, leaf } => {
                let to = RowId::Entity(self.project.row_relationships(row)[relationship.0].to);
                self.broken.contains(&Part::Relationship(row, relationship.0))
                    || self.broken.contains(&Part::Row(to))
                    || self.is_used_by(to, leaf)
            }
            Leaf::Aggregate(gather) => self.is_gathered(row, gather),
            Leaf::Sequence(sequence) => {
                let RowId::Entity(entity) = row else { return false };
                let mut steps = sequence.earlier.iter().chain([&sequence.last]).chain(&sequence.without);
                steps.any(|step| {
                    let event = RowId::Event(entity, step.event);
                    let mut parts = std::iter::once(&step.at).chain(&step.filter).chain(&step.deadline);
                    parts.any(|expr| self.is_used(event, expr))
                })
            }
            Leaf::History(history) => self.broken.contains(&Part::Segment(history.segment)),
            _ => false,
        }
    }

    fn is_gathered(&self, row: RowId, gather: &Gather) -> bool {
        let RowId::Entity(entity) = row else { return false };
        let gathered = self.project.gathered_row(entity, gather.over);
        let by_relationship = match gather.over {
            crate::Over::Relationship(id) => self.broken.contains(&Part::Relationship(row, id.0)),
            crate::Over::Event(_) => false,
        };
        by_relationship
            || self.broken.contains(&Part::Row(gathered))
            || gather.args.iter().chain(&gather.filter).any(|expr| self.is_used(gathered, expr))
    }

    fn in_order(self) -> Vec<Use> {
        const ORDER: [&str; 7] = ["source", "entity", "event", "relationship", "field", "segment", "sync"];
        let place = |kind: &str| ORDER.iter().position(|k| *k == kind).unwrap_or(ORDER.len());
        let all: BTreeSet<(usize, String, Use)> =
            self.uses.into_iter().map(|u| (place(u.kind), u.name.clone(), u)).collect();
        all.into_iter().map(|(_, _, u)| u).collect()
    }
}
