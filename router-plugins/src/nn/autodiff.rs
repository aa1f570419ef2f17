//! The differentiable operations of training, on candle.
//!
//! The loss is an operation of its own, since it needs its stable form both ways; layers are in [`linear`](super::linear).

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};
use router_core::{Error, ErrorKind, SeedStream};

use crate::nn::exponential::{Weighted, softmax, weighted_cross_entropy, weighted_cross_entropy_gradient};
use crate::nn::feed_forward::Activation;
use crate::nn::random::kept;

/// A result of candle's.
pub type TensorResult<T> = candle_core::Result<T>;

/// candle's error as the framework's: a bug, because shapes are checked before.
pub fn tensor_error(source: candle_core::Error) -> Error {
    Error::new(ErrorKind::Internal, "a tensor operation failed").caused_by(source)
}

/// [`Activation`] on a tensor.
///
/// # Errors
/// As candle's.
pub fn activate(input: &Tensor, activation: Activation) -> TensorResult<Tensor> {
    match activation {
        Activation::Relu => input.relu(),
        Activation::Gelu => input.gelu(),
    }
}

/// Sets each number to zero with probability `rate` and divides the others by 1 - `rate` (Srivastava et al., JMLR 2014), with
/// a mask from `stream`.
///
/// # Errors
/// As candle's.
pub fn dropout(input: &Tensor, rate: f64, stream: &mut SeedStream) -> TensorResult<Tensor> {
    if rate <= 0.0 {
        return Ok(input.clone());
    }
    let factor = (1.0 - rate).recip() as f32;
    let mask: Vec<f32> =
        kept(input.elem_count(), rate as f32, stream).into_iter().map(|kept| if kept { factor } else { 0.0 }).collect();
    input.mul(&Tensor::from_vec(mask, input.shape(), &Device::Cpu)?)
}

/// The weighted sum of the cross-entropies of `logits` with `targets` in [0, 1], times `scale`: a scalar. An absent outcome has
/// weight zero. `targets` and `weights` hold a number a logit, row by row.
///
/// # Errors
/// If the lengths disagree.
pub fn logistic_loss(logits: &Tensor, targets: Vec<f32>, weights: Vec<f32>, scale: f32) -> TensorResult<Tensor> {
    logits.apply_op1(LogisticLoss { targets, weights, scale })
}

/// The numbers of a tensor that lie one after the other.
pub(crate) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> TensorResult<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::Msg("the operation needs contiguous tensors".into()))?;
    storage
        .as_slice::<f32>()?
        .get(start..end)
        .ok_or_else(|| candle_core::Error::Msg("a layout beyond its storage".into()))
}

/// A copy of the numbers of a tensor, row by row.
pub(crate) fn flat(tensor: &Tensor) -> TensorResult<Vec<f32>> {
    tensor.flatten_all()?.to_vec1::<f32>()
}

/// The softmax of every row of a matrix: positive numbers that sum to 1.
///
/// # Errors
/// If it is no matrix.
pub fn softmax_rows(logits: &Tensor) -> TensorResult<Tensor> {
    logits.apply_op1(SoftmaxRows)
}

struct SoftmaxRows;

impl CustomOp1 for SoftmaxRows {
    fn name(&self) -> &'static str {
        "softmax-rows"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let (rows, columns) = layout.shape().dims2()?;
        let mut out = contiguous(storage, layout)?.to_vec();
        for row in out.chunks_exact_mut(columns.max(1)) {
            softmax(row, 1.0);
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, columns))))
    }

    fn bwd(&self, _logits: &Tensor, result: &Tensor, gradient: &Tensor) -> TensorResult<Option<Tensor>> {
        let (_, columns) = result.dims2()?;
        let (shares, mut by_logits) = (flat(result)?, flat(gradient)?);
        for (shares, row) in shares.chunks_exact(columns.max(1)).zip(by_logits.chunks_exact_mut(columns.max(1))) {
            let mean: f32 = shares.iter().zip(&*row).map(|(share, value)| share * value).sum();
            row.iter_mut().zip(shares).for_each(|(value, share)| *value = share * (*value - mean));
        }
        Ok(Some(Tensor::from_vec(by_logits, result.shape(), &Device::Cpu)?))
    }
}

struct LogisticLoss {
    targets: Vec<f32>,
    weights: Vec<f32>,
    scale: f32,
}

impl CustomOp1 for LogisticLoss {
    fn name(&self) -> &'static str {
        "logistic-loss"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let logits = contiguous(storage, layout)?;
        if logits.len() != self.targets.len() || logits.len() != self.weights.len() {
            return Err(candle_core::Error::Msg("there is not one target and weight a logit".into()));
        }
        let sum = weighted_cross_entropy(Weighted { logits, targets: &self.targets, weights: &self.weights });
        Ok((CpuStorage::F32(vec![(sum * f64::from(self.scale)) as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _result: &Tensor, gradient: &Tensor) -> TensorResult<Option<Tensor>> {
        let scale = gradient.to_scalar::<f32>()? * self.scale;
        let of = Weighted { logits: &flat(logits)?, targets: &self.targets, weights: &self.weights };
        Ok(Some(Tensor::from_vec(weighted_cross_entropy_gradient(of, scale), logits.shape(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use router_core::Seed;

    use super::*;
    use crate::nn::linear::linear;

    /// Loss of a two-layer network as a function of all its numbers, in one vector.
    fn loss(values: &[f32], activation: Activation) -> (f32, Vec<f32>) {
        let at = |from: usize, shape: &[usize]| {
            let len: usize = shape.iter().product();
            Var::from_tensor(&Tensor::from_vec(values[from..from + len].to_vec(), shape, &Device::Cpu).unwrap())
                .unwrap()
        };
        let vars = [at(0, &[3, 2]), at(6, &[3]), at(9, &[2, 3]), at(15, &[2])];
        let input = Tensor::from_vec(vec![0.5f32, -1.0, 2.0, 0.3, -0.7, 0.9], (3, 2), &Device::Cpu).unwrap();
        let hidden = activate(&linear(&input, &vars[0], &vars[1], false).unwrap(), activation).unwrap();
        let logits = linear(&hidden, &vars[2], &vars[3], true).unwrap();
        let targets = vec![1.0, 0.25, 0.0, 9.0, 0.5, 1.0];
        let weights = vec![1.0, 2.0, 0.5, 0.0, 1.0, 1.0];
        let loss = logistic_loss(&logits, targets, weights, 0.5).unwrap();
        let store = loss.backward().unwrap();
        let gradients = vars.iter().flat_map(|var| flat(store.get(var).unwrap()).unwrap()).collect();
        (loss.to_scalar::<f32>().unwrap(), gradients)
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let values: Vec<f32> = (0..17).map(|i| ((i * 7 % 11) as f32 - 5.0) / 6.0).collect();
        for activation in [Activation::Relu, Activation::Gelu] {
            let (_, gradients) = loss(&values, activation);
            for at in 0..values.len() {
                let moved = |by: f32| {
                    let mut values = values.clone();
                    values[at] += by;
                    f64::from(loss(&values, activation).0)
                };
                let numeric = (moved(5e-3) - moved(-5e-3)) / 1e-2;
                let exact = f64::from(gradients[at]);
                assert!((numeric - exact).abs() < 2e-3, "{activation:?} {at}: {numeric} and {exact}");
            }
        }
    }

    #[test]
    fn softmax_rows_sum_to_one_and_their_gradient_agrees_with_finite_differences() {
        let factors = Tensor::from_vec(vec![1.0f32, -2.0, 0.5, 0.3, 0.0, -1.5], (2, 3), &Device::Cpu).unwrap();
        let loss = |values: &[f32]| {
            let logits = Var::from_tensor(&Tensor::from_vec(values.to_vec(), (2, 3), &Device::Cpu).unwrap()).unwrap();
            let shares = softmax_rows(&logits).unwrap();
            let of_rows = flat(&shares.sum(1).unwrap()).unwrap();
            assert!(of_rows.iter().all(|sum| (sum - 1.0).abs() < 1e-6));
            let loss = shares.mul(&factors).unwrap().sum_all().unwrap();
            let gradient = flat(loss.backward().unwrap().get(&logits).unwrap()).unwrap();
            (f64::from(loss.to_scalar::<f32>().unwrap()), gradient)
        };
        let values = [0.2f32, -0.4, 1.0, 3.0, 0.0, -60.0];
        let (_, gradient) = loss(&values);
        for at in 0..6 {
            let moved = |by: f32| {
                let mut values = values;
                values[at] += by;
                loss(&values).0
            };
            let numeric = (moved(5e-3) - moved(-5e-3)) / 1e-2;
            assert!((numeric - f64::from(gradient[at])).abs() < 1e-3, "{at}: {numeric} and {}", gradient[at]);
        }
    }

    #[test]
    fn dropout_keeps_the_mean_and_repeats_with_its_stream() {
        let ones = Tensor::ones((100, 100), candle_core::DType::F32, &Device::Cpu).unwrap();
        let run = |seed| flat(&dropout(&ones, 0.25, &mut Seed::root(seed).stream("d")).unwrap()).unwrap();
        let kept = run(1);
        assert!(kept.iter().all(|&x| x == 0.0 || (x - 4.0 / 3.0).abs() < 1e-6));
        assert!((kept.iter().sum::<f32>() / 1e4 - 1.0).abs() < 0.03);
        assert_eq!(kept, run(1));
        assert_ne!(kept, run(2));
    }

    #[test]
    fn a_wrong_length_is_an_error_not_a_panic() {
        let x = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(logistic_loss(&x, vec![0.0], vec![0.0], 1.0).is_err());
    }
}
