//! The conditions of a file: where they stand, and replacing them without touching anything else.

use crate::check::Conditions;
use crate::expr::Ast;
use crate::syntax::{ConditionDecl, Decode, Node, NodeKind, parse};
use crate::{FileId, SourceMap, Span};

use super::Spelling;
use super::same::key;
use super::text::text;
use super::tree::{Names, tree};
use super::yaml::{Spot, Yaml};

/// A file with its conditions written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respelled {
    /// The file's path, as it was given.
    pub path: String,
    /// The whole text as it should be.
    pub text: String,
    /// What differs.
    pub rewritten: Vec<Rewritten>,
    /// What was left as it is although it was asked for.
    pub kept: Vec<Kept>,
}

/// A condition that is written in another way now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Whose condition.
    pub segment: String,
    /// The line of its `where:`, from 1.
    pub line: usize,
    /// `where:` and its value, as they were.
    pub before: String,
    /// The same as they are now.
    pub after: String,
}

/// A condition that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose condition.
    pub segment: String,
    /// The line of its `where:`, from 1.
    pub line: usize,
    /// Why, without a full stop.
    pub reason: String,
    /// The condition is an error, which checking the project explains.
    pub invalid: bool,
}

/// A condition in a file.
struct Found<'a> {
    segment: String,
    key: Span,
    node: &'a Node,
    /// Inside `{ … }` or `[ … ]`.
    flow: bool,
}

/// Writes the conditions of segments anew: in the spelling `to`, or each in the one it has.
///
/// `files` are path and text of all files of the project; `wanted` is asked for path and segment.
/// Files in which nothing is wanted, or which are no YAML, are not among the results.
pub fn respell(
    files: Vec<(String, String)>,
    to: Option<Spelling>,
    wanted: &dyn Fn(&str, &str) -> bool,
) -> Vec<Respelled> {
    let sources = SourceMap::new(files);
    let trees: Vec<(FileId, Option<Node>)> =
        sources.files().map(|(file, _, text)| (file, parse(file, text, &mut Vec::new()))).collect();
    let mut names = Names::default();
    trees.iter().filter_map(|(_, root)| root.as_ref()).for_each(|root| collect_names(root, &mut names));
    let mut all = Vec::new();
    for (file, root) in &trees {
        let Some(root) = root else { continue };
        let path = sources.path(*file);
        let found: Vec<Found> =
            conditions(root, &sources).into_iter().filter(|found| wanted(path, &found.segment)).collect();
        if !found.is_empty() {
            all.push(one_file(*file, &found, to, &names, &sources));
        }
    }
    all
}

fn one_file(file: FileId, found: &[Found], to: Option<Spelling>, names: &Names, sources: &SourceMap) -> Respelled {
    let before = sources.text(file);
    let mut result = Respelled {
        path: sources.path(file).to_owned(),
        text: before.to_owned(),
        rewritten: Vec::new(),
        kept: Vec::new(),
    };
    let mut edits = Vec::new();
    for one in found {
        let line = sources.position(one.key).line;
        match rewrite(one, to, names, sources) {
            Ok(None) => {}
            Ok(Some((range, value))) => {
                let start = one.key.start as usize;
                result.rewritten.push(Rewritten {
                    segment: one.segment.clone(),
                    line,
                    before: before.get(start..range.end).unwrap_or_default().to_owned(),
                    after: format!("{}{value}", before.get(start..range.start).unwrap_or_default()),
                });
                edits.push((range, value));
            }
            Err((reason, invalid)) => {
                result.kept.push(Kept { segment: one.segment.clone(), line, reason: reason.to_owned(), invalid });
            }
        }
    }
    // From the end, so that the places before stay right.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, value) in edits {
        result.text.replace_range(range, &value);
    }
    if !result.rewritten.is_empty() && keys_of(before) != keys_of(&result.text) {
        let unsafe_edits = std::mem::take(&mut result.rewritten);
        let reason = "the file would not be read back as it was";
        result.kept.extend(unsafe_edits.into_iter().map(|r| Kept {
            segment: r.segment,
            line: r.line,
            reason: reason.to_owned(),
            invalid: false,
        }));
        result.text = before.to_owned();
    }
    result
}

type Edit = (std::ops::Range<usize>, String);

/// The bytes to replace and what comes there; nothing where it is written so already.
fn rewrite(
    found: &Found,
    to: Option<Spelling>,
    names: &Names,
    sources: &SourceMap,
) -> Result<Option<Edit>, (&'static str, bool)> {
    let file = sources.text(found.key.file);
    let (start, end) = (found.key.end as usize, written_end(found.node, file));
    let old = file.get(start..end).unwrap_or_default();
    let gap = file.get(start..found.node.span.start as usize).unwrap_or("*");
    if !gap.trim_start().starts_with(':') || !signs(gap) || !only_values(found.node, file) {
        return Err(("it holds comments, anchors or aliases, which would be lost", false));
    }
    if has_sql_comment(found.node) {
        return Err(("its text holds `--` or `/*`, and a comment there would be lost", false));
    }
    let Some(ast) = read(found.node, sources) else {
        return Err(("it cannot be read; `springline validate` says why", true));
    };
    let is_text = matches!(&found.node.kind, NodeKind::Scalar(_));
    let to = to.unwrap_or(if is_text { Spelling::Text } else { Spelling::Tree });
    let yaml = match to {
        Spelling::Text => text(&ast).map(Yaml::Text),
        Spelling::Tree => tree(&ast, names),
    };
    let Some(yaml) = yaml else { return Err(("it has no such spelling", false)) };
    let line = file.get(..found.key.start as usize).unwrap_or_default();
    let column = line.get(line.rfind('\n').map_or(0, |at| at + 1)..).unwrap_or_default().chars().count();
    let rest_of_line = file.get(end..).unwrap_or_default().lines().next().unwrap_or_default();
    let spot = Spot { column, flow: found.flow, comment_follows: rest_of_line.contains('#') };
    let new = format!(":{}", yaml.render(spot));
    if new == old {
        return Ok(None);
    }
    if !reads_back(&new, spot, &ast) {
        return Err(("it would not be read back as it was", false));
    }
    Ok(Some((start..end, new)))
}

/// Whether a value, on its own, is read as that condition.
fn reads_back(value: &str, spot: Spot, ast: &Ast) -> bool {
    let text = match spot.flow {
        true => format!("{{ where{value} }}"),
        false => format!("{}where{value}\n", " ".repeat(spot.column)),
    };
    let sources = SourceMap::new(vec![(String::new(), text.clone())]);
    let root = parse(FileId(0), &text, &mut Vec::new());
    let read = root.as_ref().and_then(|root| read(root.get("where")?, &sources));
    read.is_some_and(|read| key(&read) == key(ast))
}

/// The condition of a node; `None` if there is a problem, which checking the project reports.
pub(super) fn read(node: &Node, sources: &SourceMap) -> Option<Ast> {
    let mut out = Vec::new();
    let condition = ConditionDecl::decode(node, &mut out)?;
    let ast = Conditions { sources, out: &mut out }.read(&condition)?;
    out.is_empty().then_some(ast)
}

/// Every segment of a file with its condition, to compare two versions of the file.
fn keys_of(text: &str) -> Vec<(String, Option<String>)> {
    let sources = SourceMap::new(vec![(String::new(), text.to_owned())]);
    let Some(root) = parse(FileId(0), text, &mut Vec::new()) else { return Vec::new() };
    let found = conditions(&root, &sources);
    found.into_iter().map(|f| (f.segment, read(f.node, &sources).map(|ast| key(&ast)))).collect()
}

/// The conditions of a file's segments.
fn conditions<'a>(root: &'a Node, sources: &SourceMap) -> Vec<Found<'a>> {
    let Some(list) = root.get("segments") else { return Vec::new() };
    let NodeKind::Sequence(items) = &list.kind else { return Vec::new() };
    let opens = |node: &Node| {
        let text = sources.text(node.span.file).get(node.span.start as usize..);
        text.is_some_and(|text| text.starts_with(['{', '[']))
    };
    let flow = opens(root) || opens(list);
    let mut found = Vec::new();
    for item in items {
        let NodeKind::Mapping(entries) = &item.kind else { continue };
        let name = entries.iter().find(|(key, _)| key.value == "name").and_then(|(_, node)| match &node.kind {
            NodeKind::Scalar(scalar) => Some(scalar.text.clone()),
            _ => None,
        });
        for (key, node) in entries.iter().filter(|(key, node)| key.value == "where" && !node.is_null()) {
            let segment = name.clone().unwrap_or_default();
            found.push(Found { segment, key: key.span, node, flow: flow || opens(item) });
        }
    }
    found
}

fn collect_names(root: &Node, names: &mut Names) {
    let Some(NodeKind::Sequence(entities)) = root.get("entities").map(|n| &n.kind) else { return };
    for entity in entities {
        let collect = |list: &str, into: &mut std::collections::HashSet<String>| {
            let Some(NodeKind::Sequence(items)) = entity.get(list).map(|n| &n.kind) else { return };
            for item in items {
                if let Some(NodeKind::Scalar(name)) = item.get("name").map(|n| &n.kind) {
                    into.insert(name.text.clone());
                }
            }
        };
        collect("events", &mut names.events);
        collect("relationships", &mut names.relationships);
    }
}

/// The byte after the last one of a value. The place of a block collection reaches up to what follows,
/// comments included; its last part does not.
fn written_end(node: &Node, file: &str) -> usize {
    let flow = file.get(node.span.start as usize..).is_some_and(|text| text.starts_with(['{', '[']));
    let last = match &node.kind {
        NodeKind::Sequence(items) if !flow => items.last(),
        NodeKind::Mapping(entries) if !flow => entries.last().map(|(_, node)| node),
        _ => None,
    };
    match last {
        Some(last) => written_end(last, file),
        None => {
            let whole = file.get(node.span.start as usize..node.span.end as usize).unwrap_or_default();
            node.span.start as usize + whole.trim_end().len()
        }
    }
}

/// Whether a value consists of keys, values and the signs between them only.
fn only_values(node: &Node, file: &str) -> bool {
    let mut scalars = Vec::new();
    collect_scalars(node, &mut scalars);
    let mut at = node.span.start as usize;
    for span in scalars {
        // What an alias stands for is somewhere else: such a gap has its end before its start.
        if !file.get(at..span.start as usize).is_some_and(signs) {
            return false;
        }
        at = span.end as usize;
    }
    let end = written_end(node, file);
    at >= end || file.get(at..end).is_some_and(signs)
}

/// What may stand between keys and values: the heads of block texts, such as `>-`, among it.
fn signs(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_ascii_digit() || "{}[],:-+|>".contains(c))
}

fn collect_scalars(node: &Node, out: &mut Vec<Span>) {
    match &node.kind {
        NodeKind::Scalar(_) => out.push(node.span),
        NodeKind::Sequence(items) => items.iter().for_each(|item| collect_scalars(item, out)),
        NodeKind::Mapping(entries) => {
            for (key, value) in entries {
                out.push(key.span);
                collect_scalars(value, out);
            }
        }
    }
}

fn has_sql_comment(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.text.contains("--") || scalar.text.contains("/*"),
        NodeKind::Sequence(items) => items.iter().any(has_sql_comment),
        NodeKind::Mapping(entries) => entries.iter().any(|(_, node)| has_sql_comment(node)),
    }
}
