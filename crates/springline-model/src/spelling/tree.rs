//! An expression as a condition tree. What the tree has no form for becomes a text in it.

use std::collections::HashSet;

use springline_ir::{FunctionId, Literal};

use crate::expr::{Ast, AstKind, Call, Quantifier, Related};
use crate::syntax::Spanned;

use super::same::{key, window};
use super::text::{between, text};
use super::yaml::{Yaml, scalar, value};

/// The names of a project that decide between the forms of a tree.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub events: HashSet<String>,
    pub relationships: HashSet<String>,
}

/// The comparisons, in the order in which the tree reads them.
const COMPARISONS: &[(FunctionId, &str)] = &[
    (FunctionId::EQ, "eq"),
    (FunctionId::NE, "ne"),
    (FunctionId::GT, "gt"),
    (FunctionId::GE, "gte"),
    (FunctionId::LT, "lt"),
    (FunctionId::LE, "lte"),
];

/// The aggregates of an event condition with a column, in the order in which the tree reads them.
const AGGREGATES: &[FunctionId] = &[
    FunctionId::SUM,
    FunctionId::AVG,
    FunctionId::MIN,
    FunctionId::MAX,
    FunctionId::COUNT_DISTINCT,
    FunctionId::FIRST,
    FunctionId::LAST,
    FunctionId::MOST_FREQUENT,
    FunctionId::MEDIAN,
];

/// The functions that ask of a column what a key asks, in the order in which the tree reads them; the first
/// follows the comparisons.
const ASKED: &[(&str, &str)] = &[
    ("starts_with", "starts_with"),
    ("ends_with", "ends_with"),
    ("contains", "contains"),
    ("regex_match", "matches"),
    ("birthday_within", "birthday_within"),
];
/// The places of the questions that are no comparisons.
const IN: usize = 7;
const NOT_IN: usize = 8;
const LIKE: usize = 9;
const FIRST_ASKED: usize = 10;
const WITHIN: usize = FIRST_ASKED + ASKED.len();
const IS_NULL: usize = WITHIN + 1;

/// One question about a column, an event or a relationship. Several that follow one another about the
/// same thing are one mapping.
struct Question<'a> {
    about: About<'a>,
    /// The place among the keys of the mapping.
    slot: usize,
    /// For an aggregate: its key, and the column.
    of: Option<(&'static str, Option<String>)>,
    /// The place among the comparisons, and the key.
    asks: (usize, &'static str),
    answer: Yaml,
}

/// What is asked about.
enum About<'a> {
    Field(String),
    Event(&'a str, Clauses<'a>),
    Related(&'a str, Clauses<'a>),
}

#[derive(Clone, Copy)]
struct Clauses<'a> {
    filter: Option<&'a Ast>,
    within: Option<&'a Spanned<String>>,
}

impl About<'_> {
    fn key(&self) -> String {
        let clauses = |c: &Clauses| {
            let within = c.within.map(|w| window(&w.value));
            format!("{:?} {within:?}", c.filter.map(key))
        };
        match self {
            About::Field(path) => format!("field {path:?}"),
            About::Event(name, c) => format!("event {name:?} {}", clauses(c)),
            About::Related(name, c) => format!("related {name:?} {}", clauses(c)),
        }
    }
}

/// The tree of a condition. `None` where a part of it has neither a tree nor a text.
pub(crate) fn tree(ast: &Ast, names: &Names) -> Option<Yaml> {
    let writer = Writer { names };
    match writer.form(ast) {
        Some(yaml) => Some(yaml),
        None => Some(Yaml::Text(text(ast)?)),
    }
}

struct Writer<'a> {
    names: &'a Names,
}

impl Writer<'_> {
    /// The form that the tree has for it, if it has one.
    fn form(&self, ast: &Ast) -> Option<Yaml> {
        if let Some(question) = self.question(ast) {
            return self.mapping(vec![question]);
        }
        match &ast.kind {
            AstKind::Operator(FunctionId::AND, operands) => {
                let questions: Option<Vec<_>> = operands.iter().map(|o| self.question(o)).collect();
                if let Some(questions) = questions.filter(|q| in_one_mapping(q)) {
                    return self.mapping(questions);
                }
                if between(ast).is_some() { None } else { self.list("all", operands) }
            }
            AstKind::Operator(FunctionId::OR, operands) => self.list("any", operands),
            AstKind::Operator(FunctionId::NOT, operands) => match operands.as_slice() {
                [operand] => Some(Yaml::Map(vec![("not", self.form(operand)?)])),
                _ => None,
            },
            AstKind::Call(call) if call.over.is_none() && is_call(call, FunctionId::EXISTS) => {
                match call.args.as_slice() {
                    [Ast { kind: AstKind::Path(path), .. }] if path.len() == 1 => {
                        let event = path.first().filter(|name| self.names.events.contains(&name.text))?;
                        self.with_clauses(vec![("event", scalar(&event.text))], &clauses(call))
                    }
                    _ => None,
                }
            }
            AstKind::Call(call) => self.special(call),
            AstKind::Segment(name) => Some(Yaml::Map(vec![("segment", scalar(&name.value))])),
            AstKind::Related(related) => self.related(related),
            _ => None,
        }
    }

    fn list(&self, head: &'static str, operands: &[Ast]) -> Option<Yaml> {
        let items = operands.iter().map(|o| tree(o, self.names)).collect::<Option<Vec<_>>>()?;
        Some(Yaml::Map(vec![(head, Yaml::List(items))]))
    }

    fn related(&self, related: &Related) -> Option<Yaml> {
        let word = scalar(related.quantifier.word());
        let keys = match related.path.as_slice() {
            [event] if self.names.events.contains(&event.text) => vec![("event", scalar(&event.text)), ("match", word)],
            path if related.quantifier == Quantifier::Any => vec![("related", scalar(&dotted(path)?))],
            path => vec![("related", scalar(&dotted(path)?)), ("match", word)],
        };
        self.with_clauses(keys, &Clauses { filter: related.filter.as_ref(), within: related.within.as_ref() })
    }

    /// A call that a tree writes with keys of its own.
    fn special(&self, call: &Call) -> Option<Yaml> {
        let name = call.name.text.to_lowercase();
        let is_plain = call.over.is_none() && call.filter.is_none();
        match (name.as_str(), &call.within) {
            ("sequence", None) if is_plain => self.sequence(call),
            ("sample", None) if is_plain => sample(call),
            ("entered" | "exited" | "stayed", Some(within)) if is_plain => {
                let key = ["entered", "exited", "stayed"].into_iter().find(|key| *key == name)?;
                Some(Yaml::Map(vec![("segment", segment_of(call)?), (key, scalar(&window(&within.value)))]))
            }
            ("ever_member", None) if is_plain => {
                Some(Yaml::Map(vec![("segment", segment_of(call)?), ("ever", Yaml::Scalar("true".to_owned()))]))
            }
            _ => None,
        }
    }

    /// Events in an order, where each is written as a step.
    fn sequence(&self, call: &Call) -> Option<Yaml> {
        let mut parts = call.args.iter().map(|arg| match &arg.kind {
            AstKind::Call(part) if part.over.is_none() => Some(&**part),
            _ => None,
        });
        let is = |part: &Call, name: &str| part.name.text.eq_ignore_ascii_case(name);
        let first = parts.next()?.filter(|part| is(part, "step"))?;
        let (mut then, mut without) = (Vec::new(), None);
        for part in parts {
            let part = part.filter(|_| without.is_none())?;
            let step = self.step(part)?;
            if is(part, "step") {
                then.push(step);
            } else {
                without = Some(step).filter(|_| is(part, "without"));
                without.as_ref()?;
            }
        }
        let Yaml::Map(mut keys) = self.step(first)? else { return None };
        if !then.is_empty() {
            keys.push(("then", Yaml::List(then)));
        }
        keys.extend(without.map(|without| ("without", without)));
        (keys.iter().any(|(key, _)| ["then", "without"].contains(key))).then_some(Yaml::Map(keys))
    }

    fn step(&self, part: &Call) -> Option<Yaml> {
        let [Ast { kind: AstKind::Path(path), .. }] = part.args.as_slice() else { return None };
        let [event] = path.as_slice() else { return None };
        self.with_clauses(vec![("event", scalar(&event.text))], &clauses(part))
    }

    /// The question that a condition is, if it is a single one.
    fn question<'b>(&self, ast: &'b Ast) -> Option<Question<'b>> {
        let asks = |of: &Ast, slot, word, answer| {
            Some(Question { about: About::Field(path(of)?), slot, of: None, asks: (slot, word), answer })
        };
        match &ast.kind {
            AstKind::Operator(FunctionId::NOT, operands) => match operands.as_slice() {
                [Ast { kind: AstKind::Operator(FunctionId::IN, operands), .. }] => {
                    self.list_question(operands, (NOT_IN, "not_in"))
                }
                _ => None,
            },
            AstKind::Operator(FunctionId::IN, operands) => self.list_question(operands, (IN, "in")),
            AstKind::Operator(FunctionId::IS_NULL, operands) => {
                asks(operands.first()?, IS_NULL, "is_null", Yaml::Scalar("true".to_owned()))
            }
            AstKind::Operator(FunctionId::IS_NOT_NULL, operands) => {
                asks(operands.first()?, IS_NULL, "is_null", Yaml::Scalar("false".to_owned()))
            }
            AstKind::Operator(function, operands) => {
                let [of, Ast { kind: AstKind::Literal(literal), .. }] = operands.as_slice() else { return None };
                if *function == FunctionId::LIKE {
                    return asks(of, LIKE, "like", value(literal)?);
                }
                let (place, word) = comparison(*function)?;
                match &of.kind {
                    AstKind::Call(call) => self.aggregate(call, (place, word), value(literal)?),
                    _ => asks(of, place, word, value(literal)?),
                }
            }
            AstKind::Call(call) if call.name.text.eq_ignore_ascii_case("in_window") && call.filter.is_none() => {
                let ([of], Some(within)) = (call.args.as_slice(), &call.within) else { return None };
                asks(of, WITHIN, "within", scalar(&window(&within.value)))
            }
            AstKind::Call(call) if is_bare(call) => {
                let [of, Ast { kind: AstKind::Literal(literal), .. }] = call.args.as_slice() else { return None };
                let place = ASKED.iter().position(|(name, _)| call.name.text.eq_ignore_ascii_case(name))?;
                asks(of, FIRST_ASKED + place, ASKED[place].1, value(literal)?)
            }
            _ => None,
        }
    }

    /// That something is, or is not, one of several values.
    fn list_question<'b>(&self, operands: &'b [Ast], asks: (usize, &'static str)) -> Option<Question<'b>> {
        let (of, values) = operands.split_first()?;
        let answer = values_of(values)?;
        match &of.kind {
            AstKind::Call(call) => self.aggregate(call, asks, answer).filter(|question| question.slot > 0),
            _ => Some(Question { about: About::Field(path(of)?), slot: 0, of: None, asks, answer }),
        }
    }

    /// A comparison of an aggregate over an event, or of the number of related rows.
    fn aggregate<'b>(&self, call: &'b Call, asks: (usize, &'static str), answer: Yaml) -> Option<Question<'b>> {
        let [Ast { kind: AstKind::Path(names), .. }] = call.args.as_slice() else { return None };
        let (first, rest) = names.split_first().filter(|_| call.over.is_none())?;
        let is_event = self.names.events.contains(&first.text);
        let about = |name: &'b str| {
            if is_event { About::Event(name, clauses(call)) } else { About::Related(name, clauses(call)) }
        };
        if is_call(call, FunctionId::COUNT) && rest.is_empty() {
            if !is_event && !self.names.relationships.contains(&first.text) {
                return None;
            }
            let of = Some(("count", None));
            return Some(Question { about: about(&first.text), slot: 0, of, asks, answer });
        }
        let slot = AGGREGATES.iter().position(|function| is_call(call, *function))?;
        if !is_event || rest.is_empty() {
            return None;
        }
        // A longer path that begins with the event's own name must have it twice.
        let again = rest.len() > 1 && rest.first().is_some_and(|name| name.text == first.text);
        let column = dotted(if again { names } else { rest })?;
        let of = Some((AGGREGATES.get(slot)?.get().name, Some(column)));
        Some(Question { about: about(&first.text), slot: slot + 1, of, asks, answer })
    }

    /// Questions about one thing as one mapping.
    fn mapping(&self, questions: Vec<Question>) -> Option<Yaml> {
        let mut keys = Vec::new();
        let mut asked: Vec<(usize, &'static str, Yaml)> = Vec::new();
        let mut questions = questions.into_iter().peekable();
        let mut head = None;
        while let Some(Question { about, slot, of, asks, answer }) = questions.next() {
            asked.push((asks.0, asks.1, answer));
            head.get_or_insert(about);
            let same_key = |next: &Question| next.of.is_none() || next.slot == slot;
            if questions.peek().is_some_and(same_key) {
                continue;
            }
            let compared = comparisons(std::mem::take(&mut asked));
            match (of, compared) {
                (Some((word, None)), compared) => keys.push((word, compared)),
                (Some((word, Some(column))), Yaml::Map(compared)) => {
                    let mut inside = vec![("of", scalar(&column))];
                    inside.extend(compared);
                    keys.push((word, Yaml::Map(inside)));
                }
                (_, Yaml::Map(compared)) => keys.extend(compared),
                _ => return None,
            }
        }
        let (head, clauses) = match head? {
            About::Field(path) => (("field", scalar(&path)), Clauses { filter: None, within: None }),
            About::Event(name, clauses) => (("event", scalar(name)), clauses),
            About::Related(name, clauses) => (("related", scalar(name)), clauses),
        };
        keys.insert(0, head);
        self.with_clauses(keys, &clauses)
    }

    fn with_clauses(&self, mut keys: Vec<(&'static str, Yaml)>, clauses: &Clauses) -> Option<Yaml> {
        if let Some(within) = clauses.within {
            keys.push(("within", scalar(&window(&within.value))));
        }
        if let Some(filter) = clauses.filter {
            keys.push(("where", tree(filter, self.names)?));
        }
        Some(Yaml::Map(keys))
    }
}

/// Whether the tree reads one mapping as these questions, in this order.
fn in_one_mapping(questions: &[Question]) -> bool {
    questions.windows(2).all(|pair| {
        let [a, b] = pair else { return true };
        let columns = a.slot != b.slot || a.of == b.of;
        a.about.key() == b.about.key() && columns && (a.slot, a.asks.0) < (b.slot, b.asks.0)
    })
}

/// Comparisons as a mapping: both bounds alone are `between`.
fn comparisons(asked: Vec<(usize, &'static str, Yaml)>) -> Yaml {
    if let [(_, "gte", low), (_, "lte", high)] = asked.as_slice() {
        return Yaml::Map(vec![("between", Yaml::List(vec![low.clone(), high.clone()]))]);
    }
    Yaml::Map(asked.into_iter().map(|(_, word, answer)| (word, answer)).collect())
}

fn comparison(function: FunctionId) -> Option<(usize, &'static str)> {
    let place = COMPARISONS.iter().position(|(f, _)| *f == function)?;
    COMPARISONS.get(place).map(|(_, word)| (place, *word))
}

fn clauses(call: &Call) -> Clauses<'_> {
    Clauses { filter: call.filter.as_ref(), within: call.within.as_ref() }
}

fn is_call(call: &Call, function: FunctionId) -> bool {
    call.name.text.eq_ignore_ascii_case(function.get().name)
}

fn is_bare(call: &Call) -> bool {
    call.filter.is_none() && call.within.is_none() && call.over.is_none()
}

/// The segment that a question about membership names.
fn segment_of(call: &Call) -> Option<Yaml> {
    match call.args.as_slice() {
        [Ast { kind: AstKind::Path(path), .. }] if path.len() == 1 => path.first().map(|name| scalar(&name.text)),
        _ => None,
    }
}

/// A share of the rows, in the form that the tree reads: a seed, and two percentages with two digits.
fn sample(call: &Call) -> Option<Yaml> {
    let literal = |arg: &Ast| match &arg.kind {
        AstKind::Literal(literal) => Some(literal.clone()),
        _ => None,
    };
    let parts: Vec<Literal> = call.args.iter().map(literal).collect::<Option<_>>()?;
    let [Literal::String(seed), Literal::Decimal { unscaled: from, scale: 2 }, to] = parts.as_slice() else {
        return None;
    };
    let Literal::Decimal { unscaled: to, scale: 2 } = to else { return None };
    let percent = |share: &i128| scalar(&format!("{}.{:02}%", share / 100, share % 100));
    if !(0..*to).contains(from) || *to > 10_000 {
        return None;
    }
    let range = Yaml::Map(vec![("from", percent(from)), ("to", percent(to))]);
    Some(Yaml::Map(vec![("sample", range), ("seed", scalar(seed))]))
}

/// A path as the tree writes it.
fn path(ast: &Ast) -> Option<String> {
    match &ast.kind {
        AstKind::Path(names) => dotted(names),
        _ => None,
    }
}

fn dotted(names: &[crate::expr::Name]) -> Option<String> {
    let fits = |text: &str| !text.is_empty() && text.trim() == text && !text.contains(['.', '(']);
    let parts: Option<Vec<&str>> = names.iter().map(|n| Some(n.text.as_str()).filter(|t| fits(t))).collect();
    parts.map(|parts| parts.join("."))
}

fn values_of(operands: &[Ast]) -> Option<Yaml> {
    let value_of = |operand: &Ast| match &operand.kind {
        AstKind::Literal(literal) => value(literal),
        _ => None,
    };
    operands.iter().map(value_of).collect::<Option<Vec<_>>>().filter(|v| !v.is_empty()).map(Yaml::List)
}
