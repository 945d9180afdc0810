//! A small project on one target, whose only table can be changed, and a receiver of what is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use springline_tests::{Call, Output, Receiver, Request, SECRET, Server, servers, springline};
use springline_warehouse::{TargetConfig, Warehouse, connect};
use tempfile::TempDir;

pub(super) const ROWS: usize = 250;

/// The servers whose state tables several processes of a test write.
const SERVERS: [&str; 2] = ["duckdb", "postgres"];

pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) target: &'static str,
    pub(super) server: Option<Arc<Server>>,
    pub(super) receiver: Receiver,
    /// The city by the key of each row.
    pub(super) rows: BTreeMap<String, String>,
}

impl World {
    /// The embedded engine.
    pub(super) async fn local() -> Self {
        Self::new(None, Receiver::start().await).await
    }

    /// One on each warehouse that there is.
    pub(super) async fn all() -> Vec<Self> {
        Self::on(&SERVERS).await
    }

    /// One on each of these warehouses that there is, and the embedded engine.
    pub(super) async fn on(engines: &[&str]) -> Vec<Self> {
        let mut all = vec![Self::local().await];
        for server in servers().into_iter().filter(|server| engines.contains(&server.engine)) {
            all.push(Self::new(Some(Arc::new(server)), Receiver::start().await).await);
        }
        all
    }

    /// One on Postgres.
    pub(super) async fn postgres() -> Option<Self> {
        let server = Arc::new(springline_tests::postgres()?);
        Some(Self::new(Some(server), Receiver::start().await).await)
    }

    /// Another folder with the same project on the same warehouse: what another machine has.
    pub(super) async fn elsewhere(&self) -> Self {
        let mut world = Self::new(self.server.clone(), self.receiver.clone()).await;
        world.rows.clone_from(&self.rows);
        world
    }

    async fn new(server: Option<Arc<Server>>, receiver: Receiver) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let target = server.as_ref().map_or("local", |server| server.engine);
        let project = format!(
            r#"name: shop
version: 1
default_target: local
targets:
  local: {{ engine: datafusion, path: data }}
{}sources:
  - {{ name: customers, table: customers, primary_key: customer_id, columns: {{ customer_id: string, city: string }} }}
entities:
  - {{ name: customer, source: customers, primary_key: customer_id }}
segments:
  - {{ name: settled, entity: customer, where: {{ field: city, ne: nowhere }} }}
destinations:
  - {{ name: hook, type: webhook, url: "{}", secret: "{SECRET}", allow_private_addresses: true, batch_rows: 10, concurrency: 2 }}
  - {{ name: files, type: file, path: "out/{{sync}}_{{run}}.csv" }}
syncs:
  - {{ name: settled_to_hook, segment: settled, destination: hook, mode: mirror, key: customer_id, map: {{ city: city }} }}
  - {{ name: settled_to_files, segment: settled, destination: files, mode: mirror, key: customer_id, map: {{ city: city }} }}
  - {{ name: guarded, segment: settled, destination: hook, mode: mirror, key: customer_id, map: {{ city: city }}, guards: {{ max_removed: 10% }} }}
  - {{ name: by_city, segment: settled, destination: hook, mode: mirror, key: city, map: {{ id: customer_id }} }}
"#,
            server.as_ref().map_or_else(String::new, |server| server.target()),
            receiver.url
        );
        std::fs::create_dir_all(folder.path().join("data")).expect("a folder");
        std::fs::write(folder.path().join("springline.yaml"), project).expect("a file");
        let rows = (0..ROWS).map(|i| (format!("c{i:03}"), "Paris".to_owned())).collect();
        let world = World { folder, target, server, receiver, rows };
        world.store();
        world
    }

    /// The project's file with something replaced, which must be in it.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let file = self.folder.path().join("springline.yaml");
        let text = std::fs::read_to_string(&file).expect("the project");
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).expect("the project");
    }

    /// The project with these syncs and no others, one a line.
    pub(super) fn syncs(&self, syncs: &[&str]) {
        let file = self.folder.path().join("springline.yaml");
        let text = std::fs::read_to_string(&file).expect("the project");
        let (head, _) = text.split_once("\nsyncs:\n").expect("syncs");
        let lines: String = syncs.iter().map(|sync| format!("  - {{ {sync} }}\n")).collect();
        std::fs::write(&file, format!("{head}\nsyncs:\n{lines}")).expect("the project");
    }

    /// Other rows than before.
    pub(super) fn fill(&mut self, rows: &[(&str, &str)]) {
        self.rows = rows.iter().map(|(key, city)| ((*key).to_owned(), (*city).to_owned())).collect();
        self.store();
    }

    pub(super) fn set(&mut self, key: &str, city: &str) {
        self.rows.insert(key.to_owned(), city.to_owned());
        self.store();
    }

    pub(super) fn store(&self) {
        let Some(server) = &self.server else {
            let lines: String = self.rows.iter().map(|(key, city)| format!("{key},{city}\n")).collect();
            let text = format!("customer_id,city\n{lines}");
            return std::fs::write(self.folder.path().join("data/customers.csv"), text).expect("a file");
        };
        block_on(async {
            let warehouse = server.connect().await;
            let columns = ["customer_id", "city"].map(|name| (name.to_owned(), "string".to_owned()));
            server.create(&*warehouse, "customers", &columns).await;
            let column =
                |values: Vec<&String>| Arc::new(values.into_iter().map(Some).collect::<StringArray>()) as ArrayRef;
            let (keys, cities) = (self.rows.keys().collect(), self.rows.values().collect());
            let batch = RecordBatch::try_from_iter([("customer_id", column(keys)), ("city", column(cities))]);
            load(&*warehouse, &["customers"], batch.expect("a batch")).await;
        });
    }

    /// A connection to the target; closed where it is dropped.
    pub(super) async fn connect(&self) -> Arc<dyn Warehouse> {
        self.connect_to("springline").await
    }

    /// The same, with the tables of this schema where files are the target.
    async fn connect_to(&self, schema: &str) -> Arc<dyn Warehouse> {
        if let Some(server) = &self.server {
            return server.connect().await;
        }
        let config = TargetConfig {
            name: "local".to_owned(),
            engine: "datafusion".to_owned(),
            tag: "springline-test".to_owned(),
            options: BTreeMap::from([("path".to_owned(), "data".to_owned())]),
            project_dir: self.folder.path().to_owned(),
            state_schema: schema.to_owned(),
            declared: Vec::new(),
        };
        connect(config).await.expect("the folder opens")
    }

    /// The rows of a query.
    pub(super) fn query(&self, sql: &str) -> Vec<Value> {
        self.query_in("springline", sql)
    }

    /// The rows of a query about the tables of a schema.
    pub(super) fn query_in(&self, schema: &str, sql: &str) -> Vec<Value> {
        block_on(async { rows(&*self.connect_to(schema).await, sql).await })
    }

    pub(super) fn execute(&self, sql: &str) {
        block_on(async {
            self.connect().await.execute(sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.target));
        });
    }

    /// Adds rows to a state table.
    pub(super) fn add(&self, table: &str, batch: RecordBatch) {
        block_on(async { load(&*self.connect().await, &["springline", table], batch).await });
    }

    pub(super) fn call(&self, args: &[&str]) -> Call {
        let mut all = vec!["--target", self.target, "--format", "json"];
        if !args.contains(&"--as-of") && !args.contains(&"--plan") {
            all.extend(["--as-of", "2024-06-30T00:00:00Z"]);
        }
        all.extend(args);
        let env = self.server.as_ref().map(|server| server.env()).unwrap_or_default();
        springline(self.folder.path(), &all).envs(&env)
    }

    pub(super) fn apply(&self, sync: &str) -> Output {
        self.call(&["sync", "apply", sync]).run()
    }

    pub(super) fn out(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("out")) else { return Vec::new() };
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// The rows of a query.
pub(super) async fn rows(warehouse: &dyn Warehouse, sql: &str) -> Vec<Value> {
    let rows = warehouse.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches: Vec<RecordBatch> = rows.stream.try_collect().await.expect("rows");
    let json = |batch: &RecordBatch| springline_run::rows_to_json(batch, batch.num_columns(), &[]);
    batches.iter().flat_map(|batch| json(batch).expect("JSON")).map(Value::Object).collect()
}

async fn load(warehouse: &dyn Warehouse, table: &[&str], batch: RecordBatch) {
    let table: Vec<String> = table.iter().map(|part| (*part).to_owned()).collect();
    let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
    warehouse.load(&table, batch.schema(), rows).await.expect("rows are loaded");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

/// The keys of the rows of these requests with one operation.
pub(super) fn keys(requests: &[Request], op: &str) -> Vec<String> {
    let rows = requests.iter().filter(|r| r.op == op).flat_map(|r| &r.rows);
    let mut keys: Vec<String> = rows.map(|row| row["key"].as_str().expect("a key").to_owned()).collect();
    keys.sort();
    keys
}

/// What was sent: `+key` for each upsert and `-key` for each removal.
pub(super) fn sent(requests: &[Request]) -> BTreeSet<String> {
    let with = |op: &str, sign: char| keys(requests, op).into_iter().map(move |key| format!("{sign}{key}"));
    with("upsert", '+').chain(with("delete", '-')).collect()
}

pub(super) fn counts(report: &Value) -> [u64; 4] {
    ["added", "changed", "removed", "unchanged"]
        .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}")))
}

pub(super) fn wait_until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
