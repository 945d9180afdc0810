//! Calls of named functions: which there are, and what they take. Aggregates are in `aggregates`.

use springline_ir::{Expr, ExprKind, FunctionId, FunctionKind, Literal, OrderBy, Type, WindowCall};

use crate::expr::{Call, Name};
use crate::{Code, Diagnostic, Span};

use super::forms::Form;
use super::names::with_suggestion;
use super::samples::SAMPLE;
use super::scope::Scope;
use super::typing::{Typer, first_pii, word};
use super::unify::{Typed, coerce};

/// The aggregates that can run over the rows up to a row.
const RUNNING: &[FunctionId] = &[FunctionId::SUM, FunctionId::COUNT, FunctionId::AVG, FunctionId::MIN, FunctionId::MAX];
/// The most parts that rows are cut into.
const MAX_TILES: i64 = 1_000_000;

impl Typer<'_> {
    /// A call of a named function.
    pub fn call(&mut self, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        if let Some(form) = Form::named(&call.name.text) {
            return self.form(form, call, span, scope);
        }
        if call.name.text.eq_ignore_ascii_case(SAMPLE) {
            return self.sample(call, span, scope);
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
            "now" | "current_date" | "current_timestamp" | "today" | "getdate" => diagnostic
                .hint("the only clock is that of the run: write `as_of()`, or a window such as `within 90 days`"),
            "ifnull" | "nvl" | "isnull" => diagnostic.hint("write `coalesce(a, b)`"),
            "substr" => diagnostic.hint("did you mean `substring`?"),
            "len" | "char_length" => diagnostic.hint("did you mean `length`?"),
            "datediff" | "datesub" | "timestampdiff" => diagnostic.hint("did you mean `date_diff`?"),
            "dateadd" | "date_sub" => diagnostic.hint("did you mean `date_add`?"),
            "iff" => diagnostic.hint("did you mean `if`?"),
            "regexp_like" | "regexp_matches" => diagnostic.hint("did you mean `regex_match`?"),
            "regexp_extract" | "regexp_substr" => diagnostic.hint("did you mean `regex_extract`?"),
            "regexp_replace" => diagnostic.hint("did you mean `regex_replace`?"),
            "pow" => diagnostic.hint("did you mean `power`?"),
            "percentile_cont" | "quantile" => diagnostic.hint("did you mean `percentile`?"),
            "stddev_samp" => diagnostic.hint("did you mean `stddev`?"),
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
        let function_name = function.get().name;
        let (least, most) = arity(function.get().signature);
        let counted = (least..=most).contains(&args.len());
        if counted && (function.is_derived() || function == FunctionId::CONCAT || is_calendar(function)) {
            let expr = self.derived(function, &mut args)?;
            let pii = first_pii(&args.iter().collect::<Vec<_>>(), &expr.ty);
            return Some(Typed { expr, span, declared: None, pii });
        }
        if counted {
            self.constants(function, &mut args)?;
        }
        match function {
            FunctionId::COALESCE | FunctionId::GREATEST | FunctionId::LEAST if !args.is_empty() => {
                self.unify(&mut args, "mixes")?;
            }
            FunctionId::NULLIF if args.len() == 2 => {
                self.unify(&mut args, "compares")?;
            }
            _ => {}
        }
        let types: Vec<Type> = args.iter().map(|a| a.expr.ty.clone()).collect();
        let Some(ty) = (function.get().result)(&types).filter(|_| counted) else {
            let name = function_name;
            let message = match (least, most) {
                (n, most) if !counted && n == most => {
                    format!("{}: `{name}` takes {n} argument{}, found {}", self.subject, plural(n), args.len())
                }
                (least, most) if !counted && most < usize::MAX => {
                    format!("{}: `{name}` takes {least} or {most} arguments, found {}", self.subject, args.len())
                }
                _ if args.is_empty() => format!("{}: `{name}` takes arguments", self.subject),
                _ => {
                    let found = types.iter().map(word).collect::<Vec<_>>().join(", ");
                    format!("{}: `{name}` does not take ({found})", self.subject)
                }
            };
            return self.refuse(function, span, message);
        };
        let pii = first_pii(&args.iter().collect::<Vec<_>>(), &ty);
        let args = args.into_iter().map(|a| a.expr).collect();
        Some(Typed { expr: Expr::call(function, args, ty), span, declared: None, pii })
    }

    /// The first argument must be one of these words, as a constant: each is written differently in SQL.
    pub(super) fn word<'k>(&mut self, function: FunctionId, arg: &Typed, known: &[&'k str]) -> Option<&'k str> {
        let name = function.get().name;
        let Some(Literal::String(word)) = arg.constant() else {
            let message = format!("{}: the first argument of `{name}` must be a word in quotes", self.subject);
            return self.refuse(function, arg.span, message);
        };
        let found = known.iter().find(|k| *k == word).copied();
        if found.is_none() {
            let message = format!("{}: `{name}` does not know '{word}'", self.subject);
            let diagnostic = Diagnostic::error(Code::InvalidArguments, arg.span, message);
            self.out.push(with_suggestion(diagnostic, word, known.iter().copied(), "unit"));
        }
        found
    }

    /// A text constant where a date or instant is wanted, as that; other text is left to be refused.
    pub(super) fn text_as_time(&self, arg: &mut Typed) {
        if matches!(arg.constant(), Some(Literal::String(_))) {
            for ty in [Type::Date, Type::Timestamp] {
                let read = coerce(arg.expr.clone(), &ty, self.catalogue.zone.as_deref());
                if matches!(read.kind, ExprKind::Literal(_)) {
                    arg.expr = read;
                    return;
                }
            }
        }
    }

    /// A window function, or an aggregate over the rows around a row.
    pub(super) fn window(&mut self, function: FunctionId, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let name = function.get().name;
        if !scope.windows {
            let message = format!("{}: `{name}` can stand only in a computed field, outside aggregates", self.subject);
            let hint = format!("declare a computed field with `{name}` and use that here");
            self.out.push(Diagnostic::error(Code::MisplacedWindow, span, message).hint(hint));
            return None;
        }
        let aggregate = function.get().kind == FunctionKind::Aggregate;
        if aggregate && !RUNNING.contains(&function) {
            let message = format!("{}: `{name}` takes no `over`", self.subject);
            let hint = "`over` is for window functions and for `sum`, `count`, `avg`, `min` and `max`";
            self.out.push(Diagnostic::error(Code::MisplacedWindow, span, message).hint(hint));
            return None;
        }
        let Some(over) = call.over.as_ref().filter(|over| aggregate || !over.order_by.is_empty()) else {
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
        let pii = args.iter().find_map(|a| a.pii);
        let tiles = |arg: &Typed| matches!(arg.constant(), Some(Literal::Integer(1..=MAX_TILES)));
        let Some(ty) = (function.get().result)(&types).filter(|_| aggregate || args.iter().all(tiles)) else {
            let message = match function {
                _ if aggregate => format!("{}: `{name}` over rows takes one value that fits", self.subject),
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
            running: aggregate && !over.order_by.is_empty(),
        };
        let expr = Expr { kind: ExprKind::Window(Box::new(call)), ty };
        Some(Typed { pii: pii.filter(|_| function != FunctionId::COUNT), expr, span, declared: None })
    }
}

/// How many arguments a signature has, at least and at most; those in brackets may be left out.
fn arity(signature: &str) -> (usize, usize) {
    let inside = signature.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    let count = |list: &str| if list.is_empty() { 0 } else { list.split(',').count() };
    match inside.split_once('[') {
        _ if inside.contains("...") => (1, usize::MAX),
        Some((needed, _)) => (count(needed), count(inside)),
        None => (count(inside), count(inside)),
    }
}

fn is_calendar(function: FunctionId) -> bool {
    matches!(function, FunctionId::DATE_TRUNC | FunctionId::EXTRACT | FunctionId::DAYS_BETWEEN | FunctionId::DATE_ADD)
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
