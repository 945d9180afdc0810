//! Random projects: three entities over the same sources, with random fields and segments, one a line.

use std::collections::BTreeSet;

use serde_json::to_string;

use super::Random;
use super::expression::{Gathered, Kind, Names, columns, expression};
use super::segment::condition;
use super::source::{SOURCES, Source};

/// How many fields and segments of each entity a project has.
#[derive(Debug, Clone, Copy)]
struct Share {
    entity: &'static str,
    fields: usize,
    segments: usize,
}

const SHARES: &[Share] = &[
    Share { entity: "home", fields: 12, segments: 5 },
    Share { entity: "customer", fields: 30, segments: 12 },
    Share { entity: "visitor", fields: 8, segments: 3 },
];
const ZONES: &[&str] =
    &["UTC", "Europe/Paris", "America/Sao_Paulo", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"];
/// Fields of each entity that may ask for segments.
const LATE_FIELDS: usize = 3;

/// A field or a segment.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Whose.
    pub entity: &'static str,
    /// Its name, found nowhere else.
    pub name: String,
    /// Its line of YAML.
    pub yaml: String,
    /// Not a field.
    pub is_segment: bool,
}

/// A project's time zone and definitions.
#[derive(Debug, Clone)]
pub struct Draft {
    zone: &'static str,
    /// In the order in which they were made; each refers to earlier ones only.
    pub definitions: Vec<Definition>,
}

fn source(name: &str) -> &'static Source {
    SOURCES.iter().find(|s| s.name == name).unwrap_or(&SOURCES[0])
}

/// What an entity's expressions can name before it has fields.
fn names(entity: &str) -> Names {
    let rows = |name, columns: Vec<(String, Kind)>, timed| Gathered { name, columns, timed, nested: false };
    let far = |name, columns: Vec<(String, Kind)>, timed| Gathered { name, columns, timed, nested: true };
    let mut purchase = columns(source("orders").columns, "");
    purchase.push(("at".to_owned(), Kind::Instant));
    purchase.extend(columns(source("products").columns, "product."));
    let mut visit = columns(source("visits").columns, "");
    visit.push(("at".to_owned(), Kind::Date));
    let people = columns(source("customers").columns, "");
    let mut of_customer = purchase.clone();
    of_customer.extend([("customer.seen".to_owned(), Kind::Instant), ("customer.n".to_owned(), Kind::Integer)]);
    let events = vec![rows("purchase", purchase.clone(), true), rows("visit", visit.clone(), true)];
    match entity {
        "home" => Names {
            values: columns(source("homes").columns, ""),
            gathered: vec![
                rows("people", people, false),
                far("people.purchase", purchase, true),
                far("people.visit", visit, true),
            ],
            windows: true,
            ..Names::default()
        },
        "customer" => {
            let mut values = columns(source("customers").columns, "");
            values.extend(columns(source("homes").columns, "home."));
            let gathered = vec![
                rows("purchase", of_customer, true),
                rows("visit", visit, true),
                rows("purchase", purchase.clone(), true),
                far("home.people", people, false),
                far("home.people.purchase", purchase, true),
            ];
            Names { values, gathered, windows: true, dates: vec!["seen", "born"], ..Names::default() }
        }
        _ => {
            let values = vec![("customer_id".to_owned(), Kind::Text)];
            Names { values, gathered: events, windows: true, ..Names::default() }
        }
    }
}

impl Draft {
    /// The draft of a seed.
    pub fn new(random: &mut Random) -> Draft {
        let mut definitions = Vec::new();
        let mut home_segments: Vec<String> = Vec::new();
        for share in SHARES {
            let mut names = names(share.entity);
            names.home_segments = home_segments.clone();
            for i in 0..share.fields {
                let kind = random.pick(Kind::ALL);
                let depth = 1 + random.below(3);
                let expr = expression(random, &names, kind, depth);
                let name = format!("{}_f{i}", share.entity);
                let within = if expr.contains("purchase") && random.one_in(8) { ", within: 90 days" } else { "" };
                let yaml = format!("      - {{ name: {name}, expr: {}{within} }}\n", to_string(&expr).expect("text"));
                definitions.push(Definition { entity: share.entity, name: name.clone(), yaml, is_segment: false });
                names.values.push((name, kind));
            }
            names.windows = false;
            let mut segments: Vec<String> = Vec::new();
            for i in 0..share.segments {
                let name = format!("{}_s{i}", share.entity);
                let entity = share.entity;
                let depth = 1 + random.below(3);
                let tree = condition(random, &names, &segments, depth);
                let exclude = match segments.last() {
                    Some(other) if random.one_in(6) => format!(", exclude: [{other}]"),
                    _ => String::new(),
                };
                let limit = match names.values.get(random.below(names.values.len())) {
                    Some((by, _)) if random.one_in(8) => {
                        let order = random.pick(&["asc", "desc"]);
                        format!(", limit: {{ top: {}, by: {by}, order: {order} }}", 1 + random.below(9))
                    }
                    _ => String::new(),
                };
                let yaml = format!("  - {{ name: {name}, entity: {entity}, where: {tree}{exclude}{limit} }}\n");
                definitions.push(Definition { entity, name: name.clone(), yaml, is_segment: true });
                segments.push(name);
            }
            if share.entity == "home" {
                home_segments = segments.clone();
            }
            names.members = segments;
            for i in 0..LATE_FIELDS {
                let kind = random.pick(&[Kind::Boolean, Kind::Boolean, Kind::Integer, Kind::Text]);
                let expr = expression(random, &names, kind, 2);
                let name = format!("{}_g{i}", share.entity);
                let yaml = format!("      - {{ name: {name}, expr: {} }}\n", to_string(&expr).expect("text"));
                definitions.push(Definition { entity: share.entity, name, yaml, is_segment: false });
            }
        }
        Draft { zone: random.pick(ZONES), definitions }
    }

    /// The draft with only these definitions, in the same order.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Definition) -> bool) -> Draft {
        Draft { zone: self.zone, definitions: self.definitions.iter().filter(|d| keep(d)).cloned().collect() }
    }

    /// The names that a definition needs, its own included.
    pub fn needs(&self, name: &str) -> BTreeSet<String> {
        let mut needed = BTreeSet::from([name.to_owned()]);
        for definition in self.definitions.iter().rev() {
            if !needed.contains(&definition.name) {
                continue;
            }
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            for word in definition.yaml.split(|c| !is_word(c)) {
                if self.definitions.iter().any(|d| d.name == word) {
                    needed.insert(word.to_owned());
                }
            }
        }
        needed
    }

    /// The project's YAML and, for each of its lines, the definition that stands there.
    pub fn yaml(&self) -> (String, Vec<Option<String>>) {
        let mut text = format!(
            "name: random\nversion: 1\ntimezone: {}\ntargets: {{ local: {{ engine: datafusion, path: data }} }}\nsources:\n",
            self.zone
        );
        SOURCES.iter().for_each(|source| text.push_str(&source.yaml()));
        let mut lines: Vec<Option<String>> = vec![None; text.lines().count()];
        let mut put = |line: &str, name: Option<&str>| {
            lines.extend(line.lines().map(|_| name.map(str::to_owned)));
            text.push_str(line);
        };
        put("entities:\n  - { name: product, source: products, primary_key: product_id }\n", None);
        for Share { entity, .. } in SHARES {
            put(&head(entity), None);
            let fields: Vec<&Definition> =
                self.definitions.iter().filter(|d| d.entity == *entity && !d.is_segment).collect();
            if !fields.is_empty() {
                put("    fields:\n", None);
            }
            for field in fields {
                put(&field.yaml, Some(&field.name));
                // Each value also as text: what is compared.
                let name = &field.name;
                let shown = format!("      - {{ name: {name}_text, expr: \"cast({name} as string)\" }}\n");
                put(&shown, Some(name));
            }
        }
        put("segments:\n", None);
        for segment in self.definitions.iter().filter(|d| d.is_segment) {
            put(&segment.yaml, Some(&segment.name));
        }
        (text, lines)
    }
}

/// An entity's declaration up to its fields.
fn head(entity: &str) -> String {
    let home = "    source: homes\n    primary_key: home_id\n    relationships: [ { name: people, to: customer, type: \
                one_to_many, key: home_id } ]\n";
    let customer = "    source: customers\n    primary_key: id\n    relationships: [ { name: home, to: home, type: \
                    many_to_one, key: home_id } ]\n";
    let visitor = "    source: visits\n    primary_key: customer_id\n    distinct: true\n";
    let events = "    events:\n      - { name: purchase, source: orders, key: customer_id, at: ordered_at, \
                  relationships: [ { name: product, to: product, type: many_to_one, key: product_id } ] }\n      \
                  - { name: visit, source: visits, key: customer_id, at: on_day }\n";
    match entity {
        "home" => format!("  - name: home\n{home}"),
        "customer" => format!("  - name: customer\n{customer}{events}"),
        _ => format!("  - name: visitor\n{visitor}{events}"),
    }
}
