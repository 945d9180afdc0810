//! When a sync is due: cron text of five fields, in the time zone of the project. It does not know what runs.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The names of the fields, in their order.
const FIELDS: [&str; 5] = ["minute", "hour", "day of the month", "month", "day of the week"];

/// The times at which something is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// As it is written.
    pub text: String,
    cron: Cron,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadSchedule {
    pub message: String,
    /// The bytes of the text that are wrong; all of it where there is no one place.
    pub place: Option<(usize, usize)>,
}

impl Schedule {
    /// Reads a minute, an hour, a day of the month, a month and a day of the week, as crontab(5) has them.
    pub(crate) fn read(text: &str) -> Result<Schedule, BadSchedule> {
        let whole = |message: String| BadSchedule { message, place: None };
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            let noun = if fields.len() == 1 { "field" } else { "fields" };
            return Err(whole(format!(
                "a schedule has five fields, and `{}` has {} {noun}",
                text.trim(),
                fields.len()
            )));
        }
        for (place, field) in fields.iter().enumerate() {
            // The parser takes names of days anywhere.
            let named = place < 2 && field.contains(char::is_alphabetic);
            if named || read_alone(place, field).is_none() {
                // A field lies in the text that it was cut from.
                let start = field.as_ptr() as usize - text.as_ptr() as usize;
                let message = format!("`{field}` is no {}", FIELDS[place]);
                return Err(BadSchedule { message, place: Some((start, start + field.len())) });
            }
        }
        let cron = parse(&fields.join(" ")).ok_or_else(|| whole(format!("`{}` is no schedule", text.trim())))?;
        let schedule = Schedule { text: text.trim().to_owned(), cron };
        if schedule.after(Timestamp::UNIX_EPOCH, &TimeZone::UTC).is_none() {
            return Err(whole(format!("`{}` is never due", schedule.text)));
        }
        Ok(schedule)
    }

    /// The first time that is later than an instant. A time that a clock change leaves out is due right after it, and
    /// one that comes twice is due once; `None` where there is none.
    pub fn after(&self, instant: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = instant.to_zoned(zone.clone());
        self.cron.find_next_occurrence(&start, false).ok().map(|next| next.timestamp())
    }
}

/// One field, with every value of the others.
fn read_alone(place: usize, field: &str) -> Option<Cron> {
    let mut fields = ["*"; FIELDS.len()];
    fields[place] = field;
    parse(&fields.join(" "))
}

fn parse(text: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let schedule = Schedule::read(text).unwrap();
        let mut at: Timestamp = from.parse().unwrap();
        let mut next = || {
            at = schedule.after(at, &zone).unwrap();
            at.to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn times_are_those_of_the_projects_zone() {
        let found = times("30 6 * * mon-fri", "Europe/Paris", "2026-06-05T10:00:00Z", 2);
        assert_eq!(found, ["2026-06-08T04:30:00Z", "2026-06-09T04:30:00Z"], "a weekend lies between");
        let found = times("*/15 9-10 * * *", "UTC", "2026-06-05T09:40:00Z", 4);
        let expected = ["2026-06-05T09:45:00Z", "2026-06-05T10:00:00Z", "2026-06-05T10:15:00Z", "2026-06-05T10:30:00Z"];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_change_of_clocks_leaves_out_no_day_and_doubles_none() {
        // Clocks go from 2 to 3 on 2026-03-29, and from 3 to 2 on 2026-10-25.
        let spring = times("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = times("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let hourly = times("0 * * * *", "Europe/Paris", "2026-10-25T00:00:00Z", 2);
        assert_eq!(hourly, ["2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"], "an hour is an hour");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let wrong = |text: &str| Schedule::read(text).map(|s| s.text).unwrap_err();
        assert_eq!(wrong("0 24 * * *").place, Some((2, 4)));
        assert_eq!(wrong("0 24 * * *").message, "`24` is no hour");
        assert_eq!(wrong(" 0  6 32 * *").message, "`32` is no day of the month");
        assert_eq!(wrong("mon 6 * * *").message, "`mon` is no minute");
        assert_eq!(wrong("0 6 * * mond").message, "`mond` is no day of the week");
        assert_eq!(wrong("*/0 6 * * *").place, Some((0, 3)));
        assert!(wrong("every hour").message.contains("has 2 fields"));
        assert!(wrong("@daily").message.contains("has 1 field"));
        assert!(wrong("").message.contains("has 0 fields"));
        assert_eq!(wrong("0 0 30 2 *").message, "`0 0 30 2 *` is never due");
        for text in ["0 6 L * *", "0 6 * jan,jul 1#1", "0-30/10 * 1,15 * 7"] {
            assert!(Schedule::read(text).is_ok(), "{text}");
        }
    }
}
