//! Tie-aware rank-biased overlap: how well two prompts agree on which models are better.
//!
//! Rank-biased overlap (Webber, Moffat and Zobel 2010, "A similarity measure for indefinite rankings") compares the first d
//! models of two rankings at every depth d and weighs depth d by (1 - p) p^(d-1): agreement at the top counts most.
//! Outcomes tie a lot (0 or 1), so ties follow Corsi and Urbano 2024 ("The treatment of ties in rank-biased overlap"): a
//! group of g tied models of which only r fit within depth d belongs to it with the fraction r / g each.
//!
//! # A ranking is a vector
//!
//! Let c(d) be the vector of memberships at depth d, a number a model. The overlap at depth d is the inner product of the two
//! rankings' c(d), and so the whole of rank-biased overlap is the inner product of two vectors of length m * D:
//!
//! ```text
//! features = [ sqrt(w_1) u(1), sqrt(w_2) u(2), ..., sqrt(w_D) u(D) ],   w_d = (1-p) p^(d-1) / (1 - p^D)
//! ```
//!
//! where u(d) is c(d) divided by sqrt(d) ([`Ties::Averaged`], RBO^a: overlap over depth) or by its own length
//! ([`Ties::Normalized`], RBO^b: a ranking agrees with itself by 1, however tied). Weights are renormalized over the finite
//! depth D, at most the number of models ranked. So all pairs of n prompts cost one matrix product, nearest neighbors under
//! rank-biased overlap are nearest neighbors by inner product, and the joint similarity (1-a) * cosine + a * overlap is the
//! inner product of [sqrt(1-a) * embedding, sqrt(a) * features].
//!
//! # Chance
//!
//! Plain overlap is positive for any two rankings: at depth d of m models, random rankings share d / m. Worse, a prompt that
//! every model answers and one that none does have the same ranking, everything tied, and agree fully although neither says
//! anything about which model is better. [`Chance::Removed`], the default, subtracts from c(d) the membership d / m of a random
//! ranking and normalizes again. The result is 0 for unrelated rankings, 1 for equal ones, down to -1 for opposed ones; a
//! ranking in which everything ties is the zero vector, which agrees with nothing. At each depth it is the correlation of the
//! memberships, so for 0/1 outcomes it is the phi coefficient of the two prompts' outcomes, at any p.
//!
//! Missing outcomes: only observed models are ranked. Without chance an unobserved model is outside of every depth; with
//! chance removed it stands exactly where chance puts it, and prompts that share no model have agreement 0.
//!
//! # Cost
//!
//! O(m log m + m D) a prompt, and 4 m D bytes. D is bounded by the persistence (depths beyond the first 99% of the weight are
//! cut), and so that m * D stays within [`MAXIMUM_LENGTH`] as far as D >= 1 allows. If all prompts of a set have at most two
//! levels of quality and equally many ranked models, all depths point the same way once chance is removed, and one is kept:
//! the same numbers at m a prompt.
#![allow(
    clippy::indexing_slicing,
    reason = "positions are those of the items ranked, models are below the pool's size"
)]

use rayon::prelude::*;
use router_core::{Matrix, Outcome, Outcomes, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::out_of_range;

/// Longest feature vector, as far as a depth of at least 1 allows.
pub const MAXIMUM_LENGTH: usize = 2_048;
/// Weight of the depths that are cut.
const CUT_WEIGHT: f64 = 0.01;

/// How tied models share a depth that not all of them fit in (Corsi and Urbano 2024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ties {
    /// RBO^a: the expectation over all ways to break the ties. A ranking with ties agrees with itself by less than 1.
    Averaged,
    /// RBO^b: every depth is divided by its own agreement with itself, so that a ranking agrees with itself by 1.
    #[default]
    Normalized,
}

/// Whether the agreement that random rankings have counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Chance {
    /// It does: agreement lies in [0, 1], as published.
    Included,
    /// It is subtracted: agreement lies in [-1, 1] and is 0 between unrelated rankings.
    #[default]
    Removed,
}

/// Rank-biased overlap with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankBiasedOverlap {
    persistence: f64,
    ties: Ties,
    chance: Chance,
}

/// One model of a ranking: which one, and its rank group.
struct Ranked {
    model: usize,
    /// Position (from 0) of the first model of its tie group.
    first: usize,
    /// Models in its tie group.
    group: usize,
}

impl RankBiasedOverlap {
    /// Rank-biased overlap of persistence p in (0, 1): the chance that a reader who looked at depth d goes on to d + 1.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](router_core::ErrorKind::Config) for another p.
    pub fn new(persistence: f64, ties: Ties, chance: Chance) -> Result<Self> {
        if persistence > 0.0 && persistence < 1.0 {
            Ok(Self { persistence, ties, chance })
        } else {
            out_of_range("persistence", &persistence, "above 0 and below 1")
        }
    }

    /// The depth D that rankings of a pool of `models` models are compared to.
    pub fn depth(&self, models: usize) -> usize {
        let by_weight = (CUT_WEIGHT.ln() / self.persistence.ln()).ceil().max(1.0) as usize;
        let by_length = (MAXIMUM_LENGTH / models.max(1)).max(1);
        self.informative(models).min(by_weight).min(by_length)
    }

    /// How many depths of a ranking of `ranked` models can say anything. Once chance is removed, the last one cannot: all
    /// models are in it.
    fn informative(&self, ranked: usize) -> usize {
        match self.chance {
            Chance::Included => ranked,
            Chance::Removed => ranked.saturating_sub(1),
        }
    }

    /// The feature vectors of all prompts: n x (m * D), their inner products the agreements.
    pub fn features(&self, outcomes: &Outcomes) -> Matrix {
        let (n, m) = (outcomes.prompts(), outcomes.models());
        let depth = if self.one_depth_says_all(outcomes) { 1 } else { self.depth(m) };
        let mut features = Matrix::zeros(n, m * depth);
        if m * depth > 0 {
            features
                .as_mut_slice()
                .par_chunks_mut(m * depth)
                .enumerate()
                .for_each(|(row, features)| self.write_features(outcomes.row(row), m, depth, features));
        }
        features
    }

    /// The agreement of two rankings over a pool of `models` models, given as outcomes (a model at most once).
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`](router_core::ErrorKind::UnknownModel) for a model beyond the pool.
    pub fn agreement(&self, models: usize, a: &[Outcome], b: &[Outcome]) -> Result<f64> {
        let pair = Outcomes::from_rows(models, vec![a.to_vec(), b.to_vec()])?;
        let features = self.features(&pair);
        Ok(features.row(0).iter().zip(features.row(1)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum())
    }

    /// Whether all depths of all rankings point the same way and weigh the same, so that the first stands for all.
    fn one_depth_says_all(&self, outcomes: &Outcomes) -> bool {
        if self.chance == Chance::Included || self.ties == Ties::Averaged {
            return false;
        }
        let mut ranked = None;
        (0..outcomes.prompts()).all(|row| {
            let outcomes = outcomes.row(row);
            let Some(first) = outcomes.first() else { return true };
            let Some(other) = outcomes.iter().find(|outcome| outcome.quality != first.quality) else { return true };
            *ranked.get_or_insert(outcomes.len()) == outcomes.len()
                && outcomes.iter().all(|outcome| outcome.quality == first.quality || outcome.quality == other.quality)
        })
    }

    /// Writes the features of one ranking: `depth` blocks of `models` numbers.
    fn write_features(&self, outcomes: &[Outcome], models: usize, depth: usize, features: &mut [f32]) {
        let ranking = rank(outcomes);
        let count = ranking.len();
        if self.chance == Chance::Removed && ranking.first().is_none_or(|first| first.group == count) {
            return; // all tied: it says nothing
        }
        let depth = self.informative(count).min(depth);
        let total = 1.0 - self.persistence.powi(depth as i32);
        for d in 1..=depth {
            let weight = (1.0 - self.persistence) * self.persistence.powi(d as i32 - 1) / total;
            let chance = match self.chance {
                Chance::Included => 0.0,
                Chance::Removed => d as f64 / count as f64,
            };
            let memberships = || ranking.iter().map(|ranked| (ranked.model, ranked.membership(d) - chance));
            let square = match self.ties {
                // What a ranking without ties would have: d members of 1 - chance, the others of -chance.
                Ties::Averaged => d as f64 * (1.0 - chance),
                Ties::Normalized => memberships().map(|(_, membership)| membership * membership).sum(),
            };
            let scale = (weight / square).sqrt();
            let block = &mut features[(d - 1) * models..d * models];
            for (model, membership) in memberships() {
                block[model] = (scale * membership) as f32;
            }
        }
    }
}

impl Ranked {
    /// The fraction of the model that lies within depth d.
    fn membership(&self, d: usize) -> f64 {
        d.saturating_sub(self.first).min(self.group) as f64 / self.group as f64
    }
}

/// The models in order of falling quality, in groups of equal quality.
fn rank(outcomes: &[Outcome]) -> Vec<Ranked> {
    let mut order: Vec<&Outcome> = outcomes.iter().collect();
    order.sort_by(|a, b| b.quality.total_cmp(&a.quality).then(a.model.cmp(&b.model)));
    let mut ranking = Vec::with_capacity(order.len());
    // Equality, not total order: 0 and -0 tie.
    for group in order.chunk_by(|a, b| a.quality == b.quality) {
        let first = ranking.len();
        ranking.extend(group.iter().map(|outcome| Ranked { model: outcome.model, first, group: group.len() }));
    }
    ranking
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use router_core::ErrorKind;

    use super::*;

    fn ranking(qualities: &[f32]) -> Vec<Outcome> {
        qualities.iter().enumerate().map(|(model, &quality)| Outcome::new(model, quality)).collect()
    }

    fn overlap(p: f64, ties: Ties, chance: Chance) -> RankBiasedOverlap {
        RankBiasedOverlap::new(p, ties, chance).unwrap()
    }

    fn agree(measure: RankBiasedOverlap, a: &[f32], b: &[f32]) -> f64 {
        measure.agreement(a.len(), &ranking(a), &ranking(b)).unwrap()
    }

    /// The definition, without vectors: the sum over depths of weight times agreement. RBO^a by averaging over every way to
    /// break the ties, which is what Corsi and Urbano prove its fractions to be.
    fn direct(p: f64, depth: usize, a: &[f32], b: &[f32]) -> f64 {
        let (orders_a, orders_b) = (linearizations(a), linearizations(b));
        let total = 1.0 - p.powi(depth as i32);
        let mut sum = 0.0;
        for x in &orders_a {
            for y in &orders_b {
                for d in 1..=depth {
                    let shared = x[..d].iter().filter(|&model| y[..d].contains(model)).count();
                    sum += (1.0 - p) * p.powi(d as i32 - 1) / total * shared as f64 / d as f64;
                }
            }
        }
        sum / (orders_a.len() * orders_b.len()) as f64
    }

    /// All orders of the models that respect falling quality.
    fn linearizations(qualities: &[f32]) -> Vec<Vec<usize>> {
        fn extend(left: &[usize], qualities: &[f32], order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
            if left.is_empty() {
                all.push(order.clone());
            }
            let best = left.iter().map(|&model| qualities[model]).fold(f32::MIN, f32::max);
            for &model in left.iter().filter(|&&model| qualities[model] == best) {
                order.push(model);
                let rest: Vec<usize> = left.iter().copied().filter(|&other| other != model).collect();
                extend(&rest, qualities, order, all);
                order.pop();
            }
        }
        let mut all = Vec::new();
        extend(&(0..qualities.len()).collect::<Vec<_>>(), qualities, &mut Vec::new(), &mut all);
        all
    }

    fn pearson(a: &[f32], b: &[f32]) -> f64 {
        let n = a.len() as f64;
        let mean = |x: &[f32]| x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let (ma, mb) = (mean(a), mean(b));
        let sum = |x: &[f32], mx: f64, y: &[f32], my: f64| {
            x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - mx) * (f64::from(y) - my)).sum::<f64>()
        };
        sum(a, ma, b, mb) / (sum(a, ma, a, ma) * sum(b, mb, b, mb)).sqrt()
    }

    #[test]
    fn three_models_by_hand() {
        // a b c against b a c at p = 1/2: agreements 0, 1, 1; weights 1/2, 1/4, 1/8 of 7/8.
        let plain = overlap(0.5, Ties::Averaged, Chance::Included);
        assert!((agree(plain, &[0.9, 0.5, 0.1], &[0.5, 0.9, 0.1]) - 3.0 / 7.0).abs() < 1e-6);
        // {a b} c against a b c: overlap 1/2, 2, 3 of 1, 2, 3.
        assert!((agree(plain, &[0.9, 0.9, 0.1], &[0.9, 0.5, 0.1]) - (0.25 + 0.25 + 0.125) / 0.875).abs() < 1e-6);
        // RBO^b divides 1/2 by the lengths sqrt(1/2) and 1.
        let normalized = overlap(0.5, Ties::Normalized, Chance::Included);
        let expected = (0.5f64.sqrt() / 2.0 + 0.25 + 0.125) / 0.875;
        assert!((agree(normalized, &[0.9, 0.9, 0.1], &[0.9, 0.5, 0.1]) - expected).abs() < 1e-6);
        // Chance removed, a b c against b a c: depth 1 is the correlation of (1 0 0) and (0 1 0), -1/2; depth 2 is 1;
        // depth 3 holds everything and says nothing. Weights 1/2, 1/4 of 3/4.
        let removed = overlap(0.5, Ties::Normalized, Chance::Removed);
        assert!((agree(removed, &[0.9, 0.5, 0.1], &[0.5, 0.9, 0.1]) - (-0.25 + 0.25) / 0.75).abs() < 1e-6);
        assert!((agree(removed, &[0.9, 0.5, 0.1], &[0.9, 0.1, 0.5]) - (0.5 - 0.5 * 0.25) / 0.75).abs() < 1e-6);
    }

    #[test]
    fn the_weight_of_the_top_ten_is_the_published_one() {
        // Webber et al. 2010, section 4: at p = 0.9 the first 10 ranks carry 86% of the weight, which by their equation 21 sums
        // weight over depth. The weights here are those of the depths: two rankings that differ only by swapping ranks 1
        // and 2 lose the first depth and nothing else, (1 - p) / (1 - p^D).
        let plain = overlap(0.9, Ties::Averaged, Chance::Included);
        let a: Vec<f32> = (0..12).map(|rank| 1.0 - rank as f32 / 12.0).collect();
        let mut b = a.clone();
        b.swap(0, 1);
        assert!((1.0 - agree(plain, &a, &b) - 0.1 / (1.0 - 0.9f64.powi(12))).abs() < 1e-6);
    }

    #[test]
    fn what_everything_ties_on_says_nothing_once_chance_is_removed() {
        let (right, wrong, mixed) = ([1.0; 4], [0.0; 4], [1.0, 0.0, 0.0, 1.0]);
        let plain = overlap(0.9, Ties::Normalized, Chance::Included);
        assert!((agree(plain, &right, &wrong) - 1.0).abs() < 1e-6);
        let removed = overlap(0.9, Ties::Normalized, Chance::Removed);
        for other in [right, wrong, mixed] {
            assert_eq!(agree(removed, &right, &other), 0.0);
        }
        assert!((agree(removed, &mixed, &mixed) - 1.0).abs() < 1e-6);
        assert!((agree(removed, &mixed, &[0.0, 1.0, 1.0, 0.0]) + 1.0).abs() < 1e-6);
    }

    #[test]
    fn only_observed_models_are_ranked() {
        let removed = overlap(0.9, Ties::Normalized, Chance::Removed);
        let pick = |models: &[(usize, f32)]| models.iter().map(|&(m, q)| Outcome::new(m, q)).collect::<Vec<_>>();
        let agree = |a: &[(usize, f32)], b: &[(usize, f32)]| removed.agreement(6, &pick(a), &pick(b)).unwrap();
        assert_eq!(agree(&[(0, 1.0), (1, 0.0)], &[(2, 1.0), (3, 0.0)]), 0.0);
        assert_eq!(agree(&[(0, 1.0)], &[(0, 1.0)]), 0.0);
        assert_eq!(agree(&[], &[(0, 1.0), (1, 0.0)]), 0.0);
        // (1/sqrt 2)(1, -1, 0, ..) against (1/sqrt 6)(2, 0, -1, -1): 2 / sqrt 12, one depth of three in common.
        let p = 0.9f64;
        let common = (1.0 - p) / (1.0 - p.powi(2));
        let found = agree(&[(0, 1.0), (1, 0.0)], &[(0, 1.0), (2, 0.0), (3, 0.0)]);
        assert!((found - common.sqrt() * 2.0 / 12f64.sqrt()).abs() < 1e-6, "{found}");
    }

    #[test]
    fn depth_is_bounded_by_weight_and_length() {
        assert_eq!(overlap(0.9, Ties::Normalized, Chance::Removed).depth(9), 8);
        assert_eq!(overlap(0.9, Ties::Normalized, Chance::Included).depth(9), 9);
        assert_eq!(overlap(0.5, Ties::Normalized, Chance::Included).depth(100), 7);
        assert_eq!(overlap(0.9, Ties::Normalized, Chance::Included).depth(200), 10);
        assert_eq!(overlap(0.9, Ties::Normalized, Chance::Included).depth(9000), 1);
        assert_eq!(overlap(0.9, Ties::Normalized, Chance::Removed).depth(1), 0);
        for p in [0.0, 1.0, f64::NAN] {
            let error = RankBiasedOverlap::new(p, Ties::Averaged, Chance::Included).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }

    /// Qualities on a coarse grid, so that they tie.
    fn tied(models: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec((0u8..4).prop_map(|level| f32::from(level) / 3.0), models)
    }

    proptest! {
        #[test]
        fn the_vector_form_is_the_definition((a, b) in (1usize..6).prop_flat_map(|m| (tied(m), tied(m))), p in 0.1f64..0.95) {
            let measure = overlap(p, Ties::Averaged, Chance::Included);
            prop_assert!((agree(measure, &a, &b) - direct(p, measure.depth(a.len()), &a, &b)).abs() < 1e-5);
        }

        #[test]
        fn symmetric_in_range_one_with_itself_and_blind_to_the_order_of_models(
            (a, b, order) in (2usize..9).prop_flat_map(|m| (tied(m), tied(m), Just((0..m).collect::<Vec<_>>()).prop_shuffle())),
            p in 0.1f64..0.95,
        ) {
            let permuted = |x: &[f32]| order.iter().map(|&model| x[model]).collect::<Vec<_>>();
            let all_tied = a.iter().all(|&x| x == a[0]);
            for chance in [Chance::Included, Chance::Removed] {
                for ties in [Ties::Averaged, Ties::Normalized] {
                    let measure = overlap(p, ties, chance);
                    let found = agree(measure, &a, &b);
                    let lowest = if chance == Chance::Included { 0.0 } else { -1.0 };
                    prop_assert!((lowest - 1e-5..=1.0 + 1e-5).contains(&found));
                    prop_assert!((found - agree(measure, &b, &a)).abs() < 1e-6);
                    prop_assert!((found - agree(measure, &permuted(&a), &permuted(&b))).abs() < 1e-5);
                    if ties == Ties::Normalized && !(all_tied && chance == Chance::Removed) {
                        prop_assert!((agree(measure, &a, &a) - 1.0).abs() < 1e-5);
                    }
                }
            }
        }

        #[test]
        fn for_binary_outcomes_it_is_the_correlation(
            (a, b) in (2usize..12).prop_flat_map(|m| (prop::collection::vec(0u8..2, m), prop::collection::vec(0u8..2, m))),
            p in 0.1f64..0.95,
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = (a.into_iter().map(f32::from).collect(), b.into_iter().map(f32::from).collect());
            prop_assume!(a.contains(&0.0) && a.contains(&1.0) && b.contains(&0.0) && b.contains(&1.0));
            let measure = overlap(p, Ties::Normalized, Chance::Removed);
            prop_assert!((agree(measure, &a, &b) - pearson(&a, &b)).abs() < 1e-5);
            // The shortcut of one depth gives what all depths give.
            let pair = Outcomes::from_rows(a.len(), vec![ranking(&a), ranking(&b)]).unwrap();
            prop_assert_eq!(measure.features(&pair).cols(), a.len());
            let depth = measure.depth(a.len());
            let mut full = Matrix::zeros(2, a.len() * depth);
            for row in 0..2 {
                measure.write_features(pair.row(row), a.len(), depth, full.row_mut(row));
            }
            let long: f32 = full.row(0).iter().zip(full.row(1)).map(|(x, y)| x * y).sum();
            prop_assert!((f64::from(long) - pearson(&a, &b)).abs() < 1e-5);
        }
    }
}
