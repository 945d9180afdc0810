//! Windows of time: `90 days`.

use crate::syntax::{Spanned, nearest};
use crate::{Code, Diagnostic, Unit, Within};

const UNITS: &[(&str, &str, Unit)] = &[
    ("minute", "minutes", Unit::Minute),
    ("hour", "hours", Unit::Hour),
    ("day", "days", Unit::Day),
    ("week", "weeks", Unit::Week),
    ("month", "months", Unit::Month),
    ("year", "years", Unit::Year),
];

/// More than this many of any unit is before anything was recorded, and calendars end somewhere.
const MAX_AMOUNT: u32 = 100_000;
/// The same in units from weeks on.
const MAX_YEARS: u32 = 200;

/// Reads an amount and a unit.
pub(crate) fn parse_window(text: &Spanned<String>) -> Result<Within, Diagnostic> {
    let refuse = |message: String| {
        Err(Diagnostic::error(Code::InvalidWindow, text.span, message)
            .hint("write an amount and a unit: `30 minutes`, `12 hours`, `90 days`, `2 weeks`, `3 months`, `1 year`"))
    };
    let trimmed = text.value.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (amount, word) = (&trimmed[..split], trimmed[split..].trim().to_lowercase());
    if trimmed.is_empty() {
        return refuse("`within` has no window of time".to_owned());
    }
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

    #[test]
    fn windows_are_an_amount_and_a_unit() {
        let read = |text: &str| {
            let span = Span { file: FileId(0), start: 0, end: 0 };
            parse_window(&Spanned { value: text.to_owned(), span }).map_err(|d| d.message)
        };
        assert_eq!(read("90 days"), Ok(Within { amount: 90, unit: Unit::Day }));
        assert_eq!(read("1 Year"), Ok(Within { amount: 1, unit: Unit::Year }));
        assert_eq!(read("12hours"), Ok(Within { amount: 12, unit: Unit::Hour }));
        for text in ["", "days", "90", "0 days", "-3 days", "3 fortnights", "99999999999 days", "1000 years", "ü"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
