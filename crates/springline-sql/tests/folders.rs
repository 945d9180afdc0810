//! A dialect folder that does not answer for everything is refused, and says all that is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use expect_test::{Expect, expect};
use springline_ir::{FunctionId, Statement, TableName};
use springline_sql::{Dialect, Files, print};

/// A project's folder `mine` with this `dialect.yaml` and these further files.
fn load(yaml: &str, files: &[(&str, &str)]) -> Result<Dialect, String> {
    let mut all: Files = vec![("dialect.yaml".to_owned(), yaml.to_owned())];
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    Dialect::load("mine", &|name| (name == "mine").then(|| all.clone())).map_err(|error| error.to_string())
}

fn refused(yaml: &str, files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&load(yaml, files).err().unwrap_or_else(|| "accepted".to_owned()));
}

#[test]
fn the_embedded_folders_are_complete() {
    assert_eq!(Dialect::names(), ["datafusion", "postgres"]);
    for name in Dialect::names() {
        let dialect = Dialect::embedded(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(dialect.name(), name);
        assert!(FunctionId::all().all(|function| dialect.unsupported(function).is_none()));
    }
}

#[test]
fn a_child_says_only_what_differs() {
    let yaml = "name: mine\nextends: postgres\nfunctions:\n  most_frequent: { unsupported: it has no MODE }\n";
    let dialect = load(yaml, &[("templates/drop_table.sql.j2", "DROP {{ table }}\n")]).unwrap();
    assert_eq!(dialect.unsupported(FunctionId::MOST_FREQUENT), Some("it has no MODE"));
    assert_eq!(dialect.unsupported(FunctionId::LOWER), None);
    let drop = Statement::DropTable { table: TableName::in_schema("a", "b") };
    assert_eq!(print(&dialect, &drop).as_deref(), Ok("DROP \"a\".\"b\""));
    assert!(dialect.capabilities().merge);
}

#[test]
fn an_unknown_dialect_is_refused() {
    expect![[r#"
        the dialect `postgrs` cannot be used
          there is no dialect folder `postgrs`; built in: datafusion, postgres"#]]
    .assert_eq(&Dialect::embedded("postgrs").unwrap_err().to_string());
    assert!(Dialect::embedded("postgres/templates").is_err());
    assert!(Dialect::embedded("").is_err());
}

#[test]
fn everything_wrong_is_reported_together() {
    refused(
        r#"
name: mine
extends: datafusion
identifiers: { quote: '"', escapes: {} }
types: { money: MONEY, integer: "INT{{ size }}" }
order_by: { sideways: "{{ a }}" }
functions:
  lowr: LOWER({{ a }})
  lower: LOWER({{ a }}, {{ locale }})
  upper: UPPER({{ a }
  add: "{{ a }} + {{ b }}"
  sum: SUM({{ a }})
  md5: { unsupported: "" }
  sha256: { binds: primary }
  min: { sql: "MIN({{ a }}){{ suffix }}", overloads: [{ types: [string], sql: "MIN({{ x }}){{ suffix }}" }] }
"#,
        &[("templates/merge.sql.j2", "MERGE {{ target }}")],
        expect![[r#"
            the dialect `mine` cannot be used
              functions.lowr: there is no such function
              functions.add: begins or ends with an operand, so it needs `binds:` (or `| atom`)
              functions.lower: uses the unknown variable `locale`; known here: a, b, c, d, a_type, b_type, c_type, d_type, a_scale, args, rest, any_null, type
              functions.upper: unexpected `}`, expected end of variable block (line 1)
              functions.sha256: needs exactly one of `sql` and `unsupported`
              functions.md5: `unsupported` needs a reason
              functions.sum: has no `{{ suffix }}`, so a filter on its rows would be lost
              functions.min.overloads[0]: uses the unknown variable `x`; known here: a, b, c, d, a_type, b_type, c_type, d_type, a_scale, args, rest, any_null, type, suffix, order_by, reverse_order_by
              types.money: unknown; known here: array, boolean, date, decimal, float, integer, json, string, timestamp
              types.integer: uses the unknown variable `size`; known here: scale, precision, item
              order_by.sideways: unknown; known here: ascending, descending
              identifiers: `escapes` says nothing about the quote " itself
              templates/merge.sql.j2: uses the unknown variable `target`; known here: table, source, key, columns, updates, delete"#]],
    );
}

#[test]
fn a_folder_without_a_parent_answers_for_every_function() {
    let error = load("name: mine\nfunctions: { lower: 'LOWER({{ a }})' }\n", &[]).unwrap_err();
    for part in [
        "functions: neither mapped, inherited nor `unsupported`: eq, ne,",
        "types.boolean: is missing",
        "cast is missing",
        "strings: is missing",
        "templates/append.sql.j2 is missing",
    ] {
        assert!(error.contains(part), "{part}\n{error}");
    }
    assert!(!error.contains("lower,"), "{error}");
}

#[test]
fn the_shape_of_a_folder_is_checked() {
    refused(
        "name: other\n",
        &[],
        expect![[r#"
        the dialect `mine` cannot be used
          mine/dialect.yaml: `name` is `other`, the folder is `mine`"#]],
    );
    refused(
        "name: mine\nextends: mine\n",
        &[],
        expect![[r#"
        the dialect `mine` cannot be used
          `extends` is a cycle, or longer than 8 dialects"#]],
    );
    refused(
        "name: mine\nextends: nobody\n",
        &[],
        expect![[r#"
        the dialect `mine` cannot be used
          there is no dialect folder `nobody`; built in: datafusion, postgres"#]],
    );
    refused(
        "name: mine\nextends: postgres\n",
        &[("templates/truncate.sql.j2", "TRUNCATE")],
        expect![[r#"
        the dialect `mine` cannot be used
          mine/templates/truncate.sql.j2: no statement has that template"#]],
    );
    let unknown_key = load("name: mine\nquotes: x\n", &[]).unwrap_err();
    assert!(unknown_key.contains("mine/dialect.yaml") && unknown_key.contains("quotes"), "{unknown_key}");
    let none = Dialect::load("mine", &|_| Some(Vec::new())).unwrap_err();
    assert!(none.to_string().contains("mine/dialect.yaml is missing"), "{none}");
}
