//! The records that syncs share: runs, their steps, deliveries, and which version of the state tables there is. How
//! old ones are forgotten, and how a table of an earlier version gets the columns it lacks.

use jiff::Timestamp;
use springline_ir::{
    Body, ColumnDef, Cte, Expr, FunctionId, Join, JoinKind, Literal, OrderBy, Query, RelExpr, Select, Statement,
};
use springline_ir::{TableName, Type};
use springline_model::Within;

use crate::build::{column, output};
use crate::clock::Clock;
use crate::members::{aggregate, from_cte, from_table, query};
use crate::state::define;
use crate::sync::ENDED_BY_ERROR;
use crate::{Context, PlanError, Step};

/// The version of the state tables that this build writes. It rises with every column that one of them gains.
pub const STATE_VERSION: u64 = 3;

/// The column of [`runs_table`] with a hash of what the sync was made of at the run.
pub const DEFINITION: &str = "definition_hash";

/// The table with a row for each run of each sync.
pub fn runs_table(schema: &str) -> TableName {
    TableName::in_schema(schema, "runs")
}

/// The columns of [`runs_table`].
pub fn runs_columns() -> Vec<ColumnDef> {
    let counts = ["added", "changed", "removed", "unchanged", "delivered", "rejected", "unknown", "unsent"];
    let later = ["held", "skipped", "repeated", "requests", "desired"];
    [("run_id", Type::String), ("sync", Type::String), ("as_of", Type::Timestamp), ("started_at", Type::Timestamp)]
        .into_iter()
        .chain([("ended_at", Type::Timestamp), ("outcome", Type::String), ("error", Type::String)])
        .chain(counts.into_iter().chain(later).map(|name| (name, Type::Integer)))
        .chain([(DEFINITION, Type::String)])
        .map(|(name, ty)| define(name, ty))
        .collect()
}

/// The latest of an instant that the runs of a sync have recorded, such as `started_at`: one row, one column of that
/// name, null where there is none. Of runs with that outcome, if one is given.
pub fn latest_run(schema: &str, sync: &str, instant: &str, outcome: Option<&str>) -> Query {
    let latest = aggregate(FunctionId::MAX, vec![column("r", instant, Type::Timestamp)], Type::Timestamp);
    let conditions = outcome.map(|outcome| is("outcome", outcome)).into_iter().chain([is("sync", sync)]);
    query(Select {
        filter: Expr::all(conditions),
        ..Select::new(from_table(&runs_table(schema), "r"), vec![output(instant, latest)])
    })
}

/// How many rows a sync had in its last runs that no error ended, the latest first: `desired`.
pub fn recent_sizes(schema: &str, sync: &str, runs: u64) -> Query {
    let desired = || column("r", "desired", Type::Integer);
    let ended = Expr::compare(
        FunctionId::NE,
        column("r", "outcome", Type::String),
        Expr::literal(Literal::String(ENDED_BY_ERROR.to_owned())),
    );
    // Runs of a version that did not record it have none.
    let known = Expr::call(FunctionId::IS_NOT_NULL, vec![desired()], Type::Boolean);
    query(Select {
        filter: Expr::all([is("sync", sync), ended, known]),
        order_by: vec![OrderBy { expr: column("r", "started_at", Type::Timestamp), descending: true }],
        limit: Some(runs),
        ..Select::new(from_table(&runs_table(schema), "r"), vec![output("desired", desired())])
    })
}

fn is(name: &str, value: &str) -> RelExpr {
    Expr::compare(FunctionId::EQ, column("r", name, Type::String), Expr::literal(Literal::String(value.to_owned())))
}

/// What each sync was made of when it last delivered, or found nothing to deliver: `sync`, [`DEFINITION`]. Ids of runs
/// are made so that a later one is larger.
pub fn last_definitions(schema: &str) -> Query {
    let text = |alias: &str, name: &str| column(alias, name, Type::String);
    let same = |name: &str| Expr::compare(FunctionId::EQ, text("r", name), text("l", name));
    let ends = ["done", "partial"].map(|word| Expr::literal(Literal::String(word.to_owned())));
    let delivered = std::iter::once(text("d", "outcome")).chain(ends).collect();
    let id = aggregate(FunctionId::MAX, vec![text("d", "run_id")], Type::String);
    let last = Select {
        filter: Some(Expr::call(FunctionId::IN, delivered, Type::Boolean)),
        group_by: vec![text("d", "sync")],
        ..Select::new(
            from_table(&runs_table(schema), "d"),
            vec![output("sync", text("d", "sync")), output("run_id", id)],
        )
    };
    let on = Expr::call(FunctionId::AND, vec![same("sync"), same("run_id")], Type::Boolean);
    let mut query = query(Select {
        joins: vec![Join { kind: JoinKind::Inner, from: from_cte("last", "l"), on }],
        ..Select::new(
            from_table(&runs_table(schema), "r"),
            vec![output("sync", text("r", "sync")), output(DEFINITION, text("r", DEFINITION))],
        )
    });
    query.ctes.push(Cte { name: "last".to_owned(), comment: None, body: Body::Select(Box::new(last)) });
    query
}

/// The table with a row for each step of each run.
pub fn run_steps_table(schema: &str) -> TableName {
    TableName::in_schema(schema, "run_steps")
}

/// The columns of [`run_steps_table`].
pub fn run_steps_columns() -> Vec<ColumnDef> {
    [("run_id", Type::String), ("sync", Type::String), ("step", Type::String), ("started_at", Type::Timestamp)]
        .into_iter()
        .chain([("ended_at", Type::Timestamp), ("rows", Type::Integer), ("error", Type::String)])
        .map(|(name, ty)| define(name, ty))
        .collect()
}

/// The table with a row for each row that a sync with `audit: rows` has delivered or had refused.
pub fn deliveries_table(schema: &str) -> TableName {
    TableName::in_schema(schema, "deliveries")
}

/// The columns of [`deliveries_table`].
pub fn deliveries_columns() -> Vec<ColumnDef> {
    let texts = ["run_id", "sync", "destination", "_key", "operation", "outcome", "_hash"];
    texts.map(|name| define(name, Type::String)).into_iter().chain([define("sent_at", Type::Timestamp)]).collect()
}

/// The table of what destinations have prepared for syncs: ids of lists and the like.
pub fn resources_table(schema: &str) -> TableName {
    TableName::in_schema(schema, "resources")
}

/// The columns of [`resources_table`]. A resource that is prepared anew is a further row; the latest counts.
pub fn resources_columns() -> Vec<ColumnDef> {
    let texts = ["sync", "destination", "name", "value"].map(|name| define(name, Type::String));
    texts.into_iter().chain([define("since", Type::Timestamp)]).collect()
}

/// What a destination has prepared for a sync, the latest last: `name`, `value`.
pub fn resources(schema: &str, sync: &str, destination: &str) -> Query {
    let text = |name: &str| column("r", name, Type::String);
    query(Select {
        filter: Expr::all([is("sync", sync), is("destination", destination)]),
        order_by: vec![OrderBy { expr: column("r", "since", Type::Timestamp), descending: false }],
        ..Select::new(
            from_table(&resources_table(schema), "r"),
            vec![output("name", text("name")), output("value", text("value"))],
        )
    })
}

/// The table that says which version the tables of a sync, and those that all share, have.
pub fn versions_table(schema: &str) -> TableName {
    TableName::in_schema(schema, "state_versions")
}

/// The columns of [`versions_table`].
pub fn versions_columns() -> Vec<ColumnDef> {
    vec![define("name", Type::String), define("version", Type::Integer), define("since", Type::Timestamp)]
}

/// The version of each: `name`, `version`.
pub fn versions(schema: &str) -> Query {
    let name = column("v", "name", Type::String);
    let latest = aggregate(FunctionId::MAX, vec![column("v", "version", Type::Integer)], Type::Integer);
    query(Select {
        group_by: vec![name.clone()],
        ..Select::new(from_table(&versions_table(schema), "v"), vec![output("name", name), output("version", latest)])
    })
}

/// Gives a table that has the columns `found` those of `wanted` that it lacks, null in the rows that there are. `None`
/// where it lacks none.
pub fn add_columns(table: &TableName, wanted: &[ColumnDef], found: &[String]) -> Option<Step> {
    if wanted.iter().all(|c| found.contains(&c.name)) {
        return None;
    }
    let value = |c: &ColumnDef| {
        if found.contains(&c.name) { column("t", &c.name, c.ty.clone()) } else { Expr::null(c.ty.clone()) }
    };
    let columns = wanted.iter().map(|c| output(&c.name, value(c))).collect();
    let query = query(Select::new(from_table(table, "t"), columns));
    let name = format!("state.{}.columns", table.table());
    Some(Step::new(name, Statement::ReplaceTable { table: table.clone(), query }))
}

/// Removes the rows of a table for which a condition is true: by the table written anew where the dialect has no
/// DELETE. The condition is made from a column of the table by its name and type.
pub(crate) fn delete(
    context: Context<'_>,
    table: &TableName,
    columns: &[ColumnDef],
    condition: impl Fn(&dyn Fn(&str, Type) -> RelExpr) -> RelExpr,
) -> Statement {
    if context.capabilities.delete {
        let filter = condition(&|name, ty| column("", name, ty));
        return Statement::Delete { table: table.clone(), filter };
    }
    let goes = condition(&|name, ty| column("t", name, ty)).or_else(Expr::literal(Literal::Boolean(false)));
    let kept = Select {
        filter: Some(Expr::call(FunctionId::NOT, vec![goes], Type::Boolean)),
        ..Select::new(
            from_table(table, "t"),
            columns.iter().map(|c| output(&c.name, column("t", &c.name, c.ty.clone()))).collect(),
        )
    };
    Statement::ReplaceTable { table: table.clone(), query: query(kept) }
}

/// Forgets what is older than the project keeps of a sync's runs, steps and deliveries.
///
/// # Errors
/// A length that reaches further back than time can be told.
pub fn forget(context: Context<'_>, sync: &str) -> Result<Vec<Step>, PlanError> {
    let schema = context.state_schema;
    let kept = context.project.retention;
    let tables = [
        (runs_table(schema), runs_columns(), "started_at", kept.runs),
        (run_steps_table(schema), run_steps_columns(), "started_at", kept.runs),
        (deliveries_table(schema), deliveries_columns(), "sent_at", kept.deliveries),
    ];
    let mut steps = Vec::new();
    for (table, columns, at, length) in tables {
        let Some(length) = length else { continue };
        let before = long_ago(context, length)?;
        let statement = delete(context, &table, &columns, |of| {
            let ours = Expr::compare(
                FunctionId::EQ,
                of("sync", Type::String),
                Expr::literal(Literal::String(sync.to_owned())),
            );
            let limit = Expr::literal(Literal::Timestamp(before));
            let old = Expr::compare(FunctionId::LT, of(at, Type::Timestamp), limit);
            Expr::call(FunctionId::AND, vec![ours, old], Type::Boolean)
        });
        steps.push(Step::new(format!("sync.{sync}.forget.{}", table.table()), statement));
    }
    Ok(steps)
}

/// The instant that lies a length of time before that of the run.
///
/// # Errors
/// A length that reaches further back than time can be told.
pub fn long_ago(context: Context<'_>, length: Within) -> Result<Timestamp, PlanError> {
    let period = springline_model::Period::Rolling { within: length, ago: 0 };
    let clock = Clock { as_of: context.as_of, zone: context.project.timezone.clone() };
    Ok(clock.bounds(period)?.start.unwrap_or(Timestamp::MIN))
}
