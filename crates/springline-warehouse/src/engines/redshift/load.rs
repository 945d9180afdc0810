//! Bulk loads: Arrow batches as INSERTs of many rows into a temporary table, and from there as one INSERT, all inside one
//! transaction. COPY reads from S3 alone. It must not know where the rows come from.
//!
//! <https://docs.aws.amazon.com/redshift/latest/dg/c_best-practices-multi-row-inserts.html>

use super::literal;
use crate::{
    ErrorKind, RowStream, TablePath, WarehouseError,
    engines::{
        postgres::{
            errors::{Doing, Place},
            quoted,
        },
        texts::Texts,
    },
};
use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema},
};
use futures::StreamExt;
use tokio_postgres::Client;

/// A statement ends at this many bytes or rows. The longest is one of 16 MB:
/// <https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-sql.html>.
const STATEMENT_BYTES: usize = 1 << 20;
const STATEMENT_ROWS: usize = 5_000;
/// A table of the session, which hides no other: a session has one load at a time.
const STAGING: &str = "\"springline_load\"";

/// Appends the rows to `table`, all or none, and gives their number.
pub(super) async fn load(
    client: &mut Client,
    place: &Place,
    table: TablePath<'_>,
    schema: &Schema,
    mut rows: RowStream,
) -> Result<u64, WarehouseError> {
    let failed = |error| place.error(error, Doing::Loading);
    let target = quoted(table);
    let names: Vec<String> = schema.fields().iter().map(|field| quoted(std::slice::from_ref(field.name()))).collect();
    let names = names.join(", ");
    // Dropped without a commit, by an error or by the caller, the transaction rolls back.
    let transaction = client.transaction().await.map_err(failed)?;
    // It also says whether the table has these columns, and which of them hold JSON.
    let statement = transaction.prepare(&format!("SELECT {names} FROM {target} WHERE false")).await.map_err(failed)?;
    let is_json: Vec<bool> = statement.columns().iter().map(|column| column.type_().name() == "super").collect();
    transaction.batch_execute(&format!("CREATE TEMP TABLE {STAGING} (LIKE {target})")).await.map_err(failed)?;
    let mut inserts = Inserts { head: format!("INSERT INTO {STAGING} ({names}) VALUES"), text: String::new(), rows: 0 };
    while let Some(batch) = rows.next().await {
        let full = inserts.take(&batch?, &is_json).map_err(|reason| place.new_error(ErrorKind::Type, reason))?;
        for sql in full {
            transaction.batch_execute(&sql).await.map_err(failed)?;
        }
    }
    if let Some(rest) = inserts.finish() {
        transaction.batch_execute(&rest).await.map_err(failed)?;
    }
    let append = format!("INSERT INTO {target} ({names}) SELECT {names} FROM {STAGING}");
    let count = transaction.execute(&append, &[]).await.map_err(failed)?;
    transaction.batch_execute(&format!("DROP TABLE {STAGING}")).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(count)
}

/// A column: its name, for messages, and its values.
type Named<'a> = (&'a str, Texts<'a>);

fn columns(batch: &RecordBatch) -> Result<Vec<Named<'_>>, String> {
    let columns = batch.columns().iter().zip(batch.schema_ref().fields());
    columns
        .map(|(column, field)| {
            let name = field.name().as_str();
            if column.data_type().is_nested() || matches!(column.data_type(), DataType::Binary | DataType::LargeBinary)
            {
                return Err(format!("column `{name}`: {} cannot be loaded into Redshift", column.data_type()));
            }
            let texts = Texts::new(column.as_ref()).map_err(|reason| format!("column `{name}`: {reason}"))?;
            Ok((name, texts))
        })
        .collect()
}

/// An INSERT in the making.
struct Inserts {
    head: String,
    text: String,
    rows: usize,
}

impl Inserts {
    /// The statements that the rows of a batch fill; what is left of them waits for more.
    fn take(&mut self, batch: &RecordBatch, is_json: &[bool]) -> Result<Vec<String>, String> {
        let columns = columns(batch)?;
        let mut full = Vec::new();
        for row in 0..batch.num_rows() {
            self.add(&columns, is_json, row)?;
            if self.text.len() >= STATEMENT_BYTES || self.rows >= STATEMENT_ROWS {
                full.extend(self.finish());
            }
        }
        Ok(full)
    }

    fn add(&mut self, columns: &[Named<'_>], is_json: &[bool], row: usize) -> Result<(), String> {
        self.text.push_str(if self.rows == 0 { "\n(" } else { ",\n(" });
        let mut value = String::new();
        for (index, (name, texts)) in columns.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            if texts.is_null(row) {
                self.text.push_str("NULL");
                continue;
            }
            value.clear();
            texts
                .write(row, &mut value)
                .map_err(|reason| format!("a value of column `{name}` cannot be written: {reason}"))?;
            // Text that is put into a SUPER as it is becomes a string in it.
            match is_json.get(index) {
                Some(true) => self.text.push_str(&format!("JSON_PARSE({})", literal(&value))),
                _ => self.text.push_str(&literal(&value)),
            }
        }
        self.text.push(')');
        self.rows += 1;
        Ok(())
    }

    /// The statement so far, where there is one.
    fn finish(&mut self) -> Option<String> {
        if self.rows == 0 {
            return None;
        }
        let sql = format!("{}{}", self.head, self.text);
        self.text.clear();
        self.rows = 0;
        Some(sql)
    }
}
