//! Temperature and threshold, from held-out rows: what the classifiers share.
//!
//! A prompt's confidence is its highest probability. Below the threshold the prompt is assigned to no task, and its
//! probabilities are scaled by confidence / threshold, so that p(no task) grows steadily from what it is at the threshold as
//! confidence falls, and scores that mix tasks by probability never jump.
//!
//! The temperature minimises the cross-entropy of the held-out prompts that have a task (Guo et al., ICML 2017; targets
//! smoothed as by Platt, 1999); the threshold maximises the quality realised when every held-out prompt goes to the best model
//! of its task, or, if it is assigned none, to the best model over all prompts. Both best models are known from the held-in
//! rows; prompts without a discovered task count too; a prompt for which one of the two outcomes is missing does not; ties go to
//! the lowest threshold.
#![allow(
    clippy::indexing_slicing,
    reason = "rows are those of the set, tasks are below its count, models below the pool's"
)]

use rand::seq::index::sample;
use router_core::config::TasksConfig;
use router_core::prelude::*;

use crate::nn::exponential::sum_of_exponentials;

/// Confidences are judged at this threshold where none could be chosen: every prompt is assigned.
pub(super) const ASSIGN_ALL: f32 = 0.0;

/// Held-out rows at most: beyond them temperature and threshold do not get more certain, only dearer.
const HELD_OUT: usize = 20_000;

/// Held-in and held-out rows (near duplicates kept together, at most [`HELD_OUT`] of the latter, drawn), if there are enough groups of
/// them for both and the held-in rows hold tasks and outcomes.
pub(super) fn split(
    set: &TrainingSet,
    tasks: &Tasks,
    held_out_share: f64,
    cx: &FitContext,
) -> Option<(Vec<usize>, Vec<usize>)> {
    let count = (1.0 / held_out_share).round().max(2.0) as usize;
    let (held_in, mut held_out) = set.folds(count, cx.seed())?.split(0);
    if held_out.len() > HELD_OUT {
        let mut drawn = sample(&mut cx.stream("held-out prompts"), held_out.len(), HELD_OUT).into_vec();
        drawn.sort_unstable();
        held_out = drawn.into_iter().map(|at| held_out[at]).collect();
    }
    let has_task = held_in.iter().any(|&row| tasks.map().assignments()[row].is_some());
    let has_outcome = held_in.iter().any(|&row| !set.outcomes().row(row).is_empty());
    (has_task && has_outcome).then_some((held_in, held_out))
}

/// What assigning each held-out prompt gains, as the held-in rows know it; `classify` gives the most likely task of held-out
/// prompt `at` and its confidence, and is called once for each.
pub(super) fn gains(
    set: &TrainingSet,
    tasks: &Tasks,
    held_in: &[usize],
    held_out: &[usize],
    mut classify: impl FnMut(usize) -> (usize, f32),
) -> Result<Vec<Gain>> {
    // Profiles are made of outcomes alone, so the embeddings are not gathered.
    let seen = set.subset_with_embeddings(held_in, Matrix::zeros(held_in.len(), 0).into())?;
    let labels: Vec<Option<u32>> =
        held_in.iter().map(|&row| tasks.map().assignments()[row].map(|task| task.0)).collect();
    let profile = Tasks::profile(&seen, TaskMap::from_labels(&labels), &TasksConfig::default())?;
    let best_of_all = first_highest(profile.global().iter().copied());
    // Tasks are renumbered by their held-in size; a task without a held-in prompt has no best model of its own.
    let mut best_of_task = vec![best_of_all; tasks.count()];
    for (label, task) in labels.iter().zip(profile.map().assignments()) {
        if let (Some(label), Some(task)) = (label, task) {
            let scores = profile.profiles()[task.index()].models.iter().map(|model| model.score);
            best_of_task[*label as usize] = first_highest(scores);
        }
    }
    let mut gains = Vec::with_capacity(held_out.len());
    for (at, &row) in held_out.iter().enumerate() {
        let (task, confidence) = classify(at);
        let quality = |model| set.outcomes().get(row, model).map(|outcome| f64::from(outcome.quality));
        if let (Some(assigned), Some(unassigned)) = (quality(best_of_task[task]), quality(best_of_all)) {
            gains.push(Gain { confidence, gain: assigned - unassigned });
        }
    }
    Ok(gains)
}

fn first_highest(scores: impl Iterator<Item = f64>) -> ModelIndex {
    let mut best = (0, f64::NEG_INFINITY);
    for (model, score) in scores.enumerate() {
        if score > best.1 {
            best = (model, score);
        }
    }
    best.0
}

/// Assigns a prompt to its most likely task, or, where confidence is below the threshold, to none, scaling its probabilities.
pub(super) fn assign(
    (task, confidence): (usize, f32),
    threshold: f32,
    probabilities: &mut [f32],
    assigned: &mut Option<TaskId>,
) {
    if confidence >= threshold {
        *assigned = Some(TaskId(task as u32));
    } else {
        let scale = confidence / threshold;
        for probability in probabilities {
            *probability *= scale;
        }
    }
}

/// One held-out prompt under a threshold: its confidence, and what assigning it gains over not assigning it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gain {
    /// The highest task probability.
    pub(super) confidence: f32,
    /// Realised quality of the task's best model less that of the best model over all prompts.
    pub(super) gain: f64,
}

/// The threshold at which the sum of the gains of all prompts of at least that confidence is highest, ties to the lowest;
/// 0 and 1 are tried beside every confidence that occurs.
pub(super) fn best_threshold(mut gains: Vec<Gain>) -> f32 {
    gains.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut sum = 0.0;
    let mut best = (1.0f32, gains.iter().filter(|gain| gain.confidence >= 1.0).map(|gain| gain.gain).sum::<f64>());
    for same in gains.chunk_by(|a, b| a.confidence.total_cmp(&b.confidence).is_eq()) {
        sum += same.iter().map(|gain| gain.gain).sum::<f64>();
        if let Some(gain) = same.first()
            && sum >= best.1
        {
            best = (gain.confidence, sum);
        }
    }
    // Whatever is at most the lowest confidence assigns everything; 0 says so at any temperature.
    if sum >= best.1 { 0.0 } else { best.0 }
}

/// The temperature that minimises the mean cross-entropy of `rows`: each the logits of a prompt and its task.
///
/// Targets are smoothed as by Platt (1999): of n rows, each gives 1 / (n + 2) of its target evenly to all tasks. Without that,
/// tasks that are told apart without error would drive the temperature to 0 and every confidence to 1, and no threshold could
/// tell sure from unsure. The cross-entropy is convex in 1 / temperature, so golden-section search over it finds the minimum;
/// [1/20, 20] is searched. 1 where there is no row.
pub(super) fn best_temperature(rows: &[(&[f32], usize)]) -> f32 {
    if rows.is_empty() {
        return 1.0;
    }
    let smoothing = 1.0 / (rows.len() as f64 + 2.0);
    let loss = |inverse: f64| -> f64 {
        rows.iter().map(|&(logits, task)| cross_entropy(logits, task, smoothing, inverse)).sum()
    };
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.05f64.ln(), 20f64.ln());
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut of_left, mut of_right) = (loss(left.exp()), loss(right.exp()));
    for _ in 0..60 {
        if of_left <= of_right {
            (high, right, of_right) = (right, left, of_left);
            left = high - ratio * (high - low);
            of_left = loss(left.exp());
        } else {
            (low, left, of_left) = (left, right, of_right);
            right = low + ratio * (high - low);
            of_right = loss(right.exp());
        }
    }
    (-f64::midpoint(low, high)).exp() as f32
}

/// Against the target that gives 1 - `smoothing` to `task` and the rest evenly to all tasks, `inverse` being 1 / temperature.
fn cross_entropy(logits: &[f32], task: usize, smoothing: f64, inverse: f64) -> f64 {
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let total = sum_of_exponentials(logits, highest, inverse);
    let mean = logits.iter().map(|&logit| f64::from(logit)).sum::<f64>() / logits.len().max(1) as f64;
    let of_task = logits.get(task).map_or(highest, |&logit| f64::from(logit));
    let target = (1.0 - smoothing) * of_task + smoothing * mean;
    total.ln() - (target - highest) * inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(gains: &[(f32, f64)]) -> f32 {
        best_threshold(gains.iter().map(|&(confidence, gain)| Gain { confidence, gain }).collect())
    }

    #[test]
    fn the_threshold_keeps_what_gains() {
        assert_eq!(threshold(&[(0.9, 1.0), (0.5, -1.0), (0.7, 1.0), (0.3, 0.5)]), 0.7);
        assert_eq!(threshold(&[(0.9, 1.0), (0.5, -0.5), (0.3, 1.0)]), 0.0, "everything is worth it");
        assert_eq!(threshold(&[(0.9, -1.0), (0.5, -0.5)]), 1.0, "nothing is worth it");
        assert_eq!(threshold(&[(0.9, 1.0), (0.5, 0.0), (0.4, 0.0), (0.3, -1.0)]), 0.4, "ties to the lowest");
        assert_eq!(threshold(&[(0.9, 1.0), (0.9, -2.0)]), 1.0, "equal confidences stand and fall together");
        assert_eq!(threshold(&[]), 0.0);
    }

    #[test]
    fn the_temperature_is_the_one_that_made_the_labels() {
        // Two tasks, logits (x, 0): of 100 prompts, 73 are of task 0, so that p = 0.73 less the smoothing is calibrated.
        let p: f64 = 0.73 * (1.0 - 1.0 / 102.0) + 0.5 / 102.0;
        for x in [0.5f32, 0.9946, 4.0] {
            let logits = [x, 0.0];
            let rows: Vec<(&[f32], usize)> = (0..100).map(|i| (&logits[..], usize::from(i >= 73))).collect();
            let expected = f64::from(x) / (p / (1.0 - p)).ln();
            assert!((f64::from(best_temperature(&rows)) - expected).abs() < 1e-3);
        }
        // Without an error in 98 rows, confidence stays at 1 - 0.5 / 100.
        let rows: Vec<(&[f32], usize)> = (0..98).map(|_| (&[1.0f32, 0.0][..], 0)).collect();
        assert!((f64::from(best_temperature(&rows)) - 1.0 / (0.995f64 / 0.005).ln()).abs() < 1e-3);
        assert_eq!(best_temperature(&[]), 1.0);
    }
}
