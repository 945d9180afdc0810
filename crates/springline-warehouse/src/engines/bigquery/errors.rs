//! Turns BigQuery's errors into [`WarehouseError`] by their reason. It must not repeat a value: messages about data
//! quote it.
//!
//! Reasons: <https://cloud.google.com/bigquery/docs/error-messages>.

use crate::{ErrorKind, TargetConfig, WarehouseError, error::redact_quoted};
use serde::Deserialize;

/// The body of an answer that is an error.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failed {
    pub(super) error: Failure,
}

/// What went wrong, of a request or of a job.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) errors: Vec<Failure>,
}

impl Failure {
    /// The reason, which a request's error has one level below.
    pub(super) fn reason(&self) -> &str {
        self.errors.first().map_or(self.reason.as_str(), |first| first.reason.as_str())
    }

    /// Whether the same job may well succeed when it is run again.
    pub(super) fn passes(&self) -> bool {
        matches!(
            self.reason(),
            "backendError" | "internalError" | "jobBackendError" | "jobInternalError" | "jobRateLimitExceeded"
        )
    }
}

/// Where requests go and as whom, as errors name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) target: String,
    pub(super) project: String,
    pub(super) user: Option<String>,
}

impl Place {
    pub(super) fn new(config: &TargetConfig, user: Option<&str>) -> Self {
        let project = config.text("project").unwrap_or_default().to_owned();
        Self { target: config.name.clone(), project, user: user.map(str::to_owned) }
    }

    pub(super) fn new_error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> WarehouseError {
        WarehouseError::new(kind, &self.target, message)
    }

    /// An error of a request or of a job; `status` is 0 for a job.
    pub(super) fn error(&self, status: u16, failure: &Failure) -> WarehouseError {
        let message = failure.message.as_str();
        match failure.reason() {
            _ if status == 401 => self.unauthorized(message),
            "accessDenied" => self.permission(message),
            "notFound" => self.missing(message),
            "quotaExceeded" | "rateLimitExceeded" | "resourcesExceeded" | "responseTooLarge" => {
                let error = self.new_error(ErrorKind::Resources, message);
                error.with_hint("https://cloud.google.com/bigquery/quotas says what is allowed; try again later")
            }
            "bytesBilledLimitExceeded" => self
                .new_error(ErrorKind::Resources, message)
                .with_hint("raise the target's `maximum_bytes_billed`, or make the statement read less"),
            "stopped" | "timeout" => {
                let hint = if message.to_ascii_lowercase().contains("timed out") {
                    "raise the target's `statement_timeout_secs`, or make the statement smaller"
                } else {
                    "somebody or something else has cancelled it: run again"
                };
                self.new_error(ErrorKind::Timeout, message).with_hint(hint)
            }
            "blocked" | "billingNotEnabled" | "billingTierLimitExceeded" => {
                self.new_error(ErrorKind::Permission, message)
            }
            "backendError" | "internalError" | "jobBackendError" | "jobInternalError" => {
                self.new_error(ErrorKind::Connection, message).with_hint("an error inside BigQuery; run again")
            }
            _ if status >= 500 => self.new_error(ErrorKind::Connection, message),
            _ => self.statement(message),
        }
    }

    fn unauthorized(&self, message: &str) -> WarehouseError {
        self.new_error(ErrorKind::Connection, format!("BigQuery refuses the credentials: {message}"))
            .with_hint("the token has expired or is not for BigQuery: check `credentials` or `token`")
    }

    /// `Access Denied: Table p:d.t: User does not have ...`
    fn permission(&self, message: &str) -> WarehouseError {
        let who = match &self.user {
            Some(account) => format!("serviceAccount:{account}"),
            None => "user:NAME".to_owned(),
        };
        let error = self.new_error(ErrorKind::Permission, message);
        let object = |kind: &str| {
            let (_, rest) = message.split_once(&format!("Access Denied: {kind} "))?;
            Some(rest.split(": ").next()?.replace(':', "."))
        };
        if let Some(table) = object("Table") {
            let role = if message.contains("query table") || message.contains("getData") { "Viewer" } else { "Editor" };
            let hint = format!("grant it: GRANT `roles/bigquery.data{role}` ON TABLE `{table}` TO \"{who}\";");
            return error.with_table(table).with_hint(hint);
        }
        if let Some(dataset) = object("Dataset") {
            let hint = format!("grant it: GRANT `roles/bigquery.dataEditor` ON SCHEMA `{dataset}` TO \"{who}\";");
            return error.with_hint(hint);
        }
        // Who may make datasets may run jobs too.
        let role = if message.contains("bigquery.datasets.create") { "user" } else { "jobUser" };
        let project = &self.project;
        error.with_hint(format!(
            "grant it: gcloud projects add-iam-policy-binding {project} --member={who} --role=roles/bigquery.{role}"
        ))
    }

    /// `Not found: Table p:d.t was not found in location US`
    fn missing(&self, message: &str) -> WarehouseError {
        let word = |what: &str| {
            let (_, rest) = message.split_once(&format!("Not found: {what} "))?;
            Some(rest.split_whitespace().next()?.replace(':', "."))
        };
        if let Some(table) = word("Table") {
            let message = format!("table `{table}` does not exist");
            return self
                .new_error(ErrorKind::MissingTable, message)
                .with_table(table)
                .with_hint("check the name, its case and its dataset (without one it is the target's `dataset`)");
        }
        if let Some(dataset) = word("Dataset") {
            return self
                .new_error(ErrorKind::MissingTable, format!("dataset `{dataset}` does not exist here"))
                .with_hint("check `dataset` and `location`: a job sees the datasets of its own location only");
        }
        self.new_error(ErrorKind::Config, message).with_hint("check `project` and `location`")
    }

    fn statement(&self, message: &str) -> WarehouseError {
        for begin in ["Unrecognized name: ", "No such field: ", "Column "] {
            let name = message.split_once(begin).map(|(_, rest)| rest);
            let name = name.and_then(|rest| rest.split([' ', ';', '[', '\n']).next());
            let is_column = begin != "Column " || message.contains("is not present in table");
            if let Some(name) = name.filter(|_| is_column) {
                let name = name.trim_matches('`').trim_end_matches('.');
                return self
                    .new_error(ErrorKind::MissingColumn, message)
                    .with_column(name)
                    .with_hint("check the column's name");
            }
        }
        if let Some((_, rest)) = message.split_once("Name ")
            && let Some((name, _)) = rest.split_once(" not found inside ")
        {
            return self.new_error(ErrorKind::MissingColumn, message).with_column(name);
        }
        if is_about_data(message) {
            let error = self.new_error(ErrorKind::Type, without_values(message));
            return if message.contains("division by zero") {
                error.with_hint("guard the divisor, for example with nullif(divisor, 0)")
            } else {
                error
            };
        }
        self.new_error(ErrorKind::Sql, without_values(message))
    }
}

/// What BigQuery says of values and types.
fn is_about_data(message: &str) -> bool {
    [
        " value: ",
        "Invalid ",
        "Could not cast",
        "Could not parse",
        "Could not convert",
        "division by zero",
        "overflow",
        "out of range",
        "not in range",
        "No matching signature",
        "cannot be coerced",
        "which cannot be inserted",
        "Error while reading data",
        "Required field",
        "too large",
    ]
    .iter()
    .any(|part| message.contains(part))
}

/// The message without what may be a value of a row: what is quoted, and what follows `value:`.
fn without_values(message: &str) -> String {
    let message = redact_quoted(&redact_quoted(message, '"', &[]), '\'', &["field ", "column "]);
    for begin in [" value: ", "Value: ", "Invalid timestamp: ", "Invalid date: ", "Invalid datetime: "] {
        if let Some((head, _)) = message.split_once(begin) {
            return format!("{head}{begin}…");
        }
    }
    message
}
