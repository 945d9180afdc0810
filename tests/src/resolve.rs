//! A project in a folder (`springline.yaml`, and its tables below `data`) on an engine, and what a run of its identity says
//! of the records.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use futures::TryStreamExt;
use springline_model::{EngineKind, OptionKind, Registry, check};
use springline_plan::Hashing;
use springline_run::{IdentityReport, Session, run_identity};
use springline_sql::Dialect;
use springline_warehouse::{TargetConfig, connect};
use tokio_util::sync::CancellationToken;

use crate::servers::{Server, config, declared};

/// A session on a server, after its tables were filled with the files; without a server, on the files themselves. The
/// project's target is the embedded engine in any case.
pub async fn session(dir: &Path, server: Option<&Server>) -> Session {
    let text = std::fs::read_to_string(dir.join("springline.yaml")).expect("the project's file");
    let data = dir.join("data");
    let has_sources = text.contains("\nsources:");
    let (target, warehouse, dialect) = match server {
        Some(server) => {
            if has_sources {
                server.load(dir, &data).await;
            }
            (server.engine, server.connect().await, server.dialect())
        }
        None => {
            let path = BTreeMap::from([("path".to_owned(), data.display().to_string())]);
            let tables = if has_sources { declared(dir) } else { Vec::new() };
            // The engine keeps its state in the project's folder.
            let config = TargetConfig { project_dir: dir.to_owned(), ..config("local", "datafusion", path, tables) };
            let warehouse = connect(config).await.expect("the folder opens");
            ("datafusion", warehouse, Dialect::embedded("datafusion").expect("a dialect"))
        }
    };
    let path = OptionKind::new("path", true);
    let engines = vec![EngineKind { name: "datafusion".to_owned(), options: vec![path] }];
    let registry = Registry { engines, destinations: Vec::new(), alerts: Vec::new() };
    let checked = check(vec![("springline.yaml".to_owned(), text)], &registry);
    Session {
        project: Arc::new(checked.project.unwrap_or_else(|| panic!("{:?}", checked.diagnostics))),
        sources: Arc::new(checked.sources),
        warehouse,
        target: target.to_owned(),
        dialect: Arc::new(dialect),
        state_schema: "springline".to_owned(),
        price_per_tib: None,
        as_of: "2024-06-30T00:00:00Z".parse().expect("an instant"),
        project_dir: dir.to_owned(),
        local_state: None,
        stop: CancellationToken::new(),
        observer: Arc::new(|_| {}),
    }
}

/// Runs the project's one identity: its report, and the canonical id of each record that is there, by its source and key.
pub async fn resolve(session: &Session) -> (IdentityReport, BTreeMap<(String, String), String>) {
    let identity = session.project.identities[0].clone();
    let report = run_identity(session, &identity, Hashing { salt: 0, space: None }, false).await;
    let report = report.unwrap_or_else(|e| panic!("{}: {e}", session.target));
    let (id, table) = (&identity.canonical_id.name, format!("springline.canonical_{}", identity.name));
    let sql = format!("SELECT source, record, {id} FROM {table} WHERE present");
    let rows = session.warehouse.query(&sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", session.target));
    let mut ids = BTreeMap::new();
    for batch in rows.stream.try_collect::<Vec<_>>().await.expect("its rows are read") {
        let texts: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).expect("a text"))
            .collect();
        let text = |column: usize, row: usize| texts[column].as_string::<i32>().value(row).to_owned();
        ids.extend((0..batch.num_rows()).map(|row| ((text(0, row), text(1, row)), text(2, row))));
    }
    (report, ids)
}
