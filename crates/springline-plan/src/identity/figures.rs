//! What is told of a run, counted in the warehouse: per identifier and of the whole.

use springline_ir::{Body, ColumnDef, Expr, FunctionId, Query, RelExpr, Select, Type};

use super::{
    INPUTS, IdentityPlan, LINKS, MOVED, NEXT, REJECTED, differ, distinct, distinct_of, inner, largest, left, limit_of,
    more, number, numbers, rows, smallest, step, whole, with, word,
};
use crate::build::{column, output};
use crate::intervals::{both, equal, is_not_null, is_null, text};
use crate::members::{from_cte, from_table};
use crate::state::define;

/// The columns of a run's figures: one row each, `identifier` null for those of the whole.
pub fn resolution_columns() -> Vec<ColumnDef> {
    let mut columns = numbers(&["run"]);
    columns.push(define("as_of", Type::Timestamp));
    columns.extend(["identifier", "figure"].map(|name| define(name, Type::String)));
    columns.extend(numbers(&["value"]));
    columns
}

impl IdentityPlan<'_> {
    /// The figures of this run: `identifier` (its place, 0 for the whole), `figure`, `value`. `solved_apart` says whether
    /// values were left out. Per identifier: `given` (records whose source gives it), `usable`, `dropped.<reason>`,
    /// `quarantined_values` and `quarantined_records` (on too many records), `linked` (records that share a value with
    /// another), `only_linked` (those of them that share no value of another identifier: they would be alone without this
    /// one), `rejected_values`, `rejected_links` and `rejected_links.<reason>` (that of [`super::Rejecting`]). Of the whole:
    /// `merges`, `splits`, `known` (records that were there before), `changed` (those of them whose id has changed) and
    /// `linked`. Rules have the places after those of the identifiers.
    pub fn figures(&self, solved_apart: bool) -> Query {
        let counted = |alias: &str, figure: RelExpr, value| {
            vec![output("identifier", number(alias, "identifier")), output("figure", figure), output("value", value)]
        };
        let per = |alias: &str| vec![number(alias, "identifier")];
        let records = |alias: &str| distinct(number(alias, "node"));
        let given = Select {
            group_by: per("i"),
            ..Select::new(self.table(INPUTS, "i"), counted("i", text("given"), records("i")))
        };
        let usable = Select {
            filter: Some(is_not_null(number("i", "hash"))),
            ..Select {
                group_by: per("i"),
                ..Select::new(self.table(INPUTS, "i"), counted("i", text("usable"), records("i")))
            }
        };
        let reason = Expr::call(FunctionId::CONCAT, vec![text("dropped."), word("i", "reason")], Type::String);
        let dropped = Select {
            filter: Some(is_not_null(word("i", "reason"))),
            group_by: vec![number("i", "identifier"), word("i", "reason")],
            ..Select::new(self.table(INPUTS, "i"), counted("i", reason, records("i")))
        };
        let quarantined = |figure: &str, value: RelExpr| Select {
            joins: vec![left(from_cte("linking", "l"), equal(number("i", "hash"), number("l", "hash")))],
            filter: Some(both(is_not_null(number("i", "hash")), is_null(number("l", "hash")))),
            group_by: per("i"),
            ..Select::new(self.table(INPUTS, "i"), counted("i", text(figure), value))
        };
        let mut linked = Select {
            joins: vec![inner(from_cte("linking", "s"), equal(number("l", "hash"), number("s", "hash")))],
            filter: Some(more(number("s", "records"), whole(1))),
            group_by: per("l"),
            ..Select::new(self.table(LINKS, "l"), counted("l", text("linked"), records("l")))
        };
        let mut selects = vec![
            given,
            usable,
            dropped,
            quarantined("quarantined_values", distinct(number("i", "hash"))),
            quarantined("quarantined_records", records("i")),
        ];
        if solved_apart {
            let is_rejected = equal(number("l", "hash"), number("x", "hash"));
            linked.joins.push(left(from_cte("rejected", "x"), is_rejected.clone()));
            linked.filter = linked.filter.map(|filter| both(filter, is_null(number("x", "hash"))));
            let rejected = |figure: RelExpr, value, further: Option<RelExpr>| Select {
                joins: vec![inner(from_cte("rejected", "x"), is_rejected.clone())],
                group_by: per("l").into_iter().chain(further).collect(),
                ..Select::new(self.table(LINKS, "l"), counted("l", figure, value))
            };
            let values = distinct(number("l", "hash"));
            let links = Expr::call(FunctionId::SUBTRACT, vec![rows(), values.clone()], Type::Integer);
            let start = text("rejected_links.");
            let by_reason = Expr::call(FunctionId::CONCAT, vec![start, word("x", "reason")], Type::String);
            selects.extend([
                rejected(text("rejected_values"), values, None),
                rejected(text("rejected_links"), links.clone(), None),
                rejected(by_reason, links, Some(word("x", "reason"))),
            ]);
        }
        let place = || number("l", "identifier");
        let only = Select {
            group_by: vec![number("l", "node")],
            having: Some(equal(smallest(place()), largest(place()))),
            columns: vec![output("identifier", smallest(place()))],
            ..linked.clone()
        };
        // The same of all identifiers together, which is what a deterministic rule links.
        let identifiers = limit_of(self.identity.identifiers.len() as u64);
        let of_identifiers = Expr::compare(FunctionId::LE, number("l", "identifier"), identifiers);
        selects.push(Select {
            filter: linked.filter.clone().map(|filter| both(filter, of_identifiers)),
            group_by: Vec::new(),
            columns: vec![
                output("identifier", whole(0)),
                output("figure", text("linked")),
                output("value", records("l")),
            ],
            ..linked.clone()
        });
        selects.push(linked);
        selects.push(Select {
            group_by: per("o"),
            ..Select::new(from_cte("only_linked", "o"), counted("o", text("only_linked"), rows()))
        });
        selects.extend(self.changes());
        let linking = Select {
            group_by: vec![number("l", "hash")],
            ..Select::new(self.table(LINKS, "l"), vec![output("hash", number("l", "hash")), output("records", rows())])
        };
        let mut ctes = vec![step("linking", linking)];
        if solved_apart {
            let columns = [("hash", Type::Integer), ("reason", Type::String)];
            let rejected = Select { from: self.table(REJECTED, "d"), ..distinct_of(REJECTED, &columns) };
            ctes.push(step("rejected", rejected));
        }
        ctes.push(step("only_linked", only));
        Query { ctes, body: Body::UnionAll(selects) }
    }

    /// What has become of the ids of the run before.
    fn changes(&self) -> Vec<Select> {
        let figure = |figure: &str, value: RelExpr, from, filter: RelExpr| Select {
            filter: Some(filter),
            ..Select::new(
                from,
                vec![output("identifier", whole(0)), output("figure", text(figure)), output("value", value)],
            )
        };
        let moved = |reason: &str| equal(word("f", "reason"), text(reason));
        let old = || distinct(word("f", "old_id"));
        let before = || {
            let known = is_not_null(word("n", "previous_id"));
            both(known, column("n", "present", Type::Boolean))
        };
        let id = word("n", &self.identity.canonical_id.name);
        let changed = both(before(), differ(id, word("n", "previous_id")));
        vec![
            figure("merges", old(), self.table(MOVED, "f"), moved("merged")),
            figure("splits", old(), self.table(MOVED, "f"), moved("split")),
            figure("known", rows(), self.table(NEXT, "n"), before()),
            figure("changed", rows(), self.table(NEXT, "n"), changed),
        ]
    }

    /// The figures of the last run that recorded them: `run`, `as_of`, `identifier`, `figure`, `value`.
    pub fn recorded(&self) -> Query {
        let table = self.resolutions();
        let last = Select::new(from_table(&table, "r"), vec![output("run", largest(number("r", "run")))]);
        let columns =
            resolution_columns().iter().map(|c| output(&c.name, column("r", &c.name, c.ty.clone()))).collect();
        let select = Select {
            joins: vec![inner(from_cte("last", "l"), equal(number("r", "run"), number("l", "run")))],
            ..Select::new(from_table(&table, "r"), columns)
        };
        with(vec![step("last", last)], select)
    }
}
