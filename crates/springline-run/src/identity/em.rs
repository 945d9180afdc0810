//! How much each level of each comparison tells of two records being one person, by expectation maximisation: Fellegi and
//! Sunter's model, without labels or with them. It knows no SQL: it is given how many of the compared pairs show which
//! levels.
//!
//! All pairs of records count, also those that no blocking rule brought together: these are taken for pairs of two
//! persons. Without them a set whose blocked pairs are nearly all of one person has nothing to learn the others from, and
//! the share of matches would be one of the blocks instead of one of the data.

/// The levels that some pairs show.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern {
    /// The level of each comparison, from 0; `None` where one of the two values is missing, which tells nothing.
    pub(super) levels: Vec<Option<usize>>,
    /// How many pairs show them.
    pub(super) pairs: u64,
}

/// What weights are made from.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    /// The blocked pairs, each counted once.
    pub(super) patterns: Vec<Pattern>,
    /// By comparison and level: the share of random pairs that show it, of those without a missing value.
    pub(super) among_random: Vec<Vec<f64>>,
    /// How many pairs of records there are, blocked or not.
    pub(super) all_pairs: f64,
}

/// What the levels tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    /// The binary logarithm of the odds that any two records are one person.
    pub(super) prior: f64,
    /// By comparison and level: the binary logarithm of how much likelier it is among pairs of one person.
    pub(super) levels: Vec<Vec<f64>>,
    /// How often the estimate was made better.
    pub(super) rounds: u32,
}

/// Why there are no weights.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum EmError {
    /// No pair was compared.
    #[error("the blocking rules bring no two records together: take columns that two records of one person share")]
    NoPairs,
    /// The estimate still moves.
    #[error(
        "the weights have not settled after {rounds} rounds: take more comparisons, or label some pairs, so that the \
         matches stand out"
    )]
    NotSettled {
        /// The rounds.
        rounds: u32,
    },
}

/// The rounds after which the estimate is given up.
const ROUNDS: u32 = 1_000;
/// An estimate has settled when no probability moves further than this.
const SETTLED: f64 = 1e-7;
/// What a level counts that was never seen, in pairs: none is impossible.
const UNSEEN: f64 = 0.5;
/// The share of matches that the first round believes in.
const FIRST_SHARE: f64 = 1e-4;
/// The share of pairs of one person that the first round believes to agree fully in a comparison.
const FIRST_AGREEMENT: f64 = 0.9;

impl Evidence {
    /// Weights from pairs that nobody has labelled. The highest level of each comparison is that of full agreement.
    ///
    /// # Errors
    /// There are no pairs, or the estimate does not settle.
    pub(super) fn estimate(&self) -> Result<Weights, EmError> {
        if self.patterns.iter().all(|pattern| pattern.pairs == 0) {
            return Err(EmError::NoPairs);
        }
        let mut share = FIRST_SHARE;
        let mut among_matches: Vec<Vec<f64>> = self.among_random.iter().map(|levels| first(levels.len())).collect();
        for round in 1..=ROUNDS {
            let (next_share, next) = self.improve(share, &among_matches);
            let moved = largest_step(&among_matches, &next).max((next_share - share).abs());
            (share, among_matches) = (next_share, next);
            if moved < SETTLED {
                return Ok(self.weights(share, &among_matches, round));
            }
        }
        Err(EmError::NotSettled { rounds: ROUNDS })
    }

    /// Weights from labelled pairs: `matches` are those of one person. How often the levels come among pairs of two
    /// persons is still told by random pairs.
    ///
    /// # Errors
    /// No pair is labelled a match.
    pub(super) fn by_labels(&self, matches: &[Pattern]) -> Result<Weights, EmError> {
        let labelled: u64 = matches.iter().map(|pattern| pattern.pairs).sum();
        if labelled == 0 {
            return Err(EmError::NoPairs);
        }
        let mut seen = self.unseen();
        for pattern in matches {
            add(&mut seen, pattern, pattern.pairs as f64);
        }
        let among_matches = shares(seen);
        let share = self.improve(FIRST_SHARE, &among_matches).0;
        Ok(self.weights(share, &among_matches, 1))
    }

    /// One round: how likely each pattern is a match by what is believed, and what is believed if so.
    fn improve(&self, share: f64, among_matches: &[Vec<f64>]) -> (f64, Vec<Vec<f64>>) {
        let weights = self.weights(share, among_matches, 0);
        let (mut matches, mut seen) = (0.0, self.unseen());
        for pattern in &self.patterns {
            let expected = weights.probability(&pattern.levels) * pattern.pairs as f64;
            matches += expected;
            add(&mut seen, pattern, expected);
        }
        // Some pair is one of one person and some is not, however the data looks.
        let least = UNSEEN / self.all_pairs.max(1.0);
        ((matches / self.all_pairs.max(1.0)).clamp(least, 0.5), shares(seen))
    }

    fn unseen(&self) -> Vec<Vec<f64>> {
        self.among_random.iter().map(|levels| vec![UNSEEN; levels.len()]).collect()
    }

    fn weights(&self, share: f64, among_matches: &[Vec<f64>], rounds: u32) -> Weights {
        let least = UNSEEN / self.all_pairs.max(1.0);
        let weight = |(m, u): (&f64, &f64)| (m / u.max(least)).log2();
        let levels = among_matches.iter().zip(&self.among_random);
        Weights {
            prior: (share / (1.0 - share)).log2(),
            levels: levels.map(|(m, u)| m.iter().zip(u).map(weight).collect()).collect(),
            rounds,
        }
    }
}

impl Weights {
    /// The sum of the weights of a pair's levels and of the prior.
    pub(super) fn score(&self, levels: &[Option<usize>]) -> f64 {
        let weight = |(levels, level): (&Vec<f64>, &Option<usize>)| level.and_then(|level| levels.get(level).copied());
        self.prior + self.levels.iter().zip(levels).filter_map(weight).sum::<f64>()
    }

    /// How likely a pair with these levels is one person.
    pub(super) fn probability(&self, levels: &[Option<usize>]) -> f64 {
        1.0 / (1.0 + (-self.score(levels)).exp2())
    }
}

/// The score from which on a pair is as likely one person as `probability` says, which lies between 0 and 1.
pub(super) fn threshold(probability: f64) -> f64 {
    (probability / (1.0 - probability)).log2()
}

fn first(levels: usize) -> Vec<f64> {
    let other = (1.0 - FIRST_AGREEMENT) / levels.saturating_sub(1).max(1) as f64;
    (0..levels).map(|level| if level + 1 == levels { FIRST_AGREEMENT } else { other }).collect()
}

fn add(seen: &mut [Vec<f64>], pattern: &Pattern, pairs: f64) {
    for (levels, level) in seen.iter_mut().zip(&pattern.levels) {
        if let Some(count) = level.and_then(|level| levels.get_mut(level)) {
            *count += pairs;
        }
    }
}

fn shares(mut seen: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for levels in &mut seen {
        let all: f64 = levels.iter().sum();
        levels.iter_mut().for_each(|count| *count /= all);
    }
    seen
}

fn largest_step(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let steps = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs());
    steps.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs as the model makes them, from a fixed sequence: of `pairs`, every `one_in`-th is of one person.
    fn made(m: &[f64], u: &[f64], pairs: u64, matches: u64) -> Evidence {
        let share = |agree: &[f64], levels: &[usize]| {
            levels.iter().zip(agree).map(|(level, p)| if *level == 1 { *p } else { 1.0 - p }).product::<f64>()
        };
        let patterns = (0..1usize << m.len()).map(|bits| {
            let levels: Vec<usize> = (0..m.len()).map(|i| bits >> i & 1).collect();
            let expected = matches as f64 * share(m, &levels) + (pairs - matches) as f64 * share(u, &levels);
            Pattern { levels: levels.into_iter().map(Some).collect(), pairs: expected.round() as u64 }
        });
        Evidence {
            patterns: patterns.collect(),
            among_random: u.iter().map(|u| vec![1.0 - u, *u]).collect(),
            all_pairs: pairs as f64,
        }
    }

    #[test]
    fn what_the_pairs_were_made_with_is_found_again() {
        let (m, u) = ([0.95, 0.9, 0.8], [0.01, 0.02, 0.05]);
        let weights = made(&m, &u, 10_000_000, 20_000).estimate().unwrap();
        assert!((weights.prior - (0.002f64 / 0.998).log2()).abs() < 0.05, "{weights:?}");
        for (found, (m, u)) in weights.levels.iter().zip(m.iter().zip(u)) {
            assert!((found[1] - (m / u).log2()).abs() < 0.05, "{weights:?}");
            assert!((found[0] - ((1.0 - m) / (1.0 - u)).log2()).abs() < 0.1, "{weights:?}");
        }
        assert!(weights.probability(&[Some(1), Some(1), Some(1)]) > 0.95);
        assert!(weights.probability(&[Some(0), Some(1), Some(0)]) < 0.05);
        assert_eq!(weights.score(&[None, None, None]), weights.prior);
    }

    #[test]
    fn blocks_that_hold_hardly_anything_else_than_matches_settle() {
        let pattern = |levels: [usize; 2], pairs| Pattern { levels: levels.map(Some).to_vec(), pairs };
        let patterns = vec![pattern([1, 1], 1_900), pattern([0, 1], 40), pattern([1, 0], 30), pattern([0, 0], 2)];
        let among_random = vec![vec![0.999, 0.001]; 2];
        let weights = Evidence { patterns, among_random, all_pairs: 12.5e6 }.estimate().unwrap();
        assert!(weights.probability(&[Some(1), Some(1)]) > 0.95, "{weights:?}");
        assert!(weights.probability(&[Some(0), Some(0)]) < 0.01, "{weights:?}");
    }

    #[test]
    fn labels_tell_without_rounds() {
        let evidence = made(&[0.9], &[0.01], 1_000_000, 1_000);
        let pattern = |level, pairs| Pattern { levels: vec![Some(level)], pairs };
        let weights = evidence.by_labels(&[pattern(1, 900), pattern(0, 100)]).unwrap();
        assert!((weights.levels[0][1] - 90f64.log2()).abs() < 0.02, "{weights:?}");
        assert_eq!(evidence.by_labels(&[]), Err(EmError::NoPairs));
    }

    #[test]
    fn without_pairs_there_is_nothing_to_learn() {
        let none = Evidence { patterns: Vec::new(), among_random: vec![vec![0.5, 0.5]], all_pairs: 10.0 };
        assert_eq!(none.estimate(), Err(EmError::NoPairs));
    }

    #[test]
    fn a_threshold_is_the_score_of_its_probability() {
        let weights = Weights { prior: 0.0, levels: vec![vec![threshold(0.95)]], rounds: 1 };
        assert!((weights.probability(&[Some(0)]) - 0.95).abs() < 1e-12);
    }
}
