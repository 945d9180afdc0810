//! A file whose definitions take the place of those of the same kind and name: what a project would be if it were changed.

use std::collections::HashSet;

use crate::FileId;
use crate::syntax::{ListsDecl, Node, NodeKind};

use super::packages::Root;

/// Takes out of the other files what the file defines.
pub(super) fn replace_by(roots: &mut [Root], file: FileId) {
    let is_change = |root: &Root| root.node.span.file == file;
    let changed: HashSet<(String, String)> = roots.iter().filter(|root| is_change(root)).flat_map(defined).collect();
    for root in roots.iter_mut().filter(|root| !is_change(root)) {
        if defined(root).any(|entry| changed.contains(&entry)) {
            root.node = without(&root.node, &changed);
        }
    }
}

/// The lists and names of what a file defines.
fn defined(root: &Root) -> impl Iterator<Item = (String, String)> {
    let lists = root.node.entries().iter().filter(|(key, _)| ListsDecl::NAMES.contains(&key.value.as_str()));
    lists.flat_map(|(key, list)| list.items().iter().filter_map(|item| entry(&key.value, item)))
}

fn entry(list: &str, item: &Node) -> Option<(String, String)> {
    Some((list.to_owned(), item.get("name").and_then(Node::text)?.to_owned()))
}

fn without(node: &Node, changed: &HashSet<(String, String)>) -> Node {
    let entries = node.entries().iter().map(|(key, list)| {
        let stays = |item: &&Node| entry(&key.value, item).is_none_or(|entry| !changed.contains(&entry));
        let list = match &list.kind {
            NodeKind::Sequence(items) => Node::sequence(items.iter().filter(stays).cloned().collect(), list.span),
            _ => list.clone(),
        };
        (key.clone(), list)
    });
    Node::mapping(entries.collect(), node.span)
}
