//! Expressions as text: reading them into a small tree of the language's own. No name is looked up and
//! nothing has a type yet.

mod ast;
mod convert;
mod forms;
mod literal;
mod parse;
mod tokens;
mod window;

pub(crate) use ast::{Ast, AstKind, Call, Name, Over, Quantifier, Related};
pub(crate) use forms::MEMBER;
pub(crate) use literal::{first_instant, plain_literal, read_day, read_instant};
pub(crate) use parse::parse;
pub(crate) use tokens::Lines;
pub(crate) use window::{Relative, Side, Window, parse_length, parse_window};

/// How deep an expression may nest. Every pass over an expression recurses at most so deep, and so may
/// the passes of the layers above.
pub(crate) const MAX_DEPTH: usize = 100;
