//! Tests of samples, limits, splits, sets and RFM.

use expect_test::{Expect, expect};

use super::{load, problems, segment, short};

/// The generated segments and their conditions, and the generated fields; or the problems.
fn generated(fields: &[&str], rest: &str, expected: Expect) {
    let checked = load(fields, rest);
    let Some(project) = &checked.project else { return expected.assert_eq(&problems(&checked)) };
    assert_eq!(problems(&checked), "");
    let mut text = String::new();
    for segment in &project.segments {
        let label = segment.label.as_deref().unwrap_or("-");
        text.push_str(&format!("{} ({label}): {}\n", segment.name, short(&segment.condition)));
    }
    for field in &project.entities[2].fields {
        text.push_str(&format!("{} = {} : {}\n", field.name, short(&field.expr), field.expr.ty));
    }
    expected.assert_eq(&text);
}

#[test]
fn a_sample_compares_the_bucket_of_the_key() {
    segment(
        "{ sample: 10%, seed: spring }",
        expect![[
            r#"lt(mod(stable_hash(concat(String("spring:"): string, customer_id)), Integer(10000): integer), Integer(1000): integer)"#
        ]],
    );
    segment(
        "{ sample: { from: 10%, to: 100% }, seed: \"o'hara\" }",
        expect![[
            r#"ge(mod(stable_hash(concat(String("o'hara:"): string, customer_id)), Integer(10000): integer), Integer(1000): integer)"#
        ]],
    );
    segment(
        "{ related: household, where: { sample: 0.25%, seed: h } }",
        expect![[
            r#"and(is_not_null(rel0.id), coalesce(lt(mod(stable_hash(concat(String("h:"): string, text(rel0.id))), Integer(10000): integer), Integer(25): integer), Boolean(false): boolean))"#
        ]],
    );
    segment(
        "\"sample('spring', 10) and sample('spring', 2.5, 50)\"",
        expect![[
            r#"and(lt(mod(stable_hash(concat(String("spring:"): string, customer_id)), Integer(10000): integer), Integer(1000): integer), and(ge(mod(stable_hash(concat(String("spring:"): string, customer_id)), Integer(10000): integer), Integer(250): integer), lt(mod(stable_hash(concat(String("spring:"): string, customer_id)), Integer(10000): integer), Integer(5000): integer)))"#
        ]],
    );
    segment(
        "\"Sample('spring', 100)\"",
        expect![[
            r#"lt(mod(stable_hash(concat(String("spring:"): string, customer_id)), Integer(10000): integer), Integer(10000): integer)"#
        ]],
    );
}

#[test]
fn a_sample_that_cannot_be_is_refused() {
    segment(
        "{ sample: 10, seed: s }",
        expect![[r#"
        E0105 «10» `10` is no share of the rows
            write a percentage from 0% to 100% with at most two decimals, such as `10%` or `0.25%`
    "#]],
    );
    segment(
        "{ sample: 110%, seed: s }",
        expect![[r#"
        E0105 «110%» `110%` is no share of the rows
            write a percentage from 0% to 100% with at most two decimals, such as `10%` or `0.25%`
    "#]],
    );
    segment(
        "{ sample: 10% }",
        expect![[r#"
        E0103 «sample» sample has no `seed`
            add `seed: …`
    "#]],
    );
    segment(
        "{ sample: 0%, seed: s }",
        expect![[r#"
        E0105 «0%» a sample of no rows: it ends where it begins, or before
            let `from` be smaller than `to`, as in `{ from: 10%, to: 50% }`
    "#]],
    );
    segment(
        "{ sample: { from: 50%, to: 50% }, seed: s }",
        expect![[r#"
        E0105 «{ from: 50%, to: 50% }» a sample of no rows: it ends where it begins, or before
            let `from` be smaller than `to`, as in `{ from: 10%, to: 50% }`
    "#]],
    );
    segment(
        "\"sample('s', 0.125)\"",
        expect![[r#"
        E0208 «sample('s', 0.125)» segment `s`: `sample` takes a seed and one or two percentages from 0 to 100
            it is `sample('seed', 10)`: ten percent of the rows, or `sample('seed', 10, 50)`: those from 10% to 50%
    "#]],
    );
    segment(
        "\"sample(city, 10)\"",
        expect![[r#"
        E0208 «sample(city, 10)» segment `s`: `sample` takes a seed and one or two percentages from 0 to 100
            it is `sample('seed', 10)`: ten percent of the rows, or `sample('seed', 10, 50)`: those from 10% to 50%
    "#]],
    );
    segment(
        "\"sample('s', 50, 10)\"",
        expect![[r#"
        E0208 «sample('s', 50, 10)» segment `s`: a sample of no rows: it ends where it begins, or before
            it is `sample('seed', 10)`: ten percent of the rows, or `sample('seed', 10, 50)`: those from 10% to 50%
    "#]],
    );
    segment(
        "\"sample('s', 10) over (order by city)\"",
        expect![[r#"
        E0208 «sample('s', 10)» segment `s`: `sample` takes a seed and one or two percentages from 0 to 100
            it is `sample('seed', 10)`: ten percent of the rows, or `sample('seed', 10, 50)`: those from 10% to 50%
    "#]],
    );
    segment(
        "{ event: purchase, where: { sample: 10%, seed: s } }",
        expect![[r#"
        E0210 «{ sample: 10%, seed: s }» segment `s`: a sample is drawn of the rows of an entity, not of events
            put the sample beside the condition of the event, under `all:`
    "#]],
    );
}

#[test]
fn a_limit_numbers_the_members() {
    let limited = |limit: &str, expected: Expect| {
        let rest = format!("segments: [ {{ name: s, entity: customer, where: vip, limit: {limit} }} ]\n");
        generated(&[], &rest, expected);
    };
    limited(
        "{ top: 100, by: score }",
        expect![[r#"
        s (-): and(vip, le(row_number() over (coalesce(vip, Boolean(false): boolean); score true), Integer(100): integer))
    "#]],
    );
    limited(
        "{ top: 1, by: \"length(city)\", order: asc }",
        expect![[r#"
        s (-): and(vip, le(row_number() over (coalesce(vip, Boolean(false): boolean); length(city) false), Integer(1): integer))
    "#]],
    );
    limited(
        "{ top: 0, by: scor }",
        expect![[r#"
        E0105 «0» segment `s`: a limit of 0 members
            write how many members there are at most, such as `top: 10000`
        E0201 «scor» entity `customer` has no column, field or event `scor`
            did you mean `score`?
    "#]],
    );
    limited(
        "{ top: 99999999999999999999, by: score }",
        expect![[r#"
        E0104 «99999999999999999999» expected a whole number, found a single value
            -
    "#]],
    );
    limited(
        "{ top: 5 }",
        expect![[r#"
        E0103 «top» limit has no `by`
            add `by: …`
    "#]],
    );
    limited(
        "{ top: 5, by: score, order: down }",
        expect![[r#"
        E0105 «down» no order `down`
            write one of `asc`, `desc`
    "#]],
    );
    limited(
        "{ top: 5, by: \"rank() over (order by score)\" }",
        expect![[r#"
        E0212 «rank()» segment `s`: `rank` can stand only in a computed field, outside aggregates
            declare a computed field with `rank` and use that here
    "#]],
    );
    limited(
        "{ top: 5, by: \"1\" }",
        expect![[r#"
        E0203 «1» segment `s`: a constant has no order
            order by a column, a field or an expression of them, such as `lifetime_value`
    "#]],
    );
}

#[test]
fn a_split_gives_a_segment_for_each_part() {
    let split = |split: &str, expected: Expect| {
        let rest = format!(
            "segments: [ {{ name: s, label: S, entity: customer, where: vip, split: {{ seed: x, {split} }} }} ]\n"
        );
        generated(&[], &rest, expected);
    };
    split(
        "parts: { a: 50%, b: 49.99%, c: 0.01% }",
        expect![[r#"
        s (S): vip
        s_a (S: a): and(segment0, lt(mod(stable_hash(concat(String("x:"): string, customer_id)), Integer(10000): integer), Integer(5000): integer))
        s_b (S: b): and(segment0, and(ge(mod(stable_hash(concat(String("x:"): string, customer_id)), Integer(10000): integer), Integer(5000): integer), lt(mod(stable_hash(concat(String("x:"): string, customer_id)), Integer(10000): integer), Integer(9999): integer)))
        s_c (S: c): and(segment0, ge(mod(stable_hash(concat(String("x:"): string, customer_id)), Integer(10000): integer), Integer(9999): integer))
    "#]],
    );
    split(
        "parts: { a: 60%, b: 50% }",
        expect![[r#"
        E0105 «50%» the parts of segment `s` are more than 100% together
            make them smaller: they are disjoint, and may leave rows out
    "#]],
    );
    split(
        "parts: { a: 0% }",
        expect![[r#"
        E0105 «0%» part `a` of segment `s` has no rows
            give it a share above 0%
    "#]],
    );
    split(
        "parts: {}",
        expect![[r#"
        E0105 «x» the split of segment `s` has no parts
            name them with their shares: `parts: { a: 50%, b: 50% }`
    "#]],
    );
    split(
        "parts: { a: half }",
        expect![[r#"
        E0105 «half» `half` is no share of the rows
            write a percentage from 0% to 100% with at most two decimals, such as `10%` or `0.25%`
    "#]],
    );
    split(
        "parts: { a-b: 10% }",
        expect![[r#"
        E0105 «a-b» `s_a-b` cannot be the name of a segment
            use letters a to z, digits and `_`, and begin with a letter; put other text into `label:`
    "#]],
    );
    let clash = "segments:
  - { name: s, entity: customer, where: vip, split: { seed: x, parts: { a: 10%, A: 20% } } }
  - { name: s_a, entity: customer, where: vip }
";
    generated(
        &[],
        clash,
        expect![[r#"
        E0107 «A» segment `s_A` differs from `s_a` only in case, which some engines ignore
            rename one of the two
        E0107 «s_a» segment `s_a` is there twice
            rename one of the two
    "#]],
    );
}

const TWO: &str = "segments:
  - { name: old, entity: customer, where: \"created_at < '2020-01-01'\" }
  - { name: rich, entity: customer, where: \"score > 5\" }
";

#[test]
fn a_set_is_a_field_and_exclusive_segments() {
    let set = |set: &str, fields: &[&str], rest: &str, expected: Expect| {
        generated(fields, &format!("{TWO}{rest}segment_sets:\n  - {{ {set} }}\n"), expected);
    };
    set(
        "name: order, label: Stage, entity: customer, priority: [rich, old]",
        &[],
        "",
        expect![[r#"
        old (-): lt(created_at, Timestamp(2020-01-01T00:00:00Z): timestamp)
        rich (-): gt(score, Float(5.0): float)
        order_rich (Stage: rich): eq(field0, String("rich"): string)
        order_old (Stage: old): eq(field0, String("old"): string)
        order = case(segment1 => String("rich"): string, segment0 => String("old"): string; -) : string
    "#]],
    );
    // Fields and segments may use the field.
    set(
        "name: stage, entity: customer, priority: [rich, old]",
        &["{ name: f, expr: upper(stage) }"],
        "  - { name: none, entity: customer, where: \"f is null\" }\n",
        expect![[r#"
            old (-): lt(created_at, Timestamp(2020-01-01T00:00:00Z): timestamp)
            rich (-): gt(score, Float(5.0): float)
            none (-): is_null(field0)
            stage_rich (-): eq(field1, String("rich"): string)
            stage_old (-): eq(field1, String("old"): string)
            f = upper(field1) : string
            stage = case(segment1 => String("rich"): string, segment0 => String("old"): string; -) : string
        "#]],
    );
    // A segment of the set that uses its field, directly, or over fields and other segments.
    set(
        "name: stage, entity: customer, priority: [rich, again]",
        &[],
        "  - { name: again, entity: customer, where: \"stage = 'rich'\" }\n",
        expect![[r#"
            E0206 «again» definitions need one another: `again` → `stage` → `again`
                define one of them without the others
        "#]],
    );
    set(
        "name: stage, entity: customer, priority: [rich, again]",
        &["{ name: f, expr: upper(stage) }", "{ name: g, expr: f || '!' }"],
        "  - { name: other, entity: customer, where: \"g = 'RICH!'\" }\n  - { name: again, entity: customer, where: { segment: other } }\n",
        expect![[r#"
            E0206 «other» definitions need one another: `other` → `stage` → `again` → `other`
                define one of them without the others
        "#]],
    );
    set(
        "name: stage, entity: customer, priority: []",
        &[],
        "",
        expect![[r#"
        E0105 «stage» segment set `stage` has no segments
            list them under `priority:`, the most important first
    "#]],
    );
    set(
        "name: stage, entity: customer, priority: [rich, rich]",
        &[],
        "",
        expect![[r#"
        E0107 «rich» segment `rich` is twice in segment set `stage`
            keep the first: it is the one that counts
    "#]],
    );
    set(
        "name: stage, entity: customers, priority: [rich]",
        &[],
        "",
        expect![[r#"
        E0201 «customers» no entity `customers` in the project
            did you mean `customer`?
    "#]],
    );
    set(
        "name: stage, entity: household, priority: [rich]",
        &[],
        "",
        expect![[r#"
        E0210 «rich» segment `rich` is of entity `customer`, field `stage` of entity `household`
            refer to segments of the same entity
    "#]],
    );
    set(
        "name: stage, entity: customer, priority: [rich, odl]",
        &[],
        "",
        expect![[r#"
        E0201 «odl» no segment `odl` in the project
            did you mean `old`?
    "#]],
    );
    set(
        "name: a'b, entity: customer, priority: [rich]",
        &[],
        "",
        expect![[r#"
        E0105 «a'b» `a'b` cannot be the name of a field
            use letters a to z, digits and `_`, and begin with a letter; put other text into `label:`
        E0105 «rich» `a'b_rich` cannot be the name of a segment
            use letters a to z, digits and `_`, and begin with a letter; put other text into `label:`
    "#]],
    );
    set(
        "name: city, entity: customer, priority: [rich]",
        &[],
        "",
        expect![[r#"
        E0107 «city» field `city` has the name of a column
            columns, fields, events and relationships of one entity share their names: rename one of the two
    "#]],
    );
    set(
        "name: rich, entity: customer, priority: [old]",
        &[],
        "",
        expect![[r#"
        E0107 «rich» segment `rich` has the name of a field of entity `customer`
            segments, fields and the primary key are columns of one table: rename one of the two
    "#]],
    );
}

#[test]
fn sets_of_two_entities_that_need_one_another_are_a_cycle() {
    let rest = "segments:
  - { name: h, entity: household, where: { related: members, where: \"stage = 'big'\" } }
  - { name: big, entity: customer, where: { related: household, where: \"hf = 'h'\" } }
segment_sets:
  - { name: stage, entity: customer, priority: [big] }
  - { name: hf, entity: household, priority: [h] }
";
    generated(
        &[],
        rest,
        expect![[r#"
        E0206 «h» definitions need one another: `h` → `stage` → `big` → `hf` → `h`
            define one of them without the others
    "#]],
    );
}

#[test]
fn chains_of_fields_and_sets_are_one_chain() {
    let mut rest = String::from("segments:\n  - { name: s, entity: customer, where: \"f149 = 'x'\" }\n");
    let mut sets = String::from("segment_sets:\n  - { name: set0, entity: customer, priority: [t149] }\n");
    for i in 0..150 {
        let needs = if i == 0 { "vip".to_owned() } else { format!("{{ segment: t{} }}", i - 1) };
        rest.push_str(&format!("  - {{ name: t{i}, entity: customer, where: {needs} }}\n"));
    }
    let fields: Vec<String> = (0..150)
        .map(|i| if i == 0 { "set0".to_owned() } else { format!("upper(f{})", i - 1) })
        .enumerate()
        .map(|(i, expr)| format!("{{ name: f{i}, expr: {expr} }}"))
        .collect();
    sets.push_str("  - { name: set1, entity: customer, priority: [t0] }\n");
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    // Nobody needs the fields but the segment that is first: without it, one of them is the first that is too far up.
    let unused = rest.replacen("f149 = 'x'", "vip", 1);
    let checked = load(&fields, &(unused + &sets));
    let problem = "E0214 «f49» field `f49` builds upon a chain of more than 200 definitions\n";
    assert!(problems(&checked).starts_with(problem), "{}", problems(&checked));
    assert_eq!(checked.diagnostics.len(), 1);
    generated(
        &fields,
        &(rest + &sets),
        expect![[r#"
            E0214 «f49» field `f49` builds upon a chain of more than 200 definitions
                compute some of them in one expression, or build upon an earlier one directly
            E0214 «s» segment `s` builds upon a chain of more than 200 definitions
                compute some of them in one expression, or build upon an earlier one directly
        "#]],
    );
}

/// A project whose customer has this `rfm`.
fn rfm(decl: &str, expected: Expect) {
    generated(&["{ name: f, expr: '1' }"], &format!("    rfm: {decl}\n"), expected);
}

#[test]
fn rfm_is_a_field_for_each_figure_and_score() {
    rfm(
        "{ event: purchase, value: amount, within: 365 days }",
        expect![[r#"
        f = Integer(1): integer : integer
        rfm_recency = days_between(max<Event(EventId(0))>[ordered_at within 365 Day], as_of) : integer
        rfm_frequency = count<Event(EventId(0))>[ within 365 Day] : integer
        rfm_monetary = coalesce(sum<Event(EventId(0))>[amount within 365 Day], Decimal { unscaled: 0, scale: 2 }: decimal(38,2)) : decimal(38,2)
        rfm_r = case(gt(field2, Integer(0): integer) => ntile(Integer(5): integer) over (gt(field2, Integer(0): integer); field1 true); -) : integer
        rfm_f = case(gt(field2, Integer(0): integer) => ntile(Integer(5): integer) over (gt(field2, Integer(0): integer); field2 false); -) : integer
        rfm_m = case(gt(field2, Integer(0): integer) => ntile(Integer(5): integer) over (gt(field2, Integer(0): integer); field3 false); -) : integer
        rfm_score = concat(concat(text(field4), text(field5)), text(field6)) : string
    "#]],
    );
    rfm(
        "{ event: purchase, value: purchase.product.price, thresholds: { recency: [30, 90], frequency: [2], monetary: [10.5, 100] },
           segments: { best: { r: 3, f: 2, m: [2, 3] }, \"o'thers\": {} } }",
        expect![[r#"
            f = Integer(1): integer : integer
            rfm_recency = days_between(max<Event(EventId(0))>[ordered_at], as_of) : integer
            rfm_frequency = count<Event(EventId(0))>[] : integer
            rfm_monetary = coalesce(sum<Event(EventId(0))>[rel0.price], Decimal { unscaled: 0, scale: 2 }: decimal(38,2)) : decimal(38,2)
            rfm_r = case(gt(field2, Integer(0): integer) => case(lt(field1, Integer(30): integer) => Integer(3): integer, lt(field1, Integer(90): integer) => Integer(2): integer; Integer(1): integer); -) : integer
            rfm_f = case(gt(field2, Integer(0): integer) => case(lt(field2, Integer(2): integer) => Integer(1): integer; Integer(2): integer); -) : integer
            rfm_m = case(gt(field2, Integer(0): integer) => case(lt(field3, Decimal { unscaled: 1050, scale: 2 }: decimal(38,2)) => Integer(1): integer, lt(field3, Decimal { unscaled: 10000, scale: 2 }: decimal(38,2)) => Integer(2): integer; Integer(3): integer); -) : integer
            rfm_score = concat(concat(text(field4), text(field5)), text(field6)) : string
            rfm_segment = case(and(and(and(gt(field2, Integer(0): integer), and(ge(field4, Integer(3): integer), le(field4, Integer(3): integer))), and(ge(field5, Integer(2): integer), le(field5, Integer(2): integer))), and(ge(field6, Integer(2): integer), le(field6, Integer(3): integer))) => String("best"): string, gt(field2, Integer(0): integer) => String("o'thers"): string; -) : string
        "#]],
    );
}

#[test]
fn an_rfm_that_cannot_be_is_refused() {
    rfm(
        "{ event: purchas, value: amount }",
        expect![[r#"
        E0201 «purchas» `rfm`: entity `customer` has no event `purchas`
            did you mean `purchase`?
    "#]],
    );
    rfm(
        "{ event: purchase, value: amout }",
        expect![[r#"
        E0201 «amout» event `purchase` has no column `amout`
            did you mean `amount`?
    "#]],
    );
    rfm(
        "{ event: purchase, value: channel }",
        expect![[r#"
            E0208 «channel» field `rfm_monetary`: `sum` does not take (text)
                it is `sum(number) -> number`
        "#]],
    );
    rfm(
        "{ event: purchase, value: amount, within: soon }",
        expect![[r#"
            E0209 «soon» `soon` is not a window of time: it has no amount
                write an amount and a unit, such as `90 days`, or `this month`, `last quarter`, `last 3 calendar months`, `between 2024-01-01 and 2024-03-31`, `since 2024-01-01`, `30 days after signup_at`
        "#]],
    );
    rfm(
        "{ event: purchase, value: amount, quantiles: 10 }",
        expect![[r#"
        E0105 «10» `rfm` cannot be cut into 10 parts
            write `quantiles: 5`; a score is one digit, so 2 to 9 are possible
    "#]],
    );
    rfm(
        "{ event: purchase, value: amount, segments: { best: { r: 6, f: [5, 4] } } }",
        expect![[r#"
        E0105 «6» there is no score 6: `rfm_r` is from 1 to 5
            write scores from 1 (the worst) to 5 (the best)
        E0105 «[5, 4]» the range of scores ends before it begins
            write the smaller score first: `[4, 5]`
    "#]],
    );
    rfm(
        "{ event: purchase, value: amount, quantiles: 3, thresholds: { recency: [1], frequency: [1], monetary: [1] } }",
        expect![[r#"
            E0104 «3» `rfm` has both `quantiles` and `thresholds`
                keep one of the two
        "#]],
    );
    rfm(
        "{ event: purchase, value: amount, thresholds: { recency: [9, 1], frequency: [], monetary: [1, 2, 3, 4, 5, 6, 7, 8, 9] } }",
        expect![[r#"
            E0105 «purchase» the thresholds of `rfm` have no bounds under `frequency`
                list one to eight bounds from low to high: `frequency: [30, 90, 180]`
            E0105 «1» the bound 1 is not above the one before it
                list one to eight bounds from low to high: `recency: [30, 90, 180]`
            E0105 «9» more than 8 bounds under `monetary`
                list one to eight bounds from low to high: `monetary: [30, 90, 180]`
        "#]],
    );
    let clash = "    rfm: { event: purchase, value: amount }\n";
    generated(
        &["{ name: rfm_r, expr: '1' }"],
        clash,
        expect![[r#"
        E0107 «purchase» the name `rfm_r` is there twice
            columns, fields, events and relationships of one entity share their names: rename one of the two
    "#]],
    );
}
