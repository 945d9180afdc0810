//! What stops a run before anything is sent: too much of a change, too few rows, stale tables, data that has outgrown
//! a plan.

use jiff::Timestamp;
use springline_model::{Limit, Sync, Unit, Within};
use springline_plan::SyncPlan;

use super::{SyncCounts, SyncRequest};
use crate::records::{instants, numbers};
use crate::{RunError, Session};

/// A guard that stops a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Tripped {
    /// `max_removed`, `max_added`, `max_changed`, `min_rows`, `freshness`, or `plan` where the rows are others than
    /// those of the plan that is applied.
    pub guard: String,
    /// What it allows, as the model says.
    pub allowed: String,
    /// What the run would do, in rows; of `freshness`: the age of a table, in minutes.
    pub found: u64,
    /// The table that is too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// All guards that stop this run.
pub(super) async fn tripped(
    session: &Session,
    sync: &Sync,
    plan: &SyncPlan,
    request: &SyncRequest,
    counts: &SyncCounts,
) -> Result<Vec<Tripped>, RunError> {
    let mut all = by_counts(sync, counts);
    if let Some(length) = sync.guards.freshness {
        all.extend(stale(session, sync, plan, length).await?);
    }
    if let Some(planned) = request.planned.as_ref().filter(|_| !request.allow_drift)
        && fingerprint(session.state(), plan).await? != planned.fingerprint
    {
        let allowed = format!("the {} rows planned as of {}", planned.rows, planned.as_of);
        all.push(Tripped { guard: "plan".to_owned(), allowed, found: counts.to_send(), table: None });
    }
    Ok(all)
}

fn by_counts(sync: &Sync, counts: &SyncCounts) -> Vec<Tripped> {
    let guards = &sync.guards;
    let mut all = Vec::new();
    let mut check = |guard: &str, limit: Option<Limit>, found: u64, least: bool| {
        let Some(limit) = limit else { return };
        let (rows, mut allowed) = match limit {
            Limit::Rows(rows) => (rows as f64, format!("{rows} rows")),
            Limit::Percent(share) => (counts.acknowledged as f64 * share / 100.0, format!("{share} %")),
        };
        // The first run has nothing to take a share of.
        let first = counts.acknowledged == 0 && matches!(limit, Limit::Percent(_));
        let beyond = if least { (found as f64) < rows } else { found as f64 > rows };
        if least {
            allowed.push_str(" or more");
        }
        if !first && beyond {
            all.push(Tripped { guard: guard.to_owned(), allowed, found, table: None });
        }
    };
    check("max_removed", guards.max_removed, counts.removed, false);
    check("max_added", guards.max_added, counts.added, false);
    check("max_changed", guards.max_changed, counts.changed, false);
    check("min_rows", guards.min_rows, counts.desired, true);
    all
}

/// The tables whose youngest row is older than a length of time.
async fn stale(session: &Session, sync: &Sync, plan: &SyncPlan, length: Within) -> Result<Vec<Tripped>, RunError> {
    let tables = springline_plan::freshness(session.context(), &plan.desired.statement);
    if tables.is_empty() {
        return Err(RunError::Source(format!(
            "sync `{}` ({}): `freshness` has nothing to go by: no table that the sync reads has events or an `updated_at`",
            sync.name,
            session.sources.locate(sync.span)
        )));
    }
    let limit = springline_plan::long_ago(session.context(), length)?;
    let mut all = Vec::new();
    for (table, query) in tables {
        let mut latest = None;
        for batch in session.small(query).await? {
            latest = latest.max(instants(&batch, "latest")?.into_iter().flatten().max());
        }
        // A table without rows is as old as time.
        let latest = latest.unwrap_or(Timestamp::MIN);
        if latest < limit {
            let found = u64::try_from(session.as_of.duration_since(latest).as_mins()).unwrap_or_default();
            let (guard, allowed) = ("freshness".to_owned(), length_text(length));
            all.push(Tripped { guard, allowed, found, table: Some(table.to_string()) });
        }
    }
    Ok(all)
}

fn length_text(length: Within) -> String {
    let unit = match length.unit {
        Unit::Minute => "minute",
        Unit::Hour => "hour",
        Unit::Day => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Quarter => "quarter",
        Unit::Year => "year",
    };
    format!("{} {unit}{}", length.amount, if length.amount == 1 { "" } else { "s" })
}

/// What tells the rows to send from any others.
pub(super) async fn fingerprint(session: &Session, plan: &SyncPlan) -> Result<String, RunError> {
    let mut parts = Vec::new();
    for batch in session.small(plan.fingerprint.clone()).await? {
        for name in ["rows", "first", "second"] {
            parts.extend(numbers(&batch, name)?.into_iter().map(|n| format!("{n:x}")));
        }
    }
    Ok(parts.join("-"))
}
