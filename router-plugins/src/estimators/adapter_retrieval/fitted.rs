//! The adapter retrieval estimator, ready.
#![allow(clippy::indexing_slicing, reason = "tasks found have lists, checked at construction")]

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::config::AdapterRetrievalConfig;
use super::fit::shares;
use super::lists::Lists;
use crate::estimators::clusters::pulled;
use crate::estimators::prompt_clusters::{by_nearest, nearest};
use crate::neighbors::NeighborIndex;

/// Tasks by their representations, and the adapters that they list.
#[derive(Debug)]
pub struct AdapterRetrievalEstimator {
    /// Of the representations, T x d.
    index: NeighborIndex,
    lists: Lists,
    /// Of every adapter.
    means: Vec<f32>,
    limits: Limits,
    retrieved: usize,
    temperature: f64,
}

/// What later adapters are added by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    adapters: usize,
    shrinkage: f64,
}

impl From<&AdapterRetrievalConfig> for Limits {
    fn from(config: &AdapterRetrievalConfig) -> Self {
        Self { adapters: config.adapters, shrinkage: config.shrinkage }
    }
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    limits: Limits,
    retrieved: usize,
    temperature: f64,
}

impl AdapterRetrievalEstimator {
    pub(super) fn new(
        index: NeighborIndex,
        lists: Lists,
        means: Vec<f32>,
        limits: Limits,
        retrieved: usize,
        temperature: f64,
    ) -> Result<Self> {
        if index.points().rows() != lists.tasks() {
            return Err(Error::shape("lists of tasks", index.points().rows(), lists.tasks()));
        }
        index.points().check_finite("representations of tasks")?;
        if means.iter().any(|mean| !mean.is_finite()) {
            return Err(Error::new(ErrorKind::NonFinite, "mean qualities of adapters"));
        }
        if retrieved == 0 || limits.adapters == 0 {
            return Err(Error::shape("retrieved tasks and listed adapters", "at least 1", 0));
        }
        let is_positive = temperature.is_finite() && temperature > 0.0;
        if !(is_positive && limits.shrinkage.is_finite() && limits.shrinkage >= 0.0) {
            return Err(Error::new(ErrorKind::NonFinite, "temperature and shrinkage of adapter retrieval"));
        }
        Ok(Self { index, lists, means, limits, retrieved, temperature })
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.lists.tasks()
    }

    /// Tasks that are retrieved for a prompt, at most.
    pub fn retrieved(&self) -> usize {
        self.retrieved
    }

    /// What similarities are divided by before the softmax.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The adapters that `task` lists, best first, with their scores; nothing for a task that is not there.
    pub fn listed(&self, task: usize) -> impl Iterator<Item = (ModelIndex, f32)> {
        let (adapters, scores) = if task < self.tasks() { self.lists.row(task) } else { (&[][..], &[][..]) };
        adapters.iter().map(|&adapter| adapter as usize).zip(scores.iter().copied())
    }

    /// This estimator with one more adapter, the last, by its `quality` in [0, 1] on prompts of these embeddings (n x d), each of which counts for the
    /// nearest task. O(n T d + T L).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension, or if there is not one quality a prompt, or none at all; [`ErrorKind::NonFinite`];
    /// [`ErrorKind::Data`] for a quality outside of [0, 1].
    pub fn with_adapter(&self, embeddings: MatrixView<'_>, quality: &[f32]) -> Result<Self> {
        let (mean, sums) = by_nearest(&self.index, embeddings, quality)?;
        let newcomer = self.means.len() as u32;
        let mut lists = Lists::new();
        for (task, of_task) in sums.into_iter().enumerate() {
            let (adapters, scores) = self.lists.row(task);
            let mut listed: Vec<(u32, f32)> = adapters.iter().copied().zip(scores.iter().copied()).collect();
            if of_task.1 > 0.0 {
                listed.push((newcomer, pulled(of_task, mean, self.limits.shrinkage) as f32));
            }
            lists.push(listed, self.limits.adapters);
        }
        let means = self.means.iter().copied().chain([mean as f32]).collect();
        let index = NeighborIndex::exact(self.index.points().to_matrix());
        Self::new(index, lists, means, self.limits, self.retrieved, self.temperature)
    }
}

impl FittedEstimator for AdapterRetrievalEstimator {
    fn models(&self) -> usize {
        self.means.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let found = nearest(&self.index, batch.embeddings, self.retrieved)?;
        out.reset(batch.embeddings.rows(), self.models());
        let mut weights = Vec::with_capacity(found.k);
        for row in 0..batch.embeddings.rows() {
            let (tasks, similarities) = found.row(row);
            // A prompt without a direction is near no task.
            let is_zero = batch.embeddings.row(row).iter().all(|&value| value == 0.0);
            let tasks = if is_zero { &[] } else { tasks };
            shares(similarities, self.temperature, &mut weights);
            let retrieved = tasks.iter().map(|&task| task as usize).zip(weights.iter().copied());
            self.lists.blend(retrieved, &self.means, out.quality_mut().row_mut(row));
        }
        Ok(())
    }
}

impl Persist for AdapterRetrievalEstimator {
    const FORMAT: &'static str = "adapter-retrieval-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let (starts, adapters, scores) = self.lists.parts();
        writer.put_matrix("representations", &self.index.points().to_matrix())?;
        writer.put_u32("starts", starts)?;
        writer.put_u32("adapters", adapters)?;
        writer.put_f32("scores", scores)?;
        writer.put_f32("means", &self.means)?;
        let Self { limits, retrieved, temperature, .. } = *self;
        writer.put_json("header", &Header { limits, retrieved, temperature })
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let Header { limits, retrieved, temperature } = reader.get_json("header")?;
        let means = reader.get_f32("means")?;
        let parts = (reader.get_u32("starts")?, reader.get_u32("adapters")?, reader.get_f32("scores")?);
        let representations = reader.get_matrix("representations")?;
        Lists::from_parts(parts.0, parts.1, parts.2, means.len())
            .and_then(|lists| {
                let index = NeighborIndex::exact(representations);
                Self::new(index, lists, means, limits, retrieved, temperature)
            })
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}
