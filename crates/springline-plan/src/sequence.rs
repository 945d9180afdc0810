//! Events in an order: one relation per sequence, with the keys that have it.
//!
//! It is built from the end. Of each step's events those are kept that are followed in time by a kept
//! event of the next step; the soonest of them decides. One pass over the two steps' events in order of
//! time tells the soonest, so that no event is paired with another.

use springline_ir::{
    Body, Cte, Expr, ExprKind, From, FunctionId, Literal, OrderBy, OutputColumn, RelExpr, Relation, Select, Type,
    WindowCall,
};
use springline_model::{EntityId, Leaf, RowId, Sequence, SequenceStep};

use crate::PlanError;
use crate::build::{Build, column, output};
use crate::clock::{Bounds, before, not_before};
use crate::wanted::Wanted;

const KEY: &str = "key";
const AT: &str = "at";
const DEADLINE: &str = "deadline";
const FOLLOWS: &str = "follows";
const NEXT: &str = "next_at";

/// Events of a step: `key`, `at` and, where it has one, `deadline`.
struct Events {
    from: From,
    key: Type,
    at: Type,
    has_deadline: bool,
}

/// The keys of the rows of an entity that have a sequence, each once, and the key's column.
pub(crate) fn sequence(
    build: &mut Build<'_>,
    entity: EntityId,
    sequence: &Sequence,
) -> Result<(From, RelExpr), PlanError> {
    let mut kept = events(build, entity, &sequence.last)?;
    if let Some(without) = &sequence.without {
        let unwanted = events(build, entity, without)?;
        kept = followed(build, kept, &unwanted, true)?;
    }
    for step in sequence.earlier.iter().rev() {
        let earlier = events(build, entity, step)?;
        kept = followed(build, earlier, &kept, false)?;
    }
    let Events { from, key, .. } = kept;
    let value = column(&from.alias, KEY, key.clone());
    let select = Select { distinct: true, ..Select::new(from, vec![output(KEY, value)]) };
    let name = build.unique("sequence");
    let comment = build.locate(build.context.project.entity(entity).span);
    let from = build.step(name, Some(comment), select);
    let key = column(&from.alias, KEY, key);
    Ok((from, key))
}

/// The events of a step.
fn events(build: &mut Build<'_>, entity: EntityId, step: &SequenceStep) -> Result<Events, PlanError> {
    let project = build.context.project;
    let event = &project.entity(entity).events[step.event.0];
    let source = project.source(event.source);
    let ty = |name: &str| source.column(name).map_or(Type::String, |c| c.ty.clone());
    let leaf = |name: &str| Expr::leaf(Leaf::Column(name.to_owned()), ty(name));
    let (key, own_at) = (leaf(&event.key), leaf(&event.at));
    let mut wanted = Wanted::default();
    [&key, &own_at, &step.at].into_iter().chain(&step.filter).chain(&step.deadline).for_each(|e| wanted.add_expr(e));
    let rows = build.unique(&format!("{}_rows", event.name));
    let scope = build.row(RowId::Event(entity, step.event), &rows, &wanted)?;
    let (key, own_at, at) = (scope.lower(&key)?, scope.lower(&own_at)?, scope.lower(&step.at)?);
    let zone = &project.timezone;
    let mut conditions = vec![before(own_at.clone(), build.context.as_of, zone)];
    if let Some(period) = step.within {
        let Bounds { start, end } = build.clock().bounds(period)?;
        conditions.extend(start.map(|start| not_before(own_at.clone(), start, zone)));
        let end = end.filter(|end| *end < build.context.as_of);
        conditions.extend(end.map(|end| before(own_at, end, zone)));
    }
    if let Some(filter) = &step.filter {
        conditions.push(scope.lower(filter)?);
    }
    conditions.push(Expr::call(FunctionId::IS_NOT_NULL, vec![key.clone()], Type::Boolean));
    let mut columns = vec![output(KEY, key.clone()), output(AT, at.clone())];
    if let Some(deadline) = &step.deadline {
        columns.push(output(DEADLINE, scope.lower(deadline)?));
    }
    let select = Select { filter: Expr::all(conditions), ..scope.select(columns) };
    let name = build.unique(&format!("{}_of_sequence", event.name));
    let comment = build.locate(event.span);
    let from = build.step(name, Some(comment), select);
    Ok(Events { from, key: key.ty, at: at.ty, has_deadline: step.deadline.is_some() })
}

/// The events that are followed by one of the next in time; where `unwanted`, those that are not.
fn followed(build: &mut Build<'_>, events: Events, next: &Events, unwanted: bool) -> Result<Events, PlanError> {
    let Events { from, key, at, has_deadline } = events;
    let of = |from: &From, name: &str, ty: &Type| column(&from.alias, name, ty.clone());
    let side = |from: &From, follows: bool, deadline: RelExpr| {
        let mut columns: Vec<OutputColumn> = vec![
            output(KEY, of(from, KEY, &key)),
            output(AT, of(from, AT, &at)),
            output(FOLLOWS, Expr::literal(Literal::Integer(i64::from(follows)))),
        ];
        if has_deadline {
            columns.push(output(DEADLINE, deadline));
        }
        Select::new(from.clone(), columns)
    };
    let sides = vec![side(&from, false, of(&from, DEADLINE, &at)), side(&next.from, true, Expr::null(at.clone()))];
    let both = build.union("both_steps", sides);

    let (by_key, by_at) = (of(&both, KEY, &key), of(&both, AT, &at));
    let follows = of(&both, FOLLOWS, &Type::Integer);
    let is = |which: i64| Expr::compare(FunctionId::EQ, follows.clone(), Expr::literal(Literal::Integer(which)));
    let later = ExprKind::Case { branches: vec![(is(1), by_at.clone())], otherwise: None };
    // From late to early. At one instant the events of this step come first, so that what happens at the
    // same time does not follow them.
    let soonest = WindowCall {
        function: FunctionId::MIN,
        args: vec![Expr { kind: later, ty: at.clone() }],
        partition_by: vec![by_key.clone()],
        order_by: vec![
            OrderBy { expr: by_at.clone(), descending: true },
            OrderBy { expr: follows.clone(), descending: false },
        ],
        running: true,
    };
    let mut columns = vec![
        output(KEY, by_key),
        output(AT, by_at),
        output(FOLLOWS, follows),
        output(NEXT, Expr { kind: ExprKind::Window(Box::new(soonest)), ty: at.clone() }),
    ];
    if has_deadline {
        columns.push(output(DEADLINE, of(&both, DEADLINE, &at)));
    }
    let name = build.unique("in_order");
    let ordered = build.step(name, None, Select::new(both, columns));

    let own = Expr::compare(FunctionId::EQ, of(&ordered, FOLLOWS, &Type::Integer), Expr::literal(Literal::Integer(0)));
    let (next_at, deadline) = (of(&ordered, NEXT, &at), of(&ordered, DEADLINE, &at));
    let call = |function, args| Expr::call(function, args, Type::Boolean);
    let condition = match (unwanted, has_deadline) {
        (false, false) => call(FunctionId::IS_NOT_NULL, vec![next_at]),
        (false, true) => Expr::compare(FunctionId::LE, next_at, deadline),
        (true, false) => call(FunctionId::IS_NULL, vec![next_at]),
        (true, true) => {
            let none = call(FunctionId::IS_NULL, vec![next_at.clone()]);
            let too_late = Expr::compare(FunctionId::GT, next_at, deadline.clone());
            // Until the time is over it is not known what will follow.
            let now = build.clock().constant(&Leaf::AsOf, &at)?.unwrap_or_else(|| Expr::null(at.clone()));
            let over = Expr::compare(FunctionId::LT, deadline, now);
            call(FunctionId::AND, vec![over, call(FunctionId::OR, vec![none, too_late])])
        }
    };
    let columns = vec![output(KEY, of(&ordered, KEY, &key)), output(AT, of(&ordered, AT, &at))];
    let select = Select { filter: Expr::all([own, condition]), ..Select::new(ordered, columns) };
    let name = build.unique(if unwanted { "not_followed" } else { "followed" });
    let from = build.step(name, None, select);
    Ok(Events { from, key, at, has_deadline: false })
}

impl Build<'_> {
    /// Adds a step of the rows of several.
    fn union(&mut self, name: &str, selects: Vec<Select>) -> From {
        let name = self.unique(name);
        self.push(Cte { name: name.clone(), comment: None, body: Body::UnionAll(selects) });
        From { relation: Relation::Cte(name.clone()), alias: name }
    }
}
