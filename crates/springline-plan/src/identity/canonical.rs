//! Canonical ids that stay: a cluster keeps the id that its records had. Of several the winner of a merge, and an id goes
//! on in one part of a cluster that falls apart. Records that are gone keep theirs, so that they have it again if they
//! come back.

use springline_ir::{ColumnDef, Expr, FunctionId, Literal, OrderBy, RelExpr, Select, Statement, Type};
use springline_ir::{ColumnRef, Query, TableName};
use springline_model::Winner;

use super::components::window;
use super::{
    CURRENT, IdentityPlan, MEMBERS, MOVED, NEXT, case, differ, inner, largest, left, number, numbers, rows, smallest,
    step, union, whole, with, word,
};
use crate::Step;
use crate::build::{column, output};
use crate::intervals::{both, equal, is_null, text};
use crate::members::{from_cte, from_table, instant, query};
use crate::state::define;

/// The columns of the aliases: an id that records had and the one they have instead, why (`merged`: the old id is gone
/// and this is what follows it; `split`: these records left it) and since which run.
pub(super) fn alias_columns() -> Vec<ColumnDef> {
    let texts = ["old_id", "new_id", "reason"].map(|name| define(name, Type::String));
    texts.into_iter().chain(numbers(&["run"])).chain([define("valid_from", Type::Timestamp)]).collect()
}

const MERGED: &str = "merged";
const SPLIT: &str = "split";

impl IdentityPlan<'_> {
    pub(super) fn id(&self, alias: &str) -> RelExpr {
        word(alias, &self.identity.canonical_id.name)
    }

    /// The columns of the canonical ids: `born` is the run that gave the id, `since` the first with the record,
    /// `previous_id` the id before `run`.
    pub(super) fn canonical_columns(&self) -> Vec<ColumnDef> {
        let id = self.identity.canonical_id.name.as_str();
        let mut columns: Vec<_> = ["source", "record", id].map(|name| define(name, Type::String)).into();
        columns.extend(numbers(&["born"]));
        columns.extend([define("previous_id", Type::String), define("present", Type::Boolean)]);
        columns.extend(numbers(&["since", "run"]));
        columns
    }

    /// The number of the last run that has ended: `run`, null before the first.
    pub fn last_run(&self) -> Query {
        query(Select::new(from_table(&self.canonical(), "p"), vec![output("run", largest(number("p", "run")))]))
    }

    /// The records of before that are still there: `p`, with their cluster `m`.
    fn known(&self, columns: Vec<springline_ir::OutputColumn>) -> Select {
        Select {
            joins: vec![inner(self.table(MEMBERS, "m"), same_record("p", "m"))],
            ..Select::new(from_table(&self.canonical(), "p"), columns)
        }
    }

    /// Gives each cluster its id: `label`, `id`, `born`.
    pub fn current(&self, run: u64) -> Step {
        let shared = Select {
            group_by: vec![number("m", "label"), self.id("p")],
            ..self.known(vec![
                output("label", number("m", "label")),
                output("id", self.id("p")),
                output("records", rows()),
                output("born", smallest(number("p", "born"))),
                output("since", smallest(number("p", "since"))),
            ])
        };
        let rank = |keep: Winner, oldest: &'static str| match keep {
            Winner::Largest => vec![falling("o", "records"), rising(number("o", oldest))],
            Winner::Oldest => vec![rising(number("o", oldest)), falling("o", "records")],
        };
        let id = &self.identity.canonical_id;
        let mut order = rank(id.split_winner, "since");
        order.push(rising(number("o", "label")));
        let split = ranked("shared", vec![word("o", "id")], order);
        let mut order = rank(id.merge_winner, "born");
        order.push(rising(word("o", "id")));
        let merge = ranked("kept", vec![number("o", "label")], order);
        let labels = Select {
            distinct: true,
            ..Select::new(self.table(MEMBERS, "m"), vec![output("label", number("m", "label"))])
        };
        let columns = vec![
            output("label", number("n", "label")),
            output("id", word("w", "id").or_else(self.new_id(run))),
            output("born", number("w", "born").or_else(run_number(run))),
        ];
        let select = Select {
            joins: vec![left(from_cte("won", "w"), equal(number("n", "label"), number("w", "label")))],
            ..Select::new(from_cte("labels", "n"), columns)
        };
        let ctes = vec![
            step("shared", shared),
            step("split", split),
            step("kept", first_of("split")),
            step("merge", merge),
            step("won", first_of("merge")),
            step("labels", labels),
        ];
        self.replace(CURRENT, with(ctes, select))
    }

    /// The same text on every engine; the run makes it differ from all ids that there were.
    fn new_id(&self, run: u64) -> RelExpr {
        let start = text(&format!("{}:{run}:", self.identity.name));
        let label = Expr::call(FunctionId::TEXT, vec![number("n", "label")], Type::String);
        let all = Expr::call(FunctionId::CONCAT, vec![start, label], Type::String);
        Expr::call(FunctionId::MD5, vec![all], Type::String)
    }

    /// The ids that records have left for others: `old_id`, `new_id`, `reason`.
    pub fn moved(&self) -> Step {
        let now = || inner(self.table(CURRENT, "c"), equal(number("m", "label"), number("c", "label")));
        let mut pairs = self.known(vec![
            output("old_id", self.id("p")),
            output("new_id", word("c", "id")),
            output("records", rows()),
            output("label", smallest(number("m", "label"))),
        ]);
        pairs.joins.push(now());
        pairs.group_by = vec![self.id("p"), word("c", "id")];
        let order = vec![falling("o", "records"), rising(number("o", "label"))];
        let place = window(FunctionId::ROW_NUMBER, Vec::new(), vec![word("o", "old_id")], order);
        let columns =
            vec![output("old_id", word("o", "old_id")), output("new_id", word("o", "new_id")), output("place", place)];
        let alive =
            Select { distinct: true, ..Select::new(self.table(CURRENT, "c"), vec![output("id", word("c", "id"))]) };
        let follows = both(is_null(word("a", "id")), equal(number("r", "place"), whole(1)));
        let select = Select {
            joins: vec![left(from_cte("alive", "a"), equal(word("r", "old_id"), word("a", "id")))],
            filter: Some(differ(word("r", "old_id"), word("r", "new_id"))),
            ..Select::new(
                from_cte("ranked", "r"),
                vec![
                    output("old_id", word("r", "old_id")),
                    output("new_id", word("r", "new_id")),
                    output("reason", case(vec![(follows, text(MERGED))], Some(text(SPLIT)), Type::String)),
                ],
            )
        };
        let ranked = Select::new(from_cte("pairs", "o"), columns);
        let ctes = vec![step("pairs", pairs), step("ranked", ranked), step("alive", alive)];
        self.replace(MOVED, with(ctes, select))
    }

    /// What follows an id that is gone.
    fn followed(&self, old: RelExpr) -> springline_ir::Join {
        let merged = equal(word("f", "reason"), text(MERGED));
        left(self.table(MOVED, "f"), both(equal(old, word("f", "old_id")), merged))
    }

    /// What the table of canonical ids will hold.
    pub fn next(&self, run: u64) -> Step {
        let id = self.identity.canonical_id.name.as_str();
        let row = |record: &str, now: RelExpr, born: RelExpr, present: bool| {
            vec![
                output("source", word(record, "source")),
                output("record", word(record, "record")),
                output(id, now),
                output("born", born),
                output("previous_id", self.id("p")),
                output("present", Expr::literal(Literal::Boolean(present))),
                output("since", number("p", "since").or_else(run_number(run))),
                output("run", run_number(run)),
            ]
        };
        let there = Select {
            joins: vec![
                inner(self.table(CURRENT, "c"), equal(number("m", "label"), number("c", "label"))),
                left(from_table(&self.canonical(), "p"), same_record("m", "p")),
            ],
            ..Select::new(self.table(MEMBERS, "m"), row("m", word("c", "id"), number("c", "born"), true))
        };
        let gone = Select {
            joins: vec![left(self.table(MEMBERS, "m"), same_record("p", "m")), self.followed(self.id("p"))],
            filter: Some(is_null(word("m", "record"))),
            ..Select::new(
                from_table(&self.canonical(), "p"),
                row("p", word("f", "new_id").or_else(self.id("p")), number("p", "born"), false),
            )
        };
        let columns =
            self.canonical_columns().into_iter().map(|c| output(&c.name, column("a", &c.name, c.ty))).collect();
        self.replace(
            NEXT,
            with(vec![union("all_records", vec![there, gone])], Select::new(from_cte("all_records", "a"), columns)),
        )
    }

    /// Takes the new aliases in, then the links (`solved_apart` says whether values were left out), and then, in one
    /// statement, the canonical ids. A run that ends between the two leaves
    /// aliases of a run that there was not: the next one, which has its number, takes them out.
    pub fn switch(&self, run: u64, solved_apart: bool) -> Vec<Step> {
        let aliases = self.aliases();
        let plain = |alias: &str, name: &str, ty: &Type| output(name, column(alias, name, ty.clone()));
        let kept = Select {
            filter: Some(Expr::compare(FunctionId::LT, number("k", "run"), run_number(run))),
            ..Select::new(
                from_table(&aliases, "k"),
                alias_columns().iter().map(|c| plain("k", &c.name, &c.ty)).collect(),
            )
        };
        let since = |old: RelExpr, new: RelExpr, reason: RelExpr| {
            let (run, at) = (run_number(run), instant(self.context.as_of));
            let of = [("old_id", old), ("new_id", new), ("reason", reason), ("run", run), ("valid_from", at)];
            of.map(|(name, value)| output(name, value)).into()
        };
        let fresh =
            Select::new(self.table(MOVED, "f"), since(word("f", "old_id"), word("f", "new_id"), word("f", "reason")));
        // What led to an id that is gone leads on to what follows it, so that one step is enough.
        let further = Select {
            distinct: true,
            joins: vec![inner(
                self.table(MOVED, "f"),
                both(equal(word("k", "new_id"), word("f", "old_id")), equal(word("f", "reason"), text(MERGED))),
            )],
            filter: Some(Expr::compare(FunctionId::LT, number("k", "run"), run_number(run))),
            ..Select::new(
                from_table(&aliases, "k"),
                since(word("k", "old_id"), word("f", "new_id"), word("k", "reason")),
            )
        };
        let columns = alias_columns().iter().map(|c| plain("a", &c.name, &c.ty)).collect();
        let aliases_query = with(
            vec![union("all_aliases", vec![kept, fresh, further])],
            Select::new(from_cte("all_aliases", "a"), columns),
        );
        let columns = self.canonical_columns().iter().map(|c| plain("n", &c.name, &c.ty)).collect();
        let canonical = query(Select::new(self.table(NEXT, "n"), columns));
        let replace =
            |what: &str, table: TableName, query| Step::new(self.name(what), Statement::ReplaceTable { table, query });
        let mut steps = vec![replace("aliases", aliases, aliases_query)];
        steps.extend(self.keep_evidence(run, solved_apart));
        steps.push(replace("canonical", self.canonical(), canonical));
        steps
    }
}

fn run_number(run: u64) -> RelExpr {
    super::limit_of(run)
}

fn same_record(a: &str, b: &str) -> RelExpr {
    let same = |name: &str| equal(word(a, name), word(b, name));
    both(same("source"), same("record"))
}

fn rising(expr: RelExpr) -> OrderBy<ColumnRef> {
    OrderBy { expr, descending: false }
}

fn falling(alias: &str, name: &str) -> OrderBy<ColumnRef> {
    OrderBy { expr: number(alias, name), descending: true }
}

/// What clusters and ids share, numbered in an order.
fn ranked(from: &str, partition_by: Vec<RelExpr>, order_by: Vec<OrderBy<ColumnRef>>) -> Select {
    let mut columns = shared_columns("o");
    columns.push(output("place", window(FunctionId::ROW_NUMBER, Vec::new(), partition_by, order_by)));
    Select::new(from_cte(from, "o"), columns)
}

fn first_of(from: &str) -> Select {
    Select {
        filter: Some(equal(number("o", "place"), whole(1))),
        ..Select::new(from_cte(from, "o"), shared_columns("o"))
    }
}

fn shared_columns(alias: &str) -> Vec<springline_ir::OutputColumn> {
    let mut columns = vec![output("label", number(alias, "label")), output("id", word(alias, "id"))];
    columns.extend(["records", "born", "since"].map(|name| output(name, number(alias, name))));
    columns
}
