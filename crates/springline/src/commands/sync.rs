//! `springline sync`: plan, apply, status, retry.

use serde_json::json;
use springline_run::{SyncCounts, SyncReport, SyncStatus};

use crate::cli::{Format, Global, SyncCommand};
use crate::connect;
use crate::failure::{Exit, Failure};
use crate::output::{counted, forecast_text, right, table, thousands};
use crate::sessions::Workplace;

pub(crate) async fn execute(global: &Global, command: SyncCommand) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    match command {
        SyncCommand::Plan { name } => plan(&workplace, global.format, &name).await,
        SyncCommand::Apply { name } => apply(&workplace, global.format, &name).await,
        SyncCommand::Status { name, show_pii } => status(&workplace, global.format, name.as_deref(), show_pii).await,
        SyncCommand::Retry { name } => retry(&workplace, global.format, &name).await,
    }
}

async fn plan(workplace: &Workplace, format: Format, name: &str) -> Result<Exit, Failure> {
    let sync = workplace.sync(name)?;
    let session = workplace.session().await?;
    let forecast = springline_run::forecast_sync(&session, sync).await?;
    let counts = springline_run::plan_sync(&session, sync).await?;
    match format {
        Format::Json => {
            let mut object = json!(counts);
            object["forecast"] = json!(forecast);
            anstream::println!("{object:#}");
        }
        Format::Text => {
            show_counts(&counts);
            anstream::println!("an apply {}", forecast_text(&forecast));
        }
    }
    Ok(if counts.tripped.is_empty() { Exit::Done } else { Exit::Guarded })
}

async fn apply(workplace: &Workplace, format: Format, name: &str) -> Result<Exit, Failure> {
    let sync = workplace.sync(name)?;
    let destination = connect::destination(
        &workplace.loaded,
        workplace.project().destination(sync.destination),
        &workplace.overrides,
    )?;
    let session = workplace.session().await?;
    let report = springline_run::apply_sync(&session, sync, destination).await?;
    match format {
        Format::Json => anstream::println!("{:#}", json!(report)),
        Format::Text => show_report(&report),
    }
    Ok(exit(&report))
}

/// How a run of a sync ends the program.
fn exit(report: &SyncReport) -> Exit {
    match report.outcome() {
        "guarded" => Exit::Guarded,
        "failed" => Exit::Failed,
        "partial" => Exit::Partial,
        _ => Exit::Done,
    }
}

async fn status(workplace: &Workplace, format: Format, name: Option<&str>, show_pii: bool) -> Result<Exit, Failure> {
    let syncs = match name {
        Some(name) => vec![workplace.sync(name)?],
        None => workplace.project().syncs.iter().collect(),
    };
    let session = workplace.session().await?;
    let mut all = Vec::new();
    for sync in syncs {
        all.push(springline_run::sync_status(&session, sync, show_pii).await?);
    }
    match (format, name) {
        (Format::Json, Some(_)) => anstream::println!("{:#}", json!(all.first())),
        (Format::Json, None) => anstream::println!("{:#}", json!({ "syncs": all })),
        (Format::Text, _) => all.iter().for_each(show_status),
    }
    Ok(Exit::Done)
}

async fn retry(workplace: &Workplace, format: Format, name: &str) -> Result<Exit, Failure> {
    let sync = workplace.sync(name)?;
    let session = workplace.session().await?;
    let forgotten = springline_run::retry_sync(&session, sync).await?;
    match format {
        Format::Json => anstream::println!("{:#}", json!({ "sync": name, "forgotten": forgotten })),
        Format::Text => anstream::println!(
            "{name}: {} refusals forgotten; the next apply sends those rows again",
            thousands(forgotten)
        ),
    }
    Ok(Exit::Done)
}

/// What a sync would send.
pub(crate) fn show_counts(counts: &SyncCounts) {
    anstream::println!(
        "{}: {} added, {} changed, {} removed, {} unchanged{}",
        counts.sync,
        thousands(counts.added),
        thousands(counts.changed),
        thousands(counts.removed),
        thousands(counts.unchanged),
        rest(counts)
    );
    if counts.waiting > 0 {
        anstream::println!(
            "  {} rows of a run that ended early are in doubt; the next apply asks the destination",
            thousands(counts.waiting)
        );
    }
    for guard in &counts.tripped {
        anstream::println!(
            "  guard {} allows {}: {} rows; nothing is sent",
            guard.guard,
            guard.allowed,
            thousands(guard.found)
        );
    }
}

/// The counts that are seldom other than zero.
fn rest(counts: &SyncCounts) -> String {
    [(counts.held, "held back after a refusal"), (counts.skipped, "not sent in this mode")]
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, word)| format!(", {} {word}", thousands(*rows)))
        .collect()
}

/// What a run of a sync did.
pub(crate) fn show_report(report: &SyncReport) {
    show_counts(&report.counts);
    if report.recovered > 0 {
        anstream::println!(
            "  {} rows of an earlier run that ended early were taken from its journal",
            thousands(report.recovered)
        );
    }
    if !report.counts.tripped.is_empty() {
        return;
    }
    if report.requests == 0 && report.stopped.is_none() {
        anstream::println!("  nothing to send");
        return;
    }
    let mut parts = vec![format!("{} delivered", thousands(report.delivered))];
    for (rows, word) in [(report.rejected, "rejected"), (report.unknown, "unknown"), (report.unsent, "not sent")] {
        if rows > 0 {
            parts.push(format!("{} {word}", thousands(rows)));
        }
    }
    anstream::println!("  {} in {} (run {})", parts.join(", "), counted(report.requests, "request"), report.run_id);
    if let Some(reason) = &report.stopped {
        anstream::println!("  stopped: {reason}; the next apply goes on from here");
    }
    if report.rejected > 0 {
        anstream::println!("  `springline sync status {}` lists what was refused and why", report.counts.sync);
    }
}

fn show_status(status: &SyncStatus) {
    anstream::println!(
        "{}: {} acknowledged, {} rejected",
        status.sync,
        thousands(status.acknowledged),
        thousands(status.rejected.len() as u64)
    );
    if status.rejected.is_empty() {
        return;
    }
    let mut rows = table(&["key", "operation", "code", "message", "attempts", "sent again"]);
    for row in &status.rejected {
        let again = if row.retryable { "at the next apply" } else { "when it changes" };
        rows.add_row([&row.key, &row.operation, &row.code, &row.message, &row.attempts.to_string(), again]);
    }
    right(&mut rows, &[4]);
    anstream::println!("{rows}");
}
