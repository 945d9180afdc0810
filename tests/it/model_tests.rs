//! `springline test`: what holds passes, what does not says which rows and why.

use std::path::Path;

use serde_json::Value;
use springline_tests::{data_dir, root, springline};

const SHOP: &str = r#"
name: shop
version: 1
timezone: Europe/Paris
targets: { local: { engine: datafusion, path: data } }
sources:
  - name: customers
    table: crm.customers
    columns:
      id: integer
      email: { type: string, pii: email }
      city: string
      score: "decimal(8,2)"
      born: date
      seen_at: timestamp
      weight: float
      active: boolean
  - { name: orders, table: shop.orders, columns: { customer_id: integer, amount: "decimal(12,2)", at: timestamp } }
entities:
  - name: customer
    source: customers
    primary_key: id
    events: [ { name: purchase, source: orders, key: customer_id, at: at } ]
    fields:
      - { name: spent, expr: "sum(purchase.amount)", default: 0 }
      - { name: email_lower, expr: "lower(email)" }
segments:
  - { name: buyers, entity: customer, where: { event: purchase } }
  - name: parisian_vips
    entity: customer
    where: { all: [ { field: spent, gte: 500 }, { field: city, eq: Paris }, { event: purchase, within: 60 days } ] }
  - { name: other_vips, entity: customer, where: { all: [ { field: spent, gte: 500 }, { field: city, ne: Paris } ] } }
  - { name: once_vips, entity: customer, where: { segment: parisian_vips } }
"#;

fn shop(tests: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("springline.yaml", SHOP);
    write("tests/tests.yaml", tests);
    write(
        "data/crm/customers.csv",
        "id,email,city,score,born,seen_at,weight,active\n1,ann@example.com,Paris,1.50,2000-02-29,2024-01-01T00:00:00Z,1.5,true\n\
         2,bob@example.com,Rome,,,,,\n3,ann@example.com,Paris,,,,,\n",
    );
    write(
        "data/shop/orders.csv",
        "customer_id,amount,at\n1,600.00,2024-06-01T00:00:00Z\n2,700.00,2024-06-01T00:00:00Z\n",
    );
    folder
}

fn reports(folder: &Path, code: i32) -> Vec<Value> {
    let call = ["--format", "json", "--as-of", "2024-06-30T00:00:00Z", "test"];
    let json = springline(folder, &call).run().exits(code).json();
    json["tests"].as_array().expect("a list of tests").clone()
}

#[test]
fn tests_that_hold_pass() {
    let folder = shop(
        r#"
tests:
  - name: bought enough, lives there, not long ago
    segment: parisian_vips
    as_of: 2024-06-30
    given:
      customers: [ { id: 1, city: Paris }, { id: 2, city: Rome }, { id: 3, city: Paris }, { id: 4 } ]
      orders:
        - { customer_id: 1, amount: 500, at: 2024-06-29T21:59:59Z }
        - { customer_id: 2, amount: 500, at: 2024-06-01 }
        - { customer_id: 3, amount: 500, at: 2024-06-29T22:00:00Z }
        - { customer_id: 4, amount: 500, at: 2024-06-01 }
    expect: { members: [1] }
  - name: every type comes back as it was given
    entity: customer
    as_of: 2024-06-30
    given:
      customers: [ { id: 1, email: "ANN@x.org", score: 12.5, born: 2000-02-29, seen_at: 2024-01-02T03:04:05.000006Z, weight: 0.1, active: true }, { id: 2 } ]
    expect:
      values:
        1: { email_lower: ann@x.org, score: 12.50, born: 2000-02-29, seen_at: 2024-01-02T04:04:05.000006+01:00, weight: 0.1, active: true, city: null }
        2: { spent: 0, active: null }
  - { name: one field, entity: customer, field: spent, as_of: 2024-06-30, given: { customers: [ { id: 7 } ] }, expect: { values: { 7: 0 } } }
  - { name: no rows at all, segment: buyers, as_of: 2024-06-30, given: {}, expect: { members: [] } }
  - { name: VIPs buy, subset: [parisian_vips, buyers] }
  - { name: here or there, disjoint: [parisian_vips, other_vips] }
  - { name: not too many, size: { segment: buyers, between: [1, 2] } }
  - { name: everyone has a key, not_null: { entity: customer, field: id } }
  - { name: keys are unique, unique: { entity: customer, field: id } }
"#,
    );
    let reports = reports(folder.path(), 0);
    assert_eq!(reports.len(), 9);
    assert!(reports.iter().all(|r| r["passed"] == true), "{reports:#?}");
}

#[test]
fn tests_that_do_not_hold_say_which_rows_and_why() {
    let folder = shop(
        r#"
tests:
  - name: wrong members
    segment: parisian_vips
    as_of: 2024-06-30
    given:
      customers: [ { id: 1, city: Paris }, { id: 2, city: Rome }, { id: 3 } ]
      orders: [ { customer_id: 1, amount: 500, at: 2024-06-01 }, { customer_id: 3, amount: 600, at: 2024-06-01 } ]
    expect: { members: [2, 3, 9] }
  - name: wrong values
    entity: customer
    as_of: 2024-06-30
    given: { customers: [ { id: 1, email: "ann@example.com" } ] }
    expect: { values: { 1: { spent: 5, email_lower: bob@example.com }, 2: { spent: 0 } } }
  - { name: all buyers are Parisians, subset: [buyers, parisian_vips] }
  - { name: nobody twice, disjoint: [buyers, other_vips, parisian_vips] }
  - { name: many, size: { segment: buyers, between: [10, 20] } }
  - { name: scored, not_null: { entity: customer, field: score } }
  - { name: one address each, unique: { entity: customer, field: email } }
"#,
    );
    let reports = reports(folder.path(), 1);
    assert!(reports.iter().all(|r| r["passed"] == false), "{reports:#?}");
    let problems = |i: usize| -> Vec<&str> {
        let list = reports[i]["problems"].as_array().expect("problems");
        list.iter().filter_map(|p| p["message"].as_str()).collect()
    };
    assert_eq!(
        problems(0),
        [
            "`2` is missing",
            "`3` is missing",
            "`9` is missing: entity `customer` has no such row",
            "`1` is a member and should not be"
        ]
    );
    let parts = |i: usize| {
        let parts = reports[0]["problems"][i]["parts"].as_array().expect("parts");
        parts
            .iter()
            .map(|p| (p["condition"].as_str().expect("text").to_owned(), p["value"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        parts(1),
        [
            ("spent >= 500.00".to_owned(), Value::Bool(true)),
            ("city = 'Paris'".to_owned(), Value::Null),
            ("exists(purchase within 60 days)".to_owned(), Value::Bool(true)),
        ]
    );
    assert_eq!(parts(0)[0].1, Value::Bool(false));
    assert_eq!(
        problems(1),
        [
            "`1`: spent is 0, expected 5",
            "`1`: email_lower is a***@***, expected b***@***",
            "`2`: entity `customer` has no such row"
        ]
    );
    assert_eq!(problems(2), ["1 row is of `buyers` not in `parisian_vips`: `2`"]);
    assert_eq!(problems(3), ["2 rows are in more than one of buyers, other_vips, parisian_vips: `1`, `2`"]);
    assert_eq!(problems(4), ["`buyers` has 2 members, expected 10 to 20"]);
    assert_eq!(problems(5), ["2 rows are with `score` null: `2`, `3`"]);
    assert_eq!(problems(6), ["email is `a***@***` in 2 rows"]);
    let text = springline(folder.path(), &["test", "wrong members"]).run().exits(1).stdout;
    assert!(text.contains("null   city = 'Paris'") && text.contains("1 test: 0 passed, 1 failed"), "{text}");
    let unknown = springline(folder.path(), &["test", "wrong member", "--format", "json"]).run().exits(1).json();
    assert_eq!(unknown["error"]["hint"], "did you mean `wrong members`?");
}

#[test]
fn the_tests_of_the_examples_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    springline(folder.path(), &["init", "--example", "retail"]).run().exits(0);
    let call = ["--as-of", "2024-06-30T00:00:00Z", "--format", "json", "test"];
    let retail = springline(&folder.path().join("retail"), &call).run().exits(0).json();
    assert!(retail["passed"].as_u64().is_some_and(|passed| passed >= 6), "{retail}");
    let Some(data) = data_dir() else { return };
    let call = ["--as-of", "2018-01-01T00:00:00Z", "--format", "json", "test"];
    let env = [("SPRINGLINE_DATA", data.display().to_string())];
    let journey = springline(&root().join("examples/complete-journey"), &call).envs(&env).run().exits(0).json();
    assert!(journey["passed"].as_u64().is_some_and(|passed| passed >= 5), "{journey}");
}
