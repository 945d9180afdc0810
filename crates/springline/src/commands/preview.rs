//! `springline preview`: a segment's size and some of its members.

use serde_json::json;
use springline_ir::Statement;

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::{rows, seconds, thousands};
use crate::sessions::Workplace;

/// What the command line asks of a preview.
pub(crate) struct Options {
    pub(crate) limit: u64,
    pub(crate) show_pii: bool,
    pub(crate) sql: bool,
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
