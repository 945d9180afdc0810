//! Connected components of large graphs: on each engine, by Splink's clustering on DuckDB, and by a union-find in memory.
//!
//! `cargo bench --workspace --profile dev --bench identity`. `SPRINGLINE_BENCH_ENGINES` (`splink,duckdb`; also `datafusion`
//! and those of the tests' servers) and `SPRINGLINE_BENCH_GRAPHS`, shapes with their sizes
//! (`clusters:1000000,random chain:100000,sorted chain:100000,star:1000000,grid:1000`). Servers are those of the tests.
//! Splink is installed from PyPI into a virtual environment below the target folder; both it and we use two threads of
//! DuckDB and a database in a file.
//!
//! In: from the table of edges to the smallest node of each component, every statement but those that remove working
//! tables counted. Not in: writing the edges. Processor time is that of the engine's own process, of a server's backends
//! or of its Spark. Everyone's labels are compared with those of the union-find. Splink's rounds are limited
//! (`SPRINGLINE_BENCH_ROUNDS`, 60): it would take one for each node of a chain in order.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use springline_ir::{ColumnDef, Statement, TableName, Type};
use springline_run::{Session, connected_components};
use springline_tests::process::{own_seconds, parent, python, tree_seconds};
use springline_tests::resolve::session;
use springline_tests::{root, servers, union_find};

const PROJECT: &str = "name: graphs\nversion: 1\ntargets: { local: { engine: datafusion, path: data } }\n";
const GRAPHS: &str = "clusters:1000000,random chain:100000,sorted chain:100000,star:1000000,grid:1000";
/// The version of Splink, and the DuckDB below it.
const SPLINK: [&str; 3] = ["splink==5.0.0", "duckdb==1.5.5", "pyarrow==26.0.1"];
/// Rows of one batch that is loaded.
const BATCH: usize = 65_536;

type Edges = Vec<(i64, i64)>;
type Labels = HashMap<i64, i64>;

/// What a graph's components took.
struct Cost {
    rounds: String,
    jumps: String,
    statements: String,
    processor: Option<f64>,
    wall: f64,
}

fn main() {
    let list = |name: &str, default: &str| -> Vec<String> {
        let value = std::env::var(format!("SPRINGLINE_BENCH_{name}")).unwrap_or_else(|_| default.to_owned());
        value.split(',').map(str::to_owned).collect()
    };
    let engines = list("ENGINES", "splink,duckdb");
    let wanted = |name: &str| engines.iter().any(|engine| engine == name);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    std::fs::write(folder.path().join("springline.yaml"), PROJECT).expect("the project");
    let (there, others): (Vec<_>, Vec<_>) = servers().into_iter().partition(|server| wanted(server.engine));
    others.into_iter().for_each(springline_tests::Server::end);
    let mut sessions = Vec::new();
    for server in there.iter().map(Some).chain(wanted("datafusion").then_some(None)) {
        let session = runtime.block_on(session(folder.path(), server));
        let process = runtime.block_on(process_of(&session, server.map(|server| server.options.get("host"))));
        sessions.push((session, process));
    }
    println!(
        "{:<22}{:<12}{:>9}{:>8}{:>7}{:>12}{:>11}{:>9}",
        "graph", "", "edges", "rounds", "jumps", "statements", "processor", "wall"
    );
    for name in &list("GRAPHS", GRAPHS) {
        let edges = graph(name);
        let (started, used) = (Instant::now(), own_seconds());
        let expected = union_find(&edges);
        let (wall, processor) = (started.elapsed().as_secs_f64(), Some(own_seconds() - used));
        let none = || "-".to_owned();
        let cost = Cost { rounds: none(), jumps: none(), statements: none(), processor, wall };
        print(name, "union-find", edges.len(), &cost);
        if wanted("splink") {
            print(name, "splink", edges.len(), &splink(name, &edges, &expected));
        }
        for (session, process) in &sessions {
            let cost = runtime.block_on(measure(session, *process, name, &edges, &expected));
            print(name, &session.target, edges.len(), &cost);
        }
    }
    drop(sessions);
    there.into_iter().for_each(springline_tests::Server::end);
}

fn print(graph: &str, name: &str, edges: usize, cost: &Cost) {
    let processor = cost.processor.map_or("-".to_owned(), |seconds| format!("{seconds:.2} s"));
    println!(
        "{graph:<22}{name:<12}{edges:>9}{:>8}{:>7}{:>12}{processor:>11}{:>7.2} s",
        cost.rounds, cost.jumps, cost.statements, cost.wall
    );
}

/// Where an engine's processor time goes.
#[derive(Clone, Copy)]
enum Process {
    /// Here.
    Own,
    /// To a server on this machine and those that it starts.
    Server(u32),
    /// Who knows.
    Elsewhere,
}

impl Process {
    fn seconds(self) -> Option<f64> {
        match self {
            Process::Own => Some(own_seconds()),
            Process::Server(root) => Some(tree_seconds(root)),
            Process::Elsewhere => None,
        }
    }
}

/// A server is found by its backend's parent, or as the process that was started with its port.
async fn process_of(session: &Session, host: Option<Option<&String>>) -> Process {
    match session.target.as_str() {
        "duckdb" | "datafusion" => Process::Own,
        "postgres" | "redshift" => {
            let backend = numbers(session, "SELECT pg_backend_pid()::bigint").await[0].value(0);
            let server = u32::try_from(backend).map_or(0, parent);
            if server > 1 { Process::Server(server) } else { Process::Elsewhere }
        }
        _ => {
            let port = host.flatten().and_then(|host| host.rsplit(':').next()).unwrap_or_default();
            let started = |process: &u32| {
                let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
                line.split('\0').any(|argument| argument.ends_with("server.py"))
                    && line.split('\0').any(|argument| argument == port)
            };
            let all = std::fs::read_dir("/proc").expect("Linux lists its processes");
            let mut all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
            all.find(started).map_or(Process::Elsewhere, Process::Server)
        }
    }
}

async fn measure(session: &Session, process: Process, name: &str, edges: &Edges, expected: &Labels) -> Cost {
    let table = write(session, edges).await;
    let (started, used) = (Instant::now(), process.seconds());
    let run =
        connected_components(session, "graph", &table).await.unwrap_or_else(|e| panic!("{}: {e}", session.target));
    let processor = used.and_then(|used| Some(process.seconds()? - used));
    let wall = started.elapsed().as_secs_f64();
    let rows = numbers(session, "SELECT v, rep FROM springline.identity_graph_labels").await;
    same(&rows, expected, name, &session.target);
    Cost {
        rounds: run.rounds.to_string(),
        jumps: run.jumps.to_string(),
        statements: run.statements.to_string(),
        processor,
        wall,
    }
}

/// The columns of integers of a result, batch by batch.
async fn numbers(session: &Session, sql: &str) -> Vec<Int64Array> {
    let rows = session.warehouse.query(sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", session.target));
    let batches: Vec<RecordBatch> = rows.stream.try_collect().await.expect("the rows are read");
    columns(&batches)
}

fn columns(batches: &[RecordBatch]) -> Vec<Int64Array> {
    let columns = batches.iter().flat_map(|batch| batch.columns());
    columns.map(|column| column.as_primitive::<Int64Type>().clone()).collect()
}

/// Two columns in turn are the labels of the union-find.
fn same(columns: &[Int64Array], expected: &Labels, name: &str, whose: &str) {
    let mut count = 0;
    for pair in columns.chunks(2) {
        for (node, label) in pair[0].values().iter().zip(pair[1].values()) {
            assert_eq!(expected.get(node), Some(label), "{name}: {whose}");
            count += 1;
        }
    }
    assert_eq!(count, expected.len(), "{name}: {whose}");
}

/// The same by Splink, in a process of its own.
fn splink(name: &str, edges: &Edges, expected: &Labels) -> Cost {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |file: &str| folder.path().join(file);
    save(&path("edges.parquet"), edges.chunks(BATCH).map(batch));
    let nodes: Vec<i64> = expected.keys().copied().collect();
    save(&path("nodes.parquet"), nodes.chunks(BATCH).map(|nodes| batch_of(&[("v", nodes.to_vec())])));
    let rounds = std::env::var("SPRINGLINE_BENCH_ROUNDS").unwrap_or_else(|_| "60".to_owned());
    let output = Command::new(python("splink-5.0.0", &SPLINK).join("python"))
        .arg(root().join("tests/benches/splink_clusters.py"))
        .args(["edges.parquet", "nodes.parquet", "labels.parquet", "splink.duckdb"].map(path))
        .arg(&rounds)
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let took: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("what it took");
    let over = if took["done"] == true {
        let file = File::open(path("labels.parquet")).expect("the labels");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
        let batches: Vec<_> = reader.expect("the labels").map(|batch| batch.expect("the labels")).collect();
        same(&columns(&batches), expected, name, "splink");
        ""
    } else {
        ">"
    };
    Cost {
        rounds: format!("{over}{}", took["rounds"]),
        jumps: "-".to_owned(),
        statements: format!("{over}{}", took["statements"]),
        processor: took["cpu"].as_f64(),
        wall: took["wall"].as_f64().expect("a time"),
    }
}

fn save(path: &Path, mut batches: impl Iterator<Item = RecordBatch>) {
    let first = batches.next().expect("rows");
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, first.schema(), None).expect("a writer");
    writer.write(&first).expect("rows are written");
    batches.for_each(|batch| writer.write(&batch).expect("rows are written"));
    writer.close().expect("the file is complete");
}

async fn write(session: &Session, edges: &Edges) -> TableName {
    let table = TableName::in_schema("springline", "graph");
    let columns = ["u", "v"].map(|name| ColumnDef { name: name.to_owned(), ty: Type::Integer }).into();
    for statement in [
        Statement::CreateSchema { schema: "springline".to_owned() },
        Statement::DropTable { table: table.clone() },
        Statement::CreateTable { table: table.clone(), columns },
    ] {
        let sql = springline_sql::print(&session.dialect, &statement).expect("SQL");
        session.warehouse.execute(&sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", session.target));
    }
    let batches: Vec<RecordBatch> = edges.chunks(BATCH).map(batch).collect();
    let schema = batches.first().expect("edges").schema();
    let rows = futures::stream::iter(batches.into_iter().map(Ok)).boxed();
    session.warehouse.load(&table.parts, schema, rows).await.unwrap_or_else(|e| panic!("{}: {e}", session.target));
    table
}

fn batch(edges: &[(i64, i64)]) -> RecordBatch {
    let ends = |end: fn(&(i64, i64)) -> i64| edges.iter().map(end).collect();
    batch_of(&[("u", ends(|e| e.0)), ("v", ends(|e| e.1))])
}

fn batch_of(columns: &[(&str, Vec<i64>)]) -> RecordBatch {
    let array = |values: &Vec<i64>| Arc::new(Int64Array::from(values.clone())) as ArrayRef;
    let columns = columns.iter().map(|(name, values)| (*name, array(values), true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns")
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>), of 60 bits: what the hashes of records look like.
fn node(n: u64) -> i64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 4) as i64
}

/// A shape and its size: edges of `clusters`, nodes of the chains, leaves of the star, the side of the grid.
fn graph(name: &str) -> Edges {
    let (shape, size) = name.split_once(':').unwrap_or_else(|| panic!("{name} has no size, such as {name}:1000"));
    let size: u64 = size.parse().unwrap_or_else(|_| panic!("{size} is no size"));
    let whole = size as i64;
    match shape {
        "clusters" => clusters(size as usize),
        "random chain" => (1..size).map(|n| (node(n - 1), node(n))).collect(),
        "sorted chain" => (1..whole).map(|n| (n - 1, n)).collect(),
        "star" => (0..whole).map(|n| (n, whole)).collect(),
        "grid" => {
            let at = |x: u64, y: u64| node(x * size + y);
            let right = (1..size).flat_map(|x| (0..size).map(move |y| (at(x - 1, y), at(x, y))));
            let down = (0..size).flat_map(|x| (1..size).map(move |y| (at(x, y - 1), at(x, y))));
            right.chain(down).collect()
        }
        other => panic!("there is no graph {other}"),
    }
}

/// Components of 2 to 6 nodes, and one in 5,000 that is larger, up to 10,000. Each node is linked to an earlier one of its
/// component.
fn clusters(edges: usize) -> Edges {
    let mut all = Vec::with_capacity(edges);
    let (mut first, mut component) = (0_u64, 0_u64);
    while all.len() < edges {
        component += 1;
        let chance = node(component + (1 << 40)).unsigned_abs();
        let size = if chance.is_multiple_of(5000) { 10 + (chance >> 20) % 9_991 } else { 2 + (chance >> 20) % 5 };
        for member in 1..size {
            let earlier = node((1 << 41) + first + member).unsigned_abs() % member;
            all.push((node(first + member), node(first + earlier)));
        }
        first += size;
    }
    all.truncate(edges);
    all
}
