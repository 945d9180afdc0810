//! Which stored tables and columns a statement reads, so that they can be checked before it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use springline_ir::{Body, ColumnRef, Expr, Query, Relation, Select, Statement, TableName};

/// The stored tables a statement reads, with the columns it reads of each.
pub fn tables_read(statement: &Statement) -> BTreeMap<TableName, BTreeSet<String>> {
    let mut reads = BTreeMap::new();
    match statement {
        Statement::Query(query) | Statement::ReplaceTable { query, .. } | Statement::Append { query, .. } => {
            read_query(query, &mut reads);
        }
        Statement::Merge(merge) => {
            reads.insert(merge.source.clone(), merge.columns.iter().cloned().collect());
        }
        Statement::Delete { table, filter } => {
            let columns: &mut BTreeSet<String> = reads.entry(table.clone()).or_default();
            filter.each_leaf(&mut |column: &ColumnRef| {
                columns.insert(column.column.clone());
            });
        }
        Statement::CreateSchema { .. }
        | Statement::CreateTable { .. }
        | Statement::AddColumn { .. }
        | Statement::Analyze { .. }
        | Statement::DropTable { .. } => {}
    }
    reads
}

fn read_query(query: &Query, reads: &mut BTreeMap<TableName, BTreeSet<String>>) {
    for body in query.ctes.iter().map(|cte| &cte.body).chain([&query.body]) {
        match body {
            Body::Select(select) => read_select(select, reads),
            Body::UnionAll(selects) => selects.iter().for_each(|select| read_select(select, reads)),
        }
    }
}

fn read_select(select: &Select, reads: &mut BTreeMap<TableName, BTreeSet<String>>) {
    let relations = std::iter::once(&select.from).chain(select.joins.iter().map(|join| &join.from));
    let tables: HashMap<&str, &TableName> = relations
        .filter_map(|from| match &from.relation {
            Relation::Table(table) => Some((from.alias.as_str(), table)),
            Relation::Cte(_) => None,
        })
        .collect();
    for table in tables.values() {
        reads.entry((*table).clone()).or_default();
    }
    let mut visit = |column: &ColumnRef| {
        if let Some(table) = tables.get(column.relation.as_str()) {
            reads.entry((*table).clone()).or_default().insert(column.column.clone());
        }
    };
    let columns = select.columns.iter().map(|column| &column.expr);
    let order = select.order_by.iter().map(|order| &order.expr);
    let all = columns.chain(select.joins.iter().map(|join| &join.on)).chain(&select.filter).chain(&select.group_by);
    all.chain(&select.having).chain(order).for_each(|expr: &Expr<ColumnRef>| expr.each_leaf(&mut visit));
}
