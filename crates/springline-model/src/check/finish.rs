//! The checked project, put together once nothing is missing.

use crate::{Destination, Entity, Event, Field, ModelTest, Project, Relationship, Segment, Sync};

use super::Head;
use super::catalogue::{Catalogue, EntityInfo, EventInfo, RelationshipInfo, SegmentInfo};
use super::fields::done;
use super::stitched::Identities;

/// `None` if a part could not be read.
pub(super) fn project(
    head: Head,
    mut catalogue: Catalogue,
    identities: Identities,
    destinations: Vec<Destination>,
    syncs: Vec<Sync>,
    tests: Vec<ModelTest>,
) -> Option<Project> {
    let own = catalogue.sources.len() - identities.made.len();
    let made = catalogue.sources.split_off(own).into_iter().map(|info| info.source);
    Some(Project {
        made: made.zip(identities.made).collect(),
        identities: identities.all.into_iter().collect::<Option<_>>()?,
        name: head.name,
        timezone: head.timezone,
        default_target: head.default_target,
        targets: head.targets,
        budget: head.budget,
        retention: head.retention,
        alerts: head.alerts,
        sources: catalogue.sources.into_iter().map(|s| s.source).collect(),
        entities: catalogue.entities.into_iter().map(entity).collect::<Option<_>>()?,
        segments: catalogue.segments.into_iter().map(segment).collect::<Option<_>>()?,
        destinations,
        syncs,
        tests,
    })
}

fn entity(info: EntityInfo) -> Option<Entity> {
    let fields = info.fields.into_iter().map(|field| {
        Some(Field { expr: done(&field.state)?.clone(), name: field.name, label: field.label, span: field.span })
    });
    Some(Entity {
        fields: fields.collect::<Option<_>>()?,
        name: info.name,
        label: info.label,
        source: info.source?,
        primary_key: info.primary_key,
        distinct: info.distinct,
        relationships: info.relationships.into_iter().map(relationship).collect::<Option<_>>()?,
        events: info.events.into_iter().map(event).collect::<Option<_>>()?,
        span: info.span,
    })
}

fn relationship(info: RelationshipInfo) -> Option<Relationship> {
    Some(Relationship { name: info.name, to: info.to?, kind: info.kind, key: info.key, span: info.span })
}

fn event(info: EventInfo) -> Option<Event> {
    Some(Event {
        name: info.name,
        source: info.source?,
        key: info.key,
        at: info.at,
        relationships: info.relationships.into_iter().map(relationship).collect::<Option<_>>()?,
        span: info.span,
    })
}

fn segment(info: SegmentInfo) -> Option<Segment> {
    Some(Segment {
        name: info.name,
        label: info.label,
        description: info.description,
        owner: info.owner,
        entity: info.entity?,
        condition: info.condition?,
        budget: info.budget,
        span: info.span,
    })
}
