//! Probabilistic rules: which records are compared, on which level each pair agrees, and which pairs are links. It does not
//! know how much a level tells: whoever carries the plan out counts the levels and hands weights in.
//!
//! Everything that decides is a whole number, so that every engine decides the same.

use springline_ir::{Cte, Expr, FunctionId, Join, Literal, OrderBy, Query, RelExpr, Select, Type};
use springline_model::{
    Attribute, Comparison, IdentitySource, LABEL_ANSWER, Link, Matching, Measure, Method, RuleKind,
};

use super::components::window;
use super::{
    IdentityPlan, LINKS, case, count_of, differ, inner, largest, less, limit_of, more, number, numbers, ordered, rows,
    step, union, whole, with, word,
};
use crate::Step;
use crate::build::{column, output};
use crate::intervals::{both, equal, is_not_null, is_null, not, text};
use crate::members::{from_cte, from_table, query};

/// The records of a rule: `node`, `source` (its place, from 1) and an `a<n>` for each attribute.
const COMPARED: &str = "compared";
/// The pairs of a rule: `u`, `v`, their sources `su` and `sv`, a level `c<n>` for each comparison, and `vetoed` (0 or 1).
const LEVELS: &str = "levels";
/// The links of all rules: `rule` (its place, from 1), `u`, `v`, `score`.
const MATCHES: &str = "matches";
/// The working tables of this module.
pub(super) const WORKING: &[&str] = &[COMPARED, LEVELS, MATCHES];
/// How many records the random pairs are made of.
const SAMPLED: i64 = 2_000;
/// Scores and weights are in thousandths of a bit: logarithms to the base 2, in whole numbers.
pub const SCORE_UNIT: f64 = 1_000.0;

/// What makes a score, in thousandths of a bit.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// What every pair begins with.
    pub prior: i64,
    /// By comparison and level: what is added.
    pub levels: Vec<Vec<i64>>,
    /// By comparison: what is added besides where the two are equal, by how many records have their value: up to a number
    /// of records, and from there on. Empty where frequency does not count.
    pub frequencies: Vec<Vec<(u64, i64)>>,
    /// The least score of a link.
    pub threshold: i64,
}

/// A probabilistic rule of an identity.
#[derive(Debug, Clone, Copy)]
pub struct MatchingPlan<'a> {
    plan: IdentityPlan<'a>,
    matching: &'a Matching,
    /// Its place among the rules, from 0.
    rule: usize,
}

impl<'a> IdentityPlan<'a> {
    /// The probabilistic rules, with their names.
    pub fn matchings(&self) -> Vec<(&'a str, MatchingPlan<'a>)> {
        let rules = self.identity.rules.iter().enumerate();
        let matching = |(rule, of): (usize, &'a springline_model::IdentityRule)| match &of.kind {
            RuleKind::Probabilistic(matching) => Some((of.name.as_str(), MatchingPlan { plan: *self, matching, rule })),
            RuleKind::Deterministic => None,
        };
        rules.filter_map(matching).collect()
    }

    /// Whether records with the same value of an identifier are one.
    pub fn is_deterministic(&self) -> bool {
        let rules = &self.identity.rules;
        rules.is_empty() || rules.iter().any(|rule| matches!(rule.kind, RuleKind::Deterministic))
    }

    /// What links, in the order in which it does where limits are exceeded: the places of identifiers, and after them those
    /// of rules.
    pub fn tiers(&self) -> Vec<usize> {
        let identifiers = self.identity.identifiers.len();
        let first = if self.is_deterministic() { 0..identifiers } else { 0..0 };
        first.chain(self.matchings().iter().map(|(_, matching)| identifiers + matching.rule)).collect()
    }

    /// Makes the table of the links of all probabilistic rules anew.
    pub fn no_matches(&self) -> Vec<Step> {
        let table = self.work(MATCHES);
        vec![
            super::drop_table(&self.name(MATCHES), table.clone()),
            Step::new(
                self.name(MATCHES),
                springline_ir::Statement::CreateTable { table, columns: numbers(&["rule", "u", "v", "score"]) },
            ),
        ]
    }

    /// Adds those links to the others, each as a value that two records share. The weaker a link, the smaller is the
    /// number of its value, so that of two the weaker is left out first.
    pub fn link_matches(&self) -> Step {
        let order = vec![
            OrderBy { expr: number("m", "rule"), descending: false },
            OrderBy { expr: number("m", "score"), descending: true },
            OrderBy { expr: number("m", "u"), descending: false },
            OrderBy { expr: number("m", "v"), descending: false },
        ];
        let columns = ["rule", "u", "v"].map(|name| output(name, number("m", name)));
        let place = output("place", window(FunctionId::ROW_NUMBER, Vec::new(), Vec::new(), order));
        let placed = Select::new(self.table(MATCHES, "m"), columns.into_iter().chain([place]).collect());
        let before = i64::try_from(self.identity.identifiers.len()).unwrap_or(i64::MAX);
        let end = |node: &str| {
            let identifier = Expr::call(FunctionId::ADD, vec![number("p", "rule"), whole(before)], Type::Integer);
            let value = Expr::call(FunctionId::SUBTRACT, vec![whole(0), number("p", "place")], Type::Integer);
            let columns = vec![
                output("node", number("p", node)),
                output("identifier", identifier),
                output("hash", value),
                output("hub", number("p", "u")),
            ];
            Select::new(from_cte("placed", "p"), columns)
        };
        let names = ["node", "identifier", "hash", "hub"];
        let query = with(
            vec![step("placed", placed), union("ends", vec![end("u"), end("v")])],
            Select::new(from_cte("ends", "e"), names.map(|name| output(name, number("e", name))).into()),
        );
        let columns = names.map(str::to_owned).into();
        Step::new(self.name("links"), springline_ir::Statement::Append { table: self.work(LINKS), columns, query })
    }
}

impl MatchingPlan<'_> {
    /// The rule.
    pub fn matching(&self) -> &Matching {
        self.matching
    }

    /// The column that the warehouse cannot compare in any way that the rule names, with the way it names.
    pub fn unsupported(&self) -> Option<(&str, Method)> {
        let lacking = self.matching.comparisons.iter().find(|comparison| self.measure(comparison).is_none())?;
        let method = lacking.measures.first().map_or(Method::Exact, |measure| measure.method);
        Some((&self.matching.attributes[lacking.attribute].name, method))
    }

    /// How a comparison is made in this warehouse.
    fn measure<'m>(&self, comparison: &'m Comparison) -> Option<&'m Measure> {
        let capabilities = self.plan.context.capabilities;
        comparison.measures.iter().find(|measure| match measure.method {
            Method::JaroWinkler => capabilities.jaro_winkler,
            Method::Levenshtein => capabilities.levenshtein,
            Method::Exact | Method::NumericDistance | Method::DateDistance => true,
        })
    }

    /// How many levels each comparison has.
    pub fn levels_of(&self) -> Vec<usize> {
        let count = |comparison: &Comparison| {
            let thresholds = self.measure(comparison).map_or(0, |measure| measure.thresholds.len());
            2 + usize::from(comparison.swapped_with.is_some()) + thresholds
        };
        self.matching.comparisons.iter().map(count).collect()
    }

    /// The records with what is compared of them.
    pub fn compared(&self) -> Step {
        let sources = self.plan.identity.sources.iter().enumerate();
        let selects = sources.map(|(place, source)| self.records(place, source)).collect();
        let columns = std::iter::once(output("node", number("d", "node")))
            .chain([output("source", number("d", "source"))])
            .chain((0..self.matching.attributes.len()).map(|place| output(name(place), self.attribute("d", place))));
        let select = Select { distinct: true, ..Select::new(from_cte("records", "d"), columns.collect()) };
        self.plan.replace(COMPARED, with(vec![union("records", selects)], select))
    }

    fn records(&self, place: usize, records: &IdentitySource) -> Select {
        let source = self.plan.context.project.source(records.source);
        let key = self.plan.column_text(records, &records.primary_key);
        let node = self.plan.hashed("r", vec![text(&source.name), key]);
        let attributes = self.matching.attributes.iter().enumerate().map(|(attribute, of)| {
            let value = of
                .columns
                .get(place)
                .and_then(Option::as_ref)
                .map(|(column_name, ty)| comparable(column("s", column_name, ty.clone()).cast(of.ty.clone())));
            output(name(attribute), value.unwrap_or_else(|| Expr::null(of.ty.clone())))
        });
        let columns = [output("node", node), output("source", limit_of(place as u64 + 1))];
        Select::new(from_table(&source.table, "s"), columns.into_iter().chain(attributes).collect())
    }

    fn attribute(&self, alias: &str, place: usize) -> RelExpr {
        let ty = self.matching.attributes.get(place).map_or(Type::String, |of: &Attribute| of.ty.clone());
        column(alias, &name(place), ty)
    }

    /// How many records each source has: `source`, `rows`.
    pub fn record_counts(&self) -> Query {
        query(Select {
            group_by: vec![number("c", "source")],
            ..Select::new(
                self.plan.table(COMPARED, "c"),
                vec![output("source", number("c", "source")), output("rows", rows())],
            )
        })
    }

    /// How many records share the values of a blocking list, and how often so many do: `size`, `blocks`.
    pub fn block_sizes(&self, blocking: usize) -> Query {
        let columns = self.matching.blocking.get(blocking).map(Vec::as_slice).unwrap_or_default();
        let values: Vec<_> = columns.iter().map(|place| self.attribute("c", *place)).collect();
        let blocks = Select {
            filter: Expr::all(values.iter().cloned().map(is_not_null)),
            group_by: values,
            having: Some(more(rows(), whole(1))),
            ..Select::new(self.plan.table(COMPARED, "c"), vec![output("size", rows())])
        };
        let select = Select {
            group_by: vec![number("b", "size")],
            ..Select::new(from_cte("blocks", "b"), vec![output("size", number("b", "size")), output("blocks", rows())])
        };
        with(vec![step("blocks", blocks)], select)
    }

    /// Every pair that a blocking list brings together, once, with its levels.
    pub fn levels(&self) -> Step {
        let pairs = (0..self.matching.blocking.len()).map(|place| self.blocked(place)).collect();
        let (u, v) = (number("p", "u"), number("p", "v"));
        let records =
            |alias: &str, node: RelExpr| inner(self.plan.table(COMPARED, alias), equal(node, number(alias, "node")));
        let mut columns = vec![
            output("u", u.clone()),
            output("v", v.clone()),
            output("su", number("a", "source")),
            output("sv", number("b", "source")),
        ];
        columns.extend(self.level_columns());
        columns.push(output("vetoed", self.vetoed()));
        let select =
            Select { joins: vec![records("a", u), records("b", v)], ..Select::new(from_cte("blocked", "p"), columns) };
        self.plan.replace(LEVELS, with(vec![union("blocked", pairs)], select))
    }

    /// The pairs of one blocking list that no list before it has.
    fn blocked(&self, blocking: usize) -> Select {
        let same = |columns: &[usize]| columns.iter().map(|place| self.same(*place)).collect::<Vec<_>>();
        let lists = &self.matching.blocking;
        let here = lists.get(blocking).map(Vec::as_slice).unwrap_or_default();
        let before = lists.iter().take(blocking).filter_map(|columns| {
            let shared = Expr::all(same(columns))?;
            Some(not(shared.or_else(Expr::literal(Literal::Boolean(false)))))
        });
        let (u, v) = (number("a", "node"), number("b", "node"));
        let on = Expr::all(same(here).into_iter().chain([less(u.clone(), v.clone())]));
        let joined = on.map(|on| inner(self.plan.table(COMPARED, "b"), on));
        Select {
            joins: joined.into_iter().collect(),
            filter: Expr::all(before.chain(self.across())),
            ..Select::new(self.plan.table(COMPARED, "a"), vec![output("u", u), output("v", v)])
        }
    }

    /// Records of one source are not linked to each other where each has one counterpart at most.
    fn across(&self) -> Option<RelExpr> {
        (self.matching.link != Link::ManyToMany).then(|| differ(number("a", "source"), number("b", "source")))
    }

    fn same(&self, place: usize) -> RelExpr {
        equal(self.attribute("a", place), self.attribute("b", place))
    }

    fn level_columns(&self) -> Vec<springline_ir::OutputColumn> {
        let levels = self.matching.comparisons.iter().enumerate();
        levels.map(|(place, comparison)| output(level_name(place), self.level(comparison))).collect()
    }

    /// On which level records `a` and `b` agree; null where one of them has no value.
    fn level(&self, comparison: &Comparison) -> RelExpr {
        let (a, b) = (self.attribute("a", comparison.attribute), self.attribute("b", comparison.attribute));
        let missing = Expr::call(FunctionId::OR, vec![is_null(a.clone()), is_null(b.clone())], Type::Boolean);
        let mut conditions = vec![equal(a.clone(), b.clone())];
        if let Some(other) = comparison.swapped_with {
            let (c, d) = (self.attribute("a", other), self.attribute("b", other));
            conditions.push(both(equal(a.clone(), d), equal(c, b.clone())));
        }
        if let Some(measure) = self.measure(comparison) {
            conditions.extend(measure.thresholds.iter().map(|bound| close(measure.method, &a, &b, *bound)));
        }
        let top = conditions.len() as i64;
        let mut branches = vec![(missing, Expr::null(Type::Integer))];
        branches.extend(conditions.into_iter().zip(0..).map(|(condition, place)| (condition, whole(top - place))));
        case(branches, Some(whole(0)), Type::Integer)
    }

    /// 1 where a veto forbids to link the two.
    fn vetoed(&self) -> RelExpr {
        let conflict = |place: &usize| differ(self.attribute("a", *place), self.attribute("b", *place));
        let branches = Expr::any(self.matching.veto.iter().map(conflict)).map(|any| (any, whole(1)));
        case(branches.into_iter().collect(), Some(whole(0)), Type::Integer)
    }

    /// How many pairs there are on which levels: `c<n>`, `rows`.
    pub fn patterns(&self) -> Query {
        self.counted(self.plan.table(LEVELS, "p"), Vec::new())
    }

    fn counted(&self, from: springline_ir::From, ctes: Vec<Cte>) -> Query {
        let levels: Vec<_> =
            (0..self.matching.comparisons.len()).map(|place| number("p", &level_name(place))).collect();
        let mut columns: Vec<_> =
            levels.iter().enumerate().map(|(place, level)| output(level_name(place), level.clone())).collect();
        columns.push(output("rows", rows()));
        with(ctes, Select { group_by: levels, ..Select::new(from, columns) })
    }

    /// The same of random pairs: all of the records with the smallest nodes, which are hashes.
    pub fn random_patterns(&self) -> Query {
        let node = vec![OrderBy { expr: number("c", "node"), descending: false }];
        let place = window(FunctionId::ROW_NUMBER, Vec::new(), Vec::new(), node);
        let attributes = |alias: &'static str| {
            (0..self.matching.attributes.len()).map(move |place| output(name(place), self.attribute(alias, place)))
        };
        let of = |alias: &'static str| {
            ["node", "source"].into_iter().map(move |name| output(name, number(alias, name))).chain(attributes(alias))
        };
        let numbered = Select::new(self.plan.table(COMPARED, "c"), of("c").chain([output("place", place)]).collect());
        let sampled = Select {
            filter: Some(Expr::compare(FunctionId::LE, number("n", "place"), whole(SAMPLED))),
            ..Select::new(from_cte("numbered", "n"), of("n").collect())
        };
        let pairs = Select {
            joins: vec![inner(from_cte("sampled", "b"), less(number("a", "node"), number("b", "node")))],
            filter: self.across(),
            ..Select::new(from_cte("sampled", "a"), self.level_columns())
        };
        let ctes = vec![step("numbered", numbered), step("sampled", sampled), step("pairs", pairs)];
        self.counted(from_cte("pairs", "p"), ctes)
    }

    /// How many records have each value of a comparison's column, and how many values so many have: `size`, `blocks`.
    pub fn value_sizes(&self, comparison: usize) -> Option<Query> {
        let comparison = self.matching.comparisons.get(comparison).filter(|comparison| comparison.term_frequency)?;
        let value = self.attribute("c", comparison.attribute);
        let blocks = Select {
            filter: Some(is_not_null(value.clone())),
            group_by: vec![value],
            ..Select::new(self.plan.table(COMPARED, "c"), vec![output("size", rows())])
        };
        let select = Select {
            group_by: vec![number("b", "size")],
            ..Select::new(from_cte("blocks", "b"), vec![output("size", number("b", "size")), output("blocks", rows())])
        };
        Some(with(vec![step("blocks", blocks)], select))
    }

    /// The levels of the pairs that somebody has called one: `c<n>`, `rows`.
    pub fn labelled_patterns(&self) -> Option<Query> {
        let labels = self.labels()?;
        let records =
            |alias: &str, node: RelExpr| inner(self.plan.table(COMPARED, alias), equal(node, number(alias, "node")));
        let pairs = Select {
            joins: vec![records("a", number("l", "u")), records("b", number("l", "v"))],
            filter: Some(column("l", LABEL_ANSWER, Type::Boolean)),
            ..Select::new(from_cte("labels", "l"), self.level_columns())
        };
        Some(self.counted(from_cte("pairs", "p"), vec![labels, step("pairs", pairs)]))
    }

    /// The labels by nodes: `u`, `v` and the answer.
    fn labels(&self) -> Option<Cte> {
        let source = self.plan.context.project.source(self.matching.labels?);
        let node = |source: &str, record: &str| self.plan.hashed("r", vec![word("l", source), word("l", record)]);
        let columns = ordered(&node("source", "record"), &node("other_source", "other_record"));
        let answer = output(LABEL_ANSWER, column("l", LABEL_ANSWER, Type::Boolean));
        let columns = columns.into_iter().chain([answer]).collect();
        Some(step("labels", Select { distinct: true, ..Select::new(from_table(&source.table, "l"), columns) }))
    }

    /// How the labelled pairs score: `score` (null where no blocking list brings the two together, or a veto forbids it),
    /// `same` (1 or 0), `rows`. The threshold does not count.
    pub fn labelled_scores(&self, scoring: &Scoring) -> Option<Query> {
        let mut ctes = vec![self.labels()?];
        ctes.extend(self.scored(scoring));
        let same = case(vec![(column("l", LABEL_ANSWER, Type::Boolean), whole(1))], Some(whole(0)), Type::Integer);
        let on = both(equal(number("l", "u"), number("s", "u")), equal(number("l", "v"), number("s", "v")));
        let answers = Select {
            joins: vec![super::left(from_cte("scored", "s"), on)],
            ..Select::new(from_cte("labels", "l"), vec![output("score", number("s", "score")), output("same", same)])
        };
        ctes.push(step("answers", answers));
        let names = ["score", "same"];
        let columns = names.map(|name| output(name, number("r", name))).into_iter().chain([output("rows", rows())]);
        let group_by = names.map(|name| number("r", name)).into();
        Some(with(ctes, Select { group_by, ..Select::new(from_cte("answers", "r"), columns.collect()) }))
    }

    /// Adds the rule's links to those of all.
    pub fn matches(&self, scoring: &Scoring) -> Step {
        let mut ctes = self.scored(scoring);
        let passed = Select {
            filter: Some(Expr::compare(FunctionId::GE, number("s", "score"), whole(scoring.threshold))),
            ..Select::new(from_cte("scored", "s"), scored_columns("s"))
        };
        ctes.push(step("passed", passed));
        let best = |node: &str, source: &str, other: &str| {
            let order = vec![
                OrderBy { expr: number("q", "score"), descending: true },
                OrderBy { expr: number("q", other), descending: false },
            ];
            window(FunctionId::ROW_NUMBER, Vec::new(), vec![number("q", node), number("q", source)], order)
        };
        let columns = scored_columns("q").into_iter();
        let columns = columns.chain([output("best_u", best("u", "sv", "v")), output("best_v", best("v", "su", "u"))]);
        let from = match self.matching.link {
            Link::ManyToMany => "passed",
            Link::OneToOne | Link::ManyToOne => {
                ctes.push(step("ranked", Select::new(from_cte("passed", "q"), columns.collect())));
                "ranked"
            }
        };
        let first = |name: &str| equal(number("r", name), whole(1));
        let filter = match self.matching.link {
            Link::ManyToMany => None,
            Link::OneToOne => Some(both(first("best_u"), first("best_v"))),
            Link::ManyToOne => {
                let later = more(number("r", "su"), number("r", "sv"));
                Some(case(vec![(later, first("best_u"))], Some(first("best_v")), Type::Boolean))
            }
        };
        let rule = i64::try_from(self.rule + 1).unwrap_or(i64::MAX);
        let columns = vec![
            output("rule", whole(rule)),
            output("u", number("r", "u")),
            output("v", number("r", "v")),
            output("score", number("r", "score")),
        ];
        let query = with(ctes, Select { filter, ..Select::new(from_cte(from, "r"), columns) });
        let columns = ["rule", "u", "v", "score"].map(str::to_owned).into();
        Step::new(
            self.plan.name(MATCHES),
            springline_ir::Statement::Append { table: self.plan.work(MATCHES), columns, query },
        )
    }

    /// `scored`: the pairs that nothing forbids, with their scores. A record that is there several times counts with the
    /// row that fits best.
    fn scored(&self, scoring: &Scoring) -> Vec<Cte> {
        let mut ctes = Vec::new();
        let mut joins: Vec<Join> = Vec::new();
        let mut score = whole(scoring.prior);
        let add = |a, b| Expr::call(FunctionId::ADD, vec![a, b], Type::Integer);
        for (place, (comparison, weights)) in self.matching.comparisons.iter().zip(&scoring.levels).enumerate() {
            let level = number("p", &level_name(place));
            let branches = (0..).zip(weights).map(|(at, weight)| (equal(level.clone(), whole(at)), whole(*weight)));
            score = add(score, case(branches.collect(), Some(whole(0)), Type::Integer));
            let steps = scoring.frequencies.get(place).map(Vec::as_slice).unwrap_or_default();
            let Some((_, rest)) = steps.last() else { continue };
            if joins.is_empty() {
                joins.push(inner(self.plan.table(COMPARED, "a"), equal(number("p", "u"), number("a", "node"))));
            }
            let (values, alias) = (format!("values_{place}"), format!("f{place}"));
            ctes.push(step(&values, self.value_counts(comparison.attribute)));
            let on = equal(self.attribute("a", comparison.attribute), self.attribute(&alias, comparison.attribute));
            joins.push(super::left(from_cte(&values, &alias), on));
            let records = || number(&alias, "records");
            let mut branches = vec![(differ(level, whole(weights.len() as i64 - 1)), whole(0))];
            branches.extend(
                steps
                    .iter()
                    .map(|(most, weight)| (Expr::compare(FunctionId::LE, records(), limit_of(*most)), whole(*weight))),
            );
            // Where a value is missing, there is no level and no frequency.
            branches.insert(0, (is_null(number("p", &level_name(place))), whole(0)));
            score = add(score, case(branches, Some(whole(*rest)), Type::Integer));
        }
        let columns = ["u", "v", "su", "sv"].map(|name| output(name, number("p", name)));
        let summed = Select {
            joins,
            filter: Some(equal(number("p", "vetoed"), whole(0))),
            ..Select::new(self.plan.table(LEVELS, "p"), columns.into_iter().chain([output("score", score)]).collect())
        };
        let keys = ["u", "v", "su", "sv"];
        let columns = keys.map(|name| output(name, number("w", name)));
        let scored = Select {
            group_by: keys.map(|name| number("w", name)).into(),
            ..Select::new(
                from_cte("weighed", "w"),
                columns.into_iter().chain([output("score", largest(number("w", "score")))]).collect(),
            )
        };
        ctes.extend([step("weighed", summed), step("scored", scored)]);
        ctes
    }

    /// How many records have each value.
    fn value_counts(&self, attribute: usize) -> Select {
        let value = self.attribute("c", attribute);
        Select {
            filter: Some(is_not_null(value.clone())),
            group_by: vec![value.clone()],
            ..Select::new(
                self.plan.table(COMPARED, "c"),
                vec![output(name(attribute), value), output("records", rows())],
            )
        }
    }

    /// How many pairs were compared: `rows`.
    pub fn pairs(&self) -> Query {
        count_of(&self.plan.work(LEVELS))
    }
}

fn scored_columns(alias: &str) -> Vec<springline_ir::OutputColumn> {
    ["u", "v", "su", "sv", "score"].map(|name| output(name, number(alias, name))).into()
}

/// The column of an attribute. It holds what a record has of it.
fn name(attribute: usize) -> String {
    format!("a{attribute}")
}

/// The column of a comparison's level.
pub fn level_name(comparison: usize) -> String {
    format!("c{comparison}")
}

/// A value as it is compared: text in lower case, without spaces at its ends, and null if nothing is left.
fn comparable(value: RelExpr) -> RelExpr {
    if value.ty != Type::String {
        return value;
    }
    let call = |function, args| Expr::call(function, args, Type::String);
    let plain = call(FunctionId::LOWER, vec![call(FunctionId::TRIM, vec![value])]);
    call(FunctionId::NULLIF, vec![plain, text("")])
}

/// Whether two values are as close as a bound says.
fn close(method: Method, a: &RelExpr, b: &RelExpr, bound: f64) -> RelExpr {
    let pair = || vec![a.clone(), b.clone()];
    #[allow(clippy::cast_possible_truncation, reason = "the checker lets whole numbers up to a million through")]
    let at_most = |distance: RelExpr| Expr::compare(FunctionId::LE, distance, whole(bound as i64));
    let float = || Expr::literal(Literal::Float(bound));
    match method {
        Method::Exact => equal(a.clone(), b.clone()),
        Method::JaroWinkler => {
            Expr::compare(FunctionId::GE, Expr::call(FunctionId::JARO_WINKLER, pair(), Type::Float), float())
        }
        Method::Levenshtein => at_most(Expr::call(FunctionId::LEVENSHTEIN, pair(), Type::Integer)),
        Method::DateDistance => {
            let days = Expr::call(FunctionId::DAYS_BETWEEN, pair(), Type::Integer);
            at_most(Expr::call(FunctionId::ABS, vec![days], Type::Integer))
        }
        Method::NumericDistance => {
            let sides = [a, b].map(|side| side.clone().cast(Type::Float)).into();
            let apart = Expr::call(FunctionId::SUBTRACT, sides, Type::Float);
            Expr::compare(FunctionId::LE, Expr::call(FunctionId::ABS, vec![apart], Type::Float), float())
        }
    }
}
