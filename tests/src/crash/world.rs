//! A project with one table, whose rows change, and one sync.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use springline_warehouse::Warehouse;
use tempfile::TempDir;

use super::sink::SinkKind;
use crate::random::Random;
use crate::{Call, Plan, Receiver, Server, postgres, springline};

/// What a destination gets of a row: city and points.
pub(super) type Row = (String, i64);
/// Rows by key.
pub(super) type Rows = BTreeMap<String, Row>;

/// The sync's name.
pub(super) const SYNC: &str = "crash";
/// Keys that there can be.
const KEYS: usize = 300;
const CITIES: [&str; 6] = ["Paris", "Lyon", "Nice", "Lille", "Metz", NOWHERE];
/// Whoever lives here is not in the segment.
const NOWHERE: &str = "nowhere";

pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) kind: SinkKind,
    /// The target of the run.
    pub(super) target: &'static str,
    pub(super) receiver: Receiver,
    server: Option<Server>,
    /// The harness's own connection to the server.
    pub(super) database: Option<Arc<dyn Warehouse>>,
    rows: Rows,
    before: Rows,
}

impl World {
    pub(super) async fn new(warehouse: &str, kind: SinkKind) -> Option<Self> {
        let on_server = warehouse == "postgres";
        let server = match on_server || kind == SinkKind::Table {
            true => Some(postgres()?),
            false => None,
        };
        let database = match &server {
            Some(server) => Some(server.connect().await),
            None => None,
        };
        let receiver = Receiver::start().await;
        receiver.plan(Plan { jitter: Duration::from_millis(15), ..Plan::default() });
        let folder = tempfile::tempdir().expect("a folder");
        let project = format!(
            r#"name: shop
version: 1
default_target: local
targets:
  local: {{ engine: datafusion, path: data }}
{}sources:
  - {{ name: customers, table: customers, primary_key: customer_id, columns: {{ customer_id: string, city: string, points: integer }} }}
entities:
  - {{ name: customer, source: customers, primary_key: customer_id }}
segments:
  - {{ name: settled, entity: customer, where: {{ field: city, ne: {NOWHERE} }} }}
destinations:
  - {{ name: out, {} }}
syncs:
  - {{ name: {SYNC}, segment: settled, destination: out, mode: mirror, key: customer_id, map: {{ city: city, points: points }} }}
"#,
            server.as_ref().map_or_else(String::new, Server::target),
            kind.settings(&receiver.url)
        );
        std::fs::create_dir_all(folder.path().join("data")).expect("a folder");
        std::fs::write(folder.path().join("springline.yaml"), project).expect("a file");
        let target = if on_server { "postgres" } else { "local" };
        let (rows, before) = (Rows::new(), Rows::new());
        Some(World { folder, kind, target, receiver, server, database, rows, before })
    }

    /// Adds, changes and removes so many rows.
    pub(super) fn mutate(&mut self, random: &mut Random, rows: usize) {
        self.before.clone_from(&self.rows);
        for _ in 0..rows {
            let key = format!("c{:03}", random.below(KEYS));
            match random.below(4) {
                0 => drop(self.rows.remove(&key)),
                1 if self.rows.contains_key(&key) => {
                    self.rows.entry(key).and_modify(|(_, points)| *points += 1);
                }
                _ => {
                    let (city, points) = (random.pick(&CITIES).to_owned(), random.below(1_000) as i64);
                    self.rows.insert(key, (city, points));
                }
            }
        }
    }

    /// Makes the rows what they were before the last change.
    pub(super) fn change_back(&mut self) {
        std::mem::swap(&mut self.rows, &mut self.before);
    }

    /// What is to be at the destination.
    pub(super) fn wanted(&self) -> Rows {
        let rows = self.rows.iter().filter(|(_, (city, _))| city != NOWHERE);
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// Puts the rows where the sync reads them.
    pub(super) async fn store(&self) {
        let (Some(server), Some(database)) = (&self.server, self.database.as_ref().filter(|_| self.target != "local"))
        else {
            let lines = self.rows.iter().map(|(key, (city, points))| format!("{key},{city},{points}\n"));
            let text: String = std::iter::once("customer_id,city,points\n".to_owned()).chain(lines).collect();
            return std::fs::write(self.folder.path().join("data/customers.csv"), text).expect("a file");
        };
        let columns = [("customer_id", "string"), ("city", "string"), ("points", "integer")];
        let columns = columns.map(|(name, ty)| (name.to_owned(), ty.to_owned()));
        server.create(&**database, "customers", &columns).await;
        let texts = |texts: Vec<&String>| Arc::new(texts.into_iter().map(Some).collect::<StringArray>()) as ArrayRef;
        let points = Arc::new(self.rows.values().map(|row| Some(row.1)).collect::<Int64Array>()) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("customer_id", texts(self.rows.keys().collect())),
            ("city", texts(self.rows.values().map(|row| &row.0).collect())),
            ("points", points),
        ]);
        let batch = batch.expect("a batch");
        let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
        database.load(&["customers".to_owned()], batch.schema(), rows).await.expect("rows are loaded");
    }

    /// The call of a run.
    pub(super) fn apply(&self) -> Call {
        let args = ["--target", self.target, "--format", "json", "--as-of", "2024-06-30T00:00:00Z"];
        let env = self.server.as_ref().map(Server::env).unwrap_or_default();
        springline(self.folder.path(), &[&args[..], &["sync", "apply", SYNC]].concat()).envs(&env)
    }

    /// A file of the sync beside its journal.
    pub(super) fn journal(&self, extension: &str) -> PathBuf {
        self.folder.path().join(".springline/journal").join(self.target).join(format!("{SYNC}.{extension}"))
    }

    /// The rows of a query on the server.
    pub(super) async fn query(&self, sql: &str) -> Vec<Value> {
        let database = self.database.as_ref().expect("there is a server");
        let rows = database.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let batches: Vec<RecordBatch> = rows.stream.try_collect().await.expect("rows");
        let json = |batch: &RecordBatch| springline_run::rows_to_json(batch, batch.num_columns(), &[]);
        batches.iter().flat_map(|batch| json(batch).expect("JSON")).map(Value::Object).collect()
    }

    pub(super) async fn execute(&self, sql: &str) {
        let database = self.database.as_ref().expect("there is a server");
        database.execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}
