//! Runs planned statements: queries stream, writes go to state tables, everything else is refused.
//! It must not know how tables are found or kept.

use super::{
    catalog::{Scope, Tables},
    errors, physical,
    state::{Batches, TableWriter},
};
use crate::{ErrorKind, RowStream, Rows, TablePath, WarehouseError, columns};
use arrow::{
    datatypes::{Field, Schema, SchemaRef},
    error::ArrowError,
};
use datafusion::{
    common::TableReference,
    logical_expr::{CreateMemoryTable, DdlStatement, DmlStatement, DropTable, LogicalPlan, WriteOp, dml::InsertOp},
};
use futures::StreamExt;
use std::sync::Arc;

/// Runs one statement and gives the number of rows it wrote (or, for a query, read).
pub(crate) async fn run(tables: &Tables, scope: Arc<Scope>, plan: LogicalPlan) -> Result<u64, WarehouseError> {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateCatalogSchema(create)) => {
            let schema = create.schema_name.trim_start_matches("..");
            if schema != tables.state.schema_name() {
                return Err(read_only(tables, &format!("schema `{schema}`")));
            }
            tables.state.create().map(|()| 0)
        }
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => create_table(tables, scope, create).await,
        LogicalPlan::Ddl(DdlStatement::DropTable(drop)) => drop_table(tables, scope, drop).await,
        LogicalPlan::Dml(DmlStatement { op: WriteOp::Insert(InsertOp::Append), table_name, input, .. }) => {
            insert(tables, scope, &table_name, Arc::unwrap_or_clone(input)).await
        }
        LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_) => {
            let message = format!("this engine does not run this statement: {}", first_words(&plan));
            Err(WarehouseError::new(ErrorKind::Sql, &tables.target, message).with_hint(
                "it runs queries, and in the state schema CREATE SCHEMA, CREATE TABLE, INSERT INTO and DROP TABLE",
            ))
        }
        query => {
            let mut stream = rows(scope, query).await?.stream;
            let mut count = 0;
            while let Some(batch) = stream.next().await {
                count += batch?.num_rows() as u64;
            }
            Ok(count)
        }
    }
}

/// Runs a query; its rows have plain types.
pub(crate) async fn rows(scope: Arc<Scope>, plan: LogicalPlan) -> Result<Rows, WarehouseError> {
    let stream = physical::stream(&scope, &plan).await?;
    let schema = columns::plain_schema(&stream.schema());
    let plain = Arc::clone(&schema);
    let stream = stream.map(move |batch| {
        let batch = batch.map_err(|error| errors::map(error, &scope))?;
        // The scope is held to the end: it keeps the files of state tables on disk.
        columns::by_place(&batch, &plain).map_err(|error| errors::map(error.into(), &scope))
    });
    Ok(Rows { schema, stream: stream.boxed() })
}

/// Appends a stream of rows to a state table.
pub(crate) async fn load(
    tables: &Tables,
    path: TablePath<'_>,
    schema: SchemaRef,
    rows: RowStream,
) -> Result<u64, WarehouseError> {
    let table = match path {
        [state, table] if state == tables.state.schema_name() => table,
        _ => return Err(read_only(tables, &format!("table `{}`", path.join(".")))),
    };
    let mut writer = tables.state.write(table).await?;
    let Some(wanted) = writer.schema() else { return Err(tables.state.missing(table)) };
    let rows = by_name(tables, table, &schema, wanted, rows)?;
    let count = writer.append(rows).await?;
    writer.collect_garbage()?;
    Ok(count)
}

/// What a statement reads, for its plan.
pub(crate) fn input(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => Arc::unwrap_or_clone(create.input),
        LogicalPlan::Dml(statement) => Arc::unwrap_or_clone(statement.input),
        other => other,
    }
}

async fn create_table(tables: &Tables, scope: Arc<Scope>, create: CreateMemoryTable) -> Result<u64, WarehouseError> {
    let table = target_of(tables, &scope, &create.name)?;
    if create.temporary {
        let message = format!("temporary table `{table}`: this engine has none");
        return Err(WarehouseError::new(ErrorKind::Sql, &tables.target, message));
    }
    let writer = tables.state.write(&table).await?;
    if writer.schema().is_some() && !create.or_replace {
        if create.if_not_exists {
            return Ok(0);
        }
        let name = tables.state.full_name(&table);
        let message = format!("table `{name}` already exists");
        return Err(WarehouseError::new(ErrorKind::Sql, &tables.target, message)
            .with_table(name)
            .with_hint("write CREATE OR REPLACE TABLE or CREATE TABLE IF NOT EXISTS"));
    }
    let plan = Arc::unwrap_or_clone(create.input);
    let has_rows = !matches!(plan, LogicalPlan::EmptyRelation(_));
    let declared = columns::plain_schema(plan.schema().as_arrow());
    // What a query says of nulls holds for its rows of today; only declared columns keep it.
    let schema = if has_rows { nullable(&declared) } else { declared };
    let stream = rows(Arc::clone(&scope), plan).await?.stream;
    let stream = to_schema(tables, &table, Arc::clone(&schema), stream);
    finish(writer, Some(schema), scope, stream).await
}

async fn insert(
    tables: &Tables,
    scope: Arc<Scope>,
    name: &TableReference,
    plan: LogicalPlan,
) -> Result<u64, WarehouseError> {
    let table = target_of(tables, &scope, name)?;
    let writer = tables.state.write(&table).await?;
    let Some(schema) = writer.schema() else { return Err(tables.state.missing(&table)) };
    let Rows { schema: given, stream } = rows(Arc::clone(&scope), plan).await?;
    let stream = by_name(tables, &table, &given, schema, stream)?;
    finish(writer, None, scope, stream).await
}

/// Writes, and only then lets go of what the statement read, so that its own reading does not keep old files.
async fn finish(
    mut writer: TableWriter,
    replace: Option<SchemaRef>,
    scope: Arc<Scope>,
    rows: Batches,
) -> Result<u64, WarehouseError> {
    let count = match replace {
        Some(schema) => writer.replace(schema, rows).await?,
        None => writer.append(rows).await?,
    };
    drop(scope);
    writer.collect_garbage()?;
    Ok(count)
}

async fn drop_table(tables: &Tables, scope: Arc<Scope>, drop: DropTable) -> Result<u64, WarehouseError> {
    let table = target_of(tables, &scope, &drop.name)?;
    std::mem::drop(scope);
    // Asked first, so that dropping what never was leaves no folder behind.
    if tables.state.read(&table)?.is_some() {
        let mut writer = tables.state.write(&table).await?;
        if writer.drop_table()? {
            writer.collect_garbage()?;
            return Ok(0);
        }
    }
    if drop.if_exists { Ok(0) } else { Err(tables.state.missing(&table)) }
}

/// Only state tables are written.
fn target_of(tables: &Tables, scope: &Scope, name: &TableReference) -> Result<String, WarehouseError> {
    scope.state_table(name).ok_or_else(|| {
        let name = super::catalog::shown(&name.to_string());
        read_only(tables, &format!("table `{name}`")).with_table(name)
    })
}

fn read_only(tables: &Tables, what: &str) -> WarehouseError {
    let message = format!("{what} cannot be written: sources are read-only");
    let hint = format!("only tables of the schema `{}` are written", tables.state.schema_name());
    WarehouseError::new(ErrorKind::Permission, &tables.target, message).with_hint(hint)
}

fn by_name(
    tables: &Tables,
    table: &str,
    given: &Schema,
    wanted: SchemaRef,
    rows: RowStream,
) -> Result<Batches, WarehouseError> {
    let name = tables.state.full_name(table);
    let places = columns::places_by_name(given, &wanted).map_err(|column| {
        let message = format!("table `{name}` has no column `{column}`");
        WarehouseError::new(ErrorKind::MissingColumn, &tables.target, message).with_table(&name).with_column(column)
    })?;
    let unfit = unfit(tables, table);
    Ok(rows.map(move |batch| columns::arrange(&batch?, &wanted, &places).map_err(&unfit)).boxed())
}

fn to_schema(tables: &Tables, table: &str, schema: SchemaRef, rows: RowStream) -> Batches {
    let unfit = unfit(tables, table);
    rows.map(move |batch| columns::by_place(&batch?, &schema).map_err(&unfit)).boxed()
}

fn unfit(tables: &Tables, table: &str) -> impl Fn(ArrowError) -> WarehouseError + Send + Sync + use<> {
    let (target, name) = (tables.target.clone(), tables.state.full_name(table));
    move |error| {
        let reason = crate::error::redact_quoted(&error.to_string(), '\'', &["Column "]);
        let message = format!("a row does not fit table `{name}`: {reason}");
        WarehouseError::new(ErrorKind::Type, &target, message).with_table(&name)
    }
}

fn nullable(schema: &Schema) -> SchemaRef {
    let free = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(free).collect::<Vec<_>>()))
}

fn first_words(plan: &LogicalPlan) -> String {
    plan.display().to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
