//! The dialect of a target: the project's own folder `dialects/<name>`, else one that is part of the program.
//! It must not know what stands in such a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use springline_sql::{Dialect, Files};

use crate::failure::Failure;
use crate::sessions::unknown;

/// The folder of a project that holds its own dialects.
pub(crate) const FOLDER: &str = "dialects";

/// Loads a dialect by name.
pub(crate) fn load(project: &Path, name: &str) -> Result<Dialect, Failure> {
    let own = own_folders(&project.join(FOLDER))?;
    let built_in = Dialect::names();
    if !own.contains_key(name) && !built_in.contains(&name) {
        return Err(unknown("dialect", name, own.keys().map(String::as_str).chain(built_in)));
    }
    Dialect::load(name, &|name| own.get(name).cloned()).map_err(|e| Failure::new(e.to_string()))
}

fn own_folders(root: &Path) -> Result<BTreeMap<String, Files>, Failure> {
    if !root.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut folders = BTreeMap::new();
    for dir in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let mut files = Files::new();
        read(&dir, &dir, &mut files)?;
        folders.insert(name_of(&dir), files);
    }
    Ok(folders)
}

fn read(root: &Path, dir: &Path, files: &mut Files) -> Result<(), Failure> {
    for path in entries(dir)? {
        if path.is_dir() {
            read(root, &path, files)?;
        } else {
            let text = fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push((shown, text));
        }
    }
    Ok(())
}

/// What is in a folder, but for hidden files.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir).map_err(|e| unreadable(dir, &e))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(|e| unreadable(dir, &e)));
    let paths = paths.collect::<Result<Vec<_>, _>>()?;
    Ok(paths.into_iter().filter(|path| !name_of(path).starts_with('.')).collect())
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}
