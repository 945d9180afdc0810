//! Which records are the same thing, on every engine: the clusters against those that are worked out here, and the same
//! ids everywhere.

mod ask;
mod command;
mod components;
mod golden;
mod matching;
mod strangers;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use md5::{Digest, Md5};
use serde_json::Value;
use springline_plan::Hashing;
use springline_run::run_identity;
use tokio::sync::Notify;

use world::{PLAIN, Rows, by_hand, crm, everywhere, groups, project, rows, web, worlds};

/// User ids, emails and devices, without limits.
const SIMPLE: &str = "    identifiers:
      - { name: user_id }
      - { name: email, normalize: [trim, lower] }
      - { name: anonymous_id }
    sources:
      - { source: crm, primary_key: id, identifiers: { email: email, user_id: user_id } }
      - { source: web, primary_key: id, identifiers: { email: email, anonymous_id: anonymous_id } }
    rules: [{ name: shared, type: deterministic }]
";

/// One user id a person; what is on too many records links nothing.
const LIMITED: &str = "    identifiers:
      - { name: user_id, limit: 1 }
      - { name: email, limit: 3, normalize: [email], max_records_per_value: 50, blocked: { exact: [' Test@test.com'], regex: ['^noreply@'] } }
      - { name: anonymous_id, limit: 5, max_records_per_value: 100 }
      - { name: address }
    sources:
      - { source: crm, primary_key: id, identifiers: { email: email, user_id: user_id, address: address } }
      - { source: web, primary_key: id, identifiers: { email: email, anonymous_id: anonymous_id } }
    limits: { max_cluster_size: 20 }
    overrides: { source: by_hand }
";

#[tokio::test(flavor = "multi_thread")]
async fn nulls_blanks_null_words_minus_one_and_zero_ids_never_link() {
    let values =
        [None, Some(""), Some("  "), Some("\t"), Some("null"), Some(" N/A "), Some("-1"), Some("0000"), Some("00-00")];
    let twice = values.iter().chain(&values);
    let all = twice.enumerate().map(|(i, value)| crm(&i.to_string(), *value, None, None)).collect();
    let found = &everywhere(SIMPLE, &[rows(all, vec![], vec![])], PLAIN).await[0];
    assert_eq!(found.groups().len(), 18);
    let email = &found.report.identifiers[1];
    assert_eq!((email.given, email.usable, email.linked), (18, 0, 0));
    let dropped: Vec<_> = email.dropped.iter().map(|d| (d.reason.as_str(), d.records)).collect();
    assert_eq!(dropped, [("blank", 6), ("null", 2), ("placeholder", 10)]);
    assert_eq!(found.report.singletons, 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_and_spaces_at_the_ends_do_not_keep_records_apart() {
    let customers =
        vec![crm("1", Some(" Zoé@Example.FR "), None, None), crm("2", Some("other@example.fr"), None, None)];
    let visits = vec![web("1", Some("zoé@example.fr"), None), web("2", Some("zoe@example.fr"), None)];
    let found = &everywhere(SIMPLE, &[rows(customers, visits, vec![])], PLAIN).await[0];
    assert_eq!(found.groups(), groups(&["crm:1 web:1", "crm:2", "web:2"]));
    assert_eq!(found.report.rules[0].linked, 2);
    assert!((found.report.identifiers[1].match_rate - 0.5).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_string_under_two_identifiers_does_not_link() {
    let stage =
        rows(vec![crm("1", None, Some("x"), None)], vec![web("1", None, Some("x")), web("2", Some("x"), None)], vec![]);
    let found = &everywhere(SIMPLE, &[stage], PLAIN).await[0];
    assert_eq!(found.groups(), groups(&["crm:1", "web:1", "web:2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_there_is_nothing() {
    let stages = [rows(vec![], vec![], vec![]), rows(vec![crm("1", None, None, None)], vec![], vec![])];
    let found = everywhere(LIMITED, &stages, PLAIN).await;
    assert_eq!((found[0].report.records, found[0].report.size_max), (0, 0));
    assert_eq!(found[1].groups(), groups(&["crm:1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_hash_collision_is_seen_and_salted_away() {
    const SPACE: u64 = 8192;
    let customers: Vec<Value> =
        (0..100).map(|i| crm(&i.to_string(), None, Some(&format!("u{}", i / 2)), None)).collect();
    let clash = |salt: u32| {
        let hash = |text: String| {
            let digits: String = Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            u64::from_str_radix(&digits[..15], 16).expect("a number") % SPACE
        };
        let records: BTreeSet<u64> = (0..100).map(|i| hash(format!("{salt}:r:crm:{i}"))).collect();
        let values: BTreeSet<u64> = (0..50).map(|i| hash(format!("{salt}:v:1:u{i}"))).collect();
        records.len() < 100 || values.len() < 50
    };
    let salt = (0..1000).find(|salt| clash(*salt) && !clash(salt + 1)).expect("a salt that clashes");
    let stage = [rows(customers, vec![], vec![])];
    let hashing = Hashing { salt, space: Some(SPACE.try_into().expect("small")) };
    let salted = &everywhere(SIMPLE, &stage, hashing).await[0];
    let plain = &everywhere(SIMPLE, &stage, PLAIN).await[0];
    assert_eq!(salted.groups(), plain.groups());
    assert_eq!(salted.groups().len(), 50);
    assert_eq!(salted.report.statements, plain.report.statements + 2, "the values were hashed twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_test_address_and_a_kiosk_link_nobody() {
    let mut customers: Vec<Value> =
        (0..2000).map(|i| crm(&i.to_string(), Some("hello@shop.example"), None, None)).collect();
    customers.push(crm("a", Some("test@test.com"), None, None));
    customers.push(crm("b", Some("noreply@x.example"), None, None));
    customers.push(crm("c", Some("TEST@test.com "), None, None));
    customers.push(crm("d", Some("noreply@x.example"), None, None));
    let visits = (0..3000).map(|i| web(&i.to_string(), None, Some("kiosk"))).collect();
    let found = &everywhere(LIMITED, &[rows(customers, visits, vec![])], PLAIN).await[0];
    assert_eq!((found.report.clusters, found.report.size_max), (5004, 1));
    let email = &found.report.identifiers[1];
    assert_eq!((email.quarantined_values, email.quarantined_records, email.linked), (1, 2000, 0));
    assert!(email.dropped.iter().any(|d| d.reason == "blocked" && d.records == 4), "{email:?}");
    let device = &found.report.identifiers[2];
    assert_eq!((device.quarantined_values, device.quarantined_records), (1, 3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_address_joins_nobody_with_two_user_ids_and_everybody_with_none() {
    let customers = vec![
        crm("1", Some("one@x.example"), Some("u1"), Some("1 High Street")),
        crm("2", Some("two@x.example"), Some("u2"), Some("1 High Street")),
        crm("3", None, Some("u2"), None),
        crm("4", Some("four@x.example"), None, Some("2 Low Street")),
        crm("5", Some("five@x.example"), None, Some("2 Low Street")),
    ];
    let found = &everywhere(LIMITED, &[rows(customers, vec![], vec![])], PLAIN).await[0];
    assert_eq!(found.groups(), groups(&["crm:1", "crm:2 crm:3", "crm:4 crm:5"]));
    assert_eq!(found.report.limit_hits, 1);
    let address = &found.report.identifiers[3];
    assert_eq!((address.rejected_values, address.rejected_links, address.linked), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_reached_only_through_a_chain_is_kept() {
    // Two people and a visitor in between: neither device alone brings the two user ids together.
    let customers =
        vec![crm("1", Some("a@x.example"), Some("u1"), None), crm("2", Some("b@x.example"), Some("u2"), None)];
    let visits = || {
        vec![
            web("1", Some("a@x.example"), Some("d1")),
            web("2", Some("m@x.example"), Some("d1")),
            web("3", Some("m@x.example"), Some("d2")),
            web("4", Some("b@x.example"), Some("d2")),
        ]
    };
    let found = &everywhere(LIMITED, &[rows(customers, visits(), vec![])], PLAIN).await[0];
    assert_ne!(found.id("crm:1"), found.id("crm:2"));
    // What emails link is linked, and one of the devices too.
    for (a, b) in [("crm:1", "web:1"), ("web:2", "web:3"), ("crm:2", "web:4")] {
        assert_eq!(found.id(a), found.id(b), "{a} and {b}");
    }
    assert_eq!(found.groups().len(), 2);
    let device = &found.report.identifiers[2];
    assert_eq!((device.rejected_values, device.rejected_links), (1, 1));
    // Without the second user id the whole chain is one person.
    let customers = vec![crm("1", Some("a@x.example"), Some("u1"), None), crm("2", Some("b@x.example"), None, None)];
    let found = &everywhere(LIMITED, &[rows(customers, visits(), vec![])], PLAIN).await[0];
    assert_eq!(found.groups().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cluster_exceeds_its_size() {
    // A chain of 40 by emails and devices in turn; 20 may be together.
    let link = |i: u32| (format!("{}@x.example", i / 2), format!("d{}", i.div_ceil(2)));
    let visits = (0..40).map(|i| web(&i.to_string(), Some(&link(i).0), Some(&link(i).1))).collect();
    let identity = LIMITED.replace("limit: 3, ", "").replace("limit: 5, ", "");
    let found = &everywhere(&identity, &[rows(vec![], visits, vec![])], PLAIN).await[0];
    assert!(found.report.size_max <= 20, "{:?}", found.report);
    // What the more important identifier links is linked.
    for i in 0..20 {
        assert_eq!(found.id(&format!("web:{}", 2 * i)), found.id(&format!("web:{}", 2 * i + 1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_keeps_the_oldest_id_and_a_split_the_largest_part() {
    let customer = |id: &str, email: &str| crm(id, Some(email), None, None);
    let base = || vec![customer("1", "a@x.example"), customer("2", "a@x.example"), customer("3", "b@x.example")];
    let apart = rows(base(), vec![], vec![]);
    let bridge = || vec![web("1", Some("a@x.example"), Some("d")), web("2", Some("b@x.example"), Some("d"))];
    let late = || vec![web("1", Some("a@x.example"), Some("d"))];
    // Apart; joined by a bridge; the bridge cut; joined again.
    let stages = [apart, rows(base(), bridge(), vec![]), rows(base(), late(), vec![]), rows(base(), bridge(), vec![])];
    let found = everywhere(SIMPLE, &stages, PLAIN).await;
    assert_eq!(found[0].groups(), groups(&["crm:1 crm:2", "crm:3"]));
    let (first, other) = (found[0].id("crm:1"), found[0].id("crm:3"));
    let kept = found[1].id("crm:1");
    assert_eq!(found[1].groups().len(), 1);
    assert!([first, other].contains(&kept), "an id that there was stays");
    assert_eq!((found[1].report.merges, found[1].report.splits), (1, 0));
    assert_eq!(found[2].groups(), groups(&["crm:1 crm:2 web:1", "crm:3"]));
    assert_eq!(found[2].id("crm:1"), kept, "the largest part keeps the id");
    assert_ne!(found[2].id("crm:3"), kept);
    assert_eq!((found[2].report.merges, found[2].report.splits), (0, 1));
    assert_eq!(found[3].groups().len(), 1);
    assert_eq!(found[3].id("crm:3"), kept);
    assert_eq!(found[3].report.merges, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_three_way_merge_and_a_split_in_one_run() {
    let customer = |id: &str, email: &str, user: &str| crm(id, Some(email), Some(user), None);
    let before = vec![
        customer("1", "a@x.example", "u1"),
        customer("2", "b@x.example", "u2"),
        customer("3", "c@x.example", "u3"),
        customer("4", "d@x.example", "u4"),
        customer("5", "d@x.example", "u5"),
        customer("6", "d@x.example", "u6"),
    ];
    let after = vec![
        customer("1", "a@x.example", "u0"),
        customer("2", "b@x.example", "u0"),
        customer("3", "c@x.example", "u0"),
        customer("4", "d@x.example", "u4"),
        customer("5", "d@x.example", "u5"),
        customer("6", "e@x.example", "u6"),
    ];
    let stages = [rows(before, vec![], vec![]), rows(after.clone(), vec![], vec![]), rows(after, vec![], vec![])];
    let found = everywhere(SIMPLE, &stages, PLAIN).await;
    assert_eq!(found[1].groups(), groups(&["crm:1 crm:2 crm:3", "crm:4 crm:5", "crm:6"]));
    assert_eq!((found[1].report.merges, found[1].report.splits), (2, 1));
    assert!(["crm:1", "crm:2", "crm:3"].iter().any(|r| found[0].id(r) == found[1].id("crm:1")));
    assert_eq!(found[1].id("crm:4"), found[0].id("crm:4"));
    assert_ne!(found[1].id("crm:6"), found[0].id("crm:6"));
    // The same again changes no id.
    assert_eq!((found[2].report.merges, found[2].report.splits), (0, 0));
    assert!(found[2].report.churn == 0.0);
    let ids = |stage: usize| -> Vec<(String, String)> {
        found[stage].records.iter().map(|r| (r.name.clone(), r.id.clone())).collect()
    };
    assert_eq!(ids(1), ids(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_lead_from_any_id_that_is_gone_to_the_one_that_follows_in_one_step() {
    let customer = |id: &str, user: &str| crm(id, None, Some(user), None);
    let stages = [
        vec![customer("1", "a"), customer("2", "b"), customer("3", "c")],
        vec![customer("1", "a"), customer("2", "a"), customer("3", "c")],
        vec![customer("1", "a"), customer("2", "a"), customer("3", "a")],
    ];
    let project = project(SIMPLE);
    for mut world in worlds() {
        let mut ids = Vec::new();
        for (stage, day) in stages.iter().zip(1..) {
            world.fill(&project, &rows(stage.clone(), vec![], vec![])).await;
            ids.push(world.run(&project, day, PLAIN).await);
        }
        let last = ids[2].id("crm:1").to_owned();
        let gone: BTreeSet<String> = ids[..2]
            .iter()
            .flat_map(|stage| stage.records.iter().map(|r| r.id.clone()))
            .filter(|id| *id != last)
            .collect();
        let sql = format!("SELECT old_id FROM springline.aliases_people WHERE new_id = '{last}' AND reason = 'merged'");
        let led: BTreeSet<String> = world.query(&sql).await.into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(led, gone, "{}", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_beats_every_rule() {
    let customers = || {
        vec![
            crm("1", Some("a@x.example"), Some("u1"), None),
            crm("2", Some("b@x.example"), Some("u2"), None),
            crm("3", Some("c@x.example"), Some("u3"), None),
            crm("4", Some("c@x.example"), None, None),
        ]
    };
    let hands = vec![
        // Two user ids, where one is the limit.
        by_hand("include", ("crm", "1"), ("crm", "2")),
        by_hand("exclude", ("crm", "4"), ("crm", "3")),
        by_hand("include", ("crm", "4"), ("crm", "no such record")),
    ];
    let stages = [rows(customers(), vec![], vec![]), rows(customers(), vec![], hands)];
    let found = everywhere(LIMITED, &stages, PLAIN).await;
    assert_eq!(found[0].groups(), groups(&["crm:1", "crm:2", "crm:3 crm:4"]));
    assert_eq!(found[1].groups(), groups(&["crm:1 crm:2", "crm:3", "crm:4"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resolved_is_said() {
    let project = project(LIMITED);
    for mut world in worlds() {
        let wrong = by_hand("maybe", ("crm", "1"), ("crm", "2"));
        world.fill(&project, &rows(vec![crm("1", None, None, None)], vec![], vec![wrong])).await;
        let error = world.try_run(&project, 1, PLAIN).await.expect_err("an action that there is not").to_string();
        assert!(error.contains("1 overrides have another `action`"), "{error}");
        let mut keyless = crm("1", None, None, None);
        keyless["id"] = Value::Null;
        world.fill(&project, &rows(vec![keyless], vec![], vec![])).await;
        let error = world.try_run(&project, 1, PLAIN).await.expect_err("no key").to_string();
        assert!(error.contains("without a primary key"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_rounds_leaves_no_half_written_map() {
    let project = project(SIMPLE);
    let pair = |email: &str| vec![crm("1", Some("a@x.example"), None, None), crm("2", Some(email), None, None)];
    for mut world in worlds() {
        world.fill(&project, &rows(pair("b@x.example"), vec![], vec![])).await;
        let before = world.run(&project, 1, PLAIN).await.records;
        world.fill(&project, &rows(pair("a@x.example"), vec![], vec![])).await;
        for step in ["round_1.hook", "round_1.contract", "members", "next", "aliases", "canonical"] {
            let reached = Arc::new(Notify::new());
            let seen = reached.clone();
            let session = world.session(&project, 2, move |event| {
                if let springline_run::Event::Started { step: started } = event
                    && started == format!("identity.people.{step}")
                {
                    seen.notify_one();
                }
            });
            let identity = session.project.identities[0].clone();
            // What was on its way is dropped as it is, without a word to anybody.
            let ended = tokio::select! {
                biased;
                () = reached.notified() => false,
                run = run_identity(&session, &identity, PLAIN, false) => { run.expect("a run"); true }
            };
            assert!(!ended, "{}: there is no step {step}", world.name);
            springline_warehouse::cancellations(std::time::Duration::from_secs(10)).await;
            let now = world.records().await;
            // The last statement is done or not.
            assert!(now == before || step == "canonical", "{} after {step}: {now:?}", world.name);
            if now != before {
                break;
            }
        }
        let after = world.run(&project, 3, PLAIN).await;
        assert_eq!(after.groups(), groups(&["crm:1 crm:2"]), "{}", world.name);
        let aliases = world.query("SELECT old_id, new_id FROM springline.aliases_people").await;
        assert_eq!(aliases.len(), 1, "{}: {aliases:?}", world.name);
        assert_eq!(aliases[0][1], after.id("crm:1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_of_the_rows_gives_the_clusters_of_a_union_find() {
    let number = |n: u64, seed: u64| {
        (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ seed.wrapping_mul(0xBF58_476D_1CE4_E5B9)) >> 33
    };
    let pick =
        |n: u64, seed: u64, of: u64| (number(n, seed) % 4 != 0).then(|| format!("v{}", number(n, seed + 7) % of));
    let customers: Vec<Value> =
        (0..150).map(|n| crm(&n.to_string(), pick(n, 1, 140).as_deref(), pick(n, 2, 160).as_deref(), None)).collect();
    let visits: Vec<Value> =
        (0..150).map(|n| web(&n.to_string(), pick(n, 3, 140).as_deref(), pick(n, 4, 90).as_deref())).collect();
    let reversed = |rows: &[Value]| rows.iter().rev().cloned().collect::<Vec<_>>();
    let forwards = &everywhere(SIMPLE, &[rows(customers.clone(), visits.clone(), vec![])], PLAIN).await[0];
    let backwards = &everywhere(SIMPLE, &[rows(reversed(&customers), reversed(&visits), vec![])], PLAIN).await[0];
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.groups(), by_union_find(&rows(customers, visits, vec![])));
    assert!(forwards.report.size_max > 5, "the data says something: {:?}", forwards.report);
}

/// The clusters of records that share a value of a column.
fn by_union_find(rows: &Rows) -> BTreeSet<BTreeSet<String>> {
    let mut names = Vec::new();
    let mut edges = Vec::new();
    let mut holders: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (table, records) in rows {
        for record in records {
            let place = names.len();
            names.push(format!("{table}:{}", record["id"].as_str().expect("an id")));
            for column in ["email", "user_id", "anonymous_id"] {
                let Some(value) = record[column].as_str() else { continue };
                let holder = *holders.entry((column.to_owned(), value.to_owned())).or_insert(place);
                edges.push((holder as i64, place as i64));
            }
        }
    }
    let labels = springline_tests::union_find(&edges);
    let mut groups: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for (place, name) in names.into_iter().enumerate() {
        let place = place as i64;
        groups.entry(*labels.get(&place).unwrap_or(&place)).or_default().insert(name);
    }
    groups.into_values().collect()
}
