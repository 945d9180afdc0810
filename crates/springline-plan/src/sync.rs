//! The plan of a sync: what should be at the destination, what differs from the ledger of acknowledged
//! rows, and how acknowledgements and refusals get back into the state tables.
//!
//! It knows no destination: rows leave as `_key`, `_change`, `_hash` and the mapped fields.

mod difference;
mod settle;

use jiff::Timestamp;
use springline_ir::{
    ColumnDef, Expr, FunctionId, Join, JoinKind, Literal, OutputColumn, Query, RelExpr, Select, Statement, TableName,
    Type,
};
use springline_model::{Audit, Mode, Pii, RowId, Sync, Within};

use self::difference::{Difference, sent_changes};

use crate::build::{Build, column, output};
use crate::intervals::is_null;
use crate::lease::{create_lease, lease_table};
use crate::members::{aggregate, from_table, query};
use crate::preview::membership;
use crate::records::{
    deliveries_columns, deliveries_table, long_ago, resources_columns, resources_table, run_steps_columns,
    run_steps_table, runs_columns, runs_table, versions_columns, versions_table,
};
use crate::state::{StateTables, define, ledger_columns, outcome_columns, refusal_columns, rejected_columns};
use crate::wanted::Wanted;
use crate::{Context, PlanError, Step};

/// The column of the sync key, as text.
pub const KEY: &str = "_key";
/// The column that says what happened to a row: `added`, `changed`, `removed`, or `repeated` for what a full resync sends
/// or a sync with `refresh_after` sends though it is the same.
pub const CHANGE: &str = "_change";
/// What stands for a change where [`SyncPlan::counts`] tells how many rows are desired.
pub const DESIRED: &str = "desired";
/// The column of the payload hash: equal hashes mean equal payloads.
pub const HASH: &str = "_hash";

/// The column of what the destination gave for a row when it last took it.
pub const RECEIPT: &str = "_receipt";
/// The column of the request of an earlier run that has held the same change and whose end nobody knows.
pub const REPEAT_OF: &str = "_repeat_of";

/// How a sync is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyncOptions {
    /// What was acknowledged, and what was refused, is sent again too.
    pub full_resync: bool,
    /// The instant by which it is told which refused rows are due again: that of the clock, whatever the run is as of.
    pub now: Timestamp,
}

/// A mapped field of a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredColumn {
    /// The destination's field.
    pub name: String,
    /// The type of its values.
    pub ty: Type,
    /// The person-related data it holds.
    pub pii: Option<Pii>,
}

/// The plan of one sync.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPlan {
    /// The sync's tables.
    pub tables: StateTables,
    /// Creates the state tables; harmless where they exist.
    pub prepare: Vec<Step>,
    /// Computes what should be at the destination.
    pub desired: Step,
    /// Makes the table of `desired` empty, for rows that come from another warehouse.
    pub empty_desired: Vec<Step>,
    /// The id of the last run that is recorded: `run_id`.
    pub last_run: Query,
    /// Keys that stand more than once or are null: `_key`, `rows`. At most five.
    pub duplicates: Query,
    /// Writes down which keys differ from the ledger; once there is what should be at the destination.
    pub difference: Step,
    /// How many rows of each `_change`, and of [`DESIRED`] all that should be at the destination, split by `held` (refused
    /// before, not changed since and not due again) and `in_doubt` (a request may or may not have reached the
    /// destination): `_change`, `held`, `in_doubt`, `rows`.
    pub counts: Query,
    /// The rows to send that are not in doubt: `_key`, `_change`, `_hash`, `_receipt`, `_repeat_of`, the mapped fields.
    pub changes: Query,
    /// The rows to send that are in doubt: as `changes`, those of one request one after another.
    pub doubtful: Query,
    /// Some of the rows to send of each change: the change, and a query that gives `_key`, `_change`, `_hash` and the
    /// mapped fields.
    pub samples: Vec<(&'static str, Query)>,
    /// What tells the rows to send from any others: `rows`, `first`, `second`.
    pub fingerprint: Query,
    /// The mapped fields.
    pub columns: Vec<DesiredColumn>,
    /// Empties the two tables that the journal is loaded into.
    pub stage: Vec<Step>,
    /// Drops of what was loaded that which is older than the ledger, and gives rows in doubt what the ledger knows of
    /// them.
    pub reconcile: Step,
    /// Takes what was loaded into the ledger and the rejected rows.
    pub acknowledge: Vec<Step>,
    /// Takes the acknowledged rows that were loaded into the ledger, and touches nothing that the stream of the changes
    /// reads.
    pub checkpoint: Vec<Step>,
    /// Gathers the statistics of the ledger, which are stale once many of its rows have changed; where the engine does
    /// not do so by itself.
    pub analyze: Option<Step>,
    /// Removes what only lives as long as a run.
    pub cleanup: Vec<Step>,
    /// The refused rows, latest first.
    pub rejected: Query,
    /// How many rows are refused: `rows`.
    pub rejected_rows: Query,
    /// How many rows the ledger has: `rows`.
    pub ledger_rows: Query,
    /// Forgets the refusals of changes that are not to be sent any more.
    pub clear_rejected: Step,
    /// Forgets all refusals, so that the rows are sent again.
    pub forget_rejected: Step,
    /// The tables that last, with their columns: first those that all syncs share, then those of this one.
    pub lasting: [Vec<(TableName, Vec<ColumnDef>)>; 2],
}

/// How many rows of each change a sample has.
const SAMPLE_ROWS: u64 = 5;

/// Plans a sync.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn sync(context: Context<'_>, sync: &Sync, options: &SyncOptions) -> Result<SyncPlan, PlanError> {
    let tables = StateTables::of(context.state_schema, &sync.name);
    let columns = sync
        .map
        .iter()
        .map(|mapping| DesiredColumn { name: mapping.field.clone(), ty: mapping.expr.ty.clone(), pii: mapping.pii })
        .collect::<Vec<_>>();
    let name = |what: &str| format!("sync.{}.{what}", sync.name);
    let create = |what: &str, table: &TableName, columns| {
        Step::new(name(what), Statement::CreateTable { table: table.clone(), columns })
    };
    let drop = |what: &str, table: &TableName| Step::new(name(what), Statement::DropTable { table: table.clone() });
    let schema = context.state_schema;
    let lasting = [
        vec![
            (runs_table(schema), runs_columns()),
            (run_steps_table(schema), run_steps_columns()),
            (deliveries_table(schema), deliveries_columns()),
            (resources_table(schema), resources_columns()),
        ],
        vec![(tables.ledger.clone(), ledger_columns()), (tables.rejected.clone(), rejected_columns())],
    ];
    let refresh_before = sync.refresh_after.map(|length| earlier(context, options.now, length)).transpose()?;
    let difference = Difference { tables: &tables, fields: &columns, mode: sync.mode, options, refresh_before };
    let mut prepare = vec![Step::new("state.schema", Statement::CreateSchema { schema: schema.to_owned() })];
    let versions = (versions_table(schema), versions_columns());
    for (table, columns) in std::iter::once(&versions).chain(lasting.iter().flatten()) {
        let name = format!("state.{}", table.table());
        prepare.push(Step::new(name, Statement::CreateTable { table: table.clone(), columns: columns.clone() }));
    }
    prepare.push(create_lease(lease_table(schema, &sync.name)));
    let replace = |what: &str, table: &TableName, query| {
        Step::new(name(what), Statement::ReplaceTable { table: table.clone(), query })
    };
    let mut checkpoint = vec![Step::new(name("acknowledge"), settle::acknowledge(context, &tables))];
    if sync.audit == Audit::Rows {
        // Before the ledger: what is in the ledger is in the record of deliveries too.
        let audit = settle::audit(context, sync, &tables).map(|statement| Step::new(name("audit"), statement));
        checkpoint.splice(0..0, audit);
    }
    let refuse = replace("refuse", &tables.rejected, settle::refuse(&tables));
    Ok(SyncPlan {
        prepare,
        desired: Step::new(
            name("desired"),
            Statement::ReplaceTable { table: tables.desired.clone(), query: desired(context, sync)? },
        ),
        empty_desired: vec![
            drop("desired.drop", &tables.desired),
            create("desired.create", &tables.desired, desired_columns(&columns)),
        ],
        duplicates: duplicates(&tables.desired, KEY, &Type::String),
        last_run: last_run(context.state_schema, &sync.name),
        difference: replace("difference", &tables.difference, difference.table()),
        counts: difference.counts(),
        changes: difference.changes(),
        doubtful: difference.doubtful(),
        samples: sent_changes(sync.mode).iter().map(|c| (*c, difference.sample(c, SAMPLE_ROWS))).collect(),
        fingerprint: difference.fingerprint(),
        stage: vec![
            drop("outcomes.drop", &tables.outcomes),
            create("outcomes", &tables.outcomes, outcome_columns()),
            drop("refusals.drop", &tables.refusals),
            create("refusals", &tables.refusals, refusal_columns()),
        ],
        reconcile: Step::new(name("reconcile"), settle::reconcile(&tables)),
        acknowledge: checkpoint.iter().cloned().chain([refuse]).collect(),
        checkpoint,
        analyze: context
            .capabilities
            .analyze
            .then(|| Step::new(name("analyze"), Statement::Analyze { table: tables.ledger.clone() })),
        cleanup: vec![
            drop("desired.drop", &tables.desired),
            drop("difference.drop", &tables.difference),
            drop("outcomes.drop", &tables.outcomes),
            drop("refusals.drop", &tables.refusals),
        ],
        rejected: settle::rejected(&tables.rejected),
        rejected_rows: query(Select::new(from_table(&tables.rejected, "r"), vec![output("rows", count())])),
        ledger_rows: query(Select {
            filter: Some(Expr::call(FunctionId::IS_NOT_NULL, vec![column("l", HASH, Type::String)], Type::Boolean)),
            ..Select::new(from_table(&tables.ledger, "l"), vec![output("rows", count())])
        }),
        clear_rejected: replace("rejected.clear", &tables.rejected, difference.live_refusals()),
        forget_rejected: drop("rejected.drop", &tables.rejected),
        lasting,
        columns,
        tables,
    })
}

/// The instant that lies so long before another one.
fn earlier(context: Context<'_>, than: Timestamp, length: Within) -> Result<Timestamp, PlanError> {
    long_ago(Context { as_of: than, ..context }, length)
}

/// The columns of the rows that should be at the destination.
fn desired_columns(fields: &[DesiredColumn]) -> Vec<ColumnDef> {
    let field = |field: &DesiredColumn| define(&field.name, field.ty.clone());
    let fields = fields.iter().map(field);
    std::iter::once(define(KEY, Type::String)).chain(fields).chain([define(HASH, Type::String)]).collect()
}

/// `_key`, the mapped fields and `_hash` of every row that should be at the destination.
fn desired(context: Context<'_>, sync: &Sync) -> Result<Query, PlanError> {
    let mut build = Build::new(context);
    let mut wanted = Wanted::default();
    wanted.add_expr(&sync.key);
    sync.map.iter().for_each(|mapping| wanted.add_expr(&mapping.expr));
    let condition = sync.segment.map(|id| membership(context.project, id));
    if let Some(condition) = &condition {
        wanted.add_expr(condition);
    }
    let alias = build.unique(&context.project.entity(sync.entity).name);
    let scope = build.row_where(RowId::Entity(sync.entity), &alias, &wanted, condition.as_ref())?;
    let mut columns = vec![output(KEY, text(scope.lower(&sync.key)?))];
    for mapping in &sync.map {
        columns.push(output(&mapping.field, scope.lower(&mapping.expr)?));
    }
    let filter = condition.map(|condition| scope.lower(&condition)).transpose()?;
    let mapped = build.unique("mapped");
    let passed: Vec<(String, Type)> = columns.iter().map(|c| (c.name.clone(), c.expr.ty.clone())).collect();
    let comment = build.locate(sync.span);
    let select = Select { filter, ..scope.select(columns) };
    let from = build.step(mapped.clone(), Some(comment), select);
    let mut columns: Vec<OutputColumn> =
        passed.iter().map(|(name, ty)| output(name, column(&mapped, name, ty.clone()))).collect();
    let destination = &context.project.destination(sync.destination).name;
    let address = format!("{destination}/{};", sync.key_name);
    columns.push(output(HASH, payload_hash(&mapped, &address, &passed[1..])));
    Ok(build.finish(Select::new(from, columns)))
}

/// SHA-256 over the destination and its key's name, and every field's name, type and value: whatever
/// makes another request makes another hash. Every value is written with its length before it, so that
/// no two different payloads give the same text; a null is written `-`, which no value is.
fn payload_hash(relation: &str, address: &str, fields: &[(String, Type)]) -> RelExpr {
    let parts = fields.iter().map(|(name, ty)| {
        let value = text(column(relation, name, ty.clone()));
        let length = text(Expr::call(FunctionId::LENGTH, vec![value.clone()], Type::Integer));
        let written = concat(concat(length, string(":")), value).or_else(string("-"));
        concat(string(&format!("{}={name}:{ty};", name.chars().count())), written)
    });
    let payload = parts.fold(string(address), concat);
    Expr::call(FunctionId::SHA256, vec![payload], Type::String)
}

fn text(expr: RelExpr) -> RelExpr {
    if expr.ty == Type::String { expr } else { Expr::call(FunctionId::TEXT, vec![expr], Type::String) }
}

fn string(text: &str) -> RelExpr {
    Expr::literal(Literal::String(text.to_owned()))
}

fn concat(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::call(FunctionId::CONCAT, vec![a, b], Type::String)
}

fn count() -> RelExpr {
    aggregate(FunctionId::COUNT, Vec::new(), Type::Integer)
}

fn key_of(alias: &str) -> RelExpr {
    column(alias, KEY, Type::String)
}

fn join(kind: JoinKind, table: springline_ir::From, on: RelExpr) -> Join {
    Join { kind, from: table, on }
}

fn same_key(a: &str, b: &str) -> RelExpr {
    Expr::compare(FunctionId::EQ, key_of(a), key_of(b))
}

/// The keys of a table that stand more than once or are null: `_key`, as text, and `rows`. At most five.
pub(crate) fn duplicates(table: &TableName, key: &str, ty: &Type) -> Query {
    let key = column("d", key, ty.clone());
    let several = Expr::compare(FunctionId::GT, count(), Expr::literal(Literal::Integer(1)));
    query(Select {
        group_by: vec![key.clone()],
        having: Some(Expr::call(FunctionId::OR, vec![several, is_null(key.clone())], Type::Boolean)),
        limit: Some(5),
        ..Select::new(from_table(table, "d"), vec![output(KEY, text(key)), output("rows", count())])
    })
}

/// The outcome of a run that an error ended.
pub const ENDED_BY_ERROR: &str = "error";

/// The id of the last run of a sync that is recorded: `run_id`, null where there is none. Ids are made so that a later
/// one is larger.
fn last_run(state_schema: &str, sync: &str) -> Query {
    let id = aggregate(FunctionId::MAX, vec![column("r", "run_id", Type::String)], Type::String);
    let is_ours = Expr::compare(FunctionId::EQ, column("r", "sync", Type::String), string(sync));
    query(Select {
        filter: Some(is_ours),
        ..Select::new(from_table(&runs_table(state_schema), "r"), vec![output("run_id", id)])
    })
}

impl SyncPlan {
    /// Whether a sync of this mode sends rows of this change.
    pub fn sends(mode: Mode, change: &str) -> bool {
        sent_changes(mode).contains(&change)
    }
}
