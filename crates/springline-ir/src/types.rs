//! The types of the language. They say what a value means; how an engine stores it is a dialect's
//! and an engine's matter.

use std::fmt;
use std::str::FromStr;

/// The largest precision of a decimal, in digits.
pub const MAX_PRECISION: u8 = 38;

/// The type of a value. Every type has a null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Boolean,
    /// A signed whole number of 64 bits.
    Integer,
    /// An exact number of `precision` digits, `scale` of them behind the point.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits behind the point, at most `precision`.
        scale: u8,
    },
    /// A binary floating-point number of 64 bits.
    Float,
    /// Unicode text, compared by its bytes.
    String,
    /// A calendar day.
    Date,
    /// An instant, in microseconds since 1970-01-01 UTC.
    Timestamp,
    /// A JSON document.
    Json,
    /// A list of values of one type.
    Array(Box<Type>),
}

impl Type {
    /// Whether arithmetic applies.
    pub fn is_number(&self) -> bool {
        matches!(self, Type::Integer | Type::Decimal { .. } | Type::Float)
    }

    /// Whether the value is a point in time.
    pub fn is_temporal(&self) -> bool {
        matches!(self, Type::Date | Type::Timestamp)
    }

    /// The type that holds every value of both, or `None` where the two do not mix.
    ///
    /// Whole numbers widen to decimals and floats, decimals to floats, days to instants.
    pub fn common(&self, other: &Type) -> Option<Type> {
        use Type::{Date, Decimal, Float, Integer, Timestamp};
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Float, n) | (n, Float) if n.is_number() => Some(Float),
            (Integer, Decimal { scale, .. }) | (Decimal { scale, .. }, Integer) => {
                Some(Type::decimal(19 + scale, *scale))
            }
            (Decimal { precision: p1, scale: s1 }, Decimal { precision: p2, scale: s2 }) => {
                let scale = (*s1).max(*s2);
                let whole = (p1 - s1).max(p2 - s2);
                Some(Type::decimal(whole + scale, scale))
            }
            (Date, Timestamp) | (Timestamp, Date) => Some(Timestamp),
            _ => None,
        }
    }

    /// A decimal whose precision is held to 38 digits; the scale is kept.
    pub fn decimal(precision: u8, scale: u8) -> Type {
        Type::Decimal { precision: precision.min(MAX_PRECISION), scale: scale.min(MAX_PRECISION) }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Boolean => f.write_str("boolean"),
            Type::Integer => f.write_str("integer"),
            Type::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Type::Float => f.write_str("float"),
            Type::String => f.write_str("string"),
            Type::Date => f.write_str("date"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Json => f.write_str("json"),
            Type::Array(item) => write!(f, "array<{item}>"),
        }
    }
}

/// Why a type's text was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeParseError {
    /// No type has that name.
    Unknown,
    /// A decimal's precision and scale are not `1 <= precision <= 38`, `scale <= precision`.
    BadDecimal,
}

impl TypeParseError {
    /// The names that a type may have, for a message.
    pub const NAMES: &'static [&'static str] =
        &["boolean", "integer", "decimal(12,2)", "float", "string", "date", "timestamp", "json", "array<string>"];
}

impl FromStr for Type {
    type Err = TypeParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(item) = text.strip_prefix("array<").and_then(|rest| rest.strip_suffix('>')) {
            return Ok(Type::Array(Box::new(item.parse()?)));
        }
        if let Some(args) = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            let (precision, scale) = args.split_once(',').unwrap_or((args, "0"));
            return match (precision.trim().parse(), scale.trim().parse()) {
                (Ok(precision), Ok(scale)) if (1..=MAX_PRECISION).contains(&precision) && scale <= precision => {
                    Ok(Type::Decimal { precision, scale })
                }
                _ => Err(TypeParseError::BadDecimal),
            };
        }
        match text {
            "boolean" => Ok(Type::Boolean),
            "integer" => Ok(Type::Integer),
            "float" => Ok(Type::Float),
            "string" => Ok(Type::String),
            "date" => Ok(Type::Date),
            "timestamp" => Ok(Type::Timestamp),
            "json" => Ok(Type::Json),
            _ => Err(TypeParseError::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_back_from_its_text() {
        for text in [
            "boolean",
            "integer",
            "decimal(12,2)",
            "float",
            "string",
            "date",
            "timestamp",
            "json",
            "array<decimal(3,1)>",
        ] {
            assert_eq!(text.parse::<Type>().map(|t| t.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn bad_decimals_are_refused() {
        for text in ["decimal(0,0)", "decimal(39,2)", "decimal(2,3)", "decimal(a,b)"] {
            assert_eq!(text.parse::<Type>(), Err(TypeParseError::BadDecimal), "{text}");
        }
    }

    #[test]
    fn numbers_widen_and_text_does_not() {
        let money = Type::decimal(12, 2);
        assert_eq!(Type::Integer.common(&money), Some(Type::decimal(21, 2)));
        assert_eq!(money.common(&Type::Float), Some(Type::Float));
        assert_eq!(Type::Date.common(&Type::Timestamp), Some(Type::Timestamp));
        assert_eq!(money.common(&Type::String), None);
    }
}
