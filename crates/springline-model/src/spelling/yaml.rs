//! A condition as YAML: short mappings on one line, lists of conditions one a line.

use springline_ir::Literal;

use crate::expr::plain_literal;
use crate::syntax::Scalar;

use super::text::digits;

/// Lines are no longer than this where they can be broken.
const WIDTH: usize = 110;

/// A condition to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Yaml {
    /// A text expression.
    Text(String),
    /// A single value, written already.
    Scalar(String),
    List(Vec<Yaml>),
    Map(Vec<(&'static str, Yaml)>),
}

/// Where a condition is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    /// The column of its key, from 0.
    pub column: usize,
    /// Inside `{ … }` or `[ … ]`, where lines mean nothing.
    pub flow: bool,
    /// A comment follows on the line, which a folded text would take in.
    pub comment_follows: bool,
}

/// A text as a value of the YAML, in quotes unless it is read as that text without.
pub(super) fn scalar(text: &str) -> Yaml {
    Yaml::Scalar(written(text))
}

/// A constant as a value of the YAML; `None` where it would be read as another one.
pub(super) fn value(literal: &Literal) -> Option<Yaml> {
    let text = match literal {
        Literal::Null => "null".to_owned(),
        Literal::Boolean(value) => value.to_string(),
        Literal::String(text) => return Some(Yaml::Scalar(written(text))),
        Literal::Date(day) => day.to_string(),
        Literal::Timestamp(instant) => instant.to_string(),
        number => digits(number)?,
    };
    let read = plain_literal(&Scalar { text: text.clone(), plain: true });
    (read.as_ref() == Some(literal)).then_some(Yaml::Scalar(text))
}

fn written(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { double_quoted(text) }
}

/// Whether every reader of YAML takes the text for a text, without quotes.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '%' | '+' | '@' | ' ');
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let amount = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(' ');
    let literal = plain_literal(&Scalar { text: text.to_owned(), plain: true });
    (begins || amount)
        && text.chars().all(inside)
        && !text.ends_with(' ')
        && !text.contains("  ")
        && !WORDS.contains(&text.to_lowercase().as_str())
        && literal == Some(Literal::String(text.to_owned()))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Yaml {
    /// The value as it follows the colon of its key, the blank or line break before it included.
    pub fn render(&self, spot: Spot) -> String {
        let mut out = String::new();
        if spot.flow {
            out.push(' ');
            self.flow(&mut out);
        } else {
            self.value(spot.column, spot.column + "where:".len(), spot.comment_follows, &mut out);
        }
        out
    }

    fn flow(&self, out: &mut String) {
        match self {
            Yaml::Text(text) => out.push_str(&double_quoted(text)),
            Yaml::Scalar(text) => out.push_str(text),
            Yaml::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    item.flow(out);
                }
                out.push(']');
            }
            Yaml::Map(entries) => {
                out.push_str("{ ");
                for (i, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    out.push_str(key);
                    out.push_str(": ");
                    value.flow(out);
                }
                out.push_str(" }");
            }
        }
    }

    /// Whether it takes lines of its own, however short it is.
    fn wants_lines(&self) -> bool {
        match self {
            Yaml::Map(entries) => entries.first().is_some_and(|(key, value)| match *key {
                "all" | "any" => true,
                "not" => value.wants_lines(),
                _ => false,
            }),
            _ => false,
        }
    }

    /// Writes the value of a key. `indent` is the key's column, `used` what the line has already.
    fn value(&self, indent: usize, used: usize, comment_follows: bool, out: &mut String) {
        let mut flow = String::from(" ");
        self.flow(&mut flow);
        let fits = used + flow.chars().count() <= WIDTH;
        match self {
            Yaml::Text(text) if !fits && !comment_follows && can_fold(text) => fold(text, indent + 2, out),
            Yaml::Map(entries) if !fits || self.wants_lines() => {
                out.push('\n');
                pad(indent + 2, out);
                Yaml::block(entries, indent + 2, out);
            }
            Yaml::List(items) if !fits || items.iter().any(|i| matches!(i, Yaml::Map(_) | Yaml::Text(_))) => {
                for item in items {
                    out.push('\n');
                    pad(indent + 2, out);
                    out.push('-');
                    item.item(indent + 2, out);
                }
            }
            _ => out.push_str(&flow),
        }
    }

    /// Writes an item of a list behind its dash, which stands in column `dash`.
    fn item(&self, dash: usize, out: &mut String) {
        match self {
            Yaml::Map(entries) => {
                let mut flow = String::from(" ");
                self.flow(&mut flow);
                let is_not = entries.first().is_some_and(|(key, _)| *key == "not");
                if is_not || self.wants_lines() || dash + 1 + flow.chars().count() > WIDTH {
                    out.push(' ');
                    Yaml::block(entries, dash + 2, out);
                } else {
                    out.push_str(&flow);
                }
            }
            other => other.value(dash, dash + 1, false, out),
        }
    }

    /// Writes keys below one another; the first one stands where the text ends.
    fn block(entries: &[(&'static str, Yaml)], indent: usize, out: &mut String) {
        for (i, (key, value)) in entries.iter().enumerate() {
            if i > 0 {
                out.push('\n');
                pad(indent, out);
            }
            out.push_str(key);
            out.push(':');
            value.value(indent, indent + key.len() + 1, false, out);
        }
    }
}

fn pad(columns: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', columns));
}

/// Whether a text survives being folded: nothing in it but single blanks between visible characters.
fn can_fold(text: &str) -> bool {
    text.trim() == text
        && !text.contains("  ")
        && text.chars().all(|c| c == ' ' || (!c.is_whitespace() && !c.is_control()))
        && !text.contains(['\u{feff}', '\u{2028}', '\u{2029}'])
}

/// Writes a text as folded lines, broken before `and` and `or` where possible.
fn fold(text: &str, indent: usize, out: &mut String) {
    out.push_str(" >-");
    let mut rest = text;
    while !rest.is_empty() {
        out.push('\n');
        pad(indent, out);
        let (line, after) = rest.split_at(line_end(rest, WIDTH.saturating_sub(indent).max(20)));
        out.push_str(line);
        rest = after.trim_start_matches(' ');
    }
}

/// Where the first line of a text ends, if it is to have at most so many characters.
fn line_end(text: &str, width: usize) -> usize {
    if text.chars().count() <= width {
        return text.len();
    }
    let mut quote = None;
    let (mut blank, mut word) = (None, None);
    for (count, (at, c)) in text.char_indices().enumerate() {
        if count > width && (blank.is_some() || word.is_some()) {
            break;
        }
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => {
                blank = Some(at);
                if ["and ", "or "].iter().any(|w| text[at + 1..].starts_with(w)) {
                    word = Some(at);
                }
            }
            _ => {}
        }
    }
    word.or(blank).unwrap_or(text.len())
}
