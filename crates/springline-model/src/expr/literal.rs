//! Constants: how a value of the YAML, or a text next to a date, is read.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use springline_ir::Literal;

use crate::syntax::Scalar;

/// The constant that a YAML value stands for: what is quoted is text, the rest is what it looks like.
/// `None` for a number that is out of range.
pub(crate) fn plain_literal(scalar: &Scalar) -> Option<Literal> {
    if scalar.is_null() {
        return Some(Literal::Null);
    }
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Some(Literal::String(text.to_owned()));
    }
    Some(match text {
        "true" => Literal::Boolean(true),
        "false" => Literal::Boolean(false),
        _ if looks_like_number(text) => return number(text),
        _ => read_day(text)
            .map(Literal::Date)
            .or_else(|| read_instant(text).map(Literal::Timestamp))
            .unwrap_or_else(|| Literal::String(text.to_owned())),
    })
}

fn looks_like_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    !mantissa.is_empty() && (all_digits(whole) || whole.is_empty()) && all_digits(fraction) && all_digits(exponent)
}

/// A number with an optional sign; `None` if it is out of range.
pub(crate) fn number(text: &str) -> Option<Literal> {
    let Some(digits) = text.strip_prefix('-') else {
        return Literal::number(text.strip_prefix('+').unwrap_or(text));
    };
    // The smallest integer has no positive counterpart.
    if let Ok(whole) = text.parse() {
        return Some(Literal::Integer(whole));
    }
    negated(Literal::number(digits)?)
}

/// The number with the other sign.
pub(crate) fn negated(literal: Literal) -> Option<Literal> {
    Some(match literal {
        Literal::Integer(n) => Literal::Integer(n.checked_neg()?),
        Literal::Decimal { unscaled, scale } => Literal::Decimal { unscaled: -unscaled, scale },
        Literal::Float(n) => Literal::Float(-n),
        _ => return None,
    })
}

/// A day as ISO 8601 writes it: `2024-02-29`.
pub(crate) fn read_day(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shape { text.parse().ok() } else { None }
}

/// An instant as ISO 8601 writes it: `2024-02-29T12:00:00Z`, `2024-02-29 12:00:00+01:00`; UTC without
/// an offset. A day alone is its first instant in UTC. The instant is cut to microseconds, all that the
/// type holds.
pub(crate) fn read_instant(text: &str) -> Option<Timestamp> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.len() < 10 || !text.is_ascii() {
        return None;
    }
    let instant = match read_day(text) {
        Some(day) => first_instant(day)?,
        None => match text.parse::<Timestamp>() {
            Ok(instant) => instant,
            Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        },
    };
    Timestamp::from_microsecond(instant.as_microsecond()).ok()
}

/// The first instant of a day in UTC.
pub(crate) fn first_instant(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Literal> {
        plain_literal(&Scalar { text: text.to_owned(), plain: true })
    }

    #[test]
    fn plain_values_are_what_they_look_like() {
        assert_eq!(read("12"), Some(Literal::Integer(12)));
        assert_eq!(read("-9223372036854775808"), Some(Literal::Integer(i64::MIN)));
        assert_eq!(read("-1.50"), Some(Literal::Decimal { unscaled: -150, scale: 2 }));
        assert_eq!(read("99999999999999999999"), None);
        assert_eq!(read("web"), Some(Literal::String("web".into())));
        assert_eq!(read("e5"), Some(Literal::String("e5".into())));
        assert_eq!(read("1.2.3"), Some(Literal::String("1.2.3".into())));
        assert_eq!(read("2024-02-30"), Some(Literal::String("2024-02-30".into())));
        assert!(matches!(read("2024-02-29"), Some(Literal::Date(_))));
        assert!(matches!(read("2024-02-29T10:00:00+02:00"), Some(Literal::Timestamp(_))));
        assert_eq!(read("null"), Some(Literal::Null));
    }

    #[test]
    fn instants_without_an_offset_are_utc() {
        assert_eq!(read_instant("2024-02-29 12:00:00"), read_instant("2024-02-29T13:00:00+01:00"));
        assert_eq!(read_instant("2024-02-29"), read_instant("2024-02-29T00:00:00Z"));
        assert_eq!(read_instant("12 days"), None);
    }
}
