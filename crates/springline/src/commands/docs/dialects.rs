//! The page of dialects: what each has of every function and statement, and on what that was run.

use springline_ir::FunctionId;
use springline_plan::ORDERED;
use springline_sql::Dialect;

use crate::failure::Failure;

/// The page; fails where a dialect folder cannot be loaded.
pub(super) fn page() -> Result<String, Failure> {
    let load = |name: &str| Dialect::embedded(name).map_err(|e| Failure::new(e.to_string()));
    let dialects = Dialect::names().into_iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let mut page = String::from(
        "# Dialects\n\nA project gives the same rows wherever its data lies. Each function has one meaning \
         ([functions](functions.md)); a dialect says how an engine writes it.\n\n## What was run on what\n\nThe examples of \
         every function, the segments of every kind and the edges that engines disagree on are run through each of these \
         and compared with values worked out by hand and with a reference evaluator.\n\n| dialect | executed on | which is |\n\
         | --- | --- | --- |\n",
    );
    for dialect in &dialects {
        let (on, kind) = match dialect.executed() {
            Some(executed) => (executed.on.as_str(), executed.kind.as_str()),
            None => ("nothing", "only printed"),
        };
        page.push_str(&format!("| {} | {on} | {kind} |\n", dialect.name()));
    }
    statements(&dialects, &mut page);
    functions(&dialects, &mut page);
    Ok(page)
}

fn head(first: &str, dialects: &[Dialect]) -> String {
    let names: Vec<&str> = dialects.iter().map(Dialect::name).collect();
    format!("| {first} | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()))
}

fn statements(dialects: &[Dialect], page: &mut String) {
    page.push_str("\n## Statements\n\n");
    page.push_str(&head("", dialects));
    type Cell<'a> = &'a dyn Fn(&Dialect) -> String;
    let rows: [(&str, Cell); 4] = [
        ("taking changes into a table", &|d| word(d.capabilities().merge, "MERGE", "written anew")),
        ("members read off the rows", &|d| word(d.capabilities().each, "in one scan", "a scan per segment")),
        ("filter of an aggregate", &|d| word(d.has_filter_clause(), "FILTER", "CASE")),
        ("columns of a table", &|d| d.capabilities().max_columns.map_or("any".to_owned(), |n| format!("{n}"))),
    ];
    for (what, of) in rows {
        let cells: Vec<String> = dialects.iter().map(of).collect();
        page.push_str(&format!("| {what} | {} |\n", cells.join(" | ")));
    }
}

fn word(has: bool, yes: &str, no: &str) -> String {
    (if has { yes } else { no }).to_owned()
}

fn functions(dialects: &[Dialect], page: &mut String) {
    page.push_str(
        "\n## Functions\n\n`yes`: mapped or inherited. `lowered`: written by the checker or the plan in terms of others, which \
         are all there. `in part`: not for all types or places, `no`: not at all; the reasons follow the table.\n\n",
    );
    page.push_str(&head("function", dialects));
    let mut reasons = Vec::new();
    for id in FunctionId::all() {
        let name = id.get().name;
        let cells = dialects.iter().map(|dialect| {
            if id.is_derived() || (ORDERED.contains(&id) && !dialect.capabilities().ordered) {
                return "lowered";
            }
            if let Some(why) = dialect.unsupported(id) {
                reasons.push(format!("- `{name}` in {}: no; {why}\n", dialect.name()));
                return "no";
            }
            let gaps = dialect.gaps(id);
            if gaps.is_empty() {
                return "yes";
            }
            reasons.push(format!("- `{name}` in {}: in part; {}\n", dialect.name(), gaps.join("; ")));
            "in part"
        });
        let cells: Vec<&str> = cells.collect();
        page.push_str(&format!("| `{name}` | {} |\n", cells.join(" | ")));
    }
    page.push_str("\n## Reasons\n\n");
    reasons.iter().for_each(|reason| page.push_str(reason));
}
