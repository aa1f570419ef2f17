//! The similarity-weighted Elo ranking, ready.
#![allow(clippy::indexing_slicing, reason = "models of outcomes are below the pool's size, rows those of the points")]

use faer::Accum;
use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::strengths::Battles;
use crate::estimators::stored_outcomes::{Seen, StoredOutcomes};
use crate::neighbors::{normalized, products};
use crate::nn::kernels::{View, product};

/// Queries whose similarities are in memory at once.
const BLOCK: usize = 64;

/// Training prompts and their outcomes.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// n x d, of unit length.
    points: Matrix,
    outcomes: StoredOutcomes,
    means: Vec<f32>,
    shrinkage: f64,
    /// Where every prompt has outcomes of all models under one weight: their qualities times the weight, and the weight, n x (m + 1).
    complete: Option<Matrix>,
}

/// Buffers of a batch, to be reused.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    similarities: Vec<f32>,
    sums: Vec<f32>,
    battles: Battles,
    powers: Vec<f64>,
}

impl Ranking {
    pub(super) fn new(points: Matrix, outcomes: StoredOutcomes, shrinkage: f64) -> Self {
        let (n, m) = (points.rows(), outcomes.models());
        let same = |row: &[Seen]| row.len() == m && row.iter().all(|seen| seen.weight == row[0].weight);
        let complete = (0..n).all(|row| same(outcomes.row(row))).then(|| {
            let mut weighted = Matrix::zeros(n, m + 1);
            for row in 0..n {
                for (to, seen) in weighted.row_mut(row).iter_mut().zip(outcomes.row(row)) {
                    *to = seen.weight * seen.quality;
                }
                weighted.row_mut(row)[m] = outcomes.row(row).first().map_or(0.0, |seen| seen.weight);
            }
            weighted
        });
        Self { means: outcomes.means(), points, outcomes, shrinkage, complete }
    }

    pub(super) fn means(&self) -> &[f32] {
        &self.means
    }

    /// Writes the estimates for `queries` (q x d, of unit length) into `out`, which it resets to q x m.
    pub(super) fn rank(&self, queries: MatrixView<'_>, gamma: f64, scratch: &mut Scratch, out: &mut Matrix) {
        let (n, m) = (self.points.rows(), self.means.len());
        out.reset(queries.rows(), m);
        for start in (0..queries.rows()).step_by(BLOCK) {
            let end = queries.rows().min(start + BLOCK);
            scratch.similarities.resize((end - start) * n, 0.0);
            products(queries.slice_rows(start, end), self.points.view(), &mut scratch.similarities);
            for similarities in scratch.similarities.chunks_exact_mut(n.max(1)) {
                weigh(similarities, gamma);
            }
            if let Some(complete) = &self.complete {
                scratch.sums.resize((end - start) * (m + 1), 0.0);
                let weights = View { data: &scratch.similarities, rows: end - start, cols: n, transposed: false };
                let outcomes = View { data: complete.as_slice(), rows: n, cols: m + 1, transposed: false };
                product(weights, outcomes, Accum::Replace, &mut scratch.sums);
            }
            for row in start..end {
                scratch.battles.reset(m);
                if self.complete.is_some() {
                    let sums = &scratch.sums[(row - start) * (m + 1)..(row - start + 1) * (m + 1)];
                    balanced(sums, &mut scratch.battles);
                } else {
                    let weights = &scratch.similarities[(row - start) * n..(row - start + 1) * n];
                    self.fight(weights, &mut scratch.battles);
                }
                for (model, &mean) in self.means.iter().enumerate() {
                    scratch.battles.prompts[model] += self.shrinkage;
                    // Neither a sure win nor a sure loss.
                    scratch.battles.answered[model] += self.shrinkage * f64::from(mean).clamp(1e-3, 1.0 - 1e-3);
                }
                scratch.battles.solve(&mut scratch.powers);
                for (estimate, power) in out.row_mut(row).iter_mut().zip(&scratch.powers) {
                    *estimate = (power / (power + 1.0)) as f32;
                }
            }
        }
    }

    /// All battles on the training prompts, weighted by `weights`.
    fn fight(&self, weights: &[f32], battles: &mut Battles) {
        let m = self.means.len();
        for (row, &weight) in weights.iter().enumerate() {
            let outcomes = self.outcomes.row(row);
            for (at, a) in outcomes.iter().enumerate() {
                let model = a.model as usize;
                let of_a = f64::from(weight) * f64::from(a.weight);
                battles.prompts[model] += of_a;
                battles.answered[model] += of_a * f64::from(a.quality);
                for b in &outcomes[at + 1..] {
                    let other = b.model as usize;
                    let count = f64::from(weight) * 0.5 * (f64::from(a.weight) + f64::from(b.weight));
                    let score = 0.5 * (1.0 + f64::from(a.quality) - f64::from(b.quality));
                    battles.fought[model * m + other] += count;
                    battles.fought[other * m + model] += count;
                    battles.won[model] += count * score;
                    battles.won[other] += count * (1.0 - score);
                }
            }
        }
    }
}

/// Turns similarities into weights, that of the nearest being 1.
fn weigh(similarities: &mut [f32], gamma: f64) {
    let nearest = similarities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if nearest <= 0.0 {
        similarities.fill(1.0);
        return;
    }
    let rate = (gamma.ln() / f64::from(nearest)) as f32;
    for similarity in similarities {
        *similarity = (rate * (*similarity - nearest)).exp();
    }
}

/// The battles where everybody met everybody equally often: what `sums` of weighted qualities, and of weights at its end, come to.
fn balanced(sums: &[f32], battles: &mut Battles) {
    let Some((&total, answered)) = sums.split_last() else { return };
    let (total, m) = (f64::from(total), answered.len());
    let all: f64 = answered.iter().map(|&sum| f64::from(sum)).sum();
    battles.fought.fill(total);
    battles.prompts.fill(total);
    for (model, &sum) in answered.iter().enumerate() {
        battles.fought[model * m + model] = 0.0;
        battles.answered[model] = f64::from(sum);
        battles.won[model] = 0.5 * ((m - 1) as f64 * total + m as f64 * f64::from(sum) - all);
    }
}

/// Training prompts, their outcomes, and how similar ones count.
#[derive(Debug, Clone)]
pub struct SimilarityWeightedEloEstimator {
    ranking: Ranking,
    gamma: f64,
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    models: usize,
    gamma: f64,
    shrinkage: f64,
}

impl SimilarityWeightedEloEstimator {
    pub(super) fn new(ranking: Ranking, gamma: f64) -> Self {
        Self { ranking, gamma }
    }

    /// The base of a similar prompt's weight.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }
}

impl FittedEstimator for SimilarityWeightedEloEstimator {
    fn models(&self) -> usize {
        self.ranking.means.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let d = self.ranking.points.cols();
        if batch.embeddings.cols() != d {
            return Err(Error::shape("dimension of embeddings", d, batch.embeddings.cols()));
        }
        batch.embeddings.check_finite("embeddings")?;
        out.reset(batch.embeddings.rows(), self.models());
        let queries = normalized(batch.embeddings);
        self.ranking.rank(queries.view(), self.gamma, &mut Scratch::default(), out.quality_mut());
        Ok(())
    }
}

impl Persist for SimilarityWeightedEloEstimator {
    const FORMAT: &'static str = "similarity-weighted-elo-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("points", &self.ranking.points)?;
        self.ranking.outcomes.save(writer)?;
        let (models, shrinkage) = (self.models(), self.ranking.shrinkage);
        writer.put_json("header", &Header { models, gamma: self.gamma, shrinkage })
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let Header { models, gamma, shrinkage } = reader.get_json("header")?;
        if !(1.0..=1e30).contains(&gamma) || !(0.01..=1e6).contains(&shrinkage) {
            return Err(reader.corrupt("`header` is out of range"));
        }
        let points = reader.get_matrix("points")?;
        points.view().check_finite("points").map_err(|error| reader.corrupt(&error.to_string()))?;
        let outcomes = StoredOutcomes::load(reader, points.rows(), models)?;
        Ok(Self::new(Ranking::new(points, outcomes, shrinkage), gamma))
    }
}
