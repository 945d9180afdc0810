//! How the embedded engine goes about a query, as its plan tells.

use super::kit::{open, project, rows, write};

#[tokio::test]
async fn many_aggregates_over_groups_are_computed_once_and_few_twice() {
    let project = project();
    write(project.path(), "orders.csv", "buyer,amount\n1,5\n2,7\n1,9\n");
    let warehouse = open(project.path()).await;
    let few = "SELECT buyer, SUM(amount) AS s, COUNT(*) AS n FROM orders GROUP BY buyer";
    let many = "SELECT buyer, SUM(amount) AS s, COUNT(*) FILTER (WHERE amount > 6) AS n, MIN(amount) AS a, \
                MAX(amount) AS b, AVG(amount) AS m FROM orders GROUP BY buyer";
    let plan = warehouse.explain(few).await.unwrap();
    assert!(plan.contains("mode=FinalPartitioned") && plan.contains("mode=Partial"), "{plan}");
    let plan = warehouse.explain(many).await.unwrap();
    assert!(plan.contains("mode=SinglePartitioned") && !plan.contains("mode=Partial"), "{plan}");
    let found = rows(warehouse.as_ref(), &format!("{many} ORDER BY buyer")).await;
    assert_eq!(found, ["buyer|s|n|a|b|m", "1|14|1|5|9|7.0", "2|7|1|7|7|7.0"]);
}

#[tokio::test]
async fn what_a_query_reads_is_told_before_it_is_run() {
    let project = project();
    write(project.path(), "orders.csv", "buyer,amount\n1,5\n2,7\n");
    let warehouse = open(project.path()).await;
    let estimate = warehouse.estimate("SELECT buyer FROM orders").await.unwrap();
    assert_eq!(estimate.partitions, None, "{estimate:?}");
    assert!(warehouse.estimate("SELECT nothing FROM orders").await.is_err());
    let about = warehouse.about().await.unwrap();
    assert!(about.version.starts_with("DataFusion ") && about.user.is_none(), "{about:?}");
}

/// The optimizer refuses what it makes of this when it turns the joins round.
#[tokio::test]
async fn rows_are_ordered_by_a_column_that_is_always_null() {
    let project = project();
    let warehouse = open(project.path()).await;
    // Files that know their number of rows: without it, joins stay as they are written.
    for statement in [
        "CREATE SCHEMA IF NOT EXISTS springline",
        "CREATE TABLE springline.c AS SELECT * FROM (VALUES (1, 4), (2, 9), (3, 6)) AS t(id, v)",
        "CREATE TABLE springline.o AS SELECT * FROM (VALUES (1, 5, 1), (1, 7, 2), (3, 9, 3)) AS t(customer_id, p, at)",
    ] {
        warehouse.execute(statement).await.unwrap();
    }
    let found = rows(
        warehouse.as_ref(),
        "WITH p AS (SELECT customer_id, MAX(p) AS m FROM springline.o WHERE FALSE GROUP BY customer_id), \
         b AS (SELECT customer_id AS key, at, 0 AS follows FROM springline.o \
           UNION ALL SELECT customer_id, at, 1 FROM springline.o), \
         i AS (SELECT key, follows, MIN(CASE WHEN follows = 1 THEN at END) \
           OVER (PARTITION BY key ORDER BY at DESC, follows ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS next \
           FROM b), \
         s AS (SELECT DISTINCT key FROM i WHERE follows = 0 AND next IS NOT NULL) \
         SELECT c.id, s.key IS NOT NULL AS follows, MAX(c.v) \
           OVER (ORDER BY p.m DESC NULLS LAST, c.id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS most \
         FROM springline.c AS c LEFT JOIN p ON c.id = p.customer_id LEFT JOIN s ON c.id = s.key ORDER BY c.id",
    )
    .await;
    assert_eq!(found, ["id|follows|most", "1|true|4", "2|false|9", "3|false|9"]);
}
