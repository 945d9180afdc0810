//! Single values of Postgres' binary protocol that the client library does not decode by itself. It must not know
//! Arrow builders nor connections.
//!
//! Formats: the `*_recv` and `*_send` functions of the server, <https://www.postgresql.org/docs/current/protocol.html>.

use std::error::Error;
use tokio_postgres::types::{FromSql, Type, accepts};

type Decoded<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// Days from 1970-01-01 to 2000-01-01, where Postgres counts from.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const INFINITE: &str = "it is infinite, which has no counterpart";

/// Days since 1970-01-01.
pub(crate) struct Date(pub(crate) i32);

impl<'a> FromSql<'a> for Date {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Decoded<Self> {
        let days = i32::from_be_bytes(raw.try_into()?);
        if days == i32::MAX || days == i32::MIN {
            return Err(INFINITE.into());
        }
        days.checked_add(EPOCH_DAYS).map(Self).ok_or_else(|| "the date is out of range".into())
    }

    accepts!(DATE);
}

/// Microseconds since 1970-01-01, in UTC or local as the column says.
pub(crate) struct Instant(pub(crate) i64);

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Decoded<Self> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        if micros == i64::MAX || micros == i64::MIN {
            return Err(INFINITE.into());
        }
        micros.checked_add(EPOCH_MICROS).map(Self).ok_or_else(|| "the timestamp is out of range".into())
    }

    accepts!(TIMESTAMP, TIMESTAMPTZ);
}

/// A value that is text, or is shown as text: names, JSON, UUIDs, enum labels.
pub(crate) enum Text<'a> {
    /// As it came.
    Plain(&'a str),
    /// Made from a binary form.
    Made(String),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Plain(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl<'a> FromSql<'a> for Text<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Decoded<Self> {
        match (ty, raw) {
            (&Type::UUID, raw) => Ok(Text::Made(uuid::Uuid::from_slice(raw)?.to_string())),
            // The first byte is the version of the binary form; 1 is text.
            (&Type::JSONB, [1, text @ ..]) => Ok(Text::Plain(std::str::from_utf8(text)?)),
            (&Type::JSONB, _) => Err("its JSON has an unknown binary form".into()),
            (_, raw) => Ok(Text::Plain(std::str::from_utf8(raw)?)),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A `numeric` as it travels: groups of four decimal digits.
pub(crate) struct Numeric<'a> {
    groups: &'a [u8],
    /// Power of 10,000 of the first group.
    weight: i32,
    negative: bool,
}

impl<'a> FromSql<'a> for Numeric<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Decoded<Self> {
        let Some((header, groups)) = raw.split_at_checked(8) else { return Err("the number is cut short".into()) };
        let weight = i32::from(i16::from_be_bytes([header[2], header[3]]));
        match u16::from_be_bytes([header[4], header[5]]) {
            0x0000 => Ok(Self { groups, weight, negative: false }),
            0x4000 => Ok(Self { groups, weight, negative: true }),
            0xC000 => Err("it is NaN, which a decimal cannot hold".into()),
            _ => Err(INFINITE.into()),
        }
    }

    accepts!(NUMERIC);
}

impl Numeric<'_> {
    /// The number times `10^scale`, rounded half away from zero, if it has at most `precision` digits then.
    pub(crate) fn scaled(&self, precision: u8, scale: i8) -> Result<i128, String> {
        let too_large = || format!("it has more digits than decimal({precision}, {scale}) can hold");
        let mut value: i128 = 0;
        // The power of ten, after scaling, of the last digit taken.
        let mut power = 4 * (self.weight + 1) + i32::from(scale);
        for group in self.groups.chunks_exact(2) {
            let group = i128::from(i16::from_be_bytes([group[0], group[1]]));
            let kept = power.clamp(0, 4).unsigned_abs();
            let cut = 10_i128.pow(4 - kept);
            value =
                value.checked_mul(10_i128.pow(kept)).and_then(|v| v.checked_add(group / cut)).ok_or_else(too_large)?;
            if kept < 4 {
                // Half away from zero is decided by the first digit that is left out.
                let round_up = power >= 0 && group % cut * 2 >= cut;
                value += i128::from(round_up);
                power = 0;
                break;
            }
            power -= 4;
        }
        if power > 0 && value != 0 {
            let zeros = 10_i128.checked_pow(power.unsigned_abs()).ok_or_else(too_large)?;
            value = value.checked_mul(zeros).ok_or_else(too_large)?;
        }
        if value >= 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
            return Err(too_large());
        }
        Ok(if self.negative { -value } else { value })
    }
}
