//! `springline validate`: the project's problems, without a connection.

use springline_model::Severity;

use crate::cli::{Format, Global};
use crate::diagnostics;
use crate::failure::{Exit, Failure};
use crate::output::counted;
use crate::project;

pub(crate) fn execute(global: &Global) -> Result<Exit, Failure> {
    let (_, checked) = project::check(global.project.as_deref())?;
    match global.format {
        Format::Json => anstream::println!("{:#}", diagnostics::to_json(&checked.diagnostics, &checked.sources)),
        Format::Text => {
            anstream::eprint!("{}", diagnostics::page(&checked.diagnostics, &checked.sources));
            if let Some(project) = &checked.project {
                anstream::println!("project `{}` is valid: {}", project.name, summary(project));
            }
        }
    }
    let failed = checked.diagnostics.iter().any(|d| d.severity == Severity::Error);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// How many of each kind there are.
pub(crate) fn summary(project: &springline_model::Project) -> String {
    let fields: usize = project.entities.iter().map(|e| e.fields.len()).sum();
    [
        counted(project.sources.len() as u64, "source"),
        counted(project.entities.len() as u64, "entity"),
        counted(fields as u64, "computed field"),
        counted(project.segments.len() as u64, "segment"),
        counted(project.syncs.len() as u64, "sync"),
    ]
    .join(", ")
}
