//! Phase 1: trunk and general heads; and the members of the ensemble.
#![allow(clippy::indexing_slicing, reason = "one entry a training prompt, model or parameter, allocated here")]

use candle_core::{Device, Tensor, Var};
use router_core::{
    Error, FitContext, Folds, Matrix, Outcomes, QualityEstimator, Result, SeedStream, Tasks, TrainingSet,
};

use crate::estimators::moe::config::MoeConfig;
use crate::estimators::moe::expert::Expert;
use crate::estimators::moe::fitted::{FittedMoe, Shape};
use crate::estimators::moe::heads::{HeadFit, TaskHeads};
use crate::nn::autodiff::{TensorResult, activate, dropout, linear, logistic_loss};
use crate::nn::kernels::cross_entropy;
use crate::nn::random::initial_weights;
use crate::nn::{FeedForward, ForwardScratch, Layer, Objective, Parameter, Schedule, train};

/// Rows of held-out prompts that are estimated together.
const BATCH: usize = 256;

impl QualityEstimator for MoeConfig {
    type Fitted = FittedMoe;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<FittedMoe> {
        self.check()?;
        let dimension = set.embeddings().cols();
        if dimension == 0 {
            return Err(Error::shape("dimension of the embeddings", "at least 1", 0));
        }
        let folds = self.held_out_folds(set, cx);
        let base = BaseRates::of(set.outcomes());
        let experts = (0..self.members.max(1))
            .map(|member| {
                let cx = cx.child(&format!("member/{member}"));
                let (train_rows, held_out) = match &folds {
                    Some(folds) => folds.split(member % folds.count()),
                    None => ((0..set.len()).collect(), Vec::new()),
                };
                self.fit_member(set, tasks, &base, &train_rows, &held_out, &cx)
            })
            .collect::<Result<Vec<_>>>()?;
        let shape = Shape {
            dimension,
            models: set.models().len(),
            tasks: tasks.count(),
            members: experts.len(),
            routing: self.routing,
        };
        Ok(FittedMoe { shape, experts })
    }
}

impl MoeConfig {
    /// Folds of which each member holds out one; none if nothing is to be held out, or too little is there to be split.
    fn held_out_folds(&self, set: &TrainingSet, cx: &FitContext) -> Option<Folds> {
        if self.held_out <= 0.0 {
            return None;
        }
        let count = (self.held_out.recip().round() as usize).max(2);
        let folds = set.folds(count, &cx.seed().child("held-out"))?;
        let told = |rows: &[usize]| rows.iter().any(|&row| set.outcomes().row(row).iter().any(|o| o.weight > 0.0));
        let usable = |fold| {
            let (train, held_out) = folds.split(fold);
            told(&train) && told(&held_out)
        };
        (0..folds.count()).all(usable).then_some(folds)
    }

    fn fit_member(
        &self,
        set: &TrainingSet,
        tasks: &Tasks,
        base: &BaseRates,
        train_rows: &[usize],
        held_out: &[usize],
        cx: &FitContext,
    ) -> Result<Expert> {
        let objective = PhaseOne {
            config: self,
            set,
            standard: Standardization::of(set, train_rows),
            held_out,
            scale: loss_scale(set.outcomes(), train_rows),
        };
        let mut parameters = self.initial_parameters(set.embeddings().cols(), base, &mut cx.stream("weights"));
        let schedule = Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            patience: if held_out.is_empty() { usize::MAX } else { self.patience },
        };
        train(&objective, &mut parameters, train_rows, &schedule, cx, "mixture of experts")?;
        let (trunk, general) = objective.extract(&parameters)?;
        let general = base.fill_unseen(general)?;
        let heads = if self.task_heads {
            let penalty = self.task_weight_decay.map(|penalty| penalty as f32);
            let (seen, rank) = (&base.seen, self.rank);
            HeadFit { set, tasks, seen, trunk: &trunk, general: &general, held_out, penalty, rank }
                .fit(self.heads, cx)?
        } else {
            TaskHeads::none(tasks.count(), trunk.outputs())
        };
        Expert::new(trunk, general, heads)
    }

    /// Weights and bias of every layer of the trunk, then of the general heads.
    fn initial_parameters(&self, dimension: usize, base: &BaseRates, stream: &mut SeedStream) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        let mut inputs = dimension;
        for _ in 0..self.layers.max(1) {
            let weights = initial_weights(self.hidden * inputs, inputs, stream);
            parameters.push(Parameter::weights(self.hidden, inputs, weights));
            parameters.push(Parameter::bias(vec![0.0; self.hidden]));
            inputs = self.hidden;
        }
        // Starting at zero, the heads know the base rates and nothing else, and no model is told from another by chance.
        let models = base.logits.len();
        parameters.push(Parameter::weights(models, inputs, vec![0.0; models * inputs]));
        parameters.push(Parameter::bias(base.logits.clone()));
        parameters
    }
}

/// The logit of every model's mean quality, and which models were seen at all.
struct BaseRates {
    logits: Vec<f32>,
    seen: Vec<bool>,
}

impl BaseRates {
    fn of(outcomes: &Outcomes) -> Self {
        let means = outcomes.mean_quality();
        // As if each model had half a success and half a failure more: finite for one that always succeeds.
        let logit = |(mean, count): (f64, usize)| {
            let smoothed = (mean * count as f64 + 0.5) / (count as f64 + 1.0);
            (smoothed / (1.0 - smoothed)).ln() as f32
        };
        Self {
            logits: means.iter().map(|mean| mean.map_or(0.0, logit)).collect(),
            seen: means.iter().map(Option::is_some).collect(),
        }
    }

    /// Gives models that were never seen the mean head of the others.
    fn fill_unseen(&self, general: Layer) -> Result<Layer> {
        let seen: Vec<usize> = (0..self.seen.len()).filter(|&model| self.seen[model]).collect();
        if seen.is_empty() || seen.len() == self.seen.len() {
            return Ok(general);
        }
        let (mut weights, mut bias) = (general.weights().clone(), general.bias().to_vec());
        let share = (seen.len() as f32).recip();
        let mut mean = vec![0.0f32; weights.cols()];
        for &model in &seen {
            crate::nn::kernels::add_scaled(&mut mean, share, weights.row(model));
        }
        let mean_bias: f32 = seen.iter().map(|&model| share * bias[model]).sum();
        for model in (0..self.seen.len()).filter(|&model| !self.seen[model]) {
            weights.row_mut(model).copy_from_slice(&mean);
            bias[model] = mean_bias;
        }
        Layer::new(weights, bias)
    }
}

/// One over the mean weight of a prompt's outcomes: the loss of a batch is then a mean over outcomes, whatever the weights' unit.
fn loss_scale(outcomes: &Outcomes, rows: &[usize]) -> f64 {
    let total: f64 = rows.iter().flat_map(|&row| outcomes.row(row)).map(|outcome| f64::from(outcome.weight)).sum();
    if total > 0.0 { rows.len() as f64 / total } else { 0.0 }
}

/// Embeddings are centered and brought to a mean square of 1 a dimension, so that the same learning rate suits every embedder.
/// One scale for all dimensions: rare features of a lexical embedder stay small.
struct Standardization {
    mean: Vec<f32>,
    scale: f32,
}

impl Standardization {
    fn of(set: &TrainingSet, rows: &[usize]) -> Self {
        let (embeddings, count) = (set.embeddings(), rows.len().max(1) as f64);
        let mut sums = vec![0.0f64; embeddings.cols()];
        for &row in rows {
            for (sum, &value) in sums.iter_mut().zip(embeddings.row(row)) {
                *sum += f64::from(value);
            }
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
        let mut squares = 0.0f64;
        for &row in rows {
            for (&value, &mean) in embeddings.row(row).iter().zip(&mean) {
                squares += f64::from(value - mean).powi(2);
            }
        }
        let deviation = (squares / count / mean.len().max(1) as f64).sqrt();
        let scale = if deviation > 1e-12 { (1.0 / deviation) as f32 } else { 1.0 };
        Self { mean, scale }
    }
}

struct PhaseOne<'a> {
    config: &'a MoeConfig,
    set: &'a TrainingSet,
    standard: Standardization,
    held_out: &'a [usize],
    scale: f64,
}

impl PhaseOne<'_> {
    /// The network as plain layers on embeddings as they come.
    fn extract(&self, parameters: &[Parameter]) -> Result<(FeedForward, Layer)> {
        let mut layers = parameters
            .chunks_exact(2)
            .map(|pair| Layer::new(pair[0].to_matrix()?, pair[1].values.clone()))
            .collect::<Result<Vec<_>>>()?;
        let general = layers.pop().ok_or_else(|| Error::shape("layers", "at least 1", 0))?;
        let first = layers.remove(0).absorb_standardization(&self.standard.mean, self.standard.scale);
        layers.insert(0, first);
        Ok((FeedForward::new(layers, self.config.activation)?, general))
    }
}

impl Objective for PhaseOne<'_> {
    fn batch_loss(&self, parameters: &[Var], rows: &[usize], stream: &mut SeedStream) -> TensorResult<Tensor> {
        let (d, m) = (self.set.embeddings().cols(), self.set.models().len());
        let Standardization { mean, scale } = &self.standard;
        let mut input = Vec::with_capacity(rows.len() * d);
        let (mut targets, mut weights) = (vec![0.0f32; rows.len() * m], vec![0.0f32; rows.len() * m]);
        for (at, &row) in rows.iter().enumerate() {
            input.extend(self.set.embeddings().row(row).iter().zip(mean).map(|(value, mean)| (value - mean) * scale));
            for outcome in self.set.outcomes().row(row) {
                targets[at * m + outcome.model] = outcome.quality;
                weights[at * m + outcome.model] = outcome.weight;
            }
        }
        let mut hidden = Tensor::from_vec(input, (rows.len(), d), &Device::Cpu)?;
        let (trunk, heads) = parameters.split_at(parameters.len() - 2);
        for (at, layer) in trunk.chunks_exact(2).enumerate() {
            hidden = activate(&linear(&hidden, &layer[0], &layer[1], at > 0)?, self.config.activation)?;
            hidden = dropout(&hidden, self.config.dropout, stream)?;
        }
        let logits = linear(&hidden, &heads[0], &heads[1], true)?;
        logistic_loss(&logits, targets, weights, (self.scale / rows.len() as f64) as f32)
    }

    fn held_out_loss(&self, parameters: &[Parameter]) -> Result<Option<f64>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let (trunk, general) = self.extract(parameters)?;
        let mut scratch = ForwardScratch::default();
        let (mut logits, mut input) = (Matrix::default(), Matrix::default());
        let (mut total, mut weight) = (0.0f64, 0.0f64);
        for rows in self.held_out.chunks(BATCH) {
            input.reset(rows.len(), self.set.embeddings().cols());
            for (at, &row) in rows.iter().enumerate() {
                input.row_mut(at).copy_from_slice(self.set.embeddings().row(row));
            }
            general.forward(trunk.forward(input.view(), &mut scratch).view(), &mut logits);
            for (at, &row) in rows.iter().enumerate() {
                for outcome in self.set.outcomes().row(row) {
                    let loss = cross_entropy(logits.get(at, outcome.model), outcome.quality);
                    total += f64::from(outcome.weight) * f64::from(loss);
                    weight += f64::from(outcome.weight);
                }
            }
        }
        Ok((weight > 0.0).then(|| total / weight))
    }
}
