//! The engines and data that tests need, and the referee.
//!
//! An engine that is not there makes its tests say so and pass, except where
//! `SPRINGLINE_REQUIRE_ENGINES` names it: there they fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::Value;
use springline_warehouse::{Column, TargetConfig, connect};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the root").to_owned()
}

fn missing(engine: &str, why: &str) {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == engine), "{engine} is required, but {why}");
    println!("skipped: {engine}: {why}");
}

/// The folder of the real data sets.
pub fn data_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("SPRINGLINE_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if dir.join("complete-journey").is_dir() {
        return dir.canonicalize().ok();
    }
    missing("duckdb", &format!("there is no complete-journey in {}", dir.display()));
    None
}

/// The options of a new, empty database of the test server.
pub fn postgres() -> Option<BTreeMap<String, String>> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("SPRINGLINE_TEST_POSTGRES") else {
        missing("postgres", "SPRINGLINE_TEST_POSTGRES is not set; `tests/run` starts a server and sets it");
        return None;
    };
    let part = |name: &str| {
        let value = server.split_whitespace().find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("SPRINGLINE_TEST_POSTGRES has no {name}=")).to_owned()
    };
    let database = format!("springline_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let status = Command::new("psql")
        .args(["-X", "-q", "-h", &part("host"), "-p", &part("port"), "-U", &part("user"), "-d", &part("dbname")])
        .args(["-c", &format!("CREATE DATABASE {database}")])
        .status()
        .expect("psql starts");
    assert!(status.success(), "a database can be made");
    let options = [("host", part("host")), ("port", part("port")), ("user", part("user")), ("database", database)];
    let mut options: BTreeMap<String, String> = options.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    options.insert("password".to_owned(), "unused".to_owned());
    Some(options)
}

/// The environment that the examples' `pg` target reads.
pub fn postgres_env(options: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    [("PGHOST", "host"), ("PGPORT", "port"), ("PGUSER", "user"), ("PGPASSWORD", "password"), ("PGDATABASE", "database")]
        .map(|(name, option)| (name, options[option].clone()))
        .into()
}

fn config(
    name: &str,
    engine: &str,
    options: BTreeMap<String, String>,
    declared: Vec<(Vec<String>, Vec<Column>)>,
) -> TargetConfig {
    TargetConfig {
        name: name.to_owned(),
        engine: engine.to_owned(),
        options,
        project_dir: std::env::temp_dir(),
        state_schema: "springline".to_owned(),
        declared,
    }
}

/// Copies the tables that a project declares from its folder of files into Postgres, under the same
/// names and with the declared types.
pub async fn load_into_postgres(project: &Path, data: &Path, options: &BTreeMap<String, String>) {
    let tables = declared_tables(project);
    let declared = tables.iter().map(|(table, columns)| {
        let columns =
            columns.iter().map(|(name, ty)| Column { name: name.clone(), data_type: arrow_type(ty), nullable: true });
        (vec![table.clone()], columns.collect())
    });
    let source = BTreeMap::from([("path".to_owned(), data.display().to_string())]);
    let files = connect(config("files", "datafusion", source, declared.collect())).await.expect("the folder opens");
    let postgres = connect(config("pg", "postgres", options.clone(), Vec::new())).await.expect("Postgres answers");
    for (table, columns) in &tables {
        let list: Vec<String> = columns.iter().map(|(name, ty)| format!("\"{name}\" {}", postgres_type(ty))).collect();
        let create = format!("CREATE TABLE \"{table}\" ({})", list.join(", "));
        postgres.execute(&create).await.unwrap_or_else(|e| panic!("{create}: {e}"));
        let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let rows = files.query(&format!("SELECT {} FROM \"{table}\"", names.join(", "))).await;
        let rows = rows.unwrap_or_else(|e| panic!("{table}: {e}"));
        postgres
            .load(std::slice::from_ref(table), rows.schema, rows.stream)
            .await
            .unwrap_or_else(|e| panic!("{table}: {e}"));
        postgres.execute(&format!("ANALYZE \"{table}\"")).await.expect("the table is analysed");
    }
}

/// The tables of a project and their columns' types, read from its YAML and its catalog lock without the help of our
/// own reader.
fn declared_tables(project: &Path) -> Vec<(String, Vec<(String, String)>)> {
    let file = Some(project.join("models/sources.yaml")).filter(|path| path.exists());
    let text = std::fs::read_to_string(file.unwrap_or_else(|| project.join("springline.yaml"))).expect("the sources");
    let file: Value = serde_saphyr::from_str(&text).expect("the sources are YAML");
    let lock: Value = match std::fs::read_to_string(project.join("catalog.lock.yaml")) {
        Ok(text) => serde_saphyr::from_str(&text).expect("the lock is YAML"),
        Err(_) => Value::Null,
    };
    let sources = file["sources"].as_array().expect("a list of sources");
    sources.iter().map(|source| declared_table(source, &lock)).collect()
}

fn declared_table(source: &Value, lock: &Value) -> (String, Vec<(String, String)>) {
    let table = source["table"].as_str().expect("a table");
    let locked = &lock["tables"][table]["columns"];
    let column = |(name, value): (&String, &Value)| {
        let declared = value.as_str().or_else(|| value["type"].as_str());
        let ty = declared.or_else(|| locked[name].as_str()).unwrap_or_else(|| panic!("{table}.{name} has no type"));
        (name.clone(), ty.trim_end_matches(" not null").to_owned())
    };
    let columns = source["columns"].as_object().or_else(|| locked.as_object()).expect("columns");
    (table.to_owned(), columns.iter().map(column).collect())
}

fn arrow_type(ty: &str) -> DataType {
    match ty {
        "boolean" => DataType::Boolean,
        "integer" => DataType::Int64,
        "float" => DataType::Float64,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "string" | "json" => DataType::Utf8,
        decimal => {
            let digits = decimal.trim_start_matches("decimal(").trim_end_matches(')');
            let (precision, scale) = digits.split_once(',').unwrap_or_else(|| panic!("no Arrow type for {decimal}"));
            DataType::Decimal128(precision.trim().parse().expect("a precision"), scale.trim().parse().expect("a scale"))
        }
    }
}

fn postgres_type(ty: &str) -> &str {
    match ty {
        "integer" => "bigint",
        "float" => "double precision",
        "timestamp" => "timestamptz",
        "string" => "text",
        other => other,
    }
}

/// The sizes and key hashes that hand-written SQL gives on DuckDB, by segment.
pub fn oracle(data: &Path, queries: &str) -> Option<BTreeMap<String, (u64, String)>> {
    let Some(python) = std::env::var_os("SPRINGLINE_PYTHON") else {
        missing("duckdb", "SPRINGLINE_PYTHON is not set; `tests/run` installs DuckDB and sets it");
        return None;
    };
    let root = root().join("tests/oracle");
    let output = Command::new(python)
        .arg(root.join("run.py"))
        .arg(data)
        .arg(root.join(queries))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).expect("the referee prints JSON");
    let read = |v: Value| (v["count"].as_u64().expect("a count"), v["md5"].as_str().expect("a hash").to_owned());
    Some(all.into_iter().map(|(name, value)| (name, read(value))).collect())
}
