//! One meaning on every engine: the examples of the function table, which are also its documentation,
//! hold on each engine that can be started.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use springline_ir::{FunctionId, FunctionKind};
use springline_tests::{printed, servers, springline};

/// The instant that the examples are run for.
const AS_OF: &str = "2024-06-30T12:00:00Z";

/// The conditions that the examples of the function table say are true.
fn examples() -> BTreeMap<String, String> {
    let mut conditions = BTreeMap::new();
    for id in FunctionId::all().filter(|id| id.get().kind == FunctionKind::Scalar) {
        for (i, example) in id.get().examples.iter().enumerate() {
            let holds = match example.result {
                "null" => format!("({}) is null", example.call),
                result => format!("({}) = ({result})", example.call),
            };
            conditions.insert(format!("{}_{i}", id.get().name), holds);
        }
    }
    conditions
}

/// The conditions as segments of `entity`, by name.
fn segments(entity: &str, conditions: &BTreeMap<String, String>) -> String {
    let mut segments = String::from("segments:\n");
    for (name, condition) in conditions {
        let condition = serde_json::json!(condition);
        writeln!(segments, "  - {{ name: {name}, entity: {entity}, where: {condition} }}").expect("a string");
    }
    segments
}

/// Writes a project with these models and one CSV file for each table.
fn write(dir: &Path, zone: &str, sources: &str, models: &str, tables: &[(&str, &str)]) {
    let main = format!(
        "name: functions\nversion: 1\ntimezone: {zone}\ndefault_target: local\ntargets:\n  \
         local: {{ engine: datafusion, path: data }}\n{models}"
    );
    std::fs::create_dir_all(dir.join("models")).expect("a folder");
    std::fs::create_dir_all(dir.join("data")).expect("a folder");
    std::fs::write(dir.join("springline.yaml"), main).expect("a file");
    std::fs::write(dir.join("models/sources.yaml"), sources).expect("a file");
    for (table, rows) in tables {
        std::fs::write(dir.join(format!("data/{table}.csv")), rows).expect("a file");
    }
}

const THINGS: &str = "sources:\n  - { name: things, table: things, primary_key: id, columns: \
    { id: integer, nothing: string, never: date, no_instant: timestamp, none: integer, profile: json } }\n";
const THING: &str = r#"id,nothing,never,no_instant,none,profile
1,,,,,"{""address"":{""city"":""Paris""},""tags"":[""a"",""b""],""score"":1.50,""ok"":true,""no"":null}"
"#;

/// A project whose only row is a member of each segment whose condition holds.
fn project(dir: &Path, zone: &str, conditions: &BTreeMap<String, String>) {
    let entity = "entities:\n  - { name: thing, source: things, primary_key: id }\n";
    write(dir, zone, THINGS, &format!("{entity}{}", segments("thing", conditions)), &[("things", THING)]);
}

/// The conditions that do not hold, for so many rows, on a target.
fn failing(
    dir: &Path,
    target: &str,
    env: &[(String, String)],
    conditions: &BTreeMap<String, String>,
    rows: u64,
) -> Vec<String> {
    let args = ["--target", target, "--as-of", AS_OF, "--format", "json", "run"];
    let run = springline(dir, &args).envs(env).run().exits(0).json();
    let entities = run["entities"].as_array().expect("entities");
    let segments = entities.iter().flat_map(|e| e["segments"].as_array().expect("segments")).cloned();
    let segments: Vec<_> =
        segments.filter(|s| s["segment"].as_str().is_some_and(|s| conditions.contains_key(s))).collect();
    assert_eq!(segments.len(), conditions.len());
    let fails = segments.iter().filter(|s| s["members"] != rows).filter_map(|s| s["segment"].as_str());
    fails.map(|name| conditions[name].clone()).collect()
}

/// That all conditions hold for all rows, on every engine.
async fn hold(dir: &Path, conditions: &BTreeMap<String, String>, rows: u64) {
    assert_eq!(failing(dir, "local", &[], conditions, rows), Vec::<String>::new(), "on the embedded engine");
    for server in servers() {
        server.add_target(dir);
        server.load(dir, &dir.join("data")).await;
        let failing = failing(dir, server.engine, &server.env(), conditions, rows);
        assert_eq!(failing, Vec::<String>::new(), "on {}", server.engine);
    }
    if let Some(found) = printed(dir, &[AS_OF]) {
        let alone = |name: &str| found.alone.get(name).map(|members| members.len() as u64);
        let fails = |name: &str| found.run.get(name) != Some(&rows) || alone(name) != Some(rows);
        let failing = conditions.iter().filter(|(name, _)| fails(name)).map(|(_, condition)| condition);
        let failing: Vec<&String> = failing.collect();
        assert_eq!(failing, Vec::<&String>::new(), "as printed for ClickHouse");
    }
}

fn numbered(conditions: &[&str]) -> BTreeMap<String, String> {
    conditions.iter().enumerate().map(|(i, condition)| (format!("c{i}"), (*condition).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_every_function_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let examples = examples();
    assert!(examples.len() > 120, "{} examples", examples.len());
    project(folder.path(), "UTC", &examples);
    hold(folder.path(), &examples, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_and_edges_are_the_same_everywhere() {
    let conditions = numbered(&[
        "left(nothing, 1) is null and right('a', none) is null and lpad(nothing, 2, 'x') is null",
        "substring('abc', none, 2) is null and substring('abc', 2, none) is null and substring(nothing, 1, 2) is null",
        "split_part(nothing, '-', 1) is null and regex_match(nothing, 'a') is null",
        "regex_extract(nothing, 'a') is null and regex_replace(nothing, 'a', 'b') is null",
        "ends_with(nothing, 'a') is null and contains('a', nothing) is null and concat('a', nothing) is null",
        "normalize_email(nothing) is null and normalize_phone(nothing, 'FR') is null and stable_hash(nothing) is null",
        "power(none, 2) is null and power(2, none) is null and ln(none) is null and exp(none) is null",
        "sqrt(none) is null and sign(none) is null",
        "date_add('month', 1, never) is null and date_add('day', none, date '2024-01-01') is null",
        "date_diff('week', never, as_of()) is null and date_diff('hour', as_of(), no_instant) is null",
        "extract('week', never) is null and extract('day_of_week', no_instant) is null and age(never) is null",
        "birthday_within(never, 366) is null and date_trunc('year', no_instant) is null",
        "if(nothing = 'a', 1, 2) = 2 and (nothing = 'a') is not true and (nothing = 'a' or true) is true",
        "(1 = 2) is false and (nothing = 'a') is not false and (nothing = 'a') is unknown",
        "json_text(profile, 'no') is null and json_text(profile, 'address') is null and json_text(profile, 'x.y') is null",
        "regex_extract('né e', '[^ ]+') = 'né' and regex_match('a.b', '^a\\.b$') and not regex_match('axb', '^a\\.b$')",
        "regex_match('line', '^line$') and not regex_match('A', '[a-z]') and regex_match('a]b-c', '^[\\]a-c-]+$')",
        "regex_replace('a  b', '\\s+', ' ') = 'a b' and regex_extract('k=v;k=w', '([a-z])=([a-z]);', 2) = 'v'",
        "try_cast('12' as integer) = 12 and try_cast('1x' as integer) is null and try_cast('' as integer) is null",
        "try_cast('1234567890123456789012' as integer) is null and try_cast(' 1' as integer) is null",
        "try_cast('12.34' as decimal(4,2)) = 12.34 and try_cast('123.4' as decimal(4,2)) is null",
        "try_cast('1.5e3' as float) = 1500 and try_cast('e3' as float) is null and try_cast('-0.5' as float) = -0.5",
        "try_cast('2024-02-29' as date) = date '2024-02-29' and try_cast('2023-02-29' as date) is null",
        "try_cast('1900-02-29' as date) is null and try_cast('2000-02-29' as date) = date '2000-02-29'",
        "try_cast('2024-04-31' as date) is null and try_cast('2024-13-01' as date) is null",
        "try_cast('2024-02-29T10:11:12+02:00' as timestamp) = timestamp '2024-02-29T08:11:12Z'",
        "try_cast('2024-02-29 25:00:00' as timestamp) is null and try_cast('true' as boolean)",
        "try_cast('yes' as boolean) is null and try_cast(1e30 as integer) is null and try_cast(99.999 as decimal(4,2)) is null",
        "try_cast(12345 as decimal(4,2)) is null and try_cast(12 as decimal(4,2)) = 12",
        "age(date '2000-02-29') = 24 and age(date '2000-07-01') = 23 and age(date '2000-06-30') = 24",
        "birthday_within(date '2000-07-07', 7) and not birthday_within(date '2000-07-08', 7)",
        "birthday_within(date '1990-06-30', 0) and not birthday_within(date '1990-06-29', 363)",
        "birthday_within(date '1990-06-29', 366) and birthday_within(date '1990-01-02', 186)",
        "date_add('month', 1, date '2023-01-31') = date '2023-02-28' and date_add('week', -1, date '2024-01-03') = date '2023-12-27'",
        "date_add('day', none, never) is null and date_add('day', id, date '2024-02-28') = date '2024-02-29'",
        "date_diff('quarter', date '2023-12-31', date '2024-01-01') = 1 and date_diff('month', date '2024-03-01', date '2023-12-31') = -3",
        "date_diff('minute', timestamp '2024-01-01T00:00:59Z', timestamp '2024-01-01T00:01:00Z') = 1",
        "extract('minute', timestamp '2024-01-01T00:59:59.5Z') = 59 and extract('hour', date '2024-01-01') = 0",
        // Letters whose upper case is longer.
        "upper('ﬁn ŉ') = 'FIN ʼN' and upper('straße') = 'STRASSE' and lower('İ') = 'i̇' and lower('ΣΟΦΟΣ ΟΔΟΣ. Σ') = 'σοφος οδος. σ'",
        // A month is not 30 days, also where both stand in one statement.
        "date_add('month', 0 - id, coalesce(never, date '2024-03-29')) = date '2024-02-29' \
         and date_add('day', -30 * id, coalesce(never, date '2024-03-29')) = date '2024-02-28' \
         and date_add('month', 0 - id, coalesce(no_instant, timestamp '2024-03-29T00:00:00Z')) = timestamp '2024-02-29T00:00:00Z' \
         and date_add('hour', -720 * id, coalesce(no_instant, timestamp '2024-03-29T00:00:00Z')) = timestamp '2024-02-28T00:00:00Z' \
         and date_add('week', 2 * id, coalesce(no_instant, timestamp '1969-12-31T23:59:59.5Z')) = timestamp '1970-01-14T23:59:59.5Z'",
        // What is before the first character is none.
        "substring('abc', 0, 2) = 'a' and substring('abc', id - 1, 1) = ''",
        // The two zeros of a float are one value.
        "nullif(-(0e0 * id), 0e0) is null and -(0e0 * id) = 0e0 and -(0e0 * id) in (0e0, 1e0) and not (-(0e0 * id) < 0e0)",
        // More than six digits behind the point where there could be 38.
        "cast(0.100025 as decimal(38,6)) * cast(0.5 as decimal(38,1)) = 0.0500125",
        // 123469287.3480314960... is rounded once: by way of eight digits, ...34803150, it would end in 348032.
        "156805994932 * id / 1270 = 123469287.348031 and -156805994932 * id / 1270 = -123469287.348031",
        // What a cast rounds is equal to what it gives, also to a constant: 0.33333333..., 0.12545 and -0.125, halves
        // away from zero, and 9.99, which has one digit more when it is rounded.
        "id / 3 = 0.333333 and 2 * id / 3 in (0.666667, 1) and id / 3 <= 0.333333 and -2 * id / 3 < -0.6666665",
        "cast(0.12545 * id as decimal(12,2)) = 0.13 and cast(-0.125 * id as decimal(12,2)) = -0.13",
        "cast(9.99 * id as decimal(3,1)) = 10.0 and cast(9.99 * id as decimal(38,20)) = 9.99",
        // A decimal whose digits are all behind the point.
        "cast(0.50 as string) = '0.50' and cast(-0.05 as string) = '-0.05' and cast(0.05 as decimal(2,2)) = 0.05",
        // Spaces alone are trimmed.
        "trim(' \u{a0}x\t ') = '\u{a0}x\t'",
        // Numbers of more digits than fit into 64 bits, and a date that stays one.
        "(5587526067.99 * id) * (5587526067.99 * id) = 31220447560467790102.6401",
        "round(coalesce(try_cast(nothing as decimal(12,2)), 9999999999.99), 2) * 5587526067.99 > 55875260000000000000.0",
        "cast(date_add('month', 1, coalesce(never, date '2024-01-31')) as string) = '2024-02-29'",
        "cast(date_trunc('year', coalesce(never, date '2024-02-29')) as string) = '2024-01-01'",
        "cast(coalesce(no_instant, timestamp '1969-12-31T23:59:59.25Z') as string) = '1969-12-31T23:59:59.250000Z'",
        "stable_hash('é') between 0 and 4294967295 and mod(stable_hash('a'), 100) = 77",
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path(), "UTC", &conditions);
    hold(folder.path(), &conditions, 1).await;
}

/// The clocks of Paris go forward at 01:00 UTC on 2024-03-31 and back on 2024-10-27; in São Paulo the midnight of
/// 2018-11-04 is skipped, in Havana the first hour of 2024-11-03 is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_calendar_is_that_of_the_project() {
    let zones: [(&str, &[&str]); 3] = [
        (
            "Europe/Paris",
            &[
                "date_trunc('day', timestamp '2024-03-31T22:30:00Z') = timestamp '2024-03-31T22:00:00Z'",
                "date_trunc('month', timestamp '2024-03-31T22:30:00Z') = timestamp '2024-03-31T22:00:00Z'",
                "date_trunc('week', timestamp '2024-03-31T21:59:59Z') = timestamp '2024-03-24T23:00:00Z'",
                "extract('hour', timestamp '2024-03-31T01:00:00Z') = 3 and extract('hour', timestamp '2024-03-31T00:59:59Z') = 1",
                "extract('day_of_week', timestamp '2024-03-31T22:30:00Z') = 1",
                "cast(timestamp '2024-03-31T22:30:00Z' as date) = date '2024-04-01'",
                "cast(date '2024-04-01' as timestamp) = timestamp '2024-03-31T22:00:00Z'",
                "date '2024-04-01' = timestamp '2024-03-31T22:00:00Z'",
                "days_between(timestamp '2024-03-30T22:59:00Z', timestamp '2024-03-30T23:00:00Z') = 1",
                "date_diff('month', timestamp '2024-03-31T21:59:59Z', timestamp '2024-03-31T22:00:00Z') = 1",
                "date_diff('hour', timestamp '2024-03-31T00:30:00Z', timestamp '2024-03-31T01:30:00Z') = 1",
                "date_add('day', 1, timestamp '2024-03-30T01:30:00Z') = timestamp '2024-03-31T01:30:00Z'",
                "date_add('day', 1, timestamp '2024-03-30T12:00:00Z') = timestamp '2024-03-31T11:00:00Z'",
                "date_add('hour', 24, timestamp '2024-03-30T12:00:00Z') = timestamp '2024-03-31T12:00:00Z'",
                "date_add('day', 1, timestamp '2024-10-26T00:30:00Z') = timestamp '2024-10-27T00:30:00Z'",
                "date_add('day', 1, timestamp '2024-10-27T01:30:00Z') = timestamp '2024-10-28T01:30:00Z'",
                "date_add('month', 1, timestamp '2024-01-31T12:00:00Z') = timestamp '2024-02-29T12:00:00Z'",
                "no_instant is null and date_trunc('day', no_instant) is null and cast(never as timestamp) is null",
                "as_of() >= '2024-06-30' and cast(as_of() as date) = date '2024-06-30'",
            ],
        ),
        (
            "America/Sao_Paulo",
            &[
                "date_trunc('day', timestamp '2018-11-04T12:00:00Z') = timestamp '2018-11-04T03:00:00Z'",
                "cast(date '2018-11-04' as timestamp) = timestamp '2018-11-04T03:00:00Z'",
                "extract('hour', timestamp '2018-11-04T03:00:00Z') = 1",
                "date_add('day', 1, timestamp '2018-11-03T03:30:00Z') = timestamp '2018-11-04T03:30:00Z'",
                "date_add('day', 2, timestamp '2018-11-03T03:30:00Z') = timestamp '2018-11-05T02:30:00Z'",
                "days_between(timestamp '2018-11-04T02:59:59Z', timestamp '2018-11-04T03:00:00Z') = 1",
            ],
        ),
        (
            "America/Havana",
            &[
                "date_trunc('day', timestamp '2024-11-03T12:00:00Z') = timestamp '2024-11-03T04:00:00Z'",
                "cast(date '2024-11-03' as timestamp) = timestamp '2024-11-03T04:00:00Z'",
                "date_trunc('day', timestamp '2024-11-03T05:30:00Z') = timestamp '2024-11-03T04:00:00Z'",
                "date_add('day', 1, timestamp '2024-11-02T04:30:00Z') = timestamp '2024-11-03T04:30:00Z'",
                "date_add('day', 1, timestamp '2024-11-02T10:00:00Z') = timestamp '2024-11-03T11:00:00Z'",
            ],
        ),
    ];
    for (zone, conditions) in zones {
        let folder = tempfile::tempdir().expect("a folder");
        let conditions = numbered(conditions);
        project(folder.path(), zone, &conditions);
        hold(folder.path(), &conditions, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_and_windows_are_the_same_everywhere() {
    let sources = "sources:\n  - { name: buyers, table: buyers, primary_key: id, columns: { id: integer, points: integer } }\n  \
        - { name: orders, table: orders, columns: { buyer: integer, at: timestamp, amount: 'decimal(12,2)', channel: string } }\n";
    let models = "entities:\n  - name: buyer\n    source: buyers\n    primary_key: id\n    \
        events: [ { name: purchase, source: orders, key: buyer, at: at } ]\n    fields:\n";
    let fields: String = [
        ("running", "sum(points) over (order by points)"),
        ("counted", "count(points) over (order by id desc)"),
        ("whole", "sum(points) over ()"),
        ("mean", "avg(points) over (partition by points order by id)"),
        ("share", "percent_rank() over (order by points)"),
        ("channels", "array_agg(purchase.channel, 2)"),
        ("alike", "count(points) over (partition by cast(points as float))"),
        ("zeros", "row_number() over (order by case id when 2 then -(0e0) else 0e0 end)"),
    ]
    .map(|(name, expr)| format!("      - {{ name: {name}, expr: \"{expr}\" }}\n"))
    .concat();
    let conditions = numbered(&[
        "case id when 1 then median(purchase.amount) = 2.5 when 2 then median(purchase.amount) = 7 else median(purchase.amount) is null end",
        "case id when 1 then percentile(purchase.amount, 0.9) between 3.6999999 and 3.7000001 when 2 then percentile(purchase.amount, 0) = 7 else true end",
        "case id when 1 then percentile(purchase.amount, 1) = 4 else true end",
        "case id when 1 then stddev(purchase.amount) between 1.2909944 and 1.2909945 else stddev(purchase.amount) is null end",
        "case id when 1 then nth(purchase.channel, 2) = 'shop' and nth(purchase.channel, 3) = 'web' and nth(purchase.channel, 4) is null when 2 then nth(purchase.channel, 1) = 'web' else nth(purchase.channel, 1) is null end",
        "case id when 1 then nth(purchase.channel, 1 where amount > 2) = 'web' and median(purchase.amount where amount > 9) is null else true end",
        "case id when 1 then running = 10 when 2 then running = 20 else running = 50 end",
        "case id when 1 then counted = 3 when 2 then counted = 2 else counted = 1 end",
        "whole = 50",
        "case id when 2 then mean = 10 else true end and case id when 1 then share = 0 when 2 then share = 0 else share = 1 end",
        "(channels is null) = (id = 3)",
        // 1, 4 and 2: 7 / 3, rounded and then compared.
        "case id when 1 then avg(purchase.amount where amount <> 3) = 2.333333 else true end",
        "zeros = id",
        "case id when 3 then alike = 1 else alike = 2 end",
        "member(top_two) = (id in (1, 3))",
        // Two aggregates that differ in the types of what they add alone.
        "case id when 1 then sum(cast(purchase.amount as integer)) = 10 and sum(cast(purchase.amount as float)) = 10e0 and sum(purchase.amount) = 10 else true end",
        // Two in an order of their own.
        "case id when 1 then nth(purchase.channel, 2) = 'shop' and nth(purchase.amount, 2) = 2 else true end",
        // The value is the time of the event once it is simplified.
        "case id when 1 then first(case when true then purchase.at else purchase.at end) = timestamp '2024-01-01T00:00:00Z' else true end",
        "case id when 1 then last(coalesce(purchase.at, purchase.at)) = timestamp '2024-01-05T00:00:00Z' else true end",
        "case id when 1 then nth(coalesce(purchase.at, purchase.at), 2) = timestamp '2024-01-02T00:00:00Z' else true end",
    ]);
    let orders = "buyer,at,amount,channel\n1,2024-01-01T00:00:00Z,1,web\n1,2024-01-02T00:00:00Z,4,web\n\
        1,2024-01-02T00:00:00Z,2,shop\n1,2024-01-04T00:00:00Z,3,\n1,2024-01-05T00:00:00Z,,web\n2,2024-01-01T00:00:00Z,7,web\n";
    let folder = tempfile::tempdir().expect("a folder");
    // A limit among those that fulfil what is computed.
    let others = "  - { name: top_two, entity: buyer, where: 'count(purchase) >= 0', limit: { top: 2, by: points, order: desc } }\n";
    let models = format!("{models}{fields}{}{others}", segments("buyer", &conditions));
    write(folder.path(), "UTC", sources, &models, &[("buyers", "id,points\n1,10\n2,10\n3,30\n"), ("orders", orders)]);
    hold(folder.path(), &conditions, 3).await;
}
