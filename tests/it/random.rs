//! Random expressions and segments over random rows: the reference and every engine agree, and a segment has
//! the same members alone as in a run.
//!
//! `SPRINGLINE_FULL=1` compares more than 10,000 expressions and 2,000 segments; `SPRINGLINE_SEED=<n>` one project,
//! `SPRINGLINE_ONLY=<name>` of it one definition with what it needs; `SPRINGLINE_SQL=1` shows the SQL.

use std::time::Instant;

use springline_tests::random::{Engine, Report, Round};
use springline_tests::servers;

const PROJECTS: u64 = 8;
const ALL_PROJECTS: u64 = 260;

#[tokio::test(flavor = "multi_thread")]
async fn engines_mean_what_the_reference_means() {
    let folder = tempfile::tempdir().expect("a folder");
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let seeds = match number("SPRINGLINE_SEED") {
        Some(seed) => seed..seed + 1,
        None if std::env::var_os("SPRINGLINE_FULL").is_some() => {
            number("SPRINGLINE_FROM").unwrap_or(0)..number("SPRINGLINE_TO").unwrap_or(ALL_PROJECTS)
        }
        None => 0..PROJECTS,
    };
    let mut engines = vec![Engine::embedded(folder.path()).await];
    for server in servers() {
        engines.push(Engine::server(server).await);
    }
    let started = Instant::now();
    let mut report = Report::default();
    let mut round = Round::new(&engines, folder.path());
    for seed in seeds {
        let before = report.differences.len();
        round.run(seed, &mut report).await;
        for d in &report.differences[before..] {
            println!("SPRINGLINE_SEED={seed} {}: {}\n{}", d.engine, d.what, d.yaml);
        }
    }
    println!(
        "{} expressions and {} segments on {} engines in {:.1} s; {} refused, {} without a value",
        report.expressions,
        report.segments,
        engines.len(),
        started.elapsed().as_secs_f64(),
        report.refused,
        report.undefined
    );
    assert!(report.differences.is_empty(), "{} differences, see above", report.differences.len());
    assert!(report.expressions > 0 && report.refused * 5 < report.expressions, "too little was compared: {report:?}");
}
