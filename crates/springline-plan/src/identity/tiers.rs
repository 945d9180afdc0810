//! Clusters that would exceed a limit, solved apart: identifier by identifier, the most important first, leaving out the
//! values that bring together what must not be.

use springline_ir::{Cte, Expr, FunctionId, OrderBy, Query, RelExpr, Select, Statement, Type};

use super::components::window;
use super::records::settled_table;
use super::{
    CLUSTERS, HARD, INPUTS, IdentityPlan, LINKS, OVER, REJECTED, case, count_of, differ, distinct, distinct_of, inner,
    left, limit_of, more, number, numbers, ordered, rows, step, union, whole, with, word,
};
use crate::Step;
use crate::build::output;
use crate::intervals::{both, equal, is_null, text};
use crate::members::{from_cte, from_table, query};
use crate::state::define;

/// Which values of an identifier are left out, and the word that tells why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejecting {
    /// Those whose records alone exceed a limit: `conflict`.
    Conflicting,
    /// The one of each cluster over a limit that brings most clusters together: `chain`.
    Widest,
    /// All those of clusters over a limit: they stay as they were before this identifier: `unsettled`.
    All,
}

impl Rejecting {
    fn reason(self) -> &'static str {
        match self {
            Rejecting::Conflicting => "conflict",
            Rejecting::Widest => "chain",
            Rejecting::All => "unsettled",
        }
    }
}

impl IdentityPlan<'_> {
    /// The clusters that exceed a limit, or hold what is kept apart by hand: `cluster`. None if there is no limit.
    pub fn over(&self) -> Option<Step> {
        self.over_of(LINKS, CLUSTERS, None).map(|(ctes, select)| self.replace(OVER, with(ctes, select)))
    }

    /// How many clusters that are solved apart exceed a limit (`rows`), of those that have become larger, and the step
    /// that keeps which. None if there is no limit.
    pub fn settled_over(&self, before: u32, after: u32) -> Option<(Query, Step)> {
        let (ctes, select) = self.over_of(HARD, settled_table(after), Some(settled_table(before)))?;
        let mut counted = ctes.clone();
        counted.push(step("over_limits", select.clone()));
        let count = Select::new(from_cte("over_limits", "o"), vec![output("rows", rows())]);
        Some((with(counted, count), self.replace(OVER, with(ctes, select))))
    }

    /// How many clusters exceed a limit: `rows`.
    pub fn over_count(&self) -> Query {
        count_of(&self.work(OVER))
    }

    fn over_of(&self, links: &str, clusters: &str, before: Option<&str>) -> Option<(Vec<Cte>, Select)> {
        let node = || number("c", "v");
        let cluster = || output("cluster", number("c", "rep"));
        let mut found = self.over_limits(links, clusters);
        let apart = self.kept_apart(&|alias| self.table(clusters, alias), "v", "rep");
        found.extend(apart.map(|select| renamed(select, "cluster")));
        if found.is_empty() {
            return None;
        }
        let mut ctes = vec![union("found", found)];
        let mut select = distinct_of("found", &[("cluster", Type::Integer)]);
        if let Some(before) = before {
            let grown = Select {
                joins: vec![inner(self.table(before, "b"), equal(node(), number("b", "v")))],
                group_by: vec![number("c", "rep")],
                having: Some(more(distinct(number("b", "rep")), whole(1))),
                ..Select::new(self.table(clusters, "c"), vec![cluster()])
            };
            ctes.push(step("grown", grown));
            select.joins.push(inner(from_cte("grown", "g"), equal(number("d", "cluster"), number("g", "cluster"))));
        }
        Some((ctes, select))
    }

    /// The clusters that exceed a limit: `cluster`; one select per kind of limit.
    fn over_limits(&self, links: &str, clusters: &str) -> Vec<Select> {
        let cluster = || vec![output("cluster", number("c", "rep"))];
        let mut found = Vec::new();
        if let Some((limited, most)) = self.limited("l") {
            found.push(Select {
                joins: vec![inner(self.table(links, "l"), equal(number("c", "v"), number("l", "node")))],
                filter: Some(limited),
                group_by: vec![number("c", "rep"), number("l", "identifier")],
                having: Some(more(distinct(number("l", "hash")), most)),
                ..Select::new(self.table(clusters, "c"), cluster())
            });
        }
        if let Some(most) = self.identity.max_cluster_size {
            found.push(Select {
                group_by: vec![number("c", "rep")],
                having: Some(more(rows(), limit_of(most))),
                ..Select::new(self.table(clusters, "c"), cluster())
            });
        }
        found
    }

    /// The clusters that exceed a limit, leaving out what is kept apart by hand: of each one record (`source`, `record`)
    /// and how many it has (`records`), the largest first, at most so many; `clusters` is how many there are. None if
    /// there is no limit.
    pub fn violations(&self, most: u64) -> Option<Query> {
        let found = self.over_limits(LINKS, CLUSTERS);
        if found.is_empty() {
            return None;
        }
        let sizes = Select {
            joins: vec![inner(self.table(CLUSTERS, "c"), equal(number("o", "cluster"), number("c", "rep")))],
            group_by: vec![number("o", "cluster")],
            ..Select::new(
                from_cte("over_limits", "o"),
                vec![output("cluster", number("o", "cluster")), output("records", rows())],
            )
        };
        let all = window(FunctionId::COUNT, Vec::new(), Vec::new(), Vec::new());
        let counted = vec![
            output("cluster", number("z", "cluster")),
            output("records", number("z", "records")),
            output("clusters", all),
        ];
        // A cluster is called by its smallest node, which is one of its records.
        let named = Select {
            distinct: true,
            ..Select::new(
                self.table(INPUTS, "i"),
                vec![
                    output("source", word("i", "source")),
                    output("record", word("i", "record")),
                    output("node", number("i", "node")),
                ],
            )
        };
        let columns = vec![
            output("source", word("n", "source")),
            output("record", word("n", "record")),
            output("records", number("y", "records")),
            output("clusters", number("y", "clusters")),
        ];
        let select = Select {
            joins: vec![inner(from_cte("named", "n"), equal(number("y", "cluster"), number("n", "node")))],
            order_by: vec![
                OrderBy { expr: number("y", "records"), descending: true },
                OrderBy { expr: word("n", "source"), descending: false },
                OrderBy { expr: word("n", "record"), descending: false },
            ],
            limit: Some(most),
            ..Select::new(from_cte("counted", "y"), columns)
        };
        let distinct = distinct_of("found", &[("cluster", Type::Integer)]);
        let ctes = vec![
            union("found", found),
            step("over_limits", distinct),
            step("sizes", sizes),
            step("counted", Select::new(from_cte("sizes", "z"), counted)),
            step("named", named),
        ];
        Some(with(ctes, select))
    }

    /// How many links each identifier has in the clusters that are solved apart: `identifier` (its place, from 1), `rows`.
    pub fn links_apart(&self) -> Query {
        let columns = vec![output("identifier", number("h", "identifier")), output("rows", rows())];
        let linking = differ(number("h", "hub"), number("h", "node"));
        query(Select {
            filter: Some(linking),
            group_by: vec![number("h", "identifier")],
            ..Select::new(self.table(HARD, "h"), columns)
        })
    }

    /// Which links are of an identifier with a limit, and that limit; `None` where none has one.
    fn limited(&self, alias: &str) -> Option<(RelExpr, RelExpr)> {
        let is = |place: i64| equal(number(alias, "identifier"), whole(place));
        let limits = self.identity.identifiers.iter().zip(1..);
        let limits: Vec<_> = limits.filter_map(|(i, place)| Some((is(place), limit_of(i.limit?)))).collect();
        let limited = Expr::any(limits.iter().map(|(is_it, _)| is_it.clone()))?;
        // The last one needs no condition: only limited identifiers are asked for.
        Some((limited, case(limits, None, Type::Integer)))
    }

    /// The links of the clusters that exceed a limit; each of their records a cluster of its own; no value left out.
    pub fn set_apart(&self) -> Vec<Step> {
        let over = || inner(self.table(OVER, "o"), equal(number("c", "rep"), number("o", "cluster")));
        let columns = ["node", "identifier", "hash", "hub"].map(|name| output(name, number("l", name))).into();
        let hard = Select {
            joins: vec![inner(self.table(CLUSTERS, "c"), equal(number("l", "node"), number("c", "v"))), over()],
            ..Select::new(self.table(LINKS, "l"), columns)
        };
        let alone = Select {
            joins: vec![over()],
            ..Select::new(
                self.table(CLUSTERS, "c"),
                vec![output("v", number("c", "v")), output("rep", number("c", "v"))],
            )
        };
        let table = self.work(REJECTED);
        let mut columns = numbers(&["hash", "identifier"]);
        columns.push(define("reason", Type::String));
        vec![
            self.replace(HARD, query(hard)),
            self.replace(settled_table(0), query(alone)),
            super::drop_table(&self.name(REJECTED), table.clone()),
            Step::new(self.name(REJECTED), Statement::CreateTable { table, columns }),
        ]
    }

    /// The edges that are set by hand among the records that are solved apart.
    pub fn included_edges(&self, settled: u32) -> Option<Step> {
        let included = self.included()?;
        let table = settled_table(settled);
        let columns = vec![output("u", number("i", "u")), output("v", number("i", "v"))];
        let select = Select {
            distinct: true,
            joins: vec![inner(self.table(table, "a"), equal(number("i", "u"), number("a", "v")))],
            ..Select::new(from_cte("included", "i"), columns)
        };
        Some(self.edges_step(with(vec![step("included", included)], select)))
    }

    /// The edges of one identifier's values between the clusters so far, without those that are left out.
    pub fn tier_edges(&self, identifier: usize, settled: u32) -> Step {
        let (a, b) = (number("a", "rep"), number("b", "rep"));
        let at = |alias: &str, node: &str| {
            inner(self.table(settled_table(settled), alias), equal(number("h", node), number(alias, "v")))
        };
        let select = Select {
            distinct: true,
            joins: vec![at("a", "node"), at("b", "hub"), self.rejected_join()],
            filter: Expr::all([of_identifier(identifier), is_null(number("x", "hash")), differ(a.clone(), b.clone())]),
            ..Select::new(self.table(HARD, "h"), ordered(&a, &b))
        };
        self.edges_step(query(select))
    }

    fn rejected_join(&self) -> springline_ir::Join {
        left(self.table(REJECTED, "x"), equal(number("h", "hash"), number("x", "hash")))
    }

    /// The clusters after the components of the edges between them.
    pub fn advance(&self, before: u32, after: u32) -> Step {
        let labels = from_table(&self.components().labels(), "l");
        let rep = number("l", "rep").or_else(number("b", "rep"));
        let select = Select {
            joins: vec![left(labels, equal(number("b", "rep"), number("l", "v")))],
            ..Select::new(
                self.table(settled_table(before), "b"),
                vec![output("v", number("b", "v")), output("rep", rep)],
            )
        };
        self.replace(settled_table(after), query(select))
    }

    /// Leaves out values of an identifier, in the clusters over a limit that came of those before.
    pub fn reject(&self, which: Rejecting, identifier: usize, before: u32, after: u32) -> Step {
        let (ctes, select) = match which {
            Rejecting::Conflicting => self.conflicting(identifier, before, after),
            Rejecting::Widest => self.widest(identifier, before, after),
            Rejecting::All => (self.stars(identifier, before, after), distinct_of("wide", &[("value", Type::Integer)])),
        };
        let columns = vec![
            output("hash", number("d", "value")),
            output("identifier", whole(place_of(identifier))),
            output("reason", text(which.reason())),
        ];
        let query = with(ctes, Select { columns, ..select });
        let columns = ["hash", "identifier", "reason"].map(str::to_owned).into();
        Step::new(self.name("reject"), Statement::Append { table: self.work(REJECTED), columns, query })
    }

    /// `stars`: which clusters each value brings together within one that is over a limit (`value`, `component`,
    /// `cluster`); `wide`: those values that bring some together (`value`, `component`, `width`).
    fn stars(&self, identifier: usize, before: u32, after: u32) -> Vec<Cte> {
        let at =
            |table: &str, alias: &str| inner(self.table(table, alias), equal(number("h", "node"), number(alias, "v")));
        let over = inner(self.table(OVER, "o"), equal(number("c", "rep"), number("o", "cluster")));
        let columns = vec![
            output("value", number("h", "hash")),
            output("component", number("c", "rep")),
            output("cluster", number("a", "rep")),
        ];
        let stars = Select {
            distinct: true,
            joins: vec![at(settled_table(before), "a"), at(settled_table(after), "c"), over, self.rejected_join()],
            filter: Some(both(of_identifier(identifier), is_null(number("x", "hash")))),
            ..Select::new(self.table(HARD, "h"), columns)
        };
        let wide = Select {
            group_by: vec![number("s", "value"), number("s", "component")],
            having: Some(more(rows(), whole(1))),
            ..Select::new(
                from_cte("stars", "s"),
                vec![
                    output("value", number("s", "value")),
                    output("component", number("s", "component")),
                    output("width", rows()),
                ],
            )
        };
        vec![step("stars", stars), step("wide", wide)]
    }

    fn conflicting(&self, identifier: usize, before: u32, after: u32) -> (Vec<Cte>, Select) {
        let mut ctes = self.stars(identifier, before, after);
        let joined = Select {
            joins: vec![
                inner(from_cte("wide", "w"), equal(number("s", "value"), number("w", "value"))),
                inner(self.table(settled_table(before), "a"), equal(number("s", "cluster"), number("a", "rep"))),
            ],
            ..Select::new(
                from_cte("stars", "s"),
                vec![output("value", number("s", "value")), output("node", number("a", "v"))],
            )
        };
        ctes.push(step("joined", joined));
        let value = || vec![output("value", number("j", "value"))];
        let joined = |alias: &str| from_cte("joined", alias);
        let mut found = Vec::new();
        if let Some((limited, most)) = self.limited("l") {
            found.push(Select {
                joins: vec![inner(self.table(HARD, "l"), equal(number("j", "node"), number("l", "node")))],
                filter: Some(limited),
                group_by: vec![number("j", "value"), number("l", "identifier")],
                having: Some(more(distinct(number("l", "hash")), most)),
                ..Select::new(joined("j"), value())
            });
        }
        if let Some(most) = self.identity.max_cluster_size {
            found.push(Select {
                group_by: vec![number("j", "value")],
                having: Some(more(rows(), limit_of(most))),
                ..Select::new(joined("j"), value())
            });
        }
        found.extend(self.kept_apart(&joined, "node", "value"));
        ctes.push(union("found", found));
        (ctes, distinct_of("found", &[("value", Type::Integer)]))
    }

    fn widest(&self, identifier: usize, before: u32, after: u32) -> (Vec<Cte>, Select) {
        let mut ctes = self.stars(identifier, before, after);
        let order = vec![
            OrderBy { expr: number("w", "width"), descending: true },
            OrderBy { expr: number("w", "value"), descending: false },
        ];
        let place = window(FunctionId::ROW_NUMBER, Vec::new(), vec![number("w", "component")], order);
        let ranked = vec![output("value", number("w", "value")), output("place", place)];
        ctes.push(step("ranked", Select::new(from_cte("wide", "w"), ranked)));
        let first = Select {
            filter: Some(equal(number("d", "place"), whole(1))),
            ..distinct_of("ranked", &[("value", Type::Integer)])
        };
        (ctes, first)
    }
}

fn of_identifier(identifier: usize) -> RelExpr {
    equal(number("h", "identifier"), whole(place_of(identifier)))
}

/// Identifiers are counted from 1.
fn place_of(identifier: usize) -> i64 {
    i64::try_from(identifier + 1).unwrap_or(i64::MAX)
}

/// The one column under another name.
fn renamed(select: Select, name: &str) -> Select {
    let columns = select.columns.into_iter().map(|column| output(name, column.expr)).collect();
    Select { columns, ..select }
}
