//! Whether something happened in a window, asked of many windows at once: the latest such event answers for
//! all of them, so that one aggregate takes the place of one per window.

use springline_ir::{Aggregate, Expr, ExprKind, FunctionId, Literal, RelExpr, Type};
use springline_model::Gather;

use crate::PlanError;
use crate::build::{Build, Scope};
use crate::clock::{not_before, window_start};

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
    let is_like = |other: &&&Gather| other.function == FunctionId::EXISTS && other.filter == gather.filter;
    let Some(at) = at.filter(|_| gather.function == FunctionId::EXISTS && gathers.iter().filter(is_like).count() > 1)
    else {
        return Ok(None);
    };
    let filter = gather.filter.as_ref().map(|filter| scope.lower(filter)).transpose()?;
    let call = Aggregate { function: FunctionId::MAX, args: vec![at.clone()], filter, order_by: Vec::new() };
    let latest = Expr { kind: ExprKind::Aggregate(Box::new(call)), ty: at.ty.clone() };
    let zone = &build.context.project.timezone;
    Ok(Some(match gather.within {
        Some(within) => not_before(latest, window_start(build.context.as_of, zone, within)?, zone)
            .or_else(Expr::literal(Literal::Boolean(false))),
        None => Expr::call(FunctionId::IS_NOT_NULL, vec![latest], Type::Boolean),
    }))
}
