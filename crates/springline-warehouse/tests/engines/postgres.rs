//! The Postgres engine against a real server: types, streams, loads, scripts.

use super::kit::{path, rows, stream};
use arrow::{
    array::*,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use futures::{StreamExt, TryStreamExt};
use springline_warehouse::{ErrorKind, TargetConfig, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// The test server's options, or `None` after saying that the test is skipped.
pub fn server() -> Option<BTreeMap<String, String>> {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default().contains("postgres");
    let Ok(dsn) = std::env::var("SPRINGLINE_TEST_POSTGRES") else {
        assert!(!required, "SPRINGLINE_REQUIRE_ENGINES names postgres but SPRINGLINE_TEST_POSTGRES is not set");
        println!("skipped: postgres (SPRINGLINE_TEST_POSTGRES is not set)");
        return None;
    };
    let option = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("name=value");
        let name = if name == "dbname" { "database" } else { name };
        (name.to_owned(), value.to_owned())
    };
    Some(dsn.split_whitespace().map(option).collect())
}

/// A target on the server, with options changed.
pub fn target(mut options: BTreeMap<String, String>, changes: &[(&str, &str)]) -> TargetConfig {
    options.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    TargetConfig {
        name: "prod".to_owned(),
        engine: "postgres".to_owned(),
        tag: "springline-test".to_owned(),
        options,
        project_dir: PathBuf::from("/project"),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    }
}

/// A connection and a schema of its own, emptied first.
pub async fn open(schema: &str) -> Option<Arc<dyn Warehouse>> {
    let warehouse = connect(target(server()?, &[])).await.unwrap();
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    warehouse.execute(&sql).await.unwrap();
    Some(warehouse)
}

fn utc(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

#[tokio::test]
async fn types_arrive_exactly_with_their_nulls() {
    let Some(warehouse) = open("wh_types").await else { return };
    warehouse.check().await.unwrap();
    let sql = "CREATE TYPE wh_types.mood AS ENUM ('ok', 'bad'); CREATE TABLE wh_types.t (b bool NOT NULL, i2 int2, i4 int4, i8 int8, \
        f4 float4, f8 float8, n numeric(12,2), free numeric, t text, v varchar(9), c char(3), u uuid, d date, ts timestamp, \
        tz timestamptz, j json, jb jsonb, by bytea, ta text[], ia bigint[], m wh_types.mood, \"Odd \"\"name\" text); \
        INSERT INTO wh_types.t VALUES (true, -2, 4, 8, 1.5, 0.1, -1234567890.12, 12.3456789015, 'é', 'v', 'c', \
        '00000000-0000-0000-0000-00000000000f', '1969-12-31', '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+02', \
        '{\"a\": 1}', '{\"a\":1}', '\\x00ff', ARRAY['x', NULL, 'y'], ARRAY[1,2], 'ok', 'odd'); INSERT INTO wh_types.t (b) VALUES (false)";
    assert_eq!(warehouse.execute(sql).await.unwrap(), 2);
    let answer = warehouse.query("SELECT * FROM wh_types.t ORDER BY b DESC").await.unwrap();
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let expected = [
        DataType::Boolean,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(12, 2),
        DataType::Decimal128(38, 9),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Date32,
        utc(None),
        utc(Some("UTC")),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Binary,
        list(DataType::Utf8),
        list(DataType::Int64),
        DataType::Utf8,
        DataType::Utf8,
    ];
    let types: Vec<DataType> = answer.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, expected);
    let described = warehouse.describe(&path("wh_types.t")).await.unwrap().unwrap();
    assert_eq!(described.iter().map(|column| column.data_type.clone()).collect::<Vec<_>>(), expected);
    assert!(!described[0].nullable && described[1..].iter().all(|column| column.nullable));
    assert_eq!(described.last().unwrap().name, "Odd \"name");
    let lines = rows(&*warehouse, "SELECT * FROM wh_types.t ORDER BY b DESC").await;
    let first = "true|-2|4|8|1.5|0.1|-1234567890.12|12.345678902|é|v|c|00000000-0000-0000-0000-00000000000f|1969-12-31|\
        2024-01-02T03:04:05.678901|2024-01-02T01:04:05Z|{\"a\": 1}|{\"a\": 1}|00ff|[x, , y]|[1, 2]|ok|odd";
    assert_eq!(lines[1], first);
    assert_eq!(lines[2], format!("false{}", "|".repeat(21)));
}

#[tokio::test]
async fn numbers_keep_every_digit_and_say_so_when_they_cannot() {
    let Some(warehouse) = open("wh_numbers").await else { return };
    for (number, kind, expected) in [
        ("99999999999999999999999999999999999999", "numeric(38,0)", "99999999999999999999999999999999999999"),
        ("-0.00000000000000000000000000000000000001", "numeric(38,38)", "-0.00000000000000000000000000000000000001"),
        ("0", "numeric(10,4)", "0.0000"),
        ("10000", "numeric(10,0)", "10000"),
        ("100000000", "numeric(18,4)", "100000000.0000"),
        ("0.0001", "numeric(10,4)", "0.0001"),
        ("123456789.987654321", "numeric(18,9)", "123456789.987654321"),
        ("1300", "numeric(2,-2)", "1300"),
        ("0.0000000005", "numeric", "0.000000001"),
        ("-0.0000000005", "numeric", "-0.000000001"),
        ("0.00000000049999", "numeric", "0.000000000"),
        ("99999999999999999999999999999.123456789", "numeric", "99999999999999999999999999999.123456789"),
        ("9223372036854775807", "bigint", "9223372036854775807"),
        ("-9223372036854775808", "bigint", "-9223372036854775808"),
    ] {
        let sql = format!("SELECT ({number})::{kind} AS n");
        assert_eq!(rows(&*warehouse, &sql).await, ["n", expected], "{kind}");
    }
    for sql in [
        "SELECT 'NaN'::numeric AS amount",
        "SELECT '1e30'::numeric AS amount",
        "SELECT 'infinity'::date AS amount",
        "SELECT '-infinity'::timestamptz AS amount",
        "SELECT '1 day'::interval AS amount",
        "SELECT point(1, 2) AS amount",
    ] {
        let error = super::kit::failure(&*warehouse, sql).await;
        assert_eq!((error.kind(), error.column()), (ErrorKind::Type, Some("amount")), "{sql}: {error}");
        assert!(error.hint().unwrap().contains("CAST(amount AS text)"), "{error:?}");
    }
    // A table with such a column can still be described.
    warehouse.execute("CREATE TABLE wh_numbers.t (id int, span interval)").await.unwrap();
    let columns = warehouse.describe(&path("wh_numbers.t")).await.unwrap().unwrap();
    assert_eq!(columns[1].data_type, DataType::Null);
}

fn many(count: i64) -> RecordBatch {
    let ids: Vec<i64> = (0..count).collect();
    let text = |id: &i64| (id % 7 != 0).then(|| format!("tab\t line\n back\\slash {id} \\N é"));
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>(
        ids.iter().map(|id| (id % 5 != 0).then(|| vec![Some(*id), None])),
    );
    let tags = {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for id in &ids {
            builder.append_value([
                Some(format!("a\"b\\c,{{{id}}}")),
                None,
                Some("NULL".to_owned()),
                Some(String::new()),
            ]);
        }
        builder.finish()
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        ("txt", Arc::new(ids.iter().map(text).collect::<StringArray>())),
        (
            "amount",
            Arc::new(
                Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * -101))
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id * 86_400_000_001))
                    .with_timezone("UTC"),
            ),
        ),
        ("local", Arc::new(TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id * -86_400_000_001)))),
        ("day", Arc::new(Date32Array::from_iter_values(ids.iter().map(|id| (*id % 20_000) as i32 - 10_000)))),
        ("ok", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| (id % 3 != 0).then_some(id % 2 == 0))))),
        (
            "rate",
            Arc::new(Float64Array::from_iter(ids.iter().map(|id| match id % 4 {
                0 => f64::NAN,
                1 => f64::NEG_INFINITY,
                _ => 0.1 * *id as f64,
            }))),
        ),
        ("raw", Arc::new(BinaryArray::from_iter_values(ids.iter().map(|id| id.to_le_bytes())))),
        ("nums", Arc::new(list)),
        ("tags", Arc::new(tags)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[tokio::test]
async fn a_load_of_100k_rows_comes_back_as_it_went() {
    let Some(warehouse) = open("wh_load").await else { return };
    let sql = "CREATE TABLE wh_load.t (extra text DEFAULT 'x', id bigint, txt text, amount numeric(12,2), at timestamptz, \
        local timestamp, day date, ok bool, rate float8, raw bytea, nums bigint[], tags text[])";
    warehouse.execute(sql).await.unwrap();
    let all = many(100_000);
    let slices = (0..10).map(|part| all.slice(part * 10_000, 10_000)).collect();
    let (schema, rows_in) = stream(slices);
    let started = std::time::Instant::now();
    assert_eq!(warehouse.load(&path("wh_load.t"), schema, rows_in).await.unwrap(), 100_000);
    println!("load of 100,000 rows: {:?}", started.elapsed());
    let started = std::time::Instant::now();
    let sql = "SELECT id, txt, amount, at, local, day, ok, rate, raw, nums, tags FROM wh_load.t ORDER BY id";
    let answer = warehouse.query(sql).await.unwrap();
    let schema = Arc::clone(&answer.schema);
    let batches: Vec<RecordBatch> = answer.stream.try_collect().await.unwrap();
    println!("read of 100,000 rows: {:?}", started.elapsed());
    assert!(batches.len() > 5 && batches.iter().all(|batch| batch.num_rows() <= 8192));
    let back = arrow::compute::concat_batches(&schema, &batches).unwrap();
    assert_eq!(back.schema(), all.schema());
    for (index, field) in all.schema().fields().iter().enumerate() {
        assert_eq!(back.column(index), all.column(index), "{}", field.name());
    }
    assert_eq!(rows(&*warehouse, "SELECT DISTINCT extra AS e FROM wh_load.t").await, ["e", "x"]);
}

#[tokio::test]
async fn a_load_is_all_or_nothing() {
    let Some(warehouse) = open("wh_atomic").await else { return };
    warehouse.execute("CREATE TABLE wh_atomic.t (id bigint, txt text CHECK (txt <> 'bad'))").await.unwrap();
    let batch = |id: Vec<i64>, txt: &str| {
        let txt = StringArray::from(vec![txt; id.len()]);
        RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(id)) as ArrayRef),
            ("txt", Arc::new(txt) as ArrayRef),
        ])
        .unwrap()
    };
    let good = batch((0..50_000).collect(), "good");
    let broken = WarehouseError::new(ErrorKind::Io, "prod", "the source broke");
    let rows_in = futures::stream::iter(vec![Ok(good.clone()), Err(broken.clone())]).boxed();
    assert_eq!(warehouse.load(&path("wh_atomic.t"), good.schema(), rows_in).await.unwrap_err(), broken);
    let (schema, rows_in) = stream(vec![good.clone(), batch(vec![1], "bad"), good.clone(), good.clone()]);
    let error = warehouse.load(&path("wh_atomic.t"), schema, rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sql, "{error}");
    assert!(error.message().contains("check constraint"), "{error}");
    // Dropped half way: the call is gone, and so are its rows.
    let endless = futures::stream::iter(vec![Ok(good.clone())]).chain(futures::stream::pending()).boxed();
    let table = path("wh_atomic.t");
    let load = warehouse.load(&table, good.schema(), endless);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(500), load).await.is_err());
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM wh_atomic.t").await, ["n", "0"]);

    let text = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["jane@example.org"])) as ArrayRef)])
        .unwrap();
    let (schema, rows_in) = stream(vec![text]);
    let error = warehouse.load(&path("wh_atomic.t"), schema, rows_in).await.unwrap_err();
    assert_eq!((error.kind(), error.table(), error.column()), (ErrorKind::Type, Some("t"), Some("id")), "{error}");
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
}

#[tokio::test]
async fn queries_stream_side_by_side_also_while_a_statement_runs() {
    let Some(warehouse) = open("wh_streams").await else { return };
    let sql = |from: i64| {
        format!("SELECT g AS id, repeat('x', 100) AS txt FROM generate_series({from}, {}) AS g", from + 299_999)
    };
    let mut first = warehouse.query(&sql(1)).await.unwrap().stream;
    let mut second = warehouse.query(&sql(1_000_000)).await.unwrap().stream;
    let mut counts = [0, 0];
    while let Some(batch) = first.next().await {
        counts[0] += batch.unwrap().num_rows();
        if let Some(batch) = second.next().await {
            counts[1] += batch.unwrap().num_rows();
        }
        if counts[0] < 20_000 {
            warehouse.execute("CREATE TABLE IF NOT EXISTS wh_streams.t AS SELECT 1 AS id").await.unwrap();
        }
    }
    while let Some(batch) = second.next().await {
        counts[1] += batch.unwrap().num_rows();
    }
    assert_eq!(counts, [300_000, 300_000]);
    // A result without rows still has its columns.
    assert_eq!(rows(&*warehouse, "SELECT 1::bigint AS a, 'x' AS b WHERE false").await, ["a|b"]);
}

#[tokio::test]
async fn a_dropped_stream_ends_its_query_on_the_server() {
    let Some(warehouse) = open("wh_cancel").await else { return };
    let busy = connect(target(server().unwrap(), &[("application_name", "wh_cancel_busy")])).await.unwrap();
    // Rows come at once and for hours.
    let endless = "SELECT a.g AS id FROM generate_series(1, 100000) AS a(g), generate_series(1, 100000) AS b(g)";
    let mut open_query = busy.query(endless).await.unwrap().stream;
    assert!(open_query.next().await.unwrap().is_ok());
    drop(open_query);
    let sql =
        "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'wh_cancel_busy' AND state = 'active'";
    for _ in 0..50 {
        if rows(&*warehouse, sql).await == ["n", "0"] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the query still runs");
}

#[tokio::test]
async fn a_dropped_statement_ends_on_the_server() {
    let Some(warehouse) = open("wh_stop").await else { return };
    let busy = connect(target(server().unwrap(), &[("application_name", "wh_stop_busy")])).await.unwrap();
    let given_up = tokio::time::timeout(std::time::Duration::from_millis(300), busy.execute("SELECT pg_sleep(60)"));
    assert!(given_up.await.is_err());
    assert!(springline_warehouse::cancellations(std::time::Duration::from_secs(5)).await);
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'wh_stop_busy' AND state = 'active'";
    for _ in 0..50 {
        if rows(&*warehouse, sql).await == ["n", "0"] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the statement still runs");
}

#[tokio::test]
async fn a_script_that_fails_leaves_nothing_and_the_connection_usable() {
    let Some(warehouse) = open("wh_script").await else { return };
    warehouse.execute("CREATE TABLE wh_script.t (id int)").await.unwrap();
    let script = "BEGIN; INSERT INTO wh_script.t VALUES (1); CREATE TABLE wh_script.u (id int); INSERT INTO wh_script.t VALUES (1/0); COMMIT;";
    let error = warehouse.execute(script).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM wh_script.t").await, ["n", "0"]);
    assert_eq!(warehouse.describe(&path("wh_script.u")).await.unwrap(), None);
    let script = "BEGIN; INSERT INTO wh_script.t VALUES (1), (2); DELETE FROM wh_script.t WHERE id = 1; COMMIT;";
    assert_eq!(warehouse.execute(script).await.unwrap(), 3);
    assert_eq!(rows(&*warehouse, "SELECT id FROM wh_script.t").await, ["id", "2"]);
}

#[tokio::test]
async fn tables_are_found_by_search_path_and_by_exact_case() {
    let Some(warehouse) = open("wh_names").await else { return };
    warehouse
        .execute("CREATE TABLE wh_names.\"Orders\" (\"Id\" int); CREATE VIEW wh_names.v AS SELECT 1::bigint AS n")
        .await
        .unwrap();
    assert_eq!(warehouse.describe(&path("wh_names.orders")).await.unwrap(), None);
    assert_eq!(warehouse.describe(&path("no_such_schema.orders")).await.unwrap(), None);
    let columns = warehouse.describe(&path("wh_names.Orders")).await.unwrap().unwrap();
    assert_eq!((columns[0].name.as_str(), &columns[0].data_type), ("Id", &DataType::Int32));
    assert!(warehouse.describe(&path("wh_names.v")).await.unwrap().is_some());
    assert!(warehouse.describe(&path("pg_class")).await.unwrap().is_some());
    let plan = warehouse.explain("SELECT * FROM wh_names.\"Orders\"").await.unwrap();
    assert!(plan.contains("Scan"), "{plan}");
    let schema = Schema::new(vec![Field::new("Id", DataType::Int32, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int32Array::from(vec![7]))]).unwrap();
    let (schema, rows_in) = stream(vec![batch]);
    assert_eq!(warehouse.load(&path("wh_names.Orders"), schema, rows_in).await.unwrap(), 1);
}
