//! All models' regressions: the choice of the penalty, and the final fits.
#![allow(
    clippy::indexing_slicing,
    reason = "models come from the pool, rows from the set, folds from its own partition"
)]

use rayon::prelude::*;
use router_core::Folds;
use router_core::prelude::*;

use super::coverage::{Group, groups};
use super::majorized::{Loss, Problem, Solved, State};
use super::scaling::Scaling;
use crate::nn::Layer;
use crate::ranges::out_of_range;

/// Penalties that are tried, from strong to weak: each is the start of the next.
const PENALTIES: [f64; 9] = [300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];
/// Where nothing can be held out.
const UNINFORMED_PENALTY: f64 = 10.0;
/// Groups of models at most that cross-validation looks at, those with the most outcomes.
const JUDGED_GROUPS: usize = 16;

/// What a linear estimator is told.
#[derive(Debug, Clone, Copy)]
pub(in crate::estimators) struct Parameters<'a> {
    /// Chosen by cross-validation where it is absent.
    pub(in crate::estimators) penalty: Option<f64>,
    pub(in crate::estimators) folds: usize,
    /// For progress bars.
    pub(in crate::estimators) name: &'a str,
}

/// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
///
/// # Errors
/// [`ErrorKind::Config`].
pub(in crate::estimators) fn check(penalty: Option<f64>, folds: usize) -> Result<()> {
    if let Some(penalty) = penalty
        && !(1e-6..=1e9).contains(&penalty)
    {
        return out_of_range("penalty", &penalty, "at least 0.000001 and at most 1000000000");
    }
    if folds < 2 {
        return out_of_range("folds", &folds, "at least 2");
    }
    Ok(())
}

/// All models' regressions, ready.
pub(in crate::estimators) struct Fitted {
    /// On embeddings as they come; no weight for a model without outcomes.
    pub(in crate::estimators) layer: Layer,
    /// Whether a model has outcomes.
    pub(in crate::estimators) known: Vec<bool>,
    pub(in crate::estimators) penalty: f64,
}

/// Fits a regression under the loss `L` for every model of `set` that has outcomes; the intercepts of the others are
/// `fallback`.
///
/// # Errors
/// [`ErrorKind::Shape`] for embeddings of no dimension; [`ErrorKind::Cancelled`].
pub(in crate::estimators) fn fit_all<L: Loss>(
    parameters: Parameters<'_>,
    set: &TrainingSet,
    fallback: &[f32],
    cx: &FitContext,
) -> Result<Fitted> {
    cx.check_cancelled()?;
    let (d, m) = (set.embeddings().cols(), set.models().len());
    let scaling = Scaling::of(set.embeddings());
    let groups = groups(set);
    let penalty = match parameters.penalty {
        Some(penalty) => penalty,
        None => choose_penalty::<L>(parameters, set, &groups, &scaling, cx)?,
    };
    let bar = cx.begin(parameters.name, Some(groups.len() as u64));
    let solved: Vec<Solved> = groups
        .par_iter()
        .map(|group| {
            let problem = Problem::new(set, group, &group.rows, &scaling, cx)?;
            let mut state = State::zeros(group.models.len(), d);
            problem.solve::<L>(penalty, &mut state, cx)?;
            bar.advance(1);
            Ok(problem.solved(state))
        })
        .collect::<Result<_>>()?;
    let (mut weights, mut intercepts, mut known) = (Matrix::zeros(m, d), fallback.to_vec(), vec![false; m]);
    for (group, Solved(state)) in groups.iter().zip(&solved) {
        for (at, &model) in group.models.iter().enumerate() {
            weights.row_mut(model).copy_from_slice(state.weights.row(at));
            intercepts[model] = state.intercepts[at];
            known[model] = true;
        }
    }
    let mean: Vec<f32> = scaling.mean.iter().map(|&mean| mean as f32).collect();
    let layer = Layer::new(weights, intercepts)?.absorb_standardization(&mean, scaling.factor as f32);
    Ok(Fitted { layer, known, penalty })
}

/// The folds of `set`, the same for the choice of the penalty and for [`held_out_scores`].
fn folds(parameters: Parameters<'_>, set: &TrainingSet, cx: &FitContext) -> Option<Folds> {
    set.folds(parameters.folds, &cx.seed().child("folds"))
}

/// The training and the held-out problem of `group` in `fold`; none where one of them is empty.
fn split(
    set: &TrainingSet,
    group: &Group,
    folds: &Folds,
    fold: usize,
    scaling: &Scaling,
    cx: &FitContext,
) -> Result<Option<(Problem, Problem)>> {
    let (held_out, train): (Vec<usize>, Vec<usize>) =
        group.rows.iter().copied().partition(|&row| folds.fold_of()[row] == fold);
    let train = Problem::new(set, group, &train, scaling, cx)?;
    let judge = Problem::new(set, group, &held_out, scaling, cx)?;
    Ok((!train.is_empty() && !judge.is_empty()).then_some((train, judge)))
}

fn choose_penalty<L: Loss>(
    parameters: Parameters<'_>,
    set: &TrainingSet,
    groups: &[Group],
    scaling: &Scaling,
    cx: &FitContext,
) -> Result<f64> {
    let Some(folds) = folds(parameters, set, cx) else { return Ok(UNINFORMED_PENALTY) };
    let mut judged: Vec<&Group> = groups.iter().collect();
    judged.sort_by_key(|group| std::cmp::Reverse(group.rows.len() * group.models.len()));
    judged.truncate(JUDGED_GROUPS);
    let trials: Vec<(&Group, usize)> =
        judged.iter().flat_map(|&group| (0..folds.count()).map(move |fold| (group, fold))).collect();
    let bar = cx.begin(&format!("tuning {}", parameters.name), Some(trials.len() as u64));
    let losses: Vec<[f64; PENALTIES.len()]> = trials
        .par_iter()
        .map(|&(group, fold)| {
            let mut losses = [0.0; PENALTIES.len()];
            if let Some((train, judge)) = split(set, group, &folds, fold, scaling, cx)? {
                let mut state = State::zeros(group.models.len(), set.embeddings().cols());
                for (loss, &penalty) in losses.iter_mut().zip(&PENALTIES) {
                    train.solve::<L>(penalty, &mut state, cx)?;
                    *loss = judge.loss::<L>(&train.solved(state.clone()));
                }
            }
            bar.advance(1);
            Ok(losses)
        })
        .collect::<Result<_>>()?;
    let mut best = (UNINFORMED_PENALTY, f64::INFINITY);
    for (at, &penalty) in PENALTIES.iter().enumerate() {
        let total: f64 = losses.iter().map(|losses| losses[at]).sum();
        if total < best.1 {
            best = (penalty, total);
        }
    }
    Ok(best.0)
}

/// A model's held-out scores with their targets and weights: what its regressions on the other folds say under `penalty`.
pub(in crate::estimators) type HeldOut = Vec<(f32, f32, f32)>;

/// The held-out scores of every model, fold after fold; empty where nothing can be held out.
///
/// # Errors
/// [`ErrorKind::Cancelled`].
pub(in crate::estimators) fn held_out_scores<L: Loss>(
    parameters: Parameters<'_>,
    penalty: f64,
    set: &TrainingSet,
    cx: &FitContext,
) -> Result<Vec<HeldOut>> {
    let mut of_models = vec![HeldOut::new(); set.models().len()];
    let Some(folds) = folds(parameters, set, cx) else { return Ok(of_models) };
    let scaling = Scaling::of(set.embeddings());
    let groups = groups(set);
    let trials: Vec<(&Group, usize)> =
        groups.iter().flat_map(|group| (0..folds.count()).map(move |fold| (group, fold))).collect();
    let bar = cx.begin(&format!("calibrating {}", parameters.name), Some(trials.len() as u64));
    let scored: Vec<Option<(Matrix, Problem)>> = trials
        .par_iter()
        .map(|&(group, fold)| {
            let Some((train, judge)) = split(set, group, &folds, fold, &scaling, cx)? else { return Ok(None) };
            let mut state = State::zeros(group.models.len(), set.embeddings().cols());
            train.solve::<L>(penalty, &mut state, cx)?;
            bar.advance(1);
            Ok(Some((judge.scores(&train.solved(state)), judge)))
        })
        .collect::<Result<_>>()?;
    for (&(group, _), scored) in trials.iter().zip(&scored) {
        let Some((scores, judge)) = scored else { continue };
        let (targets, weights) = judge.observed();
        for (row, &weight) in weights.iter().enumerate() {
            for (at, &model) in group.models.iter().enumerate() {
                of_models[model].push((scores.get(row, at), targets.get(row, at), weight));
            }
        }
    }
    Ok(of_models)
}
