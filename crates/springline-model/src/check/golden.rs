//! The golden record: that its fields are there, that each rule fits what it decides about, and what keeps households.

use std::collections::{HashMap, HashSet};

use springline_ir::{FunctionId, Type};

use crate::syntax::{
    Entries, GoldenAggregate, GoldenFieldDecl, GoldenGroupDecl, HouseholdsDecl, RuleDecl, Spanned, SurvivorWord,
    SurvivorshipDecl,
};
use crate::{
    Attribute, Code, Diagnostic, GoldenKind, GoldenPart, GoldenRecord, HOUSEHOLD_ID, Households, Span, Survivorship,
};

use super::attributes::Attributes;
use super::names::{Kind, check_name, with_suggestion};

/// Checks one golden record.
pub(super) struct Golden<'a, 'b> {
    attributes: &'a Attributes<'a>,
    out: &'b mut Vec<Diagnostic>,
    found: Vec<Attribute>,
    taken: HashMap<String, Span>,
}

impl<'a, 'b> Golden<'a, 'b> {
    pub(super) fn new(attributes: &'a Attributes<'a>, out: &'b mut Vec<Diagnostic>) -> Self {
        Golden { attributes, out, found: Vec::new(), taken: HashMap::new() }
    }

    /// The golden record of an identity with this canonical id. What is wrong is reported and left out.
    pub(super) fn check(
        mut self,
        fields: Entries<GoldenFieldDecl>,
        households: Option<HouseholdsDecl>,
        id: &str,
        span: Span,
    ) -> GoldenRecord {
        let reserved: Vec<&str> = std::iter::once(id).chain(households.iter().map(|_| HOUSEHOLD_ID)).collect();
        let mut parts = Vec::new();
        for (name, decl) in fields.0 {
            let Some(decl) = decl else { continue };
            let kind = match decl {
                GoldenFieldDecl::Rules(rules) => {
                    self.place(&name, &reserved).map(|place| self.survivor(vec![place], &rules, &name))
                }
                GoldenFieldDecl::Aggregate(decl) => self
                    .place(&name, &reserved)
                    .and_then(|place| self.aggregate(place, decl.aggregate.value, decl.aggregate.span)),
                GoldenFieldDecl::Group(group) => Some(self.group(&group, &name, &reserved)),
            };
            parts.extend(kind.map(|kind| GoldenPart { name: name.value, kind, span: name.span }));
        }
        let households = households.map(|households| self.households(&households, &parts, span));
        GoldenRecord { attributes: self.found, parts, households, span }
    }

    fn report(&mut self, code: Code, span: Span, message: String, hint: impl Into<String>) {
        let message = format!("{}: {message}", self.attributes.subject);
        self.out.push(Diagnostic::error(code, span, message).hint(hint));
    }

    /// The attribute of a field's name, which becomes a column.
    fn place(&mut self, name: &Spanned<String>, reserved: &[&str]) -> Option<usize> {
        check_name(Kind { what: "field", word: true }, name, self.out);
        if reserved.iter().any(|taken| taken.eq_ignore_ascii_case(&name.value)) {
            let message = format!("a golden field cannot be called `{}`", name.value);
            let hint =
                "the table has a column of that name: give the field another one under `columns:` of the sources";
            self.report(Code::InvalidIdentity, name.span, message, hint);
            return None;
        }
        if let Some(first) = self.taken.insert(name.value.to_lowercase(), name.span) {
            let message = format!("{}: `{}` is there twice", self.attributes.subject, name.value);
            let diagnostic = Diagnostic::error(Code::DuplicateName, name.span, message).also(first, "first here");
            self.out.push(diagnostic.hint("keep one: a field has one value"));
            return None;
        }
        let attribute = self.attributes.find(name, self.out)?;
        if matches!(attribute.ty, Type::Json | Type::Array(_)) {
            let message = format!("`{}` is {}, of which no value is the better one", name.value, attribute.ty);
            let hint = "name a column of text, numbers, booleans, dates or timestamps";
            self.report(Code::TypeMismatch, name.span, message, hint);
            return None;
        }
        self.found.push(attribute);
        Some(self.found.len() - 1)
    }

    fn group(&mut self, decl: &GoldenGroupDecl, name: &Spanned<String>, reserved: &[&str]) -> GoldenKind {
        if decl.group.len() < 2 {
            let message = format!("`{}` is no group", name.value);
            let hint = "list the fields that belong together, as in `group: [street, postcode, city]`";
            self.report(Code::InvalidIdentity, name.span, message, hint);
        }
        let places = decl.group.iter().filter_map(|field| self.place(field, reserved)).collect();
        self.survivor(places, &decl.rule, name)
    }

    fn survivor(&mut self, attributes: Vec<usize>, decl: &SurvivorshipDecl, name: &Spanned<String>) -> GoldenKind {
        if decl.0.is_empty() {
            let message = format!("`{}` has no rule", name.value);
            self.report(Code::MissingKey, name.span, message, "write one, such as `most_recent`");
        }
        let mut rules: Vec<Survivorship> = Vec::new();
        for decl in &decl.0 {
            let (rule, span) = match decl {
                RuleDecl::Word(word) => (self.plain(word, &attributes, name), word.span),
                RuleDecl::Priority(decl) => (self.priority(&decl.source_priority, name.span), name.span),
            };
            let Some(rule) = rule else { continue };
            if rules.contains(&rule) {
                let message = format!("a rule of `{}` is there twice", name.value);
                self.report(Code::InvalidIdentity, span, message, "leave the second out: it decides nothing");
            }
            rules.push(rule);
        }
        GoldenKind::Survivor { attributes, rules }
    }

    fn plain(
        &mut self,
        word: &Spanned<SurvivorWord>,
        attributes: &[usize],
        name: &Spanned<String>,
    ) -> Option<Survivorship> {
        match word.value {
            SurvivorWord::MostRecent if !self.is_dated(attributes) => {
                let message =
                    format!("`most_recent` of `{}`: no source that has it says when it was written", name.value);
                self.report(Code::InvalidIdentity, word.span, message, "add `updated_at:` to one of the sources");
                None
            }
            SurvivorWord::Longest if !self.is_text(attributes) => {
                let message = format!("`longest` of `{}`, which is no single text", name.value);
                self.report(Code::TypeMismatch, word.span, message, "take another rule, such as `most_recent`");
                None
            }
            SurvivorWord::MostRecent => Some(Survivorship::MostRecent),
            SurvivorWord::FirstSeen => Some(Survivorship::FirstSeen),
            SurvivorWord::MostFrequent => Some(Survivorship::MostFrequent),
            SurvivorWord::Longest => Some(Survivorship::Longest),
        }
    }

    /// Whether a source that gives one of the attributes says when its records were written.
    fn is_dated(&self, attributes: &[usize]) -> bool {
        let gives = |place: usize, attribute: &usize| {
            self.found.get(*attribute).is_some_and(|a| a.columns.get(place).is_some_and(Option::is_some))
        };
        let mut sources = self.attributes.sources.iter().enumerate();
        // What could not be found is reported already.
        attributes.is_empty()
            || sources.any(|(place, source)| source.updated_at.is_some() && attributes.iter().any(|a| gives(place, a)))
    }

    fn is_text(&self, attributes: &[usize]) -> bool {
        match attributes {
            [] => true,
            [one] => self.found.get(*one).is_some_and(|attribute| attribute.ty == Type::String),
            _ => false,
        }
    }

    fn priority(&mut self, names: &[Spanned<String>], span: Span) -> Option<Survivorship> {
        if names.is_empty() {
            let hint = "list sources, as in `source_priority: [crm, web]`";
            self.report(Code::MissingKey, span, "`source_priority` names no source".to_owned(), hint);
            return None;
        }
        let mut places = Vec::new();
        for name in names {
            places.push(self.source(name)?);
        }
        let distinct: HashSet<&usize> = places.iter().collect();
        if distinct.len() < places.len() {
            let message = "a source is twice in `source_priority`".to_owned();
            self.report(Code::InvalidIdentity, span, message, "leave the second out");
        }
        Some(Survivorship::SourcePriority(places))
    }

    fn source(&mut self, name: &Spanned<String>) -> Option<usize> {
        let of = |place: usize| self.attributes.catalogue.sources[place].source.name.as_str();
        let names: Vec<&str> = self.attributes.sources.iter().map(|source| of(source.source.0)).collect();
        if let Some(place) = names.iter().position(|known| *known == name.value) {
            return Some(place);
        }
        let message = format!("{}: `{}` is no source of the identity", self.attributes.subject, name.value);
        let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
        let diagnostic = with_suggestion(diagnostic, &name.value, names.into_iter(), "source");
        self.out.push(diagnostic);
        None
    }

    fn aggregate(&mut self, attribute: usize, word: GoldenAggregate, span: Span) -> Option<GoldenKind> {
        let function = match word {
            GoldenAggregate::Sum => FunctionId::SUM,
            GoldenAggregate::Min => FunctionId::MIN,
            GoldenAggregate::Max => FunctionId::MAX,
            GoldenAggregate::Avg => FunctionId::AVG,
            GoldenAggregate::Count => FunctionId::COUNT,
        };
        let found = self.found.get(attribute)?;
        let ty = match word {
            GoldenAggregate::Count => Some(Type::Integer),
            _ => (function.get().result)(std::slice::from_ref(&found.ty)),
        };
        let Some(ty) = ty else {
            let message = format!("`{}` is {}, of which there is no `{}`", found.name, found.ty, function.get().name);
            self.report(Code::TypeMismatch, span, message, "take another aggregate, or name a number under `columns:`");
            return None;
        };
        Some(GoldenKind::Aggregate { attribute, function, ty })
    }

    fn households(&mut self, decl: &HouseholdsDecl, parts: &[GoldenPart], span: Span) -> Households {
        let survivors: HashSet<usize> = parts
            .iter()
            .flat_map(|part| match &part.kind {
                GoldenKind::Survivor { attributes, .. } => attributes.clone(),
                GoldenKind::Aggregate { .. } => Vec::new(),
            })
            .collect();
        if decl.keys.is_empty() {
            let message = "`households` has no `keys`".to_owned();
            self.report(Code::MissingKey, span, message, "list fields, as in `keys: [street, postcode, city]`");
        }
        let mut keys = Vec::new();
        for key in &decl.keys {
            let place = self.found.iter().position(|attribute| attribute.name == key.value);
            let Some(place) = place.filter(|place| survivors.contains(place)) else {
                let message = format!("a household cannot be told by `{}`", key.value);
                let hint = "name fields of the golden record that come from a record";
                self.report(Code::InvalidIdentity, key.span, message, hint);
                continue;
            };
            keys.push(place);
        }
        if let Some(limit) = decl.limit.as_ref().filter(|limit| limit.value == 0) {
            let message = format!("`limit` of {} for households", limit.value);
            self.report(Code::InvalidValue, limit.span, message, "write 1 or more, or leave it out for no limit");
        }
        Households { keys, limit: decl.limit.as_ref().map(|limit| limit.value) }
    }
}
