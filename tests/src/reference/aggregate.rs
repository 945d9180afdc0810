//! The aggregate functions over values in the order of time.

use std::cmp::Ordering;

use springline_ir::{FunctionId, Type};

use super::scalar;
use super::value::{Result, Undefined, Value, compare, sort_order, undefined};

/// A gathered row: the argument's value, if there is one, and the instant where rows have one.
#[derive(Debug, Clone)]
pub struct Item {
    /// When.
    pub at: Option<jiff::Timestamp>,
    /// The argument.
    pub value: Option<Value>,
}

/// The type of an aggregate's result.
pub fn result_type(function: FunctionId, args: &[Type]) -> Type {
    (function.get().result)(args).unwrap_or(Type::String)
}

/// The aggregate of these rows. `arg` is the argument's type, `rest` are the constants behind it.
pub fn aggregate(function: FunctionId, items: &[Item], arg: Option<&Type>, rest: &[Value]) -> Result {
    use FunctionId as F;
    let ty = result_type(function, &arg.cloned().into_iter().collect::<Vec<_>>());
    let values: Vec<&Value> = items.iter().filter_map(|i| i.value.as_ref()).filter(|v| !v.is_null()).collect();
    match function {
        F::EXISTS => Ok(Value::Boolean(!items.is_empty())),
        F::COUNT if arg.is_none() => Ok(Value::Integer(items.len() as i64)),
        F::COUNT => Ok(Value::Integer(values.len() as i64)),
        F::COUNT_DISTINCT => Ok(Value::Integer(groups(&values)?.len() as i64)),
        F::SUM => sum(&values, &ty),
        F::AVG => match sum(&values, &sum_type(arg, &ty))? {
            Value::Null => Ok(Value::Null),
            sum => scalar::call(F::DIVIDE, &[sum, Value::Integer(values.len() as i64)], &ty),
        },
        F::MIN => extreme(&values, Ordering::Less),
        F::MAX => extreme(&values, Ordering::Greater),
        F::MEDIAN => percentile(&values, 0.5),
        F::PERCENTILE => percentile(&values, share(rest)?),
        F::STDDEV => deviation(&values),
        F::NTH => nth(items, place(rest)?),
        // Only whether there is one is ever asked.
        F::ARRAY_AGG => Ok(values.first().map_or(Value::Null, |_| Value::Text("a list".to_owned()))),
        F::FIRST => at_end(items, Ordering::Less),
        F::LAST => at_end(items, Ordering::Greater),
        F::MOST_FREQUENT => {
            let mut best: Option<(&Value, usize)> = None;
            for (value, count) in groups(&values)? {
                if best.is_none_or(|(_, most)| count > most) {
                    best = Some((value, count));
                }
            }
            Ok(best.map_or(Value::Null, |(value, _)| value.clone()))
        }
        other => undefined(format!("the reference knows no aggregate {other:?}")),
    }
}

/// The sum that a mean divides: exact, with the mean's scale.
fn sum_type(arg: Option<&Type>, mean: &Type) -> Type {
    match (arg, mean) {
        (Some(Type::Float), _) => Type::Float,
        (_, mean) => mean.clone(),
    }
}

fn sum(values: &[&Value], ty: &Type) -> Result {
    let mut values = values.iter();
    let Some(first) = values.next() else { return Ok(Value::Null) };
    let mut sum = super::value::cast(first, ty, false)?;
    for value in values {
        sum = scalar::call(FunctionId::ADD, &[sum, (*value).clone()], ty)?;
    }
    Ok(sum)
}

fn extreme(values: &[&Value], wanted: Ordering) -> Result {
    let mut best: Option<&Value> = None;
    for value in values {
        if match best {
            None => true,
            Some(best) => compare(value, best)? == wanted,
        } {
            best = Some(value);
        }
    }
    Ok(best.cloned().unwrap_or(Value::Null))
}

/// The different values from small to large, and how many of each.
fn groups<'a>(values: &[&'a Value]) -> Result<Vec<(&'a Value, usize)>> {
    let mut groups: Vec<(&Value, usize)> = Vec::new();
    for value in values {
        let mut place = 0;
        let mut found = false;
        while let Some((other, count)) = groups.get_mut(place) {
            match compare(other, value)? {
                Ordering::Less => place += 1,
                Ordering::Equal => {
                    *count += 1;
                    found = true;
                    break;
                }
                Ordering::Greater => break,
            }
        }
        if !found {
            groups.insert(place, (value, 1));
        }
    }
    Ok(groups)
}

/// The smallest value, nulls last, of those at the earliest or latest instant.
fn at_end(items: &[Item], wanted: Ordering) -> Result {
    let mut best: Option<&Item> = None;
    for item in items {
        let better = match best {
            None => true,
            Some(best) => match item.at.cmp(&best.at) {
                Ordering::Equal => {
                    let null = Value::Null;
                    let (a, b) = (item.value.as_ref().unwrap_or(&null), best.value.as_ref().unwrap_or(&null));
                    sort_order(a, b, false)? == Ordering::Less
                }
                other => other == wanted,
            },
        };
        if better {
            best = Some(item);
        }
    }
    Ok(best.and_then(|b| b.value.clone()).unwrap_or(Value::Null))
}

fn share(rest: &[Value]) -> Result<f64> {
    rest.first().map_or_else(|| undefined("no share"), Value::float)
}

fn place(rest: &[Value]) -> Result<usize> {
    let n = rest.first().map_or_else(|| undefined("no place"), Value::integer)?;
    usize::try_from(n - 1).map_err(|_| Undefined(format!("no place {n}")))
}

fn floats(values: &[&Value]) -> Result<Vec<f64>> {
    values.iter().map(|v| v.float()).collect()
}

/// In a straight line between the neighbours of the place.
fn percentile(values: &[&Value], share: f64) -> Result {
    let mut all = floats(values)?;
    all.sort_by(f64::total_cmp);
    let Some(last) = all.len().checked_sub(1) else { return Ok(Value::Null) };
    let place = share * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (all[below], all[last.min(below + 1)]);
    Ok(Value::Float(low + (high - low) * (place - below as f64)))
}

fn deviation(values: &[&Value]) -> Result {
    let all = floats(values)?;
    if all.len() < 2 {
        return Ok(Value::Null);
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let squares: f64 = all.iter().map(|v| (v - mean) * (v - mean)).sum();
    Ok(Value::Float((squares / (all.len() - 1) as f64).sqrt()))
}

/// By time, then by value, nulls last.
fn nth(items: &[Item], place: usize) -> Result {
    let null = Value::Null;
    let mut sorted: Vec<(&Item, &Value)> = Vec::new();
    for item in items {
        let value = item.value.as_ref().unwrap_or(&null);
        let mut before = 0;
        for (other, its) in &sorted {
            let order = match other.at.cmp(&item.at) {
                Ordering::Equal => sort_order(its, value, false)?,
                order => order,
            };
            before += usize::from(order != Ordering::Greater);
        }
        sorted.insert(before, (item, value));
    }
    Ok(sorted.get(place).map_or(Value::Null, |(_, value)| (*value).clone()))
}
