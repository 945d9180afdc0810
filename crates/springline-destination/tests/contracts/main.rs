//! The cases of `tests/destinations/<type>.yaml`: rows go in, and each request that leaves is compared field by field
//! with what the vendor's contract says; the vendor's answer is the case's own.
//!
//! A case fails on a request that is missing or too many, and on any field of a query or a body that differs, is
//! missing or unexpected. Of the headers, those that a case names must be as it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod pages;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema};
use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use futures::{FutureExt, stream};
use pretty_assertions::assert_eq;
use serde::Deserialize;
use serde_json::{Value, json};
use springline_destination::{
    Answer, Attempt, Batch, ChangeKind, Destination, DestinationConfig, DestinationError, DestinationSpec, FieldSpec,
    JobEnd, JobState, Limits, Mode, Nulls, Outcome, Policy, Progress, RemovalKind, Resources, RowEnd, SyncContext,
    Usage, Weight, connect, deliver, specs,
};

type Row = serde_json::Map<String, Value>;

/// A file of cases: all of one destination type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// Options of every case.
    options: BTreeMap<String, String>,
    /// Option that holds the address of the API.
    address: String,
    /// Headers that every request must have.
    headers: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    options: BTreeMap<String, String>,
    #[serde(default = "upsert")]
    mode: Mode,
    removal: Option<RemovalKind>,
    /// What empty values do, by field.
    #[serde(default)]
    nulls: BTreeMap<String, Nulls>,
    replaces: Option<u64>,
    /// What earlier runs have kept.
    #[serde(default)]
    resources: Resources,
    /// What `prepare` hands out to be kept; where it is left out, what earlier runs have kept.
    kept: Option<Resources>,
    /// Each with `key`, `op`, maybe `receipt`, and its fields.
    #[serde(default)]
    rows: Vec<Row>,
    /// A job that is asked for in place of rows.
    poll: Option<String>,
    #[serde(default)]
    requests: Vec<Exchange>,
    /// By key.
    #[serde(default)]
    outcomes: BTreeMap<String, Value>,
    /// By key: what the destination gave.
    #[serde(default)]
    receipts: BTreeMap<String, String>,
    /// How jobs ended: those of the run by their id, or the state of the one that was asked for.
    #[serde(default)]
    jobs: BTreeMap<String, Value>,
    /// A piece of the reason for which the run stopped.
    stopped: Option<String>,
    /// A piece of the error of `check`, `prepare` or `finish`.
    error: Option<String>,
    /// Share of the allowance that the last answer told, and seconds until it is whole.
    usage: Option<(f64, Option<u64>)>,
    /// Whether `check` is asked in place of a run.
    #[serde(default)]
    check: bool,
}

const fn upsert() -> Mode {
    Mode::Upsert
}

/// A request that must come, and what is answered.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Exchange {
    method: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
    answer: Answered,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// JSON, or a text that is sent as it is.
    #[serde(default)]
    body: Value,
}

/// A request as it came.
#[derive(Debug, PartialEq)]
struct Came {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Value,
}

#[derive(Clone)]
struct Vendor {
    left: Arc<Mutex<VecDeque<Exchange>>>,
    common: Arc<BTreeMap<String, String>>,
    came: Arc<Mutex<Vec<(Came, Came)>>>,
}

async fn answer(State(vendor): State<Vendor>, request: Request) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let Some(expected) = vendor.left.lock().unwrap().pop_front() else {
        let came = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
        let surprise = |text: &str| Came {
            method: text.to_owned(),
            path: String::new(),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: Value::Null,
        };
        vendor.came.lock().unwrap().push((surprise(&came), surprise("no further request")));
        return (StatusCode::IM_A_TEAPOT, HeaderMap::new(), String::new());
    };
    let mut headers: BTreeMap<String, String> = (*vendor.common).clone();
    headers.extend(expected.headers.clone());
    let seen = |name: &String| {
        let value = parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (name.clone(), value.unwrap_or_default())
    };
    let came = Came {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: form_pairs(parts.uri.query().unwrap_or_default()),
        headers: headers.keys().map(seen).collect(),
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
    };
    let Exchange { method, path, query, body, answer, .. } = expected;
    vendor.came.lock().unwrap().push((came, Came { method, path, query, headers, body }));
    let mut told = HeaderMap::new();
    for (name, value) in answer.headers {
        told.insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let body = match answer.body {
        Value::Null => String::new(),
        Value::String(text) => text,
        json => json.to_string(),
    };
    (StatusCode::from_u16(answer.status).unwrap(), told, body)
}

fn form_pairs(query: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A destination whose usage is written down, for the shared stack asks for it too and it is told once.
struct Watched {
    inner: Arc<dyn Destination>,
    usage: Mutex<Option<Usage>>,
}

#[async_trait]
impl Destination for Watched {
    fn spec(&self) -> &'static DestinationSpec {
        self.inner.spec()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn fields(&self) -> Vec<FieldSpec> {
        self.inner.fields()
    }

    fn weight(&self, batch: &Batch, row: usize) -> Weight {
        self.inner.weight(batch, row)
    }

    fn usage(&self) -> Option<Usage> {
        let usage = self.inner.usage();
        if usage.is_some() {
            *self.usage.lock().unwrap() = usage;
        }
        usage
    }

    async fn check(&self) -> Result<(), DestinationError> {
        self.inner.check().await
    }

    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        self.inner.prepare(context).await
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Answer {
        self.inner.send(context, batch, attempt).await
    }

    async fn poll(&self, context: &SyncContext, job: &str) -> Result<JobState, DestinationError> {
        self.inner.poll(context, job).await
    }

    async fn finish(&self, context: &SyncContext) -> Result<Vec<(String, JobEnd)>, DestinationError> {
        self.inner.finish(context).await
    }
}

/// What a case leads to.
#[derive(Debug, Default, PartialEq)]
struct Ended {
    kept: Option<Resources>,
    outcomes: BTreeMap<String, Value>,
    receipts: BTreeMap<String, String>,
    jobs: BTreeMap<String, Value>,
    stopped: Option<String>,
    error: Option<String>,
    usage: Option<(f64, Option<u64>)>,
}

/// A refusal's words are for people and vary; its code and whether it may pass are what a caller acts on.
fn shown(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Rejected { code, retryable, .. } => json!({ "rejected": code, "retryable": retryable }),
        Outcome::Accepted { job, row } => json!({ "job": job, "row": row }),
        Outcome::Delivered => json!("delivered"),
        Outcome::Unknown => json!("unknown"),
    }
}

fn shown_state(state: &JobState) -> Value {
    match state {
        JobState::Pending => json!("pending"),
        JobState::Lost => json!("lost"),
        JobState::Done(end) => {
            let row = |(name, row): (&String, &RowEnd)| {
                (name.clone(), json!({ "outcome": shown(&row.outcome), "receipt": row.receipt }))
            };
            let rows: Row = end.rows.iter().map(row).collect();
            json!({ "outcome": shown(&end.outcome), "rows": rows })
        }
    }
}

/// A column of the type of its values.
fn column(rows: &[Row], name: &str) -> ArrayRef {
    let values: Vec<&Value> = rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)).collect();
    let all = |is: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
    if all(Value::is_string) {
        Arc::new(values.iter().map(|value| value.as_str()).collect::<StringArray>())
    } else if all(Value::is_i64) {
        Arc::new(values.iter().map(|value| value.as_i64()).collect::<Int64Array>())
    } else if all(Value::is_number) {
        Arc::new(values.iter().map(|value| value.as_f64()).collect::<Float64Array>())
    } else {
        Arc::new(values.iter().map(|value| value.as_bool()).collect::<BooleanArray>())
    }
}

fn batch(rows: &[Row]) -> Batch {
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(Row::keys) {
        if !["key", "op", "receipt"].contains(&name.as_str()) && !names.contains(&name) {
            names.push(name);
        }
    }
    let columns: Vec<ArrayRef> = names.iter().map(|name| column(rows, name)).collect();
    let fields = names.iter().zip(&columns).map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let fields = RecordBatch::try_new_with_options(schema, columns, &options).unwrap();
    let text = |row: &Row, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let kinds = rows.iter().map(|row| match text(row, "op").as_deref() {
        None | Some("added") => ChangeKind::Added,
        Some("changed") => ChangeKind::Changed,
        Some("removed") => ChangeKind::Removed,
        Some(other) => panic!("there is no change `{other}`"),
    });
    let keys: Vec<_> = rows.iter().map(|row| text(row, "key").unwrap()).collect();
    let hashes = keys.iter().map(|key| format!("hash of {key}")).collect();
    let receipts = rows.iter().map(|row| text(row, "receipt")).collect();
    Batch::new(keys, kinds.collect(), hashes, fields).unwrap().with_receipts(receipts).unwrap()
}

async fn run(destination: &dyn Destination, case: &Case) -> Result<Ended, DestinationError> {
    let mut ended = Ended::default();
    if case.check {
        destination.check().await?;
        return Ok(ended);
    }
    let rows = batch(&case.rows);
    let mut context = SyncContext {
        sync: "vips".into(),
        run_id: "r1".into(),
        mode: case.mode,
        key_field: "id".into(),
        fields: rows.fields.schema(),
        as_of: "2026-01-01T00:00:00Z".into(),
        resources: case.resources.clone(),
        removal: case.removal,
        nulls: case.nulls.clone(),
        replaces: case.replaces,
    };
    if let Some(job) = &case.poll {
        ended.jobs.insert(job.clone(), shown_state(&destination.poll(&context, job).await?));
        return Ok(ended);
    }
    context.resources = destination.prepare(&context).await?;
    ended.kept = Some(context.resources.clone());
    let policy = Policy {
        attempts: 2,
        first_delay: Duration::from_millis(1),
        budget: Duration::from_secs(2),
        ..Policy::default()
    };
    let rows = stream::iter([Ok::<_, DestinationError>(rows)]);
    let report = deliver(destination, &context, rows, &policy, |progress| {
        let Progress::Settled { batch, outcomes, .. } = progress else { return Ok(()) };
        for ((key, outcome), receipt) in batch.keys.iter().zip(outcomes).zip(&batch.receipts) {
            assert!(ended.outcomes.insert(key.clone(), shown(outcome)).is_none(), "{key} was told twice");
            receipt.clone().map(|receipt| ended.receipts.insert(key.clone(), receipt));
        }
        Ok(())
    })
    .await?;
    ended.stopped = report.stopped;
    for (job, end) in destination.finish(&context).await? {
        ended.jobs.insert(job, shown_state(&JobState::Done(end)));
    }
    Ok(ended)
}

/// The whole text where it holds `piece`, so that a difference shows both.
fn matching(piece: Option<&String>, whole: Option<String>) -> Option<String> {
    match (piece, whole) {
        (Some(piece), Some(whole)) if whole.contains(piece.as_str()) => Some(piece.clone()),
        (_, whole) => whole,
    }
}

async fn hold(kind: &str, cases: &Cases, case: Case) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let vendor = Vendor {
        left: Arc::new(Mutex::new(case.requests.clone().into())),
        common: Arc::new(cases.headers.clone()),
        came: Arc::default(),
    };
    let app = axum::Router::new().fallback(answer).with_state(vendor.clone());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let mut options = cases.options.clone();
    options.extend(case.options.clone());
    options.insert(cases.address.clone(), address);
    options.insert("allow_private_addresses".into(), "true".into());
    options.insert("concurrency".into(), "1".into());
    let config = DestinationConfig { name: "test".into(), kind: kind.into(), options, project_dir: ".".into() };
    let (ended, usage) = match connect(config) {
        Ok(inner) => {
            let destination = Watched { inner, usage: Mutex::default() };
            let ended = run(&destination, &case).await;
            destination.usage();
            (ended, *destination.usage.lock().unwrap())
        }
        Err(error) => (Err(error), None),
    };
    server.abort();

    let name = format!("{kind}: {}", case.name);
    let came = std::mem::take(&mut *vendor.came.lock().unwrap());
    let (came, expected): (Vec<_>, Vec<_>) = came.into_iter().unzip();
    assert_eq!(came, expected, "{name}");
    let left = vendor.left.lock().unwrap().len();
    assert_eq!(left, 0, "{name}: so many requests did not come; it ended with {ended:?}");
    let mut ended = ended.unwrap_or_else(|error| Ended { error: Some(error.to_string()), ..Ended::default() });
    ended.stopped = matching(case.stopped.as_ref(), ended.stopped);
    ended.error = matching(case.error.as_ref(), ended.error);
    let usage = usage.map(|usage| (usage.used, usage.resets_in.map(|wait| wait.as_secs())));
    ended.usage = case.usage.and(usage);
    let prepared = !case.check && case.poll.is_none() && case.error.is_none();
    let Case { resources, kept, outcomes, receipts, jobs, stopped, error, usage, .. } = case;
    let kept = prepared.then(|| kept.unwrap_or(resources));
    assert_eq!(ended, Ended { kept, outcomes, receipts, jobs, stopped, error, usage }, "{name}");
}

/// Types that are not spoken to over a vendor's API.
const WITHOUT_CONTRACT: [&str; 3] = ["file", "warehouse_table", "webhook"];

fn cases_of(kind: &str) -> (Cases, Vec<Case>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/destinations");
    let path = folder.join(format!("{kind}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases: Cases = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
    let all = std::mem::take(&mut cases.cases);
    (cases, all)
}

#[tokio::test]
async fn the_contracts_hold() {
    for spec in specs().iter().filter(|spec| !WITHOUT_CONTRACT.contains(&spec.name)) {
        let (cases, all) = cases_of(spec.name);
        assert!(all.len() >= 12, "{} has {} cases", spec.name, all.len());
        for case in all {
            hold(spec.name, &cases, case).await;
        }
    }
}

/// The comparison itself: whatever a case says differently must fail it.
#[tokio::test]
async fn every_difference_fails_a_case() {
    type Spoil = fn(&mut Case);
    let spoil: [(&str, Spoil); 9] = [
        ("a field more", |case| case.requests[0].body["inputs"][0]["more"] = json!(1)),
        ("a field less", |case| {
            case.requests[0].body["inputs"][0].as_object_mut().unwrap().remove("id").unwrap();
        }),
        ("another path", |case| case.requests[0].path.push('s')),
        ("another query", |case| {
            case.requests[0].query.insert("a".into(), "b".into());
        }),
        ("another header", |case| {
            case.requests[0].headers.insert("authorization".into(), "none".into());
        }),
        ("a request more", |case| case.requests.push(case.requests[0].clone())),
        ("a request less", |case| case.requests.clear()),
        ("another resource", |case| case.kept = Some([("list_id".into(), "78".into())].into())),
        ("another outcome", |case| {
            case.outcomes.insert("k1".into(), json!("unknown"));
        }),
    ];
    for (name, spoil) in spoil {
        let (cases, mut all) = cases_of("hubspot");
        let mut case = all.swap_remove(0);
        spoil(&mut case);
        let held = std::panic::AssertUnwindSafe(hold("hubspot", &cases, case)).catch_unwind().await;
        assert!(held.is_err(), "{name} goes unseen");
    }
}
