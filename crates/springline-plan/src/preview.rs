//! One segment compiled alone: its members, or a count with a few of them. Only what the segment needs
//! is read.

use std::collections::HashSet;

use springline_ir::{Expr, ExprKind, FunctionId, OrderBy, Query, Select, Statement, Type, WindowCall};
use springline_model::{EntityId, Leaf, Pii, Project, RowId, SegmentId, ValueExpr};

use crate::build::{Build, Scope, output, unique};
use crate::entity::{leaf_name, primary_key};
use crate::wanted::Wanted;
use crate::{Context, PlanError, Step};

/// The column of a preview that holds the segment's size, the same in every row.
pub const COUNT_COLUMN: &str = "_count";

/// A column of a preview's sample.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The person-related data it holds; to be masked.
    pub pii: Option<Pii>,
}

/// The rows of an entity with the values that a segment's condition refers to, not yet filtered.
struct Rows<'a> {
    build: Build<'a>,
    scope: Scope,
    wanted: Wanted,
    key: Leaf,
}

/// Selects the primary keys of a segment's members.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn members_query(context: Context<'_>, segment: SegmentId) -> Result<Query, PlanError> {
    let rows = rows(context, segment)?;
    let filter = rows.scope.lower(&membership(context.project, segment))?;
    let key = rows.scope.values[&rows.key].clone();
    let (name, _) = primary_key(context.project.entity(context.project.segment(segment).entity), &rows.build);
    let select = Select { filter: Some(filter), ..rows.scope.select(vec![output(name, key)]) };
    Ok(rows.build.finish(select))
}

/// Selects the first `limit` members by primary key, with the values the segment's condition refers to
/// and, in [`COUNT_COLUMN`], the number of all members.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn preview(context: Context<'_>, segment: SegmentId, limit: u64) -> Result<(Step, Vec<PreviewColumn>), PlanError> {
    let rows = rows(context, segment)?;
    let filter = rows.scope.lower(&membership(context.project, segment))?;
    let own = Leaf::Segment(segment);
    let segment = context.project.segment(segment);
    let mut names = HashSet::from([COUNT_COLUMN.to_owned()]);
    let mut columns = Vec::new();
    let mut described = Vec::new();
    for (leaf, ty) in rows.wanted.iter().filter(|(leaf, _)| **leaf != own) {
        let name = unique(&mut names, &leaf_name(&rows.build, segment.entity, leaf));
        columns.push(output(&name, rows.scope.values[leaf].clone()));
        described.push(PreviewColumn {
            name,
            ty: ty.clone(),
            pii: leaf_pii(context.project, RowId::Entity(segment.entity), leaf),
        });
    }
    columns.push(output(COUNT_COLUMN, count_of_all()));
    let key = rows.scope.values[&rows.key].clone();
    let select = Select {
        filter: Some(filter),
        order_by: vec![OrderBy { expr: key, descending: false }],
        limit: Some(limit),
        ..rows.scope.select(columns)
    };
    let statement = Statement::Query(rows.build.finish(select));
    Ok((Step::new(format!("segment.{}", segment.name), statement), described))
}

/// What is true for the members of a segment and can stand in a WHERE: the condition, or where that has a window
/// function, which cannot, the membership computed before.
pub(crate) fn membership(project: &Project, segment: SegmentId) -> ValueExpr {
    let condition = &project.segment(segment).condition;
    if condition.has_window() { Expr::leaf(Leaf::Segment(segment), Type::Boolean) } else { condition.clone() }
}

fn rows<'a>(context: Context<'a>, segment: SegmentId) -> Result<Rows<'a>, PlanError> {
    let membership = membership(context.project, segment);
    let segment = context.project.segment(segment);
    let entity = context.project.entity(segment.entity);
    let mut build = Build::new(context);
    let (name, ty) = primary_key(entity, &build);
    let key = Leaf::Column(name);
    let mut wanted = Wanted::default();
    wanted.add(&key, &ty);
    wanted.add_expr(&segment.condition);
    wanted.add_expr(&membership);
    let alias = build.unique(&entity.name);
    let scope = build.row_where(RowId::Entity(segment.entity), &alias, &wanted, Some(&membership))?;
    Ok(Rows { build, scope, wanted, key })
}

/// `COUNT(*) OVER ()`: the size and the sample in one pass.
pub(crate) fn count_of_all() -> springline_ir::RelExpr {
    let call = WindowCall {
        function: FunctionId::COUNT,
        args: Vec::new(),
        partition_by: Vec::new(),
        order_by: Vec::new(),
        running: false,
    };
    Expr { kind: ExprKind::Window(Box::new(call)), ty: Type::Integer }
}

/// What person-related data a value of a row holds.
pub fn leaf_pii(project: &Project, row: RowId, leaf: &Leaf) -> Option<Pii> {
    match leaf {
        Leaf::Column(name) => project.row_source(row).column(name)?.pii,
        Leaf::Related { relationship, leaf } => {
            let to: EntityId = project.row_relationships(row)[relationship.0].to;
            leaf_pii(project, RowId::Entity(to), leaf)
        }
        Leaf::Field(field) => {
            let RowId::Entity(entity) = row else { return None };
            expression_pii(project, row, &project.entity(entity).fields[field.0].expr)
        }
        Leaf::Aggregate(gather) => {
            let RowId::Entity(entity) = row else { return None };
            let gathered = project.gathered_row(entity, gather.over);
            let shows_values = !matches!(
                gather.function,
                FunctionId::COUNT | FunctionId::COUNT_DISTINCT | FunctionId::EXISTS | FunctionId::SUM | FunctionId::AVG
            );
            gather.args.iter().filter(|_| shows_values).find_map(|arg| expression_pii(project, gathered, arg))
        }
        Leaf::Segment(_) | Leaf::AsOf | Leaf::PeriodEdge(..) | Leaf::Sequence(_) | Leaf::History(_) => None,
    }
}

/// What person-related data an expression may show. A truth value or a count shows none.
fn expression_pii(project: &Project, row: RowId, expr: &ValueExpr) -> Option<Pii> {
    if matches!(expr.ty, Type::Boolean) {
        return None;
    }
    let mut found = None;
    expr.each_leaf(&mut |leaf| found = found.or_else(|| leaf_pii(project, row, leaf)));
    found
}
