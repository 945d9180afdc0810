//! What a sync asks to find its differences, against the engine's own full outer join of the same two tables.
//!
//! `cargo bench --workspace --profile dev --bench difference`. `SPRINGLINE_BENCH_ROWS` (1,000,000) rows stand in the
//! desired table and in the ledger, in orders that have nothing to do with each other; the payload of one in a hundred
//! differs. `SPRINGLINE_BENCH_ENGINES` (`datafusion,postgres`), `SPRINGLINE_BENCH_ROUNDS` (3): each round runs every
//! statement once, in turn, and what is printed is the middle of the rounds. Postgres is the server of
//! `SPRINGLINE_TEST_POSTGRES`.
//!
//! In: the statements of the plan from the finished desired table to the last row of `changes`, which are read and
//! dropped. Not in: making the desired table, and `duplicates`, which looks at the keys of one table and is printed
//! beside it. `join` is `COUNT(*)` over the full join on the key; `join and compare` also reads both hashes, without
//! which nothing can be told of a row.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use springline_ir::{Query, Statement};
use springline_model::{DestinationKind, EngineKind, Mode, OptionKind, Registry, check};
use springline_plan::{Context, Step, SyncOptions, SyncPlan};
use springline_sql::Dialect;
use springline_tests::{Server, postgres};
use springline_warehouse::{TargetConfig, Warehouse, connect};

/// Rows of one batch that is written.
const BATCH: u64 = 65_536;

const PROJECT: &str = r#"
name: difference
version: 1
targets: { local: { engine: datafusion, path: data } }
sources:
  - { name: customers, table: customers, primary_key: customer_id, columns: { customer_id: string, email: string, city: string, score: integer } }
entities: [{ name: customer, source: customers, primary_key: customer_id }]
destinations: [{ name: hook, type: webhook }]
syncs:
  - { name: people, entity: customer, destination: hook, mode: mirror, key: customer_id, map: { email: email, city: city, score: score } }
"#;

/// Where the statements run.
struct Engine {
    name: &'static str,
    dialect: Dialect,
    warehouse: Arc<dyn Warehouse>,
}

impl Engine {
    async fn embedded(folder: &Path) -> Self {
        let name = "datafusion";
        let config = TargetConfig {
            name: name.to_owned(),
            engine: name.to_owned(),
            tag: "springline-bench".to_owned(),
            options: BTreeMap::from([("path".to_owned(), "data".to_owned())]),
            project_dir: folder.to_owned(),
            state_schema: "springline".to_owned(),
            declared: Vec::new(),
        };
        let warehouse = connect(config).await.expect("the folder opens");
        Engine { name, dialect: Dialect::embedded(name).expect("a dialect"), warehouse }
    }

    async fn server(server: &Server, folder: &Path) -> Self {
        server.load(folder, &folder.join("data")).await;
        Engine { name: server.engine, dialect: server.dialect(), warehouse: server.connect().await }
    }

    async fn execute(&self, sql: &str) {
        self.warehouse.execute(sql).await.unwrap_or_else(|e| panic!("{}: {e}\n{sql}", self.name));
    }

    async fn run(&self, step: &Step) {
        self.execute(&springline_sql::print(&self.dialect, &step.statement).expect("SQL")).await;
    }

    fn text(&self, query: &Query) -> String {
        springline_sql::print(&self.dialect, &Statement::Query(query.clone())).expect("SQL")
    }

    /// Runs a statement. Gives the seconds, and no rows.
    async fn time_statement(&self, sql: &str) -> (f64, usize) {
        let started = Instant::now();
        self.execute(sql).await;
        (started.elapsed().as_secs_f64(), 0)
    }

    /// Reads a result to its end. Gives the seconds and the rows.
    async fn time(&self, sql: &str) -> (f64, usize) {
        let started = Instant::now();
        let rows = self.warehouse.query(sql).await.unwrap_or_else(|e| panic!("{}: {e}\n{sql}", self.name));
        let count = rows.stream.try_fold(0, async |sum, batch| Ok(sum + batch.num_rows()));
        let count = count.await.unwrap_or_else(|e| panic!("{}: {e}\n{sql}", self.name));
        (started.elapsed().as_secs_f64(), count)
    }
}

fn main() {
    let number = |name: &str, default: u64| {
        std::env::var(format!("SPRINGLINE_BENCH_{name}")).map_or(default, |v| v.parse().expect("a number"))
    };
    let (rows, rounds) = (number("ROWS", 1_000_000), number("ROUNDS", 3));
    let engines = std::env::var("SPRINGLINE_BENCH_ENGINES").unwrap_or_else(|_| "datafusion,postgres".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    write_project(folder.path(), rows);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for name in engines.split(',') {
        if name != "postgres" {
            runtime.block_on(async { compare(&Engine::embedded(folder.path()).await, rows, rounds).await });
        } else if let Some(server) = postgres() {
            runtime.block_on(async { compare(&Engine::server(&server, folder.path()).await, rows, rounds).await });
            runtime.block_on(drop_database(server));
        }
    }
}

async fn drop_database(mut server: Server) {
    let name = server.options.insert("database".to_owned(), "postgres".to_owned()).unwrap_or_default();
    let dropped = server.connect().await.execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    dropped.expect("the database of the bench goes");
}

fn write_project(folder: &Path, rows: u64) {
    std::fs::create_dir_all(folder.join("data")).expect("a folder");
    std::fs::write(folder.join("springline.yaml"), PROJECT).expect("the project");
    let file = File::create(folder.join("data/customers.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, customers(0..0).schema(), None).expect("a writer");
    for from in (0..rows).step_by(BATCH as usize) {
        writer.write(&customers(from..(from + BATCH).min(rows))).expect("rows are written");
    }
    writer.close().expect("the file is complete");
}

fn customers(rows: std::ops::Range<u64>) -> RecordBatch {
    let cities = ["Paris", "Lyon", "Lille", "Nice", "Nantes", "Brest"];
    let texts =
        |of: &dyn Fn(u64) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.clone().map(of))) };
    let scores = rows.clone().map(|row| i64::try_from(key(row) % 1000).expect("small"));
    RecordBatch::try_from_iter([
        ("customer_id", texts(&|row| format!("{:020}", key(row)))),
        ("email", texts(&|row| format!("customer.{row}@example.com"))),
        ("city", texts(&|row| cities[(key(row) % 6) as usize].to_owned())),
        ("score", Arc::new(Int64Array::from_iter_values(scores)) as ArrayRef),
    ])
    .expect("columns of one length")
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): another number for each row, in no order.
fn key(row: u64) -> u64 {
    let mut z = row.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn registry() -> Registry {
    let path = OptionKind::new("path", true);
    let hook = DestinationKind {
        name: "webhook".to_owned(),
        options: Vec::new(),
        modes: vec![Mode::Mirror],
        fields: None,
        required: Vec::new(),
        identifiers: Vec::new(),
        nulls: Vec::new(),
        removals: Vec::new(),
        members_expire_days: None,
    };
    Registry {
        engines: vec![EngineKind { name: "datafusion".to_owned(), options: vec![path] }],
        destinations: vec![hook],
        alerts: Vec::new(),
    }
}

async fn compare(engine: &Engine, rows: u64, rounds: u64) {
    let checked = check(vec![("springline.yaml".to_owned(), PROJECT.to_owned())], &registry());
    let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let as_of = "2024-06-30T00:00:00Z".parse().expect("an instant");
    let context = Context {
        project: &project,
        sources: &checked.sources,
        as_of,
        state_schema: "springline",
        capabilities: engine.dialect.capabilities(),
    };
    let options = SyncOptions { full_resync: false, now: as_of };
    let plan = springline_plan::sync(context, &project.syncs[0], &options).expect("a plan");
    fill(engine, &plan).await;

    let joined = "FROM springline.desired_people AS d FULL JOIN springline.ledger_people AS l ON d._key = l._key";
    let plain = format!("SELECT COUNT(*) AS n {joined}");
    let comparing = format!("SELECT SUM(CASE WHEN d._hash = l._hash THEN 0 ELSE 1 END) AS n {joined}");
    let statements = [
        ("join", plain),
        ("join and compare", comparing),
        ("duplicates", engine.text(&plan.duplicates)),
        ("difference", springline_sql::print(&engine.dialect, &plan.difference.statement).expect("SQL")),
        ("counts", engine.text(&plan.counts)),
        ("changes", engine.text(&plan.changes)),
    ];
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); statements.len()];
    for _ in 0..rounds {
        for ((name, sql), times) in statements.iter().zip(&mut all) {
            let (seconds, found) = match *name {
                "difference" => engine.time_statement(sql).await,
                _ => engine.time(sql).await,
            };
            if *name == "changes" {
                let share = found as f64 / rows as f64;
                assert!((0.008..0.012).contains(&share), "{found} changes of {rows} rows");
            }
            times.push(seconds);
        }
    }
    println!("\n{}: {rows} rows, the middle of {rounds} rounds", engine.name);
    let middle = |times: &Vec<f64>| {
        let mut times = times.clone();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let [join, compare, duplicates, difference, counts, changes] = [0, 1, 2, 3, 4, 5].map(|i| middle(&all[i]));
    for ((name, _), times) in statements.iter().zip(&all) {
        println!("{name:<18} {:>8.2} s {:>6.2} of the join", middle(times), middle(times) / join);
    }
    let ours = difference + counts + changes;
    let against = |what: f64| ours / what;
    println!("{:<18} {ours:>8.2} s {:>6.2} of the join", "all but duplicates", against(join));
    println!("{:<18} {:>10} {:>6.2} of the join and compare", "", "", against(compare));
    println!("{:<18} {:>8.2} s {:>6.2} of the join", "and duplicates", ours + duplicates, (ours + duplicates) / join);
}

/// The desired table as a run makes it, and the ledger of an earlier run.
async fn fill(engine: &Engine, plan: &SyncPlan) {
    for step in &plan.prepare {
        engine.run(step).await;
    }
    let started = Instant::now();
    engine.run(&plan.desired).await;
    println!("{}: the desired table took {:.2} s", engine.name, started.elapsed().as_secs_f64());
    // Keys are numbers in no order, so one in a hundred ends with two zeros.
    engine
        .execute(
            "INSERT INTO springline.ledger_people (_key, _hash, run_id, sent_at)
            SELECT _key, CASE WHEN RIGHT(_key, 2) = '00' THEN REVERSE(_hash) ELSE _hash END, 'earlier',
              TIMESTAMP '2024-06-29 00:00:00'
            FROM springline.desired_people ORDER BY _hash",
        )
        .await;
    if engine.name == "postgres" {
        // A ledger is older than a run: the engine has counted it by then.
        engine.execute("ANALYZE springline.ledger_people").await;
    }
}
