//! Rows and configurations for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use crate::{Batch, ChangeKind, DestinationConfig, Mode, SyncContext};

/// One text field `text`, equal to the key; null for removed rows.
pub(crate) fn batch_of(rows: &[(&str, ChangeKind)]) -> Batch {
    let texts = rows.iter().map(|(key, kind)| (*kind != ChangeKind::Removed).then_some(*key));
    with_texts(rows.iter().map(|(key, kind)| ((*key).to_owned(), *kind)).collect(), StringArray::from_iter(texts))
}

/// One text field `text` as given.
pub(crate) fn batch_of_texts(rows: &[(String, ChangeKind, String)]) -> Batch {
    let texts = StringArray::from_iter_values(rows.iter().map(|(_, _, text)| text));
    with_texts(rows.iter().map(|(key, kind, _)| (key.clone(), *kind)).collect(), texts)
}

/// Added rows with the keys `k0`, `k1`, ...
pub(crate) fn added(range: std::ops::Range<usize>) -> Batch {
    let keys: Vec<_> = range.map(|row| format!("k{row}")).collect();
    batch_of(&keys.iter().map(|key| (key.as_str(), ChangeKind::Added)).collect::<Vec<_>>())
}

pub(crate) fn keys(batch: &Batch) -> Vec<&str> {
    batch.keys.iter().map(String::as_str).collect()
}

fn with_texts(rows: Vec<(String, ChangeKind)>, texts: StringArray) -> Batch {
    let hashes = rows.iter().map(|(key, _)| format!("hash of {key}")).collect();
    let (keys, kinds) = rows.into_iter().unzip();
    let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]));
    Batch::new(keys, kinds, hashes, RecordBatch::try_new(schema, vec![Arc::new(texts)]).unwrap()).unwrap()
}

pub(crate) fn context(run_id: &str) -> SyncContext {
    SyncContext {
        sync: "vips".into(),
        run_id: run_id.into(),
        mode: Mode::Mirror,
        key_field: "id".into(),
        fields: Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)])),
        as_of: "2024-06-30T00:00:00Z".into(),
        resources: BTreeMap::new(),
        removal: None,
        nulls: BTreeMap::new(),
        replaces: None,
    }
}

pub(crate) fn config(kind: &str, options: &[(&str, &str)]) -> DestinationConfig {
    DestinationConfig {
        name: "test".into(),
        kind: kind.into(),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        project_dir: ".".into(),
    }
}

#[test]
fn keys_helper_reads_in_order() {
    assert_eq!(keys(&added(0..3)), ["k0", "k1", "k2"]);
}
