//! The graph in training.
#![allow(
    clippy::indexing_slicing,
    reason = "rows come from the set, models from its pool, tasks are the columns of the edges"
)]

use candle_core::{Device, Tensor, Var};
use rand::RngExt;
use router_core::SeedStream;
use router_core::prelude::*;

use super::config::GraphAttentionConfig;
use super::network::GraphNetwork;
use crate::estimators::network::{BaseRates, Standardization, each_answer, loss_scale, outcome_loss};
use crate::nn::autodiff::{TensorResult, dropout, softmax_rows};
use crate::nn::exponential::{cross_entropy, sigmoid, softmax};
use crate::nn::kernels::{add_scaled, dot};
use crate::nn::linear::linear;
use crate::nn::random::initial_weights;
use crate::nn::{Layer, Objective, Parameter};

/// The logit of attention to a prompt that a model did not answer.
const ABSENT: f32 = -1.0e9;
/// Number of tensors.
const TENSORS: usize = 9;

/// One member in training.
pub(super) struct Graph<'a> {
    config: &'a GraphAttentionConfig,
    set: &'a TrainingSet,
    base: &'a BaseRates,
    /// Of every prompt of the set, n x T.
    edges: &'a Matrix,
    train: &'a [usize],
    held_out: &'a [usize],
    standard: Standardization,
    /// Mean standardized embedding of every task, T x d, row by row.
    task_features: Vec<f32>,
    scale: f32,
}

/// The parameters by name, as plain numbers.
struct Named<'a> {
    projection: &'a Parameter,
    bias: &'a Parameter,
    model_queries: &'a Parameter,
    prompt_keys: &'a Parameter,
    model_messages: &'a Parameter,
    model_states: &'a Parameter,
    model_biases: &'a Parameter,
    task_queries: &'a Parameter,
    task_messages: &'a Parameter,
}

/// Weights x vector, for r x r weights.
fn multiply(weights: &Matrix, vector: &[f32]) -> Vec<f32> {
    (0..weights.rows()).map(|row| dot(weights.row(row), vector)).collect()
}

/// Weights' x vector.
fn multiply_transposed(weights: &Matrix, vector: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; weights.cols()];
    for (row, &factor) in vector.iter().enumerate() {
        add_scaled(&mut out, factor, weights.row(row));
    }
    out
}

impl<'a> Graph<'a> {
    #[allow(clippy::too_many_arguments, reason = "the nodes and edges of the graph, and what is hidden of it")]
    pub(super) fn new(
        config: &'a GraphAttentionConfig,
        set: &'a TrainingSet,
        base: &'a BaseRates,
        edges: &'a Matrix,
        tasks: &'a [Option<usize>],
        train: &'a [usize],
        held_out: &'a [usize],
    ) -> Self {
        let standard = Standardization::of(set, train);
        let (d, count) = (set.embeddings().cols(), edges.cols());
        let (mut sums, mut sizes) = (vec![0.0f64; count * d], vec![0usize; count]);
        for &row in train {
            let Some(task) = tasks[row] else { continue };
            sizes[task] += 1;
            for (sum, (&value, &mean)) in
                sums[task * d..(task + 1) * d].iter_mut().zip(set.embeddings().row(row).iter().zip(&standard.mean))
            {
                *sum += f64::from((value - mean) * standard.scale);
            }
        }
        let task_features =
            sums.iter().enumerate().map(|(at, sum)| (sum / sizes[at / d].max(1) as f64) as f32).collect();
        let scale = loss_scale(set.outcomes(), train) as f32;
        Self { config, set, base, edges, train, held_out, standard, task_features, scale }
    }

    pub(super) fn initial(&self, stream: &mut SeedStream) -> Vec<Parameter> {
        let (d, m, r) = (self.set.embeddings().cols(), self.base.logits.len(), self.config.width);
        let mut square = || initial_weights(r * r, r, stream);
        let (keys, of_models, queries, of_tasks) = (square(), square(), square(), square());
        let projection = initial_weights(r * d, d, stream);
        vec![
            Parameter::weights(r, d, projection),
            Parameter::bias(vec![0.0; r]),
            // Starting at zero, attention is even, and no model is told from another by chance.
            Parameter::weights(m, r, vec![0.0; m * r]),
            Parameter::weights(r, r, keys),
            Parameter::weights(r, r, of_models),
            Parameter::weights(m, r, vec![0.0; m * r]),
            Parameter::bias(self.base.logits.clone()),
            Parameter::weights(r, r, queries),
            Parameter::weights(r, r, of_tasks),
        ]
    }

    fn named(parameters: &[Parameter]) -> Result<Named<'_>> {
        let [
            projection,
            bias,
            model_queries,
            prompt_keys,
            model_messages,
            model_states,
            model_biases,
            task_queries,
            task_messages,
        ] = parameters
        else {
            return Err(Error::shape("tensors of a graph", TENSORS, parameters.len()));
        };
        Ok(Named {
            projection,
            bias,
            model_queries,
            prompt_keys,
            model_messages,
            model_states,
            model_biases,
            task_queries,
            task_messages,
        })
    }

    /// Quality less the mean quality of the model: what an edge carries.
    fn surprise(&self, outcome: &Outcome) -> f32 {
        outcome.quality - sigmoid(self.base.logits[outcome.model])
    }

    /// 1 / sqrt(r).
    fn attention_scale(&self) -> f32 {
        (self.config.width as f32).sqrt().recip()
    }

    /// The states on the whole graph of the training prompts.
    pub(super) fn extract(&self, parameters: &[Parameter]) -> Result<GraphNetwork> {
        let named = Self::named(parameters)?;
        let r = self.config.width;
        let standardized = Layer::new(named.projection.to_matrix()?, named.bias.values.clone())?;
        let features = MatrixView::new(self.edges.cols(), self.set.embeddings().cols(), &self.task_features)?;
        let mut of_tasks = Matrix::default();
        standardized.forward(features, &mut of_tasks);
        let projection = standardized.absorb_standardization(&self.standard.mean, self.standard.scale);
        let (queries, says) = (named.task_queries.to_matrix()?, named.task_messages.to_matrix()?);
        let (mut keys, mut messages) = (Matrix::zeros(of_tasks.rows(), r), Matrix::zeros(of_tasks.rows(), r));
        for task in 0..of_tasks.rows() {
            keys.row_mut(task).copy_from_slice(&multiply_transposed(&queries, of_tasks.row(task)));
            for value in keys.row_mut(task).iter_mut() {
                *value *= self.attention_scale();
            }
            messages.row_mut(task).copy_from_slice(&multiply(&says, of_tasks.row(task)));
        }
        let models = Layer::new(self.model_states(&named, &projection)?, named.model_biases.values.clone())?;
        GraphNetwork::new(projection, keys, messages, models)
    }

    /// What every model is once it has heard from all training prompts that it answered, m x r.
    fn model_states(&self, named: &Named<'_>, projection: &Layer) -> Result<Matrix> {
        let (m, r) = (self.base.logits.len(), self.config.width);
        let (queries, keys) = (named.model_queries.to_matrix()?, named.prompt_keys.to_matrix()?);
        let compared: Vec<Vec<f32>> = (0..m)
            .map(|model| {
                let mut of_model = multiply_transposed(&keys, queries.row(model));
                for value in &mut of_model {
                    *value *= self.attention_scale();
                }
                of_model
            })
            .collect();
        let mut states = Matrix::default();
        projection.forward(self.set.embeddings().gather(self.train).view(), &mut states);
        let mut answered: Vec<Vec<(usize, f32)>> = vec![Vec::new(); m];
        let mut logits: Vec<Vec<f32>> = vec![Vec::new(); m];
        for (at, &row) in self.train.iter().enumerate() {
            for outcome in self.set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0) {
                answered[outcome.model].push((at, self.surprise(outcome)));
                logits[outcome.model].push(dot(&compared[outcome.model], states.row(at)) + outcome.weight.ln());
            }
        }
        let says = named.model_messages.to_matrix()?;
        let mut out = named.model_states.to_matrix()?;
        let mut heard = vec![0.0f32; r];
        for (model, (answered, logits)) in answered.iter().zip(&mut logits).enumerate() {
            softmax(logits, 1.0);
            heard.fill(0.0);
            for (&(at, surprise), share) in answered.iter().zip(&*logits) {
                add_scaled(&mut heard, share * surprise, states.row(at));
            }
            add_scaled(out.row_mut(model), 1.0, &multiply(&says, &heard));
        }
        Ok(out)
    }

    /// Training prompts outside of the batch, from which models hear.
    pub(super) fn support(&self, batch: &[usize], stream: &mut SeedStream) -> Vec<usize> {
        let mut is_hidden = vec![false; self.set.len()];
        for &row in batch {
            is_hidden[row] = true;
        }
        let seen: Vec<usize> = self.train.iter().copied().filter(|&row| !is_hidden[row]).collect();
        if seen.len() <= self.config.support {
            return seen;
        }
        (0..self.config.support).map(|_| seen[stream.random_range(0..seen.len())]).collect()
    }

    /// The models' states as the support makes them.
    fn hear(&self, parameters: &[Var], support: &[usize]) -> TensorResult<Tensor> {
        let [projection, bias, queries, keys, says, states, ..] = parameters else {
            return Err(candle_core::Error::Msg(format!("a graph has {TENSORS} tensors")));
        };
        if support.is_empty() {
            return Ok(states.as_tensor().clone());
        }
        let (m, s) = (self.base.logits.len(), support.len());
        let (mut edges, mut surprises) = (vec![ABSENT; m * s], vec![0.0f32; m * s]);
        for (at, &row) in support.iter().enumerate() {
            for outcome in self.set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0) {
                edges[outcome.model * s + at] = outcome.weight.ln();
                surprises[outcome.model * s + at] = self.surprise(outcome);
            }
        }
        let tensor = |values| Tensor::from_vec(values, (m, s), &Device::Cpu);
        let prompts = linear(&self.standard.input(self.set, support)?, projection, bias, false)?;
        let attention = product(queries, &product(&prompts, keys)?)?.affine(f64::from(self.attention_scale()), 0.0)?;
        let shares = softmax_rows(&attention.add(&tensor(edges)?)?)?.mul(&tensor(surprises)?)?;
        states.add(&product(&product(&shares, &prompts.t()?.contiguous()?)?, says)?)
    }
}

/// `a b'`.
fn product(a: &Tensor, b: &Tensor) -> TensorResult<Tensor> {
    let bias = Tensor::zeros(b.dim(0)?, candle_core::DType::F32, &Device::Cpu)?;
    linear(a, b, &bias, true)
}

impl Objective for Graph<'_> {
    fn batch_loss(&self, parameters: &[Var], rows: &[usize], stream: &mut SeedStream) -> TensorResult<Tensor> {
        let [projection, bias, .., model_biases, task_queries, task_says] = parameters else {
            return Err(candle_core::Error::Msg(format!("a graph has {TENSORS} tensors")));
        };
        let (d, count) = (self.set.embeddings().cols(), self.edges.cols());
        let models = self.hear(parameters, &self.support(rows, stream))?;
        let prompts = linear(&self.standard.input(self.set, rows)?, projection, bias, false)?;
        let features = Tensor::from_vec(self.task_features.clone(), (count, d), &Device::Cpu)?;
        let of_tasks = linear(&features, projection, bias, false)?;
        let edges: Vec<f32> = rows.iter().flat_map(|&row| self.edges.row(row)).copied().collect();
        let edges = Tensor::from_vec(edges, (rows.len(), count), &Device::Cpu)?;
        let attention =
            product(&product(&prompts, task_queries)?, &of_tasks)?.affine(f64::from(self.attention_scale()), 0.0)?;
        let shares = softmax_rows(&attention.add(&edges)?)?;
        let heard = product(&product(&shares, &of_tasks.t()?.contiguous()?)?, task_says)?;
        let states = dropout(&prompts.add(&heard)?.relu()?, self.config.dropout, stream)?;
        let logits = linear(&states, &models, model_biases, true)?;
        outcome_loss(&logits, self.set, rows, self.scale / rows.len() as f32)
    }

    fn held_out_loss(&self, parameters: &[Parameter]) -> Result<Option<f64>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let network = self.extract(parameters)?;
        let (mut total, mut weight) = (0.0f64, 0.0f64);
        let d = self.set.embeddings().cols();
        each_answer(
            &network,
            self.held_out,
            |row, input| {
                let (embedding, edges) = input.split_at_mut(d);
                embedding.copy_from_slice(self.set.embeddings().row(row));
                edges.copy_from_slice(self.edges.row(row));
            },
            |row, logits| {
                for seen in self.set.outcomes().row(row) {
                    let loss = cross_entropy(logits[seen.model], seen.quality);
                    total += f64::from(seen.weight) * f64::from(loss);
                    weight += f64::from(seen.weight);
                }
            },
        );
        Ok((weight > 0.0).then(|| total / weight))
    }
}
