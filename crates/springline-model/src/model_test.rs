//! The tests that a project brings for its own models, checked: what is given, what must hold.

use jiff::Timestamp;
use springline_ir::Literal;

use crate::{EntityId, SegmentId, SourceId, Span, ValueExpr};

/// A test of the models.
#[derive(Debug, Clone)]
pub struct ModelTest {
    /// What it is about, in words.
    pub name: String,
    /// What it checks.
    pub check: TestCheck,
    /// Where it is declared.
    pub span: Span,
}

/// What a test checks.
#[derive(Debug, Clone)]
pub enum TestCheck {
    /// What comes of given rows.
    Fixture(Fixture),
    /// Every member of the first segment is one of the second, of the same entity.
    Subset(SegmentId, SegmentId),
    /// No row is in two of these segments of one entity; there are at least two.
    Disjoint(Vec<SegmentId>),
    /// How many members a segment has.
    Size {
        /// The segment.
        segment: SegmentId,
        /// At least so many.
        min: u64,
        /// At most so many.
        max: u64,
    },
    /// A value that is never null.
    NotNull {
        /// Whose rows.
        entity: EntityId,
        /// The name of the field or column.
        name: String,
        /// Its value.
        value: ValueExpr,
    },
    /// A value that no two rows have in common; null is not counted.
    Unique {
        /// Whose rows.
        entity: EntityId,
        /// The name of the field or column.
        name: String,
        /// Its value.
        value: ValueExpr,
    },
}

/// Rows and what comes of them.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// The one clock.
    pub as_of: Timestamp,
    /// The rows; sources that are not here have none.
    pub given: Vec<Given>,
    /// What comes of them.
    pub expected: Expected,
}

/// The rows of one source.
#[derive(Debug, Clone)]
pub struct Given {
    /// The source.
    pub source: SourceId,
    /// Each row: places in the source's columns, and values of those columns' types. Columns that are
    /// not here are null.
    pub rows: Vec<Vec<(usize, Literal)>>,
}

/// What comes of given rows.
#[derive(Debug, Clone)]
pub enum Expected {
    /// These are the members of a segment.
    Members {
        /// The segment.
        segment: SegmentId,
        /// Their primary keys as text, see [`literal_text`].
        keys: Vec<String>,
    },
    /// These are values of rows of an entity; other rows are not looked at.
    Values {
        /// The entity.
        entity: EntityId,
        /// The fields and columns that are looked at: name and value.
        fields: Vec<(String, ValueExpr)>,
        /// The values.
        values: Vec<ExpectedValue>,
    },
}

/// One expected value.
#[derive(Debug, Clone)]
pub struct ExpectedValue {
    /// The primary key of its row as text.
    pub key: String,
    /// The place in the list of fields.
    pub field: usize,
    /// The value, of the field's type.
    pub value: Literal,
}

/// A literal as text: what an engine gives when it turns the value into text.
pub fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Boolean(value) => value.to_string(),
        Literal::Integer(value) => value.to_string(),
        Literal::Decimal { unscaled, scale } => decimal_text(*unscaled, usize::from(*scale)),
        Literal::Float(value) => value.to_string(),
        Literal::String(text) => text.clone(),
        Literal::Date(day) => day.to_string(),
        Literal::Timestamp(instant) => instant.to_string(),
    }
}

fn decimal_text(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_with_their_scale() {
        let text = |unscaled, scale| literal_text(&Literal::Decimal { unscaled, scale });
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(1250, 2), "12.50");
        assert_eq!(text(12, 0), "12");
    }
}
