//! What a target is configured with, and what each engine accepts. Plain data: options can be checked and printed
//! without opening a connection. It must not know any engine.

use crate::{Column, ErrorKind, WarehouseError};
use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

/// An engine as data: its name in a target's `engine:` and the options it takes.
#[derive(Debug, Clone, Copy)]
pub struct EngineSpec {
    /// The name written in `engine:`.
    pub name: &'static str,
    /// One sentence on what it is.
    pub meaning: &'static str,
    /// Its options, in the order of the reference page.
    pub options: &'static [OptionSpec],
}

/// One option of an engine.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key in the target.
    pub name: &'static str,
    /// Whether a target without it is refused.
    pub required: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// One sentence on what it does, with its unit.
    pub meaning: &'static str,
    /// The value when it is left out, if there is one.
    pub default: Option<&'static str>,
}

/// An option whose value may be shown.
pub(crate) const fn option(
    name: &'static str,
    required: bool,
    meaning: &'static str,
    default: Option<&'static str>,
) -> OptionSpec {
    OptionSpec { name, required, secret: false, meaning, default }
}

/// An option whose value must never be shown. There is always another way to log in, so that none is required.
#[cfg_attr(not(any(feature = "postgres", feature = "http")), allow(dead_code))]
pub(crate) const fn secret(name: &'static str, meaning: &'static str) -> OptionSpec {
    OptionSpec { name, required: false, secret: true, meaning, default: None }
}

/// A named connection to a warehouse. `Debug` shows the options' names, never their values.
#[derive(Clone)]
pub struct TargetConfig {
    /// The target's name, used in every error.
    pub name: String,
    /// The engine's name, one of [`crate::engines`].
    pub engine: String,
    /// The engine's options, already rendered (no templates).
    pub options: BTreeMap<String, String>,
    /// What the warehouse shows beside our statements, where it keeps such a word (a query tag, a label): the command
    /// and the id of its run.
    pub tag: String,
    /// The folder that relative paths start from.
    pub project_dir: PathBuf,
    /// The schema of Springline's own tables.
    pub state_schema: String,
    /// Tables as the model declares them: path and columns. Used to type CSV and JSON files.
    pub declared: Vec<(Vec<String>, Vec<Column>)>,
}

impl fmt::Debug for TargetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetConfig")
            .field("name", &self.name)
            .field("engine", &self.engine)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("project_dir", &self.project_dir)
            .field("state_schema", &self.state_schema)
            .field("declared", &self.declared.len())
            .finish()
    }
}

impl TargetConfig {
    /// Checks the options against the engine's specification: no unknown one, no required one missing.
    ///
    /// # Errors
    /// `Config`, naming the option.
    pub fn check_options(&self, spec: &EngineSpec) -> Result<(), WarehouseError> {
        let known: Vec<&str> = spec.options.iter().map(|option| option.name).collect();
        for name in self.options.keys() {
            if !known.contains(&name.as_str()) {
                let message = format!("engine `{}` has no option `{name}`", spec.name);
                return Err(self.error(message).with_hint(format!("its options are {}", known.join(", "))));
            }
        }
        for option in spec.options.iter().filter(|option| option.required) {
            if self.text(option.name).is_none() {
                let message = format!("engine `{}` needs the option `{}`", spec.name, option.name);
                return Err(self.error(message).with_hint(format!("`{}`: {}", option.name, option.meaning)));
            }
        }
        Ok(())
    }

    /// An option's value; an empty one counts as absent, as an unset environment variable would give.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// An option as a number.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, WarehouseError> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| self.error(format!("option `{name}` is not a whole number"))))
            .transpose()
    }

    pub(crate) fn error(&self, message: impl fmt::Display) -> WarehouseError {
        WarehouseError::new(ErrorKind::Config, &self.name, message)
    }
}
