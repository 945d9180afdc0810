//! The plan of a sync: what should be at the destination, what differs from the ledger of acknowledged
//! rows, and how acknowledgements and refusals get back into the state tables.
//!
//! It knows no destination: rows leave as `_key`, `_change`, `_hash` and the mapped fields.

use springline_ir::{
    Expr, ExprKind, FunctionId, Join, JoinKind, Literal, Merge, OrderBy, OutputColumn, Query, RelExpr, Select,
    Statement, TableName, Type,
};
use springline_model::{Mode, Pii, RowId, Sync};

use crate::build::{Build, column, output};
use crate::members::{aggregate, from_cte, from_table, query};
use crate::preview::membership;
use crate::state::{
    StateTables, ledger_columns, outcome_columns, refusal_columns, rejected_columns, runs_columns, runs_table,
};
use crate::wanted::Wanted;
use crate::{Context, PlanError, Step};

/// The column of the sync key, as text.
pub const KEY: &str = "_key";
/// The column that says what happened to a row: `added`, `changed`, `removed` or `unchanged`.
pub const CHANGE: &str = "_change";
/// The column of the payload hash: equal hashes mean equal payloads.
pub const HASH: &str = "_hash";

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
    /// The id of the last run that came to its end: `run_id`.
    pub last_run: Query,
    /// Keys that stand more than once or are null: `_key`, `rows`. At most five.
    pub duplicates: Query,
    /// How many rows of each `_change`, split by `held` (refused before and not changed since):
    /// `_change`, `held`, `rows`.
    pub counts: Query,
    /// The rows to send: `_key`, `_change`, `_hash`, the mapped fields.
    pub changes: Query,
    /// The mapped fields.
    pub columns: Vec<DesiredColumn>,
    /// Empties the two tables that the journal is loaded into.
    pub stage: Vec<Step>,
    /// Takes what was loaded into the ledger and the rejected rows.
    pub acknowledge: Vec<Step>,
    /// Removes what only lives as long as a run.
    pub cleanup: Vec<Step>,
    /// The refused rows, latest first.
    pub rejected: Query,
    /// How many rows the ledger has: `rows`.
    pub ledger_rows: Query,
    /// Forgets all refusals, so that the rows are sent again.
    pub forget_rejected: Step,
}

/// Plans a sync.
///
/// # Errors
/// A window that reaches further back than time can be told.
pub fn sync(context: Context<'_>, sync: &Sync) -> Result<SyncPlan, PlanError> {
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
    Ok(SyncPlan {
        prepare: vec![
            Step::new("state.schema", Statement::CreateSchema { schema: context.state_schema.to_owned() }),
            create("ledger", &tables.ledger, ledger_columns()),
            create("rejected", &tables.rejected, rejected_columns()),
            Step::new(
                "state.runs",
                Statement::CreateTable { table: runs_table(context.state_schema), columns: runs_columns() },
            ),
        ],
        desired: Step::new(
            name("desired"),
            Statement::ReplaceTable { table: tables.desired.clone(), query: desired(context, sync)? },
        ),
        duplicates: duplicates(&tables.desired, KEY, &Type::String),
        last_run: last_run(context.state_schema, &sync.name),
        counts: counts(&tables, &columns),
        changes: changes(&tables, &columns, sync.mode),
        stage: vec![
            drop("outcomes.drop", &tables.outcomes),
            create("outcomes", &tables.outcomes, outcome_columns()),
            drop("refusals.drop", &tables.refusals),
            create("refusals", &tables.refusals, refusal_columns()),
        ],
        acknowledge: vec![
            Step::new(name("acknowledge"), acknowledge(context, &tables)),
            Step::new(
                name("refuse"),
                Statement::ReplaceTable { table: tables.rejected.clone(), query: refuse(&tables) },
            ),
        ],
        cleanup: vec![
            drop("desired.drop", &tables.desired),
            drop("outcomes.drop", &tables.outcomes),
            drop("refusals.drop", &tables.refusals),
        ],
        rejected: rejected(&tables.rejected),
        ledger_rows: query(Select::new(from_table(&tables.ledger, "l"), vec![output("rows", count())])),
        forget_rejected: drop("rejected.drop", &tables.rejected),
        columns,
        tables,
    })
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

fn is_null(expr: RelExpr) -> RelExpr {
    Expr::call(FunctionId::IS_NULL, vec![expr], Type::Boolean)
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

/// The id of the last run of a sync that came to its end: `run_id`, null where there is none. Ids are
/// made so that a later one is larger.
fn last_run(state_schema: &str, sync: &str) -> Query {
    let id = aggregate(FunctionId::MAX, vec![column("r", "run_id", Type::String)], Type::String);
    let is_ours = Expr::compare(FunctionId::EQ, column("r", "sync", Type::String), string(sync));
    query(Select {
        filter: Some(is_ours),
        ..Select::new(from_table(&runs_table(state_schema), "r"), vec![output("run_id", id)])
    })
}

/// Every key that is desired or in the ledger, with what happened to it. The names of the mapped fields
/// cannot clash with ours: the checker keeps the leading underscore for us.
fn difference(tables: &StateTables, fields: &[DesiredColumn]) -> Select {
    let hash = |alias: &str| column(alias, HASH, Type::String);
    let change = Expr {
        kind: ExprKind::Case {
            branches: vec![
                (is_null(key_of("l")), string("added")),
                (is_null(key_of("d")), string("removed")),
                (Expr::compare(FunctionId::NE, hash("d"), hash("l")), string("changed")),
            ],
            otherwise: Some(Box::new(string("unchanged"))),
        },
        ty: Type::String,
    };
    let mut columns = vec![
        output(KEY, key_of("d").or_else(key_of("l"))),
        output(CHANGE, change),
        output(HASH, hash("d").or_else(hash("l"))),
    ];
    columns.extend(fields.iter().map(|field| output(&field.name, column("d", &field.name, field.ty.clone()))));
    Select {
        joins: vec![join(JoinKind::Full, from_table(&tables.ledger, "l"), same_key("d", "l"))],
        ..Select::new(from_table(&tables.desired, "d"), columns)
    }
}

/// The difference, joined with the refusals that hold a row back: final ones of the same payload.
fn held_back(tables: &StateTables, fields: &[DesiredColumn], columns: Vec<OutputColumn>) -> Query {
    let change = column("c", CHANGE, Type::String);
    let operation = Expr {
        kind: ExprKind::Case {
            branches: vec![(Expr::compare(FunctionId::EQ, change, string("removed")), string("delete"))],
            otherwise: Some(Box::new(string("upsert"))),
        },
        ty: Type::String,
    };
    let same = |name: &str, other: RelExpr| Expr::compare(FunctionId::EQ, other, column("r", name, Type::String));
    let on = [
        same_key("c", "r"),
        same(HASH, column("c", HASH, Type::String)),
        same("operation", operation),
        Expr::call(FunctionId::NOT, vec![column("r", "retryable", Type::Boolean)], Type::Boolean),
    ];
    let mut query = query(Select::new(from_cte("difference", "c"), columns));
    if let (springline_ir::Body::Select(select), Some(on)) = (&mut query.body, Expr::all(on)) {
        select.joins.push(join(JoinKind::Left, from_table(&tables.rejected, "r"), on));
    }
    query.ctes.push(springline_ir::Cte {
        name: "difference".to_owned(),
        comment: None,
        body: springline_ir::Body::Select(Box::new(difference(tables, fields))),
    });
    query
}

fn counts(tables: &StateTables, fields: &[DesiredColumn]) -> Query {
    let held = Expr::call(FunctionId::IS_NOT_NULL, vec![key_of("r")], Type::Boolean);
    let change = column("c", CHANGE, Type::String);
    let columns = vec![output(CHANGE, change.clone()), output("held", held.clone()), output("rows", count())];
    let mut query = held_back(tables, fields, columns);
    if let springline_ir::Body::Select(select) = &mut query.body {
        select.group_by = vec![change, held];
    }
    query
}

fn changes(tables: &StateTables, fields: &[DesiredColumn], mode: Mode) -> Query {
    let mut columns: Vec<OutputColumn> =
        [KEY, CHANGE, HASH].map(|name| output(name, column("c", name, Type::String))).into();
    columns.extend(fields.iter().map(|field| output(&field.name, column("c", &field.name, field.ty.clone()))));
    let mut query = held_back(tables, fields, columns);
    let sent = sent_changes(mode).iter().map(|change| string(change));
    let is_sent = Expr::call(
        FunctionId::IN,
        std::iter::once(column("c", CHANGE, Type::String)).chain(sent).collect(),
        Type::Boolean,
    );
    if let springline_ir::Body::Select(select) = &mut query.body {
        select.filter = Expr::all([is_sent, is_null(key_of("r"))]);
    }
    query
}

/// Which changes a mode sends.
pub(crate) fn sent_changes(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Mirror => &["added", "changed", "removed"],
        Mode::Upsert | Mode::Update | Mode::Append => &["added", "changed"],
        Mode::Insert => &["added"],
    }
}

impl SyncPlan {
    /// Whether a sync of this mode sends rows of this change.
    pub fn sends(mode: Mode, change: &str) -> bool {
        sent_changes(mode).contains(&change)
    }
}

/// Takes the acknowledged rows into the ledger: by a merge where the dialect has one, else by writing
/// the ledger anew.
fn acknowledge(context: Context<'_>, tables: &StateTables) -> Statement {
    let columns = ledger_columns();
    let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    if context.capabilities.merge {
        return Statement::Merge(Merge {
            table: tables.ledger.clone(),
            key: vec![KEY.to_owned()],
            columns: names,
            source: tables.outcomes.clone(),
            delete: "removed".to_owned(),
        });
    }
    let take = |alias: &str| columns.iter().map(|c| output(&c.name, column(alias, &c.name, c.ty.clone()))).collect();
    let kept = Select {
        joins: vec![join(JoinKind::Left, from_table(&tables.outcomes, "o"), same_key("l", "o"))],
        filter: Some(is_null(key_of("o"))),
        ..Select::new(from_table(&tables.ledger, "l"), take("l"))
    };
    let removed = column("o", "removed", Type::Boolean);
    let new = Select {
        filter: Some(Expr::call(FunctionId::NOT, vec![removed], Type::Boolean)),
        ..Select::new(from_table(&tables.outcomes, "o"), take("o"))
    };
    let query = Query { ctes: Vec::new(), body: springline_ir::Body::UnionAll(vec![kept, new]) };
    Statement::ReplaceTable { table: tables.ledger.clone(), query }
}

/// The refused rows after this run: those refused now, with their earlier attempts counted, and those
/// refused earlier that had no outcome now.
fn refuse(tables: &StateTables) -> Query {
    let columns = rejected_columns();
    let now = |name: &str, ty: Type| column("f", name, ty);
    let before = |name: &str, ty: Type| column("r", name, ty);
    let value = |name: &str, ty: &Type| match name {
        "first_seen_at" => before(name, ty.clone()).or_else(now("seen_at", ty.clone())),
        "last_seen_at" => now("seen_at", ty.clone()),
        "attempts" => {
            let earlier = before(name, ty.clone()).or_else(Expr::literal(Literal::Integer(0)));
            Expr::call(FunctionId::ADD, vec![earlier, Expr::literal(Literal::Integer(1))], Type::Integer)
        }
        _ => now(name, ty.clone()),
    };
    let refused = Select {
        joins: vec![join(JoinKind::Left, from_table(&tables.rejected, "r"), same_key("f", "r"))],
        ..Select::new(
            from_table(&tables.refusals, "f"),
            columns.iter().map(|c| output(&c.name, value(&c.name, &c.ty))).collect(),
        )
    };
    let kept = Select {
        joins: vec![
            join(JoinKind::Left, from_table(&tables.refusals, "f"), same_key("r", "f")),
            join(JoinKind::Left, from_table(&tables.outcomes, "o"), same_key("r", "o")),
        ],
        filter: Expr::all([is_null(key_of("f")), is_null(key_of("o"))]),
        ..Select::new(
            from_table(&tables.rejected, "r"),
            columns.iter().map(|c| output(&c.name, before(&c.name, c.ty.clone()))).collect(),
        )
    };
    Query { ctes: Vec::new(), body: springline_ir::Body::UnionAll(vec![refused, kept]) }
}

fn rejected(table: &TableName) -> Query {
    let columns = rejected_columns().into_iter().map(|c| output(&c.name, column("r", &c.name, c.ty))).collect();
    query(Select {
        order_by: vec![
            OrderBy { expr: column("r", "last_seen_at", Type::Timestamp), descending: true },
            OrderBy { expr: key_of("r"), descending: false },
        ],
        ..Select::new(from_table(table, "r"), columns)
    })
}
