//! The fitted neighbors estimator.
#![allow(
    clippy::indexing_slicing,
    reason = "models of outcomes are below the pool's size, checked when fitted and loaded"
)]

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimators::stored_outcomes::{Seen, StoredOutcomes};
use crate::neighbors::{NeighborIndex, Search, normalize, normalized};
use crate::nn::exponential::exp_of_negative;

/// What cross-validation chose, or the configuration said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parameters {
    pub(super) k: usize,
    /// Infinity weighs all alike.
    pub(super) temperature: f64,
    pub(super) shrinkage: f64,
}

/// Training prompts, their outcomes, and how the nearest of them vote.
#[derive(Debug)]
pub struct NeighborsEstimator {
    index: NeighborIndex,
    outcomes: StoredOutcomes,
    means: Vec<f32>,
    parameters: Parameters,
    /// What is taken off embeddings, if anything is.
    center: Option<Vec<f32>>,
    search: Search,
    exact_limit: usize,
}

/// `embeddings`, less `center` if there is one, at unit length.
pub(super) fn placed(embeddings: MatrixView<'_>, center: Option<&[f32]>) -> Matrix {
    let Some(center) = center else { return normalized(embeddings) };
    let mut off = embeddings.to_matrix();
    for row in 0..off.rows() {
        off.row_mut(row).iter_mut().zip(center).for_each(|(value, center)| *value -= center);
        normalize(off.row_mut(row));
    }
    off
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    models: usize,
    k: usize,
    /// Absent if all are weighed alike.
    temperature: Option<f64>,
    shrinkage: f64,
    search: Search,
    exact_limit: usize,
    /// Whether `center` is taken off embeddings; older artifacts do not say, and mean no.
    #[serde(default)]
    centered: bool,
}

/// How much a neighbor of `similarity` counts where the nearest has `nearest`. A finite difference over infinity is 0: all alike.
#[inline(always)]
#[allow(clippy::inline_always, reason = "what is called instead of inlined is not taken several at once")]
pub(super) fn vote(similarity: f32, nearest: f32, temperature: f64) -> f64 {
    exp_of_negative(f64::from((similarity - nearest).min(0.0)) / temperature)
}

/// The running vote on every model.
pub(super) struct Votes {
    sums: Vec<f64>,
    weights: Vec<f64>,
}

impl Votes {
    pub(super) fn new(models: usize) -> Self {
        Self { sums: vec![0.0; models], weights: vec![0.0; models] }
    }

    pub(super) fn begin(&mut self) {
        self.sums.fill(0.0);
        self.weights.fill(0.0);
    }

    /// Adds the outcomes of a neighbor of `similarity`, where the nearest has similarity `nearest`.
    pub(super) fn add(&mut self, outcomes: &[Seen], similarity: f32, nearest: f32, temperature: f64) {
        let vote = vote(similarity, nearest, temperature);
        for outcome in outcomes {
            let weight = vote * f64::from(outcome.weight);
            self.sums[outcome.model as usize] += weight * f64::from(outcome.quality);
            self.weights[outcome.model as usize] += weight;
        }
    }

    /// The vote on `model`, pulled to its `mean` as if by `shrinkage` more outcomes.
    pub(super) fn estimate(&self, model: usize, mean: f32, shrinkage: f64) -> f64 {
        let weight = self.weights[model] + shrinkage;
        if weight > 0.0 { (self.sums[model] + shrinkage * f64::from(mean)) / weight } else { f64::from(mean) }
    }
}

impl NeighborsEstimator {
    pub(super) fn new(
        index: NeighborIndex,
        outcomes: StoredOutcomes,
        parameters: Parameters,
        center: Option<Vec<f32>>,
        search: Search,
        exact_limit: usize,
    ) -> Result<Self> {
        if let Some(center) = &center
            && (center.len() != index.points().cols() || !center.iter().all(|value| value.is_finite()))
        {
            return Err(Error::shape("center of embeddings", index.points().cols(), center.len()));
        }
        Ok(Self { index, means: outcomes.means(), outcomes, parameters, center, search, exact_limit })
    }

    /// Whether the mean embedding of training is taken off before prompts are compared.
    pub fn is_centered(&self) -> bool {
        self.center.is_some()
    }

    /// How many training prompts vote.
    pub fn k(&self) -> usize {
        self.parameters.k
    }

    /// How fast a vote's weight falls with similarity; infinite if all are weighed alike.
    pub fn temperature(&self) -> f64 {
        self.parameters.temperature
    }

    /// How many outcomes the model's mean counts for.
    pub fn shrinkage(&self) -> f64 {
        self.parameters.shrinkage
    }
}

impl FittedEstimator for NeighborsEstimator {
    fn models(&self) -> usize {
        self.means.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let (n, m) = (batch.embeddings.rows(), self.models());
        // Checked before anything is computed, and named as the caller knows it.
        if batch.embeddings.cols() != self.index.points().cols() {
            return Err(Error::shape("dimension of embeddings", self.index.points().cols(), batch.embeddings.cols()));
        }
        batch.embeddings.check_finite("embeddings")?;
        out.reset(n, m);
        let neighbors =
            self.index.search_here(placed(batch.embeddings, self.center.as_deref()).view(), self.parameters.k)?;
        let mut votes = Votes::new(m);
        for row in 0..n {
            let (indices, similarities) = neighbors.row(row);
            votes.begin();
            for (&index, &similarity) in indices.iter().zip(similarities) {
                let outcomes = self.outcomes.row(index as usize);
                votes.add(outcomes, similarity, similarities[0], self.parameters.temperature);
            }
            let estimates = out.quality_mut().row_mut(row);
            for (model, (estimate, &mean)) in estimates.iter_mut().zip(&self.means).enumerate() {
                *estimate = votes.estimate(model, mean, self.parameters.shrinkage) as f32;
            }
        }
        Ok(())
    }
}

impl Persist for NeighborsEstimator {
    const FORMAT: &'static str = "neighbors-estimator";
    /// 2: a center may be taken off embeddings. 1 knew none.
    const VERSION: u32 = 2;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("points", &self.index.points().to_matrix())?;
        self.outcomes.save(writer)?;
        let Parameters { k, temperature, shrinkage } = self.parameters;
        let temperature = temperature.is_finite().then_some(temperature);
        let (search, exact_limit) = (self.search, self.exact_limit);
        if let Some(center) = &self.center {
            writer.put_f32("center", center)?;
        }
        let centered = self.is_centered();
        writer.put_json(
            "header",
            &Header { models: self.models(), k, temperature, shrinkage, search, exact_limit, centered },
        )
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let header: Header = reader.get_json("header")?;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if header.k == 0
            || !header.temperature.is_none_or(positive)
            || !header.shrinkage.is_finite()
            || header.shrinkage < 0.0
        {
            return Err(reader.corrupt("`header` is out of range"));
        }
        let points = reader.get_matrix("points")?;
        let outcomes = StoredOutcomes::load(reader, points.rows(), header.models)?;
        // The graph of an approximate search is rebuilt, the same as it was.
        let index = NeighborIndex::new(points, header.search, header.exact_limit, &FitContext::new(0))?;
        let parameters = Parameters {
            k: header.k,
            temperature: header.temperature.unwrap_or(f64::INFINITY),
            shrinkage: header.shrinkage,
        };
        let center = if header.centered { Some(reader.get_f32("center")?) } else { None };
        Self::new(index, outcomes, parameters, center, header.search, header.exact_limit)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}
