//! `springline preview`: a segment's size and some of its members.

use serde_json::json;
use springline_ir::Statement;
use springline_model::SegmentId;
use springline_run::Session;

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::{forecast_text, rows, seconds, thousands};
use crate::sessions::Workplace;

/// What the command line asks of a preview.
pub(crate) struct Options {
    pub(crate) limit: u64,
    pub(crate) show_pii: bool,
    pub(crate) sql: bool,
    pub(crate) explain: bool,
}

pub(crate) async fn execute(global: &Global, name: &str, options: &Options) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let segment = workplace.segment(name)?;
    let session = workplace.session().await?;
    let sql = if options.sql {
        let query = springline_plan::members_query(session.context(), segment)?;
        Some(springline_sql::print(&session.dialect, &Statement::Query(query))?)
    } else {
        None
    };
    if options.explain {
        return explain(&session, segment, options.limit, sql, global.format).await;
    }
    let started = std::time::Instant::now();
    let preview = springline_run::preview(&session, segment, options.limit, options.show_pii).await?;
    match global.format {
        Format::Json => {
            let mut object = json!(preview);
            if let Some(sql) = sql {
                object["sql"] = json!(sql);
            }
            anstream::println!("{object:#}");
        }
        Format::Text => {
            if let Some(sql) = sql {
                anstream::println!("{sql}\n");
            }
            anstream::println!(
                "{}: {} of entity {} as of {} ({})",
                preview.segment,
                thousands(preview.count),
                preview.entity,
                preview.as_of,
                seconds(started.elapsed())
            );
            if let Some(table) = rows(&preview.sample) {
                anstream::println!("{table}");
            }
        }
    }
    Ok(Exit::Done)
}

/// What the preview would read, and how the warehouse would go about it.
async fn explain(
    session: &Session,
    segment: SegmentId,
    limit: u64,
    sql: Option<String>,
    format: Format,
) -> Result<Exit, Failure> {
    let forecast = springline_run::forecast_preview(session, segment, limit).await?;
    let (step, _) = springline_plan::preview(session.context(), segment, limit.max(1))?;
    let plan = session.warehouse.explain(&springline_sql::print(&session.dialect, &step.statement)?).await?;
    let name = &session.project.segment(segment).name;
    match format {
        Format::Json => {
            let mut object = json!({ "segment": name, "forecast": forecast, "plan": plan });
            if let Some(sql) = sql {
                object["sql"] = json!(sql);
            }
            anstream::println!("{object:#}");
        }
        Format::Text => {
            if let Some(sql) = sql {
                anstream::println!("{sql}\n");
            }
            anstream::println!("{name}: {}\n\n{plan}", forecast_text(&forecast));
        }
    }
    Ok(Exit::Done)
}
