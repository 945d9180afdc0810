use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode as Status};
use axum::response::IntoResponse;
use futures::stream;
use pretty_assertions::assert_eq;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::testing::{added, batch_of, config, context};
use crate::{ChangeKind, DeliveryReport, Policy, Progress, connect as connect_any, deliver};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it came over the wire.
#[derive(Clone)]
struct Received {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn keys(&self) -> Vec<String> {
        self.json()["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Default)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
}

fn status(status: u16) -> Reply {
    Reply { status, ..Reply::default() }
}

type Script = dyn Fn(&Received, usize) -> Reply + Send + Sync;

/// A receiver that answers by script; the script is told how many requests came before.
struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

#[derive(Clone)]
struct Handling {
    script: Arc<Script>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    async fn new(script: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=t0ken", listener.local_addr().unwrap());
        let received = Arc::default();
        let handling = Handling { script: Arc::new(script), received: Arc::clone(&received) };
        let app = axum::Router::new().fallback(handle).with_state(handling);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn handle(State(handling): State<Handling>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let received = Received { headers, body: body.to_vec() };
    let before = {
        let mut all = handling.received.lock().unwrap();
        all.push(received.clone());
        all.len() - 1
    };
    let reply = (handling.script)(&received, before);
    tokio::time::sleep(reply.delay).await;
    let mut headers = HeaderMap::new();
    for (name, value) in reply.headers {
        headers.insert(name, value.parse().unwrap());
    }
    (Status::from_u16(reply.status).unwrap(), headers, reply.body)
}

fn webhook(url: &str, options: &[(&str, &str)]) -> Arc<dyn Destination> {
    let mut all = vec![("url", url), ("allow_private_addresses", "true")];
    all.extend_from_slice(options);
    connect_any(config("webhook", &all)).unwrap()
}

fn quick() -> Policy {
    Policy { attempts: 4, first_delay: Duration::from_millis(5), ..Policy::default() }
}

async fn run(destination: &dyn Destination, rows: Batch) -> (DeliveryReport, BTreeMap<String, Outcome>) {
    let mut told = BTreeMap::new();
    let rows = stream::iter([Ok::<_, DestinationError>(rows)]);
    let report = deliver(destination, &context("r1"), rows, &quick(), |progress| {
        let Progress::Settled { batch, outcomes, .. } = progress else { return Ok(()) };
        for (key, outcome) in batch.keys.iter().zip(outcomes) {
            assert!(told.insert(key.clone(), outcome.clone()).is_none(), "{key} was told twice");
        }
        Ok(())
    })
    .await
    .unwrap();
    (report, told)
}

async fn answer(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Answer {
    let receiver = Receiver::new(move |_, _| reply()).await;
    webhook(&receiver.url, &[("timeout_secs", "1")])
        .send(&context("r1"), &added(0..2), &Attempt { number: 1, request: 1 })
        .await
}

#[test]
fn the_signature_vectors_hold() {
    let vectors = [
        (
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "run_7",
            1_767_225_600,
            r#"{"op":"upsert","rows":[{"key":"u1"}]}"#,
            "v1,PieDclQJ6qohpOl+3sIGtcNKfcHx0SHpgH4DikIa+o4=",
        ),
    ];
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    for (id, timestamp, body, expected) in vectors {
        assert_eq!(sign(&key, id, timestamp, body.as_bytes()).unwrap(), expected);
    }
}

#[tokio::test]
async fn the_body_follows_the_contract() {
    let receiver = Receiver::new(|_, _| status(204)).await;
    let destination = webhook(&receiver.url, &[("authorization", "Bearer abc"), ("concurrency", "1")]);
    let rows = batch_of(&[("a", ChangeKind::Added), ("b\"", ChangeKind::Changed), ("c", ChangeKind::Removed)]);
    let (report, _) = run(&*destination, rows).await;
    assert_eq!(report, DeliveryReport { requests: 2, delivered: 3, ..DeliveryReport::default() });
    let received = receiver.received();
    assert_eq!(
        received[0].json(),
        json!({"sync_id": "vips", "run_id": "r1", "batch": 1, "op": "upsert", "rows": [
            {"key": "a", "op": "added", "fields": {"text": "a"}},
            {"key": "b\"", "op": "changed", "fields": {"text": "b\""}},
        ]})
    );
    assert_eq!(
        received[1].json(),
        json!({"sync_id": "vips", "run_id": "r1", "batch": 2, "op": "delete", "rows": [
            {"key": "c", "op": "removed", "fields": null},
        ]})
    );
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(received[0].header("authorization"), "Bearer abc");
    assert_eq!(received[0].header("webhook-signature"), "");
}

/// Written from the specification alone: HMAC as RFC 2104 defines it, over the raw bytes.
fn verify(received: &Received) {
    let (id, timestamp) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    assert!(!id.contains('.') && !timestamp.contains('.'));
    let age = Timestamp::now().as_second() - timestamp.parse::<i64>().unwrap();
    assert!((0..300).contains(&age), "{age}");
    let mut key = STANDARD.decode(&SECRET[6..]).unwrap();
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let mut inner = pad(0x36);
    inner.extend_from_slice(format!("{id}.{timestamp}.").as_bytes());
    inner.extend_from_slice(&received.body);
    let mut outer = pad(0x5c);
    outer.extend_from_slice(&Sha256::digest(&inner));
    let expected = format!("v1,{}", STANDARD.encode(Sha256::digest(&outer)));
    assert_eq!(received.header("webhook-signature"), expected);
}

#[tokio::test]
async fn every_try_is_signed_anew_under_the_same_id() {
    let receiver = Receiver::new(|_, before| match before {
        0 => status(500),
        1 => Reply { headers: vec![("retry-after", "1".into())], ..status(429) },
        _ => status(200),
    })
    .await;
    let start = Instant::now();
    let (report, _) = run(&*webhook(&receiver.url, &[("secret", SECRET)]), added(0..5)).await;
    assert_eq!((report.delivered, report.requests, report.retries), (5, 3, 2));
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After was not kept");
    let received = receiver.received();
    received.iter().for_each(verify);
    assert!(received.iter().all(|one| one.header("webhook-id") == received[0].header("webhook-id")));
    assert!(received[2].header("webhook-timestamp") > received[0].header("webhook-timestamp"));
    assert!(received.iter().all(|one| one.body == received[0].body));
}

#[test]
fn the_id_tells_requests_apart_and_a_repeat_by_its_rows() {
    let id_of = |run: &str, request: u64, rows: &Batch| {
        message_id(&context(run), rows.operation().unwrap(), rows, &Attempt { number: 1, request })
    };
    let id = |rows: &Batch| id_of("run_1", 7, rows);
    let mut changed = added(0..3);
    changed.payload_hashes[1] = "another".into();
    let others = SyncContext { sync: "others".into(), ..context("run_1") };
    let ids = [
        id(&added(0..3)),
        id(&added(0..2)),
        id(&changed),
        id(&batch_of(&[("k0", ChangeKind::Removed)])),
        message_id(&others, Operation::Upsert, &added(0..3), &Attempt { number: 1, request: 7 }),
        id_of("run_1", 8, &added(0..3)),
        id_of("run_2", 7, &added(0..3)),
    ];
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
    assert!(ids[0].starts_with("msg_") && ids[0].len() == 36);
    let repeat = |rows: Batch| {
        let marks = vec![Some("run_1.7".to_owned()); rows.len()];
        id_of("run_2", 1, &rows.with_repeats(marks).unwrap())
    };
    assert_eq!(repeat(added(0..3)), ids[0]);
    let turned = Batch::concat(vec![added(2..3), added(0..2)]).unwrap().unwrap();
    assert_eq!(repeat(turned), ids[0], "in whatever order");
    assert_ne!(repeat(added(0..2)), ids[0]);
}

#[tokio::test]
async fn refused_credentials_are_told_without_the_answers_body() {
    for (refusing, body) in [(401, "bad token t0ken"), (403, "\"Bearer t0ken\" may not")] {
        let got = answer(move || Reply { body: body.into(), ..status(refusing) }).await;
        let Answer::Fatal { code, message } = got else { panic!("{got:?}") };
        assert_eq!(code, format!("http_{refusing}"));
        assert!(message.contains(&refusing.to_string()) && message.contains("`authorization`"), "{message}");
        assert!(!message.contains("t0ken") && !message.contains("Bearer"), "{message}");
    }
    let got = answer(|| Reply { body: "no such hook".into(), ..status(404) }).await;
    assert!(matches!(&got, Answer::Fatal { message, .. } if message.contains("no such hook")), "{got:?}");
}

#[tokio::test]
async fn statuses_are_classified() {
    for good in [200, 201, 202, 204] {
        assert_eq!(answer(move || status(good)).await, Answer::Ok, "{good}");
    }
    for passing in [408, 425, 429, 500, 502, 503, 504] {
        let got = answer(move || status(passing)).await;
        assert!(matches!(&got, Answer::Retry { after: None, .. }), "{passing}: {got:?}");
    }
    for refusing in [400, 409, 413, 422] {
        let got = answer(move || Reply { body: "no\r\n\x1b[1m such field".into(), ..status(refusing) }).await;
        let (code, reason) = (format!("http_{refusing}"), "no [1m such field".into());
        assert_eq!(got, Answer::Split { code, reason });
    }
    for fatal in [301, 302, 304, 307, 401, 403, 404, 405, 410, 415] {
        let got =
            answer(move || Reply { headers: vec![("location", "http://127.0.0.1:1/".into())], ..status(fatal) }).await;
        assert!(matches!(&got, Answer::Fatal { code, .. } if *code == format!("http_{fatal}")), "{fatal}: {got:?}");
    }
    let dated =
        || (Timestamp::now() + jiff::SignedDuration::from_secs(30)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let got = answer(move || Reply { headers: vec![("retry-after", dated())], ..status(503) }).await;
    let Answer::Retry { after: Some(after), .. } = got else { panic!("{got:?}") };
    assert!((25..=30).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn a_slow_receiver_is_not_waited_for() {
    let start = Instant::now();
    let got = answer(|| Reply { delay: Duration::from_secs(20), ..status(200) }).await;
    assert_eq!(got, Answer::Retry { after: None, reason: "no answer in time".into() });
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_per_row_settles_each_row() {
    let receiver = Receiver::new(|_, _| Reply {
        body: json!({"results": [
            {"key": "k0", "status": 200},
            {"key": "k1", "status": 422, "error": "bad\nemail"},
            {"key": "k2", "status": 503},
            {"key": "k3", "status": 400, "error": {"field": "x"}}, {"key": "k3", "status": 200},
            {"key": "stranger", "status": 200}, {"key": "k4", "status": "fine"}, {"status": 200}, 7, null,
        ]})
        .to_string(),
        ..status(207)
    })
    .await;
    let (report, told) = run(&*webhook(&receiver.url, &[]), added(0..6)).await;
    assert_eq!((report.requests, report.delivered, report.rejected), (1, 1, 5));
    let rejected = |code: &str, message: &str, retryable| Outcome::Rejected {
        code: code.into(),
        message: message.into(),
        retryable,
    };
    let silent = rejected("no_result", "the receiver's answer holds no result for this row", true);
    assert_eq!(told["k0"], Outcome::Delivered);
    assert_eq!(told["k1"], rejected("http_422", "bad email", false));
    assert_eq!(told["k2"], rejected("http_503", "no reason given", true));
    assert_eq!(told["k3"], rejected("http_400", r#"{"field":"x"}"#, false));
    assert_eq!((&told["k4"], &told["k5"]), (&silent, &silent));
}

#[tokio::test]
async fn unreadable_answers_per_row_lose_nothing() {
    for body in ["", "not json", "[]", "{}", r#"{"results": null}"#, r#"{"results": {"k0": 200}}"#, "\u{0}\u{1}"] {
        let Answer::Partial(outcomes) = answer(move || Reply { body: body.into(), ..status(207) }).await else {
            panic!("{body}")
        };
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert!(
                matches!(outcome, Outcome::Rejected { code, retryable: true, .. } if code == "bad_answer"),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_poison_row_is_rejected_and_its_neighbours_arrive_once() {
    let receiver = Receiver::new(|received, _| {
        if received.keys().contains(&"k61".to_owned()) {
            Reply { body: "row k61: bad".into(), ..status(400) }
        } else {
            status(200)
        }
    })
    .await;
    let (report, told) = run(&*webhook(&receiver.url, &[]), added(0..100)).await;
    assert_eq!((report.delivered, report.rejected), (99, 1));
    let poison = Outcome::Rejected { code: "http_400".into(), message: "row k61: bad".into(), retryable: false };
    assert_eq!(told["k61"], poison);
    let mut taken = BTreeMap::new();
    for received in receiver.received().iter().filter(|received| !received.keys().contains(&"k61".to_owned())) {
        received.keys().into_iter().for_each(|key| *taken.entry(key).or_insert(0) += 1);
    }
    assert!(taken.len() == 99 && taken.values().all(|times| *times == 1));
}

#[tokio::test]
async fn options_bound_the_requests() {
    let receiver = Receiver::new(|_, _| Reply { delay: Duration::from_millis(20), ..status(200) }).await;
    let destination = webhook(&receiver.url, &[("batch_rows", "7"), ("rate_per_second", "50")]);
    let start = Instant::now();
    let (report, _) = run(&*destination, added(0..100)).await;
    assert_eq!((report.requests, report.delivered), (15, 100));
    assert!(start.elapsed() >= Duration::from_millis(270), "{:?}", start.elapsed());
    let sizes: Vec<_> = receiver.received().iter().map(|received| received.keys().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 7), "{sizes:?}");
    let mut keys: Vec<_> = receiver.received().iter().flat_map(Received::keys).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 100);
}

#[tokio::test]
async fn reset_connections_are_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            if connection >= 2 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            }
            // Dropped unanswered before that: the client sees the connection end.
        }
    });
    let (report, _) = run(&*webhook(&url, &[]), added(0..3)).await;
    assert_eq!((report.delivered, report.requests), (3, 3));
}

#[tokio::test]
async fn a_receiver_that_is_down_stops_the_run_and_gets_the_same_ids_later() {
    let parked = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = format!("http://{}/hook?token=t0ken", parked.local_addr().unwrap());
    drop(parked);
    let (report, told) = run(&*webhook(&down, &[]), added(0..250)).await;
    assert_eq!((report.unsent, told.len()), (250, 0));
    let reason = report.stopped.unwrap();
    assert!(reason.contains("refused") && !reason.contains("t0ken"), "{reason}");

    let up = Receiver::new(|_, _| status(200)).await;
    let sent = [0..100, 100..160, 160..250];
    let before = |row: usize| sent.iter().position(|rows| rows.contains(&row)).map(|place| format!("r0.{}", place + 1));
    let repeats = added(0..250).with_repeats((0..250).map(before).collect()).unwrap();
    assert_eq!(run(&*webhook(&up.url, &[]), repeats).await.0.delivered, 250);
    let mut ids: Vec<_> = up.received().iter().map(|received| received.header("webhook-id").to_owned()).collect();
    let mut expected: Vec<_> = (1..)
        .zip(sent)
        .map(|(request, rows)| {
            message_id(&context("r0"), Operation::Upsert, &added(rows), &Attempt { number: 1, request })
        })
        .collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn private_addresses_are_out_of_reach() {
    let refusal = |url: &str| connect_any(config("webhook", &[("url", url)])).err().map(|error| error.to_string());
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.1]/",
    ] {
        assert!(refusal(url).unwrap().contains("allow_private_addresses"), "{url}");
    }
    assert!(refusal("http://example.com/").unwrap().contains("https://"));
    assert!(refusal("ftp://example.com/").unwrap().contains("https://"));
    assert!(refusal("example.com/x").unwrap().contains("is not a URL"));

    // A public-looking name that resolves to this machine: the guard must see the address, not the name.
    let destination = connect_any(config("webhook", &[("url", "https://localhost:9/")])).unwrap();
    let got = destination.send(&context("r1"), &added(0..1), &Attempt { number: 1, request: 1 }).await;
    assert!(matches!(&got, Answer::Fatal { code, .. } if code == "blocked_address"), "{got:?}");
    assert!(destination.check().await.unwrap_err().to_string().contains("private"));
}

#[tokio::test]
async fn check_tells_whether_something_listens() {
    let receiver = Receiver::new(|_, _| status(200)).await;
    webhook(&receiver.url, &[]).check().await.unwrap();
    assert!(receiver.received().is_empty());
    let parked = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = format!("http://{}/?token=t0ken", parked.local_addr().unwrap());
    drop(parked);
    let error = webhook(&down, &[]).check().await.unwrap_err().to_string();
    assert!(error.contains("cannot connect to 127.0.0.1") && !error.contains("t0ken"), "{error}");
}

#[test]
fn weak_or_malformed_secrets_are_refused() {
    for secret in ["abc", "whsec_", "whsec_!!!", "whsec_c2hvcnQ="] {
        let error =
            connect_any(config("webhook", &[("url", "https://example.com/"), ("secret", secret)])).err().unwrap();
        assert!(error.to_string().contains("24 to 64"), "{error}");
    }
}
