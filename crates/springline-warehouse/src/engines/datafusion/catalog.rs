//! What a statement sees: the tables it names, found and opened when it names them, each once, so that a statement
//! sees one version of a table however often it names it. It must not know statements' text.

use super::{
    files::{Opener, open_state},
    folder::{Folder, Format},
    state::StateStore,
};
use crate::{Column, WarehouseError};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider},
    common::{DataFusionError, TableReference},
    execution::{SessionState, SessionStateBuilder},
};
use std::{
    collections::HashMap,
    fmt,
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The name of the level that a path leaves out. No file or folder can be called so, hence no clash.
pub(crate) const ROOT: &str = ".";

/// What all statements of a target share.
pub(crate) struct Tables {
    pub(crate) target: String,
    pub(crate) folder: Folder,
    pub(crate) state: StateStore,
    pub(crate) declared: HashMap<Vec<String>, Vec<Column>>,
    /// A session without tables: configuration, functions, memory pool.
    pub(crate) session: SessionState,
}

/// One statement's view of the tables. Files of state tables that it opened are kept while it lives.
pub(crate) struct Scope {
    tables: Arc<Tables>,
    opened: tokio::sync::Mutex<HashMap<Vec<String>, Arc<dyn TableProvider>>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    missing: Vec<(String, WarehouseError)>,
    csv: Vec<(String, SchemaRef)>,
    locks: Vec<File>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tables of target {}", self.tables.target)
    }
}

impl Scope {
    pub(crate) fn new(tables: Arc<Tables>) -> Arc<Self> {
        Arc::new(Self { tables, opened: Default::default(), seen: Default::default() })
    }

    pub(crate) fn target(&self) -> &str {
        &self.tables.target
    }

    /// A session that sees this scope's tables.
    pub(crate) fn session(self: &Arc<Self>) -> SessionState {
        let catalogs = Arc::new(Catalogs(Arc::clone(self)));
        SessionStateBuilder::new_from_existing(self.tables.session.clone()).with_catalog_list(catalogs).build()
    }

    /// The state table that a reference names, or `None` when it names a source.
    pub(crate) fn state_table(&self, reference: &TableReference) -> Option<String> {
        let resolved = reference.clone().resolve(ROOT, ROOT);
        let in_state = *resolved.catalog == *ROOT && *resolved.schema == *self.tables.state.schema_name();
        in_state.then(|| resolved.table.to_string())
    }

    /// Opens a table by its path; `None` when there is no such table.
    pub(crate) async fn open(&self, path: &[String]) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let mut opened = self.opened.lock().await;
        if let Some(table) = opened.get(path) {
            return Ok(Some(Arc::clone(table)));
        }
        let table = match path {
            [schema, table] if schema == self.tables.state.schema_name() => self.open_state(table)?,
            _ => self.open_source(path).await?,
        };
        match table {
            Some(table) => {
                opened.insert(path.to_vec(), Arc::clone(&table)).map_or(Ok(Some(table)), |old| Ok(Some(old)))
            }
            None => Ok(None),
        }
    }

    fn open_state(&self, table: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(snapshot) = self.tables.state.read(table)? else { return Ok(None) };
        let provider = open_state(&snapshot.files, view_schema(&snapshot.schema))?;
        self.seen().locks.push(snapshot.into_lock());
        Ok(Some(provider))
    }

    async fn open_source(&self, path: &[String]) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(located) = self.tables.folder.locate(path)? else { return Ok(None) };
        let name = path.join(".");
        let opener = Opener {
            target: &self.tables.target,
            table: &name,
            declared: self.tables.declared.get(path).map(Vec::as_slice),
            session: &self.tables.session,
        };
        let table = opener.open(&located).await?;
        if located.format == Format::Csv {
            self.seen().csv.push((name, table.schema()));
        }
        Ok(Some(table))
    }

    /// Notes that a statement asked for a table that is not there; the engine's own error names it without a reason.
    fn note_missing(&self, key: String, path: &[String]) {
        let error = match path {
            [schema, table] if schema == self.tables.state.schema_name() => self.tables.state.missing(table),
            _ => self.tables.folder.missing(path),
        };
        self.seen().missing.push((key, error));
    }

    /// The noted error of the missing table that the engine's message names.
    pub(crate) fn missing_in(&self, message: &str) -> Option<WarehouseError> {
        let named = |key: &str| message.contains(&format!("'{key}' not found"));
        self.seen().missing.iter().find(|(key, _)| named(key)).map(|(_, error)| error.clone())
    }

    /// The table and column name of the `index`th column (from 0) of the one CSV table it can be.
    pub(crate) fn csv_column(&self, index: usize, type_name: Option<&str>) -> Option<(String, String)> {
        let seen = self.seen();
        let fits = |field: &Field| type_name.is_none_or(|name| field.data_type().to_string() == name);
        let mut candidates = seen.csv.iter().filter_map(|(table, schema)| {
            let field = schema.fields().get(index)?;
            fits(field).then(|| (table.clone(), field.name().clone()))
        });
        match (candidates.next(), candidates.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text as views: what the engine uses for Parquet of sources, so that both sides of a join agree.
fn view_schema(schema: &Schema) -> SchemaRef {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(view).collect::<Vec<_>>()))
}

/// A name of the engine's messages without the levels that the user left out.
pub(crate) fn shown(name: &str) -> String {
    name.replace("....", "").replace("\".\".\".\".", "").replace("\".\".", "")
}

#[derive(Debug)]
struct Catalogs(Arc<Scope>);

impl CatalogProviderList for Catalogs {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![ROOT.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        Some(Arc::new(Catalog { scope: Arc::clone(&self.0), name: name.to_owned() }))
    }
}

#[derive(Debug)]
struct Catalog {
    scope: Arc<Scope>,
    name: String,
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        vec![ROOT.to_owned(), self.scope.tables.state.schema_name().to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let (scope, catalog) = (Arc::clone(&self.scope), self.name.clone());
        Some(Arc::new(Level { scope, catalog, schema: name.to_owned() }))
    }
}

#[derive(Debug)]
struct Level {
    scope: Arc<Scope>,
    catalog: String,
    schema: String,
}

impl Level {
    fn path(&self, table: Option<&str>) -> Vec<String> {
        let parts = [Some(self.catalog.as_str()), Some(self.schema.as_str()), table];
        parts.into_iter().flatten().filter(|part| *part != ROOT).map(str::to_owned).collect()
    }
}

#[async_trait]
impl SchemaProvider for Level {
    fn table_names(&self) -> Vec<String> {
        match self.path(None).as_slice() {
            [schema] if schema == self.scope.tables.state.schema_name() => self.scope.tables.state.names(),
            path => self.scope.tables.folder.names(path),
        }
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let path = self.path(Some(name));
        let table = self.scope.open(&path).await?;
        if table.is_none() {
            self.scope.note_missing(format!("{}.{}.{name}", self.catalog, self.schema), &path);
        }
        Ok(table)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}
