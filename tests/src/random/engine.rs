//! The engines that are asked: they hold the random rows and answer queries with text.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::array::{BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use futures::{StreamExt, TryStreamExt};
use springline_ir::{Query, Statement, Type};
use springline_sql::Dialect;
use springline_warehouse::{TargetConfig, Warehouse, connect};

use crate::reference::{Table, Value};
use crate::servers::Server;

/// A warehouse and its dialect.
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    dialect: Dialect,
    warehouse: Arc<dyn Warehouse>,
    /// The server that must be given the rows; none for the embedded engine, which reads files.
    server: Option<Server>,
}

/// Rows by their first column.
pub type Answer = BTreeMap<String, BTreeMap<String, Option<String>>>;

impl Engine {
    /// The embedded engine over a folder of Parquet files.
    pub async fn embedded(folder: &Path) -> Engine {
        let name = "datafusion";
        let config = TargetConfig {
            name: name.to_owned(),
            engine: name.to_owned(),
            tag: "springline-test".to_owned(),
            options: BTreeMap::from([("path".to_owned(), folder.display().to_string())]),
            project_dir: folder.to_owned(),
            state_schema: "springline".to_owned(),
            declared: Vec::new(),
        };
        let warehouse = connect(config).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        Engine { name, dialect: Dialect::embedded(name).expect("a dialect"), warehouse, server: None }
    }

    /// The database of a server.
    pub async fn server(server: Server) -> Engine {
        let (name, warehouse) = (server.engine, server.connect().await);
        Engine { name, dialect: server.dialect(), warehouse, server: Some(server) }
    }

    /// What the dialect can do.
    pub fn capabilities(&self) -> springline_ir::Capabilities {
        self.dialect.capabilities()
    }

    /// Makes the tables of a server anew and fills them.
    pub async fn load(&self, tables: &HashMap<String, Table>) {
        let Some(server) = &self.server else { return };
        for (name, table) in tables {
            let columns: Vec<(String, String)> =
                table.columns.iter().map(|(name, ty)| (name.clone(), ty.to_string())).collect();
            server.create(self.warehouse.as_ref(), name, &columns).await;
            let batch = batch(table);
            let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
            let path = [name.clone()];
            self.warehouse.load(&path, batch.schema(), rows).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    /// The rows of a query as text; the error's text, with the SQL, where it fails.
    pub async fn ask(&self, query: Query) -> Result<Answer, String> {
        let sql = springline_sql::print(&self.dialect, &Statement::Query(query)).map_err(|e| e.to_string())?;
        if std::env::var_os("SPRINGLINE_SQL").is_some() {
            println!("-- {}\n{sql}", self.name);
        }
        let failed = |e: springline_warehouse::WarehouseError| format!("{e:?}\n{sql}");
        let rows = self.warehouse.query(&sql).await.map_err(failed)?;
        let batches: Vec<RecordBatch> = rows.stream.try_collect().await.map_err(failed)?;
        let mut answer = Answer::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let schema = batch.schema();
                let cells = schema.fields().iter().zip(batch.columns());
                let cells: BTreeMap<_, _> = cells.map(|(f, c)| (f.name().clone(), cell(c, row))).collect();
                let key = cell(batch.column(0), row).unwrap_or_else(|| "null".to_owned());
                if answer.insert(key.clone(), cells).is_some() {
                    return Err(format!("{key} stands twice\n{sql}"));
                }
            }
        }
        Ok(answer)
    }
}

/// Writes each table as a Parquet file of the folder.
pub fn write_files(folder: &Path, tables: &HashMap<String, Table>) {
    for (name, table) in tables {
        let batch = batch(table);
        let file = std::fs::File::create(folder.join(format!("{name}.parquet"))).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a whole file");
    }
}

/// Text, whole numbers and truth values are what is asked for; of other types nothing is told.
fn cell(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        other => format!("a {other}"),
    })
}

fn batch(table: &Table) -> RecordBatch {
    let columns: Vec<ArrayRef> =
        table.columns.iter().enumerate().map(|(i, (_, ty))| array(ty, table.rows.iter().map(|row| &row[i]))).collect();
    let fields: Vec<Field> = table
        .columns
        .iter()
        .zip(&columns)
        .map(|((name, _), c)| Field::new(name, c.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

fn array<'a>(ty: &Type, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    let epoch = jiff::civil::date(1970, 1, 1);
    match ty {
        Type::Boolean => Arc::new(values.map(Value::truth).collect::<BooleanArray>()),
        Type::Integer => Arc::new(values.map(|v| v.integer().ok()).collect::<Int64Array>()),
        Type::Float => Arc::new(values.map(|v| v.float().ok()).collect::<Float64Array>()),
        Type::Decimal { precision, scale } => {
            let all: Decimal128Array = values.map(|v| v.decimal().map(|(n, _)| n)).collect();
            Arc::new(all.with_precision_and_scale(*precision, *scale as i8).expect("a decimal type"))
        }
        Type::Date => {
            let days = |v: &Value| match v {
                Value::Date(day) => Some((*day - epoch).get_days()),
                _ => None,
            };
            Arc::new(values.map(days).collect::<Date32Array>())
        }
        Type::Timestamp => {
            let micros = |v: &Value| match v {
                Value::Timestamp(at) => Some(at.as_microsecond()),
                _ => None,
            };
            Arc::new(values.map(micros).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        _ => Arc::new(values.map(|v| v.str().ok().map(str::to_owned)).collect::<StringArray>()),
    }
}
