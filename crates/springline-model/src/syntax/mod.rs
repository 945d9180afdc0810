//! From YAML text to declarations with places. Nothing is looked up here: a name is text until
//! `check` finds what it stands for.

mod alerts;
mod budget;
mod condition;
mod decl;
mod decode;
mod golden;
mod identity;
mod language;
mod lock;
mod matching;
mod node;
mod package;
mod place;
mod rfm;
mod shares;
mod suggest;
mod template;
mod tests_decl;

pub(crate) use alerts::AlertDecl;
pub(crate) use budget::BudgetDecl;
pub(crate) use condition::{
    Comparators, ConditionDecl, ConditionKind, EventCondition, FieldCondition, RelatedCondition, SegmentCondition,
    condition_shapes,
};
pub(crate) use decode::{Decode, Entries, Item, KeyShape, MappingShape, Shape, Value, wrong_shape};
pub(crate) use golden::{
    GoldenAggregate, GoldenFieldDecl, GoldenGroupDecl, HouseholdsDecl, RuleDecl, SurvivorWord, SurvivorshipDecl,
};
pub(crate) use identity::{
    BlockedDecl, CanonicalIdDecl, IdentifierDecl, IdentityDecl, IdentitySourceDecl, Normalize, NormalizeStep,
};
pub(crate) use language::*;
pub(crate) use lock::{LockColumns, LockDecl, LockTableDecl};
pub(crate) use matching::{Bound, ComparisonDecl, IdentityRuleDecl, RuleType};
pub(crate) use node::{Node, NodeKind, Scalar, Spanned, offset, parse};
pub(crate) use package::{ImportDecl, PackageDecl, ParameterDecl};
pub(crate) use place::Places;
pub(crate) use rfm::{RfmDecl, RfmSegmentDecl, ScoreRange, ThresholdsDecl};
pub(crate) use shares::{Direction, LimitDecl, SampleCondition, SampleRange, SegmentSetDecl, Share, SplitDecl, WHOLE};
pub(crate) use suggest::nearest;
pub(crate) use template::{Filler, MAX_HEIGHT, expand};
pub(crate) use tests_decl::{ExpectDecl, ExpectedRow, FieldOfDecl, SizeDecl, TestDecl};
