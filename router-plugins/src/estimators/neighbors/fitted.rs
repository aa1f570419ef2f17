//! The fitted neighbors estimator.
#![allow(
    clippy::indexing_slicing,
    reason = "models of outcomes are below the pool's size, checked when fitted and loaded"
)]

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::neighbors::{NeighborIndex, Search, normalized};

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
    outcomes: Outcomes,
    means: Vec<f32>,
    parameters: Parameters,
    search: Search,
    exact_limit: usize,
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
}

/// The mean quality of every model; of the mean model for one without outcomes.
pub(super) fn means(outcomes: &Outcomes) -> Vec<f32> {
    let known = outcomes.mean_quality();
    let seen: Vec<f64> = known.iter().flatten().map(|&(mean, _)| mean).collect();
    // Without any weight behind any model there is nothing to tell them apart.
    let fallback = if seen.is_empty() { 0.5 } else { seen.iter().sum::<f64>() / seen.len() as f64 };
    known.into_iter().map(|mean| mean.map_or(fallback, |(mean, _)| mean) as f32).collect()
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
    pub(super) fn add(&mut self, outcomes: &[Outcome], similarity: f32, nearest: f32, temperature: f64) {
        // A finite difference over infinity is 0: weight 1.
        let vote = (f64::from(similarity - nearest) / temperature).exp();
        for outcome in outcomes {
            let weight = vote * f64::from(outcome.weight);
            self.sums[outcome.model] += weight * f64::from(outcome.quality);
            self.weights[outcome.model] += weight;
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
        outcomes: &Outcomes,
        parameters: Parameters,
        search: Search,
        exact_limit: usize,
    ) -> Self {
        Self { index, means: means(outcomes), outcomes: outcomes.clone(), parameters, search, exact_limit }
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
        let neighbors = self.index.search_here(normalized(batch.embeddings).view(), self.parameters.k)?;
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
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("points", &self.index.points().to_matrix())?;
        let rows = 0..self.outcomes.prompts();
        let counts: Vec<u32> = rows.map(|row| self.outcomes.row(row).len() as u32).collect();
        let all = || self.outcomes.iter().map(|(_, outcome)| outcome);
        writer.put_u32("outcomes/counts", &counts)?;
        writer.put_u32("outcomes/models", &all().map(|outcome| outcome.model as u32).collect::<Vec<_>>())?;
        writer.put_f32("outcomes/quality", &all().map(|outcome| outcome.quality).collect::<Vec<_>>())?;
        writer.put_f32("outcomes/weight", &all().map(|outcome| outcome.weight).collect::<Vec<_>>())?;
        let Parameters { k, temperature, shrinkage } = self.parameters;
        let temperature = temperature.is_finite().then_some(temperature);
        let (search, exact_limit) = (self.search, self.exact_limit);
        writer.put_json("header", &Header { models: self.models(), k, temperature, shrinkage, search, exact_limit })
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
        let counts = reader.get_u32("outcomes/counts")?;
        if counts.len() != points.rows() {
            return Err(reader.corrupt("`outcomes/counts` has not one number a point"));
        }
        let models = reader.get_u32("outcomes/models")?;
        let quality = reader.get_f32_of("outcomes/quality", models.len())?;
        let weight = reader.get_f32_of("outcomes/weight", models.len())?;
        if counts.iter().map(|&count| u64::from(count)).sum::<u64>() != models.len() as u64 {
            return Err(reader.corrupt("`outcomes/counts` does not sum to the number of outcomes"));
        }
        let mut entries = models
            .iter()
            .zip(quality.iter().zip(&weight))
            .map(|(&model, (&quality, &weight))| Outcome { weight, ..Outcome::new(model as usize, quality) });
        let rows = counts.iter().map(|&count| entries.by_ref().take(count as usize).collect()).collect();
        let outcomes = Outcomes::from_rows(header.models, rows)
            .map_err(|source| reader.corrupt("its outcomes are no outcomes").caused_by(source))?;
        // The graph of an approximate search is rebuilt, the same as it was.
        let index = NeighborIndex::new(points, header.search, header.exact_limit, &FitContext::new(0))?;
        let parameters = Parameters {
            k: header.k,
            temperature: header.temperature.unwrap_or(f64::INFINITY),
            shrinkage: header.shrinkage,
        };
        Ok(Self::new(index, &outcomes, parameters, header.search, header.exact_limit))
    }
}
