//! `springline identity`: which records are the same thing, and what linked them.

use serde_json::json;
use springline_model::Identity;
use springline_plan::Hashing;
use springline_run::{IdentifierFigures, IdentityReport};

use super::identity_ask;
use crate::cli::{Format, Global, IdentityCommand};
use crate::failure::{Exit, Failure};
use crate::output::{counted, right, table, thousands};
use crate::sessions::{Workplace, unknown};

pub(crate) async fn execute(global: &Global, command: &IdentityCommand) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let report = match command {
        IdentityCommand::Run { name, wait } => {
            let identity = find(&workplace, name)?;
            let session = workplace.session().await?;
            springline_run::run_identity(&session, identity, Hashing { salt: 0, space: None }, *wait).await?
        }
        IdentityCommand::Report { name } => {
            let identity = find(&workplace, name)?;
            springline_run::identity_report(&workplace.session().await?, identity).await?
        }
        IdentityCommand::Explain { record, other, how } => {
            return identity_ask::explain(&workplace, global.format, [record, other], how).await;
        }
        IdentityCommand::Audit { id, how } => return identity_ask::audit(&workplace, global.format, id, how).await,
        IdentityCommand::WhatIf { name, rules, wait } => {
            return identity_ask::what_if(global, &workplace, name, rules, *wait).await;
        }
    };
    match global.format {
        Format::Json => anstream::println!("{:#}", json!(report)),
        Format::Text => show(&report),
    }
    Ok(Exit::Done)
}

pub(super) fn find<'a>(workplace: &'a Workplace, name: &str) -> Result<&'a Identity, Failure> {
    let all = &workplace.project().identities;
    let known = all.iter().map(|identity| identity.name.as_str());
    all.iter().find(|identity| identity.name == name).ok_or_else(|| unknown("identity", name, known))
}

/// What a run came to, in one line.
pub(crate) fn headline(report: &IdentityReport) {
    let (records, clusters) = (counted(report.records, "record"), counted(report.clusters, "cluster"));
    anstream::println!(
        "identity {}, run {} as of {}: {records} in {clusters}, {} fewer",
        report.identity,
        report.run,
        report.as_of,
        percent(report.deduplication_rate)
    );
}

fn show(report: &IdentityReport) {
    headline(report);
    anstream::println!(
        "{} alone; of a cluster's records the median is {}, 99 of 100 have at most {}, the largest {}",
        thousands(report.singletons),
        thousands(report.size_p50),
        thousands(report.size_p99),
        thousands(report.size_max)
    );
    for rule in &report.rules {
        let (linked, share) = (counted(rule.linked, "record"), percent(rule.match_rate));
        let compared = rule.pairs.map(|pairs| format!(", {} compared", counted(pairs, "pair"))).unwrap_or_default();
        let rejected = match rule.rejected_links {
            0 => String::new(),
            links => format!(", {} rejected", counted(links, "link")),
        };
        anstream::println!("rule {}: {linked} linked ({share}){compared}{rejected}", rule.rule);
    }
    let mut identifiers = table(&[
        "identifier",
        "given",
        "usable",
        "linked",
        "match rate",
        "marginal",
        "quarantined",
        "rejected",
        "dropped",
    ]);
    for figures in &report.identifiers {
        let counts = [figures.given, figures.usable, figures.linked].map(thousands);
        let mut row = vec![figures.identifier.clone()];
        row.extend(counts);
        row.push(percent(figures.match_rate));
        row.push(percent(figures.marginal_match_rate));
        row.push(pair(figures.quarantined_values, figures.quarantined_records, "record"));
        row.push(rejected(figures));
        row.push(dropped(figures));
        identifiers.add_row(row);
    }
    right(&mut identifiers, &[1, 2, 3, 4, 5]);
    anstream::println!("{identifiers}");
    anstream::println!(
        "{}, {}, {}, {} of the records of before have another id",
        counted(report.limit_hits, "limit hit"),
        counted(report.merges, "merge"),
        counted(report.splits, "split"),
        percent(report.churn)
    );
    anstream::println!(
        "{}, {}, {:.1} s",
        counted(report.rounds, "round"),
        counted(report.statements, "statement"),
        report.seconds
    );
}

/// A number of values and of what they are on.
fn pair(values: u64, of: u64, noun: &str) -> String {
    if values == 0 { "-".to_owned() } else { format!("{} ({})", counted(values, "value"), counted(of, noun)) }
}

fn rejected(figures: &IdentifierFigures) -> String {
    let reasons: Vec<_> = figures.rejected.iter().map(|r| format!("{} {}", r.reason, thousands(r.links))).collect();
    match figures.rejected_values {
        0 => "-".to_owned(),
        values => format!("{} (links: {})", counted(values, "value"), reasons.join(", ")),
    }
}

fn dropped(figures: &IdentifierFigures) -> String {
    let reasons: Vec<_> = figures.dropped.iter().map(|d| format!("{} {}", d.reason, thousands(d.records))).collect();
    if reasons.is_empty() { "-".to_owned() } else { reasons.join(", ") }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
