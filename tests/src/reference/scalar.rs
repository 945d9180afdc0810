//! The scalar functions, one arm each, written from their meanings in the table of functions.

use std::cmp::Ordering;

use md5::Md5;
use sha2::{Digest, Sha256};
use springline_ir::{FunctionId, NullRule, Type};

use super::calendar;
use super::value::{Result, Undefined, Value, compare, fit, power_of_ten, rescale, round_div, undefined};

/// The result of a function for these arguments.
pub fn call(function: FunctionId, args: &[Value], ty: &Type) -> Result {
    use FunctionId as F;
    match (function, args) {
        (F::AND, args) => return Ok(logical(args, false)),
        (F::OR, args) => return Ok(logical(args, true)),
        (F::IS_NULL, [a]) => return Ok(Value::Boolean(a.is_null())),
        (F::IS_NOT_NULL, [a]) => return Ok(Value::Boolean(!a.is_null())),
        (F::COALESCE, args) => return Ok(args.iter().find(|a| !a.is_null()).cloned().unwrap_or(Value::Null)),
        (F::IN, [a, rest @ ..]) => return is_in(a, rest),
        (F::NULLIF, [a, b]) => {
            let equal = !a.is_null() && !b.is_null() && compare(a, b)? == Ordering::Equal;
            return Ok(if equal { Value::Null } else { a.clone() });
        }
        _ => {}
    }
    if function.get().nulls == NullRule::Propagates && args.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let order = |wanted: &[Ordering]| Ok(Value::Boolean(wanted.contains(&compare(&args[0], &args[1])?)));
    match (function, args) {
        (F::EQ, _) => order(&[Ordering::Equal]),
        (F::NE, _) => order(&[Ordering::Less, Ordering::Greater]),
        (F::LT, _) => order(&[Ordering::Less]),
        (F::LE, _) => order(&[Ordering::Less, Ordering::Equal]),
        (F::GT, _) => order(&[Ordering::Greater]),
        (F::GE, _) => order(&[Ordering::Greater, Ordering::Equal]),
        (F::NOT, [Value::Boolean(a)]) => Ok(Value::Boolean(!a)),
        (F::LIKE, [a, pattern]) => like(a.str()?, pattern.str()?).map(Value::Boolean),
        (F::ADD, [a, b]) => arithmetic(a, b, ty, i128::checked_add, |a, b| a + b),
        (F::SUBTRACT, [a, b]) => arithmetic(a, b, ty, i128::checked_sub, |a, b| a - b),
        (F::MULTIPLY, [a, b]) => multiply(a, b, ty),
        (F::DIVIDE, [a, b]) => divide(a, b, ty),
        (F::DIV | F::MOD, [Value::Integer(_), Value::Integer(0)]) => Ok(Value::Null),
        (F::DIV, [Value::Integer(a), Value::Integer(b)]) => whole(a.checked_div(*b).map(i128::from)),
        (F::MOD, [Value::Integer(a), Value::Integer(b)]) => whole(a.checked_rem(*b).map(i128::from)),
        (F::NEGATE, [a]) => arithmetic(&Value::Integer(0), a, ty, i128::checked_sub, |_, a| -a),
        (F::ABS, [Value::Float(a)]) => Ok(Value::Float(a.abs())),
        (F::ABS, [a]) => number(a.decimal().and_then(|(n, s)| Some((n.checked_abs()?, s))), ty),
        (F::ROUND, [a, digits]) => round(a, digits.integer()?, ty),
        (F::FLOOR, [a]) => to_whole(a, f64::floor, |n, by| n.div_euclid(by)),
        (F::CEIL, [a]) => to_whole(a, f64::ceil, |n, by| -(-n).div_euclid(by)),
        (F::GREATEST, args) => extreme(args, Ordering::Greater),
        (F::LEAST, args) => extreme(args, Ordering::Less),
        (F::CONCAT, args) => text(args.iter().map(Value::str).collect::<Result<Vec<_>>>()?.concat()),
        (F::LOWER, [a]) => text(a.str()?.to_lowercase()),
        (F::UPPER, [a]) => text(a.str()?.to_uppercase()),
        (F::TRIM, [a]) => text(a.str()?.trim_matches(' ').to_owned()),
        (F::LENGTH, [a]) => Ok(Value::Integer(a.str()?.chars().count() as i64)),
        (F::SUBSTRING, [a, start, count]) => substring(a.str()?, start.integer()?, count.integer()?),
        (F::REPLACE, [a, from, to]) => {
            let (a, from) = (a.str()?, from.str()?);
            text(if from.is_empty() { a.to_owned() } else { a.replace(from, to.str()?) })
        }
        (F::STARTS_WITH, [a, prefix]) => Ok(Value::Boolean(a.str()?.starts_with(prefix.str()?))),
        (F::ENDS_WITH, [a, end]) => Ok(Value::Boolean(a.str()?.ends_with(end.str()?))),
        (F::CONTAINS, [a, part]) => Ok(Value::Boolean(a.str()?.contains(part.str()?))),
        (F::LEFT | F::RIGHT, [a, count]) => text(end_of(a.str()?, count.integer()?, function == F::RIGHT)),
        (F::LPAD, [a, count, fill]) => text(filled(a.str()?, count.integer()?, fill.str()?)),
        (F::SPLIT_PART, [a, by, n]) => {
            let n = usize::try_from(n.integer()? - 1).map_err(|_| Undefined("no such part".to_owned()))?;
            text(a.str()?.split(by.str()?).nth(n).unwrap_or_default().to_owned())
        }
        (F::REGEX_MATCH, [a, pattern]) => Ok(Value::Boolean(regex(pattern)?.is_match(a.str()?))),
        (F::REGEX_EXTRACT, [a, pattern]) => {
            let found = regex(pattern)?.captures(a.str()?).and_then(|c| c.get(1).map(|m| m.as_str().to_owned()));
            Ok(found.map_or(Value::Null, Value::Text))
        }
        (F::REGEX_REPLACE, [a, pattern, by]) => text(regex(pattern)?.replace_all(a.str()?, by.str()?).into_owned()),
        (F::SIGN, [a]) => compare(a, &Value::Integer(0)).map(|sign| Value::Integer(sign as i64)),
        (F::POWER, [a, b]) => power(a.float()?, b.float()?),
        (F::LN, [a]) => positive(a.float()?, |a| a > 0.0, f64::ln),
        (F::SQRT, [a]) => positive(a.float()?, |a| a >= 0.0, f64::sqrt),
        (F::EXP, [a]) => match a.float()? {
            a if a > 709.0 => Ok(Value::Null),
            a if a < -700.0 => Ok(Value::Float(0.0)),
            a => finite(a.exp()),
        },
        (F::STABLE_HASH, [a]) => {
            let digits = hex(&Md5::digest(a.str()?.as_bytes()));
            whole(i128::from_str_radix(&digits[..8], 16).ok())
        }
        (F::EPOCH_SECONDS, [Value::Timestamp(at)]) => Ok(Value::Integer(at.as_second())),
        (F::DATE_ADD, [unit, count, a]) => calendar::date_add(unit.str()?, count.integer()?, a),
        (F::DATE_TRUNC, [unit, a]) => calendar::date_trunc(unit.str()?, a),
        (F::EXTRACT, [part, a]) => calendar::extract(part.str()?, a),
        (F::DAYS_BETWEEN, [from, to]) => calendar::days_between(from, to),
        (F::LOCAL_TIME, [Value::Timestamp(at), zone]) => calendar::local_time(*at, zone.str()?),
        (F::INSTANT_OF, [Value::Timestamp(at), zone]) => calendar::instant_of(*at, zone.str()?),
        (F::SHA256, [a]) => text(hex(&Sha256::digest(a.str()?.as_bytes()))),
        (F::MD5, [a]) => text(hex(&Md5::digest(a.str()?.as_bytes()))),
        (F::TEXT, [a]) => Ok(a.text().map_or(Value::Null, Value::Text)),
        _ => undefined(format!("the reference knows no {function:?} of {args:?}")),
    }
}

/// The first or last characters; a negative count leaves out so many at the other end.
fn end_of(text: &str, count: i64, last: bool) -> String {
    let all: Vec<char> = text.chars().collect();
    let length = all.len() as i64;
    let kept = if count < 0 { (length + count).max(0) } else { count.min(length) } as usize;
    if last { all[all.len() - kept..].iter().collect() } else { all[..kept].iter().collect() }
}

/// Filled up at the start, or cut at the end.
fn filled(text: &str, count: i64, fill: &str) -> String {
    let count = usize::try_from(count).unwrap_or(0);
    let missing = count.saturating_sub(text.chars().count());
    fill.chars().cycle().take(missing).chain(text.chars()).take(count).collect()
}

fn regex(pattern: &Value) -> Result<regex::Regex> {
    regex::Regex::new(pattern.str()?).map_err(|e| Undefined(e.to_string()))
}

fn positive(a: f64, inside: fn(f64) -> bool, function: fn(f64) -> f64) -> Result {
    if inside(a) { finite(function(a)) } else { Ok(Value::Null) }
}

fn power(a: f64, b: f64) -> Result {
    let size = b * a.abs().ln();
    match a {
        0.0 if b < 0.0 => Ok(Value::Null),
        0.0 => finite(a.powf(b)),
        a if a < 0.0 && b != b.floor() => Ok(Value::Null),
        _ if size > 709.0 => Ok(Value::Null),
        _ if size < -700.0 => Ok(Value::Float(0.0)),
        a => finite(a.powf(b)),
    }
}

fn text(text: String) -> Result {
    Ok(Value::Text(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `and` where `decisive` is false, `or` where it is true.
fn logical(args: &[Value], decisive: bool) -> Value {
    if args.iter().any(|a| a.truth() == Some(decisive)) {
        Value::Boolean(decisive)
    } else if args.iter().any(Value::is_null) {
        Value::Null
    } else {
        Value::Boolean(!decisive)
    }
}

fn is_in(a: &Value, rest: &[Value]) -> Result {
    if a.is_null() {
        return Ok(Value::Null);
    }
    for other in rest.iter().filter(|o| !o.is_null()) {
        if compare(a, other)? == Ordering::Equal {
            return Ok(Value::Boolean(true));
        }
    }
    Ok(if rest.iter().any(Value::is_null) { Value::Null } else { Value::Boolean(false) })
}

fn whole(n: Option<i128>) -> Result {
    match n.and_then(|n| i64::try_from(n).ok()) {
        Some(n) => Ok(Value::Integer(n)),
        None => undefined("the whole number has more than 64 bits"),
    }
}

/// A float that every engine can hold.
fn finite(f: f64) -> Result {
    if f.is_finite() && (f == 0.0 || f.is_normal()) {
        Ok(Value::Float(f))
    } else {
        undefined(format!("{f} is no number"))
    }
}

/// Digits and scale as a number of the type.
fn number(digits: Option<(i128, u8)>, ty: &Type) -> Result {
    let Some((n, from)) = digits else { return undefined("the number is too large") };
    match ty {
        Type::Decimal { precision, scale } => Ok(Value::Decimal(fit(rescale(n, from, *scale)?, *precision)?, *scale)),
        _ => whole(Some(n)),
    }
}

fn arithmetic(
    a: &Value,
    b: &Value,
    ty: &Type,
    exact: fn(i128, i128) -> Option<i128>,
    binary: fn(f64, f64) -> f64,
) -> Result {
    let (Some((a, s)), Some((b, t)), false) = (a.decimal(), b.decimal(), *ty == Type::Float) else {
        return finite(binary(a.float()?, b.float()?));
    };
    let scale = s.max(t);
    number(exact(rescale(a, s, scale)?, rescale(b, t, scale)?).map(|n| (n, scale)), ty)
}

fn multiply(a: &Value, b: &Value, ty: &Type) -> Result {
    let (Some((x, s)), Some((y, t)), false) = (a.decimal(), b.decimal(), *ty == Type::Float) else {
        let (a, b) = (a.float()?, b.float()?);
        let product = a * b;
        return if product == 0.0 && a != 0.0 && b != 0.0 { undefined("underflow") } else { finite(product) };
    };
    number(x.checked_mul(y).map(|n| (n, s + t)), ty)
}

fn divide(a: &Value, b: &Value, ty: &Type) -> Result {
    let Type::Decimal { precision, scale } = ty else {
        let (a, b) = (a.float()?, b.float()?);
        return match a / b {
            _ if b == 0.0 => Ok(Value::Null),
            0.0 if a != 0.0 => undefined("underflow"),
            quotient => finite(quotient),
        };
    };
    let (Some((a, s)), Some((b, t))) = (a.decimal(), b.decimal()) else { return undefined("no decimals") };
    if b == 0 {
        return Ok(Value::Null);
    }
    // a/10^s / (b/10^t), with `scale` digits behind the point: four more are asked of an engine on the way.
    let above = rescale(a, s, s.max(*scale) + 4)?;
    fit(above, 38)?;
    let power = i32::from(*scale) + i32::from(t) - i32::from(s);
    let (mut above, mut below) = (a, b);
    if power >= 0 {
        above = above.checked_mul(power_of_ten(power.unsigned_abs())?).ok_or(Undefined("too large".to_owned()))?;
    } else {
        below = below.checked_mul(power_of_ten(power.unsigned_abs())?).ok_or(Undefined("too large".to_owned()))?;
    }
    if below < 0 {
        (above, below) = (-above, -below);
    }
    Ok(Value::Decimal(fit(round_div(above, below), *precision)?, *scale))
}

fn round(a: &Value, digits: i64, ty: &Type) -> Result {
    if !(-18..=18).contains(&digits) {
        return undefined("rounding to so many digits");
    }
    if let Value::Float(f) = a {
        let factor = 10f64.powi(digits as i32);
        return finite((f * factor).round() / factor);
    }
    let Some((n, scale)) = a.decimal() else { return undefined("no number") };
    if digits >= i64::from(scale) {
        return number(Some((n, scale)), ty);
    }
    let cut = power_of_ten((i64::from(scale) - digits) as u32)?;
    number(round_div(n, cut).checked_mul(cut).map(|n| (n, scale)), ty)
}

fn to_whole(a: &Value, float: fn(f64) -> f64, exact: fn(i128, i128) -> i128) -> Result {
    match a {
        Value::Float(f) => super::value::cast(&Value::Float(float(*f)), &Type::Integer, false),
        other => match other.decimal() {
            Some((n, scale)) => whole(Some(exact(n, power_of_ten(u32::from(scale))?))),
            None => undefined("no number"),
        },
    }
}

fn extreme(args: &[Value], wanted: Ordering) -> Result {
    let mut best = args[0].clone();
    for arg in &args[1..] {
        if compare(arg, &best)? == wanted {
            best = arg.clone();
        }
    }
    Ok(best)
}

/// Characters `start` to `start + count - 1`, those that there are.
fn substring(text: &str, start: i64, count: i64) -> Result {
    if count < 0 {
        return undefined("a negative count");
    }
    let end = start.saturating_add(count);
    let inside = |(i, _): &(usize, char)| (start..end).contains(&(*i as i64 + 1));
    Ok(Value::Text(text.chars().enumerate().filter(inside).map(|(_, c)| c).collect()))
}

fn like(text: &str, pattern: &str) -> Result<bool> {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    matches(&text, &pattern)
}

fn matches(text: &[char], pattern: &[char]) -> Result<bool> {
    match pattern {
        [] => Ok(text.is_empty()),
        ['\\'] => undefined("a pattern that ends with a backslash"),
        ['\\', c, rest @ ..] => Ok(text.first() == Some(c) && matches(&text[1..], rest)?),
        ['%', rest @ ..] => {
            for i in 0..=text.len() {
                if matches(&text[i..], rest)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        ['_', rest @ ..] => Ok(!text.is_empty() && matches(&text[1..], rest)?),
        [c, rest @ ..] => Ok(text.first() == Some(c) && matches(&text[1..], rest)?),
    }
}
