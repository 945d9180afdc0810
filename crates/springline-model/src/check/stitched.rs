//! Entities that are made of an identity: the table of their rows, and the tables of their events as the identity sees
//! them, with one more column that holds the canonical id. Nobody writes these sources, so they have no names.

use std::collections::HashMap;

use springline_ir::{TableName, Type};

use crate::syntax::{EntityDecl, EventDecl, Spanned};
use crate::{Code, Column, Diagnostic, Identity, Made, Records, Source, SourceId};

use super::catalogue::{Catalogue, SourceInfo};
use super::names::{Table, with_suggestion};

/// The identities of a project and the sources that they make.
#[derive(Debug)]
pub(super) struct Identities {
    names: Table,
    /// `None` for one that could not be read.
    pub all: Vec<Option<Identity>>,
    /// What the sources behind those of the project are, in their order.
    pub made: Vec<Made>,
    sources: HashMap<Made, SourceId>,
}

impl Identities {
    pub fn new(names: Table, all: Vec<Option<Identity>>) -> Self {
        Identities { names, all, made: Vec::new(), sources: HashMap::new() }
    }

    /// The source of the rows of an entity that is made of an identity, with the column of its key.
    pub fn rows(
        &self,
        name: &Spanned<String>,
        catalogue: &Catalogue,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(SourceId, String)> {
        let place = self.names.find(name, catalogue.incomplete, out)?;
        let identity = self.all.get(place)?.as_ref()?;
        let source = self.sources.get(&Made { identity: place, records: None }).copied();
        if source.is_none() {
            let message = format!("identity `{}` has no golden record, so no rows", name.value);
            let hint = "add `golden_record:` to it, with the fields that a canonical row has";
            out.push(Diagnostic::error(Code::InvalidIdentity, name.span, message).hint(hint));
        }
        Some((source?, identity.canonical_id.name.clone()))
    }

    /// The source of an event of such an entity, with the column of the canonical id.
    pub fn event(
        &self,
        name: &Spanned<String>,
        decl: &EventDecl,
        catalogue: &Catalogue,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(SourceId, String)> {
        let made = self.of_event(name, decl, catalogue, out)?;
        let source = self.sources.get(&made).copied()?;
        Some((source, made.records?.id))
    }

    /// Makes the sources that these entities need; what is wrong with them is told when they are read.
    pub fn make(&mut self, entities: &[EntityDecl], catalogue: &mut Catalogue) {
        for (place, identity) in self.all.iter().enumerate() {
            let Some(identity) = identity else { continue };
            let Some(golden) = &identity.golden else { continue };
            let table = TableName { parts: vec![format!("golden_{}", identity.name)] };
            let columns = golden.columns(identity);
            let source = Source {
                name: table.table().to_owned(),
                table,
                primary_key: Some(identity.canonical_id.name.clone()),
                updated_at: None,
                columns,
                span: identity.span,
            };
            let made = Made { identity: place, records: None };
            self.sources.insert(made.clone(), SourceId(catalogue.sources.len()));
            self.made.push(made);
            catalogue.sources.push(info(source));
        }
        for entity in entities {
            let Some(name) = &entity.identity else { continue };
            for event in entity.events.iter().filter_map(|item| item.decl.as_ref()) {
                let made = self.of_event(name, event, catalogue, &mut Vec::new());
                if let Some(made) = made.filter(|made| !self.sources.contains_key(made)) {
                    self.add(made, event, catalogue);
                }
            }
        }
    }

    fn add(&mut self, made: Made, event: &EventDecl, catalogue: &mut Catalogue) {
        let Some(source) = catalogue.source_of(&event.source, &mut Vec::new()) else { return };
        let mut seen = catalogue.sources[source.0].source.clone();
        let Some(records) = &made.records else { return };
        let (name, ty, span) = (records.id.clone(), Type::String, seen.span);
        seen.columns.push(Column { name, ty, pii: None, label: None, span });
        self.sources.insert(made.clone(), SourceId(catalogue.sources.len()));
        self.made.push(made);
        let mut seen = info(seen);
        // A column that could not be read stays one.
        for (name, place) in &catalogue.sources[source.0].columns {
            seen.columns.entry(name.clone()).or_insert(*place);
        }
        catalogue.sources.push(seen);
    }

    /// What the table of an event is, seen by the identity.
    fn of_event(
        &self,
        name: &Spanned<String>,
        decl: &EventDecl,
        catalogue: &Catalogue,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Made> {
        let place = self.names.find(name, catalogue.incomplete, &mut Vec::new())?;
        let identity = self.all.get(place)?.as_ref()?;
        let source = catalogue.source_of(&decl.source, out)?;
        let of = |source: SourceId| catalogue.sources[source.0].source.name.as_str();
        let own = identity.sources.iter().find(|records| records.source == source);
        let (records, column) = match (&decl.key, &decl.record_of, own) {
            (None, None, Some(own)) => (source, own.primary_key.clone()),
            (Some(key), Some(record_of), _) => {
                let names = identity.sources.iter().map(|records| of(records.source));
                let Some(found) = identity.sources.iter().find(|records| of(records.source) == record_of.value) else {
                    let message = format!("`{}` is no source of identity `{}`", record_of.value, identity.name);
                    let diagnostic = Diagnostic::error(Code::UnknownName, record_of.span, message);
                    out.push(with_suggestion(diagnostic, &record_of.value, names, "source"));
                    return None;
                };
                (found.source, key.value.clone())
            }
            _ => {
                let message = format!("event `{}` does not say of which record it is", decl.name.value);
                let hint = match own {
                    Some(_) => {
                        "leave `key` and `record_of` out: its row is a record of the identity; or write both".to_owned()
                    }
                    None => format!(
                        "write `key:` with its column and `record_of:` with the source of identity `{}` whose primary key that is",
                        identity.name
                    ),
                };
                out.push(Diagnostic::error(Code::InvalidIdentity, decl.name.span, message).hint(hint));
                return None;
            }
        };
        let id = free_name(&identity.canonical_id.name, &catalogue.sources[source.0]);
        let source = catalogue.sources[records.0].source.name.clone();
        Some(Made { identity: place, records: Some(Records { of: decl.source.value.clone(), source, column, id }) })
    }
}

/// The name, or another one where the source has a column of that name.
fn free_name(name: &str, source: &SourceInfo) -> String {
    let is_taken = |name: &str| source.columns.keys().any(|column| column.eq_ignore_ascii_case(name));
    let others = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(others).find(|name| !is_taken(name)).unwrap_or_else(|| name.to_owned())
}

fn info(source: Source) -> SourceInfo {
    let columns = source.columns.iter().enumerate().map(|(place, column)| (column.name.clone(), Some(place))).collect();
    SourceInfo { source, columns, unknown: false }
}
