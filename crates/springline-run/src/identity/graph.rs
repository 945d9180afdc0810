//! The evidence of one cluster as a graph: the shortest chain between two records, and what would part them if it were
//! taken away. It knows nothing of warehouses, and nothing of what the evidence is.

use std::collections::{HashMap, VecDeque};

/// Records (numbered from 0) and the evidence that links them: each piece links all its records with one another.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// The records of each piece of evidence.
    evidence: Vec<Vec<usize>>,
    /// The evidence of each record.
    records: Vec<Vec<usize>>,
}

/// A step of a chain: from a record by a piece of evidence to another record.
pub(super) type Hop = (usize, usize, usize);

impl Graph {
    /// A graph of so many records; `evidence` has the records of each piece.
    pub(super) fn new(records: usize, mut evidence: Vec<Vec<usize>>) -> Self {
        let mut of_record = vec![Vec::new(); records];
        for (piece, linked) in evidence.iter_mut().enumerate() {
            linked.sort_unstable();
            linked.dedup();
            for record in linked.iter() {
                if let Some(pieces) = of_record.get_mut(*record) {
                    pieces.push(piece);
                }
            }
        }
        Graph { evidence, records: of_record }
    }

    fn evidence_of(&self, record: usize) -> &[usize] {
        self.records.get(record).map_or(&[], Vec::as_slice)
    }

    fn records_of(&self, piece: usize) -> &[usize] {
        self.evidence.get(piece).map_or(&[], Vec::as_slice)
    }

    /// The shortest chain between two records, found breadth first; of several, the one of the first evidence and records.
    /// None where there is none; an empty one from a record to itself.
    pub(super) fn chain(&self, from: usize, to: usize) -> Option<Vec<Hop>> {
        let mut came: HashMap<usize, Option<Hop>> = HashMap::from([(from, None)]);
        let mut used = vec![false; self.evidence.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(record) = queue.pop_front().filter(|record| *record != to) {
            for piece in self.evidence_of(record) {
                if std::mem::replace(&mut used[*piece], true) {
                    continue;
                }
                for next in self.records_of(*piece) {
                    came.entry(*next).or_insert_with(|| {
                        queue.push_back(*next);
                        Some((record, *piece, *next))
                    });
                }
            }
        }
        let mut hops = Vec::new();
        let mut last = came.get(&to)?;
        while let Some(hop) = last {
            hops.push(*hop);
            last = came.get(&hop.0)?;
        }
        hops.reverse();
        Some(hops)
    }

    /// The evidence without which its records would be in several parts: its place, and how many records each part that
    /// it holds has, the largest first. The parts of one piece have all records that can be reached from it.
    ///
    /// Records and evidence are the nodes of one graph, of which these are the articulation points (Hopcroft and Tarjan,
    /// <https://doi.org/10.1145/362248.362272>).
    pub(super) fn bridges(&self) -> Vec<(usize, Vec<usize>)> {
        let count = self.records.len();
        let mut search = Search::new(count + self.evidence.len());
        let mut bridges = Vec::new();
        for root in 0..count {
            if search.found[root] == 0 {
                let first = bridges.len();
                let all = self.search(root, &mut search, &mut bridges);
                for (_, parts) in bridges.iter_mut().skip(first) {
                    let below: usize = parts.iter().sum();
                    // What is not below it is one part with the record that it was reached from.
                    parts.push(all - below);
                    parts.sort_unstable_by(|a, b| b.cmp(a));
                }
            }
        }
        bridges.sort();
        bridges
    }

    fn neighbours(&self, node: usize) -> (&[usize], usize) {
        let count = self.records.len();
        if node < count { (self.evidence_of(node), count) } else { (self.records_of(node - count), 0) }
    }

    /// Goes through all that can be reached from a record; gives how many records that are. Of each bridge, the parts
    /// below it are added.
    fn search(&self, root: usize, search: &mut Search, bridges: &mut Vec<(usize, Vec<usize>)>) -> usize {
        let count = self.records.len();
        let mut stack = vec![Frame { node: root, parent: root, next: 0, parts: Vec::new() }];
        search.enter(root, usize::from(root < count));
        while let Some(frame) = stack.last_mut() {
            let node = frame.node;
            let (neighbours, offset) = self.neighbours(node);
            if let Some(neighbour) = neighbours.get(frame.next) {
                frame.next += 1;
                let (to, parent) = (neighbour + offset, frame.parent);
                if search.found[to] == 0 {
                    search.enter(to, usize::from(to < count));
                    stack.push(Frame { node: to, parent: node, next: 0, parts: Vec::new() });
                } else if to != parent {
                    search.low[node] = search.low[node].min(search.found[to]);
                }
                continue;
            }
            let Some(done) = stack.pop() else { break };
            if node >= count && !done.parts.is_empty() {
                bridges.push((node - count, done.parts));
            }
            if let Some(above) = stack.last_mut() {
                let (low, size) = (search.low[node], search.size[node]);
                search.low[above.node] = search.low[above.node].min(low);
                search.size[above.node] += size;
                if low >= search.found[above.node] {
                    above.parts.push(size);
                }
            }
        }
        search.size[root]
    }
}

/// A node on the way, and how many records the parts below it have that nothing else holds.
struct Frame {
    node: usize,
    parent: usize,
    next: usize,
    parts: Vec<usize>,
}

struct Search {
    clock: usize,
    /// When a node was found, from 1.
    found: Vec<usize>,
    /// The earliest node that can be reached from below it.
    low: Vec<usize>,
    /// How many records are at it or below.
    size: Vec<usize>,
}

impl Search {
    fn new(nodes: usize) -> Self {
        Search { clock: 0, found: vec![0; nodes], low: vec![0; nodes], size: vec![0; nodes] }
    }

    fn enter(&mut self, node: usize, records: usize) {
        self.clock += 1;
        (self.found[node], self.low[node], self.size[node]) = (self.clock, self.clock, records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two groups of three that share a value each, and one value between them.
    fn two_groups() -> Graph {
        Graph::new(6, vec![vec![0, 1, 2], vec![3, 4, 5], vec![2, 3], vec![0, 1]])
    }

    #[test]
    fn the_shortest_chain_is_found() {
        let graph = two_groups();
        assert_eq!(graph.chain(0, 5), Some(vec![(0, 0, 2), (2, 2, 3), (3, 1, 5)]));
        assert_eq!(graph.chain(0, 1), Some(vec![(0, 0, 1)]));
        assert_eq!(graph.chain(4, 4), Some(vec![]));
        assert_eq!(Graph::new(2, vec![vec![0], vec![1]]).chain(0, 1), None);
    }

    #[test]
    fn what_holds_records_together_alone_is_a_bridge() {
        // Two records have the first value and the last one.
        assert_eq!(two_groups().bridges(), [(0, vec![4, 2]), (1, vec![4, 1, 1]), (2, vec![3, 3])]);
    }

    /// Bridges as they are defined: without the evidence, what it links is in several parts.
    fn by_removal(records: usize, evidence: &[Vec<usize>]) -> Vec<(usize, Vec<usize>)> {
        let reached = |without: Option<usize>, from: usize| {
            let left: Vec<_> =
                evidence.iter().enumerate().filter(|(i, _)| Some(*i) != without).map(|(_, e)| e.clone()).collect();
            let graph = Graph::new(records, left);
            (0..records).filter(|to| graph.chain(from, *to).is_some()).collect::<Vec<_>>()
        };
        let mut found = Vec::new();
        for (piece, linked) in evidence.iter().enumerate() {
            let mut parts: Vec<Vec<usize>> = linked.iter().map(|from| reached(Some(piece), *from)).collect();
            parts.sort();
            parts.dedup();
            let mut sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            if sizes.len() > 1 {
                found.push((piece, sizes));
            }
        }
        found
    }

    #[test]
    fn bridges_are_what_taking_them_away_shows() {
        let mut seed = 7_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for _ in 0..300 {
            let records = 1 + next(9);
            let evidence: Vec<Vec<usize>> = (0..next(10))
                .map(|_| {
                    let mut linked: Vec<usize> = (0..1 + next(4)).map(|_| next(records)).collect();
                    linked.sort_unstable();
                    linked.dedup();
                    linked
                })
                .collect();
            let graph = Graph::new(records, evidence.clone());
            assert_eq!(graph.bridges(), by_removal(records, &evidence), "{records}: {evidence:?}");
        }
    }
}
