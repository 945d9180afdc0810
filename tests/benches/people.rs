//! What keeps strangers apart, and ids that stay: against people whose records are known to be theirs.
//!
//! `cargo bench --workspace --profile dev --bench people`. `SPRINGLINE_BENCH_PEOPLE` (5,000), `SPRINGLINE_BENCH_RUNS` (30)
//! and `SPRINGLINE_BENCH_SEED` (1). On the embedded engine. The clusters of all limits are set beside plain components,
//! where equal values always link; the churn of ids beside ids that are the smallest record's of a cluster: of the records
//! whose cluster goes on, those that have another id than in the run before. What the people and their days are like stands
//! in `tests/src/people.rs`.

use std::collections::BTreeMap;

use springline_tests::people::{
    Name, Record, churned, next_day, plain_components, project, score_of, smallest_names, strangers, violations, write,
};
use springline_tests::resolve::{resolve, session};

fn main() {
    let number = |name: &str, default: u64| {
        std::env::var(format!("SPRINGLINE_BENCH_{name}")).map_or(default, |value| value.parse().expect("a number"))
    };
    let (people, runs, seed) = (number("PEOPLE", 5_000), number("RUNS", 30), number("SEED", 1));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(over_merging(people, seed));
    runtime.block_on(churn(people, runs, seed));
}

async fn over_merging(people: u64, seed: u64) {
    let records = strangers(people, seed);
    println!("{people} people, {} records", records.len());
    println!("{:<18}{:>12}{:>12}{:>10}{:>10}", "", "violations", "precision", "recall", "F1");
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &project(true), &records);
    let (report, ids) = resolve(&session(folder.path(), None).await).await;
    print("plain components", &records, &plain_components(&records));
    print("with limits", &records, &ids);
    println!("{} clusters would have exceeded a limit\n", report.limit_hits);
}

fn print(name: &str, records: &[Record], ids: &BTreeMap<Name, String>) {
    let score = score_of(records, ids);
    let violations = violations(records, ids);
    println!("{name:<18}{violations:>12}{:>12.4}{:>10.4}{:>10.4}", score.precision, score.recall, score.f1);
}

async fn churn(people: u64, runs: u64, seed: u64) {
    let mut records = strangers(people, seed);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut ours, mut others, mut kept) = (0, 0, 0);
    let mut before = BTreeMap::new();
    for day in 0..=runs {
        write(folder.path(), &project(true), &records);
        let (_, ids) = resolve(&session(folder.path(), None).await).await;
        kept += before.keys().filter(|name| ids.contains_key(*name)).count();
        ours += churned(&before, &ids);
        others += churned(&smallest_names(&before), &smallest_names(&ids));
        before = ids;
        next_day(&mut records, day + 1, seed);
    }
    let share = |count: usize| 100.0 * count as f64 / kept.max(1) as f64;
    println!(
        "{runs} runs: of {kept} records that were there in the run before, another id although the cluster goes on"
    );
    println!("the smallest record's  {others:>10} {:>8.3} %", share(others));
    println!("ours                   {ours:>10} {:>8.3} %", share(ours));
    println!("times                  {:>10.1}", others as f64 / ours.max(1) as f64);
}
