//! Where a table's files are: the rule that turns a table's path into files below the data folder.
//! It must not open a file nor know the query engine.

use crate::{ErrorKind, WarehouseError};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How a source file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Format {
    Parquet,
    Csv,
    /// One JSON object a line.
    JsonLines,
}

const EXTENSIONS: [(&str, Format); 5] = [
    ("parquet", Format::Parquet),
    ("csv", Format::Csv),
    ("json", Format::JsonLines),
    ("jsonl", Format::JsonLines),
    ("ndjson", Format::JsonLines),
];

/// The files of one table, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) format: Format,
    pub(crate) files: Vec<PathBuf>,
}

/// The folder of source files of one target.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    target: String,
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(target: impl Into<String>, root: PathBuf) -> Self {
        Self { target: target.into(), root }
    }

    /// The folder must be there and readable.
    pub(crate) fn check(&self) -> Result<(), WarehouseError> {
        fs::read_dir(&self.root).map(|_| ()).map_err(|error| self.unreadable(&self.root, &error))
    }

    /// Finds the files of the table at `path` (`crm.customers` is `crm/customers.csv` or the like, or the folder
    /// `crm/customers/`). `None` when there are none; two candidates are an error that names both.
    pub(crate) fn locate(&self, path: &[String]) -> Result<Option<Located>, WarehouseError> {
        let Some((name, parents)) = path.split_last() else { return Ok(None) };
        // A name that could step out of the folder, or into a hidden one, is never joined to a path.
        if !path.iter().all(|part| is_plain_name(part)) {
            return Ok(None);
        }
        let parent = parents.iter().fold(self.root.clone(), |folder, part| folder.join(part));
        let mut found = Vec::new();
        for (extension, format) in EXTENSIONS {
            let file = parent.join(format!("{name}.{extension}"));
            if file.is_file() {
                found.push((file.clone(), Located { format, files: vec![file] }));
            }
        }
        if let Some(located) = self.files_in(&parent.join(name), path)? {
            found.push((parent.join(name), located));
        }
        match found.as_slice() {
            [] => Ok(None),
            [(_, located)] => Ok(Some(located.clone())),
            [(first, _), (second, _), ..] => Err(self.ambiguous(path, first, second)),
        }
    }

    /// The error for a table that is not there: it names where it was looked for and what is there instead.
    pub(crate) fn missing(&self, path: &[String]) -> WarehouseError {
        let table = path.join(".");
        let parent = path.split_last().map_or(&[][..], |(_, parents)| parents);
        let plain = parent.iter().all(|part| is_plain_name(part));
        let folder =
            if plain { parent.iter().fold(self.root.clone(), |f, part| f.join(part)) } else { self.root.clone() };
        let message = format!("table `{table}` does not exist: `{}` has no such file or folder", folder.display());
        let error = WarehouseError::new(ErrorKind::MissingTable, &self.target, message).with_table(&table);
        let name = path.last().map_or("", String::as_str);
        let mut names = table_names(&folder);
        names.truncate(20);
        let there =
            if names.is_empty() { String::new() } else { format!("; the tables there are {}", names.join(", ")) };
        error.with_hint(format!(
            "add `{name}.parquet`, `{name}.csv` or `{name}.jsonl`, or a folder `{name}/` of such files{there}"
        ))
    }

    /// The tables of one level below the root, for listings.
    pub(crate) fn names(&self, schema: &[String]) -> Vec<String> {
        if schema.iter().all(|part| is_plain_name(part)) {
            table_names(&schema.iter().fold(self.root.clone(), |folder, part| folder.join(part)))
        } else {
            Vec::new()
        }
    }

    fn files_in(&self, folder: &Path, table: &[String]) -> Result<Option<Located>, WarehouseError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| self.unreadable(folder, &error))? {
            let file = entry.map_err(|error| self.unreadable(folder, &error))?.path();
            if let Some(format) = data_format(&file).filter(|_| file.is_file()) {
                files.push((file, format));
            }
        }
        files.sort();
        let Some((first, format)) = files.first().cloned() else { return Ok(None) };
        match files.iter().find(|(_, other)| *other != format) {
            Some((other, _)) => Err(self.ambiguous(table, &first, other)),
            None => Ok(Some(Located { format, files: files.into_iter().map(|(file, _)| file).collect() })),
        }
    }

    fn ambiguous(&self, table: &[String], first: &Path, second: &Path) -> WarehouseError {
        let table = table.join(".");
        let message = format!("table `{table}` could be `{}` or `{}`", first.display(), second.display());
        WarehouseError::new(ErrorKind::Config, &self.target, message)
            .with_table(table)
            .with_hint("keep one of them: a table is one file, or one folder of files of one format")
    }

    fn unreadable(&self, folder: &Path, error: &io::Error) -> WarehouseError {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            _ => ErrorKind::Connection,
        };
        let message = format!("the folder `{}` cannot be read: {error}", folder.display());
        WarehouseError::new(kind, &self.target, message).with_hint(
            "create it, or set the target's `path` to the folder that holds the data, relative to the project",
        )
    }
}

/// A name that is one step down and nothing else: no separator, not hidden, no parent folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0', ':'])
}

/// Hidden files and markers such as `_SUCCESS` are not data.
fn data_format(file: &Path) -> Option<Format> {
    let name = file.file_name()?.to_str()?;
    if name.starts_with(['.', '_']) {
        return None;
    }
    let extension = file.extension()?.to_str()?;
    EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
}

fn table_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let path = entry.path();
        let is_table = data_format(&path).is_some() || path.is_dir();
        path.file_stem().filter(|_| is_table)?.to_str().map(str::to_owned)
    };
    let mut names: Vec<String> = entries.filter_map(name).filter(|name| is_plain_name(name)).collect();
    names.sort();
    names.dedup();
    names
}
