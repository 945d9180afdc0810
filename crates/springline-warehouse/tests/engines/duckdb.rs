//! The DuckDB engine against the real library: types, streams, loads, errors, one file and two processes.

use super::kit::{batches, failure, path, rows, stream};
use arrow::{
    array::*,
    datatypes::{DataType, Field, Int64Type, TimeUnit},
    record_batch::RecordBatch,
};
use futures::{StreamExt, TryStreamExt};
use springline_warehouse::{Discover, ErrorKind, TargetConfig, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration, time::Instant};

/// The library, or `None` after saying that the test is skipped.
fn library() -> Option<String> {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default().contains("duckdb");
    let library = std::env::var("SPRINGLINE_TEST_DUCKDB").ok();
    assert!(
        !required || library.is_some(),
        "SPRINGLINE_REQUIRE_ENGINES names duckdb but SPRINGLINE_TEST_DUCKDB is not set"
    );
    if library.is_none() {
        println!("skipped: duckdb (SPRINGLINE_TEST_DUCKDB is not set)");
    }
    library
}

fn target(folder: &Path, options: &[(&str, &str)]) -> TargetConfig {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    TargetConfig {
        name: "duck".to_owned(),
        engine: "duckdb".to_owned(),
        tag: "springline-test".to_owned(),
        options: options.collect(),
        project_dir: folder.to_owned(),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    }
}

/// A fresh file.
async fn open() -> Option<(tempfile::TempDir, Arc<dyn Warehouse>)> {
    let library = library()?;
    let folder = tempfile::tempdir().unwrap();
    let config = target(folder.path(), &[("path", "test.duckdb"), ("library", &library)]);
    let warehouse = connect(config).await.unwrap();
    Some((folder, warehouse))
}

fn utc(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

#[tokio::test]
async fn types_arrive_exactly_with_their_nulls() {
    let Some((_folder, warehouse)) = open().await else { return };
    warehouse.check().await.unwrap();
    assert!(warehouse.about().await.unwrap().version.starts_with("DuckDB v1."));
    warehouse.execute("CREATE TYPE mood AS ENUM ('ok', 'bad')").await.unwrap();
    let sql = "CREATE TABLE t (b BOOLEAN NOT NULL, i1 TINYINT, i2 SMALLINT, i4 INTEGER, i8 BIGINT, u8 UBIGINT, h HUGEINT, \
        f4 FLOAT, f8 DOUBLE, n DECIMAL(12,2), v VARCHAR, u UUID, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, ms TIMESTAMP_MS, j JSON, \
        raw BLOB, ta VARCHAR[], ia BIGINT[], m mood, \"Odd \"\"name\" VARCHAR)";
    warehouse.execute(sql).await.unwrap();
    let sql = "INSERT INTO t VALUES (true, -1, -2, 4, 8, 18446744073709551615, 12345678901234567890123456789, 1.5, 0.1, \
        -1234567890.12, 'é', '00000000-0000-0000-0000-00000000000f', '1969-12-31', '2024-01-02 03:04:05.678901', \
        '2024-01-02 03:04:05+02', '2024-01-02 03:04:05.678', '{\"a\": 1}', '\\x00\\xFF'::BLOB, ['x', NULL, 'y'], [1, 2], 'ok', 'odd')";
    assert_eq!(warehouse.execute(sql).await.unwrap(), 1);
    assert_eq!(warehouse.execute("INSERT INTO t (b) VALUES (false)").await.unwrap(), 1);
    let answer = warehouse.query("SELECT * FROM t ORDER BY b DESC").await.unwrap();
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let expected = [
        DataType::Boolean,
        DataType::Int16,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Decimal128(20, 0),
        DataType::Decimal128(38, 0),
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(12, 2),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Date32,
        utc(None),
        utc(Some("UTC")),
        utc(None),
        DataType::Utf8,
        DataType::Binary,
        list(DataType::Utf8),
        list(DataType::Int64),
        DataType::Utf8,
        DataType::Utf8,
    ];
    let types: Vec<DataType> = answer.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, expected);
    drop(answer);
    let described = warehouse.describe(&path("t")).await.unwrap().unwrap();
    assert_eq!(described.iter().map(|column| column.data_type.clone()).collect::<Vec<_>>(), expected);
    assert!(!described[0].nullable && described[1..].iter().all(|column| column.nullable));
    assert_eq!(described.last().unwrap().name, "Odd \"name");
    let lines = rows(&*warehouse, "SELECT * FROM t ORDER BY b DESC").await;
    let first = "true|-1|-2|4|8|18446744073709551615|12345678901234567890123456789|1.5|0.1|-1234567890.12|é|\
        00000000-0000-0000-0000-00000000000f|1969-12-31|2024-01-02T03:04:05.678901|2024-01-02T01:04:05Z|2024-01-02T03:04:05.678|\
        {\"a\": 1}|00ff|[x, , y]|[1, 2]|ok|odd";
    assert_eq!(lines[1], first);
    assert_eq!(lines[2], format!("false{}", "|".repeat(21)));
    // A null instant is null, in a list too.
    let nulls =
        batches(&*warehouse, "SELECT CAST(NULL AS TIMESTAMPTZ) AS a, [CAST(NULL AS TIMESTAMP)] AS b").await.unwrap();
    assert!(nulls[0].column(0).is_null(0) && nulls[0].column(1).as_list::<i32>().value(0).is_null(0));
    assert_eq!(warehouse.describe(&path("nope")).await.unwrap(), None);
    assert_eq!(warehouse.describe(&path("nowhere.t")).await.unwrap(), None);
    assert_eq!(warehouse.describe(&path("nodb.nowhere.t")).await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_read_says_how_to_cast_it() {
    let Some((_folder, warehouse)) = open().await else { return };
    for sql in ["SELECT INTERVAL '1 day' AS amount", "SELECT {'a': 1} AS amount", "SELECT TIME '10:00' AS amount"] {
        let error = failure(&*warehouse, sql).await;
        assert_eq!((error.kind(), error.column()), (ErrorKind::Type, Some("amount")), "{sql}: {error}");
        assert_eq!(error.hint(), Some("cast it, for example `CAST(\"amount\" AS VARCHAR)`"), "{sql}");
    }
    warehouse.execute("CREATE TABLE t (id INTEGER, span INTERVAL)").await.unwrap();
    let columns = warehouse.describe(&path("t")).await.unwrap().unwrap();
    assert_eq!(columns[1].data_type, DataType::Null);
}

fn many(from: i64, count: i64) -> RecordBatch {
    let ids: Vec<i64> = (from..from + count).collect();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(
        ids.iter().map(|id| (id % 5 != 0).then(|| vec![Some(*id), None])),
    );
    let text = |id: &i64| (id % 7 != 0).then(|| format!("tab\t line\n quote ' \" {id} é"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        // Not in the order of the table.
        ("txt", Arc::new(ids.iter().map(text).collect::<StringArray>())),
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        (
            "amount",
            Arc::new(
                Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * -101))
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        (
            "seen",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id * 86_400_001)).with_timezone("UTC"),
            ),
        ),
        ("ok", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| (id % 3 != 0).then_some(id % 2 == 0))))),
        ("nums", Arc::new(list)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[tokio::test]
async fn a_load_of_a_million_rows_comes_back_as_it_went() {
    let Some((_folder, warehouse)) = open().await else { return };
    warehouse.execute("CREATE SCHEMA s").await.unwrap();
    let sql = "CREATE TABLE s.t (extra VARCHAR DEFAULT 'x', id BIGINT, txt VARCHAR, amount DECIMAL(12,2), seen TIMESTAMPTZ, \
        ok BOOLEAN, nums BIGINT[])";
    warehouse.execute(sql).await.unwrap();
    let schema = many(0, 1).schema();
    let rows_in = futures::stream::iter(0..100).map(|part| Ok(many(part * 10_000, 10_000))).boxed();
    let started = Instant::now();
    assert_eq!(warehouse.load(&path("s.t"), schema, rows_in).await.unwrap(), 1_000_000);
    println!("load of 1,000,000 rows: {:?}", started.elapsed());
    let started = Instant::now();
    let answer = warehouse.query("SELECT txt, id, amount, seen, ok, nums FROM s.t ORDER BY id").await.unwrap();
    let (mut next, mut pages) = (0_i64, 0);
    let mut stream = answer.stream;
    while let Some(batch) = stream.try_next().await.unwrap() {
        let count = i64::try_from(batch.num_rows()).unwrap();
        assert_eq!(batch, many(next, count).with_schema(batch.schema()).unwrap());
        (next, pages) = (next + count, pages + 1);
    }
    println!("read of 1,000,000 rows in {pages} batches: {:?}", started.elapsed());
    assert!(next == 1_000_000 && pages > 50);
    assert_eq!(rows(&*warehouse, "SELECT DISTINCT extra AS e FROM s.t").await, ["e", "x"]);
}

#[tokio::test]
async fn a_load_is_all_or_nothing() {
    let Some((_folder, warehouse)) = open().await else { return };
    warehouse.execute("CREATE TABLE t (id BIGINT, txt VARCHAR CHECK (txt <> 'bad'))").await.unwrap();
    let batch = |id: i64, txt: &str| {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![id; 5000]));
        let txt: ArrayRef = Arc::new(StringArray::from(vec![txt; 5000]));
        RecordBatch::try_from_iter([("id", id), ("txt", txt)]).unwrap()
    };
    let (schema, rows_in) = stream(vec![batch(1, "jane@example.org"), batch(2, "bad")]);
    let error = warehouse.load(&path("t"), schema.clone(), rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sql);
    assert!(error.message().starts_with("CHECK constraint failed on table t"), "{error}");
    // The stream's own error is given back, and nothing is kept.
    let own = || WarehouseError::new(ErrorKind::Io, "files", "the file ended early");
    let rows_in = futures::stream::iter([Ok(batch(1, "a")), Err(own())]).boxed();
    assert_eq!(warehouse.load(&path("t"), schema.clone(), rows_in).await.unwrap_err(), own());
    assert_eq!(rows(&*warehouse, "SELECT COUNT(*) AS n FROM t").await, ["n", "0"]);
    let (_, rows_in) = stream(vec![batch(1, "a")]);
    let error = warehouse.load(&path("nope"), schema.clone(), rows_in).await.unwrap_err();
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("nope")), "{error}");
    warehouse.execute("CREATE TABLE narrow (id BIGINT)").await.unwrap();
    let (_, rows_in) = stream(vec![batch(1, "a")]);
    let error = warehouse.load(&path("narrow"), schema.clone(), rows_in).await.unwrap_err();
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("txt")), "{error}");
    warehouse.execute("CREATE TABLE numbers (id BIGINT, txt INTEGER)").await.unwrap();
    let (_, rows_in) = stream(vec![batch(1, "jane@example.org")]);
    let error = warehouse.load(&path("numbers"), schema, rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    assert!(!error.to_string().contains("jane"), "{error}");
}

#[tokio::test]
async fn a_dropped_query_and_a_dropped_statement_are_interrupted() {
    let Some((_folder, warehouse)) = open().await else { return };
    warehouse.execute("CREATE TABLE big AS SELECT range AS i FROM range(3000000)").await.unwrap();
    let long = "SELECT SUM(HASH(a.i, b.i) % 3) AS n FROM big a, big b";
    let statement = format!("CREATE TABLE never AS {long}");
    for _ in 0..3 {
        let started = Instant::now();
        let ended = tokio::time::timeout(Duration::from_millis(300), warehouse.execute(&statement)).await;
        assert!(ended.is_err(), "it should take long");
        let ended = tokio::time::timeout(Duration::from_millis(300), batches(&*warehouse, long)).await;
        assert!(ended.is_err(), "it should take long");
        // The threads of DuckDB are free again: this needs them.
        assert_eq!(rows(&*warehouse, "SELECT MAX(i) AS m FROM big").await, ["m", "2999999"]);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
    assert_eq!(warehouse.describe(&path("never")).await.unwrap(), None);
    // A stream that is dropped after its first batch.
    let mut answer = warehouse.query("SELECT * FROM big").await.unwrap();
    assert!(answer.stream.next().await.unwrap().unwrap().num_rows() > 0);
    drop(answer);
    warehouse.execute("DROP TABLE big").await.unwrap();
    // One that is dropped while the next batch is computed, which would take for ever: the end of the test waits for it.
    let endless = "SELECT a.range FROM range(3000000) a, range(3000000) b WHERE HASH(a.range, b.range) % 1000 = 0";
    let mut answer = warehouse.query(endless).await.unwrap();
    assert!(answer.stream.next().await.unwrap().unwrap().num_rows() > 0);
    drop(answer);
}

#[tokio::test]
async fn a_statement_ends_with_its_time() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = [("path", "t.duckdb"), ("library", &*library), ("statement_timeout_secs", "1"), ("threads", "1")];
    let warehouse = connect(target(folder.path(), &options)).await.unwrap();
    let long = "SELECT SUM(HASH(a.range, b.range) % 3) AS n FROM range(3000000) a, range(3000000) b";
    for error in [warehouse.execute(long).await.unwrap_err(), failure(&*warehouse, long).await] {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.hint().unwrap().contains("statement_timeout_secs"), "{error:?}");
    }
    assert_eq!(rows(&*warehouse, "SELECT CURRENT_SETTING('threads') AS n").await, ["n", "1"]);
}

#[tokio::test]
async fn queries_and_statements_run_side_by_side() {
    let Some((folder, warehouse)) = open().await else { return };
    warehouse.execute("CREATE TABLE t AS SELECT range AS i FROM range(200000)").await.unwrap();
    let mut one = warehouse.query("SELECT i FROM t").await.unwrap().stream;
    let mut two = warehouse.query("SELECT i FROM t").await.unwrap().stream;
    assert!(one.next().await.unwrap().is_ok() && two.next().await.unwrap().is_ok());
    assert_eq!(warehouse.execute("INSERT INTO t SELECT range FROM range(5)").await.unwrap(), 5);
    let rest = |batches: Vec<RecordBatch>| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let (one, two) = (rest(one.try_collect().await.unwrap()), rest(two.try_collect().await.unwrap()));
    assert!(one > 190_000 && one == two, "{one} {two}");
    // A second connection of this process shares the file.
    let library = library().unwrap();
    let again = connect(target(folder.path(), &[("path", "test.duckdb"), ("library", &library)])).await.unwrap();
    assert_eq!(rows(&*again, "SELECT COUNT(*) AS n FROM t").await, ["n", "200005"]);
}

#[tokio::test]
async fn errors_name_what_is_missing_and_no_value() {
    let Some((_folder, warehouse)) = open().await else { return };
    warehouse.execute("CREATE TABLE t (id INTEGER, email VARCHAR)").await.unwrap();
    warehouse.execute("INSERT INTO t VALUES (1, 'jane@example.org')").await.unwrap();
    let error = failure(&*warehouse, "SELECT * FROM nope").await;
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("nope")));
    assert_eq!(error.message(), "Table with name nope does not exist! (in `test.duckdb`)");
    let error = failure(&*warehouse, "SELECT * FROM s.nope").await;
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("s.nope")), "{error}");
    for sql in ["SELECT nope FROM t", "SELECT x.nope FROM t AS x"] {
        let error = failure(&*warehouse, sql).await;
        assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("nope")), "{error}");
    }
    let error = failure(&*warehouse, "SELEC 1").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::Sql, "syntax error at or near \"SELEC\""));
    for sql in [
        "SELECT CAST(email AS INTEGER) FROM t",
        "SELECT CAST(email AS TIMESTAMP) FROM t",
        "SELECT CAST(email AS JSON) FROM t",
        "SELECT CAST(id * 1e30 AS BIGINT) FROM t",
        "SELECT id + 9223372036854775807 FROM t",
        "SELECT CAST(id * 1234 AS DECIMAL(4,2)) FROM t",
    ] {
        let error = failure(&*warehouse, sql).await;
        assert_eq!(error.kind(), ErrorKind::Type, "{sql}: {error}");
        let shown = format!("{error} {:?}", error.hint());
        assert!(
            !shown.contains("jane") && !shown.contains("1e+30") && !shown.contains("9223") && !shown.contains("1234"),
            "{shown}"
        );
    }
    let error = failure(&*warehouse, "SELECT SUM(email) FROM t").await;
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    warehouse.execute("CREATE TABLE k (email VARCHAR PRIMARY KEY)").await.unwrap();
    let error = warehouse.execute("INSERT INTO k VALUES ('jane@example.org'), ('jane@example.org')").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sql);
    assert!(!error.to_string().contains("jane"), "{error}");
}

#[tokio::test]
async fn a_failure_on_many_threads_is_told_by_its_cause() {
    let Some((_folder, warehouse)) = open().await else { return };
    let sql = "SELECT CAST(CASE WHEN range = 900000 THEN 'jane' ELSE '1' END AS INTEGER) AS n FROM range(1000000)";
    for _ in 0..40 {
        // Far into a result, and in a statement.
        let statement = warehouse.execute(&format!("CREATE TABLE never AS {sql}")).await.unwrap_err();
        for error in [failure(&*warehouse, sql).await, statement] {
            assert_eq!(error.kind(), ErrorKind::Type, "{error}");
            assert_eq!(error.message(), "Could not convert string '…' to INT32");
        }
    }
}

#[tokio::test]
async fn a_file_is_of_one_process_at_a_time() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let open = async |path: &str| {
        let warehouse = connect(target(folder.path(), &[("path", path), ("library", &library)])).await.unwrap();
        warehouse.check().await
    };
    let error = open("nowhere/t.duckdb").await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Connection, Some("make the folder first")), "{error}");
    std::fs::write(folder.path().join("bad.duckdb"), "no database ".repeat(1000)).unwrap();
    let error = open("bad.duckdb").await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Connection, Some("check `path`")), "{error}");
    let Some(python) = std::env::var_os("SPRINGLINE_PYTHON") else { return };
    let script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()";
    let mut other = std::process::Command::new(python)
        .args(["-c", script])
        .arg(folder.path().join("held.duckdb"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "open\n");
    let error = open("held.duckdb").await.unwrap_err();
    drop(other.stdin.take());
    other.wait().unwrap();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.message().starts_with("cannot open the DuckDB file `held.duckdb`: it is open in "), "{error}");
    assert!(error.message().contains("PID"), "{error}");
    assert!(error.hint().unwrap().starts_with("one process at a time"), "{error:?}");
    open("held.duckdb").await.unwrap();
}

#[tokio::test]
async fn wrong_options_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async |options: &[(&str, &str)]| connect(target(folder.path(), options)).await.err().unwrap();
    assert!(refused(&[]).await.message().contains("needs the option `path`"));
    assert!(refused(&[("path", ":memory:")]).await.message().starts_with("`path` must be a file"));
    assert!(refused(&[("path", "a"), ("threads", "many")]).await.message().contains("`threads` is not a whole number"));
    let config = target(folder.path(), &[("path", "a.duckdb"), ("library", "nowhere/libduckdb.so")]);
    let error = connect(config).await.unwrap().check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.message().starts_with("DuckDB's library cannot be loaded: "), "{error}");
    assert!(error.hint().unwrap().contains("`library`"));
    let Some(library) = library() else { return };
    let config = target(folder.path(), &[("path", "b.duckdb"), ("library", &library), ("memory_limit", "much")]);
    let error = connect(config).await.unwrap().check().await.unwrap_err();
    assert_eq!(error.hint(), Some("check `path`, `threads` and `memory_limit`"), "{error}");
}

#[tokio::test]
async fn tables_and_plans_are_found() {
    let Some((_folder, warehouse)) = open().await else { return };
    for sql in [
        "CREATE TABLE t (a INTEGER NOT NULL, b DECIMAL(10,2), c TIMESTAMP, d VARCHAR[], e INTERVAL, PRIMARY KEY (a))",
        "INSERT INTO t (a) SELECT range FROM range(1000)",
        "CREATE SCHEMA crm",
        "CREATE VIEW crm.v AS SELECT a, CAST(b AS DOUBLE) AS f FROM t",
        "CREATE SCHEMA springline",
        "CREATE TABLE springline.own (a INTEGER)",
    ] {
        warehouse.execute(sql).await.unwrap();
    }
    let discover =
        |all: bool, schemas: Vec<Vec<String>>| Discover { schemas, all, state_schema: "springline".to_owned() };
    let found = warehouse.tables(&discover(true, Vec::new())).await.unwrap();
    let by_path: BTreeMap<String, _> = found.iter().map(|table| (table.path.join("."), table)).collect();
    assert_eq!(by_path.keys().collect::<Vec<_>>(), ["crm.v", "t"]);
    let t = by_path["t"];
    assert_eq!((t.rows, t.primary_key.as_slice()), (Some(1000), ["a".to_owned()].as_slice()));
    let types: Vec<Option<&str>> = t.columns.iter().map(|column| column.ty.as_deref()).collect();
    assert_eq!(types, [Some("integer"), Some("decimal(10,2)"), Some("timestamp"), Some("array<string>"), None]);
    assert!(!t.columns[0].nullable && t.columns[1].nullable);
    assert_eq!((by_path["crm.v"].rows, by_path["crm.v"].columns[1].ty.as_deref()), (None, Some("float")));
    let found = warehouse.tables(&discover(false, vec![vec!["crm".to_owned()]])).await.unwrap();
    assert_eq!(found.iter().map(|table| table.path.join(".")).collect::<Vec<_>>(), ["crm.v"]);
    assert_eq!(warehouse.estimate("SELECT SUM(a) FROM t").await.unwrap().rows, Some(1000));
    assert!(
        warehouse.explain("WITH x AS (SELECT a FROM t) SELECT COUNT(*) FROM x").await.unwrap().contains("SEQ_SCAN")
    );
    let error = warehouse.explain("SELECT 1; DROP TABLE t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sql, "{error}");
    assert!(warehouse.describe(&path("t")).await.unwrap().is_some(), "an explained script is not run");
}
