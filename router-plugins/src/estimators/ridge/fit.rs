//! Groups of equal coverage, the choice of the penalty, and the final fits.
#![allow(
    clippy::indexing_slicing,
    reason = "rows come from the set, models from its pool, folds from its own partition"
)]

use rayon::prelude::*;
use router_core::prelude::*;

use super::config::RidgeConfig;
use super::fitted::{Posterior, RidgeEstimator};
use crate::estimators::linear::{Group, Scaling, Solution, Sums, groups};

const PENALTIES: [f64; 9] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];
/// Where nothing can be held out.
const UNINFORMED_PENALTY: f64 = 10.0;
/// Groups of models at most that cross-validation looks at.
const JUDGED_GROUPS: usize = 16;
/// The largest variance of a quality in [0, 1]: that of a model without outcomes.
const UNKNOWN_VARIANCE: f32 = 0.25;

pub(super) fn fit(config: &RidgeConfig, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<RidgeEstimator> {
    cx.check_cancelled()?;
    let (d, m) = (set.embeddings().cols(), set.models().len());
    let scaling = Scaling::of(set.embeddings());
    let groups = groups(set);
    let penalty = match config.penalty {
        Some(penalty) => penalty,
        None => choose_penalty(config, set, &groups, &scaling, cx)?,
    };
    let with_variance = config.variance && groups.len() == 1;
    let bar = cx.begin("ridge", Some(groups.len() as u64));
    let fits: Vec<(Solution, Option<Posterior>)> = groups
        .par_iter()
        .map(|group| {
            let sums = sums(set, group, &group.rows, &scaling, cx)?;
            let factor = sums.factor(penalty)?;
            let solution = sums.solve(&factor);
            let posterior =
                if with_variance { Some(posterior(&sums, &factor.inverse(), &solution, penalty)?) } else { None };
            bar.advance(1);
            Ok((solution, posterior))
        })
        .collect::<Result<_>>()?;
    let mut weights = Matrix::zeros(m, d);
    let mut intercepts: Vec<f32> = tasks.global().iter().map(|&mean| mean as f32).collect();
    let mut posterior = None;
    for (group, (solution, of_group)) in groups.iter().zip(fits) {
        for (at, &model) in group.models.iter().enumerate() {
            let solved = &solution.weights[at * d..(at + 1) * d];
            weights.row_mut(model).iter_mut().zip(solved).for_each(|(to, &weight)| *to = weight as f32);
            intercepts[model] = solution.intercepts[at] as f32;
        }
        posterior = of_group.map(|mut of_group| {
            let mut noise = vec![UNKNOWN_VARIANCE; m];
            for (&model, &of_model) in group.models.iter().zip(&of_group.noise) {
                noise[model] = of_model;
            }
            let known: Vec<bool> = (0..m).map(|model| group.models.contains(&model)).collect();
            of_group.noise = noise;
            of_group.known = known;
            of_group
        });
    }
    RidgeEstimator::new(
        scaling.mean.iter().map(|&mean| mean as f32).collect(),
        scaling.factor as f32,
        weights,
        intercepts,
        posterior,
        penalty,
    )
}

/// The sums over `rows`, all of which `group` covers.
fn sums(set: &TrainingSet, group: &Group, rows: &[usize], scaling: &Scaling, cx: &FitContext) -> Result<Sums> {
    let mut sums = Sums::new(set.embeddings().cols(), group.models.len());
    let write = |row: usize, features: &mut [f64], responses: &mut [f64]| {
        scaling.write(set.embeddings().row(row), features);
        let mut weight = 0.0;
        for (response, &model) in responses.iter_mut().zip(&group.models) {
            if let Some(outcome) = set.outcomes().get(row, model) {
                *response = f64::from(outcome.quality);
                weight = f64::from(outcome.weight);
            }
        }
        weight
    };
    sums.add_rows(rows, write, || cx.check_cancelled())?;
    Ok(sums)
}

fn choose_penalty(
    config: &RidgeConfig,
    set: &TrainingSet,
    groups: &[Group],
    scaling: &Scaling,
    cx: &FitContext,
) -> Result<f64> {
    let Some(folds) = set.folds(config.folds, &cx.seed().child("folds")) else { return Ok(UNINFORMED_PENALTY) };
    let mut judged: Vec<&Group> = groups.iter().collect();
    judged.sort_by_key(|group| std::cmp::Reverse(group.rows.len() * group.models.len()));
    judged.truncate(JUDGED_GROUPS);
    let bar = cx.begin("tuning ridge", Some(judged.len() as u64));
    let errors: Vec<Vec<f64>> = judged
        .par_iter()
        .map(|group| {
            let parts: Vec<Sums> = (0..folds.count())
                .into_par_iter()
                .map(|fold| {
                    let rows: Vec<usize> =
                        group.rows.iter().copied().filter(|&row| folds.fold_of()[row] == fold).collect();
                    sums(set, group, &rows, scaling, cx)
                })
                .collect::<Result<_>>()?;
            let empty = Sums::new(set.embeddings().cols(), group.models.len());
            let all = parts.iter().fold(empty, |all, part| all.plus(1.0, part));
            let by_fold: Vec<Vec<f64>> = parts
                .par_iter()
                .map(|part| {
                    let rest = all.clone().plus(-1.0, part);
                    PENALTIES
                        .iter()
                        .map(|&penalty| {
                            cx.check_cancelled()?;
                            // Nothing to learn from, or nothing to judge by.
                            if rest.weight() <= 0.0 || part.weight() <= 0.0 {
                                return Ok(0.0);
                            }
                            let solution = rest.solve(&rest.factor(penalty)?);
                            Ok(part.squared_errors(&solution).iter().sum())
                        })
                        .collect::<Result<_>>()
                })
                .collect::<Result<_>>()?;
            bar.advance(1);
            Ok(sum_each(&by_fold))
        })
        .collect::<Result<_>>()?;
    let mut best = (UNINFORMED_PENALTY, f64::INFINITY);
    for (&penalty, error) in PENALTIES.iter().zip(sum_each(&errors)) {
        if error <= best.1 {
            best = (penalty, error);
        }
    }
    Ok(best.0)
}

/// The sums over `rows`, a penalty.
fn sum_each(rows: &[Vec<f64>]) -> Vec<f64> {
    (0..PENALTIES.len()).map(|at| rows.iter().map(|row| row[at]).sum()).collect()
}

/// What the variance of estimates needs, for the models of the group.
fn posterior(sums: &Sums, inverse: &[f64], solution: &Solution, penalty: f64) -> Result<Posterior> {
    let mean = sums.mean();
    let d = mean.len();
    // The trace of G (G + penalty I)^-1 is d - penalty * trace of the inverse; the intercept is one parameter more.
    let trace: f64 = inverse.iter().map(|value| value * value).sum();
    let parameters = 1.0 + (d as f64 - penalty * trace).max(0.0);
    let freedom = (sums.count() - parameters).max(1.0);
    let noise = sums
        .squared_errors(solution)
        .iter()
        .map(|error| (error / sums.weight() * sums.count() / freedom) as f32)
        .collect();
    Ok(Posterior {
        inverse: Matrix::from_vec(d, d, inverse.iter().map(|&value| value as f32).collect())?,
        mean: mean.iter().map(|&mean| mean as f32).collect(),
        of_intercept: (1.0 / sums.weight()) as f32,
        noise,
        known: Vec::new(),
    })
}
