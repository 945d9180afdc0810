//! Fields in an engine's own SQL: read as one expression, its names traced to columns, and nothing
//! passed on that was not looked at. What the expression means is the engine's matter.

use std::ops::ControlFlow;

use springline_ir::{Expr, ExprKind, Native, NativeForm, NativePiece};
use sqlparser::ast::{Expr as SqlExpr, Ident, visit_expressions};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::expr::Lines;
use crate::syntax::{Places, Spanned};
use crate::{Code, Diagnostic, EntityId, Leaf, RowId};

use super::names::with_suggestion;
use super::typing::Typer;
use super::unify::Typed;

/// How deep the expression may nest.
const MAX_DEPTH: usize = 50;

/// A field's value in the SQL of some dialects.
#[derive(Debug, Clone)]
pub(super) struct NativeAst {
    /// The dialect's name and the expression.
    pub forms: Vec<(String, Spanned<String>)>,
    /// The type of the value, as the model says.
    pub ty: springline_ir::Type,
}

impl Typer<'_> {
    /// The value of a field that is written in engines' own SQL.
    pub fn native(&mut self, native: &NativeAst, entity: EntityId) -> Option<Typed> {
        let mut columns: Vec<String> = Vec::new();
        let mut forms = Vec::new();
        for (dialect, text) in &native.forms {
            let pieces = self.native_form(text, entity, &mut columns)?;
            forms.push(NativeForm { dialect: dialect.clone(), pieces });
        }
        let span = native.forms.first()?.1.span;
        let mut pii = None;
        let mut args = Vec::new();
        for name in &columns {
            let column = self.catalogue.column(RowId::Entity(entity), name)?;
            pii = pii.or(column.pii);
            args.push(Expr::leaf(Leaf::Column(name.clone()), column.ty.clone()));
        }
        let kind = ExprKind::Native(Box::new(Native { forms, args }));
        Some(Typed { expr: Expr { kind, ty: native.ty.clone() }, span, declared: None, pii })
    }

    fn native_form(
        &mut self,
        text: &Spanned<String>,
        entity: EntityId,
        columns: &mut Vec<String>,
    ) -> Option<Vec<NativePiece>> {
        let sql = text.value.trim_end();
        let subject = self.subject;
        let refuse =
            |message: &str| Diagnostic::error(Code::InvalidExpression, text.span, format!("{subject}: {message}"));
        let names = match read(sql) {
            Ok(names) => names,
            Err(message) => {
                let hint = "write one expression over the columns of the entity's source, in the engine's own SQL";
                self.out.push(refuse(&message).hint(hint));
                return None;
            }
        };
        let (lines, places) = (Lines::new(sql), Places::new(self.sources, text.span, &text.value));
        let mut pieces = Vec::new();
        let mut done = 0;
        for name in names {
            let (start, end) = (lines.byte(name.span.start), lines.byte(name.span.end));
            if self.catalogue.column(RowId::Entity(entity), &name.value).is_none() {
                let owner = self.catalogue.describe(RowId::Entity(entity));
                let message = format!("the source of {owner} has no column `{}`", name.value);
                let diagnostic = Diagnostic::error(Code::UnknownName, places.span(start, end), message);
                let source = self.catalogue.row_source(RowId::Entity(entity));
                let known = source.into_iter().flat_map(|s| s.columns.keys()).map(String::as_str);
                self.out.push(with_suggestion(diagnostic, &name.value, known, "column"));
                return None;
            }
            let index = columns.iter().position(|c| *c == name.value).unwrap_or_else(|| {
                columns.push(name.value.clone());
                columns.len() - 1
            });
            pieces.push(NativePiece::Text(sql.get(done..start)?.to_owned()));
            pieces.push(NativePiece::Arg(index));
            done = end;
        }
        pieces.push(NativePiece::Text(sql.get(done..)?.to_owned()));
        Some(pieces)
    }
}

/// The names in an expression, from left to right; or why it is none.
fn read(sql: &str) -> Result<Vec<Ident>, String> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|e| e.message.to_lowercase())?;
    let is_comment = |t: &Token| matches!(t, Token::Whitespace(w) if w.to_string().starts_with(['-', '/', '#']));
    if tokens.iter().any(|t| is_comment(&t.token)) {
        return Err("engines differ in what a comment is".to_owned());
    }
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
    let expr = parser.parse_expr().map_err(|e| e.to_string().replace("sql parser error: ", "").to_lowercase())?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(format!("unexpected `{}` after the expression", rest.token));
    }
    let mut names: Vec<Ident> = Vec::new();
    let refused = visit_expressions(&expr, |part| match part {
        SqlExpr::Identifier(ident) => {
            names.push(ident.clone());
            ControlFlow::Continue(())
        }
        SqlExpr::CompoundIdentifier(_) => ControlFlow::Break("a column is named alone, without a table".to_owned()),
        SqlExpr::Subquery(_) | SqlExpr::InSubquery { .. } | SqlExpr::Exists { .. } => {
            ControlFlow::Break("a subquery reads what cannot be traced".to_owned())
        }
        SqlExpr::Function(function) if is_clock(&function.name.to_string()) => {
            let message = format!("`{}` is another clock than the run's `as_of`", function.name);
            ControlFlow::Break(message)
        }
        SqlExpr::Function(function) if function.over.is_some() => {
            ControlFlow::Break("a window over rows that the compiler does not know of".to_owned())
        }
        _ => ControlFlow::Continue(()),
    });
    match refused {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => {
            names.sort_by_key(|name| (name.span.start.line, name.span.start.column));
            Ok(names)
        }
    }
}

/// Functions that tell the engine's time, or chance.
fn is_clock(name: &str) -> bool {
    const CLOCKS: &[&str] = &[
        "now",
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "getdate",
        "sysdate",
        "today",
        "clock_timestamp",
        "statement_timestamp",
        "transaction_timestamp",
        "timeofday",
        "random",
        "rand",
        "uuid",
        "gen_random_uuid",
        "newid",
        "setseed",
    ];
    CLOCKS.iter().any(|clock| name.eq_ignore_ascii_case(clock))
}
