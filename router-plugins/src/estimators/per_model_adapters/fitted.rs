//! The adapters, ready.

use std::sync::Arc;

use router_core::Model;
use router_core::prelude::*;

use crate::estimators::linear::{Parameters, fit_all};
use crate::estimators::logistic::CrossEntropy;
use crate::nn::exponential::sigmoids;
use crate::nn::{FeedForward, ForwardScratch, Layer};

/// A trunk and an adapter for every model.
#[derive(Debug, Clone, PartialEq)]
pub struct PerModelAdaptersEstimator {
    trunk: FeedForward,
    /// m outputs, the logits.
    adapters: Layer,
    penalty: f64,
}

/// An adapter that was fitted apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    weights: Vec<f32>,
    bias: f32,
}

impl PerModelAdaptersEstimator {
    pub(super) fn new(trunk: FeedForward, adapters: Layer, penalty: f64) -> Result<Self> {
        if adapters.inputs() != trunk.outputs() {
            return Err(Error::shape("inputs of adapters", trunk.outputs(), adapters.inputs()));
        }
        adapters.weights().view().check_finite("adapters")?;
        let has_finite_bias = adapters.bias().iter().all(|bias| bias.is_finite());
        if !(has_finite_bias && penalty.is_finite() && penalty > 0.0) {
            return Err(Error::new(ErrorKind::NonFinite, "intercepts or penalty of adapters"));
        }
        Ok(Self { trunk, adapters, penalty })
    }

    /// Fits an adapter for a model that was not there, from its `quality` in [0, 1] on prompts of these embeddings (n x d). O(n h (d + h)).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension, or if there is not one quality a prompt, or none at all; [`ErrorKind::NonFinite`];
    /// [`ErrorKind::Data`] for a quality outside of [0, 1].
    pub fn adapt(&self, embeddings: MatrixView<'_>, quality: &[f32], cx: &FitContext) -> Result<Adapter> {
        self.check(embeddings)?;
        if quality.is_empty() || quality.len() != embeddings.rows() {
            return Err(Error::shape("qualities", format!("{}, at least 1", embeddings.rows()), quality.len()));
        }
        let mut scratch = ForwardScratch::default();
        let read = Arc::new(self.trunk.forward(embeddings, &mut scratch).clone());
        let prompts = (0..quality.len()).map(|row| Prompt::new(row.to_string(), "")).collect();
        let rows = quality.iter().map(|&quality| vec![Outcome::new(0, quality)]).collect();
        let pool = ModelPool::new(vec![Model::new("the new model")])?;
        let dataset = Dataset::new("adapter", prompts, pool, Outcomes::from_rows(1, rows)?)?;
        let set = TrainingSet::new(Arc::new(dataset), read)?;
        let parameters = Parameters { penalty: Some(self.penalty), folds: 2, name: "adapter" };
        let fitted = fit_all::<CrossEntropy>(parameters, &set, &[0.0], cx)?;
        let bias = fitted.layer.bias().iter().sum();
        Ok(Adapter { weights: fitted.layer.weights().as_slice().to_vec(), bias })
    }

    /// This estimator with one more model, the last.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for an adapter of another trunk's width.
    pub fn with_adapter(&self, adapter: &Adapter) -> Result<Self> {
        let width = self.trunk.outputs();
        if adapter.weights.len() != width {
            return Err(Error::shape("adapter", width, adapter.weights.len()));
        }
        let mut weights = self.adapters.weights().as_slice().to_vec();
        weights.extend_from_slice(&adapter.weights);
        let mut bias = self.adapters.bias().to_vec();
        bias.push(adapter.bias);
        let adapters = Layer::new(Matrix::from_vec(bias.len(), width, weights)?, bias)?;
        Self::new(self.trunk.clone(), adapters, self.penalty)
    }

    fn check(&self, embeddings: MatrixView<'_>) -> Result<()> {
        if embeddings.cols() != self.trunk.inputs() {
            return Err(Error::shape("dimension of embeddings", self.trunk.inputs(), embeddings.cols()));
        }
        embeddings.check_finite("embeddings")
    }
}

impl FittedEstimator for PerModelAdaptersEstimator {
    fn models(&self) -> usize {
        self.adapters.outputs()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        self.check(batch.embeddings)?;
        out.reset(batch.embeddings.rows(), self.models());
        let mut scratch = ForwardScratch::default();
        let read = self.trunk.forward(batch.embeddings, &mut scratch);
        self.adapters.forward(read.view(), out.quality_mut());
        sigmoids(out.quality_mut().as_mut_slice());
        Ok(())
    }
}

impl Persist for PerModelAdaptersEstimator {
    const FORMAT: &'static str = "per-model-adapters-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("inputs", &self.trunk.inputs())?;
        writer.put_json("penalty", &self.penalty)?;
        self.trunk.save(writer, "trunk")?;
        self.adapters.save(writer, "adapters")
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let trunk = FeedForward::load(reader, "trunk", reader.get_json("inputs")?)?;
        let adapters = Layer::load(reader, "adapters", trunk.outputs(), None)?;
        Self::new(trunk, adapters, reader.get_json("penalty")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}
