//! Values written in a model or computed while compiling. They are data: only the sql crate turns
//! them into text, in one place.

use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::Type;

/// A constant value.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// The null of whatever type the expression has.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An exact number: `unscaled` times ten to the power of minus `scale`.
    Decimal {
        /// All the digits, without the point.
        unscaled: i128,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// A binary floating-point number; never NaN nor infinite.
    Float(f64),
    /// Text.
    String(String),
    /// A calendar day.
    Date(Date),
    /// An instant.
    Timestamp(Timestamp),
}

/// Sound because a float literal is never NaN.
impl Eq for Literal {}

impl Hash for Literal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Literal::Null => {}
            Literal::Boolean(value) => value.hash(state),
            Literal::Integer(value) => value.hash(state),
            Literal::Decimal { unscaled, scale } => (unscaled, scale).hash(state),
            // Adding zero makes the two zeros, which are equal, one.
            Literal::Float(value) => (value + 0.0).to_bits().hash(state),
            Literal::String(value) => value.hash(state),
            Literal::Date(value) => value.hash(state),
            Literal::Timestamp(value) => value.hash(state),
        }
    }
}

impl Literal {
    /// The literal's own type, or `None` for null, which takes any.
    pub fn ty(&self) -> Option<Type> {
        Some(match self {
            Literal::Null => return None,
            Literal::Boolean(_) => Type::Boolean,
            Literal::Integer(_) => Type::Integer,
            Literal::Decimal { unscaled, scale } => {
                let digits = u8::try_from(unscaled.unsigned_abs().to_string().len()).unwrap_or(u8::MAX);
                Type::decimal(digits.max(*scale).max(1), *scale)
            }
            Literal::Float(_) => Type::Float,
            Literal::String(_) => Type::String,
            Literal::Date(_) => Type::Date,
            Literal::Timestamp(_) => Type::Timestamp,
        })
    }

    /// Reads an unsigned number as SQL writes it: `12` is an integer, `12.50` a decimal, `1e3` a float.
    pub fn number(text: &str) -> Option<Literal> {
        if text.contains(['e', 'E']) {
            return text.parse().ok().filter(|n: &f64| n.is_finite()).map(Literal::Float);
        }
        let Some((whole, fraction)) = text.split_once('.') else {
            return text.parse().ok().map(Literal::Integer);
        };
        let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38)?;
        let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
        (unscaled.unsigned_abs() < 10u128.pow(38)).then_some(Literal::Decimal { unscaled, scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(Literal::number("12"), Some(Literal::Integer(12)));
        assert_eq!(Literal::number("12.50"), Some(Literal::Decimal { unscaled: 1250, scale: 2 }));
        assert_eq!(Literal::number(".5").and_then(|n| n.ty()), Some(Type::decimal(1, 1)));
        assert_eq!(Literal::number("1e3"), Some(Literal::Float(1000.0)));
        assert_eq!(Literal::number("1e999"), None);
        assert_eq!(Literal::number("99999999999999999999"), None);
    }
}
