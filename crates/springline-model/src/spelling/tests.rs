//! Both spellings read back: random conditions, and every example.

use std::collections::HashSet;

use proptest::prelude::*;
use springline_ir::{FunctionId, Literal, Type};

use crate::expr::{Ast, AstKind, Call, Name, Over, Quantifier, Related, read_day, read_instant};
use crate::syntax::{Spanned, parse};
use crate::{FileId, SourceMap, Span, Spelling, respell};

use super::file::read;
use super::same::key;
use super::text::text;
use super::tree::{Names, tree};
use super::yaml::Spot;

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn ast(kind: AstKind) -> Ast {
    Ast { kind, span: NOWHERE }
}

fn name(text: &str) -> Name {
    Name { text: text.to_owned(), quoted: false, span: NOWHERE }
}

fn names() -> Names {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<HashSet<_>>();
    Names { events: set(&["purchase", "visit", "in"]), relationships: set(&["orders"]) }
}

/// Names, some of which are words of SQL, need quotes, or are the event's.
fn any_name() -> impl Strategy<Value = Name> {
    let usual = prop::sample::select(vec![
        "a",
        "city",
        "purchase",
        "visit",
        "orders",
        "household",
        "order",
        "date",
        "select",
        "not",
        "in",
        "within",
        "by",
        "unknown",
        "distinct",
        "first",
        "end",
        "where",
        "Ünï",
        "Café au lait",
        "1st",
        "a\"b",
        "x.y",
        "true",
        "null",
        "from",
        "interval",
        "filter",
        "over",
        "partition",
        "any",
        "member",
        "timestamp",
        "asc",
        "yes",
    ]);
    prop_oneof![8 => usual.prop_map(name), 1 => "[ -~]{1,6}".prop_map(|text| name(&text))]
}

fn any_literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX), -20..20i64, any::<i64>()].prop_map(Literal::Integer),
        (any::<i64>(), 0u8..=38).prop_map(|(n, scale)| Literal::Decimal { unscaled: n.into(), scale }),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Literal::Float),
        prop_oneof![
            prop::sample::select(vec![
                "",
                "web",
                "it's",
                "a: b",
                "# no",
                "- x",
                "10%",
                "90 days",
                "2024-01-31",
                "12",
                "1e5",
                "true",
                "null",
                "~",
                "No",
                " lead",
                "trail ",
                "two  blanks",
                "{{ country }}",
                "\"",
                "\\",
                "é\u{a0}\u{2028}",
                "line\nbreak\ttab",
                "*a",
                "&a",
                "75-99K",
                "x, y",
                "a -- b",
            ])
            .prop_map(str::to_owned),
            "\\PC{0,12}",
        ]
        .prop_map(Literal::String),
        prop::sample::select(vec!["2024-02-29", "0001-01-01", "9999-12-30"])
            .prop_map(|t| Literal::Date(read_day(t).unwrap())),
        prop::sample::select(vec!["2024-02-29T12:34:56.789012Z", "1969-12-31T23:59:59Z", "2024-01-01T00:00:00+02:00"])
            .prop_map(|t| Literal::Timestamp(read_instant(t).unwrap())),
    ]
}

fn any_path() -> impl Strategy<Value = Ast> {
    prop::collection::vec(any_name(), 1..4).prop_map(|names| ast(AstKind::Path(names)))
}

fn within() -> impl Strategy<Value = Option<Spanned<String>>> {
    let windows = prop::sample::select(vec!["90 days", "1 year", "this month"]);
    prop::option::weighted(0.3, windows.prop_map(|w| Spanned { value: w.to_owned(), span: NOWHERE }))
}

fn operator(function: FunctionId, operands: Vec<Ast>) -> Ast {
    ast(AstKind::Operator(function, operands))
}

/// Only trees that reading can give: a sign before a number is part of the number.
fn negate(operand: Ast) -> Ast {
    match &operand.kind {
        AstKind::Literal(Literal::Integer(_) | Literal::Decimal { .. } | Literal::Float(_)) => operand,
        _ => operator(FunctionId::NEGATE, vec![operand]),
    }
}

fn call(function: FunctionId, args: Vec<Ast>, filter: Option<Ast>, within: Option<Spanned<String>>) -> Ast {
    ast(AstKind::Call(Box::new(Call {
        name: name(function.get().name),
        args,
        filter,
        within,
        slice: None,
        over: None,
    })))
}

fn named(function: &str, args: Vec<Ast>, filter: Option<Ast>, within: Option<Spanned<String>>) -> Ast {
    ast(AstKind::Call(Box::new(Call { name: name(function), args, filter, within, slice: None, over: None })))
}

/// An event of a sequence.
fn step(inner: BoxedStrategy<Ast>) -> impl Strategy<Value = Ast> {
    (any_path(), prop::option::weighted(0.4, inner), within())
        .prop_map(|(event, filter, within)| named("step", vec![event], filter, within))
}

fn any_comparison() -> impl Strategy<Value = FunctionId> {
    use FunctionId as F;
    prop::sample::select(vec![F::EQ, F::NE, F::LT, F::LE, F::GT, F::GE])
}

/// The conditions that trees are made of, over parts of any kind.
fn leaves(inner: BoxedStrategy<Ast>) -> BoxedStrategy<Ast> {
    use FunctionId as F;
    let literal = || any_literal().prop_map(|l| ast(AstKind::Literal(l)));
    let filter = || prop::option::weighted(0.4, inner.clone());
    let all_aggregates = vec![F::SUM, F::AVG, F::MIN, F::MAX, F::COUNT_DISTINCT, F::FIRST, F::MEDIAN, F::NTH];
    let (aggregates, aggregates_again) =
        (prop::sample::select(all_aggregates.clone()), prop::sample::select(all_aggregates));
    let quantifiers = prop::sample::select(vec![Quantifier::Any, Quantifier::All, Quantifier::None]);
    let forms = prop::sample::select(vec!["in_window", "entered", "exited", "stayed", "ever_member"]);
    let asked = prop::sample::select(vec!["ends_with", "contains", "regex_match", "birthday_within", "stayed"]);
    prop_oneof![
        (any_comparison(), any_path(), literal()).prop_map(|(f, a, b)| operator(f, vec![a, b])),
        (any_path(), literal(), literal()).prop_map(|(a, b, c)| Ast::between(a, b, c, NOWHERE)),
        (any_path(), prop::collection::vec(literal(), 1..4)).prop_map(|(a, mut all)| {
            all.insert(0, a);
            operator(F::IN, all)
        }),
        (any_path(), literal()).prop_map(|(a, b)| operator(F::LIKE, vec![a, b])),
        (any_path(), literal()).prop_map(|(a, b)| call(F::STARTS_WITH, vec![a, b], None, None)),
        (any_path(), any::<bool>())
            .prop_map(|(a, null)| operator(if null { F::IS_NULL } else { F::IS_NOT_NULL }, vec![a])),
        (any_path(), filter(), within()).prop_map(|(a, c, w)| call(F::EXISTS, vec![a], c, w)),
        (any_path(), filter(), within(), any_comparison(), literal())
            .prop_map(|(a, c, w, f, l)| operator(f, vec![call(F::COUNT, vec![a], c, w), l])),
        (any_path(), filter(), within(), literal(), literal()).prop_map(|(a, c, w, l, m)| Ast::between(
            call(F::COUNT, vec![a], c, w),
            l,
            m,
            NOWHERE
        )),
        (aggregates, any_path(), filter(), within(), any_comparison(), literal())
            .prop_map(|(g, a, c, w, f, l)| operator(f, vec![call(g, vec![a], c, w), l])),
        any_name().prop_map(|n| ast(AstKind::Segment(Spanned { value: n.text, span: NOWHERE }))),
        (quantifiers, prop::collection::vec(any_name(), 1..4), filter(), within()).prop_map(
            |(quantifier, path, filter, within)| {
                ast(AstKind::Related(Box::new(Related { quantifier, path, filter, within })))
            }
        ),
        (forms, any_path(), filter(), within()).prop_map(|(form, a, filter, within)| named(
            form,
            vec![a],
            filter,
            within
        )),
        (asked, any_path(), literal()).prop_map(|(asked, a, l)| named(asked, vec![a, l], None, None)),
        (step(inner.clone()), prop::collection::vec(step(inner.clone()), 0..3), any::<bool>()).prop_map(
            |(first, mut steps, without)| {
                if let (true, Some(Ast { kind: AstKind::Call(last), .. })) = (without, steps.last_mut()) {
                    last.name = name("without");
                }
                steps.insert(0, first);
                named("sequence", steps, None, None)
            }
        ),
        (any_literal(), 0i64..10_100, 0i64..10_100, any::<bool>()).prop_map(|(seed, from, to, decimal)| {
            let share =
                |n: i64| if decimal { Literal::Decimal { unscaled: n.into(), scale: 2 } } else { Literal::Integer(n) };
            let args = [seed, share(from), share(to)].map(|l| ast(AstKind::Literal(l)));
            named("sample", args.into(), None, None)
        }),
        (literal(), aggregates_again, any_path(), prop::collection::vec(literal(), 1..3)).prop_map(
            |(l, g, a, mut all)| {
                all.insert(0, call(g, vec![a], None, None));
                all.push(l);
                operator(F::IN, all)
            }
        ),
    ]
    .boxed()
}

/// Any expression that can be written.
fn any_ast() -> impl Strategy<Value = Ast> {
    use FunctionId as F;
    let leaf = prop_oneof![any_path(), any_literal().prop_map(|l| ast(AstKind::Literal(l)))].boxed();
    let leaf = prop_oneof![1 => leaf.clone(), 2 => leaves(leaf)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let two = prop::sample::select(vec![
            F::EQ,
            F::NE,
            F::LT,
            F::LE,
            F::GT,
            F::GE,
            F::ADD,
            F::SUBTRACT,
            F::MULTIPLY,
            F::DIVIDE,
            F::CONCAT,
            F::LIKE,
        ]);
        let many = || prop::collection::vec(inner.clone(), 2..4);
        let types = prop::sample::select(vec![
            Type::Boolean,
            Type::Integer,
            Type::decimal(12, 2),
            Type::Float,
            Type::String,
            Type::Date,
            Type::Timestamp,
            Type::Json,
        ]);
        let over =
            (prop::collection::vec(inner.clone(), 0..2), prop::collection::vec((inner.clone(), any::<bool>()), 0..3));
        prop_oneof![
            (two, inner.clone(), inner.clone()).prop_map(|(f, a, b)| operator(f, vec![a, b])),
            many().prop_map(|all| operator(F::AND, all)),
            many().prop_map(|all| operator(F::OR, all)),
            many().prop_map(|all| operator(F::IN, all)),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| Ast::between(a, b, c, NOWHERE)),
            (prop::sample::select(vec![F::NOT, F::IS_NULL, F::IS_NOT_NULL]), inner.clone())
                .prop_map(|(f, a)| operator(f, vec![a])),
            inner.clone().prop_map(negate),
            leaves(inner.clone()),
            (prop::collection::vec((inner.clone(), inner.clone()), 1..3), prop::option::of(inner.clone()))
                .prop_map(|(branches, otherwise)| ast(AstKind::Case { branches, otherwise: otherwise.map(Box::new) })),
            (inner.clone(), types, any::<bool>()).prop_map(|(a, ty, lenient)| ast(AstKind::Cast {
                operand: Box::new(a),
                ty,
                lenient
            })),
            (
                prop::sample::select(vec![F::COALESCE, F::LOWER, F::SUBSTRING]),
                prop::collection::vec(inner.clone(), 0..3)
            )
                .prop_map(|(f, args)| call(f, args, None, None)),
            (prop::sample::select(vec![F::NTILE, F::RANK]), prop::collection::vec(inner.clone(), 0..2), over).prop_map(
                |(f, args, (partition_by, order_by))| {
                    let over = Some(Over { partition_by, order_by });
                    let name = name(f.get().name);
                    ast(AstKind::Call(Box::new(Call { name, args, filter: None, within: None, slice: None, over })))
                }
            ),
        ]
    })
}

/// The condition that a `where:` with this value holds.
fn read_value(value: &str, spot: Spot) -> Result<Ast, String> {
    let file = match spot.flow {
        true => format!("{{ where{value} }}"),
        false => format!("{}where{value}\n", " ".repeat(spot.column)),
    };
    let sources = SourceMap::new(vec![("a.yaml".to_owned(), file.clone())]);
    let mut out = Vec::new();
    let root = parse(FileId(0), &file, &mut out).ok_or_else(|| format!("{out:?} in {file}"))?;
    let node = root.get("where").ok_or_else(|| format!("no where in {file}"))?;
    read(node, &sources).ok_or_else(|| format!("not read: {file}"))
}

/// Writes in every way, reads back, and compares. What was read has the same spelling again.
fn check_both_ways(ast: &Ast, spot: Spot) -> Result<(), TestCaseError> {
    let wanted = key(ast);
    let as_text = text(ast).ok_or_else(|| TestCaseError::fail(format!("no text: {wanted}")))?;
    let as_tree = tree(ast, &names()).ok_or_else(|| TestCaseError::fail(format!("no tree: {wanted}")))?;
    let text_value = format!(":{}", super::yaml::Yaml::Text(as_text.clone()).render(spot));
    for value in [text_value, format!(":{}", as_tree.render(spot))] {
        let back = read_value(&value, spot).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&key(&back), &wanted, "{}\n{}", as_text, value);
        prop_assert_eq!(text(&back), Some(as_text.clone()));
        prop_assert_eq!(tree(&back, &names()), Some(as_tree.clone()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_spellings_of_any_condition_read_back(ast in any_ast(), column in 0usize..12, flow in any::<bool>()) {
        check_both_ways(&ast, Spot { column, flow, comment_follows: false })?;
    }
}

/// The examples and golden projects, as the folder holds them.
fn projects() -> Vec<(String, Vec<(String, String)>)> {
    fn collect(dir: &std::path::Path, files: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                files.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["examples", "tests/golden"].map(|parent| std::fs::read_dir(root.join(parent)).unwrap());
    let mut projects = Vec::new();
    for dir in folders.into_iter().flatten().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        collect(&dir, &mut files);
        files.sort();
        projects.push((dir.display().to_string(), files));
    }
    projects
}

/// Every condition of a project, to compare two spellings of it.
fn all_keys(files: &[(String, String)]) -> Vec<String> {
    let sources = SourceMap::new(files.to_vec());
    let mut keys = Vec::new();
    for (file, path, text) in sources.files() {
        let Some(root) = parse(file, text, &mut Vec::new()) else { continue };
        let Some(crate::syntax::NodeKind::Sequence(items)) = root.get("segments").map(|n| &n.kind) else { continue };
        for node in items.iter().filter_map(|item| item.get("where")) {
            keys.push(format!("{path} {}", read(node, &sources).map_or_else(|| "unreadable".to_owned(), |a| key(&a))));
        }
    }
    keys
}

/// The files after they are written anew; nothing may be left out.
fn rewritten(files: &[(String, String)], to: Option<Spelling>) -> Vec<(String, String)> {
    let mut files = files.to_vec();
    for result in respell(files.clone(), to, &|_, _| true) {
        assert!(result.kept.is_empty(), "{:#?}", result.kept);
        let file = files.iter_mut().find(|(path, _)| *path == result.path).unwrap();
        file.1 = result.text;
    }
    files
}

#[test]
fn examples_go_from_either_spelling_to_the_other_and_back() {
    let mut conditions = 0;
    for (dir, files) in projects() {
        let keys = all_keys(&files);
        conditions += keys.len();
        let own = rewritten(&files, None);
        let (texts, trees) = (rewritten(&files, Some(Spelling::Text)), rewritten(&files, Some(Spelling::Tree)));
        for spelling in [&own, &texts, &trees] {
            assert_eq!(all_keys(spelling), keys, "{dir}");
        }
        assert_eq!(rewritten(&own, None), own, "{dir}");
        assert_eq!(rewritten(&texts, Some(Spelling::Tree)), trees, "{dir}: by way of the text");
        assert_eq!(rewritten(&trees, Some(Spelling::Text)), texts, "{dir}: by way of the tree");
        assert_eq!(rewritten(&texts, None), texts, "{dir}: a text is stable");
        assert_eq!(rewritten(&trees, None), trees, "{dir}: a tree is stable");
    }
    assert!(conditions >= 30, "{conditions} conditions");
}

const FILE: &str = "\
# Head.
segments:
  - name: a   # its name
    where:   { field:   city, eq: 'Paris' }   # where it is
    entity: customer

  # Between.
  - { name: b, where: { all: [ { segment: a }, \"count(purchase)>=2\" ] }, entity: customer }
  - name: c
    where:
      all:
      - {field: size, gte: 2, lte: 4}
      # A comment of the second.
      - {segment: b}
  - name: d
    where: >-
      not (member( a ))
      or any(household where (size) = 1)
  # Tail.
";

fn one(file: &str, to: Option<Spelling>) -> crate::Respelled {
    let entities =
        "entities: [{ name: customer, events: [{ name: purchase }], relationships: [{ name: household }] }]\n";
    let files = vec![("m.yaml".to_owned(), entities.to_owned()), ("s.yaml".to_owned(), file.to_owned())];
    let mut all = respell(files, to, &|path, _| path == "s.yaml");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn only_conditions_change_and_comments_stay() {
    let tree = one(FILE, Some(Spelling::Tree));
    expect_test::expect![[r#"
        # Head.
        segments:
          - name: a   # its name
            where: { field: city, eq: Paris }   # where it is
            entity: customer

          # Between.
          - { name: b, where: { all: [{ segment: a }, { event: purchase, count: { gte: 2 } }] }, entity: customer }
          - name: c
            where:
              all:
              - {field: size, gte: 2, lte: 4}
              # A comment of the second.
              - {segment: b}
          - name: d
            where:
              any:
                - not: { segment: a }
                - { related: household, where: { field: size, eq: 1 } }
          # Tail.
    "#]]
    .assert_eq(&tree.text);
    let text = one(FILE, Some(Spelling::Text));
    expect_test::expect![[r##"
        # Head.
        segments:
          - name: a   # its name
            where: "city = 'Paris'"   # where it is
            entity: customer

          # Between.
          - { name: b, where: "member(a) and count(purchase) >= 2", entity: customer }
          - name: c
            where:
              all:
              - {field: size, gte: 2, lte: 4}
              # A comment of the second.
              - {segment: b}
          - name: d
            where: "not member(a) or any(household where size = 1)"
          # Tail.
    "##]]
    .assert_eq(&text.text);
    for result in [&tree, &text] {
        let kept: Vec<_> = result.kept.iter().map(|k| (k.segment.as_str(), k.invalid)).collect();
        assert_eq!(kept, [("c", false)], "a comment inside a condition is never lost: {:?}", result.kept);
    }
    let own: Vec<_> = one(FILE, None).rewritten.iter().map(|r| (r.segment.clone(), r.line)).collect();
    assert_eq!(own, [("a".to_owned(), 4), ("b".to_owned(), 8), ("d".to_owned(), 16)]);
}

#[test]
fn what_cannot_be_kept_whole_is_left_alone() {
    for (file, invalid) in [
        ("segments:\n  - name: a\n    where: &c { field: city, eq: x }\n", false),
        ("x: &c { field: city, eq: x }\nsegments:\n  - name: a\n    where: *c\n", false),
        ("segments:\n  - name: a\n    where: \"city = 1 -- why\"\n", false),
        ("segments:\n  - name: a\n    where: \"city = = 1\"\n", true),
        ("segments:\n  - name: a\n    where: { feild: city, eq: 1 }\n", true),
        ("segments:\n  - name: a\n    where: !x { field: city, eq: 1 }\n", false),
    ] {
        let result = one(file, Some(Spelling::Tree));
        assert_eq!(result.text, file);
        assert_eq!(result.kept.iter().map(|k| k.invalid).collect::<Vec<_>>(), [invalid], "{file}");
    }
}

#[test]
fn parentheses_stand_only_where_they_must() {
    let read_text = |text: &str| {
        let spot = Spot { column: 0, flow: true, comment_follows: false };
        read_value(&format!(": {}", serde_json::to_string(text).unwrap()), spot).unwrap()
    };
    for (written, canonical) in [
        ("((a = 1) AND (b = 2)) or (not (c = 3))", "a = 1 and b = 2 or not c = 3"),
        ("(a or b) and c", "(a or b) and c"),
        ("a - (b - c) - d * (e + 1)", "a - (b - c) - d * (e + 1)"),
        ("(a between 1 and 2) = true", "(a between 1 and 2) = true"),
        ("a >= 1 and a <= 2", "a between 1 and 2"),
        ("NOT (a IN (1,2))", "a not in (1, 2)"),
        (
            "COUNT(purchase WHERE (channel='web') WITHIN  90   days)>3",
            "count(purchase where channel = 'web' within 90 days) > 3",
        ),
        ("any( household where size>=2 ) and Member(vip)", "any(household where size >= 2) and member(vip)"),
        ("case a when 1 then 'x' end = -1.50", "case when a = 1 then 'x' end = -1.50"),
    ] {
        let ast = read_text(written);
        assert_eq!(text(&ast).as_deref(), Some(canonical));
        assert_eq!(key(&read_text(canonical)), key(&ast), "{canonical}");
    }
}
