//! `file`: the changes of a run as one CSV, JSON lines or Parquet file in a folder.
//!
//! Rows go to `.{sync}.part` in the folder of the final file; `finish` flushes it to disk and gives it its name, so that
//! whoever watches the folder sees whole files only. A run without changes leaves no file. A file that exists is never
//! replaced. A run that dies leaves no final file: its job is then [`JobState::Lost`] and its rows are sent again. A job
//! is the path of its file, so the file's name holds the run's id: no other run's file can answer for it.
//!
//! Must not know: how a format spells a value.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use super::delta::{DeltaWriter, Format, OPERATION_COLUMN, WriteError};
use crate::config::Options;
use crate::spec::option;
use crate::{
    ALL_MODES, Answer, Attempt, Batch, BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec,
    Effect, FieldRule, JobEnd, JobState, Nulls, Outcome, Removal, RemovalKind, Resources, SyncContext,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "file",
    meaning: "Writes the changes of a run to one CSV, JSON lines or Parquet file.",
    options: &[
        option(
            "path",
            "path of the file, from the project's folder; {sync}, {run} and {time} stand for the sync's name, \
                      the run's id and the run's instant in UTC; the file's name must hold {run}",
            Some("out/{sync}_{time}_{run}.csv"),
        ),
        option("format", "`csv`, `jsonl` or `parquet`; left out, the path's extension tells", None),
        option("null", "text of a missing value in CSV; an equal text that is not missing is quoted", Some("")),
    ],
    modes: ALL_MODES,
    fields: FieldRule::Any,
    batch: BatchLimits::rows(8_192),
    homogeneous: false,
    rate: None,
    // Rows keep the order they come in.
    concurrency: 1,
    effect: Effect::AtLeastOnce {
        when: "the run is killed after the file got its name and before that was written down, and the file was taken \
               away before the next run",
    },
    removal: Removal::ByKey,
    removals: &[RemovalKind::Delete],
    nulls: &[Nulls::Send],
    members_expire: None,
};

struct FileDestination {
    name: String,
    project_dir: PathBuf,
    template: String,
    format: Format,
    null: String,
    open: Mutex<HashMap<RunKey, Open>>,
}

/// Sync and run.
type RunKey = (String, String);

/// A file that rows are being written to.
struct Open {
    writer: DeltaWriter,
    job: String,
    part: PathBuf,
    last: PathBuf,
}

/// Makes a file destination from its options.
pub(super) fn connect(
    config: &DestinationConfig,
    options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let template = options.text("path").unwrap_or_default().to_owned();
    let extension = Path::new(&template).extension().and_then(|extension| extension.to_str());
    let format = match options.text("format") {
        Some(name) => Format::named(name)
            .ok_or_else(|| options.error("format", "is not known; take `csv`, `jsonl` or `parquet`"))?,
        None => extension.and_then(Format::named).ok_or_else(|| {
            options.error("path", "must end in .csv, .jsonl or .parquet, or the option `format` must be given")
        })?,
    };
    let null = options.text("null").unwrap_or_default();
    if null.contains([',', '"', '\r', '\n']) {
        return Err(options.error("null", "cannot hold a comma, a quote or a line break"));
    }
    check_template(options, &template)?;
    Ok(Arc::new(FileDestination {
        name: config.name.clone(),
        // An empty path would leave files without a folder to flush.
        project_dir: Path::new(".").join(&config.project_dir),
        template,
        format,
        null: null.to_owned(),
        open: Mutex::default(),
    }))
}

fn check_template(options: &Options<'_>, template: &str) -> Result<(), DestinationError> {
    let plain = template.replace("{sync}", "").replace("{run}", "").replace("{time}", "");
    if plain.contains(['{', '}', '\0']) {
        return Err(options.error("path", "knows the placeholders {sync}, {run} and {time} alone"));
    }
    let folder = Path::new(template).parent().map(Path::to_string_lossy).unwrap_or_default();
    if folder.contains("{run}") || folder.contains("{time}") {
        // What a dead run left behind could not be found again.
        return Err(options.error("path", "may hold {run} and {time} in the file's name alone, not in its folder"));
    }
    if !template.contains("{run}") {
        // A file is told by its name: one that another run may make too could stand for rows that were never written.
        return Err(options.error("path", "needs {run} in the file's name, as in `out/{sync}_{run}.csv`"));
    }
    if Path::new(template).file_name().is_none() || template.ends_with(['/', '\\']) {
        return Err(options.error("path", "names no file"));
    }
    Ok(())
}

#[async_trait]
impl Destination for FileDestination {
    fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }

    /// Looks whether the part of the folder that exists can be written to.
    async fn check(&self) -> Result<(), DestinationError> {
        let folder = self.project_dir.join(self.template.replace("{sync}", "check"));
        let mut nearest = folder.as_path();
        while let Some(parent) = nearest.parent() {
            nearest = parent;
            if nearest.is_dir() {
                break;
            }
        }
        let metadata = fs::metadata(nearest).map_err(|source| self.error("read", nearest, source))?;
        if metadata.permissions().readonly() {
            let source = io::Error::from(io::ErrorKind::PermissionDenied);
            return Err(self.error("write to", nearest, source));
        }
        Ok(())
    }

    /// Removes what a dead run of this sync left, and refuses a mapping that cannot stand in a file.
    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        if context.key_field == OPERATION_COLUMN || context.fields.field_with_name(OPERATION_COLUMN).is_ok() {
            return Err(self.refuse(context, "the name `_op` is taken by the column of operations; map another name"));
        }
        let paths = self.paths(context)?;
        self.open.lock().await.retain(|(sync, _), _| *sync != context.sync);
        remove_if_there(&paths.part).map_err(|source| self.error("remove", &paths.part, source))?;
        Ok(context.resources.clone())
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, _attempt: &Attempt) -> Answer {
        let key = (context.sync.clone(), context.run_id.clone());
        let mut open = self.open.lock().await;
        if !open.contains_key(&key) {
            match self.begin(context, batch) {
                Ok(file) => open.insert(key.clone(), file),
                Err(error) => return Answer::Fatal { code: "file".into(), message: error.to_string() },
            };
        }
        let Some(file) = open.get_mut(&key) else {
            return Answer::Fatal { code: "file".into(), message: "the file is not open".into() };
        };
        match file.writer.write(batch, &context.key_field) {
            Ok(()) => Answer::Partial(vec![Outcome::Accepted { job: file.job.clone(), row: None }; batch.len()]),
            Err(error) => {
                // The part may hold half of these rows, so it must not become a file. Its rows are polled as lost.
                let message = self.write_error("write", &file.part, error).to_string();
                open.remove(&key);
                Answer::Fatal { code: "file".into(), message }
            }
        }
    }

    async fn poll(&self, _context: &SyncContext, job: &str) -> Result<JobState, DestinationError> {
        let path = self.project_dir.join(job);
        match path.try_exists() {
            Ok(true) => Ok(JobState::Done(Outcome::Delivered.into())),
            Ok(false) => Ok(JobState::Lost),
            Err(source) => Err(self.error("look for", &path, source)),
        }
    }

    async fn finish(&self, context: &SyncContext) -> Result<Vec<(String, JobEnd)>, DestinationError> {
        let key = (context.sync.clone(), context.run_id.clone());
        let Some(file) = self.open.lock().await.remove(&key) else { return Ok(Vec::new()) };
        let Open { writer, job, part, last } = file;
        let written = writer.finish().map_err(|error| self.write_error("write", &part, error))?;
        let (from, to) = (part.clone(), last.clone());
        let published = tokio::task::spawn_blocking(move || publish(&written, &from, &to)).await;
        published.map_err(io::Error::other).flatten().map_err(|source| self.error("publish", &last, source))?;
        Ok(vec![(job, Outcome::Delivered.into())])
    }
}

/// The paths of one run, from the project's folder and absolute.
struct Paths {
    job: String,
    last: PathBuf,
    part: PathBuf,
}

impl FileDestination {
    fn begin(&self, context: &SyncContext, first: &Batch) -> Result<Open, DestinationError> {
        let Paths { job, last, part } = self.paths(context)?;
        if let Some(folder) = last.parent() {
            fs::create_dir_all(folder).map_err(|source| self.error("create the folder", folder, source))?;
        }
        if last.try_exists().map_err(|source| self.error("look for", &last, source))? {
            let message = format!("`{job}` exists already and is not replaced; take it away and run the sync again");
            return Err(self.refuse(context, &message));
        }
        // A part that was left may be another name of a published file: it must not be written to.
        remove_if_there(&part).map_err(|source| self.error("remove", &part, source))?;
        let file = File::create_new(&part).map_err(|source| self.error("create", &part, source))?;
        let writer = DeltaWriter::new(file, self.format, &self.null, &context.key_field, first)
            .map_err(|error| self.write_error("write", &part, error))?;
        Ok(Open { writer, job, part, last })
    }

    fn paths(&self, context: &SyncContext) -> Result<Paths, DestinationError> {
        for (what, text) in [("the sync's name", &context.sync), ("the run's id", &context.run_id)] {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            if text.is_empty() || !text.chars().all(plain) {
                let message = format!("{what} must consist of letters, digits, `_` and `-` to be part of a path");
                return Err(self.refuse(context, &message));
            }
        }
        let as_of: Timestamp = context
            .as_of
            .parse()
            .map_err(|_| self.refuse(context, &format!("`{}` is not an instant in ISO 8601", context.as_of)))?;
        let time = as_of.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        let job =
            self.template.replace("{sync}", &context.sync).replace("{run}", &context.run_id).replace("{time}", &time);
        let last = self.project_dir.join(&job);
        let part = last.with_file_name(format!(".{}.part", context.sync));
        Ok(Paths { job, last, part })
    }

    fn error(&self, action: &'static str, path: &Path, source: io::Error) -> DestinationError {
        DestinationError::File { destination: self.name.clone(), action, path: path.to_owned(), source }
    }

    fn write_error(&self, action: &'static str, path: &Path, error: WriteError) -> DestinationError {
        match error {
            WriteError::Rows(error) => error,
            WriteError::Io(source) => self.error(action, path, source),
            WriteError::Parquet(error) => self.error(action, path, io::Error::other(error)),
        }
    }

    fn refuse(&self, context: &SyncContext, message: &str) -> DestinationError {
        let (destination, sync) = (self.name.clone(), context.sync.clone());
        DestinationError::Sync { destination, sync, message: message.to_owned() }
    }
}

/// Makes `part` durable, then visible as `last`, then makes the new name durable.
fn publish(file: &File, part: &Path, last: &Path) -> io::Result<()> {
    file.sync_all()?;
    give_name(part, last, |part, last| fs::hard_link(part, last))?;
    // Windows cannot flush a folder and needs not.
    if cfg!(unix)
        && let Some(folder) = last.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Moves `part` to `last` unless that exists. A link fails on an existing name even when it appears at the last moment,
/// which a rename would replace.
fn give_name(part: &Path, last: &Path, link: impl Fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    let taken = || io::Error::new(io::ErrorKind::AlreadyExists, "something else made this file meanwhile");
    match link(part, last) {
        Ok(()) => remove_if_there(part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken()),
        // Systems tell in many ways that a file system has no links; a failure of another kind meets the rename as well.
        Err(_) if last.try_exists()? => Err(taken()),
        Err(_) => fs::rename(part, last),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
