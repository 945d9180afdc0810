//! The lease of a sync or an identity: who may run it now. Runs on several machines share nothing but the warehouse.
//!
//! A holder adds a row that says until when it holds, and then looks whether anybody else has one: of two that add
//! theirs at the same time both see the other's, and both give way. Rows are only added and removed, so this holds on
//! every warehouse that shows what was written.

use jiff::Timestamp;
use springline_ir::{ColumnDef, Expr, FunctionId, Literal, Query, Select, Statement, TableName, Type};

use crate::build::{column, output};
use crate::members::{from_table, query};
use crate::records::delete;
use crate::state::define;
use crate::{Context, Step};

/// The table of a sync's lease.
pub fn lease_table(schema: &str, sync: &str) -> TableName {
    TableName::in_schema(schema, &format!("lease_{sync}"))
}

/// The columns of a lease's table.
pub fn lease_columns() -> Vec<ColumnDef> {
    vec![define("holder", Type::String), define("expires_at", Type::Timestamp)]
}

/// Makes the table of a lease; harmless where it exists.
pub(crate) fn create_lease(table: TableName) -> Step {
    Step::new(name(&table), Statement::CreateTable { table, columns: lease_columns() })
}

fn name(table: &TableName) -> String {
    format!("state.{}", table.table())
}

/// All holds of a lease, expired ones too: `holder`, `expires_at`.
pub fn holds(table: &TableName) -> Query {
    let columns = lease_columns().into_iter().map(|c| output(&c.name, column("l", &c.name, c.ty))).collect();
    query(Select::new(from_table(table, "l"), columns))
}

/// Removes the holds of a holder, and those that had expired at an instant.
pub fn end_holds(context: Context<'_>, table: &TableName, holder: &str, expired_at: Timestamp) -> Step {
    let statement = delete(context, table, &lease_columns(), |of| {
        let holder = Expr::literal(Literal::String(holder.to_owned()));
        let is_his = Expr::compare(FunctionId::EQ, of("holder", Type::String), holder);
        let at = Expr::literal(Literal::Timestamp(expired_at));
        let expired = Expr::compare(FunctionId::LE, of("expires_at", Type::Timestamp), at);
        Expr::call(FunctionId::OR, vec![is_his, expired], Type::Boolean)
    });
    Step::new(format!("{}.end", name(table)), statement)
}
