//! The types of expressions: operators, conditions and casts. Functions are in `functions`, aggregates
//! in `aggregates`.

use springline_ir::{Expr, ExprKind, FunctionId, Literal, Type};

use crate::expr::{Ast, AstKind, Window};
use crate::syntax::Spanned;
use crate::{Code, Diagnostic, EntityId, FieldId, SegmentId, SourceMap, Span, ValueExpr};

use super::aggregates::{sliced, slices};
use super::catalogue::Catalogue;
use super::scope::Scope;
use super::unify::{Clash, Typed, coerce, unify};

/// Checks the expressions of one definition.
pub(super) struct Typer<'a> {
    pub catalogue: &'a Catalogue,
    pub sources: &'a SourceMap,
    pub out: &'a mut Vec<Diagnostic>,
    /// What is checked, for messages: "segment `vips`".
    pub subject: &'a str,
    /// Fields that must be checked before this definition can be.
    pub needs: Vec<(EntityId, FieldId)>,
    /// How many fields the longest chain has that the definition refers to.
    pub depth: usize,
    /// Segments that the definition refers to.
    pub segments: Vec<SegmentId>,
    /// The window of aggregates over events that have none of their own, and where it stands.
    pub within: Option<(Window, Spanned<String>)>,
    /// Whether an aggregate took that window.
    pub within_used: bool,
    /// The definition is a computed field: cycles over segments of other entities are looked for from segments only.
    pub is_field: bool,
}

/// Operands in one chain; longer ones become a chain of chains, so that no tree gets deep.
const CHAIN: usize = 32;

const TIME_HINT: &str = "count days with `days_between(a, b)`; windows of time are `within 90 days`";

impl<'a> Typer<'a> {
    /// For one definition.
    pub fn new(
        catalogue: &'a Catalogue,
        sources: &'a SourceMap,
        subject: &'a str,
        out: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let (needs, segments) = (Vec::new(), Vec::new());
        let (within, within_used, is_field) = (None, false, false);
        Typer { catalogue, sources, out, subject, needs, depth: 0, segments, within, within_used, is_field }
    }

    /// The type of an expression. `None` if it has none, which is reported.
    pub fn check(&mut self, ast: &Ast, scope: &Scope) -> Option<Typed> {
        let span = ast.span;
        match &ast.kind {
            AstKind::Path(names) => self.path(names, span, scope),
            AstKind::Literal(literal) => Some(typed(Expr::literal(literal.clone()), span, &[])),
            AstKind::Operator(function, operands) => self.operator(*function, operands, span, scope),
            AstKind::Call(call) => self.call(call, span, scope),
            AstKind::Case { branches, otherwise } => self.case(branches, otherwise.as_deref(), span, scope),
            AstKind::Cast { operand, ty, lenient } => self.cast(operand, ty, *lenient, scope),
            AstKind::Segment(name) => self.segment(name, scope),
            AstKind::Related(related) => self.related(related, span, scope),
        }
    }

    /// The same for something that must be true or false.
    pub fn condition(&mut self, ast: &Ast, scope: &Scope, what: &str) -> Option<Typed> {
        let mut condition = self.check(ast, scope)?;
        if condition.is_null() {
            condition.expr = Expr::null(Type::Boolean);
        }
        if condition.expr.ty == Type::Boolean {
            return Some(condition);
        }
        let found = word(&condition.expr.ty);
        let message = format!("{what} is {found}, not true or false");
        let diagnostic = Diagnostic::error(Code::TypeMismatch, condition.span, message).label(found);
        self.out.push(diagnostic.hint("compare it with something, as in `city = 'Paris'`"));
        None
    }

    /// Every one of several expressions; all are checked even if one fails.
    pub fn check_all(&mut self, asts: &[Ast], scope: &Scope) -> Option<Vec<Typed>> {
        let checked: Vec<Option<Typed>> = asts.iter().map(|ast| self.check(ast, scope)).collect();
        checked.into_iter().collect()
    }

    fn operator(&mut self, function: FunctionId, operands: &[Ast], span: Span, scope: &Scope) -> Option<Typed> {
        match function {
            FunctionId::AND | FunctionId::OR => return self.logical(function, operands, span, scope),
            FunctionId::NOT => {
                let operand = self.condition(operands.first()?, scope, "what follows `not`")?;
                let expr = Expr::call(FunctionId::NOT, vec![operand.expr], Type::Boolean);
                return Some(typed(expr, span, &[]));
            }
            _ => {}
        }
        let is_comparison = comparison_word(function).is_some();
        if is_comparison && let Some(count) = operands.iter().find_map(slices) {
            let all = (0..count).map(|slice| {
                let operands: Vec<Ast> = operands.iter().map(|operand| sliced(operand, slice)).collect();
                self.operator(function, &operands, span, scope).map(|t| t.expr)
            });
            return Some(typed(chain(FunctionId::AND, all.collect::<Option<_>>()?)?, span, &[]));
        }
        let mut operands = self.check_all(operands, scope)?;
        if is_comparison && let Some(null) = operands.iter().find(|o| o.is_null()) {
            let hint = match function {
                FunctionId::NE => "write `is not null`, or `is_null: false` in a condition tree",
                FunctionId::IN => "take null out of the list and add `or … is null`",
                _ => "write `is null`, or `is_null: true` in a condition tree",
            };
            let message = format!("{} compares with null, which is never true", self.subject);
            self.out.push(Diagnostic::error(Code::TypeMismatch, null.span, message).label("null").hint(hint));
            return None;
        }
        if is_comparison || matches!(function, FunctionId::ADD | FunctionId::SUBTRACT) {
            self.unify(&mut operands, operator_verb(function))?;
        } else if matches!(function, FunctionId::MULTIPLY | FunctionId::DIVIDE) {
            self.same_kind(&mut operands);
        } else if matches!(function, FunctionId::LIKE | FunctionId::CONCAT) {
            operands.iter_mut().filter(|o| o.is_null()).for_each(|o| o.expr = Expr::null(Type::String));
        }
        self.apply(function, operands, span)
    }

    /// Calls an operator whose operands have their final types.
    fn apply(&mut self, function: FunctionId, operands: Vec<Typed>, span: Span) -> Option<Typed> {
        let types: Vec<Type> = operands.iter().map(|o| o.expr.ty.clone()).collect();
        let Some(ty) = (function.get().result)(&types) else {
            let words = types.iter().map(word).collect::<Vec<_>>().join(" and ");
            let sign = function.get().signature;
            let message = format!("{} {} {words}", self.subject, operator_verb(function));
            let mut diagnostic = Diagnostic::error(Code::TypeMismatch, span, message);
            for operand in &operands {
                diagnostic = diagnostic.also(operand.span, self.describe(operand));
            }
            self.out.push(match function {
                FunctionId::CONCAT | FunctionId::LIKE => {
                    diagnostic.hint(format!("{sign}; make text of other values with `cast(a as string)`"))
                }
                _ if types.iter().any(Type::is_temporal) => diagnostic.hint(TIME_HINT),
                _ => diagnostic.hint(sign),
            });
            return None;
        };
        let sources: Vec<&Typed> = operands.iter().collect();
        let pii = first_pii(&sources, &ty);
        let args = operands.into_iter().map(|o| o.expr).collect();
        Some(Typed { expr: Expr::call(function, args, ty), span, declared: None, pii })
    }

    fn logical(&mut self, function: FunctionId, operands: &[Ast], span: Span, scope: &Scope) -> Option<Typed> {
        let what = format!("an operand of `{}`", function.get().name);
        let checked: Vec<_> = operands.iter().map(|o| self.condition(o, scope, &what)).collect();
        let checked: Vec<ValueExpr> = checked.into_iter().map(|o| o.map(|o| o.expr)).collect::<Option<_>>()?;
        Some(typed(chain(function, checked)?, span, &[]))
    }

    fn case(&mut self, branches: &[(Ast, Ast)], otherwise: Option<&Ast>, span: Span, scope: &Scope) -> Option<Typed> {
        let conditions: Vec<_> =
            branches.iter().map(|(when, _)| self.condition(when, scope, "what follows `when`")).collect();
        let values: Vec<_> =
            branches.iter().map(|(_, then)| then).chain(otherwise).map(|value| self.check(value, scope)).collect();
        let conditions: Vec<Typed> = conditions.into_iter().collect::<Option<_>>()?;
        let mut values: Vec<Typed> = values.into_iter().collect::<Option<_>>()?;
        let ty = self.unify(&mut values, "mixes")?;
        let pii = first_pii(&values.iter().collect::<Vec<_>>(), &ty);
        let mut values = values.into_iter().map(|v| v.expr);
        let branches = conditions.into_iter().map(|c| c.expr).zip(values.by_ref().take(branches.len())).collect();
        let otherwise = values.next().map(Box::new);
        Some(Typed { expr: Expr { kind: ExprKind::Case { branches, otherwise }, ty }, span, declared: None, pii })
    }

    fn cast(&mut self, operand: &Ast, ty: &Type, lenient: bool, scope: &Scope) -> Option<Typed> {
        let Typed { expr, span, pii, .. } = self.check(operand, scope)?;
        let from = expr.ty.clone();
        let possible = match (&from, ty) {
            _ if matches!(expr.kind, ExprKind::Literal(Literal::Null)) => true,
            (a, b) if a == b => true,
            (Type::Array(_), _) | (_, Type::Array(_) | Type::Json) => false,
            (Type::String, _) | (_, Type::String) => true,
            (a, b) => (a.is_number() && b.is_number()) || (a.is_temporal() && b.is_temporal()),
        };
        if !possible {
            let message = format!("{} casts {} to {}", self.subject, word(&from), word(ty));
            let hint = "numbers, dates and text can be cast into one another; use `case when … then … end` otherwise";
            self.out.push(Diagnostic::error(Code::TypeMismatch, span, message).hint(hint));
            return None;
        }
        let expr = match (&expr.kind, ty) {
            _ if from == *ty => expr,
            (ExprKind::Literal(Literal::Null), ty) => Expr::null(ty.clone()),
            // Each value has one form as text; engines' own casts differ.
            (_, Type::String) => Expr::call(FunctionId::TEXT, vec![expr], Type::String),
            _ if lenient => self.lenient(expr, ty),
            _ => coerce(expr, ty, self.catalogue.zone.as_deref()),
        };
        Some(Typed { expr, span, declared: None, pii })
    }

    /// Brings operands to one type, or reports the two that clash.
    pub fn unify(&mut self, operands: &mut [Typed], verb: &str) -> Option<Type> {
        match unify(operands, self.catalogue.zone.as_deref()) {
            Ok(ty) => Some(ty),
            Err(clash) => {
                let diagnostic = match clash {
                    Clash::Types(a, b) => self.clash(operands.get(a)?, operands.get(b)?, verb),
                    Clash::NotADate(i) => self.not_a_date(operands.get(i)?),
                };
                self.out.push(diagnostic);
                None
            }
        }
    }

    fn not_a_date(&self, operand: &Typed) -> Diagnostic {
        let message = match operand.constant() {
            Some(Literal::String(text)) => format!("{}: '{text}' is no date", self.subject),
            _ => format!("{}: this is no date", self.subject),
        };
        Diagnostic::error(Code::TypeMismatch, operand.span, message)
            .label("text")
            .hint("write it as in '2024-01-31' or '2024-01-31T12:00:00Z'")
    }

    /// Two operands without a common type. The constant, if one is, is the likelier mistake.
    fn clash(&self, a: &Typed, b: &Typed, verb: &str) -> Diagnostic {
        let (wrong, other) = if a.constant().is_some() { (a, b) } else { (b, a) };
        let message = format!("{} {verb} {} with {}", self.subject, word(&other.expr.ty), word(&wrong.expr.ty));
        let mut diagnostic = Diagnostic::error(Code::TypeMismatch, wrong.span, message).label(self.describe(wrong));
        diagnostic = diagnostic.also(other.span, self.describe(other));
        match (wrong.constant(), &other.expr.ty) {
            (Some(Literal::String(text)), ty)
                if ty.is_number() && Literal::number(text.trim_start_matches('-')).is_some() =>
            {
                diagnostic.hint(format!("write the number without quotes: `{text}`"))
            }
            (Some(Literal::String(text)), Type::Boolean) if text == "true" || text == "false" => {
                diagnostic.hint(format!("write it without quotes: `{text}`"))
            }
            _ if matches!(verb, "adds" | "subtracts")
                && (wrong.expr.ty.is_temporal() || other.expr.ty.is_temporal()) =>
            {
                diagnostic.hint(TIME_HINT)
            }
            (Some(Literal::String(_)), _) => diagnostic,
            (Some(literal), Type::String) => match literal {
                Literal::Integer(n) => diagnostic.hint(format!("write text in quotes: '{n}'")),
                _ => diagnostic.hint("write text in quotes"),
            },
            _ => diagnostic.hint("make them one type with `cast(a as …)`"),
        }
    }

    /// An operand's type, and where it comes from.
    fn describe(&self, operand: &Typed) -> String {
        match (operand.declared, &operand.expr.ty) {
            (Some(declared), ty) => format!("{ty}, from {}", self.sources.locate(declared)),
            (None, ty @ Type::Decimal { .. }) if operand.constant().is_none() => ty.to_string(),
            (None, ty) => word(ty),
        }
    }

    /// A float and an exact number are multiplied as floats on every engine.
    fn same_kind(&mut self, operands: &mut [Typed]) {
        if operands.iter().any(|o| o.expr.ty == Type::Float) && operands.iter().all(|o| o.expr.ty.is_number()) {
            // Numbers have a common type, so that this cannot fail.
            let _ = unify(operands, None);
        } else if operands.iter().any(Typed::is_null) {
            let _ = unify(operands, None);
        }
    }
}

/// A checked expression that is not itself a column; its PII is that of the first of its parts that has any.
pub(super) fn typed(expr: ValueExpr, span: Span, parts: &[&Typed]) -> Typed {
    let pii = first_pii(parts, &expr.ty);
    Typed { expr, span, declared: None, pii }
}

/// What PII a value made of these parts holds. True and false tell nothing.
pub(super) fn first_pii(parts: &[&Typed], ty: &Type) -> Option<crate::Pii> {
    if *ty == Type::Boolean { None } else { parts.iter().find_map(|p| p.pii) }
}

/// `a and b and c`, without a deep tree.
pub(super) fn chain(function: FunctionId, mut operands: Vec<ValueExpr>) -> Option<ValueExpr> {
    let join = |a, b| Expr::call(function, vec![a, b], Type::Boolean);
    while operands.len() > CHAIN {
        let mut shorter = Vec::with_capacity(operands.len() / CHAIN + 1);
        let mut rest = operands.into_iter().peekable();
        while rest.peek().is_some() {
            shorter.extend(rest.by_ref().take(CHAIN).reduce(join));
        }
        operands = shorter;
    }
    operands.into_iter().reduce(join)
}

/// A type in a message.
pub(super) fn word(ty: &Type) -> String {
    match ty {
        Type::String => "text".to_owned(),
        Type::Decimal { .. } => "decimal".to_owned(),
        ty => ty.to_string(),
    }
}

fn comparison_word(function: FunctionId) -> Option<&'static str> {
    const COMPARISONS: &[FunctionId] = &[
        FunctionId::EQ,
        FunctionId::NE,
        FunctionId::LT,
        FunctionId::LE,
        FunctionId::GT,
        FunctionId::GE,
        FunctionId::IN,
    ];
    COMPARISONS.contains(&function).then_some("compares")
}

fn operator_verb(function: FunctionId) -> &'static str {
    match function {
        FunctionId::ADD => "adds",
        FunctionId::SUBTRACT => "subtracts",
        FunctionId::MULTIPLY => "multiplies",
        FunctionId::DIVIDE => "divides",
        FunctionId::NEGATE => "negates",
        FunctionId::CONCAT => "joins",
        FunctionId::LIKE => "matches",
        _ => "compares",
    }
}
