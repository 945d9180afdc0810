//! Cuts batches of any size into requests within a destination's limits, every row once.
//!
//! Must not know: when or how a request is sent.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;

use crate::{Batch, ChangeKind, DestinationError, Limits, Operation};

/// Bytes counted for a value whose length is not read: a number, an instant, a truth value, with its punctuation.
const PLAIN_VALUE: usize = 24;

/// Bytes counted for a row beside its fields and key: names, braces, the operation.
const ROW_FRAME: usize = 48;

/// Rows that wait for their request to fill. Holds at most one request's worth per operation.
pub(super) struct Rebatcher {
    limits: Limits,
    upserts: Lane,
    deletes: Lane,
}

#[derive(Default)]
struct Lane {
    parts: Vec<Batch>,
    rows: usize,
    bytes: usize,
}

impl Lane {
    fn take(&mut self) -> Result<Option<Batch>, DestinationError> {
        let lane = std::mem::take(self);
        Batch::concat(lane.parts)
    }
}

impl Rebatcher {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, upserts: Lane::default(), deletes: Lane::default() }
    }

    /// Takes rows in and gives the requests that are now full.
    pub(super) fn push(&mut self, batch: Batch) -> Result<Vec<Batch>, DestinationError> {
        let mut full = Vec::new();
        if !self.limits.homogeneous {
            self.fill(Operation::Upsert, batch, &mut full)?;
        } else if let Some(operation) = batch.operation() {
            self.fill(operation, batch, &mut full)?;
        } else {
            for operation in [Operation::Upsert, Operation::Delete] {
                let rows = batch.filter(|change| change.kind.operation() == operation)?;
                self.fill(operation, rows, &mut full)?;
            }
        }
        Ok(full)
    }

    /// Gives the rows that still wait.
    pub(super) fn finish(&mut self) -> Result<Vec<Batch>, DestinationError> {
        let rest = [self.upserts.take()?, self.deletes.take()?];
        Ok(rest.into_iter().flatten().collect())
    }

    fn fill(&mut self, operation: Operation, batch: Batch, full: &mut Vec<Batch>) -> Result<(), DestinationError> {
        let lane = match operation {
            Operation::Upsert => &mut self.upserts,
            Operation::Delete => &mut self.deletes,
        };
        let limit = self.limits.batch;
        let most_rows = match operation {
            Operation::Delete => limit.removals.unwrap_or(limit.rows).max(1),
            Operation::Upsert => limit.rows.max(1),
        };
        let most_bytes = self.limits.batch.bytes.unwrap_or(usize::MAX);
        let weights = self.limits.batch.bytes.map(|_| weights(&batch));
        let rows = batch.len();
        let mut rest = Rest::new(batch);
        for row in 0..rows {
            let weight = weights.as_ref().and_then(|weights| weights.get(row)).copied().unwrap_or(0);
            let waiting = lane.rows > 0;
            if waiting && (lane.rows == most_rows || lane.bytes.saturating_add(weight) > most_bytes) {
                lane.parts.extend(rest.up_to(row));
                full.extend(lane.take()?);
            }
            lane.rows += 1;
            lane.bytes = lane.bytes.saturating_add(weight);
        }
        lane.parts.extend(rest.up_to(rows));
        if lane.rows == most_rows {
            full.extend(lane.take()?);
        }
        Ok(())
    }
}

/// A batch that is handed out piece by piece from its start; keys and hashes are moved, not copied.
struct Rest {
    start: usize,
    keys: std::vec::IntoIter<String>,
    kinds: std::vec::IntoIter<ChangeKind>,
    payload_hashes: std::vec::IntoIter<String>,
    receipts: std::vec::IntoIter<Option<String>>,
    fields: RecordBatch,
}

impl Rest {
    fn new(batch: Batch) -> Self {
        let Batch { keys, kinds, payload_hashes, fields, receipts } = batch;
        let (keys, kinds, payload_hashes) = (keys.into_iter(), kinds.into_iter(), payload_hashes.into_iter());
        Self { start: 0, keys, kinds, payload_hashes, receipts: receipts.into_iter(), fields }
    }

    /// The rows before `end` that were not handed out yet.
    fn up_to(&mut self, end: usize) -> Option<Batch> {
        let start = std::mem::replace(&mut self.start, end);
        let rows = end.checked_sub(start).filter(|rows| *rows > 0)?;
        Some(Batch {
            keys: self.keys.by_ref().take(rows).collect(),
            kinds: self.kinds.by_ref().take(rows).collect(),
            payload_hashes: self.payload_hashes.by_ref().take(rows).collect(),
            fields: self.fields.slice(start, rows),
            receipts: self.receipts.by_ref().take(rows).collect(),
        })
    }
}

/// An estimate of each row's size as JSON.
fn weights(batch: &Batch) -> Vec<usize> {
    let mut weights: Vec<usize> = batch.keys.iter().map(|key| ROW_FRAME + key.len()).collect();
    for (field, column) in batch.fields.schema().fields().iter().zip(batch.fields.columns()) {
        for (row, weight) in weights.iter_mut().enumerate() {
            *weight += field.name().len() + 4 + value_length(column, row);
        }
    }
    weights
}

fn value_length(column: &ArrayRef, row: usize) -> usize {
    if column.is_null(row) {
        return "null".len();
    }
    match column.data_type() {
        DataType::Utf8 => 2 + column.as_string::<i32>().value(row).len(),
        DataType::LargeUtf8 => 2 + column.as_string::<i64>().value(row).len(),
        DataType::Utf8View => 2 + column.as_string_view().value(row).len(),
        // Hexadecimal text.
        DataType::Binary => 2 + 2 * column.as_binary::<i32>().value(row).len(),
        DataType::LargeBinary => 2 + 2 * column.as_binary::<i64>().value(row).len(),
        DataType::List(_) => list_length(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list_length(&column.as_list::<i64>().value(row)),
        DataType::Struct(fields) => fields
            .iter()
            .zip(column.as_struct().columns())
            .map(|(field, column)| field.name().len() + 4 + value_length(column, row))
            .sum(),
        _ => PLAIN_VALUE,
    }
}

fn list_length(items: &ArrayRef) -> usize {
    2 + (0..items.len()).map(|item| 1 + value_length(items, item)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{batch_of_texts, keys};
    use crate::{BatchLimits, Limits};

    fn limits(rows: usize, bytes: Option<usize>, homogeneous: bool) -> Limits {
        Limits {
            batch: BatchLimits { bytes, ..BatchLimits::rows(rows) },
            homogeneous,
            rate: None,
            concurrency: 1,
            timeout: None,
        }
    }

    fn kind() -> impl Strategy<Value = ChangeKind> {
        prop_oneof![Just(ChangeKind::Added), Just(ChangeKind::Changed), Just(ChangeKind::Removed)]
    }

    proptest! {
        #[test]
        fn every_row_goes_once_and_no_limit_is_passed(
            sizes in prop::collection::vec(prop::collection::vec((kind(), 0_usize..400), 0..40), 0..8),
            rows in 1_usize..25,
            bytes in prop::option::of(200_usize..2_000),
            homogeneous in any::<bool>(),
        ) {
            let mut rebatcher = Rebatcher::new(limits(rows, bytes, homogeneous));
            let mut sent = Vec::new();
            let mut wanted = Vec::new();
            for (part, entries) in sizes.iter().enumerate() {
                let rows: Vec<_> = entries.iter().enumerate()
                    .map(|(row, (kind, length))| (format!("{part}-{row}"), *kind, "x".repeat(*length))).collect();
                wanted.extend(rows.iter().map(|(key, kind, text)| (key.clone(), *kind, text.clone())));
                sent.extend(rebatcher.push(batch_of_texts(&rows)).unwrap());
            }
            sent.extend(rebatcher.finish().unwrap());

            for batch in &sent {
                prop_assert!(!batch.is_empty() && batch.len() <= rows);
                prop_assert_eq!(batch.fields.num_rows(), batch.len());
                let weight: usize = weights(batch).iter().sum();
                prop_assert!(batch.len() == 1 || bytes.is_none_or(|bytes| weight <= bytes));
                prop_assert!(!homogeneous || batch.operation().is_some());
            }
            let mut got: Vec<_> = sent.iter().flat_map(|batch| {
                let texts = batch.fields.column(0).as_string::<i32>();
                batch.changes().enumerate()
                    .map(|(row, change)| (change.key.to_owned(), change.kind, texts.value(row).to_owned()))
                    .collect::<Vec<_>>()
            }).collect();
            if !homogeneous {
                prop_assert_eq!(&got, &wanted);
            }
            got.sort();
            wanted.sort();
            prop_assert_eq!(got, wanted);
        }
    }

    #[test]
    fn a_row_over_the_byte_limit_goes_alone() {
        let rows = [("a", 10), ("b", 5_000), ("c", 10)]
            .map(|(key, length)| (key.to_owned(), ChangeKind::Added, "x".repeat(length)));
        let mut rebatcher = Rebatcher::new(limits(100, Some(1_000), true));
        let mut sent = rebatcher.push(batch_of_texts(&rows)).unwrap();
        sent.extend(rebatcher.finish().unwrap());
        assert_eq!(sent.iter().map(keys).collect::<Vec<_>>(), [["a"], ["b"], ["c"]]);
    }

    #[test]
    fn removals_have_a_limit_of_their_own() {
        let row = |key: &str, kind| (key.to_owned(), kind, String::new());
        let rows = [
            row("a", ChangeKind::Removed),
            row("b", ChangeKind::Added),
            row("c", ChangeKind::Removed),
            row("d", ChangeKind::Added),
        ];
        let batch = BatchLimits { removals: Some(1), ..BatchLimits::rows(2) };
        let mut rebatcher = Rebatcher::new(Limits { batch, ..limits(2, None, true) });
        let mut sent = rebatcher.push(batch_of_texts(&rows)).unwrap();
        sent.extend(rebatcher.finish().unwrap());
        assert_eq!(sent.iter().map(keys).collect::<Vec<_>>(), [vec!["b", "d"], vec!["a"], vec!["c"]]);
    }

    #[test]
    fn a_full_request_does_not_wait_for_the_next_row() {
        let rows = ["a", "b"].map(|key| (key.to_owned(), ChangeKind::Added, String::new()));
        let mut rebatcher = Rebatcher::new(limits(2, None, true));
        assert_eq!(rebatcher.push(batch_of_texts(&rows)).unwrap().len(), 1);
        assert!(rebatcher.finish().unwrap().is_empty());
    }
}
