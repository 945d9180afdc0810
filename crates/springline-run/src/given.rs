//! Given rows as tables of an engine that has nothing else.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};
use springline_ir::{Literal, TableName};
use springline_model::{EntityId, Fixture, Given, Leaf, Project, Source, SourceMap, Span, literal_text};
use springline_sql::Dialect;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::arrow_types::arrow_type;
use crate::{RunError, Session};

/// What stands for the target's name in messages.
const TARGET: &str = "given rows";
/// The schema of Springline's own tables among given rows.
const STATE: &str = "springline";

/// Where tests with given rows are run.
pub struct Bench {
    project: Arc<Project>,
    sources: Arc<SourceMap>,
    dialect: Arc<Dialect>,
    /// A segment or field asks who was a member before.
    asks_history: bool,
}

impl Bench {
    /// A bench for a project; `dialect` is that of the embedded engine.
    pub fn new(project: &Project, sources: Arc<SourceMap>, dialect: Dialect) -> Self {
        let mut project = project.clone();
        for source in &mut project.sources {
            // Each source has a table of its own, whatever it is called in the warehouse.
            source.table = TableName { parts: vec![source.name.clone()] };
        }
        let fields = project.entities.iter().flat_map(|entity| &entity.fields).map(|field| &field.expr);
        let mut asks_history = false;
        for expr in project.segments.iter().map(|segment| &segment.condition).chain(fields) {
            expr.each_leaf(&mut |leaf| asks_history |= is_history(leaf));
        }
        Bench { project: Arc::new(project), sources, dialect: Arc::new(dialect), asks_history }
    }

    /// `file:line` of a definition.
    pub(crate) fn locate(&self, span: Span) -> String {
        self.sources.locate(span)
    }

    /// A session on the rows of a fixture. It works as long as the folder lives.
    pub(crate) async fn session(&self, fixture: &Fixture) -> Result<(Session, TempDir), RunError> {
        let folder = TempDir::new().map_err(|e| RunError::file(&std::env::temp_dir(), e))?;
        let tables = self.project.sources.iter().enumerate().map(|(i, source)| {
            let given = fixture.given.iter().filter(|given| given.source.0 == i);
            Ok((source.name.clone(), batch(source, given)?))
        });
        let tables = tables.collect::<Result<Vec<_>, RunError>>()?;
        let warehouse = springline_warehouse::sandbox(TARGET, folder.path(), &tables).await?;
        let session = Session {
            project: Arc::clone(&self.project),
            sources: Arc::clone(&self.sources),
            warehouse,
            target: TARGET.to_owned(),
            dialect: Arc::clone(&self.dialect),
            state_schema: STATE.to_owned(),
            price_per_tib: None,
            as_of: fixture.as_of,
            project_dir: folder.path().to_owned(),
            local_state: None,
            stop: CancellationToken::new(),
            observer: Arc::new(|_| {}),
        };
        if self.asks_history {
            // Nothing was run before on given rows: the tables that history stands in are there and empty.
            for entity in 0..self.project.entities.len() {
                let ground = springline_plan::ground(session.context(), EntityId(entity));
                session.execute_all(&ground.prepare).await?;
            }
        }
        Ok((session, folder))
    }
}

fn is_history(leaf: &Leaf) -> bool {
    match leaf {
        Leaf::History(_) => true,
        Leaf::Related { leaf, .. } => is_history(leaf),
        _ => false,
    }
}

/// The rows of a source, with a null for every column that a row does not name.
fn batch<'a>(source: &Source, given: impl Iterator<Item = &'a Given>) -> Result<RecordBatch, RunError> {
    let fields: Vec<Field> =
        source.columns.iter().map(|column| Field::new(&column.name, arrow_type(&column.ty), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let objects: Vec<Map<String, Value>> = given.flat_map(|given| &given.rows).map(|row| object(source, row)).collect();
    if objects.is_empty() {
        return Ok(RecordBatch::new_empty(schema));
    }
    let failed = |e: arrow::error::ArrowError| RunError::Result(format!("given rows of `{}`: {e}", source.name));
    let builder = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(objects.len());
    let mut decoder = builder.build_decoder().map_err(failed)?;
    decoder.serialize(&objects).map_err(failed)?;
    let batch = decoder.flush().map_err(failed)?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

fn object(source: &Source, row: &[(usize, Literal)]) -> Map<String, Value> {
    let value = |literal: &Literal| match literal {
        Literal::Null => Value::Null,
        Literal::Boolean(value) => Value::Bool(*value),
        Literal::Integer(value) => Value::from(*value),
        Literal::Float(value) => Value::from(*value),
        other => Value::String(literal_text(other)),
    };
    let cells = row.iter().filter_map(|(place, literal)| Some((source.columns.get(*place)?, literal)));
    cells.map(|(column, literal)| (column.name.clone(), value(literal))).collect()
}

/// A value that came back as text: keys are compared so.
pub(crate) fn key_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
