//! What Redshift's plan tells, which is text alone. It must not know connections.
//!
//! Form: <https://docs.aws.amazon.com/redshift/latest/dg/r_EXPLAIN.html>.

use crate::Estimate;

/// A node of a plan, `XN Seq Scan on orders  (cost=0.00..1.00 rows=100 width=8)`.
struct Node {
    /// How far it is from the left.
    depth: usize,
    rows: u64,
    width: u64,
}

/// The rows, and the bytes of the columns that are read, of the scans of a plan.
pub(super) fn estimate(plan: &str) -> Estimate {
    let nodes: Vec<Node> = plan.lines().filter_map(node).collect();
    // What has nothing below it reads a table.
    let below = nodes.iter().skip(1).map(Some).chain([None]);
    let leaves = nodes.iter().zip(below).filter(|(node, next)| next.is_none_or(|next| next.depth <= node.depth));
    let nothing = Estimate { rows: Some(0), bytes: Some(0), partitions: None };
    leaves.fold(nothing, |sum, (leaf, _)| {
        sum.plus(Estimate {
            rows: Some(leaf.rows),
            bytes: Some(leaf.rows.saturating_mul(leaf.width)),
            partitions: None,
        })
    })
}

fn node(line: &str) -> Option<Node> {
    let (name, figures) = line.split_once("(cost=")?;
    // What a step gave is read again.
    if name.contains("CTE Scan") {
        return None;
    }
    let number = |name: &str| {
        let (_, rest) = figures.split_once(name)?;
        rest.split([' ', ')']).next()?.parse::<f64>().ok()
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and a cast that saturates")]
    let whole = |number: f64| number.round() as u64;
    Some(Node {
        depth: name.len() - name.trim_start().len(),
        rows: whole(number("rows=")?),
        width: whole(number("width=")?),
    })
}
