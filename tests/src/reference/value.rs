//! Values as the language means them, their order and their one form as text.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use springline_ir::{Literal, Type};

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// `unscaled` times ten to the power of minus the scale.
    Decimal(i128, u8),
    /// A finite binary number.
    Float(f64),
    /// Text.
    Text(String),
    /// A day.
    Date(Date),
    /// An instant.
    Timestamp(Timestamp),
}

/// Why an expression has no value: an engine may then do as it likes.
#[derive(Debug, Clone, PartialEq)]
pub struct Undefined(pub String);

/// A value, or none.
pub type Result<T = Value> = std::result::Result<T, Undefined>;

/// An expression without value.
pub fn undefined<T>(why: impl Into<String>) -> Result<T> {
    Err(Undefined(why.into()))
}

impl Value {
    /// The value of a constant.
    pub fn of(literal: &Literal) -> Value {
        match literal {
            Literal::Null => Value::Null,
            Literal::Boolean(b) => Value::Boolean(*b),
            Literal::Integer(n) => Value::Integer(*n),
            Literal::Decimal { unscaled, scale } => Value::Decimal(*unscaled, *scale),
            Literal::Float(f) => Value::Float(*f),
            Literal::String(s) => Value::Text(s.clone()),
            Literal::Date(d) => Value::Date(*d),
            Literal::Timestamp(t) => Value::Timestamp(*t),
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// The truth of a condition; `None` for null.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Value::Boolean(b) => Some(*b),
            _ => None,
        }
    }

    /// The number of a whole number.
    pub fn integer(&self) -> Result<i64> {
        match self {
            Value::Integer(n) => Ok(*n),
            other => undefined(format!("{other:?} is no whole number")),
        }
    }

    /// The text of a text.
    pub fn str(&self) -> Result<&str> {
        match self {
            Value::Text(s) => Ok(s),
            other => undefined(format!("{other:?} is no text")),
        }
    }

    /// A number as digits and scale; none for a float.
    pub fn decimal(&self) -> Option<(i128, u8)> {
        match self {
            Value::Integer(n) => Some((i128::from(*n), 0)),
            Value::Decimal(n, scale) => Some((*n, *scale)),
            _ => None,
        }
    }

    /// A number as the nearest float.
    pub fn float(&self) -> Result<f64> {
        match self {
            Value::Float(f) => Ok(*f),
            Value::Integer(n) => Ok(*n as f64),
            Value::Decimal(n, scale) => {
                format!("{n}e-{scale}").parse().map_err(|e| Undefined(format!("{n}e-{scale}: {e}")))
            }
            other => undefined(format!("{other:?} is no number")),
        }
    }

    /// The text form that every engine gives: see `text` in the table of functions.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Boolean(b) => b.to_string(),
            Value::Integer(n) => n.to_string(),
            Value::Decimal(n, scale) => decimal_text(*n, *scale),
            Value::Float(f) => float_text(*f),
            Value::Text(s) => s.clone(),
            Value::Date(d) => d.to_string(),
            Value::Timestamp(t) => t.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        })
    }
}

/// The shortest digits that read back, of several the nearest, of two as near the even ones; an exponent from 1e16
/// up and below 1e-5, without a plus sign. Adding zero makes a negative zero positive.
fn float_text(f: f64) -> String {
    serde_json::Number::from_f64(f + 0.0).map_or_else(|| f.to_string(), |n| n.to_string().replace("e+", "e"))
}

/// All digits, the point before the last `scale` of them.
fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Ten to that power.
pub fn power_of_ten(power: u32) -> Result<i128> {
    10_i128.checked_pow(power).ok_or_else(|| Undefined(format!("10^{power} is too large")))
}

/// The digits at another scale, rounded half away from zero.
pub fn rescale(unscaled: i128, from: u8, to: u8) -> Result<i128> {
    if to >= from {
        let factor = power_of_ten(u32::from(to - from))?;
        return unscaled.checked_mul(factor).ok_or_else(|| Undefined("the decimal is too large".to_owned()));
    }
    let factor = power_of_ten(u32::from(from - to))?;
    Ok(round_div(unscaled, factor))
}

/// The quotient, rounded half away from zero; `by` is positive.
pub fn round_div(number: i128, by: i128) -> i128 {
    let (whole, rest) = (number / by, number % by);
    if rest.unsigned_abs() >= by.unsigned_abs().div_ceil(2) { whole + rest.signum() } else { whole }
}

/// A decimal of that type, if it has few enough digits.
pub fn fit(unscaled: i128, precision: u8) -> Result<i128> {
    let limit = power_of_ten(u32::from(precision))?;
    if unscaled.unsigned_abs() < limit.unsigned_abs() {
        Ok(unscaled)
    } else {
        undefined(format!("{unscaled} has more than {precision} digits"))
    }
}

/// The order of two values, neither null, of types that compare.
pub fn compare(a: &Value, b: &Value) -> Result<Ordering> {
    Ok(match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        // Floats are never NaN, and the two zeros are equal.
        (Value::Float(_), _) | (_, Value::Float(_)) => a.float()?.partial_cmp(&b.float()?).unwrap_or(Ordering::Equal),
        _ => match (a.decimal(), b.decimal()) {
            (Some((a, s)), Some((b, t))) => {
                let scale = s.max(t);
                rescale(a, s, scale)?.cmp(&rescale(b, t, scale)?)
            }
            _ => return undefined(format!("{a:?} and {b:?} do not compare")),
        },
    })
}

/// The order in which rows are sorted: nulls last, whichever the direction.
pub fn sort_order(a: &Value, b: &Value, descending: bool) -> Result<Ordering> {
    Ok(match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if descending => compare(b, a)?,
        _ => compare(a, b)?,
    })
}

/// The value as one of another type, as `cast` means it.
pub fn cast(value: &Value, to: &Type, lenient: bool) -> Result {
    match strict_cast(value, to) {
        Err(_) if lenient => Ok(Value::Null),
        other => other,
    }
}

fn strict_cast(value: &Value, to: &Type) -> Result {
    let bad = |what: &str| Undefined(format!("{what:?} is no {to}"));
    Ok(match (value, to) {
        (Value::Null, _) => Value::Null,
        (value, Type::String) => value.text().map_or(Value::Null, Value::Text),
        (Value::Text(s), Type::Boolean) => Value::Boolean(s.parse().map_err(|_| bad(s))?),
        (Value::Text(s), Type::Integer) => Value::Integer(s.parse().map_err(|_| bad(s))?),
        (Value::Text(s), Type::Float) => Value::Float(s.parse().map_err(|_| bad(s))?),
        (Value::Text(s), Type::Date) => Value::Date(s.parse().map_err(|_| bad(s))?),
        (Value::Text(s), Type::Timestamp) => Value::Timestamp(s.parse().map_err(|_| bad(s))?),
        (Value::Text(s), Type::Decimal { .. }) => return strict_cast(&read_decimal(s).ok_or_else(|| bad(s))?, to),
        (Value::Float(f), Type::Integer) => {
            let rounded = f.round();
            if rounded.abs() >= 9.2e18 {
                return undefined(format!("{f} is too large"));
            }
            Value::Integer(rounded as i64)
        }
        (Value::Float(f), Type::Decimal { .. }) => {
            // The digits are the shortest that read back.
            let text = format!("{f}");
            return strict_cast(&read_decimal(&text).ok_or_else(|| bad(&text))?, to);
        }
        (Value::Integer(_) | Value::Decimal(..), Type::Float) => Value::Float(value.float()?),
        (Value::Integer(_) | Value::Decimal(..), Type::Integer) => {
            let (n, scale) = value.decimal().unwrap_or_default();
            Value::Integer(i64::try_from(rescale(n, scale, 0)?).map_err(|_| Undefined(format!("{n} is too large")))?)
        }
        (Value::Integer(_) | Value::Decimal(..), Type::Decimal { precision, scale }) => {
            let (n, from) = value.decimal().unwrap_or_default();
            Value::Decimal(fit(rescale(n, from, *scale)?, *precision)?, *scale)
        }
        (Value::Date(d), Type::Timestamp) => Value::Timestamp(super::calendar::start_of_day(*d)?),
        (Value::Timestamp(t), Type::Date) => Value::Date(super::calendar::local(*t).date()),
        (value, _) => value.clone(),
    })
}

/// A decimal from its text, with the scale it is written with.
fn read_decimal(text: &str) -> Option<Value> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unscaled = format!("{whole}{fraction}").parse().ok()?;
    Some(Value::Decimal(unscaled, u8::try_from(fraction.len()).ok()?))
}
