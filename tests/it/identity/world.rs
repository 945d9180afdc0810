//! An engine with the tables of a case, a session on it, and what a run left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use serde_json::{Value, json};
use springline_model::{EngineKind, OptionKind, Registry, check};
use springline_plan::Hashing;
use springline_run::{Event, IdentityReport, RunError, Session, run_identity};
use springline_sql::Dialect;
use springline_tests::{Server, servers};
use springline_warehouse::{Column, TargetConfig, Warehouse, connect};
use tempfile::TempDir;

/// The tables of all cases; every column is text but for [`type_of`].
const TABLES: [(&str, &[&str]); 6] = [
    ("crm", &["id", "email", "user_id", "address"]),
    ("web", &["id", "email", "anonymous_id"]),
    ("shop", &["id", "card", "given_name", "surname", "birth_date", "postcode"]),
    ("club", &["id", "card", "given_name", "surname", "birth_date", "postcode"]),
    ("labelled", &["source", "record", "other_source", "other_record", "same"]),
    ("by_hand", &["action", "source", "record", "other_source", "other_record"]),
];

/// All columns are text but for the answer of a label.
fn type_of(column: &str) -> &'static str {
    if column == "same" { "boolean" } else { "string" }
}

pub const PLAIN: Hashing = Hashing { salt: 0, space: None };

/// The rows of the tables, and the day of the run.
pub type Rows = BTreeMap<&'static str, Vec<Value>>;

/// A record of the customers: primary key, email, user id, postal address.
pub fn crm(id: &str, email: Option<&str>, user_id: Option<&str>, address: Option<&str>) -> Value {
    json!({ "id": id, "email": email, "user_id": user_id, "address": address })
}

/// A record of the website: primary key, email, device.
pub fn web(id: &str, email: Option<&str>, anonymous_id: Option<&str>) -> Value {
    json!({ "id": id, "email": email, "anonymous_id": anonymous_id })
}

pub fn by_hand(action: &str, record: (&str, &str), other: (&str, &str)) -> Value {
    json!({ "action": action, "source": record.0, "record": record.1, "other_source": other.0, "other_record": other.1 })
}

pub fn rows(crm: Vec<Value>, web: Vec<Value>, by_hand: Vec<Value>) -> Rows {
    BTreeMap::from([("crm", crm), ("web", web), ("by_hand", by_hand)])
}

/// A project with one identity, of which the rest is given.
pub fn project(identity: &str) -> String {
    let sources: Vec<String> = TABLES
        .iter()
        .map(|(table, columns)| {
            let columns: Vec<String> = columns.iter().map(|column| format!("{column}: {}", type_of(column))).collect();
            let columns = columns.join(", ");
            format!("  - {{ name: {table}, table: {table}, columns: {{ {columns} }} }}\n")
        })
        .collect();
    format!(
        "name: people\nversion: 1\ndefault_target: local\ntargets:\n  local: {{ engine: datafusion, path: data }}\nsources:\n{}entities:\n  \
         - {{ name: person, source: crm, primary_key: id }}\nidentities:\n  - name: people\n    entity: person\n    \
         canonical_id: {{ name: person_id }}\n{identity}",
        sources.concat()
    )
}

pub struct World {
    pub name: &'static str,
    dir: TempDir,
    server: Option<Server>,
    warehouse: Option<Arc<dyn Warehouse>>,
}

/// What a run left: one line per record, sorted; and its figures.
#[derive(Debug, PartialEq)]
pub struct Resolved {
    pub records: Vec<Record>,
    pub report: IdentityReport,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub name: String,
    pub id: String,
    pub born: String,
    pub previous: String,
    pub present: bool,
}

impl Resolved {
    /// The records that are there, by their cluster.
    pub fn groups(&self) -> BTreeSet<BTreeSet<String>> {
        let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.present) {
            groups.entry(&record.id).or_default().insert(record.name.clone());
        }
        groups.into_values().collect()
    }

    /// The id of a record such as `crm:1`.
    pub fn id(&self, name: &str) -> &str {
        &self.records.iter().find(|record| record.name == name).unwrap_or_else(|| panic!("no {name}")).id
    }
}

/// Groups of records that are written as `crm:1 web:2`.
pub fn groups(texts: &[&str]) -> BTreeSet<BTreeSet<String>> {
    texts.iter().map(|text| text.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Every engine that there is, each with an empty database.
pub fn worlds() -> Vec<World> {
    let world = |name, server| World { name, dir: tempfile::tempdir().expect("a folder"), server, warehouse: None };
    let mut all = vec![world("datafusion", None)];
    all.extend(servers().into_iter().map(|server| world(server.engine, Some(server))));
    all
}

/// Those of them that answer at once: for what depends on the client, while another test asks the same statements of all.
pub fn worlds_at_hand() -> Vec<World> {
    let slow = ["bigquery", "databricks", "snowflake"];
    worlds().into_iter().filter(|world| !slow.contains(&world.name)).collect()
}

impl World {
    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Puts these rows in place of those of before.
    pub async fn fill(&mut self, project: &str, rows: &Rows) {
        std::fs::create_dir_all(self.data()).expect("a folder");
        std::fs::write(self.dir.path().join("springline.yaml"), project).expect("the project");
        for (table, _) in TABLES {
            let lines: String = rows.get(table).into_iter().flatten().map(|row| format!("{row}\n")).collect();
            std::fs::write(self.data().join(format!("{table}.jsonl")), lines).expect("the rows");
        }
        self.warehouse = Some(match &self.server {
            None => connect(self.files()).await.expect("the folder opens"),
            Some(server) => {
                server.load(self.dir.path(), &self.data()).await;
                server.connect().await
            }
        });
    }

    fn files(&self) -> TargetConfig {
        let data_type = |name: &str| if type_of(name) == "boolean" { DataType::Boolean } else { DataType::Utf8 };
        let column = |name: &&str| Column { name: (*name).to_owned(), data_type: data_type(name), nullable: true };
        let declared =
            TABLES.iter().map(|(table, columns)| (vec![(*table).to_owned()], columns.iter().map(column).collect()));
        TargetConfig {
            name: "local".to_owned(),
            engine: "datafusion".to_owned(),
            tag: "springline-test".to_owned(),
            options: BTreeMap::from([("path".to_owned(), "data".to_owned())]),
            project_dir: self.dir.path().to_owned(),
            state_schema: "springline".to_owned(),
            declared: declared.collect(),
        }
    }

    pub fn warehouse(&self) -> &Arc<dyn Warehouse> {
        self.warehouse.as_ref().expect("filled before")
    }

    pub fn dialect(&self) -> Dialect {
        match &self.server {
            None => Dialect::embedded("datafusion").expect("a dialect"),
            Some(server) => server.dialect(),
        }
    }

    pub fn session(&self, project: &str, day: u8, observer: impl Fn(Event<'_>) + Send + Sync + 'static) -> Session {
        let path = OptionKind::new("path", true);
        let engines = vec![EngineKind { name: "datafusion".to_owned(), options: vec![path] }];
        let registry = Registry { engines, destinations: Vec::new(), alerts: Vec::new() };
        let checked = check(vec![("springline.yaml".to_owned(), project.to_owned())], &registry);
        let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        Session {
            project: Arc::new(project),
            sources: Arc::new(checked.sources),
            warehouse: self.warehouse().clone(),
            target: self.name.to_owned(),
            dialect: Arc::new(self.dialect()),
            state_schema: "springline".to_owned(),
            price_per_tib: None,
            as_of: format!("2024-06-{day:02}T00:00:00Z").parse().expect("an instant"),
            project_dir: self.dir.path().to_owned(),
            local_state: None,
            stop: tokio_util::sync::CancellationToken::new(),
            observer: Arc::new(observer),
        }
    }

    pub async fn try_run(&self, project: &str, day: u8, hashing: Hashing) -> Result<IdentityReport, RunError> {
        let session = self.session(project, day, |_| {});
        let identity = session.project.identities[0].clone();
        run_identity(&session, &identity, hashing, false).await
    }

    pub async fn run(&self, project: &str, day: u8, hashing: Hashing) -> Resolved {
        let report = self.try_run(project, day, hashing).await.unwrap_or_else(|e| panic!("{}: {e}", self.name));
        // The time that it took is that of the machine.
        Resolved { records: self.records().await, report: IdentityReport { seconds: 0.0, ..report } }
    }

    pub async fn records(&self) -> Vec<Record> {
        let sql = "SELECT source, record, person_id, born, previous_id, present FROM springline.canonical_people";
        let record = |row: Vec<String>| Record {
            name: format!("{}:{}", row[0], row[1]),
            id: row[2].clone(),
            born: row[3].clone(),
            previous: row[4].clone(),
            present: row[5] == "true",
        };
        let mut all: Vec<Record> = self.query(sql).await.into_iter().map(record).collect();
        all.sort();
        all
    }

    pub async fn execute(&self, sql: &str) {
        self.warehouse().execute(sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.name));
    }

    /// The rows of a result as texts, a null as an empty one.
    pub async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.warehouse().query(sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.name));
        let batches: Vec<_> = rows.stream.try_collect().await.expect("its rows are read");
        let mut all = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let text = |column: &arrow::array::ArrayRef| array_value_to_string(column, row).expect("a text");
                all.push(batch.columns().iter().map(text).collect());
            }
        }
        all
    }
}

/// Runs one stage after another on every engine; all must find the same, byte for byte. What they found, by stage.
pub async fn everywhere(identity: &str, stages: &[Rows], hashing: Hashing) -> Vec<Resolved> {
    let project = project(identity);
    let mut first: Option<Vec<Resolved>> = None;
    for mut world in worlds() {
        let mut found = Vec::new();
        for (stage, day) in stages.iter().zip(1..) {
            world.fill(&project, stage).await;
            found.push(world.run(&project, day, hashing).await);
        }
        match &first {
            None => first = Some(found),
            Some(first) => assert_eq!(first, &found, "{}", world.name),
        }
    }
    first.expect("an engine")
}
