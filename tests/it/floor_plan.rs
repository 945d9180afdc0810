//! The house keeps its shape: which crate may use which, what stands at the top level, and that no
//! dialect is named in the crates that must not know one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use springline_tests::root;

/// Each crate and the crates of ours it may use.
const FLOORS: &[(&str, &[&str])] = &[
    ("springline-ir", &[]),
    ("springline-warehouse", &[]),
    ("springline-destination", &[]),
    ("springline-sql", &["ir"]),
    ("springline-model", &["ir"]),
    ("springline-plan", &["model", "ir"]),
    ("springline-run", &["plan", "sql", "warehouse", "destination", "model", "ir"]),
    ("springline", &["run", "plan", "sql", "warehouse", "destination", "model", "ir"]),
];

#[test]
fn crates_use_only_what_the_floor_plan_allows() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo tells the workspace");
    let floors: BTreeMap<&str, &[&str]> = FLOORS.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        if package.name.as_str() == "springline-tests" {
            continue;
        }
        let allowed =
            floors.get(package.name.as_str()).unwrap_or_else(|| panic!("{} is not in the floor plan", package.name));
        seen.insert(package.name.to_string());
        for dependency in package.dependencies.iter().filter(|d| d.name.starts_with("springline")) {
            let short = dependency.name.trim_start_matches("springline-");
            assert!(allowed.contains(&short), "{} must not use {}", package.name, dependency.name);
        }
    }
    assert_eq!(seen.len(), FLOORS.len(), "a crate of the floor plan is missing: {seen:?}");
}

#[test]
fn the_top_level_is_what_it_should_be() {
    let tracked =
        std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git starts");
    let tracked = String::from_utf8(tracked.stdout).expect("paths are UTF-8");
    let top: BTreeSet<&str> = tracked
        .lines()
        .map(|path| path.split('/').next().unwrap_or(path))
        .filter(|name| !name.starts_with('.'))
        .collect();
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "crates",
        "dialects",
        "docs",
        "examples",
        "models",
        "tests",
    ];
    assert_eq!(top, BTreeSet::from(allowed));
}

#[test]
fn no_dialect_is_named_where_none_may_be_known() {
    let dialects: Vec<String> = std::fs::read_dir(root().join("dialects"))
        .expect("there are dialects")
        .map(|entry| entry.expect("a folder").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(dialects.len() >= 2, "{dialects:?}");
    for name in [
        "springline-ir",
        "springline-model",
        "springline-sql",
        "springline-plan",
        "springline-run",
        "springline-destination",
        "springline",
    ] {
        for file in rust_files(&root().join("crates").join(name).join("src")) {
            if file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests")) {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for dialect in &dialects {
                    assert!(!line.contains(&format!("\"{dialect}\"")), "{} names {dialect}: {line}", file.display());
                }
            }
        }
    }
}

#[test]
fn files_stay_small() {
    for file in rust_files(&root().join("crates")).into_iter().chain(rust_files(&root().join("tests"))) {
        let lines = std::fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= 620, "{} has {lines} lines", file.display());
    }
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
