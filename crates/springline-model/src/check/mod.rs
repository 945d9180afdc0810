//! From declarations to a checked project: names, types, grain and cycles.
//!
//! Every problem is reported once, at its place; what depends on something that was reported keeps
//! silent.

mod aggregates;
mod attributes;
mod calendar;
mod catalogue;
mod chains;
mod change;
mod conditions;
mod derived;
mod entities;
mod fields;
mod finish;
mod forms;
mod functions;
mod golden;
mod identities;
mod limit;
mod lock;
mod matching;
mod names;
mod native;
mod overlay;
mod packages;
mod pattern;
mod phone;
mod read;
mod rfm;
mod samples;
mod scope;
mod segments;
mod sets;
mod settings;
mod sources;
mod stitched;
mod syncs;
mod tests_decl;
mod typing;
mod unify;

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::packages::{NoPackages, PackageSource};
use crate::syntax::{self, ListsDecl, ProjectDecl, Spanned};
use crate::{
    Alert, Budget, Code, Destination, Diagnostic, Lock, Project, Registry, Retention, Severity, Source, SourceMap,
    Sync, Target,
};

use catalogue::Catalogue;
pub(crate) use conditions::Conditions;
#[cfg(test)]
pub(crate) use lock::read_lock;
use names::{Kind, Table};

/// The version of the language.
const VERSION: u64 = 1;

/// What came of checking a project.
#[derive(Debug)]
pub struct Checked {
    /// The project; there is one if and only if no diagnostic is an error.
    pub project: Option<Project>,
    /// Everything that is wrong, in the order of the files and of the places in them.
    pub diagnostics: Vec<Diagnostic>,
    /// The files, to show the places.
    pub sources: SourceMap,
    /// What is needed to look at the warehouse while the project has errors.
    pub outline: Outline,
}

/// The parts of a project that can be read whatever is wrong with the rest.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// The warehouse connections.
    pub targets: Vec<Target>,
    /// The target used where none is named; `None` where that is not known.
    pub default_target: Option<String>,
    /// The tables that sources name, with the columns whose types are known.
    pub sources: Vec<Source>,
    /// The catalog lock, if the project has one that can be read.
    pub lock: Option<Lock>,
}

/// Checks a project that imports no package, as [`check_with`] does.
pub fn check(files: Vec<(String, String)>, registry: &Registry) -> Checked {
    check_with(files, registry, &NoPackages)
}

/// Checks a project. `files` are its YAML files: the path relative to the project's folder, which
/// messages show, and the text. The order of the files is that of the diagnostics. `packages` gives the
/// files of what the project imports.
pub fn check_with(files: Vec<(String, String)>, registry: &Registry, packages: &dyn PackageSource) -> Checked {
    check_read(files, registry, packages, false)
}

/// Checks what a project would be with a change: a further file, whose definitions take the place of those of the same
/// kind and name.
pub fn check_changed(
    mut files: Vec<(String, String)>,
    change: (String, String),
    registry: &Registry,
    packages: &dyn PackageSource,
) -> Checked {
    files.push(change);
    check_read(files, registry, packages, true)
}

/// `changed` says that the last file is a change to the others.
fn check_read(
    files: Vec<(String, String)>,
    registry: &Registry,
    packages: &dyn PackageSource,
    changed: bool,
) -> Checked {
    let mut sources = SourceMap::new(files);
    let change = sources.files().last().map(|(file, ..)| file).filter(|_| changed);
    let mut out = Vec::new();
    let mut outline = Outline::default();
    let (read, imported) = read::all(&mut sources, packages, change, &mut out);
    let project = check_files(read, &sources, registry, &mut outline, &mut out);
    out.iter_mut().for_each(|diagnostic| keep_inside(diagnostic, &sources));
    let mut diagnostics = in_order(out);
    imported.tell_origin(&mut diagnostics);
    let failed = diagnostics.iter().any(|d| d.severity == Severity::Error);
    Checked { project: project.filter(|_| !failed), diagnostics, sources, outline }
}

/// Places lie within their file and between characters, whatever a library that was asked for one said.
fn keep_inside(diagnostic: &mut Diagnostic, sources: &SourceMap) {
    for label in std::iter::once(&mut diagnostic.primary).chain(&mut diagnostic.secondary) {
        let text = sources.text(label.span.file);
        let start = text.floor_char_boundary(label.span.start as usize);
        let end = text.ceil_char_boundary((label.span.end as usize).min(text.len())).max(start);
        label.span.start = syntax::offset(start);
        label.span.end = syntax::offset(end);
    }
}

/// The diagnostics in the order of their places, each once.
fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|d| (d.primary.span.file, d.primary.span.start));
    let mut seen = HashSet::new();
    diagnostics.retain(|d| seen.insert((d.primary.span, d.code, d.message.clone())));
    diagnostics
}

fn check_files(
    read: read::Read,
    sources: &SourceMap,
    registry: &Registry,
    outline: &mut Outline,
    out: &mut Vec<Diagnostic>,
) -> Option<Project> {
    let ListsDecl {
        sources: source_items,
        entities,
        segments,
        segment_sets: sets,
        identities,
        destinations,
        syncs,
        tests,
    } = read.lists;
    let segments = sets::expand(segments, &sets, out);
    let kind = |what, word| Kind { what, word };
    let (source_names, source_decls) = Table::new(kind("source", true), source_items, out);
    let (entity_names, entity_decls) = Table::new(kind("entity", true), entities, out);
    let (segment_names, segment_decls) = Table::new(kind("segment", true), segments, out);
    let (destination_names, destination_decls) = Table::new(kind("destination", false), destinations, out);
    let (_, sync_decls) = Table::new(kind("sync", false), syncs, out);

    let timezone = read.project.as_ref().and_then(|project| timezone(project.timezone.as_ref(), out));
    let mut catalogue = Catalogue {
        source_names,
        entity_names,
        segment_names,
        sources: source_decls.into_iter().map(|decl| sources::source(decl, &read.lock, out)).collect(),
        entities: Vec::new(),
        segments: Vec::new(),
        incomplete: read.incomplete,
        zone: timezone.as_ref().filter(|zone| !is_utc(zone)).and_then(|zone| zone.iana_name()).map(str::to_owned),
    };
    outline.sources = catalogue.sources.iter().map(|s| s.source.clone()).collect();
    let mut identities = identities::identities(identities, &catalogue, sources, out);
    identities.make(&entity_decls, &mut catalogue);
    catalogue.entities = entity_decls
        .into_iter()
        .map(|decl| entities::entity(decl, &sets, (&catalogue, &identities), sources, out))
        .collect();
    entities::link(&catalogue, out);
    entities::own(&mut catalogue);
    catalogue.segments = segment_decls.iter().map(|decl| segments::segment(decl, &catalogue, out)).collect();
    fields::check_fields(&mut catalogue, sources, out);
    segments::check_segments(&segment_decls, &mut catalogue, sources, out);

    outline.lock = read.lock.into_lock();
    let tests = tests_decl::tests(tests, &catalogue, timezone.as_ref(), out);
    let targets = read.project.iter().flat_map(|project| &project.targets.0);
    let targets: Vec<&str> = targets.map(|(name, _)| name.value.as_str()).collect();
    let destinations: Vec<Destination> =
        destination_decls.into_iter().map(|d| settings::destination(d, registry, &targets, sources, out)).collect();
    let kinds: Vec<_> = destinations.iter().map(|d| settings::find_destination(registry, &d.kind)).collect();
    let context =
        syncs::Context { catalogue: &catalogue, sources, destination_names: &destination_names, kinds: &kinds };
    let syncs: Option<Vec<Sync>> =
        sync_decls.into_iter().map(|decl| syncs::sync(decl, &context, out)).collect::<Vec<_>>().into_iter().collect();
    let head = head(read.project?, timezone, registry, sources, outline, out)?;
    finish::project(head, catalogue, identities, destinations, syncs?, tests)
}

/// What springline.yaml says about the project as a whole.
struct Head {
    name: String,
    timezone: TimeZone,
    default_target: String,
    targets: Vec<Target>,
    budget: Budget,
    retention: Retention,
    alerts: Vec<Alert>,
}

fn head(
    decl: ProjectDecl,
    timezone: Option<TimeZone>,
    registry: &Registry,
    sources: &SourceMap,
    outline: &mut Outline,
    out: &mut Vec<Diagnostic>,
) -> Option<Head> {
    names::check_name(Kind { what: "project", word: false }, &decl.name, out);
    if decl.version.value != VERSION {
        let message = format!("version {} of the language is not known", decl.version.value);
        out.push(Diagnostic::error(Code::InvalidValue, decl.version.span, message).hint("write `version: 1`"));
    }
    let mut target_names = Table::new::<()>(Kind { what: "target", word: false }, Vec::new(), out).0;
    let mut targets = Vec::new();
    for (name, target) in decl.targets.0 {
        target_names.add(&name, target.is_some().then_some(targets.len()), out);
        if let Some(target) = target {
            targets.push(settings::target(&name, target, registry, sources, out));
        }
    }
    outline.targets.clone_from(&targets);
    let default = match (&decl.default_target, targets.as_slice()) {
        (Some(name), _) => targets.get(target_names.find(name, false, out)?),
        (None, [only]) => Some(only),
        (None, []) => {
            let message = format!("project `{}` has no targets", decl.name.value);
            let hint = "add one, such as `targets: { local: { engine: datafusion, path: data } }`";
            out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint(hint));
            None
        }
        (None, [first, ..]) => {
            let message = format!("project `{}` has several targets and no `default_target`", decl.name.value);
            let hint = format!("add `default_target: {}`", first.name);
            out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint(hint));
            None
        }
    };
    let default_target = default?.name.clone();
    outline.default_target = Some(default_target.clone());
    let budget = settings::budget(decl.budget.as_ref());
    let retention = settings::retention(decl.retention.as_ref(), out);
    let alerts = decl.alerts.into_iter().map(|alert| settings::alert(alert, registry, sources, out)).collect();
    Some(Head { name: decl.name.value, timezone: timezone?, default_target, targets, budget, retention, alerts })
}

fn timezone(name: Option<&Spanned<String>>, out: &mut Vec<Diagnostic>) -> Option<TimeZone> {
    let Some(name) = name else { return Some(TimeZone::UTC) };
    if name.value.eq_ignore_ascii_case("UTC") {
        return Some(TimeZone::UTC);
    }
    let database = TimeZoneDatabase::bundled();
    match database.get(&name.value) {
        Ok(timezone) => Some(timezone),
        Err(_) => {
            let message = format!("no time zone `{}`", name.value);
            let known: Vec<String> = database.available().map(|n| n.to_string()).collect();
            let diagnostic = Diagnostic::error(Code::InvalidValue, name.span, message);
            let hint = "write a name of the time zone database, such as `Europe/Paris`";
            let near = syntax::nearest(&name.value, known.iter().map(String::as_str));
            out.push(match near {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic.hint(hint),
            });
            None
        }
    }
}

/// Whether days always begin at midnight UTC, under whichever of the names that such zones have.
fn is_utc(zone: &TimeZone) -> bool {
    zone.to_offset(Timestamp::UNIX_EPOCH) == Offset::UTC && zone.following(Timestamp::MIN).next().is_none()
}

#[cfg(test)]
mod tests;
