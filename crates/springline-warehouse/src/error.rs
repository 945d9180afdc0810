//! The one error type of this crate: what went wrong, on which target, table and column, and how to mend it.
//! It must not carry a password, a connection string or a value of a customer's row; engines redact before they build one.

use std::fmt;

/// What kind of thing went wrong, so that callers can choose an exit code or a retry without reading text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The target's options are wrong: unknown engine, missing or unreadable option.
    Config,
    /// The warehouse cannot be reached, or refuses the credentials, or went away.
    Connection,
    /// A table (or its schema) does not exist.
    MissingTable,
    /// A column does not exist.
    MissingColumn,
    /// The user lacks a grant, or the operation would write where this engine only reads.
    Permission,
    /// A value or a column has a type that does not fit: failed cast, division by zero, overflow, unsupported type.
    Type,
    /// The SQL was refused for another reason: syntax, constraint, unsupported construct.
    Sql,
    /// Reading or writing a file failed.
    Io,
    /// The statement took longer than allowed or was cancelled.
    Timeout,
    /// Memory, disk or connection slots of the engine ran out.
    Resources,
}

/// An error of a warehouse. `Display` gives where and what on one line; [`WarehouseError::hint`] says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target `{}`: {}", .0.target, .0.message)]
pub struct WarehouseError(Box<Details>);

/// Kept behind a pointer so that results stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    kind: ErrorKind,
    target: String,
    table: Option<String>,
    column: Option<String>,
    message: String,
    hint: Option<String>,
}

impl WarehouseError {
    /// A new error of `kind` on the target named `target`. The message names table and column in words where known.
    pub fn new(kind: ErrorKind, target: impl Into<String>, message: impl fmt::Display) -> Self {
        let (target, message) = (target.into(), message.to_string());
        Self(Box::new(Details { kind, target, table: None, column: None, message, hint: None }))
    }

    /// Adds the table the error is about, as written in SQL without quotes (`crm.customers`).
    #[must_use]
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.0.table = Some(table.into());
        self
    }

    /// Adds the column the error is about.
    #[must_use]
    pub fn with_column(mut self, column: impl Into<String>) -> Self {
        self.0.column = Some(column.into());
        self
    }

    /// Adds one sentence on how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        self.0.hint = Some(hint.to_string());
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the target given at connect.
    pub fn target(&self) -> &str {
        &self.0.target
    }

    /// The table, where known.
    pub fn table(&self) -> Option<&str> {
        self.0.table.as_deref()
    }

    /// The column, where known.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// What happened, without the target's name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How to mend it, where known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

/// Replaces what stands between a pair of `quote` characters by `…`: engines quote the offending value there, and
/// that value may be a person's data. A quoted part that follows one of `names` (such as `column `) is kept.
pub(crate) fn redact_quoted(message: &str, quote: char, names: &[&str]) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.find(quote) {
        let (before, from_quote) = rest.split_at(open);
        let inside = &from_quote[quote.len_utf8()..];
        out.push_str(before);
        let is_name = names.iter().any(|name| before.ends_with(name));
        // A value may hold the quote itself, so a value runs to the last quote that ends a word.
        let close = if is_name { inside.find(quote) } else { closing_quote(inside, quote) };
        let (content, after) = match close {
            Some(at) => (&inside[..at], &inside[at + quote.len_utf8()..]),
            None => (inside, ""),
        };
        out.push(quote);
        out.push_str(if is_name { content } else { "…" });
        out.push(quote);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn closing_quote(inside: &str, quote: char) -> Option<usize> {
    inside.match_indices(quote).map(|(at, _)| at).find(|at| {
        let next = inside[at + quote.len_utf8()..].chars().next();
        next.is_none_or(|c| !c.is_alphanumeric())
    })
}
