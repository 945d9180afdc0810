//! The options a person wrote for one destination, read with errors that name the option and never its value.
//!
//! Must not know: what an option is used for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{DestinationError, DestinationSpec};

/// A destination as the project configures it.
///
/// `Debug` shows the names of the options alone: any value may be a secret.
#[derive(Clone)]
pub struct DestinationConfig {
    /// Name in the project.
    pub name: String,
    /// The destination's `type`: a name in [`crate::specs`].
    pub kind: String,
    /// Options by name, as text.
    pub options: BTreeMap<String, String>,
    /// The folder relative paths start from.
    pub project_dir: PathBuf,
}

impl std::fmt::Debug for DestinationConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DestinationConfig")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("project_dir", &self.project_dir)
            .finish()
    }
}

/// The options of one destination, checked against its spec.
pub(crate) struct Options<'a> {
    config: &'a DestinationConfig,
    spec: &'static DestinationSpec,
}

impl<'a> Options<'a> {
    /// Refuses options the spec does not declare, and the absence of those it requires.
    pub(crate) fn new(config: &'a DestinationConfig, spec: &'static DestinationSpec) -> Result<Self, DestinationError> {
        let options = Self { config, spec };
        for name in config.options.keys() {
            if !spec.options.iter().any(|option| option.name == name) {
                let known: Vec<_> = spec.options.iter().map(|option| option.name).collect();
                return Err(options
                    .error(name, format!("type `{}` has no such option; it takes: {}", spec.name, known.join(", "))));
            }
        }
        for option in spec.options.iter().filter(|option| option.required) {
            let is_given = |name: &str| options.text(name).is_some_and(|text| !text.is_empty());
            if !is_given(option.name) && !option.or.is_some_and(is_given) {
                let message = match option.or {
                    Some(other) => format!("is required, or `{other}` in its place"),
                    None => format!("is required: {}", option.meaning),
                };
                return Err(options.error(option.name, message));
            }
        }
        Ok(options)
    }

    /// The option's text, else the spec's default.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let default = || self.spec.options.iter().find(|option| option.name == name).and_then(|option| option.default);
        self.config.options.get(name).map(String::as_str).or_else(default)
    }

    /// The option as a number within `range`.
    pub(crate) fn number<T>(&self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>, DestinationError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim().parse::<T>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(self.error(name, format!("must be a number from {} to {}", range.start(), range.end()))),
        }
    }

    /// The option as `true` or `false`; absent is `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, DestinationError> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.error(name, "must be `true` or `false`")),
        }
    }

    /// An error about one option.
    pub(crate) fn error(&self, option: &str, message: impl Into<String>) -> DestinationError {
        DestinationError::Option {
            destination: self.config.name.clone(),
            option: option.to_owned(),
            message: message.into(),
        }
    }
}
