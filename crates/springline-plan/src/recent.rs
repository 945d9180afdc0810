//! Whether something happened in a window, asked of many windows at once: the latest such event answers for
//! all of them, so that one aggregate takes the place of one per window.

use jiff::Timestamp;
use springline_ir::{Aggregate, Expr, ExprKind, FunctionId, Literal, RelExpr, Type};
use springline_model::Gather;

use crate::PlanError;
use crate::build::{Build, Scope};
use crate::clock::{Bounds, not_before};

/// `exists` as a comparison of the latest event's time, where another `exists` looks at the same events in
/// another window; `None` where there is no other. The aggregate is the same for all of them, and engines
/// compute equal aggregates once.
pub(crate) fn exists_by_latest(
    build: &Build<'_>,
    scope: &Scope,
    gather: &Gather,
    gathers: &[&Gather],
    at: Option<&RelExpr>,
) -> Result<Option<RelExpr>, PlanError> {
    let is_like = |other: &&Gather| {
        other.function == FunctionId::EXISTS && other.filter == gather.filter && reaches_as_of(build, other).is_some()
    };
    let (Some(at), Some(start)) = (at, reaches_as_of(build, gather)) else { return Ok(None) };
    if gather.function != FunctionId::EXISTS || gathers.iter().filter(|other| is_like(other)).count() < 2 {
        return Ok(None);
    }
    let filter = gather.filter.as_ref().map(|filter| scope.lower(filter)).transpose()?;
    let call = Aggregate { function: FunctionId::MAX, args: vec![at.clone()], filter, order_by: Vec::new() };
    let latest = Expr { kind: ExprKind::Aggregate(Box::new(call)), ty: at.ty.clone() };
    let zone = &build.context.project.timezone;
    Ok(Some(match start {
        Some(start) => not_before(latest, start, zone).or_else(Expr::literal(Literal::Boolean(false))),
        None => Expr::call(FunctionId::IS_NOT_NULL, vec![latest], Type::Boolean),
    }))
}

/// Where the window begins of an aggregate that looks at all events from there on, none where that is the first;
/// `None` for one whose window ends earlier, which the latest event tells nothing of.
fn reaches_as_of(build: &Build<'_>, gather: &Gather) -> Option<Option<Timestamp>> {
    let Some(within) = gather.within else { return Some(None) };
    let Bounds { start, end } = build.clock().bounds(within).ok()?;
    end.is_none_or(|end| end >= build.context.as_of).then_some(start)
}
