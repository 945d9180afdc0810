//! The tables of a folder of files: columns from the files themselves, types from the model where the files carry
//! none. It must not know statements.

use super::{
    DataFusion, errors,
    files::Opener,
    folder::{Format, Located},
};
use crate::{Column, Discover, FoundColumn, FoundTable, Warehouse, WarehouseError, columns};
use arrow::{
    array::AsArray,
    datatypes::{DataType, Field, Int64Type},
};
use futures::TryStreamExt;

/// How deep folders are looked into: `catalog.schema.table`.
const MAX_PARTS: usize = 3;

impl DataFusion {
    pub(super) async fn find_tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        let mut schemas = discover.schemas.clone();
        if schemas.is_empty() || discover.all {
            schemas.push(Vec::new());
        }
        let mut found: Vec<FoundTable> = Vec::new();
        let mut seen: Vec<Vec<String>> = Vec::new();
        while let Some(schema) = schemas.pop() {
            if seen.contains(&schema) || schema.first() == Some(&discover.state_schema) {
                continue;
            }
            for name in self.tables.folder.names(&schema) {
                let path: Vec<String> = schema.iter().cloned().chain([name]).collect();
                match self.tables.folder.locate(&path)? {
                    Some(located) => found.push(self.find_table(path, &located).await?),
                    None if discover.all && path.len() < MAX_PARTS => schemas.push(path),
                    None => {}
                }
            }
            seen.push(schema);
        }
        Ok(found)
    }

    async fn find_table(&self, path: Vec<String>, located: &Located) -> Result<FoundTable, WarehouseError> {
        let scope = self.scope();
        let failed = |error| errors::map(error, &scope);
        let declared = self.tables.declared.get(&path).map(Vec::as_slice).unwrap_or_default();
        let name = path.join(".");
        let opener =
            |declared| Opener { target: &self.tables.target, table: &name, declared, session: &self.tables.session };
        // The files say which columns there are; the model only what those are whose type a file does not carry.
        let table = opener(None).open(located).await.map_err(failed)?;
        let schema = columns::plain_schema(&table.schema());
        let known: Vec<Column> =
            declared.iter().filter(|column| schema.index_of(&column.name).is_ok()).cloned().collect();
        let rows = match located.format {
            Format::Parquet => self.count(&path).await?,
            Format::Csv | Format::JsonLines => {
                // With the types that queries will use, so that what they cannot read is told here.
                let typed = opener(Some(&known)).open(located).await.map_err(failed)?;
                count_of(&self.tables.session, typed).await.map_err(failed)?
            }
        };
        let column = |field: &std::sync::Arc<Field>| {
            let declared = known.iter().find(|c| c.name == *field.name() && located.format != Format::Parquet);
            let data_type = declared.map_or_else(|| field.data_type().clone(), |c| c.data_type.clone());
            FoundColumn {
                name: field.name().clone(),
                ty: language_type(&data_type),
                native: data_type.to_string(),
                nullable: field.is_nullable(),
            }
        };
        let columns = schema.fields().iter().map(column).collect();
        Ok(FoundTable { columns, path, primary_key: Vec::new(), rows: Some(rows) })
    }

    /// The rows of a table; of Parquet files from their metadata.
    async fn count(&self, path: &[String]) -> Result<u64, WarehouseError> {
        let quoted: Vec<String> = path.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
        let rows = self.query(&format!("SELECT COUNT(*) FROM {}", quoted.join("."))).await?;
        let batches: Vec<_> = rows.stream.try_collect().await?;
        Ok(first_number(&batches))
    }
}

async fn count_of(
    session: &datafusion::execution::SessionState,
    table: std::sync::Arc<dyn datafusion::catalog::TableProvider>,
) -> Result<u64, datafusion::common::DataFusionError> {
    let context = datafusion::prelude::SessionContext::new_with_state(session.clone());
    let count = context.read_table(table)?.count().await?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

fn first_number(batches: &[arrow::record_batch::RecordBatch]) -> u64 {
    let number = batches.iter().find_map(|batch| {
        batch.column(0).as_primitive_opt::<Int64Type>().and_then(|counts| counts.iter().flatten().next())
    });
    number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// The word of the model language for a type.
fn language_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Decimal128(precision, scale) if *scale >= 0 => format!("decimal({precision},{scale})"),
        DataType::Utf8 => "string".to_owned(),
        // A column of nulls: text is what everything can be read as.
        DataType::Null => "string".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::List(item) => format!("array<{}>", language_type(item.data_type())?),
        ty if ty.is_integer() => "integer".to_owned(),
        ty if ty.is_floating() => "float".to_owned(),
        _ => return None,
    })
}
