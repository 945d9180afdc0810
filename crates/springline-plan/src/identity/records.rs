//! From the tables of records to links: one row per record and identifier with its value as it is compared and why it
//! links nothing, if so; each value's records with the smallest of them.

use springline_ir::{Body, Expr, FunctionId, Literal, Query, RelExpr, Select, Type};
use springline_model::{Identifier, IdentitySource, Leaf, ValueExpr};

use super::evidence::kept_value;
use super::{
    CLUSTERS, INPUTS, IdentityPlan, LINKS, MEMBERS, case, differ, distinct_of, inner, largest, left, less, limit_of,
    more, number, rows, smallest, step, union, whole, with, word,
};
use crate::Step;
use crate::build::{column, output};
use crate::intervals::{equal, is_not_null, is_null, text};
use crate::members::{from_cte, from_table, query};

/// Why a value that is null links nothing.
pub(super) const NULL: &str = "null";
/// Why a value that is blocked links nothing.
pub(super) const BLOCKED: &str = "blocked";

impl IdentityPlan<'_> {
    /// One row per record and identifier of its source: `source`, `record` (its primary key as text), `node`,
    /// `identifier` (its place, from 1), `reason` (why it links nothing; null where it links), and where it links
    /// `value` and `hash`; of a blocked one the value too.
    pub fn inputs(&self) -> Step {
        let mut ctes = Vec::new();
        let mut all = Vec::new();
        for (place, identifier) in self.identity.identifiers.iter().enumerate() {
            let given = format!("given_{}", identifier.name);
            let compared = format!("compared_{}", identifier.name);
            let of = |source: &&IdentitySource| source.identifiers.iter().any(|(given, _)| *given == place);
            let sources = self.identity.sources.iter().filter(of);
            let selects = sources.flat_map(|source| self.given(source, place)).collect();
            let mut cte = union(&given, selects);
            cte.comment = Some(self.context.sources.locate(identifier.span));
            ctes.push(cte);
            ctes.push(step(&compared, compare(&given, identifier)));
            all.push(judge(&compared, place, identifier));
        }
        ctes.push(union("judged", all));
        let usable = |value: RelExpr, ty| case(vec![(is_null(word("j", "reason")), value)], None, ty);
        let address = self.hashed("r", vec![word("j", "source"), word("j", "record")]);
        let place = Expr::call(FunctionId::TEXT, vec![number("j", "identifier")], Type::String);
        let value = self.hashed("v", vec![place, word("j", "value")]);
        let columns = vec![
            output("source", word("j", "source")),
            output("record", word("j", "record")),
            output("node", address),
            output("identifier", number("j", "identifier")),
            output("reason", word("j", "reason")),
            output("value", kept_value(&word("j", "value"))),
            output("hash", usable(value, Type::Integer)),
        ];
        self.replace(INPUTS, with(ctes, Select::new(from_cte("judged", "j"), columns)))
    }

    /// A hash of texts; no two lists of texts are written the same way, because only the last may hold a colon.
    pub(super) fn hashed(&self, kind: &str, parts: Vec<RelExpr>) -> RelExpr {
        let start = Expr::literal(Literal::String(format!("{}:{kind}", self.hashing.salt)));
        let concat = |a, b| Expr::call(FunctionId::CONCAT, vec![a, b], Type::String);
        let all = parts.into_iter().fold(start, |all, part| concat(concat(all, text(":")), part));
        let hash = Expr::call(FunctionId::LONG_HASH, vec![all], Type::Integer);
        match self.hashing.space {
            Some(space) => Expr::call(FunctionId::MOD, vec![hash, whole(space)], Type::Integer),
            None => hash,
        }
    }

    /// The text of an identifier's columns in one source.
    fn given(&self, records: &IdentitySource, place: usize) -> Vec<Select> {
        let source = self.context.project.source(records.source);
        let columns = records.identifiers.iter().filter(|(given, _)| *given == place);
        let select = |name: &str| {
            let columns = vec![
                output("source", text(&source.name)),
                output("record", self.column_text(records, &records.primary_key)),
                output("given", self.column_text(records, name)),
            ];
            Select::new(from_table(&source.table, "s"), columns)
        };
        columns.map(|(_, name)| select(name)).collect()
    }

    /// A column of a source, called `s`, as text.
    pub(super) fn column_text(&self, records: &IdentitySource, name: &str) -> RelExpr {
        let source = self.context.project.source(records.source);
        let ty = source.column(name).map_or(Type::String, |c| c.ty.clone());
        let value = column("s", name, ty.clone());
        if ty == Type::String { value } else { Expr::call(FunctionId::TEXT, vec![value], Type::String) }
    }

    /// What must not be: records without a primary key (`keyless`), and hashes of several records (`records`) or values
    /// (`values`). `fault`, `rows`.
    pub fn faults(&self) -> Query {
        let several = |name: &str| differ(smallest(word("i", name)), largest(word("i", name)));
        let clash = |hash: &str, unlike: RelExpr| Select {
            filter: Some(is_not_null(number("i", hash))),
            group_by: vec![number("i", hash)],
            having: Some(unlike),
            ..Select::new(self.table(INPUTS, "i"), vec![output("hash", number("i", hash))])
        };
        let kinds = differ(smallest(number("i", "identifier")), largest(number("i", "identifier")));
        let or = |a, b| Expr::call(FunctionId::OR, vec![a, b], Type::Boolean);
        let count = |fault: &str, from| Select::new(from, vec![output("fault", text(fault)), output("rows", rows())]);
        let keyless =
            Select { filter: Some(is_null(word("i", "record"))), ..count("keyless", self.table(INPUTS, "i")) };
        Query {
            ctes: vec![
                step("records", clash("node", or(several("source"), several("record")))),
                step("clashing", clash("hash", or(kinds, several("value")))),
            ],
            body: Body::UnionAll(vec![
                keyless,
                count("records", from_cte("records", "c")),
                count("values", from_cte("clashing", "c")),
            ]),
        }
    }

    /// One row per record and value that links: `node`, `identifier`, `hash`, and the smallest node with the value
    /// (`hub`). Values of more records than they may have are left out.
    pub fn links(&self) -> Step {
        let usable = Select {
            filter: Some(is_not_null(number("d", "hash"))),
            ..distinct_of(INPUTS, &[("node", Type::Integer), ("identifier", Type::Integer), ("hash", Type::Integer)])
        };
        let usable = Select { from: self.table(INPUTS, "d"), ..usable };
        let stars = Select {
            group_by: vec![number("u", "hash")],
            ..Select::new(
                from_cte("usable", "u"),
                vec![
                    output("hash", number("u", "hash")),
                    output("hub", smallest(number("u", "node"))),
                    output("records", rows()),
                ],
            )
        };
        let identifiers = self.identity.identifiers.iter().zip(1..);
        let most = identifiers.filter_map(|(identifier, place)| {
            let most = limit_of(identifier.max_records_per_value?);
            let is_it = equal(number("u", "identifier"), whole(place));
            Some((is_it, Expr::compare(FunctionId::LE, number("s", "records"), most)))
        });
        let most: Vec<_> = most.collect();
        let filter = (!most.is_empty()).then(|| case(most, Some(Expr::literal(Literal::Boolean(true))), Type::Boolean));
        let columns = ["node", "identifier", "hash"].map(|name| output(name, number("u", name)));
        let columns = columns.into_iter().chain([output("hub", number("s", "hub"))]).collect();
        let select = Select {
            joins: vec![inner(from_cte("stars", "s"), equal(number("u", "hash"), number("s", "hash")))],
            filter,
            ..Select::new(from_cte("usable", "u"), columns)
        };
        self.replace(LINKS, with(vec![step("usable", usable), step("stars", stars)], select))
    }

    /// The edges of all links, and those that are set by hand, as those of round 1 of the components.
    pub fn all_edges(&self) -> Step {
        let links = Select {
            filter: Expr::all([less(number("l", "hub"), number("l", "node"))].into_iter().chain(self.linking("l"))),
            ..Select::new(
                self.table(LINKS, "l"),
                vec![output("u", number("l", "hub")), output("v", number("l", "node"))],
            )
        };
        let edges = std::iter::once(links).chain(self.included()).collect();
        let select = distinct_of("edges", &[("u", Type::Integer), ("v", Type::Integer)]);
        self.edges_step(with(vec![union("edges", edges)], select))
    }

    /// Values of identifiers link nothing where no rule says so; limits hold for them all the same.
    fn linking(&self, alias: &str) -> Option<RelExpr> {
        let identifiers = limit_of(self.identity.identifiers.len() as u64);
        (!self.is_deterministic()).then(|| more(number(alias, "identifier"), identifiers))
    }

    pub(super) fn edges_step(&self, query: Query) -> Step {
        let table = self.components().edges(1);
        Step::new(self.name("edges"), springline_ir::Statement::ReplaceTable { table, query })
    }

    /// Keeps the labels of all edges as the clusters.
    pub fn clusters(&self) -> Step {
        let labels = self.components().labels();
        let columns = ["v", "rep"].map(|name| output(name, number("l", name))).into();
        self.replace(CLUSTERS, query(Select::new(from_table(&labels, "l"), columns)))
    }

    /// Every record with its cluster, called by its smallest node: `source`, `record`, `label`. `clustered` says that
    /// there were links at all, `settled` names the table of the clusters that were solved apart.
    pub fn members(&self, clustered: bool, settled: Option<u32>) -> Step {
        let records = Select {
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
        let mut labels = Vec::new();
        let mut joins = Vec::new();
        let mut join = |table: &str, alias: &str| {
            labels.push(number(alias, "rep"));
            joins.push(left(self.table(table, alias), equal(number("n", "node"), number(alias, "v"))));
        };
        if let Some(place) = settled {
            join(settled_table(place), "h");
        }
        if clustered {
            join(CLUSTERS, "c");
        }
        let label = labels.into_iter().rev().fold(number("n", "node"), |other, label| label.or_else(other));
        let columns = vec![
            output("source", word("n", "source")),
            output("record", word("n", "record")),
            output("node", number("n", "node")),
            output("label", label),
        ];
        let select = Select { joins, ..Select::new(from_cte("records", "n"), columns) };
        self.replace(MEMBERS, with(vec![step("records", records)], select))
    }

    /// How many records are in clusters of each size: `size`, `clusters`.
    pub fn sizes(&self) -> Query {
        let sizes = Select {
            group_by: vec![number("m", "label")],
            ..Select::new(self.table(MEMBERS, "m"), vec![output("size", rows())])
        };
        let select = Select {
            group_by: vec![number("z", "size")],
            ..Select::new(from_cte("sizes", "z"), vec![output("size", number("z", "size")), output("clusters", rows())])
        };
        with(vec![step("sizes", sizes)], select)
    }
}

/// One of the two tables of clusters that are solved apart.
pub(super) fn settled_table(place: u32) -> &'static str {
    if place.is_multiple_of(2) { "h0" } else { "h1" }
}

/// `source`, `record`, `given` and the value as it is compared.
fn compare(from: &str, identifier: &Identifier) -> Select {
    let columns = ["source", "record", "given"].map(|name| output(name, word("g", name)));
    let value = output("value", lowered(&identifier.value));
    Select::new(from_cte(from, "g"), columns.into_iter().chain([value]).collect())
}

/// `source`, `record`, `identifier`, `value` and why it links nothing.
fn judge(from: &str, place: usize, identifier: &Identifier) -> Select {
    let mut reasons = vec![(is_null(word("g", "given")), text(NULL))];
    reasons.extend(identifier.dropped.iter().map(|(reason, condition)| (lowered(condition), text(reason))));
    let columns = vec![
        output("source", word("g", "source")),
        output("record", word("g", "record")),
        output("identifier", whole(i64::try_from(place + 1).unwrap_or(i64::MAX))),
        output("value", word("g", "value")),
        output("reason", case(reasons, None, Type::String)),
    ];
    Select::new(from_cte(from, "g"), columns)
}

/// An expression over the text of a column and what is compared of it.
fn lowered(expr: &ValueExpr) -> RelExpr {
    let column = |leaf: Leaf, ty: &Type| match leaf {
        Leaf::Column(name) => Ok(column("g", &name, ty.clone())),
        // The checker makes these expressions of the two columns alone.
        _ => Ok::<_, std::convert::Infallible>(Expr::null(ty.clone())),
    };
    let Ok(lowered) = expr.clone().try_map(&mut { column });
    lowered
}
