//! What is sent again and what is not: rows that are refused for ever, and mappings that change.

use std::collections::{BTreeMap, BTreeSet};

use springline_tests::Plan;

use super::state::age;
use super::world::{World, counts, keys};

/// The row that the receiver never takes.
const REFUSED: &str = "k1042";

/// Ten runs over 2,000 rows of which one is refused for ever: how often each of the others arrived, and the exit codes.
/// The refusals grow so many minutes older between two runs.
fn ten_runs(world: &mut World, plan: Plan, minutes: u32) -> (BTreeMap<String, usize>, Vec<i32>) {
    world.edit("batch_rows: 10,", "batch_rows: 200,");
    let all: Vec<String> = (0..2_000).map(|i| format!("k{i:04}")).collect();
    let rows: Vec<(&str, &str)> = all.iter().map(|key| (key.as_str(), "Paris")).collect();
    world.fill(&rows);
    world.receiver.plan(plan);
    let mut arrived = BTreeMap::new();
    let codes = (0..10).map(|_| {
        let code = world.apply("settled_to_hook").code;
        for key in keys(&world.receiver.take(), "upsert") {
            *arrived.entry(key).or_default() += 1;
        }
        if minutes > 0 {
            age(world, minutes);
        }
        code
    });
    let codes = codes.collect();
    (arrived, codes)
}

/// The refused row alone is missing, and each of the others arrived once.
fn all_others_once(world: &World, arrived: &BTreeMap<String, usize>) {
    assert_eq!(arrived.len(), 1_999, "{}", world.target);
    assert!(
        arrived.values().all(|times| *times == 1) && !arrived.contains_key(REFUSED),
        "{}: {arrived:?}",
        world.target
    );
}

/// How often the refused row was refused.
fn attempts(world: &World) -> u64 {
    let rejected = world.call(&["sync", "rejected", "settled_to_hook"]).run().exits(0).json();
    let [row] = rejected["rejected"].as_array().expect("rows").as_slice() else { panic!("{rejected}") };
    assert_eq!(row["key"], REFUSED, "{}", world.target);
    row["attempts"].as_u64().expect("a number")
}

fn the_one() -> BTreeSet<String> {
    BTreeSet::from([REFUSED.to_owned()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_refused_for_ever_has_its_neighbours_sent_once_in_ten_runs() {
    for mut world in World::all().await {
        let (arrived, codes) = ten_runs(&mut world, Plan { refused: the_one(), ..Plan::default() }, 0);
        all_others_once(&world, &arrived);
        assert_eq!(codes, [4, 0, 0, 0, 0, 0, 0, 0, 0, 0], "{}: it is sent once too", world.target);
        assert_eq!(attempts(&world), 1, "{}", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_always_busy_is_alone_tried_again() {
    for mut world in World::all().await {
        // The longest wait is a day.
        let plan = Plan { busy: the_one(), ..Plan::default() };
        let (arrived, codes) = ten_runs(&mut world, plan, 25 * 60);
        all_others_once(&world, &arrived);
        assert_eq!((codes, attempts(&world)), (vec![4; 10], 10), "{}: it is due in every run", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_spoils_its_whole_request_is_found_and_left_out() {
    let mut world = World::local().await;
    let (arrived, codes) = ten_runs(&mut world, Plan { spoiling: the_one(), ..Plan::default() }, 0);
    all_others_once(&world, &arrived);
    assert_eq!((codes, attempts(&world)), (vec![4, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_mapping_sends_the_rows_whose_payload_differs() {
    for mut world in World::all().await {
        let map = |map: &str| {
            let of = "name: mapped, segment: settled, destination: hook, mode: mirror, key: customer_id";
            format!("{of}, map: {{ {map} }}")
        };
        let all: Vec<String> = (0..40).map(|i| format!("k{i:02}")).collect();
        let city = |i: usize| if i.is_multiple_of(2) { "PARIS" } else { "Lyon" };
        let rows: Vec<(&str, &str)> = all.iter().enumerate().map(|(i, key)| (key.as_str(), city(i))).collect();
        world.fill(&rows);
        let mixed: Vec<String> = all.iter().skip(1).step_by(2).cloned().collect();
        let home = "home: \"case when city = 'Lyon' then 'yes' end\"";
        let steps: [(&str, &[String], &str); 6] = [
            ("city: city", &all, "the first run"),
            (r#"city: "upper(city)""#, &mixed, "a value that differs"),
            (r#"city: "upper(upper(city))""#, &[], "another expression of the same values"),
            (r#"town: "upper(city)""#, &all, "another name"),
            (&format!(r#"town: "upper(city)", {home}"#), &all, "one field more, be it null"),
            (&format!(r#"{home}, town: "upper(city)""#), &all, "another order of the fields, which a file has too"),
        ];
        for (mapping, sent, what) in steps {
            world.syncs(&[&map(mapping)]);
            let report = world.apply("mapped").exits(0).json();
            assert_eq!(keys(&world.receiver.take(), "upsert"), sent, "{}: {what}", world.target);
            let [added, changed, removed, unchanged] = counts(&report);
            assert_eq!((added + changed, removed, unchanged), (sent.len() as u64, 0, 40 - sent.len() as u64), "{what}");
        }
    }
}
