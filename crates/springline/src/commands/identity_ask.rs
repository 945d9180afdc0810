//! `springline identity explain`, `audit` and `what-if`: why records are one, and what other rules would make of them.

use std::path::Path;

use serde_json::json;
use springline_model::Identity;
use springline_run::{
    ChainLink, ClusterAudit, Evidence, Explanation, Holding, IdentityTrial, RecordName, audit_cluster, explain_records,
    try_identity,
};

use super::identity::{find, percent};
use crate::cli::{Format, Global, Looking};
use crate::failure::{Exit, Failure};
use crate::output::{counted, right, table, thousands};
use crate::project;
use crate::sessions::{Workplace, unknown};

/// How many records, and how many values, an audit lists on the screen.
const LISTED: usize = 20;

pub(super) async fn explain(
    workplace: &Workplace,
    format: Format,
    [record, other]: [&String; 2],
    how: &Looking,
) -> Result<Exit, Failure> {
    let source = record.split(':').next().unwrap_or_default();
    let identity = chosen(workplace, how, Some(source))?;
    let (record, other) = (named(workplace, identity, record)?, named(workplace, identity, other)?);
    let session = workplace.session().await?;
    let explained = explain_records(&session, identity, &record, &other, how.show_pii).await?;
    match format {
        Format::Json => anstream::println!("{:#}", json!(explained)),
        Format::Text => show_explanation(&explained),
    }
    Ok(Exit::Done)
}

pub(super) async fn audit(workplace: &Workplace, format: Format, id: &str, how: &Looking) -> Result<Exit, Failure> {
    let identity = chosen(workplace, how, None)?;
    let session = workplace.session().await?;
    let audit = audit_cluster(&session, identity, id, how.show_pii).await?;
    match format {
        Format::Json => anstream::println!("{:#}", json!(audit)),
        Format::Text => show_audit(&audit),
    }
    Ok(Exit::Done)
}

pub(super) async fn what_if(
    global: &Global,
    workplace: &Workplace,
    name: &str,
    rules: &Path,
    wait: bool,
) -> Result<Exit, Failure> {
    let before = find(workplace, name)?;
    let changed = workplace.with(project::load_changed(global.project.as_deref(), rules)?);
    let identity = find(&changed, name)?;
    let defined = changed.loaded.sources.path(identity.span.file);
    if Path::new(defined) != rules {
        let failure = Failure::new(format!("{} does not define identity `{name}`", rules.display()));
        return Err(
            failure.hint(format!("write the whole entry with its changes under `identities:`; it is in {defined}"))
        );
    }
    let trial = try_identity(&changed.session().await?, before, identity, wait).await?;
    match global.format {
        Format::Json => anstream::println!("{:#}", json!(trial)),
        Format::Text => show_trial(&trial),
    }
    Ok(Exit::Done)
}

/// The identity that was named, the only one, or the only one with that source.
fn chosen<'a>(workplace: &'a Workplace, how: &Looking, source: Option<&str>) -> Result<&'a Identity, Failure> {
    if let Some(name) = &how.identity {
        return find(workplace, name);
    }
    let project = workplace.project();
    let has = |identity: &&Identity| {
        source.is_none_or(|source| identity.sources.iter().any(|of| project.source(of.source).name == source))
    };
    let all: Vec<&Identity> = match project.identities.as_slice() {
        [only] => vec![only],
        several => several.iter().filter(has).collect(),
    };
    match all.as_slice() {
        [only] => Ok(only),
        [] => {
            let names = project.identities.iter().flat_map(|of| &of.sources).map(|of| project.source(of.source));
            Err(unknown("source of an identity", source.unwrap_or_default(), names.map(|source| source.name.as_str())))
        }
        several => {
            let names: Vec<_> = several.iter().map(|identity| identity.name.as_str()).collect();
            Err(Failure::new("the project has several identities that may be meant")
                .hint(format!("name one with `--identity`: {}", names.join(", "))))
        }
    }
}

/// A record by the text of the command line. Names of sources have no colon, primary keys may.
fn named(workplace: &Workplace, identity: &Identity, text: &str) -> Result<RecordName, Failure> {
    let Some((source, key)) = text.split_once(':') else {
        return Err(Failure::new(format!("`{text}` names no record"))
            .hint("write the source, a colon and the primary key, as in `crm:123`"));
    };
    let sources = || identity.sources.iter().map(|of| workplace.project().source(of.source).name.as_str());
    if !sources().any(|name| name == source) {
        return Err(unknown(&format!("source of identity `{}` called", identity.name), source, sources()));
    }
    Ok(RecordName { source: source.to_owned(), key: key.to_owned() })
}

fn show_explanation(explained: &Explanation) {
    let Explanation { record, other, canonical_id, .. } = explained;
    if *canonical_id == explained.other_canonical_id {
        anstream::println!("{record} and {other} are one: {canonical_id}");
        for ChainLink { record, other, by } in &explained.chain {
            anstream::println!("  {record} and {other}: {}", evidence(by));
        }
        return;
    }
    anstream::println!("{record} and {other} are not one: {canonical_id} and {}", explained.other_canonical_id);
    for [record, other] in &explained.kept_apart {
        anstream::println!("  {record} and {other} are kept apart by hand");
    }
    for value in &explained.unlinked {
        let (records, others) = (counted(value.records, "record"), counted(value.other_records, "record"));
        anstream::println!(
            "  {} {} is {}: on {records} of the first cluster and {others} of the second",
            value.identifier,
            value.value,
            value.reason
        );
    }
    if explained.kept_apart.is_empty() && explained.unlinked.is_empty() {
        anstream::println!("  no value is on records of both");
    }
}

fn evidence(by: &Evidence) -> String {
    match by {
        Evidence::Value { identifier, value } => format!("{identifier} {value}"),
        Evidence::Rule { rule } => format!("rule {rule}"),
        Evidence::Override => "an override".to_owned(),
    }
}

fn show_audit(audit: &ClusterAudit) {
    let records = counted(audit.records.len() as u64, "record");
    let most = audit.max_cluster_size.map(|most| format!(" of at most {}", thousands(most))).unwrap_or_default();
    anstream::println!("cluster {} of identity {}: {records}{most}", audit.canonical_id, audit.identity);
    if audit.asked != audit.canonical_id {
        anstream::println!("{} is gone; this is what followed it", audit.asked);
    }
    if !audit.ids_before.is_empty() {
        anstream::println!("ids before: {}", listed(&audit.ids_before));
    }
    anstream::println!("records: {}", listed(&audit.records));
    for count in &audit.identifiers {
        let most = count.limit.map(|limit| format!(" of at most {}", thousands(limit))).unwrap_or_default();
        anstream::println!("{}: {}{most}", count.identifier, counted(count.values, "value"));
    }
    if audit.evidence.is_empty() {
        return;
    }
    let mut held = table(&["held together by", "records", "without it"]);
    for Holding { by, records, parts } in audit.evidence.iter().take(LISTED) {
        let parts: Vec<_> = parts.iter().map(|part| thousands(*part as u64)).collect();
        let without = if parts.is_empty() { "whole".to_owned() } else { format!("falls into {}", parts.join(" + ")) };
        held.add_row([evidence(by), thousands(*records as u64), without]);
    }
    right(&mut held, &[1]);
    anstream::println!("{held}");
    if audit.evidence.len() > LISTED {
        anstream::println!("and {} more; all are there with `--format json`", audit.evidence.len() - LISTED);
    }
}

/// The first of many.
fn listed(all: &[String]) -> String {
    let shown = all.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn show_trial(trial: &IdentityTrial) {
    anstream::println!("identity {}: what the changed definition would make of the last run", trial.identity);
    let mut sizes = table(&["", "records", "clusters", "alone", "largest"]);
    for (when, of) in [("now", &trial.before), ("then", &trial.after)] {
        let counts = [of.records, of.clusters, of.singletons, of.size_max].map(thousands);
        sizes.add_row(std::iter::once(when.to_owned()).chain(counts));
    }
    right(&mut sizes, &[1, 2, 3, 4]);
    anstream::println!("{sizes}");
    anstream::println!(
        "{}, {}, {}; {} with another id ({})",
        counted(trial.limit_hits, "limit hit"),
        counted(trial.merges, "merge"),
        counted(trial.splits, "split"),
        counted(trial.changed, "record"),
        percent(trial.churn)
    );
    for cluster in &trial.largest_merged {
        anstream::println!(
            "{}: {} of {}",
            cluster.canonical_id,
            counted(cluster.records, "record"),
            counted(cluster.clusters, "cluster")
        );
    }
    for segment in &trial.segments {
        anstream::println!(
            "segment {}: {} of {} touched",
            segment.segment,
            thousands(segment.touched),
            counted(segment.members, "member")
        );
    }
    anstream::println!("nothing was changed");
}
