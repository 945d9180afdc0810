//! The membership of segments as intervals of time, and how a run changes it.
//!
//! A run at `t` says who is a member at `t`. Whoever is and was not according to the history gets an
//! interval from `t` to the next instant of which that segment's members are known; whoever was and is not
//! loses the time from `t` to that next instant. Intervals that come to touch become one. A run after all
//! others knows no next instant, so its intervals are open. The same run again finds nothing to change.

use springline_ir::{
    Body, Cte, Expr, ExprKind, From, FunctionId, Join, JoinKind, Literal, Merge, Query, RelExpr, Select, Statement,
    TableName, Type,
};
use springline_model::{EntityId, Leaf};

use crate::build::{column, output};
use crate::members::{Part, Position, aggregate, from_cte, from_table, instant, key_text, query};
use crate::sizes::{following, later_instants, sizes};
use crate::state::{MembershipTables, REMOVED, interval_columns, new_size_columns, size_columns};
use crate::{Context, Step};

/// How a run takes the members into the history.
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipPlan {
    /// Write the intervals that change into a table; none where the history is empty.
    pub moves: Vec<Step>,
    /// The number of those intervals; where it is zero, `apply` may be left out.
    pub count: Query,
    /// Takes the changed intervals into the history.
    pub apply: Step,
    /// The size of each segment that has an interval: `segment`, `members`, `entered`, `exited`, and the same of
    /// the next known instant as `next_at` (null where there is none), `next_members`, `next_entered`,
    /// `next_exited`. To be asked after `apply`.
    pub sizes: Query,
    /// Makes an empty table for the sizes of this run, to be filled by the caller.
    pub stage_sizes: Vec<Step>,
    /// That table: the columns of [`crate::new_size_columns`]; `removed` is false.
    pub new_sizes: TableName,
    /// Takes the staged sizes in; those of the same segment and instant are replaced.
    pub apply_sizes: Step,
    /// Tables to drop at the end.
    pub scratch: Vec<TableName>,
}

pub(crate) fn membership_plan(
    context: Context<'_>,
    entity: EntityId,
    parts: &[Part],
    position: Position,
) -> MembershipPlan {
    let name = &context.project.entity(entity).name;
    let tables = MembershipTables::of(context.state_schema, name);
    let replace = |label: &str, table: &TableName, query| {
        Step::new(format!("{label}.{name}"), Statement::ReplaceTable { table: table.clone(), query })
    };
    let moves = match position {
        Position::First => Vec::new(),
        Position::Forward => vec![replace("moves", &tables.moves, moves(context, entity, parts, &tables))],
        Position::Backfill => vec![
            replace("changed", &tables.changed, changed_query(context, entity, parts, &tables, true)),
            replace("moves", &tables.moves, moves_of_backfill(context, &tables)),
        ],
    };
    let columns: Vec<String> = interval_columns().into_iter().map(|c| c.name).collect();
    let apply = if position == Position::First {
        let query = first(context, entity, parts);
        Statement::ReplaceTable { table: tables.membership.clone(), query }
    } else {
        take_in(context, &tables.membership, &tables.moves, interval_columns(), &columns[..3])
    };
    let size_key = ["segment".to_owned(), "as_of".to_owned()];
    let columns = new_size_columns();
    let mut scratch = vec![tables.new_sizes.clone()];
    if position != Position::First {
        scratch.push(tables.moves.clone());
    }
    if position == Position::Backfill {
        scratch.push(tables.changed.clone());
    }
    let rows = aggregate(FunctionId::COUNT, Vec::new(), Type::Integer);
    MembershipPlan {
        moves,
        count: query(Select::new(from_table(&tables.moves, "v"), vec![output("rows", rows)])),
        apply: Step::new(format!("membership.{name}"), apply),
        sizes: sizes(context.as_of, &tables, position),
        stage_sizes: vec![
            Step::new(format!("new_sizes.{name}.drop"), Statement::DropTable { table: tables.new_sizes.clone() }),
            Step::new(
                format!("new_sizes.{name}.create"),
                Statement::CreateTable { table: tables.new_sizes.clone(), columns },
            ),
        ],
        apply_sizes: Step::new(
            format!("sizes.{name}"),
            take_in(context, &tables.sizes, &tables.new_sizes, size_columns(), &size_key),
        ),
        new_sizes: tables.new_sizes,
        scratch,
    }
}

/// The history after the first run.
fn first(context: Context<'_>, entity: EntityId, parts: &[Part]) -> Query {
    let mut ctes = named_members(context, entity, parts);
    ctes.truncate(ctes.len().saturating_sub(1));
    let current = members_body(context, entity, parts, |mut select| {
        select.columns.push(output("entered_at", instant(context.as_of)));
        select.columns.push(output("exited_at", Expr::null(Type::Timestamp)));
        select
    });
    Query { ctes, body: current }
}

/// The steps that end in `current_members`: `segment`, `entity_id`.
fn named_members(context: Context<'_>, entity: EntityId, parts: &[Part]) -> Vec<Cte> {
    let mut ctes = Vec::new();
    if context.capabilities.each {
        let selects = parts.iter().filter(|part| part.segments().next().is_some());
        let selects: Vec<Select> = selects.map(|part| each_segment(context, entity, part)).collect();
        ctes.push(cte("memberships", Body::UnionAll(selects)));
    }
    ctes.push(cte("current_members", members_body(context, entity, parts, |select| select)));
    ctes
}

/// Each row once per segment, with the segment's name where the row is a member and null elsewhere: one
/// scan for all segments.
fn each_segment(context: Context<'_>, entity: EntityId, part: &Part) -> Select {
    let names = part.segments().map(|id| {
        let name = &context.project.segment(id).name;
        let name_if = (column("e", name, Type::Boolean), text(name));
        Expr { kind: ExprKind::Case { branches: vec![name_if], otherwise: None }, ty: Type::String }
    });
    let each = Expr::call(FunctionId::EACH, names.collect(), Type::String);
    Select::new(
        from_table(&part.table, "e"),
        vec![output("segment", each), output("entity_id", key_text(context, entity, "e"))],
    )
}

/// `segment` and `entity_id` of every member, as `finish` completes each SELECT: from the step
/// `memberships`, or by one scan per segment where the dialect cannot make several rows of one.
fn members_body(context: Context<'_>, entity: EntityId, parts: &[Part], finish: impl Fn(Select) -> Select) -> Body {
    if context.capabilities.each {
        let segment = column("s", "segment", Type::String);
        let select = Select {
            filter: Some(is_not_null(segment.clone())),
            ..Select::new(
                from_cte("memberships", "s"),
                vec![output("segment", segment), output("entity_id", column("s", "entity_id", Type::String))],
            )
        };
        return Body::Select(Box::new(finish(select)));
    }
    let select = |table: &TableName, leaf: &Leaf| {
        let Leaf::Segment(id) = leaf else { return None };
        let name = &context.project.segment(*id).name;
        let columns = vec![output("segment", text(name)), output("entity_id", key_text(context, entity, "e"))];
        let filter = Some(column("e", name, Type::Boolean));
        Some(finish(Select { filter, ..Select::new(from_table(table, "e"), columns) }))
    };
    Body::UnionAll(parts.iter().flat_map(|p| p.leaves.iter().filter_map(|leaf| select(&p.table, leaf))).collect())
}

/// The intervals that change in a run after all others: the columns of an interval, and `removed`. A key
/// (segment, member, entry) stands once.
fn moves(context: Context<'_>, entity: EntityId, parts: &[Part], tables: &MembershipTables) -> Query {
    let Query { mut ctes, body } = changed_query(context, entity, parts, tables, false);
    ctes.push(cte("changed", body));
    Query { ctes, ..query(moved(context, tables, from_cte("changed", "v"), false)) }
}

/// The same for a run with others after it. The members that change stand in a table: three SELECTs read
/// them.
fn moves_of_backfill(context: Context<'_>, tables: &MembershipTables) -> Query {
    let changed = || from_table(&tables.changed, "v");
    let selects = vec![moved(context, tables, changed(), true), absorbed(tables, changed()), remainder(changed())];
    let ctes = vec![
        cte("later", Body::UnionAll(later_instants(context.as_of, tables))),
        cte("following", Body::Select(Box::new(following()))),
    ];
    Query { ctes, body: Body::UnionAll(selects) }
}

/// Those who are members and were not, and those who were and are not: `segment`, `entity_id`, `is_member`,
/// and the interval in which they were.
fn changed_query(
    context: Context<'_>,
    entity: EntityId,
    parts: &[Part],
    tables: &MembershipTables,
    backfill: bool,
) -> Query {
    let mut ctes = named_members(context, entity, parts);
    ctes.push(cte("former_members", Body::Select(Box::new(former(context, parts, tables, backfill)))));
    Query { ctes, ..query(changed()) }
}

/// The intervals in which the history has a member at `as_of`.
fn former(context: Context<'_>, parts: &[Part], tables: &MembershipTables, backfill: bool) -> Select {
    let filter = if backfill {
        // Segments that are no longer in the project keep the history they have.
        let names = parts.iter().flat_map(Part::segments).map(|id| text(&context.project.segment(id).name));
        let ours = [column("m", "segment", Type::String)].into_iter().chain(names).collect();
        let ours = Expr::call(FunctionId::IN, ours, Type::Boolean);
        Expr::all([ours, covers("m", instant(context.as_of))])
    } else {
        Some(is_null(column("m", "exited_at", Type::Timestamp)))
    };
    let columns = interval_columns().into_iter().map(|c| output(&c.name, column("m", &c.name, c.ty))).collect();
    Select { filter, ..Select::new(from_table(&tables.membership, "m"), columns) }
}

fn changed() -> Select {
    let pair = |name: &str| column("f", name, Type::String).or_else(column("c", name, Type::String));
    let (is, was) = (column("c", "entity_id", Type::String), column("f", "entity_id", Type::String));
    Select {
        joins: vec![Join { kind: JoinKind::Full, from: from_cte("current_members", "c"), on: same_member("f", "c") }],
        filter: Expr::any([is_null(is.clone()), is_null(was)]),
        ..Select::new(
            from_cte("former_members", "f"),
            vec![
                output("segment", pair("segment")),
                output("entity_id", pair("entity_id")),
                output("is_member", is_not_null(is)),
                output("entered_at", column("f", "entered_at", Type::Timestamp)),
                output("exited_at", column("f", "exited_at", Type::Timestamp)),
            ],
        )
    }
}

/// The interval that each change leaves at `as_of`: of who is a member now, from `as_of` on or, where an
/// interval ended right there, from its beginning on; of who is not, up to `as_of`.
fn moved(context: Context<'_>, tables: &MembershipTables, changed: From, backfill: bool) -> Select {
    let now = || instant(context.as_of);
    let time = |alias: &str, name: &str| column(alias, name, Type::Timestamp);
    let mut joins = vec![Join {
        kind: JoinKind::Left,
        from: from_table(&tables.membership, "p"),
        on: both(same_member("v", "p"), equal(time("p", "exited_at"), now())),
    }];
    let mut branches = vec![(not(is_member()), now())];
    let mut otherwise = None;
    if backfill {
        joins.push(join_following(JoinKind::Left));
        joins.push(join_next(tables, JoinKind::Left));
        branches.push((is_not_null(column("n", "entity_id", Type::String)), time("n", "exited_at")));
        otherwise = Some(Box::new(time("f", "at")));
    }
    let exited_at = Expr { kind: ExprKind::Case { branches, otherwise }, ty: Type::Timestamp };
    let began_now = equal(time("v", "entered_at"), now()).or_else(Expr::literal(Literal::Boolean(false)));
    let entered_at = Expr::call(
        FunctionId::COALESCE,
        vec![time("v", "entered_at"), time("p", "entered_at"), now()],
        Type::Timestamp,
    );
    Select { joins, ..Select::new(changed, interval(entered_at, exited_at, began_now)) }
}

/// The intervals that began at the next known instant and now begin earlier.
fn absorbed(tables: &MembershipTables, changed: From) -> Select {
    let time = |name: &str| column("n", name, Type::Timestamp);
    let columns = interval(time("entered_at"), time("exited_at"), Expr::literal(Literal::Boolean(true)));
    Select {
        joins: vec![join_following(JoinKind::Inner), join_next(tables, JoinKind::Inner)],
        filter: Some(is_member()),
        ..Select::new(changed, columns)
    }
}

/// What remains behind the next known instant of an interval that ends at `as_of` now.
fn remainder(changed: From) -> Select {
    let exited = || column("v", "exited_at", Type::Timestamp);
    let next = || column("f", "at", Type::Timestamp);
    let goes_on = Expr::any([is_null(exited()), Expr::compare(FunctionId::GT, exited(), next())]);
    Select {
        joins: vec![join_following(JoinKind::Inner)],
        filter: Expr::all([not(is_member())].into_iter().chain(goes_on)),
        ..Select::new(changed, interval(next(), exited(), Expr::literal(Literal::Boolean(false))))
    }
}

fn interval(entered_at: RelExpr, exited_at: RelExpr, removed: RelExpr) -> Vec<springline_ir::OutputColumn> {
    vec![
        output("segment", column("v", "segment", Type::String)),
        output("entity_id", column("v", "entity_id", Type::String)),
        output("entered_at", entered_at),
        output("exited_at", exited_at),
        output(REMOVED, removed),
    ]
}

fn join_following(kind: JoinKind) -> Join {
    let on = equal(column("f", "segment", Type::String), column("v", "segment", Type::String));
    Join { kind, from: from_cte("following", "f"), on }
}

fn join_next(tables: &MembershipTables, kind: JoinKind) -> Join {
    let begins = equal(column("n", "entered_at", Type::Timestamp), column("f", "at", Type::Timestamp));
    Join { kind, from: from_table(&tables.membership, "n"), on: both(same_member("v", "n"), begins) }
}

/// Takes changed rows into a table by their key: by a merge where the dialect has one, else by writing the
/// table anew.
fn take_in(
    context: Context<'_>,
    table: &TableName,
    source: &TableName,
    columns: Vec<springline_ir::ColumnDef>,
    key: &[String],
) -> Statement {
    if context.capabilities.merge {
        return Statement::Merge(Merge {
            table: table.clone(),
            key: key.to_vec(),
            columns: columns.into_iter().map(|c| c.name).collect(),
            source: source.clone(),
            delete: REMOVED.to_owned(),
        });
    }
    let take = |alias: &str| columns.iter().map(|c| output(&c.name, column(alias, &c.name, c.ty.clone()))).collect();
    let keyed = columns.iter().filter(|c| key.contains(&c.name));
    let same = keyed.map(|c| equal(column("t", &c.name, c.ty.clone()), column("s", &c.name, c.ty.clone())));
    let on = Expr::all(same).unwrap_or_else(|| Expr::literal(Literal::Boolean(false)));
    let kept = Select {
        joins: vec![Join { kind: JoinKind::Left, from: from_table(source, "s"), on }],
        filter: Some(is_null(column("s", REMOVED, Type::Boolean))),
        ..Select::new(from_table(table, "t"), take("t"))
    };
    let new = Select {
        filter: Some(not(column("s", REMOVED, Type::Boolean))),
        ..Select::new(from_table(source, "s"), take("s"))
    };
    let query = Query { ctes: Vec::new(), body: Body::UnionAll(vec![kept, new]) };
    Statement::ReplaceTable { table: table.clone(), query }
}

/// Whether the interval under the alias has the instant in it.
pub(crate) fn covers(alias: &str, at: RelExpr) -> RelExpr {
    let exited = column(alias, "exited_at", Type::Timestamp);
    let began = Expr::compare(FunctionId::LE, column(alias, "entered_at", Type::Timestamp), at.clone());
    let later = Expr::compare(FunctionId::GT, exited.clone(), at);
    both(began, Expr::call(FunctionId::OR, vec![is_null(exited), later], Type::Boolean))
}

fn same_member(a: &str, b: &str) -> RelExpr {
    let same = |name: &str| equal(column(a, name, Type::String), column(b, name, Type::String));
    both(same("segment"), same("entity_id"))
}

fn is_member() -> RelExpr {
    column("v", "is_member", Type::Boolean)
}

pub(crate) fn equal(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::compare(FunctionId::EQ, a, b)
}

pub(crate) fn both(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::call(FunctionId::AND, vec![a, b], Type::Boolean)
}

pub(crate) fn not(a: RelExpr) -> RelExpr {
    Expr::call(FunctionId::NOT, vec![a], Type::Boolean)
}

pub(crate) fn is_null(a: RelExpr) -> RelExpr {
    Expr::call(FunctionId::IS_NULL, vec![a], Type::Boolean)
}

pub(crate) fn is_not_null(a: RelExpr) -> RelExpr {
    Expr::call(FunctionId::IS_NOT_NULL, vec![a], Type::Boolean)
}

pub(crate) fn text(value: &str) -> RelExpr {
    Expr::literal(Literal::String(value.to_owned()))
}

pub(crate) fn cte(name: &str, body: Body) -> Cte {
    Cte { name: name.to_owned(), comment: None, body }
}
