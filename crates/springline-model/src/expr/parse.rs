//! Reading the text of an expression: the SQL dialect that the language is a part of, and errors at
//! their place in the file.

use sqlparser::ast::{Expr, Ident, ObjectName};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

use crate::syntax::{Places, Spanned};
use crate::{Code, Diagnostic, SourceMap};

use super::MAX_DEPTH;
use super::ast::Ast;
use super::convert::{Convert, Result};
use super::tokens::{Lines, Tokens, tokenize};

/// The SQL that the language is a part of.
#[derive(Debug)]
pub(crate) struct Language;

impl Dialect for Language {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    /// Words are told apart before parsing. Were they tried a second time as names, a nest of them
    /// would take time exponential in its depth.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        keyword != Keyword::NoKeyword
    }

    /// Names, paths and calls are read here, for the same reason.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<std::result::Result<Expr, ParserError>> {
        let is_name = |token: &Token| matches!(token, Token::Word(word) if word.keyword == Keyword::NoKeyword);
        if !is_name(&parser.peek_token_ref().token) {
            return None;
        }
        let mut path = Vec::new();
        loop {
            let token = parser.next_token();
            if let Token::Word(word) = token.token {
                path.push(word.into_ident(token.span));
            }
            if parser.peek_token_ref().token != Token::Period || !is_name(&parser.peek_nth_token_ref(1).token) {
                break;
            }
            parser.advance_token();
        }
        if parser.peek_token_ref().token == Token::LParen {
            return Some(parser.parse_function(ObjectName::from(path)));
        }
        Some(Ok(match <[Ident; 1]>::try_from(path) {
            Ok([name]) => Expr::Identifier(name),
            Err(path) => Expr::CompoundIdentifier(path),
        }))
    }
}

/// Reads the expression of a scalar. `None` if it cannot be read, which is reported.
pub(crate) fn parse(sources: &SourceMap, text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<Ast> {
    read(sources, text).map_err(|diagnostic| out.push(*diagnostic)).ok()
}

fn read(sources: &SourceMap, text: &Spanned<String>) -> Result<Ast> {
    let places = Places::new(sources, text.span, &text.value);
    let lines = Lines::new(&text.value);
    let error = |start, end, message: String| {
        Box::new(Diagnostic::error(Code::InvalidExpression, places.span(start, end), message))
    };
    if text.value.trim().is_empty() {
        return Err(Box::new(Diagnostic::error(Code::InvalidExpression, text.span, "the expression is empty")));
    }
    let tokens = tokenize(&text.value, &lines).map_err(|e| {
        let diagnostic = error(e.start, e.end, e.message);
        let raw = sources.text(text.span.file).get(text.span.start as usize..).unwrap_or_default();
        if raw.starts_with(['"', '\'', '|', '>']) || !e.cut_off {
            return diagnostic;
        }
        Box::new(diagnostic.hint("inside `{ … }` or `[ … ]` put quotes around an expression with a comma"))
    })?;
    let Tokens { tokens, windows, ends } = tokens;
    let mut parser = Parser::new(&Language).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
    // What is missing at the end is shown at the last character there is.
    let last = text.value.trim_end().char_indices().next_back().map_or(0, |(i, _)| i);
    let end_of_text = text.value.len();
    let refused = |e: ParserError, at: usize| {
        let (message, at) = explain(&e, &lines, at);
        let end = text.value[at..].chars().next().map_or(end_of_text, |c| at + c.len_utf8());
        error(at, end, message)
    };
    let expr = parser.parse_expr().map_err(|e| refused(e, last))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let (start, end) = (lines.byte(next.span.start), lines.byte(next.span.end));
        let mut diagnostic = *error(start, end, format!("unexpected `{}` after the expression", next.token));
        if matches!(&next.token, Token::Word(w) if w.value.eq_ignore_ascii_case("where")) {
            diagnostic = diagnostic.hint("`where` stands inside an aggregate: `count(purchase where channel = 'web')`");
        }
        return Err(Box::new(diagnostic));
    }
    let convert = Convert { text: &text.value, lines: &lines, places: &places, windows: &windows, ends: &ends };
    convert.expr(expr, 0)
}

/// The parser's message in the words of the other messages, and the byte that it is about.
fn explain(error: &ParserError, lines: &Lines, otherwise: usize) -> (String, usize) {
    let message = match error {
        ParserError::RecursionLimitExceeded => return ("the expression nests too deep".to_owned(), 0),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (what, place) = match message.rsplit_once(" at Line: ") {
        Some((what, place)) => (what, place.split_once(", Column: ")),
        None => (message.as_str(), None),
    };
    let at = place
        .and_then(|(line, column)| Some(Location { line: line.parse().ok()?, column: column.parse().ok()? }))
        .map_or(otherwise, |location| lines.byte(location));
    (what.replace("Expected: ", "expected ").replace("found: EOF", "found the end").replace("found: ", "found "), at)
}
