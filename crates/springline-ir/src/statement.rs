//! What a warehouse is asked to do. Each form has one shell template per dialect; a dialect that lacks
//! a template lacks the capability, and the plan takes another way.

use crate::{Query, RelExpr, TableName, Type};

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Rows for the client.
    Query(Query),
    /// A schema, if it does not exist.
    CreateSchema {
        /// Its name.
        schema: String,
    },
    /// An empty table, if it does not exist.
    CreateTable {
        /// Its name.
        table: TableName,
        /// Its columns.
        columns: Vec<ColumnDef>,
    },
    /// A table with the rows of a query; an older one of that name is replaced at one instant.
    ReplaceTable {
        /// Its name.
        table: TableName,
        /// Its rows and columns.
        query: Query,
    },
    /// Further rows for a table.
    Append {
        /// The table.
        table: TableName,
        /// The columns that are filled, in the order of the query's.
        columns: Vec<String>,
        /// The rows.
        query: Query,
    },
    /// Rows updated, inserted and deleted by key, at one instant.
    Merge(Merge),
    /// The rows of a table for which a condition is true, removed at one instant.
    Delete {
        /// The table.
        table: TableName,
        /// The condition; its columns are those of the table, their relation is empty.
        filter: RelExpr,
    },
    /// A further column for a table, null in the rows that there are.
    AddColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: ColumnDef,
    },
    /// The statistics of a table gathered, for the engine's plans of what comes next.
    Analyze {
        /// The table.
        table: TableName,
    },
    /// A table removed, if it exists.
    DropTable {
        /// The table.
        table: TableName,
    },
}

/// A column of a table to create.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// Rows updated, inserted and deleted by key. The source holds each key once.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The table that is changed.
    pub table: TableName,
    /// Its key.
    pub key: Vec<String>,
    /// The columns that are written, the key among them.
    pub columns: Vec<String>,
    /// The table of the changes: `columns`, and `delete` (boolean).
    pub source: TableName,
    /// The column of the source that is true where the row of that key is deleted.
    pub delete: String,
}
