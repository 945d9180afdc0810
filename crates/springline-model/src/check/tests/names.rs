//! Names that clash, names that are taken, and the calendar of UTC.

use expect_test::expect;

use super::{HEAD, load, problems, registry};
use crate::{Severity, check};

#[test]
fn segments_share_their_names_with_the_fields_and_the_primary_key_of_their_entity() {
    let rest = "segments:
  - { name: spent, entity: customer, where: vip }
  - { name: Band, entity: customer, where: vip }
  - { name: customer_id, entity: customer, where: vip }
  - { name: Customer_ID, entity: household, where: big }
  - { name: ID, entity: household, where: big }
  - { name: city, entity: customer, where: vip }
  - { name: Email, entity: customer, where: vip }
  - { name: size, entity: customer, where: vip }
  - { name: region, entity: household, where: big }
  - { name: purchase, entity: customer, where: vip }
";
    let checked = load(&["{ name: spent, expr: sum(purchase.amount) }", "{ name: band, expr: city }"], rest);
    expect![[r#"
        E0107 «spent» segment `spent` has the name of a field of entity `customer`
            segments, fields and the primary key are columns of one table: rename one of the two
        E0107 «Band» segment `Band` differs from field `band` of entity `customer` only in case, which some engines ignore
            segments, fields and the primary key are columns of one table: rename one of the two
        E0107 «customer_id» segment `customer_id` has the name of the primary key of entity `customer`
            segments, fields and the primary key are columns of one table: rename one of the two
        E0107 «Customer_ID» segment `Customer_ID` differs from `customer_id` only in case, which some engines ignore
            rename one of the two
        E0107 «ID» segment `ID` differs from primary key `id` of entity `household` only in case, which some engines ignore
            segments, fields and the primary key are columns of one table: rename one of the two
    "#]].assert_eq(&problems(&checked));
    assert!(checked.diagnostics.iter().all(|d| d.secondary.len() == 1), "both places are shown");
}

#[test]
fn names_that_differ_only_in_case_clash() {
    let rest = "segments:
  - { name: vips, entity: customer, where: vip }
  - { name: VIPs, entity: household, where: big }
  - { name: rest, entity: household, where: { segment: VIPs } }
";
    let fields = ["{ name: spent, expr: '1' }", "{ name: Spent, expr: '2' }", "{ name: Purchase, expr: Spent + 1 }"];
    expect![[r#"
        E0107 «Spent» the name `Spent` differs from `spent` only in case, which some engines ignore
            columns, fields, events and relationships of one entity share their names: rename one of the two
        E0107 «Purchase» the name `Purchase` differs from `purchase` only in case, which some engines ignore
            columns, fields, events and relationships of one entity share their names: rename one of the two
        E0107 «VIPs» segment `VIPs` differs from `vips` only in case, which some engines ignore
            rename one of the two
    "#]]
    .assert_eq(&problems(&load(&fields, rest)));
    // Columns are declared as the source has them.
    assert_eq!(problems(&load(&["{ name: City, expr: city }"], "")), "");
}

#[test]
fn names_fit_the_tables_that_are_named_after_them() {
    let long = "a".repeat(47);
    let named = |name: &str| {
        let rest = format!("segments: [ {{ name: {name}, entity: customer, where: vip }} ]\n");
        problems(&load(&[], &rest))
    };
    assert_eq!(named(&long), "");
    expect![[r#"
        E0105 «aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa» `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` cannot be the name of a segment
            use at most 47 characters; put longer text into `label:`
        E0105 «vips__new» `vips__new` cannot be the name of a segment
            take another ending: `__new` is put behind the name of a table while it is replaced
        E0105 «vips__NEW» `vips__NEW` cannot be the name of a segment
            take another ending: `__new` is put behind the name of a table while it is replaced
    "#]].assert_eq(&(named(&format!("{long}a")) + &named("vips__new") + &named("vips__NEW")));
    assert_eq!(named("vips_new"), "");
}

fn sync(key: &str, map: &str) -> String {
    let rest = format!(
        "destinations: [ {{ name: out, type: file, path: out }} ]
syncs: [ {{ name: x, entity: customer, destination: out, key: {key}, map: {{ {map} }} }} ]
"
    );
    problems(&load(&[], &rest))
}

#[test]
fn mapped_fields_do_not_take_names_that_stand_for_something_else() {
    expect![[r#"
        E0105 «_key» `_key` cannot be the name of a mapped field
            names that begin with `_` are the product's own, such as `_key` and `_op`: take another name
        E0105 «_x» `_x` cannot be the name of a mapped field
            names that begin with `_` are the product's own, such as `_key` and `_op`: take another name
        E0105 «customer_id» the mapped field `customer_id` has the name of the key, but another value
            give it another name, or map the key itself: `customer_id: customer_id`
    "#]]
    .assert_eq(&sync("customer_id", "_key: city, _x: email, customer_id: upper(city)"));
    assert_eq!(sync("customer_id", "customer_id: customer_id, id: customer_id, city_: city"), "");
    assert_eq!(sync("lower(email)", "email: email"), "");
}

#[test]
fn calendar_functions_of_instants_are_warned_of_where_days_begin_elsewhere() {
    let fields = "      - { name: a, expr: \"date_trunc('month', created_at)\" }
      - { name: b, expr: \"extract('year', max(purchase.at)) + 1\" }
      - { name: c, expr: \"days_between(born, created_at)\" }
      - { name: d, expr: cast(created_at as date) }
      - { name: e, expr: \"count(purchase where extract('hour', at) > 20)\" }
      - { name: f, expr: \"extract('year', born) + days_between(born, '2024-01-01') + extract('year', d)\" }
      - { name: g, expr: cast(created_at as string) }
";
    let shown = |zone: &str| {
        let text = format!("timezone: {zone}{HEAD}{fields}");
        let checked = check(vec![("springline.yaml".into(), text)], &registry());
        assert!(checked.project.is_some(), "{}", problems(&checked));
        assert!(checked.diagnostics.iter().all(|d| d.severity == Severity::Warning));
        problems(&checked)
    };
    for utc in ["UTC", "Etc/UTC", "Zulu"] {
        assert_eq!(shown(utc), "");
    }
    expect![[r#"
        E0213 «date_trunc('month', created_at)» field `a`: `date_trunc` of a timestamp counts in UTC, not in Europe/Paris
            days begin at midnight UTC here, and at midnight in Europe/Paris in windows such as `within 90 days`; use a column of type `date` where the local day matters
        E0213 «extract('year', max(purchase.at))» field `b`: `extract` of a timestamp counts in UTC, not in Europe/Paris
            days begin at midnight UTC here, and at midnight in Europe/Paris in windows such as `within 90 days`; use a column of type `date` where the local day matters
        E0213 «days_between(born, created_at)» field `c`: `days_between` of a timestamp counts in UTC, not in Europe/Paris
            days begin at midnight UTC here, and at midnight in Europe/Paris in windows such as `within 90 days`; use a column of type `date` where the local day matters
        E0213 «created_at» field `d`: a cast to `date` of a timestamp counts in UTC, not in Europe/Paris
            days begin at midnight UTC here, and at midnight in Europe/Paris in windows such as `within 90 days`; use a column of type `date` where the local day matters
        E0213 «extract('hour', at)» field `e`: `extract` of a timestamp counts in UTC, not in Europe/Paris
            days begin at midnight UTC here, and at midnight in Europe/Paris in windows such as `within 90 days`; use a column of type `date` where the local day matters
    "#]].assert_eq(&shown("Europe/Paris"));
}
