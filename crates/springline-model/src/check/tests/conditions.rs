//! Condition trees and what becomes of them.

use expect_test::expect;

use super::{field_with, load, segment, short};

#[test]
fn buckets_label_ranges() {
    field_with(
        "{ name: f, bucket: { of: household_id, at: [1, 10], labels: [low, mid, top] } }",
        expect![[
            r#"case(lt(household_id, Integer(1): integer) => String("low"): string, lt(household_id, Integer(10): integer) => String("mid"): string, ge(household_id, Integer(10): integer) => String("top"): string; -) : string"#
        ]],
    );
    field_with(
        "{ name: f, bucket: { of: household_id, at: [1, 10], labels: [low, top] } }",
        expect![[r#"
        E0105 «household_id» 2 bounds need 3 labels, found 2
            `at: [100, 500]` cuts three ranges: `labels: [low, mid, high]`
    "#]],
    );
    field_with(
        "{ name: f, bucket: { of: household_id, at: [10, 1], labels: [low, mid, top] } }",
        expect![[r#"
        E0105 «1» the bound 1 is not above the one before it
            list the bounds from low to high
    "#]],
    );
}

#[test]
fn condition_trees_and_text_are_one_language() {
    segment("\"spent > 1000\"", expect!["gt(field0, Decimal { unscaled: 100000, scale: 2 }: decimal(38,2))"]);
    segment("{ field: spent, gt: 1000 }", expect!["gt(field0, Decimal { unscaled: 100000, scale: 2 }: decimal(38,2))"]);
    segment(
        "{ field: spent, gt: '1000' }",
        expect![[r#"
        E0203 «'1000'» segment `s` compares decimal with text
            write the number without quotes: `1000`
    "#]],
    );
    segment(
        "{ field: created_at, gte: 2024-01-01 }",
        expect!["ge(created_at, Timestamp(2024-01-01T00:00:00Z): timestamp)"],
    );
    segment(
        "{ field: household.size, between: [2, 4] }",
        expect!["and(ge(rel0.size, Integer(2): integer), le(rel0.size, Integer(4): integer))"],
    );
    segment(
        "{ field: city, in: [Paris, 'Aix'], is_null: false, like: 'P%', starts_with: P }",
        expect![[
            r#"and(and(and(in(city, String("Paris"): string, String("Aix"): string), like(city, String("P%"): string)), starts_with(city, String("P"): string)), is_not_null(city))"#
        ]],
    );
    segment(
        "{ field: city, eq: 5 }",
        expect![[r#"
        E0203 «5» segment `s` compares text with integer
            write text in quotes: '5'
    "#]],
    );
    segment("{ field: city, eq: \"' or 1=1 --\" }", expect![[r#"eq(city, String("' or 1=1 --"): string)"#]]);
    segment(
        "{ field: city }",
        expect![[r#"
            E0103 «city» nothing is asked of `city`
                add a comparison: `eq ne gt gte lt lte in not_in between like starts_with ends_with contains matches within birthday_within is_null`
        "#]],
    );
    segment(
        "{ field: upper(city), eq: x }",
        expect![[r#"
            E0202 «upper(city)» `upper(city)` is no name
                name a column, a field or a path such as `household.size`; an expression goes into a text condition
        "#]],
    );
    segment("{ event: purchase }", expect!["exists<Event(EventId(0))>[]"]);
    segment(
        "{ not: { event: purchase, within: 60 days, where: { field: channel, eq: web } } }",
        expect![[r#"not(exists<Event(EventId(0))>[ where eq(channel, String("web"): string) within 60 Day])"#]],
    );
    segment(
        "{ event: purchase, count: { gte: 3, lt: 9 }, sum: { of: amount, gte: 100 } }",
        expect![
            "and(and(ge(count<Event(EventId(0))>[], Integer(3): integer), lt(count<Event(EventId(0))>[], Integer(9): integer)), ge(sum<Event(EventId(0))>[amount], Decimal { unscaled: 10000, scale: 2 }: decimal(38,2)))"
        ],
    );
    segment(
        "{ event: purchase, max: { of: product.price, gt: 5 } }",
        expect!["gt(max<Event(EventId(0))>[rel0.price], Decimal { unscaled: 500, scale: 2 }: decimal(10,2))"],
    );
    segment(
        "{ event: purchase, where: { related: product, where: { field: price, gt: 5 } } }",
        expect![
            "exists<Event(EventId(0))>[ where and(is_not_null(rel0.product_id), coalesce(gt(rel0.price, Decimal { unscaled: 500, scale: 2 }: decimal(10,2)), Boolean(false): boolean))]"
        ],
    );
    segment(
        "{ related: household, where: { all: [ { field: size, gte: 2 }, \"big\" ] } }",
        expect![
            "and(is_not_null(rel0.id), coalesce(and(ge(rel0.size, Integer(2): integer), rel0.field0), Boolean(false): boolean))"
        ],
    );
    segment(
        "{ related: household, count: { gte: 2 } }",
        expect![[r#"
            E0205 «household» segment `s`: `count` needs an event or a one-to-many relationship
                name what it gathers: `count(purchase)`
        "#]],
    );
    segment(
        "{ any: [ { segment: s2 }, \"vip\" ] }",
        expect![[r#"
        E0201 «s2» no segment `s2` in the project
            did you mean `s`?
    "#]],
    );
    segment(
        "{ all: [], any: [] }",
        expect![[r#"
        E0104 «any» a condition is either `all` or `any`
            put the two into a list under `all:` or `any:`
    "#]],
    );
    segment(
        "{ all: [] }",
        expect![[r#"
        E0105 «all» `all` has no conditions
            list at least one condition
    "#]],
    );
    segment(
        "[ \"vip\" ]",
        expect![[r#"
        E0104 «[ "vip" ]» expected a condition, found a list
            put the list under `all:` or `any:`
    "#]],
    );
    segment(
        "{ feild: city, eq: x }",
        expect![[r#"
        E0102 «feild» unknown key `feild`
            did you mean `field`?
    "#]],
    );
    segment(
        "\"city\"",
        expect![[r#"
        E0203 «city» the condition of segment `s` is text, not true or false
            compare it with something, as in `city = 'Paris'`
    "#]],
    );
    segment(
        "\"ntile(3) over (order by city) = 1\"",
        expect![[r#"
        E0212 «ntile(3)» segment `s`: `ntile` can stand only in a computed field, outside aggregates
            declare a computed field with `ntile` and use that here
    "#]],
    );
    segment(
        "{ event: purchase, within: 3 parsecs }",
        expect![[r#"
            E0209 «3 parsecs» no unit of time `parsecs`
                write an amount and a unit, such as `90 days`, or `this month`, `last quarter`, `last 3 calendar months`, `between 2024-01-01 and 2024-03-31`, `since 2024-01-01`, `30 days after signup_at`
        "#]],
    );
    segment(
        "{ event: city }",
        expect![[r#"
        E0205 «city» segment `s`: `exists` needs an event or a one-to-many relationship
            name what it gathers: `exists(purchase)`
    "#]],
    );
    segment(
        "{ event: purchase, where: { segment: s } }",
        expect![[r#"
            E0210 «s» segment `s` is of entity `customer`, this condition of event `purchase`
                refer to segments of the same entity
        "#]],
    );
}

#[test]
fn related_rows_of_a_one_to_many_relationship_are_counted() {
    let rest = "segments:
  - { name: a, entity: household, where: { related: members, where: { field: city, eq: Paris } } }
  - { name: b, entity: household, where: { related: members, count: { between: [2, 3] } } }
  - { name: c, entity: household, where: \"count(members where household.size > 1) > 0\" }
";
    let project = load(&[], rest).project.unwrap();
    let all: Vec<String> = project.segments.iter().map(|s| short(&s.condition)).collect();
    expect![[r#"
        exists<Relationship(RelationshipId(0))>[ where eq(city, String("Paris"): string)]
        and(ge(count<Relationship(RelationshipId(0))>[], Integer(2): integer), le(count<Relationship(RelationshipId(0))>[], Integer(3): integer))
        gt(count<Relationship(RelationshipId(0))>[ where gt(rel0.size, Integer(1): integer)], Integer(0): integer)"#]].assert_eq(&all.join("\n"));
}
