//! People in the FEBRL data sets, without their social security numbers: by a probabilistic rule and by Splink.
//!
//! `cargo bench --workspace --profile dev --bench febrl`, on the DuckDB of `SPRINGLINE_TEST_DUCKDB`. The data sets
//! (`dataset1.csv` and so on, <https://users.cecs.anu.edu.au/~Peter.Christen/Febrl/febrl-0.3/febrldoc-0.3/node70.html>) lie in the
//! folder `febrl` of the data (`SPRINGLINE_DATA`); `SPRINGLINE_BENCH_SETS` (`1,2,3`) says which. Splink is installed from
//! PyPI into a virtual environment below the target folder.
//!
//! Both compare the same pairs by the same levels, learn their weights without being told who is who, and make clusters of
//! links of at least 0.95. How often pairs of a cluster are one person, and pairs of a person in one cluster, is counted
//! from the numbers of the records, which neither is shown.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Map, Value};
use springline_tests::people::{Score, score};
use springline_tests::process::{own_seconds, python};
use springline_tests::resolve::{resolve, session};
use springline_tests::{Server, data_dir, root, servers};

const SPLINK: [&str; 3] = ["splink==5.0.0", "duckdb==1.5.5", "pyarrow==26.0.1"];
const LEFT_OUT: &str = "soc_sec_id";

/// The same model as in `splink_febrl.py`. A record's own number is its only identifier, which links nothing.
const PROJECT: &str = "name: febrl
version: 1
targets: { local: { engine: datafusion, path: data } }
sources:
  - name: people
    table: people
    columns:
      rec_id: string
      given_name: string
      surname: string
      street_number: string
      address_1: string
      address_2: string
      suburb: string
      postcode: string
      state: string
      date_of_birth: string
entities:
  - { name: person, source: people, primary_key: rec_id }
identities:
  - name: people
    entity: person
    canonical_id: { name: person_id }
    identifiers: [{ name: number }]
    sources:
      - { source: people, primary_key: rec_id, identifiers: { number: rec_id } }
    rules:
      - name: same_person
        type: probabilistic
        blocking:
          - [date_of_birth]
          - [given_name, surname]
          - [surname, postcode]
          - [given_name, postcode]
          - [address_1, street_number]
          - [suburb, street_number]
          - [address_1, suburb]
          - [surname, suburb]
          - [given_name, suburb]
        comparisons:
          - { column: given_name, method: jaro_winkler, thresholds: [0.92, 0.85] }
          - { column: surname, method: jaro_winkler, thresholds: [0.92, 0.85], swapped_with: given_name }
          - { column: street_number, method: levenshtein, thresholds: [1] }
          - { column: address_1, method: jaro_winkler, thresholds: [0.92, 0.85] }
          - { column: address_2, method: jaro_winkler, thresholds: [0.92, 0.85] }
          - { column: suburb, method: jaro_winkler, thresholds: [0.92, 0.85] }
          - { column: postcode, method: levenshtein, thresholds: [1, 2] }
          - { column: state, method: exact }
          - { column: date_of_birth, method: levenshtein, thresholds: [1, 2] }
        threshold: 0.95
";

fn main() {
    let folder = data_dir().expect("the folder of data sets").join("febrl");
    let sets = std::env::var("SPRINGLINE_BENCH_SETS").unwrap_or_else(|_| "1,2,3".to_owned());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:<5}{:<12}{:>9}{:>11}{:>9}{:>9}{:>11}{:>9}",
        "set", "", "records", "precision", "recall", "F1", "processor", "wall"
    );
    for set in sets.split(',') {
        let place = tempfile::tempdir().expect("a folder");
        let records = prepare(&folder.join(format!("dataset{set}.csv")), place.path());
        let ours = runtime.block_on(ours(place.path()));
        for (name, (clusters, processor, wall)) in [("springline", ours), ("splink", splink(place.path()))] {
            let Score { precision, recall, f1 } = scored(&records, &clusters);
            println!(
                "{set:<5}{name:<12}{:>9}{precision:>11.4}{recall:>9.4}{f1:>9.4}{processor:>9.2} s{wall:>7.2} s",
                records.len()
            );
        }
    }
}

/// Writes the project and the records, blank values as none; gives the records' names.
fn prepare(file: &Path, place: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut lines = text.lines().map(|line| line.split(',').map(str::trim));
    let columns: Vec<&str> = lines.next().expect("the names of the columns").collect();
    let (mut rows, mut names) = (String::new(), Vec::new());
    for line in lines {
        let values: Vec<&str> = line.collect();
        assert_eq!(values.len(), columns.len(), "a value per column: {values:?}");
        let value = |value: &str| if value.is_empty() { Value::Null } else { Value::String(value.to_owned()) };
        let row = columns.iter().zip(&values).filter(|(column, _)| **column != LEFT_OUT);
        let row: Map<_, _> = row.map(|(column, text)| ((*column).to_owned(), value(text))).collect();
        rows.push_str(&format!("{}\n", Value::Object(row)));
        names.push(values[0].to_owned());
    }
    std::fs::create_dir(place.join("data")).expect("a folder");
    std::fs::write(place.join("data/people.jsonl"), rows).expect("the records");
    std::fs::write(place.join("springline.yaml"), PROJECT).expect("the project");
    names
}

/// The cluster of each record, processor seconds and seconds.
type Found = (HashMap<String, String>, f64, f64);

async fn ours(place: &Path) -> Found {
    let (there, others): (Vec<_>, Vec<_>) = servers().into_iter().partition(|server| server.engine == "duckdb");
    others.into_iter().for_each(Server::end);
    let server = there.into_iter().next().expect("SPRINGLINE_TEST_DUCKDB names DuckDB's library");
    let session = session(place, Some(&server)).await;
    let (started, used) = (Instant::now(), own_seconds());
    let (_, ids) = resolve(&session).await;
    let cost = (own_seconds() - used, started.elapsed().as_secs_f64());
    drop(session);
    server.end();
    (ids.into_iter().map(|((_, record), id)| (record, id)).collect(), cost.0, cost.1)
}

fn splink(place: &Path) -> Found {
    let clusters = place.join("clusters.csv");
    let output = Command::new(python("splink-5.0.0", &SPLINK).join("python"))
        .arg(root().join("tests/benches/splink_febrl.py"))
        .args([&place.join("data/people.jsonl"), &clusters])
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let took: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("what it took");
    let text = std::fs::read_to_string(clusters).expect("the clusters");
    let pair = |line: &str| line.split_once(',').map(|(record, cluster)| (record.to_owned(), cluster.to_owned()));
    let seconds = |name: &str| took[name].as_f64().expect("a time");
    (text.lines().map(|line| pair(line).expect("two columns")).collect(), seconds("cpu"), seconds("wall"))
}

/// `rec-12-org` and `rec-12-dup-0` are of one person.
fn scored(records: &[String], clusters: &HashMap<String, String>) -> Score {
    let person = |record: &str| record.split('-').nth(1).expect("a number").parse::<u64>().expect("a number");
    let found: Vec<(&str, u64)> = records.iter().map(|record| (clusters[record].as_str(), person(record))).collect();
    score(&found)
}
