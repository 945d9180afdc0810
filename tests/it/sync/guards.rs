//! What stops a run, what a plan shows, and plans that are applied later.

use serde_json::Value;

use super::world::{World, counts};

fn mirror(guards: &str) -> String {
    let map = "segment: settled, destination: hook, mode: mirror, key: customer_id, map: { city: city }";
    format!("name: guarded, {map}, guards: {{ {guards} }}")
}

/// The guards that stop a run of `guarded`, and what they found.
fn tripped(world: &World) -> Vec<(String, u64)> {
    let plan = world.call(&["sync", "plan", "guarded"]).run();
    let tripped = plan.json()["tripped"].as_array().expect("guards").clone();
    assert_eq!(plan.code, if tripped.is_empty() { 0 } else { 3 });
    let report = world.apply("guarded").exits(plan.code).json();
    assert_eq!(report["tripped"], Value::Array(tripped.clone()), "a plan and an apply agree");
    let found = |guard: &Value| (guard["guard"].as_str().expect("a guard").to_owned(), guard["found"].as_u64());
    tripped.iter().map(found).map(|(guard, found)| (guard, found.expect("a number"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_take_numbers_and_shares() {
    let mut world = World::local().await;
    let ten: Vec<(String, String)> = (0..10).map(|i| (format!("k{i}"), "Paris".to_owned())).collect();
    let ten: Vec<(&str, &str)> = ten.iter().map(|(key, city)| (key.as_str(), city.as_str())).collect();
    world.fill(&ten);
    world.syncs(&[&mirror("max_added: 50%, max_changed: 50%, min_rows: 50%")]);
    assert_eq!(tripped(&world), [], "a first run has nothing to take a share of");
    world.receiver.take();

    for (key, _) in &ten[..3] {
        world.set(key, "Lyon");
    }
    for (guard, stops) in [("max_changed: 2", true), ("max_changed: 29%", true), ("max_changed: 30%", false)] {
        world.syncs(&[&mirror(guard)]);
        let expected = if stops { vec![("max_changed".to_owned(), 3)] } else { Vec::new() };
        assert_eq!(tripped(&world), expected, "{guard}");
        assert_eq!(world.receiver.take().is_empty(), stops, "{guard}: nothing is sent where a guard stops");
    }
    for (key, _) in &ten[..6] {
        world.set(key, "nowhere");
    }
    for (guard, stops) in [("min_rows: 50%", true), ("min_rows: 5", true), ("min_rows: 40%", false)] {
        world.syncs(&[&mirror(guard)]);
        let expected = if stops { vec![("min_rows".to_owned(), 4)] } else { Vec::new() };
        assert_eq!(tripped(&world), expected, "{guard}");
    }
    world.set("k0", "Nice");
    world.set("k1", "Nice");
    world.syncs(&[&mirror("max_added: 49%")]);
    assert_eq!(tripped(&world), [("max_added".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_tables_stop_a_run() {
    let world = World::local().await;
    world.edit(
        "columns: { customer_id: string, city: string } }",
        "updated_at: seen, columns: { customer_id: string, city: string, seen: timestamp } }",
    );
    let file = world.folder.path().join("data/customers.csv");
    let write = |seen: &str| {
        let text = format!("customer_id,city,seen\na,Paris,2024-01-01T00:00:00Z\nb,Paris,{seen}\n");
        std::fs::write(&file, text).expect("the data");
    };
    world.syncs(&[&mirror("freshness: 24 hours")]);
    write("2024-06-28T23:00:00Z");
    assert_eq!(tripped(&world), [("freshness".to_owned(), 25 * 60)]);
    // What happens after the instant of the run is not known at it.
    write("2024-07-01T00:00:00Z");
    assert_eq!(tripped(&world)[0].0, "freshness");
    write("2024-06-29T00:00:00Z");
    assert_eq!(tripped(&world), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn freshness_needs_something_to_go_by() {
    let world = World::local().await;
    world.syncs(&[&mirror("freshness: 24 hours")]);
    let error = world.apply("guarded").exits(1).json();
    let message = error["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`guarded`") && message.contains("`updated_at`"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_examples_and_requests() {
    let mut world = World::local().await;
    world.edit("city: string }", "city: { type: string, pii: address } }");
    world.apply("settled_to_hook").exits(0);
    world.receiver.take();
    for i in 0..12 {
        world.rows.insert(format!("c{i:03}"), "Lyon".to_owned());
    }
    world.set("c100", "nowhere");
    let plan = |args: &[&str]| world.call(&[&["sync", "plan", "settled_to_hook"], args].concat()).run().exits(0).json();
    let shown = plan(&[]);
    assert_eq!((counts(&shown), &shown["requests"]), ([0, 12, 1, 237], &3.into()), "two of 10 and one removal");
    let samples = shown["samples"].as_array().expect("samples");
    assert_eq!(samples.len(), 6, "five of a change at most: {samples:?}");
    assert_eq!(samples[0], serde_json::json!({ "_key": "c000", "_change": "changed", "city": "L***" }));
    assert_eq!(samples[5], serde_json::json!({ "_key": "c100", "_change": "removed" }));
    assert_eq!(plan(&["--show-pii"])["samples"][0]["city"], "Lyon");
    assert_eq!(world.receiver.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_the_data_has_outgrown_is_refused() {
    for mut world in World::all().await {
        world.apply("settled_to_hook").exits(0);
        world.receiver.take();
        world.set("c007", "Lyon");
        world.call(&["sync", "plan", "settled_to_hook", "--out", "plan.json"]).run().exits(0);
        let file = world.folder.path().join("plan.json");
        let text = std::fs::read_to_string(&file).expect("the plan");
        assert!(!text.contains("Lyon") && !text.contains("c007"), "a plan holds no value of a row: {text}");

        // As many rows as planned, and others.
        world.set("c007", "Nice");
        let report = world.call(&["sync", "apply", "--plan", "plan.json"]).run().exits(3).json();
        assert_eq!(report["tripped"][0]["guard"], "plan", "{}", world.target);
        assert_eq!(world.receiver.requests(), 0);
        world.set("c007", "Lyon");
        let report = world.call(&["sync", "apply", "--plan", "plan.json"]).run().exits(0).json();
        assert_eq!((&report["delivered"], &report["as_of"]), (&1.into(), &"2024-06-30T00:00:00Z".into()));
        world.set("c008", "Lyon");
        world.call(&["sync", "apply", "--plan", "plan.json"]).run().exits(3);
        let report = world.call(&["sync", "apply", "--plan", "plan.json", "--allow-drift"]).run().exits(0).json();
        assert_eq!(report["delivered"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plan_is_refused() {
    let world = World::local().await;
    std::fs::write(world.folder.path().join("plan.json"), "{}").expect("a file");
    let error = world.call(&["sync", "apply", "--plan", "plan.json"]).run().exits(1).json();
    let message = error["error"]["message"].as_str().expect("a message");
    assert!(message.contains("plan.json is no plan of a sync"), "{message}");
}
