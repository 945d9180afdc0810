//! The destination `warehouse_table`: a table of a warehouse that holds the rows of a sync.
//!
//! A batch is loaded into a table of its own and taken in by one statement, so that a reader sees all of it or nothing,
//! and the same batch again changes nothing. A table is made here, or it is not written to: `springline_tables` beside
//! it says who keeps it. It must not know how a run finds out what has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use springline_destination::{
    Answer, Attempt, Batch, Destination, DestinationError, DestinationSpec, JobEnd, Limits, Mode, Operation, Resources,
    SyncContext, WarehouseTableOptions, request_name,
};
use springline_ir::{ColumnDef, Statement, TableName, Type};
use springline_plan::{CHANGE_ID, KEY, Kept, REMOVED_ROW, SYNCED_AT, Step, TablePlan, keepers_columns, keepers_table};
use springline_warehouse::{Column, ErrorKind};

use crate::arrow_types::{fits, language_type, type_name};
use crate::journal::records_lock;
use crate::records::{instants_of, texts, texts_of};
use crate::{RunError, Session};

/// Makes a destination of the type `warehouse_table`. The session is on the target that has the tables, its state
/// schema is that of the tables, and `run_target` is the target that the rows come from.
pub fn warehouse_table(
    name: &str,
    session: Session,
    run_target: &str,
    options: WarehouseTableOptions,
) -> Arc<dyn Destination> {
    let (name, run_target) = (name.to_owned(), run_target.to_owned());
    Arc::new(WarehouseTable { name, session, run_target, options, plans: Mutex::default() })
}

struct WarehouseTable {
    name: String,
    session: Session,
    run_target: String,
    options: WarehouseTableOptions,
    /// By sync, from [`Destination::prepare`] on.
    plans: Mutex<HashMap<String, Arc<TablePlan>>>,
}

#[async_trait]
impl Destination for WarehouseTable {
    fn spec(&self) -> &'static DestinationSpec {
        self.options.spec()
    }

    fn limits(&self) -> Limits {
        self.options.limits
    }

    async fn check(&self) -> Result<(), DestinationError> {
        self.session.warehouse.check().await.map_err(|error| self.unreachable(error.into()))
    }

    /// Makes the table, or gives it the columns that it lacks.
    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        let plan = self.make(context).await.map_err(|error| self.unreachable(error))?;
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(context.sync.clone(), Arc::new(plan));
        Ok(context.resources.clone())
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Answer {
        let Some(plan) = self.plan(context) else {
            return Answer::Fatal { code: "table".into(), message: "the table was not prepared".into() };
        };
        match self.take_in(context, &plan, batch, attempt).await {
            Ok(()) => Answer::Ok,
            Err(error) => refusal(&error),
        }
    }

    async fn finish(&self, context: &SyncContext) -> Result<Vec<(String, JobEnd)>, DestinationError> {
        if let Some(plan) = self.plan(context) {
            self.session.execute(&plan.unstage).await.map_err(|error| self.unreachable(error))?;
        }
        Ok(Vec::new())
    }
}

impl WarehouseTable {
    fn plan(&self, context: &SyncContext) -> Option<Arc<TablePlan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&context.sync).cloned()
    }

    async fn make(&self, context: &SyncContext) -> Result<TablePlan, RunError> {
        let session = &self.session;
        let table = TableName::in_schema(&self.options.schema, &self.options.table(&context.sync));
        self.refuse_what_is_read(context, &table)?;
        let fields = self.declared(context)?;
        // Many an engine fails where two make one table at the same time.
        let _alone = records_lock(&session.project_dir, &session.target).await?;
        let found = session.warehouse.describe(&table.parts).await?;
        self.keep(context, &table, found.is_some()).await?;
        let known: Vec<ColumnDef> = found.iter().flatten().map(declared_as).collect();
        let plan = springline_plan::table_plan(session.context(), &table, &fields, kept(context.mode), &known);
        match &found {
            None => session.execute(&plan.create).await.map(drop)?,
            Some(found) => {
                self.refuse_unfit(context, &table, &plan, found)?;
                session.execute_all(&plan.add_columns).await?;
            }
        }
        Ok(plan)
    }

    /// The mapped fields as columns.
    fn declared(&self, context: &SyncContext) -> Result<Vec<ColumnDef>, RunError> {
        let fields = context.fields.fields().iter().map(|field| {
            let ty = language_type(field.data_type());
            let ty = ty.ok_or_else(|| {
                self.refuse(context, format!("the field `{}` has a type that no table has", field.name()))
            })?;
            Ok::<_, RunError>(ColumnDef { name: field.name().clone(), ty })
        });
        fields.collect()
    }

    /// Neither a source of the model nor a table of the state is written over.
    fn refuse_what_is_read(&self, context: &SyncContext, table: &TableName) -> Result<(), RunError> {
        let project = &self.session.project;
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        // A source may leave its schema out.
        let is_it =
            |source: &TableName| source.parts.iter().rev().zip(table.parts.iter().rev()).all(|(a, b)| same(a, b));
        if let Some(source) = project.sources.iter().find(|source| is_it(&source.table)) {
            let message = format!(
                "the table `{table}` may be that of source `{}` of the model, which is never written to; give another `table` or `schema`",
                source.name
            );
            return Err(self.refuse(context, message));
        }
        let is_state = |schema: &str| same(schema, &self.options.schema);
        let target = project.targets.iter().find(|target| target.name == self.session.target);
        if target.is_some_and(|target| is_state(&target.state_schema)) {
            let message = format!(
                "the schema `{}` is that of Springline's own tables; give another `schema`",
                self.options.schema
            );
            return Err(self.refuse(context, message));
        }
        if table.table() == keepers_table(&self.options.schema).table() {
            return Err(self.refuse(context, format!("the name `{table}` is taken; give another `table`")));
        }
        Ok(())
    }

    /// Writes down that this sync keeps the table. Refuses one that somebody else has made, or keeps.
    async fn keep(&self, context: &SyncContext, table: &TableName, exists: bool) -> Result<(), RunError> {
        let (session, schema) = (&self.session, &self.options.schema);
        let list = keepers_table(schema);
        if session.warehouse.describe(&list.parts).await?.is_none() {
            for statement in [
                Statement::CreateSchema { schema: schema.clone() },
                Statement::CreateTable { table: list.clone(), columns: keepers_columns() },
            ] {
                session.execute(&Step { name: "table.keepers".to_owned(), statement }).await?;
            }
        }
        let mut keeper = None;
        for batch in session.small(springline_plan::keepers(table, schema)).await? {
            keeper = texts(&batch, "keeper")?.into_iter().flatten().next().or(keeper);
        }
        let ours = format!("project {}, target {}, sync {}", session.project.name, self.run_target, context.sync);
        match keeper {
            Some(keeper) if keeper == ours => Ok(()),
            Some(keeper) => Err(self.refuse(
                context,
                format!(
                    "the table `{table}` is kept by {keeper}; give another `table`, or, where that keeper is gone, \
                     drop the table and delete its row of `{list}`"
                ),
            )),
            None if exists => Err(self.refuse(
                context,
                format!(
                    "the table `{table}` is there and was not made by Springline; give another `table` or `schema`"
                ),
            )),
            None => {
                let columns: Vec<ArrayRef> =
                    vec![texts_of([table.table()]), texts_of([ours.as_str()]), instants_of([Timestamp::now()])];
                self.session.append(&list, &keepers_columns(), columns).await
            }
        }
    }

    /// A column of the table whose type cannot take the field's values.
    fn refuse_unfit(
        &self,
        context: &SyncContext,
        table: &TableName,
        plan: &TablePlan,
        found: &[Column],
    ) -> Result<(), RunError> {
        for column in &plan.columns {
            let Some(there) = found.iter().find(|there| there.name == column.name) else { continue };
            if !fits(&there.data_type, &column.ty) {
                let message = format!(
                    "the column `{}` of `{table}` is {}, and the field is {} now; map it under another name, or drop the column",
                    column.name,
                    type_name(&there.data_type),
                    column.ty
                );
                return Err(self.refuse(context, message));
            }
        }
        Ok(())
    }

    async fn take_in(
        &self,
        context: &SyncContext,
        plan: &TablePlan,
        batch: &Batch,
        attempt: &Attempt,
    ) -> Result<(), RunError> {
        self.session.execute_all(&plan.stage).await?;
        let now = Timestamp::now();
        let removed = |operation: Operation| operation == Operation::Delete;
        let columns =
            plan.staged.iter().map(|column| match column.name.as_str() {
                KEY => Ok(Arc::new(batch.keys.iter().map(Some).collect::<StringArray>()) as ArrayRef),
                CHANGE_ID => Ok(Arc::new(change_ids(context, batch, attempt)) as ArrayRef),
                SYNCED_AT => Ok(instants_of(batch.keys.iter().map(|_| now))),
                REMOVED_ROW => {
                    let marks = batch.kinds.iter().map(|kind| Some(removed(kind.operation())));
                    Ok(Arc::new(marks.collect::<BooleanArray>()) as ArrayRef)
                }
                name => batch.fields.column_by_name(name).cloned().ok_or_else(|| {
                    RunError::Result(format!("a batch of sync `{}` has no field `{name}`", context.sync))
                }),
            });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        self.session.append(&plan.batch, &plan.staged, columns).await?;
        self.session.execute(&plan.take_in).await.map(drop)
    }

    fn refuse(&self, context: &SyncContext, message: String) -> RunError {
        let (destination, sync) = (self.name.clone(), context.sync.clone());
        DestinationError::Sync { destination, sync, message }.into()
    }

    fn unreachable(&self, error: RunError) -> DestinationError {
        match error {
            RunError::Destination(error) => error,
            error => DestinationError::Unreachable { destination: self.name.clone(), message: told(&error) },
        }
    }
}

/// What happened, and how to mend it.
fn told(error: &RunError) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// What the delivery is to do about a batch that was not taken in.
fn refusal(error: &RunError) -> Answer {
    let kind = match error {
        RunError::Warehouse(error) => Some(error.kind()),
        _ => None,
    };
    match kind {
        // Whether it was taken in after all is not known, nor does it matter: the batch again changes nothing.
        Some(ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Resources) => {
            Answer::Retry { after: None, reason: told(error) }
        }
        // A value that the warehouse cannot hold: the rows without it are taken in.
        Some(ErrorKind::Type) => Answer::Split { code: "type".to_owned(), reason: told(error) },
        _ => Answer::Fatal { code: "warehouse".to_owned(), message: told(error) },
    }
}

fn kept(mode: Mode) -> Kept {
    match mode {
        Mode::Insert => Kept::First,
        Mode::Append => Kept::Every,
        Mode::Upsert | Mode::Update | Mode::Mirror => Kept::Latest,
    }
}

/// A column of a table as a plan has it. One of a type that the language lacks is only ever carried along.
fn declared_as(column: &Column) -> ColumnDef {
    ColumnDef { name: column.name.clone(), ty: language_type(&column.data_type).unwrap_or(Type::String) }
}

/// What tells the repeat of a change from another one: the change, and the request that held it first.
fn change_ids(context: &SyncContext, batch: &Batch, attempt: &Attempt) -> StringArray {
    let this = request_name(&context.run_id, attempt.request);
    let id = |key: &str, payload_hash: &str, request: &str| {
        let mut hash = Sha256::new();
        for text in [request, key, payload_hash] {
            // The length first: no two lists of texts may run into the same bytes.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let changes = batch.changes().zip(&batch.repeat_of);
    changes.map(|(c, repeat_of)| Some(id(c.key, c.payload_hash, repeat_of.as_deref().unwrap_or(&this)))).collect()
}
