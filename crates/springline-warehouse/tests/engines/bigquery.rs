//! The BigQuery engine against a double of its REST API: what is evaluated is evaluated by Google's own ZetaSQL, what
//! is answered over HTTP is the double's. Queries ask it for trouble in a comment.

use super::kit::{batches, failure, path, rows, stream};
use arrow::{
    array::*,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use futures::StreamExt;
use springline_warehouse::{Discover, ErrorKind, TargetConfig, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// The double's options for a project of its own, or `None` after saying that the test is skipped.
pub fn server(project: &str) -> Option<BTreeMap<String, String>> {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default().contains("bigquery");
    let Ok(address) = std::env::var("SPRINGLINE_TEST_BIGQUERY") else {
        assert!(!required, "SPRINGLINE_REQUIRE_ENGINES names bigquery but SPRINGLINE_TEST_BIGQUERY is not set");
        println!("skipped: bigquery (SPRINGLINE_TEST_BIGQUERY is not set)");
        return None;
    };
    let given = address.split_whitespace().filter_map(|pair| pair.split_once('='));
    let own = [("project", project), ("dataset", "springline_test")];
    let project = format!("{project}-{}", std::process::id());
    let options = given.chain(own).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(options.chain([("project".to_owned(), project)]).collect())
}

pub fn target(options: BTreeMap<String, String>, changes: &[(&str, &str)]) -> TargetConfig {
    let changed = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    TargetConfig {
        name: "prod".to_owned(),
        engine: "bigquery".to_owned(),
        tag: "springline run/018F.Ab".to_owned(),
        options: options.into_iter().chain(changed).filter(|(_, value)| value != "-").collect(),
        project_dir: PathBuf::from("/project"),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    }
}

pub async fn open(project: &str) -> Option<Arc<dyn Warehouse>> {
    Some(connect(target(server(project)?, &[])).await.unwrap())
}

/// Asks the double itself: `jobs` tells of the jobs it has seen, `expire` ends the tokens it has given.
pub async fn double(what: &str) -> String {
    let address = std::env::var("SPRINGLINE_TEST_BIGQUERY").unwrap();
    let host = address.split_whitespace().find_map(|pair| pair.strip_prefix("endpoint=http://")).unwrap().to_owned();
    let mut socket = tokio::net::TcpStream::connect(&host).await.unwrap();
    let request = format!("GET /double/{what} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn types_arrive_exactly_with_their_nulls() {
    let Some(warehouse) = open("wh-types").await else { return };
    warehouse.check().await.unwrap();
    let sql = "SELECT * FROM (SELECT 1 AS k, TRUE AS b, 9223372036854775807 AS i, 0.1 AS f, CAST('-inf' AS FLOAT64) AS inf, \
        NUMERIC '-1234567890.123456789' AS n, BIGNUMERIC '12.3456789015' AS big, 'é' AS t, DATE '1969-12-31' AS d, \
        DATETIME '2024-01-02 03:04:05.678901' AS dt, TIMESTAMP '1899-12-31 23:59:59.999999+00' AS ts, JSON '{\"a\":1}' AS j, \
        b'\\x00\\xff' AS bin, TIME '03:04:05' AS ti, ['x', 'y'] AS texts, [1, 2] AS ints UNION ALL \
        SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) ORDER BY k";
    let answer = warehouse.query(sql).await.unwrap();
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let instant = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let expected = [
        DataType::Int64,
        DataType::Boolean,
        DataType::Int64,
        DataType::Float64,
        DataType::Float64,
        DataType::Decimal128(38, 9),
        DataType::Decimal256(76, 38),
        DataType::Utf8,
        DataType::Date32,
        instant(None),
        instant(Some("UTC")),
        DataType::Utf8,
        DataType::Binary,
        DataType::Utf8,
        list(DataType::Utf8),
        list(DataType::Int64),
    ];
    let types: Vec<DataType> = answer.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, expected);
    let lines = rows(warehouse.as_ref(), sql).await;
    assert_eq!(
        lines[1],
        "1|true|9223372036854775807|0.1|-inf|-1234567890.123456789|12.34567890150000000000000000000000000000|é|1969-12-31|2024-01-02T03:04:05.678901|\
         1899-12-31T23:59:59.999999Z|{\"a\":1}|00ff|03:04:05|[x, y]|[1, 2]"
    );
    let batch = &batches(warehouse.as_ref(), sql).await.unwrap()[0];
    assert!(batch.columns()[1..].iter().all(|column| column.is_null(1)), "{batch:?}");
}

#[tokio::test]
async fn a_result_of_many_pages_is_complete() {
    let Some(warehouse) = open("wh-pages").await else { return };
    let sql = "SELECT a * 1000 + b AS n FROM UNNEST(GENERATE_ARRAY(0, 24)) AS a \
        CROSS JOIN UNNEST(GENERATE_ARRAY(1, 1000)) AS b ORDER BY n";
    let mut answer = warehouse.query(sql).await.unwrap().stream;
    let (mut next, mut sizes) = (1, Vec::new());
    while let Some(batch) = answer.next().await {
        let batch = batch.unwrap();
        sizes.push(batch.num_rows());
        for n in batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values() {
            assert_eq!(*n, next);
            next += 1;
        }
    }
    assert_eq!(sizes, [10_000, 10_000, 5_000]);
}

#[tokio::test]
async fn a_long_job_is_waited_for_and_a_busy_server_asked_again() {
    let Some(warehouse) = open("wh-long").await else { return };
    assert_eq!(rows(warehouse.as_ref(), "SELECT 7 AS n /* double: takes 12s */").await, ["n", "7"]);
    assert_eq!(rows(warehouse.as_ref(), "SELECT 8 AS n /* double: busy */").await, ["n", "8"]);
    let answer = double("jobs").await;
    assert!(answer.contains(r#""labels":{"springline":"springline-run-018f-ab"}"#), "{answer}");
}

#[tokio::test]
async fn a_query_that_is_dropped_is_cancelled() {
    let Some(warehouse) = open("wh-drop").await else { return };
    let slow = warehouse.query("SELECT 1 /* double: takes 60s */");
    assert!(tokio::time::timeout(Duration::from_secs(2), slow).await.is_err(), "it is not done yet");
    assert!(springline_warehouse::cancellations(Duration::from_secs(5)).await);
    let (project, answer) = (format!("wh-drop-{}", std::process::id()), double("jobs").await);
    assert!(answer.contains(&format!("\"{project}.springline_")), "{answer}");
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_how_to_mend_it() {
    let Some(warehouse) = open("wh-errors").await else { return };
    let w = warehouse.as_ref();
    w.execute("CREATE OR REPLACE TABLE t AS SELECT 1 AS id, 'jane@example.org' AS email").await.unwrap();
    let error = failure(w, "SELECT * FROM nowhere").await;
    assert_eq!(error.kind(), ErrorKind::MissingTable);
    assert!(error.table().unwrap().ends_with(".springline_test.nowhere"), "{error}");
    let error = failure(w, "SELECT * FROM elsewhere.t").await;
    assert!(error.message().contains("elsewhere` does not exist here"), "{error}");
    assert!(error.hint().unwrap().contains("location"));
    let error = failure(w, "SELECT nmae FROM t").await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("nmae")));
    let error = failure(w, "SELECT FROM t").await;
    assert_eq!(error.kind(), ErrorKind::Sql);
    assert!(error.message().contains("Syntax error"), "{error}");
    let error = failure(w, "SELECT CAST(email AS INT64) FROM t").await;
    assert_eq!(error.kind(), ErrorKind::Type);
    assert!(!error.to_string().contains("jane"), "{error}");
    let error = failure(w, "SELECT 1 / (id - 1) FROM t").await;
    assert_eq!(error.kind(), ErrorKind::Type);
    assert!(error.hint().unwrap().contains("nullif"), "{error}");
    let error = failure(w, "DROP TABLE IF EXISTS nothing").await;
    assert!(error.message().contains("not a query"), "{error}");
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_without_showing_them() {
    let Some(options) = server("wh-auth") else { return };
    let check = async |changes: &[(&str, &str)]| -> WarehouseError {
        match connect(target(options.clone(), changes)).await {
            Ok(warehouse) => warehouse.check().await.unwrap_err(),
            Err(error) => error,
        }
    };
    let error = check(&[("credentials", "/nowhere/key.json")]).await;
    assert!(error.message().contains("/nowhere/key.json cannot be read"), "{error}");
    let error = check(&[("credentials", "{\"type\": \"service_account\", \"private_key\": \"s3cret\"}")]).await;
    assert!(error.message().contains("neither a service account's key"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
    let login = |secret: &str| {
        let endpoint = &options["endpoint"];
        format!(
            r#"{{"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "{secret}", "token_uri": "{endpoint}/token"}}"#
        )
    };
    let good = connect(target(options.clone(), &[("credentials", &login("double-refresh-token"))])).await.unwrap();
    good.check().await.unwrap();
    let error = check(&[("credentials", &login("s3cret"))]).await;
    assert!(error.message().contains("invalid_grant"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

fn people(from: i64, count: i64) -> RecordBatch {
    let ids: Vec<i64> = (from..from + count).collect();
    let names: Vec<Option<String>> =
        ids.iter().map(|id| (id % 3 != 0).then(|| format!("né\n\"{id}\" \\ {}", "x".repeat(60)))).collect();
    let fields = vec![Field::new("ID", DataType::Int64, false), Field::new("name", DataType::Utf8, true)];
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(names))];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[tokio::test]
async fn many_rows_are_loaded_through_a_table_of_their_own() {
    let Some(warehouse) = open("wh-load").await else { return };
    let w = warehouse.as_ref();
    w.execute("CREATE OR REPLACE TABLE people (id INT64, name STRING, more FLOAT64)").await.unwrap();
    let (schema, few) = stream(vec![people(0, 3)]);
    assert_eq!(w.load(&path("people"), schema, few).await.unwrap(), 3);
    // More than one piece of 16 MiB.
    let (schema, many) = stream((0..5).map(|i| people(3 + i * 40_000, 40_000)).collect());
    assert_eq!(w.load(&path("springline_test.people"), schema, many).await.unwrap(), 200_000);
    let sql = "SELECT COUNT(*) AS n, COUNT(name) AS named, COUNT(DISTINCT id) AS ids, COUNT(more) AS more, \
        MAX(IF(id = 1, REPLACE(SUBSTR(name, 1, 10), '\\n', '/'), NULL)) AS one FROM people";
    assert_eq!(rows(w, sql).await[1], "200003|133335|200003|0|né/\"1\" \\ x");
    let found = w.tables(&Discover::default()).await.unwrap();
    let names: Vec<String> = found.iter().map(|table| table.path.join(".")).collect();
    assert_eq!(names, ["people"], "nothing is left on the way");
    assert_eq!(found[0].rows, Some(200_003));
}

#[tokio::test]
async fn a_load_that_fails_leaves_nothing_behind() {
    let Some(warehouse) = open("wh-halfload").await else { return };
    let w = warehouse.as_ref();
    w.execute("CREATE OR REPLACE TABLE people (id INT64, name STRING)").await.unwrap();
    let broken = WarehouseError::new(ErrorKind::Io, "prod", "the source broke off");
    let schema = people(0, 1).schema();
    let half = futures::stream::iter([Ok(people(0, 100)), Err(broken)]).boxed();
    let error = w.load(&path("people"), schema.clone(), half).await.unwrap_err();
    assert_eq!(error.message(), "the source broke off");
    assert_eq!(rows(w, "SELECT COUNT(*) AS n FROM people").await[1], "0");
    let (_, one) = stream(vec![people(0, 1)]);
    let error = w.load(&path("nobody"), schema.clone(), one).await.unwrap_err();
    assert_eq!((error.kind(), error.table()), (ErrorKind::MissingTable, Some("nobody")));
    w.execute("CREATE OR REPLACE TABLE ids (id INT64)").await.unwrap();
    let (_, one) = stream(vec![people(0, 1)]);
    let error = w.load(&path("ids"), schema.clone(), one).await.unwrap_err();
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("name")));
    w.execute("CREATE OR REPLACE TABLE wrong (id INT64, name DATE)").await.unwrap();
    let (_, one) = stream(vec![people(1, 1)]);
    let error = w.load(&path("wrong"), schema, one).await.unwrap_err();
    assert_eq!((error.kind(), error.table()), (ErrorKind::Type, Some("wrong")));
    assert!(!error.to_string().contains("né"), "{error}");
}

#[tokio::test]
async fn a_statement_says_what_it_changed_and_a_query_what_it_would_read() {
    let Some(warehouse) = open("wh-state").await else { return };
    let w = warehouse.as_ref();
    w.execute("CREATE SCHEMA IF NOT EXISTS `springline`").await.unwrap();
    w.execute("CREATE SCHEMA IF NOT EXISTS `springline`").await.unwrap();
    w.execute("CREATE OR REPLACE TABLE springline.t AS SELECT 1 AS id, NUMERIC '1.5' AS amount").await.unwrap();
    assert_eq!(w.execute("INSERT INTO springline.t (id) SELECT 2 UNION ALL SELECT 3").await.unwrap(), 2);
    assert_eq!(w.execute("DELETE FROM springline.t WHERE id = 3").await.unwrap(), 1);
    let columns = w.describe(&path("springline.t")).await.unwrap().unwrap();
    assert_eq!(columns[1].data_type, DataType::Decimal128(38, 9));
    assert!(w.describe(&path("springline.nothing")).await.unwrap().is_none());
    assert_eq!(w.estimate("SELECT * FROM springline.t").await.unwrap().bytes, Some(32));
    assert!(w.explain("SELECT id FROM springline.t").await.unwrap().contains("bytes read: 32\ncolumns:\n  id INTEGER"));
    let about = w.about().await.unwrap();
    assert_eq!(about.user.as_deref(), Some("springline@double.iam.gserviceaccount.com"));
    assert!(about.now.unwrap() > 1_700_000_000_000_000);
    let all = Discover { all: true, state_schema: "springline".to_owned(), ..Discover::default() };
    assert!(w.tables(&all).await.unwrap().is_empty(), "our own tables are not found");
    let named = Discover { schemas: vec![path("springline")], ..Discover::default() };
    let found = w.tables(&named).await.unwrap();
    assert_eq!(found[0].path, path("springline.t"));
    assert_eq!((found[0].columns[0].native.as_str(), found[0].columns[0].ty.as_deref()), ("INT64", Some("integer")));
}
