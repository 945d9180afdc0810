//! State tables of the embedded engine: types kept, statements, isolation of readers, and crashes.

use super::kit::{failure, open, path, project, rows, stream, write};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use futures::{StreamExt, TryStreamExt};
use springline_warehouse::{ErrorKind, Warehouse, WarehouseError};
use std::{fs, path::Path, sync::Arc};

fn ids(ids: &[i64]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
}

fn data_files(project: &Path, table: &str) -> Vec<String> {
    let folder = project.join(".springline/state").join(table);
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !["manifest.json", "read.lock", "write.lock"].contains(&name.as_str())).collect()
}

async fn made(project: &Path) -> Arc<dyn Warehouse> {
    let warehouse = open(project).await;
    warehouse.execute("CREATE SCHEMA IF NOT EXISTS springline").await.unwrap();
    assert_eq!(
        warehouse.execute("CREATE TABLE springline.t AS SELECT * FROM (VALUES (1),(2)) AS v(id)").await.unwrap(),
        2
    );
    warehouse
}

#[tokio::test]
async fn types_survive_the_process_exactly() {
    let project = project();
    let warehouse = open(project.path()).await;
    let sql = "CREATE TABLE springline.t AS SELECT CAST(1 AS bigint) AS i, CAST(1.5 AS decimal(12,2)) AS d, \
        CAST(2.5 AS double) AS f, true AS b, 'é' AS s, CAST('2024-01-02' AS date) AS day, \
        arrow_cast('2024-01-02T03:04:05.678901Z', 'Timestamp(Microsecond, Some(\"UTC\"))') AS at, \
        arrow_cast('2024-01-02T03:04:05.678901', 'Timestamp(Microsecond, None)') AS local, CAST(NULL AS varchar) AS nothing";
    warehouse.execute(sql).await.unwrap();
    drop(warehouse);
    let warehouse = open(project.path()).await;
    let columns = warehouse.describe(&path("springline.t")).await.unwrap().unwrap();
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type.clone()).collect();
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let expected = [
        DataType::Int64,
        DataType::Decimal128(12, 2),
        DataType::Float64,
        DataType::Boolean,
        DataType::Utf8,
        DataType::Date32,
        micros(Some("UTC")),
        micros(None),
        DataType::Utf8,
    ];
    assert_eq!(types, expected);
    assert!(columns.iter().all(|column| column.nullable));
    let schema = warehouse.query("SELECT * FROM springline.t").await.unwrap().schema;
    assert_eq!(schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>(), expected);
    let line = "1|1.50|2.5|true|é|2024-01-02|2024-01-02T03:04:05.678901Z|2024-01-02T03:04:05.678901|";
    assert_eq!(rows(&*warehouse, "SELECT * FROM springline.t").await[1], line);
}

#[tokio::test]
async fn create_insert_replace_and_drop() {
    let project = project();
    let warehouse = made(project.path()).await;
    let error = warehouse.execute("CREATE TABLE springline.t AS SELECT 1 AS id").await.unwrap_err();
    assert!(error.message().contains("already exists"), "{error}");
    assert_eq!(warehouse.execute("CREATE TABLE IF NOT EXISTS springline.t (x bigint)").await.unwrap(), 0);
    assert_eq!(warehouse.execute("INSERT INTO springline.t (id) SELECT id + 10 FROM springline.t").await.unwrap(), 2);
    assert_eq!(rows(&*warehouse, "SELECT id FROM springline.t ORDER BY id").await, ["id", "1", "2", "11", "12"]);
    // A table may be replaced from itself.
    let sql =
        "CREATE OR REPLACE TABLE springline.t AS SELECT id * 2 AS id, 'n' AS name FROM springline.t WHERE id < 10";
    assert_eq!(warehouse.execute(sql).await.unwrap(), 2);
    assert_eq!(rows(&*warehouse, "SELECT * FROM springline.t ORDER BY id").await, ["id|name", "2|n", "4|n"]);
    assert_eq!(data_files(project.path(), "t").len(), 1);

    warehouse
        .execute("CREATE TABLE IF NOT EXISTS springline.u (a varchar NOT NULL, b bigint, c timestamp)")
        .await
        .unwrap();
    assert_eq!(rows(&*warehouse, "SELECT * FROM springline.u").await, ["a|b|c"]);
    assert_eq!(warehouse.execute("INSERT INTO springline.u (b, a) VALUES (1, 'x')").await.unwrap(), 1);
    assert_eq!(rows(&*warehouse, "SELECT a, b, c FROM springline.u").await, ["a|b|c", "x|1|"]);
    let error = warehouse.execute("INSERT INTO springline.u (b) VALUES (1)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    assert!(error.message().contains("springline.u"), "{error}");

    warehouse.execute("DROP TABLE springline.u").await.unwrap();
    warehouse.execute("DROP TABLE IF EXISTS springline.u").await.unwrap();
    warehouse.execute("DROP TABLE IF EXISTS springline.never").await.unwrap();
    assert_eq!(warehouse.execute("DROP TABLE springline.u").await.unwrap_err().kind(), ErrorKind::MissingTable);
    let error = failure(&*warehouse, "SELECT * FROM springline.u").await;
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("springline.u")));
    assert_eq!(warehouse.describe(&path("springline.u")).await.unwrap(), None);
    assert!(data_files(project.path(), "u").is_empty());
}

#[tokio::test]
async fn load_matches_columns_by_name_and_is_all_or_nothing() {
    let project = project();
    let warehouse = open(project.path()).await;
    warehouse.execute("CREATE TABLE springline.l (k varchar, n decimal(10,2), extra bigint)").await.unwrap();
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("k", DataType::Utf8, true)]);
    let columns = [Arc::new(Int64Array::from(vec![1, 2])) as _, Arc::new(StringArray::from(vec!["a", "b"])) as _];
    let batch = RecordBatch::try_new(Arc::new(schema), columns.to_vec()).unwrap();
    let (schema, rows_in) = stream(vec![batch.clone(), batch.clone()]);
    assert_eq!(warehouse.load(&path("springline.l"), schema.clone(), rows_in).await.unwrap(), 4);
    assert_eq!(
        rows(&*warehouse, "SELECT DISTINCT * FROM springline.l ORDER BY k").await,
        ["k|n|extra", "a|1.00|", "b|2.00|"]
    );

    let broken = WarehouseError::new(ErrorKind::Io, "local", "the source broke");
    let rows_in = futures::stream::iter(vec![Ok(batch), Err(broken.clone())]).boxed();
    assert_eq!(warehouse.load(&path("springline.l"), schema.clone(), rows_in).await.unwrap_err(), broken);
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM springline.l").await, ["n", "4"]);
    assert_eq!(data_files(project.path(), "l").len(), 1);

    let (schema, rows_in) = stream(vec![ids(&[1])]);
    let error = warehouse.load(&path("springline.l"), schema.clone(), rows_in).await.unwrap_err();
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("id")));
    for (table, kind) in [("springline.none", ErrorKind::MissingTable), ("orders", ErrorKind::Permission)] {
        let (schema, rows_in) = stream(vec![ids(&[1])]);
        assert_eq!(warehouse.load(&path(table), schema, rows_in).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_reader_keeps_the_version_it_began_with_also_across_processes() {
    let project = project();
    let reader = open(project.path()).await;
    // Another value on the same folder stands for another process: they share nothing but files and locks.
    let writer = made(project.path()).await;
    let open_query = reader.query("SELECT id FROM springline.t").await.unwrap();
    for value in 3..6 {
        writer.execute(&format!("CREATE OR REPLACE TABLE springline.t AS SELECT {value} AS id")).await.unwrap();
    }
    assert!(data_files(project.path(), "t").len() > 1, "files that are being read stay");
    let batches: Vec<RecordBatch> = open_query.stream.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    assert_eq!(rows(&*reader, "SELECT id FROM springline.t").await, ["id", "5"]);
    drop(batches);
    writer.execute("INSERT INTO springline.t VALUES (6)").await.unwrap();
    assert_eq!(data_files(project.path(), "t").len(), 2, "one file a write, and none of the past");
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let project = project();
    let first = made(project.path()).await;
    let second = open(project.path()).await;
    let mut tasks = Vec::new();
    for value in 0..10_i64 {
        let warehouse = if value % 2 == 0 { Arc::clone(&first) } else { Arc::clone(&second) };
        tasks.push(tokio::spawn(async move {
            let (schema, rows) = stream(vec![ids(&[100 + value])]);
            warehouse.load(&path("springline.t"), schema, rows).await.unwrap()
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
    assert_eq!(rows(&*second, "SELECT count(*) AS n, sum(id) AS s FROM springline.t").await, ["n|s", "12|1048"]);
}

#[tokio::test]
async fn what_a_crash_leaves_is_ignored_and_then_removed() {
    let project = project();
    let warehouse = made(project.path()).await;
    let folder = project.path().join(".springline/state/t");
    // Killed while writing rows, and killed after the rows but before the manifest was renamed.
    fs::write(folder.join("rows-dead.parquet"), b"PAR1 half a file").unwrap();
    fs::write(folder.join("manifest-dead"), b"{\"layout\": 1, \"ver").unwrap();
    drop(warehouse);
    let warehouse = open(project.path()).await;
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM springline.t").await, ["n", "2"]);
    warehouse.execute("INSERT INTO springline.t VALUES (3)").await.unwrap();
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM springline.t").await, ["n", "3"]);
    assert_eq!(data_files(project.path(), "t").len(), 2);

    // Killed before the first version was complete: there is no table yet, and it can be made.
    let half = project.path().join(".springline/state/half");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("rows-dead.parquet"), b"").unwrap();
    assert_eq!(warehouse.describe(&path("springline.half")).await.unwrap(), None);
    warehouse.execute("CREATE TABLE springline.half AS SELECT 1 AS id").await.unwrap();
    assert_eq!(rows(&*warehouse, "SELECT * FROM springline.half").await, ["id", "1"]);

    fs::write(folder.join("manifest.json"), b"not json").unwrap();
    let error = failure(&*warehouse, "SELECT * FROM springline.t").await;
    assert_eq!((error.kind(), error.table()), (ErrorKind::Io, Some("springline.t")));
}

#[tokio::test]
async fn a_write_that_fails_midway_leaves_the_old_table() {
    let project = project();
    let warehouse = made(project.path()).await;
    let mut text = String::from("v\n");
    for number in 0..50_000 {
        text.push_str(&format!("{number}\n"));
    }
    text.push_str("oops\n");
    write(project.path(), "numbers.csv", &text);
    for sql in [
        "CREATE OR REPLACE TABLE springline.t AS SELECT CAST(v AS bigint) AS id FROM numbers",
        "INSERT INTO springline.t SELECT CAST(v AS bigint) FROM numbers",
    ] {
        let error = warehouse.execute(sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Type, "{error}");
        assert!(!format!("{error:?}").contains("oops"), "{error:?}");
        assert_eq!(rows(&*warehouse, "SELECT sum(id) AS s FROM springline.t").await, ["s", "3"]);
    }
    assert_eq!(data_files(project.path(), "t").len(), 1);
}

#[tokio::test]
async fn many_small_appends_do_not_become_many_files() {
    let project = project();
    let warehouse = made(project.path()).await;
    for value in 0..70_i64 {
        let (schema, rows) = stream(vec![ids(&[value])]);
        assert_eq!(warehouse.load(&path("springline.t"), schema, rows).await.unwrap(), 1);
    }
    assert!(data_files(project.path(), "t").len() <= 33);
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n, sum(id) AS s FROM springline.t").await, ["n|s", "72|2418"]);
}

#[tokio::test]
async fn another_state_schema_is_another_set_of_tables() {
    let project = project();
    let _ = made(project.path()).await;
    let mut config = super::kit::local(project.path());
    config.state_schema = "staging".to_owned();
    let staging = springline_warehouse::connect(config).await.unwrap();
    assert_eq!(staging.describe(&path("staging.t")).await.unwrap(), None);
    staging.execute("CREATE TABLE staging.t AS SELECT 9 AS id").await.unwrap();
    assert_eq!(rows(&*staging, "SELECT * FROM staging.t").await, ["id", "9"]);
    assert_eq!(rows(&*open(project.path()).await, "SELECT count(*) AS n FROM springline.t").await, ["n", "2"]);
}

#[cfg(target_os = "linux")]
fn peak_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn writing_and_reading_are_flat_in_memory() {
    let project = project();
    let warehouse = open(project.path()).await;
    let text = "'abcdefghijklmnopqrstuvwxyz' || CAST(value AS varchar)";
    let sql =
        format!("CREATE TABLE springline.big AS SELECT value AS id, {text} AS a, {text} AS b FROM range(1, 3000001)");
    let before = peak_megabytes();
    assert_eq!(warehouse.execute(&sql).await.unwrap(), 3_000_000);
    let mut answer = warehouse.query("SELECT * FROM springline.big").await.unwrap();
    let mut count = 0;
    while let Some(batch) = answer.stream.next().await {
        count += batch.unwrap().num_rows();
    }
    assert_eq!(count, 3_000_000);
    // The rows take about 240 MB.
    let grown = peak_megabytes() - before;
    assert!(grown < 160, "grew by {grown} MB");
}
