//! Fitted layers: plain numbers, run without candle.
#![allow(clippy::indexing_slicing, reason = "bias has one entry an output, checked at construction")]

use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{Error, Matrix, MatrixView, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::panels::Panels;

/// What stands between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Gaussian error linear unit in its tanh form (Hendrycks and Gimpel, arXiv 1606.08415).
    Gelu,
    /// Rectified linear unit: max(x, 0). The faster one.
    #[default]
    Relu,
}

impl Activation {
    /// Applies it to every number.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => values.iter_mut().for_each(|value| *value = value.max(0.0)),
            Self::Gelu => values.iter_mut().for_each(|value| *value = gelu(*value)),
        }
    }
}

fn gelu(x: f32) -> f32 {
    let inner = (2.0 / std::f32::consts::PI).sqrt() * x * (1.0 + 0.044_715 * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

/// An affine map: `weights` o x i and `bias` o.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    weights: Matrix,
    bias: Vec<f32>,
    /// The weights as they are multiplied.
    panels: Panels,
}

impl Layer {
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if there is not one bias an output, or no output or input.
    pub fn new(weights: Matrix, bias: Vec<f32>) -> Result<Self> {
        if bias.len() != weights.rows() {
            return Err(Error::shape("bias of a layer", weights.rows(), bias.len()));
        }
        if weights.rows() == 0 || weights.cols() == 0 {
            return Err(Error::shape(
                "layer",
                "an input and an output",
                format!("{} x {}", weights.rows(), weights.cols()),
            ));
        }
        let panels = Panels::new(&weights);
        Ok(Self { weights, bias, panels })
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.weights.cols()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.weights.rows()
    }

    /// The weights, outputs x inputs.
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// The bias, an entry an output.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The layer that gives for `x` what this one gives for `(x - mean) * scale`.
    ///
    /// # Panics
    /// If `mean` has not one entry an input.
    pub fn absorb_standardization(mut self, mean: &[f32], scale: f32) -> Self {
        assert_eq!(mean.len(), self.inputs(), "one mean an input");
        self.weights.as_mut_slice().iter_mut().for_each(|weight| *weight *= scale);
        for output in 0..self.outputs() {
            let shift: f64 = self
                .weights
                .row(output)
                .iter()
                .zip(mean)
                .map(|(&weight, &mean)| f64::from(weight) * f64::from(mean))
                .sum();
            self.bias[output] -= shift as f32;
        }
        self.panels = Panels::new(&self.weights);
        self
    }

    /// `out = input * weights' + bias`, n x outputs. O(n i o), no allocation once `out` has grown. A row gets the same bits alone as among others.
    ///
    /// # Panics
    /// If `input` has another number of columns than this layer has inputs.
    pub fn forward(&self, input: MatrixView<'_>, out: &mut Matrix) {
        out.reset(input.rows(), self.outputs());
        self.panels.affine(input, &self.bias, out.as_mut_slice());
    }

    /// Writes the layer under `name`.
    ///
    /// # Errors
    /// As the writer's.
    pub fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        writer.put_matrix(&format!("{name}/weights"), &self.weights)?;
        writer.put_f32(&format!("{name}/bias"), &self.bias)
    }

    /// Reads the layer under `name`, which must have `inputs` inputs and, if given, `outputs` outputs.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Artifact`] if a tensor is missing or of another shape.
    pub fn load(reader: &SlotReader<'_>, name: &str, inputs: usize, outputs: Option<usize>) -> Result<Self> {
        let weights = reader.get_matrix(&format!("{name}/weights"))?;
        if weights.cols() != inputs || outputs.is_some_and(|outputs| outputs != weights.rows()) {
            return Err(reader.corrupt(&format!("layer `{name}` is {} x {}", weights.rows(), weights.cols())));
        }
        let bias = reader.get_f32_of(&format!("{name}/bias"), weights.rows())?;
        Self::new(weights, bias).map_err(|source| reader.corrupt(&format!("layer `{name}` is empty")).caused_by(source))
    }
}

/// Layers, each followed by the activation.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedForward {
    layers: Vec<Layer>,
    activation: Activation,
}

/// Buffers of [`FeedForward::forward`], to be reused.
#[derive(Debug, Clone, Default)]
pub struct ForwardScratch {
    current: Matrix,
    next: Matrix,
}

impl FeedForward {
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] without a layer, or if a layer's outputs are not the next one's inputs.
    pub fn new(layers: Vec<Layer>, activation: Activation) -> Result<Self> {
        if layers.is_empty() {
            return Err(Error::shape("layers of a network", "at least 1", 0));
        }
        for pair in layers.windows(2) {
            if pair[0].outputs() != pair[1].inputs() {
                return Err(Error::shape("inputs of a layer", pair[0].outputs(), pair[1].inputs()));
            }
        }
        Ok(Self { layers, activation })
    }

    /// Number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, Layer::inputs)
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, Layer::outputs)
    }

    /// The activations of the last layer for n inputs, n x outputs, in `scratch`. No allocation once the scratch has grown.
    ///
    /// # Panics
    /// If `input` has another number of columns than the first layer has inputs.
    pub fn forward<'a>(&self, input: MatrixView<'_>, scratch: &'a mut ForwardScratch) -> &'a Matrix {
        for (at, layer) in self.layers.iter().enumerate() {
            let ForwardScratch { current, next } = &mut *scratch;
            layer.forward(if at == 0 { input } else { current.view() }, next);
            self.activation.apply(next.as_mut_slice());
            std::mem::swap(current, next);
        }
        &scratch.current
    }

    /// Writes the network under `name`.
    ///
    /// # Errors
    /// As the writer's.
    pub fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        writer.put_json(&format!("{name}/layers"), &self.layers.len())?;
        writer.put_json(&format!("{name}/activation"), &self.activation)?;
        for (at, layer) in self.layers.iter().enumerate() {
            layer.save(writer, &format!("{name}/{at}"))?;
        }
        Ok(())
    }

    /// Reads the network under `name`, which must have `inputs` inputs.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Artifact`] if anything is missing or does not fit together.
    pub fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self> {
        let count: usize = reader.get_json(&format!("{name}/layers"))?;
        let activation = reader.get_json(&format!("{name}/activation"))?;
        let mut layers: Vec<Layer> = Vec::new();
        for at in 0..count {
            let inputs = layers.last().map_or(inputs, Layer::outputs);
            layers.push(Layer::load(reader, &format!("{name}/{at}"), inputs, None)?);
        }
        Self::new(layers, activation)
            .map_err(|source| reader.corrupt(&format!("`{name}` is no network")).caused_by(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(rows: usize, cols: usize, weights: &[f32], bias: &[f32]) -> Layer {
        Layer::new(Matrix::from_vec(rows, cols, weights.to_vec()).unwrap(), bias.to_vec()).unwrap()
    }

    #[test]
    fn two_layers_agree_with_numbers_worked_out_by_hand() {
        let network = FeedForward::new(
            vec![layer(2, 1, &[1.0, -1.0], &[0.0, 1.0]), layer(1, 2, &[2.0, 3.0], &[-1.0])],
            Activation::Relu,
        )
        .unwrap();
        let mut scratch = ForwardScratch::default();
        // x = 2: (2, -1) -> (2, 0) -> 3; x = -2: (-2, 3) -> (0, 3) -> 8.
        let input = Matrix::from_vec(2, 1, vec![2.0, -2.0]).unwrap();
        assert_eq!(network.forward(input.view(), &mut scratch).as_slice(), [3.0, 8.0]);
        assert_eq!(network.forward(input.view().slice_rows(1, 2), &mut scratch).as_slice(), [8.0]);
    }

    #[test]
    fn gelu_has_its_published_values() {
        // PyTorch's documentation of gelu(approximate='tanh'): gelu(1) = 0.8412, gelu(-1) = -0.1588.
        assert!((gelu(1.0) - 0.841_192).abs() < 1e-5);
        assert!((gelu(-1.0) + 0.158_808).abs() < 1e-5);
        assert_eq!(gelu(0.0), 0.0);
    }

    #[test]
    fn standardization_moves_into_the_layer() {
        let plain = layer(1, 2, &[2.0, 3.0], &[1.0]);
        let absorbed = plain.clone().absorb_standardization(&[1.0, -1.0], 4.0);
        let (mut expected, mut found) = (Matrix::default(), Matrix::default());
        // (5 - 1) * 4 = 16 and (0 + 1) * 4 = 4.
        plain.forward(MatrixView::new(1, 2, &[16.0, 4.0]).unwrap(), &mut expected);
        absorbed.forward(MatrixView::new(1, 2, &[5.0, 0.0]).unwrap(), &mut found);
        assert_eq!(expected.as_slice(), found.as_slice());
    }

    #[test]
    fn layers_that_do_not_fit_are_refused() {
        let layers = vec![layer(2, 1, &[1.0, -1.0], &[0.0, 1.0]), layer(1, 1, &[2.0], &[-1.0])];
        assert!(FeedForward::new(layers, Activation::Gelu).is_err());
        assert!(FeedForward::new(vec![], Activation::Gelu).is_err());
        assert!(Layer::new(Matrix::zeros(1, 1), vec![]).is_err());
    }
}
