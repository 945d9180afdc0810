//! Drives a whole delivery through the webhook destination against a destination that answers as a script says.
//!
//! The cases are data, `tests/destinations/scripted/*.yaml`: rows, options, what the server does, and what must hold.
//! Beside what a case names, of every case holds: a row is told at most once, every row is told or counted as unsent, a
//! row told as delivered was applied, and operations were applied in the order of the rows.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "scripted/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::stream;
use serde::Deserialize;
use springline_destination::{
    Batch, ChangeKind, DeliveryReport, DestinationConfig, DestinationError, Mode, Outcome, Policy, Progress,
    SyncContext, connect, deliver,
};

use self::server::{Log, Rule, Server};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Options of the webhook beside its address.
    #[serde(default)]
    options: BTreeMap<String, String>,
    #[serde(default = "mirror")]
    mode: Mode,
    #[serde(default)]
    policy: Patience,
    rows: Rows,
    #[serde(default)]
    script: Vec<Rule>,
    /// Whether the server knows a repeat by its id.
    #[serde(default)]
    deduplicate: bool,
    expect: Expect,
}

fn mirror() -> Mode {
    Mode::Mirror
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Rows {
    /// So many added rows: `k0`, `k1` and so on.
    Added(usize),
    /// Key and kind of change.
    Listed(Vec<(String, ChangeKind)>),
}

/// A policy in milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Patience {
    attempts: u32,
    budget_ms: u64,
    timeout_ms: u64,
    retry_reserve: u32,
    retry_share: f64,
    breaker_after: u32,
    breaker_pause_ms: u64,
    breaker_probes: u32,
    hopeless_after: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 6,
            budget_ms: 5_000,
            timeout_ms: 2_000,
            retry_reserve: 100,
            retry_share: 0.5,
            breaker_after: 10,
            breaker_pause_ms: 20,
            breaker_probes: 3,
            hopeless_after: 100,
        }
    }
}

impl Patience {
    fn policy(&self) -> Policy {
        Policy {
            attempts: self.attempts,
            first_delay: Duration::from_millis(5),
            max_delay: Duration::from_millis(200),
            budget: Duration::from_millis(self.budget_ms),
            retry_reserve: self.retry_reserve,
            retry_share: self.retry_share,
            breaker_after: self.breaker_after,
            breaker_pause: Duration::from_millis(self.breaker_pause_ms),
            breaker_probes: self.breaker_probes,
            request_timeout: Duration::from_millis(self.timeout_ms),
            hopeless_after: self.hopeless_after,
        }
    }
}

/// What must hold; numbers that are left out are 0.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    delivered: u64,
    /// The code that each rejected row has.
    rejected: BTreeMap<String, String>,
    /// In place of `rejected`: how many rows.
    rejected_rows: Option<u64>,
    /// Keys among the rejected that another run may send again.
    retryable: Vec<String>,
    unsent: u64,
    /// Requests that reached the server: at least, at most.
    requests: (usize, usize),
    /// Applications of a row beyond its first.
    repeats: usize,
    duplicates: usize,
    /// Most requests at the server at once.
    most_at_once: Option<usize>,
    /// Part of the reason why the run stopped.
    stopped: Option<String>,
    least_ms: u64,
}

/// What happened.
struct Run {
    report: DeliveryReport,
    told: Vec<(String, Outcome)>,
    log: Log,
    took: Duration,
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/destinations/scripted"));
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| -> Vec<Case> {
        let text = std::fs::read_to_string(&path).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.into_iter().flat_map(read).collect()
}

fn batch(rows: &Rows) -> Batch {
    let rows = match rows {
        Rows::Added(rows) => (0..*rows).map(|row| (format!("k{row}"), ChangeKind::Added)).collect(),
        Rows::Listed(rows) => rows.clone(),
    };
    let texts: StringArray =
        rows.iter().map(|(key, kind)| (*kind != ChangeKind::Removed).then_some(key.as_str())).collect();
    let hashes = (0..rows.len()).map(|row| format!("hash {row}")).collect();
    let (keys, kinds) = rows.into_iter().unzip();
    Batch::new(keys, kinds, hashes, RecordBatch::try_new(schema(), vec![Arc::new(texts)]).unwrap()).unwrap()
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]))
}

async fn run(case: &Case) -> Run {
    let server = Server::start(case.script.clone(), case.deduplicate).await;
    let mut options = case.options.clone();
    options.insert("url".into(), server.url.clone());
    options.insert("allow_private_addresses".into(), "true".into());
    let config =
        DestinationConfig { name: "scripted".into(), kind: "webhook".into(), options, project_dir: ".".into() };
    let destination = connect(config).unwrap();
    let context = SyncContext {
        sync: "vips".into(),
        run_id: "run_1".into(),
        mode: case.mode,
        key_field: "id".into(),
        fields: schema(),
        as_of: "2024-06-30T00:00:00Z".into(),
        resources: BTreeMap::new(),
        removal: None,
        nulls: BTreeMap::new(),
        replaces: None,
    };
    let mut told = Vec::new();
    let rows = stream::iter([Ok::<_, DestinationError>(batch(&case.rows))]);
    let start = Instant::now();
    let report = deliver(&*destination, &context, rows, &case.policy.policy(), |progress| {
        let Progress::Settled { batch, outcomes, .. } = progress else { return Ok(()) };
        told.extend(batch.keys.iter().cloned().zip(outcomes.iter().cloned()));
        Ok(())
    })
    .await
    .unwrap();
    let took = start.elapsed();
    let log = std::mem::take(&mut *server.log.lock().unwrap());
    Run { report, told, log, took }
}

/// What does not hold, one line each.
fn complaints(case: &Case, run: &Run) -> Vec<String> {
    let mut all = Vec::new();
    let mut must = |holds: bool, what: String| all.extend((!holds).then(|| format!("{}: {what}", case.name)));
    let (expect, report, log) = (&case.expect, &run.report, &run.log);

    must(report.delivered == expect.delivered, format!("{} delivered", report.delivered));
    must(report.unsent == expect.unsent, format!("{} unsent", report.unsent));
    let (least, most) = expect.requests;
    must((least..=most).contains(&log.requests), format!("{} requests", log.requests));
    must(log.duplicates == expect.duplicates, format!("{} duplicates", log.duplicates));
    must(expect.most_at_once.is_none_or(|most| log.most_at_once <= most), format!("{} at once", log.most_at_once));
    let stopped = match (&expect.stopped, &report.stopped) {
        (Some(expected), Some(reason)) => reason.contains(expected),
        (expected, reason) => expected.is_none() && reason.is_none(),
    };
    must(stopped, format!("stopped: {:?}", report.stopped));
    must(run.took >= Duration::from_millis(expect.least_ms), format!("took {:?}", run.took));

    let (mut codes, mut retryable) = (BTreeMap::new(), Vec::new());
    for (key, outcome) in &run.told {
        if let Outcome::Rejected { code, retryable: again, .. } = outcome {
            codes.insert(key.clone(), code.clone());
            retryable.extend(again.then(|| key.clone()));
        }
    }
    match expect.rejected_rows {
        Some(rows) => must(report.rejected == rows, format!("{} rejected", report.rejected)),
        None => {
            must(codes == expect.rejected, format!("rejected: {codes:?}"));
            retryable.sort();
            must(retryable == expect.retryable, format!("retryable: {retryable:?}"));
        }
    }
    for complaint in promises(case, run) {
        must(false, complaint);
    }
    all
}

/// What holds of every delivery.
fn promises(case: &Case, run: &Run) -> Vec<String> {
    let mut all = Vec::new();
    let rows = batch(&case.rows);
    let report = &run.report;
    let known = report.delivered + report.accepted + report.rejected + report.unknown;
    if run.told.len() as u64 != known || known + report.unsent != rows.len() as u64 {
        all.push(format!("{} rows told of {}, report {report:?}", run.told.len(), rows.len()));
    }
    // By key: the operations asked for, those told as delivered, and those applied.
    let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for change in rows.changes() {
        asked.entry(change.key).or_default().push(change.kind.operation().as_str());
    }
    let mut applied: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, operation) in &run.log.applied {
        applied.entry(key).or_default().push(operation);
    }
    let mut delivered: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, _) in run.told.iter().filter(|(_, outcome)| *outcome == Outcome::Delivered) {
        *delivered.entry(key).or_default() += 1;
    }
    let mut repeats = 0;
    for (key, asked) in asked {
        let applied = applied.remove(key).unwrap_or_default();
        let delivered = delivered.get(key).copied().unwrap_or_default();
        repeats += applied.len().saturating_sub(asked.len());
        if applied.len() < delivered {
            all.push(format!("{key} was told as delivered {delivered} times and applied {applied:?}"));
        }
        // Repeats apart, what was applied is the beginning of what was asked for.
        let (mut steps, mut wanted) = (applied.clone(), asked.clone());
        steps.dedup();
        wanted.dedup();
        if !wanted.starts_with(&steps) {
            all.push(format!("{key} was asked {asked:?} and applied {applied:?}"));
        }
    }
    if repeats != case.expect.repeats {
        all.push(format!("{repeats} repeats"));
    }
    if !applied.is_empty() {
        all.push(format!("applied but never asked for: {applied:?}"));
    }
    all
}

#[tokio::test]
async fn every_scripted_case_holds() {
    let cases = cases();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    assert!(cases.len() >= 20, "{} cases", cases.len());
    let all: Vec<_> =
        futures::future::join_all(cases.iter().map(async |case| complaints(case, &run(case).await))).await;
    let all: Vec<String> = all.into_iter().flatten().collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[tokio::test]
async fn a_case_that_expects_something_else_does_not_hold() {
    let expectation = "
        - name: wrong
          rows: 3
          script:
            - {when: {keys: [k1]}, reply: {status: 422}}
          expect: {delivered: 3, unsent: 1, requests: [1, 1], repeats: 1, duplicates: 1, stopped: broken, most_at_once: 0}
    ";
    let cases: Vec<Case> = serde_saphyr::from_str(expectation).unwrap();
    let all = complaints(&cases[0], &run(&cases[0]).await).join("\n");
    for part in [
        "2 delivered",
        "0 unsent",
        "requests",
        "0 duplicates",
        "0 repeats",
        "stopped: None",
        "rejected: {\"k1\"",
        "at once",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}
