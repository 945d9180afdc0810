//! The embedded engine's sources: which file is which table, how CSV and JSON are typed, and what errors say.

use super::kit::{batches, column, failure, open, open_declared, path, project, rows, write};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use parquet::arrow::ArrowWriter;
use springline_warehouse::ErrorKind;
use std::{fs::File, path::Path, sync::Arc};

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn write_parquet(project: &Path, file: &str, ids: &[i64], names: &[&str]) {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]);
    let columns = [Arc::new(Int64Array::from(ids.to_vec())) as _, Arc::new(StringArray::from(names.to_vec())) as _];
    let batch = RecordBatch::try_new(Arc::new(schema), columns.to_vec()).unwrap();
    let path = project.join("data").join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn a_table_is_a_file_or_a_folder_below_its_schema() {
    let project = project();
    write(project.path(), "orders.csv", "id,amount\n1,10\n2,20\n");
    write(project.path(), "crm/customers.jsonl", "{\"id\": 1, \"name\": \"Ann\"}\n{\"id\": 2}\n");
    write_parquet(project.path(), "lake/crm/people/part-1.parquet", &[1, 2], &["a", "b"]);
    write_parquet(project.path(), "lake/crm/people/part-2.parquet", &[3], &["c"]);
    write(project.path(), "lake/crm/people/_SUCCESS", "");
    let warehouse = open(project.path()).await;
    warehouse.check().await.unwrap();
    assert_eq!(rows(&*warehouse, "SELECT sum(amount) AS s FROM orders").await, ["s", "30"]);
    let sql = "SELECT o.id, c.name FROM orders o LEFT JOIN crm.customers c ON c.id = o.id ORDER BY 1";
    assert_eq!(rows(&*warehouse, sql).await, ["id|name", "1|Ann", "2|"]);
    assert_eq!(rows(&*warehouse, "SELECT count(*) AS n FROM lake.crm.people").await, ["n", "3"]);
    // The engine reads this text as views; whoever gets rows sees plain text.
    let people = warehouse.describe(&path("lake.crm.people")).await.unwrap().unwrap();
    assert_eq!(people[1].data_type, DataType::Utf8);
    let batch = batches(&*warehouse, "SELECT name FROM lake.crm.people").await.unwrap();
    assert_eq!(batch[0].schema().field(0).data_type(), &DataType::Utf8);
}

#[tokio::test]
async fn a_changed_file_is_seen_by_the_next_query() {
    let project = project();
    let warehouse = open(project.path()).await;
    write(project.path(), "orders/a.csv", "id\n1\n");
    assert_eq!(rows(&*warehouse, "SELECT sum(id) AS s FROM orders").await, ["s", "1"]);
    write(project.path(), "orders/b.csv", "id\n5\n");
    assert_eq!(rows(&*warehouse, "SELECT sum(id) AS s FROM orders").await, ["s", "6"]);
    write(project.path(), "orders/a.csv", "id\n2\n");
    assert_eq!(rows(&*warehouse, "SELECT sum(id) AS s FROM orders").await, ["s", "7"]);
}

#[tokio::test]
async fn two_candidates_are_an_error_that_names_both() {
    let project = project();
    write(project.path(), "orders.csv", "id\n1\n");
    write_parquet(project.path(), "orders.parquet", &[1], &["a"]);
    let warehouse = open(project.path()).await;
    let error = failure(&*warehouse, "SELECT * FROM orders").await;
    assert!(error.message().contains("orders.csv") && error.message().contains("orders.parquet"), "{error}");
    assert_eq!(error.table(), Some("orders"));
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let project = project();
    std::fs::write(project.path().join("secret.csv"), "id\n1\n").unwrap();
    std::fs::create_dir(project.path().join("data/.hidden")).unwrap();
    std::fs::write(project.path().join("data/.hidden/a.csv"), "id\n1\n").unwrap();
    let warehouse = open(project.path()).await;
    for name in ["\"../secret\"", "\"..\".secret", "\"..\".\"..\".secret", "\"/etc/passwd\"", "\".hidden\".a"] {
        let error = failure(&*warehouse, &format!("SELECT * FROM {name}")).await;
        assert_eq!(error.kind(), ErrorKind::MissingTable, "{name}: {error}");
    }
    assert_eq!(warehouse.describe(&path("..") as &[String]).await.unwrap(), None);
}

#[tokio::test]
async fn csv_takes_declared_types_by_header_name() {
    let project = project();
    // Not the declared order, one column more than declared, a quoted line break, a byte order mark.
    let text = "\u{feff}amount,note,zip,seen_at,born,ok,rate\n12.50,\"a\nb\",00123,2024-01-02T03:04:05Z,2000-02-29,true,0.5\n,,,,,,\n";
    write(project.path(), "people.csv", text);
    let declared = vec![
        column("zip", DataType::Utf8),
        column("amount", DataType::Decimal128(12, 2)),
        column("seen_at", utc()),
        column("born", DataType::Date32),
        column("ok", DataType::Boolean),
        column("rate", DataType::Float64),
    ];
    let warehouse = open_declared(project.path(), vec![("people", declared.clone())]).await;
    let sql = "SELECT zip, amount, seen_at, born, ok, rate FROM people";
    let schema = warehouse.query(sql).await.unwrap().schema;
    for column in &declared {
        assert_eq!(schema.field_with_name(&column.name).unwrap().data_type(), &column.data_type);
    }
    let expected = ["zip|amount|seen_at|born|ok|rate", "00123|12.50|2024-01-02T03:04:05Z|2000-02-29|true|0.5", "|||||"];
    assert_eq!(rows(&*warehouse, sql).await, expected);
    assert_eq!(
        rows(&*warehouse, "SELECT replace(note, chr(10), '/') AS n FROM people WHERE zip IS NOT NULL").await,
        ["n", "a/b"]
    );
}

#[tokio::test]
async fn csv_files_of_one_folder_may_order_their_columns_differently() {
    let project = project();
    write(project.path(), "orders/1.csv", "id,city\n1,Paris\n");
    write(project.path(), "orders/2.csv", "city,id\nLyon,2\n");
    let declared = vec![column("id", DataType::Int64), column("city", DataType::Utf8)];
    let warehouse = open_declared(project.path(), vec![("orders", declared)]).await;
    let sql = "SELECT id, city FROM orders ORDER BY id";
    assert_eq!(rows(&*warehouse, sql).await, ["id|city", "1|Paris", "2|Lyon"]);
    write(project.path(), "orders/3.csv", "id\n3\n");
    let error = failure(&*warehouse, sql).await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("city")));
    assert!(error.message().contains("3.csv"), "{error}");
}

#[tokio::test]
async fn a_declared_column_that_the_header_lacks_is_named() {
    let project = project();
    write(project.path(), "crm/customers.csv", "id,e_mail\n1,x\n");
    let declared = vec![column("id", DataType::Int64), column("email", DataType::Utf8)];
    let warehouse = open_declared(project.path(), vec![("crm.customers", declared)]).await;
    let error = failure(&*warehouse, "SELECT id FROM crm.customers").await;
    assert_eq!(error.kind(), ErrorKind::MissingColumn);
    assert_eq!((error.table(), error.column()), (Some("crm.customers"), Some("email")));
    assert!(error.hint().unwrap().contains("e_mail"), "{error:?}");
}

#[tokio::test]
async fn a_csv_value_of_the_wrong_type_names_the_column_and_hides_the_value() {
    let project = project();
    write(project.path(), "orders.csv", "id,amount\n1,12\n2,jane@example.org\n");
    let declared = vec![column("id", DataType::Int64), column("amount", DataType::Int64)];
    let warehouse = open_declared(project.path(), vec![("orders", declared)]).await;
    let error = failure(&*warehouse, "SELECT sum(amount) FROM orders").await;
    assert_eq!((error.kind(), error.table(), error.column()), (ErrorKind::Type, Some("orders"), Some("amount")));
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    // What is not read is not parsed.
    assert_eq!(rows(&*warehouse, "SELECT count(id) AS n FROM orders").await, ["n", "2"]);
}

#[tokio::test]
async fn json_lines_take_declared_types_and_hide_values_too() {
    let project = project();
    write(
        project.path(),
        "events.ndjson",
        "{\"id\":\"00123\",\"at\":\"2024-01-02T00:00:00Z\",\"v\":1.25}\n{\"id\":\"x\"}\n",
    );
    let declared = vec![column("id", DataType::Utf8), column("at", utc()), column("v", DataType::Decimal128(10, 2))];
    let warehouse = open_declared(project.path(), vec![("events", declared)]).await;
    let expected = ["id|at|v", "00123|2024-01-02T00:00:00Z|1.25", "x||"];
    assert_eq!(rows(&*warehouse, "SELECT * FROM events ORDER BY id").await, expected);

    write(project.path(), "bad.json", "{\"id\":\"jane@example.org\"}\n");
    let warehouse = open_declared(project.path(), vec![("bad", vec![column("id", DataType::Int64)])]).await;
    let error = failure(&*warehouse, "SELECT id FROM bad").await;
    assert_eq!(error.kind(), ErrorKind::Type);
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    assert!(error.message().contains("`id`"), "{error}");

    write(project.path(), "array.json", " [{\"id\":1}]");
    let error = failure(&*warehouse, "SELECT * FROM array").await;
    assert!(error.hint().unwrap().contains("a line"), "{error:?}");
}

#[tokio::test]
async fn errors_name_target_table_and_column() {
    let project = project();
    write(project.path(), "orders.csv", "id,amount,name\n1,0,jane@example.org\n");
    let warehouse = open(project.path()).await;
    let error = failure(&*warehouse, "SELECT * FROM ordrs").await;
    assert_eq!((error.kind(), error.target(), error.table()), (ErrorKind::MissingTable, "local", Some("ordrs")));
    assert!(error.message().contains("data") && error.hint().unwrap().contains("orders"), "{error:?}");

    let error = failure(&*warehouse, "SELECT o.amout FROM orders o").await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("amout")));
    assert!(error.hint().unwrap().contains("amount"), "{error:?}");

    let error = failure(&*warehouse, "SELECT id / amount FROM orders").await;
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    let error = failure(&*warehouse, "SELECT CAST(name AS bigint) FROM orders").await;
    assert_eq!(error.kind(), ErrorKind::Type, "{error}");
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    assert_eq!(failure(&*warehouse, "SELEC 1").await.kind(), ErrorKind::Sql);
    assert_eq!(failure(&*warehouse, "SELECT nosuch(1)").await.kind(), ErrorKind::Sql);

    let empty = tempfile::tempdir().unwrap();
    let error = open(empty.path()).await.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.message().contains("data"), "{error}");
}

#[tokio::test]
async fn sources_are_never_written() {
    let project = project();
    write(project.path(), "orders.csv", "id\n1\n");
    let warehouse = open(project.path()).await;
    let outside = project.path().join("out.csv");
    for sql in [
        "CREATE TABLE orders AS SELECT 1 AS id".to_owned(),
        "CREATE TABLE crm.orders (id bigint)".to_owned(),
        "INSERT INTO orders VALUES (2)".to_owned(),
        "DROP TABLE orders".to_owned(),
        "DELETE FROM orders".to_owned(),
        "UPDATE orders SET id = 3".to_owned(),
        "CREATE SCHEMA crm".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        format!("COPY (SELECT 1) TO '{}'", outside.display()),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", outside.display()),
    ] {
        assert!(warehouse.execute(&sql).await.is_err(), "{sql}");
        assert!(warehouse.query(&sql).await.is_err(), "{sql}");
    }
    let error = warehouse.execute("INSERT INTO orders VALUES (2)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(!outside.exists());
    assert_eq!(rows(&*warehouse, "SELECT * FROM orders").await, ["id", "1"]);
}

#[tokio::test]
async fn a_plan_can_be_shown_without_running() {
    let project = project();
    write(project.path(), "orders.csv", "id\n1\n");
    let warehouse = open(project.path()).await;
    let plan =
        warehouse.explain("CREATE OR REPLACE TABLE springline.t AS SELECT id FROM orders WHERE id > 0").await.unwrap();
    assert!(plan.contains("orders.csv"), "{plan}");
    assert_eq!(warehouse.describe(&path("springline.t")).await.unwrap(), None);
}
