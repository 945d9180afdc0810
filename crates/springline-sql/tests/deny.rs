//! A dialect folder may say what its engine lacks (`deny.yaml`): functions, types, clauses. Nothing that is printed uses
//! them. It answers for an engine that the tests cannot start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sqlparser::ast::{
    Array, DataType, Distinct, Expr, FunctionArgumentClause, FunctionArguments, Insert, Query, SetExpr, Statement,
    TableFactor, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    functions: Vec<Names>,
    types: Vec<Names>,
    clauses: Vec<Names>,
}

/// Names, and the page of the vendor that says so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    page: String,
    names: Vec<String>,
}

/// The clauses that this test can find.
const CLAUSES: [&str; 13] = [
    "array constructor",
    "subscript",
    "row constructor",
    "values as a table",
    "collate",
    "is distinct from",
    "filter",
    "order in an aggregate",
    "distinct on",
    "lateral",
    "condition of a merge",
    "create or replace table",
    "returning",
];

/// What a statement uses.
#[derive(Default)]
struct Used {
    functions: BTreeSet<String>,
    types: BTreeSet<String>,
    clauses: BTreeSet<&'static str>,
}

impl Used {
    fn function(&mut self, name: &str) {
        self.functions.insert(name.to_lowercase());
    }

    fn ty(&mut self, ty: &DataType) {
        let name = ty.to_string().to_lowercase();
        let name = if matches!(ty, DataType::Array(_)) { "array" } else { name.split('(').next().unwrap_or(&name) };
        self.types.insert(name.trim().to_owned());
    }

    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => {
                if matches!(select.distinct, Some(Distinct::On(_))) {
                    self.clauses.insert("distinct on");
                }
                let relations = select.from.iter().flat_map(|from| {
                    std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
                });
                for relation in relations {
                    match relation {
                        TableFactor::Derived { lateral, subquery, .. } => {
                            if *lateral {
                                self.clauses.insert("lateral");
                            }
                            if matches!(*subquery.body, SetExpr::Values(_)) {
                                self.clauses.insert("values as a table");
                            }
                        }
                        TableFactor::UNNEST { .. } => self.function("unnest"),
                        TableFactor::Table { name, args: Some(_), .. } => self.function(&name.to_string()),
                        _ => {}
                    }
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }
}

impl Visitor for Used {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.body(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Merge(merge) if merge.clauses.iter().any(|clause| clause.predicate.is_some()) => {
                self.clauses.insert("condition of a merge");
            }
            Statement::CreateTable(table) => {
                if table.or_replace {
                    self.clauses.insert("create or replace table");
                }
                table.columns.iter().for_each(|column| self.ty(&column.data_type));
            }
            Statement::Insert(Insert { returning: Some(_), .. }) => {
                self.clauses.insert("returning");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => {
                let name = function.name.0.last().map(ToString::to_string).unwrap_or_default();
                self.function(name.trim_matches('"'));
                if function.filter.is_some() {
                    self.clauses.insert("filter");
                }
                if let FunctionArguments::List(list) = &function.args
                    && list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)))
                {
                    self.clauses.insert("order in an aggregate");
                }
            }
            // Those that the parser gives a form of their own.
            Expr::Substring { shorthand: true, .. } => self.function("substr"),
            Expr::Overlay { .. } => self.function("overlay"),
            Expr::Cast { data_type, .. } => self.ty(data_type),
            Expr::TypedString(typed) => self.ty(&typed.data_type),
            Expr::Array(Array { .. }) => drop(self.clauses.insert("array constructor")),
            Expr::CompoundFieldAccess { .. } => drop(self.clauses.insert("subscript")),
            Expr::Tuple(_) => drop(self.clauses.insert("row constructor")),
            Expr::Collate { .. } => drop(self.clauses.insert("collate")),
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => drop(self.clauses.insert("is distinct from")),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What of the list a text of SQL uses, with its page.
fn denied(deny: &Deny, sql: &str) -> Vec<String> {
    let statements = Parser::parse_sql(&PARSER, sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let mut used = Used::default();
    let _: ControlFlow<()> = statements.visit(&mut used);
    let found = |lists: &[Names], is_used: &dyn Fn(&str) -> bool| -> Vec<String> {
        let names = lists.iter().flat_map(|list| list.names.iter().map(move |name| (name, &list.page)));
        names.filter(|(name, _)| is_used(name)).map(|(name, page)| format!("{name}: {page}")).collect()
    };
    let mut all = found(&deny.functions, &|name| used.functions.contains(name));
    all.extend(found(&deny.types, &|name| used.types.contains(name)));
    all.extend(found(&deny.clauses, &|name| used.clauses.contains(name)));
    all
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The dialects with a list.
fn lists() -> Vec<(&'static str, Deny)> {
    let read = |name: &'static str| {
        let text = std::fs::read_to_string(folder("../../dialects").join(name).join("deny.yaml")).ok()?;
        Some((name, serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))))
    };
    springline_sql::Dialect::names().into_iter().filter_map(read).collect()
}

/// It reads what is denied too, which that of the engine itself may not.
const PARSER: PostgreSqlDialect = PostgreSqlDialect {};

/// What is printed: every function and every statement of the golden files, each as one text.
fn printed(name: &str) -> Vec<String> {
    let read = |file: String| std::fs::read_to_string(folder("tests/golden").join(file)).expect("a golden file");
    let functions = read(format!("functions.{name}.txt"));
    let functions = functions.lines().filter_map(|line| line.split_once(" => "));
    let functions = functions.filter(|(_, sql)| !sql.starts_with("!!"));
    let functions = functions.map(|(_, sql)| format!("SELECT {}", sql.replace('⏎', "\n")));
    let statements = read(format!("statements.{name}.sql"));
    let statements = statements.split("-- ==== ").filter_map(|part| part.split_once('\n'));
    let statements = statements.map(|(_, sql)| sql.trim().to_owned()).filter(|sql| !sql.starts_with("-- error"));
    functions.chain(statements).collect()
}

#[test]
fn nothing_that_is_printed_is_on_the_deny_list() {
    let lists = lists();
    assert!(!lists.is_empty());
    for (name, deny) in &lists {
        let printed = printed(name);
        assert!(printed.len() > 200, "{name}: {}", printed.len());
        for sql in printed {
            assert_eq!(denied(deny, &sql), Vec::<String>::new(), "{name}: {sql}");
        }
    }
}

#[test]
fn every_entry_has_a_page_and_every_clause_is_known() {
    for (name, deny) in lists() {
        for list in deny.functions.iter().chain(&deny.types).chain(&deny.clauses) {
            assert!(list.page.starts_with("https://") && !list.names.is_empty(), "{name}: {}", list.page);
        }
        for clause in deny.clauses.iter().flat_map(|list| &list.names) {
            assert!(CLAUSES.contains(&clause.as_str()), "{name}: `{clause}` is not looked for");
        }
    }
}

#[test]
fn what_is_on_the_list_is_found() {
    let (_, deny) = lists().into_iter().find(|(name, _)| *name == "redshift").expect("its list");
    for (sql, expected) in [
        ("SELECT ARRAY_AGG(a) FROM t", "array_agg"),
        ("SELECT SUBSTR(a, 1, 2) FROM t", "substr"),
        ("WITH s AS (SELECT (SELECT now()) AS x) SELECT * FROM s", "now"),
        ("SELECT * FROM generate_series(1, 2) AS g", "generate_series"),
        ("SELECT CAST(a AS JSONB) FROM t", "jsonb"),
        ("CREATE TABLE t (a UUID)", "uuid"),
        ("SELECT a[1] FROM t", "subscript"),
        ("SELECT ARRAY[1, 2]", "array constructor"),
        ("SELECT COUNT(*) FILTER (WHERE a) FROM t", "filter"),
        ("SELECT LISTAGG(a, ',' ORDER BY b) FROM t", "order in an aggregate"),
        ("SELECT a COLLATE \"C\" FROM t", "collate"),
        ("SELECT a IS DISTINCT FROM b FROM t", "is distinct from"),
        ("SELECT DISTINCT ON (a) a, b FROM t", "distinct on"),
        ("SELECT * FROM (VALUES (1)) AS v", "values as a table"),
        ("SELECT * FROM t, LATERAL (SELECT 1) AS l", "lateral"),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.d THEN DELETE", "condition of a merge"),
        ("CREATE OR REPLACE TABLE t (a INT)", "create or replace table"),
        ("INSERT INTO t (a) VALUES (1) RETURNING a", "returning"),
    ] {
        let found = denied(&deny, sql);
        assert!(found.iter().any(|entry| entry.starts_with(&format!("{expected}: https://"))), "{sql}: {found:?}");
    }
    assert_eq!(denied(&deny, "SELECT SUBSTRING(a, 1, 2), a IN (1, 2) FROM t"), Vec::<String>::new());
}
