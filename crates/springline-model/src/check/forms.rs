//! Conditions that have a form of their own: on related rows, on the order of events, on membership and
//! its history, on dates in a window.

use springline_ir::{Expr, FunctionId, Literal, Type};

use crate::expr::{Ast, AstKind, Call, Name, Quantifier, Related, Window, parse_length};
use crate::syntax::Spanned;
use crate::{
    Asked, Code, Diagnostic, Edge, EntityId, EventId, History, Leaf, Over, Period, RelationshipKind, RowId, SegmentId,
    Sequence, SequenceStep, Span, ValueExpr,
};

use super::aggregates::{by_date, later, through};
use super::catalogue::Member;
use super::entities::OWNER;
use super::scope::Scope;
use super::typing::{Typer, chain, typed, word};
use super::unify::Typed;

/// A form that is written like a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Sequence,
    InWindow,
    Entered,
    Exited,
    Stayed,
    EverMember,
}

impl Form {
    const NAMES: &'static [(&'static str, Form)] = &[
        ("sequence", Form::Sequence),
        ("in_window", Form::InWindow),
        ("entered", Form::Entered),
        ("exited", Form::Exited),
        ("stayed", Form::Stayed),
        ("ever_member", Form::EverMember),
    ];

    /// The form of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(own, _)| name.eq_ignore_ascii_case(own)).map(|(_, form)| *form)
    }

    fn example(self) -> &'static str {
        match self {
            Form::Sequence => "sequence(step(cart within 30 days), step(purchase within 7 days))",
            Form::InWindow => "in_window(renewal_on within next 30 days)",
            Form::Entered => "entered(vip within 7 days)",
            Form::Exited => "exited(vip within 7 days)",
            Form::Stayed => "stayed(vip within 30 days)",
            Form::EverMember => "ever_member(vip)",
        }
    }
}

impl Typer<'_> {
    /// A form that is written like a call.
    pub fn form(&mut self, form: Form, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        if call.over.is_some() || call.filter.is_some() || (form != Form::Sequence && call.args.len() != 1) {
            return self.misused(form, span);
        }
        match form {
            Form::Sequence => self.sequence(call, span, scope),
            Form::InWindow => self.in_window(call, span, scope),
            Form::Entered | Form::Exited | Form::Stayed | Form::EverMember => self.history(form, call, span, scope),
        }
    }

    fn misused<T>(&mut self, form: Form, span: Span) -> Option<T> {
        let message = format!("{}: this is not how it is asked", self.subject);
        let diagnostic = Diagnostic::error(Code::InvalidArguments, span, message);
        self.out.push(diagnostic.hint(format!("write it as in `{}`", form.example())));
        None
    }

    /// Membership of a segment, in the run that is computed.
    pub fn segment(&mut self, name: &Spanned<String>, scope: &Scope) -> Option<Typed> {
        let id = self.own_segment(name, scope)?;
        if self.is_field && (scope.gathered.is_some() || scope.related) {
            let message = format!("{} asks for membership of a segment of other rows", self.subject);
            let hint = "ask in a segment, or declare a computed field of that entity with it and use that here";
            self.out.push(Diagnostic::error(Code::WrongEntity, name.span, message).hint(hint));
            return None;
        }
        self.segments.push(id);
        Some(typed(Expr::leaf(Leaf::Segment(id), Type::Boolean), name.span, &[]))
    }

    /// A segment of the row's entity.
    fn own_segment(&mut self, name: &Spanned<String>, scope: &Scope) -> Option<SegmentId> {
        let quiet = self.catalogue.incomplete;
        let id = self.catalogue.segment_names.find(name, quiet, self.out)?;
        let segment = &self.catalogue.segments[id];
        let entity = segment.entity?;
        if scope.row != RowId::Entity(entity) {
            let message = format!(
                "segment `{}` is of {}, {} of {}",
                name.value,
                self.catalogue.describe(RowId::Entity(entity)),
                if scope.gathered.is_some() || scope.related { "this condition" } else { self.subject },
                self.catalogue.describe(scope.row),
            );
            let diagnostic = Diagnostic::error(Code::WrongEntity, name.span, message);
            let hint = "refer to segments of the same entity";
            self.out.push(diagnostic.also(segment.span, format!("`{}` is declared here", name.value)).hint(hint));
            return None;
        }
        Some(SegmentId(id))
    }

    /// What the runs have kept of a membership.
    fn history(&mut self, form: Form, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let [Ast { kind: AstKind::Path(names), span: place }] = call.args.as_slice() else {
            return self.misused(form, span);
        };
        let [name] = names.as_slice() else { return self.misused(form, span) };
        let segment = self.own_segment(&Spanned { value: name.text.clone(), span: *place }, scope)?;
        let asked = match (form, &call.within) {
            (Form::EverMember, None) => Asked::Ever,
            (Form::Stayed, Some(text)) => {
                Asked::Stayed(parse_length(text).map_err(|diagnostic| self.out.push(diagnostic)).ok()?)
            }
            (Form::Entered, Some(text)) => Asked::Entered(self.period(text)?),
            (Form::Exited, Some(text)) => Asked::Exited(self.period(text)?),
            _ => return self.misused(form, span),
        };
        let leaf = Leaf::History(Box::new(History { segment, asked }));
        Some(typed(Expr::leaf(leaf, Type::Boolean), span, &[]))
    }

    /// A window that is the same for all rows.
    fn period(&mut self, text: &Spanned<String>) -> Option<Period> {
        match self.window_text(text)? {
            Window::Period(period) => Some(period),
            Window::Each(_) | Window::Relative(_) => {
                let message = format!("{}: this window must be the same for all rows", self.subject);
                let hint = "write it as in `90 days`, `last month` or `between 2024-01-01 and 2024-03-31`";
                self.out.push(Diagnostic::error(Code::InvalidWindow, text.span, message).hint(hint));
                None
            }
        }
    }

    /// A date of the row in a window.
    fn in_window(&mut self, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let (Some(date), Some(text)) = (call.args.first(), &call.within) else {
            return self.misused(Form::InWindow, span);
        };
        let operand = self.check(date, scope)?;
        if !operand.expr.ty.is_temporal() {
            let found = word(&operand.expr.ty);
            let message = format!("{} asks whether {found} lies in a window of time", self.subject);
            let hint = "use a column or field of type `date` or `timestamp`";
            self.out.push(Diagnostic::error(Code::TypeMismatch, operand.span, message).label(found).hint(hint));
            return None;
        }
        let period = match self.window_text(text)? {
            Window::Period(period) => period,
            Window::Relative(relative) => {
                return self.check(&by_date(date.clone(), &relative, &[], text.span), scope);
            }
            Window::Each(_) => return self.period(text).and(None),
        };
        let edges = match period {
            Period::Between { from, to } => [from.map(|_| Edge::Start), to.map(|_| Edge::End)],
            Period::Rolling { .. } | Period::Calendar { .. } => [Some(Edge::Start), Some(Edge::End)],
        };
        let ty = operand.expr.ty.clone();
        let bounds = edges.into_iter().flatten().map(|edge| {
            let function = if edge == Edge::Start { FunctionId::GE } else { FunctionId::LT };
            let bound = Expr::leaf(Leaf::PeriodEdge(period, edge), ty.clone());
            Expr::compare(function, operand.expr.clone(), bound)
        });
        Some(typed(chain(FunctionId::AND, bounds.collect())?, span, &[]))
    }

    /// Events in an order.
    fn sequence(&mut self, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let RowId::Entity(entity) = scope.row else {
            let message = format!("{}: a sequence stands inside an event's condition", self.subject);
            let hint = "ask for it beside the condition on the event";
            self.out.push(Diagnostic::error(Code::MisplacedAggregate, span, message).hint(hint));
            return None;
        };
        if call.within.is_some() || call.args.len() < 2 {
            return self.misused(Form::Sequence, span);
        }
        let mut steps: Vec<SequenceStep> = Vec::new();
        let mut without = None;
        let as_instants = self.as_instants(entity, call);
        for (i, arg) in call.args.iter().enumerate() {
            let (is_step, event, part) = match &arg.kind {
                AstKind::Path(_) => (true, arg, None),
                AstKind::Call(part) if part.args.len() == 1 && part.over.is_none() => {
                    let is_step = part.name.text.eq_ignore_ascii_case("step");
                    let is_without = part.name.text.eq_ignore_ascii_case("without") && i > 0;
                    if !(is_step || is_without && i + 1 == call.args.len()) {
                        return self.misused(Form::Sequence, arg.span);
                    }
                    (is_step, &part.args[0], Some(&**part))
                }
                _ => return self.misused(Form::Sequence, arg.span),
            };
            let step = self.step(entity, event, part, i == 0, as_instants)?;
            if let (Some(text), true) = (part.and_then(|p| p.within.as_ref()), i > 0) {
                let last = steps.len() - 1;
                steps[last].deadline = Some(self.deadline(entity, steps[last].event, text, as_instants)?);
            }
            if is_step { steps.push(step) } else { without = Some(step) }
        }
        let last = steps.pop()?;
        let leaf = Leaf::Sequence(Box::new(Sequence { earlier: steps, last, without }));
        Some(typed(Expr::leaf(leaf, Type::Boolean), span, &[]))
    }

    /// Whether one of the events has an instant: then days count as their first instant.
    fn as_instants(&self, entity: EntityId, call: &Call) -> bool {
        let event = |arg: &Ast| match &arg.kind {
            AstKind::Path(names) => names.first().map(|n| n.text.clone()),
            AstKind::Call(part) => part.args.first().and_then(|arg| match &arg.kind {
                AstKind::Path(names) => names.first().map(|n| n.text.clone()),
                _ => None,
            }),
            _ => None,
        };
        call.args.iter().filter_map(event).any(|name| {
            let Some(Member::Event(id)) = self.catalogue.member(RowId::Entity(entity), &name) else { return false };
            let at = &self.catalogue.entities[entity.0].events[id].at;
            let column = self.catalogue.column(RowId::Event(entity, EventId(id)), at);
            column.is_some_and(|c| c.ty == Type::Timestamp)
        })
    }

    /// One event of a sequence; only the first has a window of its own.
    fn step(
        &mut self,
        entity: EntityId,
        event: &Ast,
        part: Option<&Call>,
        is_first: bool,
        as_instant: bool,
    ) -> Option<SequenceStep> {
        let AstKind::Path(names) = &event.kind else { return self.misused(Form::Sequence, event.span) };
        let id = match names.as_slice() {
            [name] => match self.catalogue.member(RowId::Entity(entity), &name.text) {
                Some(Member::Event(id)) => EventId(id),
                Some(Member::Broken) => return None,
                Some(_) => return self.misused(Form::Sequence, event.span),
                None => return self.path(names, event.span, &Scope::of(entity)).and(None),
            },
            _ => return self.misused(Form::Sequence, event.span),
        };
        let name = self.catalogue.entities[entity.0].events[id.0].name.clone();
        let row = RowId::Event(entity, id);
        let inner = Scope { row, gathered: Some((Over::Event(id), &name)), related: false, windows: false };
        let mut filters: Vec<ValueExpr> = Vec::new();
        if let Some(filter) = part.and_then(|p| p.filter.as_ref()) {
            filters.push(self.condition(filter, &inner, "what follows `where`")?.expr);
        }
        let mut within = None;
        if let (Some(text), true) = (part.and_then(|p| p.within.as_ref()), is_first) {
            match self.window_text(text)? {
                Window::Relative(relative) => {
                    let at = Ast::name(Name { text: "at".to_owned(), quoted: false, span: text.span });
                    let bounds = by_date(at, &relative, &[OWNER], text.span);
                    filters.push(self.condition(&bounds, &inner, "the window")?.expr);
                }
                _ => within = Some(self.period(text)?),
            }
        }
        let filter = chain(FunctionId::AND, filters);
        let at = self.check(&time_of(as_instant, event.span), &inner)?.expr;
        Some(SequenceStep { event: id, at, filter, within, deadline: None })
    }

    /// The last instant that is at most so long after an event.
    fn deadline(
        &mut self,
        entity: EntityId,
        event: EventId,
        text: &Spanned<String>,
        as_instant: bool,
    ) -> Option<ValueExpr> {
        let length = parse_length(text).map_err(|diagnostic| self.out.push(diagnostic)).ok()?;
        let at = time_of(as_instant, text.span);
        let row = RowId::Event(entity, event);
        let scope = Scope { row, gathered: None, related: false, windows: false };
        Some(self.check(&later(at, length, 1, text.span), &scope)?.expr)
    }

    /// A condition on the rows at the end of a path.
    pub fn related(&mut self, related: &Related, span: Span, scope: &Scope) -> Option<Typed> {
        match related.quantifier {
            Quantifier::Any => self.any_related(related, span, scope),
            Quantifier::None => {
                let any = self.any_related(related, span, scope)?;
                Some(typed(Expr::call(FunctionId::NOT, vec![any.expr], Type::Boolean), span, &[]))
            }
            Quantifier::All => {
                let Some(filter) = &related.filter else {
                    let message = format!("{}: `all` has nothing to ask of the rows", self.subject);
                    let diagnostic = Diagnostic::error(Code::MissingKey, span, message);
                    self.out.push(diagnostic.hint("add a condition: `where`"));
                    return None;
                };
                // What is not known to be true does not meet the condition.
                let no = Ast { kind: AstKind::Literal(Literal::Boolean(false)), span };
                let failed = Ast::not(Ast::call("coalesce", vec![filter.clone(), no], span), span);
                let any = Related { filter: Some(failed), quantifier: Quantifier::Any, ..related.clone() };
                let any = self.any_related(&any, span, scope)?;
                Some(typed(Expr::call(FunctionId::NOT, vec![any.expr], Type::Boolean), span, &[]))
            }
        }
    }

    fn any_related(&mut self, related: &Related, span: Span, scope: &Scope) -> Option<Typed> {
        let mut path = related.path.as_slice();
        if let (Some((_, qualifier)), [first, _, ..]) = (scope.gathered, path)
            && first.text == qualifier
        {
            path = &path[1..];
        }
        let (name, rest) = path.split_first()?;
        // What follows on the path is a condition on the rows that its first name leads to.
        let filter = if rest.is_empty() {
            related.filter.clone()
        } else {
            let rest = Related { path: rest.to_vec(), quantifier: Quantifier::Any, ..related.clone() };
            Some(Ast { kind: AstKind::Related(Box::new(rest)), span })
        };
        let within = related.within.clone().filter(|_| rest.is_empty());
        let index = match self.catalogue.member(scope.row, &name.text) {
            Some(Member::Relationship(index)) => index,
            Some(Member::Broken) => return None,
            Some(Member::Event(_)) => return self.exists(name.clone(), filter, within, span, scope),
            Some(_) => {
                let message = format!("`{}` is no relationship of {}", name.text, self.catalogue.describe(scope.row));
                let hint = "use `field:` for columns and fields, `event:` for events";
                self.out.push(Diagnostic::error(Code::UnknownName, name.span, message).hint(hint));
                return None;
            }
            None => return self.path(std::slice::from_ref(name), name.span, scope),
        };
        let relationship = self.catalogue.relationship(scope.row, index);
        let to = relationship.to?;
        if relationship.kind == RelationshipKind::OneToMany {
            return self.exists(name.clone(), filter, within, span, scope);
        }
        if let Some(within) = &within {
            let message = format!("`{}` leads to at most one row, which has no time: it has no `within`", name.text);
            self.out.push(
                Diagnostic::error(Code::MisplacedAggregate, within.span, message)
                    .hint("leave it out: the condition is true where the row exists and meets `where`"),
            );
            return None;
        }
        let key = self.catalogue.entities[to.0].primary_key.clone();
        let source = self.catalogue.row_source(RowId::Entity(to))?;
        let ty = source.source.column(&key)?.ty.clone();
        let key: ValueExpr = through(Expr::leaf(Leaf::Column(key), ty), index);
        let exists = Expr::call(FunctionId::IS_NOT_NULL, vec![key], Type::Boolean);
        let Some(filter) = &filter else { return Some(typed(exists, span, &[])) };
        // The name that an aggregate gathers under stands for another row here.
        let gathered = scope.gathered.map(|(over, _)| (over, ""));
        let inner = Scope { row: RowId::Entity(to), gathered, related: true, windows: false };
        let filter = self.condition(filter, &inner, "the condition of `related`")?;
        // Where there is no such row, or the condition is null, it is not met.
        let filter = through(filter.expr, index).or_else(Expr::literal(Literal::Boolean(false)));
        Some(typed(chain(FunctionId::AND, vec![exists, filter])?, span, &[]))
    }

    /// That there is one of many rows.
    fn exists(
        &mut self,
        name: Name,
        filter: Option<Ast>,
        within: Option<Spanned<String>>,
        span: Span,
        scope: &Scope,
    ) -> Option<Typed> {
        let function = Name { text: "exists".to_owned(), quoted: false, span };
        let args = vec![Ast::name(name)];
        let call = Call { name: function, args, filter, within, slice: None, over: None };
        self.check(&Ast { kind: AstKind::Call(Box::new(call)), span }, scope)
    }
}

/// The time of an event.
fn time_of(as_instant: bool, span: Span) -> Ast {
    let at = Ast::name(Name { text: "at".to_owned(), quoted: false, span });
    if !as_instant {
        return at;
    }
    Ast { kind: AstKind::Cast { operand: Box::new(at), ty: Type::Timestamp, lenient: false }, span }
}
