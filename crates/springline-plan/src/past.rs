//! What the runs before `as_of` have kept of memberships, as values of an entity's row: one relation for
//! all the questions about one entity.

use springline_ir::{Aggregate, Expr, ExprKind, From, FunctionId, Literal, RelExpr, Select, Type};
use springline_model::{Asked, EntityId, History, Period};

use crate::PlanError;
use crate::build::{Build, column, output};
use crate::clock::Bounds;
use crate::members::from_table;
use crate::state::MembershipTables;

/// The answers for each entity of which an interval is kept: the key as text, and a boolean per question.
pub(crate) struct Past {
    pub(crate) from: From,
    pub(crate) key: RelExpr,
    pub(crate) answers: Vec<RelExpr>,
}

/// Builds the relation for some questions about an entity's memberships.
pub(crate) fn past(build: &mut Build<'_>, entity: EntityId, asked: &[&History]) -> Result<Past, PlanError> {
    let project = build.context.project;
    let name = &project.entity(entity).name;
    let table = MembershipTables::of(build.context.state_schema, name).membership;
    let intervals = build.unique("intervals");
    let instant = |name: &str| column(&intervals, name, Type::Timestamp);
    let constant = |at| Expr::literal(Literal::Timestamp(at));
    // A run that is repeated must not see what it has written itself: only what was kept before counts.
    let as_of = constant(build.context.as_of);
    let entity_id = column(&intervals, "entity_id", Type::String);
    let mut columns = vec![output("entity_id", entity_id.clone())];
    for (i, history) in asked.iter().enumerate() {
        let segment = Literal::String(project.segment(history.segment).name.clone());
        let mut all =
            vec![Expr::compare(FunctionId::EQ, column(&intervals, "segment", Type::String), Expr::literal(segment))];
        let mut within = |at: RelExpr, period: Period| -> Result<(), PlanError> {
            let Bounds { start, end } = build.clock().bounds(period)?;
            all.extend(start.map(|start| Expr::compare(FunctionId::GE, at.clone(), constant(start))));
            all.extend(end.map(|end| Expr::compare(FunctionId::LT, at, constant(end))));
            Ok(())
        };
        match history.asked {
            Asked::Ever => {}
            Asked::Entered(period) => within(instant("entered_at"), period)?,
            Asked::Exited(period) => {
                within(instant("exited_at"), period)?;
                all.push(Expr::compare(FunctionId::LT, instant("exited_at"), as_of.clone()));
            }
            Asked::Stayed(length) => {
                let Bounds { start, .. } = build.clock().bounds(Period::Rolling { within: length, ago: 0 })?;
                all.extend(start.map(|start| Expr::compare(FunctionId::LE, instant("entered_at"), constant(start))));
                let open = Expr::call(FunctionId::IS_NULL, vec![instant("exited_at")], Type::Boolean);
                let later = Expr::compare(FunctionId::GE, instant("exited_at"), as_of.clone());
                all.push(Expr::call(FunctionId::OR, vec![open, later], Type::Boolean));
            }
        }
        let call =
            Aggregate { function: FunctionId::EXISTS, args: Vec::new(), filter: Expr::all(all), order_by: Vec::new() };
        let answer = Expr { kind: ExprKind::Aggregate(Box::new(call)), ty: Type::Boolean };
        columns.push(output(format!("answer_{}", i + 1), answer));
    }
    let select = Select {
        filter: Some(Expr::compare(FunctionId::LT, instant("entered_at"), as_of)),
        group_by: vec![entity_id],
        ..Select::new(from_table(&table, &intervals), columns)
    };
    let step = build.unique(&format!("{name}_history"));
    let comment = build.locate(project.entity(entity).span);
    let from = build.step(step, Some(comment), select);
    let answers = (0..asked.len()).map(|i| column(&from.alias, &format!("answer_{}", i + 1), Type::Boolean)).collect();
    Ok(Past { key: column(&from.alias, "entity_id", Type::String), answers, from })
}
