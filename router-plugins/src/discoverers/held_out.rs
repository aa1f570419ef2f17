//! How well a partition of prompts serves prompts that it has not seen: what discoverers choose the number of tasks by.

use rand::seq::SliceRandom;
use router_core::prelude::*;

use crate::clustering::Lloyd;
use crate::estimators::task_mean::pooling::{Sums, empirical_bayes};

/// Outcomes of the mean over all tasks that a task's mean counts, as in the task profiles.
const SHRINKAGE: f64 = 10.0;

/// Some prompts to find tasks among, and others to judge them by: rows of a training set.
#[derive(Debug, Clone)]
pub(super) struct Split {
    pub(super) learn: Vec<usize>,
    pub(super) judge: Vec<usize>,
}

/// `rows` in `count` folds drawn from the context's stream, each held out once.
pub(super) fn folds(rows: &[usize], count: usize, cx: &FitContext) -> Vec<Split> {
    let mut drawn = rows.to_vec();
    drawn.shuffle(&mut cx.stream("held-out folds"));
    (0..count)
        .map(|fold| {
            let part = |held_out: bool| {
                let rows = drawn.iter().enumerate().filter(|(at, _)| (at % count == fold) == held_out);
                let mut rows: Vec<usize> = rows.map(|(_, &row)| row).collect();
                rows.sort_unstable();
                rows
            };
            Split { learn: part(false), judge: part(true) }
        })
        .collect()
}

/// What a partition is worth to the prompts that it was not made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    /// The summed squared error of the task means as predictions of the held-out outcomes.
    pub(super) squared_error: f64,
    /// How far the task means are from which models did better on every held-out prompt: the variance over models of the errors of
    /// their predictions, which an error that all models share has no part in. `None` with fewer than two outcomes.
    pub(super) contrast_errors: Vec<Option<f64>>,
    /// The quality of the model that the task means choose for every held-out prompt; `None` where that model has no outcome.
    pub(super) utilities: Vec<Option<f64>>,
}

/// Judges the partition `labels` (one a learning prompt) by the held-out prompts of `split`; `points` are the embeddings of all
/// prompts of `set`, n x d, of unit length.
///
/// A held-out prompt belongs to the task of the nearest center, the direction of the mean of the task's prompts. The prediction for it
/// is every model's mean quality on the task, pulled to its mean over all learning prompts by empirical Bayes: a model that does
/// as well on one task as on another is pooled, or else the noise of many such models would outweigh what few others tell. The
/// model is chosen as the task profiles would, by means pulled as if by 10 outcomes. O(n k d).
pub(super) fn judge(set: &TrainingSet, points: &Matrix, split: &Split, labels: &[Option<u32>]) -> Judgement {
    let (labels, k) = &without_gaps(labels);
    let (labels, k) = (labels.as_slice(), *k);
    let means = TaskMeans::of(set.outcomes(), &split.learn, labels, k);
    let assigned = nearest(points, split, labels, k);
    let held_out = split.judge.len();
    let mut judgement = Judgement {
        squared_error: 0.0,
        contrast_errors: Vec::with_capacity(held_out),
        utilities: Vec::with_capacity(held_out),
    };
    for (&row, &task) in split.judge.iter().zip(&assigned) {
        let best = means.best(task);
        let mut utility = None;
        let mut errors = Sums::default();
        for outcome in set.outcomes().row(row) {
            if let Some(prediction) = means.predict(task, outcome.model) {
                let off = f64::from(outcome.quality - prediction);
                judgement.squared_error += f64::from(outcome.weight) * off * off;
                errors.add_value(f64::from(outcome.weight), off);
            }
            if Some(outcome.model) == best {
                utility = Some(f64::from(outcome.quality));
            }
        }
        judgement.contrast_errors.push((errors.count() > 1.0).then(|| errors.spread()));
        judgement.utilities.push(utility);
    }
    judgement
}

/// The labels numbered by their order, and how many there are: a number that nobody has would be one more task, without prompts.
fn without_gaps(labels: &[Option<u32>]) -> (Vec<Option<u32>>, usize) {
    let mut present: Vec<u32> = labels.iter().copied().flatten().collect();
    present.sort_unstable();
    present.dedup();
    let number = |label: u32| present.binary_search(&label).ok().map(|at| at as u32);
    (labels.iter().map(|label| label.and_then(number)).collect(), present.len())
}

/// The task of every held-out prompt; where there is no task, number 0, whose means are those over all.
fn nearest(points: &Matrix, split: &Split, labels: &[Option<u32>], k: usize) -> Vec<usize> {
    if k == 0 || points.cols() == 0 {
        return vec![0; split.judge.len()];
    }
    let labelled: Vec<(usize, u32)> =
        split.learn.iter().zip(labels).filter_map(|(&row, &label)| Some((row, label?))).collect();
    let (rows, labels): (Vec<usize>, Vec<u32>) = labelled.into_iter().unzip();
    let learn = points.gather(&rows);
    let centers = Lloyd { points: learn.view(), k, iterations: 1 }.centers(&labels, k);
    let judge = points.gather(&split.judge);
    let assigned = Lloyd { points: judge.view(), k, iterations: 1 }.assign(&centers);
    assigned.labels().iter().map(|&label| label as usize).collect()
}

/// Every model's mean quality on every task, pulled to its mean over all.
struct TaskMeans {
    /// As if by [`SHRINKAGE`] outcomes, tasks x models.
    means: Matrix,
    /// By empirical Bayes, tasks x models.
    predictions: Matrix,
    /// Whether a model was seen at all.
    seen: Vec<bool>,
}

impl TaskMeans {
    fn of(outcomes: &Outcomes, rows: &[usize], labels: &[Option<u32>], k: usize) -> Self {
        let m = outcomes.models();
        let tasks = k.max(1);
        let mut of_all = vec![Sums::default(); m];
        let mut of_tasks = vec![vec![Sums::default(); tasks]; m];
        for (&row, &label) in rows.iter().zip(labels) {
            for outcome in outcomes.row(row) {
                if let Some(sums) = of_all.get_mut(outcome.model) {
                    sums.add(outcome);
                }
                let task = label.and_then(|label| of_tasks.get_mut(outcome.model)?.get_mut(label as usize));
                if let Some(sums) = task {
                    sums.add(outcome);
                }
            }
        }
        let (mut means, mut predictions) = (Matrix::zeros(tasks, m), Matrix::zeros(tasks, m));
        for (model, (of_all, of_tasks)) in of_all.iter().zip(&of_tasks).enumerate() {
            let shrinkage = empirical_bayes(of_tasks);
            for (task, sums) in of_tasks.iter().enumerate() {
                let pulled = |weight: f64, shrinkage: f64| {
                    let total = weight + shrinkage;
                    if total > 0.0 { (weight * sums.mean() + shrinkage * of_all.mean()) / total } else { of_all.mean() }
                };
                means.set(task, model, pulled(sums.weight(), SHRINKAGE) as f32);
                predictions.set(task, model, pulled(sums.count(), shrinkage) as f32);
            }
        }
        Self { means, predictions, seen: of_all.iter().map(|sums| sums.weight() > 0.0).collect() }
    }

    fn get(&self, task: usize, model: ModelIndex) -> Option<f32> {
        self.seen.get(model).copied().unwrap_or(false).then(|| self.means.get(task, model))
    }

    fn predict(&self, task: usize, model: ModelIndex) -> Option<f32> {
        self.seen.get(model).copied().unwrap_or(false).then(|| self.predictions.get(task, model))
    }

    /// The model of the highest mean on a task, ties to the lowest index.
    fn best(&self, task: usize) -> Option<ModelIndex> {
        let mut best: Option<(f32, ModelIndex)> = None;
        for model in 0..self.seen.len() {
            if let Some(mean) = self.get(task, model)
                && best.is_none_or(|(highest, _)| mean > highest)
            {
                best = Some((mean, model));
            }
        }
        best.map(|(_, model)| model)
    }
}

/// A way to find tasks, as it did on held-out prompts.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidate {
    /// What it is worth to every held-out prompt of all folds, in the same order for every candidate: the contrast error, negated.
    contrasts: Vec<Option<f64>>,
    /// The same by the quality of the model that is chosen, for outcomes of one model a prompt, which make no contrasts.
    utilities: Vec<Option<f64>>,
}

impl Candidate {
    /// Adds what `labels`, the task of every learning prompt of `split`, are worth to the held-out prompts; see [`judge`].
    pub(super) fn add(&mut self, set: &TrainingSet, points: &Matrix, split: &Split, labels: &[Option<u32>]) {
        let judgement = judge(set, points, split, labels);
        self.contrasts.extend(judgement.contrast_errors.iter().map(|error| error.map(|error| -error)));
        self.utilities.extend(judgement.utilities);
    }

    /// What it is worth to every held-out prompt: by contrasts, if at least half of the prompts make them. It depends on the prompts alone, so
    /// that all candidates are asked the same.
    fn worths(&self) -> &[Option<f64>] {
        let known = self.contrasts.iter().flatten().count();
        if 2 * known >= self.contrasts.len().max(1) { &self.contrasts } else { &self.utilities }
    }

    /// The mean of what is known of the worths; the lowest of all numbers if nothing is.
    pub(super) fn mean(&self) -> f64 {
        let known: Vec<f64> = self.worths().iter().copied().flatten().collect();
        if known.is_empty() { f64::NEG_INFINITY } else { known.iter().sum::<f64>() / known.len() as f64 }
    }

    /// Whether this one's worth lies within `errors` standard errors of that of `best`: the error of the mean difference on the
    /// prompts where both are known.
    fn is_near(&self, best: &Self, errors: f64) -> bool {
        let pairs = best.worths().iter().zip(self.worths());
        let differences: Vec<f64> = pairs.filter_map(|(&best, &own)| Some(best? - own?)).collect();
        // One difference says nothing of its error.
        if differences.len() < 2 {
            return true;
        }
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let squares = differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>();
        mean <= errors * (squares / (n - 1.0) / n).sqrt()
    }
}

/// The position of the candidate to take, of `candidates` from the coarsest to the finest: the first whose worth lies within one
/// standard error of the highest (Breiman et al., Classification and Regression Trees, 1984). 0 without candidates.
///
/// The error is that of the difference to the best on the same prompts, which is much smaller than that of either mean: both are
/// judged by the same outcomes.
pub(super) fn choose(candidates: &[Candidate]) -> usize {
    choose_within(candidates, 1.0)
}

/// The same with `errors` standard errors in the place of one.
pub(super) fn choose_within(candidates: &[Candidate], errors: f64) -> usize {
    let mut best: Option<(f64, &Candidate)> = None;
    for candidate in candidates {
        let worth = candidate.mean();
        if best.is_none_or(|(highest, _)| worth > highest) {
            best = Some((worth, candidate));
        }
    }
    let Some((_, best)) = best else { return 0 };
    candidates.iter().position(|candidate| candidate.is_near(best, errors)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::Model;

    use super::*;

    #[test]
    fn one_standard_error_decides_between_few_tasks_and_many() {
        let candidate = |utilities: &[f64]| Candidate {
            contrasts: vec![None; utilities.len()],
            utilities: utilities.iter().copied().map(Some).collect(),
        };
        // 100 prompts; the second is better on 9 and worse on 4: mean 0.05, standard error 0.036. The third on 2 and 1: 0.01
        // and 0.017.
        let base = candidate(&[0.0; 100]);
        let turn = |better: usize, worse: usize| {
            let of =
                |at| f64::from(u8::from(at < better)) - f64::from(u8::from((better..better + worse).contains(&at)));
            candidate(&(0..100).map(of).collect::<Vec<_>>())
        };
        assert_eq!(choose(&[base.clone(), turn(9, 4)]), 1);
        assert_eq!(choose_within(&[base.clone(), turn(9, 4)], 2.0), 0);
        assert_eq!(choose_within(&[base.clone(), turn(12, 3)], 2.0), 1);
        assert_eq!(choose(&[base.clone(), turn(2, 1)]), 0);
        assert_eq!(choose(&[base.clone(), base.clone()]), 0);
        assert_eq!(choose(&[base, turn(8, 4), turn(9, 4), turn(2, 1)]), 1);
        // Nothing is known of any: the coarsest.
        let unknown = Candidate { contrasts: vec![None; 5], utilities: vec![None; 5] };
        assert_eq!(choose(&vec![unknown; 3]), 0);
        assert_eq!(choose(&[]), 0);
    }

    #[test]
    fn a_few_contrasts_do_not_speak_for_all_prompts() {
        let candidate = |contrast: f64, utility: f64| Candidate {
            contrasts: (0..10).map(|at| (at == 0).then_some(contrast)).collect(),
            utilities: vec![Some(utility); 10],
        };
        // By its one contrast the second would be better; by what it is worth to the others it is not.
        assert_eq!(choose(&[candidate(-1.0, 0.5), candidate(0.0, 0.5)]), 0);
        assert_eq!(choose(&[candidate(0.0, 0.5), candidate(-1.0, 0.6)]), 1);
        // One difference has no error to hold it against.
        let one = |worth: f64| Candidate { contrasts: vec![Some(worth)], utilities: vec![None] };
        assert_eq!(choose(&[one(0.0), one(1.0)]), 0);
    }

    #[test]
    fn labels_may_have_gaps_and_embeddings_no_numbers() {
        assert_eq!(without_gaps(&[Some(9), None, Some(4), Some(9)]), (vec![Some(1), None, Some(0), Some(1)], 2));
        let prompts = (0..4).map(|row| Prompt::new(row.to_string(), "x")).collect();
        let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
        let rows = (0..4).map(|row| vec![Outcome::new(0, 1.0), Outcome::new(1, (row % 2) as f32)]).collect();
        let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(2, rows).unwrap()).unwrap();
        let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(4, 0))).unwrap();
        let split = Split { learn: vec![0, 1], judge: vec![2, 3] };
        assert_eq!(judge(&set, &Matrix::zeros(4, 0), &split, &[Some(7), Some(7)]).utilities, [Some(1.0), Some(1.0)]);
    }

    #[test]
    fn a_partition_is_judged_by_what_it_predicts_and_chooses() {
        // Two directions; model 0 is good in the first, model 1 in the second.
        let n = 80;
        let mut points = Matrix::zeros(n, 2);
        let mut rows = Vec::new();
        for row in 0..n {
            points.set(row, row % 2, 1.0);
            rows.push((0..2).map(|model| Outcome::new(model, f32::from(u8::from(model == row % 2)))).collect());
        }
        let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
        let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
        let outcomes = Outcomes::from_rows(2, rows).unwrap();
        let dataset = Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap());
        let set = TrainingSet::new(dataset, Arc::new(points.clone())).unwrap();
        let all: Vec<usize> = (0..n).collect();
        let splits = folds(&all, 4, &FitContext::new(1));
        let mut held_out: Vec<usize> = splits.iter().flat_map(|split| split.judge.clone()).collect();
        held_out.sort_unstable();
        assert_eq!(held_out, all);
        for split in &splits {
            assert_eq!(split.learn.len(), 60);
            let of = |label: &dyn Fn(usize) -> Option<u32>| {
                let labels: Vec<Option<u32>> = split.learn.iter().map(|&row| label(row)).collect();
                judge(&set, &points, split, &labels)
            };
            let (right, one, none) = (of(&|row| Some(row as u32 % 2)), of(&|_| Some(0)), of(&|_| None));
            assert!(right.utilities.iter().all(|&utility| utility == Some(1.0)));
            assert!(right.squared_error < 0.2 * one.squared_error);
            let error =
                |judgement: &Judgement| judgement.contrast_errors.iter().map(|error| error.unwrap()).sum::<f64>();
            // One task predicts p of one model and 1 - p of the other, whichever is right; off by 0.5 and -0.5 or, where the held-out part
            // differs from the rest, by more in the mean.
            assert!(error(&one) > 0.25 * 20.0 - 1e-3 && error(&right) < 0.05 * error(&one));
            assert_eq!(one.utilities, none.utilities);
            assert!((one.squared_error - none.squared_error).abs() < 1e-6);
        }
    }
}
