//! `springline run`: all fields and segments of the entities, and who entered and left when.

use serde_json::json;
use springline_model::EntityId;
use springline_run::EntityRun;

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::{right, table, thousands};
use crate::sessions::{Workplace, unknown};

pub(crate) async fn execute(global: &Global, names: &[String], backfill: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let entities = &workplace.project().entities;
    for name in names {
        if !entities.iter().any(|e| e.name == *name) {
            return Err(unknown("entity", name, entities.iter().map(|e| e.name.as_str())));
        }
    }
    let session = workplace.session().await?;
    let mut runs = Vec::new();
    for (i, entity) in entities.iter().enumerate() {
        // Without names, entities that only serve others are left out: they have nothing of their own.
        let has_segments = workplace.project().segments.iter().any(|s| s.entity == EntityId(i));
        if if names.is_empty() { has_segments } else { names.contains(&entity.name) } {
            runs.push(springline_run::run_entity(&session, EntityId(i), backfill).await?);
        }
    }
    match global.format {
        Format::Json => anstream::println!("{:#}", json!({ "as_of": session.as_of.to_string(), "entities": runs })),
        Format::Text => {
            for run in &runs {
                show(run);
            }
        }
    }
    Ok(Exit::Done)
}

/// The sizes of an entity's segments.
pub(crate) fn show(run: &EntityRun) {
    let what =
        if run.backfill { "mended in the history".to_owned() } else { format!("kept in {}", run.tables.join(", ")) };
    anstream::println!("entity {} as of {}, {what}", run.entity, run.as_of);
    let mut sizes = table(&["segment", "members", "entered", "exited"]);
    for segment in &run.segments {
        let counts = [segment.members, segment.entered, segment.exited].map(thousands);
        sizes.add_row([segment.segment.clone()].into_iter().chain(counts));
    }
    right(&mut sizes, &[1, 2, 3]);
    anstream::println!("{sizes}");
}
