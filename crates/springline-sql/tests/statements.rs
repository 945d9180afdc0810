//! Whole statements, as each dialect writes them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write;

use common::{column, int, sample, text};
use expect_test::expect_file;
use springline_ir::{
    Aggregate, Body, ColumnDef, ColumnRef, Cte, Expr, ExprKind, From, FunctionId, Join, JoinKind, Literal, Merge,
    OrderBy, OutputColumn, Query, RelExpr, Relation, Select, Statement, TableName, Type,
};
use springline_sql::{Dialect, PrintError, print};

type F = FunctionId;

fn leaf(relation: &str, name: &str, ty: Type) -> RelExpr {
    Expr::leaf(ColumnRef { relation: relation.to_owned(), column: name.to_owned() }, ty)
}

fn output(name: &str, expr: RelExpr) -> OutputColumn {
    OutputColumn { name: name.to_owned(), expr }
}

fn cte(name: &str, alias: &str) -> From {
    From { relation: Relation::Cte(name.to_owned()), alias: alias.to_owned() }
}

fn key(relation: &str) -> RelExpr {
    leaf(relation, "customer_id", Type::String)
}

fn instant(text: &str) -> RelExpr {
    Expr::literal(Literal::Timestamp(text.parse().unwrap()))
}

/// The orders of each customer, gathered by conditional aggregates in one scan.
fn orders(latest: F) -> Cte {
    let at = || leaf("o", "ordered_at", Type::Timestamp);
    let channel = || leaf("o", "channel", Type::String);
    let aggregate = |function: F, args: Vec<RelExpr>, filter: Option<RelExpr>, ty: Type| {
        let order_by = if function == F::LAST { vec![OrderBy { expr: at(), descending: false }] } else { vec![] };
        Expr { kind: ExprKind::Aggregate(Box::new(Aggregate { function, args, filter, order_by })), ty }
    };
    let amount = leaf("o", "amount", Type::decimal(12, 2));
    let recent = Expr::compare(F::GE, at(), instant("2024-04-01T00:00:00Z"));
    let web = Expr::compare(F::EQ, channel(), text("web"));
    let from = From { relation: Relation::Table(TableName::parse("shop.orders").unwrap()), alias: "o".to_owned() };
    let mut select = Select::new(
        from,
        vec![
            output("customer_id", key("o")),
            output("lifetime_value", aggregate(F::SUM, vec![amount], None, Type::decimal(38, 2))),
            output("orders_90d", aggregate(F::COUNT, vec![], Some(recent.clone()), Type::Integer)),
            output("last_channel", aggregate(latest, vec![channel()], None, Type::String)),
            output("web_buyer", aggregate(F::EXISTS, vec![], Expr::all([recent, web]), Type::Boolean)),
        ],
    );
    select.filter = Expr::all([
        Expr::compare(F::LT, at(), instant("2024-06-30T00:00:00Z")),
        Expr::any([
            Expr::compare(F::NE, channel(), text("test")),
            Expr::call(F::IS_NULL, vec![channel()], Type::Boolean),
        ])
        .unwrap(),
        Expr::call(F::IS_NOT_NULL, vec![key("o")], Type::Boolean),
    ]);
    select.group_by = vec![key("o")];
    select.having = Some(Expr::compare(F::GT, aggregate(F::COUNT, vec![], None, Type::Integer), int(0)));
    let comment = Some("models/customer.yaml:12\nfields\u{2028}of purchase".to_owned());
    Cte { name: "orders".to_owned(), comment, body: Body::Select(Box::new(select)) }
}

fn segment(latest: F) -> Query {
    let from = From { relation: Relation::Table(TableName::parse("crm.customers").unwrap()), alias: "c".to_owned() };
    let value = leaf("orders", "lifetime_value", Type::decimal(38, 2));
    let city = || leaf("c", "city", Type::String);
    let mut select = Select::new(
        from,
        vec![
            output("customer_id", key("c")),
            output("lifetime_value", value.clone().or_else(Expr::literal(Literal::Decimal { unscaled: 0, scale: 2 }))),
        ],
    );
    select.joins = vec![Join {
        kind: JoinKind::Left,
        from: cte("orders", "orders"),
        on: Expr::compare(F::EQ, key("orders"), key("c")),
    }];
    select.filter = Expr::all([
        Expr::compare(F::GE, value.clone(), Expr::literal(Literal::Decimal { unscaled: 50000, scale: 2 })),
        Expr::compare(F::NE, Expr::call(F::UPPER, vec![city()], Type::String), text("TEST")),
    ]);
    select.order_by = vec![
        OrderBy { expr: value, descending: true },
        OrderBy { expr: int(1), descending: false },
        OrderBy { expr: city(), descending: false },
    ];
    select.limit = Some(100);
    Query { ctes: vec![orders(latest)], body: Body::Select(Box::new(select)) }
}

/// What differs between two tables: a full join in a step, then a union.
fn difference() -> Query {
    let mut joined = Select::new(
        cte("wanted", "w"),
        vec![
            output("customer_id", key("w").or_else(key("l"))),
            output("before", leaf("l", "hash", Type::String)),
            output("after", leaf("w", "hash", Type::String)),
        ],
    );
    joined.joins = vec![
        Join { kind: JoinKind::Full, from: cte("ledger", "l"), on: Expr::compare(F::EQ, key("w"), key("l")) },
        Join { kind: JoinKind::Inner, from: sample(), on: Expr::literal(Literal::Boolean(true)) },
    ];
    let stored = |name: &str| {
        let table = TableName { parts: vec!["lake".to_owned(), "springline".to_owned(), name.to_owned()] };
        let mut select = Select::new(
            From { relation: Relation::Table(table), alias: "t".to_owned() },
            vec![output("customer_id", key("t")), output("hash", leaf("t", "hash", Type::String))],
        );
        select.distinct = true;
        Cte { name: name.to_owned(), comment: None, body: Body::Select(Box::new(select)) }
    };
    let joined = Cte { name: "joined".to_owned(), comment: None, body: Body::Select(Box::new(joined)) };
    let kind = |op: &str, test: F, side: &str| {
        let mut select = Select::new(cte("joined", "j"), vec![output("op", text(op)), output("customer_id", key("j"))]);
        select.filter = Some(Expr::call(test, vec![leaf("j", side, Type::String)], Type::Boolean));
        select
    };
    let mut last = kind("removed", F::IS_NULL, "after");
    last.limit = Some(5);
    last.group_by = vec![key("j"), int(1)];
    Query {
        ctes: vec![stored("wanted"), stored("ledger"), joined],
        body: Body::UnionAll(vec![kind("added", F::IS_NULL, "before"), last]),
    }
}

/// A condition over the columns of the one table that a statement is about.
fn ended_before() -> springline_ir::RelExpr {
    let at = Literal::Timestamp("2024-06-30T00:00:00Z".parse().unwrap());
    let ended = Expr::compare(F::LT, leaf("", "ended_at", Type::Timestamp), Expr::literal(at));
    let ours = Expr::compare(F::EQ, leaf("", "segment", Type::String), text("lapsing"));
    Expr::call(F::AND, vec![ours, ended], Type::Boolean)
}

fn statements(dialect: &Dialect) -> Vec<(&'static str, Statement)> {
    // A plan asks for no aggregate with an order where there is none.
    let latest = if dialect.capabilities().ordered { F::LAST } else { F::MAX };
    let table = TableName::in_schema("springline", "membership");
    let def = |name: &str, ty: Type| ColumnDef { name: name.to_owned(), ty };
    let columns = vec![
        def("segment", Type::String),
        def("value", Type::decimal(38, 2)),
        def("tags", Type::Array(Box::new(Type::String))),
        def("entered_at", Type::Timestamp),
    ];
    let merge = Merge {
        table: table.clone(),
        key: vec!["segment".to_owned(), "customer_id".to_owned()],
        columns: vec!["segment".to_owned(), "customer_id".to_owned(), "hash".to_owned()],
        source: TableName::in_schema("springline", "changes"),
        delete: "delete".to_owned(),
    };
    let only_keys = Merge { columns: merge.key.clone(), ..merge.clone() };
    vec![
        ("segment", Statement::Query(segment(latest))),
        ("difference", Statement::Query(difference())),
        ("create schema", Statement::CreateSchema { schema: "springline".to_owned() }),
        ("create table", Statement::CreateTable { table: table.clone(), columns }),
        ("replace table", Statement::ReplaceTable { table: table.clone(), query: segment(latest) }),
        (
            "append",
            Statement::Append {
                table: table.clone(),
                columns: vec!["op".to_owned(), "customer_id".to_owned()],
                query: difference(),
            },
        ),
        ("merge", Statement::Merge(merge)),
        ("merge of keys only", Statement::Merge(only_keys)),
        ("delete", Statement::Delete { table: table.clone(), filter: ended_before() }),
        ("add column", Statement::AddColumn { table: table.clone(), column: def("score", Type::decimal(12, 2)) }),
        ("analyze", Statement::Analyze { table: table.clone() }),
        ("drop table", Statement::DropTable { table }),
    ]
}

fn page(name: &str) -> String {
    let dialect = Dialect::embedded(name).unwrap_or_else(|error| panic!("{error}"));
    let mut page = String::new();
    for (label, statement) in statements(&dialect) {
        let text = print(&dialect, &statement).unwrap_or_else(|error| format!("-- error: {error}"));
        writeln!(page, "-- ==== {label}\n{text}\n").unwrap();
    }
    page
}

#[test]
fn statements_in_every_dialect() {
    for name in Dialect::names() {
        expect_file![format!("golden/statements.{name}.sql")].assert_eq(&page(name));
    }
}

#[test]
fn every_statement_parses_in_its_dialect() {
    for (name, parser) in common::parsers() {
        let dialect = Dialect::embedded(name).unwrap();
        for (label, statement) in statements(&dialect) {
            match print(&dialect, &statement) {
                Ok(sql) => {
                    common::parse(parser.as_ref(), &sql)
                        .unwrap_or_else(|error| panic!("{name} {label}: {error}\n{sql}"));
                }
                Err(error) => {
                    let optional = matches!(
                        statement,
                        Statement::Merge(_)
                            | Statement::Delete { .. }
                            | Statement::AddColumn { .. }
                            | Statement::Analyze { .. }
                    );
                    assert!(optional, "{name} {label}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_capability_is_the_presence_of_the_template() {
    assert!(Dialect::embedded("postgres").unwrap().capabilities().merge);
    let datafusion = Dialect::embedded("datafusion").unwrap();
    assert!(!datafusion.capabilities().merge);
    let merge = statements(&datafusion).into_iter().find(|(label, _)| *label == "merge").unwrap().1;
    assert_eq!(
        print(&datafusion, &merge).unwrap_err().to_string(),
        "the dialect `datafusion` has no template `merge.sql.j2`"
    );
}

#[test]
fn a_name_that_postgres_would_cut_is_refused() {
    let postgres = Dialect::embedded("postgres").unwrap();
    let name = "é".repeat(32);
    let error = postgres.quote_identifier(&name).unwrap_err();
    assert!(matches!(error, PrintError::IdentifierTooLong { bytes: 64, max_bytes: 63, .. }), "{error}");
    assert!(Dialect::embedded("datafusion").unwrap().quote_identifier(&name).is_ok());
    // The table that is filled before the swap has a longer name.
    let table = TableName::in_schema("springline", &"t".repeat(60));
    let error = print(&postgres, &Statement::ReplaceTable { table, query: segment(F::LAST) }).unwrap_err();
    assert!(error.to_string().contains("is 65 bytes long"), "{error}");
}

#[test]
fn a_character_that_postgres_cannot_hold_is_refused_without_showing_the_text() {
    let postgres = Dialect::embedded("postgres").unwrap();
    let error = common::expression(&postgres, &text("secret\0")).unwrap_err();
    assert_eq!(error.to_string(), "a text holds the character U+0000, which the dialect `postgres` cannot hold");
}

#[test]
fn long_chains_are_flat_and_deep_nesting_is_an_error() {
    let dialect = Dialect::embedded("postgres").unwrap();
    let many = Expr::any((0..2_000).map(|n| Expr::compare(F::EQ, column("id"), int(n)))).unwrap();
    let sql = common::expression(&dialect, &many).unwrap();
    assert_eq!(sql.matches(" OR ").count(), 1_999);
    assert!(!sql.contains('('));
    let deep = (0..1_000).fold(column("id"), |e, _| Expr::call(F::ABS, vec![e], Type::Integer));
    assert!(matches!(common::expression(&dialect, &deep), Err(PrintError::TooDeep { .. })));
}

#[test]
fn what_may_not_be_empty_is_an_error() {
    let dialect = Dialect::embedded("datafusion").unwrap();
    let none = Statement::Query(common::query(Select::new(sample(), vec![])));
    assert_eq!(print(&dialect, &none), Err(PrintError::Empty("the list of columns")));
    let union = Statement::Query(Query { ctes: vec![], body: Body::UnionAll(vec![]) });
    assert_eq!(print(&dialect, &union), Err(PrintError::Empty("a union")));
    let nameless = Statement::DropTable { table: TableName { parts: vec![] } };
    assert_eq!(print(&dialect, &nameless), Err(PrintError::Empty("the name of a table")));
    let early = Expr::literal(Literal::Date("-000001-01-01".parse().unwrap()));
    assert_eq!(common::expression(&dialect, &early), Err(PrintError::Year { year: -1 }));
}
