//! Values of an entity's rows, for what is neither a segment nor a run: tests of the models.

use std::collections::HashSet;

use springline_ir::{Expr, FunctionId, Literal, OrderBy, Query, Select, Type};
use springline_model::{EntityId, Leaf, RowId, ValueExpr};

use crate::build::{Build, column, output, unique};
use crate::entity::primary_key;
use crate::preview::{COUNT_COLUMN, count_of_all};
use crate::wanted::Wanted;
use crate::{Context, PlanError};

/// The column that holds the primary key.
pub const ROW_KEY: &str = "_key";

/// Selects the primary key of an entity's rows ([`ROW_KEY`]), named values of them and, in [`COUNT_COLUMN`], the
/// number of all rows for which `filter` is true; in the order of the key.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn entity_rows(
    context: Context<'_>,
    entity: EntityId,
    values: &[(String, ValueExpr)],
    filter: Option<&ValueExpr>,
    limit: Option<u64>,
) -> Result<Query, PlanError> {
    let mut build = Build::new(context);
    let declared = context.project.entity(entity);
    let (name, ty) = primary_key(declared, &build);
    let key = Leaf::Column(name);
    let mut wanted = Wanted::default();
    wanted.add(&key, &ty);
    values.iter().map(|(_, value)| value).chain(filter).for_each(|expr| wanted.add_expr(expr));
    let alias = build.unique(&declared.name);
    let scope = build.row(RowId::Entity(entity), &alias, &wanted)?;
    let key = scope.values[&key].clone();
    let mut names = HashSet::from([COUNT_COLUMN.to_owned(), ROW_KEY.to_owned()]);
    let mut columns = vec![output(ROW_KEY, key.clone())];
    for (name, value) in values {
        columns.push(output(unique(&mut names, name), scope.lower(value)?));
    }
    columns.push(output(COUNT_COLUMN, count_of_all()));
    let filter = filter.map(|filter| scope.lower(filter)).transpose()?;
    let order_by = vec![OrderBy { expr: key, descending: false }];
    Ok(build.finish(Select { filter, order_by, limit, ..scope.select(columns) }))
}

/// Selects the values that several rows of an entity have in common: `value` as text and the number of `rows`; at
/// most `limit` of them. Null is not counted.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn repeated_values(
    context: Context<'_>,
    entity: EntityId,
    value: &ValueExpr,
    limit: u64,
) -> Result<Query, PlanError> {
    let mut build = Build::new(context);
    let declared = context.project.entity(entity);
    let mut wanted = Wanted::default();
    wanted.add_expr(value);
    let alias = build.unique(&declared.name);
    let scope = build.row(RowId::Entity(entity), &alias, &wanted)?;
    let lowered = scope.lower(value)?;
    let name = build.unique("all_values");
    let from = build.step(name, None, scope.select(vec![output("value", lowered)]));
    let value = column(&from.alias, "value", value.ty.clone());
    let rows = Expr::<springline_ir::ColumnRef> {
        kind: springline_ir::ExprKind::Aggregate(Box::new(springline_ir::Aggregate {
            function: FunctionId::COUNT,
            args: Vec::new(),
            filter: None,
            order_by: Vec::new(),
        })),
        ty: Type::Integer,
    };
    let text = match value.ty {
        Type::String => value.clone(),
        _ => Expr::call(FunctionId::TEXT, vec![value.clone()], Type::String),
    };
    let select = Select {
        filter: Some(Expr::call(FunctionId::IS_NOT_NULL, vec![value], Type::Boolean)),
        group_by: vec![text.clone()],
        having: Some(Expr::compare(FunctionId::GT, rows.clone(), Expr::literal(Literal::Integer(1)))),
        limit: Some(limit),
        ..Select::new(from, vec![output("value", text), output("rows", rows)])
    };
    Ok(build.finish(select))
}
