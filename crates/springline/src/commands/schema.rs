//! `springline schema`: JSON Schemas of the files, for editors.

use std::path::Path;

use serde_json::Value;

use crate::failure::{Exit, Failure};

/// Prints the schema of one kind of file, or writes all of them into a folder.
pub(crate) fn execute(kind: &str, dir: Option<&Path>) -> Result<Exit, Failure> {
    let all = springline_model::schemas();
    let Some(dir) = dir else {
        let Some((_, schema)) = all.iter().find(|(name, _)| *name == kind) else {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            return Err(Failure::new(format!("there is no kind of file `{kind}`"))
                .hint(format!("the kinds are {}", names.join(", "))));
        };
        anstream::println!("{schema:#}");
        return Ok(Exit::Done);
    };
    for (name, schema) in &all {
        let path = dir.join(file_name(name));
        write(&path, schema)?;
        anstream::println!("wrote {}", path.display());
    }
    Ok(Exit::Done)
}

fn file_name(kind: &str) -> String {
    format!("springline-{kind}.schema.json")
}

fn write(path: &Path, schema: &Value) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("cannot write {}: {e}", path.display()));
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    std::fs::write(path, format!("{schema:#}\n")).map_err(failed)
}
