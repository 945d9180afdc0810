//! The data that tests need, and the referee.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the root").to_owned()
}

pub(crate) fn missing(engine: &str, why: &str) {
    let required = std::env::var("SPRINGLINE_REQUIRE_ENGINES").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == engine), "{engine} is required, but {why}");
    println!("skipped: {engine}: {why}");
}

/// The folder of the real data sets.
pub fn data_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("SPRINGLINE_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if dir.join("complete-journey").is_dir() {
        return dir.canonicalize().ok();
    }
    missing("referee", &format!("there is no complete-journey in {}", dir.display()));
    None
}

/// Copies a folder and all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// The environment that the examples' `pg` target reads.
pub fn postgres_env(options: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    [("PGHOST", "host"), ("PGPORT", "port"), ("PGUSER", "user"), ("PGPASSWORD", "password"), ("PGDATABASE", "database")]
        .map(|(name, option)| (name, options[option].clone()))
        .into()
}

/// The sizes and key hashes that hand-written SQL gives on DuckDB, by segment.
pub fn oracle(data: &Path, queries: &str) -> Option<BTreeMap<String, (u64, String)>> {
    let Some(python) = std::env::var_os("SPRINGLINE_PYTHON") else {
        missing("referee", "SPRINGLINE_PYTHON is not set; `tests/run` installs DuckDB and sets it");
        return None;
    };
    let root = root().join("tests/oracle");
    let output = Command::new(python)
        .arg(root.join("run.py"))
        .arg(data)
        .arg(root.join(queries))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).expect("the referee prints JSON");
    let read = |v: Value| (v["count"].as_u64().expect("a count"), v["md5"].as_str().expect("a hash").to_owned());
    Some(all.into_iter().map(|(name, value)| (name, read(value))).collect())
}
