//! Connected components of graphs of every shape, on every engine, against a union-find.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use springline_ir::{ColumnDef, Query, Statement, TableName, Type};
use springline_plan::Components;
use springline_run::{ComponentsRun, connected_components};
use springline_tests::union_find;

use super::SIMPLE;
use super::world::{Rows, World, project, worlds};

type Edges = Vec<(i64, i64)>;

fn mixed(n: i64) -> i64 {
    ((n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as i64
}

fn chain(nodes: impl Iterator<Item = i64>) -> Edges {
    let nodes: Vec<i64> = nodes.collect();
    nodes.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Shapes by their names.
fn graphs() -> Vec<(&'static str, Edges)> {
    const N: i64 = 512;
    let reversed = |n: i64| ((n as u16).reverse_bits() >> 7) as i64;
    let zigzag = |n: i64| if n % 2 == 0 { n / 2 } else { N - 1 - n / 2 };
    let grid = (0..20).flat_map(|x| {
        (0..20).flat_map(move |y| {
            let at = |x: i64, y: i64| mixed(x * 20 + y);
            [(x < 19).then(|| (at(x, y), at(x + 1, y))), (y < 19).then(|| (at(x, y), at(x, y + 1)))]
        })
    });
    vec![
        ("sorted chain", chain(0..N)),
        ("random chain", chain((0..N).map(mixed))),
        ("zigzag chain", chain((0..N).map(zigzag))),
        ("bit-reversed chain", chain((0..N).map(reversed))),
        ("star", (1..N).map(|n| (0, n)).collect()),
        ("star with the largest hub", (0..N).map(|n| (N, n)).collect()),
        ("cycle", chain((0..N).map(mixed).chain([mixed(0)]))),
        ("grid", grid.flatten().collect()),
        ("clique", (0..30).flat_map(|a| (0..30).map(move |b| (a, b))).collect()),
        (
            "self loops, duplicates and reversed edges",
            vec![(7, 7), (1, 2), (2, 1), (1, 2), (3, 2), (9, 9), (4, 5), (5, 4)],
        ),
        ("stalls", stalling()),
        ("small components", (0..400).map(|n| (mixed(n), mixed(n - n % 5))).collect()),
        ("nothing", Vec::new()),
    ]
}

/// Two rounds in turn leave more than nine tenths of it. Each of 60 nodes has up to 20 larger neighbours, so that it stays
/// where it is, and each of these goes to the one smaller node that only it has: 60 edges are gone. Then each of the 60
/// goes to one of its neighbours, which have nowhere to go: again 60 edges are gone, of a thousand.
fn stalling() -> Edges {
    let many = (0..60).flat_map(|n| (n..60.min(n + 20)).map(move |near| (1000 + n, 2000 + near)));
    many.chain((0..60).map(|n| (n, 2000 + n))).collect()
}

async fn write(world: &World, edges: &Edges) -> TableName {
    let table = TableName::in_schema("springline", "drawn");
    let columns = ["u", "v"].map(|name| ColumnDef { name: name.to_owned(), ty: Type::Integer }).into();
    for statement in [
        Statement::CreateSchema { schema: "springline".to_owned() },
        Statement::DropTable { table: table.clone() },
        Statement::CreateTable { table: table.clone(), columns },
    ] {
        execute(world, &statement).await;
    }
    let ends = |end: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(edges.iter().map(end))) as ArrayRef;
    let batch = RecordBatch::try_from_iter_with_nullable([("u", ends(|e| e.0), true), ("v", ends(|e| e.1), true)]);
    let batch = batch.expect("two columns");
    let schema = batch.schema();
    let stream = futures::stream::once(async { Ok(batch) }).boxed();
    world.warehouse().load(&table.parts, schema, stream).await.unwrap_or_else(|e| panic!("{}: {e}", world.name));
    table
}

async fn execute(world: &World, statement: &Statement) {
    let sql = springline_sql::print(&world.dialect(), statement).expect("SQL");
    world.warehouse().execute(&sql).await.unwrap_or_else(|e| panic!("{}: {sql}: {e}", world.name));
}

async fn count(world: &World, query: Query) -> i64 {
    let sql = springline_sql::print(&world.dialect(), &Statement::Query(query)).expect("SQL");
    world.query(&sql).await[0][0].parse().expect("a number")
}

async fn labels(world: &World) -> BTreeMap<i64, i64> {
    let rows = world.query("SELECT v, rep FROM springline.identity_drawn_labels").await;
    let number = |text: &String| text.parse().expect("a number");
    rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

async fn solve(world: &World, edges: &Edges) -> ComponentsRun {
    let table = write(world, edges).await;
    let session = world.session(&project(SIMPLE), 1, |_| {});
    connected_components(&session, "drawn", &table).await.unwrap_or_else(|e| panic!("{}: {e}", world.name))
}

fn expected(edges: &Edges) -> BTreeMap<i64, i64> {
    let between: Edges = edges.iter().copied().filter(|(u, v)| u != v).collect();
    union_find(&between).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn graphs_of_every_shape_have_the_components_of_a_union_find() {
    let project = project(SIMPLE);
    for mut world in worlds() {
        world.fill(&project, &Rows::new()).await;
        for (name, edges) in graphs() {
            let run = solve(&world, &edges).await;
            if expected(&edges).is_empty() {
                assert_eq!(run.rounds, 0);
                continue;
            }
            assert_eq!(labels(&world).await, expected(&edges), "{name} on {}", world.name);
            let most = if name.starts_with("star") { 2 } else { 6 };
            assert!(run.rounds <= most, "{name} on {}: {run:?}", world.name);
            assert!(run.jumps == 0 || name != "random chain", "{name}: {run:?}");
            assert_eq!(run.shuffled, name == "stalls", "{name} on {}: {run:?}", world.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_renumbered_at_random_come_back_under_their_smallest() {
    let project = project(SIMPLE);
    for mut world in worlds() {
        world.fill(&project, &Rows::new()).await;
        // Components that settle before, between and after the renumberings.
        let edges: Edges = [chain(0..200), chain(1000..1003), vec![(5000, 5001)]].concat();
        let table = write(&world, &edges).await;
        let components = Components::new("springline", "drawn");
        execute(&world, &components.normalize(&table).statement).await;
        let mut round = 1;
        while count(&world, components.count(round)).await > 0 {
            for _ in 0..if round > 1 { 5 } else { 0 } {
                execute(
                    &world,
                    &components.shuffle(round, round, 1_103_515_245 + 1_234_567 * i64::from(round), 11).statement,
                )
                .await;
                execute(&world, &components.contract(round).statement).await;
                round += 1;
            }
            execute(&world, &components.hook(round).statement).await;
            execute(&world, &components.contract(round).statement).await;
            round += 1;
            assert!(round < 100, "{}", world.name);
        }
        for step in components.label(round - 1, true) {
            execute(&world, &step.statement).await;
        }
        assert!(round > 14, "so many tables that they are joined in several statements: {round}");
        assert_eq!(labels(&world).await, expected(&edges), "{}", world.name);
    }
}
