//! What a plan may count on. A dialect has a capability by having the template for it.

/// The forms that are not found everywhere, and the limits that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `Statement::Merge` can be printed.
    pub merge: bool,
    /// `Statement::Delete` can be printed.
    pub delete: bool,
    /// `Statement::AddColumn` can be printed.
    pub add_column: bool,
    /// `Statement::Analyze` can be printed: the engine plans by statistics that it does not gather by itself.
    pub analyze: bool,
    /// `FunctionId::EACH` can be printed: one row becomes several.
    pub each: bool,
    /// `FunctionId::LEVENSHTEIN` can be printed.
    pub levenshtein: bool,
    /// `FunctionId::JARO_WINKLER` can be printed.
    pub jaro_winkler: bool,
    /// An aggregate may look at the order of its rows: `first`, `last`, `nth`, `most_frequent` and `array_agg` can be
    /// printed. Where not, the plan numbers the rows in a step before.
    pub ordered: bool,
    /// The most columns that a table or a SELECT may have; `None` where there is no limit to mind.
    pub max_columns: Option<usize>,
}
