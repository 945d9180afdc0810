//! Time zones and the calendar. An instant is in microseconds; what a clock in a zone shows is held as the instant at
//! which a clock in UTC shows it.

use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray},
    datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType},
};
use datafusion::common::{Result, exec_datafusion_err};
use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime},
    tz::{Offset, TimeZone},
};
use std::{fmt::Display, sync::Arc};

use super::INSTANT;

const SECOND: i64 = 1_000_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// What a clock in the zone shows at the instant.
pub(super) fn local_time(columns: &[ArrayRef]) -> Result<ArrayRef> {
    turn(columns, |zone, at| {
        let instant = Timestamp::from_microsecond(at).map_err(out_of_range)?;
        let offset = i64::from(zone.to_offset(instant).seconds());
        at.checked_add(offset * SECOND).ok_or_else(|| out_of_range("an overflow"))
    })
}

/// The instant at which a clock in the zone shows it: of two the earlier; of a time that is skipped, as long after
/// the skip as the time is after its beginning.
pub(super) fn instant_of(columns: &[ArrayRef]) -> Result<ArrayRef> {
    turn(columns, |zone, at| {
        let shown = clock(at)?;
        let instant = zone.to_ambiguous_timestamp(shown).compatible().map_err(out_of_range)?;
        Ok(instant.as_microsecond())
    })
}

fn turn(columns: &[ArrayRef], turn: impl Fn(&TimeZone, i64) -> Result<i64>) -> Result<ArrayRef> {
    let [at, names] = columns else { return Err(exec_datafusion_err!("a time and a zone are needed")) };
    let (at, names) = (at.as_primitive::<TimestampMicrosecondType>(), names.as_string::<i32>());
    // The zone is the same in all rows, but a column could hold several.
    let mut known: Option<(&str, TimeZone)> = None;
    let mut turned = TimestampMicrosecondArray::builder(at.len());
    for (at, name) in at.iter().zip(names) {
        let (Some(at), Some(name)) = (at, name) else {
            turned.append_null();
            continue;
        };
        let zone = match &known {
            Some((held, zone)) if *held == name => zone,
            _ => {
                let zone = TimeZone::get(name).map_err(|_| exec_datafusion_err!("there is no time zone `{name}`"))?;
                &known.insert((name, zone)).1
            }
        };
        turned.append_value(turn(zone, at)?);
    }
    Ok(Arc::new(turned.finish()))
}

/// The types that `date_add` takes: a unit, a count, and a day or an instant.
pub(super) fn inputs(arguments: &[DataType]) -> Vec<DataType> {
    let at = if arguments.last() == Some(&DataType::Date32) { DataType::Date32 } else { INSTANT };
    vec![DataType::Utf8, DataType::Int64, at]
}

/// The type that `date_add` gives.
pub(super) fn output(arguments: &[DataType]) -> DataType {
    arguments.last().cloned().unwrap_or(INSTANT)
}

/// So many units later: `minute`, `hour`, `day`, `month`; a month ends with its last day.
pub(super) fn date_add(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [units, counts, at] = columns else { return Err(exec_datafusion_err!("date_add takes three arguments")) };
    let (units, counts) = (units.as_string::<i32>(), counts.as_primitive::<Int64Type>());
    let spans = units.iter().zip(counts).map(|(unit, count)| match (unit, count) {
        (Some(unit), Some(count)) => span(unit, count).map(Some),
        _ => Ok(None),
    });
    if *at.data_type() == DataType::Date32 {
        let days = spans.zip(at.as_primitive::<Date32Type>()).map(|(span, day)| match (span?, day) {
            (Some(span), Some(day)) => {
                let day = EPOCH.checked_add(Span::new().try_days(day).map_err(out_of_range)?);
                let later = day.and_then(|day| day.checked_add(span)).map_err(out_of_range)?;
                Ok(Some(days_since_epoch(later)?))
            }
            _ => Ok(None),
        });
        return Ok(Arc::new(days.collect::<Result<Date32Array>>()?));
    }
    let times = spans.zip(at.as_primitive::<TimestampMicrosecondType>()).map(|(span, at)| match (span?, at) {
        (Some(span), Some(at)) => {
            let later = clock(at)?.checked_add(span).map_err(out_of_range)?;
            let instant = Offset::UTC.to_timestamp(later).map_err(out_of_range)?;
            Ok(Some(instant.as_microsecond()))
        }
        _ => Ok(None),
    });
    Ok(Arc::new(times.collect::<Result<TimestampMicrosecondArray>>()?))
}

fn span(unit: &str, count: i64) -> Result<Span> {
    let span = Span::new();
    let span = match unit {
        "minute" => span.try_minutes(count),
        "hour" => span.try_hours(count),
        "day" => span.try_days(count),
        "month" => span.try_months(count),
        _ => return Err(exec_datafusion_err!("date_add does not know the unit `{unit}`")),
    };
    span.map_err(out_of_range)
}

fn days_since_epoch(day: Date) -> Result<i32> {
    let span = EPOCH.until(day).map_err(out_of_range)?;
    Ok(span.get_days())
}

/// What a clock in UTC shows.
fn clock(at: i64) -> Result<DateTime> {
    Ok(Offset::UTC.to_datetime(Timestamp::from_microsecond(at).map_err(out_of_range)?))
}

fn out_of_range(error: impl Display) -> datafusion::error::DataFusionError {
    exec_datafusion_err!("a time is before the year -9999 or after the year 9999: {error}")
}
