//! The figures of a run: as they are counted, as they are kept, and as they are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use serde::Serialize;
use springline_model::{Identity, IdentityRule, RuleKind};

use crate::RunError;
use crate::records::{instants, numbers, texts};

/// What a run of an identity found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdentityReport {
    /// The identity.
    pub identity: String,
    /// The number of the run, from 1.
    pub run: u64,
    /// The instant of the run.
    pub as_of: String,
    /// The records of all sources.
    pub records: u64,
    /// The clusters of records that are the same thing.
    pub clusters: u64,
    /// Those of one record.
    pub singletons: u64,
    /// The share of the records that are a further one of their cluster, from 0 to 1.
    pub deduplication_rate: f64,
    /// Half of the clusters have at most so many records.
    pub size_p50: u64,
    /// 99 of 100 clusters have at most so many records.
    pub size_p99: u64,
    /// The most records of a cluster.
    pub size_max: u64,
    /// Clusters that would have exceeded a limit.
    pub limit_hits: u64,
    /// Ids that are gone, because their records are part of another cluster now.
    pub merges: u64,
    /// Ids that some of their records have left.
    pub splits: u64,
    /// The share of the records of before that have another id now, from 0 to 1.
    pub churn: f64,
    /// The most rounds that finding components took.
    pub rounds: u64,
    /// Statements, those that remove the working tables aside.
    pub statements: u64,
    /// How long it took.
    pub seconds: f64,
    /// What each rule linked.
    pub rules: Vec<RuleFigures>,
    /// What each identifier linked, in their order.
    pub identifiers: Vec<IdentifierFigures>,
}

/// How many records and clusters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The records of all sources.
    pub records: u64,
    /// The clusters of records that are the same thing.
    pub clusters: u64,
    /// Those of one record.
    pub singletons: u64,
    /// Half of the clusters have at most so many records.
    pub size_p50: u64,
    /// 99 of 100 clusters have at most so many records.
    pub size_p99: u64,
    /// The most records of a cluster.
    pub size_max: u64,
}

impl Sizes {
    /// From how many clusters of each size there are: `size`, `clusters`.
    pub(super) fn read(batches: &[RecordBatch]) -> Result<Self, RunError> {
        let mut sizes = BTreeMap::new();
        for batch in batches {
            sizes.extend(numbers(batch, "size")?.into_iter().zip(numbers(batch, "clusters")?));
        }
        let clusters: u64 = sizes.values().sum();
        Ok(Sizes {
            records: sizes.iter().map(|(size, clusters)| size * clusters).sum(),
            clusters,
            singletons: sizes.get(&1).copied().unwrap_or(0),
            size_p50: size_at(&sizes, clusters.div_ceil(2)),
            size_p99: size_at(&sizes, (clusters * 99).div_ceil(100)),
            size_max: sizes.keys().next_back().copied().unwrap_or(0),
        })
    }
}

/// What a rule linked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleFigures {
    /// The rule.
    pub rule: String,
    /// Records that it links to another.
    pub linked: u64,
    /// Their share of all records, from 0 to 1.
    pub match_rate: f64,
    /// Pairs that it compared; none for a deterministic one.
    pub pairs: Option<u64>,
    /// Links that were left out because they would have made a cluster exceed a limit.
    pub rejected_links: u64,
}

/// What an identifier linked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdentifierFigures {
    /// The identifier.
    pub identifier: String,
    /// Records whose source gives it.
    pub given: u64,
    /// Those with a value that may link.
    pub usable: u64,
    /// Records that share a value with another one.
    pub linked: u64,
    /// Their share of the usable ones, from 0 to 1.
    pub match_rate: f64,
    /// Those of them that share no value of another identifier: without this one they would be alone.
    pub only_linked: u64,
    /// Their share of all records, from 0 to 1: by so much would fewer records match without this identifier.
    pub marginal_match_rate: f64,
    /// Records whose value links nothing, by the reason.
    pub dropped: Vec<DroppedRecords>,
    /// Values on more records than `max_records_per_value`.
    pub quarantined_values: u64,
    /// The records with them.
    pub quarantined_records: u64,
    /// Values that were left out because they would have made a cluster exceed a limit.
    pub rejected_values: u64,
    /// The links that they would have made.
    pub rejected_links: u64,
    /// Those links by the reason.
    pub rejected: Vec<RejectedLinks>,
}

/// Links that were not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedLinks {
    /// Why: `conflict` (the records of the value exceed a limit by themselves), `chain` (they do with what else links
    /// them) or `unsettled` (so many values of their cluster did that all were left out).
    pub reason: String,
    /// How many.
    pub links: u64,
}

/// Records whose value links nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroppedRecords {
    /// Why: `null`, `blank`, `placeholder`, `invalid` or `blocked`.
    pub reason: String,
    /// How many.
    pub records: u64,
}

/// Figures by their identifier, none for those of the whole, and their name.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) run: u64,
    pub(super) as_of: Timestamp,
    values: BTreeMap<(Option<String>, String), u64>,
}

impl Figures {
    pub(super) fn new(run: u64, as_of: Timestamp) -> Self {
        Figures { run, as_of, values: BTreeMap::new() }
    }

    pub(super) fn whole(&mut self, figure: &str, value: u64) {
        self.values.insert((None, figure.to_owned()), value);
    }

    /// Takes in what the warehouse counted: identifiers by their places, from 1.
    pub(super) fn counted(&mut self, identity: &Identity, batches: &[RecordBatch]) -> Result<(), RunError> {
        for batch in batches {
            let named = texts(batch, "figure")?.into_iter().zip(numbers(batch, "value")?);
            for (place, (figure, value)) in numbers(batch, "identifier")?.into_iter().zip(named) {
                let place = usize::try_from(place).unwrap_or(0).checked_sub(1);
                let identifier = place.and_then(|place| identity.identifiers.get(place)).map(|i| i.name.clone());
                let rule = place.and_then(|place| place.checked_sub(identity.identifiers.len()));
                let rule = rule.and_then(|place| identity.rules.get(place)).map(|rule| rule.name.as_str());
                let figure = figure.unwrap_or_default();
                let figure = rule.map_or_else(|| figure.clone(), |rule| of_rule(rule, &figure));
                self.values.insert((identifier, figure), value);
            }
        }
        Ok(())
    }

    /// Takes in how many clusters of each size there are.
    pub(super) fn sizes(&mut self, batches: &[RecordBatch]) -> Result<(), RunError> {
        let sizes = Sizes::read(batches)?;
        self.whole("records", sizes.records);
        self.whole("clusters", sizes.clusters);
        self.whole("singletons", sizes.singletons);
        self.whole("size_p50", sizes.size_p50);
        self.whole("size_p99", sizes.size_p99);
        self.whole("size_max", sizes.size_max);
        Ok(())
    }

    /// Reads what was kept of a run; `None` where nothing was.
    pub(super) fn read(batches: &[RecordBatch]) -> Result<Option<Self>, RunError> {
        let mut read: Option<Figures> = None;
        for batch in batches {
            let runs = numbers(batch, "run")?.into_iter().zip(instants(batch, "as_of")?);
            let named = texts(batch, "identifier")?.into_iter().zip(texts(batch, "figure")?);
            for (((run, as_of), key), value) in runs.zip(named).zip(numbers(batch, "value")?) {
                let figures = read.get_or_insert_with(|| Figures::new(run, as_of.unwrap_or_default()));
                figures.values.insert((key.0, key.1.unwrap_or_default()), value);
            }
        }
        Ok(read)
    }

    /// What is kept of them: identifier, figure, value.
    pub(super) fn rows(&self) -> Vec<(Option<&str>, &str, u64)> {
        self.values.iter().map(|((of, figure), value)| (of.as_deref(), figure.as_str(), *value)).collect()
    }

    fn of(&self, identifier: Option<&str>, figure: &str) -> u64 {
        self.values.get(&(identifier.map(str::to_owned), figure.to_owned())).copied().unwrap_or(0)
    }
}

impl IdentityReport {
    pub(super) fn new(identity: &Identity, figures: Figures) -> Self {
        let whole = |figure: &str| figures.of(None, figure);
        let (records, singletons) = (whole("records"), whole("singletons"));
        let rule = |rule: &IdentityRule| {
            let of = |figure: &str| whole(&of_rule(&rule.name, figure));
            let (linked, pairs, rejected_links) = match rule.kind {
                RuleKind::Deterministic => (whole("linked"), None, 0),
                RuleKind::Probabilistic(_) => (of("linked"), Some(of("pairs")), of("rejected_links")),
            };
            RuleFigures { rule: rule.name.clone(), linked, match_rate: share(linked, records), pairs, rejected_links }
        };
        IdentityReport {
            identity: identity.name.clone(),
            run: figures.run,
            as_of: figures.as_of.to_string(),
            records,
            clusters: whole("clusters"),
            singletons,
            deduplication_rate: share(records - whole("clusters").min(records), records),
            size_p50: whole("size_p50"),
            size_p99: whole("size_p99"),
            size_max: whole("size_max"),
            limit_hits: whole("limit_hits"),
            merges: whole("merges"),
            splits: whole("splits"),
            churn: share(whole("changed"), whole("known")),
            rounds: whole("rounds"),
            statements: whole("statements"),
            seconds: share(whole("milliseconds"), 1000),
            rules: identity.rules.iter().map(rule).collect(),
            identifiers: identity.identifiers.iter().map(|i| of_identifier(&figures, &i.name, records)).collect(),
        }
    }
}

/// The name of a rule's figure among those of the whole.
pub(super) fn of_rule(rule: &str, figure: &str) -> String {
    format!("rule.{rule}.{figure}")
}

fn of_identifier(figures: &Figures, name: &str, records: u64) -> IdentifierFigures {
    let of = |figure: &str| figures.of(Some(name), figure);
    let by_reason = |start: &'static str| {
        figures.values.iter().filter_map(move |((identifier, figure), value)| {
            let reason = figure.strip_prefix(start).filter(|_| identifier.as_deref() == Some(name))?;
            Some((reason.to_owned(), *value))
        })
    };
    let dropped = by_reason("dropped.").map(|(reason, records)| DroppedRecords { reason, records });
    let rejected = by_reason("rejected_links.").map(|(reason, links)| RejectedLinks { reason, links });
    IdentifierFigures {
        identifier: name.to_owned(),
        given: of("given"),
        usable: of("usable"),
        linked: of("linked"),
        match_rate: share(of("linked"), of("usable")),
        only_linked: of("only_linked"),
        marginal_match_rate: share(of("only_linked"), records),
        dropped: dropped.collect(),
        quarantined_values: of("quarantined_values"),
        quarantined_records: of("quarantined_records"),
        rejected_values: of("rejected_values"),
        rejected_links: of("rejected_links"),
        rejected: rejected.collect(),
    }
}

/// The size of the n-th cluster, from 1, in the order of their sizes.
fn size_at(sizes: &BTreeMap<u64, u64>, place: u64) -> u64 {
    let mut before = 0;
    let mut reached = sizes.iter().skip_while(|(_, clusters)| {
        before += **clusters;
        before < place
    });
    reached.next().map_or(0, |(size, _)| *size)
}

#[allow(clippy::cast_precision_loss, reason = "a share")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A column of these texts.
pub(super) fn texts_or_null<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(texts.collect::<StringArray>())
}
