//! The reference: what a checked project means, computed over rows in memory, slowly and plainly. It is written
//! from the meanings (the table of functions, docs of the model's types) and must not know how the planner or
//! an engine goes about it.
//!
//! Every part of an expression is evaluated for every row it could be asked of, so that an expression without
//! a value somewhere (a number too large, text that is no number) is known as such: there engines may differ.

mod aggregate;
mod calendar;
mod evaluate;
mod period;
mod scalar;
mod value;

pub use evaluate::{Reference, Table};
pub use value::{Undefined, Value};
