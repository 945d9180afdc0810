//! The trait behind which every destination sits, and the words it answers with.
//!
//! Must not know: retries, rates and batching (the shared stack does these), or any particular destination.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Batch, DestinationError, DestinationSpec, FieldSpec, Limits, Mode, Nulls, RemovalKind};

/// Ids of what `prepare` created or found at the destination (a list, an audience), by a name of the destination's
/// choice. The caller keeps them and hands them in again with the next run.
pub type Resources = BTreeMap<String, String>;

/// What a destination is told about the sync it serves; the same for every request of a run.
#[derive(Debug, Clone)]
pub struct SyncContext {
    /// Name of the sync: an identifier.
    pub sync: String,
    /// Id of this run: letters, digits, `-` and `_`.
    pub run_id: String,
    /// How the sync treats the destination's records.
    pub mode: Mode,
    /// The destination's name of the sync key column.
    pub key_field: String,
    /// The mapped destination fields and their types.
    pub fields: SchemaRef,
    /// The instant the run looks at, in ISO 8601 with offset.
    pub as_of: String,
    /// What earlier runs prepared.
    pub resources: Resources,
    /// What becomes of removed rows; `None` leaves it to the first of [`DestinationSpec::removals`].
    pub removal: Option<RemovalKind>,
    /// What an empty value does, of the mapped fields for which that is chosen; the others are treated as the
    /// destination's options say, or as its type does.
    pub nulls: BTreeMap<String, Nulls>,
    /// The rows of this run are all that the destination is to hold, and there are so many of them; whatever else it
    /// holds goes. `None` where the run sends changes.
    pub replaces: Option<u64>,
}

impl SyncContext {
    /// What becomes of removed rows at a destination of this type.
    pub fn removal(&self, spec: &DestinationSpec) -> RemovalKind {
        self.removal.or_else(|| spec.removals.first().copied()).unwrap_or(RemovalKind::Delete)
    }

    /// Whether an empty value is left out.
    pub fn skips(&self, field: &str) -> bool {
        self.nulls.get(field) == Some(&Nulls::Skip)
    }

    /// Whether an empty value makes the record's field empty; `default` where that is not chosen for the field.
    pub fn clears(&self, field: &str, default: bool) -> bool {
        self.nulls.get(field).map_or(default, |nulls| *nulls == Nulls::Clear)
    }
}

/// Which try of which request this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first try of a request, then counting up.
    pub number: u32,
    /// Ordinal of the request in the run, from 1; the same for every try.
    pub request: u64,
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The destination acknowledged it.
    Delivered,
    /// The destination took it and will know later.
    Accepted {
        /// What to ask for, with [`Destination::poll`].
        job: String,
        /// The row's name within the job, where the destination tells rows apart: see [`JobEnd::rows`]. It holds no
        /// personal value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<String>,
    },
    /// The destination refused it.
    Rejected {
        /// A short word that groups reasons, such as `http_422`.
        code: String,
        /// What the destination said, shortened, without control characters. It may quote the row: personal data.
        message: String,
        /// Whether the same row may pass another time.
        retryable: bool,
    },
    /// The destination gives counts only; nothing is known of this row.
    Unknown,
}

/// What came back for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Every row was delivered.
    Ok,
    /// One outcome per row, in the order of the batch.
    Partial(Vec<Outcome>),
    /// The same, with what the destination gave for each row: see [`Batch::receipts`]. A row without a new one keeps
    /// the one it has.
    WithReceipts(Vec<(Outcome, Option<String>)>),
    /// Nothing was taken, for a reason that passes.
    Retry {
        /// How long the destination asked to wait.
        after: Option<Duration>,
        /// For people.
        reason: String,
    },
    /// The credentials have expired; the destination renews them with the next `send`.
    Reauthenticate,
    /// The whole request was refused because of some row in it, or because it is too large.
    Split {
        /// The code that a lone row is rejected with.
        code: String,
        /// For people.
        reason: String,
    },
    /// No request can succeed until a person changes something: the sync stops.
    Fatal {
        /// A short word, such as `http_401`.
        code: String,
        /// For people.
        message: String,
    },
}

/// What a destination says of the requests it allows, in the headers or the body of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// The share of the allowance that is used: 0.0 is nothing, 1.0 and above is all of it.
    pub used: f64,
    /// Requests that are left of it, where the destination tells a number.
    pub left: Option<u64>,
    /// How long until the allowance is whole again.
    pub resets_in: Option<Duration>,
}

/// What one row counts against the limits of a request, beside itself and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Objects of the request that the row becomes.
    pub objects: usize,
    /// Identifiers that the row carries.
    pub identifiers: usize,
}

/// How an accepted job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Not known yet: ask again later.
    Pending,
    /// It has ended.
    Done(JobEnd),
    /// The destination has no trace of it: its rows were never delivered.
    Lost,
}

/// How a job ended: in one way for all rows that were accepted under it, but for those that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnd {
    /// The outcome of every row that is not in `rows`.
    pub outcome: Outcome,
    /// The end of single rows, by the name in [`Outcome::Accepted`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, RowEnd>,
}

/// How one row of a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowEnd {
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What the destination gave for it: see [`Batch::receipts`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl From<Outcome> for JobEnd {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, rows: BTreeMap::new() }
    }
}

impl JobEnd {
    /// The end of a row that was accepted under the name `row`: its outcome, and what the destination gave for it.
    pub fn of(&self, row: Option<&str>) -> (&Outcome, Option<&str>) {
        match row.and_then(|row| self.rows.get(row)) {
            Some(end) => (&end.outcome, end.receipt.as_deref()),
            None => (&self.outcome, None),
        }
    }
}

/// One configured destination.
///
/// An implementation builds requests and classifies answers, nothing else: [`crate::deliver`] batches, paces, retries
/// and splits. Its options stay private and appear in no error and no `Debug`.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What its type declares.
    fn spec(&self) -> &'static DestinationSpec;

    /// Its pace, as its options have changed it.
    fn limits(&self) -> Limits {
        Limits::from(self.spec())
    }

    /// The fields it knows by name, as its options have changed them. The shared stack normalises and hashes the values
    /// of these before [`Destination::send`] sees them.
    fn fields(&self) -> Vec<FieldSpec> {
        self.spec().fields.known().to_vec()
    }

    /// What row `row` of `batch` counts against [`crate::BatchLimits::objects`] and
    /// [`crate::BatchLimits::identifiers`]. Asked only where one of them is set.
    fn weight(&self, _batch: &Batch, _row: usize) -> Weight {
        Weight { objects: 1, identifiers: 1 }
    }

    /// What the latest answer told of the allowance; `None` when it told nothing, or it was asked for already. The
    /// shared stack asks after each answer and slows down before the destination refuses.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// Looks whether credentials and permissions suffice, without changing anything.
    ///
    /// # Errors
    /// What is missing and how to mend it.
    async fn check(&self) -> Result<(), DestinationError>;

    /// Makes the destination ready for a run: creates or finds the list, clears what a dead run left.
    /// Called once per run, before the first `send`.
    ///
    /// # Errors
    /// What the destination cannot do for this sync.
    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        Ok(context.resources.clone())
    }

    /// Sends one batch within [`Destination::limits`] and classifies the answer. Never panics on what comes back.
    async fn send(&self, context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Answer;

    /// Asks how a job of this or an earlier run stands.
    ///
    /// # Errors
    /// When the destination cannot be asked.
    async fn poll(&self, _context: &SyncContext, job: &str) -> Result<JobState, DestinationError> {
        Err(DestinationError::Batch {
            message: format!("destination type `{}` has no jobs, yet job `{job}` was asked for", self.spec().name),
        })
    }

    /// Ends a run after its last `send`, and tells which jobs that settled.
    ///
    /// # Errors
    /// When the end cannot be reached; the rows of open jobs are then polled by the next run.
    async fn finish(&self, _context: &SyncContext) -> Result<Vec<(String, JobEnd)>, DestinationError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_ends_for_each_row_and_outlives_the_process() {
        let refused = Outcome::Rejected { code: "invalid".into(), message: "m".into(), retryable: false };
        let mut end = JobEnd::from(Outcome::Delivered);
        end.rows.insert("a".into(), RowEnd { outcome: refused.clone(), receipt: None });
        end.rows.insert("b".into(), RowEnd { outcome: Outcome::Delivered, receipt: Some("01".into()) });
        let written = serde_json::to_value(&end).unwrap();
        let rejected = json!({ "outcome": "rejected", "code": "invalid", "message": "m", "retryable": false });
        let delivered = json!({ "outcome": "delivered", "receipt": "01" });
        let outcome = json!({ "outcome": "delivered" });
        assert_eq!(written, json!({ "outcome": outcome, "rows": { "a": rejected, "b": delivered } }));
        let read: JobEnd = serde_json::from_value(written).unwrap();
        assert_eq!(read.of(Some("a")), (&refused, None));
        assert_eq!(read.of(Some("b")), (&Outcome::Delivered, Some("01")));
        assert_eq!(read.of(Some("c")), (&Outcome::Delivered, None));
        assert_eq!(read.of(None), (&Outcome::Delivered, None));
    }
}
