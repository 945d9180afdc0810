//! A table that a sync keeps in a warehouse: how it is made, how it gains columns, and how a batch of changes gets into
//! it. Each statement may run again on the same batch.
//!
//! It knows no destination: the rows of a batch come as `_key`, the mapped fields and what else [`TablePlan::staged`]
//! lists.

use springline_ir::{
    Body, ColumnDef, Expr, FunctionId, JoinKind, Literal, Merge, Query, RelExpr, Select, Statement, TableName, Type,
};
use springline_ir::{Join, OutputColumn};

use crate::build::{column, output};
use crate::intervals::is_null;
use crate::members::{from_table, query};
use crate::state::define;
use crate::sync::KEY;
use crate::{Context, Step};

/// The column of the instant at which a row was last written.
pub const SYNCED_AT: &str = "_synced_at";
/// Where every change is a row of its own, the column that tells the repeat of a change from another one.
pub const CHANGE_ID: &str = "_change_id";
/// The column of a batch that is true where the row of that key goes.
pub const REMOVED_ROW: &str = "_removed";

/// What is put behind a table's name for the table that a batch waits in.
const BATCH: &str = "__batch";

/// Which rows a table keeps of what comes under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The latest.
    Latest,
    /// The first.
    First,
    /// All.
    Every,
}

/// The statements about one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TablePlan {
    /// The columns that the rows of a batch fill.
    pub columns: Vec<ColumnDef>,
    /// The table that a batch waits in.
    pub batch: TableName,
    /// Its columns: those of the table, and [`REMOVED_ROW`].
    pub staged: Vec<ColumnDef>,
    /// Makes the table; harmless where it exists.
    pub create: Step,
    /// Gives the table the columns that it lacks.
    pub add_columns: Vec<Step>,
    /// Makes the table for a batch, empty.
    pub stage: Vec<Step>,
    /// Takes the batch into the table.
    pub take_in: Step,
    /// Removes the table of the batch.
    pub unstage: Step,
}

/// Plans a table for rows with these mapped `fields`; `found` are the columns that it has, none where it is not there
/// yet. What it has and no field fills is left as it is.
pub fn table_plan(
    context: Context<'_>,
    table: &TableName,
    fields: &[ColumnDef],
    kept: Kept,
    found: &[ColumnDef],
) -> TablePlan {
    let columns = columns(fields, kept);
    let mut batch = table.clone();
    if let Some(last) = batch.parts.last_mut() {
        last.push_str(BATCH);
    }
    let mut staged = columns.clone();
    staged.push(define(REMOVED_ROW, Type::Boolean));
    let unfilled: Vec<&ColumnDef> = found.iter().filter(|f| !columns.iter().any(|c| c.name == f.name)).collect();
    let step = |what: &str, statement| Step::new(format!("table.{}.{what}", table.table()), statement);
    let drop = step("batch.drop", Statement::DropTable { table: batch.clone() });
    let make = step("batch", Statement::CreateTable { table: batch.clone(), columns: staged.clone() });
    TablePlan {
        create: step("create", Statement::CreateTable { table: table.clone(), columns: columns.clone() }),
        add_columns: add_columns(context, table, &columns, found),
        stage: vec![drop.clone(), make],
        take_in: step("take_in", take_in(context, table, &batch, &columns, &unfilled, kept)),
        unstage: drop,
        columns,
        batch,
        staged,
    }
}

fn columns(fields: &[ColumnDef], kept: Kept) -> Vec<ColumnDef> {
    let id = (kept == Kept::Every).then(|| define(CHANGE_ID, Type::String));
    std::iter::once(define(KEY, Type::String))
        .chain(fields.iter().cloned())
        .chain(id)
        .chain([define(SYNCED_AT, Type::Timestamp)])
        .collect()
}

/// The columns that a table lacks: added one by one, so that grants and views stay, or by the table written anew where
/// the dialect cannot add any.
fn add_columns(context: Context<'_>, table: &TableName, columns: &[ColumnDef], found: &[ColumnDef]) -> Vec<Step> {
    if found.is_empty() {
        return Vec::new();
    }
    let lacking: Vec<&ColumnDef> = columns.iter().filter(|c| !found.iter().any(|f| f.name == c.name)).collect();
    if context.capabilities.add_column {
        let add = |column: &ColumnDef| {
            let statement = Statement::AddColumn { table: table.clone(), column: column.clone() };
            Step::new(format!("table.{}.column.{}", table.table(), column.name), statement)
        };
        return lacking.into_iter().map(add).collect();
    }
    let names: Vec<String> = found.iter().map(|c| c.name.clone()).collect();
    let all: Vec<ColumnDef> = found.iter().chain(lacking).cloned().collect();
    crate::add_columns(table, &all, &names).into_iter().collect()
}

fn take_in(
    context: Context<'_>,
    table: &TableName,
    batch: &TableName,
    columns: &[ColumnDef],
    unfilled: &[&ColumnDef],
    kept: Kept,
) -> Statement {
    let names = || columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    match kept {
        Kept::Latest if context.capabilities.merge => Statement::Merge(Merge {
            table: table.clone(),
            key: vec![KEY.to_owned()],
            columns: names(),
            source: batch.clone(),
            delete: REMOVED_ROW.to_owned(),
        }),
        Kept::Latest => {
            Statement::ReplaceTable { table: table.clone(), query: latest(table, batch, columns, unfilled) }
        }
        Kept::First | Kept::Every => {
            let key: &[&str] = if kept == Kept::First { &[KEY] } else { &[KEY, CHANGE_ID] };
            let new = Select {
                joins: joined(JoinKind::Left, table, "t", key, "b"),
                filter: Some(is_null(key_of("t"))),
                ..Select::new(from_table(batch, "b"), taken(columns.iter(), "b"))
            };
            Statement::Append { table: table.clone(), columns: names(), query: query(new) }
        }
    }
}

/// The rows of the table after the batch: those that it does not touch, and its own that are not removed.
fn latest(table: &TableName, batch: &TableName, columns: &[ColumnDef], unfilled: &[&ColumnDef]) -> Query {
    let with_unfilled = |alias: &str| {
        let mut outputs = taken(columns.iter(), alias);
        outputs.extend(taken(unfilled.iter().copied(), "t"));
        outputs
    };
    let kept = Select {
        joins: joined(JoinKind::Left, batch, "b", &[KEY], "t"),
        filter: Some(is_null(key_of("b"))),
        ..Select::new(from_table(table, "t"), with_unfilled("t"))
    };
    let removed = column("b", REMOVED_ROW, Type::Boolean).or_else(Expr::literal(Literal::Boolean(false)));
    let new = Select {
        joins: match unfilled {
            [] => Vec::new(),
            _ => joined(JoinKind::Left, table, "t", &[KEY], "b"),
        },
        filter: Some(Expr::call(FunctionId::NOT, vec![removed], Type::Boolean)),
        ..Select::new(from_table(batch, "b"), with_unfilled("b"))
    };
    Query { ctes: Vec::new(), body: Body::UnionAll(vec![kept, new]) }
}

fn taken<'a>(columns: impl Iterator<Item = &'a ColumnDef>, alias: &str) -> Vec<OutputColumn> {
    columns.map(|c| output(&c.name, column(alias, &c.name, c.ty.clone()))).collect()
}

fn joined(kind: JoinKind, table: &TableName, alias: &str, key: &[&str], other: &str) -> Vec<Join> {
    let same = |name: &&str| {
        Expr::compare(FunctionId::EQ, column(alias, name, Type::String), column(other, name, Type::String))
    };
    let on = Expr::all(key.iter().map(same));
    on.map(|on| Join { kind, from: from_table(table, alias), on }).into_iter().collect()
}

fn key_of(alias: &str) -> RelExpr {
    column(alias, KEY, Type::String)
}

/// The table of a schema that says who keeps which table of it.
pub fn keepers_table(schema: &str) -> TableName {
    TableName::in_schema(schema, "springline_tables")
}

/// The columns of [`keepers_table`].
pub fn keepers_columns() -> Vec<ColumnDef> {
    vec![define("table_name", Type::String), define("keeper", Type::String), define("since", Type::Timestamp)]
}

/// Who keeps a table: `keeper`; no row where nobody does.
pub fn keepers(table: &TableName, schema: &str) -> Query {
    let name = Expr::literal(Literal::String(table.table().to_owned()));
    let is_it = Expr::compare(FunctionId::EQ, column("k", "table_name", Type::String), name);
    query(Select {
        filter: Some(is_it),
        ..Select::new(
            from_table(&keepers_table(schema), "k"),
            vec![output("keeper", column("k", "keeper", Type::String))],
        )
    })
}
