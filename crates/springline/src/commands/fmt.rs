//! `springline fmt`: the conditions of segments in one spelling or the other, in place.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use springline_model::{Respelled, Spelling, respell};

use crate::cli::{Format, Global, SpellingName};
use crate::failure::{Exit, Failure};
use crate::output::counted;
use crate::project;

/// What is asked for.
pub(crate) struct Options {
    /// The files; all of the project if there are none.
    pub(crate) files: Vec<PathBuf>,
    /// Only this segment.
    pub(crate) segment: Option<String>,
    /// The spelling; each condition's own if it is left out.
    pub(crate) to: Option<SpellingName>,
    /// Change nothing and fail if something would change.
    pub(crate) check: bool,
}

pub(crate) fn execute(global: &Global, options: &Options) -> Result<Exit, Failure> {
    let (dir, files) = project::read(global.project.as_deref())?;
    let wanted = wanted_files(&dir, &options.files, &files)?;
    let to = options.to.map(|to| match to {
        SpellingName::Text => Spelling::Text,
        SpellingName::Tree => Spelling::Tree,
    });
    let is_wanted = |path: &str, segment: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.contains(path))
            && options.segment.as_deref().is_none_or(|only| only == segment)
    };
    let found = std::cell::Cell::new(false);
    let results = respell(files, to, &|path, segment| {
        let wanted = is_wanted(path, segment);
        found.set(found.get() || wanted);
        wanted
    });
    if let (Some(segment), false) = (&options.segment, found.get()) {
        return Err(Failure::new(format!("there is no segment `{segment}` in these files"))
            .hint("`springline validate` says what the project has"));
    }
    if !options.check {
        for result in results.iter().filter(|result| !result.rewritten.is_empty()) {
            let path = dir.join(&result.path);
            std::fs::write(&path, &result.text)
                .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
        }
    }
    match global.format {
        Format::Text => show(&results, options.check),
        Format::Json => anstream::println!("{:#}", to_json(&results)),
    }
    let changes = results.iter().any(|result| !result.rewritten.is_empty());
    let invalid = results.iter().flat_map(|result| &result.kept).any(|kept| kept.invalid);
    Ok(if invalid || (options.check && changes) { Exit::Failed } else { Exit::Done })
}

/// The named files as paths within the project; `None` if none is named.
fn wanted_files(dir: &Path, named: &[PathBuf], files: &[(String, String)]) -> Result<Option<HashSet<String>>, Failure> {
    if named.is_empty() {
        return Ok(None);
    }
    let canonical = |path: &Path| path.canonicalize().ok();
    let mut wanted = HashSet::new();
    for name in named {
        // Relative to the current folder, as a shell completes it, or to the project's.
        let places = [canonical(name), canonical(&dir.join(name))];
        let found = files.iter().find(|(path, _)| {
            let own = canonical(&dir.join(path));
            own.is_some() && places.contains(&own)
        });
        match found {
            Some((path, _)) => wanted.insert(path.clone()),
            None => {
                let message = format!("{} is no file of the project in {}", name.display(), dir.display());
                return Err(Failure::new(message).hint("name a YAML file below the project's folder"));
            }
        };
    }
    Ok(Some(wanted))
}

/// What changed, as removed and added lines; then what was left as it is.
fn show(results: &[Respelled], check: bool) {
    for result in results {
        for change in &result.rewritten {
            anstream::println!("{}:{} {}", result.path, change.line, change.segment);
            for (sign, text) in [('-', &change.before), ('+', &change.after)] {
                text.lines().for_each(|line| anstream::println!("{sign} {line}"));
            }
        }
    }
    for result in results {
        for kept in &result.kept {
            let place = format!("{}:{} {}", result.path, kept.line, kept.segment);
            anstream::eprintln!("{place}: left as it is: {}", kept.reason);
        }
    }
    let conditions: usize = results.iter().map(|result| result.rewritten.len()).sum();
    let files = results.iter().filter(|result| !result.rewritten.is_empty()).count();
    let verb = if check { "would be rewritten" } else { "rewritten" };
    match conditions {
        0 => anstream::println!("nothing to rewrite"),
        _ => anstream::println!(
            "{} {verb} in {}",
            counted(conditions as u64, "condition"),
            counted(files as u64, "file")
        ),
    }
}

fn to_json(results: &[Respelled]) -> serde_json::Value {
    let files: Vec<_> = results
        .iter()
        .map(|result| {
            let rewritten: Vec<_> = result
                .rewritten
                .iter()
                .map(|r| json!({ "segment": r.segment, "line": r.line, "before": r.before, "after": r.after }))
                .collect();
            let kept: Vec<_> = result
                .kept
                .iter()
                .map(|k| json!({ "segment": k.segment, "line": k.line, "reason": k.reason, "invalid": k.invalid }))
                .collect();
            json!({ "file": result.path, "rewritten": rewritten, "kept": kept })
        })
        .collect();
    json!({ "files": files })
}
