//! The Snowflake engine against a server of the SQL API, where `SPRINGLINE_TEST_SNOWFLAKE` names one
//! (`host=http://127.0.0.1:8080 key=/tmp/key.pem`); tests/servers/snowflake says what that server is.

use super::kit::{batches, failure, path, rows, stream};
use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use futures::{StreamExt, TryStreamExt};
use springline_warehouse::{Discover, ErrorKind, TargetConfig, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn part(name: &str) -> Option<String> {
    let Ok(server) = std::env::var("SPRINGLINE_TEST_SNOWFLAKE") else {
        let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == "snowflake"), "SPRINGLINE_TEST_SNOWFLAKE is not set");
        println!("skipped: SPRINGLINE_TEST_SNOWFLAKE is not set");
        return None;
    };
    server.split_whitespace().find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

fn target(database: &str, more: &[(&str, &str)]) -> Option<TargetConfig> {
    let mut options = BTreeMap::from([
        ("account".to_owned(), "testorg-test".to_owned()),
        ("host".to_owned(), part("host")?),
        ("database".to_owned(), database.to_owned()),
    ]);
    options.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Some(TargetConfig {
        name: "prod".to_owned(),
        engine: "snowflake".to_owned(),
        tag: "springline-test".to_owned(),
        options,
        project_dir: std::env::temp_dir(),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    })
}

async fn open(database: &str) -> Option<Arc<dyn Warehouse>> {
    let key = part("key")?;
    let config = target(database, &[("user", "tester"), ("private_key_path", &key), ("role", "LOADER")])?;
    Some(connect(config).await.unwrap())
}

/// What the server knows of the statements with a word in them.
async fn seen(word: &str) -> Vec<(String, bool, bool)> {
    let host = part("host").unwrap();
    let address = host.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /seen?word={word} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let one =
        |s: &serde_json::Value| (s["tag"].as_str().unwrap_or("").to_owned(), s["cancelled"] == true, s["done"] == true);
    body.as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn every_type_is_read_and_loaded() {
    let Some(warehouse) = open("WH_TYPES").await else { return };
    warehouse
        .execute(
            "CREATE OR REPLACE TABLE \"t\" (\"i\" BIGINT, \"d\" NUMBER(12, 2), \"f\" DOUBLE, \"b\" BOOLEAN, \"s\" VARCHAR, \
             \"day\" DATE, \"at\" TIMESTAMP_NTZ(6), \"z\" TIMESTAMP_LTZ, \"v\" VARIANT, \"x\" BINARY, \"l\" VARIANT, \"other\" VARCHAR)",
        )
        .await
        .unwrap();
    let at =
        |values: Vec<Option<i64>>| Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) as ArrayRef;
    let items = [Some("it's \\ \"é\""), None, Some("1")];
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value(items);
    list.append_null();
    let list = list.finish();
    let json = Arc::new(StringArray::from(vec![Some(r#"["it's \\ \"é\"",null,"1"]"#), None])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("i", Arc::new(Int64Array::from(vec![Some(i64::MAX), None])) as ArrayRef),
        ("d", Arc::new(Decimal128Array::from(vec![Some(-123), None]).with_precision_and_scale(12, 2).unwrap())),
        ("f", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("s", Arc::new(StringArray::from(vec![Some("it's \\ \"é\"\n?"), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(-1), None]))),
        ("at", at(vec![Some(-1), None])),
        ("z", at(vec![Some(1_709_214_072_000_001), None])),
        ("v", Arc::new(StringArray::from(vec![Some(r#"{"a":[1,"b"]}"#), None]))),
        ("x", Arc::new(BinaryArray::from(vec![Some(&[0_u8, 255][..]), None]))),
        ("l", Arc::new(list)),
    ])
    .unwrap();
    let (schema, rows_in) = stream(vec![batch.clone()]);
    assert_eq!(warehouse.load(&path("t"), schema, rows_in).await.unwrap(), 2);
    let read = batches(&*warehouse, "SELECT * FROM \"t\" ORDER BY \"i\" NULLS LAST").await.unwrap();
    let read = &read[0];
    assert_eq!(read.num_rows(), 2);
    for (name, column) in batch.schema().fields().iter().map(|f| (f.name(), batch.column_by_name(f.name()).unwrap())) {
        let back = read.column_by_name(name).unwrap();
        // A list is read as JSON.
        let column = if name == "l" { &json } else { column };
        assert_eq!(back.data_type(), column.data_type(), "{name}");
        assert_eq!(back, column, "{name}");
    }
    assert_eq!(read.column_by_name("other").unwrap().null_count(), 2);
    let columns = warehouse.describe(&path("t")).await.unwrap().unwrap();
    assert_eq!(columns.len(), 12);
    assert_eq!(columns[6].data_type, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let list = batches(&*warehouse, "SELECT ARRAY_CONSTRUCT(1, 2) AS l").await.unwrap();
    assert_eq!(list[0].column(0).as_list::<i32>().value(0).as_string::<i32>().value(1), "2");
    assert_eq!(warehouse.describe(&path("nothing")).await.unwrap(), None);
    // Of what is loaded nothing else is left behind.
    let found = warehouse.tables(&Discover::default()).await.unwrap();
    assert_eq!(found.iter().map(|table| table.path.clone()).collect::<Vec<_>>(), [path("t")]);
    let types: Vec<_> = found[0].columns.iter().map(|c| c.ty.clone().unwrap_or_default()).collect();
    assert_eq!(&types[..7], ["integer", "decimal(12,2)", "float", "boolean", "string", "date", "timestamp"]);
}

#[tokio::test]
async fn a_null_instant_is_null_alone_and_among_others() {
    let Some(warehouse) = open("WH_NULLS").await else { return };
    let sql = "SELECT CAST(NULL AS TIMESTAMP_NTZ) AS a, CAST(NULL AS TIMESTAMP_LTZ) AS b";
    let one = batches(&*warehouse, sql).await.unwrap();
    assert_eq!((one[0].column(0).null_count(), one[0].column(1).null_count()), (1, 1));
    let sql = "SELECT CAST(v AS TIMESTAMP_NTZ) AS a FROM (SELECT '1969-12-31 23:59:59.25' AS v UNION ALL SELECT NULL) ORDER BY 1";
    let two = batches(&*warehouse, sql).await.unwrap();
    let values: Vec<_> = two[0].column(0).as_primitive::<TimestampMicrosecondType>().iter().collect();
    assert_eq!(values, [Some(-750_000), None]);
}

#[tokio::test]
async fn many_partitions_are_read_one_after_the_other() {
    let Some(warehouse) = open("WH_PARTS").await else { return };
    let sql = "SELECT CAST(SEQ4() AS BIGINT) AS n FROM TABLE(GENERATOR(ROWCOUNT => 12345)) ORDER BY n";
    let parts = batches(&*warehouse, sql).await.unwrap();
    assert!(parts.len() > 20, "{}", parts.len());
    let all: Vec<i64> = parts.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(all, (0..12345).collect::<Vec<i64>>());
    assert_eq!(rows(&*warehouse, "SELECT 1 AS a WHERE FALSE").await, ["A"]);
}

#[tokio::test]
async fn many_rows_are_loaded_or_none() {
    let Some(warehouse) = open("WH_LOAD").await else { return };
    warehouse.execute("CREATE OR REPLACE TABLE \"t\" (\"id\" BIGINT, \"name\" VARCHAR)").await.unwrap();
    let batch = |from: i64, names: &str| {
        let ids: Vec<i64> = (from..from + 10_000).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("{names}{id}")).collect();
        let columns: [(&str, ArrayRef); 2] =
            [("name", Arc::new(StringArray::from(names))), ("id", Arc::new(Int64Array::from(ids)))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let (schema, rows_in) = stream((0..7).map(|i| batch(i * 10_000, "n")).collect());
    assert_eq!(warehouse.load(&path("t"), Arc::clone(&schema), rows_in).await.unwrap(), 70_000);
    let count = "SELECT COUNT(*) AS n, COUNT(DISTINCT \"id\") AS m, MAX(\"name\") AS x FROM \"t\"";
    assert_eq!(rows(&*warehouse, count).await, ["N|M|X", "70000|70000|n9999"]);
    // The rows break off half way, or one does not fit.
    let broken = (0..7).map(move |i| match i {
        5 => Err(WarehouseError::new(ErrorKind::Io, "other", "the rows broke off")),
        _ => Ok(batch(i * 10_000, "m")),
    });
    let error = warehouse.load(&path("t"), schema, futures::stream::iter(broken).boxed()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let texts: [(&str, ArrayRef); 1] = [("id", Arc::new(StringArray::from(vec!["1", "jane@example.org"])))];
    let (schema, rows_in) = stream(vec![RecordBatch::try_from_iter(texts).unwrap()]);
    let error = warehouse.load(&path("t"), schema, rows_in).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type, "{error:?}");
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    assert_eq!(rows(&*warehouse, count).await[1], "70000|70000|n9999");
}

#[tokio::test]
async fn a_long_statement_is_awaited_and_carries_the_tag() {
    let Some(warehouse) = open("WH_LONG").await else { return };
    let started = std::time::Instant::now();
    assert_eq!(rows(&*warehouse, "SELECT 7 AS a /* fault:slow WH_LONG_TAG */").await, ["A", "7"]);
    assert!(started.elapsed() > Duration::from_millis(900));
    assert_eq!(seen("WH_LONG_TAG").await, [("springline-test".to_owned(), false, true)]);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_does_it_once() {
    let Some(warehouse) = open("WH_BUSY").await else { return };
    warehouse.execute("CREATE OR REPLACE TABLE \"t\" (\"a\" BIGINT)").await.unwrap();
    assert_eq!(warehouse.execute("INSERT INTO \"t\" VALUES (1) /* fault:busy */").await.unwrap(), 1);
    assert_eq!(rows(&*warehouse, "SELECT COUNT(*) AS n FROM \"t\"").await, ["N", "1"]);
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled() {
    let Some(warehouse) = open("WH_CANCEL").await else { return };
    let sql = "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 100000)) a, TABLE(GENERATOR(ROWCOUNT => 1000000)) b /* WH_CANCEL_ME */";
    let waiting = tokio::time::timeout(Duration::from_millis(800), warehouse.query(sql)).await;
    assert!(waiting.is_err(), "the statement is long");
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if seen("WH_CANCEL_ME").await.iter().all(|(_, cancelled, done)| *cancelled && *done) {
            return;
        }
    }
    panic!("it still runs: {:?}", seen("WH_CANCEL_ME").await);
}

#[tokio::test]
async fn a_statement_that_is_cancelled_at_the_server_says_so() {
    let Some(warehouse) = open("WH_STOPPED").await else { return };
    let sql = "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 100000)) a, TABLE(GENERATOR(ROWCOUNT => 1000000)) b /* WH_STOP_ME */";
    let stop = async {
        while seen("WH_STOP_ME&stop=1").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (error, ()) = tokio::join!(failure(&*warehouse, sql), stop);
    assert_eq!((error.kind(), error.message()), (ErrorKind::Timeout, "the statement was cancelled at Snowflake"));
    assert!(error.hint().unwrap().contains("QUERY_HISTORY"), "{error:?}");
}

#[tokio::test]
async fn a_statement_whose_time_is_over_names_the_option() {
    let Some(warehouse) = open("WH_TIME").await else { return };
    let error = failure(&*warehouse, "SELECT 1 /* fault:timeout */").await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("timeout of 1 second(s) and was canceled"), "{error:?}");
    assert!(error.hint().unwrap().contains("`statement_timeout_secs`"), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_result_is_made_again_or_an_error() {
    let Some(warehouse) = open("WH_CUT").await else { return };
    let numbers = "SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 1000))";
    let all = batches(&*warehouse, &format!("{numbers} /* fault:cut */")).await.unwrap();
    assert_eq!(all.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [50, 500, 450]);
    for (fault, word) in [("gone", "Snowflake at http://127.0.0.1"), ("damage", "damaged")] {
        let mut answer = warehouse.query(&format!("{numbers} /* fault:{fault} */")).await.unwrap().stream;
        assert_eq!(answer.try_next().await.unwrap().unwrap().num_rows(), 50);
        let error = answer.try_next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
        assert!(error.message().contains(word) && error.hint().unwrap().contains("the network"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named_with_the_grant() {
    let Some(warehouse) = open("WH_MISSING").await else { return };
    warehouse.execute("CREATE OR REPLACE TABLE \"orders\" (\"amount\" BIGINT)").await.unwrap();
    let error = failure(&*warehouse, "SELECT * FROM \"ordrs\"").await;
    assert_eq!((error.kind(), error.target(), error.table()), (ErrorKind::MissingTable, "prod", Some("ordrs")));
    assert!(error.hint().unwrap().contains("GRANT SELECT ON TABLE ordrs TO ROLE \"LOADER\""), "{error:?}");
    let error = failure(&*warehouse, "SELECT \"amout\" FROM \"orders\"").await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("amout")));
    // The double takes no more than Snowflake does.
    for sql in ["SELEC 1", "SELECT EPOCH(1)", "SELECT COUNT(*) FILTER (WHERE TRUE) FROM \"orders\""] {
        assert_eq!(failure(&*warehouse, sql).await.kind(), ErrorKind::Sql, "{sql}");
    }
    let batch = RecordBatch::try_from_iter([("nope", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    for (table, kind) in [("orders", ErrorKind::MissingColumn), ("ordrs", ErrorKind::MissingTable)] {
        let (schema, rows_in) = stream(vec![batch.clone()]);
        assert_eq!(warehouse.load(&path(table), schema, rows_in).await.unwrap_err().kind(), kind);
    }
    let config = target("WH_MISSING", &[("token", "good-token"), ("role", "NOBODY")]).unwrap();
    let error = failure(&*connect(config).await.unwrap(), "SELECT 1").await;
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(
        error.hint().unwrap().contains("GRANT USAGE, CREATE TABLE ON SCHEMA PUBLIC TO ROLE \"NOBODY\""),
        "{error:?}"
    );
}

#[tokio::test]
async fn values_and_secrets_are_never_repeated() {
    let Some(warehouse) = open("WH_VALUES").await else { return };
    let error = failure(&*warehouse, "SELECT CAST(v AS BIGINT) FROM (SELECT 'jane@example.org' AS v)").await;
    assert_eq!(error.kind(), ErrorKind::Type, "{error:?}");
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    for (token, hint) in [("expired-token", "get a new token"), ("wrong-token", "`token_type`")] {
        let config = target("WH_VALUES", &[("token", token)]).unwrap();
        let error = connect(config).await.unwrap().check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
        assert!(!format!("{error:?}").contains(token), "{error:?}");
    }
    let other = std::env::temp_dir().join(format!("springline_{}.pem", std::process::id()));
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-out"])
        .arg(&other)
        .output()
        .unwrap();
    assert!(made.status.success());
    let config = target("WH_VALUES", &[("user", "tester"), ("private_key_path", other.to_str().unwrap())]).unwrap();
    let error = connect(config).await.unwrap().check().await.unwrap_err();
    std::fs::remove_file(other).unwrap();
    assert!(error.message().contains("user `tester`") && error.hint().unwrap().contains("RSA_PUBLIC_KEY"), "{error:?}");
}

#[tokio::test]
async fn it_says_what_it_is_and_what_a_query_reads() {
    let Some(warehouse) = open("WH_ABOUT").await else { return };
    let about = warehouse.about().await.unwrap();
    assert!(about.version.starts_with("Snowflake "), "{about:?}");
    assert!(about.now.unwrap() > 1_700_000_000_000_000, "{about:?}");
    let estimate = warehouse.estimate("SELECT 1").await.unwrap();
    assert_eq!((estimate.bytes, estimate.partitions), (Some(1024), Some(1)));
    assert!(warehouse.explain("SELECT 1").await.unwrap().contains("GlobalStats"));
    assert_eq!(failure(&*warehouse, "SELECT * FROM nothing").await.kind(), ErrorKind::MissingTable);
}

#[tokio::test]
async fn ways_to_log_in_that_cannot_work_are_refused_before_anything_is_sent() {
    let config = |more: &[(&str, &str)]| {
        let options = [("account", "a"), ("database", "D")].iter().chain(more);
        let options = options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TargetConfig {
            name: "prod".to_owned(),
            engine: "snowflake".to_owned(),
            tag: String::new(),
            options,
            project_dir: std::env::temp_dir(),
            state_schema: "springline".to_owned(),
            declared: Vec::new(),
        }
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (options, word) in [
        (&[][..], "needs a private key or a token"),
        (&[("private_key", "hunter2"), ("user", "u")], "PKCS#8"),
        (&[("private_key", encrypted), ("user", "u")], "encrypted"),
        (&[("private_key", "hunter2")], "`user` is missing"),
        (&[("private_key", "hunter2"), ("token", "hunter2")], "both given"),
        (&[("token", "hunter2"), ("token_type", "odd")], "token_type"),
    ] {
        let Err(error) = connect(config(options)).await else { panic!("{word}: should be refused") };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(word), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
