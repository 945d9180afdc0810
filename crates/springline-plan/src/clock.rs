//! The one clock: bounds of time as literals, computed from `as_of` in the project's time zone.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use springline_ir::{ColumnRef, Expr, FunctionId, Literal, RelExpr, Type};
use springline_model::{Edge, Leaf, Period, Point, Unit, Within};

/// Why a checked project could not be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// A period reaches further than time can be told.
    PeriodOutOfRange {
        /// Which.
        period: Period,
        /// Seen from when.
        as_of: Timestamp,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::PeriodOutOfRange { period, as_of } => {
                let length = match period {
                    Period::Rolling { within, .. } => format!("a window of {} {:?}s", within.amount, within.unit),
                    Period::Calendar { unit, .. } => format!("a window of calendar {unit:?}s").to_lowercase(),
                    Period::Between { .. } => "a window".to_owned(),
                };
                write!(f, "{length} seen from {as_of} leaves the years -9999 to 9999; use a shorter window")
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// The run's one instant, and where its days begin.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    pub(crate) as_of: Timestamp,
    pub(crate) zone: TimeZone,
}

/// The first instant of a period and the first after it; none where it has no such end.
pub(crate) struct Bounds {
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
}

impl Clock {
    /// The constant that a leaf about time stands for; `None` for other leaves.
    pub(crate) fn constant(&self, leaf: &Leaf, ty: &Type) -> Result<Option<RelExpr>, PlanError> {
        match leaf {
            Leaf::AsOf if *ty == Type::Date => {
                Ok(Some(Expr::literal(Literal::Date(self.as_of.to_zoned(self.zone.clone()).date()))))
            }
            Leaf::AsOf => Ok(Some(Expr::literal(Literal::Timestamp(self.as_of)))),
            Leaf::PeriodEdge(period, edge) => {
                let Bounds { start, end } = self.bounds(*period)?;
                let instant = match edge {
                    Edge::Start => start,
                    Edge::End => end,
                };
                Ok(Some(instant.map_or_else(|| Expr::null(ty.clone()), |i| bound(ty, i, &self.zone))))
            }
            _ => Ok(None),
        }
    }

    /// Where a period begins and ends.
    pub(crate) fn bounds(&self, period: Period) -> Result<Bounds, PlanError> {
        let out_of_range = || PlanError::PeriodOutOfRange { period, as_of: self.as_of };
        let (start, end) = match period {
            Period::Rolling { within, ago } => {
                let place = |times| shifted(self.as_of, &self.zone, within, times).ok_or_else(out_of_range);
                (Some(place(ago.saturating_add(1).saturating_neg())?), Some(place(ago.saturating_neg())?))
            }
            Period::Calendar { unit, first, last } => {
                let place = |units| calendar_start(self.as_of, &self.zone, unit, units).ok_or_else(out_of_range);
                (Some(place(first)?), Some(place(last.saturating_add(1))?))
            }
            Period::Between { from, to } => {
                let day =
                    |day: Date| day.to_zoned(self.zone.clone()).map(|z| z.timestamp()).map_err(|_| out_of_range());
                let start = match from {
                    None => None,
                    Some(Point::Instant(instant)) => Some(instant),
                    Some(Point::Day(first)) => Some(day(first)?),
                };
                let end = match to {
                    None => None,
                    Some(Point::Instant(instant)) => {
                        Some(instant.checked_add(SignedDuration::from_micros(1)).map_err(|_| out_of_range())?)
                    }
                    Some(Point::Day(last)) => Some(day(last.tomorrow().map_err(|_| out_of_range())?)?),
                };
                (start, end)
            }
        };
        Ok(Bounds { start, end })
    }
}

/// The instant that lies so many lengths after `as_of`. Units from days on are calendar units in the time
/// zone, so that a day over a change of the clocks is 23 or 25 hours.
fn shifted(as_of: Timestamp, zone: &TimeZone, within: Within, times: i32) -> Option<Timestamp> {
    let amount = i64::from(within.amount).checked_mul(i64::from(times))?;
    let span = match within.unit {
        Unit::Minute => Span::new().try_minutes(amount),
        Unit::Hour => Span::new().try_hours(amount),
        Unit::Day => Span::new().try_days(amount),
        Unit::Week => Span::new().try_weeks(amount),
        Unit::Month => Span::new().try_months(amount),
        Unit::Quarter => Span::new().try_months(amount.checked_mul(3)?),
        Unit::Year => Span::new().try_years(amount),
    };
    as_of.to_zoned(zone.clone()).checked_add(span.ok()?).ok().map(|at| at.timestamp())
}

/// The first instant of the calendar unit that lies so many units after that of `as_of`. Weeks begin on
/// Monday.
fn calendar_start(as_of: Timestamp, zone: &TimeZone, unit: Unit, units: i32) -> Option<Timestamp> {
    let today = as_of.to_zoned(zone.clone()).date();
    let first = match unit {
        // A shorter unit has no calendar of its own.
        Unit::Minute | Unit::Hour | Unit::Day => today,
        Unit::Week => today.checked_sub(Span::new().days(i64::from(today.weekday().to_monday_zero_offset()))).ok()?,
        Unit::Month => today.first_of_month(),
        Unit::Quarter => Date::new(today.year(), (today.month() - 1) / 3 * 3 + 1, 1).ok()?,
        Unit::Year => today.first_of_year(),
    };
    let units = i64::from(units);
    let span = match unit {
        Unit::Minute | Unit::Hour | Unit::Day => Span::new().try_days(units),
        Unit::Week => Span::new().try_weeks(units),
        Unit::Month => Span::new().try_months(units),
        Unit::Quarter => Span::new().try_months(units * 3),
        Unit::Year => Span::new().try_years(units),
    };
    first.checked_add(span.ok()?).ok()?.to_zoned(zone.clone()).ok().map(|day| day.timestamp())
}

/// `at >= start`, for a column of instants or of days.
pub(crate) fn not_before(at: RelExpr, start: Timestamp, zone: &TimeZone) -> RelExpr {
    let bound = bound(&at.ty, start, zone);
    Expr::compare(FunctionId::GE, at, bound)
}

/// `at < end`, for a column of instants or of days.
pub(crate) fn before(at: RelExpr, end: Timestamp, zone: &TimeZone) -> RelExpr {
    let bound = bound(&at.ty, end, zone);
    Expr::compare(FunctionId::LT, at, bound)
}

/// The instant as a literal of the column's type. A day counts as its first instant in the project's
/// time zone, so a bound inside a day is the day after: `d < noon` and `d <= that day` say the same.
pub(crate) fn bound(ty: &Type, instant: Timestamp, zone: &TimeZone) -> Expr<ColumnRef> {
    if *ty != Type::Date {
        return Expr::literal(Literal::Timestamp(instant));
    }
    let zoned = instant.to_zoned(zone.clone());
    let starts_here = zoned.start_of_day().is_ok_and(|start| start == zoned);
    let day = if starts_here { zoned.date() } else { zoned.date().tomorrow().unwrap_or(zoned.date()) };
    Expr::literal(Literal::Date(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(as_of: &str, zone: &str, period: Period) -> String {
        let clock = Clock { as_of: as_of.parse().unwrap(), zone: TimeZone::get(zone).unwrap() };
        let Bounds { start, end } = clock.bounds(period).unwrap();
        let text = |i: Option<Timestamp>| i.map_or("ever".to_owned(), |i| i.to_string());
        format!("{} {}", text(start), text(end))
    }

    fn start(as_of: &str, zone: &str, amount: u32, unit: Unit) -> String {
        let period = Period::Rolling { within: Within { amount, unit }, ago: 0 };
        bounds(as_of, zone, period).split(' ').next().unwrap().to_owned()
    }

    #[test]
    fn days_are_of_the_calendar() {
        // Paris set its clocks forward on 2024-03-31.
        assert_eq!(start("2024-03-31T22:00:00Z", "Europe/Paris", 1, Unit::Day), "2024-03-30T23:00:00Z");
        assert_eq!(start("2024-03-31T22:00:00Z", "UTC", 1, Unit::Day), "2024-03-30T22:00:00Z");
        assert_eq!(start("2024-03-31T22:00:00Z", "Europe/Paris", 24, Unit::Hour), "2024-03-30T22:00:00Z");
    }

    #[test]
    fn months_end_where_the_month_ends() {
        assert_eq!(start("2024-03-31T12:00:00Z", "UTC", 1, Unit::Month), "2024-02-29T12:00:00Z");
        assert_eq!(start("2024-05-31T12:00:00Z", "UTC", 1, Unit::Quarter), "2024-02-29T12:00:00Z");
    }

    #[test]
    fn the_slices_of_a_period_touch() {
        let week = |ago| {
            let within = Within { amount: 1, unit: Unit::Week };
            bounds("2024-06-30T00:00:00Z", "UTC", Period::Rolling { within, ago })
        };
        assert_eq!(week(0), "2024-06-23T00:00:00Z 2024-06-30T00:00:00Z");
        assert_eq!(week(1), "2024-06-16T00:00:00Z 2024-06-23T00:00:00Z");
        assert_eq!(week(-1), "2024-06-30T00:00:00Z 2024-07-07T00:00:00Z");
    }

    #[test]
    fn units_of_the_calendar_begin_at_local_midnight() {
        let calendar =
            |unit, first, last| bounds("2024-06-30T22:30:00Z", "Europe/Paris", Period::Calendar { unit, first, last });
        // In Paris it is Monday, the first of July.
        assert_eq!(calendar(Unit::Day, 0, 0), "2024-06-30T22:00:00Z 2024-07-01T22:00:00Z");
        assert_eq!(calendar(Unit::Week, 0, 0), "2024-06-30T22:00:00Z 2024-07-07T22:00:00Z");
        assert_eq!(calendar(Unit::Month, -1, -1), "2024-05-31T22:00:00Z 2024-06-30T22:00:00Z");
        assert_eq!(calendar(Unit::Quarter, -1, -1), "2024-03-31T22:00:00Z 2024-06-30T22:00:00Z");
        assert_eq!(calendar(Unit::Year, 1, 1), "2024-12-31T23:00:00Z 2025-12-31T23:00:00Z");
    }

    #[test]
    fn days_between_are_whole() {
        let day = |text: &str| Some(Point::Day(text.parse().unwrap()));
        let instant = |text: &str| Some(Point::Instant(text.parse().unwrap()));
        let between = |from, to| bounds("2024-06-30T00:00:00Z", "Europe/Paris", Period::Between { from, to });
        assert_eq!(between(day("2024-01-01"), day("2024-03-31")), "2023-12-31T23:00:00Z 2024-03-31T22:00:00Z");
        assert_eq!(between(None, instant("2024-01-01T00:00:00Z")), "ever 2024-01-01T00:00:00.000001Z");
    }

    #[test]
    fn too_long_a_window_is_an_error() {
        let within = Within { amount: u32::MAX, unit: Unit::Year };
        let clock = Clock { as_of: Timestamp::UNIX_EPOCH, zone: TimeZone::UTC };
        assert!(clock.bounds(Period::Rolling { within, ago: 0 }).is_err());
    }

    #[test]
    fn a_day_begins_in_the_project_time_zone() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let literal = |instant: &str| match bound(&Type::Date, instant.parse().unwrap(), &paris).kind {
            springline_ir::ExprKind::Literal(Literal::Date(day)) => day.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(literal("2024-06-29T22:00:00Z"), "2024-06-30");
        assert_eq!(literal("2024-06-29T22:00:01Z"), "2024-07-01");
    }
}
