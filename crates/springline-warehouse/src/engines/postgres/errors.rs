//! Turns Postgres errors into [`WarehouseError`] by their SQLSTATE. It must not repeat a value: the server's DETAIL
//! and the quoted parts of data errors hold rows.
//!
//! SQLSTATE codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use super::connection::Flavor;
use crate::{ErrorKind, TargetConfig, WarehouseError, error::redact_quoted};
use std::error::Error as _;
use tokio_postgres::{Error, error::DbError};

/// Where a connection goes, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    target: String,
    product: &'static str,
    login: &'static str,
    address: String,
    user: String,
    database: String,
}

/// What was tried, to name the grant that is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doing {
    Reading,
    Writing,
    Loading,
}

/// Whether the error says that a table (or its schema) is not there.
pub(crate) fn is_missing_table(error: &Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code(), "42P01" | "3F000"))
}

impl Place {
    pub(crate) fn new(target: &TargetConfig, port: u16, flavor: &'static Flavor) -> Self {
        let text = |name: &str| target.text(name).unwrap_or_default().to_owned();
        Self {
            target: target.name.clone(),
            product: flavor.product,
            login: flavor.login,
            address: format!("{}:{port}", text("host")),
            user: text("user"),
            database: text("database"),
        }
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// What the server is called.
    pub(crate) fn product(&self) -> &'static str {
        self.product
    }

    /// An error while connecting.
    pub(crate) fn connect_error(&self, error: Error) -> WarehouseError {
        let Self { address, user, database, product, .. } = self;
        let reason = match error.as_db_error() {
            Some(db) => db.message().to_owned(),
            None => causes(&error),
        };
        let message =
            format!("cannot connect to {product} at {address} (database `{database}`, user `{user}`): {reason}");
        let hint = match error.code().map(|code| code.code()) {
            Some("28P01" | "28000") => self.login,
            Some("3D000") => "check `database`",
            Some(code) if code.starts_with("53") => {
                "the server has no free connection slot: try later or raise max_connections"
            }
            Some(_) => "the server refused the session",
            None if reason.contains("password missing") => "the server asks for a password: set `password`",
            None if reason.contains("TLS") || reason.contains("certificate") => {
                "check `sslmode` and the server's certificate"
            }
            None => "check `host` and `port`, and that the server runs and can be reached from here",
        };
        WarehouseError::new(ErrorKind::Connection, &self.target, message).with_hint(hint)
    }

    /// An error of a statement.
    pub(crate) fn error(&self, error: Error, doing: Doing) -> WarehouseError {
        let Some(db) = error.as_db_error() else {
            if error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()) {
                let message = format!("the connection to {} at {} was lost", self.product, self.address);
                return self
                    .new_error(ErrorKind::Connection, message)
                    .with_hint("the server or the network ended it; run again");
            }
            return self.new_error(ErrorKind::Sql, causes(&error));
        };
        let code = db.code().code();
        match code {
            "42P01" | "3F000" => self.missing_table(db),
            "42703" => self.missing_column(db),
            "42501" => self.permission(db, doing),
            "57014" => self.new_error(ErrorKind::Timeout, db.message()).with_hint(match db.message() {
                // Of Postgres and of Redshift, whose queues cancel too.
                told if told.contains("user request") || told.contains("user's request") => {
                    "somebody cancelled it at the server, or a rule there did; run again"
                }
                _ => "raise the target's `statement_timeout_secs`, or make the statement smaller",
            }),
            "57P01" | "57P02" | "57P03" => {
                self.new_error(ErrorKind::Connection, db.message()).with_hint("the server ended the session; run again")
            }
            "42804" | "42846" | "42883" | "42P18" => self.new_error(ErrorKind::Type, db.message()),
            _ => match code.get(..2).unwrap_or_default() {
                "22" => self.data_error(db),
                "23" => self.constraint(db),
                "08" | "28" => self.new_error(ErrorKind::Connection, db.message()),
                "53" | "54" => self.new_error(ErrorKind::Resources, db.message()),
                "58" => self.new_error(ErrorKind::Io, db.message()),
                _ => self.new_error(ErrorKind::Sql, db.message()),
            },
        }
    }

    pub(crate) fn new_error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> WarehouseError {
        WarehouseError::new(kind, &self.target, message)
    }

    fn missing_table(&self, db: &DbError) -> WarehouseError {
        let database = &self.database;
        let name = between(db.message(), '"');
        let message = match (name, db.code().code()) {
            (Some(name), "42P01") => format!("table `{name}` does not exist in database `{database}`"),
            _ => format!("{} in database `{database}`", db.message()),
        };
        let error = self.new_error(ErrorKind::MissingTable, message);
        let error = name.into_iter().fold(error, |error, name| error.with_table(name));
        error.with_hint("check the name, its case and its schema (without a schema, `search_path` decides)")
    }

    fn missing_column(&self, db: &DbError) -> WarehouseError {
        let name = between(db.message(), '"').or_else(|| {
            let rest = db.message().strip_prefix("column ")?;
            rest.split_once(' ').map(|(name, _)| name)
        });
        let error = self.new_error(ErrorKind::MissingColumn, db.message());
        let error = match name.map(|name| name.rsplit_once('.').unwrap_or(("", name))) {
            Some((table, column)) if !table.is_empty() => error.with_table(table).with_column(column),
            Some((_, column)) => error.with_column(column),
            None => error,
        };
        let error = match db.message().split_once("of relation \"").and_then(|(_, rest)| rest.split_once('"')) {
            Some((table, _)) => error.with_table(table),
            None => error,
        };
        match db.hint() {
            Some(hint) => error.with_hint(hint),
            None => error.with_hint("check the column's name and its case"),
        }
    }

    fn permission(&self, db: &DbError, doing: Doing) -> WarehouseError {
        let user = &self.user;
        let message = format!("user `{user}`: {}", db.message());
        let error = self.new_error(ErrorKind::Permission, message);
        let words: Vec<&str> = db.message().split_whitespace().collect();
        let ["permission", "denied", "for", object, name, ..] = words.as_slice() else {
            let owner = format!("the owner of the object can do this, or a user granted its role to `{user}`");
            return error.with_hint(owner);
        };
        let name = name.trim_matches('"');
        let grant = match (*object, doing) {
            ("schema", Doing::Writing) => format!("GRANT USAGE, CREATE ON SCHEMA \"{name}\" TO \"{user}\""),
            ("schema", _) => format!("GRANT USAGE ON SCHEMA \"{name}\" TO \"{user}\""),
            ("database", _) => format!("GRANT CREATE ON DATABASE \"{name}\" TO \"{user}\""),
            ("function" | "procedure", _) => format!("GRANT EXECUTE ON FUNCTION {name} TO \"{user}\""),
            ("sequence", _) => format!("GRANT USAGE ON SEQUENCE \"{name}\" TO \"{user}\""),
            (_, Doing::Reading) => format!("GRANT SELECT ON \"{name}\" TO \"{user}\""),
            (_, Doing::Loading) => format!("GRANT INSERT ON \"{name}\" TO \"{user}\""),
            (_, Doing::Writing) => format!("GRANT SELECT, INSERT, UPDATE, DELETE ON \"{name}\" TO \"{user}\""),
        };
        let is_table = matches!(*object, "table" | "view" | "relation" | "materialized");
        let error = if is_table { error.with_table(name) } else { error };
        error.with_hint(format!("grant it: {grant};"))
    }

    fn data_error(&self, db: &DbError) -> WarehouseError {
        // `invalid input syntax for type integer: "jane@example.org"`: what is quoted is a value.
        let message = redact_quoted(db.message(), '"', &["column "]);
        let copied = db.where_().and_then(copied_column);
        let message = match &copied {
            Some((table, column)) => format!("column `{column}` of table `{table}`: {message}"),
            None => message,
        };
        let error = self.new_error(ErrorKind::Type, message);
        match copied {
            Some((table, column)) => error.with_table(table).with_column(column),
            None if db.code().code() == "22012" => {
                error.with_hint("guard the divisor, for example with nullif(divisor, 0)")
            }
            None => error,
        }
    }

    fn constraint(&self, db: &DbError) -> WarehouseError {
        let error = self.new_error(ErrorKind::Sql, db.message());
        let error = db.table().into_iter().fold(error, |error, table| error.with_table(table));
        db.column().into_iter().fold(error, |error, column| error.with_column(column))
    }
}

/// Table and column of a COPY's context, `COPY orders, line 3, column amount: "x"`; the value is left there.
fn copied_column(context: &str) -> Option<(String, String)> {
    let rest = context.strip_prefix("COPY ")?;
    let (table, rest) = rest.split_once(", line ")?;
    let (_, rest) = rest.split_once("column ")?;
    let column = rest.split([':', ',']).next()?.trim();
    Some((table.to_owned(), column.to_owned()))
}

fn between(message: &str, quote: char) -> Option<&str> {
    let (_, rest) = message.split_once(quote)?;
    rest.split_once(quote).map(|(inside, _)| inside)
}

/// The client's own error and what caused it; it holds no password and no row.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
