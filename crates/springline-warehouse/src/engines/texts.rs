//! The values of a column as text that a server parses into whatever type its column has: what bulk loads send that send
//! text. It must not know how an engine quotes it, nor how it writes a list.

use arrow::{
    array::{Array, AsArray},
    datatypes::DataType,
    util::display::{ArrayFormatter, FormatOptions},
};
use std::{fmt::Write, ops::Range};

static OPTIONS: FormatOptions<'static> = FormatOptions::new();

/// A column, and its values as text. A reason that something has no text form never holds the value.
pub(super) struct Texts<'a> {
    array: &'a dyn Array,
    shown: ArrayFormatter<'a>,
    /// Of a list column: the items of all its rows.
    items: Option<Box<Texts<'a>>>,
}

impl<'a> Texts<'a> {
    /// # Errors
    /// The type, where it is nested and no list.
    pub(super) fn new(array: &'a dyn Array) -> Result<Self, String> {
        let items = match array.data_type() {
            DataType::List(_) => Some(Box::new(Self::new(array.as_list::<i32>().values().as_ref())?)),
            nested if nested.is_nested() => return Err(format!("{nested} cannot be loaded")),
            _ => None,
        };
        let shown = ArrayFormatter::try_new(array, &OPTIONS).map_err(|error| error.to_string())?;
        Ok(Self { array, shown, items })
    }

    pub(super) fn data_type(&self) -> &DataType {
        self.array.data_type()
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    /// Appends a value that is neither null nor a list: text as it is, bytes as hexadecimal digits, an instant in UTC
    /// with `Z`, anything else as Arrow shows it.
    pub(super) fn write(&self, row: usize, out: &mut String) -> Result<(), String> {
        match self.data_type() {
            DataType::Utf8 => out.push_str(self.array.as_string::<i32>().value(row)),
            DataType::Utf8View => out.push_str(self.array.as_string_view().value(row)),
            _ => write!(out, "{}", self.shown.value(row)).map_err(|_| "it has no text form".to_owned())?,
        }
        Ok(())
    }

    /// Of a list: where the items of a row are, and their texts.
    pub(super) fn items(&self, row: usize) -> Option<(&Texts<'a>, Range<usize>)> {
        let items = self.items.as_deref()?;
        let offsets = self.array.as_list::<i32>().value_offsets();
        Some((items, offsets[row] as usize..offsets[row + 1] as usize))
    }

    /// The text of a value, `None` for null; of a list its JSON, in which numbers and truth values stand bare.
    #[cfg(any(feature = "databricks", feature = "snowflake"))]
    pub(super) fn text(&self, row: usize) -> Result<Option<String>, String> {
        if self.is_null(row) {
            return Ok(None);
        }
        let mut text = String::new();
        let Some((items, range)) = self.items(row) else {
            self.write(row, &mut text)?;
            return Ok(Some(text));
        };
        text.push('[');
        for (place, item) in range.enumerate() {
            if place > 0 {
                text.push(',');
            }
            items.write_json(item, &mut text)?;
        }
        text.push(']');
        Ok(Some(text))
    }

    #[cfg(any(feature = "databricks", feature = "snowflake"))]
    fn write_json(&self, row: usize, out: &mut String) -> Result<(), String> {
        let Some(text) = self.text(row)? else {
            out.push_str("null");
            return Ok(());
        };
        let is_number = self.data_type().is_numeric();
        let is_bare = self.items.is_some() || *self.data_type() == DataType::Boolean;
        match text.as_str() {
            // JSON has no such numbers; readers know these words.
            "inf" if is_number => out.push_str("\"Infinity\""),
            "-inf" if is_number => out.push_str("\"-Infinity\""),
            "NaN" if is_number => out.push_str("\"NaN\""),
            _ if is_bare || is_number => out.push_str(&text),
            _ => write!(out, "{}", serde_json::Value::String(text)).map_err(|error| error.to_string())?,
        }
        Ok(())
    }
}
