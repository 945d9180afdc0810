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
            write an amount and a unit: `30 minutes`, `12 hours`, `90 days`, `2 weeks`, `3 months`, `1 year`
    "#]],
    );
    field(
        "count(purchase within)",
        expect![[r#"
            E0209 «» `within` has no window of time
                write an amount and a unit: `30 minutes`, `12 hours`, `90 days`, `2 weeks`, `3 months`, `1 year`
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
