//! From settings to connections: the templates of a target or destination are rendered here and nowhere
//! else, because what comes out may be secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use springline_destination::DestinationConfig;
use springline_model::{Setting, Source, SourceMap, Target};
use springline_run::declared_columns;
use springline_warehouse::{EMBEDDED, TargetConfig, Warehouse};

use crate::failure::Failure;
use crate::project::Loaded;

/// Values that stand in for environment variables, for runs that bring their own surroundings.
pub(crate) type Overrides = BTreeMap<String, String>;

/// Connects to the warehouse of a target.
pub(crate) async fn warehouse(
    loaded: &Loaded,
    target: &Target,
    overrides: &Overrides,
) -> Result<Arc<dyn Warehouse>, Failure> {
    let place = Place { dir: &loaded.dir, sources: &loaded.sources };
    warehouse_for(place, target, &loaded.project.sources, overrides).await
}

/// Connects to the warehouse of a target, to keep tables of a schema there that is not that of its state.
pub(crate) async fn warehouse_with(
    loaded: &Loaded,
    target: &Target,
    schema: &str,
    overrides: &Overrides,
) -> Result<Arc<dyn Warehouse>, Failure> {
    warehouse(loaded, &Target { state_schema: schema.to_owned(), ..target.clone() }, overrides).await
}

/// Where settings stand: the project's folder and texts.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) sources: &'a SourceMap,
}

/// The same for a project that may have errors: all that is known of its tables are these sources.
pub(crate) async fn warehouse_for(
    place: Place<'_>,
    target: &Target,
    sources: &[Source],
    overrides: &Overrides,
) -> Result<Arc<dyn Warehouse>, Failure> {
    let owner = format!("target `{}`", target.name);
    let config = TargetConfig {
        name: target.name.clone(),
        engine: target.engine.clone(),
        tag: tag(),
        options: render(place, &owner, &target.settings, overrides)?,
        project_dir: place.dir.to_owned(),
        state_schema: target.state_schema.clone(),
        declared: declared_columns(sources),
    };
    Ok(springline_warehouse::connect(config).await?)
}

/// The embedded engine with tables of its own in the project's folder, and without sources.
pub(crate) async fn state_folder(
    loaded: &Loaded,
    target: &str,
    state_schema: &str,
) -> Result<Arc<dyn Warehouse>, Failure> {
    let config = TargetConfig {
        name: target.to_owned(),
        engine: EMBEDDED.to_owned(),
        tag: tag(),
        options: BTreeMap::new(),
        project_dir: loaded.dir.clone(),
        state_schema: state_schema.to_owned(),
        declared: Vec::new(),
    };
    Ok(springline_warehouse::connect(config).await?)
}

/// What a warehouse shows beside the statements of this process.
fn tag() -> String {
    static TAG: LazyLock<String> = LazyLock::new(|| format!("springline-{}", uuid::Uuid::now_v7()));
    TAG.clone()
}

/// A destination as it is configured.
pub(crate) fn destination_config(
    loaded: &Loaded,
    destination: &springline_model::Destination,
    overrides: &Overrides,
) -> Result<DestinationConfig, Failure> {
    let owner = format!("destination `{}`", destination.name);
    let place = Place { dir: &loaded.dir, sources: &loaded.sources };
    Ok(DestinationConfig {
        name: destination.name.clone(),
        kind: destination.kind.clone(),
        options: render(place, &owner, &destination.settings, overrides)?,
        project_dir: loaded.dir.clone(),
    })
}

fn render(
    place: Place<'_>,
    owner: &str,
    settings: &[Setting],
    overrides: &Overrides,
) -> Result<BTreeMap<String, String>, Failure> {
    let environment = environment(place.dir.to_owned(), overrides.clone());
    settings
        .iter()
        .map(|setting| {
            let value = environment.render_str(&setting.template, ()).map_err(|error| {
                // The detail names the variable or file that is missing, never a value.
                let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                let at = place.sources.locate(setting.span);
                Failure::new(format!("{owner}: option `{}` ({at}): {why}", setting.name))
            })?;
            Ok((setting.name.clone(), value))
        })
        .collect()
}

fn environment(dir: PathBuf, overrides: Overrides) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("env", move |name: String| {
        let value = overrides.get(&name).cloned().or_else(|| std::env::var(&name).ok());
        value.ok_or_else(|| invalid(format!("the environment variable {name} is not set")))
    });
    environment.add_function("file", move |path: String| {
        let path = absolute(&dir, &path);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end().to_owned())
            .map_err(|error| invalid(format!("the file {} cannot be read: {error}", path.display())))
    });
    environment
}

fn absolute(dir: &Path, path: &str) -> PathBuf {
    dir.join(path)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
