//! How long a model's answer to a prompt will be, against the model's mean.
//!
//! Any estimator predicts it: it is fitted to a copy of the training set in which an outcome's quality is replaced by the logarithm
//! of the answer's length over the model's mean, mapped from [1/[`LARGEST`], [`LARGEST`]] to [0, 1]. Lengths are
//! skewed, so the logarithm is what can be averaged; what is read back is multiplied by the ratio of the true mean to the predicted
//! one on held-out prompts (the smearing estimate of Duan, Journal of the American Statistical Association 78, 1983, by means instead
//! of residuals), so that the expected cost of a model is right on average.

#![allow(clippy::indexing_slicing, reason = "one entry a row and a model, allocated here")]

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::RouterConfig;
use crate::context::FitContext;
use crate::error::Result;
use crate::pipeline::{cross_fit_folds, estimate_parts};
use crate::tasks::Tasks;
use crate::traits::{
    DynQualityEstimator, FittedEstimator, PartInfo, PromptsView, QueryBatch, Stage, StoredClassifier, StoredEstimator,
};
use crate::types::dataset::TrainingSet;
use crate::types::estimates::Estimates;
use crate::types::folds::Folds;
use crate::types::matrix::Matrix;
use crate::types::model::Model;
use crate::types::outcome::{Outcome, Outcomes};

/// The slot of the estimator, in configuration and artifact.
pub(crate) const SLOT: &str = "cost/output_tokens";

/// Answers that are longer or shorter than the mean by more than this factor count as by this.
const LARGEST: f64 = 32.0;

/// Expects how long an answer is.
pub(crate) struct OutputLength {
    pub(crate) estimator: Box<dyn StoredEstimator>,
    pub(crate) calibration: LengthCalibration,
}

/// What held-out predictions of length said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LengthCalibration {
    /// Of every model: the mean true length over the mean predicted one; `None` where no length was measured.
    scale: Vec<Option<f64>>,
    /// Share of the variance of the logarithm of length, within models, that held-out predictions explain; `None` where nothing was held out.
    explained: Option<f64>,
}

/// An estimator of length and what it expects of the training prompts.
pub(crate) struct FittedLength {
    pub(crate) length: OutputLength,
    /// Expected length against the model's mean, n x m, each row by an estimator that has not seen it if there was more than one fold.
    pub(crate) held_out: Matrix,
}

impl OutputLength {
    /// Fits `estimator` to the lengths in `set`; `None` if none was measured. Costs a fit a fold and one more.
    pub(crate) fn fit(
        estimator: &dyn DynQualityEstimator,
        set: &TrainingSet,
        tasks: &Tasks,
        classifier: Option<&(dyn StoredClassifier + 'static)>,
        config: &RouterConfig,
        cx: &FitContext,
    ) -> Result<Option<FittedLength>> {
        let lengths = relative_lengths(set);
        let targets = lengths.iter().map(|row| row.iter().map(|&(model, length)| target(model, length)).collect());
        let targets = Outcomes::from_rows(set.models().len(), targets.collect())?;
        if targets.is_empty() {
            return Ok(None);
        }
        let set = set.with_outcomes(targets)?;
        let profile = |set: &TrainingSet, rows: Option<&[usize]>| -> Result<Tasks> {
            let (map, assigned) = match rows {
                None => (tasks.map().clone(), tasks.assigned().to_vec()),
                Some(rows) => (tasks.map().restrict(rows), rows.iter().map(|&row| tasks.assigned()[row]).collect()),
            };
            if tasks.count() == 0 {
                Ok(Tasks::none(set))
            } else {
                Tasks::profile(set, map, &config.tasks)?.with_assigned(assigned)
            }
        };
        let part = PartInfo { slot: SLOT.to_owned(), name: String::new(), stage: Stage::Prompt };
        let estimate =
            |estimator: Box<dyn StoredEstimator>, rows: &[usize]| -> Result<(Box<dyn StoredEstimator>, Estimates)> {
                let dataset_rows: Vec<usize> = rows.iter().map(|&row| set.rows()[row]).collect();
                let prompts = PromptsView::rows(set.dataset().prompts(), &dataset_rows);
                let parts = [(part.clone(), estimator)];
                let estimates =
                    estimate_parts(classifier, &parts, prompts, set.embeddings().gather(rows).view())?.swap_remove(0);
                let [(_, estimator)] = parts;
                Ok((estimator, estimates))
            };
        let whole = estimator.fit(&set, &profile(&set, None)?, &cx.child("whole"))?;
        let folds = cross_fit_folds(&set, config.cross_fit.folds, cx);
        let (estimator, predicted) = match &folds {
            None => estimate(whole, &(0..set.len()).collect::<Vec<_>>())?,
            Some(folds) => {
                let bar = cx.begin("output length", Some(folds.count() as u64));
                let parts = (0..folds.count())
                    .into_par_iter()
                    .map(|fold| {
                        let (train_rows, rows) = folds.split(fold);
                        let train = set.subset(&train_rows)?;
                        let cx = cx.child(&format!("fold/{fold}")).silent();
                        let fitted = estimator.fit(&train, &profile(&train, Some(&train_rows))?, &cx)?;
                        let (_, estimates) = estimate(fitted, &rows)?;
                        bar.advance(1);
                        Ok((rows, estimates))
                    })
                    .collect::<Result<Vec<_>>>()?;
                let mut all = Estimates::new();
                all.reset(set.len(), set.models().len());
                for (rows, estimates) in &parts {
                    all.scatter(rows, estimates.view());
                }
                (whole, all)
            }
        };
        let calibration = LengthCalibration::new(&lengths, &predicted, folds.as_ref());
        let mut held_out = Matrix::zeros(set.len(), set.models().len());
        for row in 0..set.len() {
            held_out.row_mut(row).copy_from_slice(predicted.quality().row(row));
            calibration.read_back(held_out.row_mut(row));
        }
        Ok(Some(FittedLength { length: Self { estimator, calibration }, held_out }))
    }

    /// Writes the expected length of every model's answer against the model's mean as the quality of `out`, n x m.
    pub(crate) fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        FittedEstimator::estimate(&*self.estimator, batch, out)?;
        for row in 0..out.quality().rows() {
            self.calibration.read_back(out.quality_mut().row_mut(row));
        }
        Ok(())
    }

    /// What fitting found, in a sentence.
    pub(crate) fn finding(&self) -> String {
        match self.calibration.explained {
            Some(explained) => format!(
                "expected cost: held-out predictions explain {:.0}% of the variance of the logarithm of output tokens within models",
                100.0 * explained
            ),
            None => {
                "expected cost: output tokens are predicted, but too few prompts were there to hold any out".to_owned()
            }
        }
    }
}

impl LengthCalibration {
    fn new(lengths: &[Vec<(usize, f64)>], predicted: &Estimates, folds: Option<&Folds>) -> Self {
        let models = predicted.quality().cols();
        // A model's sums of true and predicted lengths; the squares that are left and that there were.
        let (mut sums, mut left, mut there) = (vec![(0.0f64, 0.0f64); models], 0.0f64, 0.0f64);
        let mut levels = vec![(0.0f64, 0usize); models];
        for &(model, length) in lengths.iter().flatten() {
            levels[model].0 += logarithm(length);
            levels[model].1 += 1;
        }
        for (row, lengths) in lengths.iter().enumerate() {
            for &(model, length) in lengths {
                let expected = f64::from(predicted.quality().get(row, model));
                sums[model].0 += length;
                sums[model].1 += factor(expected);
                let (level, count) = levels[model];
                left += (logarithm(length) - expected).powi(2);
                there += (logarithm(length) - level / count as f64).powi(2);
            }
        }
        let scale = sums.into_iter().map(|(length, expected)| (expected > 0.0).then(|| length / expected)).collect();
        let explained = (folds.is_some() && there > 0.0).then(|| 1.0 - left / there);
        Self { scale, explained }
    }

    /// Whether this is one of a pool of `models` models.
    pub(crate) fn fits(&self, models: usize) -> bool {
        self.scale.len() == models && self.scale.iter().flatten().all(|scale| scale.is_finite() && *scale >= 0.0)
    }

    /// One more model, of which no lengths are predicted.
    pub(crate) fn join(&mut self) {
        self.scale.push(None);
    }

    /// From predicted targets to expected lengths against the mean, in place; 1 for a model of which no length was measured.
    fn read_back(&self, row: &mut [f32]) {
        for (value, scale) in row.iter_mut().zip(&self.scale) {
            *value = scale.map_or(1.0, |scale| (factor(f64::from(*value)) * scale) as f32);
        }
    }
}

/// Where a length against the mean lies between 1/[`LARGEST`] and [`LARGEST`], as a logarithm in [0, 1].
fn logarithm(length: f64) -> f64 {
    (0.5 + length.ln() / (2.0 * LARGEST.ln())).clamp(0.0, 1.0)
}

/// The length against the mean that `value` in [0, 1] stands for.
fn factor(value: f64) -> f64 {
    ((value.clamp(0.0, 1.0) - 0.5) * 2.0 * LARGEST.ln()).exp()
}

fn target(model: usize, length: f64) -> Outcome {
    Outcome::new(model, logarithm(length) as f32)
}

/// The length of every measured answer against the model's mean, `(model, length)` a row: output tokens where a model has any;
/// otherwise what its measured costs leave for the answer.
fn relative_lengths(set: &TrainingSet) -> Vec<Vec<(usize, f64)>> {
    let pool = set.models();
    let mut has_tokens = vec![false; pool.len()];
    for (_, outcome) in set.outcomes().iter() {
        has_tokens[outcome.model] |= outcome.output_tokens.is_some();
    }
    let length = |row: usize, outcome: &Outcome, model: &Model| -> Option<f64> {
        if has_tokens[outcome.model] {
            return outcome.output_tokens.map(f64::from);
        }
        let input = f64::from(outcome.input_tokens.unwrap_or_else(|| set.prompt(row).approximate_tokens()));
        Some((outcome.cost_usd? - model.price(input, 0.0).unwrap_or(0.0)).max(0.0))
    };
    let mut sums = vec![(0.0f64, 0usize); pool.len()];
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); set.len()];
    for (row, outcome) in set.outcomes().iter() {
        let Some(length) = pool.get(outcome.model).and_then(|model| length(row, outcome, model)) else { continue };
        rows[row].push((outcome.model, length));
        sums[outcome.model].0 += length;
        sums[outcome.model].1 += 1;
    }
    for row in &mut rows {
        row.retain(|&(model, _)| sums[model].0 > 0.0);
        for (model, length) in row {
            *length *= sums[*model].1 as f64 / sums[*model].0;
        }
    }
    rows
}
