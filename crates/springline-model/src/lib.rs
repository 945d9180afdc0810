//! YAML text in, a checked project or diagnostics out.
//!
//! The model crate reads no file, knows no dialect, no engine and no destination: what kinds of
//! engines and destinations exist is handed in as data (see [`Registry`]).

mod check;
mod delivery;
mod diagnostic;
mod explanation;
mod expr;
mod golden;
mod identity;
mod lock;
mod matching;
mod model_test;
mod packages;
mod project;
mod reference;
mod registry;
mod schedule;
mod show;
mod source_map;
mod spelling;
mod syntax;
mod uses;

pub use check::{Checked, Outline, check, check_changed, check_with};
pub use delivery::{
    Alert, AlertReason, Audit, Destination, Guards, Limit, Mapping, Mode, Nulls, Removal, Retention, StatePlace, Sync,
};
pub use diagnostic::{Code, Diagnostic, Label, Severity};
pub use explanation::Explanation;
pub use golden::{GoldenKind, GoldenPart, GoldenRecord, HOUSEHOLD_ID, Households, Survivorship};
pub use identity::{
    Attribute, CanonicalId, Identifier, Identity, IdentityRule, IdentitySource, Made, OVERRIDE_COLUMNS, OnViolation,
    Records, RuleKind, Winner,
};
pub use lock::{LOCK_FILE, Lock, LockColumn, LockTable, LockType, yaml_text};
pub use matching::{Comparison, LABEL_ANSWER, LABEL_COLUMNS, Link, Matching, Measure, Method};
pub use model_test::{Expected, ExpectedValue, Fixture, Given, ModelTest, TestCheck, literal_text};
pub use packages::{NoPackages, PACKAGE_FILE, Package, PackageSource, Parameter, SHIPPED};
pub use project::{
    Asked, Budget, Column, DestinationId, Edge, Entity, EntityId, Event, EventId, Field, FieldId, Gather, History,
    Leaf, Over, Period, Pii, Point, Project, Relationship, RelationshipId, RelationshipKind, RowId, Segment, SegmentId,
    Sequence, SequenceStep, Setting, Source, SourceId, Target, Unit, ValueExpr, Within,
};
pub use reference::{language_page, schemas};
pub use registry::{AlertKind, DestinationKind, EngineKind, OptionKind, Registry};
pub use schedule::Schedule;
pub use show::expression_text;
pub use source_map::{FileId, Position, SourceMap, Span};
pub use spelling::{Kept, Respelled, Rewritten, Spelling, respell};
pub use uses::{Use, uses_of_column, uses_of_segment};
