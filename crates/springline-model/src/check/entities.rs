//! Entities, events and relationships: that what they name is there and fits together.

use std::collections::HashMap;

use springline_ir::Type;

use crate::expr::{self, Ast, parse_window};
use crate::syntax::{
    BucketDecl, EntityDecl, Entries, EventDecl, FieldDecl, Item, RelationshipDecl, Scalar, SegmentSetDecl, Spanned,
    Value,
};
use crate::{Code, Column, Diagnostic, EntityId, EventId, RelationshipKind, RowId, SourceId, SourceMap, Span};

use super::catalogue::{Catalogue, EntityInfo, EventInfo, FieldInfo, FieldState, Member, RelationshipInfo};
use super::conditions::{Conditions, bucket, text};
use super::names::{Kind, Taken, check_name, duplicate, with_suggestion};
use super::native::NativeAst;
use super::stitched::Identities;
use super::{rfm, sets};

/// The name of the way from an event to the entity it happened to, which nobody can write.
pub(super) const OWNER: &str = "";

const FIELD: Kind = Kind { what: "field", word: true };
const EVENT: Kind = Kind { what: "event", word: true };
const RELATIONSHIP: Kind = Kind { what: "relationship", word: true };

/// Reads an entity. What it refers to is looked up when all entities are read, in [`link`].
pub(super) fn entity(
    decl: EntityDecl,
    sets: &[SegmentSetDecl],
    (catalogue, identities): (&Catalogue, &Identities),
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> EntityInfo {
    let distinct = decl.distinct.as_ref().is_some_and(|d| d.value);
    let (source, primary_key) = rows(&decl, distinct, (catalogue, identities), out);
    // The names of columns are taken, because all are reached by their bare names.
    let generated = generated_fields(&decl, sets, sources, out);
    let columns = |name: &str| -> Option<Span> {
        let info = &catalogue.sources[source?.0];
        let visible = !distinct || name == primary_key;
        info.source.column(name).filter(|_| visible).map(|c| c.span)
    };
    let mut members = Members { by_name: HashMap::new(), taken: Taken::default(), columns: &columns, out };
    let relationships = relationships(decl.relationships, catalogue, &mut members);
    let identity = decl.identity;
    let mut events = Vec::new();
    for item in decl.events {
        let member = item.decl.is_some().then_some(Member::Event(events.len()));
        members.add(EVENT, item.name.as_ref(), member);
        if let Some(decl) = item.decl {
            events.push(event(decl, identity.as_ref(), (catalogue, identities), members.out));
        }
    }
    let mut fields = Vec::new();
    for item in decl.fields {
        let member = item.decl.is_some().then_some(Member::Field(fields.len()));
        members.add(FIELD, item.name.as_ref(), member);
        if let Some(decl) = item.decl {
            fields.push(field(decl, sources, members.out));
        }
    }
    for field in generated {
        let name = Spanned { value: field.name.clone(), span: field.span };
        members.add(FIELD, Some(&name), Some(Member::Field(fields.len())));
        fields.push(field);
    }
    let members = members.by_name;
    EntityInfo {
        name: decl.name.value,
        label: decl.label.map(|l| l.value),
        source,
        primary_key,
        distinct,
        stitched: identity.is_some(),
        relationships,
        events,
        fields,
        members,
        span: decl.name.span,
    }
}

/// The fields that other declarations of an entity stand for.
fn generated_fields(
    decl: &EntityDecl,
    sets: &[SegmentSetDecl],
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Vec<FieldInfo> {
    let mut fields = decl.rfm.as_ref().map_or_else(Vec::new, |rfm| rfm::fields(rfm, decl, sources, out));
    fields.extend(sets.iter().filter(|set| set.entity.value == decl.name.value).map(sets::field));
    fields
}

/// The names of a row besides its columns.
struct Members<'a> {
    by_name: HashMap<String, (Member, Span)>,
    taken: Taken,
    /// Where a column of that name is declared.
    columns: &'a dyn Fn(&str) -> Option<Span>,
    out: &'a mut Vec<Diagnostic>,
}

impl Members<'_> {
    fn add(&mut self, kind: Kind, name: Option<&Spanned<String>>, member: Option<Member>) {
        let Some(name) = name else { return };
        check_name(kind, name, self.out);
        if let Some(first) = self.taken.take(name) {
            self.out.push(duplicate("the name", name, first).hint(SHARED));
        } else if let Some(column) = (self.columns)(&name.value) {
            let message = format!("{} `{}` has the name of a column", kind.what, name.value);
            let diagnostic = Diagnostic::error(Code::DuplicateName, name.span, message).also(column, "the column");
            self.out.push(diagnostic.hint(SHARED));
            return;
        }
        self.by_name.entry(name.value.clone()).or_insert((member.unwrap_or(Member::Broken), name.span));
    }
}

const SHARED: &str = "columns, fields, events and relationships of one entity share their names: rename one of the two";

/// The source of an entity's rows and the column of its key, by its own words or by its identity.
fn rows(
    decl: &EntityDecl,
    distinct: bool,
    (catalogue, identities): (&Catalogue, &Identities),
    out: &mut Vec<Diagnostic>,
) -> (Option<SourceId>, String) {
    let none = (None, String::new());
    if let Some(identity) = &decl.identity {
        let others = [&decl.source, &decl.primary_key].into_iter().flatten().map(|other| other.span);
        if let Some(span) = others.chain(decl.distinct.as_ref().map(|distinct| distinct.span)).next() {
            let message = format!("entity `{}` is made of an identity, which tells its rows", decl.name.value);
            let hint = "leave out `source`, `primary_key` and `distinct`, or leave out `identity`";
            out.push(Diagnostic::error(Code::WrongShape, span, message).hint(hint));
            return none;
        }
        return identities.rows(identity, catalogue, out).map_or(none, |(source, key)| (Some(source), key));
    }
    let mut missing = |key: &str| {
        let message = format!("entity `{}` has no `{key}`", decl.name.value);
        out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint(format!("add `{key}: …`")));
    };
    if decl.source.is_none() {
        missing("source");
    }
    if decl.primary_key.is_none() {
        missing("primary_key");
    }
    let source = decl.source.as_ref().and_then(|source| catalogue.source_of(source, out));
    let Some(key) = &decl.primary_key else { return (source, String::new()) };
    if let Some(source) = source {
        check_key(key, source, distinct, catalogue, out);
    }
    (source, key.value.clone())
}

fn check_key(
    own: &Spanned<String>,
    source: SourceId,
    distinct: bool,
    catalogue: &Catalogue,
    out: &mut Vec<Diagnostic>,
) {
    if column(source, own, catalogue, out).is_none() {
        return;
    }
    let source = &catalogue.sources[source.0].source;
    if let Some(key) = source.primary_key.as_ref().filter(|key| **key != own.value && !distinct) {
        let message = format!("source `{}` has many rows per `{}`: its primary key is `{key}`", source.name, own.value);
        out.push(
            Diagnostic::error(Code::FanOut, own.span, message)
                .also(source.span, "the source")
                .hint("add `distinct: true` to make the entity of the distinct keys, or use another source"),
        );
    }
}

/// A column of a source; one that is not there is reported.
fn column<'a>(
    source: SourceId,
    name: &Spanned<String>,
    catalogue: &'a Catalogue,
    out: &mut Vec<Diagnostic>,
) -> Option<&'a Column> {
    let info = &catalogue.sources[source.0];
    match info.columns.get(&name.value) {
        Some(index) => info.source.columns.get((*index)?),
        None => {
            let message = format!("source `{}` has no column `{}`", info.source.name, name.value);
            let diagnostic =
                Diagnostic::error(Code::UnknownName, name.span, message).also(info.source.span, "the source");
            out.push(with_suggestion(diagnostic, &name.value, info.columns.keys().map(String::as_str), "column"));
            None
        }
    }
}

fn relationships(
    items: Vec<Item<RelationshipDecl>>,
    catalogue: &Catalogue,
    members: &mut Members,
) -> Vec<RelationshipInfo> {
    let mut list = Vec::new();
    for Item { name, decl } in items {
        let member = decl.is_some().then_some(Member::Relationship(list.len()));
        members.add(RELATIONSHIP, name.as_ref(), member);
        let Some(decl) = decl else { continue };
        let to = catalogue.entity_names.find(&decl.to, catalogue.incomplete, members.out).map(EntityId);
        let (kind, key) = (decl.r#type.value, decl.key);
        list.push(RelationshipInfo {
            name: decl.name.value,
            to,
            kind,
            key: key.value,
            key_span: key.span,
            span: decl.name.span,
        });
    }
    list
}

fn event(
    decl: EventDecl,
    identity: Option<&Spanned<String>>,
    (catalogue, identities): (&Catalogue, &Identities),
    out: &mut Vec<Diagnostic>,
) -> EventInfo {
    let (source, key) = match identity {
        Some(identity) => {
            if let (Some(source), Some(key)) = (catalogue.source_of(&decl.source, &mut Vec::new()), &decl.key) {
                column(source, key, catalogue, out);
            }
            let found = identities.event(identity, &decl, catalogue, out);
            found.map_or((None, String::new()), |(source, key)| (Some(source), key))
        }
        None => (catalogue.source_of(&decl.source, out), own_key(&decl, out)),
    };
    if let Some(at) = source.and_then(|source| column(source, &decl.at, catalogue, out))
        && !at.ty.is_temporal()
    {
        let message = format!("event `{}` takes its time from `{}`, which is {}", decl.name.value, at.name, at.ty);
        out.push(
            Diagnostic::error(Code::TypeMismatch, decl.at.span, message)
                .also(at.span, "the column")
                .hint("`at:` names a column of type `timestamp` or `date`"),
        );
    }
    let columns = |name: &str| catalogue.sources[source?.0].source.column(name).map(|c| c.span);
    let mut members = Members { by_name: HashMap::new(), taken: Taken::default(), columns: &columns, out };
    let relationships = relationships(decl.relationships, catalogue, &mut members);
    let members = members.by_name;
    EventInfo {
        name: decl.name.value,
        source,
        key,
        key_span: decl.key.as_ref().map_or(decl.name.span, |key| key.span),
        at: decl.at.value,
        relationships,
        members,
        span: decl.name.span,
    }
}

/// The column of the entity's primary key, of an event whose entity has a source.
fn own_key(decl: &EventDecl, out: &mut Vec<Diagnostic>) -> String {
    if let Some(record_of) = &decl.record_of {
        let message = format!("event `{}` is of a record, and its entity is not made of an identity", decl.name.value);
        let hint = "leave `record_of` out, or write `identity:` in the entity";
        out.push(Diagnostic::error(Code::InvalidIdentity, record_of.span, message).hint(hint));
    }
    if decl.key.is_none() {
        let message = format!("event `{}` has no `key`", decl.name.value);
        out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint("add `key: …`"));
    }
    decl.key.as_ref().map_or_else(String::new, |key| key.value.clone())
}

fn field(decl: FieldDecl, sources: &SourceMap, out: &mut Vec<Diagnostic>) -> FieldInfo {
    let (mut ast, mut native) = (None, None);
    let forms = [
        ("expr", decl.expr.as_ref().map(|e| e.span)),
        ("bucket", decl.bucket.as_ref().map(|b| b.of.span)),
        ("sql", decl.sql.as_ref().map(|s| s.0.first().map_or(decl.name.span, |(name, _)| name.span))),
    ];
    let given: Vec<(&str, Span)> = forms.into_iter().filter_map(|(key, span)| Some((key, span?))).collect();
    match given.as_slice() {
        [] => {
            let message = format!("field `{}` has no `expr`", decl.name.value);
            out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint("add `expr: …`"));
        }
        [(first, _), (second, span), ..] => {
            let message = format!("field `{}` has both `{first}` and `{second}`", decl.name.value);
            out.push(Diagnostic::error(Code::WrongShape, *span, message).hint("keep one of the two"));
        }
        [_] => {
            ast = match (&decl.expr, &decl.bucket) {
                (Some(expr), _) => expr::parse(sources, expr, out),
                (_, Some(bucket)) => read_bucket(bucket, decl.name.span, sources, out),
                (None, None) => None,
            };
            native = decl.sql.as_ref().and_then(|sql| read_native(sql, &decl, out));
        }
    }
    if let (Some(ty), None) = (&decl.r#type, &decl.sql) {
        let message = format!("field `{}` has a `type`, which its `expr` tells already", decl.name.value);
        let hint = "remove it, or convert with `cast(… as …)`";
        out.push(Diagnostic::error(Code::WrongShape, ty.span, message).hint(hint));
    }
    let within = decl.within.and_then(|text| match parse_window(&text) {
        Ok(within) => Some((within, text)),
        Err(diagnostic) => {
            out.push(diagnostic);
            None
        }
    });
    FieldInfo {
        name: decl.name.value,
        label: decl.label.map(|l| l.value),
        span: decl.name.span,
        ast,
        native,
        within,
        default: decl.default,
        state: FieldState::Unchecked,
    }
}

/// The field's value in engines' own SQL.
fn read_native(sql: &Entries<Spanned<String>>, field: &FieldDecl, out: &mut Vec<Diagnostic>) -> Option<NativeAst> {
    let Some(ty) = &field.r#type else {
        let message = format!("field `{}` has `sql` and no `type`", field.name.value);
        let hint = "say what it is: `type: string`";
        out.push(Diagnostic::error(Code::MissingKey, field.name.span, message).hint(hint));
        return None;
    };
    let ty = super::sources::read_type(ty, out)?;
    let forms: Vec<(String, Spanned<String>)> =
        sql.0.iter().filter_map(|(name, text)| Some((name.value.clone(), text.clone()?))).collect();
    if forms.is_empty() {
        let message = format!("`sql` of field `{}` names no dialect", field.name.value);
        let hint = "write it as in `sql: { postgres: initcap(city) }`";
        out.push(Diagnostic::error(Code::MissingKey, field.name.span, message).hint(hint));
        return None;
    }
    Some(NativeAst { forms, ty })
}

fn read_bucket(decl: &BucketDecl, span: Span, sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Option<Ast> {
    if decl.at.is_empty() || decl.labels.len() != decl.at.len() + 1 {
        let message =
            format!("{} bounds need {} labels, found {}", decl.at.len(), decl.at.len() + 1, decl.labels.len());
        let message = if decl.at.is_empty() { "`bucket` has no bounds under `at`".to_owned() } else { message };
        out.push(
            Diagnostic::error(Code::InvalidValue, decl.of.span, message)
                .hint("`at: [100, 500]` cuts three ranges: `labels: [low, mid, high]`"),
        );
        return None;
    }
    let falls = |pair: &[Value]| matches!(pair, [a, b] if !rises(&a.0.value, &b.0.value));
    if let Some([_, second]) = decl.at.windows(2).find(|pair| falls(pair)) {
        let message = format!("the bound {} is not above the one before it", second.0.value.text);
        out.push(
            Diagnostic::error(Code::InvalidValue, second.0.span, message).hint("list the bounds from low to high"),
        );
        return None;
    }
    let of = expr::parse(sources, &decl.of, out)?;
    let mut conditions = Conditions { sources, out };
    let bounds = decl.at.iter().map(|bound| conditions.value(&bound.0)).collect::<Option<_>>()?;
    Some(bucket(&of, bounds, decl.labels.iter().map(text).collect(), span))
}

/// Whether the second of two bounds is above the first: as numbers if they are, else as text, which
/// orders dates too.
pub(super) fn rises(a: &Scalar, b: &Scalar) -> bool {
    match (a.text.parse::<f64>(), b.text.parse::<f64>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => a.text < b.text,
    }
}

/// Checks that keys fit what they lead to, once all entities are read.
pub(super) fn link(catalogue: &Catalogue, out: &mut Vec<Diagnostic>) {
    for (id, entity) in catalogue.entities.iter().enumerate() {
        let here = RowId::Entity(EntityId(id));
        for relationship in &entity.relationships {
            check_relationship(here, relationship, catalogue, out);
        }
        for (event_id, event) in entity.events.iter().enumerate() {
            let row = RowId::Event(EntityId(id), EventId(event_id));
            check_event_key(entity, event, catalogue, out);
            for relationship in &event.relationships {
                if relationship.kind == RelationshipKind::OneToMany {
                    let message =
                        format!("relationship `{}` of event `{}` is one_to_many", relationship.name, event.name);
                    let hint = "events have many_to_one relationships only: the event's row holds the key";
                    out.push(Diagnostic::error(Code::InvalidValue, relationship.span, message).hint(hint));
                } else {
                    check_relationship(row, relationship, catalogue, out);
                }
            }
        }
    }
}

/// Gives events the way to the entity they happened to, under its name unless that stands for something
/// else, and always under [`OWNER`].
pub(super) fn own(catalogue: &mut Catalogue) {
    let Catalogue { entities, sources, .. } = catalogue;
    for (id, entity) in entities.iter_mut().enumerate() {
        for event in &mut entity.events {
            let member = (Member::Relationship(event.relationships.len()), event.span);
            let column = event.source.is_some_and(|s| sources[s.0].columns.contains_key(&entity.name));
            if !column {
                event.members.entry(entity.name.clone()).or_insert(member);
            }
            event.members.insert(OWNER.to_owned(), member);
            event.relationships.push(RelationshipInfo {
                name: entity.name.clone(),
                to: Some(EntityId(id)),
                kind: RelationshipKind::ManyToOne,
                key: event.key.clone(),
                key_span: event.key_span,
                span: event.span,
            });
        }
    }
}

/// The key column of an entity; `None` if it could not be read.
fn primary_key(entity: &EntityInfo, catalogue: &Catalogue) -> Option<(Type, Span)> {
    let source = &catalogue.sources[entity.source?.0].source;
    source.column(&entity.primary_key).map(|c| (c.ty.clone(), c.span))
}

fn check_event_key(entity: &EntityInfo, event: &EventInfo, catalogue: &Catalogue, out: &mut Vec<Diagnostic>) {
    let key = Spanned { value: event.key.clone(), span: event.key_span };
    // A key that is missing is reported already.
    if event.key.is_empty() {
        return;
    }
    let Some(key_column) = event.source.and_then(|source| column(source, &key, catalogue, out)) else { return };
    let Some((ty, place)) = primary_key(entity, catalogue) else { return };
    let what = format!("event `{}`", event.name);
    same_type(&what, event.key_span, key_column, &entity.name, &ty, place, out);
}

fn check_relationship(row: RowId, relationship: &RelationshipInfo, catalogue: &Catalogue, out: &mut Vec<Diagnostic>) {
    let Some(to) = relationship.to else { return };
    // The key stands on the side of the many.
    let (many, one) = match relationship.kind {
        RelationshipKind::ManyToOne => (row, to),
        RelationshipKind::OneToMany => (RowId::Entity(to), super::catalogue::row_entity(row)),
    };
    let one = &catalogue.entities[one.0];
    match catalogue.member(many, &relationship.key) {
        Some(Member::Column(index)) => {
            let Some(column) = catalogue.row_source(many).and_then(|s| s.source.columns.get(index)) else { return };
            let Some((ty, place)) = primary_key(one, catalogue) else { return };
            let what = format!("relationship `{}`", relationship.name);
            same_type(&what, relationship.key_span, column, &one.name, &ty, place, out);
        }
        Some(Member::Broken) => {}
        _ => {
            let message = format!(
                "relationship `{}`: {} has no column `{}`",
                relationship.name,
                catalogue.describe(many),
                relationship.key
            );
            let columns = catalogue.row_source(many).into_iter().flat_map(|s| s.columns.keys()).map(String::as_str);
            let diagnostic = Diagnostic::error(Code::UnknownName, relationship.key_span, message);
            out.push(with_suggestion(diagnostic, &relationship.key, columns, "column"));
        }
    }
}

fn same_type(what: &str, at: Span, key: &Column, entity: &str, primary: &Type, place: Span, out: &mut Vec<Diagnostic>) {
    if key.ty == *primary {
        return;
    }
    let message = format!("{what}: key `{}` is {}, the primary key of `{entity}` is {primary}", key.name, key.ty);
    out.push(
        Diagnostic::error(Code::TypeMismatch, at, message)
            .also(key.span, key.ty.to_string())
            .also(place, primary.to_string())
            .hint("keys are equal only if their types are: declare both columns with the type they have in the tables"),
    );
}
