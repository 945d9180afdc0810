//! `springline history`: how a segment grew from run to run, or which segments one row was in.

use serde_json::json;
use springline_model::EntityId;
use springline_run::{SegmentHistory, Stay};

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::{counted, right, table, thousands};
use crate::sessions::{Workplace, unknown};

/// Whose history.
pub(crate) enum Asked {
    /// A segment's.
    Segment(String),
    /// That of the row of a primary key.
    Key {
        /// The primary key's value.
        key: String,
        /// The row's entity; every one that has segments where it is left out.
        entity: Option<String>,
    },
}

pub(crate) async fn execute(
    global: &Global,
    asked: &Asked,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let (from, to) = (workplace.instant("from", from)?, workplace.instant("to", to)?);
    if let Some((from, to)) = from.zip(to).filter(|(from, to)| from > to) {
        return Err(
            Failure::new(format!("`--from` {from} is after `--to` {to}")).hint("give the earlier one as `--from`")
        );
    }
    match asked {
        Asked::Segment(name) => {
            let segment = workplace.segment(name)?;
            let session = workplace.session().await?;
            let history = springline_run::segment_history(&session, segment, from, to).await?;
            match global.format {
                Format::Json => anstream::println!("{:#}", json!(history)),
                Format::Text => show_segment(&history),
            }
        }
        Asked::Key { key, entity } => {
            let entities = entities(&workplace, entity.as_deref())?;
            let session = workplace.session().await?;
            let mut stays = Vec::new();
            for entity in entities {
                stays.extend(springline_run::key_history(&session, entity, key, from, to).await?);
            }
            match global.format {
                Format::Json => anstream::println!("{:#}", json!({ "stays": stays })),
                Format::Text => show_key(&stays),
            }
        }
    }
    Ok(Exit::Done)
}

/// The entity of that name, or every one that has segments.
fn entities(workplace: &Workplace, name: Option<&str>) -> Result<Vec<EntityId>, Failure> {
    let project = workplace.project();
    let Some(name) = name else {
        let has_segments = |id: &EntityId| project.segments.iter().any(|segment| segment.entity == *id);
        return Ok((0..project.entities.len()).map(EntityId).filter(has_segments).collect());
    };
    let place = project.entities.iter().position(|entity| entity.name == name);
    let known = project.entities.iter().map(|entity| entity.name.as_str());
    place.map(|place| vec![EntityId(place)]).ok_or_else(|| unknown("entity", name, known))
}

fn show_segment(history: &SegmentHistory) {
    let runs = counted(history.sizes.len() as u64, "run");
    anstream::println!("{}: {runs} of entity {}", history.segment, history.entity);
    if !history.sizes.is_empty() {
        let mut sizes = table(&["as of", "members", "entered", "exited"]);
        for size in &history.sizes {
            let counts = [size.members, size.entered, size.exited].map(thousands);
            sizes.add_row([size.as_of.clone()].into_iter().chain(counts));
        }
        right(&mut sizes, &[1, 2, 3]);
        anstream::println!("{sizes}");
    }
    if let Some(between) = &history.between {
        anstream::println!(
            "from {} to {}: {} entered, {} exited, {} stayed, {} left and returned",
            between.from,
            between.to,
            thousands(between.entered),
            thousands(between.exited),
            thousands(between.stayed),
            thousands(between.returned)
        );
    }
}

fn show_key(stays: &[Stay]) {
    if stays.is_empty() {
        anstream::println!("in no segment at any run");
        return;
    }
    let mut rows = table(&["entity", "segment", "entered", "exited"]);
    for stay in stays {
        let exited = stay.exited_at.clone().unwrap_or_else(|| "-".to_owned());
        rows.add_row([stay.entity.clone(), stay.segment.clone(), stay.entered_at.clone(), exited]);
    }
    anstream::println!("{rows}");
}
