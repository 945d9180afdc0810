//! Connected components in memory, which those of the engines are held against.

use std::collections::HashMap;

/// The smallest node of each node's component, of all nodes that an edge has.
pub fn union_find(edges: &[(i64, i64)]) -> HashMap<i64, i64> {
    let mut places: HashMap<i64, usize> = HashMap::with_capacity(edges.len());
    let (mut nodes, mut parent): (Vec<i64>, Vec<usize>) = (Vec::new(), Vec::new());
    for (u, v) in edges {
        let [u, v] = [u, v].map(|node| {
            *places.entry(*node).or_insert_with(|| {
                nodes.push(*node);
                parent.push(parent.len());
                nodes.len() - 1
            })
        });
        let (a, b) = (root(&mut parent, u), root(&mut parent, v));
        let (small, large) = if nodes[a] < nodes[b] { (a, b) } else { (b, a) };
        parent[large] = small;
    }
    (0..nodes.len()).map(|at| (nodes[at], nodes[root(&mut parent, at)])).collect()
}

fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}
