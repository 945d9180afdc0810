//! What Spark makes of what the dialect `databricks` prints: its parser reads the statements, its analyzer, which knows
//! every function's arguments and their types, the functions; a MERGE is executed on sail, which has Delta tables.
//! `SPRINGLINE_TEST_DATABRICKS` names the server of tests/servers/databricks, `SPRINGLINE_TEST_SAIL` a Python with sail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

const STATEMENTS: &str = include_str!("golden/statements.databricks.sql");
const FUNCTIONS: &str = include_str!("golden/functions.databricks.txt");

/// The columns of the goldens, each twice.
const COLUMNS: [(&str, &str); 9] = [
    ("flag", "BOOLEAN"),
    ("id", "BIGINT"),
    ("few", "BIGINT"),
    ("money", "DECIMAL(12, 2)"),
    ("ratio", "DOUBLE"),
    ("name", "STRING"),
    ("digits", "STRING"),
    ("day", "DATE"),
    ("at", "TIMESTAMP"),
];

fn given(variable: &str) -> Option<String> {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default().contains("databricks");
    let value = std::env::var(variable).ok();
    assert!(value.is_some() || !required, "databricks is required but {variable} is not set");
    if value.is_none() {
        println!("skipped: databricks ({variable} is not set)");
    }
    value
}

/// What the server's reader has against a text; empty where it takes it.
fn refusal(host: &str, path: &str, sql: &str) -> String {
    let address = host.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).expect("the server is there");
    let length = sql.len();
    let head =
        format!("POST /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all(format!("{head}{sql}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    if answer.starts_with("HTTP/1.1 200 ") { String::new() } else { format!("{answer}\n{sql}\n") }
}

#[test]
fn statements_are_parsed() {
    let Some(host) = given("SPRINGLINE_TEST_DATABRICKS") else { return };
    assert!(refusal(&host, "parse", "SELEC 1").contains("PARSE_SYNTAX_ERROR"), "nonsense is refused");
    let statements: Vec<&str> = STATEMENTS.split("-- ==== ").skip(1).collect();
    assert!(statements.len() >= 9, "{}", statements.len());
    for statement in statements {
        let (name, sql) = statement.split_once('\n').expect("a name, then a statement");
        if sql.starts_with("-- error: ") {
            assert_eq!(name, "analyze", "the one statement that a dialect of Spark does without");
            continue;
        }
        assert_eq!(refusal(&host, "parse", sql), "");
    }
}

#[test]
fn functions_are_analyzed() {
    let Some(host) = given("SPRINGLINE_TEST_DATABRICKS") else { return };
    let columns = COLUMNS.map(|(name, ty)| format!("CAST(NULL AS {ty}) AS `{name}`, CAST(NULL AS {ty}) AS `{name}2`"));
    let select = |expr: &str| format!("SELECT {expr} AS `x` FROM (SELECT {}) AS `s`", columns.join(", "));
    assert!(refusal(&host, "analyze", &select("SUM(`s`.`flag`)")).contains("DATATYPE_MISMATCH"), "types are looked at");
    let printed = FUNCTIONS.lines().filter_map(|line| line.split_once(" => "));
    let printed: Vec<&str> = printed.map(|(_, sql)| sql).filter(|sql| !sql.starts_with("!! ")).collect();
    assert!(printed.len() > 400, "{}", printed.len());
    let refused: String =
        printed.iter().map(|sql| refusal(&host, "analyze", &select(&sql.replace('⏎', "\n")))).collect();
    assert_eq!(refused, "");
}

#[test]
fn merges_are_executed() {
    let Some(python) = given("SPRINGLINE_TEST_SAIL") else { return };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = here.join("../../tests/servers/databricks/merge.py");
    let output = Command::new(python).arg(script).arg(here.join("tests/golden/statements.databricks.sql")).output();
    let output = output.expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.ends_with("rows as expected")).count(), 2, "{said}");
}
