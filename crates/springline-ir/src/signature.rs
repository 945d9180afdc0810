//! The type rules of the functions: what arguments each accepts and what it gives.
//!
//! Scales are fixed here, so that no engine's own rule shows: a sum keeps its scale at 38 digits, a
//! quotient and a mean have at least six digits behind the point.

use crate::Type;
use crate::types::MAX_PRECISION;

/// The least scale of a quotient and of a mean.
const QUOTIENT_SCALE: u8 = 6;

pub(crate) fn comparison(args: &[Type]) -> Option<Type> {
    match args {
        [a, b] if *a != Type::Json => a.common(b).map(|_| Type::Boolean),
        _ => None,
    }
}

pub(crate) fn membership(args: &[Type]) -> Option<Type> {
    let (first, rest) = args.split_first()?;
    (!rest.is_empty() && rest.iter().all(|t| first.common(t).is_some())).then_some(Type::Boolean)
}

pub(crate) fn logical(args: &[Type]) -> Option<Type> {
    args.iter().all(|t| *t == Type::Boolean).then_some(Type::Boolean)
}

pub(crate) fn any_to_boolean(args: &[Type]) -> Option<Type> {
    (args.len() == 1).then_some(Type::Boolean)
}

pub(crate) fn any_to_string(args: &[Type]) -> Option<Type> {
    (args.len() == 1).then_some(Type::String)
}

pub(crate) fn strings_to_boolean(args: &[Type]) -> Option<Type> {
    all_strings(args).then_some(Type::Boolean)
}

pub(crate) fn strings_to_string(args: &[Type]) -> Option<Type> {
    all_strings(args).then_some(Type::String)
}

pub(crate) fn string_to_string(args: &[Type]) -> Option<Type> {
    (args.len() == 1 && all_strings(args)).then_some(Type::String)
}

pub(crate) fn string_to_integer(args: &[Type]) -> Option<Type> {
    (args.len() == 1 && all_strings(args)).then_some(Type::Integer)
}

pub(crate) fn two_texts_to_integer(args: &[Type]) -> Option<Type> {
    (args.len() == 2 && all_strings(args)).then_some(Type::Integer)
}

pub(crate) fn two_texts_to_float(args: &[Type]) -> Option<Type> {
    (args.len() == 2 && all_strings(args)).then_some(Type::Float)
}

fn all_strings(args: &[Type]) -> bool {
    args.iter().all(|t| *t == Type::String)
}

pub(crate) fn additive(args: &[Type]) -> Option<Type> {
    let [a, b] = args else { return None };
    if !a.is_number() || !b.is_number() {
        return None;
    }
    Some(match a.common(b)? {
        Type::Decimal { precision, scale } => Type::decimal(precision.saturating_add(1), scale),
        other => other,
    })
}

pub(crate) fn multiplied(args: &[Type]) -> Option<Type> {
    let [a, b] = args else { return None };
    if !a.is_number() || !b.is_number() {
        return None;
    }
    Some(match (as_decimal(a), as_decimal(b)) {
        _ if *a == Type::Float || *b == Type::Float => Type::Float,
        _ if *a == Type::Integer && *b == Type::Integer => Type::Integer,
        ((p1, s1), (p2, s2)) => Type::decimal(p1 + p2, s1 + s2),
    })
}

pub(crate) fn divided(args: &[Type]) -> Option<Type> {
    let [a, b] = args else { return None };
    if !a.is_number() || !b.is_number() {
        return None;
    }
    if *a == Type::Float || *b == Type::Float {
        return Some(Type::Float);
    }
    let scale = as_decimal(a).1.max(as_decimal(b).1).max(QUOTIENT_SCALE);
    Some(Type::decimal(MAX_PRECISION, scale))
}

/// Precision and scale of a number as a decimal.
fn as_decimal(ty: &Type) -> (u8, u8) {
    match ty {
        Type::Decimal { precision, scale } => (*precision, *scale),
        _ => (19, 0),
    }
}

pub(crate) fn whole_divided(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Integer, Type::Integer]).then_some(Type::Integer)
}

pub(crate) fn same_number(args: &[Type]) -> Option<Type> {
    match args {
        [n] if n.is_number() => Some(n.clone()),
        _ => None,
    }
}

pub(crate) fn number_to_integer(args: &[Type]) -> Option<Type> {
    same_number(args).map(|_| Type::Integer)
}

pub(crate) fn rounded(args: &[Type]) -> Option<Type> {
    match args {
        [n, Type::Integer] if n.is_number() => Some(n.clone()),
        _ => None,
    }
}

pub(crate) fn common_all(args: &[Type]) -> Option<Type> {
    let (first, rest) = args.split_first()?;
    rest.iter().try_fold(first.clone(), |a, b| a.common(b))
}

pub(crate) fn first_of_comparable(args: &[Type]) -> Option<Type> {
    comparison(args).and_then(|_| args.first().cloned())
}

pub(crate) fn substring(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::String, Type::Integer, Type::Integer]).then_some(Type::String)
}

pub(crate) fn date_trunc(args: &[Type]) -> Option<Type> {
    match args {
        [Type::String, t] if t.is_temporal() => Some(t.clone()),
        _ => None,
    }
}

pub(crate) fn extract(args: &[Type]) -> Option<Type> {
    date_trunc(args).map(|_| Type::Integer)
}

pub(crate) fn days_between(args: &[Type]) -> Option<Type> {
    match args {
        [a, b] if a.is_temporal() && b.is_temporal() => Some(Type::Integer),
        _ => None,
    }
}

pub(crate) fn counted(args: &[Type]) -> Option<Type> {
    (args.len() <= 1).then_some(Type::Integer)
}

pub(crate) fn counted_one(args: &[Type]) -> Option<Type> {
    (args.len() == 1).then_some(Type::Integer)
}

pub(crate) fn existing(args: &[Type]) -> Option<Type> {
    args.is_empty().then_some(Type::Boolean)
}

pub(crate) fn summed(args: &[Type]) -> Option<Type> {
    same_number(args).map(|t| match t {
        Type::Decimal { scale, .. } => Type::decimal(MAX_PRECISION, scale),
        other => other,
    })
}

pub(crate) fn averaged(args: &[Type]) -> Option<Type> {
    same_number(args).map(|t| match t {
        Type::Float => Type::Float,
        number => Type::decimal(MAX_PRECISION, as_decimal(&number).1.max(QUOTIENT_SCALE)),
    })
}

pub(crate) fn any_one(args: &[Type]) -> Option<Type> {
    match args {
        [t] => Some(t.clone()),
        _ => None,
    }
}

pub(crate) fn ordered_one(args: &[Type]) -> Option<Type> {
    any_one(args).filter(|t| !matches!(t, Type::Json | Type::Array(_)))
}

pub(crate) fn no_arguments_to_integer(args: &[Type]) -> Option<Type> {
    args.is_empty().then_some(Type::Integer)
}

pub(crate) fn ntile(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Integer]).then_some(Type::Integer)
}

/// Of functions that the checker writes in terms of others.
pub(crate) fn none(_: &[Type]) -> Option<Type> {
    None
}

pub(crate) fn two_strings(args: &[Type]) -> Option<Type> {
    (args.len() == 2).then(|| strings_to_string(args)).flatten()
}

pub(crate) fn two_strings_to_boolean(args: &[Type]) -> Option<Type> {
    two_strings(args).map(|_| Type::Boolean)
}

pub(crate) fn three_strings(args: &[Type]) -> Option<Type> {
    (args.len() == 3).then(|| strings_to_string(args)).flatten()
}

pub(crate) fn string_and_integer(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::String, Type::Integer]).then_some(Type::String)
}

pub(crate) fn padded(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::String, Type::Integer, Type::String]).then_some(Type::String)
}

pub(crate) fn substring_by(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::String, Type::String, Type::Integer]).then_some(Type::String)
}

pub(crate) fn one_float(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Float]).then_some(Type::Float)
}

pub(crate) fn two_floats(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Float, Type::Float]).then_some(Type::Float)
}

pub(crate) fn date_add(args: &[Type]) -> Option<Type> {
    match args {
        [Type::String, Type::Integer, t] if t.is_temporal() => Some(t.clone()),
        _ => None,
    }
}

pub(crate) fn json_text(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Json, Type::String]).then_some(Type::String)
}

pub(crate) fn local_time(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Timestamp, Type::String]).then_some(Type::Timestamp)
}

pub(crate) fn epoch_seconds(args: &[Type]) -> Option<Type> {
    matches!(args, [Type::Timestamp]).then_some(Type::Integer)
}

pub(crate) fn float_of_number(args: &[Type]) -> Option<Type> {
    same_number(args).map(|_| Type::Float)
}

pub(crate) fn percentile(args: &[Type]) -> Option<Type> {
    match args {
        [n, share] if n.is_number() && share.is_number() => Some(Type::Float),
        _ => None,
    }
}

pub(crate) fn nth(args: &[Type]) -> Option<Type> {
    match args {
        [value, Type::Integer] => Some(value.clone()),
        _ => None,
    }
}

pub(crate) fn collected(args: &[Type]) -> Option<Type> {
    let [value, Type::Integer] = args else { return None };
    ordered_one(std::slice::from_ref(value)).map(|item| Type::Array(Box::new(item)))
}

pub(crate) fn no_arguments_to_float(args: &[Type]) -> Option<Type> {
    args.is_empty().then_some(Type::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_is_never_whole() {
        assert_eq!(divided(&[Type::Integer, Type::Integer]), Some(Type::decimal(38, 6)));
        assert_eq!(divided(&[Type::decimal(12, 8), Type::Integer]), Some(Type::decimal(38, 8)));
        assert_eq!(divided(&[Type::Float, Type::Integer]), Some(Type::Float));
    }

    #[test]
    fn a_sum_keeps_its_scale() {
        assert_eq!(summed(&[Type::decimal(12, 2)]), Some(Type::decimal(38, 2)));
        assert_eq!(summed(&[Type::String]), None);
    }

    #[test]
    fn unlike_types_do_not_compare() {
        assert_eq!(comparison(&[Type::decimal(12, 2), Type::String]), None);
        assert_eq!(comparison(&[Type::Date, Type::Timestamp]), Some(Type::Boolean));
        assert_eq!(membership(&[Type::String, Type::String, Type::Integer]), None);
    }
}
