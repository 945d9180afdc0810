//! A run of an entity: all its fields and segments in one wide table, and the membership of its
//! segments as intervals of time.

use springline_ir::{
    Aggregate, Body, Cte, Expr, ExprKind, From, FunctionId, Join, JoinKind, Literal, OutputColumn, Query, RelExpr,
    Relation, Select, Statement, TableName, Type,
};
use springline_model::{EntityId, FieldId, Leaf, RowId, SegmentId};

use crate::build::{Build, column, output};
use crate::entity::{leaf_name, primary_key};
use crate::past::membership_table;
use crate::state::define;
use crate::sync::duplicates;
use crate::wanted::Wanted;
use crate::{Context, PlanError, Step};

/// The plan of a run of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// Takes the members into the history; none where the entity has no segment.
    pub membership: Option<Step>,
    /// Where the entity's rows are kept.
    pub table: TableName,
    /// Primary keys that stand more than once or are null: `_key`, `rows`. At most five. To be asked
    /// before the membership is written, which counts on them.
    pub duplicates: Query,
    /// Computes the entity's rows.
    pub rows: Step,
    /// The latest instant in the membership table (one row, one column, null where it is empty): a run
    /// as of an earlier instant would rewrite history.
    pub latest: Query,
    /// The size of each segment that has members: `segment`, `members`.
    pub sizes: Query,
    /// The segments of the entity.
    pub segments: Vec<SegmentId>,
    /// Creates the tables that `latest` reads; harmless where they exist.
    pub prepare: Vec<Step>,
}

/// Plans the run of an entity.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn run(context: Context<'_>, entity: EntityId) -> Result<RunPlan, PlanError> {
    let name = &context.project.entity(entity).name;
    let table = TableName::in_schema(context.state_schema, &format!("entity_{name}"));
    let membership = membership_table(context.state_schema, name);
    let segments: Vec<SegmentId> = (0..context.project.segments.len())
        .map(SegmentId)
        .filter(|id| context.project.segment(*id).entity == entity)
        .collect();
    let columns = vec![
        define("segment", Type::String),
        define("entity_id", Type::String),
        define("entered_at", Type::Timestamp),
        define("exited_at", Type::Timestamp),
    ];
    let prepare = vec![
        Step::new("state.schema", Statement::CreateSchema { schema: context.state_schema.to_owned() }),
        Step::new(format!("membership.{name}.create"), Statement::CreateTable { table: membership.clone(), columns }),
    ];
    let wide = Statement::ReplaceTable { table: table.clone(), query: wide(context, entity, &segments)? };
    let membership_step = (!segments.is_empty()).then(|| {
        let query = intervals(context, entity, &segments, &table, &membership);
        Step::new(format!("membership.{name}"), Statement::ReplaceTable { table: membership.clone(), query })
    });
    let source = context.project.source(context.project.entity(entity).source);
    let key = &context.project.entity(entity).primary_key;
    let key_type = source.column(key).map_or(Type::String, |c| c.ty.clone());
    Ok(RunPlan {
        prepare,
        rows: Step::new(format!("entity.{name}"), wide),
        duplicates: duplicates(&table, key, &key_type),
        membership: membership_step,
        latest: latest(&membership),
        sizes: sizes(&membership),
        table,
        segments,
    })
}

/// One row per primary key, a column per field, a boolean per segment.
fn wide(context: Context<'_>, id: EntityId, segments: &[SegmentId]) -> Result<Query, PlanError> {
    let entity = context.project.entity(id);
    let mut build = Build::new(context);
    let (key, key_type) = primary_key(entity, &build);
    let mut wanted = Wanted::default();
    wanted.add(&Leaf::Column(key), &key_type);
    for (i, field) in entity.fields.iter().enumerate() {
        wanted.add(&Leaf::Field(FieldId(i)), &field.expr.ty);
    }
    for segment in segments {
        wanted.add(&Leaf::Segment(*segment), &Type::Boolean);
    }
    let alias = build.unique(&entity.name);
    let scope = build.row(RowId::Entity(id), &alias, &wanted)?;
    let columns =
        wanted.iter().map(|(leaf, _)| output(leaf_name(&build, id, leaf), scope.values[leaf].clone())).collect();
    Ok(build.finish(scope.select(columns)))
}

/// The intervals after this run: those that ended before stay, those open stay open or end now, new
/// members begin now. The same run again changes nothing.
fn intervals(
    context: Context<'_>,
    id: EntityId,
    segments: &[SegmentId],
    table: &TableName,
    membership: &TableName,
) -> Query {
    let entity = context.project.entity(id);
    let key_type =
        context.project.source(entity.source).column(&entity.primary_key).map_or(Type::String, |c| c.ty.clone());
    let now: RelExpr = Expr::literal(Literal::Timestamp(context.as_of));
    let current = segments.iter().map(|segment| {
        let name = &context.project.segment(*segment).name;
        let key = column("e", &entity.primary_key, key_type.clone());
        let select = Select::new(
            from_table(table, "e"),
            vec![
                output("segment", Expr::literal(Literal::String(name.clone()))),
                output("entity_id", Expr::call(FunctionId::TEXT, vec![key], Type::String)),
            ],
        );
        Select { filter: Some(column("e", name, Type::Boolean)), ..select }
    });
    let m = |name: &str, ty: Type| column("m", name, ty);
    let stored = || {
        let mut columns: Vec<OutputColumn> = ["segment", "entity_id"].map(|c| output(c, m(c, Type::String))).into();
        columns.extend(["entered_at", "exited_at"].map(|c| output(c, m(c, Type::Timestamp))));
        Select::new(from_table(membership, "m"), columns)
    };
    let exited = |function| Expr::call(function, vec![m("exited_at", Type::Timestamp)], Type::Boolean);
    let open = Select { filter: Some(exited(FunctionId::IS_NULL)), ..stored() };
    let ended = Select { filter: Some(exited(FunctionId::IS_NOT_NULL)), ..stored() };
    let pair = |name: &str| column("o", name, Type::String).or_else(column("c", name, Type::String));
    let same =
        |name: &str| Expr::compare(FunctionId::EQ, column("o", name, Type::String), column("c", name, Type::String));
    let gone = Expr::call(FunctionId::IS_NULL, vec![column("c", "entity_id", Type::String)], Type::Boolean);
    let exited_at =
        Expr { kind: ExprKind::Case { branches: vec![(gone, now.clone())], otherwise: None }, ty: Type::Timestamp };
    let joined = Select {
        joins: vec![Join {
            kind: JoinKind::Full,
            from: from_cte("current_members", "c"),
            on: Expr::call(FunctionId::AND, vec![same("segment"), same("entity_id")], Type::Boolean),
        }],
        ..Select::new(
            from_cte("open_intervals", "o"),
            vec![
                output("segment", pair("segment")),
                output("entity_id", pair("entity_id")),
                output("entered_at", column("o", "entered_at", Type::Timestamp).or_else(now)),
                output("exited_at", exited_at),
            ],
        )
    };
    let cte = |name: &str, body| Cte { name: name.to_owned(), comment: None, body };
    Query {
        ctes: vec![
            cte("current_members", Body::UnionAll(current.collect())),
            cte("open_intervals", Body::Select(Box::new(open))),
        ],
        body: Body::UnionAll(vec![ended, joined]),
    }
}

fn latest(membership: &TableName) -> Query {
    let max = |name: &str| aggregate(FunctionId::MAX, vec![column("m", name, Type::Timestamp)], Type::Timestamp);
    let entered = max("entered_at");
    // An interval ends after it began, so the later of the two maxima is the latest of all.
    let later =
        Expr::call(FunctionId::GREATEST, vec![entered.clone(), max("exited_at").or_else(entered)], Type::Timestamp);
    query(Select::new(from_table(membership, "m"), vec![output("latest", later)]))
}

fn sizes(membership: &TableName) -> Query {
    let segment = column("m", "segment", Type::String);
    let exited = column("m", "exited_at", Type::Timestamp);
    query(Select {
        filter: Some(Expr::call(FunctionId::IS_NULL, vec![exited], Type::Boolean)),
        group_by: vec![segment.clone()],
        ..Select::new(
            from_table(membership, "m"),
            vec![
                output("segment", segment),
                output("members", aggregate(FunctionId::COUNT, Vec::new(), Type::Integer)),
            ],
        )
    })
}

/// An aggregate over all rows of the group.
pub(crate) fn aggregate(function: FunctionId, args: Vec<RelExpr>, ty: Type) -> RelExpr {
    Expr { kind: ExprKind::Aggregate(Box::new(Aggregate { function, args, filter: None, order_by: Vec::new() })), ty }
}

/// A query of one SELECT.
pub(crate) fn query(select: Select) -> Query {
    Query { ctes: Vec::new(), body: Body::Select(Box::new(select)) }
}

pub(crate) fn from_table(table: &TableName, alias: &str) -> From {
    From { relation: Relation::Table(table.clone()), alias: alias.to_owned() }
}

pub(crate) fn from_cte(name: &str, alias: &str) -> From {
    From { relation: Relation::Cte(name.to_owned()), alias: alias.to_owned() }
}
