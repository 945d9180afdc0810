//! Bringing operands to one type. Constants take the type of what they stand next to where they can,
//! so that columns are compared as they are; the rest is cast.

use jiff::tz::TimeZone;
use springline_ir::{Expr, ExprKind, FunctionId, Literal, Type};

use crate::expr::{first_instant, read_day, read_instant};
use crate::{Leaf, Pii, Span, ValueExpr};

/// A checked expression.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub expr: ValueExpr,
    pub span: Span,
    /// Where the column or field is declared, if it is one.
    pub declared: Option<Span>,
    /// What PII its value holds.
    pub pii: Option<Pii>,
}

impl Typed {
    /// The constant, if it is one.
    pub fn constant(&self) -> Option<&Literal> {
        match &self.expr.kind {
            ExprKind::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// Whether it is the constant null.
    pub fn is_null(&self) -> bool {
        self.constant() == Some(&Literal::Null)
    }
}

/// Why operands cannot be brought to one type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// These two operands have nothing in common.
    Types(usize, usize),
    /// This text stands next to a date and is none.
    NotADate(usize),
}

/// Gives all operands the same type and returns it. Days become instants in the time zone, UTC if there is none.
pub(super) fn unify(operands: &mut [Typed], zone: Option<&str>) -> Result<Type, Clash> {
    let ty = common_type(operands)?;
    for operand in operands {
        let old = std::mem::replace(&mut operand.expr, Expr::null(ty.clone()));
        operand.expr = coerce(old, &ty, zone);
    }
    Ok(ty)
}

/// The type that holds the values of all operands.
fn common_type(operands: &[Typed]) -> Result<Type, Clash> {
    let mut base: Option<(usize, Type)> = None;
    // What is not a constant has a type that cannot be chosen; text is the constant that adapts most.
    let rank = |operand: &Typed| match operand.constant() {
        None => 0,
        Some(Literal::Null) => 3,
        Some(Literal::String(_)) => 2,
        Some(_) => 1,
    };
    for wanted in 0..3 {
        for (i, operand) in operands.iter().enumerate().filter(|(_, o)| rank(o) == wanted) {
            let Some((first, ty)) = &base else {
                base = Some((i, operand.expr.ty.clone()));
                continue;
            };
            let wider = match operand.constant() {
                Some(literal) if adapt(literal, ty, None).is_some() => ty.clone(),
                Some(Literal::String(text)) if ty.is_temporal() => {
                    read_instant(text).map(|_| Type::Timestamp).ok_or(Clash::NotADate(i))?
                }
                _ => ty.common(&operand.expr.ty).ok_or(Clash::Types(*first, i))?,
            };
            base = Some((*first, wider));
        }
    }
    Ok(base.map_or(Type::String, |(_, ty)| ty))
}

/// The expression as a value of that type. A day becomes its first instant in the time zone, and an instant the day
/// that it is there.
pub(super) fn coerce(expr: ValueExpr, ty: &Type, zone: Option<&str>) -> ValueExpr {
    if let ExprKind::Literal(literal) = &expr.kind
        && let Some(literal) = adapt(literal, ty, zone)
    {
        return Expr { kind: ExprKind::<Leaf>::Literal(literal), ty: ty.clone() };
    }
    let turn = |function, at, zone: &str| {
        let zone = Expr::literal(Literal::String(zone.to_owned()));
        Expr::call(function, vec![at, zone], Type::Timestamp)
    };
    match (&expr.ty, ty, zone) {
        (Type::Timestamp, Type::Date, _) if matches!(expr.kind, ExprKind::Leaf(Leaf::AsOf)) => {
            Expr::leaf(Leaf::AsOf, Type::Date)
        }
        (Type::Timestamp, Type::Date, Some(zone)) => turn(FunctionId::LOCAL_TIME, expr, zone).cast(Type::Date),
        (Type::Date, Type::Timestamp, Some(zone)) => turn(FunctionId::INSTANT_OF, expr.cast(Type::Timestamp), zone),
        _ => expr.cast(ty.clone()),
    }
}

/// The first instant of a day in a time zone.
fn start_of(day: jiff::civil::Date, zone: Option<&str>) -> Option<jiff::Timestamp> {
    match zone {
        None => first_instant(day),
        Some(zone) => day.to_zoned(TimeZone::get(zone).ok()?).ok().map(|zoned| zoned.timestamp()),
    }
}

/// The constant as a constant of that type with exactly the same value, if there is one.
pub(super) fn adapt(literal: &Literal, ty: &Type, zone: Option<&str>) -> Option<Literal> {
    /// Beyond this a float no longer tells neighbouring whole numbers apart.
    const EXACT_IN_FLOAT: u64 = 1 << 53;
    match (literal, ty) {
        (Literal::Null, _) => Some(Literal::Null),
        (Literal::Integer(n), Type::Decimal { precision, scale }) => rescale(i128::from(*n), 0, *precision, *scale),
        #[allow(clippy::cast_precision_loss, reason = "checked to be exact")]
        (Literal::Integer(n), Type::Float) if n.unsigned_abs() <= EXACT_IN_FLOAT => Some(Literal::Float(*n as f64)),
        (Literal::Decimal { unscaled, scale: from }, Type::Decimal { precision, scale }) => {
            rescale(*unscaled, *from, *precision, *scale)
        }
        (Literal::Decimal { unscaled, scale }, Type::Integer) => match rescale(*unscaled, *scale, 18, 0)? {
            Literal::Decimal { unscaled, .. } => i64::try_from(unscaled).ok().map(Literal::Integer),
            _ => None,
        },
        (Literal::Decimal { unscaled, scale }, Type::Float) => {
            format!("{unscaled}e-{scale}").parse().ok().map(Literal::Float)
        }
        (Literal::Date(day), Type::Timestamp) => start_of(*day, zone).map(Literal::Timestamp),
        (Literal::String(text), Type::Date) => read_day(text).map(Literal::Date),
        (Literal::String(text), Type::Timestamp) => match read_day(text) {
            Some(day) => start_of(day, zone).map(Literal::Timestamp),
            None => read_instant(text).map(Literal::Timestamp),
        },
        _ => (literal.ty().as_ref() == Some(ty)).then(|| literal.clone()),
    }
}

/// The decimal with another scale, if no digit is lost and it has at most `precision` digits.
fn rescale(unscaled: i128, from: u8, precision: u8, to: u8) -> Option<Literal> {
    let unscaled = match to.checked_sub(from) {
        Some(more) => unscaled.checked_mul(10_i128.checked_pow(u32::from(more))?)?,
        None => {
            let cut = 10_i128.checked_pow(u32::from(from - to))?;
            (unscaled % cut == 0).then_some(unscaled / cut)?
        }
    };
    let fits = unscaled.unsigned_abs() < 10_u128.checked_pow(u32::from(precision))?;
    fits.then_some(Literal::Decimal { unscaled, scale: to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_take_the_type_they_stand_next_to_if_nothing_is_lost() {
        let money = Type::decimal(12, 2);
        assert_eq!(adapt(&Literal::Integer(5), &money, None), Some(Literal::Decimal { unscaled: 500, scale: 2 }));
        assert_eq!(adapt(&Literal::Integer(i64::MAX), &money, None), None);
        let half = Literal::Decimal { unscaled: 1250, scale: 3 };
        assert_eq!(adapt(&half, &money, None), Some(Literal::Decimal { unscaled: 125, scale: 2 }));
        assert_eq!(adapt(&half, &Type::decimal(12, 1), None), None);
        assert_eq!(
            adapt(&Literal::Decimal { unscaled: 300, scale: 2 }, &Type::Integer, None),
            Some(Literal::Integer(3))
        );
        assert_eq!(adapt(&half, &Type::Float, None), Some(Literal::Float(1.25)));
        assert_eq!(adapt(&Literal::Integer((1 << 53) + 1), &Type::Float, None), None);
    }
}
