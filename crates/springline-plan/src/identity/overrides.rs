//! Links that are set (`include`) and forbidden (`exclude`) by hand.

use springline_ir::{Expr, FunctionId, Query, Select, Type};

use super::{INPUTS, IdentityPlan, PAIRS, differ, distinct_of, inner, number, ordered, rows, step, with, word};
use crate::Step;
use crate::build::output;
use crate::intervals::{both, equal, text};
use crate::members::{from_cte, from_table, query};

pub(super) const INCLUDE: &str = "include";
pub(super) const EXCLUDE: &str = "exclude";

impl IdentityPlan<'_> {
    /// How many rows of the overrides say neither `include` nor `exclude`: `rows`.
    pub fn unknown_overrides(&self) -> Option<Query> {
        let source = self.context.project.source(self.identity.overrides?);
        let action = word("o", "action");
        let known = Expr::call(FunctionId::IN, vec![action, text(INCLUDE), text(EXCLUDE)], Type::Boolean);
        let known = known.or_else(Expr::literal(springline_ir::Literal::Boolean(false)));
        Some(query(Select {
            filter: Some(Expr::call(FunctionId::NOT, vec![known], Type::Boolean)),
            ..Select::new(from_table(&source.table, "o"), vec![output("rows", rows())])
        }))
    }

    /// The pairs of records that there are: `u`, `v`, `action`.
    pub fn pairs(&self) -> Option<Step> {
        let source = self.context.project.source(self.identity.overrides?);
        let node = |source: &str, record: &str| self.hashed("r", vec![word("o", source), word("o", record)]);
        let named = vec![
            output("a", node("source", "record")),
            output("b", node("other_source", "other_record")),
            output("action", word("o", "action")),
        ];
        let records = Select { from: self.table(INPUTS, "d"), ..distinct_of(INPUTS, &[("node", Type::Integer)]) };
        let (a, b) = (number("n", "a"), number("n", "b"));
        let columns = ordered(&a, &b).into_iter().chain([output("action", word("n", "action"))]).collect();
        let is_there = |alias: &str, node| inner(from_cte("records", alias), equal(node, number(alias, "node")));
        let select = Select {
            distinct: true,
            joins: vec![is_there("x", a.clone()), is_there("y", b.clone())],
            filter: Some(differ(a, b)),
            ..Select::new(from_cte("named", "n"), columns)
        };
        let ctes = vec![step("named", Select::new(from_table(&source.table, "o"), named)), step("records", records)];
        Some(self.replace(PAIRS, with(ctes, select)))
    }

    /// The edges that are set by hand, if the identity has overrides: `u`, `v`.
    pub(super) fn included(&self) -> Option<Select> {
        self.identity.overrides?;
        let columns = ["u", "v"].map(|name| output(name, number("p", name))).into();
        Some(Select {
            filter: Some(equal(word("p", "action"), text(INCLUDE))),
            ..Select::new(self.table(PAIRS, "p"), columns)
        })
    }

    /// The pairs that are kept apart by hand and in one place after all, if the identity has overrides. `place` of `from`
    /// says where a node is, and is the one column.
    pub(super) fn kept_apart(
        &self,
        from: &dyn Fn(&str) -> springline_ir::From,
        node: &str,
        place: &str,
    ) -> Option<Select> {
        self.identity.overrides?;
        let same_place = equal(number("a", place), number("b", place));
        Some(Select {
            joins: vec![
                inner(from("a"), equal(number("p", "u"), number("a", node))),
                inner(from("b"), both(equal(number("p", "v"), number("b", node)), same_place)),
            ],
            filter: Some(equal(word("p", "action"), text(EXCLUDE))),
            ..Select::new(self.table(PAIRS, "p"), vec![output(place, number("a", place))])
        })
    }
}
