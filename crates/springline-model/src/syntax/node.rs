//! One YAML file as a tree with places. It knows YAML and nothing of the language: what keys mean is
//! in `language`.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle};

use crate::{Code, Diagnostic, FileId, Span};

/// How deep a file may nest, aliases followed. Every later pass may recurse this deep without care.
pub(super) const MAX_DEPTH: u32 = 64;
/// How many nodes a file may have, aliases followed: a small file must not grow into a huge project.
pub(super) const MAX_NODES: u64 = 2_000_000;

/// From so many keys on a mapping's keys are hashed.
const LONG_MAPPING: usize = 24;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// A YAML node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub kind: NodeKind,
    pub span: Span,
    height: u32,
    size: u64,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<(Spanned<String>, Node)>),
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub text: String,
    /// Written without quotes and not as a block, so that `12` is a number and `true` a boolean.
    pub plain: bool,
}

impl Scalar {
    /// Nothing was written, or a null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    fn scalar(text: String, plain: bool, span: Span) -> Node {
        Node { kind: NodeKind::Scalar(Scalar { text, plain }), span, height: 1, size: 1 }
    }

    /// What the node is, in a word for a message.
    pub fn shape(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(scalar) if scalar.is_null() => "nothing",
            NodeKind::Scalar(_) => "a single value",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
        }
    }

    /// Whether nothing was written, or a null.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(scalar) if scalar.is_null())
    }

    /// A mapping of entries that were part of a larger one.
    pub fn mapping(entries: Vec<(Spanned<String>, Node)>, span: Span) -> Node {
        let (height, size) = measure(entries.iter().map(|(_, node)| node));
        Node { kind: NodeKind::Mapping(entries), span, height, size }
    }

    /// A list of items that were part of another.
    pub fn sequence(items: Vec<Node>, span: Span) -> Node {
        let (height, size) = measure(items.iter());
        Node { kind: NodeKind::Sequence(items), span, height, size }
    }

    /// The same value at another place.
    pub fn at(&self, span: Span) -> Node {
        Node { span, ..self.clone() }
    }

    /// The same place with another text, written as it was.
    pub fn with_text(&self, text: String, plain: bool) -> Node {
        Node::scalar(text, plain, self.span)
    }

    /// How deep it nests.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// How many nodes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The text of a single value that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[(Spanned<String>, Node)] {
        match &self.kind {
            NodeKind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub fn into_entries(self) -> Vec<(Spanned<String>, Node)> {
        match self.kind {
            NodeKind::Mapping(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Mapping(entries) => entries.iter().find(|(k, _)| k.value == key).map(|(_, node)| node),
            _ => None,
        }
    }
}

/// Reads a file. `None` if it is empty or not well-formed; the latter is reported.
pub(crate) fn parse(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Option<Node> {
    Builder { file, text, out, frames: Vec::new(), anchors: HashMap::new(), root: None, total: 0 }.run()
}

/// A collection whose end has not been read.
struct Frame {
    anchor: usize,
    start: u32,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Spanned<String>, Node)>, seen: HashSet<String>, key: PendingKey },
}

/// The key that waits for its value.
enum PendingKey {
    None,
    Text(Spanned<String>),
    /// Reported already; the value is dropped.
    Refused,
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    out: &'a mut Vec<Diagnostic>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    total: u64,
}

impl Builder<'_> {
    fn run(mut self) -> Option<Node> {
        let options = granit_parser::options! { emit_comments: false, flow_nesting_limit: 64, block_nesting_limit: 64 };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, place) = match event {
                Ok(event) => event,
                Err(error) => return self.refuse(error.marker(), &error.info()),
            };
            let span = self.span(&place);
            let done = match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        self.error(
                            span,
                            "a file holds one YAML document",
                            Some("put the second into a file of its own"),
                        )
                    } else {
                        Some(())
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    // An explicit tag, such as `!!str 5`, makes the value text.
                    let plain = style == ScalarStyle::Plain && tag.is_none();
                    self.add(Node::scalar(value.into_owned(), plain, span), anchor)
                }
                Event::SequenceStart(_, anchor, _) => self.open(anchor, span, Content::Sequence(Vec::new())),
                Event::MappingStart(_, anchor, _) => {
                    let content = Content::Mapping { entries: Vec::new(), seen: HashSet::new(), key: PendingKey::None };
                    self.open(anchor, span, content)
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span),
                Event::Alias(id) => match self.anchors.get(&id).cloned() {
                    Some(node) => self.add(node, 0),
                    None => self.error(span, "an alias inside the value that it stands for", None),
                },
                _ => Some(()),
            };
            done?;
        }
        self.root
    }

    fn error(&mut self, span: Span, message: &str, hint: Option<&str>) -> Option<()> {
        let mut diagnostic = Diagnostic::error(Code::InvalidYaml, span, message);
        diagnostic.hint = hint.map(str::to_owned);
        self.out.push(diagnostic);
        None
    }

    /// The parser's own error, with a way out for the ones people meet most.
    fn refuse(mut self, marker: &granit_parser::Marker, info: &str) -> Option<Node> {
        let start = self.clamp(marker.byte_offset().unwrap_or(0));
        let end = self.text[start as usize..].chars().next().map_or(start, |c| start + offset(c.len_utf8()));
        let line = self.text[..start as usize].rsplit('\n').next().unwrap_or_default();
        let hint = if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
            "indent with spaces: YAML takes no tabs"
        } else if info.contains("trailing content") {
            "inside `{ … }` or `[ … ]` put quotes around an expression with a comma"
        } else if info.contains("quote") || info.contains("flow") || info.contains("bracket") {
            "look for a quote or bracket that is not closed"
        } else {
            "look at the indentation: keys of one mapping and the items of one list begin in the same column; \
             text with `: ` or ` #` in it needs quotes"
        };
        self.error(Span { file: self.file, start, end }, &format!("not well-formed YAML: {info}"), Some(hint));
        None
    }

    fn open(&mut self, anchor: usize, span: Span, content: Content) -> Option<()> {
        if self.frames.len() as u64 >= u64::from(MAX_DEPTH) {
            return self.error(span, &format!("nested more than {MAX_DEPTH} deep"), None);
        }
        self.frames.push(Frame { anchor, start: span.start, content });
        Some(())
    }

    fn close(&mut self, span: Span) -> Option<()> {
        let Frame { anchor, start, content } = self.frames.pop()?;
        let (kind, height, size) = match content {
            Content::Sequence(items) => {
                let (height, size) = measure(items.iter());
                (NodeKind::Sequence(items), height, size)
            }
            Content::Mapping { entries, .. } => {
                let (height, size) = measure(entries.iter().map(|(_, node)| node));
                (NodeKind::Mapping(entries), height, size)
            }
        };
        // A block collection ends where the next thing begins: the blank before that is not part of it.
        let end = span.end.max(start);
        let trimmed = self.text.get(start as usize..end as usize).map_or(0, |t| offset(t.trim_end().len()));
        let span = Span { file: self.file, start, end: start + trimmed };
        self.add(Node { kind, span, height, size }, anchor)
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Option<()> {
        self.total += node.size;
        if node.height + offset(self.frames.len()) > MAX_DEPTH || self.total > MAX_NODES {
            return self.error(node.span, "the aliases make the file too large or nest it too deep", None);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root.get_or_insert(node);
            return Some(());
        };
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, seen, key } => match std::mem::replace(key, PendingKey::None) {
                PendingKey::None => *key = read_key(node, entries, seen, self.out),
                PendingKey::Text(key) => entries.push((key, node)),
                PendingKey::Refused => {}
            },
        }
        Some(())
    }

    fn span(&self, place: &granit_parser::Span) -> Span {
        let start = self.clamp(place.start.byte_offset().unwrap_or(0));
        let end = self.clamp(place.end.byte_offset().unwrap_or(0)).max(start);
        Span { file: self.file, start, end }
    }

    /// The nearest offset at or before `byte` that is inside the text and between two characters.
    fn clamp(&self, byte: usize) -> u32 {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        offset(byte)
    }
}

fn read_key(
    node: Node,
    entries: &[(Spanned<String>, Node)],
    seen: &mut HashSet<String>,
    out: &mut Vec<Diagnostic>,
) -> PendingKey {
    let span = node.span;
    let NodeKind::Scalar(scalar) = node.kind else {
        out.push(
            Diagnostic::error(Code::WrongShape, span, "a key is a list or a mapping")
                .hint("keys are text; put quotes around a value that begins with `{{`"),
        );
        return PendingKey::Refused;
    };
    // Most mappings are short: only the names of long ones, such as columns, are kept for looking up.
    let is_new = if entries.len() < LONG_MAPPING {
        !entries.iter().any(|(key, _)| key.value == scalar.text)
    } else {
        if seen.is_empty() {
            seen.extend(entries.iter().map(|(key, _)| key.value.clone()));
        }
        seen.insert(scalar.text.clone())
    };
    if is_new {
        return PendingKey::Text(Spanned { value: scalar.text, span });
    }
    let mut diagnostic = Diagnostic::error(Code::DuplicateKey, span, format!("key `{}` is there twice", scalar.text))
        .hint("keep one of the two");
    if let Some((first, _)) = entries.iter().find(|(key, _)| key.value == scalar.text) {
        diagnostic = diagnostic.also(first.span, "first here");
    }
    out.push(diagnostic);
    PendingKey::Refused
}

fn measure<'a>(children: impl Iterator<Item = &'a Node>) -> (u32, u64) {
    let (height, size) = children.fold((0, 1), |(height, size), node| (node.height.max(height), size + node.size));
    (height + 1, size)
}

/// Offsets are kept in 32 bits; a file of more than 4 GiB is not a model.
pub(crate) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> (Option<Node>, Vec<String>) {
        let mut out = Vec::new();
        let node = parse(FileId(0), text, &mut out);
        (node, out.into_iter().map(|d| format!("{} {:?} {}", d.code.id(), d.primary.span.start, d.message)).collect())
    }

    fn slice<'a>(text: &'a str, node: &Node) -> &'a str {
        &text[node.span.start as usize..node.span.end as usize]
    }

    #[test]
    fn places_are_in_bytes() {
        let text = "né: 'é a'\nb: [x, \"ÿ\"]\nc: |\n  two\n  lines\nd: end\n";
        let (node, problems) = tree(text);
        assert!(problems.is_empty(), "{problems:?}");
        let node = node.unwrap();
        assert_eq!(slice(text, node.get("né").unwrap()), "'é a'");
        assert_eq!(slice(text, node.get("b").unwrap()), "[x, \"ÿ\"]");
        assert!(slice(text, node.get("c").unwrap()).contains("two\n  lines"));
        assert_eq!(slice(text, node.get("d").unwrap()), "end");
        assert_eq!(slice(text, &node), text.trim_end());
    }

    #[test]
    fn a_key_twice_is_reported_and_the_first_is_kept() {
        let (node, problems) = tree("a: 1\nb: 2\na: 3\n");
        assert_eq!(problems, ["E0106 10 key `a` is there twice"]);
        assert!(matches!(&node.unwrap().get("a").unwrap().kind, NodeKind::Scalar(s) if s.text == "1"));
    }

    #[test]
    fn aliases_are_followed_and_cannot_explode() {
        let (node, problems) = tree("a: &x [1, 2]\nb: *x\n");
        assert!(problems.is_empty(), "{problems:?}");
        assert!(matches!(&node.unwrap().get("b").unwrap().kind, NodeKind::Sequence(items) if items.len() == 2));

        let mut bomb = "a0: &a0 [x, x]\n".to_owned();
        for i in 1..60 {
            bomb.push_str(&format!("a{i}: &a{i} [*a{p}, *a{p}]\n", p = i - 1));
        }
        let (node, problems) = tree(&bomb);
        assert!(node.is_none());
        assert!(problems[0].contains("too large"), "{problems:?}");
    }

    #[test]
    fn malformed_files_are_reported_at_their_place() {
        for text in ["a: b: c\n", "a:\n\t- b\n", "a: [1, 2\n", "a: 'x\n", "a: 1\n---\nb: 2\n", "a: *nowhere\n"] {
            let (node, problems) = tree(text);
            assert!(node.is_none() && problems.len() == 1 && problems[0].starts_with("E0101"), "{text:?} {problems:?}");
        }
        assert!(tree("").0.is_none() && tree("# nothing\n").1.is_empty());
    }
}
