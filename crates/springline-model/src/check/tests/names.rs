//! Names that clash, names that are taken, and the calendar of the project.

use expect_test::expect;

use super::{HEAD, load, problems, registry};
use crate::check;

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
fn calendar_functions_of_instants_count_where_the_project_is() {
    let field = |zone: &str, expr: &str| {
        let text = format!("timezone: {zone}{HEAD}      - {{ name: f, expr: \"{expr}\" }}\n");
        let checked = check(vec![("springline.yaml".into(), text)], &registry());
        assert!(checked.diagnostics.is_empty(), "{}", problems(&checked));
        super::short(&checked.project.expect("a project").entities[2].fields[0].expr)
    };
    let exprs = [
        "date_trunc('month', created_at)",
        "extract('hour', created_at)",
        "days_between(born, created_at)",
        "cast(created_at as date)",
        "cast(born as timestamp)",
        "born = created_at",
        "created_at >= '2024-06-30'",
        "extract('year', born)",
        "cast(as_of() as date)",
    ];
    let all = |zone: &str| exprs.map(|expr| field(zone, expr)).join("\n");
    assert_eq!(all("UTC"), all("Etc/UTC"));
    assert!(!all("UTC").contains("local_time"));
    expect![[r#"
        instant_of(date_trunc(String("month"): string, local_time(created_at, String("Europe/Paris"): string)), String("Europe/Paris"): string)
        extract(String("hour"): string, local_time(created_at, String("Europe/Paris"): string))
        days_between(born, local_time(created_at, String("Europe/Paris"): string))
        cast(local_time(created_at, String("Europe/Paris"): string) as date, false)
        instant_of(cast(born as timestamp, false), String("Europe/Paris"): string)
        eq(instant_of(cast(born as timestamp, false), String("Europe/Paris"): string), created_at)
        ge(created_at, Timestamp(2024-06-29T22:00:00Z): timestamp)
        extract(String("year"): string, born)
        as_of"#]].assert_eq(&all("Europe/Paris"));
}
