//! A webhook receiver written from the Standard Webhooks specification and the batch convention, with
//! faults that a test turns on and off while it runs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use crate::random::Random;

/// What the receiver does with what it gets.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Every request is answered with this status and not taken.
    pub down: Option<u16>,
    /// Rows of these keys are refused with a 422 of their own in a 207 answer.
    pub refused: BTreeSet<String>,
    /// Rows of these keys are refused with a 503 of their own in a 207 answer: they may pass later.
    pub busy: BTreeSet<String>,
    /// Requests with a row of these keys are refused whole, with a 422 that does not say which row it is.
    pub spoiling: BTreeSet<String>,
    /// Every answer waits so long.
    pub delay: Duration,
    /// Every answer waits so long after its rows were taken.
    pub silence: Duration,
    /// Every request waits a while up to this, drawn for each: one half of them before they are taken, the other half
    /// before they are answered.
    pub jitter: Duration,
}

/// A request that was taken.
#[derive(Debug, Clone)]
pub struct Request {
    /// The header `webhook-id`.
    pub id: String,
    /// `upsert` or `delete`.
    pub op: String,
    /// The rows.
    pub rows: Vec<Value>,
}

#[derive(Debug, Default)]
struct Shared {
    plan: Mutex<Plan>,
    taken: Mutex<Vec<Request>>,
    turned_away: Mutex<u64>,
    arrived: AtomicU64,
    busy: AtomicU64,
}

/// A request that has no answer yet. One whose client is gone is dropped, wherever it is.
struct Busy<'a>(&'a Shared);

impl<'a> Busy<'a> {
    /// With the ordinal of the request.
    fn new(shared: &'a Shared) -> (Self, u64) {
        shared.busy.fetch_add(1, Ordering::SeqCst);
        (Busy(shared), shared.arrived.fetch_add(1, Ordering::SeqCst))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A while up to `longest`.
async fn a_while(random: &mut Random, longest: Duration) {
    if !longest.is_zero() {
        tokio::time::sleep(longest.mul_f64(random.share())).await;
    }
}

/// A running receiver. It ends with the runtime it was started on.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Where it listens.
    pub url: String,
    shared: Arc<Shared>,
}

/// The secret that requests must be signed with.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// Starts a receiver on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let app = Router::new().route("/", post(receive)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.expect("the receiver serves") });
        Receiver { url, shared }
    }

    /// Changes what is done from now on.
    pub fn plan(&self, plan: Plan) {
        *lock(&self.shared.plan) = plan;
    }

    /// Takes out the requests that were taken since the last call.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *lock(&self.shared.taken))
    }

    /// How many requests were taken since the last [`Receiver::take`].
    pub fn requests(&self) -> usize {
        lock(&self.shared.taken).len()
    }

    /// How many requests have arrived so far, taken or not.
    pub fn arrived(&self) -> u64 {
        self.shared.arrived.load(Ordering::SeqCst)
    }

    /// How many requests have no answer yet.
    pub fn busy(&self) -> u64 {
        self.shared.busy.load(Ordering::SeqCst)
    }

    /// How many requests were answered with the status of [`Plan::down`] so far.
    pub fn turned_away(&self) -> u64 {
        *lock(&self.shared.turned_away)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let (_busy, ordinal) = Busy::new(&shared);
    let mut random = Random::new(ordinal);
    let plan = lock(&shared.plan).clone();
    let (before, after) = if random.one_in(2) { (plan.jitter, Duration::ZERO) } else { (Duration::ZERO, plan.jitter) };
    tokio::time::sleep(plan.delay).await;
    a_while(&mut random, before).await;
    if let Some(status) = plan.down {
        *lock(&shared.turned_away) += 1;
        return (StatusCode::from_u16(status).expect("a status"), String::new());
    }
    let Some(id) = verified(&headers, &body) else {
        return (StatusCode::UNAUTHORIZED, "the signature is wrong".to_owned());
    };
    let body: Value = serde_json::from_slice(&body).expect("the body is JSON");
    let rows = body["rows"].as_array().expect("rows").clone();
    let is_in = |keys: &BTreeSet<String>, row: &Value| keys.contains(row["key"].as_str().expect("a key"));
    if rows.iter().any(|row| is_in(&plan.spoiling, row)) {
        return (StatusCode::UNPROCESSABLE_ENTITY, "a row cannot be read".to_owned());
    }
    let (refused, rows): (Vec<Value>, Vec<Value>) = rows.into_iter().partition(|row| is_in(&plan.refused, row));
    let (busy, kept): (Vec<Value>, Vec<Value>) = rows.into_iter().partition(|row| is_in(&plan.busy, row));
    let result = |row: &Value, status: u16| json!({ "key": row["key"], "status": status, "error": (status >= 400).then_some("blocked by the receiver") });
    let results: Vec<Value> = [(&kept, 200), (&refused, 422), (&busy, 503)]
        .iter()
        .flat_map(|(rows, status)| rows.iter().map(|r| result(r, *status)))
        .collect();
    let op = body["op"].as_str().expect("an operation").to_owned();
    lock(&shared.taken).push(Request { id, op, rows: kept });
    tokio::time::sleep(plan.silence).await;
    a_while(&mut random, after).await;
    let status = if refused.is_empty() && busy.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    (status, json!({ "results": results }).to_string())
}

/// The request's id, if its signature is that of the secret over id, timestamp and the raw body.
fn verified(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (id, timestamp, signatures) =
        (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    let key = base64::engine::general_purpose::STANDARD.decode(SECRET.strip_prefix("whsec_")?).ok()?;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    signatures.split(' ').any(|signature| signature == format!("v1,{expected}")).then(|| id.to_owned())
}
