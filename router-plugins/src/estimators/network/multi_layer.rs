//! The multi-layer perceptron with an output a model.

use candle_core::{Tensor, Var};
use router_core::SeedStream;
use router_core::prelude::*;

use super::base_rates::BaseRates;
use super::standardization::Standardization;
use super::training::{Answer, Architecture, Scratch};
use crate::nn::autodiff::TensorResult;
use crate::nn::linear::{hidden_layer, linear};
use crate::nn::random::initial_weights;
use crate::nn::{Activation, FeedForward, Layer, Parameter};

/// Layers with an activation and dropout, then one logit a model.
#[derive(Debug, Clone, Copy)]
pub(in crate::estimators) struct MultiLayer {
    pub(in crate::estimators) activation: Activation,
    pub(in crate::estimators) dropout: f64,
}

impl MultiLayer {
    /// Weights and bias of every layer of `widths`, then of the outputs.
    pub(in crate::estimators) fn initial(
        dimension: usize,
        widths: &[usize],
        base: &BaseRates,
        stream: &mut SeedStream,
    ) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        let mut inputs = dimension;
        for &width in widths {
            parameters.push(Parameter::weights(width, inputs, initial_weights(width * inputs, inputs, stream)));
            parameters.push(Parameter::bias(vec![0.0; width]));
            inputs = width;
        }
        // Starting at zero, the outputs know the base rates and nothing else, and no model is told from another by chance.
        let models = base.logits.len();
        parameters.push(Parameter::weights(models, inputs, vec![0.0; models * inputs]));
        parameters.push(Parameter::bias(base.logits.clone()));
        parameters
    }
}

impl Architecture for MultiLayer {
    type Fitted = MultiLayerNetwork;

    fn logits(&self, parameters: &[Var], input: &Tensor, stream: &mut SeedStream) -> TensorResult<Tensor> {
        let mut hidden = input.clone();
        let mut layers = parameters.chunks_exact(2);
        let output = layers.next_back().ok_or_else(|| candle_core::Error::Msg("a network without outputs".into()))?;
        for (at, layer) in layers.enumerate() {
            if let [weights, bias] = layer {
                hidden = hidden_layer(&hidden, (weights, bias), at > 0, self.activation, self.dropout, stream)?;
            }
        }
        match output {
            [weights, bias] => linear(&hidden, weights, bias, true),
            _ => Err(candle_core::Error::Msg("outputs without weights or bias".into())),
        }
    }

    fn extract(&self, parameters: &[Parameter], standard: &Standardization) -> Result<MultiLayerNetwork> {
        let mut layers = Vec::new();
        for pair in parameters.chunks_exact(2) {
            if let [weights, bias] = pair {
                layers.push(Layer::new(weights.to_matrix()?, bias.values.clone())?);
            }
        }
        let output = layers.pop().ok_or_else(|| Error::shape("layers", "at least 1", 0))?;
        let mut layers = layers.into_iter();
        let first = layers.next().map(|first| first.absorb_standardization(&standard.mean, standard.scale));
        let trunk = FeedForward::new(first.into_iter().chain(layers).collect(), self.activation)?;
        Ok(MultiLayerNetwork { trunk, output })
    }
}

/// A [`MultiLayer`] that is trained, on embeddings as they come.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators) struct MultiLayerNetwork {
    pub(in crate::estimators) trunk: FeedForward,
    /// m outputs.
    pub(in crate::estimators) output: Layer,
}

impl Answer for MultiLayerNetwork {
    fn inputs(&self) -> usize {
        self.trunk.inputs()
    }

    fn models(&self) -> usize {
        self.output.outputs()
    }

    fn answer(&self, embeddings: MatrixView<'_>, scratch: &mut Scratch, logits: &mut Matrix) {
        self.output.forward(self.trunk.forward(embeddings, &mut scratch.forward).view(), logits);
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.trunk.save(writer, &format!("{name}/trunk"))?;
        self.output.save(writer, &format!("{name}/output"))
    }

    fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self> {
        let trunk = FeedForward::load(reader, &format!("{name}/trunk"), inputs)?;
        let output = Layer::load(reader, &format!("{name}/output"), trunk.outputs(), None)?;
        Ok(Self { trunk, output })
    }
}
