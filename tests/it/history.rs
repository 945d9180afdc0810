//! The history of segments against a naive model: the members at each run, kept as sets. Runs come in any
//! order, some twice; whatever they were, the stored intervals are those that the sets give.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use futures::TryStreamExt;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use springline_tests::{postgres, postgres_env, springline};
use springline_warehouse::{TargetConfig, Warehouse, connect};

const KEYS: usize = 6;
const SEGMENTS: [&str; 2] = ["a", "b"];

/// What a run finds: when, and who is in which segment.
#[derive(Debug, Clone)]
struct Run {
    hour: i64,
    members: [BTreeSet<usize>; 2],
}

/// For each segment, the members at each run.
type Known = [BTreeMap<i64, BTreeSet<usize>>; 2];
/// Segment, key, entry, exit.
type Interval = (String, String, i64, Option<i64>);

fn at(hour: i64) -> String {
    let start: Timestamp = "2024-01-01T00:00:00Z".parse().expect("an instant");
    (start + jiff::SignedDuration::from_hours(hour)).to_string()
}

fn runs() -> impl Strategy<Value = (usize, Vec<Run>)> {
    let set = || prop::collection::btree_set(0..KEYS, 0..=KEYS);
    let run = (0i64..7, set(), set()).prop_map(|(hour, a, b)| Run { hour, members: [a, b] });
    // Segment `b` is declared only from some run on.
    (0usize..3, prop::collection::vec(run, 3..9))
}

/// The intervals that the sets give: a member's time from the first run with it to the next without.
fn intervals(known: &Known) -> Vec<Interval> {
    let mut all = Vec::new();
    for (segment, runs) in SEGMENTS.iter().zip(known) {
        for key in 0..KEYS {
            let mut entered = None;
            for (hour, members) in runs {
                match (members.contains(&key), entered) {
                    (true, None) => entered = Some(*hour),
                    (false, Some(since)) => {
                        all.push(((*segment).to_owned(), format!("k{key}"), since, Some(*hour)));
                        entered = None;
                    }
                    _ => {}
                }
            }
            all.extend(entered.map(|since| ((*segment).to_owned(), format!("k{key}"), since, None)));
        }
    }
    all.sort();
    all
}

fn sizes(runs: &BTreeMap<i64, BTreeSet<usize>>) -> Vec<(String, usize, usize, usize)> {
    let mut before = BTreeSet::new();
    let mut all = Vec::new();
    for (hour, members) in runs {
        let (entered, exited) = (members.difference(&before).count(), before.difference(members).count());
        all.push((at(*hour), members.len(), entered, exited));
        before = members.clone();
    }
    all
}

/// A project and a target whose table of customers holds two marks a row.
struct World<'a> {
    dir: &'a Path,
    target: &'a str,
    env: Vec<(&'static str, String)>,
    warehouse: &'a dyn Warehouse,
    runtime: &'a tokio::runtime::Runtime,
}

impl World<'_> {
    fn call(&self, args: &[&str]) -> springline_tests::Output {
        let args: Vec<&str> =
            ["--target", self.target, "--format", "json"].into_iter().chain(args.iter().copied()).collect();
        springline(self.dir, &args).envs(&self.env).run()
    }

    fn declare(&self, segments: &[&str]) {
        let segments: Vec<String> = segments
            .iter()
            .map(|name| format!("  - {{ name: {name}, entity: customer, where: \"is_{name}\" }}\n"))
            .collect();
        let project = format!(
            "name: history\nversion: 1\ntimezone: UTC\ndefault_target: local\ntargets:\n  local: {{ engine: datafusion, path: data }}\n  \
             pg: {{ engine: postgres, host: \"{{{{ env('PGHOST') }}}}\", port: \"{{{{ env('PGPORT') }}}}\", user: \"{{{{ env('PGUSER') }}}}\", \
             password: \"{{{{ env('PGPASSWORD') }}}}\", database: \"{{{{ env('PGDATABASE') }}}}\" }}\nsources:\n  - name: customers\n    \
             table: customers\n    primary_key: id\n    columns: {{ id: string, is_a: boolean, is_b: boolean }}\nentities:\n  \
             - {{ name: customer, source: customers, primary_key: id }}\nsegments:\n{}",
            segments.concat()
        );
        std::fs::write(self.dir.join("springline.yaml"), project).expect("the project is written");
    }

    fn fill(&self, members: &[BTreeSet<usize>; 2]) {
        let rows = (0..KEYS).map(|key| (key, members[0].contains(&key), members[1].contains(&key)));
        if self.target == "pg" {
            let values: Vec<String> = rows.map(|(key, a, b)| format!("('k{key}', {a}, {b})")).collect();
            let script = format!(
                "DROP TABLE IF EXISTS customers; CREATE TABLE customers (id text, is_a boolean, is_b boolean); INSERT INTO customers VALUES {}",
                values.join(", ")
            );
            self.runtime.block_on(self.warehouse.execute(&script)).expect("the table is filled");
            return;
        }
        let lines: Vec<String> = rows.map(|(key, a, b)| format!("k{key},{a},{b}\n")).collect();
        std::fs::create_dir_all(self.dir.join("data")).expect("a folder");
        std::fs::write(self.dir.join("data/customers.csv"), format!("id,is_a,is_b\n{}", lines.concat()))
            .expect("the file is written");
    }

    fn stored(&self) -> Vec<Interval> {
        let sql = "SELECT segment, entity_id, entered_at, exited_at FROM springline.membership_customer";
        let rows = self.runtime.block_on(self.warehouse.query(sql)).expect("the membership is there");
        let batches: Vec<_> = self.runtime.block_on(rows.stream.try_collect()).expect("its rows are read");
        let start: Timestamp = at(0).parse().expect("an instant");
        let hour = |micros: i64| (micros - start.as_microsecond()) / 3_600_000_000;
        let mut all = Vec::new();
        for batch in batches {
            let text = |column: usize, row| batch.column(column).as_string::<i32>().value(row).to_owned();
            let times = |column: usize| batch.column(column).as_primitive::<TimestampMicrosecondType>().clone();
            let (entered, exited) = (times(2), times(3));
            for row in 0..batch.num_rows() {
                let exit = (!exited.is_null(row)).then(|| hour(exited.value(row)));
                all.push((text(0, row), text(1, row), hour(entered.value(row)), exit));
            }
        }
        all.sort();
        all
    }

    /// The bytes of everything that tells the history, for the engine that keeps it in files.
    fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = self.dir.join(".springline/state/membership_customer");
        let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
        files.map(|path| (path.display().to_string(), std::fs::read(&path).expect("a file"))).collect()
    }

    fn shown_sizes(&self, segment: &str) -> Vec<(String, usize, usize, usize)> {
        let shown = self.call(&["history", segment]).exits(0).json();
        let number = |row: &Value, name: &str| usize::try_from(row[name].as_u64().expect("a number")).expect("small");
        let rows = shown["sizes"].as_array().expect("sizes").iter();
        rows.map(|row| {
            let as_of = row["as_of"].as_str().expect("an instant").to_owned();
            (as_of, number(row, "members"), number(row, "entered"), number(row, "exited"))
        })
        .collect()
    }

    /// `history --from --to` and `history --key` agree with the sets.
    fn answers(&self, known: &Known) {
        let runs = &known[0];
        let (Some((first, before)), Some((last, after))) = (runs.first_key_value(), runs.last_key_value()) else {
            return;
        };
        if first < last {
            let call = ["history", "a", "--from", &at(*first), "--to", &at(*last)];
            let shown = self.call(&call).exits(0).json()["between"].clone();
            let both: BTreeSet<usize> = before.intersection(after).copied().collect();
            let stayed = both.iter().filter(|key| runs.values().all(|members| members.contains(key))).count();
            assert_eq!(shown["entered"], after.difference(before).count());
            assert_eq!(shown["exited"], before.difference(after).count());
            assert_eq!(shown["stayed"], stayed);
            assert_eq!(shown["returned"], both.len() - stayed);
        }
        let shown = self.call(&["history", "--key", "k0"]).exits(0).json();
        let mut stays: Vec<_> = shown["stays"]
            .as_array()
            .expect("stays")
            .iter()
            .map(|stay| {
                let text = |name: &str| stay[name].as_str().map(str::to_owned);
                (text("segment").expect("a segment"), text("entered_at").expect("an instant"), text("exited_at"))
            })
            .collect();
        stays.sort();
        let expected: Vec<_> = intervals(known)
            .into_iter()
            .filter(|i| i.1 == "k0")
            .map(|(segment, _, entered, exited)| (segment, at(entered), exited.map(at)))
            .collect();
        assert_eq!(stays, expected);
    }
}

fn holds(world: &World<'_>, declared_from: usize, runs: &[Run]) {
    let mut known = Known::default();
    for (i, run) in runs.iter().enumerate() {
        let declared = if i >= declared_from { 2 } else { 1 };
        world.declare(&SEGMENTS[..declared]);
        world.fill(&run.members);
        let as_of = at(run.hour);
        let is_earlier = known.iter().flat_map(BTreeMap::keys).max().is_some_and(|last| run.hour < *last);
        if is_earlier {
            let refused = world.call(&["--as-of", &as_of, "run"]).exits(1);
            assert!(refused.stdout.contains("--backfill"), "{refused:#?}");
        }
        world.call(&["--as-of", &as_of, "run", "--backfill"]).exits(0);
        for (known, members) in known.iter_mut().zip(&run.members).take(declared) {
            known.insert(run.hour, members.clone());
        }
        assert_eq!(world.stored(), intervals(&known), "after run {i} at {as_of}");
        // The same run again changes nothing.
        let before = world.bytes();
        world.call(&["--as-of", &as_of, "run", "--backfill"]).exits(0);
        assert_eq!(world.stored(), intervals(&known), "after run {i} at {as_of}, again");
        assert!(world.bytes() == before, "a run that changed nothing has written the membership");
    }
    for (segment, runs) in SEGMENTS.iter().zip(&known).filter(|(_, runs)| !runs.is_empty()) {
        assert_eq!(world.shown_sizes(segment), sizes(runs), "sizes of {segment}");
    }
    world.answers(&known);
}

/// Runs the property on one target, each case on an empty state.
fn check(target: &str, engine: &str, options: BTreeMap<String, String>, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let env = if target == "pg" { postgres_env(&options) } else { Vec::new() };
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::default() };
    let property = |(declared_from, runs): (usize, Vec<Run>)| {
        let dir = tempfile::tempdir().expect("a folder");
        let config = TargetConfig {
            name: target.to_owned(),
            engine: engine.to_owned(),
            tag: "springline-test".to_owned(),
            options: options.clone(),
            project_dir: dir.path().to_owned(),
            state_schema: "springline".to_owned(),
            declared: Vec::new(),
        };
        let warehouse = runtime.block_on(connect(config)).expect("the warehouse answers");
        if target == "pg" {
            runtime.block_on(warehouse.execute("DROP SCHEMA IF EXISTS springline CASCADE")).expect("the state goes");
        }
        let world = World { dir: dir.path(), target, env: env.clone(), warehouse: &*warehouse, runtime: &runtime };
        holds(&world, declared_from, &runs);
        Ok(())
    };
    TestRunner::new(config).run(&runs(), property).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn intervals_are_those_of_the_sets_on_files() {
    check("local", "datafusion", BTreeMap::new(), 6);
}

#[test]
fn intervals_are_those_of_the_sets_on_postgres() {
    let Some(server) = postgres() else { return };
    check("pg", "postgres", server.options, 6);
}

#[test]
fn a_history_needs_a_run() {
    let dir = tempfile::tempdir().expect("a folder");
    springline(dir.path(), &["init", "shop", "--example", "retail", "--customers", "20"]).run().exits(0);
    let project = dir.path().join("shop");
    let output = springline(&project, &["history", "--key", "1"]).run().exits(1);
    assert!(output.stderr.contains("it was not run yet"), "{output:#?}");
    springline(&project, &["history"]).run().exits(2);
}
