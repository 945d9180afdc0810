//! What it takes to check and compile large projects: whole processes, start-up included.
//!
//! `cargo build --release -p springline` and `SPRINGLINE_BENCH_BINARY=<target>/release/springline cargo bench --workspace
//! --profile dev --bench compile`; without the variable the binary of the bench's own profile is measured. The baseline of the same run is the YAML
//! parser alone over the same files. Growth: each row's time is also given as a multiple of the row before.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use granit_parser::Parser;
use springline_tests::generate::{Size, project};
use springline_tests::process::{binary, measure, median};

const RUNS: usize = 10;
const SEGMENTS: [usize; 4] = [1_000, 2_000, 4_000, 8_000];

fn main() {
    println!(
        "{:>8} {:>8} | {:>9} | {:>9} {:>9} {:>6} {:>9} | {:>9} {:>6} {:>9} | {:>9} {:>6} {:>9}",
        "segments",
        "YAML",
        "parser",
        "--version",
        "validate",
        "x",
        "peak",
        "compile 1",
        "x",
        "peak",
        "compile",
        "x",
        "peak"
    );
    let mut before: [Option<Duration>; 3] = [None; 3];
    for segments in SEGMENTS {
        let folder = tempfile::tempdir().expect("a folder");
        project(folder.path(), Size { sources: 20, fields: 300, segments }, 1);
        let (bytes, parser) = parse(folder.path());
        let version = runs(folder.path(), &["--version"], RUNS);
        let all = [
            runs(folder.path(), &["validate"], RUNS),
            runs(folder.path(), &["compile", "segment_1"], RUNS),
            runs(folder.path(), &["compile"], RUNS),
        ];
        print!("{segments:>8} {:>5} KiB | {:>6.1} ms | {:>6.1} ms", bytes / 1024, millis(parser), millis(version.0));
        for (i, (time, peak)) in all.iter().enumerate() {
            let factor = before[i].map_or_else(String::new, |b| format!("{:.2}", time.as_secs_f64() / b.as_secs_f64()));
            let bar = if i == 0 { "" } else { " |" };
            print!("{bar} {:>6.1} ms {factor:>6} {:>5} MiB", millis(*time), peak / 1024);
            before[i] = Some(*time);
        }
        println!();
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The median time and the highest peak in KiB of several runs; one more goes before, to fill the caches.
fn runs(dir: &Path, args: &[&str], count: usize) -> (Duration, u64) {
    let mut command = Command::new(binary());
    command.args(["--as-of", "2024-06-30T00:00:00Z"]).args(args).current_dir(dir).env_remove("SPRINGLINE_PROJECT");
    measure(&mut command);
    let all: Vec<_> = (0..count).map(|_| measure(&mut command)).collect();
    (median(&all), all.iter().map(|run| run.1).max().unwrap_or(0))
}

/// The bytes of the project's YAML, and the median time in which the parser alone reads it.
fn parse(dir: &Path) -> (usize, Duration) {
    let mut texts = Vec::new();
    for folder in ["", "models", "segments"] {
        for entry in std::fs::read_dir(dir.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "yaml") {
                texts.push(std::fs::read_to_string(path).expect("text"));
            }
        }
    }
    let once = || {
        let started = Instant::now();
        let events: usize = texts.iter().map(|text| Parser::new_from_str(text).filter(Result::is_ok).count()).sum();
        assert!(events > texts.len());
        (started.elapsed(), 0)
    };
    let all: Vec<_> = (0..RUNS).map(|_| once()).collect();
    (texts.iter().map(String::len).sum(), median(&all))
}
