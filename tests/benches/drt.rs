//! The same deliveries by drt-core and by us: one after the other, same Postgres, same receiver, whole processes.
//!
//! `cargo build --release -p springline`, then `SPRINGLINE_BENCH_BINARY=<target>/release/springline cargo bench --workspace
//! --profile dev --bench drt`. drt-core is installed from PyPI into a virtual environment of its own below the target folder
//! (`SPRINGLINE_BENCH_DRT` names another `drt`). `SPRINGLINE_BENCH_ONLY` runs one part: `tables` or `requests`;
//! `SPRINGLINE_BENCH_ROWS` (1,000,000) is the size of the large table. Postgres is the server of
//! `SPRINGLINE_TEST_POSTGRES`; each of the two reads from a database of its own and writes to another.
//!
//! drt is set up as its documentation has it for speed: `incremental_strategy: diff` with `mirror.strategy: diff`, which
//! keeps a snapshot in the source's database and sends what differs; batches of 10,000 rows in one transaction, no
//! limit of requests per second. What both have written is compared with the source after every run. What they do not
//! share: drt writes row by row and makes one request after another; its snapshot moves on when a run has ended without a
//! failure, so that after any other the next run sends all differences again. We flush what each row came to into a
//! journal before the next request and keep it in a ledger, and make several requests at once. To a REST API drt keeps
//! no state: it sends every row of the query each time.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use springline_tests::process::{binary, measure, python};
use springline_tests::{Server, postgres};

/// The version that is compared with.
const VERSION: &str = "1.2.1";

const COLUMNS: &str = "customer_id text PRIMARY KEY, email text, city text, score bigint";

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn main() {
    let only = std::env::var("SPRINGLINE_BENCH_ONLY").unwrap_or_default();
    let rows = std::env::var("SPRINGLINE_BENCH_ROWS").map_or(1_000_000, |v| v.parse().expect("a number"));
    let drt = drt();
    let url = receiver();
    println!("{:<38} {:>20} {:>20} {:>8}", "", format!("drt {VERSION}"), "springline", "times");
    if only != "requests" {
        tables(&drt, &url, "first mirror", rows / 10);
        tables(&drt, &url, "first mirror", rows);
    }
    if only != "tables" {
        requests(&drt, &url, 10_000, 1);
        requests(&drt, &url, 100_000, 1_000);
    }
}

/// The `drt` of a virtual environment that is made if it is not there.
fn drt() -> PathBuf {
    if let Some(named) = std::env::var_os("SPRINGLINE_BENCH_DRT") {
        return PathBuf::from(named);
    }
    python(&format!("drt-{VERSION}"), &[&format!("drt-core[postgres]=={VERSION}")]).join("drt")
}

/// Mirrors a table to another database: at first, with no change, and with one row of a hundred changed.
fn tables(drt: &Path, url: &str, first: &str, rows: u64) {
    let sides = [Side::drt(drt, url, 1), Side::springline(url, None)];
    for side in &sides {
        side.fill(rows);
    }
    let change = "UPDATE customers SET score = score + 1 WHERE right(customer_id, 2) = '00'";
    let large = rows > 100_000;
    for (what, before) in [(first, None), ("no change", None), ("1 % changed", Some(change))] {
        if what != first && !large {
            continue;
        }
        let costs = sides.each_ref().map(|side| {
            if let Some(sql) = before {
                psql(&side.source, sql);
            }
            psql(&side.source, "VACUUM ANALYZE customers");
            let cost = side.run("to_copy");
            assert_eq!(content(&side.source, "customers"), content(&side.copy, "copy"), "{}: {what}", side.name);
            cost
        });
        print(&format!("{what}, {rows} rows to Postgres"), costs);
    }
    sides.into_iter().for_each(Side::end);
}

/// Posts every row, so many in each request.
fn requests(drt: &Path, url: &str, rows: u64, batch: u64) {
    let sides = [Side::drt(drt, url, batch), Side::springline(url, Some(batch))];
    let mut bytes = Vec::new();
    let costs = sides.each_ref().map(|side| {
        side.fill(rows);
        REQUESTS.store(0, Ordering::Relaxed);
        BYTES.store(0, Ordering::Relaxed);
        let cost = side.run("to_hook");
        assert_eq!(REQUESTS.load(Ordering::Relaxed), rows / batch, "{}", side.name);
        bytes.push(BYTES.load(Ordering::Relaxed));
        cost
    });
    print(&format!("{rows} rows by HTTP, {batch} a request"), costs);
    if batch == 1 {
        // As drt does it.
        sides[1].forget();
        let cost = sides[1].run("to_hook_one_by_one");
        print("  of us, one request after another", [costs[0], cost]);
    }
    println!("  bodies: {} and {} bytes a row", bytes[0] / rows, bytes[1] / rows);
    sides.into_iter().for_each(Side::end);
}

/// Wall time and peak memory in KiB.
type Cost = (Duration, u64);

fn print(what: &str, [drt, ours]: [Cost; 2]) {
    let cost = |(wall, peak): Cost| format!("{:.2} s {:>5} MiB", wall.as_secs_f64(), peak / 1024);
    let times = drt.0.as_secs_f64() / ours.0.as_secs_f64();
    println!("{what:<38} {:>20} {:>20} {times:>8.1}", cost(drt), cost(ours));
}

/// One of the two, with its project, the database it reads and the one it writes.
struct Side {
    name: &'static str,
    folder: tempfile::TempDir,
    source: Server,
    copy: Server,
    program: PathBuf,
}

impl Side {
    fn new(name: &'static str, program: PathBuf) -> Self {
        let server = || postgres().expect("a Postgres");
        Side { name, folder: tempfile::tempdir().expect("a folder"), source: server(), copy: server(), program }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn drt(drt: &Path, url: &str, batch: u64) -> Self {
        let side = Side::new("drt", drt.to_owned());
        let place = |server: &Server| {
            let options = &server.options;
            let (host, port, user) = (&options["host"], &options["port"], &options["user"]);
            format!("host: {host}, port: {port}, user: {user}, password: unused, dbname: {}", options["database"])
        };
        side.write(".drt/profiles.yml", &format!("pg: {{ type: postgres, {} }}\n", place(&side.source)));
        side.write("drt_project.yml", "name: bench\nversion: \"0.1\"\nprofile: pg\n");
        let model = "model: \"SELECT customer_id, email, city, score FROM customers\"";
        let copy = format!(
            "name: to_copy\n{model}\ndestination: {{ type: postgres, {}, table: public.copy, upsert_key: [customer_id] }}\n\
             sync: {{ mode: mirror, incremental_strategy: diff, mirror: {{ strategy: diff }}, batch_size: 10000, on_error: fail }}\n",
            place(&side.copy)
        );
        side.write("syncs/to_copy.yml", &copy);
        let shape = match batch {
            1 => String::new(),
            _ => format!(
                ", body_mode: batch, max_records_per_request: {batch}, batch_template: '{{{{ rows | tojson_safe }}}}'"
            ),
        };
        let hook = format!(
            "name: to_hook\n{model}\ndestination: {{ type: rest_api, url: \"{url}\", headers: {{ Content-Type: application/json }}{shape} }}\n\
             sync: {{ mode: full, batch_size: 10000, on_error: fail, rate_limit: {{ requests_per_second: 0 }} }}\n"
        );
        side.write("syncs/to_hook.yml", &hook);
        side
    }

    /// A sync to the other database, or to the receiver with so many rows in each request.
    fn springline(url: &str, batch: Option<u64>) -> Self {
        let side = Side::new("springline", binary());
        let mut text = "name: bench\nversion: 1\ndefault_target: source\ntargets:\n".to_owned();
        for (name, server) in [("source", &side.source), ("copy", &side.copy)] {
            let options: String = server.options.iter().map(|(k, v)| format!(", {k}: \"{v}\"")).collect();
            writeln!(text, "  {name}: {{ engine: postgres{options} }}").expect("text");
        }
        text.push_str(
            "sources:\n  - { name: customers, table: customers, primary_key: customer_id, columns: { customer_id: string, \
             email: string, city: string, score: integer } }\n\
             entities:\n  - { name: customer, source: customers, primary_key: customer_id }\ndestinations:\n",
        );
        let hook = |name: &str, rows: u64, at_once: u64| {
            let options = format!("allow_private_addresses: true, batch_rows: {rows}, concurrency: {at_once}");
            (name.to_owned(), format!("type: webhook, url: \"{url}\", {options}"))
        };
        let destinations = match batch {
            Some(rows) => vec![hook("hook", rows, 4), hook("hook_one_by_one", rows, 1)],
            None => {
                vec![("copy".to_owned(), "type: warehouse_table, target: copy, schema: public, table: copy".to_owned())]
            }
        };
        for (name, options) in &destinations {
            writeln!(text, "  - {{ name: {name}, {options} }}").expect("text");
        }
        text.push_str("syncs:\n");
        for (name, _) in &destinations {
            let map = "key: customer_id, map: { customer_id: customer_id, email: email, city: city, score: score }";
            let of = format!("entity: customer, destination: {name}, mode: mirror");
            writeln!(text, "  - {{ name: to_{name}, {of}, {map} }}").expect("text");
        }
        side.write("springline.yaml", &text);
        side
    }

    /// So many customers, and an empty table to copy them to.
    fn fill(&self, rows: u64) {
        psql(&self.source, &format!("CREATE TABLE customers ({COLUMNS})"));
        psql(
            &self.source,
            &format!(
                "INSERT INTO customers SELECT lpad(i::text, 12, '0'), 'customer.' || i || '@example.com', \
                 (ARRAY['Paris', 'Lyon', 'Lille', 'Nice', 'Nantes', 'Brest'])[1 + i % 6], i::bigint * 7919 % 1000 \
                 FROM generate_series(1, {rows}) AS i"
            ),
        );
        psql(&self.source, "VACUUM ANALYZE customers");
        if self.name == "drt" {
            psql(&self.copy, &format!("CREATE TABLE copy ({COLUMNS})"));
        }
    }

    fn run(&self, sync: &str) -> Cost {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).env("HOME", self.folder.path()).env("DO_NOT_TRACK", "1");
        match self.name {
            "drt" => command.args(["run", "--select", sync]),
            _ => command.args(["sync", "apply", sync]),
        };
        measure(&mut command)
    }

    /// Forgets what was delivered.
    fn forget(&self) {
        psql(&self.source, "DROP SCHEMA springline CASCADE");
    }

    fn end(self) {
        for server in [&self.source, &self.copy] {
            on_database(server, "postgres", &format!("DROP DATABASE {} WITH (FORCE)", server.options["database"]));
        }
    }
}

/// The number of rows of a table, and a sum that tells their values.
fn content(server: &Server, table: &str) -> String {
    let sum = "sum(hashtextextended(concat_ws('|', customer_id, email, city, score), 0))";
    psql(server, &format!("SELECT count(*), {sum} FROM {table}"))
}

fn psql(server: &Server, sql: &str) -> String {
    on_database(server, &server.options["database"], sql)
}

fn on_database(server: &Server, database: &str, sql: &str) -> String {
    let options = &server.options;
    let output = Command::new("psql")
        .args(["-X", "-At", "-h", &options["host"], "-p", &options["port"], "-U", &options["user"], "-d", database])
        .args(["-c", sql])
        .output()
        .expect("psql starts");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Starts a receiver that takes whatever is posted and counts it; a thread for each connection. Gives its address.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            std::thread::spawn(move || answer(stream));
        }
    });
    url
}

/// Answers each request of a connection until the other side closes it.
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
        let bytes = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        BYTES.fetch_add(bytes, Ordering::Relaxed);
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}
