//! ZetaSQL looks through every statement that the printer's tests hold for BigQuery: what is printed is GoogleSQL.

use super::bigquery::open;
use std::path::Path;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../springline-sql/tests/golden");

/// The tables that the printer's tests read and write.
const TABLES: [&str; 10] = [
    "CREATE SCHEMA IF NOT EXISTS shop",
    "CREATE SCHEMA IF NOT EXISTS crm",
    "CREATE SCHEMA IF NOT EXISTS springline",
    "CREATE OR REPLACE TABLE sample (flag BOOL, flag2 BOOL, id INT64, id2 INT64, few INT64, money BIGNUMERIC, \
     money2 BIGNUMERIC, ratio FLOAT64, ratio2 FLOAT64, name STRING, name2 STRING, digits STRING, day DATE, day2 DATE, \
     at TIMESTAMP, at2 TIMESTAMP)",
    "CREATE OR REPLACE TABLE shop.orders (customer_id STRING, amount BIGNUMERIC, ordered_at TIMESTAMP, channel STRING)",
    "CREATE OR REPLACE TABLE crm.customers (customer_id STRING, city STRING)",
    "CREATE OR REPLACE TABLE springline.membership (segment STRING, customer_id STRING, hash STRING, op STRING, \
     ended_at TIMESTAMP)",
    "CREATE OR REPLACE TABLE springline.changes (segment STRING, customer_id STRING, hash STRING, `delete` BOOL)",
    "CREATE SCHEMA IF NOT EXISTS lake.springline",
    "CREATE OR REPLACE TABLE lake.springline.wanted (customer_id STRING, hash STRING)",
];

fn golden(name: &str) -> String {
    std::fs::read_to_string(Path::new(GOLDEN).join(name)).unwrap()
}

#[tokio::test]
async fn everything_that_is_printed_is_googlesql() {
    let Some(warehouse) = open("wh-goldens").await else { return };
    for sql in
        TABLES.iter().chain(&["CREATE OR REPLACE TABLE lake.springline.ledger (customer_id STRING, hash STRING)"])
    {
        warehouse.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let (mut looked_at, mut refused) = (0, Vec::new());
    let mut look = async |label: &str, sql: &str| {
        looked_at += 1;
        if let Err(error) = warehouse.estimate(sql).await {
            refused.push(format!("{label}: {error}\n{sql}"));
        }
    };
    for statement in golden("statements.bigquery.sql").split("-- ==== ").skip(1) {
        let (label, sql) = statement.split_once('\n').unwrap();
        if sql.starts_with("-- error: ") {
            assert_eq!(label, "analyze", "the one statement that the dialect does without");
            continue;
        }
        look(label, sql.trim()).await;
    }
    for line in golden("functions.bigquery.txt").lines() {
        let (label, expression) = line.split_once(" => ").unwrap();
        // What the dialect does not have.
        if expression.starts_with("!! ") {
            continue;
        }
        let (expression, join) = expression.split_once(" FROM s ").unwrap_or((expression, ""));
        look(label, &format!("SELECT\n  {expression} AS `x`\nFROM `sample` AS `s`\n{join}")).await;
    }
    assert!(refused.is_empty(), "{} of {looked_at} are refused:\n{}", refused.len(), refused.join("\n"));
    assert!(looked_at > 300, "{looked_at}");
}

#[tokio::test]
async fn the_judge_refuses_what_bigquery_does_not_know() {
    let Some(warehouse) = open("wh-judge").await else { return };
    warehouse.execute("CREATE OR REPLACE TABLE t (id INT64, name STRING)").await.unwrap();
    for sql in [
        "SELECT id::STRING FROM t",
        "SELECT \"id\" + 1 FROM t",
        "SELECT COUNT(*) FILTER (WHERE id > 1) FROM t",
        "INSERT INTO t (id) SELECT name FROM t",
        "MERGE INTO t USING t AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = s.name",
        "DELETE FROM t",
        "CREATE OR REPLACE TABLE u AS SELECT id, name FROM t GROUP BY id",
        "SELECT SUM(id ORDER BY name) OVER () FROM t",
    ] {
        assert!(warehouse.estimate(sql).await.is_err(), "{sql}");
    }
}
