//! Weighted average: alpha * prompt scores + (1 - alpha) * task scores.
//!
//! The two-stage score of FineRouter (arXiv 2603.19415): what an estimator says of the prompt itself against what is known of
//! the prompt's task. Several estimators of one stage are averaged first. O(parts) a pair.
//!
//! # How alpha is chosen
//!
//! If it is left out, every alpha of a grid is tried on the cross-fitted estimates of the training prompts: send each prompt
//! to the model of the highest score, and take the weighted mean of the qualities that were seen (a prompt whose chosen pair
//! has no outcome is left out). Neighboring alphas change the choice of few prompts, so the best of the grid is decided by
//! little more than noise; taking it as it is would chase that noise to an end of the grid, where one stage is ignored.
//! Therefore the one-standard-error rule of Breiman et al. (Classification and Regression Trees, 1984, section 3.4.3) is
//! used: of all alphas that are not worse than the best by more than one standard error *of the difference*, the one nearest
//! to 0.5 is taken (ties to the lower). A stage is thus given up only on evidence. The standard error is that of the
//! difference of two ratio means, linearised, with near duplicates summed before squaring.
#![allow(clippy::indexing_slicing, reason = "sums have one entry a choice of the grid and a row, allocated here")]

use std::collections::BTreeMap;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregators::parts::{add_weighted, shape};

/// Parameters of the `weighted` aggregator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeightedConfig {
    /// The share of the prompt scores; the task scores get the rest. Chosen on cross-fitted estimates if left out, which is
    /// the default. Without effect in a router that has parts of one stage only: that stage gets everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: Option<f64>,
    /// Distance between the alphas that are tried. Default 0.05.
    #[schemars(range(min = 0.001, max = 0.5))]
    pub step: f64,
    /// The weight of every prompt-level estimator, in the order of `[[estimators]]`, relative to each other. Equal if left
    /// out, which is the default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 0.0, max = 1.0e6)))]
    pub weights: Vec<f64>,
}

impl Default for WeightedConfig {
    fn default() -> Self {
        Self { alpha: None, step: 0.05, weights: Vec::new() }
    }
}

impl PluginConfig for WeightedConfig {
    const NAME: &'static str = "weighted";
    const SUMMARY: &'static str = "alpha * prompt scores + (1 - alpha) * task scores, alpha chosen on held-out folds";
    const SOURCE: &'static str = "FineRouter, arXiv 2603.19415";
    const COST: &'static str = "fit a cross-fit unless alpha is given; O(parts m) a prompt";
    const EXAMPLE: &'static str = "alpha = 0.5\n";

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        if !self.weights.is_empty() && self.weights.iter().sum::<f64>() <= 0.0 {
            return Err(Error::new(ErrorKind::Config, "all weights are zero").at_field("weights"));
        }
        Ok(())
    }
}

/// Alpha where nothing can be learned of it.
const UNINFORMED: f64 = 0.5;

impl WeightedConfig {
    /// The weight of every part among those of its stage; each stage's sum to 1.
    fn within_stage(&self, parts: &[PartInfo]) -> Result<Vec<f64>> {
        let prompt_parts = parts.iter().filter(|part| part.stage == Stage::Prompt).count();
        let task_parts = parts.len() - prompt_parts;
        if parts.is_empty() {
            return Err(Error::shape("parts to aggregate", "at least 1", 0));
        }
        let total: f64 = self.weights.iter().sum();
        if !self.weights.is_empty() {
            let fail = |what: String| Err(Error::new(ErrorKind::Config, what).at_field("aggregator.weights"));
            if self.weights.len() != prompt_parts {
                return fail(format!("{} weights for {prompt_parts} prompt-level estimators", self.weights.len()));
            }
            if self.weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) || total <= 0.0 {
                return fail("weights must be finite, at least 0, and not all 0".into());
            }
        }
        let mut given = self.weights.iter();
        Ok(parts
            .iter()
            .map(|part| match part.stage {
                Stage::Task => 1.0 / task_parts as f64,
                Stage::Prompt => given.next().map_or(1.0 / prompt_parts as f64, |weight| weight / total),
            })
            .collect())
    }
}

/// Whether both stages are present.
fn has_both_stages(parts: &[PartInfo]) -> bool {
    [Stage::Task, Stage::Prompt].iter().all(|stage| parts.iter().any(|part| part.stage == *stage))
}

impl Aggregator for WeightedConfig {
    type Fitted = WeightedAggregator;

    fn needs_cross_fit(&self, parts: &[PartInfo]) -> bool {
        self.alpha.is_none() && has_both_stages(parts)
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<WeightedAggregator> {
        let within = self.within_stage(evidence.parts)?;
        let alpha = if !has_both_stages(evidence.parts) {
            if evidence.parts.iter().any(|part| part.stage == Stage::Prompt) { 1.0 } else { 0.0 }
        } else if let Some(alpha) = self.alpha {
            alpha
        } else if let Some(cross_fitted) = evidence.cross_fitted {
            choose_alpha(evidence, cross_fitted, &within, self.step, cx)?
        } else {
            UNINFORMED
        };
        let weights = evidence
            .parts
            .iter()
            .zip(&within)
            .map(|(part, weight)| match part.stage {
                Stage::Task => ((1.0 - alpha) * weight) as f32,
                Stage::Prompt => (alpha * weight) as f32,
            })
            .collect();
        WeightedAggregator::new(alpha, weights)
    }
}

router_core::register!(AggregatorRole, WeightedConfig);

/// What routing by one alpha brings on the rows of the evidence.
struct Trial {
    alpha: f64,
    mean: f64,
    /// What every group of near duplicates adds to the linearised mean.
    influence: Vec<f64>,
}

fn choose_alpha(
    evidence: &AggregatorEvidence<'_>,
    cross_fitted: &[Estimates],
    within: &[f64],
    step: f64,
    cx: &FitContext,
) -> Result<f64> {
    let (set, parts) = (evidence.set, evidence.parts);
    let (n, m) = (set.len(), set.models().len());
    if cross_fitted.len() != parts.len() {
        return Err(Error::shape("cross-fitted parts", parts.len(), cross_fitted.len()));
    }
    let mut stages = [vec![0.0f64; n * m], vec![0.0f64; n * m]];
    for ((part, estimates), weight) in parts.iter().zip(cross_fitted).zip(within) {
        let quality = estimates.quality();
        if (quality.rows(), quality.cols()) != (n, m) {
            return Err(Error::shape(
                &part.slot,
                format!("{n} x {m}"),
                format!("{} x {}", quality.rows(), quality.cols()),
            ));
        }
        let sum = &mut stages[usize::from(part.stage == Stage::Prompt)];
        for (sum, &quality) in sum.iter_mut().zip(quality.as_slice()) {
            *sum += weight * f64::from(quality);
        }
    }
    let [task, prompt] = &stages;
    let mut numbers = BTreeMap::new();
    let groups: Vec<usize> = (0..n)
        .map(|row| {
            let next = numbers.len();
            *numbers.entry(set.group(row)).or_insert(next)
        })
        .collect();
    let steps = (1.0 / step).round().max(1.0) as usize;
    let mut trials = Vec::with_capacity(steps + 1);
    for at in 0..=steps {
        cx.check_cancelled()?;
        let alpha = at as f64 / steps as f64;
        trials.extend(try_alpha(set, task, prompt, alpha, &groups, numbers.len()));
    }
    Ok(one_standard_error(&trials).unwrap_or(UNINFORMED))
}

/// Routes every row by `alpha`; nothing if no chosen pair has an outcome.
fn try_alpha(
    set: &TrainingSet,
    task: &[f64],
    prompt: &[f64],
    alpha: f64,
    groups: &[usize],
    group_count: usize,
) -> Option<Trial> {
    let m = set.models().len();
    let seen: Vec<(usize, f64, f64)> = (0..set.len())
        .filter_map(|row| {
            let cells = row * m..(row + 1) * m;
            let mut best = (0, f64::NEG_INFINITY);
            for (model, (task, prompt)) in task[cells.clone()].iter().zip(&prompt[cells]).enumerate() {
                let score = alpha * prompt + (1.0 - alpha) * task;
                if score > best.1 {
                    best = (model, score);
                }
            }
            let outcome = set.outcomes().get(row, best.0)?;
            Some((groups[row], f64::from(outcome.quality), f64::from(outcome.weight)))
        })
        .collect();
    let weight: f64 = seen.iter().map(|seen| seen.2).sum();
    if weight <= 0.0 {
        return None;
    }
    let mean = seen.iter().map(|seen| seen.1 * seen.2).sum::<f64>() / weight;
    let mut influence = vec![0.0; group_count];
    for (group, quality, outcome_weight) in seen {
        influence[group] += outcome_weight * (quality - mean) / weight;
    }
    Some(Trial { alpha, mean, influence })
}

/// The alpha nearest to 0.5 (ties to the lower) that is at most one standard error of the difference below the best.
fn one_standard_error(trials: &[Trial]) -> Option<f64> {
    let off = |trial: &Trial| (trial.alpha - UNINFORMED).abs();
    let nearer = |a: &&Trial, b: &&Trial| off(a).total_cmp(&off(b)).then(a.alpha.total_cmp(&b.alpha));
    let best = trials.iter().max_by(|a, b| a.mean.total_cmp(&b.mean).then(nearer(b, a)))?;
    trials
        .iter()
        .filter(|trial| {
            let squared: f64 = best.influence.iter().zip(&trial.influence).map(|(a, b)| (a - b) * (a - b)).sum();
            // The slack is for the rounding of means that are equal.
            best.mean - trial.mean <= squared.sqrt() + 1e-12
        })
        .min_by(nearer)
        .map(|trial| trial.alpha)
}

/// A weighted average that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedAggregator {
    alpha: f64,
    weights: Vec<f32>,
}

impl WeightedAggregator {
    fn new(alpha: f64, weights: Vec<f32>) -> Result<Self> {
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let sound = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0) && (total - 1.0).abs() < 1e-4;
        if !sound || !(0.0..=1.0).contains(&alpha) {
            return Err(Error::new(ErrorKind::Config, "weights must be at least 0 and sum to 1")
                .at_field("aggregator.alpha")
                .help("alpha lies in [0, 1]"));
        }
        Ok(Self { alpha, weights })
    }

    /// The share of the prompt scores.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl FittedAggregator for WeightedAggregator {
    /// Parts of weight zero are not looked at. Variance is that of a weighted sum of independent parts, the sum of
    /// weight^2 * variance, where every part has one; expected cost is the mean of the parts that know it.
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        let shape = shape(parts, self.weights.len())?;
        out.reset(shape.0, shape.1);
        add_weighted(parts, &self.weights, out);
        Ok(())
    }

    fn weights(&self) -> Option<&[f32]> {
        Some(&self.weights)
    }
}

impl Persist for WeightedAggregator {
    const FORMAT: &'static str = "weighted-aggregator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("alpha", &self.alpha)?;
        writer.put_f32("weights", &self.weights)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("alpha")?, reader.get_f32("weights")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests;
