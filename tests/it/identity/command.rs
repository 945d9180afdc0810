//! The commands of identities as others rely on them: what they print, and that no value is printed unmasked.

use std::path::Path;

use expect_test::expect;
use springline_tests::springline;

const PROJECT: &str = "name: people
version: 1
default_target: local
targets:
  local: { engine: datafusion, path: data }
sources:
  - { name: crm, table: crm, columns: { id: string, email: string, user_id: string } }
  - { name: web, table: web, columns: { id: string, email: string, device: string } }
entities:
  - { name: person, source: crm, primary_key: id }
";

fn identity(limit: &str) -> String {
    format!(
        "identities:
  - name: people
    entity: person
    canonical_id: {{ name: person_id }}
    identifiers:
      - {{ name: user_id{limit} }}
      - {{ name: email, normalize: [email] }}
      - {{ name: device }}
    sources:
      - {{ source: crm, primary_key: id, identifiers: {{ email: email, user_id: user_id }} }}
      - {{ source: web, primary_key: id, identifiers: {{ email: email, device: device }} }}
"
    )
}

fn people(folder: &Path) {
    std::fs::create_dir(folder.join("data")).expect("a folder");
    std::fs::write(folder.join("springline.yaml"), PROJECT).expect("the project");
    std::fs::write(folder.join("identity.yaml"), identity(", limit: 1")).expect("the identity");
    let crm = "id,email,user_id\n1,ann@x.example,u1\n2,bob@x.example,u2\n";
    let web = "id,email,device\na:1,Ann@x.example,d1\na:2,,d1\nb:1,bob@x.example,d2\nb:2,ann@x.example,d2\n";
    std::fs::write(folder.join("data/crm.csv"), crm).expect("the rows");
    std::fs::write(folder.join("data/web.csv"), web).expect("the rows");
}

/// The id of a cluster, which the tests must not depend on.
fn without_ids(text: &str) -> String {
    let id = regex::Regex::new("[0-9a-f]{32}").expect("a pattern");
    let spent = regex::Regex::new("[0-9.]+ s\n").expect("a pattern");
    spent.replace_all(&id.replace_all(text, "<id>"), "<time>\n").into_owned()
}

#[test]
fn the_commands_of_identities_tell_why_and_show_no_value() {
    let folder = tempfile::tempdir().expect("a folder");
    people(folder.path());
    let call = |args: &[&str]| {
        let all: Vec<&str> = ["--as-of", "2024-06-30T00:00:00Z", "identity"].iter().chain(args).copied().collect();
        springline(folder.path(), &all).run()
    };
    let text = |args: &[&str]| without_ids(&call(args).exits(0).stdout);
    let none = call(&["explain", "crm:1", "crm:2", "--format", "json"]).exits(1).json();
    assert!(none["error"]["hint"].as_str().is_some_and(|hint| hint.contains("identity run people")), "{none}");
    let ran = text(&["run", "people", "--wait"]);
    expect![[r#"
        identity people, run 1 as of 2024-06-30T00:00:00Z: 6 records in 2 clusters, 66.7% fewer
        0 alone; of a cluster's records the median is 2, 99 of 100 have at most 4, the largest 4
        ┌────────────┬───────┬────────┬────────┬────────────┬──────────┬─────────────┬─────────────────────────────┬─────────┐
        │ identifier ┆ given ┆ usable ┆ linked ┆ match rate ┆ marginal ┆ quarantined ┆ rejected                    ┆ dropped │
        ╞════════════╪═══════╪════════╪════════╪════════════╪══════════╪═════════════╪═════════════════════════════╪═════════╡
        │ user_id    ┆     2 ┆      2 ┆      0 ┆       0.0% ┆     0.0% ┆ -           ┆ -                           ┆ -       │
        │ email      ┆     6 ┆      5 ┆      5 ┆     100.0% ┆    66.7% ┆ -           ┆ -                           ┆ null 1  │
        │ device     ┆     4 ┆      4 ┆      2 ┆      50.0% ┆    16.7% ┆ -           ┆ 1 value (links: conflict 1) ┆ -       │
        └────────────┴───────┴────────┴────────┴────────────┴──────────┴─────────────┴─────────────────────────────┴─────────┘
        1 limit hit, 0 merges, 0 splits, 0.0% of the records of before have another id
        3 rounds, 67 statements, <time>
    "#]].assert_eq(&ran);
    assert_eq!(text(&["report", "people"]), ran);
    expect![[r#"
        crm:1 and web:a:2 are one: <id>
          crm:1 and web:a:1: email a***@***
          web:a:1 and web:a:2: device d***
    "#]]
    .assert_eq(&text(&["explain", "crm:1", "web:a:2"]));
    expect![[r#"
        crm:1 and crm:2 are not one: <id> and <id>
          device d*** is rejected: on 1 record of the first cluster and 1 record of the second
    "#]]
    .assert_eq(&text(&["explain", "crm:1", "crm:2"]));
    assert!(text(&["explain", "crm:1", "web:a:2", "--show-pii"]).contains("ann@x.example"));
    let told = call(&["explain", "crm:1", "web:a:2", "--format", "json"]).exits(0).json();
    let id = told["canonical_id"].as_str().expect("an id");
    expect![[r#"
        cluster <id> of identity people: 4 records
        records: crm:1, web:a:1, web:a:2, web:b:2
        user_id: 1 value of at most 1
        email: 1 value
        device: 1 value
        ┌──────────────────┬─────────┬──────────────────────┐
        │ held together by ┆ records ┆ without it           │
        ╞══════════════════╪═════════╪══════════════════════╡
        │ email a***@***   ┆       3 ┆ falls into 2 + 1 + 1 │
        │ device d***      ┆       2 ┆ falls into 3 + 1     │
        └──────────────────┴─────────┴──────────────────────┘
    "#]]
    .assert_eq(&text(&["audit", id]));
    for wrong in ["crm", "shop:1"] {
        let error = call(&["explain", wrong, "crm:2", "--format", "json"]).exits(1).json();
        assert!(error["error"]["hint"].is_string(), "{error}");
    }
    let rules = folder.path().join("changed.rules");
    let rules = rules.to_str().expect("a path");
    std::fs::write(rules, identity("")).expect("the rules");
    expect![[r#"
        identity people: what the changed definition would make of the last run
        ┌──────┬─────────┬──────────┬───────┬─────────┐
        │      ┆ records ┆ clusters ┆ alone ┆ largest │
        ╞══════╪═════════╪══════════╪═══════╪═════════╡
        │ now  ┆       6 ┆        2 ┆     0 ┆       4 │
        │ then ┆       6 ┆        1 ┆     0 ┆       6 │
        └──────┴─────────┴──────────┴───────┴─────────┘
        0 limit hits, 1 merge, 0 splits; 2 records with another id (33.3%)
        <id>: 6 records of 2 clusters
        nothing was changed
    "#]]
    .assert_eq(&text(&["what-if", "people", "--rules", rules]));
    // The file is checked as the project's are, and its places are shown.
    std::fs::write(rules, identity(", limit: none")).expect("the rules");
    let wrong = call(&["what-if", "people", "--rules", rules]).exits(1).stderr;
    assert!(wrong.contains("changed.rules:6:"), "{wrong}");
    std::fs::write(rules, identity("").replace("name: people", "name: others")).expect("the rules");
    let other = call(&["what-if", "people", "--rules", rules]).exits(1).stderr;
    assert!(other.contains("does not define identity `people`"), "{other}");
}
