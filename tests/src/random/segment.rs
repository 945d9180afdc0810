//! Random condition trees, as YAML in one line.

use serde_json::to_string;

use super::Random;
use super::expression::{Kind, Names, constant, expression, row_window, within};

/// A condition, at most so deep. `segments` are those that it may refer to.
pub fn condition(random: &mut Random, names: &Names, segments: &[String], depth: usize) -> String {
    if depth > 0 && random.one_in(2) {
        let list = |random: &mut Random| -> String {
            let all: Vec<String> =
                (0..1 + random.below(3)).map(|_| condition(random, names, segments, depth - 1)).collect();
            all.join(", ")
        };
        return match random.below(5) {
            0 | 1 => format!("{{ all: [ {} ] }}", list(random)),
            2 | 3 => format!("{{ any: [ {} ] }}", list(random)),
            _ => format!("{{ not: {} }}", condition(random, names, segments, depth - 1)),
        };
    }
    match random.below(9) {
        7 if names.gathered.iter().any(|g| g.timed && !g.nested) => sequence(random, names),
        8 => {
            let seed = random.pick(&["spring", "o'hara", "é"]);
            let part = random.pick(&["30%", "{ from: 10%, to: 60% }", "12.5%"]);
            format!("{{ sample: {part}, seed: {} }}", text(seed))
        }
        0 if !segments.is_empty() => format!("{{ segment: {} }}", segments[random.below(segments.len())]),
        1..=3 if !names.gathered.is_empty() => gathered(random, names, depth),
        4 if names.values.iter().any(|(name, _)| name.starts_with("home.")) => {
            let inner = Names { values: strip(names, "home."), ..Names::default() };
            format!(
                "{{ related: home, where: {} }}",
                condition(random, &inner, &names.home_segments, depth.saturating_sub(1))
            )
        }
        5 => text(&expression(random, names, Kind::Boolean, depth.min(2))),
        _ => field(random, &names.values),
    }
}

fn strip(names: &Names, prefix: &str) -> Vec<(String, Kind)> {
    names.values.iter().filter_map(|(name, kind)| Some((name.strip_prefix(prefix)?.to_owned(), *kind))).collect()
}

fn text(condition: &str) -> String {
    to_string(condition).expect("text is JSON")
}

/// A value as YAML has it: numbers bare, text and times in quotes.
fn scalar(random: &mut Random, kind: Kind) -> String {
    let value = constant(random, kind);
    match value.split_once('\'') {
        Some((_, rest)) => text(&rest.trim_end_matches('\'').replace("''", "'")),
        None => value,
    }
}

fn compare(random: &mut Random, kind: Kind) -> String {
    match random.below(4) {
        0 if kind != Kind::Boolean => format!("between: [{}, {}]", scalar(random, kind), scalar(random, kind)),
        _ => format!("{}: {}", random.pick(&["eq", "ne", "gt", "gte", "lt", "lte"]), scalar(random, kind)),
    }
}

fn field(random: &mut Random, values: &[(String, Kind)]) -> String {
    let (name, kind) = &values[random.below(values.len())];
    let test = match random.below(6) {
        0 => format!("is_null: {}", random.pick(&["true", "false"])),
        1 => format!("{}: [{}, {}]", random.pick(&["in", "not_in"]), scalar(random, *kind), scalar(random, *kind)),
        2 if *kind == Kind::Text => format!("like: {}", random.pick(&["'%a%'", "'_'", "'A%'"])),
        3 if *kind == Kind::Text => {
            let test = random.pick(&["starts_with", "ends_with", "contains"]);
            format!("{test}: {}", scalar(random, *kind))
        }
        4 if *kind == Kind::Text => format!("matches: {}", random.pick(&["'^a'", "'[0-9]'", "'b$'"])),
        3 if matches!(kind, Kind::Date | Kind::Instant) => format!("within: {}", row_window(random)),
        4 if matches!(kind, Kind::Date | Kind::Instant) => format!("birthday_within: {}", random.below(90)),
        _ => compare(random, *kind),
    };
    format!("{{ field: {name}, {test} }}")
}

fn gathered(random: &mut Random, names: &Names, depth: usize) -> String {
    let gathered = names.gathered[random.below(names.gathered.len())].clone();
    let kind = if gathered.timed && !gathered.nested { "event" } else { "related" };
    let mut parts = vec![format!("{kind}: {}", gathered.name)];
    let inner = Names { values: gathered.columns.clone(), ..Names::default() };
    if random.one_in(4) {
        let where_ = condition(random, &inner, &[], 0);
        parts.push(format!("match: {}, where: {where_}", random.pick(&["any", "all", "none"])));
        return format!("{{ {} }}", parts.join(", "));
    }
    let simple = gathered.timed && !gathered.nested;
    match random.below(5) {
        0 | 1 => parts.push(format!("count: {{ {}: {} }}", random.pick(&["gte", "lt", "eq", "lte"]), random.below(4))),
        2 if simple => {
            let numbers: Vec<&(String, Kind)> =
                gathered.columns.iter().filter(|(_, k)| matches!(k, Kind::Integer | Kind::Decimal)).collect();
            let (name, kind) = numbers[random.below(numbers.len())];
            let function = random.pick(&["sum", "min", "max", "count_distinct", "first", "last", "most_frequent"]);
            let kind = if function == "count_distinct" { Kind::Integer } else { *kind };
            parts.push(format!("{function}: {{ of: {name}, {} }}", compare(random, kind)));
        }
        _ => {}
    }
    if random.one_in(2) {
        parts.push(format!("where: {}", condition(random, &inner, &[], depth.saturating_sub(1).min(1))));
    }
    if gathered.timed && random.one_in(2) {
        parts.push(format!("within: {}", within(random, names)));
    }
    format!("{{ {} }}", parts.join(", "))
}

/// One event after another, or none after it.
fn sequence(random: &mut Random, names: &Names) -> String {
    let events: Vec<_> = names.gathered.iter().filter(|g| g.timed && !g.nested).collect();
    let step = |random: &mut Random, first: bool| {
        let event = events[random.below(events.len())];
        let inner = Names { values: event.columns.clone(), ..Names::default() };
        let mut parts = format!("event: {}", event.name);
        if random.one_in(2) {
            parts = format!("{parts}, where: {}", condition(random, &inner, &[], 0));
        }
        if random.one_in(2) {
            let window = if first {
                within(random, names)
            } else {
                random.pick(&["7 days", "30 days", "1 month", "36 hours"]).to_owned()
            };
            parts = format!("{parts}, within: {window}");
        }
        parts
    };
    let mut parts = step(random, true);
    let steps = random.below(3);
    if steps > 0 {
        let then: Vec<String> = (0..steps).map(|_| format!("{{ {} }}", step(random, false))).collect();
        parts = format!("{parts}, then: [ {} ]", then.join(", "));
    }
    if steps == 0 || random.one_in(3) {
        parts = format!("{parts}, without: {{ {} }}", step(random, false));
    }
    format!("{{ {parts} }}")
}
