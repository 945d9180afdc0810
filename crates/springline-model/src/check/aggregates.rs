//! Aggregates: what they gather, over which window, and where they cannot stand.

use springline_ir::{Expr, ExprKind, FunctionId, Literal, Type};

use crate::expr::{Ast, AstKind, Call, Name, Related, parse_window};
use crate::syntax::Spanned;
use crate::{
    Code, Diagnostic, EntityId, EventId, Gather, Leaf, Over, RelationshipId, RelationshipKind, RowId, Span, ValueExpr,
    Within,
};

use super::catalogue::Member;
use super::scope::Scope;
use super::typing::{Typer, chain, typed, word};
use super::unify::{Typed, coerce};

impl Typer<'_> {
    /// A call of an aggregate function.
    pub fn aggregate(&mut self, function: FunctionId, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let name = function.get().name;
        if call.over.is_some() {
            return self.window(function, call, span, scope);
        }
        let entity = self.gathering_entity(name, span, scope)?;
        let over = self.gathered(name, call, entity, span)?;
        let (row, qualifier) = self.gathered_row(entity, over);
        let inner = Scope { row, gathered: Some((over, &qualifier)), related: false, windows: false };
        let is_bare =
            |arg: &Ast| matches!(&arg.kind, AstKind::Path(names) if names.len() == 1 && names[0].text == qualifier);
        let bare = call.args.len() == 1 && call.args.iter().all(is_bare);
        if bare && !matches!(function, FunctionId::COUNT | FunctionId::EXISTS) {
            let columns = self.example_column(row);
            let message = format!("{}: `{name}` needs a column of `{qualifier}`", self.subject);
            let hint = format!("name one: `{name}({qualifier}.{columns})`");
            self.out.push(Diagnostic::error(Code::InvalidArguments, span, message).hint(hint));
            return None;
        }
        let args = if bare { Some(Vec::new()) } else { self.check_all(&call.args, &inner) };
        let filter = self.filter(call.filter.as_ref(), &inner);
        let within = self.within(call.within.as_ref(), over, &qualifier);
        let (args, filter, within) = (args?, filter?, within?);
        self.gather(function, over, args, filter, within, span)
    }

    /// The rest of an aggregate, once its parts are checked.
    fn gather(
        &mut self,
        function: FunctionId,
        over: Over,
        mut args: Vec<Typed>,
        filter: Option<ValueExpr>,
        within: Option<Within>,
        span: Span,
    ) -> Option<Typed> {
        let name = function.get().name;
        self.second_argument(function, &mut args)?;
        let in_time = matches!(function, FunctionId::FIRST | FunctionId::LAST | FunctionId::NTH);
        if in_time && matches!(over, Over::Relationship(_)) {
            let message = format!("{}: `{name}` needs an event: related rows have no order in time", self.subject);
            let hint = "use `min`, `max` or `most_frequent`";
            self.out.push(Diagnostic::error(Code::MisplacedAggregate, span, message).hint(hint));
            return None;
        }
        let types: Vec<Type> = args.iter().map(|a| a.expr.ty.clone()).collect();
        let Some(ty) = (function.get().result)(&types) else {
            let found = types.iter().map(word).collect::<Vec<_>>().join(", ");
            return self.refuse(function, span, format!("{}: `{name}` does not take ({found})", self.subject));
        };
        // A number of values, or that there is one, tells nothing of the values.
        let counts = matches!(function, FunctionId::COUNT | FunctionId::COUNT_DISTINCT | FunctionId::EXISTS);
        let parts: Vec<&Typed> = if counts { Vec::new() } else { args.iter().collect() };
        let pii = super::typing::first_pii(&parts, &ty);
        let args = args.into_iter().map(|a| a.expr).collect();
        let gather = Gather { over, function, args, filter, within };
        let expr = Expr::leaf(Leaf::Aggregate(Box::new(gather)), ty);
        Some(Typed { expr, span, declared: None, pii })
    }

    /// The constant that some aggregates take besides the value.
    fn second_argument(&mut self, function: FunctionId, args: &mut [Typed]) -> Option<()> {
        /// The last event that `nth` takes, and the most values that `array_agg` keeps.
        const MOST: i64 = 1_000;
        let Some(second) = args.get(1).cloned() else { return Some(()) };
        match function {
            FunctionId::NTH | FunctionId::ARRAY_AGG => {
                self.constant_count(function, &second, 1..=MOST)?;
            }
            FunctionId::PERCENTILE => {
                let share = coerce(second.expr, &Type::Float, None);
                let ExprKind::Literal(Literal::Float(0.0..=1.0)) = share.kind else {
                    let message = format!("{}: the share of `percentile` is a number from 0 to 1", self.subject);
                    return self.refuse(function, second.span, message);
                };
                args[1].expr = share;
            }
            _ => {}
        }
        Some(())
    }

    /// The entity whose rows are gathered; an aggregate elsewhere is reported.
    fn gathering_entity(&mut self, name: &str, span: Span, scope: &Scope) -> Option<EntityId> {
        let (what, owner) = match scope.row {
            RowId::Entity(entity) if scope.gathered.is_none() && !scope.related => return Some(entity),
            row if scope.related => ("the condition of `related`", row),
            row => ("another aggregate", row),
        };
        let message = format!("{}: `{name}` stands inside {what}", self.subject);
        let hint = match owner {
            RowId::Entity(_) => {
                format!(
                    "declare a computed field of {} with `{name}`, and use that here",
                    self.catalogue.describe(owner)
                )
            }
            RowId::Event(..) => "declare the inner one as a computed field, and compare outside".to_owned(),
        };
        self.out.push(Diagnostic::error(Code::MisplacedAggregate, span, message).hint(hint));
        None
    }

    /// The event or relationship that the names in the arguments begin with.
    fn gathered(&mut self, name: &str, call: &Call, entity: EntityId, span: Span) -> Option<Over> {
        let mut paths = Vec::new();
        call.args.iter().for_each(|arg| collect_paths(arg, &mut paths));
        let row = RowId::Entity(entity);
        let mut found: Option<(Over, &Name)> = None;
        let mut unknown = None;
        for path in &paths {
            let Some(first) = path.first() else { continue };
            let over = match self.catalogue.member(row, &first.text) {
                Some(Member::Event(event)) => Over::Event(EventId(event)),
                Some(Member::Relationship(index))
                    if self.catalogue.relationship(row, index).kind == RelationshipKind::OneToMany =>
                {
                    Over::Relationship(RelationshipId(index))
                }
                Some(Member::Broken) => return None,
                None => {
                    unknown.get_or_insert(*path);
                    continue;
                }
                Some(_) => continue,
            };
            match found {
                Some((other, other_name)) if other != over => {
                    let message = format!(
                        "{}: `{name}` gathers `{}` and `{}` at once",
                        self.subject, other_name.text, first.text
                    );
                    let diagnostic = Diagnostic::error(Code::MisplacedAggregate, first.span, message);
                    let hint = "compute two aggregates and combine their results";
                    self.out.push(diagnostic.also(other_name.span, "the first").hint(hint));
                    return None;
                }
                _ => found = Some((over, first)),
            }
        }
        if let Some((over, _)) = found {
            return Some(over);
        }
        if let Some(path) = unknown {
            let place = path.first().map_or(span, |n| n.span);
            self.path(path, place, &Scope::of(entity));
            return None;
        }
        let message = format!("{}: `{name}` needs an event or a one-to-many relationship", self.subject);
        let info = &self.catalogue.entities[entity.0];
        let example = info.events.first().map(|e| e.name.as_str());
        let hint = match (example, name) {
            (Some(event), "count" | "exists") => format!("name what it gathers: `{name}({event})`"),
            (Some(event), _) => format!("name what it gathers: `{name}({event}.…)`"),
            (None, _) => format!("entity `{}` has no events: declare one under `events:`", info.name),
        };
        self.out.push(Diagnostic::error(Code::MisplacedAggregate, span, message).hint(hint));
        None
    }

    fn gathered_row(&self, entity: EntityId, over: Over) -> (RowId, String) {
        let info = &self.catalogue.entities[entity.0];
        match over {
            Over::Event(event) => (RowId::Event(entity, event), info.events[event.0].name.clone()),
            Over::Relationship(relationship) => {
                let info = &info.relationships[relationship.0];
                (RowId::Entity(info.to.unwrap_or(entity)), info.name.clone())
            }
        }
    }

    fn example_column(&self, row: RowId) -> String {
        let source = self.catalogue.row_source(row).map(|s| &s.source);
        let column = source.and_then(|s| s.columns.iter().find(|c| c.ty.is_number()).or(s.columns.first()));
        column.map_or_else(|| "…".to_owned(), |c| c.name.clone())
    }

    /// `Some(None)`: there is none. `None`: it is wrong.
    fn filter(&mut self, filter: Option<&Ast>, scope: &Scope) -> Option<Option<ValueExpr>> {
        match filter {
            None => Some(None),
            Some(ast) => self.condition(ast, scope, "what follows `where`").map(|t| Some(t.expr)),
        }
    }

    /// The window of an aggregate: its own, or that of the field it stands in.
    fn within(&mut self, own: Option<&Spanned<String>>, over: Over, qualifier: &str) -> Option<Option<Within>> {
        match (own, over) {
            (None, Over::Relationship(_)) => Some(None),
            (None, Over::Event(_)) => {
                self.within_used |= self.within.is_some();
                Some(self.within)
            }
            (Some(text), Over::Relationship(_)) => {
                let message = format!("{}: `{qualifier}` is a relationship, which has no time", self.subject);
                let hint = "declare it as an event with `at:`, or compare a date in `where`";
                self.out.push(Diagnostic::error(Code::InvalidWindow, text.span, message).hint(hint));
                None
            }
            (Some(text), Over::Event(_)) => {
                parse_window(text).map_err(|diagnostic| self.out.push(diagnostic)).ok().map(Some)
            }
        }
    }

    /// A `related:` condition over a one-to-many relationship: that there is such a row, or how many.
    pub fn related_many(&mut self, related: &Related, span: Span, scope: &Scope) -> Option<Typed> {
        let Related { name, filter, within, count } = related;
        let call = |function: &str| Ast {
            kind: AstKind::Call(Box::new(Call {
                name: Name { text: function.to_owned(), quoted: false, span },
                args: vec![Ast { kind: AstKind::Path(vec![name.clone()]), span: name.span }],
                filter: filter.clone(),
                within: within.clone(),
                over: None,
            })),
            span,
        };
        let Some(count) = count else { return self.check(&call("exists"), scope) };
        let number = call("count");
        let mut conditions = Vec::new();
        for (function, value) in count {
            let compare = Ast::binary(*function, number.clone(), value.clone(), value.span);
            conditions.push(self.check(&compare, scope)?.expr);
        }
        let all = chain(FunctionId::AND, conditions).unwrap_or_else(|| Expr::literal(Literal::Boolean(true)));
        Some(typed(all, span, &[]))
    }
}

/// Every path in an expression, calls inside included.
fn collect_paths<'a>(ast: &'a Ast, out: &mut Vec<&'a [Name]>) {
    match &ast.kind {
        AstKind::Path(names) => out.push(names),
        AstKind::Literal(_) | AstKind::Segment(_) | AstKind::Related(_) => {}
        AstKind::Operator(_, operands) => operands.iter().for_each(|o| collect_paths(o, out)),
        AstKind::Call(call) => call.args.iter().for_each(|a| collect_paths(a, out)),
        AstKind::Case { branches, otherwise } => {
            for (when, then) in branches {
                collect_paths(when, out);
                collect_paths(then, out);
            }
            otherwise.iter().for_each(|o| collect_paths(o, out));
        }
        AstKind::Cast { operand, .. } => collect_paths(operand, out),
    }
}
