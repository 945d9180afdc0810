//! The tables of a catalog, from SHOW and DESCRIBE, which catalogs of Unity and of Hive have alike; and what a plan
//! says of the bytes it reads. It must not read a row of a table.
//!
//! <https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-syntax-aux-show-tables>

use super::{
    api::{Api, Form},
    decode::arrow_type,
    quoted,
};
use crate::{Discover, ErrorKind, Estimate, FoundColumn, FoundTable, WarehouseError};
use arrow::datatypes::DataType;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;

/// So many tables are described at the same time.
const AT_ONCE: usize = 4;

pub(super) async fn tables(api: &Arc<Api>, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
    let own = texts(api, "SELECT CURRENT_SCHEMA()").await?.into_iter().next().map(|mut row| row.swap_remove(0));
    let mut paths: Vec<Vec<String>> = discover.schemas.clone();
    if discover.all {
        for row in texts(api, "SHOW SCHEMAS").await? {
            let schema: Vec<String> = row.into_iter().take(1).collect();
            let is_own = schema.first() == own.as_ref();
            let is_named = paths.contains(&schema) || (is_own && paths.contains(&Vec::new()));
            if !is_named && schema.first().is_some_and(|name| name != "information_schema") {
                paths.push(if is_own { Vec::new() } else { schema });
            }
        }
    } else if paths.is_empty() {
        paths.push(Vec::new());
    }
    let mut all = Vec::new();
    for schema in paths.into_iter().filter(|path| path.last() != Some(&discover.state_schema)) {
        let place = if schema.is_empty() { String::new() } else { format!(" IN {}", quoted(&schema)) };
        for row in texts(api, &format!("SHOW TABLES{place}")).await? {
            // Schema, table, whether it is temporary.
            if let [_, table, temporary, ..] = row.as_slice()
                && temporary != "true"
            {
                all.push(schema.iter().chain([table]).cloned().collect::<Vec<String>>());
            }
        }
    }
    stream::iter(all).map(|path| described(api, path)).buffer_unordered(AT_ONCE).try_collect().await
}

async fn described(api: &Arc<Api>, path: Vec<String>) -> Result<FoundTable, WarehouseError> {
    let rows = match texts(api, &format!("DESCRIBE TABLE {}", quoted(&path))).await {
        Ok(rows) => rows,
        // Dropped since.
        Err(error) if error.kind() == ErrorKind::MissingTable => Vec::new(),
        Err(error) => return Err(error),
    };
    // After the columns, and a heading that begins with `#`, the partitions are told.
    let columns = rows.into_iter().take_while(|row| row.first().is_some_and(|n| !n.is_empty() && !n.starts_with('#')));
    let column = |row: Vec<String>| {
        let [name, native] = <[String; 2]>::try_from(row.into_iter().take(2).collect::<Vec<_>>()).ok()?;
        Some(FoundColumn { ty: language_type(&native), name, native, nullable: true })
    };
    Ok(FoundTable { path, columns: columns.filter_map(column).collect(), primary_key: Vec::new(), rows: None })
}

async fn texts(api: &Arc<Api>, sql: &str) -> Result<Vec<Vec<String>>, WarehouseError> {
    let done = api.run(sql, &[], Form::Inline).await?;
    let id = done.id().to_owned();
    let mut chunk = done.into_chunk();
    let mut all = Vec::new();
    loop {
        let next = chunk.next();
        all.extend(chunk.data_array.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()));
        match next {
            Some(index) => chunk = api.chunk(&id, index).await?,
            None => return Ok(all),
        }
    }
}

/// The word of the model language for a type; the same types that rows are read in.
fn language_type(native: &str) -> Option<String> {
    fn word(data_type: &DataType) -> Option<String> {
        Some(match data_type {
            DataType::Boolean => "boolean".to_owned(),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => "integer".to_owned(),
            DataType::Float32 | DataType::Float64 => "float".to_owned(),
            DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
            DataType::Utf8 => "string".to_owned(),
            DataType::Date32 => "date".to_owned(),
            DataType::Timestamp(..) => "timestamp".to_owned(),
            DataType::List(item) => format!("array<{}>", word(item.data_type())?),
            _ => return None,
        })
    }
    word(&arrow_type(native)?)
}

/// The bytes and rows of the scans in the text of EXPLAIN COST, such as
/// `Relation ... Statistics(sizeInBytes=1.2 MiB, rowCount=3.00E+3)`. A size beyond a pebibyte is a guess of Spark's.
pub(super) fn scanned(plan: &str) -> Estimate {
    let scans = plan.lines().take_while(|line| !line.contains("Physical Plan"));
    let scans = scans.filter(|line| line.contains("Relation"));
    scans.fold(Estimate::default(), |sum, line| {
        let figure = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.split([',', ')']).next()
        };
        sum.plus(Estimate {
            bytes: figure("sizeInBytes=").and_then(bytes),
            rows: figure("rowCount=").and_then(whole),
            partitions: None,
        })
    })
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].iter().position(|name| *name == unit)?;
    let factor = 1024_f64.powi(i32::try_from(power).ok()?);
    number.parse::<f64>().ok().and_then(|number| whole(&(number * factor).to_string()))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, checked to be in range")]
fn whole(text: &str) -> Option<u64> {
    text.trim().parse::<f64>().ok().filter(|number| (0.0..1e18).contains(number)).map(|number| number.round() as u64)
}
