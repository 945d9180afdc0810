//! The Databricks engine against the server of `tests/servers/databricks`: real Spark behind the envelope of the API.

use super::kit::{batches, failure, path, rows, stream};
use arrow::{
    array::*,
    datatypes::{DataType, Field, TimeUnit},
};
use futures::StreamExt;
use springline_warehouse::{Discover, ErrorKind, TargetConfig, Warehouse, WarehouseError, connect};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// What must never be shown: the token, the secret, and the signature of a link.
const SECRETS: [&str; 3] = ["springline-test-token", "springline-test-secret", "secret-of-the-link"];

pub fn host() -> Option<String> {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default().contains("databricks");
    let host = std::env::var("SPRINGLINE_TEST_DATABRICKS").ok();
    assert!(host.is_some() || !required, "databricks is required but SPRINGLINE_TEST_DATABRICKS is not set");
    if host.is_none() {
        println!("skipped: databricks (SPRINGLINE_TEST_DATABRICKS is not set)");
    }
    host
}

/// A target on the server, with options changed; an empty one is left out.
pub fn target(host: &str, changes: &[(&str, &str)]) -> TargetConfig {
    let options = [
        ("host", host),
        ("warehouse_id", "0123456789abcdef"),
        ("token", "springline-test-token"),
        ("catalog", "engine_tests"),
    ];
    let mut options: BTreeMap<String, String> = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    options.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    TargetConfig {
        name: "prod".to_owned(),
        engine: "databricks".to_owned(),
        tag: "springline-test */ and so on".to_owned(),
        options,
        project_dir: PathBuf::from("/project"),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    }
}

/// A connection and a schema of its own, emptied first.
async fn open(schema: &str) -> Option<Arc<dyn Warehouse>> {
    let warehouse = connect(target(&host()?, &[])).await.unwrap();
    for sql in [format!("DROP SCHEMA IF EXISTS {schema} CASCADE"), format!("CREATE SCHEMA {schema}")] {
        warehouse.execute(&sql).await.unwrap();
    }
    Some(connect(target(&host()?, &[("schema", schema)])).await.unwrap())
}

pub fn shown(error: &WarehouseError) -> String {
    let text = format!("{error} {error:?}");
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    text
}

const TYPES: &str = "SELECT * FROM VALUES \
    (1, TRUE, 2Y, 3S, 4, 5L, 1.5F, 0.1D, -1234567890.12BD, 'é|', DATE '1969-12-31', TIMESTAMP '2024-01-02 03:04:05.678901Z', \
     TIMESTAMP_NTZ '2024-01-02 03:04:05', X'00FF', ARRAY('x', NULL, 'y\"'), ARRAY(TIMESTAMP '2024-01-01 00:00:00Z', NULL)), \
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) \
    AS t(id, b, i1, i2, i4, i8, f4, f8, n, s, d, ts, ntz, bin, list, times) ORDER BY id";

#[tokio::test]
async fn types_arrive_exactly_with_their_nulls_in_both_forms() {
    let Some(host) = host() else { return };
    for form in ["links", "inline"] {
        let warehouse = connect(target(&host, &[("results", form)])).await.unwrap();
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        let expected = [
            DataType::Int32,
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(12, 2),
            DataType::Utf8,
            DataType::Date32,
            utc.clone(),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Binary,
            list(DataType::Utf8),
            list(utc),
        ];
        let answer = warehouse.query(TYPES).await.unwrap();
        let types: Vec<DataType> = answer.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types, expected, "{form}");
        let lines = rows(&*warehouse, TYPES).await;
        assert!(lines[1].starts_with("1|true|2|3|4|5|1.5|0.1|-1234567890.12|é"), "{form}: {}", lines[1]);
        let rest =
            "1969-12-31|2024-01-02T03:04:05.678901Z|2024-01-02T03:04:05|00ff|[x, , y\"]|[2024-01-01T00:00:00Z, ]";
        assert!(lines[1].ends_with(rest), "{form}: {}", lines[1]);
        let all = batches(&*warehouse, TYPES).await.unwrap();
        let times = all[0].column(11);
        assert!(times.is_valid(0) && times.is_null(1), "{form}: an instant that is null is null");
        assert!((1..16).all(|column| all[0].column(column).is_null(1)), "{form}");
    }
}

#[tokio::test]
async fn results_of_many_chunks_come_whole_and_in_order() {
    let Some(host) = host() else { return };
    for form in ["links", "inline"] {
        let warehouse = connect(target(&host, &[("results", form)])).await.unwrap();
        let all =
            batches(&*warehouse, "SELECT id, CONCAT('row ', id) AS txt FROM RANGE(0, 23000, 1, 1)").await.unwrap();
        assert!(all.len() >= 5, "{} batches", all.len());
        let ids = all
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec());
        assert!(ids.eq(0..23_000), "{form}");
        // A result without rows still has its columns.
        assert_eq!(rows(&*warehouse, "SELECT 1 AS a, 'x' AS b WHERE FALSE").await, ["a|b"], "{form}");
    }
}

fn many(count: i64) -> RecordBatch {
    let ids: Vec<i64> = (0..count).collect();
    let text = |id: &i64| (id % 7 != 0).then(|| format!("tab\t line\n back\\slash 'quote' \"{id}\" :rows ${{x}} é"));
    let amounts = ids.iter().map(|id| i128::from(*id) * -101);
    let tags = ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>(
        ids.iter().map(|id| (id % 5 != 0).then(|| vec![Some(*id), None])),
    );
    let rates = [Some(0.1), None, Some(1e16), Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)];
    let rates = ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>(ids.iter().map(|_| Some(rates)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        ("txt", Arc::new(ids.iter().map(text).collect::<StringArray>())),
        ("amount", Arc::new(Decimal128Array::from_iter_values(amounts).with_precision_and_scale(12, 2).unwrap())),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from_iter(ids.iter().map(|id| (id % 3 != 0).then_some(id * 86_400_000_001)))
                    .with_timezone("UTC"),
            ),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(ids.iter().map(|id| i32::try_from(*id % 20_000).unwrap() - 10_000))),
        ),
        ("ok", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| (id % 3 != 0).then_some(id % 2 == 0))))),
        (
            "rate",
            Arc::new(Float64Array::from_iter(ids.iter().map(|id| match id % 4 {
                0 => f64::NAN,
                1 => f64::NEG_INFINITY,
                _ => 0.1 * f64::from(i32::try_from(*id).unwrap()),
            }))),
        ),
        ("raw", Arc::new(BinaryArray::from_iter_values(ids.iter().map(|id| id.to_le_bytes())))),
        ("tags", Arc::new(tags)),
        ("rates", Arc::new(rates)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[tokio::test]
async fn a_load_of_50k_rows_comes_back_as_it_went() {
    let Some(warehouse) = open("wh_load").await else { return };
    let sql = "CREATE TABLE t (extra STRING, id BIGINT, txt STRING, amount DECIMAL(12,2), at TIMESTAMP, day DATE, ok BOOLEAN, \
        rate DOUBLE, raw BINARY, tags ARRAY<BIGINT>, rates ARRAY<DOUBLE>)";
    warehouse.execute(sql).await.unwrap();
    let all = many(50_000);
    let (schema, rows_in) = stream((0..5).map(|part| all.slice(part * 10_000, 10_000)).collect());
    let started = std::time::Instant::now();
    assert_eq!(warehouse.load(&path("t"), schema, rows_in).await.unwrap(), 50_000);
    println!("load of 50,000 rows: {:?}", started.elapsed());
    let sql = "SELECT id, txt, amount, at, day, ok, rate, raw, tags, rates FROM t ORDER BY id";
    let back = batches(&*warehouse, sql).await.unwrap();
    println!("and read: {:?}", started.elapsed());
    let back = arrow::compute::concat_batches(&back[0].schema(), &back).unwrap();
    for (index, field) in all.schema().fields().iter().enumerate() {
        assert_eq!(back.column(index).as_ref(), all.column(index).as_ref(), "{}", field.name());
    }
    assert_eq!(rows(&*warehouse, "SHOW TABLES").await.len(), 2, "nothing is left of the load");
}

#[tokio::test]
async fn a_load_is_all_or_nothing() {
    let Some(warehouse) = open("wh_atomic").await else { return };
    warehouse.execute("CREATE TABLE t (id BIGINT, txt STRING)").await.unwrap();
    let batch = |id: Vec<i64>| {
        let txt = StringArray::from(vec!["x".repeat(100); id.len()]);
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(id)) as ArrayRef), ("txt", Arc::new(txt) as _)])
            .unwrap()
    };
    // More than one statement takes, then an end.
    let good = batch((0..60_000).collect());
    let broken = WarehouseError::new(ErrorKind::Io, "prod", "the source broke");
    let rows_in = futures::stream::iter(vec![Ok(good.clone()), Err(broken.clone())]).boxed();
    assert_eq!(warehouse.load(&path("t"), good.schema(), rows_in).await.unwrap_err(), broken);
    assert_eq!(rows(&*warehouse, "SELECT COUNT(*) AS n FROM t").await, ["n", "0"]);
    for _ in 0..50 {
        if rows(&*warehouse, "SHOW TABLES").await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(rows(&*warehouse, "SHOW TABLES").await.len(), 2, "what was loaded is dropped");

    let text = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["jane@example.org"])) as ArrayRef)]);
    let (schema, rows_in) = stream(vec![text.unwrap()]);
    let error = warehouse.load(&path("t"), schema, rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    assert!(!shown(&error).contains("jane"), "{error:?}");
    let (schema, rows_in) = stream(vec![batch(vec![1])]);
    let error = warehouse.load(&path("nowhere"), schema, rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTable, "{error}");
    let strange = RecordBatch::try_from_iter([("nam", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let (schema, rows_in) = stream(vec![strange]);
    let error = warehouse.load(&path("t"), schema, rows_in).await.unwrap_err();
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("nam")), "{error}");
    assert_eq!(rows(&*warehouse, "SELECT COUNT(*) AS n FROM t").await, ["n", "0"]);
}

#[tokio::test]
async fn a_table_is_replaced_from_itself_and_merged_by_key() {
    let Some(warehouse) = open("wh_merge").await else { return };
    for sql in [
        "CREATE OR REPLACE TABLE `t` AS SELECT 1L AS `k`, 'a' AS `v`, 'kept' AS `w` UNION ALL SELECT 2L, 'b', 'kept' UNION ALL SELECT 3L, 'c', 'kept'",
        "CREATE OR REPLACE TABLE `t` AS SELECT `k`, UPPER(`v`) AS `v`, `w` FROM `t`",
        "CREATE TABLE `s` AS SELECT 1L AS `k`, 'new' AS `v`, FALSE AS `gone` UNION ALL SELECT 2L, 'B', TRUE UNION ALL SELECT 4L, 'd', FALSE UNION ALL SELECT 5L, 'e', TRUE",
        "MERGE INTO `t` AS t\nUSING `s` AS s\nON t.`k` = s.`k`\nWHEN MATCHED AND s.`gone` THEN DELETE\nWHEN MATCHED THEN UPDATE SET\n  `v` = s.`v`\nWHEN NOT MATCHED AND NOT s.`gone` THEN\n  INSERT (`k`, `v`)\n  VALUES (s.`k`, s.`v`)",
    ] {
        warehouse.execute(sql).await.unwrap();
    }
    assert_eq!(rows(&*warehouse, "SELECT * FROM t ORDER BY k").await, ["k|v|w", "1|new|kept", "3|C|kept", "4|d|"]);
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_how_to_mend_it() {
    let Some(warehouse) = open("wh_errors").await else { return };
    warehouse.execute("CREATE TABLE orders (id BIGINT, amount DECIMAL(12,2))").await.unwrap();
    let error = failure(&*warehouse, "SELECT * FROM crm.orderz").await;
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("crm.orderz")), "{error:?}");
    let error = failure(&*warehouse, "SELECT o.amont FROM orders AS o").await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("amont")), "{error:?}");
    assert!(error.hint().unwrap().contains("amount"), "{error:?}");
    let error = failure(&*warehouse, "SELEC 1").await;
    assert_eq!(error.kind(), ErrorKind::Sql, "{error:?}");
    assert!(error.message().contains("PARSE_SYNTAX_ERROR"), "{error}");
    let error = failure(&*warehouse, "SELECT CAST(v AS BIGINT) FROM VALUES ('jane@example.org') AS t(v)").await;
    assert_eq!(error.kind(), ErrorKind::Type, "{error:?}");
    assert!(!shown(&error).contains("jane") && error.message().contains("BIGINT"), "{error:?}");
    let error = failure(&*warehouse, "SELECT 1 / v FROM VALUES (0) AS t(v)").await;
    assert_eq!(error.kind(), ErrorKind::Type, "{error:?}");
    assert!(error.hint().unwrap().contains("nullif"), "{error:?}");
    let error = failure(&*warehouse, "CREATE TABLE u (id BIGINT)").await;
    assert!(error.message().contains("not a query"), "{error}");
    let error = failure(&*warehouse, "SELECT MAP('a', 1) AS pairs").await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::Type, Some("pairs")), "{error:?}");
    assert!(error.hint().unwrap().contains("TO_JSON(pairs)"), "{error:?}");
    let error = warehouse.explain("SELECT * FROM crm.orderz").await.unwrap_err();
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("crm.orderz")), "{error:?}");
}

/// How many statements with this text run at the server.
fn running(host: &str, text: &str) -> u64 {
    ask(host, &format!("running/{text}"))["running"].as_u64().unwrap()
}

/// What the server says outside the interface of Databricks.
pub fn ask(host: &str, path: &str) -> serde_json::Value {
    let address = host.trim_start_matches("http://");
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    write!(socket, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

/// Waits until so many statements with this text run.
pub async fn until(host: &str, text: &str, count: u64) {
    for _ in 0..150 {
        if running(host, text) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} statements with {text} run, not {count}", running(host, text));
}

#[tokio::test]
async fn a_statement_that_is_given_up_or_takes_too_long_is_cancelled() {
    let Some(host) = host() else { return };
    let long = |name: &str| format!("SELECT SUM(HASH(id)) AS {name} FROM RANGE(0, 1000000000000, 1, 1)");
    let warehouse = connect(target(&host, &[])).await.unwrap();
    let dropped = tokio::spawn(async move { warehouse.query(&long("given_up")).await.map(|_| ()) });
    until(&host, "given_up", 1).await;
    dropped.abort();
    until(&host, "given_up", 0).await;
    let brief = connect(target(&host, &[("statement_timeout_secs", "1")])).await.unwrap();
    let error = failure(&*brief, &long("too_long")).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.hint().unwrap().contains("statement_timeout_secs"), "{error:?}");
    until(&host, "too_long", 0).await;
}

#[tokio::test]
async fn the_place_and_its_tables_are_told() {
    let Some(warehouse) = open("wh_tables").await else { return };
    warehouse.check().await.unwrap();
    let about = warehouse.about().await.unwrap();
    assert!(about.version.starts_with("Databricks SQL (Spark 4."), "{about:?}");
    assert!(about.user.is_some() && about.now > Some(1_700_000_000_000_000), "{about:?}");
    warehouse
        .execute("CREATE TABLE orders (id BIGINT, amount DECIMAL(12,2), tags ARRAY<STRING>, extra MAP<STRING, INT>)")
        .await
        .unwrap();
    warehouse.execute("INSERT INTO orders SELECT id, 1, NULL, NULL FROM RANGE(1000)").await.unwrap();
    let columns = warehouse.describe(&path("orders")).await;
    // A column without a counterpart is described all the same.
    assert_eq!(columns.unwrap().unwrap()[3].data_type, DataType::Null);
    assert!(warehouse.describe(&path("nothing")).await.unwrap().is_none());
    let own = Discover { state_schema: "springline".to_owned(), ..Discover::default() };
    let tables = warehouse.tables(&own).await.unwrap();
    assert_eq!(tables.len(), 1, "{tables:?}");
    assert_eq!(tables[0].path, ["orders"]);
    let types: Vec<Option<&str>> = tables[0].columns.iter().map(|column| column.ty.as_deref()).collect();
    assert_eq!(types, [Some("integer"), Some("decimal(12,2)"), Some("array<string>"), None]);
    let named = Discover { schemas: vec![vec!["wh_tables".to_owned()]], ..own.clone() };
    assert_eq!(warehouse.tables(&named).await.unwrap()[0].path, ["wh_tables", "orders"]);
    let all = warehouse.tables(&Discover { all: true, ..own }).await.unwrap();
    assert!(all.iter().any(|table| table.path == ["orders"]), "{all:?}");
    let estimate = warehouse.estimate("SELECT id FROM orders WHERE id > 5").await.unwrap();
    assert!(estimate.bytes.is_some_and(|bytes| bytes > 100), "{estimate:?}");
    let plan = warehouse.explain("SELECT id FROM orders").await.unwrap();
    assert!(plan.contains("orders"), "{plan}");
}
