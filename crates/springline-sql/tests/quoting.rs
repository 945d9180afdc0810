//! Nasty names and values come back from the printed SQL as they went in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;

use proptest::prelude::*;
use springline_ir::{ColumnRef, Expr, Literal, OutputColumn, Select, Statement, Type};
use springline_sql::{Dialect, print};
use sqlparser::ast::{Expr as Ast, SelectItem, SetExpr, Statement as Parsed, UnaryOperator, Value};

/// The columns of `SELECT ...` as the parser reads them back: expression and alias.
fn read_back(name: &str, columns: Vec<OutputColumn>) -> Vec<(Ast, Option<String>)> {
    static DIALECTS: LazyLock<Vec<Dialect>> =
        LazyLock::new(|| Dialect::names().into_iter().map(|name| Dialect::embedded(name).unwrap()).collect());
    let dialect = DIALECTS.iter().find(|dialect| dialect.name() == name).unwrap();
    let statement = Statement::Query(common::query(Select::new(common::sample(), columns)));
    let sql = print(dialect, &statement).unwrap();
    let parsers = common::parsers();
    let (_, parser) = parsers.iter().find(|(n, _)| *n == name).unwrap();
    let parsed = common::parse(parser.as_ref(), &sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let [Parsed::Query(query)] = parsed.as_slice() else { panic!("not one query: {sql}") };
    let SetExpr::Select(select) = query.body.as_ref() else { panic!("not a select: {sql}") };
    assert_eq!(select.from.len(), 1, "{sql}");
    let items = select.projection.iter().map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), Some(alias.value.clone())),
        SelectItem::UnnamedExpr(expr) => (expr.clone(), None),
        other => panic!("unexpected {other}"),
    });
    items.collect()
}

fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("--".to_owned()),
        Just("/*".to_owned()),
        Just("; DROP TABLE x".to_owned()),
        Just("{{ a }}{% x %}".to_owned()),
        Just("$$%_`[]\r\n\t".to_owned()),
        Just("\u{E000}0\u{E001}é\u{202E}🦀".to_owned()),
        "[^\\x00]{1,4}",
    ];
    // At most 63 bytes, so that the same names go through both dialects.
    prop::collection::vec(pieces, 1..6).prop_map(|parts| {
        let mut text = parts.concat();
        while text.len() > 63 {
            text.pop();
        }
        text
    })
}

fn number(ast: &Ast) -> String {
    match ast {
        Ast::UnaryOp { op: UnaryOperator::Minus, expr } => format!("-{}", number(expr)),
        Ast::Nested(expr) | Ast::Cast { expr, .. } => number(expr),
        Ast::Value(value) => match &value.value {
            Value::Number(text, _) | Value::SingleQuotedString(text) => text.clone(),
            other => panic!("not a number: {other}"),
        },
        other => panic!("not a number: {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_survive(relation in nasty(), column in nasty(), alias in nasty()) {
        for (name, _) in common::parsers() {
            let leaf = ColumnRef { relation: relation.clone(), column: column.clone() };
            let columns = vec![OutputColumn { name: alias.clone(), expr: Expr::leaf(leaf, Type::String) }];
            let items = read_back(name, columns);
            let [(Ast::CompoundIdentifier(parts), read_alias)] = items.as_slice() else { panic!("{items:?}") };
            prop_assert_eq!(&parts[0].value, &relation);
            prop_assert_eq!(&parts[1].value, &column);
            prop_assert_eq!(read_alias.as_ref().unwrap_or(&column), &alias);
        }
    }

    #[test]
    fn texts_survive(value in nasty()) {
        for (name, _) in common::parsers() {
            let expr = Expr::literal(Literal::String(value.clone()));
            let items = read_back(name, vec![OutputColumn { name: "x".to_owned(), expr }]);
            let (Ast::Value(read), Some(_)) = &items[0] else { panic!("{items:?}") };
            prop_assert_eq!(&read.value, &Value::SingleQuotedString(value.clone()));
        }
    }

    #[test]
    fn numbers_survive(float in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, integer: i64, unscaled in -(10i128.pow(38) - 1)..10i128.pow(38), scale in 0u8..=38) {
        for (name, _) in common::parsers() {
            let columns = [Literal::Float(float), Literal::Integer(integer), Literal::Decimal { unscaled, scale }]
                .map(|literal| OutputColumn { name: "x".to_owned(), expr: Expr::literal(literal) });
            let items = read_back(name, columns.to_vec());
            prop_assert_eq!(number(&items[0].0).parse::<f64>().unwrap().to_bits(), float.to_bits());
            prop_assert_eq!(number(&items[1].0).parse::<i64>().unwrap(), integer);
            let text = number(&items[2].0);
            let read: i128 = text.replace('.', "").parse().unwrap();
            prop_assert_eq!(read, unscaled);
            prop_assert_eq!(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()), usize::from(scale));
        }
    }
}
