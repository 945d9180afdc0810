//! A destination over HTTP that answers as a script says, down to the wire: it drops, resets and cuts answers short.
//!
//! It applies the rows of requests it takes, in the order of their arrival, and knows a repeat by its `webhook-id`.
//! It speaks HTTP/1.1 by itself, because no server library breaks a connection on request.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is done with the requests that fit it. Of several rules the first one that fits is taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default)]
    pub(crate) when: When,
    /// How often the rule is taken; without it always.
    pub(crate) times: Option<u32>,
    pub(crate) reply: Reply,
}

/// Which requests a rule fits: those for which all that is said here holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct When {
    /// The ordinal of its arrival, from 1.
    request: Option<usize>,
    /// Every arrival whose ordinal this divides.
    every: Option<usize>,
    /// It holds one of these keys.
    keys: Vec<String>,
    /// It has more rows.
    rows_over: Option<usize>,
    /// `upsert` or `delete`.
    op: Option<String>,
    /// Requests that came at once with it, itself included, are more.
    at_once_over: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
    /// Status per key of a body `{"results": [...]}`; the other rows have status 200.
    results: Option<BTreeMap<String, u16>>,
    delay_ms: u64,
    wire: Wire,
    /// Whether the rows are applied; without it those whose status is a success.
    apply: Option<bool>,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            status: 200,
            headers: BTreeMap::new(),
            body: Value::Null,
            results: None,
            delay_ms: 0,
            wire: Wire::Whole,
            apply: None,
        }
    }
}

/// How much of the answer reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wire {
    Whole,
    /// The connection ends without an answer.
    Drop,
    /// The connection is reset in the middle of the answer.
    Reset,
    /// The connection ends in the middle of the answer.
    Half,
}

/// What the server has seen and done.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: usize,
    /// Every applied row: key and operation, in order.
    pub(crate) applied: Vec<(String, String)>,
    /// Requests that were known by their id and not applied again.
    pub(crate) duplicates: usize,
    pub(crate) most_at_once: usize,
    at_once: usize,
    taken: HashMap<usize, u32>,
    ids: HashSet<String>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) log: Arc<Mutex<Log>>,
}

struct Script {
    rules: Vec<Rule>,
    deduplicate: bool,
    log: Arc<Mutex<Log>>,
}

struct Request {
    id: String,
    op: String,
    keys: Vec<String>,
}

impl Server {
    pub(crate) async fn start(rules: Vec<Rule>, deduplicate: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Log::default()));
        let script = Arc::new(Script { rules, deduplicate, log: Arc::clone(&log) });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script)));
            }
        });
        Self { url, log }
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await {
        let reply = script.choose(&request);
        let answer = script.take(&request, &reply);
        tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
        script.leave();
        match reply.wire {
            // A client that has gone is as good as one that got its answer: the script decides what was applied.
            Wire::Whole if stream.write_all(&answer).await.is_ok() => {}
            Wire::Whole | Wire::Drop => return,
            Wire::Half | Wire::Reset => {
                let part = &answer[..answer.len() - 3];
                if stream.write_all(part).await.is_ok() && reply.wire == Wire::Reset {
                    stream.get_ref().set_zero_linger().unwrap();
                }
                return;
            }
        }
    }
}

/// `None` at the end of the connection.
async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some(Request {
        id: header("webhook-id").unwrap().to_owned(),
        op: text(&body["op"]),
        keys: body["rows"].as_array().unwrap().iter().map(|row| text(&row["key"])).collect(),
    })
}

impl Script {
    /// The log may have been taken by a test that did not wait for this request.
    fn leave(&self) {
        let mut log = self.log.lock().unwrap();
        log.at_once = log.at_once.saturating_sub(1);
    }

    fn choose(&self, request: &Request) -> Reply {
        let mut log = self.log.lock().unwrap();
        log.requests += 1;
        log.at_once += 1;
        log.most_at_once = log.most_at_once.max(log.at_once);
        let (arrival, at_once) = (log.requests, log.at_once);
        for (place, rule) in self.rules.iter().enumerate() {
            let taken = log.taken.entry(place).or_default();
            if rule.when.fits(request, arrival, at_once) && rule.times.is_none_or(|times| *taken < times) {
                *taken += 1;
                return rule.reply.clone();
            }
        }
        Reply::default()
    }

    /// Applies the rows of a request that is taken and gives the bytes of the answer.
    fn take(&self, request: &Request, reply: &Reply) -> Vec<u8> {
        let mut log = self.log.lock().unwrap();
        let known = self.deduplicate && log.ids.contains(&request.id);
        let is_success = |status: u16| (200..300).contains(&status);
        let status_of = |key: &String| reply.results.as_ref().and_then(|of| of.get(key).copied()).unwrap_or(200);
        if known {
            log.duplicates += 1;
        } else if reply.apply.unwrap_or(is_success(reply.status)) {
            for key in request.keys.iter().filter(|key| is_success(status_of(key))) {
                log.applied.push((key.clone(), request.op.clone()));
            }
            log.ids.insert(request.id.clone());
        }
        let results = || {
            let of = |key: &String| match status_of(key) {
                status if is_success(status) => json!({"key": key, "status": status}),
                status => json!({"key": key, "status": status, "error": "refused by the script"}),
            };
            json!({"results": request.keys.iter().map(of).collect::<Vec<_>>()})
        };
        let body = if reply.results.is_some() { results() } else { reply.body.clone() };
        let body = match body {
            Value::Null => "a word to be cut short".to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut answer = format!("HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", reply.status, body.len());
        for (name, value) in &reply.headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        answer.push_str(&body);
        answer.into_bytes()
    }
}

impl When {
    fn fits(&self, request: &Request, arrival: usize, at_once: usize) -> bool {
        self.request.is_none_or(|wanted| wanted == arrival)
            && self.every.is_none_or(|every| arrival.is_multiple_of(every))
            && (self.keys.is_empty() || self.keys.iter().any(|key| request.keys.contains(key)))
            && self.rows_over.is_none_or(|rows| request.keys.len() > rows)
            && self.op.as_ref().is_none_or(|op| *op == request.op)
            && self.at_once_over.is_none_or(|most| at_once > most)
    }
}
