//! The training loop: epochs of shuffled batches, AdamW, early stopping.

use candle_core::{Device, Tensor, Var};
use router_core::{Error, ErrorKind, FitContext, Result, SeedStream};

use crate::nn::autodiff::{TensorResult, tensor_error};
use crate::nn::optimizer::{AdamW, Parameter};
use crate::nn::random::shuffle;

/// How long and how fast to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Epochs at most.
    pub epochs: usize,
    /// Rows a step, at least 1.
    pub batch_size: usize,
    /// Step size of AdamW.
    pub learning_rate: f64,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Epochs without a better held-out loss after which training stops.
    pub patience: usize,
}

/// What is trained.
pub trait Objective {
    /// The loss of a batch of rows: a scalar that is differentiated toward `parameters`, the variables in the order of the
    /// parameters given to [`train`]. `stream` is for dropout.
    ///
    /// # Errors
    /// As candle's.
    fn batch_loss(&self, parameters: &[Var], rows: &[usize], stream: &mut SeedStream) -> TensorResult<Tensor>;

    /// The loss on rows that are not trained on; `None` where none were held out, and then every epoch counts as better.
    ///
    /// # Errors
    /// What the network's shapes give rise to.
    fn held_out_loss(&self, parameters: &[Parameter]) -> Result<Option<f64>>;
}

/// How training went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSummary {
    /// Epochs run.
    pub epochs: usize,
    /// The epoch, from 1, whose parameters were kept; 0 for the initial ones.
    pub best_epoch: usize,
    /// The held-out loss of those, if rows were held out.
    pub held_out_loss: Option<f64>,
}

/// Trains `parameters` on `rows` and leaves in them those of the epoch with the lowest held-out loss (of the last epoch if no
/// rows were held out). The initial parameters compete too.
///
/// Randomness comes from the streams `order` and `dropout` of `cx`. Cancellation is looked for at every batch.
///
/// # Errors
/// [`ErrorKind::Training`] if the loss stops being finite; [`ErrorKind::Cancelled`].
pub fn train(
    objective: &impl Objective,
    parameters: &mut Vec<Parameter>,
    rows: &[usize],
    schedule: &Schedule,
    cx: &FitContext,
    label: &str,
) -> Result<TrainingSummary> {
    let mut order: Vec<usize> = rows.to_vec();
    let mut order_stream = cx.stream("order");
    let mut dropout_stream = cx.stream("dropout");
    let mut optimizer = AdamW::new(parameters, schedule.learning_rate, schedule.weight_decay);
    let mut summary = TrainingSummary { epochs: 0, best_epoch: 0, held_out_loss: objective.held_out_loss(parameters)? };
    let mut best = parameters.clone();
    let bar = cx.begin(label, Some(schedule.epochs as u64));
    for epoch in 1..=schedule.epochs {
        shuffle(&mut order, &mut order_stream);
        let mut total = 0.0;
        for batch in order.chunks(schedule.batch_size.max(1)) {
            cx.check_cancelled()?;
            let (loss, gradients) =
                differentiate(objective, parameters, batch, &mut dropout_stream).map_err(tensor_error)?;
            if !loss.is_finite() {
                return Err(diverged(label, epoch));
            }
            optimizer.step(parameters, &gradients)?;
            total += loss;
        }
        if parameters.iter().any(|parameter| parameter.values.iter().any(|value| !value.is_finite())) {
            return Err(diverged(label, epoch));
        }
        summary.epochs = epoch;
        let held_out = objective.held_out_loss(parameters)?;
        if held_out.is_some_and(|loss| !loss.is_finite()) {
            return Err(diverged(label, epoch));
        }
        let better = match (held_out, summary.held_out_loss) {
            (Some(loss), Some(lowest)) => loss < lowest,
            _ => true,
        };
        if better {
            summary.best_epoch = epoch;
            summary.held_out_loss = held_out;
            best.clone_from(parameters);
        }
        bar.advance(1);
        bar.message(&match held_out {
            Some(held_out) => format!("loss {total:.4}, held out {held_out:.4}"),
            None => format!("loss {total:.4}"),
        });
        if epoch - summary.best_epoch >= schedule.patience {
            break;
        }
    }
    *parameters = best;
    Ok(summary)
}

fn diverged(label: &str, epoch: usize) -> Error {
    Error::new(ErrorKind::Training, format!("{label}: the loss is no longer finite in epoch {epoch}"))
        .help("lower `learning_rate`, or look for embeddings or outcome weights of extreme size")
}

fn differentiate(
    objective: &impl Objective,
    parameters: &[Parameter],
    rows: &[usize],
    stream: &mut SeedStream,
) -> TensorResult<(f64, Vec<Option<Vec<f32>>>)> {
    let variables = parameters
        .iter()
        .map(|p| Var::from_tensor(&Tensor::from_vec(p.values.clone(), p.shape.as_slice(), &Device::Cpu)?))
        .collect::<TensorResult<Vec<Var>>>()?;
    let loss = objective.batch_loss(&variables, rows, stream)?;
    let store = loss.backward()?;
    let gradients = variables
        .iter()
        .map(|variable| store.get(variable).map(|gradient| gradient.flatten_all()?.to_vec1::<f32>()).transpose())
        .collect::<TensorResult<_>>()?;
    Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The square of the distance to 3, and a held-out loss that is smallest after `best` looks.
    struct Toy {
        best: usize,
        looks: Cell<usize>,
        factor: f64,
    }

    impl Objective for Toy {
        fn batch_loss(&self, parameters: &[Var], _: &[usize], _: &mut SeedStream) -> TensorResult<Tensor> {
            ((parameters[0].as_tensor() - 3.0)?.sqr()?.sum_all()? * self.factor)?.contiguous()
        }

        fn held_out_loss(&self, _: &[Parameter]) -> Result<Option<f64>> {
            let look = self.looks.replace(self.looks.get() + 1);
            Ok((self.best < 1000).then(|| look.abs_diff(self.best) as f64))
        }
    }

    fn run(
        best: usize,
        factor: f64,
        patience: usize,
        epochs: usize,
        cx: &FitContext,
    ) -> Result<(TrainingSummary, f32)> {
        let toy = Toy { best, looks: Cell::new(0), factor };
        let mut parameters = vec![Parameter::bias(vec![0.0])];
        let schedule = Schedule { epochs, batch_size: 2, learning_rate: 0.1, weight_decay: 0.0, patience };
        let summary = train(&toy, &mut parameters, &[0, 1, 2, 3], &schedule, cx, "toy")?;
        Ok((summary, parameters[0].values[0]))
    }

    #[test]
    fn it_finds_the_minimum_and_stops_after_its_patience() {
        let cx = FitContext::new(1);
        let (summary, value) = run(usize::MAX, 1.0, usize::MAX, 300, &cx).unwrap();
        assert_eq!((summary.epochs, summary.best_epoch, summary.held_out_loss), (300, 300, None));
        assert!((value - 3.0).abs() < 1e-2, "{value}");
        // Epoch 4 is the best: 3 more are tried, and its parameters are what is left.
        let (summary, stopped) = run(4, 1.0, 3, 300, &cx).unwrap();
        assert_eq!((summary.epochs, summary.best_epoch, summary.held_out_loss), (7, 4, Some(0.0)));
        assert_eq!(stopped, run(usize::MAX, 1.0, usize::MAX, 4, &cx).unwrap().1);
    }

    #[test]
    fn divergence_and_cancellation_are_errors() {
        let cx = FitContext::new(1);
        let error = run(0, f64::INFINITY, 3, 10, &cx).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Training);
        assert!(error.to_string().contains("learning_rate"), "{error}");
        cx.cancel_token().cancel();
        assert_eq!(run(0, 1.0, 3, 10, &cx).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
