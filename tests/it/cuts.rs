//! Segments that are limited, sampled, split and exclusive, and RFM, run on each engine and compared with what was
//! computed by hand.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use md5::{Digest, Md5};
use springline_tests::{servers, springline};

const AS_OF: &str = "2024-06-30T00:00:00Z";
/// How many people samples are drawn of.
const PEOPLE: u32 = 10_000;

const MODEL: &str = "
entities:
  - { name: person, source: people, primary_key: id }
  - { name: thing, source: things, primary_key: id }
  - name: buyer
    source: buyers
    primary_key: id
    events: [ { name: buy, source: buys, key: buyer_id, at: at } ]
    rfm:
      event: buy
      value: amount
      within: 365 days
      quantiles: 3
      segments: { best: { r: 3 }, loyal: { f: [2, 3] }, others: {} }
  - name: shopper
    source: buyers
    primary_key: id
    events: [ { name: buy, source: buys, key: buyer_id, at: at } ]
    rfm:
      event: buy
      value: amount
      within: 365 days
      thresholds: { recency: [10, 100], frequency: [2, 3], monetary: [50, 100] }
segments:
  - { name: tenth, entity: person, where: { sample: 10%, seed: spring } }
  - { name: other_tenth, entity: person, where: { sample: 10%, seed: autumn } }
  - { name: middle, entity: person, where: \"sample('spring', 9.5, 50.25)\" }
  - name: everybody
    entity: person
    where: \"id >= 0\"
    split: { seed: ab, parts: { a: 50%, b: 33.33%, c: 16.67% } }
  - { name: best_two, entity: thing, where: { field: kind, eq: a }, limit: { top: 2, by: points } }
  - { name: least_three, entity: thing, where: { field: kind, eq: a }, limit: { top: 3, by: points, order: asc } }
  - { name: best_four, entity: thing, where: { field: kind, eq: a }, limit: { top: 4, by: points } }
  - { name: all_of_them, entity: thing, where: { field: kind, eq: a }, limit: { top: 5, by: points } }
  - { name: best_of_rest, entity: thing, where: \"kind = 'a'\", exclude: [best_two], limit: { top: 1, by: points } }
  - { name: high, entity: thing, where: \"points >= 10\" }
  - { name: kind_b, entity: thing, where: \"kind = 'b'\" }
  - { name: in_no_set, entity: thing, where: \"band is null\" }
segment_sets:
  - { name: band, entity: thing, priority: [best_two, high, kind_b] }
";

const SOURCES: &str = "
sources:
  - { name: people, table: people, primary_key: id, columns: { id: integer } }
  - { name: things, table: things, primary_key: id, columns: { id: integer, kind: string, points: integer } }
  - { name: buyers, table: buyers, primary_key: id, columns: { id: string } }
  - { name: buys, table: buys, columns: { buyer_id: string, amount: 'decimal(12,2)', at: timestamp } }
";

/// Things with ties and nulls: 2 and 3 have equal points, 4 has none, 6 and 7 have no kind that counts.
const THINGS: &str = "id,kind,points\n1,a,10\n2,a,20\n3,a,20\n4,a,\n5,a,5\n6,b,30\n7,,7\n";

/// What each buyer bought. Nobody sees what the fifth bought long ago, nor what the seventh buys at `as_of`.
const BUYS: &str = "buyer_id,amount,at
b1,100.00,2024-06-29T12:00:00Z
b1,50.00,2024-06-01T00:00:00Z
b2,500.00,2024-06-20T23:59:59Z
b3,10.00,2024-05-31T10:00:00Z
b3,10.00,2024-05-01T10:00:00Z
b3,10.00,2024-04-01T10:00:00Z
b4,80.00,2024-01-01T08:00:00Z
b5,999.00,2022-01-01T00:00:00Z
b7,1.00,2024-06-30T00:00:00Z
";

/// Recency, frequency, monetary value, score in thirds, segment, score by thresholds; by hand.
///
/// Worst first, by recency: b4 b3 | b2 | b1. By frequency, equals by key: b2 b4 | b1 | b3. By value: b3 b4 | b1 | b2.
const RFM: [(&str, i64, i64, i64, &str, &str, &str); 4] = [
    ("b1", 1, 2, 150, "322", "best", "323"),
    ("b2", 10, 1, 500, "213", "others", "213"),
    ("b3", 30, 3, 30, "131", "loyal", "231"),
    ("b4", 181, 1, 80, "111", "others", "112"),
];

fn project(dir: &Path) {
    let mut segments = String::from("segments:\n");
    for (id, recency, frequency, value, score, segment, by_bounds) in RFM {
        let figures = format!("rfm_recency = {recency} and rfm_frequency = {frequency} and rfm_monetary = {value}");
        let scored = format!("{figures} and rfm_score = '{score}' and rfm_segment = '{segment}'");
        writeln!(segments, "  - {{ name: {id}_thirds, entity: buyer, where: \"{scored}\" }}").expect("a string");
        let scored = format!("{figures} and rfm_score = '{by_bounds}'");
        writeln!(segments, "  - {{ name: {id}_bounds, entity: shopper, where: \"{scored}\" }}").expect("a string");
    }
    let nothing = "rfm_recency is null and rfm_frequency = 0 and rfm_monetary = 0 and rfm_r is null and rfm_f is null \
                   and rfm_m is null and rfm_score is null";
    writeln!(segments, "  - {{ name: no_thirds, entity: buyer, where: \"{nothing} and rfm_segment is null\" }}")
        .expect("a string");
    writeln!(segments, "  - {{ name: no_bounds, entity: shopper, where: \"{nothing}\" }}").expect("a string");
    let options = ["host: PGHOST", "port: PGPORT", "user: PGUSER", "password: PGPASSWORD", "database: PGDATABASE"];
    let options = options.map(|option| {
        let (key, variable) = option.split_once(": ").expect("a pair");
        format!(", {key}: \"{{{{ env('{variable}') }}}}\"")
    });
    let main = format!(
        "name: cuts\nversion: 1\ndefault_target: local\ntargets:\n  local: {{ engine: datafusion, path: data }}\n  \
         pg: {{ engine: postgres{} }}\n",
        options.concat()
    );
    let people: String = (0..PEOPLE).map(|id| format!("{id}\n")).collect();
    let write = |path: &str, text: &str| std::fs::write(dir.join(path), text).expect("a file");
    std::fs::create_dir_all(dir.join("models")).expect("a folder");
    std::fs::create_dir_all(dir.join("data")).expect("a folder");
    write("springline.yaml", &main);
    write("models/sources.yaml", SOURCES);
    write("models/model.yaml", MODEL);
    write("models/rfm.yaml", &segments);
    write("data/people.csv", &format!("id\n{people}"));
    write("data/things.csv", THINGS);
    write("data/buyers.csv", "id\nb1\nb2\nb3\nb4\nb5\nb6\nb7\n");
    write("data/buys.csv", BUYS);
}

/// A target of the project and how it is reached.
struct Engine<'a> {
    dir: &'a Path,
    target: &'a str,
    env: Vec<(String, String)>,
}

impl Engine<'_> {
    /// The keys of a segment's members.
    fn members(&self, segment: &str) -> BTreeSet<String> {
        let call = ["--as-of", AS_OF, "--target", self.target, "--format", "json", "preview", segment];
        let call = [&call[..], &["--limit", "1000000"]].concat();
        let preview = springline(self.dir, &call).envs(&self.env).run().exits(0).json();
        let rows = preview["sample"].as_array().expect("a sample");
        let first = rows.iter().filter_map(|row| row.as_object().and_then(|row| row.values().next()));
        let keys: BTreeSet<String> = first.map(|key| key.to_string().trim_matches('"').to_owned()).collect();
        assert_eq!(preview["count"].as_u64(), Some(keys.len() as u64), "{segment} on {}", self.target);
        keys
    }

    fn expect(&self, segment: &str, keys: &[&str]) {
        let keys: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(self.members(segment), keys, "{segment} on {}", self.target);
    }
}

/// The people whose bucket is in a range, by the definition of a sample.
fn sampled(seed: &str, from: u32, to: u32) -> BTreeSet<String> {
    let bucket = |id: &u32| {
        let digest = Md5::digest(format!("{seed}:{id}"));
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 10_000
    };
    (0..PEOPLE).filter(|id| (from..to).contains(&bucket(id))).map(|id| id.to_string()).collect()
}

fn samples_and_splits(engine: &Engine<'_>) {
    let tenth = engine.members("tenth");
    assert_eq!(tenth, sampled("spring", 0, 1_000));
    assert!((900..=1_100).contains(&tenth.len()), "{} of {PEOPLE}", tenth.len());
    let other = engine.members("other_tenth");
    assert_eq!(other, sampled("autumn", 0, 1_000));
    let both = tenth.intersection(&other).count();
    assert!((50..=150).contains(&both), "another seed draws anew: {both} are in both");
    assert_eq!(engine.members("middle"), sampled("spring", 950, 5_025));
    let parts = ["everybody_a", "everybody_b", "everybody_c"].map(|part| engine.members(part));
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 10_000, "the parts are disjoint and complete");
    let all: BTreeSet<String> = parts.iter().flatten().cloned().collect();
    assert_eq!(all, engine.members("everybody"));
    assert_eq!(parts[1], sampled("ab", 5_000, 8_333));
}

fn limits_and_sets(engine: &Engine<'_>) {
    engine.expect("best_two", &["2", "3"]);
    engine.expect("least_three", &["1", "2", "5"]);
    engine.expect("best_four", &["1", "2", "3", "5"]);
    engine.expect("all_of_them", &["1", "2", "3", "4", "5"]);
    engine.expect("best_of_rest", &["1"]);
    engine.expect("band_best_two", &["2", "3"]);
    engine.expect("band_high", &["1", "6"]);
    engine.expect("band_kind_b", &[]);
    engine.expect("in_no_set", &["4", "5", "7"]);
}

fn rfm(engine: &Engine<'_>) {
    for (id, ..) in RFM {
        engine.expect(&format!("{id}_thirds"), &[id]);
        engine.expect(&format!("{id}_bounds"), &[id]);
    }
    engine.expect("no_thirds", &["b5", "b6", "b7"]);
    engine.expect("no_bounds", &["b5", "b6", "b7"]);
}

/// A run, which computes all segments together, finds as many members as the previews.
fn run_agrees(engine: &Engine<'_>) {
    let call = ["--as-of", AS_OF, "--target", engine.target, "--format", "json", "run"];
    let run = springline(engine.dir, &call).envs(&engine.env).run().exits(0).json();
    let mut found = Vec::new();
    for entity in run["entities"].as_array().expect("entities") {
        for segment in entity["segments"].as_array().expect("segments") {
            let name = segment["segment"].as_str().expect("a name");
            if ["tenth", "everybody_b", "best_two", "band_high", "b3_thirds", "no_bounds"].contains(&name) {
                found.push((name.to_owned(), segment["members"].as_u64().expect("a size")));
            }
        }
    }
    found.sort();
    let tenth = sampled("spring", 0, 1_000).len() as u64;
    let b = sampled("ab", 5_000, 8_333).len() as u64;
    let expected = [("b3_thirds", 1), ("band_high", 2), ("best_two", 2), ("everybody_b", b), ("no_bounds", 3)];
    let expected = expected.into_iter().chain([("tenth", tenth)]);
    assert_eq!(found, expected.map(|(name, size)| (name.to_owned(), size)).collect::<Vec<_>>(), "on {}", engine.target);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_cut_alike_on_every_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    let all = |engine: Engine<'_>| {
        samples_and_splits(&engine);
        limits_and_sets(&engine);
        rfm(&engine);
        run_agrees(&engine);
    };
    all(Engine { dir: folder.path(), target: "local", env: Vec::new() });
    for server in servers() {
        server.add_target(folder.path());
        server.load(folder.path(), &folder.path().join("data")).await;
        all(Engine { dir: folder.path(), target: server.engine, env: server.env() });
    }
}
