//! The plan of an identity: which records of several sources are the same thing, and the id that they share.
//!
//! Records are linked by the values that they have in common, clusters are the connected components of the links, and ids
//! stay with their clusters from run to run. Whoever carries the plan out asks for its steps one after another and
//! reads counts only; nothing here knows how often a step is repeated.

mod canonical;
mod components;
mod evidence;
mod figures;
mod golden;
mod matching;
mod overrides;
mod records;
mod tiers;
mod trial;

use springline_ir::{
    Body, ColumnDef, Cte, Expr, ExprKind, From, FunctionId, Join, JoinKind, Literal, OutputColumn, Query, RelExpr,
    Select, Statement, TableName, Type,
};
use springline_model::Identity;

use crate::build::{column, output};
use crate::lease::create_lease;
use crate::members::{aggregate, from_cte, from_table, query};
use crate::state::define;
use crate::{Context, Step};

pub use components::Components;
pub use figures::resolution_columns;
pub(crate) use golden::golden_table;
pub use matching::{MatchingPlan, SCORE_UNIT, Scoring, level_name};
pub use tiers::Rejecting;

/// How the nodes of records and values are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashing {
    /// Another salt makes other hashes.
    pub salt: u32,
    /// Only so many different hashes there are; all that 60 bits make where there is no such number.
    pub space: Option<i64>,
}

/// The plan of one identity. Its working tables are named `identity_<name>_…` and live as long as a run.
#[derive(Debug, Clone, Copy)]
pub struct IdentityPlan<'a> {
    context: Context<'a>,
    identity: &'a Identity,
    hashing: Hashing,
    /// What the names of its working tables begin with.
    kind: &'static str,
}

impl<'a> IdentityPlan<'a> {
    /// The plan with these hashes.
    pub fn new(context: Context<'a>, identity: &'a Identity, hashing: Hashing) -> Self {
        IdentityPlan { context, identity, hashing, kind: RUN }
    }

    /// The plan of a run that changes nothing that lasts, beside one that does: its working tables are named
    /// `trial_<name>_…`.
    pub fn trial(context: Context<'a>, identity: &'a Identity, hashing: Hashing) -> Self {
        IdentityPlan { context, identity, hashing, kind: TRIAL }
    }

    /// The same plan with other hashes.
    #[must_use]
    pub fn with(&self, hashing: Hashing) -> Self {
        IdentityPlan { hashing, ..*self }
    }

    /// How this plan's hashes are made.
    pub fn hashing(&self) -> Hashing {
        self.hashing
    }

    /// The connected components of this plan's links.
    pub fn components(&self) -> Components {
        Components::of(self.context.state_schema, self.kind, &self.identity.name)
    }

    /// The lease of its runs.
    pub fn lease(&self) -> TableName {
        let what = if self.kind == TRIAL { "trial_lease" } else { "resolution_lease" };
        TableName::in_schema(self.context.state_schema, &format!("{what}_{}", self.identity.name))
    }

    /// Makes the schema and the table of the lease; harmless where they exist.
    pub fn create_lease(&self) -> Vec<Step> {
        let schema = self.context.state_schema.to_owned();
        vec![Step::new("state.schema", Statement::CreateSchema { schema }), create_lease(self.lease())]
    }

    /// One row per record that there is or was: its canonical id, and whether it is there.
    pub fn canonical(&self) -> TableName {
        canonical_table(self.context.state_schema, &self.identity.name)
    }

    /// One row per id that records have left, with the one that they have instead.
    pub fn aliases(&self) -> TableName {
        TableName::in_schema(self.context.state_schema, &format!("aliases_{}", self.identity.name))
    }

    /// One row per figure of each run.
    pub fn resolutions(&self) -> TableName {
        TableName::in_schema(self.context.state_schema, &format!("resolutions_{}", self.identity.name))
    }

    /// Creates the tables that last; harmless where they exist.
    pub fn prepare(&self) -> Vec<Step> {
        let create = |table: TableName, columns: Vec<ColumnDef>| {
            Step::new(format!("state.{}", table.table()), Statement::CreateTable { table, columns })
        };
        let mut steps = vec![
            create(self.canonical(), self.canonical_columns()),
            create(self.aliases(), canonical::alias_columns()),
            create(self.resolutions(), resolution_columns()),
            create(self.evidence(), evidence::link_columns()),
        ];
        if self.identity.overrides.is_some() {
            steps.push(create(self.pairs_by_hand(), evidence::pair_columns()));
        }
        steps
    }

    /// Removes the working tables beside those of the components.
    pub fn cleanup(&self) -> Vec<Step> {
        let working = WORKING.iter().chain(matching::WORKING).map(|what| drop_table(&self.name(what), self.work(what)));
        working.chain(self.golden_cleanup()).collect()
    }

    fn work(&self, what: &str) -> TableName {
        work(self.context.state_schema, self.kind, &self.identity.name, what)
    }

    fn name(&self, what: &str) -> String {
        format!("{}.{}.{what}", self.kind, self.identity.name)
    }

    fn replace(&self, what: &str, query: Query) -> Step {
        Step::new(self.name(what), Statement::ReplaceTable { table: self.work(what), query })
    }

    fn table(&self, what: &str, alias: &str) -> From {
        from_table(&self.work(what), alias)
    }
}

/// The table of canonical ids.
pub(crate) fn canonical_table(schema: &str, identity: &str) -> TableName {
    TableName::in_schema(schema, &format!("canonical_{identity}"))
}

/// What the working tables of a run begin with, and those of one that changes nothing.
const RUN: &str = "identity";
const TRIAL: &str = "trial";

/// The working tables, by what is behind the identity's name.
const WORKING: &[&str] =
    &[INPUTS, PAIRS, LINKS, CLUSTERS, OVER, HARD, REJECTED, "h0", "h1", MEMBERS, CURRENT, MOVED, NEXT];
const INPUTS: &str = "inputs";
const PAIRS: &str = "pairs";
const LINKS: &str = "links";
const CLUSTERS: &str = "clusters";
const OVER: &str = "over";
const HARD: &str = "hard";
const REJECTED: &str = "rejected";
const MEMBERS: &str = "members";
const CURRENT: &str = "current";
const MOVED: &str = "moved";
const NEXT: &str = "next";

/// A working table. No `what` has an underscore, so that no two identities have one of the same name.
fn work(schema: &str, kind: &str, identity: &str, what: &str) -> TableName {
    TableName::in_schema(schema, &format!("{kind}_{identity}_{what}"))
}

fn drop_table(name: &str, table: TableName) -> Step {
    Step::new(format!("{name}.drop"), Statement::DropTable { table })
}

fn number(alias: &str, name: &str) -> RelExpr {
    column(alias, name, Type::Integer)
}

fn word(alias: &str, name: &str) -> RelExpr {
    column(alias, name, Type::String)
}

fn whole(n: i64) -> RelExpr {
    Expr::literal(Literal::Integer(n))
}

/// A count in a statement; one that no integer holds is as good as none.
fn limit_of(n: u64) -> RelExpr {
    whole(i64::try_from(n).unwrap_or(i64::MAX))
}

fn case(branches: Vec<(RelExpr, RelExpr)>, otherwise: Option<RelExpr>, ty: Type) -> RelExpr {
    if branches.is_empty() {
        return otherwise.unwrap_or_else(|| Expr::null(ty));
    }
    Expr { kind: ExprKind::Case { branches, otherwise: otherwise.map(Box::new) }, ty }
}

fn less(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::compare(FunctionId::LT, a, b)
}

fn more(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::compare(FunctionId::GT, a, b)
}

fn differ(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::compare(FunctionId::NE, a, b)
}

fn smallest(value: RelExpr) -> RelExpr {
    let ty = value.ty.clone();
    aggregate(FunctionId::MIN, vec![value], ty)
}

fn largest(value: RelExpr) -> RelExpr {
    let ty = value.ty.clone();
    aggregate(FunctionId::MAX, vec![value], ty)
}

fn rows() -> RelExpr {
    aggregate(FunctionId::COUNT, Vec::new(), Type::Integer)
}

fn distinct(value: RelExpr) -> RelExpr {
    aggregate(FunctionId::COUNT_DISTINCT, vec![value], Type::Integer)
}

fn inner(from: From, on: RelExpr) -> Join {
    Join { kind: JoinKind::Inner, from, on }
}

fn left(from: From, on: RelExpr) -> Join {
    Join { kind: JoinKind::Left, from, on }
}

fn step(name: &str, select: Select) -> Cte {
    Cte { name: name.to_owned(), comment: None, body: Body::Select(Box::new(select)) }
}

fn union(name: &str, selects: Vec<Select>) -> Cte {
    Cte { name: name.to_owned(), comment: None, body: Body::UnionAll(selects) }
}

fn with(ctes: Vec<Cte>, select: Select) -> Query {
    Query { ctes, ..query(select) }
}

/// The smaller of two nodes as `u`, the larger as `v`.
fn ordered(a: &RelExpr, b: &RelExpr) -> Vec<OutputColumn> {
    let pick = |yes: &RelExpr, no: &RelExpr| {
        case(vec![(less(a.clone(), b.clone()), yes.clone())], Some(no.clone()), Type::Integer)
    };
    vec![output("u", pick(a, b)), output("v", pick(b, a))]
}

/// How many rows a table has: `rows`.
fn count_of(table: &TableName) -> Query {
    query(Select::new(from_table(table, "t"), vec![output("rows", rows())]))
}

fn numbers(names: &[&str]) -> Vec<ColumnDef> {
    names.iter().map(|name| define(name, Type::Integer)).collect()
}

/// A relation of distinct rows of these columns of a step.
fn distinct_of(from: &str, names: &[(&str, Type)]) -> Select {
    let columns = names.iter().map(|(name, ty)| output(*name, column("d", name, ty.clone()))).collect();
    Select { distinct: true, ..Select::new(from_cte(from, "d"), columns) }
}
