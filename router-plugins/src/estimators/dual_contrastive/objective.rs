//! What is trained: which models and prompts are compared, and what is held out.
#![allow(
    clippy::indexing_slicing,
    reason = "rows come from the set, models from its pool, clusters are below their number"
)]

use candle_core::{Tensor, Var};
use rand::RngExt;
use rand::seq::SliceRandom;
use router_core::SeedStream;
use router_core::prelude::*;

use super::config::DualContrastiveConfig;
use super::loss::{Side, Term, contrastive_loss};
use super::network::DualContrastiveNetwork;
use crate::estimators::clusters::qualities;
use crate::estimators::network::{BaseRates, Standardization, each_answer};
use crate::estimators::score_calibration::{Calibration, Scored, calibrate};
use crate::nn::autodiff::{TensorResult, dropout};
use crate::nn::exponential::cross_entropy;
use crate::nn::linear::linear;
use crate::nn::{Objective, Parameter};

/// A cluster's mean of a model is pulled toward the model's mean as if by this many outcomes.
const SHRINKAGE: f64 = 4.0;

/// The models of a prompt that are compared.
struct Compared {
    /// Model and quality.
    models: Vec<(usize, f32)>,
    weight: f32,
}

/// One member in training.
pub(super) struct Contrasts<'a> {
    config: &'a DualContrastiveConfig,
    set: &'a TrainingSet,
    base: &'a BaseRates,
    clusters: &'a [usize],
    /// Of every prompt of the set; nothing for those that are not trained on.
    compared: Vec<Compared>,
    standard: Standardization,
    held_out: &'a [usize],
    /// One over the mean weight of a training prompt.
    scale: f32,
}

impl<'a> Contrasts<'a> {
    pub(super) fn new(
        config: &'a DualContrastiveConfig,
        set: &'a TrainingSet,
        base: &'a BaseRates,
        (clusters, count): (&'a [usize], usize),
        train: &[usize],
        held_out: &'a [usize],
    ) -> Self {
        let of_train: Vec<usize> = train.iter().map(|&row| clusters[row]).collect();
        let means = qualities(set.outcomes(), train, &of_train, count, SHRINKAGE);
        let mut compared: Vec<Compared> =
            (0..set.len()).map(|_| Compared { models: Vec::new(), weight: 0.0 }).collect();
        for &row in train {
            let seen = || set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0);
            let count = seen().count();
            compared[row] = if count > 1 {
                let weight = seen().map(|outcome| outcome.weight).sum::<f32>() / count as f32;
                Compared { models: seen().map(|outcome| (outcome.model, outcome.quality)).collect(), weight }
            } else {
                let of_cluster = means.row(clusters[row]).iter().copied().enumerate();
                Compared { models: of_cluster.filter(|&(model, _)| base.seen[model]).collect(), weight: 1.0 }
            };
        }
        let total: f32 = train.iter().map(|&row| compared[row].weight).sum();
        let scale = if total > 0.0 { train.len() as f32 / total } else { 0.0 };
        let standard = Standardization::of(set, train);
        Self { config, set, base, clusters, compared, standard, held_out, scale }
    }

    /// The terms of a batch.
    pub(super) fn terms(&self, rows: &[usize], stream: &mut SeedStream) -> Vec<Term> {
        let mut terms = Vec::new();
        let mut inside = Vec::new();
        for (anchor, &row) in rows.iter().enumerate() {
            let Compared { models, weight } = &self.compared[row];
            let mut order = models.clone();
            // Equal outcomes come in another order every time: no model is among the best by its number.
            order.shuffle(stream);
            order.sort_by(|a, b| b.1.total_cmp(&a.1));
            let worst = &order[order.len().saturating_sub(self.config.negatives)..];
            for &(model, quality) in order.iter().take(self.config.positives).take_while(|(_, quality)| *quality > 0.0)
            {
                let negatives: Vec<Side> =
                    worst.iter().filter(|(_, other)| *other < quality).map(|&(other, _)| Side::Model(other)).collect();
                if !negatives.is_empty() {
                    terms.push(Term { anchor, positive: Side::Model(model), negatives, weight: *weight });
                }
            }
            if self.config.lambda <= 0.0 {
                continue;
            }
            let is_inside = |other: usize| self.clusters[rows[other]] == self.clusters[row];
            inside.clear();
            inside.extend((0..rows.len()).filter(|&other| other != anchor && is_inside(other)));
            let outside = rows.len() - 1 - inside.len();
            if inside.is_empty() || outside == 0 {
                continue;
            }
            let positive = Side::Prompt(inside[stream.random_range(0..inside.len())]);
            let mut negatives = Vec::with_capacity(self.config.out_of_cluster);
            while negatives.len() < self.config.out_of_cluster {
                let other = stream.random_range(0..rows.len());
                if !is_inside(other) {
                    negatives.push(Side::Prompt(other));
                }
            }
            terms.push(Term { anchor, positive, negatives, weight: self.config.lambda as f32 * weight });
        }
        terms
    }

    /// The network with its quality calibrated on `rows`.
    pub(super) fn extract(&self, parameters: &[Parameter], rows: &[usize]) -> Result<(DualContrastiveNetwork, f64)> {
        let network = DualContrastiveNetwork::of(parameters, &self.standard, self.config.temperature)?;
        let scored = self.scored(&network, rows);
        let calibration = calibrate(&scored, self.base);
        let loss = loss(&scored, &calibration);
        Ok((network.calibrated(&calibration)?, loss))
    }

    fn scored(&self, network: &DualContrastiveNetwork, rows: &[usize]) -> Vec<Scored> {
        let mut scored = Vec::new();
        each_answer(
            network,
            rows,
            |row, input| input.copy_from_slice(self.set.embeddings().row(row)),
            |row, scores| {
                let seen = self.set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0);
                scored.extend(seen.map(|outcome| Scored {
                    model: outcome.model,
                    score: scores[outcome.model],
                    quality: outcome.quality,
                    weight: outcome.weight,
                }));
            },
        );
        scored
    }
}

/// The mean cross-entropy; 0 of nothing.
fn loss(scored: &[Scored], calibration: &Calibration) -> f64 {
    let (mut total, mut weight) = (0.0f64, 0.0f64);
    for row in scored {
        let logit = calibration.slope * row.score + calibration.offsets[row.model];
        total += f64::from(row.weight) * f64::from(cross_entropy(logit, row.quality));
        weight += f64::from(row.weight);
    }
    if weight > 0.0 { total / weight } else { 0.0 }
}

impl Objective for Contrasts<'_> {
    fn batch_loss(&self, parameters: &[Var], rows: &[usize], stream: &mut SeedStream) -> TensorResult<Tensor> {
        let [weights, bias, vectors] = parameters else {
            return Err(candle_core::Error::Msg("a dual contrastive network has three tensors".into()));
        };
        let input = self.standard.input(self.set, rows)?;
        let projected = dropout(&linear(&input, weights, bias, false)?, self.config.dropout, stream)?;
        let terms = self.terms(rows, stream);
        contrastive_loss(
            &projected,
            vectors.as_tensor(),
            terms,
            self.config.temperature as f32,
            self.scale / rows.len() as f32,
        )
    }

    fn held_out_loss(&self, parameters: &[Parameter]) -> Result<Option<f64>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.extract(parameters, self.held_out)?.1))
    }
}
