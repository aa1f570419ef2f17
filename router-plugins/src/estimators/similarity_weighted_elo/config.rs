//! Parameters of the similarity-weighted Elo ranking, and the choice of gamma.
#![allow(clippy::indexing_slicing, reason = "rows come from the folds of the set")]

use rayon::prelude::*;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::{Ranking, Scratch, SimilarityWeightedEloEstimator};
use crate::estimators::realized::{Worth, best_model, last_best};
use crate::estimators::stored_outcomes::StoredOutcomes;
use crate::neighbors::normalized;
use crate::ranges::out_of_range;

/// What is tried for gamma: the first is RouteLLM's.
const GAMMAS: [f64; 5] = [10.0, 1e2, 1e4, 1e8, 1e16];
/// Where nothing can be held out.
const UNINFORMED_GAMMA: f64 = 10.0;
/// Prompts at most that cross-validation holds out.
const HELD_OUT: usize = 5_000;
/// Held-out prompts that are ranked together.
const BLOCK: usize = 64;

/// Parameters of the `similarity-weighted-elo` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimilarityWeightedEloConfig {
    /// How much more a similar prompt counts: the base of its weight. 1 weighs all alike. If left out, which is the default, chosen by
    /// cross-validation among 10, 10^2, 10^4, 10^8 and 10^16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 1.0e30))]
    pub gamma: Option<f64>,
    /// Every model has also fought this many battles at its mean quality, with a prompt as near as the nearest. Default 4.
    #[schemars(range(min = 0.01, max = 1.0e6))]
    pub shrinkage: f64,
    /// Folds of the cross-validation that chooses gamma; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
}

impl Default for SimilarityWeightedEloConfig {
    fn default() -> Self {
        Self { gamma: None, shrinkage: 4.0, folds: 5 }
    }
}

impl PluginConfig for SimilarityWeightedEloConfig {
    const NAME: &'static str = "similarity-weighted-elo";
    const SUMMARY: &'static str = "A Bradley-Terry ranking for every prompt, battles on similar prompts counting more";
    const SOURCE: &'static str = "RouteLLM, arXiv 2406.18665 (section 4.2, sw-ranking)";
    const COST: &'static str =
        "fit O(n^2 (d + m)), of at most 5,000 held-out prompts; O(n (d + m) + t m^2) a prompt, t up to 100";
    const EXAMPLE: &'static str = "gamma = 10000.0\nshrinkage = 4.0\n";
}

impl SimilarityWeightedEloConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        match self.gamma {
            Some(gamma) if !(1.0..=1e30).contains(&gamma) => return out_of_range("gamma", &gamma, "1 to 1e30"),
            _ => {}
        }
        if !(0.01..=1e6).contains(&self.shrinkage) {
            return out_of_range("shrinkage", &self.shrinkage, "0.01 to 1000000");
        }
        if self.folds < 2 {
            return out_of_range("folds", &self.folds, "at least 2");
        }
        Ok(())
    }

    fn choose_gamma(&self, set: &TrainingSet, points: &Matrix, cx: &FitContext) -> Result<f64> {
        let Some(folds) = set.folds(self.folds, &cx.seed().child("folds")) else { return Ok(UNINFORMED_GAMMA) };
        // Every so many-th prompt, where there are more than are looked at.
        let every = set.len().div_ceil(HELD_OUT);
        let bar = cx.begin("choosing gamma", Some(folds.count() as u64));
        let mut totals = [Worth::default(); GAMMAS.len()];
        let mut judged = 0;
        for fold in 0..folds.count() {
            let (train, held_out) = folds.split(fold);
            let held_out: Vec<usize> = held_out.into_iter().filter(|row| row % every == 0).collect();
            let ranking = Ranking::new(
                points.gather(&train),
                StoredOutcomes::from(&set.outcomes().gather(&train)),
                self.shrinkage,
            );
            let worths: Vec<[Worth; GAMMAS.len()]> = held_out
                .par_chunks(BLOCK)
                .map_init(Scratch::default, |scratch, rows| {
                    cx.check_cancelled()?;
                    let mut worths = [Worth::default(); GAMMAS.len()];
                    let queries = points.gather(rows);
                    let mut found = Matrix::default();
                    for (worth, gamma) in worths.iter_mut().zip(GAMMAS) {
                        ranking.rank(queries.view(), gamma, scratch, &mut found);
                        for (at, &row) in rows.iter().enumerate() {
                            let model = best_model(found.row(at));
                            worth.add(&Worth::of(set, row, model, ranking.means()[model]));
                        }
                    }
                    Ok(worths)
                })
                .collect::<Result<_>>()?;
            for worths in &worths {
                totals.iter_mut().zip(worths).for_each(|(total, worth)| total.add(worth));
            }
            judged += held_out.len();
            bar.advance(1);
        }
        Ok(GAMMAS[last_best(&totals, judged)])
    }
}

impl QualityEstimator for SimilarityWeightedEloConfig {
    type Fitted = SimilarityWeightedEloEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<SimilarityWeightedEloEstimator> {
        self.check()?;
        cx.check_cancelled()?;
        let points = normalized(set.embeddings());
        let gamma = match self.gamma {
            Some(gamma) => gamma,
            None => self.choose_gamma(set, &points, cx)?,
        };
        let ranking = Ranking::new(points, StoredOutcomes::from(set.outcomes()), self.shrinkage);
        Ok(SimilarityWeightedEloEstimator::new(ranking, gamma))
    }
}

router_core::register!(EstimatorRole, SimilarityWeightedEloConfig);
