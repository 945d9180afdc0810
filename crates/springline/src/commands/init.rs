//! `springline init`: a new project, empty or from an example that is part of the binary.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde_json::json;

use crate::cli::{Example, Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::thousands;
use crate::project::PROJECT_FILE;
use crate::seed::{self, Seed};

static RETAIL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/retail");

/// The smallest project: a target that reads the files of a folder.
const EMPTY: &str = "name: my_project
version: 1
timezone: UTC
default_target: local
targets:
  # Parquet, CSV and JSON-lines files of the folder `data`, read in place.
  local: { engine: datafusion, path: data }
";

pub(crate) fn execute(
    global: &Global,
    dir: Option<PathBuf>,
    example: Option<Example>,
    seed: &Seed,
) -> Result<Exit, Failure> {
    let dir = dir.unwrap_or_else(|| PathBuf::from(if example.is_some() { "retail" } else { "." }));
    let files = match example {
        Some(Example::Retail) => retail(&dir, seed)?,
        None => {
            refuse_existing(&dir)?;
            write(&dir.join(PROJECT_FILE), EMPTY.as_bytes())?;
            Vec::new()
        }
    };
    match global.format {
        Format::Json => {
            let data: Vec<_> = files.iter().map(|(file, rows)| json!({ "file": file, "rows": rows })).collect();
            anstream::println!("{:#}", json!({ "project": dir, "data": data }));
        }
        Format::Text => {
            anstream::println!("made the project {}", dir.display());
            for (file, rows) in &files {
                anstream::println!("  data/{file}: {} rows", thousands(*rows));
            }
            if example.is_some() {
                anstream::println!(
                    "try: springline --project {} preview lapsing_vips --as-of 2024-06-30T00:00:00Z",
                    dir.display()
                );
            }
        }
    }
    Ok(Exit::Done)
}

/// Copies the retail example and makes its data; gives the files of the data and their rows.
pub(crate) fn retail(dir: &Path, seed: &Seed) -> Result<Vec<(String, u64)>, Failure> {
    refuse_existing(dir)?;
    copy(&RETAIL, dir)?;
    let data = dir.join("data");
    seed::write_retail(&data, seed)
        .map_err(|e| Failure::new(format!("cannot write the data to {}: {e}", data.display())))
}

fn refuse_existing(dir: &Path) -> Result<(), Failure> {
    let file = dir.join(PROJECT_FILE);
    if file.exists() {
        return Err(Failure::new(format!("{} is a project already", dir.display())).hint("name another folder"));
    }
    Ok(())
}

fn copy(from: &Dir<'_>, to: &Path) -> Result<(), Failure> {
    for file in from.files() {
        write(&to.join(file.path()), file.contents())?;
    }
    for dir in from.dirs() {
        copy(dir, to)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}
