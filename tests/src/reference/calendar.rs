//! The calendar: what day and hour an instant is.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use super::value::{Result, Undefined, Value, undefined};

/// The local time of an instant: UTC, for calendar functions.
pub fn local(instant: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(instant)
}

/// The first instant of a day.
pub fn start_of_day(day: Date) -> Result<Timestamp> {
    instant(day.to_zoned(TimeZone::UTC))
}

/// The first instant of a day in a time zone.
pub fn first_instant(day: Date, zone: &TimeZone) -> Result<Timestamp> {
    let noon = day.at(12, 0, 0, 0).to_zoned(zone.clone()).map_err(|e| Undefined(e.to_string()))?;
    instant(noon.start_of_day())
}

/// The first day that begins at the instant or later.
pub fn first_day_from(at: Timestamp, zone: &TimeZone) -> Result<Date> {
    let day = at.to_zoned(zone.clone()).date();
    if first_instant(day, zone)? == at { Ok(day) } else { day.tomorrow().map_err(|e| Undefined(e.to_string())) }
}

/// What a clock in the zone shows, as an instant in UTC.
pub fn local_time(at: Timestamp, zone: &str) -> Result {
    let zone = TimeZone::get(zone).map_err(|e| Undefined(e.to_string()))?;
    instant(zone.to_datetime(at).to_zoned(TimeZone::UTC)).map(Value::Timestamp)
}

/// The instant at which a clock in the zone shows a time: the earlier of two, and after a skip as long after it.
pub fn instant_of(shown: Timestamp, zone: &str) -> Result {
    let zone = TimeZone::get(zone).map_err(|e| Undefined(e.to_string()))?;
    instant(TimeZone::UTC.to_datetime(shown).to_zoned(zone)).map(Value::Timestamp)
}

fn instant(zoned: std::result::Result<jiff::Zoned, jiff::Error>) -> Result<Timestamp> {
    zoned.map(|z| z.timestamp()).map_err(|e| Undefined(e.to_string()))
}

/// The day of a day or an instant.
fn day_of(value: &Value) -> Result<Date> {
    match value {
        Value::Date(day) => Ok(*day),
        Value::Timestamp(instant) => Ok(local(*instant).date()),
        other => undefined(format!("{other:?} is no time")),
    }
}

/// The first day or instant of the unit that the value lies in.
pub fn date_trunc(unit: &str, value: &Value) -> Result {
    let day = day_of(value)?;
    let first = |month: i8| Date::new(day.year(), month, 1).map_err(|e| Undefined(e.to_string()));
    let first = match unit {
        "day" => day,
        "week" => day
            .checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days())
            .map_err(|e| Undefined(e.to_string()))?,
        "month" => first(day.month())?,
        "quarter" => first((day.month() - 1) / 3 * 3 + 1)?,
        "year" => first(1)?,
        other => return undefined(format!("no unit {other}")),
    };
    match value {
        Value::Date(_) => Ok(Value::Date(first)),
        _ => start_of_day(first).map(Value::Timestamp),
    }
}

/// A part of a day or an instant.
pub fn extract(part: &str, value: &Value) -> Result {
    let day = day_of(value)?;
    Ok(Value::Integer(match part {
        "year" => i64::from(day.year()),
        "quarter" => i64::from((day.month() - 1) / 3 + 1),
        "month" => i64::from(day.month()),
        "day" => i64::from(day.day()),
        "week" => i64::from(day.iso_week_date().week()),
        "day_of_week" => i64::from(day.weekday().to_monday_one_offset()),
        "day_of_year" => i64::from(day.day_of_year()),
        "hour" | "minute" | "second" => match (part, value) {
            ("hour", Value::Timestamp(instant)) => i64::from(local(*instant).hour()),
            ("minute", Value::Timestamp(instant)) => i64::from(local(*instant).minute()),
            (_, Value::Timestamp(instant)) => i64::from(local(*instant).second()),
            _ => 0,
        },
        other => return undefined(format!("no part {other}")),
    }))
}

/// The calendar days crossed from the first to the second.
pub fn days_between(from: &Value, to: &Value) -> Result {
    let (from, to) = (day_of(from)?, day_of(to)?);
    Ok(Value::Integer(i64::from((to - from).get_days())))
}

/// So many units later; where the month has no such day, its last one.
pub fn date_add(unit: &str, count: i64, value: &Value) -> Result {
    let wrong = |e: jiff::Error| Undefined(e.to_string());
    let span = Span::new();
    let span = match unit {
        "minute" => span.try_minutes(count),
        "hour" => span.try_hours(count),
        "day" => span.try_days(count),
        "week" => span.try_weeks(count),
        "month" => span.try_months(count),
        "quarter" => span.try_months(count.saturating_mul(3)),
        "year" => span.try_years(count),
        other => return undefined(format!("no unit {other}")),
    };
    let span = span.map_err(wrong)?;
    match value {
        Value::Date(day) => day.checked_add(span).map(Value::Date).map_err(wrong),
        Value::Timestamp(at) => {
            instant(local(*at).checked_add(span).and_then(|t| t.to_zoned(TimeZone::UTC))).map(Value::Timestamp)
        }
        other => undefined(format!("{other:?} is no time")),
    }
}
