//! Calls of named functions: which there are, and what they take. Aggregates are in `aggregates`.

use springline_ir::{Expr, ExprKind, FunctionId, FunctionKind, Literal, OrderBy, Type, WindowCall};

use crate::expr::{Call, Name};
use crate::{Code, Diagnostic, Leaf, Span};

use super::forms::Form;
use super::names::with_suggestion;
use super::samples::SAMPLE;
use super::scope::Scope;
use super::typing::{Typer, first_pii, typed, word};
use super::unify::{Typed, coerce};

/// The units that a date is cut to, and the parts that are taken of one.
const TRUNC_UNITS: &[&str] = &["day", "week", "month", "quarter", "year"];
const EXTRACT_PARTS: &[&str] = &["year", "quarter", "month", "day", "hour"];
/// The run's clock.
pub(super) const AS_OF: &str = "as_of";
/// The most parts that rows are cut into.
const MAX_TILES: i64 = 1_000_000;

impl Typer<'_> {
    /// A call of a named function.
    pub fn call(&mut self, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        if let Some(form) = Form::named(&call.name.text) {
            return self.form(form, call, span, scope);
        }
        match call.name.text.to_lowercase().as_str() {
            SAMPLE => return self.sample(call, span, scope),
            AS_OF if call.args.is_empty() => return Some(typed(Expr::leaf(Leaf::AsOf, Type::Timestamp), span, &[])),
            _ => {}
        }
        let function = self.function(&call.name)?;
        match function.get().kind {
            FunctionKind::Aggregate => self.aggregate(function, call, span, scope),
            FunctionKind::Window => self.window(function, call, span, scope),
            FunctionKind::Scalar | FunctionKind::Internal => {
                let clause = match (&call.filter, &call.within, &call.over) {
                    (Some(_), ..) => "where",
                    (_, Some(_), _) => "within",
                    (.., Some(_)) => "over",
                    _ => return self.scalar(function, call, span, scope),
                };
                let message = format!("`{}` is no aggregate: it takes no `{clause}`", call.name.text);
                self.refuse(function, call.name.span, message)
            }
        }
    }

    fn function(&mut self, name: &Name) -> Option<FunctionId> {
        let lower = name.text.to_lowercase();
        let callable = |id: &FunctionId| {
            let function = id.get();
            // An operator's signature begins with its operand.
            function.kind != FunctionKind::Internal
                && function.signature.strip_prefix(function.name).is_some_and(|rest| rest.starts_with('('))
        };
        if let Some(function) = FunctionId::named(&lower).filter(callable) {
            return Some(function);
        }
        let diagnostic = Diagnostic::error(Code::UnknownFunction, name.span, format!("no function `{}`", name.text));
        let known = FunctionId::all().filter(callable).map(|id| id.get().name);
        self.out.push(match lower.as_str() {
            "now" | "current_date" | "current_timestamp" | "today" | "getdate" => {
                diagnostic.hint("the only clock is the run's `as_of`: use a window such as `within 90 days`")
            }
            "concat" => diagnostic.hint("write `a || b`"),
            "ifnull" | "nvl" | "isnull" => diagnostic.hint("write `coalesce(a, b)`"),
            "substr" => diagnostic.hint("did you mean `substring`?"),
            "len" | "char_length" => diagnostic.hint("did you mean `length`?"),
            "datediff" | "date_diff" => diagnostic.hint("did you mean `days_between`?"),
            _ => with_suggestion(diagnostic, &lower, known, "function"),
        });
        None
    }

    /// Arguments that a function does not take.
    pub fn refuse<T>(&mut self, function: FunctionId, span: Span, message: String) -> Option<T> {
        let hint = format!("it is `{}`", function.get().signature);
        self.out.push(Diagnostic::error(Code::InvalidArguments, span, message).hint(hint));
        None
    }

    fn scalar(&mut self, function: FunctionId, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let mut args = self.check_all(&call.args, scope)?;
        match function {
            FunctionId::COALESCE | FunctionId::GREATEST | FunctionId::LEAST if !args.is_empty() => {
                self.unify(&mut args, "mixes")?;
            }
            FunctionId::NULLIF if args.len() == 2 => {
                self.unify(&mut args, "compares")?;
            }
            FunctionId::DATE_TRUNC => self.unit(function, &args, TRUNC_UNITS)?,
            FunctionId::EXTRACT => self.unit(function, &args, EXTRACT_PARTS)?,
            FunctionId::DAYS_BETWEEN => args.iter_mut().for_each(text_as_time),
            _ => {}
        }
        let types: Vec<Type> = args.iter().map(|a| a.expr.ty.clone()).collect();
        let arity = arity(function.get().signature);
        let Some(ty) = (function.get().result)(&types).filter(|_| arity.is_none_or(|n| n == args.len())) else {
            let name = function.get().name;
            let message = match arity {
                Some(n) if n != args.len() => {
                    format!("{}: `{name}` takes {n} argument{}, found {}", self.subject, plural(n), args.len())
                }
                _ if args.is_empty() => format!("{}: `{name}` takes arguments", self.subject),
                _ => {
                    let found = types.iter().map(word).collect::<Vec<_>>().join(", ");
                    format!("{}: `{name}` does not take ({found})", self.subject)
                }
            };
            return self.refuse(function, span, message);
        };
        let calendar = matches!(function, FunctionId::DATE_TRUNC | FunctionId::EXTRACT | FunctionId::DAYS_BETWEEN);
        if calendar && types.contains(&Type::Timestamp) {
            self.warn_of_utc(&format!("`{}`", function.get().name), span);
        }
        let pii = first_pii(&args.iter().collect::<Vec<_>>(), &ty);
        let args = args.into_iter().map(|a| a.expr).collect();
        Some(Typed { expr: Expr::call(function, args, ty), span, declared: None, pii })
    }

    /// Warns where an instant's day is taken in UTC, while the project's days begin elsewhere.
    pub fn warn_of_utc(&mut self, what: &str, span: Span) {
        let Some(zone) = &self.catalogue.zone else { return };
        let message = format!("{}: {what} of a timestamp counts in UTC, not in {zone}", self.subject);
        let hint = format!(
            "days begin at midnight UTC here, and at midnight in {zone} in windows such as `within 90 days`; \
             use a column of type `date` where the local day matters"
        );
        self.out.push(Diagnostic::warning(Code::UtcCalendar, span, message).hint(hint));
    }

    /// The first argument must be one of these words, as a constant: each is written differently in SQL.
    fn unit(&mut self, function: FunctionId, args: &[Typed], known: &[&'static str]) -> Option<()> {
        let Some(first) = args.first() else { return Some(()) };
        let name = function.get().name;
        match first.constant() {
            Some(Literal::String(unit)) if known.contains(&unit.as_str()) => Some(()),
            Some(Literal::String(unit)) => {
                let message = format!("{}: `{name}` does not know '{unit}'", self.subject);
                let diagnostic = Diagnostic::error(Code::InvalidArguments, first.span, message);
                self.out.push(with_suggestion(diagnostic, unit, known.iter().copied(), "unit"));
                None
            }
            _ => {
                let message = format!("{}: the first argument of `{name}` must be a word in quotes", self.subject);
                self.refuse(function, first.span, message)
            }
        }
    }

    fn window(&mut self, function: FunctionId, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let name = function.get().name;
        if !scope.windows {
            let message = format!("{}: `{name}` can stand only in a computed field, outside aggregates", self.subject);
            let hint = format!("declare a computed field with `{name}` and use that here");
            self.out.push(Diagnostic::error(Code::MisplacedWindow, span, message).hint(hint));
            return None;
        }
        let Some(over) = call.over.as_ref().filter(|over| !over.order_by.is_empty()) else {
            let message = format!("{}: `{name}` needs `over (order by …)`", self.subject);
            return self.refuse(function, span, message);
        };
        if call.filter.is_some() || call.within.is_some() {
            let message = format!("{}: `{name}` takes no `where` and no `within`", self.subject);
            return self.refuse(function, call.name.span, message);
        }
        let inner = scope.without_windows();
        let args = self.check_all(&call.args, &inner)?;
        let partition_by = self.check_all(&over.partition_by, &inner)?;
        let terms: Vec<_> = over.order_by.iter().map(|(term, _)| self.check(term, &inner)).collect();
        let terms: Vec<Typed> = terms.into_iter().collect::<Option<_>>()?;
        for term in terms.iter().chain(&partition_by) {
            if matches!(term.expr.ty, Type::Json | Type::Array(_)) {
                let message = format!("{}: values of type {} have no order", self.subject, term.expr.ty);
                self.out.push(Diagnostic::error(Code::TypeMismatch, term.span, message));
                return None;
            }
        }
        let types: Vec<Type> = args.iter().map(|a| a.expr.ty.clone()).collect();
        let tiles = |arg: &Typed| matches!(arg.constant(), Some(Literal::Integer(1..=MAX_TILES)));
        let Some(ty) = (function.get().result)(&types).filter(|_| args.iter().all(tiles)) else {
            let message = match function {
                FunctionId::NTILE => format!("{}: `ntile` takes one whole number above 0", self.subject),
                _ => format!("{}: `{name}` takes no arguments", self.subject),
            };
            return self.refuse(function, span, message);
        };
        let order_by = terms.into_iter().zip(&over.order_by);
        let call = WindowCall {
            function,
            args: args.into_iter().map(|a| a.expr).collect(),
            partition_by: partition_by.into_iter().map(|p| p.expr).collect(),
            order_by: order_by.map(|(t, (_, descending))| OrderBy { expr: t.expr, descending: *descending }).collect(),
            running: false,
        };
        Some(Typed { expr: Expr { kind: ExprKind::Window(Box::new(call)), ty }, span, declared: None, pii: None })
    }
}

/// How many arguments a signature has; `None` if any number.
fn arity(signature: &str) -> Option<usize> {
    let inside = signature.split_once('(')?.1.split_once(')')?.0;
    if inside.contains("...") {
        return None;
    }
    Some(if inside.is_empty() { 0 } else { inside.split(',').count() })
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// A text constant where a date or instant is wanted, as that; other text is left to be refused.
fn text_as_time(arg: &mut Typed) {
    if matches!(arg.constant(), Some(Literal::String(_))) {
        for ty in [Type::Date, Type::Timestamp] {
            let read = coerce(arg.expr.clone(), &ty);
            if matches!(read.kind, ExprKind::Literal(_)) {
                arg.expr = read;
                return;
            }
        }
    }
}
