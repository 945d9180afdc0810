//! What a plan may count on. A dialect has a capability by having the template for it.

/// The statement forms that are not found everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `Statement::Merge` can be printed.
    pub merge: bool,
}
