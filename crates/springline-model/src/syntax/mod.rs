//! From YAML text to declarations with places. Nothing is looked up here: a name is text until
//! `check` finds what it stands for.

mod condition;
mod decl;
mod decode;
mod language;
mod node;
mod place;
mod suggest;

pub(crate) use condition::{
    AggregateDecl, Comparators, ConditionDecl, ConditionKind, EventCondition, FieldCondition, RelatedCondition,
    condition_shapes,
};
pub(crate) use decode::{Decode, Item, KeyShape, MappingShape, Shape, Value};
pub(crate) use language::*;
pub(crate) use node::{Node, NodeKind, Scalar, Spanned, offset, parse};
pub(crate) use place::Places;
pub(crate) use suggest::nearest;
