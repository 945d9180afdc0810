//! More segments than an engine has columns: the rows are split into tables, and nothing else changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use springline_tests::{postgres, postgres_env, springline};

const SEGMENTS: u32 = 2000;
const CUSTOMERS: u32 = 20;
const ORDERS: u32 = 300;

/// The hours before `as_of` at which a customer bought.
fn orders() -> Vec<(u32, u32)> {
    (0..ORDERS).map(|i| (i * 7 % CUSTOMERS, i * i % 2500 + 1)).collect()
}

/// Each segment asks for another window, so that each needs an aggregate of its own.
fn expected() -> BTreeMap<String, u64> {
    let least = |hours: u32| (hours % 3 + 1) as usize;
    let bought = |customer: u32, hours: u32| orders().iter().filter(|(c, ago)| *c == customer && *ago <= hours).count();
    let size = |hours: u32| (0..CUSTOMERS).filter(|customer| bought(*customer, hours) >= least(hours)).count();
    (1..=SEGMENTS).map(|hours| (format!("within_{hours}"), size(hours) as u64)).collect()
}

fn write(dir: &std::path::Path) {
    let mut text = String::from(
        "name: wide\nversion: 1\ntimezone: UTC\ndefault_target: local\ntargets:\n  local: { engine: datafusion, path: data }\n  \
         pg: { engine: postgres, host: \"{{ env('PGHOST') }}\", port: \"{{ env('PGPORT') }}\", user: \"{{ env('PGUSER') }}\", \
         password: \"{{ env('PGPASSWORD') }}\", database: \"{{ env('PGDATABASE') }}\" }\nentities:\n  - name: customer\n    \
         source: customers\n    primary_key: id\n    events:\n      - { name: purchase, source: orders, key: customer, at: at }\n\
         segments:\n",
    );
    for hours in 1..=SEGMENTS {
        let least = hours % 3 + 1;
        writeln!(
            text,
            "  - {{ name: within_{hours}, entity: customer, where: {{ event: purchase, count: {{ gte: {least} }}, within: {hours} hours }} }}"
        )
        .expect("text");
    }
    let sources = "sources:\n  - { name: customers, table: customers, primary_key: id, columns: { id: integer } }\n  \
                   - { name: orders, table: orders, columns: { customer: integer, at: timestamp } }\n";
    let end: jiff::Timestamp = "2024-06-30T00:00:00Z".parse().expect("an instant");
    let at = |hours: u32| end - jiff::SignedDuration::from_hours(i64::from(hours));
    let customers: Vec<String> = (0..CUSTOMERS).map(|id| format!("{id}\n")).collect();
    let orders: Vec<String> = orders().into_iter().map(|(id, hours)| format!("{id},{}\n", at(hours))).collect();
    for folder in ["models", "data"] {
        std::fs::create_dir_all(dir.join(folder)).expect("a folder");
    }
    for (file, text) in [
        ("springline.yaml", text),
        ("models/sources.yaml", sources.to_owned()),
        ("data/customers.csv", format!("id\n{}", customers.concat())),
        ("data/orders.csv", format!("customer,at\n{}", orders.concat())),
    ] {
        std::fs::write(dir.join(file), text).expect("the file is written");
    }
}

fn run(dir: &std::path::Path, target: &str, env: &[(&str, String)]) -> (Vec<Value>, BTreeMap<String, u64>) {
    let call = ["--target", target, "--as-of", "2024-06-30T00:00:00Z", "--format", "json", "run"];
    let output = springline(dir, &call).envs(env).run().exits(0).json();
    let entity = &output["entities"][0];
    let size = |s: &Value| (s["segment"].as_str().expect("a name").to_owned(), s["members"].as_u64().expect("a size"));
    let sizes = entity["segments"].as_array().expect("segments").iter().map(size).collect();
    (entity["tables"].as_array().expect("tables").clone(), sizes)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_segments_run_together() {
    let Some(server) = postgres() else { return };
    let env = postgres_env(&server.options);
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path());
    server.load(dir.path(), &dir.path().join("data")).await;
    let (tables, sizes) = run(dir.path(), "pg", &env);
    assert_eq!(tables.len(), 2, "Postgres takes 1,600 columns: {tables:?}");
    assert_eq!(sizes, expected());
    let call = ["--target", "pg", "--format", "json", "compile", "customer", "--explain"];
    let explained = springline(dir.path(), &call).envs(&env).run().exits(0).json();
    let tables = explained["runs"][0]["tables"].as_array().expect("tables").clone();
    let orders = |table: &Value| {
        let scans = table["scans"].as_array().expect("scans").clone();
        scans.into_iter().find(|scan| scan["table"] == "orders").expect("orders are read")
    };
    assert_eq!(tables.len(), 2);
    assert!(tables.iter().all(|table| orders(table)["times"] == 1), "{explained:#}");
}
