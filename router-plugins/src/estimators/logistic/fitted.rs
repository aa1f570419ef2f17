//! The logistic estimator, ready.

use router_core::prelude::*;

use crate::nn::Layer;
use crate::nn::exponential::sigmoids;

/// Logistic regressions that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticEstimator {
    /// m outputs, the logits.
    layer: Layer,
    penalty: f64,
}

impl LogisticEstimator {
    pub(super) fn new(layer: Layer, penalty: f64) -> Result<Self> {
        layer.weights().view().check_finite("weights of a logistic regression")?;
        if !layer.bias().iter().all(|bias| bias.is_finite()) || !penalty.is_finite() {
            return Err(Error::new(ErrorKind::NonFinite, "intercepts of a logistic regression"));
        }
        Ok(Self { layer, penalty })
    }

    /// The penalty that was given or chosen.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    /// The weights on embeddings as they come, m x d.
    pub fn weights(&self) -> MatrixView<'_> {
        self.layer.weights().view()
    }

    /// The intercept of every model.
    pub fn intercepts(&self) -> &[f32] {
        self.layer.bias()
    }
}

impl FittedEstimator for LogisticEstimator {
    fn models(&self) -> usize {
        self.layer.outputs()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        if batch.embeddings.cols() != self.layer.inputs() {
            return Err(Error::shape("dimension of embeddings", self.layer.inputs(), batch.embeddings.cols()));
        }
        batch.embeddings.check_finite("embeddings")?;
        out.reset(batch.embeddings.rows(), self.models());
        self.layer.forward(batch.embeddings, out.quality_mut());
        sigmoids(out.quality_mut().as_mut_slice());
        Ok(())
    }
}

impl Persist for LogisticEstimator {
    const FORMAT: &'static str = "logistic-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        self.layer.save(writer, "models")?;
        writer.put_json("inputs", &self.layer.inputs())?;
        writer.put_json("penalty", &self.penalty)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let layer = Layer::load(reader, "models", reader.get_json("inputs")?, None)?;
        Self::new(layer, reader.get_json("penalty")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}
