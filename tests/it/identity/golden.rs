//! The golden record, households and entities that are made of an identity, through the command line on every engine.

use std::path::Path;

use serde_json::{Value, json};
use springline_tests::{Server, servers, springline};
use tempfile::TempDir;

const AS_OF: &str = "2024-06-30T00:00:00Z";

const PROJECT: &str = r#"name: people
version: 1
default_target: local
targets:
  local: { engine: datafusion, path: data }
destinations:
  - { name: files, type: file, format: jsonl, path: "out/{sync}_{run}.jsonl" }
sources:
  - name: shop
    table: shop
    columns: { id: string, email: string, full_name: string, phone: string, street: string, postcode: string, city: string, spent: "decimal(10,2)", updated: timestamp }
  - { name: web, table: web, columns: { visit: string, device: string, email: string, nickname: string, at: timestamp } }
  - { name: till, table: till, columns: { receipt: integer, email: string, card: string, paid: "decimal(10,2)", bought: date } }
  - { name: orders, table: orders, columns: { order_id: string, person_id: string, amount: "decimal(10,2)", at: timestamp } }
identities:
  - name: people
    entity: person
    canonical_id: { name: person_id }
    identifiers:
      - { name: email, normalize: [email] }
      - { name: device }
    sources:
      - source: shop
        primary_key: id
        updated_at: updated
        identifiers: { email: email }
        columns: { name: full_name, label: full_name, long_name: full_name, first_phone: phone, paid: spent }
      - { source: web, primary_key: visit, updated_at: at, identifiers: { email: email, device: device }, columns: { name: nickname } }
      - { source: till, primary_key: receipt, updated_at: bought, identifiers: { email: email }, columns: { label: card } }
    golden_record:
      email: [most_frequent, most_recent]
      name: [{ source_priority: [web, shop] }, most_recent]
      label: { source_priority: [till] }
      long_name: [longest, most_recent]
      phone: most_recent
      first_phone: first_seen
      address: { group: [street, postcode, city], rule: most_recent }
      paid: { aggregate: sum }
      receipt: { aggregate: count }
      updated: { aggregate: max }
    households: { keys: [street, postcode], limit: 2 }
entities:
  - name: person
    identity: people
    events:
      - { name: visit, source: web, at: at }
      - { name: receipt_at_till, source: till, at: bought }
      - { name: purchase, source: orders, key: person_id, record_of: shop, at: at }
    fields:
      - { name: visits, expr: "count(visit)" }
      - { name: online, expr: "sum(purchase.amount)", default: 0 }
      - { name: local_receipts, expr: "count(receipt_at_till where person.city = 'Ulm')" }
segments:
  - { name: on_all_channels, entity: person, where: "visits > 0 and exists(receipt_at_till) and exists(purchase)" }
syncs:
  - name: everyone
    entity: person
    destination: files
    mode: upsert
    key: person_id
    map: { email: email, name: name, label: label, long_name: long_name, phone: phone, first_phone: first_phone, street: street, postcode: postcode, city: city, paid: paid, receipt: receipt, household_id: household_id, visits: visits, online: online, local_receipts: local_receipts }
  - name: all_channels
    segment: on_all_channels
    destination: files
    mode: mirror
    key: person_id
    map: { email: email, name: name, visits: visits }
"#;

/// Ann has six records and one of the future, Bob (a housemate) two; three live in one block; one device has no name.
fn data() -> Vec<(&'static str, Vec<Value>)> {
    let shop = |id, email, name, phone, address: [Option<&str>; 3], spent: Option<&str>, updated| {
        let [street, postcode, city] = address;
        let spent: Option<f64> = spent.map(|text| text.parse().expect("a number"));
        json!({ "id": id, "email": email, "full_name": name, "phone": phone, "street": street, "postcode": postcode,
            "city": city, "spent": spent, "updated": updated })
    };
    let web = |visit, device, email: Option<&str>, nickname: Option<&str>, at| json!({ "visit": visit, "device": device, "email": email, "nickname": nickname, "at": at });
    let elm = [Some("1 Elm"), Some("P1"), Some("Ulm")];
    let block = [Some("2 Big"), Some("P2"), Some("Bonn")];
    let neighbour =
        |id: &'static str, email: &'static str| shop(id, email, "N", None, block, None, "2024-01-01T00:00:00Z");
    vec![
        (
            "shop",
            vec![
                shop("s1", "Ann@x.example", "Ann Lee", Some("111"), elm, Some("10.5"), "2024-06-01T00:00:00Z"),
                shop(
                    "s2",
                    "ann@x.example",
                    "Ann B. Lee",
                    Some(" "),
                    [Some("9 Oak"), None, None],
                    None,
                    "2024-06-20T00:00:00Z",
                ),
                shop(
                    "s3",
                    "ann@x.example",
                    "Ann Future",
                    Some("999"),
                    [Some("7 Fir"), Some("P7"), Some("Bonn")],
                    Some("1"),
                    "2024-07-15T00:00:00Z",
                ),
                shop("s4", "bob@x.example", "Bob Lee", Some("222"), elm, Some("5"), "2024-05-01T00:00:00Z"),
                neighbour("s5", "c@x.example"),
                neighbour("s6", "d@x.example"),
                neighbour("s7", "e@x.example"),
            ],
        ),
        (
            "web",
            vec![
                web("w1", "a1", Some("ann@x.example"), None, "2024-06-10T00:00:00Z"),
                web("w2", "a1", None, Some("annie"), "2024-06-11T00:00:00Z"),
                web("w3", "a1", None, Some("nan"), "2024-06-12T00:00:00Z"),
                web("w8", "a9", None, Some("ghost"), "2024-06-12T00:00:00Z"),
                web("w9", "a9", None, None, "2024-06-13T00:00:00Z"),
            ],
        ),
        (
            "till",
            vec![
                json!({ "receipt": 7, "email": "ann@x.example", "card": null, "paid": 4.25, "bought": "2024-06-15" }),
                json!({ "receipt": 8, "email": "bob@x.example", "card": "C8", "paid": 2, "bought": "2024-06-29" }),
            ],
        ),
        (
            "orders",
            vec![
                json!({ "order_id": "o1", "person_id": "s1", "amount": 20, "at": "2024-06-02T00:00:00Z" }),
                json!({ "order_id": "o2", "person_id": "s2", "amount": 5.5, "at": "2024-06-03T00:00:00Z" }),
                json!({ "order_id": "o3", "person_id": "s4", "amount": 7, "at": "2024-06-04T00:00:00Z" }),
                json!({ "order_id": "o4", "person_id": "zz", "amount": 9, "at": "2024-06-04T00:00:00Z" }),
            ],
        ),
    ]
}

/// A project in a folder, on a target.
struct Shop {
    dir: TempDir,
    target: &'static str,
    env: Vec<(String, String)>,
    server: Option<Server>,
}

impl Shop {
    async fn new(server: Option<Server>) -> Shop {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("data")).expect("a folder");
        std::fs::write(dir.path().join("springline.yaml"), PROJECT).expect("the project");
        let target = server.as_ref().map_or("local", |server| server.engine);
        let env = server.as_ref().map_or_else(Vec::new, Server::env);
        if let Some(server) = &server {
            server.add_target(dir.path());
        }
        let shop = Shop { dir, target, env, server };
        shop.fill(&data()).await;
        shop
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn fill(&self, tables: &[(&str, Vec<Value>)]) {
        let data = self.path().join("data");
        for (table, rows) in tables {
            let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
            std::fs::write(data.join(format!("{table}.jsonl")), lines).expect("the rows");
        }
        if let Some(server) = &self.server {
            server.load(self.path(), &data).await;
        }
    }

    fn call(&self, args: &[&str], exit: i32) -> springline_tests::Output {
        let mut all = vec!["--as-of", AS_OF, "--target", self.target];
        all.extend(args);
        springline(self.path(), &all).envs(&self.env).run().exits(exit)
    }

    /// What a sync delivers.
    fn delivered(&self, sync: &str) -> Vec<Value> {
        let out = self.path().join("out");
        if out.exists() {
            std::fs::remove_dir_all(&out).expect("the files of before");
        }
        self.call(&["sync", "apply", sync], 0);
        let files = std::fs::read_dir(&out).expect("files");
        let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a text"));
        let rows: Vec<Value> = texts
            .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect::<Vec<_>>())
            .collect();
        rows
    }
}

/// The row in which a column has this text.
fn row<'r>(rows: &'r [Value], column: &str, text: &str) -> &'r Value {
    rows.iter().find(|row| row[column] == text).unwrap_or_else(|| panic!("no {column} {text}: {rows:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_of_an_identity_has_golden_records_households_and_the_events_of_all_sources() {
    let servers = servers().into_iter().map(Some);
    for server in std::iter::once(None).chain(servers) {
        let shop = Shop::new(server).await;
        let early = shop.call(&["preview", "on_all_channels"], 1);
        assert!(early.stderr.contains("springline identity run people"), "{}: {}", shop.target, early.stderr);

        let ran = shop.call(&["run", "person"], 0);
        assert!(ran.stdout.contains("identity people, run 1"), "{}: {}", shop.target, ran.stdout);
        let people = shop.delivered("everyone");
        assert_eq!(people.len(), 6, "{}", shop.target);
        check_people(&people, shop.target);

        let found = shop.call(&["--format", "json", "preview", "on_all_channels"], 0).json();
        assert_eq!(found["count"], 1, "{}: {found}", shop.target);
        let members = shop.delivered("all_channels");
        assert_eq!(members.len(), 1, "{}: {members:?}", shop.target);
        assert_eq!(members[0]["name"], "nan", "{}", shop.target);

        // The device without a name turns out to be Bob's, whose visits it had then.
        let mut later = data();
        later[1].1.push(json!({ "visit": "w10", "device": "a9", "email": "bob@x.example", "nickname": null,
            "at": "2024-06-28T00:00:00Z" }));
        shop.fill(&later).await;
        let ran = shop.call(&["run", "person"], 0);
        assert!(ran.stdout.contains("identity people, run 2"), "{}: {}", shop.target, ran.stdout);
        let members = shop.delivered("all_channels");
        assert_eq!(members.len(), 1, "{}: {members:?}", shop.target);
        assert_eq!(row(&members, "email", "bob@x.example")["visits"], 3, "{}", shop.target);
    }
}

/// What was worked out by hand.
fn check_people(people: &[Value], target: &str) {
    let ann = row(people, "email", "ann@x.example");
    let bob = row(people, "email", "bob@x.example");
    let ghost = row(people, "name", "ghost");
    let expected = [
        // Four of five records spell it so.
        (ann, "email", json!("ann@x.example")),
        // The newest of the first source of the list.
        (ann, "name", json!("nan")),
        // The listed source has none: the others come after it, the first record of the first source first.
        (ann, "label", json!("Ann Lee")),
        (bob, "label", json!("C8")),
        // Two of ten characters; the one of the future counts as never written.
        (ann, "long_name", json!("Ann B. Lee")),
        // The newest is blank, the one of the future does not win.
        (ann, "phone", json!("111")),
        (ann, "first_phone", json!("111")),
        // The newest complete address, of one record: the newest of all is not complete.
        (ann, "street", json!("1 Elm")),
        (ann, "postcode", json!("P1")),
        (ann, "city", json!("Ulm")),
        (ann, "receipt", json!(1)),
        (ann, "visits", json!(3)),
        (ann, "local_receipts", json!(1)),
        (bob, "visits", json!(0)),
        (ghost, "visits", json!(2)),
        (ghost, "email", Value::Null),
        (ghost, "household_id", Value::Null),
        (ghost, "receipt", json!(0)),
    ];
    for (person, field, value) in expected {
        assert_eq!(person[field], value, "{target}: {field}");
    }
    let number =
        |person: &Value, field: &str| person[field].to_string().trim_matches('"').parse::<f64>().expect("a number");
    assert_eq!([number(ann, "paid"), number(bob, "paid")], [15.75, 7.0], "{target}");
    assert_eq!([number(ann, "online"), number(bob, "online"), number(ghost, "online")], [25.5, 7.0, 0.0], "{target}");
    // Housemates stay two customers and are one household; a block of three is none.
    assert_ne!(ann["person_id"], bob["person_id"]);
    assert!(ann["household_id"].is_string() && ann["household_id"] == bob["household_id"], "{target}: {ann} {bob}");
    assert_eq!(row(people, "email", "c@x.example")["household_id"], Value::Null, "{target}");
}
