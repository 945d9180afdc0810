//! Hundreds of killed syncs: what was lost, what was left over, what came twice.
//!
//! `cargo build && cargo bench --workspace --profile dev --bench crash`. By environment variables:
//! `SPRINGLINE_BENCH_KILLS` (500, in all), `SPRINGLINE_BENCH_SEED` (1). Postgres is the server of
//! `SPRINGLINE_TEST_POSTGRES`; without it only the combinations that need none are run. It fails where a row is lost or
//! left over, or comes more often than its destination says.

use springline_tests::crash::{Figures, SinkKind, WAREHOUSES, crash};

fn main() {
    let number = |name: &str, default: u64| {
        std::env::var(format!("SPRINGLINE_BENCH_{name}")).map_or(default, |v| v.parse().expect("a number"))
    };
    let (kills, seed) = (number("KILLS", 500), number("SEED", 1));
    let combinations = SinkKind::ALL.into_iter().flat_map(|sink| WAREHOUSES.map(|warehouse| (warehouse, sink)));
    let each = kills.div_ceil((SinkKind::ALL.len() * WAREHOUSES.len()) as u64);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{}", Figures::HEAD);
    let mut broken = Vec::new();
    for (place, (warehouse, sink)) in combinations.enumerate() {
        let work = async move { crash(warehouse, sink, each, seed + place as u64).await };
        let Some(figures) = runtime.block_on(async { tokio::spawn(work).await.expect("it ends") }) else { continue };
        println!("{}", figures.line());
        if !figures.hold() {
            broken.push(figures);
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
