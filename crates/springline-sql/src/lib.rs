//! Springline's printer: statements of the intermediate representation and a dialect folder in, SQL text out.
//!
//! Rust prints the structure of a statement: its steps, joins, conditions, order, parentheses. The dialect folder
//! gives the leaves: functions, types, literals, quoting, and the shells of statements. There is no branch on a
//! dialect's name anywhere in this crate.
//!
//! The crate has never heard of YAML models, plans or engines, and does no I/O: the folders of `dialects/` are
//! embedded, and a project's own folder is handed in as texts.

mod definition;
mod dialect;
mod error;
mod expression;
mod literal;
mod mapping;
mod query;
mod quoting;
mod statement;
mod template;

pub use definition::Executed;
pub use dialect::{Dialect, Files};
pub use error::{DialectError, PrintError};
pub use statement::print;
