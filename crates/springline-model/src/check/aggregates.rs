//! Aggregates: what they gather, over which window, and where they cannot stand.

use springline_ir::{Expr, ExprKind, FunctionId, Literal, Type};

use crate::expr::{Ast, AstKind, Call, Name, Relative, Side, Window, parse_window};
use crate::syntax::Spanned;
use crate::{
    Code, Diagnostic, EntityId, EventId, Gather, Leaf, Over, Period, RelationshipId, RelationshipKind, RowId, Span,
    Unit, ValueExpr, Within,
};

use super::catalogue::Member;
use super::entities::OWNER;
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
        let call = &unqualified(call, scope);
        if let (Some(count), None, FunctionId::EXISTS) = (slices_of(call), call.slice, function) {
            let each = |slice| self.aggregate(function, &Call { slice: Some(slice), ..call.clone() }, span, scope);
            let all: Vec<Option<Typed>> = (0..count).map(each).collect();
            let all = all.into_iter().map(|t| t.map(|t| t.expr)).collect::<Option<_>>()?;
            return Some(typed(chain(FunctionId::AND, all)?, span, &[]));
        }
        let mut paths = Vec::new();
        call.args.iter().for_each(|arg| collect_paths(arg, &mut paths));
        let hops = paths.first().map_or_else(Vec::new, |path| self.hops(scope.row, path));
        match hops.as_slice() {
            [Hop::One(index, to), rest @ ..] if rest.iter().any(Hop::is_many) => {
                return self.through_one(function, call, (*index, *to), span);
            }
            [Hop::Many(over, row), rest @ ..] if rest.iter().any(Hop::is_many) => {
                return self.through_many(function, call, (*over, *row), span);
            }
            _ => {}
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
        let within = self.within(call, over, &qualifier);
        let (args, filter, (within, bounds)) = (args?, filter?, within?);
        let bounds = self.filter(bounds.as_ref(), &inner)?;
        let filter = chain(FunctionId::AND, filter.into_iter().chain(bounds).collect());
        self.gather(function, over, args, filter, within, span)
    }

    /// The relationships and the event that a path leads over.
    fn hops(&self, row: RowId, path: &[Name]) -> Vec<Hop> {
        let (mut hops, mut row) = (Vec::new(), row);
        for name in path {
            let hop = match (row, self.catalogue.member(row, &name.text)) {
                (RowId::Entity(entity), Some(Member::Event(event))) => {
                    Hop::Many(Over::Event(EventId(event)), RowId::Event(entity, EventId(event)))
                }
                (_, Some(Member::Relationship(index))) => {
                    let relationship = self.catalogue.relationship(row, index);
                    let Some(to) = relationship.to else { break };
                    match relationship.kind {
                        RelationshipKind::ManyToOne => Hop::One(index, to),
                        RelationshipKind::OneToMany => {
                            Hop::Many(Over::Relationship(RelationshipId(index)), RowId::Entity(to))
                        }
                    }
                }
                _ => break,
            };
            row = match hop {
                Hop::One(_, to) => RowId::Entity(to),
                Hop::Many(_, row) => row,
            };
            hops.push(hop);
        }
        hops
    }

    /// An aggregate over what the one related row has: of that row's entity.
    fn through_one(
        &mut self,
        function: FunctionId,
        call: &Call,
        (index, to): (usize, EntityId),
        span: Span,
    ) -> Option<Typed> {
        let call = self.one_step(function, call)?;
        let inner = Scope { row: RowId::Entity(to), related: true, windows: false, gathered: None };
        let typed = self.aggregate(function, &call, span, &inner)?;
        let expr = or_nothing(function, through(typed.expr, index));
        Some(Typed { expr, ..typed })
    }

    /// An aggregate over what many rows have: of the aggregates of each of them.
    fn through_many(
        &mut self,
        function: FunctionId,
        call: &Call,
        (over, row): (Over, RowId),
        span: Span,
    ) -> Option<Typed> {
        let call = self.one_step(function, call)?;
        let name = function.get().name;
        let inner = Scope { row, gathered: Some((over, "")), related: false, windows: false };
        let of_each = |typer: &mut Self, function| typer.aggregate(function, &call, span, &inner);
        match function {
            FunctionId::EXISTS => {
                let filter = of_each(self, function)?.expr;
                self.gather(function, over, Vec::new(), Some(filter), None, span)
            }
            FunctionId::COUNT | FunctionId::SUM | FunctionId::MIN | FunctionId::MAX => {
                let inner = of_each(self, function)?;
                let outer = if function == FunctionId::COUNT { FunctionId::SUM } else { function };
                let typed = self.gather(outer, over, vec![inner], None, None, span)?;
                Some(Typed { expr: or_nothing(function, typed.expr), ..typed })
            }
            FunctionId::AVG => {
                let ty = of_each(self, FunctionId::AVG)?.expr.ty;
                let sum = of_each(self, FunctionId::SUM)?;
                let count = of_each(self, FunctionId::COUNT)?;
                let sum = self.gather(FunctionId::SUM, over, vec![sum], None, None, span)?;
                let count = self.gather(FunctionId::SUM, over, vec![count], None, None, span)?.expr;
                let count = if ty == Type::Float { count.cast(Type::Float) } else { count };
                let quotient = (FunctionId::DIVIDE.get().result)(&[sum.expr.ty.clone(), count.ty.clone()])?;
                let expr = Expr::call(FunctionId::DIVIDE, vec![sum.expr, count], quotient).cast(ty);
                Some(Typed { expr, span, declared: None, pii: sum.pii })
            }
            _ => {
                let message = format!("{}: `{name}` cannot gather over several relationships at once", self.subject);
                let hint = "use `count`, `sum`, `avg`, `min`, `max` or `exists`, or declare a computed field of the \
                            entity in between";
                self.out.push(Diagnostic::error(Code::MisplacedAggregate, span, message).hint(hint));
                None
            }
        }
    }

    /// The call seen from where the first name of its paths leads.
    fn one_step(&mut self, function: FunctionId, call: &Call) -> Option<Call> {
        let mut paths = Vec::new();
        call.args.iter().for_each(|arg| collect_paths(arg, &mut paths));
        let first = paths.first().and_then(|path| path.first())?;
        if let Some(other) = paths.iter().filter_map(|path| path.first()).find(|name| name.text != first.text) {
            let name = function.get().name;
            let message = format!("{}: `{name}` gathers `{}` and `{}` at once", self.subject, first.text, other.text);
            let diagnostic = Diagnostic::error(Code::MisplacedAggregate, other.span, message);
            let hint = "compute two aggregates and combine their results";
            self.out.push(diagnostic.also(first.span, "the first").hint(hint));
            return None;
        }
        let mut call = call.clone();
        call.args.iter_mut().for_each(|arg| {
            each_path(arg, &mut |path| {
                path.remove(0);
            });
        });
        Some(call)
    }

    /// The rest of an aggregate, once its parts are checked.
    fn gather(
        &mut self,
        function: FunctionId,
        over: Over,
        mut args: Vec<Typed>,
        filter: Option<ValueExpr>,
        within: Option<Period>,
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
        if let RowId::Entity(entity) = scope.row {
            return Some(entity);
        }
        let message = format!("{}: `{name}` stands inside another aggregate", self.subject);
        let hint = "declare the inner one as a computed field, and compare outside";
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

    /// The period of an aggregate, from its own window or that of the field it stands in; and what a window by
    /// a date of the entity's row asks of the event's.
    fn within(&mut self, call: &Call, over: Over, qualifier: &str) -> Option<(Option<Period>, Option<Ast>)> {
        let (window, text) = match (&call.within, over) {
            (None, Over::Relationship(_)) => return Some((None, None)),
            (None, Over::Event(_)) => {
                self.within_used |= self.within.is_some();
                match self.within.clone() {
                    Some(window) => window,
                    None => return Some((None, None)),
                }
            }
            (Some(text), Over::Relationship(_)) => {
                let message = format!("{}: `{qualifier}` is a relationship, which has no time", self.subject);
                let hint = "declare it as an event with `at:`, or compare a date in `where`";
                self.out.push(Diagnostic::error(Code::InvalidWindow, text.span, message).hint(hint));
                return None;
            }
            (Some(text), Over::Event(_)) => (self.window_text(text)?, text.clone()),
        };
        match (window, call.slice) {
            (Window::Period(period), _) => Some((Some(period), None)),
            (Window::Each(periods), Some(slice)) => Some((periods.get(slice).copied(), None)),
            (Window::Each(_), None) => {
                let message = format!("{}: a window `each of …` gives one value for each part of it", self.subject);
                let hint = "compare the aggregate itself: `count(purchase within each of 4 weeks) >= 3`";
                self.out.push(Diagnostic::error(Code::InvalidWindow, text.span, message).hint(hint));
                None
            }
            (Window::Relative(relative), _) => {
                let at = Ast::name(Name { text: "at".to_owned(), quoted: false, span: text.span });
                Some((None, Some(by_date(at, &relative, &[OWNER], text.span))))
            }
        }
    }

    /// A window as written.
    pub fn window_text(&mut self, text: &Spanned<String>) -> Option<Window> {
        parse_window(text).map_err(|diagnostic| self.out.push(diagnostic)).ok()
    }
}

/// A step of a path: to one related row, or to many rows.
#[derive(Debug, Clone, Copy)]
enum Hop {
    One(usize, EntityId),
    Many(Over, RowId),
}

impl Hop {
    fn is_many(&self) -> bool {
        matches!(self, Hop::Many(..))
    }
}

/// An expression over a related row, seen from the row that it is related to.
pub(super) fn through(expr: ValueExpr, relationship: usize) -> ValueExpr {
    let mut wrap = |leaf: Leaf, ty: &Type| {
        let leaf = match leaf {
            Leaf::AsOf | Leaf::PeriodEdge(..) => leaf,
            leaf => Leaf::Related { relationship: RelationshipId(relationship), leaf: Box::new(leaf) },
        };
        Ok::<_, std::convert::Infallible>(Expr::leaf(leaf, ty.clone()))
    };
    let Ok(expr) = expr.try_map(&mut wrap);
    expr
}

/// What an aggregate is where there is not even a row that could have something to gather.
fn or_nothing(function: FunctionId, expr: ValueExpr) -> ValueExpr {
    match function {
        FunctionId::COUNT | FunctionId::COUNT_DISTINCT => expr.or_else(Expr::literal(Literal::Integer(0))),
        FunctionId::EXISTS => expr.or_else(Expr::literal(Literal::Boolean(false))),
        _ => expr,
    }
}

/// That a time lies in a stretch by a date, whose path begins with `owner`.
pub(super) fn by_date(at: Ast, relative: &Relative, owner: &[&str], span: Span) -> Ast {
    let name = |text: &str| Name { text: text.to_owned(), quoted: false, span };
    let names = owner.iter().copied().chain(relative.path.split('.')).map(name).collect();
    let date = Ast { kind: AstKind::Path(names), span };
    let (near, far, sign) = match relative.side {
        Side::After => (FunctionId::GE, FunctionId::LT, 1),
        Side::Before => (FunctionId::LT, FunctionId::GE, -1),
    };
    let mut all = vec![Ast::binary(near, at.clone(), date.clone(), span)];
    if let Some(length) = relative.length {
        all.push(Ast::binary(far, at, later(date, length, sign, span), span));
    }
    match <[Ast; 1]>::try_from(all) {
        Ok([only]) => only,
        Err(all) => Ast { kind: AstKind::Operator(FunctionId::AND, all), span },
    }
}

/// A date moved by a length of time.
pub(super) fn later(date: Ast, length: Within, sign: i64, span: Span) -> Ast {
    let unit = match length.unit {
        Unit::Minute => "minute",
        Unit::Hour => "hour",
        Unit::Day => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Quarter => "quarter",
        Unit::Year => "year",
    };
    let literal = |literal| Ast { kind: AstKind::Literal(literal), span };
    let amount = literal(Literal::Integer(sign * i64::from(length.amount)));
    Ast::call("date_add", vec![literal(Literal::String(unit.to_owned())), amount, date], span)
}

/// How many windows an operand asks one by one.
pub(super) fn slices(operand: &Ast) -> Option<usize> {
    match &operand.kind {
        AstKind::Call(call) if call.slice.is_none() => slices_of(call),
        _ => None,
    }
}

fn slices_of(call: &Call) -> Option<usize> {
    let text = call.within.as_ref().filter(|text| text.value.trim_start().to_lowercase().starts_with("each"))?;
    match parse_window(text) {
        Ok(Window::Each(periods)) => Some(periods.len()),
        _ => None,
    }
}

/// The operand in one of its windows.
pub(super) fn sliced(operand: &Ast, slice: usize) -> Ast {
    match &operand.kind {
        AstKind::Call(call) if slices(operand).is_some() => {
            let call = Call { slice: Some(slice), ..(**call).clone() };
            Ast { kind: AstKind::Call(Box::new(call)), span: operand.span }
        }
        _ => operand.clone(),
    }
}

/// The call without the name that the rows around it are gathered under.
fn unqualified(call: &Call, scope: &Scope) -> Call {
    let mut call = call.clone();
    if let Some((_, qualifier)) = scope.gathered {
        call.args.iter_mut().for_each(|arg| {
            each_path(arg, &mut |path| {
                if path.len() > 1 && path[0].text == qualifier {
                    path.remove(0);
                }
            });
        });
    }
    call
}

/// Changes every path in an expression; not those of conditions, which have their own rows.
fn each_path(ast: &mut Ast, change: &mut impl FnMut(&mut Vec<Name>)) {
    match &mut ast.kind {
        AstKind::Path(names) => change(names),
        AstKind::Literal(_) | AstKind::Segment(_) | AstKind::Related(_) => {}
        AstKind::Operator(_, operands) => operands.iter_mut().for_each(|o| each_path(o, change)),
        AstKind::Call(call) => call.args.iter_mut().for_each(|a| each_path(a, change)),
        AstKind::Case { branches, otherwise } => {
            for (when, then) in branches {
                each_path(when, change);
                each_path(then, change);
            }
            otherwise.iter_mut().for_each(|o| each_path(o, change));
        }
        AstKind::Cast { operand, .. } => each_path(operand, change),
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
