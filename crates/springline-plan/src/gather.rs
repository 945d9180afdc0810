//! Aggregates, gathered per relation: one step for all the aggregates over one event or one
//! relationship of an entity, grouped by the entity's key. It is joined back at the entity's grain, so
//! that rows cannot multiply.

use springline_ir::{Aggregate, Expr, ExprKind, From, FunctionId, Literal, OrderBy, RelExpr, Select, Type};
use springline_model::{EntityId, Gather, Leaf, Over, Period, RowId, Unit, ValueExpr};

use crate::PlanError;
use crate::apart::apart;
use crate::build::{Build, Scope, column, output, unique};
use crate::clock::{Bounds, before, not_before};
use crate::ordered::numbered;
use crate::wanted::Wanted;

/// A gathered relation: at most one row per key.
pub(crate) struct Gathered {
    pub(crate) from: From,
    /// It has a row for every key that has an event before `as_of`, whatever the aggregates look at.
    pub(crate) has_every_key: bool,
    key: (String, Type),
    values: Vec<(String, Type)>,
}

impl Gathered {
    /// The key under an alias of the relation.
    pub(crate) fn key(&self, alias: &str) -> RelExpr {
        column(alias, &self.key.0, self.key.1.clone())
    }

    /// The values under an alias of the relation.
    pub(crate) fn values(&self, alias: &str) -> impl Iterator<Item = RelExpr> {
        self.values.iter().map(move |(name, ty)| column(alias, name, ty.clone()))
    }
}

/// Builds the step for aggregates over one event or relationship. Rows without a key are left out where
/// `keys_only`: elsewhere they do no harm, for nothing joins with null.
pub(crate) fn gather(
    build: &mut Build<'_>,
    entity: EntityId,
    over: Over,
    gathers: &[&Gather],
    keys_only: bool,
) -> Result<Gathered, PlanError> {
    let project = build.context.project;
    let row = project.gathered_row(entity, over);
    let (name, key_name, at_name, span) = match over {
        Over::Event(event) => {
            let event = &project.entity(entity).events[event.0];
            (&event.name, &event.key, Some(&event.at), event.span)
        }
        Over::Relationship(relationship) => {
            let relationship = &project.entity(entity).relationships[relationship.0];
            (&relationship.name, &relationship.key, None, relationship.span)
        }
    };
    let key = source_column(build, row, key_name);
    let at = at_name.and_then(|at| source_column(build, row, at));

    let mut wanted = Wanted::default();
    for expr in key.iter().chain(&at) {
        wanted.add_expr(expr);
    }
    for gather in gathers {
        gather.args.iter().chain(&gather.filter).for_each(|expr| wanted.add_expr(expr));
    }
    let row_name = build.unique(&format!("{name}_rows"));
    let scope = build.row(row, &row_name, &wanted)?;
    let lower = |expr: &Option<ValueExpr>| expr.as_ref().map(|e| scope.lower(e)).transpose();
    let (key, at) = (lower(&key)?, lower(&at)?);

    let conditions =
        gathers.iter().map(|g| conditions(build, &scope, g, at.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let shared = shared(&conditions);
    let mut names = std::collections::HashSet::new();
    let key_column = unique(&mut names, key_name);
    let key = key.unwrap_or_else(|| Expr::null(Type::String));
    let mut columns = vec![output(&key_column, key.clone())];
    for (gather, conditions) in gathers.iter().zip(&conditions) {
        let own = conditions.iter().filter(|c| !shared.contains(c)).cloned();
        let value = match crate::recent::exists_by_latest(build, &scope, gather, gathers, at.as_ref())? {
            Some(value) => value,
            None => aggregate(&scope, gather, at.as_ref(), Expr::all(own))?,
        };
        columns.push(output(unique(&mut names, &gather_name(name, gather)), value));
    }

    let step_name = build.unique(name);
    let described: Vec<(String, Type)> = columns.iter().map(|c| (c.name.clone(), c.expr.ty.clone())).collect();
    let zone = &project.timezone;
    let as_of = at.map(|at| before(at, build.context.as_of, zone));
    let widest = widest(build, &scope, gathers, at_name.and_then(|at| source_column(build, row, at)))?;
    let has_every_key = widest.is_none() && shared.is_empty();
    let has_key = keys_only.then(|| Expr::call(FunctionId::IS_NOT_NULL, vec![key.clone()], Type::Boolean));
    let filter = Expr::all(as_of.into_iter().chain(widest).chain(shared).chain(has_key));
    let select = Select { filter, group_by: vec![key], ..scope.select(columns) };
    let select = numbered(build, name, select);
    let select = apart(build, &format!("{name}_values"), select);
    let from = build.step(step_name, Some(build.locate(span)), select);
    let mut described = described.into_iter();
    let key = described.next().unwrap_or((key_column, Type::String));
    Ok(Gathered { from, has_every_key, key, values: described.collect() })
}

/// A column of the row's own source, as a model expression.
fn source_column(build: &Build<'_>, row: RowId, name: &str) -> Option<ValueExpr> {
    let column = build.context.project.row_source(row).column(name)?;
    Some(Expr::leaf(Leaf::Column(name.to_owned()), column.ty.clone()))
}

/// What a gathered row must fulfil for one aggregate.
fn conditions(
    build: &Build<'_>,
    scope: &Scope,
    gather: &Gather,
    at: Option<&RelExpr>,
) -> Result<Vec<RelExpr>, PlanError> {
    let mut all = Vec::new();
    if let (Some(within), Some(at)) = (gather.within, at) {
        let zone = &build.context.project.timezone;
        let Bounds { start, end } = build.clock().bounds(within)?;
        all.extend(start.map(|start| not_before(at.clone(), start, zone)));
        // Events end at `as_of` anyway.
        let end = end.filter(|end| *end < build.context.as_of);
        all.extend(end.map(|end| before(at.clone(), end, zone)));
    }
    if let Some(filter) = &gather.filter {
        conjuncts(scope.lower(filter)?, &mut all);
    }
    Ok(all)
}

/// Splits at the top-level `and`s.
fn conjuncts(expr: RelExpr, into: &mut Vec<RelExpr>) {
    match expr.kind {
        ExprKind::Call { function: FunctionId::AND, args } => args.into_iter().for_each(|arg| conjuncts(arg, into)),
        _ => into.push(expr),
    }
}

/// The conditions that stand in every list: they can hold back rows before they are grouped.
fn shared(conditions: &[Vec<RelExpr>]) -> Vec<RelExpr> {
    let Some((first, rest)) = conditions.split_first() else { return Vec::new() };
    first.iter().filter(|c| rest.iter().all(|list| list.contains(c))).cloned().collect()
}

/// The bound of the widest window, where every aggregate has one and they differ: it lets the engine
/// skip what is older than any of them needs.
fn widest(
    build: &Build<'_>,
    scope: &Scope,
    gathers: &[&Gather],
    at: Option<ValueExpr>,
) -> Result<Option<RelExpr>, PlanError> {
    let Some(at) = at else { return Ok(None) };
    let windows = gathers.iter().map(|g| g.within).collect::<Option<std::collections::BTreeSet<_>>>();
    let Some(windows) = windows.filter(|windows| windows.len() > 1) else { return Ok(None) };
    let zone = &build.context.project.timezone;
    let starts = windows.into_iter().map(|within| Ok(build.clock().bounds(within)?.start));
    let starts: Vec<Option<jiff::Timestamp>> = starts.collect::<Result<_, PlanError>>()?;
    // One that begins with time itself needs everything.
    let earliest = starts.into_iter().collect::<Option<Vec<_>>>().and_then(|starts| starts.into_iter().min());
    Ok(match earliest {
        Some(start) => Some(not_before(scope.lower(&at)?, start, zone)),
        None => None,
    })
}

/// The aggregate over the gathered rows that fulfil the condition.
fn aggregate(
    scope: &Scope,
    gather: &Gather,
    at: Option<&RelExpr>,
    filter: Option<RelExpr>,
) -> Result<RelExpr, PlanError> {
    let args = gather.args.iter().map(|arg| scope.lower(arg)).collect::<Result<Vec<_>, _>>()?;
    let types: Vec<Type> = args.iter().map(|a| a.ty.clone()).collect();
    let ty = (gather.function.get().result)(&types).unwrap_or(Type::String);
    let order_by = order(gather.function, at, args.first());
    Ok(Expr {
        kind: ExprKind::Aggregate(Box::new(Aggregate { function: gather.function, args, filter, order_by })),
        ty,
    })
}

/// The time of the events, for `first`, `last` and `nth`: the earliest comes first for all. Where the value is computed
/// and may come to the time itself, the time is written in another way: some engines fail on an order of one term twice
/// when they have simplified the value.
fn order(
    function: FunctionId,
    at: Option<&RelExpr>,
    value: Option<&RelExpr>,
) -> Vec<OrderBy<springline_ir::ColumnRef>> {
    let (Some(at), FunctionId::FIRST | FunctionId::LAST | FunctionId::NTH) = (at, function) else { return Vec::new() };
    let is_computed = value.is_some_and(|v| v.ty == at.ty && !matches!(v.kind, ExprKind::Leaf(_)));
    let expr = match at.ty {
        _ if !is_computed => at.clone(),
        Type::Date => at.clone().cast(Type::Timestamp),
        _ => {
            let utc = Expr::literal(Literal::String("UTC".to_owned()));
            Expr::call(FunctionId::LOCAL_TIME, vec![at.clone(), utc], Type::Timestamp)
        }
    };
    vec![OrderBy { expr, descending: false }]
}

/// The value seen from an entity, which may have no row at all in the gathered relation: a count is
/// zero there and nothing exists; other aggregates are null.
pub(crate) fn or_nothing(gather: &Gather, value: RelExpr) -> RelExpr {
    match gather.function {
        FunctionId::COUNT | FunctionId::COUNT_DISTINCT => value.or_else(Expr::literal(Literal::Integer(0))),
        FunctionId::EXISTS => value.or_else(Expr::literal(Literal::Boolean(false))),
        _ => value,
    }
}

/// A name that tells what the aggregate is: `purchase_sum_amount_90d`.
pub(crate) fn gather_name(over: &str, gather: &Gather) -> String {
    let mut name = format!("{over}_{}", gather.function.get().name);
    if let Some(ExprKind::Leaf(Leaf::Column(column))) = gather.args.first().map(|arg| &arg.kind) {
        name = format!("{name}_{column}");
    }
    match gather.within {
        None => {}
        Some(Period::Rolling { within, ago: 0 }) => name = format!("{name}_{}{}", within.amount, short(within.unit)),
        Some(Period::Rolling { within, ago }) => {
            name = format!("{name}_{}{}_{ago}", within.amount, short(within.unit));
        }
        Some(Period::Calendar { unit, first, last }) => {
            let count = last.abs_diff(first) + 1;
            name = format!("{name}_{count}{}_of_calendar", short(unit));
        }
        Some(Period::Between { .. }) => name.push_str("_between"),
    }
    name
}

fn short(unit: Unit) -> &'static str {
    match unit {
        Unit::Minute => "min",
        Unit::Hour => "h",
        Unit::Day => "d",
        Unit::Week => "w",
        Unit::Month => "m",
        Unit::Quarter => "q",
        Unit::Year => "y",
    }
}
