//! The page of functions: their table, and what each dialect has of it.

use springline_ir::{Function, FunctionId, FunctionKind, NullRule};
use springline_plan::ORDERED;
use springline_sql::Dialect;

use crate::failure::Failure;

/// The page; fails where a dialect folder cannot be loaded.
pub(super) fn page() -> Result<String, Failure> {
    let load = |name: &str| Dialect::embedded(name).map_err(|e| Failure::new(e.to_string()));
    let dialects = Dialect::names().into_iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let mut page = String::from(
        "# Functions and operators\n\nEach has one meaning, whatever the warehouse. A null argument gives null unless it is \
         said otherwise.\n",
    );
    type Wanted<'a> = &'a dyn Fn(&Function) -> bool;
    let sections: [(&str, Wanted); 4] = [
        ("Operators", &|f| f.kind == FunctionKind::Scalar && is_operator(f)),
        ("Of one row", &|f| f.kind == FunctionKind::Scalar && !is_operator(f)),
        ("Aggregates: of the events or related rows of an entity", &|f| f.kind == FunctionKind::Aggregate),
        ("Windows: of the rows of an entity compared with one another", &|f| f.kind == FunctionKind::Window),
    ];
    for (title, wanted) in sections {
        page.push_str(&format!("\n## {title}\n"));
        for id in FunctionId::all().filter(|id| wanted(id.get())) {
            entry(id, &dialects, &mut page);
        }
    }
    Ok(page)
}

/// Whether it is written between or around its operands.
fn is_operator(function: &Function) -> bool {
    !function.signature.strip_prefix(function.name).is_some_and(|rest| rest.starts_with('('))
}

fn entry(id: FunctionId, dialects: &[Dialect], page: &mut String) {
    let function = id.get();
    page.push_str(&format!("\n### {}\n\n`{}`\n\n{}", function.name, function.signature, function.meaning));
    page.push_str(match function.nulls {
        NullRule::Skips => " Nulls are left out.",
        NullRule::Propagates | NullRule::Special => "",
    });
    if function.nulls == NullRule::Special && function.kind == FunctionKind::Scalar {
        page.push_str(" Nulls are treated as the text says.");
    }
    page.push_str("\n\n");
    for example in function.examples {
        page.push_str(&format!("- `{}` is `{}`\n", example.call, example.result));
    }
    // The plan does without an aggregate with an order.
    let has = |d: &&Dialect| ORDERED.contains(&id) && !d.capabilities().ordered;
    let others = dialects.iter().filter(|d| !has(d));
    let lacking: Vec<String> =
        others.filter_map(|d| d.unsupported(id).map(|why| format!("not in {}: {why}", d.name()))).collect();
    match lacking.as_slice() {
        [] => page.push_str("- in every dialect\n"),
        lacking => lacking.iter().for_each(|line| page.push_str(&format!("- {line}\n"))),
    }
}
