//! `springline sync`: plan, apply, status, rejected, retry.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use futures::future::join_all;
use serde_json::{Map, Value, json};
use springline_destination::Limits;
use springline_model::Sync;
use springline_run::{PlannedSync, RejectedRow, SyncCounts, SyncForecast, SyncReport, SyncRequest, SyncStatus};

use crate::cli::{Format, Global, How, SyncCommand};
use crate::failure::{Exit, Failure};
use crate::metrics::Metrics;
use crate::output::{self, counted, forecast_text, guard_text, right, table, thousands};
use crate::runs::Run;
use crate::selection;
use crate::sessions::Workplace;

pub(crate) async fn execute(global: &Global, command: SyncCommand) -> Result<Exit, Failure> {
    match command {
        SyncCommand::Plan { name, out, show_pii, how } => {
            let request = SyncRequest { show_pii, ..request(how) };
            plan(&Workplace::new(global)?, global.format, &name, &request, out.as_deref()).await
        }
        SyncCommand::Apply { plan: Some(file), allow_drift, how, metrics_file, .. } => {
            let metrics = metrics_file.as_deref();
            apply_planned(global, &file, &SyncRequest { allow_drift, ..request(how) }, metrics).await
        }
        SyncCommand::Apply { chosen, all, how, metrics_file, .. } => {
            apply(global, &chosen, all, &request(how), metrics_file.as_deref()).await
        }
        SyncCommand::Status { name, show_pii } => {
            status(&Workplace::new(global)?, global.format, name.as_deref(), show_pii).await
        }
        SyncCommand::Rejected { name, show_pii } => {
            rejected(&Workplace::new(global)?, global.format, &name, show_pii).await
        }
        SyncCommand::Retry { name } => retry(&Workplace::new(global)?, global.format, &name).await,
    }
}

fn request(how: How) -> SyncRequest {
    SyncRequest { full_resync: how.full_resync, wait: how.wait, ..SyncRequest::default() }
}

async fn plan(
    workplace: &Workplace,
    format: Format,
    name: &str,
    request: &SyncRequest,
    out: Option<&Path>,
) -> Result<Exit, Failure> {
    let sync = workplace.sync(name)?;
    let session = workplace.session().await?;
    let cost = springline_run::forecast_sync(&session, sync).await?;
    let forecast = springline_run::plan_sync(&session, sync, request).await?;
    // A plan can be made without the credentials of the destination, and then its batches are not known.
    let requests = workplace.destination(sync).await.map(|d| requests(&forecast.counts, &d.limits())).ok();
    if let Some(out) = out {
        let text = format!("{:#}\n", json!(forecast.planned));
        std::fs::write(out, text).map_err(|e| Failure::new(format!("cannot write {}: {e}", out.display())))?;
    }
    match format {
        Format::Json => {
            let mut object = json!(forecast);
            object["forecast"] = json!(cost);
            object["requests"] = json!(requests);
            anstream::println!("{object:#}");
        }
        Format::Text => {
            show_counts(&forecast.counts);
            show_samples(&forecast);
            anstream::println!("an apply {}", forecast_text(&cost));
            if let Some(requests) = requests {
                anstream::println!("and would make {} or more", counted(requests, "request"));
            }
        }
    }
    Ok(if forecast.counts.tripped.is_empty() { Exit::Done } else { Exit::Guarded })
}

/// The fewest requests that rows of these numbers fit in.
fn requests(counts: &SyncCounts, limits: &Limits) -> u64 {
    let rows = limits.batch.rows.max(1) as u64;
    let upserts = counts.added + counts.changed + counts.repeated;
    match limits.homogeneous {
        true => upserts.div_ceil(rows) + counts.removed.div_ceil(rows),
        false => counts.to_send().div_ceil(rows),
    }
}

/// Applies the plan of a file, as of its instant.
async fn apply_planned(
    global: &Global,
    file: &Path,
    request: &SyncRequest,
    metrics_file: Option<&Path>,
) -> Result<Exit, Failure> {
    let unreadable = |why: String| {
        Failure::new(format!("{} is no plan of a sync: {why}", file.display()))
            .hint("write one with `springline sync plan NAME --out plan.json`")
    };
    let text = std::fs::read(file).map_err(|e| unreadable(e.to_string()))?;
    let planned: PlannedSync = serde_json::from_slice(&text).map_err(|e| unreadable(e.to_string()))?;
    let mut global = global.clone();
    global.as_of.get_or_insert(planned.as_of.clone());
    let workplace = Workplace::new(&global)?;
    let target = &workplace.target()?.name;
    if *target != planned.target {
        let message = format!("{} was planned on target `{}`, not on `{target}`", file.display(), planned.target);
        return Err(Failure::new(message).hint(format!("add `--target {}`", planned.target)));
    }
    let sync = workplace.sync(&planned.sync)?;
    let full_resync = planned.full_resync;
    let request = SyncRequest { planned: Some(planned), full_resync, ..request.clone() };
    measured(&workplace, metrics_file, async |metrics| one(&workplace, global.format, sync, &request, metrics).await)
        .await
}

/// Makes runs and writes their metrics into the file that was asked for, if one was. A file that cannot be written is
/// shown and changes nothing else.
async fn measured(
    workplace: &Workplace,
    file: Option<&Path>,
    runs: impl AsyncFnOnce(Option<&Metrics>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let Some(file) = file else { return runs(None).await };
    let metrics = Metrics::new();
    let exit = runs(Some(&metrics)).await;
    if let Err(failure) = metrics.write(file, &workplace.loaded.dir) {
        failure.show(Format::Text);
    }
    exit
}

async fn apply(
    global: &Global,
    words: &[String],
    all: bool,
    request: &SyncRequest,
    metrics_file: Option<&Path>,
) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let syncs = match all {
        true => workplace.project().syncs.iter().collect(),
        false => selection::chosen(workplace.project(), words, &modified(&workplace, words).await?)?,
    };
    let runs = async |metrics: Option<&Metrics>| match (words, syncs.as_slice()) {
        // One that is named has a report of its own; whatever else is chosen has one report, be it of one sync.
        ([word], [sync]) if *word == sync.name => one(&workplace, global.format, sync, request, metrics).await,
        _ => many(&workplace, global.format, &syncs, request, metrics).await,
    };
    measured(&workplace, metrics_file, runs).await
}

/// For each sync whether it is modified; empty where no word asks for that, for it takes a connection.
pub(crate) async fn modified(workplace: &Workplace, words: &[String]) -> Result<Vec<bool>, Failure> {
    if words.iter().all(|word| word != selection::MODIFIED) {
        return Ok(Vec::new());
    }
    Ok(springline_run::modified_syncs(&workplace.session().await?).await?)
}

async fn one(
    workplace: &Workplace,
    format: Format,
    sync: &Sync,
    request: &SyncRequest,
    metrics: Option<&Metrics>,
) -> Result<Exit, Failure> {
    let report = Run { workplace, sync, request, metrics }.alone().await?;
    match format {
        Format::Json => anstream::println!("{:#}", json!(report)),
        Format::Text => show_report(&report),
    }
    Ok(exit(&report))
}

/// Applies syncs: those of one destination one after another, those of several at the same time.
async fn many(
    workplace: &Workplace,
    format: Format,
    syncs: &[&Sync],
    request: &SyncRequest,
    metrics: Option<&Metrics>,
) -> Result<Exit, Failure> {
    let clock = Instant::now();
    let session = match workplace.session().await {
        Ok(session) => session,
        Err(failure) => {
            for &sync in syncs {
                Run { workplace, sync, request, metrics }.without_session(&failure, clock).await;
            }
            return Err(failure);
        }
    };
    let mut by_destination: BTreeMap<_, Vec<(usize, &Sync)>> = BTreeMap::new();
    for (place, sync) in syncs.iter().enumerate() {
        by_destination.entry(sync.destination).or_default().push((place, sync));
    }
    let group = async |syncs: Vec<(usize, &Sync)>| {
        let mut ended = Vec::new();
        for (place, sync) in syncs {
            ended.push((place, Run { workplace, sync, request, metrics }.on(&session).await));
        }
        ended
    };
    let mut ended: Vec<_> = join_all(by_destination.into_values().map(group)).await.into_iter().flatten().collect();
    ended.sort_by_key(|(place, _)| *place);
    let results: Vec<(&Sync, Result<SyncReport, Failure>)> =
        ended.into_iter().filter_map(|(place, result)| Some((*syncs.get(place)?, result))).collect();
    let exits: Vec<Exit> = results.iter().map(|(_, r)| r.as_ref().map_or(Exit::Failed, exit)).collect();
    match format {
        Format::Json => {
            let all: Vec<Value> = results.iter().map(|(sync, result)| of_many(sync, result)).collect();
            anstream::println!("{:#}", json!({ "as_of": session.as_of.to_string(), "syncs": all }));
        }
        Format::Text => {
            results.iter().for_each(|(sync, result)| show_end(sync, result));
            let done = exits.iter().filter(|exit| **exit == Exit::Done).count();
            anstream::println!("{done} of {} done", counted(exits.len() as u64, "sync"));
        }
    }
    Ok(worst(&exits))
}

/// One of several syncs in a report.
pub(crate) fn of_many(sync: &Sync, result: &Result<SyncReport, Failure>) -> Value {
    match result {
        Ok(report) => {
            let mut object = json!(report);
            object["outcome"] = json!(report.outcome());
            object
        }
        Err(failure) => json!({ "sync": sync.name, "outcome": "error", "error": { "message": failure.message() } }),
    }
}

/// One of several runs on the screen.
pub(crate) fn show_end(sync: &Sync, result: &Result<SyncReport, Failure>) {
    match result {
        Ok(report) => show_report(report),
        Err(failure) => {
            anstream::println!("{}: failed", sync.name);
            failure.show(Format::Text);
        }
    }
}

/// How several syncs end the program: a failure tells more than a part, and a part more than a guard.
pub(crate) fn worst(exits: &[Exit]) -> Exit {
    let order = [Exit::Failed, Exit::Partial, Exit::Guarded];
    order.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

/// How a run of a sync ends the program.
pub(crate) fn exit(report: &SyncReport) -> Exit {
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

async fn rejected(workplace: &Workplace, format: Format, name: &str, show_pii: bool) -> Result<Exit, Failure> {
    let sync = workplace.sync(name)?;
    let session = workplace.session().await?;
    let status = springline_run::sync_status(&session, sync, show_pii).await?;
    match format {
        Format::Json => anstream::println!("{:#}", json!({ "sync": name, "rejected": status.rejected })),
        Format::Text if status.rejected.is_empty() => anstream::println!("{name}: nothing is rejected"),
        Format::Text => show_rejected(&status.rejected),
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
    if counts.state.starts_with("folder") {
        anstream::println!("  state kept in {}", counts.state);
    }
    if counts.waiting > 0 {
        anstream::println!(
            "  {} rows of a run that ended early are in doubt; the next apply asks the destination",
            thousands(counts.waiting)
        );
    }
    if counts.in_doubt > 0 {
        anstream::println!(
            "  {} of them may be there already, or hold another value: a run ended before it knew",
            thousands(counts.in_doubt)
        );
    }
    if counts.abandoned {
        anstream::println!(
            "  a run on another machine died, and what it sent last is known to its journal there alone: apply there \
             too, or if that machine is gone, once with --full-resync"
        );
    }
    for guard in &counts.tripped {
        anstream::println!("  {}; nothing is sent", guard_text(guard));
    }
}

/// Some rows of each change.
fn show_samples(forecast: &SyncForecast) {
    let mut by_change: Vec<(String, Vec<Map<String, Value>>)> = Vec::new();
    for row in &forecast.samples {
        let mut row = row.clone();
        let change = row.shift_remove("_change").and_then(|c| c.as_str().map(str::to_owned)).unwrap_or_default();
        match by_change.last_mut().filter(|(last, _)| *last == change) {
            Some((_, rows)) => rows.push(row),
            None => by_change.push((change, vec![row])),
        }
    }
    for (change, rows) in by_change {
        if let Some(table) = output::rows(&rows) {
            anstream::println!("{change}, for example");
            anstream::println!("{table}");
        }
    }
}

/// The counts that are seldom other than zero.
fn rest(counts: &SyncCounts) -> String {
    let seldom = [
        (counts.repeated, "sent again though unchanged"),
        (counts.held, "held back after a refusal"),
        (counts.skipped, "not sent in this mode"),
    ];
    seldom.iter().filter(|(rows, _)| *rows > 0).map(|(rows, word)| format!(", {} {word}", thousands(*rows))).collect()
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
        anstream::println!("  `springline sync rejected {}` lists what was refused and why", report.counts.sync);
    }
}

fn show_status(status: &SyncStatus) {
    anstream::println!(
        "{}: {} acknowledged, {} rejected",
        status.sync,
        thousands(status.acknowledged),
        thousands(status.rejected.len() as u64)
    );
    if !status.rejected.is_empty() {
        show_rejected(&status.rejected);
    }
}

fn show_rejected(rejected: &[RejectedRow]) {
    let mut rows = table(&["key", "operation", "code", "message", "attempts", "last refused", "sent again"]);
    for row in rejected {
        let again = if row.retryable { "after a while" } else { "when it changes" };
        let attempts = row.attempts.to_string();
        rows.add_row([&row.key, &row.operation, &row.code, &row.message, &attempts, &row.last_seen_at, again]);
    }
    right(&mut rows, &[4]);
    anstream::println!("{rows}");
}
