//! What is wrong with a run of a sync, in words and numbers without any value of a row, and telling it to whom the
//! project's `alerts` name. An alert that cannot be sent is shown and changes nothing else.

use futures::future::join_all;
use serde_json::{Value, json};
use springline_destination::{Message, send_alert};
use springline_model::{Alert, AlertReason};
use springline_run::redact;

use crate::connect;
use crate::output::{counted, guard_text, thousands};
use crate::runs::Ended;
use crate::sessions::Workplace;

/// How many earlier runs tell what number of rows is usual.
pub(crate) const RUNS: u64 = 10;

/// With fewer runs than this nothing is usual yet.
const LEAST_RUNS: usize = 3;

/// Sends each alert of the project that has a reason.
pub(crate) async fn tell(workplace: &Workplace, ended: &Ended<'_>) {
    let send = async |alert: &Alert| {
        let found = reasons(alert, ended);
        if found.is_empty() {
            return;
        }
        let sent = match connect::alert(&workplace.loaded, alert, &workplace.overrides) {
            Ok(config) => send_alert(&config, &message(workplace, ended, &found)).await.map_err(|e| e.to_string()),
            Err(failure) => Err(failure.message()),
        };
        let at = workplace.loaded.sources.locate(alert.span);
        match sent {
            Ok(()) => tracing::info!(r#type = alert.kind, sync = ended.sync.name, "alert sent"),
            Err(error) => {
                tracing::warn!(r#type = alert.kind, sync = ended.sync.name, error, "alert not sent");
                anstream::eprintln!("warning: the alert of type `{}` ({at}) was not sent: {error}", alert.kind);
            }
        }
    };
    join_all(workplace.project().alerts.iter().map(send)).await;
}

/// Why an alert is due, each reason with what there is to say.
fn reasons(alert: &Alert, ended: &Ended<'_>) -> Vec<(AlertReason, String)> {
    let all = match ended.result {
        Err(failure) => vec![(AlertReason::Failure, format!("the run failed: {}", redact(&failure.message())))],
        Ok(report) => {
            let mut all = Vec::new();
            if let Some(stopped) = &report.stopped {
                let left = counted(report.unsent, "row");
                all.push((AlertReason::Failure, format!("the run stopped with {left} left: {}", redact(stopped))));
            }
            all.extend(refused(report, alert.rejected_share).map(|text| (AlertReason::Rejected, text)));
            all.extend(report.counts.tripped.iter().map(|guard| {
                let is_age = guard.guard == AlertReason::Freshness.name();
                let reason = if is_age { AlertReason::Freshness } else { AlertReason::Guard };
                (reason, format!("nothing is sent: {}", guard_text(guard)))
            }));
            let size = unusual(report.counts.desired, &ended.sizes, alert.size_change);
            all.extend(size.map(|text| (AlertReason::Size, text)));
            all
        }
    };
    all.into_iter().filter(|(reason, _)| alert.on.contains(reason)).collect()
}

fn refused(report: &springline_run::SyncReport, share: f64) -> Option<String> {
    let settled = report.delivered + report.rejected + report.unknown;
    let percent = report.rejected as f64 / settled.max(1) as f64 * 100.0;
    (percent > share).then(|| {
        let rejected = counted(report.rejected, "row");
        format!("{rejected} of {} refused by the destination ({percent:.1} %)", thousands(settled))
    })
}

/// What is to be said of a number of rows that is far from the median of those before.
fn unusual(rows: u64, before: &[u64], change: f64) -> Option<String> {
    if before.len() < LEAST_RUNS {
        return None;
    }
    let mut sorted = before.to_vec();
    sorted.sort_unstable();
    let usual = sorted[sorted.len() / 2];
    let difference = rows.abs_diff(usual) as f64;
    (difference > usual as f64 * change / 100.0).then(|| {
        let runs = counted(before.len() as u64, "run");
        format!("it has {}, and the median of the last {runs} is {}", counted(rows, "row"), thousands(usual))
    })
}

fn message(workplace: &Workplace, ended: &Ended<'_>, found: &[(AlertReason, String)]) -> Message {
    let project = workplace.project();
    let (sync, destination) = (&ended.sync.name, &project.destination(ended.sync.destination).name);
    let words: Vec<&str> = found.iter().map(|(reason, _)| reason.name()).collect();
    let mut lines: Vec<String> = found.iter().map(|(_, text)| text.clone()).collect();
    let mut facts = json!({
        "type": "sync.alert",
        "project": project.name,
        "sync": sync,
        "destination": destination,
        "outcome": ended.outcome(),
        "at": ended.at.to_string(),
        "reasons": found.iter().map(|(reason, text)| json!({ "reason": reason.name(), "message": text }))
            .collect::<Vec<Value>>(),
    });
    if let Ok(report) = ended.result {
        let counts = &report.counts;
        lines.push(format!(
            "{} delivered, {} rejected, {} left; {} in the sync, {} acknowledged before",
            thousands(report.delivered),
            thousands(report.rejected),
            thousands(report.unsent),
            thousands(counts.desired),
            thousands(counts.acknowledged),
        ));
        lines.push(format!("run {} as of {}", report.run_id, counts.as_of));
        facts["run_id"] = json!(report.run_id);
        facts["as_of"] = json!(counts.as_of);
        facts["counts"] = json!({
            "desired": counts.desired, "acknowledged": counts.acknowledged, "delivered": report.delivered,
            "rejected": report.rejected, "unknown": report.unknown, "unsent": report.unsent,
        });
    }
    Message {
        subject: format!("{}: sync `{sync}` to `{destination}`: {}", project.name, words.join(", ")),
        text: lines.join("\n"),
        facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_rows_is_compared_with_the_median() {
        let before = [100, 104, 90, 5_000, 96];
        assert_eq!(unusual(150, &before, 50.0), None, "half as many again is within");
        let text = unusual(151, &before, 50.0).unwrap();
        assert_eq!(text, "it has 151 rows, and the median of the last 5 runs is 100");
        assert!(unusual(49, &before, 50.0).is_some() && unusual(50, &before, 50.0).is_none());
        assert!(unusual(0, &before, 99.0).is_some());
        assert_eq!(unusual(0, &before[..2], 10.0), None, "nothing is usual yet");
        assert!(unusual(1, &[0, 0, 0], 50.0).is_some() && unusual(0, &[0, 0, 0], 50.0).is_none());
    }
}
