//! `springline doctor` on every engine, what it says where grants are missing, and Ctrl-C.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use serde_json::Value;
use springline_tests::{Server, postgres, servers, springline};
use springline_warehouse::Warehouse;

fn retail(folder: &Path) -> PathBuf {
    springline(folder, &["init", "--example", "retail", "--customers", "300"]).run().exits(0);
    folder.join("retail")
}

fn doctor(project: &Path, target: &str, env: &[(String, String)], code: i32) -> Value {
    springline(project, &["--target", target, "--format", "json", "doctor"]).envs(env).run().exits(code).json()
}

/// The checks that did not come out well.
fn bad(checkup: &Value) -> Vec<&Value> {
    checkup["checks"].as_array().expect("checks").iter().filter(|check| check["status"] != "good").collect()
}

fn check<'a>(checkup: &'a Value, name: &str) -> &'a Value {
    let all = checkup["checks"].as_array().expect("checks");
    all.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check `{name}` in {checkup:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_good_health_is_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let checkup = doctor(&project, "local", &[], 0);
    assert!(bad(&checkup).is_empty(), "{checkup:#}");
    assert!(checkup["version"].as_str().is_some_and(|version| version.starts_with("DataFusion")));
    assert!(check(&checkup, "source orders")["message"].as_str().is_some_and(|m| m.starts_with("readable")));
    for server in servers() {
        server.add_target(&project);
        server.load(&project, &project.join("data")).await;
        let checkup = doctor(&project, server.engine, &server.env(), 0);
        assert!(bad(&checkup).is_empty(), "{}: {checkup:#}", server.engine);
        let all: Vec<&str> =
            checkup["checks"].as_array().expect("checks").iter().filter_map(|c| c["check"].as_str()).collect();
        assert!(all.contains(&"connection") && all.contains(&"state"), "{all:?}");
    }
}

#[test]
fn a_missing_table_is_told_beside_what_is_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    std::fs::remove_file(project.join("data/tickets.csv"))
        .or_else(|_| std::fs::remove_file(project.join("data/tickets.parquet")))
        .expect("the tickets");
    let text = springline(&project, &["doctor"]).run().exits(1).stdout;
    assert!(text.contains("FAIL  source tickets:") && text.contains("there is no table `tickets`"), "{text}");
    assert!(text.contains("ok    source orders: readable") && text.contains("ok    state: "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_grants_are_told_in_the_words_of_postgres() {
    let Some(mut server) = postgres() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    server.add_target(&project);
    server.load(&project, &project.join("data")).await;
    let warehouse = server.connect().await;
    let role = format!("{}_reader", server.options["database"]);
    let sql = format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON orders TO {role}");
    warehouse.execute(&sql).await.expect("a role");
    server.options.insert("user".to_owned(), role.clone());
    let checkup = doctor(&project, server.engine, &server.env(), 1);
    assert_eq!(checkup["user"], Value::from(role.clone()));
    assert_eq!(check(&checkup, "source orders")["status"], "good");
    let hint = |name: &str| check(&checkup, name)["hint"].as_str().unwrap_or_default().to_owned();
    assert!(hint("source customers").contains(&format!("GRANT SELECT ON \"customers\" TO \"{role}\"")), "{checkup:#}");
    assert!(hint("state").contains("GRANT CREATE ON DATABASE"), "{checkup:#}");
    warehouse.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("the role goes");
}

/// How many sessions of a database wait for a lock.
async fn waiting(warehouse: &dyn Warehouse, server: &Server) -> i64 {
    let sql = format!(
        "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'",
        server.options["database"]
    );
    let rows: Vec<_> = warehouse.query(&sql).await.expect("a query").stream.try_collect().await.expect("rows");
    rows[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Waits until so many sessions wait for a lock.
async fn until(warehouse: &dyn Warehouse, server: &Server, wanted: i64) {
    let started = Instant::now();
    while waiting(warehouse, server).await != wanted {
        assert!(started.elapsed() < Duration::from_secs(30), "{wanted} sessions never waited");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cancels_what_runs_in_the_warehouse() {
    let Some(server) = postgres() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    server.add_target(&project);
    server.load(&project, &project.join("data")).await;
    let warehouse = server.connect().await;
    // A statement that reads the orders waits as long as this one holds them.
    let holder = server.connect().await;
    let hold = tokio::spawn(async move {
        holder.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60); COMMIT").await
    });
    for args in [&["run"][..], &["preview", "lapsing_vips"]] {
        let args = [&["--target", server.engine, "--as-of", "2024-06-30"], args].concat();
        let mut child = springline(&project, &args).envs(&server.env()).spawn();
        until(warehouse.as_ref(), &server, 1).await;
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill starts").success());
        until(warehouse.as_ref(), &server, 0).await;
        let status = child.wait().expect("the process ends");
        assert_eq!(status.code(), Some(130), "{args:?}");
    }
    hold.abort();
}
