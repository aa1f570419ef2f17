//! The item response model in training and afterwards.

use candle_core::{Tensor, Var};
use router_core::SeedStream;
use router_core::prelude::*;

use crate::estimators::network::{Answer, Architecture, BaseRates, Scratch, Standardization, mean_row};
use crate::nn::autodiff::TensorResult;
use crate::nn::linear::linear;
use crate::nn::random::initial_weights;
use crate::nn::{Layer, Parameter};

/// softplus(UNIT) = 1: at first every prompt discriminates alike.
const UNIT: f32 = 0.541_324_85;

/// ln(1 + exp(x)), without overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Discrimination and difficulty of the prompt, abilities of the models.
#[derive(Debug, Clone, Copy)]
pub(super) struct Responses;

impl Responses {
    /// Weights and bias of the discrimination, of the difficulty, and the abilities.
    pub(super) fn initial(
        dimension: usize,
        abilities: usize,
        base: &BaseRates,
        stream: &mut SeedStream,
    ) -> Vec<Parameter> {
        let models = base.logits.len();
        let share = (abilities as f32).recip();
        let theta = base.logits.iter().flat_map(|&logit| std::iter::repeat_n(share * logit, abilities)).collect();
        vec![
            Parameter::weights(abilities, dimension, initial_weights(abilities * dimension, dimension, stream)),
            Parameter::bias(vec![UNIT; abilities]),
            Parameter::weights(1, dimension, vec![0.0; dimension]),
            Parameter::bias(vec![0.0]),
            // Abilities hold the base rates, which decay would pull away from.
            Parameter { shape: vec![models, abilities], values: theta, decayed: false },
        ]
    }
}

impl Architecture for Responses {
    type Fitted = ResponseNetwork;

    fn logits(&self, parameters: &[Var], input: &Tensor, _stream: &mut SeedStream) -> TensorResult<Tensor> {
        let [weights, bias, difficulty, difficulty_bias, abilities] = parameters else {
            return Err(candle_core::Error::Msg("an item response model has five tensors".into()));
        };
        let raw = linear(input, weights, bias, false)?;
        let discrimination = (raw.relu()? + (raw.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
        let none = Tensor::zeros(abilities.dim(0)?, candle_core::DType::F32, input.device())?;
        let level = linear(input, difficulty, difficulty_bias, false)?;
        // The loss reads its logits in place.
        linear(&discrimination, abilities, &none, true)?.broadcast_sub(&level)?.contiguous()
    }

    fn extract(&self, parameters: &[Parameter], standard: &Standardization) -> Result<ResponseNetwork> {
        let [weights, bias, difficulty, difficulty_bias, abilities] = parameters else {
            return Err(Error::shape("tensors of an item response model", 5, parameters.len()));
        };
        let layer = |weights: &Parameter, bias: &Parameter| -> Result<Layer> {
            let layer = Layer::new(weights.to_matrix()?, bias.values.clone())?;
            Ok(layer.absorb_standardization(&standard.mean, standard.scale))
        };
        let abilities = abilities.to_matrix()?;
        let models = abilities.rows();
        Ok(ResponseNetwork {
            discrimination: layer(weights, bias)?,
            difficulty: layer(difficulty, difficulty_bias)?,
            abilities: Layer::new(abilities, vec![0.0; models])?,
        })
    }
}

/// An item response model that is trained, on embeddings as they come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ResponseNetwork {
    /// An output a dimension of ability, before softplus.
    discrimination: Layer,
    /// One output.
    difficulty: Layer,
    /// m outputs without bias.
    abilities: Layer,
}

impl ResponseNetwork {
    pub(super) fn abilities(&self) -> &Matrix {
        self.abilities.weights()
    }

    pub(super) fn discrimination(&self, embeddings: MatrixView<'_>, out: &mut Matrix) {
        self.discrimination.forward(embeddings, out);
        out.as_mut_slice().iter_mut().for_each(|value| *value = softplus(*value));
    }

    pub(super) fn difficulty(&self, embeddings: MatrixView<'_>) -> Vec<f32> {
        let mut out = Matrix::default();
        self.difficulty.forward(embeddings, &mut out);
        out.into_vec()
    }

    /// The same with the mean ability of the models that were `seen` for the others.
    pub(super) fn with_unseen(mut self, seen: &[bool]) -> Result<Self> {
        let Some((mean, _)) = mean_row(self.abilities.weights(), self.abilities.bias(), seen) else { return Ok(self) };
        let mut abilities = self.abilities.weights().clone();
        for (model, _) in seen.iter().enumerate().filter(|&(_, &seen)| !seen) {
            abilities.row_mut(model).copy_from_slice(&mean);
        }
        self.abilities = Layer::new(abilities, self.abilities.bias().to_vec())?;
        Ok(self)
    }
}

impl Answer for ResponseNetwork {
    fn inputs(&self) -> usize {
        self.discrimination.inputs()
    }

    fn models(&self) -> usize {
        self.abilities.outputs()
    }

    fn answer(&self, embeddings: MatrixView<'_>, scratch: &mut Scratch, logits: &mut Matrix) {
        self.discrimination(embeddings, &mut scratch.hidden);
        self.abilities.forward(scratch.hidden.view(), logits);
        self.difficulty.forward(embeddings, &mut scratch.other);
        for (row, &difficulty) in scratch.other.as_slice().iter().enumerate() {
            logits.row_mut(row).iter_mut().for_each(|logit| *logit -= difficulty);
        }
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.discrimination.save(writer, &format!("{name}/discrimination"))?;
        self.difficulty.save(writer, &format!("{name}/difficulty"))?;
        self.abilities.save(writer, &format!("{name}/abilities"))
    }

    fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self> {
        let discrimination = Layer::load(reader, &format!("{name}/discrimination"), inputs, None)?;
        let difficulty = Layer::load(reader, &format!("{name}/difficulty"), inputs, Some(1))?;
        let abilities = Layer::load(reader, &format!("{name}/abilities"), discrimination.outputs(), None)?;
        Ok(Self { discrimination, difficulty, abilities })
    }
}
