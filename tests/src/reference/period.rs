//! Where periods begin and end.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use springline_model::{Period, Point, Unit, Within};

use super::value::{Result, Undefined};

/// The two ends of a period: its first instant, and the first after it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl Bounds {
    /// Whether an instant lies in the period.
    pub fn has(self, at: Timestamp) -> bool {
        self.start.is_none_or(|start| at >= start) && self.end.is_none_or(|end| at < end)
    }
}

/// The ends of a period, seen from an instant.
pub fn bounds(period: Period, as_of: Timestamp, zone: &TimeZone) -> Result<Bounds> {
    let wrong = |e: jiff::Error| Undefined(e.to_string());
    let midnight = |day: Date| day.to_zoned(zone.clone()).map(|z| z.timestamp()).map_err(wrong);
    let (start, end) = match period {
        Period::Rolling { within, ago } => {
            let here = as_of.to_zoned(zone.clone());
            let back = |times: i64| {
                here.checked_sub(length(within, times)).map(|z| z.timestamp()).map_err(|e| Undefined(e.to_string()))
            };
            (Some(back(i64::from(ago) + 1)?), Some(back(i64::from(ago))?))
        }
        Period::Calendar { unit, first, last } => {
            let today = as_of.to_zoned(zone.clone()).date();
            let this = first_day(today, unit)?;
            let one = Within { amount: 1, unit };
            let place = |units: i64| this.checked_add(length(one, units)).map_err(|e| Undefined(e.to_string()));
            (Some(midnight(place(i64::from(first))?)?), Some(midnight(place(i64::from(last) + 1)?)?))
        }
        Period::Between { from, to } => {
            let start = match from {
                None => None,
                Some(Point::Day(day)) => Some(midnight(day)?),
                Some(Point::Instant(at)) => Some(at),
            };
            let end = match to {
                None => None,
                Some(Point::Day(day)) => Some(midnight(day.tomorrow().map_err(wrong)?)?),
                Some(Point::Instant(at)) => Some(at.checked_add(1.microsecond()).map_err(wrong)?),
            };
            (start, end)
        }
    };
    Ok(Bounds { start, end })
}

fn length(within: Within, times: i64) -> Span {
    let amount = i64::from(within.amount) * times;
    match within.unit {
        Unit::Minute => Span::new().minutes(amount),
        Unit::Hour => Span::new().hours(amount),
        Unit::Day => Span::new().days(amount),
        Unit::Week => Span::new().weeks(amount),
        Unit::Month => Span::new().months(amount),
        Unit::Quarter => Span::new().months(3 * amount),
        Unit::Year => Span::new().years(amount),
    }
}

fn first_day(day: Date, unit: Unit) -> Result<Date> {
    let wrong = |e: jiff::Error| Undefined(e.to_string());
    match unit {
        Unit::Minute | Unit::Hour | Unit::Day => Ok(day),
        Unit::Week => day.checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days()).map_err(wrong),
        Unit::Month => Date::new(day.year(), day.month(), 1).map_err(wrong),
        Unit::Quarter => {
            Date::new(day.year(), [1, 4, 7, 10][usize::from((day.month() - 1) as u8 / 3)], 1).map_err(wrong)
        }
        Unit::Year => Date::new(day.year(), 1, 1).map_err(wrong),
    }
}
