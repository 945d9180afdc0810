//! `rfm:`: recency, frequency and monetary value of an event as computed fields.
//!
//! The fields are written as the language writes them and checked like all others.

use springline_ir::{FunctionId, Type};

use crate::expr::{Ast, AstKind, Call, Name, Over};
use crate::syntax::{EntityDecl, RfmDecl, RfmSegmentDecl, ScoreRange, Spanned, ThresholdsDecl, Value};
use crate::{Code, Diagnostic, SourceMap, Span};

use super::catalogue::FieldInfo;
use super::conditions::{Conditions, joined, text};
use super::entities::rises;
use super::names::with_suggestion;
use super::sets::integer;

/// A score is one digit of `rfm_score`.
const MAX_SCORE: u64 = 9;
const DEFAULT_QUANTILES: u64 = 5;

/// One of the three figures.
struct Figure {
    /// The name of its field.
    name: &'static str,
    /// The name of its score's field.
    score: &'static str,
    label: &'static str,
    score_label: &'static str,
    /// Fewer is better.
    falling: bool,
}

const RECENCY: Figure = Figure {
    name: "rfm_recency",
    score: "rfm_r",
    label: "Days since the last",
    score_label: "Score of the recency",
    falling: true,
};
const FREQUENCY: Figure = Figure {
    name: "rfm_frequency",
    score: "rfm_f",
    label: "How many",
    score_label: "Score of the frequency",
    falling: false,
};
const MONETARY: Figure = Figure {
    name: "rfm_monetary",
    score: "rfm_m",
    label: "Their value",
    score_label: "Score of the value",
    falling: false,
};

/// How scores are given.
enum Scores {
    /// Parts of equal size.
    Quantiles(u64),
    /// Ranges with these bounds: of the recency, the frequency and the value.
    Bounds([Vec<Ast>; 3]),
}

/// The fields of an entity's `rfm:`, in their order. One that could not be read has no expression.
pub(super) fn fields(
    rfm: &RfmDecl,
    entity: &EntityDecl,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Vec<FieldInfo> {
    let builder = Builder { rfm, span: rfm.event.span };
    let known = check_event(rfm, entity, out);
    let value = Conditions { sources, out }.names(&rfm.value);
    let scores = scores(rfm, sources, out);
    let segments = scores.as_ref().map(|scores| builder.segments(scores, out));
    let figures = known.then(|| (builder.recency(), builder.frequency(), value.map(|value| builder.monetary(value))));
    let (recency, frequency, monetary) = match figures {
        Some((recency, frequency, monetary)) => (Some(recency), Some(frequency), monetary),
        None => (None, None, None),
    };
    let generated = |name: &str, label: &str, ast| FieldInfo::generated(name, Some(label.into()), builder.span, ast);
    let mut all = vec![
        generated(RECENCY.name, RECENCY.label, recency),
        generated(FREQUENCY.name, FREQUENCY.label, frequency),
        generated(MONETARY.name, MONETARY.label, monetary),
    ];
    for (i, figure) in [RECENCY, FREQUENCY, MONETARY].iter().enumerate() {
        let ast = scores.as_ref().map(|scores| builder.score(figure, i, scores));
        all.push(generated(figure.score, figure.score_label, ast));
    }
    all.push(generated("rfm_score", "The three scores", Some(builder.digits())));
    if rfm.segments.as_ref().is_some_and(|segments| !segments.0.is_empty()) {
        all.push(generated("rfm_segment", "Segment by the scores", segments.flatten()));
    }
    all
}

/// Whether the entity has the event.
fn check_event(rfm: &RfmDecl, entity: &EntityDecl, out: &mut Vec<Diagnostic>) -> bool {
    let names = || entity.events.iter().filter_map(|event| event.name.as_ref()).map(|name| name.value.as_str());
    if names().any(|name| name == rfm.event.value) {
        return true;
    }
    let message = format!("`rfm`: entity `{}` has no event `{}`", entity.name.value, rfm.event.value);
    let diagnostic = Diagnostic::error(Code::UnknownName, rfm.event.span, message);
    out.push(match names().next() {
        None => diagnostic.hint("declare it under `events:` of the entity"),
        Some(_) => with_suggestion(diagnostic, &rfm.event.value, names(), "event"),
    });
    false
}

fn scores(rfm: &RfmDecl, sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Option<Scores> {
    match (&rfm.quantiles, &rfm.thresholds) {
        (Some(quantiles), Some(_)) => {
            let message = "`rfm` has both `quantiles` and `thresholds`";
            out.push(Diagnostic::error(Code::WrongShape, quantiles.span, message).hint("keep one of the two"));
            None
        }
        (Some(quantiles), None) if !(2..=MAX_SCORE).contains(&quantiles.value) => {
            let message = format!("`rfm` cannot be cut into {} parts", quantiles.value);
            let hint = "write `quantiles: 5`; a score is one digit, so 2 to 9 are possible";
            out.push(Diagnostic::error(Code::InvalidValue, quantiles.span, message).hint(hint));
            None
        }
        (quantiles, None) => Some(Scores::Quantiles(quantiles.as_ref().map_or(DEFAULT_QUANTILES, |q| q.value))),
        (None, Some(thresholds)) => bounds(rfm, thresholds, sources, out).map(Scores::Bounds),
    }
}

fn bounds(
    rfm: &RfmDecl,
    decl: &ThresholdsDecl,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Option<[Vec<Ast>; 3]> {
    let mut read = |values: &[Value], what: &str| -> Option<Vec<Ast>> {
        let falls = values.windows(2).find_map(|pair| match pair {
            [a, b] if !rises(&a.0.value, &b.0.value) => Some(b),
            _ => None,
        });
        let problem = if values.is_empty() {
            Some((rfm.event.span, format!("the thresholds of `rfm` have no bounds under `{what}`")))
        } else if let Some(value) = falls {
            Some((value.0.span, format!("the bound {} is not above the one before it", value.0.value.text)))
        } else {
            let more = usize::try_from(MAX_SCORE).ok().and_then(|most| values.get(most - 1));
            more.map(|value| (value.0.span, format!("more than {} bounds under `{what}`", MAX_SCORE - 1)))
        };
        if let Some((span, message)) = problem {
            let hint = format!("list one to eight bounds from low to high: `{what}: [30, 90, 180]`");
            out.push(Diagnostic::error(Code::InvalidValue, span, message).hint(hint));
            return None;
        }
        let mut conditions = Conditions { sources, out };
        values.iter().map(|value| conditions.value(&value.0)).collect()
    };
    let all = (read(&decl.recency, "recency"), read(&decl.frequency, "frequency"), read(&decl.monetary, "monetary"));
    Some([all.0?, all.1?, all.2?])
}

/// Writes the expressions; all stand at the place of the event's name.
struct Builder<'a> {
    rfm: &'a RfmDecl,
    span: Span,
}

impl Builder<'_> {
    fn ast(&self, kind: AstKind) -> Ast {
        Ast { kind, span: self.span }
    }

    fn name(&self, text: &str) -> Name {
        Name { text: text.to_owned(), quoted: false, span: self.span }
    }

    fn field(&self, name: &str) -> Ast {
        self.ast(AstKind::Path(vec![self.name(name)]))
    }

    fn call(&self, function: &str, args: Vec<Ast>, within: Option<Spanned<String>>, over: Option<Over>) -> Ast {
        let name = self.name(function);
        self.ast(AstKind::Call(Box::new(Call { name, args, filter: None, within, slice: None, over })))
    }

    /// An aggregate over the event, in the window if there is one.
    fn aggregate(&self, function: FunctionId, path: Vec<Name>, span: Span) -> Ast {
        let path = Ast { kind: AstKind::Path(path), span };
        let call = self.call(function.get().name, vec![path], self.rfm.within.clone(), None);
        Ast { span, ..call }
    }

    fn event(&self) -> Name {
        self.name(&self.rfm.event.value)
    }

    fn recency(&self) -> Ast {
        let last = self.aggregate(FunctionId::MAX, vec![self.event(), self.name("at")], self.span);
        let now = self.call(FunctionId::AS_OF.get().name, Vec::new(), None, None);
        self.call(FunctionId::DAYS_BETWEEN.get().name, vec![last, now], None, None)
    }

    fn frequency(&self) -> Ast {
        self.aggregate(FunctionId::COUNT, vec![self.event()], self.span)
    }

    fn monetary(&self, mut path: Vec<Name>) -> Ast {
        if path.len() == 1 || path.first().is_some_and(|first| first.text != self.rfm.event.value) {
            path.insert(0, self.event());
        }
        let sum = self.aggregate(FunctionId::SUM, path, self.rfm.value.span);
        self.call(FunctionId::COALESCE.get().name, vec![sum, integer(0, self.span)], None, None)
    }

    /// Whether the row has an event: the others have no score.
    fn has_events(&self) -> Ast {
        Ast::binary(FunctionId::GT, self.field(FREQUENCY.name), integer(0, self.span), self.span)
    }

    fn case(&self, branches: Vec<(Ast, Ast)>, otherwise: Option<Ast>) -> Ast {
        self.ast(AstKind::Case { branches, otherwise: otherwise.map(Box::new) })
    }

    /// The score of the figure that is the `place`-th of the three.
    fn score(&self, figure: &Figure, place: usize, scores: &Scores) -> Ast {
        let value = self.field(figure.name);
        let score = match scores {
            Scores::Quantiles(parts) => {
                // The last part is the best, so the worst values come first.
                let over = Over { partition_by: vec![self.has_events()], order_by: vec![(value, figure.falling)] };
                self.call(FunctionId::NTILE.get().name, vec![integer(*parts, self.span)], None, Some(over))
            }
            Scores::Bounds(all) => {
                let bounds = all.get(place).map_or(&[][..], Vec::as_slice);
                let best = bounds.len() as u64 + 1;
                let score = |i: u64| integer(if figure.falling { best - i } else { 1 + i }, self.span);
                let below = |bound: &Ast| Ast::binary(FunctionId::LT, value.clone(), bound.clone(), bound.span);
                let branches = (0..).zip(bounds).map(|(i, bound)| (below(bound), score(i))).collect();
                self.case(branches, Some(score(best - 1)))
            }
        };
        self.case(vec![(self.has_events(), score)], None)
    }

    /// The three scores as text.
    fn digits(&self) -> Ast {
        let text = |figure: &Figure| {
            let operand = Box::new(self.field(figure.score));
            self.ast(AstKind::Cast { operand, ty: Type::String, lenient: false })
        };
        let two = Ast::binary(FunctionId::CONCAT, text(&RECENCY), text(&FREQUENCY), self.span);
        Ast::binary(FunctionId::CONCAT, two, text(&MONETARY), self.span)
    }

    /// The first segment whose ranges the scores are in; `None` if a range cannot be.
    fn segments(&self, scores: &Scores, out: &mut Vec<Diagnostic>) -> Option<Ast> {
        let mut branches = Vec::new();
        let mut complete = true;
        for (name, decl) in self.rfm.segments.iter().flat_map(|segments| &segments.0) {
            match decl.as_ref().and_then(|decl| self.ranges(decl, name.span, scores, out)) {
                Some(condition) => branches.push((condition, text(name))),
                None => complete = false,
            }
        }
        complete.then(|| self.case(branches, None))
    }

    fn ranges(&self, decl: &RfmSegmentDecl, span: Span, scores: &Scores, out: &mut Vec<Diagnostic>) -> Option<Ast> {
        let ranges = [(&decl.r, &RECENCY), (&decl.f, &FREQUENCY), (&decl.m, &MONETARY)];
        // Who has no score is in no segment, even one that takes every score.
        let mut all = vec![self.has_events()];
        let mut fits = true;
        for (place, (range, figure)) in ranges.into_iter().enumerate() {
            let Some(ScoreRange { from, to }) = range else { continue };
            let best = match scores {
                Scores::Quantiles(parts) => *parts,
                Scores::Bounds(bounds) => bounds.get(place).map_or(1, |bounds| bounds.len() as u64 + 1),
            };
            if let Some(wrong) = [from, to].into_iter().find(|score| !(1..=best).contains(&score.value)) {
                let message = format!("there is no score {}: `{}` is from 1 to {best}", wrong.value, figure.score);
                let hint = format!("write scores from 1 (the worst) to {best} (the best)");
                out.push(Diagnostic::error(Code::InvalidValue, wrong.span, message).hint(hint));
                fits = false;
                continue;
            }
            let (low, high) = (integer(from.value, from.span), integer(to.value, to.span));
            all.push(Ast::between(self.field(figure.score), low, high, from.span));
        }
        if fits { joined(FunctionId::AND, all, span) } else { None }
    }
}
