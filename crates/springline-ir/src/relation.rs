//! Relations, at the grain of one SELECT: a query is named steps and a last one. That is the shape
//! the printed SQL has, so that a reader can follow the one in the other.

use std::fmt;

use crate::{Expr, OrderBy};

/// An expression over columns of relations.
pub type RelExpr = Expr<ColumnRef>;

/// A column of a relation in scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnRef {
    /// The alias of the relation in the FROM of the same SELECT; empty in a statement about one table.
    pub relation: String,
    /// The column's name.
    pub column: String,
}

/// The name of a stored table: optional catalog, optional schema, table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// One to three parts, outermost first; none is empty.
    pub parts: Vec<String>,
}

impl TableName {
    /// A table of a schema.
    pub fn in_schema(schema: &str, table: &str) -> Self {
        TableName { parts: vec![schema.to_owned(), table.to_owned()] }
    }

    /// The last part: the table without its schema.
    pub fn table(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// Reads `catalog.schema.table`; `None` for an empty part or more than three.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        (parts.len() <= 3 && parts.iter().all(|p| !p.trim().is_empty())).then_some(TableName { parts })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// Named steps, then the SELECT that gives the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The steps; each sees those before it.
    pub ctes: Vec<Cte>,
    /// The result.
    pub body: Body,
}

/// A named step of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    /// Its name, unique in the query.
    pub name: String,
    /// Where in the model it comes from, for the reader of the SQL.
    pub comment: Option<String>,
    /// What it selects.
    pub body: Body,
}

/// One SELECT, or several of the same columns one after another, duplicates kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// One SELECT.
    Select(Box<Select>),
    /// The rows of all of them; at least one.
    UnionAll(Vec<Select>),
}

/// One SELECT.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// Drop duplicate rows.
    pub distinct: bool,
    /// The columns of the result; at least one.
    pub columns: Vec<OutputColumn>,
    /// The first relation.
    pub from: From,
    /// The further relations.
    pub joins: Vec<Join>,
    /// Only rows for which this is true.
    pub filter: Option<RelExpr>,
    /// The groups; empty with aggregates in the columns means one group of all rows.
    pub group_by: Vec<RelExpr>,
    /// Only groups for which this is true.
    pub having: Option<RelExpr>,
    /// The order of the result.
    pub order_by: Vec<OrderBy<ColumnRef>>,
    /// At most so many rows.
    pub limit: Option<u64>,
}

impl Select {
    /// A SELECT of columns from one relation, with nothing else.
    pub fn new(from: From, columns: Vec<OutputColumn>) -> Self {
        Select {
            distinct: false,
            columns,
            from,
            joins: Vec::new(),
            filter: None,
            group_by: Vec::new(),
            having: None,
            order_by: Vec::new(),
            limit: None,
        }
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its value.
    pub expr: RelExpr,
}

/// A relation in a FROM, under an alias.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// Which relation.
    pub relation: Relation,
    /// The name its columns are referred by.
    pub alias: String,
}

/// What can be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// A stored table.
    Table(TableName),
    /// An earlier step of the query, by name.
    Cte(String),
}

/// A join to a further relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Which rows are kept.
    pub kind: JoinKind,
    /// What is joined.
    pub from: From,
    /// The condition.
    pub on: RelExpr,
}

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs only.
    Inner,
    /// Every row of the left side.
    Left,
    /// Every row of both sides.
    Full,
}
