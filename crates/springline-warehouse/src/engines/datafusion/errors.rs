//! Turns the query engine's errors into [`WarehouseError`]: kind, table, column and a hint. The engine quotes values
//! in its messages, and values may be a person's data, so quoted parts are cut out here.

use super::catalog::Scope;
use crate::{ErrorKind, WarehouseError, error::redact_quoted};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use std::io;

/// Maps an error of planning or running a statement; `scope` knows what the statement asked for.
pub(crate) fn map(error: DataFusionError, scope: &Scope) -> WarehouseError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<WarehouseError>() {
            Ok(known) => *known,
            Err(other) => match other.downcast::<ArrowError>() {
                Ok(arrow) => map_ref(&DataFusionError::ArrowError(arrow, None), scope),
                Err(other) => plain(ErrorKind::Sql, &other.to_string(), scope),
            },
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => map(*inner, scope),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => map(first, scope),
            None => plain(ErrorKind::Sql, "the statement failed", scope),
        },
        other => map_ref(&other, scope),
    }
}

fn map_ref(error: &DataFusionError, scope: &Scope) -> WarehouseError {
    match error {
        DataFusionError::Shared(inner) => map_ref(inner, scope),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => map_ref(inner, scope),
        DataFusionError::External(inner) => match inner.downcast_ref::<WarehouseError>() {
            Some(known) => known.clone(),
            None => plain(ErrorKind::Sql, &inner.to_string(), scope),
        },
        DataFusionError::SchemaError(inner, _) => schema_error(inner, scope),
        DataFusionError::SQL(inner, _) => plain(ErrorKind::Sql, &inner.to_string(), scope),
        DataFusionError::ArrowError(inner, _) => arrow_error(inner, scope),
        DataFusionError::IoError(inner) => io_error(inner, scope),
        DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) => {
            plain(ErrorKind::Io, &error.strip_backtrace(), scope)
                .with_hint("is the file whole, and readable by this user?")
        }
        DataFusionError::ResourcesExhausted(message) => plain(ErrorKind::Resources, message, scope)
            .with_hint("raise the target's `memory_limit`, or lower `threads` so that fewer parts are held at once"),
        DataFusionError::Plan(message) => plan_error(message, scope),
        other => execution_error(&other.strip_backtrace(), scope),
    }
}

fn plain(kind: ErrorKind, message: &str, scope: &Scope) -> WarehouseError {
    WarehouseError::new(kind, scope.target(), first_line(message))
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message).trim()
}

fn schema_error(error: &SchemaError, scope: &Scope) -> WarehouseError {
    let SchemaError::FieldNotFound { field, valid_fields } = error else {
        return plain(ErrorKind::Sql, &error.to_string(), scope);
    };
    let table = field.relation.as_ref().map(|relation| super::catalog::shown(&relation.to_string()));
    let message = match &table {
        Some(table) => format!("column `{}` does not exist in `{table}`", field.name),
        None => format!("column `{}` does not exist", field.name),
    };
    let mut names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
    names.truncate(30);
    let mut mapped = WarehouseError::new(ErrorKind::MissingColumn, scope.target(), message).with_column(&field.name);
    if let Some(table) = table {
        mapped = mapped.with_table(table);
    }
    if names.is_empty() { mapped } else { mapped.with_hint(format!("the columns there are {}", names.join(", "))) }
}

fn plan_error(message: &str, scope: &Scope) -> WarehouseError {
    if let Some(missing) = scope.missing_in(message) {
        return missing;
    }
    let lower = message.to_lowercase();
    let is_type =
        ["coerc", "common argument type", "cannot infer", "cannot cast", "no function matches", "unsupported cast"];
    let kind = if is_type.iter().any(|part| lower.contains(part)) { ErrorKind::Type } else { ErrorKind::Sql };
    plain(kind, &super::catalog::shown(message), scope)
}

fn execution_error(message: &str, scope: &Scope) -> WarehouseError {
    let redacted = redact_quoted(first_line(message), '\'', &[]);
    let lower = redacted.to_lowercase();
    let is_type = ["cast", "parse", "overflow", "divide by zero", "out of range", "convert"];
    let kind = if is_type.iter().any(|part| lower.contains(part)) { ErrorKind::Type } else { ErrorKind::Sql };
    plain(kind, &redacted, scope)
}

fn io_error(error: &io::Error, scope: &Scope) -> WarehouseError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Resources,
        _ => ErrorKind::Io,
    };
    plain(kind, &error.to_string(), scope)
}

fn arrow_error(error: &ArrowError, scope: &Scope) -> WarehouseError {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => map_ref(inner, scope),
            None => match inner.downcast_ref::<WarehouseError>() {
                Some(known) => known.clone(),
                None => plain(ErrorKind::Sql, &inner.to_string(), scope),
            },
        },
        ArrowError::IoError(_, inner) => io_error(inner, scope),
        ArrowError::DivideByZero => plain(ErrorKind::Type, "division by zero", scope)
            .with_hint("guard the divisor, for example with `nullif(divisor, 0)`"),
        ArrowError::ParseError(message) | ArrowError::CsvError(message) => csv_error(message, scope),
        ArrowError::JsonError(message) => json_error(message, scope),
        ArrowError::CastError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::InvalidArgumentError(message) => {
            let message = redact_quoted(&redact_quoted(first_line(message), '\'', &[]), '"', &[]);
            plain(ErrorKind::Type, &cut_value(&message), scope)
        }
        other => plain(ErrorKind::Type, first_line(&redact_quoted(&other.to_string(), '\'', &[])), scope),
    }
}

/// The CSV reader says "value '..' as type 'Int64' for column 2 at line 3. Row data: '..'": only type, column and line
/// may be repeated, and the column's name says more than its number.
fn csv_error(message: &str, scope: &Scope) -> WarehouseError {
    let number = |label: &str| -> Option<usize> {
        let digits = message.split(label).nth(1)?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse().ok()
    };
    let type_name = message.split("as type '").nth(1).and_then(|rest| rest.split('\'').next());
    let (Some(column), Some(line)) = (number("column "), number("at line ")) else {
        // Such as a wrong number of fields: the words hold no value. A failed cast quotes the value.
        return plain(ErrorKind::Type, &redact_quoted(first_line(message), '\'', &[]), scope);
    };
    let wanted = type_name.map_or_else(|| "its type".to_owned(), |name| format!("type {name}"));
    match scope.csv_column(column, type_name) {
        Some((table, name)) => {
            let message =
                format!("a value of column `{name}` of table `{table}` does not fit {wanted} (near line {line})");
            plain(ErrorKind::Type, &message, scope)
                .with_table(table)
                .with_column(name)
                .with_hint("declare the column as text, or mend the file")
        }
        None => {
            let message = format!("a value of CSV column {} does not fit {wanted} (near line {line})", column + 1);
            plain(ErrorKind::Type, &message, scope).with_hint("declare the column as text, or mend the file")
        }
    }
}

/// The JSON reader says "whilst decoding field 'amount': expected number got <value>".
fn json_error(message: &str, scope: &Scope) -> WarehouseError {
    let column = message.rsplit("decoding field '").next().filter(|rest| rest.len() < message.len());
    match column.and_then(|rest| rest.split_once('\'')) {
        Some((name, rest)) => {
            let reason = cut_value(&redact_quoted(rest.trim_start_matches([':', ' ']), '"', &[]));
            let message = format!("a value of the JSON column `{name}` does not fit its type: {reason}");
            plain(ErrorKind::Type, &message, scope)
                .with_column(name)
                .with_hint("declare the column with the type that the file has")
        }
        None => plain(ErrorKind::Type, &format!("a JSON file cannot be read: {}", cut_value(message)), scope),
    }
}

/// Cuts the bare value of "expected .. got VALUE" and "failed to parse VALUE as ..".
fn cut_value(message: &str) -> String {
    let message = message.split_once(" got ").map_or(message, |(before, _)| before);
    match (message.split_once("failed to parse "), message.rsplit_once(" as ")) {
        (Some((before, _)), Some((_, wanted))) => format!("{before}failed to parse … as {wanted}"),
        _ => message.to_owned(),
    }
}
