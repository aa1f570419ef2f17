//! Parameters in training, and the optimizer that moves them.
#![allow(clippy::indexing_slicing, reason = "moments have the parameters' lengths")]

use router_core::{Error, Matrix, Result};

/// One tensor of a network in training: plain numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its shape: outputs x inputs for weights, outputs for a bias.
    pub shape: Vec<usize>,
    /// Its numbers, as many as the shape says.
    pub values: Vec<f32>,
    /// Whether weight decay pulls it toward zero. Weights yes, biases no.
    pub decayed: bool,
}

impl Parameter {
    /// Weights `outputs x inputs`, which weight decay pulls toward zero.
    pub fn weights(outputs: usize, inputs: usize, values: Vec<f32>) -> Self {
        Self { shape: vec![outputs, inputs], values, decayed: true }
    }

    /// A bias, which weight decay leaves alone.
    pub fn bias(values: Vec<f32>) -> Self {
        Self { shape: vec![values.len()], values, decayed: false }
    }

    /// The weights as a matrix.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if this is not a matrix.
    pub fn to_matrix(&self) -> Result<Matrix> {
        match *self.shape.as_slice() {
            [rows, cols] => Matrix::from_vec(rows, cols, self.values.clone()),
            _ => Err(Error::shape("parameter", "a matrix", format!("{} dimensions", self.shape.len()))),
        }
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), with the usual constants: decay
/// rates 0.9 and 0.999 of the moments, 1e-8 in the denominator.
///
/// It works on plain numbers in one pass, where candle's own makes a dozen temporary tensors a step.
#[derive(Debug, Clone)]
pub struct AdamW {
    learning_rate: f64,
    weight_decay: f64,
    step: i32,
    moments: Vec<(Vec<f32>, Vec<f32>)>,
}

const FIRST: f64 = 0.9;
const SECOND: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl AdamW {
    /// For `parameters`. In a step, a decayed parameter shrinks by `learning_rate * weight_decay` of itself.
    pub fn new(parameters: &[Parameter], learning_rate: f64, weight_decay: f64) -> Self {
        let moments = parameters.iter().map(|p| (vec![0.0; p.values.len()], vec![0.0; p.values.len()])).collect();
        Self { learning_rate, weight_decay, step: 0, moments }
    }

    /// Moves every parameter by one step against its gradient; `None` where the loss does not depend on it.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if there is not one gradient of its length a parameter.
    pub fn step(&mut self, parameters: &mut [Parameter], gradients: &[Option<Vec<f32>>]) -> Result<()> {
        if gradients.len() != parameters.len() || self.moments.len() != parameters.len() {
            return Err(Error::shape("gradients", parameters.len(), gradients.len()));
        }
        self.step = self.step.saturating_add(1);
        let first_scale = (1.0 - FIRST.powi(self.step)).recip() as f32;
        let second_scale = (1.0 - SECOND.powi(self.step)).recip() as f32;
        let rate = self.learning_rate as f32;
        let (first, second, epsilon) = (FIRST as f32, SECOND as f32, EPSILON as f32);
        for ((parameter, gradient), (mean, square)) in parameters.iter_mut().zip(gradients).zip(&mut self.moments) {
            let Some(gradient) = gradient else { continue };
            if gradient.len() != parameter.values.len() {
                return Err(Error::shape("gradient", parameter.values.len(), gradient.len()));
            }
            let keep =
                if parameter.decayed { (1.0 - self.learning_rate * self.weight_decay).max(0.0) as f32 } else { 1.0 };
            let cells = parameter.values.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square.iter_mut()));
            for ((value, &gradient), (mean, square)) in cells {
                *mean = first * *mean + (1.0 - first) * gradient;
                *square = second * *square + (1.0 - second) * gradient * gradient;
                let step = *mean * first_scale / ((*square * second_scale).sqrt() + epsilon);
                *value = *value * keep - rate * step;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_steps_agree_with_numbers_worked_out_by_hand() {
        let mut parameters =
            vec![Parameter::weights(1, 1, vec![1.0]), Parameter::bias(vec![1.0]), Parameter::bias(vec![5.0])];
        let mut optimizer = AdamW::new(&parameters, 0.1, 0.5);
        let gradients = |g: f32| vec![Some(vec![g]), Some(vec![g]), None];
        // Step 1: both moments, bias-corrected, give g / |g| = 1; the weight shrinks by 0.1 * 0.5 besides.
        optimizer.step(&mut parameters, &gradients(2.0)).unwrap();
        assert!((parameters[0].values[0] - (0.95 - 0.1)).abs() < 1e-6);
        assert!((parameters[1].values[0] - 0.9).abs() < 1e-6);
        // Step 2 with gradient -1: mean (0.9 * 0.2 - 0.1) / 0.19, square (0.999 * 0.004 + 0.001) / 0.001999.
        optimizer.step(&mut parameters, &gradients(-1.0)).unwrap();
        let expected = 0.9 - 0.1 * (0.08 / 0.19) / (0.004_996f64 / 0.001_999).sqrt();
        assert!((f64::from(parameters[1].values[0]) - expected).abs() < 1e-6);
        assert_eq!(parameters[2].values[0], 5.0);
    }

    #[test]
    fn a_gradient_of_another_length_is_refused() {
        let mut parameters = vec![Parameter::bias(vec![0.0])];
        let mut optimizer = AdamW::new(&parameters, 0.1, 0.0);
        assert!(optimizer.step(&mut parameters, &[]).is_err());
        assert!(optimizer.step(&mut parameters, &[Some(vec![0.0, 1.0])]).is_err());
    }
}
