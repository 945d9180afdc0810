//! A run of an entity: all its fields and segments as one wide row per primary key, in as few tables as
//! the dialect's limit of columns allows. What becomes of the membership is in `intervals`, the sizes in
//! `sizes`.

use springline_ir::{
    Aggregate, Body, Expr, ExprKind, From, FunctionId, Literal, Query, RelExpr, Relation, Select, Statement, TableName,
    Type,
};
use springline_model::{EntityId, FieldId, Leaf, RowId, SegmentId};

use crate::build::{Build, column, output};
use crate::entity::{leaf_name, primary_key};
use crate::intervals::{MembershipPlan, membership_plan};
use crate::state::{MembershipTables, interval_columns, size_columns};
use crate::sync::duplicates;
use crate::wanted::Wanted;
use crate::{Context, PlanError, Step};

/// Where a run stands among the runs of its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// There was none before: the history is empty.
    First,
    /// As of the instant of the latest one, or after it.
    Forward,
    /// As of an instant before the latest one: the history is mended at that instant, and later instants
    /// keep theirs.
    Backfill,
}

/// What must be known before a run can be planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// Creates the tables that `latest` reads; harmless where they exist.
    pub prepare: Vec<Step>,
    /// The latest instant in the history (one row, one column, null where it is empty).
    pub latest: Query,
}

/// The plan of a run of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// Computes the entity's rows; one step per table.
    pub rows: Vec<Step>,
    /// Where the entity's rows are kept. All have the primary key; fields and segments are in one each.
    pub tables: Vec<TableName>,
    /// Primary keys that stand more than once or are null: `_key`, `rows`. At most five. To be asked
    /// before the membership is written, which counts on them.
    pub duplicates: Query,
    /// Takes the members into the history; none where the entity has no segment.
    pub membership: Option<MembershipPlan>,
    /// The segments of the entity.
    pub segments: Vec<SegmentId>,
    /// Removes what lives only as long as the run.
    pub cleanup: Vec<Step>,
}

/// A table of rows and the segments whose columns are in it.
pub(crate) struct Part {
    pub(crate) table: TableName,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) query: Query,
}

impl Part {
    pub(crate) fn segments(&self) -> impl Iterator<Item = SegmentId> {
        self.leaves.iter().filter_map(|leaf| if let Leaf::Segment(id) = leaf { Some(*id) } else { None })
    }
}

/// What is asked and made before a run of an entity.
pub fn ground(context: Context<'_>, entity: EntityId) -> Ground {
    let name = &context.project.entity(entity).name;
    let tables = MembershipTables::of(context.state_schema, name);
    let create = |what: &str, table: &TableName, columns| {
        Step::new(format!("{what}.{name}.create"), Statement::CreateTable { table: table.clone(), columns })
    };
    let prepare = vec![
        Step::new("state.schema", Statement::CreateSchema { schema: context.state_schema.to_owned() }),
        create("membership", &tables.membership, interval_columns()),
        create("sizes", &tables.sizes, size_columns()),
    ];
    Ground { prepare, latest: crate::sizes::latest(&tables) }
}

/// Plans the run of an entity.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn run(context: Context<'_>, entity: EntityId, position: Position) -> Result<RunPlan, PlanError> {
    let declared = context.project.entity(entity);
    let name = &declared.name;
    let segments = segments_of(context, entity);
    let kind = if position == Position::Backfill { "backfill" } else { "entity" };
    let parts = parts(context, entity, &segments, kind)?;
    let membership = (!segments.is_empty()).then(|| membership_plan(context, entity, &parts, position));
    let tables: Vec<TableName> = parts.iter().map(|part| part.table.clone()).collect();
    let source = context.project.source(declared.source);
    let key_type = source.column(&declared.primary_key).map_or(Type::String, |c| c.ty.clone());
    let drop =
        |table: &TableName| Step::new(format!("{}.drop", table.table()), Statement::DropTable { table: table.clone() });
    // The rows as of an earlier instant are not the entity's rows of today.
    let mut cleanup: Vec<Step> = tables.iter().filter(|_| position == Position::Backfill).map(drop).collect();
    cleanup.extend(membership.iter().flat_map(|plan| &plan.scratch).map(drop));
    let first = tables.first().cloned().unwrap_or_else(|| TableName::in_schema(context.state_schema, name));
    let step = |part: Part| {
        let label = format!("{kind}.{}", part.table.table().strip_prefix("entity_").unwrap_or(part.table.table()));
        Step::new(label, Statement::ReplaceTable { table: part.table, query: part.query })
    };
    Ok(RunPlan {
        duplicates: duplicates(&first, &declared.primary_key, &key_type),
        rows: parts.into_iter().map(step).collect(),
        tables,
        membership,
        segments,
        cleanup,
    })
}

pub(crate) fn segments_of(context: Context<'_>, entity: EntityId) -> Vec<SegmentId> {
    let all = (0..context.project.segments.len()).map(SegmentId);
    all.filter(|id| context.project.segment(*id).entity == entity).collect()
}

/// The entity's fields and segments, split into the fewest tables whose queries keep to the dialect's
/// limit of columns. Each table is a scan of its own of what its values need.
pub(crate) fn parts(
    context: Context<'_>,
    id: EntityId,
    segments: &[SegmentId],
    kind: &str,
) -> Result<Vec<Part>, PlanError> {
    let entity = context.project.entity(id);
    let mut leaves: Vec<Leaf> = (0..entity.fields.len()).map(|i| Leaf::Field(FieldId(i))).collect();
    leaves.extend(segments.iter().map(|id| Leaf::Segment(*id)));
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = leaves.as_slice();
    while parts.is_empty() || !rest.is_empty() {
        let (taken, query) = widest_fitting(context, id, rest)?;
        let number = if parts.is_empty() { String::new() } else { format!("_{}", parts.len() + 1) };
        let table = TableName::in_schema(context.state_schema, &format!("{kind}_{}{number}", entity.name));
        parts.push(Part { table, leaves: rest[..taken].to_vec(), query });
        rest = &rest[taken..];
    }
    Ok(parts)
}

/// How many of the values, from the first on, fit into one query, and that query. At least one is taken:
/// a single value that does not fit is left to the engine to refuse.
fn widest_fitting(context: Context<'_>, id: EntityId, leaves: &[Leaf]) -> Result<(usize, Query), PlanError> {
    let all = wide(context, id, leaves)?;
    let Some(limit) = context.capabilities.max_columns.filter(|limit| widest(&all) > *limit) else {
        return Ok((leaves.len(), all));
    };
    let (mut fits, mut too_many) = (1, leaves.len());
    while too_many - fits > 1 {
        let middle = fits.midpoint(too_many);
        if widest(&wide(context, id, &leaves[..middle])?) > limit { too_many = middle } else { fits = middle }
    }
    let fits = fits.min(leaves.len());
    Ok((fits, wide(context, id, &leaves[..fits])?))
}

/// The columns of the widest SELECT of a query.
fn widest(query: &Query) -> usize {
    let bodies = query.ctes.iter().map(|cte| &cte.body).chain([&query.body]);
    let selects = bodies.flat_map(|body| match body {
        Body::Select(select) => std::slice::from_ref(&**select),
        Body::UnionAll(selects) => selects.as_slice(),
    });
    selects.map(|select| select.columns.len()).max().unwrap_or(0)
}

/// One row per primary key, with a column for each of the values.
fn wide(context: Context<'_>, id: EntityId, leaves: &[Leaf]) -> Result<Query, PlanError> {
    let entity = context.project.entity(id);
    let mut build = Build::new(context);
    let (key, key_type) = primary_key(entity, &build);
    let mut wanted = Wanted::default();
    wanted.add(&Leaf::Column(key), &key_type);
    for leaf in leaves {
        match leaf {
            Leaf::Field(field) => wanted.add(leaf, &entity.fields[field.0].expr.ty),
            _ => wanted.add(leaf, &Type::Boolean),
        }
    }
    let alias = build.unique(&entity.name);
    let scope = build.row(RowId::Entity(id), &alias, &wanted)?;
    let columns =
        wanted.iter().map(|(leaf, _)| output(leaf_name(&build, id, leaf), scope.values[leaf].clone())).collect();
    Ok(build.finish(scope.select(columns)))
}

/// An aggregate over all rows of the group.
pub(crate) fn aggregate(function: FunctionId, args: Vec<RelExpr>, ty: Type) -> RelExpr {
    Expr { kind: ExprKind::Aggregate(Box::new(Aggregate { function, args, filter: None, order_by: Vec::new() })), ty }
}

/// The number of the group's rows for which the condition is true.
pub(crate) fn count_where(condition: RelExpr) -> RelExpr {
    let call =
        Aggregate { function: FunctionId::COUNT, args: Vec::new(), filter: Some(condition), order_by: Vec::new() };
    Expr { kind: ExprKind::Aggregate(Box::new(call)), ty: Type::Integer }
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

/// An instant as a constant.
pub(crate) fn instant(at: jiff::Timestamp) -> RelExpr {
    Expr::literal(Literal::Timestamp(at))
}

/// The primary key's value as it stands in the membership.
pub(crate) fn key_text(context: Context<'_>, id: EntityId, alias: &str) -> RelExpr {
    let entity = context.project.entity(id);
    let source = context.project.source(entity.source);
    let ty = source.column(&entity.primary_key).map_or(Type::String, |c| c.ty.clone());
    Expr::call(FunctionId::TEXT, vec![column(alias, &entity.primary_key, ty)], Type::String)
}
