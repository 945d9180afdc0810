//! Conditions with a form of their own: what each becomes, in text as in a tree, and how misuse is told.

use expect_test::expect;

use super::{field, load, problems, segment, short};

/// Both spellings become one condition.
fn same(tree: &str, text: &str) {
    let condition = |spelled: &str| {
        let rest = format!(
            "segments:\n  - {{ name: other, entity: customer, where: vip }}\n  - {{ name: s, entity: customer, where: {spelled} }}\n"
        );
        let checked = load(&[], &rest);
        match &checked.project {
            Some(project) => short(&project.segments[1].condition),
            None => panic!("{spelled}: {}", problems(&checked)),
        }
    };
    assert_eq!(condition(tree), condition(&format!("\"{text}\"")), "{tree}");
}

#[test]
fn a_tree_and_a_text_say_the_same() {
    same("{ related: household }", "any(household)");
    same("{ related: household, where: size > 2 }", "any(household where size > 2)");
    same(
        "{ related: household.members, match: all, where: { field: vip, eq: true } }",
        "all(household.members where vip = true)",
    );
    same("{ related: household.members, match: none, where: vip }", "not any(household.members where vip)");
    same("{ related: household.members, count: { gte: 2 } }", "count(household.members) >= 2");
    same("{ event: purchase, match: all, where: amount > 1 }", "all(purchase where amount > 1)");
    same("{ event: purchase, within: this month }", "exists(purchase within this month)");
    same("{ event: purchase, first: { of: channel, in: [web] } }", "first(purchase.channel) in ('web')");
    same(
        "{ event: purchase, count: { gte: 3 }, within: each of 4 weeks }",
        "count(purchase within each of 4 weeks) >= 3",
    );
    same(
        "{ event: purchase, where: amount > 1, within: 30 days, then: [ { event: purchase } ], without: { event: purchase, where: amount > 2 } }",
        "sequence(step(purchase where amount > 1 within 30 days), purchase, without(purchase where amount > 2))",
    );
    same("{ segment: other }", "member(other)");
    same("{ segment: other, entered: 7 days }", "entered(other within 7 days)");
    same("{ segment: other, exited: last month }", "exited(other within last month)");
    same("{ segment: other, stayed: 30 days }", "stayed(other within 30 days)");
    same("{ segment: other, ever: false }", "not ever_member(other)");
    same("{ field: created_at, within: 30 days }", "in_window(created_at within 30 days)");
    same("{ field: created_at, within: since born }", "created_at >= born");
}

#[test]
fn aggregates_go_over_paths() {
    field(
        "count(household.members)",
        expect!["coalesce(rel0.count<Relationship(RelationshipId(0))>[], Integer(0): integer) : integer"],
    );
    field(
        "sum(household.members.purchase.amount)",
        expect!["rel0.sum<Relationship(RelationshipId(0))>[sum<Event(EventId(0))>[amount]] : decimal(38,2)"],
    );
    field(
        "count(household.members.purchase where channel = 'web')",
        expect![[
            r#"coalesce(coalesce(rel0.sum<Relationship(RelationshipId(0))>[count<Event(EventId(0))>[ where eq(channel, String("web"): string)]], Integer(0): integer), Integer(0): integer) : integer"#
        ]],
    );
    field(
        "avg(household.members.purchase.amount within 30 days)",
        expect![
            "divide(rel0.sum<Relationship(RelationshipId(0))>[sum<Event(EventId(0))>[amount within 30 Day]], rel0.sum<Relationship(RelationshipId(0))>[count<Event(EventId(0))>[amount within 30 Day]]) : decimal(38,6)"
        ],
    );
    field(
        "exists(household.members.purchase)",
        expect![
            "coalesce(rel0.exists<Relationship(RelationshipId(0))>[ where exists<Event(EventId(0))>[]], Boolean(false): boolean) : boolean"
        ],
    );
    field(
        "median_of(household.members)",
        expect![[r#"
            E0207 «median_of» no function `median_of`
                did you mean `median`?
        "#]],
    );
    field(
        "most_frequent(household.members.purchase.channel)",
        expect![[r#"
        E0205 «most_frequent(household.members.purchase.channel)» field `f`: `most_frequent` cannot gather over several relationships at once
            use `count`, `sum`, `avg`, `min`, `max` or `exists`, or declare a computed field of the entity in between
    "#]],
    );
    field(
        "count(household.members where count(members.purchase) > 3)",
        expect![
            "coalesce(rel0.count<Relationship(RelationshipId(0))>[ where gt(count<Event(EventId(0))>[], Integer(3): integer)], Integer(0): integer) : integer"
        ],
    );
    field(
        "sum(household.size)",
        expect![[r#"
        E0205 «sum(household.size)» field `f`: `sum` needs an event or a one-to-many relationship
            name what it gathers: `sum(purchase.…)`
    "#]],
    );
    field(
        "count(household)",
        expect![[r#"
        E0205 «count(household)» field `f`: `count` needs an event or a one-to-many relationship
            name what it gathers: `count(purchase)`
    "#]],
    );
    field(
        "count(purchase where count(purchase) > 1)",
        expect![[r#"
        E0205 «count(purchase)» field `f`: `count` stands inside another aggregate
            declare the inner one as a computed field, and compare outside
    "#]],
    );
    field(
        "count(purchase where at > customer.created_at)",
        expect!["count<Event(EventId(0))>[ where gt(ordered_at, rel1.created_at)] : integer"],
    );
}

#[test]
fn each_of_several_windows_is_compared() {
    segment(
        "count(purchase within each of 2 weeks) >= 3",
        expect![
            "and(ge(count<Event(EventId(0))>[ within 1 Week], Integer(3): integer), ge(count<Event(EventId(0))>[ within Rolling { within: Within { amount: 1, unit: Week }, ago: 1 }], Integer(3): integer))"
        ],
    );
    segment(
        "exists(purchase within each of 2 calendar months)",
        expect![
            "and(exists<Event(EventId(0))>[ within Calendar { unit: Month, first: -1, last: -1 }], exists<Event(EventId(0))>[ within Calendar { unit: Month, first: -2, last: -2 }])"
        ],
    );
    segment(
        "count(purchase within each of 2 weeks) + 1 >= 3",
        expect![[r#"
        E0209 «each of 2 weeks» segment `s`: a window `each of …` gives one value for each part of it
            compare the aggregate itself: `count(purchase within each of 4 weeks) >= 3`
    "#]],
    );
    field(
        "count(purchase within each of 2 weeks)",
        expect![[r#"
        E0209 «each of 2 weeks» field `f`: a window `each of …` gives one value for each part of it
            compare the aggregate itself: `count(purchase within each of 4 weeks) >= 3`
    "#]],
    );
}

#[test]
fn forms_are_told_how_they_are_written() {
    segment(
        "\"sequence(purchase)\"",
        expect![[r#"
        E0208 «sequence(purchase)» segment `s`: this is not how it is asked
            write it as in `sequence(step(cart within 30 days), step(purchase within 7 days))`
    "#]],
    );
    segment(
        "\"sequence(purchase, without(purchase), purchase)\"",
        expect![[r#"
        E0208 «without(purchase)» segment `s`: this is not how it is asked
            write it as in `sequence(step(cart within 30 days), step(purchase within 7 days))`
    "#]],
    );
    segment(
        "\"sequence(purchase, city)\"",
        expect![[r#"
        E0208 «city» segment `s`: this is not how it is asked
            write it as in `sequence(step(cart within 30 days), step(purchase within 7 days))`
    "#]],
    );
    segment(
        "\"sequence(purchase, buy)\"",
        expect![[r#"
        E0201 «buy» entity `customer` has no column, field or event `buy`
            there are `born`, `city`, `created_at`, `customer_id`, `email`, `household`, `household_id`, `purchase`, `score`, `spent`, `vip`
    "#]],
    );
    segment(
        "\"sequence(purchase, step(purchase within last month))\"",
        expect![[r#"
        E0209 «last month» `last month` is not a window of time: it has no amount
            write an amount and a unit, such as `30 days` or `12 hours`
    "#]],
    );
    segment(
        "\"in_window(city within 30 days)\"",
        expect![[r#"
        E0203 «city» segment `s` asks whether text lies in a window of time
            use a column or field of type `date` or `timestamp`
    "#]],
    );
    segment(
        "\"in_window(created_at)\"",
        expect![[r#"
        E0208 «in_window(created_at)» segment `s`: this is not how it is asked
            write it as in `in_window(renewal_on within next 30 days)`
    "#]],
    );
    segment(
        "\"in_window(created_at within each of 3 days)\"",
        expect![[r#"
        E0209 «each of 3 days» segment `s`: this window must be the same for all rows
            write it as in `90 days`, `last month` or `between 2024-01-01 and 2024-03-31`
    "#]],
    );
    segment(
        "\"entered(s)\"",
        expect![[r#"
        E0208 «entered(s)» segment `s`: this is not how it is asked
            write it as in `entered(vip within 7 days)`
    "#]],
    );
    segment(
        "\"entered(nobody within 7 days)\"",
        expect![[r#"
        E0201 «nobody» no segment `nobody` in the project
            there is only `s`
    "#]],
    );
    segment(
        "\"stayed(s within last month)\"",
        expect![[r#"
        E0209 «last month» `last month` is not a window of time: it has no amount
            write an amount and a unit, such as `30 days` or `12 hours`
    "#]],
    );
    segment(
        "{ related: household, within: 30 days }",
        expect![[r#"
        E0205 «30 days» `household` leads to at most one row, which has no time: it has no `within`
            leave it out: the condition is true where the row exists and meets `where`
    "#]],
    );
    segment(
        "{ related: household.members, match: all }",
        expect![[r#"
        E0103 «{ related: household.members, match: all }» segment `s`: `all` has nothing to ask of the rows
            add a condition: `where`
    "#]],
    );
    segment(
        "{ related: household.members, match: some }",
        expect![[r#"
        E0105 «some» no `match` `some`
            write one of `any`, `all`, `none`
    "#]],
    );
    segment(
        "{ related: household.members, match: any, count: { gte: 1 } }",
        expect![[r#"
        E0104 «any» a condition has either `count` or `match`
            put the two into a list under `all:`
    "#]],
    );
    segment(
        "{ related: household, where: { segment: s } }",
        expect![[r#"
        E0210 «s» segment `s` is of entity `customer`, this condition of entity `household`
            refer to segments of the same entity
    "#]],
    );
    field(
        "any(household where member(s))",
        expect![[r#"
        E0201 «s» no segment `s` in the project
            the project has no segment yet
    "#]],
    );
}
