//! The SQL of each case, for each dialect, as a file to read in a review.
//!
//! A case is a folder of `tests/golden` with a project; `UPDATE_EXPECT=1` writes the files anew.

use expect_test::expect_file;
use springline_tests::{root, springline};
use sqlparser::dialect::{Dialect, GenericDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;

#[test]
fn every_case_compiles_to_the_sql_on_file() {
    let cases = root().join("tests/golden");
    let mut count = 0;
    for entry in std::fs::read_dir(&cases).expect("there are cases") {
        let dir = entry.expect("a case").path();
        for dialect in ["datafusion", "postgres"] {
            let call = ["--as-of", "2024-06-30T00:00:00Z", "compile", "--all", "--dialect", dialect];
            let output = springline(&dir, &call).run().exits(0);
            expect_file![dir.join(format!("{dialect}.sql"))].assert_eq(&output.stdout);
            parses(dialect, &output.stdout);
        }
        count += 1;
    }
    assert!(count >= 4, "{count} cases");
}

/// The printed SQL is SQL for a parser that is not ours.
fn parses(dialect: &str, sql: &str) {
    let parser: &dyn Dialect = if dialect == "postgres" { &PostgreSqlDialect {} } else { &GenericDialect {} };
    Parser::parse_sql(parser, sql).unwrap_or_else(|e| panic!("{dialect}: {e}\n{sql}"));
}
