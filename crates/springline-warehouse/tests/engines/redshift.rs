//! The Redshift engine against Postgres with Redshift's functions: types, loads, the catalogue, plans.

use super::kit::{batches, path, rows, stream};
use arrow::{
    array::*,
    datatypes::{DataType, TimeUnit},
};
use futures::{StreamExt, stream as streams};
use springline_warehouse::{Discover, ErrorKind, TargetConfig, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

const FUNCTIONS: &str = include_str!("../../../../tests/servers/redshift/functions.sql");

/// The options of a database with Redshift's functions, or `None` after saying that the test is skipped.
pub async fn server() -> Option<BTreeMap<String, String>> {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default().contains("redshift");
    let Ok(dsn) = std::env::var("SPRINGLINE_TEST_REDSHIFT") else {
        assert!(!required, "SPRINGLINE_REQUIRE_ENGINES names redshift but SPRINGLINE_TEST_REDSHIFT is not set");
        println!("skipped: redshift (SPRINGLINE_TEST_REDSHIFT is not set)");
        return None;
    };
    let database = format!("wh_redshift_{}", std::process::id());
    MADE.get_or_init(|| async {
        run(&dsn, &format!("DROP DATABASE IF EXISTS {database}")).await;
        run(&dsn, &format!("CREATE DATABASE {database}")).await;
        run(&format!("{dsn} dbname={database}"), FUNCTIONS).await;
    })
    .await;
    let option = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut options: BTreeMap<String, String> = dsn.split_whitespace().filter_map(option).collect();
    options.remove("dbname");
    options.extend([("database".to_owned(), database), ("sslmode".to_owned(), "disable".to_owned())]);
    Some(options)
}

async fn run(dsn: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.unwrap();
    let open = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    open.await.unwrap().unwrap();
}

/// A target on the server, with options changed.
pub fn target(mut options: BTreeMap<String, String>, changes: &[(&str, &str)]) -> TargetConfig {
    options.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    TargetConfig {
        name: "prod".to_owned(),
        engine: "redshift".to_owned(),
        tag: "springline-test".to_owned(),
        options,
        project_dir: PathBuf::from("/project"),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    }
}

/// A connection and a schema of its own.
pub async fn open(schema: &str) -> Option<Arc<dyn Warehouse>> {
    let warehouse = connect(target(server().await?, &[])).await.unwrap();
    warehouse.execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    Some(warehouse)
}

#[tokio::test]
async fn types_arrive_exactly_with_their_nulls() {
    let Some(warehouse) = open("rs_types").await else { return };
    warehouse.check().await.unwrap();
    let sql = "CREATE TABLE rs_types.t (b boolean NOT NULL, i2 smallint, i4 integer, i8 bigint, f4 real, \
        f8 double precision, n decimal(12,2), v varchar(9), c char(3), d date, ts timestamp, tz timestamptz, s super); \
        INSERT INTO rs_types.t VALUES (true, -2, 4, 8, 1.5, 0.1, -1234567890.12, 'it''s \\\\', 'c', '1969-12-31', \
        '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+02', JSON_PARSE('{\"a\": 1.50}')); \
        INSERT INTO rs_types.t (b) VALUES (false)";
    assert_eq!(warehouse.execute(sql).await.unwrap(), 2);
    let instant = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let expected = [
        DataType::Boolean,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(12, 2),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Date32,
        instant(None),
        instant(Some("UTC")),
        DataType::Utf8,
    ];
    let described = warehouse.describe(&path("rs_types.t")).await.unwrap().unwrap();
    assert_eq!(described.iter().map(|column| column.data_type.clone()).collect::<Vec<_>>(), expected);
    assert!(!described[0].nullable && described[1..].iter().all(|column| column.nullable));
    assert_eq!(warehouse.describe(&path("rs_types.u")).await.unwrap(), None);
    let lines = rows(&*warehouse, "SELECT * FROM rs_types.t ORDER BY b DESC").await;
    let first = "true|-2|4|8|1.5|0.1|-1234567890.12|it's \\|c|1969-12-31|2024-01-02T03:04:05.678901|\
        2024-01-02T01:04:05Z|{\"a\":1.5}";
    assert_eq!(lines[1], first);
    assert_eq!(lines[2], format!("false{}", "|".repeat(12)));
}

fn many(count: i64) -> RecordBatch {
    let ids: Vec<i64> = (0..count).collect();
    let text = |id: &i64| (id % 7 != 0).then(|| format!("it's\t line\n back\\slash {id} \\' é"));
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
        ("day", Arc::new(Date32Array::from_iter_values(ids.iter().map(|id| (*id % 20_000) as i32 - 10_000)))),
        ("ok", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| (id % 3 != 0).then_some(id % 2 == 0))))),
        ("rate", Arc::new(Float64Array::from_iter(ids.iter().map(|id| (id % 4 != 0).then_some(0.1 * *id as f64))))),
        ("tags", Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("[\"a\\\"b\\\\\",{id}]"))))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

const LOADED: &str = "(id bigint, txt varchar(100), amount decimal(12,2), at timestamptz, day date, ok boolean, \
    rate double precision, tags super)";

#[tokio::test]
async fn a_load_of_50k_rows_comes_back_as_it_went() {
    let Some(warehouse) = open("rs_load").await else { return };
    warehouse.execute(&format!("CREATE TABLE rs_load.t {LOADED}")).await.unwrap();
    let batch = many(50_000);
    let (schema, rows_in) = stream((0..5).map(|n| batch.slice(n * 10_000, 10_000)).collect());
    assert_eq!(warehouse.load(&path("rs_load.t"), Arc::clone(&schema), rows_in).await.unwrap(), 50_000);
    let back = batches(&*warehouse, "SELECT * FROM rs_load.t ORDER BY id").await.unwrap();
    assert_eq!(arrow::compute::concat_batches(&schema, &back).unwrap(), batch);
    // Nothing at all is a load too.
    let (schema, none) = stream(vec![batch.slice(0, 0)]);
    assert_eq!(warehouse.load(&path("rs_load.t"), schema, none).await.unwrap(), 0);
}

#[tokio::test]
async fn a_load_that_fails_leaves_nothing() {
    let Some(warehouse) = open("rs_none").await else { return };
    warehouse.execute(&format!("CREATE TABLE rs_none.t {LOADED}")).await.unwrap();
    let batch = many(8_000);
    let lost = || WarehouseError::new(ErrorKind::Io, "prod", "the rows were lost");
    let broken = streams::iter([Ok(batch.clone()), Err(lost())]).boxed();
    let error = warehouse.load(&path("rs_none.t"), batch.schema(), broken).await.unwrap_err();
    assert!(error.message().contains("lost"), "{error}");
    let long = StringArray::from_iter_values(["x".repeat(101)]);
    let long = RecordBatch::try_from_iter([("txt", Arc::new(long) as ArrayRef)]).unwrap();
    let (schema, rows_in) = stream(vec![long]);
    let error = warehouse.load(&path("rs_none.t"), schema, rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    let other = RecordBatch::try_from_iter([("nope", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    for (table, kind) in [("rs_none.t", ErrorKind::MissingColumn), ("rs_none.u", ErrorKind::MissingTable)] {
        let (schema, rows_in) = stream(vec![other.clone()]);
        assert_eq!(warehouse.load(&path(table), schema, rows_in).await.unwrap_err().kind(), kind);
    }
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM rs_none.t").await, ["n", "0"]);
}

#[tokio::test]
async fn tables_are_found_with_their_types_and_keys() {
    let Some(warehouse) = open("rs_found").await else { return };
    let sql = "CREATE TABLE rs_found.\"Orders\" (id bigint PRIMARY KEY, amount decimal(12,2), note varchar(40), at timestamptz, \
        day date, profile super); INSERT INTO rs_found.\"Orders\" VALUES (1), (2); \
        CREATE VIEW rs_found.large AS SELECT id FROM rs_found.\"Orders\"; ANALYZE rs_found.\"Orders\"";
    warehouse.execute(sql).await.unwrap();
    let discover =
        Discover { schemas: vec![vec!["rs_found".to_owned()]], all: false, state_schema: "springline".to_owned() };
    let found = warehouse.tables(&discover).await.unwrap();
    assert_eq!(
        found.iter().map(|table| table.path.join(".")).collect::<Vec<_>>(),
        ["rs_found.Orders", "rs_found.large"]
    );
    assert_eq!((found[0].rows, found[0].primary_key.as_slice()), (Some(2), ["id".to_owned()].as_slice()));
    assert_eq!((found[1].rows, found[1].primary_key.len()), (None, 0));
    let columns = |n: usize| -> Vec<(String, Option<String>, bool)> {
        found[n].columns.iter().map(|c| (c.name.clone(), c.ty.clone(), c.nullable)).collect()
    };
    let column = |name: &str, ty: &str, nullable| (name.to_owned(), Some(ty.to_owned()), nullable);
    let expected = vec![
        column("id", "integer", false),
        column("amount", "decimal(12,2)", true),
        column("note", "string", true),
        column("at", "timestamp", true),
        column("day", "date", true),
        column("profile", "json", true),
    ];
    assert_eq!(columns(0), expected);
    assert_eq!(columns(1), [column("id", "integer", true)]);
}

#[tokio::test]
async fn a_plan_tells_the_rows_and_bytes_of_its_scans() {
    let Some(warehouse) = open("rs_plan").await else { return };
    let sql = "CREATE TABLE rs_plan.t AS SELECT g AS id FROM generate_series(1, 1000) AS g; ANALYZE rs_plan.t";
    warehouse.execute(sql).await.unwrap();
    let sql = "SELECT count(*) AS n FROM rs_plan.t AS a JOIN rs_plan.t AS b ON a.id = b.id";
    let estimate = warehouse.estimate(sql).await.unwrap();
    assert_eq!((estimate.rows, estimate.bytes), (Some(2000), Some(8000)));
    assert!(warehouse.explain(sql).await.unwrap().contains("Seq Scan on t"));
    assert_eq!(warehouse.estimate("SELECT 1; DROP TABLE rs_plan.t").await.unwrap_err().kind(), ErrorKind::Sql);
}

#[tokio::test]
async fn the_server_tells_its_version_user_and_time() {
    let Some(options) = server().await else { return };
    let user = options["user"].clone();
    let about = connect(target(options, &[])).await.unwrap().about().await.unwrap();
    assert!(!about.version.is_empty());
    assert_eq!(about.user, Some(user));
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    assert!(i128::from(about.now.unwrap()).abs_diff(here as i128) < 60_000_000);
}
