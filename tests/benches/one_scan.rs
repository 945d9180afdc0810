//! All segments in one run beside one preview for each: wall time, processor time, bytes read.
//!
//! `cargo bench --workspace --profile dev --bench one_scan`. Sizes by environment variables:
//! `SPRINGLINE_BENCH_CUSTOMERS` (100,000), `SPRINGLINE_BENCH_EVENTS` (2,000,000), `SPRINGLINE_BENCH_PREVIEWS`
//! (all 70; fewer are scaled up), `SPRINGLINE_BENCH_ENGINES` (`datafusion,postgres`), `SPRINGLINE_BENCH_DIR` (a
//! folder that keeps the data for the next time). The events lie in no order of time, so that no engine can skip
//! rows that a window leaves out. Postgres is the server of `SPRINGLINE_TEST_POSTGRES`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use springline_tests::{postgres, postgres_env};

const AS_OF: [&str; 2] = ["2024-06-30T00:00:00Z", "2024-07-01T00:00:00Z"];
const DAYS: [u32; 7] = [30, 60, 90, 180, 365, 540, 730];
const BATCH: u64 = 65_536;

fn main() {
    let number = |name: &str, default: u64| {
        std::env::var(format!("SPRINGLINE_BENCH_{name}")).map_or(default, |v| v.parse().expect("a number"))
    };
    let (customers, events) = (number("CUSTOMERS", 100_000), number("EVENTS", 2_000_000));
    let kept = std::env::var_os("SPRINGLINE_BENCH_DIR").map(PathBuf::from);
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = kept.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).expect("a folder");
    project(&dir);
    if !dir.join("data/orders.parquet").exists() {
        let started = Instant::now();
        generate(&dir.join("data"), customers, events);
        println!("generated {customers} customers and {events} events in {:.1} s", started.elapsed().as_secs_f64());
    }
    let previews = usize::try_from(number("PREVIEWS", 70)).expect("a small number");
    let engines = std::env::var("SPRINGLINE_BENCH_ENGINES").unwrap_or_else(|_| "datafusion,postgres".to_owned());
    for engine in engines.split(',') {
        match engine {
            "postgres" => on_postgres(&dir, previews),
            _ => compare(&dir, "local", &[], None, previews),
        }
    }
}

fn on_postgres(dir: &Path, previews: usize) {
    let Some(server) = postgres() else { return };
    let options = &server.options;
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(server.load(dir, &dir.join("data")));
    println!("loaded into Postgres in {:.1} s", started.elapsed().as_secs_f64());
    compare(dir, "pg", &postgres_env(options), Some(options), previews);
    psql(options, "postgres", &format!("DROP DATABASE {} WITH (FORCE)", options["database"]));
}

/// What something cost.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
    bytes: f64,
}

fn compare(
    dir: &Path,
    target: &str,
    env: &[(&str, String)],
    server: Option<&BTreeMap<String, String>>,
    previews: usize,
) {
    let state = dir.join(".springline");
    if state.exists() {
        std::fs::remove_dir_all(&state).expect("the state goes");
    }
    let call = |args: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["--target", target]).args(args).current_dir(dir).stdout(Stdio::null());
        command.envs(env.iter().map(|(name, value)| (*name, value.as_str())));
        measure(&mut command, server)
    };
    call(&["--as-of", AS_OF[0], "preview", "buyers_30"]);
    let first = call(&["--as-of", AS_OF[0], "run"]);
    let next = call(&["--as-of", AS_OF[1], "run"]);
    let names: Vec<String> = segments().into_iter().map(|(name, _)| name).collect();
    // Spread over all kinds and windows.
    let step = names.len().div_ceil(previews.clamp(1, names.len()));
    let chosen: Vec<&String> = names.iter().step_by(step).collect();
    let mut single = Cost::default();
    for name in &chosen {
        let cost = call(&["--as-of", AS_OF[0], "preview", name]);
        single = Cost { wall: single.wall + cost.wall, cpu: single.cpu + cost.cpu, bytes: single.bytes + cost.bytes };
    }
    let scale = names.len() as f64 / chosen.len() as f64;
    let single = Cost { wall: single.wall * scale, cpu: single.cpu * scale, bytes: single.bytes * scale };
    println!("\n{target}: {} segments; {} previews measured", names.len(), chosen.len());
    println!("{:<14} {:>10} {:>10} {:>12} {:>8} {:>8} {:>8}", "", "wall", "cpu", "read", "wall x", "cpu x", "read x");
    for (label, cost) in [("70 previews", single), ("first run", first), ("next run", next)] {
        println!(
            "{label:<14} {:>8.1} s {:>8.1} s {:>8.0} MiB {:>8.1} {:>8.1} {:>8.1}",
            cost.wall,
            cost.cpu,
            cost.bytes / 1024.0 / 1024.0,
            single.wall / cost.wall,
            single.cpu / cost.cpu.max(0.01),
            single.bytes / cost.bytes.max(1.0)
        );
    }
}

/// Of a process and, where there is a server, of the server: its processor time is that of all that it did
/// meanwhile, its bytes the blocks that this database asked for.
fn measure(command: &mut Command, server: Option<&BTreeMap<String, String>>) -> Cost {
    let before = counters(server);
    let started = Instant::now();
    let status = command.status().expect("the command starts");
    let wall = started.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?} failed");
    let after = counters(server);
    Cost { wall, cpu: after.0 - before.0, bytes: after.1 - before.1 }
}

/// Processor seconds and bytes read so far, by processes that this one waited for and by the server.
fn counters(server: Option<&BTreeMap<String, String>>) -> (f64, f64) {
    let own = children_seconds("self");
    let Some(options) = server else {
        let io = std::fs::read_to_string("/proc/self/io").expect("Linux counts what is read");
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("the bytes read");
        return (own, read.parse().expect("a number"));
    };
    // What a session did is counted when it ends, and a little later.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let blocks = "SELECT (blks_read + blks_hit) * 8192 FROM pg_stat_database WHERE datname = current_database()";
    let postmaster = psql(options, "postgres", "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
    let bytes = psql(options, &options["database"], blocks).parse().expect("a number");
    (own + children_seconds(&postmaster), bytes)
}

/// The processor seconds of the children that a process has waited for.
fn children_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(13).take(2).filter_map(|t| t.parse::<f64>().ok()).sum::<f64>();
    // The kernel shows ticks of a hundredth of a second.
    ticks / 100.0
}

fn psql(options: &BTreeMap<String, String>, database: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args(["-X", "-At", "-h", &options["host"], "-p", &options["port"], "-U", &options["user"], "-d", database])
        .args(["-c", sql])
        .output()
        .expect("psql starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn binary() -> PathBuf {
    let myself = std::env::current_exe().expect("the bench has a path");
    let profile = myself.ancestors().nth(2).expect("a bench lies in <target>/<profile>/deps");
    let binary = profile.join("springline");
    assert!(binary.is_file(), "build the binary first: cargo build");
    binary
}

/// Ten usual kinds of segment, each in seven windows.
fn segments() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for days in DAYS {
        let within = format!("within: {days} days");
        let event = |rest: &str| format!("{{ event: purchase, {within}{rest} }}");
        let amount = days * 4;
        all.extend([
            (format!("buyers_{days}"), event("")),
            (format!("lapsed_{days}"), format!("{{ all: [ {{ event: purchase }}, {{ not: {} }} ] }}", event(""))),
            (format!("frequent_{days}"), event(", count: { gte: 5 }")),
            (format!("big_spenders_{days}"), event(&format!(", sum: {{ of: amount, gte: {amount} }}"))),
            (format!("web_buyers_{days}"), event(", where: { field: channel, eq: web }")),
            (format!("app_regulars_{days}"), event(", count: { gte: 3 }, where: { field: channel, eq: app }")),
            (format!("shoe_buyers_{days}"), event(", where: { field: category, eq: shoes }")),
            (
                format!("bags_and_coats_{days}"),
                event(&format!(", sum: {{ of: amount, gte: {amount} }}, where: {{ field: category, in: [bags, coats] }}")),
            ),
            (
                format!("reachable_{days}"),
                format!("{{ all: [ {}, {{ field: optin, eq: true }} ] }}", event(", count: { gte: 2 }")),
            ),
            (
                format!("paris_store_{days}"),
                format!(
                    "{{ all: [ {{ field: city, eq: Paris }}, {}, \"max(purchase.at) >= timestamp '2024-01-01T00:00:00Z'\" ] }}",
                    event(", where: { field: channel, eq: store }")
                ),
            ),
        ]);
    }
    all
}

fn project(dir: &Path) {
    let mut text = String::from(
        "name: one_scan\nversion: 1\ntimezone: UTC\ndefault_target: local\ntargets:\n  local: { engine: datafusion, path: data }\n  \
         pg: { engine: postgres, host: \"{{ env('PGHOST') }}\", port: \"{{ env('PGPORT') }}\", user: \"{{ env('PGUSER') }}\", \
         password: \"{{ env('PGPASSWORD') }}\", database: \"{{ env('PGDATABASE') }}\" }\n",
    );
    text.push_str(
        "entities:\n  - name: customer\n    source: customers\n    primary_key: customer_id\n    events:\n      \
         - { name: purchase, source: orders, key: customer_id, at: ordered_at }\n    fields:\n      \
         - { name: lifetime_value, expr: \"sum(purchase.amount)\", default: 0 }\n      \
         - { name: last_order_at, expr: \"max(purchase.at)\" }\nsegments:\n",
    );
    for (name, condition) in segments() {
        writeln!(text, "  - {{ name: {name}, entity: customer, where: {condition} }}").expect("text");
    }
    let sources = "sources:\n  - name: customers\n    table: customers\n    primary_key: customer_id\n    columns: { customer_id: integer, \
         city: string, optin: boolean }\n  - name: orders\n    table: orders\n    columns: { customer_id: integer, \
         ordered_at: timestamp, amount: \"decimal(12,2)\", channel: string, category: string }\n";
    std::fs::create_dir_all(dir.join("models")).expect("a folder");
    std::fs::write(dir.join("springline.yaml"), text).expect("the project is written");
    std::fs::write(dir.join("models/sources.yaml"), sources).expect("the sources are written");
}

/// Customers and their orders of three years, the same for the same sizes. A tenth of the customers have
/// nearly half of the orders.
fn generate(data: &Path, customers: u64, events: u64) {
    std::fs::create_dir_all(data).expect("a folder");
    let cities = ["Paris", "Lyon", "Lille", "Nice", "Nantes", "Brest"];
    let channels = ["web", "web", "web", "app", "app", "store", "store", "phone"];
    let categories = ["shoes", "bags", "coats", "hats", "shirts", "socks", "belts", "scarves"];
    let (end, start) = (1_719_705_600_000_000_i64, 1_625_097_600_000_000_i64);
    write(&data.join("customers.parquet"), customers, |rows| {
        let text = |row: u64| cities[index(random(row, 1), cities.len())];
        vec![
            ("customer_id", Arc::new(Int64Array::from_iter_values(rows.clone().map(signed))) as ArrayRef),
            ("city", Arc::new(StringArray::from_iter_values(rows.clone().map(text)))),
            ("optin", Arc::new(rows.map(|row| Some(!random(row, 2).is_multiple_of(3))).collect::<BooleanArray>())),
        ]
    });
    write(&data.join("orders.parquet"), events, |rows| {
        let customer = |row: u64| {
            let share = (random(row, 3) >> 11) as f64 / (1_u64 << 53) as f64;
            signed((share.powi(3) * customers as f64) as u64)
        };
        let at = |row: u64| start + (random(row, 4) % (end - start) as u64) as i64;
        let amount = |row: u64| i128::from((random(row, 5) % 200) * (random(row, 6) % 200) + 100);
        let amounts = Decimal128Array::from_iter_values(rows.clone().map(amount));
        let at = TimestampMicrosecondArray::from_iter_values(rows.clone().map(at));
        let channel = |row: u64| channels[index(random(row, 7), channels.len())];
        let category = |row: u64| categories[index(random(row, 8), categories.len())];
        vec![
            ("customer_id", Arc::new(Int64Array::from_iter_values(rows.clone().map(customer))) as ArrayRef),
            ("ordered_at", Arc::new(at.with_timezone("UTC"))),
            ("amount", Arc::new(amounts.with_precision_and_scale(12, 2).expect("it fits"))),
            ("channel", Arc::new(StringArray::from_iter_values(rows.clone().map(channel)))),
            ("category", Arc::new(StringArray::from_iter_values(rows.map(category)))),
        ]
    });
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).expect("small")
}

fn index(random: u64, of: usize) -> usize {
    usize::try_from(random % of as u64).expect("small")
}

/// SplitMix64 of a row and a column (<https://prng.di.unimi.it/splitmix64.c>).
fn random(row: u64, column: u64) -> u64 {
    let mut z = row.wrapping_mul(16).wrapping_add(column).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn write(path: &Path, rows: u64, columns: impl Fn(std::ops::Range<u64>) -> Vec<(&'static str, ArrayRef)>) {
    let batch = |from: u64, to: u64| RecordBatch::try_from_iter(columns(from..to)).expect("columns of one length");
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create(path).expect("the file is made");
    let mut writer = ArrowWriter::try_new(file, batch(0, 0).schema(), Some(properties)).expect("a writer");
    for from in (0..rows).step_by(usize::try_from(BATCH).expect("small")) {
        writer.write(&batch(from, (from + BATCH).min(rows))).expect("rows are written");
    }
    writer.close().expect("the file is complete");
}
