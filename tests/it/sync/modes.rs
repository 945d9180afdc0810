//! What each mode sends of each change, a full resync, and changes of keys and of segments.

use std::collections::BTreeSet;

use super::world::{World, sent};

/// A sync to the webhook in one mode.
fn sync(mode: &str) -> String {
    format!("name: {mode}, segment: settled, destination: hook, mode: {mode}, key: customer_id, map: {{ city: city }}")
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// The mode; what is sent of one row that is new, one that has changed, and one that is gone; and what a full resync
/// sends then.
const MODES: [(&str, &[&str], &[&str]); 5] = [
    ("mirror", &["+b", "+d", "-c"], &["+a", "+b", "+d"]),
    // The row that is gone is still acknowledged, and still not wanted: it is not sent again.
    ("upsert", &["+b", "+d"], &["+a", "+b", "+d"]),
    ("update", &["+b", "+d"], &["+a", "+b", "+d"]),
    ("append", &["+b", "+d"], &["+a", "+b", "+d"]),
    ("insert", &["+d"], &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_sends_its_changes() {
    for mut world in World::all().await {
        let syncs = MODES.map(|(mode, ..)| sync(mode));
        world.syncs(&syncs.each_ref().map(String::as_str));
        world.fill(&[("a", "Paris"), ("b", "Paris"), ("c", "Paris"), ("n", "nowhere")]);
        for (mode, ..) in MODES {
            world.apply(mode).exits(0);
            assert_eq!(sent(&world.receiver.take()), set(&["+a", "+b", "+c"]), "{mode}, first run");
        }
        world.fill(&[("a", "Paris"), ("b", "Lyon"), ("c", "nowhere"), ("d", "Nice")]);
        for (mode, second, full) in MODES {
            world.apply(mode).exits(0);
            assert_eq!(sent(&world.receiver.take()), set(second), "{}: {mode}, second run", world.target);
            world.apply(mode).exits(0);
            assert_eq!(sent(&world.receiver.take()), set(&[]), "{mode}, unchanged");
            let report = world.call(&["sync", "apply", mode, "--full-resync"]).run().exits(0).json();
            assert_eq!(sent(&world.receiver.take()), set(full), "{}: {mode}, full resync", world.target);
            assert_eq!(report["repeated"], full.len(), "{mode}");
            world.apply(mode).exits(0);
            assert_eq!(sent(&world.receiver.take()), set(&[]), "{mode}, after the full resync");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_a_removal_and_an_addition() {
    for mut world in World::all().await {
        world.fill(&[("a", "Paris"), ("b", "Lyon")]);
        world.apply("by_city").exits(0);
        world.receiver.take();
        world.fill(&[("a", "Paris"), ("b", "Nice")]);
        world.apply("by_city").exits(0);
        assert_eq!(sent(&world.receiver.take()), set(&["-Lyon", "+Nice"]), "{}", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_leaves_one_segment_stays_in_another() {
    let mut world = World::local().await;
    world.edit(
        "\ndestinations:\n",
        "\n  - { name: parisian, entity: customer, where: { field: city, eq: Paris } }\ndestinations:\n",
    );
    let to_hook = |name: &str| {
        format!(
            "name: {name}, segment: {name}, destination: hook, mode: mirror, key: customer_id, map: {{ city: city }}"
        )
    };
    world.syncs(&[&to_hook("settled"), &to_hook("parisian")]);
    world.fill(&[("a", "Paris"), ("b", "Paris")]);
    world.apply("settled").exits(0);
    world.apply("parisian").exits(0);
    world.receiver.take();
    world.fill(&[("a", "Lyon"), ("b", "Paris")]);
    world.apply("parisian").exits(0);
    assert_eq!(sent(&world.receiver.take()), set(&["-a"]), "it has left the one");
    world.apply("settled").exits(0);
    assert_eq!(sent(&world.receiver.take()), set(&["+a"]), "and is changed, not gone, in the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn null_and_repeated_keys_are_shown_before_anything_is_sent() {
    let world = World::local().await;
    let file = world.folder.path().join("data/customers.csv");
    std::fs::write(&file, "customer_id,city\na,Paris\nb,Lyon\nc,Lyon\nd,\n").expect("the data");
    world.syncs(&["name: all, entity: customer, destination: hook, key: city, map: { id: customer_id }"]);
    for command in ["plan", "apply"] {
        let error = world.call(&["sync", command, "all"]).run().exits(1).json();
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(message.contains("`Lyon` stands in 2 rows") && message.contains("it is null in 1 rows"), "{message}");
    }
    assert_eq!(world.receiver.requests(), 0);
}
