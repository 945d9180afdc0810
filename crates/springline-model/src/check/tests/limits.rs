//! Order of the check, limits, and syncs.

use std::time::Instant;

use expect_test::expect;
use springline_ir::Expr;

use super::{load, problems};
use crate::{Code, Leaf, Limit, Mode, Pii};

#[test]
fn fields_are_checked_in_the_order_of_their_needs_and_cycles_are_named() {
    let fields = ["{ name: a, expr: b + 1 }", "{ name: b, expr: c + 1 }", "{ name: c, expr: household_id }"];
    assert!(load(&fields, "").project.is_some());
    let fields = [
        "{ name: a, expr: b + d }",
        "{ name: b, expr: c }",
        "{ name: c, expr: a }",
        "{ name: d, expr: d }",
        "{ name: e, expr: d }",
    ];
    expect![[r#"
        E0206 «a» fields need one another: `a` → `b` → `c` → `a`
            define one of them without the others
        E0206 «d» field `d` needs itself
            define one of them without the others
    "#]]
    .assert_eq(&problems(&load(&fields, "")));
}

/// A chain of so many fields and one of so many segments.
fn chain(length: usize) -> crate::Checked {
    let last = length - 1;
    let fields: Vec<String> = (0..last).map(|i| format!("{{ name: f{i}, expr: \"f{} + 1\" }}", i + 1)).collect();
    let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let end = format!("{{ name: f{last}, expr: household_id }}");
    fields.push(&end);
    let mut rest = "segments:\n".to_owned();
    for i in 0..last {
        rest.push_str(&format!("  - {{ name: s{i}, entity: customer, where: {{ segment: s{} }} }}\n", i + 1));
    }
    rest.push_str(&format!("  - {{ name: s{last}, entity: customer, where: vip }}\n"));
    load(&fields, &rest)
}

#[test]
fn a_chain_of_definitions_has_an_end() {
    assert_eq!(problems(&chain(200)), "");
    let long = chain(2000);
    assert!(long.project.is_none());
    assert!(
        !long.diagnostics.is_empty() && long.diagnostics.iter().all(|d| d.code == Code::LongChain),
        "{}",
        problems(&long)
    );
}

#[test]
fn a_chain_runs_on_from_segments_to_fields_and_is_reported_once() {
    let fields: Vec<String> = (1..=150).map(|i| format!("{{ name: f{i}, expr: \"f{} + 1\" }}", i - 1)).collect();
    let mut list = vec!["{ name: f0, expr: household_id }"];
    list.extend(fields.iter().map(String::as_str));
    let mut rest = "segments:\n  - { name: s0, entity: customer, where: f150 > 3 }\n".to_owned();
    for i in 1..=100 {
        rest.push_str(&format!("  - {{ name: s{i}, entity: customer, where: {{ segment: s{} }} }}\n", i - 1));
    }
    expect![[r#"
        E0214 «s49» segment `s49` builds upon a chain of more than 200 definitions
            compute some of them in one expression, or build upon an earlier one directly
    "#]]
    .assert_eq(&problems(&load(&list, &rest)));
}

#[test]
fn deep_and_long_expressions_end_in_a_message() {
    let cases = [
        format!("{}1{}", "(".repeat(5000), ")".repeat(5000)),
        "(".repeat(100_000),
        "not ".repeat(3000) + "vip",
        format!("1{}", " + 1".repeat(1500)),
        format!("vip{}", " and vip".repeat(1500)),
        format!("vip{}", " and vip".repeat(15000)),
        "case ".repeat(400),
        "cast(".repeat(45),
        "case when ".repeat(60),
        "a.".repeat(2000),
        "a.b.".repeat(2) + "(",
        "-".repeat(2000) + "1",
        "- ".repeat(2000) + "1",
        "upper(".repeat(45) + "city",
        format!("{}city{}", "upper(".repeat(45), ")".repeat(45)),
        "city in (".repeat(45),
        "x between ".repeat(90),
        "date ".repeat(90),
        "array[".repeat(90),
        "interval ".repeat(90),
        "not ".repeat(90) + "vip",
        format!("1{}", " + 1".repeat(95)),
        format!("{}1{}", "coalesce(2, ".repeat(48), ")".repeat(48)),
        format!("{}1{}", "case when vip then (".repeat(45), ") end".repeat(45)),
        format!("city{}", " is null".repeat(90)),
    ];
    for case in &cases {
        let start = Instant::now();
        let checked = load(&[&format!("{{ name: f, expr: \"{case}\" }}")], "");
        let shown = &case[..case.len().min(40)];
        assert!(checked.diagnostics.iter().all(|d| d.code != Code::InvalidYaml), "{shown} {:?}", checked.diagnostics);
        assert!(start.elapsed().as_secs() < 5, "{shown} took {:?}", start.elapsed());
    }
}

#[test]
fn a_segment_of_many_conditions_has_a_shallow_tree() {
    let all: Vec<String> = (0..3000).map(|i| format!("{{ field: household_id, ne: {i} }}")).collect();
    let rest = format!("segments:\n  - {{ name: s, entity: customer, where: {{ all: [{}] }} }}\n", all.join(", "));
    let project = load(&[], &rest).project.unwrap();
    fn depth(expr: &Expr<Leaf>) -> usize {
        let mut deepest = 0;
        expr.each_child(&mut |child| deepest = deepest.max(depth(child)));
        deepest + 1
    }
    assert!(depth(&project.segments[0].condition) < 200);
}

#[test]
fn a_sync_knows_what_person_related_data_it_sends() {
    let rest = "destinations: [ { name: out, type: file, path: out } ]
segments: [ { name: s, entity: customer, where: vip } ]
syncs:
  - name: x
    segment: s
    destination: out
    mode: mirror
    key: customer_id
    map: { mail: sha256(lower(mail)), city: city, has: email is null, n: count(purchase) }
    guards: { max_removed: 20%, max_added: 500, min_rows: 1 }
";
    let checked = load(&["{ name: mail, expr: trim(email) }"], rest);
    let project = checked.project.as_ref().unwrap_or_else(|| panic!("{}", problems(&checked)));
    let sync = &project.syncs[0];
    let pii: Vec<_> = sync.map.iter().map(|m| (m.field.as_str(), m.pii)).collect();
    assert_eq!(pii, [("mail", Some(Pii::Email)), ("city", None), ("has", None), ("n", None)]);
    assert_eq!((sync.key_name.as_str(), sync.mode), ("customer_id", Mode::Mirror));
    assert_eq!(sync.guards.max_removed, Some(Limit::Percent(20.0)));
}
