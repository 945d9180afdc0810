//! Which definition wins where a project and its packages have several of one name: that of whoever
//! imports the others, so the project's before all. An entity is extended part by part instead.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::syntax::{ListsDecl, Node, NodeKind, Spanned};
use crate::{Code, Diagnostic};

use super::packages::Root;

/// A definition and whose it is.
struct Piece {
    owner: usize,
    node: Node,
}

/// Where a definition stands: the file, the key and the item of its list.
type Place = (usize, usize, usize);

/// Leaves one definition of each name. False if something is missing that a package builds upon.
pub(super) fn overlay(roots: &mut [Root], reach: &[BTreeSet<usize>], out: &mut Vec<Diagnostic>) -> bool {
    if reach.len() < 2 {
        return true;
    }
    let mut places: HashMap<(String, String), Vec<Place>> = HashMap::new();
    let mut order = Vec::new();
    for (r, root) in roots.iter().enumerate() {
        for (k, (key, list)) in root.node.entries().iter().enumerate() {
            if !ListsDecl::NAMES.contains(&key.value.as_str()) {
                continue;
            }
            for (i, item) in list.items().iter().enumerate() {
                let Some(name) = item.get("name").and_then(Node::text) else { continue };
                let entry = (key.value.clone(), name.to_owned());
                let of_name = places.entry(entry.clone()).or_insert_with(|| {
                    order.push(entry);
                    Vec::new()
                });
                of_name.push((r, k, i));
            }
        }
    }
    let mut replaced: HashMap<Place, Node> = HashMap::new();
    let mut removed: HashSet<Place> = HashSet::new();
    for entry in order {
        let of_name = places.get(&entry).map_or(&[][..], Vec::as_slice);
        let pieces: Vec<Piece> = of_name
            .iter()
            .filter_map(|(r, k, i)| {
                let root = roots.get(*r)?;
                let node = root.node.entries().get(*k)?.1.items().get(*i)?.clone();
                Some(Piece { owner: root.owner, node })
            })
            .collect();
        let Some(first) = of_name.first().filter(|_| !of_one_owner(&pieces)) else { continue };
        let mut merge = Merge { reach, out };
        let what = singular(&entry.0);
        let node = match entry.0.as_str() {
            "entities" => merge.extend(&entry.1, pieces),
            _ => merge.pick(&format!("{what} `{}`", entry.1), pieces),
        };
        removed.extend(of_name.iter().skip(1));
        replaced.insert(*first, node);
    }
    for (r, root) in roots.iter_mut().enumerate() {
        rebuild(r, root, &mut replaced, &removed);
    }
    let mut complete = true;
    for root in roots.iter_mut().filter(|root| root.owner > 0) {
        complete &= has_all(root, out);
    }
    complete
}

/// Takes out what a package adds to an entity that nobody defines, and reports it.
fn has_all(root: &mut Root, out: &mut Vec<Diagnostic>) -> bool {
    let nobodys =
        |entity: &Node| entity.get("name").is_some_and(|n| n.text().is_some()) && entity.get("source").is_none();
    let lists = root.node.entries().iter().filter(|(key, _)| key.value == "entities");
    let missing: Vec<Node> = lists.flat_map(|(_, list)| list.items()).filter(|e| nobodys(e)).cloned().collect();
    for name in missing.iter().filter_map(|entity| entity.get("name")) {
        let entity = name.text().unwrap_or_default();
        let message = format!("the package extends entity `{entity}`, which the project does not have");
        let hint =
            format!("define `{entity}` with `source` and `primary_key`, or name another entity where it is imported");
        out.push(Diagnostic::error(Code::InvalidImport, name.span, message).hint(hint));
    }
    if missing.is_empty() {
        return true;
    }
    let span = root.node.span;
    let entries = root.node.entries().iter().map(|(key, list)| match &list.kind {
        NodeKind::Sequence(items) if key.value == "entities" => {
            let kept = items.iter().filter(|entity| !nobodys(entity)).cloned().collect();
            (key.clone(), Node::sequence(kept, list.span))
        }
        _ => (key.clone(), list.clone()),
    });
    root.node = Node::mapping(entries.collect(), span);
    false
}

fn rebuild(r: usize, root: &mut Root, replaced: &mut HashMap<Place, Node>, removed: &HashSet<Place>) {
    let touched = replaced.keys().chain(removed).any(|(other, ..)| *other == r);
    if !touched {
        return;
    }
    let span = root.node.span;
    let mut entries = Vec::new();
    for (k, (key, list)) in root.node.entries().iter().enumerate() {
        let mut keep = |i: usize, item: &Node| match replaced.remove(&(r, k, i)) {
            Some(node) => Some(node),
            None if removed.contains(&(r, k, i)) => None,
            None => Some(item.clone()),
        };
        let list = match &list.kind {
            NodeKind::Sequence(items) => {
                let kept = items.iter().enumerate().filter_map(|(i, item)| keep(i, item)).collect();
                Node::sequence(kept, list.span)
            }
            _ => list.clone(),
        };
        entries.push((key.clone(), list));
    }
    root.node = Node::mapping(entries, span);
}

fn of_one_owner(pieces: &[Piece]) -> bool {
    pieces.windows(2).all(|pair| matches!(pair, [a, b] if a.owner == b.owner))
}

/// What one item of a list is called.
fn singular(list: &str) -> String {
    match list.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => list.trim_end_matches('s').replace('_', " "),
    }
}

struct Merge<'a> {
    reach: &'a [BTreeSet<usize>],
    out: &'a mut Vec<Diagnostic>,
}

impl Merge<'_> {
    /// The definition of whoever imports all the others; without one, the first, and a report.
    fn pick(&mut self, what: &str, mut pieces: Vec<Piece>) -> Node {
        let reaches = |a: usize, b: usize| a == b || self.reach.get(a).is_some_and(|reach| reach.contains(&b));
        let winner = pieces.iter().position(|a| pieces.iter().all(|b| reaches(a.owner, b.owner)));
        if winner.is_none()
            && let [first, others @ ..] = pieces.as_slice()
            && let Some(other) = others.iter().find(|other| other.owner != first.owner)
        {
            let place = |node: &Node| node.get("name").map_or(node.span, |name| name.span);
            let message = format!("two packages have {what}");
            let hint = "define it in the project, which then wins, or give one of the packages other parameters";
            self.out.push(
                Diagnostic::error(Code::DuplicateName, place(&other.node), message)
                    .label("again here")
                    .also(place(&first.node), "first here")
                    .hint(hint),
            );
        }
        pieces.swap_remove(winner.unwrap_or(0)).node
    }

    /// An entity with the parts of all its definitions.
    fn extend(&mut self, entity: &str, pieces: Vec<Piece>) -> Node {
        let span = pieces.first().map(|piece| piece.node.span);
        let mut keys: Vec<(Spanned<String>, Vec<Piece>)> = Vec::new();
        for Piece { owner, node } in pieces {
            for (key, node) in node.into_entries() {
                match keys.iter_mut().find(|(other, _)| other.value == key.value) {
                    Some((_, parts)) => parts.push(Piece { owner, node }),
                    None => keys.push((key, vec![Piece { owner, node }])),
                }
            }
        }
        let mut entries = Vec::new();
        for (key, parts) in keys {
            let node = if parts.iter().all(|part| is_list_of_names(&part.node)) {
                self.join(entity, &key.value, parts)
            } else if parts
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a.node.text().is_some() && a.node.text() == b.node.text()))
            {
                parts.into_iter().next().map(|part| part.node)
            } else {
                Some(self.pick(&format!("a `{}` of entity `{entity}`", key.value), parts))
            };
            entries.extend(node.map(|node| (key, node)));
        }
        let span = span.or_else(|| entries.first().map(|(key, _)| key.span));
        match span {
            Some(span) => Node::mapping(entries, span),
            None => Node::mapping(entries, crate::syntax::file_start(crate::FileId(0))),
        }
    }

    /// The items of several lists, one of each name.
    fn join(&mut self, entity: &str, key: &str, parts: Vec<Piece>) -> Option<Node> {
        let span = parts.first()?.node.span;
        let mut names: Vec<(String, Vec<Piece>)> = Vec::new();
        let mut nameless = Vec::new();
        for part in &parts {
            for item in part.node.items() {
                let piece = Piece { owner: part.owner, node: item.clone() };
                match item.get("name").and_then(Node::text) {
                    Some(name) => match names.iter_mut().find(|(other, _)| other == name) {
                        Some((_, pieces)) => pieces.push(piece),
                        None => names.push((name.to_owned(), vec![piece])),
                    },
                    None => nameless.push(piece.node),
                }
            }
        }
        let mut items = Vec::new();
        for (name, pieces) in names {
            if of_one_owner(&pieces) {
                // The same name twice in one file is reported where names are read.
                items.extend(pieces.into_iter().map(|piece| piece.node));
            } else {
                items.push(self.pick(&format!("{} `{name}` of entity `{entity}`", singular(key)), pieces));
            }
        }
        items.extend(nameless);
        Some(Node::sequence(items, span))
    }
}

fn is_list_of_names(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Sequence(items) if items.iter().all(|item| matches!(item.kind, NodeKind::Mapping(_))))
        || node.is_null()
}
