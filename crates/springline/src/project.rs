//! Finding and reading a project's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use springline_model::{
    AlertKind, Checked, DestinationKind, EngineKind, Mode, Nulls, OptionKind, Project, Registry, Removal, Severity,
    SourceMap,
};

use crate::failure::Failure;
use crate::packages::{self, Packages};

/// The file that makes a folder a project.
pub(crate) const PROJECT_FILE: &str = "springline.yaml";

/// Folders that hold no models: data, what a run writes, dialects.
const SKIPPED: &[&str] = &["data", "out", "target", crate::dialects::FOLDER];

/// A project that has no error.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) dir: PathBuf,
    pub(crate) project: Arc<Project>,
    pub(crate) sources: Arc<SourceMap>,
}

/// Reads and checks a project that must have no error.
pub(crate) fn load(dir: Option<&Path>) -> Result<Loaded, Failure> {
    let (dir, checked) = check(dir)?;
    loaded(dir, checked)
}

/// Reads and checks what a project would be with a change, a file whose definitions take the place of the project's; it
/// must have no error.
pub(crate) fn load_changed(dir: Option<&Path>, change: &Path) -> Result<Loaded, Failure> {
    let (dir, files) = read(dir)?;
    let unreadable = |e| Failure::new(format!("cannot read {}: {e}", change.display()));
    let text = std::fs::read_to_string(change).map_err(unreadable)?;
    let packages = Packages { project: dir.clone() };
    let change = (change.to_string_lossy().into_owned(), text);
    let checked = springline_model::check_changed(files, change, &registry(), &packages);
    loaded(dir, checked)
}

fn loaded(dir: PathBuf, checked: Checked) -> Result<Loaded, Failure> {
    let sources = Arc::new(checked.sources);
    match checked.project {
        Some(project) => Ok(Loaded { dir, project: Arc::new(project), sources }),
        None => {
            let errors = checked.diagnostics.into_iter().filter(|d| d.severity == Severity::Error).collect();
            Err(Failure::Project { diagnostics: errors, sources })
        }
    }
}

/// Reads and checks a project.
pub(crate) fn check(dir: Option<&Path>) -> Result<(PathBuf, Checked), Failure> {
    let (dir, files) = read(dir)?;
    let packages = Packages { project: dir.clone() };
    Ok((dir, springline_model::check_with(files, &registry(), &packages)))
}

/// A project's folder and its YAML files: path within it and text.
pub(crate) fn read(dir: Option<&Path>) -> Result<(PathBuf, Vec<(String, String)>), Failure> {
    let dir = find(dir)?;
    let mut files = yaml_files(&dir)?;
    // The project file first, then the others by path: the same order on every machine.
    files.sort_by(|(a, _), (b, _)| (a != PROJECT_FILE, a).cmp(&(b != PROJECT_FILE, b)));
    Ok((dir, files))
}

fn find(dir: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(dir) = dir {
        if dir.join(PROJECT_FILE).is_file() {
            return Ok(dir.to_owned());
        }
        let message = format!("there is no {PROJECT_FILE} in {}", dir.display());
        return Err(Failure::new(message).hint("`springline init --example retail` makes a project"));
    }
    let here = std::env::current_dir().map_err(|e| Failure::new(format!("the current folder is not readable: {e}")))?;
    let found = here.ancestors().find(|dir| dir.join(PROJECT_FILE).is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Failure::new(format!("there is no {PROJECT_FILE} in {} or above it", here.display()))
            .hint("name the folder with `--project`, or make a project with `springline init --example retail`")
    })
}

/// The YAML files of a folder, without those of packages within it.
pub(crate) fn yaml_files(dir: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut files = Vec::new();
    collect(dir, dir, &mut files)?;
    Ok(files)
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let unreadable = |path: &Path, e: std::io::Error| Failure::new(format!("cannot read {}: {e}", path.display()));
    for entry in std::fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        let path = entry.map_err(|e| unreadable(dir, e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) && !packages::is_package(&path) {
                collect(root, &path, files)?;
            }
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push((shown, text));
        }
    }
    Ok(())
}

/// What engines and destinations there are, as the checker wants it.
pub(crate) fn registry() -> Registry {
    let engines = springline_warehouse::engines().map(|engine| EngineKind {
        name: engine.name.to_owned(),
        options: engine.options.iter().map(|o| OptionKind::new(o.name, o.required)).collect(),
    });
    let destinations = springline_destination::specs().iter().map(|spec| DestinationKind {
        name: spec.name.to_owned(),
        options: spec.options.iter().map(option_kind).collect(),
        modes: spec.modes.iter().map(|mode| model_mode(*mode)).collect(),
        fields: match spec.fields {
            springline_destination::FieldRule::Any | springline_destination::FieldRule::Open(_) => None,
            springline_destination::FieldRule::Listed(fields) => {
                Some(fields.iter().map(|f| f.name.to_owned()).collect())
            }
        },
        required: fields_that(spec, |field| field.required),
        identifiers: fields_that(spec, |field| field.identifier),
        removals: spec.removals.iter().filter_map(|r| word(Removal::ALL, r.as_str(), Removal::name)).collect(),
        members_expire_days: spec.members_expire.and_then(|kept| u32::try_from(kept.as_secs() / (24 * 60 * 60)).ok()),
        nulls: spec.nulls.iter().filter_map(|n| word(Nulls::ALL, n.as_str(), Nulls::name)).collect(),
    });
    let alerts = springline_destination::alert_specs()
        .iter()
        .map(|spec| AlertKind { name: spec.name.to_owned(), options: spec.options.iter().map(option_kind).collect() });
    Registry { engines: engines.collect(), destinations: destinations.collect(), alerts: alerts.collect() }
}

fn option_kind(option: &springline_destination::OptionSpec) -> OptionKind {
    OptionKind {
        or: option.or.map(str::to_owned),
        names_target: option.names_target,
        ..OptionKind::new(option.name, option.required)
    }
}

fn fields_that(
    spec: &springline_destination::DestinationSpec,
    hold: impl Fn(&springline_destination::FieldSpec) -> bool,
) -> Vec<String> {
    spec.fields.known().iter().filter(|field| hold(field)).map(|field| field.name.to_owned()).collect()
}

/// The value of that name: both crates use the words of the files.
fn word<T: Copy>(all: &[T], name: &str, name_of: fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|value| name_of(*value) == name)
}

fn model_mode(mode: springline_destination::Mode) -> Mode {
    match mode {
        springline_destination::Mode::Upsert => Mode::Upsert,
        springline_destination::Mode::Update => Mode::Update,
        springline_destination::Mode::Insert => Mode::Insert,
        springline_destination::Mode::Mirror => Mode::Mirror,
        springline_destination::Mode::Append => Mode::Append,
    }
}
