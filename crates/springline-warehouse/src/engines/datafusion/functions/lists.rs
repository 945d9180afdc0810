//! What is made of the values of a group, once they are a list.

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, ListArray, UInt32Array},
    buffer::{NullBuffer, OffsetBuffer},
    compute::take,
    datatypes::{DataType, Field, Float64Type, Int64Type},
};
use datafusion::common::{Result, exec_datafusion_err};
use std::sync::Arc;

pub(super) fn percentile_inputs(_: &[DataType]) -> Vec<DataType> {
    vec![DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true))), DataType::Float64]
}

/// The value below which a share of the values lies, in a straight line between two neighbours; null for no value.
pub(super) fn percentile(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, shares] = columns else { return Err(exec_datafusion_err!("list_percentile takes two arguments")) };
    let pairs = lists.as_list::<i32>().iter().zip(shares.as_primitive::<Float64Type>());
    let values = pairs.map(|(list, share)| {
        let mut values: Vec<f64> = list?.as_primitive::<Float64Type>().iter().flatten().collect();
        between(&mut values, share?)
    });
    Ok(Arc::new(values.collect::<Float64Array>()))
}

fn between(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[allow(clippy::cast_precision_loss, reason = "a group has fewer values than a float counts exactly")]
    let place = share * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the number of values")]
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let (low, high) = (*values.get(low)?, *values.get(high)?);
    Some(low + place.fract() * (high - low))
}

pub(super) fn head_inputs(arguments: &[DataType]) -> Vec<DataType> {
    vec![head_output(arguments), DataType::Int64]
}

pub(super) fn head_output(arguments: &[DataType]) -> DataType {
    arguments.first().cloned().unwrap_or(DataType::Null)
}

/// The first values that are not null; null for no value.
pub(super) fn head(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, counts] = columns else { return Err(exec_datafusion_err!("list_head takes two arguments")) };
    let DataType::List(field) = lists.data_type() else {
        return Err(exec_datafusion_err!("list_head takes a list, found {}", lists.data_type()));
    };
    let (lists, counts) = (lists.as_list::<i32>(), counts.as_primitive::<Int64Type>());
    let (mut kept, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    let values = lists.values();
    for (row, bounds) in lists.offsets().windows(2).enumerate() {
        let before = kept.len();
        if lists.is_valid(row) && counts.is_valid(row) {
            let most = usize::try_from(counts.value(row)).unwrap_or(0);
            let [start, end] = [bounds[0], bounds[1]].map(|offset| u32::try_from(offset).unwrap_or(0));
            kept.extend((start..end).filter(|place| values.is_valid(*place as usize)).take(most));
        }
        lengths.push(kept.len() - before);
    }
    let nulls: NullBuffer = lengths.iter().map(|length| *length > 0).collect();
    let values = take(values, &UInt32Array::from(kept), None)?;
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, Some(nulls))?))
}
