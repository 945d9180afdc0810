//! What commands would read is told beforehand, and budgets stop them before they read it.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use springline_tests::{postgres, springline};

const ROWS: i64 = 10_000;

/// A project of buyers and their orders, with this budget for all of it and this one for its segment.
fn project(dir: &Path, budget: &str, own: &str) {
    let text = format!(
        "name: shop\nversion: 1\ntimezone: UTC\ndefault_target: local\n{budget}\
         targets:\n  local: {{ engine: datafusion, path: data, price_per_tib: 1048576 }}\n\
         sources:\n  - {{ name: buyers, table: buyers, primary_key: id, columns: {{ id: integer }} }}\n  \
         - {{ name: orders, table: orders, columns: {{ buyer: integer, at: timestamp }} }}\n\
         entities:\n  - name: buyer\n    source: buyers\n    primary_key: id\n    \
         events: [ {{ name: order, source: orders, key: buyer, at: at }} ]\n\
         segments:\n  - {{ name: frequent, entity: buyer, where: {{ event: order, count: {{ gte: 3 }} }}{own} }}\n\
         destinations: [ {{ name: lake, type: file, path: 'out/{{sync}}_{{run}}.csv', format: csv }} ]\n\
         syncs: [ {{ name: out, segment: frequent, destination: lake, key: id, map: {{ id: id }} }} ]\n"
    );
    std::fs::create_dir_all(dir.join("data")).expect("a folder");
    std::fs::write(dir.join("springline.yaml"), text).expect("the project");
    let numbers = |n: i64| Arc::new(Int64Array::from_iter_values(0..n)) as ArrayRef;
    let at = TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|i| 1_700_000_000_000_000 + i));
    let orders = [("buyer", numbers(ROWS)), ("at", Arc::new(at.with_timezone("UTC")) as ArrayRef)];
    write(&dir.join("data/orders.parquet"), &RecordBatch::try_from_iter(orders).expect("rows"));
    write(&dir.join("data/buyers.parquet"), &RecordBatch::try_from_iter([("id", numbers(10))]).expect("rows"));
}

fn write(path: &Path, batch: &RecordBatch) {
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("a whole file");
}

#[test]
fn what_is_read_is_told_and_nothing_is_run() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path(), "", "");
    let call = |args: &[&str]| {
        springline(folder.path(), &[&["--as-of", "2024-06-30", "--format", "json"], args].concat())
            .run()
            .exits(0)
            .json()
    };
    let explained = call(&["preview", "frequent", "--explain", "--sql"]);
    let forecast = &explained["forecast"];
    assert_eq!(forecast["rows"], ROWS + 10, "{forecast}");
    // Two columns of eight bytes, and at most as much again.
    let bytes = forecast["bytes"].as_f64().expect("bytes");
    assert!((160_000.0..=330_000.0).contains(&bytes), "{forecast}");
    // At a price of 2^20 for 2^40 bytes.
    let cost = forecast["cost"].as_f64().expect("a cost");
    assert!((cost - bytes / 1_048_576.0).abs() < 1e-9, "{forecast}");
    assert!(explained["plan"].as_str().is_some_and(|plan| plan.contains("AggregateExec")));
    assert!(explained["sql"].as_str().is_some_and(|sql| sql.contains("SELECT")));
    assert_eq!(call(&["run", "--dry-run"])["entities"][0]["forecast"]["rows"], ROWS + 10);
    assert!(!folder.path().join(".springline").exists(), "a dry run leaves nothing");
    let text = springline(folder.path(), &["preview", "frequent", "--explain"]).run().exits(0).stdout;
    assert!(text.starts_with("frequent: would read ") && text.contains("about 10,010 rows"), "{text}");
    assert_eq!(call(&["sync", "plan", "out"])["forecast"]["rows"], ROWS + 10);
}

#[test]
fn a_command_beyond_its_budget_fails_before_it_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let fails = |budget: &str, own: &str, args: &[&str], part: &str| {
        project(folder.path(), budget, own);
        let error = springline(folder.path(), args).run().exits(1).stderr;
        assert!(error.contains(part) && error.contains("raise `budget:`"), "{error}");
    };
    let preview = ["preview", "frequent"];
    fails(
        "budget: { max_bytes: 100 kB }\n",
        "",
        &preview,
        "preview of segment `frequent` is beyond its budget: it would read ",
    );
    fails("", ", budget: { max_bytes: 100 kB }", &preview, "its budget is 100.0 kB");
    fails("budget: { max_cost: 0.1 }\n", "", &preview, "its budget is 0.10");
    fails("budget: { max_bytes: 100 kB }\n", "", &["run"], "run of entity `buyer` is beyond its budget");
    fails("", ", budget: { max_bytes: 100 kB }", &["sync", "apply", "out"], "sync `out` is beyond its budget");
    assert!(!folder.path().join("out").exists(), "nothing was delivered");
    // Within it, all of them work; and what the segment allows itself is no matter of the run.
    project(folder.path(), "budget: { max_bytes: 1 MB, max_cost: 1 }\n", ", budget: { max_bytes: 1 MB }");
    for args in [&preview[..], &["run"], &["sync", "apply", "out"]] {
        springline(folder.path(), args).run().exits(0);
    }
    project(folder.path(), "", ", budget: { max_bytes: 1 B }");
    springline(folder.path(), &["run"]).run().exits(0);
}

#[test]
fn an_amount_that_is_none_is_refused_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path(), "budget: { max_bytes: lots }\n", "");
    let error = springline(folder.path(), &["validate"]).run().exits(1).stderr;
    assert!(error.contains("`lots` is not an amount of data") && error.contains("`50 GB`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_tells_no_bytes_has_none_to_compare() {
    let Some(server) = postgres() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path(), "budget: { max_bytes: 1 B }\n", "");
    server.add_target(folder.path());
    server.load(folder.path(), &folder.path().join("data")).await;
    let args = ["--target", server.engine, "--format", "json", "preview", "frequent", "--explain"];
    let explained = springline(folder.path(), &args).envs(&server.env()).run().exits(0).json();
    assert!(explained["forecast"]["bytes"].is_null(), "{explained}");
    assert!(explained["forecast"]["rows"].as_u64().is_some_and(|rows| rows >= 10), "{explained}");
    springline(folder.path(), &["--target", server.engine, "preview", "frequent"]).envs(&server.env()).run().exits(0);
}
