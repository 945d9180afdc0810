//! What a run keeps of its links, and what is asked of it later: why two records are one, or are not.
//!
//! Two kinds of evidence link records: values that they share, and pairs of records. It does not know what is shown.

use springline_ir::{
    ColumnDef, Expr, FunctionId, Literal, OrderBy, Query, RelExpr, Select, Statement, TableName, Type,
};

use super::overrides::{EXCLUDE, INCLUDE};
use super::records::BLOCKED;
use super::{
    INPUTS, IdentityPlan, LINKS, MEMBERS, PAIRS, REJECTED, case, distinct_of, inner, largest, left, number, numbers,
    rows, step, union, whole, with, word,
};
use crate::Step;
use crate::build::{column, output};
use crate::intervals::{both, equal, is_not_null, is_null, text};
use crate::members::{from_cte, from_table, query};
use crate::state::define;

/// A value is on more records than it may be.
const QUARANTINED: &str = "quarantined";
/// A value would have made a cluster exceed a limit.
const REJECTED_VALUE: &str = "rejected";

/// No rule links by values of identifiers.
const NO_RULE: &str = "no_rule";

/// The columns of the links: why a value links nothing (`reason`) is null where it may link; `value` is there where it
/// does, or would if it were not blocked, and so is `hash`, but for blocked ones. What a probabilistic rule links has the
/// rule's name as `identifier`, no value, and a `hash` that its two records share.
pub(super) fn link_columns() -> Vec<ColumnDef> {
    let mut columns: Vec<_> = ["source", "record", "identifier", "value"].map(|name| define(name, Type::String)).into();
    columns.extend(numbers(&["hash"]));
    columns.push(define("reason", Type::String));
    columns.extend(numbers(&["run"]));
    columns
}

/// The columns of the pairs: two records, and what links them or keeps them apart (`kind`).
pub(super) fn pair_columns() -> Vec<ColumnDef> {
    let names = ["source", "record", "other_source", "other_record", "kind"];
    names.into_iter().map(|name| define(name, Type::String)).chain(numbers(&["run"])).collect()
}

impl IdentityPlan<'_> {
    /// One row per record and value of an identifier, with why it links nothing, if so.
    pub fn evidence(&self) -> TableName {
        TableName::in_schema(self.context.state_schema, &format!("links_{}", self.identity.name))
    }

    /// One row per pair of records that was set or kept apart by hand.
    pub fn pairs_by_hand(&self) -> TableName {
        TableName::in_schema(self.context.state_schema, &format!("overrides_{}", self.identity.name))
    }

    /// Keeps the links of this run in place of those before, and the pairs. `solved_apart` says whether values were left
    /// out.
    pub(super) fn keep_evidence(&self, run: u64, solved_apart: bool) -> Vec<Step> {
        let table = self.evidence();
        let query = self.kept_links(run, solved_apart);
        let mut steps = vec![Step::new(self.name("evidence"), Statement::ReplaceTable { table, query })];
        if self.identity.overrides.is_some() {
            let (table, query) = (self.pairs_by_hand(), self.kept_pairs(run));
            steps.push(Step::new(self.name("overrides"), Statement::ReplaceTable { table, query }));
        }
        steps
    }

    fn kept_links(&self, run: u64, solved_apart: bool) -> Query {
        let hashes =
            |table: &str| Select { from: self.table(table, "d"), ..distinct_of(table, &[("hash", Type::Integer)]) };
        let same = |alias: &str| equal(number("i", "hash"), number(alias, "hash"));
        let mut ctes = vec![step("linking", hashes(LINKS))];
        let mut joins = vec![left(from_cte("linking", "l"), same("l"))];
        let quarantined = both(is_not_null(number("i", "hash")), is_null(number("l", "hash")));
        let mut reasons =
            vec![(is_not_null(word("i", "reason")), word("i", "reason")), (quarantined, text(QUARANTINED))];
        if solved_apart {
            ctes.push(step("left_out", hashes(REJECTED)));
            joins.push(left(from_cte("left_out", "x"), same("x")));
            reasons.push((is_not_null(number("x", "hash")), text(REJECTED_VALUE)));
        }
        let otherwise = (!self.is_deterministic()).then(|| text(NO_RULE));
        let row = |of: &str, record: &str, value, hash, reason| {
            vec![
                output("source", word(record, "source")),
                output("record", word(record, "record")),
                output("identifier", self.name_of(of)),
                output("value", value),
                output("hash", hash),
                output("reason", reason),
                output("run", super::limit_of(run)),
            ]
        };
        let reason = case(reasons, otherwise, Type::String);
        let columns = row("i", "i", word("i", "value"), number("i", "hash"), reason);
        let values = Select { joins, ..Select::new(self.table(INPUTS, "i"), columns) };
        if self.matchings().is_empty() {
            return with(ctes, values);
        }
        // What a probabilistic rule links shares a value of its own, whose numbers are below zero.
        let hash = Expr::call(FunctionId::SUBTRACT, vec![whole(0), number("m", "hash")], Type::Integer);
        let mut joins = vec![inner(self.table(MEMBERS, "n"), equal(number("m", "node"), number("n", "node")))];
        let mut reason = Expr::null(Type::String);
        if solved_apart {
            joins.push(left(from_cte("left_out", "x"), equal(number("m", "hash"), number("x", "hash"))));
            reason = case(vec![(is_not_null(number("x", "hash")), text(REJECTED_VALUE))], None, Type::String);
        }
        let matches = Select {
            joins,
            filter: Some(Expr::compare(FunctionId::LT, number("m", "hash"), whole(0))),
            ..Select::new(self.table(LINKS, "m"), row("m", "n", Expr::null(Type::String), hash, reason))
        };
        ctes.push(union("all_links", vec![values, matches]));
        let columns = link_columns().into_iter().map(|c| output(&c.name, column("a", &c.name, c.ty))).collect();
        with(ctes, Select::new(from_cte("all_links", "a"), columns))
    }

    /// The name of the identifier or rule at a place: rules come after identifiers.
    fn name_of(&self, alias: &str) -> RelExpr {
        let rules = self.identity.rules.iter().map(|rule| &rule.name);
        let names = self.identity.identifiers.iter().map(|identifier| &identifier.name).chain(rules).zip(1..);
        let names = names.map(|(name, place)| (equal(number(alias, "identifier"), whole(place)), text(name)));
        case(names.collect(), None, Type::String)
    }

    fn kept_pairs(&self, run: u64) -> Query {
        let at = |alias: &str, node: &str| {
            inner(self.table(MEMBERS, alias), equal(number("p", node), number(alias, "node")))
        };
        let columns = vec![
            output("source", word("a", "source")),
            output("record", word("a", "record")),
            output("other_source", word("b", "source")),
            output("other_record", word("b", "record")),
            output("kind", word("p", "action")),
            output("run", super::limit_of(run)),
        ];
        query(Select { joins: vec![at("a", "u"), at("b", "v")], ..Select::new(self.table(PAIRS, "p"), columns) })
    }

    /// The records of these addresses (source and primary key) that there are: `source`, `record`, `id`.
    pub fn found(&self, records: &[(String, String)]) -> Query {
        let is = |name: &str, value: &str| equal(word("c", name), text(value));
        let any = Expr::any(records.iter().map(|(source, record)| both(is("source", source), is("record", record))));
        let present = column("c", "present", Type::Boolean);
        let columns = vec![
            output("source", word("c", "source")),
            output("record", word("c", "record")),
            output("id", self.id("c")),
        ];
        query(Select {
            filter: Expr::all([Some(present), any].into_iter().flatten()),
            ..Select::new(from_table(&self.canonical(), "c"), columns)
        })
    }

    /// What an id that is gone leads to: `new_id`, `run`.
    pub fn followed_by(&self, id: &str) -> Query {
        let merged = both(equal(word("a", "old_id"), text(id)), equal(word("a", "reason"), text("merged")));
        let columns = vec![output("new_id", word("a", "new_id")), output("run", number("a", "run"))];
        query(Select { filter: Some(merged), ..Select::new(from_table(&self.aliases(), "a"), columns) })
    }

    /// The ids that have led to this one: `old_id`.
    pub fn ids_before(&self, id: &str) -> Query {
        let merged = both(equal(word("a", "new_id"), text(id)), equal(word("a", "reason"), text("merged")));
        query(Select {
            distinct: true,
            filter: Some(merged),
            ..Select::new(from_table(&self.aliases(), "a"), vec![output("old_id", word("a", "old_id"))])
        })
    }

    /// The records of a cluster, at most so many: `source`, `record`.
    pub fn records_of(&self, id: &str, most: u64) -> Query {
        let columns = ["source", "record"].map(|name| output(name, word("c", name))).into();
        query(Select {
            filter: Some(self.is_of("c", id)),
            order_by: vec![rising(word("c", "source")), rising(word("c", "record"))],
            limit: Some(most),
            ..Select::new(from_table(&self.canonical(), "c"), columns)
        })
    }

    /// The values that link the records of a cluster, at most so many rows: `source`, `record`, `identifier`, `value`,
    /// `hash`.
    pub fn links_of(&self, id: &str, most: u64) -> Query {
        let mut columns: Vec<_> =
            ["source", "record", "identifier", "value"].map(|name| output(name, word("l", name))).into();
        columns.push(output("hash", number("l", "hash")));
        query(Select {
            joins: vec![self.of_cluster("l", "c")],
            filter: Some(both(is_null(word("l", "reason")), self.is_of("c", id))),
            limit: Some(most),
            ..Select::new(from_table(&self.evidence(), "l"), columns)
        })
    }

    /// The pairs that were set by hand between the records of a cluster: `source`, `record`, `other_source`,
    /// `other_record`, `kind`. None where the identity has no overrides.
    pub fn pairs_of(&self, id: &str, most: u64) -> Option<Query> {
        let filter = both(equal(word("l", "kind"), text(INCLUDE)), self.is_of("c", id));
        self.kept(vec![self.of_cluster("l", "c")], filter, most)
    }

    /// The pairs that are kept apart by hand and of which each cluster has one: as [`IdentityPlan::pairs_of`].
    pub fn pairs_between(&self, id: &str, other: &str, most: u64) -> Option<Query> {
        let same = |name: &str| equal(word("l", &format!("other_{name}")), word("d", name));
        let second = inner(from_table(&self.canonical(), "d"), both(same("source"), same("record")));
        let are = |a: &str, b: &str| both(self.is_of("c", a), self.is_of("d", b));
        let either = Expr::call(FunctionId::OR, vec![are(id, other), are(other, id)], Type::Boolean);
        let filter = both(equal(word("l", "kind"), text(EXCLUDE)), either);
        self.kept(vec![self.of_cluster("l", "c"), second], filter, most)
    }

    fn kept(&self, joins: Vec<springline_ir::Join>, filter: RelExpr, most: u64) -> Option<Query> {
        self.identity.overrides?;
        let names = ["source", "record", "other_source", "other_record", "kind"];
        let columns = names.map(|name| output(name, word("l", name))).into();
        Some(query(Select {
            joins,
            filter: Some(filter),
            order_by: names.map(|name| rising(word("l", name))).into(),
            limit: Some(most),
            ..Select::new(from_table(&self.pairs_by_hand(), "l"), columns)
        }))
    }

    /// The values that records of both clusters have and that link nothing: `identifier`, `value`, `reason`, and on how
    /// many records of each they are (`records`, `other_records`).
    pub fn unlinked(&self, id: &str, other: &str, most: u64) -> Query {
        let side = |id: &str| Select {
            joins: vec![self.of_cluster("l", "c")],
            filter: Expr::all([is_not_null(word("l", "reason")), is_not_null(word("l", "value")), self.is_of("c", id)]),
            group_by: vec![word("l", "identifier"), word("l", "value")],
            ..Select::new(
                from_table(&self.evidence(), "l"),
                vec![
                    output("identifier", word("l", "identifier")),
                    output("value", word("l", "value")),
                    output("reason", largest(word("l", "reason"))),
                    output("records", rows()),
                ],
            )
        };
        let same = |name: &str| equal(word("a", name), word("b", name));
        let columns = vec![
            output("identifier", word("a", "identifier")),
            output("value", word("a", "value")),
            output("reason", word("a", "reason")),
            output("records", number("a", "records")),
            output("other_records", number("b", "records")),
        ];
        let select = Select {
            joins: vec![inner(from_cte("those", "b"), both(same("identifier"), same("value")))],
            order_by: vec![rising(word("a", "identifier")), rising(word("a", "value"))],
            limit: Some(most),
            ..Select::new(from_cte("these", "a"), columns)
        };
        with(vec![step("these", side(id)), step("those", side(other))], select)
    }

    /// The canonical row of a record.
    fn of_cluster(&self, record: &str, alias: &str) -> springline_ir::Join {
        let same = |name: &str| equal(word(record, name), word(alias, name));
        inner(from_table(&self.canonical(), alias), both(same("source"), same("record")))
    }

    fn is_of(&self, alias: &str, id: &str) -> RelExpr {
        both(column(alias, "present", Type::Boolean), equal(self.id(alias), text(id)))
    }
}

fn rising(expr: RelExpr) -> OrderBy<springline_ir::ColumnRef> {
    OrderBy { expr, descending: false }
}

/// The value of what links nothing, where it would be of use to know: a blocked one.
pub(super) fn kept_value(value: &RelExpr) -> RelExpr {
    let reason = || word("j", "reason");
    let blocked = equal(reason(), Expr::literal(Literal::String(BLOCKED.to_owned())));
    case(vec![(is_null(reason()), value.clone()), (blocked, value.clone())], None, Type::String)
}
