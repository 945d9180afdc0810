//! `warehouse_table`: the rows of a sync as a table of a warehouse. What is here is what the type declares and its
//! options; the table itself is kept by the caller, who knows warehouses.
//!
//! Must not know: warehouses and SQL.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Options;
use crate::spec::option;
use crate::{
    BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec, Effect, FieldRule, Limits, Mode,
    Nulls, Removal, RemovalKind,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "warehouse_table",
    meaning: "Keeps the rows as a table of a warehouse, for BI and data science.",
    options: &[
        option("schema", "schema of the table, which is made if it is not there", None).required(),
        option("table", "name of the table; {sync} stands for the sync's name", Some("{sync}")),
        option("target", "target of the project whose warehouse has the table; left out, the target of the run", None)
            .names_target(),
        option("batch_rows", "most rows that are taken in at once, 1 to 1000000", Some("50000")),
        option("timeout_secs", "seconds that taking in one batch may last, 1 to 86400", Some("900")),
    ],
    modes: &[Mode::Upsert, Mode::Insert, Mode::Mirror, Mode::Append],
    fields: FieldRule::Any,
    batch: BatchLimits::rows(50_000),
    homogeneous: false,
    rate: None,
    // The batches of a run go through one table on their way.
    concurrency: 1,
    effect: Effect::IdempotentByKey,
    removal: Removal::ByKey,
    removals: &[RemovalKind::Delete],
    nulls: &[Nulls::Send],
    members_expire: None,
};

/// The checked options of a warehouse table.
#[derive(Debug, Clone, PartialEq)]
pub struct WarehouseTableOptions {
    /// Name of the target that has the table; `None` for that of the run.
    pub target: Option<String>,
    /// Schema of the table.
    pub schema: String,
    /// Its pace.
    pub limits: Limits,
    table: String,
}

impl WarehouseTableOptions {
    /// The name of a sync's table.
    pub fn table(&self, sync: &str) -> String {
        self.table.replace("{sync}", sync)
    }

    /// What the type declares.
    pub fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }
}

/// The options of a destination of the type `warehouse_table`; `None` for one of another type.
///
/// # Errors
/// [`DestinationError::Option`] for an option that is unknown, missing or unusable.
pub fn warehouse_table(config: &DestinationConfig) -> Result<Option<WarehouseTableOptions>, DestinationError> {
    if config.kind != SPEC.name {
        return Ok(None);
    }
    let options = Options::new(config, &SPEC)?;
    let one_name = |option: &str| -> Result<String, DestinationError> {
        let text = options.text(option).unwrap_or_default().trim();
        match text.replace("{sync}", "") {
            // A path would be quoted as one name.
            rest if rest.contains(['.', '{', '}', '"', '\0']) => {
                Err(options.error(option, "must be one name, without dots, quotes or braces"))
            }
            _ => Ok(text.to_owned()),
        }
    };
    let (schema, table) = (one_name("schema")?, one_name("table")?);
    if schema.contains('{') {
        return Err(options.error("schema", "is the same for all syncs: {sync} can stand in `table` alone"));
    }
    if table.is_empty() {
        return Err(options.error("table", "names no table"));
    }
    let mut limits = Limits::from(&SPEC);
    limits.batch.rows = options.number("batch_rows", 1..=1_000_000)?.unwrap_or(SPEC.batch.rows);
    limits.timeout = options.number("timeout_secs", 1..=86_400)?.map(Duration::from_secs);
    let target = options.text("target").map(str::to_owned);
    Ok(Some(WarehouseTableOptions { target, schema, limits, table }))
}

/// There is none to be made without a warehouse.
pub(super) fn connect(
    config: &DestinationConfig,
    _options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    warehouse_table(config)?;
    Err(DestinationError::MadeByCaller { name: config.name.clone(), kind: SPEC.name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    #[test]
    fn options_are_read_with_their_defaults() {
        let read = |options: &[(&str, &str)]| warehouse_table(&config("warehouse_table", options));
        let options = read(&[("schema", "analytics")]).unwrap().unwrap();
        assert_eq!((options.table("vips").as_str(), options.target.as_deref()), ("vips", None));
        assert_eq!((options.limits.batch.rows, options.limits.timeout), (50_000, Some(Duration::from_secs(900))));
        let options = read(&[("schema", "s"), ("table", "crm_{sync}"), ("batch_rows", "7")]).unwrap().unwrap();
        assert_eq!((options.table("vips").as_str(), options.limits.batch.rows), ("crm_vips", 7));
        assert_eq!(warehouse_table(&config("file", &[])).unwrap(), None);
        for (options, part) in [
            (vec![], "option `schema`: is required"),
            (vec![("schema", "a.b")], "must be one name"),
            (vec![("schema", "{sync}")], "in `table` alone"),
            (vec![("schema", "a"), ("table", "{run}")], "must be one name"),
            (vec![("schema", "a"), ("table", " ")], "names no table"),
            (vec![("schema", "a"), ("batch_rows", "0")], "from 1 to 1000000"),
        ] {
            let error = read(&options).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn it_is_made_by_the_caller() {
        let error = crate::connect(config("warehouse_table", &[("schema", "analytics")])).err().unwrap();
        assert!(matches!(error, DestinationError::MadeByCaller { kind: "warehouse_table", .. }), "{error}");
    }
}
