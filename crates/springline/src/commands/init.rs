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
static BOUTIQUE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/boutique");
static SUBSCRIPTION: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/subscription");

/// The smallest project: a target that reads the files of a folder.
const EMPTY: &str = "name: my_project
version: 1
timezone: UTC
default_target: local
targets:
  # Parquet, CSV and JSON-lines files of the folder `data`, read in place.
  local: { engine: datafusion, path: data }
";

/// What is asked of the data that is made for an example.
pub(crate) struct DataOptions {
    pub(crate) customers: Option<u32>,
    pub(crate) seed: Option<u64>,
}

pub(crate) fn execute(
    global: &Global,
    dir: Option<PathBuf>,
    example: Option<Example>,
    data: &DataOptions,
) -> Result<Exit, Failure> {
    let dir = dir.unwrap_or_else(|| PathBuf::from(example.map_or(".", folder)));
    let made = data.customers.is_some() || data.seed.is_some();
    if let Some(example) = example.filter(|example| made && *example != Example::Retail) {
        let message = format!("the data of the example {} is not made: it is the same for everybody", folder(example));
        return Err(Failure::new(message).hint("leave out `--customers` and `--seed`, or take `--example retail`"));
    }
    let files = match example {
        Some(Example::Retail) => {
            let usual = Seed::default();
            let customers = data.customers.unwrap_or(usual.customers);
            retail(&dir, &Seed { seed: data.seed.unwrap_or(usual.seed), customers })?
        }
        Some(Example::Boutique) => whole(&BOUTIQUE, &dir)?,
        Some(Example::Subscription) => whole(&SUBSCRIPTION, &dir)?,
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
            if let Some(example) = example {
                anstream::println!(
                    "try: springline --project {} preview {} --as-of 2024-06-30T00:00:00Z",
                    dir.display(),
                    worth_a_look(example)
                );
            }
        }
    }
    Ok(Exit::Done)
}

/// The folder that an example is made in where none is named.
fn folder(example: Example) -> &'static str {
    match example {
        Example::Retail => "retail",
        Example::Boutique => "boutique",
        Example::Subscription => "subscription",
    }
}

/// A segment of the example to begin with.
fn worth_a_look(example: Example) -> &'static str {
    match example {
        Example::Retail => "lapsing_vips",
        Example::Boutique => "rfm_champions",
        Example::Subscription => "win_back_by_email",
    }
}

/// Copies an example that has its data beside it; gives the files of the data and their rows.
fn whole(example: &Dir<'_>, dir: &Path) -> Result<Vec<(String, u64)>, Failure> {
    refuse_existing(dir)?;
    copy(example, dir)?;
    let data = example.get_dir("data").map(Dir::files).into_iter().flatten();
    // The first line of a CSV file has the names of the columns.
    let rows = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1) as u64;
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(data.map(|file| (name(file.path()), rows(file.contents()))).collect())
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
        // What runs have written beside the example is none of it.
        let name = dir.path().file_name().map(|name| name.to_string_lossy());
        if name.is_none_or(|name| !name.starts_with('.') && name != "out") {
            copy(dir, to)?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}
