//! Fitting: held-out rows for temperature and threshold, then all rows for the weights.
#![allow(
    clippy::indexing_slicing,
    reason = "rows are those of the set, tasks are below its count, models below the pool's"
)]

use router_core::prelude::*;

use crate::classifiers::calibration::{ASSIGN_ALL, best_temperature, best_threshold, gains, split};
use crate::classifiers::softmax::config::SoftmaxConfig;
use crate::classifiers::softmax::fitted::SoftmaxClassifier;
use crate::classifiers::softmax::lbfgs;
use crate::classifiers::softmax::objective::Objective;

pub(super) fn fit(
    config: &SoftmaxConfig,
    set: &TrainingSet,
    tasks: &Tasks,
    cx: &FitContext,
) -> Result<SoftmaxClassifier> {
    let assignments = tasks.map().assignments();
    let count = tasks.count();
    let d = set.embeddings().cols();
    if count == 0 {
        return SoftmaxClassifier::new(Matrix::zeros(0, d), Vec::new(), 1.0, ASSIGN_ALL);
    }
    let scaling = Scaling::of(set.embeddings(), config.standardize);
    let given = config.threshold.map(|threshold| threshold as f32);
    let mut start = None;
    let (mut temperature, mut threshold) = (1.0, given.unwrap_or(ASSIGN_ALL));
    if let Some((held_in, held_out)) = split(set, tasks, config.held_out_share, cx) {
        let parameters = train(config, set, &held_in, assignments, count, &scaling, None, cx)?;
        let judge = scaling.classifier(&parameters, count, 1.0, ASSIGN_ALL)?;
        let mut logits = Matrix::zeros(held_out.len(), count);
        for (at, &row) in held_out.iter().enumerate() {
            judge.write_logits(set.embeddings().slice_rows(row, row + 1), logits.row_mut(at));
        }
        let labelled = held_out.iter().enumerate();
        let labelled: Vec<(&[f32], usize)> =
            labelled.filter_map(|(at, &row)| Some((logits.row(at), assignments[row]?.index()))).collect();
        temperature = best_temperature(&labelled);
        if given.is_none() {
            let judge = scaling.classifier(&parameters, count, temperature, ASSIGN_ALL)?;
            threshold = best_threshold(gains(set, tasks, &held_in, &held_out, |at| judge.softmax(logits.row_mut(at)))?);
        }
        start = Some(parameters);
    }
    let rows: Vec<usize> = (0..set.len()).collect();
    let parameters = train(config, set, &rows, assignments, count, &scaling, start, cx)?;
    scaling.classifier(&parameters, count, temperature, threshold)
}

/// The parameters fitted to those of `rows` that have a task, starting at `start` or else at the tasks' frequencies.
#[allow(
    clippy::too_many_arguments,
    reason = "one private step of the fit above; its arguments are that function's variables"
)]
fn train(
    config: &SoftmaxConfig,
    set: &TrainingSet,
    rows: &[usize],
    assignments: &[Option<TaskId>],
    tasks: usize,
    scaling: &Scaling,
    start: Option<Vec<f64>>,
    cx: &FitContext,
) -> Result<Vec<f64>> {
    let d = set.embeddings().cols();
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    for &row in rows {
        if let Some(task) = assignments[row] {
            scaling.append(set.embeddings().row(row), &mut features);
            labels.push(task.0);
        }
    }
    let objective = Objective { features: &features, labels: &labels, dimension: d, tasks, l2: config.l2 };
    let mut parameters = start.unwrap_or_else(|| {
        let mut parameters = vec![0.0; objective.parameters()];
        // One more prompt a task than there is keeps the bias of a task without held-in prompts finite.
        let mut counts = vec![1.0f64; tasks];
        for &label in &labels {
            counts[label as usize] += 1.0;
        }
        let total: f64 = counts.iter().sum();
        for (bias, count) in parameters[tasks * d..].iter_mut().zip(counts) {
            *bias = (count / total).ln();
        }
        parameters
    });
    let bar = cx.begin("classifier", Some(config.iterations as u64));
    lbfgs::minimize(
        &mut parameters,
        config.iterations,
        config.tolerance,
        |at, gradient| objective.evaluate(at, gradient),
        || {
            bar.advance(1);
            cx.check_cancelled()
        },
    )?;
    if parameters.iter().any(|parameter| !parameter.is_finite()) {
        return Err(Error::new(ErrorKind::Training, "the softmax classifier diverged").help("raise `l2`"));
    }
    Ok(parameters)
}

/// features = (embedding - mean) * scale.
struct Scaling {
    mean: Vec<f64>,
    scale: f64,
}

impl Scaling {
    fn of(embeddings: MatrixView<'_>, standardize: bool) -> Self {
        let (n, d) = (embeddings.rows(), embeddings.cols());
        if !standardize {
            return Self { mean: vec![0.0; d], scale: 1.0 };
        }
        let mut mean = vec![0.0f64; d];
        for row in 0..n {
            for (sum, &value) in mean.iter_mut().zip(embeddings.row(row)) {
                *sum += f64::from(value);
            }
        }
        for sum in &mut mean {
            *sum /= n as f64;
        }
        let mut squared = 0.0;
        for row in 0..n {
            let off = embeddings.row(row).iter().zip(&mean).map(|(&value, mean)| (f64::from(value) - mean).powi(2));
            squared += off.sum::<f64>();
        }
        let variance = squared / (n * d).max(1) as f64;
        // Embeddings that are all the same tell nothing.
        let scale = if variance > 1e-20 { 1.0 / variance.sqrt() } else { 0.0 };
        Self { mean, scale }
    }

    fn append(&self, embedding: &[f32], features: &mut Vec<f32>) {
        let scaled =
            embedding.iter().zip(&self.mean).map(|(&value, mean)| ((f64::from(value) - mean) * self.scale) as f32);
        features.extend(scaled);
    }

    /// The classifier of `parameters`, with the scaling folded into its weights and biases.
    fn classifier(
        &self,
        parameters: &[f64],
        tasks: usize,
        temperature: f32,
        threshold: f32,
    ) -> Result<SoftmaxClassifier> {
        let d = self.mean.len();
        let (weights, biases) = parameters.split_at(tasks * d);
        let folded = weights.iter().map(|&weight| (weight * self.scale) as f32).collect();
        let biases = (0..tasks)
            .map(|task| {
                let moved: f64 =
                    weights[task * d..(task + 1) * d].iter().zip(&self.mean).map(|(w, mean)| w * mean).sum();
                (biases[task] - moved * self.scale) as f32
            })
            .collect();
        SoftmaxClassifier::new(Matrix::from_vec(tasks, d, folded)?, biases, temperature, threshold)
    }
}
