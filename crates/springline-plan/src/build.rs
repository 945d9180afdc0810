//! A query under construction: its steps and the names that are taken.

use std::collections::{HashMap, HashSet};

use springline_ir::{Body, ColumnRef, Cte, Expr, From, Join, OutputColumn, Query, RelExpr, Relation, Select, Type};
use springline_model::{Leaf, Span, ValueExpr};

use crate::apart::windows_over_columns;
use crate::clock::Clock;
use crate::{Context, PlanError};

/// The most bytes of a name that we make: with a number behind it, it fits what every engine takes (63
/// bytes in Postgres).
const LONGEST_NAME: usize = 55;

/// The steps so far.
pub(crate) struct Build<'a> {
    pub(crate) context: Context<'a>,
    ctes: Vec<Cte>,
    names: HashSet<String>,
}

/// Where the values of a kind of row come from: a FROM with its joins, one row per row, and an
/// expression for each value that was asked for.
pub(crate) struct Scope {
    pub(crate) from: From,
    pub(crate) joins: Vec<Join>,
    pub(crate) values: HashMap<Leaf, RelExpr>,
    pub(crate) clock: Clock,
}

impl<'a> Build<'a> {
    pub(crate) fn new(context: Context<'a>) -> Self {
        Build { context, ctes: Vec::new(), names: HashSet::new() }
    }

    /// The run's clock.
    pub(crate) fn clock(&self) -> Clock {
        Clock { as_of: self.context.as_of, zone: self.context.project.timezone.clone() }
    }

    /// `file:line` of a definition.
    pub(crate) fn locate(&self, span: Span) -> String {
        self.context.sources.locate(span)
    }

    /// The name, or the name with the first number that makes it new. Names differ in more than case,
    /// because some engines fold it.
    pub(crate) fn unique(&mut self, name: &str) -> String {
        unique(&mut self.names, name)
    }

    /// Adds a step.
    pub(crate) fn push(&mut self, cte: Cte) {
        self.ctes.push(cte);
    }

    /// Adds a step and gives it back as a relation.
    pub(crate) fn step(&mut self, name: String, comment: Option<String>, select: Select) -> From {
        let select = windows_over_columns(self, &name, select);
        self.ctes.push(Cte { name: name.clone(), comment, body: Body::Select(Box::new(select)) });
        From { relation: Relation::Cte(name.clone()), alias: name }
    }

    /// The query that ends in this.
    pub(crate) fn finish(self, select: Select) -> Query {
        Query { ctes: self.ctes, body: Body::Select(Box::new(select)) }
    }
}

impl Scope {
    /// The expression with each model name replaced by the column that holds its value.
    pub(crate) fn lower(&self, expr: &ValueExpr) -> Result<RelExpr, PlanError> {
        expr.clone().try_map(&mut |leaf, ty| {
            if let Some(constant) = self.clock.constant(&leaf, ty)? {
                return Ok(constant);
            }
            // Every leaf was collected before the scope was made; a null would only show a defect here.
            Ok(self.values.get(&leaf).cloned().unwrap_or_else(|| {
                debug_assert!(false, "no value for {leaf:?}");
                Expr::null(ty.clone())
            }))
        })
    }

    /// The scope as a SELECT of these columns.
    pub(crate) fn select(self, columns: Vec<OutputColumn>) -> Select {
        Select { joins: self.joins, ..Select::new(self.from, columns) }
    }
}

/// The name, or the name with the first number that makes it new in the set.
pub(crate) fn unique(taken: &mut HashSet<String>, name: &str) -> String {
    let name = &name[..name.floor_char_boundary(LONGEST_NAME)];
    let mut candidate = name.to_owned();
    let mut number = 2;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

/// A column of a relation in scope.
pub(crate) fn column(relation: &str, name: &str, ty: Type) -> RelExpr {
    Expr::leaf(ColumnRef { relation: relation.to_owned(), column: name.to_owned() }, ty)
}

/// A named column of a result.
pub(crate) fn output(name: impl Into<String>, expr: RelExpr) -> OutputColumn {
    OutputColumn { name: name.into(), expr }
}
