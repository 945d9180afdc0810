//! What the tests of the printer share: a sample relation, and parsers to read the printed SQL back.

#![allow(dead_code, reason = "each test binary uses its part")]

use springline_ir::{
    Body, ColumnRef, Expr, From, Literal, OutputColumn, Query, RelExpr, Relation, Select, Statement, TableName, Type,
};
use springline_sql::{Dialect, PrintError, print};
use sqlparser::dialect::{GenericDialect, dialect_from_str};
use sqlparser::parser::{Parser, ParserError};

/// An expression to print.
pub struct Case {
    pub label: String,
    pub expr: RelExpr,
}

/// A column of the relation `s`; its name tells its type.
pub fn column(name: &str) -> RelExpr {
    let ty = match name.trim_end_matches('2') {
        "flag" => Type::Boolean,
        "id" | "few" => Type::Integer,
        "money" => Type::decimal(12, 2),
        "ratio" => Type::Float,
        "name" | "digits" => Type::String,
        "day" => Type::Date,
        "at" => Type::Timestamp,
        other => panic!("no column {other}"),
    };
    Expr::leaf(ColumnRef { relation: "s".to_owned(), column: name.to_owned() }, ty)
}

pub fn int(n: i64) -> RelExpr {
    Expr::literal(Literal::Integer(n))
}

pub fn text(s: &str) -> RelExpr {
    Expr::literal(Literal::String(s.to_owned()))
}

pub fn sample() -> From {
    From { relation: Relation::Table(TableName::parse("sample").unwrap()), alias: "s".to_owned() }
}

pub fn query(select: Select) -> Query {
    Query { ctes: Vec::new(), body: Body::Select(Box::new(select)) }
}

/// `SELECT expr AS "x" FROM "sample" AS "s"`.
pub fn statement(dialect: &Dialect, expr: &RelExpr) -> Result<String, PrintError> {
    let columns = vec![OutputColumn { name: "x".to_owned(), expr: expr.clone() }];
    print(dialect, &Statement::Query(query(Select::new(sample(), columns))))
}

/// The expression alone.
pub fn expression(dialect: &Dialect, expr: &RelExpr) -> Result<String, PrintError> {
    let sql = statement(dialect, expr)?;
    let [x, sample, s] = ["x", "sample", "s"].map(|name| dialect.quote_identifier(name).unwrap());
    let sql = sql.strip_prefix("SELECT\n  ").and_then(|sql| sql.split_once(&format!("\nFROM {sample} AS {s}")));
    let (sql, more) = sql.unwrap();
    let sql = sql.strip_suffix(&format!(" AS {x}")).unwrap_or(sql);
    // What the expression asks of FROM.
    Ok(if more.is_empty() { sql.to_owned() } else { format!("{sql} FROM s {}", more.trim()) })
}

/// Dialects whose backslash escapes (ClickHouse: whose FILTER) the parser does not read as their engines do: only the
/// engines can judge them.
pub const OTHER_ESCAPES: [&str; 3] = ["bigquery", "clickhouse", "databricks"];

/// The parser that stands for each embedded dialect. It accepts much that the engine does not: it finds what is no
/// SQL at all.
pub fn parsers() -> Vec<(&'static str, Box<dyn sqlparser::dialect::Dialect>)> {
    let parser = |name: &str| -> Box<dyn sqlparser::dialect::Dialect> {
        match name {
            "datafusion" => Box::new(GenericDialect {}),
            other => dialect_from_str(other).unwrap_or_else(|| panic!("no parser for {other}")),
        }
    };
    let read = |name: &&str| !OTHER_ESCAPES.contains(name);
    Dialect::names().into_iter().filter(read).map(|name| (name, parser(name))).collect()
}

pub fn parse(
    dialect: &dyn sqlparser::dialect::Dialect,
    sql: &str,
) -> Result<Vec<sqlparser::ast::Statement>, ParserError> {
    Parser::parse_sql(dialect, sql)
}
