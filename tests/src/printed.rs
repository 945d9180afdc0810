//! What is printed for ClickHouse, for which there is a dialect and no engine: `SPRINGLINE_TEST_CLICKHOUSE` names a Python
//! that has chDB, which runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::binary::binary;
use crate::engines::{copy_folder, missing, root};

/// The members of a project's segments by what is printed for a dialect.
#[derive(Debug)]
pub struct Printed {
    /// The keys of the members of each segment computed alone, sorted.
    pub alone: BTreeMap<String, Vec<String>>,
    /// How many members each segment has by the last run.
    pub run: BTreeMap<String, u64>,
}

/// Runs what is printed for ClickHouse at each of these instants in turn, on the CSV files of the project's folder `data`.
/// `None`, with a word why, where there is nothing to run it on.
pub fn printed(project: &Path, instants: &[&str]) -> Option<Printed> {
    let only = std::env::var("SPRINGLINE_TEST_ONLY").ok();
    if only.is_some_and(|only| !only.split(',').any(|one| one.trim() == "clickhouse")) {
        return None;
    }
    let Some(python) = std::env::var_os("SPRINGLINE_TEST_CLICKHOUSE") else {
        missing("clickhouse", "SPRINGLINE_TEST_CLICKHOUSE is not set; `tests/run` installs chDB and sets it");
        return None;
    };
    if let Some(dialects) = std::env::var_os("SPRINGLINE_TEST_DIALECTS") {
        copy_folder(&Path::new(&dialects).join("clickhouse"), &project.join("dialects/clickhouse"));
    }
    let mut command = Command::new(python);
    command.arg(root().join("tests/servers/clickhouse/check.py")).arg(project).arg("--springline").arg(binary());
    for instant in instants {
        command.args(["--as-of", instant]);
    }
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: Value = serde_json::from_slice(&output.stdout).expect("the members as JSON");
    Some(Printed {
        alone: serde_json::from_value(found["alone"].take()).expect("keys by segment"),
        run: serde_json::from_value(found["run"].take()).expect("numbers by segment"),
    })
}
