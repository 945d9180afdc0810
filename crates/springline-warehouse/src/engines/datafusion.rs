//! The embedded engine: a folder of Parquet, CSV and JSON-lines files read in place by DataFusion, and Springline's
//! own tables kept beside the project. Sources are never written. It must not know what the SQL is for.

mod catalog;
mod discovery;
mod errors;
mod files;
mod folder;
mod functions;
mod gather_once;
mod most_frequent;
mod parquet_file;
mod physical;
mod state;
mod statement;

use super::Engine;
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError, columns, config::option,
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use catalog::{ROOT, Scope, Tables};
use datafusion::{
    error::DataFusionError,
    execution::{
        SessionStateBuilder,
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::LogicalPlan,
    physical_optimizer::optimizer::PhysicalOptimizer,
    physical_plan::{
        ExecutionPlan, displayable,
        statistics::{StatisticsArgs, StatisticsContext},
    },
    prelude::{SQLOptions, SessionConfig, SessionContext},
};
use folder::Folder;
use state::StateStore;
use std::{num::NonZeroUsize, sync::Arc};

/// What the engine is called and takes.
pub(super) const ENGINE: Engine = Engine { spec: SPEC, connect: |config| Ok(Arc::new(DataFusion::connect(config)?)) };

const SPEC: EngineSpec = EngineSpec {
    name: "datafusion",
    meaning: "The embedded engine: Parquet, CSV and JSON-lines files in a folder, read in place, no server.",
    options: &[
        option(
            "path",
            false,
            "The folder of the data, relative to the project. `crm.customers` is `crm/customers.parquet` (or `.csv`, `.json`, `.jsonl`, `.ndjson`) in it, or the folder `crm/customers/` of such files.",
            Some("data"),
        ),
        option("threads", false, "How many parts of a query run at once; left out, the number of processors.", None),
        option(
            "memory_limit",
            false,
            "Memory for queries, such as `512M` or `4G`; beyond it sorts, joins and aggregates use temporary files. Left out, there is no limit.",
            None,
        ),
    ],
};

/// The embedded engine on one folder.
pub(crate) struct DataFusion {
    tables: Arc<Tables>,
}

impl DataFusion {
    /// Prepares the session; no file is touched yet.
    pub(crate) fn connect(config: TargetConfig) -> Result<Self, WarehouseError> {
        let absolute = std::path::absolute(&config.project_dir)
            .map_err(|error| config.error(format!("the project's folder has no absolute path: {error}")))?;
        let folder = Folder::new(&config.name, absolute.join(config.text("path").unwrap_or("data")));
        if !folder::is_plain_name(&config.state_schema) {
            return Err(config.error(format!("`{}` cannot be the name of the state schema", config.state_schema)));
        }
        let state_folder = match config.state_schema.as_str() {
            "springline" => "state".to_owned(),
            // Another schema is another set of tables: a test target must never see the ledger of production.
            other => format!("state.{other}"),
        };
        let root = absolute.join(".springline").join(state_folder);
        let state = StateStore::new(&config.name, &config.state_schema, root);
        let session = session(&config)?.state();
        let declared = config.declared.iter().cloned().collect();
        Ok(Self { tables: Arc::new(Tables { target: config.name, folder, state, declared, session }) })
    }

    fn scope(&self) -> Arc<Scope> {
        Scope::new(Arc::clone(&self.tables))
    }

    async fn plan(&self, scope: &Arc<Scope>, sql: &str) -> Result<LogicalPlan, WarehouseError> {
        scope.session().create_logical_plan(sql).await.map_err(|error| errors::map(error, scope))
    }
}

/// The session all statements start from.
fn session(config: &TargetConfig) -> Result<SessionContext, WarehouseError> {
    let mut settings =
        SessionConfig::new().with_default_catalog_and_schema(ROOT, ROOT).with_create_default_catalog_and_schema(false);
    if let Some(threads) = config.number::<NonZeroUsize>("threads")? {
        settings = settings.with_target_partitions(threads.get());
    }
    let options = settings.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    // Spark writes instants as INT96; read as nanoseconds, years beyond 2262 overflow.
    options.execution.parquet.coerce_int96 = Some("us".to_owned());
    options.execution.parquet.coerce_int96_tz = Some("UTC".to_owned());
    // Files may change between two statements of one process: a cached listing would hide it.
    let mut runtime = RuntimeEnvBuilder::new().with_object_list_cache_limit(0);
    if let Some(limit) = config.text("memory_limit") {
        let bytes = SessionContext::parse_capacity_limit("memory_limit", limit).ok().filter(|bytes| *bytes > 0);
        let Some(bytes) = bytes else {
            let error = config.error("option `memory_limit` is not an amount of memory");
            return Err(error.with_hint("write a number and K, M or G, such as `2G`"));
        };
        let named = NonZeroUsize::new(3).unwrap_or(NonZeroUsize::MIN);
        runtime = runtime.with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), named)));
    }
    let runtime = runtime.build_arc().map_err(|error| config.error(error.strip_backtrace()))?;
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(gather_once::GatherOnce));
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(settings)
        .with_runtime_env(runtime)
        .with_physical_optimizer_rules(rules)
        .build();
    let context = SessionContext::new_with_state(state);
    context.register_udaf(most_frequent::most_frequent());
    functions::all().for_each(|function| context.register_udf(function));
    Ok(context)
}

/// What the scans of a plan read, from the statistics of the files.
fn read_by(plan: &Arc<dyn ExecutionPlan>) -> Result<Estimate, DataFusionError> {
    let children = plan.children();
    if children.is_empty() {
        let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new())?;
        let number = |value: Option<&usize>| value.and_then(|n| u64::try_from(*n).ok());
        return Ok(Estimate {
            bytes: number(known.total_byte_size.get_value()),
            rows: number(known.num_rows.get_value()),
            partitions: None,
        });
    }
    children.into_iter().try_fold(Estimate::default(), |sum, child| Ok(sum.plus(read_by(child)?)))
}

#[async_trait]
impl Warehouse for DataFusion {
    async fn check(&self) -> Result<(), WarehouseError> {
        self.tables.folder.check()
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        self.check().await?;
        Ok(About { version: format!("DataFusion {}", datafusion::DATAFUSION_VERSION), user: None, now: None })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let scope = self.scope();
        let Some(opened) = scope.open(table).await.map_err(|error| errors::map(error, &scope))? else {
            return Ok(None);
        };
        let schema = columns::plain_schema(&opened.schema());
        let column = |field: &Arc<arrow::datatypes::Field>| Column {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
        };
        Ok(Some(schema.fields().iter().map(column).collect()))
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        self.tables.folder.check()?;
        self.find_tables(discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        let scope = self.scope();
        let plan = self.plan(&scope, sql).await?;
        statement::run(&self.tables, scope, plan).await
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let scope = self.scope();
        let plan = self.plan(&scope, sql).await?;
        let reads_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        if reads_only.verify_plan(&plan).is_err() {
            let error = WarehouseError::new(ErrorKind::Sql, &self.tables.target, "this statement is not a query");
            return Err(error.with_hint("a query starts with SELECT, WITH or VALUES"));
        }
        statement::rows(scope, plan).await
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        statement::load(&self.tables, table, schema, rows).await
    }

    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        let scope = self.scope();
        let plan = physical::plan(&scope, &self.plan(&scope, sql).await?).await?;
        read_by(&plan).map_err(|error| errors::map(error, &scope))
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        let scope = self.scope();
        let physical = physical::plan(&scope, &statement::input(self.plan(&scope, sql).await?)).await?;
        Ok(displayable(physical.as_ref()).indent(false).to_string())
    }
}
