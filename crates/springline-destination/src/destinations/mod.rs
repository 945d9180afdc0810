//! The registry: every destination type, one line each.
//!
//! Must not know: what a destination does with its options.

mod api;
mod delta;
mod file;
mod hubspot;
mod klaviyo;
mod mailchimp;
mod meta_custom_audiences;
mod warehouse_table;
mod webhook;

use std::sync::Arc;

use crate::config::Options;
use crate::{Destination, DestinationConfig, DestinationError, DestinationSpec};

pub use warehouse_table::{WarehouseTableOptions, warehouse_table};

type Connect = fn(&DestinationConfig, &Options<'_>) -> Result<Arc<dyn Destination>, DestinationError>;

/// Type, and how one is made. In the order of their names. A type that stands on what this crate must not know is
/// declared here like the others; its `connect` gives [`DestinationError::MadeByCaller`].
const REGISTRY: &[(&DestinationSpec, Connect)] = &[
    (&file::SPEC, file::connect),
    (&hubspot::SPEC, hubspot::connect),
    (&klaviyo::SPEC, klaviyo::connect),
    (&mailchimp::SPEC, mailchimp::connect),
    (&meta_custom_audiences::SPEC, meta_custom_audiences::connect),
    (&warehouse_table::SPEC, warehouse_table::connect),
    (&webhook::SPEC, webhook::connect),
];

const SPECS: [&DestinationSpec; REGISTRY.len()] = {
    let mut specs = [REGISTRY[0].0; REGISTRY.len()];
    let mut at = 0;
    while at < REGISTRY.len() {
        specs[at] = REGISTRY[at].0;
        at += 1;
    }
    specs
};

/// What every destination type declares, in the order of their names.
pub fn specs() -> &'static [&'static DestinationSpec] {
    &SPECS
}

/// Makes the destination that `config` describes. It connects to nothing yet: see [`Destination::check`].
///
/// # Errors
/// [`DestinationError::UnknownKind`], or [`DestinationError::Option`] for an option that is unknown, missing or unusable;
/// [`DestinationError::MadeByCaller`] for a type that is made from its options elsewhere. No error holds an option's value.
pub fn connect(config: DestinationConfig) -> Result<Arc<dyn Destination>, DestinationError> {
    let Some((spec, connect)) = REGISTRY.iter().find(|(spec, _)| spec.name == config.kind) else {
        let known: Vec<_> = specs().iter().map(|spec| spec.name).collect();
        return Err(DestinationError::UnknownKind { name: config.name, kind: config.kind, known: known.join(", ") });
    };
    connect(&config, &Options::new(&config, spec)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn refusal(kind: &str, options: &[(&str, &str)]) -> String {
        connect(config(kind, options)).err().unwrap().to_string()
    }

    #[test]
    fn specs_are_sorted_and_sane() {
        assert!(specs().is_sorted_by_key(|spec| spec.name));
        for spec in specs() {
            assert!(spec.batch.rows > 0 && spec.concurrency > 0, "{}", spec.name);
            assert!(!spec.modes.is_empty(), "{}", spec.name);
            for option in spec.options {
                assert!(!option.meaning.is_empty(), "{}", option.name);
                assert!(option.default.is_none() || !option.required, "{}", option.name);
            }
        }
    }

    #[test]
    fn mistakes_in_the_configuration_are_told_with_the_way_out() {
        let error = refusal("ftp", &[]);
        assert!(
            error.starts_with("destination `test`: there is no destination type `ftp`; known types: file, "),
            "{error}"
        );
        let error = refusal("webhook", &[("url", "https://example.com/"), ("batchrows", "3")]);
        assert!(error.contains("option `batchrows`") && error.contains("batch_rows"), "{error}");
        let error = refusal("webhook", &[]);
        assert!(error.contains("option `url`: is required"), "{error}");
    }

    #[test]
    fn no_value_of_an_option_is_shown() {
        let value = "s3cr3t-value";
        let config = config("webhook", &[("url", value), ("secret", value)]);
        assert!(!format!("{config:?}").contains(value));
        for option in ["secret", "batch_rows", "allow_private_addresses", "timeout_secs", "url", "rate_per_second"] {
            let mut config = config.clone();
            config.options.clear();
            config.options.insert("url".into(), "https://example.com/".into());
            config.options.insert(option.into(), value.into());
            let error = connect(config).err().unwrap();
            assert!(error.to_string().contains(option), "{error}");
            assert!(!format!("{error} {error:?}").contains(value), "{error:?}");
        }
    }

    #[test]
    fn no_type_shows_an_options_value() {
        let value = "s3cr3t\nvalue";
        for spec in specs() {
            for option in spec.options {
                let required = spec.options.iter().filter(|option| option.required).map(|option| (option.name, value));
                let options: Vec<_> = required.chain([(option.name, value)]).collect();
                if let Err(error) = connect(config(spec.name, &options)) {
                    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{}: {error:?}", spec.name);
                }
            }
        }
    }
}
