//! `{{ name }}` in the texts of declarations: the parameters of a package, and `for_each`, which makes
//! one declaration for each of a list of values. Both work on nodes, before anything is decoded, so that
//! they hold for every form of the language. What stands in a text becomes part of it; a text that is
//! only `{{ name }}` becomes the value itself, with its type. `{{ env('…') }}` is left as it is.

use std::collections::{BTreeMap, HashSet};

use crate::{Code, Diagnostic, Span};

use super::decode::{listed, wrong_shape};
use super::node::{MAX_DEPTH, MAX_NODES, Node, NodeKind, Scalar, Spanned};
use super::suggest::nearest;

/// The most declarations that one may stand for.
const MAX_COMBINATIONS: usize = 1_000;
/// How deep a tree may be in which values were put.
pub(crate) const MAX_HEIGHT: u32 = MAX_DEPTH;
const FOR_EACH: &str = "for_each";

/// Puts the values of parameters into texts.
pub(crate) struct Filler<'a> {
    values: &'a BTreeMap<String, Node>,
    /// Names that a `for_each` further in gives.
    hidden: Vec<String>,
    /// The names that were met.
    pub used: HashSet<String>,
    /// How many nodes may still be put in.
    budget: u64,
}

impl<'a> Filler<'a> {
    /// For these values.
    pub fn new(values: &'a BTreeMap<String, Node>) -> Self {
        Filler { values, hidden: Vec::new(), used: HashSet::new(), budget: MAX_NODES }
    }

    /// The tree with the values in it. Names that are not known are reported and left.
    pub fn fill(&mut self, node: &Node, out: &mut Vec<Diagnostic>) -> Node {
        match &node.kind {
            NodeKind::Scalar(scalar) if !scalar.text.contains("{{") => node.clone(),
            NodeKind::Scalar(scalar) => self.scalar(node, scalar, out),
            NodeKind::Sequence(items) => {
                Node::sequence(items.iter().map(|item| self.fill(item, out)).collect(), node.span)
            }
            NodeKind::Mapping(entries) => self.mapping(entries, node.span, out),
        }
    }

    fn mapping(&mut self, entries: &[(Spanned<String>, Node)], span: Span, out: &mut Vec<Diagnostic>) -> Node {
        let outer = self.hidden.len();
        let own = entries.iter().find(|(key, _)| key.value == FOR_EACH).map_or(&[][..], |(_, node)| node.entries());
        self.hidden.extend(own.iter().map(|(name, _)| name.value.clone()));
        let mut filled: Vec<(Spanned<String>, Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let value = if key.value == FOR_EACH {
                // The lists themselves are of the scope outside.
                let inner = self.hidden.split_off(outer);
                let value = self.fill(value, out);
                self.hidden.extend(inner);
                value
            } else {
                self.fill(value, out)
            };
            let key = self.key(key, out);
            if let Some((first, _)) = filled.iter().find(|(other, _)| other.value == key.value) {
                let message = format!("key `{}` is there twice", key.value);
                let diagnostic = Diagnostic::error(Code::DuplicateKey, key.span, message);
                out.push(diagnostic.also(first.span, "first here").hint("keep one of the two"));
                continue;
            }
            filled.push((key, value));
        }
        self.hidden.truncate(outer);
        Node::mapping(filled, span)
    }

    fn key(&mut self, key: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Spanned<String> {
        let value = if key.value.contains("{{") { self.text(&key.value, key.span, out) } else { key.value.clone() };
        Spanned { value, span: key.span }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, out: &mut Vec<Diagnostic>) -> Node {
        let only = scalar.text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
        if let Some(name) = only.filter(|name| is_name(name)) {
            return self.value(name, node.span, out).map_or_else(|| node.clone(), |value| value.at(node.span));
        }
        node.with_text(self.text(&scalar.text, node.span, out), scalar.plain)
    }

    /// The text with the values in it.
    fn text(&mut self, text: &str, span: Span, out: &mut Vec<Diagnostic>) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((inside, after)) = behind.split_once("}}") else { break };
            filled.push_str(before);
            let name = inside.trim();
            let value = if is_name(name) { self.value(name, span, out) } else { None };
            match value.map(|value| (value.text(), value)) {
                Some((Some(value), _)) => filled.push_str(value),
                Some((None, value)) => {
                    let message = format!("`{name}` is {}, which cannot be a part of a text", value.shape());
                    let hint = format!("let `{{{{ {name} }}}}` be the whole value, or the list of a `for_each`");
                    out.push(Diagnostic::error(Code::WrongShape, span, message).hint(hint));
                }
                None => filled.extend(["{{", inside, "}}"]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    fn value(&mut self, name: &str, span: Span, out: &mut Vec<Diagnostic>) -> Option<&'a Node> {
        if self.hidden.iter().any(|hidden| hidden == name) {
            return None;
        }
        let Some(value) = self.values.get(name) else {
            out.push(self.unknown(name, span));
            return None;
        };
        self.used.insert(name.to_owned());
        match self.budget.checked_sub(value.size()) {
            Some(budget) => self.budget = budget,
            None => {
                let message = "the values of parameters make the file too large";
                out.push(Diagnostic::error(Code::InvalidParameter, span, message).hint("use shorter lists"));
                return None;
            }
        }
        Some(value)
    }

    fn unknown(&self, name: &str, span: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error(Code::InvalidParameter, span, format!("no parameter `{name}`"));
        let known: Vec<&str> = self.values.keys().chain(&self.hidden).map(String::as_str).collect();
        match nearest(name, known.iter().copied()) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => diagnostic.hint(format!("add `for_each: {{ {name}: [ … ] }}`")),
            None => diagnostic.hint(format!("there are {}", listed(&known))),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A file's tree with one declaration in the place of each that has a `for_each`, per combination of
/// its values. Where one cannot be, it is reported and `complete` becomes false.
pub(crate) fn expand(root: Node, complete: &mut bool, out: &mut Vec<Diagnostic>) -> Node {
    let needs = |key: &str, list: &Node| match key {
        "segments" => list.items().iter().any(has_template),
        "entities" => list.items().iter().any(|entity| entity.get("fields").is_some_and(has_template)),
        _ => false,
    };
    if !root.entries().iter().any(|(key, list)| needs(&key.value, list)) {
        return root;
    }
    let mut expansion = Expansion { complete, out };
    let span = root.span;
    let entries = root.into_entries().into_iter().map(|(key, node)| {
        let node = match key.value.as_str() {
            "segments" => expansion.list(&node, "segment"),
            "entities" if !node.items().is_empty() => {
                Node::sequence(node.items().iter().map(|e| expansion.entity(e)).collect(), node.span)
            }
            _ => node,
        };
        (key, node)
    });
    Node::mapping(entries.collect(), span)
}

/// Whether there is a `for_each`, or a text with a parameter.
fn has_template(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.text.contains("{{"),
        NodeKind::Sequence(items) => items.iter().any(has_template),
        NodeKind::Mapping(entries) => {
            entries.iter().any(|(key, value)| key.value == FOR_EACH || key.value.contains("{{") || has_template(value))
        }
    }
}

struct Expansion<'a> {
    complete: &'a mut bool,
    out: &'a mut Vec<Diagnostic>,
}

impl Expansion<'_> {
    fn entity(&mut self, entity: &Node) -> Node {
        if !matches!(entity.kind, NodeKind::Mapping(_)) {
            return entity.clone();
        }
        let entries = entity.entries().iter().map(|(key, value)| {
            let value = if key.value == "fields" { self.list(value, "field") } else { value.clone() };
            (key.clone(), value)
        });
        Node::mapping(entries.collect(), entity.span)
    }

    fn list(&mut self, list: &Node, what: &str) -> Node {
        if !matches!(list.kind, NodeKind::Sequence(_)) {
            return list.clone();
        }
        let mut items = Vec::new();
        for item in list.items() {
            match item.entries().iter().find(|(key, _)| key.value == FOR_EACH) {
                Some((key, lists)) => match self.combinations(lists, item) {
                    Some(combinations) => self.each(item, key, &combinations, what, &mut items),
                    None => *self.complete = false,
                },
                None if has_template(item) => items.push(Filler::new(&BTreeMap::new()).fill(item, self.out)),
                None => items.push(item.clone()),
            }
        }
        Node::sequence(items, list.span)
    }

    /// Every combination of the values, the first list changing slowest.
    fn combinations(&mut self, lists: &Node, item: &Node) -> Option<Vec<BTreeMap<String, Node>>> {
        let NodeKind::Mapping(entries) = &lists.kind else {
            self.out.push(wrong_shape(lists, "lists of values").hint("write `for_each: { country: [FR, DE] }`"));
            return None;
        };
        let mut all = vec![BTreeMap::new()];
        for (name, list) in entries {
            if !is_name(&name.value) {
                let message = format!("`{}` cannot be the name of a parameter", name.value);
                let hint = "use letters, digits and `_`, and begin with a letter";
                self.out.push(Diagnostic::error(Code::InvalidValue, name.span, message).hint(hint));
                return None;
            }
            if list.items().is_empty() || !list.items().iter().all(|value| value.text().is_some()) {
                let hint = format!("write `{}: [a, b]`", name.value);
                self.out.push(wrong_shape(list, "a list of single values").hint(hint));
                return None;
            }
            let count = all.len() * list.items().len();
            if count > MAX_COMBINATIONS || count as u64 * item.size() > MAX_NODES {
                let message = format!("one declaration for {count} combinations: {MAX_COMBINATIONS} are the most");
                self.out.push(Diagnostic::error(Code::InvalidValue, lists.span, message).hint("use shorter lists"));
                return None;
            }
            let with = |values: &BTreeMap<String, Node>, value: &Node| {
                let mut values = values.clone();
                values.insert(name.value.clone(), value.clone());
                values
            };
            all = all.iter().flat_map(|values| list.items().iter().map(|value| with(values, value))).collect();
        }
        Some(all)
    }

    /// One declaration per combination. What is wrong with all of them is reported once.
    fn each(
        &mut self,
        item: &Node,
        key: &Spanned<String>,
        combinations: &[BTreeMap<String, Node>],
        what: &str,
        items: &mut Vec<Node>,
    ) {
        let entries = item.entries().iter().filter(|(key, _)| key.value != FOR_EACH).cloned().collect();
        let bare = Node::mapping(entries, item.span);
        let mut used = HashSet::new();
        let mut names = HashSet::new();
        let mut problems = Vec::new();
        for values in combinations {
            let mut filler = Filler::new(values);
            let filled = filler.fill(&bare, &mut problems);
            used.extend(filler.used);
            match filled.get("name").and_then(|name| Some((name.text()?.to_owned(), name.span))) {
                Some((name, span)) if !names.insert(name.clone()) => {
                    let message = format!("`for_each` makes more than one {what} `{name}`");
                    let lists: Vec<String> = values.keys().map(|key| format!("{{{{ {key} }}}}")).collect();
                    let hint = format!("put {} into the name", listed(&lists.iter().map(|s| &**s).collect::<Vec<_>>()));
                    problems.push(Diagnostic::error(Code::DuplicateName, span, message).hint(hint));
                }
                _ => items.push(filled),
            }
        }
        for name in combinations.first().into_iter().flat_map(BTreeMap::keys).filter(|name| !used.contains(*name)) {
            let message = format!("parameter `{name}` is not used");
            let hint = format!("write `{{{{ {name} }}}}` where its value belongs, or remove it from `for_each`");
            problems.push(Diagnostic::error(Code::InvalidParameter, key.span, message).hint(hint));
        }
        let mut seen = HashSet::new();
        problems.retain(|d| seen.insert((d.primary.span, d.message.clone())));
        self.out.extend(problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileId;
    use crate::syntax::node::parse;

    fn expanded(text: &str) -> (String, Vec<String>) {
        let mut out = Vec::new();
        let root = parse(FileId(0), text, &mut out).unwrap();
        let node = expand(root, &mut true, &mut out);
        (shown(&node), out.into_iter().map(|d| format!("{} {}", d.code.id(), d.message)).collect())
    }

    fn shown(node: &Node) -> String {
        match &node.kind {
            NodeKind::Scalar(s) if s.plain => s.text.clone(),
            NodeKind::Scalar(s) => format!("{:?}", s.text),
            NodeKind::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            NodeKind::Mapping(entries) => {
                let entry = |(key, value): &(Spanned<String>, Node)| format!("{}: {}", key.value, shown(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn one_declaration_per_combination_with_typed_values() {
        let text = "segments:\n  - name: s_{{ c }}_{{ n }}\n    for_each: { c: [FR, 'DE'], n: [1, 2] }\n    \
                    where: { a: '{{ n }}', b: \"{{ c }}\", t: \"x = '{{c}}'\" }\n";
        let (node, problems) = expanded(text);
        assert!(problems.is_empty(), "{problems:?}");
        let each = |c: &str, quoted: &str, n: u8| {
            format!("{{name: s_{c}_{n}, where: {{a: {n}, b: {quoted}, t: \"x = '{c}'\"}}}}")
        };
        let all =
            [each("FR", "FR", 1), each("FR", "FR", 2), each("DE", "\"DE\"", 1), each("DE", "\"DE\"", 2)].join(", ");
        assert_eq!(node, format!("{{segments: [{all}]}}"));
    }

    #[test]
    fn what_cannot_be_expanded_is_reported_once() {
        let of = |item: &str| expanded(&format!("segments:\n  - {item}\n")).1;
        assert_eq!(of("{ name: 's_{{ c }}', for_each: { c: [a, b] }, x: '{{ d }}' }"), ["E0121 no parameter `d`"]);
        assert_eq!(
            of("{ name: s, for_each: { c: [a, b, c] }, x: '{{ c }}' }"),
            ["E0107 `for_each` makes more than one segment `s`"]
        );
        assert_eq!(of("{ name: 's_{{ c }}', for_each: { c: [a], d: [x] } }"), ["E0121 parameter `d` is not used"]);
        assert_eq!(
            of("{ name: 's_{{ c }}', for_each: { c: a } }"),
            ["E0104 expected a list of single values, found a single value"]
        );
        assert_eq!(of("{ name: 's_{{ c }}', for_each: [a] }"), ["E0104 expected lists of values, found a list"]);
        assert_eq!(of("{ name: 's', x: '{{ c }}' }"), ["E0121 no parameter `c`"]);
        assert_eq!(of("{ name: 's', x: \"{{ env('A') }} {{ \" }"), Vec::<String>::new());
        let many = vec!["a"; 40].join(",");
        let huge = of(&format!("{{ name: '{{{{ c }}}}{{{{ d }}}}', for_each: {{ c: [{many}], d: [{many}] }} }}"));
        assert_eq!(huge, ["E0105 one declaration for 1600 combinations: 1000 are the most"]);
    }

    #[test]
    fn fields_of_entities_are_expanded_too_and_the_rest_is_left() {
        let (node, problems) = expanded(
            "entities:\n  - name: c\n    fields:\n      - { name: 'f_{{ p }}', for_each: { p: [a, b] } }\n      - { name: g }\n\
             destinations:\n  - { url: \"{{ x }}\" }\n",
        );
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            node,
            "{entities: [{name: c, fields: [{name: \"f_a\"}, {name: \"f_b\"}, {name: g}]}], \
             destinations: [{url: \"{{ x }}\"}]}"
        );
    }

    #[test]
    fn the_names_of_a_for_each_hide_parameters_but_not_in_its_lists() {
        let mut out = Vec::new();
        let text = "segments:\n  - { name: '{{ p }}_{{ q }}', for_each: { p: '{{ ps }}' } }\n";
        let root = parse(FileId(0), text, &mut out).unwrap();
        let list = parse(FileId(0), "v: [a, b]", &mut out).unwrap().get("v").unwrap().clone();
        let one = parse(FileId(0), "v: x", &mut out).unwrap().get("v").unwrap().clone();
        let values = BTreeMap::from([("ps".to_owned(), list), ("q".to_owned(), one.clone()), ("p".to_owned(), one)]);
        let mut filler = Filler::new(&values);
        let node = filler.fill(&root, &mut out);
        assert_eq!(shown(&node), "{segments: [{name: \"{{ p }}_x\", for_each: {p: [a, b]}}]}");
        assert!(out.is_empty() && !filler.used.contains("p"), "{out:?}");
    }
}
