//! What a preview costs beside the same question asked of DataFusion alone by SQL written by hand.
//!
//! `cargo bench --workspace --profile dev --bench preview`. Whole processes in turn, start-up included;
//! medians of `RUNS` runs each. Needs the Complete Journey data (see `examples/complete-journey`).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use datafusion::prelude::{ParquetReadOptions, SessionContext};
use springline_tests::process::{binary, measure, median};
use springline_tests::{data_dir, root};

const RUNS: usize = 7;
const SEGMENTS: [&str; 3] = ["loyal_shoppers", "weekly_shoppers", "fresh_produce_fans"];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, mode, data, sql] = args.as_slice()
        && mode == "alone"
    {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(alone(Path::new(data), Path::new(sql)));
    }
    let Some(data) = data_dir() else { return };
    let journey = data.join("complete-journey");
    println!(
        "{:<20} {:>10} {:>10} {:>7} {:>12} {:>12}",
        "segment", "alone", "preview", "ratio", "alone peak", "preview peak"
    );
    for segment in SEGMENTS {
        compare(segment, &data, &journey);
    }
}

/// The referee's SQL on a plain DataFusion session over the Parquet files.
async fn alone(data: &Path, sql: &Path) {
    let context = SessionContext::new();
    for entry in std::fs::read_dir(data).expect("the data") {
        let path = entry.expect("a file").path();
        if let Some(name) =
            path.file_stem().and_then(|n| n.to_str()).filter(|_| path.extension().is_some_and(|e| e == "parquet"))
        {
            let file = path.to_str().expect("a path in UTF-8");
            context.register_parquet(name, file, ParquetReadOptions::default()).await.expect("a table");
        }
    }
    let sql = std::fs::read_to_string(sql).expect("the SQL");
    let batches = context.sql(&sql).await.expect("a plan").collect().await.expect("rows");
    println!("{}", batches.iter().map(|batch| batch.num_rows()).sum::<usize>());
}

fn compare(segment: &str, data: &Path, journey: &Path) {
    let sql = root().join("tests/oracle/complete_journey").join(format!("{segment}.sql"));
    let myself = std::env::current_exe().expect("the bench has a path");
    let mut by_hand = Command::new(&myself);
    by_hand.arg("alone").arg(journey).arg(sql);
    let mut preview = Command::new(binary());
    preview
        .args(["--as-of", "2018-01-01T00:00:00Z", "preview", segment, "--limit", "10"])
        .current_dir(root().join("examples/complete-journey"))
        .env("SPRINGLINE_DATA", data);
    measure(&mut by_hand);
    measure(&mut preview);
    let mut alone_runs = Vec::new();
    let mut preview_runs = Vec::new();
    for _ in 0..RUNS {
        alone_runs.push(measure(&mut by_hand));
        preview_runs.push(measure(&mut preview));
    }
    let (a, p) = (median(&alone_runs), median(&preview_runs));
    let peak = |runs: &[(Duration, u64)]| runs.iter().map(|run| run.1).max().unwrap_or(0) / 1024;
    println!(
        "{segment:<20} {:>8.3} s {:>8.3} s {:>7.2} {:>9} MiB {:>9} MiB",
        a.as_secs_f64(),
        p.as_secs_f64(),
        p.as_secs_f64() / a.as_secs_f64(),
        peak(&alone_runs),
        peak(&preview_runs)
    );
}
