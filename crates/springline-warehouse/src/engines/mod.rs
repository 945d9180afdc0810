//! The registry: the one place that lists the engines. An engine is a module with a `SPEC` and a `connect`.

mod datafusion;
mod postgres;

use crate::{EngineSpec, TargetConfig, Warehouse, WarehouseError};
use std::sync::Arc;

/// The engine that needs no server.
pub const EMBEDDED: &str = datafusion::SPEC.name;

static ENGINES: [EngineSpec; 2] = [datafusion::SPEC, postgres::SPEC];

/// The engines this build can talk to, as plain data.
pub fn engines() -> &'static [EngineSpec] {
    &ENGINES
}

/// Checks the target's options and prepares its engine. Nothing is sent over a network before the first call; use
/// [`Warehouse::check`] to know that the target answers.
///
/// # Errors
/// `Config` for an unknown engine or a wrong option.
pub async fn connect(config: TargetConfig) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    let Some(spec) = engines().iter().find(|spec| spec.name == config.engine) else {
        let names: Vec<&str> = engines().iter().map(|spec| spec.name).collect();
        let error = config.error(format!("there is no engine `{}`", config.engine));
        return Err(error.with_hint(format!("use one of {}", names.join(", "))));
    };
    config.check_options(spec)?;
    match spec.name {
        postgres::NAME => Ok(Arc::new(postgres::Postgres::connect(config)?)),
        _ => Ok(Arc::new(datafusion::DataFusion::connect(config)?)),
    }
}
