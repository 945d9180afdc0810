//! Templates of expressions: SQL text with places for what is printed elsewhere.
//!
//! minijinja reads a template once, when the folder is loaded, with a marker for each variable; what remains is a
//! list of texts and places, so that printing an expression allocates nothing. Templates that need values (loops
//! over columns) are statements' and are rendered in `statement`.

use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Deserialize;

/// How strongly an expression holds together, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// `a OR b`; as a need: anything may stand here without parentheses.
    Or,
    /// `a AND b`
    And,
    /// `NOT a`
    Not,
    /// `a = b`, `a IS NULL`, `a IN (b)`
    Comparison,
    /// `a + b`, `a || b`
    Additive,
    /// `a * b`
    Multiplicative,
    /// `-a`
    Unary,
    /// One term: a column, a call, a literal.
    #[default]
    Primary,
}

/// A variable of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    /// The n-th argument.
    Arg(usize),
    /// The printed type of the n-th argument.
    ArgType(usize),
    /// The digits behind the point of the first argument, a decimal.
    ArgScale,
    /// The second argument, a constant path of steps with points between them, as the text of a JSONPath.
    JsonPath,
    /// What stands at the second argument, a constant path, in the first one: a call for each step.
    JsonValue,
    /// The second argument, a constant pattern, as Perl reads it: its `$` is the end of the text alone.
    PerlPattern,
    /// All arguments, with commas.
    Args,
    /// All arguments but the first, with commas.
    Rest,
    /// That one of the arguments is null.
    AnyNull,
    /// The printed type of the result.
    Type,
    /// The digits behind the point of a decimal type; in a function's template, of its result.
    Scale,
    /// The digits of a decimal type; in a function's template, of its result.
    Precision,
    /// The FILTER or the OVER of a call, or nothing.
    Suffix,
    /// The condition of an aggregate's filter; true where there is none. A template that uses it, or `Filtered`,
    /// answers for the filter itself.
    Filter,
    /// The first argument of an aggregate, null where the filter does not hold. Without an argument: what a count of
    /// rows counts.
    Filtered,
    /// The order of an aggregate, the argument itself last.
    OrderBy,
    /// The same from the end, but the argument in its own order.
    ReverseOrderBy,
    /// The order of an aggregate as values, smallest first, for an engine whose aggregates take no ORDER BY.
    OrderKeys,
    /// The same from the end, but the argument in its own order.
    ReverseOrderKeys,
    /// The text of a literal's value, already escaped.
    Value,
    /// The printed type of an array's items.
    Item,
}

use Variable::{
    AnyNull, Arg, ArgScale, ArgType, Args, Filter, Filtered, Item, JsonPath, JsonValue, OrderBy, OrderKeys,
    PerlPattern, Precision, Rest, ReverseOrderBy, ReverseOrderKeys, Scale, Suffix, Type,
};

const ALL: &[(&str, Variable)] = &[
    ("a", Arg(0)),
    ("b", Arg(1)),
    ("c", Arg(2)),
    ("d", Arg(3)),
    ("a_type", ArgType(0)),
    ("b_type", ArgType(1)),
    ("c_type", ArgType(2)),
    ("d_type", ArgType(3)),
    ("a_scale", ArgScale),
    ("json_path", JsonPath),
    ("json_value", JsonValue),
    ("perl_pattern", PerlPattern),
    ("args", Args),
    ("rest", Rest),
    ("any_null", AnyNull),
    ("type", Type),
    ("scale", Scale),
    ("precision", Precision),
    ("suffix", Suffix),
    ("filter", Filter),
    ("filtered", Filtered),
    ("order_by", OrderBy),
    ("reverse_order_by", ReverseOrderBy),
    ("order_keys", OrderKeys),
    ("reverse_order_keys", ReverseOrderKeys),
    ("value", Variable::Value),
    ("item", Item),
];

impl Variable {
    /// The variable's name in a template.
    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|(_, variable)| *variable == self).map_or("", |(name, _)| name)
    }

    fn is_argument(self) -> bool {
        matches!(self, Arg(_) | AnyNull | Filter | Filtered)
    }
}

/// Where a template stands, hence which variables it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A function over the values of one row, a cast, or a term of an order.
    Scalar,
    /// A function that may be followed by FILTER or OVER, and must say where.
    Aggregate,
    /// A literal.
    Literal,
    /// A type.
    Type,
}

impl Place {
    fn allows(self, variable: Variable) -> bool {
        matches!(
            (self, variable),
            (
                Place::Scalar | Place::Aggregate,
                Arg(_)
                    | ArgType(_)
                    | ArgScale
                    | JsonPath
                    | JsonValue
                    | PerlPattern
                    | Args
                    | Rest
                    | AnyNull
                    | Type
                    | Scale
                    | Precision
            ) | (
                Place::Aggregate,
                Suffix | Filter | Filtered | OrderBy | ReverseOrderBy | OrderKeys | ReverseOrderKeys
            ) | (Place::Literal, Variable::Value | Type)
                | (Place::Type, Precision | Scale | Item)
        )
    }

    fn names(self) -> String {
        let names: Vec<&str> = ALL.iter().filter(|(_, v)| self.allows(*v)).map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// SQL as it stands.
    Text(String),
    /// A place for a variable; an expression that binds weaker than `need` gets parentheses.
    Place { variable: Variable, need: Level },
}

/// A template of an expression, ready to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// Its parts in order.
    pub(crate) pieces: Vec<Piece>,
    /// How strongly what it prints holds together.
    pub(crate) binds: Level,
}

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub(crate) fn parse(reader: &Reader, source: &str, binds: Level, place: Place) -> Result<Template, String> {
        let marked = reader.mark(source, place)?;
        let mut template = Template { pieces: split(&marked), binds };
        template.check(place)?;
        template.assign_needs();
        Ok(template)
    }

    /// Whether the template is its first argument and nothing else.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Place { variable: Arg(0), .. }])
    }

    /// Whether it answers for the filter of an aggregate without a FILTER clause.
    pub(crate) fn takes_filter(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Place { variable: Filter | Filtered, .. }))
    }

    /// What stands between the two operands, if the template is nothing but two operands and that.
    pub(crate) fn infix(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Place { variable: Arg(0), .. }, Piece::Text(text), Piece::Place { variable: Arg(1), .. }] => {
                Some(text)
            }
            _ => None,
        }
    }

    /// The level that each place needs. An argument between brackets, commas or keywords stands alone; elsewhere
    /// it is an operand of whatever the template is.
    fn assign_needs(&mut self) {
        let alone: Vec<bool> = (0..self.pieces.len())
            .map(|i| {
                let before = i.checked_sub(1).and_then(|i| text_of(self.pieces.get(i)));
                let after = text_of(self.pieces.get(i + 1));
                before.is_some_and(ends_open) && after.is_some_and(starts_closed)
            })
            .collect();
        let (binds, lone) = (self.binds, self.pieces.len() == 1);
        for (i, (piece, alone)) in self.pieces.iter_mut().zip(alone).enumerate() {
            let Piece::Place { need, .. } = piece else { continue };
            *need = match need {
                Level::Primary => Level::Primary,
                _ if alone || lone => Level::Or,
                _ => operand_need(binds, i == 0),
            };
        }
    }

    fn check(&self, place: Place) -> Result<(), String> {
        let bare = |piece: Option<&Piece>| matches!(piece, Some(Piece::Place { variable, need: Level::Or }) if variable.is_argument());
        let at_an_end = self.pieces.len() > 1 && (bare(self.pieces.first()) || bare(self.pieces.last()));
        if self.binds == Level::Primary && at_an_end {
            return Err("begins or ends with an operand, so it needs `binds:` (or `| atom`)".to_owned());
        }
        let has_suffix = self.pieces.iter().any(|p| matches!(p, Piece::Place { variable: Suffix, .. }));
        if place == Place::Aggregate && !has_suffix {
            return Err("has no `{{ suffix }}`, so a filter on its rows would be lost".to_owned());
        }
        Ok(())
    }
}

/// The level an operand needs. The operator is taken as left-associative, except that a chain of AND or of OR
/// means the same in any grouping, that comparisons do not chain, and that a sign never follows a sign (`--` would
/// begin a comment).
fn operand_need(binds: Level, leading: bool) -> Level {
    match binds {
        Level::Or | Level::And | Level::Not => binds,
        Level::Comparison => Level::Additive,
        Level::Additive if leading => Level::Additive,
        Level::Additive => Level::Multiplicative,
        Level::Multiplicative if leading => Level::Multiplicative,
        Level::Multiplicative | Level::Unary | Level::Primary => Level::Primary,
    }
}

fn text_of(piece: Option<&Piece>) -> Option<&str> {
    match piece {
        Some(Piece::Text(text)) => Some(text),
        _ => None,
    }
}

fn ends_open(text: &str) -> bool {
    let text = text.trim_end();
    text.ends_with(['(', ',', '['])
        || text
            .rsplit([' ', '(', ','])
            .next()
            .is_some_and(|word| matches!(word, "CASE" | "WHEN" | "THEN" | "ELSE" | "DISTINCT" | "BY"))
}

fn starts_closed(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with([')', ',', ']'])
        || text
            .split([' ', ')', ','])
            .next()
            .is_some_and(|word| matches!(word, "WHEN" | "THEN" | "ELSE" | "END" | "AS" | "ORDER"))
}

/// The template engine, with a marker for every variable. The markers are characters for private use.
pub(crate) struct Reader {
    environment: Environment<'static>,
}

const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';
const ATOM: char = '\u{E002}';

impl Reader {
    pub(crate) fn new() -> Self {
        let mut environment = environment();
        environment.add_filter("atom", |marker: String| marker.replace(CLOSE, &format!("{ATOM}{CLOSE}")));
        Reader { environment }
    }

    /// The template with markers for its variables.
    fn mark(&self, source: &str, place: Place) -> Result<String, String> {
        if source.contains([OPEN, CLOSE, ATOM]) {
            return Err("holds a character for private use".to_owned());
        }
        check_variables(source, &|name| ALL.iter().any(|(n, v)| *n == name && place.allows(*v)), &place.names())?;
        let markers = ALL.iter().enumerate().map(|(i, (name, _))| (*name, Value::from(format!("{OPEN}{i}{CLOSE}"))));
        self.environment.render_str(source, markers.collect::<Value>()).map_err(|error| reason(&error))
    }
}

fn split(marked: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (i, part) in marked.split(OPEN).enumerate() {
        let (marker, text) = if i == 0 { ("", part) } else { part.split_once(CLOSE).unwrap_or(("", part)) };
        let atom = marker.ends_with(ATOM);
        let index: Option<usize> = marker.trim_end_matches(ATOM).parse().ok();
        if let Some((_, variable)) = index.and_then(|i| ALL.get(i)) {
            // Any need but Primary is a placeholder here: `assign_needs` sets it.
            pieces.push(Piece::Place { variable: *variable, need: if atom { Level::Primary } else { Level::Or } });
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
    }
    pieces
}

/// A template engine that refuses what it does not know and escapes nothing: it sees only printed SQL.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment
}

/// Whether a template parses and uses only variables that there are.
pub(crate) fn check_variables(source: &str, known: &dyn Fn(&str) -> bool, names: &str) -> Result<(), String> {
    let environment = Environment::new();
    let template = environment.template_from_str(source).map_err(|error| reason(&error))?;
    let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().filter(|n| !known(n)).collect();
    unknown.sort();
    match unknown.first() {
        Some(name) => Err(format!("uses the unknown variable `{name}`; known here: {names}")),
        None => Ok(()),
    }
}

/// What the template engine says, in one line.
pub(crate) fn reason(error: &minijinja::Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    error.line().map_or_else(|| detail.clone(), |line| format!("{detail} (line {line})"))
}
