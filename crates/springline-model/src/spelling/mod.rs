//! The two spellings of a condition, text and tree, and turning one into the other in the files.
//!
//! Only the values of `where:` are rewritten, each is read back before it is taken, and whatever could
//! lose something (comments, aliases, a text that cannot be read) is left as it is. It knows no file
//! system: texts come in and go out.

mod file;
mod same;
mod text;
mod tree;
mod yaml;

pub use file::{Kept, Respelled, Rewritten, respell};

/// A way to write a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// An expression: `lifetime_value >= 500 and city is not null`.
    Text,
    /// A tree of mappings: `{ field: lifetime_value, gte: 500 }`.
    Tree,
}

#[cfg(test)]
mod tests;
