//! Expressions: leaves, types, and what is refused.

use expect_test::expect;

use super::{field, field_with};

#[test]
fn aggregates_gather_events_and_related_rows() {
    field("sum(purchase.amount)", expect!["sum<Event(EventId(0))>[amount] : decimal(38,2)"]);
    field("count(purchase)", expect!["count<Event(EventId(0))>[] : integer"]);
    field(
        "count(purchase where channel in ('web', 'app') within 90 days)",
        expect![[
            r#"count<Event(EventId(0))>[ where in(channel, String("web"): string, String("app"): string) within 90 Day] : integer"#
        ]],
    );
    field(
        "exists(purchase where purchase.channel = 'web' and product.price > 10)",
        expect![[
            r#"exists<Event(EventId(0))>[ where and(eq(channel, String("web"): string), gt(rel0.price, Decimal { unscaled: 1000, scale: 2 }: decimal(10,2)))] : boolean"#
        ]],
    );
    field("max(purchase.at)", expect!["max<Event(EventId(0))>[ordered_at] : timestamp"]);
    field(
        "sum(purchase.product.price * 2)",
        expect!["sum<Event(EventId(0))>[multiply(rel0.price, Integer(2): integer)] : decimal(38,2)"],
    );
    field_with(
        "{ name: f, expr: count(purchase) + count(purchase within 1 day), within: 90 days, default: 0 }",
        expect![
            "coalesce(add(count<Event(EventId(0))>[ within 90 Day], count<Event(EventId(0))>[ within 1 Day]), Integer(0): integer) : integer"
        ],
    );
    field(
        "first(purchase.channel within 2 weeks)",
        expect!["first<Event(EventId(0))>[channel within 2 Week] : string"],
    );
}

#[test]
fn paths_lead_over_relationships() {
    field("household.region || '!'", expect![[r#"concat(rel0.region, String("!"): string) : string"#]]);
    field("household.big", expect!["rel0.field0 : boolean"]);
    field(
        "household",
        expect![[r#"
        E0202 «household» `household` is a relationship, not a value
            name a column or field of it: `household.id`
    "#]],
    );
    field(
        "household.members.city",
        expect![[r#"
            E0204 «household.members.city» `members.city` has many values for each row of entity `household`
                declare a computed field of entity `household` with an aggregate, and use that here
        "#]],
    );
    field(
        "city.name",
        expect![[r#"
        E0201 «name» `city` is a column: it has no `name`
            -
    "#]],
    );
    field(
        "purchase.amount",
        expect![[r#"
        E0204 «purchase.amount» `purchase.amount` has many values for each row of entity `customer`
            use an aggregate: `sum(purchase.amount)`, `max(purchase.amount)` or `most_frequent(purchase.amount)`
    "#]],
    );
}

#[test]
fn operands_are_brought_to_one_type() {
    field(
        "sum(purchase.amount) > 1000",
        expect!["gt(sum<Event(EventId(0))>[amount], Decimal { unscaled: 100000, scale: 2 }: decimal(38,2)) : boolean"],
    );
    field("score > 5", expect!["gt(score, Float(5.0): float) : boolean"]);
    field(
        "household_id + 1.5",
        expect![
            "add(cast(household_id as decimal(20,1), false), Decimal { unscaled: 15, scale: 1 }: decimal(20,1)) : decimal(21,1)"
        ],
    );
    field("household_id = 3.0", expect!["eq(household_id, Integer(3): integer) : boolean"]);
    field("created_at > '2024-01-01'", expect!["gt(created_at, Timestamp(2024-01-01T00:00:00Z): timestamp) : boolean"]);
    field("created_at > born", expect!["gt(created_at, cast(born as timestamp, false)) : boolean"]);
    field(
        "born between '2000-01-01' and '2000-12-31'",
        expect!["and(ge(born, Date(2000-01-01): date), le(born, Date(2000-12-31): date)) : boolean"],
    );
    field(
        "coalesce(score, household_id, null)",
        expect!["coalesce(score, cast(household_id as float, false), Null: float) : float"],
    );
    field(
        "case when vip then 1 when city is null then 2.5 else null end",
        expect![
            "case(vip => Decimal { unscaled: 10, scale: 1 }: decimal(20,1), is_null(city) => Decimal { unscaled: 25, scale: 1 }: decimal(20,1); Null: decimal(20,1)) : decimal(20,1)"
        ],
    );
    field(
        "city not in ('a', 'b') and not vip or -household_id < -3",
        expect![[
            r#"or(and(not(in(city, String("a"): string, String("b"): string)), not(vip)), lt(negate(household_id), Integer(-3): integer)) : boolean"#
        ]],
    );
    field(
        "cast(score as decimal(12,2)) * household_id / 2",
        expect![
            "divide(multiply(cast(score as decimal(12,2), false), household_id), Integer(2): integer) : decimal(38,6)"
        ],
    );
    field(
        "try_cast(city as integer)",
        expect![[
            r#"cast(case(regex_match(city, String("^-?[0-9]{1,18}$"): string) => city; -) as integer, false) : integer"#
        ]],
    );
    field("cast(born as string)", expect!["text(born) : string"]);
    field(
        "days_between('2024-01-01', created_at)",
        expect!["days_between(Date(2024-01-01): date, created_at) : integer"],
    );
}

#[test]
fn types_that_do_not_go_together_are_reported_with_both() {
    field(
        "sum(purchase.amount) > '1000'",
        expect![[r#"
        E0203 «'1000'» field `f` compares decimal with text
            write the number without quotes: `1000`
    "#]],
    );
    field(
        "city = 5",
        expect![[r#"
        E0203 «5» field `f` compares text with integer
            write text in quotes: '5'
    "#]],
    );
    field(
        "born > 'yesterday'",
        expect![[r#"
        E0203 «'yesterday'» field `f`: 'yesterday' is no date
            write it as in '2024-01-31' or '2024-01-31T12:00:00Z'
    "#]],
    );
    field(
        "city = null",
        expect![[r#"
            E0203 «null» field `f` compares with null, which is never true
                write `is null`, or `is_null: true` in a condition tree
        "#]],
    );
    field(
        "city in ('a', null)",
        expect![[r#"
        E0203 «null» field `f` compares with null, which is never true
            take null out of the list and add `or … is null`
    "#]],
    );
    field(
        "created_at + 1",
        expect![[r#"
            E0203 «1» field `f` adds timestamp with integer
                count days with `days_between(a, b)`; windows of time are `within 90 days`
        "#]],
    );
    field(
        "city || household_id",
        expect![[r#"
            E0203 «city || household_id» field `f` joins text and integer
                concat(string, ...) -> string; make text of other values with `cast(a as string)`
        "#]],
    );
    field(
        "vip and city",
        expect![[r#"
        E0203 «city» an operand of `and` is text, not true or false
            compare it with something, as in `city = 'Paris'`
    "#]],
    );
    field(
        "cast(vip as date)",
        expect![[r#"
        E0203 «vip» field `f` casts boolean to date
            numbers, dates and text can be cast into one another; use `case when … then … end` otherwise
    "#]],
    );
    field(
        "null",
        expect![[r#"
        E0203 «null» field `f` is always null
            give it a value
    "#]],
    );
}

#[test]
fn what_is_not_in_the_language_is_named() {
    field(
        "(select max(amount) from orders)",
        expect![[r#"
            E0202 «select» the language has no subqueries; use an aggregate over an event or relationship
                -
        "#]],
    );
    field(
        "city in (select city from x)",
        expect![[r#"
            E0202 «select» the language has no subqueries; use an aggregate over an event or relationship
                -
        "#]],
    );
    field(
        "city ilike 'a%'",
        expect![[r#"
        E0202 «city» the language has no `ilike`; write `lower(a) like 'b%'`
            -
    "#]],
    );
    field(
        "created_at > now() - interval '90' day",
        expect![[r#"
            E0202 «interval» the language has no intervals; use `within 90 days` inside an aggregate
                -
        "#]],
    );
    field(
        "count(*)",
        expect![[r#"
        E0202 «count» the language has no `*` argument
            to count events write the event's name: `count(purchase)`
    "#]],
    );
    field(
        "count(distinct purchase.channel)",
        expect![[r#"
        E0202 «count» the language has no `distinct` inside a function
            write `count_distinct(purchase.channel)`
    "#]],
    );
    field(
        "city::text",
        expect![[r#"
        E0202 «city» the language has no operator `::`
            write `cast(a as integer)`
    "#]],
    );
    field(
        "cast(city as varchar)",
        expect![[r#"
        E0202 «city» no type `varchar` to cast to
            types are boolean, integer, decimal(12,2), float, string, date, timestamp, json, array<string>
    "#]],
    );
    field(
        "household_id % 2 = 0",
        expect![[r#"
        E0202 «household_id» the language has no operator `%`
            write `mod(a, b)`
    "#]],
    );
    field(
        "household_id ^ 2",
        expect![[r#"
        E0202 «household_id» the language has no operator `^`
            -
    "#]],
    );
    field(
        "99999999999999999999",
        expect![[r#"
        E0202 «99999999999999999999» the number 99999999999999999999 is out of range
            integers have 64 bits, decimals at most 38 digits
    "#]],
    );
    field(
        "a where b",
        expect![[r#"
        E0202 «where» unexpected `where` after the expression
            `where` stands inside an aggregate: `count(purchase where channel = 'web')`
    "#]],
    );
    field(
        "(city",
        expect![[r#"
        E0202 «(» `(` is not closed
            -
    "#]],
    );
    field(
        "city)",
        expect![[r#"
        E0202 «)» `)` without a `(`
            -
    "#]],
    );
    field(
        "city =",
        expect![[r#"
            E0202 «=» expected an expression, found the end
                -
        "#]],
    );
    field(
        "city = 'Paris",
        expect![[r#"
        E0202 «'Paris» unterminated string literal
            -
    "#]],
    );
    field(
        "city == 'Paris'; drop table x",
        expect![[r#"
        E0202 «;» unexpected `;` after the expression
            -
    "#]],
    );
    field(
        "city = \\\"Paris\\\"",
        expect![[r#"
            E0201 «\"Paris\"» entity `customer` has no column, field or event `Paris`
                double quotes are for names; write text in single quotes: 'Paris'
        "#]],
    );
    field(
        "(1, 2)",
        expect![[r#"
        E0202 «1» the language has no rows of several values
            -
    "#]],
    );
    field(
        "",
        expect![[r#"
        E0202 «""» the expression is empty
            -
    "#]],
    );
}
