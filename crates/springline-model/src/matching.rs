//! What a probabilistic rule compares, and which links it makes. It does not know how probable anything is.

use crate::Attribute;
use crate::project::SourceId;

/// A checked probabilistic rule.
#[derive(Debug, Clone)]
pub struct Matching {
    /// What records have that is compared, asked for to be equal, or vetoes.
    pub attributes: Vec<Attribute>,
    /// Records are compared where they have the same value in all of one of these: places in `attributes`.
    pub blocking: Vec<Vec<usize>>,
    /// What is compared.
    pub comparisons: Vec<Comparison>,
    /// Attributes of which two different values forbid a link.
    pub veto: Vec<usize>,
    /// How probable a link must be; `None` where that is to be learned from the labels.
    pub threshold: Option<f64>,
    /// Which links are made.
    pub link: Link,
    /// The table of pairs with a known answer; its columns are [`LABEL_COLUMNS`] and the boolean [`LABEL_ANSWER`].
    pub labels: Option<SourceId>,
    /// The most pairs to compare.
    pub max_pairs: u64,
}

/// The text columns of a table of labels.
pub const LABEL_COLUMNS: [&str; 4] = ["source", "record", "other_source", "other_record"];
/// Its column that says whether the two are one.
pub const LABEL_ANSWER: &str = "same";

/// One thing that is compared. Its levels, from the highest: equal, swapped if it has a column for that, one per
/// threshold, and anything else, which is level 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The place in [`Matching::attributes`].
    pub attribute: usize,
    /// The place of the column that may have this one's values, and this one its.
    pub swapped_with: Option<usize>,
    /// Whether rare values count for more.
    pub term_frequency: bool,
    /// How to measure, the first that the warehouse has.
    pub measures: Vec<Measure>,
}

/// How two values are compared, with the bounds of the levels, the closest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// How.
    pub method: Method,
    /// At least so similar, or at most so distant.
    pub thresholds: Vec<f64>,
}

/// A way to compare two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// They are equal.
    Exact,
    /// Similarity from 0 to 1, 1 for equal texts.
    JaroWinkler,
    /// How many characters must be changed, added or taken out.
    Levenshtein,
    /// How far two numbers are apart.
    NumericDistance,
    /// How many days two dates are apart.
    DateDistance,
}

/// Which links a rule makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Of two sources, those that are the best for both records.
    OneToOne,
    /// Each record's best in each source that is listed before its own.
    ManyToOne,
    /// All, also within a source.
    ManyToMany,
}
