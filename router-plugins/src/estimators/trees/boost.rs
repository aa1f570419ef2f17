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
use crate::nn::exponential::{cross_entropy, sigmoid};

/// Folds of which one is held out to choose the number of trees.
const FOLDS: usize = 5;
/// Trees at most where their number is chosen.
const MOST: usize = 200;
/// Trees that are grown for all models before anybody looks.
const TURN: usize = 10;
/// Trees without a smaller held-out loss after which no more are tried.
const PATIENCE: usize = 30;
/// Trees where nothing can be held out.
const UNINFORMED: usize = 50;

/// One model's outcomes.
#[derive(Default, Clone)]
struct Observed {
    rows: Vec<u32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

/// The sum of one model's trees so far.
struct Boosted {
    start: f32,
    trees: Vec<Tree>,
    /// The held-out loss after every tree.
    losses: Vec<f64>,
    train: Observed,
    held_out: Observed,
    /// The logit of every prompt of the set, by the trees so far.
    scores: Vec<f32>,
    derivatives: Vec<Derivative>,
    /// That of every held-out outcome.
    of_held_out: Vec<f32>,
}

/// What trees are grown on.
struct Ground<'a> {
    config: &'a TreesConfig,
    bins: &'a Bins,
    embeddings: MatrixView<'a>,
}

pub(super) fn fit(config: &TreesConfig, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<TreesEstimator> {
    cx.check_cancelled()?;
    set.embeddings().check_finite("embeddings")?;
    let bins = Bins::new(set.embeddings(), config.bins);
    let ground = Ground { config, bins: &bins, embeddings: set.embeddings() };
    let all: Vec<usize> = (0..set.len()).collect();
    let count = match config.trees {
        Some(count) => count,
        None => choose_count(&ground, set, cx)?,
    };
    let mut models = begin(set, &all, &[]);
    let bar = cx.begin("trees", Some(models.len() as u64));
    let columns = ground.columns(0..count, cx);
    models.par_iter_mut().flatten().try_for_each(|model| {
        model.grow(&ground, &columns, cx)?;
        bar.advance(1);
        Ok::<(), Error>(())
    })?;
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

/// The number of trees of the smallest held-out loss: trees are grown for all models in turns, until the loss has not fallen for some.
fn choose_count(ground: &Ground<'_>, set: &TrainingSet, cx: &FitContext) -> Result<usize> {
    let Some(folds) = set.folds(FOLDS, &cx.seed().child("folds")) else { return Ok(UNINFORMED) };
    let (train, held_out) = folds.split(0);
    let mut models = begin(set, &train, &held_out);
    let cx = &cx.child("choosing trees");
    let bar = cx.begin("choosing trees", Some(MOST as u64));
    let total = |models: &[Option<Boosted>], count: usize| -> f64 {
        models.iter().flatten().map(|of| of.losses.get(count).or(of.losses.last()).copied().unwrap_or(0.0)).sum()
    };
    let mut best = (0, total(&models, 0));
    for first in (0..MOST).step_by(TURN) {
        let columns = ground.columns(first..first + TURN, cx);
        models.par_iter_mut().flatten().try_for_each(|model| model.grow(ground, &columns, cx))?;
        bar.advance(TURN as u64);
        for count in first + 1..=first + TURN {
            let total = total(&models, count);
            if total < best.1 {
                best = (count, total);
            }
        }
        if first + TURN >= best.0 + PATIENCE {
            break;
        }
    }
    Ok(best.0)
}

impl Ground<'_> {
    /// The looked-at columns of these trees, the same for every model.
    fn columns(&self, trees: std::ops::Range<usize>, cx: &FitContext) -> Vec<Vec<usize>> {
        let of_all = self.bins.columns();
        let looked_at = ((of_all as f64 * self.config.features).ceil() as usize).min(of_all);
        trees
            .map(|tree| {
                let mut drawn = sample(&mut cx.stream(&format!("tree {tree}")), of_all, looked_at).into_vec();
                drawn.sort_unstable();
                drawn
            })
            .collect()
    }
}

/// No tree yet for the models with outcomes on the rows `train`; `None` for the others.
fn begin(set: &TrainingSet, train: &[usize], held_out: &[usize]) -> Vec<Option<Boosted>> {
    let both = observed(set, train).into_iter().zip(observed(set, held_out));
    both.map(|(train, held_out)| Boosted::begin(train, held_out, set.len())).collect()
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

impl Boosted {
    fn begin(train: Observed, held_out: Observed, prompts: usize) -> Option<Self> {
        if train.rows.is_empty() {
            return None;
        }
        let weight: f64 = train.weights.iter().map(|&weight| f64::from(weight)).sum();
        let answered: f64 = train.targets.iter().zip(&train.weights).map(|(&q, &w)| f64::from(q) * f64::from(w)).sum();
        let start = logit(answered / weight);
        let of_held_out = vec![start; held_out.rows.len()];
        Some(Self {
            start,
            trees: Vec::new(),
            losses: vec![loss(&of_held_out, &held_out)],
            train,
            held_out,
            scores: vec![start; prompts],
            derivatives: vec![Derivative::default(); prompts],
            of_held_out,
        })
    }

    /// Adds a tree for each of `columns`.
    fn grow(&mut self, ground: &Ground<'_>, columns: &[Vec<usize>], cx: &FitContext) -> Result<()> {
        let Self { trees, losses, train, held_out, scores, derivatives, of_held_out, .. } = self;
        let mut rows = train.rows.clone();
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
            let tree =
                Grower { config: ground.config, bins: ground.bins, columns }.grow(&mut rows, derivatives, scores);
            if !held_out.rows.is_empty() {
                let one = DecisionTrees::new(std::slice::from_ref(&tree), ground.embeddings.cols(), 1)?;
                for (score, &row) in of_held_out.iter_mut().zip(&held_out.rows) {
                    *score += one.leaf(0, ground.embeddings.row(row as usize)).into_iter().flatten().sum::<f32>();
                }
                losses.push(loss(of_held_out, held_out));
            }
            trees.push(tree);
        }
        Ok(())
    }
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
