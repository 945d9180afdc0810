//! Reading declarations from nodes. Every problem is reported and reading goes on.

use crate::{Code, Diagnostic};

use super::language::SettingDecl;
use super::node::{Node, NodeKind, Scalar, Spanned};
use super::suggest::nearest;

/// Something that is written in YAML.
pub(crate) trait Decode: Sized {
    /// Whether the key that holds it must be there.
    const REQUIRED: bool = true;

    /// Whether null is a value of it, and not the same as a key that is not there.
    const TAKES_NULL: bool = false;

    /// Reads it. `None` if it cannot be read, which has then been reported.
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self>;

    /// Its value where the key is not there; `None` if the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// What may be written, as data for a JSON Schema and the reference page.
    fn shape() -> Shape;
}

/// What may be written at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Boolean,
    Integer,
    /// Text, a number or a boolean: data.
    Value,
    /// One of these words.
    Word(&'static [&'static str]),
    List(fn() -> Shape),
    /// Any keys, all with such a value.
    Entries(fn() -> Shape),
    Mapping(&'static MappingShape),
    Either(fn() -> Shape, fn() -> Shape),
    /// A condition tree.
    Condition,
}

/// The keys of a mapping.
#[derive(Debug)]
pub(crate) struct MappingShape {
    pub name: &'static str,
    pub docs: &'static [&'static str],
    pub keys: &'static [KeyShape],
    /// Other keys are taken too.
    pub open: bool,
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct KeyShape {
    pub name: &'static str,
    pub docs: &'static [&'static str],
    pub required: bool,
    pub shape: fn() -> Shape,
}

/// The key of a struct's field: `r#in` is written `in`.
pub(crate) const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// The keys of one mapping while it is read.
pub(crate) struct Keys<'a> {
    /// The name of the declaration in the code.
    decl: &'static str,
    node: &'a Node,
    /// In the order of the file; mappings are short, so that looking through them beats hashing.
    known: Vec<(&'a Spanned<String>, &'a Node)>,
    others: Vec<(&'a Spanned<String>, &'a Node)>,
}

impl<'a> Keys<'a> {
    /// The keys of a node that must be a mapping; keys that are not `known` are reported unless `open`.
    pub fn new(
        decl: &'static str,
        node: &'a Node,
        known: &[&'static str],
        open: bool,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let NodeKind::Mapping(entries) = &node.kind else {
            out.push(wrong_shape(node, "a mapping").hint(format!("its keys are {}", listed(known))));
            return None;
        };
        let mut keys = Keys { decl, node, known: Vec::with_capacity(entries.len()), others: Vec::new() };
        for (key, value) in entries {
            if known.contains(&key.value.as_str()) {
                keys.known.push((key, value));
            } else if open {
                keys.others.push((key, value));
            } else {
                out.push(unknown_key(key, known));
            }
        }
        Some(keys)
    }

    /// Reads the value of a key. A key without a value counts as absent.
    pub fn take<T: Decode>(&mut self, name: &'static str, out: &mut Vec<Diagnostic>) -> Option<T> {
        match self.known.iter().find(|(key, _)| key.value == name) {
            Some((key, node)) if node.is_null() && !T::TAKES_NULL => {
                if T::REQUIRED {
                    out.push(
                        Diagnostic::error(Code::MissingKey, key.span, format!("`{name}` has no value"))
                            .hint(format!("write `{name}: …`")),
                    );
                }
                T::absent()
            }
            // A value that cannot be read is reported; where the key is optional the rest is still used.
            Some((_, node)) => T::decode(node, out).or_else(T::absent),
            None => {
                if T::REQUIRED {
                    out.push(self.missing(name));
                }
                T::absent()
            }
        }
    }

    /// The whole of a mapping may be long: its name, or its first key, is where people look.
    fn missing(&self, name: &str) -> Diagnostic {
        let decl = self.decl.trim_end_matches("Decl").trim_end_matches("Condition").to_lowercase();
        let (what, span) = match (self.node.get("name"), &self.node.kind) {
            (Some(Node { kind: NodeKind::Scalar(own), span, .. }), _) => (format!("{decl} `{}`", own.text), *span),
            (_, NodeKind::Mapping(entries)) => (decl, entries.first().map_or(self.node.span, |(key, _)| key.span)),
            _ => (decl, self.node.span),
        };
        Diagnostic::error(Code::MissingKey, span, format!("{what} has no `{name}`")).hint(format!("add `{name}: …`"))
    }

    /// The other keys, as settings: each a single value.
    pub fn settings(&mut self, out: &mut Vec<Diagnostic>) -> Vec<SettingDecl> {
        let mut settings = Vec::new();
        for (key, node) in self.others.drain(..) {
            match &node.kind {
                NodeKind::Scalar(scalar) if !scalar.is_null() => settings.push(SettingDecl {
                    name: key.clone(),
                    value: Spanned { value: scalar.text.clone(), span: node.span },
                }),
                _ => out.push(wrong_shape(node, "a single value")),
            }
        }
        settings
    }
}

/// A key that is not in the language.
pub(crate) fn unknown_key(key: &Spanned<String>, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code::UnknownKey, key.span, format!("unknown key `{}`", key.value));
    match nearest(&key.value, known.iter().copied()) {
        Some(name) => diagnostic.hint(format!("did you mean `{name}`?")),
        None => diagnostic.hint(format!("known keys are {}", listed(known))),
    }
}

/// A node of another shape than is taken.
pub(crate) fn wrong_shape(node: &Node, expected: &str) -> Diagnostic {
    Diagnostic::error(Code::WrongShape, node.span, format!("expected {expected}, found {}", node.shape()))
}

/// Names in backticks, with commas.
pub(crate) fn listed(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

impl Decode for Spanned<String> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar(scalar) => Some(Spanned { value: scalar.text.clone(), span: node.span }),
            NodeKind::Mapping(_) => {
                out.push(wrong_shape(node, "text").hint("put quotes around text with `{`, `: ` or ` #` in it"));
                None
            }
            NodeKind::Sequence(_) => {
                out.push(wrong_shape(node, "text"));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Text
    }
}

impl Decode for Spanned<bool> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar(Scalar { text, plain: true }) if text == "true" || text == "false" => {
                Some(Spanned { value: text == "true", span: node.span })
            }
            _ => {
                out.push(wrong_shape(node, "`true` or `false`"));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Boolean
    }
}

impl Decode for Spanned<u64> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        if let NodeKind::Scalar(Scalar { text, plain: true }) = &node.kind
            && let Ok(value) = text.parse()
        {
            return Some(Spanned { value, span: node.span });
        }
        out.push(wrong_shape(node, "a whole number"));
        None
    }

    fn shape() -> Shape {
        Shape::Integer
    }
}

/// A literal: data, whatever it looks like.
#[derive(Debug, Clone)]
pub(crate) struct Value(pub Spanned<Scalar>);

impl Decode for Value {
    const TAKES_NULL: bool = true;

    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar(scalar) => Some(Value(Spanned { value: scalar.clone(), span: node.span })),
            _ => {
                out.push(wrong_shape(node, "a single value"));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Value
    }
}

impl<T: Decode> Decode for Option<T> {
    const REQUIRED: bool = false;
    const TAKES_NULL: bool = T::TAKES_NULL;

    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        T::decode(node, out).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        T::decode(node, out).map(Box::new)
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Decode> Decode for Vec<T> {
    const REQUIRED: bool = false;

    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let NodeKind::Sequence(items) = &node.kind else {
            out.push(wrong_shape(node, "a list").hint("begin each item with `- `, or write `[a, b]`"));
            return None;
        };
        Some(items.iter().filter_map(|item| T::decode(item, out)).collect())
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn shape() -> Shape {
        Shape::List(T::shape)
    }
}

/// A named item of a list. Where it cannot be read its name is kept, so that what refers to it is not
/// reported as well.
#[derive(Debug, Clone)]
pub(crate) struct Item<T> {
    pub name: Option<Spanned<String>>,
    pub decl: Option<T>,
}

impl<T: Decode> Decode for Item<T> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let name = node.get("name").and_then(|n| match &n.kind {
            NodeKind::Scalar(s) if !s.is_null() => Some(Spanned { value: s.text.clone(), span: n.span }),
            _ => None,
        });
        Some(Item { name, decl: T::decode(node, out) })
    }

    fn shape() -> Shape {
        T::shape()
    }
}

/// A mapping with keys of the project's own choice.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T>(pub Vec<(Spanned<String>, Option<T>)>);

impl<T: Decode> Decode for Entries<T> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let NodeKind::Mapping(entries) = &node.kind else {
            out.push(wrong_shape(node, "a mapping").hint("write `name: value` lines"));
            return None;
        };
        Some(Entries(entries.iter().map(|(key, value)| (key.clone(), T::decode(value, out))).collect()))
    }

    fn shape() -> Shape {
        Shape::Entries(T::shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{ListsDecl, ProjectDecl};

    /// Walks everything that may be written and counts the keys.
    fn walk(shape: Shape, keys: &mut usize) {
        match shape {
            Shape::List(item) | Shape::Entries(item) => walk(item(), keys),
            Shape::Either(a, b) => {
                walk(a(), keys);
                walk(b(), keys);
            }
            Shape::Word(words) => assert!(!words.is_empty()),
            Shape::Mapping(mapping) => {
                assert!(!mapping.docs.is_empty(), "{} has no docs", mapping.name);
                for key in mapping.keys {
                    *keys += 1;
                    assert!(key.docs.last().is_some_and(|d| d.ends_with('.')), "{}.{}", mapping.name, key.name);
                    assert!(!key.name.starts_with("r#"), "{}", key.name);
                    walk((key.shape)(), keys);
                }
            }
            Shape::Text | Shape::Boolean | Shape::Integer | Shape::Value | Shape::Condition => {}
        }
    }

    #[test]
    fn the_whole_language_is_described_as_data() {
        let mut keys = 0;
        walk(ProjectDecl::shape(), &mut keys);
        walk(ListsDecl::shape(), &mut keys);
        assert!(keys > 50, "{keys} keys");
        let Shape::Mapping(lists) = ListsDecl::shape() else { panic!("not a mapping") };
        assert_eq!(lists.keys[0].name, "sources");
        assert!(!lists.keys[0].required && !lists.open);
        let Shape::Mapping(project) = ProjectDecl::shape() else { panic!("not a mapping") };
        let required: Vec<_> = project.keys.iter().filter(|k| k.required).map(|k| k.name).collect();
        assert_eq!(required, ["name", "version", "targets"]);
    }
}
