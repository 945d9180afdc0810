//! `springline catalog --write`: a source for each table that none names, to be looked at by a person.

use std::path::{Path, PathBuf};

use springline_model::{Lock, LockTable, Pii, yaml_text};
use springline_run::guess_pii;

use crate::failure::Failure;

use super::catalog::{Shop, save};

/// Where sources are written, the first that can take them.
const FILES: [&str; 2] = ["models/sources.yaml", "models/sources_found.yaml"];

/// What was written.
pub(crate) struct Added {
    pub(crate) file: PathBuf,
    pub(crate) sources: Vec<String>,
}

/// Adds a source for each table of the lock that no source names; `None` where every table has one.
pub(crate) async fn add_sources(shop: &Shop, lock: &Lock) -> Result<Option<Added>, Failure> {
    let mut text = String::new();
    let mut names: Vec<String> = shop.checked.outline.sources.iter().map(|s| s.name.to_lowercase()).collect();
    let mut sources = Vec::new();
    let keys: Vec<(String, String)> = key_names(lock);
    for table in lock.tables.iter().filter(|table| shop.sources_of(&table.name).is_empty()) {
        let name = source_name(&table.name, &names);
        names.push(name.to_lowercase());
        let key = shop.profiler().suggest_key(table).await?;
        text.push_str(&source(&name, table, key.as_deref(), &keys));
        sources.push(name);
    }
    if sources.is_empty() {
        return Ok(None);
    }
    let file = append(&shop.dir, &text)?;
    Ok(Some(Added { file, sources }))
}

/// A name that sources may have and that none has yet.
fn source_name(table: &str, taken: &[String]) -> String {
    let own = table.rsplit('.').next().unwrap_or(table);
    let mut name: String = own.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(40).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "t_");
    }
    let base = name.clone();
    let mut number = 2;
    while taken.contains(&name.to_lowercase()) {
        name = format!("{base}_{number}");
        number += 1;
    }
    name
}

/// What a column with the key of another table would be called: `customer_id` for `customers`.
fn key_names(lock: &Lock) -> Vec<(String, String)> {
    let names = lock.tables.iter().map(|table| {
        let own = table.name.rsplit('.').next().unwrap_or(&table.name).to_lowercase();
        let singular = match own.strip_suffix("ies") {
            Some(stem) => format!("{stem}y"),
            None => own.strip_suffix('s').unwrap_or(&own).to_owned(),
        };
        (format!("{singular}_id"), table.name.clone())
    });
    names.collect()
}

/// One source as YAML, a column a line.
fn source(name: &str, table: &LockTable, key: Option<&str>, keys: &[(String, String)]) -> String {
    let mut lines = vec![format!("  - name: {}", yaml_text(name)), format!("    table: {}", yaml_text(&table.name))];
    match key {
        Some(key) if table.primary_key.is_empty() => {
            lines.push(format!("    primary_key: {}    # suggested: never null, never twice", yaml_text(key)));
        }
        Some(key) => lines.push(format!("    primary_key: {}", yaml_text(key))),
        None => lines.push("    # no single column tells its rows apart".to_owned()),
    }
    lines.push("    columns:".to_owned());
    for column in &table.columns {
        let Some(ty) = column.ty.known() else {
            lines.push(format!("      # {} is of a type that the language does not have: {}", column.name, column.ty));
            continue;
        };
        let ty = yaml_text(&ty.to_string());
        let pii = guess_pii(&column.name);
        let value = match pii {
            // A comma would end the value inside `{ … }`.
            Some(pii) => {
                format!("{{ type: \"{}\", pii: {} }}    # suggested by its name", ty.trim_matches('"'), word(pii))
            }
            None => ty,
        };
        let other = keys.iter().find(|(key, other)| *key == column.name.to_lowercase() && *other != table.name);
        let note = other.map_or_else(String::new, |(_, other)| format!("    # seems to lead to {other}"));
        lines.push(format!("      {}: {value}{note}", yaml_text(&column.name)));
    }
    lines.join("\n") + "\n\n"
}

fn word(pii: Pii) -> &'static str {
    match pii {
        Pii::Email => "email",
        Pii::Phone => "phone",
        Pii::Name => "name",
        Pii::Address => "address",
        Pii::Other => "other",
    }
}

/// Adds items to the list of sources at the end of the first file that can take them.
fn append(dir: &Path, items: &str) -> Result<PathBuf, Failure> {
    for file in FILES {
        let path = dir.join(file);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
        };
        if let Some(text) = with_items(&text, items) {
            let folder = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(folder)
                .map_err(|e| Failure::new(format!("cannot make {}: {e}", folder.display())))?;
            save(&path, &text)?;
            return Ok(path);
        }
    }
    let message = format!("neither {} ends with a list `sources:` that can be added to", FILES.join(" nor "));
    Err(Failure::new(message).hint("move `sources:` to the end of one of them, its items beginning with `  - name:`"))
}

/// The file with the items at its end; `None` where its end is no list of sources that is indented like them.
fn with_items(text: &str, items: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some(format!("sources:\n{}\n", items.trim_end()));
    }
    let is_top = |line: &&str| !line.starts_with([' ', '#', '-']) && !line.trim().is_empty();
    let list = text.lines().rfind(is_top)?;
    let after = text.rsplit_once(list)?.1;
    let first = after.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    let fits = list.split('#').next()?.trim() == "sources:" && first.starts_with("  - ");
    fits.then(|| format!("{}\n\n{}\n", text.trim_end(), items.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_go_to_the_end_of_a_list_of_sources() {
        let items = "  - name: b\n    table: b\n";
        assert_eq!(with_items("", items).unwrap(), "sources:\n  - name: b\n    table: b\n");
        let with = with_items("sources:  # all\n  - name: a\n", items).unwrap();
        assert_eq!(with, "sources:  # all\n  - name: a\n\n  - name: b\n    table: b\n");
        assert_eq!(with_items("sources: []\n", items), None);
        assert_eq!(with_items("sources:\n  - name: a\nentities:\n  - name: c\n", items), None);
        assert_eq!(with_items("sources:\n- name: a\n", items), None);
    }

    #[test]
    fn sources_get_names_of_their_own() {
        assert_eq!(source_name("crm.customers", &["customers".to_owned()]), "customers_2");
        assert_eq!(source_name("2024 orders", &[]), "t_2024_orders");
    }
}
