//! The keys of a test of the models: given rows and what is expected of them, or what must always hold.

use crate::Diagnostic;

use super::decl::decl;
use super::decode::{Decode, Entries, Shape, Value};
use super::node::{Node, NodeKind, Spanned};

decl! {
    /// What must hold of the segments and fields: given rows with what is expected of them, or one of `subset`,
    /// `disjoint`, `size`, `not_null` and `unique`, which look at the rows of the target.
    TestDecl {
        /// What it is about, in words.
        name: Spanned<String>,
        /// The segment whose members are expected.
        segment: Option<Spanned<String>>,
        /// The entity whose values are expected.
        entity: Option<Spanned<String>>,
        /// The one field or column whose values are expected; left out where `values` names them.
        field: Option<Spanned<String>>,
        /// The instant, or the first of a day in the project's time zone, that the given rows are seen at.
        as_of: Option<Spanned<String>>,
        /// The rows of each source; a source that is not named has none, a column that is not named is null.
        given: Option<Entries<Vec<Entries<Value>>>>,
        /// What comes of the given rows.
        expect: Option<ExpectDecl>,
        /// Two segments: every member of the first is one of the second.
        subset: Option<Vec<Spanned<String>>>,
        /// Segments that have no member in common.
        disjoint: Option<Vec<Spanned<String>>>,
        /// How many members a segment has.
        size: Option<SizeDecl>,
        /// A field or column of an entity that is never null.
        not_null: Option<FieldOfDecl>,
        /// A field or column of an entity that no two rows have in common; null is not counted.
        unique: Option<FieldOfDecl>,
    }

    /// What comes of given rows: the members of the segment, or the values of the entity.
    ExpectDecl {
        /// The primary keys of all members, in any order.
        members: Option<Vec<Value>>,
        /// By primary key: the value of `field`, or each field with its value.
        values: Option<Entries<ExpectedRow>>,
    }

    /// How many members a segment has.
    SizeDecl {
        /// The segment.
        segment: Spanned<String>,
        /// The fewest and the most members.
        between: Vec<Spanned<u64>>,
    }

    /// A field or column of an entity.
    FieldOfDecl {
        /// The entity.
        entity: Spanned<String>,
        /// The field or column.
        field: Spanned<String>,
    }
}

/// What is expected of one row: the value of the one field, or each field with its value.
#[derive(Debug, Clone)]
pub(crate) enum ExpectedRow {
    One(Value),
    Fields(Entries<Value>),
}

impl Decode for ExpectedRow {
    const TAKES_NULL: bool = true;

    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match node.kind {
            NodeKind::Mapping(_) => Entries::decode(node, out).map(ExpectedRow::Fields),
            _ => Value::decode(node, out).map(ExpectedRow::One),
        }
    }

    fn shape() -> Shape {
        Shape::Either(Value::shape, Entries::<Value>::shape)
    }
}
