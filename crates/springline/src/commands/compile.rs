//! `springline compile`: the SQL, without a connection.

use serde_json::json;
use springline_ir::Statement;
use springline_model::{EntityId, SegmentId};
use springline_plan::{Context, Position, Step, SyncOptions};

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::sessions::{Workplace, unknown};

pub(crate) fn execute(global: &Global, name: Option<&str>, dialect: Option<&str>, all: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let dialect = workplace.dialect(dialect)?;
    let context = workplace.context(&dialect)?;
    let statements = steps(context, name, all)?
        .iter()
        .map(|step| Ok((step.name.clone(), springline_sql::print(&dialect, &step.statement)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    match global.format {
        Format::Json => {
            let statements: Vec<_> = statements.iter().map(|(name, sql)| json!({ "name": name, "sql": sql })).collect();
            anstream::println!(
                "{:#}",
                json!({ "dialect": dialect.name(), "as_of": workplace.as_of.to_string(), "statements": statements })
            );
        }
        Format::Text => {
            for (name, sql) in &statements {
                anstream::println!("-- {name}\n{};\n", sql.trim_end_matches(';'));
            }
        }
    }
    Ok(Exit::Done)
}

/// The steps of everything of that name: a segment, an entity or a sync. Where there is none, those of a run of all
/// entities and of all syncs; the segments are computed by the run, and each alone only if `all` asks for it.
fn steps(context: Context<'_>, name: Option<&str>, all: bool) -> Result<Vec<Step>, Failure> {
    let project = context.project;
    let is_named = |other: &str| name.is_none_or(|name| name == other);
    let mut steps = Vec::new();
    for (i, segment) in
        project.segments.iter().enumerate().filter(|(_, s)| is_named(&s.name) && (all || name.is_some()))
    {
        let query = springline_plan::members_query(context, SegmentId(i))?;
        steps.push(Step { name: format!("segment.{}", segment.name), statement: Statement::Query(query) });
    }
    for (i, _) in project.entities.iter().enumerate().filter(|(_, e)| is_named(&e.name)) {
        let plan = springline_plan::run(context, EntityId(i), Position::Forward)?;
        steps.extend(springline_plan::ground(context, EntityId(i)).prepare);
        steps.extend(plan.rows);
        if let Some(membership) = plan.membership {
            steps.extend(membership.moves.into_iter().chain([membership.apply]));
            steps.extend(membership.stage_sizes.into_iter().chain([membership.apply_sizes]));
        }
        steps.extend(plan.cleanup);
    }
    // The clock of a compiled sync stands still, as all of its plan does.
    let options = SyncOptions { full_resync: false, now: context.as_of };
    for sync in project.syncs.iter().filter(|s| is_named(&s.name)) {
        let plan = springline_plan::sync(context, sync, &options)?;
        let query =
            |what: &str, query| Step { name: format!("sync.{}.{what}", sync.name), statement: Statement::Query(query) };
        steps.extend(plan.prepare);
        steps.push(plan.desired);
        steps.push(query("duplicates", plan.duplicates));
        steps.push(plan.difference);
        steps.push(query("counts", plan.counts));
        steps.push(plan.clear_rejected);
        steps.push(query("changes", plan.changes));
        steps.extend(plan.stage.into_iter().chain(plan.acknowledge).chain(plan.cleanup));
    }
    match name {
        Some(name) if steps.is_empty() => {
            let segments = project.segments.iter().map(|s| s.name.as_str());
            let others =
                project.entities.iter().map(|e| e.name.as_str()).chain(project.syncs.iter().map(|s| s.name.as_str()));
            Err(unknown("segment, entity or sync", name, segments.chain(others)))
        }
        _ => Ok(steps),
    }
}
