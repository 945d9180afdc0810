//! Expressions and segments of a project over rows in memory.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use jiff::Timestamp;
use springline_ir::{ExprKind, FunctionId, FunctionKind, Type, WindowCall};
use springline_model::{
    Edge, Entity, EntityId, Event, FieldId, Gather, Leaf, Over, Project, RelationshipId, RowId, SegmentId, Sequence,
    SequenceStep, ValueExpr,
};

use super::aggregate::{Item, aggregate};
use super::calendar;
use super::period;
use super::scalar;
use super::value::{Result, Undefined, Value, cast, compare, sort_order, undefined};

/// The rows of a source.
#[derive(Debug, Clone)]
pub struct Table {
    /// Names and types.
    pub columns: Vec<(String, Type)>,
    /// Values in the order of the columns.
    pub rows: Vec<Vec<Value>>,
}

/// When an event was, and until when what follows it counts.
type Moment = (Timestamp, Option<Timestamp>);
type Moments = Vec<Moment>;

/// A gathered row of a source: its key, when, the argument, and whether it counts.
#[derive(Debug)]
struct Candidate {
    key: Value,
    item: Item,
    counts: bool,
}

/// What is computed once for all rows of an entity.
type Computed<K, T> = HashMap<(EntityId, K), Result<Rc<T>>>;
/// A row of a partition: its place, and the values that it is ordered by.
type Ordered = (usize, Vec<Value>);

/// A project, its rows by source, and the clock.
pub struct Reference<'a> {
    project: &'a Project,
    tables: &'a HashMap<String, Table>,
    as_of: Timestamp,
    fields: RefCell<HashMap<(EntityId, FieldId, usize), Result>>,
    segments: RefCell<HashMap<(SegmentId, usize), Result<bool>>>,
    gathered: RefCell<Computed<Gather, Vec<Candidate>>>,
    windows: RefCell<Computed<WindowCall<Leaf>, HashMap<usize, Value>>>,
}

impl<'a> Reference<'a> {
    /// For a project whose sources' rows are given by the source's name.
    pub fn new(project: &'a Project, tables: &'a HashMap<String, Table>, as_of: Timestamp) -> Self {
        let (fields, segments) = (RefCell::default(), RefCell::default());
        Reference {
            project,
            tables,
            as_of,
            fields,
            segments,
            gathered: RefCell::default(),
            windows: RefCell::default(),
        }
    }

    /// The entity's rows, as places in its source. Of an entity that is known by its events: one row for each
    /// key that has an event before `as_of`.
    pub fn rows(&self, id: EntityId) -> Result<Vec<usize>> {
        let entity = self.project.entity(id);
        let table = self.table(RowId::Entity(id));
        if !entity.distinct {
            return Ok((0..table.rows.len()).collect());
        }
        let native =
            entity.events.iter().find(|event| event.source == entity.source && event.key == entity.primary_key);
        let mut rows: Vec<usize> = Vec::new();
        for row in 0..table.rows.len() {
            let key = self.column(RowId::Entity(id), row, &entity.primary_key)?;
            let happened = match native {
                Some(event) => self.at(RowId::Entity(id), row, event)?.is_some_and(|at| at < self.as_of),
                None => true,
            };
            let mut seen = false;
            for other in &rows {
                seen |= self.column(RowId::Entity(id), *other, &entity.primary_key)? == key;
            }
            if happened && !key.is_null() && !seen {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// The primary key of a row.
    pub fn key(&self, entity: EntityId, row: usize) -> Result {
        self.column(RowId::Entity(entity), row, &self.project.entity(entity).primary_key)
    }

    /// A computed field of a row.
    pub fn field(&self, entity: EntityId, field: FieldId, row: usize) -> Result {
        let place = (entity, field, row);
        if let Some(known) = self.fields.borrow().get(&place) {
            return known.clone();
        }
        let value = self.value(&self.project.entity(entity).fields[field.0].expr, RowId::Entity(entity), row);
        self.fields.borrow_mut().insert(place, value.clone());
        value
    }

    /// Whether a row is a member: null is not.
    pub fn member(&self, segment: SegmentId, row: usize) -> Result<bool> {
        if let Some(known) = self.segments.borrow().get(&(segment, row)) {
            return known.clone();
        }
        let definition = self.project.segment(segment);
        let value = self.value(&definition.condition, RowId::Entity(definition.entity), row);
        let member = value.map(|v| v.truth() == Some(true));
        self.segments.borrow_mut().insert((segment, row), member.clone());
        member
    }

    fn table(&self, row: RowId) -> &'a Table {
        &self.tables[&self.project.row_source(row).name]
    }

    fn column(&self, row: RowId, place: usize, name: &str) -> Result {
        let table = self.table(row);
        match table.columns.iter().position(|(column, _)| column == name) {
            Some(column) => Ok(table.rows[place][column].clone()),
            None => undefined(format!("no column {name}")),
        }
    }

    /// The value of an expression for a row. All parts are evaluated, also those that do not matter.
    fn value(&self, expr: &ValueExpr, row: RowId, place: usize) -> Result {
        match &expr.kind {
            ExprKind::Leaf(leaf) => self.leaf(leaf, &expr.ty, row, place),
            ExprKind::Literal(literal) => cast(&Value::of(literal), &expr.ty, false),
            ExprKind::Call { function, args } => {
                let args = args.iter().map(|arg| self.value(arg, row, place)).collect::<Result<Vec<_>>>()?;
                scalar::call(*function, &args, &expr.ty)
            }
            ExprKind::Case { branches, otherwise } => {
                let mut taken = None;
                for (when, then) in branches {
                    let (when, then) = (self.value(when, row, place)?, self.value(then, row, place)?);
                    if when.truth() == Some(true) {
                        taken = taken.or(Some(then));
                    }
                }
                let otherwise = otherwise.as_ref().map(|e| self.value(e, row, place)).transpose()?;
                Ok(taken.or(otherwise).unwrap_or(Value::Null))
            }
            ExprKind::Cast { operand, lenient } => cast(&self.value(operand, row, place)?, &expr.ty, *lenient),
            ExprKind::Window(call) => match row {
                RowId::Entity(entity) => self.window(call, entity, place),
                RowId::Event(..) => undefined("a window over events"),
            },
            ExprKind::Native(_) => undefined("an engine's own SQL"),
            ExprKind::Aggregate(_) => undefined("an aggregate without its rows"),
        }
    }

    fn leaf(&self, leaf: &Leaf, ty: &Type, row: RowId, place: usize) -> Result {
        let entity = match row {
            RowId::Entity(entity) | RowId::Event(entity, _) => entity,
        };
        match leaf {
            Leaf::Column(name) => self.column(row, place, name),
            Leaf::Field(field) => self.field(entity, *field, place),
            Leaf::Segment(segment) => self.member(*segment, place).map(Value::Boolean),
            Leaf::Related { relationship, leaf } => self.related(*relationship, leaf, ty, row, place),
            Leaf::Aggregate(gather) => self.gather(gather, entity, place),
            Leaf::AsOf if *ty == Type::Date => Ok(Value::Date(self.project.timezone.to_datetime(self.as_of).date())),
            Leaf::AsOf => Ok(Value::Timestamp(self.as_of)),
            Leaf::PeriodEdge(period, edge) => {
                let bounds = period::bounds(*period, self.as_of, &self.project.timezone)?;
                let instant = if *edge == Edge::Start { bounds.start } else { bounds.end };
                match instant {
                    None => Ok(Value::Null),
                    Some(instant) if *ty == Type::Date => {
                        calendar::first_day_from(instant, &self.project.timezone).map(Value::Date)
                    }
                    Some(instant) => Ok(Value::Timestamp(instant)),
                }
            }
            Leaf::Sequence(sequence) => self.sequence(sequence, entity, place).map(Value::Boolean),
            Leaf::History(_) => undefined("there is no history"),
        }
    }

    /// The value of the one related row; null where there is none.
    fn related(&self, id: RelationshipId, leaf: &Leaf, ty: &Type, row: RowId, place: usize) -> Result {
        let relationship = &self.project.row_relationships(row)[id.0];
        let key = self.column(row, place, &relationship.key)?;
        let mut found = Ok(Value::Null);
        for other in self.rows(relationship.to)? {
            // Evaluated for every row, so that one without a value is found.
            let value = self.leaf(leaf, ty, RowId::Entity(relationship.to), other)?;
            let its = self.key(relationship.to, other)?;
            if !key.is_null() && !its.is_null() && compare(&key, &its)? == Ordering::Equal {
                found = Ok(value);
            }
        }
        found
    }

    fn gather(&self, gather: &Gather, entity: EntityId, place: usize) -> Result {
        let key = self.key(entity, place)?;
        let candidates = self.candidates(gather, entity)?;
        let mut items = Vec::new();
        for candidate in candidates.iter().filter(|c| c.counts && !c.key.is_null()) {
            if !key.is_null() && compare(&key, &candidate.key)? == Ordering::Equal {
                items.push(candidate.item.clone());
            }
        }
        aggregate(gather.function, &items, gather.args.first().map(|arg| &arg.ty), &constants(&gather.args)?)
    }

    /// Every row that an aggregate looks at, of all keys.
    fn candidates(&self, gather: &Gather, entity: EntityId) -> Result<Rc<Vec<Candidate>>> {
        let place = (entity, gather.clone());
        if let Some(known) = self.gathered.borrow().get(&place) {
            return known.clone();
        }
        let all = self.all_candidates(gather, entity).map(Rc::new);
        self.gathered.borrow_mut().insert(place, all.clone());
        all
    }

    fn all_candidates(&self, gather: &Gather, id: EntityId) -> Result<Vec<Candidate>> {
        let entity: &Entity = self.project.entity(id);
        let row = self.project.gathered_row(id, gather.over);
        let (key, event) = match gather.over {
            Over::Event(event) => (&entity.events[event.0].key, Some(&entity.events[event.0])),
            Over::Relationship(relationship) => (&entity.relationships[relationship.0].key, None),
        };
        let places = match row {
            RowId::Entity(to) => self.rows(to)?,
            RowId::Event(..) => (0..self.table(row).rows.len()).collect(),
        };
        let period =
            gather.within.map(|within| period::bounds(within, self.as_of, &self.project.timezone)).transpose()?;
        let mut all = Vec::new();
        for place in places {
            let value = gather.args.first().map(|arg| self.value(arg, row, place)).transpose()?;
            let passes = match &gather.filter {
                Some(filter) => self.value(filter, row, place)?.truth() == Some(true),
                None => true,
            };
            let at = event.map(|event| self.at(row, place, event)).transpose()?;
            let in_time = match at {
                None => true,
                Some(None) => false,
                Some(Some(at)) => at < self.as_of && period.is_none_or(|period| period.has(at)),
            };
            let key = self.column(row, place, key)?;
            all.push(Candidate { key, item: Item { at: at.flatten(), value }, counts: passes && in_time });
        }
        Ok(all)
    }

    /// When an event was: a day counts as its first instant in the project's time zone.
    fn at(&self, row: RowId, place: usize, event: &Event) -> Result<Option<Timestamp>> {
        match self.column(row, place, &event.at)? {
            Value::Timestamp(at) => Ok(Some(at)),
            Value::Date(day) => calendar::first_instant(day, &self.project.timezone).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether there are events in this order: every way through them is tried.
    fn sequence(&self, sequence: &Sequence, entity: EntityId, place: usize) -> Result<bool> {
        let key = self.key(entity, place)?;
        let mut steps = Vec::new();
        for step in sequence.steps() {
            steps.push(self.step(step, entity, &key)?);
        }
        let unwanted = sequence.without.as_ref().map(|step| self.step(step, entity, &key)).transpose()?;
        // Among days it is the day of `as_of` that is not over.
        let now = match sequence.last.at.ty {
            Type::Date => calendar::start_of_day(self.project.timezone.to_datetime(self.as_of).date())?,
            _ => self.as_of,
        };
        let found = steps[0].iter().any(|(at, deadline)| leads(*at, *deadline, &steps[1..], unwanted.as_deref(), now));
        Ok(found)
    }

    /// When the events of a step were, and until when what follows counts.
    fn step(&self, step: &SequenceStep, entity: EntityId, key: &Value) -> Result<Moments> {
        let row = RowId::Event(entity, step.event);
        let event = &self.project.entity(entity).events[step.event.0];
        let period =
            step.within.map(|within| period::bounds(within, self.as_of, &self.project.timezone)).transpose()?;
        let instant = |value: Value| match value {
            Value::Timestamp(at) => Ok(Some(at)),
            Value::Date(day) => calendar::start_of_day(day).map(Some),
            _ => Ok(None),
        };
        let mut moments = Vec::new();
        for place in 0..self.table(row).rows.len() {
            let happened = self.at(row, place, event)?;
            let at = instant(self.value(&step.at, row, place)?)?;
            let deadline = match &step.deadline {
                Some(deadline) => instant(self.value(deadline, row, place)?)?,
                None => None,
            };
            let passes = match &step.filter {
                Some(filter) => self.value(filter, row, place)?.truth() == Some(true),
                None => true,
            };
            let its = self.column(row, place, &event.key)?;
            let (Some(happened), Some(at)) = (happened, at) else { continue };
            let in_time = happened < self.as_of && period.is_none_or(|period| period.has(happened));
            if passes && in_time && !its.is_null() && !key.is_null() && compare(key, &its)? == Ordering::Equal {
                moments.push((at, deadline));
            }
        }
        Ok(moments)
    }

    fn window(&self, call: &WindowCall<Leaf>, entity: EntityId, place: usize) -> Result {
        let name = (entity, call.clone());
        let known = self.windows.borrow().get(&name).cloned();
        let all = match known {
            Some(known) => known,
            None => {
                let all = self.all_windows(call, entity).map(Rc::new);
                self.windows.borrow_mut().insert(name, all.clone());
                all
            }
        };
        all?.get(&place).cloned().ok_or_else(|| Undefined("no such row".to_owned()))
    }

    /// The result of a window function for every row of the entity.
    fn all_windows(&self, call: &WindowCall<Leaf>, entity: EntityId) -> Result<HashMap<usize, Value>> {
        let row = RowId::Entity(entity);
        let mut partitions: Vec<(Vec<Value>, Vec<Ordered>)> = Vec::new();
        for place in self.rows(entity)? {
            let partition = call.partition_by.iter().map(|e| self.value(e, row, place)).collect::<Result<Vec<_>>>()?;
            let mut order =
                call.order_by.iter().map(|o| self.value(&o.expr, row, place)).collect::<Result<Vec<_>>>()?;
            order.push(self.key(entity, place)?);
            match partitions.iter_mut().find(|(other, _)| *other == partition) {
                Some((_, rows)) => rows.push((place, order)),
                None => partitions.push((partition, vec![(place, order)])),
            }
        }
        let mut results = HashMap::new();
        for (_, mut rows) in partitions {
            self.sort(call, &mut rows)?;
            for (i, (place, order)) in rows.iter().enumerate() {
                let value = match call.function {
                    FunctionId::ROW_NUMBER => Value::Integer(i as i64 + 1),
                    FunctionId::RANK => {
                        let same = |other: &[Value]| other[..other.len() - 1] == order[..order.len() - 1];
                        let first = rows.iter().position(|(_, other)| same(other)).unwrap_or(i);
                        Value::Integer(first as i64 + 1)
                    }
                    FunctionId::NTILE => {
                        let parts = self.value(&call.args[0], row, *place)?.integer()?;
                        Value::Integer(tile(i as i64, rows.len() as i64, parts))
                    }
                    FunctionId::PERCENT_RANK => {
                        let same = |other: &[Value]| other[..other.len() - 1] == order[..order.len() - 1];
                        let first = rows.iter().position(|(_, other)| same(other)).unwrap_or(i);
                        Value::Float(first as f64 / rows.len().saturating_sub(1).max(1) as f64)
                    }
                    other if other.get().kind == FunctionKind::Aggregate => {
                        let seen = if call.running { &rows[..=i] } else { &rows[..] };
                        let until: Vec<Item> = seen
                            .iter()
                            .map(|(place, _)| {
                                let value = call.args.first().map(|arg| self.value(arg, row, *place)).transpose()?;
                                Ok(Item { at: None, value })
                            })
                            .collect::<Result<_>>()?;
                        aggregate(other, &until, call.args.first().map(|arg| &arg.ty), &constants(&call.args)?)?
                    }
                    other => return undefined(format!("the reference knows no window {other:?}")),
                };
                results.insert(*place, value);
            }
        }
        Ok(results)
    }

    fn sort(&self, call: &WindowCall<Leaf>, rows: &mut [(usize, Vec<Value>)]) -> Result<()> {
        let mut failed = None;
        rows.sort_by(|(_, a), (_, b)| {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                let descending = call.order_by.get(i).is_some_and(|o| o.descending);
                match sort_order(x, y, descending) {
                    Ok(Ordering::Equal) => {}
                    Ok(order) => return order,
                    Err(why) => failed = Some(why),
                }
            }
            Ordering::Equal
        });
        failed.map_or(Ok(()), Err)
    }
}

/// The arguments behind the first, which are constants.
fn constants(args: &[ValueExpr]) -> Result<Vec<Value>> {
    let constant = |arg: &ValueExpr| match &arg.kind {
        ExprKind::Literal(literal) => Ok(Value::of(literal)),
        _ => undefined("a second argument that is no constant"),
    };
    args.iter().skip(1).map(constant).collect()
}

/// Whether the rest of a sequence follows an event.
fn leads(
    at: Timestamp,
    deadline: Option<Timestamp>,
    rest: &[Moments],
    unwanted: Option<&[Moment]>,
    now: Timestamp,
) -> bool {
    let follows = |next: Timestamp| next > at && deadline.is_none_or(|deadline| next <= deadline);
    match (rest.split_first(), unwanted) {
        (Some((next, rest)), _) => {
            next.iter().any(|(next, until)| follows(*next) && leads(*next, *until, rest, unwanted, now))
        }
        (None, None) => true,
        (None, Some(unwanted)) => {
            deadline.is_none_or(|deadline| deadline < now) && !unwanted.iter().any(|(next, _)| follows(*next))
        }
    }
}

/// The part, from 1, of the `i`-th of `rows` rows, the first parts larger by one.
fn tile(i: i64, rows: i64, parts: i64) -> i64 {
    let (size, larger) = (rows / parts, rows % parts);
    if i < larger * (size + 1) { i / (size + 1) + 1 } else { larger + (i - larger * (size + 1)) / size.max(1) + 1 }
}
