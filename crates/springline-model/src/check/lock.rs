//! The catalog lock while a project is checked: reading it, and what it says about a source.

use std::collections::HashMap;

use springline_ir::{TableName, Type};

use crate::lock::{NOT_NULL, UNKNOWN};
use crate::syntax::{self, Decode, LockColumns, LockDecl, LockTableDecl, Spanned};
use crate::{Code, Column, Diagnostic, FileId, LOCK_FILE, Lock, LockColumn, LockTable, LockType, Span};

use super::names::with_suggestion;

/// The version of the lock that is written.
const VERSION: u64 = 1;
/// What every message about the lock ends with.
const RUN: &str = "run `springline catalog` to read the warehouse again";
const CHANGED: &str = "if the table has changed, run `springline catalog` to read the warehouse again";

/// A lock and where its tables stand.
#[derive(Debug)]
pub(crate) struct ReadLock {
    pub lock: Lock,
    places: HashMap<String, (usize, Span)>,
}

/// What is known of the warehouse without asking it.
#[derive(Debug)]
pub(super) enum Known {
    /// The project has no lock.
    Nothing,
    /// The lock cannot be read, which is reported: what depends on it keeps silent.
    Broken,
    Lock(ReadLock),
}

/// The table of a source.
pub(super) enum Found<'a> {
    /// There is no lock to ask.
    NoLock,
    /// Reported.
    Broken,
    Table(&'a LockTable, Span),
}

/// Reads the lock; `None` if it cannot be read, which is reported.
pub(crate) fn read_lock(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Option<ReadLock> {
    let problems = out.len();
    let decl = syntax::parse(file, text, out).and_then(|node| LockDecl::decode(&node, out));
    let mut read = ReadLock { lock: Lock::default(), places: HashMap::new() };
    if let Some(version) = decl.as_ref().map(|decl| &decl.version).filter(|version| version.value != VERSION) {
        let message = format!("version {} of the catalog lock is not known", version.value);
        out.push(Diagnostic::error(Code::InvalidValue, version.span, message));
    }
    for (name, table) in decl.map(|decl| decl.tables.0).unwrap_or_default() {
        if let Some(table) = table {
            read.places.insert(name.value.clone(), (read.lock.tables.len(), name.span));
            read.lock.tables.push(lock_table(name.value, table, out));
        }
    }
    for diagnostic in &mut out[problems..] {
        diagnostic.hint = Some(format!("{RUN} and write {LOCK_FILE} anew"));
    }
    (out.len() == problems).then_some(read)
}

fn lock_table(name: String, decl: LockTableDecl, out: &mut Vec<Diagnostic>) -> LockTable {
    let LockTableDecl { rows, primary_key, columns } = decl;
    LockTable {
        name,
        rows: rows.map(|r| r.value),
        primary_key: primary_key.into_iter().map(|c| c.value).collect(),
        columns: lock_columns(columns, out),
    }
}

fn lock_columns(columns: LockColumns, out: &mut Vec<Diagnostic>) -> Vec<LockColumn> {
    let mut list = Vec::new();
    for (name, text) in columns.0 {
        let Some(text) = text else { continue };
        let (word, nullable) = match text.value.strip_suffix(NOT_NULL) {
            Some(word) => (word, false),
            None => (text.value.as_str(), true),
        };
        let ty = match word.strip_prefix(UNKNOWN) {
            Some(native) => Some(LockType::Unknown(native.to_owned())),
            None => word.parse().ok().map(LockType::Known),
        };
        match ty {
            Some(ty) => list.push(LockColumn { name: name.value, ty, nullable }),
            None => out.push(Diagnostic::error(Code::InvalidValue, text.span, format!("no type `{word}`"))),
        }
    }
    list
}

impl Known {
    /// What the lock says of a source's table; a table that it does not have is reported.
    pub fn table(&self, source: &str, table: &TableName, place: Span, out: &mut Vec<Diagnostic>) -> Found<'_> {
        let read = match self {
            Known::Nothing => return Found::NoLock,
            Known::Broken => return Found::Broken,
            Known::Lock(read) => read,
        };
        if let Some((index, span)) = read.places.get(&table.to_string()) {
            return Found::Table(&read.lock.tables[*index], *span);
        }
        // A table without a name was reported where the source says it.
        if !table.parts.is_empty() {
            let message = format!("{LOCK_FILE} has no table `{table}`, which source `{source}` reads");
            let mut diagnostic = Diagnostic::error(Code::UnknownTable, place, message).hint(RUN);
            let known = read.lock.tables.iter().map(|t| t.name.as_str());
            if let Some(near) = syntax::nearest(&table.to_string(), known) {
                diagnostic = diagnostic.hint(format!("did you mean `{near}`? If the table is new, {RUN}"));
            }
            out.push(diagnostic);
        }
        Found::Broken
    }

    /// The lock, if there is one that can be read.
    pub fn into_lock(self) -> Option<Lock> {
        match self {
            Known::Lock(read) => Some(read.lock),
            Known::Nothing | Known::Broken => None,
        }
    }
}

/// All columns of a table that the language can read, for a source that names none.
pub(super) fn all_columns(table: &LockTable, span: Span) -> Vec<Column> {
    let column = |column: &LockColumn| {
        let ty = column.ty.known()?.clone();
        Some(Column { name: column.name.clone(), ty, pii: None, label: None, span })
    };
    table.columns.iter().filter_map(column).collect()
}

/// The type of a column that a source names: the declared one, which must be the lock's, or the lock's.
pub(super) fn column_type(
    name: &Spanned<String>,
    declared: Option<(Type, Span)>,
    found: &Found<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Type> {
    let (table, place) = match found {
        Found::Table(table, place) => (*table, *place),
        Found::NoLock if declared.is_none() => {
            let message = format!("column `{}` has no type, and the project has no {LOCK_FILE}", name.value);
            let hint =
                format!("write `{}: string`, or run `springline catalog` once to take it from there", name.value);
            out.push(Diagnostic::error(Code::NotInCatalog, name.span, message).hint(hint));
            return None;
        }
        Found::NoLock | Found::Broken => return declared.map(|(ty, _)| ty),
    };
    let Some(column) = table.column(&name.value) else {
        out.push(missing(name, table, place));
        return declared.map(|(ty, _)| ty);
    };
    match (declared, &column.ty) {
        (None, LockType::Known(ty)) => Some(ty.clone()),
        (None, LockType::Unknown(native)) => {
            let message = format!("column `{}` has the type {native}, which the language does not have", name.value);
            let hint = "leave the column out, or read a view that casts it";
            let diagnostic = Diagnostic::error(Code::CatalogType, name.span, message).also(place, "the table");
            out.push(diagnostic.hint(hint));
            None
        }
        (Some((ty, at)), found) => {
            if !found.fits(&ty) {
                let message =
                    format!("column `{}` is declared as {ty}, but is {found} according to {LOCK_FILE}", name.value);
                let diagnostic = Diagnostic::error(Code::CatalogType, at, message).also(place, "the table");
                out.push(diagnostic.hint(format!("declare it as {found}, or leave the type out; {CHANGED}")));
            }
            Some(ty)
        }
    }
}

fn missing(name: &Spanned<String>, table: &LockTable, place: Span) -> Diagnostic {
    let message = format!("table `{}` of {LOCK_FILE} has no column `{}`", table.name, name.value);
    let diagnostic = Diagnostic::error(Code::UnknownColumn, name.span, message).also(place, "the table");
    let known = table.columns.iter().map(|c| c.name.as_str());
    let mut diagnostic = with_suggestion(diagnostic, &name.value, known, "column");
    diagnostic.hint = Some(match diagnostic.hint {
        Some(hint) => format!("{hint}; {CHANGED}"),
        None => RUN.to_owned(),
    });
    diagnostic
}
