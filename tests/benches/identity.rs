//! Connected components of large graphs on each engine, beside a union-find in memory.
//!
//! `cargo bench --workspace --profile dev --bench identity`. `SPRINGLINE_BENCH_ENGINES` (`datafusion,duckdb,postgres`) and
//! `SPRINGLINE_BENCH_GRAPHS` (all but `5M`): names from the first column of what is printed. Servers are those of the
//! tests.
//!
//! In: from the table of edges to the smallest node of each component, every statement but those that remove working
//! tables counted. Not in: writing the edges. The sizes and labels are compared with the union-find's.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use springline_ir::{ColumnDef, Statement, TableName, Type};
use springline_model::{EngineKind, OptionKind, Registry, check};
use springline_run::{Session, connected_components};
use springline_sql::Dialect;
use springline_tests::servers;
use springline_warehouse::{TargetConfig, Warehouse, connect};
use tokio_util::sync::CancellationToken;

const PROJECT: &str = "name: graphs\nversion: 1\ntargets: { local: { engine: datafusion, path: data } }\n";
/// Rows of one batch that is loaded.
const BATCH: usize = 65_536;

type Edges = Vec<(i64, i64)>;

fn main() {
    let list = |name: &str, default: &str| -> Vec<String> {
        let value = std::env::var(format!("SPRINGLINE_BENCH_{name}")).unwrap_or_else(|_| default.to_owned());
        value.split(',').map(str::to_owned).collect()
    };
    let engines = list("ENGINES", "datafusion,duckdb,postgres");
    let names = list("GRAPHS", "1M,random chain,sorted chain,star,grid");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    let sessions: Vec<Session> = runtime.block_on(async {
        let mut sessions = Vec::new();
        if engines.iter().any(|name| name == "datafusion") {
            let dialect = Dialect::embedded("datafusion").expect("a dialect");
            sessions.push(session("datafusion", embedded(folder.path()).await, dialect, folder.path()));
        }
        for server in servers().into_iter().filter(|server| engines.iter().any(|name| name == server.engine)) {
            sessions.push(session(server.engine, server.connect().await, server.dialect(), folder.path()));
        }
        sessions
    });
    println!(
        "{:<14}{:<12}{:>10}{:>8}{:>7}{:>12}{:>10}",
        "graph", "engine", "edges", "rounds", "jumps", "statements", "seconds"
    );
    for name in &names {
        let edges = graph(name);
        let started = Instant::now();
        let expected = union_find(&edges);
        let seconds = started.elapsed().as_secs_f64();
        println!("{name:<14}{:<12}{:>10}{:>8}{:>7}{:>12}{seconds:>10.2}", "union-find", edges.len(), "-", "-", "-");
        for session in &sessions {
            runtime.block_on(measure(session, name, &edges, &expected));
        }
    }
}

async fn measure(session: &Session, name: &str, edges: &Edges, expected: &HashMap<i64, i64>) {
    let table = write(session, edges).await;
    let started = Instant::now();
    let run =
        connected_components(session, "graph", &table).await.unwrap_or_else(|e| panic!("{}: {e}", session.target));
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{name:<14}{:<12}{:>10}{:>8}{:>7}{:>12}{seconds:>10.2}",
        session.target,
        edges.len(),
        run.rounds,
        run.jumps,
        run.statements
    );
    let rows = session.warehouse.query("SELECT v, rep FROM springline.identity_graph_labels").await.expect("labels");
    let batches: Vec<RecordBatch> = rows.stream.try_collect().await.expect("labels are read");
    let mut count = 0;
    for batch in &batches {
        let column = |place: usize| batch.column(place).as_primitive::<Int64Type>().values();
        for (node, label) in column(0).iter().zip(column(1)) {
            assert_eq!(expected.get(node), Some(label), "{name} on {}", session.target);
            count += 1;
        }
    }
    assert_eq!(count, expected.len(), "{name} on {}", session.target);
}

async fn embedded(folder: &Path) -> Arc<dyn Warehouse> {
    let config = TargetConfig {
        name: "local".to_owned(),
        engine: "datafusion".to_owned(),
        tag: "springline-bench".to_owned(),
        options: BTreeMap::from([("path".to_owned(), "data".to_owned())]),
        project_dir: folder.to_owned(),
        state_schema: "springline".to_owned(),
        declared: Vec::new(),
    };
    connect(config).await.expect("the folder opens")
}

fn session(name: &str, warehouse: Arc<dyn Warehouse>, dialect: Dialect, folder: &Path) -> Session {
    let path = OptionKind::new("path", true);
    let engines = vec![EngineKind { name: "datafusion".to_owned(), options: vec![path] }];
    let registry = Registry { engines, destinations: Vec::new(), alerts: Vec::new() };
    let checked = check(vec![("springline.yaml".to_owned(), PROJECT.to_owned())], &registry);
    Session {
        project: Arc::new(checked.project.unwrap_or_else(|| panic!("{:?}", checked.diagnostics))),
        sources: Arc::new(checked.sources),
        warehouse,
        target: name.to_owned(),
        dialect: Arc::new(dialect),
        state_schema: "springline".to_owned(),
        price_per_tib: None,
        as_of: "2024-06-30T00:00:00Z".parse().expect("an instant"),
        project_dir: folder.to_owned(),
        local_state: None,
        stop: CancellationToken::new(),
        observer: Arc::new(|_| {}),
    }
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
    let ends = |end: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(edges.iter().map(end))) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([("u", ends(|e| e.0), true), ("v", ends(|e| e.1), true)]).expect("columns")
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>), of 60 bits: what the hashes of records look like.
fn node(n: u64) -> i64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 4) as i64
}

fn graph(name: &str) -> Edges {
    match name {
        "1M" => clusters(1_000_000),
        "5M" => clusters(5_000_000),
        "random chain" => (0..99_999).map(|n| (node(n), node(n + 1))).collect(),
        "sorted chain" => (0..99_999).map(|n| (n, n + 1)).collect(),
        "star" => (0..1_000_000).map(|n| (n, 1_000_000)).collect(),
        "grid" => {
            let at = |x: u64, y: u64| node(x * 500 + y);
            let right = (0..499).flat_map(|x| (0..500).map(move |y| (at(x, y), at(x + 1, y))));
            let down = (0..500).flat_map(|x| (0..499).map(move |y| (at(x, y), at(x, y + 1))));
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

/// The smallest node of each node's component.
fn union_find(edges: &Edges) -> HashMap<i64, i64> {
    let mut places: HashMap<i64, usize> = HashMap::with_capacity(edges.len());
    let (mut nodes, mut parent): (Vec<i64>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut place = |node: i64, nodes: &mut Vec<i64>, parent: &mut Vec<usize>| {
        *places.entry(node).or_insert_with(|| {
            nodes.push(node);
            parent.push(parent.len());
            nodes.len() - 1
        })
    };
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    for (u, v) in edges {
        let (u, v) = (place(*u, &mut nodes, &mut parent), place(*v, &mut nodes, &mut parent));
        let (a, b) = (root(&mut parent, u), root(&mut parent, v));
        let (small, large) = if nodes[a] < nodes[b] { (a, b) } else { (b, a) };
        parent[large] = small;
    }
    (0..nodes.len()).map(|at| (nodes[at], nodes[root(&mut parent, at)])).collect()
}
