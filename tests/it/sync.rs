//! A segment delivered to a webhook, with everything that goes wrong between the two.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use springline_tests::Plan;

mod checkpoint;
mod doubt;
mod guards;
mod many;
mod modes;
mod resend;
mod scheduler;
mod state;
mod table;
mod watch;
mod world;

use world::{ROWS, World, counts, keys, wait_until};

/// First run, second run, one changed, one removed, one refused, and the plan of each beforehand.
async fn story(mut world: World) {
    let plan = world.call(&["sync", "plan", "settled_to_hook"]).run().exits(0).json();
    assert_eq!(counts(&plan), [250, 0, 0, 0]);
    assert_eq!(world.receiver.requests(), 0, "a plan sends nothing");

    let first = world.apply("settled_to_hook").exits(0).json();
    assert_eq!((counts(&first), &first["delivered"]), ([250, 0, 0, 0], &250.into()));
    let received = world.receiver.take();
    assert_eq!(keys(&received, "upsert"), world.rows.keys().cloned().collect::<Vec<_>>());
    assert_eq!(received.len(), 25, "batches of 10");

    let second = world.apply("settled_to_hook").exits(0).json();
    assert_eq!((counts(&second), &second["delivered"]), ([0, 0, 0, 250], &0.into()));
    assert_eq!(world.receiver.requests(), 0, "an unchanged run sends nothing");

    world.set("c007", "Lyon");
    world.set("c008", "nowhere");
    let third = world.apply("settled_to_hook").exits(0).json();
    assert_eq!(counts(&third), [0, 1, 1, 248]);
    let received = world.receiver.take();
    assert_eq!(keys(&received, "upsert"), ["c007"]);
    assert_eq!(keys(&received, "delete"), ["c008"]);
    assert_eq!(
        received.iter().flat_map(|r| &r.rows).find(|r| r["key"] == "c007").expect("a row")["fields"]["city"],
        "Lyon"
    );

    world.receiver.plan(Plan { refused: BTreeSet::from(["c010".to_owned()]), ..Plan::default() });
    world.set("c010", "Nice");
    world.set("c011", "Nice");
    let fourth = world.apply("settled_to_hook").exits(4).json();
    assert_eq!([&fourth["delivered"], &fourth["rejected"]], [&Value::from(1), &Value::from(1)]);
    assert_eq!(keys(&world.receiver.take(), "upsert"), ["c011"], "the neighbour of a refused row is delivered");
    let status = world.call(&["sync", "status", "settled_to_hook"]).run().exits(0).json();
    assert_eq!(status["rejected"][0]["key"], "c010");
    assert_eq!(status["rejected"][0]["message"], "blocked by the receiver");
    let fifth = world.apply("settled_to_hook").exits(0).json();
    assert_eq!(
        (&fifth["held"], world.receiver.requests()),
        (&1.into(), 0),
        "a refused row is not sent again unchanged"
    );
    world.receiver.plan(Plan::default());
    world.set("c010", "Cannes");
    world.apply("settled_to_hook").exits(0);
    assert_eq!(keys(&world.receiver.take(), "upsert"), ["c010"], "a refused row is sent again when it has changed");
    let status = world.call(&["sync", "status", "settled_to_hook"]).run().exits(0).json();
    assert_eq!(status["rejected"].as_array().map(Vec::len), Some(0));
    assert_eq!(status["acknowledged"], 249);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_differences_are_sent() {
    for world in World::all().await {
        story(world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_back_is_a_message_of_its_own() {
    let mut world = World::local().await;
    let mut ids = Vec::new();
    for city in ["Paris", "Lyon", "Paris", "Lyon"] {
        world.set("c007", city);
        world.apply("settled_to_hook").exits(0);
        ids.extend(world.receiver.take().into_iter().map(|request| request.id));
    }
    assert_eq!(ids.len(), 25 + 3);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "a receiver may drop a message whose id it knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_destination_or_mapping_is_sent_everything_that_differs() {
    let world = World::local().await;
    world.apply("settled_to_hook").exits(0);
    world.receiver.take();
    let file = world.folder.path().join("springline.yaml");
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&file).expect("the project");
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).expect("the project");
    };
    edit("name: hook,", "name: other_hook,");
    edit("destination: hook,", "destination: other_hook,");
    assert_eq!(counts(&world.apply("settled_to_hook").exits(0).json()), [0, 250, 0, 0]);
    world.receiver.take();
    edit("key: customer_id, map: { city: city }", "key: customer_id, map: { town: city }");
    assert_eq!(counts(&world.apply("settled_to_hook").exits(0).json()), [0, 250, 0, 0]);
    assert!(world.receiver.take().iter().flat_map(|r| &r.rows).all(|row| row["fields"]["town"] == "Paris"));
    assert_eq!(counts(&world.apply("settled_to_hook").exits(0).json()), [0, 0, 0, 250]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_needs_primary_keys_that_tell_rows_apart() {
    let world = World::local().await;
    let file = world.folder.path().join("data/customers.csv");
    let text = std::fs::read_to_string(&file).expect("the data");
    std::fs::write(&file, format!("{text}c001,Lyon\n,Nice\n")).expect("the data");
    let error = world.call(&["run"]).run().exits(1).json();
    let message = error["error"]["message"].as_str().expect("a message");
    assert!(message.contains("entity `customer`") && message.contains("`c001` stands in 2 rows"), "{message}");
    assert!(message.contains("it is null in 1 rows"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_forgotten_on_request() {
    let world = World::local().await;
    world.receiver.plan(Plan { refused: BTreeSet::from(["c010".to_owned()]), ..Plan::default() });
    world.apply("settled_to_hook").exits(4);
    world.receiver.take();
    world.receiver.plan(Plan::default());
    let retry = world.call(&["sync", "retry", "settled_to_hook"]).run().exits(0).json();
    assert_eq!(retry["forgotten"], 1);
    world.apply("settled_to_hook").exits(0);
    assert_eq!(keys(&world.receiver.take(), "upsert"), ["c010"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_comes_back_gets_everything() {
    let world = World::local().await;
    world.receiver.plan(Plan { down: Some(503), ..Plan::default() });
    let mut process = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
    wait_until(|| world.receiver.turned_away() >= 3);
    world.receiver.plan(Plan::default());
    let first = process.wait().expect("the process ends");
    if !first.success() {
        // The budget of retries was spent first: what was left is sent by the next run.
        world.apply("settled_to_hook").exits(0);
    }
    assert_eq!(keys(&world.receiver.take(), "upsert"), world.rows.keys().cloned().collect::<Vec<_>>());
}

/// The process is killed at several places of the delivery; a later run completes it.
async fn killed(world: World) {
    let mut received = Vec::new();
    for after in [1, 6, 11] {
        world.receiver.plan(Plan { delay: Duration::from_millis(40), ..Plan::default() });
        let mut process = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
        wait_until(|| world.receiver.requests() >= after);
        process.kill().expect("the process is killed");
        process.wait().expect("the process is gone");
        received.extend(world.receiver.take());
    }
    world.receiver.plan(Plan::default());
    let last = world.apply("settled_to_hook").exits(0).json();
    tokio::time::sleep(Duration::from_millis(100)).await;
    received.extend(world.receiver.take());
    assert!(last["recovered"].as_u64().is_some_and(|rows| rows > 0), "the journal was used: {last}");

    let all = keys(&received, "upsert");
    let distinct: BTreeSet<&String> = all.iter().collect();
    println!("after three kills {} rows had arrived more than once, none was lost", all.len() - distinct.len());
    assert_eq!(distinct.len(), ROWS, "nothing is lost");
    // Two requests of 10 rows can be on their way when the process dies.
    assert!(all.len() - distinct.len() <= 3 * 20, "{} rows were sent more than once", all.len() - distinct.len());
    let again = world.apply("settled_to_hook").exits(0).json();
    assert_eq!(counts(&again), [0, 0, 0, 250]);
    assert_eq!(world.receiver.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing() {
    for world in World::all().await {
        killed(world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_sync_do_not_overlap() {
    let world = World::local().await;
    world.receiver.plan(Plan { delay: Duration::from_millis(50), ..Plan::default() });
    let mut process = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
    wait_until(|| world.receiver.requests() >= 1);
    let other = world.apply("settled_to_hook").exits(1).json();
    assert!(other["error"]["message"].as_str().is_some_and(|m| m.contains("another process")), "{other}");
    assert!(process.wait().expect("the process ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_hold_the_difference_and_appear_whole() {
    let mut world = World::local().await;
    let first = world.apply("settled_to_files").exits(0).json();
    assert_eq!(first["delivered"], 250);
    let files = world.out();
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).expect("the file");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("_op,customer_id,city"));
    assert_eq!(lines.filter(|line| line.starts_with("I,c") && line.ends_with(",Paris")).count(), 250);

    world.apply("settled_to_files").exits(0);
    assert_eq!(world.out(), files, "no file where nothing has changed");

    world.set("c007", "Lyon");
    world.set("c008", "nowhere");
    world.apply("settled_to_files").exits(0);
    let new = world.out().into_iter().find(|file| !files.contains(file)).expect("a second file");
    let text = std::fs::read_to_string(new).expect("the file");
    let lines: BTreeSet<&str> = text.lines().skip(1).collect();
    assert_eq!(lines, BTreeSet::from(["D,c008,", "U,c007,Lyon"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_stops_a_run_before_anything_is_sent() {
    let mut world = World::local().await;
    world.apply("guarded").exits(0);
    world.receiver.take();
    for i in 0..50 {
        world.rows.insert(format!("c{i:03}"), "nowhere".to_owned());
    }
    world.store();
    let report = world.apply("guarded").exits(3).json();
    assert_eq!((&report["tripped"][0]["guard"], &report["tripped"][0]["found"]), (&"max_removed".into(), &50.into()));
    assert_eq!(world.receiver.requests(), 0);
    world.call(&["sync", "plan", "guarded"]).run().exits(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_unique_are_an_error_with_examples() {
    let world = World::local().await;
    let error = world.apply("by_city").exits(1).json();
    let message = error["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`Paris` stands in 250 rows"), "{message}");
    assert_eq!(world.receiver.requests(), 0);
    let left = world.folder.path().join(".springline/state/desired_by_city/manifest.json");
    assert!(!left.exists(), "customers' values are left behind after a failed run");
}
