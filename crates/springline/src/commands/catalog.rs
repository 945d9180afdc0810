//! `springline catalog`: what tables the warehouse has, kept in a file so that nothing else needs to ask.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use springline_ir::TableName;
use springline_model::{Checked, LOCK_FILE, Lock, Severity, Target};
use springline_run::{ColumnProfile, Drift, Profile, Profiler};
use springline_sql::Dialect;
use springline_warehouse::{Discover, Warehouse};

use crate::cli::{Format, Global};
use crate::connect::{self, Overrides, Place};
use crate::dialects;
use crate::failure::{Exit, Failure};
use crate::output::{counted, right, table, thousands};
use crate::project;
use crate::sessions::unknown;

use super::catalog_write;

/// What the command line asks of the catalog.
pub(crate) struct Options {
    pub(crate) all: bool,
    pub(crate) check: bool,
    pub(crate) write: bool,
}

/// A project that may have errors, and the warehouse of its target.
pub(crate) struct Shop {
    pub(crate) dir: PathBuf,
    pub(crate) checked: Checked,
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) dialect: Dialect,
    state_schema: String,
    target: String,
}

pub(crate) async fn execute(global: &Global, table: Option<&str>, options: &Options) -> Result<Exit, Failure> {
    let shop = open(global).await?;
    match table {
        Some(table) => profile(global, &shop, table).await,
        None if options.check => check(global, &shop).await,
        None => write(global, &shop, options).await,
    }
}

async fn open(global: &Global) -> Result<Shop, Failure> {
    let (dir, checked) = project::check(global.project.as_deref())?;
    let target = target(&checked, global.target.as_deref())?;
    let dialect = dialects::load(&dir, &target.engine)?;
    let place = Place { dir: &dir, sources: &checked.sources };
    let warehouse = connect::warehouse_for(place, &target, &checked.outline.sources, &Overrides::new()).await?;
    let (state_schema, target) = (target.state_schema, target.name);
    Ok(Shop { dir, checked, warehouse, dialect, state_schema, target })
}

/// The target that was asked for, or the project's default, whatever else is wrong with the project.
fn target(checked: &Checked, name: Option<&str>) -> Result<Target, Failure> {
    let targets = &checked.outline.targets;
    let Some(name) = name.or(checked.outline.default_target.as_deref()) else {
        return Err(Failure::new("the project has no target that can be read")
            .hint("`springline validate` says what is wrong with it"));
    };
    let found = targets.iter().find(|target| target.name == name).cloned();
    found.ok_or_else(|| unknown("target", name, targets.iter().map(|t| t.name.as_str())))
}

impl Shop {
    async fn read(&self, all: bool) -> Result<Lock, Failure> {
        let discover = springline_run::schemas_of(&self.checked.outline, &self.state_schema, all);
        Ok(springline_run::read_catalog(self.warehouse.as_ref(), &discover).await?)
    }

    fn lock_path(&self) -> PathBuf {
        self.dir.join(LOCK_FILE)
    }

    pub(crate) fn profiler(&self) -> Profiler<'_> {
        Profiler { warehouse: self.warehouse.as_ref(), dialect: &self.dialect }
    }

    /// The sources that read a table.
    pub(crate) fn sources_of(&self, table: &str) -> Vec<&str> {
        let sources = self.checked.outline.sources.iter().filter(|s| s.table.to_string() == table);
        sources.map(|s| s.name.as_str()).collect()
    }
}

async fn write(global: &Global, shop: &Shop, options: &Options) -> Result<Exit, Failure> {
    let lock = shop.read(options.all).await?;
    let path = shop.lock_path();
    save(&path, &lock.to_yaml())?;
    let added = if options.write { catalog_write::add_sources(shop, &lock).await? } else { None };
    match global.format {
        Format::Json => {
            let tables: Vec<Value> = lock
                .tables
                .iter()
                .map(|t| {
                    json!({ "table": t.name, "rows": t.rows, "columns": t.columns.len(),
                        "primary_key": t.primary_key, "sources": shop.sources_of(&t.name) })
                })
                .collect();
            let added = added.map(|a| json!({ "file": a.file, "sources": a.sources }));
            anstream::println!("{:#}", json!({ "lock": path, "tables": tables, "added": added }));
        }
        Format::Text => {
            let mut shown = table(&["table", "rows", "columns", "source"]);
            for found in &lock.tables {
                let rows = found.rows.map_or_else(|| "-".to_owned(), thousands);
                let sources = shop.sources_of(&found.name).join(", ");
                shown.add_row([found.name.clone(), rows, found.columns.len().to_string(), sources]);
            }
            right(&mut shown, &[1, 2]);
            anstream::println!("{shown}");
            let tables = counted(lock.tables.len() as u64, "table");
            anstream::println!("{tables} of target `{}` kept in {}", shop.target, path.display());
            if let Some(added) = added {
                let sources = counted(added.sources.len() as u64, "source");
                anstream::println!("added {sources} to {}: look at the suggestions", added.file.display());
            }
            report_errors(global)?;
        }
    }
    Ok(Exit::Done)
}

/// Says so where the project does not fit the new lock.
fn report_errors(global: &Global) -> Result<(), Failure> {
    let (_, checked) = project::check(global.project.as_deref())?;
    let errors = checked.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    if errors > 0 {
        let errors = counted(errors as u64, "error");
        anstream::println!("the project has {errors} now; `springline validate` shows them");
    }
    Ok(())
}

pub(crate) fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}

async fn check(global: &Global, shop: &Shop) -> Result<Exit, Failure> {
    let Some(before) = &shop.checked.outline.lock else {
        let message = format!("there is no {LOCK_FILE} that can be read");
        return Err(Failure::new(message).hint("write one with `springline catalog`"));
    };
    let Some(project) = &shop.checked.project else {
        return Err(Failure::new("the project has errors, so that it cannot be told what a change breaks")
            .hint("`springline validate` shows them"));
    };
    let drifts = springline_run::drift(project, &shop.checked.sources, before, &shop.read(false).await?);
    let broken = drifts.iter().filter(|drift| !drift.breaks.is_empty()).count();
    match global.format {
        Format::Json => anstream::println!("{:#}", json!({ "drift": drifts, "breaking": broken })),
        Format::Text if drifts.is_empty() => anstream::println!("{LOCK_FILE} says what target `{}` has", shop.target),
        Format::Text => {
            drifts.iter().for_each(show);
            let changes = counted(drifts.len() as u64, "change");
            anstream::println!("{changes} since {LOCK_FILE} was written, {broken} of which break definitions");
            anstream::println!("`springline catalog` writes it anew");
        }
    }
    Ok(if broken > 0 { Exit::Failed } else { Exit::Done })
}

fn show(drift: &Drift) {
    let place = match &drift.column {
        Some(column) => format!("{}.{column}", drift.table),
        None => drift.table.clone(),
    };
    let change = drift.change.replace('_', " ");
    match (&drift.before, &drift.after) {
        (Some(before), Some(after)) => anstream::println!("{place}: {change}: {before} -> {after}"),
        (Some(one), None) | (None, Some(one)) => anstream::println!("{place}: {change} ({one})"),
        (None, None) => anstream::println!("{place}: {change}"),
    }
    for broken in &drift.breaks {
        anstream::println!("  breaks {} {} ({})", broken.kind, broken.name, broken.at);
    }
}

async fn profile(global: &Global, shop: &Shop, name: &str) -> Result<Exit, Failure> {
    let Some(path) = TableName::parse(name) else {
        return Err(Failure::new(format!("`{name}` is no name of a table")).hint("write `table` or `schema.table`"));
    };
    let schema = path.parts.split_last().map(|(_, schema)| schema.to_vec()).unwrap_or_default();
    let discover = Discover { schemas: vec![schema], all: false, state_schema: shop.state_schema.clone() };
    let lock = springline_run::read_catalog(shop.warehouse.as_ref(), &discover).await?;
    let Some(found) = lock.table(name) else {
        return Err(unknown("table", name, lock.tables.iter().map(|t| t.name.as_str())));
    };
    let profile = shop.profiler().profile(found, &shop.checked.outline.sources).await?;
    match global.format {
        Format::Json => anstream::println!("{:#}", json!(profile)),
        Format::Text => show_profile(&profile),
    }
    Ok(Exit::Done)
}

fn show_profile(profile: &Profile) {
    anstream::println!("{}: {}", profile.table, counted(profile.rows, "row"));
    let mut shown = table(&["column", "type", "filled", "distinct", "min", "max", "most frequent"]);
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for column in &profile.columns {
        let hidden = |value: String| if column.personal { "***".to_owned() } else { value };
        let top: Vec<String> =
            column.top.iter().map(|(value, rows)| format!("{} ({})", text(value), thousands(*rows))).collect();
        shown.add_row([
            column.column.clone(),
            column.ty.clone(),
            share(column, profile.rows),
            column.distinct.map_or_else(String::new, thousands),
            hidden(text(&column.min)),
            hidden(text(&column.max)),
            hidden(top.join(", ")),
        ]);
    }
    right(&mut shown, &[2, 3]);
    anstream::println!("{shown}");
}

/// The rows in which a column has a value, in percent.
#[allow(clippy::cast_precision_loss, reason = "a percentage for people")]
fn share(column: &ColumnProfile, rows: u64) -> String {
    if rows == 0 { "-".to_owned() } else { format!("{:.1}%", column.filled as f64 * 100.0 / rows as f64) }
}
