//! What a run that changes nothing would change: its clusters beside those of the last run.

use springline_ir::{Body, FunctionId, OrderBy, Query, RelExpr, Select, Type};
use springline_model::EntityId;

use super::{
    CURRENT, IdentityPlan, MEMBERS, MOVED, differ, distinct, inner, left, more, number, rows, step, union, whole, with,
    word,
};
use crate::build::{column, output};
use crate::intervals::{both, equal, is_null, text};
use crate::members::{aggregate, from_cte, from_table};
use crate::state::MembershipTables;

impl IdentityPlan<'_> {
    /// How many records were in clusters of each size: `size`, `clusters`.
    pub fn sizes_before(&self) -> Query {
        let sizes = Select {
            filter: Some(self.was_there("c")),
            group_by: vec![self.id("c")],
            ..Select::new(from_table(&self.canonical(), "c"), vec![output("size", rows())])
        };
        let columns = vec![output("size", number("z", "size")), output("clusters", rows())];
        let select = Select { group_by: vec![number("z", "size")], ..Select::new(from_cte("sizes", "z"), columns) };
        with(vec![step("sizes", sizes)], select)
    }

    /// What would become of the ids: `figure` (`merges`, `splits`, `known`, `changed`), `value`, as in
    /// [`IdentityPlan::figures`].
    pub fn changes_ahead(&self) -> Query {
        let figure = |name: &str, value: RelExpr, select: Select| Select {
            columns: vec![output("figure", text(name)), output("value", value)],
            ..select
        };
        let moved = |reason: &str| Select {
            filter: Some(equal(word("f", "reason"), text(reason))),
            ..Select::new(self.table(MOVED, "f"), Vec::new())
        };
        let gone = || distinct(word("f", "old_id"));
        let known = || Select { filter: Some(self.was_there("p")), ..self.compared() };
        let changed = Select { filter: Some(both(self.was_there("p"), self.differs())), ..self.compared() };
        Query {
            ctes: Vec::new(),
            body: Body::UnionAll(vec![
                figure("merges", gone(), moved("merged")),
                figure("splits", gone(), moved("split")),
                figure("known", rows(), known()),
                figure("changed", rows(), changed),
            ]),
        }
    }

    /// The largest clusters that would be made of several: `id`, `records`, `clusters` (of before). At most so many.
    pub fn largest_merged(&self, most: u64) -> Query {
        let mut joined = self.compared();
        joined.joins.truncate(1);
        joined.joins.push(left(from_table(&self.canonical(), "p"), both(self.same_record(), self.was_there("p"))));
        let before = distinct(self.id("p"));
        let columns =
            vec![output("id", word("c", "id")), output("records", rows()), output("clusters", before.clone())];
        let merged =
            Select { columns, group_by: vec![word("c", "id")], having: Some(more(before, whole(1))), ..joined };
        let columns = vec![
            output("id", word("m", "id")),
            output("records", number("m", "records")),
            output("clusters", number("m", "clusters")),
        ];
        let select = Select {
            order_by: vec![
                OrderBy { expr: number("m", "records"), descending: true },
                OrderBy { expr: word("m", "id"), descending: false },
            ],
            limit: Some(most),
            ..Select::new(from_cte("merged", "m"), columns)
        };
        with(vec![step("merged", merged)], select)
    }

    /// The members of an entity's segments at its last run, and how many of them are in a cluster that would merge or
    /// split: `segment`, `members`, `touched`. `source` is the source of records that the entity's primary key is that of.
    pub fn members_touched(&self, entity: EntityId, source: &str) -> Query {
        let name = &self.context.project.entity(entity).name;
        let membership = MembershipTables::of(self.context.state_schema, name).membership;
        let moved = |id: &str| Select::new(self.table(MOVED, "f"), vec![output("id", word("f", id))]);
        let ids = Select { distinct: true, ..Select::new(from_cte("ends", "e"), vec![output("id", word("e", "id"))]) };
        let touched = Select {
            distinct: true,
            joins: vec![inner(from_cte("ids", "i"), equal(self.id("p"), word("i", "id")))],
            filter: Some(both(self.was_there("p"), equal(word("p", "source"), text(source)))),
            ..Select::new(from_table(&self.canonical(), "p"), vec![output("record", word("p", "record"))])
        };
        let ctes =
            vec![union("ends", vec![moved("old_id"), moved("new_id")]), step("ids", ids), step("touched", touched)];
        // What is not joined is null, which COUNT leaves out.
        let count = aggregate(FunctionId::COUNT, vec![word("t", "record")], Type::Integer);
        let columns =
            vec![output("segment", word("b", "segment")), output("members", rows()), output("touched", count)];
        let select = Select {
            joins: vec![left(from_cte("touched", "t"), equal(word("b", "entity_id"), word("t", "record")))],
            filter: Some(is_null(column("b", "exited_at", Type::Timestamp))),
            group_by: vec![word("b", "segment")],
            order_by: vec![OrderBy { expr: word("b", "segment"), descending: false }],
            ..Select::new(from_table(&membership, "b"), columns)
        };
        with(ctes, select)
    }

    /// The records of the trial with their ids (`c`), and those they have (`p`).
    fn compared(&self) -> Select {
        Select {
            joins: vec![
                inner(self.table(CURRENT, "c"), equal(number("m", "label"), number("c", "label"))),
                inner(from_table(&self.canonical(), "p"), self.same_record()),
            ],
            ..Select::new(self.table(MEMBERS, "m"), Vec::new())
        }
    }

    fn same_record(&self) -> RelExpr {
        let same = |name: &str| equal(word("m", name), word("p", name));
        both(same("source"), same("record"))
    }

    fn was_there(&self, alias: &str) -> RelExpr {
        column(alias, "present", Type::Boolean)
    }

    fn differs(&self) -> RelExpr {
        differ(self.id("p"), word("c", "id"))
    }
}
