//! The one clock: bounds of time as literals, computed from `as_of` in the project's time zone.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use springline_ir::{ColumnRef, Expr, FunctionId, Literal, RelExpr, Type};
use springline_model::{Unit, Within};

/// Why a checked project could not be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// A window reaches further back than time can be told.
    WindowOutOfRange {
        /// How far.
        within: Within,
        /// From when.
        as_of: Timestamp,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::WindowOutOfRange { within, as_of } => {
                write!(
                    f,
                    "a window of {} {:?}s before {as_of} begins before the year -9999; use a shorter window",
                    within.amount, within.unit
                )
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// The run's one instant, and the day it is in the project's time zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) as_of: Timestamp,
    pub(crate) day: Date,
}

impl Clock {
    /// The clock as a constant: the day for a date, else the instant.
    pub(crate) fn as_of(self, ty: &Type) -> RelExpr {
        match ty {
            Type::Date => Expr::literal(Literal::Date(self.day)),
            _ => Expr::literal(Literal::Timestamp(self.as_of)),
        }
    }
}

/// The first instant of a window that ends at `as_of`. Units from days on are calendar units in the
/// time zone, so that a window of 1 day over a change of the clocks is 23 or 25 hours.
pub(crate) fn window_start(as_of: Timestamp, zone: &TimeZone, within: Within) -> Result<Timestamp, PlanError> {
    let amount = i64::from(within.amount);
    let span = match within.unit {
        Unit::Minute => Span::new().try_minutes(amount),
        Unit::Hour => Span::new().try_hours(amount),
        Unit::Day => Span::new().try_days(amount),
        Unit::Week => Span::new().try_weeks(amount),
        Unit::Month => Span::new().try_months(amount),
        Unit::Year => Span::new().try_years(amount),
    };
    span.and_then(|span| as_of.to_zoned(zone.clone()).checked_sub(span))
        .map(|start| start.timestamp())
        .map_err(|_| PlanError::WindowOutOfRange { within, as_of })
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
fn bound(ty: &Type, instant: Timestamp, zone: &TimeZone) -> Expr<ColumnRef> {
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

    fn start(as_of: &str, zone: &str, amount: u32, unit: Unit) -> String {
        let zone = TimeZone::get(zone).unwrap();
        window_start(as_of.parse().unwrap(), &zone, Within { amount, unit }).unwrap().to_string()
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
    }

    #[test]
    fn too_long_a_window_is_an_error() {
        let within = Within { amount: u32::MAX, unit: Unit::Year };
        assert!(window_start(Timestamp::UNIX_EPOCH, &TimeZone::UTC, within).is_err());
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
