//! Random rows: nulls, ties in time, ends of months and changes of clocks, text beyond ASCII, empty text,
//! numbers large and small, keys that lead nowhere.

use std::collections::HashMap;

use jiff::civil::date;
use jiff::{Timestamp, ToSpan};
use springline_ir::Type;

use super::Random;
use super::source::SOURCES;
use crate::reference::{Table, Value};

/// Instants that are `as_of` for a run.
const CLOCKS: &[&str] = &[
    "2024-03-31T01:30:00Z",
    "2024-06-30T00:00:00Z",
    "2024-10-27T00:30:00Z",
    "2024-02-29T23:59:59.999999Z",
    "2025-01-01T00:00:00Z",
    "2024-07-14T12:34:56.789Z",
];
const TEXTS: &[&str] = &[
    "",
    " ",
    "  a ",
    "a",
    "A",
    "b",
    "B",
    "ab",
    "Ab",
    "é",
    "É",
    "e\u{301}",
    "ß",
    "Σίσυφος",
    "ΟΔΟΣ",
    "İ",
    "ı",
    "ﬁ",
    "50%",
    "a_b",
    "a\\b",
    "it's",
    "\"q\"",
    "日本",
    "😀x",
    "12",
    "-3.5",
    "2024-02-29",
    "null",
    "true",
    "\t",
    "a\nb",
    "web",
    "shop",
    "app",
    "z",
    "Z",
    "zz top",
    "\u{a0}x\u{a0}",
    "{{ x }}",
    "a--b",
    "1e3",
];

/// The `as_of` of a seed.
pub fn clock(random: &mut Random) -> Timestamp {
    random.pick(CLOCKS).parse().expect("an instant")
}

/// Every source's rows.
pub fn tables(random: &mut Random, as_of: Timestamp) -> HashMap<String, Table> {
    let mut tables = HashMap::new();
    for source in SOURCES {
        let columns = source.types();
        let count = match source.name {
            "customers" => 24,
            "homes" => 8,
            "products" => 6,
            "orders" => 90,
            _ => 50,
        };
        let rows = (0..count).map(|i| {
            let value = |(name, ty): &(String, Type)| match name.as_str() {
                "id" => Value::Text(format!("c{i}")),
                name if name == source.key => Value::Integer(i),
                "customer_id" if random.one_in(12) => Value::Null,
                "customer_id" => Value::Text(format!("c{}", random.below(28))),
                "home_id" | "product_id" if random.one_in(5) => Value::Null,
                "home_id" | "product_id" => Value::Integer(random.below(9) as i64),
                _ if random.one_in(5) => Value::Null,
                _ => value(random, ty, as_of),
            };
            columns.iter().map(value).collect()
        });
        let rows = rows.collect();
        tables.insert(source.name.to_owned(), Table { columns, rows });
    }
    tables
}

fn value(random: &mut Random, ty: &Type, as_of: Timestamp) -> Value {
    match ty {
        Type::Boolean => Value::Boolean(random.one_in(2)),
        Type::Integer if random.one_in(8) => {
            Value::Integer(random.pick(&[3_000_000_000, -3_000_000_000, 2_147_483_647]))
        }
        Type::Integer => Value::Integer(random.below(21) as i64 - 8),
        Type::Decimal { precision, scale } => {
            let most = if random.one_in(6) { 12 } else { 5 };
            let digits = 1 + random.below(most.min(usize::from(*precision)));
            let number = i128::from(random.number() % 10_u64.pow(digits as u32));
            Value::Decimal(if random.one_in(3) { -number } else { number }, *scale)
        }
        // Eighths: their sums are exact in whatever order they are added.
        Type::Float => Value::Float((random.below(4001) as f64 - 1500.0) / 8.0),
        Type::Date => Value::Date(instant(random, as_of).to_zoned(jiff::tz::TimeZone::UTC).date()),
        Type::Timestamp => Value::Timestamp(instant(random, as_of)),
        _ => Value::Text(random.pick(TEXTS).to_owned()),
    }
}

fn instant(random: &mut Random, as_of: Timestamp) -> Timestamp {
    let civil = |year, month, day, hour, minute| {
        let zoned = date(year, month, day).at(hour, minute, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
        zoned.expect("an instant").timestamp()
    };
    let days = i64::try_from(random.below(400)).expect("a small number");
    match random.below(9) {
        // At, just before and just after the clock.
        0 => as_of + random.pick(&[-1_i64, 0, 1]).microseconds(),
        1 => as_of - (24 * random.pick(&[1_i64, 7, 30, 90, 365])).hours(),
        2 => as_of - (24 * random.pick(&[1_i64, 7, 30, 90, 365])).hours() - 1.microseconds(),
        3 => as_of + (24 * days).hours(),
        // Ends of months, changes of clocks, before 1970.
        4 => civil(2024, random.pick(&[1, 2, 3, 10, 12]), random.pick(&[1, 29]), random.pick(&[0, 22, 23]), 0),
        5 => random.pick(&[civil(2024, 3, 31, 1, 0), civil(2024, 10, 27, 0, 30), civil(2024, 3, 30, 23, 0)]),
        6 => random.pick(&[civil(1969, 12, 31, 23, 59), civil(2000, 2, 29, 12, 0), civil(1900, 3, 1, 0, 0)]),
        7 => as_of - (24 * days).hours() - i64::try_from(random.below(86_400)).expect("small").seconds(),
        _ => as_of - (24 * (days % 40)).hours(),
    }
}
