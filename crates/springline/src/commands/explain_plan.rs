//! `springline compile --explain`: what plans read, share and keep, without a connection.

use serde_json::{Value, json};
use springline_model::{EntityId, SegmentId};
use springline_plan::{Explained, ExplainedRun, ExplainedTable, SharedValue};

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::counted;
use crate::sessions::{Workplace, unknown};

/// How many users of a shared value are named.
const SHOWN: usize = 5;

pub(crate) fn execute(global: &Global, name: Option<&str>, dialect: Option<&str>) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let dialect = workplace.dialect(dialect)?;
    let context = workplace.context(&dialect)?;
    let project = workplace.project();
    let is_named = |other: &str| name.is_none_or(|name| name == other);
    let mut runs = Vec::new();
    for (i, entity) in project.entities.iter().enumerate().filter(|(_, e)| is_named(&e.name)) {
        runs.push((entity.name.as_str(), springline_plan::explain_run(context, EntityId(i))?));
    }
    let mut segments = Vec::new();
    for (i, segment) in project.segments.iter().enumerate().filter(|(_, s)| is_named(&s.name)) {
        segments.push((segment.name.as_str(), springline_plan::explain_segment(context, SegmentId(i))?));
    }
    if let Some(name) = name.filter(|_| runs.is_empty() && segments.is_empty()) {
        let known = project.segments.iter().map(|s| s.name.as_str());
        return Err(unknown("segment or entity", name, known.chain(project.entities.iter().map(|e| e.name.as_str()))));
    }
    match global.format {
        Format::Json => {
            let runs: Vec<Value> = runs.iter().map(|(name, run)| run_json(name, run)).collect();
            let segments: Vec<Value> = segments
                .iter()
                .map(|(name, query)| json!({ "segment": name, "scans": scans(query), "steps": steps(query) }))
                .collect();
            anstream::println!("{:#}", json!({ "dialect": dialect.name(), "runs": runs, "segments": segments }));
        }
        Format::Text => {
            for (name, run) in &runs {
                show_run(name, run);
            }
            for (name, query) in &segments {
                anstream::println!("preview of segment {name}: its fields are inlined, for it is compiled alone");
                show_query(query);
            }
        }
    }
    Ok(Exit::Done)
}

fn show_run(name: &str, run: &ExplainedRun) {
    anstream::println!("run of entity {name}");
    for table in &run.tables {
        anstream::println!(
            "  table {}: {} and {}",
            table.table,
            counted(table.fields as u64, "field"),
            counted(table.segments as u64, "segment")
        );
        show_query(&table.query);
    }
    anstream::println!("  {}", why(run));
    show_shared("aggregates, each computed once", &run.aggregates);
    show_shared("fields and segments that others build upon, each a column of the row", &run.values);
}

/// Why the rows are kept, and why in so many tables.
fn why(run: &ExplainedRun) -> String {
    let kept = "the rows are materialised, because the membership of every segment is read off them";
    match run.tables.len() {
        1 => kept.to_owned(),
        n => format!("{kept}; in {n} tables, because the dialect limits the columns of one"),
    }
}

fn show_shared(what: &str, values: &[SharedValue]) {
    let shared: Vec<&SharedValue> = values.iter().filter(|value| value.users.len() > 1).collect();
    if values.is_empty() {
        return;
    }
    anstream::println!("  {what}: {}, of which {} used more than once", values.len(), shared.len());
    for value in shared {
        let mut users = value.users.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        if value.users.len() > SHOWN {
            users.push_str(", ...");
        }
        anstream::println!("    {}: {} ({users})", value.name, counted(value.users.len() as u64, "user"));
    }
}

fn show_query(query: &Explained) {
    for scan in &query.scans {
        let columns = scan.columns.iter().cloned().collect::<Vec<_>>().join(", ");
        let bounds = scan.bounds.iter().cloned().collect::<Vec<_>>().join(" and ");
        let bounds = if bounds.is_empty() { String::new() } else { format!(" where {bounds}") };
        anstream::println!("    reads {} {}: {columns}{bounds}", scan.table, counted(scan.times as u64, "time"));
    }
    let step = |step: &springline_plan::ExplainedStep| {
        let again = if step.reads > 1 { format!(", read {} times", step.reads) } else { String::new() };
        format!("{} ({}{again})", step.name, counted(step.columns as u64, "column"))
    };
    anstream::println!("    steps: {}", query.steps.iter().map(step).collect::<Vec<_>>().join(" > "));
}

fn run_json(name: &str, run: &ExplainedRun) -> Value {
    let table = |table: &ExplainedTable| {
        json!({
            "table": table.table.to_string(), "fields": table.fields, "segments": table.segments,
            "scans": scans(&table.query), "steps": steps(&table.query),
        })
    };
    let shared = |values: &[SharedValue]| -> Vec<Value> {
        values.iter().map(|value| json!({ "name": value.name, "users": value.users })).collect()
    };
    json!({
        "entity": name,
        "tables": run.tables.iter().map(table).collect::<Vec<_>>(),
        "materialised": why(run),
        "aggregates": shared(&run.aggregates),
        "values": shared(&run.values),
    })
}

fn scans(query: &Explained) -> Vec<Value> {
    let scan = |scan: &springline_plan::Scan| json!({ "table": scan.table.to_string(), "times": scan.times, "columns": scan.columns, "bounds": scan.bounds });
    query.scans.iter().map(scan).collect()
}

fn steps(query: &Explained) -> Vec<Value> {
    query.steps.iter().map(|s| json!({ "name": s.name, "columns": s.columns, "reads": s.reads })).collect()
}
