//! Which values of a row a query needs: collected before anything is built, so that each relation is
//! read once, for all of them.

use std::collections::HashSet;

use springline_ir::Type;
use springline_model::{Leaf, ValueExpr};

/// A set of leaves with their types, in the order in which they were first asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    order: Vec<(Leaf, Type)>,
    seen: HashSet<Leaf>,
}

impl Wanted {
    /// Asks for one value.
    pub(crate) fn add(&mut self, leaf: &Leaf, ty: &Type) {
        // The clock is no value of a row.
        if !matches!(leaf, Leaf::AsOf | Leaf::PeriodEdge(..)) && !self.seen.contains(leaf) {
            self.seen.insert(leaf.clone());
            self.order.push((leaf.clone(), ty.clone()));
        }
    }

    /// Asks for every value that an expression refers to.
    pub(crate) fn add_expr(&mut self, expr: &ValueExpr) {
        if let springline_ir::ExprKind::Leaf(leaf) = &expr.kind {
            self.add(leaf, &expr.ty);
        }
        expr.each_child(&mut |child| self.add_expr(child));
    }

    /// The values, in the order in which they were first asked for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Leaf, &Type)> {
        self.order.iter().map(|(leaf, ty)| (leaf, ty))
    }
}
