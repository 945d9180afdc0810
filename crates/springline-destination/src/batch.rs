//! The rows on their way to a destination: what changed, under which key, with which fields.
//!
//! Must not know: where the rows come from, or how a destination spells a request.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use serde::{Deserialize, Serialize};

use crate::DestinationError;

/// What a destination is asked to do for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Create the record of this key or bring it up to date.
    Upsert,
    /// Take the record of this key away.
    Delete,
}

impl Operation {
    /// The word used in bodies and reports: `upsert` or `delete`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }
}

/// How a row differs from what the destination last acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The key is new to the destination.
    Added,
    /// The key is known there with another payload.
    Changed,
    /// The key is known there and is no longer wanted.
    Removed,
}

impl ChangeKind {
    /// The request this change leads to.
    pub const fn operation(self) -> Operation {
        match self {
            Self::Added | Self::Changed => Operation::Upsert,
            Self::Removed => Operation::Delete,
        }
    }

    /// The word used in bodies and reports: `added`, `changed` or `removed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// One row of a [`Batch`], without its fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The sync key.
    pub key: &'a str,
    /// How the row differs.
    pub kind: ChangeKind,
    /// Hash of the desired payload; of the acknowledged one when the row is removed.
    pub payload_hash: &'a str,
}

/// Changes that travel together. All columns have the same number of rows.
///
/// It shows no key and no field in `Debug`: both may be personal data.
#[derive(Clone, PartialEq)]
pub struct Batch {
    /// The sync key of each row. What happens to one key happens in the order of the rows.
    pub keys: Vec<String>,
    /// How each row differs.
    pub kinds: Vec<ChangeKind>,
    /// The payload hash of each row.
    pub payload_hashes: Vec<String>,
    /// One column per mapped destination field; null for removed rows.
    pub fields: RecordBatch,
    /// What the destination gave for each row when it last took it, such as its own id of the record; a change or a
    /// removal may need it. Where an answer gives new ones, they stand here when the outcomes are told.
    pub receipts: Vec<Option<String>>,
    /// The request of an earlier run that held each row's change just as it is and whose end nobody knows, by the name
    /// that [`request_name`] gives it; none for a change that was not sent yet. A destination that drops what it has
    /// seen already can make from it what tells the repeat.
    pub repeat_of: Vec<Option<String>>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("rows", &self.len())
            .field("columns", &self.fields.num_columns())
            .finish_non_exhaustive()
    }
}

impl Batch {
    /// Puts the columns of a batch together.
    ///
    /// # Errors
    /// [`DestinationError::Batch`] when the columns differ in length.
    pub fn new(
        keys: Vec<String>,
        kinds: Vec<ChangeKind>,
        payload_hashes: Vec<String>,
        fields: RecordBatch,
    ) -> Result<Self, DestinationError> {
        let rows = keys.len();
        if kinds.len() != rows || payload_hashes.len() != rows || fields.num_rows() != rows {
            return Err(DestinationError::Batch {
                message: format!(
                    "its columns differ in length: {rows} keys, {} kinds, {} payload hashes, {} rows of fields",
                    kinds.len(),
                    payload_hashes.len(),
                    fields.num_rows()
                ),
            });
        }
        Ok(Self { keys, kinds, payload_hashes, fields, receipts: vec![None; rows], repeat_of: vec![None; rows] })
    }

    /// The same rows with what the destination gave for them.
    ///
    /// # Errors
    /// [`DestinationError::Batch`] when there is not one for each row.
    pub fn with_receipts(self, receipts: Vec<Option<String>>) -> Result<Self, DestinationError> {
        if receipts.len() != self.len() {
            let message = format!("it has {} rows and {} receipts", self.len(), receipts.len());
            return Err(DestinationError::Batch { message });
        }
        Ok(Self { receipts, ..self })
    }

    /// The same rows with the requests that they are repeats of.
    ///
    /// # Errors
    /// [`DestinationError::Batch`] when there is not one for each row.
    pub fn with_repeats(self, repeat_of: Vec<Option<String>>) -> Result<Self, DestinationError> {
        if repeat_of.len() != self.len() {
            let message = format!("it has {} rows and {} marks of repeats", self.len(), repeat_of.len());
            return Err(DestinationError::Batch { message });
        }
        Ok(Self { repeat_of, ..self })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The row at `row`, or `None` beyond the end.
    pub fn change(&self, row: usize) -> Option<Change<'_>> {
        Some(Change {
            key: self.keys.get(row)?,
            kind: *self.kinds.get(row)?,
            payload_hash: self.payload_hashes.get(row)?,
        })
    }

    /// All rows in order, without their fields.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        (0..self.len()).filter_map(|row| self.change(row))
    }

    /// The operation of the whole batch when all rows ask for the same one.
    pub fn operation(&self) -> Option<Operation> {
        let first = self.kinds.first()?.operation();
        self.kinds.iter().all(|kind| kind.operation() == first).then_some(first)
    }

    /// At most `length` rows from `offset` on; what lies beyond the end is left out. The fields are shared, not copied.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let start = offset.min(self.len());
        let end = start.saturating_add(length).min(self.len());
        Self {
            keys: self.keys[start..end].to_vec(),
            kinds: self.kinds[start..end].to_vec(),
            payload_hashes: self.payload_hashes[start..end].to_vec(),
            fields: self.fields.slice(start, end - start),
            receipts: self.receipts[start..end].to_vec(),
            repeat_of: self.repeat_of[start..end].to_vec(),
        }
    }

    /// The rows for which `keep` holds, in their order.
    ///
    /// # Errors
    /// [`DestinationError::Batch`] when a column's type cannot be filtered.
    pub fn filter(&self, mut keep: impl FnMut(Change<'_>) -> bool) -> Result<Self, DestinationError> {
        let mask: Vec<bool> = self.changes().map(&mut keep).collect();
        let mut keys = Vec::new();
        let mut kinds = Vec::new();
        let mut payload_hashes = Vec::new();
        let mut receipts = Vec::new();
        let mut repeat_of = Vec::new();
        let past = self.receipts.iter().zip(&self.repeat_of);
        let rows = self.changes().zip(past).zip(&mask).filter(|(_, kept)| **kept);
        for ((change, (receipt, repeat)), _) in rows {
            keys.push(change.key.to_owned());
            kinds.push(change.kind);
            payload_hashes.push(change.payload_hash.to_owned());
            receipts.push(receipt.clone());
            repeat_of.push(repeat.clone());
        }
        let fields = filter_record_batch(&self.fields, &BooleanArray::from(mask))?;
        Ok(Self { keys, kinds, payload_hashes, fields, receipts, repeat_of })
    }

    /// The rows of all parts, in order; `None` when there is no part.
    ///
    /// # Errors
    /// [`DestinationError::Batch`] when the parts differ in their columns.
    pub fn concat(parts: Vec<Self>) -> Result<Option<Self>, DestinationError> {
        let Some(first) = parts.first() else { return Ok(None) };
        if parts.len() == 1 {
            return Ok(parts.into_iter().next());
        }
        let schema = first.fields.schema();
        if parts.iter().any(|part| part.fields.schema().fields() != schema.fields()) {
            return Err(DestinationError::Batch { message: "its parts differ in their columns".into() });
        }
        let fields = concat_batches(&schema, parts.iter().map(|part| &part.fields))?;
        let (keys, kinds, payload_hashes, receipts, repeat_of) = Default::default();
        let mut all = Self { keys, kinds, payload_hashes, fields, receipts, repeat_of };
        for part in parts {
            all.keys.extend(part.keys);
            all.kinds.extend(part.kinds);
            all.payload_hashes.extend(part.payload_hashes);
            all.receipts.extend(part.receipts);
            all.repeat_of.extend(part.repeat_of);
        }
        Ok(Some(all))
    }
}

/// The name of a request: unlike that of any other request of any run.
pub fn request_name(run_id: &str, request: u64) -> String {
    format!("{run_id}.{request}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{batch_of, keys};

    #[test]
    fn columns_of_different_length_are_refused() {
        let good = batch_of(&[("a", ChangeKind::Added), ("b", ChangeKind::Removed)]);
        let error =
            Batch::new(vec!["a".into()], good.kinds.clone(), good.payload_hashes.clone(), good.fields).unwrap_err();
        assert!(error.to_string().contains("1 keys, 2 kinds"), "{error}");
    }

    #[test]
    fn slice_clamps_and_filter_keeps_order() {
        let batch = batch_of(&[("a", ChangeKind::Added), ("b", ChangeKind::Removed), ("c", ChangeKind::Changed)]);
        let batch = batch.with_receipts(vec![None, Some("2".into()), Some("3".into())]).unwrap();
        let batch = batch.with_repeats(vec![None, None, Some("r0".into())]).unwrap();
        assert_eq!(batch.slice(1, 2).repeat_of, [None, Some("r0".to_owned())]);
        assert_eq!(batch.slice(1, 1).receipts, [Some("2".to_owned())]);
        assert_eq!(keys(&batch.slice(1, 99)), ["b", "c"]);
        assert!(batch.slice(7, 1).is_empty());
        let kept = batch.filter(|change| change.kind.operation() == Operation::Upsert).unwrap();
        assert_eq!(keys(&kept), ["a", "c"]);
        assert_eq!(kept.fields.num_rows(), 2);
        assert_eq!(kept.receipts, [None, Some("3".to_owned())]);
        assert_eq!(kept.repeat_of, [None, Some("r0".to_owned())]);
        assert!(kept.clone().with_receipts(vec![None]).is_err());
        assert!(kept.clone().with_repeats(vec![None]).is_err());
        assert_eq!(kept.operation(), Some(Operation::Upsert));
        assert_eq!(batch.operation(), None);
    }

    #[test]
    fn concat_puts_slices_back_together() {
        let batch = batch_of(&[("a", ChangeKind::Added), ("b", ChangeKind::Removed), ("c", ChangeKind::Changed)]);
        let again = Batch::concat(vec![batch.slice(0, 1), batch.slice(1, 2)]).unwrap().unwrap();
        assert!(again == batch);
        assert!(Batch::concat(Vec::new()).unwrap().is_none());
    }

    #[test]
    fn debug_shows_no_key() {
        let batch = batch_of(&[("ann@example.com", ChangeKind::Added)]);
        assert!(!format!("{batch:?}").contains("ann"));
    }
}
