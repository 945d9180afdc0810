//! Turns Snowflake's refusals into [`WarehouseError`] by their codes. It must not repeat a value: what an error of data
//! quotes is one.
//!
//! <https://docs.snowflake.com/en/developer-guide/sql-api/reference#queryfailurestatus>

use super::super::http::Answer;
use crate::{ErrorKind, TargetConfig, WarehouseError, error::redact_quoted};
use serde::Deserialize;

/// Where statements go, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    target: String,
    host: String,
    role: Option<String>,
    user: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Refusal {
    code: String,
    sql_state: String,
    message: String,
}

/// Whether the error says that a table (or its schema) is not there.
pub(crate) fn is_missing_table(error: &WarehouseError) -> bool {
    error.kind() == ErrorKind::MissingTable
}

impl Place {
    pub(crate) fn new(config: &TargetConfig, host: &str) -> Self {
        let text = |name: &str| config.text(name).map(str::to_owned);
        Self { target: config.name.clone(), host: host.to_owned(), role: text("role"), user: text("user") }
    }

    pub(crate) fn new_error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> WarehouseError {
        WarehouseError::new(kind, &self.target, message)
    }

    /// The role that a grant goes to, as SQL.
    fn grantee(&self) -> String {
        self.role.as_ref().map_or_else(|| "ROLE <the user's role>".to_owned(), |role| format!("ROLE \"{role}\""))
    }

    /// An answer that is no success.
    pub(crate) fn refused(&self, answer: &Answer) -> WarehouseError {
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        // Snowflake breaks its messages into lines: the first says of what kind they are.
        let message = refusal.message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        match answer.status.as_u16() {
            401 | 403 => self.login(&refusal, &message),
            // The time that `timeout` of the request allows is over.
            // https://docs.snowflake.com/en/developer-guide/sql-api/handling-errors
            408 => self.out_of_time(&message),
            422 => self.statement(&refusal, &message),
            429 | 503 => self
                .new_error(ErrorKind::Resources, format!("Snowflake at {} takes no more requests for now", self.host))
                .with_hint("run again later, or with fewer things at once"),
            410 => self
                .new_error(ErrorKind::Connection, "the result is no longer there")
                .with_hint("Snowflake keeps a result for a day; run again"),
            status => {
                let message = if message.is_empty() { "no reason given".to_owned() } else { message };
                let message = format!("Snowflake at {} answered with status {status}: {message}", self.host);
                self.new_error(ErrorKind::Connection, message)
            }
        }
    }

    /// <https://docs.snowflake.com/en/user-guide/key-pair-auth-troubleshooting>
    fn login(&self, refusal: &Refusal, message: &str) -> WarehouseError {
        let user = self.user.as_ref().map_or_else(String::new, |user| format!(" as user `{user}`"));
        let hint = match refusal.code.as_str() {
            "390144" => {
                "compare the fingerprint that DESCRIBE USER shows (RSA_PUBLIC_KEY_FP) with that of the private key, \
                 check `account` and `user`, and the clock of this machine; a key is registered with \
                 ALTER USER ... SET RSA_PUBLIC_KEY='...'"
            }
            "390318" => "get a new token and set it as `token`",
            "390303" => "check `token` and `token_type`",
            "390195" | "390189" => "check `role`, and that it is granted to the user: GRANT ROLE ... TO USER ...",
            _ => "check `account`, `user` and the key or token; a network policy may also refuse this machine",
        };
        let message = format!("Snowflake at {} refuses to let us in{user}: {message}", self.host);
        self.new_error(ErrorKind::Connection, message).with_hint(hint)
    }

    fn statement(&self, refusal: &Refusal, message: &str) -> WarehouseError {
        match refusal.code.as_str() {
            "002003" | "002043" => self.missing_object(message),
            "000904" => self.missing_column(message),
            "003001" => self.permission(message),
            "000606" => self
                .new_error(ErrorKind::Permission, "no warehouse is there to run the statement")
                .with_hint(format!("set `warehouse`, and GRANT USAGE ON WAREHOUSE ... TO {};", self.grantee())),
            "000630" => self.out_of_time(message),
            "000604" => self
                .new_error(ErrorKind::Timeout, "the statement was cancelled at Snowflake")
                .with_hint("run again; QUERY_HISTORY shows the statement and who else may have stopped it"),
            _ => match refusal.sql_state.get(..2).unwrap_or_default() {
                "22" => self.data(message),
                "53" | "54" => self.new_error(ErrorKind::Resources, message),
                _ => self.new_error(ErrorKind::Sql, format!("{message} (code {})", refusal.code)),
            },
        }
    }

    fn out_of_time(&self, message: &str) -> WarehouseError {
        self.new_error(ErrorKind::Timeout, message)
            .with_hint("raise `statement_timeout_secs`, or STATEMENT_TIMEOUT_IN_SECONDS of the warehouse and the user")
    }

    /// Snowflake does not tell what is absent from what may not be seen.
    fn missing_object(&self, message: &str) -> WarehouseError {
        let (kind, name) = object(message);
        let message = format!("{kind} `{name}` does not exist, or {} may not see it", self.grantee());
        let grant = match kind.as_str() {
            "schema" | "database" => format!("GRANT USAGE ON {} {name} TO {};", kind.to_uppercase(), self.grantee()),
            _ => format!("GRANT SELECT ON TABLE {name} TO {};", self.grantee()),
        };
        let error = self.new_error(ErrorKind::MissingTable, message).with_table(name);
        error.with_hint(format!("check the name and its case (unquoted names are upper case), or grant it: {grant}"))
    }

    fn missing_column(&self, message: &str) -> WarehouseError {
        let name = between(message).unwrap_or_default().replace('"', "");
        let column = name.rsplit('.').next().unwrap_or_default().to_owned();
        let error = self.new_error(ErrorKind::MissingColumn, format!("there is no column `{name}`"));
        let error = match name.rsplit_once('.') {
            Some((table, _)) => error.with_table(table),
            None => error,
        };
        error.with_column(column).with_hint("check the column's name and its case: unquoted names are upper case")
    }

    fn permission(&self, message: &str) -> WarehouseError {
        let (kind, name) = object(message);
        let right = match kind.as_str() {
            "schema" => "USAGE, CREATE TABLE ON SCHEMA",
            "database" => "USAGE, CREATE SCHEMA ON DATABASE",
            "warehouse" => "USAGE ON WAREHOUSE",
            _ => "SELECT, INSERT, UPDATE, DELETE ON TABLE",
        };
        let said = message.strip_prefix("SQL access control error:").unwrap_or(message).trim();
        self.new_error(ErrorKind::Permission, format!("{}: {said}", self.grantee()))
            .with_hint(format!("grant it: GRANT {right} {name} TO {};", self.grantee()))
    }

    fn data(&self, message: &str) -> WarehouseError {
        let error = self.new_error(ErrorKind::Type, redact_quoted(message, '\'', &["identifier ", "column "]));
        match message.contains("Division by zero") {
            true => error.with_hint("guard the divisor, for example with nullif(divisor, 0)"),
            false => error,
        }
    }
}

/// What kind of object a message names, and its name: `Object 'DB.PUBLIC.T' does not exist`.
fn object(message: &str) -> (String, String) {
    let name = between(message).unwrap_or_default().replace('"', "");
    let before = message.split('\'').next().unwrap_or_default().trim();
    let kind = before.rsplit(' ').next().unwrap_or_default().to_lowercase();
    (if kind == "object" { "table".to_owned() } else { kind }, name)
}

fn between(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('\'')?;
    rest.split_once('\'').map(|(inside, _)| inside)
}
