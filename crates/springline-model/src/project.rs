//! The checked project: every name resolved, every expression typed, nothing that could fail to
//! compile for a reason that lies in the model.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use springline_ir::{Expr, FunctionId, TableName, Type};

use crate::{Alert, Destination, Identity, Made, ModelTest, Retention, Span, StatePlace, Sync};

/// An expression over the values of one row: of an entity, or of an event.
pub type ValueExpr = Expr<Leaf>;

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)*) => {
        $($(#[$doc])* #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)] pub struct $id(pub usize);)*
    };
}

ids! {
    /// The place of a source in [`Project::sources`].
    SourceId
    /// The place of an entity in [`Project::entities`].
    EntityId
    /// The place of an event in [`Entity::events`].
    EventId
    /// The place of a relationship in the relationships of an entity or event.
    RelationshipId
    /// The place of a field in [`Entity::fields`].
    FieldId
    /// The place of a segment in [`Project::segments`].
    SegmentId
    /// The place of a destination in [`Project::destinations`].
    DestinationId
}

/// A checked project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Where days begin, for windows.
    pub timezone: TimeZone,
    /// The target used where none is named.
    pub default_target: String,
    /// The warehouse connections.
    pub targets: Vec<Target>,
    /// What one command may read and cost.
    pub budget: Budget,
    /// For how long records are kept.
    pub retention: Retention,
    /// Whom runs of syncs tell of what is wrong.
    pub alerts: Vec<Alert>,
    /// The tables.
    pub sources: Vec<Source>,
    /// Sources that identities make for entities. Their places follow those of `sources`.
    pub made: Vec<(Source, Made)>,
    /// The entities.
    pub entities: Vec<Entity>,
    /// The segments of all entities.
    pub segments: Vec<Segment>,
    /// Which records are the same thing.
    pub identities: Vec<Identity>,
    /// The destinations.
    pub destinations: Vec<Destination>,
    /// The syncs.
    pub syncs: Vec<Sync>,
    /// The tests.
    pub tests: Vec<ModelTest>,
}

impl Project {
    /// A source of this project, or one that an identity makes.
    pub fn source(&self, id: SourceId) -> &Source {
        self.sources.get(id.0).unwrap_or_else(|| &self.made[id.0 - self.sources.len()].0)
    }

    /// What an identity makes this source of; `None` for a source of the project.
    pub fn made(&self, id: SourceId) -> Option<&Made> {
        self.made.get(id.0.checked_sub(self.sources.len())?).map(|(_, made)| made)
    }

    /// The identity that an entity is made of, if it is.
    pub fn identity_of(&self, entity: EntityId) -> Option<&Identity> {
        self.identities.get(self.made(self.entity(entity).source)?.identity)
    }

    /// The source that the rows of an entity or event come from, by its place.
    pub fn row_source_id(&self, row: RowId) -> SourceId {
        match row {
            RowId::Entity(entity) => self.entity(entity).source,
            RowId::Event(entity, event) => self.entity(entity).events[event.0].source,
        }
    }

    /// An entity of this project.
    pub fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.0]
    }

    /// A segment of this project.
    pub fn segment(&self, id: SegmentId) -> &Segment {
        &self.segments[id.0]
    }

    /// A destination of this project.
    pub fn destination(&self, id: DestinationId) -> &Destination {
        &self.destinations[id.0]
    }

    /// The source that the rows of an entity or event come from.
    pub fn row_source(&self, row: RowId) -> &Source {
        self.source(self.row_source_id(row))
    }

    /// The relationships that start at the rows of an entity or event.
    pub fn row_relationships(&self, row: RowId) -> &[Relationship] {
        match row {
            RowId::Entity(entity) => &self.entity(entity).relationships,
            RowId::Event(entity, event) => &self.entity(entity).events[event.0].relationships,
        }
    }

    /// The rows that an aggregate of an entity gathers.
    pub fn gathered_row(&self, entity: EntityId, over: Over) -> RowId {
        match over {
            Over::Event(event) => RowId::Event(entity, event),
            Over::Relationship(relationship) => RowId::Entity(self.entity(entity).relationships[relationship.0].to),
        }
    }
}

/// Whose rows an expression is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowId {
    /// An entity's.
    Entity(EntityId),
    /// An event's of an entity.
    Event(EntityId, EventId),
}

/// A named warehouse connection.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The engine's name, which is also its dialect's.
    pub engine: String,
    /// The schema for Springline's own tables.
    pub state_schema: String,
    /// Where the state of syncs is kept.
    pub state: StatePlace,
    /// What reading a TiB costs, where that is how the warehouse charges.
    pub price_per_tib: Option<f64>,
    /// The engine's options, templates not yet rendered.
    pub settings: Vec<Setting>,
    /// Where it is declared.
    pub span: Span,
}

/// An option of a target or destination. The value may hold `{{ env('X') }}` or `{{ file('X') }}` and
/// is rendered only when a connection is made, so that no secret is needed to check a project.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The key.
    pub name: String,
    /// The text of the value.
    pub template: String,
    /// Where the value stands.
    pub span: Span,
}

/// A table of the warehouse.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in the project.
    pub name: String,
    /// Its name in the warehouse.
    pub table: TableName,
    /// The column that is different in every row, if declared.
    pub primary_key: Option<String>,
    /// The column with the instant at which a row was last written, if declared.
    pub updated_at: Option<String>,
    /// The columns the project uses.
    pub columns: Vec<Column>,
    /// Where it is declared.
    pub span: Span,
}

impl Source {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// A column of a source.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name, in the project and in the warehouse.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What person-related data it holds.
    pub pii: Option<Pii>,
    /// What a marketer calls it.
    pub label: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// Kinds of data that tell who somebody is. Such values are masked wherever people look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pii {
    /// An email address.
    Email,
    /// A phone number.
    Phone,
    /// A person's name.
    Name,
    /// A postal address.
    Address,
    /// Anything else.
    Other,
}

/// What segments and syncs are about: one row per primary key.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// What a marketer calls it.
    pub label: Option<String>,
    /// The table of its rows.
    pub source: SourceId,
    /// The column that tells its rows apart.
    pub primary_key: String,
    /// The source has many rows per primary key; the entity is the distinct keys and has no other column.
    pub distinct: bool,
    /// The ways to other entities.
    pub relationships: Vec<Relationship>,
    /// What happened to it.
    pub events: Vec<Event>,
    /// What is computed about it.
    pub fields: Vec<Field>,
    /// Where it is declared.
    pub span: Span,
}

/// A way from the rows of an entity or event to those of another entity.
#[derive(Debug, Clone)]
pub struct Relationship {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub to: EntityId,
    /// How many rows are at its end.
    pub kind: RelationshipKind,
    /// Many to one: the column of this side that holds the other's primary key. One to many: the
    /// column of the other side's source that holds this side's primary key.
    pub key: String,
    /// Where it is declared.
    pub span: Span,
}

/// How many rows are at the end of a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationshipKind {
    /// Any number: only aggregates can use it.
    OneToMany,
    /// At most one.
    ManyToOne,
}

/// Something that happened to an entity at an instant, any number of times.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The table of its rows.
    pub source: SourceId,
    /// The column that holds the entity's primary key.
    pub key: String,
    /// The column that holds the instant, or the day.
    pub at: String,
    /// The ways to entities; all are many to one.
    pub relationships: Vec<Relationship>,
    /// Where it is declared.
    pub span: Span,
}

/// A computed field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What a marketer calls it.
    pub label: Option<String>,
    /// Its value; `default` is part of it already, `within` part of its aggregates.
    pub expr: ValueExpr,
    /// Where it is declared.
    pub span: Span,
}

/// A set of rows of one entity.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// What a marketer calls it.
    pub label: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whose rows.
    pub entity: EntityId,
    /// True for its members; false or null for the others. `exclude` is part of it already.
    pub condition: ValueExpr,
    /// What a preview or a sync of it may read and cost.
    pub budget: Budget,
    /// Where it is declared.
    pub span: Span,
}

/// What a command may read and cost at most, where the warehouse tells it beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// The most bytes.
    pub max_bytes: Option<u64>,
    /// The most money, in the currency of [`Target::price_per_tib`].
    pub max_cost: Option<f64>,
}

/// What an expression over a row may refer to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// A column of the row's source.
    Column(String),
    /// A computed field of the row, which is an entity's.
    Field(FieldId),
    /// Whether the row, which is an entity's, belongs to a segment of that entity. Never null.
    Segment(SegmentId),
    /// A value of the one row at the end of a many-to-one relationship; null where there is none.
    Related {
        /// One of the row's relationships.
        relationship: RelationshipId,
        /// A column, field or further relation of the entity it leads to.
        leaf: Box<Leaf>,
    },
    /// A value gathered from many rows.
    Aggregate(Box<Gather>),
    /// The run's `as_of`: the instant, or for a value of type `date` its day in the project's time zone.
    AsOf,
    /// Where a period begins or ends, as a `timestamp`, or for a value of type `date` as the first day not
    /// before it. Null where the period has no such end.
    PeriodEdge(Period, Edge),
    /// Whether the row, which is an entity's, has events in this order. Never null.
    Sequence(Box<Sequence>),
    /// What is known of the row's membership of a segment before `as_of`, from the runs. Never null.
    History(Box<History>),
}

/// Events of one row of an entity, each at an instant after the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sequence {
    /// The events before the last, from the first on.
    pub earlier: Vec<SequenceStep>,
    /// The last event.
    pub last: SequenceStep,
    /// What must not follow the last step. Where that has a deadline, it must have passed at `as_of`.
    pub without: Option<SequenceStep>,
}

impl Sequence {
    /// The events, from the first to the last.
    pub fn steps(&self) -> impl Iterator<Item = &SequenceStep> {
        self.earlier.iter().chain([&self.last])
    }
}

/// An event of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceStep {
    /// Which event.
    pub event: EventId,
    /// Its time, over its row, of one type in the whole sequence.
    pub at: ValueExpr,
    /// Only events for which this is true, over the event's row.
    pub filter: Option<ValueExpr>,
    /// Only events of this period.
    pub within: Option<Period>,
    /// The last instant at which what comes next counts, over this event's row; none: any later instant.
    pub deadline: Option<ValueExpr>,
}

/// A question about the membership intervals that runs have kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct History {
    /// Of which segment; of the row's entity.
    pub segment: SegmentId,
    /// What is asked.
    pub asked: Asked,
}

/// What is asked about a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// It began in this period.
    Entered(Period),
    /// It ended in this period.
    Exited(Period),
    /// There was one.
    Ever,
    /// It lasted throughout the period so long before `as_of`.
    Stayed(Within),
}

/// An aggregate over the events, or the related rows, of one row of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gather {
    /// Which rows.
    pub over: Over,
    /// Which aggregate.
    pub function: FunctionId,
    /// Its arguments, over a gathered row.
    pub args: Vec<ValueExpr>,
    /// Only rows for which this is true.
    pub filter: Option<ValueExpr>,
    /// Only events of this period; never set for a relationship.
    pub within: Option<Period>,
}

/// What an aggregate gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Over {
    /// An event of the entity.
    Event(EventId),
    /// A one-to-many relationship of the entity.
    Relationship(RelationshipId),
}

/// A stretch of time. Its first instant is part of it, the instant after it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// As long as `within`. The one that is 0 `ago` ends at `as_of`, the one that is 1 ago where that
    /// begins; the one that is -1 ago begins at `as_of`.
    Rolling {
        /// Its length.
        within: Within,
        /// How many such lengths before `as_of` it ends.
        ago: i32,
    },
    /// Whole units of the calendar in the project's time zone: 0 is the one that `as_of` lies in, -1 the
    /// one before it.
    Calendar {
        /// Which unit, from days on.
        unit: Unit,
        /// The first of them.
        first: i32,
        /// The last of them; at least `first`.
        last: i32,
    },
    /// From one place on the calendar to another, both included; without one, from or for ever.
    Between {
        /// Where it begins.
        from: Option<Point>,
        /// Where it ends.
        to: Option<Point>,
    },
}

/// A place on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// A whole day in the project's time zone.
    Day(Date),
    /// An instant, in microseconds.
    Instant(Timestamp),
}

/// The two ends of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edge {
    /// Its first instant.
    Start,
    /// The instant after it.
    End,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Within {
    /// How many units; at least 1.
    pub amount: u32,
    /// Which unit; from days on, of the calendar in the project's time zone.
    pub unit: Unit,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// A calendar day.
    Day,
    /// Seven calendar days.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months; the first begins in January.
    Quarter,
    /// A calendar year.
    Year,
}
