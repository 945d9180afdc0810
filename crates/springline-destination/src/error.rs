//! What can go wrong around a destination, told so that a person can mend it.
//!
//! Must not know: rows. No message holds an option's value, a key or a field.

use std::path::PathBuf;

/// A failure outside of the answer to one request.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// The destination's `type` is not in the registry.
    #[error("destination `{name}`: there is no destination type `{kind}`; known types: {known}")]
    UnknownKind {
        /// Name in the project.
        name: String,
        /// The type asked for.
        kind: String,
        /// Every known type, comma separated.
        known: String,
    },
    /// This crate declares the type, and whoever calls it makes its destinations.
    #[error("destination `{name}`: type `{kind}` is made by the program around it: a mistake of the caller")]
    MadeByCaller {
        /// Name in the project.
        name: String,
        /// Its type.
        kind: &'static str,
    },
    /// An option is missing, unknown or has a value that cannot be used.
    #[error("destination `{destination}`, option `{option}`: {message}")]
    Option {
        /// Name in the project.
        destination: String,
        /// Name of the option.
        option: String,
        /// What is wrong and how to mend it.
        message: String,
    },
    /// The destination cannot do what the sync asks for.
    #[error("sync `{sync}` to destination `{destination}`: {message}")]
    Sync {
        /// Name in the project.
        destination: String,
        /// Name of the sync.
        sync: String,
        /// What is wrong and how to mend it.
        message: String,
    },
    /// The destination cannot be reached, or says no outside of a request for rows.
    #[error("destination `{destination}`: {message}")]
    Unreachable {
        /// Name in the project.
        destination: String,
        /// What was tried and what came back.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("destination `{destination}`: cannot {action} `{}`: {source}", path.display())]
    File {
        /// Name in the project.
        destination: String,
        /// The verb: `create`, `write`, `rename`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A batch does not hold together: a mistake of the caller, never of the user.
    #[error("a batch of changes cannot be used: {message}")]
    Batch {
        /// What does not fit.
        message: String,
    },
}

impl From<arrow::error::ArrowError> for DestinationError {
    fn from(error: arrow::error::ArrowError) -> Self {
        // Cast and parse errors quote the value they stumble over, and a value may be personal data.
        let message = match error {
            arrow::error::ArrowError::CastError(_) | arrow::error::ArrowError::ParseError(_) => {
                "a value cannot be converted to the type the destination takes".to_owned()
            }
            other => other.to_string(),
        };
        Self::Batch { message }
    }
}
