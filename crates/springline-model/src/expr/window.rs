//! Windows of time, as they are written behind `within`: `90 days`, `last month`,
//! `between 2024-01-01 and 2024-03-31`, `30 days after signup_at`, `each of 4 weeks`.

use crate::syntax::{Spanned, nearest};
use crate::{Code, Diagnostic, Period, Point, Unit, Within};

use super::literal::{read_day, read_instant};

/// A window as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Window {
    /// A stretch of time, the same for all rows.
    Period(Period),
    /// Each of these stretches by itself.
    Each(Vec<Period>),
    /// A stretch that lies by a date of the entity's row.
    Relative(Relative),
}

/// A stretch of time by a date of the entity's row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relative {
    /// On which side of it.
    pub side: Side,
    /// How long; without end where there is none.
    pub length: Option<Within>,
    /// The column or field of the entity, with dots.
    pub path: String,
    /// Where the path begins in the text of the window.
    pub at: usize,
}

/// A side of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

const UNITS: &[(&str, &str, Unit)] = &[
    ("minute", "minutes", Unit::Minute),
    ("hour", "hours", Unit::Hour),
    ("day", "days", Unit::Day),
    ("week", "weeks", Unit::Week),
    ("month", "months", Unit::Month),
    ("quarter", "quarters", Unit::Quarter),
    ("year", "years", Unit::Year),
];

/// More than this many of any unit is before anything was recorded, and calendars end somewhere.
const MAX_AMOUNT: u32 = 100_000;
/// The same in units from weeks on.
const MAX_YEARS: u32 = 200;
/// More stretches than this are not compared one by one.
const MAX_EACH: u32 = 60;

const HINT: &str = "write an amount and a unit, such as `90 days`, or `this month`, `last quarter`, `last 3 calendar \
                    months`, `between 2024-01-01 and 2024-03-31`, `since 2024-01-01`, `30 days after signup_at`";

/// Reads a window.
pub(crate) fn parse_window(text: &Spanned<String>) -> Result<Window, Diagnostic> {
    let words: Vec<&str> = text.value.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|w| w.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let refuse = |message: String| Diagnostic::error(Code::InvalidWindow, text.span, message).hint(HINT);
    let at = |word: &str| text.value.rfind(word).unwrap_or(0);
    let calendar = |unit, first, last| Ok(Window::Period(Period::Calendar { unit, first, last }));
    match lower.as_slice() {
        [] => Err(refuse("`within` has no window of time".to_owned())),
        ["today"] => calendar(Unit::Day, 0, 0),
        ["yesterday"] => calendar(Unit::Day, -1, -1),
        ["tomorrow"] => calendar(Unit::Day, 1, 1),
        [which @ ("this" | "last" | "next"), unit] if !unit.starts_with(|c: char| c.is_ascii_digit()) => {
            let place = ["last", "this", "next"].iter().position(|w| w == which).map_or(0, |i| i as i32 - 1);
            calendar(calendar_unit(unit, text)?, place, place)
        }
        ["last", rest @ .., "calendar", unit] => {
            let within = within(&format!("{} {unit}", rest.join(" ")), text)?;
            calendar(calendar_unit(unit, text)?, -(within.amount as i32), -1)
        }
        ["last", rest @ ..] => Ok(Window::Period(Period::Rolling { within: within(&rest.join(" "), text)?, ago: 0 })),
        ["next", rest @ ..] => Ok(Window::Period(Period::Rolling { within: within(&rest.join(" "), text)?, ago: -1 })),
        ["each", "of", rest @ ..] => each(rest, text).map(Window::Each),
        ["between", from, "and", to] => {
            let (from, to) = (point(from, text)?, point(to, text)?);
            if instant_order(from) > instant_order(to) {
                return Err(refuse(format!("`{}` ends before it begins", text.value.trim())));
            }
            Ok(Window::Period(Period::Between { from: Some(from), to: Some(to) }))
        }
        ["since", _] if begins_with_digit(words[1]) => {
            Ok(Window::Period(Period::Between { from: Some(point(words[1], text)?), to: None }))
        }
        ["before", _] if begins_with_digit(words[1]) => {
            let to = just_before(point(words[1], text)?).ok_or_else(|| refuse("there is no time before".to_owned()))?;
            Ok(Window::Period(Period::Between { from: None, to: Some(to) }))
        }
        [side @ ("since" | "after" | "before"), _] => {
            let side = if *side == "before" { Side::Before } else { Side::After };
            Ok(Window::Relative(Relative { side, length: None, path: words[1].to_owned(), at: at(words[1]) }))
        }
        [rest @ .., side @ ("after" | "before"), _] => {
            let side = if *side == "before" { Side::Before } else { Side::After };
            let length = Some(within(&rest.join(" "), text)?);
            let path = words[words.len() - 1];
            Ok(Window::Relative(Relative { side, length, path: path.to_owned(), at: at(path) }))
        }
        _ => Ok(Window::Period(Period::Rolling { within: within(text.value.trim(), text)?, ago: 0 })),
    }
}

/// Reads an amount and a unit: a length of time.
pub(crate) fn parse_length(text: &Spanned<String>) -> Result<Within, Diagnostic> {
    within(text.value.trim(), text).map_err(|mut diagnostic| {
        if diagnostic.hint.as_deref() == Some(HINT) {
            diagnostic.hint = Some("write an amount and a unit, such as `30 days` or `12 hours`".to_owned());
        }
        diagnostic
    })
}

fn begins_with_digit(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// `4 weeks`: the last four, each of one week; `3 calendar months`: the last three whole ones.
fn each(rest: &[&str], text: &Spanned<String>) -> Result<Vec<Period>, Diagnostic> {
    let rest = rest.strip_prefix(&["the", "last"]).or_else(|| rest.strip_prefix(&["last"])).unwrap_or(rest);
    let (calendar, within) = match rest {
        [amount, "calendar", unit] => (true, within(&format!("{amount} {unit}"), text)?),
        _ => (false, within(&rest.join(" "), text)?),
    };
    if within.amount > MAX_EACH {
        let message = format!("`{}` is more than {MAX_EACH} windows of time", text.value.trim());
        return Err(Diagnostic::error(Code::InvalidWindow, text.span, message).hint("use longer or fewer ones"));
    }
    if calendar && matches!(within.unit, Unit::Minute | Unit::Hour) {
        calendar_unit("hour", text)?;
    }
    let one = Within { amount: 1, unit: within.unit };
    let count = within.amount as i32;
    Ok((0..count)
        .map(|ago| match calendar {
            true => Period::Calendar { unit: within.unit, first: -ago - 1, last: -ago - 1 },
            false => Period::Rolling { within: one, ago },
        })
        .collect())
}

fn calendar_unit(word: &str, text: &Spanned<String>) -> Result<Unit, Diagnostic> {
    let unit = UNITS.iter().find(|(one, many, _)| word == *one || word == *many).map(|(_, _, unit)| *unit);
    match unit {
        Some(Unit::Minute | Unit::Hour) | None => {
            let message = format!("no unit of the calendar `{word}`");
            let diagnostic = Diagnostic::error(Code::InvalidWindow, text.span, message);
            Err(diagnostic.hint("units of the calendar are `day`, `week`, `month`, `quarter` and `year`"))
        }
        Some(unit) => Ok(unit),
    }
}

fn point(word: &str, text: &Spanned<String>) -> Result<Point, Diagnostic> {
    let word = word.trim_matches('\'').to_uppercase();
    read_day(&word).map(Point::Day).or_else(|| read_instant(&word).map(Point::Instant)).ok_or_else(|| {
        let message = format!("`{word}` is no date");
        Diagnostic::error(Code::InvalidWindow, text.span, message)
            .hint("write it as in 2024-01-31 or 2024-01-31T12:00:00Z")
    })
}

/// A day before the other things of that day: enough to tell a window that ends before it begins.
fn instant_order(point: Point) -> jiff::civil::DateTime {
    match point {
        Point::Day(day) => day.to_datetime(jiff::civil::Time::midnight()),
        Point::Instant(instant) => instant.to_zoned(jiff::tz::TimeZone::UTC).datetime(),
    }
}

fn just_before(point: Point) -> Option<Point> {
    match point {
        Point::Day(day) => day.yesterday().ok().map(Point::Day),
        Point::Instant(instant) => instant.checked_sub(jiff::SignedDuration::from_micros(1)).ok().map(Point::Instant),
    }
}

fn within(trimmed: &str, text: &Spanned<String>) -> Result<Within, Diagnostic> {
    let refuse = |message: String| Err(Diagnostic::error(Code::InvalidWindow, text.span, message).hint(HINT));
    let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (amount, word) = (&trimmed[..split], trimmed[split..].trim().to_lowercase());
    if amount.is_empty() {
        return refuse(format!("`{trimmed}` is not a window of time: it has no amount"));
    }
    if word.is_empty() {
        return refuse(format!("`{trimmed}` is not a window of time: it has no unit"));
    }
    let Some((_, _, unit)) = UNITS.iter().find(|(one, many, _)| word == *one || word == *many) else {
        let known = UNITS.iter().map(|(_, many, _)| *many);
        return match nearest(&word, known) {
            Some(unit) => Err(Diagnostic::error(Code::InvalidWindow, text.span, format!("no unit of time `{word}`"))
                .hint(format!("did you mean `{amount} {unit}`?"))),
            None => refuse(format!("no unit of time `{word}`")),
        };
    };
    let most = match unit {
        Unit::Minute => MAX_AMOUNT * 100,
        Unit::Hour | Unit::Day => MAX_AMOUNT,
        Unit::Week => MAX_YEARS * 52,
        Unit::Month => MAX_YEARS * 12,
        Unit::Quarter => MAX_YEARS * 4,
        Unit::Year => MAX_YEARS,
    };
    match amount.parse() {
        Ok(0) => refuse(format!("`{trimmed}` is an empty window of time")),
        Ok(amount) if amount <= most => Ok(Within { amount, unit: *unit }),
        _ => refuse(format!("`{trimmed}` is too long a window of time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileId, Span};

    fn read(text: &str) -> Result<Window, String> {
        let span = Span { file: FileId(0), start: 0, end: 0 };
        parse_window(&Spanned { value: text.to_owned(), span }).map_err(|d| d.message)
    }

    fn rolling(amount: u32, unit: Unit, ago: i32) -> Period {
        Period::Rolling { within: Within { amount, unit }, ago }
    }

    #[test]
    fn windows_are_an_amount_and_a_unit() {
        assert_eq!(read("90 days"), Ok(Window::Period(rolling(90, Unit::Day, 0))));
        assert_eq!(read("1 Year"), Ok(Window::Period(rolling(1, Unit::Year, 0))));
        assert_eq!(read("12hours"), Ok(Window::Period(rolling(12, Unit::Hour, 0))));
        for text in ["", "days", "90", "0 days", "-3 days", "3 fortnights", "99999999999 days", "1000 years", "ü"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_of_the_calendar() {
        let calendar = |unit, first, last| Ok(Window::Period(Period::Calendar { unit, first, last }));
        assert_eq!(read("this month"), calendar(Unit::Month, 0, 0));
        assert_eq!(read("last quarter"), calendar(Unit::Quarter, -1, -1));
        assert_eq!(read("next week"), calendar(Unit::Week, 1, 1));
        assert_eq!(read("last 3 calendar months"), calendar(Unit::Month, -3, -1));
        assert_eq!(read("last 3 months"), Ok(Window::Period(rolling(3, Unit::Month, 0))));
        assert_eq!(read("yesterday"), calendar(Unit::Day, -1, -1));
        assert_eq!(read("next 30 days"), Ok(Window::Period(rolling(30, Unit::Day, -1))));
        for text in ["this hour", "last calendar months", "this fortnight", "next"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_between_days() {
        let day = |text: &str| Some(Point::Day(text.parse().unwrap()));
        let between = |from, to| Ok(Window::Period(Period::Between { from, to }));
        assert_eq!(read("between 2024-01-01 and 2024-03-31"), between(day("2024-01-01"), day("2024-03-31")));
        assert_eq!(read("since 2024-01-01"), between(day("2024-01-01"), None));
        assert_eq!(read("before 2024-01-01"), between(None, day("2023-12-31")));
        assert!(matches!(read("since 2024-01-01t12:00:00z"), Ok(Window::Period(_))));
        for text in ["between 2024-02-01 and 2024-01-01", "between 1 and 2", "since 2024-13-01", "between a"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_by_a_date_of_the_row() {
        let relative =
            |side, length, path: &str, at| Ok(Window::Relative(Relative { side, length, path: path.to_owned(), at }));
        let month = Some(Within { amount: 30, unit: Unit::Day });
        assert_eq!(read("30 days after signup_at"), relative(Side::After, month, "signup_at", 14));
        assert_eq!(read("30 days before a.b"), relative(Side::Before, month, "a.b", 15));
        assert_eq!(read("since signup_at"), relative(Side::After, None, "signup_at", 6));
    }

    #[test]
    fn each_of_several_windows() {
        let weeks = (0..4).map(|ago| rolling(1, Unit::Week, ago)).collect();
        assert_eq!(read("each of 4 weeks"), Ok(Window::Each(weeks)));
        let month = |n| Period::Calendar { unit: Unit::Month, first: n, last: n };
        assert_eq!(read("each of the last 2 calendar months"), Ok(Window::Each(vec![month(-1), month(-2)])));
        assert!(read("each of 61 days").is_err());
        assert!(read("each of 3 calendar hours").is_err());
    }
}
