//! Sources: tables, columns and their types.

use std::collections::HashMap;

use springline_ir::{TableName, Type, TypeParseError};

use crate::syntax::{ColumnEntry, SourceDecl, Spanned, nearest};
use crate::{Code, Column, Diagnostic, LOCK_FILE, Source};

use super::catalogue::SourceInfo;
use super::lock::{self, Found, Known};
use super::names::with_suggestion;

/// A type's text is never longer; a longer one is not worth reading.
const MAX_TYPE: usize = 60;

/// A source as far as it can be read.
pub(super) fn source(decl: SourceDecl, known: &Known, out: &mut Vec<Diagnostic>) -> SourceInfo {
    let SourceDecl { name, table, primary_key, updated_at, columns } = decl;
    let place = table.span;
    let table = TableName::parse(&table.value).unwrap_or_else(|| {
        let message = format!("`{}` is no name of a table", table.value);
        out.push(
            Diagnostic::error(Code::InvalidValue, table.span, message)
                .hint("write `table`, `schema.table` or `catalog.schema.table`"),
        );
        TableName { parts: Vec::new() }
    });
    let found = known.table(&name.value, &table, place, out);
    let mut by_name = HashMap::new();
    let mut list = Vec::new();
    let is_listed = columns.is_some();
    for (column, entry) in columns.map(|c| c.0).unwrap_or_default() {
        let read = entry.and_then(|entry| read_column(&column, entry, &found, out));
        by_name.insert(column.value, read.is_some().then_some(list.len()));
        list.extend(read);
    }
    let mut unknown = false;
    if !is_listed {
        let all = unlisted(&name, &found, out);
        unknown = all.is_none();
        list = all.unwrap_or_default();
        by_name = list.iter().enumerate().map(|(i, column)| (column.name.clone(), Some(i))).collect();
    }
    if let Some(key) = primary_key.as_ref().filter(|_| !unknown)
        && !by_name.contains_key(&key.value)
    {
        let message = format!("source `{}` has no column `{}`", name.value, key.value);
        let diagnostic = Diagnostic::error(Code::UnknownName, key.span, message);
        out.push(with_suggestion(diagnostic, &key.value, by_name.keys().map(String::as_str), "column"));
    }
    let primary_key = primary_key.map(|key| key.value);
    let updated_at = updated_at.filter(|_| !unknown).and_then(|column| written_at(&name.value, column, &list, out));
    SourceInfo {
        source: Source { name: name.value, table, primary_key, updated_at, columns: list, span: name.span },
        columns: by_name,
        unknown,
    }
}

/// The column that tells when a row was last written: one of the source's, with an instant or a day.
fn written_at(source: &str, name: Spanned<String>, columns: &[Column], out: &mut Vec<Diagnostic>) -> Option<String> {
    match columns.iter().find(|column| column.name == name.value) {
        Some(column) if column.ty.is_temporal() => Some(name.value),
        Some(column) => {
            let message = format!("`updated_at` of source `{source}` is `{}`, which is {}", name.value, column.ty);
            let hint = "name a column of type timestamp or date";
            out.push(Diagnostic::error(Code::TypeMismatch, name.span, message).hint(hint));
            None
        }
        None => {
            let message = format!("source `{source}` has no column `{}`", name.value);
            let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
            out.push(with_suggestion(diagnostic, &name.value, columns.iter().map(|c| c.name.as_str()), "column"));
            None
        }
    }
}

/// The columns of a source that lists none: those of the lock.
fn unlisted(name: &Spanned<String>, found: &Found<'_>, out: &mut Vec<Diagnostic>) -> Option<Vec<Column>> {
    match found {
        Found::Table(table, _) => Some(lock::all_columns(table, name.span)),
        Found::Broken => None,
        Found::NoLock => {
            let message = format!("source `{}` lists no columns, and the project has no {LOCK_FILE}", name.value);
            let hint = "run `springline catalog` once to take them from the warehouse, or list them in `columns:`";
            out.push(Diagnostic::error(Code::NotInCatalog, name.span, message).hint(hint));
            None
        }
    }
}

fn read_column(
    name: &Spanned<String>,
    entry: ColumnEntry,
    found: &Found<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Column> {
    if name.value.trim().is_empty() {
        out.push(Diagnostic::error(Code::InvalidValue, name.span, "a column without a name"));
        return None;
    }
    let ColumnEntry { ty, pii, label } = entry;
    let declared = match &ty {
        Some(text) => Some((read_type(text, out)?, text.span)),
        None => None,
    };
    let ty = lock::column_type(name, declared, found, out)?;
    Some(Column { name: name.value.clone(), ty, pii, label, span: name.span })
}

/// Reads the name of a type.
pub(super) fn read_type(text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<Type> {
    let read = if text.value.len() > MAX_TYPE { Err(TypeParseError::Unknown) } else { text.value.parse() };
    let diagnostic = match read {
        Ok(ty) => return Some(ty),
        Err(TypeParseError::Unknown) => {
            let lower = text.value.to_lowercase();
            let word = lower.split(['(', ' ']).next().unwrap_or_default();
            let diagnostic = Diagnostic::error(Code::InvalidValue, text.span, format!("no type `{}`", text.value));
            let hint = match word {
                "text" | "varchar" | "char" | "uuid" => "did you mean `string`?".to_owned(),
                "int" | "bigint" | "smallint" | "int64" | "int32" => "did you mean `integer`?".to_owned(),
                "numeric" | "number" | "decimal" | "money" => "write the digits: `decimal(12,2)`".to_owned(),
                "double" | "real" | "float64" => "did you mean `float`?".to_owned(),
                "datetime" | "timestamptz" => "did you mean `timestamp`?".to_owned(),
                "bool" => "did you mean `boolean`?".to_owned(),
                _ => match nearest(&lower, TypeParseError::NAMES.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("types are {}", TypeParseError::NAMES.join(", ")),
                },
            };
            diagnostic.hint(hint)
        }
        Err(TypeParseError::BadDecimal) => {
            Diagnostic::error(Code::InvalidValue, text.span, format!("`{}` is no decimal type", text.value))
                .hint("write `decimal(precision,scale)` with 1 to 38 digits, of which `scale` stand behind the point")
        }
    };
    out.push(diagnostic);
    None
}
