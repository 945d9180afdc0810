//! Turns DuckDB's errors into [`WarehouseError`] by the words they begin with. It must not repeat a value: errors about
//! data quote what did not fit.
//!
//! The kinds of errors: <https://github.com/duckdb/duckdb/blob/v1.5.5/src/include/duckdb/common/exception.hpp>.

use crate::{ErrorKind, WarehouseError, error::redact_quoted};
use std::sync::Arc;

/// Where a database lies, as errors name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    target: Arc<str>,
    file: Arc<str>,
}

/// Whether the error says that a table, its schema or its database is not there.
pub(super) fn is_missing_table(message: &str) -> bool {
    let (_, text) = kind_and_text(message);
    text.contains("does not exist") && ["Table ", "Schema ", "Catalog "].iter().any(|word| text.starts_with(word))
}

/// Whether the error says only that the statement was stopped.
pub(super) fn is_interrupted(message: &str) -> bool {
    let (kind, _) = kind_and_text(message);
    kind == "INTERRUPT"
}

impl Place {
    pub(super) fn new(target: &str, file: &str) -> Self {
        Self { target: target.into(), file: file.into() }
    }

    pub(super) fn new_error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> WarehouseError {
        WarehouseError::new(kind, &*self.target, message)
    }

    /// An error while the file is opened.
    pub(super) fn open_error(&self, message: &str) -> WarehouseError {
        let (_, text) = kind_and_text(message);
        let about = |text: &str| format!("cannot open the DuckDB file `{}`: {text}", self.file);
        if let Some((_, holder)) = text.split_once("Conflicting lock is held in ") {
            let holder = holder.split(". See also").next().unwrap_or(holder);
            let error = self.new_error(ErrorKind::Connection, about(&format!("it is open in {holder}")));
            return error.with_hint(
                "one process at a time can have a DuckDB file open for writing: end that one, or wait until it is done",
            );
        }
        let kind = if text.contains("Permission denied") { ErrorKind::Permission } else { ErrorKind::Connection };
        let error = self.new_error(kind, about(text));
        match text {
            text if text.contains("Permission denied") => {
                error.with_hint("this user must be allowed to write the file and its folder (`chmod u+rw`)")
            }
            text if text.contains("No such file or directory") => error.with_hint("make the folder first"),
            text if text.contains("not a valid DuckDB database file") => error.with_hint("check `path`"),
            text if text.contains("version number") => {
                error.with_hint("the file was written by a newer DuckDB: point `library` at one as new")
            }
            _ => error.with_hint("check `path`, `threads` and `memory_limit`"),
        }
    }

    /// An error of a statement.
    pub(super) fn error(&self, message: &str) -> WarehouseError {
        let (kind, text) = kind_and_text(message);
        match kind {
            "Catalog" | "Binder" if is_missing_table(message) => self.missing_table(text),
            "Binder" if missing_column(text).is_some() => self.missing_column(text),
            "Permission" => self.new_error(ErrorKind::Permission, text),
            "INTERRUPT" => self
                .new_error(ErrorKind::Sql, "DuckDB stopped the statement and did not say why")
                .with_hint("run it again; with the target's `threads: 1` DuckDB names the cause"),
            "Out of Memory" => self.new_error(ErrorKind::Resources, text).with_hint(
                "raise the target's `memory_limit`, or give the folder of the file more space: DuckDB writes there what does not fit",
            ),
            "IO" if text.contains("No space left") => self.new_error(ErrorKind::Resources, text),
            "IO" => self.new_error(ErrorKind::Io, text),
            "Conversion" | "Out of Range" | "Mismatch Type" | "Divide by Zero" => self.data_error(text),
            "Invalid Input" if text.contains("read-only mode") => {
                self.new_error(ErrorKind::Permission, text).with_hint("the file was opened read-only")
            }
            "Invalid Input" => self.data_error(text),
            "Constraint" => self.new_error(ErrorKind::Sql, redacted(text)),
            "Binder" if text.contains("type casts") => self.new_error(ErrorKind::Type, text),
            _ => self.new_error(ErrorKind::Sql, text),
        }
    }

    fn missing_table(&self, text: &str) -> WarehouseError {
        let error = self.new_error(ErrorKind::MissingTable, format!("{text} (in `{}`)", self.file));
        let name = text.split_once("with name ").or_else(|| text.split_once("Catalog ")).map(|(_, rest)| rest);
        let name = name.and_then(|rest| rest.split_whitespace().next()).map(|name| name.trim_matches('"'));
        let error = name.into_iter().fold(error, |error, name| error.with_table(name));
        error.with_hint("check the name and its schema (without a schema it is `main`), and `path`")
    }

    fn missing_column(&self, text: &str) -> WarehouseError {
        let error = self.new_error(ErrorKind::MissingColumn, text);
        let error = missing_column(text).into_iter().fold(error, |error, column| error.with_column(column));
        let table = text.strip_prefix("Table \"").and_then(|rest| rest.split_once('"')).map(|(table, _)| table);
        let error = table.into_iter().fold(error, |error, table| error.with_table(table));
        error.with_hint("check the column's name")
    }

    fn data_error(&self, text: &str) -> WarehouseError {
        let error = self.new_error(ErrorKind::Type, redacted(text));
        error.with_hint(
            "find the rows with TRY_CAST, which gives null for what does not fit, and mend or leave them out",
        )
    }
}

/// `Catalog Error: Table ...` in two parts, without the line of SQL that follows and without the guess at a name.
fn kind_and_text(message: &str) -> (&str, &str) {
    // Arrow puts its own words before DuckDB's.
    let text = message.strip_prefix("C Data interface error: ").unwrap_or(message);
    let text = text.split("\n\nLINE ").next().unwrap_or(text);
    let text = text.split("\nDid you mean").next().unwrap_or(text);
    let text = text.split("\n\tCandidate functions").next().unwrap_or(text).trim();
    match text.split_once(" Error: ") {
        Some((kind, text)) if kind.len() < 40 => (kind, text),
        _ => ("", text),
    }
}

fn missing_column(text: &str) -> Option<&str> {
    let after = |words: &str| text.split_once(words).and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
    let referenced = text.starts_with("Referenced column").then(|| after("Referenced column \"")).flatten();
    referenced
        .or_else(|| after("does not have a column named \""))
        .or_else(|| after("does not have a column with name \""))
}

/// Without what stands in quotes, in brackets, or behind the word `value`.
fn redacted(text: &str) -> String {
    let text = redact_quoted(&redact_quoted(text, '\'', &[]), '"', &["column ", "table "]);
    let text = match text.split_once(" value ") {
        Some((before, rest)) => match rest.split_once(' ') {
            Some((_, after)) => format!("{before} value … {after}"),
            None => format!("{before} value …"),
        },
        None => text,
    };
    match (text.find('('), text.starts_with("Overflow")) {
        (Some(open), true) => format!("{}(…)", &text[..open]),
        _ => text,
    }
}
