//! The keys of the catalog lock.

use super::decl::decl;
use super::decode::Entries;
use super::node::Spanned;

/// Columns by name: each a type, with ` not null` behind it where it is never null.
pub(crate) type LockColumns = Entries<Spanned<String>>;

decl! {
    /// The tables of the warehouse, written by `springline catalog`.
    LockDecl {
        /// The version of the lock: 1.
        version: Spanned<u64>,
        /// The tables by name.
        tables: Entries<LockTableDecl>,
    }

    /// A table of the warehouse.
    LockTableDecl {
        /// How many rows it had.
        rows: Option<Spanned<u64>>,
        /// The columns of its primary key, where the warehouse declares one.
        primary_key: Vec<Spanned<String>>,
        /// Its columns and their types.
        columns: LockColumns,
    }
}
