//! A segment of every kind, with members worked out by hand (tests/cases/kinds), computed alone and
//! together, on each engine.

use std::collections::BTreeMap;
use std::path::Path;

use springline_tests::{copy_folder, printed, root, servers, springline};

const AS_OF: &str = "2024-06-30T12:00:00Z";
/// The runs before, which are the history that some of the segments ask about.
const EARLIER: [&str; 2] = ["2024-02-01T00:00:00Z", "2024-05-10T00:00:00Z"];

fn expected() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(root().join("tests/cases/kinds/expected.txt")).expect("the members");
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(": [").expect("a segment and its members");
        let (members, _) = rest.split_once(']').expect("a list");
        all.insert(
            name.to_owned(),
            members.split(", ").filter(|member| !member.is_empty()).map(str::to_owned).collect(),
        );
    }
    all
}

fn check(dir: &Path, target: &str, env: &[(String, String)]) {
    let call = |as_of: &str, args: &[&str]| {
        let head = ["--target", target, "--as-of", as_of, "--format", "json"];
        springline(dir, &[&head, args].concat()).envs(env).run().exits(0).json()
    };
    for as_of in EARLIER {
        call(as_of, &["run"]);
    }
    let run = call(AS_OF, &["run"]);
    let mut sizes = BTreeMap::new();
    for entity in run["entities"].as_array().expect("entities") {
        for segment in entity["segments"].as_array().expect("segments") {
            sizes.insert(segment["segment"].as_str().expect("a name").to_owned(), segment["members"].as_u64());
        }
    }
    let expected = expected();
    assert_eq!(sizes.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "every segment is expected");
    let mut wrong = Vec::new();
    for (name, members) in &expected {
        let preview = call(AS_OF, &["preview", name, "--limit", "100"]);
        let sample = preview["sample"].as_array().expect("a sample");
        let found: Vec<&str> = sample.iter().map(|row| row["id"].as_str().expect("an id")).collect();
        if found != members.iter().map(String::as_str).collect::<Vec<_>>() {
            wrong.push(format!("{name} alone: {found:?}, expected {members:?}"));
        }
        if sizes[name] != Some(members.len() as u64) {
            wrong.push(format!("{name} in the run: {:?}, expected {members:?}", sizes[name]));
        }
    }
    assert!(wrong.is_empty(), "on {target}:\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_every_kind_have_the_members_worked_out_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&root().join("tests/cases/kinds"), folder.path());
    check(folder.path(), "local", &[]);
    for server in servers() {
        server.add_target(folder.path());
        server.load(folder.path(), &folder.path().join("data")).await;
        check(folder.path(), server.engine, &server.env());
    }
    if let Some(found) = printed(folder.path(), &[EARLIER[0], EARLIER[1], AS_OF]) {
        let expected = expected();
        let sizes = expected.iter().map(|(name, members)| (name.clone(), members.len() as u64));
        assert_eq!(found.run, sizes.collect::<BTreeMap<_, _>>(), "in the run, as printed for ClickHouse");
        assert_eq!(found.alone, expected, "alone, as printed for ClickHouse");
    }
}

#[test]
fn the_same_segments_hold_as_tests_on_given_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&root().join("tests/cases/kinds"), folder.path());
    // Nothing of the target is read.
    std::fs::remove_dir_all(folder.path().join("data")).expect("the data");
    let report = springline(folder.path(), &["--format", "json", "test"]).run().exits(0).json();
    assert!(report["passed"].as_u64().is_some_and(|passed| passed >= 20), "{report}");
    assert_eq!(report["failed"], 0);
}

#[test]
fn a_wrong_expectation_says_who_is_missing_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&root().join("tests/cases/kinds"), folder.path());
    let path = folder.path().join("tests.yaml");
    let text = std::fs::read_to_string(&path).expect("the tests");
    let right = "segment: cart_then_purchase, as_of: 2024-06-30T12:00:00Z, given: *rows, expect: { members: [a] }";
    assert!(text.contains(right));
    std::fs::write(&path, text.replace(right, &right.replace("[a]", "[a, f]"))).expect("the tests");
    let text = springline(folder.path(), &["test", "cart_then_purchase on given rows"]).run().exits(1).stdout;
    for part in ["`f` is missing", "false", "sequence(", "1 test: 0 passed, 1 failed"] {
        assert!(text.contains(part), "`{part}` is missing in {text}");
    }
}
