//! YAML text in, a checked project or diagnostics out.
//!
//! The model crate reads no file, knows no dialect, no engine and no destination: what kinds of
//! engines and destinations exist is handed in as data (see [`Registry`]).

mod check;
mod diagnostic;
mod explanation;
mod expr;
mod project;
mod reference;
mod registry;
mod source_map;
mod spelling;
mod syntax;

pub use check::{Checked, check};
pub use diagnostic::{Code, Diagnostic, Label, Severity};
pub use explanation::Explanation;
pub use project::{
    Column, Destination, DestinationId, Entity, EntityId, Event, EventId, Field, FieldId, Gather, Guards, Leaf, Limit,
    Mapping, Mode, Over, Pii, Project, Relationship, RelationshipId, RelationshipKind, RowId, Segment, SegmentId,
    Setting, Source, SourceId, Sync, Target, Unit, ValueExpr, Within,
};
pub use reference::{language_page, schemas};
pub use registry::{DestinationKind, EngineKind, OptionKind, Registry};
pub use source_map::{FileId, Position, SourceMap, Span};
pub use spelling::{Kept, Respelled, Rewritten, Spelling, respell};
