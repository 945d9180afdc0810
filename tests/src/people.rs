//! Synthetic people whose records are known to be theirs, with what makes strangers look like one person: shared mailboxes,
//! family addresses, shared devices, kiosks, recycled telephone numbers, misspelt addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use crate::graph::union_find;

/// The sources, and the columns that each has beside its key `id`.
const SOURCES: [(&str, &[&str]); 3] =
    [("crm", &["user_id", "email", "phone"]), ("shop", &["email", "phone"]), ("web", &["email", "device"])];

/// Of how many different values a cluster may have, by identifier.
const LIMITS: [(&str, usize); 4] = [("user_id", 1), ("email", 5), ("phone", 3), ("device", 6)];
const MOST_RECORDS: usize = 30;

/// A source and the key of a record there.
pub type Name = (String, String);

/// A record and whose it is.
#[derive(Debug, Clone)]
pub struct Record {
    /// The source.
    pub source: &'static str,
    /// The primary key.
    pub id: String,
    /// The person, by number.
    pub person: u64,
    /// What it has of the source's columns.
    pub values: BTreeMap<&'static str, String>,
}

impl Record {
    /// A record with a key that says nothing of the order in which records were made.
    pub fn new(source: &'static str, number: u64, person: u64, values: &[(&'static str, Option<String>)]) -> Self {
        let values = values.iter().filter_map(|(column, value)| Some((*column, value.clone()?))).collect();
        Record { source, id: format!("{:016x}", draw(0, number, "key")), person, values }
    }

    /// Its source and key.
    pub fn name(&self) -> Name {
        (self.source.to_owned(), self.id.clone())
    }
}

/// A number that looks drawn, the same for the same seed, thing and purpose: FNV-1a over the purpose, then SplitMix64
/// (<https://prng.di.unimi.it/splitmix64.c>).
pub fn draw(seed: u64, thing: u64, purpose: &str) -> u64 {
    let start = 0xCBF2_9CE4_8422_2325 ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let hash = purpose.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let mut z = hash.wrapping_add(thing.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Whether a chance of so many in a hundred comes true.
fn happens(percent: u64, seed: u64, thing: u64, purpose: &str) -> bool {
    draw(seed, thing, purpose) % 100 < percent
}

/// The records of so many people in three sources, in families of three: nine in ten have an account, each has bought and
/// been on the website a few times.
pub fn strangers(people: u64, seed: u64) -> Vec<Record> {
    let mut all = Vec::new();
    for person in 0..people {
        let mut add = |source, values: &[(&'static str, Option<String>)]| {
            let number = all.len() as u64;
            all.push(Record::new(source, number, person, values));
        };
        if happens(90, seed, person, "account") {
            let accounts = 1 + u64::from(happens(15, seed, person, "second account record"));
            for account in 0..accounts {
                let email = Some(address(person, account));
                add(
                    "crm",
                    &[("user_id", Some(format!("u{person}"))), ("email", email), ("phone", phone(person, seed))],
                );
            }
        }
        for order in 0..1 + draw(seed, person, "orders") % 3 {
            let order = person * 8 + order;
            let email = order_address(person, order, seed);
            add("shop", &[("email", email), ("phone", order_phone(person, order, seed))]);
        }
        for visit in 0..1 + draw(seed, person, "visits") % 4 {
            let visit = person * 8 + visit;
            let email = happens(85, seed, visit, "known visit").then(|| typed(address(person, 0), visit, seed));
            add("web", &[("email", email), ("device", Some(device(person, visit, seed)))]);
        }
    }
    all
}

fn address(person: u64, which: u64) -> String {
    format!("person{person}.{which}@mail.example")
}

/// Three in a hundred are misspelt, half of them as others misspell theirs.
fn typed(address: String, thing: u64, seed: u64) -> String {
    match draw(seed, thing, "misspelt") % 200 {
        0..3 => address.replacen("person", "persn", 1),
        3..6 => "person@mail.example".to_owned(),
        _ => address,
    }
}

fn phone(person: u64, seed: u64) -> Option<String> {
    // A number that somebody else had before.
    let of = if happens(3, seed, person, "recycled") { draw(seed, person, "before") % (person + 1) } else { person };
    happens(85, seed, person, "phone").then(|| format!("+336{of:08}"))
}

fn order_address(person: u64, order: u64, seed: u64) -> Option<String> {
    match draw(seed, order, "order's address") % 100 {
        0..70 => Some(typed(address(person, 0), order, seed)),
        70..80 => Some(format!("family{}@mail.example", person / 3)),
        80..87 => Some(format!("info@company{}.example", draw(seed, person, "company") % 20)),
        87..92 => Some(format!("office{}@company.example", draw(seed, person, "office") % 10)),
        _ => None,
    }
}

fn order_phone(person: u64, order: u64, seed: u64) -> Option<String> {
    match draw(seed, order, "order's phone") % 100 {
        0..75 => phone(person, seed),
        75..85 => Some(format!("+331{:08}", person / 3)),
        _ => None,
    }
}

fn device(person: u64, visit: u64, seed: u64) -> String {
    match draw(seed, visit, "device") % 100 {
        0..80 => format!("device-{person}"),
        80..92 => format!("tablet-of-family-{}", person / 3),
        _ => format!("kiosk-{}", draw(seed, visit, "kiosk") % 3),
    }
}

/// A project with the identity `people` of these sources; with what keeps strangers apart, or without.
pub fn project(limited: bool) -> String {
    let mut text =
        "name: people\nversion: 1\ntargets: { local: { engine: datafusion, path: data } }\nsources:\n".to_owned();
    for (source, columns) in SOURCES {
        let columns: String = columns.iter().map(|column| format!(", {column}: string")).collect();
        writeln!(text, "  - {{ name: {source}, table: {source}, columns: {{ id: string{columns} }} }}").expect("text");
    }
    text.push_str(
        "entities:\n  - { name: person, source: crm, primary_key: id }\nidentities:\n  - name: people\n    entity: person\n    \
         canonical_id: { name: person_id }\n    identifiers:\n",
    );
    for (identifier, limit) in LIMITS {
        let most = match identifier {
            "user_id" => "",
            "email" => ", max_records_per_value: 25, blocked: { regex: ['^(info|noreply)@'] }",
            _ => ", max_records_per_value: 25",
        };
        let limits = if limited { format!(", limit: {limit}{most}") } else { String::new() };
        writeln!(text, "      - {{ name: {identifier}{limits} }}").expect("text");
    }
    text.push_str("    sources:\n");
    for (source, columns) in SOURCES {
        let columns: Vec<String> = columns.iter().map(|column| format!("{column}: {column}")).collect();
        let columns = columns.join(", ");
        writeln!(text, "      - {{ source: {source}, primary_key: id, identifiers: {{ {columns} }} }}").expect("text");
    }
    text.push_str("    rules: [{ name: shared, type: deterministic }]\n");
    if limited {
        writeln!(text, "    limits: {{ max_cluster_size: {MOST_RECORDS} }}").expect("text");
    }
    text
}

/// Writes the project and the tables into a folder.
pub fn write(dir: &Path, project: &str, records: &[Record]) {
    std::fs::create_dir_all(dir.join("data")).expect("a folder");
    std::fs::write(dir.join("springline.yaml"), project).expect("the project");
    for (source, columns) in SOURCES {
        let line = |record: &Record| {
            let text = |value: Option<&String>| value.map_or(Value::Null, |value| Value::String(value.clone()));
            let mut row = Map::from_iter([("id".to_owned(), text(Some(&record.id)))]);
            row.extend(columns.iter().map(|column| ((*column).to_owned(), text(record.values.get(column)))));
            format!("{}\n", Value::Object(row))
        };
        let lines: String = records.iter().filter(|record| record.source == source).map(line).collect();
        std::fs::write(dir.join(format!("data/{source}.jsonl")), lines).expect("the rows");
    }
}

/// The cluster of each record where equal values always link.
pub fn plain_components(records: &[Record]) -> BTreeMap<Name, String> {
    let mut holders: HashMap<(&str, &str), i64> = HashMap::new();
    let mut edges = Vec::new();
    for (place, record) in (0..).zip(records) {
        edges.push((place, place));
        for (column, value) in &record.values {
            edges.push((*holders.entry((column, value)).or_insert(place), place));
        }
    }
    let labels = union_find(&edges);
    (0..).zip(records).map(|(place, record)| (record.name(), labels[&place].to_string())).collect()
}

/// How often a person occurs in a cluster, and such.
type Counts<T> = HashMap<T, u64>;

/// Pairwise precision, recall and F1 of clusters.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

/// Compares the pairs within clusters with those of one person. Of each record its cluster and its person.
pub fn score<C: std::hash::Hash + Eq + Copy, P: std::hash::Hash + Eq + Copy>(records: &[(C, P)]) -> Score {
    let (mut clusters, mut persons, mut both) = (Counts::new(), Counts::new(), Counts::new());
    for (cluster, person) in records {
        *clusters.entry(*cluster).or_insert(0) += 1;
        *persons.entry(*person).or_insert(0) += 1;
        *both.entry((*cluster, *person)).or_insert(0) += 1;
    }
    let (found, there, right) = (pairs(clusters.values()), pairs(persons.values()), pairs(both.values()));
    let (precision, recall) = (right / found.max(1.0), right / there.max(1.0));
    Score { precision, recall, f1: 2.0 * right / (found + there).max(1.0) }
}

fn pairs<'a>(counts: impl Iterator<Item = &'a u64>) -> f64 {
    counts.map(|n| (n * (n - 1) / 2) as f64).sum()
}

/// The score of these ids.
pub fn score_of(records: &[Record], ids: &BTreeMap<Name, String>) -> Score {
    let found: Vec<(&str, u64)> = records.iter().map(|record| (ids[&record.name()].as_str(), record.person)).collect();
    score(&found)
}

/// The clusters that exceed a limit of the project. Values that link nobody, because they are blocked or on too many records,
/// are no part of a cluster.
pub fn violations(records: &[Record], ids: &BTreeMap<Name, String>) -> usize {
    let mut holders: Counts<(&str, &str)> = Counts::new();
    for (column, value) in records.iter().flat_map(|record| &record.values) {
        *holders.entry((column, value)).or_insert(0) += 1;
    }
    let mut clusters: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in records {
        clusters.entry(&ids[&record.name()]).or_default().push(record);
    }
    let exceeds = |cluster: &Vec<&Record>| {
        let values = |column| {
            let usable =
                |value: &&str| column == "user_id" || !value.starts_with("info@") && holders[&(column, *value)] <= 25;
            let values = cluster.iter().filter_map(|record| record.values.get(column)).map(String::as_str);
            values.filter(usable).collect::<BTreeSet<_>>().len()
        };
        cluster.len() > MOST_RECORDS || LIMITS.iter().any(|(column, limit)| values(column) > *limit)
    };
    clusters.values().filter(|cluster| exceeds(cluster)).count()
}

/// What becomes of some records in a run: new ones, ones that bring two people together, and ones that go.
pub fn next_day(records: &mut Vec<Record>, day: u64, seed: u64) {
    let today = seed.wrapping_mul(1000) + day;
    records.retain(|record| {
        let number = u64::from_str_radix(&record.id, 16).expect("a key is a number");
        draw(today, number, "goes") % 100 >= 3
    });
    let (people, first) = (records.len() as u64 / 4, 1_000_000 * day);
    for n in 0..people / 20 {
        let person = draw(today, n, "known person") % people;
        let values = [("email", Some(address(person, 0))), ("phone", Some(format!("+336{person:08}")))];
        records.push(Record::new("shop", first + n, person, &values));
    }
    for n in 0..people / 50 {
        let person = draw(today, n, "first of two") % people;
        let other = draw(today, n, "second of two") % people;
        let values = [("email", Some(address(person, 0))), ("phone", Some(format!("+336{other:08}")))];
        records.push(Record::new("shop", first + people + n, person, &values));
    }
}

/// The smallest record of each cluster as its id, as it is without a memory.
pub fn smallest_names(ids: &BTreeMap<Name, String>) -> BTreeMap<Name, String> {
    let mut smallest: HashMap<&str, String> = HashMap::new();
    for ((source, record), id) in ids {
        smallest.entry(id).or_insert_with(|| format!("{source}:{record}"));
    }
    ids.iter().map(|(name, id)| (name.clone(), smallest[id.as_str()].clone())).collect()
}

/// How many records have another id than before, although their cluster goes on: most of its records are still together,
/// and they are most of those that were there before in the cluster that it is now.
pub fn churned(before: &BTreeMap<Name, String>, after: &BTreeMap<Name, String>) -> usize {
    let both = || before.iter().filter_map(|(name, old)| Some((old.as_str(), after.get(name)?.as_str())));
    let (mut olds, mut news, mut shared) = (Counts::new(), Counts::new(), Counts::new());
    for (old, new) in both() {
        *olds.entry(old).or_insert(0) += 1;
        *news.entry(new).or_insert(0) += 1;
        *shared.entry((old, new)).or_insert(0) += 1;
    }
    let goes_on = |old, new| shared[&(old, new)] * 2 > olds[old] && shared[&(old, new)] * 2 > news[new];
    both().filter(|(old, new)| old != new && goes_on(*old, *new)).count()
}
