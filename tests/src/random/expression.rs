//! Random expressions of a type, as text: the parser and the checker are asked too.

use super::Random;

/// The types that are asked for. Scales and widths are the checker's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A decimal.
    Decimal,
    /// A float.
    Float,
    /// Text.
    Text,
    /// A day.
    Date,
    /// An instant.
    Instant,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] =
        &[Kind::Boolean, Kind::Integer, Kind::Decimal, Kind::Float, Kind::Text, Kind::Date, Kind::Instant];

    fn of(ty: &str) -> Kind {
        match ty {
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer,
            "float" => Kind::Float,
            "date" => Kind::Date,
            "timestamp" => Kind::Instant,
            decimal if decimal.starts_with("decimal") => Kind::Decimal,
            _ => Kind::Text,
        }
    }
}

/// What an aggregate can gather: the name, the columns and related columns of its rows, and whether it has time.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// The event or relationship.
    pub name: &'static str,
    /// What is in its rows.
    pub columns: Vec<(String, Kind)>,
    /// Windows are possible, and `first` and `last`.
    pub timed: bool,
    /// Over several steps, where fewer aggregates are possible.
    pub nested: bool,
}

/// What an expression can name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Columns, fields and paths.
    pub values: Vec<(String, Kind)>,
    /// Events and one-to-many relationships.
    pub gathered: Vec<Gathered>,
    /// Window functions may stand here.
    pub windows: bool,
    /// Times of the row by which a window of events can be told.
    pub dates: Vec<&'static str>,
    /// Segments that a field may ask for.
    pub members: Vec<String>,
    /// Segments of the one related home.
    pub home_segments: Vec<String>,
}

/// Columns of a table under a prefix.
pub fn columns(columns: &[(&str, &str)], prefix: &str) -> Vec<(String, Kind)> {
    columns.iter().map(|(name, ty)| (format!("{prefix}{name}"), Kind::of(ty))).collect()
}

/// An expression of that kind, at most so deep.
pub fn expression(random: &mut Random, names: &Names, kind: Kind, depth: usize) -> String {
    if depth == 0 || random.one_in(7) {
        return leaf(random, names, kind);
    }
    if names.windows && matches!(kind, Kind::Integer | Kind::Decimal | Kind::Float) && random.one_in(8) {
        return window(random, names, kind, depth - 1);
    }
    if kind == Kind::Boolean && !names.members.is_empty() && random.one_in(5) {
        return format!("member({})", names.members[random.below(names.members.len())]);
    }
    if !names.gathered.is_empty() && random.one_in(3) {
        return aggregate(random, names, kind, depth - 1);
    }
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, b, c) = (e(kind), e(kind), e(Kind::Boolean));
    match random.below(10) {
        0 => format!("case when {c} then {a} else {b} end"),
        1 => format!("coalesce({a}, {b})"),
        2 => format!("nullif({a}, {b})"),
        3 if random.one_in(3) => format!("case when {c} then {a} end"),
        3 if random.one_in(2) => format!("if({c}, {a}, {b})"),
        3 if kind != Kind::Boolean => format!("{}({a}, {b})", random.pick(&["greatest", "least"])),
        _ => match kind {
            Kind::Boolean => boolean(random, names, depth),
            Kind::Integer => integer(random, names, depth),
            Kind::Decimal => decimal(random, names, depth),
            Kind::Float => float(random, names, depth),
            Kind::Text => text(random, names, depth),
            Kind::Date => date(random, names, depth),
            Kind::Instant => instant(random, names, depth),
        },
    }
}

fn leaf(random: &mut Random, names: &Names, kind: Kind) -> String {
    let known: Vec<&str> = names.values.iter().filter(|(_, k)| *k == kind).map(|(name, _)| name.as_str()).collect();
    if known.is_empty() || random.one_in(4) { constant(random, kind) } else { random.pick(&known).to_owned() }
}

/// A constant as text of the language.
pub fn constant(random: &mut Random, kind: Kind) -> String {
    let all: &[&str] = match kind {
        Kind::Boolean => &["true", "false"],
        Kind::Integer => &["0", "1", "2", "3", "-1", "7", "10", "3000000000"],
        Kind::Decimal => &["0.5", "1.25", "-2.50", "0.001", "100.00", "99999.99"],
        Kind::Float => &["1e0", "25e-2", "-15e-1", "1e6", "0e0"],
        Kind::Text => {
            &["''", "'a'", "'A'", "'é'", "' '", "'web'", "'it''s'", "'%a%'", "'a_b'", "'ß'", "'50\\%'", "'日本'"]
        }
        Kind::Date => &["date '2024-02-29'", "date '2024-03-31'", "date '1969-12-31'", "date '2000-01-01'"],
        Kind::Instant => &[
            "timestamp '2024-03-31T01:00:00Z'",
            "timestamp '2024-06-30T00:00:00Z'",
            "timestamp '1970-01-01T00:00:00Z'",
        ],
    };
    random.pick(all).to_owned()
}

fn boolean(random: &mut Random, names: &Names, depth: usize) -> String {
    let kind = random.pick(Kind::ALL);
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, b, p, q, s) = (e(kind), e(kind), e(Kind::Boolean), e(Kind::Boolean), e(Kind::Text));
    let time = random.pick(&[Kind::Date, Kind::Instant]);
    match random.below(15) {
        9 => format!("{}({s}, {})", random.pick(&["ends_with", "contains"]), constant(random, Kind::Text)),
        10 => format!("regex_match({s}, {})", random.pick(PATTERNS)),
        11 => format!("in_window({} within {})", leaf(random, names, time), row_window(random)),
        12 => format!("birthday_within({}, {})", leaf(random, names, time), random.pick(&["0", "7", "60", "366"])),
        13 | 14 if !names.gathered.is_empty() => gathered_condition(random, names, depth),
        0 => format!("({p} and {q})"),
        1 => format!("({p} or {q})"),
        2 => format!("not ({p})"),
        3 => format!("({a}) is {}null", random.pick(&["", "not "])),
        4 => {
            let list: Vec<String> = (0..1 + random.below(3)).map(|_| constant(random, kind)).collect();
            format!("({a}) {}in ({})", random.pick(&["", "not "]), list.join(", "))
        }
        5 if kind != Kind::Boolean => format!("({a}) between {} and ({b})", constant(random, kind)),
        6 => format!("({s}) like {}", random.pick(&["'%a%'", "'_'", "'a\\_b'", "''", "'%'", "'_%é'", "'%\\%'"])),
        7 => format!("starts_with({s}, {})", constant(random, Kind::Text)),
        _ => format!("({a}) {} ({b})", random.pick(&["=", "<>", "<", "<=", ">", ">="])),
    }
}

const PATTERNS: &[&str] =
    &["'[0-9]+'", "'^a'", "'b$'", "'^.$'", "'[^a-z]'", "'(a|B)'", "'^$'", "'-'", "'[a-zA-Z]{2,}'", r"'\d\d'", "'é'"];

/// A condition on gathered rows that is no aggregate of another kind.
fn gathered_condition(random: &mut Random, names: &Names, depth: usize) -> String {
    let gathered = &names.gathered[random.below(names.gathered.len())];
    let inner = Names { values: gathered.columns.clone(), ..Names::default() };
    let name = gathered.name;
    if gathered.timed && random.one_in(4) {
        let each = random.pick(&["each of 3 weeks", "each of 4 months", "each of 2 quarters", "each of 5 days"]);
        let compared = random.pick(&[">= 1", ">= 2", "< 2", "= 0", "<= 1"]);
        return format!("count({name} within {each}) {compared}");
    }
    if !gathered.nested && random.one_in(6) {
        let (column, _) = &gathered.columns[random.below(gathered.columns.len())];
        return format!("array_agg({name}.{column}, 3) is null");
    }
    let condition = expression(random, &inner, Kind::Boolean, depth.min(2) - 1);
    let window = if gathered.timed && random.one_in(3) { within(random, names) } else { String::new() };
    let window = if window.is_empty() { window } else { format!(" within {window}") };
    format!("{}({name} where {condition}{window})", random.pick(&["any", "all", "none"]))
}

fn integer(random: &mut Random, names: &Names, depth: usize) -> String {
    let time = random.pick(&[Kind::Date, Kind::Instant]);
    let other_time = random.pick(&[Kind::Date, Kind::Instant]);
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, b, d, f, s) = (e(Kind::Integer), e(Kind::Integer), e(Kind::Decimal), e(Kind::Float), e(Kind::Text));
    let (t, u) = (e(time), e(other_time));
    match random.below(20) {
        15 => format!("sign({})", if random.one_in(2) { d } else { f }),
        16 => format!("stable_hash({s})"),
        17 => format!("date_diff('{}', {t}, {u})", random.pick(UNITS)),
        18 => format!("age({t})"),
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * {b})"),
        3 => format!("div({a}, {b})"),
        4 => format!("mod({a}, {b})"),
        5 => format!("length({s})"),
        6 => format!("extract('{}', {t})", random.pick(PARTS)),
        7 => format!("days_between({t}, {u})"),
        8 => format!("{}({d})", random.pick(&["floor", "ceil"])),
        9 => format!("{}({f})", random.pick(&["floor", "ceil"])),
        10 => format!("round({a}, {})", random.pick(&["0", "-1", "-2", "1"])),
        11 => format!("abs({a})"),
        12 => format!("-({a})"),
        13 => format!("cast({} as integer)", if random.one_in(2) { d } else { f }),
        _ => format!("cast(cast({a} as string) as integer)"),
    }
}

fn decimal(random: &mut Random, names: &Names, depth: usize) -> String {
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, b, n, m, f) = (e(Kind::Decimal), e(Kind::Decimal), e(Kind::Integer), e(Kind::Integer), e(Kind::Float));
    match random.below(13) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {n})"),
        2 => format!("({a} * {n})"),
        3 => format!("({a} * {b})"),
        4 => format!("({a} / {n})"),
        5 => format!("({n} / {m})"),
        6 => format!("({n} / {a})"),
        7 => format!("round({a}, {})", random.pick(&["0", "1", "2", "3", "-1"])),
        8 => format!("abs({a})"),
        9 => format!("-({a})"),
        10 => format!("cast({n} as decimal(20,2))"),
        11 => {
            format!("cast({} as decimal(18,{}))", if random.one_in(2) { a } else { f }, random.pick(&["0", "1", "3"]))
        }
        _ => format!("cast(cast({a} as string) as decimal(24,2))"),
    }
}

fn float(random: &mut Random, names: &Names, depth: usize) -> String {
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, b, n, d) = (e(Kind::Float), e(Kind::Float), e(Kind::Integer), e(Kind::Decimal));
    // Rounded, for the last digit of these is an engine's own.
    match random.below(14) {
        10 => format!("round(power(least({a}, 1e3), {}), 3)", random.pick(&["2", "0.5", "-1", "0", "3"])),
        11 => format!("round(ln({}), 6)", if random.one_in(2) { a } else { d }),
        12 => format!("round(exp(least({a}, 9e0)), 3)"),
        13 => format!("round(sqrt({}), 4)", if random.one_in(2) { n } else { d }),
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * {b})"),
        3 => format!("({a} / {b})"),
        4 => format!("({a} * {n})"),
        5 => format!("({d} / {a})"),
        6 => format!("cast({} as float)", if random.one_in(2) { n } else { d }),
        7 => format!("round({a}, {})", random.pick(&["0", "1", "2", "-1"])),
        8 => format!("abs({a})"),
        _ => format!("-({a})"),
    }
}

fn text(random: &mut Random, names: &Names, depth: usize) -> String {
    let kind = random.pick(Kind::ALL);
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, b, any, n) = (e(Kind::Text), e(Kind::Text), e(kind), e(Kind::Integer));
    match random.below(19) {
        10 => format!("concat({a}, {b}, {})", constant(random, Kind::Text)),
        11 => format!("{}({a}, {})", random.pick(&["left", "right"]), random.pick(&["0", "1", "3", "-1", "-2", "40"])),
        12 => format!("lpad({a}, {}, {})", random.pick(&["0", "2", "5"]), random.pick(&["'0'", "'ab'", "'é'"])),
        13 => format!(
            "split_part({a}, {}, {})",
            random.pick(&["'-'", "'a'", "' '", "'b'"]),
            random.pick(&["1", "2", "3"])
        ),
        14 => format!("regex_extract({a}, {})", random.pick(PATTERNS)),
        15 => format!("regex_replace({a}, {}, {})", random.pick(PATTERNS), random.pick(&["''", "'x'", "'é-'"])),
        16 => format!("normalize_email({a})"),
        17 => format!("normalize_phone({a}, '{}')", random.pick(&["FR", "GB", "US", "IT"])),
        0 | 1 => format!("({a} || {b})"),
        2 => format!("lower({a})"),
        3 => format!("upper({a})"),
        4 => format!("trim({a})"),
        5 => {
            let start =
                if random.one_in(3) { format!("mod({n}, 5)") } else { random.pick(&["1", "2", "3", "0"]).to_owned() };
            format!("substring({a}, {start}, {})", random.pick(&["0", "1", "2", "10"]))
        }
        6 => {
            let from = random.pick(&["'a'", "' '", "'é'", "'web'", "''"]);
            format!("replace({a}, {from}, {})", constant(random, Kind::Text))
        }
        7 => format!("{}({a})", random.pick(&["md5", "sha256"])),
        _ => format!("cast({any} as string)"),
    }
}

const PARTS: &[&str] =
    &["year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "second"];
const UNITS: &[&str] = &["day", "week", "month", "quarter", "year"];

fn date(random: &mut Random, names: &Names, depth: usize) -> String {
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, t, n) = (e(Kind::Date), e(Kind::Instant), e(Kind::Integer));
    match random.below(6) {
        3 | 4 => format!("date_add('{}', {}, {a})", random.pick(UNITS), small(random, &n)),
        5 => "cast(as_of() as date)".to_owned(),
        0 => format!("date_trunc('{}', {a})", random.pick(UNITS)),
        1 => format!("cast({t} as date)"),
        _ => format!("cast(cast({a} as string) as date)"),
    }
}

fn instant(random: &mut Random, names: &Names, depth: usize) -> String {
    let mut e = |kind| expression(random, names, kind, depth - 1);
    let (a, d, n) = (e(Kind::Instant), e(Kind::Date), e(Kind::Integer));
    match random.below(7) {
        3 | 4 => format!("date_add('{}', {}, {a})", random.pick(UNITS), small(random, &n)),
        5 => format!("date_add('{}', {}, {a})", random.pick(&["minute", "hour"]), small(random, &n)),
        6 => "as_of()".to_owned(),
        0 => format!("date_trunc('{}', {a})", random.pick(UNITS)),
        1 => format!("cast({d} as timestamp)"),
        _ => format!("cast(cast({a} as string) as timestamp)"),
    }
}

/// A count that leads to no year of five digits.
fn small(random: &mut Random, count: &str) -> String {
    if random.one_in(3) { format!("mod({count}, 20)") } else { random.pick(&["1", "-1", "0", "11", "-13"]).to_owned() }
}

const WITHIN: &[&str] = &[
    "90 days",
    "1 day",
    "30 days",
    "1 month",
    "2 weeks",
    "365 days",
    "24 hours",
    "1 year",
    "90 minutes",
    "this month",
    "this week",
    "this year",
    "today",
    "yesterday",
    "last quarter",
    "last month",
    "last week",
    "last 3 calendar months",
    "last 2 calendar weeks",
    "between 2024-03-01 and 2024-03-31",
    "between 2023-10-29 and 2024-10-27",
    "since 2024-01-01",
    "before 2024-03-31",
];

/// A window of time of events.
pub fn within(random: &mut Random, names: &Names) -> String {
    if names.dates.is_empty() || random.one_in(2) {
        return random.pick(WITHIN).to_owned();
    }
    let date = random.pick(&names.dates);
    match random.below(3) {
        0 => format!("since {date}"),
        1 => format!("{} after {date}", random.pick(&["30 days", "1 month", "12 hours", "2 years"])),
        _ => format!("{} before {date}", random.pick(&["30 days", "1 month", "36 hours", "2 years"])),
    }
}

/// A window of time of a date of the row itself.
pub fn row_window(random: &mut Random) -> &'static str {
    if random.one_in(4) {
        random.pick(&["next 30 days", "next month", "next 2 calendar quarters"])
    } else {
        random.pick(WITHIN)
    }
}

/// An aggregate with that kind of result, where there is one.
fn aggregate(random: &mut Random, names: &Names, kind: Kind, depth: usize) -> String {
    let gathered = names.gathered[random.below(names.gathered.len())].clone();
    let event = gathered.name;
    let bare = Names { values: gathered.columns.clone(), ..Names::default() };
    let qualified = Names {
        values: bare.values.iter().map(|(name, kind)| (format!("{event}.{name}"), *kind)).collect(),
        ..Names::default()
    };
    let mut clauses = String::new();
    if random.one_in(2) {
        clauses = format!(" where {}", expression(random, &bare, Kind::Boolean, depth.min(2)));
    } else if event.ends_with("people") && random.one_in(2) {
        let many = random.pick(&[
            "count(purchase) > 1",
            "exists(purchase where channel = 'web')",
            "sum(purchase.amount) > 10",
        ]);
        clauses = format!(" where {many}");
    }
    if gathered.timed && random.one_in(3) {
        clauses = format!("{clauses} within {}", within(random, names));
    }
    let counted = random.pick(Kind::ALL);
    let mut of = |kind| {
        let all = expression(random, &qualified, kind, depth.min(2));
        // Without a column it is no aggregate.
        let columns: Vec<&String> = qualified.values.iter().filter(|(_, k)| *k == kind).map(|(name, _)| name).collect();
        match columns.first() {
            Some(column) if !all.contains(&format!("{event}.")) => Some((*column).clone()),
            None => None,
            _ => Some(all),
        }
    };
    let (arg, other) = (of(kind), of(counted));
    let is_exact = |arg: &str| {
        !["/", "round(", "ln(", "exp(", "sqrt(", "power(", " as float"].iter().any(|part| arg.contains(part))
    };
    match (kind, random.below(6), other, arg) {
        (_, _, _, Some(arg)) if gathered.nested => match (kind, random.below(3)) {
            (Kind::Integer | Kind::Decimal, 0) => format!("sum({arg}{clauses})"),
            (Kind::Decimal, 1) => format!("avg({arg}{clauses})"),
            (Kind::Boolean, _) => format!("exists({event}{clauses})"),
            (Kind::Integer, 1) => format!("count({event}{clauses})"),
            _ => format!("{}({arg}{clauses})", random.pick(&["min", "max"])),
        },
        _ if gathered.nested => leaf(random, names, kind),
        (Kind::Float, 4 | 5, _, Some(arg)) => {
            let call = random.pick(&["median", "stddev", "percentile"]);
            let share = if call == "percentile" { random.pick(&[", 0.9", ", 0", ", 1", ", 0.25"]) } else { "" };
            format!("round({call}({arg}{share}{clauses}), 3)")
        }
        (_, 5, _, Some(arg)) if gathered.timed => format!("nth({arg}, {}{clauses})", random.pick(&["1", "2", "4"])),
        (Kind::Boolean, 0..=3, ..) => format!("exists({event}{clauses})"),
        (Kind::Integer, 0 | 1, ..) => format!("count({event}{clauses})"),
        (Kind::Integer, 2, Some(other), _) => format!("count({other}{clauses})"),
        (Kind::Integer, 3, Some(other), _) => format!("count_distinct({other}{clauses})"),
        (Kind::Decimal, 0, ..) if event == "purchase" => {
            format!("avg({event}.{}{clauses})", random.pick(&["qty", "amount"]))
        }
        (Kind::Integer | Kind::Decimal | Kind::Float, 0..=3, _, Some(arg)) if kind != Kind::Float || is_exact(&arg) => {
            format!("sum({arg}{clauses})")
        }
        (_, n, _, Some(arg)) => {
            let timed: &[&str] = &["first", "last", "min", "max", "most_frequent"];
            let untimed: &[&str] = &["min", "max", "most_frequent"];
            let functions = if gathered.timed { timed } else { untimed };
            format!("{}({arg}{clauses})", functions[n % functions.len()])
        }
        _ => leaf(random, names, kind),
    }
}

fn window(random: &mut Random, names: &Names, kind: Kind, depth: usize) -> String {
    let inner = Names { windows: false, ..names.clone() };
    let (by, part) = (random.pick(Kind::ALL), random.pick(&[Kind::Boolean, Kind::Text, Kind::Integer]));
    let term = expression(random, &inner, by, depth.min(1));
    let partition = if random.one_in(2) {
        format!("partition by {} ", expression(random, &inner, part, depth.min(1)))
    } else {
        String::new()
    };
    let arg = expression(random, &inner, if kind == Kind::Float { by } else { kind }, depth.min(1));
    let call = match (kind, random.below(3)) {
        (Kind::Integer, 0) => format!("{}({arg})", random.pick(&["sum", "count", "min", "max"])),
        (Kind::Integer, _) => random.pick(&["row_number()", "rank()", "ntile(3)", "ntile(10)", "ntile(1)"]).to_owned(),
        (Kind::Decimal, _) => format!("{}({arg})", random.pick(&["sum", "avg", "min", "max"])),
        _ => "percent_rank()".to_owned(),
    };
    format!("{call} over ({partition}order by {term}{})", random.pick(&["", " desc"]))
}
