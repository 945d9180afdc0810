//! The words and signs of an expression, made ready for the SQL parser: `f(x where c within 90 days)`
//! becomes `f(x) filter (where c)` with the window kept aside, and words that mean nothing in the
//! language lose their SQL meaning, so that they can be columns.

use std::collections::HashMap;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::MAX_DEPTH;
use super::parse::Language;

/// More than this is not written by a person, and the parser's tree must not get too deep.
const MAX_TOKENS: usize = 4_000;

/// More than this between two of `and`, `or`, `,` and the like: each operator makes the tree deeper.
const MAX_RUN: usize = 2 * MAX_DEPTH;

/// The tokens of an expression and what was taken out of them.
pub(crate) struct Tokens {
    pub tokens: Vec<TokenWithSpan>,
    /// The window of a call, by the place of the function's name: first and last byte of its text.
    pub windows: HashMap<Location, (usize, usize)>,
    /// The end of a call, by the place of the function's name.
    pub ends: HashMap<Location, usize>,
}

/// What is wrong, and the bytes of the text where it is.
pub(crate) struct TokenError {
    pub message: String,
    /// The text ends too early.
    pub cut_off: bool,
    pub start: usize,
    pub end: usize,
}

/// Lines of a text, to find bytes by line and column.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// Then a column is a byte.
    ascii: bool,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Lines { text, starts, ascii: text.is_ascii() }
    }

    /// The byte at a place that counts characters; the end of the text for a place beyond it.
    pub fn byte(&self, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(0);
        let column = usize::try_from(location.column).unwrap_or(0);
        let (Some(line), Some(column)) = (line.checked_sub(1), column.checked_sub(1)) else {
            return self.text.len();
        };
        let Some(start) = self.starts.get(line).copied() else { return self.text.len() };
        if self.ascii {
            return (start + column).min(self.text.len());
        }
        let rest = &self.text[start..];
        rest.char_indices().nth(column).map_or(self.text.len(), |(i, _)| start + i)
    }
}

/// An open parenthesis.
struct Frame {
    open: TokenWithSpan,
    /// The place of the function's name, if it is a call's.
    function: Option<Location>,
    inside: Vec<TokenWithSpan>,
    filter: Option<(TokenWithSpan, Vec<TokenWithSpan>)>,
    run: usize,
}

impl Frame {
    fn sink(&mut self) -> &mut Vec<TokenWithSpan> {
        match &mut self.filter {
            Some((_, tokens)) => tokens,
            None => &mut self.inside,
        }
    }
}

/// Cuts an expression into tokens.
pub(crate) fn tokenize(text: &str, lines: &Lines) -> Result<Tokens, TokenError> {
    let mut all = Tokenizer::new(&Language, text).tokenize_with_location().map_err(|error| {
        let start = lines.byte(error.location);
        TokenError { message: error.message.to_lowercase(), cut_off: true, start, end: text.len() }
    })?;
    all.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    if all.len() > MAX_TOKENS {
        let message = "the expression is too long: split it into computed fields".to_owned();
        return Err(TokenError { message, cut_off: false, start: 0, end: text.len() });
    }
    Rewriter {
        lines,
        all,
        at: 0,
        frames: Vec::new(),
        run: 0,
        done: Vec::new(),
        windows: HashMap::new(),
        ends: HashMap::new(),
    }
    .run()
}

struct Rewriter<'a> {
    lines: &'a Lines<'a>,
    all: Vec<TokenWithSpan>,
    at: usize,
    frames: Vec<Frame>,
    /// Tokens since the last that separates operands, outside all parentheses; a frame counts its own.
    run: usize,
    done: Vec<TokenWithSpan>,
    windows: HashMap<Location, (usize, usize)>,
    ends: HashMap<Location, usize>,
}

impl Rewriter<'_> {
    fn run(mut self) -> Result<Tokens, TokenError> {
        while let Some(token) = self.all.get(self.at).cloned() {
            self.at += 1;
            self.count(&token)?;
            match &token.token {
                Token::LParen => self.open(token)?,
                Token::RParen => self.close(token)?,
                Token::Word(word) if word.quote_style.is_none() && !self.after_period() => {
                    if word.keyword == Keyword::WHERE && self.frames.last().is_some_and(takes_filter) {
                        if let Some(frame) = self.frames.last_mut() {
                            frame.filter = Some((token, Vec::new()));
                        }
                    } else if let Some(message) = self.foreign(word.keyword) {
                        return Err(self.error(message, &token));
                    } else if word.keyword == Keyword::WITHIN && self.begins_window() {
                        self.window(&token);
                    } else {
                        self.word(token);
                    }
                }
                Token::Word(_) => self.word(token),
                _ => self.push(token),
            }
        }
        match self.frames.pop() {
            None => Ok(Tokens { tokens: self.done, windows: self.windows, ends: self.ends }),
            Some(frame) => Err(TokenError { cut_off: true, ..self.error("`(` is not closed", &frame.open) }),
        }
    }

    fn count(&mut self, token: &TokenWithSpan) -> Result<(), TokenError> {
        use Keyword as K;
        let separates = match &token.token {
            Token::Comma => true,
            Token::Word(word) => {
                matches!(word.keyword, K::AND | K::OR | K::CASE | K::WHEN | K::THEN | K::ELSE | K::WHERE)
            }
            _ => false,
        };
        let run = self.frames.last_mut().map_or(&mut self.run, |frame| &mut frame.run);
        *run = if separates { 0 } else { *run + 1 };
        if *run > MAX_RUN {
            return Err(self.error("the expression is too long: split it into computed fields", token));
        }
        Ok(())
    }

    fn error(&self, message: &str, token: &TokenWithSpan) -> TokenError {
        let (start, end) = (self.lines.byte(token.span.start), self.lines.byte(token.span.end));
        TokenError { message: message.to_owned(), cut_off: false, start, end }
    }

    fn push(&mut self, token: TokenWithSpan) {
        match self.frames.last_mut() {
            Some(frame) => frame.sink().push(token),
            None => self.done.push(token),
        }
    }

    /// The token `back` places before the current one.
    fn before(&self, back: usize) -> Option<&Token> {
        self.at.checked_sub(1 + back).and_then(|i| self.all.get(i)).map(|t| &t.token)
    }

    fn next(&self) -> Option<&Token> {
        self.all.get(self.at).map(|t| &t.token)
    }

    fn after_period(&self) -> bool {
        self.before(1) == Some(&Token::Period)
    }

    fn open(&mut self, token: TokenWithSpan) -> Result<(), TokenError> {
        if self.frames.len() >= MAX_DEPTH / 2 {
            return Err(self.error("the parentheses nest too deep", &token));
        }
        let name = self.at.checked_sub(2).and_then(|i| self.all.get(i));
        let function = name.filter(|t| match &t.token {
            Token::Word(word) => word.quote_style.is_none() && !precedes_parenthesis(word.keyword),
            _ => false,
        });
        let function = function.map(|t| t.span.start);
        self.frames.push(Frame { open: token, function, inside: Vec::new(), filter: None, run: 0 });
        Ok(())
    }

    fn close(&mut self, token: TokenWithSpan) -> Result<(), TokenError> {
        let Some(frame) = self.frames.pop() else { return Err(self.error("`)` without a `(`", &token)) };
        if let Some(name) = frame.function {
            self.ends.insert(name, self.lines.byte(token.span.end));
        }
        let span = token.span;
        self.push(frame.open);
        frame.inside.into_iter().for_each(|t| self.push(t));
        self.push(token);
        if let Some((place, condition)) = frame.filter {
            let here = |token: Token| TokenWithSpan::new(token, place.span);
            self.push(here(Token::make_keyword("FILTER")));
            self.push(here(Token::LParen));
            self.push(here(Token::make_keyword("WHERE")));
            condition.into_iter().for_each(|t| self.push(t));
            self.push(TokenWithSpan::new(Token::RParen, span));
        }
        Ok(())
    }

    /// Whether the current word `within` begins a window, and is not a column of that name.
    fn begins_window(&self) -> bool {
        let ends_operand = match self.before(1) {
            Some(Token::Word(word)) => !operator_word(word.keyword) || word.quote_style.is_some(),
            Some(Token::RParen | Token::Number(..) | Token::SingleQuotedString(_)) => true,
            _ => false,
        };
        ends_operand && self.frames.last().is_some_and(|frame| frame.function.is_some())
    }

    /// Takes the tokens up to the end of the call as the text of its window.
    fn window(&mut self, word: &TokenWithSpan) {
        let mut depth = 0;
        let first = self.at;
        while let Some(token) = self.next() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => break,
                Token::RParen => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        let place = |t: &TokenWithSpan| (self.lines.byte(t.span.start), self.lines.byte(t.span.end));
        let range = match self.all.get(first..self.at) {
            Some([one]) => place(one),
            Some([from, .., to]) => (place(from).0, place(to).1),
            _ => (place(word).1, place(word).1),
        };
        if let Some(function) = self.frames.last().and_then(|frame| frame.function) {
            self.windows.insert(function, range);
        }
    }

    /// A word keeps its SQL meaning only where the language gives it one, or where a message should
    /// name the SQL that the language lacks.
    fn word(&mut self, mut token: TokenWithSpan) {
        let keeps = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => self.keeps_meaning(word.keyword),
            _ => false,
        };
        if let Token::Word(word) = &mut token.token
            && !keeps
        {
            word.keyword = Keyword::NoKeyword;
        }
        self.push(token);
    }

    fn keeps_meaning(&self, keyword: Keyword) -> bool {
        use Keyword as K;
        let next_is =
            |keywords: &[Keyword]| matches!(self.next(), Some(Token::Word(w)) if keywords.contains(&w.keyword));
        let after =
            |keywords: &[Keyword]| matches!(self.before(1), Some(Token::Word(w)) if keywords.contains(&w.keyword));
        let next_is_parenthesis = self.next() == Some(&Token::LParen);
        if self.after_period() {
            return false;
        }
        match keyword {
            K::AND | K::OR | K::NOT | K::IN | K::IS | K::NULL | K::LIKE | K::BETWEEN => true,
            K::CASE | K::WHEN | K::THEN | K::ELSE | K::END | K::TRUE | K::FALSE | K::AS | K::WHERE => true,
            K::ASC | K::DESC | K::ILIKE | K::RLIKE | K::COLLATE | K::ESCAPE => !next_is_parenthesis,
            K::CAST | K::TRY_CAST => next_is_parenthesis,
            K::OVER | K::FILTER => next_is_parenthesis && self.before(1) == Some(&Token::RParen),
            K::PARTITION | K::ORDER => next_is(&[K::BY]),
            K::BY => after(&[K::PARTITION, K::ORDER]),
            K::SIMILAR => next_is(&[K::TO]),
            K::TO => after(&[K::SIMILAR]),
            K::DISTINCT => after(&[K::IS, K::NOT]) || (self.before(1) == Some(&Token::LParen) && !self.ends_argument()),
            K::FROM => after(&[K::DISTINCT]),
            K::UNKNOWN => after(&[K::IS, K::NOT]),
            K::NULLS => next_is(&[K::FIRST, K::LAST]),
            K::FIRST | K::LAST => after(&[K::NULLS]),
            K::AT => next_is(&[K::TIME]),
            K::TIME | K::ZONE => after(&[K::AT, K::TIME]),
            K::DATE | K::TIMESTAMP => matches!(self.next(), Some(Token::SingleQuotedString(_))) || after(&[K::AS]),
            K::BOOLEAN | K::INTEGER | K::DECIMAL | K::FLOAT | K::STRING | K::JSON => after(&[K::AS]),
            _ => false,
        }
    }

    /// SQL that the language lacks, where a word begins it.
    fn foreign(&self, keyword: Keyword) -> Option<&'static str> {
        let constant_follows = matches!(self.next(), Some(Token::SingleQuotedString(_) | Token::Number(..)));
        match keyword {
            Keyword::SELECT if matches!(self.before(1), None | Some(Token::LParen)) => {
                Some("the language has no subqueries; use an aggregate over an event or relationship")
            }
            Keyword::INTERVAL if constant_follows => {
                Some("the language has no intervals; use `within 90 days` inside an aggregate")
            }
            Keyword::FROM if self.frames.last().is_some_and(|f| f.function.is_some()) && !self.after_distinct() => {
                Some("the language has no `from` inside a function; separate the arguments with commas")
            }
            _ => None,
        }
    }

    fn after_distinct(&self) -> bool {
        matches!(self.before(1), Some(Token::Word(word)) if word.keyword == Keyword::DISTINCT)
    }

    fn ends_argument(&self) -> bool {
        matches!(self.next(), Some(Token::RParen | Token::Comma | Token::Period))
    }
}

fn takes_filter(frame: &Frame) -> bool {
    frame.function.is_some() && frame.filter.is_none()
}

/// Words after which a parenthesis is not a call's.
fn precedes_parenthesis(keyword: Keyword) -> bool {
    operator_word(keyword) || matches!(keyword, Keyword::OVER | Keyword::FILTER | Keyword::CAST | Keyword::TRY_CAST)
}

/// Words that an operand follows.
fn operator_word(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::AND
            | K::OR
            | K::NOT
            | K::IN
            | K::IS
            | K::LIKE
            | K::BETWEEN
            | K::CASE
            | K::WHEN
            | K::THEN
            | K::ELSE
            | K::WHERE
            | K::BY
            | K::AS
    )
}
