//! The tables that syncs keep: runs and steps, leases, refusals, deliveries, and those of an earlier version.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use springline_tests::Plan;

use super::world::{World, counts, keys, sent, wait_until};

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(values.iter().map(|v| Some(*v)).collect::<StringArray>())
}

fn instant(at: Timestamp) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![at.as_microsecond()]).with_timezone("UTC"))
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_and_their_steps_are_kept() {
    for mut world in World::all().await {
        world.apply("settled_to_hook").exits(0);
        world.set("c007", "Lyon");
        world.apply("settled_to_hook").exits(0);
        world.apply("by_city").exits(1);
        let runs = world.query(
            r#"SELECT "sync", "outcome", "error", "added", "changed", "delivered", "requests", "started_at" <= "ended_at" AS "in_order"
            FROM "springline"."runs" ORDER BY "started_at""#,
        );
        let of = |run: &Value| {
            (
                run["outcome"].clone(),
                ["added", "changed", "delivered", "requests"].map(|n| run[n].as_u64().expect("a number")),
            )
        };
        assert_eq!(of(&runs[0]), ("done".into(), [250, 0, 250, 25]), "{}", world.target);
        assert_eq!(of(&runs[1]), ("done".into(), [0, 1, 1, 1]));
        assert_eq!(of(&runs[2]), ("error".into(), [0; 4]));
        assert!(runs[2]["error"].as_str().is_some_and(|e| e.contains("stands in 2")), "{}", runs[2]);
        assert!(runs.iter().all(|run| run["in_order"] == true));
        let steps = world.query(
            r#"SELECT s."step", s."rows", s."error" FROM "springline"."run_steps" AS s
            JOIN "springline"."runs" AS r ON s."run_id" = r."run_id"
            WHERE r."delivered" = 250 ORDER BY s."started_at", s."step""#,
        );
        let steps: Vec<(&str, u64)> =
            steps.iter().map(|s| (s["step"].as_str().expect("a step"), s["rows"].as_u64().expect("rows"))).collect();
        assert_eq!(steps, [("recover", 0), ("compare", 250), ("deliver", 250), ("acknowledge", 250)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_another_machine_is_minded() {
    for world in World::all().await {
        world.apply("settled_to_hook").exits(0);
        world.receiver.take();
        let hold = |holder: &str, until: Timestamp| {
            let columns = [("holder", texts(&[holder])), ("expires_at", instant(until))];
            world.add("lease_settled_to_hook", RecordBatch::try_from_iter(columns).expect("a batch"));
        };
        let now = Timestamp::now();
        hold("dead", now - SignedDuration::from_secs(1));
        assert_eq!(world.apply("settled_to_hook").exits(0).json()["abandoned"], true);
        assert_eq!(world.apply("settled_to_hook").exits(0).json()["abandoned"], false);
        let holds = || world.query(r#"SELECT "holder" FROM "springline"."lease_settled_to_hook""#);
        assert_eq!(holds(), Vec::<Value>::new(), "{}: a hold that has expired is removed", world.target);

        hold("alive", now + SignedDuration::from_mins(10));
        for command in ["apply", "plan", "retry"] {
            let error = world.call(&["sync", command, "settled_to_hook"]).run().exits(1).json();
            let message = error["error"]["message"].as_str().expect("a message");
            assert!(message.contains("is being run elsewhere"), "{command}: {message}");
            assert!(error["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--wait")), "{error}");
        }
        assert_eq!(holds().len(), 1, "who gives way leaves nothing behind");
        // Other syncs are not held up.
        world.apply("settled_to_files").exits(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_machines_one_leaves_or_waits() {
    let Some(world) = World::postgres().await else { return };
    let other = world.elsewhere().await;
    world.receiver.plan(Plan { delay: Duration::from_millis(800), ..Plan::default() });
    let mut first = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
    wait_until(|| world.receiver.requests() >= 1);
    let error = other.apply("settled_to_hook").exits(1).json();
    assert!(error["error"]["message"].as_str().is_some_and(|m| m.contains("is being run elsewhere")), "{error}");
    let second = other.call(&["sync", "apply", "settled_to_hook", "--wait"]).run().exits(0).json();
    assert!(first.wait().expect("the process ends").success());
    assert_eq!(counts(&second), [0, 0, 0, 250], "it has waited, and had nothing left to send");
    assert_eq!(keys(&world.receiver.take(), "upsert").len(), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_the_same_moment_do_not_both_run() {
    let Some(world) = World::postgres().await else { return };
    let other = world.elsewhere().await;
    // The tables are there already: what contends is the lease alone.
    world.call(&["sync", "plan", "settled_to_hook"]).run().exits(0);
    let calls = [&world, &other].map(|world| world.call(&["sync", "apply", "settled_to_hook", "--wait"]).spawn());
    for mut process in calls {
        assert!(process.wait().expect("the process ends").success());
    }
    let sent = keys(&world.receiver.take(), "upsert");
    assert_eq!((sent.len(), sent.iter().collect::<BTreeSet<_>>().len()), (250, 250), "each row once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_begins_when_the_other_has_ended() {
    let world = World::local().await;
    world.receiver.plan(Plan { delay: Duration::from_millis(50), ..Plan::default() });
    let mut first = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
    wait_until(|| world.receiver.requests() >= 1);
    let second = world.call(&["sync", "apply", "settled_to_hook", "--wait"]).run().exits(0).json();
    assert!(first.wait().expect("the process ends").success());
    assert_eq!(counts(&second), [0, 0, 0, 250]);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_outcomes_do_not_undo_newer_ones() {
    for world in World::all().await {
        world.apply("settled_to_hook").exits(0);
        world.receiver.take();
        // What a machine left that was away while another one has delivered the row.
        let journal = world.folder.path().join(format!(".springline/journal/{}/settled_to_hook.jsonl", world.target));
        let lines = |run: &str, rows: [(&str, &str, i64); 3]| -> String {
            let line = |request: usize, (key, operation, at): (&str, &str, i64)| {
                let name = format!(r#""run":"{run}","request":{request},"at":{at}"#);
                let row = format!(r#"{{"key":"{key}","hash":"other","operation":"{operation}"}}"#);
                let outcomes = r#"{"all":{"outcome":"delivered"}}"#;
                format!(
                    "{{\"sending\":{{{name},\"rows\":[{row}]}}}}\n{{\"settled\":{{{name},\"outcomes\":{outcomes}}}}}\n"
                )
            };
            rows.into_iter().enumerate().map(|(request, row)| line(request, row)).collect()
        };
        let later = Timestamp::now().as_microsecond();
        let rows = [("c001", "upsert", 0), ("c002", "delete", 0), ("c003", "upsert", later)];
        std::fs::write(&journal, lines("r", rows)).expect("the journal");
        let report = world.apply("settled_to_hook").exits(0).json();
        assert_eq!((counts(&report), &report["recovered"]), ([0, 1, 0, 249], &3.into()), "{}", world.target);
        assert_eq!(sent(&world.receiver.take()).into_iter().collect::<Vec<_>>(), ["+c003"]);

        // A run on another machine has come after this one: what it tells is not believed, but may be true.
        let later = Timestamp::now().as_microsecond();
        let rows = [("c001", "upsert", 0), ("c004", "delete", later), ("c999", "upsert", later)];
        std::fs::write(&journal, lines("0", rows)).expect("the journal");
        let report = world.apply("settled_to_hook").exits(0).json();
        assert_eq!((counts(&report), &report["in_doubt"]), ([0, 1, 1, 249], &2.into()), "{}", world.target);
        assert_eq!(sent(&world.receiver.take()).into_iter().collect::<Vec<_>>(), ["+c004", "-c999"]);
        assert_eq!(counts(&world.apply("settled_to_hook").exits(0).json()), [0, 0, 0, 250]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_an_earlier_version_get_their_columns() {
    for mut world in World::all().await {
        world.apply("settled_to_hook").exits(0);
        if world.server.is_some() {
            world.execute(r#"ALTER TABLE "springline"."runs" DROP COLUMN "requests""#);
        } else {
            let columns = world.query(r#"SELECT * FROM "springline"."runs""#);
            let names = columns[0].as_object().expect("a row").keys().filter(|name| *name != "requests");
            let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
            let select = format!(r#"SELECT {} FROM "springline"."runs""#, names.join(", "));
            world.execute(&format!(r#"CREATE OR REPLACE TABLE "springline"."runs" AS {select}"#));
        }
        world.execute(r#"DROP TABLE "springline"."state_versions""#);
        world.set("c007", "Lyon");
        world.apply("settled_to_hook").exits(0);
        let runs = world.query(r#"SELECT "delivered", "requests" FROM "springline"."runs" ORDER BY "started_at""#);
        let expected = [
            serde_json::json!({ "delivered": 250, "requests": null }),
            serde_json::json!({ "delivered": 1, "requests": 1 }),
        ];
        assert_eq!(runs, expected, "{}", world.target);

        let columns = [
            ("name", texts(&["records"])),
            ("version", Arc::new(Int64Array::from(vec![99])) as ArrayRef),
            ("since", instant(Timestamp::now())),
        ];
        world.add("state_versions", RecordBatch::try_from_iter(columns).expect("a batch"));
        let error = world.apply("settled_to_hook").exits(1).json();
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(message.contains("have version 99"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_recorded_where_that_is_asked_for() {
    for mut world in World::all().await {
        world.edit("version: 1\n", "version: 1\nretention: { runs: 1 day, deliveries: 1 day }\n");
        world.edit("name: settled_to_hook,", "name: settled_to_hook, audit: rows,");
        world.fill(&[("a", "Paris"), ("b", "Paris"), ("c", "Paris")]);
        world.receiver.plan(Plan { refused: BTreeSet::from(["b".to_owned()]), ..Plan::default() });
        world.apply("settled_to_hook").exits(4);
        world.set("a", "nowhere");
        world.apply("settled_to_hook").exits(0);
        world.apply("settled_to_files").exits(0);
        let rows = world.query(
            r#"SELECT "destination", "_key", "operation", "outcome" FROM "springline"."deliveries"
            ORDER BY "sent_at", "_key""#,
        );
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                ["destination", "_key", "operation", "outcome"].map(|n| row[n].as_str().expect("a text")).join(" ")
            })
            .collect();
        let mut expected =
            ["hook a upsert delivered", "hook b upsert rejected", "hook c upsert delivered", "hook a delete delivered"];
        let mut rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        rows.sort_unstable();
        expected.sort_unstable();
        assert_eq!(rows, expected, "{}", world.target);

        // As of years later all that is old.
        let kept = |table: &str| {
            world.query(&format!(r#"SELECT COUNT(*) AS "rows" FROM "springline"."{table}""#))[0]["rows"].clone()
        };
        assert_eq!((kept("runs"), kept("deliveries")), (3.into(), 4.into()));
        world.call(&["sync", "apply", "settled_to_hook", "--as-of", "2099-01-01T00:00:00Z"]).run().exits(0);
        assert_eq!(
            (kept("runs"), kept("deliveries")),
            (1.into(), 0.into()),
            "{}: the other sync's run is kept",
            world.target
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_refused_for_a_while_is_tried_again_after_a_while() {
    for mut world in World::all().await {
        world.fill(&[("a", "Paris"), ("b", "Paris")]);
        world.receiver.plan(Plan { busy: BTreeSet::from(["b".to_owned()]), ..Plan::default() });
        world.apply("settled_to_hook").exits(4);
        let rejected =
            || world.call(&["sync", "rejected", "settled_to_hook"]).run().exits(0).json()["rejected"].clone();
        assert_eq!((&rejected()[0]["key"], &rejected()[0]["retryable"]), (&"b".into(), &true.into()));
        world.receiver.take();
        let again = world.apply("settled_to_hook").exits(0).json();
        assert_eq!(
            (&again["held"], world.receiver.requests()),
            (&1.into(), 0),
            "{}: its time has not come",
            world.target
        );

        age(&world, 6);
        let again = world.apply("settled_to_hook").exits(4).json();
        assert_eq!((&again["rejected"], &rejected()[0]["attempts"]), (&1.into(), &2.into()), "{}", world.target);
        world.receiver.take();
        age(&world, 6);
        world.apply("settled_to_hook").exits(0);
        assert_eq!(world.receiver.requests(), 0, "{}: a second refusal waits longer", world.target);
        age(&world, 25);
        world.receiver.plan(Plan::default());
        world.apply("settled_to_hook").exits(0);
        assert_eq!(keys(&world.receiver.take(), "upsert"), ["b"]);
        assert_eq!(rejected(), Value::Array(Vec::new()));
    }
}

/// Lets the refusals have happened so many minutes earlier.
pub(super) fn age(world: &World, minutes: u32) {
    let earlier = format!(r#""last_seen_at" - INTERVAL '{minutes} minutes'"#);
    world.execute(&match world.server {
        Some(_) => format!(r#"UPDATE "springline"."rejected_settled_to_hook" SET "last_seen_at" = {earlier}"#),
        None => format!(
            r#"CREATE OR REPLACE TABLE "springline"."rejected_settled_to_hook" AS
            SELECT "_key", "_hash", "operation", "code", "message", "retryable", "run_id", "first_seen_at",
            {earlier} AS "last_seen_at", "attempts" FROM "springline"."rejected_settled_to_hook""#
        ),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_what_is_no_longer_wanted_are_forgotten() {
    for mut world in World::all().await {
        world.fill(&[("a", "Paris"), ("b", "Paris"), ("c", "Paris")]);
        world.receiver.plan(Plan { refused: BTreeSet::from(["b".to_owned(), "c".to_owned()]), ..Plan::default() });
        world.apply("settled_to_hook").exits(4);
        // One leaves the segment, one changes and is refused again.
        world.fill(&[("a", "Paris"), ("b", "nowhere"), ("c", "Lyon")]);
        world.apply("settled_to_hook").exits(4);
        let status = world.call(&["sync", "status", "settled_to_hook"]).run().exits(0).json();
        let rejected: Vec<(&str, u64)> = status["rejected"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| (row["key"].as_str().expect("a key"), row["attempts"].as_u64().expect("a number")))
            .collect();
        assert_eq!(rejected, [("c", 1)], "{}: a row that has changed begins anew", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_may_only_be_read_has_its_state_in_a_folder() {
    for mut world in World::all().await.into_iter().filter(|world| world.server.is_some()) {
        let engine = format!("{}: {{ engine: {}", world.target, world.target);
        world.edit(&engine, &format!("{engine}, state: local"));
        let folder = format!(".springline/state.springline_{}", world.target);
        let first = world.apply("settled_to_hook").exits(0).json();
        assert_eq!((counts(&first), &first["state"]), ([250, 0, 0, 0], &format!("folder {folder}").into()));
        world.set("c007", "Lyon");
        world.set("c008", "nowhere");
        world.receiver.take();
        let plan = world.call(&["sync", "plan", "settled_to_hook"]).run().exits(0).json();
        assert_eq!(counts(&plan), [0, 1, 1, 248], "{}", world.target);
        world.apply("settled_to_hook").exits(0);
        assert_eq!(sent(&world.receiver.take()).into_iter().collect::<Vec<_>>(), ["+c007", "-c008"]);
        assert_eq!(counts(&world.apply("settled_to_hook").exits(0).json()), [0, 0, 0, 249]);
        assert!(world.folder.path().join(&folder).join("ledger_settled_to_hook/manifest.json").is_file());
        let found =
            world.query("SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = 'springline'");
        assert_eq!(found[0]["n"], 0, "{}: nothing is written into the warehouse", world.target);
    }
}
