//! Probabilistic rules: people in a shop and in a club, of whom it is known who is who.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ask::explain;
use super::world::{PLAIN, Rows, World, groups, project, worlds, worlds_at_hand};

/// How many people there are.
const PEOPLE: u64 = 120;

const GIVEN: [&str; 24] = [
    "anna", "bruno", "clara", "daniel", "elena", "felix", "greta", "hugo", "irene", "jonas", "katja", "louis", "marta",
    "nils", "olivia", "pascal", "renata", "simon", "tamara", "ulrich", "valerie", "walter", "xenia", "yannick",
];
const SURNAMES: [&str; 30] = [
    "andersen",
    "bernard",
    "castillo",
    "dubois",
    "eriksson",
    "fontaine",
    "garnier",
    "hoffmann",
    "ivanov",
    "jansen",
    "keller",
    "lambert",
    "moretti",
    "novak",
    "olsen",
    "petit",
    "quintana",
    "rousseau",
    "schneider",
    "thomas",
    "ullmann",
    "vasquez",
    "weber",
    "xavier",
    "young",
    "zimmermann",
    "baker",
    "carter",
    "dawson",
    "ellis",
];

/// A number that looks random, the same for the same two.
fn number(n: u64, salt: u64) -> u64 {
    (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ salt.wrapping_mul(0xBF58_476D_1CE4_E5B9)) >> 33
}

fn pick<'a>(from: &[&'a str], n: u64, salt: u64) -> &'a str {
    from[usize::try_from(number(n, salt)).expect("a place") % from.len()]
}

fn born(n: u64) -> String {
    format!("{}-{:02}-{:02}", 1940 + number(n, 3) % 60, 1 + number(n, 4) % 12, 1 + number(n, 5) % 28)
}

fn person(id: &str, given: &str, surname: &str, born: Option<&str>, postcode: &str) -> Value {
    json!({ "id": id, "given_name": given, "surname": surname, "birth_date": born, "postcode": postcode })
}

/// The n-th person, as the shop knows them.
fn in_shop(n: u64) -> Value {
    let postcode = format!("{:05}", 10_000 + number(n, 6) % 40 * 100);
    person(&n.to_string(), pick(&GIVEN, n, 1), pick(&SURNAMES, n, 2), Some(&born(n)), &postcode)
}

/// The same person as the club knows them: with a slip of the pen, moved, or without a date of birth.
fn in_club(n: u64) -> Value {
    let mut person = in_shop(n);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    match n % 6 {
        1 => {
            let given = text(&person["given_name"]);
            person["given_name"] = json!(format!("{}{}", &given[..2], &given[3..]));
        }
        2 => person["postcode"] = json!("99999"),
        3 => person["birth_date"] = Value::Null,
        4 => person["surname"] = json!(format!(" {} ", text(&person["surname"]).to_uppercase())),
        _ => {}
    }
    person
}

/// The people, half of them in both places; and those of a case.
fn people(shop: Vec<Value>, club: Vec<Value>) -> Rows {
    let mut rows = Rows::from([
        ("shop", (0..PEOPLE).map(in_shop).collect::<Vec<_>>()),
        ("club", (0..PEOPLE).filter(|n| n % 2 == 0 || n % 6 == 1).map(in_club).collect::<Vec<_>>()),
    ]);
    rows.entry("shop").or_default().extend(shop);
    rows.entry("club").or_default().extend(club);
    rows
}

fn identity(comparison_of_names: &str, more: &str) -> String {
    format!(
        "    identifiers: [{{ name: card }}]
    sources:
      - {{ source: shop, primary_key: id, identifiers: {{ card: card }} }}
      - {{ source: club, primary_key: id, identifiers: {{ card: card }}, columns: {{ postcode: postcode }} }}
    rules:
      - name: same_person
        type: probabilistic
        blocking: [[birth_date], [given_name, surname], [surname, postcode], [given_name, postcode]]
        comparisons:
          - {{ column: given_name, {comparison_of_names}, swapped_with: surname }}
          - {{ column: surname, {comparison_of_names}, term_frequency: true }}
          - {{ column: birth_date, method: exact }}
          - {{ column: postcode, method: exact }}
        {more}
"
    )
}

/// The pairs of one shop and one club record that are in one cluster.
fn pairs(found: &BTreeSet<BTreeSet<String>>) -> BTreeSet<(String, String)> {
    let of = |group: &BTreeSet<String>, source: &str| -> Vec<String> {
        group.iter().filter(|name| name.starts_with(source)).cloned().collect()
    };
    let pairs = found.iter().flat_map(|group| {
        let (shop, club) = (of(group, "shop:"), of(group, "club:"));
        shop.into_iter().flat_map(move |a| club.clone().into_iter().map(move |b| (a.clone(), b)))
    });
    pairs.collect()
}

fn truth() -> BTreeSet<(String, String)> {
    let both = (0..PEOPLE).filter(|n| n % 2 == 0 || n % 6 == 1);
    both.map(|n| (format!("shop:{n}"), format!("club:{n}"))).collect()
}

/// Whether the two are in one cluster.
fn together(found: &BTreeSet<BTreeSet<String>>, a: &str, b: &str) -> bool {
    found.iter().any(|group| group.contains(a) && group.contains(b))
}

async fn prepared(mut world: World, project: &str, rows: &Rows) -> World {
    world.fill(project, rows).await;
    if world.name == "postgres" {
        world.execute("CREATE EXTENSION IF NOT EXISTS fuzzystrmatch").await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_again_and_strangers_are_not_linked() {
    let project = project(&identity("method: exact", "threshold: 0.9\n        link: one_to_one"));
    let rows = people(vec![], vec![]);
    let mut first = None;
    for world in worlds() {
        let world = prepared(world, &project, &rows).await;
        let found = world.run(&project, 1, PLAIN).await;
        let linked = pairs(&found.groups());
        let missed = truth().difference(&linked).count();
        assert_eq!(linked.difference(&truth()).count(), 0, "{}: {linked:?}", world.name);
        assert!(missed * 100 <= truth().len() * 5, "{}: {missed} of {} are missed", world.name, truth().len());
        let rule = &found.report.rules[0];
        assert_eq!(rule.linked, 2 * linked.len() as u64, "{rule:?}");
        assert!(rule.pairs.is_some_and(|pairs| pairs >= rule.linked / 2), "{rule:?}");
        let first = first.get_or_insert_with(|| found.records.clone());
        assert_eq!(*first, found.records, "{}", world.name);
        let (shop, club) = linked.first().expect("a pair");
        let chain = explain(&world, &project, shop, club).await.chain;
        assert_eq!(json!(chain), json!([{ "record": shop, "other": club, "by": "rule", "rule": "same_person" }]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn housemates_twins_senior_and_junior_and_swapped_names() {
    let at = |id: &str, given: &str, surname: &str, born: &str| person(id, given, surname, Some(born), "75011");
    // Twins at one address agree in all but the given name: there the threshold decides, not the model.
    let twin = person("twin2", "paula", "ferrante", Some("1990-05-06"), "69003");
    let shop = vec![
        at("mate1", "boris", "karlsen", "1971-02-03"),
        at("twin1", "lucia", "ferrante", "1990-05-06"),
        at("senior", "edgar", "holm", "1950-01-02"),
        at("swapped", "milo", "stein", "1985-09-10"),
    ];
    let club = vec![
        at("mate2", "agnes", "karlsen", "1975-11-12"),
        twin,
        at("junior", "edgar", "holm", "1980-07-08"),
        at("swapped", "stein", "milo", "1985-09-10"),
    ];
    let rows = people(shop, club);
    let names = "method: levenshtein, thresholds: [1, 2]";
    let more = "veto: [{ column: birth_date, when: conflict }]\n        threshold: 0.95";
    let project = project(&identity(names, more));
    let mut compared = 0;
    for world in worlds() {
        let world = prepared(world, &project, &rows).await;
        if !world.dialect().capabilities().levenshtein {
            let error = world.try_run(&project, 1, PLAIN).await.expect_err("no method").to_string();
            assert!(error.contains("`given_name` by `levenshtein`") && error.contains("fallback:"), "{error}");
            continue;
        }
        compared += 1;
        let found = world.run(&project, 1, PLAIN).await.groups();
        for (a, b) in [("mate1", "mate2"), ("twin1", "twin2"), ("senior", "junior")] {
            assert!(!together(&found, &format!("shop:{a}"), &format!("club:{b}")), "{}: {a} and {b}", world.name);
        }
        assert!(together(&found, "shop:swapped", "club:swapped"), "{}", world.name);
        let linked = pairs(&found);
        let missed: Vec<_> = truth().difference(&linked).cloned().collect();
        assert!(missed.len() <= 2, "{}: {missed:?}", world.name);
        assert_eq!(linked.difference(&truth()).count(), 1, "{}: beside the swapped names", world.name);
    }
    assert!(compared > 0, "an engine that measures distances");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_without_a_method_takes_the_fallback() {
    let names = "method: jaro_winkler, thresholds: [0.92, 0.85], fallback: { method: exact }";
    let project = project(&identity(names, "threshold: 0.95\n        link: many_to_one"));
    let rows = people(vec![], vec![]);
    for world in worlds() {
        let world = prepared(world, &project, &rows).await;
        let linked = pairs(&world.run(&project, 1, PLAIN).await.groups());
        let wrong = linked.difference(&truth()).count();
        let missed = truth().difference(&linked).count();
        assert_eq!((wrong, missed * 20 <= truth().len()), (0, true), "{}: {missed} missed", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_teach_the_weights_and_the_threshold() {
    let project = project(&identity("method: exact", "labels: { source: labelled }"));
    let mut rows = people(vec![], vec![]);
    let label = |a: u64, b: u64| {
        json!({ "source": "shop", "record": a.to_string(), "other_source": "club", "other_record": b.to_string(),
            "same": a == b })
    };
    let labels =
        (0..60).filter(|n| n % 2 == 0 || n % 6 == 1).flat_map(|n| [label(n, n), label(n, (n + 4) % 60)]).collect();
    rows.insert("labelled", labels);
    let mut first = None;
    for world in worlds() {
        let world = prepared(world, &project, &rows).await;
        let found = world.run(&project, 1, PLAIN).await.groups();
        let linked = pairs(&found);
        // Labels without close strangers leave the threshold at even odds.
        let (wrong, missed) = (linked.difference(&truth()).count(), truth().difference(&linked).count());
        assert!(wrong <= 2 && missed <= 3, "{}: {wrong} wrong, {missed} missed", world.name);
        assert_eq!(*first.get_or_insert_with(|| found.clone()), found, "{}", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_that_would_exceed_a_limit_is_left_out() {
    let more = "threshold: 0.9\n    limits: { max_cluster_size: 2 }";
    let project = project(&identity("method: exact", more));
    // Three records of one person: the third would be one too many.
    let twice = |id: &str| person(id, "boris", "karlsen", Some("1971-02-03"), "75011");
    let rows = people(vec![twice("a"), twice("b")], vec![twice("c")]);
    let mut first = None;
    for world in worlds_at_hand() {
        let world = prepared(world, &project, &rows).await;
        let found = world.run(&project, 1, PLAIN).await;
        assert_eq!(
            (found.report.size_max, found.report.limit_hits > 0),
            (2, true),
            "{}: {:?}",
            world.name,
            found.report
        );
        assert!(found.report.rules[0].rejected_links > 0, "{:?}", found.report.rules);
        assert_eq!(*first.get_or_insert_with(|| found.records.clone()), found.records, "{}", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_pairs_are_refused_before_they_are_compared() {
    let project = project(&identity("method: exact", "threshold: 0.9\n        max_pairs: 10"));
    let mut worlds = worlds();
    let world = prepared(worlds.remove(0), &project, &people(vec![], vec![])).await;
    let error = world.try_run(&project, 1, PLAIN).await.expect_err("too many").to_string();
    assert!(error.contains("`max_pairs` of 10") && error.contains("`["), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anything_to_compare_nobody_is_linked() {
    let project = project(&identity("method: exact", "threshold: 0.9"));
    let rows = Rows::from([("shop", vec![person("1", "anna", "novak", None, "75011")])]);
    let world = prepared(worlds().remove(0), &project, &rows).await;
    let found = world.run(&project, 1, PLAIN).await;
    assert_eq!(found.groups(), groups(&["shop:1"]));
    assert_eq!(found.report.rules[0].pairs, Some(0));
}
