//! Where packages come from: those of `models/`, which are part of the binary, and folders.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use springline_model::{PACKAGE_FILE, Package, PackageSource, SHIPPED};

use crate::failure::Failure;
use crate::project;

static MODELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../models");

/// The packages that a project in this folder can import.
pub(crate) struct Packages {
    pub(crate) project: PathBuf,
}

impl PackageSource for Packages {
    fn files(&self, from: &str) -> Result<Vec<(String, String)>, String> {
        let missing = || format!("there is no package `{from}`");
        let mut files = match from.strip_prefix(SHIPPED) {
            Some(name) => shipped_files(name).ok_or_else(missing)?,
            None => {
                let folder = self.project.join(from);
                if !folder.is_dir() {
                    return Err(missing());
                }
                project::yaml_files(&folder).map_err(|failure| failure.message())?
            }
        };
        // What the package says of itself first, then by path: the same order on every machine.
        files.sort_by(|(a, _), (b, _)| (a != PACKAGE_FILE, a).cmp(&(b != PACKAGE_FILE, b)));
        Ok(files)
    }

    fn shipped(&self) -> Vec<String> {
        let mut names: Vec<String> = folders().map(|(name, _)| format!("{SHIPPED}{name}")).collect();
        names.sort();
        names
    }
}

fn folders() -> impl Iterator<Item = (String, &'static Dir<'static>)> {
    MODELS.dirs().map(|dir| (dir.path().to_string_lossy().into_owned(), dir))
}

fn shipped_files(name: &str) -> Option<Vec<(String, String)>> {
    let (_, dir) = folders().find(|(other, _)| other == name)?;
    let files = dir.files().filter(|file| file.path().extension().is_some_and(|e| e == "yaml"));
    let read = |file: &include_dir::File<'_>| {
        let path = file.path().strip_prefix(dir.path()).unwrap_or(file.path());
        Some((path.to_string_lossy().into_owned(), file.contents_utf8()?.to_owned()))
    };
    files.map(read).collect()
}

/// What the packages of the binary say of themselves, by name.
pub(crate) fn shipped() -> Result<Vec<Package>, Failure> {
    let mut packages = Vec::new();
    for (name, _) in folders() {
        let files = shipped_files(&name).unwrap_or_default();
        let text = files.iter().find(|(path, _)| path == PACKAGE_FILE).map_or("", |(_, text)| text);
        let unreadable = |_| Failure::new(format!("the package {SHIPPED}{name} of this program cannot be read"));
        packages.push(Package::read(text).map_err(unreadable)?);
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// Whether a folder within a project is a package, and so no part of it unless it is imported.
pub(crate) fn is_package(folder: &Path) -> bool {
    folder.join(PACKAGE_FILE).is_file()
}
