//! `most_frequent(x)`: ties, nulls, filters, many groups, many partitions, every type.

use super::kit::{local, open, project, rows};
use springline_warehouse::connect;
use std::{collections::HashMap, fs};

#[tokio::test]
async fn ties_give_the_smallest_and_nulls_do_not_count() {
    let project = project();
    let warehouse = open(project.path()).await;
    let data = "(VALUES ('a','y'),('a','x'),('a','x'),('a','y'),('a',NULL),('a',NULL),('a',NULL),('b','z'),('c',NULL)) AS t(g, v)";
    let sql = format!("SELECT g, most_frequent(v) AS m FROM {data} GROUP BY g ORDER BY g");
    assert_eq!(rows(&*warehouse, &sql).await, ["g|m", "a|x", "b|z", "c|"]);
    let sql = format!(
        "SELECT most_frequent(v) AS m, most_frequent(v) FILTER (WHERE v <> 'x') AS f, most_frequent(v) FILTER (WHERE v = 'q') AS q FROM {data}"
    );
    assert_eq!(rows(&*warehouse, &sql).await, ["m|f|q", "x|y|"]);
    let sql = format!("SELECT g, most_frequent(v) FILTER (WHERE v <> 'x') AS f FROM {data} GROUP BY g ORDER BY g");
    assert_eq!(rows(&*warehouse, &sql).await, ["g|f", "a|y", "b|z", "c|"]);
    let sql = format!("SELECT most_frequent(v) AS m FROM {data} WHERE false");
    assert_eq!(rows(&*warehouse, &sql).await, ["m", ""]);
    let sql = format!("SELECT most_frequent(v) OVER (PARTITION BY g) AS m FROM {data} WHERE g = 'b'");
    assert_eq!(rows(&*warehouse, &sql).await, ["m", "z"]);
}

#[tokio::test]
async fn it_takes_every_ordered_type_and_keeps_it() {
    let project = project();
    let warehouse = open(project.path()).await;
    for (values, kind, expected) in [
        ("-5, 3, -5, 3", "bigint", "-5"),
        ("2.50, -1.25, 2.50, -1.25", "decimal(10, 2)", "-1.25"),
        ("'2024-02-01', '2023-01-01', '2023-01-01'", "date", "2023-01-01"),
        (
            "'2024-02-01T00:00:00Z', '2024-02-01T00:00:00Z', '2023-01-01T00:00:00Z'",
            "timestamp with time zone",
            "2024-02-01T00:00:00Z",
        ),
        ("true, false, false, true", "boolean", "false"),
        ("1.5, -0.5, 1.5, -0.5", "double", "-0.5"),
        ("'b', 'B', 'b', 'B'", "varchar", "B"),
    ] {
        let list = values.split(", ").map(|v| format!("(CAST({v} AS {kind}))")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT most_frequent(v) AS m FROM (VALUES {list}) AS t(v)");
        assert_eq!(rows(&*warehouse, &sql).await, ["m", expected], "{kind}");
    }
}

#[tokio::test]
async fn many_groups_over_many_partitions_agree_with_counting() {
    let project = project();
    // Several files give several partitions, and so partial states that are merged.
    let (groups, values) = (3_000_u64, 61_u64);
    let mut counts: HashMap<(u64, u64), u64> = HashMap::new();
    let mut seed = 7_u64;
    for file in 0..8 {
        let mut text = String::from("g,v\n");
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (group, value) = ((seed >> 33) % groups, (seed >> 20) % values);
            *counts.entry((group, value)).or_default() += 1;
            text.push_str(&format!("{group},v{value:03}\n"));
        }
        let folder = project.path().join("data/events");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{file}.csv")), text).unwrap();
    }
    let mut best: Vec<Option<(u64, u64)>> = vec![None; groups as usize];
    for ((group, value), count) in counts {
        let held = &mut best[group as usize];
        if held.is_none_or(|(v, c)| count > c || (count == c && value < v)) {
            *held = Some((value, count));
        }
    }
    let expected: Vec<String> =
        best.iter().enumerate().map(|(group, held)| format!("{group}|v{:03}", held.unwrap().0)).collect();
    let mut config = local(project.path());
    config.options.insert("threads".into(), "4".into());
    let warehouse = connect(config).await.unwrap();
    let found = rows(&*warehouse, "SELECT g, most_frequent(v) AS m FROM events GROUP BY g ORDER BY g").await;
    assert_eq!(found[1..], expected);
}
