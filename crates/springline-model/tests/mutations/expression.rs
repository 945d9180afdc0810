//! Random expressions: shaped like those of the language, right or wrong at random.

use super::mutate::Random;

const LEAVES: &[&str] = &[
    "id",
    "email",
    "ville",
    "born",
    "home_id",
    "spent",
    "tile",
    "band",
    "text",
    "home.size",
    "home.people",
    "purchase",
    "purchase.amount",
    "purchase.at",
    "purchase.channel",
    "amount",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "3.50",
    "1e3",
    "9223372036854775807",
    "99999999999999999999999999999999999999.9",
    "''",
    "'é''x'",
    "'%'",
    "date '2024-02-30'",
    "date '2024-02-29'",
    "timestamp '2024-01-01T00:00:00Z'",
    "*",
    "\"ville\"",
    "\"\"",
    "nothing",
    "a.b.c.d",
];
const BINARY: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "||",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "and",
    "or",
    "like",
    "not like",
    "is distinct from",
    "%",
];
const POSTFIX: &[&str] = &["is null", "is not null", "in (1, 2)", "not in ('a')", "between 1 and 2", "collate \"C\""];
const FUNCTIONS: &[&str] = &[
    "coalesce",
    "nullif",
    "lower",
    "upper",
    "trim",
    "length",
    "substring",
    "replace",
    "starts_with",
    "round",
    "floor",
    "ceil",
    "abs",
    "greatest",
    "least",
    "date_trunc",
    "extract",
    "days_between",
    "sha256",
    "md5",
    "div",
    "mod",
    "count",
    "count_distinct",
    "sum",
    "avg",
    "min",
    "max",
    "first",
    "last",
    "most_frequent",
    "exists",
    "row_number",
    "rank",
    "ntile",
    "nonsense",
    "cast",
    "median",
    "percentile",
    "concat",
    "regex_match",
    "date_add",
    "age",
    "any",
    "all",
    "sequence",
    "member",
    "sample",
    "in_window",
    "split_part",
    "json_text",
    "as_of",
    "if",
];
const WINDOWS: &[&str] = &[
    "within 90 days",
    "within 1 month",
    "within 0 days",
    "within 99999999999 years",
    "within",
    "within this month",
    "within between 2024-01-01 and 2024-03-31",
    "within since born",
    "within each of 4 weeks",
    "within last 3 calendar months",
];
const TYPES: &[&str] =
    &["integer", "string", "decimal(12,2)", "decimal(99,1)", "date", "timestamp", "boolean", "json", "x"];

/// An expression of at most this depth.
pub fn expression(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return random.pick(LEAVES).to_owned();
    }
    let inner = |random: &mut Random| {
        let less = random.below(depth);
        expression(random, less)
    };
    match random.below(10) {
        0 => random.pick(LEAVES).to_owned(),
        1 | 2 => format!("{} {} {}", inner(random), random.pick(BINARY), inner(random)),
        3 => format!("({})", inner(random)),
        4 => format!("{} {}", inner(random), random.pick(POSTFIX)),
        5 => format!("case when {} then {} else {} end", inner(random), inner(random), inner(random)),
        6 => format!("cast({} as {})", inner(random), random.pick(TYPES)),
        7 => format!(
            "{}(purchase.{} where {} {})",
            random.pick(FUNCTIONS),
            random.pick(LEAVES),
            inner(random),
            random.pick(WINDOWS)
        ),
        8 => format!(
            "{}({}) over (partition by {} order by {} desc)",
            random.pick(FUNCTIONS),
            inner(random),
            inner(random),
            inner(random)
        ),
        _ => {
            let args: Vec<String> = (0..random.below(4)).map(|_| inner(random)).collect();
            format!("{}({})", random.pick(FUNCTIONS), args.join(", "))
        }
    }
}
