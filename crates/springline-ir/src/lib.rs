//! The intermediate representation that every other layer speaks: types, functions, expressions,
//! relations and statements.
//!
//! It knows no YAML, no SQL text, no dialect and no engine, and does no I/O. The model crate builds
//! expressions over model names, the plan crate turns them into expressions over relations, the sql
//! crate prints those.

mod capability;
mod expr;
mod function;
mod functions;
mod literal;
mod relation;
mod signature;
mod statement;
mod types;

pub use capability::Capabilities;
pub use expr::{Aggregate, Expr, ExprKind, Native, NativeForm, NativePiece, OrderBy, WindowCall};
pub use function::{Example, Function, FunctionId, FunctionKind, NullRule};
pub use literal::Literal;
pub use relation::{
    Body, ColumnRef, Cte, From, Join, JoinKind, OutputColumn, Query, RelExpr, Relation, Select, TableName,
};
pub use statement::{ColumnDef, Merge, Statement};
pub use types::{Type, TypeParseError};
