//! What is done to rows of activations between the products.

use super::generic;
use super::instruction_set::dispatch;
use super::{InstructionSet, padded};

dispatch! {
    /// x = layer norm of (x + delta).
    fn layer_norm(norm: generic::LayerNorm)
}
#[cfg(test)]
use super::generic::Activation;
#[cfg(test)]
dispatch! {
    /// The activation of many numbers.
    fn activate_all(activation: Activation, x: *mut f32, count: usize)
}

/// Layer normalization (Ba, Kiros and Hinton 2016) with its parameters, padded with zeros.
pub(crate) struct LayerNorm {
    set: InstructionSet,
    width: usize,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// Of rows of `gamma.len()` numbers.
    pub(crate) fn new(set: InstructionSet, mut gamma: Vec<f32>, mut beta: Vec<f32>, epsilon: f32) -> Self {
        assert!(gamma.len() == beta.len(), "extents of a layer norm");
        let width = gamma.len();
        gamma.resize(padded(width), 0.0);
        beta.resize(padded(width), 0.0);
        Self { set, width, gamma, beta, epsilon }
    }

    /// Normalizes every row of `x + delta` into `x`; rows are padded.
    pub(crate) fn apply(&self, rows: usize, x: &mut [f32], delta: Option<&[f32]>) {
        let stride = self.gamma.len();
        assert!(x.len() >= rows * stride && delta.is_none_or(|delta| delta.len() >= rows * stride), "extents of rows");
        let norm = generic::LayerNorm {
            x: x.as_mut_ptr(),
            delta: delta.map_or(std::ptr::null(), <[f32]>::as_ptr),
            rows,
            width: self.width,
            stride,
            gamma: self.gamma.as_ptr(),
            beta: self.beta.as_ptr(),
            epsilon: self.epsilon,
        };
        // SAFETY: the extents were checked.
        unsafe { layer_norm(self.set, norm) }
    }
}

/// Applies `activation` to `x`, whose length is a multiple of [`super::PADDING`].
#[cfg(test)]
pub(crate) fn activate(set: InstructionSet, activation: Activation, x: &mut [f32]) {
    assert!(x.len() == padded(x.len()), "extents of numbers");
    // SAFETY: the extent was checked.
    unsafe { activate_all(set, activation, x.as_mut_ptr(), x.len()) }
}
