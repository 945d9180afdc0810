//! What is asked of the links that a run has kept, what a changed definition would change, and who may run when.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use springline_ir::Statement;
use springline_model::EntityId;
use springline_plan::Components;
use springline_run::{
    ClusterAudit, Explanation, IdentityTrial, RecordName, audit_cluster, explain_records, run_entity, try_identity,
};

use super::world::{PLAIN, Rows, World, by_hand, crm, project, rows, web, worlds, worlds_at_hand};

/// One user id a person; what is on more than three records links nothing.
const ASKED: &str = "    identifiers:
      - { name: user_id, limit: 1 }
      - { name: email, limit: 3, normalize: [email], max_records_per_value: 3, blocked: { exact: [test@test.com] } }
      - { name: anonymous_id, limit: 5 }
      - { name: address }
    sources:
      - { source: crm, primary_key: id, identifiers: { email: email, user_id: user_id, address: address } }
      - { source: web, primary_key: id, identifiers: { email: email, anonymous_id: anonymous_id } }
    limits: { max_cluster_size: 20 }
    overrides: { source: by_hand }
";

fn record(name: &str) -> RecordName {
    let (source, key) = name.split_once(':').expect("a source and a key");
    RecordName { source: source.to_owned(), key: key.to_owned() }
}

pub(super) async fn explain(world: &World, project: &str, a: &str, b: &str) -> Explanation {
    let session = world.session(project, 9, |_| {});
    let explained = explain_records(&session, &session.project.identities[0], &record(a), &record(b), false).await;
    explained.unwrap_or_else(|e| panic!("{}: {e}", world.name))
}

async fn audit(world: &World, project: &str, id: &str) -> ClusterAudit {
    let session = world.session(project, 9, |_| {});
    let audit = audit_cluster(&session, &session.project.identities[0], id, false).await;
    audit.unwrap_or_else(|e| panic!("{}: {e}", world.name))
}

async fn what_if(world: &World, before: &str, changed: &str) -> IdentityTrial {
    let session = world.session(changed, 9, |_| {});
    let before = world.session(before, 9, |_| {}).project.identities[0].clone();
    let trial = try_identity(&session, &before, &session.project.identities[0], false).await;
    trial.unwrap_or_else(|e| panic!("{}: {e}", world.name))
}

/// A chain of four records; two people with one address; a shared mailbox; a pair kept apart and one set by hand.
fn asked() -> Rows {
    let customers = vec![
        crm("1", Some("one@x.example"), Some("u1"), Some("1 High Street")),
        crm("2", Some("two@x.example"), Some("u2"), Some("1 High Street")),
        crm("3", Some("three@x.example"), None, None),
        crm("4", Some("three@x.example"), None, None),
        crm("5", Some("five@x.example"), None, None),
        crm("6", Some("test@test.com"), None, None),
        crm("7", Some("seven@x.example"), None, None),
    ];
    let mut visits = vec![
        web("7", Some("seven@x.example"), Some("d1")),
        web("8", Some("eight@x.example"), Some("d1")),
        web("9:a", Some("eight@x.example"), None),
        web("10", Some("test@test.com"), None),
    ];
    visits.extend(["11", "12", "13", "14"].map(|id| web(id, Some("Info@x.example"), None)));
    let hands = vec![by_hand("exclude", ("crm", "4"), ("crm", "3")), by_hand("include", ("crm", "5"), ("crm", "6"))];
    rows(customers, visits, hands)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_records_are_one_by_the_shortest_chain_or_not_for_a_reason() {
    let project = project(ASKED);
    let mut first: Option<Value> = None;
    for mut world in worlds() {
        world.fill(&project, &asked()).await;
        let run = world.run(&project, 1, PLAIN).await;
        let mut told = Vec::new();
        for (a, b) in [("crm:7", "web:9:a"), ("crm:5", "crm:6"), ("crm:1", "crm:2"), ("crm:3", "crm:4")] {
            told.push(explain(&world, &project, a, b).await);
        }
        for (a, b) in [("web:11", "web:14"), ("crm:6", "web:10"), ("crm:1", "crm:7")] {
            told.push(explain(&world, &project, a, b).await);
        }
        let links = |at: usize| -> Vec<Value> { told[at].chain.iter().map(|link| json!(link)).collect() };
        let value = |record: &str, other: &str, identifier: &str, value: &str| json!({ "record": record, "other": other, "by": "value", "identifier": identifier, "value": value });
        let chain = [
            value("crm:7", "web:7", "email", "s***@***"),
            value("web:7", "web:8", "anonymous_id", "d***"),
            value("web:8", "web:9:a", "email", "e***@***"),
        ];
        assert_eq!(links(0), chain, "{}", world.name);
        assert_eq!(links(1), [json!({ "record": "crm:5", "other": "crm:6", "by": "override" })], "{}", world.name);
        let unlinked = |at: usize| -> Vec<(&str, &str, &str)> {
            let values = told[at].unlinked.iter();
            values.map(|v| (v.identifier.as_str(), v.value.as_str(), v.reason.as_str())).collect()
        };
        assert_eq!(unlinked(2), [("address", "1***", "rejected")], "{}", world.name);
        assert_eq!(told[3].kept_apart, [["crm:3".to_owned(), "crm:4".to_owned()]], "{}", world.name);
        assert_eq!(unlinked(4), [("email", "i***@***", "quarantined")], "{}", world.name);
        assert_eq!(unlinked(5), [("email", "t***@***", "blocked")], "{}", world.name);
        assert!(unlinked(6).is_empty() && told[6].chain.is_empty(), "{}: {:?}", world.name, told[6]);
        assert_eq!(
            (told[6].canonical_id.as_str(), told[6].other_canonical_id.as_str()),
            (run.id("crm:1"), run.id("crm:7"))
        );
        // The report of the same run.
        let identifiers = &run.report.identifiers;
        let rejected: Vec<_> = identifiers[3].rejected.iter().map(|r| (r.reason.as_str(), r.links)).collect();
        assert_eq!(rejected, [("conflict", 1)], "{}", world.name);
        // `crm:7` and `web:9:a` have only an email in common with another, `web:7` and `web:8` a device too; `crm:3` and
        // `crm:4` share a value that their exclusion has rejected.
        assert_eq!((identifiers[1].only_linked, identifiers[2].only_linked), (2, 0), "{}", world.name);
        assert!((run.report.identifiers[1].marginal_match_rate - 2.0 / 15.0).abs() < 1e-9);
        assert!((run.report.deduplication_rate - 4.0 / 15.0).abs() < 1e-9, "{:?}", run.report);
        let session = world.session(&project, 9, |_| {});
        let identity = &session.project.identities[0];
        let error = explain_records(&session, identity, &record("crm:1"), &record("crm:99"), false).await;
        assert!(error.expect_err("no such record").to_string().contains("saw no record `crm:99`"));
        let told = json!(told);
        assert_eq!(first.get_or_insert_with(|| told.clone()), &told, "{}", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_tells_what_holds_a_cluster_together_also_by_an_id_that_is_gone() {
    let project = project(ASKED);
    for mut world in worlds() {
        let mut rows = asked();
        let device = |rows: &mut Rows, device: Option<&str>| {
            rows.get_mut("web").expect("visits")[1]["anonymous_id"] = device.into();
        };
        device(&mut rows, None);
        world.fill(&project, &rows).await;
        let apart = world.run(&project, 1, PLAIN).await;
        device(&mut rows, Some("d1"));
        world.fill(&project, &rows).await;
        let joined = world.run(&project, 2, PLAIN).await;
        let id = joined.id("crm:7");
        let gone = [apart.id("crm:7"), apart.id("web:8")].into_iter().find(|old| *old != id).expect("an id is gone");
        let told = audit(&world, &project, gone).await;
        assert_eq!((told.canonical_id.as_str(), told.ids_before.as_slice()), (id, [gone.to_owned()].as_slice()));
        assert_eq!(told.records, ["crm:7", "web:7", "web:8", "web:9:a"], "{}", world.name);
        let counts: Vec<_> = told.identifiers.iter().map(|c| (c.identifier.as_str(), c.values, c.limit)).collect();
        assert_eq!(counts, [("email", 2, Some(3)), ("anonymous_id", 1, Some(5))]);
        let mut held: Vec<_> =
            told.evidence.iter().map(|e| (json!(e.by)["value"].clone(), e.records, &e.parts)).collect();
        held.sort_by_key(|(value, ..)| value.to_string());
        assert_eq!(
            held,
            [("d***", &vec![2, 2]), ("e***@***", &vec![3, 1]), ("s***@***", &vec![3, 1])].map(|(value, parts)| (
                json!(value),
                2,
                parts
            )),
            "{}",
            world.name
        );
        let session = world.session(&project, 9, |_| {});
        let error = audit_cluster(&session, &session.project.identities[0], "no id", false).await;
        assert!(error.expect_err("no such id").to_string().contains("`no id`"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_is_tried_and_nothing_that_lasts_changes() {
    let segment = "segments:\n  - { name: with_email, entity: person, where: email is not null }\n";
    let before = format!("{}{segment}", project(ASKED));
    // Two user ids may be one person: an address then joins two customers. A device joins nobody any more.
    let changed = before
        .replace("name: user_id, limit: 1", "name: user_id, limit: 2")
        .replace("name: anonymous_id, limit: 5", "name: anonymous_id, limit: 5, blocked: { exact: [d1] }");
    for mut world in worlds_at_hand() {
        world.fill(&before, &asked()).await;
        world.run(&before, 1, PLAIN).await;
        let session = world.session(&before, 1, |_| {});
        run_entity(&session, EntityId(0), false).await.expect("a run of the entity");
        let lasting = async || {
            let mut all = Vec::new();
            for table in ["canonical", "aliases", "resolutions", "links", "overrides", "resolution_lease"] {
                let mut rows = world.query(&format!("SELECT * FROM springline.{table}_people")).await;
                rows.sort();
                all.push((table, rows));
            }
            all
        };
        let was = lasting().await;
        let trial = what_if(&world, &before, &changed).await;
        assert_eq!(lasting().await, was, "{}", world.name);
        assert_eq!((trial.before.records, trial.before.clusters), (15, 11), "{}", world.name);
        // A chain of four becomes two clusters, two customers one.
        assert_eq!((trial.after.records, trial.after.clusters), (15, 11), "{}: {trial:?}", world.name);
        assert_eq!((trial.merges, trial.splits), (1, 1), "{}", world.name);
        assert_eq!(trial.largest_merged.len(), 1);
        assert_eq!((trial.largest_merged[0].records, trial.largest_merged[0].clusters), (2, 2));
        let touched: Vec<_> = trial.segments.iter().map(|s| (s.segment.as_str(), s.members, s.touched)).collect();
        assert_eq!(touched, [("with_email", 7, 3)], "{}", world.name);
        for what in ["inputs", "members", "moved", "labels", "r1", "e1"] {
            let path = ["springline".to_owned(), format!("trial_people_{what}")];
            assert!(world.warehouse().describe(&path).await.expect("an answer").is_none(), "{}: {what}", world.name);
        }
        // Without a change there is none.
        let same = what_if(&world, &before, &before).await;
        assert_eq!((same.changed, same.merges, same.splits, same.before), (0, 0, 0, same.after), "{}", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_at_a_time_and_what_a_dead_one_left_is_removed() {
    let project = project(ASKED);
    for mut world in worlds_at_hand() {
        world.fill(&project, &asked()).await;
        world.run(&project, 1, PLAIN).await;
        let hold = async |holder: &str, until: Timestamp| {
            let until = TimestampMicrosecondArray::from(vec![until.as_microsecond()]).with_timezone("UTC");
            let holder: ArrayRef = Arc::new(StringArray::from(vec![holder]));
            let columns = [("holder", holder, true), ("expires_at", Arc::new(until) as ArrayRef, true)];
            let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
            let rows = futures::stream::once({
                let batch = batch.clone();
                async { Ok(batch) }
            });
            let table = ["springline".to_owned(), "resolution_lease_people".to_owned()];
            world.warehouse().load(&table, batch.schema(), rows.boxed()).await.expect("a hold");
        };
        let now = Timestamp::now();
        hold("dead", now - SignedDuration::from_secs(1)).await;
        // Its rounds were more than those of the next run.
        let components = Components::new("springline", "people");
        for round in 1..=6 {
            let columns = springline_plan::lease_columns();
            let table = components.round(round);
            let sql = springline_sql::print(&world.dialect(), &Statement::CreateTable { table, columns }).expect("SQL");
            world.warehouse().execute(&sql).await.expect("a table");
        }
        world.run(&project, 2, PLAIN).await;
        for round in 1..=6 {
            let found = world.warehouse().describe(&components.round(round).parts).await.expect("an answer");
            assert!(found.is_none(), "{}: round {round}", world.name);
        }
        let holds = async || world.query("SELECT holder FROM springline.resolution_lease_people").await;
        assert!(holds().await.is_empty(), "{}: a hold that has expired is removed", world.name);
        hold("alive", now + SignedDuration::from_mins(10)).await;
        let before = world.records().await;
        let error = world.try_run(&project, 3, PLAIN).await.expect_err("it is being run");
        assert!(error.to_string().contains("identity `people` is being run elsewhere"), "{}: {error}", world.name);
        assert!(error.hint().is_some_and(|hint| hint.contains("--wait")));
        assert_eq!(holds().await, [["alive"]], "{}: who gives way leaves nothing behind", world.name);
        assert_eq!(world.records().await, before);
        // A question is not held up.
        what_if(&world, &project, &project).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_reached_only_through_a_chain_tightened_afterwards_and_a_late_row() {
    let tight = project(ASKED);
    let loose = tight.replace(", limit: 1 }", " }");
    let fails = tight.replace("max_cluster_size: 20", "max_cluster_size: 20, on_violation: fail");
    let customers =
        vec![crm("1", Some("a@x.example"), Some("u1"), None), crm("2", Some("b@x.example"), Some("u2"), None)];
    let mut visits = vec![
        web("1", Some("a@x.example"), Some("d1")),
        web("2", Some("m@x.example"), Some("d1")),
        web("3", Some("m@x.example"), Some("d2")),
        web("4", Some("b@x.example"), Some("d2")),
    ];
    let mut first: Option<Value> = None;
    for mut world in worlds_at_hand() {
        world.fill(&loose, &rows(customers.clone(), visits.clone(), vec![])).await;
        let one = world.run(&loose, 1, PLAIN).await;
        assert_eq!(one.groups().len(), 1, "{}", world.name);
        let error = world.try_run(&fails, 2, PLAIN).await.expect_err("a limit is hit").to_string();
        assert!(error.contains("1 cluster exceeds a limit") && error.contains("with 6 records"), "{error}");
        assert_eq!(world.records().await, one.records, "{}: nothing was changed", world.name);
        let two = world.run(&tight, 2, PLAIN).await;
        assert_ne!(two.id("crm:1"), two.id("crm:2"), "{}", world.name);
        assert_eq!((two.groups().len(), two.report.splits), (2, 1));
        // A visit with the first email on the second device: what would join the two is left out again.
        visits.push(web("5", Some("a@x.example"), Some("d2")));
        world.fill(&tight, &rows(customers.clone(), visits.clone(), vec![])).await;
        let late = world.run(&tight, 3, PLAIN).await;
        visits.pop();
        assert_ne!(late.id("crm:1"), late.id("crm:2"), "{}", world.name);
        assert_eq!(late.id("web:5"), late.id("crm:1"), "{}: an email is more than a device", world.name);
        let told = json!([one.report, two.report, late.report]);
        assert_eq!(first.get_or_insert_with(|| told.clone()), &told, "{}", world.name);
    }
}
