//! From the SQL parser's tree to the language's own. What the language does not have is refused by
//! name; no text is ever passed through.

use std::collections::HashMap;

use springline_ir::{FunctionId, Literal, Type, TypeParseError};
use sqlparser::ast::{
    BinaryOperator, CastKind, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectNamePart, UnaryOperator, Value, ValueWithSpan, WindowType,
};
use sqlparser::tokenizer::{Location, Span as TokenSpan};

use crate::syntax::{Places, Spanned};
use crate::{Code, Diagnostic, Span};

use super::MAX_DEPTH;
use super::ast::{Ast, AstKind, Call, Name, Over, joined};
use super::forms::form;
use super::literal::{negated, number, read_day, read_instant};
use super::tokens::Lines;

pub(crate) type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// The way from the parser's tree, with what the tokens held besides.
pub(crate) struct Convert<'a> {
    pub text: &'a str,
    pub lines: &'a Lines<'a>,
    pub places: &'a Places,
    pub windows: &'a HashMap<Location, (usize, usize)>,
    pub ends: &'a HashMap<Location, usize>,
}

impl Convert<'_> {
    fn span(&self, span: TokenSpan) -> Span {
        self.places.span(self.lines.byte(span.start), self.lines.byte(span.end))
    }

    /// The place of a part of the parser's tree: of its first name or constant. The tree's own places
    /// are not asked, because they are found by walking all of it.
    fn place(&self, expr: &Expr) -> Span {
        let whole = self.places.span(0, self.text.len());
        let mut expr = expr;
        loop {
            expr = match expr {
                Expr::Identifier(ident) => return self.span(ident.span),
                Expr::CompoundIdentifier(idents) => return idents.first().map_or(whole, |i| self.span(i.span)),
                Expr::Value(value) => return self.span(value.span),
                Expr::TypedString(typed) => return self.span(typed.value.span),
                Expr::Function(function) => match function.name.0.first() {
                    Some(ObjectNamePart::Identifier(ident)) => return self.span(ident.span),
                    _ => return whole,
                },
                Expr::Tuple(parts) => match parts.first() {
                    Some(first) => first,
                    None => return whole,
                },
                Expr::BinaryOp { left: inner, .. }
                | Expr::IsDistinctFrom(inner, _)
                | Expr::IsNotDistinctFrom(inner, _)
                | Expr::CompoundFieldAccess { root: inner, .. }
                | Expr::Nested(inner)
                | Expr::UnaryOp { expr: inner, .. }
                | Expr::IsNull(inner)
                | Expr::IsNotNull(inner)
                | Expr::IsTrue(inner)
                | Expr::IsNotTrue(inner)
                | Expr::IsFalse(inner)
                | Expr::IsNotFalse(inner)
                | Expr::IsUnknown(inner)
                | Expr::IsNotUnknown(inner)
                | Expr::InList { expr: inner, .. }
                | Expr::InSubquery { expr: inner, .. }
                | Expr::Between { expr: inner, .. }
                | Expr::Like { expr: inner, .. }
                | Expr::ILike { expr: inner, .. }
                | Expr::RLike { expr: inner, .. }
                | Expr::SimilarTo { expr: inner, .. }
                | Expr::Collate { expr: inner, .. }
                | Expr::AtTimeZone { timestamp: inner, .. }
                | Expr::Cast { expr: inner, .. } => inner,
                _ => return whole,
            };
        }
    }

    fn refuse<T>(&self, expr: &Expr, what: &str) -> Result<T> {
        self.refuse_at(self.place(expr), what)
    }

    fn refuse_at<T>(&self, span: Span, what: &str) -> Result<T> {
        Err(Box::new(Diagnostic::error(Code::InvalidExpression, span, format!("the language has no {what}"))))
    }

    /// The tree of an expression that stands so deep in another.
    pub fn expr(&self, expr: Expr, depth: usize) -> Result<Ast> {
        if depth > MAX_DEPTH {
            return Err(Box::new(
                Diagnostic::error(Code::InvalidExpression, self.place(&expr), "the expression nests too deep")
                    .hint("split it into computed fields"),
            ));
        }
        let depth = depth + 1;
        match expr {
            Expr::Identifier(ident) => Ok(self.path(vec![ident])),
            Expr::CompoundIdentifier(idents) => Ok(self.path(idents)),
            Expr::Nested(inner) => self.expr(*inner, depth),
            Expr::Value(value) => self.constant(&value),
            Expr::TypedString(typed) => {
                self.typed_text(&Expr::TypedString(typed.clone()), &typed.data_type.to_string(), typed.value)
            }
            Expr::UnaryOp { op, expr: operand } => self.unary(op, *operand, depth),
            Expr::BinaryOp { left, op, right } => self.binary(*left, &op, *right, depth),
            Expr::IsTrue(operand) => self.truth(*operand, false, false, depth),
            Expr::IsNotTrue(operand) => self.truth(*operand, true, true, depth),
            Expr::IsFalse(operand) => self.truth(*operand, true, false, depth),
            Expr::IsNotFalse(operand) => self.truth(*operand, false, true, depth),
            Expr::IsUnknown(operand) => self.one(FunctionId::IS_NULL, *operand, depth),
            Expr::IsNotUnknown(operand) => self.one(FunctionId::IS_NOT_NULL, *operand, depth),
            Expr::IsNull(operand) => self.one(FunctionId::IS_NULL, *operand, depth),
            Expr::IsNotNull(operand) => self.one(FunctionId::IS_NOT_NULL, *operand, depth),
            Expr::InList { expr: operand, list, negated } => self.in_list(*operand, list, negated, depth),
            Expr::Between { expr: operand, negated, low, high } => {
                let (operand, low, high) =
                    (self.expr(*operand, depth)?, self.expr(*low, depth)?, self.expr(*high, depth)?);
                let span = joined(operand.span, high.span);
                Ok(negate_if(negated, Ast::between(operand, low, high, span)))
            }
            Expr::Like { negated, any: false, expr: operand, pattern, escape_char: None } => {
                let (operand, pattern) = (self.expr(*operand, depth)?, self.expr(*pattern, depth)?);
                let span = joined(operand.span, pattern.span);
                Ok(negate_if(negated, Ast::binary(FunctionId::LIKE, operand, pattern, span)))
            }
            Expr::Case { case_token, end_token, operand, conditions, else_result } => {
                let span = joined(self.span(case_token.0.span), self.span(end_token.0.span));
                self.case(span, operand.map(|o| *o), conditions, else_result.map(|e| *e), depth)
            }
            Expr::Cast { kind, expr: operand, data_type, array: false, format: None } => {
                self.cast(kind, *operand, &data_type.to_string(), depth)
            }
            Expr::Function(function) => self.call(function, depth),
            other => self.refuse(&other, foreign(&other)),
        }
    }

    fn path(&self, idents: Vec<Ident>) -> Ast {
        let names: Vec<Name> = idents.into_iter().map(|ident| self.name(ident)).collect();
        let span = match (names.first(), names.last()) {
            (Some(first), Some(last)) => joined(first.span, last.span),
            _ => self.places.span(0, self.text.len()),
        };
        Ast { kind: AstKind::Path(names), span }
    }

    fn name(&self, ident: Ident) -> Name {
        Name { text: ident.value, quoted: ident.quote_style.is_some(), span: self.span(ident.span) }
    }

    fn constant(&self, value: &ValueWithSpan) -> Result<Ast> {
        let span = self.span(value.span);
        let literal = match &value.value {
            Value::Null => Literal::Null,
            Value::Boolean(value) => Literal::Boolean(*value),
            Value::SingleQuotedString(text) => Literal::String(text.clone()),
            Value::Number(text, _) => {
                let text = text.to_string();
                number(&text).ok_or_else(|| self.out_of_range(span, &text))?
            }
            _ => {
                let message = "the language has no constant of this form";
                return Err(Box::new(
                    Diagnostic::error(Code::InvalidExpression, span, message)
                        .hint("write text in single quotes: 'text'"),
                ));
            }
        };
        Ok(Ast { kind: AstKind::Literal(literal), span })
    }

    fn out_of_range(&self, span: Span, text: &str) -> Box<Diagnostic> {
        let message = format!("the number {text} is out of range");
        Box::new(
            Diagnostic::error(Code::InvalidExpression, span, message)
                .hint("integers have 64 bits, decimals at most 38 digits"),
        )
    }

    fn typed_text(&self, expr: &Expr, ty: &str, value: ValueWithSpan) -> Result<Ast> {
        let span = self.span(value.span);
        let Value::SingleQuotedString(text) = value.value else { return self.refuse(expr, "constant of this form") };
        let literal = match ty {
            "DATE" => read_day(&text).map(Literal::Date),
            "TIMESTAMP" => read_instant(&text).map(Literal::Timestamp),
            _ => return self.refuse(expr, "constant of this type"),
        };
        let Some(literal) = literal else {
            let message = format!("'{text}' is no {}", ty.to_lowercase());
            return Err(Box::new(
                Diagnostic::error(Code::InvalidExpression, span, message)
                    .hint("write it as in 2024-01-31 or 2024-01-31T12:00:00Z"),
            ));
        };
        Ok(Ast { kind: AstKind::Literal(literal), span })
    }

    fn one(&self, function: FunctionId, operand: Expr, depth: usize) -> Result<Ast> {
        let operand = self.expr(operand, depth)?;
        Ok(Ast { span: operand.span, kind: AstKind::Operator(function, vec![operand]) })
    }

    /// `is true` and its kin, which are never null: the condition or its opposite, or what null counts as.
    fn truth(&self, operand: Expr, opposite: bool, if_null: bool, depth: usize) -> Result<Ast> {
        let operand = self.expr(operand, depth)?;
        let span = operand.span;
        let condition = negate_if(opposite, operand);
        let default = Ast { kind: AstKind::Literal(Literal::Boolean(if_null)), span };
        Ok(Ast::call(FunctionId::COALESCE.get().name, vec![condition, default], span))
    }

    fn unary(&self, op: UnaryOperator, operand: Expr, depth: usize) -> Result<Ast> {
        match op {
            UnaryOperator::Not => self.one(FunctionId::NOT, operand, depth),
            UnaryOperator::Plus => self.expr(operand, depth),
            UnaryOperator::Minus => {
                // `-9223372036854775808` is a number although its digits alone are not.
                if let Expr::Value(ValueWithSpan { value: Value::Number(text, _), span }) = &operand {
                    let span = self.span(*span);
                    let text = format!("-{text}");
                    let literal = number(&text).ok_or_else(|| self.out_of_range(span, &text))?;
                    return Ok(Ast { kind: AstKind::Literal(literal), span });
                }
                let operand = self.expr(operand, depth)?;
                let span = operand.span;
                Ok(match operand.kind {
                    AstKind::Literal(literal) if negated(literal.clone()).is_some() => {
                        Ast { kind: AstKind::Literal(negated(literal).unwrap_or(Literal::Null)), span }
                    }
                    kind => Ast { kind: AstKind::Operator(FunctionId::NEGATE, vec![Ast { kind, span }]), span },
                })
            }
            _ => self.refuse(&operand, &format!("operator `{op}`")),
        }
    }

    fn binary(&self, left: Expr, op: &BinaryOperator, right: Expr, depth: usize) -> Result<Ast> {
        let function = match op {
            BinaryOperator::Eq => FunctionId::EQ,
            BinaryOperator::NotEq => FunctionId::NE,
            BinaryOperator::Lt => FunctionId::LT,
            BinaryOperator::LtEq => FunctionId::LE,
            BinaryOperator::Gt => FunctionId::GT,
            BinaryOperator::GtEq => FunctionId::GE,
            BinaryOperator::And => FunctionId::AND,
            BinaryOperator::Or => FunctionId::OR,
            BinaryOperator::Plus => FunctionId::ADD,
            BinaryOperator::Minus => FunctionId::SUBTRACT,
            BinaryOperator::Multiply => FunctionId::MULTIPLY,
            BinaryOperator::Divide => FunctionId::DIVIDE,
            BinaryOperator::StringConcat => FunctionId::CONCAT,
            BinaryOperator::Modulo => {
                return self.refuse(&left, "operator `%`").map_err(|d| Box::new(d.hint("write `mod(a, b)`")));
            }
            _ => return self.refuse(&left, &format!("operator `{op}`")),
        };
        if function != FunctionId::AND && function != FunctionId::OR {
            let (left, right) = (self.expr(left, depth)?, self.expr(right, depth)?);
            let span = joined(left.span, right.span);
            return Ok(Ast::binary(function, left, right, span));
        }
        // A long chain is one operator of many operands, not a deep tree.
        let mut operands = vec![right];
        let mut rest = left;
        loop {
            match rest {
                Expr::BinaryOp { left, op: inner, right } if inner == *op => {
                    operands.push(*right);
                    rest = *left;
                }
                first => {
                    operands.push(first);
                    break;
                }
            }
        }
        let operands = operands.into_iter().rev().map(|o| self.expr(o, depth)).collect::<Result<Vec<_>>>()?;
        let span = match (operands.first(), operands.last()) {
            (Some(first), Some(last)) => joined(first.span, last.span),
            _ => self.places.span(0, self.text.len()),
        };
        Ok(Ast { kind: AstKind::Operator(function, operands), span })
    }

    fn in_list(&self, operand: Expr, list: Vec<Expr>, negated: bool, depth: usize) -> Result<Ast> {
        let operands = std::iter::once(operand).chain(list).map(|e| self.expr(e, depth)).collect::<Result<Vec<_>>>()?;
        let span = operands.iter().map(|o| o.span).reduce(joined);
        let span = span.unwrap_or_else(|| self.places.span(0, self.text.len()));
        Ok(negate_if(negated, Ast { kind: AstKind::Operator(FunctionId::IN, operands), span }))
    }

    fn case(
        &self,
        span: Span,
        operand: Option<Expr>,
        conditions: Vec<sqlparser::ast::CaseWhen>,
        otherwise: Option<Expr>,
        depth: usize,
    ) -> Result<Ast> {
        let operand = operand.map(|o| self.expr(o, depth)).transpose()?;
        let mut branches = Vec::new();
        for when in conditions {
            let mut condition = self.expr(when.condition, depth)?;
            if let Some(operand) = &operand {
                let span = condition.span;
                condition = Ast::binary(FunctionId::EQ, operand.clone(), condition, span);
            }
            branches.push((condition, self.expr(when.result, depth)?));
        }
        let otherwise = otherwise.map(|e| self.expr(e, depth).map(Box::new)).transpose()?;
        Ok(Ast { kind: AstKind::Case { branches, otherwise }, span })
    }

    fn cast(&self, kind: CastKind, operand: Expr, ty: &str, depth: usize) -> Result<Ast> {
        let lenient = match kind {
            CastKind::Cast => false,
            CastKind::TryCast => true,
            _ => {
                let refusal = self.refuse(&operand, "operator `::`");
                return refusal.map_err(|d| Box::new(d.hint("write `cast(a as integer)`")));
            }
        };
        let operand = self.expr(operand, depth)?;
        let ty = ty.to_lowercase();
        match ty.parse::<Type>() {
            Ok(ty) => Ok(Ast { span: operand.span, kind: AstKind::Cast { operand: Box::new(operand), ty, lenient } }),
            Err(_) => Err(Box::new(
                Diagnostic::error(Code::InvalidExpression, operand.span, format!("no type `{ty}` to cast to"))
                    .hint(format!("types are {}", TypeParseError::NAMES.join(", "))),
            )),
        }
    }

    fn call(&self, function: Function, depth: usize) -> Result<Ast> {
        let Function { name, args, filter, null_treatment, over, within_group, .. } = function;
        let ident = match <[ObjectNamePart; 1]>::try_from(name.0) {
            Ok([ObjectNamePart::Identifier(ident)]) => ident,
            _ => return self.refuse_at(self.places.span(0, self.text.len()), "function with a path as its name"),
        };
        let key = ident.span.start;
        let name = self.name(ident);
        if null_treatment.is_some() || !within_group.is_empty() {
            return self.refuse_at(name.span, "`ignore nulls` nor `within group`");
        }
        let args = self.arguments(args, &name, depth)?;
        let filter = filter.map(|f| self.expr(*f, depth)).transpose()?;
        let within = self.windows.get(&key).map(|(start, end)| Spanned {
            value: self.text.get(*start..*end).unwrap_or_default().to_owned(),
            span: self.places.span(*start, *end),
        });
        let over = over.map(|over| self.over(over, name.span, depth)).transpose()?;
        let start = self.lines.byte(key);
        let end = self.ends.get(&key).copied().unwrap_or(start + name.text.len());
        let span = self.places.span(start, end);
        Ok(Ast { kind: form(Call { name, args, filter, within, slice: None, over })?, span })
    }

    fn arguments(&self, args: FunctionArguments, name: &Name, depth: usize) -> Result<Vec<Ast>> {
        fn refuse<T>(name: &Name, message: &str, hint: &str) -> Result<T> {
            Err(Box::new(Diagnostic::error(Code::InvalidExpression, name.span, message).hint(hint)))
        }
        let list = match args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::List(list) if list.clauses.is_empty() => list,
            _ => return refuse(name, "a function takes values only", "leave out the clause"),
        };
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
            let hint = "write `count_distinct(purchase.channel)`";
            return refuse(name, "the language has no `distinct` inside a function", hint);
        }
        list.args
            .into_iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr, depth),
                FunctionArg::Unnamed(_) => {
                    let hint = "to count events write the event's name: `count(purchase)`";
                    refuse(name, "the language has no `*` argument", hint)
                }
                _ => refuse(name, "the language has no named arguments", "leave out the name"),
            })
            .collect()
    }

    fn over(&self, over: WindowType, place: Span, depth: usize) -> Result<Over> {
        let WindowType::WindowSpec(spec) = over else { return self.refuse_at(place, "named windows") };
        if spec.window_frame.is_some() || spec.window_name.is_some() {
            return self.refuse_at(place, "window frames nor named windows");
        }
        let partition_by = spec.partition_by.into_iter().map(|e| self.expr(e, depth)).collect::<Result<_>>()?;
        let mut order_by = Vec::new();
        for term in spec.order_by {
            if term.options.nulls_first == Some(true) {
                return self.refuse(&term.expr, "`nulls first`: nulls are always last");
            }
            order_by.push((self.expr(term.expr, depth)?, term.options.asc == Some(false)));
        }
        Ok(Over { partition_by, order_by })
    }
}

fn negate_if(negated: bool, ast: Ast) -> Ast {
    if negated {
        let span = ast.span;
        Ast::not(ast, span)
    } else {
        ast
    }
}

/// What a part of SQL that the language lacks is called.
fn foreign(expr: &Expr) -> &'static str {
    match expr {
        Expr::ILike { .. } => "`ilike`; write `lower(a) like 'b%'`",
        Expr::RLike { .. } | Expr::SimilarTo { .. } => "regular expressions",
        Expr::Like { .. } => "`escape`: a backslash takes the next character as it is",
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => "`is distinct from`",
        Expr::Tuple(_) => "rows of several values",
        Expr::AtTimeZone { .. } => "`at time zone`: instants are in UTC",
        Expr::Collate { .. } => "collations: text is compared by its bytes",
        Expr::CompoundFieldAccess { .. } | Expr::JsonAccess { .. } => "access into values",
        Expr::Array(_) => "lists of values outside `in (…)`",
        _ => "such expression",
    }
}
