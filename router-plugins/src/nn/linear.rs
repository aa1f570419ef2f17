//! The linear layer in training, alone or with the rectifier and the dropout that follow it, as one operation on candle.
//!
//! candle's own product splits its work by the machine's threads and differentiates toward its input even where nobody asks; and each of its operations makes a tensor
//! of its own, forward and backward, which for layers of this size costs more than the products.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Shape, Storage, Tensor};
use faer::Accum;
use router_core::SeedStream;

use crate::nn::autodiff::{TensorResult, activate, contiguous, dropout};
use crate::nn::feed_forward::Activation;
use crate::nn::kernels::{View, product};
use crate::nn::random::kept;

/// `input * weights' + bias`: `input` n x i, `weights` o x i, `bias` o; the result is n x o. Sequential. With
/// `input_gradient` false nothing is differentiated toward `input`, which saves a third of the work in a first layer.
///
/// # Errors
/// If the shapes disagree.
pub fn linear(input: &Tensor, weights: &Tensor, bias: &Tensor, input_gradient: bool) -> TensorResult<Tensor> {
    input.apply_op3(weights, bias, Linear { input_gradient, rectified: None })
}

/// [`linear`], then `activation`, then [`dropout`] with `rate` and a mask from `stream`. The rectifier's slope at zero is zero.
///
/// # Errors
/// If the shapes disagree.
pub fn hidden_layer(
    input: &Tensor,
    (weights, bias): (&Tensor, &Tensor),
    input_gradient: bool,
    activation: Activation,
    rate: f64,
    stream: &mut SeedStream,
) -> TensorResult<Tensor> {
    match activation {
        Activation::Relu => {
            let numbers = input.dim(0)? * weights.dim(0)?;
            let mask = if rate > 0.0 { kept(numbers, rate as f32, stream) } else { Vec::new() };
            let factor = if rate > 0.0 { (1.0 - rate).recip() as f32 } else { 1.0 };
            input.apply_op3(weights, bias, Linear { input_gradient, rectified: Some(Rectified { factor, mask }) })
        }
        Activation::Gelu => {
            dropout(&activate(&linear(input, weights, bias, input_gradient)?, activation)?, rate, stream)
        }
    }
}

struct Linear {
    input_gradient: bool,
    rectified: Option<Rectified>,
}

struct Rectified {
    /// What numbers that are kept are multiplied by.
    factor: f32,
    /// Whether a number is kept; empty where all are.
    mask: Vec<bool>,
}

/// `a * b`. An error for shapes that do not fit, which would make the product panic.
fn multiply(a: View<'_>, b: View<'_>) -> TensorResult<Vec<f32>> {
    let ((rows, inner), (inner_too, cols)) = (a.shape(), b.shape());
    if inner != inner_too {
        return Err(candle_core::Error::Msg(format!("{rows} x {inner} times {inner_too} x {cols}")));
    }
    let mut out = vec![0.0; rows * cols];
    product(a, b, Accum::Replace, &mut out);
    Ok(out)
}

/// What `read` makes of the numbers of `tensor`, which are not copied where they lie one after the other.
fn read<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> TensorResult<T>) -> TensorResult<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => read(contiguous(storage, layout)?),
        _ => Err(candle_core::Error::Msg("a tensor that is not in memory".into())),
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "sequential-linear"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> TensorResult<(CpuStorage, Shape)> {
        let ((n, inputs), (outputs, columns)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        let bias = contiguous(s3, l3)?;
        if bias.len() != outputs {
            return Err(candle_core::Error::Msg(format!("{} biases of {outputs} outputs", bias.len())));
        }
        let mut out = multiply(
            View { data: contiguous(s1, l1)?, rows: n, cols: inputs, transposed: false },
            View { data: contiguous(s2, l2)?, rows: outputs, cols: columns, transposed: true },
        )?;
        for row in out.chunks_exact_mut(outputs.max(1)) {
            row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
        match &self.rectified {
            Some(Rectified { factor, mask }) if !mask.is_empty() => {
                for (value, &kept) in out.iter_mut().zip(mask) {
                    *value = value.max(0.0) * if kept { *factor } else { 0.0 };
                }
            }
            Some(_) => out.iter_mut().for_each(|value| *value = value.max(0.0)),
            None => {}
        }
        Ok((CpuStorage::F32(out), Shape::from((n, outputs))))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        _bias: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> TensorResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, inputs), (outputs, _)) = (input.dims2()?, weights.dims2()?);
        let mut by_result = read(gradient, |gradient| Ok(gradient.to_vec()))?;
        if let Some(Rectified { factor, .. }) = &self.rectified {
            // What was negative or dropped is zero.
            read(result, |result| {
                for (gradient, &value) in by_result.iter_mut().zip(result) {
                    *gradient *= if value > 0.0 { *factor } else { 0.0 };
                }
                Ok(())
            })?;
        }
        let mut by_bias = vec![0.0f32; outputs];
        for row in by_result.chunks_exact(outputs.max(1)) {
            by_bias.iter_mut().zip(row).for_each(|(sum, gradient)| *sum += gradient);
        }
        let by_result = View { data: &by_result, rows: n, cols: outputs, transposed: false };
        let by_weights = read(input, |input| {
            let by_result = View { transposed: true, ..by_result };
            multiply(by_result, View { data: input, rows: n, cols: inputs, transposed: false })
        })?;
        let by_input = if self.input_gradient {
            let found = read(weights, |weights| {
                multiply(by_result, View { data: weights, rows: outputs, cols: inputs, transposed: false })
            })?;
            Some(Tensor::from_vec(found, (n, inputs), &Device::Cpu)?)
        } else {
            None
        };
        let by_weights = Tensor::from_vec(by_weights, (outputs, inputs), &Device::Cpu)?;
        Ok((by_input, Some(by_weights), Some(Tensor::from_vec(by_bias, outputs, &Device::Cpu)?)))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Var};
    use router_core::Seed;

    use super::*;
    use crate::nn::autodiff::flat;

    /// A layer's result and the gradients of a weighted sum of it, in one operation or one after the other.
    fn layer(whole: bool, rate: f64) -> Vec<Vec<f32>> {
        let number = |at: usize| ((at * 7 % 11) as f32 - 5.0) / 6.0;
        let var = |from: usize, shape: &[usize]| {
            let numbers: Vec<f32> = (0..shape.iter().product()).map(|at| number(from + at)).collect();
            Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()).unwrap()
        };
        let (input, weights, bias, factors) = (var(1, &[5, 4]), var(2, &[6, 4]), var(3, &[6]), var(4, &[5, 6]));
        let mut stream = Seed::root(3).stream("mask");
        let result = if whole {
            hidden_layer(&input, (&weights, &bias), true, Activation::Relu, rate, &mut stream).unwrap()
        } else {
            let sum = input.matmul(&weights.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
            dropout(&sum.relu().unwrap(), rate, &mut stream).unwrap()
        };
        let store = result.mul(&factors).unwrap().sum_all().unwrap().backward().unwrap();
        let gradients = [&input, &weights, &bias].map(|var| flat(store.get(var).unwrap()).unwrap());
        std::iter::once(flat(&result).unwrap()).chain(gradients).collect()
    }

    #[test]
    fn one_operation_is_what_candle_makes_of_several() {
        for rate in [0.0, 0.5] {
            for (whole, parts) in layer(true, rate).iter().zip(layer(false, rate)) {
                assert!(whole.iter().any(|&value| value != 0.0));
                assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-5), "{rate}: {whole:?} and {parts:?}");
            }
        }
    }

    #[test]
    fn a_wrong_shape_is_an_error_not_a_panic() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let stream = &mut Seed::root(1).stream("mask");
        for (weights, bias) in
            [(zeros(&[4, 5]), zeros(&[4])), (zeros(&[4, 3]), zeros(&[5])), (zeros(&[4]), zeros(&[4]))]
        {
            assert!(linear(&zeros(&[2, 3]), &weights, &bias, true).is_err());
            let hidden = hidden_layer(&zeros(&[2, 3]), (&weights, &bias), true, Activation::Relu, 0.5, stream);
            assert!(hidden.is_err());
        }
    }
}
