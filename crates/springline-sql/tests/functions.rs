//! Every function on every kind of argument, as each dialect writes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Case, column, int, text};
use expect_test::expect_file;
use springline_ir::{Aggregate, Expr, ExprKind, FunctionId, FunctionKind, Literal, OrderBy, RelExpr, Type, WindowCall};
use springline_sql::{Dialect, PrintError};

type F = FunctionId;

/// A call, its type taken from the function table.
fn call(function: F, args: Vec<RelExpr>) -> RelExpr {
    let types: Vec<Type> = args.iter().map(|arg| arg.ty.clone()).collect();
    let ty = (function.get().result)(&types).unwrap_or_else(|| panic!("{function:?} of {types:?}"));
    match function.get().kind {
        FunctionKind::Scalar | FunctionKind::Internal => Expr::call(function, args, ty),
        FunctionKind::Aggregate => {
            let ordered = [F::FIRST, F::LAST, F::NTH].contains(&function);
            let order_by = if ordered { vec![OrderBy { expr: column("at"), descending: false }] } else { Vec::new() };
            Expr { kind: ExprKind::Aggregate(Box::new(Aggregate { function, args, filter: None, order_by })), ty }
        }
        FunctionKind::Window => window(function, args, ty),
    }
}

fn window(function: F, args: Vec<RelExpr>, ty: Type) -> RelExpr {
    let order_by =
        vec![OrderBy { expr: column("money"), descending: true }, OrderBy { expr: column("id"), descending: false }];
    let call = WindowCall { function, args, partition_by: vec![column("flag")], order_by, running: false };
    Expr { kind: ExprKind::Window(Box::new(call)), ty }
}

fn filtered(expr: RelExpr) -> RelExpr {
    let Expr { kind: ExprKind::Aggregate(mut call), ty } = expr else { panic!("not an aggregate") };
    call.filter = Some(Expr::compare(F::GT, column("id"), int(1)));
    Expr { kind: ExprKind::Aggregate(call), ty }
}

fn cast(expr: RelExpr, ty: Type) -> RelExpr {
    Expr { kind: ExprKind::Cast { operand: Box::new(expr), lenient: false }, ty }
}

fn money(unscaled: i128) -> RelExpr {
    Expr::literal(Literal::Decimal { unscaled, scale: 2 })
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |label: &str, expr: RelExpr| cases.push(Case { label: label.to_owned(), expr });
    for name in ["flag", "id", "money", "ratio", "name", "day", "at"] {
        let c = || column(name);
        for function in [F::EQ, F::NE, F::LT, F::LE, F::GT, F::GE, F::NULLIF] {
            add(&format!("{function:?} {name}"), call(function, vec![c(), column(&format!("{name}2"))]));
        }
        for function in [F::COALESCE, F::GREATEST, F::LEAST] {
            let args = ["", "2"].map(|suffix| column(&format!("{name}{suffix}")));
            add(&format!("{function:?} {name}"), call(function, args.to_vec()));
        }
        for function in [F::IS_NULL, F::IS_NOT_NULL, F::TEXT] {
            add(&format!("{function:?} {name}"), call(function, vec![c()]));
        }
        for function in [F::COUNT, F::COUNT_DISTINCT, F::MIN, F::MAX, F::FIRST, F::LAST, F::MOST_FREQUENT] {
            add(&format!("{function:?} {name}"), call(function, vec![c()]));
            add(&format!("{function:?} {name} filter"), filtered(call(function, vec![c()])));
        }
        add(&format!("null {name}"), Expr::null(c().ty));
    }
    add("each", call(F::EACH, vec![column("name"), column("name2")]));
    for name in ["id", "money", "ratio"] {
        let (c, two) = (|| column(name), || column(&format!("{name}2")));
        for function in [F::ADD, F::SUBTRACT, F::MULTIPLY, F::DIVIDE] {
            add(&format!("{function:?} {name}"), call(function, vec![c(), two()]));
            add(&format!("{function:?} {name} id2"), call(function, vec![c(), column("id2")]));
        }
        for digits in [0, 1, -1] {
            add(&format!("round {name} {digits}"), call(F::ROUND, vec![c(), int(digits)]));
        }
        add(&format!("round {name} column"), call(F::ROUND, vec![c(), column("few")]));
        for function in [F::NEGATE, F::FLOOR, F::CEIL, F::ABS] {
            add(&format!("{function:?} {name}"), call(function, vec![c()]));
        }
        for function in [F::SUM, F::AVG] {
            add(&format!("{function:?} {name}"), call(function, vec![c()]));
            add(&format!("{function:?} {name} filter"), filtered(call(function, vec![c()])));
        }
        let ty = (F::SUM.get().result)(&[c().ty]).unwrap();
        add(&format!("sum {name} over"), window(F::SUM, vec![c()], ty));
    }
    for function in [F::DIV, F::MOD] {
        add(&format!("{function:?}"), call(function, vec![column("id"), column("id2")]));
        add(&format!("{function:?} literals"), call(function, vec![int(-7), int(2)]));
    }
    for function in [F::LOWER, F::UPPER, F::TRIM, F::LENGTH, F::SHA256, F::MD5] {
        add(&format!("{function:?}"), call(function, vec![column("name")]));
    }
    add("concat", call(F::CONCAT, vec![column("name"), column("name2")]));
    add("like", call(F::LIKE, vec![column("name"), text("_%\\%%")]));
    add("in", call(F::IN, vec![column("name"), text("a"), text("Zoé"), text("it's")]));
    add("substring", call(F::SUBSTRING, vec![column("name"), int(2), int(2)]));
    add("substring column", call(F::SUBSTRING, vec![column("name"), column("few"), column("few")]));
    add("replace", call(F::REPLACE, vec![column("name"), text("a"), text("''")]));
    add("starts_with", call(F::STARTS_WITH, vec![column("name"), text("Z")]));
    for name in ["day", "at"] {
        for unit in ["day", "week", "month", "quarter", "year"] {
            add(&format!("date_trunc {unit} {name}"), call(F::DATE_TRUNC, vec![text(unit), column(name)]));
        }
        for part in ["year", "quarter", "month", "day", "hour"] {
            add(&format!("extract {part} {name}"), call(F::EXTRACT, vec![text(part), column(name)]));
        }
        for other in ["day2", "at2"] {
            add(&format!("days_between {name} {other}"), call(F::DAYS_BETWEEN, vec![column(name), column(other)]));
        }
    }
    for function in [F::ENDS_WITH, F::CONTAINS] {
        add(&format!("{function:?}"), call(function, vec![column("name"), column("name2")]));
    }
    for function in [F::LEFT, F::RIGHT] {
        add(&format!("{function:?}"), call(function, vec![column("name"), int(2)]));
        add(&format!("{function:?} column"), call(function, vec![column("name"), column("few")]));
    }
    add("lpad", call(F::LPAD, vec![column("name"), int(3), text("0")]));
    add("split_part", call(F::SPLIT_PART, vec![column("name"), text("@"), int(2)]));
    let joined = || call(F::CONCAT, vec![column("name"), column("name2")]);
    add("regex_match", call(F::REGEX_MATCH, vec![joined(), text("^[a-z]+\\.$")]));
    add("regex_extract", call(F::REGEX_EXTRACT, vec![column("name"), text("@([^.]+)")]));
    add("regex_replace", call(F::REGEX_REPLACE, vec![column("name"), text("[^0-9]+"), text("")]));
    for function in [F::LN, F::EXP, F::SQRT] {
        add(&format!("{function:?}"), call(function, vec![column("ratio")]));
    }
    add("power", call(F::POWER, vec![column("ratio"), Expr::literal(Literal::Float(-0.5))]));
    for name in ["id", "money", "ratio"] {
        let filters = |expr: RelExpr| [("", expr.clone()), (" filter", filtered(expr))];
        add(&format!("sign {name}"), call(F::SIGN, vec![column(name)]));
        for function in [F::MEDIAN, F::STDDEV] {
            for (label, expr) in filters(call(function, vec![column(name)])) {
                add(&format!("{function:?} {name}{label}"), expr);
            }
        }
        let share = Expr::literal(Literal::Float(0.9));
        for (label, expr) in filters(call(F::PERCENTILE, vec![column(name), share])) {
            add(&format!("percentile {name}{label}"), expr);
        }
    }
    for name in ["name", "day", "at", "flag"] {
        add(&format!("nth {name}"), call(F::NTH, vec![column(name), int(2)]));
        add(&format!("nth {name} filter"), filtered(call(F::NTH, vec![column(name), int(2)])));
        add(&format!("array_agg {name}"), call(F::ARRAY_AGG, vec![column(name), int(10)]));
        add(&format!("array_agg {name} filter"), filtered(call(F::ARRAY_AGG, vec![column(name), int(10)])));
    }
    for (unit, name) in [("hour", "at"), ("day", "at"), ("month", "at"), ("day", "day"), ("month", "day")] {
        add(&format!("date_add {unit} {name}"), call(F::DATE_ADD, vec![text(unit), column("few"), column(name)]));
    }
    add("date_add -1 month", call(F::DATE_ADD, vec![text("month"), int(-1), column("at")]));
    for function in [F::LOCAL_TIME, F::INSTANT_OF] {
        add(&format!("{function:?}"), call(function, vec![column("at"), text("Europe/Paris")]));
    }
    add("epoch_seconds", call(F::EPOCH_SECONDS, vec![column("at")]));
    add("json_text", call(F::JSON_TEXT, vec![Expr::null(Type::Json), text("a.0")]));
    add("stable_hash", call(F::STABLE_HASH, vec![column("name")]));
    add("long_hash", call(F::LONG_HASH, vec![column("name")]));
    add("levenshtein", call(F::LEVENSHTEIN, vec![column("name"), text("Anne")]));
    add("jaro_winkler", call(F::JARO_WINKLER, vec![column("name"), text("Anne")]));
    add("percent_rank", call(F::PERCENT_RANK, vec![]));
    for function in [F::SUM, F::COUNT, F::AVG, F::MIN, F::MAX] {
        let Expr { kind: ExprKind::Window(mut window), ty } = window(function, vec![column("money")], Type::Integer)
        else {
            panic!("a window")
        };
        let ty = (function.get().result)(&[column("money").ty]).unwrap_or(ty);
        window.running = true;
        add(&format!("running {function:?}"), Expr { kind: ExprKind::Window(window), ty });
    }
    add("count rows", call(F::COUNT, vec![]));
    add("count rows filter", filtered(call(F::COUNT, vec![])));
    add("exists", call(F::EXISTS, vec![]));
    add("exists filter", filtered(call(F::EXISTS, vec![])));
    add("row_number", call(F::ROW_NUMBER, vec![]));
    add("rank", call(F::RANK, vec![]));
    add("ntile", call(F::NTILE, vec![int(2)]));
    let (boolean, integer, float) = (Type::Boolean, Type::Integer, Type::Float);
    for (name, to) in [
        ("flag", integer.clone()),
        ("flag", Type::String),
        ("id", boolean),
        ("id", Type::decimal(12, 2)),
        ("id", float.clone()),
        ("id", Type::String),
        ("money", integer.clone()),
        ("money", Type::decimal(12, 1)),
        ("money", float.clone()),
        ("money", Type::String),
        ("ratio", integer.clone()),
        ("ratio", Type::decimal(12, 2)),
        ("ratio", Type::String),
        ("digits", integer),
        ("digits", Type::decimal(12, 1)),
        ("digits", float),
        ("day", Type::Timestamp),
        ("at", Type::Date),
        ("at", Type::String),
        ("day", Type::String),
    ] {
        add(&format!("cast {name} {to}"), cast(column(name), to));
    }
    add("cast text timestamp", cast(text("2024-02-29T10:11:12.5Z"), Type::Timestamp));
    add("cast text date", cast(text("2024-02-29"), Type::Date));
    add("cast text boolean", cast(text("true"), Type::Boolean));
    for (label, literal) in [
        ("true", Literal::Boolean(true)),
        ("integer", Literal::Integer(-42)),
        ("least integer", Literal::Integer(i64::MIN)),
        ("decimal", Literal::Decimal { unscaled: -1250, scale: 2 }),
        ("float", Literal::Float(-1.5e-7)),
        ("large float", Literal::Float(f64::MAX)),
        ("string", Literal::String("it's \\ \"q\" é\n--".to_owned())),
        ("date", Literal::Date("0987-03-04".parse().unwrap())),
        ("timestamp", Literal::Timestamp("2024-06-30T00:00:00Z".parse().unwrap())),
        ("late timestamp", Literal::Timestamp("9999-12-30T21:59:59.123456789Z".parse().unwrap())),
        ("early timestamp", Literal::Timestamp("1969-12-31T23:59:59.9Z".parse().unwrap())),
    ] {
        add(&format!("literal {label}"), Expr::literal(literal));
    }
    // The examples of the function table that are worth their own line.
    add("1 / 2", call(F::DIVIDE, vec![int(1), int(2)]));
    add("1 / 0", call(F::DIVIDE, vec![int(1), int(0)]));
    add("2 / 3 decimals", call(F::DIVIDE, vec![money(-200), money(300)]));
    add("round 2.5", call(F::ROUND, vec![Expr::literal(Literal::Decimal { unscaled: 25, scale: 1 }), int(0)]));
    add("round -9.5", call(F::ROUND, vec![Expr::literal(Literal::Decimal { unscaled: -95, scale: 1 }), int(0)]));
    add("'50%' like", call(F::LIKE, vec![text("50%"), text("50\\%")]));
    add("'B' < 'a'", call(F::LT, vec![text("B"), text("a")]));
    add("'a' || null", call(F::CONCAT, vec![text("a"), Expr::null(Type::String)]));
    add("greatest null", call(F::GREATEST, vec![int(1), Expr::null(Type::Integer), column("id")]));
    add("lower of min", call(F::EQ, vec![call(F::LOWER, vec![text("É")]), call(F::UPPER, vec![text("é")])]));
    add("min of lower", call(F::MIN, vec![call(F::LOWER, vec![column("name")])]));
    add("minus minus", call(F::NEGATE, vec![call(F::NEGATE, vec![int(-2)])]));
    let minus = |a, b| call(F::SUBTRACT, vec![a, b]);
    let by = |a, b| call(F::MOD, vec![a, b]);
    add("a - (b - c)", minus(column("ratio"), minus(column("ratio2"), column("ratio"))));
    add("(a - b) - c", minus(minus(column("ratio"), column("ratio2")), column("ratio")));
    add("a % (b * c)", by(column("id"), call(F::MULTIPLY, vec![column("id2"), int(2)])));
    add("(a % b) % c", by(by(column("id"), column("id2")), int(3)));
    let yes = || call(F::EQ, vec![column("flag"), column("flag2")]);
    let or = |a, b| call(F::OR, vec![a, b]);
    let and = |a, b| call(F::AND, vec![a, b]);
    add("(a or b) and not c", and(or(yes(), column("flag")), call(F::NOT, vec![or(yes(), column("flag2"))])));
    add("a or (b and c)", or(yes(), and(column("flag"), and(column("flag2"), yes()))));
    add("not not a", call(F::NOT, vec![call(F::NOT, vec![yes()])]));
    add("(a = b) = c", call(F::EQ, vec![yes(), column("flag")]));
    add("(a = b) is null", call(F::IS_NULL, vec![yes()]));
    add(
        "case",
        Expr {
            kind: ExprKind::Case {
                branches: vec![(or(yes(), column("flag")), int(1)), (column("flag2"), int(-1))],
                otherwise: Some(Box::new(int(0))),
            },
            ty: Type::Integer,
        },
    );
    cases
}

fn page(name: &str) -> String {
    let dialect = Dialect::embedded(name).unwrap_or_else(|error| panic!("{error}"));
    let lines = cases().into_iter().map(|case| {
        let printed = common::expression(&dialect, &case.expr).unwrap_or_else(|error| format!("!! {error}"));
        format!("{} => {}\n", case.label, printed.replace('\n', "⏎"))
    });
    lines.collect()
}

#[test]
fn functions_in_every_dialect() {
    for name in Dialect::names() {
        expect_file![format!("golden/functions.{name}.txt")].assert_eq(&page(name));
    }
}

#[test]
fn every_function_has_a_case() {
    let mut seen = vec![false; F::all().count()];
    for case in cases() {
        mark(&case.expr, &mut seen);
    }
    let missing: Vec<F> = F::all().filter(|f| !seen[f.index()] && !f.is_derived()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn mark(expr: &RelExpr, seen: &mut [bool]) {
    match &expr.kind {
        ExprKind::Call { function, .. } => seen[function.index()] = true,
        ExprKind::Aggregate(call) => seen[call.function.index()] = true,
        ExprKind::Window(call) => seen[call.function.index()] = true,
        _ => {}
    }
    expr.each_child(&mut |child| mark(child, seen));
}

#[test]
fn every_case_parses_in_its_dialect() {
    for (name, parser) in common::parsers() {
        let dialect = Dialect::embedded(name).unwrap();
        for case in cases() {
            let sql = match common::statement(&dialect, &case.expr) {
                Err(PrintError::Unsupported { .. }) => continue,
                sql => sql.unwrap(),
            };
            common::parse(parser.as_ref(), &sql)
                .unwrap_or_else(|error| panic!("{name} {}: {error}\n{sql}", case.label));
        }
    }
}

#[test]
fn what_a_dialect_lacks_is_named_with_its_reason() {
    let postgres = Dialect::embedded("postgres").unwrap();
    let lenient = Expr { kind: ExprKind::Cast { operand: Box::new(column("name")), lenient: true }, ty: Type::Integer };
    let error = common::expression(&postgres, &lenient).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the dialect `postgres` has no `try_cast` of (string): Postgres has no cast that gives null (TRY_CAST); \
         pg_input_is_valid comes with version 16"
    );
    let over = window(F::FIRST, vec![column("name")], Type::String);
    let error = common::expression(&postgres, &over).unwrap_err();
    assert!(matches!(&error, PrintError::Unsupported { function, .. } if function == "first"), "{error}");
    let array = call(F::TEXT, vec![Expr::null(Type::Array(Box::new(Type::String)))]);
    let error = common::expression(&Dialect::embedded("datafusion").unwrap(), &array).unwrap_err();
    assert!(error.to_string().contains("`text` of (array<string>)"), "{error}");
}

#[test]
fn digits_that_an_engine_would_cut_have_a_form_of_their_own() {
    let databricks = Dialect::embedded("databricks").unwrap();
    let printed = |a: Type, b: Type| {
        let product = call(F::MULTIPLY, vec![cast(column("ratio"), a), cast(column("money"), b)]);
        common::expression(&databricks, &product).unwrap()
    };
    assert!(printed(Type::decimal(38, 6), Type::decimal(38, 1)).ends_with("|| 'E-7' AS DECIMAL(38, 7))"));
    // Six digits are kept, and so are more where the whole has fewer than 38.
    for (a, b) in [(Type::decimal(38, 4), Type::decimal(38, 2)), (Type::decimal(12, 6), Type::decimal(12, 6))] {
        assert!(printed(a, b).starts_with("CAST(`s`.`ratio` AS DECIMAL("));
    }
}
