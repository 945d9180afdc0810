//! The examples, run: every segment has the members that SQL written by hand selects on DuckDB, on the
//! embedded engine and on every warehouse.

use std::collections::BTreeSet;
use std::path::Path;

use md5::{Digest, Md5};
use springline_tests::{Server, copy_folder, data_dir, oracle, printed, root, servers, springline};

/// All segments of a project on a target against the referee.
fn compare(project: &Path, target: &str, as_of: &str, env: &[(String, String)], expected: &[(String, (u64, String))]) {
    let mut different = Vec::new();
    for (segment, (count, digest)) in expected {
        let call = ["--as-of", as_of, "--target", target, "--format", "json", "preview", segment, "--limit", "1000000"];
        let preview = springline(project, &call).envs(env).run().exits(0).json();
        let found = (preview["count"].as_u64().expect("a count"), key_digest(&preview));
        if found != (*count, digest.clone()) {
            different.push(format!("{segment}: {} members, the referee has {count}", found.0));
        }
    }
    assert!(different.is_empty(), "on {target}: {different:#?}");
    assert!(expected.len() >= 12, "{} segments", expected.len());
}

/// The digest of the sample's keys, as the referee makes it: the first column, sorted, by line.
fn key_digest(preview: &serde_json::Value) -> String {
    let rows = preview["sample"].as_array().expect("a sample");
    let keys: BTreeSet<String> = rows
        .iter()
        .filter_map(|row| row.as_object().and_then(|row| row.values().next()))
        .map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned))
        .collect();
    digest(keys)
}

fn digest(keys: BTreeSet<String>) -> String {
    let lines: Vec<String> = keys.into_iter().collect();
    Md5::digest(lines.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The members by what is printed for ClickHouse, of each segment alone and in a run.
fn printed_agrees(project: &Path, as_of: &str, expected: &[(String, (u64, String))]) {
    let Some(found) = printed(project, &[as_of]) else { return };
    for (segment, (count, keys)) in expected {
        let members = &found.alone[segment];
        let found = (members.len() as u64, found.run[segment], digest(members.iter().cloned().collect()));
        assert_eq!(found, (*count, *count, keys.clone()), "{segment}, as printed for ClickHouse");
    }
}

/// Every segment of the project is judged, and nothing else.
fn assert_complete(project: &Path, env: &[(String, String)], expected: &[(String, (u64, String))]) {
    let call = ["--format", "json", "compile", "--all", "--dialect", "datafusion"];
    let compiled = springline(project, &call).envs(env).run().exits(0).json();
    let names = compiled["statements"].as_array().expect("statements").iter().filter_map(|s| s["name"].as_str());
    let segments: BTreeSet<&str> = names.filter_map(|name| name.strip_prefix("segment.")).collect();
    let judged: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(segments, judged);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_journey_has_the_members_that_sql_by_hand_selects() {
    let Some(data) = data_dir() else { return };
    let journey = data.join("complete-journey");
    let Some(expected) = oracle(&journey, "complete_journey") else { return };
    let expected: Vec<_> = expected.into_iter().collect();
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path();
    copy_folder(&root().join("examples/complete-journey"), project);
    let as_of = "2018-01-01T00:00:00Z";
    let mut env = vec![("SPRINGLINE_DATA".to_owned(), data.display().to_string())];
    assert_complete(project, &env, &expected);
    compare(project, "local", as_of, &env, &expected);
    for server in servers() {
        if let Some(reason) = server.too_small() {
            println!("on {} with empty tables only: {reason}", server.engine);
            server.add_target(project);
            executes_on_empty_tables(project, &server, &env).await;
            continue;
        }
        server.add_target(project);
        server.load(project, &journey).await;
        env.extend(server.env());
        compare(project, server.engine, as_of, &env, &expected);
    }
}

/// Every statement of a run and of the syncs is at least executed.
async fn executes_on_empty_tables(project: &Path, server: &Server, env: &[(String, String)]) {
    server.create_declared(project).await;
    let warehouse = server.connect().await;
    let call = ["--format", "json", "compile", "--all", "--dialect", server.engine];
    let compiled = springline(project, &call).envs(env).envs(&server.env()).run().exits(0).json();
    let statements = compiled["statements"].as_array().expect("statements");
    assert!(statements.len() > 100, "{} statements", statements.len());
    for statement in statements {
        let sql = statement["sql"].as_str().expect("SQL");
        warehouse.execute(sql).await.unwrap_or_else(|e| panic!("{}: {e}\n{sql}", statement["name"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retail_has_the_members_that_sql_by_hand_selects() {
    let folder = tempfile::tempdir().expect("a folder");
    springline(folder.path(), &["init", "--example", "retail"]).run().exits(0);
    let project = folder.path().join("retail");
    let Some(expected) = oracle(&project.join("data"), "retail") else { return };
    let expected: Vec<_> = expected.into_iter().collect();
    let as_of = "2024-06-30T00:00:00Z";
    assert_complete(&project, &[], &expected);
    compare(&project, "local", as_of, &[], &expected);
    run_agrees(&project, "local", as_of, &[], &expected);
    for server in servers() {
        server.add_target(&project);
        server.load(&project, &project.join("data")).await;
        compare(&project, server.engine, as_of, &server.env(), &expected);
        run_agrees(&project, server.engine, as_of, &server.env(), &expected);
    }
    printed_agrees(&project, as_of, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_packages_of_a_shop_have_the_members_that_sql_by_hand_selects() {
    packages_agree("boutique").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_packages_of_subscriptions_have_the_members_that_sql_by_hand_selects() {
    packages_agree("subscription").await;
}

/// An example whose data lies beside it and is part of the binary, on every engine.
async fn packages_agree(example: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let not_made = ["init", "--example", example, "--customers", "10"];
    springline(folder.path(), &not_made).run().exits(1);
    springline(folder.path(), &["init", "--example", example]).run().exits(0);
    let project = folder.path().join(example);
    let data = project.join("data");
    let Some(expected) = oracle(&data, example) else { return };
    let expected: Vec<_> = expected.into_iter().collect();
    let as_of = "2024-06-30T00:00:00Z";
    assert_complete(&project, &[], &expected);
    compare(&project, "local", as_of, &[], &expected);
    run_agrees(&project, "local", as_of, &[], &expected);
    for server in servers() {
        server.add_target(&project);
        server.load(&project, &data).await;
        compare(&project, server.engine, as_of, &server.env(), &expected);
        run_agrees(&project, server.engine, as_of, &server.env(), &expected);
    }
    printed_agrees(&project, as_of, &expected);
}

/// A `run`, which computes all segments together, gives the sizes that single previews give; the same
/// run again changes nothing, and one for an earlier instant is refused.
fn run_agrees(
    project: &Path,
    target: &str,
    as_of: &str,
    env: &[(String, String)],
    expected: &[(String, (u64, String))],
) {
    let run = |as_of: &str| {
        springline(project, &["--as-of", as_of, "--target", target, "--format", "json", "run"]).envs(env).run()
    };
    let first = run(as_of).exits(0).json();
    let mut sizes = Vec::new();
    for entity in first["entities"].as_array().expect("entities") {
        for segment in entity["segments"].as_array().expect("segments") {
            let name = segment["segment"].as_str().expect("a name").to_owned();
            sizes.push((name, segment["members"].as_u64().expect("a size")));
        }
    }
    sizes.sort();
    let wanted: Vec<(String, u64)> = expected.iter().map(|(name, (count, _))| (name.clone(), *count)).collect();
    assert_eq!(sizes, wanted, "on {target}");
    assert_eq!(run(as_of).exits(0).json(), first, "a second run on {target}");
    let earlier = run("2024-06-29T00:00:00Z").exits(1).json();
    assert!(earlier["error"]["message"].as_str().is_some_and(|m| m.contains("would rewrite its history")), "{earlier}");
}

/// The values of the fields, which a sync of all customers sends.
#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_customer_have_the_same_values_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    springline(folder.path(), &["init", "--example", "retail", "--customers", "300"]).run().exits(0);
    let project = folder.path().join("retail");
    let expected = sent(&project, "local", &[]);
    assert!(expected[0].len() == 300 && !expected[1].is_empty(), "{:?}", expected.map(|lines| lines.len()));
    for server in servers() {
        server.add_target(&project);
        server.load(&project, &project.join("data")).await;
        let found = sent(&project, server.engine, &server.env());
        for (found, expected) in found.iter().zip(&expected) {
            let different: Vec<_> = found.symmetric_difference(expected).take(4).collect();
            assert!(different.is_empty(), "on {}: {different:#?}", server.engine);
        }
    }
}

/// The lines of the file that is sent first, and of the one with what has changed ten days later.
fn sent(project: &Path, target: &str, env: &[(String, String)]) -> [BTreeSet<String>; 2] {
    let out = project.join("out");
    ["2024-06-30T00:00:00Z", "2024-07-10T00:00:00Z"].map(|as_of| {
        let call = ["--target", target, "--as-of", as_of, "sync", "apply", "customers_to_data_lake"];
        springline(project, &call).envs(env).run().exits(0);
        let files = std::fs::read_dir(&out).expect("the folder of the syncs").map(|file| file.expect("a file").path());
        let text: String = files.map(|file| std::fs::read_to_string(file).expect("a text")).collect();
        std::fs::remove_dir_all(&out).expect("the folder of the syncs");
        text.lines().map(str::to_owned).collect()
    })
}

#[test]
fn the_demo_tells_its_story() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = springline(folder.path(), &["demo"]).run().exits(0);
    for part in ["lapsing_vips", "nothing to send", "the webhook received", "1 added, 1 changed, 3 removed"] {
        assert!(output.stdout.contains(part), "`{part}` is missing in {}", output.stdout);
    }
    assert!(!output.stdout.contains("@example."), "personal values are shown: {}", output.stdout);
}

/// The numbers of its README, which a union-find over the same rows gives.
#[test]
fn stitched_finds_the_persons_behind_three_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path();
    copy_folder(&root().join("examples/stitched"), project);
    let call = |args: &[&str]| {
        let mut all = vec!["--as-of", "2024-06-30T00:00:00Z", "--format", "json"];
        all.extend(args);
        springline(project, &all).run().exits(0).json()
    };
    let ran = call(&["run"]);
    let identity = &ran["identities"][0];
    assert_eq!([&identity["records"], &identity["clusters"]], [691, 239]);
    let linked: Vec<(&str, u64, u64)> = identity["identifiers"]
        .as_array()
        .expect("identifiers")
        .iter()
        .map(|i| {
            let count = |figure: &str| i[figure].as_u64().expect("a count");
            (i["identifier"].as_str().expect("a name"), count("usable"), count("linked"))
        })
        .collect();
    assert_eq!(linked, [("email", 243, 183), ("phone", 264, 233), ("card", 99, 95), ("anonymous_id", 323, 244)]);
    assert_eq!(call(&["preview", "till_buyers_with_a_cart"])["count"], 6);
    let text = ["--as-of", "2024-06-30T00:00:00Z", "sync", "apply", "carts_to_mailing_house"];
    let sent = springline(project, &text).run().exits(0);
    assert!(sent.stdout.contains("6 added"), "{}", sent.stdout);
}
