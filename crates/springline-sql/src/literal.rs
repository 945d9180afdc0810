//! Types and literals as text. Every value of a model reaches the SQL through this file.

use springline_ir::{Literal, Type};

use crate::dialect::Dialect;
use crate::error::PrintError;
use crate::template::{Level, Piece, Template, Variable};

/// The names of the types in a dialect folder.
pub(crate) const TYPES: [&str; 9] =
    ["boolean", "integer", "decimal", "float", "string", "date", "timestamp", "json", "array"];

/// The names of the literals in a dialect folder; text has its own quoting.
pub(crate) const LITERALS: [&str; 8] = ["null", "true", "false", "integer", "decimal", "float", "date", "timestamp"];

impl Dialect {
    /// Appends a type.
    pub(crate) fn write_type(&self, ty: &Type, out: &mut String) {
        let place = match ty {
            Type::Boolean => 0,
            Type::Integer => 1,
            Type::Decimal { .. } => 2,
            Type::Float => 3,
            Type::String => 4,
            Type::Date => 5,
            Type::Timestamp => 6,
            Type::Json => 7,
            Type::Array(_) => 8,
        };
        for piece in &self.types[place].pieces {
            match (piece, ty) {
                (Piece::Text(text), _) => out.push_str(text),
                (Piece::Place { variable: Variable::Precision, .. }, Type::Decimal { precision, .. }) => {
                    out.push_str(&precision.to_string());
                }
                (Piece::Place { variable: Variable::Scale, .. }, Type::Decimal { scale, .. }) => {
                    out.push_str(&scale.to_string());
                }
                (Piece::Place { variable: Variable::Item, .. }, Type::Array(item)) => self.write_type(item, out),
                (Piece::Place { .. }, _) => {}
            }
        }
    }

    /// Appends a literal; a null takes the type `ty`.
    pub(crate) fn write_literal(&self, literal: &Literal, ty: &Type, out: &mut String) -> Result<(), PrintError> {
        let own = literal.ty();
        let ty = own.as_ref().unwrap_or(ty);
        let Some(place) = place(literal) else {
            let Literal::String(text) = literal else { return Ok(()) };
            return self.write_string(text, out);
        };
        for piece in &self.literals[place].pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place { variable: Variable::Type, .. } => self.write_type(ty, out),
                Piece::Place { .. } => write_value(literal, out)?,
            }
        }
        Ok(())
    }

    /// How strongly the literal holds together: a negative number that is printed bare is a sign and a number.
    pub(crate) fn literal_level(&self, literal: &Literal) -> Level {
        let negative = match literal {
            Literal::Integer(n) => *n < 0,
            Literal::Decimal { unscaled, .. } => *unscaled < 0,
            Literal::Float(n) => n.is_sign_negative(),
            _ => false,
        };
        let bare = |template: &Template| matches!(template.pieces.first(), Some(Piece::Place { .. }));
        match place(literal) {
            Some(place) if negative && bare(&self.literals[place]) => Level::Unary,
            _ => Level::Primary,
        }
    }
}

fn place(literal: &Literal) -> Option<usize> {
    match literal {
        Literal::Null => Some(0),
        Literal::Boolean(true) => Some(1),
        Literal::Boolean(false) => Some(2),
        Literal::Integer(_) => Some(3),
        Literal::Decimal { .. } => Some(4),
        Literal::Float(_) => Some(5),
        Literal::String(_) => None,
        Literal::Date(_) => Some(6),
        Literal::Timestamp(_) => Some(7),
    }
}

/// The value inside a literal. It consists of digits, signs, points, colons, a space and `e`, so it needs no quoting.
fn write_value(literal: &Literal, out: &mut String) -> Result<(), PrintError> {
    match literal {
        Literal::Integer(n) => out.push_str(&n.to_string()),
        Literal::Decimal { unscaled, scale } => out.push_str(&decimal(*unscaled, *scale)),
        // The shortest digits that read back as the same number.
        Literal::Float(n) => out.push_str(&format!("{n:?}")),
        Literal::Date(day) if day.year() < 1 => return Err(PrintError::Year { year: day.year() }),
        Literal::Date(day) => out.push_str(&day.strftime("%Y-%m-%d").to_string()),
        Literal::Timestamp(instant) => {
            let text = instant.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
            if text.starts_with('-') || text.starts_with("0000") {
                return Err(PrintError::Year { year: 0 });
            }
            out.push_str(text.strip_suffix(".000000").unwrap_or(&text));
        }
        Literal::Null | Literal::Boolean(_) | Literal::String(_) => {}
    }
    Ok(())
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(decimal(1250, 2), "12.50");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(0, 3), "0.000");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(decimal(i128::MIN, 38), "-1.70141183460469231731687303715884105728");
    }
}
