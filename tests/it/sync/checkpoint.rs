//! What a run writes into the ledger while it goes on, and rows that are sent again because the destination forgets them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use springline_tests::Plan;

use super::world::{World, counts, keys, wait_until};

/// The machine is gone, and its journal with it.
fn lose_journal(world: &World) {
    let journal = world.folder.path().join(format!(".springline/journal/{}/settled_to_hook.jsonl", world.target));
    assert!(std::fs::metadata(&journal).expect("a journal").len() > 0);
    std::fs::write(&journal, "").expect("an empty journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_a_checkpoint_is_known_without_the_journal() {
    for world in World::all().await {
        world.edit("{ name: settled_to_hook,", "{ name: settled_to_hook, checkpoint_every: 200ms,");
        world.receiver.plan(Plan { delay: Duration::from_millis(400), ..Plan::default() });
        let mut process = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
        wait_until(|| world.receiver.requests() >= 20);
        process.kill().expect("the process is killed");
        process.wait().expect("the process is gone");
        world.receiver.plan(Plan::default());
        let before = world.receiver.take();
        lose_journal(&world);

        let report = world.apply("settled_to_hook").exits(0).json();
        let again: BTreeSet<String> = keys(&world.receiver.take(), "upsert").into_iter().collect();
        let first: BTreeSet<String> = keys(&before[..4], "upsert").into_iter().collect();
        assert!(first.is_disjoint(&again), "{}: {first:?} were sent again", world.target);
        let all: BTreeSet<String> = keys(&before, "upsert").into_iter().chain(again.iter().cloned()).collect();
        assert_eq!(all.len(), 250, "{}: none is lost", world.target);
        assert_eq!(counts(&report)[0], again.len() as u64, "{}", world.target);
        assert_eq!(counts(&world.apply("settled_to_hook").exits(0).json()), [0, 0, 0, 250], "{}", world.target);
    }
}

/// Checkpoints and the end of the run together count each row once.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_checkpoints_tells_what_one_without_does() {
    for world in World::all().await {
        world.edit("{ name: settled_to_hook,", "{ name: settled_to_hook, checkpoint_every: 50ms, audit: rows,");
        let refused = BTreeSet::from(["c001".to_owned(), "c200".to_owned()]);
        world.receiver.plan(Plan { delay: Duration::from_millis(150), refused, ..Plan::default() });
        let report = world.apply("settled_to_hook").exits(4).json();
        let told = ["delivered", "rejected", "unsent"].map(|what| &report[what]);
        assert_eq!(told, [&json!(248), &json!(2), &json!(0)], "{}", world.target);
        let rows = |table: &str| world.query(&format!(r#"SELECT COUNT(*) AS n FROM "springline"."{table}""#));
        assert_eq!(rows("ledger_settled_to_hook"), [json!({ "n": 248 })], "{}", world.target);
        assert_eq!(rows("rejected_settled_to_hook"), [json!({ "n": 2 })], "{}", world.target);
        assert_eq!(rows("deliveries"), [json!({ "n": 250 })], "{}", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_sent_long_ago_is_sent_again() {
    for world in World::all().await {
        world.edit("{ name: settled_to_hook,", "{ name: settled_to_hook, refresh_after: 30 days,");
        world.apply("settled_to_hook").exits(0);
        world.receiver.take();
        let ledger = r#""springline"."ledger_settled_to_hook""#;
        let at = |days: u32| format!(r#""sent_at" - INTERVAL '{days} days'"#);
        let ages = format!(
            r#"CASE WHEN "_key" = 'c007' THEN {} WHEN "_key" = 'c008' THEN {} ELSE "sent_at" END"#,
            at(31),
            at(29)
        );
        world.execute(&match world.server {
            Some(_) => format!(r#"UPDATE {ledger} SET "sent_at" = {ages}"#),
            None => format!(
                r#"CREATE OR REPLACE TABLE {ledger} AS SELECT "_key", "_hash", "run_id", {ages} AS "sent_at", "receipt",
                "in_doubt", "in_doubt_request" FROM {ledger}"#
            ),
        });
        let plan = world.call(&["sync", "plan", "settled_to_hook"]).run().exits(0).json();
        assert_eq!((counts(&plan), &plan["repeated"]), ([0, 0, 0, 249], &json!(1)), "{}", world.target);
        world.apply("settled_to_hook").exits(0);
        assert_eq!(keys(&world.receiver.take(), "upsert"), ["c007"], "{}", world.target);
        let again = world.apply("settled_to_hook").exits(0).json();
        assert_eq!((counts(&again), &again["repeated"]), ([0, 0, 0, 250], &json!(0)), "{}", world.target);
    }
}
