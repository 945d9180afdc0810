//! Questions to the history of an entity's segments: sizes over time, who came and went between two
//! instants, one member's segments.

use jiff::Timestamp;
use springline_ir::{Body, Expr, FunctionId, Join, JoinKind, OrderBy, Query, Select, Type};

use crate::Context;
use crate::build::{column, output};
use crate::intervals::{both, covers, cte, equal, is_null, text};
use crate::members::{count_where, from_cte, from_table, instant, query};
use crate::state::{MembershipTables, interval_columns, size_columns};

/// The sizes of a segment at the runs from one instant to another, both included: `segment`, `as_of`,
/// `members`, `entered`, `exited`, in the order of time.
pub fn segment_sizes(
    context: Context<'_>,
    entity: &str,
    segment: &str,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Query {
    let tables = MembershipTables::of(context.state_schema, entity);
    let as_of = || column("z", "as_of", Type::Timestamp);
    let bound = |function, at: Option<Timestamp>| at.map(|at| Expr::compare(function, as_of(), instant(at)));
    let is_ours = equal(column("z", "segment", Type::String), text(segment));
    let columns = size_columns().into_iter().map(|c| output(&c.name, column("z", &c.name, c.ty))).collect();
    query(Select {
        filter: Expr::all([is_ours].into_iter().chain(bound(FunctionId::GE, from)).chain(bound(FunctionId::LE, to))),
        order_by: vec![OrderBy { expr: as_of(), descending: false }],
        ..Select::new(from_table(&tables.sizes, "z"), columns)
    })
}

/// How many members a segment gained, lost and kept between two instants, as one row: `entered` (in at `to`
/// and not at `from`), `exited` (in at `from` and not at `to`), `stayed` (in at both and at every run
/// between) and `returned` (in at both, and out in between).
pub fn between(context: Context<'_>, entity: &str, segment: &str, from: Timestamp, to: Timestamp) -> Query {
    let tables = MembershipTables::of(context.state_schema, entity);
    let members = |at: Timestamp| {
        let columns = [("entity_id", Type::String), ("entered_at", Type::Timestamp)];
        let columns = columns.map(|(name, ty)| output(name, column("m", name, ty)));
        let is_ours = equal(column("m", "segment", Type::String), text(segment));
        Body::Select(Box::new(Select {
            filter: Some(both(is_ours, covers("m", instant(at)))),
            ..Select::new(from_table(&tables.membership, "m"), columns.into())
        }))
    };
    let id = |alias: &str| column(alias, "entity_id", Type::String);
    let entered = |alias: &str| column(alias, "entered_at", Type::Timestamp);
    let select = Select {
        joins: vec![Join { kind: JoinKind::Full, from: from_cte("at_the_end", "b"), on: equal(id("a"), id("b")) }],
        ..Select::new(
            from_cte("at_the_start", "a"),
            vec![
                output("entered", count_where(is_null(id("a")))),
                output("exited", count_where(is_null(id("b")))),
                output("stayed", count_where(equal(entered("a"), entered("b")))),
                output("returned", count_where(Expr::compare(FunctionId::NE, entered("a"), entered("b")))),
            ],
        )
    };
    let ctes = vec![cte("at_the_start", members(from)), cte("at_the_end", members(to))];
    Query { ctes, ..query(select) }
}

/// One member's time in segments: `segment`, `entity_id`, `entered_at`, `exited_at` (null where it is still
/// in), in the order of segment and time. With instants, only intervals that have a moment between them.
pub fn stays(context: Context<'_>, entity: &str, key: &str, from: Option<Timestamp>, to: Option<Timestamp>) -> Query {
    let tables = MembershipTables::of(context.state_schema, entity);
    let exited = || column("m", "exited_at", Type::Timestamp);
    let is_theirs = equal(column("m", "entity_id", Type::String), text(key));
    let began = to.map(|to| Expr::compare(FunctionId::LE, column("m", "entered_at", Type::Timestamp), instant(to)));
    let lasted =
        from.and_then(|from| Expr::any([is_null(exited()), Expr::compare(FunctionId::GT, exited(), instant(from))]));
    let columns = interval_columns().into_iter().map(|c| output(&c.name, column("m", &c.name, c.ty))).collect();
    let by = |name: &str, ty: Type| OrderBy { expr: column("m", name, ty), descending: false };
    query(Select {
        filter: Expr::all([is_theirs].into_iter().chain(began).chain(lasted)),
        order_by: vec![by("segment", Type::String), by("entered_at", Type::Timestamp)],
        ..Select::new(from_table(&tables.membership, "m"), columns)
    })
}
