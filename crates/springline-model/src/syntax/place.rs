//! From places in the text of a scalar to places in the file: quotes, escapes, folded lines and
//! indentation are what lies between the two.

use crate::{SourceMap, Span};

use super::node::offset;

/// The way from offsets in a scalar's text to the file.
pub(crate) struct Places {
    scalar: Span,
    map: Map,
}

enum Map {
    /// The text stands in the file as it is, from here on.
    Shifted(u32),
    /// For every byte of the text, and for its end, where its character begins and ends in the file.
    Each(Vec<(u32, u32)>),
    /// Only the whole scalar is known.
    Whole,
}

impl Places {
    /// The way for a scalar of that text at that place.
    pub fn new(sources: &SourceMap, scalar: Span, text: &str) -> Places {
        let raw = sources.text(scalar.file).get(scalar.start as usize..scalar.end as usize).unwrap_or_default();
        let map = if raw == text {
            Map::Shifted(scalar.start)
        } else if raw.len() >= 2 && raw.get(1..raw.len() - 1) == Some(text) {
            Map::Shifted(scalar.start + 1)
        } else {
            align(raw, text).map_or(Map::Whole, |offsets| {
                Map::Each(offsets.into_iter().map(|(a, b)| (scalar.start + a, scalar.start + b)).collect())
            })
        };
        Places { scalar, map }
    }

    /// The place in the file of a range of bytes of the text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let clamp = |at: u32| at.clamp(self.scalar.start, self.scalar.end);
        let (start, end) = match &self.map {
            Map::Shifted(base) => (base + offset(start), base + offset(end)),
            Map::Each(offsets) => {
                let at = |i: usize| offsets.get(i).copied().unwrap_or((self.scalar.end, self.scalar.end));
                // The end is after the last character, not before the next: they differ at a line's end.
                let last = if end > start { at(end - 1).1 } else { at(start).0 };
                (at(start).0, last.max(at(start).0))
            }
            Map::Whole => (self.scalar.start, self.scalar.end),
        };
        Span { file: self.scalar.file, start: clamp(start), end: clamp(end).max(clamp(start)) }
    }
}

/// Finds each byte of `text` in `raw`, which is how a scalar of that text is written. `None` where the
/// two cannot be matched.
fn align(raw: &str, text: &str) -> Option<Vec<(u32, u32)>> {
    let quote = raw.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let mut at = match raw.chars().next()? {
        '\'' | '"' => 1,
        '|' | '>' => raw.find('\n')? + 1,
        _ => 0,
    };
    let mut offsets = Vec::with_capacity(text.len() + 1);
    for c in text.chars() {
        let blank = c.is_whitespace();
        if !blank {
            at += raw.get(at..)?.find(|r: char| !r.is_whitespace())?;
            // A backslash at the end of a line joins it to the next one.
            while quote == Some('"') && raw[at..].starts_with("\\\n") {
                at += 1;
                at += raw[at..].find(|r: char| !r.is_whitespace())?;
            }
        }
        let written = match (quote, raw.get(at..)?.chars().next()) {
            (Some('"'), Some('\\')) => escape_length(&raw[at..])?,
            (Some('\''), Some('\'')) if c == '\'' => 2,
            (_, Some(r)) if r == c => r.len_utf8(),
            // A folded line break: the blank of the text stands for blanks that are skipped later.
            (_, _) if blank => 0,
            _ => return None,
        };
        let place = (offset(at), offset(at + written));
        offsets.extend(std::iter::repeat_n(place, c.len_utf8()));
        at += written;
    }
    let end = offset(at.min(raw.len()));
    offsets.push((end, end));
    Some(offsets)
}

/// How many bytes an escape sequence takes.
fn escape_length(raw: &str) -> Option<usize> {
    let length = match raw.chars().nth(1)? {
        'x' => 4,
        'u' => 6,
        'U' => 10,
        c => 1 + c.len_utf8(),
    };
    raw.is_char_boundary(length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::node::{self, NodeKind};
    use crate::{FileId, SourceMap};

    /// What the file has at the place of `part` of the scalar's text.
    fn found(yaml: &str, part: &str) -> String {
        let sources = SourceMap::new(vec![("a.yaml".into(), yaml.into())]);
        let node = node::parse(FileId(0), yaml, &mut Vec::new()).unwrap();
        let node = node.get("a").unwrap();
        let NodeKind::Scalar(scalar) = &node.kind else { panic!("not a scalar") };
        let start = scalar.text.find(part).unwrap();
        let span = Places::new(&sources, node.span, &scalar.text).span(start, start + part.len());
        yaml[span.start as usize..span.end as usize].to_owned()
    }

    #[test]
    fn every_way_of_writing_a_scalar_is_followed() {
        assert_eq!(found("a: é = bad", "bad"), "bad");
        assert_eq!(found("a: 'é = bad'", "bad"), "bad");
        assert_eq!(found("a: \"é = bad\"", "bad"), "bad");
        assert_eq!(found("a: 'x = ''é'' or bad'", "bad"), "bad");
        assert_eq!(found("a: \"x = \\\"\\u00e9\\\" \\\n   or bad\"", "bad"), "bad");
        assert_eq!(found("a: x and\n   bad", "bad"), "bad");
        assert_eq!(found("a: |\n  x and\n    (y or\n  bad)\n", "bad"), "bad");
        assert_eq!(found("a: >-\n  x and\n  bad\n\n  y\n", "bad"), "bad");
        assert_eq!(found("a: >-\n  x and\n  bad\n\n  y\n", "and bad"), "and\n  bad");
    }
}
