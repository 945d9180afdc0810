//! `springline docs`: the reference pages, made from the tables and declarations that the program itself
//! works with.

mod command_line;
mod dialects;
mod errors;
mod functions;

use std::path::Path;

use crate::failure::{Exit, Failure};

/// Writes every page into a folder: path within it and text.
pub(crate) fn execute(dir: &Path) -> Result<Exit, Failure> {
    let mut pages = vec![
        ("language.md".to_owned(), springline_model::language_page()),
        ("functions.md".to_owned(), functions::page()?),
        ("dialects.md".to_owned(), dialects::page()?),
        ("cli.md".to_owned(), command_line::page()),
    ];
    pages.extend(errors::pages());
    for (path, text) in &pages {
        let path = dir.join(path);
        let failed = |e: std::io::Error| Failure::new(format!("cannot write {}: {e}", path.display()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&path, text).map_err(failed)?;
    }
    anstream::println!("wrote {} pages into {}", pages.len(), dir.display());
    Ok(Exit::Done)
}
