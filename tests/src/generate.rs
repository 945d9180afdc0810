//! Projects of any size, written from a seed: what the compiler's time and memory are measured with.

use std::fmt::Write as _;
use std::path::Path;

use crate::random::Random;

/// How large a project is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Sources; all but one hold events of the one entity.
    pub sources: usize,
    /// Computed fields.
    pub fields: usize,
    /// Segments.
    pub segments: usize,
}

/// Segments of one file.
const PER_FILE: usize = 100;

/// Writes a project: springline.yaml, its models and its segments in files of a hundred.
pub fn project(dir: &Path, size: Size, seed: u64) {
    let mut random = Random::new(seed);
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    for folder in ["models", "segments"] {
        std::fs::create_dir_all(dir.join(folder)).expect("a folder");
    }
    let head = "name: generated\nversion: 1\ntargets:\n  local: { engine: datafusion, path: data }\n";
    write("springline.yaml", head);
    write("models/sources.yaml", &sources(size));
    write("models/customer.yaml", &entity(size, &mut random));
    let all: Vec<String> = (0..size.segments).map(|i| segment(i, size, &mut random)).collect();
    for (i, chunk) in all.chunks(PER_FILE).enumerate() {
        write(&format!("segments/part_{i:03}.yaml"), &format!("segments:\n{}", chunk.concat()));
    }
}

fn sources(size: Size) -> String {
    let mut text =
        "sources:\n  - name: customers\n    table: customers\n    primary_key: customer_id\n    columns:\n      \
                    customer_id: string\n      city: { type: string, label: City }\n      email: { type: string, pii: \
                    email }\n      born_on: date\n      opted_in: boolean\n"
            .to_owned();
    for i in 1..size.sources {
        let columns = "event_id: integer, customer_id: string, amount: \"decimal(12,2)\", qty: integer, channel: string, \
                       happened_at: timestamp";
        writeln!(
            text,
            "  - {{ name: source_{i}, table: raw.source_{i}, primary_key: event_id, columns: {{ {columns} }} }}"
        )
        .expect("text");
    }
    text
}

fn entity(size: Size, random: &mut Random) -> String {
    let mut text =
        "entities:\n  - name: customer\n    source: customers\n    primary_key: customer_id\n    events:\n".to_owned();
    for i in 1..size.sources {
        writeln!(text, "      - {{ name: event_{i}, source: source_{i}, key: customer_id, at: happened_at }}")
            .expect("text");
    }
    text.push_str("    fields:\n");
    for i in 0..size.fields {
        let event = 1 + random.below(size.sources - 1);
        let days = random.pick(&[7, 30, 90, 365]);
        let expr = match i % 6 {
            0 => format!("sum(event_{event}.amount where channel = 'web' within {days} days)"),
            1 => format!("count(event_{event} within {days} days)"),
            2 => format!("count_distinct(event_{event}.channel)"),
            3 => format!("avg(event_{event}.qty)"),
            4 => format!(
                "case when number_{} > {} then 'high' when city = 'Paris' then 'here' else 'low' end",
                i - 3,
                days
            ),
            _ => format!("coalesce(number_{}, 0) * 2 + coalesce(number_{}, 1)", i - 5, i - 4),
        };
        let name = if i % 6 == 4 { format!("label_{i}") } else { format!("number_{i}") };
        writeln!(text, "      - {{ name: {name}, label: Field {i}, expr: \"{expr}\" }}").expect("text");
    }
    text
}

fn segment(i: usize, size: Size, random: &mut Random) -> String {
    let field = |random: &mut Random| 6 * random.below(size.fields / 6);
    let (a, b) = (field(random), field(random));
    let event = 1 + random.below(size.sources - 1);
    let days = random.pick(&[7, 30, 60, 90]);
    let mut text = format!(
        "  - name: segment_{i}\n    label: Segment number {i}\n    description: Generated to be measured.\n    entity: \
         customer\n    owner: crm-team\n    where:\n      all:\n        - {{ field: number_{a}, gte: {} }}\n        - {{ \
         event: event_{event}, count: {{ gte: {} }}, within: {days} days, where: {{ field: channel, in: [web, app] }} \
         }}\n        - any:\n            - {{ field: label_{}, eq: high }}\n            - not: {{ event: event_{event}, \
         within: {days} days }}\n        - \"city is not null and upper(city) <> 'TEST' and number_{} < {}\"\n",
        random.below(1000),
        1 + random.below(5),
        b + 4,
        b + 1,
        1 + random.below(50),
    );
    if i > 0 && random.one_in(4) {
        writeln!(text, "    exclude: [segment_{}]", random.below(i.min(20))).expect("text");
    }
    text
}
