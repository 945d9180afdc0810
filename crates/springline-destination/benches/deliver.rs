//! `deliver` to a receiver on this machine against a bare client loop that posts bodies of the same size.
//!
//! `cargo bench -p springline-destination --bench deliver --profile dev -- 1000000` prints, for each way, the processor
//! time of the client's process (the receiver is another), the time on the wall and the peak of memory. `source` makes
//! the rows and sends nothing: what the caller's side costs. `deliver` and `encode` are given these rows: the second is
//! a bare client loop that writes them with serde_json, to the same bytes. `bare` posts one ready-made body again and
//! again. The last line sets the processor times without that of `source` against each other.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use futures::{Stream, StreamExt, stream};
use springline_destination::{
    Batch, ChangeKind, DestinationConfig, DestinationError, Mode, Policy, SyncContext, connect, deliver,
};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 1_000;
const AT_ONCE: usize = 4;
/// Rows of one batch of the stream, about as many as an engine gives: whole requests, so that both ways post the same.
const CHUNK: usize = 8_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match &arguments[..] {
        [way] if way == "receive" => receive(),
        [way, url, rows] => measure(way, url, rows.parse().unwrap()),
        _ => compare(arguments.first().map_or("200000", String::as_str)),
    }
}

/// Runs every way in a process of its own, against one receiver.
fn compare(rows: &str) {
    let this = std::env::current_exe().unwrap();
    let mut receiver = Command::new(&this).arg("receive").stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut url).unwrap();
    println!("{rows} rows in requests of {BATCH}, {AT_ONCE} at once");
    let [_, source, encode, deliver] = ["bare", "source", "encode", "deliver"].map(|way| {
        let output = Command::new(&this).args([way, url.trim(), rows]).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{way}: {}", output.status);
        let line = String::from_utf8(output.stdout).unwrap();
        print!("{line}");
        let word = |place: usize| line.split_whitespace().nth(place).unwrap().parse::<f64>().unwrap();
        word(2) + word(5)
    });
    println!("deliver / encode, both without source: {:.2}", (deliver - source) / (encode - source).max(0.01));
    receiver.kill().unwrap();
    receiver.wait().unwrap();
}

/// Takes whatever is posted; a thread for each connection.
fn receive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}/", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        std::thread::spawn(move || answer(stream.unwrap()));
    }
}

fn answer(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

fn measure(way: &str, url: &str, rows: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = Instant::now();
    match way {
        "bare" => runtime.block_on(bare(url, rows)),
        "encode" => runtime.block_on(encode(url, rows)),
        "deliver" => runtime.block_on(delivered(url, rows)),
        _ => assert_eq!(runtime.block_on(changes(rows).fold(0, async |sum, batch| sum + batch.unwrap().len())), rows),
    }
    let took = start.elapsed().as_secs_f64();
    // Processor time in user and system mode, in hundredths of a second: fields 14 and 15 of proc(5).
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let seconds = |field: usize| fields[field].parse::<f64>().unwrap() / 100.0;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    println!("{way:8} user {:6.2} s  system {:6.2} s  wall {took:6.2} s  peak {peak}", seconds(11), seconds(12));
}

/// One body, of the size that `deliver` sends, posted as often.
async fn bare(url: &str, rows: usize) {
    let client = client();
    let first = changes(BATCH).collect::<Vec<_>>().await.remove(0).unwrap();
    let body = bytes::Bytes::from(body(&first, 0));
    stream::iter(0..rows / BATCH).for_each_concurrent(AT_ONCE, async |_| post(&client, url, body.clone()).await).await;
}

/// A body of its own for each request, from the rows that `deliver` is given.
async fn encode(url: &str, rows: usize) {
    let client = client();
    let bodies = changes(rows).flat_map(|batch| {
        let batch = batch.unwrap();
        stream::iter((0..batch.len()).step_by(BATCH)).map(move |start| body(&batch, start))
    });
    bodies.for_each_concurrent(AT_ONCE, async |body| post(&client, url, body.into()).await).await;
}

fn client() -> reqwest::Client {
    // It fails only when the process has a provider already, and then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn post(client: &reqwest::Client, url: &str, body: bytes::Bytes) {
    let request = client.post(url).header("content-type", "application/json").body(body);
    assert!(request.send().await.unwrap().status().is_success());
}

/// The rows of one request from `start` on.
fn body(batch: &Batch, start: usize) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        key: &'a str,
        op: &'static str,
        fields: Fields<'a>,
    }
    #[derive(serde::Serialize)]
    struct Fields<'a> {
        email: Option<&'a str>,
        name: Option<&'a str>,
        score: Option<i64>,
    }
    let columns = batch.fields.slice(start, BATCH.min(batch.len() - start));
    let texts = |column: usize| columns.column(column).as_string::<i32>().iter();
    let scores = columns.column(2).as_primitive::<Int64Type>().iter();
    let fields = texts(0).zip(texts(1)).zip(scores).map(|((email, name), score)| Fields { email, name, score });
    let rows = batch.keys[start..].iter().zip(fields).map(|(key, fields)| Row { key, op: "added", fields });
    let mut out = Vec::with_capacity(BATCH * 128);
    out.extend_from_slice(br#"{"sync_id":"vips","run_id":"run_1","batch":1,"op":"upsert","rows":"#);
    serde_json::to_writer(&mut out, &rows.collect::<Vec<_>>()).unwrap();
    out.push(b'}');
    out
}

async fn delivered(url: &str, rows: usize) {
    let options = [
        ("url", url.to_owned()),
        ("allow_private_addresses", "true".to_owned()),
        ("batch_rows", BATCH.to_string()),
        ("concurrency", AT_ONCE.to_string()),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value)).into();
    let config = DestinationConfig { name: "bench".into(), kind: "webhook".into(), options, project_dir: ".".into() };
    let destination = connect(config).unwrap();
    let context = SyncContext {
        sync: "vips".into(),
        run_id: "run_1".into(),
        mode: Mode::Mirror,
        key_field: "id".into(),
        fields: fields(0..0).schema(),
        as_of: "2024-06-30T00:00:00Z".into(),
        resources: BTreeMap::new(),
        removal: None,
        nulls: BTreeMap::new(),
        replaces: None,
    };
    let policy = Policy { distinct_keys: true, ..Policy::default() };
    let report =
        deliver(&*destination, &context, changes(rows), &policy, |_| Ok::<_, DestinationError>(())).await.unwrap();
    assert_eq!((report.delivered, &report.stopped), (rows as u64, &None), "{report:?}");
}

fn changes(rows: usize) -> impl Stream<Item = Result<Batch, DestinationError>> {
    let chunks = (0..rows).step_by(CHUNK).map(move |start| {
        let range = start..(start + CHUNK).min(rows);
        let keys: Vec<String> = range.clone().map(key).collect();
        let hashes = range.clone().map(|row| format!("{row:032x}")).collect();
        Batch::new(keys, vec![ChangeKind::Added; range.len()], hashes, fields(range))
    });
    stream::iter(chunks)
}

fn fields(range: std::ops::Range<usize>) -> RecordBatch {
    let emails: StringArray = range.clone().map(|row| Some(email(row))).collect();
    let names: StringArray = range.clone().map(|_| Some("Ann Example")).collect();
    let scores: Int64Array = range.map(|row| Some(row as i64)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("email", Arc::new(emails) as _, true),
        ("name", Arc::new(names) as _, true),
        ("score", Arc::new(scores) as _, true),
    ])
    .unwrap()
}

fn key(row: usize) -> String {
    format!("customer-{row:08}")
}

fn email(row: usize) -> String {
    format!("customer.{row}@example.com")
}
