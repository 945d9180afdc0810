//! Statements as text: a query as it stands, everything else through a shell template of the dialect folder.

use minijinja::{Value, context};
use springline_ir::{ColumnDef, Merge, Query, Statement, TableName};

use crate::dialect::Dialect;
use crate::error::PrintError;
use crate::expression::Printer;
use crate::template::{Level, reason};

/// The shells and the variables each may use.
pub(crate) const SHELLS: &[(&str, &[&str])] = &[
    ("create_schema", &["schema"]),
    ("create_table", &["table", "columns"]),
    ("replace_table", &["table", "name", "staging", "query"]),
    ("append", &["table", "columns", "query"]),
    ("delete", &["table", "condition"]),
    ("add_column", &["table", "column"]),
    ("analyze", &["table"]),
    ("drop_table", &["table"]),
    ("merge", &["table", "source", "key", "columns", "updates", "delete"]),
];

/// The shells that every dialect has; the others are capabilities.
pub(crate) const REQUIRED_SHELLS: &[&str] = &["create_schema", "create_table", "replace_table", "append", "drop_table"];

/// What is put behind a table's name for the table that is filled before it takes that name.
const STAGING: &str = "__new";

/// Prints a statement as readable SQL, without a semicolon at the end unless it is a script of several.
///
/// An aggregate's `order_by` runs from the earliest row to the latest, for `first` and for `last` alike; of rows at
/// one place in that order the smallest value is taken.
///
/// # Errors
/// The dialect lacks a function, a statement or a way to write a name or a value; see [`PrintError`].
pub fn print(dialect: &Dialect, statement: &Statement) -> Result<String, PrintError> {
    match statement {
        Statement::Query(query) => query_text(dialect, query),
        Statement::CreateSchema { schema } => {
            shell(dialect, "create_schema", context! { schema => dialect.quote_identifier(schema)? })
        }
        Statement::CreateTable { table, columns } => {
            let columns: Vec<Value> =
                columns.iter().map(|column| column_value(dialect, column)).collect::<Result<_, PrintError>>()?;
            not_empty(&columns)?;
            shell(dialect, "create_table", context! { table => table_text(dialect, table)?, columns })
        }
        Statement::ReplaceTable { table, query } => {
            let mut staging = table.clone();
            if let Some(last) = staging.parts.last_mut() {
                last.push_str(STAGING);
            }
            let context = context! {
                table => table_text(dialect, table)?,
                name => dialect.quote_identifier(table.table())?,
                staging => table_text(dialect, &staging)?,
                query => query_text(dialect, query)?,
            };
            shell(dialect, "replace_table", context)
        }
        Statement::Append { table, columns, query } => {
            not_empty(columns)?;
            let context = context! {
                table => table_text(dialect, table)?,
                columns => names(dialect, columns)?,
                query => query_text(dialect, query)?,
            };
            shell(dialect, "append", context)
        }
        Statement::Merge(merge) => print_merge(dialect, merge),
        Statement::Delete { table, filter } => {
            let mut printer = Printer::new(dialect);
            printer.expr(filter, Level::Or)?;
            shell(dialect, "delete", context! { table => table_text(dialect, table)?, condition => printer.out })
        }
        Statement::AddColumn { table, column } => {
            let column = column_value(dialect, column)?;
            shell(dialect, "add_column", context! { table => table_text(dialect, table)?, column })
        }
        Statement::Analyze { table } => shell(dialect, "analyze", context! { table => table_text(dialect, table)? }),
        Statement::DropTable { table } => {
            shell(dialect, "drop_table", context! { table => table_text(dialect, table)? })
        }
    }
}

/// A column to make: its `name` and `type` as the dialect writes them.
fn column_value(dialect: &Dialect, column: &ColumnDef) -> Result<Value, PrintError> {
    let mut ty = String::new();
    dialect.write_type(&column.ty, &mut ty);
    Ok(context! { name => dialect.quote_identifier(&column.name)?, type => ty })
}

fn print_merge(dialect: &Dialect, merge: &Merge) -> Result<String, PrintError> {
    not_empty(&merge.key)?;
    let updates: Vec<String> = merge.columns.iter().filter(|column| !merge.key.contains(column)).cloned().collect();
    let context = context! {
        table => table_text(dialect, &merge.table)?,
        source => table_text(dialect, &merge.source)?,
        key => names(dialect, &merge.key)?,
        columns => names(dialect, &merge.columns)?,
        updates => names(dialect, &updates)?,
        delete => dialect.quote_identifier(&merge.delete)?,
    };
    shell(dialect, "merge", context)
}

fn not_empty<T>(columns: &[T]) -> Result<(), PrintError> {
    if columns.is_empty() { Err(PrintError::Empty("the list of columns")) } else { Ok(()) }
}

fn names(dialect: &Dialect, names: &[String]) -> Result<Vec<String>, PrintError> {
    names.iter().map(|name| dialect.quote_identifier(name)).collect()
}

fn table_text(dialect: &Dialect, table: &TableName) -> Result<String, PrintError> {
    let mut printer = Printer::new(dialect);
    printer.table(table)?;
    Ok(printer.out)
}

fn query_text(dialect: &Dialect, query: &Query) -> Result<String, PrintError> {
    let mut printer = Printer::new(dialect);
    printer.query(query)?;
    Ok(printer.out)
}

fn shell(dialect: &Dialect, statement: &'static str, context: Value) -> Result<String, PrintError> {
    let Some(template) = dialect.shells.get(statement) else {
        return Err(PrintError::Statement { dialect: dialect.name().to_owned(), statement });
    };
    let text = dialect.environment.render_str(template, context).map_err(|error| PrintError::Shell {
        dialect: dialect.name().to_owned(),
        statement,
        reason: reason(&error),
    })?;
    Ok(text.trim().to_owned())
}
