//! Cuts batches of any size into requests within a destination's limits, every row once, and tells which requests must
//! follow which.
//!
//! Must not know: when or how a request is sent.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;

use super::order::Order;
use crate::{Batch, BatchLimits, ChangeKind, DestinationError, Limits, Operation, Weight};

/// Bytes counted for a value whose length is not read: a number, an instant, a truth value, with its punctuation.
const PLAIN_VALUE: usize = 24;

/// Bytes counted for a row beside its fields and key: names, braces, the operation.
const ROW_FRAME: usize = 48;

/// What a row counts beside itself and its bytes.
pub(super) type Weigh<'a> = &'a (dyn Fn(&Batch, usize) -> Weight + Sync);

/// Rows that wait for their request to fill. Holds at most one request's worth per operation.
pub(super) struct Rebatcher<'a> {
    limits: Limits,
    /// Whether one request may hold a key more than once: each row is then a record of its own.
    repeats: bool,
    /// Whether no key comes twice: then there is no order of keys to mind.
    distinct: bool,
    weigh: Weigh<'a>,
    lanes: [Lane; 2],
}

/// A request that may go once those that it follows have ended.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) serial: u64,
    /// The requests that hold one of its keys and came before.
    pub(super) after: BTreeSet<u64>,
}

/// The request that one operation's rows are gathered for.
#[derive(Default)]
struct Lane {
    parts: Vec<Batch>,
    serial: Option<u64>,
    after: BTreeSet<u64>,
    load: Load,
    /// The earlier request that its rows are repeats of.
    repeat_of: Option<String>,
}

/// What the limits of a request are compared with.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Load {
    rows: usize,
    bytes: usize,
    objects: usize,
    identifiers: usize,
}

impl Load {
    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
            objects: self.objects.saturating_add(other.objects),
            identifiers: self.identifiers.saturating_add(other.identifiers),
        }
    }

    fn is_within(self, limits: &BatchLimits) -> bool {
        let within = |load: usize, limit: Option<usize>| limit.is_none_or(|limit| load <= limit);
        self.rows <= limits.rows.max(1)
            && within(self.bytes, limits.bytes)
            && within(self.objects, limits.objects)
            && within(self.identifiers, limits.identifiers)
    }
}

impl Lane {
    /// The request gathered so far. A row of the batch that is being handed out must have been moved into it before.
    fn close(&mut self, order: &mut Order) -> Result<Option<Request>, DestinationError> {
        let Lane { parts, serial, after, .. } = std::mem::take(self);
        let Some((batch, serial)) = Batch::concat(parts)?.zip(serial) else { return Ok(None) };
        order.close(serial, batch.len());
        Ok(Some(Request { batch, serial, after }))
    }
}

impl<'a> Rebatcher<'a> {
    pub(super) fn new(limits: Limits, repeats: bool, distinct: bool, weigh: Weigh<'a>) -> Self {
        Self { limits, repeats, distinct, weigh, lanes: Default::default() }
    }

    /// Takes rows in and gives the requests that are now full. For each key they keep the order of the rows, provided
    /// that a request waits for those it comes after.
    pub(super) fn push(&mut self, batch: Batch, order: &mut Order) -> Result<Vec<Request>, DestinationError> {
        let mut full = Vec::new();
        if !self.limits.homogeneous {
            self.fill(Operation::Upsert, batch, order, &mut full)?;
        } else if let Some(operation) = batch.operation() {
            self.fill(operation, batch, order, &mut full)?;
        } else if !self.distinct && recurs(&batch, order) {
            let mut rest = Rest::new(batch);
            while let Some((operation, rows)) = rest.next_run() {
                self.fill(operation, rows, order, &mut full)?;
            }
        } else {
            for operation in [Operation::Upsert, Operation::Delete] {
                let rows = batch.filter(|change| change.kind.operation() == operation)?;
                self.fill(operation, rows, order, &mut full)?;
            }
        }
        Ok(full)
    }

    /// Gives the rows that still wait.
    pub(super) fn finish(&mut self, order: &mut Order) -> Result<Vec<Request>, DestinationError> {
        let mut all = Vec::new();
        for lane in &mut self.lanes {
            all.extend(lane.close(order)?);
        }
        Ok(all)
    }

    fn fill(
        &mut self,
        operation: Operation,
        batch: Batch,
        order: &mut Order,
        full: &mut Vec<Request>,
    ) -> Result<(), DestinationError> {
        let loads = self.loads(&batch);
        let hash = |key: &String| (!self.distinct).then(|| order.hash(key));
        let hashes: Vec<Option<u64>> = batch.keys.iter().map(hash).collect();
        let [upserts, deletes] = &mut self.lanes;
        let (lane, other) = match operation {
            Operation::Upsert => (upserts, deletes),
            Operation::Delete => (deletes, upserts),
        };
        let mut limits = self.limits.batch;
        if operation == Operation::Delete {
            limits.rows = limits.removals.unwrap_or(limits.rows);
        }
        let limits = &limits;
        let rows = batch.len();
        let repeats = batch.repeat_of.clone();
        let mut rest = Rest::new(batch);
        for (row, ((load, hash), repeat_of)) in loads.into_iter().zip(hashes).zip(repeats).enumerate() {
            if lane.load.rows > 0 && (!lane.load.and(load).is_within(limits) || lane.repeat_of != repeat_of) {
                lane.parts.extend(rest.up_to(row));
                full.extend(lane.close(order)?);
            }
            lane.repeat_of = repeat_of;
            let serial = *lane.serial.get_or_insert_with(|| order.begin());
            if let Some((hash, before)) = hash.and_then(|hash| Some(hash).zip(order.join(hash, serial))) {
                if before == serial && !self.repeats {
                    lane.parts.extend(rest.up_to(row));
                    full.extend(lane.close(order)?);
                    let serial = *lane.serial.insert(order.begin());
                    order.join(hash, serial);
                } else if Some(before) == other.serial {
                    // A request that another comes after is complete, so that none can come after itself.
                    full.extend(other.close(order)?);
                }
                lane.after.extend((lane.serial != Some(before)).then_some(before));
            }
            lane.load = lane.load.and(load);
        }
        lane.parts.extend(rest.up_to(rows));
        if lane.load.rows >= limits.rows.max(1) {
            full.extend(lane.close(order)?);
        }
        Ok(())
    }

    fn loads(&self, batch: &Batch) -> Vec<Load> {
        let limits = &self.limits.batch;
        let mut loads = vec![Load { rows: 1, ..Load::default() }; batch.len()];
        if limits.bytes.is_some() {
            loads.iter_mut().zip(weights(batch)).for_each(|(load, bytes)| load.bytes = bytes);
        }
        if limits.objects.is_some() || limits.identifiers.is_some() {
            for (row, load) in loads.iter_mut().enumerate() {
                let Weight { objects, identifiers } = (self.weigh)(batch, row);
                (load.objects, load.identifiers) = (objects, identifiers);
            }
        }
        loads
    }
}

/// Whether a key of the batch is there twice, or is held by an open request.
fn recurs(batch: &Batch, order: &Order) -> bool {
    let mut seen = HashSet::with_capacity(batch.len());
    batch.keys.iter().map(|key| order.hash(key)).any(|hash| order.holds(hash) || !seen.insert(hash))
}

/// A batch that is handed out piece by piece from its start; keys and hashes are moved, not copied.
struct Rest {
    start: usize,
    keys: std::vec::IntoIter<String>,
    kinds: std::vec::IntoIter<ChangeKind>,
    payload_hashes: std::vec::IntoIter<String>,
    receipts: std::vec::IntoIter<Option<String>>,
    repeat_of: std::vec::IntoIter<Option<String>>,
    fields: RecordBatch,
}

impl Rest {
    fn new(batch: Batch) -> Self {
        let Batch { keys, kinds, payload_hashes, fields, receipts, repeat_of } = batch;
        let (keys, kinds, payload_hashes) = (keys.into_iter(), kinds.into_iter(), payload_hashes.into_iter());
        let (receipts, repeat_of) = (receipts.into_iter(), repeat_of.into_iter());
        Self { start: 0, keys, kinds, payload_hashes, receipts, repeat_of, fields }
    }

    /// The rows from here on that ask for the same operation.
    fn next_run(&mut self) -> Option<(Operation, Batch)> {
        let operation = self.kinds.as_slice().first()?.operation();
        let rows = self.kinds.as_slice().iter().take_while(|kind| kind.operation() == operation).count();
        Some((operation, self.up_to(self.start + rows)?))
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
            repeat_of: self.repeat_of.by_ref().take(rows).collect(),
        })
    }
}

/// An estimate of each row's size as JSON.
fn weights(batch: &Batch) -> Vec<usize> {
    let mut weights: Vec<usize> = batch.keys.iter().map(|key| ROW_FRAME + key.len()).collect();
    for (field, column) in batch.fields.schema().fields().iter().zip(batch.fields.columns()) {
        let name = field.name().len() + 4;
        match column.data_type() {
            DataType::Utf8 => add_texts(&mut weights, name, column.as_string::<i32>().offsets()),
            DataType::LargeUtf8 => add_texts(&mut weights, name, column.as_string::<i64>().offsets()),
            _ => {
                for (row, weight) in weights.iter_mut().enumerate() {
                    *weight += name + value_length(column, row);
                }
            }
        }
    }
    weights
}

/// Adds the lengths of a column of texts, which are most of what is sent: without a look at each value.
fn add_texts<O: OffsetSizeTrait>(weights: &mut [usize], name: usize, offsets: &OffsetBuffer<O>) {
    for (weight, length) in weights.iter_mut().zip(offsets.lengths()) {
        // A null has no length here and four letters there.
        *weight += name + (2 + length).max("null".len());
    }
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
    use crate::testing::{added, batch_of, batch_of_texts, keys};

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
            let mut order = Order::new();
            let mut rebatcher = Rebatcher::new(limits(rows, bytes, homogeneous), false, false, &plain);
            let mut sent = Vec::new();
            let mut wanted = Vec::new();
            for (part, entries) in sizes.iter().enumerate() {
                let rows: Vec<_> = entries.iter().enumerate()
                    .map(|(row, (kind, length))| (format!("{part}-{row}"), *kind, "x".repeat(*length))).collect();
                wanted.extend(rows.iter().map(|(key, kind, text)| (key.clone(), *kind, text.clone())));
                sent.extend(rebatcher.push(batch_of_texts(&rows), &mut order).unwrap());
            }
            sent.extend(rebatcher.finish(&mut order).unwrap());
            let sent: Vec<_> = sent.into_iter().map(|request| request.batch).collect();

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

    fn plain(_: &Batch, _: usize) -> Weight {
        Weight { objects: 1, identifiers: 1 }
    }

    fn all_requests(mut rebatcher: Rebatcher<'_>, batches: Vec<Batch>) -> Vec<Request> {
        let mut order = Order::new();
        let mut all = Vec::new();
        for batch in batches {
            all.extend(rebatcher.push(batch, &mut order).unwrap());
        }
        all.extend(rebatcher.finish(&mut order).unwrap());
        all
    }

    #[test]
    fn a_row_over_the_byte_limit_goes_alone() {
        let rows = [("a", 10), ("b", 5_000), ("c", 10)]
            .map(|(key, length)| (key.to_owned(), ChangeKind::Added, "x".repeat(length)));
        let sent = all_requests(
            Rebatcher::new(limits(100, Some(1_000), true), false, false, &plain),
            vec![batch_of_texts(&rows)],
        );
        assert_eq!(sent.iter().map(|request| keys(&request.batch)).collect::<Vec<_>>(), [["a"], ["b"], ["c"]]);
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
        let limits = Limits { batch, ..limits(2, None, true) };
        let sent = all_requests(Rebatcher::new(limits, false, false, &plain), vec![batch_of_texts(&rows)]);
        let mut sent: Vec<_> = sent.iter().map(|request| keys(&request.batch)).collect();
        sent.sort();
        assert_eq!(sent, [vec!["a"], vec!["b", "d"], vec!["c"]]);
    }

    #[test]
    fn a_full_request_does_not_wait_for_the_next_row() {
        let rows = ["a", "b"].map(|key| (key.to_owned(), ChangeKind::Added, String::new()));
        let (mut order, mut rebatcher) = (Order::new(), Rebatcher::new(limits(2, None, true), false, false, &plain));
        assert_eq!(rebatcher.push(batch_of_texts(&rows), &mut order).unwrap().len(), 1);
        assert!(rebatcher.finish(&mut order).unwrap().is_empty());
    }

    #[test]
    fn objects_and_identifiers_limit_a_request_as_rows_do() {
        // Row `k<n>` carries n + 1 identifiers and is two objects.
        let heavy = |batch: &Batch, row: usize| Weight {
            objects: 2,
            identifiers: 1 + batch.keys[row][1..].parse::<usize>().unwrap(),
        };
        let sent = |objects, identifiers| {
            let batch = BatchLimits { objects, identifiers, ..BatchLimits::rows(100) };
            let limits = Limits { batch, ..limits(100, None, true) };
            let sent = all_requests(Rebatcher::new(limits, false, false, &heavy), vec![added(0..6)]);
            sent.iter().map(|request| request.batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sent(None, None), [6]);
        assert_eq!(sent(Some(4), None), [2, 2, 2]);
        assert_eq!(sent(None, Some(6)), [3, 1, 1, 1]);
        assert_eq!(sent(Some(4), Some(10)), [2, 2, 1, 1]);
    }

    /// For each request its keys and the requests (by place) that it comes after.
    fn plan(homogeneous: bool, repeats: bool, rows: &[(&str, ChangeKind)]) -> Vec<(String, Vec<usize>)> {
        let sent =
            all_requests(Rebatcher::new(limits(3, None, homogeneous), repeats, false, &plain), vec![batch_of(rows)]);
        let place = |serial: &u64| sent.iter().position(|request| request.serial == *serial).unwrap();
        sent.iter().map(|request| (keys(&request.batch).concat(), request.after.iter().map(place).collect())).collect()
    }

    #[test]
    fn a_key_that_comes_again_goes_into_a_later_request_that_waits() {
        use ChangeKind::{Added, Removed};
        let again = [("a", Removed), ("b", Removed), ("a", Added), ("c", Added), ("a", Removed)];
        let expected = [("ab", vec![]), ("ac", vec![0]), ("a", vec![1])].map(|(keys, after)| (keys.to_owned(), after));
        assert_eq!(plan(true, false, &again), expected);

        let appended = [("a", Added), ("a", Added), ("b", Added), ("b", Added), ("c", Added)];
        let expected = [("aab", vec![]), ("bc", vec![0])].map(|(keys, after)| (keys.to_owned(), after));
        assert_eq!(plan(true, true, &appended), expected);
        let expected = [("a", vec![]), ("ab", vec![0]), ("bc", vec![1])].map(|(keys, after)| (keys.to_owned(), after));
        assert_eq!(plan(false, false, &appended), expected);
    }

    proptest! {
        #[test]
        fn requests_that_wait_for_those_before_them_keep_the_order_of_every_key(
            rows in prop::collection::vec((0_u8..12, kind()), 0..80),
            homogeneous in any::<bool>(),
            repeats in any::<bool>(),
            cut in 1_usize..30,
        ) {
            let keyed: Vec<_> = rows.iter().map(|(key, kind)| (format!("k{key}"), *kind)).collect();
            let numbered: Vec<_> = keyed.iter().enumerate()
                .map(|(row, (key, kind))| (key.clone(), *kind, row.to_string())).collect();
            let batches = numbered.chunks(cut).map(batch_of_texts).collect();
            let sent = all_requests(Rebatcher::new(limits(4, None, homogeneous), repeats, false, &plain), batches);

            let place = |serial: u64| sent.iter().position(|request| request.serial == serial).unwrap();
            let mut before: std::collections::BTreeMap<&str, (usize, u64)> = Default::default();
            for (at, request) in sent.iter().enumerate() {
                prop_assert!(request.after.iter().all(|serial| place(*serial) < at));
                let texts = request.batch.fields.column(0).as_string::<i32>();
                for (row, key) in request.batch.keys.iter().enumerate() {
                    let number: usize = texts.value(row).parse().unwrap();
                    if let Some((last, serial)) = before.insert(key, (number, request.serial)) {
                        prop_assert!(last < number, "row {} of {} overtook row {}", number, key, last);
                        let same = serial == request.serial;
                        let kept = if same { repeats } else { request.after.contains(&serial) };
                        prop_assert!(kept, "{} in two requests that may overtake each other", key);
                    }
                }
            }
            prop_assert_eq!(sent.iter().map(|request| request.batch.len()).sum::<usize>(), rows.len());
        }
    }
}
