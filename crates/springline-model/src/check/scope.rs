//! From paths to leaves: whose row an expression is about, and what a name in it stands for.

use springline_ir::{Expr, FunctionId, Type};

use crate::expr::Name;
use crate::{
    Code, Diagnostic, EntityId, EventId, FieldId, Leaf, Over, Pii, RelationshipId, RelationshipKind, RowId, Span,
    ValueExpr,
};

use super::catalogue::{FieldState, Member};
use super::names::with_suggestion;
use super::typing::Typer;
use super::unify::Typed;

/// The longest path.
const MAX_PATH: usize = 12;

/// Where an expression stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Whose row.
    pub row: RowId,
    /// The row is one that an aggregate gathers, under this name.
    pub gathered: Option<(Over, &'a str)>,
    /// The row is reached over a relationship, so that only its own columns and fields can be used.
    pub related: bool,
    /// Window functions may stand here.
    pub windows: bool,
}

impl Scope<'_> {
    /// The row of an entity, and nothing special about it.
    pub fn of(entity: EntityId) -> Scope<'static> {
        Scope { row: RowId::Entity(entity), gathered: None, related: false, windows: false }
    }

    /// The same without window functions.
    pub fn without_windows(self) -> Self {
        Scope { windows: false, ..self }
    }
}

/// A resolved path, before it is wrapped in the relationships that lead to it.
struct Found {
    leaf: Leaf,
    ty: Type,
    declared: Span,
    pii: Option<Pii>,
}

impl Typer<'_> {
    /// The column or field that a path leads to.
    pub fn path(&mut self, names: &[Name], span: Span, scope: &Scope) -> Option<Typed> {
        if names.len() > MAX_PATH {
            self.out.push(Diagnostic::error(Code::InvalidExpression, span, "the path is too long"));
            return None;
        }
        let mut names = names;
        if let (Some((_, qualifier)), [first, rest @ ..]) = (scope.gathered, names)
            && first.text == qualifier
            && !rest.is_empty()
        {
            names = rest;
        }
        let found = self.resolve(scope.row, names, scope, span)?;
        let expr: ValueExpr = Expr::leaf(found.leaf, found.ty);
        Some(Typed { expr, span, declared: Some(found.declared), pii: found.pii })
    }

    fn resolve(&mut self, row: RowId, names: &[Name], scope: &Scope, span: Span) -> Option<Found> {
        let (name, rest) = names.split_first()?;
        if let RowId::Event(entity, event) = row
            && name.text == "at"
        {
            let at = self.catalogue.entities[entity.0].events[event.0].at.clone();
            return self.column(row, &at, rest, name);
        }
        match self.catalogue.member(row, &name.text) {
            None => self.unknown(row, name, scope),
            Some(Member::Broken) => None,
            Some(Member::Column(_)) => self.column(row, &name.text, rest, name),
            Some(Member::Field(field)) => self.field(row, field, rest, name),
            Some(Member::Event(_)) => self.fan_out(row, names, span, scope),
            Some(Member::Relationship(index)) => self.relation(row, index, names, scope, span),
        }
    }

    fn column(&mut self, row: RowId, column: &str, rest: &[Name], name: &Name) -> Option<Found> {
        self.ends(rest, name, "a column")?;
        let column = self.catalogue.column(row, column)?;
        Some(Found {
            leaf: Leaf::Column(column.name.clone()),
            ty: column.ty.clone(),
            declared: column.span,
            pii: column.pii,
        })
    }

    fn field(&mut self, row: RowId, index: usize, rest: &[Name], name: &Name) -> Option<Found> {
        self.ends(rest, name, "a field")?;
        let RowId::Entity(entity) = row else { return None };
        let field = &self.catalogue.entities[entity.0].fields[index];
        match &field.state {
            FieldState::Failed => None,
            FieldState::Unchecked | FieldState::Waiting => {
                self.needs.push((entity, FieldId(index)));
                None
            }
            FieldState::Done { expr, pii, depth } => {
                self.depth = self.depth.max(*depth);
                Some(Found { leaf: Leaf::Field(FieldId(index)), ty: expr.ty.clone(), declared: field.span, pii: *pii })
            }
        }
    }

    fn relation(&mut self, row: RowId, index: usize, names: &[Name], scope: &Scope, span: Span) -> Option<Found> {
        let relationship = self.catalogue.relationship(row, index);
        if relationship.kind == RelationshipKind::OneToMany {
            return self.fan_out(row, names, span, scope);
        }
        let to = relationship.to?;
        let (name, rest) = names.split_first()?;
        if rest.is_empty() {
            let to = &self.catalogue.entities[to.0];
            let message = format!("`{}` is a relationship, not a value", name.text);
            let hint = format!("name a column or field of it: `{}.{}`", name.text, to.primary_key);
            self.out.push(Diagnostic::error(Code::InvalidExpression, name.span, message).hint(hint));
            return None;
        }
        let mut found = self.resolve(RowId::Entity(to), rest, scope, span)?;
        found.leaf = Leaf::Related { relationship: RelationshipId(index), leaf: Box::new(found.leaf) };
        Some(found)
    }

    fn ends(&mut self, rest: &[Name], name: &Name, what: &str) -> Option<()> {
        let Some(next) = rest.first() else { return Some(()) };
        let message = format!("`{}` is {what}: it has no `{}`", name.text, next.text);
        self.out.push(Diagnostic::error(Code::UnknownName, next.span, message));
        None
    }

    /// A name that leads to many rows, where one value is wanted.
    fn fan_out(&mut self, row: RowId, names: &[Name], span: Span, scope: &Scope) -> Option<Found> {
        let text = names.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(".");
        let owner = self.catalogue.describe(row);
        let message = format!("`{text}` has many values for each row of {owner}");
        let hint = if scope.gathered.is_some() || scope.related || row != scope.row {
            format!("declare a computed field of {owner} with an aggregate, and use that here")
        } else if names.len() == 1 {
            format!("use an aggregate: `count({text})` or `exists({text})`")
        } else {
            format!("use an aggregate: {}", self.aggregates_of(row, names, &text))
        };
        self.out.push(Diagnostic::error(Code::FanOut, span, message).label("many values").hint(hint));
        None
    }

    /// Aggregates that take the type of what the path leads to, as calls.
    fn aggregates_of(&self, row: RowId, names: &[Name], path: &str) -> String {
        let candidates = [FunctionId::SUM, FunctionId::MAX, FunctionId::MOST_FREQUENT, FunctionId::COUNT_DISTINCT];
        let ty = self.gathered_type(row, names);
        let takes = |f: &FunctionId| ty.as_ref().is_some_and(|ty| (f.get().result)(std::slice::from_ref(ty)).is_some());
        let calls: Vec<String> =
            candidates.into_iter().filter(takes).take(3).map(|f| format!("`{}({path})`", f.get().name)).collect();
        match calls.as_slice() {
            [] => format!("`count({path})`"),
            [only] => only.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }

    /// The type at the end of a path that begins with an event or a one-to-many relationship; `None` if
    /// it is not known, or leads on to many.
    fn gathered_type(&self, row: RowId, names: &[Name]) -> Option<Type> {
        let (name, rest) = names.split_first()?;
        let gathered = match (row, self.catalogue.member(row, &name.text)?) {
            (RowId::Entity(entity), Member::Event(event)) => RowId::Event(entity, EventId(event)),
            (_, Member::Relationship(index)) => RowId::Entity(self.catalogue.relationship(row, index).to?),
            _ => return None,
        };
        // What is wrong further on is not what is reported here.
        let mut quiet = Vec::new();
        let mut typer = Typer::new(self.catalogue, self.sources, self.subject, &mut quiet);
        let scope = Scope { row: gathered, gathered: None, related: false, windows: false };
        typer.resolve(gathered, rest, &scope, name.span).map(|found| found.ty)
    }

    fn unknown(&mut self, row: RowId, name: &Name, scope: &Scope) -> Option<Found> {
        let owner = self.catalogue.describe(row);
        let message = match row {
            RowId::Entity(_) => format!("{owner} has no column, field or event `{}`", name.text),
            RowId::Event(..) => format!("{owner} has no column `{}`", name.text),
        };
        let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
        let outer = match (row, scope.gathered) {
            (RowId::Event(entity, _), Some(_)) => {
                self.catalogue.member(RowId::Entity(entity), &name.text).map(|_| entity)
            }
            _ => None,
        };
        let hidden = match row {
            RowId::Entity(entity) => {
                self.catalogue.entities[entity.0].distinct
                    && self.catalogue.row_source(row).is_some_and(|s| s.columns.contains_key(&name.text))
            }
            RowId::Event(..) => false,
        };
        self.out.push(if name.quoted {
            diagnostic.hint(format!("double quotes are for names; write text in single quotes: '{}'", name.text))
        } else if let Some(entity) = outer {
            let entity = &self.catalogue.entities[entity.0].name;
            diagnostic.hint(format!(
                "inside an aggregate, names are columns of what it gathers; `{}` is of entity `{entity}`",
                name.text
            ))
        } else if hidden {
            diagnostic
                .hint("the entity is `distinct`: it has only its primary key; reach the source's rows as an event")
        } else {
            with_suggestion(diagnostic, &name.text, self.catalogue.member_names(row).into_iter(), "name")
        });
        None
    }
}
