//! Why records are one, or are not: what the last run kept of its links, read for one or two clusters and shown masked.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use springline_ir::Query;
use springline_model::Identity;
use springline_plan::{Hashing, IdentityPlan};

use super::graph::Graph;
use crate::records::{numbers, texts};
use crate::{RunError, Session};

/// The most rows of a cluster's records, and of its links, that are read.
const MOST_ROWS: u64 = 200_000;
/// The most values and pairs that are listed.
const MOST_LISTED: u64 = 20;

/// A record: the name of its source and its primary key as text. Shown as `crm:123`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// The source.
    pub source: String,
    /// The primary key.
    pub key: String,
}

/// Why two records are one, or are not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The identity.
    pub identity: String,
    /// The first record, such as `crm:123`.
    pub record: String,
    /// The second one.
    pub other: String,
    /// The canonical id of the first.
    pub canonical_id: String,
    /// That of the second; the same if they are one.
    pub other_canonical_id: String,
    /// The shortest chain of links from the first to the second, where they are one.
    pub chain: Vec<ChainLink>,
    /// Values that both clusters have and that link nothing, where they are not one; at most 20.
    pub unlinked: Vec<UnlinkedValue>,
    /// Pairs of their records that are kept apart by hand, where they are not one; at most 20.
    pub kept_apart: Vec<[String; 2]>,
}

/// A link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainLink {
    /// A record.
    pub record: String,
    /// The next one.
    pub other: String,
    /// What links them.
    #[serde(flatten)]
    pub by: Evidence,
}

/// What links records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Evidence {
    /// They have the same value.
    Value {
        /// The identifier.
        identifier: String,
        /// The value, masked unless it was asked for as it is.
        value: String,
    },
    /// A probabilistic rule takes them for one.
    Rule {
        /// The rule.
        rule: String,
    },
    /// They were set to be one by hand.
    Override,
}

/// A value on records of two clusters that links nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnlinkedValue {
    /// The identifier.
    pub identifier: String,
    /// The value, masked unless it was asked for as it is.
    pub value: String,
    /// Why it links nothing: `rejected`, `quarantined` or `blocked`.
    pub reason: String,
    /// Records of the first cluster with it.
    pub records: u64,
    /// Records of the second.
    pub other_records: u64,
}

/// What holds a cluster together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterAudit {
    /// The identity.
    pub identity: String,
    /// The id that was asked for.
    pub asked: String,
    /// The id of the cluster, which is another one where that is gone.
    pub canonical_id: String,
    /// Ids that are gone and led to it.
    pub ids_before: Vec<String>,
    /// Its records.
    pub records: Vec<String>,
    /// The most records that a cluster may have.
    pub max_cluster_size: Option<u64>,
    /// The identifiers that its records have.
    pub identifiers: Vec<IdentifierCount>,
    /// What links its records, that on most records first.
    pub evidence: Vec<Holding>,
}

/// How many values of an identifier a cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentifierCount {
    /// The identifier.
    pub identifier: String,
    /// Its different values.
    pub values: u64,
    /// How many there may be.
    pub limit: Option<u64>,
}

/// What links records of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// What links them.
    #[serde(flatten)]
    pub by: Evidence,
    /// How many records it links.
    pub records: usize,
    /// How many records the parts have that the cluster would fall into without it; empty where it would stay whole.
    pub parts: Vec<usize>,
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source, self.key)
    }
}

/// Says why two records are one, or why they are not.
///
/// # Errors
/// There was no run yet, it did not see one of the records, the cluster is too large to be read, or what the warehouse
/// reports.
pub async fn explain_records(
    session: &Session,
    identity: &Identity,
    record: &RecordName,
    other: &RecordName,
    show_pii: bool,
) -> Result<Explanation, RunError> {
    let ask = Asking::new(session, identity, show_pii).await?;
    let ids = ask.ids(&[record, other]).await?;
    let id = |record: &RecordName| ids.get(record).cloned().unwrap_or_default();
    let (canonical_id, other_canonical_id) = (id(record), id(other));
    let mut explained = Explanation {
        identity: identity.name.clone(),
        record: ask.shown(record),
        other: ask.shown(other),
        chain: Vec::new(),
        unlinked: Vec::new(),
        kept_apart: Vec::new(),
        canonical_id,
        other_canonical_id,
    };
    if explained.canonical_id == explained.other_canonical_id {
        let cluster = ask.cluster(&explained.canonical_id).await?;
        explained.chain = ask.chain(&cluster, record, other)?;
        return Ok(explained);
    }
    let (id, other) = (&explained.canonical_id, &explained.other_canonical_id);
    for batch in session.small(ask.plan.unlinked(id, other, MOST_LISTED)).await? {
        let names = texts(&batch, "identifier")?.into_iter().zip(texts(&batch, "value")?).zip(texts(&batch, "reason")?);
        let counts = numbers(&batch, "records")?.into_iter().zip(numbers(&batch, "other_records")?);
        for (((identifier, value), reason), (records, other_records)) in names.zip(counts) {
            let value = ask.value(&value.unwrap_or_default());
            let (identifier, reason) = (identifier.unwrap_or_default(), reason.unwrap_or_default());
            explained.unlinked.push(UnlinkedValue { identifier, value, reason, records, other_records });
        }
    }
    let pairs = ask.pairs(ask.plan.pairs_between(id, other, MOST_LISTED)).await?;
    let mut pairs: Vec<_> = pairs.into_iter().map(|(a, b)| if b < a { (b, a) } else { (a, b) }).collect();
    pairs.sort();
    explained.kept_apart = pairs.iter().map(|(a, b)| [ask.shown(a), ask.shown(b)]).collect();
    Ok(explained)
}

/// Says what holds a cluster together. An id that is gone leads to the one that follows it.
///
/// # Errors
/// There was no run yet, no cluster has or had the id, it is too large to be read, or what the warehouse reports.
pub async fn audit_cluster(
    session: &Session,
    identity: &Identity,
    id: &str,
    show_pii: bool,
) -> Result<ClusterAudit, RunError> {
    let ask = Asking::new(session, identity, show_pii).await?;
    let canonical_id = ask.current_id(id).await?;
    let cluster = ask.cluster(&canonical_id).await?;
    let mut ids_before = Vec::new();
    for batch in session.small(ask.plan.ids_before(&canonical_id)).await? {
        ids_before.extend(texts(&batch, "old_id")?.into_iter().flatten());
    }
    ids_before.sort();
    let mut bridges: HashMap<usize, Vec<usize>> = cluster.graph().bridges().into_iter().collect();
    let pieces = cluster.evidence.iter().enumerate();
    let evidence = pieces.filter(|(_, piece)| piece.records.len() > 1).map(|(place, piece)| Holding {
        by: piece.by.clone(),
        records: piece.records.len(),
        parts: bridges.remove(&place).unwrap_or_default(),
    });
    let mut evidence: Vec<_> = evidence.collect();
    evidence.sort_by_key(|piece| std::cmp::Reverse(piece.records));
    let values = |name: &str| {
        let is_of = |piece: &&Piece| matches!(&piece.by, Evidence::Value { identifier, .. } if identifier == name);
        cluster.evidence.iter().filter(is_of).count() as u64
    };
    let identifiers = identity.identifiers.iter().map(|identifier| IdentifierCount {
        identifier: identifier.name.clone(),
        values: values(&identifier.name),
        limit: identifier.limit,
    });
    Ok(ClusterAudit {
        identity: identity.name.clone(),
        asked: id.to_owned(),
        ids_before,
        records: cluster.records.iter().map(|record| ask.shown(record)).collect(),
        max_cluster_size: identity.max_cluster_size,
        identifiers: identifiers.filter(|count| count.values > 0).collect(),
        evidence,
        canonical_id,
    })
}

/// A question to what the last run has left.
struct Asking<'a> {
    session: &'a Session,
    identity: &'a Identity,
    plan: IdentityPlan<'a>,
    show_pii: bool,
}

/// The records of a cluster, in order, and what links them.
struct Cluster {
    records: Vec<RecordName>,
    evidence: Vec<Piece>,
}

/// What links records, and their places among those of the cluster.
struct Piece {
    by: Evidence,
    records: Vec<usize>,
}

impl Cluster {
    fn graph(&self) -> Graph {
        Graph::new(self.records.len(), self.evidence.iter().map(|piece| piece.records.clone()).collect())
    }

    fn place(&self, record: &RecordName) -> Option<usize> {
        self.records.binary_search(record).ok()
    }
}

impl<'a> Asking<'a> {
    async fn new(session: &'a Session, identity: &'a Identity, show_pii: bool) -> Result<Self, RunError> {
        let plan = IdentityPlan::new(session.context(), identity, Hashing { salt: 0, space: None });
        // Whatever lasts is there, or nothing is.
        if session.warehouse.describe(&plan.evidence().parts).await?.is_none() {
            return Err(RunError::NotResolved { identity: identity.name.clone(), target: session.target.clone() });
        }
        Ok(Asking { session, identity, plan, show_pii })
    }

    fn refuse<T>(&self, problem: String) -> Result<T, RunError> {
        Err(RunError::Identity { identity: self.identity.name.clone(), problem })
    }

    fn value(&self, value: &str) -> String {
        if self.show_pii { value.to_owned() } else { crate::mask(value) }
    }

    fn shown(&self, record: &RecordName) -> String {
        shown(self.session, self.identity, record, self.show_pii)
    }

    /// The canonical ids of records.
    async fn ids(&self, records: &[&RecordName]) -> Result<HashMap<RecordName, String>, RunError> {
        let asked: Vec<_> = records.iter().map(|record| (record.source.clone(), record.key.clone())).collect();
        let mut ids = HashMap::new();
        for batch in self.session.small(self.plan.found(&asked)).await? {
            ids.extend(names(&batch, "source", "record")?.into_iter().zip(texts(&batch, "id")?.into_iter().flatten()));
        }
        match records.iter().find(|record| !ids.contains_key(**record)) {
            Some(missing) => self.refuse(format!(
                "the last run saw no record `{}`; write the name of the source, a colon and the primary key",
                self.shown(missing)
            )),
            None => Ok(ids),
        }
    }

    /// The id of the cluster that has this id, or that follows the one that had it.
    async fn current_id(&self, id: &str) -> Result<String, RunError> {
        if !self.records(self.plan.records_of(id, 1)).await?.is_empty() {
            return Ok(id.to_owned());
        }
        let mut followed: Option<(u64, String)> = None;
        for batch in self.session.small(self.plan.followed_by(id)).await? {
            let next = numbers(&batch, "run")?.into_iter().zip(texts(&batch, "new_id")?.into_iter().flatten());
            followed = followed.into_iter().chain(next).max();
        }
        match followed {
            Some((_, id)) => Ok(id),
            None => self.refuse(format!("no record has the canonical id `{id}`, and none that it led to is known")),
        }
    }

    async fn records(&self, query: Query) -> Result<Vec<RecordName>, RunError> {
        let mut records = Vec::new();
        for batch in self.session.small(query).await? {
            records.extend(names(&batch, "source", "record")?);
        }
        records.sort();
        Ok(records)
    }

    async fn pairs(&self, query: Option<Query>) -> Result<Vec<(RecordName, RecordName)>, RunError> {
        let mut pairs = Vec::new();
        let Some(query) = query else { return Ok(pairs) };
        // Of a run before there were overrides none are kept.
        if self.session.warehouse.describe(&self.plan.pairs_by_hand().parts).await?.is_some() {
            for batch in self.session.small(query).await? {
                let others = names(&batch, "other_source", "other_record")?;
                pairs.extend(names(&batch, "source", "record")?.into_iter().zip(others));
            }
        }
        Ok(pairs)
    }

    /// Reads one cluster.
    async fn cluster(&self, id: &str) -> Result<Cluster, RunError> {
        let most = MOST_ROWS + 1;
        let records = self.records(self.plan.records_of(id, most)).await?;
        let mut cluster = Cluster { records, evidence: Vec::new() };
        let mut by_value: BTreeMap<(String, bool, u64), Piece> = BTreeMap::new();
        let mut rows = 0;
        for batch in self.session.small(self.plan.links_of(id, most)).await? {
            rows += batch.num_rows();
            let values = texts(&batch, "identifier")?.into_iter().zip(texts(&batch, "value")?);
            let values = values.zip(numbers(&batch, "hash")?);
            for (record, ((identifier, value), hash)) in names(&batch, "source", "record")?.iter().zip(values) {
                let identifier = identifier.unwrap_or_default();
                let key = (identifier.clone(), value.is_none(), hash);
                let piece = by_value.entry(key).or_insert_with(|| Piece {
                    by: match value {
                        Some(value) => Evidence::Value { identifier, value: self.value(&value) },
                        None => Evidence::Rule { rule: identifier },
                    },
                    records: Vec::new(),
                });
                piece.records.extend(cluster.place(record));
            }
        }
        cluster.evidence.extend(by_value.into_values().map(|mut piece| {
            piece.records.sort_unstable();
            piece.records.dedup();
            piece
        }));
        for (record, other) in self.pairs(self.plan.pairs_of(id, most)).await? {
            let records = [&record, &other].into_iter().filter_map(|name| cluster.place(name)).collect();
            cluster.evidence.push(Piece { by: Evidence::Override, records });
        }
        let largest = cluster.records.len().max(rows).max(cluster.evidence.len()) as u64;
        if largest > MOST_ROWS {
            return self.refuse(format!(
                "cluster `{id}` has more than {MOST_ROWS} records or links, which is too large to be explained; bound it \
                 with `limits: {{ max_cluster_size: … }}`, and values with `max_records_per_value`"
            ));
        }
        Ok(cluster)
    }

    fn chain(&self, cluster: &Cluster, from: &RecordName, to: &RecordName) -> Result<Vec<ChainLink>, RunError> {
        let ends = cluster.place(from).zip(cluster.place(to));
        let Some(hops) = ends.and_then(|(from, to)| cluster.graph().chain(from, to)) else {
            return self.refuse(format!(
                "the links that were kept do not lead from `{}` to `{}`: the last run did not end, so run it again",
                self.shown(from),
                self.shown(to)
            ));
        };
        let name = |place: usize| cluster.records.get(place).map(|record| self.shown(record)).unwrap_or_default();
        let by = |piece: usize| cluster.evidence.get(piece).map(|piece| piece.by.clone());
        let link = |(from, piece, to)| Some(ChainLink { record: name(from), other: name(to), by: by(piece)? });
        Ok(hops.into_iter().filter_map(link).collect())
    }
}

/// A record's name; a key that tells who somebody is is masked unless it was asked for.
pub(super) fn shown(session: &Session, identity: &Identity, record: &RecordName, show_pii: bool) -> String {
    let is_personal = identity.sources.iter().any(|source| {
        let table = session.project.source(source.source);
        table.name == record.source && table.column(&source.primary_key).is_some_and(|key| key.pii.is_some())
    });
    if is_personal && !show_pii {
        return format!("{}:{}", record.source, crate::mask(&record.key));
    }
    record.to_string()
}

/// Two columns as the names of records.
pub(super) fn names(
    batch: &arrow::record_batch::RecordBatch,
    source: &str,
    record: &str,
) -> Result<Vec<RecordName>, RunError> {
    let both = texts(batch, source)?.into_iter().zip(texts(batch, record)?);
    let name = |(source, key): (Option<String>, Option<String>)| RecordName {
        source: source.unwrap_or_default(),
        key: key.unwrap_or_default(),
    };
    Ok(both.map(name).collect())
}
