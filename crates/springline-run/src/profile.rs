//! The profile of a table: how complete and how varied its columns are. Values of columns that may be personal never
//! leave the warehouse.

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use serde_json::Value;
use springline_ir::{
    Aggregate, Body, ColumnRef, Expr, ExprKind, From, FunctionId, OrderBy, OutputColumn, Query, RelExpr, Relation,
    Select, Statement, TableName, Type,
};
use springline_model::{LockColumn, LockTable, Source};
use springline_sql::Dialect;
use springline_warehouse::Warehouse;

use crate::cells::cell;
use crate::{RunError, guess_pii};

/// How many of the most frequent values are shown.
const TOP: u64 = 5;
/// Columns with more different values than this have no frequent ones worth showing.
const VARIED: u64 = 1000;
/// Columns a query profiles: each takes four aggregates, and engines limit how many a query may have.
const CHUNK: usize = 40;

/// The profile of a table.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Profile {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns that can be read, by name.
    pub columns: Vec<ColumnProfile>,
}

/// The profile of a column.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ColumnProfile {
    /// Its name.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// It is, or seems to be, personal: no value is told.
    pub personal: bool,
    /// Rows in which it is not null.
    pub filled: u64,
    /// Different values; none for types that cannot be compared.
    pub distinct: Option<u64>,
    /// The smallest value; null where it is not told.
    pub min: Value,
    /// The largest value; null where it is not told.
    pub max: Value,
    /// The most frequent values and in how many rows each is; empty where they are not told.
    pub top: Vec<(Value, u64)>,
}

/// Where tables are profiled.
#[derive(Clone, Copy)]
pub struct Profiler<'a> {
    /// The warehouse.
    pub warehouse: &'a dyn Warehouse,
    /// Its dialect.
    pub dialect: &'a Dialect,
}

impl Profiler<'_> {
    /// Profiles a table; what `sources` declare as PII, and what has such a name, is counted but not shown.
    ///
    /// # Errors
    /// What the warehouse reports.
    pub async fn profile(&self, table: &LockTable, sources: &[Source]) -> Result<Profile, RunError> {
        let mut profile = Profile { table: table.name.clone(), rows: 0, columns: Vec::new() };
        let readable: Vec<(&LockColumn, &Type)> =
            table.columns.iter().filter_map(|c| Some((c, c.ty.known()?))).collect();
        for chunk in readable.chunks(CHUNK) {
            self.chunk(table, chunk, sources, &mut profile).await?;
        }
        for column in &mut profile.columns {
            let (distinct, ty) = (column.distinct.unwrap_or(0), table.column(&column.column));
            let repeats = distinct > 0 && distinct <= VARIED && distinct < column.filled;
            if let (true, false, Some(ty)) = (repeats, column.personal, ty.and_then(|c| c.ty.known())) {
                column.top = self.top(table, &column.column, ty).await?;
            }
        }
        Ok(profile)
    }

    async fn chunk(
        &self,
        table: &LockTable,
        columns: &[(&LockColumn, &Type)],
        sources: &[Source],
        profile: &mut Profile,
    ) -> Result<(), RunError> {
        let mut outputs = vec![output("all_rows".to_owned(), aggregate(FunctionId::COUNT, None, Type::Integer))];
        for (i, (column, ty)) in columns.iter().enumerate() {
            let value = |function, result| aggregate(function, Some(leaf(&column.name, ty)), result);
            outputs.push(output(format!("filled_{i}"), value(FunctionId::COUNT, Type::Integer)));
            if is_comparable(ty) {
                outputs.push(output(format!("distinct_{i}"), value(FunctionId::COUNT_DISTINCT, Type::Integer)));
            }
            if has_order(ty) && !is_personal(sources, table, &column.name) {
                outputs.push(output(format!("min_{i}"), value(FunctionId::MIN, (*ty).clone())));
                outputs.push(output(format!("max_{i}"), value(FunctionId::MAX, (*ty).clone())));
            }
        }
        let batches = self.query(Select::new(from(table), outputs)).await?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(()) };
        profile.rows = value_of(batch, "all_rows")?.as_u64().unwrap_or(0);
        for (i, (column, ty)) in columns.iter().enumerate() {
            profile.columns.push(ColumnProfile {
                column: column.name.clone(),
                ty: ty.to_string(),
                personal: is_personal(sources, table, &column.name),
                filled: value_of(batch, &format!("filled_{i}"))?.as_u64().unwrap_or(0),
                distinct: value_of(batch, &format!("distinct_{i}"))?.as_u64(),
                min: value_of(batch, &format!("min_{i}"))?,
                max: value_of(batch, &format!("max_{i}"))?,
                top: Vec::new(),
            });
        }
        Ok(())
    }

    async fn top(&self, table: &LockTable, column: &str, ty: &Type) -> Result<Vec<(Value, u64)>, RunError> {
        let value = leaf(column, ty);
        let rows = aggregate(FunctionId::COUNT, None, Type::Integer);
        let select = Select {
            filter: Some(Expr::call(FunctionId::IS_NOT_NULL, vec![value.clone()], Type::Boolean)),
            group_by: vec![value.clone()],
            order_by: vec![
                OrderBy { expr: rows.clone(), descending: true },
                OrderBy { expr: value.clone(), descending: false },
            ],
            limit: Some(TOP),
            ..Select::new(from(table), vec![output("value".to_owned(), value), output("rows".to_owned(), rows)])
        };
        let mut top = Vec::new();
        for batch in self.query(select).await? {
            for row in 0..batch.num_rows() {
                top.push((cell(batch.column(0), row)?, cell(batch.column(1), row)?.as_u64().unwrap_or(0)));
            }
        }
        Ok(top)
    }

    /// The column that tells the rows apart: the declared key, or the first that is never null and never twice.
    ///
    /// # Errors
    /// What the warehouse reports.
    pub async fn suggest_key(&self, table: &LockTable) -> Result<Option<String>, RunError> {
        match table.primary_key.as_slice() {
            [] => {}
            [only] => return Ok(Some(only.clone())),
            _ => return Ok(None),
        }
        let looks_like_key = |column: &&LockColumn| {
            let name = column.name.to_lowercase();
            let by_name = ["id", "key", "code", "uuid"].iter().any(|end| name.ends_with(end));
            by_name && matches!(column.ty.known(), Some(Type::Integer | Type::String))
        };
        let mut candidates: Vec<&LockColumn> = table.columns.iter().filter(looks_like_key).collect();
        // What is named after the table comes first.
        let own = table.name.rsplit('.').next().unwrap_or_default().trim_end_matches('s').to_lowercase();
        candidates.sort_by_key(|c| !(c.name.eq_ignore_ascii_case("id") || c.name.to_lowercase().starts_with(&own)));
        let only = LockTable {
            columns: candidates.iter().take(CHUNK).map(|c| (*c).clone()).collect(),
            ..LockTable { columns: Vec::new(), ..table.clone() }
        };
        let readable: Vec<(&LockColumn, &Type)> =
            only.columns.iter().filter_map(|c| Some((c, c.ty.known()?))).collect();
        let mut profile = Profile { table: table.name.clone(), rows: 0, columns: Vec::new() };
        if !readable.is_empty() {
            self.chunk(&only, &readable, &[], &mut profile).await?;
        }
        let is_key = |c: &&ColumnProfile| profile.rows > 0 && c.filled == profile.rows && c.distinct == Some(c.filled);
        Ok(profile.columns.iter().find(is_key).map(|c| c.column.clone()))
    }

    async fn query(&self, select: Select) -> Result<Vec<RecordBatch>, RunError> {
        let query = Query { ctes: Vec::new(), body: Body::Select(Box::new(select)) };
        let sql = springline_sql::print(self.dialect, &Statement::Query(query))?;
        Ok(self.warehouse.query(&sql).await?.stream.try_collect().await?)
    }
}

fn is_personal(sources: &[Source], table: &LockTable, column: &str) -> bool {
    let own = sources.iter().filter(|s| s.table.to_string() == table.name);
    let declared = own.filter_map(|s| s.column(column)).any(|c| c.pii.is_some());
    declared || guess_pii(column).is_some()
}

fn is_comparable(ty: &Type) -> bool {
    !matches!(ty, Type::Json | Type::Array(_))
}

fn has_order(ty: &Type) -> bool {
    is_comparable(ty) && *ty != Type::Boolean
}

/// The first row's value; null where there is no such column.
fn value_of(batch: &RecordBatch, name: &str) -> Result<Value, RunError> {
    batch.column_by_name(name).map_or(Ok(Value::Null), |array| cell(array, 0))
}

fn from(table: &LockTable) -> From {
    let parts = table.name.split('.').map(str::to_owned).collect();
    From { relation: Relation::Table(TableName { parts }), alias: "t".to_owned() }
}

fn leaf(name: &str, ty: &Type) -> RelExpr {
    Expr::leaf(ColumnRef { relation: "t".to_owned(), column: name.to_owned() }, ty.clone())
}

fn output(name: String, expr: RelExpr) -> OutputColumn {
    OutputColumn { name, expr }
}

fn aggregate(function: FunctionId, arg: Option<RelExpr>, ty: Type) -> RelExpr {
    // A count of all rows takes no argument.
    let call = Aggregate { function, args: arg.into_iter().collect(), filter: None, order_by: Vec::new() };
    Expr { kind: ExprKind::Aggregate(Box::new(call)), ty }
}
