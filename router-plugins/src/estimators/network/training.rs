//! The objective of a network with a logit a model, on sparse outcomes.
#![allow(clippy::indexing_slicing, reason = "one entry a training prompt or model, allocated here")]

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor, Var};
use rand::RngExt;
use router_core::SeedStream;
use router_core::prelude::*;

use super::pairs::{Pair, each_pair};
use super::standardization::Standardization;
use crate::nn::autodiff::{TensorResult, logistic_loss};
use crate::nn::exponential::{cross_entropy, sigmoid};
use crate::nn::{ForwardScratch, Objective, Parameter, Schedule, train};

/// Prompts that are estimated together.
const BATCH: usize = 256;

/// A network in training.
pub(in crate::estimators) trait Architecture {
    /// What training leaves.
    type Fitted: Answer;

    /// The logits (rows x m) of standardized embeddings (rows x d).
    fn logits(&self, parameters: &[Var], input: &Tensor, stream: &mut SeedStream) -> TensorResult<Tensor>;

    /// The network on embeddings as they come.
    fn extract(&self, parameters: &[Parameter], standard: &Standardization) -> Result<Self::Fitted>;
}

/// Buffers of [`Answer::answer`], to be reused.
#[derive(Debug, Clone, Default)]
pub(in crate::estimators) struct Scratch {
    pub(in crate::estimators) forward: ForwardScratch,
    pub(in crate::estimators) hidden: Matrix,
    pub(in crate::estimators) other: Matrix,
}

/// A network that is trained.
pub(in crate::estimators) trait Answer: Sized + Send + Sync + 'static {
    /// d.
    fn inputs(&self) -> usize;

    /// m.
    fn models(&self) -> usize;

    /// Writes the logits of n embeddings into `logits`, which it resets to n x m. No allocation once the buffers have grown.
    fn answer(&self, embeddings: MatrixView<'_>, scratch: &mut Scratch, logits: &mut Matrix);

    /// Writes the network under `name`.
    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()>;

    /// Reads the network of `inputs` inputs under `name`.
    fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self>;
}

/// Calls `each` with the logits of every one of `rows`, in their order; `read` writes what the network reads of a row.
pub(in crate::estimators) fn each_answer(
    network: &impl Answer,
    rows: &[usize],
    read: impl Fn(usize, &mut [f32]),
    mut each: impl FnMut(usize, &[f32]),
) {
    let (mut scratch, mut logits, mut input) = (Scratch::default(), Matrix::default(), Matrix::default());
    for rows in rows.chunks(BATCH) {
        input.reset(rows.len(), network.inputs());
        for (at, &row) in rows.iter().enumerate() {
            read(row, input.row_mut(at));
        }
        network.answer(input.view(), &mut scratch, &mut logits);
        for (at, &row) in rows.iter().enumerate() {
            each(row, logits.row(at));
        }
    }
}

/// The cross-entropy of `logits` (rows x m) with the outcomes of `rows`, times `scale`: a scalar.
pub(in crate::estimators) fn outcome_loss(
    logits: &Tensor,
    set: &TrainingSet,
    rows: &[usize],
    scale: f32,
) -> TensorResult<Tensor> {
    let m = set.models().len();
    let (mut targets, mut weights) = (vec![0.0f32; rows.len() * m], vec![0.0f32; rows.len() * m]);
    for (at, &row) in rows.iter().enumerate() {
        for outcome in set.outcomes().row(row) {
            targets[at * m + outcome.model] = outcome.quality;
            weights[at * m + outcome.model] = outcome.weight;
        }
    }
    logistic_loss(logits, targets, weights, scale)
}

/// What is compared with what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::estimators) enum Loss {
    /// Every outcome with its logit: cross-entropy with soft targets.
    Outcomes,
    /// The outcomes of a prompt with each other: -ln s(logit of the better - logit of the worse) (Bradley and Terry 1952), weighted by how
    /// far they lie apart.
    Pairs,
}

/// The dimension of the embeddings of `set`.
///
/// # Errors
/// [`ErrorKind::Shape`] where it is 0.
pub(in crate::estimators) fn dimension_of(set: &TrainingSet) -> Result<usize> {
    match set.embeddings().cols() {
        0 => Err(Error::shape("dimension of the embeddings", "at least 1", 0)),
        dimension => Ok(dimension),
    }
}

/// One over the mean weight of a prompt's outcomes: the loss of a batch is then a mean over outcomes, whatever the weights' unit.
pub(in crate::estimators) fn loss_scale(outcomes: &Outcomes, rows: &[usize]) -> f64 {
    let total: f64 = rows.iter().flat_map(|&row| outcomes.row(row)).map(|outcome| f64::from(outcome.weight)).sum();
    if total > 0.0 { rows.len() as f64 / total } else { 0.0 }
}

/// What a network is trained on, and how long.
pub(in crate::estimators) struct Training<'a> {
    pub(in crate::estimators) set: &'a TrainingSet,
    pub(in crate::estimators) train_rows: &'a [usize],
    /// For early stopping; none trains for all epochs.
    pub(in crate::estimators) held_out: &'a [usize],
    pub(in crate::estimators) loss: Loss,
    pub(in crate::estimators) schedule: Schedule,
}

impl Training<'_> {
    /// Trains `parameters`.
    ///
    /// # Errors
    /// Those of [`train`].
    pub(in crate::estimators) fn fit<A: Architecture>(
        mut self,
        architecture: &A,
        mut parameters: Vec<Parameter>,
        cx: &FitContext,
        label: &str,
    ) -> Result<A::Fitted> {
        if self.held_out.is_empty() {
            self.schedule.patience = usize::MAX;
        }
        let scale = match self.loss {
            Loss::Outcomes => loss_scale(self.set.outcomes(), self.train_rows),
            Loss::Pairs => self.pairs_scale(),
        };
        let standard = Standardization::of(self.set, self.train_rows);
        let objective = Regression { architecture, training: &self, standard, scale };
        train(&objective, &mut parameters, self.train_rows, &self.schedule, cx, label)?;
        architecture.extract(&parameters, &objective.standard)
    }

    /// One over the mean weight of a prompt's pairs.
    fn pairs_scale(&self) -> f64 {
        let mut total = 0.0f64;
        for &row in self.train_rows {
            each_pair(self.set.outcomes().row(row), 0, |pair| total += f64::from(pair.weight));
        }
        if total > 0.0 { self.train_rows.len() as f64 / total } else { 0.0 }
    }
}

struct Regression<'a, A> {
    architecture: &'a A,
    training: &'a Training<'a>,
    standard: Standardization,
    scale: f64,
}

impl<A: Architecture> Objective for Regression<'_, A> {
    fn batch_loss(&self, parameters: &[Var], rows: &[usize], stream: &mut SeedStream) -> TensorResult<Tensor> {
        let set = self.training.set;
        let logits = self.architecture.logits(parameters, &self.standard.input(set, rows)?, stream)?;
        let scale = (self.scale / rows.len() as f64) as f32;
        match self.training.loss {
            Loss::Outcomes => outcome_loss(&logits, set, rows, scale),
            Loss::Pairs => {
                let m = set.models().len();
                let mut pairs = Vec::new();
                for (at, &row) in rows.iter().enumerate() {
                    let turn = stream.random_range(0..m);
                    each_pair(set.outcomes().row(row), turn, |pair| pairs.push((at, pair)));
                }
                logits.apply_op1(PairwiseLoss { pairs, models: m, scale })
            }
        }
    }

    fn held_out_loss(&self, parameters: &[Parameter]) -> Result<Option<f64>> {
        let Training { set, held_out, loss, .. } = self.training;
        if held_out.is_empty() {
            return Ok(None);
        }
        let network = self.architecture.extract(parameters, &self.standard)?;
        let (mut total, mut weight) = (0.0f64, 0.0f64);
        each_answer(
            &network,
            held_out,
            |row, input| input.copy_from_slice(set.embeddings().row(row)),
            |row, logits| {
                let mut add = |of: f32, loss: f32| {
                    total += f64::from(of) * f64::from(loss);
                    weight += f64::from(of);
                };
                let outcomes = set.outcomes().row(row);
                match loss {
                    Loss::Outcomes => {
                        for seen in outcomes {
                            add(seen.weight, cross_entropy(logits[seen.model], seen.quality));
                        }
                    }
                    Loss::Pairs => each_pair(outcomes, 0, |pair| {
                        add(pair.weight, cross_entropy(logits[pair.winner] - logits[pair.loser], 1.0));
                    }),
                }
            },
        );
        Ok((weight > 0.0).then(|| total / weight))
    }
}

/// The weighted sum of -ln s(logit of the winner - logit of the loser), times `scale`: a scalar.
struct PairwiseLoss {
    /// Each with the row of its logits.
    pairs: Vec<(usize, Pair)>,
    models: usize,
    scale: f32,
}

impl PairwiseLoss {
    /// The margin of every pair.
    fn margins<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = (usize, &'a Pair, f32)> {
        self.pairs.iter().map(move |(row, pair)| {
            let of = |model: usize| logits.get(row * self.models + model).copied().unwrap_or(0.0);
            (row * self.models, pair, of(pair.winner) - of(pair.loser))
        })
    }
}

impl CustomOp1 for PairwiseLoss {
    fn name(&self) -> &'static str {
        "pairwise-loss"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let logits = layout
            .contiguous_offsets()
            .and_then(|(start, end)| storage.as_slice::<f32>().ok()?.get(start..end))
            .ok_or_else(|| candle_core::Error::Msg("the operation needs contiguous tensors".into()))?;
        let loss =
            |(_, pair, margin): (usize, &Pair, f32)| f64::from(pair.weight) * f64::from(cross_entropy(margin, 1.0));
        let sum: f64 = self.margins(logits).map(loss).sum();
        Ok((CpuStorage::F32(vec![(sum * f64::from(self.scale)) as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _result: &Tensor, gradient: &Tensor) -> TensorResult<Option<Tensor>> {
        let scale = gradient.to_scalar::<f32>()? * self.scale;
        let values = logits.flatten_all()?.to_vec1::<f32>()?;
        let mut by_logits = vec![0.0f32; values.len()];
        for (start, pair, margin) in self.margins(&values) {
            let by_margin = scale * pair.weight * (sigmoid(margin) - 1.0);
            by_logits[start + pair.winner] += by_margin;
            by_logits[start + pair.loser] -= by_margin;
        }
        Ok(Some(Tensor::from_vec(by_logits, logits.shape(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pairwise_gradient_agrees_with_finite_differences() {
        let loss = |values: &[f32]| {
            let pair = |winner, loser, weight| Pair { winner, loser, weight };
            let pairs = vec![(0, pair(0, 2, 1.0)), (0, pair(1, 0, 0.5)), (1, pair(2, 1, 2.0))];
            let var = Var::from_tensor(&Tensor::from_vec(values.to_vec(), (2, 3), &Device::Cpu).unwrap()).unwrap();
            let loss = var.as_tensor().apply_op1(PairwiseLoss { pairs, models: 3, scale: 0.5 }).unwrap();
            let gradient = loss.backward().unwrap().get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (f64::from(loss.to_scalar::<f32>().unwrap()), gradient)
        };
        let values = [0.3f32, -1.0, 0.8, 0.1, 0.9, -0.4];
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
}
