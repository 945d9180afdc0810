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
