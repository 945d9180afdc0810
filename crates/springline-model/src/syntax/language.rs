//! The keys of the language. Each declaration is one mapping of the YAML; its text is that of the
//! reference page.

use crate::{Audit, Code, Diagnostic, Limit, Mode, Nulls, Pii, RelationshipKind, Removal, Span, StatePlace};

use super::alerts::AlertDecl;
use super::budget::{BudgetDecl, Money};
use super::condition::ConditionDecl;
use super::decl::decl;
use super::decode::{Decode, Entries, Item, Shape, Value, listed, unknown_key, wrong_shape};
use super::identity::IdentityDecl;
use super::node::{Node, NodeKind, Spanned};
use super::package::{ForEachDecl, ImportDecl};
use super::rfm::RfmDecl;
use super::shares::{LimitDecl, SegmentSetDecl, SplitDecl};
use super::suggest::nearest;
use super::tests_decl::TestDecl;

decl! {
    /// What stands in springline.yaml besides the lists of every other file.
    ProjectDecl {
        /// The project's name.
        name: Spanned<String>,
        /// The version of the language: 1.
        version: Spanned<u64>,
        /// The time zone in which days begin, such as `Europe/Paris`; UTC if it is left out.
        timezone: Option<Spanned<String>>,
        /// The target used where none is named; may be left out where there is only one.
        default_target: Option<Spanned<String>>,
        /// The warehouse connections by name.
        targets: Entries<TargetDecl>,
        /// What one command may read and cost at most.
        budget: Option<BudgetDecl>,
        /// For how long the records of what was delivered are kept; for ever if it is left out.
        retention: Option<RetentionDecl>,
        /// Whom the runs of syncs tell of what is wrong with them.
        alerts: Vec<AlertDecl>,
        /// The packages whose definitions the project uses: `springline/<name>`, or a folder.
        import: Vec<ImportDecl>,
    }

    /// For how long records are kept.
    RetentionDecl {
        /// Of the runs of syncs and their steps, such as `90 days`.
        runs: Option<Spanned<String>>,
        /// Of the rows delivered by syncs with `audit: rows`, such as `12 months`.
        deliveries: Option<Spanned<String>>,
    }

    /// The lists that any file may hold.
    ListsDecl {
        /// The tables of the warehouse.
        sources: Vec<Item<SourceDecl>>,
        /// What segments and syncs are about.
        entities: Vec<Item<EntityDecl>>,
        /// Sets of rows of one entity.
        segments: Vec<Item<SegmentDecl>>,
        /// Segments of which each row is in at most one.
        segment_sets: Vec<SegmentSetDecl>,
        /// Which records of several sources are the same thing.
        identities: Vec<Item<IdentityDecl>>,
        /// Places that rows are delivered to.
        destinations: Vec<Item<DestinationDecl>>,
        /// What is delivered where.
        syncs: Vec<Item<SyncDecl>>,
        /// What must hold of the segments and fields.
        tests: Vec<Item<TestDecl>>,
    }

    /// A warehouse connection. Its other keys are the engine's options.
    TargetDecl (settings) {
        /// The engine, such as `datafusion` or `postgres`.
        engine: Spanned<String>,
        /// The schema for Springline's own tables; `springline` if it is left out.
        state_schema: Option<Spanned<String>>,
        /// Where the state of syncs is kept: in the `warehouse` (if it is left out), or in a `local` folder below the
        /// project's, for a user who may only read.
        state: Option<Spanned<StatePlace>>,
        /// What reading a TiB costs, where the warehouse charges by what is read; in any one currency.
        price_per_tib: Option<Spanned<Money>>,
    }

    /// A table of the warehouse.
    SourceDecl {
        /// Its name in the project.
        name: Spanned<String>,
        /// Its name in the warehouse, such as `shop.orders`.
        table: Spanned<String>,
        /// The column that is different in every row.
        primary_key: Option<Spanned<String>>,
        /// The column with the instant at which a row was last written, by which the freshness of the table is told.
        updated_at: Option<Spanned<String>>,
        /// The columns that the project uses, by name; all that the catalog lock has if it is left out.
        columns: Option<Entries<ColumnEntry>>,
    }

    /// A column: its type, or a mapping with these keys.
    ColumnDecl {
        /// The type: boolean, integer, decimal(p,s), float, string, date, timestamp or json; that of the
        /// catalog lock if it is left out.
        r#type: Option<Spanned<String>>,
        /// What person-related data it holds: email, phone, name, address or other.
        pii: Option<Spanned<Pii>>,
        /// What a marketer calls it.
        label: Option<Spanned<String>>,
    }

    /// What segments and syncs are about: one row per primary key. It has a `source` and a `primary_key`, or an `identity`.
    EntityDecl {
        /// Its name.
        name: Spanned<String>,
        /// What a marketer calls it.
        label: Option<Spanned<String>>,
        /// The source of its rows.
        source: Option<Spanned<String>>,
        /// The column that tells its rows apart.
        primary_key: Option<Spanned<String>>,
        /// The identity whose canonical rows are its rows: the primary key is the canonical id, the columns are the fields
        /// of the golden record.
        identity: Option<Spanned<String>>,
        /// The source has many rows per primary key: the entity is the distinct keys and has no other column.
        distinct: Option<Spanned<bool>>,
        /// The ways to other entities.
        relationships: Vec<Item<RelationshipDecl>>,
        /// What happened to it.
        events: Vec<Item<EventDecl>>,
        /// What is computed about it.
        fields: Vec<Item<FieldDecl>>,
        /// Recency, frequency and monetary value of an event.
        rfm: Option<RfmDecl>,
    }

    /// A way to another entity.
    RelationshipDecl {
        /// Its name.
        name: Spanned<String>,
        /// The entity it leads to.
        to: Spanned<String>,
        /// `one_to_many` or `many_to_one`.
        r#type: Spanned<RelationshipKind>,
        /// Many to one: this side's column with the other's primary key. One to many: the other side's
        /// column with this one's primary key.
        key: Spanned<String>,
    }

    /// Something that happened to an entity at an instant, any number of times.
    EventDecl {
        /// Its name.
        name: Spanned<String>,
        /// The source of its rows.
        source: Spanned<String>,
        /// The column with the entity's primary key, or with that of a record of `record_of`. Left out where the entity is
        /// made of an identity and the event's source is one of the identity's.
        key: Option<Spanned<String>>,
        /// Where the entity is made of an identity: the source of the identity whose primary key is in `key`.
        record_of: Option<Spanned<String>>,
        /// The column with the instant, or the day.
        at: Spanned<String>,
        /// The ways to entities; all are many to one.
        relationships: Vec<Item<RelationshipDecl>>,
    }

    /// A computed field: `expr`, `bucket` or `sql`.
    FieldDecl {
        /// Its name.
        name: Spanned<String>,
        /// One field for each of these values, such as `{ purpose: [email, phone] }`, with `{{ purpose }}` in its texts.
        for_each: Option<ForEachDecl>,
        /// What a marketer calls it.
        label: Option<Spanned<String>>,
        /// Its value.
        expr: Option<Spanned<String>>,
        /// Its value as a label for each range of a number.
        bucket: Option<BucketDecl>,
        /// Its value in the SQL of dialects, by their names: an expression over the columns of the entity's
        /// source. Not portable: a dialect without an entry cannot compute it.
        sql: Option<Entries<Spanned<String>>>,
        /// The type of `sql`, which is not known otherwise.
        r#type: Option<Spanned<String>>,
        /// The window of its aggregates over events, such as `90 days`.
        within: Option<Spanned<String>>,
        /// Its value where it would be null.
        default: Option<Value>,
    }

    /// A label for each range of a value.
    BucketDecl {
        /// The value.
        of: Spanned<String>,
        /// The bounds, rising; a value equal to a bound belongs to the range above it.
        at: Vec<Value>,
        /// The labels: one more than there are bounds.
        labels: Vec<Spanned<String>>,
    }

    /// A set of rows of one entity.
    SegmentDecl {
        /// Its name.
        name: Spanned<String>,
        /// One segment for each of these values, such as `{ country: [FR, DE] }`, with `{{ country }}` in its texts.
        for_each: Option<ForEachDecl>,
        /// What a marketer calls it.
        label: Option<Spanned<String>>,
        /// What it is for.
        description: Option<Spanned<String>>,
        /// Who answers for it.
        owner: Option<Spanned<String>>,
        /// Whose rows.
        entity: Spanned<String>,
        /// The condition that its members meet.
        r#where: ConditionDecl,
        /// Segments whose members are left out.
        exclude: Vec<Spanned<String>>,
        /// Only the first members in an order.
        limit: Option<LimitDecl>,
        /// Disjoint parts of it, each a segment.
        split: Option<SplitDecl>,
        /// What a preview or a sync of it may read and cost at most, beside the project's own budget.
        budget: Option<BudgetDecl>,
    }

    /// A place that rows are delivered to. Its other keys are its type's options.
    DestinationDecl (settings) {
        /// Its name.
        name: Spanned<String>,
        /// Its type, such as `file` or `webhook`.
        r#type: Spanned<String>,
    }

    /// What is delivered where.
    SyncDecl {
        /// Its name.
        name: Spanned<String>,
        /// The segment whose rows are delivered; either this or `entity`.
        segment: Option<Spanned<String>>,
        /// The entity all of whose rows are delivered.
        entity: Option<Spanned<String>>,
        /// Where to.
        destination: Spanned<String>,
        /// `upsert` (if it is left out), `update`, `insert`, `mirror` or `append`.
        mode: Option<Spanned<Mode>>,
        /// The value that the destination's rows are told apart by.
        key: Spanned<String>,
        /// What becomes of records that are no longer wanted: `delete`, `leave_list`, `archive` or `erase`, as far as the
        /// destination's type can; if it is left out, what the type does first.
        removal: Option<Spanned<Removal>>,
        /// The destination's fields and the expressions that fill them.
        map: Entries<MappingEntry>,
        /// What stops a run before anything is sent.
        guards: Option<GuardsDecl>,
        /// What is recorded of a run: `runs` (its counts; if it is left out) or `rows` (which row went where and when, too).
        audit: Option<Spanned<Audit>>,
        /// Words by which `sync` commands choose it, as in `tag:ads`.
        tags: Vec<Spanned<String>>,
        /// When `springline scheduler` runs it, in the project's time zone: minute, hour, day of the month, month and day
        /// of the week, as in `30 6 * * mon-fri` or `"*/15 * * * *"`. Never if it is left out.
        schedule: Option<Spanned<String>>,
        /// A row that the destination took longer ago than this, such as `30 days`, is sent again though it is the same: for
        /// destinations that forget members. If it is left out, half of the time after which the type forgets them.
        refresh_after: Option<Spanned<String>>,
        /// How often a run that is on its way writes into the ledger what the destination has taken so far, such as `5m`;
        /// every 30 seconds if it is left out. What a machine that dies for good had sent since is sent again.
        checkpoint_every: Option<Spanned<String>>,
    }

    /// What fills a destination's field, in full.
    MappingDecl {
        /// The expression.
        value: Spanned<String>,
        /// What an empty value does: `send` (null is sent), `skip` (the record keeps what it has) or `clear` (the record's
        /// field becomes empty), as far as the destination's type can.
        nulls: Option<Spanned<Nulls>>,
    }

    /// What stops a run before anything is sent.
    GuardsDecl {
        /// More rows to remove than this: a number, or a percentage of those delivered before.
        max_removed: Option<Limit>,
        /// More rows to add than this: a number, or a percentage of those delivered before.
        max_added: Option<Limit>,
        /// More rows to change than this: a number, or a percentage of those delivered before.
        max_changed: Option<Limit>,
        /// Fewer rows than this in the sync: a number, or a percentage of those delivered before.
        min_rows: Option<Limit>,
        /// A table that the sync reads has no row as young as this, such as `24 hours`. Tables without events and without
        /// `updated_at` are not looked at.
        freshness: Option<Spanned<String>>,
    }
}

impl ProjectDecl {
    /// The keys that only springline.yaml has.
    pub const NAMES: &'static [&'static str] = Self::KEYS;
}

impl ListsDecl {
    /// The keys that every file may have.
    pub const NAMES: &'static [&'static str] = Self::KEYS;
}

/// An option of a target or destination.
#[derive(Debug, Clone)]
pub(crate) struct SettingDecl {
    pub name: Spanned<String>,
    pub value: Spanned<String>,
}

/// A column: `name: type`, `name: { type: … }`, or `name:` alone where the catalog lock has the type.
#[derive(Debug, Clone)]
pub(crate) struct ColumnEntry {
    pub ty: Option<Spanned<String>>,
    pub pii: Option<Pii>,
    pub label: Option<String>,
}

impl Decode for ColumnEntry {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.is_null() => Some(ColumnEntry { ty: None, pii: None, label: None }),
            NodeKind::Scalar(scalar) => {
                let ty = Spanned { value: scalar.text.clone(), span: node.span };
                Some(ColumnEntry { ty: Some(ty), pii: None, label: None })
            }
            _ => {
                let full = ColumnDecl::decode(node, out)?;
                Some(ColumnEntry {
                    ty: full.r#type,
                    pii: full.pii.map(|p| p.value),
                    label: full.label.map(|l| l.value),
                })
            }
        }
    }

    fn shape() -> Shape {
        // Without a type it is that of the catalog lock.
        Shape::Either(|| Shape::Value, ColumnDecl::shape)
    }
}

/// A mapped field: `field: expression`, or `field: { value: expression, nulls: … }`.
#[derive(Debug, Clone)]
pub(crate) struct MappingEntry {
    pub value: Spanned<String>,
    pub nulls: Option<Spanned<Nulls>>,
}

impl Decode for MappingEntry {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        if matches!(node.kind, NodeKind::Mapping(_)) {
            let MappingDecl { value, nulls } = MappingDecl::decode(node, out)?;
            return Some(MappingEntry { value, nulls });
        }
        Some(MappingEntry { value: Spanned::decode(node, out)?, nulls: None })
    }

    fn shape() -> Shape {
        Shape::Either(<Spanned<String>>::shape, MappingDecl::shape)
    }
}

/// Something that is written as one of a few words.
pub(crate) trait Word: Copy + 'static {
    /// What it is called in a message.
    const WHAT: &'static str;
    /// The words.
    const WORDS: &'static [&'static str];
    /// Their values, in the same order.
    const VALUES: &'static [Self];
}

impl<T: Word> Decode for Spanned<T> {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else {
            out.push(wrong_shape(node, "a word").hint(format!("write one of {}", listed(T::WORDS))));
            return None;
        };
        match T::WORDS.iter().position(|w| *w == scalar.text) {
            Some(i) => T::VALUES.get(i).map(|value| Spanned { value: *value, span: node.span }),
            None => {
                let message = format!("no {} `{}`", T::WHAT, scalar.text);
                let hint = match nearest(&scalar.text, T::WORDS.iter().copied()) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("write one of {}", listed(T::WORDS)),
                };
                out.push(Diagnostic::error(Code::InvalidValue, node.span, message).hint(hint));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Word(T::WORDS)
    }
}

impl Word for Mode {
    const WHAT: &'static str = "sync mode";
    const WORDS: &'static [&'static str] = &["upsert", "update", "insert", "mirror", "append"];
    const VALUES: &'static [Self] = Mode::ALL;
}

impl Word for Removal {
    const WHAT: &'static str = "kind of removal";
    const WORDS: &'static [&'static str] = &["delete", "leave_list", "archive", "erase"];
    const VALUES: &'static [Self] = Removal::ALL;
}

impl Word for Nulls {
    const WHAT: &'static str = "treatment of nulls";
    const WORDS: &'static [&'static str] = &["send", "skip", "clear"];
    const VALUES: &'static [Self] = Nulls::ALL;
}

impl Word for Audit {
    const WHAT: &'static str = "audit";
    const WORDS: &'static [&'static str] = &["runs", "rows"];
    const VALUES: &'static [Self] = &[Audit::Runs, Audit::Rows];
}

impl Word for StatePlace {
    const WHAT: &'static str = "place of the state";
    const WORDS: &'static [&'static str] = &["warehouse", "local"];
    const VALUES: &'static [Self] = &[StatePlace::Warehouse, StatePlace::Local];
}

impl Word for Pii {
    const WHAT: &'static str = "kind of PII";
    const WORDS: &'static [&'static str] = &["email", "phone", "name", "address", "other"];
    const VALUES: &'static [Self] = &[Pii::Email, Pii::Phone, Pii::Name, Pii::Address, Pii::Other];
}

impl Word for RelationshipKind {
    const WHAT: &'static str = "type of relationship";
    const WORDS: &'static [&'static str] = &["one_to_many", "many_to_one"];
    const VALUES: &'static [Self] = &[RelationshipKind::OneToMany, RelationshipKind::ManyToOne];
}

impl Decode for Limit {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else {
            out.push(wrong_shape(node, "a number of rows or a percentage"));
            return None;
        };
        let text = scalar.text.trim();
        let limit = match text.strip_suffix('%') {
            Some(share) => share.trim().parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(Limit::Percent),
            None => text.parse().ok().map(Limit::Rows),
        };
        if limit.is_none() {
            out.push(
                Diagnostic::error(Code::InvalidValue, node.span, format!("`{text}` is no limit"))
                    .hint("write a number of rows, such as `500`, or a percentage from 0% to 100%, such as `20%`"),
            );
        }
        limit
    }

    fn shape() -> Shape {
        Shape::Value
    }
}

/// Reads the lists of a file, and the project's own keys if it is springline.yaml.
pub(crate) fn read_file(
    root: Node,
    is_project: bool,
    out: &mut Vec<Diagnostic>,
) -> (Option<ProjectDecl>, Option<ListsDecl>) {
    let span = root.span;
    if !matches!(root.kind, NodeKind::Mapping(_)) {
        out.push(wrong_shape(&root, "a mapping").hint(format!("its keys are {}", listed(ListsDecl::NAMES))));
        return (None, None);
    }
    let (mut project, mut lists) = (Vec::new(), Vec::new());
    for (key, value) in root.into_entries() {
        let of_project = ProjectDecl::NAMES.contains(&key.value.as_str());
        if ListsDecl::NAMES.contains(&key.value.as_str()) {
            lists.push((key, value));
        } else if of_project && is_project {
            project.push((key, value));
        } else if of_project {
            let message = format!("`{}` stands in springline.yaml only", key.value);
            out.push(Diagnostic::error(Code::UnknownKey, key.span, message).hint("move it there"));
        } else {
            let known =
                if is_project { [ProjectDecl::NAMES, ListsDecl::NAMES].concat() } else { ListsDecl::NAMES.to_vec() };
            out.push(unknown_key(&key, &known));
        }
    }
    let lists = ListsDecl::decode(&Node::mapping(lists, span), out);
    let project = if is_project { ProjectDecl::decode(&Node::mapping(project, span), out) } else { None };
    (project, lists)
}

/// Where a project would be declared.
pub(crate) fn file_start(file: crate::FileId) -> Span {
    Span { file, start: 0, end: 0 }
}

impl ListsDecl {
    /// No items.
    pub fn empty() -> Self {
        let (sources, entities, segments, segment_sets, identities, destinations, syncs, tests) = Default::default();
        ListsDecl { sources, entities, segments, segment_sets, identities, destinations, syncs, tests }
    }

    /// Adds the items of another file.
    pub fn append(&mut self, other: ListsDecl) {
        self.sources.extend(other.sources);
        self.entities.extend(other.entities);
        self.segments.extend(other.segments);
        self.segment_sets.extend(other.segment_sets);
        self.identities.extend(other.identities);
        self.destinations.extend(other.destinations);
        self.syncs.extend(other.syncs);
        self.tests.extend(other.tests);
    }
}
