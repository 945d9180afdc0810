//! Probabilistic rules: the levels of the compared pairs are counted in the warehouse, weighed here, and what the weights
//! make links is added there. No pair is read.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use springline_ir::Query;
use springline_model::{Link, Method};
use springline_plan::{IdentityPlan, MatchingPlan, SCORE_UNIT, Scoring, level_name};

use super::Run;
use super::em::{EmError, Evidence, Pattern, Weights, threshold};
use crate::RunError;
use crate::records::numbers;

/// What a level counts that no random pair shows: it is rare, not impossible.
const UNSEEN: f64 = 0.5;

impl Run<'_> {
    /// Finds the links of all probabilistic rules and adds them to those of the identifiers.
    pub(super) async fn matchings(&mut self, plan: &IdentityPlan<'_>) -> Result<(), RunError> {
        let matchings = plan.matchings();
        if matchings.is_empty() {
            return Ok(());
        }
        self.all(&plan.no_matches()).await?;
        for (rule, matching) in matchings {
            self.matching(rule, &matching).await?;
        }
        self.step(&plan.link_matches()).await
    }

    async fn matching(&mut self, rule: &str, plan: &MatchingPlan<'_>) -> Result<(), RunError> {
        if let Some((column, method)) = plan.unsupported() {
            let method = method_name(method);
            return self.refuse(format!(
                "rule `{rule}` compares `{column}` by `{method}`, which this warehouse does not have; give the comparison \
                 a `fallback:` with another method"
            ));
        }
        let compared = plan.compared();
        self.session.preflight(&compared.statement).await?;
        self.step(&compared).await?;
        self.keep_to_max_pairs(rule, plan).await?;
        self.step(&plan.levels()).await?;
        let patterns = self.patterns(plan, plan.patterns()).await?;
        let pairs: u64 = patterns.iter().map(|pattern| pattern.pairs).sum();
        self.pairs.insert(rule.to_owned(), pairs);
        if pairs == 0 {
            return Ok(());
        }
        let random = self.patterns(plan, plan.random_patterns()).await?;
        let evidence = Evidence {
            patterns,
            among_random: among_random(&plan.levels_of(), &random),
            all_pairs: self.all_pairs(plan).await?,
        };
        let weights = match plan.labelled_patterns() {
            Some(query) => {
                let labelled = self.patterns(plan, query).await?;
                evidence.by_labels(&labelled).map_err(|e| self.unlearned(rule, &e, true))?
            }
            None => evidence.estimate().map_err(|e| self.unlearned(rule, &e, false))?,
        };
        let scoring = self.scoring(rule, plan, &evidence, &weights).await?;
        self.step(&plan.matches(&scoring)).await
    }

    fn unlearned(&self, rule: &str, error: &EmError, labelled: bool) -> RunError {
        let problem = match error {
            EmError::NoPairs if labelled => {
                format!("rule `{rule}`: none of its `labels` is of two records that are there and the same; label some")
            }
            error => format!("rule `{rule}`: {error}"),
        };
        RunError::Identity { identity: self.identity.name.clone(), problem }
    }

    /// Refuses to compare more pairs than the rule allows, before any is.
    async fn keep_to_max_pairs(&mut self, rule: &str, plan: &MatchingPlan<'_>) -> Result<(), RunError> {
        let matching = plan.matching();
        let mut all = 0_u128;
        let mut worst: Option<(u128, u64, usize)> = None;
        for list in 0..matching.blocking.len() {
            let sizes = self.sizes(plan.block_sizes(list)).await?;
            let of = |(size, blocks): (&u64, &u64)| u128::from(*blocks) * u128::from(*size) * u128::from(size - 1) / 2;
            let pairs: u128 = sizes.iter().map(of).sum();
            let largest = sizes.keys().next_back().copied().unwrap_or(0);
            all += pairs;
            worst = worst.max(Some((pairs, largest, list)));
        }
        let Some((pairs, largest, list)) = worst.filter(|_| all > u128::from(matching.max_pairs)) else {
            return Ok(());
        };
        let columns = matching.blocking.get(list).into_iter().flatten();
        let columns: Vec<_> = columns.map(|place| matching.attributes[*place].name.as_str()).collect();
        self.refuse(format!(
            "rule `{rule}` would compare up to {all} pairs of records, more than its `max_pairs` of {}; {pairs} of them by \
             `[{}]`, whose largest block has {largest} records: add a column to that list, or raise `max_pairs`",
            matching.max_pairs,
            columns.join(", ")
        ))
    }

    /// How often each size comes.
    async fn sizes(&mut self, query: Query) -> Result<BTreeMap<u64, u64>, RunError> {
        self.statements += 1;
        let mut sizes = BTreeMap::new();
        for batch in self.session.small(query).await? {
            sizes.extend(numbers(&batch, "size")?.into_iter().zip(numbers(&batch, "blocks")?));
        }
        Ok(sizes)
    }

    /// How many pairs there are on which levels. Sorted: sums of floats depend on the order.
    async fn patterns(&mut self, plan: &MatchingPlan<'_>, query: Query) -> Result<Vec<Pattern>, RunError> {
        self.statements += 1;
        let mut patterns = Vec::new();
        for batch in self.session.small(query).await? {
            let levels = (0..plan.matching().comparisons.len()).map(|place| levels(&batch, &level_name(place)));
            let levels = levels.collect::<Result<Vec<_>, _>>()?;
            for (row, pairs) in numbers(&batch, "rows")?.into_iter().enumerate() {
                let levels = levels.iter().map(|column| column.get(row).copied().flatten()).collect();
                patterns.push(Pattern { levels, pairs });
            }
        }
        patterns.sort_by(|a, b| a.levels.cmp(&b.levels));
        Ok(patterns)
    }

    /// How many pairs of records there are that could be linked.
    #[allow(clippy::cast_precision_loss, reason = "a number to weigh by")]
    async fn all_pairs(&mut self, plan: &MatchingPlan<'_>) -> Result<f64, RunError> {
        self.statements += 1;
        let mut sources = Vec::new();
        for batch in self.session.small(plan.record_counts()).await? {
            sources.extend(numbers(&batch, "rows")?);
        }
        let all = |records: u64| records as f64 * records.saturating_sub(1) as f64 / 2.0;
        let within: f64 = match plan.matching().link {
            Link::ManyToMany => 0.0,
            Link::OneToOne | Link::ManyToOne => sources.iter().map(|records| all(*records)).sum(),
        };
        Ok(all(sources.iter().sum()) - within)
    }

    async fn scoring(
        &mut self,
        rule: &str,
        plan: &MatchingPlan<'_>,
        evidence: &Evidence,
        weights: &Weights,
    ) -> Result<Scoring, RunError> {
        let mut frequencies = Vec::new();
        for (comparison, among_random) in evidence.among_random.iter().enumerate() {
            let steps = match plan.value_sizes(comparison) {
                Some(query) => frequency_steps(&self.sizes(query).await?, among_random.last().copied().unwrap_or(1.0)),
                None => Vec::new(),
            };
            frequencies.push(steps);
        }
        let levels = weights.levels.iter().map(|levels| levels.iter().map(|weight| whole(*weight)).collect()).collect();
        let mut scoring = Scoring { prior: whole(weights.prior), levels, frequencies, threshold: 0 };
        scoring.threshold = match plan.matching().threshold {
            Some(probability) => whole(threshold(probability)),
            None => self.best_threshold(rule, plan, &scoring).await?,
        };
        Ok(scoring)
    }

    /// The threshold with the best F1 on the labelled pairs, in the middle between two scores.
    async fn best_threshold(
        &mut self,
        rule: &str,
        plan: &MatchingPlan<'_>,
        scoring: &Scoring,
    ) -> Result<i64, RunError> {
        let Some(query) = plan.labelled_scores(scoring) else { return Ok(0) };
        self.statements += 1;
        let mut answers: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        let mut matches = 0;
        for batch in self.session.small(query).await? {
            let rows = numbers(&batch, "same")?.into_iter().zip(numbers(&batch, "rows")?);
            for (score, (same, rows)) in signed(&batch, "score")?.into_iter().zip(rows) {
                matches += same * rows;
                if let Some(score) = score {
                    let (right, wrong) = answers.entry(score).or_default();
                    *right += same * rows;
                    *wrong += (1 - same.min(1)) * rows;
                }
            }
        }
        match best_threshold(&answers, matches) {
            // A link is at least as likely as not: labels that show no close strangers say nothing of where those begin.
            Some(best) => Ok(best.max(0)),
            None => self.refuse(format!("rule `{rule}`: no blocking list brings two labelled records together")),
        }
    }
}

/// The score from which on F1 is best: of the answers right and wrong by score, and of so many matches.
#[allow(clippy::cast_precision_loss, reason = "a measure")]
fn best_threshold(answers: &BTreeMap<i64, (u64, u64)>, matches: u64) -> Option<i64> {
    let mut best: Option<(f64, i64)> = None;
    let (mut right, mut linked) = (0, 0);
    let mut scores = answers.iter().rev().peekable();
    while let Some((score, (same, other))) = scores.next() {
        right += same;
        linked += same + other;
        let f1 = 2.0 * right as f64 / (linked + matches).max(1) as f64;
        let lower = scores.peek().map_or(*score, |(next, _)| **next);
        if best.is_none_or(|(most, _)| f1 > most) {
            best = Some((f1, lower + (score - lower + 1) / 2));
        }
    }
    best.map(|(_, score)| score)
}

/// By comparison and level: the share of random pairs that show it, of those without a missing value.
#[allow(clippy::cast_precision_loss, reason = "a share")]
fn among_random(levels: &[usize], random: &[Pattern]) -> Vec<Vec<f64>> {
    let mut seen: Vec<Vec<f64>> = levels.iter().map(|levels| vec![0.0; *levels]).collect();
    for pattern in random {
        for (levels, level) in seen.iter_mut().zip(&pattern.levels) {
            if let Some(count) = level.and_then(|level| levels.get_mut(level)) {
                *count += pattern.pairs as f64;
            }
        }
    }
    for levels in &mut seen {
        let all: f64 = levels.iter().sum::<f64>().max(1.0);
        levels.iter_mut().for_each(|count| *count = count.max(UNSEEN) / all);
    }
    seen
}

/// What a value adds to the weight of equality by how many records have it: `equal` is the share of random pairs that are
/// equal. The steps are half a bit wide; each is the most records of its step, and what it adds.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a weight")]
fn frequency_steps(sizes: &BTreeMap<u64, u64>, equal: f64) -> Vec<(u64, i64)> {
    let records: u64 = sizes.iter().map(|(size, values)| size * values).sum();
    let largest = sizes.keys().next_back().copied().unwrap_or(0);
    let mut steps = Vec::new();
    let (mut before, mut bound) = (0_u64, 1.0_f64);
    while before < largest {
        let most = (bound.round() as u64).max(before + 1);
        let middle = ((before + 1) as f64 * most as f64).sqrt();
        steps.push((most, whole((equal * records as f64 / middle).log2())));
        (before, bound) = (most, bound * std::f64::consts::SQRT_2);
    }
    steps
}

/// In the unit of scores. No weight is anywhere near the end of the range.
#[allow(clippy::cast_possible_truncation, reason = "a few bits")]
fn whole(bits: f64) -> i64 {
    (bits * SCORE_UNIT).round() as i64
}

fn levels(batch: &RecordBatch, name: &str) -> Result<Vec<Option<usize>>, RunError> {
    let levels = signed(batch, name)?;
    Ok(levels.into_iter().map(|level| level.and_then(|level| usize::try_from(level).ok())).collect())
}

fn signed(batch: &RecordBatch, name: &str) -> Result<Vec<Option<i64>>, RunError> {
    let column = batch.column_by_name(name);
    let column = column.ok_or_else(|| RunError::Result(format!("there is no column `{name}`")))?;
    let array = cast(column, &DataType::Int64).map_err(|e| RunError::Result(e.to_string()))?;
    Ok(array.as_primitive::<Int64Type>().iter().collect())
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Exact => "exact",
        Method::JaroWinkler => "jaro_winkler",
        Method::Levenshtein => "levenshtein",
        Method::NumericDistance => "numeric_distance",
        Method::DateDistance => "date_distance",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_where_most_answers_are_right() {
        let answers = BTreeMap::from([(9_000, (10, 0)), (5_000, (5, 1)), (-2_000, (0, 40))]);
        assert_eq!(best_threshold(&answers, 15), Some(1_500));
        assert_eq!(best_threshold(&BTreeMap::from([(9_000, (3, 0)), (1_000, (0, 9))]), 3), Some(5_000));
        assert_eq!(best_threshold(&BTreeMap::new(), 3), None);
    }

    #[test]
    fn rare_values_add_and_frequent_ones_take_away() {
        // A thousand records: one name on 500 of them, the others on one each.
        let steps = frequency_steps(&BTreeMap::from([(500, 1), (1, 500)]), 0.25);
        let of = |records: u64| steps.iter().find(|(most, _)| records <= *most).map(|(_, weight)| *weight);
        assert_eq!(of(1), Some(7_966));
        assert!(of(500).is_some_and(|weight| (-1_500..=-500).contains(&weight)), "{steps:?}");
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1), "{steps:?}");
    }

    #[test]
    fn what_no_random_pair_shows_is_rare() {
        let pattern = |level, pairs| Pattern { levels: vec![level], pairs };
        let shares = among_random(&[3], &[pattern(Some(0), 99), pattern(Some(2), 1), pattern(None, 50)]);
        assert_eq!(shares, vec![vec![0.99, 0.005, 0.01]]);
    }
}
