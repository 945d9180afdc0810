//! Texts that hold something: JSON, and numbers in hexadecimal digits.

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use datafusion::common::{Result, exec_datafusion_err};
use serde_json::{Number, Value};
use std::sync::Arc;

/// The text, number or truth value at a path, as text; null for everything else, and for text that is no JSON.
pub(super) fn json_text(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [documents, paths] = columns else { return Err(exec_datafusion_err!("json_text takes two arguments")) };
    let texts = documents.as_string::<i32>().iter().zip(paths.as_string::<i32>());
    let texts = texts.map(|(document, path)| at(serde_json::from_str(document?).ok()?, path?));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn at(document: Value, path: &str) -> Option<String> {
    let mut value = document;
    for step in path.split('.') {
        value = match value {
            Value::Object(mut object) => object.remove(step)?,
            Value::Array(mut list) => {
                let place: usize = step.parse().ok()?;
                if place >= list.len() {
                    return None;
                }
                list.swap_remove(place)
            }
            _ => return None,
        };
    }
    match value {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(digits(&number)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The number in decimal digits, without an exponent and without a fraction of zeros.
fn digits(number: &Number) -> String {
    match number.as_f64() {
        // Adding zero makes a negative zero positive.
        Some(float) if number.is_f64() => (float + 0.0).to_string(),
        _ => number.to_string(),
    }
}

/// The number that the text is in hexadecimal digits; null where it is none.
pub(super) fn hex_number(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [texts] = columns else { return Err(exec_datafusion_err!("hex_number takes one argument")) };
    let numbers = texts.as_string::<i32>().iter().map(|text| i64::from_str_radix(text?, 16).ok());
    Ok(Arc::new(numbers.collect::<Int64Array>()))
}

/// The similarity of Jaro and Winkler of two texts.
pub(super) fn jaro_winkler(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [a, b] = columns else { return Err(exec_datafusion_err!("jaro_winkler takes two arguments")) };
    let pairs = a.as_string::<i32>().iter().zip(b.as_string::<i32>());
    let similar = pairs.map(|(a, b)| Some(strsim::jaro_winkler(a?, b?)));
    Ok(Arc::new(similar.collect::<Float64Array>()))
}
