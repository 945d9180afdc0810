//! `springline catalog`: the lock is what the warehouse has, needs no connection afterwards, and tells what drifted.

use std::collections::BTreeMap;
use std::path::Path;

use pretty_assertions::assert_eq;
use springline_tests::{postgres, postgres_env, springline};
use springline_warehouse::{TargetConfig, connect};

const LOCK: &str = "catalog.lock.yaml";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// What each change of `catalog --check --format json` is about, and what it breaks.
fn drift(json: &serde_json::Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let drift = json["drift"].as_array().expect("a list");
    let breaks = |entry: &serde_json::Value| {
        let list = entry["breaks"].as_array().expect("a list");
        list.iter().map(|b| format!("{} {}", text(&b["kind"]), text(&b["name"]))).collect()
    };
    drift
        .iter()
        .map(|d| (format!("{} {}.{}", text(&d["change"]), text(&d["table"]), text(&d["column"])), breaks(d)))
        .collect()
}

#[test]
fn files_are_catalogued_checked_and_described() {
    let folder = tempfile::tempdir().expect("a folder");
    springline(folder.path(), &["init", "--example", "retail", "--customers", "200"]).run().exits(0);
    let project = folder.path().join("retail");
    let preview = || {
        let call = ["--format", "json", "--as-of", "2024-06-30T00:00:00Z", "preview", "lapsing_vips"];
        springline(&project, &call).run().exits(0).json()["count"].clone()
    };
    let members = preview();
    springline(&project, &["catalog"]).run().exits(0);
    let lock = read(&project.join(LOCK));
    assert!(lock.contains("  customers:\n    rows: 200\n"), "{lock}");
    assert!(lock.contains("      amount: decimal(12,2)\n") && lock.contains("      ordered_at: timestamp\n"), "{lock}");
    springline(&project, &["catalog"]).run().exits(0);
    assert_eq!(read(&project.join(LOCK)), lock, "the same tables make the same lock");
    springline(&project, &["catalog", "--check"]).run().exits(0);

    // Types and columns that the lock knows may be left out.
    let sources = project.join("models/sources.yaml");
    let declared = read(&sources);
    let start = declared.find("      order_id: integer\n").expect("the columns of orders");
    let list = declared[..start].rfind("    columns:\n").expect("a list of columns");
    let end = start + declared[start..].find("\n\n").expect("the next source");
    let short = format!("{}{}", &declared[..list], &declared[end..]).replace("size: { type: integer, ", "size: { ");
    assert!(short.len() < declared.len() - 200);
    write(&sources, &short);
    springline(&project, &["validate"]).run().exits(0);
    springline(&project, &["compile", "lapsing_vips", "--dialect", "postgres"]).run().exits(0);
    assert_eq!(preview(), members, "as with the columns declared");
    springline(&project, &["catalog"]).run().exits(0);
    assert_eq!(read(&project.join(LOCK)), lock, "types of files are those that the model knows");

    // A column goes, another comes, and so does a table.
    let orders = project.join("data/orders.csv");
    write(&orders, &read(&orders).replacen("amount", "total", 1));
    write(
        &project.join("data/stores.csv"),
        "store_id,first_name,home_email,customer_id\n1,Ann,ann@example.com,c1\n2,Bob,,c2\n",
    );
    let checked = springline(&project, &["catalog", "--check", "--format", "json"]).run().exits(1).json();
    let found = drift(&checked);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["column_removed orders.amount", "column_added orders.total", "table_added stores.-"]);
    let breaks = &found[0].1;
    for part in
        ["source orders", "field customer.lifetime_value", "field customer.average_order", "segment lapsing_vips"]
    {
        assert!(breaks.iter().any(|b| b == part), "{part} is missing in {breaks:?}");
    }
    assert!(breaks.iter().any(|b| b.starts_with("sync ")), "{breaks:?}");
    assert!(!breaks.iter().any(|b| b == "field customer.order_count" || b.starts_with("entity")), "{breaks:?}");
    let text = springline(&project, &["catalog", "--check"]).run().exits(1).stdout;
    assert!(text.contains("  breaks field customer.lifetime_value (models/customer.yaml:"), "{text}");

    // New tables get sources with suggestions, and then there are none left.
    write(&orders, &read(&orders).replacen("total", "amount", 1));
    springline(&project, &["catalog", "--write"]).run().exits(0);
    let added = read(&sources);
    for part in [
        "  - name: stores\n    table: stores\n    primary_key: store_id    # suggested",
        "      customer_id: string    # seems to lead to customers\n",
        "      first_name: { type: \"string\", pii: name }",
        "      home_email: { type: \"string\", pii: email }",
    ] {
        assert!(added.contains(part), "`{part}` is missing in {added}");
    }
    springline(&project, &["validate"]).run().exits(0);
    springline(&project, &["catalog", "--write"]).run().exits(0);
    assert_eq!(read(&sources), added);
}

#[test]
fn a_profile_counts_and_hides_what_is_personal() {
    let folder = tempfile::tempdir().expect("a folder");
    springline(folder.path(), &["init", "--example", "retail", "--customers", "200"]).run().exits(0);
    let project = folder.path().join("retail");
    let profile = springline(&project, &["catalog", "customers", "--format", "json"]).run().exits(0).json();
    assert_eq!(profile["rows"], 200);
    let column = |name: &str| {
        let columns = profile["columns"].as_array().expect("columns");
        columns.iter().find(|c| c["column"] == name).unwrap_or_else(|| panic!("no {name} in {profile}")).clone()
    };
    let key = column("customer_id");
    assert_eq!((&key["filled"], &key["distinct"]), (&200.into(), &200.into()));
    let country = column("country");
    assert!(country["top"].as_array().is_some_and(|top| !top.is_empty()) && country["min"].is_string(), "{country}");
    let email = column("email");
    assert_eq!((&email["personal"], &email["min"], &email["top"]), (&true.into(), &().into(), &serde_json::json!([])));
    let text = springline(&project, &["catalog", "customers"]).run().exits(0).stdout;
    assert!(text.contains("***") && !text.contains('@'), "{text}");
    let unknown = springline(&project, &["catalog", "customer", "--format", "json"]).run().exits(1).json();
    assert_eq!(unknown["error"]["hint"], "did you mean `customers`?");
}

const TABLES: &str = r#"
CREATE SCHEMA shop; CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN amount AS numeric(10,2);
CREATE TABLE customers (customer_id text PRIMARY KEY, email varchar(80), born date, mood mood, tags text[], extra jsonb, place point);
INSERT INTO customers VALUES ('a'), ('b');
CREATE TABLE shop.orders (order_id bigint, line smallint, customer_id text NOT NULL, total amount, paid_at timestamptz,
  PRIMARY KEY (order_id, line));
CREATE VIEW shop.big_orders AS SELECT order_id, total FROM shop.orders;
CREATE TABLE other.secrets (id int);
"#;

const PROJECT: &str = r#"
name: shop
version: 1
targets:
  pg: { engine: postgres, host: "{{ env('PGHOST') }}", port: "{{ env('PGPORT') }}", user: "{{ env('PGUSER') }}", password: "{{ env('PGPASSWORD') }}", database: "{{ env('PGDATABASE') }}" }
sources:
  - { name: customers, table: customers, primary_key: customer_id }
  - { name: orders, table: shop.orders, columns: { customer_id: , total: , paid_at: timestamp } }
entities:
  - name: customer
    source: customers
    primary_key: customer_id
    events: [ { name: purchase, source: orders, key: customer_id, at: paid_at } ]
    fields: [ { name: spent, expr: sum(purchase.total), default: 0 }, { name: age_known, expr: born is not null } ]
segments:
  - { name: vips, entity: customer, where: { field: spent, gte: 100 } }
"#;

const EXPECTED: &str = "version: 1
tables:
  customers:
    rows: 2
    primary_key: [customer_id]
    columns:
      born: date
      customer_id: string not null
      email: string
      extra: json
      mood: string
      place: unknown point
      tags: array<string>
  shop.big_orders:
    columns:
      order_id: integer
      total: decimal(10,2)
  shop.orders:
    rows: 0
    primary_key: [order_id, line]
    columns:
      customer_id: string not null
      line: integer not null
      order_id: integer not null
      paid_at: timestamp
      total: decimal(10,2)
";

async fn sql(options: &BTreeMap<String, String>, sql: &str) {
    let config = TargetConfig {
        name: "pg".to_owned(),
        engine: "postgres".to_owned(),
        tag: "springline-test".to_owned(),
        options: options.clone(),
        project_dir: std::env::temp_dir(),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    };
    let warehouse = connect(config).await.expect("Postgres answers");
    warehouse.execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_catalogued_and_what_drifts_is_told() {
    let Some(server) = postgres() else { return };
    let options = server.options;
    sql(&options, TABLES).await;
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("springline.yaml"), PROJECT);
    let env = postgres_env(&options);
    let call = |args: &[&str]| springline(folder.path(), args).envs(&env).run();
    // Without a lock the columns are not known; the catalog is read all the same.
    assert!(call(&["validate"]).exits(1).stderr.contains("E0301"));
    call(&["catalog"]).exits(0);
    let lock = read(&folder.path().join(LOCK));
    assert_eq!(lock.split_once("version").map(|(_, rest)| format!("version{rest}")).as_deref(), Some(EXPECTED));
    call(&["validate"]).exits(0);
    assert_eq!(call(&["preview", "vips", "--format", "json"]).exits(0).json()["count"], 0);
    let all = call(&["catalog", "--all", "--format", "json"]).exits(0).json();
    assert!(all["tables"].as_array().is_some_and(|t| t.iter().any(|t| t["table"] == "other.secrets")), "{all}");
    call(&["catalog"]).exits(0);

    sql(
        &options,
        "DROP VIEW shop.big_orders; ALTER TABLE shop.orders ALTER total TYPE text, ALTER customer_id DROP NOT NULL; \
         ALTER TABLE customers DROP born, ADD note text; ALTER TABLE customers DROP CONSTRAINT customers_pkey",
    )
    .await;
    let json = call(&["catalog", "--check", "--format", "json"]).exits(1).json();
    let expected: [(&str, &[&str]); 6] = [
        ("key_changed customers.-", &[]),
        ("column_removed customers.born", &["source customers", "field customer.age_known"]),
        ("column_added customers.note", &[]),
        ("table_removed shop.big_orders.-", &[]),
        ("nullability_changed shop.orders.customer_id", &[]),
        ("type_changed shop.orders.total", &["source orders", "field customer.spent", "segment vips"]),
    ];
    let expected: Vec<(String, Vec<String>)> = expected
        .iter()
        .map(|(name, breaks)| ((*name).to_owned(), breaks.iter().map(|b| (*b).to_owned()).collect()))
        .collect();
    // Postgres keeps NOT NULL of a former key's column, or not, by version.
    let found: Vec<_> =
        drift(&json).into_iter().filter(|(n, _)| n != "nullability_changed customers.customer_id").collect();
    assert_eq!(found, expected);
    assert_eq!(json["breaking"], 2);
}
