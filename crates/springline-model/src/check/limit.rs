//! `limit:`: only the first members of a segment in an order.

use springline_ir::{Expr, ExprKind, FunctionId, Literal, OrderBy, Type, WindowCall};

use crate::expr;
use crate::syntax::{Direction, LimitDecl};
use crate::{Code, Diagnostic, EntityId, ValueExpr};

use super::scope::Scope;
use super::typing::Typer;

/// The condition of the first members only: they meet it, and so many at most stand before them. Nulls are last; the
/// plan adds the primary key to the order, so that equals go by it.
pub(super) fn limited(
    typer: &mut Typer<'_>,
    decl: &LimitDecl,
    entity: EntityId,
    condition: Option<ValueExpr>,
) -> Option<ValueExpr> {
    let order = order(typer, decl, entity);
    let top = match i64::try_from(decl.top.value) {
        Ok(top) if top > 0 => top,
        _ => {
            let message = format!("{}: a limit of {} members", typer.subject, decl.top.value);
            let hint = "write how many members there are at most, such as `top: 10000`";
            typer.out.push(Diagnostic::error(Code::InvalidValue, decl.top.span, message).hint(hint));
            return None;
        }
    };
    let (condition, order) = (condition?, order?);
    let place = WindowCall {
        function: FunctionId::ROW_NUMBER,
        args: Vec::new(),
        partition_by: vec![condition.clone().or_else(Expr::literal(Literal::Boolean(false)))],
        order_by: vec![order],
        running: false,
    };
    let place = Expr { kind: ExprKind::Window(Box::new(place)), ty: Type::Integer };
    let first = Expr::compare(FunctionId::LE, place, Expr::literal(Literal::Integer(top)));
    Some(Expr::call(FunctionId::AND, vec![condition, first], Type::Boolean))
}

fn order(typer: &mut Typer<'_>, decl: &LimitDecl, entity: EntityId) -> Option<OrderBy<crate::Leaf>> {
    let by = expr::parse(typer.sources, &decl.by, typer.out)?;
    let by = typer.check(&by, &Scope::of(entity))?;
    if matches!(by.expr.ty, Type::Json | Type::Array(_)) || by.constant().is_some() {
        let what = if by.constant().is_some() { "a constant has".to_owned() } else { format!("{} has", by.expr.ty) };
        let message = format!("{}: {what} no order", typer.subject);
        let hint = "order by a column, a field or an expression of them, such as `lifetime_value`";
        typer.out.push(Diagnostic::error(Code::TypeMismatch, by.span, message).hint(hint));
        return None;
    }
    let descending = decl.order.as_ref().is_none_or(|order| order.value == Direction::Descending);
    Some(OrderBy { expr: by.expr, descending })
}
