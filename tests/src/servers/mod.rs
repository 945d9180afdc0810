//! The warehouses that the tests run on beside the embedded engine: one a file, each started by `tests/run`.
//!
//! A warehouse that is not there makes its tests say so and pass, except where `SPRINGLINE_REQUIRE_ENGINES` names it:
//! there they fail. `SPRINGLINE_TEST_ONLY=duckdb,postgres` leaves out all others. `SPRINGLINE_TEST_DIALECTS` names a folder
//! of dialects that are taken instead of those of the program: a dialect is tried without building anything.

mod bigquery;
mod databricks;
mod duckdb;
mod postgres;
mod redshift;
mod snowflake;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::Value;
use springline_sql::{Dialect, Files};
use springline_warehouse::{Column, TargetConfig, Warehouse, connect};
use std::sync::Arc;

use crate::engines::{copy_folder, missing};

/// A warehouse with an empty database (or schema) of its own.
pub struct Server {
    /// The engine, which is also the name of its dialect and of the target that [`Server::add_target`] writes.
    pub engine: &'static str,
    /// The target's options.
    pub options: BTreeMap<String, String>,
    /// The engine's word for a type of the model language.
    pub column_type: fn(&str) -> String,
    /// What, with a table's name after it, lets the engine count its rows for its plans; empty where nothing does.
    pub analyze: &'static str,
}

/// What starts a server's database; `None`, with a word why, where there is no such server.
type Start = fn() -> Option<Server>;

const ALL: &[(&str, Start)] = &[
    ("bigquery", bigquery::start),
    ("databricks", databricks::start),
    ("duckdb", duckdb::start),
    ("postgres", postgres::start),
    ("redshift", redshift::start),
    ("snowflake", snowflake::start),
];

/// The servers that do not bear a table of a million rows, and why: the large example is not run there.
const SMALL: &[(&str, &str)] = &[(
    "bigquery",
    "its evaluator is a reference for meaning, takes all rows of a query at once and one after another",
)];

/// All warehouses that there are.
pub fn servers() -> Vec<Server> {
    let only = std::env::var("SPRINGLINE_TEST_ONLY").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|one| one.trim() == name));
    ALL.iter().filter(|(name, _)| wanted(name)).filter_map(|(_, start)| start()).collect()
}

/// A Postgres database, for what is tested there alone.
pub fn postgres() -> Option<Server> {
    postgres::start()
}

/// Says that a server is not there, and fails where it must be.
fn absent(engine: &str, variable: &str) {
    missing(engine, &format!("{variable} is not set; `tests/run` starts a server and sets it"));
}

/// A name for a database that no other test has.
fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("springline_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    /// Why it does not bear a table of a million rows.
    pub fn too_small(&self) -> Option<&'static str> {
        SMALL.iter().find(|(engine, _)| *engine == self.engine).map(|(_, reason)| *reason)
    }

    fn variable(&self, option: &str) -> String {
        format!("SPRINGLINE_{}_{}", self.engine, option).to_uppercase()
    }

    /// The environment that the target reads.
    pub fn env(&self) -> Vec<(String, String)> {
        self.options.iter().map(|(option, value)| (self.variable(option), value.clone())).collect()
    }

    /// The target, as a line below `targets:`.
    pub fn target(&self) -> String {
        let options = self.options.keys();
        let options: String =
            options.map(|name| format!(", {name}: \"{{{{ env('{}') }}}}\"", self.variable(name))).collect();
        format!("  {}: {{ engine: {}{options} }}\n", self.engine, self.engine)
    }

    /// Adds the target to a project.
    pub fn add_target(&self, project: &Path) {
        let path = project.join("springline.yaml");
        let text = std::fs::read_to_string(&path).expect("the project's file");
        let changed = text.replacen("\ntargets:\n", &format!("\ntargets:\n{}", self.target()), 1);
        assert_ne!(text, changed, "{} has no targets", path.display());
        std::fs::write(&path, changed).expect("the project's file");
        if let Some(dialects) = tried_dialects() {
            copy_folder(&dialects, &project.join("dialects"));
        }
    }

    /// A connection.
    pub async fn connect(&self) -> Arc<dyn Warehouse> {
        let config = config(self.engine, self.engine, self.options.clone(), Vec::new());
        connect(config).await.unwrap_or_else(|e| panic!("{}: {e}", self.engine))
    }

    /// Copies the tables that a project declares from its folder of files, under the same names and with the
    /// declared types.
    pub async fn load(&self, project: &Path, data: &Path) {
        let tables = declared_tables(project);
        let source = BTreeMap::from([("path".to_owned(), data.display().to_string())]);
        let files = connect(config("files", "datafusion", source, declared(project))).await.expect("the folder opens");
        let server = self.connect().await;
        for (table, columns) in &tables {
            self.create(server.as_ref(), table, columns).await;
            let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            let rows = files.query(&format!("SELECT {} FROM \"{table}\"", names.join(", "))).await;
            let rows = rows.unwrap_or_else(|e| panic!("{table}: {e}"));
            let loaded = server.load(std::slice::from_ref(table), rows.schema, rows.stream).await;
            loaded.unwrap_or_else(|e| panic!("{}: {table}: {e}", self.engine));
            if !self.analyze.is_empty() {
                let sql = format!("{} {}", self.analyze, self.quoted(table));
                server.execute(&sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.engine));
            }
        }
    }

    /// Makes the tables that a project declares, empty.
    pub async fn create_declared(&self, project: &Path) {
        let server = self.connect().await;
        for (table, columns) in declared_tables(project) {
            self.create(server.as_ref(), &table, &columns).await;
        }
    }

    /// Makes an empty table with columns of these types of the model language.
    pub async fn create(&self, server: &dyn Warehouse, table: &str, columns: &[(String, String)]) {
        let columns: Vec<String> =
            columns.iter().map(|(name, ty)| format!("{} {}", self.quoted(name), (self.column_type)(ty))).collect();
        for sql in [
            format!("DROP TABLE IF EXISTS {}", self.quoted(table)),
            format!("CREATE TABLE {} ({})", self.quoted(table), columns.join(", ")),
        ] {
            server.execute(&sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.engine));
        }
    }

    /// Removes the database, where one is left behind.
    pub fn end(self) {
        match self.engine {
            "postgres" | "redshift" => postgres::remove(&self.options),
            "duckdb" => std::fs::remove_file(&self.options["path"]).expect("the file of the database"),
            // Gone with the server.
            _ => {}
        }
    }

    fn quoted(&self, name: &str) -> String {
        self.dialect().quote_identifier(name).expect("a name")
    }

    /// The dialect that is tried: of `SPRINGLINE_TEST_DIALECTS`, else of the program.
    pub fn dialect(&self) -> Dialect {
        let tried = |name: &str| tried_dialects().map(|folder| files_below(&folder.join(name)));
        Dialect::load(self.engine, &tried).unwrap_or_else(|e| panic!("{}: {e}", self.engine))
    }
}

fn tried_dialects() -> Option<PathBuf> {
    std::env::var_os("SPRINGLINE_TEST_DIALECTS").map(PathBuf::from)
}

/// The text of each file of a dialect's folder, by its path in there.
fn files_below(folder: &Path) -> Files {
    let mut files = Files::new();
    for sub in ["", "templates"] {
        let entries = std::fs::read_dir(folder.join(sub)).into_iter().flatten();
        for entry in entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
            let name = entry.strip_prefix(folder).expect("a path below").display().to_string();
            files.push((name, std::fs::read_to_string(&entry).expect("a text")));
        }
    }
    files
}

pub(crate) fn config(
    name: &str,
    engine: &str,
    options: BTreeMap<String, String>,
    declared: Vec<(Vec<String>, Vec<Column>)>,
) -> TargetConfig {
    TargetConfig {
        name: name.to_owned(),
        engine: engine.to_owned(),
        tag: "springline-test".to_owned(),
        options,
        project_dir: std::env::temp_dir(),
        state_schema: "springline".to_owned(),
        declared,
    }
}

/// The tables that a project declares, as those of a folder of files.
pub(crate) fn declared(project: &Path) -> Vec<(Vec<String>, Vec<Column>)> {
    let column = |(name, ty): (String, String)| Column { name, data_type: arrow_type(&ty), nullable: true };
    let tables = declared_tables(project).into_iter();
    tables.map(|(table, columns)| (vec![table], columns.into_iter().map(column).collect())).collect()
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
