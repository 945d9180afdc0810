//! Identities: what links records, where they are, and what is done to a value before it is compared.

use std::collections::HashSet;

use springline_ir::{Expr, FunctionId, Literal, Type};

use crate::project::{EntityId, SourceId};
use crate::syntax::{
    BlockedDecl, CanonicalIdDecl, Entries, GoldenFieldDecl, HouseholdsDecl, IdentifierDecl, IdentityDecl,
    IdentityRuleDecl, IdentitySourceDecl, Item, Normalize, NormalizeStep, RuleType, Spanned,
};
use crate::{
    CanonicalId, Code, Diagnostic, GoldenRecord, Identifier, Identity, IdentityRule, IdentitySource, OVERRIDE_COLUMNS,
    OnViolation, RuleKind, SourceMap, Span, ValueExpr, Winner,
};

use super::attributes::Attributes;
use super::catalogue::{Catalogue, SourceInfo};
use super::golden::Golden;
use super::matching::Rule;
use super::names::{Kind, Table, check_name, with_suggestion};
use super::pattern::{Asked, portable};
use super::stitched::Identities;
use super::typing::Typer;
use super::unify::Typed;

/// The longest name: that of a table made of it, such as `identity_<name>_rejected__new`, fits 63 bytes.
const MAX_NAME: usize = 36;
/// The columns that the table of canonical ids has beside the id.
const TAKEN: &[&str] = &["source", "record", "born", "previous_id", "present", "since", "run", "field", "household_id"];
/// What stands for no value, in lower case.
const PLACEHOLDERS: &[&str] = &["null", "n/a", "-1"];
const ZEROS: &str = "^[0-]+$";
const BLANK: &str = r"^\s*$";

struct Context<'a, 'b> {
    subject: String,
    catalogue: &'a Catalogue,
    sources: &'a SourceMap,
    out: &'b mut Vec<Diagnostic>,
}

/// An identity. `None` if something in it is wrong, which is reported.
pub(super) fn identity(
    decl: IdentityDecl,
    catalogue: &Catalogue,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Option<Identity> {
    let before = out.len();
    let name = decl.name;
    let mut context = Context { subject: format!("identity `{}`", name.value), catalogue, sources, out };
    context.check_length(&name);
    let entity = catalogue.entity_names.find(&decl.entity, catalogue.incomplete, context.out).map(EntityId);
    let canonical_id = context.canonical_id(decl.canonical_id);
    let kind = Kind { what: "identifier", word: true };
    let (names, decls) = Table::new(kind, decl.identifiers, context.out);
    let identifiers: Vec<_> = decls.into_iter().map(|decl| context.identifier(decl)).collect();
    let records: Vec<_> = decl.sources.into_iter().map(|source| context.source(source, &names)).collect();
    let rules = context.rules(decl.rules, &identifiers, &records);
    let golden =
        context.golden(&name, decl.golden_record, decl.households, &canonical_id.name, (&identifiers, &records));
    let limits = decl.limits.map(|limits| (limits.max_cluster_size, limits.on_violation));
    let (max_cluster_size, on_violation) = limits.unwrap_or_default();
    context.positive("max_cluster_size", max_cluster_size.as_ref());
    let overrides = decl.overrides.and_then(|overrides| context.overrides(&overrides.source));
    context.check_given(&name, &identifiers, &records);
    let failed = context.out.len() > before;
    Some(Identity {
        name: name.value,
        entity: entity?,
        canonical_id,
        identifiers: identifiers.into_iter().collect::<Option<_>>()?,
        sources: records.into_iter().collect::<Option<_>>()?,
        rules,
        max_cluster_size: max_cluster_size.map(|size| size.value),
        on_violation: on_violation.map_or(OnViolation::Quarantine, |word| word.value),
        overrides,
        golden,
        span: name.span,
    })
    .filter(|_| !failed)
}

impl Context<'_, '_> {
    fn report(&mut self, code: Code, span: Span, message: String, hint: impl Into<String>) {
        self.out.push(Diagnostic::error(code, span, message).hint(hint));
    }

    fn check_length(&mut self, name: &Spanned<String>) {
        if name.value.len() > MAX_NAME {
            let message = format!("`{}` cannot be the name of an identity", name.value);
            self.report(Code::InvalidValue, name.span, message, "use at most 36 characters");
        }
    }

    fn canonical_id(&mut self, decl: CanonicalIdDecl) -> CanonicalId {
        check_name(Kind { what: "canonical id", word: true }, &decl.name, self.out);
        if TAKEN.contains(&decl.name.value.to_lowercase().as_str()) {
            let message = format!("{}: the canonical id cannot be called `{}`", self.subject, decl.name.value);
            let hint = format!("take another name: its tables have the columns {}", TAKEN.join(", "));
            self.report(Code::InvalidValue, decl.name.span, message, hint);
        }
        CanonicalId {
            name: decl.name.value,
            merge_winner: decl.merge_winner.map_or(Winner::Oldest, |winner| winner.value),
            split_winner: decl.split_winner.map_or(Winner::Largest, |winner| winner.value),
        }
    }

    /// A limit of nothing would refuse everything.
    fn positive(&mut self, key: &str, limit: Option<&Spanned<u64>>) {
        let fits = |limit: &&Spanned<u64>| limit.value == 0 || i64::try_from(limit.value).is_err();
        if let Some(limit) = limit.filter(fits) {
            let message = format!("{}: `{key}` of {}", self.subject, limit.value);
            self.report(Code::InvalidValue, limit.span, message, "write 1 or more, or leave it out for no limit");
        }
    }

    fn identifier(&mut self, decl: IdentifierDecl) -> Option<Identifier> {
        self.positive("limit", decl.limit.as_ref());
        self.positive("max_records_per_value", decl.max_records_per_value.as_ref());
        let span = decl.name.span;
        let given: ValueExpr = Expr::leaf(Identifier::given(), Type::String);
        let value = self.normalized(&decl.normalize, given.clone(), span);
        let blocked = decl.blocked.map_or(Some(None), |blocked| self.blocked(&blocked, value.as_ref(), span));
        let (value, blocked) = (value?, blocked?);
        let mut dropped = vec![("blank", matches(given.clone(), BLANK)), ("placeholder", placeholder(given))];
        let compared: ValueExpr = Expr::leaf(Identifier::compared(), Type::String);
        dropped.push(("invalid", Expr::call(FunctionId::IS_NULL, vec![compared.clone()], Type::Boolean)));
        dropped.push(("blank", matches(compared, BLANK)));
        dropped.extend(blocked.map(|blocked| ("blocked", blocked)));
        Some(Identifier {
            name: decl.name.value,
            limit: decl.limit.map(|limit| limit.value),
            max_records_per_value: decl.max_records_per_value.map(|most| most.value),
            value,
            dropped,
            span,
        })
    }

    /// The value after all steps.
    fn normalized(&mut self, steps: &[NormalizeStep], given: ValueExpr, span: Span) -> Option<ValueExpr> {
        let mut typer = Typer::new(self.catalogue, self.sources, &self.subject, self.out);
        let typed = |expr: ValueExpr, span| Typed { expr, span, declared: None, pii: None };
        let text = |function, value| Expr::call(function, vec![value], Type::String);
        steps.iter().try_fold(given, |value, step| match step {
            NormalizeStep::Word(word) => match word.value {
                Normalize::Trim => Some(text(FunctionId::TRIM, value)),
                Normalize::Lower => Some(text(FunctionId::LOWER, value)),
                Normalize::Upper => Some(text(FunctionId::UPPER, value)),
                Normalize::Nfkc => Some(text(FunctionId::NFKC, value)),
                Normalize::Email => typer.derived(FunctionId::NORMALIZE_EMAIL, &mut vec![typed(value, span)]),
            },
            NormalizeStep::E164(region) => {
                let mut args = vec![typed(value, span), typed(constant(&region.value), region.span)];
                typer.derived(FunctionId::NORMALIZE_PHONE, &mut args)
            }
        })
    }

    /// The condition of values that link nothing; none where nothing is blocked.
    fn blocked(&mut self, decl: &BlockedDecl, value: Option<&ValueExpr>, span: Span) -> Option<Option<ValueExpr>> {
        let compared = || Expr::leaf(Identifier::compared(), Type::String);
        let mut conditions = Vec::new();
        let mut complete = true;
        for pattern in &decl.regex {
            match portable(&pattern.value, Asked::Match) {
                Ok(form) => conditions.push(matches_form(compared(), &form)),
                Err((problem, hint)) => {
                    complete = false;
                    let message =
                        format!("{}: '{}' is no pattern for every engine: {problem}", self.subject, pattern.value);
                    self.report(Code::InvalidArguments, pattern.span, message, hint);
                }
            }
        }
        let texts: Vec<ValueExpr> = decl.exact.iter().filter_map(|exact| same_way(value?, &exact.value)).collect();
        if !texts.is_empty() {
            let args = std::iter::once(compared()).chain(texts).collect();
            conditions.push(Expr::call(FunctionId::IN, args, Type::Boolean));
        }
        if decl.regex.is_empty() && decl.exact.is_empty() {
            let message = format!("{}: `blocked` names no value", self.subject);
            self.report(Code::MissingKey, span, message, "list values under `exact:` or patterns under `regex:`");
            complete = false;
        }
        complete.then(|| Expr::any(conditions))
    }

    fn source(&mut self, decl: IdentitySourceDecl, names: &Table) -> Option<IdentitySource> {
        let source = self.catalogue.source_of(&decl.source, self.out)?;
        let key = self.text_column(source, &decl.primary_key);
        let updated_at = decl.updated_at.map(|name| self.instant_column(source, name));
        let mut identifiers = Vec::new();
        let mut complete = key.is_some() && !matches!(updated_at, Some(None));
        for (name, column) in decl.identifiers.0 {
            let place = names.find(&name, false, self.out);
            let column = column.and_then(|column| self.text_column(source, &column));
            complete &= place.is_some() && column.is_some();
            identifiers.extend(place.zip(column));
        }
        let mut columns = Vec::new();
        for (name, column) in decl.columns.map(|columns| columns.0).unwrap_or_default() {
            check_name(Kind { what: "column", word: true }, &name, self.out);
            let info = &self.catalogue.sources[source.0];
            let known = column.filter(|column| self.column(info, column).is_some());
            complete &= known.is_some();
            columns.extend(known.map(|column| (name.value, column.value)));
        }
        if identifiers.is_empty() && complete {
            let message = format!("{}: source `{}` gives no identifier", self.subject, decl.source.value);
            let hint = "name its columns, as in `identifiers: { email: email }`";
            self.report(Code::InvalidIdentity, decl.source.span, message, hint);
        }
        complete.then(|| IdentitySource {
            source,
            primary_key: decl.primary_key.value,
            updated_at: updated_at.flatten(),
            identifiers,
            columns,
        })
    }

    /// A column whose values have one text each.
    fn text_column(&mut self, source: SourceId, name: &Spanned<String>) -> Option<String> {
        let info = &self.catalogue.sources[source.0];
        let ty = self.column(info, name)?;
        if matches!(ty, Type::String | Type::Integer | Type::Decimal { .. } | Type::Date) {
            return Some(name.value.clone());
        }
        let message = format!("{}: `{}` of source `{}` is {ty}", self.subject, name.value, info.source.name);
        let hint = "keys and identifiers are compared as text: name a column of type string, integer, decimal or date";
        self.report(Code::TypeMismatch, name.span, message, hint);
        None
    }

    fn instant_column(&mut self, source: SourceId, name: Spanned<String>) -> Option<String> {
        let info = &self.catalogue.sources[source.0];
        let ty = self.column(info, &name)?;
        if ty.is_temporal() {
            return Some(name.value);
        }
        let message = format!("{}: `updated_at` is `{}`, which is {ty}", self.subject, name.value);
        self.report(Code::TypeMismatch, name.span, message, "name a column of type timestamp or date");
        None
    }

    fn column(&mut self, info: &SourceInfo, name: &Spanned<String>) -> Option<Type> {
        if let Some(place) = info.columns.get(&name.value) {
            return place.and_then(|place| info.source.columns.get(place)).map(|column| column.ty.clone());
        }
        let message = format!("source `{}` has no column `{}`", info.source.name, name.value);
        let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
        let known = info.columns.keys().map(String::as_str);
        self.out.push(with_suggestion(diagnostic, &name.value, known, "column"));
        None
    }

    fn rules(
        &mut self,
        items: Vec<Item<IdentityRuleDecl>>,
        identifiers: &[Option<Identifier>],
        sources: &[Option<IdentitySource>],
    ) -> Vec<IdentityRule> {
        let (_, decls) = Table::new(Kind { what: "rule", word: true }, items, self.out);
        let mut deterministic = decls.iter().filter(|rule| rule.r#type.value == RuleType::Deterministic);
        if let (Some(first), Some(second)) = (deterministic.next(), deterministic.next()) {
            let message = format!("{}: a second deterministic rule links nothing more", self.subject);
            let diagnostic = Diagnostic::error(Code::InvalidIdentity, second.name.span, message);
            self.out.push(diagnostic.also(first.name.span, "the first").hint("keep one: it links by every identifier"));
        }
        // What is compared is known once all sources could be read.
        let complete: Option<(Vec<Identifier>, Vec<IdentitySource>)> =
            identifiers.iter().cloned().collect::<Option<_>>().zip(sources.iter().cloned().collect());
        let Some((identifiers, sources)) = complete else { return Vec::new() };
        let (subject, catalogue) = (self.subject.clone(), self.catalogue);
        let attributes = Attributes { subject: &subject, catalogue, identifiers: &identifiers, sources: &sources };
        let rules = decls.into_iter().filter_map(|decl| {
            let name = decl.name.value.clone();
            let kind = match decl.r#type.value {
                RuleType::Deterministic => self.deterministic(&decl),
                RuleType::Probabilistic => Rule::new(&attributes, self.out).check(decl).map(RuleKind::Probabilistic)?,
            };
            Some(IdentityRule { name, kind })
        });
        rules.collect()
    }

    fn golden(
        &mut self,
        name: &Spanned<String>,
        fields: Option<Entries<GoldenFieldDecl>>,
        households: Option<HouseholdsDecl>,
        id: &str,
        (identifiers, sources): (&[Option<Identifier>], &[Option<IdentitySource>]),
    ) -> Option<GoldenRecord> {
        let Some(fields) = fields else {
            if households.is_some() {
                let message = format!("{} has households and no golden record", self.subject);
                let hint = "add `golden_record:` with the fields that the people of a household share";
                self.report(Code::InvalidIdentity, name.span, message, hint);
            }
            return None;
        };
        // What is taken is known once all sources could be read.
        let identifiers: Vec<Identifier> = identifiers.iter().cloned().collect::<Option<_>>()?;
        let sources: Vec<IdentitySource> = sources.iter().cloned().collect::<Option<_>>()?;
        let (subject, catalogue) = (self.subject.clone(), self.catalogue);
        let attributes = Attributes { subject: &subject, catalogue, identifiers: &identifiers, sources: &sources };
        Some(Golden::new(&attributes, self.out).check(fields, households, id, name.span))
    }

    /// It has nothing to say but its name.
    fn deterministic(&mut self, decl: &IdentityRuleDecl) -> RuleKind {
        let more = !decl.blocking.is_empty()
            || !decl.comparisons.is_empty()
            || !decl.veto.is_empty()
            || decl.threshold.is_some()
            || decl.link.is_some()
            || decl.labels.is_some()
            || decl.max_pairs.is_some();
        if more {
            let message = format!("{}: `{}` is deterministic and compares nothing", self.subject, decl.name.value);
            let hint = "leave the keys of a comparison out, or write `type: probabilistic`";
            self.report(Code::InvalidIdentity, decl.name.span, message, hint);
        }
        RuleKind::Deterministic
    }

    fn overrides(&mut self, name: &Spanned<String>) -> Option<SourceId> {
        let source = self.catalogue.source_of(name, self.out)?;
        let info = &self.catalogue.sources[source.0];
        for needed in OVERRIDE_COLUMNS {
            let column = info.columns.get(needed).copied();
            let is_text = |place: usize| info.source.columns.get(place).is_some_and(|c| c.ty == Type::String);
            // What could not be read is reported already.
            if column.is_some_and(|place| place.is_none_or(is_text)) {
                continue;
            }
            let found = if column.is_some() { "is not text" } else { "is missing" };
            let message = format!("{}: column `{needed}` of source `{}` {found}", self.subject, name.value);
            let hint = format!("a table of overrides has the text columns {}", OVERRIDE_COLUMNS.join(", "));
            self.report(Code::InvalidIdentity, name.span, message, hint);
        }
        Some(source)
    }

    /// There are identifiers and sources, no source twice, and each identifier is given by one.
    fn check_given(
        &mut self,
        name: &Spanned<String>,
        identifiers: &[Option<Identifier>],
        records: &[Option<IdentitySource>],
    ) {
        if identifiers.is_empty() || records.is_empty() {
            let what = if identifiers.is_empty() { "identifiers" } else { "sources" };
            let message = format!("{} has no {what}", self.subject);
            self.report(Code::MissingKey, name.span, message, format!("list them under `{what}:`"));
            return;
        }
        let mut seen = HashSet::new();
        for record in records.iter().flatten() {
            if !seen.insert(record.source) {
                let source = &self.catalogue.sources[record.source.0].source.name;
                let message = format!("{}: source `{source}` is there twice", self.subject);
                self.report(Code::DuplicateName, name.span, message, "put its identifiers into one entry");
            }
        }
        // What an entry that could not be read would give is not known.
        if records.iter().any(Option::is_none) {
            return;
        }
        let given: HashSet<usize> = records.iter().flatten().flat_map(|r| r.identifiers.iter().map(|i| i.0)).collect();
        for (place, identifier) in identifiers.iter().enumerate() {
            let Some(identifier) = identifier.as_ref().filter(|_| !given.contains(&place)) else { continue };
            let message = format!("{}: no source gives identifier `{}`", self.subject, identifier.name);
            let hint = format!("add its column, as in `identifiers: {{ {}: … }}`, or leave it out", identifier.name);
            self.report(Code::InvalidIdentity, identifier.span, message, hint);
        }
    }
}

/// A name of identities is taken twice only within one kind of thing.
pub(super) fn identities(
    items: Vec<Item<IdentityDecl>>,
    catalogue: &Catalogue,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Identities {
    let (names, decls) = Table::new(Kind { what: "identity", word: true }, items, out);
    Identities::new(names, decls.into_iter().map(|decl| identity(decl, catalogue, sources, out)).collect())
}

/// What is done to a value, done to a constant.
fn same_way(value: &ValueExpr, text: &str) -> Option<ValueExpr> {
    value.clone().try_map(&mut |_, _| Ok::<_, ()>(constant(text))).ok()
}

fn placeholder(given: ValueExpr) -> ValueExpr {
    let call = |function, value| Expr::call(function, vec![value], Type::String);
    let plain = call(FunctionId::LOWER, call(FunctionId::TRIM, given));
    let words = PLACEHOLDERS.iter().map(|word| constant(word));
    let is_word = Expr::call(FunctionId::IN, std::iter::once(plain.clone()).chain(words).collect(), Type::Boolean);
    Expr::call(FunctionId::OR, vec![is_word, matches(plain, ZEROS)], Type::Boolean)
}

/// Whether one of our own patterns matches.
fn matches(value: ValueExpr, pattern: &str) -> ValueExpr {
    let form = portable(pattern, Asked::Match).unwrap_or_else(|_| "^$".to_owned());
    matches_form(value, &form)
}

fn matches_form(value: ValueExpr, form: &str) -> ValueExpr {
    Expr::call(FunctionId::REGEX_MATCH, vec![value, constant(form)], Type::Boolean)
}

fn constant(text: &str) -> ValueExpr {
    Expr::literal(Literal::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_patterns_are_portable() {
        for pattern in [BLANK, ZEROS] {
            assert!(portable(pattern, Asked::Match).is_ok(), "{pattern}");
        }
    }
}
