//! From condition trees to expressions, so that both spellings of a condition are checked by the same
//! rules. A value of the tree stays data: it becomes a constant and nothing else.

use springline_ir::{FunctionId, Literal};

use crate::expr::{self, Ast, AstKind, Call, Name, Quantifier, Related, plain_literal};
use crate::syntax::{
    Comparators, ConditionDecl, ConditionKind, EventCondition, FieldCondition, Places, RelatedCondition, Scalar,
    SegmentCondition, Spanned, Value,
};
use crate::{Code, Diagnostic, SourceMap, Span};

use super::samples;

/// Reads conditions.
pub(crate) struct Conditions<'a> {
    pub sources: &'a SourceMap,
    pub out: &'a mut Vec<Diagnostic>,
}

impl Conditions<'_> {
    /// The expression that a condition stands for. `None` if it cannot be read, which is reported.
    pub fn read(&mut self, condition: &ConditionDecl) -> Option<Ast> {
        let span = condition.span;
        match &condition.kind {
            ConditionKind::Text(text) => expr::parse(self.sources, text, self.out),
            ConditionKind::All(conditions) => self.list(FunctionId::AND, conditions, span),
            ConditionKind::Any(conditions) => self.list(FunctionId::OR, conditions, span),
            ConditionKind::Not(condition) => self.read(condition).map(|ast| Ast::not(ast, span)),
            ConditionKind::Field(condition) => self.field(condition, span),
            ConditionKind::Event(condition) => self.event(condition, span),
            ConditionKind::Related(condition) => self.related(condition, span),
            ConditionKind::Sample(sample) => Some(samples::call(sample, span)),
            ConditionKind::Segment(condition) => self.segment(condition, span),
        }
    }

    fn list(&mut self, function: FunctionId, conditions: &[ConditionDecl], span: Span) -> Option<Ast> {
        let read: Vec<Option<Ast>> = conditions.iter().map(|c| self.read(c)).collect();
        let operands: Vec<Ast> = read.into_iter().collect::<Option<_>>()?;
        joined(function, operands, span)
    }

    fn field(&mut self, condition: &FieldCondition, span: Span) -> Option<Ast> {
        let path = self.path(&condition.field)?;
        let mut all = self.compare(&path, &condition.comparators(), span)?;
        all.extend(self.lists(&path, &condition.r#in, &condition.not_in, span)?);
        if let Some(pattern) = &condition.like {
            all.push(Ast::binary(FunctionId::LIKE, path.clone(), self.value(&pattern.0)?, span));
        }
        let calls = [
            ("starts_with", &condition.starts_with),
            ("ends_with", &condition.ends_with),
            ("contains", &condition.contains),
            ("regex_match", &condition.matches),
            ("birthday_within", &condition.birthday_within),
        ];
        for (function, value) in calls {
            if let Some(value) = value {
                all.push(Ast::call(function, vec![path.clone(), self.value(&value.0)?], value.0.span));
            }
        }
        if let Some(within) = &condition.within {
            all.push(windowed("in_window", path.clone(), within));
        }
        if let Some(wanted) = &condition.is_null {
            let function = if wanted.value { FunctionId::IS_NULL } else { FunctionId::IS_NOT_NULL };
            all.push(Ast { kind: AstKind::Operator(function, vec![path.clone()]), span });
        }
        if all.is_empty() {
            if self.has_problem_in(span) {
                return None;
            }
            let message = format!("nothing is asked of `{}`", condition.field.value);
            self.out.push(Diagnostic::error(Code::MissingKey, condition.field.span, message).hint(
                "add a comparison: `eq ne gt gte lt lte in not_in between like starts_with ends_with contains \
                           matches within birthday_within is_null`",
            ));
            return None;
        }
        joined(FunctionId::AND, all, span)
    }

    /// `in` and `not_in`.
    fn lists(
        &mut self,
        operand: &Ast,
        wanted: &Option<Vec<Value>>,
        unwanted: &Option<Vec<Value>>,
        span: Span,
    ) -> Option<Vec<Ast>> {
        let mut all = Vec::new();
        for (list, negated) in [(wanted, false), (unwanted, true)] {
            let Some(values) = list else { continue };
            if values.is_empty() {
                let diagnostic = Diagnostic::error(Code::InvalidValue, span, "a list of no values");
                self.out.push(diagnostic.hint("list at least one value"));
                return None;
            }
            let mut operands = vec![operand.clone()];
            for value in values {
                operands.push(self.value(&value.0)?);
            }
            let ast = Ast { kind: AstKind::Operator(FunctionId::IN, operands), span };
            all.push(if negated { Ast::not(ast, span) } else { ast });
        }
        Some(all)
    }

    fn event(&mut self, condition: &EventCondition, span: Span) -> Option<Ast> {
        let event = whole_name(&condition.event);
        let filter = self.filter(&condition.r#where)?;
        let gather = |function: &str, path: Vec<Name>, span: Span| {
            let args = vec![Ast { kind: AstKind::Path(path), span }];
            let name = Name { text: function.to_owned(), quoted: false, span };
            let (filter, within) = (filter.clone(), condition.within.clone());
            let call = Call { name, args, filter, within, slice: None, over: None };
            Ast { kind: AstKind::Call(Box::new(call)), span }
        };
        let mut all = Vec::new();
        if let Some(compare) = &condition.count {
            let count = gather("count", vec![event.clone()], event.span);
            all.extend(self.comparisons(&count, &compare.comparators(), "count", &condition.event, span)?);
        }
        for (function, decl) in condition.aggregates() {
            let Some(decl) = decl else { continue };
            let mut path = self.names(&decl.of)?;
            if path.len() == 1 || path.first().is_some_and(|first| first.text != event.text) {
                path.insert(0, event.clone());
            }
            let aggregate = gather(function, path, decl.of.span);
            let lists = self.lists(&aggregate, &decl.r#in, &decl.not_in, span)?;
            if lists.is_empty() {
                all.extend(self.comparisons(&aggregate, &decl.comparators(), function, &decl.of, span)?);
            } else {
                all.extend(self.compare(&aggregate, &decl.comparators(), span)?);
                all.extend(lists);
            }
        }
        if !condition.then.is_empty() || condition.without.is_some() {
            all.push(self.sequence(condition, gather("step", vec![event.clone()], event.span), span)?);
        }
        if let Some(quantifier) = &condition.r#match {
            let (path, within) = (vec![event], condition.within.clone());
            all.push(related(Related { quantifier: quantifier.value, path, filter, within }, span));
        } else if all.is_empty() {
            all.push(gather("exists", vec![event.clone()], event.span));
        }
        joined(FunctionId::AND, all, span)
    }

    /// `sequence(step(…), step(…), without(…))`.
    fn sequence(&mut self, condition: &EventCondition, first: Ast, span: Span) -> Option<Ast> {
        let mut steps = vec![first];
        let then = condition.then.iter().map(|step| ("step", step));
        for (function, step) in then.chain(condition.without.iter().map(|step| ("without", step))) {
            let event = whole_name(&step.event);
            let name = Name { text: function.to_owned(), quoted: false, span: event.span };
            let (filter, within) = (self.filter(&step.r#where)?, step.within.clone());
            let (span, args) = (event.span, vec![Ast::name(event)]);
            let call = Call { name, args, filter, within, slice: None, over: None };
            steps.push(Ast { kind: AstKind::Call(Box::new(call)), span });
        }
        Some(Ast::call("sequence", steps, span))
    }

    /// `Some(None)`: there is none. `None`: it cannot be read.
    fn filter(&mut self, filter: &Option<ConditionDecl>) -> Option<Option<Ast>> {
        match filter {
            Some(filter) => self.read(filter).map(Some),
            None => Some(None),
        }
    }

    fn related(&mut self, condition: &RelatedCondition, span: Span) -> Option<Ast> {
        let filter = self.filter(&condition.r#where)?;
        let path = self.names(&condition.related)?;
        let within = condition.within.clone();
        let Some(compare) = &condition.count else {
            let quantifier = condition.r#match.as_ref().map_or(Quantifier::Any, |q| q.value);
            return Some(related(Related { quantifier, path, filter, within }, span));
        };
        let place = condition.related.span;
        if let Some(quantifier) = &condition.r#match {
            let message = "a condition has either `count` or `match`";
            let diagnostic = Diagnostic::error(Code::WrongShape, quantifier.span, message);
            self.out.push(diagnostic.hint("put the two into a list under `all:`"));
            return None;
        }
        let name = Name { text: "count".to_owned(), quoted: false, span: place };
        let args = vec![Ast { kind: AstKind::Path(path), span: place }];
        let call = Call { name, args, filter, within, slice: None, over: None };
        let count = Ast { kind: AstKind::Call(Box::new(call)), span: place };
        let all = self.comparisons(&count, &compare.comparators(), "count", &condition.related, span)?;
        joined(FunctionId::AND, all, span)
    }

    fn segment(&mut self, condition: &SegmentCondition, span: Span) -> Option<Ast> {
        let name = &condition.segment;
        let path = || Ast::name(whole_name(name));
        let mut all = Vec::new();
        for (function, within) in
            [("entered", &condition.entered), ("exited", &condition.exited), ("stayed", &condition.stayed)]
        {
            all.extend(within.as_ref().map(|within| windowed(function, path(), within)));
        }
        if let Some(ever) = &condition.ever {
            let asked = Ast::call("ever_member", vec![path()], name.span);
            all.push(if ever.value { asked } else { Ast::not(asked, ever.span) });
        }
        if all.is_empty() {
            return Some(Ast { kind: AstKind::Segment(name.clone()), span: name.span });
        }
        joined(FunctionId::AND, all, span)
    }

    /// The comparisons of a number, of which there must be one.
    fn comparisons(
        &mut self,
        number: &Ast,
        compare: &Comparators,
        what: &str,
        name: &Spanned<String>,
        span: Span,
    ) -> Option<Vec<Ast>> {
        let comparisons = self.compare(number, compare, span)?;
        if comparisons.is_empty() {
            if self.has_problem_in(span) {
                return None;
            }
            let message = format!("nothing is asked of the `{what}` of `{}`", name.value);
            let hint = "add a comparison: `eq ne gt gte lt lte between`";
            self.out.push(Diagnostic::error(Code::MissingKey, name.span, message).hint(hint));
            return None;
        }
        Some(comparisons)
    }

    fn compare(&mut self, operand: &Ast, compare: &Comparators, span: Span) -> Option<Vec<Ast>> {
        let mut all = Vec::new();
        for (function, value) in compare.values {
            if let Some(value) = value {
                all.push(Ast::binary(function, operand.clone(), self.value(&value.0)?, span));
            }
        }
        match compare.between {
            None => {}
            Some([low, high]) => {
                let (low, high) = (self.value(&low.0)?, self.value(&high.0)?);
                all.push(Ast::binary(FunctionId::GE, operand.clone(), low, span));
                all.push(Ast::binary(FunctionId::LE, operand.clone(), high, span));
            }
            Some(_) => {
                let diagnostic = Diagnostic::error(Code::InvalidValue, span, "`between` takes two values");
                self.out.push(diagnostic.hint("write `between: [1, 10]`; both are included"));
                return None;
            }
        }
        Some(all)
    }

    /// A value of the YAML as a constant.
    pub fn value(&mut self, value: &Spanned<Scalar>) -> Option<Ast> {
        match plain_literal(&value.value) {
            Some(literal) => Some(Ast { kind: AstKind::Literal(literal), span: value.span }),
            None => {
                let message = format!("the number {} is out of range", value.value.text);
                let hint = "integers have 64 bits, decimals at most 38 digits";
                self.out.push(Diagnostic::error(Code::InvalidValue, value.span, message).hint(hint));
                None
            }
        }
    }

    /// Whether something was reported there, such as a misspelt key.
    fn has_problem_in(&self, span: Span) -> bool {
        let inside = |s: Span| s.file == span.file && s.start >= span.start && s.end <= span.end;
        self.out.iter().any(|d| inside(d.primary.span))
    }

    fn path(&mut self, text: &Spanned<String>) -> Option<Ast> {
        Some(Ast { kind: AstKind::Path(self.names(text)?), span: text.span })
    }

    /// The parts of a dotted path, each at its place.
    pub fn names(&mut self, text: &Spanned<String>) -> Option<Vec<Name>> {
        let places = Places::new(self.sources, text.span, &text.value);
        let mut names = Vec::new();
        let mut at = 0;
        for part in text.value.split('.') {
            if part.trim().is_empty() || part.trim() != part || part.contains('(') {
                let message = format!("`{}` is no name", text.value);
                let hint = "name a column, a field or a path such as `household.size`; an expression goes into a text \
                            condition";
                self.out.push(Diagnostic::error(Code::InvalidExpression, text.span, message).hint(hint));
                return None;
            }
            names.push(Name { text: part.to_owned(), quoted: false, span: places.span(at, at + part.len()) });
            at += part.len() + 1;
        }
        Some(names)
    }
}

fn whole_name(text: &Spanned<String>) -> Name {
    Name { text: text.value.clone(), quoted: false, span: text.span }
}

fn related(related: Related, span: Span) -> Ast {
    Ast { kind: AstKind::Related(Box::new(related)), span }
}

/// A call of one argument with a window.
fn windowed(function: &str, arg: Ast, within: &Spanned<String>) -> Ast {
    let name = Name { text: function.to_owned(), quoted: false, span: arg.span };
    let span = arg.span;
    let call = Call { name, args: vec![arg], filter: None, within: Some(within.clone()), slice: None, over: None };
    Ast { kind: AstKind::Call(Box::new(call)), span }
}

/// One condition of several; a single one stays as it is.
pub(super) fn joined(function: FunctionId, mut operands: Vec<Ast>, span: Span) -> Option<Ast> {
    match operands.len() {
        0 => None,
        1 => operands.pop(),
        _ => Some(Ast { kind: AstKind::Operator(function, operands), span }),
    }
}

/// The tree of `bucket:`: the label of the first bound that is above the value, else the last label.
/// Null belongs to no range.
pub(super) fn bucket(of: &Ast, bounds: Vec<Ast>, labels: Vec<Ast>, span: Span) -> Ast {
    let mut branches = Vec::new();
    let last = bounds.last().cloned();
    let mut labels = labels.into_iter();
    for bound in bounds {
        let below = bound.span;
        branches.extend(labels.next().map(|l| (Ast::binary(FunctionId::LT, of.clone(), bound, below), l)));
    }
    if let (Some(bound), Some(label)) = (last, labels.next()) {
        let place = bound.span;
        branches.push((Ast::binary(FunctionId::GE, of.clone(), bound, place), label));
    }
    Ast { kind: AstKind::Case { branches, otherwise: None }, span }
}

/// A text constant.
pub(super) fn text(value: &Spanned<String>) -> Ast {
    Ast { kind: AstKind::Literal(Literal::String(value.value.clone())), span: value.span }
}
