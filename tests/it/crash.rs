//! Syncs that are killed lose nothing: a few kills of each combination of a warehouse and a destination. The bench
//! `crash` kills hundreds.

use springline_tests::crash::{Figures, SinkKind, crash};

/// As many kills as `SPRINGLINE_CRASH_KILLS` says, with the decisions of `SPRINGLINE_CRASH_SEED`.
async fn killed(warehouse: &'static str, destination: SinkKind) {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
    };
    let (kills, seed) = (number("SPRINGLINE_CRASH_KILLS", 10), number("SPRINGLINE_CRASH_SEED", 7));
    let Some(figures) = crash(warehouse, destination, kills, seed).await else { return };
    println!("{}\n{}", Figures::HEAD, figures.line());
    assert!(figures.mid_delivery > 0, "no process was killed while it delivered: {figures:?}");
    assert!(figures.hold(), "{figures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_from_files() {
    killed("datafusion", SinkKind::File).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_from_postgres() {
    killed("postgres", SinkKind::File).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_from_files() {
    killed("datafusion", SinkKind::Webhook).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_from_postgres() {
    killed("postgres", SinkKind::Webhook).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_from_files() {
    killed("datafusion", SinkKind::Table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_from_postgres() {
    killed("postgres", SinkKind::Table).await;
}
