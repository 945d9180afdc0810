//! Turns the errors of Databricks into [`WarehouseError`] by their condition and SQLSTATE. It must not repeat a value:
//! what stands between quotes in an error of data is one, and so may be anything in a plan that follows a message.
//!
//! Conditions: <https://docs.databricks.com/aws/en/error-messages/error-classes>.

use crate::{ErrorKind, TargetConfig, WarehouseError, engines::http::Answer, error::redact_quoted};
use serde_json::Value;

/// Where statements go, as errors name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    target: String,
    host: String,
    warehouse: String,
    principal: String,
}

impl Place {
    pub(super) fn new(config: &TargetConfig, host: &str) -> Self {
        Self {
            target: config.name.clone(),
            host: host.to_owned(),
            warehouse: config.text("warehouse_id").unwrap_or_default().to_owned(),
            principal: config.text("client_id").unwrap_or("<user>").to_owned(),
        }
    }

    pub(super) fn error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> WarehouseError {
        WarehouseError::new(kind, &self.target, message)
    }

    /// A statement that somebody else has stopped.
    pub(super) fn cancelled(&self) -> WarehouseError {
        self.error(ErrorKind::Timeout, "the statement was cancelled at the server")
            .with_hint("the query history of the SQL warehouse tells by whom; run the command again")
    }

    /// Whether it was the token that is not accepted. A token that is unknown or has expired gets 401, or 403 with
    /// `Invalid access token` or `token expired`.
    pub(super) fn is_token_refused(answer: &Answer) -> bool {
        match answer.status.as_u16() {
            401 => true,
            403 => said(answer).to_ascii_lowercase().contains("token"),
            _ => false,
        }
    }

    /// A request that was not taken.
    pub(super) fn refused(&self, answer: &Answer) -> WarehouseError {
        let said = said(answer);
        let said = said.trim();
        let Self { host, warehouse, .. } = self;
        let (kind, what, hint) = match answer.status.as_u16() {
            _ if Self::is_token_refused(answer) => (
                ErrorKind::Connection,
                format!("Databricks at {host} does not accept the token"),
                "it may have expired or been revoked: make a new one, or use `client_id` and `client_secret`"
                    .to_owned(),
            ),
            403 => (
                ErrorKind::Permission,
                format!("Databricks at {host} refuses the SQL warehouse `{warehouse}`: {said}"),
                "grant `CAN USE` on the SQL warehouse: SQL warehouses, its name, Permissions".to_owned(),
            ),
            400 | 404 => (
                ErrorKind::Config,
                format!("Databricks at {host} does not take the request: {}", redact_quoted(said, '\'', &[])),
                "check `warehouse_id`, `catalog` and `schema`".to_owned(),
            ),
            429 | 503 => (
                ErrorKind::Resources,
                format!("Databricks at {host} has no room for the statement: {said}"),
                "the SQL warehouse is starting or full: try later, or let it grow".to_owned(),
            ),
            status => (
                ErrorKind::Connection,
                format!("Databricks at {host} gave status {status}: {said}"),
                "check `host`; if it is right, try later".to_owned(),
            ),
        };
        self.error(kind, what).with_hint(hint)
    }

    /// A statement that failed, by its message: `[CONDITION.PART] text SQLSTATE: 42P01; line 1 pos 14; plan`.
    pub(super) fn failed(&self, message: &str, state: Option<&str>) -> WarehouseError {
        let condition = message.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let condition = condition.map_or("", |(condition, _)| condition);
        let (text, after) = message.split_once("SQLSTATE: ").unwrap_or((message, ""));
        let text = text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let state = state.or_else(|| after.get(..5)).unwrap_or_default().to_owned();
        match condition.split('.').next().unwrap_or_default() {
            "TABLE_OR_VIEW_NOT_FOUND" | "SCHEMA_NOT_FOUND" | "CATALOG_NOT_FOUND" | "NO_SUCH_CATALOG_EXCEPTION" => {
                self.missing_table(&text)
            }
            "UNRESOLVED_COLUMN" | "UNRESOLVED_FIELD" | "FIELD_NOT_FOUND" | "COLUMN_NOT_FOUND" => {
                self.missing_column(&text)
            }
            "DIVIDE_BY_ZERO" => self
                .error(ErrorKind::Type, "[DIVIDE_BY_ZERO] Division by zero.")
                .with_hint("guard the divisor, for example with nullif(divisor, 0)"),
            "DATATYPE_MISMATCH" | "INCOMPATIBLE_DATA_FOR_TABLE" | "DELTA_FAILED_TO_MERGE_FIELDS" => {
                self.error(ErrorKind::Type, redacted(&text))
            }
            "INSUFFICIENT_PERMISSIONS" | "PERMISSION_DENIED" => self.permission(&text),
            _ => self.by_state(&text, &state),
        }
    }

    fn by_state(&self, text: &str, state: &str) -> WarehouseError {
        let error = |kind| self.error(kind, redacted(text));
        match (state, state.get(..2).unwrap_or_default()) {
            ("42501", _) => self.permission(text),
            ("57014" | "57KD0", _) | ("HY008", _) => error(ErrorKind::Timeout),
            ("42601", _) => self.error(ErrorKind::Sql, text),
            ("42804" | "42846" | "42K09" | "42883", _) | (_, "22") => error(ErrorKind::Type),
            (_, "08" | "28") => error(ErrorKind::Connection),
            (_, "53" | "54" | "57") => error(ErrorKind::Resources),
            (_, "58") => error(ErrorKind::Io),
            _ => error(ErrorKind::Sql),
        }
    }

    fn missing_table(&self, text: &str) -> WarehouseError {
        let error = self.error(ErrorKind::MissingTable, first_sentence(text));
        let error = match name_in(text) {
            Some(parts) => error.with_table(parts.join(".")),
            None => error,
        };
        error.with_hint("check the name, and the target's `catalog` and `schema`")
    }

    fn missing_column(&self, text: &str) -> WarehouseError {
        let error = self.error(ErrorKind::MissingColumn, first_sentence(text));
        let parts = name_in(text).unwrap_or_default();
        let error = match parts.as_slice() {
            [] => error,
            [column] => error.with_column(column),
            [table @ .., column] => error.with_table(table.join(".")).with_column(column),
        };
        let known = text.split_once("Did you mean one of the following? [").and_then(|(_, rest)| rest.split_once(']'));
        match known {
            Some((known, _)) => error.with_hint(format!("did you mean one of {known}?")),
            None => error.with_hint("check the column's name"),
        }
    }

    /// `User does not have SELECT on Table 'main.crm.orders'.`
    fn permission(&self, text: &str) -> WarehouseError {
        let error = self.error(ErrorKind::Permission, text);
        let parsed = text.split_once("does not have ").and_then(|(_, rest)| {
            let (privilege, rest) = rest.trim_start_matches("permission ").split_once(" on ")?;
            let (kind, rest) = rest.split_once(' ')?;
            let name = rest.trim_start_matches(['\'', '`']).split(['\'', '`']).next()?;
            Some((privilege.to_owned(), kind.to_uppercase(), name.to_owned()))
        });
        let Some((privilege, kind, name)) = parsed else {
            return error.with_hint("the owner of the object, or an admin of the metastore, can grant it");
        };
        let quoted: Vec<String> = name.split('.').map(super::quoted_name).collect();
        let grant = format!("GRANT {privilege} ON {kind} {} TO `{}`", quoted.join("."), self.principal);
        let error = if kind == "TABLE" || kind == "VIEW" { error.with_table(&name) } else { error };
        error.with_hint(format!("grant it: {grant};"))
    }
}

/// What an answer that is an error says.
fn said(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["message"].as_str().unwrap_or("no reason was given").to_owned()
}

/// Without the values, which stand in quotes; types and columns stand in double quotes or backticks.
fn redacted(text: &str) -> String {
    redact_quoted(text, '\'', &["near "])
}

/// Up to what the server advises, which our own hint says better.
fn first_sentence(text: &str) -> String {
    let sentence = text.split(". ").next().unwrap_or(text).trim_end_matches('.');
    sentence.to_owned()
}

/// The first name in backticks, in its parts.
fn name_in(text: &str) -> Option<Vec<String>> {
    let (_, rest) = text.split_once('`')?;
    let end = rest.find("` ").or_else(|| rest.rfind('`'))?;
    Some(rest[..end].split("`.`").map(|part| part.replace("``", "`")).collect())
}
