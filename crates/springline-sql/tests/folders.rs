//! A dialect folder that does not answer for everything is refused, and says all that is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{column, expression, int, query, sample, text};
use expect_test::{Expect, expect};
use springline_ir::{
    Aggregate, Expr, ExprKind, FunctionId, FunctionKind, OutputColumn, Select, Statement, TableName, Type, WindowCall,
};
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
    assert!(Dialect::names().len() >= 2);
    for name in Dialect::names() {
        let dialect = Dialect::embedded(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(dialect.name(), name);
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
fn an_empty_template_gives_back_what_was_inherited() {
    let yaml = "name: mine\nextends: postgres\n";
    let dialect = load(yaml, &[("templates/merge.sql.j2", "\n")]).unwrap();
    assert!(!dialect.capabilities().merge);
    let problem = load(yaml, &[("templates/append.sql.j2", "")]).unwrap_err();
    assert!(problem.contains("templates/append.sql.j2 is missing"), "{problem}");
}

#[test]
fn a_column_is_named_even_by_its_own_name_where_the_dialect_asks_for_it() {
    let columns = vec![OutputColumn { name: "id".to_owned(), expr: column("id") }];
    let query = Statement::Query(query(Select::new(sample(), columns)));
    let named = |keys: &str| print(&load(&format!("name: mine\nextends: postgres\n{keys}"), &[]).unwrap(), &query);
    assert_eq!(named("").as_deref(), Ok("SELECT\n  \"s\".\"id\"\nFROM \"sample\" AS \"s\""));
    let renamed = "SELECT\n  \"s\".\"id\" AS \"id\"\nFROM \"sample\" AS \"s\"";
    assert_eq!(named("alias_columns: true\n").as_deref(), Ok(renamed));
}

#[test]
fn several_rows_of_one_are_made_in_from_and_keys_of_windows_disguised() {
    let yaml = "name: mine\nextends: postgres\neach_join: CROSS JOIN LIST({{ args }}) AS e\n\
                partition_by: { sql: \"{{ a }}\", overloads: [{ types: [float], sql: \"TEXT({{ a }})\" }] }\n\
                functions:\n  each: e.value\n";
    let dialect = load(yaml, &[]).unwrap();
    let each = Expr::call(FunctionId::EACH, vec![column("name"), text("b")], Type::String);
    assert_eq!(expression(&dialect, &each).unwrap(), "e.value FROM s CROSS JOIN LIST(\"s\".\"name\", 'b') AS e");
    let partition_by = vec![column("ratio"), column("id")];
    let call = WindowCall { function: FunctionId::COUNT, args: vec![], partition_by, order_by: vec![], running: false };
    let count = Expr { kind: ExprKind::Window(Box::new(call)), ty: Type::Integer };
    let printed = "COUNT(*) OVER (PARTITION BY TEXT(\"s\".\"ratio\"), \"s\".\"id\")";
    assert_eq!(expression(&dialect, &count).unwrap(), printed);
}

#[test]
fn a_form_may_be_for_one_text() {
    let yaml = "name: mine\nextends: postgres\nfunctions:\n  left:\n    sql: LEFT({{ a }}, {{ b }})\n    overloads: \
                [{ types: [\"'x y'\", any], sql: \"SHORT({{ b }})\" }]\n";
    let dialect = load(yaml, &[]).unwrap();
    let left = |of| expression(&dialect, &Expr::call(FunctionId::LEFT, vec![of, int(2)], Type::String)).unwrap();
    assert_eq!(left(text("x y")), "SHORT(2)");
    assert_eq!(left(text("x")), "LEFT('x', 2)");
    assert_eq!(left(column("name")), "LEFT(\"s\".\"name\", 2)");
    refused(
        &yaml.replace("any", "text"),
        &[],
        expect![[r#"
        the dialect `mine` cannot be used
          mine/dialect.yaml: error: line 6 column 36: there is no type `text`; known: any, literal, boolean, integer, decimal, float, string, date, timestamp, json, array, ..., or a text in quotes
         --> <input>:6:36
          |
        4 |   left:
        5 |     sql: LEFT({{ a }}, {{ b }})
        6 |     overloads: [{ types: ["'x y'", text], sql: "SHORT({{ b }})" }]
          |                                    ^ there is no type `text`; known: any, literal, boolean, integer, decimal, float, string, date, timestamp, json, array, ..., or a text in quotes"#]],
    );
}

#[test]
fn an_unknown_dialect_is_refused() {
    let known = Dialect::names().join(", ");
    let problem = "the dialect `postgrs` cannot be used\n  there is no dialect folder `postgrs`; built in:";
    assert_eq!(Dialect::embedded("postgrs").unwrap_err().to_string(), format!("{problem} {known}"));
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
              functions.lower: uses the unknown variable `locale`; known here: a, b, c, d, a_type, b_type, c_type, d_type, a_scale, json_path, json_value, perl_pattern, args, rest, any_null, type, scale, precision
              functions.upper: unexpected `}`, expected end of variable block (line 1)
              functions.sha256: needs exactly one of `sql` and `unsupported`
              functions.md5: `unsupported` needs a reason
              functions.sum: has no `{{ suffix }}`, so a filter on its rows would be lost
              functions.min.overloads[0]: uses the unknown variable `x`; known here: a, b, c, d, a_type, b_type, c_type, d_type, a_scale, json_path, json_value, perl_pattern, args, rest, any_null, type, scale, precision, suffix, filter, filtered, order_by, reverse_order_by, order_keys, reverse_order_keys
              types.money: unknown; known here: array, boolean, date, decimal, float, integer, json, string, timestamp
              types.integer: uses the unknown variable `size`; known here: scale, precision, item
              order_by.sideways: unknown; known here: ascending, ascending_key, descending, descending_key
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
    let orphan = load("name: mine\nextends: nobody\n", &[]).unwrap_err();
    assert!(
        orphan.ends_with(&format!("there is no dialect folder `nobody`; built in: {}", Dialect::names().join(", ")))
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

#[test]
fn without_a_filter_clause_each_aggregate_says_what_becomes_of_a_filter() {
    let all = |sql: &dyn Fn(&str) -> String| -> String {
        let aggregates = FunctionId::all().filter(|id| id.get().kind == FunctionKind::Aggregate);
        let aggregates = aggregates.filter(|id| !id.is_derived()).map(|id| id.get().name);
        aggregates.map(|name| format!("  {name}: \"{}\"\n", sql(name))).collect()
    };
    let yaml = |sql: &dyn Fn(&str) -> String| {
        format!("name: mine\nextends: postgres\nfilter_clause: false\nfunctions:\n{}", all(sql))
    };
    let lost = load(&yaml(&|name| format!("{name}({{{{ a }}}}){{{{ suffix }}}}")), &[]).unwrap_err();
    assert!(lost.contains("functions.sum: the dialect has no FILTER clause, so a filter would be lost"), "{lost}");

    let dialect = load(&yaml(&|name| format!("{name}({{{{ filtered }}}}){{{{ suffix }}}}")), &[]).unwrap();
    let positive = Expr::call(FunctionId::GT, vec![column("id"), int(0)], Type::Boolean);
    let aggregate = |function, args: Vec<_>, filter: Option<&springline_ir::RelExpr>| {
        let call = Aggregate { function, args, order_by: Vec::new(), filter: filter.cloned() };
        expression(&dialect, &Expr { kind: ExprKind::Aggregate(Box::new(call)), ty: Type::Integer }).unwrap()
    };
    let sum = |filter| aggregate(FunctionId::SUM, vec![column("id")], filter);
    assert_eq!(sum(None), "sum(\"s\".\"id\")");
    assert_eq!(sum(Some(&positive)), "sum(CASE WHEN \"s\".\"id\" > 0 THEN \"s\".\"id\" END)");
    assert_eq!(aggregate(FunctionId::COUNT, vec![], None), "count(*)");
    assert_eq!(aggregate(FunctionId::COUNT, vec![], Some(&positive)), "count(CASE WHEN \"s\".\"id\" > 0 THEN 1 END)");
}
