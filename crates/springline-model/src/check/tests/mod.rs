//! Tests of the checker on small projects.

mod conditions;
mod cuts;
mod expressions;
mod forms;
mod functions;
mod limits;
mod names;
mod packages;
mod syncs;

use expect_test::Expect;

use crate::{Checked, DestinationKind, EngineKind, Leaf, Mode, Nulls, OptionKind, Registry, Removal, ValueExpr, check};
use springline_ir::ExprKind;

fn option(name: &str, required: bool) -> OptionKind {
    OptionKind::new(name, required)
}

fn registry() -> Registry {
    Registry {
        alerts: Vec::new(),
        engines: vec![EngineKind { name: "datafusion".into(), options: vec![option("path", true)] }],
        destinations: vec![destination("file", None), destination("audience", Some(60))],
    }
}

/// A type of destination that forgets its members after so many days.
fn destination(name: &str, members_expire_days: Option<u32>) -> DestinationKind {
    DestinationKind {
        name: name.into(),
        options: vec![option("path", true), option("format", false)],
        modes: vec![Mode::Upsert, Mode::Mirror, Mode::Append],
        fields: None,
        required: Vec::new(),
        identifiers: Vec::new(),
        removals: vec![Removal::Delete],
        nulls: vec![Nulls::Send],
        members_expire_days,
    }
}

const HEAD: &str = "
name: shop
version: 1
targets: { local: { engine: datafusion, path: \"{{ env('DATA') }}\" } }
sources:
  - name: customers
    table: crm.customers
    primary_key: customer_id
    columns:
      customer_id: string
      email: { type: string, pii: email }
      city: string
      created_at: timestamp
      born: date
      vip: boolean
      score: float
      household_id: integer
  - { name: households, table: households, primary_key: id, columns: { id: integer, size: integer, region: string } }
  - name: orders
    table: shop.orders
    columns: { customer_id: string, amount: 'decimal(12,2)', channel: string, product_id: string, ordered_at: timestamp }
  - { name: products, table: products, columns: { product_id: string, price: 'decimal(10,2)' } }
entities:
  - name: household
    source: households
    primary_key: id
    relationships: [ { name: members, to: customer, type: one_to_many, key: household_id } ]
    fields: [ { name: big, expr: size > 3 } ]
  - { name: product, source: products, primary_key: product_id }
  - name: customer
    source: customers
    primary_key: customer_id
    relationships: [ { name: household, to: household, type: many_to_one, key: household_id } ]
    events:
      - name: purchase
        source: orders
        key: customer_id
        at: ordered_at
        relationships: [ { name: product, to: product, type: many_to_one, key: product_id } ]
    fields:
";

/// A project of the shop with these fields of `customer` and what follows them.
fn load(fields: &[&str], rest: &str) -> Checked {
    let mut text = HEAD.to_owned();
    for field in fields {
        text.push_str(&format!("      - {field}\n"));
    }
    if fields.is_empty() {
        text.push_str("      []\n");
    }
    text.push_str(rest);
    check(vec![("springline.yaml".into(), text)], &registry())
}

/// One line for each problem: the code, the text it points at, the message and the hint.
fn problems(checked: &Checked) -> String {
    let show = |d: &crate::Diagnostic| {
        let text = checked.sources.text(d.primary.span.file);
        let place = &text[d.primary.span.start as usize..d.primary.span.end as usize];
        let hint = d.hint.as_deref().unwrap_or("-");
        format!("{} «{place}» {}\n    {hint}\n", d.code.id(), d.message)
    };
    checked.diagnostics.iter().map(show).collect()
}

/// An expression in short: leaves by what they are, types where a cast is made.
fn short(expr: &ValueExpr) -> String {
    let list = |args: &[ValueExpr]| args.iter().map(short).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Leaf(leaf) => leaf_text(leaf),
        ExprKind::Literal(literal) => format!("{literal:?}: {}", expr.ty),
        ExprKind::Call { function, args } => format!("{function:?}({})", list(args)),
        ExprKind::Case { branches, otherwise } => {
            let branches: Vec<String> = branches.iter().map(|(w, t)| format!("{} => {}", short(w), short(t))).collect();
            format!("case({}; {})", branches.join(", "), otherwise.as_ref().map_or("-".into(), |e| short(e)))
        }
        ExprKind::Native(native) => format!("sql{:?}", native.forms),
        ExprKind::Cast { operand, lenient } => format!("cast({} as {}, {lenient})", short(operand), expr.ty),
        ExprKind::Aggregate(_) => "aggregate".into(),
        ExprKind::Window(call) => {
            let order: Vec<String> =
                call.order_by.iter().map(|o| format!("{} {}", short(&o.expr), o.descending)).collect();
            format!(
                "{:?}({}) over ({}; {})",
                call.function,
                list(&call.args),
                list(&call.partition_by),
                order.join(", ")
            )
        }
    }
}

fn leaf_text(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Column(name) => name.clone(),
        Leaf::Field(id) => format!("field{}", id.0),
        Leaf::Segment(id) => format!("segment{}", id.0),
        Leaf::Related { relationship, leaf } => format!("rel{}.{}", relationship.0, leaf_text(leaf)),
        Leaf::Aggregate(gather) => {
            let args: Vec<String> = gather.args.iter().map(short).collect();
            let filter = gather.filter.as_ref().map_or(String::new(), |f| format!(" where {}", short(f)));
            let within = gather.within.map_or(String::new(), |within| match within {
                crate::Period::Rolling { within: w, ago: 0 } => format!(" within {} {:?}", w.amount, w.unit),
                other => format!(" within {other:?}"),
            });
            format!("{:?}<{:?}>[{}{filter}{within}]", gather.function, gather.over, args.join(", "))
        }
        Leaf::AsOf => "as_of".to_owned(),
        Leaf::PeriodEdge(period, edge) => format!("{edge:?}({period:?})"),
        Leaf::History(history) => format!("segment{} {:?}", history.segment.0, history.asked),
        Leaf::Sequence(sequence) => {
            let step = |step: &crate::SequenceStep| {
                let filter = step.filter.as_ref().map_or(String::new(), |f| format!(" where {}", short(f)));
                let deadline = step.deadline.as_ref().map_or(String::new(), |d| format!(" until {}", short(d)));
                let within = step.within.map_or(String::new(), |w| format!(" within {w:?}"));
                format!("event{}{filter}{within}{deadline}", step.event.0)
            };
            let steps: Vec<String> = sequence.steps().map(step).collect();
            let without = sequence.without.as_ref().map_or(String::new(), |w| format!(" without {}", step(w)));
            format!("[{}{without}]", steps.join(" then "))
        }
    }
}

/// The field's expression and type, or the problems.
fn field(expr: &str, expected: Expect) {
    field_with(&format!("{{ name: f, expr: \"{expr}\" }}"), expected);
}

fn field_with(decl: &str, expected: Expect) {
    let checked = load(&[decl], "");
    expected.assert_eq(&match &checked.project {
        Some(project) => {
            let field = &project.entities[2].fields[0];
            format!("{} : {}", short(&field.expr), field.expr.ty)
        }
        None => problems(&checked),
    });
}

/// The segment's condition, or the problems.
fn segment(condition: &str, expected: Expect) {
    let rest = format!("segments:\n  - {{ name: s, entity: customer, where: {condition} }}\n");
    let checked = load(&["{ name: spent, expr: sum(purchase.amount), default: 0 }"], &rest);
    expected.assert_eq(&match &checked.project {
        Some(project) => short(&project.segments[0].condition),
        None => problems(&checked),
    });
}
