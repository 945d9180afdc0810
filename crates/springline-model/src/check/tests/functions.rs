//! Functions and aggregates: where they stand and what they take.

use expect_test::expect;

use super::{field, field_with};

#[test]
fn functions_are_checked_by_their_signatures() {
    field(
        "uper(city)",
        expect![[r#"
        E0207 «uper» no function `uper`
            did you mean `upper`?
    "#]],
    );
    field(
        "upper(city, city)",
        expect![[r#"
        E0208 «upper(city, city)» field `f`: `upper` takes 1 argument, found 2
            it is `upper(string) -> string`
    "#]],
    );
    field(
        "upper(household_id)",
        expect![[r#"
        E0208 «upper(household_id)» field `f`: `upper` does not take (integer)
            it is `upper(string) -> string`
    "#]],
    );
    field("UPPER(trim(city))", expect!["upper(trim(city)) : string"]);
    field(
        "date_trunc('weak', created_at)",
        expect![[r#"
        E0208 «'weak'» field `f`: `date_trunc` does not know 'weak'
            did you mean `week`?
    "#]],
    );
    field(
        "extract(year from created_at)",
        expect![[r#"
            E0202 «from» the language has no `from` inside a function; separate the arguments with commas
                -
        "#]],
    );
    field("substring(city, 1, 2)", expect!["substring(city, Integer(1): integer, Integer(2): integer) : string"]);
    field(
        "round(score)",
        expect![[r#"
        E0208 «round(score)» field `f`: `round` takes 2 arguments, found 1
            it is `round(number, digits) -> number`
    "#]],
    );
    field(
        "is_null(city)",
        expect![[r#"
        E0207 «is_null» no function `is_null`
            -
    "#]],
    );
    field(
        "sum(purchase)",
        expect![[r#"
        E0208 «sum(purchase)» field `f`: `sum` needs a column of `purchase`
            name one: `sum(purchase.amount)`
    "#]],
    );
    field(
        "sum(purchase.channel)",
        expect![[r#"
        E0208 «sum(purchase.channel)» field `f`: `sum` does not take (text)
            it is `sum(number) -> number`
    "#]],
    );
    field(
        "upper(city where vip)",
        expect![[r#"
        E0208 «upper» `upper` is no aggregate: it takes no `where`
            it is `upper(string) -> string`
    "#]],
    );
    field(
        "ntile(10) over (order by count(purchase) desc, city)",
        expect!["ntile(Integer(10): integer) over (; count<Event(EventId(0))>[] true, city false) : integer"],
    );
    field(
        "row_number() over (partition by city order by born)",
        expect!["row_number() over (city; born false) : integer"],
    );
    field(
        "ntile(0) over (order by born)",
        expect![[r#"
        E0208 «ntile(0)» field `f`: `ntile` takes one whole number above 0
            it is `ntile(n) over (order by ...) -> integer`
    "#]],
    );
    field(
        "rank()",
        expect![[r#"
        E0208 «rank()» field `f`: `rank` needs `over (order by …)`
            it is `rank() over (order by ...) -> integer`
    "#]],
    );
    field(
        "median(score) over (order by born)",
        expect![[r#"
        E0212 «median(score)» field `f`: `median` takes no `over`
            `over` is for window functions and for `sum`, `count`, `avg`, `min` and `max`
    "#]],
    );
    field(
        "1 + rank() over (order by rank() over (order by born))",
        expect![[r#"
        E0212 «rank()» field `f`: `rank` can stand only in a computed field, outside aggregates
            declare a computed field with `rank` and use that here
    "#]],
    );
}

#[test]
fn aggregates_stand_where_there_is_something_to_gather() {
    field(
        "sum(score)",
        expect![[r#"
        E0205 «sum(score)» field `f`: `sum` needs an event or a one-to-many relationship
            name what it gathers: `sum(purchase.…)`
    "#]],
    );
    field(
        "count()",
        expect![[r#"
        E0205 «count()» field `f`: `count` needs an event or a one-to-many relationship
            name what it gathers: `count(purchase)`
    "#]],
    );
    field(
        "sum(purchse.amount)",
        expect![[r#"
            E0201 «purchse» entity `customer` has no column, field or event `purchse`
                did you mean `purchase`?
        "#]],
    );
    field(
        "sum(count(purchase))",
        expect![[r#"
        E0205 «count(purchase)» field `f`: `count` stands inside another aggregate
            declare the inner one as a computed field, and compare outside
    "#]],
    );
    field(
        "count(purchase where sum(purchase.amount) > 3)",
        expect![[r#"
        E0205 «sum(purchase.amount)» field `f`: `sum` stands inside another aggregate
            declare the inner one as a computed field, and compare outside
    "#]],
    );
    field(
        "count(purchase where city = 'x')",
        expect![[r#"
        E0201 «city» event `purchase` has no column `city`
            inside an aggregate, names are columns of what it gathers; `city` is of entity `customer`
    "#]],
    );
    field(
        "sum(household.size)",
        expect![[r#"
        E0205 «sum(household.size)» field `f`: `sum` needs an event or a one-to-many relationship
            name what it gathers: `sum(purchase.…)`
    "#]],
    );
    field(
        "count(purchase within soon)",
        expect![[r#"
            E0209 «soon» `soon` is not a window of time: it has no amount
                write an amount and a unit, such as `90 days`, or `this month`, `last quarter`, `last 3 calendar months`, `between 2024-01-01 and 2024-03-31`, `since 2024-01-01`, `30 days after signup_at`
        "#]],
    );
    field(
        "count(purchase within)",
        expect![[r#"
            E0209 «» `within` has no window of time
                write an amount and a unit, such as `90 days`, or `this month`, `last quarter`, `last 3 calendar months`, `between 2024-01-01 and 2024-03-31`, `since 2024-01-01`, `30 days after signup_at`
        "#]],
    );
    field_with(
        "{ name: f, expr: upper(city), within: 3 days }",
        expect![[r#"
        E0209 «3 days» field `f` has a window, but no aggregate over an event
            remove `within`, or use an aggregate over an event, such as `count(purchase)`
    "#]],
    );
    field_with(
        "{ name: f, expr: count(purchase), within: 3 dayz }",
        expect![[r#"
        E0209 «3 dayz» no unit of time `dayz`
            did you mean `3 days`?
    "#]],
    );
    field_with(
        "{ name: f, expr: count(purchase), default: none }",
        expect![[r#"
        E0203 «none» field `f` has a default that mixes integer with text
            -
    "#]],
    );
}

#[test]
fn an_engines_own_sql_is_read_and_traced() {
    let native =
        |decl: &str, expected: expect_test::Expect| super::field_with(&format!("{{ name: f, {decl} }}"), expected);
    native(
        "type: string, sql: { postgres: \"initcap(city) || '-' || 'city'\", duckdb: 'upper(\"city\")' }",
        expect![[
            r#"sql[NativeForm { dialect: "postgres", pieces: [Text("initcap("), Arg(0), Text(") || '-' || 'city'")] }, NativeForm { dialect: "duckdb", pieces: [Text("upper("), Arg(0), Text(")")] }] : string"#
        ]],
    );
    native(
        "sql: { postgres: initcap(city) }",
        expect![[r#"
        E0103 «f» field `f` has `sql` and no `type`
            say what it is: `type: string`
    "#]],
    );
    native(
        "type: string, sql: {}",
        expect![[r#"
        E0103 «f» `sql` of field `f` names no dialect
            write it as in `sql: { postgres: initcap(city) }`
    "#]],
    );
    native(
        "type: string, sql: { postgres: initcap(town) }",
        expect![[r#"
        E0201 «town» the source of entity `customer` has no column `town`
            there are `born`, `city`, `created_at`, `customer_id`, `email`, `household_id`, `score`, `vip`
    "#]],
    );
    native(
        "type: string, sql: { postgres: 'city; drop table x' }",
        expect![[r#"
        E0202 «'city; drop table x'» field `f`: unexpected `;` after the expression
            write one expression over the columns of the entity's source, in the engine's own SQL
    "#]],
    );
    native(
        "type: string, sql: { postgres: '(select max(city) from other)' }",
        expect![[r#"
        E0202 «'(select max(city) from other)'» field `f`: a subquery reads what cannot be traced
            write one expression over the columns of the entity's source, in the engine's own SQL
    "#]],
    );
    native(
        "type: string, sql: { postgres: 'city /* */ || now()' }",
        expect![[r#"
        E0202 «'city /* */ || now()'» field `f`: engines differ in what a comment is
            write one expression over the columns of the entity's source, in the engine's own SQL
    "#]],
    );
    native(
        "type: timestamp, sql: { postgres: 'greatest(created_at, now())' }",
        expect![[r#"
        E0202 «'greatest(created_at, now())'» field `f`: `now` is another clock than the run's `as_of`
            write one expression over the columns of the entity's source, in the engine's own SQL
    "#]],
    );
    native(
        "type: string, expr: city",
        expect![[r#"
        E0104 «string» field `f` has a `type`, which its `expr` tells already
            remove it, or convert with `cast(… as …)`
    "#]],
    );
    native(
        "type: string, expr: city, sql: { postgres: city }",
        expect![[r#"
        E0104 «postgres» field `f` has both `expr` and `sql`
            keep one of the two
    "#]],
    );
    native(
        "type: string, sql: { postgres: city }, default: none",
        expect![[
            r#"coalesce(sql[NativeForm { dialect: "postgres", pieces: [Text(""), Arg(0), Text("")] }], String("none"): string) : string"#
        ]],
    );
}
