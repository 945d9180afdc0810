//! Connected components of a graph, by hooking each node to its smallest neighbour, jumping on and contracting what is
//! left, round by round. It knows nothing of records.
//!
//! A round may take a node to any other of its component, as long as the smallest one stays where it is: so the first
//! rounds, in which nearly all of the time goes, look no further than the next neighbours, and the later ones look further,
//! which costs little and saves rounds.
//!
//! Where a round leaves more than nine tenths of the edges, the next one jumps until nothing changes; where that does
//! not help either, nodes are renumbered at random before each round, which has an expected logarithmic bound on any
//! graph (Bögeholz, Brand, Todor, <https://arxiv.org/abs/1802.09478>).

use springline_ir::{
    Cte, Expr, ExprKind, FunctionId, OrderBy, Query, RelExpr, Select, Statement, TableName, Type, WindowCall,
};

use super::work;
use super::{count_of, differ, drop_table, inner, left, number, ordered, rows, smallest, step, union, whole, with};
use crate::Step;
use crate::build::output;
use crate::intervals::equal;
use crate::members::{from_cte, from_table, query};

/// How many tables of a round one statement joins.
const JOINED: u32 = 12;
/// How often the nodes of a round jump on; more makes no fewer rounds.
const MOST_JUMPS: u32 = 2;
/// The first round that looks further than the next neighbours, and by how many edges.
const FURTHER_FROM: u32 = 3;
const FURTHER: u32 = 2;
/// The prime that nodes are renumbered by: there must be fewer of them.
const PRIME: i64 = 2_147_483_647;

/// The steps that find the components of the edges in [`Components::edges`] of round 1: the smallest node of each.
#[derive(Debug, Clone)]
pub struct Components {
    schema: String,
    kind: &'static str,
    name: String,
}

impl Components {
    /// Working tables for something of that name.
    pub fn new(schema: &str, name: &str) -> Self {
        Self::of(schema, super::RUN, name)
    }

    pub(super) fn of(schema: &str, kind: &'static str, name: &str) -> Self {
        Components { schema: schema.to_owned(), kind, name: name.to_owned() }
    }

    fn step(&self, what: &str) -> String {
        format!("{}.{}.{what}", self.kind, self.name)
    }

    fn work(&self, what: &str) -> TableName {
        work(&self.schema, self.kind, &self.name, what)
    }

    fn replace(&self, what: &str, table: TableName, query: Query) -> Step {
        Step::new(self.step(what), Statement::ReplaceTable { table, query })
    }

    /// The distinct edges of a round: two nodes `u` and `v`, the first the smaller.
    pub fn edges(&self, round: u32) -> TableName {
        self.work(if round.is_multiple_of(2) { "e0" } else { "e1" })
    }

    /// The result: a row per node of an edge (`v`) with the smallest node of its component (`rep`).
    pub fn labels(&self) -> TableName {
        self.work("labels")
    }

    /// Where a round takes each of its nodes.
    pub fn round(&self, round: u32) -> TableName {
        self.work(&format!("r{round}"))
    }

    /// How many edges a round begins with: `rows`.
    pub fn count(&self, round: u32) -> Query {
        count_of(&self.edges(round))
    }

    /// Edges that may be the wrong way round, there twice or from a node to itself, as those of round 1.
    pub fn normalize(&self, edges: &TableName) -> Step {
        let (u, v) = (number("e", "u"), number("e", "v"));
        let select = Select {
            distinct: true,
            filter: Some(differ(u.clone(), v.clone())),
            ..Select::new(from_table(edges, "e"), ordered(&u, &v))
        };
        self.replace("edges", self.edges(1), query(select))
    }

    /// Takes each node to the smallest of itself and its neighbours, from the third round on of all that are three edges
    /// away, and from there on: once in the first round, twice in the next ones, whose tables are smaller.
    pub fn hook(&self, round: u32) -> Step {
        let edge = |v: &str| {
            let columns = vec![output("v", number("e", v)), output("rep", number("e", "u"))];
            Select::new(from_table(&self.edges(round), "e"), columns)
        };
        let nearest = Select {
            group_by: vec![number("b", "v")],
            ..Select::new(
                from_cte("both", "b"),
                vec![output("v", number("b", "v")), output("rep", smallest(number("b", "rep")))],
            )
        };
        let mut ctes = vec![union("both", vec![edge("v"), edge("u")]), step("nearest", nearest)];
        let reached = self.look_further(round, &mut ctes);
        let target = |jump: u32| if jump == 0 { "x".to_owned() } else { format!("y{jump}") };
        let jumps = round.min(MOST_JUMPS);
        let joins = (1..=jumps).map(|jump| {
            let on = equal(number(&target(jump - 1), "rep"), number(&target(jump), "v"));
            inner(from_cte(&reached, &target(jump)), on)
        });
        let columns = vec![output("v", number("x", "v")), output("rep", number(&target(jumps), "rep"))];
        let select = Select { joins: joins.collect(), ..Select::new(from_cte(&reached, "x"), columns) };
        self.replace(&format!("round_{round}.hook"), self.round(round), with(ctes, select))
    }

    /// Adds the steps in which a node takes over the smallest that a neighbour has found; the name of the last. What a node
    /// has found itself need not be kept: its neighbours have found that or a smaller one.
    fn look_further(&self, round: u32, ctes: &mut Vec<Cte>) -> String {
        let mut found = "nearest".to_owned();
        if round < FURTHER_FROM {
            return found;
        }
        let edge = |v: &str, near: &str| {
            let columns = vec![output("v", number("e", v)), output("near", number("e", near))];
            Select::new(from_table(&self.edges(round), "e"), columns)
        };
        ctes.push(union("ways", vec![edge("u", "v"), edge("v", "u")]));
        for distance in 2..2 + FURTHER {
            let columns = vec![output("v", number("w", "v")), output("rep", smallest(number("f", "rep")))];
            let select = Select {
                joins: vec![inner(from_cte(&found, "f"), equal(number("w", "near"), number("f", "v")))],
                group_by: vec![number("w", "v")],
                ..Select::new(from_cte("ways", "w"), columns)
            };
            found = format!("within_{distance}");
            ctes.push(step(&found, select));
        }
        found
    }

    /// Lets each node go on to where its target goes.
    pub fn jump(&self, round: u32) -> Step {
        let table = self.round(round);
        let columns = vec![output("v", number("x", "v")), output("rep", number("y", "rep"))];
        let select = Select {
            joins: vec![inner(from_table(&table, "y"), meets())],
            ..Select::new(from_table(&table, "x"), columns)
        };
        self.replace(&format!("round_{round}.jump"), table, query(select))
    }

    /// How many nodes would still move if they jumped: `rows`.
    pub fn unsettled(&self, round: u32) -> Query {
        let table = self.round(round);
        query(Select {
            joins: vec![inner(from_table(&table, "y"), meets())],
            filter: Some(differ(number("x", "rep"), number("y", "rep"))),
            ..Select::new(from_table(&table, "x"), vec![output("rows", rows())])
        })
    }

    /// Renumbers the nodes as a round of its own: `factor` is from 1 and `offset` from 0 to below 2147483647. Numbers are
    /// below zero, and those of the n-th time (`times`, from 0) are no others', so that what has settled stays apart.
    pub fn shuffle(&self, round: u32, times: u32, factor: i64, offset: i64) -> Step {
        let end = |name: &str| Select::new(from_table(&self.edges(round), "e"), vec![output("v", number("e", name))]);
        let nodes =
            Select { distinct: true, ..Select::new(from_cte("ends", "e"), vec![output("v", number("e", "v"))]) };
        let by_node = vec![OrderBy { expr: number("n", "v"), descending: false }];
        let place = window(FunctionId::ROW_NUMBER, Vec::new(), Vec::new(), by_node);
        let numbered = vec![output("v", number("n", "v")), output("place", place)];
        let ctes = vec![
            union("ends", vec![end("u"), end("v")]),
            step("nodes", nodes),
            step("numbered", Select::new(from_cte("nodes", "n"), numbered)),
        ];
        let call = |function, a, b| Expr::call(function, vec![a, b], Type::Integer);
        let moved =
            call(FunctionId::ADD, call(FunctionId::MULTIPLY, number("n", "place"), whole(factor)), whole(offset));
        let first = -1 - i64::from(times) * (PRIME + 1);
        let rep = call(FunctionId::SUBTRACT, whole(first), call(FunctionId::MOD, moved, whole(PRIME)));
        let columns = vec![output("v", number("n", "v")), output("rep", rep)];
        let select = Select::new(from_cte("numbered", "n"), columns);
        self.replace(&format!("round_{round}.shuffle"), self.round(round), with(ctes, select))
    }

    /// The edges that the next round begins with.
    pub fn contract(&self, round: u32) -> Step {
        let (a, b) = (number("a", "rep"), number("b", "rep"));
        let end = |alias: &str, name: &str| {
            let on = equal(number("e", name), number(alias, "v"));
            inner(from_table(&self.round(round), alias), on)
        };
        let select = Select {
            distinct: true,
            joins: vec![end("a", "u"), end("b", "v")],
            filter: Some(differ(a.clone(), b.clone())),
            ..Select::new(from_table(&self.edges(round), "e"), ordered(&a, &b))
        };
        self.replace(&format!("round_{round}.contract"), self.edges(round + 1), query(select))
    }

    /// Follows each node through all rounds, at least one. Where nodes were renumbered, their components are called by
    /// their smallest node again.
    pub fn label(&self, rounds: u32, shuffled: bool) -> Vec<Step> {
        let labels = self.labels();
        let mut steps = Vec::new();
        let (mut base, mut done) = (self.round(1), 1);
        while done < rounds || steps.is_empty() {
            let last = rounds.min(done + JOINED - 1);
            steps.push(self.replace("labels", labels.clone(), self.follow(&base, done + 1, last)));
            (base, done) = (labels.clone(), last);
        }
        if shuffled {
            let smallest = window(FunctionId::MIN, vec![number("l", "v")], vec![number("l", "rep")], Vec::new());
            let columns = vec![output("v", number("l", "v")), output("rep", smallest)];
            steps.push(self.replace("labels", labels.clone(), query(Select::new(from_table(&labels, "l"), columns))));
        }
        steps
    }

    fn follow(&self, base: &TableName, first: u32, last: u32) -> Query {
        let alias = |round: u32| if round < first { "base".to_owned() } else { format!("r{round}") };
        let reached = |round: u32| number(&alias(round), "rep");
        let joins = (first..=last).map(|round| {
            let on = equal(reached(round - 1), number(&alias(round), "v"));
            left(from_table(&self.round(round), &alias(round)), on)
        });
        // A node that a round does not have is in none after it either.
        let latest: Vec<RelExpr> = (first..=last).rev().map(reached).chain([reached(first - 1)]).collect();
        let rep = match latest.as_slice() {
            [only] => only.clone(),
            _ => Expr::call(FunctionId::COALESCE, latest, Type::Integer),
        };
        let columns = vec![output("v", number("base", "v")), output("rep", rep)];
        query(Select { joins: joins.collect(), ..Select::new(from_table(base, "base"), columns) })
    }

    /// Removes what the rounds have made, beside the labels. The tables of the last rounds go first: those of a run that
    /// ends meanwhile are of the first ones, so that they are found ([`Components::round`]) up to one that is not there.
    pub fn cleanup(&self, rounds: u32) -> Vec<Step> {
        let tables = (1..=rounds).rev().map(|round| self.round(round)).chain([self.edges(0), self.edges(1)]);
        tables.map(|table| drop_table(&self.step("rounds"), table)).collect()
    }

    /// Removes the labels.
    pub fn drop_labels(&self) -> Step {
        drop_table(&self.step("labels"), self.labels())
    }
}

/// Where the target of `x` is `y`.
fn meets() -> RelExpr {
    equal(number("x", "rep"), number("y", "v"))
}

/// A window function over plain columns.
pub(super) fn window(
    function: FunctionId,
    args: Vec<RelExpr>,
    partition_by: Vec<RelExpr>,
    order_by: Vec<OrderBy<springline_ir::ColumnRef>>,
) -> RelExpr {
    let call = WindowCall { function, args, partition_by, order_by, running: false };
    Expr { kind: ExprKind::Window(Box::new(call)), ty: Type::Integer }
}
