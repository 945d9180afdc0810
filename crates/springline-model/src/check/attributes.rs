//! What records of several sources have under one name, and the type that it has everywhere.

use std::collections::BTreeSet;

use springline_ir::Type;

use crate::syntax::Spanned;
use crate::{Attribute, Code, Diagnostic, Identifier, IdentitySource, Pii};

use super::catalogue::{Catalogue, SourceInfo};
use super::names::with_suggestion;

/// Finds attributes by their names: a name of `columns:` of a source, else that of an identifier which the source gives,
/// else that of one of its columns.
pub(super) struct Attributes<'a> {
    pub subject: &'a str,
    pub catalogue: &'a Catalogue,
    pub identifiers: &'a [Identifier],
    pub sources: &'a [IdentitySource],
}

impl Attributes<'_> {
    /// The attribute of that name. `None` if no source has it or its types clash, which is reported.
    pub fn find(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<Attribute> {
        let found: Vec<_> = self.sources.iter().map(|source| self.column_of(source, &name.value)).collect();
        let mut first: Option<(Type, String)> = None;
        let mut pii: Option<Pii> = None;
        for (column, of, holds) in found.iter().flatten() {
            pii = pii.or(*holds);
            let Some((ty, earlier)) = first.take() else {
                first = Some((column.1.clone(), of.clone()));
                continue;
            };
            let Some(common) = ty.common(&column.1) else {
                let (a, b) = (&ty, &column.1);
                let message = format!("{}: `{}` is {a} in {earlier} and {b} in {of}", self.subject, name.value);
                let hint = "name columns of one type under `columns:` of the sources";
                out.push(Diagnostic::error(Code::TypeMismatch, name.span, message).hint(hint));
                return None;
            };
            first = Some((common, earlier));
        }
        let Some((ty, _)) = first else {
            let message = format!("{}: no source has a column `{}`", self.subject, name.value);
            let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
            let names: BTreeSet<&str> = self.names().collect();
            out.push(with_suggestion(diagnostic, &name.value, names.into_iter(), "column"));
            return None;
        };
        let columns = found.into_iter().map(|found| found.map(|(column, ..)| column)).collect();
        Some(Attribute { name: name.value.clone(), ty, pii, columns })
    }

    /// The column with its type, the source and column in words, and what person-related data it holds.
    fn column_of(&self, records: &IdentitySource, name: &str) -> Option<((String, Type), String, Option<Pii>)> {
        let info: &SourceInfo = &self.catalogue.sources[records.source.0];
        let renamed = records.columns.iter().find(|(known, _)| known == name).map(|(_, column)| column.as_str());
        let given = || {
            let (_, column) = records.identifiers.iter().find(|(place, _)| self.identifiers[*place].name == name)?;
            Some(column.as_str())
        };
        let column = renamed.or_else(given).unwrap_or(name);
        let place = info.columns.get(column).copied().flatten()?;
        let column = info.source.columns.get(place)?;
        let of = format!("`{}` of source `{}`", column.name, info.source.name);
        Some(((column.name.clone(), column.ty.clone()), of, column.pii))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let renamed = self.sources.iter().flat_map(|source| source.columns.iter().map(|(name, _)| name.as_str()));
        let identifiers = self.identifiers.iter().map(|identifier| identifier.name.as_str());
        let of = |source: &IdentitySource| self.catalogue.sources[source.source.0].columns.keys().map(String::as_str);
        renamed.chain(identifiers).chain(self.sources.iter().flat_map(of))
    }
}
