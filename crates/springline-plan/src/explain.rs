//! What a plan reads, shares and keeps, in figures for people: read off the finished queries, so that it
//! cannot say anything else than what runs.

use std::collections::{BTreeMap, BTreeSet};

use springline_ir::{Body, ColumnRef, Expr, ExprKind, FunctionId, Literal, Query, Relation, Select, TableName};
use springline_model::{EntityId, Gather, Leaf, SegmentId, ValueExpr};

use crate::entity::over_name;
use crate::gather::gather_name;
use crate::members::{Part, parts, segments_of};
use crate::preview::members_query;
use crate::{Context, PlanError};

/// A query in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The stored tables it reads, by name.
    pub scans: Vec<Scan>,
    /// Its steps in order, the result last.
    pub steps: Vec<ExplainedStep>,
}

/// A stored table that is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// The table.
    pub table: TableName,
    /// How often it is read.
    pub times: usize,
    /// The columns that are read of it.
    pub columns: BTreeSet<String>,
    /// The instants or days that bound what is read, as `column >= value`.
    pub bounds: BTreeSet<String>,
}

/// A step of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedStep {
    /// Its name; `result` for the last.
    pub name: String,
    /// Its columns.
    pub columns: usize,
    /// How often later steps read it. An engine may compute a step that is read more than once each time anew.
    pub reads: usize,
}

/// The run of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedRun {
    /// One per table of rows, which is one unless the dialect limits columns.
    pub tables: Vec<ExplainedTable>,
    /// The aggregates over events and related rows.
    pub aggregates: Vec<SharedValue>,
    /// The fields and segments that others build upon.
    pub values: Vec<SharedValue>,
}

/// A table of rows that a run writes.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedTable {
    /// Its name.
    pub table: TableName,
    /// Its columns of fields.
    pub fields: usize,
    /// Its columns of segments.
    pub segments: usize,
    /// How its rows are computed.
    pub query: Explained,
}

/// A value that is computed once per table.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedValue {
    /// Its name.
    pub name: String,
    /// The fields and segments whose expressions name it.
    pub users: Vec<String>,
}

/// Explains the run of an entity.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn explain_run(context: Context<'_>, entity: EntityId) -> Result<ExplainedRun, PlanError> {
    let segments = segments_of(context, entity);
    let tables = parts(context, entity, &segments, "entity")?.into_iter().map(table).collect();
    let declared = context.project.entity(entity);
    let mut aggregates: Vec<(&Gather, Vec<String>)> = Vec::new();
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let fields = declared.fields.iter().map(|field| (&field.name, &field.expr));
    let segments = segments.iter().map(|id| context.project.segment(*id)).map(|s| (&s.name, &s.condition));
    for (user, expr) in fields.chain(segments) {
        for leaf in leaves(expr) {
            match leaf {
                Leaf::Aggregate(gather) => match aggregates.iter_mut().find(|(known, _)| **known == **gather) {
                    Some((_, users)) => users.push(user.clone()),
                    None => aggregates.push((gather, vec![user.clone()])),
                },
                Leaf::Field(id) => values.entry(declared.fields[id.0].name.clone()).or_default().push(user.clone()),
                Leaf::Segment(id) => {
                    values.entry(context.project.segment(*id).name.clone()).or_default().push(user.clone());
                }
                _ => {}
            }
        }
    }
    let named = |(gather, users): (&Gather, Vec<String>)| SharedValue {
        name: gather_name(over_name(declared, gather.over), gather),
        users,
    };
    Ok(ExplainedRun {
        tables,
        aggregates: aggregates.into_iter().map(named).collect(),
        values: values.into_iter().map(|(name, users)| SharedValue { name, users }).collect(),
    })
}

/// Explains the query of one segment alone.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn explain_segment(context: Context<'_>, segment: SegmentId) -> Result<Explained, PlanError> {
    Ok(explain(&members_query(context, segment)?))
}

fn table(part: Part) -> ExplainedTable {
    let segments = part.segments().count();
    ExplainedTable { fields: part.leaves.len() - segments, segments, query: explain(&part.query), table: part.table }
}

/// The leaves of an expression, each once.
fn leaves(expr: &ValueExpr) -> Vec<&Leaf> {
    let mut all: Vec<&Leaf> = Vec::new();
    expr.each_leaf(&mut |leaf| {
        if !all.contains(&leaf) {
            all.push(leaf);
        }
    });
    all
}

/// A query in figures.
pub(crate) fn explain(query: &Query) -> Explained {
    let mut scans: BTreeMap<TableName, Scan> = BTreeMap::new();
    let mut reads: BTreeMap<String, usize> = BTreeMap::new();
    let bodies = || query.ctes.iter().map(|cte| &cte.body).chain([&query.body]);
    for select in bodies().flat_map(selects) {
        for from in std::iter::once(&select.from).chain(select.joins.iter().map(|join| &join.from)) {
            match &from.relation {
                Relation::Cte(name) => *reads.entry(name.clone()).or_default() += 1,
                Relation::Table(table) => {
                    let scan = scans.entry(table.clone()).or_insert_with(|| Scan {
                        table: table.clone(),
                        times: 0,
                        columns: BTreeSet::new(),
                        bounds: BTreeSet::new(),
                    });
                    scan.times += 1;
                    each_column(select, &mut |column| {
                        if column.relation == from.alias {
                            scan.columns.insert(column.column.clone());
                        }
                    });
                    if let Some(filter) = &select.filter {
                        bounds(filter, &from.alias, &mut scan.bounds);
                    }
                }
            }
        }
    }
    let width = |body: &Body| selects(body).iter().map(|select| select.columns.len()).max().unwrap_or(0);
    let names = query.ctes.iter().map(|cte| cte.name.clone()).chain(["result".to_owned()]);
    let step = |(name, body): (String, &Body)| {
        let reads = reads.get(&name).copied().unwrap_or(0);
        ExplainedStep { columns: width(body), reads, name }
    };
    Explained { scans: scans.into_values().collect(), steps: names.zip(bodies()).map(step).collect() }
}

fn selects(body: &Body) -> &[Select] {
    match body {
        Body::Select(select) => std::slice::from_ref(&**select),
        Body::UnionAll(selects) => selects,
    }
}

fn each_column<'a>(select: &'a Select, visit: &mut impl FnMut(&'a ColumnRef)) {
    let columns = select.columns.iter().map(|column| &column.expr);
    let order = select.order_by.iter().map(|order| &order.expr);
    let all = columns.chain(select.joins.iter().map(|join| &join.on)).chain(&select.filter).chain(&select.group_by);
    all.chain(&select.having).chain(order).for_each(|expr| expr.each_leaf(visit));
}

/// The comparisons of a time of the relation with a constant that every row must fulfil.
fn bounds(filter: &Expr<ColumnRef>, alias: &str, into: &mut BTreeSet<String>) {
    let ExprKind::Call { function, args } = &filter.kind else { return };
    let sign = match *function {
        FunctionId::AND => return args.iter().for_each(|arg| bounds(arg, alias, into)),
        FunctionId::GE => ">=",
        FunctionId::LT => "<",
        _ => return,
    };
    let [Expr { kind: ExprKind::Leaf(column), .. }, Expr { kind: ExprKind::Literal(value), .. }] = args.as_slice()
    else {
        return;
    };
    let value = match value {
        Literal::Timestamp(at) => at.to_string(),
        Literal::Date(day) => day.to_string(),
        _ => return,
    };
    if column.relation == alias {
        into.insert(format!("{} {sign} {value}", column.column));
    }
}
