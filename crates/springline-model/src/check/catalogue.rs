//! What the project has, as far as it is known while it is checked. Whatever could not be read is here
//! as `None` or `Broken`: it is reported once and what depends on it keeps silent.

use std::collections::HashMap;

use crate::expr::{Ast, Window};
use crate::syntax::{Spanned, Value};
use crate::{Budget, Column, Diagnostic, EntityId, Pii, RelationshipKind, RowId, Source, SourceId, Span, ValueExpr};

use super::names::Table;
use super::native::NativeAst;

/// Everything that names can stand for.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub source_names: Table,
    pub entity_names: Table,
    pub segment_names: Table,
    pub sources: Vec<SourceInfo>,
    pub entities: Vec<EntityInfo>,
    pub segments: Vec<SegmentInfo>,
    /// A file could not be read, so that unknown names may stand in it.
    pub incomplete: bool,
    /// The project's time zone, unless it is UTC.
    pub zone: Option<String>,
}

#[derive(Debug)]
pub(super) struct SourceInfo {
    pub source: Source,
    /// The place in `source.columns`; `None` for a column that could not be read.
    pub columns: HashMap<String, Option<usize>>,
    /// Nothing is known of its columns, which is reported.
    pub unknown: bool,
}

#[derive(Debug)]
pub(super) struct EntityInfo {
    pub name: String,
    pub label: Option<String>,
    pub source: Option<SourceId>,
    pub primary_key: String,
    pub distinct: bool,
    /// It is made of an identity.
    pub stitched: bool,
    pub relationships: Vec<RelationshipInfo>,
    pub events: Vec<EventInfo>,
    pub fields: Vec<FieldInfo>,
    /// Fields, events and relationships by name; columns are in the source.
    pub members: HashMap<String, (Member, Span)>,
    pub span: Span,
}

#[derive(Debug)]
pub(super) struct RelationshipInfo {
    pub name: String,
    pub to: Option<EntityId>,
    pub kind: RelationshipKind,
    pub key: String,
    pub key_span: Span,
    pub span: Span,
}

#[derive(Debug)]
pub(super) struct EventInfo {
    pub name: String,
    pub source: Option<SourceId>,
    pub key: String,
    pub key_span: Span,
    pub at: String,
    pub relationships: Vec<RelationshipInfo>,
    pub members: HashMap<String, (Member, Span)>,
    pub span: Span,
}

#[derive(Debug)]
pub(super) struct FieldInfo {
    pub name: String,
    pub label: Option<String>,
    pub span: Span,
    pub ast: Option<Ast>,
    pub native: Option<NativeAst>,
    pub within: Option<(Window, Spanned<String>)>,
    pub default: Option<Value>,
    pub state: FieldState,
}

impl FieldInfo {
    /// A field that a declaration stands for; without an expression if that could not be read.
    pub fn generated(name: &str, label: Option<String>, span: Span, ast: Option<Ast>) -> Self {
        let (name, state) = (name.to_owned(), FieldState::Unchecked);
        FieldInfo { name, label, span, ast, native: None, within: None, default: None, state }
    }
}

/// How far the check of a field has come.
#[derive(Debug)]
pub(super) enum FieldState {
    Unchecked,
    /// Other fields that it needs are checked first.
    Waiting,
    /// Reported.
    Failed,
    Done {
        expr: ValueExpr,
        pii: Option<Pii>,
        /// How many fields the longest chain has that begins with this one.
        depth: usize,
    },
}

#[derive(Debug)]
pub(super) struct SegmentInfo {
    pub name: String,
    pub label: Option<String>,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub entity: Option<EntityId>,
    pub condition: Option<ValueExpr>,
    pub budget: Budget,
    pub span: Span,
}

/// What a name stands for in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// The place among the columns of the row's source.
    Column(usize),
    Field(usize),
    Event(usize),
    Relationship(usize),
    /// Reported already.
    Broken,
}

impl Catalogue {
    /// The source of that name; `None` where there is none or where nothing is known of it, which is reported.
    pub fn source_of(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<SourceId> {
        let id = self.source_names.find(name, self.incomplete, out)?;
        (!self.sources[id].unknown).then_some(SourceId(id))
    }

    /// The source of a row; `None` if it could not be read.
    pub fn row_source(&self, row: RowId) -> Option<&SourceInfo> {
        let source = match row {
            RowId::Entity(entity) => self.entities[entity.0].source,
            RowId::Event(entity, event) => self.entities[entity.0].events[event.0].source,
        };
        source.map(|id| &self.sources[id.0])
    }

    /// What a name stands for in a row.
    pub fn member(&self, row: RowId, name: &str) -> Option<Member> {
        let entity = &self.entities[row_entity(row).0];
        let (members, only_key) = match row {
            RowId::Entity(_) => (&entity.members, entity.distinct),
            RowId::Event(_, event) => (&entity.events[event.0].members, false),
        };
        if let Some((member, _)) = members.get(name) {
            return Some(*member);
        }
        // Nothing can be said about the columns of a source that could not be read.
        let Some(source) = self.row_source(row) else { return Some(Member::Broken) };
        if only_key && name != entity.primary_key {
            return None;
        }
        source.columns.get(name).map(|column| column.map_or(Member::Broken, Member::Column))
    }

    /// The column of that name that a row has.
    pub fn column(&self, row: RowId, name: &str) -> Option<&Column> {
        let Some(Member::Column(index)) = self.member(row, name) else { return None };
        self.row_source(row)?.source.columns.get(index)
    }

    /// Every name of a row.
    pub fn member_names(&self, row: RowId) -> Vec<&str> {
        let entity = &self.entities[row_entity(row).0];
        let (members, only_key) = match row {
            RowId::Entity(_) => (&entity.members, entity.distinct),
            RowId::Event(_, event) => (&entity.events[event.0].members, false),
        };
        let columns = self.row_source(row).into_iter().flat_map(|s| s.columns.keys()).map(String::as_str);
        let columns = columns.filter(|c| !only_key || *c == entity.primary_key);
        members.keys().map(String::as_str).chain(columns).collect()
    }

    /// The relationship of a row.
    pub fn relationship(&self, row: RowId, index: usize) -> &RelationshipInfo {
        let entity = &self.entities[row_entity(row).0];
        match row {
            RowId::Entity(_) => &entity.relationships[index],
            RowId::Event(_, event) => &entity.events[event.0].relationships[index],
        }
    }

    /// A row in words.
    pub fn describe(&self, row: RowId) -> String {
        let entity = &self.entities[row_entity(row).0];
        match row {
            RowId::Entity(_) => format!("entity `{}`", entity.name),
            RowId::Event(_, event) => format!("event `{}`", entity.events[event.0].name),
        }
    }
}

/// The entity that a row is of or belongs to.
pub(super) fn row_entity(row: RowId) -> EntityId {
    match row {
        RowId::Entity(entity) | RowId::Event(entity, _) => entity,
    }
}
