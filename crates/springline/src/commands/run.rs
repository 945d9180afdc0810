//! `springline run`: all fields and segments of the entities, and who entered and left when.

use serde_json::json;
use springline_model::{EntityId, Identity, Project};
use springline_plan::Hashing;
use springline_run::EntityRun;

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::{forecast_text, right, table, thousands};
use crate::sessions::{Workplace, unknown};

pub(crate) async fn execute(global: &Global, names: &[String], backfill: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let chosen = chosen(workplace.project(), names)?;
    let session = workplace.session().await?;
    let mut identities = Vec::new();
    // A run at an earlier instant mends what was kept of it; who is who is known as of now.
    for identity in resolved(workplace.project(), &chosen).into_iter().filter(|_| !backfill) {
        // Somebody else's run of it is waited for: the entities are to stand on one that is whole.
        let hashing = Hashing { salt: 0, space: None };
        let report = springline_run::run_identity(&session, identity, hashing, true).await?;
        if global.format == Format::Text {
            super::identity::headline(&report);
        }
        identities.push(report);
    }
    let mut runs = Vec::new();
    for entity in chosen {
        runs.push(springline_run::run_entity(&session, entity, backfill).await?);
    }
    match global.format {
        Format::Json => {
            let mut all = json!({ "as_of": session.as_of.to_string(), "entities": runs });
            if !identities.is_empty() {
                all["identities"] = json!(identities);
            }
            anstream::println!("{all:#}");
        }
        Format::Text => {
            for run in &runs {
                show(run);
            }
        }
    }
    Ok(Exit::Done)
}

/// What the entities' runs would read.
pub(crate) async fn forecast(global: &Global, names: &[String]) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let chosen = chosen(workplace.project(), names)?;
    let session = workplace.session().await?;
    let mut all = Vec::new();
    for entity in chosen {
        let forecast = springline_run::forecast_run(&session, entity).await?;
        let name = &workplace.project().entity(entity).name;
        if global.format == Format::Text {
            anstream::println!("entity {name}: {}", forecast_text(&forecast));
        }
        all.push(json!({ "entity": name, "forecast": forecast }));
    }
    if global.format == Format::Json {
        anstream::println!("{:#}", json!({ "as_of": session.as_of.to_string(), "entities": all }));
    }
    Ok(Exit::Done)
}

/// The entities of these names. Without names, those that only serve others are left out: they have nothing of their
/// own.
fn chosen(project: &Project, names: &[String]) -> Result<Vec<EntityId>, Failure> {
    let entities = &project.entities;
    for name in names {
        if !entities.iter().any(|e| e.name == *name) {
            return Err(unknown("entity", name, entities.iter().map(|e| e.name.as_str())));
        }
    }
    let has_segments = |id: EntityId| project.segments.iter().any(|s| s.entity == id);
    let wanted =
        |id: EntityId| if names.is_empty() { has_segments(id) } else { names.contains(&project.entity(id).name) };
    Ok((0..entities.len()).map(EntityId).filter(|id| wanted(*id)).collect())
}

/// The identities that these entities are made of, in the order of the project.
fn resolved<'p>(project: &'p Project, entities: &[EntityId]) -> Vec<&'p Identity> {
    let of: Vec<&str> =
        entities.iter().filter_map(|id| project.identity_of(*id)).map(|identity| identity.name.as_str()).collect();
    project.identities.iter().filter(|identity| of.contains(&identity.name.as_str())).collect()
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
