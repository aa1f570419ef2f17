//! Boosting: tree after tree for every model, and how many.
#![allow(clippy::indexing_slicing, reason = "rows come from the set, models from its pool")]

use rand::seq::index::sample;
use rayon::prelude::*;
use router_core::prelude::*;

use super::bins::Bins;
use super::config::TreesConfig;
use super::fitted::TreesEstimator;
use super::grow::{Derivative, Grower};
use crate::estimators::decision_trees::{DecisionTrees, Tree};
use crate::nn::kernels::{cross_entropy, sigmoid};

/// Folds of which one is held out to choose the number of trees.
const FOLDS: usize = 5;
/// Trees at most where their number is chosen.
const MOST: usize = 200;
/// Trees where nothing can be held out.
const UNINFORMED: usize = 50;

/// One model's outcomes.
#[derive(Default, Clone)]
struct Observed {
    rows: Vec<u32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

/// The sum of one model's trees.
struct Boosted {
    start: f32,
    trees: Vec<Tree>,
    /// The held-out loss after every tree.
    losses: Vec<f64>,
}

pub(super) fn fit(config: &TreesConfig, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<TreesEstimator> {
    cx.check_cancelled()?;
    set.embeddings().check_finite("embeddings")?;
    let bins = Bins::new(set.embeddings(), config.bins);
    let all: Vec<usize> = (0..set.len()).collect();
    let count = match config.trees {
        Some(count) => count,
        None => choose_count(config, set, &bins, cx)?,
    };
    let models = boost(config, set, &bins, &all, &[], count, cx)?;
    // Without outcomes: no tree, and the logit of the others' mean.
    let fallback = |model: usize| logit(tasks.global()[model]);
    let start = models.iter().enumerate().map(|(at, of)| of.as_ref().map_or(fallback(at), |of| of.start)).collect();
    let counts: Vec<usize> = models.iter().map(|of| of.as_ref().map_or(0, |of| of.trees.len())).collect();
    let mut trees: Vec<Tree> = models.into_iter().flatten().flat_map(|of| of.trees).collect();
    if trees.is_empty() {
        // Nobody has a tree; one that says nothing, so that there is something to store.
        trees.push(Tree { nodes: vec![crate::estimators::decision_trees::Node::Leaf(0)], values: vec![0.0] });
    }
    TreesEstimator::new(DecisionTrees::new(&trees, set.embeddings().cols(), 1)?, start, counts)
}

fn choose_count(config: &TreesConfig, set: &TrainingSet, bins: &Bins, cx: &FitContext) -> Result<usize> {
    let Some(folds) = set.folds(FOLDS, &cx.seed().child("folds")) else { return Ok(UNINFORMED) };
    let (train, held_out) = folds.split(0);
    let models = boost(config, set, bins, &train, &held_out, MOST, &cx.child("choosing trees"))?;
    let mut totals = vec![0.0f64; MOST + 1];
    for of in models.iter().flatten() {
        // A model without another tree stays as it is.
        let last = of.losses.last().copied().unwrap_or(0.0);
        for (at, total) in totals.iter_mut().enumerate() {
            *total += of.losses.get(at).copied().unwrap_or(last);
        }
    }
    let mut best = (0, f64::INFINITY);
    for (count, &total) in totals.iter().enumerate() {
        if total < best.1 {
            best = (count, total);
        }
    }
    Ok(best.0)
}

/// Boosts every model on the rows `train`; `None` for one without outcomes there.
fn boost(
    config: &TreesConfig,
    set: &TrainingSet,
    bins: &Bins,
    train: &[usize],
    held_out: &[usize],
    count: usize,
    cx: &FitContext,
) -> Result<Vec<Option<Boosted>>> {
    let (train, held_out) = (observed(set, train), observed(set, held_out));
    let bar = cx.begin("trees", Some(train.len() as u64));
    let columns: Vec<Vec<usize>> = (0..count)
        .map(|tree| {
            let looked_at = ((bins.columns() as f64 * config.features).ceil() as usize).min(bins.columns());
            let mut drawn = sample(&mut cx.stream(&format!("tree {tree}")), bins.columns(), looked_at).into_vec();
            drawn.sort_unstable();
            drawn
        })
        .collect();
    train
        .par_iter()
        .zip(&held_out)
        .map(|(train, held_out)| {
            let boosted = boost_one(config, bins, train, held_out, &columns, set.embeddings(), cx)?;
            bar.advance(1);
            Ok(boosted)
        })
        .collect()
}

/// The outcomes of every model on `rows`.
fn observed(set: &TrainingSet, rows: &[usize]) -> Vec<Observed> {
    let mut of_models = vec![Observed::default(); set.models().len()];
    for &row in rows {
        for outcome in set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0) {
            let of = &mut of_models[outcome.model];
            of.rows.push(row as u32);
            of.targets.push(outcome.quality);
            of.weights.push(outcome.weight);
        }
    }
    of_models
}

fn boost_one(
    config: &TreesConfig,
    bins: &Bins,
    train: &Observed,
    held_out: &Observed,
    columns: &[Vec<usize>],
    embeddings: MatrixView<'_>,
    cx: &FitContext,
) -> Result<Option<Boosted>> {
    let weight: f64 = train.weights.iter().map(|&weight| f64::from(weight)).sum();
    if train.rows.is_empty() {
        return Ok(None);
    }
    let answered: f64 = train.targets.iter().zip(&train.weights).map(|(&q, &w)| f64::from(q) * f64::from(w)).sum();
    let start = logit(answered / weight);
    let mut scores = vec![start; embeddings.rows()];
    let mut derivatives = vec![Derivative::default(); embeddings.rows()];
    let mut rows = train.rows.clone();
    let mut of_held_out = vec![start; held_out.rows.len()];
    let mut boosted = Boosted { start, trees: Vec::new(), losses: Vec::new() };
    boosted.losses.push(loss(&of_held_out, held_out));
    for columns in columns {
        cx.check_cancelled()?;
        for ((&row, &target), &weight) in train.rows.iter().zip(&train.targets).zip(&train.weights) {
            let probability = sigmoid(scores[row as usize]);
            derivatives[row as usize] = Derivative {
                gradient: weight * (probability - target),
                // Never so flat that a leaf jumps.
                curvature: weight * (probability * (1.0 - probability)).max(1e-6),
            };
        }
        rows.copy_from_slice(&train.rows);
        let tree = Grower { config, bins, columns }.grow(&mut rows, &derivatives, &mut scores);
        if !held_out.rows.is_empty() {
            let one = DecisionTrees::new(std::slice::from_ref(&tree), embeddings.cols(), 1)?;
            for (score, &row) in of_held_out.iter_mut().zip(&held_out.rows) {
                *score += one.leaf(0, embeddings.row(row as usize)).into_iter().flatten().sum::<f32>();
            }
            boosted.losses.push(loss(&of_held_out, held_out));
        }
        boosted.trees.push(tree);
    }
    Ok(Some(boosted))
}

fn loss(scores: &[f32], observed: &Observed) -> f64 {
    let rows = scores.iter().zip(&observed.targets).zip(&observed.weights);
    rows.map(|((&score, &target), &weight)| f64::from(weight) * f64::from(cross_entropy(score, target))).sum()
}

/// The logit of a mean quality, finite for one of 0 or 1.
fn logit(mean: f64) -> f32 {
    let mean = mean.clamp(1e-3, 1.0 - 1e-3);
    (mean / (1.0 - mean)).ln() as f32
}
