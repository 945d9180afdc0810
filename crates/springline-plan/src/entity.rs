//! The rows of an entity or event with the values a query needs of them.
//!
//! An entity compiles to one row per primary key. What belongs to many rows is gathered first (see
//! `gather`); what belongs to one related row is joined on that row's primary key; computed fields and
//! memberships follow in as many steps as they build upon one another.

use std::collections::{HashMap, HashSet};

use springline_ir::{
    ColumnRef, Expr, ExprKind, From, FunctionId, FunctionKind, Join, JoinKind, Literal, OrderBy, OutputColumn, RelExpr,
    Relation, Select, Type,
};
use springline_model::{
    Entity, EntityId, EventId, FieldId, Gather, History, Leaf, Over, Project, RelationshipId, RowId, SegmentId,
    ValueExpr,
};

use crate::PlanError;
use crate::absent::required;
use crate::build::{Build, Scope, column, output, unique};
use crate::clock::before;
use crate::gather::{Gathered, gather, gather_name, or_nothing};
use crate::past::past;
use crate::sequence::sequence;
use crate::wanted::Wanted;

/// Something computed from the values of an entity's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Computed {
    Field(FieldId),
    Segment(SegmentId),
}

impl Computed {
    fn of(leaf: &Leaf) -> Option<Self> {
        match leaf {
            Leaf::Field(field) => Some(Computed::Field(*field)),
            Leaf::Segment(segment) => Some(Computed::Segment(*segment)),
            _ => None,
        }
    }

    fn leaf(self) -> Leaf {
        match self {
            Computed::Field(field) => Leaf::Field(field),
            Computed::Segment(segment) => Leaf::Segment(segment),
        }
    }

    /// Its value in a row. A row belongs to a segment or it does not: null is not a member.
    fn of_row(self, value: RelExpr) -> RelExpr {
        match self {
            Computed::Field(_) => value,
            Computed::Segment(_) => value.or_else(Expr::literal(Literal::Boolean(false))),
        }
    }
}

impl Build<'_> {
    /// The rows of an entity or event under an alias, with a value for each that is wanted. The alias
    /// is unique in the query.
    pub(crate) fn row(&mut self, row: RowId, alias: &str, wanted: &Wanted) -> Result<Scope, PlanError> {
        self.row_where(row, alias, wanted, None)
    }

    /// The same for a caller that keeps only rows for which `condition` is true: rows that cannot fulfil
    /// it may be missing.
    pub(crate) fn row_where(
        &mut self,
        row: RowId,
        alias: &str,
        wanted: &Wanted,
        condition: Option<&ValueExpr>,
    ) -> Result<Scope, PlanError> {
        match row {
            RowId::Entity(entity) if wanted.iter().any(|(leaf, _)| Computed::of(leaf).is_some()) => {
                self.computed(entity, alias, wanted, condition)
            }
            _ => self.plain(row, alias, wanted, condition),
        }
    }

    /// Rows without computed values: the source, joined with related rows and gathered relations.
    fn plain(
        &mut self,
        row: RowId,
        alias: &str,
        wanted: &Wanted,
        condition: Option<&ValueExpr>,
    ) -> Result<Scope, PlanError> {
        let project = self.context.project;
        let (mut gathered, required) = match row {
            RowId::Entity(entity) => self.gathered(entity, wanted, condition)?,
            RowId::Event(..) => (Vec::new(), HashSet::new()),
        };
        let mut scope = match row {
            RowId::Entity(id) if project.entity(id).distinct => self.distinct_keys(id, alias, &mut gathered, &required),
            _ => self.rows_of(project.row_source_id(row), alias),
        };
        for (leaf, ty) in wanted.iter() {
            if let Leaf::Column(name) = leaf {
                scope.values.entry(leaf.clone()).or_insert_with(|| column(alias, name, ty.clone()));
            }
        }
        for (relationship, inner) in related(wanted) {
            self.join_related(row, relationship, &inner, alias, &mut scope)?;
        }
        if let RowId::Entity(entity) = row {
            let (key, key_type) = primary_key(project.entity(entity), self);
            let key = Leaf::Column(key);
            let own_key = scope
                .values
                .get(&key)
                .cloned()
                .unwrap_or_else(|| column(alias, &project.entity(entity).primary_key, key_type));
            for (over, gathers, relation) in gathered {
                join_gathered(&gathers, relation, &own_key, required.contains(&over), &mut scope);
            }
            self.join_sequences(entity, wanted, &own_key, &mut scope)?;
            self.join_history(entity, wanted, &own_key, &mut scope)?;
        }
        Ok(scope)
    }

    /// Joins a relation per sequence of events: a row has it or not.
    fn join_sequences(
        &mut self,
        entity: EntityId,
        wanted: &Wanted,
        own_key: &RelExpr,
        scope: &mut Scope,
    ) -> Result<(), PlanError> {
        for (leaf, _) in wanted.iter() {
            let Leaf::Sequence(steps) = leaf else { continue };
            let (from, key) = sequence(self, entity, steps)?;
            let has = Expr::call(FunctionId::IS_NOT_NULL, vec![key.clone()], Type::Boolean);
            let on = Expr::compare(FunctionId::EQ, own_key.clone(), key);
            scope.joins.push(Join { kind: JoinKind::Left, from, on });
            scope.values.insert(leaf.clone(), has);
        }
        Ok(())
    }

    /// Joins what is kept of the entity's memberships, once for all that is asked about them.
    fn join_history(
        &mut self,
        entity: EntityId,
        wanted: &Wanted,
        own_key: &RelExpr,
        scope: &mut Scope,
    ) -> Result<(), PlanError> {
        let asked: Vec<&History> = wanted.iter().filter_map(|(leaf, _)| history(leaf)).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let past = past(self, entity, &asked)?;
        let key = Expr::call(FunctionId::TEXT, vec![own_key.clone()], Type::String);
        scope.joins.push(Join {
            kind: JoinKind::Left,
            from: past.from,
            on: Expr::compare(FunctionId::EQ, key, past.key),
        });
        for (history, answer) in asked.into_iter().zip(past.answers) {
            let never = Expr::literal(Literal::Boolean(false));
            scope.values.insert(Leaf::History(Box::new(*history)), answer.or_else(never));
        }
        Ok(())
    }

    /// The gathered relations of an entity, and which of them a row must have a row in to be kept.
    fn gathered<'w>(
        &mut self,
        entity: EntityId,
        wanted: &'w Wanted,
        condition: Option<&ValueExpr>,
    ) -> Result<(Vec<Group<'w>>, HashSet<Over>), PlanError> {
        let project = self.context.project;
        let groups = gathers(wanted);
        let overs: Vec<Over> = groups.iter().map(|(over, _)| *over).collect();
        let required = condition.map_or_else(HashSet::new, |c| required(project, entity, c, &overs));
        let native = native_event(project.entity(entity));
        let mut all = Vec::new();
        for (over, list) in groups {
            let keys_only = Some(over) == native.map(Over::Event);
            let relation = gather(self, entity, over, &list, keys_only)?;
            all.push((over, list, relation));
        }
        Ok((all, required))
    }

    /// The keys of an entity whose source has many rows for each. It exists from its first event on.
    /// Where the events that the source holds are gathered anyway, the gathered relation has the keys.
    fn distinct_keys(
        &mut self,
        id: EntityId,
        alias: &str,
        gathered: &mut Vec<Group<'_>>,
        required: &HashSet<Over>,
    ) -> Scope {
        let project = self.context.project;
        let entity = project.entity(id);
        let native = native_event(entity);
        let usable = gathered.iter().position(|(over, _, relation)| {
            Some(*over) == native.map(Over::Event) && (relation.has_every_key || required.contains(over))
        });
        let key_leaf = Leaf::Column(entity.primary_key.clone());
        if let Some(place) = usable {
            let (_, gathers, relation) = gathered.remove(place);
            let mut values = HashMap::from([(key_leaf, relation.key(alias))]);
            values.extend(gathers.iter().map(|g| Leaf::Aggregate(Box::new((*g).clone()))).zip(relation.values(alias)));
            let from = From { alias: alias.to_owned(), ..relation.from };
            return Scope { from, joins: Vec::new(), values, clock: self.clock() };
        }
        let source = project.source(entity.source);
        let (key, ty) = primary_key(entity, self);
        let rows = self.unique(&format!("{alias}_rows"));
        let key_value = column(&rows, &key, ty);
        let at = native.and_then(|event| source.column(&entity.events[event.0].at));
        let exists = at.map(|at| before(column(&rows, &at.name, at.ty.clone()), self.context.as_of, &project.timezone));
        let has_key = Expr::call(FunctionId::IS_NOT_NULL, vec![key_value.clone()], Type::Boolean);
        let from = From { relation: Relation::Table(source.table.clone()), alias: rows };
        let select = Select {
            distinct: true,
            filter: Expr::all(exists.into_iter().chain([has_key])),
            ..Select::new(from, vec![output(&entity.primary_key, key_value)])
        };
        let name = self.unique(&format!("{alias}_keys"));
        let comment = self.locate(entity.span);
        let from = From { alias: alias.to_owned(), ..self.step(name, Some(comment), select) };
        Scope { from, joins: Vec::new(), values: HashMap::new(), clock: self.clock() }
    }

    /// Joins the one related row, by its primary key.
    fn join_related(
        &mut self,
        row: RowId,
        id: RelationshipId,
        inner: &Wanted,
        base: &str,
        scope: &mut Scope,
    ) -> Result<(), PlanError> {
        let project = self.context.project;
        let relationship = &project.row_relationships(row)[id.0];
        let (key_name, key_type) = primary_key(project.entity(relationship.to), self);
        let key_leaf = Leaf::Column(key_name);
        let mut all = Wanted::default();
        all.add(&key_leaf, &key_type);
        inner.iter().for_each(|(leaf, ty)| all.add(leaf, ty));

        let alias = self.unique(&relationship.name);
        let target = self.row(RowId::Entity(relationship.to), &alias, &all)?;
        let target = if target.joins.is_empty() {
            target
        } else {
            self.flatten(target, &relationship.name, &all, relationship.span)
        };
        let own_type = project.row_source(row).column(&relationship.key).map_or(Type::String, |c| c.ty.clone());
        let own_key = scope.values.get(&Leaf::Column(relationship.key.clone())).cloned();
        let own_key = own_key.unwrap_or_else(|| column(base, &relationship.key, own_type));
        let on = Expr::compare(FunctionId::EQ, own_key, target.lower(&Expr::leaf(key_leaf, key_type))?);
        for (leaf, _) in inner.iter() {
            let value = target.values[leaf].clone();
            scope.values.insert(Leaf::Related { relationship: id, leaf: Box::new(leaf.clone()) }, value);
        }
        scope.joins.push(Join { kind: JoinKind::Left, from: target.from, on });
        Ok(())
    }

    /// An entity's rows with computed values: a first step with all that is not computed, then one step
    /// per level of values that build upon one another.
    fn computed(
        &mut self,
        id: EntityId,
        alias: &str,
        wanted: &Wanted,
        condition: Option<&ValueExpr>,
    ) -> Result<Scope, PlanError> {
        let project = self.context.project;
        let entity = project.entity(id);
        let levels = self.levels(id, wanted);
        let (key, key_type) = primary_key(entity, self);
        let key = Leaf::Column(key);
        let mut raw = Wanted::default();
        raw.add(&key, &key_type);
        let mut expressions: HashMap<Computed, &ValueExpr> = HashMap::new();
        for (leaf, ty) in wanted.iter().filter(|(leaf, _)| Computed::of(leaf).is_none()) {
            raw.add(leaf, ty);
        }
        for item in levels.iter().flatten() {
            let expr = source_expression(project, id, *item);
            expr.each_typed_leaf(&mut |leaf, ty| {
                if Computed::of(leaf).is_none() {
                    raw.add(leaf, ty);
                }
            });
            expressions.insert(*item, expr);
        }

        let rows = self.unique(&format!("{alias}_base"));
        // A window function looks at the rows beside its own: then none may be missing.
        let condition = condition.filter(|_| !expressions.values().any(|expr| expr.has_window()));
        let mut scope = self.plain(RowId::Entity(id), &rows, &raw, condition)?;
        let mut columns = HashSet::new();
        let mut names: HashMap<Leaf, String> = HashMap::new();
        for (i, level) in levels.iter().enumerate() {
            // What a later level or the caller still needs goes on; the rest ends here.
            let later: Vec<&ValueExpr> = levels[i + 1..].iter().flatten().map(|item| expressions[item]).collect();
            let needed = still_needed(&key, wanted, &later);
            let mut selected: Vec<(Leaf, OutputColumn)> = Vec::new();
            let passed = raw.iter().map(|(leaf, _)| leaf.clone()).chain(levels[..i].iter().flatten().map(|c| c.leaf()));
            for leaf in passed.filter(|leaf| needed.contains(leaf)) {
                let name = names
                    .entry(leaf.clone())
                    .or_insert_with(|| unique(&mut columns, &leaf_name(self, id, &leaf)))
                    .clone();
                let value = scope.values[&leaf].clone();
                selected.push((leaf, output(name, value)));
            }
            for item in level {
                let leaf = item.leaf();
                let value = item.of_row(scope.lower(expressions[item])?);
                let name = unique(&mut columns, &leaf_name(self, id, &leaf));
                names.insert(leaf.clone(), name.clone());
                let key_value = scope.values[&key].clone();
                selected.push((leaf, output(name, total_order(value, &key_value))));
            }
            let last = i + 1 == levels.len();
            let name = if last { alias.to_owned() } else { self.unique(&format!("{alias}_{}", i + 1)) };
            let comment = self.locate(entity.span);
            scope = self.step_of(scope, name, comment, selected);
        }
        Ok(scope)
    }

    /// A step with these values, as a scope of its own.
    fn step_of(&mut self, scope: Scope, name: String, comment: String, selected: Vec<(Leaf, OutputColumn)>) -> Scope {
        let values =
            selected.iter().map(|(leaf, out)| (leaf.clone(), column(&name, &out.name, out.expr.ty.clone()))).collect();
        let columns = selected.into_iter().map(|(_, out)| out).collect();
        let from = self.step(name, Some(comment), scope.select(columns));
        Scope { from, joins: Vec::new(), values, clock: self.clock() }
    }

    /// A scope that needs joins, as one relation.
    fn flatten(&mut self, scope: Scope, name: &str, wanted: &Wanted, span: springline_model::Span) -> Scope {
        let mut columns = HashSet::new();
        let selected = wanted
            .iter()
            .map(|(leaf, _)| {
                let label = match leaf {
                    Leaf::Column(column) => column.clone(),
                    other => format!("value_of_{}", short_name(other)),
                };
                (leaf.clone(), output(unique(&mut columns, &label), scope.values[leaf].clone()))
            })
            .collect();
        let name = self.unique(name);
        let comment = self.locate(span);
        self.step_of(scope, name, comment, selected)
    }

    /// What is computed, in an order in which each needs only what is in earlier levels.
    fn levels(&self, entity: EntityId, wanted: &Wanted) -> Vec<Vec<Computed>> {
        let mut level_of: HashMap<Computed, usize> = HashMap::new();
        let mut levels: Vec<Vec<Computed>> = Vec::new();
        for (leaf, _) in wanted.iter() {
            if let Some(item) = Computed::of(leaf) {
                self.level(entity, item, &mut level_of, &mut levels);
            }
        }
        levels
    }

    /// The level of one computed value; the checker has refused cycles.
    fn level(
        &self,
        entity: EntityId,
        item: Computed,
        level_of: &mut HashMap<Computed, usize>,
        levels: &mut Vec<Vec<Computed>>,
    ) -> usize {
        if let Some(level) = level_of.get(&item) {
            return *level;
        }
        let mut needs = Vec::new();
        source_expression(self.context.project, entity, item).each_leaf(&mut |leaf| needs.extend(Computed::of(leaf)));
        let level = needs.into_iter().map(|need| self.level(entity, need, level_of, levels) + 1).max().unwrap_or(0);
        level_of.insert(item, level);
        if levels.len() <= level {
            levels.resize(level + 1, Vec::new());
        }
        levels[level].push(item);
        level
    }
}

fn source_expression(project: &Project, entity: EntityId, item: Computed) -> &ValueExpr {
    match item {
        Computed::Field(field) => &project.entity(entity).fields[field.0].expr,
        Computed::Segment(segment) => &project.segment(segment).condition,
    }
}

/// Aggregates over one event or relationship, and their relation.
type Group<'w> = (Over, Vec<&'w Gather>, Gathered);

/// Joins aggregates over one event or relationship, which have at most one row per key.
fn join_gathered(gathers: &[&Gather], relation: Gathered, own_key: &RelExpr, required: bool, scope: &mut Scope) {
    let alias = relation.from.alias.clone();
    for (gather, value) in gathers.iter().zip(relation.values(&alias)) {
        scope.values.insert(Leaf::Aggregate(Box::new((*gather).clone())), or_nothing(gather, value));
    }
    let on = Expr::compare(FunctionId::EQ, own_key.clone(), relation.key(&alias));
    let kind = if required { JoinKind::Inner } else { JoinKind::Left };
    scope.joins.push(Join { kind, from: relation.from, on });
}

fn history(leaf: &Leaf) -> Option<&History> {
    match leaf {
        Leaf::History(history) => Some(history),
        _ => None,
    }
}

/// The event that the rows of an entity's own source are, where the entity is known by its events.
fn native_event(entity: &Entity) -> Option<EventId> {
    let is_native = |event: &springline_model::Event| event.source == entity.source && event.key == entity.primary_key;
    entity.distinct.then(|| entity.events.iter().position(is_native).map(EventId)).flatten()
}

/// The entity's primary key and its type.
pub(crate) fn primary_key(entity: &Entity, build: &Build<'_>) -> (String, Type) {
    let source = build.context.project.source(entity.source);
    let ty = source.column(&entity.primary_key).map_or(Type::String, |c| c.ty.clone());
    (entity.primary_key.clone(), ty)
}

/// The values at the end of each many-to-one relationship.
fn related(wanted: &Wanted) -> Vec<(RelationshipId, Wanted)> {
    let mut all: Vec<(RelationshipId, Wanted)> = Vec::new();
    for (leaf, ty) in wanted.iter() {
        let Leaf::Related { relationship, leaf } = leaf else { continue };
        let place = all.iter().position(|(id, _)| id == relationship).unwrap_or_else(|| {
            all.push((*relationship, Wanted::default()));
            all.len() - 1
        });
        all[place].1.add(leaf, ty);
    }
    all
}

/// The aggregates over each event and relationship.
fn gathers(wanted: &Wanted) -> Vec<(Over, Vec<&Gather>)> {
    let mut all: Vec<(Over, Vec<&Gather>)> = Vec::new();
    for (leaf, _) in wanted.iter() {
        let Leaf::Aggregate(gather) = leaf else { continue };
        match all.iter_mut().find(|(over, _)| *over == gather.over) {
            Some((_, list)) => list.push(gather),
            None => all.push((gather.over, vec![gather])),
        }
    }
    all
}

/// What must be passed on to later steps.
fn still_needed<'e>(key: &'e Leaf, wanted: &'e Wanted, later: &[&'e ValueExpr]) -> HashSet<&'e Leaf> {
    let mut needed: HashSet<&Leaf> = wanted.iter().map(|(leaf, _)| leaf).collect();
    needed.insert(key);
    for expr in later {
        expr.each_leaf(&mut |leaf| {
            needed.insert(leaf);
        });
    }
    needed
}

/// The name of a value's column.
pub(crate) fn leaf_name(build: &Build<'_>, entity: EntityId, leaf: &Leaf) -> String {
    let project = build.context.project;
    match leaf {
        Leaf::Column(name) => name.clone(),
        Leaf::Field(field) => project.entity(entity).fields[field.0].name.clone(),
        Leaf::Segment(segment) => project.segment(*segment).name.clone(),
        Leaf::Related { relationship, leaf } => {
            let relationship = &project.entity(entity).relationships[relationship.0];
            format!("{}_{}", relationship.name, leaf_name(build, relationship.to, leaf))
        }
        Leaf::Aggregate(gather) => gather_name(over_name(project.entity(entity), gather.over), gather),
        Leaf::Sequence(_) => "sequence".to_owned(),
        Leaf::History(history) => format!("{}_history", project.segment(history.segment).name),
        Leaf::AsOf | Leaf::PeriodEdge(..) => "as_of".to_owned(),
    }
}

/// A name for a value whose entity is not at hand.
fn short_name(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Column(name) => name.clone(),
        Leaf::Field(field) => format!("field_{}", field.0),
        Leaf::Segment(segment) => format!("segment_{}", segment.0),
        Leaf::Related { leaf, .. } => short_name(leaf),
        Leaf::Aggregate(gather) => gather.function.get().name.to_owned(),
        Leaf::Sequence(_) => "sequence".to_owned(),
        Leaf::History(_) => "history".to_owned(),
        Leaf::AsOf | Leaf::PeriodEdge(..) => "as_of".to_owned(),
    }
}

pub(crate) fn over_name(entity: &Entity, over: Over) -> &str {
    match over {
        Over::Event(event) => &entity.events[event.0].name,
        Over::Relationship(relationship) => &entity.relationships[relationship.0].name,
    }
}

/// Adds the primary key to the order of window functions, so that ties fall the same way everywhere.
/// A rank keeps its ties: that is its meaning. An aggregate over a whole partition has no order.
fn total_order(mut expr: RelExpr, key: &RelExpr) -> RelExpr {
    order_windows(&mut expr, key);
    expr
}

fn order_windows(expr: &mut RelExpr, key: &RelExpr) {
    let add = |order_by: &mut Vec<OrderBy<ColumnRef>>| order_by.push(OrderBy { expr: key.clone(), descending: false });
    match &mut expr.kind {
        ExprKind::Window(call)
            if !matches!(call.function, FunctionId::RANK | FunctionId::PERCENT_RANK)
                && (call.running || call.function.get().kind == FunctionKind::Window) =>
        {
            add(&mut call.order_by);
        }
        ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| order_windows(arg, key)),
        ExprKind::Cast { operand, .. } => order_windows(operand, key),
        ExprKind::Case { branches, otherwise } => {
            for (when, then) in branches {
                order_windows(when, key);
                order_windows(then, key);
            }
            if let Some(value) = otherwise {
                order_windows(value, key);
            }
        }
        ExprKind::Native(_)
        | ExprKind::Window(_)
        | ExprKind::Leaf(_)
        | ExprKind::Literal(_)
        | ExprKind::Aggregate(_) => {}
    }
}
