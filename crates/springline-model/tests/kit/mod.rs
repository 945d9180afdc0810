//! What the tests of this crate share: a registry like the binary's, and projects read from folders.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};

use springline_model::{
    AlertKind, Checked, DestinationKind, EngineKind, Mode, Nulls, OptionKind, PACKAGE_FILE, PackageSource, Registry,
    Removal, SHIPPED, check_with,
};

/// Engines and destinations with the options of the real ones.
pub fn registry() -> Registry {
    let options = |required: &[&str], optional: &[&str]| {
        let option = |name: &&str, required| OptionKind::new(name, required);
        let required = required.iter().map(|name| option(name, true));
        required.chain(optional.iter().map(|name| option(name, false))).collect::<Vec<_>>()
    };
    let engine = |name: &str, options| EngineKind { name: name.to_owned(), options };
    let destination = |name: &str, options, modes: &[Mode], fields: Option<&[&str]>| DestinationKind {
        name: name.to_owned(),
        options,
        modes: modes.to_vec(),
        fields: fields.map(|f| f.iter().map(|f| (*f).to_owned()).collect()),
        required: Vec::new(),
        identifiers: fields.map(|f| vec![f[0].to_owned()]).unwrap_or_default(),
        removals: vec![Removal::Delete],
        nulls: vec![Nulls::Send],
        members_expire_days: None,
    };
    let alert = |name: &str, options| AlertKind { name: name.to_owned(), options };
    let webhook = &[
        "secret",
        "authorization",
        "batch_rows",
        "timeout_secs",
        "rate_per_second",
        "concurrency",
        "allow_private_addresses",
    ];
    Registry {
        engines: vec![
            engine("datafusion", options(&[], &["path", "threads", "memory_limit"])),
            engine("postgres", options(&["host", "user", "database"], &["port", "password", "sslmode"])),
        ],
        destinations: vec![
            destination("file", options(&[], &["path", "format", "null"]), Mode::ALL, None),
            destination("webhook", options(&["url"], webhook), Mode::ALL, None),
            // A type with a list of fields, the first of them an identifier, and few modes, as those of ad platforms are.
            destination("audience", options(&["account"], &[]), &[Mode::Mirror], Some(&["EMAIL", "PHONE"])),
        ],
        alerts: vec![
            alert("email", options(&["host", "from", "to"], &["port", "username", "password", "tls"])),
            alert("slack", options(&["url"], &["allow_private_addresses"])),
            alert("webhook", options(&["url"], &["authorization", "allow_private_addresses"])),
        ],
    }
}

/// A folder of the repository.
pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The packages of the repository, and folders seen from a project's.
struct Packages<'a>(&'a Path);

impl PackageSource for Packages<'_> {
    fn files(&self, from: &str) -> Result<Vec<(String, String)>, String> {
        let folder = match from.strip_prefix(SHIPPED) {
            Some(name) => folder("models").join(name),
            None => self.0.join(from),
        };
        if folder.is_dir() { Ok(read_project(&folder)) } else { Err(format!("there is no package `{from}`")) }
    }

    fn shipped(&self) -> Vec<String> {
        let entries = std::fs::read_dir(folder("models")).unwrap().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|entry| format!("{SHIPPED}{}", entry.file_name().to_string_lossy())).collect()
    }
}

/// Checks the project of a folder, with what it imports.
pub fn check_project(root: &Path) -> Checked {
    check_with(read_project(root), &registry(), &Packages(root))
}

/// The YAML files of a folder, the project's first and then by path.
pub fn read_project(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(root, root, &mut files);
    files.sort_by(|(a, _), (b, _)| (a != "springline.yaml", a).cmp(&(b != "springline.yaml", b)));
    files
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.join(PACKAGE_FILE).is_file() {
                continue;
            }
            collect(root, &path, files);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}
