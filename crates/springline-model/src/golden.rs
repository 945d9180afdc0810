//! The golden record: what a canonical row takes of its records, as the part of a checked project. It does not know how
//! that is computed.

use springline_ir::{FunctionId, Type};

use crate::{Attribute, Column, Identity, Span};

/// The column of the household.
pub const HOUSEHOLD_ID: &str = "household_id";

/// What the canonical rows have beside their id.
#[derive(Debug, Clone)]
pub struct GoldenRecord {
    /// What is taken of the records, each attribute once.
    pub attributes: Vec<Attribute>,
    /// How, in the order of the columns.
    pub parts: Vec<GoldenPart>,
    /// Which customers live together.
    pub households: Option<Households>,
    /// Where it is declared.
    pub span: Span,
}

/// One column, or several that come from one record together.
#[derive(Debug, Clone)]
pub struct GoldenPart {
    /// Its name.
    pub name: String,
    /// Where its values come from.
    pub kind: GoldenKind,
    /// Where it is declared.
    pub span: Span,
}

/// Where the values of a part come from. Attributes are places in [`GoldenRecord::attributes`].
#[derive(Debug, Clone)]
pub enum GoldenKind {
    /// One record.
    Survivor {
        /// What it gives: one attribute, or a group.
        attributes: Vec<usize>,
        /// Which record it is: the first rule decides, the next ones where it leaves several.
        rules: Vec<Survivorship>,
    },
    /// All records.
    Aggregate {
        /// Of which attribute.
        attribute: usize,
        /// Which aggregate.
        function: FunctionId,
        /// Its type.
        ty: Type,
    },
}

/// Which of several records gives a value. Null and blank ones never do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survivorship {
    /// The one that was written last, by the `updated_at` of its source, before the run.
    MostRecent,
    /// The one that has been there for most runs.
    FirstSeen,
    /// One with the value that most records have.
    MostFrequent,
    /// One with the longest text.
    Longest,
    /// The one of the first of these places in [`Identity::sources`]; others come after them.
    SourcePriority(Vec<usize>),
}

/// Which customers live together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Households {
    /// What they share: places in [`GoldenRecord::attributes`].
    pub keys: Vec<usize>,
    /// More customers than this are no household.
    pub limit: Option<u64>,
}

impl GoldenRecord {
    /// The columns of the table of golden records: the id, those of the parts, the household.
    pub fn columns(&self, identity: &Identity) -> Vec<Column> {
        let plain = |name: &str| Column {
            name: name.to_owned(),
            ty: Type::String,
            pii: None,
            label: None,
            span: identity.span,
        };
        let mut columns = vec![plain(&identity.canonical_id.name)];
        for part in &self.parts {
            let (places, own) = match &part.kind {
                GoldenKind::Survivor { attributes, .. } => (attributes.as_slice(), None),
                GoldenKind::Aggregate { attribute, ty, .. } => (std::slice::from_ref(attribute), Some(ty)),
            };
            let attributes = places.iter().filter_map(|place| self.attributes.get(*place));
            columns.extend(attributes.map(|attribute| Column {
                name: attribute.name.clone(),
                ty: own.unwrap_or(&attribute.ty).clone(),
                pii: attribute.pii,
                label: None,
                span: part.span,
            }));
        }
        columns.extend(self.households.iter().map(|_| plain(HOUSEHOLD_ID)));
        columns
    }
}
