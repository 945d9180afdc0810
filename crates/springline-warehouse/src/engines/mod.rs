//! The registry: the one place that lists the engines. An engine is a module with an `ENGINE`, behind the cargo
//! feature of its name.

#[cfg(feature = "bigquery")]
mod bigquery;
#[cfg(feature = "databricks")]
mod databricks;
#[cfg(feature = "datafusion")]
mod datafusion;
#[cfg(feature = "duckdb")]
mod duckdb;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redshift")]
mod redshift;
#[cfg(feature = "snowflake")]
mod snowflake;
#[cfg(feature = "http")]
mod staging;
#[cfg(any(feature = "databricks", feature = "postgres", feature = "snowflake"))]
mod texts;

use crate::{EngineSpec, TargetConfig, Warehouse, WarehouseError};
use std::sync::Arc;

/// The engine that needs no server.
#[cfg(feature = "datafusion")]
pub const EMBEDDED: &str = datafusion::ENGINE.spec.name;

/// An engine: what it is called and takes, and how it is opened.
struct Engine {
    spec: EngineSpec,
    /// Checks the values of the options; nothing is sent over a network.
    connect: fn(TargetConfig) -> Result<Arc<dyn Warehouse>, WarehouseError>,
}

static ENGINES: &[Engine] = &[
    #[cfg(feature = "bigquery")]
    bigquery::ENGINE,
    #[cfg(feature = "databricks")]
    databricks::ENGINE,
    #[cfg(feature = "datafusion")]
    datafusion::ENGINE,
    #[cfg(feature = "duckdb")]
    duckdb::ENGINE,
    #[cfg(feature = "postgres")]
    postgres::ENGINE,
    #[cfg(feature = "redshift")]
    redshift::ENGINE,
    #[cfg(feature = "snowflake")]
    snowflake::ENGINE,
];

/// The engines this build can talk to, as plain data.
pub fn engines() -> impl Iterator<Item = &'static EngineSpec> {
    ENGINES.iter().map(|engine| &engine.spec)
}

/// Checks the target's options and prepares its engine. Nothing is sent over a network before the first call; use
/// [`Warehouse::check`] to know that the target answers.
///
/// # Errors
/// `Config` for an unknown engine or a wrong option.
pub async fn connect(config: TargetConfig) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    let Some(engine) = ENGINES.iter().find(|engine| engine.spec.name == config.engine) else {
        let names: Vec<&str> = engines().map(|spec| spec.name).collect();
        let error = config.error(format!("there is no engine `{}`", config.engine));
        return Err(error.with_hint(format!("use one of {}", names.join(", "))));
    };
    config.check_options(&engine.spec)?;
    (engine.connect)(config)
}
