//! What a warehouse has: its tables, as each engine finds them out. It must not know models, nor what the tables are
//! for; types are words, because the types of the model language are not known here.

/// Which tables are looked at.
#[derive(Debug, Clone, Default)]
pub struct Discover {
    /// Schemas as the parts before a table's name, outermost first; none for the target's own schema. The tables of
    /// these are found under exactly these names.
    pub schemas: Vec<Vec<String>>,
    /// All other schemas too, but those of the system.
    pub all: bool,
    /// The schema of Springline's own tables, which is never looked at.
    pub state_schema: String,
}

/// A table or view of a warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTable {
    /// Its name, outermost part first, as a statement would have it.
    pub path: Vec<String>,
    /// Its columns.
    pub columns: Vec<FoundColumn>,
    /// The columns of its declared primary key; none where the engine knows none.
    pub primary_key: Vec<String>,
    /// Its rows: exact for files, the server's estimate where it keeps one; `None` where it cannot be told without
    /// running a query of unknown cost, as of a view.
    pub rows: Option<u64>,
}

/// A column of a [`FoundTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundColumn {
    /// Its name, in the engine's own case.
    pub name: String,
    /// Its type in the words of the model language (`decimal(12,2)`); `None` where that has none.
    pub ty: Option<String>,
    /// The engine's own word for the type.
    pub native: String,
    /// Whether it may be null.
    pub nullable: bool,
}
