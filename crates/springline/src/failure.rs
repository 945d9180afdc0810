//! Why a command ended, and how that is shown.

use std::sync::Arc;

use serde_json::json;
use springline_model::{Diagnostic, SourceMap};
use springline_run::RunError;

use crate::cli::Format;
use crate::diagnostics;

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// What was to be checked has problems; they are on the screen already.
    Failed,
    Guarded,
    Partial,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Guarded => 3,
            Exit::Partial => 4,
        }
    }
}

/// Why a command could not run to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The project has problems.
    Project { diagnostics: Vec<Diagnostic>, sources: Arc<SourceMap> },
    /// Anything else.
    Other { message: String, hint: Option<String> },
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure::Other { message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Failure::Other { message, .. } => Failure::Other { message, hint: Some(hint.into()) },
            project => project,
        }
    }

    /// What happened, in one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Failure::Other { message, .. } => message.clone(),
            Failure::Project { .. } => "the project has problems".to_owned(),
        }
    }

    pub(crate) fn show(&self, format: Format) {
        match (self, format) {
            (Failure::Project { diagnostics, sources }, Format::Text) => {
                anstream::eprint!("{}", diagnostics::page(diagnostics, sources));
            }
            (Failure::Project { diagnostics, sources }, Format::Json) => {
                anstream::println!("{:#}", diagnostics::to_json(diagnostics, sources));
            }
            (Failure::Other { message, hint }, Format::Text) => {
                anstream::eprintln!("{}", diagnostics::plain(message, hint.as_deref()));
            }
            (Failure::Other { message, hint }, Format::Json) => {
                anstream::println!("{:#}", json!({ "error": { "message": message, "hint": hint } }));
            }
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::Other { hint: error.hint(), message: error.to_string() }
    }
}

impl From<springline_warehouse::WarehouseError> for Failure {
    fn from(error: springline_warehouse::WarehouseError) -> Self {
        RunError::from(error).into()
    }
}

impl From<springline_destination::DestinationError> for Failure {
    fn from(error: springline_destination::DestinationError) -> Self {
        RunError::from(error).into()
    }
}

impl From<springline_sql::PrintError> for Failure {
    fn from(error: springline_sql::PrintError) -> Self {
        RunError::from(error).into()
    }
}

impl From<springline_plan::PlanError> for Failure {
    fn from(error: springline_plan::PlanError) -> Self {
        RunError::from(error).into()
    }
}
