//! Opens the located files of a table for the query engine: formats, declared types, header checks.
//! It must not know how files are found, nor statements.

use super::folder::{Format, Located};
use crate::{Column, ErrorKind, WarehouseError};
use arrow::{
    csv::reader::Format as CsvReader,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    catalog::{Session, TableProvider, view::ViewTable},
    common::DataFusionError,
    datasource::{
        empty::EmptyTable,
        file_format::{FileFormat, csv::CsvFormat, json::JsonFormat, parquet::ParquetFormat},
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
        provider_as_source,
    },
    logical_expr::{LogicalPlanBuilder, col},
};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;

/// Records looked at to guess the types of a CSV or JSON file that the model does not declare.
const GUESSED_FROM: usize = 10_000;

/// Opens one table. Its errors are `DataFusionError`s that may hold a [`WarehouseError`].
pub(crate) struct Opener<'a> {
    pub(crate) target: &'a str,
    /// The table's name in messages.
    pub(crate) table: &'a str,
    /// The columns the model declares for it.
    pub(crate) declared: Option<&'a [Column]>,
    pub(crate) session: &'a dyn Session,
}

type Opened = Result<Arc<dyn TableProvider>, DataFusionError>;

impl Opener<'_> {
    pub(crate) async fn open(&self, located: &Located) -> Opened {
        match located.format {
            Format::Parquet => self.open_parquet(&located.files).await,
            Format::Csv => self.open_csv(&located.files).await,
            Format::JsonLines => self.open_json(&located.files).await,
        }
    }

    async fn open_parquet(&self, files: &[PathBuf]) -> Opened {
        let format: Arc<dyn FileFormat> = Arc::new(ParquetFormat::default());
        let schema = self.guess(&format, files).await?;
        listing(format, files, schema)
    }

    async fn open_json(&self, files: &[PathBuf]) -> Opened {
        for file in files {
            self.check_json_lines(file)?;
        }
        let format: Arc<dyn FileFormat> = Arc::new(JsonFormat::default().with_schema_infer_max_rec(GUESSED_FROM));
        let schema = match self.declared {
            // Objects may leave keys out, so a declared column that no object has is a column of nulls.
            Some(declared) => Arc::new(Schema::new(declared.iter().map(nullable_field).collect::<Vec<_>>())),
            None => self.guess(&format, files).await?,
        };
        listing(format, files, schema)
    }

    async fn open_csv(&self, files: &[PathBuf]) -> Opened {
        // A quoted value may hold a line break; without this the file would be cut inside it.
        let format = CsvFormat::default().with_has_header(true).with_newlines_in_values(true);
        let format: Arc<dyn FileFormat> = Arc::new(format);
        let Some(first) = files.first() else { return Ok(Arc::new(EmptyTable::new(Arc::new(Schema::empty())))) };
        let columns = self.csv_columns(first)?;
        // Files that have the columns in one order are one scan.
        let mut scans: Vec<(Vec<String>, Vec<PathBuf>)> = Vec::new();
        for file in files {
            let header = self.header(file)?;
            self.check_header(&columns, &header, file)?;
            match scans.iter_mut().find(|(known, _)| *known == header) {
                Some((_, same)) => same.push(file.clone()),
                None => scans.push((header, vec![file.clone()])),
            }
        }
        let mut tables = scans.into_iter().map(|(header, files)| {
            let field = |name: String| {
                columns.field_with_name(&name).cloned().unwrap_or(Field::new(name, DataType::Utf8, true))
            };
            let schema = Schema::new(header.into_iter().map(field).collect::<Vec<_>>());
            listing(Arc::clone(&format), &files, Arc::new(schema))
        });
        let Some(table) = tables.next() else { return Ok(Arc::new(EmptyTable::new(columns))) };
        let rest = tables.collect::<Result<Vec<_>, _>>()?;
        if rest.is_empty() { table } else { union(&columns, table?, rest) }
    }

    /// The columns of a CSV table: the header's names, with declared types, else guessed ones.
    fn csv_columns(&self, file: &Path) -> Result<SchemaRef, DataFusionError> {
        let header = self.header(file)?;
        let declared = self.declared.unwrap_or_default();
        let missing = declared.iter().find(|column| !header.contains(&column.name));
        if let Some(column) = missing {
            return Err(self.missing_column(&column.name, &header, file).into());
        }
        if let Some(column) = declared.iter().find(|column| column.data_type.is_nested()) {
            let message = format!("column `{}` of table `{}` is declared as a list", column.name, self.table);
            return Err(self
                .error(ErrorKind::Type, message)
                .with_column(&column.name)
                .with_hint("CSV has no lists: declare it as text, or keep the table as Parquet or JSON lines")
                .into());
        }
        let all_declared = header.iter().all(|name| declared.iter().any(|column| column.name == *name));
        let guessed = if all_declared { None } else { Some(self.read_csv(file, GUESSED_FROM)?) };
        let field = |name: &String| {
            let known = declared.iter().find(|column| column.name == *name).map(nullable_field);
            let guess =
                || guessed.as_ref()?.field_with_name(name).ok().filter(|field| !field.data_type().is_null()).cloned();
            known.or_else(guess).unwrap_or_else(|| Field::new(name, DataType::Utf8, true))
        };
        Ok(Arc::new(Schema::new(header.iter().map(field).collect::<Vec<_>>())))
    }

    fn check_header(&self, columns: &SchemaRef, header: &[String], file: &Path) -> Result<(), DataFusionError> {
        if let Some(field) = columns.fields().iter().find(|field| !header.contains(field.name())) {
            return Err(self.missing_column(field.name(), header, file).into());
        }
        match header.iter().enumerate().find(|(at, name)| header[..*at].contains(name)) {
            Some((_, twice)) => {
                let message = format!("the header of `{}` has the column `{twice}` twice", file.display());
                Err(self.error(ErrorKind::Sql, message).with_column(twice).into())
            }
            None => Ok(()),
        }
    }

    fn header(&self, file: &Path) -> Result<Vec<String>, DataFusionError> {
        let schema = self.read_csv(file, 0)?;
        Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
    }

    /// The names of the header, with types guessed from the first `records` records.
    fn read_csv(&self, file: &Path, records: usize) -> Result<Schema, DataFusionError> {
        let open = File::open(file).map_err(|error| self.unreadable(file, &error))?;
        let reader = CsvReader::default().with_header(true);
        let (schema, _) =
            reader.infer_schema(BufReader::new(open), Some(records)).map_err(|error| self.unreadable(file, &error))?;
        Ok(schema)
    }

    fn check_json_lines(&self, file: &Path) -> Result<(), DataFusionError> {
        let open = File::open(file).map_err(|error| self.unreadable(file, &error))?;
        let mut start = [0; 256];
        let read = BufReader::new(open).read(&mut start).map_err(|error| self.unreadable(file, &error))?;
        match start[..read].iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => {
                let message = format!("`{}` holds one JSON array", file.display());
                Err(self.error(ErrorKind::Sql, message).with_hint("write one JSON object a line").into())
            }
            _ => Ok(()),
        }
    }

    async fn guess(&self, format: &Arc<dyn FileFormat>, files: &[PathBuf]) -> Result<SchemaRef, DataFusionError> {
        let options = options(format);
        let mut schemas = Vec::with_capacity(files.len());
        for file in files {
            let schema = options.infer_schema(self.session, &table_url(file)?).await;
            let schema = schema.map_err(|error| self.unreadable(file, &error.strip_backtrace()))?;
            schemas.push(schema.as_ref().clone().with_metadata(Default::default()));
        }
        let merged = Schema::try_merge(schemas).map_err(|error| {
            let message = format!("the files of table `{}` do not fit together: {error}", self.table);
            self.error(ErrorKind::Type, message)
                .with_hint("files of one folder must agree on the types of their columns")
        })?;
        Ok(Arc::new(merged))
    }

    fn missing_column(&self, column: &str, header: &[String], file: &Path) -> WarehouseError {
        let message =
            format!("column `{column}` of table `{}` is not in the header of `{}`", self.table, file.display());
        self.error(ErrorKind::MissingColumn, message)
            .with_column(column)
            .with_hint(format!("the header has {}", header.join(", ")))
    }

    fn unreadable(&self, file: &Path, error: &dyn std::fmt::Display) -> WarehouseError {
        // The reader's own words may quote a value of the file.
        let error = crate::error::redact_quoted(&crate::error::redact_quoted(&error.to_string(), '\'', &[]), '"', &[]);
        self.error(ErrorKind::Io, format!("table `{}`: `{}` cannot be read: {error}", self.table, file.display()))
    }

    fn error(&self, kind: ErrorKind, message: String) -> WarehouseError {
        WarehouseError::new(kind, self.target, message).with_table(self.table)
    }
}

impl From<WarehouseError> for DataFusionError {
    fn from(error: WarehouseError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// The Parquet files of a state table, with the columns the manifest gives.
pub(crate) fn open_state(files: &[PathBuf], schema: SchemaRef) -> Opened {
    if files.is_empty() {
        return Ok(Arc::new(EmptyTable::new(schema)));
    }
    listing(Arc::new(ParquetFormat::default()), files, schema)
}

/// A declared column may be missing in any row of a file, whatever the model says of nulls.
fn nullable_field(column: &Column) -> Field {
    Field::new(&column.name, column.data_type.clone(), true)
}

fn options(format: &Arc<dyn FileFormat>) -> ListingOptions {
    ListingOptions::new(Arc::clone(format)).with_file_extension("")
}

fn listing(format: Arc<dyn FileFormat>, files: &[PathBuf], schema: SchemaRef) -> Opened {
    let urls = files.iter().map(|file| table_url(file)).collect::<Result<Vec<_>, _>>()?;
    let config =
        ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options(&format)).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

fn union(columns: &SchemaRef, first: Arc<dyn TableProvider>, rest: Vec<Arc<dyn TableProvider>>) -> Opened {
    let scan = |table: Arc<dyn TableProvider>| {
        let names = columns.fields().iter().map(|field| col(datafusion::common::Column::from_name(field.name())));
        LogicalPlanBuilder::scan("files", provider_as_source(table), None)?.project(names)
    };
    let mut plan = scan(first)?;
    for table in rest {
        plan = plan.union(scan(table)?.build()?)?;
    }
    Ok(Arc::new(ViewTable::new(plan.build()?, None)))
}

/// A file's address as it is: in a plain path `*` and `[` would be patterns.
fn table_url(file: &Path) -> Result<ListingTableUrl, DataFusionError> {
    let url = Url::from_file_path(file)
        .map_err(|()| DataFusionError::Configuration(format!("`{}` is not an absolute path", file.display())))?;
    ListingTableUrl::try_new(url, None)
}
