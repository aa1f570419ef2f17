//! The factorization in training and afterwards.

use candle_core::{Tensor, Var};
use router_core::SeedStream;
use router_core::prelude::*;

use crate::estimators::network::{Answer, Architecture, BaseRates, Scratch, Standardization};
use crate::nn::autodiff::{TensorResult, dropout};
use crate::nn::linear::linear;
use crate::nn::random::initial_weights;
use crate::nn::{Layer, Parameter};

/// A projection and a vector a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factorization {
    pub(super) dropout: f64,
    /// The logit of the mean quality, where scores have no level of their own.
    pub(super) level: Option<f32>,
}

impl Factorization {
    /// Weights and bias of the projection, then the models' vectors and biases.
    pub(super) fn initial(dimension: usize, rank: usize, base: &BaseRates, stream: &mut SeedStream) -> Vec<Parameter> {
        let models = base.logits.len();
        vec![
            Parameter::weights(rank, dimension, initial_weights(rank * dimension, dimension, stream)),
            Parameter::bias(vec![0.0; rank]),
            // Starting at zero, the vectors tell no model from another by chance.
            Parameter::weights(models, rank, vec![0.0; models * rank]),
            Parameter::bias(base.logits.clone()),
        ]
    }
}

impl Architecture for Factorization {
    type Fitted = FactorizationNetwork;

    fn logits(&self, parameters: &[Var], input: &Tensor, stream: &mut SeedStream) -> TensorResult<Tensor> {
        let [projection, bias, models, biases] = parameters else {
            return Err(candle_core::Error::Msg("a factorization has four tensors".into()));
        };
        let projected = dropout(&linear(input, projection, bias, false)?, self.dropout, stream)?;
        linear(&projected, models, biases, true)
    }

    fn extract(&self, parameters: &[Parameter], standard: &Standardization) -> Result<FactorizationNetwork> {
        let [projection, bias, models, biases] = parameters else {
            return Err(Error::shape("tensors of a factorization", 4, parameters.len()));
        };
        let projection = Layer::new(projection.to_matrix()?, bias.values.clone())?;
        let models = Layer::new(models.to_matrix()?, biases.values.clone())?;
        let projection = projection.absorb_standardization(&standard.mean, standard.scale);
        Ok(FactorizationNetwork { projection, models, level: self.level })
    }
}

/// A [`Factorization`] that is trained, on embeddings as they come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FactorizationNetwork {
    /// rank outputs.
    projection: Layer,
    /// m outputs.
    pub(super) models: Layer,
    /// The mean logit of every prompt, where scores have no level of their own.
    level: Option<f32>,
}

impl Answer for FactorizationNetwork {
    fn inputs(&self) -> usize {
        self.projection.inputs()
    }

    fn models(&self) -> usize {
        self.models.outputs()
    }

    fn answer(&self, embeddings: MatrixView<'_>, scratch: &mut Scratch, logits: &mut Matrix) {
        self.projection.forward(embeddings, &mut scratch.hidden);
        self.models.forward(scratch.hidden.view(), logits);
        if let Some(level) = self.level {
            let count = logits.cols().max(1) as f32;
            for row in 0..logits.rows() {
                let row = logits.row_mut(row);
                let mean = row.iter().sum::<f32>() / count;
                for logit in row.iter_mut() {
                    *logit += level - mean;
                }
            }
        }
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.projection.save(writer, &format!("{name}/projection"))?;
        self.models.save(writer, &format!("{name}/models"))?;
        writer.put_json(&format!("{name}/level"), &self.level)
    }

    fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self> {
        let projection = Layer::load(reader, &format!("{name}/projection"), inputs, None)?;
        let models = Layer::load(reader, &format!("{name}/models"), projection.outputs(), None)?;
        Ok(Self { projection, models, level: reader.get_json(&format!("{name}/level"))? })
    }
}
