//! How fresh the tables are that a statement reads: the youngest row of each that tells the time.

use std::collections::BTreeMap;

use springline_ir::{Expr, FunctionId, Query, Select, Statement, TableName};

use crate::Context;
use crate::build::{Build, column, output};
use crate::clock::bound;
use crate::members::{aggregate, from_table, query};
use crate::reads::tables_read;

/// For each table that a statement reads and whose rows tell when they were written or happened: the query for the
/// latest such instant before that of the run, `latest`, which is null for a table without rows.
pub fn freshness(context: Context<'_>, statement: &Statement) -> Vec<(TableName, Query)> {
    let project = context.project;
    let read = tables_read(statement);
    let mut columns: BTreeMap<TableName, String> = BTreeMap::new();
    let events = project.entities.iter().flat_map(|entity| &entity.events);
    for event in events {
        columns.entry(project.source(event.source).table.clone()).or_insert_with(|| event.at.clone());
    }
    for source in &project.sources {
        if let Some(written) = &source.updated_at {
            columns.insert(source.table.clone(), written.clone());
        }
    }
    columns.retain(|table, _| read.contains_key(table));
    columns.into_iter().filter_map(|(table, name)| latest(context, &table, &name).map(|query| (table, query))).collect()
}

fn latest(context: Context<'_>, table: &TableName, name: &str) -> Option<Query> {
    let mut sources = context.project.sources.iter().filter(|source| source.table == *table);
    let ty = sources.find_map(|source| source.column(name))?.ty.clone();
    let at = column("s", name, ty.clone());
    let zone = Build::new(context).clock().zone;
    let before = Expr::compare(FunctionId::LT, at.clone(), bound(&ty, context.as_of, &zone));
    let latest = aggregate(FunctionId::MAX, vec![at], ty);
    let from = from_table(table, "s");
    Some(query(Select { filter: Some(before), ..Select::new(from, vec![output("latest", latest)]) }))
}
