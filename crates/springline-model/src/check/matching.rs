//! Probabilistic rules: what they compare, and that each method fits what it compares.

use springline_ir::Type;

use crate::syntax::{Bound, ComparisonDecl, IdentityRuleDecl, Spanned};
use crate::{
    Attribute, Code, Comparison, Diagnostic, LABEL_ANSWER, LABEL_COLUMNS, Link, Matching, Measure, Method, SourceId,
    Span,
};

use super::attributes::Attributes;

/// How many pairs a rule may compare where it does not say.
const MAX_PAIRS: u64 = 100_000_000;

/// Checks one rule.
pub(super) struct Rule<'a, 'b> {
    pub attributes: &'a Attributes<'a>,
    pub out: &'b mut Vec<Diagnostic>,
    found: Vec<Attribute>,
}

impl<'a, 'b> Rule<'a, 'b> {
    pub(super) fn new(attributes: &'a Attributes<'a>, out: &'b mut Vec<Diagnostic>) -> Self {
        Rule { attributes, out, found: Vec::new() }
    }

    /// The rule. `None` if something in it is wrong, which is reported.
    pub(super) fn check(mut self, decl: IdentityRuleDecl) -> Option<Matching> {
        let before = self.out.len();
        let name = decl.name;
        let blocking: Vec<_> = decl.blocking.iter().map(|columns| self.places(columns)).collect();
        if blocking.is_empty() || blocking.iter().any(Vec::is_empty) {
            let hint = "list the columns that two records share, as in `blocking: [[surname, postcode], [birth_date]]`";
            self.report(
                Code::MissingKey,
                name.span,
                format!("`{}` does not say which records to compare", name.value),
                hint,
            );
        }
        if decl.comparisons.is_empty() {
            let hint = "list them, as in `comparisons: [{ column: surname, method: exact }]`";
            self.report(Code::MissingKey, name.span, format!("`{}` compares nothing", name.value), hint);
        }
        let comparisons: Vec<_> = decl.comparisons.iter().filter_map(|decl| self.comparison(decl)).collect();
        self.check_once(&decl.comparisons);
        let veto = decl.veto.iter().filter_map(|veto| self.place(&veto.column)).collect();
        let labels = decl.labels.and_then(|labels| self.labels(&labels.source));
        if decl.threshold.is_none() && labels.is_none() {
            let message = format!("`{}` does not say how probable a link must be", name.value);
            self.report(Code::MissingKey, name.span, message, "add `threshold: 0.95`, or `labels:` to learn it from");
        }
        let max_pairs = decl.max_pairs.map_or(MAX_PAIRS, |most| most.value);
        (self.out.len() == before).then_some(Matching {
            attributes: self.found,
            blocking,
            comparisons,
            veto,
            threshold: decl.threshold.map(|threshold| threshold.value.0),
            link: decl.link.map_or(Link::ManyToMany, |link| link.value),
            labels,
            max_pairs,
        })
    }

    fn report(&mut self, code: Code, span: Span, message: String, hint: impl Into<String>) {
        let message = format!("{}: {message}", self.attributes.subject);
        self.out.push(Diagnostic::error(code, span, message).hint(hint));
    }

    fn places(&mut self, names: &[Spanned<String>]) -> Vec<usize> {
        names.iter().filter_map(|name| self.place(name)).collect()
    }

    fn place(&mut self, name: &Spanned<String>) -> Option<usize> {
        if let Some(place) = self.found.iter().position(|attribute| attribute.name == name.value) {
            return Some(place);
        }
        let attribute = self.attributes.find(name, self.out)?;
        if matches!(attribute.ty, Type::Json | Type::Float | Type::Array(_)) {
            let message = format!("`{}` is {}, which is not compared", name.value, attribute.ty);
            self.report(Code::TypeMismatch, name.span, message, "name a column of text, numbers, dates or booleans");
            return None;
        }
        self.found.push(attribute);
        Some(self.found.len() - 1)
    }

    fn comparison(&mut self, decl: &ComparisonDecl) -> Option<Comparison> {
        let attribute = self.place(&decl.column)?;
        let ty = self.found.get(attribute)?.ty.clone();
        let mut measures = vec![self.measure(&decl.method, &decl.thresholds, &ty, &decl.column)];
        if let Some(fallback) = &decl.fallback {
            measures.push(self.measure(&fallback.method, &fallback.thresholds, &ty, &decl.column));
        }
        let swapped_with = decl.swapped_with.as_ref().map(|other| self.swapped(&decl.column, &ty, other));
        if matches!(swapped_with, Some(None)) {
            return None;
        }
        Some(Comparison {
            attribute,
            swapped_with: swapped_with.flatten(),
            term_frequency: decl.term_frequency.as_ref().is_some_and(|wanted| wanted.value),
            measures: measures.into_iter().collect::<Option<_>>()?,
        })
    }

    fn swapped(&mut self, column: &Spanned<String>, ty: &Type, other: &Spanned<String>) -> Option<usize> {
        let place = self.place(other)?;
        if self.found.get(place).is_some_and(|found| found.ty == *ty && found.name != column.value) {
            return Some(place);
        }
        let message = format!("`{}` cannot be swapped with `{}`", column.value, other.value);
        self.report(Code::InvalidIdentity, other.span, message, "name another column of the same type");
        None
    }

    fn measure(
        &mut self,
        method: &Spanned<Method>,
        bounds: &[Spanned<Bound>],
        ty: &Type,
        column: &Spanned<String>,
    ) -> Option<Measure> {
        let (fits, wanted) = match method.value {
            Method::Exact => (true, ""),
            Method::JaroWinkler | Method::Levenshtein => (*ty == Type::String, "text"),
            Method::NumericDistance => (ty.is_number(), "a number"),
            Method::DateDistance => (ty.is_temporal(), "a date or a timestamp"),
        };
        if !fits {
            let message = format!("`{}` is {ty}, and the method wants {wanted}", column.value);
            self.report(Code::TypeMismatch, method.span, message, "take a method that fits, such as `exact`");
            return None;
        }
        let thresholds: Vec<f64> = bounds.iter().map(|bound| bound.value.0).collect();
        if let Some(problem) = problem_of(method.value, &thresholds) {
            let span = bounds.first().map_or(method.span, |bound| bound.span);
            self.report(
                Code::InvalidIdentity,
                span,
                format!("the thresholds of `{}` do not fit its method", column.value),
                problem,
            );
            return None;
        }
        Some(Measure { method: method.value, thresholds })
    }

    /// No column is compared twice: what it tells would count twice.
    fn check_once(&mut self, comparisons: &[ComparisonDecl]) {
        for (place, decl) in comparisons.iter().enumerate() {
            if let Some(first) = comparisons[..place].iter().find(|first| first.column.value == decl.column.value) {
                let message = format!("{}: `{}` is compared twice", self.attributes.subject, decl.column.value);
                let diagnostic = Diagnostic::error(Code::DuplicateName, decl.column.span, message);
                self.out.push(diagnostic.also(first.column.span, "first here").hint("keep one, with all thresholds"));
            }
        }
    }

    fn labels(&mut self, name: &Spanned<String>) -> Option<SourceId> {
        let source = self.attributes.catalogue.source_of(name, self.out)?;
        let info = &self.attributes.catalogue.sources[source.0];
        let wanted =
            LABEL_COLUMNS.map(|column| (column, Type::String)).into_iter().chain([(LABEL_ANSWER, Type::Boolean)]);
        for (needed, ty) in wanted {
            let column = info.columns.get(needed).copied();
            let fits = |place: usize| info.source.columns.get(place).is_some_and(|column| column.ty == ty);
            // What could not be read is reported already.
            if column.is_some_and(|place| place.is_none_or(fits)) {
                continue;
            }
            let message = format!("source `{}` of labels has no column `{needed}` of type {ty}", name.value);
            let hint =
                format!("labels have the text columns {} and the boolean {LABEL_ANSWER}", LABEL_COLUMNS.join(", "));
            self.report(Code::InvalidIdentity, name.span, message, hint);
        }
        Some(source)
    }
}

/// What is wrong with the bounds of a method, as what to write instead.
fn problem_of(method: Method, bounds: &[f64]) -> Option<&'static str> {
    let ordered = |closer: fn(f64, f64) -> bool| bounds.windows(2).all(|pair| matches!(pair, [a, b] if closer(*a, *b)));
    let whole = || bounds.iter().all(|bound| bound.fract() == 0.0 && *bound >= 1.0 && *bound <= 1e6);
    match method {
        Method::Exact => (!bounds.is_empty()).then_some("leave them out: values are equal or not"),
        _ if bounds.is_empty() => Some("name at least one, the closest first"),
        Method::JaroWinkler if !(ordered(|a, b| a > b) && bounds.iter().all(|b| *b > 0.0 && *b < 1.0)) => {
            Some("write similarities between 0 and 1, the closest first, such as `[0.92, 0.88]`")
        }
        Method::Levenshtein | Method::DateDistance if !(ordered(|a, b| a < b) && whole()) => {
            Some("write whole numbers of 1 or more, the closest first, such as `[1, 2]`")
        }
        Method::NumericDistance if !(ordered(|a, b| a < b) && bounds.iter().all(|bound| *bound > 0.0)) => {
            Some("write numbers above 0, the closest first, such as `[1, 10]`")
        }
        _ => None,
    }
}
